/* The one set-associative array: TLBs, paging-structure caches, nested TLB, data caches, IOTLB and context cache are
 * all this, with other keys.
 *
 * An entry is a 64-bit key (0 = empty, so the user's encoding must never produce 0) and a 64-bit value. A fully
 * associative array has one set. The owner computes the set number and the key; this file knows neither addresses nor
 * tags. Replacement is exact LRU (a stamp per entry, or a list per set) or tree-PLRU (one bit per inner node, ways a
 * power of two); empty ways are filled first, lowest way first. */
#ifndef VX_SETASSOC_H
#define VX_SETASSOC_H

#include <stdbool.h>
#include <stdint.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "vx_arena.h"
#include "vx_status.h"

typedef enum vx_replacement { VX_REPLACE_LRU = 0, VX_REPLACE_PLRU, VX_REPLACEMENTS } vx_replacement;

/* "lru", "plru". */
const char *vx_replacement_name(vx_replacement policy);

typedef struct vx_setassoc {
    uint64_t *keys;   /* sets x ways */
    uint64_t *values; /* sets x ways */
    uint64_t *stamps; /* LRU: sets x ways, the clock at last use; 0 where empty: the least is always the victim */
    uint64_t
        *lists; /* LRU without stamps: a word per set, a way in each four bits, the latest used lowest; else NULL */
    uint64_t *trees; /* PLRU: a word per set, bit i is inner node i (root 1): 1 = the victim is on the right */
    uint64_t *clock; /* LRU: the last stamp given; own_clock, or one that several arrays share */
    uint64_t own_clock;
    uint32_t sets; /* power of two */
    uint32_t ways; /* 1 to 64 for PLRU, any for LRU */
    vx_replacement policy;
} vx_setassoc;

#define VX_SETASSOC_NONE UINT32_MAX

/* VX_ERR_INPUT unless entries = sets x ways are 1 to 2^28, ways divide entries, entries / ways is a power of two, and
 * the policy can have that many ways. */
vx_status vx_setassoc_check(uint32_t entries, uint32_t ways, vx_replacement policy, vx_msg *msg);

/* Memory comes from the arena. Statuses of vx_setassoc_check, and VX_ERR_NOMEM. */
vx_status vx_setassoc_init(vx_setassoc *array, vx_arena *arena, uint32_t entries, uint32_t ways, vx_replacement policy,
                           vx_msg *msg);

/* From now on the array's stamps are drawn from `clock`, which it may share with others: the order within a set is all
 * that counts. The array is empty; the caller keeps the clock. */
void vx_setassoc_share_clock(vx_setassoc *array, uint64_t *clock);

enum { VX_SETASSOC_LISTED_MAX = 16 };

/* From now on the order of use is kept as a list a set instead of a stamp an entry: an insertion then costs the same
 * few instructions whatever the ways, a touch somewhat more than the one store of a stamp. For arrays that miss often.
 * PLRU and more than VX_SETASSOC_LISTED_MAX ways stay as they are. The array is empty. VX_ERR_NOMEM. */
vx_status vx_setassoc_keep_lists(vx_setassoc *array, vx_arena *arena, vx_msg *msg);

/* ---- four ways at a time: files that are compiled for AVX2 have it in a few instructions ---- */

/* Which of four words are `key`: bit i for word i. */
static inline unsigned vx_setassoc_match4(const uint64_t *words, uint64_t key)
{
#ifdef __AVX2__
    __m256i equal = _mm256_cmpeq_epi64(_mm256_loadu_si256((const __m256i *)(const void *)words),
                                       _mm256_set1_epi64x((long long)key));
    return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(equal));
#else
    if (words[0] == key) return 1;
    if (words[1] == key) return 2;
    if (words[2] == key) return 4;
    return words[3] == key ? 8 : 0;
#endif
}

