/* The recorder's live page tables and interrupt gates, over a guest memory of the test's own. */
#include <string.h>
#include <unistd.h>

#include "interrupt_gates.h"
#include "page_tables.h"
#include "test_support.h"

enum { PAGES = 64, P = 3 };

static uint8_t memory[PAGES * 4096];
static const vxr_ram ram = {sizeof memory, 0};
static vxr_control control;
static vxr_stream stream;
static vxr_tables tables;

void vxr_read_physical(uint64_t gpa, void *to, size_t bytes)
{
    assert_true(gpa + bytes <= sizeof memory);
    memcpy(to, memory + gpa, bytes);
}

static int set_up(void **state)
{
    (void)state;
    memset(memory, 0, sizeof memory);
    control = (vxr_control){.cr0 = CR0_PG | CR0_PE, .cr4 = CR4_PAE, .efer = EFER_LMA, .cr3 = 0x1000};
    vxr_stream_init(&stream, -1, true);
    stream.on = true;
    assert_true(vxr_tables_init(&tables, &control, &ram, &stream));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stream.on = false;
    control.cr0 = 0;
    vxr_tables_restart(&tables); /* frees the tables */
    free(tables.live);
    free(tables.roots);
    return 0;
}

static void poke(uint64_t gpa, uint64_t value) { memcpy(memory + gpa, &value, 8); }

static void store(uint64_t gpa, uint64_t value)
{
    poke(gpa, value);
    assert_true(vxr_tables_hold(&tables, gpa));
    vxr_tables_stored(&tables, gpa, 8, 0xFFFF800000000000u + gpa);
}

/* The kinds put since the last call, as letters: N new, G gone, S store. */
static const char *told(void)
{
    static char text[64];
    size_t used = 0;
    const vxr_record *record = stream.record;
    for (const uint64_t *step = stream.step; step < stream.at && used < sizeof text - 1; step++) {
        bool small = (uint16_t)*step == STEP_SMALL_EVENT;
        unsigned kind = small ? *step >> STEP_OPERAND & 0xFF : (record++)->kind;
        text[used++] = kind == REC_PT_PAGE_NEW    ? 'N'
                       : kind == REC_PT_PAGE_GONE ? 'G'
                       : kind == REC_PT_STORE     ? 'S'
                                                  : '?';
    }
    text[used] = '\0';
    stream.records = stream.words = 0;
    stream.at = stream.step;
    return text;
}

/* Root 0x1000 -> 0x2000 -> 0x3000 -> 0x4000. */
static void build(void)
{
    poke(0x1000, 0x2000 | P);
    poke(0x2000, 0x3000 | P);
    poke(0x3000, 0x4000 | P);
    poke(0x4000, 0x9000 | P);
    vxr_tables_load(&tables, 0x1000);
}

static void load_tells_all_tables(void **state)
{
    (void)state;
    build();
    assert_int_equal(stream.record[0].addr, 0x1000);
    assert_int_equal(stream.record[0].size, 4);
    assert_int_equal(stream.record[3].addr, 0x4000);
    assert_int_equal(stream.record[3].size, 1);
    assert_int_equal(stream.record[3].count, 2);
    assert_string_equal(told(), "NNNN");
    vxr_tables_load(&tables, 0x1000);
    assert_string_equal(told(), "");
}

static void stores_link_and_unlink(void **state)
{
    (void)state;
    build();
    told();
    store(0x4000, 0xA000 | P); /* a leaf */
    assert_int_equal(stream.word[1], 0xA000 | P);
    assert_string_equal(told(), "S");
    store(0x3008, 0x5000 | P); /* a table more: told before the store */
    assert_string_equal(told(), "NS");
    store(0x3008, 0x5000 | P | 0x20); /* the same table */
    assert_string_equal(told(), "S");
    store(0x2000, 0); /* 0x3000 goes, and with it 0x4000 and 0x5000 */
    assert_string_equal(told(), "SGGG");
    assert_false(vxr_tables_hold(&tables, 0x4000));
    store(0x1000, 0x2000 | 0x80 | P); /* no page is that large at level 4: still a table */
    assert_string_equal(told(), "S");
}

static void large_pages_are_no_tables(void **state)
{
    (void)state;
    build();
    told();
    store(0x3000, 0x200000 | 0x80 | P);
    assert_string_equal(told(), "SG");
    store(0x3008, 0x10000000 | P); /* beyond RAM */
    assert_string_equal(told(), "S");
}

static void narrow_stores_are_told_as_entries(void **state)
{
    (void)state;
    build();
    told();
    poke(0x4008, 0x1122334455667788);
    vxr_tables_stored(&tables, 0x4009, 1, 0x77009);
    assert_int_equal(stream.record[0].size, 8);
    assert_int_equal(stream.record[0].addr, 0x77008);
    assert_int_equal(stream.word[0], 0x4008);
    assert_int_equal(stream.word[1], 0x1122334455667788);
    told();
    vxr_tables_stored(&tables, 0x400C, 4, GVA_UNKNOWN); /* the upper half */
    assert_int_equal(stream.record[0].size, 4);
    assert_int_equal(stream.record[0].addr, GVA_UNKNOWN);
    assert_int_equal(stream.word[0], 0x400C);
    assert_int_equal(stream.word[1], 0x11223344);
    assert_string_equal(told(), "S");
    vxr_tables_stored(&tables, 0x4000, 16, 0x77000); /* two entries */
    assert_string_equal(told(), "SS");
}

