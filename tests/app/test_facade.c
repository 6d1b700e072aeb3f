/* The library as a C program uses it: open, run, read figures and reports, close. */
#include <jansson.h>
#include <string.h>

#include "failing_malloc.h"
#include "sim_figures.h"

static const char *const generated[] = {"gen:random:bytes=1m,refs=20k"};
static const char *const shipped[] = {VX_SOURCE_DIR "/traces/sqlite.vxt"};

static vx_sim_options options_of(const char *scheme, const char *const *trace)
{
    return (vx_sim_options){.cpu = "nehalem", .scheme = scheme, .traces = trace, .trace_count = 1, .seed = 1};
}

static vx_sim *open_one(const vx_sim_options *options)
{
    vx_msg msg = {{0}};
    vx_sim *sim = NULL;
    if (vx_sim_open(&sim, options, &msg) != VX_OK) fail_msg("%s", msg.text);
    return sim;
}

static void open_run_report(void **state)
{
    (void)state;
    vx_msg msg = {{0}};
    vx_sim_options options = options_of("ept", shipped);
    options.max = 500000;
    options.check = true;
    vx_sim *sim = open_one(&options);
    assert_int_equal(vx_sim_run(sim, &msg), VX_OK);
    assert_true(figure(sim, "instructions") >= 500000);
    assert_int_equal(figure(sim, "exits.total"), figure(sim, "exits.by_reason.EPT_VIOLATION.count"));
    assert_int_equal(figure(sim, "cycles.total"), vx_ledger_total(vx_sim_ledger(sim)));
    assert_string_equal(vx_sim_cpu(sim)->name, "nehalem");
    uint64_t untouched = 42;
    assert_false(vx_sim_value(sim, "no.such.path", &untouched));
    assert_int_equal(untouched, 42);
    json_t *document = vx_sim_document(sim, "run", &msg);
    assert_non_null(document);
    assert_string_equal(json_string_value(json_object_get(document, "schema")), "vexit/1");
    json_decref(document);
    vx_sim_close(sim);
}

/* Nothing is shared: two at a time count what each counts alone. */
static void two_simulations(void **state)
{
    (void)state;
    vx_msg msg = {{0}};
    vx_sim_options native = options_of("native", generated), nested = options_of("ept", generated);
    vx_sim *alone = open_one(&nested);
    assert_int_equal(vx_sim_run(alone, &msg), VX_OK);
    vx_sim *first = open_one(&native), *second = open_one(&nested);
    assert_int_equal(vx_sim_run(second, &msg), VX_OK);
    assert_int_equal(vx_sim_run(first, &msg), VX_OK);
    assert_int_equal(figure(first, "exits.total"), 0);
    static const char *const paths[] = {"cycles.total", "exits.total", "walks.accesses", "references"};
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_int_equal(figure(second, paths[i]), figure(alone, paths[i]));
    vx_sim_close(first);
    vx_sim_close(second);
    vx_sim_close(alone);
}

