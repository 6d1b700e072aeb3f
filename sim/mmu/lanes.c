/* The lanes of vx_mmu_hit.h: what a first-level hit needs to know, gathered from the unit and the current control state
 * whenever either changes, so that the run loop need not.
 *
 * What lanes remember is true under the lanes as they were then. Each state of the lanes therefore has a number of its
 * own, the salt, and the latest few are kept with theirs: a guest that goes to and fro between kernel and user mode, or
 * between processes, finds again what it left. */
#include <string.h>

#include "mmu_private.h"

/* No line has an empty key. */
static const uint64_t no_line[1];
static const uint32_t no_guess[VX_LINE_GUESSES];

static void aim(vx_mmu_lane *lane, vx_tlb_unit *unit, const vx_mmu_front *front)
{
    const vx_tlb_view *view = &unit->live[0];
    lane->values = NULL;
    lane->stamps = NULL;
    lane->own = lane->global = VX_TAG_VALID;
    lane->page_shift = VX_PAGE_SHIFT;
    lane->hits = &unit->hits_by_page[VX_PAGE_4K];
    if (unit->live_count == 0 || view->array->policy != VX_REPLACE_LRU) return;
    lane->values = view->array->values;
    lane->stamps = view->array->stamps;
    lane->own = view->size_bits | front->owner;
    lane->global = view->size_bits | front->global_owner;
    lane->page_shift = view->page_shift;
    lane->hits = &unit->hits_by_page[view->size_bits >> VX_TAG_SIZE_SHIFT];
}

static void aim_lines(const vx_mmu *mmu, vx_access access, vx_mmu_lane *lane)
{
    lane->lines = no_line;
    lane->line_stamps = NULL;
    lane->line_guess = no_guess;
    unsigned first = vx_caches_entry(mmu, access);
    if (first == VX_CFG_CACHES || mmu->cache[first].listed || mmu->cache[first].array.policy != VX_REPLACE_LRU) return;
    lane->lines = mmu->cache[first].array.keys;
    lane->line_stamps = mmu->cache[first].array.stamps;
    lane->line_guess = mmu->cache[first].guess;
}

vx_status vx_lanes_init(vx_mmu *mmu, vx_arena *arena, vx_msg *msg)
{
    for (unsigned access = 0; access < VX_ACCESSES; access++)
        aim_lines(mmu, (vx_access)access, &mmu->front.lane[vx_lane_of((vx_access)access)]);
    mmu->front.rows = vx_arena_array(arena, VX_LANE_ROWS, sizeof *mmu->front.rows);
    return mmu->front.rows ? VX_OK : vx_fail_nomem(msg);
}

void vx_lanes_forget_all(vx_mmu *mmu) { memset(mmu->front.rows, 0, VX_LANE_ROWS * sizeof *mmu->front.rows); }

/* What the lanes are made of. */
static vx_lane_state state_of(const vx_mmu *mmu)
{
    const vx_mmu_front *front = &mmu->front;
    vx_lane_state state = {.owner = front->owner, .global_owner = front->global_owner, .views = mmu->views_live};
    for (unsigned lane = 1; lane < VX_LANES; lane++)
        state.rights = state.rights << 20 | front->lane[lane].want << 10 | front->lane[lane].need;
    return state;
}

static bool same(const vx_lane_state *a, const vx_lane_state *b)
{
    return a->rights == b->rights && a->owner == b->owner && a->global_owner == b->global_owner && a->views == b->views;
}

/* The salt of a state of the lanes: the one that it had before, or a new one. */
static uint64_t salt_of(vx_mmu *mmu, vx_lane_state now)
{
    vx_lane_states *states = &mmu->lane_states;
    for (unsigned i = 0; i < VX_LANE_STATES; i++)
        if (states->of[i].salt && same(&states->of[i], &now)) return states->of[i].salt;
    if (states->last == VX_LANE_SALT_MAX) {
        vx_lanes_forget_all(mmu);
        *states = (vx_lane_states){.last = 0};
    }
    vx_lane_state *oldest = &states->of[states->last++ % VX_LANE_STATES];
    now.salt = states->last << VX_LANE_SALT_SHIFT;
    *oldest = now;
    return now.salt;
}

void vx_lanes_aim(vx_mmu *mmu)
{
    vx_mmu_front *front = &mmu->front;
    uint64_t want[VX_ACCESSES], need[VX_ACCESSES];
    vx_rights_masks(&mmu->control, want, need);
    front->lanes_4k = true;
    for (unsigned access = 0; access < VX_ACCESSES; access++) {
        vx_mmu_lane *lane = &front->lane[vx_lane_of((vx_access)access)];
        lane->want = want[access];
        lane->need = need[access];
        aim(lane, front->first[access], front);
        front->lanes_4k &= lane->page_shift == VX_PAGE_SHIFT;
    }
    front->salt = salt_of(mmu, state_of(mmu));
}
