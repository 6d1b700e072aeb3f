/* Where instructions end: each row is whole with all of its bytes and with none less. */
#include <string.h>

#include "instruction_length.h"
#include "test_support.h"
#include "vx_random.h"

enum { LONGEST = 15 };

typedef struct row {
    unsigned bits;
    const char *bytes;
    size_t size;
} row;

#define ROW(bits, bytes)                                                                                               \
    {                                                                                                                  \
        bits, bytes, sizeof bytes - 1                                                                                  \
    }

static void check(const row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *bytes = (const uint8_t *)rows[i].bytes;
        for (size_t size = 0; size < rows[i].size; size++) assert_false(vxr_is_whole(bytes, size, rows[i].bits));
        assert_true(vxr_is_whole(bytes, rows[i].size, rows[i].bits));
    }
}

static void one_byte_opcodes(void **state)
{
    (void)state;
    static const row rows[] = {
        ROW(64, "\x50"),                                     /* push %rax */
        ROW(64, "\x90"),                                     /* nop */
        ROW(64, "\x48\x89\xc3"),                             /* mov %rax, %rbx */
        ROW(64, "\x48\x8b\x44\x24\x08"),                     /* mov 8(%rsp), %rax */
        ROW(64, "\x8b\x05\x00\x01\x00\x00"),                 /* mov 0x100(%rip), %eax */
        ROW(64, "\x8b\x04\x25\x00\x01\x00\x00"),             /* mov 0x100, %eax: SIB without a base */
        ROW(64, "\x8b\x84\x24\x00\x01\x00\x00"),             /* mov 0x100(%rsp), %eax */
        ROW(64, "\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x08"), /* movabs */
        ROW(64, "\xb8\x01\x02\x03\x04"),                     /* mov $..., %eax */
        ROW(64, "\x66\xb8\x01\x02"),                         /* mov $..., %ax */
        ROW(64, "\xb0\x01"),                                 /* mov $1, %al */
        ROW(64, "\x48\xc7\x00\x01\x00\x00\x00"),             /* movq $1, (%rax) */
        ROW(64, "\x66\xc7\x00\x01\x00"),                     /* movw $1, (%rax) */
        ROW(64, "\xc6\x00\x01"),                             /* movb $1, (%rax) */
        ROW(64, "\x48\x81\xec\x00\x01\x00\x00"),             /* sub $0x100, %rsp */
        ROW(64, "\x48\x83\xec\x08"),                         /* sub $8, %rsp */
        ROW(64, "\x69\xc0\x00\x01\x00\x00"),                 /* imul $0x100, %eax, %eax */
        ROW(64, "\xe8\x00\x00\x00\x00"),                     /* call */
        ROW(64, "\x74\x00"),                                 /* je */
        ROW(64, "\xeb\x00"),                                 /* jmp */
        ROW(64, "\xc2\x08\x00"),                             /* ret $8 */
        ROW(64, "\xc8\x08\x00\x00"),                         /* enter */
        ROW(64, "\xf6\x00\x01"),                             /* testb $1, (%rax) */
        ROW(64, "\xf7\x00\x01\x00\x00\x00"),                 /* testl $1, (%rax) */
        ROW(64, "\xf7\x10"),                                 /* notl (%rax) */
        ROW(64, "\xa1\x01\x02\x03\x04\x05\x06\x07\x08"),     /* movabs, an absolute address */
        ROW(64, "\x67\xa1\x01\x02\x03\x04"),                 /* addr32 mov */
        ROW(32, "\xa1\x01\x02\x03\x04"),
        ROW(16, "\xa1\x01\x02"),
        ROW(32, "\xea\x01\x02\x03\x04\x05\x06"), /* ljmp */
        ROW(16, "\xea\x01\x02\x03\x04"),
        ROW(16, "\x66\xea\x01\x02\x03\x04\x05\x06"),
        ROW(32, "\x40"),                 /* inc %eax: no REX */
        ROW(32, "\x68\x01\x02\x03\x04"), /* push $... */
        ROW(16, "\x68\x01\x02"),
        ROW(16, "\x8b\x46\x02"),                         /* mov 2(%bp), %ax */
        ROW(16, "\x8b\x06\x01\x02"),                     /* mov 0x201, %ax */
        ROW(16, "\x67\x66\x8b\x50\x04"),                 /* mov 4(%eax), %edx */
        ROW(32, "\x67\x8b\x46\x02"),                     /* mov 2(%bp), %eax */
        ROW(64, "\xf3\x48\xab"),                         /* rep stos */
        ROW(64, "\xf0\x48\x0f\xb1\x0f"),                 /* lock cmpxchg %rcx, (%rdi) */
        ROW(64, "\x65\x48\x8b\x04\x25\x28\x00\x00\x00"), /* mov %gs:0x28, %rax */
        ROW(64, "\xd9\x7d\xfc"),                         /* fnstcw -4(%rbp) */
    };
    check(rows, sizeof rows / sizeof *rows);
}

