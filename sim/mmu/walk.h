/* The page walk of the first dimension (SDM Vol. 3A, 4.3 to 4.5): guest tables under EPT or NPT, native tables or
 * shadow tables alone. One body, an instance a mode. In two dimensions each guest entry's address goes through the
 * nested walk first: with 4 + 4 levels the order of Bhargava et al., ASPLOS 2008, Fig. 1(b), nL4 nL3 nL2 nL1 gL4, ...,
 * and the four nested accesses for the data's address at the end.
 *
 * A flags are set as entries are used; the last entry's A and D once the whole translation is allowed. A and D updates
 * are no accesses of the grid.
 *
 * NOT MODELLED: HLAT, memory types, speculative walks. */
#ifndef VX_WALK_H
#define VX_WALK_H

#include "nested_walk.h"

/* Where a walk stands: about to read the entry of `level` in `table`. */
typedef struct guest_place {
    unsigned level;
    bool in_host;     /* `table` is a host-physical address, and `allowed` known: no nested walk for this table */
    uint64_t table;   /* else as the guest spells it */
    uint64_t flags;   /* VX_TLB_W, U, NX over the entries so far */
    uint64_t above;   /* the same without the entry read last */
    uint64_t allowed; /* VX_USE bits of the table's page in the second dimension ... */
    uint64_t mapping; /* ... and the entry that maps it; 0: unknown */
    uint64_t ends;    /* see vx_psc_entry */
} guest_place;

/* An entry and where it was read. */
typedef struct guest_entry {
    uint64_t value;
    uint64_t gpa; /* unknown (0) after a combined paging-structure entry; the fault is then found again without it */
    uint64_t at;
    bool leaf;
} guest_entry;

/* A walk that straight.h has begun and hands over. */
typedef struct vx_walk_begun {
    guest_place place;
    guest_entry entry;
    bool located;           /* `entry` is about to be read: its address is known */
    bool mapped;            /* ... or was read, and maps the page */
    vx_nested_place nested; /* where the nested walk stands that is under way; level 0: none is */
} vx_walk_begun;

VX_INLINE vx_mmu_result page_fault(vx_walk *walk, uint32_t cause)
{
    walk->fault.error_code = vx_page_fault_code(&walk->mmu->control, walk->access, cause);
    if (walk->shadow_stack) walk->fault.error_code |= VX_PF_SS;
    return VX_MMU_PAGE_FAULT;
}

/* The format, or NULL where it follows from the mode. */
VX_INLINE const vx_radix *narrow(const vx_mmu *mmu, vx_walk_mode mode) { return mode.wide ? NULL : mmu->setup.guest; }

/* Whole instances have the second dimension inline. */
VX_INLINE vx_mmu_result nested(vx_walk *walk, uint64_t gpa, unsigned row, uint64_t use, vx_nested_leaf *leaf,
                               vx_walk_mode mode)
{
    if (mode.whole) return vx_nested_walk(walk, gpa, row, use, leaf, mode);
    if (mode.nested == VX_NESTED_NPT) return vx_nested_npt(walk, gpa, row, use, leaf);
    return vx_nested_ept(walk, gpa, row, use, leaf);
}

/* PAE's four top entries live in registers (SDM Vol. 3A, 4.4.1), but for AMD's nested paging. False: not present. */
VX_INLINE bool start(const vx_walk *walk, uint64_t gva, guest_place *place)
{
    const vx_mmu *mmu = walk->mmu;
    *place = (guest_place){.level = mmu->setup.guest_top, .table = mmu->control.root, .flags = VX_TLB_W | VX_TLB_U};
    if (!mmu->setup.pdptes_latched) return true;
    uint64_t pdpte = mmu->control.pdpte[gva >> 30 & 3];
    place->table = pdpte & VX_ENTRY_ADDRESS;
    return (pdpte & VX_PTE_P) != 0;
}

