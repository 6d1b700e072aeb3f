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

#endif
