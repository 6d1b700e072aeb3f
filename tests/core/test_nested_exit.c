/* Exits out of EPT, and virtualization exceptions (SDM Vol. 3C 25.5.7, Table 25-1, 27.2). */
#include <string.h>

#include "exit_rows.h"
#include "test_support.h"
#include "vcpu_world.h"
#include "vx_nested_exit.h"

enum { AREA = 0x1000, MEMORY = 0x10000 };

static const vx_mmu_fault fault = {
    .gva = {0xFFFF888812345678}, .gpa = {0x12345678}, .qualification = 0x181 | 5 << 3, .convertible = true};

static vx_outcome ask(const vx_vmcs *vmcs, const vx_exit_context *context, vx_physmem *memory, vx_mmu_result result,
                      vx_exit *exit)
{
    memset(exit, 0xA5, sizeof *exit);
    return vx_vmcs_nested_exit(vmcs, context, memory, result, &fault, exit);
}

static void each_result_has_its_reason(void **state)
{
    (void)state;
    static const struct {
        vx_mmu_result result;
        uint32_t reason;
        bool physical, nmi;
    } rows[] = {{VX_MMU_NESTED_FAULT, 48, true, true},
                {VX_MMU_EPT_MISCONFIG, 49, true, false},
                {VX_MMU_PML_FULL, 62, false, true},
                {VX_MMU_SPP_EVENT, 66, true, true}};
    vx_physmem memory;
    vx_msg msg;
    assert_int_equal(vx_physmem_init(&memory, MEMORY, &msg), VX_OK);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned bits = 0; bits < 8; bits++) {
            bool iret = bits & 1, delivering = bits & 2, narrow = bits & 4;
            const vx_vmcs vmcs = {.cpu = SECONDARY, .cpu2 = B(1)};
            const vx_exit_context context = {.cr0 = 1,
                                             .iret_unblocks = iret,
                                             .narrow = narrow,
                                             .delivering = delivering ? 0x80000B0E : 0,
                                             .delivering_error = 6};
            vx_exit exit;
            assert_int_equal(ask(&vmcs, &context, &memory, rows[i].result, &exit), VX_OUTCOME_EXIT);
            assert_int_equal(exit.reason, rows[i].reason);
            bool unblocking = rows[i].nmi && iret && !delivering;
            assert_int_equal(exit.qualification, fault.qualification | (unblocking ? B(12) : 0));
            assert_int_equal(exit.physical.v, rows[i].physical ? 0x12345678 : 0);
            assert_int_equal(exit.linear.v, narrow ? 0x12345678 : 0xFFFF888812345678);
            assert_int_equal(exit.idt_vectoring, delivering ? 0x80000B0E : 0);
            assert_int_equal(exit.idt_vectoring_error, delivering ? 6 : 0);
            assert_int_equal(exit.interruption, 0);
        }
    vx_physmem_fini(&memory);
}

/* 25.5.7.1: all conditions must hold, each tried without the others. */
static void a_violation_becomes_ve_where_all_conditions_hold(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 128; bits++) {
        bool control = bits & 1, convertible = bits & 2, protected_mode = bits & 4, delivering = bits & 8;
        bool busy = bits & 16, violation = bits & 32, bitmap = bits & 64;
        vx_physmem memory;
        vx_msg msg;
        assert_int_equal(vx_physmem_init(&memory, MEMORY, &msg), VX_OK);
        if (busy) vx_physmem_write32(&memory, (vx_hpa){AREA + 4}, 1);
        const vx_vmcs vmcs = {.cpu = SECONDARY,
                              .cpu2 = B(1) | (control ? B(18) : 0),
                              .ve_information_address = AREA,
                              .eptp_index = 0x1FF,
                              .exception_bitmap = bitmap ? B(20) : 0};
        const vx_exit_context context = {.cr0 = protected_mode, .delivering = delivering ? 0x80000030 : 0};
        vx_mmu_fault found = fault;
        found.convertible = convertible;
        vx_exit exit;
        vx_outcome outcome = vx_vmcs_nested_exit(&vmcs, &context, &memory,
                                                 violation ? VX_MMU_NESTED_FAULT : VX_MMU_EPT_MISCONFIG, &found, &exit);
        bool converts = control && convertible && protected_mode && !delivering && !busy && violation;
        assert_int_equal(outcome, converts && !bitmap ? VX_OUTCOME_FAULT : VX_OUTCOME_EXIT);
        if (converts) {
            assert_int_equal(exit.interruption, 0x80000314); /* hardware exception, vector 20, no error code */
            assert_int_equal(exit.reason, 0);
            assert_int_equal(vx_physmem_read32(&memory, (vx_hpa){AREA}), 48);
            assert_int_equal(vx_physmem_read32(&memory, (vx_hpa){AREA + 4}), 0xFFFFFFFF);
            assert_int_equal(vx_physmem_read64(&memory, (vx_hpa){AREA + 8}), fault.qualification);
            assert_int_equal(vx_physmem_read64(&memory, (vx_hpa){AREA + 16}), fault.gva.v);
            assert_int_equal(vx_physmem_read64(&memory, (vx_hpa){AREA + 24}), fault.gpa.v);
            assert_int_equal(vx_physmem_read64(&memory, (vx_hpa){AREA + 32}), 0x1FF);
        } else {
            assert_int_equal(exit.reason, violation ? 48 : 49);
            assert_int_equal(vx_physmem_read32(&memory, (vx_hpa){AREA + 4}), busy);
        }
        vx_physmem_fini(&memory);
    }
}

