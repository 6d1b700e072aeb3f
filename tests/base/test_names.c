/* Names that reports, models and options spell, and the small arithmetic on addresses and the ledger. */
#include <string.h>

#include "test_support.h"
#include "vx_addr.h"
#include "vx_ledger.h"
#include "vx_setassoc.h"
#include "vx_walk_access.h"

static void page_sizes_are_spelled_both_ways(void **state)
{
    (void)state;
    static const char *const names[] = {"4k", "2m", "4m", "1g"};
    static const uint64_t bytes[] = {4096, 2097152, 4194304, 1073741824};
    for (unsigned i = 0; i < VX_PAGE_SIZES; i++) {
        vx_page_size size = VX_PAGE_SIZES;
        assert_string_equal(vx_page_size_name((vx_page_size)i), names[i]);
        assert_true(vx_page_size_parse(names[i], &size));
        assert_int_equal(size, i);
        assert_int_equal(vx_page_bytes(size), bytes[i]);
    }
    static const char *const wrong[] = {"", "4", "4K", "4kb", "8k", "1g ", "16m"};
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        vx_page_size size = VX_PAGE_1G;
        assert_false(vx_page_size_parse(wrong[i], &size));
        assert_int_equal(size, VX_PAGE_1G);
    }
}

static void canonical_addresses_repeat_their_top_bit(void **state)
{
    (void)state;
    static const struct {
        uint64_t address;
        bool with_48, with_57;
    } cases[] = {
        {0, true, true},
        {0x00007FFFFFFFFFFFULL, true, true},
        {0x0000800000000000ULL, false, true},
        {0xFFFF7FFFFFFFFFFFULL, false, true},
        {0xFFFF800000000000ULL, true, true},
        {0x00FFFFFFFFFFFFFFULL, false, true},
        {0x0100000000000000ULL, false, false},
        {0xFEFFFFFFFFFFFFFFULL, false, false},
        {0xFF00000000000000ULL, false, true},
        {UINT64_MAX, true, true},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(vx_canonical(cases[i].address, 48), cases[i].with_48);
        assert_int_equal(vx_canonical(cases[i].address, 57), cases[i].with_57);
    }
}

/* The closed list of causes, in the order and spelling of every report. */
static void the_ledger_has_its_twelve_causes(void **state)
{
    (void)state;
    static const char *const names[] = {"guest.instructions", "guest.fault", "tlb.l2_hit", "walk.guest",
                                        "walk.nested",        "walk.shadow", "mem.data",   "exit.hardware",
                                        "exit.software",      "interrupt",   "idle",       "io.backend"};
    assert_int_equal(VX_CAUSES, sizeof names / sizeof names[0]);
    vx_ledger ledger = {{0}};
    assert_int_equal(vx_ledger_total(&ledger), 0);
    for (unsigned i = 0; i < VX_CAUSES; i++) {
        assert_string_equal(vx_cause_name((vx_cause)i), names[i]);
        assert_string_equal(vx_cause_names()[i], names[i]);
        assert_true(strlen(vx_cause_doc((vx_cause)i)) > strlen(names[i]));
        vx_ledger_charge(&ledger, (vx_cause)i, 1ULL << (4 * i));
        vx_ledger_charge(&ledger, (vx_cause)i, 1ULL << (4 * i));
    }
    assert_int_equal(vx_ledger_total(&ledger), 0x222222222222ULL);
}

static void hits_and_policies_have_names(void **state)
{
    (void)state;
    static const char *const hits[] = {"fixed", "l1", "l2", "l3", "memory", "psc", "ntlb"};
    assert_int_equal(VX_WALK_HITS, sizeof hits / sizeof hits[0]);
    for (unsigned i = 0; i < VX_WALK_HITS; i++) assert_string_equal(vx_walk_hit_name((vx_walk_hit)i), hits[i]);
    assert_string_equal(vx_replacement_name(VX_REPLACE_LRU), "lru");
    assert_string_equal(vx_replacement_name(VX_REPLACE_PLRU), "plru");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_sizes_are_spelled_both_ways),
        cmocka_unit_test(canonical_addresses_repeat_their_top_bit),
        cmocka_unit_test(the_ledger_has_its_twelve_causes),
        cmocka_unit_test(hits_and_policies_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
