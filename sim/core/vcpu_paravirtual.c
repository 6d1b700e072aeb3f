/* What guests do in place of an access to their APIC, where they know their hypervisor: words of guest memory that both
 * of them read and write (vx_paravirtual_apic).
 *
 * KVM's para-virtual EOI (Documentation/virt/kvm/x86/msr.rst, MSR_KVM_PV_EOI_EN): bit 0 set says that nothing but the
 * EOI is to be done, and the guest clears it instead. KVM's TPR patching (QEMU pc-bios/optionrom/kvmvapic.S): a patched
 * instruction stores the task priority and asks the hypervisor, by VMCALL or VMMCALL, only where the highest request is
 * then above the processor priority. Both are instructions of the guest: no access to the APIC reaches the processor.
 *
 * NOT MODELLED: the instructions of the patched routine themselves (about twenty), and their references. */
#include "vcpu_private.h"

enum { HYPERCALL_POLL = 1 }; /* KVM_HC_VAPIC_POLL_IRQ */

static bool is_write_of(const vx_record *record, uint32_t offset)
{
    if (record->kind == VX_REC_APIC_WRITE) return (record->addr & 0xFFC) == offset;
    return record->kind == VX_REC_WRMSR && record->addr == vx_apic_msr(offset);
}

/* vapic: byte 0 TPR, byte 1 class of what is in service, byte 3 what is requested. Vectors are compared whole. */
static vx_status set_tpr(vx_vcpu *v, vx_paravirtual_apic *shared, uint8_t tpr, vx_msg *msg)
{
    shared->tpr = tpr;
    uint8_t ppr = tpr >= shared->in_service ? tpr : shared->in_service;
    if (shared->requested <= ppr) return VX_OK;
    bool amd = v->cpu->vendor == VX_VENDOR_AMD;
    const vx_record poll = {.kind = amd ? VX_REC_VMMCALL : VX_REC_VMCALL, .addr = HYPERCALL_POLL};
    v->polls_tpr = true;
    vx_status status = vcpu_event(v, &poll, NULL, msg);
    v->polls_tpr = false;
    return status;
}

bool vcpu_paravirtual_access(vx_vcpu *v, const vx_record *record, const uint64_t *payload, vx_status *status,
                             vx_msg *msg)
{
    vx_paravirtual_apic *shared = v->paravirtual;
    *status = VX_OK;
    if (!shared) return false;
    if (shared->eoi_alone && is_write_of(record, VX_APIC_EOI)) {
        shared->eoi_alone = false;
        return true;
    }
    bool patched = shared->tpr_patched && record->kind == VX_REC_APIC_WRITE && is_write_of(record, VX_APIC_TPR);
    if (patched) *status = set_tpr(v, shared, (uint8_t)payload[0], msg);
    return patched;
}

void vx_vcpu_share(vx_vcpu *v, vx_paravirtual_apic *shared) { v->paravirtual = shared; }
