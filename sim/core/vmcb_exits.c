/* Does a record make the VMCB exit? AMD's twin of vmcs_exits.c.
 *
 * APM Vol. 2: 15.7 #VMEXIT, 15.9 instruction intercepts, 15.10 I/O permission map, 15.11 MSR permission map, 15.12
 * exception intercepts, 15.13 interrupt intercepts, 15.8 decode assists, Appendix B (VMCB), Appendix C (EXITCODE).
 *
 * The intercept bits and the EXITCODEs are numbered alike: bit n of the word at VMCB offset 00Ch has EXITCODE 60h + n,
 * at 010h 80h + n, at 014h A0h + n, and CR reads, CR writes, DR reads, DR writes and exceptions have 00h, 10h, 20h, 30h
 * and 40h + n. So a record kind needs its EXITCODE only.
 *
 * NOT MODELLED: what the traces do not hold, and is therefore 0: the next rIP and the guest's instruction bytes, the
 * general-purpose register of MOV CR and MOV DR, the address-size and segment bits of IOIO (svm_instructions.c adds
 * what its caller knows), EXITINFO of a task switch. The pause filter is svm_pause.c's. AVIC, FERR, ICEBP, RDPRU,
 * INVLPGB. */
#include "vx_control_registers.h"
#include "vx_exception.h"
#include "vx_vmcs.h"

typedef struct vmcb_rule vmcb_rule;

typedef struct question {
    const vmcb_rule *rule;
    const vx_vmcb *vmcb;
    const vx_exit_context *context;
    const vx_record *record;
    const uint64_t *payload;
} question;

/* True: exits. *exit then holds the rule's EXITCODE and zeros, and the function adds what else there is to say. */
typedef bool decide_fn(const question *q, vx_exit *exit);

struct vmcb_rule {
    decide_fn *decide;
    uint32_t code;
};

enum {
    CODE_CR_READ = 0x00,
    CODE_CR_WRITE = 0x10,
    CODE_DR_READ = 0x20,
    CODE_DR_WRITE = 0x30,
    CODE_EXCEPTION = 0x40,
    CODE_WORD1 = 0x60, /* VMCB offset 00Ch */
    CODE_INTR = 0x60,
    CODE_NMI = 0x61,
    CODE_CR0_SEL_WRITE = 0x65,
    CODE_IOIO = 0x7B,
    CODE_MSR = 0x7C,
    CODE_WORD2 = 0x80, /* 010h */
    CODE_EFER_WRITE_TRAP = 0x8F,
    CODE_CR_WRITE_TRAP = 0x90,
    CODE_MWAIT = 0x8B,
    CODE_MWAIT_ARMED = 0x8C,
    CODE_WORD3 = 0xA0, /* 014h */
    CODE_END = 0xC0,
};
#define DECODE_MOV_CR (1ULL << 63) /* EXITINFO1: MOV CRn, not CLTS, LMSW or SMSW */
#define MSR_EFER 0xC0000080U

/* A word of the record's payload; 0 where the record has none. */
static uint64_t word(const question *q, unsigned index)
{
    return q->payload && index < q->record->count ? q->payload[index] : 0;
}

static bool bit(const uint8_t *map, uint32_t index) { return map && (map[index / 8] >> (index % 8) & 1); }

static bool intercepted(const vx_vmcb *vmcb, uint32_t code)
{
    if (code >= CODE_END) return false;
    if (code >= CODE_WORD3) return vmcb->intercepts3 >> (code - CODE_WORD3) & 1;
    if (code >= CODE_WORD2) return vmcb->intercepts2 >> (code - CODE_WORD2) & 1;
    if (code >= CODE_WORD1) return vmcb->intercepts1 >> (code - CODE_WORD1) & 1;
    if (code >= CODE_EXCEPTION) return vmcb->exceptions >> (code - CODE_EXCEPTION) & 1;
    const uint16_t registers[] = {vmcb->cr_read, vmcb->cr_write, vmcb->dr_read, vmcb->dr_write};
    return registers[code / 16] >> code % 16 & 1;
}

bool vx_vmcb_intercepts(const vx_vmcb *vmcb, uint32_t code) { return intercepted(vmcb, code); }

/* ---- the general rules ---- */

static bool never(const question *q, vx_exit *exit)
{
    (void)q, (void)exit;
    return false;
}

static bool by_code(const question *q, vx_exit *exit)
{
    (void)exit;
    return intercepted(q->vmcb, q->rule->code);
}

/* The EXITCODE is the rule's first one plus the register's number. */
static bool by_register(const question *q, vx_exit *exit)
{
    exit->reason = q->rule->code + (q->record->size & 0xFU);
    return intercepted(q->vmcb, exit->reason);
}

