/* The key table: every leaf of the configuration structs, once.
 *
 * One table serves loading (an element is a group, an attribute a key), `--set`, listing, range errors and the key
 * reference (`vexit model keys`). The XSD is written by hand beside it; a test holds the two together.
 *
 * A path is the names of the groups from the root down, joined by dots, then the key: "cpu.memory.l2.hit_ticks".
 * Of a repeated group each instance adds its name ("cpu.tlb.l2.hit_ticks") or its number ("cpu.tlb.l2.array.0.ways").
 */
#ifndef VX_KEYS_H
#define VX_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vx_model.h"

typedef enum vx_key_type {
    VX_KEY_NUMBER, /* decimal, or hexadecimal with 0x */
    VX_KEY_HEX,    /* as NUMBER, and written in hexadecimal */
    VX_KEY_BYTES,  /* as NUMBER, or with k, m, g for powers of 1024 */
    VX_KEY_MILLI,  /* decimal fraction with up to three digits; the field holds thousandths */
    VX_KEY_SWITCH, /* "yes" or "no"; a bool */
    VX_KEY_WORD,   /* one of `words`; the field holds its position */
    VX_KEY_WORDS,  /* any of `words`, blanks between; the field holds a bit for each */
    VX_KEY_TEXT    /* a terminated string that fits the field */
} vx_key_type;

/* What a stated value must be able to show for itself. */
typedef enum vx_key_need {
    VX_NEED_SOURCE,  /* cost, geometry, latency: stated with source or assumed; its default counts as assumed */
    VX_NEED_FEATURE, /* stated with source or assumed; where it is not stated the processor lacks it */
    VX_NEED_NOTHING, /* names and switches of an experiment */
    VX_NEED_NAME     /* as NOTHING, and not for --set: other things refer to it */
} vx_key_need;

typedef struct vx_key {
    const char *name;
    vx_key_type type;
    vx_key_need need;
    bool required;         /* a model must state it */
    uint16_t offset, size; /* of the field, from the start of its group's instance */
    const char *unit;
    uint64_t min, max; /* of the field's value (thousandths for MILLI) */
    uint64_t initial;
    const char *const *words; /* NULL-terminated */
    const char *doc;
} vx_key;

typedef enum vx_group_many {
    VX_GROUP_ONE,
    VX_GROUP_NAMED,   /* instances are told apart by their first key, a name */
    VX_GROUP_NUMBERED /* instances are told apart by their position */
} vx_group_many;

typedef struct vx_key_group vx_key_group;
struct vx_key_group {
    const char *name; /* of the XML element and in paths */
    const char *doc;
    const vx_key *keys;
    size_t key_count;
    const vx_key_group *children;
    size_t child_count;
    uint16_t offset; /* of the (first) instance, from the start of the parent's instance */
    vx_group_many many;
    uint16_t stride, limit; /* repeated groups: bytes an instance, most instances */
    uint16_t count_offset;  /* repeated groups: the uint8_t count, from the start of the parent's instance */
};

enum { VX_KEY_PATH = 128 };

/* The roots, one a kind: groups "cpu", "vmm", "vm", "chipset", "nic". */
extern const vx_key_group vx_keys_cpu, vx_keys_vmm, vx_keys_vm, vx_keys_chipset, vx_keys_nic;
const vx_key_group *vx_keys_root(vx_model_kind kind);

/* Word lists, NULL-terminated; positions are the enums' values. */
extern const char *const vx_words_vendor[],
    *const vx_words_tlb_class[], *const vx_words_pages[], *const vx_words_access[],
                                                              *const vx_words_replacement[],
                                                                  *const vx_words_psc[],
                                                                      *const vx_words_caches[],
                                                                          *const vx_words_placement[],
                                                                              *const vx_words_tables[],
                                                                                  *const vx_words_scheme[],
                                                                                      *const vx_words_exits[],
                                                                                          *const vx_words_unshadow[];
extern const char *const vx_words_tpr_trap[], *const vx_words_apic_access[], *const vx_words_guest_timer[],
                                                                                 *const vx_words_smp_traces[];
extern const char *const vx_words_backend[];
extern const char *const vx_words_granularity[], *const vx_words_levels[];

/* ---- one value (key_value.c) ---- */

/* Reads `text` into the key's field at `field`. On an error `why` (VX_KEY_WHY bytes) says what is expected, and the
 * field is untouched. */
enum { VX_KEY_WHY = 256 };
bool vx_key_parse(const vx_key *key, const char *text, void *field, char why[VX_KEY_WHY]);

/* Writes the field's value as vx_key_parse reads it; returns its length, as snprintf does. */
int vx_key_format(const vx_key *key, const void *field, char *text, size_t bytes);

/* What vx_key_parse accepts, in words: "a number from 0 to 1000 (ticks)". */
void vx_key_expects(const vx_key *key, char text[VX_KEY_WHY]);

/* ---- paths (key_path.c) ---- */

/* One leaf of a given configuration. */
typedef struct vx_leaf {
    char path[VX_KEY_PATH];
    const vx_key_group *group;
    const vx_key *key;
    size_t base;   /* of the group's instance, from the start of the configuration */
    size_t offset; /* of the field, likewise */
} vx_leaf;

/* Calls `each` for every leaf of `config`, in the order of the table, until it returns false. */
void vx_keys_each(const vx_key_group *root, const void *config, bool (*each)(void *context, const vx_leaf *leaf),
                  void *context);

/* The leaf of a path; false where there is none, and then `nearest` is the path it may be a slip of, or "". */
bool vx_keys_find(const vx_key_group *root, const void *config, const char *path, vx_leaf *leaf,
                  char nearest[VX_KEY_PATH]);

/* Sets all fields of a group's instance, and of its single groups below, to their defaults. */
void vx_keys_reset(const vx_key_group *group, void *instance);

/* Appends ".name" to a path that is known to have room for it: names in the table and in models are short. */
void vx_key_path_add(char path[VX_KEY_PATH], const char *name);

#endif
