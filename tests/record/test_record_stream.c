/* What the recorder's plugin sends, and what comes of it at the other end of the pipe: random blocks of code that run
 * in random ways, told by the plugin's own functions, against records made of the same in the most obvious way. */
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record_stream.h"
#include "test_support.h"
#include "vx_random.h"
#include "vx_trace.h"

enum { BLOCKS = 60, INSTRUCTIONS = 12, STEPS = 60000, RECORDS = 1 << 20, STATE_WORDS = 13 };

typedef struct code {
    uint64_t address;
    uint32_t count, number;
    uint8_t bytes[INSTRUCTIONS];
} code;

static vxr_stream stream;
static code blocks[BLOCKS];
static vx_record expected[RECORDS], found[RECORDS];
static size_t expected_count, found_count;

/* Fetches back to back become one: how a source splits them is its own choice. */
static void add(vx_record *records, size_t *count, const vx_record *record)
{
    assert_true(*count < RECORDS);
    vx_record *last = *count ? &records[*count - 1] : NULL;
    if (record->kind == VX_REC_FETCH && last && last->kind == VX_REC_FETCH && last->addr + last->arg == record->addr &&
        last->count < 60000) {
        last->arg += record->arg;
        last->count = (uint16_t)(last->count + record->count);
        return;
    }
    records[*count] = *record;
    if (record->kind != VX_REC_FETCH) records[*count].arg = 0; /* an event's words are elsewhere */
    (*count)++;
}

static void expect(vx_record record) { add(expected, &expected_count, &record); }

static void expect_fetches(const code *block, uint32_t *next, uint32_t end)
{
    for (; *next < end; (*next)++) {
        uint64_t address = block->address;
        for (uint32_t i = 0; i < *next; i++) address += block->bytes[i];
        expect((vx_record){.addr = address, .arg = block->bytes[*next], .count = 1, .kind = VX_REC_FETCH});
    }
}

static uint64_t random_address(vx_random *random)
{
    uint64_t address = vx_random_u64(random) >> vx_random_below(random, 40);
    return vx_random_below(random, 50) ? (uint64_t)((int64_t)(address << 16) >> 16) : address;
}

static void make_block(vx_random *random, code *block)
{
    /* A page's end now and then, and addresses whose 48 bits are not all there is. */
    block->address = random_address(random) | (vx_random_below(random, 3) ? 0 : 0xFE0);
    block->count = 1 + (uint32_t)vx_random_below(random, INSTRUCTIONS);
    for (uint32_t i = 0; i < block->count; i++) block->bytes[i] = (uint8_t)(1 + vx_random_below(random, 15));
    block->number = vxr_stream_define(&stream, block->address, block->bytes, block->count);
}

/* `usual`: of the kind that the instruction makes mostly. */
static void put_reference(vx_random *random, const code *block, uint32_t *next, uint32_t index, bool usual)
{
    unsigned shift = usual ? index % 4 : (unsigned)vx_random_below(random, 7);
    bool store = usual ? block->number & 1 : vx_random_below(random, 2);
    uint64_t address = random_address(random);
    vxr_stream_reference(&stream, address, index << STEP_INSTRUCTION | shift << 1 | store);
    expect_fetches(block, next, index + 1);
    expect((vx_record){
        .addr = address, .count = 1, .size = (uint8_t)(1U << shift), .kind = store ? VX_REC_STORE : VX_REC_LOAD});
}

static void put_event(vx_random *random, const code *block, uint32_t *next, uint32_t ran)
{
    const uint64_t word = vx_random_u64(random);
    stream.ran = ran;
    vxr_stream_event(&stream, REC_WRMSR, ran, 0, &word, 1);
    expect_fetches(block, next, ran);
    expect((vx_record){.addr = ran, .count = 1, .kind = VX_REC_WRMSR});
}

/* Some are too large for a step. */
static void put_small_event(vx_random *random, const code *block, uint32_t *next, uint32_t ran)
{
    bool vectored = vx_random_below(random, 2);
    vx_record event = {.kind = vectored ? VX_REC_INTERRUPT : VX_REC_INVLPG};
    if (vectored)
        event.size = (uint8_t)vx_random_below(random, 256);
    else
        event.addr = vx_random_u64(random) >> vx_random_below(random, 64);
    stream.ran = ran;
    vxr_stream_small_event(&stream, event.kind, event.addr, event.size);
    expect_fetches(block, next, ran);
    expect(event);
}

/* An exception: instructions behind the one that it hit have not run, whatever refers to memory in their name. */
static void cut_off(vx_random *random, const code *block, uint32_t *next, uint32_t ran)
{
    uint64_t strays = ran + 1 < block->count ? vx_random_below(random, 3) : 0;
    while (strays-- > 0) vxr_stream_reference(&stream, 0x1000, (block->count - 1) << STEP_INSTRUCTION | 6);
    vxr_stream_cut(&stream, ran);
    expect_fetches(block, next, ran);
    *next = block->count;
}

