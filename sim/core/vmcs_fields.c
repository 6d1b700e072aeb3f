/* The table of VMCS fields, and values by encoding.
 *
 * SDM Vol. 3D, Appendix B, for encodings and for the controls that make a field exist; Vol. 3C 24.11.2 for access by
 * width. (Chapter numbers: see vx_vmcs.h.)
 *
 * NOT MODELLED: fields of FRED, of SEAM and of APIC-timer virtualization, and MSR data of MSR lists, which came after
 * the SDM of December 2023; IA32_SPEC_CTRL of guest and host, as no control of that edition loads it. */
#include "vx_vmcs_field.h"

#include <assert.h>
#include <stdlib.h>

#include "vx_status.h"

#define ALWAYS VX_WORD_NONE, 0
#define PIN(bit) VX_WORD_PIN, bit
#define CPU(bit) VX_WORD_CPU, bit
#define CPU2(bit) VX_WORD_CPU2, bit
#define CPU3(bit) VX_WORD_CPU3, bit
#define ENTRY(bit) VX_WORD_ENTRY, bit
#define EXIT(bit) VX_WORD_EXIT, bit
#define VMFUNC(bit) VX_WORD_VMFUNC, bit

/* In order of encoding. A control that the guest's and the host's part of a register share is named once: the
 * processors here have "load" and "save" together. */
