/* Does a record make the VMCS exit? One row a record kind; the rows read like the manual's list.
 *
 * SDM Vol. 3C: 25.1.2 instructions that cause VM exits unconditionally, 25.1.3 conditionally, 25.2 other causes of VM
 * exits, 27.2.1 exit reason and qualification, 27.2.2 information about vectored events. (Chapter numbers: see
 * vx_vmcs.h.)
 *
 * NOT MODELLED: what the traces do not hold, and is therefore 0 in a qualification: the general-purpose register of MOV
 * CR and MOV DR, the displacement of memory operands, register or memory form of LMSW, immediate form of IN and OUT,
 * the bits of a debug exception. PAUSE-loop exiting, the VMX-preemption timer, the interrupt and NMI windows and the
 * monitor trap flag depend on time or on instruction boundaries, not on a record. Privilege faults come before exits in
 * hardware; a recorded instruction did not fault. MOV to CR3, CR0 or CR4 that would load faulty PDPTEs. GETSEC, RDRAND,
 * RDSEED, XSAVES, SGX and user-wait instructions have no records. */
#include "vmcs_apic_exits.h"
#include "vx_vmcs.h"

typedef struct vmcs_rule vmcs_rule;

typedef struct question {
    const vmcs_rule *rule;
    const vx_vmcs *vmcs;
    uint32_t cpu2; /* the secondary controls in effect */
    const vx_exit_context *context;
    const vx_record *record;
    const uint64_t *payload;
} question;

/* True: exits. *exit then holds the rule's reason and zeros, and the function adds what else there is to say. */
typedef bool decide_fn(const question *q, vx_exit *exit);

struct vmcs_rule {
    decide_fn *decide;
    uint32_t reason;
    uint32_t cpu, cpu2; /* by_controls: all these primary and secondary controls must be 1 */
};

enum {
    CR0_PE = 1,
    CR0_TS = 8,
    VECTOR_NMI = 2,
    VECTOR_PAGE_FAULT = 14,
    CR_TO = 0U << 4, /* SDM Table 27-3, access type */
    CR_FROM = 1U << 4,
    CR_CLTS = 2U << 4,
    CR_LMSW = 3U << 4,
    DR_FROM = 1U << 4, /* Table 27-4 */
    IO_IN = 1U << 3,   /* Table 27-5 */
    IO_STRING = 1U << 4,
    IO_REP = 1U << 5,
    IO_PORTS = 0x10000,
    INFO_TYPE_EXTERNAL = 0U << 8, /* 24.9.2, interruption type */
    INFO_TYPE_NMI = 2U << 8,
    INFO_TYPE_HARDWARE = 3U << 8,
    INFO_TYPE_SOFTWARE = 6U << 8,
    INFO_ERROR_CODE = 1U << 11,
};
#define INFO_VALID (1U << 31)
#define MSR_EFER 0xC0000080U

/* A word of the record's payload; 0 where the record has none (a hostile or shortened record). */
static uint64_t word(const question *q, unsigned index)
{
    return q->payload && index < q->record->count ? q->payload[index] : 0;
}

static bool bit(const uint8_t *map, uint32_t index) { return map && (map[index / 8] >> (index % 8) & 1); }

/* ---- the general rules ---- */

static bool never(const question *q, vx_exit *exit)
{
    (void)q, (void)exit;
    return false;
}

static bool always(const question *q, vx_exit *exit)
{
    (void)q, (void)exit;
    return true;
}

static bool by_controls(const question *q, vx_exit *exit)
{
    (void)exit;
    return (q->vmcs->cpu & q->rule->cpu) == q->rule->cpu && (q->cpu2 & q->rule->cpu2) == q->rule->cpu2;
}

static bool invlpg(const question *q, vx_exit *exit)
{
    exit->qualification = q->record->addr;
    return by_controls(q, exit);
}

static bool mwait(const question *q, vx_exit *exit)
{
    exit->qualification = q->context->monitor_armed;
    return by_controls(q, exit);
}

/* ---- control and debug registers, 25.1.3 ---- */

/* MOV to CR3 exits unless its operand is one of the first n CR3-target values. */
static bool cr3_load_exits(const question *q)
{
    const vx_vmcs *vmcs = q->vmcs;
    if (!(vmcs->cpu & VX_CPU_CR3_LOAD_EXITING)) return false;
    for (uint32_t i = 0; i < vmcs->cr3_target_count && i < VX_VMCS_CR3_TARGETS; i++)
        if (vmcs->cr3_target[i] == q->record->addr) return false;
    return true;
}

