/* Writing and reading .vxt files. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test_support.h"
#include "trace_samples.h"

static vx_source *open_stream(const char *path, const vx_trace_options *options)
{
    vx_source *source;
    vx_msg msg = {""};
    if (vx_trace_open(&source, path, options, &msg)) fail_msg("%s", msg.text);
    return source;
}

static vx_trace_totals totals_of(const vx_sample *sample, size_t from)
{
    vx_trace_totals totals = {0};
    vx_trace_totals_add(&totals, &sample->records[from], sample->count - from, sample->payload);
    return totals;
}

static void files_survive_at_every_chunk_size(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "container");
    const uint32_t sizes[] = {1, 2, 3, 63, 64, 65, 127, 1000, 0};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        vx_sample made = i % 2 ? vx_sample_random(&random, 500) : vx_sample_program(&random, 500);
        const char *path = vx_sample_path("a.vxt");
        vx_sample_write(path, &made, 1, sizes[i]);
        vx_source *source = open_stream(path, NULL);
        assert_int_equal(vx_sample_compare(&made, 0, source), made.count);
        vx_source_close(source);
        vx_trace_info info;
        assert_int_equal(vx_trace_info_read(path, NULL, &info, NULL), VX_OK);
        if (sizes[i]) assert_int_equal(info.chunks, (made.count + sizes[i] - 1) / sizes[i]);
        vx_sample_free(&made);
    }
}

static void the_header_comes_back(void **state)
{
    (void)state;
    vx_sample empty = {0};
    const char *path = vx_sample_path("header.vxt");
    vx_sample_write(path, &empty, 1, 0);
    vx_source *source = open_stream(path, NULL);
    assert_memory_equal(&source->header, &vx_sample_header, sizeof vx_sample_header);
    assert_int_equal(vx_sample_compare(&empty, 0, source), 0);
    vx_source_close(source);
}

static void info_has_totals_without_decoding(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "info");
    vx_sample made[3] = {vx_sample_random(&random, 300), vx_sample_program(&random, 2000),
                         vx_sample_random(&random, 20)};
    const char *path = vx_sample_path("info.vxt");
    vx_sample_write(path, made, 3, 100);
    uint64_t references = 0;
    vx_trace_info info;
    for (uint32_t i = 0; i < 3; i++) {
        vx_trace_options options = {.stream = i};
        vx_trace_totals expected = totals_of(&made[i], 0);
        assert_int_equal(vx_trace_info_read(path, &options, &info, NULL), VX_OK);
        assert_memory_equal(&info.totals, &expected, sizeof expected);
        references += expected.fetches + expected.loads + expected.stores;
        vx_source *source = open_stream(path, &options);
        assert_int_equal(vx_sample_compare(&made[i], 0, source), made[i].count);
        vx_source_close(source);
        vx_sample_free(&made[i]);
    }
    assert_int_equal(info.streams, 3);
    assert_true(info.complete);
    assert_int_equal(info.header.references, references); /* not known before, summed up at the end */
}

static void the_hash_tells_contents_apart(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "hash");
    vx_sample made = vx_sample_program(&random, 100);
    vx_trace_info info[3];
    for (unsigned i = 0; i < 3; i++) {
        const char *path = vx_sample_path("hash.vxt");
        if (i == 2) made.records[50].addr ^= 1;
        vx_sample_write(path, &made, 1, 0);
        assert_int_equal(vx_trace_info_read(path, NULL, &info[i], NULL), VX_OK);
    }
    assert_int_equal(info[0].hash, info[1].hash);
    assert_int_not_equal(info[0].hash, info[2].hash);
    vx_sample_free(&made);
}

/* The first record that stands behind `skip` instructions. */
static size_t first_after(const vx_sample *sample, uint64_t skip)
{
    uint64_t position = 0;
    for (size_t i = 0; i < sample->count; i++) {
        const vx_record *record = &sample->records[i];
        if (record->kind == VX_REC_FETCH) position += record->count;
        if (record->kind == VX_REC_SKIPPED) position += sample->payload[record->arg];
        if (position > skip) return i;
    }
    return sample->count;
}