static void a_simulation_runs_once(void **state)
{
    (void)state;
    vx_msg msg = {{0}};
    vx_sim_options options = options_of("native", generated);
    vx_sim *sim = open_one(&options);
    assert_int_equal(vx_sim_run(sim, &msg), VX_OK);
    uint64_t cycles = figure(sim, "cycles.total");
    assert_int_equal(vx_sim_run(sim, &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text, "a simulation runs once: open another");
    assert_int_equal(figure(sim, "cycles.total"), cycles);
    vx_sim_close(sim);
    vx_sim_close(NULL);
}

/* SystemC has one simulation in the life of a process; the plain clock any number. */
static void one_systemc_run_a_process(void **state)
{
    (void)state;
    vx_msg msg = {{0}};
    vx_sim_options options = options_of("ept", generated);
    vx_sim *plain = open_one(&options);
    options.clock = "systemc";
    vx_sim *first = open_one(&options), *second = open_one(&options);
    assert_int_equal(vx_sim_run(first, &msg), VX_OK);
    assert_int_equal(vx_sim_run(second, &msg), VX_ERR_INPUT);
    assert_int_not_equal(strlen(msg.text), 0);
    assert_int_equal(vx_sim_run(plain, &msg), VX_OK);
    assert_int_equal(figure(plain, "cycles.total"), figure(first, "cycles.total"));
    vx_sim_close(first);
    vx_sim_close(second);
    vx_sim_close(plain);
}

typedef struct progress_log {
    unsigned calls;
    vx_sim_progress last;
} progress_log;

static void log_progress(void *context, const vx_sim_progress *progress)
{
    progress_log *log = context;
    assert_true(progress->instructions >= log->last.instructions);
    log->last = *progress;
    log->calls++;
}

static void progress_and_stop(void **state)
{
    (void)state;
    vx_msg msg = {{0}};
    progress_log log = {0};
    volatile sig_atomic_t stop = 0;
    vx_sim_options options = options_of("native", shipped);
    options.progress = log_progress;
    options.progress_context = &log;
    options.interval = 100000;
    options.stop = &stop;
    vx_sim *sim = open_one(&options);
    assert_int_equal(vx_sim_run(sim, &msg), VX_OK);
    assert_true(log.calls > 10);
    assert_int_equal(log.last.expected_instructions, 3419990); /* the trace's */
    vx_sim_close(sim);

    stop = SIGTERM;
    sim = open_one(&options);
    assert_int_equal(vx_sim_run(sim, &msg), VX_ERR_INTERRUPTED);
    json_t *document = vx_sim_document(sim, "run", &msg);
    assert_true(json_is_false(json_object_get(document, "complete")));
    json_decref(document);
    vx_sim_close(sim);
}

static void what_can_run(void **state)
{
    (void)state;
    vx_msg msg = {{0}};
    vx_sim_options options = {.cpu = "penryn", .scheme = "ept"};
    assert_int_equal(vx_sim_can_run(&options, &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text, "scheme ept: penryn has no EPT; use shadow-wp or shadow-vtlb");
    options.scheme = "shadow-wp";
    assert_int_equal(vx_sim_can_run(&options, &msg), VX_OK);
    options.scheme = "native";
    options.vms = 2;
    assert_int_equal(vx_sim_can_run(&options, &msg), VX_ERR_INPUT);
    options.scheme = NULL;
    assert_int_equal(vx_sim_can_run(&options, NULL), VX_ERR_INPUT);
}

/* A failed open leaves nothing: the pointer is untouched (AddressSanitizer finds what leaks). */
static void open_fails_cleanly(void **state)
{
    static const char *const missing[] = {"none.vxt"};
    (void)state;
    vx_msg msg = {{0}};
    vx_sim *sim = (vx_sim *)(uintptr_t)1;
    vx_sim_options options = options_of("ept", missing);
    assert_int_equal(vx_sim_open(&sim, &options, &msg), VX_ERR_IO);
    options = options_of("ept", generated);
    options.cpu = NULL;
    assert_int_equal(vx_sim_open(&sim, &options, &msg), VX_ERR_INPUT);
    options = options_of("ept", generated);
    options.trace_count = 0;
    assert_int_equal(vx_sim_open(&sim, &options, &msg), VX_ERR_INPUT);
    assert_ptr_equal(sim, (vx_sim *)(uintptr_t)1);
}

/* Every allocation of opening, of running and of reporting fails once. */
static void runs_out_while_opening(const vx_sim_options *options)
{
    vx_msg msg = {{0}};
    for (uint64_t n = 1;; n++) {
        vx_sim *sim = NULL;
        vx_fail_allocation(n);
        vx_status status = vx_sim_open(&sim, options, &msg);
        bool failed = vx_fail_allocation_end();
        if (!failed) {
            assert_int_equal(status, VX_OK);
            vx_sim_close(sim);
            print_message("vx_sim_open makes %llu allocations\n", (unsigned long long)(n - 1));
            assert_true(n > 10);
            break;
        }
        if (status != VX_ERR_NOMEM) fail_msg("allocation %llu: status %d, %s", (unsigned long long)n, status, msg.text);
        assert_null(sim);
    }
}

static void memory_runs_out_while_opening(void **state)
{
    (void)state;
    vx_sim_options options = options_of("shadow-wp", shipped), nested = options_of("ept", shipped);
    nested.nested = "kvm-6.1";
    runs_out_while_opening(&options);
    runs_out_while_opening(&nested);
}

static void memory_runs_out_later(void **state)
{
    (void)state;
    vx_msg msg = {{0}};
    vx_sim_options options = options_of("ept", generated);
    options.interval = 5000;
    bool failed = true;
    for (uint64_t n = 1; failed; n++) {
        vx_sim *sim = open_one(&options);
        vx_fail_allocation(n);
        vx_status status = vx_sim_run(sim, &msg);
        json_t *document = status == VX_OK ? vx_sim_document(sim, "run", &msg) : NULL;
        failed = vx_fail_allocation_end();
        /* What jansson allocates inside itself is not caught: a document may be made all the same. */
        if (failed && status != VX_OK) assert_int_equal(status, VX_ERR_NOMEM);
        if (!failed) assert_non_null(document);
        json_decref(document);
        vx_sim_close(sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_run_report),        cmocka_unit_test(two_simulations),
        cmocka_unit_test(a_simulation_runs_once), cmocka_unit_test(one_systemc_run_a_process),
        cmocka_unit_test(progress_and_stop),      cmocka_unit_test(what_can_run),
        cmocka_unit_test(open_fails_cleanly),     cmocka_unit_test(memory_runs_out_while_opening),
        cmocka_unit_test(memory_runs_out_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
