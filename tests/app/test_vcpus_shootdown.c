/* One VM of several vCPUs: what shootdowns by the guest and flushes by the hypervisor cost in exits, and that no vCPU
 * ever uses a translation that was shot down. */
#include <string.h>

#include "test_support.h"
#include "vcpus_world.h"
#include "vx_random.h"

/* vCPU 0 unmaps pages while the others, whose instructions exit and so take long, never come to it. */
static vx_sim *run_unmapping(const vcpus_machine *m, unsigned vcpus, const char *unmap)
{
    enum { PAGES = 40 };
    vcpus_begin(vcpus);
    for (unsigned page = 0; page < PAGES; page++)
        for (unsigned i = 0; i < vcpus; i++)
            if (i == 0 || page == 0)
                vcpus_add(i, (vx_record){.kind = VX_REC_LOAD, .size = 8, .addr = 0x400000 + page * 4096ULL});
    vcpus_compute(0, 18000);
    for (unsigned i = 1; i < vcpus; i++) {
        vcpus_compute(i, 1);
        for (unsigned n = 0; n < 300; n++) vcpus_add(i, (vx_record){.kind = VX_REC_CPUID});
    }
    vcpus_setup s = vcpus_setup_of(m, vcpus);
    vcpus_set(&s, "vm.vcpus=threads");
    vcpus_set(&s, "vm.fault_instructions=10");
    vcpus_set(&s, unmap);
    return vcpus_run(&s);
}

/* M pages: one command each, (N - 1) x M interrupts, answers and exits of receivers; none of these exits with posted
 * interrupts. */
static void shootdowns_by_closed_form(void **state)
{
    (void)state;
    for (unsigned vcpus = 2; vcpus <= VCPUS_MAX; vcpus++)
        for (unsigned m = 1; m < VCPUS_PLAIN_MACHINES; m++) {
            vx_sim *sim = run_unmapping(&vcpus_machines[m], vcpus, "vm.unmap_instructions=10000");
            uint64_t unmapped = figure_or_0(sim, "paging.os.unmaps"), all = unmapped * (vcpus - 1);
            assert_true(unmapped >= 15);
            assert_int_equal(figure_or_0(sim, "paging.os.shootdowns.count"), unmapped);
            assert_int_equal(figure_or_0(sim, "paging.os.shootdowns.ipis"), all);
            assert_int_equal(figure_or_0(sim, "paging.os.shootdowns.answers"), all);
            assert_int_equal(figure_or_0(sim, "smp.ipis.sent"), all);
            assert_int_equal(vcpus_external_exits(sim), all * vcpus_machines[m].external);
            bool exits =
                strcmp(vcpus_machines[m].scheme, "shadow-vtlb") == 0; /* INVLPG: the hypervisor drops its entry */
            assert_int_equal(figure_or_0(sim, exits ? "exits.by_reason.INVLPG.count" : "tlb.flushes.invlpg.count"),
                             unmapped * vcpus);
            /* Who unmaps waits for the way at least. */
            assert_true(vcpus_figure_of(sim, 0, "rest", "waiting") >= unmapped * VCPUS_IPI_TICKS);
            vx_sim_close(sim);
        }
}

/* KVM's shadow pages are the VM's: the INVLPG of who unmaps takes the shared entry away, and its hypervisor tells the
 * others, before the guest does. Theirs finds nothing left. */
static void shared_shadows_are_flushed(void **state)
{
    (void)state;
    for (unsigned vcpus = 2; vcpus <= VCPUS_MAX; vcpus++)
        for (unsigned m = VCPUS_PLAIN_MACHINES; m < VCPUS_MACHINES; m++) {
            vx_sim *none = run_unmapping(&vcpus_machines[m], vcpus, "vm.unmap_instructions=0");
            vx_sim *sim = run_unmapping(&vcpus_machines[m], vcpus, "vm.unmap_instructions=10000");
            uint64_t unmapped = figure_or_0(sim, "paging.os.unmaps");
            uint64_t flushes =
                figure_or_0(sim, "paging.remote_flushes.count") - figure_or_0(none, "paging.remote_flushes.count");
            uint64_t kicks =
                figure_or_0(sim, "paging.remote_flushes.kicks") - figure_or_0(none, "paging.remote_flushes.kicks");
            assert_true(unmapped >= 15);
            assert_int_equal(flushes, unmapped);
            assert_int_equal(kicks, unmapped * (vcpus - 1));
            assert_true(figure_or_0(sim, "paging.remote_flushes.cycles") >= kicks * 1000);
            vx_sim_close(none);
            vx_sim_close(sim);
        }
}