#ifdef __AVX2__
/* The lower of each pair of words, none of which is 2^63 or more. */
static inline __m256i vx_setassoc_lower(__m256i a, __m256i b)
{
    return _mm256_blendv_epi8(a, b, _mm256_cmpgt_epi64(a, b));
}
#endif

/* True: none of the words is `a` or `b`. False: nobody knows. */
static inline bool vx_setassoc_lacks(const uint64_t *words, size_t count, uint64_t a, uint64_t b)
{
#ifdef __AVX2__
    if (count % 4 != 0) return false;
    const __m256i as = _mm256_set1_epi64x((long long)a), bs = _mm256_set1_epi64x((long long)b);
    __m256i any = _mm256_setzero_si256();
    for (const uint64_t *end = words + count; words < end; words += 4) {
        __m256i four = _mm256_loadu_si256((const __m256i *)(const void *)words);
        any = _mm256_or_si256(any, _mm256_or_si256(_mm256_cmpeq_epi64(four, as), _mm256_cmpeq_epi64(four, bs)));
    }
    return _mm256_testz_si256(any, any);
#else
    (void)words, (void)count, (void)a, (void)b;
    return false;
#endif
}

/* The first of `count` words that is `key`, or VX_SETASSOC_NONE. */
static inline uint32_t vx_setassoc_find_in(const uint64_t *words, size_t count, uint64_t key)
{
    size_t at = 0;
    if (count == 4) { /* most arrays */
        unsigned match = vx_setassoc_match4(words, key);
        return match ? (uint32_t)__builtin_ctz(match) : VX_SETASSOC_NONE;
    }
    for (; at + 4 <= count; at += 4) {
        unsigned match = vx_setassoc_match4(words + at, key);
        if (match) return (uint32_t)at + (uint32_t)__builtin_ctz(match);
    }
    for (; at < count; at++)
        if (words[at] == key) return (uint32_t)at;
    return VX_SETASSOC_NONE;
}

/* The first of `count` words that is `a` or `b`, or VX_SETASSOC_NONE: mostly that. */
static inline uint32_t vx_setassoc_find_either(const uint64_t *words, size_t count, uint64_t a, uint64_t b)
{
    size_t at = 0;
    if (count == 4) {
        unsigned match = vx_setassoc_match4(words, a) | vx_setassoc_match4(words, b);
        return match ? (uint32_t)__builtin_ctz(match) : VX_SETASSOC_NONE;
    }
    if (vx_setassoc_lacks(words, count, a, b)) return VX_SETASSOC_NONE;
    for (; at + 4 <= count; at += 4) {
        unsigned match = vx_setassoc_match4(words + at, a) | vx_setassoc_match4(words + at, b);
        if (match) return (uint32_t)at + (uint32_t)__builtin_ctz(match);
    }
    for (; at < count; at++)
        if (words[at] == a || words[at] == b) return (uint32_t)at;
    return VX_SETASSOC_NONE;
}

/* The slot (set x ways + way) that holds `key`, or VX_SETASSOC_NONE. Changes nothing. O(ways). */
static inline uint32_t vx_setassoc_find(const vx_setassoc *array, uint32_t set, uint64_t key)
{
    uint32_t first = set * array->ways;
    uint32_t way = vx_setassoc_find_in(array->keys + first, array->ways, key);
    return way == VX_SETASSOC_NONE ? VX_SETASSOC_NONE : first + way;
}

/* Points every tree node on the way's path away from it. */
void vx_setassoc_plru_touch(vx_setassoc *array, uint32_t slot);

/* Bits of a way in its set's list. */
static inline uint32_t vx_setassoc_list_bits(uint32_t ways) { return ways <= 4 ? 2 : 4; }

/* Lists of at most four ways: [list][way] is the list with the way at its beginning. */
extern const uint8_t vx_setassoc_short_list[256][4];

