/* What follows a miss in the first level: second level, walk, fills. One body, an instance a mode (miss.c). */
#ifndef VX_MISS_H
#define VX_MISS_H

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
    vx_mmu_result result = mode.lean ? vx_walk_tables(&walk, gva, leaf, mode) : mmu->walk(&walk, gva, leaf);
    return vx_walk_end(&walk, gva, result, leaf, fault);
}

VX_INLINE void vx_fill(vx_mmu *mmu, vx_tlb *tlb, uint64_t gva, const vx_walk_leaf *leaf, bool replaces)
{
    if (replaces) vx_tlb_drop_address(tlb, &mmu->front, gva);
    vx_tlb_fill(tlb, gva, leaf->hpa, leaf->size, leaf->flags,
                leaf->global ? mmu->front.global_owner : mmu->front.owner);
    if (leaf->flags & VX_TLB_SPLINTERED) mmu->splintered = true;
}

VX_INLINE vx_mmu_translation vx_last_of(const vx_tlb *tlb, uint64_t gva)
{
    return (vx_mmu_translation){.hpa = vx_tlb_unit_last_hpa(&tlb->unit, gva),
                                .page = (vx_page_size)tlb->unit.last_size};
}

/* A second-level hit: its entry, as far as the first level can hold it. */
VX_INLINE void vx_fill_from_second(vx_tlb *first, const vx_tlb *second, uint64_t gva)
{
    vx_mmu_translation found = vx_last_of(second, gva);
    vx_tlb_fill(first, gva, found.hpa.v, found.page, second->unit.last_value & VX_TLB_FLAGS, second->unit.last_owner);
}

/* A first-level miss asks the second level before anything else, so the time of that lookup is spent whether it hits or
 * a walk follows: measured curves add the walk's cycles on top of it (docs/adr/0003). */
VX_INLINE vx_tlb_found vx_look_up_second(vx_mmu *mmu, vx_tlb *second, uint64_t gva, vx_access access)
{
    if (!second) return VX_TLB_MISS;
    vx_ledger_charge(mmu->ledger, VX_CAUSE_TLB_L2_HIT, second->config->hit_ticks);
    return vx_tlb_lookup(second, &mmu->front, gva, access);
}

/* The first level has missed: the second, or a walk. */
VX_INLINE vx_mmu_result vx_missed(vx_mmu *mmu, vx_gva gva, vx_access access, vx_tlb_found in_first,
                                  vx_mmu_translation *translation, vx_mmu_fault *fault, vx_walk_mode mode)
{
    vx_tlb *first = (vx_tlb *)(void *)mmu->front.first[access];
    vx_tlb *second = mmu->second[access];
    vx_tlb_found in_second = vx_look_up_second(mmu, second, gva.v, access);
    if (in_second == VX_TLB_HIT) {
        if (in_first == VX_TLB_INSUFFICIENT) vx_tlb_drop_address(first, &mmu->front, gva.v);
        vx_fill_from_second(first, second, gva.v);
        *translation = vx_last_of(first, gva.v);
        return VX_MMU_DONE;
    }
    vx_walk_leaf leaf;
    vx_mmu_fault raised;
    vx_mmu_result result = vx_walk_linear(mmu, gva.v, access, false, &leaf, &raised, mode);
    if (result != VX_MMU_DONE) {
        vx_drop_faulted(mmu, result, &raised, true);
        *fault = raised;
        return result;
    }
    if (second) vx_fill(mmu, second, gva.v, &leaf, in_second == VX_TLB_INSUFFICIENT);
    vx_fill(mmu, first, gva.v, &leaf, in_first == VX_TLB_INSUFFICIENT);
    *translation = vx_last_of(first, gva.v);
    return VX_MMU_DONE;
}

#endif
