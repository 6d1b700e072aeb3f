#include "vx_setassoc.h"

#include <assert.h>
#include <string.h>

/* 16 GiB of 64-byte lines: beyond any cache, and slots stay far below VX_SETASSOC_NONE. */
static const uint32_t entries_max = 1U << 28;

const char *vx_replacement_name(vx_replacement policy)
{
    static const char *const names[VX_REPLACEMENTS] = {[VX_REPLACE_LRU] = "lru", [VX_REPLACE_PLRU] = "plru"};
    assert(policy < VX_REPLACEMENTS);
    return names[policy];
}

static bool power_of_two(uint32_t x) { return x != 0 && (x & (x - 1)) == 0; }

vx_status vx_setassoc_check(uint32_t entries, uint32_t ways, vx_replacement policy, vx_msg *msg)
{
    if (entries == 0 || entries > entries_max)
        return vx_fail(msg, VX_ERR_INPUT, "%u entries: must be 1 to %u", entries, entries_max);
    if (ways == 0 || entries % ways != 0)
        return vx_fail(msg, VX_ERR_INPUT, "%u ways do not divide %u entries", ways, entries);
    if (!power_of_two(entries / ways))
        return vx_fail(msg, VX_ERR_INPUT, "%u entries in %u ways make %u sets: must be a power of two", entries, ways,
                       entries / ways);
    if (policy == VX_REPLACE_PLRU && (!power_of_two(ways) || ways > 64))
        return vx_fail(msg, VX_ERR_INPUT, "tree-PLRU with %u ways: must be a power of two, at most 64", ways);
    return VX_OK;
}

vx_status vx_setassoc_init(vx_setassoc *array, vx_arena *arena, uint32_t entries, uint32_t ways, vx_replacement policy,
                           vx_msg *msg)
{
    vx_status status = vx_setassoc_check(entries, ways, policy, msg);
    if (status != VX_OK) return status;
    vx_setassoc made = {.sets = entries / ways, .ways = ways, .policy = policy};
    made.keys = vx_arena_array(arena, entries, sizeof *made.keys);
    made.values = vx_arena_array(arena, entries, sizeof *made.values);
    if (policy == VX_REPLACE_LRU)
        made.stamps = vx_arena_array(arena, entries, sizeof *made.stamps);
    else
        made.trees = vx_arena_array(arena, made.sets, sizeof *made.trees);
    if (!made.keys || !made.values || !(made.stamps || made.trees)) return vx_fail_nomem(msg);
    *array = made;
    array->clock = &array->own_clock;
    return VX_OK;
}

/* ---- LRU as lists ---- */

/* By the preprocessor, for C computes no tables. */
#define AT(list, place) ((list) >> 2 * (place)&3)
#define WITH_FIRST(list, way)                                                                                          \
    (AT(list, 0) == (way)   ? (list)                                                                                   \
     : AT(list, 1) == (way) ? ((list)&0xF0) | ((list)&0x03) << 2 | (way)                                               \
     : AT(list, 2) == (way) ? ((list)&0xC0) | ((list)&0x0F) << 2 | (way)                                               \
                            : ((list)&0x3F) << 2 | (way))
#define ROW(list)                                                                                                      \
    {                                                                                                                  \
        WITH_FIRST(list, 0), WITH_FIRST(list, 1), WITH_FIRST(list, 2), WITH_FIRST(list, 3)                             \
    }
#define ROWS_4(list) ROW(list), ROW((list) + 1), ROW((list) + 2), ROW((list) + 3)
#define ROWS_16(list) ROWS_4(list), ROWS_4((list) + 4), ROWS_4((list) + 8), ROWS_4((list) + 12)
#define ROWS_64(list) ROWS_16(list), ROWS_16((list) + 16), ROWS_16((list) + 32), ROWS_16((list) + 48)
const uint8_t vx_setassoc_short_list[256][4] = {ROWS_64(0), ROWS_64(64), ROWS_64(128), ROWS_64(192)};

/* All ways are empty: the lowest comes last. */
static void clear_lists(vx_setassoc *array)
{
    uint64_t list = 0;
    uint32_t bits = vx_setassoc_list_bits(array->ways);
    for (uint32_t way = 0; way < array->ways; way++) list |= (uint64_t)way << bits * (array->ways - 1 - way);
    for (uint32_t set = 0; set < array->sets; set++) array->lists[set] = list;
}