/* MOV to CR8 stores VTPR[7:4], then TPR virtualization looks at the threshold (29.3, 29.1.2). */
static bool cr8_load(const question *q, vx_exit *exit)
{
    if (q->vmcs->cpu & VX_CPU_CR8_LOAD_EXITING) return true;
    return vx_vmcs_tpr_write_exits(q->vmcs, q->cpu2, (uint32_t)q->record->addr & 0xF, exit);
}

static bool cr_write(const question *q, vx_exit *exit)
{
    const vx_vmcs *vmcs = q->vmcs;
    uint64_t value = q->record->addr;
    exit->qualification = CR_TO | q->record->size;
    switch (q->record->size) {
    case 0:
        return ((value ^ vmcs->cr0_shadow) & vmcs->cr0_mask) != 0;
    case 3:
        return cr3_load_exits(q);
    case 4:
        return ((value ^ vmcs->cr4_shadow) & vmcs->cr4_mask) != 0;
    case 8:
        return cr8_load(q, exit);
    default: /* MOV to CR2 */
        return false;
    }
}

/* MOV from CR0 and CR4 never exit: they read through mask and shadow. */
static bool cr_read(const question *q, vx_exit *exit)
{
    exit->qualification = CR_FROM | q->record->size;
    switch (q->record->size) {
    case 3:
        return (q->vmcs->cpu & VX_CPU_CR3_STORE_EXITING) != 0;
    case 8:
        return (q->vmcs->cpu & VX_CPU_CR8_STORE_EXITING) != 0;
    default:
        return false;
    }
}

static bool clts(const question *q, vx_exit *exit)
{
    exit->qualification = CR_CLTS;
    return (q->vmcs->cr0_mask & q->vmcs->cr0_shadow & CR0_TS) != 0;
}

/* LMSW writes CR0[3:0] but never clears PE: of the host's bits, PE exits when it would be set, the others when they
 * would change. */
static bool lmsw(const question *q, vx_exit *exit)
{
    uint64_t source = q->record->addr, mask = q->vmcs->cr0_mask, shadow = q->vmcs->cr0_shadow;
    exit->qualification = CR_LMSW | (source & 0xFFFF) << 16;
    return (mask & source & ~shadow & CR0_PE) != 0 || (mask & (source ^ shadow) & 0xE) != 0;
}

static bool dr_read(const question *q, vx_exit *exit)
{
    exit->qualification = DR_FROM | (q->record->size & 7U);
    return by_controls(q, exit);
}

static bool dr_write(const question *q, vx_exit *exit)
{
    exit->qualification = q->record->size & 7U;
    return by_controls(q, exit);
}

/* LGDT, LIDT, SGDT, SIDT have one reason, LLDT, LTR, SLDT, STR another; SMSW reads CR0 and never exits. */
static bool desc_table(const question *q, vx_exit *exit)
{
    switch (q->record->size) {
    case VX_DESC_SMSW:
        return false;
    case VX_DESC_SLDT:
    case VX_DESC_STR:
    case VX_DESC_LLDT:
    case VX_DESC_LTR:
        exit->reason = VX_EXIT_LDTR_TR;
        return by_controls(q, exit);
    default:
        return by_controls(q, exit);
    }
}

/* ---- ports and model-specific registers, 25.1.3, 24.6.4, 24.6.9 ---- */

/* An access is trapped by the bit of any port it touches, and always where it wraps from port FFFFH to 0. */
static bool io_bitmap_exits(const uint8_t *bitmap, uint32_t port, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        if (port + i >= IO_PORTS || bit(bitmap, port + i)) return true;
    return false;
}

static bool io(const question *q, vx_exit *exit)
{
    uint32_t port = (uint32_t)q->record->addr & 0xFFFF, bytes = q->record->size;
    uint64_t repetitions = word(q, 1);
    exit->qualification = (bytes - 1) & 7;
    exit->qualification |= q->record->kind == VX_REC_IO_IN ? IO_IN : 0;
    exit->qualification |= repetitions > 0 ? IO_STRING : 0;
    exit->qualification |= repetitions > 1 ? IO_REP : 0;
    exit->qualification |= (uint64_t)port << 16;
    if (q->vmcs->cpu & VX_CPU_USE_IO_BITMAPS) return io_bitmap_exits(q->vmcs->io_bitmap, port, bytes);
    return (q->vmcs->cpu & VX_CPU_UNCONDITIONAL_IO_EXITING) != 0;
}

