/* Guests written by hand, under each scheme: exactly the exits that the scheme must have.
 *
 * A hidden fault fills one shadow entry; an EPT violation fills one nested entry: the guest's table pages are
 * guest-physical pages like any other, so the first walk of a space touches four of them. */
#include <string.h>

#include "guest_script.h"
#include "sim_figures.h"

enum { TABLE_PAGES = 4, MANY = 100 };

static guest_script script;

/* What is expected of one run; reasons not named must not occur. */
typedef struct expected {
    const char *cpu, *scheme;
    struct {
        const char *name;
        uint64_t count;
    } exits[4]; /* ended by a name of NULL */
} expected;

static vx_sim *run(const char *cpu, const char *scheme)
{
    vx_msg msg = {{0}};
    const char *trace = script_file;
    vx_sim_options options = {
        .cpu = cpu, .scheme = scheme, .traces = &trace, .trace_count = 1, .seed = 1, .check = true};
    vx_sim *sim = NULL;
    vx_status status = vx_sim_open(&sim, &options, &msg);
    if (status == VX_OK) status = vx_sim_run(sim, &msg);
    if (status != VX_OK) fail_msg("%s on %s: %s", scheme, cpu, msg.text);
    return sim;
}

static void check_run(const expected *wanted)
{
    vx_sim *sim = run(wanted->cpu, wanted->scheme);
    uint64_t total = 0;
    for (unsigned i = 0; wanted->exits[i].name; i++) {
        char name[128];
        snprintf(name, sizeof name, "exits.by_reason.%s.count", wanted->exits[i].name);
        uint64_t got = figure(sim, name);
        if (got != wanted->exits[i].count)
            fail_msg("%s on %s: %llu exits %s, not %llu", wanted->scheme, wanted->cpu, (unsigned long long)got,
                     wanted->exits[i].name, (unsigned long long)wanted->exits[i].count);
        total += got;
    }
    uint64_t all = figure(sim, "exits.total");
    if (all != total)
        fail_msg("%s on %s: %llu exits in all, of which %llu were expected", wanted->scheme, wanted->cpu,
                 (unsigned long long)all, (unsigned long long)total);
    vx_sim_close(sim);
}

