/* Running QEMU under the recorder: finding it and the plugin, its command line, its life. */
#ifndef RECORD_QEMU_H
#define RECORD_QEMU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "vx_trace.h"

/* What to record. */
typedef struct record_plan {
    const char *const *command; /* QEMU's own arguments; the program first, unless it begins with '-' */
    unsigned words;
    vx_tier tier;
    bool with_gpa, by_region;
    uint64_t region, until, max; /* until: the mark that ends the region; 0: the next one */
} record_plan;

typedef struct record_qemu {
    pid_t pid;
    vx_trace_pipe pipe; /* what the recorder sends, from this end */
    char version[128];  /* what `qemu --version` says first */
    uint64_t ram_low, ram_high;
} record_qemu;

/* Starts QEMU with the plugin. VX_ERR_IO where QEMU or the plugin is missing, VX_ERR_INPUT where QEMU is of a version
 * that has no plugin interface the recorder knows. SIGINT and SIGTERM end QEMU, not this program, until
 * record_qemu_end.
 */
vx_status record_qemu_start(record_qemu *qemu, const record_plan *plan, vx_msg *msg);

/* Asks QEMU to end, waits, and gives its wait status. Closes the pipe. */
int record_qemu_end(record_qemu *qemu);

/* The guest's RAM below and from 4 GiB on, as a command line's -m and machine say (128 MiB without). False where the
 * size cannot be understood. */
bool record_ram(const char *const *command, unsigned words, uint64_t *low, uint64_t *high);

/* The plugin interface's version to use with a QEMU of this version line; 0: none. */
unsigned record_interface(const char *version);

#endif
