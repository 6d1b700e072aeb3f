/* What a VM exit saves besides its reason: instruction length and information, displacement, the event that was being
 * delivered.
 *
 * SDM Vol. 3C 27.2.1 (displacement), 27.2.3 (NMI unblocking due to IRET), 27.2.4, 27.2.5, Tables 27-8 to 27-16.
 * (Chapter numbers: see vx_vmcs.h.) Bits that the tables leave undefined are 0. */
#include "vmcs_rules.h"
#include "vx_exception.h"

uint64_t vmcs_linear(const vx_exit_context *context, uint64_t address)
{
    return context->narrow ? address & 0xFFFFFFFF : address;
}

bool vmcs_pushes_error_code(unsigned vector)
{
    const uint32_t vectors = 1U << 8 | 1U << 10 | 1U << 11 | 1U << 12 | 1U << 13 | 1U << 14 | 1U << 17 | 1U << 21;
    return vectors >> vector & 1;
}

bool vmcs_nmi_unblocking(const vx_vmcs *vmcs, const vx_exit_context *context)
{
    bool defined = !(vmcs->pin & VX_PIN_NMI_EXITING) || (vmcs->pin & VX_PIN_VIRTUAL_NMIS);
    return defined && context->iret_unblocks && !(context->delivering & VX_INTERRUPTION_VALID);
}

/* ---- instruction information ---- */

enum { REGISTER_FORM = 1U << 10, NO_INDEX = 1U << 22, NO_BASE = 1U << 27 };

static uint32_t memory_bits(const vx_instruction_operands *o)
{
    uint32_t bits = (uint32_t)o->address_size << 7 | (uint32_t)o->segment << 15;
    bits |= o->index == VX_NO_REGISTER ? NO_INDEX : (uint32_t)(o->scale & 3) | (uint32_t)(o->index & 15) << 18;
    bits |= o->base == VX_NO_REGISTER ? NO_BASE : (uint32_t)(o->base & 15) << 23;
    return bits;
}

static uint32_t either_form(const vx_instruction_operands *o)
{
    return o->memory ? memory_bits(o) : REGISTER_FORM | (uint32_t)(o->reg1 & 15) << 3;
}

/* Tables 27-10 and 27-11: the identity in 29:28 is the order of vx_desc_table in each of its two groups of four. */
static uint32_t desc_bits(const vx_guest_event *event, const vx_instruction_operands *o)
{
    uint32_t identity = (uint32_t)(event->which & 3) << 28;
    bool tables = event->which <= VX_DESC_LIDT;
    return identity | (tables ? memory_bits(o) | (uint32_t)(o->operand_size & 1) << 11 : either_form(o));
}

static uint32_t information(const vmcs_question *q)
{
    const vx_instruction_operands *o = q->event->operands;
    uint32_t reg2 = (uint32_t)(o->reg2 & 15) << 28;
    switch ((vmcs_format)q->rule->format) {
    case FORMAT_IO: /* the segment is defined for OUTS alone */
        if (!q->event->string) return 0;
        return (uint32_t)o->address_size << 7 | (q->event->kind == VX_EVENT_OUT ? (uint32_t)o->segment << 15 : 0);
    case FORMAT_INV:
        return memory_bits(o) | reg2;
    case FORMAT_DESC:
        return desc_bits(q->event, o);
    case FORMAT_RANDOM:
        return (uint32_t)(o->reg1 & 15) << 3 | (uint32_t)(o->operand_size & 3) << 11;
    case FORMAT_WAIT:
        return (uint32_t)(o->reg1 & 15) << 3;
    case FORMAT_MEMORY:
        return memory_bits(o);
    case FORMAT_FIELD:
        return either_form(o) | reg2;
    case FORMAT_KEY:
        return (uint32_t)(o->reg1 & 15) << 3 | reg2;
    default:
        return 0;
    }
}

/* The formats of memory operands other than INS's and OUTS's are those whose displacement is the qualification. */
static bool reports_displacement(const vmcs_question *q)
{
    switch ((vmcs_format)q->rule->format) {
    case FORMAT_INV:
    case FORMAT_DESC:
    case FORMAT_MEMORY:
    case FORMAT_FIELD:
        return q->event->operands->memory;
    default:
        return false;
    }
}

/* ---- lengths and deliveries ---- */

static bool is_instruction(vx_guest_event_kind kind) { return kind < VX_EVENT_APIC_READ; }

/* 27.2.5: fault-like exits of instructions (a reason that differs from the rule's, but for LDTR's, is a trap-like one:
 * APIC virtualization), software exceptions, task switches by an instruction. */
static bool has_length(const vmcs_question *q, const vx_exit *exit)
{
    const vx_guest_event *event = q->event;
    if (is_instruction(event->kind)) return exit->reason == q->rule->reason || exit->reason == VX_EXIT_LDTR_TR;
    if (event->kind == VX_EVENT_TASK_SWITCH) return event->which < 3;
    uint32_t type = exit->interruption & VX_INTERRUPTION_TYPE;
    return event->kind == VX_EVENT_EXCEPTION &&
           (type == VX_INTERRUPTION_SOFTWARE || type == VX_INTERRUPTION_PRIVILEGED);
}

void vmcs_describe_delivery(const vx_exit_context *context, vx_exit *exit)
{
    uint32_t event = context->delivering, type = event & VX_INTERRUPTION_TYPE;
    if (!(event & VX_INTERRUPTION_VALID)) return;
    exit->idt_vectoring = event;
    if (event & VX_INTERRUPTION_ERROR_CODE) exit->idt_vectoring_error = context->delivering_error;
    if (type >= VX_INTERRUPTION_SOFTWARE_INTERRUPT) exit->instruction_length = context->delivering_length;
}

/* 27.2.4 names the causes that can be met while an event is being delivered. A double fault is none: it takes the place
 * of the event whose delivery caused it. */
static bool met_in_delivery(const vx_guest_event *event)
{
    return (event->kind == VX_EVENT_EXCEPTION && event->which != VX_VECTOR_DF) || event->kind == VX_EVENT_TASK_SWITCH ||
           event->kind == VX_EVENT_APIC_READ || event->kind == VX_EVENT_APIC_WRITE;
}

void vmcs_describe_exit(const vmcs_question *q, vx_exit *exit)
{
    const vx_guest_event *event = q->event;
    if (has_length(q, exit)) exit->instruction_length = event->length;
    if (event->operands && has_length(q, exit)) {
        exit->instruction_information = information(q);
        if (reports_displacement(q)) exit->qualification = (uint64_t)event->operands->displacement;
    }
    if (met_in_delivery(event)) vmcs_describe_delivery(q->context, exit);
    if (q->context->bus_locked && (q->cpu2 & VX_CPU2_BUS_LOCK_DETECTION)) exit->reason_flags |= VX_EXIT_FLAG_BUS_LOCK;
}
