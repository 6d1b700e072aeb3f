/* VM-entry checks on the VMX controls: VM-execution, VM-exit and VM-entry control fields.
 *
 * SDM Vol. 3C 26.2.1.1, 26.2.1.2, 26.2.1.3, in the manual's order. A failure is VM-instruction error 7.
 *
 * NOT MODELLED: entries in SMM (so the two controls for it must be 0), the clearing of bytes 3:1 of VTPR that an
 * implementation may do. */
#include "vmx_check.h"

static bool cr3_targets(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return field(e, VX_VMCS_CR3_TARGET_COUNT) <= (e->caps->misc >> 16 & 0x1FF);
}

static bool threshold_small(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return has(e, VX_WORD_CPU2, VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY) || field(e, VX_VMCS_TPR_THRESHOLD) <= 15;
}

enum { VTPR = 0x80 };
static bool threshold_met(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    if (e->word[VX_WORD_CPU2] & (VX_CPU2_VIRTUALIZE_APIC_ACCESSES | VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY)) return true;
    if (!e->memory) return true;
    uint32_t vtpr = vx_physmem_read32(e->memory, (vx_hpa){field(e, VX_VMCS_VIRTUAL_APIC_ADDRESS) + VTPR});
    return (field(e, VX_VMCS_TPR_THRESHOLD) & 15) <= (vtpr >> 4 & 15);
}

/* `bits` of the word `field` need this row's condition to be false; the mirror of requires(). */
static bool excludes(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return (e->word[check->field] & check->bits) == 0;
}

static bool requires(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return (e->word[check->field] & check->bits) == check->bits;
}

static bool virtual_nmis_need_nmi_exiting(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return has(e, VX_WORD_PIN, VX_PIN_NMI_EXITING) || !has(e, VX_WORD_PIN, VX_PIN_VIRTUAL_NMIS);
}

static bool nmi_window_needs_virtual_nmis(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return has(e, VX_WORD_PIN, VX_PIN_VIRTUAL_NMIS) || !has(e, VX_WORD_CPU, VX_CPU_NMI_WINDOW_EXITING);
}

static bool needs_tpr_shadow(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return has(e, VX_WORD_CPU, VX_CPU_TPR_SHADOW) ||
           !((e->word[VX_WORD_CPU2] & (VX_CPU2_VIRTUALIZE_X2APIC | VX_CPU2_APIC_REGISTER_VIRTUALIZATION |
                                       VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY)) ||
             has(e, VX_WORD_CPU3, VX_CPU3_IPI_VIRTUALIZATION));
}

static bool pid_table_end(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    uint64_t first = field(e, VX_VMCS_PID_POINTER_TABLE);
    uint64_t last = first + 8 * field(e, VX_VMCS_LAST_PID_POINTER_INDEX);
    return last >= first && (last & beyond_width(e)) == 0;
}

static bool not_zero(const vx_vmx_entry *e, const vx_vmx_check *check) { return field(e, check->field) != 0; }

/* ---- EPTP, 24.6.11 ---- */

static bool eptp_type(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    uint64_t type = field(e, check->field) & 7;
    return (type == 0 && (e->caps->ept_vpid & VX_EPT_CAP_UC)) || (type == 6 && (e->caps->ept_vpid & VX_EPT_CAP_WB));
}

static bool eptp_levels(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    uint64_t length = (field(e, check->field) >> 3 & 7) + 1;
    return (length == 4 && (e->caps->ept_vpid & VX_EPT_CAP_4_LEVELS)) ||
           (length == 5 && (e->caps->ept_vpid & VX_EPT_CAP_5_LEVELS));
}

static bool eptp_ad(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return (e->caps->ept_vpid & VX_EPT_CAP_AD) || !(field(e, check->field) >> 6 & 1);
}

/* Bit 7 enables supervisor shadow-stack pages where the processor has them; it is reserved elsewhere. */
static bool eptp_reserved(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    uint64_t reserved = 0xF00 | beyond_width(e) | (e->caps->ept_vpid & VX_EPT_CAP_SHADOW_STACK ? 0 : 0x80);
    return (field(e, check->field) & reserved) == 0;
}

