/* What the files of this room share: the MMU itself. */
#ifndef VX_MMU_PRIVATE_H
#define VX_MMU_PRIVATE_H

#include "cache_level.h"
#include "ordinary.h"
#include "rights.h"
#include "tlb_context.h"
#include "tlb_tag.h"
#include "vx_mmu.h"
#include "vx_mmu_hit.h"
#include "vx_radix.h"
#include "vx_setassoc.h"

enum { VX_NOT_INSTALLED = 0xFF, VX_ARRAYS_MAX = VX_CFG_TLBS * VX_CFG_TLB_ARRAYS + 16 };

/* Tables of 512 8-byte entries in every level, which is all but 32-bit and PAE paging: index arithmetic by constants.
 */
static inline unsigned vx_wide_shift(unsigned level) { return 3 + 9 * level; }
static inline uint64_t vx_wide_offset(unsigned level, uint64_t address) { return address >> 9 * level & 0xFF8; }

/* A TLB unit: its hot part and what fills and counts need. */
typedef struct vx_tlb {
    vx_tlb_unit unit; /* first: the front points here */
    vx_mmu *mmu;      /* whose it is */
    const vx_cfg_tlb *config;
    vx_setassoc array[VX_CFG_TLB_ARRAYS];
    vx_tlb_view view[VX_TLB_LIVE_MAX]; /* every view there is; `unit.live` holds those that were filled */
    uint8_t view_live[VX_TLB_LIVE_MAX];
    uint8_t view_count;
    uint8_t first_view[VX_PAGE_SIZES];      /* of those that hold a size; `pick` counts from it */
    uint8_t installs_as[VX_PAGE_SIZES];     /* the page size that an entry of a size gets here, or VX_NOT_INSTALLED */
    const vx_tlb_view *into[VX_PAGE_SIZES]; /* the view that takes an entry of a size, once vx_tlb_view_for has said so;
                                               NULL: to be asked for, where several take turns each time */
    bool holds_any;                         /* since it was last found empty, an entry was filled */
    bool holds_pieces;                      /* an entry smaller than its first-dimension page was ever filled */
    uint64_t cold_lookups;                  /* by vx_mmu_access */
    uint64_t cold_hits;                     /* among them; also in unit.hits_by_page */
    vx_tlb_counts *counts;                  /* misses and fills as they happen; the rest on vx_mmu_counts_now */
} vx_tlb;

/* One linear array of prefixes of one level, or the page-walk cache, or the nested TLB. */
typedef struct vx_walker_cache {
    vx_setassoc array;
    bool exists;
} vx_walker_cache;

/* The state that a load changes, ready for the walk. */
typedef struct vx_walk_setup {
    const vx_radix *guest; /* NULL: paging off */
    const vx_radix *nested;
    uint8_t guest_top, nested_top; /* the level at which a walk starts; 0 without that dimension */
    bool pdptes_latched;
    bool table_writes; /* reading a guest table entry is a write to its page */
    bool nested_flags; /* A and D flags of the nested tables are kept */
    uint64_t nested_accessed, nested_dirty;
    uint64_t nested_needs;         /* flags of a leaf that is written to: its D where it is kept */
    uint64_t nested_present;       /* an entry of the nested tables is present where it has any of these bits */
    uint64_t paging_write_bit;     /* EPT: VX_EPT_PAGING_WRITE where its control is 1 */
    uint8_t user_execute_bit;      /* EPT: the bit that lets user-mode linear addresses execute, 2 or 10 */
    uint64_t guest_physical_owner; /* tag bits of guest-physical mappings */
    vx_reserved_bits guest_reserved, nested_reserved;
    vx_ordinary guest_ordinary, nested_ordinary;
    uint64_t nested_frame[VX_RADIX_LEVELS_MAX + 1]; /* address bits of a leaf, by level */
    uint64_t nested_page[VX_RADIX_LEVELS_MAX + 1];  /* bytes of its page */
} vx_walk_setup;

/* Accesses that nobody observes are counted here alone while a walk runs: the grid and its skipped accesses follow from
 * these when somebody asks (vx_mmu_counts_now), and its ticks where accesses all cost the same. */
