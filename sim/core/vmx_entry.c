/* VM entry: VMLAUNCH and VMRESUME.
 *
 * SDM Vol. 3C 26.1 (basic checks), 26.2 and 26.3.1 (the lists of vmx_check_*.c), 26.3.2 (loading), 26.4 (MSRs), 26.6
 * (event injection), 26.7 (what is in force afterwards), 26.8 (failures).
 *
 * NOT MODELLED: entries in SMM; machine checks during entry; delivery of the injected event through the guest's IDT
 * (the result says what is to be delivered); virtual-interrupt delivery. */
#include "vmx_private.h"
#include "vx_nonroot.h"

enum { TYPE_NMI = 2, TYPE_SOFTWARE_INTERRUPT = 4, TYPE_SOFTWARE_EXCEPTION = 6, TYPE_OTHER = 7 };

static uint32_t injection(const vx_vmx *vmx) { return (uint32_t)vmcs_field(vmx, VX_VMCS_ENTRY_INTERRUPTION_INFO); }
static unsigned injection_type(const vx_vmx *vmx) { return injection(vmx) >> 8 & 7; }
/* 26.7: an entry is vectoring where it delivers an event through the IDT. */
static bool vectoring(const vx_vmx *vmx)
{
    return (injection(vmx) & VX_INTERRUPTION_VALID) && injection_type(vmx) != TYPE_OTHER;
}

/* ---- failures, 26.8 ---- */

static vx_vmx_result fail_entry(vx_vmx *vmx, uint32_t reason, uint64_t qualification, vx_vmx_result result)
{
    vmcs_put(vmx, VX_VMCS_EXIT_REASON, 1U << 31 | reason);
    vmcs_put(vmx, VX_VMCS_EXIT_QUALIFICATION, qualification);
    vmx->last = (vx_exit){.reason = reason, .reason_flags = 1U << 31, .qualification = qualification};
    uint32_t nmi = vmx->state.interruptibility & VX_BLOCKING_NMI; /* as before the entry */
    vx_vmx_result host = vmx_enter_host(vmx, (vmx->state.efer & VX_EFER_LMA) != 0);
    if (host.kind == VX_VMX_ABORT) return host;
    vmx->state.interruptibility = nmi;
    result.kind = VX_VMX_ENTRY_FAILED;
    result.number = reason;
    result.drops = host.drops;
    result.drop = host.drop;
    return result;
}

/* ---- what is in force after the entry, 26.7 ---- */

/* 26.7.3: injected events end what was pending, software ones only where MOV SS does not hold it back. */
static bool keeps_pending_debug(const vx_vmx *vmx, uint32_t interruptibility)
{
    unsigned type = injection_type(vmx);
    if (vectoring(vmx))
        return (type == TYPE_SOFTWARE_INTERRUPT || type == TYPE_SOFTWARE_EXCEPTION) &&
               (interruptibility & VX_BLOCKING_MOV_SS);
    return vmx->state.activity == VX_ACTIVE || vmx->state.activity == VX_ACTIVITY_HLT;
}

static void enter_nonregister_state(vx_vmx *vmx)
{
    vx_vmx_state *s = &vmx->state;
    uint32_t field = (uint32_t)vmcs_field(vmx, VX_VMCS_GUEST_INTERRUPTIBILITY);
    bool virtual_nmis = vmx_effective(vmx, VX_WORD_PIN, VX_PIN_VIRTUAL_NMIS), nmi = (field & VX_BLOCKING_NMI) != 0;
    s->interruptibility = vectoring(vmx) ? 0 : field & (VX_BLOCKING_STI | VX_BLOCKING_MOV_SS);
    bool injects_nmi = vectoring(vmx) && injection_type(vmx) == TYPE_NMI;
    s->virtual_nmi_blocking = virtual_nmis && (nmi || injects_nmi);
    if (!virtual_nmis && (nmi || injects_nmi)) s->interruptibility |= VX_BLOCKING_NMI;
    s->activity = vectoring(vmx) ? VX_ACTIVE : (vx_activity)vmcs_field(vmx, VX_VMCS_GUEST_ACTIVITY);
    s->init_blocked = false; /* INITs cause VM exits */
    if (!keeps_pending_debug(vmx, field)) s->pending_debug = 0;
    bool trap_flag = vmx_effective(vmx, VX_WORD_CPU, VX_CPU_MONITOR_TRAP_FLAG); /* 25.5.2 */
    bool injects = (injection(vmx) & VX_INTERRUPTION_VALID) != 0;
    vmx->mtf_pending = injects && (injection_type(vmx) == TYPE_OTHER || trap_flag);
    vmx->mtf_armed = trap_flag && !injects;
}

