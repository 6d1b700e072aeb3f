/* Where a run stops: instruction and tick limits, stops for the caller, errors; and modes that change in mid-batch. */
#include "test_support.h"
#include "vcpu_world.h"

enum { CODE = 0x400000, DATA = 0x600000, MANY = 200 };

static void open_mapped(vcpu_world *world, const vcpu_world_options *options)
{
    vcpu_world_open(world, options);
    vcpu_map(world, CODE);
    vcpu_world_boot(world);
}

static void instruction_limit(void **state)
{
    (void)state;
    vcpu_world world;
    open_mapped(&world, &(vcpu_world_options){0});
    vx_record records[10];
    for (unsigned i = 0; i < 10; i++) records[i] = vcpu_fetch(CODE, 4, 16);
    vx_batch batch = {.records = records, .count = 10};
    vx_run run = {.instruction_limit = 10, .tick_limit = VX_TICK_NEVER};
    assert_int_equal(vx_vcpu_run(world.vcpu, &batch, &run, &world.msg), VX_STOP_INSTRUCTIONS);
    assert_int_equal(run.position, 3); /* the first record that reaches it has run */
    assert_int_equal(vx_vcpu_position(world.vcpu), 12);
    run.instruction_limit = UINT64_MAX;
    assert_int_equal(vx_vcpu_run(world.vcpu, &batch, &run, &world.msg), VX_STOP_BATCH);
    assert_int_equal(vx_vcpu_position(world.vcpu), 40);
    vcpu_world_close(&world);
}

/* Runs to a tick limit; each record before the stop began before the limit. */
static void check_tick_limit(vcpu_world *world, const vx_record *records, size_t count, vx_tick limit)
{
    vx_batch batch = {.records = records, .count = count};
    vx_run run = {.instruction_limit = UINT64_MAX, .tick_limit = limit};
    vx_stop stop = vx_vcpu_run(world->vcpu, &batch, &run, &world->msg);
    assert_int_equal(stop, VX_STOP_TICKS);
    assert_true(vx_vcpu_now(world->vcpu) >= limit);
    size_t stopped = run.position;
    assert_true(stopped > 0 && stopped < count);
    /* A twin, record by record. */
    vcpu_world twin;
    vcpu_world_options options = {.caches = world->cpu.memory.caches, .cpi_milli = world->cpu.core.cpi_milli};
    open_mapped(&twin, &options);
    for (unsigned i = 0; i < MANY; i++) vcpu_map(&twin, DATA + i * 0x1000ULL);
    for (size_t i = 0; i + 1 < stopped; i++)
        assert_int_equal(vcpu_run_all(&twin, &records[i], 1, NULL, 0), VX_STOP_BATCH);
    assert_true(vx_vcpu_now(twin.vcpu) < limit); /* late by one record at the most */
    vcpu_world_close(&twin);
}

static void tick_limit(void **state)
{
    (void)state;
    static const uint32_t cpi[] = {1000, 300, 1700};
    for (unsigned c = 0; c < 3; c++)
        for (unsigned kind = 0; kind < 3; kind++) {
            vcpu_world world;
            vcpu_world_options options = {.cpi_milli = cpi[c], .caches = kind == 2 ? VX_CACHES_ALL : VX_CACHES_FIXED};
            open_mapped(&world, &options);
            vx_record records[MANY];
            for (unsigned i = 0; i < MANY; i++) {
                vcpu_map(&world, DATA + i * 0x1000ULL);
                /* Instructions alone; loads alone, whose time is their walks'; hits alone, whose time is the caches'.
                 */
                records[i] =
                    kind == 0 ? vcpu_fetch(CODE, 3, 12) : vcpu_load(DATA + i * (kind == 1 ? 0x1000ULL : 16ULL), 8);
            }
            check_tick_limit(&world, records, MANY, vx_vcpu_now(world.vcpu) + 97);
            vcpu_world_close(&world);
        }
}

