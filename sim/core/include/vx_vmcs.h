/* The part of the virtual-machine control structure that decides exits, and AMD's intercept vectors in the same form.
 *
 * Field and control names are the SDM's (Vol. 3C chapter 24, "Virtual-machine control structures"); bits are at their
 * architectural positions, so that a value can be compared with a real one. Encodings, entry checks and the state areas
 * are vx_vmcs_field.h's, vx_vmx_check.h's and vx_vmx.h's, which derives this structure at VM entry.
 *
 * Chapters are numbered as in the editions where the VMCS is chapter 24 (25 non-root operation, 26 entries, 27 exits,
 * 29 APIC virtualization); in that of December 2023 each is one higher, in 2008's three lower.
 *
 * NOT MODELLED here: guest- and host-state areas, entry controls, MSR load and store areas, entry checks; HLAT, IPI
 * virtualization, conceal VMX from PT and PT's guest-physical addresses beyond their bits. */
#ifndef VX_VMCS_H
#define VX_VMCS_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_addr.h"
#include "vx_exit.h"
#include "vx_physmem.h"
#include "vx_record.h"
#include "vx_svm_interrupts.h"
#include "vx_virtual_apic.h"

/* Pin-based controls, SDM Table 24-5. */
#define VX_PIN_EXTERNAL_INTERRUPT_EXITING (1U << 0)
#define VX_PIN_NMI_EXITING (1U << 3)
#define VX_PIN_VIRTUAL_NMIS (1U << 5)
#define VX_PIN_PREEMPTION_TIMER (1U << 6)
#define VX_PIN_POSTED_INTERRUPTS (1U << 7)

/* Primary processor-based controls, SDM Table 24-6. */
#define VX_CPU_INTERRUPT_WINDOW_EXITING (1U << 2)
#define VX_CPU_TSC_OFFSETTING (1U << 3)
#define VX_CPU_HLT_EXITING (1U << 7)
#define VX_CPU_INVLPG_EXITING (1U << 9)
#define VX_CPU_MWAIT_EXITING (1U << 10)
#define VX_CPU_RDPMC_EXITING (1U << 11)
#define VX_CPU_RDTSC_EXITING (1U << 12)
#define VX_CPU_CR3_LOAD_EXITING (1U << 15)
#define VX_CPU_CR3_STORE_EXITING (1U << 16)
#define VX_CPU_TERTIARY_CONTROLS (1U << 17)
#define VX_CPU_CR8_LOAD_EXITING (1U << 19)
#define VX_CPU_CR8_STORE_EXITING (1U << 20)
#define VX_CPU_TPR_SHADOW (1U << 21)
#define VX_CPU_NMI_WINDOW_EXITING (1U << 22)
#define VX_CPU_MOV_DR_EXITING (1U << 23)
#define VX_CPU_UNCONDITIONAL_IO_EXITING (1U << 24)
#define VX_CPU_USE_IO_BITMAPS (1U << 25)
#define VX_CPU_MONITOR_TRAP_FLAG (1U << 27)
#define VX_CPU_USE_MSR_BITMAPS (1U << 28)
#define VX_CPU_MONITOR_EXITING (1U << 29)
#define VX_CPU_PAUSE_EXITING (1U << 30)
#define VX_CPU_SECONDARY_CONTROLS (1U << 31)

/* Secondary processor-based controls, SDM Table 24-7. */
#define VX_CPU2_VIRTUALIZE_APIC_ACCESSES (1U << 0)
#define VX_CPU2_EPT (1U << 1)
#define VX_CPU2_DESCRIPTOR_TABLE_EXITING (1U << 2)
#define VX_CPU2_RDTSCP (1U << 3)
#define VX_CPU2_VIRTUALIZE_X2APIC (1U << 4)
#define VX_CPU2_VPID (1U << 5)
#define VX_CPU2_WBINVD_EXITING (1U << 6)
#define VX_CPU2_UNRESTRICTED_GUEST (1U << 7)
#define VX_CPU2_APIC_REGISTER_VIRTUALIZATION (1U << 8)
#define VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY (1U << 9)
#define VX_CPU2_PAUSE_LOOP_EXITING (1U << 10)
#define VX_CPU2_RDRAND_EXITING (1U << 11)
#define VX_CPU2_INVPCID (1U << 12)
#define VX_CPU2_VM_FUNCTIONS (1U << 13)
#define VX_CPU2_VMCS_SHADOWING (1U << 14)
#define VX_CPU2_ENCLS_EXITING (1U << 15)
#define VX_CPU2_RDSEED_EXITING (1U << 16)
#define VX_CPU2_PML (1U << 17)
#define VX_CPU2_EPT_VIOLATION_VE (1U << 18)
#define VX_CPU2_CONCEAL_VMX_FROM_PT (1U << 19)
#define VX_CPU2_XSAVES (1U << 20)
#define VX_CPU2_PASID_TRANSLATION (1U << 21)
#define VX_CPU2_MODE_BASED_EXECUTE (1U << 22)
#define VX_CPU2_SUB_PAGE_WRITE (1U << 23)
#define VX_CPU2_PT_USES_GPA (1U << 24)
#define VX_CPU2_TSC_SCALING (1U << 25)
#define VX_CPU2_USER_WAIT (1U << 26)
#define VX_CPU2_PCONFIG (1U << 27)
#define VX_CPU2_ENCLV_EXITING (1U << 28)
#define VX_CPU2_BUS_LOCK_DETECTION (1U << 30)
#define VX_CPU2_INSTRUCTION_TIMEOUT (1U << 31)

