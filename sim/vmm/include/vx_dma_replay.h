/* Replays the DMA records of a trace: maps and unmaps through the IOMMU's driver, DMA through the IOMMU.
 *
 * Time is the devices': a DMA of 4 KiB takes `page_ticks` without a miss, less in proportion where it is shorter, and
 * each read of a table in memory on its way adds `read_ticks` of the IOMMU's configuration. This is the model of
 * Agarwal et al., "Fast & Safe IO Memory Protection" (SOSP 2024): T = p / (l0 + M lm). */
#ifndef VX_DMA_REPLAY_H
#define VX_DMA_REPLAY_H

#include "vx_iommu_driver.h"
#include "vx_record.h"

typedef struct vx_dma_replay_counts {
    uint64_t dmas, bytes; /* records; bytes of those whose length is known */
    uint64_t pages;       /* data: whole or partial pages of DMAs longer than `small_bytes` */
    uint64_t page_reads;  /* reads of tables for all DMAs, those of rings among them */
    uint64_t blocked;     /* requests that faulted */
    uint64_t messages, messages_blocked;
    uint64_t skipped; /* records that are no devices' */
    uint64_t ticks;   /* time of the devices */
} vx_dma_replay_counts;

typedef struct vx_dma_replay {
    vx_iommu *iommu;
    vx_iommu_driver *driver;
    uint32_t page_ticks;
    uint32_t small_bytes; /* up to so many bytes a DMA is a descriptor or a completion, not data; 64 is usual */
    uint64_t remainder;   /* of time, in 4096ths of a tick */
    vx_dma_replay_counts counts;
} vx_dma_replay;

/* One batch. VX_ERR_INPUT, VX_ERR_NOMEM as the driver says; the records before are replayed. */
vx_status vx_dma_replay_batch(vx_dma_replay *replay, const vx_batch *batch, vx_msg *msg);

/* Declares its counters below "dma.". */
void vx_dma_replay_declare(vx_dma_replay *replay, vx_stats *stats);

#endif
