/* Guests without VT-x: what reaches the hypervisor under trap-and-emulate and under binary translation, and what it
 * costs; no VM exits. Figures of the Pentium 4 672 (Adams and Agesen, ASPLOS 2006) where they have any. */
#include "test_support.h"
#include "vmm_world.h"

enum { GVA = 0x400000, TRAP = 1100, EMULATE = 2000, FILL = 100, STORE = 300 };

static void open_with(vmm_world *world, vx_scheme scheme)
{
    vmm_world_open(world, &(vmm_options){.scheme = scheme, .mode = VX_PAGING_4LEVEL, .no_secondary = true});
    uint64_t root = vmm_root(world);
    vmm_map(world, root, GVA, vmm_page(world), VX_PAGE_4K, VMM_USER_PAGE | VX_PTE_D);
    vmm_boot(world, root);
    vmm_reset_counts(world);
}

static uint64_t software(const vmm_world *world)
{
    assert_int_equal(vmm_exits(world), 0);
    assert_int_equal(world->ledger.ticks[VX_CAUSE_EXIT_HARDWARE], 0);
    return world->ledger.ticks[VX_CAUSE_EXIT_SOFTWARE];
}

/* One record at a privilege level, and its software cycles under both schemes. */
typedef struct cost_row {
    vx_record_kind kind;
    unsigned size, cpl;
    uint64_t words[2];
    unsigned count;
    uint64_t trap, bt;
} cost_row;

static const cost_row rows[] = {
    {VX_REC_SYSCALL, 0, 3, {0}, 0, TRAP + EMULATE, 2308 - 242},
    {VX_REC_SYSRET, 0, 0, {0}, 0, TRAP + EMULATE, 0}, /* bt: in the figure above */
    {VX_REC_IO_IN, 1, 0, {0}, 2, TRAP + EMULATE, 216},
    {VX_REC_MMIO_WRITE, 4, 0, {0, 0x5000}, 2, TRAP + EMULATE, 216},
    {VX_REC_CR_WRITE, 8, 0, {0}, 0, TRAP + EMULATE, 35},
    {VX_REC_CLI, 0, 0, {0}, 0, TRAP + EMULATE, 35},
    {VX_REC_INVLPG, 0, 0, {0}, 0, TRAP + EMULATE, 35},
    {VX_REC_DESC_TABLE, VX_DESC_LIDT, 0, {0}, 0, TRAP + EMULATE, 35},
    {VX_REC_POPF, 0, 0, {0}, 0, 0, 35}, /* does not trap: the flaw that binary translation mends */
    {VX_REC_DESC_TABLE, VX_DESC_SIDT, 0, {0}, 0, 0, 35},
    {VX_REC_CPUID, 0, 3, {0}, 1, 0, 0}, /* user code runs as it is */
    {VX_REC_RDTSC, 0, 0, {0}, 0, 0, 0},
    {VX_REC_INTERRUPT, 32, 3, {0}, 0, TRAP + EMULATE, 3927 - 1093},
    {VX_REC_EXCEPTION, 14, 3, {6}, 1, TRAP + EMULATE, 3927 - 1093},
};

static void what_each_operation_costs(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        for (unsigned bt = 0; bt < 2; bt++) {
            vmm_world world;
            open_with(&world, bt ? VX_SCHEME_BT : VX_SCHEME_TRAP);
            vmm_cpl(&world, rows[i].cpl);
            assert_true(vmm_do(&world, rows[i].kind, rows[i].size, 1, rows[i].words, rows[i].count));
            if (software(&world) != (bt ? rows[i].bt : rows[i].trap))
                fail_msg("row %u, %s: %llu", i, bt ? "bt" : "trap", (unsigned long long)software(&world));
            vmm_world_close(&world);
        }
}

static void page_faults(void **state)
{
    (void)state;
    for (unsigned bt = 0; bt < 2; bt++) {
        vmm_world world;
        open_with(&world, bt ? VX_SCHEME_BT : VX_SCHEME_TRAP);
        vmm_reach(&world, VX_ACCESS_STORE, GVA); /* hidden */
        vmm_reach(&world, VX_ACCESS_STORE, GVA);
        assert_int_equal(software(&world), TRAP + FILL);
        assert_true(vmm_touch(&world, VX_ACCESS_LOAD, GVA + 0x1000).faulted);
        assert_int_equal(software(&world), TRAP + FILL + (bt ? 3927 - 1093 : TRAP + EMULATE));
        assert_int_equal(vmm_counts(&world)->traps_page_faults, 2);
        vmm_world_close(&world);
    }
}

/* A store to a live table: a fault and its emulation; adapted, under binary translation, the call alone. */
static void stores_to_tables(void **state)
{
    (void)state;
    for (unsigned bt = 0; bt < 2; bt++) {
        vmm_world world;
        open_with(&world, bt ? VX_SCHEME_BT : VX_SCHEME_TRAP);
        vmm_reach(&world, VX_ACCESS_STORE, GVA);
        vmm_reset_counts(&world);
        for (unsigned i = 0; i < 3; i++)
            vmm_pt_store(&world, VX_GVA_UNKNOWN, vmm_entry_at(&world, world.root, GVA, 1), 0);
        assert_int_equal(software(&world), 3 * (bt ? 2121 : TRAP + STORE));
        assert_int_equal(vmm_counts(&world)->traps_stores, 3);
        vmm_invlpg(&world, GVA);
        assert_true(vmm_touch(&world, VX_ACCESS_LOAD, GVA).faulted);
        vmm_world_close(&world);
    }
}

static void sensitive_instructions_that_do_not_trap(void **state)
{
    (void)state;
    vmm_world world;
    open_with(&world, VX_SCHEME_TRAP);
    assert_true(vmm_do(&world, VX_REC_POPF, 0, 0, NULL, 0));
    assert_true(vmm_do(&world, VX_REC_IRET, 0, 0, NULL, 0));
    vmm_cpl(&world, 3);
    assert_true(vmm_do(&world, VX_REC_POPF, 0, 0, NULL, 0)); /* of user code: innocuous */
    assert_int_equal(vmm_counts(&world)->traps_missed, 2);
    vmm_world_close(&world);
}

static void nothing_here_enters_vmx(void **state)
{
    (void)state;
    vx_msg msg;
    vx_cfg_vmm model = vmm_test_config();
    vx_cfg_cpu cpu = {.name = "old", .vendor = VX_VENDOR_INTEL}; /* without VMX */
    assert_int_equal(vx_vmm_check(&cpu, &model, VX_SCHEME_TRAP, false, &msg), VX_OK);
    assert_int_equal(vx_vmm_check(&cpu, &model, VX_SCHEME_BT, false, &msg), VX_OK);
    assert_int_equal(vx_vmm_check(&cpu, &model, VX_SCHEME_SHADOW_WP, false, &msg), VX_ERR_INPUT);
    cpu.vmx.vmx = cpu.vmx.vpid = true;
    assert_int_equal(vx_vmm_check(&cpu, &model, VX_SCHEME_BT, true, &msg), VX_ERR_INPUT);
    assert_non_null(strstr(msg.text, "VMX"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_each_operation_costs), cmocka_unit_test(page_faults),
        cmocka_unit_test(stores_to_tables),          cmocka_unit_test(sensitive_instructions_that_do_not_trap),
        cmocka_unit_test(nothing_here_enters_vmx),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
