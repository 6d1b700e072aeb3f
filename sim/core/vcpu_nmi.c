/* Non-maskable interrupts in the step: arrival, injection, and who blocks further ones until IRET.
 *
 * Natively an NMI comes from the processor's own APIC (an IPI, or an entry of the local vector table) and blocks others
 * until the next IRET (SDM Vol. 3A 6.7.1). In VMX non-root operation with "NMI exiting" a physical NMI exits, and the
 * guest's are injected by software; then IRET tells the processor nothing, unless "virtual NMIs" makes it track
 * virtual-NMI blocking, from injection to IRET (SDM Vol. 3C 25.3, 26.6.1.1, 26.7.1). Without "NMI exiting" all is as
 * natively. In SVM guest mode an intercepted NMI exits; the processor tracks the guest's blocking with V_NMI alone, by
 * which it also delivers what waits (vNMI, through Linux asm/svm.h and Bochs cpu/svm.cc: the APM was not readable).
 *
 * NOT MODELLED: IRETs that fault; NMIs within what a modelled OS does at one time (they are taken behind it). */
#include "vcpu_private.h"
#include "vx_exception.h"

#define SVM1_NMI (1U << 1)
#define SVM_EXCEPTION_DEBUG (1U << 1)
enum { SVM_EXIT_NMI = 0x61, SVM_EXIT_DEBUG = 0x41 };

/* ---- arrival ---- */

static bool exits(const vx_vcpu *v)
{
    if (v->vmcs) return v->vmcs->pin & VX_PIN_NMI_EXITING;
    if (v->vmcb) return v->vmcb->intercepts1 & SVM1_NMI;
    return v->deprivileged;
}

static void arrive(vx_vcpu *v)
{
    if (!exits(v)) {
        v->nmi_pending = true;
        return;
    }
    bool amd = v->cpu->vendor == VX_VENDOR_AMD;
    vx_exit exit = {.reason = amd ? (uint32_t)SVM_EXIT_NMI : (uint32_t)VX_EXIT_EXCEPTION_NMI,
                    .interruption = VX_INTERRUPTION_VALID | VX_INTERRUPTION_NMI | VX_VECTOR_NMI};
    vx_vcpu_exit(v, &exit);
}

void vx_vcpu_nmi(vx_vcpu *v) { arrive(v); }

void vx_vcpu_counter_overflow(vx_vcpu *v)
{
    assert(v->apic);
    if (!v->vmcs && !v->vmcb) { /* of a deprivileged guest the software model obeys the processor's rules */
        (void)vx_apic_raise(v->apic, VX_APIC_LVT_PERFORMANCE);
        if (v->deprivileged) arrive(v);
        return;
    }
    v->counter_overflowed = true;
    arrive(v);
}

bool vx_vcpu_take_overflow(vx_vcpu *v)
{
    bool overflowed = v->counter_overflowed;
    v->counter_overflowed = false;
    return overflowed;
}

/* ---- injection ---- */

bool vx_vcpu_nmi_blocked(const vx_vcpu *v) { return v->nmi_blocked; }
bool vx_vcpu_injects(const vx_vcpu *v) { return v->injected_nmi || v->injected_vector; }

void vx_vcpu_inject_nmi(vx_vcpu *v)
{
    assert(!vx_vcpu_injects(v));
    v->injected_nmi = true;
}

void vx_vcpu_single_step(vx_vcpu *v) { v->single_step = true; }

/* RFLAGS.TF: #DB behind the instruction, which exits where it is intercepted. */
bool vcpu_step_exits(vx_vcpu *v, vx_exit *exit)
{
    bool steps = v->single_step && v->vmcb && (v->vmcb->exceptions & SVM_EXCEPTION_DEBUG);
    v->single_step = false;
    if (steps) *exit = (vx_exit){.reason = SVM_EXIT_DEBUG};
    return steps;
}

/* ---- blocking and delivery ---- */

/* Does the processor know from IRET when the handler of the guest's NMI is done? */
static bool tracks_blocking(const vx_vcpu *v)
{
    if (v->vmcs) return !exits(v) || (v->vmcs->pin & VX_PIN_VIRTUAL_NMIS);
    if (v->vmcb) return !exits(v) || v->svm_interrupt.v_nmi_enable;
    return true;
}

bool vcpu_nmi_waits(const vx_vcpu *v)
{
    bool own = !v->vmcs && !v->vmcb && (v->apic->events & VX_APIC_EVENT_NMI);
    bool posted = v->vmcb && v->svm_interrupt.v_nmi_enable && v->svm_interrupt.v_nmi_pending;
    return v->nmi_pending || own || posted;
}

bool vcpu_take_nmi(vx_vcpu *v)
{
    if (v->injected_nmi) {
        v->injected_nmi = false;
    } else {
        if (v->nmi_blocked || !vcpu_nmi_waits(v)) return false;
        v->nmi_pending = v->svm_interrupt.v_nmi_pending = false;
        if (!v->vmcs && !v->vmcb) v->apic->events &= (uint8_t)~VX_APIC_EVENT_NMI;
    }
    vcpu_nmi_begins(v);
    return true;
}

void vcpu_nmi_begins(vx_vcpu *v)
{
    v->counts.nmis++;
    v->nmi_blocked = tracks_blocking(v);
    v->nmi_found_off = v->interrupts_off;
}

void vcpu_iret(vx_vcpu *v)
{
    v->interrupts_off = v->nmi_found_off;
    v->nmi_found_off = false;
    if (tracks_blocking(v)) v->nmi_blocked = false;
}

bool vx_vcpu_v_nmi_pending(const vx_vcpu *v) { return v->svm_interrupt.v_nmi_pending; }
