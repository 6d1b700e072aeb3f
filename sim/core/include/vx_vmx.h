/* A logical processor in VMX terms: its mode, its VMCS pointers, the state that transitions save and load, and the VMX
 * instructions as functions.
 *
 * What it is for: a hypervisor's code, or its tests, put on it by vmread(), vmwrite(), vmlaunch() and their like (see
 * docs/embedding-vmx.md). The caller drives: it executes the VMX instructions of the host by the functions below, and
 * after a VM entry it runs the guest as it likes, changes vx_vmx.state as the guest's instructions do, and asks
 * vx_vmx_guest_event (instructions and events) and vx_vmx_boundary (between instructions) what exits.
 *
 * Sources: SDM Vol. 3C chapters 24 (VMCS), 26 (entries), 27 (exits), 30 (instructions). (Chapter numbers: see
 * vx_vmcs.h.)
 *
 * NOT MODELLED: fetching operands from memory (functions take the values; faults of these accesses are the caller's),
 * SMM and the dual-monitor treatment, SMX, Intel PT's packets, user-interrupt delivery, virtual-interrupt delivery (the
 * APIC room's), event delivery through the IDT (a VM entry says what is to be delivered), MSRs that vx_vmx_state does
 * not hold, unless the caller brings them by vx_vmx.msr. VMCSs that are active but not current are in memory, never on
 * the processor. */
#ifndef VX_VMX_H
#define VX_VMX_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_boundary.h"
#include "vx_exit.h"
#include "vx_guest_event.h"
#include "vx_mmu.h"
#include "vx_physmem.h"
#include "vx_vmcs.h"
#include "vx_vmcs_field.h"
#include "vx_vmx_caps.h"
#include "vx_vmx_check.h"

/* Segment registers in the order of their encodings. */
typedef enum vx_segment_name { VX_ES, VX_CS, VX_SS, VX_DS, VX_FS, VX_GS, VX_LDTR, VX_TR, VX_SEGMENTS } vx_segment_name;

typedef struct vx_segment {
    uint16_t selector;
    uint32_t limit;
    uint32_t rights; /* as in the VMCS, Table 24-2: bit 16 unusable */
    uint64_t base;
} vx_segment;

/* Registers, MSRs and non-register state of the processor, as they are now. */
typedef struct vx_vmx_state {
    uint64_t cr0, cr3, cr4, dr7, rip, rsp, rflags, ssp;
    uint64_t pdpte[4]; /* in use with PAE paging */
    vx_segment segment[VX_SEGMENTS];
    uint64_t gdtr_base, idtr_base;
    uint32_t gdtr_limit, idtr_limit;
    uint64_t efer, pat, debugctl, sysenter_cs, sysenter_esp, sysenter_eip, perf_global_ctrl, bndcfgs, rtit_ctl, lbr_ctl;
    uint64_t s_cet, ssp_table, pkrs, spec_ctrl, xss, kernel_gs_base, star, lstar, cstar, fmask, tsc_aux;
    uint64_t feature_control, apic_base; /* IA32_FEATURE_CONTROL: bit 0 lock, bit 2 VMX outside SMX */
    uint64_t tsc;                        /* the caller lets it count */
    uint8_t uinv;
    vx_activity activity;
    uint32_t interruptibility; /* VX_BLOCKING_STI, _MOV_SS, _NMI of the processor itself */
    bool virtual_nmi_blocking; /* in non-root operation under "virtual NMIs" */
    uint64_t pending_debug;    /* Table 24-4 */
    bool monitor_armed;        /* address-range monitoring */
    bool a20m;                 /* A20M mode: VMXON faults */
    bool init_blocked;         /* INIT signals, from VMXON on, outside non-root operation */
} vx_vmx_state;

typedef enum vx_vmx_mode {
    VX_VMX_OFF,
    VX_VMX_ROOT,
    VX_VMX_NON_ROOT,
    VX_VMX_SHUTDOWN /* after a VMX abort: only vx_vmx_init wakes it */
} vx_vmx_mode;

#define VX_VMX_NO_POINTER UINT64_MAX /* FFFFFFFF_FFFFFFFFH: no current VMCS, no VMXON region */

