/* The workloads of oracle/guest/flat_guest.c that execute one instruction or take one exception n times. */
#include "oracle_guest.h"

#define MSR_EFER 0xC0000080U

enum {
    EFER_VALUE = 0x500,
    PORT_DUMMY = 0xED,
    VECTOR_BP = 3,
    VECTOR_UD = 6,
    VECTOR_GP = 13,
    VECTOR_INT80 = 0x80,
    LOAD_AT = 0x200000,
};

static void one_cpuid(oracle_guest *g) { guest_instruction(g, VX_REC_CPUID, 0, g->work.m); }
static void one_out(oracle_guest *g) { guest_instruction(g, VX_REC_IO_OUT, 1, PORT_DUMMY); }
static void one_in(oracle_guest *g) { guest_instruction(g, VX_REC_IO_IN, 1, PORT_DUMMY); }

/* A WRMSR that loads EFER is EFER_LOAD; it writes back what was read. */
static void one_msr(oracle_guest *g)
{
    if (g->work.k && g->work.m == MSR_EFER)
        guest_instruction(g, VX_REC_EFER_LOAD, 0, EFER_VALUE);
    else
        guest_instruction(g, g->work.k ? VX_REC_WRMSR : VX_REC_RDMSR, 0, g->work.m);
}

static void one_cr0(oracle_guest *g)
{
    const uint64_t ts = 1 << 3, cd = 1 << 30;
    if (g->work.k == 1) { /* CD on, CD off */
        guest_instruction(g, VX_REC_CR_WRITE, 0, g->cr0 ^ cd);
        guest_instruction(g, VX_REC_CR_WRITE, 0, g->cr0);
        return;
    }
    guest_instruction(g, VX_REC_CR_WRITE, 0, g->cr0 | ts);
    guest_instruction(g, VX_REC_CLTS, 0, 0);
}

static void one_cr4(oracle_guest *g)
{
    const uint64_t pge = 1 << 7;
    guest_instruction(g, VX_REC_CR_WRITE, 4, g->cr4 & ~pge);
    guest_instruction(g, VX_REC_CR_WRITE, 4, g->cr4 | pge);
}

/* Exceptions: fault or trap, handler, return. */
static void one_exception(oracle_guest *g)
{
    switch (g->work.m) {
    case VECTOR_BP:
    case VECTOR_UD:
        guest_exception(g, (unsigned)g->work.m, 0, 0);
        break;
    case VECTOR_GP:
        guest_exception(g, VECTOR_GP, 0x1238, 0);
        break;
    case VECTOR_INT80:
        guest_instruction(g, VX_REC_INT_N, VECTOR_INT80, 0);
        break;
    default: /* 14, 15: page faults that the handler skips */
        guest_store(g, GUEST_AREA);
        return;
    }
    guest_return(g);
}

/* By the workload's parameter m; of several instructions a count of 1 each. */
static const struct {
    uint8_t kind, size;
    uint64_t addr;
} instructions[][2] = {
    [0] = {{VX_REC_RDTSC, 0, 1}},
    [1] = {{VX_REC_PAUSE, 0, 1}},
    [2] = {{VX_REC_WBINVD, 0, 0}},
    [3] = {{VX_REC_MONITOR, 0, GUEST_AREA >> 40}},
    [4] = {{VX_REC_VMCALL, 0, 99}},
    [5] = {{VX_REC_VMMCALL, 0, 99}},
    [6] = {{VX_REC_XSETBV, 0, 1}},
    [7] = {{VX_REC_DR_READ, 7, 0x400}, {VX_REC_DR_WRITE, 7, 0x400}},
    [8] = {{VX_REC_DESC_TABLE, VX_DESC_SGDT, 0}, {VX_REC_DESC_TABLE, VX_DESC_SIDT, 0}},
    [9] = {{VX_REC_DESC_TABLE, VX_DESC_LIDT, 0}},
    [10] = {{VX_REC_RDPMC, 0, 0}},
    [11] = {{VX_REC_CR_READ, 0, 0x80010033}},
    [12] = {{VX_REC_CR_READ, 3, GUEST_BOOT}},
    [13] = {{VX_REC_CR_READ, 4, 0x620}},
    [14] = {{VX_REC_PUSHF, 0, 0}, {VX_REC_POPF, 0, 0}},
    [15] = {{VX_REC_CLI, 0, 0}, {VX_REC_STI, 0, 0}},
    [16] = {{VX_REC_INVLPG, 0, GUEST_AREA}},
    [17] = {{VX_REC_INVLPG, 0, LOAD_AT}},
    [18] = {{VX_REC_RDTSCP, 0, 0}},
    [19] = {{VX_REC_INVD, 0, 0}},
    [20] = {{VX_REC_SWAPGS, 0, 0}, {VX_REC_SWAPGS, 0, 0}},
};

static void one_instruction(oracle_guest *g)
{
    for (unsigned i = 0; i < 2; i++)
        if (instructions[g->work.m][i].kind != VX_REC_NONE)
            guest_instruction(g, (vx_record_kind)instructions[g->work.m][i].kind, instructions[g->work.m][i].size,
                              instructions[g->work.m][i].addr);
}

/* What comes before the measured loop. */
static void prepare(oracle_guest *g)
{
    const uint64_t pge = 1 << 7, osxsave = 1 << 18, wp = 1 << 16;
    if (g->work.number == WL_CR4PGE) g->cr4 |= pge;
    if (g->work.number == WL_INSN && g->work.m == 6) g->cr4 |= osxsave;
    if (g->work.number == WL_CR4PGE || g->work.number == WL_INSN) guest_instruction(g, VX_REC_CR_WRITE, 4, g->cr4);
    if (g->work.number != WL_EXC || (g->work.m != 14 && g->work.m != 15)) return;
    g->mode = FAULT_SKIP;
    uint64_t page = guest_one_page_space(g, g->work.m == 15);
    guest_cr3(g, page);
    if (g->work.m == 15) guest_load(g, GUEST_AREA);
    guest_instruction(g, VX_REC_CR_WRITE, 0, g->cr0 |= wp);
}

static void (*const loops[WL_MAX])(oracle_guest *) = {
    [WL_CPUID] = one_cpuid, [WL_OUT] = one_out,    [WL_IN] = one_in,         [WL_MSR] = one_msr,
    [WL_CR0] = one_cr0,     [WL_CR4PGE] = one_cr4, [WL_EXC] = one_exception, [WL_INSN] = one_instruction,
};

bool guest_loops(const workload *work)
{
    if (work->number == WL_INSN && work->m >= sizeof instructions / sizeof *instructions) return false;
    return work->number == WL_NOP || (work->number < WL_MAX && loops[work->number]);
}

void guest_run_loop(oracle_guest *g)
{
    prepare(g);
    guest_begin(g);
    for (uint64_t i = 0; i < g->work.n && loops[g->work.number]; i++) loops[g->work.number](g);
    guest_end(g);
}
