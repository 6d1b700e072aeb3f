/* The modelled OS in time: ticks, slices, process switches, PCIDs, exits. */
#include <string.h>

#include "guest_machine.h"
#include "vx_random.h"
#include "vx_vcpu.h"

static const uint64_t mib = 1ULL << 20;

static guest_rig open_rig(unsigned processes, unsigned levels, bool pcid, uint64_t tick, uint64_t slice)
{
    guest_rig made;
    vx_cfg_guest config = rig_config(levels, VX_PAGE_4K, VX_TABLES_CLUSTERED, 64 * mib);
    config.pcid = pcid;
    config.tick_instructions = tick;
    config.slice_instructions = slice;
    rig_open(&made, &config, processes, 1);
    return made;
}

static unsigned count_kind(const vx_queue *queue, vx_record_kind kind)
{
    unsigned count = 0;
    for (size_t i = 0; i < queue->count; i++) count += queue->records[i].kind == kind;
    return count;
}

/* ---- timer ---- */

static void without_tick_and_company_the_os_never_acts(void **state)
{
    (void)state;
    guest_rig rig = open_rig(1, 4, false, 0, 5000);
    assert_true(vx_guest_next_event(rig.guest) == UINT64_MAX);
    vx_guest_event(rig.guest, 1ULL << 40, &rig.queue);
    assert_int_equal(rig.queue.count, 0);
    rig_close(&rig);
}

static void ticks_come_at_the_multiples_of_their_period(void **state)
{
    (void)state;
    guest_rig rig = open_rig(1, 4, false, 3000, 10000);
    for (uint64_t n = 1; n <= 5; n++) {
        assert_int_equal(vx_guest_next_event(rig.guest), n * 3000);
        vx_guest_event(rig.guest, n * 3000 - 1, &rig.queue);
        assert_int_equal(rig.queue.count, 0);
        vx_guest_event(rig.guest, n * 3000 + n, &rig.queue); /* a block of instructions may overshoot */
        assert_int_equal(rig.queue.count, 5);
        static const vx_record_kind kinds[] = {VX_REC_INTERRUPT, VX_REC_CPL, VX_REC_SKIPPED, VX_REC_IRET, VX_REC_CPL};
        for (unsigned i = 0; i < 5; i++) assert_int_equal(rig.queue.records[i].kind, kinds[i]);
        assert_int_equal(rig.queue.records[0].size, 0xEC);
        rig_drain(&rig);
    }
    assert_int_equal(rig.machine.instructions, 5000); /* the handler's 1000 each */
    assert_int_equal(vx_guest_counts_now(rig.guest)->ticks, 5);
    /* A pending interrupt is one bit: what came due several times is one. */
    vx_guest_event(rig.guest, 100000, &rig.queue);
    assert_int_equal(count_kind(&rig.queue, VX_REC_INTERRUPT), 1);
    assert_int_equal(vx_guest_next_event(rig.guest), 102000);
    rig_drain(&rig);
    vx_guest_event(rig.guest, UINT64_MAX - 1, &rig.queue);
    assert_true(vx_guest_next_event(rig.guest) > UINT64_MAX - 3000);
    rig_close(&rig);
}

static void slices_rotate_the_traces(void **state)
{
    (void)state;
    guest_rig rig = open_rig(3, 4, false, 0, 10000);
    uint64_t roots[3];
    for (uint64_t n = 0; n < 9; n++) {
        assert_int_equal(vx_guest_current(rig.guest), n % 3);
        if (n < 3)
            roots[n] = rig.machine.cr3;
        else
            assert_true(rig.machine.cr3 == roots[n % 3]);
        assert_int_equal(vx_guest_next_event(rig.guest), (n + 1) * 10000);
        vx_guest_event(rig.guest, (n + 1) * 10000, &rig.queue);
        assert_int_equal(count_kind(&rig.queue, VX_REC_INTERRUPT), 1);
        assert_int_equal(count_kind(&rig.queue, VX_REC_CR_WRITE), 1);
        rig_drain(&rig);
    }
    assert_true(roots[0] != roots[1] && roots[1] != roots[2] && roots[0] != roots[2]);
    assert_int_equal(vx_guest_counts_now(rig.guest)->switches, 9);
    rig_close(&rig);
}

