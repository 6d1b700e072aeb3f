/* Events of vx_svm: GIF, RFLAGS.IF, shadows, intercepts and their order; virtual interrupts and NMIs; injection. */
#include <string.h>

#include "svm_world.h"
#include "test_support.h"

static const vx_svm_bytes three = {.length = 3};
static const vx_record nop = {.kind = VX_REC_CPUID}, sti = {.kind = VX_REC_STI}, iret = {.kind = VX_REC_IRET};

static void do_record(svm_world *world, const vx_record *record)
{
    assert_int_equal(vx_svm_execute(&world->svm, record, NULL, 0, &three).result, VX_SVM_DONE);
}

static void expect_event(vx_svm_outcome outcome, uint32_t event)
{
    assert_int_equal(outcome.result, VX_SVM_EVENT);
    assert_int_equal(outcome.event, event);
}

static void expect_held(svm_world *world) { assert_int_equal(vx_svm_take(&world->svm).result, VX_SVM_HELD); }

/* ---- physical events ---- */

static void gif_holds_everything_back(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    vx_svm_set_register(&world.svm, VX_VMCB_RFLAGS, 0x202);
    assert_int_equal(vx_svm_clgi(&world.svm, &three).result, VX_SVM_DONE);
    for (unsigned kind = VX_SVM_SMI; kind <= VX_SVM_INTR; kind++)
        vx_svm_signal(&world.svm, (vx_svm_signal_kind)kind, 0x40);
    expect_held(&world);
    assert_int_equal(vx_svm_stgi(&world.svm, &three).result, VX_SVM_DONE);
    /* SMI, INIT, NMI, INTR. */
    assert_int_equal(vx_svm_take(&world.svm).result, VX_SVM_DONE);
    assert_int_equal(vx_svm_take(&world.svm).result, VX_SVM_RESET);
    expect_event(vx_svm_take(&world.svm), 0x80000202);
    expect_event(vx_svm_take(&world.svm), 0x80000040);
    expect_held(&world);
    svm_world_close(&world);
}

/* Each alone in a guest that intercepts all four: it exits, stays pending, and the host takes it after STGI. */
static void intercepted_events_stay_pending(void **state)
{
    (void)state;
    static const struct {
        vx_svm_signal_kind kind;
        uint64_t code;
        vx_svm_result then;
    } cases[] = {{VX_SVM_SMI, 0x62, VX_SVM_DONE},
                 {VX_SVM_INIT, 0x63, VX_SVM_RESET},
                 {VX_SVM_NMI, 0x61, VX_SVM_EVENT},
                 {VX_SVM_INTR, 0x60, VX_SVM_EVENT}};
    for (unsigned i = 0; i < 4; i++) {
        svm_world world;
        svm_world_open(&world, false);
        vx_svm_set_register(&world.svm, VX_VMCB_RFLAGS, 0x202);
        svm_put(&world, VX_VMCB_INTERCEPTS1, 0xF);
        svm_put(&world, VX_VMCB_INTERRUPT_SHADOW, 1); /* does not hold back what is intercepted */
        svm_enter(&world);
        vx_svm_signal(&world.svm, cases[i].kind, 0x51);
        svm_expect_exit(&world, vx_svm_take(&world.svm), cases[i].code);
        assert_int_equal(svm_field(&world, VX_VMCB_EXITINTINFO), 0);
        assert_int_equal(svm_field(&world, VX_VMCB_INTERRUPT_SHADOW), 1);
        expect_held(&world);
        (void)vx_svm_stgi(&world.svm, NULL);
        assert_int_equal(vx_svm_take(&world.svm).result, cases[i].then);
        svm_world_close(&world);
    }
}

