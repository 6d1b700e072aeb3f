/* Which accesses of a guest to its local APIC the processor virtualizes, and what then happens.
 *
 * SDM Vol. 3C 29.3 (CR8), 29.4.2 (reads), 29.4.3 (writes, APIC-write emulation, APIC-write exits), 29.5 (MSRs). */
#include "virtual_apic_private.h"

/* Bit n: the 32-bit register at offset 16 n of the APIC page. */
#define REGISTERS(first, last) (((2ULL << ((last) - (first))) - 1) << (first))
/* What APIC-register virtualization lets a guest write: ID, TPR, EOI, LDR, DFR, SVR, ESR, ICR, LVT, timer. */
#define WRITABLE                                                                                                       \
    (REGISTERS(0x02, 0x02) | REGISTERS(0x08, 0x08) | REGISTERS(0x0B, 0x0B) | REGISTERS(0x0D, 0x0F) |                   \
     REGISTERS(0x28, 0x28) | REGISTERS(0x30, 0x38) | REGISTERS(0x3E, 0x3E))
/* To read: these, the version and the in-service, trigger-mode and request registers. */
#define READABLE (WRITABLE | REGISTERS(0x03, 0x03) | REGISTERS(0x10, 0x27))

static const vx_vapic_outcome not_virtualized = {VX_VAPIC_NO_EXIT, false, 0};
static const vx_vapic_outcome quiet = {VX_VAPIC_NO_EXIT, true, 0};
static const vx_vapic_outcome fault = {VX_VAPIC_FAULT, false, 0};

static vx_vapic_outcome exits(vx_vapic_exit exit, uint32_t qualification)
{
    return (vx_vapic_outcome){exit, exit != VX_VAPIC_EXIT_ACCESS, qualification};
}

static bool on(const vx_virtual_apic *v, uint32_t control) { return v->controls & control; }

/* The conditions that reads and writes share, then the registers that the controls cover. */
static bool virtualized(const vx_virtual_apic *v, uint32_t offset, uint32_t bytes, uint64_t registers)
{
    if (!on(v, VX_VAPIC_TPR_SHADOW)) return false;
    if (bytes == 0 || offset % 16 + bytes > 4) return false; /* within the low 4 bytes of 16, so at most 4 */
    if (offset == VX_APIC_TPR) return true;
    if (on(v, VX_VAPIC_DELIVERY) && (offset == VX_APIC_EOI || offset == VX_APIC_ICR_LOW)) return true;
    if (on(v, VX_VAPIC_IPIS) && offset == VX_APIC_ICR_LOW && registers == WRITABLE) return true;
    uint32_t slot = offset / 16;
    return on(v, VX_VAPIC_REGISTERS) && slot < 64 && (registers >> slot & 1);
}

/* ---- what follows a virtualized write: 29.1.2, 29.1.4, 29.4.3.2 ---- */

typedef enum follow_up { FOLLOW_NOTHING, FOLLOW_TPR, FOLLOW_EOI, FOLLOW_SELF_IPI, FOLLOW_IPI, FOLLOW_EXIT } follow_up;

/* The interrupts that a processor sends to itself without software: fixed, edge, shorthand "self", vector from 16 up,
 * reserved bits and delivery status 0. */
static bool is_self_ipi(uint32_t icr)
{
    const uint32_t must_be_zero = 0xFFF00000 | 3U << 16 | 1U << 15 | 1U << 13 | 1U << 12 | 7U << 8;
    return !(icr & must_be_zero) && (icr >> 18 & 3) == 1 && (icr >> 4 & 0xF) != 0;
}

/* The interrupts that IPI virtualization sends: fixed, edge, physical, no shorthand; reserved bits, and bit 12, are 0.
 */
static bool is_virtual_ipi(uint32_t icr)
{
    const uint32_t must_be_zero =
        0xFFF00000 | 3U << 18 | 3U << 16 | 1U << 15 | 1U << 13 | 1U << 12 | 1U << 11 | 7U << 8;
    return !(icr & must_be_zero);
}

/* Of a command: to whom it goes is known, or software must see to it. */
static follow_up follow_command(const vx_virtual_apic *v, uint32_t icr, uint32_t id)
{
    bool sends = on(v, VX_VAPIC_IPIS) && is_virtual_ipi(icr) && vapic_ipi_target(v, (uint8_t)icr, id);
    return sends ? FOLLOW_IPI : FOLLOW_EXIT;
}

/* The virtual APIC ID in the upper half of the page's command; 0 where only decisions are asked for. */
static uint32_t page_destination(const vx_virtual_apic *v)
{
    return v->page ? vx_apic_get(v->page, VX_APIC_ICR_HIGH) >> 24 : 0;
}