static void one_interrupt_serves_tick_and_slice(void **state)
{
    (void)state;
    guest_rig rig = open_rig(2, 4, false, 4000, 12000);
    unsigned switches = 0;
    for (uint64_t n = 1; n <= 12; n++) {
        assert_int_equal(vx_guest_next_event(rig.guest), n * 4000);
        vx_guest_event(rig.guest, n * 4000, &rig.queue);
        assert_int_equal(count_kind(&rig.queue, VX_REC_INTERRUPT), 1);
        assert_int_equal(count_kind(&rig.queue, VX_REC_CR_WRITE), n % 3 == 0);
        switches += n % 3 == 0;
        rig_drain(&rig);
    }
    assert_int_equal(vx_guest_counts_now(rig.guest)->ticks, 12);
    assert_int_equal(vx_guest_counts_now(rig.guest)->switches, switches);
    rig_close(&rig);
}

/* ---- unmapping by the clock ---- */

static void unmappings_come_at_the_multiples_of_their_period(void **state)
{
    (void)state;
    guest_rig rig;
    vx_cfg_guest config = rig_config(4, VX_PAGE_4K, VX_TABLES_CLUSTERED, 64 * mib);
    config.unmap_instructions = 3000;
    config.tick_instructions = 12000;
    rig_open(&rig, &config, 1, 1);
    for (uint64_t page = 0; page < 40; page++) assert_int_equal(rig_touch(&rig, page * 4096), VX_OK);
    for (uint64_t n = 1; n <= 8; n++) {
        assert_int_equal(vx_guest_next_event(rig.guest), n * 3000);
        vx_guest_event(rig.guest, n * 3000, &rig.queue);
        /* Every fourth falls into the tick's handler, the others are system calls. */
        static const vx_record_kind call[] = {VX_REC_CPL, VX_REC_SKIPPED, VX_REC_PT_STORE, VX_REC_INVLPG, VX_REC_CPL};
        static const vx_record_kind tick[] = {VX_REC_INTERRUPT, VX_REC_CPL,  VX_REC_SKIPPED, VX_REC_PT_STORE,
                                              VX_REC_INVLPG,    VX_REC_IRET, VX_REC_CPL};
        const vx_record_kind *kinds = n % 4 ? call : tick;
        assert_int_equal(rig.queue.count, n % 4 ? 5 : 7);
        for (size_t i = 0; i < rig.queue.count; i++) assert_int_equal(rig.queue.records[i].kind, kinds[i]);
        rig_drain(&rig);
        assert_int_equal(rig.machine.cpl, 3);
    }
    assert_int_equal(vx_guest_counts_now(rig.guest)->unmaps, 8);
    assert_int_equal(vx_guest_counts_now(rig.guest)->ticks, 2);
    for (uint64_t page = 0; page < 40; page++)
        assert_int_equal(machine_walk(&rig.machine, page * 4096).valid, page >= 8); /* the oldest went */
    assert_int_equal(rig_touch(&rig, 0), VX_OK);
    assert_true(machine_walk(&rig.machine, 0).valid);
    rig_close(&rig);
}

static void unmapping_by_the_clock_keeps_the_newest_pages(void **state)
{
    (void)state;
    guest_rig rig;
    vx_cfg_guest config = rig_config(4, VX_PAGE_4K, VX_TABLES_CLUSTERED, 64 * mib);
    config.unmap_instructions = 3000;
    rig_open(&rig, &config, 1, 1);
    for (uint64_t page = 0; page < 18; page++) assert_int_equal(rig_touch(&rig, page * 4096), VX_OK);
    for (uint64_t n = 1; n <= 10; n++) {
        vx_guest_event(rig.guest, n * 3000, &rig.queue);
        assert_int_equal(rig.queue.count, n <= 2 ? 5 : 0);
        rig_drain(&rig);
        assert_int_equal(vx_guest_next_event(rig.guest), (n + 1) * 3000);
    }
    assert_int_equal(vx_guest_counts_now(rig.guest)->unmaps, 2);
    rig_close(&rig);
}

