/* An endpoint's sending half: messages, window, what is sent again (vx_endpoint.h). */
#include "endpoint_private.h"

enum { LEAST_WINDOW = 2 };

static bool stream(const vx_endpoint *endpoint) { return endpoint->config.workload == VX_WORKLOAD_STREAM; }

/* ---- messages ---- */

void endpoint_begin_message(vx_endpoint *endpoint, endpoint_flow *flow, uint32_t bytes, vx_tick now)
{
    uint32_t segment = endpoint->config.segment, frames = (bytes + segment - 1) / segment;
    flow->message_end = flow->next + frames;
    flow->last_bytes = (uint16_t)(bytes - (frames - 1) * segment);
    flow->began = now;
}

void endpoint_begin_next(vx_endpoint *endpoint, endpoint_flow *flow, vx_tick now)
{
    if (stream(endpoint)) return;
    uint32_t bytes = endpoint->config.request;
    if (endpoint->config.workload == VX_WORKLOAD_MANY_FLOWS) {
        unsigned power = (unsigned)vx_random_below(&endpoint->dice, 16);
        bytes = (1U << power) + (uint32_t)vx_random_below(&endpoint->dice, 1U << power);
    }
    endpoint_begin_message(endpoint, flow, bytes, now);
}

static uint16_t bytes_of(const vx_endpoint *endpoint, const endpoint_flow *flow, uint32_t sequence)
{
    bool last = !stream(endpoint) && sequence + 1 == flow->message_end;
    return last ? flow->last_bytes : (uint16_t)endpoint->config.segment;
}

/* ---- what may be sent ---- */

static bool may_send_new(const vx_endpoint *endpoint, const endpoint_flow *flow)
{
    bool active = endpoint->config.active || endpoint->config.workload == VX_WORKLOAD_REQUEST_RESPONSE;
    if (!active || flow->next - flow->acknowledged >= flow->window) return false;
    return stream(endpoint) || flow->next != flow->message_end;
}

static bool may_resend(const endpoint_flow *flow) { return endpoint_before(flow->resend, flow->resend_end); }

void endpoint_settle(vx_endpoint *endpoint, unsigned index)
{
    const endpoint_flow *flow = &endpoint->flow[index];
    uint64_t bit = 1ULL << index % 64, *word = &endpoint->ready[index / 64];
    bool ready = flow->ack_due || may_resend(flow) || may_send_new(endpoint, flow);
    *word = ready ? *word | bit : *word & ~bit;
}

bool vx_endpoint_pending(const vx_endpoint *endpoint)
{
    uint64_t any = 0;
    for (unsigned i = 0; i < VX_FLOWS_MAX / 64; i++) any |= endpoint->ready[i];
    return any != 0;
}

static unsigned next_flow(vx_endpoint *endpoint)
{
    for (unsigned i = 0;; i++) {
        unsigned flow = (endpoint->turn + i) % endpoint->config.flows;
        if (!(endpoint->ready[flow / 64] >> flow % 64 & 1)) continue;
        endpoint->turn = (flow + 1) % endpoint->config.flows;
        return flow;
    }
}

static void count_sent(vx_endpoint *endpoint, unsigned index, uint32_t sequence, bool again, vx_tick now)
{
    endpoint_flow *flow = &endpoint->flow[index];
    endpoint->counts.sent++;
    endpoint->counts.resent += again;
    if (endpoint->sent) endpoint->sent[(uint64_t)index * ENDPOINT_RING + sequence % ENDPOINT_RING] = now;
    if (flow->acknowledged == sequence) flow->progress = now;
    if (endpoint->timer == VX_TICK_NEVER) endpoint->timer = now + endpoint->config.timeout;
}

vx_frame vx_endpoint_next(vx_endpoint *endpoint, vx_tick now)
{
    unsigned index = next_flow(endpoint);
    endpoint_flow *flow = &endpoint->flow[index];
    vx_frame frame = {.station = endpoint->config.station,
                      .flow = (uint16_t)index,
                      .to_peer = endpoint->config.guest,
                      .ack = flow->expected,
                      .beyond = flow->expected};
    bool again = may_resend(flow);
    frame.sequence = again ? flow->resend : flow->next;
    if (again || may_send_new(endpoint, flow)) {
        frame.bytes = bytes_of(endpoint, flow, frame.sequence);
        frame.push = !stream(endpoint) && frame.sequence + 1 == flow->message_end;
        count_sent(endpoint, index, frame.sequence, again, now);
        flow->resend += again;
        flow->next += !again;
    } else {
        endpoint->counts.acks++;
    }
    while (frame.beyond != flow->highest && !(flow->seen[frame.beyond % ENDPOINT_RING / 64] >> frame.beyond % 64 & 1))
        frame.beyond++;
    if (!endpoint_before(frame.beyond, flow->highest)) frame.beyond = frame.ack;
    flow->ack_due = false;
    flow->unanswered = 0;
    endpoint_settle(endpoint, index);
    return frame;
}

