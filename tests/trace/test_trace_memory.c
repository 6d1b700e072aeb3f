/* Every allocation of writing, reading and generating fails in turn: VX_ERR_NOMEM, nothing left behind. */
#include <string.h>
#include <unistd.h>

#include "failing_malloc.h"
#include "test_support.h"
#include "trace_samples.h"

static vx_status write_file(const char *path, const vx_sample *made)
{
    vx_trace_write_options options = {.zstd_level = 1, .chunk_records = 64};
    vx_batch batch = {made->records, made->count, made->payload, made->words};
    vx_trace_writer *writer;
    vx_status status = vx_trace_writer_open(&writer, path, &vx_sample_header, &options, NULL);
    if (status) return status;
    status = vx_trace_writer_put(writer, 0, &batch, NULL);
    if (status) {
        vx_trace_writer_abandon(writer);
        return status;
    }
    return vx_trace_writer_finish(writer, NULL);
}

static vx_status read_file(const char *path)
{
    vx_source *source;
    vx_batch batch = {0};
    vx_status status = vx_source_open(&source, path, &(vx_trace_options){.skip_instructions = 3}, 1, NULL);
    if (status) return status;
    do status = vx_source_next(source, &batch, NULL);
    while (!status && batch.count);
    vx_source_close(source);
    return status;
}

static void writing_fails_cleanly(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "memory");
    vx_sample made = vx_sample_program(&random, 300);
    char path[512];
    snprintf(path, sizeof path, "%s", vx_sample_path("written.vxt"));
    for (uint64_t n = 1;; n++) {
        vx_fail_allocation(n);
        vx_status status = write_file(path, &made);
        bool failed = vx_fail_allocation_end();
        assert_int_equal(vx_sample_temporaries(path), 0);
        if (!failed) {
            assert_int_equal(status, VX_OK);
            assert_true(n > 10);
            break;
        }
        assert_int_equal(status, VX_ERR_NOMEM);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    vx_sample_free(&made);
}

static void check_reading(const char *what)
{
    for (uint64_t n = 1;; n++) {
        vx_fail_allocation(n);
        vx_status status = read_file(what);
        if (!vx_fail_allocation_end()) {
            assert_int_equal(status, VX_OK);
            assert_true(n > 1);
            break;
        }
        assert_int_equal(status, VX_ERR_NOMEM);
    }
}

static void reading_fails_cleanly(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "memory");
    vx_sample made = vx_sample_random(&random, 300);
    char path[512];
    snprintf(path, sizeof path, "%s", vx_sample_path("read.vxt"));
    vx_sample_write(path, &made, 1, 64);
    check_reading(path);
    check_reading("gen:random:refs=10");
    check_reading("gen:sequential:refs=10");
    check_reading("gen:zipf:refs=10");
    check_reading("gen:chase:refs=10");
    check_reading("gen:mix:refs=10");
    vx_sample_free(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writing_fails_cleanly),
        cmocka_unit_test(reading_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, vx_sample_folder_remove);
}
