/* Where the program's output goes: to a full device, to a closed descriptor, to two files that are one. */
#include "test_support.h"

#include <sys/wait.h>

#define RUN "run --trace gen:mix:refs=100 --cpu nehalem --scheme ept"

/* The exit code of the program with this tail of a shell's command line. */
static int run(const char *tail)
{
    char command[512];
    snprintf(command, sizeof command, "VEXIT_MODELS='" VX_SOURCE_DIR "/models' '" VEXIT_CLI "' %s 2>/dev/null", tail);
    int status = system(command);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void what_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    static const char *const verbs[] = {RUN,
                                        RUN " --json -",
                                        RUN " --csv -",
                                        "list reasons",
                                        "model list",
                                        "model keys",
                                        "--version",
                                        "--help",
                                        "model show nehalem",
                                        "walk --cpu nehalem --scheme ept --gva 0x1000"};
    char tail[256];
    for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        snprintf(tail, sizeof tail, "%s >/dev/null", verbs[i]);
        assert_int_equal(run(tail), 0);
        snprintf(tail, sizeof tail, "%s >/dev/full", verbs[i]);
        assert_int_equal(run(tail), 3);
        snprintf(tail, sizeof tail, "%s >&-", verbs[i]);
        assert_int_equal(run(tail), 3);
    }
    assert_int_equal(run(RUN " --json /dev/full >/dev/null"), 3);
}

static void standard_output_holds_one_report(void **state)
{
    (void)state;
    assert_int_equal(run(RUN " --json - --csv - >/dev/null"), 2);
    assert_int_equal(run(RUN " --json - --csv /dev/null >/dev/null"), 0);
}

static void numbers_are_digits(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "-1", " -1", "+1", " 1", "", "1x", "18446744073709551616", "99999999999999999g"};
    char tail[256];
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(tail, sizeof tail, RUN " --seed='%s' >/dev/null", wrong[i]);
        assert_int_equal(run(tail), 2);
    }
    assert_int_equal(run(RUN " --seed=18446744073709551615 >/dev/null"), 0);
}

static void snapshots_have_an_end(void **state)
{
    (void)state;
    assert_int_equal(run(RUN " --interval 1 --max 1000 --json - >/dev/null"), 0);
    assert_int_equal(run("run --trace gen:mix:refs=10k --cpu nehalem --scheme ept --interval 1 --json - >/dev/null"),
                     2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_cannot_be_written_is_an_error),
                                       cmocka_unit_test(standard_output_holds_one_report),
                                       cmocka_unit_test(numbers_are_digits), cmocka_unit_test(snapshots_have_an_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
