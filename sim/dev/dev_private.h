/* What NIC and wire share. */
#ifndef DEV_PRIVATE_H
#define DEV_PRIVATE_H

#include "vx_dev.h"

enum { NIC_STATIONS_MAX = 1024 };

/* A ring of frames with their times; room is a power of two. */
typedef struct frame_ring {
    vx_frame *frame;
    vx_tick *due;
    uint32_t head, tail, room;
} frame_ring;

vx_status vx_frame_ring_init(frame_ring *ring, vx_arena *arena, uint32_t least, vx_msg *msg);
static inline uint32_t frame_ring_count(const frame_ring *ring) { return ring->tail - ring->head; }
static inline bool frame_ring_put(frame_ring *ring, const vx_frame *frame, vx_tick due)
{
    if (frame_ring_count(ring) == ring->room) return false;
    ring->frame[ring->tail & (ring->room - 1)] = *frame;
    ring->due[ring->tail++ & (ring->room - 1)] = due;
    return true;
}
static inline const vx_frame *frame_ring_first(const frame_ring *ring)
{
    return &ring->frame[ring->head & (ring->room - 1)];
}
static inline vx_tick frame_ring_due(const frame_ring *ring) { return ring->due[ring->head & (ring->room - 1)]; }

/* The card's view of a ring in memory. */
typedef struct nic_ring {
    uint64_t base;
    uint32_t head, tail, count;
} nic_ring;

typedef struct nic_queue {
    nic_ring transmit, receive;
} nic_queue;

typedef struct nic_vector {
    uint64_t address; /* message */
    uint32_t data;
    bool masked, cause;  /* something to tell */
    vx_tick quiet_until; /* moderation */
} nic_vector;

/* Where the card is in receiving: one frame at a time. */
typedef struct nic_receiving {
    frame_ring fifo;
    uint64_t fifo_bytes;
    bool busy;
    vx_tick done;
    unsigned queue;
    uint64_t descriptor; /* its device address */
    vx_frame frame;
} nic_receiving;

struct vx_nic {
    vx_nic_config config;
    vx_dev_hooks hooks;
    vx_wire *wire;
    nic_queue *queue;
    nic_vector *vector;
    uint8_t filter[NIC_STATIONS_MAX]; /* queue of a station */
    unsigned turn;                    /* queue whose turn on the wire it is */
    vx_tick wire_free;                /* outgoing direction */
    nic_receiving receiving;
    vx_nic_counts counts;
};

struct vx_wire {
    vx_wire_config config;
    vx_dev_hooks hooks;
    frame_ring out;  /* to the peer: due is the arrival */
    frame_ring in;   /* to the NIC */
    vx_tick in_free; /* incoming direction */
    vx_tick in_busy;
    unsigned turn; /* station whose turn it is */
};

vx_tick vx_nic_ticks(const vx_nic *nic, uint64_t ns);
vx_tick vx_nic_wire_ticks(const vx_nic *nic, unsigned bytes); /* of a frame with headers */
void vx_wire_carry(vx_wire *wire, const vx_frame *frame, vx_tick arrival);

/* ---- one card's DMA (nic.c) ---- */

/* The device writes to or reads from [address, address + bytes), page by page; `data` holds the first `held` of them.
 * Adds to *took; false where the IOMMU refuses. */
typedef struct nic_dma {
    unsigned queue;
    uint64_t address;
    unsigned bytes;
    bool write;
    void *data;
    unsigned held;
} nic_dma;
bool nic_dma_do(vx_nic *nic, const nic_dma *access, vx_tick *took);

/* ---- interrupts (nic_interrupts.c) ---- */

/* The queue has something to tell. */
void nic_cause(vx_nic *nic, unsigned queue, vx_tick now);
void nic_tell_all(vx_nic *nic, vx_tick now);

/* ---- receiving (nic_receive.c) ---- */

/* A frame has arrived from the wire. */
void nic_arrive(vx_nic *nic, const vx_frame *frame, vx_tick now);
/* What the receiving half does at `now`; when it wants to run next. */
vx_tick nic_receive_step(vx_nic *nic, vx_tick now);

#endif
