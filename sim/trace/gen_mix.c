/* Processes in turn: each runs `slice` instructions' worth of turns on a working set of its own, of which a part is
 * hot, then the next one's PROCESS record follows. All use the same virtual addresses, as processes do: what keeps them
 * apart is the address space. */
#include <stdlib.h>

#include "gen_base.h"

const char vx_gen_mix_doc[] =
    "`processes` in turn, `slice` references each, over hot and cold parts of their own `bytes`";
const char vx_gen_mix_parameters[] =
    "processes=4,bytes=64m,refs=10m,slice=100k,hot=1m,hotness=0.9,size=8,stores=0.3,body=4";

typedef struct mix_gen {
    gen base;
    uint64_t processes, bytes, slice, hot;
    double hotness;
    uint64_t made; /* references so far */
} mix_gen;

static void turn(gen *base)
{
    mix_gen *self = (mix_gen *)base;
    bool hot = vx_random_unit(&base->random) < self->hotness;
    uint64_t part = hot && self->hot < self->bytes ? self->hot : self->bytes;
    vx_gen_reference(base, GEN_DATA_BASE + vx_random_below(&base->random, part / base->size) * base->size);
    self->made++;
}

/* Processes are numbered from 1. */
static void before_turn(gen *base)
{
    mix_gen *self = (mix_gen *)base;
    if (self->made % self->slice == 0)
        vx_gen_record(base, VX_REC_PROCESS, self->made / self->slice % self->processes + 1);
}

vx_status vx_gen_mix_open(vx_source **source, const char *arguments, uint64_t seed, vx_msg *msg)
{
    mix_gen *self = calloc(1, sizeof *self);
    if (!self) return vx_fail_nomem(msg);
    const gen_parameter parameters[] = {
        GEN_PARAMETERS(&self->base),
        {.name = "processes", .number = &self->processes, .min = 1, .max = 1000000},
        {.name = "bytes", .number = &self->bytes, .min = 64, .max = 1ULL << 46, .bytes = true},
        {.name = "hot", .number = &self->hot, .min = 64, .max = 1ULL << 46, .bytes = true},
        {.name = "hotness", .real = &self->hotness, .real_min = 0, .real_max = 1},
        {.name = "slice", .number = &self->slice, .min = 1, .max = 1ULL << 60},
    };
    vx_status status = vx_gen_arguments("mix", vx_gen_mix_parameters, arguments, parameters,
                                        sizeof parameters / sizeof *parameters, msg);
    if (status) {
        free(self);
        return status;
    }
    vx_gen_start(&self->base, "mix", vx_gen_mix_parameters, arguments, seed, 1, turn, NULL);
    self->base.before_turn = before_turn;
    *source = &self->base.source;
    return VX_OK;
}