static follow_up follow_page_write(const vx_virtual_apic *v, uint32_t offset, uint32_t value)
{
    bool delivery = on(v, VX_VAPIC_DELIVERY);
    if (offset == VX_APIC_TPR) return FOLLOW_TPR;
    if (offset == VX_APIC_EOI && delivery) return FOLLOW_EOI;
    if (offset == VX_APIC_ICR_LOW && delivery && is_self_ipi(value)) return FOLLOW_SELF_IPI;
    if (offset == VX_APIC_ICR_LOW) return follow_command(v, value, page_destination(v));
    return offset / 16 == VX_APIC_ICR_HIGH / 16 ? FOLLOW_NOTHING : FOLLOW_EXIT;
}

static vx_vapic_outcome outcome_of(const vx_virtual_apic *v, follow_up next, uint32_t offset, uint32_t value)
{
    switch (next) {
    case FOLLOW_TPR:
        return !on(v, VX_VAPIC_DELIVERY) && (value >> 4 & 0xF) < v->tpr_threshold
                   ? exits(VX_VAPIC_EXIT_BELOW_THRESHOLD, 0)
                   : quiet;
    case FOLLOW_EOI:
        return v->eoi_exit[v->svi / 64] >> v->svi % 64 & 1 ? exits(VX_VAPIC_EXIT_EOI, v->svi) : quiet;
    case FOLLOW_EXIT:
        return exits(VX_VAPIC_EXIT_WRITE, offset);
    default:
        return quiet;
    }
}

/* `id`: of an IPI. */
static void follow(vx_virtual_apic *v, follow_up next, uint32_t value, uint32_t id)
{
    switch (next) {
    case FOLLOW_TPR:
        vapic_tpr_virtualization(v);
        break;
    case FOLLOW_EOI:
        vapic_eoi_virtualization(v);
        break;
    case FOLLOW_SELF_IPI:
        vapic_self_ipi_virtualization(v, (uint8_t)value);
        break;
    case FOLLOW_IPI:
        vapic_ipi_virtualization(v, (uint8_t)value, id);
        break;
    default:
        break;
    }
}

/* ---- the APIC-access page, 29.4 ---- */

vx_vapic_outcome vx_virtual_apic_exit_of_read(const vx_virtual_apic *v, uint32_t offset, uint32_t bytes)
{
    if (!on(v, VX_VAPIC_ACCESSES)) return not_virtualized;
    return virtualized(v, offset, bytes, READABLE) ? quiet : exits(VX_VAPIC_EXIT_ACCESS, offset);
}

vx_vapic_outcome vx_virtual_apic_read(const vx_virtual_apic *v, uint32_t offset, uint32_t bytes, uint32_t *value)
{
    vx_vapic_outcome outcome = vx_virtual_apic_exit_of_read(v, offset, bytes);
    if (!outcome.virtualized) return outcome;
    *value = 0;
    memcpy(value, v->page + offset, bytes);
    return outcome;
}

/* The register as it will be: what is written of it, and the rest of what the page holds. */
static uint32_t merged(const vx_virtual_apic *v, uint32_t offset, uint32_t bytes, uint32_t value)
{
    uint32_t shift = offset % 4 * 8, mask = (uint32_t)(((1ULL << bytes * 8) - 1) << shift);
    uint32_t old = v->page ? vx_apic_get(v->page, offset & ~3U) : 0;
    return (old & ~mask) | (value << shift & mask);
}

vx_vapic_outcome vx_virtual_apic_exit_of_write(const vx_virtual_apic *v, uint32_t offset, uint32_t bytes,
                                               uint32_t value)
{
    if (!on(v, VX_VAPIC_ACCESSES)) return not_virtualized;
    if (!virtualized(v, offset, bytes, WRITABLE)) return exits(VX_VAPIC_EXIT_ACCESS, offset);
    uint32_t becomes = merged(v, offset, bytes, value);
    return outcome_of(v, follow_page_write(v, offset, becomes), offset, becomes);
}

vx_vapic_outcome vx_virtual_apic_write(vx_virtual_apic *v, uint32_t offset, uint32_t bytes, uint32_t value)
{
    vx_vapic_outcome outcome = vx_virtual_apic_exit_of_write(v, offset, bytes, value);
    if (!outcome.virtualized) return outcome;
    uint32_t becomes = merged(v, offset, bytes, value), at = offset & ~3U;
    follow_up next = follow_page_write(v, offset, becomes);
    /* Three registers keep less than was written (29.4.3.2). */
    if (next == FOLLOW_TPR)
        vx_apic_put(v->page, at, becomes & 0xFF);
    else if (next == FOLLOW_EOI)
        vx_apic_put(v->page, at, 0);
    else
        vx_apic_put(v->page, at, at == VX_APIC_ICR_HIGH ? becomes & 0xFF000000 : becomes);
    follow(v, next, becomes, page_destination(v));
    return outcome;
}

