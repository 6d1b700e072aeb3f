/* Events: physical ones that wait for GIF and RFLAGS.IF, virtual interrupts and NMIs, exceptions, shutdown.
 *
 * APM Vol. 2, 15.13 (interrupt intercepts), 15.17 (GIF), 15.20, 15.21 (V_INTR, V_TPR). Order of simultaneous events:
 * SMI, INIT, NMI, INTR, virtual NMI, virtual interrupt, as in Bochs cpu/event.cc. An intercepted event stays pending:
 * the host takes it after STGI. When a virtual interrupt may be taken is vx_svm_interrupts.h's to say (as Bochs does;
 * QEMU's ctl_has_irq lets V_INTR_PRIO equal V_TPR). With V_INTR_MASKING the host's RFLAGS.IF gates physical interrupts,
 * and an intercepted one does not wait for the guest's interrupt shadow (KVM svm.c, svm_interrupt_blocked). */
#include "svm_private.h"
#include "vx_svm_interrupts.h"

static vx_svm_outcome held(void) { return (vx_svm_outcome){.result = VX_SVM_HELD}; }

static vx_svm_outcome exit_with(vx_svm *svm, uint64_t code) { return svm_vmexit(svm, &(svm_exit){.code = code}); }

static vx_svm_outcome deliver(vx_svm *svm, uint32_t type, uint8_t vector)
{
    svm->delivering = VX_EVENT_VALID | type | vector;
    svm->delivering_error = 0;
    svm->shadow = false;
    return (vx_svm_outcome){.result = VX_SVM_EVENT, .event = svm->delivering};
}

static bool waits(const vx_svm *svm, vx_svm_signal_kind kind) { return svm->pending >> kind & 1; }

static void taken(vx_svm *svm, vx_svm_signal_kind kind) { svm->pending &= (uint8_t) ~(1U << kind); }

static bool rflags_if(const vx_svm *svm) { return svm_get(svm, VX_VMCB_RFLAGS) & SVM_RFLAGS_IF; }

/* VM_CR.R_INIT turns INIT into #SX (15.28 in the APM; Bochs names the bit). */
static vx_svm_outcome take_init(vx_svm *svm)
{
    if (svm_intercepted(svm, VX_SVM_EXIT_INIT)) return exit_with(svm, VX_SVM_EXIT_INIT);
    taken(svm, VX_SVM_INIT);
    if (svm->vm_cr & (1U << 1)) return svm_raise(svm, SVM_SX, true, 1, 0, NULL);
    return (vx_svm_outcome){.result = VX_SVM_RESET};
}

static vx_svm_outcome take_nmi(vx_svm *svm)
{
    if (svm_intercepted(svm, VX_SVM_EXIT_NMI)) return exit_with(svm, VX_SVM_EXIT_NMI);
    taken(svm, VX_SVM_NMI);
    svm->nmi_blocked = true;
    return deliver(svm, VX_EVENT_NMI, 2);
}

static bool interrupt_open(const vx_svm *svm)
{
    bool masking = svm->guest && (svm_v_intr(svm) & VX_V_INTR_MASKING);
    if (!(masking ? svm->host_if : rflags_if(svm))) return false;
    return svm_intercepted(svm, VX_SVM_EXIT_INTR) || !svm->shadow;
}

static vx_svm_outcome take_interrupt(vx_svm *svm)
{
    if (svm_intercepted(svm, VX_SVM_EXIT_INTR)) return exit_with(svm, VX_SVM_EXIT_INTR);
    taken(svm, VX_SVM_INTR);
    return deliver(svm, VX_EVENT_INTR, svm->interrupt);
}

/* ---- virtual events: the VMCB's own, gated by the guest's GIF where it has one ---- */

static bool virtual_gif(const vx_svm *svm)
{
    bool own = svm->cpu->svm.vgif && (svm_v_intr(svm) & VX_V_GIF_ENABLE);
    return !own || (svm_v_intr(svm) & VX_V_GIF);
}

static bool virtual_nmi_open(const vx_svm *svm)
{
    const uint32_t want = VX_V_NMI_ENABLE | VX_V_NMI_PENDING;
    return svm->cpu->svm.vnmi && (svm_v_intr(svm) & (want | VX_V_NMI_BLOCKING)) == want && virtual_gif(svm);
}

