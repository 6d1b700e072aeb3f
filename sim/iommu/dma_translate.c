/* One DMA request: from source-id and address to a host-physical address or a fault.
 *
 * VT-d specification, 3.2 to 3.9 and 3.14 (interrupt range), 4.2 (translation requests), 7.1 (which faults a
 * translation request reports to the device instead). An entry of the IOTLB without the rights asked for, or clean for
 * a write, is a miss, and the walk's result replaces it: software may raise rights without an invalidation. */
#include "iommu_private.h"

/* ---- whose tables ---- */

static vx_vtd_fault setup_legacy(vx_iommu *iommu, const vx_dma_request *request, const vx_io_context *context,
                                 vx_io_setup *setup)
{
    if (request->type != VX_DMA_UNTRANSLATED && context->type != VX_VTD_TYPE_ALL) return VX_VTD_FAULT_TYPE_BLOCKED;
    bool through = context->type == VX_VTD_TYPE_PASS_THROUGH;
    setup->entry = (vx_io_pasid){.type = through ? VX_VTD_PGTT_PASS_THROUGH : VX_VTD_PGTT_SECOND,
                                 .second_root = context->root,
                                 .second_levels = context->levels,
                                 .domain = context->domain,
                                 .present = true};
    setup->space = setup->second_space = vx_io_space_id(iommu, context->domain, VX_PASID_NONE);
    return VX_VTD_FAULT_NONE;
}

static vx_vtd_fault setup_scalable(vx_iommu *iommu, const vx_dma_request *request, const vx_io_context *context,
                                   vx_io_work *work, vx_io_setup *setup)
{
    bool own = request->pasid != VX_PASID_NONE;
    uint32_t pasid = own ? request->pasid : context->rid_pasid;
    if (request->type != VX_DMA_UNTRANSLATED && !context->dte) return VX_VTD_FAULT_S_DTE;
    if (own && !context->paside) return VX_VTD_FAULT_S_PASIDE;
    if (pasid >> 6 >> context->directory_bits) return own ? VX_VTD_FAULT_S_PASID_LARGE : VX_VTD_FAULT_S_RID_PASID;
    vx_vtd_fault fault = vx_io_find_pasid(iommu, request->source_id, pasid, context, work, &setup->entry);
    if (fault) return fault;
    setup->scalable = true;
    setup->pasid_valid = own;
    setup->pasid = pasid;
    if (own && request->execute && !setup->entry.ere) return VX_VTD_FAULT_S_ERE;
    bool privileged = own ? request->privileged : context->rid_privileged;
    bool first = setup->entry.type == VX_VTD_PGTT_FIRST || setup->entry.type == VX_VTD_PGTT_NESTED;
    if (privileged && first && !setup->entry.sre) return VX_VTD_FAULT_S_SRE;
    setup->second_space = vx_io_space_id(iommu, setup->entry.domain, VX_PASID_NONE);
    setup->space = first ? vx_io_space_id(iommu, setup->entry.domain, pasid) : setup->second_space;
    return VX_VTD_FAULT_NONE;
}

static vx_vtd_fault find_setup(vx_iommu *iommu, const vx_dma_request *request, vx_io_work *work, vx_io_setup *setup)
{
    unsigned mode = (unsigned)(iommu->root >> VX_VTD_TTM_SHIFT) & 3;
    if (mode > VX_VTD_TTM_SCALABLE || (mode == VX_VTD_TTM_SCALABLE && !iommu->config.scalable))
        return VX_VTD_FAULT_S_ROOT_POINTER;
    if (mode == VX_VTD_TTM_LEGACY && request->pasid != VX_PASID_NONE) return VX_VTD_FAULT_S_LEGACY_PASID;
    vx_io_context context = {0};
    vx_vtd_fault fault = vx_io_find_context(iommu, request->source_id, work, &context);
    if (fault) return fault;
    *setup = (vx_io_setup){0};
    return mode == VX_VTD_TTM_LEGACY ? setup_legacy(iommu, request, &context, setup)
                                     : setup_scalable(iommu, request, &context, work, setup);
}

/* ---- the IOTLB ---- */

static bool enough(const vx_dma_request *request, uint64_t value, bool user)
{
    if (request->type == VX_DMA_TRANSLATION && request->write && !(value & VX_IO_W) && (value & VX_IO_R)) return true;
    if (request->write && (value & (VX_IO_W | VX_IO_DIRTY)) != (VX_IO_W | VX_IO_DIRTY)) return false;
    if (!request->write && !(value & VX_IO_R)) return false;
    return !(request->execute && !(value & VX_IO_X)) && !(user && !(value & VX_IO_U));
}

