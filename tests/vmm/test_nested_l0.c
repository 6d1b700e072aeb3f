/* A nested hypervisor's exits: closed forms of the Turtles design (Ben-Yehuda et al., OSDI 2010), with and without VMCS
 * shadowing. Those of its memory: test_nested_ept.c. */
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
        assert_int_equal(value_of(&world, "nested.l1_by_reason.CPUID.count"), TIMES);
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
        assert_int_equal(value_of(&world, "nested.l1_by_reason.CPUID.hardware_cycles"), row->hardware_ticks);
        assert_int_equal(value_of(&world, "nested.l1_by_reason.CPUID.software_cycles"), row->software_ticks);
        assert_int_equal(value_of(&world, "nested.l1_by_reason.CPUID.min"),
                         (row->hardware_ticks + row->software_ticks) / TIMES);
        vmm_world_close(&world);
    }
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

/* Intel's EPT is what is nested, and both hypervisors must have it. */
static void what_cannot_be_nested(void **state)
{
    (void)state;
    vmm_world world;
    vx_cfg_vmm l0 = vmm_test_config();
    open_nested(&world, false, false);
    vx_vmm_setup setup = {.cpu = &world.cpu,
                          .vmm = &world.config,
                          .l0 = &l0,
                          .scheme = VX_SCHEME_EPT,
                          .memory = &world.memory,
                          .layout = &world.layout,
                          .vms = 1};
    vx_vmm *untouched = NULL;
    l0.schemes = 1U << VX_SCHEME_SHADOW_WP;
    assert_int_equal(vx_vmm_init(&untouched, &world.arena, &setup, &world.msg), VX_ERR_INPUT);
    assert_string_equal(world.msg.text, "--nested: hypervisor plain has no ept to put below another's");
    setup.scheme = VX_SCHEME_SHADOW_WP;
    assert_int_equal(vx_vmm_init(&untouched, &world.arena, &setup, &world.msg), VX_ERR_INPUT);
    assert_null(untouched);
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
        cmocka_unit_test(without_a_hypervisor_below),
        cmocka_unit_test(what_cannot_be_nested),
        cmocka_unit_test(counters_start_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
