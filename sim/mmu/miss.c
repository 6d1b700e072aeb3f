/* Instances of an access (miss.h). In the modes that most runs are in the whole walk is inline; the others call
 * theirs. */
#include "miss.h"

#define INSTANCE(name, ...)                                                                                            \
    static vx_mmu_result name(vx_mmu *mmu, vx_gva gva, vx_access access, vx_mmu_translation *translation,              \
                              vx_mmu_fault *fault)                                                                     \
    {                                                                                                                  \
        return vx_access_translated(mmu, gva.v, access, translation, fault, (vx_walk_mode){__VA_ARGS__});              \
    }

INSTANCE(any, 0)
INSTANCE(whole_one, .nested = VX_NESTED_NONE, .wide = true, .whole = true)
INSTANCE(whole_npt, .nested = VX_NESTED_NPT, .wide = true, .whole = true)
INSTANCE(lean_one, .nested = VX_NESTED_NONE, .wide = true, .lean = true, .whole = true)
INSTANCE(lean_ept, .nested = VX_NESTED_EPT, .wide = true, .lean = true, .whole = true)
INSTANCE(straight_one, .nested = VX_NESTED_NONE, .straight = true)
INSTANCE(straight_ept, .nested = VX_NESTED_EPT, .straight = true)
INSTANCE(cached_one, .nested = VX_NESTED_NONE, .straight = true, .cached = true)
INSTANCE(cached_ept, .nested = VX_NESTED_EPT, .straight = true, .cached = true)

vx_access_fn vx_access_instance(vx_miss_kind kind, bool two, bool cached)
{
    if (kind == VX_MISS_ANY) return any;
    if (kind == VX_MISS_WHOLE) return two ? whole_npt : whole_one;
    if (kind == VX_MISS_LEAN) return two ? lean_ept : lean_one;
    if (cached) return two ? cached_ept : cached_one;
    return two ? straight_ept : straight_one;
}
