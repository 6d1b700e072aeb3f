/* From the registry to the contract's JSON. */
#include <string.h>

#include "golden_file.h"
#include "sample_run.h"
#include "test_support.h"
#include "vx_report.h"

static const json_t *at(const json_t *object, const char *first, const char *second)
{
    return json_object_get(json_object_get(object, first), second);
}

static json_t *document_of(const sample_run *sample)
{
    vx_msg msg = {{0}};
    json_t *run = vx_report_run_json(&sample->run, &msg);
    if (!run) fail_msg("%s", msg.text);
    const vx_report_event events[] = {{"mov_cr3", 3}, {"hlt", 0}};
    const vx_report_trace trace = {.path = "a.vxt",
                                   .hash = 0xabcULL,
                                   .tier = 'S',
                                   .references = 9000000,
                                   .replayed = 1000000,
                                   .instructions = 800000,
                                   .events = events,
                                   .event_count = 2};
    json_t *runs = json_array();
    json_array_append_new(runs, run);
    json_t *document = vx_report_document("run", true, &trace, 1, runs, &msg);
    if (!document) fail_msg("%s", msg.text);
    return document;
}

static void every_kind_of_entry_stands_at_its_path(void **state)
{
    (void)state;
    sample_run sample;
    sample_run_init(&sample);
    json_t *document = document_of(&sample);
    golden_schema(document);
    /* The version changes with each release; the rest must not. */
    assert_string_equal(json_string_value(at(document, "tool", "version")), VEXIT_VERSION);
    json_object_set_new(json_object_get(document, "tool"), "version", json_string("0"));
    golden_check(document, vx_report_write_json, "registry.json");
    json_decref(document);
    sample_run_fini(&sample);
}

static void the_layout_is_the_same_document(void **state)
{
    (void)state;
    sample_run sample;
    sample_run_init(&sample);
    json_t *document = document_of(&sample);
    char *text = golden_render(document, vx_report_write_json);
    json_t *again = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(again);
    char *twice = golden_render(again, vx_report_write_json);
    assert_string_equal(text, twice);
    assert_true(text[strlen(text) - 1] == '\n');
    free(text);
    free(twice);
    json_decref(again);
    json_decref(document);
    sample_run_fini(&sample);
}

static void what_has_no_value_is_null_or_absent(void **state)
{
    (void)state;
    sample_run sample;
    sample_run_init(&sample);
    sample.run.vmm = NULL;
    json_t *run = vx_report_run_json(&sample.run, NULL);
    const json_t *nothing = at(run, "derived", "of_nothing");
    assert_true(json_is_null(json_object_get(nothing, "value")));
    assert_int_equal(json_integer_value(json_object_get(nothing, "num")), 3);
    assert_int_equal(json_integer_value(json_object_get(nothing, "den")), 0);
    assert_null(json_object_get(nothing, "scale"));
    assert_true(json_is_null(json_object_get(run, "vmm")));
    assert_true(json_is_null(json_object_get(run, "class")));
    assert_null(json_object_get(run, "window"));
    const json_t *reasons = at(run, "exits", "by_reason");
    assert_null(json_object_get(reasons, "HLT"));
    assert_non_null(json_object_get(reasons, "EPT_VIOLATION"));
    json_decref(run);
    /* Without any exit the list of reasons is there, and empty. */
    sample.reason[1] = 0;
    run = vx_report_run_json(&sample.run, NULL);
    assert_true(json_is_object(at(run, "exits", "by_reason")));
    assert_int_equal(json_object_size(at(run, "exits", "by_reason")), 0);
    json_decref(run);
    sample_run_fini(&sample);
}

static void a_window_and_a_class_are_told(void **state)
{
    (void)state;
    sample_run sample;
    sample_run_init(&sample);
    const vx_report_window window = {.skip = 5, .warmup = 10, .max = 100, .by_region = true, .region = 0};
    sample.run.window = &window;
    sample.run.claim_class = "D";
    json_t *run = vx_report_run_json(&sample.run, NULL);
    assert_string_equal(json_string_value(json_object_get(run, "class")), "D");
    assert_int_equal(json_integer_value(at(run, "window", "skip")), 5);
    assert_int_equal(json_integer_value(at(run, "window", "warmup")), 10);
    assert_int_equal(json_integer_value(at(run, "window", "max")), 100);
    assert_true(json_is_null(at(run, "window", "interval")));
    assert_true(json_is_integer(at(run, "window", "region"))); /* region 0 is a region */
    json_decref(run);
    sample_run_fini(&sample);
}