/* True where an entry answers; counts one lookup. */
static bool find_iotlb(vx_iommu *iommu, const vx_dma_request *request, const vx_io_setup *setup, uint64_t address,
                       bool user, uint64_t *value, vx_page_size *size)
{
    static const vx_page_size sizes[] = {VX_PAGE_4K, VX_PAGE_2M, VX_PAGE_1G};
    vx_io_cache *cache = &iommu->iotlb;
    cache->counts->lookups++;
    for (unsigned i = 0; i < 3 && cache->exists; i++) {
        if (!(iommu->iotlb_sizes >> sizes[i] & 1)) continue;
        uint64_t spread = (address >> vx_page_shift(sizes[i])) ^ setup->space;
        uint32_t slot = vx_setassoc_find(&cache->array, (uint32_t)spread & (cache->array.sets - 1),
                                         vx_iotlb_tag(address, sizes[i], setup->space));
        if (slot == VX_SETASSOC_NONE) continue;
        uint64_t found = cache->array.values[slot];
        if (!(found & VX_IO_ABSENT) && !enough(request, found, user)) continue;
        vx_setassoc_touch(&cache->array, slot);
        cache->counts->hits++;
        *value = found;
        *size = sizes[i];
        return true;
    }
    cache->counts->misses++;
    return false;
}

static void fill_iotlb(vx_iommu *iommu, const vx_io_setup *setup, uint64_t address, vx_page_size size, uint64_t value)
{
    iommu->iotlb_sizes |= (uint8_t)(1U << size);
    uint64_t spread = (address >> vx_page_shift(size)) ^ setup->space;
    vx_io_cache_fill(&iommu->iotlb, spread, vx_iotlb_tag(address, size, setup->space), value);
}

/* ---- translation ---- */

/* Reported to a device that asked for a translation as "no access", and to nobody else (7.1.3). */
static bool recoverable(vx_vtd_fault fault)
{
    switch ((int)fault) {
    case VX_VTD_FAULT_READ:
    case VX_VTD_FAULT_WRITE:
    case VX_VTD_FAULT_S_TABLE_P:
    case VX_VTD_FAULT_S_READ:
    case VX_VTD_FAULT_S_WRITE:
    case VX_VTD_FAULT_F_P:
    case VX_VTD_FAULT_F_USER:
    case VX_VTD_FAULT_F_EXECUTE:
        return true;
    default:
        return false;
    }
}

static vx_vtd_fault check_output(const vx_io_setup *setup, uint64_t hpa)
{
    if (!vx_io_interrupt_range(hpa)) return VX_VTD_FAULT_NONE;
    return setup->scalable ? VX_VTD_FAULT_S_INTERRUPT_ADDRESS : VX_VTD_FAULT_INTERRUPT_ADDRESS;
}

static vx_vtd_fault walk_tables(vx_iommu *iommu, const vx_dma_request *request, const vx_io_setup *setup, bool user,
                                vx_io_work *work, vx_io_leaf *leaf)
{
    vx_io_need need = {.write = request->write, .execute = request->execute, .user = user};
    bool second = setup->entry.type == VX_VTD_PGTT_SECOND;
    iommu->counts.walks++;
    uint64_t address = request->address.v;
    vx_vtd_fault fault = second ? vx_io_walk_second(iommu, setup, address, need, work, leaf)
                                : vx_io_walk_first(iommu, setup, address, need, work, leaf);
    bool read_only = fault == VX_VTD_FAULT_WRITE || fault == VX_VTD_FAULT_S_WRITE;
    if (request->type == VX_DMA_TRANSLATION && read_only) { /* a page that may be read is an answer too */
        need.write = false;
        vx_io_leaf readable;
        vx_vtd_fault reading = second ? vx_io_walk_second(iommu, setup, address, need, work, &readable)
                                      : vx_io_walk_first(iommu, setup, address, need, work, &readable);
        if (reading) return fault;
        *leaf = readable;
        leaf->rights &= ~VX_IO_W;
        return VX_VTD_FAULT_NONE;
    }
    return fault;
}

/* Legacy mode has no reason for "not present": the request lacks its right. */
static vx_vtd_fault absent_reason(const vx_dma_request *request, const vx_io_setup *setup, uint64_t value)
{
    if (setup->scalable) return (vx_vtd_fault)(value >> VX_IO_REASON_SHIFT);
    return request->write ? VX_VTD_FAULT_WRITE : VX_VTD_FAULT_READ;
}