/* Counts what a remembered table saves: whole rows above it, and the nested walk for the table itself. */
VX_INLINE void skip_rows(vx_walk *walk, const vx_psc_entry *entry, bool two)
{
    vx_mmu *mmu = walk->mmu;
    vx_walk_tally *tally = &mmu->tally;
    if (__builtin_expect(tally->plain && mmu->cpu->psc.hit_ticks == 0, 1)) {
        for (unsigned row = entry->level - 1; two && row <= mmu->setup.guest_top; row++)
            tally->nested_saved[row][entry->ends >> 2 * (row - 1) & 3]++; /* [0] is no level */
        tally->guest_saved[entry->level]++;
        return;
    }
    for (unsigned row = mmu->setup.guest_top; row + 1 >= entry->level && row >= 1; row--) {
        unsigned end = entry->ends >> 2 * (row - 1) & 3; /* 0 only where software changed modes without a flush */
        for (unsigned level = mmu->setup.nested_top; two && end > 0 && level >= end; level--)
            vx_walk_skip(walk, row, level, VX_HIT_PSC, 0, 0, 0);
        if (row < entry->level) break;
        vx_walk_skip(walk, row, VX_GUEST_COLUMN, VX_HIT_PSC, row == entry->level ? mmu->cpu->psc.hit_ticks : 0, 0, 0);
    }
}

/* Starts at the table that a linear or combined paging-structure entry remembers. */
VX_INLINE void resume(vx_walk *walk, uint64_t gva, guest_place *place, vx_walk_mode mode)
{
    vx_mmu *mmu = walk->mmu;
    vx_psc_entry entry;
    if (!vx_psc_prefix_find(mmu, mmu->psc_guest, narrow(mmu, mode), place->level, gva, mmu->front.owner, &entry))
        return;
    skip_rows(walk, &entry, mode.nested != VX_NESTED_NONE);
    walk->remembered = true;
    *place = (guest_place){.level = entry.level - 1,
                           .in_host = true,
                           .table = entry.table,
                           .flags = entry.flags & (VX_TLB_W | VX_TLB_U | VX_TLB_NX),
                           .allowed = entry.flags >> VX_PSC_ALLOWED_SHIFT & VX_PSC_ALLOWED,
                           .ends = entry.ends};
}

VX_INLINE void remember_table(const vx_walk *walk, uint64_t gva, const guest_place *place, uint64_t table,
                              vx_walk_mode mode)
{
    vx_mmu *mmu = walk->mmu;
    vx_psc_prefix_fill(
        mmu->psc_guest, narrow(mmu, mode), gva, mmu->front.owner,
        &(vx_psc_entry){.level = place->level + 1,
                        .table = table,
                        .flags = place->flags | (place->allowed & VX_PSC_ALLOWED) << VX_PSC_ALLOWED_SHIFT,
                        .ends = place->ends},
        mode.lean || walk->caches);
}

VX_INLINE uint64_t offset_in(const vx_walk_setup *setup, unsigned level, uint64_t gva, vx_walk_mode mode)
{
    if (mode.wide) return vx_wide_offset(level, gva);
    return (uint64_t)vx_radix_index(setup->guest, level, gva) * setup->guest->entry_bytes;
}

/* Finds the host-physical address of the entry. A combined paging-structure entry needs the table's, so it is made here
 * and not when the entry that names the table is read. */
VX_INLINE vx_mmu_result locate(vx_walk *walk, uint64_t gva, guest_place *place, guest_entry *entry, vx_walk_mode mode)
{
    const vx_walk_setup *setup = &walk->mmu->setup;
    uint64_t offset = offset_in(setup, place->level, gva, mode);
    entry->gpa = 0;
    entry->at = place->table + offset;
    if (mode.nested == VX_NESTED_NONE || place->in_host) return VX_MMU_DONE;
    entry->gpa = place->table + offset;
    uint64_t use = setup->table_writes ? VX_USE_READ | VX_USE_PAGING_WRITE : VX_USE_READ;
    vx_nested_leaf leaf;
    vx_mmu_result result = nested(walk, entry->gpa, place->level, use, &leaf, mode);
    if (result != VX_MMU_DONE) return result;
    entry->at = leaf.hpa;
    place->allowed = leaf.allowed;
    place->mapping = leaf.entry;
    if (!mode.lean) walk->verify = (leaf.entry & VX_EPT_VERIFY_PAGING) != 0;
    if (!mode.lean) walk->unverified |= !(leaf.entry & VX_EPT_PAGING_WRITE);
    place->ends |= (uint64_t)leaf.level << 2 * (place->level - 1);
    if (place->level < setup->guest_top) remember_table(walk, gva, place, leaf.hpa, mode);
    return VX_MMU_DONE;
}

