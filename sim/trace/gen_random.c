/* Uniformly random references: the access pattern of GUPS (RandomAccess of the HPC Challenge), where `rmw` makes each
 * turn a load and a store to one word. */
#include <stdlib.h>

#include "gen_base.h"

const char vx_gen_random_doc[] = "uniformly random over `bytes`; rmw=1: each turn loads and stores one word";
const char vx_gen_random_parameters[] = "bytes=1g,refs=10m,size=8,stores=0,rmw=0,body=4";

typedef struct random_gen {
    gen base;
    uint64_t bytes, rmw;
} random_gen;

static void turn(gen *base)
{
    random_gen *self = (random_gen *)base;
    uint64_t address = GEN_DATA_BASE + vx_random_below(&base->random, self->bytes / base->size) * base->size;
    if (!self->rmw) {
        vx_gen_reference(base, address);
        return;
    }
    vx_gen_access(base, address, VX_REC_LOAD);
    vx_gen_access(base, address, VX_REC_STORE);
}

vx_status vx_gen_random_open(vx_source **source, const char *arguments, uint64_t seed, vx_msg *msg)
{
    random_gen *self = calloc(1, sizeof *self);
    if (!self) return vx_fail_nomem(msg);
    const gen_parameter parameters[] = {
        GEN_PARAMETERS(&self->base),
        {.name = "bytes", .number = &self->bytes, .min = 64, .max = 1ULL << 46, .bytes = true},
        {.name = "rmw", .number = &self->rmw, .min = 0, .max = 1},
    };
    vx_status status = vx_gen_arguments("random", vx_gen_random_parameters, arguments, parameters,
                                        sizeof parameters / sizeof *parameters, msg);
    if (status) {
        free(self);
        return status;
    }
    vx_gen_start(&self->base, "random", vx_gen_random_parameters, arguments, seed, self->rmw ? 2 : 1, turn, NULL);
    *source = &self->base.source;
    return VX_OK;
}
