/* The registers: who may read and write which, what a write keeps, and what it sets off.
 *
 * SDM Vol. 3A Table 10-1 (xAPIC page), Table 10-6 (x2APIC MSRs), 10.5.3 (errors), 10.6.1 (ICR), 10.12.1.3 (reserved
 * bits). One row a register; a page offset or an MSR without a row is reserved. */
#include "apic_private.h"

enum {
    READ = 1, /* the xAPIC page */
    WRITE = 2,
    MSR_READ = 4, /* x2APIC mode */
    MSR_WRITE = 8,
    MSR_WIDE = 16, /* WRMSR takes 64 bits */
    BOTH = READ | WRITE | MSR_READ | MSR_WRITE,
};

typedef struct register_row {
    uint8_t access;
    uint32_t keeps;   /* bits that a write stores */
    uint32_t ignored; /* read-only bits within: no fault where WRMSR sets them */
    void (*wrote)(vx_apic *apic, uint32_t old, uint32_t value, vx_tick now);
} register_row;

/* ---- what writes set off ---- */

static void wrote_tpr(vx_apic *apic, uint32_t old, uint32_t value, vx_tick now)
{
    (void)old, (void)value, (void)now;
    vx_apic_update_priority(apic);
}

static void wrote_eoi(vx_apic *apic, uint32_t old, uint32_t value, vx_tick now)
{
    (void)old, (void)value, (void)now;
    (void)vx_apic_end_of_interrupt(apic);
}

static void wrote_id(vx_apic *apic, uint32_t old, uint32_t value, vx_tick now)
{
    (void)old, (void)now;
    apic_put(apic, VX_APIC_ID, value);
}

static void wrote_dfr(vx_apic *apic, uint32_t old, uint32_t value, vx_tick now)
{
    (void)old, (void)now;
    apic_put(apic, VX_APIC_DFR, value | 0x0FFFFFFF);
}

/* A write shows what was logged since the last one. */
static void wrote_esr(vx_apic *apic, uint32_t old, uint32_t value, vx_tick now)
{
    (void)old, (void)value, (void)now;
    apic_put(apic, VX_APIC_ESR, apic->errors);
    apic->errors = 0;
}

static void send(vx_apic *apic, uint32_t command, uint32_t destination)
{
    bool wide = vx_apic_mode_of(apic) == VX_APIC_X2APIC;
    vx_interrupt_message message;
    vx_delivery delivery = (vx_delivery)(command >> 8 & 7);
    if (wide && delivery == VX_DELIVERY_LOWEST_PRIORITY) { /* 10.5.3: nothing else is logged then */
        vx_apic_error(apic, VX_APIC_ERROR_REDIRECTIBLE_IPI);
        return;
    }
    if (!vx_interrupt_message_from_icr(&message, command, destination, wide, apic->setup.id)) return;
    bool vectored = delivery == VX_DELIVERY_FIXED || delivery == VX_DELIVERY_LOWEST_PRIORITY;
    if (vectored && message.vector < 16) {
        vx_apic_error(apic, VX_APIC_ERROR_SEND_VECTOR);
        return;
    }
    apic->setup.send(apic->setup.bus, &message);
}

static void wrote_icr(vx_apic *apic, uint32_t old, uint32_t value, vx_tick now)
{
    (void)old, (void)now;
    bool wide = vx_apic_mode_of(apic) == VX_APIC_X2APIC;
    send(apic, value, wide ? apic_get(apic, VX_APIC_ICR_HIGH_X2APIC) : apic_get(apic, VX_APIC_ICR_HIGH) >> 24);
}

/* The same as a write of the ICR with shorthand "self", fixed, edge (10.12.11). */
static void wrote_self_ipi(vx_apic *apic, uint32_t old, uint32_t value, vx_tick now)
{
    (void)old, (void)now;
    send(apic, (uint32_t)VX_SHORTHAND_SELF << 18 | (value & 0xFF), 0);
}

/* While the APIC is disabled by software (SVR), entries stay masked (10.4.7.2). */
static void wrote_lvt(vx_apic *apic, uint32_t old, uint32_t value, vx_tick now)
{
    (void)old, (void)value, (void)now;
    if (!vx_apic_software_enabled(apic)) apic_mask_sources(apic);
}

static void wrote_lvt_timer(vx_apic *apic, uint32_t old, uint32_t value, vx_tick now)
{
    if ((value & LVT_TIMER_MODE) == TIMER_TSC_DEADLINE && !apic->setup.tsc_deadline)
        apic_put(apic, VX_APIC_LVT_TIMER, value & ~(uint32_t)LVT_TIMER_MODE);
    wrote_lvt(apic, old, value, now);
    apic_timer_mode_written(apic);
}

