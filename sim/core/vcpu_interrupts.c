/* The guest's local APIC in the step: what its accesses do, and which interrupt is taken at an instruction boundary.
 *
 * Without a hypervisor the APIC is the processor's own. In VMX non-root operation the processor works on its page as
 * far as the VMCS lets it (TPR shadow, APIC-access page, x2APIC mode, virtual-interrupt delivery, posted interrupts:
 * SDM Vol. 3C chapter 29), and everything else is software's, which drives the same APIC by its own rules. In SVM guest
 * mode CR8 is V_TPR and V_IRQ asks for a window (APM Vol. 2, 15.21).
 *
 * Interrupts are taken between records, and not among the queued ones: behind what a modelled OS does at one time.
 * RFLAGS.IF is 0 from the delivery of an interrupt or page fault to its IRET. Order at a boundary (SDM Vol. 3C 26.7):
 * injection, then what vmcs_boundary.c says, or the processor's own APIC.
 *
 * NMIs are vcpu_nmi.c's, AVIC is vcpu_avic.c's.
 *
 * NOT MODELLED: SMIs and INIT of the APIC in the step; blocking by STI
 * and MOV SS. The APIC timer is vcpu_timer.c's. */
#include "vcpu_private.h"
#include "vmcs_apic_exits.h"
#include "vx_boundary.h"
#include "vx_exception.h"

#define SVM1_VINTR (1U << 4)
enum {
    SVM_EXIT_INTR = 0x60,
    SVM_EXIT_VINTR = 0x64,
    INFO_TYPE_EXTERNAL = 0U << 8,
};
#define INFO_VALID (1U << 31)

void vcpu_enter_interrupts(vx_vcpu *v)
{
    if (!v->apic) return;
    if (v->vmcb) v->svm_interrupt = v->vmcb->interrupt;
    if (!v->vmcs) return;
    v->virtual_apic = vmcs_virtual_apic(v->vmcs);
    v->virtual_apic.page = v->apic->setup.page;
    (void)vx_virtual_apic_enter(&v->virtual_apic); /* its exit is the boundary's, vcpu_boundary */
    v->entered = true;
}

/* ---- accesses that do not exit ---- */

void vcpu_apic_write(vx_vcpu *v, uint32_t offset, uint32_t bytes, uint32_t value)
{
    if (!v->apic) return;
    if (v->vmcs)
        (void)vx_virtual_apic_write(&v->virtual_apic, offset, bytes, value);
    else
        (void)vx_apic_write(v->apic, offset, value, vx_vcpu_now(v));
    vcpu_timer_armed(v);
}

void vcpu_apic_wrmsr(vx_vcpu *v, uint64_t msr, uint64_t value)
{
    bool apic = (msr >= VX_MSR_X2APIC_FIRST && msr <= VX_MSR_X2APIC_LAST) || msr == VX_MSR_APIC_BASE ||
                msr == VX_MSR_TSC_DEADLINE;
    if (!v->apic || !apic) return;
    if (v->vmcs)
        (void)vx_virtual_apic_wrmsr(&v->virtual_apic, (uint32_t)msr, value);
    else
        (void)vx_apic_wrmsr(v->apic, (uint32_t)msr, value, vx_vcpu_now(v));
    vcpu_timer_armed(v);
}

void vcpu_set_cr8(vx_vcpu *v, uint8_t priority)
{
    if (!v->apic) return;
    if (v->vmcs)
        (void)vx_virtual_apic_set_cr8(&v->virtual_apic, priority);
    else if (vcpu_avic(v))
        vx_avic_set_cr8(v->vmcb->avic, priority);
    else if (!v->vmcb || !vx_svm_set_cr8(&v->svm_interrupt, priority))
        vx_apic_set_cr8(v->apic, priority);
}

/* ---- arrival ---- */

/* Posted by whoever has the interrupt (interrupt remapping, another processor), which also sends the notification. */
static bool posted(vx_vcpu *v, uint8_t vector)
{
    if (!v->vmcs || !(v->vmcs->pin & VX_PIN_POSTED_INTERRUPTS) || !v->vmcs->posted) return false;
    if (vx_posted_post(v->vmcs->posted, vector)) vx_virtual_apic_process_posted(&v->virtual_apic, v->vmcs->posted);
    return true;
}

