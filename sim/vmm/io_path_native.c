/* Native: the operating system has the card to itself. Also what every path shares that lets a driver reach it. */
#include "io_private.h"

/* ---- a driver that reaches the card's registers ---- */

vx_tick io_direct_send_cost(io_guest *guest) { return io_registers(guest, IO_ON_SEND); }

void io_direct_send(io_guest *guest, const vx_frame *frame, vx_tick now)
{
    vx_nic_send(guest->machine->nic, frame, now);
}

/* The card masks itself while the handler runs, as the driver's first accesses make it. */
void io_direct_arrived(vx_io_machine *machine, unsigned queue, vx_tick now)
{
    vx_nic_mask(machine->nic, queue, true, now);
    io_interrupt_guest(&machine->guest[queue], now);
}

static vx_tick receive_cost(io_guest *guest)
{
    vx_frame frame;
    unsigned taken = 0;
    vx_nic_take_sent(guest->machine->nic, guest->index);
    for (; vx_nic_take_received(guest->machine->nic, guest->index, &frame); taken++)
        io_ring_put(&guest->received, &frame);
    return io_charge(guest, VX_CAUSE_GUEST_INSTRUCTIONS, (vx_tick)taken * guest->machine->config.nic->receive_ticks);
}

vx_tick io_direct_interrupt_cost(io_guest *guest) { return io_registers(guest, IO_ON_INTERRUPT) + receive_cost(guest); }

void io_direct_handled(io_guest *guest, vx_tick now) { vx_nic_mask(guest->machine->nic, guest->index, false, now); }

/* ---- the path ---- */

static vx_tick interrupt_cost(io_guest *guest)
{
    return io_charge(guest, VX_CAUSE_INTERRUPT, guest->machine->config.cpu->cost.interrupt_ticks) +
           io_direct_interrupt_cost(guest);
}

const io_path io_path_native = {.name = "native",
                                .doc = "the operating system has the card, without a hypervisor",
                                .send_cost = io_direct_send_cost,
                                .send = io_direct_send,
                                .interrupt_cost = interrupt_cost,
                                .arrived = io_direct_arrived,
                                .handled = io_direct_handled};
