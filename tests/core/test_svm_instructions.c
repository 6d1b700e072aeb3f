/* The SVM instructions and MSRs: faults in wrong modes, intercepts in order, effects; every intercept bit of the VMCB.
 */
#include <string.h>

#include "svm_world.h"
#include "test_support.h"

static const vx_svm_bytes three = {.length = 3};

static vx_svm_outcome invlpga(vx_svm *svm, const vx_svm_bytes *bytes) { return vx_svm_invlpga(svm, 5, bytes); }

static const struct {
    const char *name;
    vx_svm_outcome (*execute)(vx_svm *svm, const vx_svm_bytes *bytes);
    uint64_t code;
} instructions[] = {
    {"VMRUN", vx_svm_vmrun, 0x80}, {"VMLOAD", vx_svm_vmload, 0x82}, {"VMSAVE", vx_svm_vmsave, 0x83},
    {"STGI", vx_svm_stgi, 0x84},   {"CLGI", vx_svm_clgi, 0x85},     {"SKINIT", vx_svm_skinit, 0x86},
    {"INVLPGA", invlpga, 0x7A},
};
enum { INSTRUCTIONS = sizeof instructions / sizeof *instructions };

static void intercept(svm_world *world, uint64_t code, bool on)
{
    vx_vmcb_field field = code < 0x80 ? VX_VMCB_INTERCEPTS1 : code < 0xA0 ? VX_VMCB_INTERCEPTS2 : VX_VMCB_INTERCEPTS3;
    uint64_t bit = 1ULL << (code & 31), word = svm_field(world, field);
    svm_put(world, field, on ? word | bit : word & ~bit);
}

/* #UD outside of protected mode and with SVM off, #GP at CPL above 0; in guest mode both before the intercept. */
static void faults_in_wrong_modes(void **state)
{
    (void)state;
    static const struct {
        vx_vmcb_field field;
        uint64_t value;
        uint8_t vector;
    } modes[] = {{VX_VMCB_EFER, 0xD00, 6},
                 {VX_VMCB_CR0, 0, 6},
                 {VX_VMCB_RFLAGS, 0x20002, 6},
                 {VX_VMCB_CPL, 3, 13},
                 {VX_VMCB_CPL, 1, 13}};
    for (unsigned i = 0; i < INSTRUCTIONS; i++)
        for (unsigned m = 0; m < sizeof modes / sizeof *modes; m++)
            for (unsigned guest = 0; guest < 2; guest++) {
                svm_world world;
                svm_world_open(&world, false);
                intercept(&world, instructions[i].code, true);
                if (guest) svm_enter(&world);
                vx_svm_set_register(&world.svm, modes[m].field, modes[m].value);
                vx_svm_outcome outcome = instructions[i].execute(&world.svm, &three);
                if (outcome.result != VX_SVM_FAULT) fail_msg("%s, mode %u, guest %u", instructions[i].name, m, guest);
                svm_expect_fault(outcome, modes[m].vector);
                assert_int_equal(outcome.event & (1U << 11), modes[m].vector == 13 ? 1U << 11 : 0);
                svm_world_close(&world);
            }
}

static void intercepts_come_before_the_operand(void **state)
{
    (void)state;
    for (unsigned i = 0; i < INSTRUCTIONS; i++) {
        svm_world world;
        svm_world_open(&world, false);
        intercept(&world, instructions[i].code, true);
        svm_enter(&world);
        vx_svm_set_register(&world.svm, VX_VMCB_RAX, 0x123); /* no page */
        svm_expect_exit(&world, instructions[i].execute(&world.svm, &three), instructions[i].code);
        assert_int_equal(svm_field(&world, VX_VMCB_NRIP), 0x401003);
        assert_int_equal(svm_field(&world, VX_VMCB_EXITINFO1), instructions[i].code == 0x7A ? 0x123 : 0);
        svm_world_close(&world);
    }
}

