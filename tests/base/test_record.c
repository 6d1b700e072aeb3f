/* The record table and the one check of well-formedness. */
#include <string.h>

#include "test_support.h"
#include "vx_random.h"
#include "vx_record.h"

/* What the header says of each kind, written down a second time: legal sizes as up to three ranges, payload words. */
typedef struct kind_rule {
    uint8_t kind;
    uint8_t ranges; /* how many of the sizes below */
    uint8_t size[3][2];
    uint16_t words_min, words_max;
    uint64_t addr; /* a legal one */
} kind_rule;

#define NO_SIZE                                                                                                        \
    1,                                                                                                                 \
    {                                                                                                                  \
        {                                                                                                              \
            0, 0                                                                                                       \
        }                                                                                                              \
    }
static const kind_rule rules[] = {
    {VX_REC_PT_STORE, 2, {{4, 4}, {8, 8}}, 2, 2, VX_GVA_UNKNOWN},
    {VX_REC_PT_PAGE_NEW, 1, {{1, 5}}, 0, 2048, 0x1000},
    {VX_REC_PT_PAGE_GONE, NO_SIZE, 0, 0, 0x1000},
    {VX_REC_STATE, 1, {{0, 3}}, 13, 13, 0},
    {VX_REC_SKIPPED, NO_SIZE, 4, 4, 0},
    {VX_REC_GPA, NO_SIZE, 0, 0, 0},
    {VX_REC_PROCESS, NO_SIZE, 0, 0, 0},
    {VX_REC_MARK, NO_SIZE, 0, 0, 0},
    {VX_REC_CR_READ, 3, {{0, 0}, {2, 4}, {8, 8}}, 0, 0, 0},
    {VX_REC_CR_WRITE, 3, {{0, 0}, {2, 4}, {8, 8}}, 0, 0, 0},
    {VX_REC_CLTS, NO_SIZE, 0, 0, 0},
    {VX_REC_LMSW, NO_SIZE, 0, 0, 0},
    {VX_REC_EFER_LOAD, NO_SIZE, 0, 0, 0},
    {VX_REC_PDPTE_LOAD, NO_SIZE, 4, 4, 0},
    {VX_REC_INVLPG, NO_SIZE, 0, 0, 0},
    {VX_REC_INVPCID, 1, {{0, 3}}, 1, 1, 0},
    {VX_REC_EXCEPTION, 1, {{0, 31}}, 1, 1, 0},
    {VX_REC_INTERRUPT, 1, {{0, 255}}, 0, 0, 0},
    {VX_REC_INT_N, 1, {{0, 255}}, 0, 0, 0},
    {VX_REC_IRET, NO_SIZE, 0, 0, 0},
    {VX_REC_SYSCALL, NO_SIZE, 0, 0, 0},
    {VX_REC_SYSRET, NO_SIZE, 0, 0, 0},
    {VX_REC_SYSENTER, NO_SIZE, 0, 0, 0},
    {VX_REC_SYSEXIT, NO_SIZE, 0, 0, 0},
    {VX_REC_CPL, 1, {{0, 3}}, 0, 0, 0},
    {VX_REC_CPUID, NO_SIZE, 1, 1, 0},
    {VX_REC_HLT, NO_SIZE, 0, 0, 0},
    {VX_REC_PAUSE, NO_SIZE, 0, 0, 1},
    {VX_REC_RDTSC, NO_SIZE, 0, 0, 1},
    {VX_REC_RDTSCP, NO_SIZE, 0, 0, 0},
    {VX_REC_RDPMC, NO_SIZE, 0, 0, 0},
    {VX_REC_INVD, NO_SIZE, 0, 0, 0},
    {VX_REC_WBINVD, NO_SIZE, 0, 0, 0},
    {VX_REC_MONITOR, NO_SIZE, 0, 0, 0},
    {VX_REC_MWAIT, NO_SIZE, 0, 0, 0},
    {VX_REC_XSETBV, 1, {{0, 255}}, 0, 0, 0},
    {VX_REC_DR_READ, 1, {{0, 7}}, 0, 0, 0},
    {VX_REC_DR_WRITE, 1, {{0, 7}}, 0, 0, 0},
    {VX_REC_DESC_TABLE, 1, {{VX_DESC_SGDT, VX_DESC_SMSW}}, 0, 0, 0},
    {VX_REC_CLI, NO_SIZE, 0, 0, 0},
    {VX_REC_STI, NO_SIZE, 0, 0, 0},
    {VX_REC_PUSHF, NO_SIZE, 0, 0, 0},
    {VX_REC_POPF, NO_SIZE, 0, 0, 0},
    {VX_REC_SWAPGS, NO_SIZE, 0, 0, 0},
    {VX_REC_RDMSR, NO_SIZE, 1, 1, 0},
    {VX_REC_WRMSR, NO_SIZE, 1, 1, 0},
    {VX_REC_IO_IN, 2, {{1, 2}, {4, 4}}, 2, 2, 0xFFFF},
    {VX_REC_IO_OUT, 2, {{1, 2}, {4, 4}}, 2, 2, 0xFFFF},
    {VX_REC_MMIO_READ, 1, {{1, 64}}, 2, 2, 0xFEE00000},
    {VX_REC_MMIO_WRITE, 1, {{1, 64}}, 2, 2, 0xFEE00000},
    {VX_REC_APIC_READ, 1, {{1, 64}}, 2, 2, 0xFFF},
    {VX_REC_APIC_WRITE, 1, {{1, 64}}, 2, 2, 0xFFF},
    {VX_REC_VMCALL, NO_SIZE, 0, 0, 0},
    {VX_REC_VMMCALL, NO_SIZE, 0, 0, 0},
    {VX_REC_SVM, 1, {{0, 255}}, 0, 0, 0},
    {VX_REC_DMA, 1, {{0, 1}}, 3, 3, 0},
    {VX_REC_DMA_MAP, NO_SIZE, 4, 4, 0},
    {VX_REC_DMA_UNMAP, NO_SIZE, 2, 2, 0},
    {VX_REC_MSI, NO_SIZE, 2, 2, 0},
    {VX_REC_INSTRUCTION, 1, {{0, VX_INSTRUCTION_TDCALL}}, 1, 1, 0},
    {VX_REC_SIGNAL, 1, {{0, VX_SIGNAL_BUS_LOCK}}, 0, 0, 0},
};
enum { RULES = sizeof rules / sizeof rules[0] };

