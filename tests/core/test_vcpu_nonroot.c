/* The preemption timer, PAUSE loops and EPTP switching on replay (SDM Vol. 3C 25.1.3, 25.5.1, 25.5.6.3). Costs of the
 * world: an instruction takes 1 tick, an exit with its entry 700. */
#include "exit_rows.h"
#include "test_support.h"
#include "vcpu_world.h"

enum { ROUND_TRIP = 700, HANDLER = 60, RATE = 5, PAGE = 0x4000 };

static uint64_t count_of(const vcpu_world *world, unsigned reason)
{
    const vx_vcpu_counts *counts = vcpu_counts(world);
    return counts->by_reason[vx_exit_reason_index(VX_VENDOR_INTEL, reason)].count;
}

/* A guest without paging, so that nothing costs but instructions and exits; CPL 0. */
static void open_flat(vcpu_world *world, const vx_vmcs *vmcs)
{
    vcpu_world_open(world, &(vcpu_world_options){.hypervisor = true});
    world->vmcs = *vmcs;
    world->handler_ticks = HANDLER;
    world->resume = VX_RESUME_NEXT;
    vx_vcpu_virtualize(world->vcpu, &world->vmcs, NULL, false);
}

/* ---- preemption timer ---- */

/* The manual's timer, tick by tick: counts by 1 when bit 5 of the TSC changes. */
typedef struct slow_timer {
    uint64_t now, exits;
    uint32_t value, left;
} slow_timer;

static void pass(slow_timer *t, uint64_t ticks)
{
    for (; ticks > 0; ticks--) {
        t->now++;
        bool changed = (t->now >> RATE & 1) != ((t->now - 1) >> RATE & 1);
        if (changed && t->left > 0) t->left--;
    }
}

static void instruction(slow_timer *t)
{
    pass(t, 1);
    if (t->left > 0) return;
    t->exits++;
    pass(t, ROUND_TRIP + HANDLER);
    t->left = t->value;
}

static void the_timer_exits_when_it_is_at_zero(void **state)
{
    (void)state;
    static const uint32_t values[] = {1, 2, 3, 7, 50, 1000000};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        enum { INSTRUCTIONS = 5000 };
        static vx_record records[INSTRUCTIONS];
        vcpu_world world;
        open_flat(&world, &(vx_vmcs){.pin = B(6), .preemption_timer_value = values[i]});
        for (unsigned n = 0; n < INSTRUCTIONS; n++) records[n] = vcpu_fetch(PAGE, 1, 4);
        assert_int_equal(vcpu_run_all(&world, records, INSTRUCTIONS, NULL, 0), VX_STOP_BATCH);
        slow_timer slow = {.value = values[i], .left = values[i]};
        for (unsigned n = 0; n < INSTRUCTIONS; n++) instruction(&slow);
        assert_int_equal(count_of(&world, 52), slow.exits);
        assert_int_equal(vx_vcpu_now(world.vcpu), slow.now);
        assert_int_equal(vcpu_counts(&world)->instructions, INSTRUCTIONS);
        vcpu_world_close(&world);
    }
}

/* However the run is cut, by ticks or by batches, the exits are the same. */
static void quanta_do_not_matter(void **state)
{
    (void)state;
    enum { INSTRUCTIONS = 3000 };
    static vx_record records[INSTRUCTIONS];
    for (unsigned n = 0; n < INSTRUCTIONS; n++) records[n] = vcpu_fetch(PAGE, 1, 4);
    uint64_t exits = 0, now = 0;
    for (unsigned quantum = 0; quantum < 4; quantum++) {
        static const vx_tick ticks[] = {VX_TICK_NEVER, 1000, 77, 5};
        vcpu_world world;
        open_flat(&world, &(vx_vmcs){.pin = B(6), .preemption_timer_value = 9});
        vx_batch batch = {.records = records, .count = INSTRUCTIONS};
        vx_run run = {.instruction_limit = UINT64_MAX};
        do {
            vx_tick present = vx_vcpu_now(world.vcpu);
            run.tick_limit = ticks[quantum] == VX_TICK_NEVER ? VX_TICK_NEVER : present + ticks[quantum];
            assert_int_not_equal(vx_vcpu_run(world.vcpu, &batch, &run, &world.msg), VX_STOP_ERROR);
        } while (run.position < INSTRUCTIONS);
        if (quantum == 0) {
            exits = count_of(&world, 52);
            now = vx_vcpu_now(world.vcpu);
            assert_true(exits > 5);
        }
        assert_int_equal(count_of(&world, 52), exits);
        assert_int_equal(vx_vcpu_now(world.vcpu), now);
        vcpu_world_close(&world);
    }
}

