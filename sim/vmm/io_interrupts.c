/* The card's interrupts on their way to a processor: messages, and with VT-d the table that remaps or posts them.
 *
 * A vector's message names an entry of the interrupt-remapping table (VT-d specification, 5.1.2.2), which the
 * hypervisor wrote: it allows the function's source-id alone and says which processor gets which vector, or in which
 * descriptor of a guest's the interrupt is posted (5.2.2). Where the chipset does not remap, and without VT-d, messages
 * go to the processor that they name (SDM Vol. 3A, 10.11). */
#include <string.h>

#include "io_private.h"
#include "vx_virtual_apic.h"

enum {
    TABLE_ORDER = 7, /* 2^(7 + 1) entries: one page */
    VECTOR = 0x40,   /* of the first of the card's interrupts */
    NOTIFICATION = 0xF2,
    POSTED = IO_OWN + VX_PAGE_BYTES /* the descriptors, behind the table */
};

static uint64_t posted_at(unsigned guest) { return POSTED + (uint64_t)guest * VX_POSTED_BYTES; }

/* Processor n has APIC-id n. */
static void write_entry(vx_io_machine *machine, unsigned vector)
{
    uint64_t source = (uint64_t)IO_SOURCE_ID + (machine->path->functions ? vector : 0), low = VX_VTD_IRTE_P;
    uint64_t high = source | 1ULL << VX_VTD_IRTE_SVT_SHIFT;
    low |= (uint64_t)(VECTOR + vector) << VX_VTD_IRTE_VECTOR_SHIFT;
    if (machine->posted) {
        vx_posted descriptor;
        vx_posted_init(&descriptor, NOTIFICATION, vector << 8); /* xAPIC: NDST 15:8 */
        memcpy(machine->memory->base + posted_at(vector), descriptor.bytes, VX_POSTED_BYTES);
        low |= VX_VTD_IRTE_POSTED | posted_at(vector) << 32;
    } else {
        low |= (uint64_t)vector << 8 << VX_VTD_IRTE_DESTINATION_SHIFT; /* xAPIC: 47:40 */
    }
    vx_physmem_write64(machine->memory, (vx_hpa){IO_OWN + (uint64_t)vector * 16 + 8}, high);
    vx_physmem_write64(machine->memory, (vx_hpa){IO_OWN + (uint64_t)vector * 16}, low);
}

static void set_table(vx_iommu *iommu)
{
    vx_iommu_write(iommu, VX_VTD_IRTA, 8, IO_OWN | TABLE_ORDER);
    vx_iommu_write(iommu, VX_VTD_GCMD, 4, vx_iommu_read(iommu, VX_VTD_GSTS, 4) | VX_VTD_SIRTP);
    vx_iommu_write(iommu, VX_VTD_GCMD, 4, (vx_iommu_read(iommu, VX_VTD_GSTS, 4) & ~VX_VTD_SIRTP) | VX_VTD_IRE);
}

void io_interrupts_init(vx_io_machine *machine)
{
    unsigned vectors = machine->path->backend ? machine->backends : machine->path->vtd ? machine->config.guests : 1;
    for (unsigned v = 0; v < vectors; v++) {
        if (machine->remaps) {
            write_entry(machine, v);
            vx_nic_message(machine->nic, v, VX_VTD_INTERRUPT_RANGE | VX_VTD_INTERRUPT_REMAPPABLE | (uint64_t)v << 5, 0);
        } else {
            vx_nic_message(machine->nic, v, VX_VTD_INTERRUPT_RANGE | (uint64_t)v << 12, VECTOR + v);
        }
    }
    if (machine->remaps) set_table(machine->iommu);
}

/* What is POSTED alone the guest finds when it takes the notification that is outstanding. */
void io_interrupts_message(void *context, const vx_interrupt_request *message, vx_tick now)
{
    vx_io_machine *machine = context;
    vx_interrupt interrupt = {.destination = (uint32_t)(message->address >> 12) & 0xFF};
    if (machine->iommu) {
        vx_interrupt_outcome outcome = vx_iommu_interrupt(machine->iommu, message, &interrupt);
        if (outcome == VX_INTERRUPT_BLOCKED || outcome == VX_INTERRUPT_POSTED) return;
    }
    machine->path->ops->arrived(machine, interrupt.destination, now, now + interrupt.ticks);
}

void io_interrupts_take_posted(io_guest *guest)
{
    vx_physmem *memory = guest->machine->memory;
    uint64_t at = posted_at(guest->index), control = vx_physmem_read64(memory, (vx_hpa){at + 32});
    for (unsigned word = 0; word < 4; word++) vx_physmem_write64(memory, (vx_hpa){at + (uint64_t)word * 8}, 0);
    vx_physmem_write64(memory, (vx_hpa){at + 32}, control & ~1ULL);
}
