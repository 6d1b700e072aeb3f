/* One access to the data caches (cache_hierarchy.c says what is modelled). Where a line lies is guessed by its low bits
 * first, as TLB pages are (vx_mmu_hit.h): the guessed slot's key says whether it is there. */
#include "mmu_private.h"

static inline uint32_t set_of(const vx_setassoc *array, uint64_t line) { return (uint32_t)line & (array->sets - 1); }

static inline uint32_t find(const vx_data_cache *cache, uint64_t line)
{
    uint32_t *guess = &cache->guess[line % VX_LINE_GUESSES];
    if (cache->array.keys[*guess] == vx_line_key(line)) return *guess;
    uint32_t slot = vx_setassoc_find(&cache->array, set_of(&cache->array, line), vx_line_key(line));
    if (slot != VX_SETASSOC_NONE) *guess = slot;
    return slot;
}

/* The levels from `first` on below `end` have just missed it. */
static inline void fill_above(vx_mmu *mmu, uint64_t line, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++) {
        vx_data_cache *cache = &mmu->cache[i];
        if (!cache->exists) continue;
        cache->guess[line % VX_LINE_GUESSES] =
            vx_setassoc_insert_absent(&cache->array, set_of(&cache->array, line), vx_line_key(line), 0);
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
        uint32_t slot = find(cache, line);
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
