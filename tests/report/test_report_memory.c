/* Every allocation fails once: jansson's too, which asks this program for its memory. */
#include <string.h>

#include "failing_malloc.h"
#include "golden_file.h"
#include "sample_run.h"
#include "test_support.h"
#include "vx_measured.h"
#include "vx_report.h"

static void *give(size_t bytes) { return malloc(bytes); }

/* Tries `work`, which returns whether it succeeded, with each allocation failing in turn. Returns how many there are.
 */
static uint64_t fail_each(bool (*work)(void *context, vx_msg *msg), void *context)
{
    uint64_t failed = 0;
    for (uint64_t n = 1;; n++) {
        vx_msg msg = {{0}};
        vx_fail_allocation(n);
        bool done = work(context, &msg);
        if (!vx_fail_allocation_end()) {
            assert_true(done);
            break;
        }
        assert_false(done);
        assert_non_null(strstr(msg.text, "memory"));
        failed++;
    }
    return failed;
}

static bool make_run(void *context, vx_msg *msg)
{
    json_t *run = vx_report_run_json(&((sample_run *)context)->run, msg);
    json_decref(run);
    return run != NULL;
}

static bool make_snapshot(void *context, vx_msg *msg)
{
    json_t *snapshot = vx_report_snapshot(&((sample_run *)context)->stats, msg);
    json_decref(snapshot);
    return snapshot != NULL;
}

static void a_run_object(void **state)
{
    (void)state;
    static const vx_report_window window = {.skip = 1};
    sample_run sample;
    sample_run_init(&sample);
    sample.run.window = &window;
    assert_true(fail_each(make_run, &sample) > 0);
    assert_true(fail_each(make_snapshot, &sample) > 0);
    sample.identities[0].left = UINT64_MAX;
    sample.run.name = "not UTF-8: \xff";
    assert_true(fail_each(make_run, &sample) > 0);
    sample_run_fini(&sample);
}

static void a_run_object_with_configuration(void **state)
{
    (void)state;
    vx_model *model;
    assert_int_equal(vx_model_open(&model, VX_MODEL_VM, NULL, NULL), VX_OK);
    sample_run sample;
    sample_run_init(&sample);
    sample.run.models[0] = model;
    assert_true(fail_each(make_run, &sample) > 0);
    sample_run_fini(&sample);
    vx_model_close(model);
}

static bool make_document(void *context, vx_msg *msg)
{
    static const vx_report_event events[] = {{"mov_cr3", 1}};
    static const vx_report_trace traces[] = {{.path = "a", .tier = 'F', .events = events, .event_count = 1},
                                             {.path = "b", .tier = 'F'}};
    json_t *document = vx_report_document("run", true, traces, 2, json_incref((json_t *)context), msg);
    json_decref(document);
    return document != NULL;
}

static bool compare(void *context, vx_msg *msg) { return vx_report_compare(context, msg) == VX_OK; }

static void a_document(void **state)
{
    (void)state;
    json_t *runs = json_array();
    assert_true(fail_each(make_document, runs) > 0);
    json_decref(runs);
    json_t *document = json_pack("{s:[{s:s,s:{s:i}},{s:s,s:{s:i},s:{}}]}", "runs", "scheme", "native", "cycles",
                                 "total", 3, "scheme", "ept", "cycles", "total", 4, "derived");
    assert_true(fail_each(compare, document) > 0);
    json_decref(document);
}

/* Rendering into a buffer that needs no memory of the program's. */
typedef struct rendering {
    const json_t *document;
    golden_writer write;
} rendering;

static bool render(void *context, vx_msg *msg)
{
    const rendering *r = context;
    FILE *out = fopen("/dev/null", "w");
    assert_non_null(out);
    vx_status status = r->write(r->document, out, msg);
    fclose(out);
    assert_true(status == VX_OK || status == VX_ERR_NOMEM);
    return status == VX_OK;
}

static bool save(void *context, vx_msg *msg)
{
    vx_status status = vx_report_save(context, "test_report_memory.tmp", vx_report_write_json, msg);
    if (status == VX_OK) remove("test_report_memory.tmp");
    assert_true(status == VX_OK || status == VX_ERR_NOMEM);
    return status == VX_OK;
}

static void renderings(void **state)
{
    (void)state;
    static const golden_writer writers[] = {vx_report_write_json, vx_report_write_csv, vx_report_write_text,
                                            vx_report_write_html};
    static const char *const names[] = {"run.json", "compare.json", "walk.json"};
    for (size_t name = 0; name < 3; name++) {
        json_t *document = golden_document(names[name]);
        for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
            rendering r = {.document = document, .write = writers[i]};
            bool needs_memory = writers[i] != vx_report_write_text || name == 1;
            assert_int_equal(fail_each(render, &r) > 0, needs_memory);
        }
        if (name == 2) assert_true(fail_each(save, document) > 0);
        json_decref(document);
    }
}

/* Two runs of one name and two seeds: what becomes their mean, and the summary of it. */
static void several_seeds(void **state)
{
    (void)state;
    json_t *document = golden_document("compare.json"), *runs = json_object_get(document, "runs");
    json_t *again = json_deep_copy(json_array_get(runs, 1));
    json_object_set_new(again, "seed", json_integer(2));
    while (json_array_size(runs) > 2) json_array_remove(runs, 2);
    json_array_append_new(runs, again);
    assert_true(fail_each(compare, document) > 0);
    rendering text = {document, vx_report_write_text}, html = {document, vx_report_write_html};
    assert_true(fail_each(render, &text) > 0);
    assert_true(fail_each(render, &html) > 0);
    json_decref(document);
}

static const char host_text[] = "VM-EXIT Samples Samples% Time% Min Time Max Time Avg time\n"
                                "HLT 3 1% 1% 1us 1us 1us\nEPT_VIOLATION 2 1% 1% 1us 1us 1us\n"
                                "Total Samples:5, Total events handled time:5us.\n";

static bool read_host(void *context, vx_msg *msg)
{
    (void)context;
    json_t *measured = NULL;
    vx_status status = vx_measured_parse(&measured, host_text, sizeof host_text - 1, "host", msg);
    assert_true(status == VX_OK || (status == VX_ERR_NOMEM && !measured));
    json_decref(measured);
    return status == VX_OK;
}

static bool compare_with_host(void *context, vx_msg *msg)
{
    json_t *document = context, *measured = json_deep_copy(json_object_get(document, "host"));
    if (!measured) return vx_fail_nomem(msg) == VX_OK;
    return vx_measured_compare(document, measured, msg) == VX_OK;
}

static void a_measured_host(void **state)
{
    (void)state;
    assert_true(fail_each(read_host, NULL) > 0);
    json_t *document = golden_document("compare.json"), *measured = NULL;
    vx_msg msg;
    assert_int_equal(vx_measured_parse(&measured, host_text, sizeof host_text - 1, "host", &msg), VX_OK);
    json_object_set_new(document, "host", measured);
    assert_true(fail_each(compare_with_host, document) > 0);
    rendering text = {document, vx_report_write_text}, html = {document, vx_report_write_html};
    assert_true(fail_each(render, &text) > 0);
    assert_true(fail_each(render, &html) > 0);
    json_decref(document);
}

int main(void)
{
    json_set_alloc_funcs(give, free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_object),  cmocka_unit_test(a_run_object_with_configuration),
        cmocka_unit_test(a_document),    cmocka_unit_test(renderings),
        cmocka_unit_test(several_seeds), cmocka_unit_test(a_measured_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
