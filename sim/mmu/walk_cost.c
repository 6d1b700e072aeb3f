/* What an access of a walk costs, and where it is counted: the grid, the ledger, the observer. */
#include <assert.h>

#include "walker.h"

static void tell(const vx_mmu *mmu, vx_walk_access access) { mmu->observer(mmu->observer_context, &access); }

void vx_walk_charge_told(vx_walk *walk, unsigned row, unsigned column, uint64_t at, uint64_t entry)
{
    vx_mmu *mmu = walk->mmu;
    vx_walk_hit hit = VX_HIT_FIXED;
    uint32_t ticks = mmu->cpu->memory.caches == VX_CACHES_FIXED
                         ? mmu->cpu->memory.walk_access_ticks
                         : mmu->cache_access(mmu, at, mmu->cpu->memory.walk_entry_level - 1U, &hit);
    ticks = vx_walk_exposed(mmu, ticks);
    walk->accesses++;
    mmu->counts.accesses[vx_grid_index(row)][vx_grid_index(column)]++;
    vx_walk_charge_ticks(mmu, row, column, ticks);
    if (mmu->observer)
        tell(mmu, (vx_walk_access){.guest_level = (uint8_t)row,
                                   .nested_level = (uint8_t)column,
                                   .hit = (uint8_t)hit,
                                   .ticks = ticks,
                                   .at = {at},
                                   .entry = entry});
}

void vx_walk_tell_skipped(const vx_mmu *mmu, unsigned row, unsigned column, vx_walk_hit hit, uint32_t ticks,
                          uint64_t at, uint64_t entry)
{
    tell(mmu, (vx_walk_access){.guest_level = (uint8_t)row,
                               .nested_level = (uint8_t)column,
                               .hit = (uint8_t)hit,
                               .skipped = 1,
                               .ticks = ticks,
                               .at = {at},
                               .entry = entry});
}

/* ---- accesses that all cost the same ---- */

static void lowest_terms(uint32_t *num, uint32_t *den)
{
    uint32_t a = *num, b = *den;
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    *num /= a;
    *den /= a;
}

/* Without a remainder, an access exposes the same ticks each time, wherever it stands. */
static bool whole(const vx_mmu *mmu, uint32_t ticks)
{
    return (uint64_t)ticks * mmu->exposure_num % mmu->exposure_den == 0;
}

void vx_tally_aim(vx_mmu *mmu)
{
    assert(mmu->exposure_den != 0); /* a model has a walker */
    const vx_cfg_cpu *cpu = mmu->cpu;
    bool cached = cpu->memory.caches != VX_CACHES_FIXED;
    uint32_t ticks = cached ? 0 : cpu->memory.walk_access_ticks;
    bool constant = whole(mmu, ticks) && whole(mmu, cpu->psc.hit_ticks) && whole(mmu, cpu->ntlb.hit_ticks);
    mmu->tally.plain = !mmu->observer && (cached || constant);
    mmu->tally.cached = cached;
    mmu->tally.access_ticks = (uint32_t)((uint64_t)ticks * mmu->exposure_num / mmu->exposure_den);
}

void vx_walk_costs_init(vx_mmu *mmu)
{
    mmu->exposure_num = mmu->cpu->core.walk_exposure_milli;
    mmu->exposure_den = 1000U * mmu->cpu->core.walkers;
    lowest_terms(&mmu->exposure_num, &mmu->exposure_den);
    vx_tally_aim(mmu);
}

uint32_t vx_walk_settle(const vx_walk *walk)
{
    vx_mmu *mmu = walk->mmu;
    uint32_t nested = walk->tallied[0], guest = walk->tallied[1];
    uint64_t each = mmu->tally.access_ticks;
    uint64_t nested_ticks = nested * each + walk->ticks[0], guest_ticks = guest * each + walk->ticks[1];
    vx_ledger_charge(mmu->ledger, VX_CAUSE_WALK_NESTED, nested_ticks);
    vx_ledger_charge(mmu->ledger, vx_walk_cause(mmu, VX_GUEST_COLUMN), guest_ticks);
    mmu->charged_walk_ticks += nested_ticks + guest_ticks;
    return walk->accesses + nested + guest;
}

static void settle_walks(vx_mmu *mmu)
{
    for (unsigned accesses = 0; accesses < VX_TALLY_ACCESSES; accesses++) {
        uint64_t walks = mmu->tally.walks[accesses];
        mmu->counts.walks += walks;
        mmu->counts.walk_accesses += walks * accesses;
        vx_histogram_add_many(&mmu->counts.per_walk, accesses, walks);
    }
}

static void settle_saved(vx_mmu *mmu)
{
    vx_walk_tally *tally = &mmu->tally;
    for (unsigned level = 2; level <= tally->guest_top; level++)
        for (unsigned row = level - 1; row <= tally->guest_top; row++)
            tally->nested_saved[row][1] += tally->rows_saved[level];
    uint64_t(*skipped)[VX_GRID] = mmu->counts.skipped;
    for (unsigned row = 0; row < VX_GRID; row++)
        for (unsigned end = 1; end <= VX_RADIX_LEVELS_MAX; end++)
            for (unsigned level = end; level <= tally->nested_top; level++)
                skipped[vx_grid_index(row)][vx_grid_index(level)] += tally->nested_saved[row][end];
    for (unsigned end = 1; end <= VX_RADIX_LEVELS_MAX; end++)
        for (unsigned level = end; level <= tally->guest_top; level++)
            skipped[vx_grid_index(level)][vx_grid_index(VX_GUEST_COLUMN)] += tally->guest_saved[end];
}

void vx_tally_settle(vx_mmu *mmu)
{
    vx_walk_tally *tally = &mmu->tally;
    settle_saved(mmu);
    settle_walks(mmu);
    for (unsigned row = 0; row < VX_GRID; row++)
        for (unsigned column = 0; column < VX_GRID; column++) {
            uint64_t reads = tally->reads[row][column];
            mmu->counts.accesses[vx_grid_index(row)][vx_grid_index(column)] += reads;
            mmu->counts.ticks[vx_grid_index(row)][vx_grid_index(column)] += reads * tally->access_ticks;
        }
    *tally = (vx_walk_tally){.plain = tally->plain,
                             .cached = tally->cached,
                             .guest_top = tally->guest_top,
                             .nested_top = tally->nested_top,
                             .access_ticks = tally->access_ticks};
}