static const vx_vmcs_field fields[] = {
    {VX_VMCS_VPID, CPU2(5), "Virtual-processor identifier (VPID)", "24.6.12"},
    {VX_VMCS_POSTED_INTERRUPT_VECTOR, PIN(7), "Posted-interrupt notification vector", "24.6.8"},
    {VX_VMCS_EPTP_INDEX, CPU2(18), "EPTP index", "24.6.20"},
    {VX_VMCS_HLAT_PREFIX_SIZE, CPU3(1), "HLAT prefix size", "24.6.23"},
    {VX_VMCS_LAST_PID_POINTER_INDEX, CPU3(4), "Last PID-pointer index", "24.6.8"},
    {VX_VMCS_GUEST_ES_SELECTOR, ALWAYS, "Guest ES selector", "24.4.1"},
    {VX_VMCS_GUEST_CS_SELECTOR, ALWAYS, "Guest CS selector", "24.4.1"},
    {VX_VMCS_GUEST_SS_SELECTOR, ALWAYS, "Guest SS selector", "24.4.1"},
    {VX_VMCS_GUEST_DS_SELECTOR, ALWAYS, "Guest DS selector", "24.4.1"},
    {VX_VMCS_GUEST_FS_SELECTOR, ALWAYS, "Guest FS selector", "24.4.1"},
    {VX_VMCS_GUEST_GS_SELECTOR, ALWAYS, "Guest GS selector", "24.4.1"},
    {VX_VMCS_GUEST_LDTR_SELECTOR, ALWAYS, "Guest LDTR selector", "24.4.1"},
    {VX_VMCS_GUEST_TR_SELECTOR, ALWAYS, "Guest TR selector", "24.4.1"},
    {VX_VMCS_GUEST_INTERRUPT_STATUS, CPU2(9), "Guest interrupt status", "24.4.2"},
    {VX_VMCS_PML_INDEX, CPU2(17), "PML index", "24.4.2"},
    {VX_VMCS_GUEST_UINV, ENTRY(19), "Guest UINV", "24.4.1"},
    {VX_VMCS_HOST_ES_SELECTOR, ALWAYS, "Host ES selector", "24.5"},
    {VX_VMCS_HOST_CS_SELECTOR, ALWAYS, "Host CS selector", "24.5"},
    {VX_VMCS_HOST_SS_SELECTOR, ALWAYS, "Host SS selector", "24.5"},
    {VX_VMCS_HOST_DS_SELECTOR, ALWAYS, "Host DS selector", "24.5"},
    {VX_VMCS_HOST_FS_SELECTOR, ALWAYS, "Host FS selector", "24.5"},
    {VX_VMCS_HOST_GS_SELECTOR, ALWAYS, "Host GS selector", "24.5"},
    {VX_VMCS_HOST_TR_SELECTOR, ALWAYS, "Host TR selector", "24.5"},
    {VX_VMCS_IO_BITMAP_A, ALWAYS, "Address of I/O bitmap A", "24.6.4"},
    {VX_VMCS_IO_BITMAP_B, ALWAYS, "Address of I/O bitmap B", "24.6.4"},
    {VX_VMCS_MSR_BITMAP, CPU(28), "Address of MSR bitmaps", "24.6.9"},
    {VX_VMCS_EXIT_MSR_STORE_ADDRESS, ALWAYS, "VM-exit MSR-store address", "24.7.2"},
    {VX_VMCS_EXIT_MSR_LOAD_ADDRESS, ALWAYS, "VM-exit MSR-load address", "24.7.2"},
    {VX_VMCS_ENTRY_MSR_LOAD_ADDRESS, ALWAYS, "VM-entry MSR-load address", "24.8.2"},
    {VX_VMCS_EXECUTIVE_VMCS, ALWAYS, "Executive-VMCS pointer", "24.6.10"},
    {VX_VMCS_PML_ADDRESS, CPU2(17), "PML address", "24.6.19"},
    {VX_VMCS_TSC_OFFSET, ALWAYS, "TSC offset", "24.6.5"},
    {VX_VMCS_VIRTUAL_APIC_ADDRESS, CPU(21), "Virtual-APIC address", "24.6.8"},
    {VX_VMCS_APIC_ACCESS_ADDRESS, CPU2(0), "APIC-access address", "24.6.8"},
    {VX_VMCS_POSTED_INTERRUPT_DESCRIPTOR, PIN(7), "Posted-interrupt descriptor address", "24.6.8"},
    {VX_VMCS_VM_FUNCTION_CONTROLS, CPU2(13), "VM-function controls", "24.6.14"},
    {VX_VMCS_EPT_POINTER, CPU2(1), "EPT pointer", "24.6.11"},
    {VX_VMCS_EOI_EXIT_BITMAP_0, CPU2(9), "EOI-exit bitmap 0", "24.6.8"},
    {VX_VMCS_EOI_EXIT_BITMAP_1, CPU2(9), "EOI-exit bitmap 1", "24.6.8"},
    {VX_VMCS_EOI_EXIT_BITMAP_2, CPU2(9), "EOI-exit bitmap 2", "24.6.8"},
    {VX_VMCS_EOI_EXIT_BITMAP_3, CPU2(9), "EOI-exit bitmap 3", "24.6.8"},
    {VX_VMCS_EPTP_LIST_ADDRESS, VMFUNC(0), "EPTP-list address", "24.6.14"},
    {VX_VMCS_VMREAD_BITMAP, CPU2(14), "VMREAD-bitmap address", "24.6.15"},
    {VX_VMCS_VMWRITE_BITMAP, CPU2(14), "VMWRITE-bitmap address", "24.6.15"},
    {VX_VMCS_VE_INFORMATION_ADDRESS, CPU2(18), "Virtualization-exception information address", "24.6.20"},
    {VX_VMCS_XSS_EXITING_BITMAP, CPU2(20), "XSS-exiting bitmap", "24.6.21"},
    {VX_VMCS_ENCLS_EXITING_BITMAP, CPU2(15), "ENCLS-exiting bitmap", "24.6.16"},
    {VX_VMCS_SPP_TABLE_POINTER, CPU2(23), "Sub-page-permission-table pointer", "24.6.22"},
    {VX_VMCS_TSC_MULTIPLIER, CPU2(25), "TSC multiplier", "24.6.5"},
    {VX_VMCS_CPU3_CONTROLS, CPU(17), "Tertiary processor-based VM-execution controls", "24.6.2"},
    {VX_VMCS_ENCLV_EXITING_BITMAP, CPU2(28), "ENCLV-exiting bitmap", "24.6.17"},
    {VX_VMCS_LOW_PASID_DIRECTORY, CPU2(21), "Low PASID directory address", "24.6.24"},
    {VX_VMCS_HIGH_PASID_DIRECTORY, CPU2(21), "High PASID directory address", "24.6.24"},
    {VX_VMCS_PCONFIG_EXITING_BITMAP, CPU2(27), "PCONFIG-exiting bitmap", "24.6.18"},
    {VX_VMCS_HLAT_POINTER, CPU3(1), "Hypervisor-managed linear-address translation pointer", "24.6.23"},
    {VX_VMCS_PID_POINTER_TABLE, CPU3(4), "PID-pointer table address", "24.6.8"},
    {VX_VMCS_EXIT2_CONTROLS, EXIT(31), "Secondary VM-exit controls", "24.7.1"},
    {VX_VMCS_SPEC_CTRL_MASK, CPU3(7), "IA32_SPEC_CTRL mask", "24.6.26"},
    {VX_VMCS_SPEC_CTRL_SHADOW, CPU3(7), "IA32_SPEC_CTRL shadow", "24.6.26"},
    {VX_VMCS_GUEST_PHYSICAL_ADDRESS, CPU2(1), "Guest-physical address", "24.9.1"},
    {VX_VMCS_LINK_POINTER, ALWAYS, "VMCS link pointer", "24.4.2"},
    {VX_VMCS_GUEST_DEBUGCTL, ALWAYS, "Guest IA32_DEBUGCTL", "24.4.1"},
    {VX_VMCS_GUEST_PAT, ENTRY(14), "Guest IA32_PAT", "24.4.1"},
    {VX_VMCS_GUEST_EFER, ENTRY(15), "Guest IA32_EFER", "24.4.1"},
    {VX_VMCS_GUEST_PERF_GLOBAL_CTRL, ENTRY(13), "Guest IA32_PERF_GLOBAL_CTRL", "24.4.1"},
    {VX_VMCS_GUEST_PDPTE0, CPU2(1), "Guest PDPTE0", "24.4.2"},
    {VX_VMCS_GUEST_PDPTE1, CPU2(1), "Guest PDPTE1", "24.4.2"},
    {VX_VMCS_GUEST_PDPTE2, CPU2(1), "Guest PDPTE2", "24.4.2"},
    {VX_VMCS_GUEST_PDPTE3, CPU2(1), "Guest PDPTE3", "24.4.2"},
    {VX_VMCS_GUEST_BNDCFGS, ENTRY(16), "Guest IA32_BNDCFGS", "24.4.1"},
    {VX_VMCS_GUEST_RTIT_CTL, ENTRY(18), "Guest IA32_RTIT_CTL", "24.4.1"},
    {VX_VMCS_GUEST_LBR_CTL, ENTRY(21), "Guest IA32_LBR_CTL", "24.4.1"},
    {VX_VMCS_GUEST_PKRS, ENTRY(22), "Guest IA32_PKRS", "24.4.1"},
    {VX_VMCS_HOST_PAT, EXIT(19), "Host IA32_PAT", "24.5"},
    {VX_VMCS_HOST_EFER, EXIT(21), "Host IA32_EFER", "24.5"},
    {VX_VMCS_HOST_PERF_GLOBAL_CTRL, EXIT(12), "Host IA32_PERF_GLOBAL_CTRL", "24.5"},
    {VX_VMCS_HOST_PKRS, EXIT(29), "Host IA32_PKRS", "24.5"},
    {VX_VMCS_PIN_CONTROLS, ALWAYS, "Pin-based VM-execution controls", "24.6.1"},
    {VX_VMCS_CPU_CONTROLS, ALWAYS, "Primary processor-based VM-execution controls", "24.6.2"},
    {VX_VMCS_EXCEPTION_BITMAP, ALWAYS, "Exception bitmap", "24.6.3"},
    {VX_VMCS_PAGE_FAULT_MASK, ALWAYS, "Page-fault error-code mask", "24.6.3"},
    {VX_VMCS_PAGE_FAULT_MATCH, ALWAYS, "Page-fault error-code match", "24.6.3"},
    {VX_VMCS_CR3_TARGET_COUNT, ALWAYS, "CR3-target count", "24.6.7"},
    {VX_VMCS_EXIT_CONTROLS, ALWAYS, "Primary VM-exit controls", "24.7.1"},
    {VX_VMCS_EXIT_MSR_STORE_COUNT, ALWAYS, "VM-exit MSR-store count", "24.7.2"},
    {VX_VMCS_EXIT_MSR_LOAD_COUNT, ALWAYS, "VM-exit MSR-load count", "24.7.2"},
    {VX_VMCS_ENTRY_CONTROLS, ALWAYS, "VM-entry controls", "24.8.1"},
    {VX_VMCS_ENTRY_MSR_LOAD_COUNT, ALWAYS, "VM-entry MSR-load count", "24.8.2"},
    {VX_VMCS_ENTRY_INTERRUPTION_INFO, ALWAYS, "VM-entry interruption-information field", "24.8.3"},
    {VX_VMCS_ENTRY_ERROR_CODE, ALWAYS, "VM-entry exception error code", "24.8.3"},
    {VX_VMCS_ENTRY_INSTRUCTION_LENGTH, ALWAYS, "VM-entry instruction length", "24.8.3"},
    {VX_VMCS_TPR_THRESHOLD, CPU(21), "TPR threshold", "24.6.8"},
    {VX_VMCS_CPU2_CONTROLS, CPU(31), "Secondary processor-based VM-execution controls", "24.6.2"},
    {VX_VMCS_PLE_GAP, CPU2(10), "PLE_Gap", "24.6.13"},
    {VX_VMCS_PLE_WINDOW, CPU2(10), "PLE_Window", "24.6.13"},
    {VX_VMCS_INSTRUCTION_TIMEOUT, CPU2(31), "Instruction-timeout control", "24.6.25"},
    {VX_VMCS_INSTRUCTION_ERROR, ALWAYS, "VM-instruction error", "24.9.5"},
    {VX_VMCS_EXIT_REASON, ALWAYS, "Exit reason", "24.9.1"},
    {VX_VMCS_EXIT_INTERRUPTION_INFO, ALWAYS, "VM-exit interruption information", "24.9.2"},
    {VX_VMCS_EXIT_ERROR_CODE, ALWAYS, "VM-exit interruption error code", "24.9.2"},
    {VX_VMCS_IDT_VECTORING_INFO, ALWAYS, "IDT-vectoring information field", "24.9.3"},
    {VX_VMCS_IDT_VECTORING_ERROR_CODE, ALWAYS, "IDT-vectoring error code", "24.9.3"},
    {VX_VMCS_EXIT_INSTRUCTION_LENGTH, ALWAYS, "VM-exit instruction length", "24.9.4"},
    {VX_VMCS_EXIT_INSTRUCTION_INFO, ALWAYS, "VM-exit instruction information", "24.9.4"},
    {VX_VMCS_GUEST_ES_LIMIT, ALWAYS, "Guest ES limit", "24.4.1"},
    {VX_VMCS_GUEST_CS_LIMIT, ALWAYS, "Guest CS limit", "24.4.1"},
    {VX_VMCS_GUEST_SS_LIMIT, ALWAYS, "Guest SS limit", "24.4.1"},
    {VX_VMCS_GUEST_DS_LIMIT, ALWAYS, "Guest DS limit", "24.4.1"},
    {VX_VMCS_GUEST_FS_LIMIT, ALWAYS, "Guest FS limit", "24.4.1"},
    {VX_VMCS_GUEST_GS_LIMIT, ALWAYS, "Guest GS limit", "24.4.1"},
    {VX_VMCS_GUEST_LDTR_LIMIT, ALWAYS, "Guest LDTR limit", "24.4.1"},
    {VX_VMCS_GUEST_TR_LIMIT, ALWAYS, "Guest TR limit", "24.4.1"},
    {VX_VMCS_GUEST_GDTR_LIMIT, ALWAYS, "Guest GDTR limit", "24.4.1"},
    {VX_VMCS_GUEST_IDTR_LIMIT, ALWAYS, "Guest IDTR limit", "24.4.1"},
    {VX_VMCS_GUEST_ES_RIGHTS, ALWAYS, "Guest ES access rights", "24.4.1"},
    {VX_VMCS_GUEST_CS_RIGHTS, ALWAYS, "Guest CS access rights", "24.4.1"},
    {VX_VMCS_GUEST_SS_RIGHTS, ALWAYS, "Guest SS access rights", "24.4.1"},
    {VX_VMCS_GUEST_DS_RIGHTS, ALWAYS, "Guest DS access rights", "24.4.1"},
    {VX_VMCS_GUEST_FS_RIGHTS, ALWAYS, "Guest FS access rights", "24.4.1"},
    {VX_VMCS_GUEST_GS_RIGHTS, ALWAYS, "Guest GS access rights", "24.4.1"},
    {VX_VMCS_GUEST_LDTR_RIGHTS, ALWAYS, "Guest LDTR access rights", "24.4.1"},
    {VX_VMCS_GUEST_TR_RIGHTS, ALWAYS, "Guest TR access rights", "24.4.1"},
    {VX_VMCS_GUEST_INTERRUPTIBILITY, ALWAYS, "Guest interruptibility state", "24.4.2"},
    {VX_VMCS_GUEST_ACTIVITY, ALWAYS, "Guest activity state", "24.4.2"},
    {VX_VMCS_GUEST_SMBASE, ALWAYS, "Guest SMBASE", "24.4.1"},
    {VX_VMCS_GUEST_SYSENTER_CS, ALWAYS, "Guest IA32_SYSENTER_CS", "24.4.1"},
    {VX_VMCS_PREEMPTION_TIMER, PIN(6), "VMX-preemption timer value", "24.4.2"},
    {VX_VMCS_HOST_SYSENTER_CS, ALWAYS, "Host IA32_SYSENTER_CS", "24.5"},
    {VX_VMCS_CR0_MASK, ALWAYS, "CR0 guest/host mask", "24.6.6"},
    {VX_VMCS_CR4_MASK, ALWAYS, "CR4 guest/host mask", "24.6.6"},
    {VX_VMCS_CR0_SHADOW, ALWAYS, "CR0 read shadow", "24.6.6"},
    {VX_VMCS_CR4_SHADOW, ALWAYS, "CR4 read shadow", "24.6.6"},
    {VX_VMCS_CR3_TARGET_0, ALWAYS, "CR3-target value 0", "24.6.7"},
    {VX_VMCS_CR3_TARGET_1, ALWAYS, "CR3-target value 1", "24.6.7"},
    {VX_VMCS_CR3_TARGET_2, ALWAYS, "CR3-target value 2", "24.6.7"},
    {VX_VMCS_CR3_TARGET_3, ALWAYS, "CR3-target value 3", "24.6.7"},
    {VX_VMCS_EXIT_QUALIFICATION, ALWAYS, "Exit qualification", "24.9.1"},
    {VX_VMCS_IO_RCX, ALWAYS, "I/O RCX", "24.9.4"},
    {VX_VMCS_IO_RSI, ALWAYS, "I/O RSI", "24.9.4"},
    {VX_VMCS_IO_RDI, ALWAYS, "I/O RDI", "24.9.4"},
    {VX_VMCS_IO_RIP, ALWAYS, "I/O RIP", "24.9.4"},
    {VX_VMCS_GUEST_LINEAR_ADDRESS, ALWAYS, "Guest-linear address", "24.9.1"},
    {VX_VMCS_GUEST_CR0, ALWAYS, "Guest CR0", "24.4.1"},
    {VX_VMCS_GUEST_CR3, ALWAYS, "Guest CR3", "24.4.1"},
    {VX_VMCS_GUEST_CR4, ALWAYS, "Guest CR4", "24.4.1"},
    {VX_VMCS_GUEST_ES_BASE, ALWAYS, "Guest ES base", "24.4.1"},
    {VX_VMCS_GUEST_CS_BASE, ALWAYS, "Guest CS base", "24.4.1"},
    {VX_VMCS_GUEST_SS_BASE, ALWAYS, "Guest SS base", "24.4.1"},
    {VX_VMCS_GUEST_DS_BASE, ALWAYS, "Guest DS base", "24.4.1"},
    {VX_VMCS_GUEST_FS_BASE, ALWAYS, "Guest FS base", "24.4.1"},
    {VX_VMCS_GUEST_GS_BASE, ALWAYS, "Guest GS base", "24.4.1"},
    {VX_VMCS_GUEST_LDTR_BASE, ALWAYS, "Guest LDTR base", "24.4.1"},
    {VX_VMCS_GUEST_TR_BASE, ALWAYS, "Guest TR base", "24.4.1"},
    {VX_VMCS_GUEST_GDTR_BASE, ALWAYS, "Guest GDTR base", "24.4.1"},
    {VX_VMCS_GUEST_IDTR_BASE, ALWAYS, "Guest IDTR base", "24.4.1"},
    {VX_VMCS_GUEST_DR7, ALWAYS, "Guest DR7", "24.4.1"},
    {VX_VMCS_GUEST_RSP, ALWAYS, "Guest RSP", "24.4.1"},
    {VX_VMCS_GUEST_RIP, ALWAYS, "Guest RIP", "24.4.1"},
    {VX_VMCS_GUEST_RFLAGS, ALWAYS, "Guest RFLAGS", "24.4.1"},
    {VX_VMCS_GUEST_PENDING_DEBUG, ALWAYS, "Guest pending debug exceptions", "24.4.2"},
    {VX_VMCS_GUEST_SYSENTER_ESP, ALWAYS, "Guest IA32_SYSENTER_ESP", "24.4.1"},
    {VX_VMCS_GUEST_SYSENTER_EIP, ALWAYS, "Guest IA32_SYSENTER_EIP", "24.4.1"},
    {VX_VMCS_GUEST_S_CET, ENTRY(20), "Guest IA32_S_CET", "24.4.1"},
    {VX_VMCS_GUEST_SSP, ENTRY(20), "Guest SSP", "24.4.1"},
    {VX_VMCS_GUEST_SSP_TABLE, ENTRY(20), "Guest IA32_INTERRUPT_SSP_TABLE_ADDR", "24.4.1"},
    {VX_VMCS_HOST_CR0, ALWAYS, "Host CR0", "24.5"},
    {VX_VMCS_HOST_CR3, ALWAYS, "Host CR3", "24.5"},
    {VX_VMCS_HOST_CR4, ALWAYS, "Host CR4", "24.5"},
    {VX_VMCS_HOST_FS_BASE, ALWAYS, "Host FS base", "24.5"},
    {VX_VMCS_HOST_GS_BASE, ALWAYS, "Host GS base", "24.5"},
    {VX_VMCS_HOST_TR_BASE, ALWAYS, "Host TR base", "24.5"},
    {VX_VMCS_HOST_GDTR_BASE, ALWAYS, "Host GDTR base", "24.5"},
    {VX_VMCS_HOST_IDTR_BASE, ALWAYS, "Host IDTR base", "24.5"},
    {VX_VMCS_HOST_SYSENTER_ESP, ALWAYS, "Host IA32_SYSENTER_ESP", "24.5"},
    {VX_VMCS_HOST_SYSENTER_EIP, ALWAYS, "Host IA32_SYSENTER_EIP", "24.5"},
    {VX_VMCS_HOST_RSP, ALWAYS, "Host RSP", "24.5"},
    {VX_VMCS_HOST_RIP, ALWAYS, "Host RIP", "24.5"},
    {VX_VMCS_HOST_S_CET, EXIT(28), "Host IA32_S_CET", "24.5"},
    {VX_VMCS_HOST_SSP, EXIT(28), "Host SSP", "24.5"},
    {VX_VMCS_HOST_SSP_TABLE, EXIT(28), "Host IA32_INTERRUPT_SSP_TABLE_ADDR", "24.5"},
};
enum { FIELDS = sizeof fields / sizeof *fields };

