/* The exit API in full: for each event the setting that exits and one that does not, the faults that come before (SDM
 * Vol. 3C 25.1.1 and the instructions' pages), and all that an exit saves (27.2, Tables 27-3 to 27-16). Bits are
 * written as numbers from the manual's tables. */
#include <string.h>

#include "exit_rows.h"
#include "test_support.h"
#include "vx_guest_event.h"

#define FULL .cr0 = 0x80000031, .cr4 = 0x000C4000, .long_mode = true /* SMXE, OSXSAVE, KL; 64-bit mode */

typedef struct event_row {
    vx_guest_event event;
    uint32_t pin, cpu, cpu2; /* the setting that exits */
    uint64_t cpu3;
    uint32_t reason;
    uint64_t qualification;
    uint32_t off_pin, off_cpu, off_cpu2; /* control bits of which each alone, turned off, makes it not exit */
    uint64_t off_cpu3;
} event_row;

#define BARE(kind_) .event = {.kind = VX_EVENT_##kind_, .length = 3}
#define E(kind_, ...) .event = {.kind = VX_EVENT_##kind_, .length = 3, __VA_ARGS__}
#define BY_CPU(bits) .cpu = (bits), .off_cpu = (bits)
#define BY_CPU2(bits) .cpu = SECONDARY, .off_cpu = SECONDARY, .cpu2 = (bits), .off_cpu2 = (bits)
#define BY_BOTH(one, two) .cpu = SECONDARY | (one), .off_cpu = SECONDARY | (one), .cpu2 = (two), .off_cpu2 = (two)

