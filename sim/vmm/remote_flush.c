/* Rights that go in nested tables, and the processors that are told (kvm_flush_remote_tlbs). When is the clock's
 * business: sim/sim_reclaim.c. */
#include "vmm_private.h"
#include "vx_svm.h"

bool vx_vmm_reclaim(vx_vmm *vmm)
{
    bool any = vmm->scheme->reclaim(&vmm->vm[0]);
    vmm->counts.reclaims += any;
    vmm->counts.remote_flushes += any;
    return any;
}

/* KVM (arch/x86/kvm/vmx/vmx.c, vmx_flush_tlb_all; svm.c, svm_flush_tlb): INVEPT of all contexts; the vCPU's ASID, or
 * all where the processor cannot flush one. */
void vx_vmm_flush(vx_vmm *vmm, unsigned vm, bool kick)
{
    vx_vcpu *vcpu = vmm->vm[vm].vcpu;
    vx_mmu *mmu = vx_vcpu_mmu(vcpu);
    bool amd = vmm->cpu->vendor == VX_VENDOR_AMD;
    if (kick) {
        vx_tick before = vx_vcpu_now(vcpu);
        vx_vcpu_exit(vcpu,
                     &(vx_exit){.reason = amd ? (uint32_t)VX_SVM_EXIT_INTR : (uint32_t)VX_EXIT_EXTERNAL_INTERRUPT});
        vmm->counts.kicks++;
        vmm->counts.kick_ticks += vx_vcpu_now(vcpu) - before;
    }
    if (vmm->scheme->shadow_tables) return; /* the scheme has dropped them itself */
    if (amd)
        vx_svm_tlb_control(mmu, vmm->cpu->svm.flush_by_asid ? 3 : 1, vmm->vm[vm].vmcb.asid);
    else
        vx_mmu_invalidate(mmu, &(vx_mmu_invalidation){.op = VX_OP_INVEPT_ALL});
}