static void a_handler_must_not_fill_the_time_between_unmappings(void **state)
{
    (void)state;
    vx_cfg_guest config = rig_config(4, VX_PAGE_4K, VX_TABLES_CLUSTERED, 64 * mib);
    config.unmap_instructions = config.fault_instructions;
    vx_arena arena;
    vx_arena_init(&arena);
    vx_guest *guest = NULL;
    vx_msg msg;
    assert_int_equal(vx_guest_init(&guest, &arena, &config, 1, 1, &msg), VX_ERR_INPUT);
    assert_null(guest);
    assert_non_null(strstr(msg.text, "vm.unmap_instructions"));
    vx_arena_fini(&arena);
}

/* ---- switches ---- */

static void cr3_keeps_translations_only_with_pcids(void **state)
{
    (void)state;
    for (unsigned pcid = 0; pcid < 2; pcid++) {
        guest_rig rig = open_rig(2, 4, pcid, 0, 10000);
        assert_int_equal(!!(rig.machine.cr4 & VX_CR4_PCIDE), pcid);
        assert_int_equal(rig.machine.cr3 & 0xFFF, pcid);
        vx_guest_event(rig.guest, 10000, &rig.queue);
        for (size_t i = 0; i < rig.queue.count; i++) {
            if (rig.queue.records[i].kind != VX_REC_CR_WRITE) continue;
            assert_int_equal(rig.queue.records[i].addr >> 63, pcid);
            assert_int_equal(rig.queue.records[i].addr & 0xFFF, 2 * pcid);
        }
        rig_drain(&rig);
        rig_close(&rig);
    }
}

static void processes_see_different_frames_at_one_address(void **state)
{
    (void)state;
    for (unsigned levels = 2; levels <= 5; levels++) {
        guest_rig rig = open_rig(2, levels, levels == 5, 0, 10000);
        assert_int_equal(rig_touch(&rig, 0x8000000), VX_OK);
        uint64_t frame = machine_walk(&rig.machine, 0x8000000).frame;
        vx_guest_event(rig.guest, 10000, &rig.queue);
        assert_int_equal(count_kind(&rig.queue, VX_REC_PDPTE_LOAD), levels == 3);
        rig_drain(&rig);
        assert_false(machine_walk(&rig.machine, 0x8000000).valid);
        assert_int_equal(rig_touch(&rig, 0x8000000), VX_OK);
        assert_true(machine_walk(&rig.machine, 0x8000000).frame != frame);
        vx_guest_event(rig.guest, 20000, &rig.queue);
        rig_drain(&rig);
        assert_true(machine_walk(&rig.machine, 0x8000000).frame == frame);
        rig_close(&rig);
    }
}

/* ---- PROCESS records ---- */

static void switch_to(guest_rig *rig, uint64_t identity)
{
    assert_int_equal(vx_guest_process(rig->guest, identity, &rig->queue, &rig->msg), VX_OK);
    if (rig->queue.count) rig_drain(rig);
}

static void process_records_name_create_and_switch(void **state)
{
    (void)state;
    guest_rig rig = open_rig(1, 4, true, 0, 10000);
    uint64_t initial = rig.machine.cr3;
    switch_to(&rig, 700); /* the first name is the initial process's */
    assert_true(rig.machine.cr3 == initial);
    assert_int_equal(vx_guest_counts_now(rig.guest)->switches, 0);
    switch_to(&rig, 701);
    uint64_t other = rig.machine.cr3;
    assert_true(other != initial && (other & 0xFFF) != (initial & 0xFFF));
    switch_to(&rig, 701); /* again: nothing to do */
    assert_int_equal(vx_guest_counts_now(rig.guest)->switches, 1);
    switch_to(&rig, 700);
    assert_true(rig.machine.cr3 == initial);
    rig_close(&rig);
}

static void a_process_that_ran_unnamed_stays_its_own(void **state)
{
    (void)state;
    guest_rig rig = open_rig(1, 4, false, 0, 10000);
    assert_int_equal(rig_touch(&rig, 0x1000), VX_OK);
    uint64_t initial = rig.machine.cr3;
    switch_to(&rig, 1);
    assert_true(rig.machine.cr3 != initial);
    assert_false(machine_walk(&rig.machine, 0x1000).valid);
    rig_close(&rig);
}