/* The hypervisor's own: for each page that the host takes away every processor drops what it holds of the nested
 * tables, those that run the guest by an exit. */
static void reclaims_by_closed_form(void **state)
{
    (void)state;
    static const vcpus_machine nested[] = {
        {"nehalem", "ept", {NULL}, 0}, {"haswell", "ept+vpid", {NULL}, 0}, {"zen", "npt", {NULL}, 0}};
    for (unsigned vcpus = 1; vcpus <= VCPUS_MAX; vcpus++)
        for (unsigned m = 0; m < 3; m++) {
            vcpus_begin(vcpus);
            for (unsigned i = 0; i < vcpus; i++) {
                for (unsigned page = 0; page < 20; page++)
                    vcpus_add(i, (vx_record){.kind = VX_REC_LOAD, .size = 8, .addr = 0x400000 + page * 4096ULL});
                if (i == 3) vcpus_add(i, (vx_record){.kind = VX_REC_HLT}); /* the fourth sleeps */
                vcpus_compute(i, i == 3 ? 1 : 19000);
            }
            vcpus_setup s = vcpus_setup_of(&nested[m], vcpus);
            vcpus_set(&s, "vm.vcpus=threads");
            vcpus_set(&s, "vmm.nested.reclaim_ticks=9000");
            vx_sim *sim = vcpus_run(&s); /* and the tables verify */
            uint64_t taken = figure_or_0(sim, "paging.reclaims"), running = vcpus < 4 ? vcpus : 3;
            bool amd = strcmp(nested[m].cpu, "zen") == 0;
            uint64_t flushes = figure_or_0(sim, amd ? "tlb.flushes.flush_asid.count" : "tlb.flushes.invept_all.count");
            uint64_t kicks = figure_or_0(sim, "paging.remote_flushes.kicks");
            assert_true(taken > 10);
            /* All run about as long, the last page's interrupt may not have come, and the fourth is awake at first. */
            uint64_t awake = vcpus == 4 ? 5 : 0;
            assert_true(kicks >= (taken - 3) * running && kicks <= taken * running + awake);
            assert_int_equal(vcpus_external_exits(sim), kicks);
            if (!amd) assert_true(flushes >= (taken - 3) * vcpus && flushes <= taken * vcpus);
            assert_true(figure_or_0(sim, "paging.remote_flushes.cycles") >= kicks * 1000);
            assert_true(figure_or_0(sim, "paging.first_touches") >= 20);
            vx_sim_close(sim);
        }
}

/* Random vcpus_programs on shared memory, --check comparing each translation that is used with the tables of that
 * moment: a stale one is only let pass until its shootdown is answered. */
static void no_stale_translation(void **state)
{
    (void)state;
    const uint64_t seed = vx_test_seed();
    static const char *const habits[] = {"vm.priority.apic=x2apic", "vm.priority.apic=page"};
    uint64_t stale = 0, shootdowns = 0;
    vx_random random;
    vx_random_init(&random, seed, "vcpus");
    for (unsigned round = 0; round < 32; round++) {
        const vcpus_machine *m = &vcpus_machines[round % VCPUS_MACHINES];
        unsigned vcpus = 2 + (unsigned)vx_random_below(&random, 3);
        vcpus_begin(vcpus);
        for (unsigned i = 0; i < vcpus; i++)
            for (unsigned n = 0; n < 3000; n++) {
                uint64_t gva = 0x400000 + vx_random_below(&random, 40) * 4096;
                bool store = vx_random_below(&random, 2);
                vcpus_add(i, (vx_record){.kind = store ? VX_REC_STORE : VX_REC_LOAD, .size = 8, .addr = gva});
                vcpus_compute(i, (unsigned)vx_random_below(&random, 3));
                if (vx_random_below(&random, 400) == 0)
                    vcpus_add(i, (vx_record){.kind = VX_REC_PROCESS, .addr = vx_random_below(&random, 2)});
            }
        vcpus_setup s = vcpus_setup_of(m, vcpus);
        bool pcid = strcmp(m->cpu, "sapphire-rapids") == 0;
        vcpus_set(&s, "vm.vcpus=threads");
        vcpus_set(&s, "vm.fault_instructions=50");
        vcpus_set(&s, vx_random_below(&random, 2) ? "vm.unmap_every=2" : "vm.unmap_instructions=2000");
        vcpus_set(&s, habits[vx_random_below(&random, 2)]);
        vcpus_set(&s, pcid ? "vm.pcid=yes" : "vm.pcid=no");
        s.options.quantum = 1 + vx_random_below(&random, 3000);
        if (m == &vcpus_machines[2] && vx_random_below(&random, 2)) s.options.nested = "kvm-6.1";
        vx_sim *sim = vcpus_run(&s); /* fails where a translation is stale without an excuse */
        shootdowns += figure_or_0(sim, "paging.os.shootdowns.count");
        assert_int_equal(figure_or_0(sim, "smp.ipis.sent"), figure_or_0(sim, "smp.ipis.received"));
        stale += figure_or_0(sim, "paging.stale_uses");
        vx_sim_close(sim);
    }
    assert_true(shootdowns > 200 && stale > 0); /* the windows are there */
}

