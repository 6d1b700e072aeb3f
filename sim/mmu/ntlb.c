/* The nested TLB: guest-physical page (4 KiB) to host-physical frame (Bhargava et al., ASPLOS 2008, 4.2; guest-physical
 * translations in the SDM's words, Vol. 3C, 28.3.1). A page of a larger nested mapping takes an entry for each 4 KiB
 * that is used. An entry without the rights, or clean where D must be set, does not answer.
 *
 * Value: frame in bits 51:12; allowed uses in bits 2:0 (read, write, fetch) and 10:8 (fetch by user-mode addresses,
 * paging writes, shadow stacks), D in bit 3, the leaf's level in bits 5:4, its size in bits 7:6. */
#include "walker.h"

enum { DIRTY = 1U << 3, LEVEL_SHIFT = 4, SIZE_SHIFT = 6, MORE_SHIFT = 8 };

static uint64_t allowed_of(uint64_t value) { return (value & 7) | (value >> MORE_SHIFT & 7) << 3; }
static uint64_t value_of(uint64_t allowed) { return (allowed & 7) | (allowed >> 3 & 7) << MORE_SHIFT; }

static uint32_t set_of(const vx_setassoc *array, uint64_t page) { return (uint32_t)page & (array->sets - 1); }

bool vx_ntlb_find(vx_mmu *mmu, uint64_t gpa, uint64_t use, vx_nested_leaf *leaf)
{
    vx_setassoc *array = &mmu->ntlb.array;
    uint64_t page = gpa >> VX_PAGE_SHIFT;
    mmu->counts.ntlb_lookups++;
    uint32_t slot = vx_setassoc_find(array, set_of(array, page), vx_tag_make(page, mmu->setup.guest_physical_owner));
    if (slot == VX_SETASSOC_NONE) return false;
    uint64_t value = array->values[slot];
    bool writes = (use & (VX_USE_WRITE | VX_USE_PAGING_WRITE)) != 0;
    uint64_t needed = use & VX_USE_SHADOW_STACK ? VX_USE_SHADOW_STACK : use;
    if ((needed & ~allowed_of(value)) || (writes && !(value & DIRTY))) return false;
    vx_setassoc_touch(array, slot);
    mmu->counts.ntlb_hits++;
    *leaf = (vx_nested_leaf){.hpa = (value & VX_ENTRY_ADDRESS) | (gpa & (VX_PAGE_BYTES - 1)),
                             .allowed = allowed_of(value),
                             .size = (vx_page_size)(value >> SIZE_SHIFT & 3),
                             .level = (uint8_t)(value >> LEVEL_SHIFT & 3),
                             .dirty = (value & DIRTY) != 0};
    return true;
}

void vx_ntlb_fill(vx_mmu *mmu, uint64_t gpa, const vx_nested_leaf *leaf)
{
    vx_setassoc *array = &mmu->ntlb.array;
    uint64_t page = gpa >> VX_PAGE_SHIFT;
    uint64_t value = (leaf->hpa & VX_ENTRY_ADDRESS) | value_of(leaf->allowed) | (leaf->dirty ? DIRTY : 0) |
                     (uint64_t)leaf->level << LEVEL_SHIFT | (uint64_t)leaf->size << SIZE_SHIFT;
    vx_setassoc_insert(array, set_of(array, page), vx_tag_make(page, mmu->setup.guest_physical_owner), value, NULL);
}
