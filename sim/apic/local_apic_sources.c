/* The local vector table: interrupts of the processor's own, and the log of errors.
 *
 * SDM Vol. 3A 10.5.1 (LVT), 10.5.3 (error handling). */
#include "apic_private.h"

void apic_mask_sources(vx_apic *apic)
{
    for (uint32_t at = VX_APIC_LVT_TIMER; at <= VX_APIC_LVT_ERROR; at += 16)
        apic_put(apic, at, apic_get(apic, at) | LVT_MASKED);
    apic_put(apic, VX_APIC_LVT_CMCI, apic_get(apic, VX_APIC_LVT_CMCI) | LVT_MASKED);
}

/* Timer and error entries have no delivery mode: fixed. */
static vx_delivery delivery_of(uint32_t offset, uint32_t entry)
{
    if (offset == VX_APIC_LVT_TIMER || offset == VX_APIC_LVT_ERROR) return VX_DELIVERY_FIXED;
    return (vx_delivery)(entry >> 8 & 7);
}

bool vx_apic_raise(vx_apic *apic, uint32_t offset)
{
    uint32_t entry = apic_get(apic, offset);
    vx_delivery delivery = delivery_of(offset, entry);
    bool sendable =
        delivery != VX_DELIVERY_LOWEST_PRIORITY && delivery != VX_DELIVERY_RESERVED && delivery != VX_DELIVERY_STARTUP;
    if ((entry & LVT_MASKED) || !sendable) return false;
    /* The handler of a performance-monitoring interrupt unmasks it itself. */
    if (offset == VX_APIC_LVT_PERFORMANCE) apic_put(apic, offset, entry | LVT_MASKED);
    vx_interrupt_message message = {.vector = (uint8_t)entry, .delivery = delivery, .source = apic->setup.id};
    return vx_apic_accept(apic, &message);
}

void vx_apic_error(vx_apic *apic, uint32_t errors)
{
    bool first = apic->errors == 0;
    apic->errors |= errors;
    if (first) (void)vx_apic_raise(apic, VX_APIC_LVT_ERROR);
}
