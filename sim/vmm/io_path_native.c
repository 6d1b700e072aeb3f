/* Native: the operating system has the card to itself. Also what every path shares that lets a driver reach it. */
#include "io_private.h"

/* ---- a driver that has the card's queue ---- */

static io_card *card_of(const io_guest *guest) { return &guest->machine->card[guest->index]; }

bool io_direct_room(const io_guest *guest) { return io_card_room(card_of(guest)) > 0; }

/* The buffer is mapped when it is sent. */
vx_tick io_direct_send_cost(io_guest *guest)
{
    const io_card *card = card_of(guest);
    vx_tick mapping = card->mapper ? card->model->map_ticks : 0;
    return io_charge(guest, VX_CAUSE_GUEST_INSTRUCTIONS, mapping) + io_registers(guest, IO_ON_SEND);
}

void io_direct_send(io_guest *guest, vx_tick now)
{
    io_card *card = card_of(guest);
    io_card_send(card, &guest->frame, now);
    card->mapped = 0; /* paid for already */
}

/* Buffers are given back at once, and the rate of interrupts is the card's own (moderation_ns). */
vx_tick io_direct_interrupt_cost(io_guest *guest)
{
    return io_registers(guest, IO_ON_INTERRUPT) + io_registers(guest, IO_ON_REFILL) +
           io_registers(guest, IO_ON_COMPLETE);
}

/* Sent frames first, as e1000_clean does. */
bool io_direct_take(io_guest *guest, vx_frame *frame, vx_tick now)
{
    if (guest->taken == 0) io_card_clean(card_of(guest), now);
    return io_card_receive(card_of(guest), frame, now);
}

static bool more(const io_guest *guest) { return card_of(guest)->mapper && io_card_sent(card_of(guest)); }

/* The card masks itself while the handler runs, as the driver's first accesses make it. */
void io_direct_arrived(vx_io_machine *machine, unsigned vector, vx_tick now, vx_tick at)
{
    vx_nic_mask(machine->nic, vector, true, now);
    io_interrupt_guest(&machine->guest[vector], at);
}

void io_direct_handled(io_guest *guest, vx_tick now) { vx_nic_mask(guest->machine->nic, guest->index, false, now); }

/* ---- the path ---- */

static vx_tick interrupt_cost(io_guest *guest)
{
    return io_charge(guest, VX_CAUSE_INTERRUPT, guest->machine->config.cpu->cost.interrupt_ticks) +
           io_direct_interrupt_cost(guest);
}

static const io_path_ops ops = {.room = io_direct_room,
                                .send_cost = io_direct_send_cost,
                                .send = io_direct_send,
                                .interrupt_cost = interrupt_cost,
                                .take = io_direct_take,
                                .more = more,
                                .handled = io_direct_handled,
                                .arrived = io_direct_arrived};

const io_path io_path_native = {
    .name = "native", .doc = "the operating system has the card, without a hypervisor", .ops = &ops};
