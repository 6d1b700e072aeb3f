/* Features of VMX non-root operation while a trace is replayed: the preemption timer, PAUSE-loop exiting, EPTP
 * switching; and AMD's pause filter.
 *
 * SDM Vol. 3C 25.1.3, 25.5.1, 25.5.6.3, 26.7.4. (Chapter numbers: see vx_vmcs.h.) The time-stamp counter is the
 * simulated clock: one tick of the ledger is one of the TSC. Its exits are vcpu_timer.c's.
 *
 * NOT MODELLED: a TSC of another rate than the core's clock; a timer that stands still while another vCPU has the
 * processor. */
#include "vcpu_private.h"

static uint32_t cpu2_of(const vx_vcpu *v) { return v->vmcs ? vx_vmcs_cpu2(v->vmcs) : 0; }

/* ---- entries and exits ---- */

void vcpu_nonroot_entered(vx_vcpu *v)
{
    v->ple = (vx_ple){0};
    if (v->vmcb) vx_svm_pause_load(&v->pause_filter, v->vmcb);
    v->timer_deadline = VX_TICK_NEVER;
    if (v->vmcs && (v->vmcs->pin & VX_PIN_PREEMPTION_TIMER))
        v->timer_deadline =
            vx_preemption_deadline(v->vmcs->preemption_timer_value, VX_PREEMPTION_TIMER_RATE, vx_vcpu_now(v));
    vcpu_timer_armed(v);
}

void vcpu_nonroot_left(vx_vcpu *v)
{
    bool running = v->vmcs && (v->vmcs->pin & VX_PIN_PREEMPTION_TIMER);
    if (running && (v->vmcs->exit_controls & VX_EXIT_CONTROL_SAVE_PREEMPTION_TIMER))
        v->vmcs->preemption_timer_value =
            vx_preemption_left(v->timer_deadline, VX_PREEMPTION_TIMER_RATE, vx_vcpu_now(v));
}

/* ---- PAUSE loops ---- */

/* AMD: an intercept of PAUSE goes through the filter (APM Vol. 2, 15.14.4: svm_pause.c). */
static bool filters_pauses(const vx_vcpu *v)
{
    return v->vmcb && (v->vmcb->intercepts1 & VX_SVM_INTERCEPT_PAUSE) && v->vmcb->pause_filter_count > 0;
}

bool vcpu_watches_pauses(const vx_vcpu *v)
{
    if (v->vmcb) return filters_pauses(v);
    bool loops = (cpu2_of(v) & VX_CPU2_PAUSE_LOOP_EXITING) != 0;
    return loops && !(v->vmcs->cpu & VX_CPU_PAUSE_EXITING) && v->registers.cpl == 0;
}

void vcpu_note_event(vx_vcpu *v, const vx_record *record)
{
    bool watched = (cpu2_of(v) & VX_CPU2_PAUSE_LOOP_EXITING) || filters_pauses(v);
    if (watched && record->kind != VX_REC_SKIPPED) v->event_tick = vx_vcpu_now(v);
}

/* The PAUSEs of a run lie evenly between the event before it and now: the recorder merges those of a loop into one
 * record behind the loop's instructions. */
void vcpu_pause_run(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    const vx_exit exit = {.reason = v->vmcb ? (uint32_t)VX_SVM_EXIT_PAUSE : (uint32_t)VX_EXIT_PAUSE_INSTRUCTION};
    uint64_t count = record->addr, span = vx_vcpu_now(v) - v->event_tick;
    for (uint64_t n = 1; n <= count; n++) {
        uint64_t still_to_come = span - (span / count * n + span % count * n / count);
        vx_tick at = vx_vcpu_now(v) - still_to_come;
        if (v->vmcb ? vx_svm_pause_exits(&v->pause_filter, v->vmcb, at) : vx_ple_pause(&v->ple, v->vmcs, at))
            (void)vcpu_take_exit(v, &exit, record, payload);
    }
}

/* ---- VM functions ---- */

bool vcpu_switches_eptp(const vx_vcpu *v, const vx_record *record)
{
    bool vmfunc = record->kind == VX_REC_VMX && record->size == VX_EXIT_VMFUNC && (uint32_t)record->addr == 0;
    return vmfunc && (cpu2_of(v) & VX_CPU2_VM_FUNCTIONS) && (v->vmcs->vm_functions & 1);
}

void vcpu_switch_eptp(vx_vcpu *v, const vx_record *record, const uint64_t *payload)
{
    if (!vx_vmcs_switch_eptp(v->vmcs, v->memory, v->cpu, record->addr >> 32)) {
        const vx_exit exit = {.reason = VX_EXIT_VMFUNC};
        (void)vcpu_take_exit(v, &exit, record, payload);
        return;
    }
    vx_vcpu_load(v);
    if (!(cpu2_of(v) & VX_CPU2_VPID)) vx_mmu_invalidate(v->mmu, &(vx_mmu_invalidation){.op = VX_OP_EPTP_SWITCH});
}
