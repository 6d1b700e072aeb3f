/* Simultaneous events at an instruction boundary (SDM Vol. 3A Table 6-2; Vol. 3C 25.2, 25.5.2, 26.7.2
 * to 26.7.8, 29.2.2, 29.4.3.2): the order of every pair, and for each event what blocks it and in which activity
 * states. */
#include <string.h>

#include "exit_rows.h"
#include "test_support.h"
#include "vx_boundary.h"

#define IF_SET .interrupts_on = true

/* The manual's statements, "A takes priority over B", by the names of the causes. Every pair must follow from these. */
typedef struct statement {
    vx_boundary_cause over, under;
} statement;

static const statement statements[] = {
    /* 29.4.3.2: APIC-write emulation over SMIs, INIT signals and lower; over a bus lock: our choice. */
    {VX_BOUNDARY_APIC_WRITE, VX_BOUNDARY_TPR_THRESHOLD},
    {VX_BOUNDARY_TPR_THRESHOLD, VX_BOUNDARY_BUS_LOCK},
    /* 25.2: bus locks over SMIs, INIT signals and lower. 26.7.7: the TPR threshold over SMIs and INIT signals. */
    {VX_BOUNDARY_BUS_LOCK, VX_BOUNDARY_SMI},
    {VX_BOUNDARY_SMI, VX_BOUNDARY_INIT},          /* Table 6-2, third class, in its order */
    {VX_BOUNDARY_INIT, VX_BOUNDARY_MONITOR_TRAP}, /* 25.5.2 */
    {VX_BOUNDARY_MONITOR_TRAP, VX_BOUNDARY_DEBUG_TRAP},
    {VX_BOUNDARY_DEBUG_TRAP, VX_BOUNDARY_PREEMPTION_TIMER}, /* 25.2 */
    {VX_BOUNDARY_PREEMPTION_TIMER, VX_BOUNDARY_NMI_WINDOW},
    {VX_BOUNDARY_NMI_WINDOW, VX_BOUNDARY_NMI},
    {VX_BOUNDARY_NMI, VX_BOUNDARY_INTERRUPT_WINDOW},
    {VX_BOUNDARY_NMI, VX_BOUNDARY_VIRTUAL_INTERRUPT}, /* 29.2.2 */
    {VX_BOUNDARY_INTERRUPT_WINDOW, VX_BOUNDARY_EXTERNAL_INTERRUPT},
    {VX_BOUNDARY_VIRTUAL_INTERRUPT, VX_BOUNDARY_EXTERNAL_INTERRUPT},
};

static bool follows(vx_boundary_cause over, vx_boundary_cause under)
{
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (statements[i].over == over && (statements[i].under == under || follows(statements[i].under, under)))
            return true;
    return false;
}

/* ---- each cause alone ---- */

typedef struct setting {
    vx_vmcs vmcs;
    vx_exit_context context;
    vx_pending pending;
} setting;

/* Adds what makes the cause happen. */
static void arm(setting *s, vx_boundary_cause cause)
{
    vx_pending *p = &s->pending;
    switch (cause) {
    case VX_BOUNDARY_APIC_WRITE:
        p->apic_exit = 56;
        p->apic_qualification = 0x300;
        break;
    case VX_BOUNDARY_TPR_THRESHOLD:
        p->after_entry = true;
        s->vmcs.tpr_threshold = 5;
        s->vmcs.cpu |= B(21) | SECONDARY;
        s->vmcs.cpu2 |= B(0);
        break;
    case VX_BOUNDARY_BUS_LOCK:
        p->bus_lock = true;
        s->vmcs.cpu |= SECONDARY;
        s->vmcs.cpu2 |= B(30);
        break;
    case VX_BOUNDARY_SMI:
        p->smi = p->dual_monitor = true;
        break;
    case VX_BOUNDARY_INIT:
        p->init = true;
        break;
    case VX_BOUNDARY_SIPI:
        p->sipi = true;
        p->sipi_vector = 0x9A;
        break;
    case VX_BOUNDARY_MONITOR_TRAP:
        p->monitor_trap = true;
        break;
    case VX_BOUNDARY_DEBUG_TRAP:
        p->debug_exceptions = 0x5001;
        s->vmcs.exception_bitmap = B(1);
        break;
    case VX_BOUNDARY_PREEMPTION_TIMER:
        p->preemption_timer = true;
        s->vmcs.pin |= B(6);
        break;
    case VX_BOUNDARY_NMI_WINDOW:
        s->vmcs.cpu |= B(22);
        break;
    case VX_BOUNDARY_NMI:
        p->nmi = true;
        s->vmcs.pin |= B(3);
        break;
    case VX_BOUNDARY_INTERRUPT_WINDOW:
        s->vmcs.cpu |= B(2);
        break;
    case VX_BOUNDARY_VIRTUAL_INTERRUPT:
        p->virtual_interrupt = true;
        p->virtual_vector = 0x61;
        s->vmcs.cpu |= SECONDARY;
        s->vmcs.cpu2 |= B(9);
        break;
    case VX_BOUNDARY_EXTERNAL_INTERRUPT:
        p->external_interrupt = true;
        p->external_vector = 0x41;
        s->vmcs.pin |= B(0);
        s->vmcs.exit_controls = B(15);
        break;
    default:
        break;
    }
}

