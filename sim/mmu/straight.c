/* Which walks may be straight ones, and what becomes of those that turn out to be otherwise (straight.h). */
#include "miss.h"

static bool fits(const vx_walker_cache *caches)
{
    for (unsigned level = 2; level <= 4; level++) {
        const vx_setassoc *array = &caches[level].array;
        if (!caches[level].exists || !array->lists || (level < 4 && array->ways != 4)) return false;
    }
    return true;
}

bool vx_straight_fits(const vx_mmu *mmu)
{
    bool two = mmu->control.nested != VX_NESTED_NONE;
    if (!mmu->tally.plain || mmu->cpu->psc.hit_ticks != 0) return false;
    if (mmu->setup.guest_top != 4 || (two && mmu->setup.nested_top != 4)) return false;
    return fits(mmu->psc_guest) && (!two || fits(mmu->psc_nested));
}

vx_mmu_result vx_straight_leave(const vx_straight *s, vx_walk_leaf *leaf, vx_mmu_fault *fault)
{
    vx_walk walk = {.mmu = s->mmu,
                    .access = s->access,
                    .linear = true,
                    .caches = true,
                    .remembered = s->remembered,
                    .tallied = {s->nested_reads, s->guest_reads},
                    .ticks = {s->nested_ticks, s->guest_ticks},
                    .fault = {.gva = {s->gva}},
                    .begun = &s->at,
                    .nested_begun = s->at.nested};
    return vx_walk_end(&walk, s->gva, s->mmu->walk(&walk, s->gva, leaf), leaf, fault);
}
