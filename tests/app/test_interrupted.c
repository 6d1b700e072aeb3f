/* A run that is told to stop ends with whole partial results. */
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "test_support.h"

/* In a process group of its own, as a shell starts it. */
static pid_t start(const char *const *words)
{
    const char *argv[16] = {VEXIT_CLI};
    for (unsigned i = 0; words[i]; i++) argv[i + 1] = words[i];
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", 1, 0);
    posix_spawnattr_t group;
    posix_spawnattr_init(&group);
    posix_spawnattr_setflags(&group, POSIX_SPAWN_SETPGROUP);
    pid_t child;
    assert_int_equal(posix_spawn(&child, VEXIT_CLI, &quiet, &group, (char *const *)(uintptr_t)argv, environ), 0);
    posix_spawnattr_destroy(&group);
    posix_spawn_file_actions_destroy(&quiet);
    return child;
}

/* Lets it run a while, stops it, and returns its exit code. SIGINT as a terminal sends it: to its children too. The
 * wait is no assertion: a run that had not begun yet, or ends a moment later, passes too. */
static int interrupt(pid_t child, int number)
{
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    assert_int_equal(kill(number == SIGINT ? -child : child, number), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static json_t *document_of(const char *name)
{
    char *text = cli_slurp(name, NULL);
    json_t *document = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(document);
    cli_check_document(document);
    assert_true(json_is_false(cli_at(document, "/complete")));
    return document;
}

static void run_is_interrupted(void **state)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        static const char *const words[] = {
            "run",     "--trace", "gen:random:refs=2g", "--cpu", "nehalem", "--scheme", "ept",
            "--check", "--json",  "part.json",          NULL};
        assert_int_equal(interrupt(start(words), numbers[i]), 128 + numbers[i]);
        assert_true(cli_folder_holds("part.json"));
        json_t *document = document_of("part.json");
        assert_true(cli_count(document, "/runs/0/references") > 0);
        json_decref(document);
        remove("part.json");
    }
}

static void check_interrupted_compare(const char *const *words)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(interrupt(start(words), numbers[i]), 128 + numbers[i]);
        assert_true(cli_folder_holds("part.json"));
        json_decref(document_of("part.json"));
        remove("part.json");
    }
}

static void compare_is_interrupted(void **state)
{
    static const char *const words[] = {"compare", "--trace",   "gen:random:refs=2g", "--cpu",
                                        "nehalem", "--schemes", "native,ept",         "--jobs",
                                        "2",       "--json",    "part.json",          NULL};
    (void)state;
    check_interrupted_compare(words);
}

/* Runs that wait for each other through one decoding of the trace. */
static void sharing_compare_is_interrupted(void **state)
{
    static const char *const words[] = {"compare",    "--trace",   CLI_TRACE("compiler.vxt"),
                                        "--cpu",      "nehalem",   "--schemes",
                                        "native,ept", "--seeds",   "1000",
                                        "--json",     "part.json", NULL};
    (void)state;
    check_interrupted_compare(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_is_interrupted),
        cmocka_unit_test(compare_is_interrupted),
        cmocka_unit_test(sharing_compare_is_interrupted),
    };
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