/* Decode assists (15.8): an operand in EXITINFO1. */
static bool with_address(const question *q, vx_exit *exit)
{
    if (q->vmcb->decode_assists) exit->qualification = q->record->addr;
    return by_code(q, exit);
}

static bool with_vector(const question *q, vx_exit *exit)
{
    if (q->vmcb->decode_assists) exit->qualification = q->record->size;
    return by_code(q, exit);
}

/* ---- control registers and descriptor tables, 15.9 ---- */

static bool cr_read(const question *q, vx_exit *exit)
{
    if (q->vmcb->decode_assists) exit->qualification = DECODE_MOV_CR;
    return by_register(q, exit);
}

/* The selective intercept, where the general one is not set: has the write changed more than TS and MP? */
static bool selective_write(const question *q, uint64_t changed, vx_exit *exit)
{
    exit->reason = CODE_CR0_SEL_WRITE;
    return intercepted(q->vmcb, CODE_CR0_SEL_WRITE) && (changed & ~(uint64_t)(VX_CR0_TS | VX_CR0_MP)) != 0;
}

/* A trap: the write has been done, and EXITINFO1 is the new value (KVM svm.c, cr_trap and efer_trap). */
static bool write_trap(const question *q, uint32_t code, uint64_t value, vx_exit *exit)
{
    exit->reason = code;
    exit->qualification = value;
    return intercepted(q->vmcb, code);
}

static bool cr_write(const question *q, vx_exit *exit)
{
    if (q->vmcb->decode_assists) exit->qualification = DECODE_MOV_CR;
    if (by_register(q, exit)) return true;
    if (q->record->size == 0 && selective_write(q, q->record->addr ^ q->context->cr0, exit)) return true;
    return write_trap(q, CODE_CR_WRITE_TRAP + (q->record->size & 0xFU), q->record->addr, exit);
}

static bool clts(const question *q, vx_exit *exit)
{
    return by_code(q, exit) || write_trap(q, CODE_CR_WRITE_TRAP, q->context->cr0 & ~VX_CR0_TS, exit);
}

/* To LMSW the selective intercept is not selective: it exits whatever is written. PE stays set. */
static bool lmsw(const question *q, vx_exit *exit)
{
    if (by_code(q, exit) || selective_write(q, UINT64_MAX, exit)) return true;
    uint64_t value = (q->context->cr0 & ~0xEULL) | (q->record->addr & 0xF);
    return write_trap(q, CODE_CR_WRITE_TRAP, value, exit);
}

static bool desc_table(const question *q, vx_exit *exit)
{
    static const uint8_t codes[VX_DESC_TABLES] = {
        [VX_DESC_SIDT] = 0x66, [VX_DESC_SGDT] = 0x67, [VX_DESC_SLDT] = 0x68,
        [VX_DESC_STR] = 0x69,  [VX_DESC_LIDT] = 0x6A, [VX_DESC_LGDT] = 0x6B,
        [VX_DESC_LLDT] = 0x6C, [VX_DESC_LTR] = 0x6D,  [VX_DESC_SMSW] = CODE_CR_READ, /* SMSW reads CR0 */
    };
    if (q->record->size >= VX_DESC_TABLES) return false;
    exit->reason = codes[q->record->size];
    return intercepted(q->vmcb, exit->reason);
}

/* ---- ports and model-specific registers, 15.10, 15.11 ---- */

/* The map has bits beyond port FFFFH for accesses that start below and end above; nothing wraps. */
static bool io(const question *q, vx_exit *exit)
{
    enum { TYPE_IN = 1, STRING = 1 << 2, REP = 1 << 3, SIZE_SHIFT = 4 };
    uint32_t port = (uint32_t)q->record->addr & 0xFFFF, bytes = q->record->size;
    uint64_t repetitions = word(q, 1);
    exit->qualification = q->record->kind == VX_REC_IO_IN ? TYPE_IN : 0;
    exit->qualification |= repetitions > 0 ? STRING : 0;
    exit->qualification |= repetitions > 1 ? REP : 0;
    exit->qualification |= (uint64_t)(bytes & 7) << SIZE_SHIFT; /* SZ8, SZ16, SZ32: the size itself */
    exit->qualification |= (uint64_t)port << 16;
    if (!by_code(q, exit)) return false;
    for (uint32_t i = 0; i < bytes && i < 4; i++)
        if (bit(q->vmcb->io_bitmap, port + i)) return true;
    return false;
}