enum {
    VX_TALLY_LEVELS = 8,   /* 0 to 5, and a power of two */
    VX_TALLY_ACCESSES = 25 /* of a walk with 4 + 4 levels, at most 24 */
};
typedef struct vx_walk_tally {
    bool plain;                    /* no observer; fixed latencies without a remainder, or data caches: so it may be */
    bool cached;                   /* data caches: each access's ticks are added up as it is made */
    uint8_t guest_top, nested_top; /* at which the walks in it started */
    uint32_t access_ticks;         /* exposed ticks of an access; 0 where each has its own */
    uint64_t reads[VX_GRID][VX_TALLY_LEVELS]; /* by row and level of the second dimension, or VX_GUEST_COLUMN */
    /* By the level at which what a cache saved ends: from the top level down to it, of the second dimension in one row;
     * whole guest entries. */
    uint64_t nested_saved[VX_GRID][VX_TALLY_LEVELS];
    uint64_t guest_saved[VX_TALLY_LEVELS];
    /* Straight walks (straight.h): the nested walks of all guest rows above an entry of this level, each of which ended
     * at level 1; walks by how many accesses they made. */
    uint64_t rows_saved[VX_TALLY_LEVELS];
    uint64_t walks[VX_TALLY_ACCESSES];
} vx_walk_tally;

typedef struct vx_walk vx_walk;

/* A successful walk: what a TLB entry is made of. */
typedef struct vx_walk_leaf {
    uint64_t hpa;
    uint64_t flags; /* VX_TLB_... */
    vx_page_size size;
    bool global;
} vx_walk_leaf;

typedef vx_mmu_result (*vx_walk_fn)(vx_walk *walk, uint64_t gva, vx_walk_leaf *leaf);

/* vx_mmu_access. */
typedef vx_mmu_result (*vx_access_fn)(vx_mmu *mmu, vx_gva gva, vx_access access, vx_mmu_translation *translation,
                                      vx_mmu_fault *fault);

/* Where the leaf table of a 2 MiB region lay when it, or another that shares its place, was last walked; 0: nowhere.
 * For expect.c. */
typedef uint64_t vx_expected;
enum { VX_EXPECTED = 4096, VX_EXPECTED_SHIFT = 21 };

/* A state of the lanes, as far as what they remember rests on it, and its salt; 0: none. */
typedef struct vx_lane_state {
    uint64_t owner, global_owner;
    uint64_t rights; /* of all lanes */
    uint64_t views;  /* how many views were live */
    uint64_t salt;
} vx_lane_state;

/* The latest states: lanes.c. */
enum { VX_LANE_STATES = 8, VX_LANE_SALT_MAX = (1 << (64 - VX_LANE_SALT_SHIFT)) - 1 };
typedef struct vx_lane_states {
    vx_lane_state of[VX_LANE_STATES];
    uint64_t last; /* the last number given */
} vx_lane_states;

struct vx_mmu {
    vx_mmu_front front; /* first: vx_mmu_hit.h */
    const vx_cfg_cpu *cpu;
    vx_physmem *memory;
    vx_ledger *ledger;
    vx_mmu_control control;
    bool loaded;
    bool translated; /* some dimension is on */
    vx_walk_setup setup;
    vx_walk_fn walk; /* the instances for the mode */
    vx_access_fn access;
    uint32_t (*cache_access)(vx_mmu *mmu, uint64_t hpa, unsigned first, vx_walk_hit *hit);
    uint32_t (*cache_charge)(vx_mmu *mmu, uint64_t hpa);
    bool simd; /* of those for a host with AVX2 */
    vx_walk_observer observer;
    void *observer_context;

    vx_lane_states lane_states;
    unsigned views_live; /* of all units */
    vx_contexts contexts;
    uint8_t *context_marks;             /* scratch, one a context */
    vx_setassoc *arrays[VX_ARRAYS_MAX]; /* every array with tags */
    unsigned array_count;

    vx_tlb tlb[VX_CFG_TLBS];
    unsigned tlb_count;
    vx_tlb *second[VX_ACCESSES]; /* NULL: no second level */

    vx_walker_cache psc_guest[VX_RADIX_LEVELS_MAX + 1];  /* by level of the entry: linear and combined */
    vx_walker_cache psc_nested[VX_RADIX_LEVELS_MAX + 1]; /* guest-physical */
    vx_walker_cache psc_physical;
    vx_walker_cache ntlb;
    vx_cache_level cache[VX_CFG_CACHES];