static void wrote_initial_count(vx_apic *apic, uint32_t old, uint32_t value, vx_tick now)
{
    (void)old;
    apic_timer_start(apic, value, now);
}

static void wrote_divide(vx_apic *apic, uint32_t old, uint32_t value, vx_tick now)
{
    apic_put(apic, VX_APIC_DIVIDE, old); /* what has passed, has passed at the old rate */
    apic_timer_divide(apic, value, now);
}

/* ---- the table ---- */

enum { LVT_STATUS = 1 << 12, LVT_REMOTE_IRR = 1 << 14 };
#define LVT_VECTOR_AND_MASK (0xFFU | LVT_MASKED)
#define LVT_DELIVERY 0x700U
#define LVT_PIN 0xA000U /* polarity and trigger mode */
#define ICR_KEEPS 0x000CCFFFU

static const register_row rows[64] = {
    [VX_APIC_ID / 16] = {READ | WRITE | MSR_READ, 0xFF000000, 0, wrote_id},
    [VX_APIC_VERSION / 16] = {READ | MSR_READ, 0, 0, NULL},
    [VX_APIC_TPR / 16] = {BOTH, 0xFF, 0, wrote_tpr},
    [VX_APIC_APR / 16] = {READ, 0, 0, NULL},
    [VX_APIC_PPR / 16] = {READ | MSR_READ, 0, 0, NULL},
    [VX_APIC_EOI / 16] = {READ | WRITE | MSR_WRITE, 0, 0, wrote_eoi},
    [VX_APIC_RRD / 16] = {READ, 0, 0, NULL},
    [VX_APIC_LDR / 16] = {READ | WRITE | MSR_READ, 0xFF000000, 0, NULL},
    [VX_APIC_DFR / 16] = {READ | WRITE, 0xF0000000, 0, wrote_dfr},
    [VX_APIC_SVR / 16] = {BOTH, 0x11FF, 0, wrote_lvt},
    [VX_APIC_ESR / 16] = {BOTH, 0, 0, wrote_esr},
    [VX_APIC_LVT_CMCI / 16] = {BOTH, LVT_VECTOR_AND_MASK | LVT_DELIVERY, LVT_STATUS, wrote_lvt},
    [VX_APIC_ICR_LOW / 16] = {BOTH | MSR_WIDE, ICR_KEEPS, LVT_STATUS, wrote_icr},
    [VX_APIC_ICR_HIGH / 16] = {READ | WRITE, 0xFF000000, 0, NULL},
    [VX_APIC_LVT_TIMER / 16] = {BOTH, LVT_VECTOR_AND_MASK | LVT_TIMER_MODE, LVT_STATUS, wrote_lvt_timer},
    [VX_APIC_LVT_THERMAL / 16] = {BOTH, LVT_VECTOR_AND_MASK | LVT_DELIVERY, LVT_STATUS, wrote_lvt},
    [VX_APIC_LVT_PERFORMANCE / 16] = {BOTH, LVT_VECTOR_AND_MASK | LVT_DELIVERY, LVT_STATUS, wrote_lvt},
    [VX_APIC_LVT_LINT0 / 16] = {BOTH, LVT_VECTOR_AND_MASK | LVT_DELIVERY | LVT_PIN, LVT_STATUS | LVT_REMOTE_IRR,
                                wrote_lvt},
    [VX_APIC_LVT_LINT1 / 16] = {BOTH, LVT_VECTOR_AND_MASK | LVT_DELIVERY | LVT_PIN, LVT_STATUS | LVT_REMOTE_IRR,
                                wrote_lvt},
    [VX_APIC_LVT_ERROR / 16] = {BOTH, LVT_VECTOR_AND_MASK, LVT_STATUS, wrote_lvt},
    [VX_APIC_INITIAL_COUNT / 16] = {BOTH, UINT32_MAX, 0, wrote_initial_count},
    [VX_APIC_CURRENT_COUNT / 16] = {READ | MSR_READ, 0, 0, NULL},
    [VX_APIC_DIVIDE / 16] = {BOTH, 0xB, 0, wrote_divide},
    [VX_APIC_SELF_IPI / 16] = {MSR_WRITE, 0xFF, 0, wrote_self_ipi},
};

static const register_row vector_row = {READ | MSR_READ, 0, 0, NULL}; /* ISR, TMR, IRR: eight registers each */