static void skipping_finds_the_instruction(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "skip");
    vx_sample made = vx_sample_program(&random, 400);
    uint64_t total = totals_of(&made, 0).instructions;
    const char *path = vx_sample_path("skip.vxt");
    for (uint32_t chunk = 1; chunk < 1000; chunk *= 7) {
        vx_sample_write(path, &made, 1, chunk);
        for (uint64_t skip = 1; skip < total + 3; skip += 1 + skip / 50) {
            vx_trace_options options = {.skip_instructions = skip};
            size_t first = first_after(&made, skip);
            vx_source *source = open_stream(path, &options);
            assert_int_equal(vx_sample_compare(&made, first, source), made.count - first);
            vx_source_close(source);
        }
    }
    vx_sample_free(&made);
}

static void a_file_appears_only_when_it_is_whole(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "atomic");
    vx_sample made = vx_sample_program(&random, 100);
    vx_batch batch = {made.records, made.count, made.payload, made.words};
    char path[512];
    snprintf(path, sizeof path, "%s", vx_sample_path("atomic.vxt"));
    vx_trace_writer *writer;
    assert_int_equal(vx_trace_writer_open(&writer, path, &vx_sample_header, NULL, NULL), VX_OK);
    assert_int_equal(vx_trace_writer_put(writer, 0, &batch, NULL), VX_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(vx_sample_temporaries(path), 1);
    vx_trace_writer_abandon(writer);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(vx_sample_temporaries(path), 0);
    vx_sample_write(path, &made, 1, 0);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(vx_sample_temporaries(path), 0);
    vx_trace_writer_abandon(NULL);
    vx_sample_free(&made);
}

/* What has the name already: a link stays one, and a pipe is not made a file of. */
static void only_a_file_is_replaced(void **state)
{
    (void)state;
    char path[512], link[512], pipe[512];
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "replaced");
    vx_sample made = vx_sample_program(&random, 100);
    snprintf(path, sizeof path, "%s", vx_sample_path("target.vxt"));
    snprintf(link, sizeof link, "%s", vx_sample_path("link.vxt"));
    snprintf(pipe, sizeof pipe, "%s", vx_sample_path("pipe.vxt"));
    vx_sample_write(path, &made, 1, 0);
    assert_int_equal(symlink("target.vxt", link), 0);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    vx_sample_write(link, &made, 1, 0);
    struct stat found;
    assert_int_equal(lstat(link, &found), 0);
    assert_true(S_ISLNK(found.st_mode));
    vx_trace_writer *writer = NULL;
    vx_msg msg;
    assert_int_equal(vx_trace_writer_open(&writer, pipe, &vx_sample_header, NULL, &msg), VX_ERR_IO);
    assert_non_null(strstr(msg.text, "pipe.vxt: not a regular file"));
    assert_int_equal(stat(pipe, &found), 0);
    assert_true(S_ISFIFO(found.st_mode));
    assert_int_equal(vx_sample_temporaries(pipe), 0);
    unlink(link);
    unlink(pipe);
    vx_sample_free(&made);
}

static void an_invalid_record_spoils_the_file(void **state)
{
    (void)state;
    const vx_record bad[] = {{.kind = 15},
                             {.kind = VX_REC_KINDS},
                             {.kind = VX_REC_LOAD, .size = 65, .count = 1},
                             {.kind = VX_REC_FETCH},
                             {.kind = VX_REC_PT_STORE, .size = 8, .count = 2, .arg = 1}};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t words[2] = {0};
        vx_batch batch = {&bad[i], 1, words, 2};
        vx_trace_writer *writer;
        vx_msg msg = {""};
        const char *path = vx_sample_path("bad.vxt");
        assert_int_equal(vx_trace_writer_open(&writer, path, &vx_sample_header, NULL, NULL), VX_OK);
        assert_int_equal(vx_trace_writer_put(writer, 0, &batch, &msg), VX_ERR_INPUT);
        assert_non_null(strstr(msg.text, "stream 0, record 0: invalid record"));
        assert_int_equal(vx_trace_writer_finish(writer, &msg), VX_ERR_INPUT);
        assert_int_not_equal(access(path, F_OK), 0);
    }
}

