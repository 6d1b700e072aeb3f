/* Device TLBs and page requests: a device that keeps translations itself and asks for pages that are not there.
 *
 * VT-d specification, chapter 4 (device TLBs) and 7.4 (page requests); PCI Express, Address Translation Services. A
 * device's entry is tagged by PASID and dropped by invalidation descriptors alone. NOT MODELLED: translations of
 * several pages in one answer, the flow control of invalidations, global mappings. */
#include "iommu_private.h"

#include <string.h>

struct vx_device_tlb {
    vx_iommu *iommu;
    vx_setassoc array;
    uint16_t source_id;
    uint8_t sizes; /* bit n: an entry of this size may be held */
    vx_device_tlb_counts counts;
};

/* Key: page number 63:24 (of addresses below 2^52), PASID + 1 in 23:3, size, valid. */
static uint64_t key_of(uint64_t address, uint32_t pasid, vx_page_size size)
{
    return (address >> vx_page_shift(size) & 0xFFFFFFFFFFULL) << 24 |
           (uint64_t)(pasid == VX_PASID_NONE ? 0 : pasid + 1) << 3 | (uint64_t)size << 1 | 1;
}

static uint32_t set_of(const vx_device_tlb *tlb, uint64_t address, vx_page_size size)
{
    return (uint32_t)(address >> vx_page_shift(size)) & (tlb->array.sets - 1);
}

vx_status vx_device_tlb_init(vx_device_tlb **tlb, vx_iommu *iommu, vx_arena *arena, uint16_t source_id,
                             uint32_t entries, uint32_t ways, vx_msg *msg)
{
    if (iommu->device_count == VX_IO_DEVICES)
        return vx_fail(msg, VX_ERR_INPUT, "more than %d device TLBs", VX_IO_DEVICES);
    vx_device_tlb *made = vx_arena_alloc(arena, sizeof *made);
    if (!made) return vx_fail_nomem(msg);
    made->iommu = iommu;
    made->source_id = source_id;
    vx_status status = vx_setassoc_init(&made->array, arena, entries, ways, VX_REPLACE_LRU, msg);
    if (status) return status;
    iommu->devices[iommu->device_count++] = made;
    *tlb = made;
    return VX_OK;
}

vx_device_tlb_counts vx_device_tlb_counted(const vx_device_tlb *tlb) { return tlb->counts; }

static bool find(vx_device_tlb *tlb, const vx_dma_request *request, uint64_t *value, vx_page_size *size)
{
    static const vx_page_size sizes[] = {VX_PAGE_4K, VX_PAGE_2M, VX_PAGE_1G};
    for (unsigned i = 0; i < 3; i++) {
        if (!(tlb->sizes >> sizes[i] & 1)) continue;
        uint64_t address = request->address.v;
        uint32_t slot =
            vx_setassoc_find(&tlb->array, set_of(tlb, address, sizes[i]), key_of(address, request->pasid, sizes[i]));
        if (slot == VX_SETASSOC_NONE) continue;
        uint64_t found = tlb->array.values[slot];
        if (!(found & (request->write ? VX_IO_W : VX_IO_R))) continue;
        vx_setassoc_touch(&tlb->array, slot);
        *value = found;
        *size = sizes[i];
        return true;
    }
    return false;
}

static vx_dma_outcome ask(vx_device_tlb *tlb, const vx_dma_request *request, uint64_t *value, vx_dma_translation *out)
{
    vx_dma_request asking = *request;
    asking.type = VX_DMA_TRANSLATION;
    vx_dma_outcome outcome = vx_iommu_translate(tlb->iommu, &asking, out);
    if (outcome != VX_DMA_DONE) return outcome;
    if (request->write && !out->write) return VX_DMA_NOT_MAPPED;
    uint64_t frame = out->hpa.v & ~(vx_page_bytes(out->page) - 1);
    /* Without a request to write nothing says that D is set: a later write asks again. */
    *value = frame | (out->read ? VX_IO_R : 0) | (request->write ? VX_IO_W : 0);
    tlb->sizes |= (uint8_t)(1U << out->page);
    vx_setassoc_insert(&tlb->array, set_of(tlb, request->address.v, out->page),
                       key_of(request->address.v, request->pasid, out->page), *value, NULL);
    return VX_DMA_DONE;
}