vx_status vx_setassoc_keep_lists(vx_setassoc *array, vx_arena *arena, vx_msg *msg)
{
    if (array->policy != VX_REPLACE_LRU || array->ways > VX_SETASSOC_LISTED_MAX) return VX_OK;
    uint64_t *lists = vx_arena_array(arena, array->sets, sizeof *lists);
    if (!lists) return vx_fail_nomem(msg);
    array->lists = lists;
    array->stamps = NULL;
    clear_lists(array);
    return VX_OK;
}

void vx_setassoc_list_drop(vx_setassoc *array, uint32_t slot)
{
    assert(array->ways >= 1 && array->ways <= VX_SETASSOC_LISTED_MAX);
    uint32_t set = slot / array->ways, way = slot % array->ways, place = array->ways - 1;
    uint32_t bits = vx_setassoc_list_bits(array->ways), mask = (1U << bits) - 1;
    const uint64_t *keys = array->keys + set * array->ways;
    uint64_t list = array->lists[set];
    vx_setassoc_list_touch(&list, array->ways, way);
    for (; place > 0; place--) {
        uint64_t last = list >> bits * place & mask;
        if (keys[last] || last > way) break;
    }
    uint64_t up_to_place = (1ULL << bits << bits * place) - 1; /* 64 bits in all: nothing is left of the 1 */
    array->lists[set] = (list & ~up_to_place) | (list & up_to_place) >> bits | (uint64_t)way << bits * place;
}

void vx_setassoc_share_clock(vx_setassoc *array, uint64_t *clock) { array->clock = clock; }

/* Node n has the children 2n and 2n + 1; the ways are the leaves, from node `ways` on. */
void vx_setassoc_plru_touch(vx_setassoc *array, uint32_t slot)
{
    assert(array->ways >= 1 && array->ways <= 64);
    uint32_t way = slot & (array->ways - 1);
    uint64_t *tree = &array->trees[slot >> __builtin_ctz(array->ways)];
    uint64_t bits = *tree;
    for (uint32_t node = array->ways + way; node > 1; node >>= 1) {
        uint64_t parent = 1ULL << (node >> 1);
        bits = (node & 1) ? bits & ~parent : bits | parent;
    }
    *tree = bits;
}

uint32_t vx_setassoc_plru_victim(const vx_setassoc *array, uint32_t set)
{
    uint32_t empty = vx_setassoc_find(array, set, 0), node = 1;
    if (empty != VX_SETASSOC_NONE) return empty;
    while (node < array->ways) node = 2 * node + (uint32_t)((array->trees[set] >> node) & 1);
    return set * array->ways + (node - array->ways);
}

uint32_t vx_setassoc_insert(vx_setassoc *array, uint32_t set, uint64_t key, uint64_t value, uint64_t *evicted_key)
{
    assert(key != 0 && set < array->sets);
    uint32_t slot = vx_setassoc_find(array, set, key);
    bool held = slot != VX_SETASSOC_NONE;
    if (!held) slot = vx_setassoc_victim(array, set);
    if (evicted_key) *evicted_key = held ? 0 : array->keys[slot];
    array->keys[slot] = key;
    array->values[slot] = value;
    if (array->lists && !held)
        vx_setassoc_list_turn(&array->lists[set], array->ways);
    else
        vx_setassoc_touch_in(array, set, slot);
    return slot;
}

uint64_t vx_setassoc_drop_if(vx_setassoc *array, bool (*dead)(void *context, uint64_t key, uint64_t value),
                             void *context)
{
    uint64_t dropped = 0;
    for (uint32_t slot = 0; slot < array->sets * array->ways; slot++) {
        if (array->keys[slot] == 0 || !dead(context, array->keys[slot], array->values[slot])) continue;
        vx_setassoc_drop(array, slot);
        dropped++;
    }
    return dropped;
}

uint64_t vx_setassoc_clear(vx_setassoc *array)
{
    uint32_t entries = array->sets * array->ways;
    uint64_t held = 0;
    for (uint32_t slot = 0; slot < entries; slot++) held += array->keys[slot] != 0;
    memset(array->keys, 0, entries * sizeof *array->keys);
    if (array->stamps) memset(array->stamps, 0, entries * sizeof *array->stamps);
    if (array->lists) clear_lists(array);
    /* Trees may stay: a set is full again, and so each of its nodes was set anew, before its tree is asked. */
    return held;
}
