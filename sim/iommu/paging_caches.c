/* Paging-structure caches of the IOMMU: by the upper bits of an input address, one cache a level (VT-d specification,
 * 6.2.5). An entry of level n names the table of level n - 1 and holds what all entries up to n allow; it is tagged as
 * the IOTLB is, by domain-id (second level) or domain-id and PASID (first level). Of nested translation the first
 * level's entries hold the next table's host-physical address (combined), so that a hit saves the second level's walks
 * above it. Entries that map pages, or are not present, are never here, whatever the caching mode. */
#include "iommu_private.h"

void vx_io_paging_find(vx_iommu *iommu, const vx_radix *format, uint64_t address, uint16_t space, vx_io_start *start)
{
    bool any = false;
    for (unsigned level = 2; level <= format->top; level++) {
        vx_io_cache *cache = &iommu->paging[level];
        if (!cache->exists) continue;
        any = true;
        uint64_t prefix = address >> format->shift[level];
        uint32_t slot = vx_io_cache_find(cache, prefix ^ space, vx_io_paging_tag(prefix, space), false);
        if (slot == VX_SETASSOC_NONE) continue;
        uint64_t value = cache->array.values[slot];
        *start = (vx_io_start){.level = level - 1, .table = value & VX_ENTRY_ADDRESS, .rights = value & VX_IO_RIGHTS};
        return;
    }
    if (!any) return;
    iommu->counts.paging.lookups++;
    iommu->counts.paging.misses++;
}

void vx_io_paging_fill(vx_iommu *iommu, const vx_radix *format, uint64_t address, uint16_t space, unsigned level,
                       uint64_t table, uint64_t rights)
{
    uint64_t prefix = address >> format->shift[level];
    vx_io_cache_fill(&iommu->paging[level], prefix ^ space, vx_io_paging_tag(prefix, space),
                     (table & VX_ENTRY_ADDRESS) | (rights & VX_IO_RIGHTS));
}
