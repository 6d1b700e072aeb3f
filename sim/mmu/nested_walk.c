/* The second dimension: from a guest-physical to a host-physical address, through EPT (SDM Vol. 3C, 28.2.2) or nested
 * page tables (AMD APM Vol. 2, 15.25). One body, two instances.
 *
 * NOT MODELLED: memory types beyond their validity; the time of writing the page-modification log and of reading
 * sub-page permissions. */
#include "walker.h"

/* ---- faults ---- */

static vx_mmu_result nested_fault(vx_walk *walk, uint64_t gpa, unsigned row, vx_mmu_result result,
                                  uint64_t qualification)
{
    walk->fault.gpa = (vx_gpa){gpa};
    walk->fault.table = row != VX_DATA_ROW;
    walk->fault.qualification = qualification;
    walk->fault.convertible = false;
    return result;
}

/* `decides`: the entry whose bit 63 says whether it may become a virtualization exception; 0 with no entry at all. */
static vx_mmu_result violation(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, uint64_t allowed, uint64_t leaf,
                               bool convertible)
{
    bool table = row != VX_DATA_ROW;
    const vx_violation v = {.use = use,
                            .allowed = allowed,
                            .leaf = leaf,
                            .linear = walk->linear,
                            .table = table,
                            .rights = walk->rights,
                            .shadow_stack = walk->shadow_stack && !table,
                            .verification = walk->verification};
    nested_fault(walk, gpa, row, VX_MMU_NESTED_FAULT, vx_ept_qualification(&walk->mmu->control, &v));
    walk->fault.convertible = convertible;
    return VX_MMU_NESTED_FAULT;
}

static vx_mmu_result absent(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, uint64_t entry, bool npt)
{
    if (!npt) return violation(walk, gpa, row, use, 0, 0, !(entry & VX_EPT_SUPPRESS_VE));
    return nested_fault(walk, gpa, row, VX_MMU_NESTED_FAULT, vx_npt_information(use, false, false, row != VX_DATA_ROW));
}

static vx_mmu_result malformed(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, bool npt)
{
    if (!npt) return nested_fault(walk, gpa, row, VX_MMU_EPT_MISCONFIG, 0);
    return nested_fault(walk, gpa, row, VX_MMU_NESTED_FAULT, vx_npt_information(use, true, true, row != VX_DATA_ROW));
}

vx_mmu_result vx_nested_denied(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, const vx_nested_leaf *leaf)
{
    if (walk->mmu->control.nested != VX_NESTED_NPT)
        return violation(walk, gpa, row, use, leaf->allowed, leaf->entry, !(leaf->entry & VX_EPT_SUPPRESS_VE));
    return nested_fault(walk, gpa, row, VX_MMU_NESTED_FAULT, vx_npt_information(use, true, false, row != VX_DATA_ROW));
}

/* ---- rights ---- */

/* What an entry allows, as VX_USE bits. A nested page table is used as by user accesses. */
static inline uint64_t allows(const vx_walk_setup *setup, uint64_t entry, bool npt)
{
    if (!npt) return (entry & 7) | (entry >> setup->user_execute_bit & 1) << 3;
    if (!(entry & VX_PTE_U)) return 0;
    return VX_USE_READ | (entry & VX_PTE_W ? VX_USE_WRITE : 0) |
           (entry & VX_PTE_NX ? 0 : VX_USE_FETCH | VX_USE_FETCH_USER);
}

/* What only the leaf, together with the entries above it, decides: paging writes and supervisor shadow stacks (SDM Vol.
 * 3C, 28.2.3.2). Without these controls a paging write is a write. */
static inline uint64_t leaf_allows(const vx_walk_setup *setup, uint64_t above, uint64_t allowed, uint64_t entry)
{
    bool written_above = (above & VX_USE_WRITE) != 0;
    bool paging_write = (allowed & VX_USE_WRITE) || (written_above && (entry & setup->paging_write_bit));
    bool shadow_stack = (allowed & VX_USE_READ) && written_above && (entry & VX_EPT_SHADOW_STACK);
    return (paging_write ? VX_USE_PAGING_WRITE : 0) | (shadow_stack ? VX_USE_SHADOW_STACK : 0);
}

static inline uint64_t denied(uint64_t use, uint64_t allowed)
{
    uint64_t needed = use & VX_USE_SHADOW_STACK ? VX_USE_SHADOW_STACK : use;
    return needed & ~allowed;
}

/* ---- where a walk stands ---- */

/* Read, write, fetch in both modes: what entries allow together, where none withholds anything. */
enum { ALL_ABOVE = VX_USE_READ | VX_USE_WRITE | VX_USE_FETCH | VX_USE_FETCH_USER };

