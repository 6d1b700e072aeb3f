/* The filter and the pipe where memory runs out: an error, nothing leaked (the leak checker sees to that). */
#include <unistd.h>

#include "failing_malloc.h"
#include "test_support.h"
#include "trace_filter.h"

enum { STATE_WORDS = 13 };

static const vx_trace_header header = {.tier = VX_TIER_FULL, .kind = VX_TRACE_SYSTEM};

/* A frame with the guest's state and one with a block of one instruction that has run, in a pipe whose other end is
 * closed. */
static int make_pipe(void)
{
    const struct {
        uint32_t magic, flags, steps, records, words, slot;
    } first = {0x32525856, 0, 1, 1, STATE_WORDS, 0}, second = {0x32525856, 1, 6, 0, 0, 0};
    const vx_record state = {.count = STATE_WORDS, .kind = VX_REC_STATE};
    const uint64_t words[STATE_WORDS] = {0}, event = 0x8002,
                   steps[6] = {1 << 16 | 0x8004, 0x1000, 4, 0x4000, 0x2000 << 16 | 3 << 1, 1 << 16 | 0x8000};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], &first, sizeof first), sizeof first);
    assert_int_equal(write(ends[1], &event, sizeof event), sizeof event);
    assert_int_equal(write(ends[1], &state, sizeof state), sizeof state);
    assert_int_equal(write(ends[1], words, sizeof words), sizeof words);
    assert_int_equal(write(ends[1], &second, sizeof second), sizeof second);
    assert_int_equal(write(ends[1], steps, sizeof steps), sizeof steps);
    close(ends[1]);
    return ends[0];
}

static vx_status read_filtered(int fd, vx_msg *msg)
{
    vx_source *pipe_source, *source;
    vx_batch batch = {0};
    vx_status status = vx_trace_pipe_open(&pipe_source, &(vx_trace_pipe){.fd = fd}, &header, msg);
    if (status) return status;
    status = vx_source_filter(&source, pipe_source, VX_TIER_FILTERED, 4, msg);
    if (status) return status;
    do status = vx_source_next(source, &batch, msg);
    while (!status && batch.count);
    vx_source_close(source);
    return status;
}

/* As runs, into a file. */
static vx_status copy_runs(int fd, vx_msg *msg)
{
    vx_source *source;
    vx_status status = vx_trace_pipe_open(&source, &(vx_trace_pipe){.fd = fd}, &header, msg);
    if (status) return status;
    status = vx_trace_copy(source, "/tmp/test_record_memory.vxt", 0, 0, NULL, NULL, msg);
    vx_source_close(source);
    if (!status) unlink("/tmp/test_record_memory.vxt");
    return status;
}

static void every_allocation_may_fail(vx_status (*what)(int fd, vx_msg *msg))
{
    uint64_t n = 1;
    for (;; n++) {
        vx_msg msg = {""};
        int fd = make_pipe();
        vx_fail_allocation(n);
        vx_status status = what(fd, &msg);
        bool failed = vx_fail_allocation_end();
        close(fd);
        if (!failed) {
            assert_int_equal(status, VX_OK);
            break;
        }
        assert_int_equal(status, VX_ERR_NOMEM);
        assert_true(msg.text[0] != '\0');
    }
    assert_true(n > 5);
}

static void filtering_fails_cleanly(void **state)
{
    (void)state;
    every_allocation_may_fail(read_filtered);
}

static void writing_fails_cleanly(void **state)
{
    (void)state;
    every_allocation_may_fail(copy_runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(filtering_fails_cleanly),
                                       cmocka_unit_test(writing_fails_cleanly)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
