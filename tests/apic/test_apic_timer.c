/* The APIC timer: counts, divisors, the three modes, and when it is due (SDM Vol. 3A 10.5.4). */
#include "apic_world.h"
#include "vx_random.h"

static apic_world world;

static void write_at(uint32_t offset, uint32_t value, vx_tick now)
{
    assert_int_equal(vx_apic_write(&world.apic[0], offset, value, now), VX_APIC_DONE);
}

static uint32_t count_at(vx_tick now)
{
    uint32_t value;
    assert_int_equal(vx_apic_read(&world.apic[0], 0x390, now, &value), VX_APIC_DONE);
    return value;
}

static void one_shot_with_every_divisor(void **state)
{
    (void)state;
    static const struct {
        uint32_t code, divisor;
    } divisors[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};
    for (size_t i = 0; i < sizeof divisors / sizeof *divisors; i++) {
        world_init(&world);
        uint64_t step = divisors[i].divisor;
        write_at(0x3E0, divisors[i].code, 0);
        write_at(0x320, 0x41, 0);
        write_at(0x380, 100, 1000);
        assert_int_equal(vx_apic_timer_due(&world.apic[0]), 1000 + 100 * step);
        assert_int_equal(count_at(1000), 100);
        assert_int_equal(count_at(1000 + 10 * step), 90);
        assert_int_equal(count_at(1000 + 11 * step - 1), step == 1 ? 90 : 90);
        assert_int_equal(count_at(1000 + 100 * step - 1), 1);
        assert_int_equal(world_requested(&world, 0x41), 0);
        vx_apic_timer_advance(&world.apic[0], 1000 + 100 * step);
        assert_int_equal(world_requested(&world, 0x41), 1);
        assert_int_equal(count_at(1000 + 100 * step), 0);
        assert_true(vx_apic_timer_due(&world.apic[0]) == VX_TICK_NEVER);
    }
}

static void periodic_keeps_its_phase(void **state)
{
    (void)state;
    world_init(&world);
    write_at(0x3E0, 11, 0);
    write_at(0x320, 0x20041, 0);
    write_at(0x380, 100, 0);
    for (vx_tick n = 1; n < 10; n++) {
        assert_int_equal(vx_apic_timer_due(&world.apic[0]), 100 * n);
        vx_apic_timer_advance(&world.apic[0], 100 * n + n); /* noticed late */
        assert_int_equal(vx_apic_acknowledge(&world.apic[0]), 0x41);
        world_write(&world, 0, 0xB0, 0);
    }
    vx_apic_timer_advance(&world.apic[0], 1730); /* several at once are one request */
    assert_int_equal(vx_apic_timer_due(&world.apic[0]), 1800);
    assert_int_equal(count_at(1730), 70);
    write_at(0x380, 0, 1750);
    assert_true(vx_apic_timer_due(&world.apic[0]) == VX_TICK_NEVER);
}

static void a_masked_timer_counts_but_is_never_due(void **state)
{
    (void)state;
    world_init(&world);
    write_at(0x3E0, 11, 0);
    write_at(0x320, 0x10041, 0);
    write_at(0x380, 100, 0);
    assert_true(vx_apic_timer_due(&world.apic[0]) == VX_TICK_NEVER);
    assert_int_equal(count_at(40), 60);
    write_at(0x320, 0x41, 50);
    assert_int_equal(vx_apic_timer_due(&world.apic[0]), 100);
    write_at(0x320, 0x10041, 60);
    write_at(0x320, 0x41, 150); /* ran out while masked: lost */
    assert_int_equal(world_requested(&world, 0x41), 0);
}

static void a_new_divisor_counts_on(void **state)
{
    (void)state;
    world_init(&world);
    write_at(0x3E0, 11, 0);
    write_at(0x320, 0x41, 0);
    write_at(0x380, 100, 0);
    write_at(0x3E0, 1, 60);
    assert_int_equal(count_at(60), 40);
    assert_int_equal(count_at(100), 30);
    assert_int_equal(vx_apic_timer_due(&world.apic[0]), 60 + 40 * 4);
}