/* Where a walk stands: about to read the entry of `level` in `table`. */
typedef struct nested_place {
    unsigned level;
    uint64_t table;
    uint64_t allowed; /* by the entries so far */
} nested_place;

static inline __attribute__((always_inline)) void skip_levels(vx_walk *walk, unsigned row, unsigned end, vx_walk_hit hit, uint32_t ticks)
{
    if (__builtin_expect(walk->mmu->tally.plain && ticks == 0, 1)) {
        walk->mmu->tally.nested_saved[vx_grid_index(row)][end]++;
        return;
    }
    for (unsigned level = walk->mmu->setup.nested_top; level >= end; level--)
        vx_walk_skip(walk, row, level, hit, level == end ? ticks : 0, 0, 0);
}

/* Starts at the table that a guest-physical paging-structure entry remembers. */
static inline __attribute__((always_inline)) void resume(vx_walk *walk, uint64_t gpa, unsigned row, nested_place *place)
{
    vx_mmu *mmu = walk->mmu;
    vx_psc_entry entry;
    if (!vx_psc_prefix_find(mmu, mmu->psc_nested, NULL, place->level, gpa, mmu->setup.guest_physical_owner, &entry))
        return;
    skip_levels(walk, row, entry.level, VX_HIT_PSC, mmu->cpu->psc.hit_ticks);
    walk->remembered = true;
    *place =
        (nested_place){.level = entry.level - 1, .table = entry.table, .allowed = entry.flags >> VX_PSC_ALLOWED_SHIFT};
}

static inline bool in_walk_cache(const vx_mmu *mmu, unsigned level)
{
    return mmu->psc_physical.exists && (level > 1 || mmu->cpu->psc.physical_nested_leaf);
}

static inline __attribute__((always_inline)) uint64_t read_entry(vx_walk *walk, unsigned row, unsigned level, uint64_t at, uint64_t leaf_needs)
{
    vx_mmu *mmu = walk->mmu;
    uint64_t entry;
    if (walk->caches && in_walk_cache(mmu, level) &&
        vx_psc_physical_find(mmu, at, level, mmu->setup.guest_physical_owner, leaf_needs, &entry)) {
        walk->remembered = true;
        vx_walk_skip(walk, row, level, VX_HIT_PSC, mmu->cpu->psc.hit_ticks, at, entry);
        return entry;
    }
    entry = vx_physmem_read64(mmu->memory, (vx_hpa){at});
    vx_walk_charge(walk, row, level, at, entry);
    return entry;
}

/* ---- flags and the page-modification log ---- */

enum { PML_ENTRIES = 512 };

/* SDM Vol. 3C, 28.2.6: looked at before any flag is set. */
static inline bool log_is_full(const vx_mmu *mmu, uint64_t entry, uint64_t flags)
{
    const uint16_t *index = mmu->control.pml_index;
    return index && mmu->setup.nested_flags && (entry & flags) != flags && *index >= PML_ENTRIES;
}

static void log_page(vx_mmu *mmu, uint64_t gpa)
{
    uint16_t *index = mmu->control.pml_index;
    vx_physmem_write64(mmu->memory, (vx_hpa){mmu->control.pml_address + 8ULL * *index},
                       gpa & ~(uint64_t)(VX_PAGE_BYTES - 1));
    --*index;
}

/* SDM Vol. 3C, 28.2.5: sets flags that are not set yet. */
static uint64_t set_flags(vx_mmu *mmu, uint64_t at, uint64_t entry, uint64_t flags)
{
    if (!mmu->setup.nested_flags || (entry & flags) == flags) return entry;
    vx_physmem_write64(mmu->memory, (vx_hpa){at}, entry | flags);
    mmu->counts.ad_writes++;
    return entry | flags;
}

/* ---- the walk ---- */

static inline __attribute__((always_inline)) void remember_table(const vx_walk *walk, uint64_t gpa, uint64_t at, uint64_t entry,
                                  const nested_place *below)
{
    vx_mmu *mmu = walk->mmu;
    if (in_walk_cache(mmu, below->level + 1)) vx_psc_physical_fill(mmu, at, mmu->setup.guest_physical_owner, entry);
    vx_psc_prefix_fill(mmu->psc_nested, NULL, gpa, mmu->setup.guest_physical_owner,
                       &(vx_psc_entry){.level = below->level + 1,
                                       .table = below->table,
                                       .flags = below->allowed << VX_PSC_ALLOWED_SHIFT},
                       walk->caches);
}

static inline bool through_ntlb(const vx_mmu *mmu, unsigned row)
{
    return mmu->ntlb.exists && (row == VX_DATA_ROW ? mmu->cpu->ntlb.data : mmu->cpu->ntlb.tables);
}