/* The same identity in two traces is two processes; a slice returns to the process that its trace last ran. */
static void identities_belong_to_their_trace(void **state)
{
    (void)state;
    guest_rig rig = open_rig(2, 4, true, 0, 10000);
    switch_to(&rig, 5);
    switch_to(&rig, 6);
    uint64_t first_trace = rig.machine.cr3;
    vx_guest_event(rig.guest, 10000, &rig.queue);
    rig_drain(&rig);
    assert_int_equal(vx_guest_current(rig.guest), 1);
    switch_to(&rig, 5);
    switch_to(&rig, 6);
    assert_true(rig.machine.cr3 != first_trace);
    vx_guest_event(rig.guest, 20000, &rig.queue);
    rig_drain(&rig);
    assert_int_equal(vx_guest_current(rig.guest), 0);
    assert_true(rig.machine.cr3 == first_trace);
    rig_close(&rig);
}

static void pcids_are_unique_up_to_the_last_process(void **state)
{
    (void)state;
    guest_rig rig = open_rig(1, 4, true, 0, 10000);
    bool seen[4096] = {false};
    for (uint64_t identity = 0; identity < VX_GUEST_PROCESSES_MAX; identity++) {
        switch_to(&rig, identity << 40);
        assert_false(seen[rig.machine.cr3 & 0xFFF]);
        seen[rig.machine.cr3 & 0xFFF] = true;
    }
    assert_false(seen[0]);
    uint64_t tables = rig.machine.tables;
    assert_int_equal(vx_guest_process(rig.guest, 1, &rig.queue, &rig.msg), VX_ERR_INPUT);
    assert_int_equal(rig.queue.count, 0);
    assert_int_equal(vx_guest_counts_now(rig.guest)->table_pages, tables);
    switch_to(&rig, 0); /* the old ones still work */
    rig_close(&rig);
}

static void a_new_process_needs_ram(void **state)
{
    (void)state;
    guest_rig rig;
    vx_cfg_guest config = rig_config(3, VX_PAGE_4K, VX_TABLES_SCATTERED, 1 * mib);
    rig_open(&rig, &config, 1, vx_test_seed());
    vx_status status = VX_OK;
    uint64_t identity = 0;
    for (; status == VX_OK; identity++) {
        status = vx_guest_process(rig.guest, identity, &rig.queue, &rig.msg);
        if (status == VX_OK && rig.queue.count) rig_drain(&rig);
    }
    assert_int_equal(status, VX_ERR_INPUT);
    assert_non_null(strstr(rig.msg.text, "--ram"));
    assert_int_equal(rig.queue.count, 0);
    assert_int_equal(identity - 1, 255 / 5); /* 255 frames, 5 tables a process */
    rig_close(&rig);
}

/* ---- exits ---- */

static void an_exit_frees_frames_and_runs_another(void **state)
{
    (void)state;
    guest_rig rig = open_rig(3, 4, true, 0, 10000);
    for (uint64_t i = 0; i < 100; i++) assert_int_equal(rig_touch(&rig, i * 4096), VX_OK);
    uint64_t gone = machine_walk(&rig.machine, 0).frame;
    uint64_t root = rig.machine.cr3 & ~0xFFFULL;
    uint64_t pt_stores = vx_guest_counts_now(rig.guest)->pt_stores;
    assert_true(vx_guest_exit(rig.guest, &rig.queue));
    machine_forget(&rig.machine, root);
    rig_drain(&rig);
    assert_int_equal(vx_guest_counts_now(rig.guest)->pt_stores, pt_stores);
    assert_int_equal(vx_guest_current(rig.guest), 1);
    assert_int_equal(rig_touch(&rig, 0x5000), VX_OK); /* the lowest freed frame is the first to be used again */
    assert_true(machine_walk(&rig.machine, 0x5000).frame == gone);
    /* Two are left, and take turns. */
    vx_guest_event(rig.guest, 10000, &rig.queue);
    rig_drain(&rig);
    assert_int_equal(vx_guest_current(rig.guest), 2);
    vx_guest_event(rig.guest, 20000, &rig.queue);
    rig_drain(&rig);
    assert_int_equal(vx_guest_current(rig.guest), 1);
    assert_true(vx_guest_exit(rig.guest, &rig.queue));
    rig_drain(&rig);
    assert_int_equal(vx_guest_current(rig.guest), 2);
    assert_true(vx_guest_next_event(rig.guest) == UINT64_MAX);
    assert_false(vx_guest_exit(rig.guest, &rig.queue));
    assert_int_equal(rig.queue.count, 0);
    rig_close(&rig);
}

