#include "import_support.h"

#include <string.h>
#include <unistd.h>

static const char lackey[] = "I  1000,3\n L 5000,8\nI  1003,2\n S 6000,4\n";
static const char records[] = "fetch 1000 1 3\nload 5000 8\nfetch 1003 1 2\nstore 6000 4\n";
static const char *const names[PACKINGS] = {"gz", "zst", "xz", "lz4", "zip"};

static void every_packing_reads_alike(void **state)
{
    (void)state;
    for (packing how = 0; how < PACKINGS; how++) {
        bytes packed = {0};
        pack(how, lackey, sizeof lackey - 1, &packed);
        assert_imports(vx_import_lackey, packed.data, packed.count, records);
        bytes_free(&packed);
    }
}

/* gzip, zstd, xz and lz4 files may be put end to end. */
static void packed_files_join(void **state)
{
    (void)state;
    for (packing how = 0; how < PACK_ZIP; how++) {
        bytes packed = {0};
        pack(how, lackey, 20, &packed);
        pack(how, lackey + 20, sizeof lackey - 1 - 20, &packed);
        assert_imports(vx_import_lackey, packed.data, packed.count, records);
        bytes_free(&packed);
    }
}

/* Pseudo-random text, so that what is packed is longer than the stream's buffers. */
static bytes long_text(bytes *expected)
{
    bytes text = {0};
    uint64_t random = 1;
    for (unsigned i = 0; i < 60000; i++) {
        char line[64];
        random = random * 6364136223846793005u + 1442695040888963407u;
        unsigned address = (unsigned)(random >> 33);
        int length = snprintf(line, sizeof line, " L %x,8\n", address);
        bytes_put(&text, line, (size_t)length);
        length = snprintf(line, sizeof line, "load %x 8\n", address);
        bytes_put(expected, line, (size_t)length);
    }
    bytes_put(expected, "", 1);
    return text;
}

static void long_files_stream(void **state)
{
    (void)state;
    bytes expected = {0};
    bytes text = long_text(&expected);
    for (packing how = 0; how < PACKINGS; how++) {
        bytes packed = {0};
        pack(how, text.data, text.count, &packed);
        assert_true(packed.count > 4 * 65536);
        assert_imports(vx_import_lackey, packed.data, packed.count, (char *)expected.data);
        bytes_free(&packed);
    }
    bytes_free(&text);
    bytes_free(&expected);
}

/* Cut anywhere, damaged anywhere: an error that names the file, never a shorter trace taken for whole. */
static void cuts_are_noticed(void **state)
{
    (void)state;
    for (packing how = 0; how < PACKINGS; how++) {
        bytes packed = {0};
        pack(how, lackey, sizeof lackey - 1, &packed);
        for (size_t count = 0; count < packed.count; count++) {
            char *text = import_text(vx_import_lackey, packed.data, count);
            assert_non_null(strstr(text, "error 2: in"));
            free(text);
        }
        bytes_free(&packed);
    }
}

static void damage_is_noticed(void **state)
{
    (void)state;
    for (packing how = 0; how < PACKINGS; how++) {
        bytes packed = {0};
        pack(how, lackey, sizeof lackey - 1, &packed);
        for (size_t at = 0; at < packed.count; at++) {
            packed.data[at] ^= 0x55;
            /* Where no checksum covers the byte (a time stamp, a flag without meaning) the text is the right one. */
            char *text = import_text(vx_import_lackey, packed.data, packed.count);
            bool cut_short = strncmp(text, records, strlen(text)) == 0 && strcmp(text, records) != 0;
            assert_false(cut_short && strstr(text, "error") == NULL);
            free(text);
            packed.data[at] ^= 0x55;
        }
        bytes_free(&packed);
    }
}

static void errors_name_offset_and_packing(void **state)
{
    (void)state;
    static const char *const cut[PACK_ZIP] = {
        "error 2: in: byte 20 of the gz file: the data ends early: the file is cut\n",
        "error 2: in: byte 20 of the zst file: the data ends early: the file is cut\n",
        "error 2: in: byte 20 of the xz file: the data ends early: the file is cut\n",
        "error 2: in: byte 20 of the lz4 file: the data ends early: the file is cut\n",
    };
    for (packing how = 0; how < PACK_ZIP; how++) {
        bytes packed = {0};
        pack(how, lackey, sizeof lackey - 1, &packed);
        assert_imports(vx_import_lackey, packed.data, 20, cut[how]);
        bytes_free(&packed);
    }
    bytes packed = {0};
    pack(PACK_ZIP, lackey, sizeof lackey - 1, &packed);
    assert_imports(vx_import_lackey, packed.data, 40, "error 2: in: zip archive: Not a zip archive\n");
    bytes_free(&packed);
}

static void garbage_behind_the_data_is_refused(void **state)
{
    (void)state;
    for (packing how = 0; how < PACK_ZIP; how++) {
        bytes packed = {0};
        pack(how, lackey, sizeof lackey - 1, &packed);
        bytes_put(&packed, "garbage and more garbage", 24);
        char *text = import_text(vx_import_lackey, packed.data, packed.count);
        assert_non_null(strstr(text, "error 2: in: byte "));
        assert_non_null(strstr(text, names[how]));
        free(text);
        bytes_free(&packed);
    }
}

