/* Interrupts of a guest with a local APIC: emulation of what exits, and what the next VM entry shall do.
 *
 * The software model and the processor's virtual APIC share one page. What a hypervisor decides before an entry, after
 * KVM of Linux 6.1 (arch/x86/kvm/lapic.c, vmx.c: vmx_update_cr8_intercept, vmx_hwapic_irr_update; svm.c:
 * svm_update_cr8_intercept) and Xen (arch/x86/hvm/vlapic.c), which agree:
 *   - an interrupt that can be taken is injected;
 *   - one that only RFLAGS.IF holds back, or an injection before it, gets an interrupt window;
 *   - one that the task priority holds back makes lowering it exit: by the TPR threshold on Intel, by intercepting CR8
 *     writes on AMD (vmm.apic.tpr_trap=masked; with "all" they always exit).
 * With virtual-interrupt delivery the processor does all this, and software only says what is requested and in service.
 */
#include "guest_apic.h"

#include "guest_avic.h"
#include "guest_nmi.h"
#include "guest_paravirtual.h"
#include "guest_timer.h"

enum { SVM_EXIT_INTR = 0x60, SVM_EXIT_VINTR = 0x64, NOTIFICATION_VECTOR = 0xF2, V_INTR_PRIO_HIGHEST = 15 };
#define SVM1_VINTR (1U << 4)
#define CR8_BIT (1U << 8)
#define INFO_VALID (1U << 31)

static bool is_amd(const vmm_vm *vm) { return vm->vmm->cpu->vendor == VX_VENDOR_AMD; }

static bool delivers_virtually(const vmm_vm *vm)
{
    return !is_amd(vm) && (vx_vmcs_cpu2(&vm->vmcs) & VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY);
}

static void ask_for_window(vmm_vm *vm, bool wanted)
{
    vm->vmcs.cpu &= ~VX_CPU_INTERRUPT_WINDOW_EXITING;
    if (wanted) vm->vmcs.cpu |= VX_CPU_INTERRUPT_WINDOW_EXITING;
    vm->vmcb.interrupt.v_irq = wanted;
    vm->vmcb.interrupt.v_intr_prio = V_INTR_PRIO_HIGHEST;
    vm->vmcb.intercepts1 = wanted ? vm->vmcb.intercepts1 | SVM1_VINTR : vm->vmcb.intercepts1 & ~SVM1_VINTR;
}

/* Where AVIC is on the processor looks at the page itself: no window, and CR8 is the page's. False: it is off. */
static bool prepare_avic(vmm_vm *vm)
{
    bool on = guest_avic_prepare(vm), traps = !on && vm->vmm->config->tpr_trap == VX_TPR_TRAP_ALL;
    if (!vm->avic.used) return false;
    if (on) ask_for_window(vm, false);
    vm->vmcb.cr_write = (uint16_t)(traps ? vm->vmcb.cr_write | CR8_BIT : vm->vmcb.cr_write & ~CR8_BIT);
    vm->vmcb.cr_read = (uint16_t)(traps ? vm->vmcb.cr_read | CR8_BIT : vm->vmcb.cr_read & ~CR8_BIT);
    return on;
}

void guest_apic_attach(vmm_vm *vm)
{
    guest_nmi_attach(vm);
    if (!vx_vcpu_apic(vm->vcpu)) return;
    vm->vmcb.interrupt.v_intr_masking = true;
    guest_avic_attach(vm);
    guest_paravirtual_attach(vm);
    (void)prepare_avic(vm);
    if (!delivers_virtually(vm) || !vm->vmm->cpu->vmx.posted_interrupts) return;
    vx_posted_init(&vm->posted, NOTIFICATION_VECTOR, vx_vcpu_apic(vm->vcpu)->setup.id);
    vm->vmcs.pin |= VX_PIN_POSTED_INTERRUPTS;
    vm->vmcs.exit_controls |= VX_EXIT_CONTROL_ACKNOWLEDGE_INTERRUPT;
    vm->vmcs.posted_interrupt_notification_vector = NOTIFICATION_VECTOR;
    vm->vmcs.posted = &vm->posted;
}

