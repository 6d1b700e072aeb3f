/* Emulation: a device model imitates the card, so that each register access of the driver exits.
 *
 * The write of the transmit tail has the model send the frame before the guest goes on, as QEMU's does (e1000.c,
 * start_xmit), so that its interrupt is there when the guest is entered again: there is no moderation that could gather
 * frames. What arrives for the guest costs its processor an exit and the model's work. */
#include "io_private.h"

static vx_tick accesses(io_guest *guest, io_moment moment)
{
    return io_exit(guest, VX_IO_EXIT_ACCESS, io_driver_reads(moment) + io_driver_writes(moment),
                   guest->machine->config.nic->access_ticks);
}

static vx_tick model_frames(io_guest *guest, unsigned frames)
{
    return io_charge(guest, VX_CAUSE_IO_BACKEND, (vx_tick)frames * guest->machine->config.nic->emulate_ticks);
}

static vx_tick send_cost(io_guest *guest) { return accesses(guest, IO_ON_SEND) + model_frames(guest, 1); }

static void send(io_guest *guest, const vx_frame *frame, vx_tick now)
{
    vx_nic_send(guest->machine->nic, frame, now);
    io_interrupt_guest(guest, now);
}

static vx_tick interrupt_cost(io_guest *guest)
{
    const vx_cfg_nic *nic = guest->machine->config.nic;
    vx_tick ticks = io_exit(guest, VX_IO_EXIT_INTERRUPT, 1, nic->inject_ticks);
    ticks += accesses(guest, IO_ON_INTERRUPT);
    ticks +=
        io_charge(guest, VX_CAUSE_GUEST_INSTRUCTIONS, (vx_tick)io_ring_count(&guest->received) * nic->receive_ticks);
    return ticks + io_exit(guest, VX_IO_EXIT_EOI, 1, nic->eoi_ticks);
}

static void handled(io_guest *guest, vx_tick now)
{
    (void)guest;
    (void)now;
}

/* The host's card has something for the guest: it is taken on the guest's processor. */
static void arrived(vx_io_machine *machine, unsigned queue, vx_tick now)
{
    vx_nic_mask(machine->nic, queue, true, now);
    machine->guest[queue].host_work = true;
    io_kick_guest(&machine->guest[queue], now);
}

static vx_tick host_cost(io_guest *guest)
{
    vx_frame frame;
    unsigned taken = 0;
    guest->host_work = false;
    vx_nic_take_sent(guest->machine->nic, guest->index);
    for (; vx_nic_take_received(guest->machine->nic, guest->index, &frame); taken++)
        io_ring_put(&guest->shared, &frame);
    return io_exit(guest, VX_IO_EXIT_INTERRUPT, 1, guest->machine->config.nic->inject_ticks) +
           model_frames(guest, taken);
}

static void host(io_guest *guest, vx_tick now)
{
    if (io_ring_count(&guest->shared)) guest->interrupt = true;
    while (io_ring_count(&guest->shared)) {
        const vx_frame frame = io_ring_take(&guest->shared);
        io_ring_put(&guest->received, &frame);
    }
    vx_nic_mask(guest->machine->nic, guest->index, false, now);
}

const io_path io_path_emulated = {.name = "emulated",
                                  .doc = "a device model imitates the card; each register access exits",
                                  .hypervisor = true,
                                  .shared = true,
                                  .send_cost = send_cost,
                                  .send = send,
                                  .interrupt_cost = interrupt_cost,
                                  .host_cost = host_cost,
                                  .host = host,
                                  .arrived = arrived,
                                  .handled = handled};