/* A fault that the guest's instruction raises may itself be intercepted. */
static void faults_of_the_guest_are_exceptions(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    svm_put(&world, VX_VMCB_EXCEPTIONS, 1 << 13 | 1 << 6);
    svm_put(&world, VX_VMCB_CPL, 3);
    svm_enter(&world);
    svm_expect_exit(&world, vx_svm_stgi(&world.svm, &three), 0x4D);
    svm_enter(&world);
    svm_expect_exit(&world, vx_svm_vmmcall(&world.svm, &three), 0x46);
    assert_int_equal(svm_field(&world, VX_VMCB_NRIP), 0);
    svm_world_close(&world);
}

static void operands_must_be_pages_of_physical_memory(void **state)
{
    (void)state;
    static const uint64_t bad[] = {SVM_VMCB + 1, SVM_VMCB + 0x800, 1ULL << 46, UINT64_MAX << 12};
    for (unsigned i = 0; i < 3; i++)
        for (unsigned a = 0; a < sizeof bad / sizeof *bad; a++) {
            svm_world world;
            svm_world_open(&world, false);
            vx_svm_set_register(&world.svm, VX_VMCB_RAX, bad[a]);
            svm_expect_fault(instructions[i].execute(&world.svm, &three), 13);
            assert_true(vx_svm_register(&world.svm, VX_VMCB_RIP) == 0xFFFFFFFF81000000);
            svm_world_close(&world);
        }
    svm_world world;
    svm_world_open(&world, false);
    world.svm.vm_hsave_pa = 0;
    svm_expect_fault(vx_svm_vmrun(&world.svm, &three), 13);
    svm_world_close(&world);
}

static void vmmcall_and_skinit_without_intercept_are_ud(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    svm_expect_fault(vx_svm_vmmcall(&world.svm, &three), 6);
    svm_expect_fault(vx_svm_skinit(&world.svm, &three), 6);
    svm_put(&world, VX_VMCB_CPL, 3);
    intercept(&world, 0x81, true);
    svm_enter(&world);
    svm_expect_exit(&world, vx_svm_vmmcall(&world.svm, &three), 0x81); /* at any CPL */
    svm_world_close(&world);
}

/* kvm-unit-tests test_canonicalization: what VMLOAD loads is canonical when VMSAVE stores it. */
static void vmload_and_vmsave_move_the_hidden_state(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    static const vx_vmcb_field based[] = {VX_VMCB_FS_BASE, VX_VMCB_GS_BASE, VX_VMCB_LDTR_BASE, VX_VMCB_TR_BASE,
                                          VX_VMCB_KERNEL_GS_BASE};
    static const vx_vmcb_field plain[] = {
        VX_VMCB_FS_SELECTOR, VX_VMCB_TR_ATTRIBUTES, VX_VMCB_LDTR_LIMIT,  VX_VMCB_STAR,         VX_VMCB_LSTAR,
        VX_VMCB_CSTAR,       VX_VMCB_SFMASK,        VX_VMCB_SYSENTER_CS, VX_VMCB_SYSENTER_ESP, VX_VMCB_SYSENTER_EIP};
    for (unsigned i = 0; i < 5; i++) svm_put(&world, based[i], 0xAAAA800000001000 + i);
    for (unsigned i = 0; i < 10; i++) svm_put(&world, plain[i], 0x1230 + i);
    assert_int_equal(vx_svm_vmload(&world.svm, &three).result, VX_SVM_DONE);
    assert_true(vx_svm_register(&world.svm, VX_VMCB_RIP) == 0xFFFFFFFF81000003);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(vx_svm_register(&world.svm, based[i]) == 0xFFFF800000001000 + i);
        assert_true(svm_field(&world, based[i]) == 0xAAAA800000001000 + i);
    }
    assert_int_equal(vx_svm_vmsave(&world.svm, &three).result, VX_SVM_DONE);
    for (unsigned i = 0; i < 5; i++) assert_true(svm_field(&world, based[i]) == 0xFFFF800000001000 + i);
    for (unsigned i = 0; i < 10; i++) assert_int_equal(vx_svm_register(&world.svm, plain[i]), 0x1230 + i);
    /* VMRUN does not touch them. */
    svm_put(&world, VX_VMCB_STAR, 0x9999);
    svm_enter(&world);
    assert_int_equal(vx_svm_register(&world.svm, VX_VMCB_STAR), 0x1233);
    svm_world_close(&world);
}