static const event_row rows[] = {
    {E(CPUID, .selector = 7), .reason = 10},
    {BARE(GETSEC), .reason = 11},
    {BARE(INVD), .reason = 13},
    {BARE(XSETBV), .reason = 55},
    {BARE(VMCALL), .reason = 18},
    {BARE(VMCLEAR), .reason = 19},
    {BARE(VMLAUNCH), .reason = 20},
    {BARE(VMPTRLD), .reason = 21},
    {BARE(VMPTRST), .reason = 22},
    {E(VMREAD, .selector = 0x6800), .reason = 23},
    {BARE(VMRESUME), .reason = 24},
    {E(VMWRITE, .selector = 0x6800), .reason = 25},
    {BARE(VMXOFF), .reason = 26},
    {BARE(VMXON), .reason = 27},
    {BARE(INVEPT), .reason = 50},
    {BARE(INVVPID), .reason = 53},
    {BARE(SEAMCALL), .reason = 76},
    {BARE(TDCALL), .reason = 77},
    {BARE(HLT), BY_CPU(B(7)), .reason = 12},
    {E(INVLPG, .linear = {0xFFFF800000001000}), BY_CPU(B(9)), .reason = 14, .qualification = 0xFFFF800000001000},
    {BARE(INVPCID), BY_BOTH(B(9), B(12)), .reason = 58},
    {BARE(MWAIT), BY_CPU(B(10)), .reason = 36},
    {BARE(RDPMC), BY_CPU(B(11)), .reason = 15},
    {BARE(RDTSC), BY_CPU(B(12)), .reason = 16},
    {BARE(RDTSCP), BY_BOTH(B(12), B(3)), .reason = 51},
    {BARE(UMWAIT), BY_BOTH(B(12), B(26)), .reason = 67},
    {BARE(TPAUSE), BY_BOTH(B(12), B(26)), .reason = 68},
    {E(CR_WRITE, .which = 3, .value = 0x5000), BY_CPU(B(15)), .reason = 28, .qualification = 0x3},
    {E(CR_READ, .which = 3), BY_CPU(B(16)), .reason = 28, .qualification = 0x13},
    {E(CR_WRITE, .which = 8), BY_CPU(B(19)), .reason = 28, .qualification = 0x8},
    {E(CR_READ, .which = 8), BY_CPU(B(20)), .reason = 28, .qualification = 0x18},
    {E(DR_WRITE, .which = 7), BY_CPU(B(23)), .reason = 29, .qualification = 0x7},
    {E(DR_READ, .which = 6), BY_CPU(B(23)), .reason = 29, .qualification = 0x16},
    {E(IN, .selector = 0x71, .bytes = 1, .immediate = true), BY_CPU(B(24)), .reason = 30, .qualification = 0x00710048},
    {E(OUT, .selector = 0x3F8, .bytes = 4, .string = true, .repeat = true), BY_CPU(B(24)), .reason = 30,
     .qualification = 0x03F80033},
    {BARE(MONITOR), BY_CPU(B(29)), .reason = 39},
    {BARE(PAUSE), BY_CPU(B(30)), .reason = 40},
    {E(PAUSE, .pause_loop = true), BY_CPU2(B(10)), .reason = 40},
    {E(DESC_TABLE, .which = VX_DESC_SIDT), BY_CPU2(B(2)), .reason = 46},
    {E(DESC_TABLE, .which = VX_DESC_LTR), BY_CPU2(B(2)), .reason = 47},
    {BARE(WBINVD), BY_CPU2(B(6)), .reason = 54},
    {BARE(WBNOINVD), BY_CPU2(B(6)), .reason = 54, .qualification = 1},
    {BARE(RDRAND), BY_CPU2(B(11)), .reason = 57},
    {BARE(RDSEED), BY_CPU2(B(16)), .reason = 61},
    {E(VMFUNC, .selector = 5), BY_CPU2(B(13)), .reason = 59},
    {E(ENCLS, .selector = 2), BY_CPU2(B(15)), .reason = 60},
    {E(ENCLV, .selector = 2), BY_CPU2(B(28)), .reason = 70},
    {E(PCONFIG, .selector = 2), BY_CPU2(B(27)), .reason = 65},
    {E(XSAVES, .value = 0x100), BY_CPU2(B(20)), .reason = 63},
    {E(XRSTORS, .value = 0x100), BY_CPU2(B(20)), .reason = 64},
    {E(ENQCMD, .value = 0x80012345), BY_CPU2(B(21)), .reason = 72, .qualification = 0x12345},
    {E(ENQCMDS, .value = 0x80012345), BY_CPU2(B(21)), .reason = 73, .qualification = 0x80012345},
    {BARE(LOADIWKEY), .cpu = B(17), .off_cpu = B(17), .cpu3 = 1, .off_cpu3 = 1, .reason = 69},
    {BARE(NMI), .pin = B(3), .off_pin = B(3), .reason = 0},
    {E(INTERRUPT, .which = 0x41), .pin = B(0), .off_pin = B(0), .reason = 1},
    {BARE(TRIPLE_FAULT), .reason = 2},
    {BARE(INIT), .reason = 3},
    {E(SMI, .immediate = true, .which = 1, .selector = 0x60, .bytes = 1), .reason = 5, .qualification = 0x00600008},
    {BARE(SMI), .reason = 6},
    {E(TASK_SWITCH, .selector = 0x30, .which = 2), .reason = 9, .qualification = 0x80000030},
    {BARE(BUS_LOCK), BY_CPU2(B(30)), .reason = 74},
    {E(INSTRUCTION_TIMEOUT, .value = 1), BY_CPU2(1U << 31), .reason = 75, .qualification = 1},
    {E(APIC_READ, .selector = 0x20, .bytes = 4), BY_CPU2(B(0)), .reason = 44, .qualification = 0x0020},
    {E(APIC_WRITE, .selector = 0x300, .bytes = 4), BY_CPU2(B(0)), .reason = 44, .qualification = 0x1300},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static vx_vmcs vmcs_of(const event_row *row)
{
    return (vx_vmcs){.pin = row->pin,
                     .cpu = row->cpu | B(28), /* MSR bitmaps, all zero */
                     .cpu2 = row->cpu2,
                     .cpu3 = row->cpu3,
                     .encls_exiting_bitmap = 4,
                     .enclv_exiting_bitmap = 4,
                     .pconfig_exiting_bitmap = 4,
                     .xss_exiting_bitmap = 0x100,
                     .posted_interrupt_notification_vector = 0xF2};
}

static const vx_exit_context full = {FULL, .xss = 0x900};

static vx_outcome ask(const event_row *row, const vx_vmcs *vmcs, vx_exit *exit)
{
    memset(exit, 0, sizeof *exit);
    return vx_vmcs_decide(vmcs, &full, &row->event, exit);
}

static void every_event_exits_as_its_row_says(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        const event_row *row = &rows[i];
        vx_vmcs vmcs = vmcs_of(row);
        vx_exit exit;
        vx_outcome outcome = ask(row, &vmcs, &exit);
        if (outcome != VX_OUTCOME_EXIT || exit.reason != row->reason || exit.qualification != row->qualification)
            fail_msg("%s: outcome %d, reason %u, qualification %#llx", vx_guest_event_name(row->event.kind), outcome,
                     exit.reason, (unsigned long long)exit.qualification);
        /* 27.2.5: the length goes with instructions that exit instead of executing. */
        bool instruction = row->event.kind < VX_EVENT_APIC_READ || row->event.kind == VX_EVENT_TASK_SWITCH;
        assert_int_equal(exit.instruction_length, instruction ? 3 : 0);
        assert_int_equal(exit.reason_flags, row->reason == 74 ? B(26) : 0);
    }
}

