/* The recorder's pipe as a source: whole, cut anywhere, and hostile. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "test_support.h"
#include "vx_trace.h"

enum { STATE_WORDS = 13, BYTES_MAX = 65536, CR0_PG_PE = (int)0x80000001 };

typedef struct frame {
    uint32_t magic, records, words, flags;
} frame;

/* What goes into the pipe. */
static uint8_t bytes[BYTES_MAX];
static size_t size;

static void add(const void *from, size_t count)
{
    assert_true(size + count <= sizeof bytes);
    memcpy(bytes + size, from, count);
    size += count;
}

static void add_frame(const vx_record *records, uint32_t count, const uint64_t *words, uint32_t word_count,
                      uint32_t flags)
{
    const frame header = {0x31525856, count, word_count, flags};
    add(&header, sizeof header);
    if (count) add(records, count * sizeof *records);
    if (word_count) add(words, word_count * sizeof *words);
}

static const uint64_t state_words[STATE_WORDS] = {(uint32_t)CR0_PG_PE, 0, 0x1000, 0xA0, 0xD00};
static const vx_record state_record = {.count = STATE_WORDS, .kind = VX_REC_STATE};

/* A state, then five instructions and a load in a frame of their own. */
static void add_recording(void)
{
    const vx_record more[] = {{.addr = 0x400000, .arg = 15, .count = 5, .kind = VX_REC_FETCH},
                              {.addr = 0x600000, .count = 1, .size = 8, .kind = VX_REC_LOAD}};
    size = 0;
    add_frame(&state_record, 1, state_words, STATE_WORDS, 0);
    add_frame(more, 2, NULL, 0, 0);
}

/* Opens what is in `bytes` (a pipe holds it all) and reads it to its end. */
static vx_status read_all(vx_trace_totals *totals, bool *complete, vx_trace_header *header, vx_msg *msg)
{
    int ends[2];
    vx_source *source;
    vx_batch batch = {0};
    const vx_trace_header given = {.tier = VX_TIER_FULL, .kind = VX_TRACE_SYSTEM};
    *totals = (vx_trace_totals){0};
    assert_int_equal(pipe(ends), 0);
    fcntl(ends[1], F_SETPIPE_SZ, BYTES_MAX);
    assert_int_equal(write(ends[1], bytes, size), size);
    close(ends[1]);
    vx_status status = vx_trace_pipe_open(&source, ends[0], &given, msg);
    if (!status) {
        *header = source->header;
        do {
            status = vx_source_next(source, &batch, msg);
            if (!status) vx_trace_totals_add(totals, batch.records, batch.count, batch.payload);
        } while (!status && batch.count);
        *complete = vx_trace_pipe_complete(source);
        vx_source_close(source);
    }
    close(ends[0]);
    return status;
}

static void whole_recording(void **state)
{
    (void)state;
    vx_trace_totals totals;
    vx_trace_header header;
    vx_msg msg;
    bool complete;
    add_recording();
    add_frame(NULL, 0, NULL, 0, 1);
    assert_int_equal(read_all(&totals, &complete, &header, &msg), VX_OK);
    assert_true(complete);
    assert_int_equal(totals.records, 3);
    assert_int_equal(totals.instructions, 5);
    assert_int_equal(header.paging, VX_PAGING_4LEVEL);
    assert_int_equal(header.features, 1 | 16); /* PGE, NX */
}

/* Wherever the pipe breaks, whole frames come and no others. */
static void cut_recording(void **state)
{
    (void)state;
    add_recording();
    size_t all = size, first = sizeof(frame) + sizeof(vx_record) + STATE_WORDS * 8;
    for (size_t cut = 0; cut <= all; cut++) {
        vx_trace_totals totals;
        vx_trace_header header;
        vx_msg msg;
        bool complete = true;
        size = cut;
        vx_status status = read_all(&totals, &complete, &header, &msg);
        assert_int_equal(status, cut < first ? VX_ERR_INPUT : VX_OK);
        if (!status) assert_false(complete);
        assert_int_equal(totals.records, cut < first ? 0 : cut < all ? 1 : 3);
    }
}

static void expect_refusal(const char *text)
{
    vx_trace_totals totals;
    vx_trace_header header;
    vx_msg msg;
    bool complete;
    assert_int_equal(read_all(&totals, &complete, &header, &msg), VX_ERR_INPUT);
    assert_non_null(strstr(msg.text, text));
}

static void hostile_frames(void **state)
{
    (void)state;
    const frame huge = {0x31525856, UINT32_MAX, UINT32_MAX, 0}, other = {0x12345678, 0, 0, 0};
    const vx_record unknown = {.kind = 200}, far = {.kind = VX_REC_SKIPPED, .count = 4, .arg = 1000000},
                    load = {.addr = 1, .count = 1, .size = 8, .kind = VX_REC_LOAD};
    add_recording();
    add(&huge, sizeof huge);
    expect_refusal("no frame");
    add_recording();
    add(&other, sizeof other);
    expect_refusal("no frame");
    add_recording();
    add_frame(&unknown, 1, NULL, 0, 0);
    expect_refusal("invalid record");
    add_recording();
    add_frame(&far, 1, state_words, 4, 0);
    expect_refusal("invalid record");
    size = 0;
    add_frame(&load, 1, NULL, 0, 0);
    expect_refusal("not the guest's state");
    size = 0;
    add_frame(NULL, 0, NULL, 0, 1);
    expect_refusal("nothing was recorded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole_recording), cmocka_unit_test(cut_recording),
                                       cmocka_unit_test(hostile_frames)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
