/* What KVM intercepts, by vendor and paging: exits of single instructions under policy "kvm". */
#include "test_support.h"
#include "vmm_world.h"

static void open_mode(vmm_world *world, vx_scheme scheme)
{
    bool amd = scheme == VX_SCHEME_NPT;
    vmm_options options = {
        .scheme = scheme, .amd = amd, .mode = VX_PAGING_4LEVEL, .exits = VX_EXITS_KVM, .tpr_shadow = !amd};
    vmm_world_open(world, &options);
    vmm_boot(world, vmm_root(world));
    vmm_reset_counts(world);
}

static uint64_t exits_of(vmm_world *world, vx_record_kind kind, unsigned size, uint64_t addr, uint64_t value)
{
    uint64_t before = vmm_exits(world);
    const vx_record_info *info = vx_record_describe(kind);
    assert_true(vmm_do(world, kind, size, addr, &value, info->words_min));
    return vmm_exits(world) - before;
}

static void model_specific_registers(void **state)
{
    (void)state;
    static const struct {
        uint32_t msr;
        uint8_t read[2], write[2]; /* Intel, AMD */
    } rows[] = {
        {0x10, {0, 1}, {1, 1}},       /* TSC */
        {0x1B, {1, 1}, {1, 1}},       /* APIC base */
        {0x176, {0, 0}, {0, 0}},      /* SYSENTER_EIP */
        {0x277, {1, 1}, {1, 1}},      /* PAT */
        {0xC0000082, {1, 0}, {1, 0}}, /* LSTAR */
        {0xC0000100, {0, 0}, {0, 0}}, /* FS base */
        {0xC0000102, {0, 0}, {0, 0}}, /* KernelGS base */
    };
    for (unsigned amd = 0; amd < 2; amd++) {
        vmm_world world;
        open_mode(&world, amd ? VX_SCHEME_NPT : VX_SCHEME_EPT);
        for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
            assert_int_equal(exits_of(&world, VX_REC_RDMSR, 0, rows[i].msr, 0), rows[i].read[amd]);
            assert_int_equal(exits_of(&world, VX_REC_WRMSR, 0, rows[i].msr, 0), rows[i].write[amd]);
        }
        vmm_world_close(&world);
    }
}

/* In x2APIC mode Intel's guests read and write their TPR themselves; the other registers exit. */
static void x2apic(void **state)
{
    (void)state;
    vmm_world world;
    open_mode(&world, VX_SCHEME_EPT);
    assert_int_equal(exits_of(&world, VX_REC_WRMSR, 0, 0x808, 0x20), 1);
    assert_int_equal(exits_of(&world, VX_REC_WRMSR, 0, 0x1B, 0xFEE00C00), 1);
    assert_int_equal(exits_of(&world, VX_REC_WRMSR, 0, 0x808, 0x20), 0);
    assert_int_equal(exits_of(&world, VX_REC_RDMSR, 0, 0x808, 0), 0);
    assert_int_equal(exits_of(&world, VX_REC_WRMSR, 0, 0x80B, 0), 1);
    assert_int_equal(exits_of(&world, VX_REC_WRMSR, 0, 0x1B, 0xFEE00800), 1);
    assert_int_equal(exits_of(&world, VX_REC_WRMSR, 0, 0x808, 0x20), 1);
    vmm_world_close(&world);
}

/* The first access exits, the next ones are the guest's, until another exit takes the registers back. */
static void debug_registers(void **state)
{
    (void)state;
    for (unsigned amd = 0; amd < 2; amd++) {
        vmm_world world;
        open_mode(&world, amd ? VX_SCHEME_NPT : VX_SCHEME_EPT);
        assert_int_equal(exits_of(&world, VX_REC_DR_READ, 7, 0x400, 0), 1);
        assert_int_equal(exits_of(&world, VX_REC_DR_WRITE, 7, 0x400, 0), 0);
        assert_int_equal(exits_of(&world, VX_REC_DR_READ, 3, 0, 0), 0);
        assert_int_equal(exits_of(&world, VX_REC_CPUID, 0, 0, 0), 1);
        assert_int_equal(exits_of(&world, VX_REC_DR_WRITE, 0, 0, 0), 1);
        vmm_world_close(&world);
    }
}

