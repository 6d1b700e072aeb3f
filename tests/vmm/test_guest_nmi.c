/* How a hypervisor gets NMIs into a guest on each kind of processor: the exits of one, of two in a row, and of one that
 * comes with an interrupt. */
#include "test_support.h"
#include "vmm_world.h"

enum { NMI = 2, TICK = 0xEC, LVT_NMI = 0x400 };

typedef struct machine {
    const char *name;
    bool amd;
    void (*adjust)(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor);
    vx_exit_policy exits;
    const char *arrival, *window; /* reasons */
    unsigned of_one, of_two;      /* exits, arrivals included */
    bool pends;                   /* in the VMCB, so that an interrupt may be injected meanwhile */
    bool opens;                   /* an interrupt that comes with an NMI needs one */
} machine;

static void no_virtual_nmis(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor)
{
    (void)hypervisor;
    cpu->vmx.virtual_nmis = false;
}
static void virtual_nmis(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor)
{
    (void)hypervisor;
    cpu->vmx.virtual_nmis = true;
}
static void v_nmi(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor)
{
    (void)hypervisor;
    cpu->svm.vnmi = true;
}

static void avic(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor) { cpu->svm.avic = hypervisor->avic = true; }

static const machine machines[] = {
    /* The NMI window opens at the first handler's IRET. */
    {"virtual NMIs", false, virtual_nmis, VX_EXITS_PLAIN, "EXCEPTION_NMI", "NMI_WINDOW", 1, 3, false, true},
    /* Interrupts do. */
    {"none", false, no_virtual_nmis, VX_EXITS_PLAIN, "EXCEPTION_NMI", "INTERRUPT_WINDOW", 1, 3, false, true},
    /* IRET exits, after each; and the second NMI comes one step behind the first one's. */
    {"IRET", true, NULL, VX_EXITS_PLAIN, "nmi", "DB_excp", 2, 5, false, true},
    {"V_NMI", true, v_nmi, VX_EXITS_PLAIN, "nmi", NULL, 1, 2, true, false},
    {"KVM 6.1 and V_NMI", true, v_nmi, VX_EXITS_KVM, "nmi", "DB_excp", 2, 5, false, true},
    {"AVIC", true, avic, VX_EXITS_KVM, "nmi", "DB_excp", 2, 5, false, false},
};

static void open_machine(vmm_world *world, const machine *m)
{
    vmm_world_open(world, &(vmm_options){.amd = m->amd,
                                         .scheme = m->amd ? VX_SCHEME_NPT : VX_SCHEME_EPT,
                                         .mode = VX_PAGING_NONE,
                                         .exits = m->exits,
                                         .apic = true,
                                         .adjust = m->adjust});
    vmm_boot(world, 0);
    (void)vx_apic_write(&world->apic, VX_APIC_LVT_PERFORMANCE, LVT_NMI, 0);
    vmm_reset_counts(world);
}

static void iret(vmm_world *world) { assert_true(vmm_do(world, VX_REC_IRET, 0, 0, NULL, 0)); }

static void overflow(vmm_world *world)
{
    (void)vx_apic_write(&world->apic, VX_APIC_LVT_PERFORMANCE, LVT_NMI, 0); /* as the handler does, without its exit */
    vx_vcpu_counter_overflow(world->vcpu);
    vmm_boundary(world);
}

static void expect(const vmm_world *world, const machine *m, unsigned vectors, uint64_t exits)
{
    if (world->vector_count != vectors || vmm_exits(world) != exits)
        fail_msg("%s: %u vectors and %u exits, not %u and %u", m->name, world->vector_count, (unsigned)vmm_exits(world),
                 vectors, (unsigned)exits);
}

static void one_and_two(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        const machine *m = &machines[i];
        vmm_world world;
        open_machine(&world, m);
        overflow(&world);
        iret(&world);
        vmm_boundary(&world);
        expect(&world, m, 1, m->of_one);
        vmm_reset_counts(&world);
        overflow(&world);
        overflow(&world);
        assert_int_equal(world.vector_count, 2); /* the second one waits */
        iret(&world);
        vmm_boundary(&world);
        assert_int_equal(world.vector_count, 3);
        iret(&world);
        vmm_boundary(&world);
        expect(&world, m, 3, m->of_two);
        assert_int_equal(vmm_exits_for(&world, m->arrival), 2);
        if (m->window) assert_int_equal(vmm_exits_for(&world, m->window), 1);
        for (unsigned v = 0; v < 3; v++) assert_int_equal(world.vectors[v], NMI);
        vmm_world_close(&world);
    }
}