/* Each control that the exit depends on, turned off alone. An instruction whose control enables it is then #UD. */
static void without_any_of_its_controls_it_does_not(void **state)
{
    (void)state;
    unsigned settings = 0;
    for (int i = 0; i < ROWS; i++)
        for (unsigned bit = 0; bit < 128; bit++) {
            const event_row *row = &rows[i];
            vx_vmcs vmcs = vmcs_of(row);
            uint32_t *const words[] = {&vmcs.pin, &vmcs.cpu, &vmcs.cpu2};
            const uint32_t offs[] = {row->off_pin, row->off_cpu, row->off_cpu2};
            if (bit < 96 && !(offs[bit / 32] & B(bit % 32))) continue;
            if (bit >= 96 && !(row->off_cpu3 >> (bit - 96) & 1)) continue;
            if (bit < 96)
                *words[bit / 32] &= ~B(bit % 32);
            else
                vmcs.cpu3 &= ~(1ULL << (bit - 96));
            vx_exit exit;
            assert_int_not_equal(ask(row, &vmcs, &exit), VX_OUTCOME_EXIT);
            settings++;
        }
    print_message("%d events, %u settings off\n", ROWS, settings);
}

static void every_event_and_reason_is_covered(void **state)
{
    (void)state;
    /* Judged with mask, shadow, bitmap or vector instead of a control (test_vmcs_registers.c, test_vmcs_bitmaps.c, and
     * below), or never. */
    static const vx_guest_event_kind elsewhere[] = {
        VX_EVENT_NONE, VX_EVENT_CLTS,  VX_EVENT_LMSW,     VX_EVENT_RDMSR, VX_EVENT_WRMSR,
        VX_EVENT_RSM,  VX_EVENT_RDPID, VX_EVENT_UMONITOR, VX_EVENT_SIPI,  VX_EVENT_EXCEPTION};
    unsigned covered = 0;
    for (unsigned kind = 0; kind < VX_EVENTS; kind++) {
        bool found = false;
        for (unsigned i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) found |= elsewhere[i] == kind;
        for (int i = 0; i < ROWS; i++) {
            if (rows[i].event.kind != kind) continue;
            found = true;
            bool second = rows[i].reason == 47 || rows[i].reason == 5; /* LLDT and its like; an SMI after I/O */
            if (!second) assert_int_equal(vx_guest_event_reason((vx_guest_event_kind)kind), rows[i].reason);
        }
        if (!found) fail_msg("no row for %s", vx_guest_event_name((vx_guest_event_kind)kind));
    }
    for (unsigned reason = 0; reason < 78; reason++) {
        bool found = false;
        for (int i = 0; i < ROWS; i++) found |= rows[i].reason == reason;
        covered += found;
    }
    print_message("%u basic exit reasons from %d events\n", covered, VX_EVENTS - 1);
    assert_int_equal(vx_guest_event_reason(VX_EVENT_RDPID), -1);
    assert_int_equal(vx_guest_event_reason(VX_EVENT_UMONITOR), -1);
}

/* ---- leaves with a bitmap ---- */

