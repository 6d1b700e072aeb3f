/* One access to the data caches (cache_hierarchy.c says what is modelled). */
#include "mmu_private.h"

/* A line's slot is guessed by its low bits first: a hint and no state, for the guessed slot's key says whether it is
 * there. */
static inline __attribute__((always_inline)) bool array_use(vx_cache_level *level, uint64_t line)
{
    vx_setassoc *array = &level->array;
    uint32_t *guess = &level->guess[line % VX_LINE_GUESSES], set = (uint32_t)line & (array->sets - 1);
    uint64_t key = vx_line_key(line);
    bool held = array->keys[*guess] == key;
    if (!held) {
        uint32_t slot = vx_setassoc_find(array, set, key);
        held = slot != VX_SETASSOC_NONE;
        *guess = held ? slot : vx_setassoc_insert_absent(array, set, key, 0);
    }
    if (held) vx_setassoc_touch(array, *guess);
    return held;
}

/* An access that reaches the level: the line is its set's most recently used from now on. Returns whether it was held:
 * where it was not, what answers below fills it on the way up, whoever that is. */
static inline __attribute__((always_inline)) bool level_use(vx_cache_level *level, uint64_t line)
{
    return level->listed ? vx_lru_sets_use(&level->sets, line) : array_use(level, line);
}

static inline __attribute__((always_inline)) uint32_t access_line(vx_mmu *mmu, uint64_t line, unsigned first,
                                                                  vx_walk_hit *hit)
{
    static const vx_walk_hit level_hit[VX_CFG_CACHES] = {VX_HIT_L1, VX_HIT_L2, VX_HIT_L3};
    for (unsigned i = first; i < VX_CFG_CACHES; i++) {
        vx_cache_level *level = &mmu->cache[i];
        if (!level->exists) continue;
        mmu->counts.cache_lookups[i]++;
        if (!level_use(level, line)) continue;
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
