/* Fewer exits by agreement with the guest: para-virtual EOI, and patched instructions that write the TPR.
 *
 * KVM of Linux 6.1, arch/x86/kvm/lapic.c: apic_sync_pv_eoi_to_guest (offered where nothing else is requested, what is
 * in service has begun last, and no I/O APIC waits for its end), apic_sync_pv_eoi_from_guest, kvm_lapic_sync_to_vapic,
 * kvm_lapic_sync_from_vapic. With virtual-interrupt delivery or AVIC the processor does both, and neither is used. QEMU
 * (hw/i386/kvmvapic.c) patches an instruction when it has exited: each of them exits once. It does that for 32-bit
 * Windows; which guests have such instructions, and how many, is the guest's property.
 *
 * NOT MODELLED: instructions that read the TPR; a patch that the guest undoes. */
#include "guest_paravirtual.h"

enum { MSR_KVM_PV_EOI_EN = 0x4B564D04 };

void guest_paravirtual_attach(vmm_vm *vm) { vx_vcpu_share(vm->vcpu, &vm->paravirtual.shared); }

void guest_paravirtual_service(vmm_vm *vm, bool begins) { vm->paravirtual.begun_last = begins; }

void guest_paravirtual_handled(vmm_vm *vm)
{
    vx_apic *apic = vx_vcpu_apic(vm->vcpu);
    vx_paravirtual_apic *shared = &vm->paravirtual.shared;
    if (vm->paravirtual.offered && !shared->eoi_alone) {
        guest_paravirtual_service(vm, false);
        (void)vx_apic_end_of_interrupt(apic);
    }
    vm->paravirtual.offered = shared->eoi_alone = false;
    if (!shared->tpr_patched) return;
    vx_apic_put(apic->setup.page, VX_APIC_TPR, shared->tpr);
    vx_apic_update_priority(apic);
}

void guest_paravirtual_agree(vmm_vm *vm, const vx_record *record, const uint64_t *payload)
{
    bool eoi = record->kind == VX_REC_WRMSR && record->addr == MSR_KVM_PV_EOI_EN && record->count > 0;
    if (eoi && vm->vmm->config->pv_eoi) vm->paravirtual.agreed = payload[0] & 1;
}

void guest_paravirtual_patch(vmm_vm *vm, const vx_record *record)
{
    bool tpr = record->kind == VX_REC_APIC_WRITE && (record->addr & 0xFFC) == VX_APIC_TPR;
    if (!tpr || !vm->vmm->config->tpr_patching || vm->vmm->tpr_instructions == 0) return;
    vm->paravirtual.patched++;
    vm->paravirtual.shared.tpr_patched = vm->paravirtual.patched >= vm->vmm->tpr_instructions;
}

void guest_paravirtual_prepare(vmm_vm *vm, bool by_processor)
{
    vx_paravirtual_apic *shared = &vm->paravirtual.shared;
    const uint8_t *page = vx_vcpu_apic(vm->vcpu)->setup.page;
    uint8_t requested = vx_apic_vector_highest(page, VX_APIC_IRR), serving = vx_apic_vector_highest(page, VX_APIC_ISR);
    shared->tpr = (uint8_t)vx_apic_get(page, VX_APIC_TPR);
    shared->in_service = serving & 0xF0;
    shared->requested = requested;
    bool quiet =
        vm->paravirtual.begun_last && !requested && serving && !vx_apic_vector_test(page, VX_APIC_TMR, serving);
    vm->paravirtual.offered = shared->eoi_alone = vm->paravirtual.agreed && !by_processor && quiet;
}