static vx_vtd_fault through_tables(vx_iommu *iommu, const vx_dma_request *request, const vx_io_setup *setup,
                                   vx_io_work *work, vx_dma_translation *out)
{
    bool first = setup->entry.type != VX_VTD_PGTT_SECOND;
    bool user = first && !request->privileged;
    uint64_t address = first ? request->address.v & ((1ULL << 57) - 1) : request->address.v, value;
    if (first && !vx_canonical(request->address.v, setup->entry.first_levels == 5 ? 57 : 48))
        return VX_VTD_FAULT_F_CANONICAL;
    if (!first && address >> 57) return setup->scalable ? VX_VTD_FAULT_S_BEYOND : VX_VTD_FAULT_BEYOND_MGAW;
    if (find_iotlb(iommu, request, setup, address, user, &value, &out->page)) {
        out->hit = true;
        if (value & VX_IO_ABSENT) return absent_reason(request, setup, value);
    } else {
        vx_io_leaf leaf = {0};
        vx_vtd_fault fault = walk_tables(iommu, request, setup, user, work, &leaf);
        if (work->absent && iommu->config.caching_mode)
            fill_iotlb(iommu, setup, address, VX_PAGE_4K, (uint64_t)fault << VX_IO_REASON_SHIFT | VX_IO_ABSENT);
        if (!fault) fault = check_output(setup, leaf.hpa);
        if (fault) return fault;
        value = (leaf.hpa & VX_ENTRY_ADDRESS & ~(vx_page_bytes(leaf.size) - 1)) | leaf.rights;
        fill_iotlb(iommu, setup, address, leaf.size, value);
        out->page = leaf.size;
    }
    out->hpa.v = (value & VX_ENTRY_ADDRESS) | (address & (vx_page_bytes(out->page) - 1));
    out->read = (value & VX_IO_R) != 0;
    out->write = (value & VX_IO_W) != 0;
    return VX_VTD_FAULT_NONE;
}

/* Addresses that pass as they are: no translation, translated requests, pass-through. */
static vx_vtd_fault pass(const vx_iommu *iommu, const vx_dma_request *request, bool scalable, vx_dma_translation *out)
{
    if (vx_io_beyond_host(iommu, request->address.v))
        return scalable ? VX_VTD_FAULT_S_BEYOND : VX_VTD_FAULT_BEYOND_MGAW;
    out->hpa.v = request->address.v;
    out->read = out->write = true;
    return VX_VTD_FAULT_NONE;
}

static vx_vtd_fault translate(vx_iommu *iommu, const vx_dma_request *request, vx_io_work *work, vx_dma_translation *out)
{
    vx_io_setup setup = {0};
    vx_vtd_fault fault = find_setup(iommu, request, work, &setup);
    if (fault) return fault;
    if (request->type == VX_DMA_TRANSLATED || setup.entry.type == VX_VTD_PGTT_PASS_THROUGH)
        return pass(iommu, request, setup.scalable, out);
    return through_tables(iommu, request, &setup, work, out);
}

static vx_dma_outcome finish(vx_iommu *iommu, const vx_dma_request *request, const vx_io_work *work,
                             vx_dma_translation *out)
{
    out->accesses = work->accesses;
    out->ticks = iommu->hit_ticks + work->accesses * iommu->read_ticks;
    if (!out->fault) {
        iommu->counts.done++;
        return VX_DMA_DONE;
    }
    if (request->type == VX_DMA_TRANSLATION && recoverable(out->fault)) {
        iommu->counts.not_mapped++;
        return VX_DMA_NOT_MAPPED;
    }
    iommu->counts.blocked++;
    vx_io_fault_dma(iommu, request, out->fault, work->fault_disabled);
    return VX_DMA_BLOCKED;
}

vx_dma_outcome vx_iommu_translate(vx_iommu *iommu, const vx_dma_request *request, vx_dma_translation *translation)
{
    *translation = (vx_dma_translation){.page = VX_PAGE_4K};
    iommu->counts.requests++;
    bool plain = request->type == VX_DMA_UNTRANSLATED && request->pasid == VX_PASID_NONE;
    if (plain && vx_io_interrupt_range(request->address.v)) {
        if (request->write)
            iommu->counts.interrupt_writes++;
        else
            iommu->counts.unsupported++;
        return request->write ? VX_DMA_INTERRUPT : VX_DMA_UNSUPPORTED;
    }
    vx_io_work work = {0};
    if (iommu->gsts & VX_VTD_TE) {
        translation->fault = translate(iommu, request, &work, translation);
        return finish(iommu, request, &work, translation);
    }
    iommu->counts.done++;
    iommu->counts.untouched++;
    translation->hpa.v = request->address.v;
    translation->read = translation->write = true;
    return VX_DMA_DONE;
}
