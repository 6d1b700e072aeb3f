/* APIC virtualization of Intel's processors: the virtual-APIC page, what the VM-execution controls let a guest do on it
 * without software, virtual interrupts and posted interrupts.
 *
 * SDM Vol. 3C chapter 29 (numbered as in vx_vmcs.h; 30 in the edition of December 2023): 29.1 state and the four
 * virtualizations, 29.2 evaluation and delivery, 29.3 CR8, 29.4 the APIC-access page, 29.5 MSRs, 29.6 posted
 * interrupts.
 *
 * The structure is what a VM entry loads of the VMCS. Functions named `_exit_of_` say what an access will do and change
 * nothing; those without do it. A decision and its effect come out of the same table.
 *
 * NOT MODELLED: the PID-pointer table as memory, with its reserved bits (29.1.6); user interrupts (29.2.3);
 * instructions with two accesses to the page; fetches from it; guest-physical and physical accesses (29.4.6). */
#ifndef VX_VIRTUAL_APIC_H
#define VX_VIRTUAL_APIC_H

#include "vx_apic_page.h"

/* The controls that matter here, in the effect they have (the secondary ones 0 where these are not activated). */
enum {
    VX_VAPIC_TPR_SHADOW = 1 << 0,
    VX_VAPIC_ACCESSES = 1 << 1,  /* virtualize APIC accesses */
    VX_VAPIC_X2APIC = 1 << 2,    /* virtualize x2APIC mode */
    VX_VAPIC_REGISTERS = 1 << 3, /* APIC-register virtualization */
    VX_VAPIC_DELIVERY = 1 << 4,  /* virtual-interrupt delivery */
    VX_VAPIC_WINDOW = 1 << 5,    /* interrupt-window exiting */
    VX_VAPIC_IPIS = 1 << 6,      /* IPI virtualization */
};

enum { VX_POSTED_BYTES = 64 };

/* A posted-interrupt descriptor, with the fields that VT-d names for agents besides the processor. */
typedef struct vx_posted {
    uint8_t bytes[VX_POSTED_BYTES]; /* PIR 255:0, ON 256, SN 257, NV 279:272, NDST 319:288 */
} vx_posted;

typedef struct vx_virtual_apic {
    uint8_t *page; /* virtual-APIC page; the caller's. NULL: where only decisions are asked for */
    uint32_t controls;
    uint8_t tpr_threshold; /* 0 to 15 */
    uint64_t eoi_exit[4];  /* EOI-exit bitmap */
    uint8_t rvi, svi;      /* guest interrupt status */
    bool recognized;       /* a virtual interrupt waits for an instruction boundary that lets it in */
    /* IPI virtualization: the descriptors that the PID-pointer table names, by virtual APIC ID (NULL: no valid entry),
     * and its last index; and who carries a notification, NV to NDST. */
    vx_posted *const *pid_table;
    uint32_t last_pid_index;
    void (*notify)(void *context, const vx_posted *posted);
    void *context;
} vx_virtual_apic;

typedef enum vx_vapic_exit {
    VX_VAPIC_NO_EXIT,
    VX_VAPIC_EXIT_ACCESS,          /* APIC access (44): instead of the access */
    VX_VAPIC_EXIT_BELOW_THRESHOLD, /* TPR below threshold (43): after it, as all below */
    VX_VAPIC_EXIT_EOI,             /* virtualized EOI (45) */
    VX_VAPIC_EXIT_WRITE,           /* APIC write (56) */
    VX_VAPIC_FAULT                 /* #GP(0) of a WRMSR, and no exit */
} vx_vapic_exit;

typedef struct vx_vapic_outcome {
    vx_vapic_exit exit;
    bool virtualized;       /* false without an exit: the access goes where it would go without these controls */
    uint32_t qualification; /* ACCESS, WRITE: offset in the page; EOI: vector */
} vx_vapic_outcome;

/* ---- accesses, 29.3 to 29.5 ---- */

/* The APIC-access page, `bytes` at `offset` (0 to FFFH). `value` is the written one; partial writes are merged with the
 * page, or with 0 where there is none. */
vx_vapic_outcome vx_virtual_apic_exit_of_read(const vx_virtual_apic *v, uint32_t offset, uint32_t bytes);
vx_vapic_outcome vx_virtual_apic_exit_of_write(const vx_virtual_apic *v, uint32_t offset, uint32_t bytes,
                                               uint32_t value);
vx_vapic_outcome vx_virtual_apic_read(const vx_virtual_apic *v, uint32_t offset, uint32_t bytes, uint32_t *value);
vx_vapic_outcome vx_virtual_apic_write(vx_virtual_apic *v, uint32_t offset, uint32_t bytes, uint32_t value);

/* RDMSR and WRMSR of 800H to 8FFH that the MSR bitmap lets through. */
vx_vapic_outcome vx_virtual_apic_exit_of_wrmsr(const vx_virtual_apic *v, uint32_t msr, uint64_t value);
vx_vapic_outcome vx_virtual_apic_rdmsr(const vx_virtual_apic *v, uint32_t msr, uint64_t *value);
vx_vapic_outcome vx_virtual_apic_wrmsr(vx_virtual_apic *v, uint32_t msr, uint64_t value);

/* MOV to and from CR8 that exit by no CR8 control; `priority` 0 to 15. */
vx_vapic_outcome vx_virtual_apic_exit_of_cr8(const vx_virtual_apic *v, uint8_t priority);
vx_vapic_outcome vx_virtual_apic_set_cr8(vx_virtual_apic *v, uint8_t priority);
bool vx_virtual_apic_cr8(const vx_virtual_apic *v, uint8_t *priority); /* false: not virtualized */

/* ---- entry, evaluation, delivery ---- */

/* VM entry with the guest interrupt status and the controls loaded (26.3.2.5, 26.7.7): PPR virtualization and
 * evaluation, or the exit that the TPR threshold induces. */
vx_vapic_outcome vx_virtual_apic_enter(vx_virtual_apic *v);

/* 29.2.2, where RFLAGS.IF is 1 and nothing blocks interrupts: delivers the recognized interrupt and returns its vector;
 * 0 where none is recognized. */
uint8_t vx_virtual_apic_deliver(vx_virtual_apic *v);

/* ---- posted interrupts, 29.6 ---- */

/* A descriptor of 64 bytes (Table 29-1), which the caller keeps: all clear but NV and NDST. Outstanding: bit ON. */
void vx_posted_init(vx_posted *posted, uint8_t notification_vector, uint32_t destination);
bool vx_posted_outstanding(const vx_posted *posted);
void vx_posted_suppress(vx_posted *posted, bool suppress); /* SN */
uint8_t vx_posted_vector(const vx_posted *posted);         /* NV */
uint32_t vx_posted_destination(const vx_posted *posted);   /* NDST */

/* An agent posts `vector`. True: it must send the notification (ON was 0 and SN is 0; ON is now 1). */
bool vx_posted_post(vx_posted *posted, uint8_t vector);

/* The notification vector has arrived in VMX non-root operation: ON and PIR move to VIRR and RVI, then evaluation. (The
 * caller has acknowledged and dismissed the physical interrupt.) */
void vx_virtual_apic_process_posted(vx_virtual_apic *v, vx_posted *posted);

#endif
