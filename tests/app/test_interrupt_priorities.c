/* A guest OS that uses its local APIC, on every kind of processor and hypervisor: the same interrupts reach it, and
 * each kind of help saves the exits that it is for. */
#include "sim_figures.h"

static const char *const generated[] = {"gen:random:bytes=256k,refs=30k"};

typedef struct outcome {
    uint64_t interrupts, ticks, tpr_writes, tpr_exits, instructions, exits;
    uint64_t below, window, access, access_software, external, cr8, guest_faults, nmis, nmi_exits, irets, unaccelerated;
} outcome;

typedef struct guest_habits {
    const char *apic;
    unsigned raise, hold, level, tick, per_interrupt, nmi;
} guest_habits;

static outcome run(const char *cpu, const char *vmm, const char *scheme, const guest_habits *habits, const char *set)
{
    char text[8][80];
    const char *sets[8];
    snprintf(text[0], sizeof text[0], "vm.priority.apic=%s", habits->apic);
    snprintf(text[1], sizeof text[1], "vm.priority.raise_instructions=%u", habits->raise);
    snprintf(text[2], sizeof text[2], "vm.priority.hold_instructions=%u", habits->hold);
    snprintf(text[3], sizeof text[3], "vm.priority.level=%u", habits->level);
    snprintf(text[4], sizeof text[4], "vm.tick_instructions=%u", habits->tick);
    snprintf(text[5], sizeof text[5], "vm.priority.per_interrupt=%u", habits->per_interrupt);
    snprintf(text[6], sizeof text[6], "%s", set ? set : "vm.fault_instructions=1000");
    snprintf(text[7], sizeof text[7], "vm.priority.nmi_instructions=%u", habits->nmi);
    for (unsigned i = 0; i < 8; i++) sets[i] = text[i];
    vx_sim_options options = {.cpu = cpu,
                              .vmm = vmm,
                              .scheme = scheme,
                              .traces = generated,
                              .trace_count = 1,
                              .seed = 1,
                              .sets = sets,
                              .set_count = 8};
    vx_sim *sim;
    vx_msg msg = {{0}};
    if (vx_sim_open(&sim, &options, &msg) != VX_OK || vx_sim_run(sim, &msg) != VX_OK) fail_msg("%s", msg.text);
    bool amd = vx_sim_cpu(sim)->vendor == VX_VENDOR_AMD;
    outcome o = {
        .interrupts = figure_or_0(sim, "events.interrupts"),
        .ticks = figure_or_0(sim, "paging.os.ticks"),
        .tpr_writes = figure_or_0(sim, "paging.os.tpr_writes"),
        .tpr_exits = figure_or_0(sim, "exits.tpr.count"),
        .instructions = figure_or_0(sim, "instructions"),
        .exits = figure_or_0(sim, "exits.total"),
        .below = figure_or_0(sim, "exits.by_reason.TPR_BELOW_THRESHOLD.count"),
        .window = figure_or_0(sim, amd ? "exits.by_reason.vintr.count" : "exits.by_reason.INTERRUPT_WINDOW.count"),
        .access = figure_or_0(sim, "exits.by_reason.APIC_ACCESS.count"),
        .access_software = figure_or_0(sim, "exits.by_reason.APIC_ACCESS.software_cycles"),
        .external =
            figure_or_0(sim, amd ? "exits.by_reason.interrupt.count" : "exits.by_reason.EXTERNAL_INTERRUPT.count"),
        .cr8 = figure_or_0(sim, "exits.by_reason.write_cr8.count"),
        .guest_faults = figure_or_0(sim, "paging.guest_faults"),
        .nmis = figure_or_0(sim, "events.nmis"),
        .nmi_exits = figure_or_0(sim, amd ? "exits.by_reason.nmi.count" : "exits.by_reason.EXCEPTION_NMI.count"),
        .unaccelerated = figure_or_0(sim, "exits.by_reason.avic_unaccelerated_access.count"),
        .irets = figure_or_0(sim, "exits.by_reason.iret.count"),
    };
    vx_sim_close(sim);
    return o;
}