/* Kinds that the rules do not cover: no payload and shapes of their own. VMX has four ranges of sizes. */
static const uint8_t special[] = {VX_REC_FETCH, VX_REC_LOAD, VX_REC_STORE, VX_REC_VMX};

static bool has_kind(unsigned kind)
{
    for (unsigned i = 0; i < RULES; i++)
        if (rules[i].kind == kind) return true;
    return memchr(special, (int)kind, sizeof special) != NULL;
}

static vx_record good(const kind_rule *rule)
{
    return (vx_record){.addr = rule->addr, .count = rule->words_min, .size = rule->size[0][0], .kind = rule->kind};
}

static void the_table_describes_each_kind_and_nothing_else(void **state)
{
    (void)state;
    unsigned described = 0;
    for (unsigned kind = 0; kind < 1000; kind++) {
        const vx_record_info *info = vx_record_describe(kind);
        assert_int_equal(info != NULL, kind < 256 && has_kind(kind));
        if (!info) continue;
        described++;
        assert_true(strlen(info->name) > 0);
        for (unsigned other = 0; other < kind; other++)
            if (vx_record_describe(other)) assert_string_not_equal(info->name, vx_record_describe(other)->name);
    }
    assert_int_equal(described, RULES + sizeof special);
    assert_null(vx_record_describe(UINT32_MAX));
}

static void the_tables_bounds_are_the_rules(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RULES; i++) {
        const vx_record_info *info = vx_record_describe(rules[i].kind);
        assert_int_equal(info->words_min, rules[i].words_min);
        assert_int_equal(info->words_max, rules[i].words_max);
        assert_int_equal(info->size_max, rules[i].size[rules[i].ranges - 1][1]);
    }
}

static void numbered_kinds_have_a_name_for_each_number(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 256; n++) {
        assert_int_equal(vx_instruction_name(n) != NULL, n <= VX_INSTRUCTION_TDCALL);
        assert_int_equal(vx_signal_name(n) != NULL, n <= VX_SIGNAL_BUS_LOCK);
        for (unsigned other = 0; other < n && vx_instruction_name(n); other++)
            assert_string_not_equal(vx_instruction_name(n), vx_instruction_name(other));
    }
}

static void references_are_four_kinds(void **state)
{
    (void)state;
    for (unsigned kind = 1; kind < VX_REC_KINDS; kind++) {
        const vx_record_info *info = vx_record_describe(kind);
        if (!info) continue;
        bool reference = kind == VX_REC_FETCH || kind == VX_REC_LOAD || kind == VX_REC_STORE || kind == VX_REC_PT_STORE;
        assert_int_equal(info->is_reference, reference);
    }
}

static void what_may_change_a_translation_ends_a_filter(void **state)
{
    (void)state;
    static const uint8_t ends[] = {VX_REC_PT_STORE,   VX_REC_PT_PAGE_NEW, VX_REC_PT_PAGE_GONE, VX_REC_STATE,
                                   VX_REC_PROCESS,    VX_REC_CR_WRITE,    VX_REC_LMSW,         VX_REC_EFER_LOAD,
                                   VX_REC_PDPTE_LOAD, VX_REC_INVLPG,      VX_REC_INVPCID,      VX_REC_VMCALL,
                                   VX_REC_VMMCALL,    VX_REC_VMX,         VX_REC_SVM,          VX_REC_SIGNAL};
    for (unsigned kind = 1; kind < VX_REC_KINDS; kind++) {
        const vx_record_info *info = vx_record_describe(kind);
        if (info) assert_int_equal(info->ends_filter, memchr(ends, (int)kind, sizeof ends) != NULL);
    }
}

