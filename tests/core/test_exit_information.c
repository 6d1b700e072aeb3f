/* What an exit saves besides its reason and the common qualification (SDM Vol. 3C 27.2): instruction length and
 * information, displacement, interruption and IDT-vectoring information, NMI unblocking. Values are written as the
 * manual's tables lay them out. */
#include "exit_rows.h"
#include "test_support.h"
#include "vx_guest_event.h"

#define FULL .cr0 = 0x80000031, .cr4 = 0x000C4000, .long_mode = true /* SMXE, OSXSAVE, KL; 64-bit mode */

static const vx_exit_context full = {FULL};

/* ---- instruction information, displacement, linear address ---- */

static const vx_instruction_operands in_memory = {.memory = true,
                                                  .address_size = 2,
                                                  .operand_size = 1,
                                                  .scale = 3,
                                                  .segment = 5,
                                                  .index = 9,
                                                  .base = 14,
                                                  .reg2 = 6,
                                                  .displacement = -0x40};
static const vx_instruction_operands bare = {.memory = true,
                                             .address_size = 1,
                                             .segment = 3,
                                             .index = VX_NO_REGISTER,
                                             .base = VX_NO_REGISTER,
                                             .displacement = 0x1234};
static const vx_instruction_operands in_register = {.reg1 = 11, .reg2 = 8, .operand_size = 2};

static const struct {
    vx_guest_event event;
    uint32_t cpu, cpu2;
    const vx_instruction_operands *operands;
    uint32_t information;
    uint64_t qualification;
} information_rows[] = {
    {{.kind = VX_EVENT_INVEPT}, 0, 0, &in_memory, 0x67268103, (uint64_t)-0x40},
    {{.kind = VX_EVENT_INVVPID}, 0, 0, &bare, 0x08418080, 0x1234},
    {{.kind = VX_EVENT_INVPCID}, SECONDARY | B(9), B(12), &in_memory, 0x67268103, (uint64_t)-0x40},
    {{.kind = VX_EVENT_DESC_TABLE, .which = VX_DESC_SGDT}, SECONDARY, B(2), &in_memory, 0x07268903, (uint64_t)-0x40},
    {{.kind = VX_EVENT_DESC_TABLE, .which = VX_DESC_SIDT}, SECONDARY, B(2), &in_memory, 0x17268903, (uint64_t)-0x40},
    {{.kind = VX_EVENT_DESC_TABLE, .which = VX_DESC_LGDT}, SECONDARY, B(2), &in_memory, 0x27268903, (uint64_t)-0x40},
    {{.kind = VX_EVENT_DESC_TABLE, .which = VX_DESC_LIDT}, SECONDARY, B(2), &bare, 0x38418080, 0x1234},
    {{.kind = VX_EVENT_DESC_TABLE, .which = VX_DESC_SLDT}, SECONDARY, B(2), &in_memory, 0x07268103, (uint64_t)-0x40},
    {{.kind = VX_EVENT_DESC_TABLE, .which = VX_DESC_STR}, SECONDARY, B(2), &in_register, 0x10000458, 0},
    {{.kind = VX_EVENT_DESC_TABLE, .which = VX_DESC_LLDT}, SECONDARY, B(2), &in_register, 0x20000458, 0},
    {{.kind = VX_EVENT_DESC_TABLE, .which = VX_DESC_LTR}, SECONDARY, B(2), &in_register, 0x30000458, 0},
    {{.kind = VX_EVENT_RDRAND}, SECONDARY, B(11), &in_register, 0x00001058, 0},
    {{.kind = VX_EVENT_RDSEED}, SECONDARY, B(16), &in_register, 0x00001058, 0},
    {{.kind = VX_EVENT_TPAUSE}, SECONDARY | B(12), B(26), &in_register, 0x00000058, 0},
    {{.kind = VX_EVENT_UMWAIT}, SECONDARY | B(12), B(26), &in_register, 0x00000058, 0},
    {{.kind = VX_EVENT_VMCLEAR}, 0, 0, &in_memory, 0x07268103, (uint64_t)-0x40},
    {{.kind = VX_EVENT_VMPTRLD}, 0, 0, &bare, 0x08418080, 0x1234},
    {{.kind = VX_EVENT_VMPTRST}, 0, 0, &bare, 0x08418080, 0x1234},
    {{.kind = VX_EVENT_VMXON}, 0, 0, &bare, 0x08418080, 0x1234},
    {{.kind = VX_EVENT_VMREAD}, 0, 0, &in_register, 0x80000458, 0},
    {{.kind = VX_EVENT_VMWRITE}, 0, 0, &in_memory, 0x67268103, (uint64_t)-0x40},
    {{.kind = VX_EVENT_OUT, .bytes = 2, .string = true}, B(24), 0, &in_memory, 0x00028100, 0x11},
    {{.kind = VX_EVENT_IN, .bytes = 2, .string = true}, B(24), 0, &in_memory, 0x00000100, 0x19},
    {{.kind = VX_EVENT_IN, .bytes = 2}, B(24), 0, &in_register, 0, 0x9},
    /* The register of MOV CR and MOV DR is in the qualification. */
    {{.kind = VX_EVENT_CR_WRITE, .which = 3}, B(15), 0, &in_register, 0, 0xB03},
    {{.kind = VX_EVENT_CR_READ, .which = 8}, B(20), 0, &in_register, 0, 0xB18},
    {{.kind = VX_EVENT_DR_READ, .which = 3}, B(23), 0, &in_register, 0, 0xB13},
    {{.kind = VX_EVENT_HLT}, B(7), 0, &in_register, 0, 0},
};

