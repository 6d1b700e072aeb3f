/* Counting rules (docs/json.md): what is a reference, a lookup, a retry; and that a record exits as often
 * as it stands for instructions. */
#include "test_support.h"
#include "vcpu_world.h"

enum { CODE = 0x400000, DATA = 0x600000 };

static void open_mapped(vcpu_world *world, const vcpu_world_options *options)
{
    vcpu_world_open(world, options);
    vcpu_map(world, CODE);
    vcpu_map(world, CODE + 0x1000);
    vcpu_map(world, DATA);
    vcpu_map(world, DATA + 0x1000);
    vcpu_world_boot(world);
}

/* Lookups = references + crossings + retries - untranslated - skipped. */
static void check_identity(vcpu_world *world)
{
    const vx_vcpu_counts *c = vcpu_counts(world);
    assert_int_equal(c->references, c->fetches + c->loads + c->stores);
    assert_int_equal(vcpu_lookups(world),
                     c->references + c->crossings + c->retries - c->untranslated - c->skipped_references);
}

static void references_and_crossings(void **state)
{
    (void)state;
    vcpu_world world;
    open_mapped(&world, &(vcpu_world_options){0});
    const vx_record records[] = {
        vcpu_fetch(CODE, 10, 40),       /* ten fetches, one page */
        vcpu_fetch(CODE + 0xFFC, 2, 6), /* the second instruction crosses */
        vcpu_fetch(CODE + 0xFFC, 2, 4), /* ends where the page ends */
        vcpu_load(DATA + 0xFFC, 8),     /* crosses */
        vcpu_load(DATA + 0xFF8, 8),     /* does not */
        vcpu_store(DATA + 0xFFF, 2),    /* crosses */
    };
    assert_int_equal(vcpu_run_all(&world, records, 6, NULL, 0), VX_STOP_BATCH);
    const vx_vcpu_counts *c = vcpu_counts(&world);
    assert_int_equal(c->instructions, 14);
    assert_int_equal(c->fetches, 14);
    assert_int_equal(c->loads, 2);
    assert_int_equal(c->stores, 1);
    assert_int_equal(c->crossings, 3);
    assert_int_equal(c->retries, 0);
    check_identity(&world);
    vcpu_world_close(&world);
}

static void paging_off_looks_nothing_up(void **state)
{
    (void)state;
    vcpu_world world;
    vcpu_world_open(&world, &(vcpu_world_options){0});
    const vx_record records[] = {vcpu_fetch(0x1000, 10, 40), vcpu_load(0x2FFF, 2), vcpu_store(0x3000, 8)};
    assert_int_equal(vcpu_run_all(&world, records, 3, NULL, 0), VX_STOP_BATCH);
    assert_int_equal(vcpu_counts(&world)->untranslated, 13);
    assert_int_equal(vcpu_counts(&world)->references, 12);
    assert_int_equal(vcpu_lookups(&world), 0);
    check_identity(&world);
    vcpu_world_close(&world);
}

static void a_mended_fault_is_one_retry(void **state)
{
    (void)state;
    vcpu_world world;
    open_mapped(&world, &(vcpu_world_options){.os = true});
    const vx_record records[] = {vcpu_fetch(CODE, 4, 16), vcpu_load(DATA + 0x1FFC, 8), vcpu_fetch(CODE, 4, 16)};
    assert_int_equal(vcpu_run_all(&world, records, 3, NULL, 0), VX_STOP_BATCH);
    const vx_vcpu_counts *c = vcpu_counts(&world);
    assert_int_equal(world.faults, 1); /* of the page behind */
    assert_int_equal(c->guest_faults, 1);
    assert_int_equal(c->exceptions, 1);
    assert_int_equal(c->retries, 1);
    assert_int_equal(c->abandoned, 0);
    assert_int_equal(c->instructions, 8 + 50); /* its handler's are instructions without references */
    assert_int_equal(world.ledger.ticks[VX_CAUSE_GUEST_FAULT], 40);
    check_identity(&world);
    vcpu_world_close(&world);
}

