/* Every operation of Intel's processors that invalidates cached translations, with every choice of operand, under
 * every current context, on every remembered mapping of a small world; expectations: invalidation_expected.h. */
#include "invalidation_expected.h"
#include "matrix_program.h"

enum { ROWS = sizeof invalidation_expected / sizeof invalidation_expected[0] };

static const invalidation_rule *row(vx_mmu_op op)
{
    for (unsigned i = 0; i < ROWS; i++)
        if (invalidation_expected[i].op == op) return &invalidation_expected[i];
    return NULL;
}

/* How many choices of each operand an operation has; 1 where it has none. */
typedef struct choices {
    unsigned gva, pcid, vpid, ept, gpa;
} choices;

static choices choices_of(const invalidation_rule *rule)
{
    bool by_vpid = rule->vpid == NAMED, by_pcid = rule->pcid == NAMED;
    return (choices){.gva = rule->one_address ? MATRIX_PAGES : 1,
                     .pcid = by_pcid ? MATRIX_PCIDS : 1,
                     .vpid = by_vpid ? MATRIX_VPIDS : 1,
                     .ept = rule->ept == NAMED ? MATRIX_EPTS : 1,
                     .gpa = rule->gp_one_address ? 2 : 1};
}

/* Operands that no instruction can have: INVVPID fails for VPID 0 but with type 2 (SDM Vol. 3C, INVVPID), and no EPT
 * violation happens while EPT is not in use. */
static bool possible(const invalidation_rule *rule, const matrix_context *now, const vx_mmu_invalidation *operand)
{
    if (rule->vpid == NAMED && operand->vpid == 0) return false;
    return rule->op != VX_OP_EPT_VIOLATION || now->ept != MATRIX_ONE_DIMENSION;
}

static void try_choice(matrix_run *run, const invalidation_rule *rule, const matrix_context *now, unsigned choice)
{
    choices n = choices_of(rule);
    vx_mmu_invalidation operand = {.op = rule->op};
    operand.gva.v = rule->one_address ? matrix_gva[choice % n.gva] : 0;
    choice /= n.gva;
    operand.pcid = rule->pcid == NAMED ? matrix_pcid[choice % n.pcid] : 0;
    choice /= n.pcid;
    operand.vpid = rule->vpid == NAMED ? matrix_vpid[choice % n.vpid] : 0;
    choice /= n.vpid;
    operand.nested_root = rule->ept == NAMED ? run->world->ept[choice % n.ept].root : 0;
    choice /= n.ept;
    operand.gpa.v = rule->gp_one_address ? matrix_gpa[choice % n.gpa] : 0;
    if (possible(rule, now, &operand)) matrix_check(run, rule, now, &operand);
}

static void try_all(matrix_run *run, const invalidation_rule *rule)
{
    choices n = choices_of(rule);
    unsigned count = n.gva * n.pcid * n.vpid * n.ept * n.gpa;
    for (unsigned i = 0; i < run->world->contexts; i++)
        for (unsigned choice = 0; choice < count; choice++) try_choice(run, rule, &run->world->context[i], choice);
}

static void test_matrix(void **state)
{
    const matrix_variant *variant = *state;
    vx_cfg_cpu cpu;
    matrix_cpu(&cpu, VX_VENDOR_INTEL, variant);
    matrix_run run = {.world = &world, .cpu = &cpu, .variant = variant};
    for (unsigned op = 0; op < VX_OP_FLUSH_ALL_ASIDS; op++) {
        const invalidation_rule *rule = row((vx_mmu_op)op);
        assert_non_null(rule);
        run.global_creator = op % MATRIX_PCIDS;
        try_all(&run, rule);
        run.global_creator = (op + 1) % MATRIX_PCIDS;
        if (variant->psc == VX_PSC_PREFIX) try_all(&run, rule); /* who made a global entry matters to TLBs alone */
    }
    matrix_end(&run);
}

int main(void) { return matrix_main("invalidation matrix", VX_VENDOR_INTEL, test_matrix); }
