/* The card's interrupts: messages, mask, moderation (8254x manual, 13.4.18: the throttling register; PCI Local Bus 3.0,
 * 6.8: MSI-X). */
#include "dev_private.h"

static void tell(vx_nic *nic, unsigned index, vx_tick now)
{
    nic_vector *vector = &nic->vector[index];
    if (!vector->cause || vector->masked) return;
    if (now < vector->quiet_until) {
        nic->hooks.kick(nic->hooks.context, nic, vector->quiet_until);
        return;
    }
    vector->cause = false;
    vector->quiet_until = now + vx_nic_ticks(nic, nic->config.nic->moderation_ns);
    nic->counts.interrupts++;
    const vx_interrupt_request message = {.address = vector->address,
                                          .data = vector->data,
                                          .source_id =
                                              (uint16_t)(nic->config.source_id + (nic->config.functions ? index : 0))};
    nic->hooks.interrupt(nic->hooks.context, &message, now);
}

void nic_cause(vx_nic *nic, unsigned queue, vx_tick now)
{
    unsigned vector = queue % nic->config.vectors;
    nic->vector[vector].cause = true;
    tell(nic, vector, now);
}

void nic_tell_all(vx_nic *nic, vx_tick now)
{
    for (unsigned i = 0; i < nic->config.vectors; i++) tell(nic, i, now);
}

void vx_nic_mask(vx_nic *nic, unsigned vector, bool masked, vx_tick now)
{
    nic->vector[vector].masked = masked;
    tell(nic, vector, now);
}

void vx_nic_message(vx_nic *nic, unsigned vector, uint64_t address, uint32_t data)
{
    nic->vector[vector].address = address;
    nic->vector[vector].data = data;
}
