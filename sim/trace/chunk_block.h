/* Differences read back from their columns, sixteen codes at a time: in a few instructions in files that are compiled
 * for AVX2. Codes follow no pattern, so nothing here branches on one that is common. */
#ifndef CHUNK_BLOCK_H
#define CHUNK_BLOCK_H

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "chunk_decoder.h"

/* Reading positions of one set of difference columns, by way. Ways 0 and 1 read zeros and stay where they are. */
typedef struct differences {
    const uint8_t *at[VXT_WIDTHS];
} differences;

static inline differences differences_at(const uint8_t *const *columns)
{
    static const uint8_t zeros[8];
    differences from = {{zeros, zeros}};
    for (unsigned i = 2; i < VXT_WIDTHS; i++) from.at[i] = columns[i - 2];
    return from;
}

/* The next difference of a way, 0 for one that is given again; reads 8 bytes wherever it stands (VXT_RAW_SLACK). */
static inline uint64_t take_new_difference(differences *from, unsigned way)
{
    /* A way's bytes, and the highest bit of them. */
    static const uint64_t bytes[VXT_WIDTHS] = {0, 0, 0xFF, 0xFFFF, 0xFFFFFF, UINT32_MAX, (1ULL << 48) - 1, UINT64_MAX};
    static const uint64_t sign[VXT_WIDTHS] = {0,          0,          1ULL << 7,  1ULL << 15,
                                              1ULL << 23, 1ULL << 31, 1ULL << 47, 1ULL << 63};
    uint64_t value = ((vxt_get64(from->at[way]) & bytes[way]) ^ sign[way]) - sign[way];
    from->at[way] += vx_chunk_width_bytes[way];
    return value;
}

/* The next difference. *repeat: the last one that was not 0. */
static inline uint64_t take_difference(differences *from, unsigned way, uint64_t *repeat)
{
    uint64_t value = take_new_difference(from, way) | (way == 1 ? *repeat : 0);
    *repeat = value ? value : *repeat;
    return value;
}

typedef struct block {
    uint64_t difference[BLOCK]; /* 0 where it is given again */
    unsigned again, after;      /* a bit a code: the last difference again; it is to the address before */
} block;

#ifdef __AVX2__

/* For each byte of the mask that is set, how many are before it; else bit 7 is set, for which a shuffle gives 0. */
static inline __m128i places_of(__m128i mask)
{
    __m128i sum = mask; /* set is -1 */
    sum = _mm_add_epi8(sum, _mm_slli_si128(sum, 1));
    sum = _mm_add_epi8(sum, _mm_slli_si128(sum, 2));
    sum = _mm_add_epi8(sum, _mm_slli_si128(sum, 4));
    sum = _mm_add_epi8(sum, _mm_slli_si128(sum, 8));
    __m128i before = _mm_sub_epi8(_mm_set1_epi8(-1), sum);
    return _mm_or_si128(before, _mm_andnot_si128(mask, _mm_set1_epi8(-1)));
}

static inline __m128i load16(const void *at) { return _mm_loadu_si128((const __m128i *)at); }

static inline void store_words(uint64_t *out, __m128i words)
{
    _mm256_storeu_si256((__m256i *)(void *)out, _mm256_cvtepi16_epi64(words));
    _mm256_storeu_si256((__m256i *)(void *)(out + 4), _mm256_cvtepi16_epi64(_mm_srli_si128(words, 8)));
}

/* Differences of one byte and of two by shuffles, of which the latter know eight places: false, nothing was taken. The
 * others are 0. */
static inline bool take_narrow(__m128i ways, differences *from, block *out)
{
    __m128i ones = _mm_cmpeq_epi8(ways, _mm_set1_epi8(2)), twos = _mm_cmpeq_epi8(ways, _mm_set1_epi8(3));
    unsigned two_count = (unsigned)__builtin_popcount((unsigned)_mm_movemask_epi8(twos));
    if (__builtin_expect(two_count > 8, 0)) return false;
    const __m128i even = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m128i odd = _mm_setr_epi8(1, 3, 5, 7, 9, 11, 13, 15, -1, -1, -1, -1, -1, -1, -1, -1);
    __m128i one_bytes = load16(from->at[2]), two_bytes = load16(from->at[3]), places = places_of(twos);
    __m128i low = _mm_shuffle_epi8(one_bytes, places_of(ones));
    __m128i high = _mm_cmpgt_epi8(_mm_setzero_si128(), low); /* the sign */
    low = _mm_or_si128(low, _mm_shuffle_epi8(_mm_shuffle_epi8(two_bytes, even), places));
    high = _mm_or_si128(high, _mm_shuffle_epi8(_mm_shuffle_epi8(two_bytes, odd), places));
    store_words(out->difference, _mm_unpacklo_epi8(low, high));
    store_words(out->difference + 8, _mm_unpackhi_epi8(low, high));
    from->at[2] += __builtin_popcount((unsigned)_mm_movemask_epi8(ones));
    from->at[3] += 2 * two_count;
    return true;
}

/* Reads 16 bytes wherever a column stands (VXT_RAW_SLACK). */
static inline void take_block(const uint8_t *codes, differences *from, block *out)
{
    __m128i some = load16(codes), ways = _mm_and_si128(some, _mm_set1_epi8(VXT_CODE_WIDTH));
    out->again = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(ways, _mm_set1_epi8(1)));
    out->after = (unsigned)_mm_movemask_epi8(_mm_slli_epi16(some, 4)); /* VXT_CODE_AFTER on top */
    bool narrow = take_narrow(ways, from, out);
    if (!narrow) memset(out->difference, 0, sizeof out->difference);
    unsigned rest = (unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(ways, _mm_set1_epi8(narrow ? 3 : 1)));
    for (; rest; rest &= rest - 1) { /* wider ones are rare */
        unsigned i = (unsigned)__builtin_ctz(rest);
        out->difference[i] = take_new_difference(from, codes[i] & VXT_CODE_WIDTH);
    }
}

#else

static inline void take_block(const uint8_t *codes, differences *from, block *out)
{
    out->again = out->after = 0;
    for (unsigned i = 0; i < BLOCK; i++) {
        unsigned way = codes[i] & VXT_CODE_WIDTH;
        out->difference[i] = take_new_difference(from, way);
        out->again |= (unsigned)(way == 1) << i;
        out->after |= (unsigned)(codes[i] / VXT_CODE_AFTER) << i;
    }
}

#endif
#endif
