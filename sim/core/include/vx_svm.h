/* AMD's secure virtual machine: a logical processor whose VMCBs are bytes in simulated memory.
 *
 * vx_svm is the state machine by itself: VMRUN with its checks, #VMEXIT, VMLOAD and VMSAVE, the global interrupt flag,
 * virtual interrupts, event injection, VMCB state caching. Someone who embeds it calls its operations where a guest or
 * a hypervisor would execute the instruction. The vCPU of vx_vcpu.h, which replays traces, shares its tables: exit
 * conditions (vx_vmcb_exits), the VMRUN checks, TLB_CONTROL and the pause filter.
 *
 * Sources: Linux arch/x86/kvm/svm (nested.c, svm.c) and include/asm/svm.h, Bochs cpu/svm.cc, QEMU
 * target/i386/tcg/sysemu/svm_helper.c, Xen xen/arch/x86/hvm/svm (svmdebug.c, vmcb.h), kvm-unit-tests x86/svm_tests.c;
 * the list of illegal states is APM Vol. 2, 15.5.1's as others quote it. Each rule names its own. The APM was not at
 * hand: its sections are as in the revisions where decode assists are 15.8.
 *
 * NOT MODELLED: system-management mode, processor reset, SKINIT's secure loader, task switches, delivery of events
 * through the IDT (that one is being delivered is), double faults, encrypted guests, AVIC beyond its bits, hosts in
 * legacy paging modes (their nested tables would have two or three levels), an ASID that the processor does not have.
 */
#ifndef VX_SVM_H
#define VX_SVM_H

#include "vx_mmu.h"
#include "vx_tick.h"
#include "vx_vmcb_fields.h"
#include "vx_vmcs.h"

/* ---- the controls of a VMCB in the form that exit conditions want ---- */

/* What this processor sees: fields of features it lacks are 0. The permission maps point into `memory` (NULL, or not
 * wholly inside: read as zero). `nested_levels`: 4 or 5. */
void vx_vmcb_decode(vx_vmcb *controls, const vx_vmcb_image *image, const vx_cfg_svm *features, const vx_physmem *memory,
                    uint8_t nested_levels);
/* The inverse: writes the fields that vx_vmcb holds, but for the permission maps; the others stay. */
void vx_vmcb_encode(const vx_vmcb *controls, vx_vmcb_image *image);

/* Bits of V_INTR (060h), of NP_CONTROL (090h) and of VIRT_EXT (0B8h): Linux asm/svm.h. */
#define VX_V_TPR 0x0FU
#define VX_V_IRQ (1U << 8)
#define VX_V_GIF (1U << 9)
#define VX_V_NMI_PENDING (1U << 11)
#define VX_V_NMI_BLOCKING (1U << 12)
#define VX_V_INTR_PRIO (0xFU << 16)
#define VX_V_IGN_TPR (1U << 20)
#define VX_V_INTR_MASKING (1U << 24)
#define VX_V_GIF_ENABLE (1U << 25)
#define VX_V_NMI_ENABLE (1U << 26)
#define VX_AVIC_ENABLE (1U << 31)
#define VX_NP_ENABLE 1U
#define VX_LBR_ENABLE (1U << 0)
#define VX_V_VMLOAD_ENABLE (1U << 1)

/* EVENTINJ and EXITINTINFO: vector 7:0, type 10:8, error code valid 11, valid 31. */
#define VX_EVENT_INTR (0U << 8)
#define VX_EVENT_NMI (2U << 8)
#define VX_EVENT_EXCEPTION (3U << 8)
#define VX_EVENT_SOFTWARE (4U << 8)
#define VX_EVENT_TYPE (7U << 8)
#define VX_EVENT_ERROR (1U << 11)
#define VX_EVENT_VALID (1U << 31)

/* EXITCODEs that the code speaks of; names and numbers of all are in exit_reasons.c. */
enum {
    VX_SVM_EXIT_PF = 0x4E,
    VX_SVM_EXIT_INTR = 0x60,
    VX_SVM_EXIT_NMI = 0x61,
    VX_SVM_EXIT_SMI = 0x62,
    VX_SVM_EXIT_INIT = 0x63,
    VX_SVM_EXIT_VINTR = 0x64,
    VX_SVM_EXIT_PAUSE = 0x77,
    VX_SVM_EXIT_IOIO = 0x7B,
    VX_SVM_EXIT_SHUTDOWN = 0x7F,
    VX_SVM_EXIT_NPF = 0x400
};
#define VX_SVM_EXIT_INVALID UINT64_MAX /* -1 */

/* ---- CPUID Fn8000_000A ---- */

typedef struct vx_svm_feature {
    uint8_t bit;      /* of EDX */
    const char *name; /* Linux's */
    const char *doc;
    size_t offset; /* of the flag in vx_cfg_svm */
} vx_svm_feature;

/* The features that EDX of CPUID Fn8000_000A tells of, in the order of their bits. */
unsigned vx_svm_feature_count(void);
const vx_svm_feature *vx_svm_feature_at(unsigned index); /* NULL past the last */
bool vx_svm_has(const vx_cfg_svm *svm, const vx_svm_feature *feature);

