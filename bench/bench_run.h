/* One simulation of an experiment: open, run, take figures, close. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "vexit.h"

enum { BENCH_SETS = 32, BENCH_SET_TEXT = 64 };

/* Assignments to the models ("path=value"), made as printf makes text. */
typedef struct bench_sets {
    char text[BENCH_SETS][BENCH_SET_TEXT];
    unsigned count;
} bench_sets;

void bench_sets_add(bench_sets *sets, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A scalar of the registry to be taken after a run. */
typedef struct bench_figure {
    const char *path;
    uint64_t value;
} bench_figure;

/* `sets` (NULL: none) take the place of options->sets. `ledger` may be NULL. A path that no statistic has is an error.
 */
vx_status bench_run(const vx_sim_options *options, const bench_sets *sets, bench_figure *figures, unsigned count,
                    vx_ledger *ledger, vx_msg *msg);

/* Ends a program: prints the message of a failed status, and gives the exit code. */
int bench_end(const char *program, vx_status status, const vx_msg *msg);

#endif