static void check(const expected *rows, unsigned count)
{
    script_write(&script, VX_TIER_FULL);
    for (unsigned i = 0; i < count; i++) check_run(&rows[i]);
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

/* Each page read twice: the second time everything is in place. */
static void first_touches(void **state)
{
    (void)state;
    script_begin(&script);
    for (unsigned again = 0; again < 2; again++)
        for (unsigned i = 0; i < SCRIPT_PAGES; i++) script_load(&script, script_gva(i));
    const expected rows[] = {
        {"nehalem", "native", {{NULL, 0}}},
        {"nehalem", "shadow-wp", {{"EXCEPTION_NMI", SCRIPT_PAGES}}},
        {"nehalem", "shadow-vtlb", {{"EXCEPTION_NMI", SCRIPT_PAGES}}},
        {"nehalem", "ept", {{"EPT_VIOLATION", TABLE_PAGES + SCRIPT_PAGES}}},
        {"nehalem", "ept+vpid", {{"EPT_VIOLATION", TABLE_PAGES + SCRIPT_PAGES}}},
        {"zen2", "native", {{NULL, 0}}},
        {"zen2", "shadow-wp", {{"PF_excp", SCRIPT_PAGES}}},
        {"zen2", "shadow-vtlb", {{"PF_excp", SCRIPT_PAGES}}},
        {"zen2", "npt", {{"npf", TABLE_PAGES + SCRIPT_PAGES}}},
        {"zen2", "npt+vpid", {{"npf", TABLE_PAGES + SCRIPT_PAGES}}},
    };
    CHECK(rows);
}

/* Read, then written: a shadow entry is first given without W, so that the first store can set the guest's D flag. */
static void dirty_flags(void **state)
{
    (void)state;
    script_begin(&script);
    for (unsigned i = 0; i < SCRIPT_PAGES; i++) script_load(&script, script_gva(i));
    for (unsigned again = 0; again < 3; again++)
        for (unsigned i = 0; i < SCRIPT_PAGES; i++) script_store(&script, script_gva(i));
    const expected rows[] = {
        {"nehalem", "native", {{NULL, 0}}},
        {"nehalem", "shadow-wp", {{"EXCEPTION_NMI", 2 * SCRIPT_PAGES}}},
        {"nehalem", "shadow-vtlb", {{"EXCEPTION_NMI", 2 * SCRIPT_PAGES}}},
        {"nehalem", "ept", {{"EPT_VIOLATION", TABLE_PAGES + SCRIPT_PAGES}}},
        {"zen2", "npt", {{"npf", TABLE_PAGES + SCRIPT_PAGES}}},
    };
    CHECK(rows);
}

/* Stores to a table that the shadow mirrors: each exits under write protection, and nowhere else. */
static void page_table_stores(void **state)
{
    (void)state;
    script_begin(&script);
    script_load(&script, script_gva(0));
    for (unsigned i = 0; i < MANY; i++) script_pt_store(&script, 0, 100 + i, script_leaf(0, i % SCRIPT_PAGES), 0);
    const expected rows[] = {
        {"nehalem", "native", {{NULL, 0}}},
        {"nehalem", "shadow-wp", {{"EXCEPTION_NMI", 1 + MANY}}},
        {"nehalem", "shadow-vtlb", {{"EXCEPTION_NMI", 1}}},
        {"nehalem", "ept", {{"EPT_VIOLATION", TABLE_PAGES + 1}}},
        {"zen2", "shadow-wp", {{"PF_excp", 1 + MANY}}},
        {"zen2", "npt", {{"npf", TABLE_PAGES + 1}}},
    };
    CHECK(rows);
}

/* The same through the table's own mapping: the store is a reference too, and under the virtual TLB and EPT the page
 * it goes to is filled once (under EPT it was a table page, touched before). */
static void page_table_stores_by_reference(void **state)
{
    (void)state;
    script_begin(&script);
    script_load(&script, script_gva(0));
    for (unsigned i = 0; i < MANY; i++)
        script_pt_store(&script, 0, 100 + i, script_leaf(0, i % SCRIPT_PAGES), script_table_gva() + 8ULL * (100 + i));
    const expected rows[] = {
        {"nehalem", "native", {{NULL, 0}}},
        {"nehalem", "shadow-wp", {{"EXCEPTION_NMI", 1 + MANY}}},
        {"nehalem", "shadow-vtlb", {{"EXCEPTION_NMI", 2}}},
        {"nehalem", "ept", {{"EPT_VIOLATION", TABLE_PAGES + 1}}},
        {"zen2", "npt", {{"npf", TABLE_PAGES + 1}}},
    };
    CHECK(rows);
}

/* A table that nothing was built from is memory like any other. */
static void stores_to_a_table_not_in_use(void **state)
{
    (void)state;
    script_begin(&script);
    script_load(&script, script_gva(0));
    for (unsigned i = 0; i < MANY; i++) script_pt_store(&script, 1, 100 + i, script_leaf(1, i % SCRIPT_PAGES), 0);
    const expected rows[] = {
        {"nehalem", "shadow-wp", {{"EXCEPTION_NMI", 1}}},
        {"nehalem", "shadow-vtlb", {{"EXCEPTION_NMI", 1}}},
        {"nehalem", "ept", {{"EPT_VIOLATION", TABLE_PAGES + 1 + 1}}}, /* the other space's PT is touched */
    };
    CHECK(rows);
}

/* Two address spaces in turn. Write-protected shadows are kept; the virtual TLB starts empty after each load of CR3. */
static void cr3_loads(void **state)
{
    enum { ROUNDS = 10 };
    (void)state;
    script_begin(&script);
    script_load(&script, script_gva(0));
    for (unsigned i = 0; i < ROUNDS; i++) {
        script_cr3(&script, 1);
        script_load(&script, script_gva(0));
        script_cr3(&script, 0);
        script_load(&script, script_gva(0));
    }
    const expected rows[] = {
        {"nehalem", "native", {{NULL, 0}}},
        {"nehalem", "shadow-wp", {{"CR_ACCESS", 2 * ROUNDS}, {"EXCEPTION_NMI", 2}}},
        {"nehalem", "shadow-vtlb", {{"CR_ACCESS", 2 * ROUNDS}, {"EXCEPTION_NMI", 1 + 2 * ROUNDS}}},
        {"nehalem", "shadow-wp+vpid", {{"CR_ACCESS", 2 * ROUNDS}, {"EXCEPTION_NMI", 2}}},
        {"nehalem", "shadow-vtlb+vpid", {{"CR_ACCESS", 2 * ROUNDS}, {"EXCEPTION_NMI", 1 + 2 * ROUNDS}}},
        {"nehalem", "ept", {{"EPT_VIOLATION", 2 * (TABLE_PAGES + 1)}}},
        {"nehalem", "ept+vpid", {{"EPT_VIOLATION", 2 * (TABLE_PAGES + 1)}}},
        {"zen2", "shadow-wp", {{"write_cr3", 2 * ROUNDS}, {"PF_excp", 2}}},
        {"zen2", "shadow-vtlb", {{"write_cr3", 2 * ROUNDS}, {"PF_excp", 1 + 2 * ROUNDS}}},
        {"zen2", "npt", {{"npf", 2 * (TABLE_PAGES + 1)}}},
    };
    CHECK(rows);
}

/* INVLPG exits where the shadow depends on it, and there the page is filled anew. */
static void invlpg(void **state)
{
    (void)state;
    script_begin(&script);
    script_load(&script, script_gva(0));
    for (unsigned i = 0; i < MANY; i++) {
        script_invlpg(&script, script_gva(0));
        script_load(&script, script_gva(0));
    }
    const expected rows[] = {
        {"nehalem", "native", {{NULL, 0}}},
        {"nehalem", "shadow-wp", {{"EXCEPTION_NMI", 1}}},
        {"nehalem", "shadow-vtlb", {{"INVLPG", MANY}, {"EXCEPTION_NMI", 1 + MANY}}},
        {"nehalem", "shadow-vtlb+vpid", {{"INVLPG", MANY}, {"EXCEPTION_NMI", 1 + MANY}}},
        {"nehalem", "ept", {{"EPT_VIOLATION", TABLE_PAGES + 1}}},
        {"nehalem", "ept+vpid", {{"EPT_VIOLATION", TABLE_PAGES + 1}}},
    };
    CHECK(rows);
}

/* A page moves: its entry is stored, the old translation dropped, the page read again. The shadows must follow. */
static void a_page_moves(void **state)
{
    enum { MOVES = 20 };
    (void)state;
    script_begin(&script);
    script_load(&script, script_gva(0));
    for (unsigned i = 0; i < MOVES; i++) {
        script_pt_store(&script, 0, 0, script_leaf(0, i % 2 ? 0 : 1), 0);
        script_invlpg(&script, script_gva(0));
        script_load(&script, script_gva(0));
    }
    const expected rows[] = {
        {"nehalem", "native", {{NULL, 0}}},
        {"nehalem", "shadow-wp", {{"EXCEPTION_NMI", 1 + 2 * MOVES}}}, /* the store, and the entry that it emptied */
        {"nehalem", "shadow-wp+vpid", {{"EXCEPTION_NMI", 1 + 2 * MOVES}}},
        {"nehalem", "shadow-vtlb", {{"INVLPG", MOVES}, {"EXCEPTION_NMI", 1 + MOVES}}},
        {"nehalem", "ept", {{"EPT_VIOLATION", TABLE_PAGES + 2}}},
    };
    CHECK(rows);
}

/* Page faults that are the guest's own: the reference runs into one, the guest's handler maps the page, and the
 * reference comes again. Shadow paging sees the fault once and hands it on; under EPT it is none of the host's. */
static void guest_faults(void **state)
{
    enum { FAULTS = 20, FIRST = 100 };
    (void)state;
    script_begin(&script);
    script_load(&script, script_gva(0));
    for (unsigned i = 0; i < FAULTS; i++) {
        uint64_t gva = script_gva(FIRST + i);
        script_load(&script, gva);
        script_page_fault(&script, gva, 0);
        script_pt_store(&script, 0, FIRST + i, script_leaf(0, 0), 0);
        script_load(&script, gva);
    }
    const expected rows[] = {
        {"nehalem", "native", {{NULL, 0}}},
        {"nehalem", "shadow-wp", {{"EXCEPTION_NMI", 1 + 3 * FAULTS}}},   /* fault, store, fill */
        {"nehalem", "shadow-vtlb", {{"EXCEPTION_NMI", 1 + 2 * FAULTS}}}, /* fault, fill */
        {"nehalem", "ept", {{"EPT_VIOLATION", TABLE_PAGES + 1}}},
        {"zen2", "shadow-wp", {{"PF_excp", 1 + 3 * FAULTS}}},
    };
    CHECK(rows);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        vx_sim *sim = run(rows[i].cpu, rows[i].scheme);
        assert_int_equal(figure(sim, "paging.guest_faults"), FAULTS);
        vx_sim_close(sim);
    }
}

