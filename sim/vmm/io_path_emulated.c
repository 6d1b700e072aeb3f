/* Emulation: a device model imitates the card (io_e1000.c), so that each register access of the driver exits.
 *
 * The write of the transmit tail has the model send the frame before the guest goes on, as QEMU's does (e1000.c,
 * start_xmit), so that its cause is there when the guest is entered again; when it interrupts, masks and the throttling
 * register say. What arrives for the guest costs its processor an exit and the model's work.
 *
 * A handler's first accesses take effect when it begins and its last when it ends. The host's card has one queue for
 * received frames, whose interrupt wakes the model of each guest that has some; to send, each model has a ring of its
 * own, which stands for the host's fair queueing. */
#include "io_private.h"

static io_card *card_of(const io_guest *guest) { return &guest->machine->card[guest->index]; }

/* ---- the driver's accesses ---- */

static vx_tick accesses(io_guest *guest, io_moment moment)
{
    return io_exit(guest, VX_IO_EXIT_ACCESS, io_driver_reads(moment) + io_driver_writes(moment),
                   guest->machine->config.nic->access_ticks);
}

static void perform(io_guest *guest, io_moment moment, vx_tick now)
{
    const io_access *access;
    for (unsigned n = 0; (access = io_driver_access(moment, n)) != NULL; n++) {
        if (access->write)
            io_e1000_write(&guest->model, access->offset, io_driver_value(&guest->driver, access->offset), now);
        else
            (void)io_e1000_read(&guest->model, access->offset, now);
    }
}

/* ---- the device model ---- */

static void raise(void *context, vx_tick at)
{
    io_guest *guest = context;
    io_interrupt_guest(guest, at > guest->machine->now ? at : guest->machine->now);
}

static void transmit(void *context, vx_tick now)
{
    io_guest *guest = context;
    io_card_send(card_of(guest), &guest->frame, now);
}

static void init(io_guest *guest)
{
    const vx_io_machine_config *config = &guest->machine->config;
    const io_e1000_hooks hooks = {guest, raise, transmit};
    io_e1000_init(&guest->model, config->cpu->core.mhz, config->nic->obeys_itr, &hooks);
    io_driver_init(&guest->driver);
    perform(guest, IO_ON_SETUP, 0);
}

static vx_tick timer(io_guest *guest, vx_tick now)
{
    io_e1000_expire(&guest->model, now);
    return io_e1000_timer(&guest->model);
}

static vx_tick model_frame(io_guest *guest, const vx_frame *frame)
{
    return io_charge(guest, VX_CAUSE_IO_BACKEND,
                     guest->machine->config.nic->emulate_ticks + io_copy_ticks(guest->machine, frame));
}

/* ---- sending ---- */

static bool room(const io_guest *guest) { return io_driver_room(&guest->driver) && io_card_room(card_of(guest)) > 0; }

static vx_tick send_cost(io_guest *guest) { return accesses(guest, IO_ON_SEND) + model_frame(guest, &guest->frame); }

static void send(io_guest *guest, vx_tick now)
{
    io_driver_send(&guest->driver, vx_frame_bytes(&guest->frame));
    perform(guest, IO_ON_SEND, now);
}

/* ---- the handler ---- */

static vx_tick interrupt_cost(io_guest *guest)
{
    const vx_cfg_nic *nic = guest->machine->config.nic;
    perform(guest, IO_ON_INTERRUPT, guest->machine->now);
    io_driver_begin(&guest->driver);
    return io_deliver(guest) + accesses(guest, IO_ON_INTERRUPT) + io_exit(guest, VX_IO_EXIT_EOI, 1, nic->eoi_ticks);
}

/* Sent frames first, as e1000_clean does. */
static bool take(io_guest *guest, vx_frame *frame, vx_tick now)
{
    (void)now;
    if (guest->taken == 0) io_driver_clean(&guest->driver);
    return io_ring_take(&guest->up, frame);
}

static vx_tick taken_cost(io_guest *guest)
{
    vx_tick ticks = 0;
    for (unsigned i = 0; i < guest->taken; i++) {
        io_driver_take(&guest->driver, vx_frame_bytes(&guest->batch[i]));
        if ((i + 1) % IO_DRIVER_REFILL && i + 1 < guest->taken) continue;
        perform(guest, IO_ON_REFILL, guest->machine->now);
        ticks += accesses(guest, IO_ON_REFILL);
    }
    if (guest->taken == IO_POLL_FRAMES) return ticks; /* it will poll */
    guest->throttle = io_driver_throttle(&guest->driver);
    if (guest->throttle) ticks += accesses(guest, IO_ON_THROTTLE);
    return ticks + accesses(guest, IO_ON_COMPLETE);
}

static void handled(io_guest *guest, vx_tick now)
{
    if (guest->throttle) perform(guest, IO_ON_THROTTLE, now);
    perform(guest, IO_ON_COMPLETE, now);
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
    guest->host_work = false;
    guest->working = io_ring_count(&guest->held);
    for (uint32_t i = 0; i < guest->working; i++)
        ticks += model_frame(guest, &guest->held.frame[(guest->held.head + i) % IO_RING]);
    return ticks;
}

/* The guest's ring holds no more than its driver has given descriptors for. */
static void host(io_guest *guest, vx_tick now)
{
    vx_frame frame;
    for (; guest->working > 0 && io_ring_take(&guest->held, &frame); guest->working--) {
        bool taken = io_e1000_receive(&guest->model, now) && io_ring_put(&guest->up, &frame);
        guest->machine->lost_front += !taken;
    }
}

static const io_path_ops ops = {.init = init,
                                .room = room,
                                .send_cost = send_cost,
                                .send = send,
                                .interrupt_cost = interrupt_cost,
                                .take = take,
                                .taken_cost = taken_cost,
                                .handled = handled,
                                .host_cost = host_cost,
                                .host = host,
                                .timer = timer,
                                .arrived = arrived};

const io_path io_path_emulated = {.name = "emulated",
                                  .doc = "a device model imitates the card; each register access exits",
                                  .hypervisor = true,
                                  .shared = true,
                                  .ops = &ops};
