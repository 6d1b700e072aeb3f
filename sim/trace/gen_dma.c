/* Turns and batches of the DMA generators. */
#include "gen_dma.h"

#include <inttypes.h>
#include <stdlib.h>

/* Matches VX_PASID_NONE of vx_iommu.h: vx_record.h says so. */
static const uint64_t pasid_none = UINT32_MAX;

static void put(gen_dma *self, vx_record_kind kind, uint8_t size, uint64_t addr, const uint64_t *words, unsigned count)
{
    self->records[self->count++] = (vx_record){
        .addr = addr, .arg = (uint32_t)self->words, .count = (uint16_t)count, .size = size, .kind = (uint8_t)kind};
    for (unsigned i = 0; i < count; i++) self->payload[self->words++] = words[i];
}

void vx_gen_dma(gen_dma *self, uint16_t source_id, uint64_t iova, uint64_t bytes, bool write)
{
    const uint64_t words[] = {source_id, pasid_none, bytes};
    put(self, VX_REC_DMA, write, iova, words, 3);
}

void vx_gen_map(gen_dma *self, uint16_t source_id, uint64_t iova, uint64_t gpa, uint64_t bytes, unsigned rights)
{
    const uint64_t words[] = {source_id, gpa, bytes, rights};
    put(self, VX_REC_DMA_MAP, 0, iova, words, 4);
}

void vx_gen_unmap(gen_dma *self, uint16_t source_id, uint64_t iova, uint64_t bytes)
{
    const uint64_t words[] = {source_id, bytes};
    put(self, VX_REC_DMA_UNMAP, 0, iova, words, 2);
}

static vx_status gen_dma_next(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    (void)msg;
    gen_dma *self = (gen_dma *)source;
    self->count = self->words = 0;
    while (self->left && self->count + GEN_DMA_TURN <= GEN_BATCH) {
        self->left--;
        self->turn(self);
    }
    *batch = (vx_batch){self->records, self->count, self->payload, self->words};
    return VX_OK;
}

static void gen_dma_close(vx_source *source)
{
    gen_dma *self = (gen_dma *)source;
    if (self->fini) self->fini(self);
    free(self);
}

void vx_gen_dma_start(gen_dma *self, const char *generator, const char *defaults, const char *arguments, uint64_t seed,
                      uint64_t turns, void (*turn)(gen_dma *))
{
    static const vx_source_ops ops = {gen_dma_next, gen_dma_close};
    self->source.ops = &ops;
    self->source.header = (vx_trace_header){.tier = VX_TIER_FULL, .kind = VX_TRACE_DMA, .paging = VX_PAGING_NONE};
    snprintf(self->source.header.recipe, sizeof self->source.header.recipe, "gen:%s:%s over %s, seed %" PRIu64,
             generator, arguments ? arguments : "", defaults, seed);
    vx_random_init(&self->random, seed, generator);
    self->left = turns;
    self->turn = turn;
}