/* A system trace records what came of the fault: the reference is given up, and the exception delivered once. */
static void a_recorded_fault_is_counted_once(void **state)
{
    (void)state;
    for (unsigned virtualized = 0; virtualized < 2; virtualized++) {
        vcpu_world world;
        open_mapped(&world, &(vcpu_world_options){.hypervisor = virtualized});
        world.vmcs.exception_bitmap = 1U << 14;
        world.inject = true;
        const uint64_t code = 4;
        const uint64_t gone = DATA + 0x8000;
        const vx_record records[] = {vcpu_load(gone, 8),
                                     {.kind = VX_REC_EXCEPTION, .size = 14, .addr = gone, .count = 1}};
        assert_int_equal(vcpu_run_all(&world, records, 2, &code, 1), VX_STOP_BATCH);
        const vx_vcpu_counts *c = vcpu_counts(&world);
        assert_int_equal(c->abandoned, 1);
        assert_int_equal(c->guest_faults, 1);
        assert_int_equal(c->exceptions, 1);
        assert_int_equal(c->exits, virtualized);
        assert_int_equal(world.ledger.ticks[VX_CAUSE_GUEST_FAULT], 40);
        assert_int_equal(vx_vcpu_registers(world.vcpu)->cr2, gone);
        assert_int_equal(vx_vcpu_registers(world.vcpu)->cpl, 0);
        /* One whose reference the recorder left out, as QEMU does: the record alone. */
        world.resume = VX_RESUME_RETRY;
        const vx_record alone = {.kind = VX_REC_EXCEPTION, .size = 14, .addr = gone + 0x1000, .count = 1};
        assert_int_equal(vcpu_run_all(&world, &alone, 1, &code, 1), VX_STOP_BATCH);
        assert_int_equal(vcpu_counts(&world)->guest_faults, 2);
        assert_int_equal(vcpu_counts(&world)->exceptions, 2);
        assert_int_equal(vcpu_counts(&world)->exits, 2 * virtualized);
        assert_int_equal(world.ledger.ticks[VX_CAUSE_GUEST_FAULT], 80);
        check_identity(&world);
        vcpu_world_close(&world);
    }
}

static void skipped_references_are_counted_and_not_looked_up(void **state)
{
    (void)state;
    vcpu_world world;
    open_mapped(&world, &(vcpu_world_options){0});
    const uint64_t left_out[4] = {100, 100, 30, 20};
    vcpu_do(&world, VX_REC_SKIPPED, 0, 0, left_out, 4);
    const vx_vcpu_counts *c = vcpu_counts(&world);
    assert_int_equal(c->instructions, 100);
    assert_int_equal(c->references, 150);
    assert_int_equal(c->skipped_references, 150);
    check_identity(&world);
    vcpu_world_close(&world);
}

static void each_pause_and_rdtsc_of_a_run_exits(void **state)
{
    (void)state;
    vcpu_world world;
    open_mapped(&world, &(vcpu_world_options){.hypervisor = true});
    world.handler_ticks = 9;
    vcpu_do(&world, VX_REC_PAUSE, 0, 7, NULL, 0); /* no control is set */
    assert_int_equal(vcpu_counts(&world)->exits, 0);
    world.vmcs.cpu = VX_CPU_PAUSE_EXITING | VX_CPU_RDTSC_EXITING;
    vcpu_do(&world, VX_REC_PAUSE, 0, 7, NULL, 0);
    vcpu_do(&world, VX_REC_RDTSC, 0, 5, NULL, 0);
    const vx_vcpu_counts *c = vcpu_counts(&world);
    int pause = vx_exit_reason_index(VX_VENDOR_INTEL, VX_EXIT_PAUSE_INSTRUCTION);
    int rdtsc = vx_exit_reason_index(VX_VENDOR_INTEL, VX_EXIT_RDTSC);
    assert_int_equal(c->by_reason[pause].count, 7);
    assert_int_equal(c->by_reason[rdtsc].count, 5);
    assert_int_equal(c->by_reason[rdtsc].hardware_ticks, 5 * 700);
    assert_int_equal(c->by_reason[rdtsc].software_ticks, 5 * 9);
    assert_int_equal(c->by_reason[rdtsc].least_ticks, 709);
    assert_int_equal(c->by_reason[rdtsc].most_ticks, 709);
    assert_int_equal(c->exits, 12);
    assert_int_equal(world.ledger.ticks[VX_CAUSE_EXIT_HARDWARE], 12 * 700);
    assert_int_equal(world.ledger.ticks[VX_CAUSE_EXIT_SOFTWARE], 12 * 9);
    assert_int_equal(c->events[VX_REC_PAUSE], 2);
    vcpu_world_close(&world);
}

