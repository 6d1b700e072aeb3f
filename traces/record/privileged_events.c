/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the privileged and sensitive instructions do, told as they are about to run; and accesses to devices. */
#include <string.h>

#include "recorder.h"

enum { APIC_FRAME = 0xFEE00, MARK_LEAF = 0x5658 };
/* SDM Vol. 4, table 2-2 */
#define MSR_APIC_BASE 0x1BU
#define MSR_EFER 0xC0000080U

static uint64_t low(uint64_t value, unsigned bytes) { return bytes >= 8 ? value : value & ((1ULL << (8 * bytes)) - 1); }

static uint64_t gpr(unsigned number) { return vxr_register(REG_GPR + number); }

static uint64_t edx_eax(void) { return gpr(2) << 32 | low(gpr(0), 4); }

static void put(vxr_recorder *r, unsigned kind, uint64_t addr, unsigned size)
{
    vxr_stream_small_event(&r->stream, kind, addr, size);
}

static vxr_record *put_words(vxr_recorder *r, unsigned kind, uint64_t addr, unsigned size, uint64_t first,
                             uint64_t second, unsigned count)
{
    const uint64_t words[2] = {first, second};
    return vxr_stream_event(&r->stream, kind, addr, size, words, count);
}

/* ---- values that come later ---- */

void vxr_await(vxr_recorder *r, vxr_awaited what, unsigned number, unsigned bytes, uint64_t *place)
{
    r->awaited = what;
    r->awaited_register = (uint8_t)number;
    r->awaited_bytes = (uint8_t)bytes;
    r->awaited_high = false;
    r->awaited_place = place;
    r->awaited_flushes = r->stream.flushes;
    vxr_look(r);
}

void vxr_take_awaited(vxr_recorder *r)
{
    vxr_awaited what = r->awaited;
    r->awaited = AWAIT_NOTHING;
    if (what == AWAIT_NOTHING || r->awaited_flushes != r->stream.flushes) return;
    uint64_t value = what == AWAIT_EDX_EAX ? edx_eax() : gpr(r->awaited_register) >> (r->awaited_high ? 8 : 0);
    *r->awaited_place = low(value, r->awaited_bytes);
}

static uint64_t *payload_of(vxr_recorder *r, const vxr_record *record) { return r->stream.word + record->arg; }

/* ---- operands ---- */

static uint64_t address_of(const vxr_recorder *r, const vxr_insn *insn)
{
    uint64_t registers[16], base = 0;
    vxr_read_gprs(registers);
    if (insn->decoded.segment == 0x64) base = vxr_register(REG_FS_BASE);
    if (insn->decoded.segment == 0x65) base = vxr_register(REG_GS_BASE);
    uint64_t address =
        vxr_effective_address(&insn->decoded, insn->bytes, insn->size, registers, insn->address + insn->size, base);
    return r->control.efer & EFER_LMA ? address : address & UINT32_MAX;
}

/* The source or target of an instruction that takes a register or memory; 0 where memory cannot be read. */
static uint64_t operand_of(const vxr_recorder *r, const vxr_insn *insn, unsigned bytes)
{
    uint64_t value = 0;
    if (!insn->decoded.memory) return low(gpr(insn->decoded.rm), bytes);
    vxr_read_linear(&r->control, &r->ram, address_of(r, insn), &value, bytes);
    return value;
}

/* ---- control state ---- */

/* The control state is to be read again once the instruction is done. */
static void change_control(vxr_recorder *r)
{
    r->caused = r->changed = true;
    vxr_look(r);
}

static void change_privilege(vxr_recorder *r, unsigned cpl)
{
    r->cpl = cpl;
    vxr_look(r);
}

static void cr_write(vxr_recorder *r, const vxr_insn *insn)
{
    unsigned number = insn->decoded.reg;
    uint64_t value = gpr(insn->decoded.rm);
    if (!(r->control.efer & EFER_LMA)) value &= UINT32_MAX;
    if (number == 3) {
        r->control.cr3 = value & ~(1ULL << 63); /* bit 63: keep translations (SDM Vol. 3A, 4.10.4.1) */
        vxr_tables_load(&r->tables, r->control.cr3);
    }
    put(r, REC_CR_WRITE, value, number);
    if (number == 3 && vxr_paging_of(&r->control) == PAGING_PAE) {
        vxr_read_physical(value & 0xFFFFFFE0U, r->control.pdpte, sizeof r->control.pdpte);
        vxr_stream_event(&r->stream, REC_PDPTE_LOAD, 0, 0, r->control.pdpte, 4);
    }
    if (number == 0 || number == 4) change_control(r);
}

