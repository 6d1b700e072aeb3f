/* Nested on AMD: the exits of L1's way into L2, whose an exit is, what L1 is offered, what is flushed. Those marked
 * "counted" are what KVM of Linux 6.1 (Debian's 6.1.192) counts of itself below KVM, on an emulated processor. (The
 * tables: test_nested_npt.c.) */
#include "nested_world.h"
#include "test_support.h"
#include "vx_svm.h"

enum { TIMES = 7 };

/* ---- the way into L2 ---- */

static void with_vgif(vx_cfg_cpu *cpu, vx_cfg_vmm *l1)
{
    (void)l1;
    cpu->svm.vgif = true;
}

static void with_both(vx_cfg_cpu *cpu, vx_cfg_vmm *l1)
{
    (void)l1;
    cpu->svm.vgif = cpu->svm.virtual_vmload = true;
}

/* Exits to L0 of each reflected one. KVM as L1 reads DEBUGCTL too, and saves its state after a port access. The rows of
 * KVM with a virtual GIF alone are counted. */
static void exits_of_one_reflection(void **state)
{
    (void)state;
    static const struct {
        void (*adjust)(vx_cfg_cpu *, vx_cfg_vmm *);
        bool kvm, port;
        uint64_t vmrun, vmload, vmsave, stgi, clgi, msr;
    } cases[] = {
        {NULL, false, false, 1, 2, 1, 1, 1, 0},      {NULL, true, false, 1, 2, 1, 1, 1, 1},
        {NULL, true, true, 1, 2, 2, 1, 1, 1},        {NULL, false, true, 1, 2, 1, 1, 1, 0},
        {with_vgif, true, false, 1, 2, 1, 0, 0, 1},  {with_vgif, true, true, 1, 2, 2, 0, 0, 1},
        {with_both, true, false, 1, 0, 0, 0, 0, 1},  {with_both, true, true, 1, 0, 0, 0, 0, 1},
        {with_both, false, false, 1, 0, 0, 0, 0, 0},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const nested_options o = {.amd = true, .kvm = true, .l1_kvm = cases[i].kvm, .adjust = cases[i].adjust};
        nested_world nested;
        nested_world_open(&nested, &o);
        for (unsigned n = 0; n < TIMES; n++)
            nested_do(&nested, cases[i].port ? VX_REC_IO_OUT : VX_REC_CPUID, cases[i].port, cases[i].port ? 0x80 : 1);
        uint64_t way =
            cases[i].vmrun + cases[i].vmload + cases[i].vmsave + cases[i].stgi + cases[i].clgi + cases[i].msr;
        assert_int_equal(vmm_exits(&nested.world), TIMES);
        assert_int_equal(nested_value(&nested, "nested.l1_exits"), TIMES);
        assert_int_equal(nested_to_l0(&nested, cases[i].port ? "io" : "cpuid"), TIMES);
        assert_int_equal(nested_to_l0(&nested, "vmrun"), TIMES * cases[i].vmrun);
        assert_int_equal(nested_to_l0(&nested, "vmload"), TIMES * cases[i].vmload);
        assert_int_equal(nested_to_l0(&nested, "vmsave"), TIMES * cases[i].vmsave);
        assert_int_equal(nested_to_l0(&nested, "stgi"), TIMES * cases[i].stgi);
        assert_int_equal(nested_to_l0(&nested, "clgi"), TIMES * cases[i].clgi);
        assert_int_equal(nested_to_l0(&nested, "msr"), TIMES * cases[i].msr);
        assert_int_equal(nested_value(&nested, "nested.l0_exits.total"), TIMES * (1 + way));
        assert_int_equal(nested_kind(&nested, L0_INSTRUCTION), TIMES * way);
        nested_identities_hold(&nested);
        nested_world_close(&nested);
    }
}

/* What a reflected exit takes: each exit to L0 its round trip and L0's handler, and L1's handler, whose fields of the
 * VMCB are loads and stores. */
