/* vexit walk: the closed forms of two-dimensional walks, the order of their accesses, and what is said of them. */
#include <string.h>

#include "cli.h"
#include "test_support.h"

#define GVA "0x7f0012345678"
#define EPT "walk --cpu nehalem --scheme ept --gva " GVA " --caches off"

static uint64_t accesses_of(const char *words)
{
    json_t *document = cli_document("%s", words);
    cli_check_document(document);
    uint64_t accesses = cli_count(document, "/runs/0/walks/accesses");
    assert_int_equal(cli_count(document, "/runs/0/walks/count"), 1);
    assert_int_equal(json_array_size(cli_at(document, "/runs/0/accesses")), accesses);
    json_decref(document);
    return accesses;
}

/* n guest levels, m nested ones: n x m + n + m; PAE guests, paging off and one dimension (published tables). */
static void levels(void **state)
{
    static const struct {
        const char *words;
        uint64_t accesses;
    } rows[] = {
        {EPT, 24},
        {EPT " --levels 4x4", 24},
        {EPT " --levels 5x5", 35},
        {EPT " --levels 5x4", 29},
        {EPT " --levels 4x5", 29},
        {EPT " --levels 2x4", 14},
        {EPT " --levels 0x4", 4},
        {EPT " --levels 0x5", 5},
        {"walk --cpu nehalem --scheme ept+vpid --gva " GVA " --caches off", 24},
        {"walk --cpu nehalem --scheme native --gva " GVA " --caches off", 4},
        {"walk --cpu nehalem --scheme native --gva " GVA " --caches off --guest-page 2m", 3},
        {"walk --cpu nehalem --scheme native --gva " GVA " --caches off --guest-page 1g", 2},
        {"walk --cpu nehalem --scheme native --gva " GVA " --caches off --levels 5x4", 5},
        {"walk --cpu nehalem --scheme native --gva " GVA " --caches off --levels 2x4", 2},
        {"walk --cpu nehalem --scheme shadow-wp --gva " GVA " --caches off", 4},
        {"walk --cpu zen2 --scheme npt --gva " GVA " --caches off", 24},
        {"walk --cpu zen2 --scheme npt --gva " GVA " --caches off --levels 3x4", 19},
        {"walk --cpu zen2 --scheme npt --gva " GVA " --caches off --guest-page 2m --nested-page 2m", 15},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t got = accesses_of(rows[i].words);
        if (got != rows[i].accesses)
            fail_msg("%s: %llu accesses, not %llu", rows[i].words, (unsigned long long)got,
                     (unsigned long long)rows[i].accesses);
    }
}

/* Every mix of page sizes: each of the guest's tables costs its nested walk and itself, the data its nested walk. */
static void page_sizes(void **state)
{
    static const char *const sizes[] = {"4k", "2m", "1g"};
    (void)state;
    for (unsigned guest = 0; guest < 3; guest++)
        for (unsigned nested = 0; nested < 3; nested++)
            for (unsigned table = 0; table < 3; table++) {
                char words[256];
                snprintf(words, sizeof words, EPT " --guest-page %s --nested-page %s --table-page %s", sizes[guest],
                         sizes[nested], sizes[table]);
                unsigned tables = 4 - guest, table_levels = 4 - table, data_levels = 4 - nested;
                assert_int_equal(accesses_of(words), tables * (table_levels + 1) + data_levels);
            }
    /* Where it is not said, the guest's tables are mapped as the data is. */
    assert_int_equal(accesses_of(EPT " --guest-page 2m --nested-page 2m"), 15);
    assert_int_equal(accesses_of(EPT " --nested-page 2m"), 19);
    assert_int_equal(accesses_of(EPT " --guest-page 2m"), 19);
}

