/* The filter and the pipe where memory runs out: an error, nothing leaked (the leak checker sees to that). */
#include <unistd.h>

#include "failing_malloc.h"
#include "test_support.h"
#include "trace_filter.h"

enum { STATE_WORDS = 13 };

static const vx_trace_header header = {.tier = VX_TIER_FULL, .kind = VX_TRACE_SYSTEM};

/* A frame with the guest's state and one with a fetch, in a pipe whose other end is closed. */
static int make_pipe(void)
{
    const struct {
        uint32_t magic, records, words, flags;
    } first = {0x31525856, 1, STATE_WORDS, 0}, second = {0x31525856, 1, 0, 1};
    const vx_record state = {.count = STATE_WORDS, .kind = VX_REC_STATE},
                    fetch = {.addr = 0x1000, .arg = 4, .count = 1, .kind = VX_REC_FETCH};
    const uint64_t words[STATE_WORDS] = {0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], &first, sizeof first), sizeof first);
    assert_int_equal(write(ends[1], &state, sizeof state), sizeof state);
    assert_int_equal(write(ends[1], words, sizeof words), sizeof words);
    assert_int_equal(write(ends[1], &second, sizeof second), sizeof second);
    assert_int_equal(write(ends[1], &fetch, sizeof fetch), sizeof fetch);
    close(ends[1]);
    return ends[0];
}

static vx_status read_filtered(int fd, vx_msg *msg)
{
    vx_source *pipe_source, *source;
    vx_batch batch = {0};
    vx_status status = vx_trace_pipe_open(&pipe_source, fd, &header, msg);
    if (status) return status;
    status = vx_source_filter(&source, pipe_source, VX_TIER_FILTERED, 4, msg);
    if (status) return status;
    do status = vx_source_next(source, &batch, msg);
    while (!status && batch.count);
    vx_source_close(source);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    uint64_t n = 1;
    for (;; n++) {
        vx_msg msg = {""};
        int fd = make_pipe();
        vx_fail_allocation(n);
        vx_status status = read_filtered(fd, &msg);
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
