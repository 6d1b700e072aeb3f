/* Copying sources to files, and opening what --trace names. */
#include <string.h>

#include "test_support.h"
#include "trace_samples.h"

static vx_source *open_what(const char *what, const vx_trace_options *options)
{
    vx_source *source;
    vx_msg msg = {""};
    if (vx_source_open(&source, what, options, 1, &msg)) fail_msg("%s", msg.text);
    return source;
}

static vx_trace_totals read_totals(vx_source *source)
{
    vx_trace_totals totals = {0};
    vx_msg msg = {""};
    vx_batch batch;
    do {
        if (vx_source_next(source, &batch, &msg)) fail_msg("%s", msg.text);
        vx_trace_totals_add(&totals, batch.records, batch.count, batch.payload);
    } while (batch.count);
    vx_source_close(source);
    return totals;
}

static void a_copy_is_the_source(void **state)
{
    (void)state;
    const char *path = vx_sample_path("copy.vxt");
    vx_trace_totals copied, expected = read_totals(open_what("gen:mix:refs=50k,slice=1k", NULL));
    vx_source *source = open_what("gen:mix:refs=50k,slice=1k", NULL);
    assert_int_equal(vx_trace_copy(source, path, 0, 0, NULL, &copied, NULL), VX_OK);
    vx_source *file = open_what(path, NULL);
    assert_string_equal(file->header.recipe, source->header.recipe);
    vx_source_close(file);
    vx_source_close(source);
    assert_memory_equal(&copied, &expected, sizeof expected);
    expected = read_totals(open_what(path, NULL));
    assert_memory_equal(&copied, &expected, sizeof expected);
}

/* A turn of this generator is a fetch of 4 instructions and a load. */
static void a_window_is_exact(void **state)
{
    (void)state;
    const char *path = vx_sample_path("window.vxt");
    static const struct {
        uint64_t skip, max, instructions, loads;
    } windows[] = {{0, 0, 400, 100}, {0, 40, 40, 10}, {40, 0, 360, 90}, {40, 40, 40, 10},
                   {1, 8, 8, 2},     {0, 3, 0, 0},    {400, 0, 0, 0},   {0, 1000, 400, 100},
                   {39, 4, 4, 1},    {41, 7, 4, 1},   {396, 100, 4, 1}, {1000, 1000, 0, 0}};
    for (unsigned i = 0; i < sizeof windows / sizeof *windows; i++) {
        vx_trace_totals copied;
        vx_trace_info info;
        vx_source *source = open_what("gen:sequential:refs=100", NULL);
        assert_int_equal(vx_trace_copy(source, path, windows[i].skip, windows[i].max, NULL, &copied, NULL), VX_OK);
        vx_source_close(source);
        assert_int_equal(copied.instructions, windows[i].instructions);
        assert_int_equal(copied.loads, windows[i].loads);
        assert_int_equal(vx_trace_info_read(path, NULL, &info, NULL), VX_OK);
        assert_int_equal(info.header.references, windows[i].instructions + windows[i].loads);
    }
}

static void a_generator_skips_like_a_file(void **state)
{
    (void)state;
    const char *path = vx_sample_path("skip.vxt");
    vx_source *source = open_what("gen:random:refs=30k", NULL);
    assert_int_equal(vx_trace_copy(source, path, 0, 0, NULL, NULL, NULL), VX_OK);
    vx_source_close(source);
    for (uint64_t skip = 1; skip < 200000; skip = skip * 5 + 3) {
        vx_trace_options options = {.skip_instructions = skip};
        vx_trace_totals of_file = read_totals(open_what(path, &options));
        vx_trace_totals of_generator = read_totals(open_what("gen:random:refs=30k", &options));
        assert_memory_equal(&of_file, &of_generator, sizeof of_file);
    }
}

