/* The second dimension: from a guest-physical to a host-physical address, through EPT (SDM Vol. 3C, 28.2.2) or nested
 * page tables (AMD APM Vol. 2, 15.25). One body, two instances.
 *
 * NOT MODELLED: memory types, page-modification logging, sub-page write permissions, mode-based execute control,
 * #VE, guest-paging verification. */
#include "walker.h"

static vx_mmu_result nested_fault(vx_walk *walk, uint64_t gpa, unsigned row, vx_mmu_result result,
                                  uint64_t qualification)
{
    walk->fault.gpa = (vx_gpa){gpa};
    walk->fault.table = row != VX_DATA_ROW;
    walk->fault.qualification = qualification;
    return result;
}

static vx_mmu_result absent(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, bool npt)
{
    bool table = row != VX_DATA_ROW;
    return nested_fault(walk, gpa, row, VX_MMU_NESTED_FAULT,
                        npt ? vx_npt_information(use, false, false, table)
                            : vx_ept_qualification(use, 0, walk->linear, table));
}

static vx_mmu_result malformed(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, bool npt)
{
    if (!npt) return nested_fault(walk, gpa, row, VX_MMU_EPT_MISCONFIG, 0);
    return nested_fault(walk, gpa, row, VX_MMU_NESTED_FAULT, vx_npt_information(use, true, true, row != VX_DATA_ROW));
}

vx_mmu_result vx_nested_denied(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, uint64_t allowed)
{
    bool table = row != VX_DATA_ROW;
    return nested_fault(walk, gpa, row, VX_MMU_NESTED_FAULT,
                        walk->mmu->control.nested == VX_NESTED_NPT
                            ? vx_npt_information(use, true, false, table)
                            : vx_ept_qualification(use, allowed, walk->linear, table));
}

/* What an entry allows, as VX_USE bits. A nested page table is used as by user accesses. */
static inline uint64_t allows(uint64_t entry, bool npt)
{
    if (!npt) return entry & (VX_EPT_R | VX_EPT_W | VX_EPT_X);
    if (!(entry & VX_PTE_U)) return 0;
    return VX_USE_READ | (entry & VX_PTE_W ? VX_USE_WRITE : 0) | (entry & VX_PTE_NX ? 0 : VX_USE_FETCH);
}

/* Where a walk stands: about to read the entry of `level` in `table`. */
typedef struct nested_place {
    unsigned level;
    uint64_t table;
    uint64_t allowed;
} nested_place;

static void skip_levels(vx_walk *walk, unsigned row, unsigned end, vx_walk_hit hit, uint32_t ticks)
{
    for (unsigned level = walk->mmu->setup.nested_top; level >= end; level--)
        vx_walk_skip(walk, row, level, hit, level == end ? ticks : 0, 0, 0);
}

/* Starts at the table that a guest-physical paging-structure entry remembers. */
static void resume(vx_walk *walk, uint64_t gpa, unsigned row, nested_place *place)
{
    vx_mmu *mmu = walk->mmu;
    vx_psc_entry entry;
    if (!vx_psc_prefix_find(mmu, mmu->psc_nested, mmu->setup.nested, place->level, gpa, mmu->setup.guest_physical_owner,
                            &entry))
        return;
    skip_levels(walk, row, entry.level, VX_HIT_PSC, mmu->cpu->psc.hit_ticks);
    walk->remembered = true;
    *place = (nested_place){
        .level = entry.level - 1, .table = entry.table, .allowed = entry.flags >> VX_TLB_NESTED_SHIFT & 7};
}

static inline bool in_walk_cache(const vx_mmu *mmu, unsigned level)
{
    return mmu->psc_physical.exists && (level > 1 || mmu->cpu->psc.physical_nested_leaf);
}

static uint64_t read_entry(vx_walk *walk, unsigned row, unsigned level, uint64_t at, uint64_t leaf_needs)
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

/* SDM Vol. 3C, 28.2.4: sets flags that are not set yet. */
static uint64_t set_flags(vx_mmu *mmu, uint64_t at, uint64_t entry, uint64_t flags)
{
    if (!mmu->setup.nested_flags || (entry & flags) == flags) return entry;
    vx_physmem_write64(mmu->memory, (vx_hpa){at}, entry | flags);
    mmu->counts.ad_writes++;
    return entry | flags;
}

static void remember_table(vx_mmu *mmu, uint64_t gpa, uint64_t at, uint64_t entry, const nested_place *below)
{
    if (in_walk_cache(mmu, below->level + 1)) vx_psc_physical_fill(mmu, at, mmu->setup.guest_physical_owner, entry);
    vx_psc_prefix_fill(mmu->psc_nested, mmu->setup.nested, gpa, mmu->setup.guest_physical_owner,
                       &(vx_psc_entry){.level = below->level + 1,
                                       .table = below->table,
                                       .flags = below->allowed << VX_TLB_NESTED_SHIFT});
}

