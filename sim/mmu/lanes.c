/* The lanes of vx_mmu_hit.h: what a first-level hit needs to know, gathered from the unit and the current control state
 * whenever either changes, so that the run loop need not. */
#include "mmu_private.h"

/* One entry that no page has: its key is empty, and no tag is. */
static const uint64_t no_entry[1];
static const uint32_t no_guess[VX_LINE_GUESSES];

static void aim(vx_mmu_lane *lane, const vx_tlb_unit *unit, const vx_mmu_front *front)
{
    const vx_tlb_view *view = &unit->live[0];
    lane->keys = lane->values = no_entry;
    lane->stamps = NULL; /* written to where an entry was found */
    lane->guess = no_guess;
    lane->own = lane->global = VX_TAG_VALID;
    lane->page_shift = VX_PAGE_SHIFT;
    if (unit->live_count == 0 || view->array->policy != VX_REPLACE_LRU) return;
    lane->keys = view->array->keys;
    lane->values = view->array->values;
    lane->stamps = view->array->stamps;
    lane->guess = view->guess;
    lane->own = view->size_bits | front->owner;
    lane->global = view->size_bits | front->global_owner;
    lane->page_shift = view->page_shift;
    lane->size = (vx_page_size)(view->size_bits >> VX_TAG_SIZE_SHIFT);
}

static void aim_lines(const vx_mmu *mmu, vx_access access, vx_mmu_lane *lane)
{
    lane->lines = no_entry;
    lane->line_stamps = NULL;
    lane->line_guess = no_guess;
    unsigned first = vx_caches_entry(mmu, access);
    if (first == VX_CFG_CACHES || mmu->cache[first].listed || mmu->cache[first].array.policy != VX_REPLACE_LRU) return;
    lane->lines = mmu->cache[first].array.keys;
    lane->line_stamps = mmu->cache[first].array.stamps;
    lane->line_guess = mmu->cache[first].guess;
}

void vx_lanes_aim(vx_mmu *mmu)
{
    uint64_t want[VX_ACCESSES], need[VX_ACCESSES];
    vx_rights_masks(&mmu->control, want, need);
    for (unsigned access = 0; access < VX_ACCESSES; access++) {
        vx_mmu_lane *lane = &mmu->front.lane[access];
        lane->want = want[access];
        lane->need = need[access];
        aim(lane, mmu->front.first[access], &mmu->front);
        aim_lines(mmu, (vx_access)access, lane);
    }
}
