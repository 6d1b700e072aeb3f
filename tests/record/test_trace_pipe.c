/* The recorder's pipe as a source: whole, cut anywhere, and hostile. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test_support.h"
#include "vx_trace.h"

enum { STATE_WORDS = 13, BYTES_MAX = 65536, CR0_PG_PE = (int)0x80000001 };

typedef struct frame {
    uint32_t magic, flags, steps, records, words, slot;
} frame;

/* Steps (traces/record/record_stream.h). */
#define STEP(tag, operand) ((uint64_t)(operand) << 16 | (tag))
enum {
    MAGIC = 0x32525856,
    BLOCK = 0x4000,
    RAN = 0x8000,
    CUT = 0x8001,
    EVENT = 0x8002,
    WIDE = 0x8003,
    DEFINE = 0x8004,
    SMALL_EVENT = 0x8006
};
enum { LOAD8 = 3 << 1, END = 1 };

/* What goes into the pipe. */
static uint8_t bytes[BYTES_MAX];
static size_t size;

static void add(const void *from, size_t count)
{
    assert_true(size + count <= sizeof bytes);
    memcpy(bytes + size, from, count);
    size += count;
}

/* An event and its words. */
static void add_event(const vx_record *record, const uint64_t *words, uint32_t word_count)
{
    const frame header = {MAGIC, 0, 1, 1, word_count, 0};
    const uint64_t step = EVENT;
    add(&header, sizeof header);
    add(&step, sizeof step);
    add(record, sizeof *record);
    if (word_count) add(words, word_count * sizeof *words);
}

static void add_steps(const uint64_t *steps, uint32_t count, uint32_t flags)
{
    const frame header = {MAGIC, flags, count, 0, 0, 0};
    add(&header, sizeof header);
    if (count) add(steps, count * sizeof *steps);
}

static const uint64_t state_words[STATE_WORDS] = {(uint32_t)CR0_PG_PE, 0, 0x1000, 0xA0, 0xD00};
static const vx_record state_record = {.count = STATE_WORDS, .kind = VX_REC_STATE};

/* A state, then five instructions of 3 bytes, the last of which loads, in a frame of their own. */
static const uint64_t block_steps[] = {STEP(DEFINE, 5), 0x400000, 0x33333, STEP(BLOCK, 0),
                                       STEP(4 << 4 | LOAD8, 0x600000)};
enum { BLOCK_STEPS = sizeof block_steps / sizeof *block_steps };

static void add_recording(void)
{
    size = 0;
    add_event(&state_record, state_words, STATE_WORDS);
    add_steps(block_steps, BLOCK_STEPS, 0);
}

/* Shared memory of two slots, and the socket through which they come back. */
enum { SLOTS = 2, SLOT_STEPS = 8 };
static uint64_t slots[SLOTS][SLOT_STEPS];
static int credit[2];

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
    vx_status status =
        vx_trace_pipe_open(&source, &(vx_trace_pipe){ends[0], slots, sizeof slots[0], SLOTS, credit[0]}, &given, msg);
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
    add_steps(NULL, 0, END);
    assert_int_equal(read_all(&totals, &complete, &header, &msg), VX_OK);
    assert_true(complete);
    assert_int_equal(totals.records, 3);
    assert_int_equal(totals.instructions, 5);
    assert_int_equal(header.paging, VX_PAGING_4LEVEL);
    assert_int_equal(header.features, 1 | 16); /* PGE, NX */
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

static void add_slot_frame(uint32_t slot, uint32_t steps, uint32_t flags)
{
    const frame header = {MAGIC, flags, steps, 0, 0, slot + 1};
    add(&header, sizeof header);
}

/* The same, its steps in shared memory, which comes back for further ones. */
static void recording_in_slots(void **state)
{
    (void)state;
    vx_trace_totals totals;
    vx_trace_header header;
    vx_msg msg;
    bool complete;
    uint8_t back[SLOTS];
    size = 0;
    memcpy(slots[1], block_steps, sizeof block_steps);
    slots[0][0] = STEP(BLOCK, 0);
    slots[0][1] = STEP(RAN, 5);
    add_event(&state_record, state_words, STATE_WORDS);
    add_slot_frame(1, BLOCK_STEPS, 0);
    add_slot_frame(0, 2, END);
    assert_int_equal(read_all(&totals, &complete, &header, &msg), VX_OK);
    assert_true(complete);
    assert_int_equal(totals.loads, 1);
    assert_int_equal(totals.instructions, 10);
    assert_int_equal(read(credit[1], back, sizeof back), 2);
    assert_int_equal(back[0], 1);
    assert_int_equal(back[1], 0);
    size = 0;
    add_event(&state_record, state_words, STATE_WORDS);
    add_slot_frame(SLOTS, 1, 0);
    expect_refusal("no frame");
    size = 0;
    add_event(&state_record, state_words, STATE_WORDS);
    add_slot_frame(0, SLOT_STEPS + 1, 0);
    expect_refusal("no frame");
}