/* QEMU virtual_vm_load_save_enabled: needs nested paging and long mode, else it exits. */
static void virtualized_vmload(void **state)
{
    (void)state;
    for (unsigned feature = 0; feature < 2; feature++)
        for (unsigned np = 0; np < 2; np++) {
            svm_world world;
            svm_world_open(&world, false);
            world.cpu.svm.virtual_vmload = feature;
            svm_put(&world, VX_VMCB_VIRT_EXT, 2);
            svm_put(&world, VX_VMCB_NP_CONTROL, np);
            svm_put(&world, VX_VMCB_RAX, SVM_VMCB2);
            vx_vmcb_write(&world.memory, (vx_hpa){SVM_VMCB2}, VX_VMCB_STAR, 0x77);
            svm_enter(&world);
            vx_svm_outcome outcome = vx_svm_vmload(&world.svm, &three);
            if (feature && !np) {
                svm_expect_exit(&world, outcome, 0x82);
            } else {
                assert_int_equal(outcome.result, VX_SVM_DONE);
                assert_int_equal(vx_svm_register(&world.svm, VX_VMCB_STAR), 0x77);
            }
            svm_world_close(&world);
        }
}

/* kvm-unit-tests test_vgif. */
static void stgi_and_clgi_in_a_guest(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    intercept(&world, 0x81, true);
    svm_put(&world, VX_VMCB_V_INTR, 1 << 25);
    svm_enter(&world);
    assert_int_equal(vx_svm_stgi(&world.svm, &three).result, VX_SVM_DONE);
    svm_expect_exit(&world, vx_svm_vmmcall(&world.svm, &three), 0x81);
    assert_int_equal(svm_field(&world, VX_VMCB_V_INTR), 1 << 25 | 1 << 9);
    svm_enter(&world);
    assert_int_equal(vx_svm_clgi(&world.svm, &three).result, VX_SVM_DONE);
    assert_true(world.svm.gif);
    svm_expect_exit(&world, vx_svm_vmmcall(&world.svm, &three), 0x81);
    assert_int_equal(svm_field(&world, VX_VMCB_V_INTR), 1 << 25);
    /* Without the feature it is the processor's own flag. */
    world.cpu.svm.vgif = false;
    svm_enter(&world);
    assert_int_equal(vx_svm_clgi(&world.svm, &three).result, VX_SVM_DONE);
    assert_false(world.svm.gif);
    svm_world_close(&world);
}

/* ---- every intercept bit of the three words, through the instruction whose EXITCODE it is ---- */

static void every_instruction_s_intercept_bit_exits(void **state)
{
    (void)state;
    unsigned exits = 0;
    for (unsigned code = 0x60; code < 0xC0; code++) {
        if (code <= 0x65 || code == 0x7B || code == 0x7C || (code >= 0x8F && code < 0xA0)) continue; /* elsewhere */
        svm_world world;
        svm_world_open(&world, false);
        for (unsigned bit = 0x66; bit < 0xC0; bit++)
            if (bit != code && bit != 0x80) intercept(&world, bit, false);
        const vx_record record = {.kind = VX_REC_SVM, .size = (uint8_t)code};
        svm_enter(&world);
        bool vmrun = code == 0x80; /* always intercepted */
        vx_svm_outcome outcome = vx_svm_execute(&world.svm, &record, NULL, 0, &three);
        if (!vmrun) {
            assert_int_equal(outcome.result, VX_SVM_DONE);
            world.svm.controls.intercepts1 = code < 0x80 ? 1U << (code & 31) : 0;
            world.svm.controls.intercepts2 = code >= 0x80 && code < 0xA0 ? 1U << (code & 31) : 0;
            world.svm.controls.intercepts3 = code >= 0xA0 ? 1U << (code & 31) : 0;
            outcome = vx_svm_execute(&world.svm, &record, NULL, 0, &three);
        }
        svm_expect_exit(&world, outcome, code);
        exits++;
        svm_world_close(&world);
    }
    print_message("%u intercept bits\n", exits);
}

/* ---- model-specific registers ---- */

static const uint32_t efer = 0xC0000080, vm_cr = 0xC0010114, hsave = 0xC0010117, key = 0xC0010118, ratio = 0xC0000104;

