/* VMX non-root operation as the driver of a guest sees it: events, instruction boundaries, VMFUNC; and a processor's
 * start.
 *
 * SDM Vol. 3C 25.2 (windows, timer), 25.5.1, 25.5.2 (monitor trap flag), 25.5.6.3 (EPTP switching), 26.7.3 to 26.7.8
 * (what follows an entry, and its priorities).
 *
 * NOT MODELLED: virtual interrupts; TPR below threshold after an entry is looked at at every boundary, as MOV to CR8
 * and writes to the virtual TPR lead to it as well. */
#include "vmx_private.h"
#include "vx_nonroot.h"

void vx_vmx_init(vx_vmx *vmx, const vx_cfg_cpu *cpu, vx_physmem *memory)
{
    *vmx = (vx_vmx){.cpu = *cpu, .memory = memory, .vmxon = VX_VMX_NO_POINTER, .current = VX_VMX_NO_POINTER};
    vx_vmx_caps_init(&vmx->caps, cpu);
    vx_vmx_state *s = &vmx->state;
    s->cr0 = VX_CR0_PG | VX_CR0_NE | VX_CR0_ET | VX_CR0_PE;
    s->cr4 = VX_CR4_PAE | VX_CR4_VMXE;
    s->efer = VX_EFER_LME | VX_EFER_LMA;
    s->rflags = 2;
    s->dr7 = 0x400;
    s->pat = 0x0007040600070406;
    s->feature_control = 5; /* locked, VMX outside SMX */
    s->apic_base = 0xFEE00900;
    s->segment[VX_CS] = (vx_segment){.selector = 8, .limit = UINT32_MAX, .rights = 0xA09B};
    for (unsigned i = 0; i < VX_LDTR; i++)
        if (i != VX_CS) s->segment[i] = (vx_segment){.selector = 16, .limit = UINT32_MAX, .rights = 0xC093};
    s->segment[VX_LDTR] = (vx_segment){.rights = RIGHTS_UNUSABLE};
    s->segment[VX_TR] = (vx_segment){.selector = 24, .limit = 0x67, .rights = 0x8B};
    s->gdtr_limit = s->idtr_limit = 0xFFFF;
}

static uint8_t vtpr(const vx_vmx *vmx)
{
    if (!vmx_effective(vmx, VX_WORD_CPU, VX_CPU_TPR_SHADOW)) return 0;
    return (uint8_t)vx_physmem_read32(vmx->memory, (vx_hpa){vmcs_field(vmx, VX_VMCS_VIRTUAL_APIC_ADDRESS) + 0x80});
}

static vx_exit_context context_of(const vx_vmx *vmx)
{
    const vx_vmx_state *s = &vmx->state;
    bool virtual_nmis = vmx_effective(vmx, VX_WORD_PIN, VX_PIN_VIRTUAL_NMIS);
    uint32_t blocking = s->interruptibility;
    if (virtual_nmis) blocking = (blocking & ~VX_BLOCKING_NMI) | (s->virtual_nmi_blocking ? VX_BLOCKING_NMI : 0);
    return (vx_exit_context){.cr0 = s->cr0,
                             .cr3 = s->cr3,
                             .cr4 = s->cr4,
                             .cpl = (uint8_t)state_cpl(s),
                             .vtpr = vtpr(vmx),
                             .monitor_armed = s->monitor_armed,
                             .virtual_8086 = (s->rflags & RFLAGS_VM) != 0,
                             .interrupts_on = (s->rflags & RFLAGS_IF) != 0,
                             .iopl = s->rflags >> 12 & 3,
                             .long_mode = (s->efer & VX_EFER_LMA) != 0,
                             .narrow = !state_64bit(s),
                             .activity = s->activity,
                             .interruptibility = blocking,
                             .xss = s->xss,
                             .memory = vmx->memory,
                             .physical_bits = vmx->caps.physical_bits};
}

vx_vmx_result vx_vmx_guest_event(vx_vmx *vmx, const vx_guest_event *event)
{
    if (vmx->mode == VX_VMX_SHUTDOWN) return (vx_vmx_result){.kind = VX_VMX_DEAD};
    if (vmx->mode != VX_VMX_NON_ROOT) return (vx_vmx_result){.kind = VX_VMX_CONTINUES};
    vx_exit_context context = context_of(vmx);
    uint8_t ports[VX_IO_BITMAP_BYTES]; /* the two bitmaps need not be neighbours */
    if ((event->kind == VX_EVENT_IN || event->kind == VX_EVENT_OUT) &&
        vmx_effective(vmx, VX_WORD_CPU, VX_CPU_USE_IO_BITMAPS)) {
        for (unsigned i = 0; i < VX_IO_BITMAP_BYTES; i += 8) {
            uint64_t map = vmcs_field(vmx, i < VX_PAGE_BYTES ? VX_VMCS_IO_BITMAP_A : VX_VMCS_IO_BITMAP_B);
            uint64_t word = vx_physmem_read64(vmx->memory, (vx_hpa){map + i % VX_PAGE_BYTES});
            for (unsigned k = 0; k < 8; k++) ports[i + k] = (uint8_t)(word >> 8 * k);
        }
        vmx->controls.io_bitmap = ports;
    }
    vx_exit exit = {0};
    vx_outcome outcome = vx_vmcs_decide(&vmx->controls, &context, event, &exit);
    vmx->controls.io_bitmap = NULL;
    switch (outcome) {
    case VX_OUTCOME_EXIT:
        return vx_vmx_exit(vmx, &exit);
    case VX_OUTCOME_FAULT:
        return (vx_vmx_result){.kind = VX_VMX_FAULT, .number = exit.interruption & 0xFF, .error_code = exit.error_code};
    case VX_OUTCOME_NORMAL:
        break;
    }
    return (vx_vmx_result){.kind = VX_VMX_CONTINUES};
}

