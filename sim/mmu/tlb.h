/* Lookups and fills of a TLB unit beyond the inline hit (tlb.c says what is modelled). Inline, for each miss makes one
 * or two of both. */
#ifndef VX_TLB_H
#define VX_TLB_H

#include "walker.h"

/* Counts a lookup outside the inline path, but for a hit's page size. */
VX_INLINE void vx_tlb_count(vx_tlb *tlb, vx_tlb_found found)
{
    tlb->cold_lookups++;
    if (found != VX_TLB_HIT) tlb->counts->misses++;
}

/* Looks up and counts; on HIT the slot is touched and remembered as the unit's last. */
VX_INLINE vx_tlb_found vx_tlb_lookup(vx_tlb *tlb, const vx_mmu_front *front, uint64_t gva, vx_access access)
{
    vx_tlb_unit *unit = &tlb->unit;
    vx_tlb_found found = vx_tlb_unit_search(unit, front, gva, access);
    if (found == VX_TLB_HIT) {
        unit->hits_by_page[unit->last_size]++;
        tlb->cold_hits++;
    }
    vx_tlb_count(tlb, found);
    return found;
}

/* Lanes remember slots of first-level units. */
VX_INLINE void vx_tlb_forget(const vx_tlb *tlb, const vx_setassoc *array, uint32_t slot)
{
    if (tlb->config->level != VX_TLB_L2) vx_lanes_forget(&tlb->mmu->front, array->keys[slot]);
}

VX_INLINE void vx_tlb_drop(const vx_tlb *tlb, vx_setassoc *array, uint32_t slot)
{
    vx_tlb_forget(tlb, array, slot);
    vx_setassoc_drop(array, slot);
}

/* Fills a slot of the set. */
VX_INLINE uint32_t vx_tlb_put(const vx_tlb *tlb, vx_setassoc *array, uint32_t set, uint64_t key, uint64_t value)
{
    if (array->lists) return vx_setassoc_insert_listed(array, array->ways, set, key, value); /* no lane looks there */
    uint32_t slot = vx_setassoc_victim(array, set);
    vx_tlb_forget(tlb, array, slot);
    vx_setassoc_put(array, set, slot, key, value);
    return slot;
}

/* The view that an address of this size belongs to. */
VX_INLINE const vx_tlb_view *vx_tlb_view_for(vx_tlb *tlb, uint64_t gva, vx_page_size size)
{
    const vx_tlb_view *first = &tlb->view[tlb->first_view[size]], *view = first;
    if (first->pick_mask) view += gva >> first->pick_shift & first->pick_mask;
    if (!tlb->view_live[view - tlb->view]) vx_tlb_make_live(tlb, (unsigned)(view - tlb->view));
    return view;
}

/* Installs at the unit's page size for `size` what a lookup has just missed; `flags` are the value's low bits, `owner`
 * the tag's. */
VX_INLINE void vx_tlb_fill(vx_tlb *tlb, uint64_t gva, uint64_t hpa, vx_page_size size, uint64_t flags, uint64_t owner)
{
    if (tlb->installs_as[size] == VX_NOT_INSTALLED) return;
    vx_page_size held = (vx_page_size)tlb->installs_as[size];
    const vx_tlb_view *view = vx_tlb_view_for(tlb, gva, held);
    uint64_t page = gva >> view->page_shift;
    uint64_t value = (hpa & VX_TLB_FRAME & ~((1ULL << view->page_shift) - 1)) | flags;
    uint32_t slot = vx_tlb_put(tlb, view->array, (uint32_t)page & view->set_mask,
                               page << VX_TAG_PAGE_SHIFT | view->size_bits | owner, value);
    view->guess[page % VX_TLB_GUESSES] = slot;
    tlb->holds_pieces |= vx_page_shift(vx_value_guest_page(value)) > view->page_shift;
    vx_tlb_unit_remember(&tlb->unit, value, held);
    tlb->unit.last_slot = slot;
    tlb->unit.last_in_lane = view->guess == tlb->unit.live[0].guess;
    tlb->counts->fills_by_page[held]++;
}

#endif