static vx_boundary ask(const setting *s, vx_exit *exit)
{
    memset(exit, 0, sizeof *exit);
    return vx_vmcs_boundary(&s->vmcs, &s->context, &s->pending, exit);
}

static const struct {
    vx_boundary_action action;
    uint32_t reason, interruption;
    uint64_t qualification;
    unsigned states;           /* bit n: happens in activity state n */
    unsigned interruptibility; /* bit n: happens with interruptibility bit n set */
    bool masked;               /* happens with RFLAGS.IF = 0 */
} alone[VX_BOUNDARY_CAUSES] = {
    [VX_BOUNDARY_APIC_WRITE] = {VX_BOUNDARY_EXITS, 56, 0, 0x300, 0xF, 0xF, true},
    [VX_BOUNDARY_TPR_THRESHOLD] = {VX_BOUNDARY_EXITS, 43, 0, 0, 0x3, 0xF, true},
    [VX_BOUNDARY_BUS_LOCK] = {VX_BOUNDARY_EXITS, 74, 0, 0, 0xF, 0xF, true},
    [VX_BOUNDARY_SMI] = {VX_BOUNDARY_EXITS, 6, 0, 0, 0x7, 0xB, true},
    [VX_BOUNDARY_INIT] = {VX_BOUNDARY_EXITS, 3, 0, 0, 0x7, 0xF, true},
    [VX_BOUNDARY_SIPI] = {VX_BOUNDARY_EXITS, 4, 0, 0x9A, 0x8, 0xF, true},
    [VX_BOUNDARY_MONITOR_TRAP] = {VX_BOUNDARY_EXITS, 37, 0, 0, 0x3, 0xF, true},
    [VX_BOUNDARY_DEBUG_TRAP] = {VX_BOUNDARY_EXITS, 0, 0x80000301, 0x4001, 0x3, 0xD, true},
    [VX_BOUNDARY_PREEMPTION_TIMER] = {VX_BOUNDARY_EXITS, 52, 0, 0, 0x7, 0xF, true},
    [VX_BOUNDARY_NMI_WINDOW] = {VX_BOUNDARY_EXITS, 8, 0, 0, 0x7, 0x4, true},
    [VX_BOUNDARY_NMI] = {VX_BOUNDARY_EXITS, 0, 0x80000202, 0, 0x7, 0x5, true},
    [VX_BOUNDARY_INTERRUPT_WINDOW] = {VX_BOUNDARY_EXITS, 7, 0, 0, 0x3, 0xC, false},
    [VX_BOUNDARY_VIRTUAL_INTERRUPT] = {VX_BOUNDARY_DELIVERS, 0, 0x80000061, 0, 0x3, 0xC, false},
    [VX_BOUNDARY_EXTERNAL_INTERRUPT] = {VX_BOUNDARY_EXITS, 1, 0x80000041, 0, 0x3, 0xC, true},
};

static void each_cause_alone(void **state)
{
    (void)state;
    for (unsigned c = 0; c < VX_BOUNDARY_CAUSES; c++) {
        vx_boundary_cause cause = (vx_boundary_cause)c;
        setting s = {.context = {.cr0 = 1, IF_SET}};
        if (cause == VX_BOUNDARY_SIPI) s.context.activity = VX_ACTIVITY_WAIT_FOR_SIPI;
        arm(&s, cause);
        vx_exit exit;
        vx_boundary found = ask(&s, &exit);
        assert_string_not_equal(vx_boundary_name(cause), "none");
        if (found.cause != cause || found.action != alone[c].action) fail_msg("%s", vx_boundary_name(cause));
        assert_int_equal(exit.reason, alone[c].reason);
        assert_int_equal(exit.interruption, alone[c].interruption);
        assert_int_equal(exit.qualification, alone[c].qualification);
        assert_int_equal(exit.reason_flags, cause == VX_BOUNDARY_BUS_LOCK ? B(26) : 0);
    }
    setting nothing = {.context = {IF_SET}};
    vx_exit exit;
    vx_boundary found = ask(&nothing, &exit);
    assert_int_equal(found.cause, VX_BOUNDARY_NOTHING);
    assert_int_equal(found.action, VX_BOUNDARY_CONTINUES);
    assert_string_equal(vx_boundary_name(found.cause), "none");
}

