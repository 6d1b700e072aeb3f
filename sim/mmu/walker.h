/* What the two dimensions of a walk share: the state of one walk, its costs, and the caches of the walker.
 */
#ifndef VX_WALKER_H
#define VX_WALKER_H

#include "mmu_private.h"
#include "psc_physical.h"
#include "psc_prefix.h"

/* Where a walk of the second dimension stands: about to read the entry of `level` in `table`. */
typedef struct vx_nested_place {
    unsigned level;
    uint64_t table;
    uint64_t allowed; /* by the entries so far */
} vx_nested_place;

struct vx_walk {
    vx_mmu *mmu;
    vx_access access;
    bool linear;     /* the walk translates a linear address (not a guest-physical one alone) */
    bool caches;     /* paging-structure caches and nested TLB may answer */
    bool remembered; /* one of them did: a fault must be confirmed from memory */
    bool shadow_stack;
    /* Of the first dimension, for what the second reports and verifies. */
    uint64_t rights;     /* of the linear address: VX_TLB_W, U, NX, once its last entry is read */
    bool verification;   /* the second dimension's fault is of guest-paging verification */
    bool verify;         /* the page of the last guest entry asks for it */
    bool unverified;     /* a guest entry lies on a page without paging-write access */
    uint32_t accesses;   /* counted and charged one by one */
    uint32_t tallied[2]; /* of the second dimension [0], of the first [1]: charged when the walk ends */
    uint64_t ticks[2];   /* of those that went through the data caches: the same */
    /* Taken over from straight.h; else NULL, and level 0: where it stands, and the nested walk that is under way. */
    const struct vx_walk_begun *begun;
    vx_nested_place nested_begun;
    vx_mmu_fault fault;
};

/* What an instance of the walks takes as constants. */
typedef struct vx_walk_mode {
    vx_nested_kind nested;
    bool wide;     /* first dimension: 4-level or 5-level paging */
    bool lean;     /* prefix caches or none, which may answer: no page-walk cache, no nested TLB, no guest-paging
                      verification */
    bool whole;    /* in one function, with the second dimension inline: lean implies it */
    bool straight; /* lean, and as straight.h says */
    bool cached;   /* straight: accesses go through the data caches */
} vx_walk_mode;

#define VX_INLINE static inline __attribute__((always_inline))

enum { VX_DATA_ROW = 0, VX_GUEST_COLUMN = 0 }; /* as levels: see vx_walk_access */

static inline unsigned vx_grid_index(unsigned level) { return 5 - level; }

/* ---- walk_cost.c ---- */

/* An access through the data caches, into the grid's ticks. Returns what it exposes. */
static inline uint32_t vx_walk_through_caches(vx_mmu *mmu, unsigned row, unsigned column, uint64_t at)
{
    uint32_t ticks = mmu->cache_charge(mmu, at);
    mmu->counts.ticks[vx_grid_index(row)][vx_grid_index(column)] += ticks;
    return ticks;
}
/* One access to the hierarchy for the entry at `at`, with a cost of its own or an observer. */
void vx_walk_charge_told(vx_walk *walk, unsigned row, unsigned column, uint64_t at, uint64_t entry);
static inline void vx_walk_charge(vx_walk *walk, unsigned row, unsigned column, uint64_t at, uint64_t entry)
{
    vx_walk_tally *tally = &walk->mmu->tally;
    if (__builtin_expect(!tally->plain, 0)) {
        vx_walk_charge_told(walk, row, column, at, entry);
        return;
    }
    tally->reads[row][column]++;
    walk->tallied[column == VX_GUEST_COLUMN]++;
    if (tally->cached) walk->ticks[column == VX_GUEST_COLUMN] += vx_walk_through_caches(walk->mmu, row, column, at);
}
/* The walk ends: charges what was tallied. Returns how many accesses it made. */
uint32_t vx_walk_settle(const vx_walk *walk);
static inline void vx_count_walk(const vx_walk *walk, vx_mmu_result result)
{
    vx_mmu *mmu = walk->mmu;
    uint32_t accesses = vx_walk_settle(walk);
    mmu->counts.walks++;
    if (result != VX_MMU_DONE) mmu->counts.walks_aborted++;
    mmu->counts.walk_accesses += accesses;
    vx_histogram_add(&mmu->counts.per_walk, accesses);
}
/* Ticks that are exposed go to the grid and to the ledger. */
static inline vx_cause vx_walk_cause(const vx_mmu *mmu, unsigned column)
{
    if (column != VX_GUEST_COLUMN) return VX_CAUSE_WALK_NESTED;
    bool shadow = mmu->control.shadow && mmu->control.nested == VX_NESTED_NONE;
    return shadow ? VX_CAUSE_WALK_SHADOW : VX_CAUSE_WALK_GUEST;
}
static inline void vx_walk_charge_ticks(vx_mmu *mmu, unsigned row, unsigned column, uint32_t ticks)
{
    mmu->counts.ticks[vx_grid_index(row)][vx_grid_index(column)] += ticks;
    mmu->charged_walk_ticks += ticks;
    vx_ledger_charge(mmu->ledger, vx_walk_cause(mmu, column), ticks);
}
/* Tells the observer of an access that a cache of the walker saved. */
void vx_walk_tell_skipped(const vx_mmu *mmu, unsigned row, unsigned column, vx_walk_hit hit, uint32_t ticks,
                          uint64_t at, uint64_t entry);
