/* The queue of records that software asks the vCPU to execute. */
#include "failing_malloc.h"
#include "test_support.h"
#include "vx_queue.h"

static void records_come_out_as_they_were_put(void **state)
{
    (void)state;
    vx_arena arena;
    vx_arena_init(&arena);
    vx_queue queue;
    assert_int_equal(vx_queue_init(&queue, &arena, 4, 8, NULL), VX_OK);
    static const uint64_t store[] = {0x2000, 0x5067}, error[] = {2};
    vx_queue_put(&queue, VX_REC_PT_STORE, 8, 0xFFFF800000002000ULL, store, 2);
    vx_queue_put(&queue, VX_REC_CR_WRITE, 3, 0x1234, NULL, 0);
    vx_queue_put(&queue, VX_REC_EXCEPTION, 14, 0xBAD000, error, 1);
    vx_queue_put(&queue, VX_REC_HLT, 0, 0, NULL, 0);
    assert_false(queue.overflowed);
    vx_batch batch = vx_queue_batch(&queue);
    assert_int_equal(batch.count, 4);
    assert_int_equal(batch.words, 3);
    for (size_t i = 0; i < batch.count; i++) assert_true(vx_record_valid(&batch.records[i], batch.words));
    assert_int_equal(batch.records[0].kind, VX_REC_PT_STORE);
    assert_int_equal(batch.records[0].size, 8);
    assert_int_equal(batch.records[0].addr, 0xFFFF800000002000ULL);
    assert_int_equal(batch.payload[batch.records[0].arg], 0x2000);
    assert_int_equal(batch.payload[batch.records[0].arg + 1], 0x5067);
    assert_int_equal(batch.records[1].size, 3);
    assert_int_equal(batch.payload[batch.records[2].arg], 2);
    assert_int_equal(batch.records[3].kind, VX_REC_HLT);
    vx_queue_clear(&queue);
    assert_int_equal(vx_queue_batch(&queue).count, 0);
    vx_arena_fini(&arena);
}

/* What does not fit is said, once and for all, and harms nothing that did. */
static void overflow_is_remembered(void **state)
{
    (void)state;
    static const uint64_t words[3] = {1, 2, 3};
    vx_arena arena;
    vx_arena_init(&arena);
    vx_queue queue;
    assert_int_equal(vx_queue_init(&queue, &arena, 2, 3, NULL), VX_OK);
    vx_queue_put(&queue, VX_REC_PT_STORE, 8, 0, words, 2);
    vx_queue_put(&queue, VX_REC_PT_STORE, 8, 0, words, 2); /* one word too many */
    assert_true(queue.overflowed);
    assert_int_equal(queue.count, 1);
    assert_int_equal(queue.words, 2);
    queue.overflowed = false;
    vx_queue_put(&queue, VX_REC_HLT, 0, 0, NULL, 0);
    assert_false(queue.overflowed);
    vx_queue_put(&queue, VX_REC_HLT, 0, 0, NULL, 0); /* one record too many */
    assert_true(queue.overflowed);
    assert_int_equal(queue.count, 2);
    vx_queue_clear(&queue);
    assert_true(queue.overflowed);
    vx_arena_fini(&arena);
}

static void every_failing_allocation_is_reported(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        vx_arena arena;
        vx_arena_init(&arena);
        vx_queue queue = {.room = 77};
        vx_fail_allocation(n);
        vx_status status = vx_queue_init(&queue, &arena, 100000, 100000, NULL);
        bool failed = vx_fail_allocation_end();
        vx_arena_fini(&arena);
        assert_int_equal(status, failed ? VX_ERR_NOMEM : VX_OK);
        if (failed) {
            assert_int_equal(queue.room, 77);
            continue;
        }
        assert_int_equal(n, 3); /* records and payload, a chunk each */
        return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_out_as_they_were_put),
        cmocka_unit_test(overflow_is_remembered),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
