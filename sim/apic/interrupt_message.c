/* Commands and messages to one form, and the destinations they name. See vx_interrupt_message.h. */
#include "vx_interrupt_message.h"

enum {
    LEVEL_ASSERT = 1 << 14,
    TRIGGER_LEVEL = 1 << 15,
    LOGICAL = 1 << 11,
};

/* Table 10-3 (Pentium 4 and later): "self" and "all including self" go with fixed delivery alone. */
static bool valid_combination(vx_shorthand shorthand, vx_delivery delivery)
{
    if (delivery == VX_DELIVERY_RESERVED || delivery == VX_DELIVERY_EXTINT) return false;
    bool to_itself = shorthand == VX_SHORTHAND_SELF || shorthand == VX_SHORTHAND_ALL;
    return !to_itself || delivery == VX_DELIVERY_FIXED;
}

bool vx_interrupt_message_from_icr(vx_interrupt_message *message, uint32_t low, uint32_t destination, bool wide,
                                   uint32_t source)
{
    vx_delivery delivery = (vx_delivery)(low >> 8 & 7);
    vx_shorthand shorthand = (vx_shorthand)(low >> 18 & 3);
    bool deassert = delivery == VX_DELIVERY_INIT && (low & TRIGGER_LEVEL) && !(low & LEVEL_ASSERT);
    if (deassert || !valid_combination(shorthand, delivery)) return false;
    *message = (vx_interrupt_message){.vector = (uint8_t)low,
                                      .delivery = delivery,
                                      .shorthand = shorthand,
                                      .logical = (low & LOGICAL) != 0,
                                      .wide = wide,
                                      .destination = wide ? destination : destination & 0xFF,
                                      .source = source};
    return true;
}

/* 10.11.1 address: 31:20 FEEH, 19:12 destination, 3 redirection hint, 2 destination mode (ignored without the hint).
 * 10.11.2 data: as the ICR's low half. */
bool vx_interrupt_message_from_msi(vx_interrupt_message *message, uint64_t address, uint32_t data)
{
    vx_delivery delivery = (vx_delivery)(data >> 8 & 7);
    if (address >> 20 != 0xFEE || delivery == VX_DELIVERY_RESERVED || delivery == VX_DELIVERY_STARTUP) return false;
    bool hint = address >> 3 & 1;
    *message = (vx_interrupt_message){.vector = (uint8_t)data,
                                      .delivery = delivery,
                                      .logical = hint && (address >> 2 & 1),
                                      .level = (data & TRIGGER_LEVEL) != 0,
                                      .destination = (uint32_t)(address >> 12) & 0xFF,
                                      .source = VX_APIC_NOBODY};
    return true;
}

void vx_interrupt_message_to_msi(const vx_interrupt_message *message, uint64_t *address, uint32_t *data)
{
    *address = 0xFEE00000 | (uint64_t)(message->destination & 0xFF) << 12 | (message->logical ? 0xCU : 0U);
    *data = message->vector | (uint32_t)message->delivery << 8 |
            (message->level ? (uint32_t)(TRIGGER_LEVEL | LEVEL_ASSERT) : 0U);
}