static const register_row *row_of(uint32_t offset)
{
    if (offset >= VX_APIC_ISR && offset < VX_APIC_ESR) return &vector_row;
    return offset < 0x400 ? &rows[offset / 16] : NULL;
}

static uint32_t read_register(const vx_apic *apic, uint32_t offset, vx_tick now)
{
    switch (offset) {
    case VX_APIC_APR:
        return vx_apic_arbitration_priority(apic);
    case VX_APIC_EOI: /* write only: what it reads is undefined */
    case VX_APIC_RRD:
        return 0;
    case VX_APIC_CURRENT_COUNT:
        return apic_timer_count(apic, now);
    default:
        return apic_get(apic, offset);
    }
}

/* EOI, ESR and SELF IPI keep nothing that was written. */
static bool stores(const register_row *row) { return row->keeps && row->access != MSR_WRITE; }

static void write_register(vx_apic *apic, const register_row *row, uint32_t offset, uint32_t value, vx_tick now)
{
    uint32_t old = apic_get(apic, offset);
    if (stores(row)) apic_put(apic, offset, value & row->keeps);
    if (row->wrote) row->wrote(apic, old, value & row->keeps, now);
}

/* ---- the page ---- */

vx_apic_result vx_apic_read(vx_apic *apic, uint32_t offset, vx_tick now, uint32_t *value)
{
    if (vx_apic_mode_of(apic) != VX_APIC_XAPIC) return VX_APIC_ABSENT;
    vx_apic_timer_advance(apic, now);
    const register_row *row = offset % 16 == 0 ? row_of(offset) : NULL;
    bool there = row && (row->access & (READ | WRITE));
    if (!there) vx_apic_error(apic, VX_APIC_ERROR_REGISTER);
    *value = there ? read_register(apic, offset, now) : 0;
    return VX_APIC_DONE;
}

vx_apic_result vx_apic_write(vx_apic *apic, uint32_t offset, uint32_t value, vx_tick now)
{
    if (vx_apic_mode_of(apic) != VX_APIC_XAPIC) return VX_APIC_ABSENT;
    vx_apic_timer_advance(apic, now);
    const register_row *row = offset % 16 == 0 ? row_of(offset) : NULL;
    if (!row || !(row->access & (READ | WRITE)))
        vx_apic_error(apic, VX_APIC_ERROR_REGISTER);
    else if (row->access & WRITE)
        write_register(apic, row, offset, value, now);
    return VX_APIC_DONE;
}

/* ---- the MSRs ---- */

vx_apic_result apic_x2apic_read(vx_apic *apic, uint32_t msr, vx_tick now, uint64_t *value)
{
    if (vx_apic_mode_of(apic) != VX_APIC_X2APIC || msr < VX_MSR_X2APIC_FIRST || msr > VX_MSR_X2APIC_LAST)
        return VX_APIC_FAULT;
    uint32_t offset = vx_apic_offset(msr);
    const register_row *row = row_of(offset);
    if (!row || !(row->access & MSR_READ)) return VX_APIC_FAULT;
    vx_apic_timer_advance(apic, now);
    *value = read_register(apic, offset, now);
    if (row->access & MSR_WIDE) *value |= (uint64_t)apic_get(apic, VX_APIC_ICR_HIGH_X2APIC) << 32;
    return VX_APIC_DONE;
}

vx_apic_result apic_x2apic_write(vx_apic *apic, uint32_t msr, uint64_t value, vx_tick now)
{
    if (vx_apic_mode_of(apic) != VX_APIC_X2APIC || msr < VX_MSR_X2APIC_FIRST || msr > VX_MSR_X2APIC_LAST)
        return VX_APIC_FAULT;
    uint32_t offset = vx_apic_offset(msr);
    const register_row *row = row_of(offset);
    if (!row || !(row->access & MSR_WRITE)) return VX_APIC_FAULT;
    uint64_t legal = row->keeps | row->ignored | (row->access & MSR_WIDE ? ~0ULL << 32 : 0);
    if (offset == VX_APIC_LVT_TIMER && !apic->setup.tsc_deadline) legal &= ~(uint64_t)TIMER_TSC_DEADLINE;
    if (offset == VX_APIC_SVR && !apic->setup.eoi_suppression) legal &= ~0x1000ULL;
    if (value & ~legal) return VX_APIC_FAULT;
    vx_apic_timer_advance(apic, now);
    if (row->access & MSR_WIDE) apic_put(apic, VX_APIC_ICR_HIGH_X2APIC, (uint32_t)(value >> 32));
    write_register(apic, row, offset, (uint32_t)value, now);
    return VX_APIC_DONE;
}