static bool msr_bitmap_exits(const vx_vmcs *vmcs, uint64_t msr, bool write)
{
    enum { HIGH_BYTES = 1024, WRITE_BYTES = 2048 };
    if (!(vmcs->cpu & VX_CPU_USE_MSR_BITMAPS)) return true;
    uint32_t byte = write ? WRITE_BYTES : 0;
    if (msr >= 0xC0000000 && msr <= 0xC0001FFF)
        byte += HIGH_BYTES;
    else if (msr > 0x1FFF)
        return true;
    return bit(vmcs->msr_bitmap, byte * 8 + (uint32_t)(msr & 0x1FFF));
}

static bool rdmsr(const question *q, vx_exit *exit)
{
    (void)exit;
    return msr_bitmap_exits(q->vmcs, q->record->addr, false);
}

static bool wrmsr(const question *q, vx_exit *exit)
{
    if (msr_bitmap_exits(q->vmcs, q->record->addr, true)) return true;
    return vx_vmcs_x2apic_write_exits(q->vmcs, q->cpu2, q->record->addr, word(q, 0), exit);
}

/* The record stands for the WRMSR that loads EFER. */
static bool efer_load(const question *q, vx_exit *exit)
{
    (void)exit;
    return msr_bitmap_exits(q->vmcs, MSR_EFER, true);
}

/* ---- the local APIC's page, 29.4 ---- */

static bool apic_read(const question *q, vx_exit *exit)
{
    return vx_vmcs_apic_read_exits(q->vmcs, q->cpu2, q->record, exit);
}

static bool apic_write(const question *q, vx_exit *exit)
{
    return vx_vmcs_apic_write_exits(q->vmcs, q->cpu2, q->record, word(q, 0), exit);
}

/* ---- events, 25.2 ---- */

bool vx_vmcs_page_fault_exits(const vx_vmcs *vmcs, uint32_t error_code)
{
    bool equal = (error_code & vmcs->page_fault_mask) == vmcs->page_fault_match;
    return equal == ((vmcs->exception_bitmap >> VECTOR_PAGE_FAULT & 1) != 0);
}

/* #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP push an error code (SDM Vol. 3A, Table 6-1). */
static bool pushes_error_code(unsigned vector)
{
    const uint32_t vectors = 1U << 8 | 1U << 10 | 1U << 11 | 1U << 12 | 1U << 13 | 1U << 14 | 1U << 17 | 1U << 21;
    return vectors >> vector & 1;
}

static bool exception_exits(const vx_vmcs *vmcs, unsigned vector, uint32_t error_code)
{
    if (vector == VECTOR_NMI) return (vmcs->pin & VX_PIN_NMI_EXITING) != 0;
    if (vector == VECTOR_PAGE_FAULT) return vx_vmcs_page_fault_exits(vmcs, error_code);
    return vmcs->exception_bitmap >> vector & 1;
}

static uint32_t exception_type(unsigned vector)
{
    if (vector == VECTOR_NMI) return INFO_TYPE_NMI;
    return vector == 3 || vector == 4 ? INFO_TYPE_SOFTWARE : INFO_TYPE_HARDWARE; /* INT3, INTO */
}

static bool exception(const question *q, vx_exit *exit)
{
    unsigned vector = q->record->size;
    uint32_t error_code = (uint32_t)word(q, 0);
    if (vector > 31 || !exception_exits(q->vmcs, vector, error_code)) return false;
    exit->interruption = INFO_VALID | exception_type(vector) | vector;
    if (pushes_error_code(vector) && (q->context->cr0 & CR0_PE)) {
        exit->interruption |= INFO_ERROR_CODE;
        exit->error_code = error_code;
    }
    if (vector == VECTOR_PAGE_FAULT) exit->qualification = q->record->addr;
    return true;
}

/* The vector is reported as with "acknowledge interrupt on exit", an exit control. */
static bool interrupt(const question *q, vx_exit *exit)
{
    exit->interruption = INFO_VALID | INFO_TYPE_EXTERNAL | q->record->size;
    return (q->vmcs->pin & VX_PIN_EXTERNAL_INTERRUPT_EXITING) != 0;
}

/* ---- instructions introduced with VMX, 25.1.2, 25.1.3, 25.5.5 ---- */

