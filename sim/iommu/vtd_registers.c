/* The register page: what software reads and what its writes start.
 *
 * VT-d specification, 11.4. Commands complete at once: software that polls a status bit finds it at its first look;
 * what an invalidation takes is counted (`register_ns`), and the queue's descriptors take time of their own. */
#include "iommu_private.h"

static uint32_t *event_word(vx_iommu *iommu, uint32_t offset)
{
    static const struct {
        uint32_t base;
        size_t event;
    } events[] = {{VX_VTD_FECTL, offsetof(vx_iommu, fault_event)},
                  {VX_VTD_IECTL, offsetof(vx_iommu, completion_event)},
                  {VX_VTD_PECTL, offsetof(vx_iommu, page_event)}};
    for (unsigned i = 0; i < 3; i++) {
        if (offset < events[i].base || offset >= events[i].base + 16) continue;
        vx_io_event *event = (vx_io_event *)(void *)((char *)iommu + events[i].event);
        uint32_t *const words[] = {&event->control, &event->data, &event->address, &event->upper};
        return words[(offset - events[i].base) / 4];
    }
    return NULL;
}

static vx_io_event *event_of_control(vx_iommu *iommu, uint32_t offset)
{
    switch (offset) {
    case VX_VTD_FECTL:
        return &iommu->fault_event;
    case VX_VTD_IECTL:
        return &iommu->completion_event;
    case VX_VTD_PECTL:
        return &iommu->page_event;
    default:
        return NULL;
    }
}

/* ---- reads ---- */

static uint64_t record_word(const vx_iommu *iommu, uint32_t offset)
{
    unsigned index = (offset - VX_VTD_FRCD) / 16;
    if (index >= iommu->config.fault_records) return 0;
    return offset & 8 ? iommu->records[index].high : iommu->records[index].low;
}

/* The naturally aligned 64 bits at `offset`, two 32-bit registers where there are two. */
static uint64_t register64(const vx_iommu *iommu, uint32_t offset)
{
    if (offset >= VX_VTD_FRCD) return record_word(iommu, offset);
    const vx_io_event *f = &iommu->fault_event, *c = &iommu->completion_event, *p = &iommu->page_event;
    switch (offset) {
    case VX_VTD_VER:
        return iommu->config.scalable ? 0x60 : 0x10; /* 6.0, 1.0 */
    case VX_VTD_CAP:
        return iommu->cap;
    case VX_VTD_ECAP:
        return iommu->ecap;
    case VX_VTD_GCMD:
        return (uint64_t)iommu->gsts << 32; /* GCMD itself reads as 0 */
    case VX_VTD_RTADDR:
        return iommu->rtaddr;
    case VX_VTD_CCMD:
        return iommu->ccmd;
    case 0x30:
        return (uint64_t)iommu->fsts << 32;
    case VX_VTD_FECTL:
        return f->control | (uint64_t)f->data << 32;
    case VX_VTD_FEADDR:
        return f->address | (uint64_t)f->upper << 32;
    case VX_VTD_IQH:
        return iommu->iqh;
    case VX_VTD_IQT:
        return iommu->iqt;
    case VX_VTD_IQA:
        return iommu->iqa;
    case 0x98:
        return (uint64_t)iommu->ics << 32;
    case VX_VTD_IECTL:
        return c->control | (uint64_t)c->data << 32;
    case VX_VTD_IEADDR:
        return c->address | (uint64_t)c->upper << 32;
    case VX_VTD_IQERCD:
        return iommu->iqerr;
    case VX_VTD_IRTA:
        return iommu->irta;
    case VX_VTD_PQH:
        return iommu->pqh;
    case VX_VTD_PQT:
        return iommu->pqt;
    case VX_VTD_PQA:
        return iommu->pqa;
    case 0xD8:
        return (uint64_t)iommu->prs << 32;
    case VX_VTD_PECTL:
        return p->control | (uint64_t)p->data << 32;
    case VX_VTD_PEADDR:
        return p->address | (uint64_t)p->upper << 32;
    case VX_VTD_IVA:
        return 0; /* write only */
    case VX_VTD_IOTLB:
        return iommu->iotlb_command;
    default:
        return 0;
    }
}

static bool access_fits(uint32_t offset, unsigned bytes)
{
    return (bytes == 4 || bytes == 8) && offset % bytes == 0 && offset <= VX_VTD_BYTES - bytes;
}

uint64_t vx_iommu_read(const vx_iommu *iommu, uint32_t offset, unsigned bytes)
{
    if (!access_fits(offset, bytes)) return 0;
    uint64_t both = register64(iommu, offset & ~7U);
    if (bytes == 8) return both;
    return (uint32_t)(both >> (offset & 4 ? 32 : 0));
}

/* ---- commands ---- */

/* One-shot bits latch a pointer; the others are the state asked for. */
static void command(vx_iommu *iommu, uint32_t value)
{
    const vx_cfg_iommu *config = &iommu->config;
    if (value & VX_VTD_SRTP) {
        iommu->root = iommu->rtaddr;
        iommu->gsts |= VX_VTD_SRTP;
    }
    if ((value & VX_VTD_SIRTP) && config->interrupt_remapping) {
        iommu->interrupt_table = iommu->irta;
        iommu->gsts |= VX_VTD_SIRTP;
    }
    uint32_t states =
        VX_VTD_TE | (config->queued ? VX_VTD_QIE : 0) | (config->interrupt_remapping ? VX_VTD_IRE | VX_VTD_CFI : 0);
    bool queue_was_on = (iommu->gsts & VX_VTD_QIE) != 0;
    iommu->gsts = (iommu->gsts & ~states) | (value & states);
    if (queue_was_on && !(iommu->gsts & VX_VTD_QIE)) iommu->iqh = 0;
    vx_io_queue_start(iommu);
}

