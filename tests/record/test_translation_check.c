/* vexit trace check --translations: small system traces in each paging mode, right and wrong. */
#include <string.h>

#include "source_resume.h"
#include "test_support.h"
#include "vx_trace.h"

enum { ROOM = 64, WORDS = 256, STATE_WORDS = 13 };
#define CR0 0x80000001u
#define P 0x63u /* present, writable, accessed, dirty */
#define LARGE 0x80u

typedef struct sample {
    vx_source source;
    vx_record records[ROOM];
    uint64_t words[WORDS];
    size_t count, word_count;
    bool given;
} sample;

static vx_status next(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    (void)msg;
    sample *self = (sample *)source;
    *batch = (vx_batch){self->records, self->given ? 0 : self->count, self->words, self->word_count};
    self->given = true;
    return VX_OK;
}

static void close_sample(vx_source *source) { ((sample *)source)->given = false; }

static const vx_source_ops ops = {next, close_sample};
static sample trace;

static void event(unsigned kind, uint64_t addr, unsigned size, const uint64_t *words, unsigned count)
{
    trace.records[trace.count++] =
        (vx_record){addr, (uint32_t)trace.word_count, (uint16_t)count, (uint8_t)size, (uint8_t)kind};
    if (count) memcpy(trace.words + trace.word_count, words, count * sizeof *words);
    trace.word_count += count;
}

static void begin(uint64_t cr3, uint64_t cr4, uint64_t efer, const uint64_t *pdptes)
{
    uint64_t words[STATE_WORDS] = {CR0, 0, cr3, cr4, efer};
    memset(&trace, 0, sizeof trace);
    trace.source.ops = &ops;
    if (pdptes) memcpy(words + 5, pdptes, 4 * sizeof *pdptes);
    event(VX_REC_STATE, 0, 0, words, STATE_WORDS);
}

static void table(uint64_t gpa, unsigned level, uint64_t index, uint64_t entry)
{
    const uint64_t words[] = {index, entry};
    event(VX_REC_PT_PAGE_NEW, gpa, level, words, 2);
}

/* One instruction, and what it loads. */
static void load(uint64_t gva, uint64_t gpa)
{
    trace.records[trace.count++] = (vx_record){.addr = 0x3000, .arg = 1, .count = 1, .kind = VX_REC_FETCH};
    event(VX_REC_GPA, gpa, 0, NULL, 0);
    trace.records[trace.count++] = (vx_record){.addr = gva, .count = 1, .size = 8, .kind = VX_REC_LOAD};
}

static vx_translations check(void)
{
    vx_translations found;
    vx_msg msg;
    assert_int_equal(vx_trace_check_translations(&trace.source, &found, &msg), VX_OK);
    return found;
}

/* From the beginning, and from behind each instruction on. */
static void expect_all_right(uint64_t compared)
{
    vx_translations found = check();
    assert_int_equal(found.compared, compared);
    assert_int_equal(found.disagreements, 0);
    for (uint64_t skip = 1; skip < compared; skip++) {
        vx_source *part;
        vx_msg msg;
        trace.given = false;
        assert_int_equal(vx_source_resume(&part, &trace.source, "sample", skip, &msg), VX_OK);
        assert_int_equal(vx_trace_check_translations(part, &found, &msg), VX_OK);
        vx_source_close(part);
        assert_int_equal(found.compared, compared - skip);
        assert_int_equal(found.disagreements, 0);
    }
}

static void four_levels(void **state)
{
    (void)state;
    begin(0x1000, 0x20, 0x500, NULL);
    table(0x1000, 4, 0, 0x2000 | P);
    table(0x2000, 3, 0, 0x3000 | P);
    const uint64_t words[] = {0, 0x4000 | P, 1, 0x40000000 | LARGE | P};
    event(VX_REC_PT_PAGE_NEW, 0x3000, 2, words, 4);
    table(0x4000, 1, 5, 0x7000 | P | 1ULL << 63);
    load(0x5123, 0x7123);
    load(0x2ABCDE, 0x400ABCDE); /* 2 MiB page */
    const uint64_t store[] = {0x4000 + 5 * 8, 0x8000 | P};
    event(VX_REC_PT_STORE, VX_GVA_UNKNOWN, 8, store, 2);
    load(0x5123, 0x8123);
    const uint64_t half[] = {0x4000 + 5 * 8, 0x9000 | P};
    event(VX_REC_PT_STORE, VX_GVA_UNKNOWN, 4, half, 2);
    load(0x5123, 0x9123);
    expect_all_right(4);
}

