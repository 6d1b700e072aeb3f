/* Every record kind against the control that makes it exit, from SDM Vol. 3C 25.1.2, 25.1.3, 25.2 and 27.2. */
#include "exit_rows.h"
#include "test_support.h"
#include "vx_vmcs.h"

#define NO .exits = false
#define YES(number, qual) .exits = true, .reason = (number), .qualification = (qual)
/* Every control at once. MSR and I/O bitmaps are then in use, and all zero. */
#define EVERYTHING .pin = UINT32_MAX, .cpu = UINT32_MAX, .cpu2 = UINT32_MAX
#define NEVER(kind_)                                                                                                   \
    {OFF, kind_, NO}, { ON, kind_, EVERYTHING, NO }
#define ALWAYS(kind_, size_, number)                                                                                   \
    {OFF, kind_, .size = (size_), YES(number, 0)}, { ON, kind_, .size = (size_), EVERYTHING, YES(number, 0) }

static const exit_row rows[] = {
    /* 25.1.2: unconditional */
    ALWAYS(VX_REC_CPUID, 0, 10),
    ALWAYS(VX_REC_INVD, 0, 13),
    ALWAYS(VX_REC_VMCALL, 0, 18),
    ALWAYS(VX_REC_XSETBV, 0, 55),
    ALWAYS(VX_REC_INSTRUCTION, 0, 11),                  /* GETSEC */
    {CASE, VX_REC_INSTRUCTION, .size = 1, YES(17, 0)},  /* RSM: recorded, so executed in SMM */
    {CASE, VX_REC_INSTRUCTION, .size = 17, YES(76, 0)}, /* SEAMCALL */
    {CASE, VX_REC_INSTRUCTION, .size = 18, YES(77, 0)}, /* TDCALL */
    ALWAYS(VX_REC_SIGNAL, 0, 3),                        /* INIT */
    {CASE, VX_REC_SIGNAL, .size = 1, .addr = 0x9A, YES(4, 0x9A)},
    {CASE, VX_REC_SIGNAL, .size = 2, EVERYTHING, NO}, /* SMI: delivered as ever */
    {CASE, VX_REC_SIGNAL, .size = 4, .addr = 0xC0000028, YES(9, 0xC0000028)},
    {CASE, VX_REC_SIGNAL, .size = 4, .addr = 0x40000030, YES(9, 0x40000030)},
    {CASE, VX_REC_SIGNAL, .size = 5, YES(2, 0)},
    ALWAYS(VX_REC_VMX, 19, 19), /* VMCLEAR */
    {CASE, VX_REC_VMX, .size = 20, YES(20, 0)},
    {CASE, VX_REC_VMX, .size = 21, YES(21, 0)},
    {CASE, VX_REC_VMX, .size = 22, YES(22, 0)},
    {CASE, VX_REC_VMX, .size = 23, .addr = 0x4402, YES(23, 0)}, /* VMREAD without VMCS shadowing */
    {CASE, VX_REC_VMX, .size = 23, .addr = 0x4402, .cpu2 = B(14), YES(23, 0)},
    {CASE, VX_REC_VMX, .size = 23, .addr = 0x4402, .cpu = SECONDARY, .cpu2 = B(14), NO},
    {CASE, VX_REC_VMX, .size = 23, .addr = 0x8000, .cpu = SECONDARY, .cpu2 = B(14), YES(23, 0)}, /* bits 63:15 not 0 */
    {CASE, VX_REC_VMX, .size = 24, YES(24, 0)},
    {CASE, VX_REC_VMX, .size = 25, .addr = 0x681E, YES(25, 0)},
    {CASE, VX_REC_VMX, .size = 25, .addr = 0x681E, .cpu = SECONDARY, .cpu2 = B(14), NO},
    {CASE, VX_REC_VMX, .size = 25, .addr = 1ULL << 63, .cpu = SECONDARY, .cpu2 = B(14), YES(25, 0)},
    {CASE, VX_REC_VMX, .size = 26, YES(26, 0)},
    {CASE, VX_REC_VMX, .size = 27, YES(27, 0)},
    {CASE, VX_REC_VMX, .size = 50, YES(50, 0)},
    {CASE, VX_REC_VMX, .size = 53, YES(53, 0)},
    {CASE, VX_REC_VMX, .size = 59, NO}, /* VMFUNC, not enabled: #UD */
    {CASE, VX_REC_VMX, .size = 59, .cpu = SECONDARY, .cpu2 = B(13), YES(59, 0)},
    {CASE, VX_REC_VMX, .size = 59, .addr = 63, .cpu = SECONDARY, .cpu2 = B(13), YES(59, 0)},
    {CASE, VX_REC_VMX, .size = 59, .addr = 64, .cpu = SECONDARY, .cpu2 = B(13), NO}, /* EAX > 63: #UD */

    /* 25.1.3: conditional */
    {OFF, VX_REC_HLT, NO},
    {ON, VX_REC_HLT, .cpu = B(7), YES(12, 0)},
    {OFF, VX_REC_INVLPG, .addr = 0xFFFF800012345678, NO},
    {ON, VX_REC_INVLPG, .addr = 0xFFFF800012345678, .cpu = B(9), YES(14, 0xFFFF800012345678)},
    {OFF, VX_REC_INVPCID, .size = 2, NO},
    {ON, VX_REC_INVPCID, .size = 2, .addr = 0x1000, .cpu = B(9) | SECONDARY, .cpu2 = B(12), YES(58, 0)},
    {CASE, VX_REC_INVPCID, .cpu = B(9) | SECONDARY, NO},
    {CASE, VX_REC_INVPCID, .cpu = SECONDARY, .cpu2 = B(12), NO},
    {CASE, VX_REC_INVPCID, .cpu = B(9), .cpu2 = B(12), NO}, /* secondary controls not activated */
    {OFF, VX_REC_MWAIT, NO},
    {ON, VX_REC_MWAIT, .cpu = B(10), YES(36, 0)},
    {OFF, VX_REC_RDPMC, NO},
    {ON, VX_REC_RDPMC, .addr = 3, .cpu = B(11), YES(15, 0)},
    {OFF, VX_REC_RDTSC, .addr = 1, .cpu = B(3), NO}, /* TSC offsetting changes the value only */
    {ON, VX_REC_RDTSC, .addr = 1, .cpu = B(12), YES(16, 0)},
    {OFF, VX_REC_RDTSCP, .cpu = SECONDARY, .cpu2 = B(3), NO},
    {ON, VX_REC_RDTSCP, .cpu = B(12) | SECONDARY, .cpu2 = B(3), YES(51, 0)},
    {CASE, VX_REC_RDTSCP, .cpu = B(12) | SECONDARY, NO}, /* #UD instead */
    {CASE, VX_REC_RDTSCP, .cpu = B(12), .cpu2 = B(3), NO},
    {OFF, VX_REC_MONITOR, NO},
    {ON, VX_REC_MONITOR, .addr = 0x5000, .cpu = B(29), YES(39, 0)},
    {OFF, VX_REC_PAUSE, .addr = 1, NO},
    {ON, VX_REC_PAUSE, .addr = 1, .cpu = B(30), YES(40, 0)},
    {OFF, VX_REC_WBINVD, .cpu = SECONDARY, NO},
    {ON, VX_REC_WBINVD, .cpu = SECONDARY, .cpu2 = B(6), YES(54, 0)},
    {CASE, VX_REC_WBINVD, .cpu2 = B(6), NO},
    {CASE, VX_REC_INSTRUCTION, .size = 15, .cpu = SECONDARY, .cpu2 = B(6), YES(54, 1)}, /* WBNOINVD */
    {CASE, VX_REC_INSTRUCTION, .size = 2, .cpu = SECONDARY, NO},                        /* RDRAND */
    {CASE, VX_REC_INSTRUCTION, .size = 2, .cpu = SECONDARY, .cpu2 = B(11), YES(57, 0)},
    {CASE, VX_REC_INSTRUCTION, .size = 3, .cpu = SECONDARY, .cpu2 = B(16), YES(61, 0)},          /* RDSEED */
    {CASE, VX_REC_INSTRUCTION, .size = 10, .cpu = SECONDARY | B(12), .cpu2 = B(26), YES(67, 0)}, /* UMWAIT */
    {CASE, VX_REC_INSTRUCTION, .size = 10, .cpu = SECONDARY, .cpu2 = B(26), NO},
    {CASE, VX_REC_INSTRUCTION, .size = 11, .cpu = SECONDARY | B(12), .cpu2 = B(26), YES(68, 0)}, /* TPAUSE */
    {CASE, VX_REC_INSTRUCTION, .size = 9, EVERYTHING, NO},                                       /* UMONITOR */
    {CASE, VX_REC_INSTRUCTION, .size = 16, EVERYTHING, NO},                                      /* RDPID */
    {CASE, VX_REC_SIGNAL, .size = 6, .cpu = SECONDARY, NO},
    {CASE, VX_REC_SIGNAL, .size = 6, .cpu = SECONDARY, .cpu2 = B(30), YES(74, 0)}, /* bus lock */
    /* The bitmaps are 0 here: nothing exits. */
    {CASE, VX_REC_INSTRUCTION, .size = 4, .addr = 0x100, .payload = {0x100}, EVERYTHING, NO}, /* XSAVES */
    {CASE, VX_REC_INSTRUCTION, .size = 6, EVERYTHING, NO},                                    /* ENCLS */
    {CASE, VX_REC_INSTRUCTION, .size = 7, EVERYTHING, NO},                                    /* ENCLV */
    {CASE, VX_REC_INSTRUCTION, .size = 8, EVERYTHING, NO},                                    /* PCONFIG */

    /* MOV CR: 25.1.3, Table 27-3. Masks are 0 here. */
    {OFF, VX_REC_CR_READ, .size = 3, NO},
    {ON, VX_REC_CR_READ, .size = 3, .cpu = B(16), YES(28, 0x13)},
    {CASE, VX_REC_CR_READ, .size = 8, .cpu = B(16), NO},
    {CASE, VX_REC_CR_READ, .size = 8, .cpu = B(20), YES(28, 0x18)},
    {CASE, VX_REC_CR_READ, .size = 8, .cpu = B(21), NO}, /* reads the TPR shadow */
    {CASE, VX_REC_CR_READ, .size = 0, EVERYTHING, NO},
    {CASE, VX_REC_CR_READ, .size = 2, EVERYTHING, NO},
    {CASE, VX_REC_CR_READ, .size = 4, EVERYTHING, NO},
    {OFF, VX_REC_CR_WRITE, .size = 3, .addr = 0x1000, NO},
    {ON, VX_REC_CR_WRITE, .size = 3, .addr = 0x1000, .cpu = B(15), YES(28, 0x3)},
    {CASE, VX_REC_CR_WRITE, .size = 8, .addr = 1, .cpu = B(15), NO},
    {CASE, VX_REC_CR_WRITE, .size = 8, .addr = 1, .cpu = B(19), YES(28, 0x8)},
    {CASE, VX_REC_CR_WRITE, .size = 8, .addr = 1, .cpu = B(21), NO}, /* threshold 0 */
    {CASE, VX_REC_CR_WRITE, .size = 0, .addr = 0x80050033, EVERYTHING, NO},
    {CASE, VX_REC_CR_WRITE, .size = 2, .addr = 0x80050033, EVERYTHING, NO},
    {CASE, VX_REC_CR_WRITE, .size = 4, .addr = 0x80050033, EVERYTHING, NO},
    /* MOV DR: Table 27-4. */
    {OFF, VX_REC_DR_READ, .size = 6, NO},
    {ON, VX_REC_DR_READ, .size = 6, .cpu = B(23), YES(29, 0x16)},
    {CASE, VX_REC_DR_READ, .size = 0, .cpu = B(23), YES(29, 0x10)},
    {OFF, VX_REC_DR_WRITE, .size = 7, NO},
    {ON, VX_REC_DR_WRITE, .size = 7, .cpu = B(23), YES(29, 0x7)},
    {CASE, VX_REC_DR_WRITE, .size = 0, .cpu = B(23), YES(29, 0)},
    /* Descriptor tables: GDTR and IDTR one reason, LDTR and TR the other, SMSW none. */
    {OFF, VX_REC_DESC_TABLE, .size = VX_DESC_LGDT, .cpu = SECONDARY, NO},
    {ON, VX_REC_DESC_TABLE, .size = VX_DESC_LGDT, .cpu = SECONDARY, .cpu2 = B(2), YES(46, 0)},
    {CASE, VX_REC_DESC_TABLE, .size = VX_DESC_LIDT, .cpu = SECONDARY, .cpu2 = B(2), YES(46, 0)},
    {CASE, VX_REC_DESC_TABLE, .size = VX_DESC_SGDT, .cpu = SECONDARY, .cpu2 = B(2), YES(46, 0)},
    {CASE, VX_REC_DESC_TABLE, .size = VX_DESC_SIDT, .cpu = SECONDARY, .cpu2 = B(2), YES(46, 0)},
    {CASE, VX_REC_DESC_TABLE, .size = VX_DESC_SLDT, .cpu = SECONDARY, .cpu2 = B(2), YES(47, 0)},
    {CASE, VX_REC_DESC_TABLE, .size = VX_DESC_STR, .cpu = SECONDARY, .cpu2 = B(2), YES(47, 0)},
    {CASE, VX_REC_DESC_TABLE, .size = VX_DESC_LLDT, .cpu = SECONDARY, .cpu2 = B(2), YES(47, 0)},
    {CASE, VX_REC_DESC_TABLE, .size = VX_DESC_LTR, .cpu = SECONDARY, .cpu2 = B(2), YES(47, 0)},
    {CASE, VX_REC_DESC_TABLE, .size = VX_DESC_SMSW, .cpu = SECONDARY, .cpu2 = B(2), NO},
    {CASE, VX_REC_DESC_TABLE, .size = VX_DESC_LTR, .cpu2 = B(2), NO},
    /* Ports: Table 27-5. */
    {OFF, VX_REC_IO_IN, .size = 1, .addr = 0x71, NO},
    {ON, VX_REC_IO_IN, .size = 1, .addr = 0x71, .cpu = B(24), YES(30, 0x00710008)},
    {CASE, VX_REC_IO_IN, .size = 2, .addr = 0xFFFE, .cpu = B(24), YES(30, 0xFFFE0009)},
    {CASE, VX_REC_IO_IN, .size = 4, .addr = 0xCFC, .cpu = B(24), YES(30, 0x0CFC000B)},
    {CASE, VX_REC_IO_IN, .size = 2, .addr = 0x1F0, .payload = {0, 256}, .cpu = B(24), YES(30, 0x01F00039)},
    {CASE, VX_REC_IO_IN, .size = 2, .addr = 0x1F0, .payload = {0, 1}, .cpu = B(24), YES(30, 0x01F00019)},
    {CASE, VX_REC_IO_IN, .size = 1, .addr = 0x71, .cpu = B(24) | B(25), NO}, /* bitmaps win, and are zero */
    {OFF, VX_REC_IO_OUT, .size = 1, .addr = 0x70, .cpu = B(25), NO},
    {ON, VX_REC_IO_OUT, .size = 1, .addr = 0x70, .cpu = B(24), YES(30, 0x00700000)},
    {CASE, VX_REC_IO_OUT, .size = 4, .addr = 0xCF8, .cpu = B(24), YES(30, 0x0CF80003)},
    {CASE, VX_REC_IO_OUT, .size = 1, .addr = 0x3F8, .payload = {0, 9}, .cpu = B(24), YES(30, 0x03F80030)},
    /* Model-specific registers exit where bitmaps are not used. */
    {OFF, VX_REC_RDMSR, .addr = 0x10, .cpu = B(28), NO},
    {ON, VX_REC_RDMSR, .addr = 0x10, YES(31, 0)},
    {OFF, VX_REC_WRMSR, .addr = 0xC0000102, .cpu = B(28), NO},
    {ON, VX_REC_WRMSR, .addr = 0xC0000102, YES(32, 0)},
    {OFF, VX_REC_EFER_LOAD, .addr = 0xD01, .cpu = B(28), NO},
    {ON, VX_REC_EFER_LOAD, .addr = 0xD01, YES(32, 0)},
    /* CLTS and LMSW depend on mask and shadow: test_vmcs_registers.c. Here no control reaches them. */
    {OFF, VX_REC_CLTS, NO},
    {CASE, VX_REC_CLTS, EVERYTHING, NO},
    {OFF, VX_REC_LMSW, .addr = 0xF, NO},
    {CASE, VX_REC_LMSW, .addr = 0xF, EVERYTHING, NO},

    /* 25.2: events */
    {OFF, VX_REC_INTERRUPT, .size = 0x30, NO},
    {ON, VX_REC_INTERRUPT, .size = 0x30, .pin = B(0), YES(1, 0), .interruption = 0x80000030},
    {CASE, VX_REC_INTERRUPT, .size = 0xFF, .pin = B(0), YES(1, 0), .interruption = 0x800000FF},
    {CASE, VX_REC_INTERRUPT, .size = 2, .pin = B(3), NO},
    {OFF, VX_REC_EXCEPTION, .size = 2, NO},
    {ON, VX_REC_EXCEPTION, .size = 2, .pin = B(3), YES(0, 0), .interruption = 0x80000202}, /* NMI */
    {CASE, VX_REC_SIGNAL, .size = 3, NO},
    {CASE, VX_REC_SIGNAL, .size = 3, .pin = B(3), YES(0, 0), .interruption = 0x80000202},

    /* 29.4: the APIC-access page; the rest in test_vmcs_apic.c. */
    {OFF, VX_REC_APIC_READ, .size = 4, .addr = 0x20, .cpu = SECONDARY, NO},
    {ON, VX_REC_APIC_READ, .size = 4, .addr = 0x20, .cpu = SECONDARY, .cpu2 = B(0), YES(44, 0x0020)},
    {CASE, VX_REC_APIC_READ, .size = 4, .addr = 0x80, .cpu = SECONDARY | B(21), .cpu2 = B(0), NO},
    {OFF, VX_REC_APIC_WRITE, .size = 4, .addr = 0xB0, .cpu = SECONDARY, NO},
    {ON, VX_REC_APIC_WRITE, .size = 4, .addr = 0xB0, .cpu = SECONDARY, .cpu2 = B(0), YES(44, 0x10B0)},
    {CASE, VX_REC_APIC_WRITE, .size = 4, .addr = 0x80, .cpu = SECONDARY | B(21), .cpu2 = B(0), NO},
    {CASE, VX_REC_APIC_WRITE, .size = 4, .addr = 0x80, .cpu2 = B(0), NO},

    /* No control is about these. */
    NEVER(VX_REC_FETCH),
    NEVER(VX_REC_LOAD),
    NEVER(VX_REC_STORE),
    NEVER(VX_REC_PT_STORE),
    NEVER(VX_REC_PT_PAGE_NEW),
    NEVER(VX_REC_PT_PAGE_GONE),
    NEVER(VX_REC_STATE),
    NEVER(VX_REC_SKIPPED),
    NEVER(VX_REC_GPA),
    NEVER(VX_REC_PROCESS),
    NEVER(VX_REC_MARK),
    NEVER(VX_REC_PDPTE_LOAD),
    NEVER(VX_REC_INT_N),
    NEVER(VX_REC_IRET),
    NEVER(VX_REC_SYSCALL),
    NEVER(VX_REC_SYSRET),
    NEVER(VX_REC_SYSENTER),
    NEVER(VX_REC_SYSEXIT),
    NEVER(VX_REC_CPL),
    NEVER(VX_REC_CLI),
    NEVER(VX_REC_STI),
    NEVER(VX_REC_PUSHF),
    NEVER(VX_REC_POPF),
    NEVER(VX_REC_SWAPGS),
    NEVER(VX_REC_MMIO_READ),
    NEVER(VX_REC_MMIO_WRITE),
    NEVER(VX_REC_VMMCALL),
    NEVER(VX_REC_SVM),
    NEVER(VX_REC_DMA),
    NEVER(VX_REC_DMA_MAP),
    NEVER(VX_REC_DMA_UNMAP),
    NEVER(VX_REC_MSI),
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static const vx_exit poison = {.reason = 0xDEAD, .qualification = 0xDEADBEEF, .linear = {7}, .physical = {9}};

static bool ask(const vx_vmcs *vmcs, const exit_row *row, vx_exit *exit)
{
    const vx_exit_context context = {.cr0 = 0x80000011};
    vx_record record = {.kind = (uint8_t)row->kind, .size = row->size, .addr = row->addr, .count = 2};
    *exit = poison;
    return vx_vmcs_exits(vmcs, &context, &record, row->payload, exit);
}

static void assert_row(const exit_row *row, bool exits, const vx_exit *exit)
{
    if (exits != row->exits) fail_msg("row %td (%s): exits %d", row - rows, vx_record_describe(row->kind)->name, exits);
    if (!exits) {
        assert_memory_equal(exit, &poison, sizeof poison);
        return;
    }
    if (exit->reason != row->reason || exit->qualification != row->qualification)
        fail_msg("row %td (%s): reason %u, qualification %#llx", row - rows, vx_record_describe(row->kind)->name,
                 exit->reason, (unsigned long long)exit->qualification);
    assert_int_equal(exit->interruption, row->interruption);
    assert_int_equal(exit->error_code, row->error_code);
    assert_int_equal(exit->information2, 0);
    assert_int_equal(exit->linear.v, 0);
    assert_int_equal(exit->physical.v, 0);
}

static void every_row_holds(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        /* Exit control "acknowledge interrupt on exit". */
        vx_vmcs vmcs = {.pin = rows[i].pin, .cpu = rows[i].cpu, .cpu2 = rows[i].cpu2, .exit_controls = B(15)};
        vmcs.posted_interrupt_notification_vector = 0xF2;
        vx_exit exit;
        bool exits = ask(&vmcs, &rows[i], &exit);
        assert_row(&rows[i], exits, &exit);
    }
}

