/* Hypervisors on AMD: VMRUN's checks pass what every scheme and policy makes, and name what a wrong one would. */
#include <string.h>

#include "test_support.h"
#include "vmm_private.h"
#include "vmm_world.h"

static void open_world(vmm_world *world, vx_scheme scheme, bool vpid, vx_exit_policy exits)
{
    vmm_world_open(world, &(vmm_options){.amd = true,
                                         .scheme = scheme,
                                         .vpid = vpid,
                                         .mode = VX_PAGING_4LEVEL,
                                         .exits = exits,
                                         .pause_loops = vpid});
}

static vx_status check(const vmm_vm *vm, vx_msg *msg)
{
    return svm_entry_check(vm->vmm->config, vm->vmm->cpu, &vm->vmcb, msg);
}

static void every_scheme_and_policy_would_enter(void **state)
{
    (void)state;
    static const vx_scheme schemes[] = {VX_SCHEME_NPT, VX_SCHEME_SHADOW_WP, VX_SCHEME_SHADOW_VTLB,
                                        VX_SCHEME_SHADOW_KVM};
    for (unsigned i = 0; i < sizeof schemes / sizeof *schemes; i++)
        for (unsigned vpid = 0; vpid < 2; vpid++)
            for (unsigned exits = 0; exits < 2; exits++) {
                vmm_world world;
                open_world(&world, schemes[i], vpid, exits ? VX_EXITS_KVM : VX_EXITS_PLAIN);
                const vmm_vm *vm = &world.vmm->vm[0];
                assert_int_equal(check(vm, &world.msg), VX_OK);
                assert_int_equal(vm->vmcb.asid, 1);
                assert_int_equal(vm->vmcb.nested_paging, schemes[i] == VX_SCHEME_NPT);
                assert_int_equal(vm->vmcb.intercepts2 & 1, 1);
                vmm_world_close(&world);
            }
}

static void refused(const vmm_world *world, const vmm_vm *vm, const char *words)
{
    vx_msg msg;
    assert_int_equal(check(vm, &msg), VX_ERR_INPUT);
    if (!strstr(msg.text, words)) fail_msg("'%s' is not in '%s'", words, msg.text);
    assert_non_null(strstr(msg.text, world->cpu.name));
    assert_non_null(strstr(msg.text, "plain"));
}

static void a_wrong_hypervisor_is_told_field_and_check(void **state)
{
    (void)state;
    vmm_world world;
    open_world(&world, VX_SCHEME_NPT, false, VX_EXITS_PLAIN);
    vmm_vm right = world.vmm->vm[0], vm = right;
    vm.vmcb.asid = 0;
    refused(&world, &vm, "VMRUN would fail: ASID 0 is the host's (VMCB 058h, guest_asid; APM 15.16");
    vm = right;
    vm.vmcb.intercepts2 = 0;
    refused(&world, &vm, "VMRUN is not intercepted (VMCB 010h");
    vm = right;
    vm.vmcb.nested_cr3 = 1ULL << 60;
    refused(&world, &vm, "nCR3 beyond physical addresses (VMCB 0B0h, n_cr3");
    vm = right;
    world.cpu.svm.flush_by_asid = false;
    refused(&world, &vm, "TLB_CONTROL that the processor lacks (VMCB 05Ch, tlb_control");
    vm.vmcb.tlb_control = 1;
    assert_int_equal(check(&vm, &world.msg), VX_OK);
    vm.vmcb.pause_filter_count = 3000;
    refused(&world, &vm, "the CPU does not look at VMCB 03Eh, pause_filter_count");
    world.cpu.svm.pause_filter = true;
    assert_int_equal(check(&vm, &world.msg), VX_OK);
    vm.vmcb.pause_filter_threshold = 128;
    refused(&world, &vm, "the CPU does not look at VMCB 03Ch, pause_filter_threshold");
    world.cpu.svm.npt = false;
    vm = right;
    vm.vmcb.tlb_control = 0;
    refused(&world, &vm, "nested paging that the processor lacks (VMCB 090h");
    vmm_world_close(&world);
}

/* Three VMs by turns on a processor with n ASIDs: who gets which, and when all are flushed. */
static void asids_run_out_by_generations(void **state)
{
    (void)state;
    for (uint32_t asids = 2; asids <= 5; asids++) {
        vmm_world world;
        open_world(&world, VX_SCHEME_NPT, true, VX_EXITS_PLAIN);
        world.cpu.svm.asids = asids;
        vmm_vm vms[3];
        for (unsigned i = 0; i < 3; i++) vms[i] = world.vmm->vm[0], vms[i].asid_generation = 0;
        asids_init(world.vmm);
        unsigned flushes = 0, owner[8] = {0}; /* VM + 1 that used the ASID since the last flush */
        for (unsigned turn = 0; turn < 30; turn++) {
            vmm_vm *vm = &vms[turn % 3];
            bool flush = asids_assign(vm);
            if (flush) flushes++, memset(owner, 0, sizeof owner);
            assert_true(vm->vmcb.asid >= 1 && vm->vmcb.asid < asids);
            assert_true(owner[vm->vmcb.asid] == 0 || owner[vm->vmcb.asid] == turn % 3 + 1);
            owner[vm->vmcb.asid] = turn % 3 + 1;
            assert_false(asids_assign(vm)); /* as long as it is of this generation it keeps it */
        }
        assert_int_equal(flushes, asids > 3 ? 0 : 30 / (asids - 1) - 1);
        vmm_world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scheme_and_policy_would_enter),
        cmocka_unit_test(a_wrong_hypervisor_is_told_field_and_check),
        cmocka_unit_test(asids_run_out_by_generations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
