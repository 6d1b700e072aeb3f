/* A host's exits as perf prints them: what is read, what is refused, and how it stands beside the runs. */
#include <string.h>

#include "golden_file.h"
#include "test_support.h"
#include "vx_measured.h"
#include "vx_report.h"

#define HOST(name) VX_SOURCE_DIR "/tests/report/measured/" name
#define HEAD "VM-EXIT Samples Samples% Time% Min Time Max Time Avg time\n"

static json_t *host(const char *path)
{
    json_t *measured = NULL;
    vx_msg msg;
    if (vx_measured_read(&measured, path, &msg) != VX_OK) fail_msg("%s", msg.text);
    return measured;
}

static json_int_t count(const json_t *measured, const char *reason)
{
    return json_integer_value(
        json_object_get(json_object_get(json_object_get(measured, "by_reason"), reason), "count"));
}

static double figure(const json_t *measured, const char *reason, const char *key)
{
    return json_number_value(json_object_get(json_object_get(json_object_get(measured, "by_reason"), reason), key));
}

static void an_intel_host(void **state)
{
    (void)state;
    json_t *measured = host(HOST("intel.txt"));
    assert_int_equal(json_integer_value(json_object_get(measured, "total")), 1000);
    assert_int_equal(count(measured, "EPT_VIOLATION"), 450);
    assert_int_equal(count(measured, "HLT"), 1);
    assert_true(figure(measured, "CR_ACCESS", "share") == 0.3);
    assert_true(figure(measured, "CR_ACCESS", "time_us") == 300.0);
    assert_true(figure(measured, "CR_ACCESS", "min_us") == 0.44);
    assert_true(figure(measured, "CR_ACCESS", "max_us") == 9.07);
    json_decref(measured);
}

/* Names with a blank, a name that perf cut, and an older perf without least and most. */
static void an_amd_host(void **state)
{
    (void)state;
    json_t *measured = host(HOST("amd.txt"));
    assert_int_equal(count(measured, "npf"), 10);
    assert_int_equal(count(measured, "PF_excp"), 6);
    assert_int_equal(count(measured, "avic_unaccelerated_"), 4);
    const json_t *npf = json_object_get(json_object_get(measured, "by_reason"), "npf");
    assert_true(json_is_null(json_object_get(npf, "min_us")));
    json_decref(measured);
}

/* live prints a table each interval: they are added up. Most frequent first. */
static void live_tables_add_up(void **state)
{
    (void)state;
    json_t *measured = host(HOST("live.txt"));
    assert_int_equal(json_integer_value(json_object_get(measured, "tables")), 2);
    assert_int_equal(json_integer_value(json_object_get(measured, "total")), 9);
    assert_int_equal(count(measured, "INTERRUPT_WINDOW"), 3); /* by its name of today */
    assert_int_equal(count(measured, "HLT"), 6);
    assert_true(figure(measured, "HLT", "min_us") == 1.0 && figure(measured, "HLT", "max_us") == 9.0);
    assert_true(figure(measured, "HLT", "time_us") == 16.0);
    json_t *reasons = json_object_get(measured, "by_reason");
    assert_string_equal(json_object_iter_key(json_object_iter(reasons)), "HLT");
    json_decref(measured);
}

static void what_is_no_such_table_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "f: no table of VM-EXIT as perf kvm stat prints it"},
        {"perf: command not found\n", "f: no table of VM-EXIT as perf kvm stat prints it"},
        {HEAD, "f:1: ends within a table: no line of totals"},
        {HEAD "HLT 3 1% 1% 1us 1us 1us\n", "f:2: ends within a table: no line of totals"},
        {HEAD "\nHLT 3 1% 1% 1us 1us\n", "f:3: no row of perf kvm stat"},
        {HEAD "HLT x 1% 1% 1us 1us 1us\n", "f:2: no row of perf kvm stat"},
        {HEAD "HLT -3 1% 1% 1us 1us 1us\n", "f:2: no row of perf kvm stat"},
        {HEAD "HLT 3 1 1% 1us 1us 1us\n", "f:2: no row of perf kvm stat"},
        {HEAD "HLT 3 1% 1% 1us 1us 1..1us\n", "f:2: no row of perf kvm stat"},
        {HEAD "HLT 3 1% 1% 1us 1us 1e9us\n", "f:2: no row of perf kvm stat"},
        {HEAD "HLT 9999999999999999 1% 1% 1us 1us 1us\n", "f:2: no row of perf kvm stat"},
        {HEAD "<b>HLT</b> 3 1% 1% 1us 1us 1us\n", "f:2: no row of perf kvm stat"},
        {HEAD "3 1% 1% 1us 1us 1us\n", "f:2: no row of perf kvm stat"},
        {HEAD "[..]\n", "f:2: no row of perf kvm stat"},
        {HEAD "HLT 3 1% 1% 1us 1us 1us\nTotal Samples:4, Total events handled time:1us.\n",
         "f:3: the rows have 3 samples, the total says 4: cut?"},
        {HEAD "HLT 3 1% 1% 1us 1us 1us\nTotal\n", "f:3: no line of totals of perf kvm stat"},
        {HEAD "HLT 3 1% 1% 1us 1us 1us\nHLT 3 1% 1% 1us 1us 1us\n", "f:3: HLT stands twice in a table (line 2)"},
        {HEAD "Total Samples:0, Total events handled time:0.00us.\n", "f:2: no exit was counted"},
        {"IO Port Access Samples Samples% Time% Min Time Max Time Avg time\n",
         "f:1: a table of 'IO', not of VM-EXIT (perf kvm stat report --event=vmexit)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *measured = NULL;
        vx_msg msg;
        assert_int_equal(vx_measured_parse(&measured, rows[i].text, strlen(rows[i].text), "f", &msg), VX_ERR_INPUT);
        assert_string_equal(msg.text, rows[i].error);
        assert_null(measured);
    }
}

