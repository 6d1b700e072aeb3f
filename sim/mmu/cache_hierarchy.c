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
        mmu->cache[i].exists = true;
        mmu->cache[i].hit_ticks = config->hit_ticks;
    }
    return VX_OK;
}

static void fill_above(vx_mmu *mmu, uint64_t line, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++) {
        vx_setassoc *array = &mmu->cache[i].array;
        if (mmu->cache[i].exists) vx_setassoc_insert(array, (uint32_t)line & (array->sets - 1), line << 1 | 1, 0, NULL);
    }
}

uint32_t vx_caches_access(vx_mmu *mmu, uint64_t hpa, unsigned first, vx_walk_hit *hit)
{
    static const vx_walk_hit level_hit[VX_CFG_CACHES] = {VX_HIT_L1, VX_HIT_L2, VX_HIT_L3};
    uint64_t line = hpa >> VX_LINE_SHIFT;
    for (unsigned i = first; i < VX_CFG_CACHES; i++) {
        vx_data_cache *cache = &mmu->cache[i];
        if (!cache->exists) continue;
        mmu->counts.cache_lookups[i]++;
        uint32_t slot = vx_setassoc_find(&cache->array, (uint32_t)line & (cache->array.sets - 1), line << 1 | 1);
        if (slot == VX_SETASSOC_NONE) continue;
        vx_setassoc_touch(&cache->array, slot);
        mmu->counts.cache_hits[i]++;
        fill_above(mmu, line, first, i);
        *hit = level_hit[i];
        return cache->hit_ticks;
    }
    fill_above(mmu, line, first, VX_CFG_CACHES);
    *hit = VX_HIT_MEMORY;
    return mmu->cpu->memory.memory_ticks;
}

/* A hit at the level where the reference enters is part of the base CPI. */
void vx_mmu_data(vx_mmu *mmu, vx_hpa hpa, vx_access access)
{
    if (mmu->cpu->memory.caches != VX_CACHES_ALL) return;
    unsigned first = access == VX_ACCESS_FETCH ? 1 : 0;
    while (first < VX_CFG_CACHES && !mmu->cache[first].exists) first++;
    if (first == VX_CFG_CACHES) return;
    vx_walk_hit hit;
    uint32_t ticks = vx_caches_access(mmu, hpa.v, first, &hit);
    uint32_t base = mmu->cache[first].hit_ticks;
    if (ticks > base) vx_ledger_charge(mmu->ledger, VX_CAUSE_MEM_DATA, ticks - base);
}