/* Every activity state, every interruptibility bit, IF on and off. */
static void what_blocks_each_cause(void **state)
{
    (void)state;
    for (unsigned c = 0; c < VX_BOUNDARY_CAUSES; c++)
        for (unsigned activity = 0; activity < 4; activity++)
            for (unsigned bit = 0; bit < 5; bit++)
                for (unsigned on = 0; on < 2; on++) {
                    setting s = {.context = {.cr0 = 1, .interrupts_on = on, .activity = (vx_activity)activity}};
                    if (bit < 4) s.context.interruptibility = B(bit);
                    arm(&s, (vx_boundary_cause)c);
                    bool happens = (alone[c].states >> activity & 1) &&
                                   (bit == 4 || (alone[c].interruptibility >> bit & 1)) && (on || alone[c].masked);
                    vx_exit exit;
                    if ((ask(&s, &exit).cause == c) != happens)
                        fail_msg("%s: activity %u, blocking %u, IF %u", vx_boundary_name((vx_boundary_cause)c),
                                 activity, bit, on);
                }
}

/* ---- pairs ---- */

static void every_pair_in_the_manuals_order(void **state)
{
    (void)state;
    unsigned pairs = 0;
    for (unsigned a = 0; a < VX_BOUNDARY_CAUSES; a++)
        for (unsigned b = 0; b < VX_BOUNDARY_CAUSES; b++) {
            vx_boundary_cause over = (vx_boundary_cause)a, under = (vx_boundary_cause)b;
            /* A SIPI is looked at in a state that blocks the others; virtual interrupts exclude the interrupt window
             * and the TPR threshold. */
            if (a == b || !follows(over, under)) continue;
            if (over == VX_BOUNDARY_TPR_THRESHOLD && under == VX_BOUNDARY_VIRTUAL_INTERRUPT) continue;
            setting s = {.context = {.cr0 = 1, IF_SET}};
            arm(&s, over);
            arm(&s, under);
            if (over == VX_BOUNDARY_INTERRUPT_WINDOW || under == VX_BOUNDARY_INTERRUPT_WINDOW) s.vmcs.cpu2 &= ~B(9);
            vx_exit exit;
            if (ask(&s, &exit).cause != over)
                fail_msg("%s must come before %s", vx_boundary_name(over), vx_boundary_name(under));
            pairs++;
        }
    assert_int_equal(pairs, 14 * 13 / 2 - 13 - 2);
    print_message("%u pairs\n", pairs);
}

/* Everything at once, taken one by one. */
static void they_come_one_by_one(void **state)
{
    (void)state;
    setting s = {.context = {.cr0 = 1, IF_SET}};
    for (unsigned c = 0; c < VX_BOUNDARY_CAUSES; c++)
        if (c != VX_BOUNDARY_SIPI && c != VX_BOUNDARY_VIRTUAL_INTERRUPT) arm(&s, (vx_boundary_cause)c);
    vx_exit exit;
    for (unsigned c = 0; c < VX_BOUNDARY_CAUSES; c++) {
        if (c == VX_BOUNDARY_SIPI || c == VX_BOUNDARY_VIRTUAL_INTERRUPT) continue;
        assert_int_equal(ask(&s, &exit).cause, c);
        switch (c) {
        case VX_BOUNDARY_APIC_WRITE:
            assert_int_equal(exit.reason_flags, B(26)); /* a bus lock before it shows in its reason */
            s.pending.apic_exit = 0;
            break;
        case VX_BOUNDARY_TPR_THRESHOLD:
            s.pending.after_entry = false;
            break;
        case VX_BOUNDARY_BUS_LOCK:
            s.pending.bus_lock = false;
            break;
        case VX_BOUNDARY_SMI:
            s.pending.smi = false;
            break;
        case VX_BOUNDARY_INIT:
            s.pending.init = false;
            break;
        case VX_BOUNDARY_MONITOR_TRAP:
            s.pending.monitor_trap = false;
            break;
        case VX_BOUNDARY_DEBUG_TRAP:
            s.pending.debug_exceptions = 0;
            break;
        case VX_BOUNDARY_PREEMPTION_TIMER:
            s.pending.preemption_timer = false;
            break;
        case VX_BOUNDARY_NMI_WINDOW:
            s.vmcs.cpu &= ~B(22);
            break;
        case VX_BOUNDARY_NMI:
            s.pending.nmi = false;
            break;
        case VX_BOUNDARY_INTERRUPT_WINDOW:
            s.vmcs.cpu &= ~B(2);
            break;
        default:
            s.pending.external_interrupt = false;
            break;
        }
    }
    assert_int_equal(ask(&s, &exit).action, VX_BOUNDARY_CONTINUES);
}

