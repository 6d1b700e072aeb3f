/* SDM Vol. 3C 26.3.1.2: segment registers. A template names the registers it holds for and what it changes of theirs.
 */
#include <stdio.h>

#include "vmx_vectors.h"

enum { ES, CS, SS, DS, FS, GS, LDTR, TR, SEGMENTS };
#define ONLY(s) (1U << (s))
#define DATA (ONLY(DS) | ONLY(ES) | ONLY(FS) | ONLY(GS))
#define SIX (ONLY(CS) | ONLY(SS) | DATA)
#define SYSTEM (ONLY(LDTR) | ONLY(TR))

/* Parts of a register by the encoding of ES's. */
enum { SELECTOR = 0x800, LIMIT = 0x4800, RIGHTS = 0x4814, BASE = 0x6806 };
#define SEL(op, number)                                                                                                \
    {                                                                                                                  \
        op, SELECTOR, number                                                                                           \
    }
#define LIM(op, number)                                                                                                \
    {                                                                                                                  \
        op, LIMIT, number                                                                                              \
    }
#define ACC(op, number)                                                                                                \
    {                                                                                                                  \
        op, RIGHTS, number                                                                                             \
    }
#define BAS(op, number)                                                                                                \
    {                                                                                                                  \
        op, BASE, number                                                                                               \
    }

/* A guest in virtual-8086 mode: all six registers as a real-mode program has them. */
#define V86_SEGMENT(s)                                                                                                 \
    {SET, RIGHTS + 2 * (s), 0xF3}, {SET, LIMIT + 2 * (s), 0xFFFF}, {SET, BASE + 2 * (s), 0x100},                       \
    {                                                                                                                  \
        SET, SELECTOR + 2 * (s), 0x10                                                                                  \
    }
static const mutation v86[] = {O(GUEST_RFLAGS, B(17)), C(ENTRY_CONTROLS, B(9)), V86_SEGMENT(ES), V86_SEGMENT(CS),
                               V86_SEGMENT(SS),        V86_SEGMENT(DS),         V86_SEGMENT(FS), V86_SEGMENT(GS)};

typedef enum guest_mode { LONG, IA32, REAL, UNRESTRICTED, VIRTUAL_8086 } guest_mode;

typedef struct template
{
    unsigned registers;
    const char *part;
    guest_mode mode;
    mutation bad, good; /* of the register's own parts */
    mutation setup[3];
}
template;

/* A usable LDTR, for all rows on it. */
#define LDT                                                                                                            \
    {                                                                                                                  \
        SET, VX_VMCS_GUEST_LDTR_RIGHTS, 0x82                                                                           \
    }

