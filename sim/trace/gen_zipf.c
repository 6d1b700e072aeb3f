/* References to items whose popularity follows Zipf's law: the k-th most popular of n has a weight of k^-theta. Ranks
 * are drawn by rejection-inversion (W. Hoermann, G. Derflinger, "Rejection-inversion to generate variates from monotone
 * discrete distributions", ACM TOMACS 6(3), 1996): exact, no table, any n. A keyed permutation scatters the ranks over
 * the working set, so that popular items do not lie side by side. */
#include <math.h>
#include <stdlib.h>

#include "gen_base.h"

const char vx_gen_zipf_doc[] = "items of `item` bytes over `bytes`, popular by Zipf's law with exponent `theta`";
const char vx_gen_zipf_parameters[] = "bytes=1g,refs=10m,theta=0.99,item=64,size=8,stores=0,body=4";

typedef struct zipf_gen {
    gen base;
    uint64_t bytes, item, items;
    double theta;
    double area_first, area_last; /* H at both ends of the ranks, as the paper names it */
    double sure;                  /* a candidate this near to its rank is accepted at once */
    unsigned half_bits;           /* of the permutation */
} zipf_gen;

/* h(x) = x^-theta */
static double weight(const zipf_gen *self, double x) { return exp(-self->theta * log(x)); }

/* (e^x - 1) / x, and its inverse's log1p(x) / x, with their limits at 0: theta = 1 then needs no case of its own. */
static double expm1_over(double x) { return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2; }
static double log1p_over(double x) { return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x / 2; }

/* H(x): the integral of h from 1 to x. */
static double area(const zipf_gen *self, double x)
{
    double log_x = log(x);
    return expm1_over((1 - self->theta) * log_x) * log_x;
}

static double inverse_area(const zipf_gen *self, double a)
{
    double t = a * (1 - self->theta);
    if (t < -1) t = -1; /* rounding only */
    return exp(log1p_over(t) * a);
}

static uint64_t draw_rank(zipf_gen *self)
{
    for (;;) {
        double u = self->area_last + vx_random_unit(&self->base.random) * (self->area_first - self->area_last);
        double x = inverse_area(self, u);
        uint64_t rank = x < 1 ? 1 : (uint64_t)(x + 0.5);
        if (rank < 1) rank = 1;
        if (rank > self->items) rank = self->items;
        double k = (double)rank;
        if (k - x <= self->sure || u >= area(self, k + 0.5) - weight(self, k)) return rank;
    }
}

/* A permutation of [0, items): a Feistel network over the next power of four, walked until it falls inside. */
static uint64_t scatter(const zipf_gen *self, uint64_t index)
{
    uint64_t mask = (1ULL << self->half_bits) - 1;
    do {
        uint64_t left = index >> self->half_bits, right = index & mask;
        for (uint64_t round = 0; round < 4; round++) {
            uint64_t mixed = left ^ (vx_mix64(right ^ vx_mix64(self->base.seed + round)) & mask);
            left = right;
            right = mixed;
        }
        index = left << self->half_bits | right;
    } while (index >= self->items);
    return index;
}

static void turn(gen *base)
{
    zipf_gen *self = (zipf_gen *)base;
    uint64_t item = scatter(self, draw_rank(self) - 1);
    uint64_t places = self->item / base->size;
    uint64_t place = places > 1 ? vx_random_below(&base->random, places) : 0;
    vx_gen_reference(base, GEN_DATA_BASE + item * self->item + place * base->size);
}

static void prepare(zipf_gen *self)
{
    self->items = self->bytes / self->item;
    if (self->items == 0) self->items = 1;
    self->area_first = area(self, 1.5) - 1;
    self->area_last = area(self, (double)self->items + 0.5);
    self->sure = 2 - inverse_area(self, area(self, 2.5) - weight(self, 2));
    self->half_bits = 1;
    while ((1ULL << 2 * self->half_bits) < self->items) self->half_bits++;
}

vx_status vx_gen_zipf_open(vx_source **source, const char *arguments, uint64_t seed, vx_msg *msg)
{
    zipf_gen *self = calloc(1, sizeof *self);
    if (!self) return vx_fail_nomem(msg);
    const gen_parameter parameters[] = {
        GEN_PARAMETERS(&self->base),
        {.name = "bytes", .number = &self->bytes, .min = 64, .max = 1ULL << 46, .bytes = true},
        {.name = "item", .number = &self->item, .min = 1, .max = 1ULL << 30, .bytes = true},
        {.name = "theta", .real = &self->theta, .real_min = 0, .real_max = 10},
    };
    vx_status status = vx_gen_arguments("zipf", vx_gen_zipf_parameters, arguments, parameters,
                                        sizeof parameters / sizeof *parameters, msg);
    if (status) {
        free(self);
        return status;
    }
    prepare(self);
    vx_gen_start(&self->base, "zipf", vx_gen_zipf_parameters, arguments, seed, 1, turn, NULL);
    *source = &self->base.source;
    return VX_OK;
}
