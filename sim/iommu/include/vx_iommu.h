/* The IOMMU: Intel's VT-d. DMA remapping in legacy and scalable mode, interrupt remapping and posting, invalidation by
 * register and by queue, fault recording, device TLBs.
 *
 * Hardware only: tables are real bytes of simulated memory that software writes (vx_vtd.h has their layout), and
 * software speaks to it through its registers, a page of MMIO. The bits and rules are those of the VT-d specification,
 * chapters 3 (DMA remapping), 5 (interrupt remapping), 6 (caching), 7 (faults), 11 (registers).
 *
 * NOT MODELLED: AMD's IOMMU; the extended-root mode that scalable mode replaced; protected memory regions; advanced
 * fault logging; abort-DMA mode; requests in flight (every DMA is complete before the next step, so draining is
 * trivial); memory types and snooping but for the rule on A and D flags; the enhanced command interface; performance
 * counters; root-complex peer-to-peer traffic. */
#ifndef VX_IOMMU_H
#define VX_IOMMU_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_addr.h"
#include "vx_arena.h"
#include "vx_config_io.h"
#include "vx_physmem.h"
#include "vx_stats.h"
#include "vx_status.h"
#include "vx_tick.h"
#include "vx_vtd.h"

typedef struct vx_iommu vx_iommu;

/* What the IOMMU asks of the machine around it. Any of them may be NULL. */
typedef struct vx_iommu_hooks {
    void *context;
    /* Its own message-signalled interrupts: fault, invalidation completion, page request. */
    void (*event)(void *context, uint64_t address, uint32_t data);
    /* The queue has work: run vx_iommu_queue_step, now or on the clock. NULL: it runs at once. */
    void (*queue_kick)(void *context);
    /* The answer to a page request, from a page-group response descriptor. code: 0 success, 1 invalid, 15 failure. */
    void (*page_response)(void *context, uint16_t source_id, uint32_t pasid, uint16_t group, unsigned code);
} vx_iommu_hooks;

/* Memory comes from the arena; `config` is copied; `memory` must outlive the IOMMU. After it all registers have their
 * reset values: nothing is translated. VX_ERR_INPUT where the configuration contradicts itself, VX_ERR_NOMEM. */
vx_status vx_iommu_init(vx_iommu **iommu, vx_arena *arena, const vx_cfg_iommu *config, vx_physmem *memory,
                        const vx_iommu_hooks *hooks, vx_msg *msg);

/* As given at construction; the caller's. */
const vx_cfg_iommu *vx_iommu_config(const vx_iommu *iommu);
/* What one read of a table takes. */
vx_tick vx_iommu_read_ticks(const vx_iommu *iommu);

/* ---- registers (specification, chapter 11) ---- */

/* bytes: 4 or 8, naturally aligned, within the page; anything else reads as 0. */
uint64_t vx_iommu_read(const vx_iommu *iommu, uint32_t offset, unsigned bytes);
/* Reserved and read-only bits are ignored. A 64-bit command register acts when its upper half is written. */
void vx_iommu_write(vx_iommu *iommu, uint32_t offset, unsigned bytes, uint64_t value);

/* ---- DMA ---- */

typedef enum vx_dma_type {
    VX_DMA_UNTRANSLATED, /* AT = 00 */
    VX_DMA_TRANSLATION,  /* AT = 01: a device asks for a translation (ATS) */
    VX_DMA_TRANSLATED    /* AT = 10: the address is what it got */
} vx_dma_type;

#define VX_PASID_NONE UINT32_MAX

typedef struct vx_dma_request {
    vx_iova address;
    uint32_t pasid;     /* 20 bits, or VX_PASID_NONE */
    uint16_t source_id; /* bus 15:8, device 7:3, function 2:0 */
    vx_dma_type type;
    bool write, execute, privileged; /* execute and privileged: of requests with PASID only */
} vx_dma_request;

typedef enum vx_dma_outcome {
    VX_DMA_DONE,       /* goes to `hpa` */
    VX_DMA_BLOCKED,    /* `fault` says why; recorded unless its FPD says not to or the records are full */
    VX_DMA_NOT_MAPPED, /* answer to a translation request: nothing there; no fault is recorded */
    VX_DMA_INTERRUPT,  /* a write to the interrupt range: give it to vx_iommu_interrupt */
    VX_DMA_UNSUPPORTED /* a read of the interrupt range */
} vx_dma_outcome;

typedef struct vx_dma_translation {
    vx_hpa hpa;
    vx_page_size page;  /* of the IOTLB entry; pass-through and no translation: 4K */
    bool read, write;   /* what the translation allows */
    bool hit;           /* the IOTLB answered */
    vx_vtd_fault fault; /* BLOCKED */
    uint32_t accesses;  /* reads of table entries in memory, all kinds */
    vx_tick ticks;
} vx_dma_translation;

/* One request, within one 4 KiB page. Counts, fills, sets A and D, records faults. */
vx_dma_outcome vx_iommu_translate(vx_iommu *iommu, const vx_dma_request *request, vx_dma_translation *translation);

/* ---- interrupts (chapter 5) ---- */

typedef struct vx_interrupt_request {
    uint64_t address; /* 0xFEExxxxx */
    uint32_t data;
    uint16_t source_id;
} vx_interrupt_request;

typedef enum vx_interrupt_outcome {
    VX_INTERRUPT_DELIVERED, /* remapped, or passed as it is */
    VX_INTERRUPT_NOTIFIED,  /* posted, and the notification goes to `destination` with `vector` */
    VX_INTERRUPT_POSTED,    /* posted; a notification is on its way already or suppressed */
    VX_INTERRUPT_BLOCKED
} vx_interrupt_outcome;