void vx_vcpu_interrupt(vx_vcpu *v, uint8_t vector)
{
    assert(v->apic);
    if (posted(v, vector) || vcpu_avic_posts(v, vector)) return;
    if (!v->vmcs && !v->vmcb) { /* of a deprivileged guest the software model obeys the processor's rules */
        const vx_interrupt_message message = {.vector = vector, .source = VX_APIC_NOBODY};
        (void)vx_apic_accept(v->apic, &message);
    }
    if (!vcpu_virtualized(v)) return;
    bool amd = v->cpu->vendor == VX_VENDOR_AMD;
    vx_exit exit = {.reason = amd ? (uint32_t)SVM_EXIT_INTR : (uint32_t)VX_EXIT_EXTERNAL_INTERRUPT,
                    .interruption = INFO_VALID | INFO_TYPE_EXTERNAL | vector};
    vx_vcpu_exit(v, &exit);
}

/* ---- instruction boundaries ---- */

bool vx_vcpu_can_inject(const vx_vcpu *v) { return !v->interrupts_off && !vx_vcpu_injects(v); }
vx_apic *vx_vcpu_apic(vx_vcpu *v) { return v->apic; }

uint8_t vx_vcpu_cr8(const vx_vcpu *v)
{
    uint8_t priority;
    if (v->vmcb && !vcpu_avic(v) && vx_svm_cr8(&v->svm_interrupt, &priority)) return priority;
    return vx_apic_cr8(v->apic);
}

void vx_vcpu_inject_interrupt(vx_vcpu *v, uint8_t vector)
{
    assert(!vx_vcpu_injects(v) && vector != 0);
    v->injected_vector = vector;
}

/* VMX: what comes next by the processor's priorities. */
static bool vmx_boundary_exit(vx_vcpu *v, vx_exit *exit)
{
    const vx_exit_context context = {.vtpr = (uint8_t)vx_apic_get(v->apic->setup.page, VX_APIC_TPR),
                                     .interrupts_on = !v->interrupts_off,
                                     .interruptibility = v->nmi_blocked ? VX_BLOCKING_NMI : 0};
    const vx_pending pending = {
        .after_entry = v->entered, .nmi = vcpu_nmi_waits(v), .virtual_interrupt = v->virtual_apic.recognized};
    v->entered = false;
    return vx_vmcs_boundary(v->vmcs, &context, &pending, exit).action == VX_BOUNDARY_EXITS;
}

/* An exit that is due at this boundary, if any. An injected event comes with the VM entry, before all of them. */
static bool boundary_exit(vx_vcpu *v, vx_exit *exit)
{
    if (vx_vcpu_injects(v)) return false;
    if (v->vmcs) return vmx_boundary_exit(v, exit);
    if (vcpu_step_exits(v, exit)) return true;
    if (vcpu_nmi_waits(v) && !v->nmi_blocked) return false; /* it comes first (svm_events.c) */
    bool vintr = v->vmcb && (v->vmcb->intercepts1 & SVM1_VINTR);
    if (!vintr || !vx_svm_virtual_interrupt(&v->svm_interrupt, !v->interrupts_off)) return false;
    *exit = (vx_exit){.reason = SVM_EXIT_VINTR};
    return true;
}

/* The vector that is taken now, or 0. */
static uint8_t take(vx_vcpu *v)
{
    uint8_t vector = v->injected_vector;
    v->injected_vector = 0;
    if (!vector && vcpu_take_nmi(v)) return VX_VECTOR_NMI;
    if (vector || v->interrupts_off) return vector;
    if (v->vmcs) return vx_virtual_apic_deliver(&v->virtual_apic);
    if (vcpu_avic(v)) return vx_avic_deliver(v->vmcb->avic);
    if (v->vmcb)
        return vx_svm_virtual_interrupt(&v->svm_interrupt, true) ? vx_svm_take_virtual_interrupt(&v->svm_interrupt) : 0;
    return vx_apic_pending(v->apic) ? vx_apic_acknowledge(v->apic) : 0;
}

static vx_status deliver(vx_vcpu *v, uint8_t vector, vx_msg *msg)
{
    if (vector != VX_VECTOR_NMI) v->counts.interrupts++; /* vectors below 16 are no interrupts */
    v->interrupts_off = true;
    vx_ledger_charge(v->ledger, VX_CAUSE_INTERRUPT, v->cpu->cost.interrupt_ticks);
    vcpu_enter_kernel(v);
    return v->hooks.on_interrupt(v->hooks.guest, vector, v->queue, msg);
}

vx_status vcpu_boundary(vx_vcpu *v, vx_msg *msg)
{
    if (!v->apic || v->queue->count != 0) return VX_OK;
    vx_exit exit;
    for (unsigned tries = 0; boundary_exit(v, &exit); tries++) {
        if (tries == VX_VCPU_RETRIES_MAX)
            return vx_fail(msg, VX_ERR_CHECK, "the hypervisor leaves the interrupt window open after %u exits", tries);
        (void)vcpu_take_exit(v, &exit, NULL, NULL);
    }
    uint8_t vector = take(v);
    return vector ? deliver(v, vector, msg) : VX_OK;
}