/* A trace of events only has no reference that faults: the recorded fault itself is what the hypervisor sees. */
static void guest_faults_of_an_events_trace(void **state)
{
    (void)state;
    script_begin(&script);
    for (unsigned i = 0; i < MANY; i++) script_page_fault(&script, script_gva(200), 0);
    script_write(&script, VX_TIER_EVENTS);
    const expected rows[] = {
        {"nehalem", "native", {{NULL, 0}}},
        {"nehalem", "shadow-wp", {{"EXCEPTION_NMI", MANY}}},
        {"nehalem", "shadow-vtlb", {{"EXCEPTION_NMI", MANY}}},
        {"nehalem", "ept", {{NULL, 0}}},
        {"zen2", "shadow-wp", {{"PF_excp", MANY}}},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) check_run(&rows[i]);
}

/* Addresses beyond the guest's RAM, in records and in tables: an error that says so, or a run that goes on; nothing
 * else. Each row is one bad record behind a good beginning. */
static void hostile_addresses(void **state)
{
    static const uint64_t nowhere[] = {SCRIPT_RAM, SCRIPT_RAM - 4, 0x000FFFFFFFFFF000ULL, ~0ULL};
    static const char *const schemes[] = {"native", "shadow-wp", "shadow-vtlb", "ept"};
    (void)state;
    for (unsigned kind = 0; kind < 8; kind++)
        for (unsigned n = 0; n < sizeof nowhere / sizeof *nowhere; n++) {
            uint64_t bad = nowhere[n];
            script_begin(&script);
            script_load(&script, script_gva(0));
            const uint64_t entry[2] = {0, bad | 0x7}, store[2] = {bad, script_leaf(0, 0)};
            switch (kind) {
            case 0:
                script_add(&script, VX_REC_PT_STORE, 8, VX_GVA_UNKNOWN, 2, store);
                break;
            case 1:
                script_add(&script, VX_REC_PT_STORE, 8, script_gva(0), 2, store);
                break;
            case 2:
                script_add(&script, VX_REC_PT_PAGE_NEW, 1, bad, 2, entry);
                break;
            case 3:
                script_add(&script, VX_REC_PT_PAGE_GONE, 0, bad, 0, NULL);
                break;
            case 4:
                script_add(&script, VX_REC_CR_WRITE, 3, bad, 0, NULL);
                break;
            case 5: /* a leaf that maps nowhere */
                script_pt_store(&script, 0, 0, bad | 0x7, 0);
                script_invlpg(&script, script_gva(0));
                break;
            case 6: /* a table that lies nowhere */
                script_add(&script, VX_REC_PT_PAGE_NEW, 2, script_table(0, 2), 2,
                           (const uint64_t[]){SCRIPT_GVA >> 21, bad | 0x7});
                script_cr3(&script, 0);
                break;
            default:
                script_add(&script, VX_REC_MMIO_WRITE, 4, bad, 2, (const uint64_t[]){1, script_gva(0)});
                break;
            }
            script_store(&script, script_gva(0));
            script_load(&script, script_gva(1));
            script_load(&script, bad);
            script_write(&script, VX_TIER_FULL);
            for (unsigned s = 0; s < 4; s++) {
                vx_msg msg = {{0}};
                const char *trace = script_file;
                vx_sim_options options = {
                    .cpu = "nehalem", .scheme = schemes[s], .traces = &trace, .trace_count = 1, .check = true};
                vx_sim *sim = NULL;
                vx_status status = vx_sim_open(&sim, &options, &msg);
                if (status == VX_OK) status = vx_sim_run(sim, &msg);
                vx_sim_close(sim);
                bool unexplained = status == VX_ERR_CHECK && strstr(msg.text, "do not explain the reference");
                if (status != VX_OK && status != VX_ERR_INPUT && !unexplained)
                    fail_msg("row %u, address %u, %s: %s", kind, n, schemes[s], msg.text);
            }
        }
}