typedef struct vx_svm_cpuid {
    uint32_t eax, ebx, edx; /* revision; number of ASIDs; features */
} vx_svm_cpuid;
/* Zeros without SVM. */
vx_svm_cpuid vx_svm_cpuid_of(const vx_cfg_svm *svm);

/* ---- VMRUN's consistency checks ---- */

/* One row: what must not be, and who says so. */
typedef struct vx_svm_check {
    const char *name;    /* "guest_asid is 0" */
    vx_vmcb_field field; /* the field that software would mend */
    const char *source;
} vx_svm_check;

/* The rows in the order in which VMRUN makes the checks; index below the count. */
unsigned vx_svm_check_count(void);
const vx_svm_check *vx_svm_check_at(unsigned index);

/* What VMRUN looks at. */
typedef struct vx_svm_entry {
    const vx_cfg_cpu *cpu;
    const vx_vmcb_image *vmcb;
    const vx_physmem *memory; /* for the PDPEs that CR3 names; NULL: they are not looked at */
    uint64_t host_cr0;        /* the host's registers when it executes VMRUN */
} vx_svm_entry;

/* Evaluates all checks. Returns how many fail; the first `room` of their indices are in `failed` (may be NULL), in the
 * table's order. 0: VMRUN would enter; else it would end in VMEXIT_INVALID. */
unsigned vx_svm_checks(const vx_svm_entry *entry, unsigned *failed, unsigned room);

/* ---- the pause filter (APM Vol. 2, 15.14.4) ---- */

typedef struct vx_svm_pause {
    int32_t left; /* PAUSEs that do not exit yet */
    bool seen;    /* `last` is the time of one */
    vx_tick last;
} vx_svm_pause;

/* VMRUN loads the counter. */
void vx_svm_pause_load(vx_svm_pause *pause, const vx_vmcb *vmcb);
#define VX_SVM_INTERCEPT_PAUSE (1U << 23) /* of the word at VMCB offset 00Ch */
/* One PAUSE at time `now` (ticks of the processor's clock) under an intercept of PAUSE: does it exit? */
bool vx_svm_pause_exits(vx_svm_pause *pause, const vx_vmcb *vmcb, vx_tick now);

/* What VMRUN's TLB_CONTROL drops (APM Vol. 2, 15.16.1). Reserved values drop nothing. */
void vx_svm_tlb_control(vx_mmu *mmu, uint8_t tlb_control, uint32_t asid);

/* ---- the logical processor ---- */

/* Physical events that wait until they may be taken. */
typedef enum vx_svm_signal_kind { VX_SVM_SMI, VX_SVM_INIT, VX_SVM_NMI, VX_SVM_INTR } vx_svm_signal_kind;

/* Storage is the caller's; members are for vx_svm_* alone but for reading. */
typedef struct vx_svm {
    const vx_cfg_cpu *cpu;
    vx_physmem *memory;
    vx_mmu *mmu;             /* NULL: no translation, flushes go nowhere */
    vx_vmcb_image registers; /* what the processor runs with, laid out as the state save area */
    uint64_t vm_cr, vm_hsave_pa, tsc_ratio, key;
    bool gif;
    bool shadow;      /* the next instruction is in an interrupt shadow */
    bool nmi_blocked; /* until IRET */
    bool monitor_armed;
    bool shutdown;                         /* nothing runs any more */
    uint8_t tpr;                           /* of the local APIC: CR8 */
    uint8_t pending, interrupt;            /* bits of vx_svm_signal_kind; the external interrupt's vector */
    uint32_t delivering, delivering_error; /* an event on its way through the IDT, in EXITINTINFO's format; 0: none */

    bool guest;         /* guest mode; what follows is then in force */
    vx_hpa vmcb_at;     /* its VMCB */
    vx_vmcb_image vmcb; /* the controls that VMRUN has read or kept */
    vx_vmcb controls;   /* the same, decoded */
    bool host_if;       /* RFLAGS.IF of the host */
    vx_svm_pause pause;
    struct { /* VMCB state caching: the VMCB that ran last */
        bool valid;
        vx_hpa at;
        vx_vmcb_image image;
    } cache;
} vx_svm;

typedef struct vx_svm_setup {
    const vx_cfg_cpu *cpu; /* all three must outlive the processor */
    vx_physmem *memory;
    vx_mmu *mmu;  /* may be NULL */
    uint64_t key; /* what SVM_KEY must be written with to unlock VM_CR; 0: nothing unlocks it */
} vx_svm_setup;

/* In long mode (CR0.PE and PG, CR4.PAE, EFER.LME and LMA), CPL 0, SVM off, GIF 1; CR3, RIP, RSP and segments 0. */
void vx_svm_init(vx_svm *svm, const vx_svm_setup *setup);

/* A register that the state save area has a field for. Setting one does what no instruction does: no check. */
uint64_t vx_svm_register(const vx_svm *svm, vx_vmcb_field field);
void vx_svm_set_register(vx_svm *svm, vx_vmcb_field field, uint64_t value);

