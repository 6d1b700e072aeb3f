/* The copy engine: its times, order within a channel, turns between channels, interrupts. */
#include "test_support.h"
#include "vx_copy_engine.h"

enum { USERS = 3, MOST = 4 };

static vx_arena arena;
static vx_copy_engine *engine;
static vx_tick due, told[USERS];
static unsigned interrupts[USERS];

static void kick(void *context, const void *process, vx_tick at)
{
    (void)context;
    assert_ptr_equal(process, engine);
    if (at < due) due = at;
}

static void complete(void *context, unsigned user, vx_tick now)
{
    (void)context;
    interrupts[user]++;
    told[user] = now;
}

/* 1000 ticks in a microsecond, 1 byte a nanosecond, 100 ns a descriptor: 1000 bytes take 1100 ticks. */
static vx_status open_engine(unsigned channels)
{
    const vx_cfg_copy_engine config = {.channels = channels, .mb_s = 1000, .descriptor_ns = 100};
    const vx_copy_engine_hooks hooks = {.kick = kick, .complete = complete};
    vx_msg msg = {""};
    vx_arena_init(&arena);
    due = VX_TICK_NEVER;
    for (unsigned u = 0; u < USERS; u++) interrupts[u] = 0;
    return vx_copy_engine_init(&engine, &arena, &config, 1000, USERS, MOST, &hooks, &msg);
}

static void run_until(vx_tick end)
{
    while (due < end) {
        vx_tick now = due;
        due = VX_TICK_NEVER;
        vx_tick next = vx_copy_engine_step(engine, now, now);
        if (next < due) due = next;
    }
}

static void copies_take_their_time(void **state)
{
    (void)state;
    assert_int_equal(open_engine(2), VX_OK);
    for (unsigned i = 0; i < MOST; i++) assert_true(vx_copy_engine_post(engine, 0, 1000, 10));
    assert_false(vx_copy_engine_post(engine, 0, 1000, 10));
    run_until(10 + 1100);
    assert_int_equal(vx_copy_engine_take(engine, 0), 0);
    run_until(10 + 2201);
    assert_int_equal(vx_copy_engine_take(engine, 0), 2);
    assert_int_equal(vx_copy_engine_take(engine, 0), 0);
    assert_true(vx_copy_engine_post(engine, 0, 500, 2300));
    run_until(VX_TICK_NEVER);
    assert_int_equal(vx_copy_engine_take(engine, 0), 3);
    const vx_copy_engine_counts *counts = vx_copy_engine_counted(engine);
    assert_int_equal(counts->copies, 5);
    assert_int_equal(counts->bytes, 4500);
    assert_int_equal(counts->busy, 4 * 1100 + 600);
    assert_int_equal(counts->interrupts, 0);
    vx_arena_fini(&arena);
}

/* Users 0 and 2 share a channel of two; user 1's copy need not wait for all of theirs. */
static void channels_take_turns(void **state)
{
    (void)state;
    assert_int_equal(open_engine(2), VX_OK);
    for (unsigned i = 0; i < 2; i++) vx_copy_engine_post(engine, 0, 1000, 0);
    vx_copy_engine_post(engine, 2, 1000, 0);
    vx_copy_engine_post(engine, 1, 1000, 0);
    run_until(1101);
    assert_int_equal(vx_copy_engine_take(engine, 0), 1);
    run_until(2201);
    assert_int_equal(vx_copy_engine_take(engine, 1), 1);
    run_until(3301);
    assert_int_equal(vx_copy_engine_take(engine, 0), 1);
    assert_int_equal(vx_copy_engine_take(engine, 2), 0);
    run_until(VX_TICK_NEVER);
    assert_int_equal(vx_copy_engine_take(engine, 2), 1);
    vx_arena_fini(&arena);
}

static void one_interrupt_where_one_was_asked_for(void **state)
{
    (void)state;
    assert_int_equal(open_engine(1), VX_OK);
    vx_copy_engine_post(engine, 0, 1000, 0);
    vx_copy_engine_post(engine, 1, 1000, 0);
    vx_copy_engine_post(engine, 1, 1000, 0);
    vx_copy_engine_notify(engine, 1, 0);
    run_until(VX_TICK_NEVER);
    assert_int_equal(interrupts[0], 0);
    assert_int_equal(interrupts[1], 1);
    assert_int_equal(told[1], 2200);
    vx_copy_engine_notify(engine, 0, 5000); /* complete already */
    assert_int_equal(interrupts[0], 1);
    assert_int_equal(told[0], 5000);
    vx_copy_engine_take(engine, 0);
    vx_copy_engine_notify(engine, 0, 6000); /* nothing to tell */
    assert_int_equal(interrupts[0], 1);
    vx_arena_fini(&arena);
}

static void chipsets_without_one(void **state)
{
    (void)state;
    assert_int_equal(open_engine(0), VX_ERR_INPUT);
    vx_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_take_their_time),
        cmocka_unit_test(channels_take_turns),
        cmocka_unit_test(one_interrupt_where_one_was_asked_for),
        cmocka_unit_test(chipsets_without_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