static void cost_of_one_reflection(void **state)
{
    (void)state;
    nested_world nested;
    nested_world_open(&nested, &(nested_options){.amd = true});
    const vx_cfg_cost *cost = &nested.world.cpu.cost;
    const vx_cfg_handler *l1 = &nested.world.config.handler[0], *l0 = &nested.l0.handler[0];
    uint64_t before = vx_vcpu_now(nested.world.vcpu), exits = 1 + 6;
    nested_do(&nested, VX_REC_CPUID, 0, 1);
    uint64_t hardware = exits * (cost->vmexit_ticks + cost->vmentry_ticks);
    uint64_t software =
        exits * (l0->ticks + l0->vmreads * cost->vmread_ticks) + l1->ticks + l1->vmreads * cost->vmread_ticks;
    assert_int_equal(vx_vcpu_now(nested.world.vcpu) - before, hardware + software);
    assert_int_equal(nested_value(&nested, "nested.l1_by_reason.cpuid.hardware_cycles"), hardware);
    assert_int_equal(nested_value(&nested, "nested.l1_by_reason.cpuid.software_cycles"), software);
    nested_world_close(&nested);
}

/* ---- whose exit it is ---- */

/* What L0 of policy "kvm" intercepts and a textbook L1 does not: L2's CR4, system-call MSRs the other way round. */
static void exits_of_l0_alone(void **state)
{
    (void)state;
    static const struct {
        bool l0_kvm, l1_kvm;
        vx_record_kind kind;
        unsigned size;
        uint64_t addr;
        const char *reason;
        bool exits, reflected;
    } cases[] = {
        {true, false, VX_REC_CR_WRITE, 4, VX_CR4_PGE, "write_cr4", true, false},
        {true, true, VX_REC_CR_WRITE, 4, VX_CR4_PGE, "write_cr4", true, true}, /* counted */
        {false, false, VX_REC_CR_WRITE, 4, VX_CR4_PGE, "write_cr4", false, false},
        {false, true, VX_REC_CR_WRITE, 4, VX_CR4_PGE, "write_cr4", true, true},
        {false, true, VX_REC_WRMSR, 0, 0xC0000082, "msr", true, false},
        {true, true, VX_REC_WRMSR, 0, 0xC0000082, "msr", false, false},
        {true, false, VX_REC_WRMSR, 0, 0xC0000082, "msr", true, true},
        {true, true, VX_REC_WRMSR, 0, 0xC0000100, "msr", false, false},
        {true, true, VX_REC_WRMSR, 0, 0x1B, "msr", true, true}, /* counted */
        {true, true, VX_REC_WBINVD, 0, 0, "wbinvd", true, true},
        {true, true, VX_REC_VMMCALL, 0, 0, "hypercall", true, true},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const nested_options o = {.amd = true, .kvm = cases[i].l0_kvm, .l1_kvm = cases[i].l1_kvm, .adjust = with_both};
        nested_world nested;
        nested_world_open(&nested, &o);
        for (unsigned n = 0; n < TIMES; n++) nested_do(&nested, cases[i].kind, cases[i].size, cases[i].addr);
        uint64_t count = cases[i].exits ? TIMES : 0, reflected = cases[i].reflected ? TIMES : 0;
        if (vmm_exits(&nested.world) != count) fail_msg("case %u: %d exits", i, (int)vmm_exits(&nested.world));
        assert_int_equal(vmm_exits_for(&nested.world, cases[i].reason), count);
        assert_int_equal(nested_kind(&nested, L0_REFLECTED), reflected);
        assert_int_equal(nested_kind(&nested, L0_ALONE), count - reflected);
        assert_int_equal(nested_to_l0(&nested, "vmrun"), reflected);
        nested_identities_hold(&nested);
        nested_world_close(&nested);
    }
}

/* KVM lends its debug registers at the first access. Nested there are two who lend: the access exits to L1, whose own
 * load of them exits, and made again to L0; then it is free until the next other exit. Counted, of reads. */
