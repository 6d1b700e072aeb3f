/* The first-level TLB hit, inline: what a replay does for nearly every reference.
 *
 * Cost of a hit: a guess of the slot by the page's low bits, a compare of its key (two while global pages are on) and
 * of its rights, a stamp. A wrong guess costs a search of the set in each array and page size that holds anything.
 * Nothing is allocated, nothing called (tree-PLRU calls one function).
 *
 * A guess is a hint and no state: the slot's key says whether it is right, so whatever fills, drops or replaces entries
 * need not know of it. Each hit stamps its entry, so that replacement sees every use.
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
#define VX_TAG_OWNER (0xFFFFULL << VX_TAG_CONTEXT_SHIFT | VX_TAG_VALID)
#define VX_TLB_FRAME 0x000FFFFFFFFFF000ULL

enum { VX_TLB_LIVE_MAX = VX_CFG_TLB_ARRAYS * VX_PAGE_SIZES, VX_TLB_GUESSES = 512, VX_LINE_GUESSES = 4096 };

/* One array of a unit, looked at with one page size. */
typedef struct vx_tlb_view {
    vx_setassoc *array;
    uint32_t *guess;    /* VX_TLB_GUESSES slots, by low bits of the page number: where such a page was found last */
    uint64_t size_bits; /* the page size, in its place in the tag */
    uint32_t set_mask;
    uint8_t page_shift;
    uint8_t pick_shift; /* two or four arrays share the size: this address bit and up ... */
    uint8_t pick_mask;  /* ... under this mask ... */
    uint8_t pick;       /* ... say which array it is; mask 0 where it is alone */
} vx_tlb_view;

/* One lookup unit. */
typedef struct vx_tlb_unit {
    /* The last page that was found by a search or filled: the result of both. */
    uint64_t last_mask;  /* ~(bytes - 1) of the page */
    uint64_t last_value; /* frame and rights */
    uint64_t last_owner; /* tag bits of whose it is; after a search that found it */
    uint8_t last_size;
    uint8_t live_count;
    uint64_t hits_by_page[VX_PAGE_SIZES];
    vx_tlb_view live[VX_TLB_LIVE_MAX]; /* the views that were ever filled, in order of page size */
} vx_tlb_unit;

/* One kind of access: what a guess in the first of its unit's live views needs, side by side. Where there is no such
 * view, or it does not keep stamps, nothing is ever found here. */
typedef struct vx_mmu_lane {
    const uint64_t *keys, *values;
    uint64_t *stamps;
    const uint32_t *guess;
    uint64_t own, global; /* tag bits but for the page number: of the current context, of its global translations */
    uint64_t want, need;  /* the access is allowed where ((value ^ want) & need) == 0 */
    uint32_t page_shift;
    vx_page_size size;
    /* The data cache where the access enters, guessed in the same way. */
    const uint64_t *lines;
    uint64_t *line_stamps;
    const uint32_t *line_guess;
} vx_mmu_lane;

/* The front of struct vx_mmu. */
typedef struct vx_mmu_front {
    vx_mmu_lane lane[VX_ACCESSES];
    uint64_t clock;                  /* the last stamp of all first-level arrays */
    vx_tlb_unit *first[VX_ACCESSES]; /* the first-level unit of each kind of access */
    uint64_t owner;                  /* tag bits of the current context ... */
    uint64_t global_owner;           /* ... and of its global translations; the same where CR4.PGE = 0 */
} vx_mmu_front;

/* The slot that holds the address's translation, whatever its rights, or VX_SETASSOC_NONE. Changes nothing. */
static inline __attribute__((always_inline)) uint32_t vx_tlb_view_find(const vx_tlb_view *view, uint64_t gva,
                                                                       uint64_t owner, uint64_t global_owner)
{
    if ((gva >> view->pick_shift & view->pick_mask) != view->pick) return VX_SETASSOC_NONE;
    uint64_t page = gva >> view->page_shift;
    uint64_t tag = page << VX_TAG_PAGE_SHIFT | view->size_bits;
    const uint64_t *keys = view->array->keys;
    uint32_t *guess = &view->guess[page % VX_TLB_GUESSES];
    if ((keys[*guess] == (tag | owner)) | (keys[*guess] == (tag | global_owner))) return *guess;
    uint32_t set = (uint32_t)page & view->set_mask;
    uint32_t slot = vx_setassoc_find(view->array, set, tag | owner);
    if (owner != global_owner) { /* the lower way, where both are there */
        uint32_t global = vx_setassoc_find(view->array, set, tag | global_owner);
        if (global < slot) slot = global;
    }
    if (slot != VX_SETASSOC_NONE) *guess = slot;
    return slot;
}

static inline void vx_tlb_unit_remember(vx_tlb_unit *unit, uint64_t value, vx_page_size size)
{
    unit->last_mask = ~(vx_page_bytes(size) - 1);
    unit->last_value = value;
    unit->last_size = (uint8_t)size;
}

static inline vx_hpa vx_tlb_unit_last_hpa(const vx_tlb_unit *unit, uint64_t gva)
{
    return (vx_hpa){(unit->last_value & VX_TLB_FRAME) | (gva & ~unit->last_mask)};
}

