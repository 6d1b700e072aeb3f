#include "slow_sets.h"

#include <assert.h>
#include <stdlib.h>

void slow_make(slow_cache *cache, uint64_t entries, unsigned ways)
{
    if (entries == 0) return;
    *cache = (slow_cache){.sets = (unsigned)(entries / ways), .ways = ways};
    cache->items = calloc(entries, sizeof *cache->items);
    cache->used = calloc(cache->sets, sizeof *cache->used);
    assert(cache->items && cache->used);
}

static bool same_owner(const slow_item *a, const slow_item *b)
{
    if (a->guest_physical != b->guest_physical || a->two != b->two || a->root != b->root) return false;
    if (a->guest_physical) return a->vpid == b->vpid;
    return a->vpid == b->vpid && (a->global || b->global ? a->global == b->global : a->pcid == b->pcid);
}

int slow_position(const slow_cache *cache, unsigned set, const slow_item *wanted)
{
    if (!cache->items) return -1;
    for (unsigned i = 0; i < cache->used[set]; i++) {
        const slow_item *item = &cache->items[set * cache->ways + i];
        if (item->number == wanted->number && item->kind == wanted->kind && same_owner(item, wanted)) return (int)i;
    }
    return -1;
}

void slow_take_out(slow_cache *cache, unsigned set, unsigned at)
{
    slow_item *list = &cache->items[set * cache->ways];
    for (unsigned i = at; i + 1 < cache->used[set]; i++) list[i] = list[i + 1];
    cache->used[set]--;
}

static void put_first(slow_cache *cache, unsigned set, slow_item item)
{
    slow_item *list = &cache->items[set * cache->ways];
    if (cache->used[set] == cache->ways) cache->used[set]--;
    for (unsigned i = cache->used[set]++; i > 0; i--) list[i] = list[i - 1];
    list[0] = item;
}

slow_item *slow_touch(slow_cache *cache, unsigned set, int at)
{
    slow_item item = cache->items[set * cache->ways + (unsigned)at];
    slow_take_out(cache, set, (unsigned)at);
    put_first(cache, set, item);
    return &cache->items[set * cache->ways];
}

void slow_insert(slow_cache *cache, unsigned set, slow_item item)
{
    if (!cache->items) return;
    int at = slow_position(cache, set, &item);
    if (at >= 0) slow_take_out(cache, set, (unsigned)at);
    put_first(cache, set, item);
}

void slow_unmake(slow_cache *cache)
{
    free(cache->items);
    free(cache->used);
}
