/* Both kinds of clock run random worlds with the same sequence of events, horizons and ends. */
#include "clk_world.h"
#include "test_support.h"
#include "vx_random.h"

enum { WORLDS = 120 };

static clk_world_options world_of(vx_random *random)
{
    static const vx_tick quanta[] = {1, 3, 10, 100, 1000, 100000};
    return (clk_world_options){
        .seed = vx_random_u64(random), .quantum = quanta[vx_random_below(random, 6)], .max_events = 1500};
}

static void assert_same(const clk_log *a, const clk_log *b, const clk_world_options *options, const char *what)
{
    assert_non_null(a);
    assert_non_null(b);
    assert_true(a->finished && b->finished);
    int difference = clk_log_difference(a, b);
    if (difference >= 0)
        fail_msg("%s: world %#llx, quantum %llu: entry %d differs", what, (unsigned long long)options->seed,
                 (unsigned long long)options->quantum, difference);
    assert_memory_equal(&a->counts, &b->counts, sizeof a->counts);
}

static void heap_and_systemc_agree(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "worlds");
    uint64_t events = 0, timers = 0, late = 0;
    for (int i = 0; i < WORLDS; i++) {
        clk_world_options options = world_of(&random);
        clk_log *heap = clk_log_here("heap", clk_world_run, &options);
        clk_log *systemc = clk_log_in_child("systemc", clk_world_run, &options);
        assert_same(heap, systemc, &options, "heap and systemc");
        events += heap->count;
        timers += heap->counts.timers;
        late += heap->counts.late;
        clk_log_free(heap);
        clk_log_free(systemc);
    }
    print_message("%d worlds, %llu events, %llu of them timers, %llu late\n", WORLDS, (unsigned long long)events,
                  (unsigned long long)timers, (unsigned long long)late);
    assert_true(events > 1000u * WORLDS && timers > 0 && late > 0);
}

static void a_world_repeats(void **state)
{
    (void)state;
    clk_world_options options = {.seed = vx_test_seed(), .quantum = 100, .max_events = 5000};
    clk_log *first = clk_log_here("heap", clk_world_run, &options);
    clk_log *second = clk_log_here("heap", clk_world_run, &options);
    assert_same(first, second, &options, "twice");
    options.seed++;
    clk_log *other = clk_log_here("heap", clk_world_run, &options);
    assert_int_not_equal(clk_log_difference(first, other), -1); /* the comparison can fail */
    clk_log_free(first);
    clk_log_free(second);
    clk_log_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heap_and_systemc_agree),
        cmocka_unit_test(a_world_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
