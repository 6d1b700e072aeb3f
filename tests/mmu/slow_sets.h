/* Sets of the slow MMU: lists in order of use, whose entries are compared field by field. */
#ifndef VX_SLOW_SETS_H
#define VX_SLOW_SETS_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_addr.h"

typedef struct slow_item {
    /* whose */
    uint64_t root;
    uint16_t vpid, pcid;
    bool global, guest_physical, two;
    /* of what: address >> shift, page size or level */
    uint64_t number;
    unsigned kind;
    /* what */
    uint64_t frame, raw;
    bool w, u, nx, dirty, splintered;
    unsigned allowed; /* bits 0 to 2: read, write, fetch */
    unsigned level;
    vx_page_size guest_page;
    unsigned ends[6];
} slow_item;

typedef struct slow_cache {
    unsigned sets, ways;
    slow_item *items; /* each set from the most to the least recently used */
    unsigned *used;
} slow_cache;

/* No entries: a cache that holds nothing and finds nothing. */
void slow_make(slow_cache *cache, uint64_t entries, unsigned ways);
void slow_unmake(slow_cache *cache);
/* Where in the set the item's twin (same owner, number and kind) stands, 0 the most recently used; -1: nowhere. */
int slow_position(const slow_cache *cache, unsigned set, const slow_item *wanted);
void slow_take_out(slow_cache *cache, unsigned set, unsigned at);
/* Makes an entry the most recently used and returns where it stands now. */
slow_item *slow_touch(slow_cache *cache, unsigned set, int at);
/* As the most recently used, in place of its twin or the least recently used. */
void slow_insert(slow_cache *cache, unsigned set, slow_item item);

#endif
