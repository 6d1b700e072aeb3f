/* A pointer chase: one line on each of `pages` pages, in the order of a random permutation that is one cycle (Sattolo's
 * algorithm), so that each lap touches every page once and no prefetcher or page order helps. The line's place differs
 * from page to page: were it the same, all lines would fall into the same few cache sets and the chase would measure
 * the caches, not the TLB. */
#include <stdlib.h>

#include "gen_base.h"
#include "vx_addr.h"

enum { PAGES_MAX = 1 << 24 };

const char vx_gen_chase_doc[] = "a pointer chase: one line on each of `pages` pages, in one random cycle";
const char vx_gen_chase_parameters[] = "pages=512,refs=10m,page=4k,size=8,stores=0,body=4";

typedef struct chase_gen {
    gen base;
    uint64_t pages, page;
    uint32_t *next; /* the cycle: next[p] follows page p */
    uint32_t at;
} chase_gen;

static void turn(gen *base)
{
    chase_gen *self = (chase_gen *)base;
    uint64_t line = self->at % (self->page / VX_LINE_BYTES);
    vx_gen_reference(base, GEN_DATA_BASE + self->at * self->page + line * VX_LINE_BYTES);
    self->at = self->next[self->at];
}

static void fini(gen *base) { free(((chase_gen *)base)->next); }

static bool make_cycle(chase_gen *self)
{
    self->next = malloc(self->pages * sizeof *self->next);
    if (!self->next) return false;
    for (uint32_t i = 0; i < self->pages; i++) self->next[i] = i;
    for (uint64_t i = self->pages; i-- > 1;) {
        uint64_t j = vx_random_below(&self->base.random, i); /* below i, never i itself: one cycle */
        uint32_t other = self->next[j];
        self->next[j] = self->next[i];
        self->next[i] = other;
    }
    return true;
}

vx_status vx_gen_chase_open(vx_source **source, const char *arguments, uint64_t seed, vx_msg *msg)
{
    chase_gen *self = calloc(1, sizeof *self);
    if (!self) return vx_fail_nomem(msg);
    const gen_parameter parameters[] = {
        GEN_PARAMETERS(&self->base),
        {.name = "pages", .number = &self->pages, .min = 1, .max = PAGES_MAX},
        {.name = "page", .number = &self->page, .min = VX_LINE_BYTES, .max = 1ULL << 30, .bytes = true},
    };
    vx_status status = vx_gen_arguments("chase", vx_gen_chase_parameters, arguments, parameters,
                                        sizeof parameters / sizeof *parameters, msg);
    if (!status) {
        vx_gen_start(&self->base, "chase", vx_gen_chase_parameters, arguments, seed, 1, turn, fini);
        if (!make_cycle(self)) status = vx_fail_nomem(msg);
    }
    if (status) {
        free(self);
        return status;
    }
    *source = &self->base.source;
    return VX_OK;
}
