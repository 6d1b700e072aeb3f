/* A guest (or the native system): one action at a time, begun at its tick, done when it is over. */
#include "io_private.h"

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

vx_tick io_copy_ticks(const vx_io_machine *machine, const vx_frame *frame)
{
    return (vx_tick)vx_frame_bytes(frame) * machine->config.nic->copy_kib_ticks / 1024;
}

vx_tick io_deliver(io_guest *guest)
{
    const vx_io_machine_config *config = &guest->machine->config;
    if (guest->woken) return io_charge(guest, VX_CAUSE_INTERRUPT, config->cpu->cost.interrupt_ticks);
    return io_exit(guest, VX_IO_EXIT_INTERRUPT, 1, config->nic->inject_ticks);
}

/* ---- waking ---- */

/* The hypervisor has a halted vCPU run again. */
static vx_tick wake(io_guest *guest)
{
    guest->halted = false;
    guest->woken = true;
    return io_charge(guest, VX_CAUSE_EXIT_SOFTWARE, guest->machine->config.nic->wake_ticks);
}

void io_kick(vx_io_machine *machine, unsigned process, vx_tick at)
{
    machine->hooks.kick(machine->hooks.context, process, at);
}

void io_interrupt_guest(io_guest *guest, vx_tick at)
{
    if (!guest->interrupt || at < guest->interrupt_at) guest->interrupt_at = at;
    guest->interrupt = true;
    io_kick(guest->machine, guest->index, at);
}

/* ---- the stack ---- */

static vx_tick payload_ticks(const vx_cfg_nic *nic, const vx_frame *frame)
{
    return (vx_tick)frame->bytes * nic->kib_ticks / 1024;
}

/* A handler takes up to its share of frames; what it leaves it polls for, without another interrupt (Linux's NAPI). */
static vx_tick begin_interrupt(io_guest *guest, vx_tick now)
{
    const vx_cfg_nic *nic = guest->machine->config.nic;
    const io_path *path = guest->machine->path;
    vx_tick ticks = io_charge(guest, VX_CAUSE_INTERRUPT, nic->handler_ticks), frames = 0;
    guest->interrupt = false;
    if (!guest->polling) {
        guest->counts.interrupts++;
        ticks += path->ops->interrupt_cost(guest);
    }
    for (guest->taken = 0; guest->taken < IO_POLL_FRAMES; guest->taken++) {
        vx_frame *frame = &guest->batch[guest->taken];
        if (!path->ops->take(guest, frame, now)) break;
        frames += nic->receive_ticks + payload_ticks(nic, frame);
    }
    frames += io_card_mapping_ticks(&guest->machine->card[guest->index]);
    if (path->ops->taken_cost) ticks += path->ops->taken_cost(guest);
    return ticks + io_charge(guest, VX_CAUSE_GUEST_INSTRUCTIONS, frames);
}

static void finish_interrupt(io_guest *guest, vx_tick now)
{
    for (unsigned i = 0; i < guest->taken; i++) vx_endpoint_receive(guest->stack, &guest->batch[i], now);
    const io_path *path = guest->machine->path;
    guest->polling = guest->taken == IO_POLL_FRAMES || (path->ops->more && path->ops->more(guest));
    if (!guest->polling && path->ops->handled) path->ops->handled(guest, now);
}

static vx_tick begin_send(io_guest *guest, vx_tick now)
{
    const vx_cfg_nic *nic = guest->machine->config.nic;
    guest->frame = vx_endpoint_next(guest->stack, now);
    vx_tick stack = guest->frame.bytes ? nic->send_ticks + payload_ticks(nic, &guest->frame) : nic->ack_ticks;
    return io_charge(guest, VX_CAUSE_GUEST_INSTRUCTIONS, stack) + guest->machine->path->ops->send_cost(guest);
}

/* ---- the process ---- */

static void finish(io_guest *guest, vx_tick now)
{
    const io_path *path = guest->machine->path;
    io_action action = guest->action;
    guest->action = IO_NOTHING;
    if (action == IO_HALT) guest->halted = true;
    if (action == IO_HOST) path->ops->host(guest, now);
    if (action == IO_INTERRUPT) finish_interrupt(guest, now);
    if (action == IO_SEND) path->ops->send(guest, now);
}

