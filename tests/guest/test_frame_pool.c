/* The frame allocator against a plain list of what is in use. */
#include <string.h>

#include "frame_pool.h"
#include "test_support.h"

static const uint64_t mib = 1ULL << 20, gib = 1ULL << 30;

typedef struct taken_block {
    uint64_t address;
    vx_page_size size;
} taken_block;

enum { BLOCKS = 4096 };

/* A random mix of takes and gives, each checked against `used`, a byte a frame. */
typedef struct oracle {
    vx_frame_pool pool;
    vx_arena arena;
    uint8_t *used;
    uint64_t free;
    taken_block blocks[BLOCKS];
    unsigned count;
} oracle;

static oracle *open_oracle(uint64_t bytes, vx_table_placement placement, uint64_t seed)
{
    oracle *made = calloc(1, sizeof *made);
    vx_arena_init(&made->arena);
    assert_int_equal(vx_frame_pool_init(&made->pool, &made->arena, bytes, placement, seed, NULL), VX_OK);
    made->used = calloc(bytes >> VX_PAGE_SHIFT, 1);
    made->used[0] = 1;
    made->free = (bytes >> VX_PAGE_SHIFT) - 1;
    return made;
}

static void close_oracle(oracle *o)
{
    vx_arena_fini(&o->arena);
    free(o->used);
    free(o);
}

static void set(oracle *o, uint64_t address, vx_page_size size, bool used)
{
    uint64_t first = address >> VX_PAGE_SHIFT, count = vx_page_bytes(size) >> VX_PAGE_SHIFT;
    assert_int_equal(address % vx_page_bytes(size), 0);
    assert_true(first != 0 && first + count <= o->pool.frames);
    for (uint64_t frame = first; frame < first + count; frame++) {
        assert_int_equal(o->used[frame], !used);
        o->used[frame] = used;
    }
    o->free = used ? o->free - count : o->free + count;
    assert_int_equal(o->pool.free, o->free);
}

/* The lowest aligned block of free frames, or 0. */
static uint64_t lowest_free(const oracle *o, vx_page_size size)
{
    uint64_t count = vx_page_bytes(size) >> VX_PAGE_SHIFT;
    for (uint64_t first = 0; first + count <= o->pool.frames; first += count)
        if (!memchr(o->used + first, 1, count)) return first << VX_PAGE_SHIFT;
    return 0;
}

static void take(oracle *o, vx_page_size size)
{
    uint64_t expected = lowest_free(o, size);
    uint64_t address = vx_frame_pool_take(&o->pool, size);
    assert_true(address == expected);
    if (address == 0) return;
    set(o, address, size, true);
    o->blocks[o->count++] = (taken_block){address, size};
}

static void give(oracle *o, uint64_t which)
{
    taken_block block = o->blocks[which];
    vx_frame_pool_give(&o->pool, block.address, block.size);
    o->blocks[which] = o->blocks[--o->count];
    set(o, block.address, block.size, false);
}

/* Data always gets the lowest block that is free, whatever was given back. Not with clustered tables, which keep the
 * rest of their block to themselves. */
static void takes_are_the_lowest_free_block(void **state)
{
    (void)state;
    uint64_t seed = vx_test_seed();
    static const uint64_t ram[] = {64 * mib, 30 * mib + 3 * 4096, 1 * mib, 64 * mib + 64 * 4096};
    for (unsigned run = 0; run < 8; run++) {
        vx_table_placement placement = run % 2 ? VX_TABLES_SCATTERED : VX_TABLES_INTERLEAVED;
        oracle *o = open_oracle(ram[run / 2], placement, seed + run);
        vx_random random;
        vx_random_init(&random, seed + run, "pool");
        unsigned filled = 0;
        for (unsigned i = 0; i < 20000; i++) {
            uint64_t what = vx_random_below(&random, 100);
            bool filling = i / 2000 % 2 == 0;
            if (what < 2 && o->free > 0)
                set(o, vx_frame_pool_take_table(&o->pool, UINT64_MAX), VX_PAGE_4K, true);
            else if (o->count && (o->count == BLOCKS || what < (filling ? 30 : 70)))
                give(o, vx_random_below(&random, o->count));
            else
                take(o, what % 8 == 0 ? VX_PAGE_4M : what % 4 == 0 ? VX_PAGE_2M : VX_PAGE_4K);
            filled += o->free == 0;
        }
        assert_true(run / 2 != 2 || filled > 0); /* the smallest RAM runs full */
        close_oracle(o);
    }
}

static void gigabytes_are_found_and_reused(void **state)
{
    (void)state;
    oracle *o = open_oracle(4 * gib + 5 * mib, VX_TABLES_INTERLEAVED, 1);
    for (unsigned i = 0; i < 3; i++) take(o, VX_PAGE_1G);
    assert_int_equal(o->blocks[0].address, gib); /* frame 0 is in use */
    take(o, VX_PAGE_1G);
    assert_int_equal(o->count, 3);
    give(o, 1);
    take(o, VX_PAGE_1G);
    assert_int_equal(o->count, 3);
    give(o, 0);
    for (unsigned i = 0; i < 600; i++) take(o, VX_PAGE_2M); /* gigabyte 0, then the one given back */
    take(o, VX_PAGE_1G);
    assert_int_equal(o->count, 2 + 600);
    close_oracle(o);
}

/* Each frame is handed out once, for tables and data in turn, and none is lost. */
static void every_placement_uses_every_frame_once(void **state)
{
    (void)state;
    uint64_t seed = vx_test_seed();
    for (vx_table_placement placement = VX_TABLES_CLUSTERED; placement <= VX_TABLES_SCATTERED; placement++) {
        oracle *o = open_oracle(7 * mib + 4096, placement, seed);
        while (o->free > 0) {
            uint64_t table = vx_frame_pool_take_table(&o->pool, UINT64_MAX);
            assert_int_not_equal(table, 0);
            set(o, table, VX_PAGE_4K, true);
            if (o->free == 0) break;
            uint64_t data = vx_frame_pool_take(&o->pool, VX_PAGE_4K);
            assert_int_not_equal(data, 0);
            set(o, data, VX_PAGE_4K, true);
        }
        assert_int_equal(vx_frame_pool_take_table(&o->pool, UINT64_MAX), 0);
        assert_int_equal(vx_frame_pool_take(&o->pool, VX_PAGE_4K), 0);
        assert_int_equal(vx_frame_pool_take(&o->pool, VX_PAGE_2M), 0);
        close_oracle(o);
    }
}

/* A bound on a table's address holds to the last frame below it, though others are free above. */
static void a_bound_is_kept(void **state)
{
    (void)state;
    uint64_t seed = vx_test_seed();
    for (vx_table_placement placement = VX_TABLES_CLUSTERED; placement <= VX_TABLES_SCATTERED; placement++) {
        oracle *o = open_oracle(64 * mib, placement, seed);
        for (uint64_t i = 0; i < 1023; i++) {
            uint64_t table = vx_frame_pool_take_table(&o->pool, 4 * mib);
            assert_in_range(table, 4096, 4 * mib - 4096);
            set(o, table, VX_PAGE_4K, true);
        }
        assert_int_equal(vx_frame_pool_take_table(&o->pool, 4 * mib), 0);
        assert_int_not_equal(vx_frame_pool_take_table(&o->pool, UINT64_MAX), 0);
        close_oracle(o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_are_the_lowest_free_block),
        cmocka_unit_test(gigabytes_are_found_and_reused),
        cmocka_unit_test(every_placement_uses_every_frame_once),
        cmocka_unit_test(a_bound_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
