/* Devices: a network card with queues, its DMA engine, and the wire with the peer behind it.
 *
 * Hardware only. A card reads descriptors and frames from memory through the IOMMU where there is one, puts frames onto
 * the wire in turn (round robin over the queues), sorts received ones into queues by their station's address, writes
 * them to memory, and interrupts by messages, no more often than its moderation allows. Each of NIC and wire is a
 * process (vx_tick.h) that does one thing a step and never runs ahead, so that nothing here depends on a clock's
 * quantum.
 *
 * Rings are real bytes of simulated memory, in the legacy format of the 8254x (Intel, "PCI/PCI-X Family of Gigabit
 * Ethernet Controllers Software Developer's Manual", 3.2.3 and 3.3.3), and so are the headers of frames.
 *
 * NOT MODELLED: bytes of the payload; descriptors fetched ahead or written back in groups; PCI Express beside the
 * chipset's time of a DMA; frames from other hosts; checksum and segmentation offload; flow control. */
#ifndef VX_DEV_H
#define VX_DEV_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_arena.h"
#include "vx_config_io.h"
#include "vx_endpoint.h"
#include "vx_frame.h"
#include "vx_iommu.h"
#include "vx_physmem.h"
#include "vx_status.h"
#include "vx_tick.h"

enum { VX_NIC_QUEUES_MAX = 64 };

/* How a process asks another to run: the clock's business. `process` is an identity that the owner knows. */
typedef struct vx_dev_hooks {
    void *context;
    void (*kick)(void *context, const void *process, vx_tick at);
    void (*interrupt)(void *context, const vx_interrupt_request *message, vx_tick now); /* it leaves the card */
} vx_dev_hooks;

typedef struct vx_nic vx_nic;
typedef struct vx_wire vx_wire;

typedef struct vx_nic_config {
    const vx_cfg_nic *nic;
    vx_physmem *memory;    /* rings and frames */
    vx_iommu *iommu;       /* NULL: DMA reaches memory as it is */
    uint16_t source_id;    /* of the card; queue n has source_id + n where queues are virtual functions */
    bool functions;        /* queues are virtual functions */
    unsigned queues;       /* 1 to VX_NIC_QUEUES_MAX, each with a ring to send and one to receive */
    unsigned vectors;      /* interrupts: queue n tells by vector n modulo these, 1 to queues */
    uint32_t ticks_per_us; /* cycles in a microsecond */
    uint32_t dma_page_ns;  /* a DMA of 4 KiB without misses */
} vx_nic_config;

/* Memory comes from the arena. VX_ERR_INPUT where the configuration is impossible. */
vx_status vx_nic_init(vx_nic **nic, vx_arena *arena, const vx_nic_config *config, const vx_dev_hooks *hooks,
                      vx_msg *msg);
vx_tick vx_nic_step(void *nic, vx_tick now, vx_tick horizon);

/* ---- registers ---- */

/* Legacy descriptors: 16 bytes. First word: the buffer's address. Second word: */
#define VX_NIC_LENGTH 0xFFFFULL           /* bytes of the frame, headers included */
#define VX_NIC_TX_COMMAND (0x0BULL << 24) /* end of packet, insert checksum, report status */
#define VX_NIC_DONE (1ULL << 32)          /* DD: the card has finished with it */
#define VX_NIC_RX_END (1ULL << 33)        /* EOP: the frame ends here */
enum { VX_NIC_DESCRIPTOR_BYTES = 16 };

/* TDBA and RDBA: where the rings lie, as the card is to address them; TDH, TDT, RDH and RDT become 0. */
void vx_nic_rings(vx_nic *nic, unsigned queue, uint64_t transmit, uint64_t receive);
/* TDT: descriptors before it are the card's. */
void vx_nic_transmit_tail(vx_nic *nic, unsigned queue, uint32_t tail, vx_tick now);
/* RDT: buffers before it may be filled. */
void vx_nic_receive_tail(vx_nic *nic, unsigned queue, uint32_t tail);
/* Receive address registers with their queue: the station's frames go there; those of others to queue 0. */
void vx_nic_filter(vx_nic *nic, uint16_t station, unsigned queue);
/* A vector's message (MSI-X table entry). */
void vx_nic_message(vx_nic *nic, unsigned vector, uint64_t address, uint32_t data);
/* The mask of the vector: while it is set, causes are kept; cleared with causes pending, it interrupts. */
void vx_nic_mask(vx_nic *nic, unsigned vector, bool masked, vx_tick now);

typedef struct vx_nic_counts {
    uint64_t frames_sent, frames_received; /* that left; that arrived in memory */
    uint64_t lost_fifo, lost_ring;         /* received and lost: no room in the card; no free buffer */
    uint64_t not_frames;                   /* sent buffers without a frame of these stations: not put on the wire */
    uint64_t dma_blocked;                  /* DMAs that the IOMMU refused */
    uint64_t interrupts;
    uint64_t table_reads; /* by the IOMMU for this NIC's DMA */
    vx_tick wire_busy;    /* ticks in which the wire carried this NIC's frames */
} vx_nic_counts;
/* Live counters, valid as long as the card. */
const vx_nic_counts *vx_nic_counted(const vx_nic *nic);

/* ---- the wire ---- */

typedef struct vx_wire_config {
    vx_nic *nic;
    vx_endpoint *const *peers; /* the other end, one a station; outlive the wire */
    unsigned stations;
} vx_wire_config;

/* Both directions, and the peer, which takes no time of its own and sends the stations' frames in turn. Memory comes
 * from the arena: VX_ERR_NOMEM. VX_ERR_INPUT: a wire so long that it holds more than 2^24 frames. The step is a
 * vx_step_fn. */
vx_status vx_wire_init(vx_wire **wire, vx_arena *arena, const vx_wire_config *config, const vx_dev_hooks *hooks,
                       vx_msg *msg);
vx_tick vx_wire_step(void *wire, vx_tick now, vx_tick horizon);
/* Ticks in which the wire carried frames to the card. */
vx_tick vx_wire_busy(const vx_wire *wire);

#endif