/* Large pages too: all RAM can be mapped again after an exit. */
static void an_exit_frees_pages_of_each_size(void **state)
{
    (void)state;
    guest_rig rig;
    vx_cfg_guest config = rig_config(4, VX_PAGE_2M, VX_TABLES_INTERLEAVED, 32 * mib);
    rig_open(&rig, &config, 2, 1);
    uint64_t mapped[2] = {0, 0};
    for (unsigned trace = 0; trace < 2; trace++) {
        uint64_t root = rig.machine.cr3;
        for (uint64_t gva = 0; rig_touch(&rig, gva) == VX_OK; gva += 2 * mib + 4096)
            mapped[trace] += machine_walk(&rig.machine, gva).size == VX_PAGE_2M;
        bool left = vx_guest_exit(rig.guest, &rig.queue);
        assert_int_equal(left, trace == 0);
        machine_forget(&rig.machine, root);
        if (left) rig_drain(&rig);
    }
    assert_int_equal(mapped[0], 15);
    assert_int_equal(mapped[1], 15);
    assert_int_equal(rig.machine.data_frames, 0);
    rig_close(&rig);
}

/* ---- all at once ---- */

static void a_random_day_never_breaks_the_machine(void **state)
{
    (void)state;
    uint64_t seed = vx_test_seed();
    for (uint64_t run = 0; run < 8; run++) {
        guest_rig rig;
        vx_cfg_guest config = rig_config(run % 2 ? 4 : 3, VX_PAGE_4K, (vx_table_placement)(run % 3), 64 * mib);
        config.pcid = run % 4 == 1;
        config.unmap_every = 3;
        config.unmap_instructions = run % 3 == 0 ? 15000 : 0;
        config.tick_instructions = 5000;
        config.slice_instructions = 20000;
        rig_open(&rig, &config, 4, seed + run);
        vx_random random;
        vx_random_init(&random, seed + run, "day");
        uint64_t now = 0, next = vx_guest_next_event(rig.guest);
        for (unsigned i = 0; i < 1000; i++) {
            now += vx_random_below(&random, 2000);
            if (now >= next) {
                vx_guest_event(rig.guest, now, &rig.queue);
                assert_int_not_equal(rig.queue.count, 0);
                rig_drain(&rig);
                next = vx_guest_next_event(rig.guest);
                assert_true(next > now && next % 5000 == 0);
            }
            if (vx_random_below(&random, 50) == 0) switch_to(&rig, vx_random_below(&random, 3));
            assert_int_equal(rig_touch(&rig, vx_random_below(&random, 8 * mib)), VX_OK);
        }
        assert_true(vx_guest_counts_now(rig.guest)->unmaps > 50);
        assert_true(vx_guest_counts_now(rig.guest)->switches > 20);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_tick_and_company_the_os_never_acts),
        cmocka_unit_test(ticks_come_at_the_multiples_of_their_period),
        cmocka_unit_test(slices_rotate_the_traces),
        cmocka_unit_test(one_interrupt_serves_tick_and_slice),
        cmocka_unit_test(unmappings_come_at_the_multiples_of_their_period),
        cmocka_unit_test(unmapping_by_the_clock_keeps_the_newest_pages),
        cmocka_unit_test(a_handler_must_not_fill_the_time_between_unmappings),
        cmocka_unit_test(cr3_keeps_translations_only_with_pcids),
        cmocka_unit_test(processes_see_different_frames_at_one_address),
        cmocka_unit_test(process_records_name_create_and_switch),
        cmocka_unit_test(a_process_that_ran_unnamed_stays_its_own),
        cmocka_unit_test(identities_belong_to_their_trace),
        cmocka_unit_test(pcids_are_unique_up_to_the_last_process),
        cmocka_unit_test(a_new_process_needs_ram),
        cmocka_unit_test(an_exit_frees_frames_and_runs_another),
        cmocka_unit_test(an_exit_frees_pages_of_each_size),
        cmocka_unit_test(a_random_day_never_breaks_the_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
