/* The data caches, physically addressed, shared by page-table entries and, where the model says so, by data.
 *
 * A lookup goes down from the level where it enters; what it finds is put into every level above on that way. Latencies
 * are load-to-use of the level that answers.
 *
 * NOT MODELLED: write-backs, exclusive levels, back-invalidation, prefetching, the first-level instruction cache
 * (fetches enter at L2), sharing between processors. */
#include "mmu_private.h"

unsigned vx_caches_entry(const vx_mmu *mmu, vx_access access)
{
    unsigned first = access == VX_ACCESS_FETCH ? 1 : 0;
    while (first < VX_CFG_CACHES && !mmu->cache[first].exists) first++;
    return first;
}

/* The run loop makes the hits of such levels. */
static bool entered_by_references(const vx_mmu *mmu, unsigned level)
{
    return mmu->cpu->memory.caches == VX_CACHES_ALL &&
           (level == vx_caches_entry(mmu, VX_ACCESS_LOAD) || level == vx_caches_entry(mmu, VX_ACCESS_FETCH));
}

/* Addresses from MAXPHYADDR on are no lines of their own. */
static bool may_be_listed(const vx_cfg_cache *config, uint32_t sets, unsigned physical_bits)
{
    unsigned set_bits = (unsigned)__builtin_ctz(sets);
    return config->replacement == VX_REPLACE_LRU && config->ways <= VX_LRU_SETS_WAYS_MAX &&
           physical_bits <= VX_LINE_SHIFT + set_bits + VX_LRU_SETS_NUMBER_BITS;
}

static vx_status init_array(vx_mmu *mmu, vx_cache_level *level, vx_arena *arena, uint32_t lines,
                            const vx_cfg_cache *config, vx_msg *msg)
{
    vx_status status = vx_setassoc_init(&level->array, arena, lines, config->ways, config->replacement, msg);
    if (status != VX_OK) return status;
    level->guess = vx_arena_array(arena, VX_LINE_GUESSES, sizeof *level->guess);
    if (!level->guess) return vx_fail_nomem(msg);
    vx_setassoc_share_clock(&level->array, &mmu->front.clock);
    return VX_OK;
}

static vx_status init_level(vx_mmu *mmu, unsigned i, vx_arena *arena, vx_msg *msg)
{
    const vx_cfg_cache *config = &mmu->cpu->memory.level[i];
    vx_cache_level *level = &mmu->cache[i];
    uint64_t lines = config->bytes >> VX_LINE_SHIFT;
    if (lines == 0 || lines > UINT32_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "L%u cache of %llu bytes: out of range", i + 1,
                       (unsigned long long)config->bytes);
    vx_status status = vx_setassoc_check((uint32_t)lines, config->ways, config->replacement, msg);
    if (status != VX_OK) return status;
    uint32_t sets = (uint32_t)lines / config->ways;
    level->hit_ticks = config->hit_ticks;
    level->listed = !entered_by_references(mmu, i) && may_be_listed(config, sets, mmu->cpu->paging.physical_bits);
    if (level->listed) return vx_lru_sets_init(&level->sets, arena, sets, config->ways, msg);
    return init_array(mmu, level, arena, (uint32_t)lines, config, msg);
}

vx_status vx_caches_init(vx_mmu *mmu, vx_arena *arena, vx_msg *msg)
{
    if (mmu->cpu->memory.caches == VX_CACHES_FIXED) return VX_OK;
    for (unsigned i = 0; i < VX_CFG_CACHES; i++) mmu->cache[i].exists = mmu->cpu->memory.level[i].bytes != 0;
    for (unsigned i = 0; i < VX_CFG_CACHES; i++) {
        if (!mmu->cache[i].exists) continue;
        vx_status status = init_level(mmu, i, arena, msg);
        if (status != VX_OK) return status;
    }
    return VX_OK;
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
