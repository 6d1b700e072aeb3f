/* DMA generators: devices use only what is mapped, drivers unmap only what they mapped, addresses are reused as Linux
 * does; the same seed gives the same records. */
#include <string.h>

#include "gen_dma.h"
#include "test_support.h"
#include "trace_samples.h"

static const char *const all[] = {"gen:nic:packets=3000,flows=3,ring=128,batch=32",
                                  "gen:nic:packets=3000,flows=7,cpus=2,ring=64,batch=16,ack=1,pending=3,deferred=1",
                                  "gen:nvme:commands=500",
                                  "gen:nvme:commands=300,queues=2,depth=3,pages=128,reads=0,deferred=1",
                                  "gen:tenants:requests=3000,tenants=5,pages=7"};
enum { GENERATORS = sizeof all / sizeof *all, PAGES = 1 << 20 };

/* Rights by source-id's low byte and page: what is mapped now. */
static uint8_t (*mapped)[PAGES];

static void check_record(const vx_record *record, const uint64_t *words)
{
    uint8_t *pages = mapped[words[0] & 0xFF];
    uint64_t page = record->addr >> VX_PAGE_SHIFT;
    assert_true(page < PAGES);
    switch (record->kind) {
    case VX_REC_DMA_MAP:
        assert_int_equal(words[2], VX_PAGE_BYTES);
        assert_int_equal(pages[page], 0);
        pages[page] = (uint8_t)words[3];
        break;
    case VX_REC_DMA_UNMAP:
        assert_true(pages[page] != 0);
        pages[page] = 0;
        break;
    default:
        assert_int_equal(record->kind, VX_REC_DMA);
        assert_true(pages[page] & (record->size ? GEN_DMA_WRITE : GEN_DMA_READ));
        assert_int_equal(words[1], UINT32_MAX);
        assert_in_range((record->addr & (VX_PAGE_BYTES - 1)) + words[2], 1, VX_PAGE_BYTES);
    }
}

static uint64_t hash_of(const char *what, uint64_t seed)
{
    vx_source *source = vx_sample_generator(what, seed);
    uint64_t hash = 0;
    vx_msg msg;
    mapped = calloc(256, sizeof *mapped);
    assert_int_equal(source->header.kind, VX_TRACE_DMA);
    for (vx_batch batch;;) {
        assert_int_equal(vx_source_next(source, &batch, &msg), VX_OK);
        if (batch.count == 0) break;
        for (size_t i = 0; i < batch.count; i++) {
            const vx_record *record = &batch.records[i];
            assert_true(vx_record_valid(record, batch.words));
            check_record(record, batch.payload + record->arg);
            hash = vx_mix64(hash ^ record->addr ^ (uint64_t)record->kind << 60 ^ (uint64_t)record->size << 56);
            for (unsigned w = 0; w < record->count; w++) hash = vx_mix64(hash ^ batch.payload[record->arg + w]);
        }
    }
    vx_source_close(source);
    free(mapped);
    return hash;
}

static void devices_use_what_is_mapped(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GENERATORS; i++) {
        uint64_t hash = hash_of(all[i], 7);
        assert_int_equal(hash_of(all[i], 7), hash);
        assert_int_not_equal(hash_of(all[i], 8), hash);
    }
}

/* ---- the allocator ---- */

static void addresses_come_down_and_back(void **state)
{
    (void)state;
    gen_iova *iova = malloc(sizeof *iova);
    vx_gen_iova_init(iova, false);
    uint64_t top = 0xFFFFF000ULL;
    for (uint64_t i = 0; i < 3; i++) assert_int_equal(vx_gen_iova_take(iova, 0), top - i * VX_PAGE_BYTES);
    vx_gen_iova_give(iova, 0, top);
    vx_gen_iova_give(iova, 0, top - 2 * VX_PAGE_BYTES);
    assert_int_equal(vx_gen_iova_take(iova, 1), top - 3 * VX_PAGE_BYTES); /* another CPU's magazine is not seen */
    assert_int_equal(vx_gen_iova_take(iova, 0), top - 2 * VX_PAGE_BYTES); /* last in, first out */
    assert_int_equal(vx_gen_iova_take(iova, 0), top);
    free(iova);
}

