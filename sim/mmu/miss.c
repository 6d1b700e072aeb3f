/* Instances of a miss (miss.h). In the lean modes, which most runs are in, the whole walk is inline; the others call
 * theirs. */
#include "miss.h"

static vx_mmu_result any(vx_mmu *mmu, vx_gva gva, vx_access access, vx_tlb_found in_first,
                         vx_mmu_translation *translation, vx_mmu_fault *fault)
{
    return vx_missed(mmu, gva, access, in_first, translation, fault, (vx_walk_mode){0});
}

static vx_mmu_result lean_one(vx_mmu *mmu, vx_gva gva, vx_access access, vx_tlb_found in_first,
                              vx_mmu_translation *translation, vx_mmu_fault *fault)
{
    const vx_walk_mode mode = {VX_NESTED_NONE, .wide = true, .lean = true};
    return vx_missed(mmu, gva, access, in_first, translation, fault, mode);
}

static vx_mmu_result lean_ept(vx_mmu *mmu, vx_gva gva, vx_access access, vx_tlb_found in_first,
                              vx_mmu_translation *translation, vx_mmu_fault *fault)
{
    const vx_walk_mode mode = {VX_NESTED_EPT, .wide = true, .lean = true};
    return vx_missed(mmu, gva, access, in_first, translation, fault, mode);
}

vx_miss_fn vx_miss_instance(vx_nested_kind nested, bool lean)
{
    if (!lean || nested == VX_NESTED_NPT) return any;
    return nested == VX_NESTED_EPT ? lean_ept : lean_one;
}
