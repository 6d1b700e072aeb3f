/* The wire and the peer at its other end (vx_dev.h). */
#include "dev_private.h"

enum { ACK_EVERY = 2 };

void vx_wire_carry(vx_wire *wire, const vx_frame *frame, vx_tick arrival)
{
    if (!frame_ring_put(&wire->out, frame, arrival)) return; /* as many as rings and windows hold: never full */
    wire->nic->hooks.kick(wire->nic->hooks.context, wire, frame_ring_due(&wire->out));
}

/* The peer: every second frame of a queue is acknowledged, with the time at which the later one was sent. */
static void peer_receives(vx_wire *wire, const vx_frame *frame, vx_tick now)
{
    vx_nic *nic = wire->nic;
    if (++wire->unacknowledged[frame->queue] < ACK_EVERY) return;
    wire->unacknowledged[frame->queue] = 0;
    vx_tick start = now > wire->in_free ? now : wire->in_free;
    wire->in_free = start + vx_nic_wire_ticks(nic, VX_FRAME_ACK_BYTES);
    const vx_frame acknowledgement = {.sent = frame->sent, .queue = frame->queue, .frames = ACK_EVERY};
    frame_ring_put(&wire->in, &acknowledgement, wire->in_free + vx_nic_delay_ticks(nic));
}

static vx_tick earliest(const vx_wire *wire)
{
    vx_tick out = frame_ring_count(&wire->out) ? frame_ring_due(&wire->out) : VX_TICK_NEVER;
    vx_tick in = frame_ring_count(&wire->in) ? frame_ring_due(&wire->in) : VX_TICK_NEVER;
    return out < in ? out : in;
}

/* Everything that arrives by now; both directions keep their order. */
vx_tick vx_wire_step(void *self, vx_tick now, vx_tick horizon)
{
    (void)horizon;
    vx_wire *wire = self;
    while (frame_ring_count(&wire->out) && frame_ring_due(&wire->out) <= now) {
        const vx_frame frame = *frame_ring_first(&wire->out);
        wire->out.head++;
        peer_receives(wire, &frame, now);
    }
    while (frame_ring_count(&wire->in) && frame_ring_due(&wire->in) <= now) {
        const vx_frame frame = *frame_ring_first(&wire->in);
        wire->in.head++;
        vx_nic_receive(wire->nic, &frame, now);
    }
    vx_tick next = earliest(wire);
    return next == VX_TICK_NEVER || next > now ? next : now + 1;
}