static const template templates[] = {
    {ONLY(TR), "selector", LONG, SEL(OR, 4), SEL(OR, 3), {{0}}},
    {ONLY(LDTR), "selector", LONG, SEL(OR, 4), SEL(OR, 3), {LDT}},
    {ONLY(SS), "rpl", LONG, SEL(OR, 3), SEL(OR, 0), {{0}}},
    {SIX, "base-v86", VIRTUAL_8086, BAS(SET, 0x101), BAS(SET, 0x100), {{0}}},
    {ONLY(TR) | ONLY(FS) | ONLY(GS), "base", LONG, BAS(SET, NOT_CANONICAL), BAS(SET, CANONICAL), {{0}}},
    {ONLY(LDTR), "base", LONG, BAS(SET, NOT_CANONICAL), BAS(SET, CANONICAL), {LDT}},
    {ONLY(LDTR), "base", LONG, ACC(SET, 0x82), ACC(SET, B(16)), {BAS(SET, NOT_CANONICAL)}},
    {ONLY(CS), "base", LONG, BAS(SET, B(32)), BAS(SET, UINT32_MAX), {{0}}},
    {ONLY(SS) | ONLY(DS) | ONLY(ES), "base", LONG, BAS(SET, B(32)), BAS(SET, UINT32_MAX), {{0}}},
    {ONLY(SS) | ONLY(DS) | ONLY(ES), "base", LONG, ACC(OR, 0), ACC(OR, B(16)), {BAS(SET, B(32))}},
    {SIX, "limit-v86", VIRTUAL_8086, LIM(SET, 0xFFFE), LIM(SET, 0xFFFF), {{0}}},
    {SIX, "rights-v86", VIRTUAL_8086, ACC(SET, 0x93), ACC(SET, 0xF3), {{0}}},
    {SIX, "rights-v86", VIRTUAL_8086, ACC(SET, 0x100F3), ACC(SET, 0xF3), {{0}}},
    {ONLY(CS), "type", LONG, ACC(CLEAR, 1), ACC(OR, 6), {{0}}},
    {ONLY(CS), "type", REAL, ACC(SET, 0xC097), ACC(SET, 0xC093), {{0}}},
    {ONLY(CS), "type", IA32, ACC(SET, 0xC093), ACC(SET, 0xC09B), {{0}}},
    {ONLY(SS), "type", LONG, ACC(SET, 0xC095), ACC(SET, 0xC097), {{0}}},
    {ONLY(SS), "type", LONG, ACC(SET, 0xC092), ACC(SET, 0x1C092), {{0}}},
    {DATA, "type", LONG, ACC(SET, 0xC092), ACC(SET, 0xC091), {{0}}},
    {DATA, "type", LONG, ACC(SET, 0xC099), ACC(SET, 0xC09B), {{0}}},
    {SIX, "s", LONG, ACC(CLEAR, B(4)), ACC(OR, B(4)), {{0}}},
    {ONLY(SS) | DATA, "s", LONG, ACC(CLEAR, B(4)), ACC(SET, B(16)), {{0}}},
    {ONLY(CS), "dpl", REAL, ACC(SET, 0xC0B3), ACC(SET, 0xC093), {{0}}},
    {ONLY(CS), "dpl", LONG, ACC(OR, 1 << 5), ACC(OR, 0), {{0}}},
    {ONLY(CS), "dpl", LONG, ACC(OR, 1 << 5 | 4), ACC(OR, 4), {{0}}},
    {ONLY(SS), "dpl", LONG, ACC(OR, 1 << 5), ACC(OR, 0), {{OR, VX_VMCS_GUEST_CS_RIGHTS, 4}}}, /* conforming code */
    {ONLY(SS), "dpl-real", REAL, ACC(OR, 1 << 5), ACC(OR, 0), {{OR, VX_VMCS_GUEST_CS_RIGHTS, 4}}},
    {ONLY(SS), "dpl-real", UNRESTRICTED, ACC(OR, 1 << 5), ACC(OR, 0), {{SET, VX_VMCS_GUEST_CS_RIGHTS, 0xC093}}},
    {DATA, "dpl", LONG, SEL(OR, 3), ACC(OR, 3 << 5), {{0}}},
    {DATA, "dpl", LONG, SEL(OR, 1), ACC(SET, 0xC09F), {{0}}},
    {SIX, "p", LONG, ACC(CLEAR, B(7)), ACC(OR, B(7)), {{0}}},
    {SIX, "reserved", LONG, ACC(OR, B(8)), ACC(OR, B(12)), {{0}}},
    {SIX, "reserved", LONG, ACC(OR, B(11)), ACC(OR, 0), {{0}}},
    {ONLY(CS), "db", LONG, ACC(OR, B(14)), ACC(OR, 0), {{0}}},
    {ONLY(CS), "db", LONG, ACC(OR, B(14)), ACC(SET, 0xC09B), {{0}}},
    {SIX, "g-clear", LONG, LIM(SET, 0xFFFFFFFE), LIM(SET, 0xFFF), {{0}}},
    {SIX, "g-set", LONG, ACC(CLEAR, B(15)), ACC(OR, B(15)), {{0}}},
    {SIX, "reserved-high", LONG, ACC(OR, B(17)), ACC(OR, 0), {{0}}},
    {SIX, "reserved-high", LONG, ACC(OR, B(31)), ACC(OR, 0), {{0}}},
    {ONLY(TR), "type", LONG, ACC(SET, 0x83), ACC(SET, 0x8B), {{0}}},
    {ONLY(TR), "type", IA32, ACC(SET, 0x89), ACC(SET, 0x83), {{0}}},
    {ONLY(LDTR), "type", LONG, ACC(SET, 0x83), ACC(SET, 0x82), {{0}}},
    {SYSTEM, "s", LONG, ACC(OR, B(4)), ACC(OR, 0), {LDT}},
    {SYSTEM, "p", LONG, ACC(CLEAR, B(7)), ACC(OR, 0), {LDT}},
    {SYSTEM, "reserved", LONG, ACC(OR, B(9)), ACC(OR, 0), {LDT}},
    {SYSTEM, "g-clear", LONG, ACC(OR, B(15)), ACC(OR, 0), {LDT}},
    {SYSTEM, "g-set", LONG, LIM(SET, 0x100FFF), LIM(SET, 0xFFFFF), {LDT}},
    {ONLY(TR), "usable", LONG, ACC(OR, B(16)), ACC(OR, 0), {{0}}},
    {SYSTEM, "reserved-high", LONG, ACC(OR, B(30)), ACC(OR, 0), {LDT}},
    {ONLY(LDTR), "reserved-high", LONG, ACC(OR, B(30)), ACC(SET, B(16)), {LDT}},
};
enum { TEMPLATES = sizeof templates / sizeof *templates };

unsigned vmx_segment_vector_count(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < TEMPLATES; i++) count += (unsigned)__builtin_popcount(templates[i].registers);
    return count;
}

static mutation of_register(mutation change, unsigned s)
{
    bool part =
        change.encoding == SELECTOR || change.encoding == LIMIT || change.encoding == RIGHTS || change.encoding == BASE;
    if (part) change.encoding += 2 * s;
    return change;
}

static void set_mode(guest_mode mode, mutation *change)
{
    static const mutation narrow[] = {C(ENTRY_CONTROLS, B(9)), C(GUEST_CS_RIGHTS, B(13))};
    static const mutation free_mode[] = {CPU2(B(1) | B(7))};
    *change++ = (mutation){0};
    if (mode == IA32 || mode == REAL || mode == UNRESTRICTED) *change++ = narrow[0], *change++ = narrow[1];
    if (mode == REAL || mode == UNRESTRICTED) *change++ = free_mode[0], *change++ = free_mode[1];
    if (mode == REAL) *change = (mutation)C(GUEST_CR0, B(0) | B(31));
}

void vmx_segment_vector(unsigned index, vmx_vector *vector, char *id)
{
    static const char *const names[SEGMENTS] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    const template *t = templates;
    unsigned s = 0;
    for (;; t++) {
        for (s = 0; s < SEGMENTS; s++)
            if ((t->registers >> s & 1) && index-- == 0) goto found;
    }
found:
    snprintf(id, 64, "guest-%s-%s", names[s], t->part);
    *vector = (vmx_vector){.id = id, .bad = of_register(t->bad, s), .good = of_register(t->good, s)};
    if (t->mode == VIRTUAL_8086)
        for (unsigned i = 0; i < sizeof v86 / sizeof *v86; i++) vector->setup[i] = v86[i];
    else
        set_mode(t->mode, vector->setup);
    if (t->mode == VIRTUAL_8086) return;
    for (unsigned i = 0; i < 2 && t->setup[i].op != NO_CHANGE; i++) vector->setup[20 + i] = of_register(t->setup[i], s);
}
