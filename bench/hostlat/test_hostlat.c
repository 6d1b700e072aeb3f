/* What hostlat measures is one cycle through all its lines, at the counts it says. Its figures are the machine's. */
#include "test_support.h"

#define main vx_hostlat_main
int vx_hostlat_main(int argc, char **argv);
#include "hostlat.c"
#undef main

static void the_chain_is_one_cycle_over_one_line_a_page(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    uint64_t seed = vx_test_seed();
    uint32_t order[COUNT];
    for (unsigned dense = 0; dense < 2; dense++) {
        unsigned char *memory = map_pages(COUNT);
        assert_non_null(memory);
        make_chain(memory, order, COUNT, dense, seed);
        void **start = link_at(memory, 0, dense), **at = start;
        unsigned neighbours = 0;
        for (unsigned i = 0; i < COUNT; i++) {
            void **next = *at;
            uint64_t offset = (uint64_t)((unsigned char *)next - memory);
            assert_true(offset < (dense ? COUNT * LINE_BYTES : COUNT * PAGE_BYTES));
            assert_int_equal(offset % LINE_BYTES, 0);
            assert_true((next == start) == (i == COUNT - 1)); /* back only after all */
            if (!dense) assert_int_equal(offset / LINE_BYTES % LINES_A_PAGE, offset / PAGE_BYTES % LINES_A_PAGE);
            neighbours += next > at && (unsigned char *)next - (unsigned char *)at < 2 * PAGE_BYTES;
            at = next;
        }
        assert_true(dense || neighbours < 20); /* random: about one expected */
        assert_ptr_equal(chase(start, COUNT / UNROLL), start);
        munmap(memory, (size_t)COUNT * PAGE_BYTES);
    }
}

static void counts_rise_evenly_in_each_octave(void **state)
{
    (void)state;
    chase_options options = defaults;
    uint64_t expected[] = {8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20};
    uint64_t pages = options.min;
    for (unsigned i = 0; i < sizeof expected / sizeof expected[0]; i++, pages = next_count(pages, &options))
        assert_int_equal(pages, expected[i]);
    unsigned powers = 0, count = 0;
    for (pages = options.min; pages <= options.max; pages = next_count(pages, &options), count++)
        powers += (pages & (pages - 1)) == 0;
    assert_int_equal(powers, 10); /* 8 to 4096 */
    assert_int_equal(count, 9 * 8 + 1);
    options.max = 100;
    uint64_t last = 0;
    for (pages = 97; pages <= options.max; pages = next_count(pages, &options)) last = pages;
    assert_int_equal(last, 100);
}

static void a_measurement_counts_its_accesses(void **state)
{
    (void)state;
    chase_options options = defaults;
    options.accesses = 100000;
    options.repeat = 3;
    for (unsigned source = 0; source < 2; source++) {
        options.cycles = source ? CYCLES_CORE : defaults.cycles;
        unsigned char *memory = map_pages(64);
        uint32_t order[64];
        chase_point found = measure(memory, order, 64, &options);
        assert_int_equal(found.pages, 64);
        assert_true(found.ns > 0 && found.ns < 1e6);
        assert_true(found.cycles > 0 && found.cycles < 1e7);
        munmap(memory, 64 * PAGE_BYTES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chain_is_one_cycle_over_one_line_a_page),
        cmocka_unit_test(counts_rise_evenly_in_each_octave),
        cmocka_unit_test(a_measurement_counts_its_accesses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
