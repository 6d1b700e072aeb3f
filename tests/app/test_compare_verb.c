/* vexit compare: five schemes over one trace, in workers; the order, the checks and the refusals. */
#include <string.h>

#include "cli.h"
#include "test_support.h"

#define COMPILER CLI_TRACE("compiler.vxt")
#define INTEL "compare --trace " COMPILER " --cpu nehalem"

static void check_names(const json_t *document, const char *const *names, unsigned count)
{
    const json_t *runs = cli_at(document, "/runs");
    assert_int_equal(json_array_size(runs), count);
    for (unsigned i = 0; i < count; i++) assert_string_equal(cli_text(json_array_get(runs, i), "/name"), names[i]);
}

static void five_schemes(void **state)
{
    static const char *const names[] = {"native", "shadow-wp", "shadow-vtlb", "ept", "ept+vpid"};
    (void)state;
    json_t *document = cli_document(INTEL " --check");
    cli_check_document(document);
    assert_string_equal(cli_text(document, "/verb"), "compare");
    check_names(document, names, 5);
    /* One trace, so one sequence of references under all. */
    for (unsigned i = 0; i < 5; i++) {
        const json_t *run = json_array_get(cli_at(document, "/runs"), i);
        assert_int_equal(cli_count(run, "/references"), 5000000);
        assert_int_equal(cli_count(run, "/instructions"), cli_count(document, "/runs/0/instructions"));
        assert_int_equal(cli_count(run, "/paging/guest_faults"), cli_count(document, "/runs/0/paging/guest_faults"));
        assert_int_equal(cli_count(run, "/derived/overhead_vs_native/den"),
                         cli_count(document, "/runs/0/cycles/total"));
    }
    assert_int_equal(cli_count(document, "/runs/0/exits/total"), 0);
    assert_int_equal(cli_count(document, "/runs/4/tlb/flushes/vm_transition/count"), 0);
    json_decref(document);
}

static void amd_compares_npt(void **state)
{
    static const char *const names[] = {"native", "shadow-wp", "shadow-vtlb", "npt", "npt+vpid"};
    (void)state;
    json_t *document = cli_document("compare --trace " COMPILER " --cpu zen2 --max 200k --check");
    cli_check_document(document);
    check_names(document, names, 5);
    assert_true(cli_count(document, "/runs/3/exits/by_reason/npf/count") > 0);
    json_decref(document);
}

/* By default what the machine lacks is left out; what is asked for is refused. */
static void older_processors(void **state)
{
    static const char *const names[] = {"native", "shadow-wp", "shadow-vtlb"};
    (void)state;
    json_t *document = cli_document("compare --trace " COMPILER " --cpu penryn --max 20k");
    check_names(document, names, 3);
    json_decref(document);
    document = cli_document(INTEL " --vmm xen-3.3 --max 100k --schemes ept");
    assert_int_equal(json_array_size(cli_at(document, "/runs")), 1);
    json_decref(document);
    assert_int_equal(cli_line("compare --trace " COMPILER " --cpu penryn --schemes ept"), 2);
    assert_string_equal(cli_err, "vexit compare: scheme ept: penryn has no EPT; use shadow-wp or shadow-vtlb\n");
    assert_string_equal(cli_out, "");
    assert_int_equal(cli_line(INTEL " --schemes native,shado-wp"), 2);
    assert_string_equal(cli_err, "vexit compare: unknown scheme 'shado-wp'; did you mean 'shadow-wp'?\n");
}

static void runs_stand_in_the_order_asked_for(void **state)
{
    static const char *const names[] = {"ept+vpid", "native", "ept", "shadow-vtlb"};
    (void)state;
    json_t *document = cli_document(INTEL " --max 50k --jobs 3 --schemes ept+vpid,native,ept,shadow-vtlb");
    check_names(document, names, 4);
    json_decref(document);
}

static void several_seeds(void **state)
{
    (void)state;
    json_t *document = cli_document("compare --trace gen:random:bytes=4m,refs=5k --cpu nehalem --seeds 3 "
                                    "--schemes native,ept --seed 7");
    cli_check_document(document);
    const json_t *runs = cli_at(document, "/runs");
    assert_int_equal(json_array_size(runs), 6);
    for (unsigned i = 0; i < 6; i++) {
        assert_string_equal(cli_text(json_array_get(runs, i), "/name"), i % 2 ? "ept" : "native");
        assert_int_equal(cli_count(json_array_get(runs, i), "/seed"), 7 + i / 2);
    }
    json_decref(document);
    assert_int_equal(
        cli_line("compare --trace gen:random:bytes=4m,refs=5k --cpu nehalem --seeds 3 --schemes native,ept"), 0);
    assert_non_null(strstr(cli_out, "95% interval (Student's t)"));
}