/* ---- acknowledgements ---- */

static void open_window(const vx_endpoint *endpoint, endpoint_flow *flow, uint32_t frames)
{
    if (flow->window < flow->threshold) {
        flow->window += frames;
    } else {
        flow->growth += frames;
        for (; flow->growth >= flow->window; flow->growth -= flow->window) flow->window++;
    }
    if (flow->window > endpoint->config.window) flow->window = endpoint->config.window;
}

static void halve_window(endpoint_flow *flow)
{
    flow->threshold = flow->window / 2 > LEAST_WINDOW ? flow->window / 2 : LEAST_WINDOW;
    flow->window = flow->threshold;
    flow->growth = 0;
    flow->recovered = flow->next;
}

static void advance(vx_endpoint *endpoint, endpoint_flow *flow, const vx_frame *frame, vx_tick now)
{
    uint32_t frames = frame->ack - flow->acknowledged;
    if (frames == 0 || frames > flow->next - flow->acknowledged) return; /* old, or of nothing sent */
    for (uint32_t at = flow->acknowledged; at != frame->ack; at++)
        endpoint->counts.payload += bytes_of(endpoint, flow, at);
    endpoint->counts.acknowledged += frames;
    if (endpoint->sent)
        endpoint_sample(endpoint,
                        now - endpoint->sent[(uint64_t)frame->flow * ENDPOINT_RING + (frame->ack - 1) % ENDPOINT_RING]);
    flow->acknowledged = frame->ack;
    flow->progress = now;
    if (endpoint_before(flow->resend, flow->acknowledged)) flow->resend = flow->acknowledged;
    if (endpoint_before(flow->resend_end, flow->resend)) flow->resend_end = flow->resend;
    if (endpoint_before(flow->resent_to, flow->acknowledged)) flow->resent_to = flow->acknowledged;
    if (!endpoint_before(flow->acknowledged, flow->recovered)) open_window(endpoint, flow, frames);
}

/* Frames from ack to beyond are missing: sent again once. */
static void lose(endpoint_flow *flow, uint32_t beyond)
{
    if (!endpoint_before(flow->resent_to, beyond) || endpoint_before(flow->next, beyond)) return;
    if (!endpoint_before(flow->acknowledged, flow->recovered)) halve_window(flow);
    if (!may_resend(flow)) flow->resend = flow->resent_to;
    flow->resend_end = flow->resent_to = beyond;
}

static void message_acknowledged(vx_endpoint *endpoint, endpoint_flow *flow, vx_tick now)
{
    endpoint->counts.messages++;
    endpoint_sample(endpoint, now - flow->began);
    endpoint_begin_next(endpoint, flow, now);
}

void endpoint_take_ack(vx_endpoint *endpoint, endpoint_flow *flow, const vx_frame *frame, vx_tick now)
{
    bool whole = flow->acknowledged == flow->message_end;
    advance(endpoint, flow, frame, now);
    if (frame->beyond != frame->ack && frame->ack == flow->acknowledged) lose(flow, frame->beyond);
    bool messages = endpoint->config.workload == VX_WORKLOAD_MANY_FLOWS && endpoint->config.active;
    if (messages && !whole && flow->acknowledged == flow->message_end) message_acknowledged(endpoint, flow, now);
}

/* ---- the timeout ---- */

vx_tick vx_endpoint_due(const vx_endpoint *endpoint) { return endpoint->timer; }

void vx_endpoint_expire(vx_endpoint *endpoint, vx_tick now)
{
    if (now < endpoint->timer) return;
    endpoint->timer = VX_TICK_NEVER;
    for (unsigned i = 0; i < endpoint->config.flows; i++) {
        endpoint_flow *flow = &endpoint->flow[i];
        if (flow->acknowledged == flow->next) continue;
        if (now - flow->progress >= endpoint->config.timeout) {
            endpoint->counts.timeouts++;
            halve_window(flow);
            flow->window = LEAST_WINDOW;
            flow->resend = flow->acknowledged;
            flow->resend_end = flow->resent_to = flow->acknowledged + 1;
            flow->progress = now;
            endpoint_settle(endpoint, i);
        }
        vx_tick due = flow->progress + endpoint->config.timeout;
        if (due < endpoint->timer) endpoint->timer = due;
    }
}
