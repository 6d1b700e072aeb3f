/* What the two halves of an endpoint share: connections. */
#ifndef ENDPOINT_PRIVATE_H
#define ENDPOINT_PRIVATE_H

#include "vx_endpoint.h"
#include "vx_random.h"

enum { ENDPOINT_RING = 256 }; /* more than a window: sequence numbers modulo this are apart */

typedef struct endpoint_flow {
    /* Sending half. */
    uint32_t acknowledged, next;   /* oldest number that is not acknowledged; next new one */
    uint32_t message_end;          /* number behind the message's last frame */
    uint16_t last_bytes;           /* of that frame */
    uint32_t resend, resend_end;   /* lost frames, to be sent again */
    uint32_t resent_to, recovered; /* holes below are sent again already; the window is halved again beyond */
    uint32_t window, threshold, growth;
    vx_tick began, progress; /* of the message; last time that the oldest number moved */
    /* Receiving half. */
    uint32_t expected, highest;        /* next number; number behind the highest seen */
    uint32_t push_end;                 /* number behind the last message's last frame */
    uint64_t seen[ENDPOINT_RING / 64]; /* numbers beyond `expected`, modulo the ring */
    uint8_t unanswered;                /* frames since the last acknowledgement */
    bool ack_due;
} endpoint_flow;

struct vx_endpoint {
    vx_endpoint_config config;
    endpoint_flow *flow;
    vx_tick *sent;                     /* a stream's, by flow and number modulo ENDPOINT_RING: when each began */
    uint64_t ready[VX_FLOWS_MAX / 64]; /* connections with something to send */
    unsigned turn;
    vx_tick timer;
    vx_random dice;
    vx_endpoint_counts counts;
};

/* a is before b, modulo 2^32 (RFC 9293, 3.4). */
static inline bool endpoint_before(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }

/* ---- the sending half (endpoint_send.c) ---- */

void endpoint_begin_message(vx_endpoint *endpoint, endpoint_flow *flow, uint32_t bytes, vx_tick now);
/* What the next message of the active end has: of a stream nothing. */
void endpoint_begin_next(vx_endpoint *endpoint, endpoint_flow *flow, vx_tick now);
void endpoint_take_ack(vx_endpoint *endpoint, endpoint_flow *flow, const vx_frame *frame, vx_tick now);
/* The connection has changed: whether it has something to send. */
void endpoint_settle(vx_endpoint *endpoint, unsigned flow);

void endpoint_sample(vx_endpoint *endpoint, vx_tick ticks);

#endif
