/* Root and context entries: whose tables serve a source-id. With the context cache.
 *
 * VT-d specification, 3.4 (hierarchical translation structures), 9.1 to 9.4 (entries), 6.2.2 (context cache, tagged by
 * source-id; in legacy mode an entry is dropped by domain-id too); fault conditions LRT, LCT, SRT and SCT of chapter 7.
 * Caching mode: an entry that is not present may be cached too (6.1). */
#include "iommu_private.h"

typedef struct entry_faults {
    vx_vtd_fault root_access, root_absent, root_reserved, access, absent, reserved;
} entry_faults;

static const entry_faults legacy = {VX_VTD_FAULT_ROOT_ACCESS,    VX_VTD_FAULT_ROOT_P,    VX_VTD_FAULT_ROOT_RESERVED,
                                    VX_VTD_FAULT_CONTEXT_ACCESS, VX_VTD_FAULT_CONTEXT_P, VX_VTD_FAULT_CONTEXT_RESERVED};
static const entry_faults scalable = {VX_VTD_FAULT_S_ROOT_ACCESS,   VX_VTD_FAULT_S_ROOT_P,
                                      VX_VTD_FAULT_S_ROOT_RESERVED, VX_VTD_FAULT_S_CONTEXT_ACCESS,
                                      VX_VTD_FAULT_S_CONTEXT_P,     VX_VTD_FAULT_S_CONTEXT_RESERVED};

/* Of a word with an address in 51:12 and the bits `defined` below it. */
static uint64_t reserved_bits(const vx_iommu *iommu, uint64_t defined)
{
    return ~(VX_ENTRY_ADDRESS | defined) | vx_io_reserved_address(iommu);
}

/* Legacy: the second word of a root entry is reserved. Scalable: it serves devices 16 to 31. */
static vx_vtd_fault find_context_table(vx_iommu *iommu, uint16_t source_id, const entry_faults *faults,
                                       vx_io_work *work, uint64_t *table)
{
    bool split = faults == &scalable, upper = split && (source_id & 0x80) != 0;
    uint64_t at = (iommu->root & VX_ENTRY_ADDRESS) + (uint64_t)(source_id >> 8) * 16, entry, other = 0;
    if (!vx_io_read64(iommu, work, VX_IO_READ_ROOT, at + (upper ? 8 : 0), &entry)) return faults->root_access;
    if (!split) other = vx_physmem_read64(iommu->memory, (vx_hpa){at + 8}); /* the same 16 bytes */
    if (!(entry & VX_VTD_ROOT_P)) return faults->root_absent;
    if ((entry & reserved_bits(iommu, VX_VTD_ROOT_P)) || other) return faults->root_reserved;
    *table = entry & VX_ENTRY_ADDRESS;
    return VX_VTD_FAULT_NONE;
}

static bool levels_supported(const vx_iommu *iommu, unsigned levels)
{
    return levels <= VX_RADIX_LEVELS_MAX && (iommu->config.levels >> levels & 1);
}

/* The widest tables of those that there are: what AW must say for pass-through. */
static unsigned most_levels(const vx_iommu *iommu)
{
    unsigned levels = VX_RADIX_LEVELS_MAX;
    while (!levels_supported(iommu, levels)) levels--;
    return levels;
}

static vx_vtd_fault decode_legacy(const vx_iommu *iommu, uint64_t low, uint64_t high, vx_io_context *context)
{
    unsigned type = (unsigned)(low >> VX_VTD_CONTEXT_TYPE_SHIFT) & 3, levels = (unsigned)(high & 7) + 2;
    context->fault_disabled = (low & VX_VTD_CONTEXT_FPD) != 0;
    if (!(low & VX_VTD_CONTEXT_P)) return VX_VTD_FAULT_CONTEXT_P;
    if ((low & reserved_bits(iommu, 0xF)) || (high & ~0xFFFF7FULL)) return VX_VTD_FAULT_CONTEXT_RESERVED;
    bool type_fits = type == VX_VTD_TYPE_UNTRANSLATED || (type == VX_VTD_TYPE_ALL && iommu->config.device_tlb) ||
                     (type == VX_VTD_TYPE_PASS_THROUGH && iommu->config.pass_through);
    bool levels_fit = type == VX_VTD_TYPE_PASS_THROUGH ? levels == most_levels(iommu) : levels_supported(iommu, levels);
    if (!type_fits || !levels_fit) return VX_VTD_FAULT_CONTEXT_INVALID;
    context->type = (uint8_t)type;
    context->levels = (uint8_t)levels;
    context->domain = (uint16_t)(high >> VX_VTD_CONTEXT_DOMAIN_SHIFT);
    context->root = low & VX_ENTRY_ADDRESS;
    return VX_VTD_FAULT_NONE;
}