/* VMREAD and VMWRITE reach a shadow VMCS where the bitmap of fields lets them (24.6.15). */
static bool shadowed(const question *q, const uint8_t *bitmap)
{
    uint64_t field = q->record->addr;
    return (q->cpu2 & VX_CPU2_VMCS_SHADOWING) && field < VX_VMREAD_BITMAP_BYTES * 8 && !bit(bitmap, (uint32_t)field);
}

static bool vmfunc_exits(const question *q)
{
    uint64_t function = q->record->addr;
    bool undefined = !(q->cpu2 & VX_CPU2_VM_FUNCTIONS) || function > 63; /* #UD, no exit */
    return !undefined && !(q->vmcs->vm_functions >> function & 1);
}

static bool vmx_instruction(const question *q, vx_exit *exit)
{
    exit->reason = q->record->size; /* the record holds the instruction's reason */
    switch (exit->reason) {
    case VX_EXIT_VMREAD:
        return !shadowed(q, q->vmcs->vmread_bitmap);
    case VX_EXIT_VMWRITE:
        return !shadowed(q, q->vmcs->vmwrite_bitmap);
    case VX_EXIT_VMFUNC:
        return vmfunc_exits(q);
    default:
        return true;
    }
}

/* ---- the table ---- */

static const vmcs_rule rules[VX_REC_KINDS] = {
    /* Unconditional, 25.1.2 */
    [VX_REC_CPUID] = {always, VX_EXIT_CPUID, 0, 0},
    [VX_REC_INVD] = {always, VX_EXIT_INVD, 0, 0},
    [VX_REC_XSETBV] = {always, VX_EXIT_XSETBV, 0, 0},
    [VX_REC_VMCALL] = {always, VX_EXIT_VMCALL, 0, 0},
    [VX_REC_VMX] = {vmx_instruction, VX_EXIT_VMREAD, 0, 0},
    /* Conditional, 25.1.3, in the manual's order */
    [VX_REC_CLTS] = {clts, VX_EXIT_CR_ACCESS, 0, 0},
    [VX_REC_HLT] = {by_controls, VX_EXIT_HLT, VX_CPU_HLT_EXITING, 0},
    [VX_REC_IO_IN] = {io, VX_EXIT_IO_INSTRUCTION, 0, 0},
    [VX_REC_IO_OUT] = {io, VX_EXIT_IO_INSTRUCTION, 0, 0},
    [VX_REC_INVLPG] = {invlpg, VX_EXIT_INVLPG, VX_CPU_INVLPG_EXITING, 0},
    [VX_REC_INVPCID] = {by_controls, VX_EXIT_INVPCID, VX_CPU_INVLPG_EXITING, VX_CPU2_INVPCID},
    [VX_REC_DESC_TABLE] = {desc_table, VX_EXIT_GDTR_IDTR, 0, VX_CPU2_DESCRIPTOR_TABLE_EXITING},
    [VX_REC_LMSW] = {lmsw, VX_EXIT_CR_ACCESS, 0, 0},
    [VX_REC_MONITOR] = {by_controls, VX_EXIT_MONITOR_INSTRUCTION, VX_CPU_MONITOR_EXITING, 0},
    [VX_REC_CR_READ] = {cr_read, VX_EXIT_CR_ACCESS, 0, 0},
    [VX_REC_CR_WRITE] = {cr_write, VX_EXIT_CR_ACCESS, 0, 0},
    [VX_REC_DR_READ] = {dr_read, VX_EXIT_DR_ACCESS, VX_CPU_MOV_DR_EXITING, 0},
    [VX_REC_DR_WRITE] = {dr_write, VX_EXIT_DR_ACCESS, VX_CPU_MOV_DR_EXITING, 0},
    [VX_REC_MWAIT] = {mwait, VX_EXIT_MWAIT_INSTRUCTION, VX_CPU_MWAIT_EXITING, 0},
    [VX_REC_PAUSE] = {by_controls, VX_EXIT_PAUSE_INSTRUCTION, VX_CPU_PAUSE_EXITING, 0},
    [VX_REC_RDMSR] = {rdmsr, VX_EXIT_MSR_READ, 0, 0},
    [VX_REC_RDPMC] = {by_controls, VX_EXIT_RDPMC, VX_CPU_RDPMC_EXITING, 0},
    [VX_REC_RDTSC] = {by_controls, VX_EXIT_RDTSC, VX_CPU_RDTSC_EXITING, 0},
    [VX_REC_RDTSCP] = {by_controls, VX_EXIT_RDTSCP, VX_CPU_RDTSC_EXITING, VX_CPU2_RDTSCP},
    [VX_REC_WBINVD] = {by_controls, VX_EXIT_WBINVD, 0, VX_CPU2_WBINVD_EXITING},
    [VX_REC_WRMSR] = {wrmsr, VX_EXIT_MSR_WRITE, 0, 0},
    [VX_REC_EFER_LOAD] = {efer_load, VX_EXIT_MSR_WRITE, 0, 0},
    /* Other causes, 25.2 */
    [VX_REC_EXCEPTION] = {exception, VX_EXIT_EXCEPTION_NMI, 0, 0},
    [VX_REC_INTERRUPT] = {interrupt, VX_EXIT_EXTERNAL_INTERRUPT, 0, 0},
    /* The local APIC's page, 29.4 */
    [VX_REC_APIC_READ] = {apic_read, VX_EXIT_APIC_ACCESS, 0, 0},
    [VX_REC_APIC_WRITE] = {apic_write, VX_EXIT_APIC_ACCESS, 0, 0},
    /* Never by themselves: references and MMIO exit out of translation (EPT violation or misconfiguration). */
    [VX_REC_FETCH] = {never, 0, 0, 0},
    [VX_REC_LOAD] = {never, 0, 0, 0},
    [VX_REC_STORE] = {never, 0, 0, 0},
    [VX_REC_PT_STORE] = {never, 0, 0, 0},
    [VX_REC_MMIO_READ] = {never, 0, 0, 0},
    [VX_REC_MMIO_WRITE] = {never, 0, 0, 0},
    /* Never: what the recorder notes about the trace, not done by the guest. */
    [VX_REC_PT_PAGE_NEW] = {never, 0, 0, 0},
    [VX_REC_PT_PAGE_GONE] = {never, 0, 0, 0},
    [VX_REC_STATE] = {never, 0, 0, 0},
    [VX_REC_SKIPPED] = {never, 0, 0, 0},
    [VX_REC_GPA] = {never, 0, 0, 0},
    [VX_REC_PROCESS] = {never, 0, 0, 0},
    [VX_REC_MARK] = {never, 0, 0, 0},
    [VX_REC_CPL] = {never, 0, 0, 0},
    /* Never: part of the CR3 load before it. */
    [VX_REC_PDPTE_LOAD] = {never, 0, 0, 0},
    /* Never: no control is about them. A software interrupt exits only through an exception of its delivery. */
    [VX_REC_INT_N] = {never, 0, 0, 0},
    [VX_REC_IRET] = {never, 0, 0, 0},
    [VX_REC_SYSCALL] = {never, 0, 0, 0},
    [VX_REC_SYSRET] = {never, 0, 0, 0},
    [VX_REC_SYSENTER] = {never, 0, 0, 0},
    [VX_REC_SYSEXIT] = {never, 0, 0, 0},
    [VX_REC_CLI] = {never, 0, 0, 0},
    [VX_REC_STI] = {never, 0, 0, 0},
    [VX_REC_PUSHF] = {never, 0, 0, 0},
    [VX_REC_POPF] = {never, 0, 0, 0},
    [VX_REC_SWAPGS] = {never, 0, 0, 0},
    /* Never by themselves: #UD on Intel, an EXCEPTION record of its own. */
    [VX_REC_VMMCALL] = {never, 0, 0, 0},
    [VX_REC_SVM] = {never, 0, 0, 0},
    /* Never: devices do not run on the vCPU. */
    [VX_REC_DMA] = {never, 0, 0, 0},
    [VX_REC_DMA_MAP] = {never, 0, 0, 0},
    [VX_REC_DMA_UNMAP] = {never, 0, 0, 0},
    [VX_REC_MSI] = {never, 0, 0, 0},
};

bool vx_vmcs_exits(const vx_vmcs *vmcs, const vx_exit_context *context, const vx_record *record,
                   const uint64_t *payload, vx_exit *exit)
{
    if (record->kind >= VX_REC_KINDS || !rules[record->kind].decide) return false;
    const vmcs_rule *rule = &rules[record->kind];
    question q = {rule, vmcs, vmcs->cpu & VX_CPU_SECONDARY_CONTROLS ? vmcs->cpu2 : 0, context, record, payload};
    vx_exit found = {.reason = rule->reason};
    if (!rule->decide(&q, &found)) return false;
    *exit = found;
    return true;
}
