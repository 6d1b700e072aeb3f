/* The second dimension: from a guest-physical to a host-physical address, through EPT (SDM Vol. 3C, 28.2.2) or nested
 * page tables (AMD APM Vol. 2, 15.25). One body, two instances.
 *
 * NOT MODELLED: memory types beyond their validity; the time of writing the page-modification log and of reading
 * sub-page permissions. */
#include "nested_walk.h"

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

/* ---- entries that are not ordinary ---- */

/* No constant of an instance is known here. */
static const vx_walk_mode any_mode;

static inline uint64_t leaf_flags(const vx_walk_setup *setup, uint64_t use)
{
    return setup->nested_accessed | (use & (VX_USE_WRITE | VX_USE_PAGING_WRITE) ? setup->nested_dirty : 0);
}

/* The leaf is allowed: sets its flags, remembers it, and writes what the caller gets. */
static void finish(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, uint64_t at, const vx_nested_place *place,
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
    vx_nested_remember_leaf(walk, gpa, row, at, leaf, any_mode);
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
                         const vx_nested_place *place, uint64_t entry, vx_nested_leaf *leaf, bool npt)
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

bool vx_nested_unusual(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, uint64_t at, uint64_t entry,
                       vx_nested_place *place, vx_nested_leaf *leaf, vx_mmu_result *result)
{
    vx_mmu *mmu = walk->mmu;
    bool npt = mmu->control.nested == VX_NESTED_NPT;
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
        vx_nested_remember_table(walk, gpa, at, entry, place, any_mode);
        return false;
    }
    return true;
}

vx_mmu_result vx_nested_beyond(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use)
{
    return violation(walk, gpa, row, use, 0, 0, false);
}

/* ---- instances ---- */

vx_mmu_result vx_nested_ept(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, vx_nested_leaf *leaf)
{
    return vx_nested_walk(walk, gpa, row, use, leaf, (vx_walk_mode){.nested = VX_NESTED_EPT});
}

vx_mmu_result vx_nested_npt(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, vx_nested_leaf *leaf)
{
    return vx_nested_walk(walk, gpa, row, use, leaf, (vx_walk_mode){.nested = VX_NESTED_NPT});
}
