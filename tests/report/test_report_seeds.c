/* What a comparison adds: bands of overheads, and several seeds as one column with its 95 % interval. */
#include <math.h>
#include <string.h>

#include "golden_file.h"
#include "report_private.h"
#include "test_support.h"

static const json_t *run_of(const json_t *document, size_t i)
{
    return json_array_get(json_object_get(document, "runs"), i);
}

static void assert_near(double found, double wanted)
{
    if (fabs(found - wanted) > 1e-9 * (1.0 + fabs(wanted))) fail_msg("%.15g instead of %.15g", found, wanted);
}

/* ---- bands ---- */

static json_t *cycles_of(int instructions, int walk, int nested, int exits)
{
    return json_pack("{s:i,s:{s:i,s:i,s:i,s:i,s:i}}", "total", instructions + walk + nested + exits, "by_cause",
                     "guest.instructions", instructions, "walk.guest", walk, "walk.nested", nested, "exit.hardware",
                     exits / 4, "exit.software", exits - exits / 4);
}

static void a_band_scales_walks_and_exits_in_both_runs(void **state)
{
    (void)state;
    json_t *document = json_pack("{s:[{s:s,s:o},{s:s,s:o}]}", "runs", "scheme", "native", "cycles",
                                 cycles_of(1000, 200, 0, 0), "scheme", "ept", "cycles", cycles_of(1000, 200, 300, 400));
    assert_int_equal(vx_report_compare(document, NULL), VX_OK);
    /* (1000 + 500 w + 400 e) / (1000 + 200 w) - 1 in the corners of w, e = 0.5, 1.5 */
    const json_t *run = run_of(document, 1);
    assert_near(report_real(run, "derived.overhead_band.low"), 1450.0 / 1100.0 - 1.0);
    assert_near(report_real(run, "derived.overhead_band.high"), 2350.0 / 1300.0 - 1.0);
    assert_near(report_real(run, "derived.overhead_vs_native.value"), 700.0 / 1200.0);
    assert_near(report_real(run_of(document, 0), "derived.overhead_band.low"), 0.0);
    assert_near(report_real(run_of(document, 0), "derived.overhead_band.high"), 0.0);
    json_decref(document);
}

/* Where native walks more than the scheme does, dearer walks favour the scheme: the corners swap. */
static void a_band_finds_its_corners(void **state)
{
    (void)state;
    json_t *document =
        json_pack("{s:[{s:s,s:o},{s:s,s:o}]}", "runs", "scheme", "native", "cycles", cycles_of(100, 1000, 0, 0),
                  "scheme", "shadow-wp", "cycles", cycles_of(100, 0, 0, 600));
    assert_int_equal(vx_report_compare(document, NULL), VX_OK);
    assert_near(report_real(run_of(document, 1), "derived.overhead_band.low"), 400.0 / 1600.0 - 1.0);
    assert_near(report_real(run_of(document, 1), "derived.overhead_band.high"), 1000.0 / 600.0 - 1.0);
    json_decref(document);
}

static void without_native_cycles_there_is_no_band(void **state)
{
    (void)state;
    json_t *document = json_pack("{s:[{s:s,s:{s:i}}]}", "runs", "scheme", "native", "cycles", "total", 0);
    assert_int_equal(vx_report_compare(document, NULL), VX_OK);
    assert_null(report_at(run_of(document, 0), "derived.overhead_band"));
    assert_non_null(report_at(run_of(document, 0), "derived.overhead_vs_native"));
    json_decref(document);
}

/* ---- seeds ---- */

/* The golden comparison with three seeds, whose cycles differ by `spread` from seed to seed. */
static json_t *seeded(int spread)
{
    json_t *document = golden_document("compare.json"), *runs = json_object_get(document, "runs");
    size_t schemes = json_array_size(runs);
    for (size_t i = 0; i < 2 * schemes; i++) {
        json_t *run = json_deep_copy(json_array_get(runs, i % schemes)), *cycles = json_object_get(run, "cycles");
        json_t *causes = json_object_get(cycles, "by_cause");
        json_int_t again = 1 + (json_int_t)(i / schemes), more = spread * again;
        json_object_set_new(run, "seed", json_integer(1 + again));
        json_object_set_new(cycles, "total", json_integer(json_integer_value(json_object_get(cycles, "total")) + more));
        json_object_set_new(causes, "guest.instructions",
                            json_integer(json_integer_value(json_object_get(causes, "guest.instructions")) + more));
        json_array_append_new(runs, run);
    }
    assert_int_equal(vx_report_compare(document, NULL), VX_OK);
    golden_schema(document);
    return document;
}

static void a_summary_has_mean_and_interval(void **state)
{
    (void)state;
    json_t *document = seeded(1000);
    const json_t *summary = json_object_get(document, "summary"), *first = json_array_get(summary, 0);
    assert_int_equal(json_array_size(summary), json_array_size(json_object_get(document, "runs")) / 3);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "native");
    assert_int_equal(report_uint(first, "seeds"), 3);
    double mean = report_real(run_of(document, 0), "cycles.total") + 1000.0;
    double half = 4.302652729911275 * 1000.0 / sqrt(3.0); /* t(0.975, 2), deviation 1000 */
    assert_near(report_real(first, "cycles.mean"), mean);
    assert_near(report_real(first, "cycles.low"), mean - half);
    assert_near(report_real(first, "cycles.high"), mean + half);
    assert_near(report_real(first, "overhead_vs_native.mean"), 0.0);
    json_decref(document);
}

