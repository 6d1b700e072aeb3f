/* VM-entry checks on guest segment registers.
 *
 * SDM Vol. 3C 26.3.1.2, in the manual's order: selectors, bases, limits, then each part of the access rights (Table
 * 24-2). A failure is a VM-entry failure with exit reason 33 and qualification 0. `field` of a row is the register's
 * index, which is also its place in the encodings.
 *
 * NOT MODELLED: processors without Intel 64 architecture. */
#include "vmx_check.h"

enum { ES, CS, SS, DS, FS, GS, LDTR, TR };
enum { TI = 1 << 2, RIGHTS_S = 1 << 4, RIGHTS_P = 1 << 7, RIGHTS_L = 1 << 13, RIGHTS_DB = 1 << 14, RIGHTS_G = 1 << 15 };
enum { RIGHTS_UNUSABLE = 1 << 16, RIGHTS_V86 = 0xF3, LIMIT_V86 = 0xFFFF, TYPE_DATA_RW = 3, TYPE_CODE = 8 };

static uint64_t selector(const vx_vmx_entry *e, uint32_t s) { return field(e, VX_VMCS_GUEST_ES_SELECTOR + 2 * s); }
static uint64_t base(const vx_vmx_entry *e, uint32_t s) { return field(e, VX_VMCS_GUEST_ES_BASE + 2 * s); }
static uint64_t limit(const vx_vmx_entry *e, uint32_t s) { return field(e, VX_VMCS_GUEST_ES_LIMIT + 2 * s); }
static uint64_t rights(const vx_vmx_entry *e, uint32_t s) { return field(e, VX_VMCS_GUEST_ES_RIGHTS + 2 * s); }
static unsigned type(const vx_vmx_entry *e, uint32_t s) { return rights(e, s) & 15; }
static unsigned dpl(const vx_vmx_entry *e, uint32_t s) { return rights(e, s) >> 5 & 3; }
static unsigned rpl(const vx_vmx_entry *e, uint32_t s) { return selector(e, s) & 3; }
static bool usable(const vx_vmx_entry *e, uint32_t s) { return !(rights(e, s) & RIGHTS_UNUSABLE); }
static bool v86(const vx_vmx_entry *e) { return (field(e, VX_VMCS_GUEST_RFLAGS) & CHECK_RFLAGS_VM) != 0; }

/* Rights are looked at part by part outside virtual-8086 mode, of CS always, of the others where they are usable. */
static bool looked_at(const vx_vmx_entry *e, uint32_t s)
{
    if (s == TR) return true;
    if (s == LDTR) return usable(e, s);
    return !v86(e) && (s == CS || usable(e, s));
}

static bool ti_clear(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return !looked_at(e, check->field) || !(selector(e, check->field) & TI);
}

static bool ss_rpl(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return v86(e) || unrestricted(e) || rpl(e, SS) == rpl(e, CS);
}

static bool base_v86(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return !v86(e) || base(e, check->field) == selector(e, check->field) << 4;
}
static bool base_canonical(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    if (check->field == LDTR && !usable(e, LDTR)) return true;
    return vx_canonical(base(e, check->field), e->caps->virtual_bits);
}
static bool base_short(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return (check->field != CS && !usable(e, check->field)) || base(e, check->field) >> 32 == 0;
}
static bool limit_v86(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return !v86(e) || limit(e, check->field) == LIMIT_V86;
}
static bool rights_v86(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return !v86(e) || rights(e, check->field) == RIGHTS_V86;
}

static bool cs_type(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    if (v86(e)) return true;
    unsigned t = type(e, CS);
    return (t & (TYPE_CODE | 1)) == (TYPE_CODE | 1) || (t == TYPE_DATA_RW && unrestricted(e));
}
static bool ss_type(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !looked_at(e, SS) || type(e, SS) == 3 || type(e, SS) == 7;
}
static bool data_type(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    if (!looked_at(e, check->field)) return true;
    unsigned t = type(e, check->field);
    return (t & 1) && (!(t & TYPE_CODE) || (t & 2)); /* accessed; code readable */
}
static bool s_set(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return !looked_at(e, check->field) || (rights(e, check->field) & RIGHTS_S);
}
static bool s_clear(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return !looked_at(e, check->field) || !(rights(e, check->field) & RIGHTS_S);
}

