/* One VM of several vCPUs: interrupts between them, what they cost in exits and when they come; timers, HLT, traces. */
#include <string.h>
#include <unistd.h>

#include "failing_malloc.h"
#include "test_support.h"
#include "vcpus_world.h"

/* vCPU 0 interrupts all others M times: (N - 1) x M interrupts, and as many exits of those who get them; with posted
 * interrupts and without a hypervisor none. */
static void interrupts_by_closed_form(void **state)
{
    (void)state;
    enum { SENT = 50 };
    for (unsigned vcpus = 2; vcpus <= VCPUS_MAX; vcpus++)
        for (unsigned m = 0; m < VCPUS_PLAIN_MACHINES; m++) {
            vcpus_begin(vcpus);
            for (unsigned i = 0; i < SENT; i++) {
                vcpus_compute(0, 200);
                vcpus_send(0, VCPUS_ALL_BUT_SELF | VCPUS_VECTOR);
            }
            vcpus_compute(0, 1000);
            for (unsigned i = 1; i < vcpus; i++) vcpus_compute(i, 19000); /* others have longer */
            vcpus_setup s = vcpus_setup_of(&vcpus_machines[m], vcpus);
            vcpus_set(&s, "vm.fault_instructions=100");
            vx_sim *sim = vcpus_run(&s);
            uint64_t all = SENT * (vcpus - 1);
            assert_int_equal(figure_or_0(sim, "smp.ipis.sent"), all);
            assert_int_equal(figure_or_0(sim, "smp.ipis.received"), all);
            assert_int_equal(figure_or_0(sim, "events.interrupts"), all);
            assert_int_equal(vcpus_external_exits(sim), all * vcpus_machines[m].external);
            for (unsigned i = 1; i < vcpus; i++) assert_int_equal(vcpus_figure_of(sim, i, "ipis", "received"), SENT);
            assert_int_equal(vcpus_figure_of(sim, 0, "ipis", "sent"), all);
            assert_int_equal(figure_or_0(sim, "smp.rest.waiting"), 0);
            vx_sim_close(sim);
        }
}

/* A destination that is not everybody; oneself; nobody; what no vCPU is modelled to take. */
static void destinations(void **state)
{
    (void)state;
    vcpus_begin(3);
    vcpus_compute(0, 100);
    vcpus_send(0, 2ULL << 32 | VCPUS_VECTOR); /* vCPU 2 */
    vcpus_compute(0, 500);
    vcpus_send(0, 1U << 18 | VCPUS_VECTOR);            /* itself */
    vcpus_send(0, 9ULL << 32 | VCPUS_VECTOR);          /* nobody */
    vcpus_send(0, 1ULL << 32 | 4U << 8);               /* NMI */
    vcpus_send(0, 1ULL << 32 | 5U << 8 | 1U << 14);    /* INIT */
    vcpus_send(0, 0xFFFFFFFFULL << 32 | VCPUS_VECTOR); /* all, itself too */
    vcpus_compute(0, 1000);
    vcpus_compute(1, 5000);
    vcpus_compute(2, 5000);
    vcpus_setup s = vcpus_setup_of(&vcpus_machines[1], 3);
    vx_sim *sim = vcpus_run(&s);
    assert_int_equal(figure_or_0(sim, "smp.ipis.sent"), 3);
    assert_int_equal(vcpus_figure_of(sim, 0, "events", "interrupts"), 2);
    assert_int_equal(vcpus_figure_of(sim, 1, "ipis", "received"), 1);
    assert_int_equal(vcpus_figure_of(sim, 2, "ipis", "received"), 2);
    vx_sim_close(sim);
}

/* HLT rests until the interrupt, which needs no exit of its own then; where none ever comes the trace goes on. */
static void halt_and_wake(void **state)
{
    (void)state;
    for (unsigned m = 0; m < VCPUS_MACHINES; m++) {
        vcpus_begin(2);
        vcpus_compute(0, 5000);
        vcpus_send(0, VCPUS_ALL_BUT_SELF | VCPUS_VECTOR);
        vcpus_compute(0, 10);
        vcpus_compute(1, 10);
        for (unsigned i = 0; i < 2; i++) {
            vcpus_add(1, (vx_record){.kind = VX_REC_HLT});
            vcpus_compute(1, 10);
        }
        vcpus_setup s = vcpus_setup_of(&vcpus_machines[m], 2);
        vx_sim *sim = vcpus_run(&s);
        assert_int_equal(vcpus_figure_of(sim, 1, "ipis", "received"), 1);
        assert_int_equal(vcpus_external_exits(sim), 0);
        bool native = strcmp(vcpus_machines[m].scheme, "native") == 0;
        assert_int_equal(figure_or_0(sim, "exits.by_reason.HLT.count") + figure_or_0(sim, "exits.by_reason.hlt.count"),
                         native ? 0 : 2);
        /* It slept from its beginning until the other's 50,000 instructions and the interrupt's way were over. */
        assert_true(figure_or_0(sim, "smp.rest.halted") > 18000 && figure_or_0(sim, "smp.rest.halted") < 90000);
        vx_sim_close(sim);
    }
}