static void one_seed_a_name_needs_no_summary(void **state)
{
    (void)state;
    json_t *document = golden_document("compare.json");
    assert_int_equal(vx_report_compare(document, NULL), VX_OK);
    assert_null(json_object_get(document, "summary"));
    json_t *shown = report_by_name(json_object_get(document, "runs"));
    assert_ptr_equal(shown, json_object_get(document, "runs"));
    json_decref(shown);
    json_decref(document);
}

/* An interrupted comparison may have more seeds of one scheme than of another: one value bounds nothing. */
static void a_single_seed_among_several_has_no_bounds(void **state)
{
    (void)state;
    json_t *document = json_pack("{s:[{s:s,s:i,s:{s:i}},{s:s,s:i,s:{s:i}},{s:s,s:i,s:{s:i}}]}", "runs", "name", "a",
                                 "seed", 1, "cycles", "total", 10, "name", "a", "seed", 2, "cycles", "total", 13,
                                 "name", "b", "seed", 1, "cycles", "total", 7);
    assert_int_equal(vx_report_compare(document, NULL), VX_OK);
    const json_t *b = json_array_get(json_object_get(document, "summary"), 1);
    assert_near(report_real(b, "cycles.mean"), 7.0);
    assert_true(json_is_null(report_at(b, "cycles.low")));
    assert_true(json_is_null(report_at(b, "cycles.high")));
    assert_null(json_object_get(b, "overhead_vs_native"));
    json_t *shown = report_by_name(json_object_get(document, "runs"));
    assert_int_equal(report_uint(json_array_get(shown, 0), "cycles.total"), 12);            /* 11.5 */
    assert_int_equal(report_uint(json_array_get(shown, 0), "half_width.cycles.total"), 20); /* 12.706 x 1.5, upwards */
    assert_true(json_is_null(report_at(json_array_get(shown, 1), "half_width.cycles.total")));
    json_decref(shown);
    json_decref(document);
}

/* A reason that one seed lacks did not occur there; what only one seed warns of is not lost. */
static void a_mean_run_loses_nothing(void **state)
{
    (void)state;
    json_t *runs = json_loads(
        "[{\"name\":\"a\",\"seed\":1,\"identities\":\"ok\",\"warnings\":[\"x\"],\"exits\":{\"by_reason\":{}},"
        "\"grid\":[[1,2],[3,4]],\"config\":{\"p\":{\"value\":1}},\"derived\":{\"r\":{\"value\":null}}},"
        "{\"name\":\"a\",\"seed\":2,\"identities\":[{\"name\":\"i\"}],\"warnings\":[\"x\",\"y\"],"
        "\"exits\":{\"by_reason\":{\"HLT\":{\"count\":8}}},\"grid\":[[3,4],[5,6]],\"config\":{\"p\":{\"value\":1}},"
        "\"derived\":{\"r\":{\"value\":0.5}}},"
        "{\"name\":\"a\",\"seed\":2,\"exits\":{\"by_reason\":{\"HLT\":{\"count\":800}}}}]",
        0, NULL);
    json_t *shown = report_by_name(runs),
           *wanted = json_loads(
               "{\"identities\":[{\"name\":\"i\"}],\"warnings\":[\"x\",\"y\"],\"exits\":{\"by_reason\":{\"HLT\":{"
               "\"count\":4}}},"
               "\"grid\":[[2,3],[4,5]],\"config\":{\"p\":{\"value\":1}},\"derived\":{\"r\":{\"value\":0.5}}}",
               0, NULL);
    assert_int_equal(json_array_size(shown), 1);
    const char *key;
    json_t *value;
    json_object_foreach(wanted, key, value)
    {
        if (!json_equal(json_object_get(json_array_get(shown, 0), key), value)) fail_msg("another %s", key);
    }
    json_decref(wanted);
    json_decref(shown);
    json_decref(runs);
}

static void text_shows_one_column_a_scheme(void **state)
{
    (void)state;
    json_t *document = seeded(1000);
    golden_check(document, vx_report_write_text, "seeds.txt");
    json_decref(document);
}

/* Where seeds change nothing the table is that of one seed. */
static void equal_seeds_have_no_interval_to_show(void **state)
{
    (void)state;
    json_t *several = seeded(0), *one = golden_document("compare.json");
    assert_int_equal(vx_report_compare(one, NULL), VX_OK);
    char *text = golden_render(several, vx_report_write_text), *wanted = golden_render(one, vx_report_write_text);
    const char *table = strstr(text, "\n\n"), *wanted_table = strstr(wanted, "\n\n");
    assert_non_null(table);
    assert_string_equal(table, wanted_table);
    free(text);
    free(wanted);
    json_decref(one);
    json_decref(several);
}

static void html_shows_the_half_width(void **state)
{
    (void)state;
    json_t *document = seeded(1000);
    char *page = golden_render(document, vx_report_write_html);
    assert_non_null(strstr(page, "<b>3 seeds</b>"));
    assert_non_null(strstr(page, "2,406,400 \u00b12,485")); /* ceil(2484.1) of native's cycles */
    free(page);
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_band_scales_walks_and_exits_in_both_runs),
        cmocka_unit_test(a_band_finds_its_corners),
        cmocka_unit_test(without_native_cycles_there_is_no_band),
        cmocka_unit_test(a_summary_has_mean_and_interval),
        cmocka_unit_test(one_seed_a_name_needs_no_summary),
        cmocka_unit_test(a_single_seed_among_several_has_no_bounds),
        cmocka_unit_test(a_mean_run_loses_nothing),
        cmocka_unit_test(text_shows_one_column_a_scheme),
        cmocka_unit_test(equal_seeds_have_no_interval_to_show),
        cmocka_unit_test(html_shows_the_half_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
