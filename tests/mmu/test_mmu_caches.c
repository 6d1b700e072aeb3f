/* The data caches against lists in order of use, and trees as recursions over halves: random geometries of every level,
 * odd numbers of ways among them, both policies, all widths of addresses, every level of entry, with AVX2 and without.
 * Each access must be answered by the same level and cost the same; references that the run loop makes by itself, as
 * far as it can, must leave the same behind. */
#include <string.h>

#include "mmu_private.h"
#include "mmu_world.h"
#include "slow_sets.h"
#include "test_cpu.h"
#include "vx_random.h"

enum { GEOMETRIES = 160, ACCESSES = 1500, LINES = 400, LEVELS = VX_CFG_CACHES, HALVES_MAX = 128 };

/* A set of tree-PLRU: `right[n]` is the half that the next victim is in, of the half with number n (1 the whole). */
typedef struct slow_tree {
    uint64_t line[64];
    bool used[64], right[HALVES_MAX];
} slow_tree;

typedef struct twin {
    mmu_world world;
    slow_cache list[LEVELS];
    slow_tree *tree[LEVELS]; /* where the level is PLRU */
    uint64_t line[LINES];
    uint64_t lookups[LEVELS], hits[LEVELS];
    uint64_t in_loop; /* references made as the run loop does */
    vx_random random;
} twin;

static uint64_t below(twin *t, uint64_t bound) { return vx_random_below(&t->random, bound); }

/* ---- the slow side ---- */

static unsigned sets_of(const vx_cfg_cache *level) { return (unsigned)(level->bytes / 64 / level->ways); }

static void tree_touch(slow_tree *tree, unsigned half, unsigned ways, unsigned way)
{
    if (ways == 1) return;
    bool in_right = way >= ways / 2;
    tree->right[half] = !in_right;
    tree_touch(tree, 2 * half + in_right, ways / 2, way % (ways / 2));
}

static unsigned tree_victim(const slow_tree *tree, unsigned half, unsigned ways)
{
    if (ways == 1) return 0;
    bool right = tree->right[half];
    return tree_victim(tree, 2 * half + right, ways / 2) + (right ? ways / 2 : 0);
}

static bool tree_use(slow_tree *tree, unsigned ways, uint64_t line)
{
    unsigned way = 0, free = ways;
    while (way < ways && !(tree->used[way] && tree->line[way] == line)) way++;
    bool held = way < ways;
    for (unsigned i = ways; i-- > 0;)
        if (!tree->used[i]) free = i;
    if (!held) way = free < ways ? free : tree_victim(tree, 1, ways);
    tree->used[way] = true;
    tree->line[way] = line;
    tree_touch(tree, 1, ways, way);
    return held;
}

static bool slow_use(twin *t, unsigned i, uint64_t line)
{
    const vx_cfg_cache *level = &t->world.cpu.memory.level[i];
    unsigned set = (unsigned)(line % sets_of(level));
    if (t->tree[i]) return tree_use(&t->tree[i][set], level->ways, line);
    slow_item item = {.number = line};
    bool held = slow_position(&t->list[i], set, &item) >= 0;
    slow_insert(&t->list[i], set, item);
    return held;
}

static uint32_t slow_access_line(twin *t, uint64_t line, unsigned first, vx_walk_hit *hit)
{
    const vx_cfg_memory *memory = &t->world.cpu.memory;
    for (unsigned i = first; i < LEVELS; i++) {
        if (memory->level[i].bytes == 0) continue;
        t->lookups[i]++;
        if (!slow_use(t, i, line)) continue;
        t->hits[i]++;
        *hit = (vx_walk_hit[]){VX_HIT_L1, VX_HIT_L2, VX_HIT_L3}[i];
        return memory->level[i].hit_ticks;
    }
    *hit = VX_HIT_MEMORY;
    return memory->memory_ticks;
}

/* ---- geometries ---- */

static vx_cfg_cache some_level(twin *t, unsigned i)
{
    bool plru = below(t, 5) == 0;
    uint32_t ways = plru ? 1U << below(t, 7) : 1 + (uint32_t)below(t, below(t, 3) ? 16 : 40);
    uint64_t sets = 1ULL << below(t, 6);
    return (vx_cfg_cache){.bytes = sets * ways * 64,
                          .ways = ways,
                          .replacement = plru ? VX_REPLACE_PLRU : VX_REPLACE_LRU,
                          .hit_ticks = 4 + 10 * i + (uint32_t)below(t, 9)};
}

static vx_cfg_cpu some_cpu(twin *t)
{
    vx_cfg_cpu cpu = test_cpu_nehalem();
    cpu.paging.physical_bits = (uint8_t)(32 + below(t, 21));
    cpu.memory.caches = below(t, 2) ? VX_CACHES_ALL : VX_CACHES_WALKS;
    for (unsigned i = 0; i < LEVELS; i++)
        if (below(t, 6)) cpu.memory.level[i] = some_level(t, i);
    return cpu;
}

/* Neighbours, lines that lie far apart in few sets, and such as differ in their highest bits alone. */
static void choose_lines(twin *t, unsigned physical_bits)
{
    uint64_t end = 1ULL << (physical_bits - VX_LINE_SHIFT), at = below(t, end);
    for (unsigned i = 0; i < LINES; i++) {
        t->line[i] = at++ % end;
        if (below(t, 4) == 0) at = (t->line[i] ^ end >> (1 + below(t, 3))) & (end - 1);
        if (below(t, 4) == 0) at = (below(t, end) & ~63ULL) + below(t, 4);
    }
}

