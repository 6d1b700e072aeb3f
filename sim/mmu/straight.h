/* The walk that nearly every miss makes, as straight as it can be written: 4-level paging, with 4-level EPT behind it
 * or alone, while prefix caches of four ways answer and nobody observes accesses (vx_straight_fits). Levels are
 * constants, and what the walk knows stays in registers.
 *
 * A second telling of walk.h and nested_walk.h: the same reads, lookups, fills and counts in the same order. It knows
 * ordinary entries alone (ordinary.h). Where an entry is not, or something else is unusual, the walk is handed over as
 * it stands, before that entry counts as read, and walk.h goes on with it (vx_straight_leave). */
#ifndef VX_STRAIGHT_H
#define VX_STRAIGHT_H

#include "walk.h"

typedef struct vx_straight {
    vx_mmu *mmu;
    const uint8_t *memory; /* simulated memory, and the last address at which an entry fits */
    uint64_t last;
    uint64_t gva;
    vx_access access;
    uint32_t nested_reads, guest_reads;
    uint64_t nested_ticks, guest_ticks; /* of those that went through the data caches */
    bool remembered;
    vx_walk_begun at;    /* where it stands */
    vx_nested_leaf page; /* what the last nested walk found */
} vx_straight;

typedef enum vx_straight_step {
    VX_STEP_UNUSUAL, /* hand over: nothing has changed since `at` was written */
    VX_STEP_DOWN,    /* the next level's table is known */
    VX_STEP_END      /* the entry maps the page */
} vx_straight_step;

VX_INLINE bool vx_straight_peek(const vx_straight *s, uint64_t at, uint64_t *entry)
{
    if (__builtin_expect(at > s->last, 0)) return false;
    memcpy(entry, s->memory + at, sizeof *entry);
    return true;
}

/* ---- paging-structure caches: see psc_prefix.h ---- */

/* All levels have four, but for the topmost (vx_straight_fits). */
VX_INLINE uint32_t vx_straight_ways(const vx_setassoc *array, unsigned level) { return level < 4 ? 4 : array->ways; }

/* Looks for the prefix of the level. True: touched, and *value is what it remembers. */
VX_INLINE bool vx_straight_recall(vx_walker_cache *caches, unsigned level, uint64_t address, uint64_t owner,
                                  uint64_t *value)
{
    vx_setassoc *array = &caches[level].array;
    uint64_t prefix = address >> vx_wide_shift(level);
    uint32_t set = vx_psc_prefix_set(array, prefix), first = set * vx_straight_ways(array, level);
    uint32_t way = vx_setassoc_find_in(array->keys + first, vx_straight_ways(array, level), vx_tag_make(prefix, owner));
    if (way == VX_SETASSOC_NONE) return false;
    vx_setassoc_list_touch(&array->lists[set], vx_straight_ways(array, level), way);
    *value = array->values[first + way];
    return true;
}

VX_INLINE void vx_straight_remember(vx_walker_cache *caches, unsigned level, uint64_t address, uint64_t owner,
                                    uint64_t value)
{
    vx_setassoc *array = &caches[level].array;
    uint64_t prefix = address >> vx_wide_shift(level);
    vx_setassoc_insert_listed(array, vx_straight_ways(array, level), vx_psc_prefix_set(array, prefix),
                              vx_tag_make(prefix, owner), value);
}

/* ---- the second dimension ---- */

/* Where the nested walk begins: behind the longest prefix that is remembered. Returns the level to read. */
VX_INLINE unsigned vx_straight_nested_start(vx_straight *s, uint64_t gpa, unsigned row)
{
    vx_mmu *mmu = s->mmu;
    uint64_t owner = mmu->setup.guest_physical_owner, value;
    mmu->counts.psc_lookups++;
    unsigned level = vx_straight_recall(mmu->psc_nested, 2, gpa, owner, &value)   ? 2
                     : vx_straight_recall(mmu->psc_nested, 3, gpa, owner, &value) ? 3
                     : vx_straight_recall(mmu->psc_nested, 4, gpa, owner, &value) ? 4
                                                                                  : 5;
    if (level == 5) {
        s->at.nested = (vx_nested_place){.level = 4, .table = mmu->control.nested_root, .allowed = VX_ALLOWED_ALL};
        return 4;
    }
    mmu->counts.psc_hits++;
    mmu->tally.nested_saved[row][level]++;
    s->remembered = true;
    s->at.nested = (vx_nested_place){.level = level - 1,
                                     .table = value & VX_ENTRY_ADDRESS,
                                     .allowed = (value & VX_TLB_FLAGS) >> VX_PSC_ALLOWED_SHIFT};
    return level - 1;
}

