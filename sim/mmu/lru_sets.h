/* Sets of a cache kept as lists of tags in order of use: exact LRU without stamps, and a use is one pass whether it
 * hits or fills, for either puts the tag at the front and moves what was used later than it (or all, and the last drops
 * out) one place on.
 *
 * A tag is 32 bits, 0 where there is none, so that a set of 16 ways is one cache line of the host. With AVX2 eight
 * places are compared and moved at a time. */
#ifndef VX_LRU_SETS_H
#define VX_LRU_SETS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "vx_arena.h"
#include "vx_status.h"

enum { VX_LRU_SETS_WAYS_MAX = 32, VX_LRU_SETS_NUMBER_BITS = 31, VX_LRU_SETS_LANES = 8 };

typedef struct vx_lru_sets {
    uint32_t *tags; /* sets x places, aligned to 32 bytes; each set from the most to the least recently used */
    uint32_t set_mask;
    uint8_t set_bits;
    uint8_t ways;   /* 1 to VX_LRU_SETS_WAYS_MAX */
    uint8_t places; /* ways, rounded up to VX_LRU_SETS_LANES; those beyond the ways stay 0 */
} vx_lru_sets;

/* `set_count` a power of two. Memory comes from the arena. VX_ERR_NOMEM. */
vx_status vx_lru_sets_init(vx_lru_sets *sets, vx_arena *arena, uint32_t set_count, uint32_t ways, vx_msg *msg);

/* Of numbers below 2^(VX_LRU_SETS_NUMBER_BITS + set_bits); never 0. */
static inline uint32_t vx_lru_sets_tag(const vx_lru_sets *sets, uint64_t number)
{
    return (uint32_t)(number >> sets->set_bits) << 1 | 1;
}

static inline uint32_t *vx_lru_sets_set(const vx_lru_sets *sets, uint64_t number)
{
    return sets->tags + (size_t)((uint32_t)number & sets->set_mask) * sets->places;
}

#ifdef __AVX2__
/* vx_lru_sets_use of one set; `vectors` of eight places should be a constant. Without a branch, for it would be
 * mispredicted. */
static inline __attribute__((always_inline)) bool vx_lru_set_use(uint32_t *set, unsigned ways, unsigned vectors,
                                                                 uint32_t tag)
{
    const __m256i places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i turn = _mm256_setr_epi32(7, 0, 1, 2, 3, 4, 5, 6);
    const __m256i wanted = _mm256_set1_epi32((int)tag);
    __m256i old[VX_LRU_SETS_WAYS_MAX / VX_LRU_SETS_LANES];
    uint32_t match = 0;
    for (unsigned i = 0; i < vectors; i++) {
        old[i] = _mm256_load_si256((const __m256i *)(const void *)(set + 8 * i));
        __m256i equal = _mm256_cmpeq_epi32(old[i], wanted);
        match |= (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(equal)) << 8 * i;
    }
    int last = __builtin_ctz(match | 1U << (ways - 1)); /* the place that the move ends at */
    __m256i from = wanted;                              /* lane 0: what comes in from the left */
    for (unsigned i = 0; i < vectors; i++) {
        __m256i turned = _mm256_permutevar8x32_epi32(old[i], turn);
        __m256i moved = _mm256_blend_epi32(turned, from, 1);
        __m256i stays = _mm256_cmpgt_epi32(places, _mm256_set1_epi32(last - (int)(8 * i)));
        _mm256_store_si256((__m256i *)(void *)(set + 8 * i), _mm256_blendv_epi8(moved, old[i], stays));
        from = turned;
    }
    return match != 0;
}
#else
static inline bool vx_lru_set_use(uint32_t *set, unsigned ways, unsigned vectors, uint32_t tag)
{
    (void)vectors;
    unsigned last = 0;
    while (last + 1 < ways && set[last] != tag) last++;
    bool held = set[last] == tag;
    memmove(set + 1, set, last * sizeof *set);
    set[0] = tag;
    return held;
}
#endif

/* Makes the number the most recently used of its set, in place of the least recently used if it was not held. Returns
 * whether it was. */
static inline __attribute__((always_inline)) bool vx_lru_sets_use(const vx_lru_sets *sets, uint64_t number)
{
    uint32_t *set = vx_lru_sets_set(sets, number), tag = vx_lru_sets_tag(sets, number);
    switch (sets->places / VX_LRU_SETS_LANES) { /* constants for what most caches have */
    case 1:
        return vx_lru_set_use(set, sets->ways, 1, tag);
    case 2:
        return vx_lru_set_use(set, sets->ways, 2, tag);
    default:
        return vx_lru_set_use(set, sets->ways, sets->places / VX_LRU_SETS_LANES, tag);
    }
}

#endif
