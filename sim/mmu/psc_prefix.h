/* Intel's paging-structure caches: by the upper bits of an address, one cache a level (SDM Vol. 3A, 4.10.3; Vol. 3C,
 * 28.3.1). An entry of level n holds the address of the table of level n - 1 and what all entries up to n allow. With
 * linear addresses they are linear or, under EPT, combined mappings; with guest-physical addresses guest-physical
 * mappings. Entries that map pages are never here.
 *
 * Inline, for every walk asks them once in the first dimension and for each nested walk in the second.
 *
 * Value: the table's address in bits 51:12, flags in bits 11:0, and in bits 63:52 where the nested walks that a
 * combined entry saves would have ended, so that saved accesses are counted exactly. */
#ifndef VX_PSC_PREFIX_H
#define VX_PSC_PREFIX_H

#include "mmu_private.h"

enum { VX_PSC_ALLOWED_SHIFT = 4, VX_PSC_ALLOWED = 31, VX_PSC_ENDS_SHIFT = 52 };

/* A remembered table: what an entry of level `level` leads to. */
typedef struct vx_psc_entry {
    unsigned level;
    uint64_t table; /* host-physical address of the next table */
    uint64_t flags; /* what the entries up to here allow: VX_TLB_W, U, NX; the table's page: the lowest five VX_USE bits
                       << VX_PSC_ALLOWED_SHIFT */
    uint64_t ends;  /* combined: level at which each guest level's nested walk ended, 2 bits a level from level 1 */
} vx_psc_entry;

/* `format` NULL: one of 8-byte entries. */
static inline unsigned vx_psc_prefix_shift(const vx_radix *format, unsigned level)
{
    return format ? format->shift[level] : vx_wide_shift(level);
}

static inline uint32_t vx_psc_prefix_set(const vx_setassoc *array, uint64_t prefix)
{
    return (uint32_t)prefix & (array->sets - 1);
}

/* The longest remembered prefix of the address in the caches of one dimension; counts a lookup. */
static inline __attribute__((always_inline)) bool vx_psc_prefix_find(vx_mmu *mmu, vx_walker_cache caches[],
                                                                     const vx_radix *format, unsigned top,
                                                                     uint64_t address, uint64_t owner,
                                                                     vx_psc_entry *entry)
{
    bool any = false;
    for (unsigned level = 2; level <= top; level++) {
        vx_setassoc *array = &caches[level].array;
        if (!caches[level].exists) continue;
        any = true;
        uint64_t prefix = address >> vx_psc_prefix_shift(format, level);
        uint32_t set = vx_psc_prefix_set(array, prefix);
        uint32_t slot = vx_setassoc_find(array, set, vx_tag_make(prefix, owner));
        if (slot == VX_SETASSOC_NONE) continue;
        vx_setassoc_touch_in(array, set, slot);
        uint64_t value = array->values[slot];
        *entry = (vx_psc_entry){.level = level,
                                .table = value & VX_ENTRY_ADDRESS,
                                .flags = value & VX_TLB_FLAGS,
                                .ends = value >> VX_PSC_ENDS_SHIFT};
        mmu->counts.psc_lookups++;
        mmu->counts.psc_hits++;
        return true;
    }
    mmu->counts.psc_lookups += any;
    return false;
}

/* `absent`: a lookup of this walk has missed the entry. */
static inline __attribute__((always_inline)) void vx_psc_prefix_fill(vx_walker_cache caches[], const vx_radix *format,
                                                                     uint64_t address, uint64_t owner,
                                                                     const vx_psc_entry *entry, bool absent)
{
    vx_walker_cache *cache = &caches[entry->level];
    if (!cache->exists) return;
    uint64_t prefix = address >> vx_psc_prefix_shift(format, entry->level);
    uint64_t value = (entry->table & VX_ENTRY_ADDRESS) | entry->flags | entry->ends << VX_PSC_ENDS_SHIFT;
    uint32_t set = vx_psc_prefix_set(&cache->array, prefix);
    if (absent)
        vx_setassoc_insert_absent(&cache->array, set, vx_tag_make(prefix, owner), value);
    else
        vx_setassoc_insert(&cache->array, set, vx_tag_make(prefix, owner), value, NULL);
}

#endif