static bool through_ntlb(const vx_mmu *mmu, unsigned row)
{
    return mmu->ntlb.exists && (row == VX_DATA_ROW ? mmu->cpu->ntlb.data : mmu->cpu->ntlb.tables);
}

/* The leaf is allowed: sets its flags, remembers it, and writes what the caller gets. */
static void finish(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, uint64_t at, uint64_t entry,
                   const nested_place *place, vx_nested_leaf *leaf)
{
    vx_mmu *mmu = walk->mmu;
    const vx_walk_setup *setup = &mmu->setup;
    uint64_t flags = setup->nested_accessed | (use & VX_USE_WRITE ? setup->nested_dirty : 0);
    entry = set_flags(mmu, at, entry, flags);
    if (in_walk_cache(mmu, place->level)) vx_psc_physical_fill(mmu, at, setup->guest_physical_owner, entry);
    vx_page_size size = (vx_page_size)setup->nested->page[place->level];
    uint64_t frame = vx_radix_frame(setup->nested, entry, place->level, true);
    *leaf = (vx_nested_leaf){.hpa = frame | (gpa & (vx_page_bytes(size) - 1)),
                             .allowed = place->allowed,
                             .size = size,
                             .level = (uint8_t)place->level,
                             .dirty = !setup->nested_flags || (entry & setup->nested_dirty)};
    if (through_ntlb(mmu, row)) vx_ntlb_fill(mmu, gpa, leaf);
}

static inline __attribute__((always_inline)) vx_mmu_result descend(vx_walk *walk, uint64_t gpa, unsigned row,
                                                                   uint64_t use, vx_nested_leaf *leaf, bool npt)
{
    vx_mmu *mmu = walk->mmu;
    const vx_walk_setup *setup = &mmu->setup;
    const vx_radix *format = setup->nested;
    uint64_t leaf_needs = setup->nested_flags && (use & VX_USE_WRITE) ? setup->nested_dirty : 0;
    nested_place place = {.level = setup->nested_top, .table = mmu->control.nested_root, .allowed = 7};
    if (walk->caches && mmu->cpu->psc.kind == VX_PSC_PREFIX) resume(walk, gpa, row, &place);
    for (;;) {
        uint64_t at = place.table + (uint64_t)vx_radix_index(format, place.level, gpa) * 8;
        if (place.level == 1) vx_expect_learn(mmu->expected_nested, gpa, place.table);
        uint64_t entry = read_entry(walk, row, place.level, at, leaf_needs);
        if (!(entry & format->present)) return absent(walk, gpa, row, use, npt);
        bool is_leaf = vx_radix_is_leaf(format, place.level, entry);
        uint64_t reserved =
            is_leaf ? setup->nested_reserved.leaf[place.level] : setup->nested_reserved.table[place.level];
        bool bad = npt ? (entry & reserved) != 0
                       : vx_ept_misconfigured(entry, is_leaf, reserved, mmu->cpu->vmx.ept_execute_only);
        if (bad) return malformed(walk, gpa, row, use, npt);
        place.allowed &= allows(entry, npt);
        if (is_leaf) {
            if (use & ~place.allowed) return vx_nested_denied(walk, gpa, row, use, place.allowed);
            finish(walk, gpa, row, use, at, entry, &place, leaf);
            return VX_MMU_DONE;
        }
        entry = set_flags(mmu, at, entry, setup->nested_accessed);
        place.table = vx_radix_frame(format, entry, place.level, false);
        place.level--;
        remember_table(mmu, gpa, at, entry, &place);
    }
}

static bool answered_by_ntlb(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, vx_nested_leaf *leaf)
{
    vx_mmu *mmu = walk->mmu;
    if (!walk->caches || !through_ntlb(mmu, row) || !vx_ntlb_find(mmu, gpa, use, leaf)) return false;
    walk->remembered = true;
    skip_levels(walk, row, leaf->level, VX_HIT_NTLB, mmu->cpu->ntlb.hit_ticks);
    return true;
}

vx_mmu_result vx_nested_ept(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, vx_nested_leaf *leaf)
{
    /* Four levels translate 48 bits; an address beyond them is a violation (SDM Vol. 3C, 28.2.2). */
    if (walk->mmu->setup.nested_top == 4 && gpa >> 48) return absent(walk, gpa, row, use, false);
    if (answered_by_ntlb(walk, gpa, row, use, leaf)) return VX_MMU_DONE;
    return descend(walk, gpa, row, use, leaf, false);
}

vx_mmu_result vx_nested_npt(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, vx_nested_leaf *leaf)
{
    if (answered_by_ntlb(walk, gpa, row, use, leaf)) return VX_MMU_DONE;
    return descend(walk, gpa, row, use, leaf, true);
}
