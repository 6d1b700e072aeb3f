/* Emulation: a device model imitates the card, so that each register access of the driver exits.
 *
 * The write of the transmit tail has the model send the frame before the guest goes on, as QEMU's does (e1000.c,
 * start_xmit), so that its interrupt is there when the guest is entered again: there is no moderation that could gather
 * frames. What arrives for the guest costs its processor an exit and the model's work.
 *
 * The host's card has one queue for received frames, whose interrupt wakes the model of each guest that has some; to
 * send, each model has a ring of its own, which stands for the host's fair queueing. */
#include "io_private.h"

static io_card *card_of(const io_guest *guest) { return &guest->machine->card[guest->index]; }

static vx_tick accesses(io_guest *guest, io_moment moment)
{
    return io_exit(guest, VX_IO_EXIT_ACCESS, io_driver_reads(moment) + io_driver_writes(moment),
                   guest->machine->config.nic->access_ticks);
}

static vx_tick model_frame(io_guest *guest, const vx_frame *frame)
{
    return io_charge(guest, VX_CAUSE_IO_BACKEND,
                     guest->machine->config.nic->emulate_ticks + io_copy_ticks(guest->machine, frame));
}

static vx_tick send_cost(io_guest *guest) { return accesses(guest, IO_ON_SEND) + model_frame(guest, &guest->frame); }

static void send(io_guest *guest, vx_tick now)
{
    io_card_send(card_of(guest), &guest->frame, now);
    io_interrupt_guest(guest, now);
}

static vx_tick interrupt_cost(io_guest *guest)
{
    const vx_cfg_nic *nic = guest->machine->config.nic;
    return io_deliver(guest) + accesses(guest, IO_ON_INTERRUPT) + io_exit(guest, VX_IO_EXIT_EOI, 1, nic->eoi_ticks);
}

static bool take(io_guest *guest, vx_frame *frame, vx_tick now)
{
    (void)now;
    return io_ring_take(&guest->up, frame);
}

/* ---- the host ---- */

/* Frames go to the models of their guests; sent ones are taken back. */
static void arrived(vx_io_machine *machine, unsigned vector, vx_tick now, vx_tick at)
{
    (void)at;
    vx_frame frame;
    for (unsigned g = 0; g < machine->config.guests; g++) {
        io_card *card = &machine->card[g];
        unsigned before = io_card_room(card);
        io_card_clean(card, now);
        if (before == 0 && io_card_room(card) > 0) io_kick(machine, g, now);
    }
    while (io_card_receive(&machine->card[0], &frame, now)) {
        io_guest *guest = &machine->guest[frame.station];
        machine->lost_front += !io_ring_put(&guest->held, &frame);
        if (!guest->host_work) io_kick(machine, guest->index, now);
        guest->host_work = true;
    }
    vx_nic_mask(machine->nic, vector, false, now);
}

static vx_tick host_cost(io_guest *guest)
{
    vx_tick ticks = guest->halted ? io_charge(guest, VX_CAUSE_IO_BACKEND, guest->machine->config.nic->handler_ticks)
                                  : io_exit(guest, VX_IO_EXIT_INTERRUPT, 1, guest->machine->config.nic->inject_ticks);
    vx_frame frame;
    guest->host_work = false;
    while (io_ring_take(&guest->held, &frame)) {
        ticks += model_frame(guest, &frame);
        guest->machine->lost_front += !io_ring_put(&guest->up, &frame);
    }
    return ticks;
}

static void host(io_guest *guest, vx_tick now)
{
    if (io_ring_count(&guest->up)) io_interrupt_guest(guest, now);
}

static const io_path_ops ops = {.room = io_direct_room,
                                .send_cost = send_cost,
                                .send = send,
                                .interrupt_cost = interrupt_cost,
                                .take = take,
                                .host_cost = host_cost,
                                .host = host,
                                .arrived = arrived};

const io_path io_path_emulated = {.name = "emulated",
                                  .doc = "a device model imitates the card; each register access exits",
                                  .hypervisor = true,
                                  .shared = true,
                                  .ops = &ops};
