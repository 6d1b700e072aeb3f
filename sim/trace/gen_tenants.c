/* Random DMA of many tenants: each of `tenants` devices has `pages` pages, mapped once; then any device writes or reads
 * anywhere in its own. The working set of an IOTLB, without any life of buffers. */
#include <stdlib.h>

#include "gen_dma.h"

const char vx_gen_tenants_doc[] = "random DMA of `tenants` devices, each over `pages` pages of its own, mapped once";
const char vx_gen_tenants_parameters[] = "requests=1m,tenants=64,pages=16,bytes=64,writes=0.5";

enum { TENANTS_MAX = 4096 };

typedef struct tenants_gen {
    gen_dma base;
    uint64_t requests, tenants, pages, bytes, mapped;
    double writes;
} tenants_gen;

/* Tenant 0 is device 01:00.0. */
static uint16_t source_of(uint64_t tenant) { return (uint16_t)(0x100 + tenant); }

static void turn(gen_dma *base)
{
    tenants_gen *self = (tenants_gen *)base;
    uint64_t all = self->tenants * self->pages;
    if (self->mapped < all) {
        uint64_t tenant = self->mapped / self->pages, page = self->mapped % self->pages;
        vx_gen_map(base, source_of(tenant), page << VX_PAGE_SHIFT, (1ULL << 32) + (self->mapped << VX_PAGE_SHIFT),
                   VX_PAGE_BYTES, GEN_DMA_READ | GEN_DMA_WRITE);
        self->mapped++;
        return;
    }
    uint64_t tenant = vx_random_below(&base->random, self->tenants);
    uint64_t page = vx_random_below(&base->random, self->pages);
    uint64_t offset = vx_random_below(&base->random, VX_PAGE_BYTES / self->bytes) * self->bytes;
    vx_gen_dma(base, source_of(tenant), (page << VX_PAGE_SHIFT) + offset, self->bytes,
               vx_random_unit(&base->random) < self->writes);
}

vx_status vx_gen_tenants_open(vx_source **source, const char *arguments, uint64_t seed, vx_msg *msg)
{
    tenants_gen *self = calloc(1, sizeof *self);
    if (!self) return vx_fail_nomem(msg);
    const gen_parameter parameters[] = {
        {.name = "requests", .number = &self->requests, .min = 1, .max = 1ULL << 50},
        {.name = "tenants", .number = &self->tenants, .min = 1, .max = TENANTS_MAX},
        {.name = "pages", .number = &self->pages, .min = 1, .max = 1ULL << 20},
        {.name = "bytes", .number = &self->bytes, .min = 1, .max = VX_PAGE_BYTES, .bytes = true},
        {.name = "writes", .real = &self->writes, .real_min = 0, .real_max = 1},
    };
    vx_status status = vx_gen_arguments("tenants", vx_gen_tenants_parameters, arguments, parameters,
                                        sizeof parameters / sizeof *parameters, msg);
    if (status) {
        free(self);
        return status;
    }
    vx_gen_dma_start(&self->base, "tenants", vx_gen_tenants_parameters, arguments, seed,
                     self->tenants * self->pages + self->requests, turn);
    *source = &self->base.source;
    return VX_OK;
}