/* ---- between instructions ---- */

static vx_pending pending_of(vx_vmx *vmx, const vx_pending *outside)
{
    vx_pending pending = outside ? *outside : (vx_pending){0};
    pending.after_entry = vmx->after_entry;
    pending.monitor_trap |= vmx->mtf_pending;
    pending.debug_exceptions |= vmx->state.pending_debug;
    pending.preemption_timer |= vmx->timer_deadline <= vmx->state.tsc;
    vmx->after_entry = false;
    return pending;
}

/* What delivery changes here: the rest happens in the guest's IDT. */
static vx_vmx_result deliver(vx_vmx *vmx, const vx_exit *event, vx_boundary_cause cause)
{
    if (cause == VX_BOUNDARY_DEBUG_TRAP) vmx->state.pending_debug = 0;
    if (cause == VX_BOUNDARY_NMI) vmx->state.interruptibility |= VX_BLOCKING_NMI;
    vmx->state.interruptibility &= ~(VX_BLOCKING_STI | VX_BLOCKING_MOV_SS);
    vmx->state.activity = VX_ACTIVE;
    return (vx_vmx_result){.kind = VX_VMX_DELIVERS, .injected = event->interruption};
}

vx_vmx_result vx_vmx_boundary(vx_vmx *vmx, const vx_pending *outside)
{
    if (vmx->mode == VX_VMX_SHUTDOWN) return (vx_vmx_result){.kind = VX_VMX_DEAD};
    if (vmx->mode != VX_VMX_NON_ROOT) return (vx_vmx_result){.kind = VX_VMX_CONTINUES};
    vx_exit_context context = context_of(vmx);
    vx_pending pending = pending_of(vmx, outside);
    vx_exit exit = {0};
    vx_boundary boundary = vx_vmcs_boundary(&vmx->controls, &context, &pending, &exit);
    vx_vmx_result result = {.kind = VX_VMX_CONTINUES};
    if (boundary.action == VX_BOUNDARY_EXITS)
        result = vx_vmx_exit(vmx, &exit);
    else if (boundary.action == VX_BOUNDARY_DELIVERS)
        result = deliver(vmx, &exit, boundary.cause);
    if (vmx->mode == VX_VMX_NON_ROOT &&
        boundary.cause == VX_BOUNDARY_NOTHING) { /* an instruction is executed (25.5.2) */
        vmx->mtf_pending |= vmx->mtf_armed;
        vmx->mtf_armed = false;
    }
    result.boundary = boundary;
    return result;
}

/* ---- EPT pointers, VMFUNC ---- */

/* The rows of the entry's checks on it say so. */
bool vx_vmx_eptp_valid(const vx_vmx_caps *caps, uint64_t eptp)
{
    static const char *const rows[] = {"eptp-type", "eptp-levels", "eptp-ad", "eptp-reserved"};
    vx_vmcs_image image = {{0}};
    vx_vmcs_set(&image, VX_VMCS_EPT_POINTER, eptp);
    vx_vmx_entry entry = {.vmcs = &image, .caps = caps};
    entry.word[VX_WORD_CPU2] = VX_CPU2_EPT;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!vx_vmx_check_holds(vx_vmx_check_named(rows[i]), &entry)) return false;
    return true;
}

vx_vmx_result vx_vmx_vmfunc(vx_vmx *vmx, uint32_t eax, uint32_t ecx)
{
    if (vmx->mode == VX_VMX_SHUTDOWN) return (vx_vmx_result){.kind = VX_VMX_DEAD};
    if (vmx->mode != VX_VMX_NON_ROOT) return vmx_fault(VX_VECTOR_UD);
    enum { LENGTH = 3 };
    vx_guest_event event = {.kind = VX_EVENT_VMFUNC, .selector = eax, .value = ecx, .length = LENGTH};
    vx_vmx_result result = vx_vmx_guest_event(vmx, &event);
    if (result.kind != VX_VMX_CONTINUES) return result;
    if (!vx_vmcs_switch_eptp(&vmx->controls, vmx->memory, &vmx->cpu, ecx))
        return vx_vmx_exit(vmx, &(vx_exit){.reason = VX_EXIT_VMFUNC, .instruction_length = LENGTH});
    result.drops = !vmx_effective(vmx, VX_WORD_CPU2, VX_CPU2_VPID); /* combined mappings of VPID 0000H */
    result.drop = (vx_mmu_invalidation){.op = VX_OP_VM_TRANSITION};
    return result;
}
