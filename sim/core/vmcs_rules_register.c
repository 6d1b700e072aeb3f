/* Exits of accesses to control and debug registers, ports, model-specific registers and the local APIC's page.
 *
 * SDM Vol. 3C 25.1.3 and 24.6.4, 24.6.6, 24.6.7, 24.6.9; qualifications in Tables 27-3 to 27-6. (Chapter numbers: see
 * vx_vmcs.h.)
 *
 * NOT MODELLED: MOV to CR0, CR3 or CR4 that would load faulty PDPTEs. */
#include "vmcs_apic_exits.h"
#include "vmcs_rules.h"
#include "vx_control_registers.h"

enum {
    CR_TO = 0U << 4, /* Table 27-3, access type */
    CR_FROM = 1U << 4,
    CR_CLTS = 2U << 4,
    CR_LMSW = 3U << 4,
    CR_LMSW_MEMORY = 1U << 6,
    REGISTER_SHIFT = 8,
    DR_FROM = 1U << 4, /* Table 27-4 */
    IO_IN = 1U << 3,   /* Table 27-5 */
    IO_STRING = 1U << 4,
    IO_REP = 1U << 5,
    IO_IMMEDIATE = 1U << 6,
    IO_PORTS = 0x10000,
};

/* The general-purpose register in bits 11:8 of both tables. */
static uint64_t register_bits(const vx_guest_event *event)
{
    return event->operands ? (uint64_t)(event->operands->reg1 & 15) << REGISTER_SHIFT : 0;
}

/* ---- control registers ---- */

/* MOV to CR3 exits unless its operand is one of the first n CR3-target values. */
static bool cr3_load_exits(const vmcs_question *q)
{
    const vx_vmcs *vmcs = q->vmcs;
    if (!(vmcs->cpu & VX_CPU_CR3_LOAD_EXITING)) return false;
    for (uint32_t i = 0; i < vmcs->cr3_target_count && i < VX_VMCS_CR3_TARGETS; i++)
        if (vmcs->cr3_target[i] == q->event->value) return false;
    return true;
}

/* MOV to CR8 stores VTPR[7:4], then TPR virtualization looks at the threshold (29.3, 29.1.2). */
static bool cr8_load(const vmcs_question *q, vx_exit *exit)
{
    if (q->vmcs->cpu & VX_CPU_CR8_LOAD_EXITING) return true;
    return vx_vmcs_cr8_write_exits(q->vmcs, q->event->value & 0xF, exit);
}

bool vmcs_cr_write(const vmcs_question *q, vx_exit *exit)
{
    const vx_vmcs *vmcs = q->vmcs;
    uint64_t value = q->event->value;
    exit->qualification = CR_TO | q->event->which | register_bits(q->event);
    switch (q->event->which) {
    case 0:
        return ((value ^ vmcs->cr0_shadow) & vmcs->cr0_mask) != 0;
    case 3:
        return cr3_load_exits(q);
    case 4:
        return ((value ^ vmcs->cr4_shadow) & vmcs->cr4_mask) != 0;
    case 8:
        return cr8_load(q, exit);
    default: /* MOV to CR2 */
        return false;
    }
}

/* MOV from CR0 and CR4 never exit: they read through mask and shadow. */
bool vmcs_cr_read(const vmcs_question *q, vx_exit *exit)
{
    exit->qualification = CR_FROM | q->event->which | register_bits(q->event);
    switch (q->event->which) {
    case 3:
        return (q->vmcs->cpu & VX_CPU_CR3_STORE_EXITING) != 0;
    case 8:
        return (q->vmcs->cpu & VX_CPU_CR8_STORE_EXITING) != 0;
    default:
        return false;
    }
}

bool vmcs_clts(const vmcs_question *q, vx_exit *exit)
{
    exit->qualification = CR_CLTS;
    return (q->vmcs->cr0_mask & q->vmcs->cr0_shadow & VX_CR0_TS) != 0;
}

/* LMSW writes CR0[3:0] but never clears PE: of the host's bits, PE exits when it would be set, the others when they
 * would change. */
bool vmcs_lmsw(const vmcs_question *q, vx_exit *exit)
{
    uint64_t source = q->event->value, mask = q->vmcs->cr0_mask, shadow = q->vmcs->cr0_shadow;
    exit->qualification = CR_LMSW | (source & 0xFFFF) << 16;
    if (q->event->operands && q->event->operands->memory) {
        exit->qualification |= CR_LMSW_MEMORY;
        exit->linear.v = vmcs_linear(q->context, q->event->linear.v);
    }
    return (mask & source & ~shadow & VX_CR0_PE) != 0 || (mask & (source ^ shadow) & 0xE) != 0;
}

