/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "instruction_class.h"

#include <string.h>

enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

/* Little-endian bytes, sign-extended; 0 where they are not all there. */
static int64_t read_signed(const uint8_t *bytes, size_t size, size_t at, unsigned width)
{
    uint64_t value = 0;
    if (at + width > size || width == 0) return 0;
    for (unsigned i = 0; i < width; i++) value |= (uint64_t)bytes[at + i] << (8 * i);
    unsigned shift = 64 - 8 * width;
    return (int64_t)(value << shift) >> shift;
}

/* Bytes from the ModRM byte to the end of the displacement. */
static size_t modrm_length(const vxr_instruction *i, const uint8_t *bytes, size_t size)
{
    unsigned mod = i->modrm >> 6, rm = i->modrm & 7;
    if (mod == 3) return 1;
    if (i->address_bytes == 2) return 1U + (mod == 1 ? 1U : mod == 2 || rm == 6 ? 2U : 0U);
    size_t length = 1;
    bool base_is_disp = mod == 0 && rm == 5;
    if (rm == 4) {
        length++;
        base_is_disp = mod == 0 && i->modrm_at + 1U < size && (bytes[i->modrm_at + 1] & 7) == 5;
    }
    return length + (mod == 1 ? 1U : mod == 2 || base_is_disp ? 4U : 0U);
}

static void take_modrm(vxr_instruction *i, const uint8_t *bytes, size_t size, size_t at)
{
    if (at >= size) return;
    i->has_modrm = true;
    i->modrm_at = (uint8_t)at;
    i->modrm = bytes[at];
    i->memory = i->modrm >> 6 != 3;
    i->reg = (uint8_t)((i->modrm >> 3 & 7) | (i->rex & REX_R ? 8 : 0));
    i->rm = (uint8_t)((i->modrm & 7) | (i->rex & REX_B ? 8 : 0));
}

static void byte_register(vxr_instruction *i)
{
    i->move = VXR_MOVE_REGISTER;
    if (!i->rex && i->reg >= 4) {
        i->move = VXR_MOVE_HIGH_BYTE; /* AH, CH, DH, BH */
        i->reg = (uint8_t)(i->reg - 4);
    }
}

/* Group 7, 0F 01: by register or by memory form. */
static void group7(vxr_instruction *i)
{
    static const vxr_class memory[8] = {VXR_DESC_TABLE, VXR_DESC_TABLE, VXR_DESC_TABLE, VXR_DESC_TABLE,
                                        VXR_DESC_TABLE, VXR_PLAIN,      VXR_LMSW,       VXR_INVLPG};
    static const uint8_t table[8] = {0, 1, 2, 3, 8, 0, 0, 0};
    static const struct {
        uint8_t modrm, class, detail;
    } registers[] = {{0xC1, VXR_VMCALL, 0},  {0xC2, VXR_VMX, 20},    {0xC3, VXR_VMX, 24},   {0xC4, VXR_VMX, 26},
                     {0xC8, VXR_MONITOR, 0}, {0xC9, VXR_MWAIT, 0},   {0xD1, VXR_XSETBV, 0}, {0xD4, VXR_VMX, 59},
                     {0xD8, VXR_SVM, 0x80},  {0xD9, VXR_VMMCALL, 0}, {0xDA, VXR_SVM, 0x82}, {0xDB, VXR_SVM, 0x83},
                     {0xDC, VXR_SVM, 0x84},  {0xDD, VXR_SVM, 0x85},  {0xDE, VXR_SVM, 0x86}, {0xDF, VXR_SVM, 0x7A},
                     {0xF8, VXR_SWAPGS, 0},  {0xF9, VXR_RDTSCP, 0}};
    unsigned operation = i->modrm >> 3 & 7;
    if (i->memory) {
        i->class = memory[operation];
        i->detail = table[operation];
        return;
    }
    for (size_t k = 0; k < sizeof registers / sizeof *registers; k++) {
        if (registers[k].modrm != i->modrm) continue;
        i->class = (vxr_class)registers[k].class;
        i->detail = registers[k].detail;
        return;
    }
    if (operation == 4) i->class = VXR_DESC_TABLE, i->detail = 8;
    if (operation == 6) i->class = VXR_LMSW;
}

/* Group 6, 0F 00: SLDT STR LLDT LTR. */
static void group6(vxr_instruction *i)
{
    if ((i->modrm >> 3 & 7) > 3) return;
    i->class = VXR_DESC_TABLE;
    i->detail = (uint8_t)(4 + (i->modrm >> 3 & 7));
}