/* Many references of one instruction, as REP makes, now and then. */
static void run_block(vx_random *random, const code *block)
{
    bool again = vx_random_below(random, 20) == 0, usual = vx_random_below(random, 4);
    uint32_t next = again;
    vxr_stream_block(&stream, (uint64_t)block->number << STEP_OPERAND | (again ? STEP_AGAIN : STEP_BLOCK));
    for (uint32_t i = next; i < block->count; i++) {
        uint64_t count = usual ? i % 2 : vx_random_below(random, 30) ? vx_random_below(random, 3) : 60;
        while (count-- > 0) put_reference(random, block, &next, i, usual);
        if (usual) continue;
        if (vx_random_below(random, 9) == 0) put_event(random, block, &next, i + 1);
        if (vx_random_below(random, 9) == 0) put_small_event(random, block, &next, i + 1);
        if (next <= i && vx_random_below(random, 30) == 0) {
            cut_off(random, block, &next, i);
            break;
        }
    }
    expect_fetches(block, &next, block->count);
    if (vx_random_below(random, 500) == 0) {
        stream.ran = block->count;
        vxr_stream_flush(&stream, false);
    }
}

static void record_stream(vx_random *random)
{
    const uint64_t state[STATE_WORDS] = {0};
    stream.on = true;
    expected_count = 0;
    vxr_stream_event(&stream, REC_STATE, 0, 0, state, STATE_WORDS);
    expect((vx_record){.count = STATE_WORDS, .kind = VX_REC_STATE});
    uint32_t known = 0;
    while (expected_count < STEPS) {
        if (known < BLOCKS && vx_random_below(random, 20) == 0) make_block(random, &blocks[known++]);
        if (known) run_block(random, &blocks[vx_random_below(random, known)]);
        vxr_stream_breathe(&stream);
    }
    stream.ran = 0;
    const code *last = &blocks[0];
    uint32_t next = 0;
    vxr_stream_block(&stream, (uint64_t)last->number << STEP_OPERAND | STEP_BLOCK);
    stream.ran = last->count;
    expect_fetches(last, &next, last->count);
    vxr_stream_flush(&stream, true);
    assert_false(stream.broken);
}

/* Into a file, which reads as a pipe does. */
static int record(vx_random *random)
{
    int fd = memfd_create("pipe", 0);
    assert_true(fd >= 0);
    vxr_stream_init(&stream, fd, true);
    record_stream(random);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static vx_source *open_shared(const vx_trace_pipe *from)
{
    const vx_trace_header header = {.tier = VX_TIER_FULL, .kind = VX_TRACE_SYSTEM};
    vx_source *source;
    vx_msg msg = {""};
    if (vx_trace_pipe_open(&source, from, &header, &msg)) fail_msg("%s", msg.text);
    return source;
}

static vx_source *open_pipe(int fd) { return open_shared(&(vx_trace_pipe){.fd = fd}); }

static void compare(vx_source *source)
{
    vx_batch batch;
    vx_msg msg = {""};
    found_count = 0;
    do {
        if (vx_source_next(source, &batch, &msg)) fail_msg("%s", msg.text);
        for (size_t i = 0; i < batch.count; i++) {
            assert_true(vx_record_valid(&batch.records[i], batch.words));
            add(found, &found_count, &batch.records[i]);
        }
    } while (batch.count);
    vx_source_close(source);
    assert_int_equal(found_count, expected_count);
    for (size_t i = 0; i < found_count; i++) assert_memory_equal(&found[i], &expected[i], sizeof *found);
}

static void what_ran_comes_back(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "record stream");
    int fd = record(&random);
    compare(open_pipe(fd));
    close(fd);
}

/* Another process records the same, through a pipe and shared memory of fewer slots than there are frames. */
static void what_ran_comes_back_through_shared_memory(void **state)
{
    (void)state;
    enum { SLOTS = 2 };
    const uint8_t all[SLOTS] = {0, 1};
    size_t slot_bytes = STREAM_STEPS * sizeof(uint64_t);
    uint64_t seed = vx_test_seed();
    vx_random random;
    int ends[2], credit[2];
    vx_random_init(&random, seed, "shared memory");
    close(record(&random)); /* what is expected */
    void *slots = mmap(NULL, SLOTS * slot_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(slots != MAP_FAILED);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, credit), 0);
    assert_int_equal(write(credit[0], all, SLOTS), SLOTS);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        close(credit[0]);
        vx_random_init(&random, seed, "shared memory");
        vxr_stream_init(&stream, ends[1], true);
        vxr_stream_share(&stream, slots, SLOTS, credit[1]);
        record_stream(&random);
        _exit(stream.flushes > 2 * SLOTS ? 0 : 1);
    }
    close(ends[1]);
    close(credit[1]);
    compare(open_shared(&(vx_trace_pipe){ends[0], slots, slot_bytes, SLOTS, credit[0]}));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(ends[0]);
    close(credit[0]);
    munmap(slots, SLOTS * slot_bytes);
}