/* CLTS and LMSW have their "on" rows in the registers' test: a mask, not a control, makes them exit. */
static bool on_row_elsewhere(unsigned kind) { return kind == VX_REC_CLTS || kind == VX_REC_LMSW; }

static void every_kind_is_covered(void **state)
{
    (void)state;
    int on[VX_REC_KINDS] = {0}, off[VX_REC_KINDS] = {0}, kinds = 0;
    for (int i = 0; i < ROWS; i++) {
        on[rows[i].kind] += rows[i].role == ON;
        off[rows[i].kind] += rows[i].role == OFF;
    }
    for (unsigned kind = 0; kind < VX_REC_KINDS; kind++) {
        if (!vx_record_describe(kind)) continue;
        kinds++;
        if (!off[kind]) fail_msg("no OFF row for %s", vx_record_describe(kind)->name);
        if (!on[kind] && !on_row_elsewhere(kind)) fail_msg("no ON row for %s", vx_record_describe(kind)->name);
    }
    print_message("%d rows cover %d record kinds\n", ROWS, kinds);
}

static void no_kind_and_unknown_kinds_do_not_exit(void **state)
{
    (void)state;
    const vx_vmcs vmcs = {.pin = UINT32_MAX, .cpu = UINT32_MAX, .cpu2 = UINT32_MAX, .exception_bitmap = UINT32_MAX};
    for (unsigned kind = 0; kind < 256; kind++) {
        if (vx_record_describe(kind)) continue;
        exit_row row = {.kind = (vx_record_kind)kind};
        vx_exit exit;
        assert_false(ask(&vmcs, &row, &exit));
    }
}

