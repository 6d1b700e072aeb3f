/* Cut and damaged .vxt files: every cut and every flipped bit is noticed, and what is whole can still be read. */
#include <inttypes.h>
#include <string.h>

#include "test_support.h"
#include "trace_samples.h"

enum { CHUNK_RECORDS = 40 };

typedef struct fixture {
    vx_sample made;
    uint8_t *bytes;
    size_t size;
    char path[512]; /* of the damaged file */
} fixture;

static int set_up(void **state)
{
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "damage");
    fixture *self = calloc(1, sizeof *self);
    self->made = vx_sample_program(&random, 200);
    const char *path = vx_sample_path("whole.vxt");
    vx_sample_write(path, &self->made, 1, CHUNK_RECORDS);
    self->bytes = vx_sample_load(path, &self->size);
    snprintf(self->path, sizeof self->path, "%s", vx_sample_path("damaged.vxt"));
    *state = self;
    return 0;
}

static int tear_down(void **state)
{
    fixture *self = *state;
    vx_sample_free(&self->made);
    free(self->bytes);
    free(self);
    return vx_sample_folder_remove(state);
}

/* Reads all of it: VX_OK, or the first error. *records: how many came before; each must be the one that was written. */
static vx_status read_all(const fixture *self, bool whole_chunks, size_t *records, vx_msg *msg)
{
    vx_trace_options options = {.whole_chunks = whole_chunks};
    vx_source *source;
    vx_batch batch = {0};
    *records = 0;
    vx_status status = vx_trace_open(&source, self->path, &options, msg);
    if (status) return status;
    do {
        status = vx_source_next(source, &batch, msg);
        for (size_t i = 0; !status && i < batch.count; i++, (*records)++)
            assert_true(vx_sample_equals(&self->made, *records, &batch.records[i], batch.payload));
    } while (!status && batch.count);
    vx_source_close(source);
    return status;
}

/* "path: byte N: ..." or "path: cut at byte N" with N inside the file. */
static void assert_names_offset(const fixture *self, const vx_msg *msg)
{
    const char *at = strstr(msg->text, "byte ");
    uint64_t offset;
    assert_int_equal(strncmp(msg->text, self->path, strlen(self->path)), 0);
    assert_non_null(at);
    assert_int_equal(sscanf(at, "byte %" SCNu64, &offset), 1);
    assert_in_range(offset, 0, self->size);
}

static void every_cut_is_noticed(void **state)
{
    fixture *self = *state;
    size_t last = 0;
    for (size_t size = 0; size < self->size; size++) {
        size_t records;
        vx_msg msg = {""};
        vx_sample_store(self->path, self->bytes, size);
        assert_int_equal(read_all(self, false, &records, &msg), VX_ERR_INPUT);
        assert_names_offset(self, &msg);
        if (read_all(self, true, &records, &msg) != VX_OK) {
            assert_int_equal(last, 0); /* only the header's loss is not to be got over */
            continue;
        }
        assert_true(records % CHUNK_RECORDS == 0 || records == self->made.count);
        assert_true(records >= last);
        last = records;
    }
    assert_int_equal(last, self->made.count); /* without its end mark all chunks are there */
}

static void a_flipped_bit_in_any_byte_is_noticed(void **state)
{
    fixture *self = *state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "bits");
    for (size_t byte = 0; byte < self->size; byte++) {
        size_t records;
        vx_msg msg = {""};
        uint8_t bit = (uint8_t)(1 << vx_random_below(&random, 8));
        self->bytes[byte] ^= bit;
        vx_sample_store(self->path, self->bytes, self->size);
        assert_int_equal(read_all(self, false, &records, &msg), VX_ERR_INPUT);
        assert_names_offset(self, &msg);
        if (read_all(self, true, &records, &msg) == VX_OK)
            assert_true(records % CHUNK_RECORDS == 0 || records == self->made.count);
        self->bytes[byte] ^= bit;
    }
}

static void an_incomplete_file_says_what_it_has(void **state)
{
    fixture *self = *state;
    vx_trace_options options = {.whole_chunks = true};
    vx_trace_info whole, cut;
    vx_sample_store(self->path, self->bytes, self->size);
    assert_int_equal(vx_trace_info_read(self->path, &options, &whole, NULL), VX_OK);
    vx_sample_store(self->path, self->bytes, self->size - 1);
    assert_int_equal(vx_trace_info_read(self->path, NULL, &cut, NULL), VX_ERR_INPUT);
    assert_int_equal(vx_trace_info_read(self->path, &options, &cut, NULL), VX_OK);
    assert_true(whole.complete);
    assert_false(cut.complete);
    assert_int_equal(cut.chunks, whole.chunks);
    assert_int_equal(cut.totals.records, whole.totals.records);
    assert_int_equal(cut.totals.instructions, whole.totals.instructions);
}

static void other_files_are_refused(void **state)
{
    fixture *self = *state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } files[] = {
        {"", 0, "byte 0: not a .vxt trace (no VXT1 at its start)"},
        {"VX", 2, "byte 0: not a .vxt trace (no VXT1 at its start)"},
        {"I  0400,3\n", 10, "byte 0: not a .vxt trace (no VXT1 at its start)"},
        {"VXT1", 4, "byte 4: cut within its header"},
    };
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
        size_t records;
        vx_msg msg;
        vx_sample_store(self->path, (const uint8_t *)files[i].bytes, files[i].size);
        assert_int_equal(read_all(self, true, &records, &msg), VX_ERR_INPUT);
        assert_string_equal(msg.text + strlen(self->path) + 2, files[i].message);
    }
    self->bytes[4] = 2;
    vx_sample_store(self->path, self->bytes, self->size);
    self->bytes[4] = 1;
    size_t records;
    vx_msg msg;
    assert_int_equal(read_all(self, false, &records, &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text + strlen(self->path) + 2, "byte 4: version of .vxt that this program does not know");
}

static void what_is_no_file_is_an_io_error(void **state)
{
    (void)state;
    vx_source *source = NULL;
    vx_msg msg;
    assert_int_equal(vx_trace_open(&source, "no/such/file", NULL, &msg), VX_ERR_IO);
    assert_string_equal(msg.text, "cannot open no/such/file: No such file or directory");
    assert_int_equal(vx_trace_open(&source, "/dev/null", NULL, &msg), VX_ERR_IO);
    assert_string_equal(msg.text, "cannot open /dev/null: not a regular file: a trace is read by the index at its end");
    assert_null(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(a_flipped_bit_in_any_byte_is_noticed),
        cmocka_unit_test(an_incomplete_file_says_what_it_has),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(what_is_no_file_is_an_io_error),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
