/* The invalidation queue: descriptors in memory, executed in order.
 *
 * VT-d specification, 6.5.2 (queued invalidation interface), 11.4.9 (registers). A descriptor takes effect when it is
 * complete, `descriptor_ns` after it was begun; the head moves then. An invalid descriptor stops the queue (IQE)
 * until software clears it, as does a device that never answers (ITE). NOT MODELLED: execution out of order, so that a
 * fence (FN) changes nothing. */
#include "iommu_private.h"

/* Why a descriptor is refused, as IQERCD tells it (11.4.9.9). */
typedef enum queue_error {
    QUEUE_OK = 0,
    QUEUE_FETCH = 1,      /* the queue cannot be read */
    QUEUE_TYPE = 2,       /* no such descriptor */
    QUEUE_RESERVED = 3,   /* reserved bits or field values */
    QUEUE_TIME_OUT = 0xFF /* not of IQERCD: ITE */
} queue_error;

static uint64_t queue_bytes(const vx_iommu *iommu) { return (uint64_t)VX_PAGE_BYTES << (iommu->iqa & 7); }

static uint16_t domain_of(uint64_t low) { return (uint16_t)(low >> 16); }
static uint32_t pasid_of(uint64_t low) { return (uint32_t)(low >> 32) & 0xFFFFF; }

static queue_error context_descriptor(vx_iommu *iommu, uint64_t low)
{
    unsigned asked = (unsigned)(low >> 4) & 3;
    if (asked == 0 || (low & 0xFFFC00000000FFC0ULL)) return QUEUE_RESERVED;
    vx_io_drop_contexts(iommu, asked, domain_of(low), (uint16_t)(low >> 32), (unsigned)(low >> 48) & 3);
    return QUEUE_OK;
}

static queue_error iotlb_descriptor(vx_iommu *iommu, uint64_t low, uint64_t high)
{
    unsigned asked = (unsigned)(low >> 4) & 3, mask = (unsigned)high & 0x3F;
    if (asked == 0 || (low & 0xFFFFFFFF0000FF00ULL) || (high & 0xF80)) return QUEUE_RESERVED;
    if (asked == VX_IO_ASK_FINE && mask > iommu->config.max_mask) return QUEUE_RESERVED;
    vx_io_drop_pages(iommu, asked, domain_of(low), high, mask, (high & VX_VTD_IVA_HINT) != 0);
    return QUEUE_OK;
}

/* S: the lowest 0 of the address bits from 12 on says how many pages (PCIe ATS). Every address: all of 63:12 set. */
static unsigned device_mask(uint64_t high, bool sized)
{
    if (!sized) return 0;
    uint64_t ones = ~(high >> VX_PAGE_SHIFT);
    return ones ? (unsigned)__builtin_ctzll(ones) + 1 : 52;
}

static queue_error device_descriptor(vx_iommu *iommu, uint64_t low, uint64_t high)
{
    if (!iommu->config.device_tlb || (high & 0xFFE)) return QUEUE_RESERVED;
    bool answered =
        vx_io_drop_device(iommu, (uint16_t)(low >> 32), VX_PASID_NONE, false, high, device_mask(high, (high & 1) != 0));
    return answered ? QUEUE_OK : QUEUE_TIME_OUT;
}

static queue_error pasid_device_descriptor(vx_iommu *iommu, uint64_t low, uint64_t high)
{
    if (!iommu->config.device_tlb || !iommu->config.scalable || (high & 0x7FE)) return QUEUE_RESERVED;
    bool answered = vx_io_drop_device(iommu, (uint16_t)(low >> 16), pasid_of(low), false, high,
                                      device_mask(high, (high & 0x800) != 0));
    return answered ? QUEUE_OK : QUEUE_TIME_OUT;
}

static queue_error interrupt_descriptor(vx_iommu *iommu, uint64_t low)
{
    if (!iommu->config.interrupt_remapping || (low & 0xFFFF000007FFFFE0ULL)) return QUEUE_RESERVED;
    vx_io_drop_interrupts(iommu, !(low & 0x10), (unsigned)(low >> 32) & 0xFFFF, (unsigned)(low >> 27) & 0x1F);
    return QUEUE_OK;
}

static queue_error wait_descriptor(vx_iommu *iommu, uint64_t low, uint64_t high)
{
    if ((low & 0xFFFFFF80ULL) || (high & 3)) return QUEUE_RESERVED;
    if (low & VX_VTD_WAIT_SW) vx_physmem_write32(iommu->memory, (vx_hpa){high}, (uint32_t)(low >> 32));
    if ((low & VX_VTD_WAIT_IF) && !(iommu->ics & VX_VTD_ICS_IWC)) {
        iommu->ics |= VX_VTD_ICS_IWC;
        vx_io_event_raise(iommu, &iommu->completion_event);
    }
    return QUEUE_OK;
}

static queue_error pasid_iotlb_descriptor(vx_iommu *iommu, uint64_t low, uint64_t high)
{
    unsigned asked = (unsigned)(low >> 4) & 3, mask = (unsigned)high & 0x3F;
    if (!iommu->config.scalable || asked < 2 || (low & 0xFFF000000000FFC0ULL) || (high & 0xF80)) return QUEUE_RESERVED;
    if (asked == 3 && mask > iommu->config.max_mask) return QUEUE_RESERVED;
    vx_io_drop_pasid_pages(iommu, asked == 2, domain_of(low), pasid_of(low), high, mask, (high & VX_VTD_IVA_HINT) != 0);
    return QUEUE_OK;
}