static void control_registers_on_intel(void **state)
{
    (void)state;
    for (unsigned shadow = 0; shadow < 2; shadow++) {
        vmm_world world;
        open_mode(&world, shadow ? VX_SCHEME_SHADOW_KVM : VX_SCHEME_EPT);
        const vx_registers now = *vx_vcpu_guest_view(world.vcpu);
        assert_int_equal(exits_of(&world, VX_REC_CR_WRITE, 0, now.cr0 | VX_CR0_TS, 0), 0);
        assert_int_equal(exits_of(&world, VX_REC_CLTS, 0, 0, 0), 0);
        assert_int_equal(exits_of(&world, VX_REC_CR_WRITE, 0, now.cr0 | VX_CR0_CD, 0), 1);
        assert_int_equal(exits_of(&world, VX_REC_CR_WRITE, 0, now.cr0, 0), 1);
        assert_int_equal(exits_of(&world, VX_REC_CR_WRITE, 4, now.cr4 | VX_CR4_PGE, 0), shadow);
        assert_int_equal(exits_of(&world, VX_REC_CR_READ, 4, now.cr4, 0), 0);
        assert_int_equal(exits_of(&world, VX_REC_CR_READ, 3, now.cr3, 0), shadow);
        assert_int_equal(exits_of(&world, VX_REC_CR_WRITE, 3, now.cr3, 0), shadow);
        assert_int_equal(exits_of(&world, VX_REC_CR_WRITE, 8, 3, 0), 0);
        assert_int_equal(exits_of(&world, VX_REC_INVLPG, 0, 0x1000, 0), shadow);
        vmm_world_close(&world);
    }
}

/* CD is kept from the processor: while the guest believes it set, each access to CR0 exits. */
static void control_registers_on_amd(void **state)
{
    (void)state;
    vmm_world world;
    open_mode(&world, VX_SCHEME_NPT);
    const vx_registers now = *vx_vcpu_guest_view(world.vcpu);
    assert_int_equal(exits_of(&world, VX_REC_CR_WRITE, 0, now.cr0 | VX_CR0_TS, 0), 0);
    assert_int_equal(exits_of(&world, VX_REC_CLTS, 0, 0, 0), 0);
    assert_int_equal(exits_of(&world, VX_REC_CR_READ, 0, now.cr0, 0), 0);
    assert_int_equal(exits_of(&world, VX_REC_CR_WRITE, 0, now.cr0 | VX_CR0_CD, 0), 1);
    assert_int_equal(vmm_exits_for(&world, "cr0_sel_write"), 1);
    assert_int_equal(exits_of(&world, VX_REC_CR_READ, 0, now.cr0 | VX_CR0_CD, 0), 1);
    assert_int_equal(exits_of(&world, VX_REC_CR_WRITE, 0, now.cr0, 0), 1);
    assert_int_equal(vmm_exits_for(&world, "write_cr0"), 1);
    assert_int_equal(exits_of(&world, VX_REC_CR_READ, 0, now.cr0, 0), 0);
    assert_int_equal(exits_of(&world, VX_REC_CR_WRITE, 4, now.cr4 ^ VX_CR4_PGE, 0), 1);
    assert_int_equal(exits_of(&world, VX_REC_CR_READ, 4, now.cr4, 0), 1);
    assert_int_equal(exits_of(&world, VX_REC_CR_READ, 3, now.cr3, 0), 0);
    assert_int_equal(exits_of(&world, VX_REC_CR_WRITE, 8, 3, 0), 0);
    assert_int_equal(exits_of(&world, VX_REC_CR_READ, 8, 3, 0), 0);
    vmm_world_close(&world);
}

static void exceptions(void **state)
{
    (void)state;
    static const struct {
        uint8_t vector, exits;
    } rows[] = {{1, 1}, {3, 0}, {6, 1}, {13, 0}, {17, 1}};
    for (unsigned amd = 0; amd < 2; amd++) {
        vmm_world world;
        open_mode(&world, amd ? VX_SCHEME_NPT : VX_SCHEME_EPT);
        for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
            assert_int_equal(exits_of(&world, VX_REC_EXCEPTION, rows[i].vector, 0, 0), rows[i].exits);
        vmm_world_close(&world);
    }
}

/* Device memory: the first access is a violation, the next ones hit the misconfigured entry that it left. */
static void device_memory(void **state)
{
    (void)state;
    const uint64_t payload[2] = {0, 0xD0000000};
    vmm_world world;
    open_mode(&world, VX_SCHEME_EPT);
    for (unsigned i = 0; i < 5; i++) assert_true(vmm_do(&world, VX_REC_MMIO_WRITE, 4, 0xD0000000, payload, 2));
    assert_int_equal(vmm_exits_for(&world, "EPT_VIOLATION"), 1);
    assert_int_equal(vmm_exits_for(&world, "EPT_MISCONFIG"), 4);
    vmm_verify(&world);
    vmm_world_close(&world);
    open_mode(&world, VX_SCHEME_NPT);
    for (unsigned i = 0; i < 5; i++) assert_true(vmm_do(&world, VX_REC_MMIO_READ, 4, 0xD0000000, payload, 2));
    assert_int_equal(vmm_exits_for(&world, "npf"), 5);
    vmm_world_close(&world);
}

