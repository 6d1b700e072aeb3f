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

const char *vx_cause_name(vx_cause cause)
{
    assert(cause < VX_CAUSES);
    return cause_names[cause];
}

const char *const *vx_cause_names(void) { return cause_names; }

uint64_t vx_ledger_total(const vx_ledger *ledger)
{
    uint64_t total = 0;
    for (unsigned cause = 0; cause < VX_CAUSES; cause++) total += ledger->ticks[cause];
    return total;
}
