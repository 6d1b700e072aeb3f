/* Para-virtual: front-end and back-end with a shared ring (Xen's netfront and netback, virtio-net).
 *
 * The front-end puts a frame into the ring and notifies the back-end only where that sleeps (event index, req_event).
 * The back-end, on a processor of its own, takes frames as long as there are any, hands them to the host's card, and
 * gives the guest one event for all that it has received meanwhile. Frames that were sent are noticed with the next
 * event. */
#include "io_private.h"

/* ---- the front-end ---- */

static vx_tick send_cost(io_guest *guest)
{
    if (!guest->machine->backend.idle) return 0;
    return io_exit(guest, VX_IO_EXIT_KICK, 1, guest->machine->config.nic->kick_ticks);
}

static void send(io_guest *guest, const vx_frame *frame, vx_tick now)
{
    io_ring_put(&guest->shared, frame);
    if (guest->machine->backend.idle) io_kick_backend(guest->machine, now + guest->machine->config.nic->wake_ticks);
}

static vx_tick interrupt_cost(io_guest *guest)
{
    const vx_cfg_nic *nic = guest->machine->config.nic;
    vx_tick ticks = io_exit(guest, VX_IO_EXIT_INTERRUPT, 1, nic->inject_ticks);
    ticks +=
        io_charge(guest, VX_CAUSE_GUEST_INSTRUCTIONS, (vx_tick)io_ring_count(&guest->received) * nic->receive_ticks);
    return ticks + io_exit(guest, VX_IO_EXIT_EOI, 1, nic->eoi_ticks);
}

static void handled(io_guest *guest, vx_tick now)
{
    (void)guest;
    (void)now;
}

/* ---- the back-end ---- */

void io_kick_backend(vx_io_machine *machine, vx_tick at)
{
    machine->hooks.kick(machine->hooks.context, machine->config.guests, at);
}

static void arrived(vx_io_machine *machine, unsigned queue, vx_tick now)
{
    vx_nic_mask(machine->nic, queue, true, now);
    machine->backend.host_work = true;
    io_kick_backend(machine, now);
}

/* The next frame of any guest, in turn; up before down, so that windows open. */
static bool take_frame(vx_io_machine *machine)
{
    io_backend *backend = &machine->backend;
    for (unsigned up = 2; up-- > 0;)
        for (unsigned i = 0; i < machine->config.guests; i++) {
            unsigned g = (backend->turn + i) % machine->config.guests;
            io_guest *guest = &machine->guest[g];
            if (up) {
                if (!vx_nic_take_received(machine->nic, g, &backend->frame)) continue;
            } else {
                if (!io_ring_count(&guest->shared) || vx_nic_room(machine->nic, g) == 0) continue;
                backend->frame = io_ring_take(&guest->shared);
            }
            backend->receiving = up;
            backend->turn = (g + 1) % machine->config.guests;
            return true;
        }
    return false;
}

static void finish(vx_io_machine *machine, vx_tick now)
{
    io_backend *backend = &machine->backend;
    io_guest *guest = &machine->guest[backend->frame.queue];
    backend->busy = false;
    if (!backend->receiving) {
        vx_nic_send(machine->nic, &backend->frame, now);
        return;
    }
    io_ring_put(&guest->received, &backend->frame);
    io_interrupt_guest(guest, now);
}

/* The card's own business: descriptors of sent frames are free again, interrupts allowed. */
static vx_tick host_interrupt(vx_io_machine *machine, vx_tick now)
{
    io_backend *backend = &machine->backend;
    backend->host_work = false;
    for (unsigned g = 0; g < machine->config.guests; g++) {
        vx_nic_take_sent(machine->nic, g);
        vx_nic_mask(machine->nic, g, false, now);
    }
    return machine->config.nic->handler_ticks;
}

vx_tick io_backend_step(void *self, vx_tick now, vx_tick horizon)
{
    (void)horizon;
    io_backend *backend = self;
    vx_io_machine *machine = backend->machine;
    if (now < backend->due) return backend->due;
    if (backend->busy) finish(machine, now);
    vx_tick ticks = 0;
    bool work = backend->host_work;
    if (work) ticks += host_interrupt(machine, now);
    backend->busy = take_frame(machine);
    if (!backend->busy && !work) {
        if (!backend->idle) backend->idle_since = now;
        backend->idle = true;
        return VX_TICK_NEVER;
    }
    if (backend->idle) vx_ledger_charge(&backend->ledger, VX_CAUSE_IDLE, now - backend->idle_since);
    backend->idle = false;
    if (backend->busy) ticks += machine->config.nic->backend_ticks;
    if (ticks == 0) ticks = 1;
    vx_ledger_charge(&backend->ledger, VX_CAUSE_IO_BACKEND, ticks);
    backend->due = now + ticks;
    return backend->due;
}

const io_path io_path_para = {.name = "para",
                              .doc = "front-end and back-end with a shared ring; a notification wakes the back-end",
                              .hypervisor = true,
                              .backend = true,
                              .shared = true,
                              .send_cost = send_cost,
                              .send = send,
                              .interrupt_cost = interrupt_cost,
                              .arrived = arrived,
                              .handled = handled};
