/* An endpoint: construction, its receiving half, its measure of time (vx_endpoint.h). */
#include "endpoint_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const char *vx_workload_name(vx_workload workload)
{
    static const char *const names[VX_WORKLOADS] = {"stream", "request-response", "many-flows"};
    assert(workload < VX_WORKLOADS);
    return names[workload];
}

/* ---- latency ---- */

unsigned vx_latency_bin(vx_tick ticks)
{
    if (ticks < VX_LATENCY_STEPS) return (unsigned)ticks;
    unsigned power = 63U - (unsigned)__builtin_clzll(ticks);
    unsigned bin = (power - 3) * VX_LATENCY_STEPS + (unsigned)(ticks >> (power - 4)) % VX_LATENCY_STEPS;
    return bin < VX_LATENCY_BINS ? bin : VX_LATENCY_BINS - 1;
}

vx_tick vx_latency_of_bin(unsigned bin)
{
    if (bin < 2 * VX_LATENCY_STEPS) return bin;
    return (vx_tick)(VX_LATENCY_STEPS + bin % VX_LATENCY_STEPS) << (bin / VX_LATENCY_STEPS - 1);
}

void endpoint_sample(vx_endpoint *endpoint, vx_tick ticks) { endpoint->counts.latency[vx_latency_bin(ticks)]++; }

/* ---- receiving ---- */

static bool take_seen(endpoint_flow *flow, uint32_t sequence)
{
    uint64_t *word = &flow->seen[sequence % ENDPOINT_RING / 64], bit = 1ULL << sequence % 64;
    bool was = (*word & bit) != 0;
    *word &= ~bit;
    return was;
}

/* A message is whole: a response begins, a request is answered. */
static void message_received(vx_endpoint *endpoint, endpoint_flow *flow, vx_tick now)
{
    const vx_endpoint_config *config = &endpoint->config;
    if (config->workload != VX_WORKLOAD_REQUEST_RESPONSE) {
        flow->ack_due = true;
        return;
    }
    if (!config->active) {
        endpoint_begin_message(endpoint, flow, config->response, now);
        return;
    }
    endpoint->counts.messages++;
    endpoint_sample(endpoint, now - flow->began);
    endpoint_begin_next(endpoint, flow, now);
}

static void take_payload(vx_endpoint *endpoint, endpoint_flow *flow, const vx_frame *frame, vx_tick now)
{
    uint32_t ahead = frame->sequence - flow->expected;
    endpoint->counts.received++;
    bool known =
        ahead >= ENDPOINT_RING || (flow->seen[frame->sequence % ENDPOINT_RING / 64] >> frame->sequence % 64 & 1);
    if (known) {
        endpoint->counts.duplicates++;
        flow->ack_due = true;
        return;
    }
    bool hole = endpoint_before(flow->expected, flow->highest) || ahead != 0;
    flow->seen[frame->sequence % ENDPOINT_RING / 64] |= 1ULL << frame->sequence % 64;
    if (endpoint_before(flow->highest, frame->sequence + 1)) flow->highest = frame->sequence + 1;
    if (frame->push) flow->push_end = frame->sequence + 1;
    uint32_t before = flow->expected;
    while (take_seen(flow, flow->expected)) flow->expected++;
    if (++flow->unanswered >= 2 || hole) flow->ack_due = true;
    if (before != flow->expected && flow->expected == flow->push_end) message_received(endpoint, flow, now);
}

void vx_endpoint_receive(vx_endpoint *endpoint, const vx_frame *frame, vx_tick now)
{
    if (frame->flow >= endpoint->config.flows) return; /* no such connection */
    endpoint_flow *flow = &endpoint->flow[frame->flow];
    endpoint_take_ack(endpoint, flow, frame, now);
    if (frame->bytes) take_payload(endpoint, flow, frame, now);
    endpoint_settle(endpoint, frame->flow);
}

/* ---- construction and counters ---- */

vx_status vx_endpoint_init(vx_endpoint **endpoint, vx_arena *arena, const vx_endpoint_config *config, vx_msg *msg)
{
    vx_endpoint *made = vx_arena_alloc(arena, sizeof *made);
    char name[24];
    if (!made) return vx_fail_nomem(msg);
    assert(config->flows >= 1 && config->flows <= VX_FLOWS_MAX && config->window <= VX_WINDOW_MAX);
    made->config = *config;
    made->timer = VX_TICK_NEVER;
    made->flow = vx_arena_array(arena, config->flows, sizeof *made->flow);
    bool times = config->active && config->workload == VX_WORKLOAD_STREAM;
    if (times) made->sent = vx_arena_array(arena, (size_t)config->flows * ENDPOINT_RING, sizeof *made->sent);
    if (!made->flow || (times && !made->sent)) return vx_fail_nomem(msg);
    snprintf(name, sizeof name, "station%u", config->station);
    vx_random_init(&made->dice, config->seed, name);
    for (unsigned i = 0; i < config->flows; i++) {
        made->flow[i].window = made->flow[i].threshold = config->window;
        if (config->active) endpoint_begin_next(made, &made->flow[i], 0);
        endpoint_settle(made, i);
    }
    *endpoint = made;
    return VX_OK;
}

const vx_endpoint_counts *vx_endpoint_counted(const vx_endpoint *endpoint) { return &endpoint->counts; }

uint64_t vx_endpoint_in_flight(const vx_endpoint *endpoint)
{
    uint64_t frames = 0;
    for (unsigned i = 0; i < endpoint->config.flows; i++)
        frames += endpoint->flow[i].next - endpoint->flow[i].acknowledged;
    return frames;
}