static void a_line_without_end_is_refused(void **state)
{
    (void)state;
    char text[2048];
    json_t *measured = NULL;
    vx_msg msg;
    memset(text, 'x', sizeof text);
    assert_int_equal(vx_measured_parse(&measured, text, sizeof text, "f", &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text, "f:1: line too long");
    assert_int_equal(vx_measured_read(&measured, "/nonexistent/host.txt", &msg), VX_ERR_IO);
    assert_string_equal(msg.text, "cannot open /nonexistent/host.txt: No such file or directory");
}

/* A document with the host beside its runs; the path is the same wherever the tests lie. */
static json_t *document_with(const char *document_name, const char *host_path)
{
    json_t *document = golden_document(document_name), *measured = host(host_path);
    json_object_set_new(measured, "path", json_string("host.txt"));
    vx_msg msg;
    assert_int_equal(vx_measured_compare(document, measured, &msg), VX_OK);
    golden_schema(document);
    return document;
}

static void beside_the_runs(void **state)
{
    (void)state;
    json_t *document = document_with("compare.json", HOST("intel.txt"));
    golden_check(document, vx_report_write_text, "measured.txt");
    char *page = golden_render(document, vx_report_write_html);
    assert_non_null(strstr(page, "<h2>Exits beside a measured host</h2>"));
    assert_non_null(strstr(page, "<td class=\"n\">45.0%</td>"));
    free(page);
    json_decref(document);
    document = document_with("run.json", HOST("intel.txt"));
    char *text = golden_render(document, vx_report_write_text);
    assert_non_null(strstr(text, "EXITS BESIDE A MEASURED HOST"));
    free(text);
    json_decref(document);
}

static double difference(const json_t *document, size_t run)
{
    const json_t *runs = json_object_get(json_object_get(document, "measured"), "runs");
    return json_number_value(json_object_get(json_array_get(runs, run), "share_difference"));
}

/* Shares do not know how long the guest ran. */
static void shares_compare(void **state)
{
    (void)state;
    static const char text[] = HEAD "A 20 1% 1% 1us 1us 1us\nB 60 1% 1% 1us 1us 1us\nC 20 1% 1% 1us 1us 1us\n"
                                    "Total Samples:100, Total events handled time:1us.\n";
    json_t *document =
        json_pack("{s:[{s:s,s:i,s:{s:i,s:{s:{s:i},s:{s:i}}}},{s:s,s:i,s:{s:i,s:{}}},{s:s,s:i,s:{s:i,s:{s:{s:i}}}}]}",
                  "runs", "name", "x", "seed", 1, "exits", "total", 10, "by_reason", "A", "count", 4, "B", "count", 6,
                  "name", "y", "seed", 1, "exits", "total", 0, "by_reason", "name", "z", "seed", 1, "exits", "total", 7,
                  "by_reason", "D", "count", 7);
    assert_non_null(document);
    json_t *measured = NULL;
    vx_msg msg;
    assert_int_equal(vx_measured_parse(&measured, text, sizeof text - 1, "f", &msg), VX_OK);
    assert_int_equal(vx_measured_compare(document, measured, &msg), VX_OK);
    assert_true(difference(document, 0) > 0.1999 && difference(document, 0) < 0.2001); /* A +0.2, C -0.2 */
    assert_true(difference(document, 1) == 1.0);                                       /* nothing to compare with */
    assert_true(difference(document, 2) > 0.9999 && difference(document, 2) < 1.0001);
    json_decref(document);
}

/* A name that perf cut is the one that begins so. */
static void cut_names_match(void **state)
{
    (void)state;
    json_t *document = json_pack("{s:[{s:s,s:i,s:{s:i,s:{s:{s:i},s:{s:i},s:{s:i}}}}]}", "runs", "name", "npt", "seed",
                                 1, "exits", "total", 20, "by_reason", "npf", "count", 10, "PF_excp", "count", 6,
                                 "avic_unaccelerated_access", "count", 4);
    vx_msg msg;
    assert_int_equal(vx_measured_compare(document, host(HOST("amd.txt")), &msg), VX_OK);
    assert_true(difference(document, 0) < 1e-9);
    char *text = golden_render(document, vx_report_write_text);
    assert_non_null(strstr(text, "avic_unaccelerated_access"));
    assert_null(strstr(text, "avic_unaccelerated_ "));
    free(text);
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_intel_host),
        cmocka_unit_test(an_amd_host),
        cmocka_unit_test(live_tables_add_up),
        cmocka_unit_test(what_is_no_such_table_is_refused),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(beside_the_runs),
        cmocka_unit_test(shares_compare),
        cmocka_unit_test(cut_names_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
