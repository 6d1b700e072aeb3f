/* What an access of a walk costs, and where it is counted: the grid, the ledger, the observer. */
#include "walker.h"

/* Exposed ticks = ticks x walk_exposure / walkers. The remainder of the division is carried to the next access, so that
 * nothing is lost over a run, and the same whole number goes to the grid and to the ledger. */
static uint32_t exposed(vx_mmu *mmu, uint32_t ticks)
{
    if (mmu->exposure_num == mmu->exposure_den) return ticks;
    uint64_t scaled = ticks * mmu->exposure_num + mmu->exposure_rest;
    mmu->exposure_rest = scaled % mmu->exposure_den;
    return (uint32_t)(scaled / mmu->exposure_den);
}

static vx_cause cause_of(const vx_mmu *mmu, unsigned column)
{
    if (column != VX_GUEST_COLUMN) return VX_CAUSE_WALK_NESTED;
    bool shadow = mmu->control.shadow && mmu->control.nested == VX_NESTED_NONE;
    return shadow ? VX_CAUSE_WALK_SHADOW : VX_CAUSE_WALK_GUEST;
}

static void charge(vx_mmu *mmu, unsigned row, unsigned column, uint32_t ticks)
{
    mmu->counts.ticks[vx_grid_index(row)][vx_grid_index(column)] += ticks;
    mmu->charged_walk_ticks += ticks;
    vx_ledger_charge(mmu->ledger, cause_of(mmu, column), ticks);
}

static void tell(const vx_mmu *mmu, vx_walk_access access) { mmu->observer(mmu->observer_context, &access); }

void vx_walk_charge(vx_walk *walk, unsigned row, unsigned column, uint64_t at, uint64_t entry)
{
    vx_mmu *mmu = walk->mmu;
    vx_walk_hit hit = VX_HIT_FIXED;
    uint32_t ticks = mmu->cpu->memory.caches == VX_CACHES_FIXED
                         ? mmu->cpu->memory.walk_access_ticks
                         : vx_caches_access(mmu, at, mmu->cpu->memory.walk_entry_level - 1U, &hit);
    ticks = exposed(mmu, ticks);
    walk->accesses++;
    mmu->counts.accesses[vx_grid_index(row)][vx_grid_index(column)]++;
    charge(mmu, row, column, ticks);
    if (mmu->observer)
        tell(mmu, (vx_walk_access){.guest_level = (uint8_t)row,
                                   .nested_level = (uint8_t)column,
                                   .hit = (uint8_t)hit,
                                   .ticks = ticks,
                                   .at = {at},
                                   .entry = entry});
}

void vx_walk_skip_told(vx_walk *walk, unsigned row, unsigned column, vx_walk_hit hit, uint32_t ticks, uint64_t at,
                       uint64_t entry)
{
    vx_mmu *mmu = walk->mmu;
    ticks = exposed(mmu, ticks);
    mmu->counts.skipped[vx_grid_index(row)][vx_grid_index(column)]++;
    charge(mmu, row, column, ticks);
    if (mmu->observer)
        tell(mmu, (vx_walk_access){.guest_level = (uint8_t)row,
                                   .nested_level = (uint8_t)column,
                                   .hit = (uint8_t)hit,
                                   .skipped = 1,
                                   .ticks = ticks,
                                   .at = {at},
                                   .entry = entry});
}