VX_INLINE vx_straight_step vx_straight_nested_level(vx_straight *s, unsigned level, uint64_t gpa, unsigned row,
                                                    uint64_t needs, vx_walk_mode mode)
{
    vx_mmu *mmu = s->mmu;
    const vx_ordinary *ordinary = &mmu->setup.nested_ordinary;
    uint64_t table = s->at.nested.table, at = table + vx_wide_offset(level, gpa), entry;
    s->at.nested.level = level;
    if (!vx_straight_peek(s, at, &entry)) return VX_STEP_UNUSUAL;
    bool down = level > 1 && vx_is_ordinary(&ordinary->table, level, entry);
    if (!down && (level == 4 || !vx_is_ordinary(&ordinary->leaf, level, entry) || (~entry & needs)))
        return VX_STEP_UNUSUAL;
    mmu->tally.reads[row][level]++;
    s->nested_reads++;
    if (mode.cached) s->nested_ticks += vx_walk_through_caches(mmu, row, level, at);
    if (down) {
        s->at.nested.table = entry & VX_ENTRY_ADDRESS;
        vx_straight_remember(mmu->psc_nested, level, gpa, mmu->setup.guest_physical_owner,
                             s->at.nested.table | (uint64_t)VX_ALLOWED_ALL << VX_PSC_ALLOWED_SHIFT);
        return VX_STEP_DOWN;
    }
    if (level == 1) vx_expect_learn(mmu->expected_nested, gpa, table);
    uint64_t offset = (1ULL << vx_wide_shift(level)) - 1;
    s->page.hpa = (entry & VX_ENTRY_ADDRESS & ~offset) | (gpa & offset);
    s->page.entry = entry;
    s->page.level = (uint8_t)level;
    return VX_STEP_END;
}

/* Translates a guest-physical address, into `page`; `needs`: flags that the leaf must have. */
VX_INLINE bool vx_straight_nested(vx_straight *s, uint64_t gpa, unsigned row, uint64_t needs, vx_walk_mode mode)
{
    vx_straight_step step = VX_STEP_UNUSUAL;
    unsigned level = vx_straight_nested_start(s, gpa, row);
    if (__builtin_expect(s->at.nested.allowed != VX_ALLOWED_ALL, 0)) return false;
    switch (level) {
    case 4:
        step = vx_straight_nested_level(s, 4, gpa, row, needs, mode);
        if (step != VX_STEP_DOWN) break;
        __attribute__((fallthrough));
    case 3:
        step = vx_straight_nested_level(s, 3, gpa, row, needs, mode);
        if (step != VX_STEP_DOWN) break;
        __attribute__((fallthrough));
    case 2:
        step = vx_straight_nested_level(s, 2, gpa, row, needs, mode);
        if (step != VX_STEP_DOWN) break;
        __attribute__((fallthrough));
    default:
        step = vx_straight_nested_level(s, 1, gpa, row, needs, mode);
    }
    if (__builtin_expect(step != VX_STEP_END, 0)) return false;
    s->at.nested.level = 0;
    return true;
}

/* ---- the first dimension ---- */

/* Finds the entry of the level where the guest's table is known by its guest-physical address alone. */
VX_INLINE bool vx_straight_locate(vx_straight *s, unsigned level, vx_walk_mode mode)
{
    vx_mmu *mmu = s->mmu;
    guest_place *place = &s->at.place;
    guest_entry *entry = &s->at.entry;
    place->level = level;
    place->in_host = false;
    entry->at = place->table + vx_wide_offset(level, s->gva);
    /* No ordinary entry of the guest names an address that 4-level EPT does not translate. */
    if (mode.nested != VX_NESTED_NONE && level == 4 && entry->at >> VX_EPT4_BITS) return false;
    if (mode.nested != VX_NESTED_NONE) {
        if (!vx_straight_nested(s, entry->at, level, mmu->setup.nested_needs, mode)) return false;
        entry->at = s->page.hpa;
        place->allowed = VX_ALLOWED_ALL | VX_USE_PAGING_WRITE; /* so nobody asks which entry maps the table */
        place->ends |= (uint64_t)s->page.level << 2 * (level - 1);
    }
    s->at.located = true;
    if (level < 4)
        vx_straight_remember(mmu->psc_guest, level + 1, s->gva, mmu->front.owner,
                             (entry->at & VX_ENTRY_ADDRESS) | place->flags |
                                 (place->allowed & VX_PSC_ALLOWED) << VX_PSC_ALLOWED_SHIFT |
                                 place->ends << VX_PSC_ENDS_SHIFT);
    return true;
}

