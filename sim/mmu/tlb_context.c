#include "tlb_context.h"

#include <string.h>

#include "vx_random.h"

vx_status vx_contexts_init(vx_contexts *contexts, vx_arena *arena, uint32_t capacity, vx_msg *msg)
{
    uint32_t buckets = 4;
    while (buckets < 2 * capacity) buckets *= 2;
    vx_contexts made = {.capacity = capacity, .bucket_mask = buckets - 1};
    made.of = vx_arena_array(arena, capacity, sizeof *made.of);
    made.buckets = vx_arena_array(arena, buckets, sizeof *made.buckets);
    if (!made.of || !made.buckets) return vx_fail_nomem(msg);
    *contexts = made;
    return VX_OK;
}

static bool same(const vx_context *a, const vx_context *b)
{
    return a->kind == b->kind && a->vpid == b->vpid && a->pcid == b->pcid && a->nested_root == b->nested_root;
}

/* The bucket that holds the context, or the empty one where it belongs. At most half of the buckets are ever full. */
static uint16_t *bucket_of(const vx_contexts *contexts, const vx_context *wanted)
{
    uint64_t hash = vx_mix64(wanted->nested_root ^
                             vx_mix64((uint64_t)wanted->kind << 32 | (uint64_t)wanted->vpid << 16 | wanted->pcid));
    for (uint64_t i = hash;; i++) {
        uint16_t *bucket = &contexts->buckets[i & contexts->bucket_mask];
        if (*bucket == 0 || same(&contexts->of[*bucket], wanted)) return bucket;
    }
}

static uint32_t free_id(const vx_contexts *contexts)
{
    if (contexts->used + 1 < contexts->capacity) return contexts->used + 1;
    for (uint32_t id = 1; id < contexts->capacity; id++)
        if (contexts->of[id].kind == VX_CONTEXT_FREE) return id;
    return VX_CONTEXT_NONE;
}

uint16_t vx_contexts_intern(vx_contexts *contexts, const vx_context *wanted)
{
    uint16_t *bucket = bucket_of(contexts, wanted);
    if (*bucket) return *bucket;
    uint32_t id = free_id(contexts);
    if (id == VX_CONTEXT_NONE) return VX_CONTEXT_NONE;
    if (id > contexts->used) contexts->used = id;
    contexts->of[id] = *wanted;
    *bucket = (uint16_t)id;
    return (uint16_t)id;
}

void vx_contexts_retain(vx_contexts *contexts, const uint8_t *keep)
{
    memset(contexts->buckets, 0, ((size_t)contexts->bucket_mask + 1) * sizeof *contexts->buckets);
    uint32_t last = 0;
    for (uint32_t id = 1; id <= contexts->used; id++) {
        vx_context *context = &contexts->of[id];
        if (!keep[id]) context->kind = VX_CONTEXT_FREE;
        if (context->kind == VX_CONTEXT_FREE) continue;
        *bucket_of(contexts, context) = (uint16_t)id;
        last = id;
    }
    contexts->used = last;
}