static void debug_registers_are_lent_twice(void **state)
{
    (void)state;
    nested_world nested;
    nested_world_open(&nested, &(nested_options){.amd = true, .kvm = true, .l1_kvm = true, .adjust = with_both});
    for (unsigned round = 1; round < 4; round++) {
        for (unsigned n = 0; n < 5; n++) nested_do(&nested, VX_REC_DR_WRITE, 7, 0x400);
        assert_int_equal(nested_value(&nested, "nested.l1_by_reason.write_dr7.count"), round);
        assert_int_equal(nested_to_l0(&nested, "write_dr7"), 3 * round);
        assert_int_equal(nested_kind(&nested, L0_ALONE), round);
        nested_identities_hold(&nested);
        nested_do(&nested, VX_REC_CPUID, 0, 1);
    }
    nested_world_close(&nested);
}

/* The PAUSE filter is L0's while L2 runs, and L1 gets the exits that it asks for. */
static void pause_loops(void **state)
{
    (void)state;
    nested_world nested;
    nested_world_open(&nested, &(nested_options){.amd = true, .kvm = true, .l1_kvm = true});
    assert_int_equal(nested.vm->vmcb.pause_filter_count, 0); /* a processor without it: every PAUSE exits */
    assert_int_equal(nested.vm->vmcb02.pause_filter_count, 0);
    nested_do(&nested, VX_REC_PAUSE, 0, 0);
    nested.vm->vmcb01.pause_filter_count = 3000;
    nested.vm->vmcb.pause_filter_count = 10;
    nested_svm_follow(nested.vm);
    assert_int_equal(nested.vm->vmcb02.pause_filter_count, 3000);
    nested.vm->vmcb.intercepts1 &= ~VX_SVM_INTERCEPT_PAUSE;
    const vx_exit pause = {.reason = VX_SVM_EXIT_PAUSE};
    vx_exit seen;
    assert_true(nested_l0_takes(nested.vm, &pause, NULL, NULL, &seen)); /* L0's alone: its window grows */
    assert_int_equal(nested.vm->vmcb02.pause_filter_count, 6000);
    nested_world_close(&nested);
}

/* ---- what L1 is offered ---- */

static void l1_is_offered_less(void **state)
{
    (void)state;
    nested_world nested;
    nested_world_open(&nested, &(nested_options){.amd = true, .kvm = true});
    const vx_vmm *vmm = nested.world.vmm;
    assert_true(vmm->l0.cpu->svm.flush_by_asid && !vmm->cpu->svm.flush_by_asid);
    assert_int_equal(vmm->l0.cpu->svm.asids, 64);
    assert_int_equal(vmm->cpu->svm.asids, 8);
    assert_true(vmm->cpu->svm.npt_1g);
    assert_int_equal(nested.vm->vmcb.nested_cr3, nested.vm->nested.pointer12);
    assert_int_equal(nested.vm->vmcb02.nested_cr3, nested.vm->nested.table02.root);
    assert_int_equal(nested.vm->vmcb02.intercepts1, nested.vm->vmcb.intercepts1 | nested.vm->vmcb01.intercepts1);
    nested_world_close(&nested);
}

/* ---- flushes ---- */

static void without_flush_by_asid(vx_cfg_cpu *cpu, vx_cfg_vmm *l1)
{
    (void)l1;
    cpu->svm.flush_by_asid = false;
    cpu->svm.asids = 6;
}

static uint64_t asid_flushes(nested_world *nested) { return vmm_flushes(&nested->world, VX_OP_FLUSH_ASID); }

