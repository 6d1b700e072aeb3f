/* Exits that no instruction asks for: exceptions, interrupts, signals, task switches.
 *
 * SDM Vol. 3C 25.2 and 25.4.2; 27.2.1 and 27.2.2 for what they report; 34.15.2.3 for SMIs. (Chapter numbers: see
 * vx_vmcs.h.)
 *
 * NOT MODELLED: the checks of a task switch that come before its exit (25.4.2) are the caller's. */
#include "vmcs_rules.h"
#include "vx_control_registers.h"
#include "vx_exception.h"

/* ---- exceptions ---- */

bool vx_vmcs_page_fault_exits(const vx_vmcs *vmcs, uint32_t error_code)
{
    bool equal = (error_code & vmcs->page_fault_mask) == vmcs->page_fault_match;
    return equal == ((vmcs->exception_bitmap >> VX_VECTOR_PF & 1) != 0);
}

static bool exception_exits(const vx_vmcs *vmcs, unsigned vector, uint32_t error_code)
{
    if (vector == VX_VECTOR_PF) return vx_vmcs_page_fault_exits(vmcs, error_code);
    return vmcs->exception_bitmap >> vector & 1;
}

static uint32_t type_of(const vx_guest_event *event)
{
    if (event->type) return (uint32_t)event->type << 8;
    bool software = event->which == 3 || event->which == 4; /* INT3, INTO */
    return software ? VX_INTERRUPTION_SOFTWARE : VX_INTERRUPTION_HARDWARE;
}

/* What a debug exception found, and the address of a page fault. */
static uint64_t exception_qualification(const vmcs_question *q)
{
    if (q->event->which == VX_VECTOR_DB) return q->event->value;
    return q->event->which == VX_VECTOR_PF ? vmcs_linear(q->context, q->event->linear.v) : 0;
}

bool vmcs_exception(const vmcs_question *q, vx_exit *exit)
{
    unsigned vector = q->event->which;
    if (vector == VX_VECTOR_NMI) return vmcs_nmi(q, exit);
    if (vector > 31 || !exception_exits(q->vmcs, vector, q->event->error_code)) return false;
    uint32_t type = type_of(q->event);
    exit->interruption = VX_INTERRUPTION_VALID | type | vector;
    exit->qualification = exception_qualification(q);
    if (type == VX_INTERRUPTION_HARDWARE && vmcs_pushes_error_code(vector) && (q->context->cr0 & VX_CR0_PE)) {
        exit->interruption |= VX_INTERRUPTION_ERROR_CODE;
        exit->error_code = q->event->error_code;
    }
    if (vector != VX_VECTOR_DF && vmcs_nmi_unblocking(q->vmcs, q->context))
        exit->interruption |= VX_INTERRUPTION_NMI_UNBLOCKING;
    return true;
}

/* ---- interrupts and signals ---- */

bool vmcs_nmi(const vmcs_question *q, vx_exit *exit)
{
    if (q->context->activity == VX_ACTIVITY_WAIT_FOR_SIPI || !(q->vmcs->pin & VX_PIN_NMI_EXITING)) return false;
    exit->interruption = VX_INTERRUPTION_VALID | VX_INTERRUPTION_NMI | VX_VECTOR_NMI;
    return true;
}

/* The notification vector of posted interrupts is for the processor itself (29.6, step 2). */
static bool is_notification(const vmcs_question *q)
{
    return (q->vmcs->pin & VX_PIN_POSTED_INTERRUPTS) &&
           q->event->which == (q->vmcs->posted_interrupt_notification_vector & 0xFF);
}

bool vmcs_interrupt(const vmcs_question *q, vx_exit *exit)
{
    bool blocked = q->context->activity >= VX_ACTIVITY_SHUTDOWN;
    if (blocked || !(q->vmcs->pin & VX_PIN_EXTERNAL_INTERRUPT_EXITING) || is_notification(q)) return false;
    if (q->vmcs->exit_controls & VX_EXIT_CONTROL_ACKNOWLEDGE_INTERRUPT)
        exit->interruption = VX_INTERRUPTION_VALID | VX_INTERRUPTION_EXTERNAL | q->event->which;
    return true;
}

bool vmcs_init(const vmcs_question *q, vx_exit *exit)
{
    (void)exit;
    return q->context->activity != VX_ACTIVITY_WAIT_FOR_SIPI;
}

/* In every other state a start-up IPI is discarded. */
bool vmcs_sipi(const vmcs_question *q, vx_exit *exit)
{
    exit->qualification = q->event->which;
    return q->context->activity == VX_ACTIVITY_WAIT_FOR_SIPI;
}

/* The dual-monitor treatment is taken as active where a caller asks; after an I/O instruction the qualification is as
 * for that instruction (34.15.2.3). */
bool vmcs_smi(const vmcs_question *q, vx_exit *exit)
{
    if (q->context->activity == VX_ACTIVITY_WAIT_FOR_SIPI || (q->context->interruptibility & VX_BLOCKING_SMI))
        return false;
    const vx_guest_event *event = q->event;
    if (!event->immediate) return true;
    exit->reason = VX_EXIT_IO_SMI;
    exit->qualification = ((event->bytes - 1U) & 7) | (event->which ? 8U : 0) | (event->string ? 16U : 0) |
                          (event->repeat ? 32U : 0) | (event->selector & 0xFFFF) << 16;
    exit->linear.v = event->string ? vmcs_linear(q->context, event->linear.v) : 0;
    return true;
}

/* ---- others ---- */

bool vmcs_task_switch(const vmcs_question *q, vx_exit *exit)
{
    exit->qualification = (q->event->selector & 0xFFFF) | (uint64_t)(q->event->which & 3) << 30;
    return true;
}

bool vmcs_bus_lock(const vmcs_question *q, vx_exit *exit)
{
    exit->reason_flags = VX_EXIT_FLAG_BUS_LOCK;
    return vmcs_by_controls(q, exit);
}

bool vmcs_timeout(const vmcs_question *q, vx_exit *exit)
{
    exit->qualification = q->event->value & 1;
    if (vmcs_nmi_unblocking(q->vmcs, q->context)) exit->qualification |= 1ULL << 12;
    return vmcs_by_controls(q, exit);
}
