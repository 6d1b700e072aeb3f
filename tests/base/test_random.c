/* Random streams: published known answers, and what the streams promise. */
#include "test_support.h"
#include "vx_random.h"

/* The first outputs for the state {1, 2, 3, 4}, as the authors' reference code and others' ports of it give them. */
static void xoshiro256starstar_known_answers(void **state)
{
    (void)state;
    static const uint64_t expected[] = {
        11520ULL,
        0ULL,
        1509978240ULL,
        1215971899390074240ULL,
        1216172134540287360ULL,
        607988272756665600ULL,
        16172922978634559625ULL,
        8476171486693032832ULL,
        10595114339597558777ULL,
        2904607092377533576ULL,
    };
    vx_random random = {{1, 2, 3, 4}};
    for (unsigned i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_int_equal(vx_random_u64(&random), expected[i]);
}

/* SplitMix64's outputs are the mix of seed + n x gamma. */
static void splitmix64_known_answers(void **state)
{
    (void)state;
    static const uint64_t gamma = 0x9E3779B97F4A7C15ULL;
    static const uint64_t from_1234567[] = {6457827717110365317ULL, 3203168211198807973ULL, 9817491932198370423ULL,
                                            4593380528125082431ULL, 16408922859458223821ULL};
    static const uint64_t from_0[] = {0xE220A8397B1DCDAFULL, 0x6E789E6AA1B965F4ULL, 0x06C45D188009454FULL};
    for (unsigned i = 0; i < 5; i++) assert_int_equal(vx_mix64(1234567 + (i + 1) * gamma), from_1234567[i]);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(vx_mix64((i + 1) * gamma), from_0[i]);
}

static void streams_are_repeatable_and_apart(void **state)
{
    (void)state;
    uint64_t seed = vx_test_seed();
    vx_random one, again, other_name, other_seed;
    vx_random_init(&one, seed, "guest.placement");
    vx_random_init(&again, seed, "guest.placement");
    vx_random_init(&other_name, seed, "guest.ticks");
    vx_random_init(&other_seed, seed + 1, "guest.placement");
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t x = vx_random_u64(&one);
        assert_int_equal(vx_random_u64(&again), x);
        assert_int_not_equal(vx_random_u64(&other_name), x);
        assert_int_not_equal(vx_random_u64(&other_seed), x);
    }
}

enum { DRAWS = 60000, CLASSES_MAX = 8 };

/* All classes were hit equally often, within 5 standard deviations of a binomial. */
static void expect_even(const unsigned *hits, unsigned classes)
{
    double mean = (double)DRAWS / classes;
    double tolerated = 25 * mean * (1 - 1.0 / classes);
    for (unsigned i = 0; i < classes; i++) assert_true((hits[i] - mean) * (hits[i] - mean) < tolerated);
}

/* Both the parts of [0, bound), a multiple of `classes`, and the remainders are hit evenly. */
static void draw_evenly(vx_random *random, uint64_t bound, unsigned classes)
{
    unsigned parts[CLASSES_MAX] = {0}, remainders[CLASSES_MAX] = {0};
    for (unsigned i = 0; i < DRAWS; i++) {
        uint64_t x = vx_random_below(random, bound);
        assert_true(x < bound);
        parts[x / (bound / classes)]++;
        remainders[x % classes]++;
    }
    expect_even(parts, classes);
    expect_even(remainders, classes);
}

/* A bound of 3 x 2^62 must reject a quarter of all words: mapped without, the results that 3 divides would come twice
 * as often as the others; taken modulo the bound, those in the first third. */
static void below_is_in_range_and_even(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "below");
    assert_int_equal(vx_random_below(&random, 0), 0);
    for (unsigned i = 0; i < 100; i++) assert_int_equal(vx_random_below(&random, 1), 0);
    draw_evenly(&random, 6, 6);
    draw_evenly(&random, 1000, 8);
    draw_evenly(&random, 3ULL << 62, 3);
}

static void unit_is_in_range_and_even(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "unit");
    double sum = 0, least = 1, most = 0;
    for (unsigned i = 0; i < 100000; i++) {
        double x = vx_random_unit(&random);
        assert_true(x >= 0 && x < 1);
        sum += x;
        if (x < least) least = x;
        if (x > most) most = x;
    }
    assert_true(sum > 100000 * 0.495 && sum < 100000 * 0.505);
    assert_true(least < 0.001 && most > 0.999);
    vx_random all_ones = {{0, 0x4FC71C71C71C71C7ULL, 0, 0}};
    assert_true(vx_random_unit(&all_ones) < 1); /* this state gives the word 2^64 - 1 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xoshiro256starstar_known_answers), cmocka_unit_test(splitmix64_known_answers),
        cmocka_unit_test(streams_are_repeatable_and_apart), cmocka_unit_test(below_is_in_range_and_even),
        cmocka_unit_test(unit_is_in_range_and_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
