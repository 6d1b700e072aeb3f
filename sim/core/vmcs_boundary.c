/* Which of several pending events comes first at an instruction boundary: one row a cause, in order of priority.
 *
 * Manual sections, choices and what is not modelled: vx_boundary.h. Whether an event that is delivered exits instead is
 * asked of the exit table (vmcs_decide.c). */
#include "vx_boundary.h"
#include "vx_exception.h"
#include "vx_guest_event.h"

typedef struct boundary_question {
    const vx_vmcs *vmcs;
    const vx_exit_context *context;
    const vx_pending *pending;
} boundary_question;

typedef struct boundary_rule {
    const char *name;
    /* Activity states in which it is not blocked, bit n for state n (24.4.2, 26.7.2). */
    uint8_t states;
    bool (*ready)(const boundary_question *q);
    vx_boundary_action (*take)(const boundary_question *q, vx_exit *exit);
} boundary_rule;

enum {
    ACTIVE = 1 << VX_ACTIVE,
    HALTED = 1 << VX_ACTIVITY_HLT,
    SHUT_DOWN = 1 << VX_ACTIVITY_SHUTDOWN,
    WAITING = 1 << VX_ACTIVITY_WAIT_FOR_SIPI,
    RUNNING = ACTIVE | HALTED,
    ALL_BUT_WAITING = RUNNING | SHUT_DOWN
};

static bool blocked(const boundary_question *q, uint32_t by) { return (q->context->interruptibility & by) != 0; }

static vx_boundary_action exit_with(vx_exit *exit, uint32_t reason)
{
    *exit = (vx_exit){.reason = reason};
    return VX_BOUNDARY_EXITS;
}

static vx_boundary_action deliver(vx_exit *exit, uint32_t type, unsigned vector)
{
    *exit = (vx_exit){.interruption = VX_INTERRUPTION_VALID | type | vector};
    return VX_BOUNDARY_DELIVERS;
}

/* An event that exits by its controls, and else is delivered. */
static vx_boundary_action decide(const boundary_question *q, const vx_guest_event *event, uint32_t type,
                                 unsigned vector, vx_exit *exit)
{
    if (vx_vmcs_decide(q->vmcs, q->context, event, exit) == VX_OUTCOME_EXIT) return VX_BOUNDARY_EXITS;
    return deliver(exit, type, vector);
}

/* ---- what the instruction before, or VM entry, has left to do ---- */

static bool apic_write_ready(const boundary_question *q) { return q->pending->apic_exit != 0; }
static vx_boundary_action apic_write(const boundary_question *q, vx_exit *exit)
{
    *exit = (vx_exit){.reason = q->pending->apic_exit, .qualification = q->pending->apic_qualification};
    if (q->pending->bus_lock && (vx_vmcs_cpu2(q->vmcs) & VX_CPU2_BUS_LOCK_DETECTION))
        exit->reason_flags = VX_EXIT_FLAG_BUS_LOCK;
    return VX_BOUNDARY_EXITS;
}

static bool tpr_threshold_ready(const boundary_question *q)
{
    const vx_vmcs *vmcs = q->vmcs;
    uint32_t cpu2 = vx_vmcs_cpu2(vmcs);
    bool looked_at = (vmcs->cpu & VX_CPU_TPR_SHADOW) && (cpu2 & VX_CPU2_VIRTUALIZE_APIC_ACCESSES) &&
                     !(cpu2 & VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY);
    return q->pending->after_entry && looked_at && (vmcs->tpr_threshold & 0xF) > q->context->vtpr >> 4;
}
static vx_boundary_action tpr_threshold(const boundary_question *q, vx_exit *exit)
{
    (void)q;
    return exit_with(exit, VX_EXIT_TPR_BELOW_THRESHOLD);
}

static bool bus_lock_ready(const boundary_question *q)
{
    return q->pending->bus_lock && (vx_vmcs_cpu2(q->vmcs) & VX_CPU2_BUS_LOCK_DETECTION);
}
static vx_boundary_action bus_lock(const boundary_question *q, vx_exit *exit)
{
    (void)q;
    *exit = (vx_exit){.reason = VX_EXIT_BUS_LOCK, .reason_flags = VX_EXIT_FLAG_BUS_LOCK};
    return VX_BOUNDARY_EXITS;
}

/* ---- signals ---- */

