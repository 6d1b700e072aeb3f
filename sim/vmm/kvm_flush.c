/* Shadow entries have lost rights, and every vCPU of the VM may hold what they were: Linux 6.1, virt/kvm/kvm_main.c:
 * kvm_flush_remote_tlbs, kvm_make_all_cpus_request. */
#include "kvm_pages.h"

/* A vCPU that is not in this exit. Without VPID its own exit would come too late: it may walk before it. */
static void drop_other(vmm_vm *vm)
{
    bool untagged = !vm->vmm->vpid && vm->vmm->cpu->vendor == VX_VENDOR_INTEL;
    if (untagged)
        vx_mmu_invalidate(vx_vcpu_mmu(vm->vcpu), &(vx_mmu_invalidation){.op = VX_OP_VM_TRANSITION});
    else if (vm->vmm->vpid)
        shadow_drop_all(vm);
    else
        vx_mmu_invalidate(vx_vcpu_mmu(vm->vcpu),
                          &(vx_mmu_invalidation){.op = VX_OP_FLUSH_ASID, .vpid = (uint16_t)vm->vmcb.asid});
}

/* What others hold goes at once here, so that no processor walks a table that is another by
 * then; their exits come with the interrupt that tells them. */
void kvm_flush_others(vmm_vm *vm)
{
    kvm_shadow *kvm = vm->state;
    kvm->flush_others = false;
    if (vm->vmm->vcpus == 1) return;
    for (unsigned i = 0; i < vm->vmm->vcpus; i++)
        if (vmm_sibling(vm, i) != vm) drop_other(vmm_sibling(vm, i));
    vm->vmm->counts.remote_flushes++;
    vm->vmm->kick.others(vm->vmm->kick.context, vm->index);
}
