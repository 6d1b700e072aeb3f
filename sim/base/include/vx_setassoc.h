/* The one set-associative array: TLBs, paging-structure caches, nested TLB, data caches, IOTLB and context cache are
 * all this, with other keys.
 *
 * An entry is a 64-bit key (0 = empty, so the user's encoding must never produce 0) and a 64-bit value. A fully
 * associative array has one set. The owner computes the set number and the key; this file knows neither addresses nor
 * tags. Replacement is exact LRU (a stamp per entry) or tree-PLRU (one bit per inner node, ways a power of two);
 * empty ways are filled first, lowest way first. */
#ifndef VX_SETASSOC_H
#define VX_SETASSOC_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_arena.h"
#include "vx_status.h"

typedef enum vx_replacement { VX_REPLACE_LRU = 0, VX_REPLACE_PLRU, VX_REPLACEMENTS } vx_replacement;

/* "lru", "plru". */
const char *vx_replacement_name(vx_replacement policy);

typedef struct vx_setassoc {
    uint64_t *keys;   /* sets x ways */
    uint64_t *values; /* sets x ways */
    uint64_t *stamps; /* LRU: sets x ways, the clock at last use; 0 where empty: the least is always the victim */
    uint64_t *trees;  /* PLRU: a word per set, bit i is inner node i (root 1): 1 = the victim is on the right */
    uint64_t *clock;  /* LRU: the last stamp given; own_clock, or one that several arrays share */
    uint64_t own_clock;
    uint32_t sets; /* power of two */
    uint32_t ways; /* 1 to 64 for PLRU, any for LRU */
    vx_replacement policy;
} vx_setassoc;

#define VX_SETASSOC_NONE UINT32_MAX

/* entries = sets x ways, 1 to 2^28; ways divides entries, entries / ways is a power of two. Memory comes from the
 * arena. VX_ERR_INPUT where the geometry breaks these rules. */
vx_status vx_setassoc_init(vx_setassoc *array, vx_arena *arena, uint32_t entries, uint32_t ways, vx_replacement policy,
                           vx_msg *msg);

/* From now on the array's stamps are drawn from `clock`, which it may share with others: the order within a set is all
 * that counts. The array is empty; the caller keeps the clock. */
void vx_setassoc_share_clock(vx_setassoc *array, uint64_t *clock);

/* The slot (set x ways + way) that holds `key`, or VX_SETASSOC_NONE. Changes nothing. O(ways). */
static inline uint32_t vx_setassoc_find(const vx_setassoc *array, uint32_t set, uint64_t key)
{
    uint32_t first = set * array->ways;
    const uint64_t *keys = array->keys + first;
    if (array->ways == 4) { /* most arrays: without a loop */
        if (keys[0] == key) return first;
        if (keys[1] == key) return first + 1;
        if (keys[2] == key) return first + 2;
        return keys[3] == key ? first + 3 : VX_SETASSOC_NONE;
    }
    for (uint32_t way = 0; way < array->ways; way++)
        if (keys[way] == key) return first + way;
    return VX_SETASSOC_NONE;
}

/* Points every tree node on the way's path away from it. */
void vx_setassoc_plru_touch(vx_setassoc *array, uint32_t slot);

/* Marks the slot as the most recently used of its set. Touching the same slot again changes nothing that a later
 * replacement could see: a filter that skips repeated touches is exact. */
static inline void vx_setassoc_touch(vx_setassoc *array, uint32_t slot)
{
    if (array->policy == VX_REPLACE_LRU)
        array->stamps[slot] = ++*array->clock;
    else
        vx_setassoc_plru_touch(array, slot);
}

/* Puts key and value into the set, as the most recently used, in place of an entry with the same key, an empty way or
 * the victim. Returns the slot. *evicted_key (may be NULL) is the key it displaced, 0 where none. */
uint32_t vx_setassoc_insert(vx_setassoc *array, uint32_t set, uint64_t key, uint64_t value, uint64_t *evicted_key);

/* LRU: the slot of the set that an insertion takes. The first of the least stamps: an empty way, lowest first, or else
 * the least recently used. Selects without branches, for these would be mispredicted at each new least. */
static inline uint32_t vx_setassoc_lru_victim(const vx_setassoc *array, uint32_t set)
{
    uint32_t first = set * array->ways;
    const uint64_t *stamps = array->stamps + first;
    if (array->ways == 4) {
        uint32_t low = stamps[1] < stamps[0], high = stamps[3] < stamps[2] ? 3 : 2;
        return first + (stamps[high] < stamps[low] ? high : low);
    }
    uint32_t victim = 0;
    uint64_t least = stamps[0];
    for (uint32_t way = 1; way < array->ways; way++) {
        uint64_t stamp = stamps[way];
        victim = stamp < least ? way : victim;
        least = stamp < least ? stamp : least;
    }
    return first + victim;
}

/* PLRU: the same. */
uint32_t vx_setassoc_plru_victim(const vx_setassoc *array, uint32_t set);

/* vx_setassoc_insert of a key that the set is known not to hold (a lookup has just missed). */
static inline uint32_t vx_setassoc_insert_absent(vx_setassoc *array, uint32_t set, uint64_t key, uint64_t value)
{
    bool lru = array->policy == VX_REPLACE_LRU;
    uint32_t slot = lru ? vx_setassoc_lru_victim(array, set) : vx_setassoc_plru_victim(array, set);
    array->keys[slot] = key;
    array->values[slot] = value;
    vx_setassoc_touch(array, slot);
    return slot;
}

/* Empties one slot. */
static inline void vx_setassoc_drop(vx_setassoc *array, uint32_t slot)
{
    array->keys[slot] = 0;
    if (array->policy == VX_REPLACE_LRU) array->stamps[slot] = 0;
}

/* Empties every entry for which `dead` says true; returns how many. O(entries). */
uint64_t vx_setassoc_drop_if(vx_setassoc *array, bool (*dead)(void *context, uint64_t key, uint64_t value),
                             void *context);

/* Empties all; returns how many were held. What was used before no longer shows in any later replacement. */
uint64_t vx_setassoc_clear(vx_setassoc *array);

#endif
