#include "import_support.h"

#include <string.h>

typedef struct entry {
    uint16_t type, size;
    uint64_t addr;
} entry;

enum { READ = 0, WRITE = 1, INSTR = 10, BUNDLE = 17, THREAD = 22, PID = 24, HEADER = 25, FOOTER = 26, MARKER = 28 };

#define ENTRIES(...) ((const entry[]){__VA_ARGS__}), sizeof((const entry[]){__VA_ARGS__}) / sizeof(entry)

static bytes file_of(const entry *entries, size_t count)
{
    bytes file = {0};
    for (size_t i = 0; i < count; i++) {
        bytes_le(&file, entries[i].type, 2);
        bytes_le(&file, entries[i].size, 2);
        bytes_le(&file, entries[i].addr, 8);
    }
    return file;
}

static void check(const char *expected, const entry *entries, size_t count)
{
    bytes file = file_of(entries, count);
    assert_imports(vx_import_drmemtrace, file.data, file.count, expected);
    bytes_free(&file);
}

static void maps_entries(void **state)
{
    (void)state;
    check("process 4d 0\nfetch 401000 1 3\nload 7000 8\nfetch 401003 2 7\nstore 8000 4\n",
          ENTRIES({HEADER, 0, 7}, {MARKER, 9, 0xE40}, {THREAD, 4, 0x4E}, {PID, 4, 0x4D}, {47, 3, 0xFFFFFF},
                  {INSTR, 3, 0x401000}, {READ, 8, 0x7000}, {INSTR, 2, 0x401003}, {48, 5, 0x401005}, {WRITE, 4, 0x8000},
                  {FOOTER, 0, 0}));
}

static void every_kind_of_instruction_is_fetched(void **state)
{
    (void)state;
    static const uint16_t kinds[] = {10, 11, 12, 13, 14, 15, 16, 31, 48, 49};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        check("fetch 1000 1 2\n", ENTRIES({HEADER, 0, 4}, {kinds[i], 2, 0x1000}, {FOOTER, 0, 0}));
}

/* Prefetches, flushes, instruction bytes, hardware prefetches, no-fetch, the end of a thread. */
static void other_entries_leave_no_record(void **state)
{
    (void)state;
    for (uint16_t type = 2; type < 50; type++) {
        bool skipped = (type >= 2 && type <= 9) || (type >= 18 && type <= 21) || type == 23 || type == 27 ||
                       type == 29 || (type >= 32 && type <= 47);
        if (skipped) check("", ENTRIES({HEADER, 0, 7}, {type, 4, 0x1000}, {FOOTER, 0, 0}));
    }
}

static void rounds_of_rep_fetch_once(void **state)
{
    (void)state;
    check("fetch 1000 1 2\nload 2000 8\nload 2008 8\nload 2010 8\n",
          ENTRIES({HEADER, 0, 4}, {30, 2, 0x1000}, {READ, 8, 0x2000}, {30, 2, 0x1000}, {READ, 8, 0x2008},
                  {29, 2, 0x1000}, {READ, 8, 0x2010}, {FOOTER, 0, 0}));
}

static void bundles_follow_their_instruction(void **state)
{
    (void)state;
    check("fetch 1000 4 d\n", ENTRIES({HEADER, 0, 2}, {INSTR, 4, 0x1000}, {BUNDLE, 3, 0x060201}, {FOOTER, 0, 0}));
    check("error 2: in: byte 12: a bundle of instructions follows no instruction\n",
          ENTRIES({HEADER, 0, 2}, {BUNDLE, 3, 0x060201}, {FOOTER, 0, 0}));
    check("error 2: in: byte 24: a bundle of more than 8 instructions\n",
          ENTRIES({HEADER, 0, 2}, {INSTR, 4, 0x1000}, {BUNDLE, 9, 0}, {FOOTER, 0, 0}));
}

/* A thread's process is named once; coming back to the thread comes back to the process. */
static void processes_follow_threads(void **state)
{
    (void)state;
    check("process 1 0\nload 10 8\nprocess 2 0\nload 20 8\nprocess 1 0\nload 30 8\nload 40 8\n",
          ENTRIES({HEADER, 0, 1}, {THREAD, 4, 11}, {PID, 4, 1}, {READ, 8, 0x10}, {THREAD, 4, 22}, {PID, 4, 2},
                  {READ, 8, 0x20}, {THREAD, 4, 11}, {READ, 8, 0x30}, {THREAD, 4, 12}, {PID, 4, 1}, {READ, 8, 0x40},
                  {FOOTER, 0, 0}));
}

static void kernel_code_stands_at_level_0(void **state)
{
    (void)state;
    check("fetch 1000 1 2\ncpl 0 0\nfetch ffffffff81000000 1 2\ncpl 0 3\nfetch 1002 1 2\n",
          ENTRIES({HEADER, 0, 7}, {INSTR, 2, 0x1000}, {MARKER, 27, 1}, {INSTR, 2, 0xFFFFFFFF81000000}, {MARKER, 28, 1},
                  {INSTR, 2, 0x1002}, {FOOTER, 0, 0}));
}

