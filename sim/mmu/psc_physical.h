/* AMD's page-walk cache: entries of all tables of both dimensions, by their own physical address (Bhargava et al.,
 * ASPLOS 2008, 4.1). Each need of a walk stays, and looks up here before memory. Level-1 guest entries are never in it;
 * level-1 nested entries are where the model says so. Entries carry the context that made them, so that flushes by
 * ASID, VPID and EP4TA find them.
 *
 * Inline, for each need of a walk asks here. */
#ifndef VX_PSC_PHYSICAL_H
#define VX_PSC_PHYSICAL_H

#include "mmu_private.h"

/* Two entries of four bytes may share eight: the address counts in words of four. */
static inline uint64_t vx_psc_physical_number(uint64_t at) { return at >> 2; }

static inline uint32_t vx_psc_physical_set(const vx_setassoc *array, uint64_t number)
{
    return (uint32_t)(number >> 1) & (array->sets - 1); /* entries are eight bytes apart, but for 32-bit paging */
}

/* A level-1 or large entry answers only where it has the bits of `leaf_needs`: the flags are set in memory. */
static inline __attribute__((always_inline)) bool
vx_psc_physical_find(vx_mmu *mmu, uint64_t at, unsigned level, uint64_t owner, uint64_t leaf_needs, uint64_t *entry)
{
    vx_setassoc *array = &mmu->psc_physical.array;
    mmu->counts.psc_lookups++;
    uint64_t number = vx_psc_physical_number(at);
    uint32_t set = vx_psc_physical_set(array, number);
    uint32_t slot = vx_setassoc_find(array, set, vx_tag_make(number, owner));
    if (slot == VX_SETASSOC_NONE) return false;
    uint64_t value = array->values[slot];
    bool leaf = level == 1 || (value & VX_PTE_PS);
    if (leaf && (value & leaf_needs) != leaf_needs) return false;
    vx_setassoc_touch_in(array, set, slot);
    mmu->counts.psc_hits++;
    *entry = value;
    return true;
}

static inline __attribute__((always_inline)) void vx_psc_physical_fill(vx_mmu *mmu, uint64_t at, uint64_t owner,
                                                                       uint64_t entry)
{
    vx_setassoc *array = &mmu->psc_physical.array;
    uint64_t number = vx_psc_physical_number(at);
    vx_setassoc_install(array, vx_psc_physical_set(array, number), vx_tag_make(number, owner), entry);
}

#endif