/* Two bits an MSR, read then write, in three ranges of 8192; outside of them always. */
static bool msr_exits(const question *q, uint64_t msr, bool write, vx_exit *exit)
{
    static const struct {
        uint32_t first, byte;
    } ranges[] = {{0, 0}, {0xC0000000, 0x800}, {0xC0010000, 0x1000}};
    exit->qualification = write;
    if (!by_code(q, exit)) return false;
    for (unsigned i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        uint64_t offset = msr - ranges[i].first;
        if (msr >= ranges[i].first && offset < 0x2000)
            return bit(q->vmcb->msr_bitmap, ranges[i].byte * 8 + (uint32_t)offset * 2 + write);
    }
    return true;
}

static bool rdmsr(const question *q, vx_exit *exit) { return msr_exits(q, q->record->addr, false, exit); }

static bool wrmsr(const question *q, vx_exit *exit) { return msr_exits(q, q->record->addr, true, exit); }

/* The record stands for the WRMSR that loads EFER. */
static bool efer_load(const question *q, vx_exit *exit)
{
    return msr_exits(q, MSR_EFER, true, exit) || write_trap(q, CODE_EFER_WRITE_TRAP, q->record->addr, exit);
}

/* ---- events and the rest ---- */

/* #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP, #VC, #SX push an error code (APM Vol. 2, 8.2). */
static bool pushes_error_code(unsigned vector)
{
    const uint32_t vectors =
        1U << 8 | 1U << 10 | 1U << 11 | 1U << 12 | 1U << 13 | 1U << 14 | 1U << 17 | 1U << 21 | 1U << 29 | 1U << 30;
    return vectors >> vector & 1;
}

/* EXITINFO1 is the error code; of a page fault EXITINFO2 is the address (15.12). */
static bool exception(const question *q, vx_exit *exit)
{
    unsigned vector = q->record->size;
    if (vector > 31) return false;
    exit->reason = vector == VX_VECTOR_NMI ? CODE_NMI : q->rule->code + vector;
    exit->qualification = pushes_error_code(vector) ? word(q, 0) : 0;
    exit->information2 = vector == VX_VECTOR_PF ? q->record->addr : 0;
    return intercepted(q->vmcb, exit->reason);
}

static bool mwait(const question *q, vx_exit *exit)
{
    if (q->context->monitor_armed && intercepted(q->vmcb, CODE_MWAIT_ARMED)) {
        exit->reason = CODE_MWAIT_ARMED;
        return true;
    }
    return by_code(q, exit);
}

/* VMRUN, VMLOAD, VMSAVE, STGI, CLGI, SKINIT, INVLPGA: the record holds the EXITCODE's low byte. */
static bool svm_instruction(const question *q, vx_exit *exit)
{
    exit->reason = q->record->size;
    return exit->reason >= CODE_WORD1 && intercepted(q->vmcb, exit->reason);
}

/* ---- instructions and signals with a number of their own ---- */

static bool by_number(const question *q, vx_exit *exit, const uint8_t *codes)
{
    exit->reason = codes[q->record->size];
    return exit->reason != 0 && intercepted(q->vmcb, exit->reason);
}

static bool instruction(const question *q, vx_exit *exit)
{
    static const uint8_t codes[VX_INSTRUCTIONS] = {[VX_INSTRUCTION_RSM] = 0x73, [VX_INSTRUCTION_WBNOINVD] = 0x89};
    return q->record->size < VX_INSTRUCTIONS && by_number(q, exit, codes);
}

static bool signal_exits(const question *q, vx_exit *exit)
{
    static const uint8_t codes[VX_SIGNALS] = {[VX_SIGNAL_NMI] = 0x61,
                                              [VX_SIGNAL_SMI] = 0x62,
                                              [VX_SIGNAL_INIT] = 0x63,
                                              [VX_SIGNAL_TASK_SWITCH] = 0x7D,
                                              [VX_SIGNAL_TRIPLE_FAULT] = 0x7F};
    return q->record->size < VX_SIGNALS && by_number(q, exit, codes);
}

/* ---- the table ---- */