/* Group 9, 0F C7: VMPTRLD, VMCLEAR, VMXON, VMPTRST where the operand is memory. */
static void group9(vxr_instruction *i, bool operand_prefix, uint8_t repeat)
{
    unsigned operation = i->modrm >> 3 & 7;
    if (!i->memory || operation < 6) return;
    i->class = VXR_VMX;
    i->detail = operation == 7 ? 22 : repeat == 0xF3 ? 27 : operand_prefix ? 19 : 21;
}

static void two_byte(vxr_instruction *i, const uint8_t *bytes, size_t size, size_t at, bool operand_prefix,
                     uint8_t repeat)
{
    static const uint8_t simple[256] = {
        [0x05] = VXR_SYSCALL,  [0x06] = VXR_CLTS,     [0x07] = VXR_SYSRET,  [0x08] = VXR_INVD,
        [0x09] = VXR_WBINVD,   [0x20] = VXR_CR_READ,  [0x21] = VXR_DR_READ, [0x22] = VXR_CR_WRITE,
        [0x23] = VXR_DR_WRITE, [0x30] = VXR_WRMSR,    [0x31] = VXR_RDTSC,   [0x32] = VXR_RDMSR,
        [0x33] = VXR_RDPMC,    [0x34] = VXR_SYSENTER, [0x35] = VXR_SYSEXIT, [0xA2] = VXR_CPUID};
    if (at >= size) return;
    i->opcode = bytes[at];
    i->class = (vxr_class)simple[i->opcode];
    take_modrm(i, bytes, size, at + 1);
    if (i->opcode == 0x38) {
        if (at + 1 >= size) return;
        i->opcode = bytes[at + 1];
        take_modrm(i, bytes, size, at + 2);
        if (!operand_prefix || at + 2 >= size) return;
        if (i->opcode == 0x82) i->class = VXR_INVPCID;
        if (i->opcode == 0x80) i->class = VXR_VMX, i->detail = 50;
        if (i->opcode == 0x81) i->class = VXR_VMX, i->detail = 53;
        return;
    }
    if (!i->has_modrm) return;
    if (i->opcode == 0x00) group6(i);
    if (i->opcode == 0x01) group7(i);
    if (i->opcode == 0xC7) group9(i, operand_prefix, repeat);
    if ((i->opcode == 0x78 || i->opcode == 0x79) && !operand_prefix && !repeat)
        i->class = VXR_VMX, i->detail = i->opcode == 0x78 ? 23 : 25;
    if (i->opcode == 0xB6 || i->opcode == 0xB7) i->move = VXR_MOVE_REGISTER; /* MOVZX */
}

/* MOV and XCHG between memory and a register or an immediate: what drivers access devices with. */
static void data_move(vxr_instruction *i, const uint8_t *bytes, size_t size, size_t at)
{
    uint8_t opcode = i->opcode;
    if (opcode >= 0xA0 && opcode <= 0xA3) { /* accumulator and an absolute address */
        i->move = VXR_MOVE_REGISTER;
        i->reg = 0;
        return;
    }
    bool move = opcode >= 0x88 && opcode <= 0x8B, exchange = opcode == 0x86 || opcode == 0x87;
    bool immediate = opcode == 0xC6 || opcode == 0xC7;
    if (!move && !exchange && !immediate) return;
    take_modrm(i, bytes, size, at + 1);
    if (!i->has_modrm || !i->memory) return;
    if (immediate) {
        i->move = VXR_MOVE_IMMEDIATE;
        unsigned width = opcode == 0xC6 ? 1 : i->operand_bytes == 2 ? 2 : 4;
        i->immediate = (uint64_t)read_signed(bytes, size, i->modrm_at + modrm_length(i, bytes, size), width);
    } else if (opcode & 1) {
        i->move = VXR_MOVE_REGISTER;
    } else {
        byte_register(i);
    }
}

static void one_byte(vxr_instruction *i, const uint8_t *bytes, size_t size, size_t at, uint8_t repeat)
{
    static const uint8_t simple[256] = {
        [0x6C] = VXR_INS,  [0x6D] = VXR_INS,   [0x6E] = VXR_OUTS, [0x6F] = VXR_OUTS, [0x9C] = VXR_PUSHF,
        [0x9D] = VXR_POPF, [0xCD] = VXR_INT_N, [0xCF] = VXR_IRET, [0xE4] = VXR_IN,   [0xE5] = VXR_IN,
        [0xE6] = VXR_OUT,  [0xE7] = VXR_OUT,   [0xEC] = VXR_IN,   [0xED] = VXR_IN,   [0xEE] = VXR_OUT,
        [0xEF] = VXR_OUT,  [0xF4] = VXR_HLT,   [0xFA] = VXR_CLI,  [0xFB] = VXR_STI};
    i->class = (vxr_class)simple[i->opcode];
    if (i->opcode == 0x90 && repeat == 0xF3) i->class = VXR_PAUSE;
    if (at + 1 < size && (i->opcode == 0xCD || (i->opcode >= 0xE4 && i->opcode <= 0xE7))) i->immediate = bytes[at + 1];
    bool string = (i->opcode >= 0x6C && i->opcode <= 0x6F) || (i->opcode >= 0xA4 && i->opcode <= 0xA7) ||
                  (i->opcode >= 0xAA && i->opcode <= 0xAF);
    i->repeated = string && repeat;
    if (!string) data_move(i, bytes, size, at);
}