/* ---- validity ---- */

static bool size_legal(const kind_rule *rule, unsigned size)
{
    for (unsigned i = 0; i < rule->ranges; i++)
        if (size >= rule->size[i][0] && size <= rule->size[i][1]) return true;
    return false;
}

static void every_size_is_judged(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RULES; i++)
        for (unsigned size = 0; size < 256; size++) {
            vx_record record = good(&rules[i]);
            record.size = (uint8_t)size;
            assert_int_equal(vx_record_valid(&record, record.count), size_legal(&rules[i], size));
        }
}

static void every_payload_length_is_judged(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RULES; i++)
        for (unsigned count = 0; count <= UINT16_MAX; count += count < 2100 ? 1 : 997) {
            vx_record record = good(&rules[i]);
            record.count = (uint16_t)count;
            bool legal = count >= rules[i].words_min && count <= rules[i].words_max;
            if (rules[i].kind == VX_REC_PT_PAGE_NEW && count % 2 != 0) legal = false; /* pairs */
            assert_int_equal(vx_record_valid(&record, UINT32_MAX), legal);
        }
}

static void the_payload_lies_within_the_batch(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RULES; i++) {
        vx_record record = good(&rules[i]);
        size_t words = record.count;
        record.arg = 100;
        assert_true(vx_record_valid(&record, 100 + words));
        assert_false(vx_record_valid(&record, 99 + words));
        record.arg = UINT32_MAX;
        assert_false(vx_record_valid(&record, 100 + words));
        assert_true(vx_record_valid(&record, (size_t)UINT32_MAX + words));
    }
}

static void no_kind_is_no_record(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 256; kind++) {
        vx_record record = {.addr = 1, .count = 1, .size = 4, .kind = (uint8_t)kind};
        if (!has_kind(kind)) assert_false(vx_record_valid(&record, 16));
    }
}

static void loads_and_stores_have_1_to_64_bytes(void **state)
{
    (void)state;
    for (unsigned kind = VX_REC_LOAD; kind <= VX_REC_STORE; kind++) {
        for (unsigned size = 0; size < 256; size++) {
            vx_record record = {.addr = 0xFFF, .count = 1, .size = (uint8_t)size, .kind = (uint8_t)kind};
            assert_int_equal(vx_record_valid(&record, 0), size >= 1 && size <= 64);
        }
        vx_record counted = {.count = 2, .size = 8, .kind = (uint8_t)kind};
        assert_false(vx_record_valid(&counted, 16));
        vx_record none = {.count = 0, .size = 8, .kind = (uint8_t)kind};
        assert_false(vx_record_valid(&none, 16));
        vx_record with_argument = {.arg = 1, .count = 1, .size = 8, .kind = (uint8_t)kind};
        assert_false(vx_record_valid(&with_argument, 16));
    }
}

/* Whether `count` instructions of 1 to 15 bytes can start at `offset`, follow each other, take `bytes` in all, and all
 * start before the page's end: by trying every length. */
static bool fetch_possible(unsigned offset, unsigned count, unsigned bytes)
{
    if (offset >= 4096) return false;
    if (count == 1) return bytes >= 1 && bytes <= 15;
    for (unsigned length = 1; length <= 15 && length < bytes; length++)
        if (fetch_possible(offset + length, count - 1, bytes - length)) return true;
    return false;
}