/* Where the values of one width and type begin in an image, and how many indices (bits 9:1) they take. */
static const struct {
    uint8_t first, count;
} groups[4][4] = {{{0, 5}, {5, 0}, {5, 11}, {16, 7}},
                  {{23, 39}, {62, 1}, {63, 13}, {76, 4}},
                  {{80, 19}, {99, 8}, {107, 24}, {131, 1}},
                  {{132, 8}, {140, 6}, {146, 23}, {169, 15}}};

unsigned vx_vmcs_bytes_of(uint32_t encoding)
{
    static const uint8_t bytes[4] = {2, 8, 4, 8};
    return bytes[vx_vmcs_width_of(encoding)];
}

const vx_vmcs_field *vx_vmcs_field_at(unsigned index) { return index < FIELDS ? &fields[index] : NULL; }

unsigned vx_vmcs_field_count(void) { return FIELDS; }

static int by_encoding(const void *key, const void *row)
{
    return (int)*(const uint32_t *)key - (int)((const vx_vmcs_field *)row)->encoding;
}

const vx_vmcs_field *vx_vmcs_field_of(uint64_t encoding)
{
    bool high = (encoding & 1) != 0;
    if (encoding > 0x7FFF || (high && vx_vmcs_width_of((uint32_t)encoding) != VX_VMCS_64)) return NULL;
    uint32_t whole = (uint32_t)encoding & ~1U;
    return bsearch(&whole, fields, FIELDS, sizeof *fields, by_encoding);
}