static void without_the_control_there_is_no_timer(void **state)
{
    (void)state;
    vcpu_world world;
    open_flat(&world, &(vx_vmcs){.preemption_timer_value = 1});
    for (unsigned n = 0; n < 100; n++) {
        vx_record record = vcpu_fetch(PAGE, 10, 40);
        vcpu_run_all(&world, &record, 1, NULL, 0);
    }
    assert_int_equal(vcpu_counts(&world)->exits, 0);
    vcpu_world_close(&world);
}

/* Exit control "save VMX-preemption timer value": the field keeps what is left. */
static void the_timers_value_is_saved(void **state)
{
    (void)state;
    for (unsigned save = 0; save < 2; save++) {
        vcpu_world world;
        open_flat(&world, &(vx_vmcs){.pin = B(6), .preemption_timer_value = 20, .exit_controls = save ? B(22) : 0});
        vx_record record = vcpu_fetch(PAGE, 100, 400);
        vcpu_run_all(&world, &record, 1, NULL, 0);
        vcpu_do(&world, VX_REC_CPUID, 0, 0, (const uint64_t[]){0}, 1);
        /* 100 ticks have passed: bit 5 changed 3 times. */
        assert_int_equal(world.vmcs.preemption_timer_value, save ? 17 : 20);
        assert_int_equal(world.exits[0].reason, 10);
        vcpu_world_close(&world);
    }
}

static void a_timer_that_is_always_zero_is_an_error(void **state)
{
    (void)state;
    vcpu_world world;
    open_flat(&world, &(vx_vmcs){.pin = B(6), .preemption_timer_value = 0});
    vx_record record = vcpu_fetch(PAGE, 1, 4);
    assert_int_equal(vcpu_run_all(&world, &record, 1, NULL, 0), VX_STOP_ERROR);
    assert_non_null(strstr(world.msg.text, "a timer has expired"));
    vcpu_world_close(&world);
}

/* ---- PAUSE loops ---- */

/* `count` PAUSEs spread over `ticks` since the event before: the manual's rule, one by one. */
static uint64_t slow_ple(uint64_t ticks, uint64_t count, uint64_t gap, uint64_t window)
{
    uint64_t exits = 0, last = 0, first = 0, moved = 0;
    bool seen = false;
    for (uint64_t n = 1; n <= count; n++) {
        uint64_t at = ticks * n / count + moved;
        if (!seen || at - last > gap) first = at;
        bool exit = seen && at - last <= gap && at - first > window;
        seen = true;
        last = at;
        if (!exit) continue;
        exits++;
        moved += ROUND_TRIP + HANDLER; /* the rest of the loop comes later */
        seen = false;
    }
    return exits;
}

static void pause_run(vcpu_world *world, uint64_t instructions, uint64_t pauses)
{
    vcpu_do(world, VX_REC_CLI, 0, 0, NULL, 0); /* an event from which the run's time is counted */
    vcpu_do(world, VX_REC_SKIPPED, 0, 0, (const uint64_t[]){instructions, 0, 0, 0}, 4);
    vcpu_do(world, VX_REC_PAUSE, 0, pauses, NULL, 0);
}

static void recorded_runs_exit_by_gap_and_window(void **state)
{
    (void)state;
    static const struct {
        uint64_t instructions, pauses, gap, window;
    } runs[] = {{100000, 10000, 128, 4096}, {100000, 1000, 128, 4096}, {100000, 700, 128, 4096},
                {100000, 100, 128, 4096},   {4000, 1000, 128, 4096},   {12345, 678, 20, 100},
                {5000, 5000, 0, 10},        {77777, 7, 1 << 30, 1}};
    for (unsigned i = 0; i < sizeof runs / sizeof *runs; i++) {
        vcpu_world world;
        open_flat(&world, &(vx_vmcs){.cpu = SECONDARY,
                                     .cpu2 = B(10),
                                     .ple_gap = (uint32_t)runs[i].gap,
                                     .ple_window = (uint32_t)runs[i].window});
        pause_run(&world, runs[i].instructions, runs[i].pauses);
        uint64_t expected = slow_ple(runs[i].instructions, runs[i].pauses, runs[i].gap, runs[i].window);
        assert_int_equal(count_of(&world, 40), expected);
        if (i == 0) assert_true(expected > 10);
        if (i == 3) assert_int_equal(expected, 0); /* PAUSEs too far apart for a loop */
        vcpu_world_close(&world);
    }
}

