/* The recorder's decoder: which instructions it must see, and the addresses they name. */
#include <string.h>

#include "instruction_class.h"
#include "test_support.h"

static vxr_instruction decode(unsigned bits, const char *bytes, size_t size)
{
    return vxr_classify((const uint8_t *)bytes, size, bits);
}

#define DECODE(bits, bytes) decode(bits, bytes, sizeof bytes - 1)

static void classes(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        vxr_class class;
        uint8_t detail;
    } rows[] = {
#define ROW(bytes, class, detail) {bytes, sizeof bytes - 1, class, detail}
        ROW("\x0f\x22\xd8", VXR_CR_WRITE, 0),
        ROW("\x0f\x20\xd0", VXR_CR_READ, 0),
        ROW("\x44\x0f\x22\xc0", VXR_CR_WRITE, 0),
        ROW("\x0f\x23\xf8", VXR_DR_WRITE, 0),
        ROW("\x0f\x21\xf8", VXR_DR_READ, 0),
        ROW("\x0f\x06", VXR_CLTS, 0),
        ROW("\x0f\x01\xf0", VXR_LMSW, 0),
        ROW("\x0f\x01\x3f", VXR_INVLPG, 0),
        ROW("\x66\x0f\x38\x82\x07", VXR_INVPCID, 0),
        ROW("\x0f\x01\x07", VXR_DESC_TABLE, 0),
        ROW("\x0f\x01\x0f", VXR_DESC_TABLE, 1),
        ROW("\x0f\x01\x17", VXR_DESC_TABLE, 2),
        ROW("\x0f\x01\x1f", VXR_DESC_TABLE, 3),
        ROW("\x0f\x00\xc0", VXR_DESC_TABLE, 4),
        ROW("\x0f\x00\xc8", VXR_DESC_TABLE, 5),
        ROW("\x0f\x00\xd0", VXR_DESC_TABLE, 6),
        ROW("\x0f\x00\xd8", VXR_DESC_TABLE, 7),
        ROW("\x0f\x01\xe0", VXR_DESC_TABLE, 8),
        ROW("\xec", VXR_IN, 0),
        ROW("\xe7\x80", VXR_OUT, 0),
        ROW("\xf3\x6d", VXR_INS, 0),
        ROW("\x6e", VXR_OUTS, 0),
        ROW("\x0f\xa2", VXR_CPUID, 0),
        ROW("\xf4", VXR_HLT, 0),
        ROW("\xf3\x90", VXR_PAUSE, 0),
        ROW("\x90", VXR_PLAIN, 0),
        ROW("\x0f\x31", VXR_RDTSC, 0),
        ROW("\x0f\x01\xf9", VXR_RDTSCP, 0),
        ROW("\x0f\x33", VXR_RDPMC, 0),
        ROW("\x0f\x08", VXR_INVD, 0),
        ROW("\x0f\x09", VXR_WBINVD, 0),
        ROW("\x0f\x01\xc8", VXR_MONITOR, 0),
        ROW("\x0f\x01\xc9", VXR_MWAIT, 0),
        ROW("\x0f\x01\xd1", VXR_XSETBV, 0),
        ROW("\xfa", VXR_CLI, 0),
        ROW("\xfb", VXR_STI, 0),
        ROW("\x9c", VXR_PUSHF, 0),
        ROW("\x9d", VXR_POPF, 0),
        ROW("\x0f\x01\xf8", VXR_SWAPGS, 0),
        ROW("\x0f\x32", VXR_RDMSR, 0),
        ROW("\x0f\x30", VXR_WRMSR, 0),
        ROW("\xcd\x80", VXR_INT_N, 0),
        ROW("\xcc", VXR_PLAIN, 0),
        ROW("\x48\xcf", VXR_IRET, 0),
        ROW("\x0f\x05", VXR_SYSCALL, 0),
        ROW("\x48\x0f\x07", VXR_SYSRET, 0),
        ROW("\x0f\x34", VXR_SYSENTER, 0),
        ROW("\x0f\x35", VXR_SYSEXIT, 0),
        ROW("\x0f\x01\xc1", VXR_VMCALL, 0),
        ROW("\x0f\x01\xd9", VXR_VMMCALL, 0),
        ROW("\x0f\x01\xc2", VXR_VMX, 20),
        ROW("\x0f\x01\xc4", VXR_VMX, 26),
        ROW("\x0f\xc7\x37", VXR_VMX, 21),
        ROW("\x66\x0f\xc7\x37", VXR_VMX, 19),
        ROW("\xf3\x0f\xc7\x37", VXR_VMX, 27),
        ROW("\x0f\xc7\x3f", VXR_VMX, 22),
        ROW("\x0f\x78\xc1", VXR_VMX, 23),
        ROW("\x0f\x79\xc1", VXR_VMX, 25),
        ROW("\x66\x0f\x38\x80\x07", VXR_VMX, 50),
        ROW("\x66\x0f\x38\x81\x07", VXR_VMX, 53),
        ROW("\x0f\x01\xd8", VXR_SVM, 0x80),
        ROW("\x0f\x01\xdf", VXR_SVM, 0x7A),
        ROW("\x0f\xc7\xf0", VXR_PLAIN, 0),
        /* RDRAND */ ROW("\x0f\xc7\x0f", VXR_PLAIN, 0), /* CMPXCHG8B */
        ROW("\x0f\x1f\x00", VXR_PLAIN, 0),
        /* NOP */ ROW("\xb8\xf4\xf4\xf4\xf4", VXR_PLAIN, 0), /* MOV imm */
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        vxr_instruction got = decode(64, rows[i].bytes, rows[i].size);
        if (got.class != rows[i].class || got.detail != rows[i].detail) print_error("row %zu\n", i);
        assert_int_equal(got.class, rows[i].class);
        assert_int_equal(got.detail, rows[i].detail);
    }
}

