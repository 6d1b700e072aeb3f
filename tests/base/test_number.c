/* Numbers as people write them: digits alone, no octal, no overflow. */
#include <inttypes.h>

#include "test_support.h"
#include "vx_number.h"

static void whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } right[] = {{"0", 0},
                 {"7", 7},
                 {"010", 10},
                 {"08", 8},
                 {"0x10", 16},
                 {"0Xff", 255},
                 {"18446744073709551615", UINT64_MAX},
                 {"0xffffffffffffffff", UINT64_MAX}};
    static const char *const wrong[] = {"",
                                        " 1",
                                        "1 ",
                                        "+1",
                                        "-1",
                                        "x",
                                        "0x",
                                        "0x0x1",
                                        "0x 1",
                                        "0x-1",
                                        "0xg",
                                        "1e3",
                                        "1.5",
                                        "nan",
                                        "inf",
                                        "1k",
                                        "18446744073709551616",
                                        "0x10000000000000000",
                                        "\t1",
                                        "\xc2\xb2"};
    uint64_t value;
    for (unsigned i = 0; i < sizeof right / sizeof *right; i++) {
        assert_true(vx_number_whole(right[i].text, &value));
        assert_int_equal(value, right[i].value);
    }
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        value = 77;
        if (vx_number_whole(wrong[i], &value)) fail_msg("'%s' is taken as %" PRIu64, wrong[i], value);
        assert_int_equal(value, 77);
    }
}

static void scaled_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t thousand, bytes;
    } right[] = {{"3", 3, 3},
                 {"3k", 3000, 3072},
                 {"2M", 2000000, 2097152},
                 {"0x10g", 16000000000, 17179869184},
                 {"1t", 1000000000000, 1099511627776},
                 {"0t", 0, 0}};
    static const char *const wrong[] = {"", "k", "1kk", "1 k", "1p", "1kb", "18446744073709551615k", "99999999t"};
    uint64_t value;
    for (unsigned i = 0; i < sizeof right / sizeof *right; i++) {
        assert_true(vx_number_scaled(right[i].text, 1000, &value));
        assert_int_equal(value, right[i].thousand);
        assert_true(vx_number_scaled(right[i].text, 1024, &value));
        assert_int_equal(value, right[i].bytes);
    }
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (vx_number_scaled(wrong[i], 1000, &value)) fail_msg("'%s' is taken as %" PRIu64, wrong[i], value);
}

static void the_beginning_of_a_text(void **state)
{
    (void)state;
    const char *end = NULL, *text = "12.5";
    uint64_t value;
    assert_true(vx_number_begin(text, &end, &value));
    assert_int_equal(value, 12);
    assert_ptr_equal(end, text + 2);
    assert_false(vx_number_begin(".5", &end, &value));
    assert_ptr_equal(end, text + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole_numbers), cmocka_unit_test(scaled_numbers),
                                       cmocka_unit_test(the_beginning_of_a_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
