/* Interrupt remapping and posting: what becomes of a device's message-signalled interrupt.
 *
 * VT-d specification, 5.1 (remapping), 5.2 (posting), 9.9 to 9.11 (entries and the posted-interrupt descriptor). With
 * the interrupt entry cache. The write of a posted interrupt is atomic here as everything is. NOT MODELLED: I/O APIC
 * redirection entries, which arrive as the same messages. */
#include "iommu_private.h"

enum { PID_CONTROL = 32, PID_ON = 1, PID_SN = 2 };

static vx_interrupt_outcome blocked(vx_iommu *iommu, const vx_interrupt_request *request, unsigned index, bool silent,
                                    vx_interrupt *out, vx_vtd_fault fault)
{
    out->fault = fault;
    iommu->counts.interrupts_blocked++;
    vx_io_fault_interrupt(iommu, request, index, fault, silent);
    return VX_INTERRUPT_BLOCKED;
}

/* The message as it is: compatibility format (SDM Vol. 3A, 10.11). */
static vx_interrupt_outcome pass(vx_iommu *iommu, const vx_interrupt_request *request, vx_interrupt *out)
{
    out->destination = (uint32_t)(request->address >> 12) & 0xFF;
    out->logical = (request->address >> 2 & 1) != 0;
    out->redirect = (request->address >> 3 & 1) != 0;
    out->vector = (uint8_t)request->data;
    out->mode = (uint8_t)(request->data >> 8 & 7);
    out->level = (request->data >> 15 & 1) != 0;
    iommu->counts.interrupts_delivered++;
    return VX_INTERRUPT_DELIVERED;
}

/* ---- the entry ---- */

static bool entry_reserved(const vx_iommu *iommu, const vx_io_irte *irte)
{
    bool posted = (irte->low & VX_VTD_IRTE_POSTED) != 0;
    unsigned validation = (unsigned)(irte->high >> VX_VTD_IRTE_SVT_SHIFT) & 3;
    if (validation == 3 || (posted && !iommu->config.posted_interrupts)) return true;
    if (posted) return (irte->low & 0x0000003FFF0030FCULL) != 0 || (irte->high & 0xFFF00000ULL) != 0;
    bool x2apic = (iommu->interrupt_table & VX_VTD_IRTA_EIME) != 0;
    uint64_t low = 0x00000000FF007000ULL | (x2apic ? 0 : 0xFFFF00FFULL << 32);
    return (irte->low & low) != 0 || (irte->high & 0xFFFFFFFFFFF00000ULL) != 0;
}

/* SVT and SQ: which source-ids may use the entry (9.9). */
static bool source_allowed(const vx_io_irte *irte, uint16_t source_id)
{
    static const uint16_t ignored[4] = {0, 4, 6, 7}; /* SQ: compare all, ignore bit 2, 2:1, 2:0 */
    uint16_t sid = (uint16_t)irte->high;
    switch (irte->high >> VX_VTD_IRTE_SVT_SHIFT & 3) {
    case 1:
        return ((sid ^ source_id) & ~ignored[irte->high >> VX_VTD_IRTE_SQ_SHIFT & 3]) == 0;
    case 2:
        return (source_id >> 8) >= (sid >> 8) && (source_id >> 8) <= (sid & 0xFF); /* first to last bus */
    default:
        return true;
    }
}

static vx_vtd_fault find_entry(vx_iommu *iommu, unsigned index, vx_io_work *work, vx_io_irte *irte)
{
    uint64_t key = (uint64_t)index << 1 | 1;
    uint32_t slot = vx_io_cache_find(&iommu->interrupts, index, key, iommu->interrupts.exists);
    if (slot != VX_SETASSOC_NONE) {
        *irte = iommu->irtes[slot];
        return VX_VTD_FAULT_NONE;
    }
    uint64_t at = (iommu->interrupt_table & VX_ENTRY_ADDRESS) + (uint64_t)index * 16;
    if (!vx_io_read64(iommu, work, VX_IO_READ_INTERRUPT, at, &irte->low)) return VX_VTD_FAULT_IR_ACCESS;
    irte->high = vx_physmem_read64(iommu->memory, (vx_hpa){at + 8}); /* one entry: one read */
    work->fault_disabled = (irte->low & VX_VTD_IRTE_FPD) != 0;
    if (!(irte->low & VX_VTD_IRTE_P)) return VX_VTD_FAULT_IR_P;
    if (entry_reserved(iommu, irte)) return VX_VTD_FAULT_IR_RESERVED;
    slot = vx_io_cache_fill(&iommu->interrupts, index, key, 0);
    if (slot != VX_SETASSOC_NONE) iommu->irtes[slot] = *irte;
    return VX_VTD_FAULT_NONE;
}

/* ---- the two kinds ---- */

static vx_interrupt_outcome remapped(vx_iommu *iommu, const vx_io_irte *irte, vx_interrupt *out)
{
    bool x2apic = (iommu->interrupt_table & VX_VTD_IRTA_EIME) != 0;
    uint32_t destination = (uint32_t)(irte->low >> VX_VTD_IRTE_DESTINATION_SHIFT);
    out->destination = x2apic ? destination : destination >> 8 & 0xFF;
    out->vector = (uint8_t)(irte->low >> VX_VTD_IRTE_VECTOR_SHIFT);
    out->mode = (uint8_t)(irte->low >> VX_VTD_IRTE_MODE_SHIFT & 7);
    out->logical = (irte->low & VX_VTD_IRTE_LOGICAL) != 0;
    out->redirect = (irte->low & VX_VTD_IRTE_RH) != 0;
    out->level = (irte->low & VX_VTD_IRTE_LEVEL) != 0;
    iommu->counts.interrupts_delivered++;
    return VX_INTERRUPT_DELIVERED;
}

