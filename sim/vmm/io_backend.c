/* The back-end: a process on a processor of its own that moves frames between shared rings and the host's card, one at
 * a time, those that came and those to be sent in turn. */
#include "io_private.h"

io_backend *io_backend_of(vx_io_machine *machine, unsigned guest)
{
    return &machine->backend[guest % machine->backends];
}

void io_backend_kick(io_backend *backend, vx_tick at)
{
    io_kick(backend->machine, backend->machine->config.guests + backend->index, at);
}

/* ---- whose turn it is ---- */

static bool take_received(io_backend *backend)
{
    if (!io_card_receive(&backend->machine->card[backend->index], &backend->frame)) return false;
    backend->receiving = true;
    return true;
}

static bool take_to_send(io_backend *backend)
{
    vx_io_machine *machine = backend->machine;
    for (unsigned i = 0; i < machine->config.guests; i++) {
        unsigned g = (backend->turn + i) % machine->config.guests;
        if (io_backend_of(machine, g) != backend || io_card_room(&machine->card[g]) == 0) continue;
        bool was_full = io_ring_count(&machine->guest[g].down) == IO_RING;
        if (!io_ring_take(&machine->guest[g].down, &backend->frame)) continue;
        if (was_full) io_kick(machine, g, backend->due);
        backend->receiving = false;
        backend->turn = (g + 1) % machine->config.guests;
        return true;
    }
    return false;
}

static bool take_frame(io_backend *backend)
{
    if (backend->receiving) return take_to_send(backend) || take_received(backend);
    return take_received(backend) || take_to_send(backend);
}

/* ---- its work ---- */

static vx_tick frame_ticks(const io_backend *backend)
{
    const vx_cfg_nic *nic = backend->machine->config.nic;
    vx_tick sorting = backend->receiving && !backend->machine->path->sorted ? nic->sort_ticks : 0;
    return nic->backend_ticks + sorting + io_copy_ticks(backend->machine, &backend->frame);
}

static void finish(io_backend *backend, vx_tick now)
{
    vx_io_machine *machine = backend->machine;
    io_guest *guest = &machine->guest[backend->frame.station];
    backend->busy = false;
    if (!backend->receiving) {
        io_card_send(&machine->card[guest->index], &backend->frame, now);
        return;
    }
    machine->lost_front += !io_ring_put(&guest->up, &backend->frame);
    io_interrupt_guest(guest, now);
}

/* The card's own business: descriptors of sent frames are free again, interrupts allowed. */
static vx_tick host_interrupt(io_backend *backend, vx_tick now)
{
    vx_io_machine *machine = backend->machine;
    backend->host_work = false;
    for (unsigned g = backend->index; g < machine->config.guests; g += machine->backends)
        io_card_clean(&machine->card[g]);
    vx_nic_mask(machine->nic, backend->index, false, now);
    return machine->config.nic->handler_ticks;
}

vx_tick io_backend_step(void *self, vx_tick now, vx_tick horizon)
{
    (void)horizon;
    io_backend *backend = self;
    if (now < backend->due) return backend->due;
    backend->due = now;
    if (backend->busy) finish(backend, now);
    vx_tick ticks = 0;
    bool work = backend->host_work;
    if (work) ticks += host_interrupt(backend, now);
    backend->busy = backend->machine->path->backend && take_frame(backend);
    if (!backend->busy && !work) {
        if (!backend->idle) backend->idle_since = now;
        backend->idle = true;
        return VX_TICK_NEVER;
    }
    if (backend->idle) vx_ledger_charge(&backend->ledger, VX_CAUSE_IDLE, now - backend->idle_since);
    backend->idle = false;
    if (backend->busy) ticks += frame_ticks(backend);
    if (ticks == 0) ticks = 1;
    vx_ledger_charge(&backend->ledger, VX_CAUSE_IO_BACKEND, ticks);
    backend->due = now + ticks;
    return backend->due;
}
