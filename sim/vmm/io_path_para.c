/* Para-virtual: front-end and back-end with a shared ring (Xen's netfront and netback, virtio-net).
 *
 * The front-end puts a frame into the ring and notifies the back-end only where that sleeps (event index, req_event).
 * The back-end, on a processor of its own, takes frames as long as there are any, hands them to the host's card, and
 * gives the guest one event for all that it has received meanwhile; the guest looks at the ring again before it ends
 * (RING_FINAL_CHECK_FOR_RESPONSES). Frames that were sent are noticed with the next event.
 *
 * It runs in an I/O domain (Xen), which the card's interrupts reach as events of the hypervisor, or in a thread of the
 * host (virtio's vhost); an event to a guest is a hypercall of the one, a write to an irqfd of the other. */
#include "io_private.h"

static bool room(const io_guest *guest) { return io_ring_count(&guest->down) < IO_RING; }

static vx_tick send_cost(io_guest *guest)
{
    if (!io_backend_of(guest->machine, guest->index)->idle) return 0;
    return io_exit(guest, VX_IO_EXIT_KICK, 1, guest->machine->config.nic->kick_ticks);
}

static void send(io_guest *guest, vx_tick now)
{
    io_backend *backend = io_backend_of(guest->machine, guest->index);
    io_ring_put(&guest->down, &guest->frame);
    if (backend->idle) io_backend_kick(backend, now + guest->machine->config.nic->wake_ticks);
}

static vx_tick interrupt_cost(io_guest *guest)
{
    const vx_cfg_nic *nic = guest->machine->config.nic;
    return io_deliver(guest) + io_exit(guest, VX_IO_EXIT_EOI, 1, nic->eoi_ticks);
}

static bool take(io_guest *guest, vx_frame *frame, vx_tick now)
{
    (void)now;
    return io_ring_take(&guest->up, frame);
}

static bool more(const io_guest *guest) { return io_ring_count(&guest->up) > 0; }

static void arrived(vx_io_machine *machine, unsigned vector, vx_tick now, vx_tick at)
{
    vx_nic_mask(machine->nic, vector, true, now);
    machine->backend[vector].host_work = true;
    io_backend_kick(&machine->backend[vector], at);
}

static const io_path_ops ops = {.room = room,
                                .send_cost = send_cost,
                                .send = send,
                                .interrupt_cost = interrupt_cost,
                                .take = take,
                                .more = more,
                                .arrived = arrived};

const io_path io_path_para = {.name = "para",
                              .doc = "front-end and back-end with a shared ring; a notification wakes the back-end",
                              .hypervisor = true,
                              .shared = true,
                              .backend = true,
                              .ops = &ops};

/* VMDq with NetQueue: the card sorts received frames by address into a queue for each guest, whose interrupt goes to a
 * processor with a back-end of its own; nothing is left to be sorted in software (Intel, "Virtual Machine Device
 * Queues", 2007; VMware ESX 3.5). */
const io_path io_path_vmdq = {.name = "vmdq",
                              .doc = "para-virtual; the card sorts received frames into queues, each with a back-end",
                              .hypervisor = true,
                              .shared = true,
                              .backend = true,
                              .sorted = true,
                              .ops = &ops};