static const struct {
    const char *cpu, *vmm, *scheme, *set;
} machines[] = {
    {"penryn", "textbook", "native", NULL},
    {"merom", "textbook", "shadow-wp", NULL},
    {"penryn", "textbook", "shadow-vtlb", NULL},
    {"penryn", "textbook", "trap", NULL},
    {"penryn", "textbook", "bt", NULL},
    {"nehalem", "textbook", "ept", NULL},
    {"nehalem", "kvm-6.1", "ept", NULL},
    {"nehalem", "kvm-6.1", "shadow-kvm", NULL},
    {"skylake", "kvm-6.1", "ept", NULL},
    {"sapphire-rapids", "kvm-6.1", "ept", NULL},
    {"haswell", "textbook", "ept", NULL},
    {"zen", "textbook", "npt", NULL},
    {"zen", "kvm-6.1", "npt", NULL},
    {"zen", "kvm-6.1", "shadow-kvm", NULL},
    {"zen", "textbook", "npt", "vmm.apic.avic=yes"},
    {"zen2", "kvm-6.1", "npt", "vmm.apic.avic=yes"},
    {"nehalem", "kvm-6.1", "ept", "vm.priority.tpr_instructions=5"},
    {"zen", "kvm-6.1", "npt", "vm.priority.pv_eoi=yes"},
    {"haswell", "kvm-6.1", "ept", "vm.priority.pv_eoi=yes"},
};

/* What the guest does and gets depends on its own instructions alone. */
static void every_machine_delivers_the_same(void **state)
{
    (void)state;
    static const char *const ways[] = {"page", "cr8", "x2apic"};
    for (unsigned level = 4; level <= 15; level += 11)
        for (unsigned w = 0; w < 3; w++) {
            guest_habits habits = {ways[w], 3000, 1500, level, 5100, 2, 0};
            outcome first = {0};
            for (size_t m = 0; m < sizeof machines / sizeof *machines; m++) {
                outcome o = run(machines[m].cpu, machines[m].vmm, machines[m].scheme, &habits, machines[m].set);
                if (m == 0) first = o;
                assert_true(o.interrupts > 20);
                assert_int_equal(o.interrupts, o.ticks);
                assert_int_equal(o.interrupts, first.interrupts);
                assert_int_equal(o.tpr_writes, first.tpr_writes);
                assert_int_equal(o.instructions, first.instructions);
            }
        }
}

/* Intel's threshold and AMD's interception of CR8 while an interrupt is held back are the same rule: one exit an
 * interrupt that the task priority has held back; trapping all exits at every write. */
static void help_saves_what_it_is_for(void **state)
{
    (void)state;
    guest_habits masked = {"cr8", 3000, 1500, 15, 5100, 0, 0}, unmasked = {"cr8", 3000, 1500, 4, 5100, 0, 0};
    outcome shadow = run("penryn", "textbook", "shadow-wp", &masked, NULL);
    outcome rule = run("zen", "textbook", "npt", &masked, "vmm.apic.tpr_trap=masked");
    outcome all = run("zen", "textbook", "npt", &masked, "vmm.apic.tpr_trap=all");
    outcome none = run("merom", "textbook", "shadow-wp", &masked, "vmm.apic.flexpriority=no");
    assert_true(shadow.below > 5 && shadow.below < shadow.interrupts);
    assert_int_equal(shadow.tpr_exits, shadow.below);
    assert_int_equal(rule.cr8, shadow.below);
    assert_int_equal(all.cr8, all.tpr_writes);
    assert_int_equal(none.tpr_exits, none.tpr_writes);
    assert_int_equal(shadow.window + rule.window + all.window + none.window, 0); /* IF was on */
    assert_int_equal(shadow.access, shadow.interrupts);                          /* EOI */
    /* Nothing held back: nothing about the TPR exits. */
    shadow = run("penryn", "textbook", "shadow-wp", &unmasked, NULL);
    rule = run("zen", "textbook", "npt", &unmasked, "vmm.apic.tpr_trap=masked");
    assert_int_equal(shadow.tpr_exits + rule.tpr_exits, 0);
    assert_int_equal(shadow.external, shadow.interrupts);
    /* With virtual-interrupt delivery and posting only first touches of memory exit. */
    outcome apicv = run("sapphire-rapids", "kvm-6.1", "ept", &masked, NULL);
    assert_int_equal(apicv.external + apicv.below + apicv.access + apicv.window + apicv.tpr_exits, 0);
    /* AVIC, by CR8 and by the page. */
    for (unsigned page = 0; page < 2; page++) {
        if (page) masked.apic = "page";
        outcome avic = run("zen", "kvm-6.1", "npt", &masked, "vmm.apic.avic=yes");
        assert_true(avic.interrupts > 5);
        assert_int_equal(avic.external + avic.window + avic.tpr_exits, 0);
        assert_int_equal(avic.unaccelerated, 0);
    }
    /* In x2APIC mode it is off on processors without x2AVIC. */
    masked.apic = "x2apic";
    outcome off = run("zen", "kvm-6.1", "npt", &masked, "vmm.apic.avic=yes");
    outcome never = run("zen", "kvm-6.1", "npt", &masked, "vmm.apic.avic=no");
    assert_int_equal(off.tpr_exits, off.tpr_writes);
    assert_int_equal(off.external, never.external);
    assert_int_equal(never.exits, off.exits);
}