static void tsc_deadline(void **state)
{
    (void)state;
    world_init(&world);
    uint64_t value;
    assert_int_equal(vx_apic_wrmsr(&world.apic[0], 0x6E0, 500, 0), VX_APIC_DONE); /* ignored in other modes */
    assert_int_equal(vx_apic_rdmsr(&world.apic[0], 0x6E0, 0, &value), VX_APIC_DONE);
    assert_int_equal(value, 0);
    write_at(0x380, 1000, 0);
    write_at(0x320, 0x40041, 0); /* the change of mode disarms */
    assert_int_equal(count_at(10), 0);
    write_at(0x380, 1000, 10); /* ignored in this mode */
    assert_int_equal(count_at(10), 0);
    assert_true(vx_apic_timer_due(&world.apic[0]) == VX_TICK_NEVER);
    assert_int_equal(vx_apic_wrmsr(&world.apic[0], 0x6E0, 500, 20), VX_APIC_DONE);
    assert_int_equal(vx_apic_timer_due(&world.apic[0]), 500);
    assert_int_equal(vx_apic_rdmsr(&world.apic[0], 0x6E0, 499, &value), VX_APIC_DONE);
    assert_int_equal(value, 500);
    vx_apic_timer_advance(&world.apic[0], 500);
    assert_int_equal(world_requested(&world, 0x41), 1);
    assert_int_equal(vx_apic_rdmsr(&world.apic[0], 0x6E0, 500, &value), VX_APIC_DONE);
    assert_int_equal(value, 0);
    (void)vx_apic_acknowledge(&world.apic[0]);
    assert_int_equal(vx_apic_wrmsr(&world.apic[0], 0x6E0, 100, 600), VX_APIC_DONE); /* already past: at once */
    assert_int_equal(world_requested(&world, 0x41), 1);
    assert_int_equal(vx_apic_wrmsr(&world.apic[0], 0x6E0, 900, 600), VX_APIC_DONE);
    assert_int_equal(vx_apic_wrmsr(&world.apic[0], 0x6E0, 0, 610), VX_APIC_DONE);
    assert_true(vx_apic_timer_due(&world.apic[0]) == VX_TICK_NEVER);
}

/* Random programs of the timer against a counter that is stepped tick by tick. */
static void random_timer(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "apic timer");
    for (unsigned run = 0; run < 100; run++) {
        world_init(&world);
        bool periodic = vx_random_below(&random, 2);
        unsigned divisor = 1U << vx_random_below(&random, 4), initial = 1 + (unsigned)vx_random_below(&random, 50);
        static const uint32_t codes[] = {11, 0, 1, 2};
        write_at(0x3E0, codes[__builtin_ctz(divisor)], 0);
        write_at(0x320, periodic ? 0x20041 : 0x41, 0);
        write_at(0x380, initial, 0);
        unsigned count = initial, fired = 0, expected = 0;
        for (vx_tick now = 1; now < 2000; now++) {
            if (now % divisor == 0 && count && --count == 0) {
                expected++;
                if (periodic) count = initial;
            }
            if (now == vx_apic_timer_due(&world.apic[0])) vx_apic_timer_advance(&world.apic[0], now);
            if (vx_apic_pending(&world.apic[0])) {
                fired++;
                (void)vx_apic_acknowledge(&world.apic[0]);
                world_write(&world, 0, 0xB0, 0);
            }
            assert_int_equal(fired, expected);
            if (vx_random_below(&random, 7) == 0) assert_int_equal(count_at(now), count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_shot_with_every_divisor),
        cmocka_unit_test(periodic_keeps_its_phase),
        cmocka_unit_test(a_masked_timer_counts_but_is_never_due),
        cmocka_unit_test(a_new_divisor_counts_on),
        cmocka_unit_test(tsc_deadline),
        cmocka_unit_test(random_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