static char lower(char c) { return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); }

static bool same_letters(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b)) a++, b++;
    return lower(*a) == lower(*b);
}

const vx_vmcs_field *vx_vmcs_field_named(const char *name)
{
    if (name[0] == '0' && (name[1] | 0x20) == 'x') {
        char *end;
        unsigned long long encoding = strtoull(name, &end, 16);
        const vx_vmcs_field *field = *end == '\0' ? vx_vmcs_field_of(encoding) : NULL;
        return field && field->encoding == encoding ? field : NULL; /* high halves have no name */
    }
    for (unsigned i = 0; i < FIELDS; i++)
        if (same_letters(fields[i].name, name)) return &fields[i];
    return NULL;
}

const char *vx_vmcs_field_near(const char *name)
{
    const char *names[FIELDS];
    for (unsigned i = 0; i < FIELDS; i++) names[i] = fields[i].name;
    return vx_did_you_mean(name, names, FIELDS);
}

bool vx_vmcs_field_exists(const vx_vmcs_field *field, const vx_vmx_caps *caps)
{
    return field->needs_word == VX_WORD_NONE || (caps->allowed1[field->needs_word] >> field->needs_bit & 1);
}

static unsigned slot_of(uint32_t encoding)
{
    unsigned width = vx_vmcs_width_of(encoding), type = vx_vmcs_type_of(encoding), index = encoding >> 1 & 0x1FF;
    assert(index < groups[width][type].count);
    return groups[width][type].first + index;
}

uint64_t vx_vmcs_get(const vx_vmcs_image *image, uint32_t encoding) { return image->slot[slot_of(encoding)]; }

static uint64_t cut(uint32_t encoding, uint64_t value)
{
    unsigned bytes = vx_vmcs_bytes_of(encoding);
    return bytes == 8 ? value : value & ((1ULL << bytes * 8) - 1);
}

void vx_vmcs_set(vx_vmcs_image *image, uint32_t encoding, uint64_t value)
{
    image->slot[slot_of(encoding)] = cut(encoding, value);
}

uint64_t vx_vmcs_read(const vx_vmcs_image *image, uint32_t encoding, bool wide)
{
    uint64_t value = vx_vmcs_get(image, encoding);
    if (encoding & 1) return value >> 32;
    return wide ? value : (uint32_t)value;
}

void vx_vmcs_write(vx_vmcs_image *image, uint32_t encoding, uint64_t value, bool wide)
{
    if (encoding & 1)
        value = (uint32_t)vx_vmcs_get(image, encoding) | value << 32;
    else if (!wide)
        value = (uint32_t)value; /* the high half of a longer field is cleared */
    vx_vmcs_set(image, encoding, value);
}
