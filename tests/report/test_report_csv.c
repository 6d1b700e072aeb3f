/* RFC 4180. */
#include <string.h>

#include "golden_file.h"
#include "test_support.h"
#include "vx_report.h"

static void one_row_a_run(void **state)
{
    (void)state;
    json_t *document = golden_document("compare.json");
    golden_check(document, vx_report_write_csv, "compare.csv");
    json_decref(document);
}

static void intervals_stand_before_their_run(void **state)
{
    (void)state;
    json_t *document = json_pack("{s:s,s:b,s:[{s:s,s:i,s:[{s:i},{s:i,s:i}]},{s:s,s:i}]}", "verb", "run", "complete", 1,
                                 "runs", "name", "a", "instructions", 30, "intervals", "instructions", 10,
                                 "instructions", 20, "faults", 2, "name", "b", "instructions", 40);
    char *text = golden_render(document, vx_report_write_csv);
    assert_string_equal(text, "verb,complete,name,interval,instructions,faults\r\n"
                              "run,true,a,1,10,\r\n"
                              "run,true,a,2,20,2\r\n"
                              "run,true,a,,30,\r\n"
                              "run,true,b,,40,\r\n");
    free(text);
    json_decref(document);
}

static void fields_are_quoted_where_they_must(void **state)
{
    (void)state;
    json_t *document = json_pack("{s:{s:s},s:[{s:s,s:s,s:s,s:s,s:[s,s],s:n,s:f}]}", "trace", "path", "a,b.vxt", "runs",
                                 "name", "plain text", "scheme", "say \"hi\"", "cpu", "two\nlines", "we,ird", "cr\r",
                                 "approximate", "latency", "filter", "vmm", "ratio", 0.1);
    char *text = golden_render(document, vx_report_write_csv);
    assert_string_equal(text,
                        "trace,name,scheme,cpu,vmm,approximate,interval,\"we,ird\",ratio\r\n"
                        "\"a,b.vxt\",plain text,\"say \"\"hi\"\"\",\"two\nlines\",,latency; filter,,\"cr\r\",0.1\r\n");
    free(text);
    json_decref(document);
}

static void a_broken_identity_is_named(void **state)
{
    (void)state;
    json_t *document = golden_document("partial.json");
    char *text = golden_render(document, vx_report_write_csv);
    assert_non_null(strstr(text, ",exits = sum over reasons,"));
    assert_non_null(strstr(text, ",traces/gcc.vxt; gen:zipf:pages=4096,"));
    free(text);
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_row_a_run),
        cmocka_unit_test(intervals_stand_before_their_run),
        cmocka_unit_test(fields_are_quoted_where_they_must),
        cmocka_unit_test(a_broken_identity_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
