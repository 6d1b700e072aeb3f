/* The clock in plain C: two binary heaps, one of timers and one of processes, each ordered by tick, then creation.
 *
 * An event costs O(log n) comparisons for n armed entities and no allocation; the earliest timer, which every horizon
 * needs, is the first heap's top. */
#include <stdlib.h>

#include "vx_clk_private.h"

typedef struct heap {
    vx_clk_entity **at; /* at[0] is the earliest; children of i are 2i + 1 and 2i + 2 */
    size_t count, room;
} heap;

typedef struct heaps {
    heap hard, soft;
} heaps;

#define NOWHERE SIZE_MAX

static bool before(const vx_clk_entity *a, const vx_clk_entity *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void put(heap *h, size_t place, vx_clk_entity *entity)
{
    h->at[place] = entity;
    entity->place = place;
}

static void sift_up(heap *h, size_t place)
{
    vx_clk_entity *entity = h->at[place];
    for (size_t parent; place > 0 && before(entity, h->at[parent = (place - 1) / 2]); place = parent)
        put(h, place, h->at[parent]);
    put(h, place, entity);
}

static void sift_down(heap *h, size_t place)
{
    vx_clk_entity *entity = h->at[place];
    for (size_t child; (child = 2 * place + 1) < h->count; place = child) {
        if (child + 1 < h->count && before(h->at[child + 1], h->at[child])) child++;
        if (!before(h->at[child], entity)) break;
        put(h, place, h->at[child]);
    }
    put(h, place, entity);
}

static void take_out(heap *h, vx_clk_entity *entity)
{
    size_t place = entity->place;
    vx_clk_entity *last = h->at[--h->count];
    entity->place = NOWHERE;
    if (last == entity) return;
    put(h, place, last);
    sift_up(h, place);
    sift_down(h, last->place);
}

static heap *heap_of(vx_clk *clk, const vx_clk_entity *entity)
{
    heaps *both = clk->backend;
    return entity->hard ? &both->hard : &both->soft;
}

static vx_status heap_open(vx_clk *clk, vx_msg *msg)
{
    clk->backend = calloc(1, sizeof(heaps));
    return clk->backend ? VX_OK : vx_fail_nomem(msg);
}

static void heap_close(vx_clk *clk)
{
    heaps *both = clk->backend;
    free(both->hard.at);
    free(both->soft.at);
    free(both);
}

/* Room for every entity of the class, so that scheduling never allocates. */
static vx_status heap_add(vx_clk *clk, vx_clk_entity *entity, vx_msg *msg)
{
    heap *h = heap_of(clk, entity);
    vx_clk_entity **at = realloc(h->at, (h->room + 1) * sizeof(vx_clk_entity *));
    if (!at) return vx_fail_nomem(msg);
    h->at = at;
    h->room++;
    entity->place = NOWHERE;
    return VX_OK;
}

static void heap_schedule(vx_clk *clk, vx_clk_entity *entity)
{
    heap *h = heap_of(clk, entity);
    if (entity->place != NOWHERE) take_out(h, entity);
    if (entity->due == VX_TICK_NEVER) return;
    put(h, h->count++, entity);
    sift_up(h, entity->place);
}

static vx_tick heap_next_hard(const vx_clk *clk)
{
    const heaps *both = clk->backend;
    return both->hard.count ? both->hard.at[0]->due : VX_TICK_NEVER;
}

/* The running process has been taken out. */
static bool heap_soft_armed(const vx_clk *clk)
{
    const heaps *both = clk->backend;
    return both->soft.count > 0;
}

/* At equal ticks hard before soft. NULL: nothing before the limit. */
static heap *next_heap(vx_clk *clk)
{
    heaps *both = clk->backend;
    vx_tick hard = heap_next_hard(clk), soft = both->soft.count ? both->soft.at[0]->due : VX_TICK_NEVER;
    if (hard >= clk->limit && soft >= clk->limit) return NULL;
    return hard <= soft ? &both->hard : &both->soft;
}

static void heap_run(vx_clk *clk)
{
    for (heap *h; !vx_clk_ended(clk) && (h = next_heap(clk));) {
        vx_clk_entity *entity = h->at[0];
        take_out(h, entity);
        vx_clk_dispatch(clk, entity);
    }
}

const vx_clk_ops vx_clk_heap_ops = {"heap",        heap_open,      heap_close,      heap_add,
                                    heap_schedule, heap_next_hard, heap_soft_armed, heap_run};
