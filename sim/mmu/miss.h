/* A lookup from the first level on: first level, second level, walk, fills. One body, an instance a mode (miss.c). */
#ifndef VX_MISS_H
#define VX_MISS_H

#include <assert.h>

#include "straight.h"
#include "tlb.h"

/* Ends a walk that came to a result. A fault that rests on remembered entries is looked for again in memory before it
 * is raised: hardware may also fault and drop them (SDM Vol. 3A, 4.10.4.3, optional invalidation), but a replayed guest
 * has no handler for a fault that its recording did not see. The accesses of both attempts count. */
VX_INLINE vx_mmu_result vx_walk_end(vx_walk *walk, uint64_t gva, vx_mmu_result result, vx_walk_leaf *leaf,
                                    vx_mmu_fault *fault)
{
    vx_mmu *mmu = walk->mmu;
    if (result != VX_MMU_DONE && walk->remembered) {
        walk->caches = false;
        walk->begun = NULL;
        walk->fault = (vx_mmu_fault){.gva = {gva}};
        result = mmu->walk(walk, gva, leaf);
    }
    vx_count_walk(walk, result);
    if (result != VX_MMU_DONE) *fault = walk->fault;
    return result;
}

/* A walk of a linear address. */
VX_INLINE vx_mmu_result vx_walk_linear(vx_mmu *mmu, uint64_t gva, vx_access access, bool shadow_stack,
                                       vx_walk_leaf *leaf, vx_mmu_fault *fault, vx_walk_mode mode)
{
    if (mode.straight) return vx_straight_walk(mmu, gva, access, leaf, fault, mode);
    /* Guest-paging verification looks at the nested leaf of each guest entry, which nothing remembers. */
    vx_walk walk = {.mmu = mmu,
                    .access = access,
                    .linear = true,
                    .caches = !mmu->control.guest_paging_verification,
                    .shadow_stack = shadow_stack,
                    .fault = {.gva = {gva}}};
    vx_mmu_result result = mode.whole ? vx_walk_tables(&walk, gva, leaf, mode) : mmu->walk(&walk, gva, leaf);
    return vx_walk_end(&walk, gva, result, leaf, fault);
}

/* What a walk found, into a unit that held nothing for the address, or what it `replaces`. */
VX_INLINE void vx_fill(vx_mmu *mmu, vx_tlb *tlb, uint64_t gva, const vx_walk_leaf *leaf, bool replaces,
                       vx_tlb_spot *spot)
{
    if (replaces) vx_tlb_drop_address(tlb, &mmu->front, gva);
    uint64_t owner = leaf->global ? mmu->front.global_owner : mmu->front.owner;
    vx_tlb_fill(tlb, &mmu->front, gva, leaf->hpa, leaf->size, leaf->flags, owner, spot);
}

VX_INLINE uint64_t vx_hpa_at(const vx_tlb_spot *spot, uint64_t gva)
{
    return (vx_tlb_value(spot) & VX_TLB_FRAME) | (gva & ((1ULL << spot->view->page_shift) - 1));
}

/* A second-level hit: its entry, as far as the first level can hold it. */
VX_INLINE void vx_fill_from_second(vx_mmu *mmu, vx_tlb *first, uint64_t gva, vx_tlb_spot *spot)
{
    const vx_tlb_spot found = *spot;
    vx_tlb_fill(first, &mmu->front, gva, vx_hpa_at(&found, gva), vx_tlb_size(found.view),
                vx_tlb_value(&found) & VX_TLB_FLAGS, found.view->array->keys[found.slot] & VX_TAG_OWNER, spot);
}

/* A first-level miss asks the second level before anything else, so the time of that lookup is spent whether it hits or
 * a walk follows: measured curves add the walk's cycles on top of it (docs/adr/0003). */
VX_INLINE vx_tlb_found vx_look_up_second(vx_mmu *mmu, vx_tlb *second, uint64_t gva, vx_access access, vx_tlb_spot *spot)
{
    if (!second) return VX_TLB_MISS;
    vx_ledger_charge(mmu->ledger, VX_CAUSE_TLB_L2_HIT, second->config->hit_ticks);
    return vx_tlb_lookup(second, &mmu->front, gva, access, spot);
}

/* The first level has missed: the second, or a walk. DONE: *spot is where the first level holds it now. */
VX_INLINE vx_mmu_result vx_missed(vx_mmu *mmu, uint64_t gva, vx_access access, vx_tlb *first, vx_tlb_found in_first,
                                  vx_tlb_spot *spot, vx_mmu_fault *fault, vx_walk_mode mode)
{
    vx_tlb *second = mmu->second[access];
    vx_tlb_found in_second = vx_look_up_second(mmu, second, gva, access, spot);
    if (in_second == VX_TLB_HIT) {
        if (in_first == VX_TLB_INSUFFICIENT) vx_tlb_drop_address(first, &mmu->front, gva);
        vx_fill_from_second(mmu, first, gva, spot);
        return VX_MMU_DONE;
    }
    vx_walk_leaf leaf;
    vx_mmu_fault raised;
    vx_mmu_result result = vx_walk_linear(mmu, gva, access, false, &leaf, &raised, mode);
    if (result != VX_MMU_DONE) {
        vx_drop_faulted(mmu, result, &raised, true);
        *fault = raised;
        return result;
    }
    if (leaf.flags & VX_TLB_SPLINTERED) mmu->splintered = true;
    if (second) vx_fill(mmu, second, gva, &leaf, in_second == VX_TLB_INSUFFICIENT, spot);
    vx_fill(mmu, first, gva, &leaf, in_first == VX_TLB_INSUFFICIENT, spot);
    return VX_MMU_DONE;
}

/* vx_mmu_access in a translated mode. */
VX_INLINE vx_mmu_result vx_access_translated(vx_mmu *mmu, uint64_t gva, vx_access access,
                                             vx_mmu_translation *translation, vx_mmu_fault *fault, vx_walk_mode mode)
{
    vx_tlb *first = (vx_tlb *)(void *)mmu->front.first[access];
    vx_tlb_spot spot = {0};
    vx_tlb_found found = vx_tlb_lookup(first, &mmu->front, gva, access, &spot);
    if (found != VX_TLB_HIT) {
        vx_mmu_result result = vx_missed(mmu, gva, access, first, found, &spot, fault, mode);
        if (result != VX_MMU_DONE) return result;
    }
    assert(spot.view); /* a first-level unit holds pages of every size, if only pieces of them */
    vx_lanes_learn(&mmu->front, access, spot.view, spot.slot, gva);
    first->unit.last_size = (uint8_t)vx_tlb_size(spot.view);
    *translation = (vx_mmu_translation){
        .hpa = {vx_hpa_at(&spot, gva)}, .page = vx_tlb_size(spot.view), .missed = found != VX_TLB_HIT};
    return VX_MMU_DONE;
}

#endif