static void stops_for_the_caller(void **state)
{
    (void)state;
    vcpu_world world;
    open_mapped(&world, &(vcpu_world_options){0});
    static const struct {
        vx_record_kind kind;
        vx_stop stop;
    } rows[] = {{VX_REC_PROCESS, VX_STOP_PROCESS}, {VX_REC_MARK, VX_STOP_MARK}, {VX_REC_HLT, VX_STOP_HALT}};
    for (unsigned i = 0; i < 3; i++) {
        const vx_record records[] = {
            vcpu_fetch(CODE, 1, 4), {.kind = (uint8_t)rows[i].kind, .addr = 1}, vcpu_fetch(CODE, 1, 4)};
        vx_batch batch = {.records = records, .count = 3};
        vx_run run = {.instruction_limit = UINT64_MAX, .tick_limit = VX_TICK_NEVER};
        assert_int_equal(vx_vcpu_run(world.vcpu, &batch, &run, &world.msg), rows[i].stop);
        assert_int_equal(run.position, 2); /* behind it */
        assert_int_equal(vx_vcpu_run(world.vcpu, &batch, &run, &world.msg), VX_STOP_BATCH);
    }
    vcpu_world_close(&world);
}

static void an_overflowing_queue_is_an_error(void **state)
{
    (void)state;
    vcpu_world world;
    open_mapped(&world, &(vcpu_world_options){.os = true});
    world.flood = 100;
    const vx_record record = vcpu_load(DATA, 8);
    assert_int_equal(vcpu_run_all(&world, &record, 1, NULL, 0), VX_STOP_ERROR);
    assert_non_null(strstr(world.msg.text, "overflow"));
    vcpu_world_close(&world);
}

/* The queue is executed before anything else. */
static void the_queue_comes_first(void **state)
{
    (void)state;
    vcpu_world world;
    open_mapped(&world, &(vcpu_world_options){0});
    const uint64_t skipped[4] = {1000, 0, 0, 0};
    vx_queue_put(&world.queue, VX_REC_SKIPPED, 0, 0, skipped, 4);
    const vx_record record = vcpu_fetch(CODE, 1, 4);
    vx_batch batch = {.records = &record, .count = 1};
    vx_run run = {.instruction_limit = 500, .tick_limit = VX_TICK_NEVER};
    assert_int_equal(vx_vcpu_run(world.vcpu, &batch, &run, &world.msg), VX_STOP_INSTRUCTIONS);
    assert_int_equal(run.position, 0);
    assert_int_equal(vx_vcpu_position(world.vcpu), 1000);
    assert_int_equal(world.queue.count, 0);
    vcpu_world_close(&world);
}

/* Paging goes on and off between the records of one batch: each reference is treated by the mode it meets. */
static void modes_change_in_mid_batch(void **state)
{
    (void)state;
    vcpu_world world;
    vcpu_world_open(&world, &(vcpu_world_options){0});
    vcpu_map(&world, CODE);
    const uint64_t on = VX_CR0_PE | VX_CR0_PG | VX_CR0_WP;
    const vx_record records[] = {
        vcpu_load(0x5000, 8),
        {.kind = VX_REC_EFER_LOAD, .addr = VX_EFER_LME},
        {.kind = VX_REC_CR_WRITE, .size = 4, .addr = VX_CR4_PAE},
        {.kind = VX_REC_CR_WRITE, .size = 3, .addr = world.root},
        vcpu_load(0x5000, 8),
        {.kind = VX_REC_CR_WRITE, .size = 0, .addr = on},
        vcpu_load(CODE, 8),
        vcpu_load(CODE + 8, 8),
        {.kind = VX_REC_CR_WRITE, .size = 0, .addr = VX_CR0_PE},
        vcpu_load(0x5000, 8),
        {.kind = VX_REC_CR_WRITE, .size = 0, .addr = on},
        vcpu_load(CODE, 8),
    };
    assert_int_equal(vcpu_run_all(&world, records, sizeof records / sizeof *records, NULL, 0), VX_STOP_BATCH);
    assert_int_equal(vcpu_counts(&world)->loads, 6);
    assert_int_equal(vcpu_counts(&world)->untranslated, 3);
    assert_int_equal(vcpu_lookups(&world), 3);
    assert_int_equal(vx_mmu_counts_now(world.mmu)->walks, 2); /* leaving paging dropped the first */
    vcpu_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instruction_limit),     cmocka_unit_test(tick_limit),
        cmocka_unit_test(stops_for_the_caller),  cmocka_unit_test(an_overflowing_queue_is_an_error),
        cmocka_unit_test(the_queue_comes_first), cmocka_unit_test(modes_change_in_mid_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