/* Sets the vector's bit of PIR; notifies unless a notification is outstanding (ON), or suppressed (SN) and not urgent.
 */
static vx_vtd_fault post(vx_iommu *iommu, const vx_io_irte *irte, vx_io_work *work, bool *notify, vx_interrupt *out)
{
    uint64_t descriptor = (irte->low >> 32 & 0xFFFFFFC0ULL) | (irte->high >> 32 << 32), requests, control;
    uint8_t vector = (uint8_t)(irte->low >> VX_VTD_IRTE_VECTOR_SHIFT);
    uint64_t word = descriptor + (uint64_t)(vector / 64) * 8;
    if (vx_io_beyond_host(iommu, descriptor) ||
        !vx_io_read64(iommu, work, VX_IO_READ_POSTED, descriptor + PID_CONTROL, &control))
        return VX_VTD_FAULT_PI_ACCESS;
    if ((control & 0x00000000FF00FFFCULL) != 0) return VX_VTD_FAULT_PI_RESERVED;
    requests = vx_physmem_read64(iommu->memory, (vx_hpa){word}); /* one line: one access */
    vx_io_write64(iommu, word, requests | 1ULL << (vector % 64));
    bool urgent = (irte->low & VX_VTD_IRTE_URGENT) != 0;
    *notify = !(control & PID_ON) && (urgent || !(control & PID_SN));
    if (*notify) vx_io_write64(iommu, descriptor + PID_CONTROL, control | PID_ON);
    out->vector = (uint8_t)(control >> 16);
    bool x2apic = (iommu->interrupt_table & VX_VTD_IRTA_EIME) != 0;
    out->destination = x2apic ? (uint32_t)(control >> 32) : (uint32_t)(control >> 40) & 0xFF;
    return VX_VTD_FAULT_NONE;
}

static vx_interrupt_outcome posted(vx_iommu *iommu, const vx_interrupt_request *request, unsigned index,
                                   const vx_io_irte *irte, vx_io_work *work, vx_interrupt *out)
{
    bool notify = false;
    vx_vtd_fault fault = post(iommu, irte, work, &notify, out);
    if (fault) return blocked(iommu, request, index, (irte->low & VX_VTD_IRTE_FPD) != 0, out, fault);
    if (notify)
        iommu->counts.interrupts_notified++;
    else
        iommu->counts.interrupts_posted++;
    return notify ? VX_INTERRUPT_NOTIFIED : VX_INTERRUPT_POSTED;
}

/* Remappable format: handle in the address, subhandle in the data (5.1.2.2). */
static vx_interrupt_outcome remap(vx_iommu *iommu, const vx_interrupt_request *request, vx_io_work *work,
                                  vx_interrupt *out)
{
    bool has_subhandle = (request->address & VX_VTD_INTERRUPT_SHV) != 0;
    unsigned handle = (unsigned)(request->address >> 5 & 0x7FFF) | (unsigned)(request->address >> 2 & 1) << 15;
    unsigned index = handle + (has_subhandle ? request->data & 0xFFFF : 0);
    if (has_subhandle ? request->data >> 16 : request->data)
        return blocked(iommu, request, index & 0xFFFF, false, out, VX_VTD_FAULT_IR_REQUEST_RESERVED);
    if (index >= 2U << (iommu->interrupt_table & 0xF))
        return blocked(iommu, request, index & 0xFFFF, false, out, VX_VTD_FAULT_IR_INDEX);
    vx_io_irte irte = {0};
    vx_vtd_fault fault = find_entry(iommu, index, work, &irte);
    if (!fault && !source_allowed(&irte, request->source_id)) {
        work->fault_disabled = (irte.low & VX_VTD_IRTE_FPD) != 0;
        fault = VX_VTD_FAULT_IR_SOURCE;
    }
    if (fault) return blocked(iommu, request, index, work->fault_disabled, out, fault);
    if (irte.low & VX_VTD_IRTE_POSTED) return posted(iommu, request, index, &irte, work, out);
    return remapped(iommu, &irte, out);
}

vx_interrupt_outcome vx_iommu_interrupt(vx_iommu *iommu, const vx_interrupt_request *request, vx_interrupt *interrupt)
{
    *interrupt = (vx_interrupt){0};
    iommu->counts.interrupts_asked++;
    if (!(iommu->gsts & VX_VTD_IRE)) return pass(iommu, request, interrupt);
    if (!(request->address & VX_VTD_INTERRUPT_REMAPPABLE)) {
        bool allowed = (iommu->gsts & VX_VTD_CFI) && !(iommu->interrupt_table & VX_VTD_IRTA_EIME);
        if (allowed) return pass(iommu, request, interrupt);
        return blocked(iommu, request, 0, false, interrupt, VX_VTD_FAULT_IR_COMPATIBILITY);
    }
    vx_io_work work = {0};
    vx_interrupt_outcome outcome = remap(iommu, request, &work, interrupt);
    interrupt->accesses = work.accesses;
    interrupt->ticks = iommu->hit_ticks + work.accesses * iommu->read_ticks;
    return outcome;
}