/* Bhargava et al., Fig. 1(b): nL4 nL3 nL2 nL1 gL4, the same for gL3, gL2, gL1, then nL4 to nL1 of the data. */
static void order_of_the_accesses(void **state)
{
    (void)state;
    json_t *document = cli_document(EPT);
    const json_t *accesses = cli_at(document, "/runs/0/accesses");
    unsigned n = 0;
    for (unsigned guest = 4; guest + 1 > 0; guest--)
        for (unsigned nested = 4; nested + 1 > (guest ? 0U : 1U); nested--) {
            const json_t *access = json_array_get(accesses, n++);
            assert_int_equal(cli_count(access, "/n"), n);
            assert_int_equal(cli_count(access, "/guest_level"), guest);
            assert_int_equal(cli_count(access, "/nested_level"), nested);
            assert_false(json_is_true(cli_at(access, "/skipped")));
        }
    assert_int_equal(n, 24);
    assert_string_equal(cli_text(document, "/runs/0/gva"), GVA);
    /* The grid holds the same: a row a guest level (and gL5), a column a nested level, one access each but for the
     * data's own. */
    assert_string_equal(cli_text(document, "/runs/0/walks/grid/rows/1"), "gL4");
    assert_string_equal(cli_text(document, "/runs/0/walks/grid/columns/1"), "nL4");
    for (unsigned row = 0; row < 6; row++)
        for (unsigned column = 0; column < 6; column++) {
            char path[64];
            snprintf(path, sizeof path, "/runs/0/walks/grid/accesses/%u/%u", row, column);
            bool made = row > 0 && column > 0 && !(row == 5 && column == 5);
            assert_int_equal(cli_count(document, path), made);
        }
    json_decref(document);
}

static void text_ends_with_25(void **state)
{
    (void)state;
    assert_int_equal(cli_line(EPT), 0);
    assert_non_null(strstr(cli_out, "24 + 1 = 25 memory accesses"));
    const char *last = strstr(cli_out, "\ndata "); /* the last figure of the grid that shows the order */
    assert_non_null(last);
    for (const char *at; (at = strstr(last + 1, "\ndata ")) != NULL;) last = at;
    assert_non_null(strstr(last, " 25\n"));
    assert_string_equal(cli_err, "");
}

/* The sentence that says why a walk has so many accesses: the closed form, with its own numbers; none in one dimension.
 */
static void says_why_so_many(void **state)
{
    static const struct {
        const char *words, *why;
    } rows[] = {
        {EPT, "\n24 = 4 x (4 + 1) + 4: each of 4 guest entries lies behind 4 nested ones, the data behind 4\n"},
        {EPT " --levels 5x5",
         "\n35 = 5 x (5 + 1) + 5: each of 5 guest entries lies behind 5 nested ones, the data behind 5\n"},
        {EPT " --guest-page 2m --table-page 1g", "\n13 = 3 x (2 + 1) + 4: "},
        {"walk --cpu nehalem --scheme ept --gva " GVA, "\n24 = 4 x (4 + 1) + 4: "}, /* what caches saved included */
        {"walk --cpu nehalem --scheme native --gva " GVA " --caches off", NULL},
        {EPT " --levels 0x4", NULL},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(cli_line("%s", rows[i].words), 0);
        if (rows[i].why)
            assert_non_null(strstr(cli_out, rows[i].why));
        else
            assert_null(strstr(cli_out, " + 1) + "));
    }
}

/* Each word of the column "answered" is explained below it, and no other. */
static void explains_who_answered(void **state)
{
    (void)state;
    assert_int_equal(cli_line(EPT), 0);
    assert_non_null(strstr(cli_out, "\nanswered  fixed: "));
    assert_null(strstr(cli_out, "  psc: "));
    assert_int_equal(cli_line("walk --cpu barcelona --scheme npt --gva " GVA " --set cpu.memory.caches=walks"), 0);
    assert_non_null(strstr(cli_out, "\nanswered  l2: ")); /* AMD's walker reads from the second level */
    assert_non_null(strstr(cli_out, "\n          psc: "));
    assert_non_null(strstr(cli_out, "\n          ntlb: "));
    assert_null(strstr(cli_out, "  fixed: "));
}