VX_INLINE void read_entry(vx_walk *walk, uint64_t gva, unsigned level, guest_entry *entry, vx_walk_mode mode)
{
    vx_mmu *mmu = walk->mmu;
    if (level == 1) vx_expect_learn(mmu->expected_guest, gva, entry->at & ~(uint64_t)(VX_PAGE_BYTES - 1));
    uint64_t leaf_needs = walk->access == VX_ACCESS_STORE ? VX_PTE_D : 0;
    if (!mode.lean && walk->caches && mmu->psc_physical.exists && level > 1 &&
        vx_psc_physical_find(mmu, entry->at, level, mmu->front.owner, leaf_needs, &entry->value)) {
        walk->remembered = true;
        vx_walk_skip(walk, level, VX_GUEST_COLUMN, VX_HIT_PSC, mmu->cpu->psc.hit_ticks, entry->at, entry->value);
        return;
    }
    entry->value = mode.wide ? vx_physmem_read64(mmu->memory, (vx_hpa){entry->at})
                             : vx_radix_read(mmu->setup.guest, mmu->memory, (vx_hpa){entry->at});
    vx_walk_charge(walk, level, VX_GUEST_COLUMN, entry->at, entry->value);
}

/* PAE's top entries have neither rights nor an A flag. */
VX_INLINE bool plain(const vx_radix *format, unsigned level) { return format->bits[level] == 2; }

VX_INLINE uint64_t combine(uint64_t flags, uint64_t entry)
{
    _Static_assert(VX_PTE_W >> 1 == VX_TLB_W && VX_PTE_U >> 1 == VX_TLB_U && VX_PTE_NX >> 61 == VX_TLB_NX, "by shifts");
    return (flags & (entry >> 1 | ~(VX_TLB_W | VX_TLB_U))) | (entry >> 61 & VX_TLB_NX);
}

/* Checks a fresh entry: present, no reserved bit (SDM Vol. 3A, 4.7). */
VX_INLINE vx_mmu_result check(vx_walk *walk, unsigned level, guest_entry *entry, vx_walk_mode mode)
{
    const vx_mmu *mmu = walk->mmu;
    const vx_walk_setup *setup = &mmu->setup;
    if (!(entry->value & VX_PTE_P)) return page_fault(walk, 0);
    bool large =
        mode.wide || mmu->control.paging != VX_PAGING_32BIT || mmu->control.pse; /* without PSE bit 7 is ignored */
    entry->leaf = level == 1 || (large && vx_radix_is_leaf(setup->guest, level, entry->value));
    uint64_t reserved = entry->leaf ? setup->guest_reserved.leaf[level] : setup->guest_reserved.table[level];
    return entry->value & reserved ? page_fault(walk, VX_PF_P | VX_PF_RSVD) : VX_MMU_DONE;
}

/* SDM Vol. 3A, 4.8. The update is a write to the guest's page, which the second dimension must allow (Vol. 3C,
 * 28.2.3.2; reported as a read and a write). */
VX_INLINE vx_mmu_result set_flags(vx_walk *walk, const guest_place *place, guest_entry *entry, uint64_t flags,
                                  vx_nested_kind kind)
{
    vx_mmu *mmu = walk->mmu;
    if ((entry->value & flags) == flags || plain(mmu->setup.guest, place->level)) return VX_MMU_DONE;
    if (kind != VX_NESTED_NONE && !(place->allowed & VX_USE_PAGING_WRITE))
        return vx_nested_denied(walk, entry->gpa, place->level, VX_USE_READ | VX_USE_PAGING_WRITE,
                                &(vx_nested_leaf){.entry = place->mapping, .allowed = place->allowed});
    entry->value |= flags;
    vx_radix_write(mmu->setup.guest, mmu->memory, (vx_hpa){entry->at}, entry->value);
    mmu->counts.ad_writes++;
    return VX_MMU_DONE;
}

VX_INLINE void remember_entry(vx_mmu *mmu, unsigned level, const guest_entry *entry, vx_walk_mode mode)
{
    if (!mode.lean && mmu->psc_physical.exists && level > 1)
        vx_psc_physical_fill(mmu, entry->at, mmu->front.owner, entry->value);
}

VX_INLINE void step_down(const vx_walk *walk, uint64_t gva, guest_place *place, uint64_t table, vx_walk_mode mode)
{
    place->table = table;
    place->in_host = false;
    place->level--;
    if (mode.nested == VX_NESTED_NONE) remember_table(walk, gva, place, table, mode);
}

