/* Against printed tables of Student's t (two-sided, 95 %). */
#include <math.h>

#include "test_support.h"
#include "vx_confidence.h"

static void assert_near(double found, double wanted, double within)
{
    if (!(fabs(found - wanted) <= within)) fail_msg("%.12g is not within %g of %.12g", found, within, wanted);
}

/* n values with mean 10 and sample deviation 1: the half-width is t / sqrt(n). */
static void half_widths_follow_the_table(void **state)
{
    (void)state;
    static const struct {
        size_t degrees;
        double t;
    } table[] = {{1, 12.706}, {2, 4.303},  {3, 3.182},  {4, 2.776},  {5, 2.571},  {9, 2.262},
                 {10, 2.228}, {19, 2.093}, {29, 2.045}, {60, 2.000}, {120, 1.980}};
    for (size_t row = 0; row < sizeof table / sizeof *table; row++) {
        static double values[128];
        size_t count = table[row].degrees + 1;
        /* Deviations d, -d, d, -d, ...; with an odd count the last is 0. */
        double d = sqrt((double)(count - 1) / (double)(count - count % 2));
        for (size_t i = 0; i < count; i++) values[i] = 10.0 + (i % 2 ? -d : d);
        if (count % 2) values[count - 1] = 10.0;
        vx_confidence found;
        assert_int_equal(vx_confidence_of(&found, values, count, NULL), VX_OK);
        assert_int_equal(found.count, count);
        assert_near(found.mean, 10.0, 1e-12);
        assert_near(found.deviation, 1.0, 1e-12);
        assert_near(found.half_width * sqrt((double)count), table[row].t, 0.0006);
    }
}

static void one_value_bounds_nothing(void **state)
{
    (void)state;
    const double value = 42.0;
    vx_confidence found;
    assert_int_equal(vx_confidence_of(&found, &value, 1, NULL), VX_OK);
    assert_near(found.mean, 42.0, 0.0);
    assert_near(found.deviation, 0.0, 0.0);
    assert_true(isinf(found.half_width) && found.half_width > 0);
}

static void equal_values_have_no_width(void **state)
{
    (void)state;
    const double values[] = {7.0, 7.0, 7.0};
    vx_confidence found;
    assert_int_equal(vx_confidence_of(&found, values, 3, NULL), VX_OK);
    assert_near(found.half_width, 0.0, 0.0);
}

static void quantiles_exist_for_any_count(void **state)
{
    (void)state;
    static double values[20001];
    double last = INFINITY;
    for (size_t i = 0; i < 20001; i++) values[i] = i % 2 ? 1.0 : -1.0;
    for (size_t count = 2; count <= 20001; count += count < 200 ? 2 : 1001) {
        vx_confidence found;
        assert_int_equal(vx_confidence_of(&found, values, count, NULL), VX_OK);
        assert_true(found.half_width < last && found.half_width > 0.0);
        last = found.half_width;
    }
}

static void bad_input_leaves_the_result(void **state)
{
    (void)state;
    const double values[] = {1.0, NAN, INFINITY};
    vx_confidence found = {.count = 99};
    vx_msg msg;
    assert_int_equal(vx_confidence_of(&found, values, 0, &msg), VX_ERR_INPUT);
    assert_int_equal(vx_confidence_of(&found, values, 2, &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text, "value 2 of 2 is not finite");
    assert_int_equal(vx_confidence_of(&found, values + 2, 1, &msg), VX_ERR_INPUT);
    assert_int_equal(found.count, 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_widths_follow_the_table), cmocka_unit_test(one_value_bounds_nothing),
        cmocka_unit_test(equal_values_have_no_width),   cmocka_unit_test(quantiles_exist_for_any_count),
        cmocka_unit_test(bad_input_leaves_the_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