static io_action next_action(io_guest *guest, vx_tick now)
{
    vx_endpoint_expire(guest->stack, now);
    if (guest->host_work) return IO_HOST;
    if (guest->polling || (guest->interrupt && now >= guest->interrupt_at)) return IO_INTERRUPT;
    bool sends = vx_endpoint_pending(guest->stack) && guest->machine->path->ops->room(guest);
    if (sends) return IO_SEND;
    return guest->machine->path->hypervisor && !guest->halted ? IO_HALT : IO_NOTHING;
}

static vx_tick begin(io_guest *guest, io_action next, vx_tick now)
{
    vx_tick ticks = 0;
    guest->action = next;
    guest->woken = false;
    switch (next) {
    case IO_HALT:
        return io_exit(guest, VX_IO_EXIT_HALT, 1, guest->machine->config.nic->inject_ticks);
    case IO_HOST:
        return guest->machine->path->ops->host_cost(guest); /* needs no running guest */
    case IO_INTERRUPT:
        if (guest->halted) ticks = wake(guest);
        return ticks + begin_interrupt(guest, now);
    default:
        if (guest->halted) ticks = wake(guest); /* by its timer */
        return ticks + begin_send(guest, now);
    }
}

/* What the device model's timer was to do meanwhile; when it is next due. */
static vx_tick model_timer(io_guest *guest, vx_tick now)
{
    const io_path_ops *ops = guest->machine->path->ops;
    return ops->timer ? ops->timer(guest, now) : VX_TICK_NEVER;
}

static vx_tick rest(io_guest *guest, vx_tick now)
{
    if (!guest->idle) guest->idle_since = now;
    guest->idle = true;
    vx_tick timer = vx_endpoint_due(guest->stack), model = model_timer(guest, now);
    if (model < timer) timer = model;
    return guest->interrupt && guest->interrupt_at < timer ? guest->interrupt_at : timer;
}

/* ---- the IOMMU's driver waits ---- */

static bool invalidates(const vx_io_machine *machine)
{
    if (!machine->card[0].mapper) return false;
    return vx_iommu_read(machine->iommu, VX_VTD_IQH, 8) != vx_iommu_read(machine->iommu, VX_VTD_IQT, 8);
}

/* What an action has unmapped must be gone from the IOTLB before it goes on (qi_submit_sync: the processor spins). */
static void wait_for_queue(io_guest *guest, vx_tick now, vx_tick ticks)
{
    guest->waits = true;
    guest->wait_since = now;
    guest->wait_ticks = ticks;
    guest->due = VX_TICK_NEVER;
}

void io_guest_go_on(io_guest *guest, vx_tick now)
{
    if (!guest->waits) return;
    guest->waits = false;
    guest->machine->counts.wait_ticks += io_charge(guest, VX_CAUSE_GUEST_INSTRUCTIONS, now - guest->wait_since);
    guest->due = now + guest->wait_ticks;
    io_kick(guest->machine, guest->index, guest->due);
}

vx_tick io_guest_step(void *self, vx_tick now, vx_tick horizon)
{
    (void)horizon;
    io_guest *guest = self;
    guest->machine->now = now;
    if (guest->action != IO_NOTHING && now < guest->due) return guest->due;
    (void)model_timer(guest, now);
    if (guest->action != IO_NOTHING) finish(guest, now);
    io_action next = next_action(guest, now);
    if (next == IO_NOTHING) return rest(guest, now);
    if (guest->idle) io_charge(guest, VX_CAUSE_IDLE, now - guest->idle_since);
    guest->idle = false;
    vx_tick ticks = begin(guest, next, now);
    if (ticks == 0) ticks = io_charge(guest, VX_CAUSE_GUEST_INSTRUCTIONS, 1);
    guest->due = now + ticks;
    if (invalidates(guest->machine)) wait_for_queue(guest, now, ticks);
    return guest->due;
}