/* The local APIC's page without an APIC-access page is device memory, whoever wants it. */
static void the_apic_page(void **state)
{
    (void)state;
    static const vx_scheme schemes[] = {VX_SCHEME_EPT, VX_SCHEME_NPT, VX_SCHEME_SHADOW_KVM};
    const uint64_t payload[2] = {0x20, 0xFEE00080};
    for (unsigned i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        vmm_world world;
        open_mode(&world, schemes[i]);
        for (unsigned n = 0; n < 3; n++) {
            assert_true(vmm_do(&world, VX_REC_APIC_WRITE, 4, 0x80, payload, 2));
            assert_true(vmm_do(&world, VX_REC_APIC_READ, 4, 0x80, payload, 2));
        }
        assert_int_equal(vmm_exits(&world), 6);
        vmm_world_close(&world);
    }
}

/* A loop of one PAUSE in 100 ticks: the first exit comes when more than 4096 ticks lie behind its first PAUSE, and each
 * doubles the window (grow_ple_window); being scheduled in again shrinks it. */
static void pause_loops(void **state)
{
    (void)state;
    static const struct {
        unsigned pauses, exits;
    } runs[] = {{41, 0}, {42, 1}, {42 + 82, 1}, {42 + 83, 2}, {42 + 83 + 164, 2}, {42 + 83 + 165, 3}};
    for (unsigned i = 0; i < sizeof runs / sizeof *runs; i++) {
        vmm_world world;
        vmm_world_open(
            &world, &(vmm_options){
                        .scheme = VX_SCHEME_EPT, .mode = VX_PAGING_4LEVEL, .exits = VX_EXITS_KVM, .pause_loops = true});
        vmm_boot(&world, vmm_root(&world));
        vmm_reset_counts(&world);
        const uint64_t skipped[4] = {100ULL * runs[i].pauses, 0, 0, 0};
        for (unsigned again = 0; again < 2; again++) {
            assert_true(vmm_do(&world, VX_REC_CLI, 0, 0, NULL, 0));
            assert_true(vmm_do(&world, VX_REC_SKIPPED, 0, 0, skipped, 4));
            assert_true(vmm_do(&world, VX_REC_PAUSE, 0, runs[i].pauses, NULL, 0));
            assert_int_equal(vmm_exits_for(&world, "PAUSE_INSTRUCTION"), (again + 1) * runs[i].exits);
            vx_vmm_preempt(world.vmm, 0);
        }
        vmm_world_close(&world);
    }
}

/* AMD counts PAUSEs: more than 3000 in one loop, then more than 6000; without the filter each exits. */
static void pause_loops_on_amd(void **state)
{
    (void)state;
    static const struct {
        unsigned pauses, apart, exits;
        bool filter;
    } runs[] = {{3000, 100, 0, true},
                {3001, 100, 1, true},
                {3001 + 6000, 100, 1, true},
                {3001 + 6001, 100, 2, true},
                {3001 + 6001 + 12001, 100, 3, true},
                {9000, 200, 0, true},
                {5, 100, 5, false}};
    for (unsigned i = 0; i < sizeof runs / sizeof *runs; i++) {
        vmm_world world;
        vmm_world_open(&world, &(vmm_options){.amd = true,
                                              .scheme = VX_SCHEME_NPT,
                                              .mode = VX_PAGING_4LEVEL,
                                              .exits = VX_EXITS_KVM,
                                              .pause_loops = runs[i].filter});
        vmm_boot(&world, vmm_root(&world));
        vmm_reset_counts(&world);
        const uint64_t skipped[4] = {(uint64_t)runs[i].apart * runs[i].pauses, 0, 0, 0};
        for (unsigned again = 0; again < 2; again++) {
            assert_true(vmm_do(&world, VX_REC_CLI, 0, 0, NULL, 0));
            assert_true(vmm_do(&world, VX_REC_SKIPPED, 0, 0, skipped, 4));
            assert_true(vmm_do(&world, VX_REC_PAUSE, 0, runs[i].pauses, NULL, 0));
            assert_int_equal(vmm_exits_for(&world, "pause"), (again + 1) * runs[i].exits);
            vx_vmm_preempt(world.vmm, 0);
        }
        vmm_world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_specific_registers),
        cmocka_unit_test(x2apic),
        cmocka_unit_test(debug_registers),
        cmocka_unit_test(control_registers_on_intel),
        cmocka_unit_test(control_registers_on_amd),
        cmocka_unit_test(exceptions),
        cmocka_unit_test(device_memory),
        cmocka_unit_test(the_apic_page),
        cmocka_unit_test(pause_loops),
        cmocka_unit_test(pause_loops_on_amd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