/* KVM drops L2's translations at each VMRUN of L1's, and at none of its own. */
static void kvm_flushes_at_each_vmrun(void **state)
{
    (void)state;
    nested_world nested;
    nested_world_open(&nested, &(nested_options){.amd = true, .kvm = true, .l1_kvm = true});
    nested_touch(&nested, 4, VX_ACCESS_STORE); /* four reflected, four mended */
    assert_int_equal(nested_kind(&nested, L0_TABLE02_FILL), 4);
    assert_int_equal(asid_flushes(&nested), nested_kind(&nested, L0_REFLECTED));
    vmm_reset_counts(&nested.world);
    nested_touch(&nested, 4, VX_ACCESS_LOAD);
    uint64_t cold = vx_mmu_counts_now(nested.world.mmu)->walks;
    nested_touch(&nested, 4, VX_ACCESS_LOAD);
    assert_int_equal(vx_mmu_counts_now(nested.world.mmu)->walks, cold); /* warm */
    nested_do(&nested, VX_REC_CPUID, 0, 1);
    assert_int_equal(asid_flushes(&nested), 1);
    nested_touch(&nested, 4, VX_ACCESS_LOAD);
    assert_int_equal(vx_mmu_counts_now(nested.world.mmu)->walks, cold + 4);
    assert_int_equal(vmm_exits_for(&nested.world, "npf"), 0);
    nested_world_close(&nested);
}

/* With 6 ASIDs, 1 to 5, each reflected exit takes two; whoever finds none left drops all. */
static void new_asids_instead_of_flushes(void **state)
{
    (void)state;
    static const struct {
        uint32_t asid;
        uint64_t all;
    } expected[] = {{3, 0}, {5, 0}, {2, 1}, {4, 0}, {1, 1}, {3, 0}, {5, 0}};
    nested_world nested;
    nested_world_open(&nested, &(nested_options){.amd = true, .kvm = true, .adjust = without_flush_by_asid});
    vmm_reset_counts(&nested.world);
    for (unsigned i = 0; i < sizeof expected / sizeof *expected; i++) {
        nested_do(&nested, VX_REC_CPUID, 0, 1);
        assert_int_equal(nested.vm->vmcb02.asid, expected[i].asid);
        assert_int_equal(vmm_flushes(&nested.world, VX_OP_FLUSH_ALL_ASIDS), expected[i].all);
        assert_int_equal(asid_flushes(&nested), 0);
        vmm_reset_counts(&nested.world);
    }
    nested_world_close(&nested);
}

/* An L0 that does not protect lets L2 keep what it has, and drops all of NPT02 where L1 flushes at each VMRUN. */
static void others_flush_as_l1_asks(void **state)
{
    (void)state;
    for (unsigned tagged = 0; tagged < 2; tagged++) {
        nested_world nested;
        nested_world_open(&nested, &(nested_options){.amd = true});
        nested.vm->vmcb.tlb_control = tagged ? 0 : 1;
        nested_touch(&nested, 8, VX_ACCESS_STORE);
        uint64_t entries = nested_value(&nested, "nested.npt02.entries");
        assert_int_equal(nested_value(&nested, "nested.npt02.dropped"), tagged ? 0 : entries - 1);
        vmm_reset_counts(&nested.world);
        nested_do(&nested, VX_REC_CPUID, 0, 1);
        assert_int_equal(asid_flushes(&nested), tagged ? 0 : 2); /* its own, and VMRUN's */
        nested_touch(&nested, 8, VX_ACCESS_LOAD);
        assert_int_equal(nested_kind(&nested, L0_TABLE02_FILL), tagged ? 0 : 8);
        assert_int_equal(nested_kind(&nested, L0_REFLECTED), 1);
        assert_true(vmm_verify(&nested.world) > 0);
        nested_world_close(&nested);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exits_of_one_reflection),
        cmocka_unit_test(cost_of_one_reflection),
        cmocka_unit_test(exits_of_l0_alone),
        cmocka_unit_test(debug_registers_are_lent_twice),
        cmocka_unit_test(pause_loops),
        cmocka_unit_test(l1_is_offered_less),
        cmocka_unit_test(kvm_flushes_at_each_vmrun),
        cmocka_unit_test(new_asids_instead_of_flushes),
        cmocka_unit_test(others_flush_as_l1_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
