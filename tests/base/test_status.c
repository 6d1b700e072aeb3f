/* Status and message: cutting, exit codes, "did you mean". */
#include <string.h>

#include "test_support.h"
#include "vx_status.h"

static void the_message_is_formatted_and_the_status_returned(void **state)
{
    (void)state;
    vx_msg msg;
    assert_int_equal(vx_fail(&msg, VX_ERR_INPUT, "%s:%d: bad %s", "cpu.xml", 12, "ways"), VX_ERR_INPUT);
    assert_string_equal(msg.text, "cpu.xml:12: bad ways");
    assert_int_equal(vx_fail_nomem(&msg), VX_ERR_NOMEM);
    assert_string_equal(msg.text, "out of memory");
    assert_int_equal(vx_fail(NULL, VX_ERR_IO, "%s", "nobody reads this"), VX_ERR_IO);
    assert_int_equal(vx_fail_nomem(NULL), VX_ERR_NOMEM);
}

static void a_message_is_one_line_and_steers_no_terminal(void **state)
{
    (void)state;
    vx_msg msg;
    vx_fail(&msg, VX_ERR_INPUT, "no field '%s'", "a\x1b[31m\nb\x7f\tc\xc3\xa4");
    assert_string_equal(msg.text, "no field 'a?[31m?b??c\xc3\xa4'");
}

static void a_long_message_is_cut(void **state)
{
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    vx_msg msg;
    memset(&msg, 'y', sizeof msg);
    vx_fail(&msg, VX_ERR_IO, "%s", text);
    assert_int_equal(strlen(msg.text), sizeof msg.text - 1);
}

static void exit_codes_are_the_command_lines(void **state)
{
    (void)state;
    assert_int_equal(vx_status_exit_code(VX_OK), 0);
    assert_int_equal(vx_status_exit_code(VX_ERR_CHECK), 1);
    assert_int_equal(vx_status_exit_code(VX_ERR_INPUT), 2);
    assert_int_equal(vx_status_exit_code(VX_ERR_IO), 3);
    assert_int_equal(vx_status_exit_code(VX_ERR_NOMEM), 3);
    assert_int_equal(vx_status_exit_code(VX_ERR_INTERRUPTED), 130);
}

static const char *const schemes[] = {"native", "shadow-wp", "shadow-vtlb", "shadow-kvm", "ept", "npt"};

static const char *nearest(const char *word)
{
    return vx_did_you_mean(word, schemes, sizeof schemes / sizeof schemes[0]);
}

static void slips_find_their_word(void **state)
{
    (void)state;
    assert_string_equal(nearest("native"), "native");
    assert_string_equal(nearest("natve"), "native");
    assert_string_equal(nearest("naitve"), "native");
    assert_string_equal(nearest("nativee"), "native");
    assert_string_equal(nearest("EPT"), "ept");
    assert_string_equal(nearest("etp"), "ept");
    assert_string_equal(nearest("nnpt"), "npt");
    assert_string_equal(nearest("shadow_vtlb"), "shadow-vtlb");
    assert_string_equal(nearest("shadow-kvn"), "shadow-kvm");
}

static void the_nearest_wins_and_the_first_of_equals(void **state)
{
    (void)state;
    static const char *const names[] = {"abcdef", "abcxyz", "abcdxx", "abcdyy"};
    assert_string_equal(vx_did_you_mean("abcdxf", names, 4), "abcdef"); /* 1 edit, as to abcdxx */
    assert_string_equal(vx_did_you_mean("abcdxxx", names, 4), "abcdxx");
}

static void what_is_no_slip_finds_nothing(void **state)
{
    (void)state;
    assert_null(nearest(""));
    assert_null(nearest("x"));
    assert_null(nearest("xyz"));
    assert_null(nearest("navies!")); /* 3 of 7 letters */
    assert_null(nearest("bare-metal"));
    assert_null(vx_did_you_mean("ept", schemes, 0));
}

/* Words and names of any length are safe; beyond 63 letters they have no neighbour, not even themselves. */
static void long_words_find_nothing(void **state)
{
    (void)state;
    char huge[3000], long_word[65], longest[64];
    memset(huge, 'a', sizeof huge);
    memset(long_word, 'a', sizeof long_word);
    memset(longest, 'a', sizeof longest);
    huge[sizeof huge - 1] = long_word[sizeof long_word - 1] = longest[sizeof longest - 1] = '\0';
    const char *const names[] = {huge, long_word, longest};
    assert_null(vx_did_you_mean(huge, names, 3));
    assert_null(vx_did_you_mean(long_word, names, 3));
    assert_ptr_equal(vx_did_you_mean(longest, names, 3), longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_message_is_formatted_and_the_status_returned),
        cmocka_unit_test(a_message_is_one_line_and_steers_no_terminal),
        cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(exit_codes_are_the_command_lines),
        cmocka_unit_test(slips_find_their_word),
        cmocka_unit_test(the_nearest_wins_and_the_first_of_equals),
        cmocka_unit_test(what_is_no_slip_finds_nothing),
        cmocka_unit_test(long_words_find_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
