/* One VM of several vCPUs: what its interrupts and shootdowns cost in exits, when they come, and that no vCPU ever uses
 * a translation that was shot down. */
#include <string.h>
#include <unistd.h>

#include "failing_malloc.h"
#include "test_support.h"
#include "vexit.h"
#include "vx_random.h"
#include "vx_trace.h"

enum { VCPUS_MAX = 4, SETS_MAX = 12, VECTOR = 0x41, IPI_TICKS = 1000 };
#define CODE 0x10000ULL
#define ICR_MSR 0x830
#define ALL_BUT_SELF (3U << 18)

/* ---- programs: a trace from memory for each vCPU ---- */

typedef struct program {
    vx_record records[20000];
    uint64_t payload[400];
    size_t count;
    uint32_t words;
} program;

typedef struct program_source {
    vx_source base;
    const program *program;
    bool given;
} program_source;

static program programs[VCPUS_MAX];

static vx_status give(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    (void)msg;
    program_source *s = (program_source *)source;
    const program *p = s->program;
    *batch = (vx_batch){p->records, s->given ? 0 : p->count, p->payload, p->words};
    s->given = true;
    return VX_OK;
}

static void forget(vx_source *source) { free(source); }
static const vx_source_ops program_ops = {give, forget};

/* `trace` is the program's number. */
static vx_status open_program(void *context, vx_source **source, const char *trace, vx_msg *msg)
{
    (void)context;
    program_source *made = malloc(sizeof *made);
    if (!made) return vx_fail_nomem(msg);
    *made = (program_source){.base = {&program_ops, {.tier = VX_TIER_FULL, .kind = VX_TRACE_USER}},
                             .program = &programs[trace[0] - '0']};
    *source = &made->base;
    return VX_OK;
}

static void begin(unsigned vcpus)
{
    for (unsigned i = 0; i < vcpus; i++) programs[i].count = programs[i].words = 0;
}

static void add(unsigned vcpu, vx_record record) { programs[vcpu].records[programs[vcpu].count++] = record; }

/* Blocks of ten instructions. */
static void compute(unsigned vcpu, unsigned blocks)
{
    for (unsigned i = 0; i < blocks; i++)
        add(vcpu, (vx_record){.kind = VX_REC_FETCH, .addr = CODE, .count = 10, .arg = 40});
}

static void send(unsigned vcpu, uint64_t icr)
{
    program *p = &programs[vcpu];
    p->payload[p->words] = icr;
    add(vcpu, (vx_record){.kind = VX_REC_WRMSR, .addr = ICR_MSR, .count = 1, .arg = p->words++});
}

/* ---- runs ---- */

typedef struct machine {
    const char *cpu, *scheme;
    const char *set[3];
    unsigned external; /* exits of a vCPU that is interrupted while it runs */
} machine;

static const machine machines[] = {
    {"nehalem", "native", {NULL}, 0},
    {"nehalem", "ept", {NULL}, 1},
    {"nehalem", "ept+vpid", {NULL}, 1},
    {"penryn", "shadow-vtlb", {NULL}, 1},
    {"zen", "npt", {NULL}, 1},
    {"sapphire-rapids", "ept+vpid", {"vmm.apic.flexpriority=yes", "vmm.apic.apicv=yes"}, 0}, /* posted interrupts */
    {"nehalem", "shadow-kvm", {"vmm.shadow.flood_writes=3"}, 1},
    {"zen", "shadow-kvm+vpid", {NULL}, 1},
};
/* Of shared shadow pages the hypervisor tells the others too, and who waits for it is in no guest that could exit. */
enum { MACHINES = sizeof machines / sizeof *machines, PLAIN_MACHINES = MACHINES - 2 };

static const char *const names[] = {"0", "1", "2", "3"};
static const unsigned numbers[] = {0, 1, 2, 3};

typedef struct setup {
    vx_sim_options options;
    const char *sets[SETS_MAX];
} setup;

/* A trace a vCPU, from the programs; more sets may follow. */
static setup setup_of(const machine *m, unsigned vcpus)
{
    setup s = {.options = {.cpu = m->cpu,
                           .scheme = m->scheme,
                           .vcpus = vcpus,
                           .traces = names,
                           .trace_count = vcpus,
                           .vm_of_trace = numbers,
                           .open_source = open_program,
                           .check = true,
                           .seed = 1}};
    for (unsigned i = 0; i < 3 && m->set[i]; i++) s.sets[s.options.set_count++] = m->set[i];
    return s;
}