/* Wherever the pipe breaks, whole frames come and no others. */
static void cut_recording(void **state)
{
    (void)state;
    add_recording();
    size_t all = size, first = sizeof(frame) + 8 + sizeof(vx_record) + STATE_WORDS * 8;
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

/* A recording and then these steps are refused, in these words. */
static void refuse_steps(const uint64_t *steps, uint32_t count, const char *text)
{
    add_recording();
    add_steps(steps, count, 0);
    expect_refusal(text);
}
#define REFUSE(text, ...) refuse_steps((const uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}) / 8, text)

static void hostile_frames(void **state)
{
    (void)state;
    const frame huge = {MAGIC, 0, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0}, other = {0x12345678, 0, 0, 0, 0, 0},
                unnamed = {MAGIC, 0, 1, 1, 0, 0};
    const vx_record unknown = {.kind = 200}, far = {.kind = VX_REC_SKIPPED, .count = 4, .arg = 1000000},
                    load = {.addr = 1, .count = 1, .size = 8, .kind = VX_REC_LOAD}, hlt = {.kind = VX_REC_HLT};
    const uint64_t ran = STEP(RAN, 5);
    add_recording();
    add(&huge, sizeof huge);
    expect_refusal("no frame");
    add_recording();
    add(&other, sizeof other);
    expect_refusal("no frame");
    add_recording();
    add_event(&unknown, NULL, 0);
    expect_refusal("invalid record");
    add_recording();
    add_event(&far, state_words, 4);
    expect_refusal("invalid record");
    add_recording();
    add_event(&load, NULL, 0); /* steps make references */
    expect_refusal("invalid record");
    add_recording();
    add(&unnamed, sizeof unnamed);
    add(&ran, sizeof ran);
    add(&hlt, sizeof hlt);
    expect_refusal("records that no step names");
    size = 0;
    add_event(&hlt, NULL, 0);
    expect_refusal("not the guest's state");
    size = 0;
    add_steps(NULL, 0, END);
    expect_refusal("nothing was recorded");
    size = 0;
    add_steps(block_steps, BLOCK_STEPS, 0);
    expect_refusal("not the guest's state");
}

static void hostile_steps(void **state)
{
    (void)state;
    REFUSE("no step", 0xC000);
    REFUSE("no step", 0x8007);
    REFUSE("without its payload", STEP(SMALL_EVENT, VX_REC_WRMSR));
    REFUSE("without its payload", STEP(SMALL_EVENT, VX_REC_LOAD | 8 << 8));
    REFUSE("without its payload", STEP(SMALL_EVENT, 0xFF));
    REFUSE("an event without a record", EVENT);
    REFUSE("not told of", STEP(BLOCK, 1));
    REFUSE("not told of", STEP(BLOCK, 0xFFFFFFFFFFFF));
    REFUSE("its block does not have", STEP(BLOCK, 0), STEP(5 << 4 | LOAD8, 0x1000));
    REFUSE("its block does not have", STEP(BLOCK, 0), STEP(RAN, 6));
    REFUSE("its block does not have", STEP(BLOCK, 0), STEP(CUT, 6));
    REFUSE("none can make", STEP(BLOCK, 0), STEP(7 << 1, 0x1000)); /* 128 bytes */
    REFUSE("no, or too many, instructions", STEP(DEFINE, 0), 0x1000);
    REFUSE("cut off", STEP(DEFINE, 17), 0x1000, 0x1111111111111111);
    REFUSE("cut off", STEP(DEFINE, 0xFFFFFFFFFFFF), 0x1000);
    REFUSE("without bytes", STEP(DEFINE, 2), 0x1000, 0x1);
    REFUSE("half an address", STEP(WIDE, 1));
    REFUSE("half an address", STEP(WIDE, 1), STEP(BLOCK, 0));
    REFUSE("half an address", STEP(WIDE, 1), STEP(5 << 4, 0));
    const uint64_t outside = STEP(LOAD8, 0x1000);
    size = 0;
    add_event(&state_record, state_words, STATE_WORDS);
    add_steps(&outside, 1, 0);
    expect_refusal("outside of blocks");
}

int main(void)
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, credit) != 0) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole_recording), cmocka_unit_test(recording_in_slots),
                                       cmocka_unit_test(cut_recording), cmocka_unit_test(hostile_frames),
                                       cmocka_unit_test(hostile_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