static void instruction_information(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof information_rows / sizeof *information_rows; i++) {
        vx_vmcs vmcs = {.cpu = information_rows[i].cpu, .cpu2 = information_rows[i].cpu2};
        vx_guest_event event = information_rows[i].event;
        event.operands = information_rows[i].operands;
        event.length = 7;
        vx_exit exit;
        assert_int_equal(vx_vmcs_decide(&vmcs, &full, &event, &exit), VX_OUTCOME_EXIT);
        if (exit.instruction_information != information_rows[i].information ||
            exit.qualification != information_rows[i].qualification)
            fail_msg("row %zu (%s): information %#x, qualification %#llx", i, vx_guest_event_name(event.kind),
                     exit.instruction_information, (unsigned long long)exit.qualification);
        assert_int_equal(exit.instruction_length, 7);
    }
    vx_vmcs keys = {.cpu = B(17), .cpu3 = 1};
    vx_guest_event loadiwkey = {.kind = VX_EVENT_LOADIWKEY, .operands = &in_register};
    vx_exit exit;
    assert_int_equal(vx_vmcs_decide(&keys, &full, &loadiwkey, &exit), VX_OUTCOME_EXIT);
    assert_int_equal(exit.instruction_information, 0x80000058);
}

static void lmsw_from_memory(void **state)
{
    (void)state;
    vx_vmcs vmcs = {.cr0_mask = 8};
    vx_guest_event event = {
        .kind = VX_EVENT_LMSW, .value = 0xABCD0008, .linear = {0x1122334455667788}, .operands = &bare, .length = 4};
    vx_exit exit;
    assert_int_equal(vx_vmcs_decide(&vmcs, &full, &event, &exit), VX_OUTCOME_EXIT);
    assert_int_equal(exit.qualification, 0x00080070);
    assert_int_equal(exit.linear.v, 0x1122334455667788);
    const vx_exit_context narrow = {FULL, .narrow = true};
    assert_int_equal(vx_vmcs_decide(&vmcs, &narrow, &event, &exit), VX_OUTCOME_EXIT);
    assert_int_equal(exit.linear.v, 0x55667788); /* 63:32 are cleared outside 64-bit mode */
}

/* Trap-like exits come after the instruction: no length (27.2.5, footnote). */
static void trap_like_exits_have_no_length(void **state)
{
    (void)state;
    vx_vmcs vmcs = {.cpu = B(21), .tpr_threshold = 5};
    vx_guest_event event = {.kind = VX_EVENT_CR_WRITE, .which = 8, .value = 4, .length = 4, .operands = &in_register};
    vx_exit exit;
    assert_int_equal(vx_vmcs_decide(&vmcs, &full, &event, &exit), VX_OUTCOME_EXIT);
    assert_int_equal(exit.reason, 43);
    assert_int_equal(exit.qualification, 0);
    assert_int_equal(exit.instruction_length, 0);
}

/* ---- events ---- */

