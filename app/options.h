/* Options that several verbs take: models, --set, output files, numbers with k, m and g. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "verb_common.h"
#include "vexit.h"

enum { OPTIONS_SETS_MAX = 256, OPTIONS_TRACES_MAX = 64 };

/* Keys of the long options; printable ones are short options too. */
enum {
    KEY_CPU = 256,
    KEY_VMM,
    KEY_SCHEME,
    KEY_VPID,
    KEY_SET,
    KEY_JSON,
    KEY_CSV,
    KEY_GUEST_PAGE,
    KEY_NESTED_PAGE,
    KEY_RAM,
    KEY_SEED,
    KEY_TRACE,
    KEY_SKIP,
    KEY_WARMUP,
    KEY_MAX,
    KEY_INTERVAL,
    KEY_REGION,
    KEY_CHECK,
    KEY_WHOLE_CHUNKS,
    KEY_GVA,
    KEY_LEVELS,
    KEY_CACHES,
    KEY_TABLE_PAGE,
    KEY_VM,
    KEY_VMS,
    KEY_VCPUS,
    KEY_NESTED,
    KEY_CLOCK,
    KEY_QUANTUM,
    KEY_TICK
};

/* What the machine is: shared by run, walk and compare. Strings point into argv or into `text`. */
typedef struct machine_options {
    const char *cpu, *vmm;
    const char *sets[OPTIONS_SETS_MAX];
    unsigned set_count;
    char text[8][64]; /* assignments made of other options, such as --ram */
    unsigned texts;
    const char *json, *csv, *html;
    vx_page_size guest_page, nested_page; /* as given; 4k */
} machine_options;

extern const struct argp machine_argp;

/* A count with k, m or g (powers of 1000), or bytes with k, m or g (powers of 1024). Errors end the program with exit
 * code 2 through argp_error, naming the option. */
uint64_t option_count(struct argp_state *state, const char *option, const char *text);
uint64_t option_bytes(struct argp_state *state, const char *option, const char *text);
vx_page_size option_page(struct argp_state *state, const char *option, const char *text);
bool option_on_off(struct argp_state *state, const char *option, const char *text);

/* argp_error where a size of nested pages is given for a scheme that has none: it would do nothing. */
void option_nested_pages(struct argp_state *state, const char *scheme, bool given);

/* Adds "path=value"; argp_error where there are too many. */
void option_add_set(struct argp_state *state, machine_options *machine, const char *assignment);

/* Whether the files that were asked for can be written, before a long run finds out that they cannot, and are none of
 * the traces, models and tables it reads; `measured` is compare's table, or NULL. */
vx_status verb_output_check(const machine_options *machine, const vx_sim_options *replay, const char *measured,
                            vx_msg *msg);

/* Text to standard output, or the files that were asked for. */
vx_status verb_output(const machine_options *machine, const json_t *document, vx_msg *msg);

#endif
