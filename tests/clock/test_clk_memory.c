/* Every allocation of the plain clock fails in turn: an error, outputs untouched, nothing left behind. */
#include "failing_malloc.h"
#include "test_support.h"
#include "vx_clk.h"

enum { ENTITIES = 20 };

static vx_tick idle(void *self, vx_tick now, vx_tick horizon)
{
    (void)self, (void)now, (void)horizon;
    return VX_TICK_NEVER;
}

static void nothing(void *self, vx_tick now) { (void)self, (void)now; }

/* Adds processes and timers in turn; the first failure ends it, and must leave the handle alone. */
static vx_status fill(vx_clk *clk, vx_clk_process **processes, vx_clk_timer **timers)
{
    for (int i = 0; i < ENTITIES; i++) {
        vx_clk_process *process = NULL;
        vx_clk_timer *timer = NULL;
        vx_status status = vx_clk_add_process(clk, "p", idle, NULL, &process, NULL);
        if (status != VX_OK) assert_null(process);
        if (status != VX_OK) return status;
        processes[i] = process;
        status = vx_clk_add_timer(clk, "t", nothing, NULL, &timer, NULL);
        if (status != VX_OK) assert_null(timer);
        if (status != VX_OK) return status;
        timers[i] = timer;
    }
    return VX_OK;
}

/* Whatever was added still works. */
static void run_what_there_is(vx_clk *clk, vx_clk_process **processes, vx_clk_timer **timers)
{
    uint64_t armed = 0;
    for (int i = 0; i < ENTITIES; i++) {
        if (processes[i]) vx_clk_kick(processes[i], 10), armed++;
        if (timers[i]) vx_clk_arm(timers[i], 10), armed++;
    }
    assert_int_equal(vx_clk_run(clk, VX_TICK_NEVER, NULL, NULL), VX_OK);
    vx_clk_counts counts = vx_clk_counted(clk);
    assert_int_equal(counts.steps + counts.timers, armed);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    uint64_t n = 1;
    for (bool failed = true; failed; n++) {
        vx_clk *clk = NULL;
        vx_clk_process *processes[ENTITIES] = {0};
        vx_clk_timer *timers[ENTITIES] = {0};
        vx_fail_allocation(n);
        vx_status status = vx_clk_open(&clk, "heap", 100, NULL);
        if (status != VX_OK) assert_null(clk);
        if (clk) status = fill(clk, processes, timers);
        failed = vx_fail_allocation_end();
        assert_int_equal(status, failed ? VX_ERR_NOMEM : VX_OK);
        if (clk) run_what_there_is(clk, processes, timers);
        vx_clk_close(clk);
    }
    print_message("%llu allocations\n", (unsigned long long)(n - 2));
    assert_true(n > 2 * ENTITIES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
