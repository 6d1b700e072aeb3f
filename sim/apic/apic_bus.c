/* Who gets a message: physical and logical destinations, shorthands, lowest priority.
 *
 * SDM Vol. 3A 10.6.2.1 (physical), 10.6.2.2 (logical: flat, cluster), 10.6.2.3 (broadcast), 10.6.2.4 (lowest priority),
 * 10.12.10 (x2APIC cluster). */
#include "apic_private.h"

/* The destination format's model, DFR 31:28: 1111B flat, 0000B cluster. */
static bool matches_xapic_logical(const vx_apic *apic, uint8_t destination)
{
    uint8_t logical = (uint8_t)(apic_get(apic, VX_APIC_LDR) >> 24);
    switch (apic_get(apic, VX_APIC_DFR) >> 28) {
    case 0xF:
        return (destination & logical) != 0;
    case 0x0:
        return ((destination ^ logical) & 0xF0) == 0 && (destination & logical & 0x0F) != 0;
    default:
        return false;
    }
}

static bool matches_x2apic_logical(const vx_apic *apic, uint32_t destination)
{
    uint32_t logical = apic_get(apic, VX_APIC_LDR);
    return logical >> 16 == destination >> 16 && (logical & destination & 0xFFFF) != 0;
}

static bool matches_logical(const vx_apic *apic, uint32_t destination)
{
    if (vx_apic_mode_of(apic) == VX_APIC_X2APIC) return matches_x2apic_logical(apic, destination);
    return destination <= 0xFF && matches_xapic_logical(apic, (uint8_t)destination);
}

static uint32_t physical_id(const vx_apic *apic)
{
    uint32_t id = apic_get(apic, VX_APIC_ID);
    return vx_apic_mode_of(apic) == VX_APIC_X2APIC ? id : id >> 24;
}

bool vx_apic_matches(const vx_apic *apic, const vx_interrupt_message *message)
{
    if (vx_apic_mode_of(apic) == VX_APIC_DISABLED) return false;
    bool itself = apic->setup.id == message->source;
    switch (message->shorthand) {
    case VX_SHORTHAND_SELF:
        return itself;
    case VX_SHORTHAND_ALL:
        return true;
    case VX_SHORTHAND_OTHERS:
        return !itself;
    default:
        break;
    }
    if (message->destination == (message->wide ? UINT32_MAX : 0xFFU)) return true;
    return message->logical ? matches_logical(apic, message->destination) : physical_id(apic) == message->destination;
}

static unsigned deliver_lowest(vx_apic_bus *bus, const vx_interrupt_message *message)
{
    vx_apic *lowest = NULL;
    for (unsigned i = 0; i < bus->count; i++) {
        vx_apic *apic = bus->apic[i];
        if (!vx_apic_matches(apic, message) || !vx_apic_software_enabled(apic)) continue;
        if (!lowest || vx_apic_arbitration_priority(apic) < vx_apic_arbitration_priority(lowest)) lowest = apic;
    }
    return lowest && vx_apic_accept(lowest, message);
}

unsigned vx_apic_bus_deliver(vx_apic_bus *bus, const vx_interrupt_message *message)
{
    if (message->delivery == VX_DELIVERY_LOWEST_PRIORITY) return deliver_lowest(bus, message);
    unsigned accepted = 0;
    for (unsigned i = 0; i < bus->count; i++)
        if (vx_apic_matches(bus->apic[i], message)) accepted += vx_apic_accept(bus->apic[i], message);
    return accepted;
}
