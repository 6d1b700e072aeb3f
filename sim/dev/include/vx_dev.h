/* Devices: a network card with a queue for each function, its DMA engine, and the wire with the peer behind it.
 *
 * Hardware only. A NIC reads descriptors and frames from memory through the IOMMU where there is one, puts frames onto
 * the wire in turn (round robin over the queues), writes received ones to memory, and interrupts no more often than its
 * moderation allows. Each of NIC and wire is a process (vx_tick.h) that does one thing a step and never runs ahead, so
 * that nothing here depends on a clock's quantum.
 *
 * The peer acknowledges every second frame of a queue, as TCP does (RFC 1122, 4.2.3.2), with a frame of the least size.
 *
 * NOT MODELLED: bytes of descriptors and frames; PCI Express beside the chipset's time of a DMA; frames from other
 * hosts, checksum and segmentation offload; flow control. */
#ifndef VX_DEV_H
#define VX_DEV_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_arena.h"
#include "vx_config_io.h"
#include "vx_iommu.h"
#include "vx_status.h"
#include "vx_tick.h"

enum {
    VX_NIC_QUEUES_MAX = 64,
    VX_FRAME_HEADERS = 14 + 20 + 32, /* Ethernet, IPv4, TCP with timestamps */
    VX_FRAME_GAPS = 4 + 8 + 12,      /* checksum, preamble, gap between frames: on the wire alone */
    VX_FRAME_ACK_BYTES = 66
};

/* How a process asks another to run: the clock's business. `process` is an identity that the owner knows. */
typedef struct vx_dev_hooks {
    void *context;
    void (*kick)(void *context, const void *process, vx_tick at);
    void (*interrupt)(void *context, unsigned queue, vx_tick now); /* the queue's interrupt has reached the chipset */
} vx_dev_hooks;

/* One frame in flight. */
typedef struct vx_frame {
    vx_tick sent; /* when its sender's stack began with it */
    uint16_t queue;
    uint16_t bytes;  /* payload */
    uint16_t frames; /* an acknowledgement: of how many */
} vx_frame;

typedef struct vx_nic vx_nic;
typedef struct vx_wire vx_wire;

typedef struct vx_nic_config {
    const vx_cfg_nic *nic;
    vx_iommu *iommu;    /* NULL: DMA reaches memory as it is */
    uint16_t source_id; /* of queue 0; queue n has source_id + n */
    unsigned queues;    /* 1 to VX_NIC_QUEUES_MAX */
    uint64_t buffers;   /* address of the rings and buffers that drivers give the device; a queue's lie 2 MiB apart */
    uint32_t ticks_per_us; /* cycles in a microsecond */
    uint32_t dma_page_ns;  /* a DMA of 4 KiB without misses */
} vx_nic_config;

/* Memory comes from the arena. VX_ERR_INPUT where the configuration is impossible. */
vx_status vx_nic_init(vx_nic **nic, vx_wire **wire, vx_arena *arena, const vx_nic_config *config,
                      const vx_dev_hooks *hooks, vx_msg *msg);

vx_tick vx_nic_step(void *nic, vx_tick now, vx_tick horizon);
vx_tick vx_wire_step(void *wire, vx_tick now, vx_tick horizon);

/* ---- what a driver does ---- */

/* Descriptors of the queue that are free to send with. */
unsigned vx_nic_room(const vx_nic *nic, unsigned queue);
/* Puts a frame into the queue's ring and moves the tail. There must be room. */
void vx_nic_send(vx_nic *nic, const vx_frame *frame, vx_tick now);
/* Takes what was sent since the last call: how many frames' descriptors are free again. */
unsigned vx_nic_take_sent(vx_nic *nic, unsigned queue);
/* Takes the oldest received frame; false where there is none. */
bool vx_nic_take_received(vx_nic *nic, unsigned queue, vx_frame *frame);
/* The interrupt mask of the queue: while it is set, causes are kept; cleared with causes pending, it interrupts. */
void vx_nic_mask(vx_nic *nic, unsigned queue, bool masked, vx_tick now);

typedef struct vx_nic_counts {
    uint64_t frames_sent, frames_received, payload_bytes; /* that left; that arrived in memory; of those that left */
    uint64_t lost;                                        /* received without a free buffer */
    uint64_t dma_blocked;                                 /* DMAs that the IOMMU refused */
    uint64_t interrupts;
    uint64_t table_reads; /* by the IOMMU for this NIC's DMA */
    vx_tick wire_busy;    /* ticks in which the wire carried this NIC's frames */
} vx_nic_counts;
const vx_nic_counts *vx_nic_counted(const vx_nic *nic);

#endif