static void a_broken_identity_is_listed_and_fails(void **state)
{
    (void)state;
    sample_run sample;
    sample_run_init(&sample);
    json_t *document = document_of(&sample);
    assert_int_equal(vx_report_identities(document, NULL), VX_OK);
    json_decref(document);
    sample.identities[1].right = UINT64_MAX; /* a difference that went below 0 */
    document = document_of(&sample);
    golden_schema(document);
    const json_t *broken = json_object_get(json_array_get(json_object_get(document, "runs"), 0), "identities");
    assert_int_equal(json_array_size(broken), 1);
    vx_msg msg;
    assert_int_equal(vx_report_identities(document, &msg), VX_ERR_CHECK);
    assert_string_equal(msg.text, "run ept+vpid: 'walk accesses = sum over the grid' does not hold: 85 against "
                                  "18446744073709551615");
    json_decref(document);
    sample_run_fini(&sample);
}

static void a_run_without_identities_was_not_checked(void **state)
{
    (void)state;
    json_t *document = json_pack("{s:[{s:s}]}", "runs", "name", "x");
    vx_msg msg;
    assert_int_equal(vx_report_identities(document, &msg), VX_ERR_CHECK);
    assert_string_equal(msg.text, "run x: its identities were not checked");
    json_decref(document);
}

static void tables_of_one_grid_share_their_labels(void **state)
{
    (void)state;
    static const char *const rows[] = {"a"}, *const columns[] = {"x"}, *const others[] = {"y"};
    static const uint64_t cell = 1;
    for (unsigned wrong = 0; wrong < 3; wrong++) {
        sample_run sample;
        sample_run_init(&sample);
        for (unsigned i = 0; i < 2; i++) {
            vx_stat stat = {.kind = VX_STAT_TABLE, .unit = "1", .doc = "A table."};
            snprintf(stat.path, sizeof stat.path, "grid.%u", i);
            stat.of.table.cells = &cell;
            stat.of.table.rows = i == 1 && wrong == 1 ? others : rows;
            stat.of.table.columns = i == 1 && wrong == 2 ? others : columns;
            stat.of.table.row_count = stat.of.table.column_count = 1;
            vx_stats_add(&sample.stats, &stat);
        }
        vx_msg msg = {{0}};
        json_t *run = vx_report_run_json(&sample.run, &msg);
        assert_int_equal(run != NULL, wrong == 0);
        if (wrong == 1) assert_string_equal(msg.text, "table 'grid.1' has other rows than its neighbours");
        if (wrong == 2) assert_string_equal(msg.text, "table 'grid.1' has other columns than its neighbours");
        json_decref(run);
        sample_run_fini(&sample);
    }
}

static void a_snapshot_is_flat(void **state)
{
    (void)state;
    sample_run sample;
    sample_run_init(&sample);
    json_t *snapshot = vx_report_snapshot(&sample.stats, NULL);
    assert_int_equal(json_integer_value(json_object_get(snapshot, "instructions")), 800000);
    assert_int_equal(json_integer_value(json_object_get(snapshot, "tlb.dtlb0.misses")), 3);
    assert_int_equal(json_integer_value(json_object_get(snapshot, "cycles.by_cause.walk.nested")), 234567);
    assert_int_equal(json_integer_value(json_object_get(snapshot, "exits.by_reason.EPT_VIOLATION.count")), 2);
    assert_null(json_object_get(snapshot, "exits.by_reason.HLT.count"));
    assert_null(json_object_get(snapshot, "tlb.dtlb0.class"));
    assert_null(json_object_get(snapshot, "derived.of_nothing"));
    const char *key;
    json_t *value;
    json_object_foreach(snapshot, key, value) assert_true(json_is_integer(value));
    json_decref(snapshot);
    sample_run_fini(&sample);
}

static void configuration_comes_with_its_origin(void **state)
{
    (void)state;
    vx_model *model;
    vx_msg msg = {{0}};
    assert_int_equal(vx_model_open(&model, VX_MODEL_CPU, VX_SOURCE_DIR "/models/cpu/nehalem.xml", &msg), VX_OK);
    assert_int_equal(vx_model_set(model, "cpu.core.cpi=0.125", &msg), VX_OK);
    sample_run sample;
    sample_run_init(&sample);
    sample.run.models[2] = model; /* unused places may be anywhere */
    json_t *run = vx_report_run_json(&sample.run, &msg);
    const json_t *config = json_object_get(run, "config");
    const json_t *cpi = json_object_get(config, "cpu.core.cpi");
    assert_true(json_is_real(json_object_get(cpi, "value")));
    assert_true(json_real_value(json_object_get(cpi, "value")) == 0.125);
    assert_string_equal(json_string_value(json_object_get(cpi, "from")), "--set");
    assert_true(json_is_boolean(json_object_get(cpi, "assumed")));
    assert_true(json_is_string(json_object_get(cpi, "source")));
    assert_true(json_is_true(at(config, "cpu.paging.nx", "value")));
    assert_true(json_is_integer(at(config, "cpu.memory.memory_ticks", "value")));
    assert_true(json_is_string(at(config, "cpu.memory.caches", "value")));
    const char *from = json_string_value(at(config, "cpu.paging.nx", "from"));
    assert_non_null(strstr(from, "nehalem.xml:"));
    json_t *runs = json_pack("[o]", run), *document = vx_report_document("walk", true, NULL, 0, runs, &msg);
    golden_schema(document);
    assert_true(json_is_null(json_object_get(document, "trace")));
    json_decref(document);
    sample_run_fini(&sample);
    vx_model_close(model);
}

