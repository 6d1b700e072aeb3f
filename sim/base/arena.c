#include "vx_arena.h"

#include <stdint.h>
#include <stdlib.h>

enum {
    ALIGNMENT = 64,         /* a cache line of the host: hot arrays never share one */
    CHUNK_BYTES = 64 * 1024 /* small requests share a chunk of this size; larger ones get their own */
};

struct vx_arena_chunk {
    vx_arena_chunk *next;
    unsigned char *free_at; /* aligned */
    size_t free_bytes;
};

void vx_arena_init(vx_arena *arena) { *arena = (vx_arena){0}; }

/* calloc: a large chunk comes from the operating system zeroed and is committed only where it is touched. */
static vx_arena_chunk *new_chunk(size_t bytes)
{
    size_t overhead = sizeof(vx_arena_chunk) + ALIGNMENT;
    if (bytes > SIZE_MAX - overhead) return NULL;
    vx_arena_chunk *chunk = calloc(1, overhead + bytes);
    if (!chunk) return NULL;
    unsigned char *after = (unsigned char *)(chunk + 1);
    chunk->free_at = after + (ALIGNMENT - (uintptr_t)after % ALIGNMENT) % ALIGNMENT;
    chunk->free_bytes = bytes;
    return chunk;
}

static void *take(vx_arena *arena, vx_arena_chunk *chunk, size_t bytes)
{
    void *memory = chunk->free_at;
    chunk->free_at += bytes;
    chunk->free_bytes -= bytes;
    arena->used_bytes += bytes;
    return memory;
}

void *vx_arena_alloc(vx_arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGNMENT) return NULL;
    size_t bytes = size ? (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
    vx_arena_chunk *newest = arena->chunks;
    if (newest && newest->free_bytes >= bytes) return take(arena, newest, bytes);
    vx_arena_chunk *chunk = new_chunk(bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES);
    if (!chunk) return NULL;
    chunk->next = newest;
    arena->chunks = chunk;
    return take(arena, chunk, bytes);
}

void *vx_arena_array(vx_arena *arena, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) return NULL;
    return vx_arena_alloc(arena, count * size);
}

void vx_arena_fini(vx_arena *arena)
{
    for (vx_arena_chunk *chunk = arena->chunks; chunk;) {
        vx_arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *arena = (vx_arena){0};
}