/* The same of more ways. */
static inline uint64_t vx_setassoc_long_list(uint64_t list, uint64_t way)
{
    const uint64_t ones = 0x1111111111111111;
    uint64_t differs = list ^ way * ones;
    uint64_t here = (differs - ones) & ~differs & ones << 3; /* the lowest bit is set in the way's place, the lowest */
    uint64_t up_to_here = here ^ (here - 1);
    return (list & ~up_to_here) | ((list << 4 | way) & up_to_here);
}

/* The way, which the list holds, becomes its first. */
static inline void vx_setassoc_list_touch(uint64_t *list, uint32_t ways, uint32_t way)
{
    *list = ways <= 4 ? vx_setassoc_short_list[*list][way] : vx_setassoc_long_list(*list, way);
}

/* The way used least recently: the victim. */
static inline uint32_t vx_setassoc_list_last(uint64_t list, uint32_t ways)
{
    uint32_t bits = vx_setassoc_list_bits(ways);
    return (uint32_t)(list >> bits * (ways - 1)) & ((1U << bits) - 1);
}

/* The last of the list becomes the first; returns it. What leaves at the top is looked at by nobody. */
static inline uint32_t vx_setassoc_list_turn(uint64_t *list, uint32_t ways)
{
    uint32_t last = vx_setassoc_list_last(*list, ways);
    *list = ways <= 4 ? (uint8_t)(*list << 2 | last) : *list << 4 | last;
    return last;
}

/* The slot has been emptied: it goes to the end of its list, behind higher empty ways and before lower ones. */
void vx_setassoc_list_drop(vx_setassoc *array, uint32_t slot);

/* Marks the slot as the most recently used of its set. Touching the same slot again changes nothing that a later
 * replacement could see: a filter that skips repeated touches is exact. */
static inline void vx_setassoc_touch_in(vx_setassoc *array, uint32_t set, uint32_t slot)
{
    if (array->policy != VX_REPLACE_LRU)
        vx_setassoc_plru_touch(array, slot);
    else if (array->lists)
        vx_setassoc_list_touch(&array->lists[set], array->ways, slot - set * array->ways);
    else
        array->stamps[slot] = ++*array->clock;
}

/* The same where the set is not at hand. */
static inline void vx_setassoc_touch(vx_setassoc *array, uint32_t slot)
{
    vx_setassoc_touch_in(array, array->lists ? slot / array->ways : 0, slot);
}

/* Puts key and value into the set, as the most recently used, in place of an entry with the same key, an empty way or
 * the victim. Returns the slot. *evicted_key (may be NULL) is the key it displaced, 0 where none. */
uint32_t vx_setassoc_insert(vx_setassoc *array, uint32_t set, uint64_t key, uint64_t value, uint64_t *evicted_key);

/* Without branches, for these would be mispredicted. */
static inline uint32_t vx_setassoc_lru_of_4(const uint64_t *stamps)
{
    uint32_t low = stamps[1] < stamps[0], high = stamps[3] < stamps[2] ? 3 : 2;
    return stamps[high] < stamps[low] ? high : low;
}

/* LRU by stamps: the slot of the set that an insertion takes. The first of the least stamps: an empty way, lowest
 * first, or else the least recently used. The least is selected without branches, for these would be mispredicted at
 * each new one. */
static inline uint32_t vx_setassoc_lru_victim(const vx_setassoc *array, uint32_t set)
{
    uint32_t first = set * array->ways;
    const uint64_t *stamps = array->stamps + first;
    size_t ways = array->ways, way = 1;
    if (ways == 4) return first + vx_setassoc_lru_of_4(stamps);
    uint64_t least = stamps[0];
#ifdef __AVX2__
    if (ways % 4 == 0) {
        __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)stamps);
        for (way = 4; way < ways; way += 4)
            low = vx_setassoc_lower(low, _mm256_loadu_si256((const __m256i *)(const void *)(stamps + way)));
        low = vx_setassoc_lower(low, _mm256_permute4x64_epi64(low, 0x4E)); /* halves changed over */
        low = vx_setassoc_lower(low, _mm256_shuffle_epi32(low, 0x4E));     /* pairs */
        least = (uint64_t)_mm256_extract_epi64(low, 0);
    }