/* How an operation ended. */
typedef enum vx_vmx_kind {
    VX_VMX_SUCCEED,      /* VMsucceed */
    VX_VMX_FAIL_INVALID, /* VMfailInvalid: RFLAGS.CF */
    VX_VMX_FAIL_VALID,   /* VMfailValid: RFLAGS.ZF; number: the VM-instruction error */
    VX_VMX_FAULT,        /* number: vector; error_code */
    VX_VMX_EXIT,         /* a VM exit has happened; number: the basic reason; the VMCS and vx_vmx.last hold the rest */
    VX_VMX_ENTERED,      /* a VM entry has succeeded; `injected`... say what is to be delivered */
    VX_VMX_ENTRY_FAILED, /* number: 33 or 34; host state is loaded */
    VX_VMX_ABORT,        /* number: the VMX-abort indicator; the processor is shut down */
    VX_VMX_DELIVERS,     /* a pending event reaches the guest: `injected` says which */
    VX_VMX_CONTINUES,    /* nothing exits: the guest's instruction or event takes its ordinary effect */
    VX_VMX_DEAD          /* nothing happens in VMX-abort shutdown */
} vx_vmx_kind;

typedef struct vx_vmx_result {
    vx_vmx_kind kind;
    uint32_t number;
    uint32_t error_code;
    uint64_t value;            /* VMREAD, VMPTRST */
    const vx_vmx_check *check; /* FAIL_VALID 7 and 8, ENTRY_FAILED 33: what failed */
    uint32_t msr_entry;        /* ENTRY_FAILED 34, ABORT 1 and 4: number of the entry in the area, from 1 */
    uint32_t injected; /* ENTERED, DELIVERS: interruption information of an event to deliver; valid bit clear: none */
    uint32_t injected_error;  /* its error code, where bit 11 says so */
    uint32_t injected_length; /* of the instruction: to add to RIP, for software events */
    vx_boundary boundary;     /* of vx_vmx_boundary: what it was, and what follows */
    bool drops;               /* cached translations are invalidated, as `drop` says */
    vx_mmu_invalidation drop;
} vx_vmx_result;

typedef struct vx_vmx {
    vx_cfg_cpu cpu;
    vx_vmx_caps caps;
    vx_physmem *memory;
    vx_vmx_state state;
    vx_vmx_mode mode;
    uint64_t vmxon;          /* VXMON pointer; VX_VMX_NO_POINTER outside VMX operation */
    uint64_t current;        /* current-VMCS pointer */
    vx_vmcs_image vmcs;      /* data of the current VMCS */
    bool shadow;             /* it is a shadow VMCS */
    uint32_t launched;       /* its launch state: 0 clear, else in which VMX operation (by `session`) it was launched */
    uint32_t session;        /* counts VMXONs */
    vx_vmx_entry entry;      /* in non-root operation: the controls in effect */
    vx_vmcs controls;        /* ... and what decides exits, derived from the fields at VM entry */
    bool after_entry;        /* no boundary has been asked for since the entry */
    bool mtf_pending;        /* a monitor-trap-flag exit is due at the next boundary, */
    bool mtf_armed;          /* ... or at the one after it */
    uint64_t timer_deadline; /* TSC at which the VMX-preemption timer is at zero */
    vx_exit last;            /* the last VM exit */

    /* MSRs that the state does not hold: true where the access is allowed (RDMSR fills *value). NULL: none are. */
    bool (*msr)(void *context, uint32_t index, bool write, uint64_t *value);
    void *msr_context;
} vx_vmx;

/* Outside VMX operation, in 64-bit mode at CPL 0, with VMX enabled in IA32_FEATURE_CONTROL and CR4. The caller keeps
 * `memory`, which must outlive the processor; nothing is allocated. */
void vx_vmx_init(vx_vmx *vmx, const vx_cfg_cpu *cpu, vx_physmem *memory);

/* ---- the instructions (chapter 30); RFLAGS follow, RIP does not move ---- */