/* From the root, or from a remembered table, to the entry that maps the page. */
VX_INLINE vx_mmu_result descend(vx_walk *walk, uint64_t gva, guest_place *place, guest_entry *entry, vx_walk_mode mode)
{
    vx_mmu *mmu = walk->mmu;
    bool located = !mode.lean && walk->begun && walk->begun->located;
    for (;;) {
        vx_mmu_result result = located ? VX_MMU_DONE : locate(walk, gva, place, entry, mode);
        if (result != VX_MMU_DONE) return result;
        located = false;
        read_entry(walk, gva, place->level, entry, mode);
        if (vx_is_ordinary(&mmu->setup.guest_ordinary.table, place->level, entry->value)) {
            place->above = place->flags;
            place->flags = combine(place->flags, entry->value);
            remember_entry(mmu, place->level, entry, mode);
            step_down(walk, gva, place, entry->value & VX_ENTRY_ADDRESS, mode);
            continue;
        }
        result = check(walk, place->level, entry, mode);
        if (result != VX_MMU_DONE) return result;
        place->above = place->flags;
        if (mode.wide || !plain(mmu->setup.guest, place->level)) place->flags = combine(place->flags, entry->value);
        if (entry->leaf) return VX_MMU_DONE;
        result = set_flags(walk, place, entry, VX_PTE_A, mode.nested);
        if (result != VX_MMU_DONE) return result;
        remember_entry(mmu, place->level, entry, mode);
        step_down(walk, gva, place, entry->value & VX_ENTRY_ADDRESS, mode);
    }
}

/* The use that the second dimension is asked for; `user`: the linear address is a user-mode one. */
VX_INLINE uint64_t data_use(const vx_walk *walk, bool user)
{
    if (walk->access == VX_ACCESS_FETCH && user) return VX_USE_FETCH_USER;
    bool supervisor_stack = walk->shadow_stack && walk->mmu->control.cpl != 3;
    uint64_t stack = supervisor_stack && walk->mmu->control.supervisor_shadow_stack ? VX_USE_SHADOW_STACK : 0;
    return vx_use_of(walk->access) | stack;
}

/* Rights of the second dimension as a TLB entry holds them: fetches by the mode of the linear address. */
VX_INLINE uint64_t data_rights(uint64_t allowed, bool user)
{
    bool fetch = (allowed & (user ? VX_USE_FETCH_USER : VX_USE_FETCH)) != 0;
    return ((allowed & (VX_USE_READ | VX_USE_WRITE)) | (fetch ? VX_USE_FETCH : 0)) << VX_TLB_NESTED_SHIFT;
}

/* SDM Vol. 3C, 28.2.3.2 and 28.2.3.3: once the translation of the data's address is known to be allowed. The manual
 * leaves open which address such a violation reports: it is the data's here. */
VX_INLINE vx_mmu_result verify_paging(vx_walk *walk, uint64_t gpa, uint64_t use, const vx_nested_leaf *data)
{
    if (!walk->mmu->control.guest_paging_verification || !walk->verify || !walk->unverified) return VX_MMU_DONE;
    walk->verification = true;
    return vx_nested_denied(walk, gpa, VX_DATA_ROW, use, data);
}

/* The second dimension of the data's address, into `leaf`. */
VX_INLINE vx_mmu_result translate_data(vx_walk *walk, uint64_t gpa, vx_page_size page, vx_walk_leaf *leaf,
                                       vx_walk_mode mode)
{
    if (mode.nested == VX_NESTED_NONE) {
        *leaf = (vx_walk_leaf){.hpa = gpa, .flags = VX_TLB_NESTED | VX_TLB_DIRTY, .size = page};
        return VX_MMU_DONE;
    }
    vx_nested_leaf data;
    bool user = (walk->rights & VX_TLB_U) != 0;
    uint64_t use = data_use(walk, user);
    vx_mmu_result result = nested(walk, gpa, VX_DATA_ROW, use, &data, mode);
    if (result == VX_MMU_DONE && !mode.lean) result = verify_paging(walk, gpa, use, &data);
    if (result != VX_MMU_DONE) return result;
    *leaf = (vx_walk_leaf){.hpa = data.hpa,
                           .flags = data_rights(data.allowed, user) | (data.dirty ? VX_TLB_DIRTY : 0),
                           .size = data.size < page ? data.size : page};
    if (data.size < page) leaf->flags |= VX_TLB_SPLINTERED;
    return VX_MMU_DONE;
}