/* Whose RFLAGS.IF counts: the guest's, or with V_INTR_MASKING the host's. */
static void v_intr_masking_chooses_the_interrupt_flag(void **state)
{
    (void)state;
    for (unsigned masking = 0; masking < 2; masking++)
        for (unsigned host = 0; host < 2; host++)
            for (unsigned guest = 0; guest < 2; guest++)
                for (unsigned intercepted = 0; intercepted < 2; intercepted++) {
                    svm_world world;
                    svm_world_open(&world, false);
                    vx_svm_set_register(&world.svm, VX_VMCB_RFLAGS, host ? 0x202 : 2);
                    svm_put(&world, VX_VMCB_RFLAGS, guest ? 0x202 : 2);
                    svm_put(&world, VX_VMCB_V_INTR, masking << 24);
                    svm_put(&world, VX_VMCB_INTERCEPTS1, intercepted);
                    svm_enter(&world);
                    vx_svm_signal(&world.svm, VX_SVM_INTR, 0x77);
                    vx_svm_outcome outcome = vx_svm_take(&world.svm);
                    if (!(masking ? host : guest))
                        assert_int_equal(outcome.result, VX_SVM_HELD);
                    else if (intercepted)
                        svm_expect_exit(&world, outcome, 0x60);
                    else
                        expect_event(outcome, 0x80000077);
                    svm_world_close(&world);
                }
}

static void nmis_are_blocked_until_iret(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    svm_enter(&world);
    vx_svm_signal(&world.svm, VX_SVM_NMI, 0);
    expect_event(vx_svm_take(&world.svm), 0x80000202);
    vx_svm_signal(&world.svm, VX_SVM_NMI, 0);
    expect_held(&world);
    do_record(&world, &iret);
    expect_event(vx_svm_take(&world.svm), 0x80000202);
    svm_world_close(&world);
}

static void r_init_turns_init_into_sx(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    assert_int_equal(vx_svm_wrmsr(&world.svm, 0xC0010114, 2, NULL).result, VX_SVM_DONE);
    vx_svm_signal(&world.svm, VX_SVM_INIT, 0);
    vx_svm_outcome outcome = vx_svm_take(&world.svm);
    svm_expect_fault(outcome, 30);
    assert_int_equal(outcome.error_code, 1);
    svm_world_close(&world);
}

static void a_triple_fault_is_a_shutdown_unless_intercepted(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    svm_put(&world, VX_VMCB_INTERCEPTS1, 1U << 31);
    svm_enter(&world);
    svm_expect_exit(&world, vx_svm_triple_fault(&world.svm), 0x7F);
    assert_int_equal(vx_svm_triple_fault(&world.svm).result, VX_SVM_SHUTDOWN);
    assert_int_equal(vx_svm_stgi(&world.svm, NULL).result, VX_SVM_SHUTDOWN);
    svm_world_close(&world);
}

/* ---- exceptions ---- */

static void every_exception_bit_exits_with_its_code(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 32; bit++) {
        svm_world world;
        svm_world_open(&world, false);
        svm_put(&world, VX_VMCB_EXCEPTIONS, 1U << bit);
        svm_enter(&world);
        for (unsigned vector = 0; vector < 32; vector++) {
            if (vector == bit) continue;
            svm_expect_fault(vx_svm_exception(&world.svm, (uint8_t)vector, 0x10, 0, NULL), (uint8_t)vector);
            vx_svm_delivered(&world.svm);
        }
        svm_expect_exit(&world, vx_svm_exception(&world.svm, (uint8_t)bit, 0x10, 0, NULL), 0x40 + bit);
        bool error = bit == 8 || (bit >= 10 && bit <= 14) || bit == 17 || bit == 21 || bit == 29 || bit == 30;
        assert_int_equal(svm_field(&world, VX_VMCB_EXITINFO1), error ? 0x10 : 0);
        svm_world_close(&world);
    }
}

static void a_page_fault_that_reaches_the_guest_sets_cr2(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    svm_enter(&world);
    svm_expect_fault(vx_svm_exception(&world.svm, 14, 7, 0xABC000, NULL), 14);
    assert_int_equal(vx_svm_register(&world.svm, VX_VMCB_CR2), 0xABC000);
    svm_world_close(&world);
}

/* ---- injection, and exits in the middle of a delivery ---- */

