/* A guest OS whose tick is its APIC's timer, on every kind of processor and hypervisor: it comes at its rate, and costs
 * the exits that each kind of help leaves. */
#include "sim_figures.h"

enum { PERIOD = 40000 };

static const char *const generated[] = {"gen:random:bytes=256k,refs=30k"};

typedef struct outcome {
    uint64_t ticks, interrupts, cycles;
    uint64_t external, preemption, msr, access, apic_write, npf;
} outcome;

typedef struct machine {
    const char *cpu, *vmm, *scheme, *set;
} machine;

static outcome run(const machine *m, const char *apic, const char *timer, unsigned warmup)
{
    char text[4][64];
    const char *sets[] = {text[0], text[1], text[2], text[3]};
    snprintf(text[0], sizeof text[0], "vm.priority.apic=%s", apic);
    snprintf(text[1], sizeof text[1], "vm.priority.timer=%s", timer);
    snprintf(text[2], sizeof text[2], "vm.priority.timer_period=%d", PERIOD);
    snprintf(text[3], sizeof text[3], "%s", m->set ? m->set : "vm.fault_instructions=1000");
    vx_sim_options options = {.cpu = m->cpu,
                              .vmm = m->vmm,
                              .scheme = m->scheme,
                              .traces = generated,
                              .trace_count = 1,
                              .seed = 1,
                              .warmup = warmup,
                              .sets = sets,
                              .set_count = 4};
    vx_sim *sim;
    vx_msg msg = {{0}};
    if (vx_sim_open(&sim, &options, &msg) != VX_OK || vx_sim_run(sim, &msg) != VX_OK) fail_msg("%s", msg.text);
    bool amd = vx_sim_cpu(sim)->vendor == VX_VENDOR_AMD;
    outcome o = {
        .ticks = figure_or_0(sim, "paging.os.ticks"),
        .interrupts = figure_or_0(sim, "events.interrupts"),
        .cycles = figure_or_0(sim, "cycles.total"),
        .external =
            figure_or_0(sim, amd ? "exits.by_reason.interrupt.count" : "exits.by_reason.EXTERNAL_INTERRUPT.count"),
        .preemption = figure_or_0(sim, "exits.by_reason.PREEMPTION_TIMER.count"),
        .msr = figure_or_0(sim, amd ? "exits.by_reason.msr.count" : "exits.by_reason.MSR_WRITE.count"),
        .access = figure_or_0(sim, "exits.by_reason.APIC_ACCESS.count"),
        .apic_write = figure_or_0(sim, "exits.by_reason.APIC_WRITE.count"),
        .npf = figure_or_0(sim, "exits.by_reason.avic_unaccelerated_access.count"),
    };
    vx_sim_close(sim);
    return o;
}

static const machine machines[] = {
    {"penryn", "textbook", "native", NULL},
    {"merom", "textbook", "shadow-wp", NULL},
    {"penryn", "textbook", "trap", NULL},
    {"penryn", "textbook", "bt", NULL},
    {"nehalem", "textbook", "ept", NULL},
    {"nehalem", "kvm-6.1", "ept", NULL},
    {"nehalem", "kvm-6.1", "shadow-kvm", NULL},
    {"sapphire-rapids", "kvm-6.1", "ept", NULL},
    {"zen", "textbook", "npt", NULL},
    {"zen", "kvm-6.1", "npt", NULL},
    {"zen", "kvm-6.1", "npt", "vmm.apic.avic=yes"},
};
static const char *const ways[] = {"page", "cr8", "x2apic"}, *const timers[] = {"periodic", "one-shot", "deadline"};

/* A periodic timer keeps its rate; the others wait for their handler to set them again. */
static void the_tick_keeps_its_rate(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof machines / sizeof *machines; m++)
        for (unsigned w = 0; w < 3; w++)
            for (unsigned t = 0; t < 3; t++) {
                outcome o = run(&machines[m], ways[w], timers[t], 0);
                uint64_t most = o.cycles / PERIOD + 1;
                if (o.ticks > most || o.ticks + 1 + (t ? most / 2 : 1) < most || o.ticks < 2 || o.ticks != o.interrupts)
                    fail_msg("%s %s, %s, %s: %u ticks in %u cycles", machines[m].cpu, machines[m].vmm, ways[w],
                             timers[t], (unsigned)o.ticks, (unsigned)o.cycles);
            }
}

/* Exits of a tick: its expiry, its EOI, and setting it again. */
static void what_a_tick_costs(void **state)
{
    (void)state;
    const machine *nehalem = &machines[4], *kvm = &machines[5], *apicv = &machines[7], *zen = &machines[9];
    const machine *avic = &machines[10];
    outcome o = run(nehalem, "page", "periodic", 0);
    assert_int_equal(o.preemption, 0);
    assert_true(o.external > 0 && o.external <= o.ticks); /* a fault's exit may find it due */
    assert_int_equal(o.access, o.ticks);
    o = run(nehalem, "page", "one-shot", 0);
    assert_int_equal(o.access, 2 * o.ticks);
    o = run(kvm, "x2apic", "deadline", 0);
    assert_int_equal(o.external, 0);
    assert_true(o.preemption > 0 && o.preemption <= o.ticks);
    assert_int_equal(o.msr, 2 * o.ticks);
    o = run(apicv, "page", "periodic", 0);
    assert_true(o.preemption > 0 && o.preemption <= o.ticks);
    assert_int_equal(o.access + o.apic_write + o.external, 0);
    o = run(apicv, "page", "one-shot", 0);
    assert_int_equal(o.apic_write, o.ticks);
    o = run(zen, "x2apic", "deadline", 0);
    assert_true(o.external > 0 && o.external <= o.ticks);
    assert_int_equal(o.msr, 2 * o.ticks);
    o = run(avic, "page", "one-shot", 0);
    assert_true(o.external > 0 && o.external <= o.ticks);
    assert_int_equal(o.npf, o.ticks);
}

/* Time goes on at the end of warm-up. */
static void warm_up_does_not_disturb_it(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof machines / sizeof *machines; m++)
        for (unsigned t = 0; t < 3; t++) {
            outcome whole = run(&machines[m], "page", timers[t], 0);
            outcome late = run(&machines[m], "page", timers[t], 50000);
            assert_true(late.ticks > 0 && late.ticks < whole.ticks);
            uint64_t expected = late.cycles / PERIOD;
            assert_true(t || (late.ticks >= expected && late.ticks <= expected + 1));
        }
}

/* A period that the handler with its exits outlasts is an error, not a loop. */
static void a_timer_faster_than_its_handler(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof machines / sizeof *machines; m++) {
        const char *sets[] = {"vm.priority.apic=page", "vm.priority.timer=periodic", "vm.priority.timer_period=100",
                              machines[m].set};
        vx_sim_options options = {.cpu = machines[m].cpu,
                                  .vmm = machines[m].vmm,
                                  .scheme = machines[m].scheme,
                                  .traces = generated,
                                  .trace_count = 1,
                                  .seed = 1,
                                  .sets = sets,
                                  .set_count = machines[m].set ? 4 : 3};
        vx_sim *sim;
        vx_msg msg = {{0}};
        assert_int_equal(vx_sim_open(&sim, &options, &msg), VX_OK);
        assert_int_equal(vx_sim_run(sim, &msg), VX_ERR_CHECK);
        assert_non_null(strstr(msg.text, "timer"));
        vx_sim_close(sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tick_keeps_its_rate),
        cmocka_unit_test(what_a_tick_costs),
        cmocka_unit_test(warm_up_does_not_disturb_it),
        cmocka_unit_test(a_timer_faster_than_its_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
