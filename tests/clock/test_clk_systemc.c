/* What SystemC is not allowed to do: run twice in one OS process, print. */
#include <string.h>
#include <unistd.h>

#include "clk_log.h"
#include "test_support.h"

static vx_tick idle(void *self, vx_tick now, vx_tick horizon)
{
    (void)self, (void)now, (void)horizon;
    return VX_TICK_NEVER;
}

static void open_twice(const char *kind, clk_log *log, const void *self)
{
    (void)self;
    vx_clk *first = NULL, *second = NULL, *third = NULL, *plain = NULL;
    vx_clk_process *process = NULL;
    clk_log_note(log, vx_clk_open(&first, kind, 10, NULL));
    clk_log_note(log, vx_clk_open(&second, kind, 10, &log->msg));
    clk_log_note(log, vx_clk_add_process(first, "p", idle, NULL, &process, NULL));
    vx_clk_kick(process, 3);
    clk_log_run(first, VX_TICK_NEVER, log);
    vx_clk_close(first);
    clk_log_note(log, vx_clk_open(&third, kind, 10, NULL));
    clk_log_note(log, second == NULL && third == NULL);
    clk_log_note(log, vx_clk_open(&plain, "heap", 10, NULL)); /* the other kind still opens */
    vx_clk_close(plain);
}

static void a_second_systemc_clock_is_refused(void **state)
{
    (void)state;
    static const uint64_t notes[] = {VX_OK, VX_ERR_INPUT, VX_OK, VX_ERR_INPUT, 1, VX_OK};
    clk_log *log = clk_log_in_child("systemc", open_twice, NULL);
    assert_non_null(log);
    assert_int_equal(log->notes, sizeof notes / sizeof notes[0]);
    assert_memory_equal(log->note, notes, sizeof notes);
    assert_string_equal(log->msg.text, "clock: SystemC runs one simulation in an OS process, and has had it");
    assert_int_equal(log->at[0].now, 3); /* the first one was not disturbed */
    clk_log_free(log);
}

/* Opened, filled and closed without a run. */
static void open_and_close(const char *kind, clk_log *log, const void *self)
{
    (void)self;
    vx_clk *clk = NULL;
    vx_clk_process *process = NULL;
    clk_log_note(log, vx_clk_open(&clk, kind, 10, NULL));
    clk_log_note(log, vx_clk_add_process(clk, "p", idle, NULL, &process, NULL));
    vx_clk_kick(process, 3);
    vx_clk_close(clk);
}

static void a_clock_that_never_ran_closes(void **state)
{
    (void)state;
    clk_log *log = clk_log_in_child("systemc", open_and_close, NULL);
    assert_non_null(log);
    assert_int_equal(log->note[0], VX_OK);
    assert_int_equal(log->note[1], VX_OK);
    clk_log_free(log);
}

/* Standard output and error of the whole life of a clock go to a pipe: nothing may arrive. */
static void run_silently(const char *kind, clk_log *log, const void *self)
{
    int ends[2];
    if (pipe(ends) != 0 || dup2(ends[1], STDOUT_FILENO) < 0 || dup2(ends[1], STDERR_FILENO) < 0) return;
    open_twice(kind, log, self);
    fflush(stdout);
    close(ends[1]);
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    char text[256] = "";
    ssize_t got = read(ends[0], text, sizeof text - 1);
    clk_log_note(log, (uint64_t)got);
    memcpy(log->msg.text, text, sizeof text);
}

static void nothing_is_printed(void **state)
{
    (void)state;
    clk_log *log = clk_log_in_child("systemc", run_silently, NULL);
    assert_non_null(log);
    assert_int_equal(log->notes, 7);
    assert_string_equal(log->msg.text, "");
    assert_int_equal(log->note[6], 0);
    clk_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_systemc_clock_is_refused),
        cmocka_unit_test(a_clock_that_never_ran_closes),
        cmocka_unit_test(nothing_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