/* A shadow stack's page is read-only and dirty, below writable entries, and of the mode of the access (SDM Vol. 3A,
 * 4.6.1). */
VX_INLINE bool is_shadow_stack_of(const vx_walk *walk, const guest_place *place, const guest_entry *entry)
{
    bool page = (place->above & VX_TLB_W) && !(entry->value & VX_PTE_W) && (entry->value & VX_PTE_D);
    return page && ((place->flags & VX_TLB_U) != 0) == (walk->mmu->control.cpl == 3);
}

VX_INLINE bool allowed_by_tables(const vx_walk *walk, const guest_place *place, const guest_entry *entry)
{
    if (walk->shadow_stack) return is_shadow_stack_of(walk, place, entry);
    const vx_mmu_lane *lane = &walk->mmu->front.lane[vx_lane_of(walk->access)];
    return !((place->flags ^ lane->want) & lane->need & (VX_TLB_W | VX_TLB_U | VX_TLB_NX));
}

VX_INLINE vx_mmu_result vx_walk_tables(vx_walk *walk, uint64_t gva, vx_walk_leaf *leaf, vx_walk_mode mode)
{
    vx_mmu *mmu = walk->mmu;
    guest_place place;
    guest_entry entry = {0};
    vx_mmu_result result = VX_MMU_DONE;
    const vx_walk_begun *begun = mode.lean ? NULL : walk->begun;
    if (begun) {
        place = begun->place;
        entry = begun->entry;
    } else {
        if (!start(walk, gva, &place)) return page_fault(walk, 0);
        if ((mode.lean || walk->caches) && mmu->cpu->psc.kind == VX_PSC_PREFIX) resume(walk, gva, &place, mode);
    }
    if (!begun || !begun->mapped) result = descend(walk, gva, &place, &entry, mode);
    if (result != VX_MMU_DONE) return result;
    if (!allowed_by_tables(walk, &place, &entry)) return page_fault(walk, VX_PF_P);
    walk->rights = place.flags;

    vx_page_size page = (vx_page_size)mmu->setup.guest->page[place.level];
    uint64_t frame = mode.wide ? entry.value & VX_ENTRY_ADDRESS & ~(vx_page_bytes(page) - 1)
                               : vx_radix_frame(mmu->setup.guest, entry.value, place.level, true);
    result = translate_data(walk, frame | (gva & (vx_page_bytes(page) - 1)), page, leaf, mode);
    if (result != VX_MMU_DONE) return result;
    uint64_t flags = walk->access == VX_ACCESS_STORE ? VX_PTE_A | VX_PTE_D : VX_PTE_A;
    result = set_flags(walk, &place, &entry, flags, mode.nested);
    if (result != VX_MMU_DONE) return result;
    remember_entry(mmu, place.level, &entry, mode);
    leaf->flags |= place.flags | (uint64_t)page << VX_TLB_GUEST_PAGE_SHIFT;
    if (!(entry.value & VX_PTE_D)) leaf->flags &= ~VX_TLB_DIRTY;
    leaf->global = mmu->control.pge && (entry.value & VX_PTE_G);
    return VX_MMU_DONE;
}

/* Paging off under a second dimension: the linear address is the guest-physical one, and anyone may do anything with it
 * in the first dimension (SDM Vol. 3C, 28.2.3.3). */
VX_INLINE vx_mmu_result vx_walk_unpaged(vx_walk *walk, uint64_t gva, vx_walk_leaf *leaf, vx_walk_mode mode)
{
    walk->rights = VX_TLB_W | VX_TLB_U;
    vx_mmu_result result = translate_data(walk, gva, VX_PAGE_1G, leaf, mode);
    if (result != VX_MMU_DONE) return result;
    leaf->flags &= ~VX_TLB_SPLINTERED; /* there is no page of the guest's to be splintered */
    leaf->flags |= VX_TLB_W | VX_TLB_U | (uint64_t)leaf->size << VX_TLB_GUEST_PAGE_SHIFT;
    return VX_MMU_DONE;
}

#endif