static bool needs_ept(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    const uint64_t cpu2 = VX_CPU2_PML | VX_CPU2_UNRESTRICTED_GUEST | VX_CPU2_MODE_BASED_EXECUTE |
                          VX_CPU2_SUB_PAGE_WRITE | VX_CPU2_PT_USES_GPA;
    const uint64_t cpu3 = VX_CPU3_HLAT | VX_CPU3_EPT_PAGING_WRITE | VX_CPU3_GUEST_PAGING_VERIFICATION;
    return has(e, VX_WORD_CPU2, VX_CPU2_EPT) || (!(e->word[VX_WORD_CPU2] & cpu2) && !(e->word[VX_WORD_CPU3] & cpu3));
}

static bool tracing_off(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !e->tracing;
}

static bool hlatp_reserved(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    uint64_t value = field(e, check->field);
    return bits_clear(value, 2, 0) && bits_clear(value, 11, 5) && (value & beyond_width(e)) == 0;
}

/* ---- VM-exit and VM-entry control fields ---- */

static bool timer_saved_needs_timer(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return has(e, VX_WORD_PIN, VX_PIN_PREEMPTION_TIMER) || !has(e, VX_WORD_EXIT, VX_EXIT_CONTROL_SAVE_PREEMPTION_TIMER);
}

/* An MSR area: `field` is its address, `bits` the encoding of its count. Nothing is checked of an empty one. */
static bool area_aligned(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return field(e, check->bits) == 0 || (field(e, check->field) & 15) == 0;
}
static bool area_begin(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return field(e, check->bits) == 0 || (field(e, check->field) & beyond_width(e)) == 0;
}
static bool area_end(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    uint64_t count = field(e, check->bits), first = field(e, check->field), last = first + count * 16 - 1;
    return count == 0 || (last >= first && (last & beyond_width(e)) == 0);
}

/* ---- event injection, Table 24-17 ---- */

enum { DELIVER_ERROR_CODE = 1 << 11 };

static bool delivers_error_code(const vx_vmx_entry *e)
{
    return (field(e, VX_VMCS_ENTRY_INTERRUPTION_INFO) & DELIVER_ERROR_CODE) != 0;
}

/* #DF, #TS, #NP, #SS, #GP, #PF, #AC */
static bool vector_has_error_code(unsigned vector) { return vector < 32 && (0x27D00U >> vector & 1); }

static bool injection_type(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    if (!injects(e)) return true;
    unsigned type = injected_type(e);
    bool mtf = (e->caps->allowed1[VX_WORD_CPU] & VX_CPU_MONITOR_TRAP_FLAG) != 0;
    return type != 1 && (type != TYPE_OTHER || mtf);
}

static bool injection_vector(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    if (!injects(e) || injected_type(e) != check->field) return true;
    return check->field == TYPE_HARDWARE ? injected_vector(e) <= 31 : injected_vector(e) == check->bits;
}

static bool guest_protected(const vx_vmx_entry *e) { return (field(e, VX_VMCS_GUEST_CR0) & 1) != 0; }

static bool error_code_delivered(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    bool must = injects(e) && injected_type(e) == TYPE_HARDWARE && guest_protected(e) &&
                !(e->caps->basic & VX_VMX_BASIC_ANY_ERROR_CODE) && vector_has_error_code(injected_vector(e));
    return !must || delivers_error_code(e);
}

static bool error_code_withheld(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    if (!injects(e) || !delivers_error_code(e)) return true;
    if (injected_type(e) != TYPE_HARDWARE || !guest_protected(e)) return false;
    return (e->caps->basic & VX_VMX_BASIC_ANY_ERROR_CODE) || vector_has_error_code(injected_vector(e));
}

static bool injection_reserved(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !injects(e) || bits_clear(field(e, VX_VMCS_ENTRY_INTERRUPTION_INFO), 30, 12);
}

/* The manual of 2023 says bits 31:16; before there were processors with 16-bit error codes, 31:15. */
static bool error_code_high(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !injects(e) || !delivers_error_code(e) || bits_clear(field(e, VX_VMCS_ENTRY_ERROR_CODE), 31, 16);
}

static bool injects_software(const vx_vmx_entry *e)
{
    return injects(e) && injected_type(e) >= TYPE_SOFTWARE && injected_type(e) < TYPE_OTHER;
}

static bool injection_length(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !injects_software(e) || field(e, VX_VMCS_ENTRY_INSTRUCTION_LENGTH) <= 15;
}

