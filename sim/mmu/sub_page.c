/* Sub-page write permissions: whether a write that EPT denies is allowed to 128 bytes of a 4 KiB page (SDM Vol. 3C,
 * 28.2.4).
 *
 * NOT MODELLED: a write to two sub-pages is judged by the one of its first byte; the four reads cost nothing and are in
 * no grid; caching of permissions. */
#include "walker.h"

enum { VALID = 1, SUB_PAGE_SHIFT = 7, SUB_PAGES = 32 };

static uint64_t entry_at(const vx_mmu *mmu, uint64_t table, uint64_t gpa, unsigned level)
{
    uint64_t index = gpa >> (12 + 9 * (level - 1)) & 0x1FF;
    return vx_physmem_read64(mmu->memory, (vx_hpa){table + 8 * index});
}

vx_sub_page vx_sub_page_write(const vx_mmu *mmu, uint64_t gpa)
{
    const uint64_t odd = 0xAAAAAAAAAAAAAAAAULL;
    uint64_t table = mmu->control.sppt & VX_ENTRY_ADDRESS;
    uint64_t reserved = ~0ULL << mmu->cpu->paging.physical_bits | 0xFFE;
    for (unsigned level = 4; level > 1; level--) {
        uint64_t entry = entry_at(mmu, table, gpa, level);
        if (!(entry & VALID)) return VX_SUB_PAGE_MISSES;
        if (entry & reserved) return VX_SUB_PAGE_MISCONFIGURED;
        table = entry & VX_ENTRY_ADDRESS;
    }
    uint64_t vector = entry_at(mmu, table, gpa, 1);
    if (vector & odd) return VX_SUB_PAGE_MISCONFIGURED;
    unsigned page = (unsigned)(gpa >> SUB_PAGE_SHIFT) % SUB_PAGES;
    return vector >> 2 * page & 1 ? VX_SUB_PAGE_ALLOWS : VX_SUB_PAGE_DENIES;
}
