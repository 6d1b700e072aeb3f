/* One end of a station's connections: what its TCP and its program do, without what they cost. A guest has one, and the
 * peer behind the wire has one for each guest.
 *
 * Workloads. The active end begins; the other answers:
 *
 *     stream            the active end sends full frames without end
 *     request-response  on every connection one request at a time, answered by one response
 *     many-flows        on every connection one message at a time, of 1 byte to 64 KiB (the logarithm is uniform); the
 *                       next one begins when it has been acknowledged
 *
 * TCP as far as throughput, loss and latency follow from it: every second frame is acknowledged, and at once the end of
 * a message, a frame behind a hole or one known already (RFC 5681, 4.2; RFC 1122, 4.2.3.2); a hole is sent again when
 * an acknowledgement tells of it (RFC 2018) and halves the window once a window (RFC 5681, 3.2; RFC 6582), which grows
 * by a frame a window; what nothing tells of is sent again after the timeout. A connection begins with its whole
 * window.
 *
 * NOT MODELLED: connections' beginning and end, slow start at it, delayed-acknowledgement timers (no workload here has
 * an odd frame wait for one), Nagle's algorithm, timeouts that adapt, reordering (links keep the order). */
#ifndef VX_ENDPOINT_H
#define VX_ENDPOINT_H

#include "vx_arena.h"
#include "vx_frame.h"
#include "vx_status.h"
#include "vx_tick.h"

typedef enum vx_workload {
    VX_WORKLOAD_STREAM,
    VX_WORKLOAD_REQUEST_RESPONSE,
    VX_WORKLOAD_MANY_FLOWS,
    VX_WORKLOADS
} vx_workload;

/* "stream", "request-response", "many-flows". */
const char *vx_workload_name(vx_workload workload);

enum {
    VX_FLOWS_MAX = 256,
    VX_WINDOW_MAX = 200,
    VX_MESSAGE_MAX = 1 << 20,
    VX_LATENCY_STEPS = 16, /* bins a power of two */
    VX_LATENCY_BINS = 1024
};

typedef struct vx_endpoint_config {
    vx_workload workload;
    bool active, guest; /* begins; is the guest's end */
    uint16_t station;
    unsigned flows;             /* 1 to VX_FLOWS_MAX */
    unsigned segment;           /* payload of a full frame, bytes, 1 to 65535 */
    uint32_t request, response; /* bytes, 1 to VX_MESSAGE_MAX */
    unsigned window;            /* unacknowledged frames of a connection, 2 to VX_WINDOW_MAX */
    vx_tick timeout;
    uint64_t seed;
} vx_endpoint_config;

typedef struct vx_endpoint_counts {
    uint64_t sent, resent;          /* frames with payload; among them again */
    uint64_t acks;                  /* frames without */
    uint64_t acknowledged, payload; /* frames, and their bytes */
    uint64_t received, duplicates;  /* frames with payload that came in; among them known ones */
    uint64_t timeouts;
    uint64_t messages; /* messages acknowledged, or requests answered */
    /* Of the active end: from a frame's beginning to its acknowledgement; of messages, to the last frame's, or to the
     * end of the response. Bins of equal ratio (vx_latency_bin). */
    uint64_t latency[VX_LATENCY_BINS];
} vx_endpoint_counts;

typedef struct vx_endpoint vx_endpoint;

/* Memory comes from the arena: VX_ERR_NOMEM. The configuration has been checked. */
vx_status vx_endpoint_init(vx_endpoint **endpoint, vx_arena *arena, const vx_endpoint_config *config, vx_msg *msg);

/* There is a frame to send. */
bool vx_endpoint_pending(const vx_endpoint *endpoint);
/* Takes it, the connections in turn; there must be one. */
vx_frame vx_endpoint_next(vx_endpoint *endpoint, vx_tick now);
/* A frame has come up the stack. */
void vx_endpoint_receive(vx_endpoint *endpoint, const vx_frame *frame, vx_tick now);

/* When vx_endpoint_expire is to be called at the latest; VX_TICK_NEVER: nothing waits. */
vx_tick vx_endpoint_due(const vx_endpoint *endpoint);
void vx_endpoint_expire(vx_endpoint *endpoint, vx_tick now);

/* Live counters, valid as long as the endpoint. */
const vx_endpoint_counts *vx_endpoint_counted(const vx_endpoint *endpoint);
/* Frames sent for the first time and not acknowledged. */
uint64_t vx_endpoint_in_flight(const vx_endpoint *endpoint);

/* The bin of a latency, 0 to VX_LATENCY_BINS - 1, and the least latency of a bin, both in ticks. A power of two has
 * VX_LATENCY_STEPS bins; the last bin holds all beyond. */
unsigned vx_latency_bin(vx_tick ticks);
vx_tick vx_latency_of_bin(unsigned bin);

#endif
