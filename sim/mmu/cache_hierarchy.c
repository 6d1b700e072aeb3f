/* The data caches, physically addressed, shared by page-table entries and, where the model says so, by data.
 *
 * A lookup goes down from the level where it enters; what it finds is put into every level above on that way. Latencies
 * are load-to-use of the level that answers.
 *
 * NOT MODELLED: write-backs, exclusive levels, back-invalidation, prefetching, the first-level instruction cache
 * (fetches enter at L2), sharing between processors. */
#include "mmu_private.h"

vx_status vx_caches_init(vx_mmu *mmu, vx_arena *arena, vx_msg *msg)
{
    if (mmu->cpu->memory.caches == VX_CACHES_FIXED) return VX_OK;
    for (unsigned i = 0; i < VX_CFG_CACHES; i++) {
        const vx_cfg_cache *config = &mmu->cpu->memory.level[i];
        if (config->bytes == 0) continue;
        uint64_t lines = config->bytes >> VX_LINE_SHIFT;
        if (lines == 0 || lines > UINT32_MAX)
            return vx_fail(msg, VX_ERR_INPUT, "L%u cache of %llu bytes: out of range", i + 1,
                           (unsigned long long)config->bytes);
        vx_status status =
            vx_setassoc_init(&mmu->cache[i].array, arena, (uint32_t)lines, config->ways, config->replacement, msg);
        if (status != VX_OK) return status;
        mmu->cache[i].guess = vx_arena_array(arena, VX_LINE_GUESSES, sizeof *mmu->cache[i].guess);
        if (!mmu->cache[i].guess) return vx_fail_nomem(msg);
        vx_setassoc_share_clock(&mmu->cache[i].array, &mmu->front.clock);
        mmu->cache[i].exists = true;
        mmu->cache[i].hit_ticks = config->hit_ticks;
    }
    return VX_OK;
}

unsigned vx_caches_entry(const vx_mmu *mmu, vx_access access)
{
    unsigned first = access == VX_ACCESS_FETCH ? 1 : 0;
    while (first < VX_CFG_CACHES && !mmu->cache[first].exists) first++;
    return first;
}

/* A hit at the level where the reference enters is part of the base CPI. */
void vx_mmu_data(vx_mmu *mmu, vx_hpa hpa, vx_access access)
{
    if (mmu->cpu->memory.caches != VX_CACHES_ALL) return;
    unsigned first = vx_caches_entry(mmu, access);
    if (first == VX_CFG_CACHES) return;
    vx_walk_hit hit;
    uint32_t ticks = mmu->cache_access(mmu, hpa.v, first, &hit);
    uint32_t base = mmu->cache[first].hit_ticks;
    if (ticks > base) vx_ledger_charge(mmu->ledger, VX_CAUSE_MEM_DATA, ticks - base);
}

void vx_mmu_lane_count_lines(vx_mmu *mmu, vx_access access, uint64_t hits)
{
    if (hits == 0) return;
    unsigned first = vx_caches_entry(mmu, access);
    mmu->counts.cache_lookups[first] += hits;
    mmu->counts.cache_hits[first] += hits;
}