/* 27.2.2: without "acknowledge interrupt on exit" there is no vector to report. */
static void interrupts_that_are_not_acknowledged_have_no_vector(void **state)
{
    (void)state;
    const vx_vmcs vmcs = {.pin = B(0)};
    const vx_exit_context context = {0};
    const vx_record record = {.kind = VX_REC_INTERRUPT, .size = 0x30};
    vx_exit exit;
    assert_true(vx_vmcs_exits(&vmcs, &context, &record, NULL, &exit));
    assert_int_equal(exit.reason, 1);
    assert_int_equal(exit.interruption, 0);
}

/* 27.2.1: MWAIT reports whether the address-range monitor was armed. */
static void mwait_reports_the_monitor(void **state)
{
    (void)state;
    const vx_vmcs vmcs = {.cpu = B(10)};
    const vx_exit_context armed = {.monitor_armed = true};
    const vx_record record = {.kind = VX_REC_MWAIT};
    vx_exit exit;
    assert_true(vx_vmcs_exits(&vmcs, &armed, &record, NULL, &exit));
    assert_int_equal(exit.qualification, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_holds),
        cmocka_unit_test(every_kind_is_covered),
        cmocka_unit_test(no_kind_and_unknown_kinds_do_not_exit),
        cmocka_unit_test(interrupts_that_are_not_acknowledged_have_no_vector),
        cmocka_unit_test(mwait_reports_the_monitor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