static void cr_read(vxr_recorder *r, const vxr_insn *insn)
{
    static const uint8_t registers[9] = {REG_CR0, 0, REG_CR2, REG_CR3, REG_CR4, 0, 0, 0, REG_CR8};
    unsigned number = insn->decoded.reg;
    if (number <= 8 && registers[number]) put(r, REC_CR_READ, vxr_register(registers[number]), number);
}

static void wrmsr(vxr_recorder *r)
{
    uint64_t msr = low(gpr(1), 4), value = edx_eax();
    if (msr == MSR_EFER) {
        put(r, REC_EFER_LOAD, value, 0);
        change_control(r);
    } else {
        put_words(r, REC_WRMSR, msr, 0, value, 0, 1);
    }
}

static void rdmsr(vxr_recorder *r)
{
    const vxr_record *record = put_words(r, REC_RDMSR, low(gpr(1), 4), 0, 0, 0, 1);
    if (record) vxr_await(r, AWAIT_EDX_EAX, 0, 8, payload_of(r, record));
}

static void debug_register(vxr_recorder *r, const vxr_insn *insn, bool write)
{
    unsigned number = insn->decoded.reg & 7;
    vxr_record *record = vxr_stream_event(&r->stream, write ? REC_DR_WRITE : REC_DR_READ,
                                          write ? gpr(insn->decoded.rm) : 0, number, NULL, 0);
    if (record && !write) vxr_await(r, AWAIT_REGISTER, insn->decoded.rm, 8, &record->addr);
}

static void descriptor_table(vxr_recorder *r, const vxr_insn *insn)
{
    enum { SGDT, SIDT, LGDT, LIDT, SLDT, STR, LLDT, LTR, SMSW };
    unsigned which = insn->decoded.detail;
    uint64_t value = 0;
    if (which == LGDT || which == LIDT) {
        uint8_t operand[10] = {0};
        size_t bytes = r->control.efer & EFER_LMA ? 10 : 6;
        if (!vxr_read_linear(&r->control, &r->ram, address_of(r, insn), operand, bytes)) return;
        memcpy(&value, operand + 2, bytes - 2);
        if (insn->decoded.operand_bytes == 2 && bytes == 6) value &= 0xFFFFFF;
        if (which == LIDT) {
            vxr_gates_set(&r->gates, value, operand[0] | (uint32_t)operand[1] << 8);
            vxr_look(r);
        }
        if (which == LGDT) r->gdt = value;
        r->bits_known = 0;
    } else if (which == LLDT || which == LTR) {
        value = operand_of(r, insn, 2);
    } else if (which == SGDT || which == SIDT) {
        value = which == SGDT ? r->gdt : r->gates.base;
    } else if (which == SMSW) {
        value = low(r->control.cr0, 2);
    }
    put(r, REC_DESC_TABLE, value, which);
}

static void invpcid(vxr_recorder *r, const vxr_insn *insn)
{
    uint64_t descriptor[2] = {0, 0}; /* PCID, linear address */
    vxr_read_linear(&r->control, &r->ram, address_of(r, insn), descriptor, sizeof descriptor);
    put_words(r, REC_INVPCID, descriptor[1], gpr(insn->decoded.reg) & 3, descriptor[0] & 0xFFF, 0, 1);
}

/* ---- ports ---- */

static unsigned port_bytes(const vxr_insn *insn)
{
    if (!(insn->decoded.opcode & 1)) return 1;
    return insn->decoded.operand_bytes == 2 ? 2 : 4;
}

static uint64_t port_of(const vxr_insn *insn)
{
    bool immediate = insn->decoded.opcode >= 0xE4 && insn->decoded.opcode <= 0xE7;
    return immediate ? insn->decoded.immediate : low(gpr(2), 2);
}

