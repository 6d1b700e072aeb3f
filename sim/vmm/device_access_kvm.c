/* Device memory under KVM of Linux 6.1 (arch/x86/kvm/mmu/mmu.c: mark_mmio_spte, kvm_faultin_pfn; x86.c:
 * retry_instruction).
 *
 * The first access to a page of device memory leaves a misconfigured entry there, so that the next ones exit as
 * EPT_MISCONFIG, which KVM handles without a walk. The local APIC's page is another thing where KVM has FlexPriority
 * but not APICv: there is memory behind it, which it refuses to map, so each access is an EPT violation to be emulated;
 * and since what is refused is no device, an instruction that is not used for page tables, as a load, is first made
 * again, in the hope that the fault came of a shadowed table. */
#include "vmm_private.h"

static bool apic_page_is_refused(const vmm_vm *vm, const vx_record *record)
{
    bool apic = record->kind == VX_REC_APIC_READ || record->kind == VX_REC_APIC_WRITE;
    const vx_cfg_cpu *cpu = vm->vmm->cpu;
    return apic && cpu->vendor == VX_VENDOR_INTEL && cpu->vmx.virtualize_apic_accesses && cpu->vmx.tpr_shadow &&
           vm->vmm->config->flexpriority;
}

vx_resume device_access_kvm(vmm_vm *vm, const vx_exit *exit, const vx_record *record)
{
    if (apic_page_is_refused(vm, record)) {
        bool again = record->kind == VX_REC_APIC_READ && !vm->device_retried;
        vm->device_retried = again;
        return again ? VX_RESUME_RETRY : VX_RESUME_NEXT;
    }
    bool first = exit->reason == VX_EXIT_EPT_VIOLATION && vm->vmm->cpu->vendor == VX_VENDOR_INTEL;
    if (first && vm->vmm->scheme->mark_device) vm->vmm->scheme->mark_device(vm, exit->physical);
    return VX_RESUME_NEXT;
}
