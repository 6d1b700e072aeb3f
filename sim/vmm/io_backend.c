/* The back-end: a process on a processor of its own that moves frames between shared rings and the host's card, one at
 * a time, those that came and those to be sent in turn.
 *
 * With a copy engine (I/OAT) it gives the engine the copy of a received frame and goes on with the next; it looks for
 * complete ones whenever it has done something, and asks for an interrupt before it sleeps. Frames reach their guests
 * in order. */
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

static bool take_received(io_backend *backend, vx_tick now)
{
    if (io_ring_count(&backend->copies) == IO_RING) return false; /* until the engine has finished some */
    if (!io_card_receive(&backend->machine->card[backend->index], &backend->frame, now)) return false;
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

static bool take_frame(io_backend *backend, vx_tick now)
{
    if (backend->receiving) return take_to_send(backend) || take_received(backend, now);
    return take_received(backend, now) || take_to_send(backend);
}

/* ---- its work ---- */

static vx_tick frame_ticks(io_backend *backend)
{
    const vx_cfg_nic *nic = backend->machine->config.nic;
    vx_tick sorting = backend->receiving && !backend->machine->path->sorted ? nic->sort_ticks : 0;
    bool worth = vx_frame_bytes(&backend->frame) >= nic->copy_least_bytes;
    backend->offload = backend->machine->engine && backend->receiving && worth;
    vx_tick copy = backend->offload ? nic->copy_post_ticks : io_copy_ticks(backend->machine, &backend->frame);
    return nic->backend_ticks + sorting + copy;
}

static void deliver(io_backend *backend, const vx_frame *frame)
{
    io_guest *guest = &backend->machine->guest[frame->station];
    backend->machine->lost_front += !io_ring_put(&guest->up, frame);
    guest->event_due = true;
    backend->batch++;
}

/* Events are sent to all guests that have got frames when no more wait, or after a share of them (Xen: net_rx_action),
 * except to those that have one pending or look at their ring by themselves. */
static vx_tick send_events(io_backend *backend, vx_tick now)
{
    vx_io_machine *machine = backend->machine;
    bool more = io_card_waiting(&machine->card[backend->index]);
    vx_tick ticks = 0;
    if (backend->batch == 0 || (more && backend->batch < IO_POLL_FRAMES)) return 0;
    backend->batch = 0;
    for (unsigned g = backend->index; g < machine->config.guests; g += machine->backends) {
        io_guest *guest = &machine->guest[g];
        if (guest->event_due && !guest->interrupt && !guest->polling) ticks += machine->config.nic->event_ticks;
        if (guest->event_due) io_interrupt_guest(guest, now);
        guest->event_due = false;
    }
    return ticks;
}

/* Those whose copies are complete, in order; what the look costs. */
static vx_tick collect(io_backend *backend)
{
    vx_io_machine *machine = backend->machine;
    const vx_cfg_nic *nic = machine->config.nic;
    unsigned taken = vx_copy_engine_take(machine->engine, backend->index);
    vx_tick ticks = (backend->completion ? nic->handler_ticks : 0) + (taken ? nic->copy_poll_ticks : 0);
    backend->completion = false;
    backend->complete += taken;
    while (io_ring_count(&backend->copies)) {
        bool by_engine = backend->by_engine[backend->copies.head % IO_RING];
        if (by_engine && backend->complete == 0) break;
        vx_frame frame;
        backend->complete -= by_engine;
        if (io_ring_take(&backend->copies, &frame)) deliver(backend, &frame);
    }
    return ticks;
}

void io_backend_copied(void *context, unsigned user, vx_tick now)
{
    vx_io_machine *machine = context;
    machine->backend[user].completion = true;
    io_backend_kick(&machine->backend[user], now);
}

static void finish_received(io_backend *backend, vx_tick now)
{
    vx_io_machine *machine = backend->machine;
    if (!machine->engine) {
        deliver(backend, &backend->frame);
        return;
    }
    backend->by_engine[backend->copies.tail % IO_RING] = backend->offload;
    io_ring_put(&backend->copies, &backend->frame);
    if (backend->offload) vx_copy_engine_post(machine->engine, backend->index, vx_frame_bytes(&backend->frame), now);
}

static void finish(io_backend *backend, vx_tick now)
{
    backend->busy = false;
    if (backend->receiving)
        finish_received(backend, now);
    else
        io_card_send(&backend->machine->card[backend->frame.station], &backend->frame, now);
}

/* The card's own business: descriptors of sent frames are free again, interrupts allowed. */
static vx_tick host_interrupt(io_backend *backend, vx_tick now)
{
    vx_io_machine *machine = backend->machine;
    backend->host_work = false;
    for (unsigned g = backend->index; g < machine->config.guests; g += machine->backends)
        io_card_clean(&machine->card[g], now);
    vx_nic_mask(machine->nic, backend->index, false, now);
    const vx_cfg_nic *nic = machine->config.nic;
    return nic->handler_ticks + (nic->backend == VX_BACKEND_DOMAIN ? nic->event_ticks : 0);
}

static vx_tick sleep_until_kicked(io_backend *backend, vx_tick now)
{
    if (!backend->idle) backend->idle_since = now;
    backend->idle = true;
    if (io_ring_count(&backend->copies)) vx_copy_engine_notify(backend->machine->engine, backend->index, now);
    return VX_TICK_NEVER;
}

vx_tick io_backend_step(void *self, vx_tick now, vx_tick horizon)
{
    (void)horizon;
    io_backend *backend = self;
    if (now < backend->due) return backend->due;
    backend->due = now;
    if (backend->busy) finish(backend, now);
    vx_tick ticks = backend->machine->engine ? collect(backend) : 0;
    ticks += send_events(backend, now);
    bool work = backend->host_work || ticks > 0;
    if (backend->host_work) ticks += host_interrupt(backend, now);
    backend->busy = backend->machine->path->backend && take_frame(backend, now);
    if (!backend->busy && !work) return sleep_until_kicked(backend, now);
    if (backend->idle) vx_ledger_charge(&backend->ledger, VX_CAUSE_IDLE, now - backend->idle_since);
    backend->idle = false;
    if (backend->busy) ticks += frame_ticks(backend);
    if (ticks == 0) ticks = 1;
    vx_ledger_charge(&backend->ledger, VX_CAUSE_IO_BACKEND, ticks);
    backend->due = now + ticks;
    return backend->due;
}
