/* The nested TLB: guest-physical page (4 KiB) to host-physical frame (Bhargava et al., ASPLOS 2008, 4.2; guest-physical
 * translations in the SDM's words, Vol. 3C, 28.3.1). A page of a larger nested mapping takes an entry for each 4 KiB
 * that is used. An entry without the rights, or clean where D must be set, does not answer.
 *
 * Value: frame in bits 51:12; allowed uses in bits 2:0 (read, write, fetch) and 10:8 (fetch by user-mode addresses,
 * paging writes, shadow stacks), D in bit 3, the leaf's level in bits 5:4, its size in bits 7:6.
 *
 * Inline, for each nested walk asks here. */
#ifndef VX_NTLB_H
#define VX_NTLB_H

#include "walker.h"

enum { VX_NTLB_DIRTY = 1U << 3, VX_NTLB_LEVEL_SHIFT = 4, VX_NTLB_SIZE_SHIFT = 6, VX_NTLB_MORE_SHIFT = 8 };

VX_INLINE uint64_t vx_ntlb_allowed(uint64_t value) { return (value & 7) | (value >> VX_NTLB_MORE_SHIFT & 7) << 3; }
VX_INLINE uint64_t vx_ntlb_rights(uint64_t allowed) { return (allowed & 7) | (allowed >> 3 & 7) << VX_NTLB_MORE_SHIFT; }

VX_INLINE uint32_t vx_ntlb_set(const vx_setassoc *array, uint64_t page) { return (uint32_t)page & (array->sets - 1); }

VX_INLINE bool vx_ntlb_find(vx_mmu *mmu, uint64_t gpa, uint64_t use, vx_nested_leaf *leaf)
{
    vx_setassoc *array = &mmu->ntlb.array;
    uint64_t page = gpa >> VX_PAGE_SHIFT;
    mmu->counts.ntlb_lookups++;
    uint32_t set = vx_ntlb_set(array, page);
    uint32_t slot = vx_setassoc_find(array, set, vx_tag_make(page, mmu->setup.guest_physical_owner));
    if (slot == VX_SETASSOC_NONE) return false;
    uint64_t value = array->values[slot];
    bool writes = (use & (VX_USE_WRITE | VX_USE_PAGING_WRITE)) != 0;
    uint64_t needed = use & VX_USE_SHADOW_STACK ? VX_USE_SHADOW_STACK : use;
    if ((needed & ~vx_ntlb_allowed(value)) || (writes && !(value & VX_NTLB_DIRTY))) return false;
    vx_setassoc_touch_in(array, set, slot);
    mmu->counts.ntlb_hits++;
    *leaf = (vx_nested_leaf){.hpa = (value & VX_ENTRY_ADDRESS) | (gpa & (VX_PAGE_BYTES - 1)),
                             .allowed = vx_ntlb_allowed(value),
                             .size = (vx_page_size)(value >> VX_NTLB_SIZE_SHIFT & 3),
                             .level = (uint8_t)(value >> VX_NTLB_LEVEL_SHIFT & 3),
                             .dirty = (value & VX_NTLB_DIRTY) != 0};
    return true;
}

VX_INLINE void vx_ntlb_fill(vx_mmu *mmu, uint64_t gpa, const vx_nested_leaf *leaf)
{
    vx_setassoc *array = &mmu->ntlb.array;
    uint64_t page = gpa >> VX_PAGE_SHIFT;
    uint64_t value = (leaf->hpa & VX_ENTRY_ADDRESS) | vx_ntlb_rights(leaf->allowed) |
                     (leaf->dirty ? VX_NTLB_DIRTY : 0) | (uint64_t)leaf->level << VX_NTLB_LEVEL_SHIFT |
                     (uint64_t)leaf->size << VX_NTLB_SIZE_SHIFT;
    vx_setassoc_install(array, vx_ntlb_set(array, page), vx_tag_make(page, mmu->setup.guest_physical_owner), value);
}

#endif
