/* Instances of the page walk (walk.h) for every mode. The lean ones are inline in miss.c. */
#include "walk.h"

#define INSTANCE(name, body, ...)                                                                                      \
    static vx_mmu_result name(vx_walk *walk, uint64_t gva, vx_walk_leaf *leaf)                                         \
    {                                                                                                                  \
        return body(walk, gva, leaf, (vx_walk_mode){__VA_ARGS__});                                                     \
    }

INSTANCE(narrow_one, vx_walk_tables, .nested = VX_NESTED_NONE)
INSTANCE(narrow_ept, vx_walk_tables, .nested = VX_NESTED_EPT)
INSTANCE(narrow_npt, vx_walk_tables, .nested = VX_NESTED_NPT)
INSTANCE(wide_one, vx_walk_tables, .nested = VX_NESTED_NONE, .wide = true)
INSTANCE(wide_ept, vx_walk_tables, .nested = VX_NESTED_EPT, .wide = true)
INSTANCE(wide_npt, vx_walk_tables, .nested = VX_NESTED_NPT, .wide = true)
INSTANCE(unpaged_ept, vx_walk_unpaged, .nested = VX_NESTED_EPT)
INSTANCE(unpaged_npt, vx_walk_unpaged, .nested = VX_NESTED_NPT)

vx_walk_fn vx_walk_instance(vx_nested_kind nested, vx_paging_mode paging)
{
    static const vx_walk_fn narrow_tables[] = {narrow_one, narrow_ept, narrow_npt};
    static const vx_walk_fn wide_tables[] = {wide_one, wide_ept, wide_npt};
    static const vx_walk_fn unpaged[] = {NULL, unpaged_ept, unpaged_npt};
    if (paging == VX_PAGING_NONE) return unpaged[nested];
    return paging == VX_PAGING_4LEVEL || paging == VX_PAGING_5LEVEL ? wide_tables[nested] : narrow_tables[nested];
}
