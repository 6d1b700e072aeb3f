/* Faults: the recording registers, the status register and the events that tell software.
 *
 * VT-d specification, 7.2 (primary fault logging) and 11.4.7 (registers). A fault of a source-id whose record is still
 * pending collapses into it. When the next record is still pending the fault is lost and PFO is set; while PFO is set,
 * nothing is recorded. */
#include "iommu_private.h"

void vx_io_event_raise(vx_iommu *iommu, vx_io_event *event)
{
    if (event->control & VX_VTD_EVENT_MASKED) {
        event->control |= VX_VTD_EVENT_PENDING;
        return;
    }
    if (iommu->hooks.event)
        iommu->hooks.event(iommu->hooks.context, (uint64_t)event->upper << 32 | event->address, event->data);
}

void vx_io_event_control(vx_iommu *iommu, vx_io_event *event, uint32_t value)
{
    event->control = (event->control & VX_VTD_EVENT_PENDING) | (value & VX_VTD_EVENT_MASKED);
    if (event->control != VX_VTD_EVENT_PENDING) return;
    event->control = 0;
    vx_io_event_raise(iommu, event);
}

/* Bits 15:8 are the record's index, not a condition. */
static bool any_condition(const vx_iommu *iommu) { return (iommu->fsts & 0xFF) != 0; }

void vx_io_status_set(vx_iommu *iommu, uint32_t bits)
{
    bool first = !any_condition(iommu);
    iommu->fsts |= bits;
    if (first) vx_io_event_raise(iommu, &iommu->fault_event);
}

void vx_io_status_clear(vx_iommu *iommu, uint32_t bits)
{
    /* PPF follows the records. */
    iommu->fsts &= ~(bits & (VX_VTD_FSTS_PFO | VX_VTD_FSTS_IQE | VX_VTD_FSTS_ICE | VX_VTD_FSTS_ITE));
    if (!any_condition(iommu)) iommu->fault_event.control &= ~VX_VTD_EVENT_PENDING;
    vx_io_queue_start(iommu);
}

void vx_io_record_clear(vx_iommu *iommu, unsigned record)
{
    iommu->records[record].high &= ~VX_VTD_FRCD_F;
    for (unsigned i = 0; i < iommu->config.fault_records; i++)
        if (iommu->records[i].high & VX_VTD_FRCD_F) return;
    iommu->fsts &= ~(VX_VTD_FSTS_PPF | 0xFF00U);
    if (!any_condition(iommu)) iommu->fault_event.control &= ~VX_VTD_EVENT_PENDING;
}

static bool collapses(const vx_iommu *iommu, uint16_t source_id)
{
    for (unsigned i = 0; i < iommu->config.fault_records; i++)
        if ((iommu->records[i].high & VX_VTD_FRCD_F) && (uint16_t)iommu->records[i].high == source_id) return true;
    return false;
}

static void record(vx_iommu *iommu, uint16_t source_id, uint64_t low, uint64_t high, vx_vtd_fault fault, bool silent)
{
    vx_iommu_counts *counts = &iommu->counts;
    counts->faults++;
    counts->by_fault[fault]++;
    if (silent) {
        counts->faults_silent++;
    } else if (iommu->fsts & VX_VTD_FSTS_PFO) {
        counts->faults_lost++;
    } else if (collapses(iommu, source_id)) {
        counts->faults_collapsed++;
    } else if (iommu->records[iommu->next_record].high & VX_VTD_FRCD_F) {
        counts->faults_lost++;
        vx_io_status_set(iommu, VX_VTD_FSTS_PFO);
    } else {
        counts->faults_recorded++;
        high |= VX_VTD_FRCD_F | (uint64_t)fault << VX_VTD_FRCD_REASON_SHIFT | source_id;
        iommu->records[iommu->next_record] = (vx_io_fault_record){low, high};
        uint32_t index = iommu->fsts & VX_VTD_FSTS_PPF ? 0 : iommu->next_record << 8;
        iommu->next_record = (iommu->next_record + 1) % iommu->config.fault_records;
        vx_io_status_set(iommu, VX_VTD_FSTS_PPF | index);
    }
}

void vx_io_fault_dma(vx_iommu *iommu, const vx_dma_request *request, vx_vtd_fault fault, bool silent)
{
    uint64_t high = request->write ? 0 : VX_VTD_FRCD_READ;
    if (request->pasid != VX_PASID_NONE)
        high |= VX_VTD_FRCD_PP | (uint64_t)request->pasid << VX_VTD_FRCD_PASID_SHIFT |
                (request->execute ? VX_VTD_FRCD_EXECUTE : 0) | (request->privileged ? VX_VTD_FRCD_PRIVILEGED : 0);
    record(iommu, request->source_id, request->address.v & ~(uint64_t)(VX_PAGE_BYTES - 1), high, fault, silent);
}

/* The interrupt's index stands in bits 63:48 (specification, 11.4.7.6). */
void vx_io_fault_interrupt(vx_iommu *iommu, const vx_interrupt_request *request, unsigned index, vx_vtd_fault fault,
                           bool silent)
{
    record(iommu, request->source_id, (uint64_t)index << 48, 0, fault, silent);
}