static bool smi_ready(const boundary_question *q) { return q->pending->smi && !blocked(q, VX_BLOCKING_SMI); }
static vx_boundary_action smi(const boundary_question *q, vx_exit *exit)
{
    return q->pending->dual_monitor ? exit_with(exit, VX_EXIT_OTHER_SMI) : VX_BOUNDARY_ENTERS_SMM;
}

static bool init_ready(const boundary_question *q) { return q->pending->init; }
static vx_boundary_action init(const boundary_question *q, vx_exit *exit)
{
    (void)q;
    return exit_with(exit, VX_EXIT_INIT_SIGNAL);
}

static bool sipi_ready(const boundary_question *q) { return q->pending->sipi; }
static vx_boundary_action sipi(const boundary_question *q, vx_exit *exit)
{
    *exit = (vx_exit){.reason = VX_EXIT_SIPI_SIGNAL, .qualification = q->pending->sipi_vector};
    return VX_BOUNDARY_EXITS;
}

/* ---- traps and the timer ---- */

static bool monitor_trap_ready(const boundary_question *q) { return q->pending->monitor_trap; }
static vx_boundary_action monitor_trap(const boundary_question *q, vx_exit *exit)
{
    (void)q;
    return exit_with(exit, VX_EXIT_MONITOR_TRAP_FLAG);
}

static bool debug_trap_ready(const boundary_question *q)
{
    const uint64_t valid = 1U << 12 | 1U << 14; /* enabled breakpoint, single step (26.7.3) */
    return (q->pending->debug_exceptions & valid) && !blocked(q, VX_BLOCKING_MOV_SS);
}
static vx_boundary_action debug_trap(const boundary_question *q, vx_exit *exit)
{
    /* The qualification has no "enabled breakpoint" (Table 27-1). */
    vx_guest_event event = {
        .kind = VX_EVENT_EXCEPTION, .which = VX_VECTOR_DB, .value = q->pending->debug_exceptions & ~(1ULL << 12)};
    return decide(q, &event, VX_INTERRUPTION_HARDWARE, VX_VECTOR_DB, exit);
}

static bool preemption_timer_ready(const boundary_question *q)
{
    return (q->vmcs->pin & VX_PIN_PREEMPTION_TIMER) && q->pending->preemption_timer;
}
static vx_boundary_action preemption_timer(const boundary_question *q, vx_exit *exit)
{
    (void)q;
    return exit_with(exit, VX_EXIT_PREEMPTION_TIMER);
}

/* ---- non-maskable interrupts ---- */

/* Bit 3 of the interruptibility state is virtual-NMI blocking under "virtual NMIs", which blocks no NMI. */
static bool nmi_window_ready(const boundary_question *q)
{
    return (q->vmcs->cpu & VX_CPU_NMI_WINDOW_EXITING) &&
           !blocked(q, VX_BLOCKING_NMI | VX_BLOCKING_MOV_SS | VX_BLOCKING_STI);
}
static vx_boundary_action nmi_window(const boundary_question *q, vx_exit *exit)
{
    (void)q;
    return exit_with(exit, VX_EXIT_NMI_WINDOW);
}

static bool nmi_ready(const boundary_question *q)
{
    uint32_t by = VX_BLOCKING_MOV_SS | (q->vmcs->pin & VX_PIN_VIRTUAL_NMIS ? 0 : VX_BLOCKING_NMI);
    return q->pending->nmi && !blocked(q, by);
}
static vx_boundary_action nmi(const boundary_question *q, vx_exit *exit)
{
    return decide(q, &(vx_guest_event){.kind = VX_EVENT_NMI}, VX_INTERRUPTION_NMI, VX_VECTOR_NMI, exit);
}

/* ---- maskable interrupts ---- */

static bool window_is_open(const boundary_question *q)
{
    return q->context->interrupts_on && !blocked(q, VX_BLOCKING_STI | VX_BLOCKING_MOV_SS);
}

static bool interrupt_window_ready(const boundary_question *q)
{
    return (q->vmcs->cpu & VX_CPU_INTERRUPT_WINDOW_EXITING) && window_is_open(q);
}
static vx_boundary_action interrupt_window(const boundary_question *q, vx_exit *exit)
{
    (void)q;
    return exit_with(exit, VX_EXIT_INTERRUPT_WINDOW);
}

