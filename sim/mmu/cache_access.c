/* One access to the data caches (cache_hierarchy.c says what is modelled). */
#include "mmu_private.h"

static inline uint32_t access_line(vx_mmu *mmu, uint64_t line, unsigned first, vx_walk_hit *hit)
{
    static const vx_walk_hit level_hit[VX_CFG_CACHES] = {VX_HIT_L1, VX_HIT_L2, VX_HIT_L3};
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

uint32_t vx_caches_access(vx_mmu *mmu, uint64_t hpa, unsigned first, vx_walk_hit *hit)
{
    return access_line(mmu, hpa >> VX_LINE_SHIFT, first, hit);
}

uint32_t vx_caches_charge(vx_mmu *mmu, uint64_t hpa)
{
    vx_walk_hit hit;
    uint32_t ticks = access_line(mmu, hpa >> VX_LINE_SHIFT, mmu->cpu->memory.walk_entry_level - 1U, &hit);
    return vx_walk_exposed(mmu, ticks);
}
