/* Sources: D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators" (xoshiro256**); G. Steele,
 * D. Lea, C. Flood, "Fast splittable pseudorandom number generators" (SplitMix64); D. Lemire, "Fast random integer
 * generation in an interval"; the FNV-1a hash. */
#include "vx_random.h"

__extension__ typedef unsigned __int128 wide;

static const uint64_t golden_gamma = 0x9E3779B97F4A7C15ULL; /* SplitMix64's step: 2^64 / golden ratio, odd */

uint64_t vx_mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
}

static uint64_t hash_name(const char *name)
{
    uint64_t hash = 0xCBF29CE484222325ULL;
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001B3ULL;
    return hash;
}

void vx_random_init(vx_random *random, uint64_t seed, const char *stream)
{
    uint64_t state = vx_mix64(seed) ^ hash_name(stream);
    /* Four steps of SplitMix64 are four different words, so the one forbidden state, all zero, cannot arise. */
    for (unsigned i = 0; i < 4; i++) random->s[i] = vx_mix64(state += golden_gamma);
}

static uint64_t rotate_left(uint64_t x, unsigned by) { return (x << by) | (x >> (64 - by)); }

uint64_t vx_random_u64(vx_random *random)
{
    uint64_t *s = random->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t vx_random_below(vx_random *random, uint64_t bound)
{
    if (bound == 0) return 0;
    wide product = (wide)vx_random_u64(random) * bound;
    if ((uint64_t)product < bound) {
        uint64_t unfair = (0 - bound) % bound; /* 2^64 mod bound: as many low words would favour some results */
        while ((uint64_t)product < unfair) product = (wide)vx_random_u64(random) * bound;
    }
    return (uint64_t)(product >> 64);
}

double vx_random_unit(vx_random *random) { return (double)(vx_random_u64(random) >> 11) * 0x1.0p-53; }
