/* What the generators of DMA share: records with payload, turns, the IOVA allocator.
 *
 * A generator models a driver and its device: the driver maps a buffer (DMA_MAP), the device uses it (DMA), the driver
 * unmaps it (DMA_UNMAP). What the IOMMU's software does at an unmap (strict, deferred) is not in the trace: the replay
 * decides. */
#ifndef GEN_DMA_H
#define GEN_DMA_H

#include "gen_base.h"
#include "vx_addr.h"

enum { GEN_DMA_TURN = 1024, GEN_DMA_WORDS = 4, GEN_DMA_READ = 1, GEN_DMA_WRITE = 2 };

typedef struct gen_dma gen_dma;

struct gen_dma {
    vx_source source;
    vx_random random;
    uint64_t left;           /* turns to come */
    void (*turn)(gen_dma *); /* makes up to GEN_DMA_TURN records */
    void (*fini)(gen_dma *); /* NULL: nothing to free but the struct */
    size_t count, words;
    vx_record records[GEN_BATCH];
    uint64_t payload[GEN_BATCH * GEN_DMA_WORDS];
};

void vx_gen_dma_start(gen_dma *self, const char *generator, const char *defaults, const char *arguments, uint64_t seed,
                      uint64_t turns, void (*turn)(gen_dma *));

/* The device reads or writes memory at iova; bytes at least 1. No PASID. */
void vx_gen_dma(gen_dma *self, uint16_t source_id, uint64_t iova, uint64_t bytes, bool write);
/* rights: GEN_DMA_READ, GEN_DMA_WRITE, as the device has them. */
void vx_gen_map(gen_dma *self, uint16_t source_id, uint64_t iova, uint64_t gpa, uint64_t bytes, unsigned rights);
void vx_gen_unmap(gen_dma *self, uint16_t source_id, uint64_t iova, uint64_t bytes);

/* ---- Linux's allocator of I/O addresses (drivers/iommu/iova.c), for single pages ----
 *
 * Addresses come from the top of 4 GiB downwards. What is freed goes to the freeing CPU's magazines (two of 128, last
 * in first out), full magazines to a depot of 32, what does not fit there back to the tree; an allocation takes them in
 * the reverse order. So addresses that were neighbours lose their neighbourhood as buffers of different lives are
 * mixed. */

enum {
    GEN_IOVA_CPUS = 64,
    GEN_IOVA_MAGAZINE = 128,
    GEN_IOVA_DEPOT = 32,
    GEN_IOVA_PAGES = 1 << 20,
    GEN_IOVA_LAZY = 250
};

typedef struct gen_magazine {
    unsigned count;
    uint32_t page[GEN_IOVA_MAGAZINE];
} gen_magazine;

typedef struct gen_iova {
    gen_magazine loaded[GEN_IOVA_CPUS], previous[GEN_IOVA_CPUS];
    gen_magazine depot[GEN_IOVA_DEPOT];
    unsigned depot_count;
    uint32_t lowest;                  /* pages below it were never given out */
    uint32_t highest_free;            /* no page above it is free in the tree */
    uint8_t free[GEN_IOVA_PAGES / 8]; /* bit a page: given back to the tree */
    bool lazy;                        /* an address is free again only after a flush of GEN_IOVA_LAZY unmaps */
    unsigned waiting_count;
    struct {
        uint32_t page;
        unsigned cpu;
    } waiting[GEN_IOVA_LAZY];
} gen_iova;

void vx_gen_iova_init(gen_iova *iova, bool lazy);
/* An address of one page; 0 where 4 GiB are used up. */
uint64_t vx_gen_iova_take(gen_iova *iova, unsigned cpu);
void vx_gen_iova_give(gen_iova *iova, unsigned cpu, uint64_t address);

#endif