/* Each does what the operation section of its page says, at the CPL and in the mode that `state` holds, and answers
 * with how it ended (vx_vmx_result): success, VMfailValid with its VM-instruction error, VMfailInvalid, a fault, or in
 * non-root operation a VM exit. `region` is the physical address that the instruction's memory operand holds;
 * `encoding`, `type` and `descriptor` are its other operands. */
vx_vmx_result vx_vmx_vmxon(vx_vmx *vmx, uint64_t region);
vx_vmx_result vx_vmx_vmxoff(vx_vmx *vmx);
vx_vmx_result vx_vmx_vmclear(vx_vmx *vmx, uint64_t region);
vx_vmx_result vx_vmx_vmptrld(vx_vmx *vmx, uint64_t region);
vx_vmx_result vx_vmx_vmptrst(vx_vmx *vmx); /* value: the pointer */
vx_vmx_result vx_vmx_vmread(vx_vmx *vmx, uint64_t encoding);
vx_vmx_result vx_vmx_vmwrite(vx_vmx *vmx, uint64_t encoding, uint64_t value);
vx_vmx_result vx_vmx_vmlaunch(vx_vmx *vmx);
vx_vmx_result vx_vmx_vmresume(vx_vmx *vmx);
vx_vmx_result vx_vmx_vmcall(vx_vmx *vmx);
vx_vmx_result vx_vmx_vmfunc(vx_vmx *vmx, uint32_t eax, uint32_t ecx);
vx_vmx_result vx_vmx_invept(vx_vmx *vmx, uint64_t type, const uint64_t descriptor[2]);
vx_vmx_result vx_vmx_invvpid(vx_vmx *vmx, uint64_t type, const uint64_t descriptor[2]);

/* ---- the guest ---- */

/* An instruction or event of the guest: CONTINUES, FAULT, EXIT or ABORT. Only in non-root operation (else CONTINUES).
 * RIP is that of the instruction, or the return address of an event. A trap-like reason (vx_exit_reason.trap_like)
 * finds the effect done, RIP included. */
vx_vmx_result vx_vmx_guest_event(vx_vmx *vmx, const vx_guest_event *event);

/* What happens between two instructions of the guest (vx_boundary.h): the processor adds what it knows itself, pending
 * debug exceptions and MTF exits, the preemption timer and the TPR threshold after an entry, to what is pending outside
 * (NULL: nothing). Call it after an entry (once its event is delivered) and after each instruction, until it CONTINUES.
 * EXIT, ABORT, DELIVERS, or CONTINUES; then result.boundary may name what is left to the caller: an SMI, or posted
 * interrupts to process. */
vx_vmx_result vx_vmx_boundary(vx_vmx *vmx, const vx_pending *outside);

/* A VM exit that the caller knows of (an EPT violation that its translation found, say). */
vx_vmx_result vx_vmx_exit(vx_vmx *vmx, const vx_exit *exit);

/* ---- for both ---- */

/* RDMSR and WRMSR as they act on vx_vmx.state and the capability MSRs; false: #GP. */
bool vx_vmx_rdmsr(const vx_vmx *vmx, uint32_t index, uint64_t *value);
bool vx_vmx_wrmsr(vx_vmx *vmx, uint32_t index, uint64_t value);

/* Would VM entry with "enable EPT" accept this EPT pointer (26.2.1.1)? */
bool vx_vmx_eptp_valid(const vx_vmx_caps *caps, uint64_t eptp);

/* ---- VMCS regions in memory ---- */

/* Bytes 0 to 3 revision identifier and shadow indicator, 4 to 7 VMX-abort indicator, then this simulator's own format.
 * The data of the current VMCS reach memory when it ceases to be current. */
void vx_vmcs_region_read(const vx_physmem *memory, uint64_t region, vx_vmcs_image *image);
void vx_vmcs_region_write(vx_physmem *memory, uint64_t region, const vx_vmcs_image *image);

/* The part that decides exits, from the fields. The bitmaps are pages of `memory`; NULL where they lie beyond it. */
void vx_vmcs_decision(vx_vmcs *decision, const vx_vmcs_image *image, const vx_physmem *memory);
/* ... and back into the fields, but for the bitmaps' addresses, which it does not hold. */
void vx_vmcs_image_decide(vx_vmcs_image *image, const vx_vmcs *decision);

#endif
