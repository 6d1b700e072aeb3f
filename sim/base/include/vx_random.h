/* Random streams: xoshiro256** (Blackman and Vigna 2018), seeded by SplitMix64 from a seed and a stream's name, so
 * that one more consumer of random numbers never shifts another's. */
#ifndef VX_RANDOM_H
#define VX_RANDOM_H

#include <stdint.h>

typedef struct vx_random {
    uint64_t s[4];
} vx_random;

/* A stream of its own for each name: equal seed and name give equal numbers, whatever other streams there are. */
void vx_random_init(vx_random *random, uint64_t seed, const char *stream);

/* The next 64 bits, all of them random. */
uint64_t vx_random_u64(vx_random *random);

/* Uniform in [0, bound), without bias (Lemire 2019); bound 0 gives 0. */
uint64_t vx_random_below(vx_random *random, uint64_t bound);

/* Uniform in [0, 1), 53 bits. */
double vx_random_unit(vx_random *random);

/* One good mixing of a word (SplitMix64's finalizer): for keyed hashes and permutations. */
uint64_t vx_mix64(uint64_t x);

#endif