static void injected_events_are_delivered_and_reported_if_interrupted(void **state)
{
    (void)state;
    static const struct {
        uint32_t injected, reported;
    } cases[] = {
        {0x80000020, 0x80000020}, {0x80000B0E, 0x80000B0E}, {0x80000280, 0x80000202}, {0x80000480, 0x80000480}};
    for (unsigned i = 0; i < 4; i++)
        for (unsigned delivered = 0; delivered < 2; delivered++) {
            svm_world world;
            svm_world_open(&world, false);
            svm_put(&world, VX_VMCB_EXCEPTIONS, UINT32_MAX); /* injected events are not intercepted */
            svm_put(&world, VX_VMCB_INTERCEPTS1, UINT32_MAX & ~(1U << 18));
            svm_put(&world, VX_VMCB_EVENTINJ, cases[i].injected);
            svm_put(&world, VX_VMCB_EVENTINJ_ERROR, 0x55);
            vx_svm_outcome outcome = vx_svm_vmrun(&world.svm, NULL);
            assert_int_equal(outcome.result, VX_SVM_ENTERED);
            assert_int_equal(outcome.event, cases[i].reported);
            assert_int_equal(outcome.error_code, cases[i].injected & 0x800 ? 0x55 : 0);
            if (delivered) vx_svm_delivered(&world.svm);
            svm_expect_exit(&world, vx_svm_exception(&world.svm, 14, 2, 0x8000, NULL), 0x4E);
            assert_int_equal(svm_field(&world, VX_VMCB_EXITINTINFO), delivered ? 0 : cases[i].reported);
            assert_int_equal(svm_field(&world, VX_VMCB_EXITINTINFO_ERROR),
                             !delivered && (cases[i].injected & 0x800) ? 0x55 : 0);
            assert_int_equal(svm_field(&world, VX_VMCB_EVENTINJ), cases[i].injected & 0x7FFFFFFF);
            svm_world_close(&world);
        }
}

static void an_executed_instruction_ends_the_delivery(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    svm_put(&world, VX_VMCB_EXCEPTIONS, 1 << 14);
    svm_put(&world, VX_VMCB_EVENTINJ, 0x80000020);
    svm_enter(&world);
    do_record(&world, &nop);
    svm_expect_exit(&world, vx_svm_exception(&world.svm, 14, 2, 0x8000, NULL), 0x4E);
    assert_int_equal(svm_field(&world, VX_VMCB_EXITINTINFO), 0);
    svm_world_close(&world);
}

/* ---- virtual interrupts ---- */

static uint32_t v_intr(unsigned priority, unsigned tpr, bool ignore)
{
    return 1U << 8 | priority << 16 | tpr | (ignore ? 1U << 20 : 0);
}

static void a_virtual_interrupt_needs_priority_and_if(void **state)
{
    (void)state;
    for (unsigned priority = 0; priority < 16; priority += 5)
        for (unsigned tpr = 0; tpr < 16; tpr += 5)
            for (unsigned flags = 0; flags < 8; flags++) {
                bool ignore = flags & 1, guest_if = flags & 2, intercepted = flags & 4;
                svm_world world;
                svm_world_open(&world, false);
                svm_put(&world, VX_VMCB_V_INTR, v_intr(priority, tpr, ignore));
                svm_put(&world, VX_VMCB_V_INTR_VECTOR, 0x66);
                svm_put(&world, VX_VMCB_RFLAGS, guest_if ? 0x202 : 2);
                svm_put(&world, VX_VMCB_INTERCEPTS1, intercepted ? 1 << 4 : 0);
                svm_enter(&world);
                vx_svm_outcome outcome = vx_svm_take(&world.svm);
                if (!guest_if || !(ignore || priority > tpr)) {
                    assert_int_equal(outcome.result, VX_SVM_HELD);
                } else if (intercepted) {
                    svm_expect_exit(&world, outcome, 0x64);
                    assert_true(svm_field(&world, VX_VMCB_V_INTR) & (1 << 8)); /* still asked for */
                } else {
                    expect_event(outcome, 0x80000066);
                    expect_held(&world); /* V_IRQ is off */
                }
                svm_world_close(&world);
            }
}

static void a_shadow_and_a_virtual_gif_hold_it_back(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    svm_put(&world, VX_VMCB_V_INTR, v_intr(5, 0, false) | 1 << 25); /* virtual GIF on, and 0 */
    svm_put(&world, VX_VMCB_INTERRUPT_SHADOW, 1);
    svm_enter(&world);
    expect_held(&world);
    do_record(&world, &nop); /* ends the shadow */
    expect_held(&world);
    (void)vx_svm_stgi(&world.svm, NULL);
    expect_event(vx_svm_take(&world.svm), 0x80000000);
    svm_world_close(&world);

    svm_world_open(&world, false);
    svm_put(&world, VX_VMCB_V_INTR, v_intr(5, 0, false));
    svm_put(&world, VX_VMCB_RFLAGS, 2);
    svm_enter(&world);
    do_record(&world, &sti);
    expect_held(&world);
    do_record(&world, &sti); /* IF was 1: no new shadow */
    expect_event(vx_svm_take(&world.svm), 0x80000000);
    svm_world_close(&world);
}

