/* What a replaying vCPU takes from its VMCB beyond intercepts: the pause filter, TLB_CONTROL at each VMRUN, the number
 * of nested levels. Costs of the world: an instruction takes 1 tick. */
#include "test_support.h"
#include "vcpu_world.h"

static void open_guest(vcpu_world *world, const vx_vmcb *vmcb)
{
    vcpu_world_open(world, &(vcpu_world_options){.hypervisor = true});
    world->resume = VX_RESUME_NEXT;
    vx_vcpu_virtualize(world->vcpu, NULL, vmcb, false);
}

/* `pauses` PAUSEs, each behind `apart` - 1 other instructions. */
static unsigned exits_of(unsigned pauses, unsigned apart, const vx_vmcb *vmcb)
{
    vcpu_world world;
    open_guest(&world, vmcb);
    vcpu_do(&world, VX_REC_CLI, 0, 0, NULL, 0);
    const uint64_t skipped[4] = {(uint64_t)pauses * apart, 0, 0, 0};
    vcpu_do(&world, VX_REC_SKIPPED, 0, 0, skipped, 4);
    vcpu_do(&world, VX_REC_PAUSE, 0, pauses, NULL, 0);
    for (unsigned i = 0; i < world.exit_count && i < VCPU_EXITS_KEPT; i++)
        assert_int_equal(world.exits[i].reason, 0x77);
    unsigned exits = world.exit_count;
    vcpu_world_close(&world);
    return exits;
}

static void pauses_exit_through_the_filter(void **state)
{
    (void)state;
    static const struct {
        unsigned pauses, apart;
        uint16_t count, threshold;
        bool intercepted;
        unsigned exits;
    } cases[] = {
        {20, 10, 0, 0, false, 0},   {20, 10, 9, 0, false, 0},
        {20, 10, 0, 0, true, 20}, /* no filter: each */
        {9, 10, 9, 0, true, 0},     {10, 10, 9, 0, true, 1},
        {19, 10, 9, 0, true, 1}, /* VMRUN loads the counter again */
        {20, 10, 9, 0, true, 2},    {20, 10, 9, 100, true, 2},
        {20, 100, 9, 99, true, 0}, /* too far apart to be a loop */
        {20, 100, 9, 100, true, 2},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const vx_vmcb vmcb = {.intercepts1 = cases[i].intercepted ? 1U << 23 : 0,
                              .pause_filter_count = cases[i].count,
                              .pause_filter_threshold = cases[i].threshold,
                              .asid = 1};
        unsigned exits = exits_of(cases[i].pauses, cases[i].apart, &vmcb);
        if (exits != cases[i].exits) fail_msg("case %u: %u exits, not %u", i, exits, cases[i].exits);
    }
}

static void single_pauses_stand_where_they_are(void **state)
{
    (void)state;
    const vx_vmcb vmcb = {.intercepts1 = 1U << 23, .pause_filter_count = 3, .pause_filter_threshold = 50, .asid = 1};
    vcpu_world world;
    open_guest(&world, &vmcb);
    for (unsigned i = 1; i <= 12; i++) {
        const uint64_t skipped[4] = {i == 4 ? 60 : 20, 0, 0, 0}; /* the fourth begins a new loop, and does not count */
        vcpu_do(&world, VX_REC_SKIPPED, 0, 0, skipped, 4);
        vcpu_do(&world, VX_REC_PAUSE, 0, 1, NULL, 0);
        assert_int_equal(world.exit_count, i < 8 ? 0 : i < 12 ? 1 : 2);
    }
    vcpu_world_close(&world);
}

static void tlb_control_acts_at_each_vmrun(void **state)
{
    (void)state;
    static const struct {
        uint8_t control;
        vx_mmu_op op;
        unsigned flushes;
    } cases[] = {{0, VX_OP_FLUSH_ALL_ASIDS, 0},        {1, VX_OP_FLUSH_ALL_ASIDS, 3}, {3, VX_OP_FLUSH_ASID, 3},
                 {7, VX_OP_FLUSH_ASID_KEEP_GLOBAL, 3}, {2, VX_OP_FLUSH_ALL_ASIDS, 0}, {9, VX_OP_FLUSH_ALL_ASIDS, 0}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const vx_vmcb vmcb = {.intercepts1 = 1U << 18, .asid = 5, .tlb_control = cases[i].control};
        vcpu_world world;
        open_guest(&world, &vmcb);
        for (unsigned n = 0; n < 3; n++) vcpu_do(&world, VX_REC_CPUID, 0, 0, (const uint64_t[]){0}, 1);
        assert_int_equal(world.exit_count, 3);
        assert_int_equal(vcpu_flushes(&world, cases[i].op), cases[i].flushes);
        assert_int_equal(vcpu_flushes(&world, VX_OP_VM_TRANSITION), 0);
        vcpu_world_close(&world);
    }
}

static void nested_tables_have_the_vmcb_s_levels(void **state)
{
    (void)state;
    for (uint8_t levels = 4; levels <= 5; levels++) {
        const vx_vmcb vmcb = {.asid = 5, .nested_paging = true, .nested_cr3 = 0x7000, .nested_levels = levels};
        vcpu_world world;
        open_guest(&world, &vmcb);
        const vx_mmu_control *control = vx_mmu_control_now(world.mmu);
        assert_int_equal(control->nested, VX_NESTED_NPT);
        assert_int_equal(control->nested_levels, levels);
        assert_int_equal(control->nested_root, 0x7000);
        assert_int_equal(control->vpid, 5);
        vcpu_world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_exit_through_the_filter),
        cmocka_unit_test(single_pauses_stand_where_they_are),
        cmocka_unit_test(tlb_control_acts_at_each_vmrun),
        cmocka_unit_test(nested_tables_have_the_vmcb_s_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
