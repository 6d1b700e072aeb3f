/* The table of a run's vCPUs, in text and in HTML; none where there is one. */
#include <string.h>

#include "golden_file.h"
#include "test_support.h"
#include "vx_report.h"

static json_t *document(bool several)
{
    json_t *run = json_pack("{s:s,s:{s:i}}", "name", "ept<", "smp", "elapsed", 12345);
    json_t *vcpus = json_array();
    for (int i = 0; several && i < 2; i++)
        json_array_append_new(vcpus, json_pack("{s:i,s:i,s:{s:i,s:{s:i}},s:{s:i},s:{s:i},s:{s:i,s:i}}", "apic_id", i,
                                               "instructions", 1000 + i, "cycles", "total", 2000 + i, "by_cause",
                                               "idle", 30 + i, "exits", "total", 4 + i, "walks", "count", 50 + i,
                                               "ipis", "sent", 6 + i, "received", 7 - i));
    if (several) json_object_set(run, "vcpus", vcpus);
    json_decref(vcpus);
    return json_pack("{s:s,s:b,s:[o]}", "verb", "run", "complete", 1, "runs", run);
}

static void text(void **state)
{
    (void)state;
    json_t *two = document(true), *one = document(false);
    char *shown = golden_render(two, vx_report_write_text);
    assert_non_null(strstr(
        shown, "\nVCPU    instructions          cycles            idle           exits           walks       "
               "IPIs sent        received\n"
               "   0           1,000           2,000              30               4              50               "
               "6               7\n"
               "   1           1,001           2,001              31               5              51               "
               "7               6\n"
               "from the first to the last of them 12,345 cycles\n"));
    free(shown);
    shown = golden_render(one, vx_report_write_text);
    assert_null(strstr(shown, "VCPU"));
    free(shown);
    json_decref(two);
    json_decref(one);
}

static void html(void **state)
{
    (void)state;
    json_t *two = document(true), *one = document(false);
    char *shown = golden_render(two, vx_report_write_html);
    assert_non_null(strstr(shown, "<h2>Virtual CPUs</h2>\n<h3>ept&lt;</h3>\n"));
    assert_non_null(strstr(shown, "<tr><th scope=\"row\">1</th><td class=\"n\">1,001</td><td class=\"n\">2,001</td>"
                                  "<td class=\"n\">31</td><td class=\"n\">5</td><td class=\"n\">51</td>"
                                  "<td class=\"n\">7</td><td class=\"n\">6</td></tr>\n"));
    free(shown);
    shown = golden_render(one, vx_report_write_html);
    assert_null(strstr(shown, "Virtual CPUs"));
    free(shown);
    json_decref(two);
    json_decref(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(text), cmocka_unit_test(html)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