vx_dma_outcome vx_device_tlb_translate(vx_device_tlb *tlb, const vx_dma_request *request,
                                       vx_dma_translation *translation)
{
    uint64_t value = 0;
    vx_page_size size = VX_PAGE_4K;
    tlb->counts.lookups++;
    vx_dma_translation asked = {.page = VX_PAGE_4K};
    bool hit = find(tlb, request, &value, &size);
    if (hit) {
        tlb->counts.hits++;
    } else {
        tlb->counts.misses++;
        vx_dma_outcome outcome = ask(tlb, request, &value, &asked);
        if (outcome != VX_DMA_DONE) {
            *translation = asked;
            return outcome;
        }
        size = asked.page;
    }
    uint64_t offset = request->address.v & (vx_page_bytes(size) - 1);
    vx_dma_request translated = {.address = {(value & VX_ENTRY_ADDRESS) + offset},
                                 .pasid = request->pasid,
                                 .source_id = request->source_id,
                                 .type = VX_DMA_TRANSLATED,
                                 .write = request->write};
    vx_dma_outcome outcome = vx_iommu_translate(tlb->iommu, &translated, translation);
    translation->hit = hit;
    translation->page = size;
    translation->accesses += asked.accesses;
    translation->ticks += asked.ticks;
    return outcome;
}

/* ---- invalidation ---- */

typedef struct device_drop {
    uint32_t pasid;
    uint64_t first, last;
} device_drop;

static bool dead(void *context, uint64_t key, uint64_t value)
{
    (void)value;
    const device_drop *what = context;
    uint32_t pasid = (uint32_t)(key >> 3) & 0x1FFFFF;
    if (what->pasid != VX_PASID_NONE && pasid != what->pasid + 1) return false;
    unsigned shift = vx_page_shift((vx_page_size)(key >> 1 & 3));
    uint64_t from = key >> 24 << shift;
    return from <= what->last && from + ((1ULL << shift) - 1) >= what->first;
}

/* An invalidation without PASID names untranslated addresses of every PASID: an entry with one goes too. */
bool vx_io_drop_device(vx_iommu *iommu, uint16_t source_id, uint32_t pasid, bool all, uint64_t address,
                       unsigned address_mask)
{
    unsigned shift = VX_PAGE_SHIFT + address_mask;
    device_drop what = {.pasid = pasid, .first = 0, .last = UINT64_MAX};
    if (!all && shift < 52) {
        what.first = (address & ((1ULL << 52) - 1)) >> shift << shift;
        what.last = what.first + ((1ULL << shift) - 1);
    }
    for (unsigned i = 0; i < iommu->device_count; i++) {
        vx_device_tlb *tlb = iommu->devices[i];
        if (tlb->source_id != source_id) continue;
        tlb->counts.invalidated += vx_setassoc_drop_if(&tlb->array, dead, &what);
        return true;
    }
    return false;
}

/* ---- page requests ---- */

static vx_vtd_fault check_page_request(vx_iommu *iommu, const vx_dma_request *request, vx_io_work *work)
{
    if (!vx_io_scalable(iommu)) return VX_VTD_FAULT_S_LEGACY_PAGE_REQUEST;
    vx_io_context context = {0};
    vx_vtd_fault fault = vx_io_find_context(iommu, request->source_id, work, &context);
    if (fault) return fault;
    return context.pre ? VX_VTD_FAULT_NONE : VX_VTD_FAULT_S_PRE;
}

bool vx_iommu_page_request(vx_iommu *iommu, const vx_dma_request *request, uint16_t group, bool last)
{
    vx_io_work work = {0};
    iommu->counts.page_requests++;
    vx_vtd_fault fault = check_page_request(iommu, request, &work);
    if (fault) {
        iommu->counts.page_requests_lost++;
        vx_io_fault_dma(iommu, request, fault, work.fault_disabled);
        return false;
    }
    uint64_t bytes = (uint64_t)VX_PAGE_BYTES << (iommu->pqa & 7);
    uint32_t next = (uint32_t)((iommu->pqt + 32) & (bytes - 1));
    if ((iommu->prs & VX_VTD_PRS_PRO) || next == iommu->pqh) {
        iommu->counts.page_requests_lost++;
        iommu->prs |= VX_VTD_PRS_PRO;
        return false;
    }
    bool has_pasid = request->pasid != VX_PASID_NONE;
    uint64_t at = (iommu->pqa & VX_ENTRY_ADDRESS) + iommu->pqt;
    vx_io_write64(iommu, at,
                  1 | (uint64_t)has_pasid << 8 | (uint64_t)request->source_id << 16 |
                      (has_pasid ? (uint64_t)request->pasid << 32 : 0) | (uint64_t)request->execute << 52 |
                      (uint64_t)request->privileged << 53);
    vx_io_write64(iommu, at + 8,
                  (uint64_t)!request->write | (uint64_t)request->write << 1 | (uint64_t)last << 2 |
                      (uint64_t)(group & 0x1FF) << 3 | (request->address.v & ~(uint64_t)(VX_PAGE_BYTES - 1)));
    iommu->pqt = next;
    bool was_pending = (iommu->prs & VX_VTD_PRS_PPR) != 0;
    iommu->prs |= VX_VTD_PRS_PPR;
    if (!was_pending) vx_io_event_raise(iommu, &iommu->page_event);
    return true;
}
