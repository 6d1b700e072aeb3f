/* References at a fixed stride through the working set, again and again. */
#include <stdlib.h>

#include "gen_base.h"

const char vx_gen_sequential_doc[] = "every `stride` bytes through `bytes`, again and again";
const char vx_gen_sequential_parameters[] = "bytes=1g,refs=10m,stride=64,size=8,stores=0,body=4";

typedef struct sequential_gen {
    gen base;
    uint64_t bytes, stride, offset;
} sequential_gen;

static void turn(gen *base)
{
    sequential_gen *self = (sequential_gen *)base;
    vx_gen_reference(base, GEN_DATA_BASE + self->offset);
    self->offset += self->stride;
    if (self->offset >= self->bytes) self->offset = 0;
}

vx_status vx_gen_sequential_open(vx_source **source, const char *arguments, uint64_t seed, vx_msg *msg)
{
    sequential_gen *self = calloc(1, sizeof *self);
    if (!self) return vx_fail_nomem(msg);
    const gen_parameter parameters[] = {
        GEN_PARAMETERS(&self->base),
        {.name = "bytes", .number = &self->bytes, .min = 1, .max = 1ULL << 46, .bytes = true},
        {.name = "stride", .number = &self->stride, .min = 1, .max = 1ULL << 40, .bytes = true},
    };
    vx_status status = vx_gen_arguments("sequential", vx_gen_sequential_parameters, arguments, parameters,
                                        sizeof parameters / sizeof *parameters, msg);
    if (status) {
        free(self);
        return status;
    }
    vx_gen_start(&self->base, "sequential", vx_gen_sequential_parameters, arguments, seed, 1, turn, NULL);
    *source = &self->base.source;
    return VX_OK;
}