/* ---- on replay ---- */

enum { GPA = 0x200000 };

static uint64_t count_of(const vcpu_world *world, unsigned reason)
{
    return vcpu_counts(world)->by_reason[vx_exit_reason_index(VX_VENDOR_INTEL, reason)].count;
}

/* A convertible violation is an exception first; its handler is not in the trace and leaves the area busy, so that the
 * violation exits when the reference is made again. */
static void a_reference_that_violates(void **state)
{
    (void)state;
    for (unsigned suppressed = 0; suppressed < 2; suppressed++) {
        vcpu_world world;
        vcpu_world_open(&world, &(vcpu_world_options){.hypervisor = true});
        world.resume = VX_RESUME_NEXT;
        world.vmcs = (vx_vmcs){.cpu = SECONDARY, .cpu2 = B(1) | B(18), .ve_information_address = AREA};
        world.vmcs.eptp = vcpu_ept(&world, GPA, 0x300000 | 5 | 6 << 3 | (suppressed ? 1ULL << 63 : 0));
        vx_vcpu_virtualize(world.vcpu, &world.vmcs, NULL, false);
        const vx_registers registers = {.cr0 = 1};
        vx_vcpu_set_registers(world.vcpu, &registers);
        vx_record store = vcpu_store(GPA, 4);
        assert_int_equal(vcpu_run_all(&world, &store, 1, NULL, 0), VX_STOP_BATCH);
        assert_int_equal(vcpu_counts(&world)->exceptions, !suppressed);
        assert_int_equal(count_of(&world, 48), 1);
        assert_int_equal(world.exits[0].qualification, 2 | 5 << 3 | B(7) | B(8));
        vcpu_world_close(&world);
    }
}

/* Bits 11:9 of the qualification, where the processor has them: without paging every address is a user's and writable.
 */
static void advanced_information(void **state)
{
    (void)state;
    for (unsigned advanced = 0; advanced < 2; advanced++) {
        vcpu_world world;
        vcpu_world_open(&world, &(vcpu_world_options){.hypervisor = true});
        world.cpu.vmx.mode_based_execute = advanced;
        world.resume = VX_RESUME_NEXT;
        world.vmcs = (vx_vmcs){.cpu = SECONDARY, .cpu2 = B(1)};
        world.vmcs.eptp = vcpu_ept(&world, GPA, 0x300000 | 1 | 6 << 3);
        vx_vcpu_virtualize(world.vcpu, &world.vmcs, NULL, false);
        vx_record fetch = vcpu_fetch(GPA, 1, 4);
        assert_int_equal(vcpu_run_all(&world, &fetch, 1, NULL, 0), VX_STOP_BATCH);
        assert_int_equal(world.exits[0].qualification, 4 | 1 << 3 | B(7) | B(8) | (advanced ? B(9) | B(10) : 0));
        vcpu_world_close(&world);
    }
}

/* A full log: the exit's handler empties it, the store is made again. */
static vx_resume empty_log(void *hypervisor, vx_vcpu *vcpu, const vx_exit *exit, const vx_record *record,
                           const uint64_t *payload)
{
    (void)vcpu, (void)record, (void)payload;
    vcpu_world *world = hypervisor;
    world->exits[world->exit_count++] = *exit;
    world->vmcs.pml_index = 511;
    return VX_RESUME_RETRY;
}

static void a_full_log_exits(void **state)
{
    (void)state;
    vcpu_world world;
    vcpu_world_open(&world, &(vcpu_world_options){.hypervisor = true, .on_exit = empty_log});
    world.vmcs = (vx_vmcs){.cpu = SECONDARY, .cpu2 = B(1) | B(17), .pml_address = AREA, .pml_index = 0xFFFF};
    world.vmcs.eptp = vcpu_ept(&world, GPA, 0x300000 | 7 | 6 << 3) | 1U << 6;
    vx_vcpu_virtualize(world.vcpu, &world.vmcs, NULL, false);
    vx_record store = vcpu_store(GPA + 0x18, 4);
    assert_int_equal(vcpu_run_all(&world, &store, 1, NULL, 0), VX_STOP_BATCH);
    assert_int_equal(count_of(&world, 62), 1);
    assert_int_equal(vcpu_counts(&world)->exits, 1);
    assert_int_equal(world.vmcs.pml_index, 510);
    assert_int_equal(vx_physmem_read64(&world.memory, (vx_hpa){AREA + 8 * 511}), GPA);
    vcpu_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_result_has_its_reason),
        cmocka_unit_test(a_violation_becomes_ve_where_all_conditions_hold),
        cmocka_unit_test(a_reference_that_violates),
        cmocka_unit_test(advanced_information),
        cmocka_unit_test(a_full_log_exits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
