/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The instruction format (SDM Vol. 2A, chapter 2) and the opcode maps (SDM Vol. 2D, tables ). */
#include "instruction_length.h"

/* What is still to be read of an instruction. */
typedef struct reader {
    const uint8_t *bytes;
    size_t size, at;
    unsigned bits, operand_bytes, address_bytes;
} reader;

enum map { MAP_ONE = 0, MAP_0F = 1, MAP_0F38 = 2, MAP_0F3A = 3 };

/* The next byte; 0 behind the end, which `at` then says. */
static uint8_t take(reader *r)
{
    uint8_t byte = r->at < r->size ? r->bytes[r->at] : 0;
    r->at++;
    return byte;
}

static uint8_t peek(const reader *r) { return r->at < r->size ? r->bytes[r->at] : 0; }

static bool in_rows(const uint16_t *rows, uint8_t opcode) { return rows[opcode >> 4] >> (opcode & 15) & 1; }

/* A bit each: opcodes with ModRM, with an immediate byte, with one of the operand's size (4 bytes at most). */
static const uint16_t modrm_one[16] = {[0x0] = 0x0F0F, [0x1] = 0x0F0F, [0x2] = 0x0F0F, [0x3] = 0x0F0F, [0x6] = 0x0A0C,
                                       [0x8] = 0xFFFF, [0xC] = 0x00F3, [0xD] = 0xFF0F, [0xF] = 0xC0C0};
static const uint16_t byte_one[16] = {
    [0x0] = 0x1010, [0x1] = 0x1010, [0x2] = 0x1010, [0x3] = 0x1010, [0x6] = 0x0C00, [0x7] = 0xFFFF,
    [0x8] = 0x000D, [0xA] = 0x0100, [0xB] = 0x00FF, [0xC] = 0x2143, [0xD] = 0x0030, [0xE] = 0x08FF};
static const uint16_t operand_one[16] = {
    [0x0] = 0x2020, [0x1] = 0x2020, [0x2] = 0x2020, [0x3] = 0x2020, [0x6] = 0x0300,
    [0x8] = 0x0002, [0x9] = 0x0400, [0xA] = 0x0200, [0xC] = 0x0080, [0xE] = 0x0700};
static const uint16_t no_modrm_0f[16] = {
    [0x0] = 0x4BE0, [0x3] = 0xFFFF, [0x7] = 0x0080, [0x8] = 0xFFFF, [0xA] = 0x0707, [0xC] = 0xFF00};
static const uint16_t byte_0f[16] = {[0x0] = 0x8000, [0x7] = 0x000F, [0xA] = 0x1010, [0xB] = 0x0400, [0xC] = 0x0074};

/* ModRM, SIB and displacement; gives ModRM. */
static uint8_t take_modrm(reader *r)
{
    uint8_t modrm = take(r);
    unsigned mod = modrm >> 6, rm = modrm & 7;
    if (mod == 3) return modrm;
    if (r->address_bytes == 2) {
        r->at += mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0;
        return modrm;
    }
    bool no_base = mod == 0 && rm == 5;
    if (rm == 4) no_base = (take(r) & 7) == 5 && mod == 0;
    r->at += mod == 1 ? 1 : mod == 2 || no_base ? 4 : 0;
    return modrm;
}

static unsigned immediate_bytes(const reader *r) { return r->operand_bytes == 2 ? 2 : 4; }

static void take_one_byte(reader *r, uint8_t opcode)
{
    uint8_t modrm = in_rows(modrm_one, opcode) ? take_modrm(r) : 0;
    if (in_rows(byte_one, opcode)) r->at++;
    if (in_rows(operand_one, opcode)) r->at += immediate_bytes(r);
    if (opcode >= 0xA0 && opcode <= 0xA3) r->at += r->address_bytes;             /* MOV, an absolute address */
    if (opcode >= 0xB8 && opcode <= 0xBF) r->at += r->operand_bytes;             /* MOV to a register */
    if (opcode == 0x9A || opcode == 0xEA || (opcode & 0xF7) == 0xC2) r->at += 2; /* selectors, RET's immediates */
    if (opcode == 0xC8) r->at += 2;                                              /* ENTER's first */
    if ((opcode | 1) == 0xF7 && (modrm >> 3 & 7) < 2) r->at += opcode & 1 ? immediate_bytes(r) : 1; /* TEST */
}

static void take_0f(reader *r, uint8_t opcode)
{
    if (opcode >= 0x20 && opcode <= 0x23)
        r->at++; /* MOV to and from CR and DR: ModRM's upper bits do not matter */
    else if (!in_rows(no_modrm_0f, opcode))
        take_modrm(r);
    if (in_rows(byte_0f, opcode)) r->at++;
    if (opcode >> 4 == 8) r->at += immediate_bytes(r);
}

static void take_opcode(reader *r, enum map map)
{
    uint8_t opcode = take(r);
    if (map == MAP_ONE && opcode == 0x0F) {
        uint8_t next = peek(r);
        map = next == 0x38 ? MAP_0F38 : next == 0x3A ? MAP_0F3A : MAP_0F;
        if (map != MAP_0F) r->at++;
        opcode = take(r);
    }
    if (map == MAP_ONE) {
        take_one_byte(r, opcode);
    } else if (map == MAP_0F) {
        take_0f(r, opcode);
    } else {
        take_modrm(r);
        if (map == MAP_0F3A) r->at++;
    }
}

/* VEX and EVEX (SDM Vol. 2A, 2.3.5, 2.7.1): outside 64-bit mode ModRM's upper bits tell them from LES, LDS, BOUND. */
static void take_vex(reader *r, enum map *map)
{
    uint8_t first = peek(r);
    if ((first != 0xC4 && first != 0xC5 && first != 0x62) || r->at + 1 >= r->size) return;
    uint8_t second = r->bytes[r->at + 1];
    if (r->bits != 64 && second < 0xC0) return;
    *map = first == 0xC5 ? MAP_0F : (enum map)(second & 3);
    r->at += first == 0xC5 ? 2 : first == 0xC4 ? 3 : 4;
}

static bool take_prefix(reader *r)
{
    uint8_t byte = peek(r);
    bool segment = (byte & 0xE7) == 0x26 || byte == 0x64 || byte == 0x65;
    if (byte == 0x66)
        r->operand_bytes = r->bits == 16 ? 4 : 2;
    else if (byte == 0x67)
        r->address_bytes = r->bits == 64 || r->bits == 16 ? 4 : 2;
    else if (!segment && byte != 0xF0 && byte != 0xF2 && byte != 0xF3)
        return false;
    r->at++;
    return true;
}

bool vxr_is_whole(const uint8_t *bytes, size_t size, unsigned bits)
{
    reader r = {.bytes = bytes, .size = size, .bits = bits};
    r.operand_bytes = bits == 16 ? 2 : 4;
    r.address_bytes = bits / 8;
    while (r.at < size && take_prefix(&r)) {
    }
    if (bits == 64 && (peek(&r) & 0xF0) == 0x40) {
        if (peek(&r) & 8) r.operand_bytes = 8;
        r.at++;
    }
    enum map map = MAP_ONE;
    take_vex(&r, &map);
    take_opcode(&r, map);
    return r.at <= size;
}
