/* The cold side of a reference: first level, second level, walk, fills. */
#include "miss.h"

/* SDM Vol. 3A, 4.10.4.1 and Vol. 3C, 28.3.3.1: a fault drops what might have caused it. */
void vx_drop_faulted(vx_mmu *mmu, vx_mmu_result result, const vx_mmu_fault *fault, bool linear)
{
    if (result == VX_MMU_PAGE_FAULT)
        vx_mmu_invalidate(mmu, &(vx_mmu_invalidation){.op = VX_OP_PAGE_FAULT, .gva = fault->gva});
    else if (result == VX_MMU_NESTED_FAULT || result == VX_MMU_EPT_MISCONFIG)
        vx_mmu_drop_violation(mmu, fault->gva.v, fault->gpa.v, linear && !fault->table);
}

static vx_mmu_result untranslated(uint64_t gva, vx_mmu_translation *translation)
{
    *translation = (vx_mmu_translation){.hpa = {gva}, .page = VX_PAGE_4K};
    return VX_MMU_DONE;
}

vx_mmu_result vx_access_untranslated(vx_mmu *mmu, vx_gva gva, vx_access access, vx_mmu_translation *translation,
                                     vx_mmu_fault *fault)
{
    (void)mmu, (void)access, (void)fault;
    return untranslated(gva.v, translation);
}

vx_mmu_result vx_mmu_access(vx_mmu *mmu, vx_gva gva, vx_access access, vx_mmu_translation *translation,
                            vx_mmu_fault *fault)
{
    return mmu->access(mmu, gva, access, translation, fault);
}

bool vx_mmu_hit(vx_mmu *mmu, uint64_t gva, vx_access access, vx_hpa *hpa)
{
    vx_tlb_unit *unit = mmu->front.first[access];
    const vx_mmu_lane *lane = &mmu->front.lane[vx_lane_of(access)];
    vx_tlb_spot spot;
    bool held = false;
    for (unsigned i = 0; i < unit->live_count && !held; i++)
        held = vx_tlb_find(&unit->live[i], &mmu->front, gva, &spot);
    if (!held || (vx_tlb_value(&spot) ^ lane->want) & lane->need) return false;
    vx_setassoc_touch_in(spot.view->array, spot.set, spot.slot);
    unit->last_size = (uint8_t)vx_tlb_size(spot.view);
    unit->hits_by_page[unit->last_size]++;
    vx_lanes_learn(&mmu->front, access, spot.view, spot.slot, gva);
    hpa->v = vx_hpa_at(&spot, gva);
    return true;
}

vx_mmu_result vx_mmu_access_shadow_stack(vx_mmu *mmu, vx_gva gva, vx_access access, vx_mmu_translation *translation,
                                         vx_mmu_fault *fault)
{
    vx_walk_leaf leaf;
    vx_mmu_fault raised;
    if (!mmu->translated) return untranslated(gva.v, translation);
    vx_mmu_result result = vx_walk_linear(mmu, gva.v, access, true, &leaf, &raised, (vx_walk_mode){0});
    if (result != VX_MMU_DONE) {
        vx_drop_faulted(mmu, result, &raised, true);
        *fault = raised;
        return result;
    }
    *translation = (vx_mmu_translation){.hpa = {leaf.hpa}, .page = leaf.size};
    return VX_MMU_DONE;
}

vx_mmu_result vx_mmu_access_gpa(vx_mmu *mmu, vx_gpa gpa, vx_access access, vx_hpa *hpa, vx_mmu_fault *fault)
{
    if (mmu->control.nested == VX_NESTED_NONE) {
        hpa->v = gpa.v;
        return VX_MMU_DONE;
    }
    vx_walk walk = {.mmu = mmu, .access = access, .caches = true};
    bool npt = mmu->control.nested == VX_NESTED_NPT;
    vx_nested_leaf leaf;
    vx_mmu_result result = VX_MMU_NESTED_FAULT;
    for (bool again = true; again;) {
        walk.remembered = false;
        result = (npt ? vx_nested_npt : vx_nested_ept)(&walk, gpa.v, VX_DATA_ROW, vx_use_of(access), &leaf);
        again = result != VX_MMU_DONE && walk.remembered;
        walk.caches = false;
    }
    vx_count_walk(&walk, result);
    mmu->counts.gpa_walks++;
    if (result == VX_MMU_DONE) {
        hpa->v = leaf.hpa;
    } else {
        vx_drop_faulted(mmu, result, &walk.fault, false);
        *fault = walk.fault;
    }
    return result;
}
