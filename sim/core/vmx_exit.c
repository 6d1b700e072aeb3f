/* VM exit: from information and guest state to the host, or to a VMX abort.
 *
 * SDM Vol. 3C 27.1 to 27.7. What exits and with which information is decided in vmcs_decide.c and in translation.
 *
 * NOT MODELLED: enclave mode, SMM VM exits, machine checks during exit, SMX operation (a VMX abort there is a TXT
 * shutdown). */
#include "vmx_check.h"
#include "vmx_private.h"
#include "vx_nonroot.h"

/* ---- VMX aborts, 27.7 ---- */

enum { ABORT_SAVE_MSR = 1, ABORT_HOST_PDPTE = 2, ABORT_LOAD_MSR = 4, ABORT_HOST_MODE = 6 };

static vx_vmx_result shut_down(vx_vmx *vmx, uint32_t indicator, uint32_t msr_entry)
{
    vx_physmem_write32(vmx->memory, (vx_hpa){vmx->current + REGION_ABORT}, indicator);
    vmx->mode = VX_VMX_SHUTDOWN;
    return (vx_vmx_result){.kind = VX_VMX_ABORT, .number = indicator, .msr_entry = msr_entry};
}

/* ---- information, 27.2 ---- */

static void record(vx_vmx *vmx, const vx_exit *exit)
{
    vmcs_put(vmx, VX_VMCS_EXIT_REASON, exit->reason | exit->reason_flags);
    vmcs_put(vmx, VX_VMCS_EXIT_QUALIFICATION, exit->qualification);
    vmcs_put(vmx, VX_VMCS_GUEST_LINEAR_ADDRESS, exit->linear.v);
    if (vmx->caps.allowed1[VX_WORD_CPU2] & VX_CPU2_EPT) vmcs_put(vmx, VX_VMCS_GUEST_PHYSICAL_ADDRESS, exit->physical.v);
    vmcs_put(vmx, VX_VMCS_EXIT_INTERRUPTION_INFO, exit->interruption);
    vmcs_put(vmx, VX_VMCS_EXIT_ERROR_CODE, exit->error_code);
    vmcs_put(vmx, VX_VMCS_IDT_VECTORING_INFO, exit->idt_vectoring);
    vmcs_put(vmx, VX_VMCS_IDT_VECTORING_ERROR_CODE, exit->idt_vectoring_error);
    vmcs_put(vmx, VX_VMCS_EXIT_INSTRUCTION_LENGTH, exit->instruction_length);
    vmcs_put(vmx, VX_VMCS_EXIT_INSTRUCTION_INFO, exit->instruction_information);
    vmcs_put(vmx, VX_VMCS_ENTRY_INTERRUPTION_INFO,
             vmcs_field(vmx, VX_VMCS_ENTRY_INTERRUPTION_INFO) & ~(uint64_t)VX_INTERRUPTION_VALID);
}

/* ---- RFLAGS.RF as saved, 27.3.3 ---- */

static bool is_interruption(const vx_exit *exit, uint32_t type)
{
    return exit->reason == VX_EXIT_EXCEPTION_NMI && (exit->interruption & VX_INTERRUPTION_VALID) &&
           (exit->interruption & VX_INTERRUPTION_TYPE) == type;
}

/* Exits that arise in the midst of an instruction: the image has RF set so that its breakpoints are not seen twice. */
static bool restarts(uint32_t reason)
{
    return reason == VX_EXIT_APIC_ACCESS || reason == VX_EXIT_EPT_VIOLATION || reason == VX_EXIT_EPT_MISCONFIG ||
           reason == VX_EXIT_PML_FULL || reason == VX_EXIT_SPP_EVENT;
}

/* Events and trap-like exits keep RF; an instruction that exits has it cleared. */
static bool by_instruction(uint32_t reason)
{
    switch (reason) {
    case VX_EXIT_EXCEPTION_NMI:
    case VX_EXIT_EXTERNAL_INTERRUPT:
    case VX_EXIT_TRIPLE_FAULT:
    case VX_EXIT_INIT_SIGNAL:
    case VX_EXIT_SIPI_SIGNAL:
    case VX_EXIT_IO_SMI:
    case VX_EXIT_OTHER_SMI:
    case VX_EXIT_INTERRUPT_WINDOW:
    case VX_EXIT_NMI_WINDOW:
    case VX_EXIT_TASK_SWITCH:
    case VX_EXIT_MONITOR_TRAP_FLAG:
    case VX_EXIT_TPR_BELOW_THRESHOLD:
    case VX_EXIT_EOI_INDUCED:
    case VX_EXIT_PREEMPTION_TIMER:
    case VX_EXIT_APIC_WRITE:
    case VX_EXIT_BUS_LOCK:
    case VX_EXIT_NOTIFY:
        return false;
    default:
        return true;
    }
}

static void set_rf(vx_vmx *vmx, const vx_exit *exit)
{
    uint64_t *rflags = &vmx->state.rflags;
    unsigned vector = exit->interruption & 0xFF;
    bool fault = is_interruption(exit, VX_INTERRUPTION_HARDWARE) && vector != VX_VECTOR_DB;
    if (fault || (restarts(exit->reason) && !(exit->idt_vectoring & VX_INTERRUPTION_VALID)))
        *rflags |= RFLAGS_RF;
    else if (!restarts(exit->reason) && by_instruction(exit->reason))
        *rflags &= ~(uint64_t)RFLAGS_RF;
}

