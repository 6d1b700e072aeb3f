/* A system trace from its middle on: what it is told first stands for all that was left out. */
#include <string.h>

#include "failing_malloc.h"
#include "source_resume.h"
#include "test_support.h"
#include "trace_samples.h"

enum { RECORDS = 400 };

typedef struct sample_source {
    vx_source source;
    const vx_sample *sample;
    size_t at, step; /* records a batch */
} sample_source;

static vx_status sample_next(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    (void)msg;
    sample_source *self = (sample_source *)source;
    size_t left = self->sample->count - self->at, count = left < self->step ? left : self->step;
    *batch = (vx_batch){self->sample->records + self->at, count, self->sample->payload, self->sample->words};
    self->at += count;
    return VX_OK;
}

static void sample_close(vx_source *source) { free(source); }

static vx_source *open_sample(const vx_sample *sample, size_t step)
{
    static const vx_source_ops ops = {sample_next, sample_close};
    sample_source *self = calloc(1, sizeof *self);
    if (!self) abort();
    *self = (sample_source){{&ops, vx_sample_header}, sample, 0, step};
    return &self->source;
}

/* Random records of all kinds, the first a state, the last an instruction. */
static vx_sample system_sample(vx_random *random)
{
    vx_sample made = vx_sample_random(random, RECORDS);
    vx_sample begun = {0};
    vx_sample_add(&begun, random, VX_REC_STATE);
    begun.records = realloc(begun.records, (made.count + 2) * sizeof *begun.records);
    begun.payload = realloc(begun.payload, (begun.words + made.words) * sizeof *begun.payload);
    if (!begun.records || !begun.payload) abort();
    memcpy(begun.payload + begun.words, made.payload, made.words * sizeof *made.payload);
    for (size_t i = 0; i < made.count; i++) {
        vx_record record = made.records[i];
        bool event = record.kind != VX_REC_FETCH && record.kind != VX_REC_LOAD && record.kind != VX_REC_STORE;
        if (event) record.arg += (uint32_t)begun.words;
        begun.records[begun.count++] = record;
    }
    begun.words += made.words;
    begun.records[begun.count++] = (vx_record){.addr = 0x100, .arg = 4, .count = 1, .kind = VX_REC_FETCH};
    vx_sample_free(&made);
    return begun;
}

static vx_source *resume(vx_source *inner, uint64_t skip)
{
    vx_source *source;
    vx_msg msg;
    vx_status status = vx_source_resume(&source, inner, "sample", skip, &msg);
    if (status) fail_msg("%s", msg.text);
    return source;
}

typedef struct reading {
    vx_source *source;
    vx_batch batch;
    size_t at;
} reading;

static const vx_record *read_one(reading *from)
{
    if (from->at == from->batch.count) {
        vx_msg msg;
        if (vx_source_next(from->source, &from->batch, &msg)) fail_msg("%s", msg.text);
        from->at = 0;
    }
    return from->batch.count ? &from->batch.records[from->at++] : NULL;
}

static void expect_same(vx_source *a, vx_source *b)
{
    reading from = {.source = a}, other = {.source = b};
    for (size_t number = 0;; number++) {
        const vx_record *x = read_one(&from), *y = read_one(&other);
        if (!x && !y) break;
        if (!x || !y) {
            fail_msg("one ends before record %zu", number);
            return;
        }
        bool event = x->kind != VX_REC_FETCH && x->kind != VX_REC_LOAD && x->kind != VX_REC_STORE;
        bool same = x->kind == y->kind && x->addr == y->addr && x->count == y->count && x->size == y->size;
        if (same && event && x->count)
            same = !memcmp(from.batch.payload + x->arg, other.batch.payload + y->arg, 8U * x->count);
        if (!same) fail_msg("record %zu differs", number);
    }
    vx_source_close(a);
    vx_source_close(b);
}

/* How many instructions stand before half of the records, and before three quarters. */
static void choose(const vx_sample *sample, vx_random *random, uint64_t *first, uint64_t *second)
{
    vx_trace_totals totals = {0};
    size_t a = vx_random_below(random, RECORDS / 2), b = a + vx_random_below(random, RECORDS / 4);
    vx_trace_totals_add(&totals, sample->records, a, sample->payload);
    *first = totals.instructions;
    vx_trace_totals_add(&totals, sample->records + a, b - a, sample->payload);
    *second = totals.instructions - *first;
}

static void twice_is_once(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "resume");
    for (unsigned round = 0; round < 40; round++) {
        vx_sample sample = system_sample(&random);
        uint64_t first, second;
        choose(&sample, &random, &first, &second);
        vx_source *twice = resume(resume(open_sample(&sample, 7), first), second);
        expect_same(twice, resume(open_sample(&sample, 1 + vx_random_below(&random, 90)), first + second));
        vx_sample_free(&sample);
    }
}

static void a_file_is_cut_so(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "resume file");
    vx_sample sample = system_sample(&random);
    uint64_t first, second;
    choose(&sample, &random, &first, &second);
    char from[512], to[512];
    snprintf(from, sizeof from, "%s", vx_sample_path("whole.vxt"));
    snprintf(to, sizeof to, "%s", vx_sample_path("part.vxt"));
    vx_sample_write(from, &sample, 1, 50);
    vx_msg msg;
    vx_source *part;
    if (vx_trace_repack(from, NULL, to, first + 1, 0, NULL, &msg)) fail_msg("%s", msg.text);
    assert_int_equal(vx_trace_open(&part, to, NULL, &msg), VX_OK);
    expect_same(part, resume(open_sample(&sample, 7), first + 1));
    vx_sample_free(&sample);
}