/* Opcodes that read memory and never write it, one bit each, by the opcode's upper four bits (SDM Vol. 2D, tables A-2
 * and A-3). Not all of them: those that kernels execute often. */
static const uint16_t one_byte_loads[16] = {
    [0x0] = 0x3C3C, [0x1] = 0x3C3C, [0x2] = 0x3C3C, /* ALU operations to a register */
    [0x3] = 0x3F3C,                                 /* XOR to a register, CMP */
    [0x5] = 0xFF00,                                 /* POP to a register */
    [0x6] = 0x0A00,                                 /* IMUL */
    [0x8] = 0x0C30,                                 /* TEST, MOV to a register */
    [0xA] = 0xF0C3,                                 /* MOV to the accumulator, CMPS, LODS, SCAS */
    [0xC] = 0x020C                                  /* RET, LEAVE */
};
static const uint16_t two_byte_loads[16] = {
    [0x4] = 0xFFFF, /* CMOVcc */
    [0x6] = 0xFFFF, /* MOVD, MOVQ, MOVDQA and MOVDQU to a register, PUNPCK, PACK, PCMPGT */
    [0xA] = 0x8008, /* BT, IMUL */
    [0xB] = 0xF0C0  /* MOVZX, BSF, BSR, MOVSX */
};

static bool in_rows(const uint16_t *rows, uint8_t opcode) { return rows[opcode >> 4] >> (opcode & 15) & 1; }

/* Likewise, where ModRM holds the operation. */
static bool group_loads(uint8_t opcode, uint8_t modrm)
{
    unsigned operation = modrm >> 3 & 7;
    if (opcode >= 0x80 && opcode <= 0x83) return operation == 7;                   /* CMP */
    if (opcode == 0xF6 || opcode == 0xF7) return operation != 2 && operation != 3; /* TEST, MUL, IMUL, DIV, IDIV */
    return opcode == 0xFF && (operation == 4 || operation == 5);                   /* JMP */
}

static bool may_store(const uint8_t *bytes, size_t size, size_t at)
{
    if (bytes[at] == 0x0F) return at + 1 >= size || !in_rows(two_byte_loads, bytes[at + 1]);
    return !in_rows(one_byte_loads, bytes[at]) && (at + 1 >= size || !group_loads(bytes[at], bytes[at + 1]));
}

/* MOV and POP to a segment register, LDS and the like, LAR, LSL, VERR, VERW, far transfers (SDM Vol. 2D, A.3). */
static bool reads_descriptor(const uint8_t *bytes, size_t size, size_t at, unsigned bits)
{
    static const uint16_t one_byte_rows[16] = {
        [0x0] = 0x0080, [0x1] = 0x8080, /* POP ES, SS, DS */
        [0x8] = 0x4000, [0x9] = 0x0400, /* MOV to a segment register, CALL far */
        [0xC] = 0x8C00, [0xE] = 0x0400  /* RET far, IRET, JMP far */
    };
    static const uint16_t two_byte_rows[16] = {[0x0] = 0x000C, [0xA] = 0x0202, [0xB] = 0x0034};
    unsigned operation = at + 1 < size ? bytes[at + 1] >> 3 & 7U : 0;
    if (bytes[at] == 0x0F) {
        if (at + 1 >= size) return false;
        bool group6 = bytes[at + 1] == 0 && at + 2 < size && (bytes[at + 2] >> 3 & 7U) >= 4;
        return group6 || in_rows(two_byte_rows, bytes[at + 1]);
    }
    if (bytes[at] == 0xFF) return operation == 3 || operation == 5;
    bool les_or_lds = (bytes[at] == 0xC4 || bytes[at] == 0xC5) && bits != 64 && at + 1 < size && bytes[at + 1] < 0xC0;
    return les_or_lds || in_rows(one_byte_rows, bytes[at]);
}