static void leaves_of_63_and_more_share_the_last_bit(void **state)
{
    (void)state;
    static const struct {
        vx_guest_event_kind kind;
        unsigned control;
    } kinds[] = {{VX_EVENT_ENCLS, 15}, {VX_EVENT_ENCLV, 28}, {VX_EVENT_PCONFIG, 27}};
    for (unsigned k = 0; k < 3; k++)
        for (unsigned bit = 0; bit < 64; bit++)
            for (uint64_t leaf = 0; leaf < 70; leaf++) {
                vx_vmcs vmcs = {.cpu = SECONDARY, .cpu2 = B(kinds[k].control)};
                uint64_t *const bitmaps[] = {&vmcs.encls_exiting_bitmap, &vmcs.enclv_exiting_bitmap,
                                             &vmcs.pconfig_exiting_bitmap};
                *bitmaps[k] = 1ULL << bit;
                vx_guest_event event = {.kind = kinds[k].kind, .selector = leaf};
                vx_exit exit;
                bool exits = vx_vmcs_decide(&vmcs, &full, &event, &exit) == VX_OUTCOME_EXIT;
                assert_int_equal(exits, leaf < 63 ? leaf == bit : bit == 63);
            }
}

static void xsaves_needs_all_three_words(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 8; bits++) {
        vx_vmcs vmcs = {.cpu = SECONDARY, .cpu2 = B(20), .xss_exiting_bitmap = bits & 1 ? 1ULL << 40 : 0xFF};
        vx_exit_context context = {FULL, .xss = bits & 2 ? 1ULL << 40 : 0xFF00};
        vx_guest_event event = {.kind = VX_EVENT_XSAVES, .value = bits & 4 ? 1ULL << 40 : 0xFF0000};
        vx_exit exit;
        assert_int_equal(vx_vmcs_decide(&vmcs, &context, &event, &exit) == VX_OUTCOME_EXIT, bits == 7);
    }
}

/* ---- faults that come before exits ---- */

typedef struct fault_row {
    vx_guest_event event;
    vx_exit_context context;
    uint32_t cpu, cpu2;
    int vector; /* -1: it exits, or executes where it cannot exit */
} fault_row;

#define USER FULL, .cpl = 3
#define REAL .cr0 = 0x10, .cr4 = 0x40000
#define COMPATIBILITY FULL, .narrow = true

