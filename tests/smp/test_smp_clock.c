/* Two vCPUs with interprocessor interrupts and APIC timers: the same sequence of events on the plain clock and on
 * SystemC, timers late by one record at the most, messages within the documented bound (docs/rooms/facade.md). */
#include <string.h>

#include "smp_world.h"
#include "test_support.h"

enum { IPIS, TIMERS, TRAIL, INSTRUCTIONS, TICKS, EXITS, LATE_TIMER, LATE_IPI };
static const char *const names[SMP_KINDS] = {"native", "FlexPriority", "APICv"};

/* The dearest record: an IPI's handler, or an access with its exit. */
enum { ONE_RECORD = 500 };

static uint64_t note(const clk_log *log, unsigned vcpu, unsigned which) { return log->note[vcpu * SMP_NOTES + which]; }

static clk_log *run(const char *kind, const smp_options *options)
{
    bool child = strcmp(kind, "systemc") == 0;
    clk_log *log = child ? clk_log_in_child(kind, smp_scenario, options) : clk_log_here(kind, smp_scenario, options);
    assert_non_null(log);
    assert_true(log->finished);
    if (log->note[SMP_VCPUS * SMP_NOTES] != VX_OK) fail_msg("%s", log->msg.text);
    assert_int_equal(log->notes, SMP_VCPUS * SMP_NOTES + 1);
    return log;
}

static void both_clocks_agree(void **state)
{
    (void)state;
    static const vx_tick quanta[] = {1, 100, 1000};
    for (unsigned kind = 0; kind < SMP_KINDS; kind++)
        for (size_t q = 0; q < sizeof quanta / sizeof *quanta; q++) {
            const smp_options options = {.kind = (smp_kind)kind,
                                         .quantum = quanta[q],
                                         .latency = 1000,
                                         .timer = 3000,
                                         .blocks = quanta[q] == 1 ? 200 : 2000};
            clk_log *heap = run("heap", &options), *systemc = run("systemc", &options);
            if (clk_log_difference(heap, systemc) >= 0)
                fail_msg("%s, quantum %u: event %d differs", names[kind], (unsigned)quanta[q],
                         clk_log_difference(heap, systemc));
            assert_memory_equal(heap->note, systemc->note, sizeof heap->note);
            assert_true(heap->count > 20);
            for (unsigned v = 0; v < SMP_VCPUS; v++) {
                assert_int_equal(note(heap, v, IPIS), options.blocks / 40);
                assert_true(note(heap, v, TIMERS) > 0);
                assert_int_equal(note(heap, v, EXITS) > 0, kind != SMP_NATIVE);
            }
            clk_log_free(heap);
            clk_log_free(systemc);
        }
}

/* A quantum no longer than the path's latency: IPIs are on time to the record. Longer: late by the difference at most.
 */
static void lateness_is_bounded(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < SMP_KINDS; kind++)
        for (vx_tick quantum = 10; quantum <= 10000; quantum *= 10) {
            const smp_options options = {
                .kind = (smp_kind)kind, .quantum = quantum, .latency = 1000, .timer = 3000, .blocks = 2000};
            clk_log *log = run("heap", &options);
            for (unsigned v = 0; v < SMP_VCPUS; v++) {
                vx_tick bound = quantum > options.latency ? quantum - options.latency : 0;
                /* A late IPI's handler may run before the timer's. */
                assert_true(note(log, v, LATE_TIMER) <= (bound ? 2 : 1) * ONE_RECORD);
                assert_true(note(log, v, LATE_IPI) <= bound + 2 * ONE_RECORD);
            }
            clk_log_free(log);
        }
}

/* What each way to run the same guests costs in exits: FlexPriority leaves EOIs, commands and arrivals, APICv the
 * commands and the hypervisor's own timer. */
static void help_with_ipis(void **state)
{
    (void)state;
    clk_log *logs[SMP_KINDS];
    for (unsigned kind = 0; kind < SMP_KINDS; kind++)
        logs[kind] =
            run("heap",
                &(smp_options){.kind = (smp_kind)kind, .quantum = 100, .latency = 1000, .timer = 0, .blocks = 2000});
    for (unsigned v = 0; v < SMP_VCPUS; v++) {
        assert_int_equal(note(logs[SMP_NATIVE], v, EXITS), 0);
        /* FlexPriority, for each of 50 IPIs: two halves of a command, an arrival, an EOI. APICv: the command's low
         * half. */
        uint64_t setup = 4, memory = 1;
        assert_int_equal(note(logs[SMP_FLEXPRIORITY], v, EXITS), setup + memory + 4 * 50);
        assert_int_equal(note(logs[SMP_APICV], v, EXITS), setup + memory + 50);
        for (unsigned kind = 0; kind < SMP_KINDS; kind++) {
            assert_int_equal(note(logs[kind], v, IPIS), 50);
            assert_int_equal(note(logs[kind], v, INSTRUCTIONS), note(logs[SMP_NATIVE], v, INSTRUCTIONS));
        }
    }
    for (unsigned kind = 0; kind < SMP_KINDS; kind++) clk_log_free(logs[kind]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_clocks_agree),
        cmocka_unit_test(lateness_is_bounded),
        cmocka_unit_test(help_with_ipis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