/* Without references instructions are counted: what ran between two events is one record. */
static void events_alone_come_back(void **state)
{
    (void)state;
    enum { EVENTS = 40000 };
    const uint64_t first[STATE_WORDS] = {0};
    vx_random random;
    vx_msg msg = {""};
    vx_random_init(&random, vx_test_seed(), "events alone");
    int fd = memfd_create("pipe", 0);
    assert_true(fd >= 0);
    vxr_stream_init(&stream, fd, false);
    stream.on = true;
    static uint64_t skipped[EVENTS + 1];
    vxr_stream_event(&stream, REC_STATE, 0, 0, first, STATE_WORDS);
    for (unsigned i = 0; i < EVENTS; i++) {
        skipped[i] = vx_random_below(&random, 4) ? vx_random_u64(&random) >> (24 + vx_random_below(&random, 40)) : 0;
        if (i == EVENTS / 2) skipped[i] = 1ULL << 48; /* more than a step holds */
        stream.instructions += skipped[i];
        if (vx_random_below(&random, 2))
            vxr_stream_small_event(&stream, REC_MARK, i, 0);
        else
            vxr_stream_event(&stream, REC_WRMSR, i, 0, &skipped[i], 1);
    }
    stream.instructions += skipped[EVENTS] = 7;
    vxr_stream_flush(&stream, true);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    vx_source *source = open_pipe(fd);
    uint64_t instructions = 0, expected_instructions = 0;
    unsigned events = 0;
    vx_batch batch;
    do {
        if (vx_source_next(source, &batch, &msg)) fail_msg("%s", msg.text);
        for (size_t i = 0; i < batch.count; i++) {
            const vx_record *record = &batch.records[i];
            assert_true(vx_record_valid(record, batch.words));
            if (record->kind == VX_REC_SKIPPED) instructions += batch.payload[record->arg];
            if (record->kind != VX_REC_MARK && record->kind != VX_REC_WRMSR) continue;
            assert_int_equal(record->addr, events);
            if (record->kind == VX_REC_WRMSR) assert_int_equal(batch.payload[record->arg], skipped[events]);
            expected_instructions += skipped[events++];
            assert_int_equal(instructions, expected_instructions);
        }
    } while (batch.count);
    assert_int_equal(events, EVENTS);
    assert_int_equal(instructions, expected_instructions + 7);
    assert_true(vx_trace_pipe_complete(source));
    vx_source_close(source);
    close(fd);
}

/* The writer takes runs, where readers take records: what it makes of them is the same. */
static void a_file_of_it_is_the_same(void **state)
{
    (void)state;
    char path[] = "/tmp/test_record_stream.XXXXXX";
    vx_random random;
    vx_msg msg = {""};
    vx_trace_totals totals, counted = {0};
    vx_trace_info info;
    vx_source *file;
    vx_random_init(&random, vx_test_seed(), "recorded file");
    int fd = record(&random), made = mkstemp(path);
    assert_true(made >= 0);
    close(made);
    vx_source *source = open_pipe(fd);
    const vx_trace_write_options options = {.zstd_level = 1, .chunk_records = 5000};
    if (vx_trace_copy(source, path, 0, 0, &options, &totals, &msg)) fail_msg("%s", msg.text);
    assert_true(vx_trace_pipe_complete(source));
    vx_source_close(source);
    if (vx_trace_open(&file, path, NULL, &msg)) fail_msg("%s", msg.text);
    compare(file);
    if (vx_trace_info_read(path, NULL, &info, &msg)) fail_msg("%s", msg.text);
    assert_true(info.chunks > 3);
    assert_memory_equal(&info.totals, &totals, sizeof totals);
    if (vx_trace_open(&file, path, NULL, &msg)) fail_msg("%s", msg.text);
    vx_batch batch;
    do {
        if (vx_source_next(file, &batch, &msg)) fail_msg("%s", msg.text);
        vx_trace_totals_add(&counted, batch.records, batch.count, batch.payload);
    } while (batch.count);
    vx_source_close(file);
    assert_memory_equal(&counted, &totals, sizeof totals);
    unlink(path);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ran_comes_back), cmocka_unit_test(what_ran_comes_back_through_shared_memory),
        cmocka_unit_test(events_alone_come_back), cmocka_unit_test(a_file_of_it_is_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