static void all_streams_are_repacked(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "repack");
    vx_sample made[2] = {vx_sample_program(&random, 300), vx_sample_random(&random, 300)};
    char from[512], to[512];
    snprintf(from, sizeof from, "%s", vx_sample_path("from.vxt"));
    snprintf(to, sizeof to, "%s", vx_sample_path("to.vxt"));
    vx_sample_write(from, made, 2, 50);
    vx_trace_write_options options = {.zstd_level = 19};
    assert_int_equal(vx_trace_repack(from, NULL, to, 0, 0, &options, NULL), VX_OK);
    for (uint32_t i = 0; i < 2; i++) {
        vx_trace_options stream = {.stream = i};
        vx_source *source = open_what(to, &stream);
        assert_int_equal(vx_sample_compare(&made[i], 0, source), made[i].count);
        vx_source_close(source);
        vx_sample_free(&made[i]);
    }
    vx_msg msg;
    assert_int_equal(vx_trace_repack(from, NULL, to, 1, 0, NULL, &msg), VX_ERR_INPUT);
    assert_non_null(strstr(msg.text, "the start of a system trace of 2 streams cannot be cut off"));
}

static bool stop_at_once(void *context, const vx_trace_totals *written)
{
    *(uint64_t *)context = written->records;
    return false;
}

static void progress_can_stop_a_copy(void **state)
{
    (void)state;
    uint64_t told = 0;
    vx_trace_write_options options = {.progress = stop_at_once, .progress_context = &told};
    vx_source *source = open_what("gen:sequential", NULL);
    const char *path = vx_sample_path("stopped.vxt");
    assert_int_equal(vx_trace_copy(source, path, 0, 0, &options, NULL, NULL), VX_ERR_INTERRUPTED);
    vx_source_close(source);
    assert_true(told > 0);
    assert_int_equal(vx_trace_open(&source, path, NULL, NULL), VX_ERR_IO); /* nothing left behind */
}

/* The golden messages of generators. */
static void mistakes_are_named(void **state)
{
    (void)state;
    static const char *const golden[][2] = {
        {"gen:zipv", "no generator \"zipv\"; did you mean \"zipf\"?"},
        {"gen:", "no generator \"\"; see vexit list generators"},
        {"gen:abcdefgh", "no generator \"abcdefgh\"; see vexit list generators"},
        {"gen:chase:pagess=3", "gen:chase: no parameter \"pagess\"; did you mean \"pages\"?"},
        {"gen:chase:pages", "gen:chase: \"pages\" is not name=value"},
        {"gen:chase:pages=", "gen:chase: \"pages=\" is not name=value"},
        {"gen:chase:pages=0", "gen:chase: pages=0: not in 1 to 16777216"},
        {"gen:chase:pages=-1", "gen:chase: pages=-1: not a number"},
        {"gen:random:refs=3x", "gen:random: refs=3x: not a number"},
        {"gen:random:bytes=99999999999999999999", "gen:random: bytes=99999999999999999999: not a number"},
        {"gen:random:bytes=18446744073709551615g", "gen:random: bytes=18446744073709551615g: not a number"},
        {"gen:random:stores=1.5", "gen:random: stores=1.5: not in 0 to 1"},
        {"gen:random:stores=nan", "gen:random: stores=nan: not a number"},
        {"gen:zipf:theta=", "gen:zipf: \"theta=\" is not name=value"},
        {"gen:mix:,", "gen:mix: \"\" is not name=value"},
    };
    for (unsigned i = 0; i < sizeof golden / sizeof *golden; i++) {
        vx_source *source = NULL;
        vx_msg msg;
        assert_int_equal(vx_source_open(&source, golden[i][0], NULL, 1, &msg), VX_ERR_INPUT);
        assert_string_equal(msg.text, golden[i][1]);
        assert_null(source);
    }
    vx_trace_options options = {.stream = 1};
    vx_source *source = NULL;
    vx_msg msg;
    assert_int_equal(vx_source_open(&source, "gen:chase", &options, 1, &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text, "gen:chase: no stream 1: a generator has one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_the_source),          cmocka_unit_test(a_window_is_exact),
        cmocka_unit_test(a_generator_skips_like_a_file), cmocka_unit_test(all_streams_are_repacked),
        cmocka_unit_test(progress_can_stop_a_copy),      cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, vx_sample_folder_remove);
}
