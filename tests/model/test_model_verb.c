/* vexit model: exit codes, what is on which stream, and the JSON document. */
#include "test_support.h"

#include <jansson.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "verbs.h"

enum { TEXT_MAX = 1 << 18, WORDS_MAX = 8 };

static char out[TEXT_MAX], err[TEXT_MAX];

static void slurp(FILE *file, char *text)
{
    rewind(file);
    size_t got = fread(text, 1, TEXT_MAX - 1, file);
    text[got] = '\0';
    fclose(file);
}

/* Runs "model <words>" in a child, for argp may exit; returns the exit code and leaves both streams in out and err. */
static int run(const char *const *words)
{
    FILE *out_file = tmpfile(), *err_file = tmpfile();
    assert_non_null(out_file);
    assert_non_null(err_file);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char copies[WORDS_MAX][128] = {"model"}, *argv[WORDS_MAX + 1] = {copies[0]};
        int argc = 1;
        for (; words[argc - 1] != NULL; argc++) {
            snprintf(copies[argc], sizeof copies[argc], "%s", words[argc - 1]);
            argv[argc] = copies[argc];
        }
        dup2(fileno(out_file), STDOUT_FILENO);
        dup2(fileno(err_file), STDERR_FILENO);
        int code = vx_verb_model(argc, argv);
        fflush(NULL);
        _exit(code);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    slurp(out_file, out);
    slurp(err_file, err);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static void list_names_models(void **state)
{
    (void)state;
    assert_int_equal(RUN("list", "vmm"), 0);
    assert_non_null(strstr(out, "vmm  xen-3.3"));
    assert_null(strstr(out, "nehalem"));
    assert_string_equal(err, "");
    assert_int_equal(RUN("list"), 0);
    assert_non_null(strstr(out, "cpu  nehalem"));
}

static void show_tells_what_is_stated_and_what_is_effective(void **state)
{
    (void)state;
    assert_int_equal(RUN("show", "nehalem"), 0);
    assert_non_null(strstr(out, "cpu.cost.vmexit_ticks = 1009 ticks"));
    assert_null(strstr(out, "# default"));
    assert_int_equal(RUN("show", "nehalem", "--effective", "--set", "cpu.core.cpi=0.5"), 0);
    assert_non_null(strstr(out, "# default"));
    assert_non_null(strstr(out, "cpu.core.cpi = 0.5 cycles per instruction             # --set\n"));
}

static void show_writes_json(void **state)
{
    json_error_t error;
    (void)state;
    assert_int_equal(RUN("show", "nehalem", "--effective", "--json", "-"), 0);
    json_t *document = json_loads(out, 0, &error); /* nothing but the document is on standard output */
    assert_non_null(document);
    const char *schema, *verb, *version, *kind, *from, *source;
    int complete, assumed;
    json_int_t value;
    assert_int_equal(json_unpack(document, "{s:s,s:s,s:b,s:{s:s},s:s,s:{s:{s:I,s:s,s:s,s:b}}}", "schema", &schema,
                                 "verb", &verb, "complete", &complete, "tool", "version", &version, "kind", &kind,
                                 "config", "cpu.tlb.l2.array.0.entries", "value", &value, "from", &from, "source",
                                 &source, "assumed", &assumed),
                     0);
    assert_string_equal(schema, "vexit/1");
    assert_string_equal(verb, "model");
    assert_true(complete);
    assert_string_equal(version, "0-test");
    assert_string_equal(kind, "cpu");
    assert_int_equal(value, 512);
    assert_int_equal(strncmp(from, "nehalem.xml:", 12), 0);
    assert_string_equal(source, "CPUID dump of 00106A2 (InstLatx64)");
    assert_false(assumed);
    json_decref(document);
}

static void check_finds_what_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(RUN("check"), 0);
    assert_non_null(strstr(out, "ok    cpu  nehalem"));
    assert_int_equal(RUN("check", "nehalem", "--set", "cpu.tlb.l2.array.0.ways=3"), 2);
    assert_string_equal(
        err, "vexit model: --set: cpu.tlb.l2.array.0.ways 3 does not divide cpu.tlb.l2.array.0.entries 512\n");
    assert_int_equal(RUN("check", "/nowhere/x.xml"), 3);
    assert_string_equal(err, "vexit model: /nowhere/x.xml: No such file or directory\n");
}

static void diff_tells_what_differs(void **state)
{
    (void)state;
    assert_int_equal(RUN("diff", "nehalem", "westmere"), 0);
    assert_non_null(strstr(out, "cpu.vmx.unrestricted_guest                   no               yes\n"));
    assert_null(strstr(out, "cpu.vmx.ept "));
    assert_int_equal(RUN("diff", "nehalem", "nehalem"), 0);
    assert_string_equal(out, "");
    assert_int_equal(RUN("diff", "nehalem", "textbook"), 2);
    assert_string_equal(err, "vexit model: diff takes two models of one kind\n");
    assert_int_equal(RUN("diff", "penryn", "zen", "--json", "-"), 0);
    assert_non_null(strstr(out, "\"path\": \"cpu.tlb.dtlb0.class\""));
    assert_non_null(strstr(out, "\"b\": null"));
}

static void keys_explains_the_table(void **state)
{
    (void)state;
    assert_int_equal(RUN("keys", "vm"), 0);
    assert_non_null(strstr(out, "vm.levels\n"));
    assert_int_equal(RUN("keys", "cpu"), 0);
    assert_non_null(strstr(out, "cpu.tlb.<name>.array.<n>.ways\n"));
}

static void bad_usage_is_exit_code_2(void **state)
{
    (void)state;
    assert_int_equal(RUN("shwo", "nehalem"), 2);
    assert_string_equal(err, "vexit model: no action 'shwo', did you mean 'show'?\n");
    assert_int_equal(RUN("show"), 2);
    assert_string_equal(err, "vexit model: show takes one model\n");
    assert_int_equal(RUN("show", "nehalem", "--kind", "car"), 2);
    assert_int_equal(RUN("list", "cars"), 2);
    assert_int_equal(RUN("show", "nehalem", "--frobnicate"), 2);
    assert_int_equal(RUN("show", "nehalam"), 2);
    assert_string_equal(err, "vexit model: no cpu model 'nehalam', did you mean 'nehalem'?\n");
    assert_int_equal(RUN("show", "nehalem", "--json", "/nowhere/x.json"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_names_models),        cmocka_unit_test(show_tells_what_is_stated_and_what_is_effective),
        cmocka_unit_test(show_writes_json),         cmocka_unit_test(check_finds_what_is_wrong),
        cmocka_unit_test(diff_tells_what_differs),  cmocka_unit_test(keys_explains_the_table),
        cmocka_unit_test(bad_usage_is_exit_code_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
