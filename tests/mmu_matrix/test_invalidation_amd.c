/* The invalidation matrix of AMD's processors: ASIDs, TLB_CONTROL, INVLPGA, and the guest's operations on its current
 * ASID, for nested contexts and for one-dimensional ones (the host's, and shadow paging in an ASID of its own). */
#include "invalidation_expected_amd.h"
#include "matrix_program.h"

enum { ROWS = sizeof invalidation_expected_amd / sizeof invalidation_expected_amd[0] };

/* TLB_CONTROL flushes the ASID that VMRUN is about to use, which is never 0; INVLPGA may name the host's. */
static bool possible(const invalidation_rule *rule, const matrix_context *now, const vx_mmu_invalidation *operand)
{
    if (rule->op == VX_OP_EPT_VIOLATION) return now->ept != MATRIX_ONE_DIMENSION;
    if (rule->op == VX_OP_INVLPGA) return true;
    return rule->vpid != NAMED || operand->vpid != 0;
}

static void try_all(matrix_run *run, const invalidation_rule *rule, const matrix_context *now)
{
    unsigned gvas = rule->one_address ? MATRIX_PAGES : 1, gpas = rule->gp_one_address ? 2 : 1;
    unsigned asids = rule->vpid == NAMED ? MATRIX_VPIDS : 1, pcids = rule->pcid == NAMED ? MATRIX_PCIDS : 1;
    for (unsigned gva = 0; gva < gvas; gva++)
        for (unsigned asid = 0; asid < asids; asid++)
            for (unsigned pcid = 0; pcid < pcids; pcid++)
                for (unsigned gpa = 0; gpa < gpas; gpa++) {
                    vx_mmu_invalidation operand = {.op = rule->op};
                    if (rule->one_address) operand.gva.v = matrix_gva[gva];
                    if (rule->vpid == NAMED) operand.vpid = matrix_vpid[asid];
                    if (rule->pcid == NAMED) operand.pcid = matrix_pcid[pcid];
                    if (rule->gp_one_address) operand.gpa.v = matrix_gpa[gpa];
                    if (possible(rule, now, &operand)) matrix_check(run, rule, now, &operand);
                }
}

static void test_matrix(void **state)
{
    const matrix_variant *variant = *state;
    vx_cfg_cpu cpu;
    matrix_cpu(&cpu, VX_VENDOR_AMD, variant);
    matrix_run run = {.world = &world, .cpu = &cpu, .variant = variant};
    for (unsigned r = 0; r < ROWS; r++) {
        run.global_creator = r % MATRIX_PCIDS;
        for (unsigned i = 0; i < world.contexts; i++) try_all(&run, &invalidation_expected_amd[r], &world.context[i]);
    }
    matrix_end(&run);
}

int main(void) { return matrix_main("invalidation matrix, AMD", VX_VENDOR_AMD, test_matrix); }
