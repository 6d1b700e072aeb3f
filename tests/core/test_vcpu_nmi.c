/* NMIs in the step: what exits, what blocks, and what IRET ends (SDM Vol. 3A 6.7.1, Vol. 3C 25.3, 26.6.1.1; AMD's
 * vNMI). The processor alone: the hypervisor of this world keeps exits and does nothing. */
#include "exit_rows.h"
#include "test_support.h"
#include "vcpu_world.h"

enum { VECTOR_NMI = 2, PERFORMANCE = 0x340 };

static void open_world(vcpu_world *world, bool hypervisor)
{
    vcpu_world_open(world, &(vcpu_world_options){.hypervisor = hypervisor, .apic = true});
    world->resume = VX_RESUME_RETRY;
}

static void open_vmx(vcpu_world *world, const vx_vmcs *vmcs)
{
    open_world(world, true);
    world->vmcs = *vmcs;
    vx_vcpu_virtualize(world->vcpu, &world->vmcs, NULL, false);
}

static void open_svm(vcpu_world *world, const vx_vmcb *vmcb)
{
    open_world(world, true);
    world->cpu.vendor = VX_VENDOR_AMD;
    vx_vcpu_virtualize(world->vcpu, NULL, vmcb, false);
}

static void boundary(vcpu_world *world) { assert_int_equal(vx_vcpu_drain(world->vcpu, &world->msg), VX_OK); }
static void iret(vcpu_world *world) { vcpu_do(world, VX_REC_IRET, 0, 0, NULL, 0); }

static void nmi(vcpu_world *world)
{
    vx_vcpu_nmi(world->vcpu);
    boundary(world);
}

/* One is taken whatever RFLAGS.IF is, one waits behind it for IRET; more are one. */
static void natively_one_is_taken_and_one_waits(void **state)
{
    (void)state;
    for (unsigned off = 0; off < 2; off++) {
        vcpu_world world;
        open_world(&world, false);
        if (off) vcpu_do(&world, VX_REC_CLI, 0, 0, NULL, 0);
        nmi(&world);
        assert_int_equal(world.vector_count, 1);
        assert_int_equal(world.vectors[0], VECTOR_NMI);
        for (unsigned i = 0; i < 3; i++) nmi(&world);
        assert_int_equal(world.vector_count, 1);
        iret(&world);
        assert_int_equal(world.vector_count, 2);
        iret(&world);
        assert_int_equal(world.vector_count, 2);
        assert_int_equal(vcpu_counts(&world)->nmis, 2);
        assert_int_equal(vcpu_counts(&world)->interrupts, 0);
        /* IRET returned to where interrupts were on, or were not. */
        vx_vcpu_interrupt(world.vcpu, 0x51);
        boundary(&world);
        assert_int_equal(world.vector_count, off ? 2 : 3);
        vcpu_world_close(&world);
    }
}

/* From the processor's own APIC: a command to itself, and an overflowing counter, whose entry masks itself. */
static void natively_the_apic_sends_them(void **state)
{
    (void)state;
    vcpu_world world;
    open_world(&world, false);
    const uint64_t destination[] = {0, 0xFEE00310}, command[] = {0x400, 0xFEE00300};
    vcpu_do(&world, VX_REC_APIC_WRITE, 4, 0x310, destination, 2);
    vcpu_do(&world, VX_REC_APIC_WRITE, 4, 0x300, command, 2);
    assert_int_equal(world.vector_count, 1);
    iret(&world);
    vx_vcpu_counter_overflow(world.vcpu); /* masked by reset */
    boundary(&world);
    assert_int_equal(world.vector_count, 1);
    const uint64_t unmask[] = {0x400, 0xFEE00340};
    vcpu_do(&world, VX_REC_APIC_WRITE, 4, PERFORMANCE, unmask, 2);
    vx_vcpu_counter_overflow(world.vcpu);
    boundary(&world);
    assert_int_equal(world.vector_count, 2);
    assert_int_equal(vx_apic_get(world.apic_page, PERFORMANCE), 0x10400);
    iret(&world);
    vx_vcpu_counter_overflow(world.vcpu);
    boundary(&world);
    assert_int_equal(world.vector_count, 2);
    vcpu_world_close(&world);
}

/* Pin-based controls: bit 3 NMI exiting, bit 5 virtual NMIs. */
static void vmx_by_its_controls(void **state)
{
    (void)state;
    static const struct {
        uint32_t pin;
        bool exits, blocked_after_injection;
    } rows[] = {{0, false, true}, {B(3), true, false}, {B(3) | B(5), true, true}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        vcpu_world world;
        open_vmx(&world, &(vx_vmcs){.pin = rows[i].pin});
        nmi(&world);
        assert_int_equal(world.exit_count, rows[i].exits);
        assert_int_equal(world.vector_count, !rows[i].exits);
        if (rows[i].exits) {
            assert_int_equal(world.exits[0].reason, 0);
            assert_int_equal(world.exits[0].interruption, B(31) | 2U << 8 | VECTOR_NMI);
            vx_vcpu_inject_nmi(world.vcpu);
            assert_true(vx_vcpu_injects(world.vcpu));
            assert_false(vx_vcpu_can_inject(world.vcpu)); /* one injection a VM entry */
            boundary(&world);
        }
        assert_int_equal(world.vector_count, 1);
        assert_int_equal(vx_vcpu_nmi_blocked(world.vcpu), rows[i].blocked_after_injection);
        nmi(&world);
        assert_int_equal(world.exit_count, rows[i].exits * 2); /* virtual-NMI blocking blocks no NMI */
        assert_int_equal(world.vector_count, 1);
        iret(&world);
        assert_int_equal(vx_vcpu_nmi_blocked(world.vcpu), !rows[i].exits); /* the second one is taken */
        assert_int_equal(world.vector_count, rows[i].exits ? 1 : 2);
        vcpu_world_close(&world);
    }
}