static void operands(void **state)
{
    (void)state;
    vxr_instruction i = DECODE(64, "\x44\x0f\x22\xc7"); /* MOV CR8, RDI */
    assert_int_equal(i.reg, 8);
    assert_int_equal(i.rm, 7);
    i = DECODE(64, "\x41\x0f\x20\xd9"); /* MOV R9, CR3 */
    assert_int_equal(i.reg, 3);
    assert_int_equal(i.rm, 9);
    i = DECODE(32, "\xe4\x71");
    assert_int_equal(i.immediate, 0x71);
    assert_int_equal(DECODE(32, "\xed").operand_bytes, 4);
    assert_int_equal(DECODE(16, "\xed").operand_bytes, 2);
    assert_int_equal(DECODE(32, "\x66\xed").operand_bytes, 2);
    assert_int_equal(DECODE(16, "\x66\xed").operand_bytes, 4);
    assert_true(DECODE(64, "\xf3\x48\xab").repeated);      /* REP STOSQ */
    assert_false(DECODE(64, "\xf3\x0f\xb8\xc0").repeated); /* POPCNT */
    assert_int_equal(DECODE(32, "\x40").class, VXR_PLAIN);
}

/* What a driver moves to and from a device. */
static void moves(void **state)
{
    (void)state;
    vxr_instruction i = DECODE(64, "\x89\x07"); /* MOV [RDI], EAX */
    assert_int_equal(i.move, VXR_MOVE_REGISTER);
    assert_int_equal(i.reg, 0);
    i = DECODE(64, "\x44\x8b\x0f"); /* MOV R9D, [RDI] */
    assert_int_equal(i.move, VXR_MOVE_REGISTER);
    assert_int_equal(i.reg, 9);
    i = DECODE(32, "\x88\x27"); /* MOV [EDI], AH */
    assert_int_equal(i.move, VXR_MOVE_HIGH_BYTE);
    assert_int_equal(i.reg, 0);
    i = DECODE(32, "\xc7\x05\x80\x00\xe0\xfe\x41\x00\x00\x00"); /* MOV DWORD [0xFEE00080], 0x41 */
    assert_int_equal(i.move, VXR_MOVE_IMMEDIATE);
    assert_int_equal(i.immediate, 0x41);
    i = DECODE(64, "\xc7\x44\x24\x08\xff\xff\xff\xff"); /* MOV DWORD [RSP+8], -1 */
    assert_int_equal(i.immediate, UINT64_MAX);
    i = DECODE(32, "\xa3\x80\x00\xe0\xfe"); /* MOV [0xFEE00080], EAX */
    assert_int_equal(i.move, VXR_MOVE_REGISTER);
    assert_int_equal(DECODE(64, "\x01\x07").move, VXR_MOVE_OTHER); /* ADD [RDI], EAX */
}

static uint64_t address(unsigned bits, const char *bytes, size_t size, uint64_t next, uint64_t base)
{
    uint64_t gpr[16];
    for (unsigned i = 0; i < 16; i++) gpr[i] = 0x1000u * (i + 1);
    vxr_instruction i = vxr_classify((const uint8_t *)bytes, size, bits);
    return vxr_effective_address(&i, (const uint8_t *)bytes, size, gpr, next, base);
}

