/* A guest (or the native system) that sends a stream: one action at a time, begun at its tick, done when it is over. */
#include "io_private.h"

enum { LATENCY_STEPS = 16 }; /* bins a power of two */

/* ---- charges ---- */

vx_tick io_charge(io_guest *guest, vx_cause cause, vx_tick ticks)
{
    vx_ledger_charge(&guest->counts.ledger, cause, ticks);
    return ticks;
}

vx_tick io_exit(io_guest *guest, vx_io_exit exit, unsigned count, vx_tick ticks)
{
    const vx_cfg_cost *cost = &guest->machine->config.cpu->cost;
    vx_tick hardware = (vx_tick)cost->vmexit_ticks + cost->vmentry_ticks;
    if (hardware > ticks) hardware = ticks;
    guest->counts.exits[exit] += count;
    guest->counts.exits_total += count;
    io_charge(guest, VX_CAUSE_EXIT_HARDWARE, hardware * count);
    io_charge(guest, VX_CAUSE_EXIT_SOFTWARE, (ticks - hardware) * count);
    return ticks * count;
}

vx_tick io_registers(io_guest *guest, io_moment moment)
{
    const vx_cfg_nic *nic = guest->machine->config.nic;
    return io_charge(guest, VX_CAUSE_GUEST_INSTRUCTIONS,
                     (vx_tick)io_driver_reads(moment) * nic->read_ticks +
                         (vx_tick)io_driver_writes(moment) * nic->write_ticks);
}

/* ---- waking ---- */

void io_kick_guest(io_guest *guest, vx_tick at)
{
    guest->machine->hooks.kick(guest->machine->hooks.context, guest->index, at);
}

void io_interrupt_guest(io_guest *guest, vx_tick now)
{
    guest->interrupt = true;
    io_kick_guest(guest, now);
}

/* ---- the stack ---- */

/* Bins of equal ratio: 16 a power of two. */
static void sample_latency(vx_io_machine *machine, vx_tick ticks)
{
    unsigned power = ticks < LATENCY_STEPS ? 4 : 63U - (unsigned)__builtin_clzll(ticks);
    unsigned bin = (power - 4) * LATENCY_STEPS + (unsigned)(ticks >> (power - 4)) % LATENCY_STEPS;
    machine->latency[bin < VX_IO_LATENCY_BINS ? bin : VX_IO_LATENCY_BINS - 1]++;
    machine->counts.latency_samples++;
}

static void acknowledge(io_guest *guest, vx_tick now)
{
    while (io_ring_count(&guest->received)) {
        vx_frame ack = io_ring_take(&guest->received);
        guest->unacknowledged -= ack.frames;
        guest->counts.acknowledged += ack.frames;
        guest->counts.payload_bytes += (uint64_t)ack.frames * guest->machine->config.payload;
        sample_latency(guest->machine, now - ack.sent);
    }
}

/* An interrupt's handler has the received frames go up the stack. */
static vx_tick begin_interrupt(io_guest *guest)
{
    const vx_cfg_nic *nic = guest->machine->config.nic;
    guest->interrupt = false;
    guest->counts.interrupts++;
    vx_tick ticks = io_charge(guest, VX_CAUSE_INTERRUPT, nic->handler_ticks);
    return ticks + guest->machine->path->interrupt_cost(guest);
}

static vx_tick begin_send(io_guest *guest)
{
    vx_tick ticks = io_charge(guest, VX_CAUSE_GUEST_INSTRUCTIONS, guest->machine->config.nic->send_ticks);
    return ticks + guest->machine->path->send_cost(guest);
}

static void finish(io_guest *guest, vx_tick now)
{
    const io_path *path = guest->machine->path;
    io_action action = guest->action;
    guest->action = IO_NOTHING;
    if (action == IO_HOST) path->host(guest, now);
    if (action == IO_INTERRUPT) {
        path->handled(guest, now);
        acknowledge(guest, now);
    }
    if (action != IO_SEND) return;
    const vx_frame frame = {
        .sent = guest->began, .queue = (uint16_t)guest->index, .bytes = (uint16_t)guest->machine->config.payload};
    guest->unacknowledged++;
    guest->counts.frames++;
    path->send(guest, &frame, now);
}

static bool may_send(const io_guest *guest) { return guest->unacknowledged < guest->machine->config.window; }

vx_tick io_guest_step(void *self, vx_tick now, vx_tick horizon)
{
    (void)horizon;
    io_guest *guest = self;
    if (guest->action != IO_NOTHING && now < guest->due) return guest->due;
    if (guest->action != IO_NOTHING) finish(guest, now);
    io_action next = guest->host_work   ? IO_HOST
                     : guest->interrupt ? IO_INTERRUPT
                     : may_send(guest)  ? IO_SEND
                                        : IO_NOTHING;
    if (next == IO_NOTHING) {
        if (!guest->idle) guest->idle_since = now;
        guest->idle = true;
        return VX_TICK_NEVER;
    }
    if (guest->idle) io_charge(guest, VX_CAUSE_IDLE, now - guest->idle_since);
    guest->idle = false;
    guest->action = next;
    guest->began = now;
    vx_tick ticks = next == IO_HOST        ? guest->machine->path->host_cost(guest)
                    : next == IO_INTERRUPT ? begin_interrupt(guest)
                                           : begin_send(guest);
    if (ticks == 0) ticks = io_charge(guest, VX_CAUSE_GUEST_INSTRUCTIONS, 1);
    guest->due = now + ticks;
    return guest->due;
}