/* ---- pending debug exceptions, 27.3.4 ---- */

static bool keeps_pending_debug(const vx_vmx *vmx, const vx_exit *exit)
{
    bool exception = is_interruption(exit, VX_INTERRUPTION_HARDWARE);
    switch (exit->reason) {
    case VX_EXIT_INIT_SIGNAL:
    case VX_EXIT_IO_SMI:
    case VX_EXIT_OTHER_SMI:
    case VX_EXIT_TPR_BELOW_THRESHOLD:
    case VX_EXIT_EOI_INDUCED:
    case VX_EXIT_APIC_WRITE:
    case VX_EXIT_MONITOR_TRAP_FLAG:
    case VX_EXIT_BUS_LOCK:
        return true;
    default:
        if (exception && (exit->interruption & 0xFF) == VX_VECTOR_MC) return true;
        if (exception && (exit->interruption & 0xFF) == VX_VECTOR_DB) return false;
        return (vmx->state.interruptibility & VX_BLOCKING_MOV_SS) != 0;
    }
}

static void save_timer(vx_vmx *vmx, const vx_exit *exit)
{
    if (!vmx_effective(vmx, VX_WORD_EXIT, VX_EXIT_CONTROL_SAVE_PREEMPTION_TIMER)) return;
    uint32_t left = vx_preemption_left(vmx->timer_deadline, (unsigned)vmx->caps.misc & 31, vmx->state.tsc);
    vmcs_put(vmx, VX_VMCS_PREEMPTION_TIMER, exit->reason == VX_EXIT_PREEMPTION_TIMER ? 0 : left);
}

/* What non-root operation itself has written to fields. */
static void save_decision(vx_vmx *vmx)
{
    vmcs_put(vmx, VX_VMCS_EPT_POINTER, vmx->controls.eptp);
    vmcs_put(vmx, VX_VMCS_EPTP_INDEX, vmx->controls.eptp_index);
    vmcs_put(vmx, VX_VMCS_PML_INDEX, vmx->controls.pml_index);
    vmcs_put(vmx, VX_VMCS_SPEC_CTRL_SHADOW, vmx->controls.spec_ctrl_shadow);
}

/* ---- to the host, 27.5 and 27.6 ---- */

/* 27.5.4: PDPTEs of a host with PAE paging; false: VMX abort. */
static bool load_host_pdptes(vx_vmx *vmx)
{
    if (!state_pae(&vmx->state)) return true;
    uint64_t pdpte[4];
    vmx_pdptes_read(vmx->memory, vmx->state.cr3, pdpte);
    for (unsigned i = 0; i < 4; i++) {
        if (!vmx_pdpte_valid(&vmx->caps, pdpte[i])) return false;
        vmx->state.pdpte[i] = pdpte[i];
    }
    return true;
}

vx_vmx_result vmx_enter_host(vx_vmx *vmx, bool was_ia32e)
{
    if (was_ia32e && !vmx_effective(vmx, VX_WORD_EXIT, VX_EXIT_CONTROL_HOST_64))
        return shut_down(vmx, ABORT_HOST_MODE, 0);
    vmx_load_host(vmx);
    vmx->mode = VX_VMX_ROOT;
    vmx->mtf_pending = false;
    if (!load_host_pdptes(vmx)) return shut_down(vmx, ABORT_HOST_PDPTE, 0);
    uint32_t entry = vmx_msr_area_load(vmx, vmcs_field(vmx, VX_VMCS_EXIT_MSR_LOAD_ADDRESS),
                                       (uint32_t)vmcs_field(vmx, VX_VMCS_EXIT_MSR_LOAD_COUNT));
    if (entry) return shut_down(vmx, ABORT_LOAD_MSR, entry);
    return (vx_vmx_result){.kind = VX_VMX_EXIT,
                           .drops = !vmx_effective(vmx, VX_WORD_CPU2, VX_CPU2_VPID),
                           .drop = {.op = VX_OP_VM_TRANSITION}};
}

vx_vmx_result vx_vmx_exit(vx_vmx *vmx, const vx_exit *exit)
{
    if (vmx->mode == VX_VMX_SHUTDOWN) return (vx_vmx_result){.kind = VX_VMX_DEAD};
    if (vmx->mode != VX_VMX_NON_ROOT) return (vx_vmx_result){.kind = VX_VMX_CONTINUES};
    vmx->last = *exit;
    save_decision(vmx);
    record(vmx, exit);
    set_rf(vmx, exit);
    vmx_save_guest(vmx);
    vmcs_put(vmx, VX_VMCS_GUEST_PENDING_DEBUG, keeps_pending_debug(vmx, exit) ? vmx->state.pending_debug : 0);
    save_timer(vmx, exit);
    uint32_t entry = vmx_msr_area_store(vmx, vmcs_field(vmx, VX_VMCS_EXIT_MSR_STORE_ADDRESS),
                                        (uint32_t)vmcs_field(vmx, VX_VMCS_EXIT_MSR_STORE_COUNT));
    if (entry) return shut_down(vmx, ABORT_SAVE_MSR, entry);
    vx_vmx_result result = vmx_enter_host(vmx, (vmx->state.efer & VX_EFER_LMA) != 0);
    if (result.kind == VX_VMX_ABORT) return result;
    if (is_interruption(exit, VX_INTERRUPTION_NMI)) vmx->state.interruptibility |= VX_BLOCKING_NMI;
    result.number = exit->reason;
    return result;
}
