/* The loop and the batches that all generators share. */
#include "gen_base.h"

#include <inttypes.h>
#include <stdlib.h>

enum { INSTRUCTION_BYTES = 4 };

static vx_record *append(gen *self)
{
    self->records[self->count] = (vx_record){0};
    return &self->records[self->count++];
}

void vx_gen_record(gen *self, vx_record_kind kind, uint64_t addr)
{
    vx_record *record = append(self);
    record->kind = (uint8_t)kind;
    record->addr = addr;
}

void vx_gen_access(gen *self, uint64_t address, vx_record_kind kind)
{
    if (self->left == 0) return;
    self->left--;
    *append(self) = (vx_record){.addr = address, .count = 1, .size = (uint8_t)self->size, .kind = (uint8_t)kind};
}

void vx_gen_reference(gen *self, uint64_t address)
{
    bool store = self->stores > 0 && vx_random_unit(&self->random) < self->stores;
    vx_gen_access(self, address, store ? VX_REC_STORE : VX_REC_LOAD);
}

static vx_status gen_next(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    (void)msg;
    gen *self = (gen *)source;
    self->count = 0;
    while (self->left && self->count + GEN_TURN_RECORDS <= GEN_BATCH) {
        if (self->before_turn) self->before_turn(self);
        if (self->body)
            *append(self) = (vx_record){.addr = GEN_CODE_BASE,
                                        .arg = (uint32_t)self->body * INSTRUCTION_BYTES,
                                        .count = (uint16_t)self->body,
                                        .kind = VX_REC_FETCH};
        self->turn(self);
    }
    *batch = (vx_batch){.records = self->records, .count = self->count};
    return VX_OK;
}

static void gen_close(vx_source *source)
{
    gen *self = (gen *)source;
    if (self->fini) self->fini(self);
    free(self);
}

static const vx_source_ops gen_ops = {gen_next, gen_close};

void vx_gen_start(gen *self, const char *generator, const char *defaults, const char *arguments, uint64_t seed,
                  unsigned turn_refs, void (*turn)(gen *self), void (*fini)(gen *self))
{
    uint64_t turns = self->refs / turn_refs + (self->refs % turn_refs != 0);
    self->source.ops = &gen_ops;
    self->source.header = (vx_trace_header){.tier = VX_TIER_FULL,
                                            .kind = VX_TRACE_USER,
                                            .paging = VX_PAGING_4LEVEL,
                                            .references = self->refs + turns * self->body};
    snprintf(self->source.header.recipe, sizeof self->source.header.recipe, "gen:%s:%s over %s, seed %" PRIu64,
             generator, arguments ? arguments : "", defaults, seed);
    vx_random_init(&self->random, seed, generator);
    self->seed = seed;
    self->left = self->refs;
    self->turn = turn;
    self->fini = fini;
}