static void entry(vx_sample *to, unsigned kind, uint64_t addr, unsigned size, const uint64_t *words, unsigned count)
{
    to->records[to->count++] = (vx_record){addr, (uint32_t)to->words, (uint16_t)count, (uint8_t)size, (uint8_t)kind};
    if (count) memcpy(to->payload + to->words, words, count * sizeof *words);
    to->words += count;
}

/* One of everything that changes the state; none of it is told but what is left of it. */
static void what_is_told(void **state)
{
    (void)state;
    vx_record records[16];
    uint64_t payload[64];
    vx_sample sample = {.records = records, .payload = payload};
    const uint64_t begin[13] = {0x80000039, 1, 0x1000, 0x20, 0x500, 5, 6, 7, 8, 0xA000, 0xB000, 0xC000, 0xD000};
    const uint64_t one[] = {3, 0x2003}, other[] = {1, 0x11, 511, 0x22}, store[] = {0x1010, 0x33}, code[] = {4};
    entry(&sample, VX_REC_STATE, 0, 3, begin, 13);
    entry(&sample, VX_REC_PT_PAGE_NEW, 0x2000, 3, other, 4);
    entry(&sample, VX_REC_PT_PAGE_NEW, 0x1000, 4, one, 2);
    entry(&sample, VX_REC_PT_PAGE_NEW, 0x3000, 3, one, 2);
    entry(&sample, VX_REC_CR_WRITE, 0x8000000000001001, 3, NULL, 0);
    entry(&sample, VX_REC_DESC_TABLE, 0xE000, VX_DESC_LIDT, NULL, 0);
    entry(&sample, VX_REC_CLTS, 0, 0, NULL, 0);
    entry(&sample, VX_REC_PT_STORE, VX_GVA_UNKNOWN, 8, store, 2);
    entry(&sample, VX_REC_EXCEPTION, 0x7777, 14, code, 1);
    entry(&sample, VX_REC_PT_PAGE_GONE, 0x3000, 0, NULL, 0);
    records[sample.count++] = (vx_record){.addr = 0x100, .arg = 4, .count = 2, .kind = VX_REC_FETCH};
    records[sample.count++] = (vx_record){.addr = 0x200, .arg = 4, .count = 1, .kind = VX_REC_FETCH};

    vx_record told[4];
    uint64_t words[64];
    vx_sample expected = {.records = told, .payload = words};
    const uint64_t now[13] = {0x80000031, 0x7777, 0x1001, 0x20, 0x500, 5, 6, 7, 8, 0xA000, 0xE000, 0xC000, 0xD000};
    const uint64_t root[] = {2, 0x33, 3, 0x2003};
    entry(&expected, VX_REC_STATE, 0, 0, now, 13);
    entry(&expected, VX_REC_PT_PAGE_NEW, 0x1000, 4, root, 4);
    entry(&expected, VX_REC_PT_PAGE_NEW, 0x2000, 3, other, 4);
    told[expected.count++] = records[sample.count - 1];
    vx_source *source = resume(open_sample(&sample, 5), 2);
    assert_int_equal(source->header.paging, VX_PAGING_4LEVEL);
    assert_int_equal(source->header.references, 0);
    expect_same(source, open_sample(&expected, 100));
}

static void refused(const vx_sample *sample, uint64_t skip, const char *why)
{
    vx_source *source;
    vx_msg msg;
    assert_int_equal(vx_source_resume(&source, open_sample(sample, 2), "sample", skip, &msg), VX_ERR_INPUT);
    assert_non_null(strstr(msg.text, why));
}

static void what_cannot_begin(void **state)
{
    (void)state;
    vx_record records[] = {{.addr = 0x100, .arg = 4, .count = 2, .kind = VX_REC_FETCH},
                           {.addr = 0x200, .arg = 4, .count = 2, .kind = VX_REC_FETCH}};
    vx_sample sample = {.records = records, .count = 2};
    refused(&sample, 2, "sample: has not told the guest's state by instruction 2");
    refused(&sample, 5, "sample: ends within the 5 instructions to leave out");
}

static void memory_runs_out(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "resume memory");
    vx_sample sample = system_sample(&random);
    for (uint64_t n = 1;; n++) {
        vx_source *inner = open_sample(&sample, 30), *source = NULL;
        vx_msg msg;
        vx_fail_allocation(n);
        vx_status status = vx_source_resume(&source, inner, "sample", 1, &msg);
        bool failed = vx_fail_allocation_end();
        if (!failed) {
            assert_int_equal(status, VX_OK);
            assert_true(n > 3);
            vx_source_close(source);
            break;
        }
        assert_int_equal(status, VX_ERR_NOMEM);
    }
    vx_sample_free(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(twice_is_once), cmocka_unit_test(a_file_is_cut_so),
                                       cmocka_unit_test(what_is_told), cmocka_unit_test(what_cannot_begin),
                                       cmocka_unit_test(memory_runs_out)};
    return cmocka_run_group_tests(tests, NULL, vx_sample_folder_remove);
}
