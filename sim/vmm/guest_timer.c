/* A guest's APIC timer: the software model says when it is due, and something must end the guest's run then.
 *
 * KVM of Linux 6.1 (arch/x86/kvm/lapic.c: start_hv_timer, kvm_lapic_expired_hv_timer; vmx.c: vmx_set_hv_timer,
 * vmx_update_hv_timer) takes the VMX-preemption timer where the processor has it, which exits by itself and needs no
 * host interrupt; other hypervisors, and all on AMD, a timer of the host, whose interrupt exits. The preemption timer
 * counts units of 32 ticks here; KVM rounds down, so it may end a run early, and counts that as expiry.
 *
 * NOT MODELLED: the advance of the deadline by which KVM hides the cost of the entry (lapic_timer_advance_ns);
 * deadlines beyond what the preemption timer holds, for which KVM takes the host's (2^32 units are longer than any
 * run). */
#include "guest_timer.h"
#include "vx_nonroot.h"

static bool by_processor(const vmm_vm *vm)
{
    const vx_vmm *vmm = vm->vmm;
    return vmm->cpu->vendor == VX_VENDOR_INTEL && vmm->cpu->vmx.preemption_timer && vmm->config->preemption_timer;
}

void guest_timer_handled(vmm_vm *vm, const vx_exit *exit)
{
    vx_apic *apic = vx_vcpu_apic(vm->vcpu);
    vx_tick now = vx_vcpu_now(vm->vcpu), due = vx_apic_timer_due(apic);
    bool expired = by_processor(vm) && exit->reason == VX_EXIT_PREEMPTION_TIMER && due != VX_TICK_NEVER;
    vx_apic_timer_advance(apic, expired && due > now ? due : now);
}

void guest_timer_prepare(vmm_vm *vm)
{
    vx_tick now = vx_vcpu_now(vm->vcpu), due = vx_apic_timer_due(vx_vcpu_apic(vm->vcpu));
    if (!by_processor(vm)) {
        vx_vcpu_host_timer(vm->vcpu, due);
        return;
    }
    uint64_t units = due > now ? (due - now) >> VX_PREEMPTION_TIMER_RATE : 0;
    vm->vmcs.pin &= ~VX_PIN_PREEMPTION_TIMER;
    if (due == VX_TICK_NEVER) return;
    vm->vmcs.pin |= VX_PIN_PREEMPTION_TIMER;
    vm->vmcs.preemption_timer_value = units < UINT32_MAX ? (uint32_t)units : UINT32_MAX;
}