static void a_root_that_became_data_is_dropped(void **state)
{
    (void)state;
    build();
    poke(0x8000, 0x2000 | P); /* a second root over the same tables */
    vxr_tables_load(&tables, 0x8000);
    assert_string_equal(told(), "NNNNN");
    unsigned stores = 0;
    while (vxr_tables_hold(&tables, 0x1000) && stores < 100) store(0x1800, stores++);
    assert_in_range(stores, 10, 30);
    assert_true(vxr_tables_hold(&tables, 0x2000)); /* the second root's still */
    told();
    vxr_tables_load(&tables, 0x1000);
    assert_string_equal(told(), "N");
}

/* A page that a REP instruction fills: a root that is not in use has been freed. What is in use, or named by a table,
 * stays. */
static void a_root_that_is_filled_is_dropped(void **state)
{
    (void)state;
    build();
    poke(0x6000, 0x7000 | P);
    vxr_tables_load(&tables, 0x6000);
    told();
    assert_false(vxr_tables_refilled(&tables, 0x6000)); /* in use */
    assert_false(vxr_tables_refilled(&tables, 0x2008)); /* a table of another root's */
    assert_string_equal(told(), "");
    assert_true(vxr_tables_refilled(&tables, 0x1000));
    assert_string_equal(told(), "GGGG");
    assert_false(vxr_tables_hold(&tables, 0x1000));
}

static void a_root_written_unseen_is_told_again(void **state)
{
    (void)state;
    build();
    poke(0x8000, 0);
    vxr_tables_load(&tables, 0x8000);
    told();
    poke(0x1000, 0x2000 | P | 0x60); /* A and D: the walker's */
    vxr_tables_load(&tables, 0x1000);
    assert_string_equal(told(), "");
    vxr_tables_load(&tables, 0x8000);
    poke(0x1008, 0x7000 | P);
    vxr_tables_load(&tables, 0x1000);
    assert_string_equal(told(), "GGGGNNNNN");
}

static void pae_has_four_roots(void **state)
{
    (void)state;
    control.efer = 0;
    for (unsigned i = 0; i < 4; i++) poke(0x1020 + 8 * i, 0x2000u + 0x1000u * i + 1);
    vxr_tables_load(&tables, 0x1020);
    assert_int_equal(stream.record[3].addr, 0x5000);
    assert_int_equal(stream.record[3].size, 2);
    assert_string_equal(told(), "NNNN");
}

static void walks(void **state)
{
    (void)state;
    uint64_t gpa;
    build();
    assert_true(vxr_walk(&control, &ram, 0x123, &gpa));
    assert_int_equal(gpa, 0x9123);
    assert_false(vxr_walk(&control, &ram, 0x1000, &gpa));
    assert_false(vxr_walk(&control, &ram, UINT64_MAX, &gpa));
    control.cr0 = CR0_PE;
    assert_true(vxr_walk(&control, &ram, 0xFEE00080, &gpa));
    assert_int_equal(gpa, 0xFEE00080);
}

static void gates(void **state)
{
    (void)state;
    static vxr_gates table;
    control.cr0 = CR0_PE; /* no paging: linear is physical */
    vxr_gates_init(&table, &control, &ram);
    assert_int_equal(vxr_gates_vector(&table, 0xFFFFFFFF81A00B40), -1);
    uint8_t gate[16] = {0x40, 0x0B, 0x10, 0, 0, 0x8E, 0xA0, 0x81, 0xFF, 0xFF, 0xFF, 0xFF};
    memcpy(memory + 0x6000 + 14 * 16, gate, sizeof gate);
    gate[5] = 0x0E; /* not present */
    gate[0] = 0x80;
    memcpy(memory + 0x6000 + 15 * 16, gate, sizeof gate);
    vxr_gates_set(&table, 0x6000, 4095);
    vxr_gates_refresh(&table);
    assert_int_equal(vxr_gates_vector(&table, 0xFFFFFFFF81A00B40), 14);
    assert_int_equal(vxr_gates_vector(&table, 0xFFFFFFFF81A00B80), -1);
    assert_false(table.stale);
    assert_false(vxr_gates_hold(&table, 0x7000));
    assert_true(vxr_gates_hold(&table, 0x6008));
    /* What has been looked up holds as long as the gates are the same. */
    unsigned epoch = table.epoch;
    vxr_gates_set(&table, 0x6000, 4095);
    vxr_gates_refresh(&table);
    assert_int_equal(table.epoch, epoch);
    memory[0x6000 + 14 * 16] = 0xC0;
    table.stale = true;
    vxr_gates_refresh(&table);
    assert_int_equal(table.epoch, epoch + 1);
    assert_int_equal(vxr_gates_vector(&table, 0xFFFFFFFF81A00BC0), 14);
    assert_int_equal(vxr_gates_vector(&table, 0xFFFFFFFF81A00B40), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(load_tells_all_tables),
        TEST(stores_link_and_unlink),
        TEST(large_pages_are_no_tables),
        TEST(narrow_stores_are_told_as_entries),
        TEST(a_root_that_became_data_is_dropped),
        TEST(a_root_that_is_filled_is_dropped),
        TEST(a_root_written_unseen_is_told_again),
        TEST(pae_has_four_roots),
        TEST(walks),
        TEST(gates),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