static void mark(unsigned number) { script_add(&script, VX_REC_MARK, 0, number, 0, NULL); }

/* What a mark finds counted. */
typedef struct marks {
    unsigned count;
    uint16_t number[4];
    uint64_t loads[4];
} marks;

static void note_mark(void *context, const vx_sim *sim, uint16_t number)
{
    marks *found = context;
    assert_true(found->count < 4);
    found->number[found->count] = number;
    found->loads[found->count++] = figure(sim, "reference_kinds.loads");
}

static void marks_are_told(void **state)
{
    (void)state;
    script_begin(&script);
    script_load(&script, script_gva(0));
    mark(0x5658FFFF);
    for (unsigned i = 0; i < 5; i++) script_load(&script, script_gva(i));
    mark(2);
    script_load(&script, script_gva(7));
    script_write(&script, VX_TIER_FULL);
    vx_msg msg = {{0}};
    marks found = {0};
    const char *trace = script_file;
    vx_sim_options options = {.cpu = "nehalem",
                              .scheme = "ept",
                              .traces = &trace,
                              .trace_count = 1,
                              .marked = note_mark,
                              .marked_context = &found};
    vx_sim *sim = NULL;
    assert_int_equal(vx_sim_open(&sim, &options, &msg), VX_OK);
    assert_int_equal(vx_sim_run(sim, &msg), VX_OK);
    vx_sim_close(sim);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.number[0], 0xFFFF);
    assert_int_equal(found.number[1], 2);
    assert_int_equal(found.loads[0], 1);
    assert_int_equal(found.loads[1], 6);
}

