#include "import_support.h"

#include <string.h>

typedef struct instruction {
    uint64_t ip;
    uint8_t branch, taken;
    uint64_t stores[4], loads[4];
    uint16_t asid;
} instruction;

static void put_instruction(bytes *to, const instruction *in, bool cloudsuite)
{
    unsigned stores = cloudsuite ? 4 : 2;
    bytes_le(to, in->ip, 8);
    bytes_le(to, in->branch, 1);
    bytes_le(to, in->taken, 1);
    bytes_le(to, 0, stores);            /* written registers */
    bytes_le(to, 0, 4);                 /* read registers */
    if (cloudsuite) bytes_le(to, 0, 6); /* padding */
    for (unsigned i = 0; i < stores; i++) bytes_le(to, in->stores[i], 8);
    for (unsigned i = 0; i < 4; i++) bytes_le(to, in->loads[i], 8);
    if (cloudsuite) bytes_le(to, in->asid, 8); /* with padding */
}

static bytes file_of(const instruction *in, size_t count, bool cloudsuite)
{
    bytes file = {0};
    for (size_t i = 0; i < count; i++) put_instruction(&file, &in[i], cloudsuite);
    return file;
}

static void maps_instructions(void **state)
{
    (void)state;
    const instruction in[] = {
        {.ip = 0x401000, .loads = {0x7000, 0, 0x7008}, .stores = {0x9000}}, /* 5 bytes: the next tells */
        {.ip = 0x401005},                                                   /* 2 bytes */
        {.ip = 0x401007, .branch = 1, .taken = 1},                          /* taken: 4 assumed */
        {.ip = 0x40100A},                                                   /* 16 bytes on: 4 assumed */
        {.ip = 0x40101A},                                                   /* the last: 4 assumed */
    };
    bytes file = file_of(in, 5, false);
    assert_int_equal(file.count, 5 * 64);
    assert_imports(vx_import_champsim, file.data, file.count,
                   "fetch 401000 1 5\nload 7000 8\nload 7008 8\nstore 9000 8\n"
                   "fetch 401005 2 6\nfetch 40100a 1 4\nfetch 40101a 1 4\n");
    bytes_free(&file);
}

/* A repeated instruction (a REP string) is fetched each time. */
static void repeated_instructions_are_fetched_each_time(void **state)
{
    (void)state;
    const instruction in[] = {{.ip = 0x1000, .loads = {0x2000}}, {.ip = 0x1000, .loads = {0x2008}}};
    bytes file = file_of(in, 2, false);
    assert_imports(vx_import_champsim, file.data, file.count,
                   "fetch 1000 1 4\nload 2000 8\nfetch 1000 1 4\nload 2008 8\n");
    bytes_free(&file);
}

static void cloudsuite_has_more_stores_and_processes(void **state)
{
    (void)state;
    const instruction in[] = {
        {.ip = 0x1000, .stores = {0x10, 0x20, 0x30, 0x40}, .loads = {0x50}, .asid = 3},
        {.ip = 0x1002, .asid = 3},
        {.ip = 0x1006, .asid = 0x102},
    };
    bytes file = file_of(in, 3, true);
    assert_int_equal(file.count, 3 * 96);
    assert_imports(vx_import_cloudsuite, file.data, file.count,
                   "process 3 0\nfetch 1000 1 2\nload 50 8\nstore 10 8\nstore 20 8\nstore 30 8\nstore 40 8\n"
                   "fetch 1002 1 4\nprocess 102 0\nfetch 1006 1 4\n");
    bytes_free(&file);
}

static void a_page_crossing_instruction_ends_its_block(void **state)
{
    (void)state;
    const instruction in[] = {{.ip = 0x1FFC}, {.ip = 0x1FFE}, {.ip = 0x2003}, {.ip = 0x2004}};
    bytes file = file_of(in, 4, false);
    assert_imports(vx_import_champsim, file.data, file.count, "fetch 1ffc 2 7\nfetch 2003 2 5\n");
    bytes_free(&file);
}

static void names_offset_and_fault(void **state)
{
    (void)state;
    static const char not_champsim[] =
        "error 2: in: byte 64: not a ChampSim record: is_branch or branch_taken is neither 0 nor 1\n";
    static const struct {
        instruction second;
        const char *expected;
    } cases[] = {
        {{.branch = 2}, not_champsim},
        {{.taken = 0xFF}, not_champsim},
        {{.ip = 1ULL << 47}, "error 2: in: byte 64: the instruction pointer is not canonical\n"},
        {{.stores = {0, 1ULL << 63}}, "error 2: in: byte 64: a store is not canonical\n"},
        {{.loads = {0, 0, 0, 0xFFFF7FFFFFFFFFFF}}, "error 2: in: byte 64: a load is not canonical\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const instruction in[] = {{.ip = 0x1000}, cases[i].second};
        bytes file = file_of(in, 2, false);
        assert_imports(vx_import_champsim, file.data, file.count, cases[i].expected);
        bytes_free(&file);
    }
}

static void refuses_cut_and_mislabelled_files(void **state)
{
    (void)state;
    const instruction in[] = {{.ip = 0x1000}, {.ip = 0x1004}};
    bytes file = file_of(in, 2, false);
    assert_imports(vx_import_champsim, file.data, 127, "error 2: in: byte 64: the last record is cut\n");
    bytes_free(&file);
    assert_imports_text(vx_import_champsim, "", "error 2: in: the file is empty\n");
    static const char lackey[] = "I  04001090,3\nI  04001093,3\nI  04001096,3\nI  04001099,3\nI  0400109c,3\n";
    assert_imports_text(vx_import_champsim, lackey,
                        "error 2: in: byte 0: not a ChampSim record: is_branch or branch_taken is neither 0 nor 1; "
                        "it looks like lackey text: use --from lackey\n");
}

/* More records than a window and a batch hold: the held instruction survives both. */
static void long_files_stream(void **state)
{
    (void)state;
    enum { COUNT = 3 * VX_INPUT_WINDOW_BYTES / 64 };
    bytes file = {0}, expected = {0};
    for (unsigned i = 0; i < COUNT; i++) {
        const instruction in = {.ip = 0x1000 + 16 * (i % 2), .loads = {0x100000 + 8 * i}};
        put_instruction(&file, &in, false);
        char line[64];
        int length = snprintf(line, sizeof line, "fetch %x 1 4\nload %x 8\n", 0x1000 + 16 * (i % 2), 0x100000 + 8 * i);
        bytes_put(&expected, line, (size_t)length);
    }
    bytes_put(&expected, "", 1);
    assert_imports(vx_import_champsim, file.data, file.count, (char *)expected.data);
    bytes_free(&file);
    bytes_free(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_instructions),
        cmocka_unit_test(repeated_instructions_are_fetched_each_time),
        cmocka_unit_test(cloudsuite_has_more_stores_and_processes),
        cmocka_unit_test(a_page_crossing_instruction_ends_its_block),
        cmocka_unit_test(names_offset_and_fault),
        cmocka_unit_test(refuses_cut_and_mislabelled_files),
        cmocka_unit_test(long_files_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
