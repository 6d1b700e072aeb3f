/* Text that comes from files and pipes: nothing waits for a writer that is not there. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_support.h"
#include "vx_text_file.h"

static char folder[] = "/tmp/vexit-text-XXXXXX";

static int begin(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    unlink("file");
    unlink("pipe");
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void expect_text(const char *path, const char *expected)
{
    char text[64] = "";
    const char *why = NULL;
    FILE *file = vx_text_file_open(path, &why);
    assert_non_null(file);
    size_t got = fread(text, 1, sizeof text - 1, file);
    assert_int_equal(got, strlen(expected));
    assert_string_equal(text, expected);
    fclose(file);
}

static void a_file_is_read(void **state)
{
    (void)state;
    FILE *file = fopen("file", "w");
    assert_non_null(file);
    fputs("text", file);
    fclose(file);
    expect_text("file", "text");
}

static void what_is_missing_has_a_reason(void **state)
{
    (void)state;
    const char *why = NULL;
    assert_null(vx_text_file_open("none", &why));
    assert_string_equal(why, "No such file or directory");
}

/* fopen would wait here until the test's time is up. */
static void a_pipe_without_a_writer_is_refused(void **state)
{
    (void)state;
    const char *why = NULL;
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_null(vx_text_file_open("pipe", &why));
    assert_string_equal(why, "a pipe that nobody writes to");
    unlink("pipe");
}

/* As a shell's <(command): the other end is open, and what is written may come late. */
static void a_pipe_with_a_writer_is_read_to_its_end(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        int ends[2];
        char path[64];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            if (late) usleep(20000);
            ssize_t put = write(ends[1], "a late text", 11);
            _exit(put == 11 ? 0 : 1);
        }
        close(ends[1]);
        if (!late) waitpid(child, NULL, 0); /* the text waits in the pipe */
        snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
        expect_text(path, "a late text");
        if (late) waitpid(child, NULL, 0);
        close(ends[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_file_is_read), cmocka_unit_test(what_is_missing_has_a_reason),
                                       cmocka_unit_test(a_pipe_without_a_writer_is_refused),
                                       cmocka_unit_test(a_pipe_with_a_writer_is_read_to_its_end)};
    return cmocka_run_group_tests(tests, begin, end);
}