static void set(setup *s, const char *assignment) { s->sets[s->options.set_count++] = assignment; }

static vx_sim *run(setup *s)
{
    vx_sim *sim = NULL;
    vx_msg msg = {{0}};
    s->options.sets = s->sets;
    if (vx_sim_open(&sim, &s->options, &msg) != VX_OK || vx_sim_run(sim, &msg) != VX_OK) fail_msg("%s", msg.text);
    return sim;
}

static uint64_t value(const vx_sim *sim, const char *path)
{
    uint64_t got = 0;
    (void)vx_sim_value(sim, path, &got);
    return got;
}

static uint64_t external_exits(const vx_sim *sim)
{
    return value(sim, "exits.by_reason.EXTERNAL_INTERRUPT.count") + value(sim, "exits.by_reason.interrupt.count");
}

/* One figure of one vCPU, 0 where it is not there. */
static uint64_t of_vcpu(const vx_sim *sim, unsigned vcpu, const char *object, const char *member)
{
    vx_msg msg;
    json_t *report = vx_sim_run_json(sim, &msg);
    const json_t *one = json_array_get(json_object_get(report, "vcpus"), vcpu);
    const json_t *got = object ? json_object_get(one, object) : one;
    uint64_t count = (uint64_t)json_integer_value(json_object_get(got, member));
    json_decref(report);
    return count;
}

/* ---- interrupts ---- */

/* vCPU 0 interrupts all others M times: (N - 1) x M interrupts, and as many exits of those who get them; with posted
 * interrupts and without a hypervisor none. */
static void interrupts_by_closed_form(void **state)
{
    (void)state;
    enum { SENT = 50 };
    for (unsigned vcpus = 2; vcpus <= VCPUS_MAX; vcpus++)
        for (unsigned m = 0; m < PLAIN_MACHINES; m++) {
            begin(vcpus);
            for (unsigned i = 0; i < SENT; i++) {
                compute(0, 200);
                send(0, ALL_BUT_SELF | VECTOR);
            }
            compute(0, 1000);
            for (unsigned i = 1; i < vcpus; i++) compute(i, 19000); /* others have longer */
            setup s = setup_of(&machines[m], vcpus);
            set(&s, "vm.fault_instructions=100");
            vx_sim *sim = run(&s);
            uint64_t all = SENT * (vcpus - 1);
            assert_int_equal(value(sim, "smp.ipis.sent"), all);
            assert_int_equal(value(sim, "smp.ipis.received"), all);
            assert_int_equal(value(sim, "events.interrupts"), all);
            assert_int_equal(external_exits(sim), all * machines[m].external);
            for (unsigned i = 1; i < vcpus; i++) assert_int_equal(of_vcpu(sim, i, "ipis", "received"), SENT);
            assert_int_equal(of_vcpu(sim, 0, "ipis", "sent"), all);
            assert_int_equal(value(sim, "smp.rest.waiting"), 0);
            vx_sim_close(sim);
        }
}

/* A destination that is not everybody; oneself; nobody; what no vCPU is modelled to take. */
static void destinations(void **state)
{
    (void)state;
    begin(3);
    compute(0, 100);
    send(0, 2ULL << 32 | VECTOR); /* vCPU 2 */
    compute(0, 500);
    send(0, 1U << 18 | VECTOR);               /* itself */
    send(0, 9ULL << 32 | VECTOR);             /* nobody */
    send(0, 1ULL << 32 | 4U << 8);            /* NMI */
    send(0, 1ULL << 32 | 5U << 8 | 1U << 14); /* INIT */
    send(0, 0xFFFFFFFFULL << 32 | VECTOR);    /* all, itself too */
    compute(0, 1000);
    compute(1, 5000);
    compute(2, 5000);
    setup s = setup_of(&machines[1], 3);
    vx_sim *sim = run(&s);
    assert_int_equal(value(sim, "smp.ipis.sent"), 3);
    assert_int_equal(of_vcpu(sim, 0, "events", "interrupts"), 2);
    assert_int_equal(of_vcpu(sim, 1, "ipis", "received"), 1);
    assert_int_equal(of_vcpu(sim, 2, "ipis", "received"), 2);
    vx_sim_close(sim);
}