static inline uint64_t leaf_flags(const vx_walk_setup *setup, uint64_t use)
{
    return setup->nested_accessed | (use & (VX_USE_WRITE | VX_USE_PAGING_WRITE) ? setup->nested_dirty : 0);
}

static inline void remember_leaf(const vx_walk *walk, uint64_t gpa, unsigned row, uint64_t at,
                                 const vx_nested_leaf *leaf)
{
    vx_mmu *mmu = walk->mmu;
    if (in_walk_cache(mmu, leaf->level)) vx_psc_physical_fill(mmu, at, mmu->setup.guest_physical_owner, leaf->entry);
    if (through_ntlb(mmu, row)) vx_ntlb_fill(mmu, gpa, leaf);
}

/* The leaf is allowed: sets its flags, remembers it, and writes what the caller gets. */
static void finish(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, uint64_t at, const nested_place *place,
                   vx_nested_leaf *leaf)
{
    vx_mmu *mmu = walk->mmu;
    const vx_walk_setup *setup = &mmu->setup;
    uint64_t before = leaf->entry, flags = leaf_flags(setup, use);
    leaf->entry = set_flags(mmu, at, before, flags);
    if (mmu->control.pml_index && (leaf->entry & ~before & setup->nested_dirty)) log_page(mmu, gpa);
    vx_page_size size = (vx_page_size)setup->nested->page[place->level];
    uint64_t frame = vx_radix_frame(setup->nested, leaf->entry, place->level, true);
    leaf->hpa = frame | (gpa & (vx_page_bytes(size) - 1));
    leaf->size = size;
    leaf->level = (uint8_t)place->level;
    leaf->dirty = !setup->nested_flags || (leaf->entry & setup->nested_dirty);
    remember_leaf(walk, gpa, row, at, leaf);
}

/* A page that lacks the right. A data write to a 4K page may still be allowed to its sub-page. */
static vx_mmu_result without_right(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, unsigned level,
                                   const vx_nested_leaf *leaf)
{
    const vx_mmu_control *control = &walk->mmu->control;
    bool eligible = control->sub_page_write && level == 1 && (leaf->entry & VX_EPT_SUB_PAGE) &&
                    denied(use, leaf->allowed) == VX_USE_WRITE;
    vx_sub_page answer = eligible ? vx_sub_page_write(walk->mmu, gpa) : VX_SUB_PAGE_DENIES;
    switch (answer) {
    case VX_SUB_PAGE_ALLOWS:
        return VX_MMU_DONE;
    case VX_SUB_PAGE_DENIES:
        return vx_nested_denied(walk, gpa, row, use, leaf);
    default: /* SDM Vol. 3C, 27.2.1: bit 11 is set for a miss */
        return nested_fault(walk, gpa, row, VX_MMU_SPP_EVENT, answer == VX_SUB_PAGE_MISSES ? 1ULL << 11 : 0);
    }
}

/* The entry that maps the page. */
static vx_mmu_result end(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, uint64_t at, uint64_t above,
                                const nested_place *place, uint64_t entry, vx_nested_leaf *leaf, bool npt)
{
    vx_mmu *mmu = walk->mmu;
    const vx_walk_setup *setup = &mmu->setup;
    *leaf = (vx_nested_leaf){.entry = entry, .allowed = place->allowed};
    leaf->allowed |= npt ? (place->allowed & VX_USE_WRITE ? VX_USE_PAGING_WRITE : 0)
                         : leaf_allows(setup, above, place->allowed, entry);
    if (denied(use, leaf->allowed)) {
        vx_mmu_result result =
            npt ? vx_nested_denied(walk, gpa, row, use, leaf) : without_right(walk, gpa, row, use, place->level, leaf);
        if (result != VX_MMU_DONE) return result;
    }
    if (!npt && log_is_full(mmu, entry, leaf_flags(setup, use)))
        return nested_fault(walk, gpa, row, VX_MMU_PML_FULL, 0);
    finish(walk, gpa, row, use, at, place, leaf);
    return VX_MMU_DONE;
}

/* The same for an ordinary one that stays as it is: all that `end` finds out is known. */
static inline __attribute__((always_inline)) bool ordinary_end(const vx_walk *walk, uint64_t gpa, uint64_t use, uint64_t leaf_needs,
                                const nested_place *place, uint64_t entry, vx_nested_leaf *leaf)
{
    const vx_walk_setup *setup = &walk->mmu->setup;
    unsigned level = place->level;
    if (!vx_is_ordinary(&setup->nested_ordinary.leaf, level, entry) || (entry & leaf_needs) != leaf_needs ||
        place->allowed != ALL_ABOVE || (use & VX_USE_SHADOW_STACK))
        return false;
    *leaf = (vx_nested_leaf){.hpa = (entry & setup->nested_frame[level]) | (gpa & (setup->nested_page[level] - 1)),
                             .entry = entry,
                             .allowed = ALL_ABOVE | VX_USE_PAGING_WRITE,
                             .size = (vx_page_size)setup->nested->page[level],
                             .level = (uint8_t)level,
                             .dirty = !setup->nested_flags || (entry & setup->nested_dirty)};
    return true;
}