static bool injection_length_not_zero(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !injects_software(e) || (e->caps->misc & VX_VMX_MISC_ZERO_LENGTH) ||
           field(e, VX_VMCS_ENTRY_INSTRUCTION_LENGTH) != 0;
}

#define EXECUTION(name) .id = (name), .section = "26.2.1.1", .outcome = VX_CHECK_CONTROL
#define EXITING(name) .id = (name), .section = "26.2.1.2", .outcome = VX_CHECK_CONTROL
#define ENTERING(name) .id = (name), .section = "26.2.1.3", .outcome = VX_CHECK_CONTROL
#define ALWAYS .when = VX_WORD_NONE
#define WHEN(word, control) .when = VX_WORD_##word, .when_bits = (control)
/* Two rows: an address whose low bits must be 0, and which must fit the physical-address width. */
#define ADDRESS(name, word, control, encoding, low, what)                                                              \
    {EXECUTION(name "-aligned"), WHEN(word, control), .holds = vmx_low_bits_clear,                                     \
     .field = (encoding),        .bits = (low),       .text = what " is aligned"},                                     \
    {                                                                                                                  \
        EXECUTION(name "-width"), WHEN(word, control), .holds = vmx_within_width, .field = (encoding),                 \
                                                       .text = what " sets no bit beyond the physical-address width"   \
    }
#define AREA(group, name, address, count, what)                                                                         \
    {group(name "-aligned"), ALWAYS,          .holds = area_aligned,                                                    \
     .field = (address),     .bits = (count), .text = what " address has bits 3:0 clear"},                              \
        {group(name "-width"), ALWAYS,          .holds = area_begin,                                                    \
         .field = (address),   .bits = (count), .text = what " address sets no bit beyond the physical-address width"}, \
    {                                                                                                                   \
        group(name "-end"), ALWAYS, .holds = area_end, .field = (address), .bits = (count),                             \
                                    .text = what " area's last byte lies within the physical-address width"             \
    }