static void other_maps(void **state)
{
    (void)state;
    static const row rows[] = {
        ROW(64, "\x0f\x05"),                         /* syscall */
        ROW(64, "\x0f\x0b"),                         /* ud2 */
        ROW(64, "\x0f\xa2"),                         /* cpuid */
        ROW(64, "\x0f\x01\xf8"),                     /* swapgs */
        ROW(64, "\x0f\x1f\x84\x00\x00\x00\x00\x00"), /* nopl */
        ROW(64, "\x0f\x84\x00\x00\x00\x00"),         /* je */
        ROW(16, "\x0f\x84\x00\x00"),                 /* je */
        ROW(64, "\x0f\x22\xd8"),                     /* mov %rax, %cr3 */
        ROW(64, "\x0f\x20\x1c"),                     /* mov %cr3, %rsp: ModRM's upper bits do not matter */
        ROW(64, "\x0f\xb6\x40\x08"),                 /* movzbl 8(%rax), %eax */
        ROW(64, "\x0f\xba\xe0\x07"),                 /* bt $7, %eax */
        ROW(64, "\x0f\xc7\x0f"),                     /* cmpxchg8b (%rdi) */
        ROW(64, "\x0f\xc8"),                         /* bswap %eax */
        ROW(64, "\x66\x0f\x70\xc0\x1b"),             /* pshufd */
        ROW(64, "\x0f\xc6\xc0\x1b"),                 /* shufps */
        ROW(64, "\x66\x0f\x38\x82\x07"),             /* invpcid */
        ROW(64, "\x66\x0f\x3a\x0f\xc0\x08"),         /* palignr */
        ROW(64, "\xf2\x48\x0f\x38\xf1\xc0"),         /* crc32 */
        ROW(64, "\xc5\xf8\x77"),                     /* vzeroupper */
        ROW(64, "\xc5\xfd\x6f\x47\x20"),             /* vmovdqa 32(%rdi), %ymm0 */
        ROW(64, "\xc4\xe2\x7d\x18\x07"),             /* vbroadcastss (%rdi), %ymm0 */
        ROW(64, "\xc4\xe3\x7d\x39\xc0\x01"),         /* vextracti128 */
        ROW(64, "\xc5\xfd\x70\xc0\x1b"),             /* vpshufd */
        ROW(64, "\x62\xf1\xfd\x48\x6f\x47\x01"),     /* vmovdqa64 64(%rdi), %zmm0 */
        ROW(64, "\x62\xf3\x7d\x48\x03\xc0\x01"),     /* valignd */
        ROW(32, "\xc5\x07"),                         /* lds (%edi), %eax: no VEX */
        ROW(32, "\x62\x07"),                         /* bound */
        ROW(32, "\xc5\xf8\x77"),                     /* VEX: ModRM would name no memory */
    };
    check(rows, sizeof rows / sizeof *rows);
}

/* What follows a whole instruction does not matter, and no bytes are read that are not there. */
static void random_bytes(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "instruction length");
    for (unsigned round = 0; round < 200000; round++) {
        static const unsigned modes[3] = {16, 32, 64};
        uint8_t bytes[2 * LONGEST];
        unsigned bits = modes[vx_random_below(&random, 3)];
        for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)vx_random_below(&random, 256);
        size_t size = 0;
        while (size < sizeof bytes && !vxr_is_whole(bytes, size, bits)) size++;
        for (size_t more = size; more <= sizeof bytes; more++)
            if (size < sizeof bytes) assert_true(vxr_is_whole(bytes, more, bits));
        bytes[size % sizeof bytes] ^= 0xFF;
        if (size > 0 && size < sizeof bytes) assert_true(vxr_is_whole(bytes, size, bits));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_byte_opcodes), cmocka_unit_test(other_maps),
                                       cmocka_unit_test(random_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
