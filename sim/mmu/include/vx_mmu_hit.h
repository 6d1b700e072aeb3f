/* The first-level TLB hit, inline: what a replay does for nearly every reference.
 *
 * Cost of a hit: a compare with the page that the unit served last; else one search of the set in each array and page
 * size that holds anything, one compare a way (two while global pages are on). Nothing is allocated, nothing called
 * (tree-PLRU calls one function).
 *
 * The same-page filter is exact: the unit's last page is the most recently used of its set, and touching it again
 * changes nothing that a replacement could see. Rights are checked against the filter too, so a change of CPL or of
 * EFLAGS.AC needs no more than other masks. Every load of another context, every invalidation and every fill renews or
 * empties it.
 *
 * The structs below are the front of `struct vx_mmu`; only this room writes them. */
#ifndef VX_MMU_HIT_H
#define VX_MMU_HIT_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_addr.h"
#include "vx_config.h"
#include "vx_mmu.h"
#include "vx_setassoc.h"

/* Layout of a tag: sim/mmu/tlb_tag.h. */
#define VX_TAG_VALID 1ULL
#define VX_TAG_SIZE_SHIFT 1
#define VX_TAG_CONTEXT_SHIFT 3
#define VX_TAG_PAGE_SHIFT 19
#define VX_TLB_FRAME 0x000FFFFFFFFFF000ULL

enum { VX_TLB_LIVE_MAX = VX_CFG_TLB_ARRAYS * VX_PAGE_SIZES };

/* One array of a unit, looked at with one page size. */
typedef struct vx_tlb_view {
    vx_setassoc *array;
    uint64_t size_bits; /* the page size, in its place in the tag */
    uint32_t set_mask;
    uint8_t page_shift;
    uint8_t pick_shift; /* two or four arrays share the size: this address bit and up ... */
    uint8_t pick_mask;  /* ... under this mask ... */
    uint8_t pick;       /* ... say which array it is; mask 0 where it is alone */
} vx_tlb_view;

/* One lookup unit. */
typedef struct vx_tlb_unit {
    /* The last page that hit or was filled. */
    uint64_t last_page;  /* its first address; 1, which no page has, where there is none */
    uint64_t last_mask;  /* ~(bytes - 1) of the page */
    uint64_t last_value; /* frame and rights */
    uint8_t last_size;
    uint8_t live_count;
    uint64_t hits_by_page[VX_PAGE_SIZES];
    vx_tlb_view live[VX_TLB_LIVE_MAX]; /* the views that were ever filled, in order of page size */
} vx_tlb_unit;

/* The front of struct vx_mmu. */
typedef struct vx_mmu_front {
    vx_tlb_unit *first[VX_ACCESSES]; /* the first-level unit of each kind of access */
    uint64_t owner;                  /* tag bits of the current context ... */
    uint64_t global_owner;           /* ... and of its global translations; the same where CR4.PGE = 0 */
    uint64_t want[VX_ACCESSES];      /* an access is allowed where ((value ^ want) & need) == 0 */
    uint64_t need[VX_ACCESSES];
} vx_mmu_front;

/* The slot that holds the address's translation, whatever its rights, or VX_SETASSOC_NONE. Changes nothing. */
static inline uint32_t vx_tlb_view_find(const vx_tlb_view *view, uint64_t gva, uint64_t owner, uint64_t global_owner)
{
    if ((gva >> view->pick_shift & view->pick_mask) != view->pick) return VX_SETASSOC_NONE;
    uint64_t page = gva >> view->page_shift;
    uint64_t tag = page << VX_TAG_PAGE_SHIFT | view->size_bits;
    const vx_setassoc *array = view->array;
    uint32_t set = (uint32_t)page & view->set_mask;
    if (owner == global_owner) return vx_setassoc_find(array, set, tag | owner);
    uint32_t first = set * array->ways;
    for (uint32_t slot = first; slot < first + array->ways; slot++)
        if (array->keys[slot] == (tag | owner) || array->keys[slot] == (tag | global_owner)) return slot;
    return VX_SETASSOC_NONE;
}

static inline void vx_tlb_unit_remember(vx_tlb_unit *unit, uint64_t gva, uint64_t value, vx_page_size size)
{
    unit->last_mask = ~(vx_page_bytes(size) - 1);
    unit->last_page = gva & unit->last_mask;
    unit->last_value = value;
    unit->last_size = (uint8_t)size;
}

static inline vx_hpa vx_tlb_unit_last_hpa(const vx_tlb_unit *unit, uint64_t gva)
{
    return (vx_hpa){(unit->last_value & VX_TLB_FRAME) | (gva & ~unit->last_mask)};
}

/* The search behind the filter. True: found with sufficient rights; touched and remembered, not counted. */
static inline bool vx_tlb_unit_search(vx_tlb_unit *unit, const vx_mmu_front *front, uint64_t gva, vx_access access)
{
    for (unsigned i = 0; i < unit->live_count; i++) {
        const vx_tlb_view *view = &unit->live[i];
        uint32_t slot = vx_tlb_view_find(view, gva, front->owner, front->global_owner);
        if (slot == VX_SETASSOC_NONE) continue;
        uint64_t value = view->array->values[slot];
        if ((value ^ front->want[access]) & front->need[access]) return false;
        vx_setassoc_touch(view->array, slot);
        vx_tlb_unit_remember(unit, gva, value, (vx_page_size)(view->size_bits >> VX_TAG_SIZE_SHIFT));
        return true;
    }
    return false;
}

/* True: the first-level TLB translates the (canonical) address for this access; counted, and *hpa is the address.
 * False: nothing was counted or changed; call vx_mmu_access. `access` should be a constant. */
static inline bool vx_mmu_hit(vx_mmu *mmu, uint64_t gva, vx_access access, vx_hpa *hpa)
{
    vx_mmu_front *front = (vx_mmu_front *)(void *)mmu;
    vx_tlb_unit *unit = front->first[access];
    bool filtered = (gva & unit->last_mask) == unit->last_page &&
                    ((unit->last_value ^ front->want[access]) & front->need[access]) == 0;
    if (!filtered && !vx_tlb_unit_search(unit, front, gva, access)) return false;
    unit->hits_by_page[unit->last_size]++;
    *hpa = vx_tlb_unit_last_hpa(unit, gva);
    return true;
}

/* Counts `count` further hits on the page of the access before this one, which must have been of the same kind: the
 * rest of a block of instructions. O(1). */
static inline void vx_mmu_hit_repeat(vx_mmu *mmu, uint64_t gva, vx_access access, uint64_t count)
{
    (void)gva; /* the page that was served last; the caller's address documents the call */
    vx_tlb_unit *unit = ((vx_mmu_front *)(void *)mmu)->first[access];
    unit->hits_by_page[unit->last_size] += count;
}

#endif
