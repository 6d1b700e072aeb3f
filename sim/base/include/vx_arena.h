/* One arena per simulation: everything is allocated before the run loop starts and freed at once after it. */
#ifndef VX_ARENA_H
#define VX_ARENA_H

#include <stddef.h>

typedef struct vx_arena_chunk vx_arena_chunk;

typedef struct vx_arena {
    vx_arena_chunk *chunks; /* newest first; owned */
    size_t used_bytes;      /* given out so far, for reports and tests */
} vx_arena;

/* Empty; takes no memory yet. The caller owns the storage. */
void vx_arena_init(vx_arena *arena);

/* Zeroed memory aligned to 64 bytes (a cache line), or NULL. Lives until vx_arena_fini. size 0 gives a valid pointer.
 */
void *vx_arena_alloc(vx_arena *arena, size_t size);

/* count x size with the overflow checked; NULL where the product does not fit. */
void *vx_arena_array(vx_arena *arena, size_t count, size_t size);

/* Frees all that it gave out; the arena is empty again. */
void vx_arena_fini(vx_arena *arena);

#endif
