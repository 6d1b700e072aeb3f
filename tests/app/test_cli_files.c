/* Files that are no plain files, and files that are written: nothing waits for ever, nothing that is read is written
 * over, and nothing is left half written. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "test_support.h"

#define RUN "run --cpu nehalem --scheme ept --max 10k --trace "
#define COMPILER CLI_TRACE("compiler.vxt")
#define NOBODY "a pipe that nobody writes to\n"

#define CHECK(rows) cli_check_errors(rows, sizeof(rows) / sizeof *(rows))

static void pipes_without_a_writer(void **state)
{
    (void)state;
    assert_int_equal(mkfifo("pipe.xml", 0600), 0);
    static const cli_error rows[] = {
        {RUN COMPILER " --cpu pipe.xml", 3, "vexit run: pipe.xml: " NOBODY},
        {RUN COMPILER " --vmm pipe.xml", 3, "vexit run: pipe.xml: " NOBODY},
        {RUN COMPILER " --vm pipe.xml", 3, "vexit run: pipe.xml: " NOBODY},
        {"model check pipe.xml", 3, "vexit model: pipe.xml: " NOBODY},
        {"io --chipset pipe.xml --trace gen:nic", 3, "vexit io: pipe.xml: " NOBODY},
        {"io --nic pipe.xml", 3, "vexit io: pipe.xml: " NOBODY},
        {"vmx check pipe.xml", 3, "vexit vmx: pipe.xml: " NOBODY},
        {"svm check pipe.xml --cpu zen2", 3, "vexit svm: pipe.xml: " NOBODY},
        {"compare --cpu nehalem --measured pipe.xml --trace " COMPILER, 3,
         "vexit compare: cannot open pipe.xml: " NOBODY},
        {"launch --image pipe.xml --make-policy p", 3, "vexit launch: cannot open pipe.xml: " NOBODY},
        {"launch --image p --policy pipe.xml", 3, "vexit launch: cannot open pipe.xml: " NOBODY},
        {"trace gen sequential:refs=10 -o pipe.xml", 3, "vexit trace: cannot write pipe.xml: not a regular file\n"},
    };
    CHECK(rows);
    struct stat found;
    assert_int_equal(stat("pipe.xml", &found), 0);
    assert_true(S_ISFIFO(found.st_mode));
    assert_true(cli_folder_holds("pipe.xml"));
    remove("pipe.xml");
}

static void what_is_read_is_not_written_over(void **state)
{
    (void)state;
    static const char model[] = "<?xml version=\"1.0\"?>\n<cpu name=\"own\" extends=\"nehalem\"/>\n";
    assert_int_equal(cli_line("trace gen sequential:refs=1000 -o own.vxt"), 0);
    cli_file("own.xml", model, strlen(model));
    cli_file("own.txt", "x\n", 2);
    cli_file("vmcb.json", "{}", 2);
    assert_int_equal(link("own.txt", "hard.txt"), 0);
#define SPARED(name) name ": is read, and would be written over\n"
    static const cli_error rows[] = {
        {"compare --cpu nehalem --trace own.vxt --html own.vxt", 2, "vexit compare: " SPARED("own.vxt")},
        {"compare --cpu nehalem --trace own.vxt --measured own.txt --json own.txt", 2,
         "vexit compare: " SPARED("own.txt")},
        {"run --cpu own.xml --scheme ept --trace own.vxt --csv own.xml", 2, "vexit run: " SPARED("own.xml")},
        {"walk --cpu own.xml --scheme ept --gva 1 --json own.xml", 2, "vexit walk: " SPARED("own.xml")},
        {"io --chipset own.xml --trace gen:nic --json own.xml", 2, "vexit io: " SPARED("own.xml")},
        {"trace info own.vxt --json own.vxt", 2, "vexit trace: " SPARED("own.vxt")},
        {"trace check own.vxt --json ./own.vxt", 2, "vexit trace: " SPARED("./own.vxt")},
        {"trace reach own.vxt --svg own.vxt", 2, "vexit trace: " SPARED("own.vxt")},
        {"model check own.xml --json own.xml", 2, "vexit model: " SPARED("own.xml")},
        {"vmx check own.txt --json own.txt", 2, "vexit vmx: " SPARED("own.txt")},
        {"svm check vmcb.json --cpu zen2 --json vmcb.json", 2, "vexit svm: " SPARED("vmcb.json")},
        {"launch --image own.txt --make-policy own.txt", 2, "vexit launch: " SPARED("own.txt")},
        {"launch --image own.txt --make-policy hard.txt", 2, "vexit launch: " SPARED("hard.txt")},
        {"launch --image own.vxt --policy own.txt --json own.txt", 2, "vexit launch: " SPARED("own.txt")},
    };
    CHECK(rows);
    size_t size;
    free(cli_slurp("own.xml", &size));
    assert_int_equal(size, strlen(model));
    assert_int_equal(cli_line("trace check own.vxt"), 0);
    const char *const names[] = {"own.vxt", "own.xml", "own.txt", "vmcb.json", "hard.txt"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) assert_int_equal(remove(names[i]), 0);
    assert_true(cli_folder_holds(NULL));
}

static void one_file_holds_one_report(void **state)
{
    (void)state;
    static const cli_error rows[] = {
        {RUN COMPILER " --json a --csv ./a", 2, "vexit run: ./a: is to be written twice\n"},
        {"compare --cpu nehalem --json a --html a --trace " COMPILER, 2, "vexit compare: a: is to be written twice\n"},
        {"compare --cpu nehalem --json - --html - --trace " COMPILER, 2,
         "vexit compare: two reports for standard output: it can hold one\n"},
        {RUN COMPILER " --json -  --csv -", 2, "vexit run: two reports for standard output: it can hold one\n"},
        {"trace reach gen:sequential:refs=10 --json a --svg a", 2, "vexit trace: a: is to be written twice\n"},
        {"compare --cpu nehalem --html nowhere/a --trace " COMPILER, 3,
         "vexit compare: cannot create nowhere/a: No such file or directory\n"},
        {"model list --json nowhere/a", 3, "vexit model: cannot create nowhere/a: No such file or directory\n"},
        {RUN COMPILER " --json=", 3, "vexit run: cannot create '': no file is named\n"},
    };
    CHECK(rows);
    assert_true(cli_folder_holds(NULL));
    assert_int_equal(cli_line("compare --cpu nehalem --max 1k --schemes ept --html - --trace " COMPILER), 0);
    assert_int_equal(strncmp(cli_out, "<!DOCTYPE html>", 15), 0); /* and no text before it */
}

/* A text of megabytes costs its length, not its length times its entries. */
static void descriptions_are_read_once(void **state)
{
    (void)state;
    enum { PIECES = 100000, BLANKS = 4000000 };
    char *text = malloc(BLANKS + PIECES * 40 + 100);
    assert_non_null(text);
    size_t used = (size_t)sprintf(text, "{\"cpu\": \"haswell\",%*s\"memory\": [", BLANKS, "");
    for (unsigned i = 0; i < PIECES; i++)
        used += (size_t)sprintf(text + used, "%s{\"address\":\"%u\",\"bytes\":\"01\"}", i ? "," : "", i);
    used += (size_t)sprintf(text + used, "]}");
    cli_file("long.json", text, used);
    free(text);
    assert_int_equal(cli_line("vmx check long.json"), 1); /* where each piece searched its line: minutes */
    remove("long.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipes_without_a_writer), cmocka_unit_test(what_is_read_is_not_written_over),
        cmocka_unit_test(one_file_holds_one_report), cmocka_unit_test(descriptions_are_read_once)};
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