static void bad_headers_and_options_are_refused(void **state)
{
    (void)state;
    vx_trace_writer *writer = NULL;
    vx_msg msg;
    const char *path = vx_sample_path("refused.vxt");
    vx_trace_header header = vx_sample_header;
    header.tier = 'X';
    assert_int_equal(vx_trace_writer_open(&writer, path, &header, NULL, &msg), VX_ERR_INPUT);
    header = vx_sample_header;
    header.filter_sets = 4; /* in tier F */
    assert_int_equal(vx_trace_writer_open(&writer, path, &header, NULL, &msg), VX_ERR_INPUT);
    header = vx_sample_header;
    header.ram_ranges = VX_TRACE_RAM_RANGES + 1;
    assert_int_equal(vx_trace_writer_open(&writer, path, &header, NULL, &msg), VX_ERR_INPUT);
    vx_trace_write_options options = {.zstd_level = 23};
    assert_int_equal(vx_trace_writer_open(&writer, path, &vx_sample_header, &options, &msg), VX_ERR_INPUT);
    assert_int_equal(vx_trace_writer_open(&writer, "no/such/folder/x", &vx_sample_header, NULL, &msg), VX_ERR_IO);
    assert_string_equal(msg.text, "cannot write no/such/folder/x: No such file or directory");
    assert_null(writer);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void streams_are_bounded_and_named(void **state)
{
    (void)state;
    vx_record load = {.addr = 1, .count = 1, .size = 1, .kind = VX_REC_LOAD};
    vx_batch batch = {.records = &load, .count = 1};
    vx_trace_writer *writer;
    vx_source *source = NULL;
    vx_msg msg;
    const char *path = vx_sample_path("streams.vxt");
    assert_int_equal(vx_trace_writer_open(&writer, path, &vx_sample_header, NULL, NULL), VX_OK);
    assert_int_equal(vx_trace_writer_put(writer, 5, &batch, NULL), VX_OK);
    assert_int_equal(vx_trace_writer_finish(writer, NULL), VX_OK);
    vx_trace_options options = {.stream = 6};
    assert_int_equal(vx_trace_open(&source, path, &options, &msg), VX_ERR_INPUT);
    assert_non_null(strstr(msg.text, "no stream 6: it has 6"));
    options.stream = 3; /* between 0 and the last: empty */
    source = open_stream(path, &options);
    assert_int_equal(vx_sample_compare(&(vx_sample){0}, 0, source), 0);
    vx_source_close(source);
    assert_int_equal(vx_trace_writer_open(&writer, path, &vx_sample_header, NULL, NULL), VX_OK);
    assert_int_equal(vx_trace_writer_put(writer, 256, &batch, &msg), VX_ERR_INPUT);
    vx_trace_writer_abandon(writer);
}

/* A stream has no index at its end; opening one must not wait for its writer either. */
static void a_fifo_is_refused(void **state)
{
    (void)state;
    const char *path = vx_sample_path("fifo");
    vx_source *source;
    vx_msg msg = {""};
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(vx_trace_open(&source, path, NULL, &msg), VX_ERR_IO);
    assert_non_null(strstr(msg.text, "not a regular file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fifo_is_refused),
        cmocka_unit_test(files_survive_at_every_chunk_size),
        cmocka_unit_test(the_header_comes_back),
        cmocka_unit_test(info_has_totals_without_decoding),
        cmocka_unit_test(the_hash_tells_contents_apart),
        cmocka_unit_test(skipping_finds_the_instruction),
        cmocka_unit_test(a_file_appears_only_when_it_is_whole),
        cmocka_unit_test(only_a_file_is_replaced),
        cmocka_unit_test(an_invalid_record_spoils_the_file),
        cmocka_unit_test(bad_headers_and_options_are_refused),
        cmocka_unit_test(streams_are_bounded_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, vx_sample_folder_remove);
}
