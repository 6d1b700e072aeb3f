/* PASID directory and table: which translation a process of a device has. With the PASID cache.
 *
 * VT-d specification, 3.4.3, 9.5 and 9.6, 6.2.3 (PASID cache, tagged by source-id and PASID; dropped by domain-id and
 * PASID); fault conditions SPD and SPT of chapter 7. A request without PASID has the PASID that its context entry names
 * (RID_PASID). */
#include "iommu_private.h"

static vx_vtd_fault decode(const vx_iommu *iommu, const uint64_t word[3], vx_io_pasid *entry)
{
    const vx_cfg_iommu *config = &iommu->config;
    entry->fault_disabled = (word[0] & VX_VTD_CONTEXT_FPD) != 0;
    if (!(word[0] & VX_VTD_PASID_P)) return VX_VTD_FAULT_S_PASID_P;
    uint64_t beyond = vx_io_reserved_address(iommu);
    if ((word[0] & (beyond | 0xFFF0000000000C00ULL)) || (word[2] & beyond)) return VX_VTD_FAULT_S_PASID_RESERVED;
    entry->type = (uint8_t)(word[0] >> VX_VTD_PASID_TYPE_SHIFT & 7);
    entry->second_levels = (uint8_t)((word[0] >> VX_VTD_PASID_AW_SHIFT & 7) + 2);
    entry->second_root = word[0] & VX_ENTRY_ADDRESS;
    entry->second_ad = (word[0] & VX_VTD_PASID_SLADE) != 0;
    entry->domain = (uint16_t)word[1];
    entry->snoop = (word[1] & VX_VTD_PASID_PWSNP) != 0;
    entry->sre = (word[2] & VX_VTD_PASID_SRE) != 0;
    entry->ere = (word[2] & VX_VTD_PASID_ERE) != 0;
    entry->wpe = (word[2] & VX_VTD_PASID_WPE) != 0;
    entry->nxe = (word[2] & VX_VTD_PASID_NXE) != 0;
    entry->first_levels = (uint8_t)((word[2] >> VX_VTD_PASID_FLPM_SHIFT & 3) + 4);
    entry->first_root = word[2] & VX_ENTRY_ADDRESS;
    bool first = entry->type == VX_VTD_PGTT_FIRST || entry->type == VX_VTD_PGTT_NESTED;
    bool second = entry->type == VX_VTD_PGTT_SECOND || entry->type == VX_VTD_PGTT_NESTED;
    bool known = first || second || (entry->type == VX_VTD_PGTT_PASS_THROUGH && config->pass_through);
    bool fits =
        known && (!first || (config->first_level && entry->first_levels <= (config->first_level_5 ? 5 : 4))) &&
        (entry->type != VX_VTD_PGTT_NESTED || config->nested) &&
        (!second || (entry->second_levels <= VX_RADIX_LEVELS_MAX && (config->levels >> entry->second_levels & 1))) &&
        (!entry->second_ad || config->second_level_ad);
    return fits ? VX_VTD_FAULT_NONE : VX_VTD_FAULT_S_PASID_INVALID;
}

static vx_vtd_fault read_pasid(vx_iommu *iommu, uint32_t pasid, const vx_io_context *context, vx_io_work *work,
                               vx_io_pasid *entry)
{
    uint64_t directory, word[3];
    uint64_t reserved = ~(VX_ENTRY_ADDRESS | VX_VTD_PASID_P | VX_VTD_CONTEXT_FPD) | vx_io_reserved_address(iommu);
    if (!vx_io_read64(iommu, work, VX_IO_READ_DIRECTORY, context->root + (uint64_t)(pasid >> 6) * 8, &directory))
        return VX_VTD_FAULT_S_DIRECTORY_ACCESS;
    entry->fault_disabled = (directory & VX_VTD_CONTEXT_FPD) != 0;
    if (!(directory & VX_VTD_PASID_P)) return VX_VTD_FAULT_S_DIRECTORY_P;
    if (directory & reserved) return VX_VTD_FAULT_S_DIRECTORY_RESERVED;
    uint64_t at = (directory & VX_ENTRY_ADDRESS) + (uint64_t)(pasid & 63) * 64;
    if (!vx_io_read64(iommu, work, VX_IO_READ_PASID, at, &word[0])) return VX_VTD_FAULT_S_PASID_ACCESS;
    word[1] = vx_physmem_read64(iommu->memory, (vx_hpa){at + 8}); /* one line: one read */
    word[2] = vx_physmem_read64(iommu->memory, (vx_hpa){at + 16});
    return decode(iommu, word, entry);
}

vx_vtd_fault vx_io_find_pasid(vx_iommu *iommu, uint16_t source_id, uint32_t pasid, const vx_io_context *context,
                              vx_io_work *work, vx_io_pasid *entry)
{
    uint64_t key = (uint64_t)source_id << 21 | (uint64_t)pasid << 1 | 1;
    uint64_t spread = source_id ^ pasid;
    uint32_t slot = vx_io_cache_find(&iommu->pasid, spread, key, iommu->pasid.exists);
    if (slot != VX_SETASSOC_NONE) {
        *entry = iommu->pasids[slot];
        work->fault_disabled |= entry->fault_disabled;
        return entry->fault;
    }
    vx_io_pasid read = {0};
    vx_vtd_fault fault = read_pasid(iommu, pasid, context, work, &read);
    work->fault_disabled |= read.fault_disabled;
    bool absent = fault == VX_VTD_FAULT_S_PASID_P || fault == VX_VTD_FAULT_S_DIRECTORY_P;
    if (fault && !(absent && iommu->config.caching_mode)) return fault;
    read.fault = fault;
    read.present = !fault;
    slot = vx_io_cache_fill(&iommu->pasid, spread, key, 0);
    if (slot != VX_SETASSOC_NONE) iommu->pasids[slot] = read;
    *entry = read;
    return fault;
}