static bool cs_dpl(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    if (v86(e)) return true;
    switch (type(e, CS)) {
    case 3:
        return dpl(e, CS) == 0;
    case 9:
    case 11:
        return dpl(e, CS) == dpl(e, SS);
    case 13:
    case 15:
        return dpl(e, CS) <= dpl(e, SS);
    default:
        return true; /* the type's own check fails */
    }
}
static bool ss_dpl_rpl(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return v86(e) || unrestricted(e) || dpl(e, SS) == rpl(e, SS);
}
static bool ss_dpl_real(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    if (v86(e)) return true;
    bool must_be_0 = type(e, CS) == TYPE_DATA_RW || !(field(e, VX_VMCS_GUEST_CR0) & VX_CR0_PE);
    return !must_be_0 || dpl(e, SS) == 0;
}
static bool data_dpl(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    uint32_t s = check->field;
    return unrestricted(e) || !looked_at(e, s) || type(e, s) > 11 || dpl(e, s) >= rpl(e, s);
}
static bool p_set(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return !looked_at(e, check->field) || (rights(e, check->field) & RIGHTS_P);
}
static bool reserved_low(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return !looked_at(e, check->field) || bits_clear(rights(e, check->field), 11, 8);
}
static bool cs_db(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return v86(e) || !guest_ia32e(e) || (rights(e, CS) & (RIGHTS_L | RIGHTS_DB)) != (RIGHTS_L | RIGHTS_DB);
}
static bool g_clear(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return !looked_at(e, check->field) || (limit(e, check->field) & 0xFFF) == 0xFFF ||
           !(rights(e, check->field) & RIGHTS_G);
}
static bool g_set(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return !looked_at(e, check->field) || !(limit(e, check->field) >> 20) || (rights(e, check->field) & RIGHTS_G);
}
static bool reserved_high(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return !looked_at(e, check->field) || bits_clear(rights(e, check->field), 31, 17);
}

static bool tr_type(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return type(e, TR) == 11 || (type(e, TR) == 3 && !guest_ia32e(e));
}
static bool tr_usable(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return usable(e, TR);
}
static bool ldtr_type(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !usable(e, LDTR) || type(e, LDTR) == 2;
}

/* One row; and the same row for the six segment registers of code and data. */
#define ROW(name, register_name, part, register, predicate, sentence)                                                  \
    {                                                                                                                  \
        .id = "guest-" name "-" part, .section = "26.3.1.2", .outcome = VX_CHECK_GUEST, .when = VX_WORD_NONE,          \
        .holds = (predicate), .field = (register), .text = "guest " register_name ": " sentence                        \
    }
#define DATA(part, predicate, sentence)                                                                                \
    ROW("ds", "DS", part, DS, predicate, sentence), ROW("es", "ES", part, ES, predicate, sentence),                    \
        ROW("fs", "FS", part, FS, predicate, sentence), ROW("gs", "GS", part, GS, predicate, sentence)
#define SIX(part, predicate, sentence)                                                                                 \
    ROW("cs", "CS", part, CS, predicate, sentence), ROW("ss", "SS", part, SS, predicate, sentence),                    \
        DATA(part, predicate, sentence)