#define ADDRESS(bits, bytes, next, base) address(bits, bytes, sizeof bytes - 1, next, base)

static void addresses(void **state)
{
    (void)state;
    assert_int_equal(ADDRESS(64, "\x0f\x01\x3f", 0, 0), 0x8000);                          /* [RDI] */
    assert_int_equal(ADDRESS(64, "\x41\x0f\x01\x3f", 0, 0), 0x10000);                     /* [R15] */
    assert_int_equal(ADDRESS(64, "\x0f\x01\x7f\xf0", 0, 0), 0x7FF0);                      /* [RDI-16] */
    assert_int_equal(ADDRESS(64, "\x0f\x01\xbf\x00\x01\x00\x00", 0, 0), 0x8100);          /* [RDI+256] */
    assert_int_equal(ADDRESS(64, "\x0f\x01\x3c\x8f", 0, 0), 0x8000 + 4 * 0x2000);         /* [RDI+4*RCX] */
    assert_int_equal(ADDRESS(64, "\x0f\x01\x3c\x24", 0, 0), 0x5000);                      /* [RSP] */
    assert_int_equal(ADDRESS(64, "\x0f\x01\x3c\x25\x00\x20\x00\x00", 0, 0), 0x2000);      /* [disp32] */
    assert_int_equal(ADDRESS(64, "\x0f\x01\x3d\xfc\xff\xff\xff", 0x400100, 0), 0x4000FC); /* [RIP-4] */
    assert_int_equal(ADDRESS(32, "\x0f\x01\x3d\x00\x20\x00\x00", 0x400100, 0), 0x2000);   /* [disp32] */
    assert_int_equal(ADDRESS(64, "\x65\x0f\x01\x3f", 0, 0x100000), 0x108000);             /* GS:[RDI] */
    assert_int_equal(ADDRESS(16, "\x0f\x01\x1e\x34\x12", 0, 0x40), 0x1274);               /* [disp16] */
    assert_int_equal(ADDRESS(16, "\x0f\x01\x58\x10", 0, 0), 0x4000 + 0x7000 + 0x10);      /* [BX+SI+16] */
}

/* Cut anywhere, nothing is read behind the end (the sanitizers see to that) and nothing is invented. */
static void cut_instructions(void **state)
{
    (void)state;
    static const char whole[] = "\xf3\x66\x65\x48\x0f\x01\xbc\x8f\x78\x56\x34\x12";
    for (size_t size = 1; size < sizeof whole - 1; size++) {
        uint8_t *bytes = malloc(size);
        uint64_t gpr[16] = {0};
        assert_non_null(bytes);
        memcpy(bytes, whole, size);
        vxr_instruction i = vxr_classify(bytes, size, 64);
        if (size < 7) assert_int_equal(i.class, VXR_PLAIN);
        if (i.has_modrm) vxr_effective_address(&i, bytes, size, gpr, 0, 0);
        free(bytes);
    }
}

/* What certainly does not store need not be watched; anything else must be. */
static void stores(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        bool may_store;
    } rows[] = {
#define ROW(bytes, may_store) {bytes, sizeof bytes - 1, may_store}
        ROW("\x48\x8b\x07", false),                /* mov (%rdi), %rax */
        ROW("\x48\x89\x07", true),                 /* mov %rax, (%rdi) */
        ROW("\x48\xc7\x07\x01\x00\x00\x00", true), /* mov $1, (%rdi) */
        ROW("\x03\x07", false),                    /* add (%rdi), %eax */
        ROW("\x01\x07", true),                     /* add %eax, (%rdi) */
        ROW("\x39\x07", false),                    /* cmp %eax, (%rdi) */
        ROW("\x83\x3f\x01", false),                /* cmpl $1, (%rdi) */
        ROW("\x83\x07\x01", true),                 /* addl $1, (%rdi) */
        ROW("\xf7\x07\x01\x00\x00\x00", false),    /* testl $1, (%rdi) */
        ROW("\xf7\x17", true),                     /* notl (%rdi) */
        ROW("\x50", true),                         /* push %rax */
        ROW("\x58", false),                        /* pop %rax */
        ROW("\xe8\x00\x00\x00\x00", true),         /* call */
        ROW("\xff\x17", true),                     /* call *(%rdi) */
        ROW("\xff\x27", false),                    /* jmp *(%rdi) */
        ROW("\xff\x37", true),                     /* push (%rdi) */
        ROW("\xc3", false),                        /* ret */
        ROW("\xf3\xab", true),                     /* rep stos */
        ROW("\xf3\xa6", false),                    /* repe cmps */
        ROW("\xf0\x48\x0f\xb1\x07", true),         /* lock cmpxchg %rax, (%rdi) */
        ROW("\x0f\xb6\x07", false),                /* movzbl (%rdi), %eax */
        ROW("\x0f\xc7\x0f", true),                 /* cmpxchg8b (%rdi) */
        ROW("\x0f\xae\x07", true),                 /* fxsave (%rdi) */
        ROW("\x63\x07", true),                     /* movslq: in 32-bit code it is arpl, which stores */
        ROW("\x48\x40\x89\x07", true),             /* a REX prefix too many */
        ROW("\x66", true)                          /* no opcode at all */
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(decode(64, rows[i].bytes, rows[i].size).may_store, rows[i].may_store);
}