static void write_ok(svm_world *world, uint32_t msr, uint64_t value)
{
    assert_int_equal(vx_svm_wrmsr(&world->svm, msr, value, &three).result, VX_SVM_DONE);
}

static void write_gp(svm_world *world, uint32_t msr, uint64_t value)
{
    svm_expect_fault(vx_svm_wrmsr(&world->svm, msr, value, &three), 13);
}

static uint64_t read_ok(svm_world *world, uint32_t msr)
{
    uint64_t value = 0;
    assert_int_equal(vx_svm_rdmsr(&world->svm, msr, &value, &three).result, VX_SVM_DONE);
    return value;
}

static void vm_cr_disables_and_locks(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    write_gp(&world, vm_cr, 1 << 4); /* while EFER.SVME is 1 */
    write_gp(&world, vm_cr, 1 << 5);
    write_ok(&world, efer, 0x0D00);
    write_ok(&world, vm_cr, 1 << 4);
    write_gp(&world, efer, 0x1D00); /* SVMDIS: SVME must be zero */
    write_ok(&world, vm_cr, 1 << 4 | 1 << 3);
    write_ok(&world, vm_cr, 2); /* LOCK and SVMDIS stay, silently */
    assert_int_equal(read_ok(&world, vm_cr), 1 << 4 | 1 << 3 | 2);
    write_ok(&world, key, 0x1234);
    write_ok(&world, vm_cr, 0);
    assert_int_equal(read_ok(&world, vm_cr), 1 << 4 | 1 << 3);
    assert_int_equal(read_ok(&world, key), 0);
    write_ok(&world, key, 0x1122334455667788);
    assert_int_equal(read_ok(&world, vm_cr), 1 << 4);
    write_ok(&world, vm_cr, 0);
    write_ok(&world, efer, 0x1D00);
    world.cpu.svm.svm_lock = false;
    write_ok(&world, vm_cr, 1 << 3); /* no such bit */
    assert_int_equal(read_ok(&world, vm_cr), 0);
    write_gp(&world, key, 0);
    svm_world_close(&world);
}

static void other_msrs(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    write_gp(&world, hsave, SVM_HSAVE + 8);
    write_gp(&world, hsave, 1ULL << 46);
    write_ok(&world, hsave, 0x9000);
    assert_int_equal(read_ok(&world, hsave), 0x9000);
    write_gp(&world, efer, 0x1D02);
    write_gp(&world, efer, 0x1C00); /* LME while paging is on */
    assert_int_equal(read_ok(&world, efer), 0x1D00);
    write_gp(&world, ratio, 1ULL << 40);
    write_ok(&world, ratio, 0x80000000);
    assert_int_equal(read_ok(&world, ratio), 0x80000000);
    write_gp(&world, 0x10, 0);
    uint64_t value;
    svm_expect_fault(vx_svm_rdmsr(&world.svm, 0x10, &value, NULL), 13);
    vx_svm_set_register(&world.svm, VX_VMCB_CPL, 3);
    write_gp(&world, hsave, 0x9000);
    vx_svm_set_register(&world.svm, VX_VMCB_CPL, 0);
    world.cpu.svm = (vx_cfg_svm){0};
    write_gp(&world, hsave, 0x9000);
    write_gp(&world, efer, 0x1D00);
    svm_world_close(&world);
}

static void the_permission_map_guards_msrs_in_a_guest(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    intercept(&world, 0x7C, true);
    world.memory.base[SVM_MSRPM + 0x800 + 0x80 / 4] = 2; /* writes of EFER */
    svm_enter(&world);
    assert_int_equal(read_ok(&world, efer), 0x1D01);
    svm_expect_exit(&world, vx_svm_wrmsr(&world.svm, efer, 0x1D01, &three), 0x7C);
    assert_int_equal(svm_field(&world, VX_VMCB_EXITINFO1), 1);
    assert_int_equal(svm_field(&world, VX_VMCB_NRIP), 0x401006);
    svm_world_close(&world);
}