/* The search. HIT: touched and remembered, not counted. */
static inline __attribute__((always_inline)) vx_tlb_found
vx_tlb_unit_search(vx_tlb_unit *unit, const vx_mmu_front *front, uint64_t gva, vx_access access)
{
    const vx_mmu_lane *lane = &front->lane[access];
    for (unsigned i = 0; i < unit->live_count; i++) {
        const vx_tlb_view *view = &unit->live[i];
        uint32_t slot = vx_tlb_view_find(view, gva, front->owner, front->global_owner);
        if (slot == VX_SETASSOC_NONE) continue;
        uint64_t value = view->array->values[slot];
        if ((value ^ lane->want) & lane->need) return VX_TLB_INSUFFICIENT;
        vx_setassoc_touch(view->array, slot);
        vx_tlb_unit_remember(unit, value, (vx_page_size)(view->size_bits >> VX_TAG_SIZE_SHIFT));
        unit->last_owner = view->array->keys[slot] & VX_TAG_OWNER;
        return VX_TLB_HIT;
    }
    return VX_TLB_MISS;
}

/* HIT: the first-level TLB translates the (canonical) address for this access; counted, and *hpa is the address.
 * Else nothing was counted or changed; call vx_mmu_access_missed. `access` should be a constant. */
static inline vx_tlb_found vx_mmu_search(vx_mmu *mmu, uint64_t gva, vx_access access, vx_hpa *hpa)
{
    vx_mmu_front *front = (vx_mmu_front *)(void *)mmu;
    vx_tlb_unit *unit = front->first[access];
    vx_tlb_found found = vx_tlb_unit_search(unit, front, gva, access);
    if (found != VX_TLB_HIT) return found;
    unit->hits_by_page[unit->last_size]++;
    *hpa = vx_tlb_unit_last_hpa(unit, gva);
    return VX_TLB_HIT;
}

/* The same where the rest does not matter. False: call vx_mmu_access. */
static inline bool vx_mmu_hit(vx_mmu *mmu, uint64_t gva, vx_access access, vx_hpa *hpa)
{
    return vx_mmu_search(mmu, gva, access, hpa) == VX_TLB_HIT;
}

/* The same for a loop that needs no addresses and counts by itself (vx_mmu_lane_count): true for most of what
 * vx_mmu_hit is true for. `stamp` exceeds every earlier one; the loop keeps the clock between vx_mmu_clock and
 * vx_mmu_set_clock. */
static inline bool vx_mmu_lane_hit(const vx_mmu_lane *lane, uint64_t gva, uint64_t stamp)
{
    uint64_t page = gva >> lane->page_shift;
    uint32_t slot = lane->guess[page % VX_TLB_GUESSES];
    uint64_t key = lane->keys[slot] ^ page << VX_TAG_PAGE_SHIFT;
    /* One branch, which is predicted well; each condition alone would not be. */
    bool hit = ((key == lane->own) | (key == lane->global)) & (((lane->values[slot] ^ lane->want) & lane->need) == 0);
    if (hit) lane->stamps[slot] = stamp;
    return hit;
}

/* A line of a data cache as a key. */
static inline uint64_t vx_line_key(uint64_t line) { return line << 1 | 1; }

/* The same where the reference also goes through the data caches and hits in the first: what neither costs anything nor
 * changes more than both orders of use. False: nothing was changed. */
static inline bool vx_mmu_lane_cached_hit(const vx_mmu_lane *lane, uint64_t gva, uint64_t stamp)
{
    uint64_t page = gva >> lane->page_shift;
    uint32_t slot = lane->guess[page % VX_TLB_GUESSES];
    uint64_t key = lane->keys[slot] ^ page << VX_TAG_PAGE_SHIFT, value = lane->values[slot];
    uint64_t hpa = (value & VX_TLB_FRAME) | (gva & ((1ULL << lane->page_shift) - 1));
    uint64_t line = hpa >> VX_LINE_SHIFT;
    uint32_t line_slot = lane->line_guess[line % VX_LINE_GUESSES];
    bool hit = ((key == lane->own) | (key == lane->global)) & (((value ^ lane->want) & lane->need) == 0) &
               (lane->lines[line_slot] == vx_line_key(line));
    if (!hit) return false;
    lane->stamps[slot] = stamp;
    lane->line_stamps[line_slot] = stamp;
    return true;
}

static inline const vx_mmu_lane *vx_mmu_lanes(const vx_mmu *mmu)
{
    return ((const vx_mmu_front *)(const void *)mmu)->lane;
}

static inline uint64_t vx_mmu_clock(const vx_mmu *mmu) { return ((const vx_mmu_front *)(const void *)mmu)->clock; }
static inline void vx_mmu_set_clock(vx_mmu *mmu, uint64_t clock) { ((vx_mmu_front *)(void *)mmu)->clock = clock; }

/* Counts hits of a lane. */
static inline void vx_mmu_lane_count(vx_mmu *mmu, vx_access access, uint64_t hits)
{
    vx_mmu_front *front = (vx_mmu_front *)(void *)mmu;
    front->first[access]->hits_by_page[front->lane[access].size] += hits;
}

/* Counts hits of a lane's data cache. */
void vx_mmu_lane_count_lines(vx_mmu *mmu, vx_access access, uint64_t hits);

/* Counts `count` further hits on the page of the access before this one, which must have been of the same kind: the
 * rest of a block of instructions. O(1). */
static inline void vx_mmu_hit_repeat(vx_mmu *mmu, uint64_t gva, vx_access access, uint64_t count)
{
    (void)gva; /* the page that was served last; the caller's address documents the call */
    vx_tlb_unit *unit = ((vx_mmu_front *)(void *)mmu)->first[access];
    unit->hits_by_page[unit->last_size] += count;
}

#endif