static void physical_interrupts_come_before_virtual_ones(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    svm_put(&world, VX_VMCB_V_INTR, v_intr(15, 0, false));
    svm_put(&world, VX_VMCB_V_INTR_VECTOR, 0xF1);
    svm_enter(&world);
    vx_svm_signal(&world.svm, VX_SVM_INTR, 0x31);
    vx_svm_signal(&world.svm, VX_SVM_NMI, 0);
    expect_event(vx_svm_take(&world.svm), 0x80000202);
    expect_event(vx_svm_take(&world.svm), 0x80000031);
    expect_event(vx_svm_take(&world.svm), 0x800000F1);
    svm_world_close(&world);
}

/* CR8 is V_TPR; the local APIC's own where V_INTR_MASKING is 0. */
static void cr8_is_the_virtual_tpr(void **state)
{
    (void)state;
    for (unsigned masking = 0; masking < 2; masking++) {
        svm_world world;
        svm_world_open(&world, false);
        const vx_record host = {.kind = VX_REC_CR_WRITE, .size = 8, .addr = 2},
                        guest = {.kind = VX_REC_CR_WRITE, .size = 8, .addr = 9};
        do_record(&world, &host);
        svm_put(&world, VX_VMCB_V_INTR, masking << 24 | v_intr(8, 3, false));
        svm_put(&world, VX_VMCB_INTERCEPTS2, 3);
        svm_enter(&world);
        do_record(&world, &guest);
        expect_held(&world); /* 8 is below 9 */
        assert_int_equal(world.svm.tpr, masking ? 2 : 9);
        svm_expect_exit(&world, vx_svm_vmmcall(&world.svm, NULL), 0x81);
        assert_int_equal(svm_field(&world, VX_VMCB_V_INTR), masking << 24 | v_intr(8, 9, false));
        svm_world_close(&world);
    }
}

static void a_virtual_nmi_is_pending_then_blocking(void **state)
{
    (void)state;
    svm_world world;
    svm_world_open(&world, false);
    svm_put(&world, VX_VMCB_V_INTR, 1U << 26 | 1U << 11);
    svm_put(&world, VX_VMCB_INTERCEPTS1, 2);
    svm_put(&world, VX_VMCB_INTERCEPTS2, 3);
    svm_enter(&world);
    expect_event(vx_svm_take(&world.svm), 0x80000202);
    expect_held(&world);
    svm_expect_exit(&world, vx_svm_vmmcall(&world.svm, NULL), 0x81);
    assert_int_equal(svm_field(&world, VX_VMCB_V_INTR), 1U << 26 | 1U << 12);
    svm_put(&world, VX_VMCB_V_INTR, 1U << 26 | 1U << 12 | 1U << 11);
    svm_enter(&world);
    expect_held(&world);
    do_record(&world, &iret);
    expect_event(vx_svm_take(&world.svm), 0x80000202);
    svm_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gif_holds_everything_back),
        cmocka_unit_test(intercepted_events_stay_pending),
        cmocka_unit_test(v_intr_masking_chooses_the_interrupt_flag),
        cmocka_unit_test(nmis_are_blocked_until_iret),
        cmocka_unit_test(r_init_turns_init_into_sx),
        cmocka_unit_test(a_triple_fault_is_a_shutdown_unless_intercepted),
        cmocka_unit_test(every_exception_bit_exits_with_its_code),
        cmocka_unit_test(a_page_fault_that_reaches_the_guest_sets_cr2),
        cmocka_unit_test(injected_events_are_delivered_and_reported_if_interrupted),
        cmocka_unit_test(an_executed_instruction_ends_the_delivery),
        cmocka_unit_test(a_virtual_interrupt_needs_priority_and_if),
        cmocka_unit_test(a_shadow_and_a_virtual_gif_hold_it_back),
        cmocka_unit_test(physical_interrupts_come_before_virtual_ones),
        cmocka_unit_test(cr8_is_the_virtual_tpr),
        cmocka_unit_test(a_virtual_nmi_is_pending_then_blocking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