/* HLT rests until the interrupt, which needs no exit of its own then; where none ever comes the trace goes on. */
static void halt_and_wake(void **state)
{
    (void)state;
    for (unsigned m = 0; m < MACHINES; m++) {
        begin(2);
        compute(0, 5000);
        send(0, ALL_BUT_SELF | VECTOR);
        compute(0, 10);
        compute(1, 10);
        for (unsigned i = 0; i < 2; i++) {
            add(1, (vx_record){.kind = VX_REC_HLT});
            compute(1, 10);
        }
        setup s = setup_of(&machines[m], 2);
        vx_sim *sim = run(&s);
        assert_int_equal(of_vcpu(sim, 1, "ipis", "received"), 1);
        assert_int_equal(external_exits(sim), 0);
        bool native = strcmp(machines[m].scheme, "native") == 0;
        assert_int_equal(value(sim, "exits.by_reason.HLT.count") + value(sim, "exits.by_reason.hlt.count"),
                         native ? 0 : 2);
        /* It slept from its beginning until the other's 50,000 instructions and the interrupt's way were over. */
        assert_true(value(sim, "smp.rest.halted") > 18000 && value(sim, "smp.rest.halted") < 90000);
        vx_sim_close(sim);
    }
}

/* Each vCPU has the timer of its own APIC, whether it runs, waits or has halted. */
static void timers_of_their_own(void **state)
{
    (void)state;
    for (unsigned m = 0; m < MACHINES; m++) {
        begin(2);
        compute(0, 10000);
        compute(1, 10);
        for (unsigned i = 0; i < 3; i++) {
            add(1, (vx_record){.kind = VX_REC_HLT});
            compute(1, 10);
        }
        setup s = setup_of(&machines[m], 2);
        set(&s, "vm.priority.apic=page");
        set(&s, "vm.priority.timer=periodic");
        set(&s, "vm.priority.timer_period=20000");
        set(&s, "vm.fault_instructions=100");
        vx_sim *sim = run(&s);
        assert_int_equal(of_vcpu(sim, 1, "events", "interrupts"), 3); /* a tick ends each HLT */
        assert_true(of_vcpu(sim, 0, "events", "interrupts") >= 3);
        assert_int_equal(value(sim, "smp.ipis.sent"), 0);
        assert_true(of_vcpu(sim, 1, "rest", "halted") > 10000 && of_vcpu(sim, 1, "rest", "halted") < 60000);
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
        begin(2);
        for (unsigned n = 0; n < 50; n++) {
            compute(1, 187);
            send(1, ALL_BUT_SELF | VECTOR);
        }
        compute(0, 12000); /* is stepped first, and runs ahead as far as it may */
        compute(1, 400);   /* until the last has come */
        setup s = setup_of(&machines[0], 2);
        set(&s, "vm.fault_instructions=100");
        set(&s, "cpu.cost.interrupt_ticks=100");
        s.options.quantum = quanta[q];
        s.options.warmup = 100;
        vx_sim *sim = run(&s);
        uint64_t bound = (quanta[q] > IPI_TICKS ? quanta[q] - IPI_TICKS : 0) + RECORD;
        uint64_t latest = value(sim, "smp.ipis.latest");
        if (latest > bound) fail_msg("quantum %u: %u ticks late", (unsigned)quanta[q], (unsigned)latest);
        if (quanta[q] == 20000) assert_true(latest > RECORD); /* the bound bounds something */
        assert_int_equal(value(sim, "smp.ipis.sent"), 50);
        assert_int_equal(value(sim, "smp.ipis.received"), 50);
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
        setup s = {.options = {.cpu = "nehalem",
                               .scheme = "native",
                               .vcpus = 2,
                               .traces = generated,
                               .trace_count = 2,
                               .vm_of_trace = numbers,
                               .quantum = quantum,
                               .seed = 1}};
        vx_sim *sim = run(&s);
        const uint64_t now[3] = {value(sim, "cycles.total"), of_vcpu(sim, 0, "walks", "count"),
                                 of_vcpu(sim, 1, "walks", "count")};
        if (quantum == 1) memcpy(first, now, sizeof now);
        assert_memory_equal(first, now, sizeof now);
        vx_sim_close(sim);
    }
    uint64_t alone = 0;
    for (unsigned i = 0; i < 2; i++) {
        /* The vCPU's seed is its own. */
        setup s = {
            .options = {
                .cpu = "nehalem", .scheme = "native", .traces = &generated[i], .trace_count = 1, .seed = 1 + i * 64}};
        set(&s, "vm.priority.apic=x2apic");
        vx_sim *sim = run(&s);
        alone += value(sim, "cycles.total");
        assert_int_equal(value(sim, "walks.count"), first[1 + i]);
        vx_sim_close(sim);
    }
    assert_int_equal(first[0], alone);
}