static void signals_depend_on_the_activity_state(void **state)
{
    (void)state;
    static const struct {
        vx_guest_event_kind kind;
        unsigned exits; /* bit n: in activity state n */
    } signals[] = {{VX_EVENT_INIT, 0x7},
                   {VX_EVENT_SIPI, 0x8},
                   {VX_EVENT_SMI, 0x7},
                   {VX_EVENT_NMI, 0x7},
                   {VX_EVENT_INTERRUPT, 0x3}};
    vx_vmcs vmcs = {.pin = B(0) | B(3)};
    for (unsigned i = 0; i < 5; i++)
        for (unsigned activity = 0; activity < 4; activity++) {
            vx_exit_context context = {FULL, .activity = (vx_activity)activity};
            vx_guest_event event = {.kind = signals[i].kind, .which = 0x55};
            vx_exit exit;
            bool exits = vx_vmcs_decide(&vmcs, &context, &event, &exit) == VX_OUTCOME_EXIT;
            assert_int_equal(exits, signals[i].exits >> activity & 1);
            if (exits && signals[i].kind == VX_EVENT_SIPI) assert_int_equal(exit.qualification, 0x55);
        }
    vx_exit_context blocked = {FULL, .interruptibility = B(2)};
    vx_guest_event smi = {.kind = VX_EVENT_SMI};
    vx_exit exit;
    assert_int_equal(vx_vmcs_decide(&vmcs, &blocked, &smi, &exit), VX_OUTCOME_NORMAL);
}

static void the_notification_vector_does_not_exit(void **state)
{
    (void)state;
    for (unsigned vector = 0; vector < 256; vector++)
        for (unsigned posted = 0; posted < 2; posted++) {
            vx_vmcs vmcs = {.pin = B(0) | (posted ? B(7) : 0), .posted_interrupt_notification_vector = 0xF2};
            vx_guest_event event = {.kind = VX_EVENT_INTERRUPT, .which = (uint8_t)vector};
            vx_exit exit;
            bool exits = vx_vmcs_decide(&vmcs, &full, &event, &exit) == VX_OUTCOME_EXIT;
            assert_int_equal(exits, !posted || vector != 0xF2);
        }
}

/* 27.2.2: types by vector and origin, error codes, the qualifications of #DB and #PF, and the length of INT1, INT3 and
 * INTO. */
static void exceptions_by_type(void **state)
{
    (void)state;
    static const uint32_t with_code =
        1U << 8 | 1U << 10 | 1U << 11 | 1U << 12 | 1U << 13 | 1U << 14 | 1U << 17 | 1U << 21;
    vx_vmcs vmcs = {.exception_bitmap = UINT32_MAX, .pin = B(3)};
    for (unsigned vector = 0; vector < 32; vector++)
        for (unsigned type = 0; type < 7; type++) {
            if (type != 0 && type != 3 && type != 5 && type != 6) continue;
            vx_guest_event event = {.kind = VX_EVENT_EXCEPTION,
                                    .which = (uint8_t)vector,
                                    .type = (uint8_t)type,
                                    .error_code = 0x77,
                                    .value = 0x4001,
                                    .linear = {0x7000},
                                    .length = 1};
            vx_exit exit;
            assert_int_equal(vx_vmcs_decide(&vmcs, &full, &event, &exit), VX_OUTCOME_EXIT);
            if (vector == 2) {
                assert_int_equal(exit.interruption, 0x80000202);
                continue;
            }
            unsigned expected = type ? type : vector == 3 || vector == 4 ? 6 : 3;
            bool code = expected == 3 && (with_code >> vector & 1);
            assert_int_equal(exit.interruption, 1U << 31 | (code ? B(11) : 0) | expected << 8 | vector);
            assert_int_equal(exit.error_code, code ? 0x77 : 0);
            assert_int_equal(exit.qualification, vector == 1 ? 0x4001 : vector == 14 ? 0x7000 : 0);
            assert_int_equal(exit.instruction_length, expected >= 5 ? 1 : 0);
        }
}

/* ---- exits while an event is delivered, NMI unblocking ---- */