static void a_fetch_is_valid_where_its_instructions_can_exist(void **state)
{
    (void)state;
    static const unsigned offsets[] = {0, 1, 4050, 4060, 4065, 4070, 4079, 4080, 4081, 4082, 4093, 4094, 4095};
    for (unsigned i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
        for (unsigned count = 1; count <= 4; count++)
            for (unsigned bytes = 0; bytes <= 64; bytes++) {
                vx_record record = {.addr = 0xFFFFFFFF80000000ULL + offsets[i],
                                    .arg = bytes,
                                    .count = (uint16_t)count,
                                    .kind = VX_REC_FETCH};
                assert_int_equal(vx_record_valid(&record, 0), fetch_possible(offsets[i], count, bytes));
            }
}

static void a_fetch_at_the_edges(void **state)
{
    (void)state;
    vx_record record = {.addr = 0, .arg = 4096, .count = 4096, .kind = VX_REC_FETCH};
    assert_true(vx_record_valid(&record, 0)); /* a page full of one-byte instructions */
    record.count = 4097;
    record.arg = 4097;
    assert_false(vx_record_valid(&record, 0));
    record = (vx_record){.addr = 0, .arg = 0, .count = 0, .kind = VX_REC_FETCH};
    assert_false(vx_record_valid(&record, 0));
    record = (vx_record){.addr = 0, .arg = UINT32_MAX, .count = UINT16_MAX, .kind = VX_REC_FETCH};
    assert_false(vx_record_valid(&record, 0));
    record = (vx_record){.addr = 0, .arg = 4, .count = 1, .size = 4, .kind = VX_REC_FETCH};
    assert_false(vx_record_valid(&record, 0)); /* size says nothing here */
}

static void addresses_with_a_range_are_judged(void **state)
{
    (void)state;
    static const struct {
        uint8_t kind, size;
        uint16_t words;
        uint64_t last_good, first_bad;
    } cases[] = {
        {VX_REC_PAUSE, 0, 0, 1, 0},
        {VX_REC_PAUSE, 0, 0, VX_RUN_MAX, VX_RUN_MAX + 1},
        {VX_REC_RDTSC, 0, 0, 1, 0},
        {VX_REC_RDTSC, 0, 0, VX_RUN_MAX, VX_RUN_MAX + 1},
        {VX_REC_IO_IN, 1, 2, 0xFFFF, 0x10000},
        {VX_REC_IO_OUT, 1, 2, 0xFFFF, 0x10000},
        {VX_REC_APIC_READ, 4, 2, 4095, 4096},
        {VX_REC_APIC_WRITE, 4, 2, 4095, 4096},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vx_record record = {
            .addr = cases[i].last_good, .count = cases[i].words, .size = cases[i].size, .kind = cases[i].kind};
        assert_true(vx_record_valid(&record, 2));
        record.addr = cases[i].first_bad;
        assert_false(vx_record_valid(&record, 2));
    }
}

/* VMCLEAR 19, VMLAUNCH 20, VMPTRLD 21, VMPTRST 22, VMREAD 23, VMRESUME 24, VMWRITE 25, VMXOFF 26, VMXON 27, INVEPT 50,
 * INVVPID 53, VMFUNC 59. */
static void vmx_instructions_are_named_by_their_exit_reason(void **state)
{
    (void)state;
    static const uint8_t reasons[] = {19, 20, 21, 22, 23, 24, 25, 26, 27, 50, 53, 59};
    for (unsigned size = 0; size < 256; size++) {
        vx_record record = {.size = (uint8_t)size, .kind = VX_REC_VMX};
        assert_int_equal(vx_record_valid(&record, 0), memchr(reasons, (int)size, sizeof reasons) != NULL);
    }
    vx_record with_words = {.count = 1, .size = 19, .kind = VX_REC_VMX};
    assert_false(vx_record_valid(&with_words, 8));
}

/* Whatever the bits, a valid record's payload lies within its batch. */
static void random_records_never_escape_their_batch(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "records");
    unsigned valid = 0;
    for (unsigned i = 0; i < 2000000; i++) {
        uint64_t bits = vx_random_u64(&random);
        vx_record record = {.addr = vx_random_u64(&random) >> (bits & 63),
                            .arg = (uint32_t)(bits >> 32) >> (bits >> 6 & 31),
                            .count = (uint16_t)((bits >> 16 & 0xFFFF) >> (bits >> 11 & 15)),
                            .size = (uint8_t)vx_random_below(&random, 16),
                            .kind = (uint8_t)vx_random_below(&random, 128)};
        size_t words = vx_random_below(&random, 64);
        if (!vx_record_valid(&record, words)) continue;
        valid++;
        assert_non_null(vx_record_describe(record.kind));
        if (memchr(special, record.kind, sizeof special)) continue;
        assert_true((uint64_t)record.arg + record.count <= words);
    }
    assert_true(valid > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_describes_each_kind_and_nothing_else),
        cmocka_unit_test(the_tables_bounds_are_the_rules),
        cmocka_unit_test(numbered_kinds_have_a_name_for_each_number),
        cmocka_unit_test(references_are_four_kinds),
        cmocka_unit_test(what_may_change_a_translation_ends_a_filter),
        cmocka_unit_test(every_size_is_judged),
        cmocka_unit_test(every_payload_length_is_judged),
        cmocka_unit_test(the_payload_lies_within_the_batch),
        cmocka_unit_test(no_kind_is_no_record),
        cmocka_unit_test(loads_and_stores_have_1_to_64_bytes),
        cmocka_unit_test(a_fetch_is_valid_where_its_instructions_can_exist),
        cmocka_unit_test(a_fetch_at_the_edges),
        cmocka_unit_test(addresses_with_a_range_are_judged),
        cmocka_unit_test(vmx_instructions_are_named_by_their_exit_reason),
        cmocka_unit_test(random_records_never_escape_their_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
