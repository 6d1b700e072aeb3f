/* Which frames of guest RAM are in use, and which one is handed out next.
 *
 * Data takes the lowest free frame, or the lowest free aligned block for a large page, so that a program's pages lie in
 * RAM in the order of their first touch and small frames fill a block before they open the next (what a buddy allocator
 * does on an empty machine). Tables are placed as vx_table_placement says. Frame 0 is never handed out. */
#ifndef VX_FRAME_POOL_H
#define VX_FRAME_POOL_H

#include <stdint.h>

#include "vx_addr.h"
#include "vx_arena.h"
#include "vx_config.h"
#include "vx_random.h"
#include "vx_status.h"

typedef struct vx_frame_pool {
    uint64_t frames;            /* 4 KiB frames of the RAM */
    uint64_t free;              /* not handed out */
    uint64_t *used;             /* a bit a frame */
    uint16_t *used_in_block;    /* used frames of each aligned 2 MiB; what lies beyond the end of RAM counts as used */
    uint32_t *used_in_gigabyte; /* the same of each aligned GiB */
    uint64_t hint[VX_PAGE_SIZES]; /* no block of that size below this one (in blocks) is free */
    vx_table_placement placement;
    uint64_t cluster_next, cluster_end; /* clustered: frames of the tables' open block that are still free */
    vx_random random;                   /* scattered */
} vx_frame_pool;

/* Memory from the arena; `ram_bytes` at least 8 KiB. */
vx_status vx_frame_pool_init(vx_frame_pool *pool, vx_arena *arena, uint64_t ram_bytes, vx_table_placement placement,
                             uint64_t seed, vx_msg *msg);

/* A free aligned block for a page of this size: its address, or 0 where there is none. 4K: 0 only where pool->free is.
 */
uint64_t vx_frame_pool_take(vx_frame_pool *pool, vx_page_size size);

/* A frame for a table, its address below `below` bytes, or 0 where there is none. */
uint64_t vx_frame_pool_take_table(vx_frame_pool *pool, uint64_t below);

/* Takes back what vx_frame_pool_take gave. */
void vx_frame_pool_give(vx_frame_pool *pool, uint64_t address, vx_page_size size);

#endif
