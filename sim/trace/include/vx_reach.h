/* How far TLBs of every size would reach: the misses of LRU arrays of all geometries at once, from one pass over a
 * trace.
 *
 * An LRU array of n entries holds the n pages used last, so a lookup hits in all arrays whose size exceeds the page's
 * stack distance (Mattson et al. 1970); with sets the same holds in each set. One pass therefore gives the whole curve.
 * It is exact for LRU, one page size, and nothing that flushes: TLBs that are flushed, share entries between page sizes
 * or replace by other rules have more misses.
 *
 * Pages of the lower half of the address space belong to the process (its PROCESS record, or the table that CR3 names);
 * those of the upper half are the same in all. Two processes' pages are told apart by a 64-bit hash. */
#ifndef VX_REACH_H
#define VX_REACH_H

#include <stdint.h>

#include "vx_record.h"
#include "vx_status.h"

enum {
    VX_REACH_ENTRIES_MAX = 1 << 16, /* of a fully associative array */
    VX_REACH_SETS_MAX = 1 << 12,
    VX_REACH_WAYS_MAX = 16 /* of an array with two sets or more */
};

typedef enum vx_reach_stream { VX_REACH_DATA, VX_REACH_CODE, VX_REACH_BOTH, VX_REACH_STREAMS } vx_reach_stream;
typedef enum vx_reach_page { VX_REACH_4K, VX_REACH_2M, VX_REACH_PAGES } vx_reach_page;

typedef struct vx_reach vx_reach;

/* About 60 MiB, whatever the trace's length. The caller closes it. */
vx_status vx_reach_open(vx_reach **reach, vx_msg *msg);
void vx_reach_close(vx_reach *reach); /* NULL is fine */

/* Takes the next records of a trace. A block of n instructions is n lookups of code, and one that crosses a page one
 * more; a reference that crosses a page is two. References that a filter left out are lookups that hit. */
void vx_reach_add(vx_reach *reach, const vx_batch *batch);

/* Lookups so far of one stream with one page size; what misses are a share of. */
uint64_t vx_reach_lookups(const vx_reach *reach, vx_reach_stream stream, vx_reach_page page);

/* Misses of an array of sets x ways. sets: a power of two up to VX_REACH_SETS_MAX; ways: 1 to VX_REACH_WAYS_MAX, or to
 * VX_REACH_ENTRIES_MAX where sets is 1. */
uint64_t vx_reach_misses(const vx_reach *reach, vx_reach_stream stream, vx_reach_page page, uint32_t sets,
                         uint32_t ways);

#endif