static void open_twin(twin *t, uint64_t seed, unsigned number)
{
    *t = (twin){0};
    vx_random_init(&t->random, seed + number, "data caches");
    vx_cfg_cpu cpu = some_cpu(t);
    world_open(&t->world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 4);
    if (number % 2) t->world.mmu->simd = false;
    world_load(&t->world);
    for (unsigned i = 0; i < LEVELS; i++) {
        const vx_cfg_cache *level = &cpu.memory.level[i];
        if (level->bytes == 0) continue;
        slow_make(&t->list[i], level->bytes / 64, level->ways);
        if (level->replacement != VX_REPLACE_PLRU) continue;
        t->tree[i] = calloc(sets_of(level), sizeof *t->tree[i]);
        assert_non_null(t->tree[i]);
    }
    choose_lines(t, cpu.paging.physical_bits);
}

static void close_twin(twin *t)
{
    for (unsigned i = 0; i < LEVELS; i++) {
        slow_unmake(&t->list[i]);
        free(t->tree[i]);
    }
    world_close(&t->world);
}

/* ---- steps ---- */

/* The hit of a reference in the level where it enters, as the run loop makes it: false, nothing was changed. */
static bool hit_in_loop(twin *t, vx_access access, uint64_t line)
{
    const vx_mmu_lane *lane = &vx_mmu_front_of(t->world.mmu)->lane[vx_lane_of(access)];
    uint32_t slot = lane->line_guess[line % VX_LINE_GUESSES];
    if (lane->lines[slot] != vx_line_key(line)) return false;
    uint64_t clock = vx_mmu_clock(t->world.mmu) + 1;
    vx_mmu_set_clock(t->world.mmu, clock);
    lane->line_stamps[slot] = clock;
    vx_mmu_lane_count_lines(t->world.mmu, access, 1);
    t->in_loop++;
    return true;
}

static void reference_step(twin *t, uint64_t line)
{
    vx_mmu *mmu = t->world.mmu;
    vx_access access = (vx_access)below(t, VX_ACCESSES);
    unsigned first = vx_caches_entry(mmu, access);
    if (first == LEVELS) return;
    uint64_t before = t->world.ledger.ticks[VX_CAUSE_MEM_DATA];
    vx_walk_hit hit;
    uint32_t ticks = slow_access_line(t, line, first, &hit), base = t->world.cpu.memory.level[first].hit_ticks;
    if (!hit_in_loop(t, access, line)) vx_mmu_data(mmu, (vx_hpa){line * 64 + below(t, 64)}, access);
    assert_int_equal(t->world.ledger.ticks[VX_CAUSE_MEM_DATA] - before, ticks > base ? ticks - base : 0);
}

static void walk_step(twin *t, uint64_t line)
{
    vx_mmu *mmu = t->world.mmu;
    unsigned first = (unsigned)below(t, LEVELS);
    vx_walk_hit hit, slow_hit;
    uint32_t ticks = mmu->cache_access(mmu, line * 64 + below(t, 8) * 8, first, &hit);
    assert_int_equal(ticks, slow_access_line(t, line, first, &slow_hit));
    assert_int_equal(hit, slow_hit);
}

static void random_geometries(void **state)
{
    (void)state;
    static twin t;
    uint64_t seed = vx_test_seed(), in_loop = 0, listed = 0, arrays = 0, hits[LEVELS] = {0};
    for (unsigned number = 0; number < GEOMETRIES; number++) {
        open_twin(&t, seed, number);
        bool all = t.world.cpu.memory.caches == VX_CACHES_ALL;
        for (unsigned n = 0; n < ACCESSES; n++) {
            uint64_t line = t.line[below(&t, 1 + below(&t, LINES))];
            if (all && below(&t, 2))
                reference_step(&t, line);
            else
                walk_step(&t, line);
        }
        const vx_mmu_counts *counts = vx_mmu_counts_now(t.world.mmu);
        for (unsigned i = 0; i < LEVELS; i++) {
            assert_int_equal(counts->cache_lookups[i], t.lookups[i]);
            assert_int_equal(counts->cache_hits[i], t.hits[i]);
            hits[i] += t.hits[i];
            listed += t.world.mmu->cache[i].exists && t.world.mmu->cache[i].listed;
            arrays += t.world.mmu->cache[i].exists && !t.world.mmu->cache[i].listed;
        }
        in_loop += t.in_loop;
        close_twin(&t);
    }
    assert_true(in_loop > GEOMETRIES && listed > GEOMETRIES / 4 && arrays > GEOMETRIES / 4); /* all sides were seen */
    for (unsigned i = 0; i < LEVELS; i++) assert_true(hits[i] > GEOMETRIES);
}

static void geometries_that_cannot_be(void **state)
{
    (void)state;
    static const vx_cfg_cache bad[] = {
        {.bytes = 32, .ways = 1},          /* no line */
        {.bytes = 64ULL << 33, .ways = 8}, /* too many */
        {.bytes = 3 * 64, .ways = 1},      /* three sets */
        {.bytes = 4096, .ways = 3},        /* ways that do not divide */
        {.bytes = 4096, .ways = 0},        {.bytes = 6 * 64, .ways = 6, .replacement = VX_REPLACE_PLRU},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        vx_cfg_cpu cpu = test_cpu_nehalem();
        cpu.paging.physical_bits = 36;
        cpu.memory.caches = VX_CACHES_WALKS;
        cpu.memory.level[1] = bad[i];
        vx_arena arena;
        vx_arena_init(&arena);
        vx_physmem memory = {0};
        vx_ledger ledger = {{0}};
        vx_mmu *mmu;
        vx_msg msg = {{0}};
        assert_int_equal(vx_mmu_init(&mmu, &arena, &cpu, &memory, &ledger, &msg), VX_ERR_INPUT);
        assert_string_not_equal(msg.text, "");
        vx_arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_geometries),
        cmocka_unit_test(geometries_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
