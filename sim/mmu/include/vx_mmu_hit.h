/* The first-level TLB hit, inline: what a replay does for nearly every reference.
 *
 * A loop over records asks its lanes first: a lane remembers, by low bits of the page number, which slot of the array
 * holds a page with the rights that its kind of access needs. One compare says that it does; the reference then only
 * stamps the slot, so that replacement sees every use. What a lane does not know is searched for (vx_mmu_access).
 *
 * What a lane remembers holds until the slot is filled anew or emptied (whoever does that calls vx_lanes_forget), and
 * only for the context and the rights for which it was found: these are numbered, and the number, the salt, is a part
 * of what is compared (lanes.c).
 *
 * The structs below are the front of `struct vx_mmu`; only this room writes them. */
#ifndef VX_MMU_HIT_H
#define VX_MMU_HIT_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_addr.h"
#include "vx_config.h"
#include "vx_mmu.h"
#include "vx_record.h"
#include "vx_setassoc.h"

/* Layout of a tag: sim/mmu/tlb_tag.h. */
#define VX_TAG_VALID 1ULL
#define VX_TAG_SIZE_SHIFT 1
#define VX_TAG_CONTEXT_SHIFT 3
#define VX_TAG_PAGE_SHIFT 19
#define VX_TAG_OWNER (0xFFFFULL << VX_TAG_CONTEXT_SHIFT | VX_TAG_VALID)
#define VX_TLB_FRAME 0x000FFFFFFFFFF000ULL

enum { VX_TLB_LIVE_MAX = VX_CFG_TLB_ARRAYS * VX_PAGE_SIZES, VX_LINE_GUESSES = 4096 };

/* One array of a unit, looked at with one page size. */
typedef struct vx_tlb_view {
    vx_setassoc *array;
    uint64_t size_bits; /* the page size, in its place in the tag */
    uint32_t set_mask;
    uint8_t page_shift;
    uint8_t pick_shift; /* two or four arrays share the size: this address bit and up ... */
    uint8_t pick_mask;  /* ... under this mask ... */
    uint8_t pick;       /* ... say which array it is; mask 0 where it is alone */
    bool lane;          /* lanes look here: the first of its unit's live views, and its entries have stamps */
} vx_tlb_view;

/* One lookup unit. */
typedef struct vx_tlb_unit {
    uint8_t last_size; /* of the page that was found by a lookup or filled last */
    uint8_t live_count;
    uint64_t hits_by_page[VX_PAGE_SIZES];
    vx_tlb_view live[VX_TLB_LIVE_MAX]; /* the views that were ever filled, in order of page size */
} vx_tlb_unit;

/* A lane is one kind of access: where and how the first of its unit's live views is searched. It has the number of the
 * record kind that makes the access, so that a loop over records needs no table. */
enum { VX_LANES = 4, VX_LANE_ROWS = 1024 };
_Static_assert(VX_REC_FETCH < 4 && VX_REC_LOAD < 4 && VX_REC_STORE < 4, "each has a lane");

/* The lane of a kind of access: the number of the record kind that makes it. */
static inline unsigned vx_lane_of(vx_access access)
{
    _Static_assert(VX_ACCESS_STORE - VX_ACCESS_LOAD == VX_REC_STORE - VX_REC_LOAD, "in the same order");
    return access == VX_ACCESS_FETCH ? VX_REC_FETCH : access + (VX_REC_LOAD - VX_ACCESS_LOAD);
}

/* Where there is no such view, or it does not keep stamps, nothing is ever remembered for the lane. */
typedef struct vx_mmu_lane {
    uint64_t own, global; /* tag bits but for the page number: of the current context, of its global translations */
    uint64_t want, need;  /* the access is allowed where ((value ^ want) & need) == 0 */
    const uint64_t *values;
    uint64_t *stamps; /* NULL: see above */
    uint64_t *hits;   /* its unit's count of them */
    uint32_t page_shift;
    /* The data cache where the access enters; a line's slot is guessed. */
    const uint64_t *lines;
    uint64_t *line_stamps;
    const uint32_t *line_guess;
} vx_mmu_lane;

/* What the lanes remember of pages whose numbers have the same low bits: a cache line of the host. */
typedef struct vx_lane_row {
    uint64_t page[VX_LANES];   /* number of a page of the lane's size, and the salt; 0: nothing, for no salt is 0 */
    uint64_t *stamp[VX_LANES]; /* of its slot */
} vx_lane_row;

#define VX_LANE_SALT_SHIFT 52 /* above any page number */

/* The front of struct vx_mmu. */
typedef struct vx_mmu_front {
    vx_mmu_lane lane[VX_LANES];
    vx_lane_row *rows;               /* VX_LANE_ROWS, by low bits of the page number */
    uint64_t salt;                   /* of the lanes as they are */
    bool lanes_4k;                   /* all of them are of 4K pages */
    uint64_t clock;                  /* the last stamp of all first-level arrays */
    vx_tlb_unit *first[VX_ACCESSES]; /* the first-level unit of each kind of access */
    uint64_t owner;                  /* tag bits of the current context ... */
    uint64_t global_owner;           /* ... and of its global translations; the same where CR4.PGE = 0 */
} vx_mmu_front;

