/* The workloads of oracle/guest/flat_guest.c that use the local APIC: its page, CR8, x2APIC registers, interrupts. */
#include "oracle_guest.h"

#define APIC_AT 0xFEE00000ULL

enum {
    APIC_TPR = 0x80,
    APIC_EOI = 0xB0,
    APIC_SPURIOUS = 0xF0,
    APIC_ICR = 0x300,
    APIC_TIMER = 0x320,
    APIC_COUNT = 0x380,
    APIC_DIVIDE = 0x3E0,
    MSR_APIC_BASE = 0x1B,
    MSR_TPR = 0x808,
    MSR_EOI = 0x80B,
    MSR_ICR = 0x830,
    MSR_SELF_IPI = 0x83F,
    VECTOR_TIMER = 0x40,
    VECTOR_IPI = 0x41,
    IPI_TO_SELF = 0x40041, /* ICR: shorthand self, vector 41h */
};

static void apic(oracle_guest *g, vx_record_kind kind, uint64_t offset, uint64_t value)
{
    guest_at(g);
    guest_record(g, kind, 4, offset, 2, (uint64_t[]){value, APIC_AT + offset});
}

static void apic_write(oracle_guest *g, uint64_t offset, uint64_t value) { apic(g, VX_REC_APIC_WRITE, offset, value); }

static void write_msr(oracle_guest *g, uint64_t msr, uint64_t value)
{
    guest_at(g);
    guest_record(g, VX_REC_WRMSR, 0, msr, 1, &value);
}

static void interrupt(oracle_guest *g, unsigned vector)
{
    guest_interrupt(g, vector);
    if (g->x2apic)
        write_msr(g, MSR_EOI, 0);
    else
        apic_write(g, APIC_EOI, 0);
    guest_return(g);
}

static void use_x2apic(oracle_guest *g)
{
    guest_instruction(g, VX_REC_RDMSR, 0, MSR_APIC_BASE);
    write_msr(g, MSR_APIC_BASE, APIC_AT | 0xD00);
    g->x2apic = true;
}

static void one_hlt(oracle_guest *g, uint64_t i)
{
    (void)i;
    apic_write(g, APIC_COUNT, g->work.m);
    guest_instruction(g, VX_REC_STI, 0, 0);
    guest_instruction(g, VX_REC_HLT, 0, 0);
    interrupt(g, VECTOR_TIMER);
    guest_instruction(g, VX_REC_CLI, 0, 0);
}

static void one_cr8_write(oracle_guest *g, uint64_t i)
{
    guest_instruction(g, VX_REC_CR_WRITE, 8, i & (g->work.m ? g->work.m : 15));
}

static void one_cr8_read(oracle_guest *g, uint64_t i)
{
    (void)i;
    guest_instruction(g, VX_REC_CR_READ, 8, 0);
}

static void one_tpr_write(oracle_guest *g, uint64_t i) { apic_write(g, APIC_TPR, (i & 15) << 4); }

static void one_tpr_read(oracle_guest *g, uint64_t i)
{
    (void)i;
    apic(g, VX_REC_APIC_READ, APIC_TPR, 0);
}

static void one_x2apic_tpr(oracle_guest *g, uint64_t i)
{
    if (g->work.k)
        guest_instruction(g, VX_REC_RDMSR, 0, MSR_TPR);
    else
        write_msr(g, MSR_TPR, (i & 15) << 4);
}

static void one_ipi(oracle_guest *g, uint64_t i)
{
    (void)i;
    apic_write(g, APIC_ICR, IPI_TO_SELF);
    interrupt(g, VECTOR_IPI);
}

static void one_x2apic_ipi(oracle_guest *g, uint64_t i)
{
    (void)i;
    if (g->work.k)
        write_msr(g, MSR_SELF_IPI, VECTOR_IPI);
    else
        write_msr(g, MSR_ICR, IPI_TO_SELF);
    interrupt(g, VECTOR_IPI);
}

static void (*const loops[WL_MAX])(oracle_guest *, uint64_t) = {
    [WL_HLT] = one_hlt,       [WL_CR8W] = one_cr8_write, [WL_CR8R] = one_cr8_read,    [WL_TPRW] = one_tpr_write,
    [WL_TPRR] = one_tpr_read, [WL_IPI] = one_ipi,        [WL_X2TPR] = one_x2apic_tpr, [WL_X2IPI] = one_x2apic_ipi,
};

bool guest_uses_apic(const workload *work) { return work->number < WL_MAX && loops[work->number]; }

void guest_run_apic(oracle_guest *g)
{
    apic_write(g, APIC_SPURIOUS, 0x1FF);
    if (g->work.number == WL_HLT) {
        apic_write(g, APIC_DIVIDE, 0xB);
        apic_write(g, APIC_TIMER, VECTOR_TIMER);
    }
    if (g->work.number == WL_X2TPR || g->work.number == WL_X2IPI) use_x2apic(g);
    guest_begin(g);
    for (uint64_t i = 0; i < g->work.n; i++) loops[g->work.number](g, i);
    guest_end(g);
}
