/* The second dimension's walk: its usual side, inline in the walks of the first (nested_walk.c has the rest, and says
 * what is modelled).
 *
 * Nearly all entries are ordinary (ordinary.h), and a walk through such entries sets no flag, withholds no right and
 * logs nothing: it follows tables, counts, and fills what remembers. Any other entry is handed to
 * vx_nested_unusual, which does what it asks for and gives the walk back, or ends it. */
#ifndef VX_NESTED_WALK_H
#define VX_NESTED_WALK_H

#include "ntlb.h"
#include "walker.h"

/* Read, write, fetch in both modes: what entries allow together, where none withholds anything. */
enum { VX_ALLOWED_ALL = VX_USE_READ | VX_USE_WRITE | VX_USE_FETCH | VX_USE_FETCH_USER };

VX_INLINE void vx_nested_skip(vx_walk *walk, unsigned row, unsigned end, vx_walk_hit hit, uint32_t ticks)
{
    if (__builtin_expect(walk->mmu->tally.plain && ticks == 0, 1)) {
        walk->mmu->tally.nested_saved[row][end]++;
        return;
    }
    for (unsigned level = walk->mmu->setup.nested_top; level >= end; level--)
        vx_walk_skip(walk, row, level, hit, level == end ? ticks : 0, 0, 0);
}

/* Starts at the table that a guest-physical paging-structure entry remembers. */
VX_INLINE void vx_nested_resume(vx_walk *walk, uint64_t gpa, unsigned row, vx_nested_place *place)
{
    vx_mmu *mmu = walk->mmu;
    vx_psc_entry entry;
    if (!vx_psc_prefix_find(mmu, mmu->psc_nested, NULL, place->level, gpa, mmu->setup.guest_physical_owner, &entry))
        return;
    vx_nested_skip(walk, row, entry.level, VX_HIT_PSC, mmu->cpu->psc.hit_ticks);
    walk->remembered = true;
    *place = (vx_nested_place){
        .level = entry.level - 1, .table = entry.table, .allowed = entry.flags >> VX_PSC_ALLOWED_SHIFT};
}

VX_INLINE bool vx_in_walk_cache(const vx_mmu *mmu, unsigned level, vx_walk_mode mode)
{
    return !mode.lean && mmu->psc_physical.exists && (level > 1 || mmu->cpu->psc.physical_nested_leaf);
}

VX_INLINE uint64_t vx_nested_read(vx_walk *walk, unsigned row, unsigned level, uint64_t at, uint64_t leaf_needs,
                                  vx_walk_mode mode)
{
    vx_mmu *mmu = walk->mmu;
    uint64_t entry;
    if (walk->caches && vx_in_walk_cache(mmu, level, mode) &&
        vx_psc_physical_find(mmu, at, level, mmu->setup.guest_physical_owner, leaf_needs, &entry)) {
        walk->remembered = true;
        vx_walk_skip(walk, row, level, VX_HIT_PSC, mmu->cpu->psc.hit_ticks, at, entry);
        return entry;
    }
    entry = vx_physmem_read64(mmu->memory, (vx_hpa){at});
    vx_walk_charge(walk, row, level, at, entry);
    return entry;
}

VX_INLINE void vx_nested_remember_table(const vx_walk *walk, uint64_t gpa, uint64_t at, uint64_t entry,
                                        const vx_nested_place *below, vx_walk_mode mode)
{
    vx_mmu *mmu = walk->mmu;
    if (vx_in_walk_cache(mmu, below->level + 1, mode))
        vx_psc_physical_fill(mmu, at, mmu->setup.guest_physical_owner, entry);
    vx_psc_prefix_fill(mmu->psc_nested, NULL, gpa, mmu->setup.guest_physical_owner,
                       &(vx_psc_entry){.level = below->level + 1,
                                       .table = below->table,
                                       .flags = below->allowed << VX_PSC_ALLOWED_SHIFT},
                       mode.lean || walk->caches);
}

VX_INLINE bool vx_through_ntlb(const vx_mmu *mmu, unsigned row, vx_walk_mode mode)
{
    return !mode.lean && mmu->ntlb.exists && (row == VX_DATA_ROW ? mmu->cpu->ntlb.data : mmu->cpu->ntlb.tables);
}

VX_INLINE void vx_nested_remember_leaf(const vx_walk *walk, uint64_t gpa, unsigned row, uint64_t at,
                                       const vx_nested_leaf *leaf, vx_walk_mode mode)
{
    vx_mmu *mmu = walk->mmu;
    if (vx_in_walk_cache(mmu, leaf->level, mode))
        vx_psc_physical_fill(mmu, at, mmu->setup.guest_physical_owner, leaf->entry);
    if (vx_through_ntlb(mmu, row, mode)) vx_ntlb_fill(mmu, gpa, leaf);
}