/* But IRET, which is a class of its own. */
static bool is_far(const uint8_t *bytes, size_t size, size_t at, unsigned bits)
{
    static const uint16_t rows[16] = {[0x9] = 0x0400, [0xC] = 0x0C00, [0xE] = 0x0400};
    if (bytes[at] == 0xFF && at + 1 < size) return (bytes[at + 1] >> 3 & 7U) == 3 || (bytes[at + 1] >> 3 & 7U) == 5;
    return in_rows(rows, bytes[at]) && (bits != 64 || bytes[at] >> 4 == 0xC);
}

vxr_instruction vxr_classify(const uint8_t *bytes, size_t size, unsigned bits)
{
    vxr_instruction i = {.may_store = true};
    bool operand_prefix = false, address_prefix = false;
    uint8_t repeat = 0;
    size_t at = 0;
    for (; at < size; at++) {
        uint8_t byte = bytes[at];
        if (byte == 0x66)
            operand_prefix = true;
        else if (byte == 0x67)
            address_prefix = true;
        else if (byte == 0xF2 || byte == 0xF3)
            repeat = byte;
        else if (byte == 0x26 || byte == 0x2E || byte == 0x36 || byte == 0x3E || byte == 0x64 || byte == 0x65)
            i.segment = byte;
        else if (byte != 0xF0)
            break;
    }
    if (bits == 64 && at < size && (bytes[at] & 0xF0) == 0x40) i.rex = bytes[at++];
    if (at >= size) return i;
    i.operand_bytes = i.rex & REX_W ? 8 : (bits == 16) != operand_prefix ? 2 : 4;
    i.address_bytes = bits == 64 ? (address_prefix ? 4 : 8) : (bits == 16) != address_prefix ? 2 : 4;
    i.opcode = bytes[at];
    i.may_store = may_store(bytes, size, at);
    i.is_far = is_far(bytes, size, at, bits);
    i.reads_descriptor = reads_descriptor(bytes, size, at, bits);
    if (i.opcode == 0x0F)
        two_byte(&i, bytes, size, at + 1, operand_prefix, repeat);
    else
        one_byte(&i, bytes, size, at, repeat);
    return i;
}

/* SDM Vol. 2A, table 2-1. */
static uint64_t address16(const vxr_instruction *i, const uint8_t *bytes, size_t size, const uint64_t *gpr)
{
    static const int8_t base[8] = {3, 3, 5, 5, -1, -1, 5, 3}, index[8] = {6, 7, 6, 7, 6, 7, -1, -1};
    unsigned mod = i->modrm >> 6, rm = i->modrm & 7;
    bool absolute = mod == 0 && rm == 6;
    unsigned width = mod == 1 ? 1 : mod == 2 || absolute ? 2 : 0;
    uint64_t address = (uint64_t)read_signed(bytes, size, i->modrm_at + 1U, width);
    if (!absolute && base[rm] >= 0) address += gpr[base[rm]];
    if (!absolute && index[rm] >= 0) address += gpr[index[rm]];
    return address & 0xFFFF;
}

/* SDM Vol. 2A, tables 2-2, 2-3 and 2.2.1.6 (RIP-relative). */
static uint64_t address32(const vxr_instruction *i, const uint8_t *bytes, size_t size, const uint64_t *gpr,
                          uint64_t next)
{
    unsigned mod = i->modrm >> 6, rm = i->modrm & 7, width = mod == 1 ? 1 : mod == 2 ? 4 : 0;
    size_t at = i->modrm_at + 1U;
    uint64_t address = 0;
    if (rm == 4 && at < size) {
        uint8_t sib = bytes[at++];
        unsigned index = (sib >> 3 & 7U) | (i->rex & REX_X ? 8U : 0U), base = sib & 7U;
        if (index != 4) address += gpr[index] << (sib >> 6);
        if (base == 5 && mod == 0)
            width = 4;
        else
            address += gpr[base | (i->rex & REX_B ? 8U : 0U)];
    } else if (rm == 5 && mod == 0) {
        width = 4;
        if (i->address_bytes == 8) address += next;
    } else {
        address += gpr[i->rm];
    }
    address += (uint64_t)read_signed(bytes, size, at, width);
    return i->address_bytes == 8 ? address : address & UINT32_MAX;
}

uint64_t vxr_effective_address(const vxr_instruction *instruction, const uint8_t *bytes, size_t size,
                               const uint64_t *gpr, uint64_t next, uint64_t segment_base)
{
    if (instruction->address_bytes == 2) return segment_base + address16(instruction, bytes, size, gpr);
    return segment_base + address32(instruction, bytes, size, gpr, next);
}