/* ---- shootdowns ---- */

/* vCPU 0 unmaps pages while the others, whose instructions exit and so take long, never come to it. */
static vx_sim *run_unmapping(const machine *m, unsigned vcpus, const char *unmap)
{
    enum { PAGES = 40 };
    begin(vcpus);
    for (unsigned page = 0; page < PAGES; page++)
        for (unsigned i = 0; i < vcpus; i++)
            if (i == 0 || page == 0)
                add(i, (vx_record){.kind = VX_REC_LOAD, .size = 8, .addr = 0x400000 + page * 4096ULL});
    compute(0, 18000);
    for (unsigned i = 1; i < vcpus; i++) {
        compute(i, 1);
        for (unsigned n = 0; n < 300; n++) add(i, (vx_record){.kind = VX_REC_CPUID});
    }
    setup s = setup_of(m, vcpus);
    set(&s, "vm.vcpus=threads");
    set(&s, "vm.fault_instructions=10");
    set(&s, unmap);
    return run(&s);
}

/* M pages: one command each, (N - 1) x M interrupts, answers and exits of receivers; none of these exits with posted
 * interrupts. */
static void shootdowns_by_closed_form(void **state)
{
    (void)state;
    for (unsigned vcpus = 2; vcpus <= VCPUS_MAX; vcpus++)
        for (unsigned m = 1; m < PLAIN_MACHINES; m++) {
            vx_sim *sim = run_unmapping(&machines[m], vcpus, "vm.unmap_instructions=10000");
            uint64_t unmapped = value(sim, "paging.os.unmaps"), all = unmapped * (vcpus - 1);
            assert_true(unmapped >= 15);
            assert_int_equal(value(sim, "paging.os.shootdowns.count"), unmapped);
            assert_int_equal(value(sim, "paging.os.shootdowns.ipis"), all);
            assert_int_equal(value(sim, "paging.os.shootdowns.answers"), all);
            assert_int_equal(value(sim, "smp.ipis.sent"), all);
            assert_int_equal(external_exits(sim), all * machines[m].external);
            bool exits = strcmp(machines[m].scheme, "shadow-vtlb") == 0; /* INVLPG: the hypervisor drops its entry */
            assert_int_equal(value(sim, exits ? "exits.by_reason.INVLPG.count" : "tlb.flushes.invlpg.count"),
                             unmapped * vcpus);
            /* Who unmaps waits for the way at least. */
            assert_true(of_vcpu(sim, 0, "rest", "waiting") >= unmapped * IPI_TICKS);
            vx_sim_close(sim);
        }
}

/* KVM's shadow pages are the VM's: the INVLPG of who unmaps takes the shared entry away, and its hypervisor tells the
 * others, before the guest does. Theirs finds nothing left. */
static void shared_shadows_are_flushed(void **state)
{
    (void)state;
    for (unsigned vcpus = 2; vcpus <= VCPUS_MAX; vcpus++)
        for (unsigned m = PLAIN_MACHINES; m < MACHINES; m++) {
            vx_sim *none = run_unmapping(&machines[m], vcpus, "vm.unmap_instructions=0");
            vx_sim *sim = run_unmapping(&machines[m], vcpus, "vm.unmap_instructions=10000");
            uint64_t unmapped = value(sim, "paging.os.unmaps");
            uint64_t flushes = value(sim, "paging.remote_flushes.count") - value(none, "paging.remote_flushes.count");
            uint64_t kicks = value(sim, "paging.remote_flushes.kicks") - value(none, "paging.remote_flushes.kicks");
            assert_true(unmapped >= 15);
            assert_int_equal(flushes, unmapped);
            assert_int_equal(kicks, unmapped * (vcpus - 1));
            assert_true(value(sim, "paging.remote_flushes.cycles") >= kicks * 1000);
            vx_sim_close(none);
            vx_sim_close(sim);
        }
}