/* One load of each of the pages by every vCPU, under a hypervisor in a VM. Violations that L1 handled are returned, and
 * those that L0 mended alone are in *fills. */
static uint64_t nested_violations(const vcpus_machine *machine, unsigned vcpus, unsigned pages, uint64_t *fills)
{
    bool amd = strcmp(machine->cpu, "zen") == 0;
    vcpus_begin(vcpus);
    for (unsigned i = 0; i < vcpus; i++) {
        for (unsigned n = 0; n < pages; n++)
            vcpus_add(i, (vx_record){.kind = VX_REC_LOAD, .size = 8, .addr = 0x400000 + n * 4096ULL});
        vcpus_compute(i, 100);
    }
    vcpus_setup s = vcpus_setup_of(machine, vcpus);
    s.options.nested = "textbook";
    if (amd) s.options.scheme = "npt+vpid";
    vcpus_set(&s, "vm.vcpus=threads");
    vx_sim *sim = vcpus_run(&s); /* the tables verify, the identities hold */
    vx_msg msg;
    json_t *report = vx_sim_run_json(sim, &msg);
    const json_t *kinds = json_object_get(json_object_get(json_object_get(report, "nested"), "l0_exits"), "by_kind");
    *fills = (uint64_t)json_integer_value(json_object_get(kinds, amd ? "npt02_fill" : "ept02_fill"));
    assert_int_equal(figure_or_0(sim, amd ? "nested.npt02.entries" : "nested.ept02.entries"), *fills);
    uint64_t violations =
        figure_or_0(sim, amd ? "nested.l1_by_reason.npf.count" : "nested.l1_by_reason.EPT_VIOLATION.count");
    json_decref(report);
    vx_sim_close(sim);
    return violations;
}

/* The vCPUs of a nested guest share both tables: what L1 maps for one of them and L0 mends for one of them is there for
 * all. Of 4 KiB pages on both sides each of L1's violations is followed by one that L0 mends; on AMD by another where a
 * page is first read and then written. */
static void vcpus_of_a_nested_guest(void **state)
{
    (void)state;
    enum { SHARED_PAGES = 50 };
    static const unsigned machines[] = {2, 4}; /* ept+vpid; npt */
    for (unsigned m = 0; m < 2; m++) {
        uint64_t alone = 0;
        for (unsigned vcpus = 1; vcpus <= VCPUS_MAX; vcpus++) {
            uint64_t fills, violations = nested_violations(&vcpus_machines[machines[m]], vcpus, SHARED_PAGES, &fills);
            assert_in_range(fills, violations, m ? 2 * violations : violations);
            if (vcpus == 1) alone = violations;
            assert_true(alone >= SHARED_PAGES);
            assert_in_range(violations, alone, alone + 8 * (vcpus - 1)); /* a kernel's pages of each one's own */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shootdowns_by_closed_form), cmocka_unit_test(shared_shadows_are_flushed),
        cmocka_unit_test(reclaims_by_closed_form),   cmocka_unit_test(no_stale_translation),
        cmocka_unit_test(vcpus_of_a_nested_guest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