static const vmcb_rule rules[VX_REC_KINDS] = {
    /* 15.9, in the order of the EXITCODEs */
    [VX_REC_CR_READ] = {cr_read, CODE_CR_READ},
    [VX_REC_CR_WRITE] = {cr_write, CODE_CR_WRITE},
    [VX_REC_CLTS] = {clts, CODE_CR_WRITE}, /* writes CR0, but TS only: never the selective intercept */
    [VX_REC_LMSW] = {lmsw, CODE_CR_WRITE},
    [VX_REC_DR_READ] = {by_register, CODE_DR_READ},
    [VX_REC_DR_WRITE] = {by_register, CODE_DR_WRITE},
    [VX_REC_EXCEPTION] = {exception, CODE_EXCEPTION},
    [VX_REC_INTERRUPT] = {by_code, CODE_INTR},
    [VX_REC_DESC_TABLE] = {desc_table, 0},
    [VX_REC_RDTSC] = {by_code, 0x6E},
    [VX_REC_RDPMC] = {by_code, 0x6F},
    [VX_REC_PUSHF] = {by_code, 0x70},
    [VX_REC_POPF] = {by_code, 0x71},
    [VX_REC_CPUID] = {by_code, 0x72},
    [VX_REC_IRET] = {by_code, 0x74},
    [VX_REC_INT_N] = {with_vector, 0x75},
    [VX_REC_INVD] = {by_code, 0x76},
    [VX_REC_PAUSE] = {by_code, 0x77},
    [VX_REC_HLT] = {by_code, 0x78},
    [VX_REC_INVLPG] = {with_address, 0x79},
    [VX_REC_IO_IN] = {io, CODE_IOIO},
    [VX_REC_IO_OUT] = {io, CODE_IOIO},
    [VX_REC_RDMSR] = {rdmsr, CODE_MSR},
    [VX_REC_WRMSR] = {wrmsr, CODE_MSR},
    [VX_REC_EFER_LOAD] = {efer_load, CODE_MSR},
    [VX_REC_SVM] = {svm_instruction, 0},
    [VX_REC_VMMCALL] = {by_code, 0x81},
    [VX_REC_RDTSCP] = {by_code, 0x87},
    [VX_REC_WBINVD] = {by_code, 0x89},
    [VX_REC_MONITOR] = {by_code, 0x8A},
    [VX_REC_MWAIT] = {mwait, CODE_MWAIT},
    [VX_REC_XSETBV] = {by_code, 0x8D},
    [VX_REC_INVPCID] = {by_code, 0xA2},
    [VX_REC_INSTRUCTION] = {instruction, 0},
    [VX_REC_SIGNAL] = {signal_exits, 0},
    /* Never by themselves: what translation decides (nested page fault), also for the local APIC's page. */
    [VX_REC_FETCH] = {never, 0},
    [VX_REC_LOAD] = {never, 0},
    [VX_REC_STORE] = {never, 0},
    [VX_REC_PT_STORE] = {never, 0},
    [VX_REC_MMIO_READ] = {never, 0},
    [VX_REC_MMIO_WRITE] = {never, 0},
    [VX_REC_APIC_READ] = {never, 0},
    [VX_REC_APIC_WRITE] = {never, 0},
    /* Never: what the recorder notes about the trace, not done by the guest. */
    [VX_REC_PT_PAGE_NEW] = {never, 0},
    [VX_REC_PT_PAGE_GONE] = {never, 0},
    [VX_REC_STATE] = {never, 0},
    [VX_REC_SKIPPED] = {never, 0},
    [VX_REC_GPA] = {never, 0},
    [VX_REC_PROCESS] = {never, 0},
    [VX_REC_MARK] = {never, 0},
    [VX_REC_CPL] = {never, 0},
    /* Never: part of the CR3 load before it; no intercept is about the others. */
    [VX_REC_PDPTE_LOAD] = {never, 0},
    [VX_REC_SYSCALL] = {never, 0},
    [VX_REC_SYSRET] = {never, 0},
    [VX_REC_SYSENTER] = {never, 0},
    [VX_REC_SYSEXIT] = {never, 0},
    [VX_REC_CLI] = {never, 0},
    [VX_REC_STI] = {never, 0},
    [VX_REC_SWAPGS] = {never, 0},
    /* Never by themselves: #UD on AMD, an EXCEPTION record of its own. */
    [VX_REC_VMCALL] = {never, 0},
    [VX_REC_VMX] = {never, 0},
    /* Never: devices do not run on the vCPU. */
    [VX_REC_DMA] = {never, 0},
    [VX_REC_DMA_MAP] = {never, 0},
    [VX_REC_DMA_UNMAP] = {never, 0},
    [VX_REC_MSI] = {never, 0},
};

bool vx_vmcb_exits(const vx_vmcb *vmcb, const vx_exit_context *context, const vx_record *record,
                   const uint64_t *payload, vx_exit *exit)
{
    if (record->kind >= VX_REC_KINDS || !rules[record->kind].decide) return false;
    const vmcb_rule *rule = &rules[record->kind];
    question q = {rule, vmcb, context, record, payload};
    vx_exit found = {.reason = rule->code};
    if (!rule->decide(&q, &found)) return false;
    *exit = found;
    return true;
}