/* Each vCPU has the timer of its own APIC, whether it runs, waits or has halted. */
static void timers_of_their_own(void **state)
{
    (void)state;
    for (unsigned m = 0; m < VCPUS_MACHINES; m++) {
        vcpus_begin(2);
        vcpus_compute(0, 10000);
        vcpus_compute(1, 10);
        for (unsigned i = 0; i < 3; i++) {
            vcpus_add(1, (vx_record){.kind = VX_REC_HLT});
            vcpus_compute(1, 10);
        }
        vcpus_setup s = vcpus_setup_of(&vcpus_machines[m], 2);
        vcpus_set(&s, "vm.priority.apic=page");
        vcpus_set(&s, "vm.priority.timer=periodic");
        vcpus_set(&s, "vm.priority.timer_period=20000");
        vcpus_set(&s, "vm.fault_instructions=100");
        vx_sim *sim = vcpus_run(&s);
        assert_int_equal(vcpus_figure_of(sim, 1, "events", "interrupts"), 3); /* a tick ends each HLT */
        assert_true(vcpus_figure_of(sim, 0, "events", "interrupts") >= 3);
        assert_int_equal(figure_or_0(sim, "smp.ipis.sent"), 0);
        assert_true(vcpus_figure_of(sim, 1, "rest", "halted") > 10000 &&
                    vcpus_figure_of(sim, 1, "rest", "halted") < 60000);
        vx_sim_close(sim);
    }
}

/* No later than the bound: the quantum less the way, and the record that was in progress. */
static void lateness(void **state)
{
    (void)state;
    static const vx_tick quanta[] = {1, 100, 1000, 4000, 20000};
    enum { RECORD = 400 }; /* the dearest here: an interrupt's delivery with its handler of 100 instructions */
    for (size_t q = 0; q < sizeof quanta / sizeof *quanta; q++) {
        vcpus_begin(2);
        for (unsigned n = 0; n < 50; n++) {
            vcpus_compute(1, 187);
            vcpus_send(1, VCPUS_ALL_BUT_SELF | VCPUS_VECTOR);
        }
        vcpus_compute(0, 12000); /* is stepped first, and runs ahead as far as it may */
        vcpus_compute(1, 400);   /* until the last has come */
        vcpus_setup s = vcpus_setup_of(&vcpus_machines[0], 2);
        vcpus_set(&s, "vm.fault_instructions=100");
        vcpus_set(&s, "cpu.cost.interrupt_ticks=100");
        s.options.quantum = quanta[q];
        s.options.warmup = 100;
        vx_sim *sim = vcpus_run(&s);
        uint64_t bound = (quanta[q] > VCPUS_IPI_TICKS ? quanta[q] - VCPUS_IPI_TICKS : 0) + RECORD;
        uint64_t latest = figure_or_0(sim, "smp.ipis.latest");
        if (latest > bound) fail_msg("quantum %u: %u ticks late", (unsigned)quanta[q], (unsigned)latest);
        if (quanta[q] == 20000) assert_true(latest > RECORD); /* the bound bounds something */
        assert_int_equal(figure_or_0(sim, "smp.ipis.sent"), 50);
        assert_int_equal(figure_or_0(sim, "smp.ipis.received"), 50);
        vx_sim_close(sim);
    }
}