/* The reference that a hypervisor never mends is an error, not an endless loop. */
static void a_fault_nobody_mends(void **state)
{
    (void)state;
    vcpu_world world;
    open_mapped(&world, &(vcpu_world_options){.hypervisor = true});
    world.vmcs.exception_bitmap = 1U << 14;
    const vx_record record = vcpu_load(DATA + 0x9000, 8);
    assert_int_equal(vcpu_run_all(&world, &record, 1, NULL, 0), VX_STOP_ERROR);
    assert_non_null(strstr(world.msg.text, "0x609000"));
    vcpu_world_close(&world);
}

/* Every translation used, hits as well as misses, once for each page; and the checker's word ends the run. */
static void the_checker_sees_every_translation(void **state)
{
    (void)state;
    for (unsigned caches = VX_CACHES_FIXED; caches <= VX_CACHES_ALL; caches += VX_CACHES_ALL) {
        vcpu_world world;
        open_mapped(&world, &(vcpu_world_options){.checker = true, .caches = (vx_cache_mode)caches});
        const vx_record records[] = {vcpu_fetch(CODE, 10, 40), vcpu_fetch(CODE, 10, 40), vcpu_load(DATA + 0xFFC, 8),
                                     vcpu_store(DATA, 8)};
        assert_int_equal(vcpu_run_all(&world, records, 4, NULL, 0), VX_STOP_BATCH);
        assert_int_equal(world.told, 5);
        vx_mmu_translation translation;
        vx_mmu_fault fault;
        assert_int_equal(vx_mmu_access(world.mmu, (vx_gva){DATA}, VX_ACCESS_STORE, &translation, &fault), VX_MMU_DONE);
        assert_int_equal(world.last.v, translation.hpa.v);
        for (unsigned hit = 0; hit < 2; hit++) {
            if (!hit) vcpu_do(&world, VX_REC_INVLPG, 0, DATA, NULL, 0);
            world.told = 0;
            world.refused = 1;
            assert_int_equal(vcpu_run_all(&world, records + 3, 1, NULL, 0), VX_STOP_ERROR);
            assert_non_null(strstr(world.msg.text, "refused at 0x600000"));
        }
        vcpu_world_close(&world);
    }
}

static void a_new_start_of_counting(void **state)
{
    (void)state;
    vcpu_world world;
    open_mapped(&world, &(vcpu_world_options){.cpi_milli = 1300});
    const vx_record records[] = {vcpu_fetch(CODE, 7, 28), vcpu_load(DATA, 8)};
    assert_int_equal(vcpu_run_all(&world, records, 2, NULL, 0), VX_STOP_BATCH);
    vx_vcpu_counts_reset(world.vcpu);
    world.ledger = (vx_ledger){0};
    assert_int_equal(vcpu_run_all(&world, records, 2, NULL, 0), VX_STOP_BATCH);
    assert_int_equal(vcpu_counts(&world)->instructions, 7);
    assert_int_equal(vcpu_counts(&world)->references, 8);
    assert_int_equal(vx_vcpu_position(world.vcpu), 14);
    assert_int_equal(world.ledger.ticks[VX_CAUSE_GUEST_INSTRUCTIONS], 7 * 1300 / 1000);
    assert_int_equal(vx_vcpu_now(world.vcpu), vx_ledger_total(&world.ledger));
    vcpu_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_and_crossings),
        cmocka_unit_test(paging_off_looks_nothing_up),
        cmocka_unit_test(a_mended_fault_is_one_retry),
        cmocka_unit_test(a_recorded_fault_is_counted_once),
        cmocka_unit_test(skipped_references_are_counted_and_not_looked_up),
        cmocka_unit_test(each_pause_and_rdtsc_of_a_run_exits),
        cmocka_unit_test(a_fault_nobody_mends),
        cmocka_unit_test(the_checker_sees_every_translation),
        cmocka_unit_test(a_new_start_of_counting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
