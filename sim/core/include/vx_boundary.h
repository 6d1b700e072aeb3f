/* What happens at an instruction boundary in VMX non-root operation when several things are due at once: a pure
 * function of what is pending, what is blocked and what the VMCS controls.
 *
 * Sources: SDM Vol. 3A 6.9 (priority among simultaneous events), Vol. 3C 25.2, 25.4.1, 25.5.1, 25.5.2, 26.6.2 and 26.7
 * (events after VM entry), 29.1.2, 29.2.2, 29.4.3.2. (Chapter numbers: see vx_vmcs.h.)
 *
 * Where the manual leaves it to the implementation: NMIs are blocked by MOV SS and not by STI; external interrupts are
 * blocked by STI and by MOV SS also where they exit; an APIC-write exit comes before that of a bus lock, whose bit it
 * then carries.
 *
 * NOT MODELLED: RESET and machine checks, the T flag of a TSS, FLUSH and STOPCLK, code breakpoints and faults of the
 * next instruction (they come after all of these), Intel PT's output, user interrupts. */
#ifndef VX_BOUNDARY_H
#define VX_BOUNDARY_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_exit.h"
#include "vx_vmcs.h"

/* In order of priority. */
typedef enum vx_boundary_cause {
    VX_BOUNDARY_APIC_WRITE,    /* APIC-write emulation that exits: TPR below threshold, EOI-induced, APIC write */
    VX_BOUNDARY_TPR_THRESHOLD, /* VM entry found VTPR[7:4] below the threshold (26.7.7) */
    VX_BOUNDARY_BUS_LOCK,      /* the instruction before asserted one */
    VX_BOUNDARY_SMI,
    VX_BOUNDARY_INIT,
    VX_BOUNDARY_SIPI,
    VX_BOUNDARY_MONITOR_TRAP,     /* an MTF VM exit is pending */
    VX_BOUNDARY_DEBUG_TRAP,       /* pending debug exceptions */
    VX_BOUNDARY_PREEMPTION_TIMER, /* the timer is at zero */
    VX_BOUNDARY_NMI_WINDOW,
    VX_BOUNDARY_NMI,
    VX_BOUNDARY_INTERRUPT_WINDOW,
    VX_BOUNDARY_VIRTUAL_INTERRUPT, /* recognized: RVI[7:4] > VPPR[7:4] */
    VX_BOUNDARY_EXTERNAL_INTERRUPT,
    VX_BOUNDARY_CAUSES,
    VX_BOUNDARY_NOTHING = VX_BOUNDARY_CAUSES /* the next instruction is executed */
} vx_boundary_cause;

/* "monitor trap flag", ... */
const char *vx_boundary_name(vx_boundary_cause cause);

/* What is due. Windows are no events: they are open or not, by the context. */
typedef struct vx_pending {
    uint32_t apic_exit;          /* 43, 45 or 56, which APIC virtualization has decided on; 0: none */
    uint64_t apic_qualification; /* of it */
    bool after_entry;            /* right after VM entry: the TPR threshold is looked at */
    bool bus_lock;
    bool smi, dual_monitor; /* ... and SMIs exit */
    bool init;
    bool sipi;
    uint8_t sipi_vector;
    bool monitor_trap;
    uint64_t debug_exceptions; /* pending debug exceptions (24.4.2): valid where bit 12 or 14 is set */
    bool preemption_timer;     /* the timer has counted down to zero */
    bool nmi;
    bool virtual_interrupt; /* recognized (29.2.1) */
    uint8_t virtual_vector;
    bool external_interrupt;
    uint8_t external_vector;
} vx_pending;

typedef enum vx_boundary_action {
    VX_BOUNDARY_CONTINUES, /* nothing is due that is not blocked */
    VX_BOUNDARY_EXITS,     /* *exit is complete */
    VX_BOUNDARY_DELIVERS,  /* through the guest's IDT: exit->interruption says what, as VM entry would inject it */
    VX_BOUNDARY_ENTERS_SMM,
    VX_BOUNDARY_POSTS /* posted-interrupt processing (29.6) */
} vx_boundary_action;

typedef struct vx_boundary {
    vx_boundary_cause cause;
    vx_boundary_action action;
} vx_boundary;

/* The one thing that happens next. *exit is written on EXITS and DELIVERS. The caller takes it, clears it from what is
 * pending, and asks again at the next boundary. */
vx_boundary vx_vmcs_boundary(const vx_vmcs *vmcs, const vx_exit_context *context, const vx_pending *pending,
                             vx_exit *exit);

#endif