static void start_timer(vx_vmx *vmx)
{
    vmx->timer_deadline = UINT64_MAX;
    if (!vmx_effective(vmx, VX_WORD_PIN, VX_PIN_PREEMPTION_TIMER)) return;
    uint32_t value = (uint32_t)vmcs_field(vmx, VX_VMCS_PREEMPTION_TIMER);
    vmx->timer_deadline = vx_preemption_deadline(value, (unsigned)vmx->caps.misc & 31, vmx->state.tsc);
}

/* 26.3.2.5: with VPID off, linear and combined mappings of VPID 0000H are dropped. */
static void drop_untagged(const vx_vmx *vmx, vx_vmx_result *result)
{
    result->drops = !vmx_effective(vmx, VX_WORD_CPU2, VX_CPU2_VPID);
    result->drop = (vx_mmu_invalidation){.op = VX_OP_VM_TRANSITION};
}

static vx_vmx_result enter(vx_vmx *vmx)
{
    /* Guest state is loaded while it is checked; a failure loads the host's, so the order does not show. */
    const vx_vmx_check *failed = vx_vmx_check_first(&vmx->entry, VX_CHECK_GUEST, VX_CHECK_GUEST);
    if (failed) return fail_entry(vmx, VX_EXIT_INVALID_STATE, failed->qualification, (vx_vmx_result){.check = failed});
    vx_vmx_state host = vmx->state;
    vmx_load_guest(vmx);
    uint32_t entry = vmx_msr_area_load(vmx, vmcs_field(vmx, VX_VMCS_ENTRY_MSR_LOAD_ADDRESS),
                                       (uint32_t)vmcs_field(vmx, VX_VMCS_ENTRY_MSR_LOAD_COUNT));
    if (entry) {
        vmx->state.interruptibility = host.interruptibility;
        return fail_entry(vmx, VX_EXIT_MSR_LOAD_FAIL, entry, (vx_vmx_result){.msr_entry = entry});
    }
    enter_nonregister_state(vmx);
    start_timer(vmx);
    vx_vmcs_decision(&vmx->controls, &vmx->vmcs, vmx->memory);
    vmx->launched = vmx->session;
    vmx->mode = VX_VMX_NON_ROOT;
    vmx->after_entry = true;
    vx_vmx_result result = {.kind = VX_VMX_ENTERED};
    if (vectoring(vmx)) {
        result.injected = injection(vmx);
        result.injected_error = (uint32_t)vmcs_field(vmx, VX_VMCS_ENTRY_ERROR_CODE);
        result.injected_length = (uint32_t)vmcs_field(vmx, VX_VMCS_ENTRY_INSTRUCTION_LENGTH);
    }
    drop_untagged(vmx, &result);
    return result;
}

static vx_vmx_result check_and_enter(vx_vmx *vmx)
{
    vmx->entry = (vx_vmx_entry){.vmcs = &vmx->vmcs,
                                .caps = &vmx->caps,
                                .memory = vmx->memory,
                                .current = vmx->current,
                                .ia32e = (vmx->state.efer & VX_EFER_LMA) != 0,
                                .tracing = (vmx->state.rtit_ctl & 1) != 0};
    vx_vmx_entry_init(&vmx->entry);
    const vx_vmx_check *failed = vx_vmx_check_first(&vmx->entry, VX_CHECK_CONTROL, VX_CHECK_HOST);
    if (!failed) return enter(vmx);
    vx_vmx_result result = vmx_fail(vmx, failed->outcome == VX_CHECK_CONTROL ? VX_VMX_BAD_CONTROL : VX_VMX_BAD_HOST);
    result.check = failed;
    return result;
}

/* 26.1, steps 3 to 5. */
static vx_vmx_result begin(vx_vmx *vmx, bool resume)
{
    if (vmx->current == VX_VMX_NO_POINTER || vmx->shadow) return vmx_fail_invalid(vmx);
    if (vmx->state.interruptibility & VX_BLOCKING_MOV_SS) return vmx_fail(vmx, VX_VMX_BLOCKED_BY_MOV_SS);
    if (!resume && vmx->launched) return vmx_fail(vmx, VX_VMX_VMLAUNCH_NOT_CLEAR);
    if (resume && !vmx->launched) return vmx_fail(vmx, VX_VMX_VMRESUME_NOT_LAUNCHED);
    if (resume && vmx->launched != vmx->session) return vmx_fail(vmx, VX_VMX_VMRESUME_AFTER_VMXOFF);
    return check_and_enter(vmx);
}

vx_vmx_result vx_vmx_vmlaunch(vx_vmx *vmx)
{
    vx_vmx_result result;
    return vmx_may_execute(vmx, VX_EVENT_VMLAUNCH, 0, &result) ? begin(vmx, false) : result;
}

vx_vmx_result vx_vmx_vmresume(vx_vmx *vmx)
{
    vx_vmx_result result;
    return vmx_may_execute(vmx, VX_EVENT_VMRESUME, 0, &result) ? begin(vmx, true) : result;
}