/* One interrupt arrives while the task priority holds it back: lowering it is one exit, and then the delivery; with
 * virtual-interrupt delivery none. */
static void one_interrupt_held_back(void **state)
{
    (void)state;
    guest_habits once = {"page", 95000, 50000, 15, 100000, 0, 0};
    outcome o = run("penryn", "textbook", "shadow-wp", &once, NULL);
    assert_int_equal(o.interrupts, 1);
    assert_int_equal(o.tpr_writes, 2);
    assert_int_equal(o.below, 1);
    assert_int_equal(o.external, 1);
    assert_int_equal(o.window, 0);
    o = run("sapphire-rapids", "kvm-6.1", "ept", &once, NULL);
    assert_int_equal(o.interrupts, 1);
    assert_int_equal(o.tpr_exits + o.external + o.window, 0);
}

/* An interrupt that comes in a handler waits for a window: fault handlers are longer than a tick here. */
static void a_window_opens_behind_handlers(void **state)
{
    (void)state;
    guest_habits busy = {"page", 0, 1, 15, 2000, 0, 0};
    outcome intel = run("penryn", "textbook", "shadow-wp", &busy, "vm.fault_instructions=1900");
    outcome amd = run("zen", "textbook", "npt", &busy, "vm.fault_instructions=1900");
    assert_int_equal(intel.interrupts, amd.interrupts);
    assert_int_equal(intel.external, amd.external);
    assert_int_equal(intel.window, amd.window);
}

/* Xen before and after it knew EOIs by the qualification: whole exits of 7800 and 3000 cycles (Xen commit 77ec53b686).
 */
static void xen_before_and_after(void **state)
{
    (void)state;
    enum { HARDWARE = 1009 };
    guest_habits quiet = {.apic = "page", .hold = 1, .level = 15, .tick = 5100};
    outcome before = run("nehalem", "xen-3.3", "ept", &quiet, NULL);
    outcome after = run("nehalem", "xen-3.3-eoi", "ept", &quiet, NULL);
    assert_true(before.access > 0 && before.access == before.interrupts);
    assert_int_equal(before.access_software, before.access * (7800 - HARDWARE));
    assert_int_equal(after.access_software, after.access * (3000 - HARDWARE));
    assert_int_equal(before.exits, after.exits);
}

/* Software cycles of an EOI with the fast path: the row of APIC_ACCESS no longer counts. */
static void eoi_fast_path(void **state)
{
    (void)state;
    guest_habits quiet = {"page", 0, 1, 15, 5100, 0, 0};
    outcome slow = run("penryn", "textbook", "shadow-wp", &quiet, "vmm.apic.eoi_ticks=0");
    outcome fast = run("penryn", "textbook", "shadow-wp", &quiet, "vmm.apic.eoi_ticks=1");
    assert_int_equal(slow.access, slow.interrupts);
    assert_int_equal(slow.exits, fast.exits);
    assert_true(slow.access_software > fast.access_software);
    assert_int_equal((slow.access_software - fast.access_software) % slow.interrupts, 0); /* the same for each */
}