/* The hypervisor's own: for each page that the host takes away every processor drops what it holds of the nested
 * tables, those that run the guest by an exit. */
static void reclaims_by_closed_form(void **state)
{
    (void)state;
    static const machine nested[] = {
        {"nehalem", "ept", {NULL}, 0}, {"haswell", "ept+vpid", {NULL}, 0}, {"zen", "npt", {NULL}, 0}};
    for (unsigned vcpus = 1; vcpus <= VCPUS_MAX; vcpus++)
        for (unsigned m = 0; m < 3; m++) {
            begin(vcpus);
            for (unsigned i = 0; i < vcpus; i++) {
                for (unsigned page = 0; page < 20; page++)
                    add(i, (vx_record){.kind = VX_REC_LOAD, .size = 8, .addr = 0x400000 + page * 4096ULL});
                if (i == 3) add(i, (vx_record){.kind = VX_REC_HLT}); /* the fourth sleeps */
                compute(i, i == 3 ? 1 : 19000);
            }
            setup s = setup_of(&nested[m], vcpus);
            set(&s, "vm.vcpus=threads");
            set(&s, "vmm.nested.reclaim_ticks=9000");
            vx_sim *sim = run(&s); /* and the tables verify */
            uint64_t taken = value(sim, "paging.reclaims"), running = vcpus < 4 ? vcpus : 3;
            bool amd = strcmp(nested[m].cpu, "zen") == 0;
            uint64_t flushes = value(sim, amd ? "tlb.flushes.flush_asid.count" : "tlb.flushes.invept_all.count");
            uint64_t kicks = value(sim, "paging.remote_flushes.kicks");
            assert_true(taken > 10);
            /* All run about as long, the last page's interrupt may not have come, and the fourth is awake at first. */
            uint64_t awake = vcpus == 4 ? 5 : 0;
            assert_true(kicks >= (taken - 3) * running && kicks <= taken * running + awake);
            assert_int_equal(external_exits(sim), kicks);
            if (!amd) assert_true(flushes >= (taken - 3) * vcpus && flushes <= taken * vcpus);
            assert_true(value(sim, "paging.remote_flushes.cycles") >= kicks * 1000);
            assert_true(value(sim, "paging.first_touches") >= 20);
            vx_sim_close(sim);
        }
}

/* Random programs on shared memory, --check comparing each translation that is used with the tables of that moment: a
 * stale one is only let pass until its shootdown is answered. */
static void no_stale_translation(void **state)
{
    (void)state;
    const uint64_t seed = vx_test_seed();
    static const char *const habits[] = {"vm.priority.apic=x2apic", "vm.priority.apic=page"};
    uint64_t stale = 0, shootdowns = 0;
    vx_random random;
    vx_random_init(&random, seed, "vcpus");
    for (unsigned round = 0; round < 32; round++) {
        const machine *m = &machines[round % MACHINES];
        unsigned vcpus = 2 + (unsigned)vx_random_below(&random, 3);
        begin(vcpus);
        for (unsigned i = 0; i < vcpus; i++)
            for (unsigned n = 0; n < 3000; n++) {
                uint64_t gva = 0x400000 + vx_random_below(&random, 40) * 4096;
                bool store = vx_random_below(&random, 2);
                add(i, (vx_record){.kind = store ? VX_REC_STORE : VX_REC_LOAD, .size = 8, .addr = gva});
                compute(i, (unsigned)vx_random_below(&random, 3));
                if (vx_random_below(&random, 400) == 0)
                    add(i, (vx_record){.kind = VX_REC_PROCESS, .addr = vx_random_below(&random, 2)});
            }
        setup s = setup_of(m, vcpus);
        bool pcid = strcmp(m->cpu, "sapphire-rapids") == 0;
        set(&s, "vm.vcpus=threads");
        set(&s, "vm.fault_instructions=50");
        set(&s, vx_random_below(&random, 2) ? "vm.unmap_every=2" : "vm.unmap_instructions=2000");
        set(&s, habits[vx_random_below(&random, 2)]);
        set(&s, pcid ? "vm.pcid=yes" : "vm.pcid=no");
        s.options.quantum = 1 + vx_random_below(&random, 3000);
        if (m == &machines[2] && vx_random_below(&random, 2)) s.options.nested = "kvm-6.1";
        vx_sim *sim = run(&s); /* fails where a translation is stale without an excuse */
        shootdowns += value(sim, "paging.os.shootdowns.count");
        assert_int_equal(value(sim, "smp.ipis.sent"), value(sim, "smp.ipis.received"));
        stale += value(sim, "paging.stale_uses");
        vx_sim_close(sim);
    }
    assert_true(shootdowns > 200 && stale > 0); /* the windows are there */
}