const vx_vmx_check vmx_control_checks[] = {
    {EXECUTION("pin-reserved"), ALWAYS, .holds = vmx_word_allowed, .field = VX_WORD_PIN,
     .text = "reserved bits of the pin-based VM-execution controls are set as the processor demands"},
    {EXECUTION("cpu-reserved"), ALWAYS, .holds = vmx_word_allowed, .field = VX_WORD_CPU,
     .text = "reserved bits of the primary processor-based VM-execution controls are set as the processor demands"},
    {EXECUTION("cpu2-reserved"), WHEN(CPU, VX_CPU_SECONDARY_CONTROLS), .holds = vmx_word_allowed, .field = VX_WORD_CPU2,
     .text = "reserved bits of the secondary processor-based VM-execution controls are 0"},
    {EXECUTION("cpu3-reserved"), WHEN(CPU, VX_CPU_TERTIARY_CONTROLS), .holds = vmx_word_allowed, .field = VX_WORD_CPU3,
     .text = "reserved bits of the tertiary processor-based VM-execution controls are 0"},
    {EXECUTION("cr3-target-count"), ALWAYS, .holds = cr3_targets,
     .text = "the CR3-target count is not greater than the processor's number of CR3-target values"},
    ADDRESS("io-bitmap-a", CPU, VX_CPU_USE_IO_BITMAPS, VX_VMCS_IO_BITMAP_A, 12, "the address of I/O bitmap A"),
    ADDRESS("io-bitmap-b", CPU, VX_CPU_USE_IO_BITMAPS, VX_VMCS_IO_BITMAP_B, 12, "the address of I/O bitmap B"),
    ADDRESS("msr-bitmap", CPU, VX_CPU_USE_MSR_BITMAPS, VX_VMCS_MSR_BITMAP, 12, "the MSR-bitmap address"),
    ADDRESS("virtual-apic", CPU, VX_CPU_TPR_SHADOW, VX_VMCS_VIRTUAL_APIC_ADDRESS, 12, "the virtual-APIC address"),
    {EXECUTION("tpr-threshold-high"), WHEN(CPU, VX_CPU_TPR_SHADOW), .holds = threshold_small,
     .text = "without virtual-interrupt delivery bits 31:4 of the TPR threshold are 0"},
    {EXECUTION("tpr-threshold"), WHEN(CPU, VX_CPU_TPR_SHADOW), .holds = threshold_met,
     .text = "without APIC-access virtualization and virtual-interrupt delivery the TPR threshold is not greater than "
             "bits 7:4 of VTPR"},
    {EXECUTION("virtual-nmis"), ALWAYS, .holds = virtual_nmis_need_nmi_exiting,
     .text = "'virtual NMIs' is 0 where 'NMI exiting' is 0"},
    {EXECUTION("nmi-window"), ALWAYS, .holds = nmi_window_needs_virtual_nmis,
     .text = "'NMI-window exiting' is 0 where 'virtual NMIs' is 0"},
    ADDRESS("apic-access", CPU2, VX_CPU2_VIRTUALIZE_APIC_ACCESSES, VX_VMCS_APIC_ACCESS_ADDRESS, 12,
            "the APIC-access address"),
    {EXECUTION("needs-tpr-shadow"), ALWAYS, .holds = needs_tpr_shadow,
     .text = "'virtualize x2APIC mode', 'APIC-register virtualization', 'virtual-interrupt delivery' and 'IPI "
             "virtualization' are 0 where 'use TPR shadow' is 0"},
    {EXECUTION("x2apic"), WHEN(CPU2, VX_CPU2_VIRTUALIZE_X2APIC), .holds = excludes, .field = VX_WORD_CPU2,
     .bits = VX_CPU2_VIRTUALIZE_APIC_ACCESSES,
     .text = "'virtualize APIC accesses' is 0 where 'virtualize x2APIC mode' is 1"},
    {EXECUTION("interrupt-delivery"), WHEN(CPU2, VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY), .holds = requires,
     .field = VX_WORD_PIN, .bits = VX_PIN_EXTERNAL_INTERRUPT_EXITING,
     .text = "'external-interrupt exiting' is 1 where 'virtual-interrupt delivery' is 1"},
    {EXECUTION("posted-delivery"), WHEN(PIN, VX_PIN_POSTED_INTERRUPTS), .holds = requires, .field = VX_WORD_CPU2,
     .bits = VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY,
     .text = "'virtual-interrupt delivery' is 1 where 'process posted interrupts' is 1"},
    {EXECUTION("posted-acknowledge"), WHEN(PIN, VX_PIN_POSTED_INTERRUPTS), .holds = requires, .field = VX_WORD_EXIT,
     .bits = VX_EXIT_CONTROL_ACKNOWLEDGE_INTERRUPT,
     .text = "'acknowledge interrupt on exit' is 1 where 'process posted interrupts' is 1"},
    {EXECUTION("posted-vector"), WHEN(PIN, VX_PIN_POSTED_INTERRUPTS), .holds = vmx_fits_bits,
     .field = VX_VMCS_POSTED_INTERRUPT_VECTOR, .bits = 8,
     .text = "the posted-interrupt notification vector is at most 255"},
    ADDRESS("posted-descriptor", PIN, VX_PIN_POSTED_INTERRUPTS, VX_VMCS_POSTED_INTERRUPT_DESCRIPTOR, 6,
            "the posted-interrupt descriptor address"),
    ADDRESS("pid-table", CPU3, VX_CPU3_IPI_VIRTUALIZATION, VX_VMCS_PID_POINTER_TABLE, 3,
            "the PID-pointer table address"),
    {EXECUTION("pid-table-end"), WHEN(CPU3, VX_CPU3_IPI_VIRTUALIZATION), .holds = pid_table_end,
     .text = "the PID-pointer table's last entry lies within the physical-address width"},
    {EXECUTION("vpid"), WHEN(CPU2, VX_CPU2_VPID), .holds = not_zero, .field = VX_VMCS_VPID,
     .text = "the VPID is not 0"},
    {EXECUTION("eptp-type"), WHEN(CPU2, VX_CPU2_EPT), .holds = eptp_type, .field = VX_VMCS_EPT_POINTER,
     .text = "the EPT memory type (EPTP bits 2:0) is one that the processor supports"},
    {EXECUTION("eptp-levels"), WHEN(CPU2, VX_CPU2_EPT), .holds = eptp_levels, .field = VX_VMCS_EPT_POINTER,
     .text = "the EPT page-walk length (EPTP bits 5:3, less 1) is one that the processor supports"},
    {EXECUTION("eptp-ad"), WHEN(CPU2, VX_CPU2_EPT), .holds = eptp_ad, .field = VX_VMCS_EPT_POINTER,
     .text = "EPTP bit 6 is 0 where the processor has no accessed and dirty flags for EPT"},
    {EXECUTION("eptp-reserved"), WHEN(CPU2, VX_CPU2_EPT), .holds = eptp_reserved, .field = VX_VMCS_EPT_POINTER,
     .text = "reserved bits of the EPTP are 0"},
    {EXECUTION("needs-ept"), ALWAYS, .holds = needs_ept,
     .text =
         "'enable EPT' is 1 where a control that needs it is (PML, unrestricted guest, mode-based execute, sub-page "
         "permissions, Intel PT with guest-physical addresses, HLAT, paging-write, guest-paging verification)"},
    ADDRESS("pml", CPU2, VX_CPU2_PML, VX_VMCS_PML_ADDRESS, 12, "the PML address"),
    ADDRESS("spptp", CPU2, VX_CPU2_SUB_PAGE_WRITE, VX_VMCS_SPP_TABLE_POINTER, 12,
            "the sub-page-permission-table pointer"),
    {EXECUTION("vm-functions"), WHEN(CPU2, VX_CPU2_VM_FUNCTIONS), .holds = vmx_word_allowed, .field = VX_WORD_VMFUNC,
     .text = "reserved bits of the VM-function controls are 0"},
    {EXECUTION("eptp-switching"), WHEN(VMFUNC, 1), .holds = requires, .field = VX_WORD_CPU2, .bits = VX_CPU2_EPT,
     .text = "'enable EPT' is 1 where 'EPTP switching' is 1"},
    ADDRESS("eptp-list", VMFUNC, 1, VX_VMCS_EPTP_LIST_ADDRESS, 12, "the EPTP-list address"),
    ADDRESS("vmread-bitmap", CPU2, VX_CPU2_VMCS_SHADOWING, VX_VMCS_VMREAD_BITMAP, 12, "the VMREAD-bitmap address"),
    ADDRESS("vmwrite-bitmap", CPU2, VX_CPU2_VMCS_SHADOWING, VX_VMCS_VMWRITE_BITMAP, 12, "the VMWRITE-bitmap address"),
    ADDRESS("ve-information", CPU2, VX_CPU2_EPT_VIOLATION_VE, VX_VMCS_VE_INFORMATION_ADDRESS, 12,
            "the virtualization-exception information address"),
    {EXECUTION("rtit-tracing"), WHEN(ENTRY, VX_ENTRY_CONTROL_LOAD_RTIT_CTL), .holds = tracing_off,
     .text = "'load IA32_RTIT_CTL' is 0 where Intel PT is tracing at the time of VM entry"},
    {EXECUTION("pt-load"), WHEN(CPU2, VX_CPU2_PT_USES_GPA), .holds = requires, .field = VX_WORD_ENTRY,
     .bits = VX_ENTRY_CONTROL_LOAD_RTIT_CTL,
     .text = "'load IA32_RTIT_CTL' is 1 where 'Intel PT uses guest physical addresses' is 1"},
    {EXECUTION("pt-clear"), WHEN(CPU2, VX_CPU2_PT_USES_GPA), .holds = requires, .field = VX_WORD_EXIT,
     .bits = VX_EXIT_CONTROL_CLEAR_RTIT_CTL,
     .text = "'clear IA32_RTIT_CTL' is 1 where 'Intel PT uses guest physical addresses' is 1"},
    {EXECUTION("tsc-multiplier"), WHEN(CPU2, VX_CPU2_TSC_SCALING), .holds = not_zero, .field = VX_VMCS_TSC_MULTIPLIER,
     .text = "the TSC multiplier is not 0"},
    {EXECUTION("hlatp"), WHEN(CPU3, VX_CPU3_HLAT), .holds = hlatp_reserved, .field = VX_VMCS_HLAT_POINTER,
     .text = "bits 2:0, bits 11:5 and bits beyond the physical-address width of the HLATP are 0"},
    ADDRESS("pasid-low", CPU2, VX_CPU2_PASID_TRANSLATION, VX_VMCS_LOW_PASID_DIRECTORY, 12,
            "the low PASID directory address"),
    ADDRESS("pasid-high", CPU2, VX_CPU2_PASID_TRANSLATION, VX_VMCS_HIGH_PASID_DIRECTORY, 12,
            "the high PASID directory address"),

    {EXITING("exit-reserved"), ALWAYS, .holds = vmx_word_allowed, .field = VX_WORD_EXIT,
     .text = "reserved bits of the primary VM-exit controls are set as the processor demands"},
    {EXITING("exit2-reserved"), WHEN(EXIT, VX_EXIT_CONTROL_SECONDARY_CONTROLS), .holds = vmx_word_allowed,
     .field = VX_WORD_EXIT2, .text = "reserved bits of the secondary VM-exit controls are 0"},
    {EXITING("save-preemption-timer"), ALWAYS, .holds = timer_saved_needs_timer,
     .text = "'save VMX-preemption timer value' is 0 where 'activate VMX-preemption timer' is 0"},
    AREA(EXITING, "exit-msr-store", VX_VMCS_EXIT_MSR_STORE_ADDRESS, VX_VMCS_EXIT_MSR_STORE_COUNT,
         "the VM-exit MSR-store"),
    AREA(EXITING, "exit-msr-load", VX_VMCS_EXIT_MSR_LOAD_ADDRESS, VX_VMCS_EXIT_MSR_LOAD_COUNT, "the VM-exit MSR-load"),

    {ENTERING("entry-reserved"), ALWAYS, .holds = vmx_word_allowed, .field = VX_WORD_ENTRY,
     .text = "reserved bits of the VM-entry controls are set as the processor demands"},
    {ENTERING("injection-type"), ALWAYS, .holds = injection_type,
     .text = "the interruption type is not a reserved one"},
    {ENTERING("injection-nmi-vector"), ALWAYS, .holds = injection_vector, .field = TYPE_NMI, .bits = 2,
     .text = "an injected NMI has vector 2"},
    {ENTERING("injection-exception-vector"), ALWAYS, .holds = injection_vector, .field = TYPE_HARDWARE,
     .text = "an injected hardware exception has a vector of at most 31"},
    {ENTERING("injection-other-vector"), ALWAYS, .holds = injection_vector, .field = TYPE_OTHER,
     .text = "an injected other event has vector 0 (pending MTF VM exit)"},
    {ENTERING("injection-error-code"), ALWAYS, .holds = error_code_delivered,
     .text = "a hardware exception that has an error code delivers it, in a guest with CR0.PE"},
    {ENTERING("injection-no-error-code"), ALWAYS, .holds = error_code_withheld,
     .text = "no error code is delivered with other events, without CR0.PE, or with vectors that have none"},
    {ENTERING("injection-reserved"), ALWAYS, .holds = injection_reserved,
     .text = "reserved bits 30:12 of the VM-entry interruption-information field are 0"},
    {ENTERING("injection-error-code-high"), ALWAYS, .holds = error_code_high,
     .text = "bits 31:16 of a delivered VM-entry exception error code are 0"},
    {ENTERING("injection-length"), ALWAYS, .holds = injection_length,
     .text = "the VM-entry instruction length of an injected software event is at most 15"},
    {ENTERING("injection-length-zero"), ALWAYS, .holds = injection_length_not_zero,
     .text = "the VM-entry instruction length of an injected software event is not 0, unless IA32_VMX_MISC[30] is 1"},
    AREA(ENTERING, "entry-msr-load", VX_VMCS_ENTRY_MSR_LOAD_ADDRESS, VX_VMCS_ENTRY_MSR_LOAD_COUNT,
         "the VM-entry MSR-load"),
    {ENTERING("entry-smm"), WHEN(ENTRY, VX_ENTRY_CONTROL_SMM), .holds = excludes, .field = VX_WORD_ENTRY,
     .bits = VX_ENTRY_CONTROL_SMM, .text = "outside SMM 'entry to SMM' is 0"},
    {ENTERING("entry-dual-monitor"), WHEN(ENTRY, VX_ENTRY_CONTROL_DEACTIVATE_DUAL_MONITOR), .holds = excludes,
     .field = VX_WORD_ENTRY, .bits = VX_ENTRY_CONTROL_DEACTIVATE_DUAL_MONITOR,
     .text = "outside SMM 'deactivate dual-monitor treatment' is 0"},
};
const unsigned vmx_control_check_count = sizeof vmx_control_checks / sizeof *vmx_control_checks;
