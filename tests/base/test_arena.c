/* The arena: alignment, zeroing, separate blocks, overflow, and every allocation that can fail. */
#include <string.h>

#include "failing_malloc.h"
#include "test_support.h"
#include "vx_arena.h"

static const size_t sizes[] = {0, 1, 63, 64, 65, 1000, 4096, 65535, 65536, 65537, 1000000, 7, 64};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static void blocks_are_aligned_zeroed_and_apart(void **state)
{
    (void)state;
    vx_arena arena;
    vx_arena_init(&arena);
    unsigned char *blocks[SIZES];
    for (unsigned i = 0; i < SIZES; i++) {
        blocks[i] = vx_arena_alloc(&arena, sizes[i]);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 64, 0);
        for (size_t byte = 0; byte < sizes[i]; byte++) assert_int_equal(blocks[i][byte], 0);
        memset(blocks[i], (int)i + 1, sizes[i]);
    }
    for (unsigned i = 0; i < SIZES; i++)
        for (size_t byte = 0; byte < sizes[i]; byte++) assert_int_equal(blocks[i][byte], i + 1);
    vx_arena_fini(&arena);
}

static void empty_blocks_are_distinct(void **state)
{
    (void)state;
    vx_arena arena;
    vx_arena_init(&arena);
    void *first = vx_arena_alloc(&arena, 0), *second = vx_arena_alloc(&arena, 0);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    vx_arena_fini(&arena);
}

static void used_bytes_cover_what_was_given_out(void **state)
{
    (void)state;
    vx_arena arena;
    vx_arena_init(&arena);
    assert_int_equal(arena.used_bytes, 0);
    assert_non_null(vx_arena_alloc(&arena, 1));
    assert_int_equal(arena.used_bytes, 64);
    assert_non_null(vx_arena_array(&arena, 3, 64));
    assert_int_equal(arena.used_bytes, 256);
    vx_arena_fini(&arena);
    assert_int_equal(arena.used_bytes, 0);
    assert_null(arena.chunks);
}

static void sizes_that_overflow_give_null(void **state)
{
    (void)state;
    vx_arena arena;
    vx_arena_init(&arena);
    assert_null(vx_arena_alloc(&arena, SIZE_MAX));
    assert_null(vx_arena_alloc(&arena, SIZE_MAX - 64));
    assert_null(vx_arena_array(&arena, SIZE_MAX / 8 + 1, 8));
    assert_null(vx_arena_array(&arena, 2, SIZE_MAX / 2 + 2));
    assert_non_null(vx_arena_array(&arena, SIZE_MAX, 0));
    assert_non_null(vx_arena_array(&arena, 0, SIZE_MAX));
    assert_int_equal(arena.used_bytes, 128);
    vx_arena_fini(&arena);
}

/* A failed request leaves the arena usable: the blocks before it stand, the next request works. */
static void every_failing_allocation_is_reported(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        vx_arena arena;
        vx_arena_init(&arena);
        vx_fail_allocation(n);
        unsigned char *blocks[SIZES];
        unsigned nulls = 0;
        for (unsigned i = 0; i < SIZES; i++) {
            size_t used_before = arena.used_bytes;
            blocks[i] = vx_arena_alloc(&arena, sizes[i]);
            if (blocks[i]) {
                memset(blocks[i], 0xA5, sizes[i]);
                continue;
            }
            nulls++;
            assert_int_equal(arena.used_bytes, used_before);
        }
        bool failed = vx_fail_allocation_end();
        assert_int_equal(nulls, failed);
        vx_arena_fini(&arena);
        if (failed) continue;
        assert_true(n > 3); /* several chunks were needed, so the loop did fail some */
        return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_zeroed_and_apart),  cmocka_unit_test(empty_blocks_are_distinct),
        cmocka_unit_test(used_bytes_cover_what_was_given_out),  cmocka_unit_test(sizes_that_overflow_give_null),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