/* ---- the exits ---- */

/* Is the guest's instruction an access to its APIC, which no scheme emulates? */
static bool is_apic_operation(const vx_record *record)
{
    switch (record->kind) {
    case VX_REC_APIC_READ:
    case VX_REC_APIC_WRITE:
        return true;
    case VX_REC_CR_READ:
    case VX_REC_CR_WRITE:
        return record->size == 8;
    case VX_REC_RDMSR:
    case VX_REC_WRMSR:
        return record->addr == VX_MSR_APIC_BASE || record->addr == VX_MSR_TSC_DEADLINE ||
               (record->addr >= VX_MSR_X2APIC_FIRST && record->addr <= VX_MSR_X2APIC_LAST);
    default:
        return false;
    }
}

/* Makes the access. Reads change nothing that is modelled. */
static void emulate(vmm_vm *vm, const vx_record *record, const uint64_t *payload)
{
    vx_apic *apic = vx_vcpu_apic(vm->vcpu);
    vx_tick now = vx_vcpu_now(vm->vcpu);
    if (record->kind == VX_REC_APIC_WRITE)
        (void)vx_apic_write(apic, (uint32_t)record->addr & 0xFFC, (uint32_t)payload[0], now);
    else if (record->kind == VX_REC_CR_WRITE)
        vx_apic_set_cr8(apic, record->addr & 0xF);
    else if (record->kind == VX_REC_WRMSR)
        (void)vx_apic_wrmsr(apic, (uint32_t)record->addr, payload[0], now);
    guest_avic_wrote(vm, record);
    guest_paravirtual_patch(vm, record);
}

/* The vector of an interrupt that arrived for the guest; 0: the exit is something else, or the host's own interrupt. */
static uint8_t arrived(const vmm_vm *vm, const vx_exit *exit, const vx_record *record)
{
    uint32_t reason = is_amd(vm) ? (uint32_t)SVM_EXIT_INTR : (uint32_t)VX_EXIT_EXTERNAL_INTERRUPT;
    bool external = !record && exit->reason == reason && (exit->interruption & INFO_VALID);
    return external ? (uint8_t)exit->interruption : 0;
}

/* A retry that the scheme asked for is of the access as a whole: a fault was mended, or KVM tries again. The
 * processor's own exits about the APIC are none. */
static bool completes(const vmm_vm *vm, const vx_exit *exit, const vx_record *record, vx_resume resume)
{
    bool page = record->kind == VX_REC_APIC_READ || record->kind == VX_REC_APIC_WRITE;
    return resume == VX_RESUME_NEXT || !page || exit->reason == VX_EXIT_APIC_ACCESS ||
           exit->reason == VX_EXIT_APIC_WRITE || guest_avic_exit(vm, exit);
}

/* ---- the next VM entry ---- */

/* V_TPR and VTPR change without exits: the software model follows. */
static void catch_up(vmm_vm *vm)
{
    vx_apic *apic = vx_vcpu_apic(vm->vcpu);
    if (is_amd(vm) && vx_vcpu_cr8(vm->vcpu) != vx_apic_cr8(apic)) vx_apic_set_cr8(apic, vx_vcpu_cr8(vm->vcpu));
    vx_apic_update_priority(apic);
}

/* `held`: class of an interrupt that the task priority holds back, or 0. */
static void watch_tpr(vmm_vm *vm, uint8_t held)
{
    vm->vmcs.tpr_threshold = vm->vmcs.cpu & VX_CPU_TPR_SHADOW ? held : 0;
    if (!is_amd(vm) || vm->vmm->config->tpr_trap == VX_TPR_TRAP_ALL) return;
    vm->vmcb.cr_write = (uint16_t)(held ? vm->vmcb.cr_write | CR8_BIT : vm->vmcb.cr_write & ~CR8_BIT);
}

