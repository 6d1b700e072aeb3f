/* Tier S is exact: an LRU TLB whose set count is a multiple of the filter's sees the same misses, in the same order,
 * as with all references. Tier E keeps every event where it stood. */
#include <string.h>

#include "test_support.h"
#include "trace_filter.h"
#include "vx_random.h"

enum { PAGE = 4096, WAYS = 4, SETS_MAX = 64 };

/* ---- a stream in memory ---- */

typedef struct memory_source {
    vx_source source;
    vx_record *records;
    uint64_t *words;
    size_t count, word_count, next;
} memory_source;

static vx_status memory_next(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    (void)msg;
    memory_source *self = (memory_source *)source;
    size_t left = self->count - self->next, count = left < 1000 ? left : 1000;
    *batch = (vx_batch){self->records + self->next, count, self->words, self->word_count};
    self->next += count;
    return VX_OK;
}

static void memory_close(vx_source *source) { (void)source; }

static const vx_source_ops memory_ops = {memory_next, memory_close};

static void open_memory(memory_source *self, vx_record *records, size_t count, uint64_t *words, size_t word_count)
{
    *self = (memory_source){.source = {&memory_ops, {.tier = VX_TIER_FULL, .kind = VX_TRACE_SYSTEM}},
                            .records = records,
                            .words = words,
                            .count = count,
                            .word_count = word_count};
}

/* ---- LRU TLBs ---- */

typedef struct lru {
    unsigned sets;
    uint64_t page[SETS_MAX][WAYS]; /* most recent first; + 1 */
} lru;

/* True: a miss. */
static bool look_up(lru *tlb, uint64_t page)
{
    uint64_t *set = tlb->page[page % tlb->sets];
    unsigned way = 0;
    while (way < WAYS && set[way] != page + 1) way++;
    bool miss = way == WAYS;
    memmove(set + 1, set, (miss ? WAYS - 1 : way) * sizeof *set);
    set[0] = page + 1;
    return miss;
}

/* What a machine counts: misses, and where they were (a hash of their order). A page's first store since it was
 * loaded is an event of its own, as setting D is. */
typedef struct figures {
    uint64_t data_misses, fetch_misses, order, instructions, fetches, loads, stores;
} figures;

static void note(figures *seen, uint64_t *misses, uint64_t page)
{
    ++*misses;
    seen->order = seen->order * 0x9E3779B97F4A7C15u + page * 31 + seen->instructions;
}

static void replay(vx_source *source, unsigned sets, figures *seen)
{
    static lru data, fetch;
    vx_batch batch;
    vx_msg msg;
    vx_trace_totals totals = {0};
    memset(&data, 0, sizeof data);
    memset(&fetch, 0, sizeof fetch);
    data.sets = fetch.sets = sets;
    *seen = (figures){0};
    do {
        assert_int_equal(vx_source_next(source, &batch, &msg), VX_OK);
        for (size_t i = 0; i < batch.count; i++) {
            const vx_record *record = &batch.records[i];
            uint64_t page = record->addr / PAGE;
            assert_true(vx_record_valid(record, batch.words));
            bool is_fetch = record->kind == VX_REC_FETCH;
            bool is_data = record->kind == VX_REC_LOAD || record->kind == VX_REC_STORE;
            uint64_t bytes = is_fetch ? record->arg : record->size;
            lru *tlb = is_fetch ? &fetch : &data;
            for (unsigned p = 0; (is_fetch || is_data) && p <= (record->addr % PAGE + bytes > PAGE ? 1u : 0u); p++)
                if (look_up(tlb, page + p)) note(seen, is_fetch ? &seen->fetch_misses : &seen->data_misses, page + p);
            vx_trace_totals_add(&totals, record, 1, batch.payload);
            seen->instructions = totals.instructions;
            if (vx_record_describe(record->kind)->ends_filter) {
                memset(data.page, 0, sizeof data.page);
                memset(fetch.page, 0, sizeof fetch.page);
            }
        }
    } while (batch.count);
    seen->fetches = totals.fetches;
    seen->loads = totals.loads;
    seen->stores = totals.stores;
}

/* ---- a stream with locality ---- */

enum { RECORDS = 60000 };
static vx_record records[2 * RECORDS];
static uint64_t words[RECORDS];
static size_t record_count, word_count;

static void put(uint64_t addr, uint32_t arg, unsigned count, unsigned kind, unsigned bytes)
{
    records[record_count++] = (vx_record){addr, arg, (uint16_t)count, (uint8_t)bytes, (uint8_t)kind};
}

static void put_event(vx_random *random)
{
    if (vx_random_below(random, 2)) {
        put(0, 0, 0, VX_REC_HLT, 0); /* keeps the filter */
    } else {
        put(0x5000, 0, 0, VX_REC_CR_WRITE, 3); /* empties it */
    }
}

static void make_stream(uint64_t seed)
{
    vx_random random;
    vx_random_init(&random, seed, "filter");
    record_count = word_count = 0;
    for (size_t i = 0; i < RECORDS; i++) {
        uint64_t pages = vx_random_below(&random, 10) ? 12 : 400;
        uint64_t page = 0x1000 + vx_random_below(&random, pages), offset = vx_random_below(&random, PAGE);
        switch (vx_random_below(&random, 4)) {
        case 0: {
            uint64_t room = PAGE - offset, count = room / 4 ? 1 + vx_random_below(&random, 8) : 1;
            if (count * 4 > room) count = 1;
            put(page * PAGE + offset, (uint32_t)(count * 4), (unsigned)count, VX_REC_FETCH, 0);
            break;
        }
        case 1:
            put(page * PAGE + offset, 0, 1, VX_REC_STORE, 8);
            break;
        default:
            put(page * PAGE + offset, 0, 1, VX_REC_LOAD, 8);
            break;
        }
        if (vx_random_below(&random, 200) == 0) put_event(&random);
    }
}