/* Reads the entry of the level, whose address is known. */
VX_INLINE vx_straight_step vx_straight_read(vx_straight *s, unsigned level, vx_walk_mode mode)
{
    vx_mmu *mmu = s->mmu;
    const vx_ordinary *ordinary = &mmu->setup.guest_ordinary;
    guest_place *place = &s->at.place;
    uint64_t needs = s->access == VX_ACCESS_STORE ? VX_PTE_D : 0, entry;
    if (!vx_straight_peek(s, s->at.entry.at, &entry)) return VX_STEP_UNUSUAL;
    bool down = level > 1 && vx_is_ordinary(&ordinary->table, level, entry);
    if (!down && (level == 4 || !vx_is_ordinary(&ordinary->leaf, level, entry) || (~entry & needs)))
        return VX_STEP_UNUSUAL;
    if (level == 1) vx_expect_learn(mmu->expected_guest, s->gva, s->at.entry.at & ~(uint64_t)(VX_PAGE_BYTES - 1));
    mmu->tally.reads[level][VX_GUEST_COLUMN]++;
    s->guest_reads++;
    if (mode.cached) s->guest_ticks += vx_walk_through_caches(mmu, level, VX_GUEST_COLUMN, s->at.entry.at);
    place->above = place->flags;
    if (__builtin_expect((entry & (VX_PTE_W | VX_PTE_U | VX_PTE_NX)) != (VX_PTE_W | VX_PTE_U), 0))
        place->flags = combine(place->flags, entry);
    s->at.entry.value = entry;
    s->at.located = false;
    if (!down) return VX_STEP_END;
    place->table = entry & VX_ENTRY_ADDRESS;
    return VX_STEP_DOWN;
}

/* As skip_rows in walk.h. Nearly all tables lie on small pages: then all nested walks that are saved end at level 1. */
VX_INLINE void vx_straight_skip_rows(vx_mmu *mmu, unsigned level, uint64_t ends, vx_walk_mode mode)
{
    const uint64_t small = 0x55U & ~0U << 2 * (level - 2); /* rows level - 1 to 4 */
    vx_walk_tally *tally = &mmu->tally;
    tally->guest_saved[level]++;
    if (mode.nested == VX_NESTED_NONE) return;
    if (__builtin_expect(ends == small, 1)) {
        tally->rows_saved[level]++;
        return;
    }
    for (unsigned row = level - 1; row <= 4; row++) tally->nested_saved[row][ends >> 2 * (row - 1) & 3]++;
}

/* Where the walk begins: behind the longest prefix that is remembered, or (5) at the root. Returns the level of the
 * entry that names the table. */
VX_INLINE unsigned vx_straight_start(vx_straight *s, vx_walk_mode mode)
{
    vx_mmu *mmu = s->mmu;
    uint64_t owner = mmu->front.owner, value;
    mmu->counts.psc_lookups++;
    unsigned level = vx_straight_recall(mmu->psc_guest, 2, s->gva, owner, &value)   ? 2
                     : vx_straight_recall(mmu->psc_guest, 3, s->gva, owner, &value) ? 3
                     : vx_straight_recall(mmu->psc_guest, 4, s->gva, owner, &value) ? 4
                                                                                    : 5;
    if (level == 5) {
        s->at.place = (guest_place){.table = mmu->control.root, .flags = VX_TLB_W | VX_TLB_U};
        return 5;
    }
    mmu->counts.psc_hits++;
    vx_straight_skip_rows(mmu, level, value >> VX_PSC_ENDS_SHIFT, mode);
    s->remembered = true;
    guest_place *place = &s->at.place; /* `above` comes with the first entry */
    place->level = level - 1;
    place->in_host = true;
    place->table = value & VX_ENTRY_ADDRESS;
    place->flags = value & (VX_TLB_W | VX_TLB_U | VX_TLB_NX);
    place->allowed = value >> VX_PSC_ALLOWED_SHIFT & VX_PSC_ALLOWED;
    place->mapping = 0;
    place->ends = value >> VX_PSC_ENDS_SHIFT;
    s->at.entry.at = place->table + vx_wide_offset(level - 1, s->gva);
    s->at.located = true;
    return level;
}

/* To the entry that maps the page. */
VX_INLINE bool vx_straight_descend(vx_straight *s, vx_walk_mode mode)
{
    vx_straight_step step = VX_STEP_UNUSUAL;
    switch (vx_straight_start(s, mode)) {
    case 5:
        if (!vx_straight_locate(s, 4, mode)) break;
        step = vx_straight_read(s, 4, mode);
        if (step != VX_STEP_DOWN || !vx_straight_locate(s, 3, mode)) break;
        __attribute__((fallthrough));
    case 4:
        step = vx_straight_read(s, 3, mode);
        if (step != VX_STEP_DOWN || !vx_straight_locate(s, 2, mode)) break;
        __attribute__((fallthrough));
    case 3:
        step = vx_straight_read(s, 2, mode);
        if (step != VX_STEP_DOWN || !vx_straight_locate(s, 1, mode)) break;
        __attribute__((fallthrough));
    default:
        step = vx_straight_read(s, 1, mode);
    }
    return step == VX_STEP_END;
}