static vx_resume close_window(void *self, vx_vcpu *vcpu, const vx_exit *exit, const vx_record *record,
                              const uint64_t *payload)
{
    (void)vcpu, (void)record, (void)payload;
    vcpu_world *world = self;
    world->exits[world->exit_count++] = *exit;
    world->vmcs.cpu &= ~B(22);
    return VX_RESUME_RETRY;
}

/* The window is open where no virtual NMI is blocked: one exit, at once or behind IRET. */
static void nmi_window(void **state)
{
    (void)state;
    for (unsigned blocked = 0; blocked < 2; blocked++) {
        vcpu_world world;
        vcpu_world_open(&world, &(vcpu_world_options){.hypervisor = true, .apic = true, .on_exit = close_window});
        world.vmcs = (vx_vmcs){.pin = B(3) | B(5)};
        vx_vcpu_virtualize(world.vcpu, &world.vmcs, NULL, false);
        if (blocked) vx_vcpu_inject_nmi(world.vcpu);
        boundary(&world);
        vcpu_do(&world, VX_REC_CLI, 0, 0, NULL, 0); /* of no consequence */
        world.vmcs.cpu |= B(22);
        boundary(&world);
        assert_int_equal(world.exit_count, !blocked);
        iret(&world);
        assert_int_equal(world.exit_count, 1);
        assert_int_equal(world.exits[0].reason, 8);
        vcpu_world_close(&world);
    }
}

/* A recorded NMI, in a trace that brings its own handlers. */
static void recorded_ones_are_taken_where_they_stand(void **state)
{
    (void)state;
    vcpu_world world;
    open_vmx(&world, &(vx_vmcs){.pin = B(3) | B(5)});
    vcpu_do(&world, VX_REC_SIGNAL, VX_SIGNAL_NMI, 0, NULL, 0);
    assert_int_equal(world.exit_count, 1);
    assert_int_equal(vcpu_counts(&world)->nmis, 1);
    assert_true(vx_vcpu_nmi_blocked(world.vcpu));
    iret(&world);
    assert_false(vx_vcpu_nmi_blocked(world.vcpu));
    vcpu_world_close(&world);
}

/* AMD: intercept 1 of the first word is NMI, 20 is IRET; EXITCODEs 61h, 74h, 41h. */
static void svm_without_v_nmi(void **state)
{
    (void)state;
    vcpu_world world;
    const vx_vmcb vmcb = {.asid = 1, .intercepts1 = B(1) | B(20), .exceptions = B(1)};
    open_svm(&world, &vmcb);
    nmi(&world);
    assert_int_equal(world.exits[0].reason, 0x61);
    vx_vcpu_inject_nmi(world.vcpu);
    boundary(&world);
    assert_int_equal(world.vector_count, 1);
    assert_false(vx_vcpu_nmi_blocked(world.vcpu)); /* software's business */
    iret(&world);
    assert_int_equal(world.exits[1].reason, 0x74);
    vx_vcpu_single_step(world.vcpu);
    boundary(&world);
    assert_int_equal(world.exits[2].reason, 0x41);
    boundary(&world);
    assert_int_equal(world.exit_count, 3);
    vcpu_world_close(&world);
}

static void svm_with_v_nmi(void **state)
{
    (void)state;
    vcpu_world world;
    vx_vmcb vmcb = {.asid = 1, .intercepts1 = B(1), .interrupt = {.v_nmi_enable = true}};
    open_svm(&world, &vmcb);
    for (unsigned i = 0; i < 2; i++) { /* the second one waits for IRET */
        vmcb.interrupt.v_nmi_pending = true;
        nmi(&world);
        assert_int_equal(world.exits[i].reason, 0x61);
        assert_int_equal(world.vector_count, 1);
        assert_int_equal(vx_vcpu_v_nmi_pending(world.vcpu), i);
        assert_true(vx_vcpu_nmi_blocked(world.vcpu));
    }
    iret(&world);
    assert_int_equal(world.vector_count, 2);
    iret(&world);
    assert_false(vx_vcpu_nmi_blocked(world.vcpu));
    assert_int_equal(world.exit_count, 2);
    vcpu_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(natively_one_is_taken_and_one_waits),
        cmocka_unit_test(natively_the_apic_sends_them),
        cmocka_unit_test(vmx_by_its_controls),
        cmocka_unit_test(nmi_window),
        cmocka_unit_test(recorded_ones_are_taken_where_they_stand),
        cmocka_unit_test(svm_without_v_nmi),
        cmocka_unit_test(svm_with_v_nmi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