static void packed_nothing_is_nothing(void **state)
{
    (void)state;
    for (packing how = 0; how < PACKINGS; how++) {
        bytes packed = {0};
        pack(how, "", 0, &packed);
        char expected[64];
        snprintf(expected, sizeof expected, "error 2: in: the %s file holds no data\n", names[how]);
        assert_imports(vx_import_lackey, packed.data, packed.count, expected);
        bytes_free(&packed);
    }
}

/* 64 MiB of one byte: the window stays what it is, and the line is refused. */
static void bombs_do_not_expand(void **state)
{
    (void)state;
    size_t count = 64u << 20;
    char *zeros = calloc(1, count);
    assert_non_null(zeros);
    bytes packed = {0};
    packed.capacity = count;
    pack(PACK_GZ, zeros, count, &packed);
    free(zeros);
    assert_true(packed.count < count / 500);
    char *text = import_text(vx_import_lackey, packed.data, packed.count);
    assert_non_null(strstr(text, "error 2: in:1: the line is longer than 262144 bytes"));
    free(text);
    bytes_free(&packed);
}

static char *write_file(const void *data, size_t count)
{
    static char path[32];
    strcpy(path, "/tmp/vexit-input-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, count), (ssize_t)count);
    close(fd);
    return path;
}

static vx_status open_by_name(const char *name, vx_source **source, const char *path, vx_msg *msg)
{
    const vx_importer *importer = vx_importers;
    while (strcmp(importer->name, name) != 0) importer++;
    return importer->open(source, path, msg);
}

static void files_open_by_path_and_rewind(void **state)
{
    (void)state;
    static const char vxt0[] = "VXT0\0\0\0\0\x03\x27\x05\x00"; /* CLI after 5 instructions; read twice */
    for (int how = -1; how < PACKINGS; how++) {
        bytes packed = {0};
        if (how < 0)
            bytes_put(&packed, vxt0, sizeof vxt0 - 1);
        else
            pack((packing)how, vxt0, sizeof vxt0 - 1, &packed);
        char *path = write_file(packed.data, packed.count);
        vx_source *source = NULL;
        vx_msg msg = {""};
        vx_status status = open_by_name("vxt0", &source, path, &msg);
        assert_string_equal(msg.text, "");
        assert_int_equal(status, VX_OK);
        vx_batch batch;
        assert_int_equal(vx_source_next(source, &batch, &msg), VX_OK);
        assert_int_equal(batch.count, 2);
        assert_int_equal(batch.records[1].kind, VX_REC_CLI);
        assert_int_equal(vx_source_next(source, &batch, &msg), VX_OK);
        assert_int_equal(batch.count, 0);
        vx_source_close(source);
        unlink(path);
        bytes_free(&packed);
    }
}

static void a_pipe_cannot_rewind(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "VXT0\0\0\0\0", 8), 8);
    close(ends[1]);
    char path[64];
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    vx_source *source = NULL;
    vx_msg msg = {""};
    assert_int_equal(open_by_name("vxt0", &source, path, &msg), VX_ERR_IO);
    assert_non_null(strstr(msg.text, "cannot read twice (a pipe?)"));
    assert_null(source);
    close(ends[0]);
}

static void missing_files_and_folders_are_io_errors(void **state)
{
    (void)state;
    vx_source *source = NULL;
    vx_msg msg = {""};
    assert_int_equal(open_by_name("lackey", &source, "/nonexistent/trace", &msg), VX_ERR_IO);
    assert_string_equal(msg.text, "/nonexistent/trace: cannot open: No such file or directory");
    assert_int_equal(open_by_name("lackey", &source, "/", &msg), VX_ERR_IO);
    assert_string_equal(msg.text, "/: cannot read: Is a directory");
    assert_null(source);
}

static void every_importer_has_a_name_and_a_line(void **state)
{
    (void)state;
    static const char *const expected[] = {"lackey",     "champsim", "champsim-cloudsuite",
                                           "drmemtrace", "vxt0",     "qemu-vtd"};
    size_t count = 0;
    for (; vx_importers[count].name; count++) {
        assert_true(count < sizeof expected / sizeof expected[0]);
        assert_string_equal(vx_importers[count].name, expected[count]);
        assert_non_null(vx_importers[count].doc);
        vx_source *source = NULL;
        vx_msg msg = {""};
        assert_int_equal(vx_importers[count].open(&source, "/dev/null", &msg), VX_ERR_INPUT);
        assert_string_equal(msg.text, "/dev/null: the file is empty");
    }
    assert_int_equal(count, sizeof expected / sizeof expected[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_packing_reads_alike),
        cmocka_unit_test(packed_files_join),
        cmocka_unit_test(long_files_stream),
        cmocka_unit_test(cuts_are_noticed),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(errors_name_offset_and_packing),
        cmocka_unit_test(garbage_behind_the_data_is_refused),
        cmocka_unit_test(packed_nothing_is_nothing),
        cmocka_unit_test(bombs_do_not_expand),
        cmocka_unit_test(files_open_by_path_and_rewind),
        cmocka_unit_test(a_pipe_cannot_rewind),
        cmocka_unit_test(missing_files_and_folders_are_io_errors),
        cmocka_unit_test(every_importer_has_a_name_and_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
