#include "import_support.h"

#include <string.h>

static void maps_each_kind(void **state)
{
    (void)state;
    assert_imports_text(vx_import_lackey,
                        "I  04001090,3\n"
                        " L 1ffefff9f8,8\n"
                        "I  04001093,5\n"
                        " S 1ffefff9f0,4\n"
                        "I  04001098,2\n"
                        " M 04222c40,1\n",
                        "fetch 4001090 1 3\n"
                        "load 1ffefff9f8 8\n"
                        "fetch 4001093 1 5\n"
                        "store 1ffefff9f0 4\n"
                        "fetch 4001098 1 2\n"
                        "load 4222c40 1\n"
                        "store 4222c40 1\n");
}

static void merges_back_to_back_instructions(void **state)
{
    (void)state;
    assert_imports_text(vx_import_lackey,
                        "I  1000,3\nI  1003,5\nI  1008,1\n" /* one block */
                        "I  1010,4\n"                       /* a gap */
                        "I  1000,3\n"                       /* back */
                        " L 5000,8\nI  1003,2\n",           /* a reference between */
                        "fetch 1000 3 9\nfetch 1010 1 4\nfetch 1000 1 3\nload 5000 8\nfetch 1003 1 2\n");
}

/* The last of a block may cross into the next page; what starts there is another block. */
static void a_block_ends_with_its_page(void **state)
{
    (void)state;
    assert_imports_text(vx_import_lackey, "I  1ffa,3\nI  1ffd,6\nI  2003,2\nI  2005,1\n",
                        "fetch 1ffa 2 9\nfetch 2003 2 3\n");
    assert_imports_text(vx_import_lackey, "I  1ffc,4\nI  2000,2\n", "fetch 1ffc 1 4\nfetch 2000 1 2\n");
}

/* 20000 instructions without a reference: more than a batch, were they not merged; the merging must not see batches. */
static void merging_does_not_depend_on_batches(void **state)
{
    (void)state;
    enum { LOOPS = 9000 };
    bytes input = {0}, expected = {0};
    for (unsigned i = 0; i < LOOPS; i++) {
        static const char loop[] = "I  1000,2\nI  1002,2\n";
        static const char merged[] = "fetch 1000 2 4\n";
        bytes_put(&input, loop, sizeof loop - 1);
        bytes_put(&expected, merged, sizeof merged - 1);
    }
    bytes_put(&expected, "", 1);
    assert_imports(vx_import_lackey, input.data, input.count, (char *)expected.data);
    bytes_free(&input);
    bytes_free(&expected);
}

static void splits_long_references(void **state)
{
    (void)state;
    assert_imports_text(vx_import_lackey, " S 1000,130\n L 2000,64\n",
                        "store 1000 40\nstore 1040 40\nstore 1080 2\nload 2000 40\n");
}

static void clips_long_instructions(void **state)
{
    (void)state;
    assert_imports_text(vx_import_lackey, "I  1000,19\nI  1013,1\n", "fetch 1000 1 f\nfetch 1013 1 1\n");
}

static void passes_over_what_is_not_the_traces(void **state)
{
    (void)state;
    assert_imports_text(vx_import_lackey,
                        "==12== Lackey\n--12-- verbose\n**12** message\n\nSB 04001090\nI  1000,3\r\n==12== end\n",
                        "fetch 1000 1 3\n");
}

static void recipe_comes_from_the_preamble(void **state)
{
    (void)state;
    static const char text[] = "==7== Lackey, an example Valgrind tool\n"
                               "==7== Using Valgrind-3.19.0 and LibVEX; rerun with -h for copyright info\n"
                               "==7== Command: ls \x01-l\n"
                               "==0== Note: second half\n"
                               "I  1000,1\n";
    vx_input *input = NULL;
    vx_source *source = NULL;
    vx_msg msg;
    assert_int_equal(vx_input_open_memory(&input, "in", text, sizeof text - 1, &msg), VX_OK);
    assert_int_equal(vx_import_lackey(&source, input, &msg), VX_OK);
    assert_string_equal(source->header.recipe, "imported from Valgrind lackey text; Valgrind-3.19.0 and LibVEX; "
                                               "command: ls ?-l; second half");
    assert_int_equal(source->header.tier, VX_TIER_FULL);
    assert_int_equal(source->header.kind, VX_TRACE_USER);
    vx_source_close(source);
}