/* A region is from its mark to the next; what is before has been done and is not counted. */
static void regions(void **state)
{
    (void)state;
    script_begin(&script);
    script_load(&script, script_gva(0));
    mark(1);
    for (unsigned i = 0; i < 5; i++) script_load(&script, script_gva(i));
    mark(2);
    for (unsigned i = 0; i < SCRIPT_PAGES; i++) script_load(&script, script_gva(i));
    script_write(&script, VX_TIER_FULL);
    static const struct {
        uint16_t region;
        uint64_t loads, violations; /* the pages that nobody touched before */
    } rows[] = {{1, 5, 4}, {2, SCRIPT_PAGES, SCRIPT_PAGES - 5}};
    for (unsigned i = 0; i < 2; i++) {
        vx_msg msg = {{0}};
        const char *trace = script_file;
        vx_sim_options options = {.cpu = "nehalem",
                                  .scheme = "ept",
                                  .traces = &trace,
                                  .trace_count = 1,
                                  .by_region = true,
                                  .region = rows[i].region};
        vx_sim *sim = NULL;
        assert_int_equal(vx_sim_open(&sim, &options, &msg), VX_OK);
        assert_int_equal(vx_sim_run(sim, &msg), VX_OK);
        assert_int_equal(figure(sim, "reference_kinds.loads"), rows[i].loads);
        assert_int_equal(figure(sim, "exits.by_reason.EPT_VIOLATION.count"), rows[i].violations);
        vx_sim_close(sim);
    }
}

