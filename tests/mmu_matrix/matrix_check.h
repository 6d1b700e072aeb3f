/* Runs one operation on the filled small world and holds every remembered mapping against the expected table. */
#ifndef MATRIX_CHECK_H
#define MATRIX_CHECK_H

#include "invalidation_rule.h"
#include "matrix_world.h"

typedef struct matrix_run {
    matrix_world *world;
    const vx_cfg_cpu *cpu;
    const matrix_variant *variant;
    unsigned global_creator; /* PCID index of the process that touches the global pages first */
    uint64_t checked;        /* expectations looked at */
    uint64_t operations;
    unsigned failures; /* the first few are printed */
} matrix_run;

/* Fills a fresh MMU from every context, performs the operation while `now` is loaded, probes every mapping, changes all
 * tables and looks where each address leads. rule NULL: no operation at all, everything stays. */
void matrix_check(matrix_run *run, const invalidation_rule *rule, const matrix_context *now,
                  const vx_mmu_invalidation *operand);

#endif
