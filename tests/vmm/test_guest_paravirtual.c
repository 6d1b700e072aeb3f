/* When KVM offers its para-virtual EOI, and what a patched guest asks for (Linux arch/x86/kvm/lapic.c:
 * apic_sync_pv_eoi_to_guest; QEMU pc-bios/optionrom/kvmvapic.S). */
#include "test_support.h"
#include "vmm_world.h"

enum { MSR_PV_EOI = 0x4B564D04, EOI = 0xB0, TPR = 0x80 };

static void agree(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor)
{
    (void)cpu;
    hypervisor->pv_eoi = hypervisor->tpr_patching = true;
    hypervisor->tpr_trap = VX_TPR_TRAP_MASKED;
}

static void open_guest(vmm_world *world, bool amd, unsigned tpr_instructions)
{
    const uint64_t enable = 1;
    vmm_world_open(world, &(vmm_options){.amd = amd,
                                         .scheme = amd ? VX_SCHEME_NPT : VX_SCHEME_EPT,
                                         .mode = VX_PAGING_NONE,
                                         .apic = true,
                                         .tpr_instructions = tpr_instructions,
                                         .adjust = agree});
    vmm_boot(world, 0);
    assert_true(vmm_do(world, VX_REC_WRMSR, 0, MSR_PV_EOI, &enable, 1));
    vmm_reset_counts(world);
}

static void write_page(vmm_world *world, uint32_t offset, uint32_t value)
{
    assert_true(vmm_do(world, VX_REC_APIC_WRITE, 4, offset, (const uint64_t[]){value, 0xFEE00000 | offset}, 2));
}

static void iret(vmm_world *world) { assert_true(vmm_do(world, VX_REC_IRET, 0, 0, NULL, 0)); }
static void cpuid(vmm_world *world) { assert_true(vmm_do(world, VX_REC_CPUID, 0, 0, NULL, 0)); }

static void interrupt(vmm_world *world, uint8_t vector)
{
    vx_vcpu_interrupt(world->vcpu, vector);
    vmm_boundary(world);
}

/* Exits of an EOI. */
static uint64_t eoi(vmm_world *world)
{
    uint64_t before = vmm_exits(world);
    write_page(world, EOI, 0);
    return vmm_exits(world) - before;
}

static bool in_service(vmm_world *world, uint8_t vector)
{
    return vx_apic_vector_test(world->apic_page, VX_APIC_ISR, vector);
}

static void alone_it_costs_nothing(void **state)
{
    (void)state;
    for (unsigned amd = 0; amd < 2; amd++) {
        vmm_world world;
        open_guest(&world, amd, 0);
        interrupt(&world, 0x51);
        assert_int_equal(eoi(&world), 0);
        assert_true(in_service(&world, 0x51)); /* until the next exit tells */
        cpuid(&world);
        assert_false(in_service(&world, 0x51));
        vmm_world_close(&world);
    }
}

static void not_where_more_is_to_be_done(void **state)
{
    (void)state;
    vmm_world world;
    open_guest(&world, true, 0);
    /* Another one is requested. */
    interrupt(&world, 0x51);
    interrupt(&world, 0x41);
    assert_int_equal(eoi(&world), 1);
    iret(&world);
    assert_int_equal(world.vector_count, 2);
    /* Nested: the inner one's end is free, and the outer one's is not, since what began last has ended. */
    iret(&world);
    interrupt(&world, 0x81);
    assert_int_equal(world.vector_count, 3);
    assert_int_equal(eoi(&world), 0);
    cpuid(&world);
    assert_true(in_service(&world, 0x41));
    assert_false(in_service(&world, 0x81));
    assert_int_equal(eoi(&world), 1);
    /* A level: the I/O APIC is told. */
    iret(&world);
    interrupt(&world, 0x61);
    vx_apic_vector_set(world.apic_page, VX_APIC_TMR, 0x61);
    cpuid(&world); /* the next entry sees it */
    assert_int_equal(eoi(&world), 1);
    vmm_world_close(&world);
}

/* An exit takes the offer back, and the entry makes it anew. */
static void an_exit_in_between(void **state)
{
    (void)state;
    vmm_world world;
    open_guest(&world, true, 0);
    interrupt(&world, 0x51);
    cpuid(&world);
    assert_true(in_service(&world, 0x51));
    assert_int_equal(eoi(&world), 0);
    assert_int_equal(eoi(&world), 1); /* one EOI each */
    vmm_world_close(&world);
}

/* A guest that has not agreed, or has taken it back. */
static void without_agreement(void **state)
{
    (void)state;
    vmm_world world;
    open_guest(&world, true, 0);
    const uint64_t disable = 0;
    assert_true(vmm_do(&world, VX_REC_WRMSR, 0, MSR_PV_EOI, &disable, 1));
    interrupt(&world, 0x51);
    assert_int_equal(eoi(&world), 1);
    vmm_world_close(&world);
}

/* Each instruction exits once. Then one asks where what is requested is above the processor priority, by whole vectors:
 * of an equal class for nothing. */
static void patched_instructions_ask(void **state)
{
    (void)state;
    enum { INSTRUCTIONS = 3 };
    for (unsigned amd = 0; amd < 2; amd++) {
        vmm_world world;
        open_guest(&world, amd, INSTRUCTIONS);
        for (unsigned i = 0; i < 2 * INSTRUCTIONS; i++) write_page(&world, TPR, 0x60);
        assert_int_equal(vmm_exits(&world), INSTRUCTIONS);
        vmm_reset_counts(&world);
        interrupt(&world, 0x55);
        assert_int_equal(vmm_exits(&world), 1);
        assert_int_equal(world.vector_count, 0);
        const char *asks = amd ? "hypercall" : "VMCALL";
        write_page(&world, TPR, 0x58);
        assert_int_equal(vmm_exits_for(&world, asks), 0);
        write_page(&world, TPR, 0x50);
        assert_int_equal(vmm_exits_for(&world, asks), 1);
        assert_int_equal(world.vector_count, 0);
        write_page(&world, TPR, 0x40);
        assert_int_equal(vmm_exits_for(&world, asks), 2);
        assert_int_equal(world.vector_count, 1);
        write_page(&world, TPR, 0x00); /* in service: the processor priority is that of 55H */
        write_page(&world, TPR, 0x70);
        assert_int_equal(vmm_exits(&world), 3);
        const vx_vcpu_counts *counts = vx_vcpu_counts_now(world.vcpu);
        assert_int_equal(counts->tpr_exits, 2);
        vmm_world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_it_costs_nothing),   cmocka_unit_test(not_where_more_is_to_be_done),
        cmocka_unit_test(an_exit_in_between),       cmocka_unit_test(without_agreement),
        cmocka_unit_test(patched_instructions_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