static const fault_row fault_rows[] = {
    /* Privilege comes first ... */
    {{.kind = VX_EVENT_RDMSR}, {USER}, 0, 0, 13},
    {{.kind = VX_EVENT_WRMSR}, {USER}, 0, 0, 13},
    {{.kind = VX_EVENT_HLT}, {USER}, B(7), 0, 13},
    {{.kind = VX_EVENT_INVD}, {USER}, 0, 0, 13},
    {{.kind = VX_EVENT_WBINVD}, {USER}, SECONDARY, B(6), 13},
    {{.kind = VX_EVENT_WBNOINVD}, {USER}, SECONDARY, B(6), 13},
    {{.kind = VX_EVENT_INVLPG}, {USER}, B(9), 0, 13},
    {{.kind = VX_EVENT_INVPCID}, {USER}, SECONDARY | B(9), B(12), 13},
    {{.kind = VX_EVENT_CLTS}, {USER}, 0, 0, 13},
    {{.kind = VX_EVENT_LMSW}, {USER}, 0, 0, 13},
    {{.kind = VX_EVENT_CR_READ, .which = 3}, {USER}, B(16), 0, 13},
    {{.kind = VX_EVENT_CR_WRITE, .which = 3}, {USER}, B(15), 0, 13},
    {{.kind = VX_EVENT_XSETBV}, {USER}, 0, 0, 13},
    {{.kind = VX_EVENT_LOADIWKEY}, {USER}, 0, 0, 13},
    {{.kind = VX_EVENT_ENQCMDS}, {USER}, SECONDARY, B(21), 13},
    {{.kind = VX_EVENT_PCONFIG}, {USER}, SECONDARY, B(27), 13},
    {{.kind = VX_EVENT_XSAVES}, {USER}, SECONDARY, B(20), 13},
    {{.kind = VX_EVENT_MONITOR}, {USER}, B(29), 0, 6},
    {{.kind = VX_EVENT_MWAIT}, {USER}, B(10), 0, 6},
    {{.kind = VX_EVENT_ENCLS, .selector = 2}, {USER}, SECONDARY, B(15), 6},
    {{.kind = VX_EVENT_ENCLV, .selector = 2}, {USER}, SECONDARY, B(28), 6},
    /* ... but for MOV DR (25.1.3) and what exits at any privilege level. */
    {{.kind = VX_EVENT_DR_READ}, {USER}, B(23), 0, -1},
    {{.kind = VX_EVENT_DR_WRITE}, {USER}, B(23), 0, -1},
    {{.kind = VX_EVENT_CPUID}, {USER}, 0, 0, -1},
    {{.kind = VX_EVENT_GETSEC}, {USER}, 0, 0, -1},
    {{.kind = VX_EVENT_VMCALL}, {USER}, 0, 0, -1},
    {{.kind = VX_EVENT_VMREAD}, {USER}, 0, 0, -1},
    {{.kind = VX_EVENT_VMXOFF}, {USER}, 0, 0, -1},
    {{.kind = VX_EVENT_INVEPT}, {USER}, 0, 0, -1},
    {{.kind = VX_EVENT_RDRAND}, {USER}, SECONDARY, B(11), -1},
    {{.kind = VX_EVENT_PAUSE}, {USER}, B(30), 0, -1},
    /* Registers of CR4: TSD, PCE, UMIP, SMXE, OSXSAVE, KL. */
    {{.kind = VX_EVENT_RDTSC}, {.cr0 = 1, .cpl = 3, .cr4 = B(2)}, B(12), 0, 13},
    {{.kind = VX_EVENT_RDTSC}, {.cr0 = 1, .cpl = 3}, B(12), 0, -1},
    {{.kind = VX_EVENT_RDTSC}, {.cr0 = 1, .cpl = 0, .cr4 = B(2)}, B(12), 0, -1},
    {{.kind = VX_EVENT_TPAUSE}, {.cr0 = 1, .cpl = 3, .cr4 = B(2)}, SECONDARY | B(12), B(26), 13},
    {{.kind = VX_EVENT_RDPMC}, {.cr0 = 1, .cpl = 3}, B(11), 0, 13},
    {{.kind = VX_EVENT_RDPMC}, {.cr0 = 1, .cpl = 3, .cr4 = B(8)}, B(11), 0, -1},
    {{.kind = VX_EVENT_DESC_TABLE, .which = VX_DESC_SGDT}, {.cr0 = 1, .cpl = 3}, SECONDARY, B(2), -1},
    {{.kind = VX_EVENT_DESC_TABLE, .which = VX_DESC_SGDT}, {.cr0 = 1, .cpl = 3, .cr4 = B(11)}, SECONDARY, B(2), 13},
    {{.kind = VX_EVENT_DESC_TABLE, .which = VX_DESC_STR}, {.cr0 = 1, .cpl = 3, .cr4 = B(11)}, SECONDARY, B(2), 13},
    {{.kind = VX_EVENT_DESC_TABLE, .which = VX_DESC_LIDT}, {.cr0 = 1, .cpl = 3}, SECONDARY, B(2), 13},
    {{.kind = VX_EVENT_DESC_TABLE, .which = VX_DESC_LTR}, {.cr0 = 1, .cpl = 3}, SECONDARY, B(2), 13},
    {{.kind = VX_EVENT_GETSEC}, {.cr0 = 1, .cr4 = 0}, 0, 0, 6},
    {{.kind = VX_EVENT_XSETBV}, {.cr0 = 1, .cr4 = 0}, 0, 0, 6},
    {{.kind = VX_EVENT_XRSTORS}, {.cr0 = 1, .cr4 = 0}, SECONDARY, B(20), 6},
    {{.kind = VX_EVENT_LOADIWKEY}, {.cr0 = 1, .cr4 = 0}, 0, 0, 6},
    /* Modes. */
    {{.kind = VX_EVENT_VMCLEAR}, {REAL}, 0, 0, 6},
    {{.kind = VX_EVENT_VMXON}, {REAL}, 0, 0, 6},
    {{.kind = VX_EVENT_INVVPID}, {FULL, .virtual_8086 = true, .cpl = 3}, 0, 0, 6},
    {{.kind = VX_EVENT_VMWRITE}, {COMPATIBILITY}, 0, 0, 6},
    {{.kind = VX_EVENT_VMCALL}, {COMPATIBILITY}, 0, 0, -1},
    {{.kind = VX_EVENT_DESC_TABLE, .which = VX_DESC_SLDT}, {REAL}, SECONDARY, B(2), 6},
    {{.kind = VX_EVENT_DESC_TABLE, .which = VX_DESC_SIDT}, {REAL}, SECONDARY, B(2), -1},
    {{.kind = VX_EVENT_SEAMCALL}, {COMPATIBILITY}, 0, 0, 6},
    {{.kind = VX_EVENT_RSM}, {FULL}, 0, 0, 6},
    {{.kind = VX_EVENT_RSM}, {FULL, .smm = true}, 0, 0, -1},
    /* Controls without which an instruction does not exist. */
    {{.kind = VX_EVENT_INVPCID}, {FULL}, SECONDARY | B(9), 0, 6},
    {{.kind = VX_EVENT_INVPCID}, {USER}, SECONDARY | B(9), 0, 6}, /* before #GP */
    {{.kind = VX_EVENT_RDTSCP}, {FULL}, SECONDARY | B(12), 0, 6},
    {{.kind = VX_EVENT_RDPID}, {FULL}, SECONDARY, 0, 6},
    {{.kind = VX_EVENT_RDPID}, {FULL}, SECONDARY, B(3), -1},
    {{.kind = VX_EVENT_XSAVES}, {FULL}, SECONDARY, 0, 6},
    {{.kind = VX_EVENT_UMWAIT}, {FULL}, SECONDARY | B(12), 0, 6},
    {{.kind = VX_EVENT_UMONITOR}, {FULL}, SECONDARY, 0, 6},
    {{.kind = VX_EVENT_UMONITOR}, {FULL}, SECONDARY, B(26), -1},
    {{.kind = VX_EVENT_PCONFIG}, {FULL}, SECONDARY, 0, 6},
    {{.kind = VX_EVENT_VMFUNC}, {FULL}, SECONDARY, 0, 6},
    {{.kind = VX_EVENT_VMFUNC, .selector = 64}, {FULL}, SECONDARY, B(13), 6},
    /* The TSS's I/O permission bits. */
    {{.kind = VX_EVENT_IN, .bytes = 1, .io_denied = true}, {.cr0 = 1, .cpl = 3, .iopl = 0}, B(24), 0, 13},
    {{.kind = VX_EVENT_IN, .bytes = 1, .io_denied = true}, {.cr0 = 1, .cpl = 3, .iopl = 3}, B(24), 0, -1},
    {{.kind = VX_EVENT_IN, .bytes = 1, .io_denied = false}, {.cr0 = 1, .cpl = 3, .iopl = 0}, B(24), 0, -1},
};