/* An ordinary entry that maps the page and stays as it is: all that there is to find out is known. */
VX_INLINE bool vx_nested_ordinary_end(const vx_walk *walk, uint64_t gpa, uint64_t use, uint64_t leaf_needs,
                                      const vx_nested_place *place, uint64_t entry, vx_nested_leaf *leaf)
{
    const vx_walk_setup *setup = &walk->mmu->setup;
    unsigned level = place->level;
    if (!vx_is_ordinary(&setup->nested_ordinary.leaf, level, entry) || (entry & leaf_needs) != leaf_needs ||
        place->allowed != VX_ALLOWED_ALL || (use & VX_USE_SHADOW_STACK))
        return false;
    *leaf = (vx_nested_leaf){.hpa = (entry & setup->nested_frame[level]) | (gpa & (setup->nested_page[level] - 1)),
                             .entry = entry,
                             .allowed = VX_ALLOWED_ALL | VX_USE_PAGING_WRITE,
                             .size = (vx_page_size)setup->nested->page[level],
                             .level = (uint8_t)level,
                             .dirty = !setup->nested_flags || (entry & setup->nested_dirty)};
    return true;
}

/* Any entry that is not ordinary. True: the walk ends here, with *result. */
bool vx_nested_unusual(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, uint64_t at, uint64_t entry,
                       vx_nested_place *place, vx_nested_leaf *leaf, vx_mmu_result *result);

VX_INLINE vx_mmu_result vx_nested_descend(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, vx_nested_leaf *leaf,
                                          vx_walk_mode mode)
{
    vx_mmu *mmu = walk->mmu;
    const vx_walk_setup *setup = &mmu->setup;
    bool writes = (use & (VX_USE_WRITE | VX_USE_PAGING_WRITE)) != 0;
    uint64_t leaf_needs = setup->nested_flags && writes ? setup->nested_dirty : 0;
    vx_nested_place place = {.level = setup->nested_top, .table = mmu->control.nested_root, .allowed = VX_ALLOWED_ALL};
    if (!mode.lean && walk->nested_begun.level) {
        place = walk->nested_begun;
        walk->nested_begun.level = 0;
    } else if ((mode.lean || walk->caches) && mmu->cpu->psc.kind == VX_PSC_PREFIX) {
        vx_nested_resume(walk, gpa, row, &place);
    }
    for (;;) {
        uint64_t at = place.table + vx_wide_offset(place.level, gpa);
        if (place.level == 1) vx_expect_learn(mmu->expected_nested, gpa, place.table);
        uint64_t entry = vx_nested_read(walk, row, place.level, at, leaf_needs, mode);
        if (vx_is_ordinary(&setup->nested_ordinary.table, place.level, entry)) {
            place.table = entry & VX_ENTRY_ADDRESS;
            place.level--;
            vx_nested_remember_table(walk, gpa, at, entry, &place, mode);
            continue;
        }
        if (vx_nested_ordinary_end(walk, gpa, use, leaf_needs, &place, entry, leaf)) {
            vx_nested_remember_leaf(walk, gpa, row, at, leaf, mode);
            return VX_MMU_DONE;
        }
        vx_mmu_result result;
        if (vx_nested_unusual(walk, gpa, row, use, at, entry, &place, leaf, &result)) return result;
    }
}

VX_INLINE bool vx_answered_by_ntlb(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, vx_nested_leaf *leaf,
                                   vx_walk_mode mode)
{
    vx_mmu *mmu = walk->mmu;
    if (!walk->caches || !vx_through_ntlb(mmu, row, mode) || !vx_ntlb_find(mmu, gpa, use, leaf)) return false;
    walk->remembered = true;
    vx_nested_skip(walk, row, leaf->level, VX_HIT_NTLB, mmu->cpu->ntlb.hit_ticks);
    return true;
}

/* An address beyond what the levels translate: a violation, of no entry. */
vx_mmu_result vx_nested_beyond(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use);

/* Translates a guest-physical address for the use (VX_USE bits); `row` is the guest level, or VX_DATA_ROW. */
VX_INLINE vx_mmu_result vx_nested_walk(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, vx_nested_leaf *leaf,
                                       vx_walk_mode mode)
{
    /* Four levels translate 48 bits (SDM Vol. 3C, 28.2.2). */
    if (mode.nested == VX_NESTED_EPT && walk->mmu->setup.nested_top == 4 && gpa >> VX_EPT4_BITS)
        return vx_nested_beyond(walk, gpa, row, use);
    if (vx_answered_by_ntlb(walk, gpa, row, use, leaf, mode)) return VX_MMU_DONE;
    return vx_nested_descend(walk, gpa, row, use, leaf, mode);
}

#endif