VX_INLINE vx_page_size vx_straight_page(unsigned level)
{
    return level == 1 ? VX_PAGE_4K : level == 2 ? VX_PAGE_2M : VX_PAGE_1G;
}

/* The page is known by its entry: whether the access is allowed, and where the data lies. */
VX_INLINE bool vx_straight_data(vx_straight *s, vx_walk_leaf *leaf, vx_walk_mode mode)
{
    const vx_mmu *mmu = s->mmu;
    const guest_place *place = &s->at.place;
    const vx_mmu_lane *lane = &mmu->front.lane[vx_lane_of(s->access)];
    uint64_t entry = s->at.entry.value;
    s->at.mapped = true;
    if ((place->flags ^ lane->want) & lane->need & (VX_TLB_W | VX_TLB_U | VX_TLB_NX)) return false;
    uint64_t offset = (1ULL << vx_wide_shift(place->level)) - 1;
    uint64_t gpa = (entry & VX_ENTRY_ADDRESS & ~offset) | (s->gva & offset);
    vx_page_size page = vx_straight_page(place->level);
    uint64_t dirty = entry & VX_PTE_D ? VX_TLB_DIRTY : 0;
    *leaf = (vx_walk_leaf){.hpa = gpa, .size = page, .global = mmu->control.pge && (entry & VX_PTE_G)};
    leaf->flags = VX_TLB_NESTED | place->flags | (uint64_t)page << VX_TLB_GUEST_PAGE_SHIFT;
    if (mode.nested != VX_NESTED_NONE) {
        if (!vx_straight_nested(s, gpa, VX_DATA_ROW, s->access == VX_ACCESS_STORE ? mmu->setup.nested_needs : 0, mode))
            return false;
        leaf->hpa = s->page.hpa;
        if (~s->page.entry & mmu->setup.nested_needs) dirty = 0;
        if (s->page.level < place->level) {
            leaf->size = vx_straight_page(s->page.level);
            leaf->flags |= VX_TLB_SPLINTERED;
        }
    }
    leaf->flags |= dirty;
    return true;
}

VX_INLINE void vx_straight_count(const vx_straight *s, vx_walk_mode mode)
{
    vx_mmu *mmu = s->mmu;
    uint64_t each = mmu->tally.access_ticks;
    uint64_t nested = mode.cached ? s->nested_ticks : s->nested_reads * each;
    uint64_t guest = mode.cached ? s->guest_ticks : s->guest_reads * each;
    bool shadow = mode.nested == VX_NESTED_NONE && mmu->control.shadow;
    mmu->tally.walks[s->nested_reads + s->guest_reads]++;
    vx_ledger_charge(mmu->ledger, shadow ? VX_CAUSE_WALK_SHADOW : VX_CAUSE_WALK_GUEST, guest);
    if (mode.nested != VX_NESTED_NONE) vx_ledger_charge(mmu->ledger, VX_CAUSE_WALK_NESTED, nested);
    mmu->charged_walk_ticks += guest + nested;
}

/* What is not written here is written before it is read. */
VX_INLINE void vx_straight_begin(vx_straight *s, vx_mmu *mmu, uint64_t gva, vx_access access)
{
    s->mmu = mmu;
    s->memory = mmu->memory->base;
    s->last = mmu->memory->bytes - sizeof(uint64_t);
    s->gva = gva;
    s->access = access;
    s->nested_reads = s->guest_reads = 0;
    s->nested_ticks = s->guest_ticks = 0;
    s->remembered = s->at.located = s->at.mapped = false;
    s->at.nested.level = 0;
    s->at.entry.gpa = 0;
}

/* Hands the walk over. */
vx_mmu_result vx_straight_leave(const vx_straight *s, vx_walk_leaf *leaf, vx_mmu_fault *fault);

VX_INLINE vx_mmu_result vx_straight_walk(vx_mmu *mmu, uint64_t gva, vx_access access, vx_walk_leaf *leaf,
                                         vx_mmu_fault *fault, vx_walk_mode mode)
{
    vx_straight s;
    vx_straight_begin(&s, mmu, gva, access);
    if (__builtin_expect(!vx_straight_descend(&s, mode) || !vx_straight_data(&s, leaf, mode), 0)) {
        const vx_straight left = s;
        return vx_straight_leave(&left, leaf, fault);
    }
    vx_straight_count(&s, mode);
    return VX_MMU_DONE;
}

#endif