static void the_guest_s_time_is_scaled_and_shifted(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    svm_put(&world, VX_VMCB_TSC_OFFSET, (uint64_t)-1000);
    write_ok(&world, ratio, 3ULL << 31); /* 1.5 */
    assert_int_equal(vx_svm_tsc(&world.svm, 5000), 5000);
    svm_enter(&world);
    assert_int_equal(vx_svm_tsc(&world.svm, 5000), 6500);
    assert_true(vx_svm_tsc(&world.svm, 1ULL << 62) == (3ULL << 61) - 1000);
    assert_true(vx_svm_tsc(&world.svm, 0x123456789) == 0x123456789 + 0x91A2B3C4 - 1000);
    svm_world_close(&world);
}

/* ---- the pause filter: kvm-unit-tests pause_filter_test ---- */

/* The number of the first of `pauses` that exits, or 0; after `before` of them there is a wait. */
static unsigned first_exit(unsigned count, unsigned threshold, unsigned pauses, unsigned before, vx_tick wait)
{
    const vx_vmcb vmcb = {.pause_filter_count = (uint16_t)count, .pause_filter_threshold = (uint16_t)threshold};
    vx_svm_pause pause;
    vx_svm_pause_load(&pause, &vmcb);
    vx_tick now = 1000000;
    for (unsigned i = 1; i <= pauses; i++, now += 5) {
        if (i == before + 1) now += wait;
        if (vx_svm_pause_exits(&pause, &vmcb, now)) return i;
    }
    return 0;
}

static void the_pause_filter_counts_and_starts_again(void **state)
{
    (void)state;
    assert_int_equal(first_exit(0, 0, 1, 9, 0), 1);
    assert_int_equal(first_exit(9, 0, 10, 99, 0), 10);
    assert_int_equal(first_exit(9, 0, 9, 99, 0), 0);
    assert_int_equal(first_exit(21, 0, 20, 99, 0), 0);
    assert_int_equal(first_exit(21, 10, 40, 20, 1000), 0); /* the wait is longer than the threshold: a new loop */
    assert_int_equal(first_exit(21, 1000, 40, 20, 10), 22);
    assert_int_equal(first_exit(21, 0, 40, 20, 1000), 22); /* no threshold: count only */
    assert_int_equal(first_exit(3, 5, 10, 99, 0), 4);      /* exactly the threshold is the same loop */
    assert_int_equal(first_exit(3, 4, 10, 99, 0), 0);
}

static void pause_exits_through_the_filter(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    intercept(&world, 0x77, true);
    svm_put(&world, VX_VMCB_PAUSE_FILTER_COUNT, 2);
    const vx_record record = {.kind = VX_REC_PAUSE, .addr = 1};
    for (unsigned run = 0; run < 2; run++) { /* VMRUN loads the counter again */
        svm_enter(&world);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(vx_svm_execute(&world.svm, &record, NULL, 0, &three).result, VX_SVM_DONE);
        svm_expect_exit(&world, vx_svm_execute(&world.svm, &record, NULL, 0, &three), 0x77);
    }
    world.cpu.svm.pause_filter = world.cpu.svm.pause_threshold = false;
    svm_enter(&world);
    svm_expect_exit(&world, vx_svm_execute(&world.svm, &record, NULL, 0, &three), 0x77);
    svm_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_in_wrong_modes),
        cmocka_unit_test(intercepts_come_before_the_operand),
        cmocka_unit_test(faults_of_the_guest_are_exceptions),
        cmocka_unit_test(operands_must_be_pages_of_physical_memory),
        cmocka_unit_test(vmmcall_and_skinit_without_intercept_are_ud),
        cmocka_unit_test(vmload_and_vmsave_move_the_hidden_state),
        cmocka_unit_test(virtualized_vmload),
        cmocka_unit_test(stgi_and_clgi_in_a_guest),
        cmocka_unit_test(every_instruction_s_intercept_bit_exits),
        cmocka_unit_test(vm_cr_disables_and_locks),
        cmocka_unit_test(other_msrs),
        cmocka_unit_test(the_permission_map_guards_msrs_in_a_guest),
        cmocka_unit_test(the_guest_s_time_is_scaled_and_shifted),
        cmocka_unit_test(the_pause_filter_counts_and_starts_again),
        cmocka_unit_test(pause_exits_through_the_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