#endif
    for (; way < ways; way++) least = stamps[way] < least ? stamps[way] : least;
    return first + vx_setassoc_find_in(stamps, ways, least);
}

/* An empty slot of the set, the lowest first; else the one that tree-PLRU gives up next. */
uint32_t vx_setassoc_plru_victim(const vx_setassoc *array, uint32_t set);

/* vx_setassoc_lru_victim, with the most frequent case inline. */
static inline __attribute__((always_inline)) uint32_t vx_setassoc_stamped_victim(const vx_setassoc *array, uint32_t set)
{
    if (array->ways == 4) return set * 4 + vx_setassoc_lru_of_4(array->stamps + set * 4);
    return vx_setassoc_lru_victim(array, set);
}

/* The slot that an insertion into the set takes. */
static inline __attribute__((always_inline)) uint32_t vx_setassoc_victim(const vx_setassoc *array, uint32_t set)
{
    if (array->lists) return set * array->ways + vx_setassoc_list_last(array->lists[set], array->ways);
    return array->stamps ? vx_setassoc_stamped_victim(array, set) : vx_setassoc_plru_victim(array, set);
}

/* Puts key and value into a slot of the set, as the most recently used. */
static inline __attribute__((always_inline)) void vx_setassoc_put(vx_setassoc *array, uint32_t set, uint32_t slot,
                                                                  uint64_t key, uint64_t value)
{
    array->keys[slot] = key;
    array->values[slot] = value;
    vx_setassoc_touch_in(array, set, slot);
}

/* vx_setassoc_insert_absent where lists are kept; `ways` is array->ways, for callers who know it. */
static inline __attribute__((always_inline)) uint32_t
vx_setassoc_insert_listed(vx_setassoc *array, uint32_t ways, uint32_t set, uint64_t key, uint64_t value)
{
    uint32_t slot = set * ways + vx_setassoc_list_turn(&array->lists[set], ways);
    array->keys[slot] = key;
    array->values[slot] = value;
    return slot;
}

/* vx_setassoc_insert of a key that the set is known not to hold (a lookup has just missed). */
static inline __attribute__((always_inline)) uint32_t vx_setassoc_insert_absent(vx_setassoc *array, uint32_t set,
                                                                                uint64_t key, uint64_t value)
{
    if (array->lists) return vx_setassoc_insert_listed(array, array->ways, set, key, value);
    uint32_t slot = vx_setassoc_victim(array, set);
    vx_setassoc_put(array, set, slot, key, value);
    return slot;
}

/* vx_setassoc_insert inline. */
static inline __attribute__((always_inline)) void vx_setassoc_install(vx_setassoc *array, uint32_t set, uint64_t key,
                                                                      uint64_t value)
{
    uint32_t slot = vx_setassoc_find(array, set, key);
    if (slot == VX_SETASSOC_NONE)
        vx_setassoc_insert_absent(array, set, key, value);
    else
        vx_setassoc_put(array, set, slot, key, value);
}

/* Empties one slot. */
static inline void vx_setassoc_drop(vx_setassoc *array, uint32_t slot)
{
    array->keys[slot] = 0;
    if (array->stamps) array->stamps[slot] = 0;
    if (array->lists) vx_setassoc_list_drop(array, slot);
}

/* Empties every entry for which `dead` says true; returns how many. O(entries). */
uint64_t vx_setassoc_drop_if(vx_setassoc *array, bool (*dead)(void *context, uint64_t key, uint64_t value),
                             void *context);

/* Empties all; returns how many were held. What was used before no longer shows in any later replacement. */
uint64_t vx_setassoc_clear(vx_setassoc *array);

#endif
