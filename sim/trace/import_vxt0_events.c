/* From the recorder's events to records, one row each. What the recorder did not keep (the value that a port or a
 * control register gave, LGDT's base, XSETBV's value) is 0. */
#include "import_vxt0.h"

enum {
    NO = -1,         /* no such operand: 0 */
    CONSTANT = -2,   /* the row's constant */
    APIC_OFFSET = -3 /* operand 0 within the APIC page: the recorder kept a gpa, or an offset in the region */
};

/* The recorder's instruction classes (its enum K_...), as bits. */
#define CLASS(n) (1ULL << (n))

typedef struct event_row {
    const char *name;
    uint8_t args;      /* operands in the file */
    uint8_t kind;      /* vx_record_kind; NONE: handled elsewhere */
    int8_t addr, size; /* which operand, or one of the above */
    uint8_t constant;  /* for CONSTANT */
    uint8_t words;     /* payload words */
    int8_t word[2];    /* which operands */
    uint64_t classes;  /* which instruction classes make it */
} event_row;

static const event_row rows[VXT0_EVENTS] = {
    [VXT0_CR3W] = {"cr3w", 2, VX_REC_CR_WRITE, 0, CONSTANT, 3, 0, {0}, CLASS(1)},
    [VXT0_CR0W] = {"cr0w", 1, VX_REC_CR_WRITE, 0, CONSTANT, 0, 0, {0}, CLASS(1) | CLASS(35)},
    [VXT0_CR4W] = {"cr4w", 2, VX_REC_CR_WRITE, 0, CONSTANT, 4, 0, {0}, CLASS(1)},
    [VXT0_CR8W] = {"cr8w", 1, VX_REC_CR_WRITE, 0, CONSTANT, 8, 0, {0}, CLASS(1)},
    [VXT0_CR8R] = {"cr8r", 1, VX_REC_CR_READ, NO, CONSTANT, 8, 0, {0}, CLASS(2)},
    [VXT0_CR3R] = {"cr3r", 1, VX_REC_CR_READ, NO, CONSTANT, 3, 0, {0}, CLASS(2)},
    [VXT0_INVLPG] = {"invlpg", 1, VX_REC_INVLPG, 0, NO, 0, 0, {0}, CLASS(4)},
    [VXT0_LIDT] = {"lidt", 2, VX_REC_DESC_TABLE, 0, CONSTANT, VX_DESC_LIDT, 0, {0}, CLASS(5)},
    [VXT0_LGDT] = {"lgdt", 0, VX_REC_DESC_TABLE, NO, CONSTANT, VX_DESC_LGDT, 0, {0}, CLASS(6)},
    [VXT0_LTR] = {"ltr", 0, VX_REC_DESC_TABLE, NO, CONSTANT, VX_DESC_LTR, 0, {0}, CLASS(7)},
    [VXT0_EXC] = {"exc", 5, VX_REC_NONE, NO, NO, 0, 0, {0}, 0},
    [VXT0_IRQ] = {"irq", 5, VX_REC_NONE, NO, NO, 0, 0, {0}, 0},
    [VXT0_SWINT] = {"swint", 1, VX_REC_INT_N, NO, 0, 0, 0, {0}, CLASS(32)},
    [VXT0_IRET] = {"iret", 1, VX_REC_IRET, NO, NO, 0, 0, {0}, CLASS(27)},
    [VXT0_SYSCALL] = {"syscall", 1, VX_REC_SYSCALL, NO, NO, 0, 0, {0}, CLASS(28)},
    [VXT0_SYSRET] = {"sysret", 0, VX_REC_SYSRET, NO, NO, 0, 0, {0}, CLASS(29)},
    [VXT0_SYSENTER] = {"sysenter", 1, VX_REC_SYSENTER, NO, NO, 0, 0, {0}, CLASS(30)},
    [VXT0_SYSEXIT] = {"sysexit", 0, VX_REC_SYSEXIT, NO, NO, 0, 0, {0}, CLASS(31)},
    [VXT0_IN] = {"in", 2, VX_REC_IO_IN, 0, 1, 0, 2, {NO, NO}, CLASS(9)},
    [VXT0_OUT] = {"out", 3, VX_REC_IO_OUT, 0, 1, 0, 2, {2, NO}, CLASS(10)},
    [VXT0_INS] = {"ins", 3, VX_REC_IO_IN, 0, 1, 0, 2, {NO, 2}, CLASS(11)},
    [VXT0_OUTS] = {"outs", 3, VX_REC_IO_OUT, 0, 1, 0, 2, {NO, 2}, CLASS(12)},
    [VXT0_MMIOR] = {"mmio_r", 4, VX_REC_MMIO_READ, 0, 1, 0, 2, {2, 3}, 0},
    [VXT0_MMIOW] = {"mmio_w", 4, VX_REC_MMIO_WRITE, 0, 1, 0, 2, {2, 3}, 0},
    [VXT0_APICR] = {"apic_r", 4, VX_REC_APIC_READ, APIC_OFFSET, 1, 0, 2, {2, 3}, 0},
    [VXT0_APICW] = {"apic_w", 4, VX_REC_APIC_WRITE, APIC_OFFSET, 1, 0, 2, {2, 3}, 0},
    [VXT0_TPRR] = {"tpr_r", 4, VX_REC_APIC_READ, APIC_OFFSET, 1, 0, 2, {2, 3}, 0},
    [VXT0_TPRW] = {"tpr_w", 4, VX_REC_APIC_WRITE, APIC_OFFSET, 1, 0, 2, {2, 3}, 0},
    [VXT0_CPUID] = {"cpuid", 2, VX_REC_CPUID, 0, NO, 0, 1, {1}, CLASS(13)},
    [VXT0_HLT] = {"hlt", 0, VX_REC_HLT, NO, NO, 0, 0, {0}, CLASS(14)},
    [VXT0_RDMSR] = {"rdmsr", 1, VX_REC_RDMSR, 0, NO, 0, 1, {NO}, CLASS(15)},
    [VXT0_WRMSR] = {"wrmsr", 2, VX_REC_WRMSR, 0, NO, 0, 1, {1}, CLASS(16)},
    /* RDTSC and RDTSCP are one class of the recorder's; so are MONITOR and MWAIT, INVD and WBINVD. */
    [VXT0_RDTSC] = {"rdtsc", 0, VX_REC_RDTSC, CONSTANT, NO, 1, 0, {0}, CLASS(17)},
    [VXT0_PAUSE] = {"pause", 0, VX_REC_PAUSE, CONSTANT, NO, 1, 0, {0}, CLASS(18)},
    [VXT0_MWAIT] = {"mwait", 0, VX_REC_MWAIT, NO, NO, 0, 0, {0}, CLASS(19)},
    [VXT0_WBINVD] = {"wbinvd", 0, VX_REC_WBINVD, NO, NO, 0, 0, {0}, CLASS(20)},
    /* The direction was not kept. */
    [VXT0_MOVDR] = {"movdr", 2, VX_REC_DR_WRITE, NO, 0, 0, 0, {0}, CLASS(3)},
    [VXT0_XSETBV] = {"xsetbv", 0, VX_REC_XSETBV, NO, NO, 0, 0, {0}, CLASS(21)},
    [VXT0_CLTS] = {"clts", 0, VX_REC_CLTS, NO, NO, 0, 0, {0}, CLASS(22)},
    [VXT0_CLI] = {"cli", 0, VX_REC_CLI, NO, NO, 0, 0, {0}, CLASS(23)},
    [VXT0_STI] = {"sti", 0, VX_REC_STI, NO, NO, 0, 0, {0}, CLASS(24)},
    [VXT0_PUSHF] = {"pushf", 0, VX_REC_PUSHF, NO, NO, 0, 0, {0}, CLASS(25)},
    [VXT0_POPF] = {"popf", 0, VX_REC_POPF, NO, NO, 0, 0, {0}, CLASS(26)},
    [VXT0_PTPAGE] = {"ptpage", 3, VX_REC_NONE, NO, NO, 0, 0, {0}, 0},
    [VXT0_PTW] = {"ptw", 4, VX_REC_NONE, NO, NO, 0, 0, {0}, 0},
    [VXT0_PTDROP] = {"ptdrop", 1, VX_REC_NONE, NO, NO, 0, 0, {0}, 0},
    [VXT0_PDPTE] = {"pdpte", 4, VX_REC_NONE, NO, NO, 0, 0, {0}, 0},
    [VXT0_MARK] = {"mark", 1, VX_REC_MARK, 0, NO, 0, 0, {0}, CLASS(13)},
    [VXT0_CR0R] = {"cr0r", 1, VX_REC_CR_READ, NO, CONSTANT, 0, 0, {0}, CLASS(2)},
    [VXT0_CR2R] = {"cr2r", 1, VX_REC_CR_READ, NO, CONSTANT, 2, 0, {0}, CLASS(2)},
    [VXT0_CR4R] = {"cr4r", 1, VX_REC_CR_READ, NO, CONSTANT, 4, 0, {0}, CLASS(2)},
    /* SGDT, SIDT, SLDT, STR and SMSW are one class: all exit under the same control (SDM Vol. 3C, 26.1.3). */
    [VXT0_SIDT] = {"sidt", 0, VX_REC_DESC_TABLE, NO, CONSTANT, VX_DESC_SIDT, 0, {0}, CLASS(8)},
    /* The descriptor was not kept: type 2, all contexts, invalidates at least as much as any. */
    [VXT0_INVPCID] = {"invpcid", 1, VX_REC_INVPCID, NO, CONSTANT, 2, 1, {NO}, CLASS(33)},
    /* Which instruction was not kept. */
    [VXT0_VMX] = {"vmx", 0, VX_REC_VMCALL, NO, NO, 0, 0, {0}, CLASS(34)},
    [VXT0_EOI] = {"apic_eoi_w", 4, VX_REC_APIC_WRITE, APIC_OFFSET, 1, 0, 2, {2, 3}, 0},
    [VXT0_ICR] = {"apic_icr_w", 4, VX_REC_APIC_WRITE, APIC_OFFSET, 1, 0, 2, {2, 3}, 0},
    [VXT0_STATE] = {"state", 4, VX_REC_NONE, NO, NO, 0, 0, {0}, 0},
};

