#include "vx_walk_access.h"

#include <assert.h>

static const char *const hit_names[VX_WALK_HITS] = {
    [VX_HIT_FIXED] = "fixed",   [VX_HIT_L1] = "l1",   [VX_HIT_L2] = "l2",     [VX_HIT_L3] = "l3",
    [VX_HIT_MEMORY] = "memory", [VX_HIT_PSC] = "psc", [VX_HIT_NTLB] = "ntlb",
};

const char *vx_walk_hit_name(vx_walk_hit hit)
{
    assert(hit < VX_WALK_HITS);
    return hit_names[hit];
}
