/* The statistics registry and the histogram it reports. */
#include <string.h>

#include "failing_malloc.h"
#include "test_support.h"
#include "vx_histogram.h"
#include "vx_stats.h"

static void entries_keep_their_order_and_are_found(void **state)
{
    (void)state;
    vx_stats stats;
    vx_stats_init(&stats);
    static uint64_t values[1000];
    for (unsigned i = 0; i < 1000; i++) {
        values[i] = 3 + i;
        vx_stats_scalar(&stats, &values[i], "accesses", "A figure.", "walks.%s.%u", i % 2 ? "odd" : "even", i);
    }
    assert_int_equal(vx_stats_ok(&stats, NULL), VX_OK);
    assert_int_equal(stats.count, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        char path[64];
        snprintf(path, sizeof path, "walks.%s.%u", i % 2 ? "odd" : "even", i);
        const vx_stat *entry = vx_stats_find(&stats, path);
        assert_ptr_equal(entry, &stats.entries[i]);
        assert_int_equal(entry->kind, VX_STAT_SCALAR);
        assert_string_equal(entry->unit, "accesses");
        assert_string_equal(entry->doc, "A figure.");
        assert_null(entry->shown_if);
        assert_int_equal(*entry->of.scalar, 3 + i);
    }
    values[7] = 12345; /* the registry holds pointers */
    assert_int_equal(*vx_stats_find(&stats, "walks.odd.7")->of.scalar, 12345);
    assert_null(vx_stats_find(&stats, "walks.odd"));
    assert_null(vx_stats_find(&stats, ""));
    vx_stats_fini(&stats);
    assert_int_equal(stats.count, 0);
}

static void a_table_declares_members(void **state)
{
    (void)state;
    typedef struct counts {
        uint64_t first;
        char other;
        uint64_t second;
    } counts;
    static const vx_stat_row rows[] = {VX_STAT_ROW(counts, second, "b", "exits", "The second."),
                                       VX_STAT_ROW(counts, first, "a.x", "ticks", "The first.")};
    counts c = {1, 0, 2};
    vx_stats stats;
    vx_stats_init(&stats);
    vx_stats_rows(&stats, &c, "", rows, 2);
    vx_stats_rows(&stats, &c, "room.", rows, 2);
    assert_int_equal(vx_stats_ok(&stats, NULL), VX_OK);
    assert_ptr_equal(vx_stats_find(&stats, "b")->of.scalar, &c.second);
    assert_ptr_equal(vx_stats_find(&stats, "room.a.x")->of.scalar, &c.first);
    assert_string_equal(stats.entries[2].path, "room.b"); /* rows keep their order */
    assert_string_equal(stats.entries[2].unit, "exits");
    assert_string_equal(stats.entries[2].doc, "The second.");
    vx_stats_fini(&stats);
}

static void every_kind_is_copied_whole(void **state)
{
    (void)state;
    static const uint64_t num = 3, den = 4, shown = 1, cells[6] = {1, 2, 3, 4, 5, 6};
    static const char *const rows[] = {"g4", "g3"}, *const columns[] = {"n4", "n3", "entry"};
    vx_stat ratio = {.path = "a.ratio", .kind = VX_STAT_RATIO, .unit = "1", .doc = "A ratio.", .shown_if = &shown};
    ratio.of.ratio.num = &num;
    ratio.of.ratio.den = &den;
    ratio.of.ratio.scale = 1000;
    vx_stat table = {.path = "a.table", .kind = VX_STAT_TABLE, .unit = "accesses", .doc = "A grid."};
    table.of.table.cells = cells;
    table.of.table.rows = rows;
    table.of.table.columns = columns;
    table.of.table.row_count = 2;
    table.of.table.column_count = 3;
    vx_stats stats;
    vx_stats_init(&stats);
    vx_stats_add(&stats, &ratio);
    vx_stats_add(&stats, &table);
    assert_int_equal(vx_stats_ok(&stats, NULL), VX_OK);
    memset(&ratio, 0, sizeof ratio);
    const vx_stat *found = vx_stats_find(&stats, "a.ratio");
    assert_ptr_equal(found->of.ratio.num, &num);
    assert_ptr_equal(found->of.ratio.den, &den);
    assert_true(found->of.ratio.scale == 1000);
    assert_ptr_equal(found->shown_if, &shown);
    found = vx_stats_find(&stats, "a.table");
    assert_ptr_equal(found->of.table.cells, cells);
    assert_int_equal(found->of.table.row_count * 10 + found->of.table.column_count, 23);
    vx_stats_fini(&stats);
}

