/* Lookups and fills of a TLB unit beyond the lanes (tlb.c says what is modelled). Inline, for each miss makes two of
 * both. */
#ifndef VX_TLB_H
#define VX_TLB_H

#include "walker.h"

/* Lanes remember slots of arrays that keep stamps. */
VX_INLINE void vx_tlb_drop(const vx_mmu_front *front, vx_setassoc *array, uint32_t slot)
{
    if (array->stamps) vx_lanes_forget(front, array->keys[slot]);
    vx_setassoc_drop(array, slot);
}

/* ---- lookups ---- */

/* What a lookup in a TLB unit found. INSUFFICIENT: a translation without the rights, or clean where a store wants it
 * dirty. */
typedef enum vx_tlb_found { VX_TLB_MISS, VX_TLB_HIT, VX_TLB_INSUFFICIENT } vx_tlb_found;

/* Where a translation stands. */
typedef struct vx_tlb_spot {
    const vx_tlb_view *view;
    uint32_t set, slot;
} vx_tlb_spot;

/* Looks for the address in one view, whatever the rights. */
VX_INLINE bool vx_tlb_find(const vx_tlb_view *view, const vx_mmu_front *front, uint64_t gva, vx_tlb_spot *spot)
{
    if (view->pick_mask && (gva >> view->pick_shift & view->pick_mask) != view->pick) return false;
    const vx_setassoc *array = view->array;
    uint64_t page = gva >> view->page_shift, tag = page << VX_TAG_PAGE_SHIFT | view->size_bits;
    uint32_t set = (uint32_t)page & view->set_mask, first = set * array->ways;
    uint32_t way =
        vx_setassoc_find_either(array->keys + first, array->ways, tag | front->owner, tag | front->global_owner);
    if (way == VX_SETASSOC_NONE) return false;
    *spot = (vx_tlb_spot){view, set, first + way};
    return true;
}

VX_INLINE uint64_t vx_tlb_value(const vx_tlb_spot *spot) { return spot->view->array->values[spot->slot]; }

VX_INLINE vx_page_size vx_tlb_size(const vx_tlb_view *view)
{
    return (vx_page_size)(view->size_bits >> VX_TAG_SIZE_SHIFT);
}

/* Looks the address up in the unit and counts. HIT: *spot is where, touched. */
VX_INLINE vx_tlb_found vx_tlb_lookup(vx_tlb *tlb, const vx_mmu_front *front, uint64_t gva, vx_access access,
                                     vx_tlb_spot *spot)
{
    const vx_mmu_lane *lane = &front->lane[vx_lane_of(access)];
    vx_tlb_unit *unit = &tlb->unit;
    bool held = false;
    tlb->cold_lookups++;
    for (const vx_tlb_view *view = unit->live, *end = view + unit->live_count; view < end && !held; view++)
        held = vx_tlb_find(view, front, gva, spot);
    if (!held || (vx_tlb_value(spot) ^ lane->want) & lane->need) {
        tlb->counts->misses++;
        return held ? VX_TLB_INSUFFICIENT : VX_TLB_MISS;
    }
    vx_setassoc_touch_in(spot->view->array, spot->set, spot->slot);
    unit->hits_by_page[vx_tlb_size(spot->view)]++;
    tlb->cold_hits++;
    return VX_TLB_HIT;
}

/* ---- fills ---- */

/* Fills a slot of the set. */
VX_INLINE uint32_t vx_tlb_put(const vx_mmu_front *front, vx_setassoc *array, uint32_t set, uint64_t key, uint64_t value)
{
    if (!array->stamps) return vx_setassoc_insert_absent(array, set, key, value);
    uint32_t slot = vx_setassoc_stamped_victim(array, set);
    vx_lanes_forget(front, array->keys[slot]);
    array->keys[slot] = key;
    array->values[slot] = value;
    array->stamps[slot] = ++*array->clock;
    return slot;
}

/* Installs what a lookup has just missed at the unit's page size for `size`; `flags` are the value's low bits, `owner`
 * the tag's. False: the unit does not hold such pages. */
VX_INLINE bool vx_tlb_fill(vx_tlb *tlb, const vx_mmu_front *front, uint64_t gva, uint64_t hpa, vx_page_size size,
                           uint64_t flags, uint64_t owner, vx_tlb_spot *spot)
{
    const vx_tlb_view *view = tlb->into[size];
    if (__builtin_expect(!view, 0)) view = vx_tlb_view_for(tlb, gva, size);
    if (!view) return false;
    vx_page_size held = vx_tlb_size(view);
    uint64_t page = gva >> view->page_shift;
    uint64_t value = (hpa & VX_TLB_FRAME & ~0ULL << view->page_shift) | flags;
    uint64_t key = page << VX_TAG_PAGE_SHIFT | view->size_bits | owner;
    *spot = (vx_tlb_spot){.view = view, .set = (uint32_t)page & view->set_mask};
    spot->slot = vx_tlb_put(front, view->array, spot->set, key, value);
    tlb->holds_any = true;
    tlb->holds_pieces |= vx_value_guest_page(value) != held; /* never a smaller page than what is held of it */
    tlb->counts->fills_by_page[held]++;
    return true;
}

#endif