/* A recipe longer than the header's field is cut, not overrun. */
static void a_long_command_is_cut(void **state)
{
    (void)state;
    bytes text = {0};
    bytes_put(&text, "==7== Command: ", 15);
    for (unsigned i = 0; i < 3 * VX_TRACE_RECIPE; i++) bytes_put(&text, "x", 1);
    bytes_put(&text, "\n==7== Command: again\nI  1000,1\n", 32);
    vx_input *input = NULL;
    vx_source *source = NULL;
    vx_msg msg;
    assert_int_equal(vx_input_open_memory(&input, "in", text.data, text.count, &msg), VX_OK);
    assert_int_equal(vx_import_lackey(&source, input, &msg), VX_OK);
    assert_int_equal(strlen(source->header.recipe), VX_TRACE_RECIPE - 1);
    vx_source_close(source);
    bytes_free(&text);
}

static void names_line_and_fault(void **state)
{
    (void)state;
    static const struct {
        const char *input, *expected;
    } cases[] = {
        {"hello\n", "error 2: in:1: not a lackey line: \"hello\"\n"},
        {"I 1000,3\n", "error 2: in:1: not a lackey line: \"I 1000,3\"\n"},
        {"\n\n X 1000,3\n", "error 2: in:3: not a lackey line: \" X 1000,3\"\n"},
        {" L ,8\n", "error 2: in:1: expected \"address,size\": \" L ,8\"\n"},
        {" L 1000\n", "error 2: in:1: expected \"address,size\": \" L 1000\"\n"},
        {" L 12345678901234567,8\n",
         "error 2: in:1: the address has more than 16 digits: \" L 12345678901234567,8\"\n"},
        {" L 800000000000,8\n", "error 2: in:1: the address is not canonical: \" L 800000000000,8\"\n"},
        {" L 1000,0\n", "error 2: in:1: the size is not 1 to 4096: \" L 1000,0\"\n"},
        {" L 1000,4097\n", "error 2: in:1: the size is not 1 to 4096: \" L 1000,4097\"\n"},
        {" L 1000,8x\n", "error 2: in:1: something follows the size: \" L 1000,8x\"\n"},
        {" L 1000,8", "error 2: in:1: the last line has no end: the file is cut: \" L 1000,8\"\n"},
        {"\x01\xFF zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\n",
         "error 2: in:1: not a lackey line: \"?? zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\"\n"},
        {"==1== nothing else\n", "error 2: in: no reference in 1 lines (recorded without --trace-mem=yes?)\n"},
        {"", "error 2: in: the file is empty\n"},
        {"VXT1....\n", "error 2: in:1: not a lackey line: \"VXT1....\"; it is a .vxt trace: no import is needed\n"},
        {"VXT0....\n", "error 2: in:1: not a lackey line: \"VXT0....\"; it looks like vxt0: use --from vxt0\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_imports_text(vx_import_lackey, cases[i].input, cases[i].expected);
}

static void refuses_endless_lines(void **state)
{
    (void)state;
    size_t count = 2 * VX_INPUT_WINDOW_BYTES;
    char *text = malloc(count);
    assert_non_null(text);
    memset(text, '=', count);
    assert_imports(
        vx_import_lackey, text, count,
        "error 2: in:1: the line is longer than 262144 bytes: \"========================================\"\n");
    free(text);
}

/* Lines lie across the window's end wherever it falls. */
static void lines_cross_windows(void **state)
{
    (void)state;
    bytes input = {0}, expected = {0};
    for (unsigned i = 0; input.count < 3 * VX_INPUT_WINDOW_BYTES; i++) {
        char line[64];
        int length = snprintf(line, sizeof line, " L %x,%u\n", i * 8, 1 + i % 16);
        bytes_put(&input, line, (size_t)length);
        length = snprintf(line, sizeof line, "load %x %x\n", i * 8, 1 + i % 16);
        bytes_put(&expected, line, (size_t)length);
    }
    bytes_put(&expected, "", 1);
    assert_imports(vx_import_lackey, input.data, input.count, (char *)expected.data);
    bytes_free(&input);
    bytes_free(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_each_kind),
        cmocka_unit_test(merges_back_to_back_instructions),
        cmocka_unit_test(a_block_ends_with_its_page),
        cmocka_unit_test(merging_does_not_depend_on_batches),
        cmocka_unit_test(splits_long_references),
        cmocka_unit_test(clips_long_instructions),
        cmocka_unit_test(passes_over_what_is_not_the_traces),
        cmocka_unit_test(recipe_comes_from_the_preamble),
        cmocka_unit_test(a_long_command_is_cut),
        cmocka_unit_test(names_line_and_fault),
        cmocka_unit_test(refuses_endless_lines),
        cmocka_unit_test(lines_cross_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
