/* Intel's paging-structure caches: by the upper bits of an address, one cache a level (SDM Vol. 3A, 4.10.3; Vol. 3C,
 * 28.3.1). An entry of level n holds the address of the table of level n - 1 and what all entries up to n allow. With
 * linear addresses they are linear or, under EPT, combined mappings; with guest-physical addresses guest-physical
 * mappings. Entries that map pages are never here.
 *
 * Value: the table's address in bits 51:12, flags in bits 11:0, and in bits 63:52 where the nested walks that a
 * combined entry saves would have ended, so that saved accesses are counted exactly. */
#include "walker.h"

enum { ENDS_SHIFT = 52 };

static uint32_t set_of(const vx_setassoc *array, uint64_t prefix) { return (uint32_t)prefix & (array->sets - 1); }

bool vx_psc_prefix_find(vx_mmu *mmu, vx_walker_cache caches[], const vx_radix *format, unsigned top, uint64_t address,
                        uint64_t owner, vx_psc_entry *entry)
{
    bool any = false;
    for (unsigned level = 2; level <= top; level++) {
        vx_walker_cache *cache = &caches[level];
        if (!cache->exists) continue;
        any = true;
        uint64_t prefix = address >> format->shift[level];
        uint32_t slot = vx_setassoc_find(&cache->array, set_of(&cache->array, prefix), vx_tag_make(prefix, owner));
        if (slot == VX_SETASSOC_NONE) continue;
        vx_setassoc_touch(&cache->array, slot);
        uint64_t value = cache->array.values[slot];
        *entry = (vx_psc_entry){.level = level,
                                .table = value & VX_ENTRY_ADDRESS,
                                .flags = value & VX_TLB_FLAGS,
                                .ends = value >> ENDS_SHIFT};
        mmu->counts.psc_lookups++;
        mmu->counts.psc_hits++;
        return true;
    }
    if (any) mmu->counts.psc_lookups++;
    return false;
}

void vx_psc_prefix_fill(vx_walker_cache caches[], const vx_radix *format, uint64_t address, uint64_t owner,
                        const vx_psc_entry *entry)
{
    vx_walker_cache *cache = &caches[entry->level];
    if (!cache->exists) return;
    uint64_t prefix = address >> format->shift[entry->level];
    uint64_t value = (entry->table & VX_ENTRY_ADDRESS) | entry->flags | entry->ends << ENDS_SHIFT;
    vx_setassoc_insert(&cache->array, set_of(&cache->array, prefix), vx_tag_make(prefix, owner), value, NULL);
}
