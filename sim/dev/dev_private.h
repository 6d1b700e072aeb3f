/* What NIC and wire share. */
#ifndef DEV_PRIVATE_H
#define DEV_PRIVATE_H

#include "vx_dev.h"

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

/* One function of the card. */
typedef struct nic_queue {
    frame_ring tx;               /* posted, not yet on the wire */
    frame_ring rx;               /* in memory, not yet taken */
    uint32_t posted;             /* descriptors in use: posted or sent and not taken back */
    uint32_t sent;               /* sent, not taken back */
    uint32_t tx_place, rx_place; /* next descriptors, for their addresses */
    bool masked, cause;          /* interrupt mask; something to tell */
    vx_tick quiet_until;         /* moderation */
} nic_queue;

struct vx_nic {
    vx_nic_config config;
    vx_dev_hooks hooks;
    vx_wire *wire;
    nic_queue *queue;
    unsigned turn;     /* queue whose turn on the wire it is */
    vx_tick wire_free; /* outgoing direction */
    vx_nic_counts counts;
};

struct vx_wire {
    vx_nic *nic;
    frame_ring out;           /* to the peer: due is the arrival */
    frame_ring in;            /* to the NIC */
    vx_tick in_free;          /* incoming direction */
    uint16_t *unacknowledged; /* by queue: frames since the last acknowledgement */
};

vx_tick vx_nic_wire_ticks(const vx_nic *nic, unsigned bytes); /* of a frame with headers */
vx_tick vx_nic_delay_ticks(const vx_nic *nic);
/* A frame has arrived; DMA to memory, cause of an interrupt. */
void vx_nic_receive(vx_nic *nic, const vx_frame *frame, vx_tick now);
void vx_wire_carry(vx_wire *wire, const vx_frame *frame, vx_tick arrival);

#endif