static void workers_change_nothing(void **state)
{
    (void)state;
    const char *line = INTEL " --max 50k --seeds 2 --json -";
    assert_int_equal(cli_line("%s --jobs 1", line), 0);
    char *one = strdup(cli_out);
    assert_int_equal(cli_line("%s --jobs 2", line), 0);
    assert_string_equal(cli_out, one);
    assert_int_equal(cli_line("%s", line), 0); /* one decoding for all runs of a seed */
    assert_string_equal(cli_out, one);
    free(one);
}

/* Of a guest that writes its task priority; of one that does not the rows are not there. */
static void task_priority_has_its_share(void **state)
{
    (void)state;
    const char *line = "compare --trace gen:random:bytes=4m,refs=20k --cpu penryn --schemes native,shadow-wp";
    assert_int_equal(cli_line("%s", line), 0);
    assert_null(strstr(cli_out, "about the task priority"));
    const char *sets =
        "--set vm.priority.apic=page --set vm.priority.raise_instructions=1000 --set vmm.apic.flexpriority=no";
    assert_int_equal(cli_line("%s %s", line, sets), 0);
    assert_non_null(strstr(cli_out, "\n  about the task priority"));
    assert_non_null(strstr(cli_out, "\n    share of cycles"));
}

/* A chunk that is damaged in the middle of a run: the error is that of a run of its own. */
static void one_decoding_fails_as_its_own_does(void **state)
{
    (void)state;
    size_t size;
    char *bytes = cli_slurp(COMPILER, &size);
    bytes[size / 3] ^= 1;
    cli_file("damaged.vxt", bytes, size);
    free(bytes);
    const char *line = "compare --trace damaged.vxt --cpu nehalem --schemes native,ept,shadow-wp";
    assert_int_equal(cli_line("%s --jobs 3", line), 2);
    assert_non_null(strstr(cli_err, "damaged (checksum differs)"));
    char *own = strdup(cli_err);
    assert_int_equal(cli_line("%s", line), 2);
    assert_string_equal(cli_err, own);
    assert_int_equal(cli_line("%s --whole-chunks", line), 0);
    free(own);
    remove("damaged.vxt");
}

static void html_is_one_file(void **state)
{
    (void)state;
    assert_int_equal(cli_line(INTEL " --max 20k --html r.html"), 0);
    assert_true(cli_folder_holds("r.html"));
    char *page = cli_slurp("r.html", NULL);
    assert_non_null(strstr(page, "<svg"));
    assert_non_null(strstr(page, "shadow-vtlb"));
    assert_null(strstr(page, "<script src"));
    assert_null(strstr(page, "href=\"http"));
    free(page);
    remove("r.html");
}

/* A measured host stands beside the runs; one that is none is refused before anything runs. */
static void a_measured_host(void **state)
{
    (void)state;
    static const char host[] = "VM-EXIT Samples Samples% Time% Min Time Max Time Avg time\n\n"
                               "EPT_VIOLATION 30 75.00% 75.00% 1.00us 2.00us 1.50us ( +- 1.00% )\n"
                               "HLT 10 25.00% 25.00% 1.00us 2.00us 1.50us ( +- 1.00% )\n\n"
                               "Total Samples:40, Total events handled time:60.00us.\n";
    cli_file("host.txt", host, sizeof host - 1);
    json_t *document = cli_document(INTEL " --max 20k --schemes ept,shadow-wp --measured host.txt");
    cli_check_document(document);
    assert_int_equal(cli_count(document, "/measured/by_reason/EPT_VIOLATION/count"), 30);
    assert_true(json_number_value(cli_at(document, "/measured/runs/0/share_difference")) == 0.25); /* the HLTs */
    assert_true(json_number_value(cli_at(document, "/measured/runs/1/share_difference")) == 1.0);
    json_decref(document);
    assert_int_equal(cli_line(INTEL " --max 20k --schemes ept --measured host.txt"), 0);
    assert_non_null(strstr(cli_out, "EXITS BESIDE A MEASURED HOST\nhost.txt\n"));
    cli_file("host.txt", host, sizeof host - 40);
    assert_int_equal(cli_line(INTEL " --measured host.txt"), 2);
    assert_string_equal(cli_err, "vexit compare: host.txt:6: no line of totals of perf kvm stat\n");
    assert_string_equal(cli_out, "");
    remove("host.txt");
    assert_int_equal(cli_line(INTEL " --measured host.txt"), 3);
    assert_string_equal(cli_err, "vexit compare: cannot open host.txt: No such file or directory\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_schemes),
        cmocka_unit_test(amd_compares_npt),
        cmocka_unit_test(older_processors),
        cmocka_unit_test(runs_stand_in_the_order_asked_for),
        cmocka_unit_test(several_seeds),
        cmocka_unit_test(workers_change_nothing),
        cmocka_unit_test(task_priority_has_its_share),
        cmocka_unit_test(one_decoding_fails_as_its_own_does),
        cmocka_unit_test(html_is_one_file),
        cmocka_unit_test(a_measured_host),
    };
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
