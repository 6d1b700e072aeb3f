/* The wire and the peer at its other end (vx_dev.h). */
#include "dev_private.h"

void vx_wire_carry(vx_wire *wire, const vx_frame *frame, vx_tick arrival)
{
    if (!frame_ring_put(&wire->out, frame, arrival)) return; /* as many as the delay holds: never full */
    wire->hooks.kick(wire->hooks.context, wire, frame_ring_due(&wire->out));
}

/* ---- the peer ---- */

static void peer_receives(vx_wire *wire, const vx_frame *frame, vx_tick now)
{
    if (frame->station < wire->config.stations) vx_endpoint_receive(wire->config.peers[frame->station], frame, now);
}

static bool next_station(vx_wire *wire, unsigned *station)
{
    for (unsigned i = 0; i < wire->config.stations; i++) {
        unsigned candidate = (wire->turn + i) % wire->config.stations;
        if (!vx_endpoint_pending(wire->config.peers[candidate])) continue;
        wire->turn = (candidate + 1) % wire->config.stations;
        *station = candidate;
        return true;
    }
    return false;
}

/* One frame as soon as the wire is free. */
static vx_tick peer_sends(vx_wire *wire, vx_tick now)
{
    const vx_nic *nic = wire->config.nic;
    unsigned station;
    vx_tick due = VX_TICK_NEVER;
    for (unsigned i = 0; i < wire->config.stations; i++) {
        vx_endpoint *peer = wire->config.peers[i];
        vx_endpoint_expire(peer, now);
        if (vx_endpoint_due(peer) < due) due = vx_endpoint_due(peer);
    }
    if (now >= wire->in_free && next_station(wire, &station)) {
        const vx_frame frame = vx_endpoint_next(wire->config.peers[station], now);
        vx_tick bits = vx_nic_wire_ticks(nic, vx_frame_bytes(&frame));
        wire->in_free = now + bits;
        wire->in_busy += bits;
        frame_ring_put(&wire->in, &frame, wire->in_free + vx_nic_ticks(nic, nic->config.nic->wire_ns));
        return wire->in_free < due ? wire->in_free : due;
    }
    return wire->in_free > now && wire->in_free < due ? wire->in_free : due;
}

/* ---- the process ---- */

static vx_tick arrival(const frame_ring *ring) { return frame_ring_count(ring) ? frame_ring_due(ring) : VX_TICK_NEVER; }

/* Everything that arrives by now; both directions keep their order. */
vx_tick vx_wire_step(void *self, vx_tick now, vx_tick horizon)
{
    (void)horizon;
    vx_wire *wire = self;
    while (arrival(&wire->out) <= now) {
        const vx_frame frame = *frame_ring_first(&wire->out);
        wire->out.head++;
        peer_receives(wire, &frame, now);
    }
    while (arrival(&wire->in) <= now) {
        const vx_frame frame = *frame_ring_first(&wire->in);
        wire->in.head++;
        nic_arrive(wire->config.nic, &frame, now);
    }
    vx_tick next = peer_sends(wire, now);
    if (arrival(&wire->out) < next) next = arrival(&wire->out);
    if (arrival(&wire->in) < next) next = arrival(&wire->in);
    return next == VX_TICK_NEVER || next > now ? next : now + 1;
}

vx_tick vx_wire_busy(const vx_wire *wire) { return wire->in_busy; }

vx_status vx_wire_init(vx_wire **wire, vx_arena *arena, const vx_wire_config *config, const vx_dev_hooks *hooks,
                       vx_msg *msg)
{
    vx_wire *made = vx_arena_alloc(arena, sizeof *made);
    if (!made) return vx_fail_nomem(msg);
    made->config = *config;
    made->hooks = *hooks;
    /* What is under way at once: the delay over the time of the least frame. */
    vx_tick delay = vx_nic_ticks(config->nic, config->nic->config.nic->wire_ns);
    vx_tick frames = delay / (vx_nic_wire_ticks(config->nic, VX_FRAME_HEADERS) + 1) + 4;
    if (frames > 1 << 24)
        return vx_fail(msg, VX_ERR_INPUT, "a wire that holds %llu frames", (unsigned long long)frames);
    vx_status status = vx_frame_ring_init(&made->out, arena, (uint32_t)frames, msg);
    if (!status) status = vx_frame_ring_init(&made->in, arena, (uint32_t)frames, msg);
    if (status) return status;
    config->nic->wire = made;
    *wire = made;
    return VX_OK;
}