    uint32_t exposure_num, exposure_den; /* exposed ticks = ticks x num / den, in lowest terms */
    uint64_t exposure_rest;              /* what rounding left over, carried to the next access */
    bool splintered;                     /* a splintered entry was ever installed: page fracturing may matter */
    uint64_t charged_walk_ticks;         /* what went to the ledger's walk causes since the counters' reset */
    vx_walk_tally tally;

    vx_mmu_counts counts;

    vx_expected expected_guest[VX_EXPECTED];  /* by gva: host-physical addresses of tables */
    vx_expected expected_nested[VX_EXPECTED]; /* by gpa */
};

/* Remembers where the leaf table of the address's region lies: for expect.c. */
static inline void vx_expect_learn(vx_expected *of, uint64_t address, uint64_t table)
{
    of[address >> VX_EXPECTED_SHIFT & (VX_EXPECTED - 1)] = table;
}

/* tlb.c */
vx_status vx_tlb_init(vx_tlb *tlb, vx_mmu *mmu, vx_arena *arena, const vx_cfg_tlb *config, vx_msg *msg);
/* The view that takes an entry of the size, or NULL: none does. From its first fill on a view is searched. */
const vx_tlb_view *vx_tlb_view_for(vx_tlb *tlb, uint64_t gva, vx_page_size size);
/* Drops whatever the unit holds for the address: before an insufficient entry is replaced by one of another tag. */
void vx_tlb_drop_address(vx_tlb *tlb, const vx_mmu_front *front, uint64_t gva);

/* mmu.c */
vx_status vx_mmu_array_init(vx_mmu *mmu, vx_setassoc *array, vx_arena *arena, uint32_t entries, uint32_t ways,
                            vx_replacement policy, vx_msg *msg);

/* lanes.c. Init: once the data caches are there. */
vx_status vx_lanes_init(vx_mmu *mmu, vx_arena *arena, vx_msg *msg);
/* After whatever changed the current context, its rights, or which views are live. */
void vx_lanes_aim(vx_mmu *mmu);
/* After first-level arrays were emptied as a whole. */
void vx_lanes_forget_all(vx_mmu *mmu);

/* Exposed ticks = ticks x walk_exposure / walkers. The remainder of the division is carried to the next access, so that
 * nothing is lost over a run, and the same whole number goes to the grid and to the ledger. */
static inline uint32_t vx_walk_exposed(vx_mmu *mmu, uint32_t ticks)
{
    uint64_t scaled = (uint64_t)ticks * mmu->exposure_num + mmu->exposure_rest;
    if (mmu->exposure_den == 1) return (uint32_t)scaled;
    if (mmu->exposure_den == 2) { /* two walkers: most processors, spared the division */
        mmu->exposure_rest = scaled & 1;
        return (uint32_t)(scaled >> 1);
    }
    mmu->exposure_rest = scaled % mmu->exposure_den;
    return (uint32_t)(scaled / mmu->exposure_den);
}

/* walk_cost.c */
void vx_walk_costs_init(vx_mmu *mmu);
/* Whether accesses may be tallied: after a change of the observer. */
void vx_tally_aim(vx_mmu *mmu);
/* Moves the tally into the counters: before they are read, and where the top levels change. */
void vx_tally_settle(vx_mmu *mmu);

/* cache_hierarchy.c */
vx_status vx_caches_init(vx_mmu *mmu, vx_arena *arena, vx_msg *msg);
/* The level at which a reference's access enters, or VX_CFG_CACHES: nowhere. */
unsigned vx_caches_entry(const vx_mmu *mmu, vx_access access);

/* cache_access.c, and the same compiled for AVX2 */
/* One access at a physical address, entering at level `first` (0 is L1D). Returns its latency and who answered. */
uint32_t vx_caches_access(vx_mmu *mmu, uint64_t hpa, unsigned first, vx_walk_hit *hit);
uint32_t vx_caches_access_avx2(vx_mmu *mmu, uint64_t hpa, unsigned first, vx_walk_hit *hit);
/* A walk's access, which enters where walks do. Returns what it exposes. */
uint32_t vx_caches_charge(vx_mmu *mmu, uint64_t hpa);
uint32_t vx_caches_charge_avx2(vx_mmu *mmu, uint64_t hpa);

/* invalidate.c */
/* What faults drop by themselves; also reachable as operations. `linear`: the address was a linear address's
 * translation, so its combined mappings go as well. */
void vx_mmu_drop_violation(vx_mmu *mmu, uint64_t gva, uint64_t gpa, bool linear);

#endif