static void pause_loops_are_watched_at_cpl_0_alone(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 8; bits++) {
        bool user = bits & 1, loops = bits & 2, always = bits & 4;
        vcpu_world world;
        open_flat(&world, &(vx_vmcs){.cpu = SECONDARY | (always ? B(30) : 0),
                                     .cpu2 = loops ? B(10) : 0,
                                     .ple_gap = 128,
                                     .ple_window = 4096});
        if (user) vcpu_do(&world, VX_REC_CPL, 3, 0, NULL, 0);
        pause_run(&world, 10000, 1000);
        uint64_t expected = always ? 1000 : loops && !user ? slow_ple(10000, 1000, 128, 4096) : 0;
        assert_int_equal(count_of(&world, 40), expected);
        vcpu_world_close(&world);
    }
}

/* Single PAUSE records stand where they are. */
static void single_pauses_have_their_own_time(void **state)
{
    (void)state;
    vcpu_world world;
    open_flat(&world, &(vx_vmcs){.cpu = SECONDARY, .cpu2 = B(10), .ple_gap = 40, .ple_window = 100});
    static const unsigned before[] = {10, 40, 40, 20, 1, 41, 30};
    static const unsigned exits[] = {0, 0, 0, 0, 1, 1, 1};
    for (unsigned i = 0; i < 7; i++) {
        vx_record block = vcpu_fetch(PAGE, before[i], before[i] * 4);
        vcpu_run_all(&world, &block, 1, NULL, 0);
        vcpu_do(&world, VX_REC_PAUSE, 0, 1, NULL, 0);
        assert_int_equal(count_of(&world, 40), exits[i]);
    }
    vcpu_world_close(&world);
}

/* ---- EPTP switching ---- */

enum { LIST = 0x8000, GPA = 0x200000 };

static uint64_t ept_to(vcpu_world *world, uint64_t frame) { return vcpu_ept(world, GPA, frame | 7 | 6 << 3); }

static uint64_t vmfunc(uint64_t function, uint64_t index) { return function | index << 32; }

static void eptp_switching_changes_the_translation(void **state)
{
    (void)state;
    for (unsigned vpid = 0; vpid < 2; vpid++) {
        vcpu_world world;
        vcpu_world_open(&world, &(vcpu_world_options){.hypervisor = true, .checker = true});
        world.cpu.vmx.ept_ad = false;
        world.resume = VX_RESUME_NEXT;
        world.vmcs = (vx_vmcs){.cpu = SECONDARY,
                               .cpu2 = B(1) | B(13) | (vpid ? B(5) : 0),
                               .vpid = (uint16_t)vpid,
                               .vm_functions = 1,
                               .eptp_list_address = LIST};
        world.vmcs.eptp = ept_to(&world, 0x300000);
        vx_physmem_write64(&world.memory, (vx_hpa){LIST + 8 * 1}, ept_to(&world, 0x301000));
        vx_physmem_write64(&world.memory, (vx_hpa){LIST + 8 * 2}, world.vmcs.eptp);
        vx_vcpu_virtualize(world.vcpu, &world.vmcs, NULL, false);
        vx_record load = vcpu_load(GPA + 8, 4);
        static const struct {
            uint64_t index, frame;
            unsigned exits;
        } steps[] = {{2, 0x300000, 0}, {1, 0x301000, 0}, {0, 0x301000, 1}, {512, 0x301000, 2}, {2, 0x300000, 2}};
        for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
            vcpu_do(&world, VX_REC_VMX, 59, vmfunc(0, steps[i].index), NULL, 0);
            assert_int_equal(count_of(&world, 59), steps[i].exits);
            vcpu_run_all(&world, &load, 1, NULL, 0);
            assert_int_equal(world.last.v, steps[i].frame + 8);
        }
        assert_int_equal(world.vmcs.eptp_index, 2);
        assert_int_equal(vcpu_flushes(&world, VX_OP_EPTP_SWITCH), vpid ? 0 : 3);
        vcpu_do(&world, VX_REC_VMX, 59, vmfunc(1, 0), NULL, 0); /* a function that is not enabled */
        assert_int_equal(count_of(&world, 59), 3);
        vcpu_world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_timer_exits_when_it_is_at_zero),
        cmocka_unit_test(quanta_do_not_matter),
        cmocka_unit_test(without_the_control_there_is_no_timer),
        cmocka_unit_test(the_timers_value_is_saved),
        cmocka_unit_test(a_timer_that_is_always_zero_is_an_error),
        cmocka_unit_test(recorded_runs_exit_by_gap_and_window),
        cmocka_unit_test(pause_loops_are_watched_at_cpl_0_alone),
        cmocka_unit_test(single_pauses_have_their_own_time),
        cmocka_unit_test(eptp_switching_changes_the_translation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
