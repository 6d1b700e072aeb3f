/* One level of the data caches, in one of two shapes that replace alike.
 *
 * Lists in order of use (lru_sets.h) are small and take one pass an access. Stamps in an array (vx_setassoc.h) let the
 * run loop make a reference's hit by one store (vx_mmu_hit.h): levels that references enter keep them, and those that
 * lists cannot be: tree-PLRU, more ways than lists have, line numbers too wide for a tag of 32 bits. */
#ifndef VX_CACHE_LEVEL_H
#define VX_CACHE_LEVEL_H

#include "lru_sets.h"
#include "vx_mmu_hit.h"
#include "vx_setassoc.h"

typedef struct vx_cache_level {
    bool exists;
    bool listed; /* in `sets`; else in `array` */
    uint32_t hit_ticks;
    vx_lru_sets sets;
    uint32_t *guess; /* VX_LINE_GUESSES slots, by low bits of the line number: where such a line was found last */
    vx_setassoc array;
} vx_cache_level;

/* A line's slot is guessed by its low bits first, a hint and no state: the guessed slot's key says whether it
 * is there. */
static inline bool vx_cache_array_use(vx_cache_level *level, uint64_t line)
{
    vx_setassoc *array = &level->array;
    uint32_t *guess = &level->guess[line % VX_LINE_GUESSES], set = (uint32_t)line & (array->sets - 1);
    uint64_t key = vx_line_key(line);
    bool held = array->keys[*guess] == key;
    if (!held) {
        uint32_t slot = vx_setassoc_find(array, set, key);
        held = slot != VX_SETASSOC_NONE;
        *guess = held ? slot : vx_setassoc_insert_absent(array, set, key, 0);
    }
    if (held) vx_setassoc_touch(array, *guess);
    return held;
}

/* An access that reaches the level: the line is its set's most recently used from now on. Returns whether it was held:
 * where it was not, what answers below fills it on the way up, whoever that is. */
static inline __attribute__((always_inline)) bool vx_cache_level_use(vx_cache_level *level, uint64_t line)
{
    return level->listed ? vx_lru_sets_use(&level->sets, line) : vx_cache_array_use(level, line);
}

#endif
