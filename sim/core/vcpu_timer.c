/* Timers that interrupt the guest while it runs: its processor's own APIC timer, or the host's, which a hypervisor has
 * armed for the guest's.
 *
 * SDM Vol. 3A 10.5.4 (the APIC timer: local_apic_timer.c); Vol. 3C 25.5.1 (the VMX-preemption timer: vcpu_nonroot.c).
 * Natively a timer that is due requests its interrupt. Under a hypervisor the physical timer is the host's: its
 * interrupt exits, and what software has emulated of the guest's timer then signals. All end the loop over references
 * as a tick limit does: late by one record at the most.
 *
 * NOT MODELLED: a host timer that expires while another VM has the processor interrupts that one (here the VM's next
 * turn begins with it). */
#include "vcpu_private.h"

static bool own(const vx_vcpu *v) { return v->apic && !v->vmcs && !v->vmcb; }

vx_tick vcpu_timer_due(const vx_vcpu *v)
{
    vx_tick apic = own(v) ? vx_apic_timer_due(v->apic) : VX_TICK_NEVER;
    vx_tick first = apic < v->host_timer ? apic : v->host_timer;
    return v->timer_deadline < first ? v->timer_deadline : first;
}

vx_tick vx_vcpu_timer_due(const vx_vcpu *v) { return vcpu_timer_due(v); }

void vcpu_timer_armed(vx_vcpu *v)
{
    vx_tick due = vcpu_timer_due(v);
    if (due >= v->tick_limit) return;
    v->tick_limit = due;
    vcpu_note_time(v);
}

void vx_vcpu_host_timer(vx_vcpu *v, vx_tick deadline) { v->host_timer = deadline; }

static void expire(vx_vcpu *v)
{
    if (v->timer_deadline <= vx_vcpu_now(v)) {
        const vx_exit exit = {.reason = VX_EXIT_PREEMPTION_TIMER};
        (void)vcpu_take_exit(v, &exit, NULL, NULL);
        return;
    }
    if (own(v)) vx_apic_timer_advance(v->apic, vx_vcpu_now(v));
    if (!vcpu_virtualized(v)) return;
    v->host_timer = VX_TICK_NEVER; /* software arms it again */
    bool amd = v->cpu->vendor == VX_VENDOR_AMD;
    vx_vcpu_exit(v, &(vx_exit){.reason = amd ? (uint32_t)VX_SVM_EXIT_INTR : (uint32_t)VX_EXIT_EXTERNAL_INTERRUPT});
}

vx_status vcpu_timers(vx_vcpu *v, vx_msg *msg)
{
    for (unsigned tries = 0; vcpu_timer_due(v) <= vx_vcpu_now(v); tries++) {
        if (tries == VX_VCPU_RETRIES_MAX)
            return vx_fail(msg, VX_ERR_CHECK,
                           "a timer has expired %d times in a row: its period is shorter than what it sets off",
                           VX_VCPU_RETRIES_MAX);
        expire(v);
        if (!v->apic) continue;
        vx_status status = vx_vcpu_drain(v, msg);
        if (status != VX_OK) return status;
    }
    return VX_OK;
}
