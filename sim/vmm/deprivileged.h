/* What trap-and-emulate and binary translation share: which records of a guest without VT-x concern the hypervisor. */
#ifndef DEPRIVILEGED_H
#define DEPRIVILEGED_H

#include "vmm_private.h"

typedef enum guest_act {
    ACT_INNOCUOUS,
    ACT_PRIVILEGED,   /* faults outside ring 0 */
    ACT_UNPRIVILEGED, /* sensitive, and does not fault outside ring 0: what keeps the x86 of its day from being
                         virtualizable in Popek and Goldberg's sense (Robin and Irvine, USENIX Security 2000) */
    ACT_PORT,
    ACT_SYSCALL,        /* enters the kernel */
    ACT_SYSCALL_RETURN, /* leaves it */
    ACT_EVENT,          /* exception, interrupt, INT n: through the hypervisor's IDT */
    ACT_PAGE_FAULT,     /* hidden or visible: judged afterwards */
    ACT_STORE           /* to a page table that is protected */
} guest_act;

/* Of a record by itself: never PAGE_FAULT or STORE. */
guest_act guest_act_of(const vx_record *record);

/* Of what on_exit is called with: a page fault, or a sensitive record. */
guest_act guest_act_at(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload);

/* Counts it under its kind. */
void guest_act_count(vmm_vm *vm, guest_act act);

#endif