/* Tertiary processor-based controls, SDM Table 24-8. */
#define VX_CPU3_LOADIWKEY_EXITING (1ULL << 0)
#define VX_CPU3_HLAT (1ULL << 1)
#define VX_CPU3_EPT_PAGING_WRITE (1ULL << 2)
#define VX_CPU3_GUEST_PAGING_VERIFICATION (1ULL << 3)
#define VX_CPU3_IPI_VIRTUALIZATION (1ULL << 4)
#define VX_CPU3_VIRTUALIZE_SPEC_CTRL (1ULL << 7)

/* Primary VM-exit controls, SDM Table 24-13. */
#define VX_EXIT_CONTROL_SAVE_DEBUG (1U << 2)
#define VX_EXIT_CONTROL_HOST_64 (1U << 9)
#define VX_EXIT_CONTROL_LOAD_PERF_GLOBAL_CTRL (1U << 12)
#define VX_EXIT_CONTROL_ACKNOWLEDGE_INTERRUPT (1U << 15)
#define VX_EXIT_CONTROL_SAVE_PAT (1U << 18)
#define VX_EXIT_CONTROL_LOAD_PAT (1U << 19)
#define VX_EXIT_CONTROL_SAVE_EFER (1U << 20)
#define VX_EXIT_CONTROL_LOAD_EFER (1U << 21)
#define VX_EXIT_CONTROL_SAVE_PREEMPTION_TIMER (1U << 22)
#define VX_EXIT_CONTROL_CLEAR_BNDCFGS (1U << 23)
#define VX_EXIT_CONTROL_CLEAR_RTIT_CTL (1U << 25)
#define VX_EXIT_CONTROL_CLEAR_LBR_CTL (1U << 26)
#define VX_EXIT_CONTROL_CLEAR_UINV (1U << 27)
#define VX_EXIT_CONTROL_LOAD_CET (1U << 28)
#define VX_EXIT_CONTROL_LOAD_PKRS (1U << 29)
#define VX_EXIT_CONTROL_SAVE_PERF_GLOBAL_CTRL (1U << 30)
#define VX_EXIT_CONTROL_SECONDARY_CONTROLS (1U << 31)

/* VM-entry controls, SDM Table 24-16. */
#define VX_ENTRY_CONTROL_LOAD_DEBUG (1U << 2)
#define VX_ENTRY_CONTROL_IA32E (1U << 9)
#define VX_ENTRY_CONTROL_SMM (1U << 10)
#define VX_ENTRY_CONTROL_DEACTIVATE_DUAL_MONITOR (1U << 11)
#define VX_ENTRY_CONTROL_LOAD_PERF_GLOBAL_CTRL (1U << 13)
#define VX_ENTRY_CONTROL_LOAD_PAT (1U << 14)
#define VX_ENTRY_CONTROL_LOAD_EFER (1U << 15)
#define VX_ENTRY_CONTROL_LOAD_BNDCFGS (1U << 16)
#define VX_ENTRY_CONTROL_LOAD_RTIT_CTL (1U << 18)
#define VX_ENTRY_CONTROL_LOAD_UINV (1U << 19)
#define VX_ENTRY_CONTROL_LOAD_CET (1U << 20)
#define VX_ENTRY_CONTROL_LOAD_LBR_CTL (1U << 21)
#define VX_ENTRY_CONTROL_LOAD_PKRS (1U << 22)

/* Sizes of the bitmaps: a VMCS's, then a VMCB's permission maps. */
enum {
    VX_VMCS_CR3_TARGETS = 4,
    VX_IO_BITMAP_BYTES = 8192,
    VX_MSR_BITMAP_BYTES = 4096,
    VX_VMREAD_BITMAP_BYTES = 4096,
    VX_IOPM_BYTES = 12288,
    VX_MSRPM_BYTES = 8192
};