static void context_command(vx_iommu *iommu)
{
    if (!(iommu->ccmd & VX_VTD_GO)) return;
    unsigned asked = (unsigned)(iommu->ccmd >> VX_VTD_CCMD_ASKED_SHIFT) & 3, done = 0;
    if (asked)
        done = vx_io_drop_contexts(iommu, asked, (uint16_t)iommu->ccmd, (uint16_t)(iommu->ccmd >> 16),
                                   (unsigned)(iommu->ccmd >> 32) & 3);
    iommu->ccmd &= ~(VX_VTD_GO | 3ULL << VX_VTD_CCMD_DONE_SHIFT);
    iommu->ccmd |= (uint64_t)done << VX_VTD_CCMD_DONE_SHIFT;
    iommu->counts.register_commands++;
    iommu->counts.invalidation_ticks += iommu->register_ticks;
}

/* An address mask that is too large is carried out as domain-selective (vx_io_drop_pages). */
static void iotlb_command(vx_iommu *iommu)
{
    if (!(iommu->iotlb_command & VX_VTD_GO)) return;
    unsigned asked = (unsigned)(iommu->iotlb_command >> VX_VTD_IOTLB_ASKED_SHIFT) & 3, done = 0;
    if (asked)
        done = vx_io_drop_pages(iommu, asked, (uint16_t)(iommu->iotlb_command >> 32), iommu->iva,
                                (unsigned)iommu->iva & 0x3F, (iommu->iva & VX_VTD_IVA_HINT) != 0);
    iommu->iotlb_command &= ~(VX_VTD_GO | 3ULL << VX_VTD_IOTLB_DONE_SHIFT);
    iommu->iotlb_command |= (uint64_t)done << VX_VTD_IOTLB_DONE_SHIFT;
    iommu->counts.register_commands++;
    iommu->counts.invalidation_ticks += iommu->register_ticks;
}

static void set_tail(vx_iommu *iommu, uint64_t value)
{
    uint64_t bytes = (uint64_t)VX_PAGE_BYTES << (iommu->iqa & 7);
    iommu->iqt = (uint32_t)(value & (bytes - 1) & ~(uint64_t)(vx_io_descriptor_bytes(iommu) - 1));
    vx_io_queue_start(iommu);
}

static uint64_t page_queue_offset(const vx_iommu *iommu, uint64_t value)
{
    return value & (((uint64_t)VX_PAGE_BYTES << (iommu->pqa & 7)) - 1) & ~31ULL;
}

/* ---- writes ---- */

static void put_half(uint64_t *word, bool upper, uint32_t value)
{
    *word = upper ? (*word & UINT32_MAX) | (uint64_t)value << 32 : (*word & ~(uint64_t)UINT32_MAX) | value;
}

/* Registers of 64 bits that merely hold what was written. */
static uint64_t *plain64(vx_iommu *iommu, uint32_t offset)
{
    switch (offset & ~7U) {
    case VX_VTD_RTADDR:
        return &iommu->rtaddr;
    case VX_VTD_CCMD:
        return &iommu->ccmd;
    case VX_VTD_IQA:
        return &iommu->iqa;
    case VX_VTD_IRTA:
        return &iommu->irta;
    case VX_VTD_PQA:
        return &iommu->pqa;
    case VX_VTD_IVA:
        return &iommu->iva;
    case VX_VTD_IOTLB:
        return &iommu->iotlb_command;
    default:
        return NULL;
    }
}

static void write32(vx_iommu *iommu, uint32_t offset, uint32_t value)
{
    bool upper = (offset & 4) != 0;
    uint64_t *word = plain64(iommu, offset);
    if (offset >= VX_VTD_FRCD) {
        unsigned index = (offset - VX_VTD_FRCD) / 16;
        if (index < iommu->config.fault_records && (offset & 15) == 12 && (value & (1U << 31)))
            vx_io_record_clear(iommu, index);
    } else if (word) {
        put_half(word, upper, value);
        if (offset == VX_VTD_CCMD + 4) context_command(iommu);
        if (offset == VX_VTD_IOTLB + 4) iotlb_command(iommu);
        if ((offset & ~7U) == VX_VTD_IQA) iommu->iqh = iommu->iqt = 0;
        if ((offset & ~7U) == VX_VTD_PQA) iommu->pqh = iommu->pqt = 0;
    } else if (event_of_control(iommu, offset)) {
        vx_io_event_control(iommu, event_of_control(iommu, offset), value);
    } else if (event_word(iommu, offset)) {
        *event_word(iommu, offset) = value;
    } else if (offset == VX_VTD_GCMD) {
        command(iommu, value);
    } else if (offset == VX_VTD_FSTS) {
        vx_io_status_clear(iommu, value);
    } else if (offset == VX_VTD_ICS) {
        iommu->ics &= ~(value & VX_VTD_ICS_IWC);
    } else if (offset == VX_VTD_PRS) {
        iommu->prs &= ~(value & (VX_VTD_PRS_PPR | VX_VTD_PRS_PRO));
    } else if (offset == VX_VTD_IQT) {
        set_tail(iommu, value);
    } else if (offset == VX_VTD_PQH) {
        iommu->pqh = (uint32_t)page_queue_offset(iommu, value);
    } else if (offset == VX_VTD_PQT) {
        iommu->pqt = (uint32_t)page_queue_offset(iommu, value);
    }
}

void vx_iommu_write(vx_iommu *iommu, uint32_t offset, unsigned bytes, uint64_t value)
{
    if (!access_fits(offset, bytes)) return;
    write32(iommu, offset, (uint32_t)value);
    if (bytes == 8) write32(iommu, offset + 4, (uint32_t)(value >> 32));
}