static bool virtual_interrupt_ready(const boundary_question *q)
{
    bool on = (vx_vmcs_cpu2(q->vmcs) & VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY) &&
              !(q->vmcs->cpu & VX_CPU_INTERRUPT_WINDOW_EXITING);
    return on && q->pending->virtual_interrupt && window_is_open(q);
}
static vx_boundary_action virtual_interrupt(const boundary_question *q, vx_exit *exit)
{
    return deliver(exit, VX_INTERRUPTION_EXTERNAL, q->pending->virtual_vector);
}

/* RFLAGS.IF does not block what exits (25.4.1). */
static bool external_interrupt_ready(const boundary_question *q)
{
    if (!q->pending->external_interrupt) return false;
    bool exiting = (q->vmcs->pin & VX_PIN_EXTERNAL_INTERRUPT_EXITING) != 0;
    return exiting ? !blocked(q, VX_BLOCKING_STI | VX_BLOCKING_MOV_SS) : window_is_open(q);
}
static vx_boundary_action external_interrupt(const boundary_question *q, vx_exit *exit)
{
    uint8_t vector = q->pending->external_vector;
    bool exiting = (q->vmcs->pin & VX_PIN_EXTERNAL_INTERRUPT_EXITING) != 0;
    vx_guest_event event = {.kind = VX_EVENT_INTERRUPT, .which = vector};
    vx_boundary_action action = decide(q, &event, VX_INTERRUPTION_EXTERNAL, vector, exit);
    return exiting && action == VX_BOUNDARY_DELIVERS ? VX_BOUNDARY_POSTS : action;
}

/* ---- the table ---- */

static const boundary_rule rules[VX_BOUNDARY_CAUSES] = {
    [VX_BOUNDARY_APIC_WRITE] = {"APIC write", ALL_BUT_WAITING | WAITING, apic_write_ready, apic_write},
    [VX_BOUNDARY_TPR_THRESHOLD] = {"TPR below threshold", RUNNING, tpr_threshold_ready, tpr_threshold},
    [VX_BOUNDARY_BUS_LOCK] = {"bus lock", ALL_BUT_WAITING | WAITING, bus_lock_ready, bus_lock},
    [VX_BOUNDARY_SMI] = {"SMI", ALL_BUT_WAITING, smi_ready, smi},
    [VX_BOUNDARY_INIT] = {"INIT", ALL_BUT_WAITING, init_ready, init},
    [VX_BOUNDARY_SIPI] = {"SIPI", WAITING, sipi_ready, sipi},
    [VX_BOUNDARY_MONITOR_TRAP] = {"monitor trap flag", RUNNING, monitor_trap_ready, monitor_trap},
    [VX_BOUNDARY_DEBUG_TRAP] = {"debug trap", RUNNING, debug_trap_ready, debug_trap},
    [VX_BOUNDARY_PREEMPTION_TIMER] = {"preemption timer", ALL_BUT_WAITING, preemption_timer_ready, preemption_timer},
    [VX_BOUNDARY_NMI_WINDOW] = {"NMI window", ALL_BUT_WAITING, nmi_window_ready, nmi_window},
    [VX_BOUNDARY_NMI] = {"NMI", ALL_BUT_WAITING, nmi_ready, nmi},
    [VX_BOUNDARY_INTERRUPT_WINDOW] = {"interrupt window", RUNNING, interrupt_window_ready, interrupt_window},
    [VX_BOUNDARY_VIRTUAL_INTERRUPT] = {"virtual interrupt", RUNNING, virtual_interrupt_ready, virtual_interrupt},
    [VX_BOUNDARY_EXTERNAL_INTERRUPT] = {"external interrupt", RUNNING, external_interrupt_ready, external_interrupt},
};

const char *vx_boundary_name(vx_boundary_cause cause)
{
    return cause < VX_BOUNDARY_CAUSES ? rules[cause].name : "none";
}

vx_boundary vx_vmcs_boundary(const vx_vmcs *vmcs, const vx_exit_context *context, const vx_pending *pending,
                             vx_exit *exit)
{
    const boundary_question q = {vmcs, context, pending};
    for (unsigned cause = 0; cause < VX_BOUNDARY_CAUSES; cause++) {
        const boundary_rule *rule = &rules[cause];
        if (!(rule->states >> context->activity & 1) || !rule->ready(&q)) continue;
        return (vx_boundary){(vx_boundary_cause)cause, rule->take(&q, exit)};
    }
    return (vx_boundary){VX_BOUNDARY_NOTHING, VX_BOUNDARY_CONTINUES};
}