/* One access that a cache of the walker saved. Most are free and unobserved: then counting is all there is to do. */
VX_INLINE void vx_walk_skip(vx_walk *walk, unsigned row, unsigned column, vx_walk_hit hit, uint32_t ticks, uint64_t at,
                            uint64_t entry)
{
    vx_mmu *mmu = walk->mmu;
    mmu->counts.skipped[vx_grid_index(row)][vx_grid_index(column)]++;
    if (ticks) {
        ticks = vx_walk_exposed(mmu, ticks);
        vx_walk_charge_ticks(mmu, row, column, ticks);
    }
    if (__builtin_expect(mmu->observer != NULL, 0)) vx_walk_tell_skipped(mmu, row, column, hit, ticks, at, entry);
}

/* ---- nested_walk.c ---- */

typedef struct vx_nested_leaf {
    uint64_t hpa;     /* of the very address */
    uint64_t entry;   /* that maps the page; 0: unknown, from the nested TLB */
    uint64_t allowed; /* VX_USE bits: AND over the entries */
    vx_page_size size;
    uint8_t level; /* at which the walk ended, 1 to 3 */
    bool dirty;    /* its D flag is set, or none is kept */
} vx_nested_leaf;

/* vx_nested_walk of nested_walk.h, out of line. */
vx_mmu_result vx_nested_ept(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, vx_nested_leaf *leaf);
vx_mmu_result vx_nested_npt(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, vx_nested_leaf *leaf);
/* The fault of a use that the page does not allow, where all entries were present. */
vx_mmu_result vx_nested_denied(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, const vx_nested_leaf *leaf);

/* ---- sub_page.c ---- */

typedef enum vx_sub_page {
    VX_SUB_PAGE_DENIES,
    VX_SUB_PAGE_ALLOWS,
    VX_SUB_PAGE_MISSES,       /* an entry is not valid */
    VX_SUB_PAGE_MISCONFIGURED /* a reserved bit is set */
} vx_sub_page;

/* What the sub-page permission tables say of a write to a guest-physical address that is eligible for them. */
vx_sub_page vx_sub_page_write(const vx_mmu *mmu, uint64_t gpa);

/* ---- mmu_access.c ---- */

/* Of the untranslated mode. */
vx_mmu_result vx_access_untranslated(vx_mmu *mmu, vx_gva gva, vx_access access, vx_mmu_translation *translation,
                                     vx_mmu_fault *fault);

/* Drops what a fault drops. `linear`: of a walk of a linear address. */
void vx_drop_faulted(vx_mmu *mmu, vx_mmu_result result, const vx_mmu_fault *fault, bool linear);

/* ---- miss.c, and the same compiled for AVX2 ---- */

/* By how little a walk may have to do with (miss.c). */
typedef enum vx_miss_kind { VX_MISS_ANY, VX_MISS_WHOLE, VX_MISS_LEAN, VX_MISS_STRAIGHT } vx_miss_kind;

/* `two`: with a second dimension; `cached`: accesses go through the data caches. */
vx_access_fn vx_access_instance(vx_miss_kind kind, bool two, bool cached);
vx_access_fn vx_access_instance_avx2(vx_miss_kind kind, bool two, bool cached);

/* ---- straight.c ---- */

/* Whether a lean walk may also be a straight one. */
bool vx_straight_fits(const vx_mmu *mmu);

/* ---- walk.c ---- */

/* The walk's instance for a mode; paging off with a second dimension is a mode of its own. */
vx_walk_fn vx_walk_instance(vx_nested_kind nested, vx_paging_mode paging);

#endif