/* ---- controls ---- */

/* Without its exiting control an event is delivered, and a window is no event. */
static void without_their_controls(void **state)
{
    (void)state;
    setting s = {.context = {.cr0 = 1, IF_SET},
                 .pending = {.nmi = true,
                             .external_interrupt = true,
                             .external_vector = 0x41,
                             .debug_exceptions = 0x4000,
                             .smi = true,
                             .preemption_timer = true,
                             .bus_lock = true,
                             .after_entry = true}};
    vx_exit exit;
    assert_int_equal(ask(&s, &exit).action, VX_BOUNDARY_ENTERS_SMM);
    s.pending.smi = false;
    assert_int_equal(ask(&s, &exit).action, VX_BOUNDARY_DELIVERS);
    assert_int_equal(exit.interruption, 0x80000301);
    s.pending.debug_exceptions = 0x2001; /* neither bit 12 nor 14: not valid */
    assert_int_equal(ask(&s, &exit).action, VX_BOUNDARY_DELIVERS);
    assert_int_equal(exit.interruption, 0x80000202);
    s.pending.nmi = false;
    assert_int_equal(ask(&s, &exit).action, VX_BOUNDARY_DELIVERS);
    assert_int_equal(exit.interruption, 0x80000041);
    s.context.interrupts_on = false;
    assert_int_equal(ask(&s, &exit).action, VX_BOUNDARY_CONTINUES);
}

/* 24.6.1: with virtual NMIs bit 3 is about the guest's readiness and blocks no NMI. */
static void virtual_nmis(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 8; bits++) {
        bool virtual_nmi = bits & 1, blocking = bits & 2, window = bits & 4;
        setting s = {.context = {.cr0 = 1, .interruptibility = blocking ? B(3) : 0},
                     .vmcs = {.pin = B(3) | (virtual_nmi ? B(5) : 0), .cpu = window ? B(22) : 0},
                     .pending = {.nmi = true}};
        vx_exit exit;
        vx_boundary found = ask(&s, &exit);
        bool window_opens = window && !blocking, nmi = virtual_nmi || !blocking;
        assert_int_equal(found.cause, window_opens ? VX_BOUNDARY_NMI_WINDOW
                                      : nmi        ? VX_BOUNDARY_NMI
                                                   : VX_BOUNDARY_NOTHING);
    }
}

static void the_tpr_threshold_after_entry(void **state)
{
    (void)state;
    for (unsigned vtpr = 0; vtpr < 256; vtpr++)
        for (unsigned threshold = 0; threshold < 16; threshold++)
            for (unsigned bits = 0; bits < 16; bits++) {
                setting s = {.context = {.cr0 = 1, .vtpr = (uint8_t)vtpr}, .pending = {.after_entry = bits & 8}};
                s.vmcs = (vx_vmcs){.tpr_threshold = threshold,
                                   .cpu = SECONDARY | (bits & 1 ? B(21) : 0),
                                   .cpu2 = (bits & 2 ? B(0) : 0) | (bits & 4 ? B(9) : 0)};
                vx_exit exit;
                bool exits = ask(&s, &exit).cause == VX_BOUNDARY_TPR_THRESHOLD;
                assert_int_equal(exits, (bits & 11) == 11 && !(bits & 4) && threshold > vtpr >> 4);
            }
}

static void the_notification_vector_is_processed(void **state)
{
    (void)state;
    setting s = {.context = {.cr0 = 1, IF_SET},
                 .vmcs = {.pin = B(0) | B(7), .posted_interrupt_notification_vector = 0xF2},
                 .pending = {.external_interrupt = true, .external_vector = 0xF2}};
    vx_exit exit;
    assert_int_equal(ask(&s, &exit).action, VX_BOUNDARY_POSTS);
    s.pending.external_vector = 0xF1;
    assert_int_equal(ask(&s, &exit).action, VX_BOUNDARY_EXITS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cause_alone),
        cmocka_unit_test(what_blocks_each_cause),
        cmocka_unit_test(every_pair_in_the_manuals_order),
        cmocka_unit_test(they_come_one_by_one),
        cmocka_unit_test(without_their_controls),
        cmocka_unit_test(virtual_nmis),
        cmocka_unit_test(the_tpr_threshold_after_entry),
        cmocka_unit_test(the_notification_vector_is_processed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