/* The row of a page that an address lies in. */
static inline vx_lane_row *vx_lane_row_of(vx_lane_row *rows, unsigned page_shift, uint64_t gva)
{
    return &rows[(gva >> page_shift) % VX_LANE_ROWS];
}

/* Remembers a page for one lane, if the entry's rights are enough for its access. */
static inline void vx_lane_learn(const vx_mmu_front *front, vx_access access, vx_lane_row *row, uint64_t page,
                                 uint64_t value, uint64_t *stamp)
{
    unsigned number = vx_lane_of(access);
    const vx_mmu_lane *lane = &front->lane[number];
    if ((value ^ lane->want) & lane->need) return;
    row->page[number] = page;
    row->stamp[number] = stamp;
}

/* A slot of the unit that serves the access was found or filled: where lanes look there, it is remembered for this kind
 * of access, and for loads and stores together. */
static inline void vx_lanes_learn(const vx_mmu_front *front, vx_access access, const vx_tlb_view *view, uint32_t slot,
                                  uint64_t gva)
{
    const vx_setassoc *array = view->array;
    if (!view->lane) return;
    vx_lane_row *row = vx_lane_row_of(front->rows, view->page_shift, gva);
    uint64_t page = gva >> view->page_shift | front->salt, value = array->values[slot], *stamp = array->stamps + slot;
    vx_lane_learn(front, access, row, page, value, stamp);
    if (access == VX_ACCESS_FETCH || front->first[VX_ACCESS_LOAD] != front->first[VX_ACCESS_STORE]) return;
    vx_lane_learn(front, access == VX_ACCESS_LOAD ? VX_ACCESS_STORE : VX_ACCESS_LOAD, row, page, value, stamp);
}

/* To be called when a slot of a first-level array, which held `key`, is about to hold something else, or nothing. */
static inline void vx_lanes_forget(const vx_mmu_front *front, uint64_t key)
{
    uint64_t page = key >> VX_TAG_PAGE_SHIFT;
    vx_lane_row *row = &front->rows[page % VX_LANE_ROWS];
#ifdef __AVX2__
    __m256i *pages = (__m256i *)(void *)row->page, found = _mm256_loadu_si256(pages);
    __m256i differs =
        _mm256_slli_epi64(_mm256_xor_si256(found, _mm256_set1_epi64x((long long)page)), VX_TAG_PAGE_SHIFT);
    _mm256_storeu_si256(pages, _mm256_andnot_si256(_mm256_cmpeq_epi64(differs, _mm256_setzero_si256()), found));
#else
    for (unsigned lane = 0; lane < VX_LANES; lane++)
        row->page[lane] = (row->page[lane] ^ page) << VX_TAG_PAGE_SHIFT ? row->page[lane] : 0; /* whatever its salt */
#endif
}

/* True: the first-level TLB translates the (canonical) address for this access; counted, and *hpa is the address. Else
 * nothing was counted or changed; call vx_mmu_access. */
bool vx_mmu_hit(vx_mmu *mmu, uint64_t gva, vx_access access, vx_hpa *hpa);

/* ---- for a loop that needs no addresses and counts by itself (vx_mmu_lane_count) ---- */

/* The front is the first member. */
static inline const vx_mmu_front *vx_mmu_front_of(const vx_mmu *mmu) { return (const vx_mmu_front *)(const void *)mmu; }

/* Whether a reference hits in its lane, from the first byte, which chose the row, to the `last`: true for most of what
 * vx_mmu_hit is true for. The caller sets *row->stamp[lane]. Crossing into the next page is no hit: that page's number
 * belongs into another row. Where the lane's pages are larger than 4K the caller looks out for crossings. */
static inline bool vx_lane_hit(const vx_lane_row *row, uint64_t salt, uint64_t lane, unsigned page_shift, uint64_t last)
{
    return row->page[lane] == (last >> page_shift | salt);
}

/* A line of a data cache as a key. */
static inline uint64_t vx_line_key(uint64_t line) { return line << 1 | 1; }

/* The stamp of the line where a reference that hits in its lane also hits in the first data cache, else NULL: then it
 * costs nothing there, and changes no more than the order of use. */
static inline uint64_t *vx_lane_find_line(const vx_mmu_lane *lane, const uint64_t *stamp, unsigned page_shift,
                                          uint64_t gva)
{
    uint64_t value = lane->values[stamp - lane->stamps];
    uint64_t line = ((value & VX_TLB_FRAME) | (gva & ((1ULL << page_shift) - 1))) >> VX_LINE_SHIFT;
    uint32_t slot = lane->line_guess[line % VX_LINE_GUESSES];
    return lane->lines[slot] == vx_line_key(line) ? &lane->line_stamps[slot] : NULL;
}

/* Each stamp exceeds every earlier one: the loop keeps the clock between these two. */
static inline uint64_t vx_mmu_clock(const vx_mmu *mmu) { return ((const vx_mmu_front *)(const void *)mmu)->clock; }
static inline void vx_mmu_set_clock(vx_mmu *mmu, uint64_t clock) { ((vx_mmu_front *)(void *)mmu)->clock = clock; }

/* Counts hits of a lane. */
static inline void vx_mmu_lane_count(const vx_mmu *mmu, vx_access access, uint64_t hits)
{
    *vx_mmu_front_of(mmu)->lane[vx_lane_of(access)].hits += hits;
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