static queue_error pasid_cache_descriptor(vx_iommu *iommu, uint64_t low)
{
    unsigned granularity = (unsigned)(low >> 4) & 3;
    if (!iommu->config.scalable || granularity == 2 || (low & 0xFFF000000000FFC0ULL)) return QUEUE_RESERVED;
    vx_io_drop_pasids(iommu, granularity == 3, domain_of(low), granularity == 1 ? pasid_of(low) : VX_PASID_NONE);
    return QUEUE_OK;
}

static queue_error response_descriptor(vx_iommu *iommu, uint64_t low, uint64_t high)
{
    if (!iommu->config.page_requests) return QUEUE_RESERVED;
    iommu->counts.page_responses++;
    uint32_t pasid = low & 0x10 ? pasid_of(low) : VX_PASID_NONE;
    if (iommu->hooks.page_response)
        iommu->hooks.page_response(iommu->hooks.context, domain_of(low), pasid, (uint16_t)(high >> 3 & 0x1FF),
                                   (unsigned)(low >> 12) & 0xF);
    return QUEUE_OK;
}

static queue_error execute(vx_iommu *iommu, uint64_t low, uint64_t high)
{
    switch (low & 0xF) {
    case VX_VTD_DESC_CONTEXT:
        return context_descriptor(iommu, low);
    case VX_VTD_DESC_IOTLB:
        return iotlb_descriptor(iommu, low, high);
    case VX_VTD_DESC_DEVICE:
        return device_descriptor(iommu, low, high);
    case VX_VTD_DESC_INTERRUPT:
        return interrupt_descriptor(iommu, low);
    case VX_VTD_DESC_WAIT:
        return wait_descriptor(iommu, low, high);
    case VX_VTD_DESC_PASID_IOTLB:
        return pasid_iotlb_descriptor(iommu, low, high);
    case VX_VTD_DESC_PASID_CACHE:
        return pasid_cache_descriptor(iommu, low);
    case VX_VTD_DESC_PASID_DEVICE:
        return pasid_device_descriptor(iommu, low, high);
    case VX_VTD_DESC_PAGE_RESPONSE:
        return response_descriptor(iommu, low, high);
    default:
        return QUEUE_TYPE;
    }
}

/* 256-bit descriptors: the upper half is reserved in every type. */
static queue_error fetch(vx_iommu *iommu, uint64_t word[2])
{
    vx_io_work work = {0};
    uint64_t at = (iommu->iqa & VX_ENTRY_ADDRESS) + iommu->iqh;
    if (!vx_io_read64(iommu, &work, VX_IO_READ_QUEUE, at, &word[0])) return QUEUE_FETCH;
    word[1] = vx_physmem_read64(iommu->memory, (vx_hpa){at + 8});
    if (vx_io_descriptor_bytes(iommu) == 16) return QUEUE_OK;
    bool rest =
        vx_physmem_read64(iommu->memory, (vx_hpa){at + 16}) || vx_physmem_read64(iommu->memory, (vx_hpa){at + 24});
    return rest ? QUEUE_RESERVED : QUEUE_OK;
}

static void complete_one(vx_iommu *iommu)
{
    uint64_t word[2] = {0};
    queue_error error = fetch(iommu, word);
    if (error == QUEUE_OK) error = execute(iommu, word[0], word[1]);
    if (error == QUEUE_OK || error == QUEUE_TIME_OUT) {
        iommu->counts.descriptors[word[0] & 0xF]++;
        iommu->counts.invalidation_ticks += iommu->descriptor_ticks;
        iommu->iqh = (uint32_t)((iommu->iqh + vx_io_descriptor_bytes(iommu)) & (queue_bytes(iommu) - 1));
    }
    if (error == QUEUE_OK) return;
    iommu->counts.descriptor_errors++;
    if (error != QUEUE_TIME_OUT) iommu->iqerr = (uint64_t)error;
    vx_io_status_set(iommu, error == QUEUE_TIME_OUT ? VX_VTD_FSTS_ITE : VX_VTD_FSTS_IQE);
}

static bool has_work(const vx_iommu *iommu)
{
    return (iommu->gsts & VX_VTD_QIE) && iommu->iqh != iommu->iqt &&
           !(iommu->fsts & (VX_VTD_FSTS_IQE | VX_VTD_FSTS_ITE));
}

vx_tick vx_iommu_queue_step(void *self, vx_tick now, vx_tick horizon)
{
    vx_iommu *iommu = self;
    while (has_work(iommu)) {
        if (!iommu->descriptor_running) {
            iommu->descriptor_running = true;
            iommu->descriptor_due = now + iommu->descriptor_ticks;
        }
        if (iommu->descriptor_due > horizon) return iommu->descriptor_due;
        if (iommu->descriptor_due > now) now = iommu->descriptor_due;
        iommu->descriptor_running = false;
        complete_one(iommu);
    }
    iommu->descriptor_running = false;
    return VX_TICK_NEVER;
}

void vx_io_queue_start(vx_iommu *iommu)
{
    if (!has_work(iommu)) return;
    if (iommu->hooks.queue_kick)
        iommu->hooks.queue_kick(iommu->hooks.context);
    else
        vx_iommu_queue_step(iommu, 0, VX_TICK_NEVER - 1);
}
