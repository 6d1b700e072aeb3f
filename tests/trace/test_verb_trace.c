/* vexit trace, as a user calls it: what it prints and what it returns. */
#include <string.h>
#include <unistd.h>

#include "test_support.h"
#include "trace_samples.h"
#include "verb_trace.h"

/* Runs the verb with its standard output and error in a file, whose text is returned (static). */
static int run(const char **output, const char *first, ...)
{
    static char text[16384];
    char *argv[16] = {"trace", (char *)(uintptr_t)first};
    int argc = 2;
    va_list more;
    va_start(more, first);
    while (argc < 15 && (argv[argc] = va_arg(more, char *)) != NULL) argc++;
    va_end(more);
    const char *path = vx_sample_path("output.txt");
    fflush(stdout);
    int saved_out = dup(STDOUT_FILENO), saved_error = dup(STDERR_FILENO);
    FILE *file = fopen(path, "w+");
    assert_non_null(file);
    dup2(fileno(file), STDOUT_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    int code = vx_verb_trace(argc, argv);
    fflush(stdout);
    dup2(saved_out, STDOUT_FILENO);
    dup2(saved_error, STDERR_FILENO);
    close(saved_out);
    close(saved_error);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    *output = text;
    return code;
}

static char trace[512], other[512];

static int set_up(void **state)
{
    (void)state;
    snprintf(trace, sizeof trace, "%s", vx_sample_path("t.vxt"));
    snprintf(other, sizeof other, "%s", vx_sample_path("o.vxt"));
    return 0;
}

static void make_trace(void)
{
    const char *text;
    assert_int_equal(run(&text, "gen", "chase", "--set", "pages=2", "--set", "refs=1k", "-o", trace, NULL), 0);
    assert_non_null(strstr(text, ": 5000 references, "));
}

static void view_shows_records(void **state)
{
    (void)state;
    const char *text;
    make_trace();
    assert_int_equal(run(&text, "view", trace, "--from", "1", "--count", "3", NULL), 0);
    assert_string_equal(text, "      number   instructions  record\n"
                              "           1              4  load         gva=0x100000000000 bytes=8\n"
                              "           2              8  fetch        gva=0x400000 instructions=4 bytes=16\n"
                              "           3              8  load         gva=0x100000001040 bytes=8\n");
}

static void view_names_the_operands_of_events(void **state)
{
    (void)state;
    uint64_t payload[] = {0x1000, 0x67, 3, 0x2067, 10, 8, 1, 1};
    vx_record records[] = {{.addr = 0xffff800000001018, .count = 2, .size = 8, .kind = VX_REC_PT_STORE},
                           {.addr = 0x3000, .count = 2, .size = 1, .arg = 2, .kind = VX_REC_PT_PAGE_NEW},
                           {.count = 4, .arg = 4, .kind = VX_REC_SKIPPED},
                           {.addr = 0x5000, .size = 3, .kind = VX_REC_CR_WRITE},
                           {.kind = VX_REC_HLT}};
    vx_sample sample = {.records = records, .count = 5, .payload = payload, .words = 8};
    vx_sample_write(trace, &sample, 1, 0);
    const char *text;
    assert_int_equal(run(&text, "view", trace, NULL), 0);
    assert_string_equal(
        text, "      number   instructions  record\n"
              "           0              0  pt_store     gva=0xffff800000001018 bytes=8 gpa=0x1000 value=0x67\n"
              "           1              0  pt_page_new  gpa=0x3000 level=1 [3]=0x2067\n"
              "           2             10  skipped      instructions=10 fetches=8 loads=1 stores=1\n"
              "           3             10  cr_write     value=0x5000 cr=3\n"
              "           4             10  hlt\n");
}

/* A full table is half a page of text: of several records each line stays one that can be read; alone it is whole. */
static void view_shows_the_first_entries_of_a_table(void **state)
{
    (void)state;
    enum { ENTRIES = 10 };
    uint64_t payload[2 * ENTRIES];
    for (unsigned i = 0; i < ENTRIES; i++) {
        payload[2 * i] = i;
        payload[2 * i + 1] = 0x1067 + 0x1000 * i;
    }
    vx_record records[] = {
        {.addr = 0x3000, .count = 2 * ENTRIES, .size = 1, .kind = VX_REC_PT_PAGE_NEW},
        {.addr = 0x4000, .count = 16, .size = 1, .kind = VX_REC_PT_PAGE_NEW},
    };
    vx_sample sample = {.records = records, .count = 2, .payload = payload, .words = 2 * ENTRIES};
    vx_sample_write(trace, &sample, 1, 0);
    const char *text;
    assert_int_equal(run(&text, "view", trace, NULL), 0);
    assert_non_null(strstr(text, "gpa=0x3000 level=1 [0]=0x1067 [1]=0x2067 "));
    assert_non_null(strstr(text, " [7]=0x8067 and 2 more\n"));
    assert_non_null(strstr(text, " [7]=0x8067\n")); /* of 8 none is left out */
    assert_int_equal(run(&text, "view", trace, "--count", "1", NULL), 0);
    assert_non_null(strstr(text, " [8]=0x9067 [9]=0xa067\n"));
}

static void info_and_check_tell_what_is_there(void **state)
{
    (void)state;
    const char *text;
    make_trace();
    assert_int_equal(run(&text, "info", trace, NULL), 0);
    assert_non_null(strstr(text, "references    5000\n"));
    assert_non_null(strstr(text, "kind          user, tier F (full)\n"));
    assert_non_null(strstr(text, "  load          1000\n"));
    assert_int_equal(run(&text, "info", trace, "--json", "-", NULL), 0);
    assert_non_null(strstr(text, "\"references\": 5000"));
    assert_non_null(strstr(text, "\"tier\": \"F\""));
    assert_int_equal(run(&text, "check", trace, NULL), 0);
    assert_non_null(strstr(text, ": OK, 2000 records, 4000 instructions\n"));
}

static void cut_and_pack_write_new_files(void **state)
{
    (void)state;
    const char *text;
    make_trace();
    assert_int_equal(run(&text, "cut", trace, "--skip", "1k", "--max", "400", "-o", other, NULL), 0);
    assert_non_null(strstr(text, ": 500 references, "));
    assert_int_equal(run(&text, "pack", trace, "-o", other, NULL), 0);
    assert_non_null(strstr(text, ": 5000 references, "));
    assert_int_equal(run(&text, "check", other, NULL), 0);
}

/* Two pages in turns under one code page: the first touches miss, nothing else does. */
static void reach_prints_curves(void **state)
{
    (void)state;
    const char *text;
    make_trace();
    assert_int_equal(run(&text, "reach", trace, NULL), 0);
    assert_non_null(strstr(text, "         data 1000 lookups         code 4000 lookups         both 5000 lookups\n"));
    assert_non_null(strstr(text, "\n       8            2          2          2            1          1          1  "
                                 "          3          3          3\n"));
    assert_non_null(strstr(text, "\n         larger arrays miss as often\n"));
    assert_non_null(strstr(text, "\n       8 |################################# 2.000\n"));
    assert_int_equal(run(&text, "reach", trace, "--json", "-", "--svg", other, NULL), 0);
    assert_non_null(strstr(text, "\"replacement\": \"lru\""));
    assert_null(strstr(text, "MISSES"));
    size_t size;
    uint8_t *svg = vx_sample_load(other, &size);
    assert_memory_equal(svg, "<svg ", 5);
    free(svg);
    assert_int_equal(run(&text, "pack", trace, "--tier", "E", "-o", other, NULL), 0);
    assert_int_equal(run(&text, "reach", other, NULL), 2);
    assert_non_null(strstr(text, ": tier E holds no references\n"));
    assert_int_equal(run(&text, "reach", trace, "--svg", "no/such/folder", NULL), 3);
}

static void mistakes_have_their_exit_codes(void **state)
{
    (void)state;
    const char *text;
    size_t size;
    assert_int_equal(run(&text, "infp", trace, NULL), 2);
    assert_string_equal(text, "vexit trace: no action 'infp', did you mean 'info'?\n");
    assert_int_equal(run(&text, "cut", trace, NULL), 2);
    assert_string_equal(text, "vexit trace: cut needs -o FILE\n");
    assert_int_equal(run(&text, "info", NULL), 2);
    assert_string_equal(text, "vexit trace: info takes FILE\n");
    assert_int_equal(run(&text, "import", "--from", "lakey", trace, "-o", other, NULL), 2);
    assert_string_equal(text, "vexit trace: no importer \"lakey\"; did you mean \"lackey\"?\n");
    assert_int_equal(run(&text, "info", "no/such/file", NULL), 3);
    assert_string_equal(text, "vexit trace: cannot open no/such/file: No such file or directory\n");
    make_trace();
    uint8_t *bytes = vx_sample_load(trace, &size);
    vx_sample_store(trace, bytes, size - 1);
    free(bytes);
    assert_int_equal(run(&text, "check", trace, NULL), 2);
    assert_non_null(strstr(text, "cut or damaged (no end mark)"));
    assert_int_equal(run(&text, "pack", trace, "--whole-chunks", "-o", other, NULL), 0);
    assert_int_equal(run(&text, "check", other, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(view_shows_records),
        cmocka_unit_test(view_names_the_operands_of_events),
        cmocka_unit_test(view_shows_the_first_entries_of_a_table),
        cmocka_unit_test(info_and_check_tell_what_is_there),
        cmocka_unit_test(cut_and_pack_write_new_files),
        cmocka_unit_test(reach_prints_curves),
        cmocka_unit_test(mistakes_have_their_exit_codes),
    };
    return cmocka_run_group_tests(tests, set_up, vx_sample_folder_remove);
}
