/* The cycle ledger: every cycle is charged to exactly one cause of a closed list (docs/cycles.md). */
#ifndef VX_LEDGER_H
#define VX_LEDGER_H

#include <stdint.h>

typedef enum vx_cause {
    VX_CAUSE_GUEST_INSTRUCTIONS, /* instructions x the model's base CPI */
    VX_CAUSE_GUEST_FAULT,        /* delivery of a page fault to the guest and return; its handler is instructions */
    VX_CAUSE_TLB_L2_HIT,         /* second-level lookups after a first-level miss, whether they hit or a walk follows */
    VX_CAUSE_WALK_GUEST,         /* reads of guest (or native) table entries, and their paging-structure caches */
    VX_CAUSE_WALK_NESTED,        /* reads of EPT or NPT entries */
    VX_CAUSE_WALK_SHADOW,        /* reads of shadow table entries */
    VX_CAUSE_MEM_DATA,           /* data beyond the first-level cache, where data caches are on */
    VX_CAUSE_EXIT_HARDWARE,      /* VM exit and VM entry alone */
    VX_CAUSE_EXIT_SOFTWARE,      /* the hypervisor's handler, VMREADs included */
    VX_CAUSE_INTERRUPT,          /* delivery of interrupts, and of exceptions other than page faults */
    VX_CAUSE_IDLE,               /* waiting: halted, or for the answers to a TLB shootdown */
    VX_CAUSE_IO_BACKEND,         /* the back-ends of device emulation */
    VX_CAUSES
} vx_cause;

/* Names as reports spell them: "guest.instructions", "walk.nested", ... */
const char *vx_cause_name(vx_cause cause);
/* What is charged to it, in a sentence. */
const char *vx_cause_doc(vx_cause cause);
/* All of them, VX_CAUSES, in order: labels of a ledger's ticks. */
const char *const *vx_cause_names(void);

typedef struct vx_ledger {
    uint64_t ticks[VX_CAUSES];
} vx_ledger;

/* Charges ticks to one cause. Wraps after 2^64, which no run reaches. */
static inline void vx_ledger_charge(vx_ledger *ledger, vx_cause cause, uint64_t ticks)
{
    ledger->ticks[cause] += ticks;
}

/* Sum over all causes. */
uint64_t vx_ledger_total(const vx_ledger *ledger);

#endif