static void sizes_at_their_ends(void **state)
{
    (void)state;
    check("load 1000 1\nstore 2000 40\nstore 2040 1\n",
          ENTRIES({HEADER, 0, 7}, {READ, 0, 0x1000}, {WRITE, 65, 0x2000}, {FOOTER, 0, 0}));
}

static void filtered_traces_say_so(void **state)
{
    (void)state;
    bytes file = file_of(ENTRIES({HEADER, 0, 7}, {MARKER, 9, 0x40 | 0x100}, {FOOTER, 0, 0}));
    vx_input *input = NULL;
    vx_source *source = NULL;
    vx_msg msg;
    assert_int_equal(vx_input_open_memory(&input, "in", file.data, file.count, &msg), VX_OK);
    assert_int_equal(vx_import_drmemtrace(&source, input, &msg), VX_OK);
    assert_int_equal(source->header.tier, VX_TIER_FILTERED);
    assert_int_equal(source->header.filter_sets, 0);
    assert_string_equal(source->header.recipe, "imported from DynamoRIO drmemtrace version 7; filtered while "
                                               "recording, by cache lines: approximate");
    vx_source_close(source);
    bytes_free(&file);
}

static void names_offset_and_fault(void **state)
{
    (void)state;
    check("error 2: in: byte 0: not a drmemtrace file: it does not begin with a header entry\n",
          ENTRIES({INSTR, 2, 0x1000}, {FOOTER, 0, 0}));
    check("error 2: in: byte 4: drmemtrace version 8; versions 1 to 7 are known\n", ENTRIES({HEADER, 0, 8}));
    check("error 2: in: byte 12: the trace was not recorded on x86\n", ENTRIES({HEADER, 0, 7}, {MARKER, 9, 0x08}));
    check("error 2: in: byte 12: unknown entry type\n", ENTRIES({HEADER, 0, 7}, {50, 0, 0}, {FOOTER, 0, 0}));
    check("error 2: in: byte 12: an instruction of more than 15 bytes\n",
          ENTRIES({HEADER, 0, 7}, {INSTR, 16, 0x1000}, {FOOTER, 0, 0}));
    check("error 2: in: byte 12: the instruction's address is not canonical\n",
          ENTRIES({HEADER, 0, 7}, {INSTR, 1, 0x800000000000}, {FOOTER, 0, 0}));
    check("error 2: in: byte 12: the reference's address is not canonical\n",
          ENTRIES({HEADER, 0, 7}, {READ, 1, 0x800000000000}, {FOOTER, 0, 0}));
    check("error 2: in: byte 24: the trace ends without a footer: the file is cut\n",
          ENTRIES({HEADER, 0, 7}, {READ, 1, 0x1000}));
    check("error 2: in: byte 36: the trace ends without a footer: the file is cut\n",
          ENTRIES({HEADER, 0, 7}, {FOOTER, 0, 0}, {HEADER, 0, 7}));
}

static void refuses_cut_and_mislabelled_files(void **state)
{
    (void)state;
    bytes file = file_of(ENTRIES({HEADER, 0, 7}, {READ, 1, 0x1000}));
    assert_imports(vx_import_drmemtrace, file.data, 20, "error 2: in: byte 12: the last entry is cut\n");
    assert_imports(
        vx_import_lackey, file.data, file.count,
        "error 2: in:1: the last line has no end: the file is cut: \"????????????????????????\"; it looks like "
        "drmemtrace: use --from drmemtrace\n");
    bytes_free(&file);
    assert_imports_text(vx_import_drmemtrace, " L 1000,8\n L 1008,8\n",
                        "error 2: in: byte 0: not a drmemtrace file: it does not begin with a header entry; it looks "
                        "like lackey text: use --from lackey\n");
    assert_imports_text(vx_import_drmemtrace, "x",
                        "error 2: in: byte 0: not a drmemtrace file: it does not begin with a header entry\n");
}

static void refuses_endless_threads(void **state)
{
    (void)state;
    const entry header = {HEADER, 0, 1};
    bytes file = file_of(&header, 1);
    for (uint32_t i = 0; i <= 4096; i++) {
        const entry pair[] = {{THREAD, 4, i}, {PID, 4, 1}};
        bytes two = file_of(pair, 2);
        bytes_put(&file, two.data, two.count);
        bytes_free(&two);
    }
    assert_imports(vx_import_drmemtrace, file.data, file.count, "error 2: in: byte 98328: more than 4096 threads\n");
    bytes_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_entries),
        cmocka_unit_test(every_kind_of_instruction_is_fetched),
        cmocka_unit_test(other_entries_leave_no_record),
        cmocka_unit_test(rounds_of_rep_fetch_once),
        cmocka_unit_test(bundles_follow_their_instruction),
        cmocka_unit_test(processes_follow_threads),
        cmocka_unit_test(kernel_code_stands_at_level_0),
        cmocka_unit_test(sizes_at_their_ends),
        cmocka_unit_test(filtered_traces_say_so),
        cmocka_unit_test(names_offset_and_fault),
        cmocka_unit_test(refuses_cut_and_mislabelled_files),
        cmocka_unit_test(refuses_endless_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