static void port(vxr_recorder *r, const vxr_insn *insn, bool out)
{
    unsigned bytes = port_bytes(insn);
    const vxr_record *record =
        put_words(r, out ? REC_IO_OUT : REC_IO_IN, port_of(insn), bytes, out ? low(gpr(0), bytes) : 0, 0, 2);
    if (record && !out) vxr_await(r, AWAIT_REGISTER, 0, bytes, payload_of(r, record));
    if (!out) return;
    r->leaving = true; /* some port's write switches the machine off */
    vxr_look(r);
}

static void port_string(vxr_recorder *r, const vxr_insn *insn, bool out)
{
    uint64_t count = insn->decoded.repeated ? low(gpr(1), insn->decoded.address_bytes) : 1;
    if (count == 0) return; /* no round at all */
    put_words(r, out ? REC_IO_OUT : REC_IO_IN, low(gpr(2), 2), port_bytes(insn), 0, count, 2);
}

static void cpuid(vxr_recorder *r)
{
    uint64_t leaf = low(gpr(0), 4);
    if (leaf >> 16 == MARK_LEAF)
        vxr_marked(r, leaf & 0xFFFF);
    else
        put_words(r, REC_CPUID, leaf, 0, low(gpr(1), 4), 0, 1);
}

/* The kinds whose record has no operands, and that change nothing that the recorder knows. */
static const uint8_t plain_kinds[VXR_CLASSES] = {
    [VXR_HLT] = REC_HLT,     [VXR_RDTSCP] = REC_RDTSCP, [VXR_INVD] = REC_INVD, [VXR_WBINVD] = REC_WBINVD,
    [VXR_MWAIT] = REC_MWAIT, [VXR_CLI] = REC_CLI,       [VXR_STI] = REC_STI,   [VXR_PUSHF] = REC_PUSHF,
    [VXR_POPF] = REC_POPF,   [VXR_SWAPGS] = REC_SWAPGS, [VXR_IRET] = REC_IRET, [VXR_VMMCALL] = REC_VMMCALL,
    [VXR_PAUSE] = REC_PAUSE, [VXR_RDTSC] = REC_RDTSC};

bool vxr_is_plain_event(vxr_class class) { return plain_kinds[class] != 0; }

void vxr_plain_event(vxr_recorder *r, vxr_class class)
{
    if (class == VXR_PAUSE || class == VXR_RDTSC)
        vxr_stream_run(&r->stream, plain_kinds[class]);
    else
        put(r, plain_kinds[class], 0, 0);
}

static void put_privilege(vxr_recorder *r, unsigned kind, unsigned cpl)
{
    put(r, kind, 0, 0);
    change_privilege(r, cpl);
}

static void clts(vxr_recorder *r)
{
    put(r, REC_CLTS, 0, 0);
    change_control(r);
}

/* Whether all that is known of linear pages may change (SDM Vol. 3A, 4.10.4.1). Few MSRs have a part in it. */
static bool may_flush(const vxr_insn *insn)
{
    unsigned number = insn->decoded.reg;
    switch (insn->decoded.class) {
    case VXR_CR_WRITE:
        return number == 0 || number == 3 || number == 4;
    case VXR_WRMSR:
        return low(gpr(1), 4) == MSR_EFER || low(gpr(1), 4) == MSR_APIC_BASE;
    case VXR_INVPCID:
    case VXR_LMSW:
    case VXR_VMX:
    case VXR_SVM:
        return true;
    default:
        return false;
    }
}

static void invlpg(vxr_recorder *r, const vxr_insn *insn)
{
    uint64_t address = address_of(r, insn);
    vxr_forget_frames_near(r, address);
    put(r, REC_INVLPG, address, 0);
}

