/* Generators: the same seed gives the same records, working sets are exact, distributions are what they say. */
#include <math.h>
#include <string.h>

#include "test_support.h"
#include "trace_samples.h"

#define DATA_BASE 0x100000000000ULL

/* All loads' and stores' addresses, less the base. Also counts what came. */
typedef struct run {
    uint64_t *address;
    size_t count;
    vx_trace_totals totals;
    uint64_t references_promised;
} run;

static run run_gen(const char *what, uint64_t seed)
{
    run made = {0};
    vx_source *source = vx_sample_generator(what, seed);
    vx_msg msg;
    vx_batch batch;
    made.references_promised = source->header.references;
    for (;;) {
        assert_int_equal(vx_source_next(source, &batch, &msg), VX_OK);
        if (batch.count == 0) break;
        made.address = realloc(made.address, (made.count + batch.count) * sizeof *made.address);
        for (size_t i = 0; i < batch.count; i++) {
            const vx_record *record = &batch.records[i];
            assert_true(vx_record_valid(record, batch.words));
            vx_trace_totals_add(&made.totals, record, 1, batch.payload);
            if (record->kind == VX_REC_LOAD || record->kind == VX_REC_STORE)
                made.address[made.count++] = record->addr - DATA_BASE;
        }
    }
    vx_source_close(source);
    return made;
}

static const char *const all[] = {"gen:random:refs=20k", "gen:random:refs=20k,rmw=1", "gen:sequential:refs=20k",
                                  "gen:zipf:refs=20k",   "gen:chase:refs=20k",        "gen:mix:refs=20k,slice=500"};

static void the_seed_decides_everything(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        run a = run_gen(all[i], 7), b = run_gen(all[i], 7), c = run_gen(all[i], 8);
        assert_int_equal(a.count, 20000);
        assert_int_equal(b.count, a.count);
        assert_memory_equal(a.address, b.address, a.count * sizeof *a.address);
        bool seeded = strncmp(all[i], "gen:sequential", 14) != 0;
        assert_int_equal(memcmp(a.address, c.address, a.count * sizeof *a.address) != 0, seeded);
        free(a.address);
        free(b.address);
        free(c.address);
    }
}

static void counts_are_those_promised(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        run made = run_gen(all[i], 1);
        assert_int_equal(made.totals.loads + made.totals.stores, 20000);
        assert_int_equal(made.totals.fetches + 20000, made.references_promised);
        assert_int_equal(made.totals.fetches, made.totals.instructions);
        free(made.address);
    }
    run pure = run_gen("gen:random:refs=101,rmw=1,body=0", 1); /* the last turn is half a turn */
    assert_int_equal(pure.totals.instructions, 0);
    assert_int_equal(pure.totals.loads, 51);
    assert_int_equal(pure.totals.stores, 50);
    free(pure.address);
    run body = run_gen("gen:sequential:refs=10,body=1000", 1);
    assert_int_equal(body.totals.instructions, 10000);
    free(body.address);
}

/* Pearson's statistic against equal weights or given ones. */
static double chi_square(const uint64_t *seen, const double *expected, size_t bins)
{
    double sum = 0;
    for (size_t i = 0; i < bins; i++)
        sum += ((double)seen[i] - expected[i]) * ((double)seen[i] - expected[i]) / expected[i];
    return sum;
}

static void random_is_uniform(void **state)
{
    (void)state;
    enum { BINS = 256, REFS = 100000 };
    run made = run_gen("gen:random:refs=100k,bytes=64k", 1);
    uint64_t seen[BINS] = {0};
    double expected[BINS];
    for (unsigned i = 0; i < BINS; i++) expected[i] = (double)REFS / BINS;
    for (size_t i = 0; i < made.count; i++) {
        assert_in_range(made.address[i], 0, 65536 - 8);
        assert_int_equal(made.address[i] % 8, 0);
        seen[made.address[i] / 256]++;
    }
    double statistic = chi_square(seen, expected, BINS); /* 255 degrees of freedom: 330.5 at 0.1 % */
    assert_true(statistic > 180 && statistic < 330);
    free(made.address);
}

static void updates_are_a_load_and_a_store(void **state)
{
    (void)state;
    run made = run_gen("gen:random:refs=1000,rmw=1", 1);
    assert_int_equal(made.totals.loads, 500);
    assert_int_equal(made.totals.stores, 500);
    for (size_t i = 0; i < made.count; i += 2) assert_int_equal(made.address[i], made.address[i + 1]);
    free(made.address);
}

static void sequential_wraps_at_its_end(void **state)
{
    (void)state;
    run made = run_gen("gen:sequential:refs=1000,bytes=1000,stride=64", 1);
    for (size_t i = 0; i < made.count; i++) assert_int_equal(made.address[i], i % 16 * 64); /* 0 to 960: 16 places */
    free(made.address);
}

