/* Address-space identifiers: which one a VM runs under, on a processor that may have too few for all.
 *
 * KVM (arch/x86/kvm/svm/svm.c, new_asid and pre_svm_run) and Xen (arch/x86/hvm/asid.c) do alike: VMs get ASIDs in order
 * as they come to run. When none is left a new generation begins: VMRUN flushes all of them once, and a VM of an older
 * generation gets a new ASID when it runs next. ASID 0 is the host's (APM Vol. 2, 15.16).
 *
 * NOT MODELLED: KVM's first generation, which begins with a flush of an empty TLB. */
#include "vmm_private.h"
#include "vx_svm.h"

void asids_init(vx_vmm *vmm)
{
    vmm->asids.next = 1;
    vmm->asids.generation = 1;
}

bool asids_assign(vmm_vm *vm)
{
    vx_vmm *vmm = vm->vmm;
    if (vmm->vcpus > 1) { /* alone on its processor, whose first ASID it has */
        vm->vmcb.asid = 1;
        return false;
    }
    if (vm->asid_generation == vmm->asids.generation) return false;
    bool exhausted = vmm->asids.next >= vmm->cpu->svm.asids;
    if (exhausted) {
        vmm->asids.generation++;
        vmm->asids.next = 1;
    }
    vm->asid_generation = vmm->asids.generation;
    vm->vmcb.asid = vmm->asids.next++;
    return exhausted;
}

void asids_dispatch(vmm_vm *vm)
{
    enum { FLUSH_ALL = 1 };
    if (asids_assign(vm)) vx_svm_tlb_control(vx_vcpu_mmu(vm->vcpu), FLUSH_ALL, vm->vmcb.asid);
}