void vxr_privileged(vxr_recorder *r, const vxr_insn *insn)
{
    const vxr_instruction *decoded = &insn->decoded;
    if (may_flush(insn)) vxr_forget_frames(r);
    switch (decoded->class) {
    case VXR_CR_WRITE:
        cr_write(r, insn);
        break;
    case VXR_CR_READ:
        cr_read(r, insn);
        break;
    case VXR_DR_WRITE:
    case VXR_DR_READ:
        debug_register(r, insn, decoded->class == VXR_DR_WRITE);
        break;
    case VXR_LMSW:
        put(r, REC_LMSW, operand_of(r, insn, 2), 0);
        change_control(r);
        break;
    case VXR_INVLPG:
        invlpg(r, insn);
        break;
    case VXR_INVPCID:
        invpcid(r, insn);
        break;
    case VXR_DESC_TABLE:
        descriptor_table(r, insn);
        break;
    case VXR_IN:
    case VXR_OUT:
        port(r, insn, decoded->class == VXR_OUT);
        break;
    case VXR_INS:
    case VXR_OUTS:
        port_string(r, insn, decoded->class == VXR_OUTS);
        break;
    case VXR_CPUID:
        cpuid(r);
        break;
    case VXR_RDPMC:
        put(r, REC_RDPMC, low(gpr(1), 4), 0);
        break;
    case VXR_MONITOR:
        put(r, REC_MONITOR, low(gpr(0), decoded->address_bytes), 0);
        break;
    case VXR_XSETBV:
        put(r, REC_XSETBV, edx_eax(), gpr(1) & 0xFF);
        break;
    case VXR_RDMSR:
        rdmsr(r);
        break;
    case VXR_WRMSR:
        wrmsr(r);
        break;
    case VXR_INT_N:
        put(r, REC_INT_N, 0, (unsigned)decoded->immediate);
        r->software_vector = (int)decoded->immediate;
        change_privilege(r, r->control.cr0 & CR0_PE ? 0 : r->cpl);
        break;
    case VXR_VMCALL:
        put(r, REC_VMCALL, gpr(0), 0);
        break;
    case VXR_VMX:
        put(r, REC_VMX, decoded->memory ? address_of(r, insn) : 0, decoded->detail);
        break;
    case VXR_SVM:
        put(r, REC_SVM, gpr(0), decoded->detail);
        break;
    case VXR_CLTS:
        clts(r);
        break;
    case VXR_SYSCALL:
    case VXR_SYSENTER:
        put_privilege(r, decoded->class == VXR_SYSCALL ? REC_SYSCALL : REC_SYSENTER, 0);
        break;
    case VXR_SYSRET:
    case VXR_SYSEXIT:
        put_privilege(r, decoded->class == VXR_SYSRET ? REC_SYSRET : REC_SYSEXIT, 3);
        break;
    default: /* vxr_plain_event's */
        break;
    }
}

/* ---- devices ---- */

static uint64_t stored_value(const vxr_insn *insn, unsigned bytes)
{
    const vxr_instruction *decoded = &insn->decoded;
    switch (decoded->move) {
    case VXR_MOVE_REGISTER:
        return low(gpr(decoded->reg), bytes);
    case VXR_MOVE_HIGH_BYTE:
        return gpr(decoded->reg) >> 8 & 0xFF;
    case VXR_MOVE_IMMEDIATE:
        return low(decoded->immediate, bytes);
    case VXR_MOVE_OTHER:
        break;
    }
    return 0;
}

void vxr_device_access(vxr_recorder *r, const vxr_insn *insn, uint64_t gva, unsigned bytes, bool store)
{
    uint64_t gpa;
    if (!vxr_walk(&r->control, &r->ram, gva, &gpa)) return;
    bool apic = gpa >> 12 == APIC_FRAME;
    unsigned kind = apic ? (store ? REC_APIC_WRITE : REC_APIC_READ) : store ? REC_MMIO_WRITE : REC_MMIO_READ;
    uint64_t value = store ? stored_value(insn, bytes) : 0;
    const vxr_record *record = put_words(r, kind, apic ? gpa & 0xFFF : gpa, bytes, value, gva, 2);
    vxr_move move = insn->decoded.move;
    bool known_later =
        insn->index + 1U == insn->block->count && (move == VXR_MOVE_REGISTER || move == VXR_MOVE_HIGH_BYTE);
    if (!record || store || !known_later) return;
    vxr_await(r, AWAIT_REGISTER, insn->decoded.reg, bytes, payload_of(r, record));
    r->awaited_high = move == VXR_MOVE_HIGH_BYTE;
    if (!r->full) vxr_want_look_behind(r, insn);
}
