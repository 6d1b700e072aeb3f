#include "vx_ledger.h"

#include <assert.h>

static const char *const cause_names[VX_CAUSES] = {
    [VX_CAUSE_GUEST_INSTRUCTIONS] = "guest.instructions",
    [VX_CAUSE_GUEST_FAULT] = "guest.fault",
    [VX_CAUSE_TLB_L2_HIT] = "tlb.l2_hit",
    [VX_CAUSE_WALK_GUEST] = "walk.guest",
    [VX_CAUSE_WALK_NESTED] = "walk.nested",
    [VX_CAUSE_WALK_SHADOW] = "walk.shadow",
    [VX_CAUSE_MEM_DATA] = "mem.data",
    [VX_CAUSE_EXIT_HARDWARE] = "exit.hardware",
    [VX_CAUSE_EXIT_SOFTWARE] = "exit.software",
    [VX_CAUSE_INTERRUPT] = "interrupt",
    [VX_CAUSE_IDLE] = "idle",
    [VX_CAUSE_IO_BACKEND] = "io.backend",
};

static const char *const cause_docs[VX_CAUSES] = {
    [VX_CAUSE_GUEST_INSTRUCTIONS] = "instructions at the model's base cycles per instruction",
    [VX_CAUSE_GUEST_FAULT] = "delivery of page faults to the guest, and return; its handler's work is instructions",
    [VX_CAUSE_TLB_L2_HIT] = "second-level lookups after a first-level miss, whether they hit or a walk follows",
    [VX_CAUSE_WALK_GUEST] = "reads of the guest's (or native) table entries by page walks",
    [VX_CAUSE_WALK_NESTED] = "reads of EPT or NPT entries by page walks",
    [VX_CAUSE_WALK_SHADOW] = "reads of shadow table entries by page walks",
    [VX_CAUSE_MEM_DATA] = "data beyond the first-level cache, where data caches are simulated",
    [VX_CAUSE_EXIT_HARDWARE] = "VM exits and VM entries alone",
    [VX_CAUSE_EXIT_SOFTWARE] = "the hypervisor's handlers, their accesses to VMCS or VMCB included",
    [VX_CAUSE_INTERRUPT] = "delivery of interrupts, and of exceptions other than page faults",
    [VX_CAUSE_IDLE] = "waiting: halted, or for the answers to a TLB shootdown",
    [VX_CAUSE_IO_BACKEND] = "the back-ends of device emulation",
};

const char *vx_cause_name(vx_cause cause)
{
    assert(cause < VX_CAUSES);
    return cause_names[cause];
}

const char *vx_cause_doc(vx_cause cause)
{
    assert(cause < VX_CAUSES);
    return cause_docs[cause];
}

const char *const *vx_cause_names(void) { return cause_names; }

uint64_t vx_ledger_total(const vx_ledger *ledger)
{
    uint64_t total = 0;
    for (unsigned cause = 0; cause < VX_CAUSES; cause++) total += ledger->ticks[cause];
    return total;
}