typedef struct vx_vmcs {
    uint32_t pin, cpu, cpu2;
    uint32_t exception_bitmap;
    uint32_t page_fault_mask, page_fault_match; /* SDM 24.6.3 */
    uint64_t cr0_mask, cr4_mask;                /* guest/host masks: 1 = owned by the host */
    uint64_t cr0_shadow, cr4_shadow;            /* read shadows */
    uint32_t cr3_target_count;                  /* 0 to 4 */
    uint64_t cr3_target[VX_VMCS_CR3_TARGETS];
    const uint8_t *io_bitmap;  /* A then B, 8 KiB: bit n is port n; NULL: all zero */
    const uint8_t *msr_bitmap; /* 4 KiB: read low, read high, write low, write high; NULL: all zero */
    uint64_t eptp;             /* EPT pointer, SDM Table 24-8 */
    uint16_t vpid;
    uint32_t tpr_threshold;        /* bits 3:0 */
    uint64_t vm_functions;         /* VM-function controls, SDM 24.6.14: 1 = VMFUNC of that number does not exit */
    const uint8_t *vmread_bitmap;  /* VMCS shadowing, SDM 24.6.15: bit n is field encoding n; NULL: all zero */
    const uint8_t *vmwrite_bitmap; /* the same for VMWRITE */
    uint64_t cpu3;                 /* tertiary processor-based controls */
    uint32_t exit_controls;        /* primary VM-exit controls */
    uint64_t tsc_offset, tsc_multiplier;                 /* 24.6.5; the multiplier has 48 fraction bits */
    uint32_t ple_gap, ple_window;                        /* 24.6.13, in ticks of the TSC */
    uint64_t encls_exiting_bitmap, enclv_exiting_bitmap; /* 24.6.16, 24.6.17 */
    uint64_t pconfig_exiting_bitmap, xss_exiting_bitmap; /* 24.6.18, 24.6.21 */
    uint32_t preemption_timer_value;                     /* guest-state area, 24.4.2 */
    uint64_t eptp_list_address;                          /* 24.6.14: host-physical address of 512 EPTPs */
    uint16_t eptp_index;                                 /* 24.6.20; written by EPTP switching */
    uint64_t ve_information_address;                     /* 24.6.20, host-physical */
    uint64_t pml_address;                                /* 24.6.19, host-physical */
    uint16_t pml_index;                                  /* guest-state area; counted down by the processor */
    uint64_t sppt_pointer;                               /* 24.6.22, host-physical */
    uint64_t pasid_directory_low, pasid_directory_high;  /* 24.6.24, host-physical */
    uint64_t spec_ctrl_mask, spec_ctrl_shadow;           /* 24.6.26 */
    uint16_t posted_interrupt_notification_vector;       /* 24.6.8 */
    uint64_t eoi_exit_bitmap[4];                         /* 24.6.8: bit n is vector n */
    uint16_t guest_interrupt_status;                     /* 24.4.2: RVI, and SVI in bits 15:8; loaded by VM entry */
    vx_posted *posted; /* what the posted-interrupt descriptor address names; NULL: none. The caller's */
} vx_vmcs;

/* The controls in effect: without the control that activates them, secondary and tertiary ones are all 0 (24.6.2). */
static inline uint32_t vx_vmcs_cpu2(const vx_vmcs *vmcs)
{
    return vmcs->cpu & VX_CPU_SECONDARY_CONTROLS ? vmcs->cpu2 : 0;
}
/* The same of the tertiary controls. */
static inline uint64_t vx_vmcs_cpu3(const vx_vmcs *vmcs)
{
    return vmcs->cpu & VX_CPU_TERTIARY_CONTROLS ? vmcs->cpu3 : 0;
}

/* AMD: the intercepts of a VMCB (APM Vol. 2, 15.9 and Appendix B), bit n at its architectural position. The bitmaps are
 * the caller's and must outlive the structure. */
typedef struct vx_vmcb {
    uint16_t cr_read, cr_write; /* bit n: CRn */
    uint16_t dr_read, dr_write;
    uint32_t exceptions;
    uint32_t intercepts1; /* VMCB offset 00Ch: INTR 0, NMI 1, SMI 2, INIT 3, VINTR 4, CR0_SEL_WRITE 5, ... */
    uint32_t intercepts2; /* offset 010h: VMRUN 0, VMMCALL 1, ... RDTSCP 7, WBINVD 9, MONITOR 10, MWAIT 11, MWAIT with
                             the monitor armed 12, XSETBV 13 */
    uint32_t intercepts3; /* offset 014h: INVPCID 2 */
    bool decode_assists;  /* the processor's (CPUID Fn8000_000A EDX[7]): operands in EXITINFO1 */
    const uint8_t *io_bitmap;  /* IOPM, 12 KiB: bit n is port n; NULL: all zero; looked at where IOIO is intercepted */
    const uint8_t *msr_bitmap; /* MSRPM, 8 KiB; NULL: all zero; looked at where MSR is intercepted */
    uint32_t asid;
    uint8_t tlb_control; /* at each VMRUN: 0 nothing, 1 all ASIDs, 3 this ASID, 7 this ASID but globals */
    bool nested_paging;
    uint64_t nested_cr3;
    uint8_t nested_levels; /* of the nested tables, as the host's paging mode at VMRUN says: 4, or 5 with CR4.LA57 */
    uint16_t pause_filter_count, pause_filter_threshold; /* 0 where the processor has no such filter: svm_pause.c */
    vx_avic *avic; /* what AVIC's pointers name (098h, 0E0h, 0F0h, 0F8h); NULL: AVIC_ENABLE is 0. The caller's */
    vx_svm_interrupt interrupt; /* offset 060h: V_TPR, V_IRQ, ...; loaded by VMRUN */
} vx_vmcb;