typedef enum vx_svm_result {
    VX_SVM_DONE,    /* executed; of vx_svm_take: system-management mode took an SMI */
    VX_SVM_FAULT,   /* an exception is being delivered through the IDT in force: vector, error code */
    VX_SVM_ENTERED, /* VMRUN: in guest mode. `event` is what it injects */
    VX_SVM_EXITED,  /* #VMEXIT, or VMRUN's failure: in host mode, GIF 0 */
    VX_SVM_EVENT,   /* an interrupt is being delivered through the IDT in force */
    VX_SVM_HELD,    /* vx_svm_take: nothing pending may be taken now */
    VX_SVM_RESET,   /* INIT was not intercepted */
    VX_SVM_SHUTDOWN /* the processor has shut down */
} vx_svm_result;

typedef struct vx_svm_outcome {
    vx_svm_result result;
    uint64_t exitcode;   /* EXITED; VX_SVM_EXIT_INVALID: the first failed check is `check` */
    unsigned check;      /* index into the table of checks */
    uint32_t event;      /* FAULT, EVENT, ENTERED: in EVENTINJ's format, 0: none */
    uint32_t error_code; /* where the event has one */
} vx_svm_outcome;

/* An instruction's own bytes, for what #VMEXIT reports of it; zeros where nobody knows. */
typedef struct vx_svm_bytes {
    uint8_t length;  /* of the instruction: RIP advances by it, nRIP is RIP + length */
    uint8_t gpr;     /* of MOV CR and MOV DR: 0 rAX to 15 R15 */
    uint8_t fetched; /* how many of `bytes` are there, at most 15 */
    uint8_t bytes[VX_VMCB_INSTRUCTION_BYTES_MAX];
} vx_svm_bytes;

/* The SVM instructions (operands in rAX as the manual says; `ecx` is INVLPGA's ASID). In guest mode they are subject to
 * intercepts. `bytes` may be NULL. */
vx_svm_outcome vx_svm_vmrun(vx_svm *svm, const vx_svm_bytes *bytes);
vx_svm_outcome vx_svm_vmload(vx_svm *svm, const vx_svm_bytes *bytes);
vx_svm_outcome vx_svm_vmsave(vx_svm *svm, const vx_svm_bytes *bytes);
vx_svm_outcome vx_svm_stgi(vx_svm *svm, const vx_svm_bytes *bytes);
vx_svm_outcome vx_svm_clgi(vx_svm *svm, const vx_svm_bytes *bytes);
vx_svm_outcome vx_svm_vmmcall(vx_svm *svm, const vx_svm_bytes *bytes);
vx_svm_outcome vx_svm_skinit(vx_svm *svm, const vx_svm_bytes *bytes);
vx_svm_outcome vx_svm_invlpga(vx_svm *svm, uint32_t ecx, const vx_svm_bytes *bytes);

/* RDMSR and WRMSR of the registers that SVM adds or looks at: EFER, VM_CR, VM_HSAVE_PA, SVM_KEY, TSC_RATIO; others are
 * #GP. In guest mode subject to the permission map. */
vx_svm_outcome vx_svm_rdmsr(vx_svm *svm, uint32_t msr, uint64_t *value, const vx_svm_bytes *bytes);
vx_svm_outcome vx_svm_wrmsr(vx_svm *svm, uint32_t msr, uint64_t value, const vx_svm_bytes *bytes);

/* Any other instruction, as the trace record of it: intercepted, or executed as far as the registers here show it.
 * `now`: time, for the pause filter; a counted record is one instruction. EXCEPTION, INTERRUPT and SIGNAL records
 * belong to vx_svm_exception and vx_svm_signal; SVM records to the functions above. */
vx_svm_outcome vx_svm_execute(vx_svm *svm, const vx_record *record, const uint64_t *payload, vx_tick now,
                              const vx_svm_bytes *bytes);

/* A data reference or fetch: translated by the MMU, in guest mode through nested tables. DONE: *hpa is the address. */
vx_svm_outcome vx_svm_access(vx_svm *svm, vx_gva gva, vx_access access, vx_hpa *hpa, const vx_svm_bytes *bytes);

/* An exception that the instruction at RIP raises. `address`: of a page fault. */
vx_svm_outcome vx_svm_exception(vx_svm *svm, uint8_t vector, uint32_t error_code, uint64_t address,
                                const vx_svm_bytes *bytes);
/* A triple fault. */
vx_svm_outcome vx_svm_triple_fault(vx_svm *svm);
/* The event being delivered has reached its handler. */
void vx_svm_delivered(vx_svm *svm);

/* A physical event arrives (`vector` of INTR), and is taken as soon as vx_svm_take finds it may be. */
void vx_svm_signal(vx_svm *svm, vx_svm_signal_kind kind, uint8_t vector);
/* Between two instructions: takes the pending event of the highest priority that may be taken, virtual ones too. */
vx_svm_outcome vx_svm_take(vx_svm *svm);

/* RDTSC in guest mode: the host's counter scaled by TSC_RATIO, plus the VMCB's offset. */
uint64_t vx_svm_tsc(const vx_svm *svm, uint64_t host_tsc);

#endif