static void every_kind_has_a_short_way(void **state)
{
    (void)state;
    static const uint64_t num = 3, den = 4, cells[2] = {5, 6};
    static const char *const labels[] = {"first", "second"};
    static uint64_t value;
    vx_stats stats;
    vx_stats_init(&stats);
    vx_stats_scalar_if_any(&stats, &value, "events", "Rare.", "a.rare");
    vx_stats_ratio(&stats, &num, &den, 1000, "events", "A ratio.", "a.ratio");
    vx_stats_labelled(&stats, cells, labels, 2, "ticks", "By label.", "a.table");
    assert_int_equal(vx_stats_ok(&stats, NULL), VX_OK);
    const vx_stat *found = vx_stats_find(&stats, "a.rare");
    assert_int_equal(found->kind, VX_STAT_SCALAR);
    assert_ptr_equal(found->of.scalar, &value);
    assert_ptr_equal(found->shown_if, &value);
    found = vx_stats_find(&stats, "a.ratio");
    assert_int_equal(found->kind, VX_STAT_RATIO);
    assert_ptr_equal(found->of.ratio.num, &num);
    assert_ptr_equal(found->of.ratio.den, &den);
    assert_true(found->of.ratio.scale == 1000);
    assert_null(found->shown_if);
    found = vx_stats_find(&stats, "a.table");
    assert_int_equal(found->kind, VX_STAT_TABLE);
    assert_ptr_equal(found->of.table.cells, cells);
    assert_ptr_equal(found->of.table.rows, labels);
    assert_null(found->of.table.columns);
    assert_int_equal(found->of.table.row_count * 10 + found->of.table.column_count, 21);
    assert_string_equal(found->unit, "ticks");
    assert_string_equal(found->doc, "By label.");
    char path[97];
    memset(path, 'x', 96);
    path[96] = '\0';
    vx_stats_ratio(&stats, &num, &den, 1, "1", "Its path does not fit.", path);
    assert_int_equal(vx_stats_ok(&stats, NULL), VX_ERR_INPUT);
    vx_stats_fini(&stats);
}

static void expect(vx_status expected, const char *first, const char *second)
{
    vx_stats stats;
    vx_stats_init(&stats);
    uint64_t value = 0;
    vx_stats_scalar(&stats, &value, "1", "The first.", "%s", first);
    if (second) vx_stats_scalar(&stats, &value, "1", "The second.", "%s", second);
    vx_msg msg = {""};
    assert_int_equal(vx_stats_ok(&stats, &msg), expected);
    assert_int_equal(strlen(msg.text) > 0, expected != VX_OK);
    vx_stats_fini(&stats);
}

static void paths_are_checked(void **state)
{
    (void)state;
    expect(VX_OK, "tlb.l1d.misses", NULL);
    expect(VX_OK, "a", NULL);
    expect(VX_OK, "ept+vpid.by-cause.4k_pages", NULL);
    static const char *const bad[] = {"", ".", ".a", "a.", "a..b", "a b", "a/b", "tlb.l1d\n", "a.\"b\"", "a.\xC3\xA4"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) expect(VX_ERR_INPUT, bad[i], NULL);
    char path[97];
    memset(path, 'x', 96);
    path[96] = '\0';
    expect(VX_ERR_INPUT, path, NULL); /* would be cut */
    path[95] = '\0';
    expect(VX_OK, path, NULL);
}

static void two_figures_never_share_a_place(void **state)
{
    (void)state;
    expect(VX_ERR_INPUT, "tlb.l1d", "tlb.l1d");
    expect(VX_ERR_INPUT, "tlb.l1d", "tlb.l1d.misses");
    expect(VX_ERR_INPUT, "tlb.l1d.misses", "tlb.l1d");
    expect(VX_ERR_INPUT, "tlb.l1d.misses", "tlb");
    expect(VX_OK, "tlb.l1", "tlb.l1d");
    expect(VX_OK, "tlb.l1d.misses", "tlb.l1d.hits");
    expect(VX_OK, "tlb.l1-d", "tlb.l1.d");
}

