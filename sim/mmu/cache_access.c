/* One access to the data caches (cache_hierarchy.c says what is modelled). */
#include "mmu_private.h"

uint32_t vx_caches_access(vx_mmu *mmu, uint64_t hpa, unsigned first, vx_walk_hit *hit)
{
    static const vx_walk_hit level_hit[VX_CFG_CACHES] = {VX_HIT_L1, VX_HIT_L2, VX_HIT_L3};
    uint64_t line = hpa >> VX_LINE_SHIFT;
    for (unsigned i = first; i < VX_CFG_CACHES; i++) {
        vx_cache_level *level = &mmu->cache[i];
        if (!level->exists) continue;
        mmu->counts.cache_lookups[i]++;
        if (!vx_cache_level_use(level, line)) continue;
        mmu->counts.cache_hits[i]++;
        *hit = level_hit[i];
        return level->hit_ticks;
    }
    *hit = VX_HIT_MEMORY;
    return mmu->cpu->memory.memory_ticks;
}