/* Patched instructions exit once each, and then only to ask for what the task priority held back; para-virtual EOI
 * saves every EOI's exit, as nothing else is requested then. */
static void agreements_save_what_hardware_would(void **state)
{
    (void)state;
    static const struct {
        const char *cpu, *scheme;
    } rows[] = {{"nehalem", "ept"}, {"nehalem", "shadow-kvm"}, {"zen", "npt"}, {"merom", "shadow-kvm"}};
    guest_habits habits = {"page", 3000, 1500, 15, 20000, 0, 0};
    uint64_t held = run("penryn", "textbook", "shadow-wp", &habits, NULL).below;
    assert_true(held > 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        outcome plain = run(rows[i].cpu, "kvm-6.1", rows[i].scheme, &habits, NULL);
        outcome patched = run(rows[i].cpu, "kvm-6.1", rows[i].scheme, &habits, "vm.priority.tpr_instructions=5");
        outcome eoi = run(rows[i].cpu, "kvm-6.1", rows[i].scheme, &habits, "vm.priority.pv_eoi=yes");
        assert_int_equal(plain.tpr_exits, plain.tpr_writes);
        assert_int_equal(patched.tpr_exits, 5 + held);
        assert_int_equal(patched.exits, plain.exits - plain.tpr_writes + 5 + held);
        assert_int_equal(eoi.exits, plain.exits - plain.interrupts);
    }
    /* With the processor's help neither is used; nor by a hypervisor that does not offer it. */
    outcome plain = run("sapphire-rapids", "kvm-6.1", "ept", &habits, NULL);
    assert_int_equal(run("sapphire-rapids", "kvm-6.1", "ept", &habits, "vm.priority.pv_eoi=yes").exits, plain.exits);
    plain = run("zen", "textbook", "npt", &habits, NULL);
    assert_int_equal(run("zen", "textbook", "npt", &habits, "vm.priority.pv_eoi=yes").exits, plain.exits);
    assert_int_equal(run("zen", "textbook", "npt", &habits, "vm.priority.tpr_instructions=5").exits, plain.exits);
}

/* A profiler: each overflow of the counter is an NMI whatever the task priority is, on every machine. */
static void nmis_reach_every_guest(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof machines / sizeof *machines; m++) {
        guest_habits habits = {"page", 3000, 1500, 15, 5100, 0, 4000};
        outcome with = run(machines[m].cpu, machines[m].vmm, machines[m].scheme, &habits, machines[m].set);
        habits.nmi = 0;
        outcome without = run(machines[m].cpu, machines[m].vmm, machines[m].scheme, &habits, machines[m].set);
        assert_true(with.nmis > 20);
        assert_int_equal(without.nmis, 0);
        assert_int_equal(with.interrupts, with.ticks);
        assert_true(with.instructions > without.instructions);
    }
    guest_habits habits = {"page", 0, 1, 15, 5100, 0, 4000};
    outcome intel = run("nehalem", "textbook", "ept", &habits, NULL);
    assert_int_equal(intel.nmi_exits, intel.nmis);
    assert_int_equal(intel.access, intel.interrupts + intel.nmis); /* EOIs; the handler unmasks the counter's entry */
    outcome amd = run("zen", "kvm-6.1", "npt", &habits, NULL);
    assert_int_equal(amd.nmi_exits, amd.nmis);
    assert_int_equal(amd.irets, amd.nmis);
    amd = run("zen", "kvm-6.1", "npt", &habits, "vmm.apic.avic=yes");
    assert_int_equal(amd.unaccelerated, amd.nmis); /* EOIs are not among them */
    amd = run("zen", "textbook", "npt", &habits, "cpu.svm.vnmi=yes");
    assert_int_equal(amd.nmi_exits, amd.nmis);
    assert_int_equal(amd.irets, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_machine_delivers_the_same),
        cmocka_unit_test(help_saves_what_it_is_for),
        cmocka_unit_test(one_interrupt_held_back),
        cmocka_unit_test(a_window_opens_behind_handlers),
        cmocka_unit_test(eoi_fast_path),
        cmocka_unit_test(xen_before_and_after),
        cmocka_unit_test(nmis_reach_every_guest),
        cmocka_unit_test(agreements_save_what_hardware_would),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