typedef struct vx_interrupt {
    uint32_t destination; /* APIC id, or logical destination */
    uint8_t vector;
    uint8_t mode; /* delivery mode: 0 fixed, 1 lowest priority, ... */
    bool logical, level, redirect;
    vx_vtd_fault fault;
    uint32_t accesses;
    vx_tick ticks;
} vx_interrupt;

/* What becomes of a device's write to FEEx_xxxxH: passed as it is where remapping is off or its compatibility
 * format is allowed, else by its entry of the interrupt-remapping table. *interrupt is filled: with the interrupt, or
 * where it is blocked with the reason, which is recorded as a fault unless the entry says not to (FPD). */
vx_interrupt_outcome vx_iommu_interrupt(vx_iommu *iommu, const vx_interrupt_request *request, vx_interrupt *interrupt);

/* ---- the invalidation queue as a process ---- */

/* vx_step_fn: executes descriptors from `now` until the queue is empty or halted (VX_TICK_NEVER), or the horizon. */
vx_tick vx_iommu_queue_step(void *iommu, vx_tick now, vx_tick horizon);

/* ---- device TLBs (chapter 4) ---- */

/* A device's own cache of translations, kept true by invalidation descriptors. */
typedef struct vx_device_tlb vx_device_tlb;

/* Gives the device with this source-id a TLB of `entries` entries in `ways` ways. At most 64 devices have one. */
vx_status vx_device_tlb_init(vx_device_tlb **tlb, vx_iommu *iommu, vx_arena *arena, uint16_t source_id,
                             uint32_t entries, uint32_t ways, vx_msg *msg);

/* The device's way to memory: its own TLB, else a translation request, then a translated request. NOT_MAPPED: ask for
 * the page (vx_device_page_request) and try again. */
vx_dma_outcome vx_device_tlb_translate(vx_device_tlb *tlb, const vx_dma_request *request,
                                       vx_dma_translation *translation);

typedef struct vx_device_tlb_counts {
    uint64_t lookups, hits, misses; /* lookups = hits + misses */
    uint64_t invalidated;           /* entries that descriptors dropped */
} vx_device_tlb_counts;
/* Since construction. */
vx_device_tlb_counts vx_device_tlb_counted(const vx_device_tlb *tlb);

/* A page request message (PRI). last: of its group. False where it cannot be queued: overflow (PRS.PRO), or a fault
 * (recorded). */
bool vx_iommu_page_request(vx_iommu *iommu, const vx_dma_request *request, uint16_t group, bool last);

/* ---- counters ---- */

typedef struct vx_io_cache_counts {
    uint64_t lookups, hits, misses;
    uint64_t fills, evictions;
    uint64_t dropped; /* by invalidations */
} vx_io_cache_counts;

/* What reads of memory were for. */
typedef enum vx_io_read {
    VX_IO_READ_ROOT,
    VX_IO_READ_CONTEXT,
    VX_IO_READ_DIRECTORY,
    VX_IO_READ_PASID,
    VX_IO_READ_FIRST_5,
    VX_IO_READ_FIRST_4,
    VX_IO_READ_FIRST_3,
    VX_IO_READ_FIRST_2,
    VX_IO_READ_FIRST_1,
    VX_IO_READ_SECOND_5,
    VX_IO_READ_SECOND_4,
    VX_IO_READ_SECOND_3,
    VX_IO_READ_SECOND_2,
    VX_IO_READ_SECOND_1,
    VX_IO_READ_INTERRUPT,
    VX_IO_READ_POSTED,
    VX_IO_READ_QUEUE,
    VX_IO_READS
} vx_io_read;

typedef struct vx_iommu_counts {
    uint64_t requests, done, blocked, not_mapped, interrupt_writes, unsupported; /* requests = sum of the others */
    uint64_t untouched; /* done without translation: it is off */
    uint64_t walks;     /* of page tables, nested ones whole */
    vx_io_cache_counts iotlb, context, pasid, interrupts, paging;
    uint64_t reads[VX_IO_READS];
    uint64_t accesses; /* sum over reads */
    uint64_t ad_writes;
    uint64_t interrupts_asked, interrupts_delivered, interrupts_posted, interrupts_notified, interrupts_blocked;
    uint64_t faults, faults_recorded, faults_collapsed, faults_lost, faults_silent; /* faults = sum of the others */
    uint64_t by_fault[VX_VTD_FAULT_END];
    uint64_t descriptors[16];    /* by type, executed */
    uint64_t descriptor_errors;  /* IQE and ITE */
    uint64_t register_commands;  /* invalidations through CCMD and IOTLB */
    uint64_t invalidation_ticks; /* what they took */
    uint64_t over_invalidated;   /* entries dropped that the request did not name: other pages, other domains */
    uint64_t page_requests, page_requests_lost, page_responses;
    uint64_t spaces_evicted; /* more (domain, PASID) pairs than the model tells apart at once */
} vx_iommu_counts;

/* Live counters, valid as long as the IOMMU; _reset zeroes them (end of warm-up). */
const vx_iommu_counts *vx_iommu_counted(const vx_iommu *iommu);
void vx_iommu_counts_reset(vx_iommu *iommu);

/* Declares every counter below "iommu.". */
void vx_iommu_declare(vx_iommu *iommu, vx_stats *stats);

/* requests = sum of outcomes, lookups = hits + misses, ... Writes up to `room`, returns how many there are. */
unsigned vx_iommu_identities(const vx_iommu *iommu, vx_identity *identities, unsigned room);

#endif