static void open_filtered(vx_source **filtered, memory_source *memory, vx_tier tier, uint32_t sets)
{
    vx_msg msg;
    open_memory(memory, records, record_count, words, word_count);
    assert_int_equal(vx_source_filter(filtered, &memory->source, tier, sets, &msg), VX_OK);
}

static void exact_for_lru(void **state)
{
    (void)state;
    make_stream(vx_test_seed());
    for (uint32_t filter_sets = 1; filter_sets <= 16; filter_sets *= 4) {
        for (unsigned sets = filter_sets; sets <= SETS_MAX; sets *= 2) {
            memory_source memory;
            figures full, filtered;
            vx_source *source;
            open_memory(&memory, records, record_count, words, word_count);
            replay(&memory.source, sets, &full);
            open_filtered(&source, &memory, VX_TIER_FILTERED, filter_sets);
            assert_int_equal(source->header.filter_sets, filter_sets);
            replay(source, sets, &filtered);
            vx_source_close(source);
            assert_memory_equal(&full, &filtered, sizeof full);
            assert_true(full.data_misses > 0 && full.fetch_misses > 0);
        }
    }
}

/* With fewer sets than the filter has, the order of use within a set is lost: the test above can fail. */
static void not_exact_beyond(void **state)
{
    (void)state;
    memory_source memory;
    figures full, filtered;
    vx_source *source;
    make_stream(1);
    open_memory(&memory, records, record_count, words, word_count);
    replay(&memory.source, 1, &full);
    open_filtered(&source, &memory, VX_TIER_FILTERED, 16);
    replay(source, 1, &filtered);
    vx_source_close(source);
    assert_int_not_equal(full.data_misses, filtered.data_misses);
}

static void small_cases(void **state)
{
    (void)state;
    vx_batch batch;
    vx_msg msg;
    memory_source memory;
    vx_source *source;
    record_count = word_count = 0;
    put(0x1000, 0, 1, VX_REC_LOAD, 8);  /* kept: new */
    put(0x1008, 0, 1, VX_REC_LOAD, 8);  /* left out */
    put(0x1010, 0, 1, VX_REC_STORE, 8); /* kept: the page's first store */
    put(0x1018, 0, 1, VX_REC_STORE, 8); /* left out */
    put(0x9999, 0, 0, VX_REC_GPA, 0);   /* left out with its reference */
    put(0x1020, 0, 1, VX_REC_LOAD, 8);
    put(0x1FFC, 0, 1, VX_REC_LOAD, 8); /* kept: crosses */
    words[0] = 0x3000, words[1] = 0x67;
    put(0x2000, 0, 2, VX_REC_PT_STORE, 8); /* kept, and empties */
    word_count = 2;
    put(0x1000, 0, 1, VX_REC_LOAD, 8); /* kept */
    put(0x1000, 0, 1, VX_REC_LOAD, 8); /* left out, told at the end */
    open_filtered(&source, &memory, VX_TIER_FILTERED, 1);
    static const uint8_t kinds[] = {VX_REC_LOAD, VX_REC_SKIPPED,  VX_REC_STORE, VX_REC_SKIPPED,
                                    VX_REC_LOAD, VX_REC_PT_STORE, VX_REC_LOAD,  VX_REC_SKIPPED};
    size_t seen = 0;
    do {
        assert_int_equal(vx_source_next(source, &batch, &msg), VX_OK);
        for (size_t i = 0; i < batch.count; i++) {
            assert_true(seen < sizeof kinds);
            assert_int_equal(batch.records[i].kind, kinds[seen]);
            if (seen == 3) { /* one load and one store */
                const uint64_t *skipped = batch.payload + batch.records[i].arg;
                assert_int_equal(skipped[2], 1);
                assert_int_equal(skipped[3], 1);
            }
            if (seen == 5) assert_int_equal(batch.payload[batch.records[i].arg + 1], 0x67);
            seen++;
        }
    } while (batch.count);
    assert_int_equal(seen, sizeof kinds);
    vx_source_close(source);
}

static void events_alone(void **state)
{
    (void)state;
    memory_source memory;
    figures full, events;
    vx_source *source;
    make_stream(vx_test_seed());
    open_memory(&memory, records, record_count, words, word_count);
    replay(&memory.source, 16, &full);
    open_filtered(&source, &memory, VX_TIER_EVENTS, 0);
    replay(source, 16, &events);
    vx_source_close(source);
    assert_int_equal(events.instructions, full.instructions);
    assert_int_equal(events.fetches + events.loads + events.stores, 0);
    assert_int_equal(events.data_misses + events.fetch_misses, 0);
}

static void refusals(void **state)
{
    (void)state;
    vx_msg msg;
    vx_trace_header header = {.tier = VX_TIER_EVENTS};
    assert_int_equal(vx_filter_header(&header, VX_TIER_FILTERED, 16, &msg), VX_ERR_INPUT);
    header.tier = VX_TIER_FULL;
    assert_int_equal(vx_filter_header(&header, VX_TIER_FILTERED, 0, &msg), VX_ERR_INPUT);
    assert_int_equal(vx_filter_header(&header, VX_TIER_FILTERED, VX_FILTER_SETS_MAX + 1, &msg), VX_ERR_INPUT);
    assert_int_equal(header.tier, VX_TIER_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(exact_for_lru), cmocka_unit_test(not_exact_beyond),
                                       cmocka_unit_test(small_cases), cmocka_unit_test(events_alone),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