/* ---- debug registers ---- */

bool vmcs_dr_read(const vmcs_question *q, vx_exit *exit)
{
    exit->qualification = DR_FROM | (q->event->which & 7U) | register_bits(q->event);
    return vmcs_by_controls(q, exit);
}

bool vmcs_dr_write(const vmcs_question *q, vx_exit *exit)
{
    exit->qualification = (q->event->which & 7U) | register_bits(q->event);
    return vmcs_by_controls(q, exit);
}

/* ---- ports ---- */

/* An access is trapped by the bit of any port it touches, and always where it wraps from port FFFFH to 0. */
static bool io_bitmap_exits(const uint8_t *bitmap, uint32_t port, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        if (port + i >= IO_PORTS || vmcs_bit(bitmap, port + i)) return true;
    return false;
}

bool vmcs_io(const vmcs_question *q, vx_exit *exit)
{
    const vx_guest_event *event = q->event;
    uint32_t port = (uint32_t)event->selector & 0xFFFF, bytes = event->bytes;
    exit->qualification = (bytes - 1) & 7;
    exit->qualification |= event->kind == VX_EVENT_IN ? IO_IN : 0;
    exit->qualification |= event->string ? IO_STRING : 0;
    exit->qualification |= event->repeat ? IO_REP : 0;
    exit->qualification |= event->immediate ? IO_IMMEDIATE : 0;
    exit->qualification |= (uint64_t)port << 16;
    if (event->string) exit->linear.v = vmcs_linear(q->context, event->linear.v);
    if (q->vmcs->cpu & VX_CPU_USE_IO_BITMAPS) return io_bitmap_exits(q->vmcs->io_bitmap, port, bytes);
    return (q->vmcs->cpu & VX_CPU_UNCONDITIONAL_IO_EXITING) != 0;
}

/* ---- model-specific registers ---- */

static bool msr_bitmap_exits(const vx_vmcs *vmcs, uint64_t msr, bool write)
{
    enum { HIGH_BYTES = 1024, WRITE_BYTES = 2048 };
    if (!(vmcs->cpu & VX_CPU_USE_MSR_BITMAPS)) return true;
    uint32_t byte = write ? WRITE_BYTES : 0;
    if (msr >= 0xC0000000 && msr <= 0xC0001FFF)
        byte += HIGH_BYTES;
    else if (msr > 0x1FFF)
        return true;
    return vmcs_bit(vmcs->msr_bitmap, byte * 8 + (uint32_t)(msr & 0x1FFF));
}

bool vmcs_rdmsr(const vmcs_question *q, vx_exit *exit)
{
    (void)exit;
    return msr_bitmap_exits(q->vmcs, q->event->selector, false);
}

bool vmcs_wrmsr(const vmcs_question *q, vx_exit *exit)
{
    const vx_guest_event *event = q->event;
    if (msr_bitmap_exits(q->vmcs, event->selector, true)) return true;
    return vx_vmcs_x2apic_write_exits(q->vmcs, q->context->svi, event->selector, event->value, exit);
}

/* ---- the local APIC's page, 29.4 ---- */

/* Table 27-6: an access during the delivery of an event has a type of its own. */
static bool as_delivered(const vmcs_question *q, bool exits, vx_exit *exit)
{
    enum { TYPE_SHIFT = 12, TYPE_DELIVERY = 3 };
    bool delivery = (q->context->delivering & VX_INTERRUPTION_VALID) != 0;
    if (exits && delivery && exit->reason == VX_EXIT_APIC_ACCESS)
        exit->qualification = (exit->qualification & 0xFFF) | TYPE_DELIVERY << TYPE_SHIFT;
    return exits;
}

bool vmcs_apic_read(const vmcs_question *q, vx_exit *exit)
{
    const vx_guest_event *event = q->event;
    return as_delivered(q, vx_vmcs_apic_read_exits(q->vmcs, event->selector, event->bytes, exit), exit);
}

bool vmcs_apic_write(const vmcs_question *q, vx_exit *exit)
{
    const vx_guest_event *event = q->event;
    bool exits = vx_vmcs_apic_write_exits(q->vmcs, q->context->svi, event->selector, event->bytes, event->value, exit);
    return as_delivered(q, exits, exit);
}