/* A kernel with SMAP reaches user pages between STAC and CLAC, of which a trace does not tell. */
static void user_pages_under_smap(void **state)
{
    static const char *const schemes[] = {"native", "shadow-wp", "shadow-vtlb", "ept"};
    (void)state;
    script_begin(&script);
    script_add(&script, VX_REC_CR_WRITE, 4, VX_CR4_PAE | VX_CR4_SMAP, 0, NULL);
    script_load(&script, script_gva(0));
    script_store(&script, script_gva(1));
    script_write(&script, VX_TIER_FULL);
    for (unsigned i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        vx_msg msg = {{0}};
        const char *trace = script_file;
        vx_sim_options options = {
            .cpu = "skylake", .scheme = schemes[i], .traces = &trace, .trace_count = 1, .check = true};
        vx_sim *sim = NULL;
        assert_int_equal(vx_sim_open(&sim, &options, &msg), VX_OK);
        assert_int_equal(vx_sim_run(sim, &msg), VX_OK);
        assert_int_equal(figure(sim, "paging.guest_faults"), 0);
        vx_sim_close(sim);
    }
}

/* What exits whatever the memory algorithm: CPUID always, HLT and port accesses because the hypervisor wants them. */
static void instructions_that_exit(void **state)
{
    enum { TIMES = 7 };
    (void)state;
    script_begin(&script);
    for (unsigned i = 0; i < TIMES; i++) {
        script_add(&script, VX_REC_CPUID, 0, 1, 1, (const uint64_t[]){0});
        script_add(&script, VX_REC_HLT, 0, 0, 0, NULL);
        script_add(&script, VX_REC_IO_OUT, 1, 0x80, 2, (const uint64_t[]){0, 0});
    }
    const expected rows[] = {
        {"nehalem", "native", {{NULL, 0}}},
        {"nehalem", "shadow-wp", {{"CPUID", TIMES}, {"HLT", TIMES}, {"IO_INSTRUCTION", TIMES}}},
        {"nehalem", "shadow-vtlb", {{"CPUID", TIMES}, {"HLT", TIMES}, {"IO_INSTRUCTION", TIMES}}},
        {"nehalem", "ept", {{"CPUID", TIMES}, {"HLT", TIMES}, {"IO_INSTRUCTION", TIMES}}},
        {"zen2", "npt", {{"cpuid", TIMES}, {"hlt", TIMES}, {"io", TIMES}}},
    };
    CHECK(rows);
}

/* VPID off: two flushes an exit, at exit and entry; AMD flushes at VMRUN alone. VPID on: none. */
static void flushes_at_transitions(void **state)
{
    static const struct {
        const char *cpu, *scheme, *flush;
        unsigned an_exit;
    } rows[] = {
        {"nehalem", "ept", "tlb.flushes.vm_transition.count", 2},
        {"nehalem", "ept+vpid", "tlb.flushes.vm_transition.count", 0},
        {"nehalem", "shadow-wp", "tlb.flushes.vm_transition.count", 2},
        {"nehalem", "shadow-wp+vpid", "tlb.flushes.vm_transition.count", 0},
        {"zen2", "npt+vpid", "tlb.flushes.flush_asid.count", 0},
        {"zen2", "npt", "tlb.flushes.flush_asid.count", 1},
    };
    (void)state;
    script_begin(&script);
    for (unsigned i = 0; i < SCRIPT_PAGES; i++) script_load(&script, script_gva(i));
    for (unsigned i = 0; i < MANY; i++) script_add(&script, VX_REC_CPUID, 0, 1, 1, (const uint64_t[]){0});
    script_write(&script, VX_TIER_FULL);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        vx_sim *sim = run(rows[i].cpu, rows[i].scheme);
        assert_int_equal(figure(sim, rows[i].flush), rows[i].an_exit * figure(sim, "exits.total"));
        vx_sim_close(sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_touches),
        cmocka_unit_test(dirty_flags),
        cmocka_unit_test(page_table_stores),
        cmocka_unit_test(page_table_stores_by_reference),
        cmocka_unit_test(stores_to_a_table_not_in_use),
        cmocka_unit_test(cr3_loads),
        cmocka_unit_test(invlpg),
        cmocka_unit_test(a_page_moves),
        cmocka_unit_test(guest_faults),
        cmocka_unit_test(guest_faults_of_an_events_trace),
        cmocka_unit_test(marks_are_told),
        cmocka_unit_test(regions),
        cmocka_unit_test(user_pages_under_smap),
        cmocka_unit_test(hostile_addresses),
        cmocka_unit_test(instructions_that_exit),
        cmocka_unit_test(flushes_at_transitions),
    };
    return cmocka_run_group_tests(tests, script_file_make, script_file_remove);
}