static void pae(void **state)
{
    (void)state;
    const uint64_t pdptes[4] = {0x2001, 0, 0, 0x2001}, other[4] = {0x3001, 0, 0, 0};
    begin(0x1020, 0x20, 0, pdptes);
    table(0x2000, 2, 0, 0x4000 | P);
    table(0x4000, 1, 5, 0x7000 | P);
    table(0x3000, 2, 0, 0x200000 | LARGE | P);
    load(0x5008, 0x7008);
    load(0xC0005008, 0x7008);
    event(VX_REC_CR_WRITE, 0x1040, 3, NULL, 0);
    event(VX_REC_PDPTE_LOAD, 0, 0, other, 4);
    load(0x5008, 0x205008);
    expect_all_right(3);
}

static void two_levels(void **state)
{
    (void)state;
    begin(0x1000, 0x10, 0, NULL);
    const uint64_t words[] = {0, 0x2000 | P, 1, 0x00C00000 | LARGE | P};
    event(VX_REC_PT_PAGE_NEW, 0x1000, 2, words, 4);
    table(0x2000, 1, 3, 0x7000 | P);
    load(0x3004, 0x7004);
    load(0x400010, 0x00C00010); /* 4 MiB page */
    event(VX_REC_CR_WRITE, 0x1, 0, NULL, 0);
    load(0x3004, 0x3004); /* paging is off */
    expect_all_right(3);
}

static void first_offender(void **state)
{
    (void)state;
    begin(0x1000, 0x10, 0, NULL);
    table(0x1000, 2, 0, 0x2000 | P);
    table(0x2000, 1, 3, 0x7000 | P);
    load(0x3004, 0x7004);
    trace.records[trace.count++] = (vx_record){.addr = 0x3000, .arg = 4, .count = 2, .kind = VX_REC_FETCH};
    load(0x3008, 0x8008); /* another page */
    event(VX_REC_PT_PAGE_GONE, 0x2000, 0, NULL, 0);
    load(0x300C, 0x700C); /* no table any more */
    vx_translations found = check();
    assert_int_equal(found.compared, 3);
    assert_int_equal(found.disagreements, 2);
    assert_int_equal(found.record, 9);
    assert_int_equal(found.instruction, 4);
    assert_int_equal(found.gva, 0x3008);
    assert_int_equal(found.recorded, 0x8008);
    assert_int_equal(found.walked, 0x7008);
    assert_true(found.mapped);
}

static void none_recorded(void **state)
{
    (void)state;
    begin(0x1000, 0x10, 0, NULL);
    trace.records[trace.count++] = (vx_record){.addr = 0x3000, .count = 1, .size = 4, .kind = VX_REC_STORE};
    expect_all_right(0);
}

/* Entries and pages anywhere: nothing is read or written outside what is there. */
static void hostile_addresses(void **state)
{
    (void)state;
    begin(0x000FFFFFFFFFF000, 0x20, 0x500, NULL);
    table(0xFFFFFFFFFFFFF000, 4, 511, UINT64_MAX);
    table(0x1000, 4, UINT64_MAX, UINT64_MAX);
    const uint64_t store[] = {UINT64_MAX - 3, UINT64_MAX};
    event(VX_REC_PT_STORE, 0, 8, store, 2);
    event(VX_REC_PT_PAGE_GONE, UINT64_MAX, 0, NULL, 0);
    load(UINT64_MAX, 0);
    assert_int_equal(check().disagreements, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(four_levels),   cmocka_unit_test(pae),
                                       cmocka_unit_test(two_levels),    cmocka_unit_test(first_offender),
                                       cmocka_unit_test(none_recorded), cmocka_unit_test(hostile_addresses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