/* A clash is found however many paths bytes would sort between the two. */
static void a_clash_is_found_among_neighbours(void **state)
{
    (void)state;
    static const char *const between[] = {"a+b", "a-b", "a0", "a_b", "ab", "a.b-c", "a.bc"};
    for (unsigned apart = 0; apart < 2; apart++) {
        vx_stats stats;
        vx_stats_init(&stats);
        uint64_t value = 0;
        vx_stats_scalar(&stats, &value, "1", "The outer.", "a.b");
        for (unsigned i = 0; i < sizeof between / sizeof between[0]; i++)
            vx_stats_scalar(&stats, &value, "1", "Another.", "%s", between[i]);
        vx_stats_scalar(&stats, &value, "1", "The inner.", "%s", apart ? "a.z" : "a.b.c");
        vx_msg msg = {""};
        assert_int_equal(vx_stats_ok(&stats, &msg), apart ? VX_OK : VX_ERR_INPUT);
        if (!apart) assert_non_null(strstr(msg.text, "'a.b' and 'a.b.c'"));
        vx_stats_fini(&stats);
    }
}

static void every_failing_allocation_is_reported(void **state)
{
    (void)state;
    static uint64_t value;
    for (uint64_t n = 1;; n++) {
        vx_stats stats;
        vx_stats_init(&stats);
        vx_fail_allocation(n);
        for (unsigned i = 0; i < 300; i++) vx_stats_scalar(&stats, &value, "1", "A figure.", "figure.%u", i);
        bool failed = vx_fail_allocation_end();
        vx_msg msg = {""};
        assert_int_equal(vx_stats_ok(&stats, &msg), failed ? VX_ERR_NOMEM : VX_OK);
        if (!failed) assert_int_equal(stats.count, 300);
        vx_stats_fini(&stats);
        if (failed) continue;
        assert_true(n > 2);
        return;
    }
}

/* ---- histogram ---- */

static void a_histogram_counts_everything(void **state)
{
    (void)state;
    vx_histogram histogram = {.count = 0};
    static const uint64_t values[] = {24, 24, 4, 62, 63, 64, 1000000};
    for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) vx_histogram_add(&histogram, values[i]);
    assert_int_equal(histogram.bin[24], 2);
    assert_int_equal(histogram.bin[4], 1);
    assert_int_equal(histogram.bin[62], 1);
    assert_int_equal(histogram.bin[63], 3); /* the last bin holds what lies beyond */
    assert_int_equal(histogram.count, 7);
    assert_int_equal(histogram.sum, 24 + 24 + 4 + 62 + 63 + 64 + 1000000);
    assert_int_equal(histogram.least, 4);
    assert_int_equal(histogram.most, 1000000);
    uint64_t binned = 0;
    for (unsigned i = 0; i < VX_HISTOGRAM_BINS; i++) binned += histogram.bin[i];
    assert_int_equal(binned, histogram.count);
}

static void a_histogram_of_zeros_has_least_and_most_zero(void **state)
{
    (void)state;
    vx_histogram histogram = {.count = 0};
    vx_histogram_add(&histogram, 5);
    vx_histogram_add(&histogram, 0);
    assert_int_equal(histogram.least, 0);
    assert_int_equal(histogram.most, 5);
    assert_int_equal(histogram.bin[0], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_keep_their_order_and_are_found),
        cmocka_unit_test(a_table_declares_members),
        cmocka_unit_test(every_kind_is_copied_whole),
        cmocka_unit_test(every_kind_has_a_short_way),
        cmocka_unit_test(paths_are_checked),
        cmocka_unit_test(two_figures_never_share_a_place),
        cmocka_unit_test(a_clash_is_found_among_neighbours),
        cmocka_unit_test(every_failing_allocation_is_reported),
        cmocka_unit_test(a_histogram_counts_everything),
        cmocka_unit_test(a_histogram_of_zeros_has_least_and_most_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