/* vCPUs that share nothing count what they count at any quantum, and alone. */
static void strangers_do_not_feel_each_other(void **state)
{
    (void)state;
    static const char *const generated[] = {"gen:random:bytes=2m,refs=20k", "gen:sequential:bytes=4m,refs=20k"};
    uint64_t first[3] = {0};
    for (vx_tick quantum = 1; quantum <= 10000; quantum *= 100) {
        vcpus_setup s = {.options = {.cpu = "nehalem",
                                     .scheme = "native",
                                     .vcpus = 2,
                                     .traces = generated,
                                     .trace_count = 2,
                                     .vm_of_trace = vcpus_numbers,
                                     .quantum = quantum,
                                     .seed = 1}};
        vx_sim *sim = vcpus_run(&s);
        const uint64_t now[3] = {figure_or_0(sim, "cycles.total"), vcpus_figure_of(sim, 0, "walks", "count"),
                                 vcpus_figure_of(sim, 1, "walks", "count")};
        if (quantum == 1) memcpy(first, now, sizeof now);
        assert_memory_equal(first, now, sizeof now);
        vx_sim_close(sim);
    }
    uint64_t alone = 0;
    for (unsigned i = 0; i < 2; i++) {
        /* The vCPU's seed is its own. */
        vcpus_setup s = {
            .options = {
                .cpu = "nehalem", .scheme = "native", .traces = &generated[i], .trace_count = 1, .seed = 1 + i * 64}};
        vcpus_set(&s, "vm.priority.apic=x2apic");
        vx_sim *sim = vcpus_run(&s);
        alone += figure_or_0(sim, "cycles.total");
        assert_int_equal(figure_or_0(sim, "walks.count"), first[1 + i]);
        vx_sim_close(sim);
    }
    assert_int_equal(first[0], alone);
}

/* A file with a stream a vCPU, once for all. */
static void streams_of_one_file(void **state)
{
    (void)state;
    vx_msg msg = {{0}};
    const vx_trace_header header = {.tier = VX_TIER_FULL, .kind = VX_TRACE_USER, .paging = VX_PAGING_4LEVEL};
    char path[] = "/tmp/vexit-streams-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    vx_trace_writer *writer;
    assert_int_equal(vx_trace_writer_open(&writer, path, &header, NULL, &msg), VX_OK);
    vcpus_begin(2);
    vcpus_compute(0, 100);
    vcpus_compute(1, 250);
    for (unsigned i = 0; i < 2; i++) {
        const vx_batch batch = {vcpus_programs[i].records, vcpus_programs[i].count, vcpus_programs[i].payload,
                                vcpus_programs[i].words};
        assert_int_equal(vx_trace_writer_put(writer, i, &batch, &msg), VX_OK);
    }
    assert_int_equal(vx_trace_writer_finish(writer, &msg), VX_OK);
    const char *const traces[] = {path};
    vcpus_setup s = {.options = {.cpu = "nehalem", .scheme = "ept", .vcpus = 2, .traces = traces, .trace_count = 1}};
    vcpus_set(&s, "vm.fault_instructions=0");
    vx_sim *sim = vcpus_run(&s);
    assert_int_equal(vcpus_figure_of(sim, 0, NULL, "instructions"), 1000);
    assert_int_equal(vcpus_figure_of(sim, 1, NULL, "instructions"), 2500);
    assert_int_equal(figure_or_0(sim, "paging.os.faults"), 1); /* threads: the page is there for the other */
    vx_sim_close(sim);
    s.options.vcpus = 3;
    assert_int_equal(vx_sim_open(&sim, &s.options, &msg), VX_ERR_INPUT);
    assert_non_null(strstr(msg.text, ": 2 streams, but 3 vCPUs"));
    unlink(path);
}

/* Every allocation of opening and of running fails once. */
static void memory_runs_out(void **state)
{
    (void)state;
    vcpus_begin(2);
    vcpus_compute(0, 50);
    vcpus_compute(1, 50);
    vcpus_setup s = vcpus_setup_of(&vcpus_machines[1], 2);
    s.options.check = false;
    vcpus_set(&s, "vm.ram_bytes=1m");
    s.options.sets = s.sets;
    bool failed = true;
    uint64_t n = 1;
    for (; failed; n++) {
        vx_sim *sim = NULL;
        vx_msg msg = {{0}};
        vx_fail_allocation(n);
        vx_status status = vx_sim_open(&sim, &s.options, &msg);
        if (status == VX_OK) status = vx_sim_run(sim, &msg);
        failed = vx_fail_allocation_end();
        if (failed && status != VX_ERR_NOMEM) fail_msg("allocation %u: %s", (unsigned)n, msg.text);
        if (!failed) assert_int_equal(status, VX_OK);
        vx_sim_close(sim);
    }
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interrupts_by_closed_form),
        cmocka_unit_test(destinations),
        cmocka_unit_test(halt_and_wake),
        cmocka_unit_test(timers_of_their_own),
        cmocka_unit_test(lateness),
        cmocka_unit_test(strangers_do_not_feel_each_other),
        cmocka_unit_test(streams_of_one_file),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