/* A load sets A in the 4 guest entries. Where nested tables have flags, A in the 10 nested entries on its way, too: the
 * root's, two of nL3 and of nL2 (guest tables lie in one GiB, data in another), five leaves, which get D with it where
 * a guest entry was written. Intel's have flags if the processor has them and the hypervisor uses them; AMD's always.
 */
static void flags_of_a_cold_walk(void **state)
{
    static const struct {
        const char *words;
        uint64_t updates;
    } rows[] = {
        {"walk --cpu haswell --scheme native --caches off --gva " GVA, 4},
        {"walk --cpu haswell --scheme ept --caches off --set vmm.memory.ept_ad=no --gva " GVA, 4},
        {"walk --cpu haswell --scheme ept --caches off --set vmm.memory.ept_ad=yes --gva " GVA, 14},
        {"walk --cpu nehalem --scheme ept --caches off --set vmm.memory.ept_ad=yes --gva " GVA, 4},
        {"walk --cpu zen2 --scheme npt --caches off --gva " GVA, 14},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *document = cli_document("%s", rows[i].words);
        assert_int_equal(cli_count(document, "/runs/0/walks/ad_writes"), rows[i].updates);
        json_decref(document);
        char line[64];
        snprintf(line, sizeof line, "\nA and D flags updated: %u ", (unsigned)rows[i].updates);
        assert_int_equal(cli_line("%s", rows[i].words), 0);
        assert_non_null(strstr(cli_out, line));
    }
}

/* With caches on the neighbouring page's walk has filled them: what they save is listed and not counted as accesses. */
static void caches_save_accesses(void **state)
{
    (void)state;
    json_t *document = cli_document("walk --cpu nehalem --scheme ept --gva " GVA " --caches on");
    cli_check_document(document);
    uint64_t made = cli_count(document, "/runs/0/walks/accesses");
    assert_in_range(made, 1, 23);
    const json_t *accesses = cli_at(document, "/runs/0/accesses");
    uint64_t skipped = 0;
    for (size_t i = 0; i < json_array_size(accesses); i++)
        skipped += json_is_true(cli_at(json_array_get(accesses, i), "/skipped"));
    assert_int_equal(made + skipped, 24);
    json_decref(document);
}

static void says_what_the_cpu_lacks(void **state)
{
    static const struct {
        const char *words, *warning;
    } rows[] = {
        {EPT " --guest-page 1g", "the CPU model has no 1 GiB pages"},
        {EPT " --nested-page 1g", "the CPU model has no 1 GiB pages in nested tables"},
        {EPT " --levels 5x4", "the CPU model has no 5-level paging"},
        {EPT " --levels 4x5", "the CPU model has no 5-level nested tables"},
        {EPT " --levels 2x4", "the address was cut to 32 bits: a PAE guest has no more"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *document = cli_document("%s", rows[i].words);
        assert_string_equal(cli_text(document, "/runs/0/warnings/0"), rows[i].warning);
        assert_int_equal(json_array_size(cli_at(document, "/runs/0/warnings")), 1);
        json_decref(document);
    }
    json_t *document = cli_document("walk --cpu skylake --scheme ept --guest-page 1g --nested-page 1g --gva " GVA);
    assert_int_equal(json_array_size(cli_at(document, "/runs/0/warnings")), 0);
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels),
        cmocka_unit_test(page_sizes),
        cmocka_unit_test(order_of_the_accesses),
        cmocka_unit_test(text_ends_with_25),
        cmocka_unit_test(says_why_so_many),
        cmocka_unit_test(explains_who_answered),
        cmocka_unit_test(flags_of_a_cold_walk),
        cmocka_unit_test(caches_save_accesses),
        cmocka_unit_test(says_what_the_cpu_lacks),
    };
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