/* `window`: asked for on behalf of an NMI. */
static void prepare_injection(vmm_vm *vm, bool window)
{
    vx_apic *apic = vx_vcpu_apic(vm->vcpu);
    if (vx_apic_pending(apic) && vx_vcpu_can_inject(vm->vcpu)) {
        vx_vcpu_inject_interrupt(vm->vcpu, vx_apic_acknowledge(apic));
        guest_paravirtual_service(vm, true);
    }
    uint8_t request = vx_apic_vector_highest(apic->setup.page, VX_APIC_IRR) >> 4;
    bool held_by_tpr = request && request <= vx_apic_cr8(apic);
    ask_for_window(vm, window || vx_apic_pending(apic) != 0);
    watch_tpr(vm, held_by_tpr ? request : 0);
    vm->vmcb.interrupt.v_tpr = vx_apic_cr8(apic);
}

/* What has arrived is requested, and what EOIs software must see about is in the bitmap: level-triggered interrupts. */
static void prepare_delivery(vmm_vm *vm, bool window)
{
    ask_for_window(vm, window);
    const uint8_t *page = vx_vcpu_apic(vm->vcpu)->setup.page;
    vm->vmcs.guest_interrupt_status =
        (uint16_t)(vx_apic_vector_highest(page, VX_APIC_IRR) | vx_apic_vector_highest(page, VX_APIC_ISR) << 8);
    for (unsigned word = 0; word < 4; word++)
        vm->vmcs.eoi_exit_bitmap[word] = vx_apic_get(page, VX_APIC_TMR + word * 32) |
                                         (uint64_t)vx_apic_get(page, VX_APIC_TMR + word * 32 + 16) << 32;
}

static void prepare(vmm_vm *vm)
{
    bool window = guest_nmi_prepare(vm);
    bool by_processor = prepare_avic(vm) || delivers_virtually(vm);
    if (delivers_virtually(vm))
        prepare_delivery(vm, window);
    else if (!by_processor)
        prepare_injection(vm, window);
    guest_paravirtual_prepare(vm, by_processor);
    guest_timer_prepare(vm);
}

void guest_apic_wake(vmm_vm *vm, uint8_t vector)
{
    vx_apic *apic = vx_vcpu_apic(vm->vcpu);
    vx_apic_timer_advance(apic, vx_vcpu_now(vm->vcpu));
    catch_up(vm);
    guest_paravirtual_handled(vm);
    if (vector) (void)vx_apic_accept(apic, &(vx_interrupt_message){.vector = vector, .source = VX_APIC_NOBODY});
    prepare(vm);
}

vx_resume guest_apic_handle(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                            vx_resume resume)
{
    vx_apic *apic = vx_vcpu_apic(vm->vcpu);
    if (vm->vmm->scheme->deprivileged) return resume;
    guest_nmi_handled(vm, exit, record);
    if (!apic) return resume;
    uint8_t vector = arrived(vm, exit, record);
    catch_up(vm);
    guest_paravirtual_handled(vm);
    guest_timer_handled(vm, exit);
    if (vector) (void)vx_apic_accept(apic, &(vx_interrupt_message){.vector = vector, .source = VX_APIC_NOBODY});
    bool operation = record && is_apic_operation(record) && completes(vm, exit, record, resume);
    bool done_by_processor = exit->reason == VX_EXIT_TPR_BELOW_THRESHOLD || exit->reason == VX_EXIT_EOI_INDUCED;
    if (is_amd(vm)) done_by_processor = guest_avic_exit(vm, exit) && !guest_avic_incomplete(vm, exit);
    if (operation && !done_by_processor) emulate(vm, record, payload);
    if (record) guest_paravirtual_agree(vm, record, payload);
    if (exit->reason == VX_EXIT_EOI_INDUCED && !is_amd(vm) && apic->setup.end_of_interrupt)
        apic->setup.end_of_interrupt(apic->setup.bus, (uint8_t)exit->qualification);
    prepare(vm);
    return operation ? VX_RESUME_NEXT : resume;
}