/* Magazines, depot and tree in turn: whatever is given back is given out again, and nothing twice. */
static void nothing_is_lost_or_given_twice(void **state)
{
    (void)state;
    enum { MANY = 3 * GEN_IOVA_MAGAZINE * (GEN_IOVA_DEPOT + 4) };
    gen_iova *iova = malloc(sizeof *iova);
    uint64_t *taken = calloc(MANY, sizeof *taken);
    uint8_t *out = calloc(GEN_IOVA_PAGES, 1);
    vx_random dice;
    vx_random_init(&dice, vx_test_seed(), "iova");
    vx_gen_iova_init(iova, false);
    unsigned count = 0;
    uint64_t lowest = UINT64_MAX;
    for (unsigned turn = 0; turn < 6; turn++) {
        while (count < MANY) {
            uint64_t address = vx_gen_iova_take(iova, (unsigned)vx_random_below(&dice, 3));
            assert_true(address != 0);
            assert_int_equal(out[address >> VX_PAGE_SHIFT], 0);
            out[address >> VX_PAGE_SHIFT] = 1;
            taken[count++] = address;
            if (address < lowest) lowest = address;
        }
        if (turn == 0) assert_int_equal(lowest, (1ULL << 32) - (uint64_t)MANY * VX_PAGE_BYTES);
        while (count > MANY / 8) {
            uint64_t *some = &taken[vx_random_below(&dice, count)], address = *some;
            *some = taken[--count];
            out[address >> VX_PAGE_SHIFT] = 0;
            vx_gen_iova_give(iova, (unsigned)vx_random_below(&dice, 3), address);
        }
    }
    /* Freed addresses may lie in magazines of a CPU that does not ask; no more than those are asked for beyond MANY. */
    assert_true(lowest >= (1ULL << 32) - (uint64_t)(MANY + 6 * GEN_IOVA_MAGAZINE) * VX_PAGE_BYTES);
    free(iova);
    free(taken);
    free(out);
}

static void lazy_addresses_wait_for_a_flush(void **state)
{
    (void)state;
    gen_iova *iova = malloc(sizeof *iova);
    vx_gen_iova_init(iova, true);
    uint64_t first = vx_gen_iova_take(iova, 0);
    vx_gen_iova_give(iova, 0, first);
    for (unsigned i = 1; i < GEN_IOVA_LAZY; i++) {
        uint64_t next = vx_gen_iova_take(iova, 0);
        assert_int_not_equal(next, first);
        vx_gen_iova_give(iova, 0, next);
    }
    uint64_t again = vx_gen_iova_take(iova, 0);
    assert_true(again >= first - (uint64_t)GEN_IOVA_LAZY * VX_PAGE_BYTES); /* one of the 250 */
    free(iova);
}

static void used_up(void **state)
{
    (void)state;
    gen_iova *iova = malloc(sizeof *iova);
    vx_gen_iova_init(iova, false);
    for (unsigned i = 1; i < GEN_IOVA_PAGES; i++) assert_true(vx_gen_iova_take(iova, 0) != 0);
    assert_int_equal(vx_gen_iova_take(iova, 0), 0);
    free(iova);
}

static void bad_parameters(void **state)
{
    (void)state;
    static const char *const bad[] = {"gen:nic:ring=100,batch=64", "gen:nic:flows=0", "gen:nvme:pages=129",
                                      "gen:tenants:bytes=4097"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        vx_source *source = NULL;
        vx_msg msg = {""};
        assert_int_equal(vx_source_open(&source, bad[i], NULL, 1, &msg), VX_ERR_INPUT);
        assert_non_null(strstr(msg.text, "gen:"));
        assert_null(source);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_use_what_is_mapped),
        cmocka_unit_test(addresses_come_down_and_back),
        cmocka_unit_test(nothing_is_lost_or_given_twice),
        cmocka_unit_test(lazy_addresses_wait_for_a_flush),
        cmocka_unit_test(used_up),
        cmocka_unit_test(bad_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