static void idt_vectoring_information(void **state)
{
    (void)state;
    static const struct {
        vx_guest_event event;
        bool reported;
    } during[] = {{{.kind = VX_EVENT_EXCEPTION, .which = 13}, true},
                  {{.kind = VX_EVENT_EXCEPTION, .which = 8}, false}, /* takes the event's place */
                  {{.kind = VX_EVENT_TASK_SWITCH, .which = 3}, true},
                  {{.kind = VX_EVENT_APIC_READ, .bytes = 4, .selector = 0x20}, true},
                  {{.kind = VX_EVENT_APIC_WRITE, .bytes = 4, .selector = 0x20}, true},
                  {{.kind = VX_EVENT_TRIPLE_FAULT}, false},
                  {{.kind = VX_EVENT_NMI}, false}};
    vx_vmcs vmcs = {.exception_bitmap = UINT32_MAX, .pin = B(3), .cpu = SECONDARY, .cpu2 = B(0)};
    for (unsigned i = 0; i < sizeof during / sizeof *during; i++)
        for (unsigned type = 0; type < 7; type++) {
            uint32_t delivering = 1U << 31 | B(11) | type << 8 | 0x0E;
            vx_exit_context context = {FULL, .delivering = delivering, .delivering_error = 0x1F,
                                       .delivering_length = 2};
            vx_exit exit;
            assert_int_equal(vx_vmcs_decide(&vmcs, &context, &during[i].event, &exit), VX_OUTCOME_EXIT);
            assert_int_equal(exit.idt_vectoring, during[i].reported ? delivering : 0);
            assert_int_equal(exit.idt_vectoring_error, during[i].reported ? 0x1F : 0);
            assert_int_equal(exit.instruction_length, during[i].reported && type >= 4 ? 2 : 0);
            /* Table 27-6: linear access during event delivery. */
            if (exit.reason == 44) assert_int_equal(exit.qualification, 0x3020);
        }
}

static void nmi_unblocking_due_to_iret(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 16; bits++) {
        bool exiting = bits & 1, virtual_nmis = bits & 2, iret = bits & 4, delivering = bits & 8;
        vx_vmcs vmcs = {.pin = (exiting ? B(3) : 0) | (virtual_nmis ? B(5) : 0),
                        .exception_bitmap = UINT32_MAX,
                        .cpu = SECONDARY,
                        .cpu2 = 1U << 31};
        vx_exit_context context = {FULL, .iret_unblocks = iret, .delivering = delivering ? 0x80000030 : 0};
        bool expected = iret && (!exiting || virtual_nmis) && !delivering;
        vx_guest_event fault = {.kind = VX_EVENT_EXCEPTION, .which = 13};
        vx_exit exit;
        vx_vmcs_decide(&vmcs, &context, &fault, &exit);
        assert_int_equal(exit.interruption >> 12 & 1, expected);
        fault.which = 8; /* undefined for a double fault: 0 here */
        vx_vmcs_decide(&vmcs, &context, &fault, &exit);
        assert_int_equal(exit.interruption >> 12 & 1, 0);
        vx_guest_event timeout = {.kind = VX_EVENT_INSTRUCTION_TIMEOUT};
        vx_vmcs_decide(&vmcs, &context, &timeout, &exit);
        assert_int_equal(exit.qualification, expected ? 0x1000 : 0);
    }
}

/* Table 24-17, bit 26: any exit after a bus lock, while the control is 1. */
static void exits_after_a_bus_lock_say_so(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 4; bits++) {
        vx_vmcs vmcs = {.cpu = SECONDARY, .cpu2 = bits & 1 ? B(30) : 0};
        vx_exit_context context = {FULL, .bus_locked = bits & 2};
        vx_guest_event event = {.kind = VX_EVENT_CPUID};
        vx_exit exit;
        vx_vmcs_decide(&vmcs, &context, &event, &exit);
        assert_int_equal(exit.reason_flags, bits == 3 ? B(26) : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instruction_information),
        cmocka_unit_test(lmsw_from_memory),
        cmocka_unit_test(trap_like_exits_have_no_length),
        cmocka_unit_test(signals_depend_on_the_activity_state),
        cmocka_unit_test(the_notification_vector_does_not_exit),
        cmocka_unit_test(exceptions_by_type),
        cmocka_unit_test(idt_vectoring_information),
        cmocka_unit_test(nmi_unblocking_due_to_iret),
        cmocka_unit_test(exits_after_a_bus_lock_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