const vx_vmx_check vmx_segment_checks[] = {
    ROW("tr", "TR", "selector", TR, ti_clear, "the selector's TI flag is 0"),
    ROW("ldtr", "LDTR", "selector", LDTR, ti_clear, "the selector's TI flag is 0 where LDTR is usable"),
    ROW("ss", "SS", "rpl", SS, ss_rpl, "RPL equals that of CS, but in virtual-8086 mode or where unrestricted"),
    SIX("base-v86", base_v86, "the base is the selector times 16 in virtual-8086 mode"),
    ROW("tr", "TR", "base", TR, base_canonical, "the base is canonical"),
    ROW("fs", "FS", "base", FS, base_canonical, "the base is canonical"),
    ROW("gs", "GS", "base", GS, base_canonical, "the base is canonical"),
    ROW("ldtr", "LDTR", "base", LDTR, base_canonical, "the base is canonical where LDTR is usable"),
    ROW("cs", "CS", "base", CS, base_short, "bits 63:32 of the base are 0"),
    ROW("ss", "SS", "base", SS, base_short, "bits 63:32 of the base are 0 where SS is usable"),
    ROW("ds", "DS", "base", DS, base_short, "bits 63:32 of the base are 0 where DS is usable"),
    ROW("es", "ES", "base", ES, base_short, "bits 63:32 of the base are 0 where ES is usable"),
    SIX("limit-v86", limit_v86, "the limit is FFFFH in virtual-8086 mode"),
    SIX("rights-v86", rights_v86, "the access rights are F3H in virtual-8086 mode"),
    ROW("cs", "CS", "type", CS, cs_type, "the type is 9, 11, 13 or 15, or 3 where the guest is unrestricted"),
    ROW("ss", "SS", "type", SS, ss_type, "the type is 3 or 7 where SS is usable"),
    DATA("type", data_type, "a usable segment's type is accessed, and readable where it is code"),
    SIX("s", s_set, "S is 1 (but for unusable data segments)"),
    ROW("cs", "CS", "dpl", CS, cs_dpl,
        "DPL is 0 with type 3, that of SS with 9 or 11, at most that of SS with 13 or 15"),
    ROW("ss", "SS", "dpl", SS, ss_dpl_rpl, "DPL equals the selector's RPL, but where the guest is unrestricted"),
    ROW("ss", "SS", "dpl-real", SS, ss_dpl_real, "DPL is 0 where CS has type 3 or CR0.PE is 0"),
    DATA("dpl", data_dpl, "DPL is at least RPL for data and non-conforming code, but where the guest is unrestricted"),
    SIX("p", p_set, "P is 1 (but for unusable data segments)"),
    SIX("reserved", reserved_low, "bits 11:8 of the access rights are 0 (but for unusable data segments)"),
    ROW("cs", "CS", "db", CS, cs_db, "D/B is 0 in IA-32e mode with L"),
    SIX("g-clear", g_clear, "G is 0 where a bit of limit 11:0 is 0"),
    SIX("g-set", g_set, "G is 1 where a bit of limit 31:20 is 1"),
    SIX("reserved-high", reserved_high, "bits 31:17 of the access rights are 0 (but for unusable data segments)"),
    ROW("tr", "TR", "type", TR, tr_type, "the type is 11 (busy TSS), or 3 outside IA-32e mode"),
    ROW("tr", "TR", "s", TR, s_clear, "S is 0"),
    ROW("tr", "TR", "p", TR, p_set, "P is 1"),
    ROW("tr", "TR", "reserved", TR, reserved_low, "bits 11:8 of the access rights are 0"),
    ROW("tr", "TR", "g-clear", TR, g_clear, "G is 0 where a bit of limit 11:0 is 0"),
    ROW("tr", "TR", "g-set", TR, g_set, "G is 1 where a bit of limit 31:20 is 1"),
    ROW("tr", "TR", "usable", TR, tr_usable, "TR is usable"),
    ROW("tr", "TR", "reserved-high", TR, reserved_high, "bits 31:17 of the access rights are 0"),
    ROW("ldtr", "LDTR", "type", LDTR, ldtr_type, "the type is 2 (LDT) where LDTR is usable"),
    ROW("ldtr", "LDTR", "s", LDTR, s_clear, "S is 0 where LDTR is usable"),
    ROW("ldtr", "LDTR", "p", LDTR, p_set, "P is 1 where LDTR is usable"),
    ROW("ldtr", "LDTR", "reserved", LDTR, reserved_low, "bits 11:8 of the access rights are 0 where LDTR is usable"),
    ROW("ldtr", "LDTR", "g-clear", LDTR, g_clear, "G is 0 where a bit of limit 11:0 is 0 and LDTR is usable"),
    ROW("ldtr", "LDTR", "g-set", LDTR, g_set, "G is 1 where a bit of limit 31:20 is 1 and LDTR is usable"),
    ROW("ldtr", "LDTR", "reserved-high", LDTR, reserved_high, "bits 31:17 of the rights are 0 where LDTR is usable"),
};
const unsigned vmx_segment_check_count = sizeof vmx_segment_checks / sizeof *vmx_segment_checks;