static void several_traces_are_an_array(void **state)
{
    (void)state;
    const vx_report_trace traces[] = {{.path = "a", .tier = 'F'}, {.path = "caf\xe9", .tier = 'E'}};
    json_t *document = vx_report_document("run", false, traces, 2, json_array(), NULL);
    golden_schema(document);
    const json_t *list = json_object_get(document, "trace");
    assert_int_equal(json_array_size(list), 2);
    /* A file name need not be UTF-8; JSON must be. */
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "path")), "caf?");
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "hash")), "0000000000000000");
    assert_null(json_object_get(json_array_get(list, 0), "events"));
    assert_true(json_is_false(json_object_get(document, "complete")));
    json_decref(document);
}

static void a_wide_seed_keeps_its_digits(void **state)
{
    (void)state;
    sample_run sample;
    sample_run_init(&sample);
    sample.run.seed = UINT64_MAX;
    json_t *document = document_of(&sample);
    golden_schema(document);
    const json_t *run = json_array_get(json_object_get(document, "runs"), 0);
    assert_string_equal(json_string_value(json_object_get(run, "seed")), "18446744073709551615");
    json_decref(document);
    sample_run_fini(&sample);
}

static json_t *two_schemes(void)
{
    return json_pack("{s:[{s:s,s:i,s:{s:i}},{s:s,s:i,s:{s:i}},{s:s,s:i,s:{s:i}},{s:s,s:i,s:{s:i},s:{s:i}}]}", "runs",
                     "scheme", "native", "seed", 1, "cycles", "total", 1000, "scheme", "native", "seed", 2, "cycles",
                     "total", 500, "scheme", "ept", "seed", 2, "cycles", "total", 400, "scheme", "ept", "seed", 3,
                     "cycles", "total", 1250, "derived", "kept", 1);
}

static void overhead_is_against_the_native_run_of_the_same_seed(void **state)
{
    (void)state;
    json_t *document = two_schemes();
    const json_t *runs = json_object_get(document, "runs");
    assert_int_equal(vx_report_compare(document, NULL), VX_OK);
    static const json_int_t nums[] = {0, 0, -100, 250}, dens[] = {1000, 500, 500, 1000};
    for (size_t i = 0; i < 4; i++) {
        const json_t *overhead = at(json_array_get(runs, i), "derived", "overhead_vs_native");
        assert_int_equal(json_integer_value(json_object_get(overhead, "num")), nums[i]);
        assert_int_equal(json_integer_value(json_object_get(overhead, "den")), dens[i]);
        assert_true(json_real_value(json_object_get(overhead, "value")) == (double)nums[i] / (double)dens[i]);
    }
    assert_non_null(at(json_array_get(runs, 3), "derived", "kept"));
    json_decref(document);
}

static void without_a_native_run_there_is_no_overhead(void **state)
{
    (void)state;
    json_t *document = json_pack("{s:[{s:s,s:{s:i}}]}", "runs", "scheme", "ept", "cycles", "total", 3);
    assert_int_equal(vx_report_compare(document, NULL), VX_OK);
    assert_null(json_object_get(json_array_get(json_object_get(document, "runs"), 0), "derived"));
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_entry_stands_at_its_path),
        cmocka_unit_test(the_layout_is_the_same_document),
        cmocka_unit_test(what_has_no_value_is_null_or_absent),
        cmocka_unit_test(a_window_and_a_class_are_told),
        cmocka_unit_test(a_broken_identity_is_listed_and_fails),
        cmocka_unit_test(a_run_without_identities_was_not_checked),
        cmocka_unit_test(tables_of_one_grid_share_their_labels),
        cmocka_unit_test(a_snapshot_is_flat),
        cmocka_unit_test(configuration_comes_with_its_origin),
        cmocka_unit_test(several_traces_are_an_array),
        cmocka_unit_test(a_wide_seed_keeps_its_digits),
        cmocka_unit_test(overhead_is_against_the_native_run_of_the_same_seed),
        cmocka_unit_test(without_a_native_run_there_is_no_overhead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