#define MSR_EFER 0xC0000080u /* SDM Vol. 4, table 2-2 */

static uint64_t operand(const event_row *row, const vxt0_tag *tag, int which)
{
    if (which >= 0) return tag->arg[which];
    if (which == CONSTANT) return row->constant;
    if (which == APIC_OFFSET) return tag->arg[0] % VX_PAGE_BYTES;
    return 0;
}

vx_record *vxt0_put_event(vx_import_batch *batch, const vxt0_tag *tag)
{
    const event_row *row = &rows[tag->event];
    assert(row->kind != VX_REC_NONE);
    if (tag->event == VXT0_WRMSR && tag->arg[0] == MSR_EFER)
        return vx_import_event(batch, VX_REC_EFER_LOAD, tag->arg[1], 0, NULL, 0);
    uint64_t size = operand(row, tag, row->size);
    if (size > UINT8_MAX) return NULL;
    uint64_t words[2];
    for (unsigned i = 0; i < row->words; i++) words[i] = operand(row, tag, row->word[i]);
    vx_record *record =
        vx_import_event(batch, row->kind, operand(row, tag, row->addr), (uint8_t)size, words, row->words);
    if (vx_record_valid(record, batch->words)) return record;
    batch->count--;
    return NULL;
}

unsigned vxt0_event_args(unsigned event) { return rows[event].args; }

const char *vxt0_event_name(unsigned event) { return rows[event].name; }

bool vxt0_event_of_class(unsigned event, unsigned kind) { return kind < 64 && rows[event].classes >> kind & 1; }