/* For these the processor reads a descriptor. */
static void segments(void **state)
{
    (void)state;
    static const struct {
        unsigned bits;
        const char *bytes;
        size_t size;
        bool reads;
    } rows[] = {
#define ROW(bits, bytes, reads) {bits, bytes, sizeof bytes - 1, reads}
        ROW(32, "\x8e\xe8", true),          /* mov %ax, %gs */
        ROW(64, "\x8e\x2f", true),          /* mov (%rdi), %gs */
        ROW(32, "\x8c\xe8", false),         /* mov %gs, %eax */
        ROW(32, "\x07", true),              /* pop %es */
        ROW(32, "\x58", false),             /* pop %eax */
        ROW(64, "\x0f\xa9", true),          /* pop %gs */
        ROW(64, "\x0f\xa8", false),         /* push %gs */
        ROW(32, "\xc5\x07", true),          /* lds (%edi), %eax */
        ROW(32, "\xc5\xf8\x77", false),     /* vzeroupper */
        ROW(64, "\xc5\x07\x58\xc1", false), /* VEX, of the same bytes as LDS */
        ROW(64, "\x0f\xb2\x27", true),      /* lss (%rdi), %esp */
        ROW(64, "\x0f\x03\xc1", true),      /* lsl %ecx, %eax */
        ROW(64, "\x0f\x00\xe0", true),      /* verr %ax */
        ROW(64, "\x0f\x00\xd0", false),     /* lldt %ax: an event of its own */
        ROW(64, "\xff\x1f", true),          /* lcall *(%rdi) */
        ROW(64, "\xff\x17", false),         /* call *(%rdi) */
        ROW(64, "\xcb", true),              /* lret */
        ROW(64, "\xc3", false),             /* ret */
        ROW(64, "\xff", false),
        ROW(64, "\x0f", false)
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(decode(rows[i].bits, rows[i].bytes, rows[i].size).reads_descriptor, rows[i].reads);
}

static void far_transfers(void **state)
{
    (void)state;
    assert_true(DECODE(32, "\x9a\x01\x02\x03\x04\x05\x06").is_far); /* lcall */
    assert_true(DECODE(32, "\xea\x01\x02\x03\x04\x05\x06").is_far); /* ljmp */
    assert_true(DECODE(64, "\x48\xcb").is_far);                     /* lret */
    assert_true(DECODE(32, "\xca\x08\x00").is_far);                 /* lret $8 */
    assert_true(DECODE(64, "\xff\x18").is_far);                     /* lcall *(%rax) */
    assert_true(DECODE(64, "\xff\x28").is_far);                     /* ljmp *(%rax) */
    assert_false(DECODE(64, "\xff\x10").is_far);                    /* call *(%rax) */
    assert_false(DECODE(64, "\xff\x30").is_far);                    /* push (%rax) */
    assert_false(DECODE(64, "\x48\xcf").is_far);                    /* iret: a class of its own */
    assert_false(DECODE(64, "\xe8\x01\x02\x03\x04").is_far);        /* call */
    assert_false(DECODE(64, "\xff").is_far);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stores),    cmocka_unit_test(far_transfers),
                                       cmocka_unit_test(segments),  cmocka_unit_test(classes),
                                       cmocka_unit_test(operands),  cmocka_unit_test(moves),
                                       cmocka_unit_test(addresses), cmocka_unit_test(cut_instructions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
