/* A nested hypervisor's exits: closed forms of the Turtles design (Ben-Yehuda et al., OSDI 2010), with and without VMCS
 * shadowing. */
#include "test_support.h"
#include "vmm_world.h"
#include "vx_stats.h"

enum { L0_TICKS = 2000, L0_READS = 3, L0_WRITES = 2, TIMES = 7 };

static void open_nested(vmm_world *world, bool nested, bool shadowing)
{
    static vx_cfg_vmm l0;
    l0 = vmm_test_config();
    l0.handler[0].ticks = L0_TICKS;
    l0.handler[0].vmreads = L0_READS;
    l0.handler[0].vmwrites = L0_WRITES;
    vmm_options options = {
        .scheme = VX_SCHEME_EPT, .mode = VX_PAGING_4LEVEL, .l0 = nested ? &l0 : NULL, .vmcs_shadowing = shadowing};
    vmm_world_open(world, &options);
    vmm_boot(world, vmm_root(world));
    vmm_reset_counts(world);
}

static uint64_t value_of(vmm_world *world, const char *path)
{
    vx_stats stats;
    vx_stats_init(&stats);
    vx_vmm_declare(world->vmm, &stats);
    const vx_stat *stat = vx_stats_find(&stats, path);
    uint64_t value = stat ? *stat->of.scalar : UINT64_MAX;
    vx_stats_fini(&stats);
    return value;
}

static void cpuid(vmm_world *world, unsigned times)
{
    const uint64_t subleaf = 0;
    for (unsigned i = 0; i < times; i++) assert_true(vmm_do(world, VX_REC_CPUID, 0, 1, &subleaf, 1));
}

/* One exit of L2 with r VMREADs and w VMWRITEs in L1's handler: 2 + r + w exits to L0, 2 with shadowing. */
static void exits_multiply(void **state)
{
    (void)state;
    for (unsigned shadowing = 0; shadowing < 2; shadowing++) {
        vmm_world world;
        open_nested(&world, true, shadowing);
        uint64_t before = vx_vcpu_now(world.vcpu);
        cpuid(&world, TIMES);
        uint64_t reads = shadowing ? 0 : world.config.handler[0].vmreads;
        uint64_t writes = shadowing ? 0 : world.config.handler[0].vmwrites;
        uint64_t l0_exits = TIMES * (2 + reads + writes);
        assert_int_equal(vmm_exits(&world), TIMES);
        assert_int_equal(value_of(&world, "nested.l1_exits"), TIMES);
        assert_int_equal(value_of(&world, "nested.l0_exits.total"), l0_exits);
        assert_int_equal(value_of(&world, "nested.l0_exits.by_reason.CPUID.count"), TIMES);
        assert_int_equal(value_of(&world, "nested.l0_exits.by_reason.VMREAD.count"), TIMES * reads);
        assert_int_equal(value_of(&world, "nested.l0_exits.by_reason.VMWRITE.count"), TIMES * writes);
        assert_int_equal(value_of(&world, "nested.l0_exits.by_reason.VMRESUME.count"), TIMES);

        const vx_cfg_cost *cost = &world.cpu.cost;
        uint64_t round_trip = cost->vmexit_ticks + cost->vmentry_ticks;
        uint64_t l0_handler_ticks = L0_TICKS + L0_READS * cost->vmread_ticks + L0_WRITES * cost->vmwrite_ticks;
        uint64_t l1 = world.config.handler[0].ticks;
        if (shadowing)
            l1 += world.config.handler[0].vmreads * cost->vmread_ticks +
                  world.config.handler[0].vmwrites * cost->vmwrite_ticks;
        assert_int_equal(vx_vcpu_now(world.vcpu) - before, l0_exits * (round_trip + l0_handler_ticks) + TIMES * l1);
        const vx_vcpu_counts *counts = vx_vcpu_counts_now(world.vcpu);
        const vx_exit_counts *row = &counts->by_reason[vx_exit_reason_index(VX_VENDOR_INTEL, 10)];
        assert_int_equal(row->hardware_ticks, l0_exits * round_trip);
        assert_int_equal(row->software_ticks, l0_exits * l0_handler_ticks + TIMES * l1);
        assert_int_equal(row->hardware_ticks, world.ledger.ticks[VX_CAUSE_EXIT_HARDWARE]);
        vmm_world_close(&world);
    }
}

/* A first touch: L1 maps the page in EPT12, and L2 violates EPT02 once more, which L0 mends. */
static void a_violation_comes_twice(void **state)
{
    (void)state;
    vmm_world world;
    open_nested(&world, true, true);
    uint64_t root = vmm_root(&world), page = vmm_page(&world), gva = vmm_address(&world, 1, 0);
    vmm_map(&world, root, gva, page, VX_PAGE_4K, VMM_USER_PAGE);
    vmm_boot(&world, root);
    vmm_reset_counts(&world);
    assert_int_equal(vmm_reach(&world, VX_ACCESS_LOAD, gva), page);
    uint64_t violations = vmm_exits_for(&world, "EPT_VIOLATION");
    assert_true(violations > 0);
    assert_int_equal(value_of(&world, "nested.l0_exits.by_reason.EPT_VIOLATION.count"), 2 * violations);
    assert_int_equal(value_of(&world, "nested.l0_exits.by_reason.VMRESUME.count"), violations);
    assert_int_equal(value_of(&world, "nested.l0_exits.total"), 3 * violations);
    vmm_world_close(&world);
}

static void without_a_hypervisor_below(void **state)
{
    (void)state;
    vmm_world world;
    open_nested(&world, false, false);
    cpuid(&world, 1);
    assert_int_equal(value_of(&world, "nested.l0_exits.total"), UINT64_MAX);
    vmm_world_close(&world);
}

static void counters_start_again(void **state)
{
    (void)state;
    vmm_world world;
    open_nested(&world, true, false);
    cpuid(&world, 3);
    vx_vmm_counts_reset(world.vmm);
    assert_int_equal(value_of(&world, "nested.l0_exits.total"), 0);
    assert_int_equal(value_of(&world, "nested.l0_exits.by_reason.CPUID.number"), 10);
    cpuid(&world, 1);
    assert_int_equal(value_of(&world, "nested.l0_exits.by_reason.CPUID.count"), 1);
    vmm_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exits_multiply),
        cmocka_unit_test(a_violation_comes_twice),
        cmocka_unit_test(without_a_hypervisor_below),
        cmocka_unit_test(counters_start_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
