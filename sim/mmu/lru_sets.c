#include "lru_sets.h"

#include <assert.h>

vx_status vx_lru_sets_init(vx_lru_sets *sets, vx_arena *arena, uint32_t set_count, uint32_t ways, vx_msg *msg)
{
    assert(set_count != 0 && (set_count & (set_count - 1)) == 0 && ways >= 1 && ways <= VX_LRU_SETS_WAYS_MAX);
    uint32_t places = (ways + VX_LRU_SETS_LANES - 1) / VX_LRU_SETS_LANES * VX_LRU_SETS_LANES;
    uint32_t *tags = vx_arena_array(arena, (size_t)set_count * places, sizeof *tags);
    if (!tags) return vx_fail_nomem(msg);
    *sets = (vx_lru_sets){.tags = tags,
                          .set_mask = set_count - 1,
                          .set_bits = (uint8_t)__builtin_ctz(set_count),
                          .ways = (uint8_t)ways,
                          .places = (uint8_t)places};
    return VX_OK;
}