/* Activity states (SDM 24.4.2). */
typedef enum vx_activity { VX_ACTIVE, VX_ACTIVITY_HLT, VX_ACTIVITY_SHUTDOWN, VX_ACTIVITY_WAIT_FOR_SIPI } vx_activity;

/* Interruptibility state (SDM Table 24-3). */
#define VX_BLOCKING_STI (1U << 0)
#define VX_BLOCKING_MOV_SS (1U << 1)
#define VX_BLOCKING_SMI (1U << 2)
#define VX_BLOCKING_NMI (1U << 3) /* virtual-NMI blocking under "virtual NMIs" */

/* What of the guest's state an exit condition, or what the exit reports, depends on. */
typedef struct vx_exit_context {
    uint64_t cr0, cr3, cr4; /* the registers as the hardware holds them before the record */
    uint8_t cpl;
    uint8_t vtpr;       /* virtual TPR where the TPR shadow is used */
    uint8_t svi;        /* guest interrupt status: the vector in service */
    bool monitor_armed; /* a MONITOR that did not exit has armed the address-range monitor */
    bool virtual_8086;  /* RFLAGS.VM */
    bool interrupts_on; /* RFLAGS.IF */
    uint8_t iopl;       /* RFLAGS.IOPL */
    bool long_mode;     /* IA32_EFER.LMA */
    bool narrow;        /* not in 64-bit mode: linear addresses have 32 bits */
    bool smm;           /* in system-management mode */
    bool iret_unblocks; /* in the midst of an IRET that began with NMIs, or virtual NMIs, blocked */
    bool bus_locked;    /* the instruction has asserted a bus lock */
    vx_activity activity;
    uint32_t interruptibility; /* VX_BLOCKING_... */
    uint64_t xss;              /* IA32_XSS */
    /* The event being delivered through the IDT, as IDT-vectoring information; valid bit clear: none. */
    uint32_t delivering, delivering_error;
    uint8_t delivering_length; /* of the instruction, where the event is a software one */
    const vx_physmem *memory;  /* holds the PASID directories; needed by ENQCMD and ENQCMDS alone */
    unsigned physical_bits;    /* MAXPHYADDR, for them */
} vx_exit_context;

/* Does the record make this VMCS exit? Fills *exit (reason, qualification, interruption information) where true and
 * leaves it alone otherwise. `payload`: the record's own words (record->count of them); NULL where it has none. Counted
 * records (PAUSE, RDTSC runs) exit as many times as vx_record says; the caller multiplies. References are not records
 * for this function: their exits come out of translation. Instruction faults of the guest's own privilege level take
 * priority over exits in hardware; a recorded guest has executed the instruction, so they cannot occur here.
 * A trap-like reason (vx_exit_reason.trap_like) means that the record takes effect before the exit.
 * SDM Vol. 3C 25.1.2 (unconditional), 25.1.3 (conditional), 25.2 (other causes). */
bool vx_vmcs_exits(const vx_vmcs *vmcs, const vx_exit_context *context, const vx_record *record,
                   const uint64_t *payload, vx_exit *exit);

/* The same for SVM. */
bool vx_vmcb_exits(const vx_vmcb *vmcb, const vx_exit_context *context, const vx_record *record,
                   const uint64_t *payload, vx_exit *exit);

/* Is the intercept bit of an EXITCODE set? False for a code that none belongs to. (The bit alone: whether an access to
 * ports or MSRs exits is its permission map's to say too.) */
bool vx_vmcb_intercepts(const vx_vmcb *vmcb, uint32_t code);

/* Whether a page fault of the guest (error code as pushed) exits, by bitmap, mask and match (SDM 25.2): separately,
 * because faults come from translation as well as from EXCEPTION records. */
bool vx_vmcs_page_fault_exits(const vx_vmcs *vmcs, uint32_t error_code);

#endif