/* ---- MSRs, 29.5 ---- */

vx_vapic_outcome vx_virtual_apic_rdmsr(const vx_virtual_apic *v, uint32_t msr, uint64_t *value)
{
    bool apic = msr >= VX_MSR_X2APIC_FIRST && msr <= VX_MSR_X2APIC_LAST;
    bool from_page = on(v, VX_VAPIC_REGISTERS) || msr == vx_apic_msr(VX_APIC_TPR);
    if (!apic || !on(v, VX_VAPIC_X2APIC) || !from_page) return not_virtualized;
    memcpy(value, v->page + vx_apic_offset(msr), sizeof *value);
    return quiet;
}

/* False: the WRMSR is an ordinary one. */
static bool special_wrmsr(const vx_virtual_apic *v, uint32_t offset, uint64_t value, follow_up *next, uint64_t *legal)
{
    *legal = 0xFF;
    switch (offset) {
    case VX_APIC_TPR:
        *next = FOLLOW_TPR;
        return true;
    case VX_APIC_EOI:
        *legal = 0;
        *next = FOLLOW_EOI;
        return on(v, VX_VAPIC_DELIVERY);
    case VX_APIC_SELF_IPI:
        *next = value >> 4 & 0xF ? FOLLOW_SELF_IPI : FOLLOW_EXIT;
        return on(v, VX_VAPIC_DELIVERY);
    case VX_APIC_ICR_LOW:
        *legal = ~(0xFFF00000ULL | 3U << 16 | 1U << 13);
        *next = follow_command(v, (uint32_t)value, (uint32_t)(value >> 32));
        return on(v, VX_VAPIC_IPIS);
    default:
        return false;
    }
}

vx_vapic_outcome vx_virtual_apic_exit_of_wrmsr(const vx_virtual_apic *v, uint32_t msr, uint64_t value)
{
    follow_up next = FOLLOW_NOTHING;
    uint64_t legal;
    if (!on(v, VX_VAPIC_X2APIC) || msr < VX_MSR_X2APIC_FIRST || msr > VX_MSR_X2APIC_LAST) return not_virtualized;
    if (!special_wrmsr(v, vx_apic_offset(msr), value, &next, &legal)) return not_virtualized;
    if (value & ~legal) return fault;
    return outcome_of(v, next, vx_apic_offset(msr), (uint32_t)value);
}

vx_vapic_outcome vx_virtual_apic_wrmsr(vx_virtual_apic *v, uint32_t msr, uint64_t value)
{
    vx_vapic_outcome outcome = vx_virtual_apic_exit_of_wrmsr(v, msr, value);
    if (!outcome.virtualized) return outcome;
    follow_up next = FOLLOW_NOTHING;
    uint64_t legal;
    (void)special_wrmsr(v, vx_apic_offset(msr), value, &next, &legal);
    memcpy(v->page + vx_apic_offset(msr), &value, sizeof value);
    follow(v, next, (uint32_t)value, (uint32_t)(value >> 32));
    return outcome;
}

/* ---- CR8, 29.3 ---- */

vx_vapic_outcome vx_virtual_apic_exit_of_cr8(const vx_virtual_apic *v, uint8_t priority)
{
    if (!on(v, VX_VAPIC_TPR_SHADOW)) return not_virtualized;
    return outcome_of(v, FOLLOW_TPR, VX_APIC_TPR, (priority & 0xFU) << 4);
}

vx_vapic_outcome vx_virtual_apic_set_cr8(vx_virtual_apic *v, uint8_t priority)
{
    vx_vapic_outcome outcome = vx_virtual_apic_exit_of_cr8(v, priority);
    if (!outcome.virtualized) return outcome;
    uint32_t tpr = (priority & 0xFU) << 4;
    vx_apic_put(v->page, VX_APIC_TPR, tpr);
    follow(v, FOLLOW_TPR, tpr, 0);
    return outcome;
}

bool vx_virtual_apic_cr8(const vx_virtual_apic *v, uint8_t *priority)
{
    if (!on(v, VX_VAPIC_TPR_SHADOW)) return false;
    *priority = (uint8_t)(vx_apic_get(v->page, VX_APIC_TPR) >> 4 & 0xF);
    return true;
}
