/* Pass-through: one guest has the card, behind VT-d. Its driver reaches the registers without exits and the card
 * reaches its memory through the guest's domain. An interrupt passes the remapping table; it exits to be injected and
 * its end exits, unless it is posted (VT-d specification, 5.2; SDM Vol. 3C, 29.6). */
#include "io_private.h"

static vx_tick interrupt_cost(io_guest *guest)
{
    const vx_io_machine_config *config = &guest->machine->config;
    vx_tick ticks = 0;
    if (guest->machine->posted) {
        io_interrupts_take_posted(guest);
        ticks += io_charge(guest, VX_CAUSE_INTERRUPT, config->cpu->cost.interrupt_ticks);
    } else {
        ticks += io_deliver(guest);
        ticks += io_exit(guest, VX_IO_EXIT_EOI, 1, config->nic->eoi_ticks);
    }
    return ticks + io_direct_interrupt_cost(guest);
}

static const io_path_ops ops = {.room = io_direct_room,
                                .send_cost = io_direct_send_cost,
                                .send = io_direct_send,
                                .interrupt_cost = interrupt_cost,
                                .take = io_direct_take,
                                .handled = io_direct_handled,
                                .arrived = io_direct_arrived};

const io_path io_path_passthrough = {
    .name = "passthrough", .doc = "one guest has the card, behind VT-d", .hypervisor = true, .vtd = true, .ops = &ops};

/* SR-IOV: the same for each guest, with a virtual function of its own; the card shares its wire among them. */
const io_path io_path_sriov = {.name = "sriov",
                               .doc = "each guest has a virtual function of the card, behind VT-d",
                               .hypervisor = true,
                               .shared = true,
                               .vtd = true,
                               .functions = true,
                               .ops = &ops};
