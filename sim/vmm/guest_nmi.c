/* NMIs of a guest: who injects them, and how a hypervisor learns that the handler of one has ended.
 *
 * After KVM of Linux 6.1 (x86.c: inject_pending_event; vmx.c: vmx_enable_nmi_window, vmx_inject_nmi, __vmx_handle_exit;
 * svm.c: svm_inject_nmi, iret_interception, svm_enable_nmi_window, svm_complete_interrupts):
 *   - Intel with virtual NMIs: the processor tracks blocking; what must wait gets NMI-window exiting;
 *   - Intel without: NMIs count as blocked until an exit finds interrupts open, and what waits opens their window;
 *   - AMD: IRET is intercepted from the injection on; a second NMI is injected behind the IRET, for which the guest
 *     takes one step with RFLAGS.TF;
 *   - AMD with V_NMI (KVM since 6.4, so not policy "kvm"): the processor delivers what the VMCB says is pending.
 *
 * NOT MODELLED: more than one NMI that waits (a processor latches one; KVM keeps up to two); the limit of a second that
 * KVM sets to the blocking without virtual NMIs. */
#include "guest_nmi.h"

#define SVM1_IRET (1U << 20)
#define DEBUG_EXCEPTION (1U << 1)
enum { SVM_EXIT_NMI = 0x61, SVM_EXIT_IRET = 0x74 };

static bool is_amd(const vmm_vm *vm) { return vm->vmm->cpu->vendor == VX_VENDOR_AMD; }

/* Does the processor keep the guest's blocking? */
static bool tracked(const vmm_vm *vm)
{
    return is_amd(vm) ? vm->vmcb.interrupt.v_nmi_enable : (vm->vmcs.pin & VX_PIN_VIRTUAL_NMIS) != 0;
}

void guest_nmi_attach(vmm_vm *vm)
{
    const vx_cfg_cpu *cpu = vm->vmm->cpu;
    vm->vmcb.interrupt.v_nmi_enable = cpu->svm.vnmi && vm->vmm->config->exits != VX_EXITS_KVM;
    if (cpu->vmx.virtual_nmis) vm->vmcs.pin |= VX_PIN_VIRTUAL_NMIS;
}

/* ---- exits ---- */

/* A handler of the guest's begins, and the processor will not say when it ends. */
static void mask(vmm_vm *vm)
{
    if (tracked(vm)) return;
    vm->nmi.masked = true;
    if (is_amd(vm)) vm->vmcb.intercepts1 |= SVM1_IRET;
}

static bool is_nmi(const vmm_vm *vm, const vx_exit *exit)
{
    if (is_amd(vm)) return exit->reason == SVM_EXIT_NMI;
    const uint32_t type = 7U << 8;
    return exit->reason == VX_EXIT_EXCEPTION_NMI && (exit->interruption & type) == VX_INTERRUPTION_NMI;
}

static bool is_iret(const vmm_vm *vm, const vx_exit *exit) { return is_amd(vm) && exit->reason == SVM_EXIT_IRET; }

void guest_nmi_handled(vmm_vm *vm, const vx_exit *exit, const vx_record *record)
{
    vx_apic *apic = vx_vcpu_apic(vm->vcpu);
    bool open = is_amd(vm) ? vm->nmi.iret_seen : vx_vcpu_can_inject(vm->vcpu);
    if (open) vm->nmi.masked = vm->nmi.iret_seen = false;
    if (vm->nmi.lends_debug) vm->vmcb.exceptions &= ~DEBUG_EXCEPTION;
    vm->nmi.lends_debug = false;
    if (is_iret(vm, exit)) {
        vm->vmcb.intercepts1 &= ~SVM1_IRET;
        vm->nmi.iret_seen = true;
    }
    if (!is_nmi(vm, exit)) return;
    if (record) /* a recorded guest takes it now */
        mask(vm);
    else if (apic && vx_vcpu_take_overflow(vm->vcpu))
        (void)vx_apic_raise(apic, VX_APIC_LVT_PERFORMANCE);
}

/* ---- the next VM entry ---- */

static bool deliverable(const vmm_vm *vm)
{
    if (vx_vcpu_injects(vm->vcpu)) return false;
    return tracked(vm) ? !vx_vcpu_nmi_blocked(vm->vcpu) : !vm->nmi.masked;
}

static void inject(vmm_vm *vm)
{
    vx_vcpu_inject_nmi(vm->vcpu);
    mask(vm);
}

static void step(vmm_vm *vm)
{
    vx_vcpu_single_step(vm->vcpu);
    vm->nmi.lends_debug = !(vm->vmcb.exceptions & DEBUG_EXCEPTION);
    vm->vmcb.exceptions |= DEBUG_EXCEPTION;
}

/* What waits: the guest's readiness shall exit. */
static bool open_window(vmm_vm *vm, bool waits)
{
    bool virtual_nmis = !is_amd(vm) && tracked(vm);
    vm->vmcs.cpu &= ~VX_CPU_NMI_WINDOW_EXITING;
    if (!waits) return false;
    if (virtual_nmis)
        vm->vmcs.cpu |= VX_CPU_NMI_WINDOW_EXITING;
    else if (is_amd(vm) && !(vm->vmcb.intercepts1 & SVM1_IRET)) /* else IRET exits */
        step(vm);
    return !is_amd(vm) && !virtual_nmis;
}

bool guest_nmi_prepare(vmm_vm *vm)
{
    vx_apic *apic = vx_vcpu_apic(vm->vcpu);
    bool waits = apic->events & VX_APIC_EVENT_NMI, by_processor = is_amd(vm) && tracked(vm);
    if (by_processor) vm->vmcb.interrupt.v_nmi_pending = waits || vx_vcpu_v_nmi_pending(vm->vcpu);
    if (waits && (by_processor || deliverable(vm))) {
        apic->events &= (uint8_t)~VX_APIC_EVENT_NMI;
        if (!by_processor) inject(vm);
        waits = false;
    }
    return open_window(vm, waits);
}