static void faults_that_come_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fault_rows / sizeof *fault_rows; i++) {
        const fault_row *row = &fault_rows[i];
        vx_vmcs vmcs = {.cpu = row->cpu, .cpu2 = row->cpu2};
        vx_exit exit = {0};
        vx_outcome outcome = vx_vmcs_decide(&vmcs, &row->context, &row->event, &exit);
        if ((outcome == VX_OUTCOME_FAULT) != (row->vector >= 0))
            fail_msg("row %zu (%s): outcome %d", i, vx_guest_event_name(row->event.kind), outcome);
        uint32_t code = row->vector == 13 ? B(11) : 0; /* #GP(0) */
        if (row->vector >= 0) assert_int_equal(exit.interruption, 0x80000300U | code | (uint32_t)row->vector);
        /* A recorded instruction did not fault. */
        vx_guest_event retired = row->event;
        retired.retired = true;
        assert_int_not_equal(vx_vmcs_decide(&vmcs, &row->context, &retired, &exit), VX_OUTCOME_FAULT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_exits_as_its_row_says), cmocka_unit_test(without_any_of_its_controls_it_does_not),
        cmocka_unit_test(every_event_and_reason_is_covered), cmocka_unit_test(leaves_of_63_and_more_share_the_last_bit),
        cmocka_unit_test(xsaves_needs_all_three_words),      cmocka_unit_test(faults_that_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