static vx_vtd_fault decode_scalable(const vx_iommu *iommu, uint64_t low, uint64_t high, vx_io_context *context)
{
    context->fault_disabled = (low & VX_VTD_CONTEXT_FPD) != 0;
    if (!(low & VX_VTD_CONTEXT_P)) return VX_VTD_FAULT_S_CONTEXT_P;
    if ((low & reserved_bits(iommu, 0xE1F)) || (high & ~0x1FFFFFULL)) return VX_VTD_FAULT_S_CONTEXT_RESERVED;
    context->dte = (low & VX_VTD_CONTEXT_DTE) != 0;
    context->paside = (low & VX_VTD_CONTEXT_PASIDE) != 0;
    context->pre = (low & VX_VTD_CONTEXT_PRE) != 0;
    if ((context->dte && !iommu->config.device_tlb) || (context->pre && !iommu->config.page_requests))
        return VX_VTD_FAULT_S_CONTEXT_INVALID;
    context->directory_bits = (uint8_t)((low >> VX_VTD_CONTEXT_PDTS_SHIFT & 7) + 7);
    context->rid_pasid = (uint32_t)(high & 0xFFFFF);
    context->rid_privileged = (high & VX_VTD_CONTEXT_RID_PRIV) != 0;
    context->root = low & VX_ENTRY_ADDRESS;
    return VX_VTD_FAULT_NONE;
}

static vx_vtd_fault read_context(vx_iommu *iommu, uint16_t source_id, vx_io_work *work, vx_io_context *context)
{
    bool wide = vx_io_scalable(iommu);
    const entry_faults *faults = wide ? &scalable : &legacy;
    uint64_t table = 0, low, high;
    vx_vtd_fault fault = find_context_table(iommu, source_id, faults, work, &table);
    if (fault) return fault;
    unsigned index = wide ? source_id & 0x7F : source_id & 0xFF;
    uint64_t at = table + (uint64_t)index * (wide ? 32 : 16);
    if (!vx_io_read64(iommu, work, VX_IO_READ_CONTEXT, at, &low)) return faults->access;
    high = vx_physmem_read64(iommu->memory, (vx_hpa){at + 8}); /* the same entry: one read */
    return wide ? decode_scalable(iommu, low, high, context) : decode_legacy(iommu, low, high, context);
}

vx_vtd_fault vx_io_find_context(vx_iommu *iommu, uint16_t source_id, vx_io_work *work, vx_io_context *context)
{
    /* The mode is in the key: what was cached in the other mode, before software has invalidated, means nothing now. */
    uint64_t key = (uint64_t)source_id << 2 | (uint64_t)vx_io_scalable(iommu) << 1 | 1;
    uint32_t slot = vx_io_cache_find(&iommu->context, source_id, key, iommu->context.exists);
    if (slot != VX_SETASSOC_NONE) {
        *context = iommu->contexts[slot];
        work->fault_disabled = context->fault_disabled;
        return context->fault;
    }
    vx_io_context read = {.present = true};
    vx_vtd_fault fault = read_context(iommu, source_id, work, &read);
    work->fault_disabled = read.fault_disabled;
    bool absent = fault == VX_VTD_FAULT_CONTEXT_P || fault == VX_VTD_FAULT_S_CONTEXT_P;
    if (fault && !(absent && iommu->config.caching_mode)) return fault;
    read.fault = fault;
    read.present = !fault;
    slot = vx_io_cache_fill(&iommu->context, source_id, key, 0);
    if (slot != VX_SETASSOC_NONE) iommu->contexts[slot] = read;
    *context = read;
    return fault;
}