static int compare_counts(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

/* Sorted by popularity, the items' counts are Zipf's; far down sorting biases them, so the tail is one bin. */
static void check_zipf(const char *what, double theta, size_t refs)
{
    enum { ITEMS = 1024, HEAD = 12 };
    run made = run_gen(what, 1);
    uint64_t seen[ITEMS] = {0}, head[HEAD + 1] = {0};
    double expected[HEAD + 1] = {0}, norm = 0;
    for (size_t i = 0; i < made.count; i++) {
        assert_in_range(made.address[i], 0, ITEMS * 64 - 1);
        seen[made.address[i] / 64]++;
    }
    qsort(seen, ITEMS, sizeof *seen, compare_counts);
    for (unsigned i = 0; i < ITEMS; i++) norm += pow(i + 1, -theta);
    for (unsigned i = 0; i < ITEMS; i++) {
        head[i < HEAD ? i : HEAD] += seen[i];
        expected[i < HEAD ? i : HEAD] += (double)refs * pow(i + 1, -theta) / norm;
    }
    assert_true(chi_square(head, expected, HEAD + 1) < 32.9); /* 12 degrees of freedom, 0.1 % */
    free(made.address);
}

static void zipf_has_its_exponent(void **state)
{
    (void)state;
    check_zipf("gen:zipf:refs=1m,bytes=64k,item=64,theta=0.99", 0.99, 1000000);
    check_zipf("gen:zipf:refs=1m,bytes=64k,item=64,theta=1", 1, 1000000);
    check_zipf("gen:zipf:refs=1m,bytes=64k,item=64,theta=2", 2, 1000000);
}

static void zipf_of_one_item_and_of_no_skew(void **state)
{
    (void)state;
    run one = run_gen("gen:zipf:refs=100,bytes=64,item=64,size=64", 1);
    for (size_t i = 0; i < one.count; i++) assert_int_equal(one.address[i], 0);
    free(one.address);
    enum { ITEMS = 64 };
    run flat = run_gen("gen:zipf:refs=64000,bytes=4k,item=64,theta=0", 1);
    uint64_t seen[ITEMS] = {0};
    double expected[ITEMS];
    for (size_t i = 0; i < flat.count; i++) seen[flat.address[i] / 64]++;
    for (unsigned i = 0; i < ITEMS; i++) expected[i] = 1000;
    assert_true(chi_square(seen, expected, ITEMS) < 103.4); /* 63 degrees of freedom, 0.1 % */
    free(flat.address);
}

static void a_chase_visits_every_page_once_a_lap(void **state)
{
    (void)state;
    static const unsigned sizes[] = {1, 2, 3, 64, 65, 1000};
    for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        char what[64];
        unsigned pages = sizes[s];
        uint64_t places[64] = {0};
        snprintf(what, sizeof what, "gen:chase:refs=%u,pages=%u", pages * 3, pages);
        run made = run_gen(what, 5);
        unsigned *visits = calloc(pages, sizeof *visits);
        for (size_t i = 0; i < made.count; i++) {
            uint64_t page = made.address[i] / 4096;
            assert_in_range(page, 0, pages - 1);
            if (i < pages) assert_int_equal(visits[page], 0);
            if (i >= pages) assert_int_equal(made.address[i], made.address[i - pages]); /* one cycle, again and again */
            visits[page]++;
            if (i < pages) places[made.address[i] % 4096 / 64]++;
        }
        for (unsigned i = 0; i < 64; i++) assert_in_range(places[i], pages / 64, pages / 64 + 1); /* over all sets */
        free(visits);
        free(made.address);
    }
}

static void processes_take_turns(void **state)
{
    (void)state;
    vx_source *source = vx_sample_generator("gen:mix:refs=3500,slice=500,processes=3,bytes=64k,hot=4k,hotness=1", 1);
    vx_msg msg;
    vx_batch batch;
    uint64_t switches = 0, since = 500;
    for (;;) {
        assert_int_equal(vx_source_next(source, &batch, &msg), VX_OK);
        if (batch.count == 0) break;
        for (size_t i = 0; i < batch.count; i++) {
            const vx_record *record = &batch.records[i];
            if (record->kind == VX_REC_FETCH) continue;
            if (record->kind == VX_REC_PROCESS) {
                assert_int_equal(since, 500);
                assert_int_equal(record->addr, switches++ % 3 + 1);
                since = 0;
            } else {
                assert_in_range(record->addr - DATA_BASE, 0, 4096 - 8);
                since++;
            }
        }
    }
    assert_int_equal(switches, 7);
    vx_source_close(source);
}

static void stores_have_their_share(void **state)
{
    (void)state;
    run made = run_gen("gen:random:refs=100k,stores=0.3", 1);
    assert_in_range(made.totals.stores, 29500, 30500); /* 3.4 standard deviations */
    free(made.address);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_seed_decides_everything),
        cmocka_unit_test(counts_are_those_promised),
        cmocka_unit_test(random_is_uniform),
        cmocka_unit_test(updates_are_a_load_and_a_store),
        cmocka_unit_test(sequential_wraps_at_its_end),
        cmocka_unit_test(zipf_has_its_exponent),
        cmocka_unit_test(zipf_of_one_item_and_of_no_skew),
        cmocka_unit_test(a_chase_visits_every_page_once_a_lap),
        cmocka_unit_test(processes_take_turns),
        cmocka_unit_test(stores_have_their_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