/* Any other entry. True: the walk ends here, with *result. */
static __attribute__((noinline)) bool unusual(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, uint64_t at,
                                              uint64_t entry, nested_place *place, vx_nested_leaf *leaf, bool npt,
                                              vx_mmu_result *result)
{
    vx_mmu *mmu = walk->mmu;
    const vx_walk_setup *setup = &mmu->setup;
    const vx_reserved_bits *reserved = &setup->nested_reserved;
    unsigned level = place->level;
    bool is_leaf = vx_radix_is_leaf(setup->nested, level, entry);
    bool bad = npt ? (entry & (is_leaf ? reserved->leaf[level] : reserved->table[level])) != 0
                   : vx_ept_misconfigured(entry, is_leaf, level, reserved);
    uint64_t above = place->allowed;
    place->allowed &= allows(setup, entry, npt);
    if (!(entry & setup->nested_present))
        *result = absent(walk, gpa, row, use, entry, npt);
    else if (bad)
        *result = malformed(walk, gpa, row, use, npt);
    else if (is_leaf)
        *result = end(walk, gpa, row, use, at, above, place, entry, leaf, npt);
    else if (!npt && log_is_full(mmu, entry, setup->nested_accessed))
        *result = nested_fault(walk, gpa, row, VX_MMU_PML_FULL, 0);
    else {
        entry = set_flags(mmu, at, entry, setup->nested_accessed);
        place->table = vx_radix_frame(setup->nested, entry, level, false);
        place->level--;
        remember_table(walk, gpa, at, entry, place);
        return false;
    }
    return true;
}

static inline __attribute__((always_inline)) vx_mmu_result descend(vx_walk *walk, uint64_t gpa, unsigned row,
                                                                   uint64_t use, vx_nested_leaf *leaf, bool npt)
{
    vx_mmu *mmu = walk->mmu;
    const vx_walk_setup *setup = &mmu->setup;
    bool writes = (use & (VX_USE_WRITE | VX_USE_PAGING_WRITE)) != 0;
    uint64_t leaf_needs = setup->nested_flags && writes ? setup->nested_dirty : 0;
    nested_place place = {.level = setup->nested_top, .table = mmu->control.nested_root, .allowed = ALL_ABOVE};
    if (walk->caches && mmu->cpu->psc.kind == VX_PSC_PREFIX) resume(walk, gpa, row, &place);
    for (;;) {
        uint64_t at = place.table + vx_wide_offset(place.level, gpa);
        if (place.level == 1) vx_expect_learn(mmu->expected_nested, gpa, place.table);
        uint64_t entry = read_entry(walk, row, place.level, at, leaf_needs);
        if (vx_is_ordinary(&setup->nested_ordinary.table, place.level, entry)) {
            place.table = entry & VX_ENTRY_ADDRESS;
            place.level--;
            remember_table(walk, gpa, at, entry, &place);
            continue;
        }
        if (ordinary_end(walk, gpa, use, leaf_needs, &place, entry, leaf)) {
            remember_leaf(walk, gpa, row, at, leaf);
            return VX_MMU_DONE;
        }
        vx_mmu_result result;
        if (unusual(walk, gpa, row, use, at, entry, &place, leaf, npt, &result)) return result;
    }
}

static inline bool answered_by_ntlb(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, vx_nested_leaf *leaf)
{
    vx_mmu *mmu = walk->mmu;
    if (!walk->caches || !through_ntlb(mmu, row) || !vx_ntlb_find(mmu, gpa, use, leaf)) return false;
    walk->remembered = true;
    skip_levels(walk, row, leaf->level, VX_HIT_NTLB, mmu->cpu->ntlb.hit_ticks);
    return true;
}

vx_mmu_result vx_nested_ept(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, vx_nested_leaf *leaf)
{
    /* Four levels translate 48 bits; an address beyond them is a violation, of no entry (SDM Vol. 3C, 28.2.2). */
    if (walk->mmu->setup.nested_top == 4 && gpa >> 48) return violation(walk, gpa, row, use, 0, 0, false);
    if (answered_by_ntlb(walk, gpa, row, use, leaf)) return VX_MMU_DONE;
    return descend(walk, gpa, row, use, leaf, false);
}

vx_mmu_result vx_nested_npt(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, vx_nested_leaf *leaf)
{
    if (answered_by_ntlb(walk, gpa, row, use, leaf)) return VX_MMU_DONE;
    return descend(walk, gpa, row, use, leaf, true);
}
