/* The part of the virtual-machine control structure that decides exits, and AMD's intercept vectors in the same form.
 *
 * Field and control names are the SDM's (Vol. 3C chapter 24, "Virtual-machine control structures"); bits are at their
 * architectural positions, so that a value can be compared with a real one. Encodings, entry checks and the state areas
 * belong to a fuller structure that embeds this one.
 *
 * Chapters are numbered as in the editions where the VMCS is chapter 24 (25 non-root operation, 26 entries, 27 exits,
 * 29 APIC virtualization); in that of December 2023 each is one higher, in 2008's three lower.
 *
 * NOT MODELLED here: guest- and host-state areas, entry and exit controls, MSR load and store areas, entry checks. */
#ifndef VX_VMCS_H
#define VX_VMCS_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_addr.h"
#include "vx_exit.h"
#include "vx_record.h"

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
#define VX_CPU2_INVPCID (1U << 12)
#define VX_CPU2_VM_FUNCTIONS (1U << 13)
#define VX_CPU2_VMCS_SHADOWING (1U << 14)
#define VX_CPU2_PML (1U << 17)

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
} vx_vmcs;

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
} vx_vmcb;

/* What of the guest's state an exit condition depends on. */
typedef struct vx_exit_context {
    uint64_t cr0, cr3, cr4; /* the registers as the hardware holds them before the record */
    uint8_t cpl;
    uint8_t vtpr;       /* virtual TPR where the TPR shadow is used */
    bool monitor_armed; /* a MONITOR that did not exit has armed the address-range monitor */
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

/* Whether a page fault of the guest (error code as pushed) exits, by bitmap, mask and match (SDM 25.2): separately,
 * because faults come from translation as well as from EXCEPTION records. */
bool vx_vmcs_page_fault_exits(const vx_vmcs *vmcs, uint32_t error_code);

/* The processor's own limits: every control the VMCS asks for exists on this CPU (no secondary controls on prescott, no
 * EPT on penryn). False: *missing names the first control that does not, and entry would fail with VM-instruction
 * error 7. */
bool vx_vmcs_supported(const vx_vmcs *vmcs, const vx_cfg_vmx *features, const char **missing);

#endif