/* The vCPUs of a nested guest share both tables: what L1 maps for one of them and L0 mends for one of them is there for
 * all. Of 4 KiB pages on both sides each of L1's violations is followed by one of EPT02. */
static void vcpus_of_a_nested_guest(void **state)
{
    (void)state;
    enum { SHARED_PAGES = 50 };
    uint64_t alone = 0;
    for (unsigned vcpus = 1; vcpus <= VCPUS_MAX; vcpus++) {
        begin(vcpus);
        for (unsigned i = 0; i < vcpus; i++) {
            for (unsigned n = 0; n < SHARED_PAGES; n++)
                add(i, (vx_record){.kind = VX_REC_LOAD, .size = 8, .addr = 0x400000 + n * 4096ULL});
            compute(i, 100);
        }
        setup s = setup_of(&machines[2], vcpus);
        s.options.nested = "textbook";
        set(&s, "vm.vcpus=threads");
        vx_sim *sim = run(&s); /* the tables verify, the identities hold */
        vx_msg msg;
        json_t *report = vx_sim_run_json(sim, &msg);
        const json_t *kinds =
            json_object_get(json_object_get(json_object_get(report, "nested"), "l0_exits"), "by_kind");
        uint64_t fills = (uint64_t)json_integer_value(json_object_get(kinds, "ept02_fill"));
        uint64_t violations = value(sim, "nested.l1_by_reason.EPT_VIOLATION.count");
        assert_int_equal(fills, violations);
        if (vcpus == 1) alone = violations;
        assert_true(alone >= SHARED_PAGES);
        assert_in_range(violations, alone, alone + 8 * (vcpus - 1)); /* a kernel's pages of each one's own */
        assert_int_equal(value(sim, "nested.ept02.entries"), fills);
        json_decref(report);
        vx_sim_close(sim);
    }
}

/* ---- traces ---- */

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
    begin(2);
    compute(0, 100);
    compute(1, 250);
    for (unsigned i = 0; i < 2; i++) {
        const vx_batch batch = {programs[i].records, programs[i].count, programs[i].payload, programs[i].words};
        assert_int_equal(vx_trace_writer_put(writer, i, &batch, &msg), VX_OK);
    }
    assert_int_equal(vx_trace_writer_finish(writer, &msg), VX_OK);
    const char *const traces[] = {path};
    setup s = {.options = {.cpu = "nehalem", .scheme = "ept", .vcpus = 2, .traces = traces, .trace_count = 1}};
    set(&s, "vm.fault_instructions=0");
    vx_sim *sim = run(&s);
    assert_int_equal(of_vcpu(sim, 0, NULL, "instructions"), 1000);
    assert_int_equal(of_vcpu(sim, 1, NULL, "instructions"), 2500);
    assert_int_equal(value(sim, "paging.os.faults"), 1); /* threads: the page is there for the other */
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
    begin(2);
    compute(0, 50);
    compute(1, 50);
    setup s = setup_of(&machines[1], 2);
    s.options.check = false;
    set(&s, "vm.ram_bytes=1m");
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
        cmocka_unit_test(shootdowns_by_closed_form),
        cmocka_unit_test(shared_shadows_are_flushed),
        cmocka_unit_test(reclaims_by_closed_form),
        cmocka_unit_test(no_stale_translation),
        cmocka_unit_test(vcpus_of_a_nested_guest),
        cmocka_unit_test(streams_of_one_file),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