/* An NMI goes first; the interrupt that came with it gets a window behind the handler. With V_NMI the interrupt is
 * injected, which comes before what is pending. */
static void with_an_interrupt(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        const machine *m = &machines[i];
        vmm_world world;
        open_machine(&world, m);
        vx_vcpu_counter_overflow(world.vcpu);
        vx_vcpu_interrupt(world.vcpu, TICK);
        vmm_boundary(&world);
        assert_int_equal(world.vector_count, 1);
        iret(&world);
        vmm_boundary(&world);
        assert_int_equal(world.vector_count, 2);
        assert_int_equal(world.vectors[m->pends], NMI);
        assert_int_equal(world.vectors[!m->pends], TICK);
        assert_int_equal(vmm_exits_for(&world, m->amd ? "vintr" : "INTERRUPT_WINDOW"), m->opens);
        vmm_world_close(&world);
    }
}

/* The counter's entry may ask for an ordinary interrupt, or be masked. The host's own NMIs are no guest's. */
static void what_the_entry_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        vmm_world world;
        open_machine(&world, &machines[i]);
        (void)vx_apic_write(&world.apic, VX_APIC_LVT_PERFORMANCE, 0x10000 | LVT_NMI, 0);
        vx_vcpu_counter_overflow(world.vcpu);
        vmm_boundary(&world);
        (void)vx_apic_write(&world.apic, VX_APIC_LVT_PERFORMANCE, LVT_NMI, 0);
        vx_vcpu_nmi(world.vcpu);
        vmm_boundary(&world);
        assert_int_equal(world.vector_count, 0);
        assert_int_equal(vmm_exits_for(&world, machines[i].arrival), 2);
        (void)vx_apic_write(&world.apic, VX_APIC_LVT_PERFORMANCE, 0x61, 0);
        vx_vcpu_counter_overflow(world.vcpu);
        vmm_boundary(&world);
        assert_int_equal(world.vector_count, 1);
        assert_int_equal(world.vectors[0], 0x61);
        vmm_world_close(&world);
    }
}

/* A command to itself, which exits and is the software APIC's to send. */
static void by_a_command(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        vmm_world world;
        open_machine(&world, &machines[i]);
        const uint64_t destination[] = {0, 0xFEE00310}, command[] = {0x400, 0xFEE00300};
        assert_true(vmm_do(&world, VX_REC_APIC_WRITE, 4, 0x310, destination, 2));
        assert_true(vmm_do(&world, VX_REC_APIC_WRITE, 4, 0x300, command, 2));
        assert_int_equal(world.vector_count, 1);
        assert_int_equal(world.vectors[0], NMI);
        vmm_world_close(&world);
    }
}

/* A recorded guest's NMI exits where it stands, and on AMD its IRET. */
static void recorded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        const machine *m = &machines[i];
        vmm_world world;
        vmm_world_open(&world, &(vmm_options){.amd = m->amd,
                                              .scheme = m->amd ? VX_SCHEME_NPT : VX_SCHEME_EPT,
                                              .mode = VX_PAGING_NONE,
                                              .exits = m->exits,
                                              .recorded = true,
                                              .adjust = m->adjust});
        vmm_boot(&world, 0);
        vmm_reset_counts(&world);
        for (unsigned n = 0; n < 3; n++) {
            assert_true(vmm_do(&world, VX_REC_SIGNAL, VX_SIGNAL_NMI, 0, NULL, 0));
            iret(&world);
            iret(&world); /* not the NMI's */
        }
        assert_int_equal(vmm_exits_for(&world, m->arrival), 3);
        assert_int_equal(vmm_exits(&world), 3 * m->of_one);
        vmm_world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_and_two),  cmocka_unit_test(with_an_interrupt), cmocka_unit_test(what_the_entry_says),
        cmocka_unit_test(by_a_command), cmocka_unit_test(recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