static vx_svm_interrupt virtual_interrupt(const vx_svm *svm)
{
    uint32_t v = svm_v_intr(svm);
    return (vx_svm_interrupt){.v_tpr = (uint8_t)(v & VX_V_TPR),
                              .v_irq = v & VX_V_IRQ,
                              .v_intr_prio = (uint8_t)((v & VX_V_INTR_PRIO) >> 16),
                              .v_ign_tpr = v & VX_V_IGN_TPR,
                              .v_intr_vector = (uint8_t)vx_vmcb_get(&svm->vmcb, VX_VMCB_V_INTR_VECTOR)};
}

static vx_svm_outcome take_virtual(vx_svm *svm)
{
    if (virtual_nmi_open(svm)) {
        svm_set_v_intr(svm, (svm_v_intr(svm) & ~VX_V_NMI_PENDING) | VX_V_NMI_BLOCKING);
        return deliver(svm, VX_EVENT_NMI, 2);
    }
    vx_svm_interrupt interrupt = virtual_interrupt(svm);
    if (!virtual_gif(svm) || !vx_svm_virtual_interrupt(&interrupt, rflags_if(svm) && !svm->shadow)) return held();
    if (svm_intercepted(svm, VX_SVM_EXIT_VINTR)) return exit_with(svm, VX_SVM_EXIT_VINTR);
    svm_set_v_intr(svm, svm_v_intr(svm) & ~VX_V_IRQ);
    return deliver(svm, VX_EVENT_INTR, vx_svm_take_virtual_interrupt(&interrupt));
}

vx_svm_outcome vx_svm_take(vx_svm *svm)
{
    if (svm->shutdown) return (vx_svm_outcome){.result = VX_SVM_SHUTDOWN};
    if (!svm->gif) return held();
    if (waits(svm, VX_SVM_SMI)) {
        if (svm_intercepted(svm, VX_SVM_EXIT_SMI)) return exit_with(svm, VX_SVM_EXIT_SMI);
        taken(svm, VX_SVM_SMI);
        return (vx_svm_outcome){.result = VX_SVM_DONE};
    }
    if (waits(svm, VX_SVM_INIT)) return take_init(svm);
    if (waits(svm, VX_SVM_NMI) && !svm->nmi_blocked) return take_nmi(svm);
    if (waits(svm, VX_SVM_INTR) && interrupt_open(svm)) return take_interrupt(svm);
    return svm->guest ? take_virtual(svm) : held();
}

void vx_svm_signal(vx_svm *svm, vx_svm_signal_kind kind, uint8_t vector)
{
    svm->pending |= (uint8_t)(1U << kind);
    if (kind == VX_SVM_INTR) svm->interrupt = vector;
}

void vx_svm_delivered(vx_svm *svm) { svm->delivering = 0; }

/* #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP, #VC, #SX (APM Vol. 2, 8.2). */
static bool pushes_error_code(uint8_t vector)
{
    const uint32_t vectors =
        1U << 8 | 1U << 10 | 1U << 11 | 1U << 12 | 1U << 13 | 1U << 14 | 1U << 17 | 1U << 21 | 1U << 29 | 1U << 30;
    return vector < 32 && (vectors >> vector & 1);
}

vx_svm_outcome vx_svm_exception(vx_svm *svm, uint8_t vector, uint32_t error_code, uint64_t address,
                                const vx_svm_bytes *bytes)
{
    if (svm->shutdown) return (vx_svm_outcome){.result = VX_SVM_SHUTDOWN};
    return svm_raise(svm, vector & 31, pushes_error_code(vector & 31), error_code, address, bytes);
}

vx_svm_outcome vx_svm_triple_fault(vx_svm *svm)
{
    if (!svm->shutdown && svm_intercepted(svm, VX_SVM_EXIT_SHUTDOWN)) return exit_with(svm, VX_SVM_EXIT_SHUTDOWN);
    svm->shutdown = true;
    return (vx_svm_outcome){.result = VX_SVM_SHUTDOWN};
}
