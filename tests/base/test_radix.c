/* Radix tables: every format and page size, what is written, and what is refused. */
#include <inttypes.h>
#include <string.h>

#include "test_support.h"
#include "vx_physmem.h"
#include "vx_radix.h"
#include "vx_random.h"

static const vx_radix *const formats[] = {&vx_radix_2level, &vx_radix_pae,  &vx_radix_4level,
                                          &vx_radix_5level, &vx_radix_ept4, &vx_radix_ept5};
enum { FORMATS = sizeof formats / sizeof formats[0] };

static const uint64_t mib = 1ULL << 20;

/* A guest whose memory lies elsewhere than its addresses say, and a bump allocator of pages for its tables. */
enum { WROTE_MAX = 8 };

typedef struct world {
    vx_physmem memory;
    vx_radix_table table;
    uint64_t next_page; /* as the table spells it */
    unsigned pages_left;
    unsigned wrote; /* entries told of since the last mapping began */
    struct {
        unsigned level;
        uint64_t at, value;
    } log[WROTE_MAX];
} world;

enum { TABLES_AT = 0x100000, MEMORY_BYTES = 64 << 20 };

/* Placement that no identity can pass for: the other half of the memory, frames in reverse order. */
static vx_hpa reversed(void *context, uint64_t address)
{
    (void)context;
    return (vx_hpa){MEMORY_BYTES - 4096 - (address & ~0xFFFULL) + (address & 0xFFF)};
}

static uint64_t next_page(void *context, unsigned level)
{
    world *w = context;
    assert_true(level >= 1 && level < w->table.format->top);
    if (w->pages_left == 0) return 0;
    w->pages_left--;
    w->next_page += 4096;
    return w->next_page;
}

static void note(void *context, unsigned level, uint64_t at, uint64_t value)
{
    world *w = context;
    assert_true(w->wrote < WROTE_MAX);
    w->log[w->wrote].level = level;
    w->log[w->wrote].at = at;
    w->log[w->wrote].value = value;
    w->wrote++;
}

static void world_init(world *w, const vx_radix *format)
{
    *w = (world){.next_page = TABLES_AT, .pages_left = 8000};
    assert_int_equal(vx_physmem_init(&w->memory, MEMORY_BYTES, NULL), VX_OK);
    /* PAE's top table is 32 bytes anywhere in a page (CR3 bits 31:5). */
    uint64_t root = format == &vx_radix_pae ? TABLES_AT + 0x7E0 : TABLES_AT;
    w->table = (vx_radix_table){.format = format, .root = root, .memory = &w->memory, .place = reversed};
}

static vx_status map_page(world *w, uint64_t address, uint64_t frame, vx_page_size size, uint64_t leaf, uint64_t upper)
{
    w->wrote = 0;
    return vx_radix_map(&w->table, address, frame, size, leaf, upper, next_page, note, w, NULL);
}

static unsigned address_bits(const vx_radix *format) { return format->shift[format->top] + format->bits[format->top]; }

static int level_of(const vx_radix *format, vx_page_size size)
{
    for (int level = 1; level <= format->top; level++)
        if (format->page[level] == (int)size) return level;
    return -1;
}

static uint64_t read_entry(const world *w, uint64_t at)
{
    return vx_radix_read(w->table.format, &w->memory, reversed(NULL, at));
}

/* A frame that the format can name: 32 bits for a 2-level table's small pages, 40 for its large ones, else 46. */
static uint64_t random_frame(const vx_radix *format, vx_page_size size, vx_random *random)
{
    unsigned bits = format->entry_bytes == 8 ? 46 : size == VX_PAGE_4M ? 40 : 32;
    return vx_random_u64(random) >> (64 - bits) & ~(vx_page_bytes(size) - 1);
}

/* ---- constants ---- */

static void formats_cover_their_addresses_without_gap(void **state)
{
    (void)state;
    static const unsigned widths[FORMATS] = {32, 32, 48, 57, 48, 57};
    for (unsigned f = 0; f < FORMATS; f++) {
        unsigned bit = VX_PAGE_SHIFT;
        for (unsigned level = 1; level <= formats[f]->top; level++) {
            assert_int_equal(formats[f]->shift[level], bit);
            bit += formats[f]->bits[level];
            assert_true((formats[f]->entry_bytes << formats[f]->bits[level]) <= VX_PAGE_BYTES);
            if (formats[f]->page[level] >= 0)
                assert_int_equal(vx_page_shift((vx_page_size)formats[f]->page[level]), formats[f]->shift[level]);
        }
        assert_int_equal(bit, widths[f]);
    }
}

static void page_sizes_are_the_manuals(void **state)
{
    (void)state;
    static const int has[FORMATS][VX_PAGE_SIZES] = {{1, -1, 2, -1}, {1, 2, -1, -1}, {1, 2, -1, 3},
                                                    {1, 2, -1, 3},  {1, 2, -1, 3},  {1, 2, -1, 3}};
    for (unsigned f = 0; f < FORMATS; f++)
        for (unsigned size = 0; size < VX_PAGE_SIZES; size++)
            assert_int_equal(level_of(formats[f], (vx_page_size)size), has[f][size]);
}

/* ---- mapping and looking up ---- */

static void expect_mapped(const world *w, uint64_t address, uint64_t frame, vx_page_size size, uint64_t leaf)
{
    const vx_radix *format = w->table.format;
    vx_radix_spot spot = vx_radix_lookup(&w->table, address, 1);
    assert_true(spot.present);
    assert_int_equal(spot.level, level_of(format, size));
    assert_int_equal(spot.entry, read_entry(w, spot.at));
    assert_true(vx_radix_is_leaf(format, spot.level, spot.entry));
    assert_int_equal(vx_radix_frame(format, spot.entry, spot.level, true), frame);
    assert_int_equal(spot.entry & leaf, leaf);
}

/* The entries told of lead from a table's first new entry to the leaf, and are what memory holds. */
static void expect_log(const world *w, unsigned leaf_level, unsigned new_tables)
{
    assert_int_equal(w->wrote, new_tables + 1);
    for (unsigned i = 0; i < w->wrote; i++) {
        assert_int_equal(w->log[i].level, leaf_level + new_tables - i);
        assert_int_equal(w->log[i].value, read_entry(w, w->log[i].at));
        if (i + 1 == w->wrote) break;
        uint64_t below = vx_radix_frame(w->table.format, w->log[i].value, w->log[i].level, false);
        assert_int_equal(w->log[i + 1].at & ~0xFFFULL, below);
    }
}

/* Up to this many pages, each in a 2 GiB (or, in 32 bits, 32 MiB) region of its own so that none is in another's way.
 */
enum { PAGES = 60 };

static void map_random_pages(const vx_radix *format, vx_random *random)
{
    world w;
    world_init(&w, format);
    unsigned spread = address_bits(format) == 32 ? 25 : 31;
    uint64_t address[PAGES], frame[PAGES], leaf[PAGES];
    vx_page_size size[PAGES];
    for (unsigned i = 0; i < PAGES; i++) {
        do size[i] = (vx_page_size)vx_random_below(random, VX_PAGE_SIZES);
        while (level_of(format, size[i]) < 0);
        uint64_t region = (uint64_t)i << spread | (spread == 31 ? (i & 3ULL) << 45 : 0);
        address[i] = region + vx_random_below(random, 1ULL << spread);
        frame[i] = random_frame(format, size[i], random);
        leaf[i] = VX_PTE_P | (vx_random_u64(random) & (VX_PTE_W | VX_PTE_U));
        unsigned pages_before = w.pages_left;
        assert_int_equal(map_page(&w, address[i], frame[i], size[i], leaf[i], VX_PTE_P | VX_PTE_W | VX_PTE_U), VX_OK);
        expect_log(&w, (unsigned)level_of(format, size[i]), pages_before - w.pages_left);
    }
    for (unsigned i = 0; i < PAGES; i++) {
        expect_mapped(&w, address[i], frame[i], size[i], leaf[i]);
        uint64_t page = address[i] & ~(vx_page_bytes(size[i]) - 1);
        expect_mapped(&w, page, frame[i], size[i], leaf[i]);
        expect_mapped(&w, page + vx_page_bytes(size[i]) - 1, frame[i], size[i], leaf[i]);
        if (!(page & (1ULL << vx_page_shift(size[i]))))
            assert_false(vx_radix_lookup(&w.table, page + vx_page_bytes(size[i]), 1).present);
    }
    vx_physmem_fini(&w.memory);
}

static void what_is_mapped_is_found_in_every_format(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "radix");
    for (unsigned f = 0; f < FORMATS; f++)
        for (unsigned round = 0; round < 5; round++) map_random_pages(formats[f], &random);
}

static void identity_placement_without_callbacks(void **state)
{
    (void)state;
    world w;
    world_init(&w, &vx_radix_4level);
    w.table.place = NULL;
    assert_int_equal(
        vx_radix_map(&w.table, 0x7F0012345000, 0xABC000, VX_PAGE_4K, VX_PTE_P, VX_PTE_P, next_page, NULL, &w, NULL),
        VX_OK);
    /* Each table is one page after the last; the entry is where the manual's index says. */
    vx_hpa leaf_at = {TABLES_AT + 3 * 4096 + (0x12345 & 0x1FF) * 8};
    assert_int_equal(vx_physmem_read64(&w.memory, leaf_at), 0xABC001);
    vx_hpa root_at = {TABLES_AT + 0xFE * 8};
    assert_int_equal(vx_physmem_read64(&w.memory, root_at), (TABLES_AT + 4096) | VX_PTE_P);
    vx_physmem_fini(&w.memory);
}

/* ---- special entries ---- */

/* PSE-36: address bits 39:32 lie in bits 20:13 of the entry. */
static void a_4m_page_beyond_4g_is_spelled_as_pse36(void **state)
{
    (void)state;
    world w;
    world_init(&w, &vx_radix_2level);
    assert_int_equal(map_page(&w, 0xC0400000, 0xA534400000, VX_PAGE_4M, VX_PTE_W | VX_PTE_G, 0), VX_OK);
    vx_radix_spot spot = vx_radix_lookup(&w.table, 0xC0412345, 1);
    assert_int_equal(spot.level, 2);
    assert_int_equal(spot.at, TABLES_AT + 0x301 * 4);
    assert_int_equal(spot.entry, 0x34400000 | 0xA5 << 13 | VX_PTE_G | VX_PTE_PS | VX_PTE_W | VX_PTE_P);
    assert_int_equal(vx_radix_frame(&vx_radix_2level, spot.entry, 2, true), 0xA534400000);
    /* The PAT bit (12) and the reserved bit 21 are no part of the frame. */
    assert_int_equal(vx_radix_frame(&vx_radix_2level, spot.entry | 1 << 12 | 1 << 21, 2, true), 0xA534400000);
    assert_int_equal(map_page(&w, 0xC0800000, 0x10000000000, VX_PAGE_4M, 0, 0), VX_ERR_INPUT); /* bit 40 */
    vx_physmem_fini(&w.memory);
}

static void the_pae_top_table_is_32_bytes_without_rights(void **state)
{
    (void)state;
    world w;
    world_init(&w, &vx_radix_pae);
    uint64_t all = VX_PTE_P | VX_PTE_W | VX_PTE_U | VX_PTE_A | VX_PTE_D | VX_PTE_NX;
    for (uint64_t quarter = 0; quarter < 4; quarter++)
        assert_int_equal(map_page(&w, quarter << 30, 0x5000, VX_PAGE_4K, all, all), VX_OK);
    for (uint64_t quarter = 0; quarter < 4; quarter++) {
        vx_radix_spot top = vx_radix_lookup(&w.table, quarter << 30, 3);
        assert_int_equal(top.at, w.table.root + quarter * 8);
        assert_true(top.present);
        assert_int_equal(top.entry & ~VX_ENTRY_ADDRESS, VX_PTE_P);
        vx_radix_spot middle = vx_radix_lookup(&w.table, quarter << 30, 2);
        assert_int_equal(middle.level, 2);
        assert_int_equal(middle.entry & ~VX_ENTRY_ADDRESS, all);
    }
    for (unsigned offset = 0; offset < 4096; offset += 8)
        if (offset < 0x7E0 || offset >= 0x800) assert_int_equal(read_entry(&w, TABLES_AT + offset), 0);
    vx_physmem_fini(&w.memory);
}

/* EPT has no present bit: rights are the caller's, and no right is added where there is one. */
static void ept_rights_are_the_callers(void **state)
{
    (void)state;
    world w;
    world_init(&w, &vx_radix_ept4);
    uint64_t rwx = VX_EPT_R | VX_EPT_W | VX_EPT_X;
    assert_int_equal(map_page(&w, 0x1000, 0x5000, VX_PAGE_4K, VX_EPT_R | VX_EPT_X, rwx), VX_OK);
    assert_int_equal(vx_radix_lookup(&w.table, 0x1000, 1).entry, 0x5000 | VX_EPT_R | VX_EPT_X);
    assert_int_equal(map_page(&w, 0x2000, 0x6000, VX_PAGE_4K, VX_EPT_X, rwx), VX_OK);
    assert_int_equal(vx_radix_lookup(&w.table, 0x2000, 1).entry, 0x6000 | VX_EPT_X);
    assert_int_equal(map_page(&w, 0x3000, 0x7000, VX_PAGE_4K, 0, rwx), VX_OK);
    assert_int_equal(vx_radix_lookup(&w.table, 0x3000, 1).entry, 0x7000 | VX_EPT_R);
    assert_int_equal(vx_radix_lookup(&w.table, 0x3000, 2).entry & 0xFFF, rwx);
    vx_physmem_fini(&w.memory);
}

static void large_leaves_ignore_the_pat_bit(void **state)
{
    (void)state;
    uint64_t entry = 0x80000000 | VX_PTE_P | VX_PTE_PS | VX_PTE_NX;
    assert_int_equal(vx_radix_frame(&vx_radix_4level, entry | 1 << 12, 2, true), 0x80000000);
    assert_int_equal(vx_radix_frame(&vx_radix_4level, entry | 1 << 12, 3, true), 0x80000000);
    assert_int_equal(vx_radix_frame(&vx_radix_4level, entry | 0x40001000, 1, true), 0xC0001000);
    assert_int_equal(vx_radix_frame(&vx_radix_4level, entry | 0x40001000, 4, false), 0xC0001000);
}

/* ---- lookups that end early ---- */

static void a_lookup_ends_at_the_first_absent_entry(void **state)
{
    (void)state;
    world w;
    world_init(&w, &vx_radix_4level);
    vx_radix_spot spot = vx_radix_lookup(&w.table, 0x7F0012345678, 1);
    assert_false(spot.present);
    assert_int_equal(spot.level, 4);
    assert_int_equal(spot.at, TABLES_AT + 0xFE * 8);
    assert_int_equal(map_page(&w, 0x7F0012345000, 0x1000, VX_PAGE_4K, 0, 0), VX_OK);
    spot = vx_radix_lookup(&w.table, 0x7F0012346000, 1);
    assert_false(spot.present);
    assert_int_equal(spot.level, 1);
    spot = vx_radix_lookup(&w.table, 0x7F0012345000, 3);
    assert_true(spot.present);
    assert_int_equal(spot.level, 3);
    assert_false(vx_radix_is_leaf(&vx_radix_4level, 3, spot.entry));
    vx_physmem_fini(&w.memory);
}

static void a_root_that_points_nowhere_holds_nothing(void **state)
{
    (void)state;
    world w;
    world_init(&w, &vx_radix_5level);
    w.table.place = NULL;
    w.table.root = 1ULL << 50;
    assert_false(vx_radix_lookup(&w.table, UINT64_MAX, 1).present);
    vx_physmem_fini(&w.memory);
}

/* ---- replacing and refusing ---- */

static void a_leaf_is_replaced_in_place(void **state)
{
    (void)state;
    for (unsigned f = 0; f < FORMATS; f++)
        for (unsigned size = 0; size < VX_PAGE_SIZES; size++) {
            if (level_of(formats[f], (vx_page_size)size) < 0) continue;
            world w;
            world_init(&w, formats[f]);
            assert_int_equal(map_page(&w, 0x40000000, 0x40000000, (vx_page_size)size, VX_PTE_W, 0), VX_OK);
            unsigned pages = w.pages_left;
            uint64_t at = vx_radix_lookup(&w.table, 0x40000000, 1).at;
            assert_int_equal(map_page(&w, 0x40000000, 0x80000000, (vx_page_size)size, VX_PTE_P, 0), VX_OK);
            assert_int_equal(w.pages_left, pages);
            assert_int_equal(w.wrote, 1);
            assert_int_equal(w.log[0].at, at);
            expect_mapped(&w, 0x40000000, 0x80000000, (vx_page_size)size, VX_PTE_P);
            assert_int_equal(vx_radix_lookup(&w.table, 0x40000000, 1).entry & VX_PTE_W, 0);
            vx_physmem_fini(&w.memory);
        }
}

static void expect_refused(world *w, uint64_t address, uint64_t frame, vx_page_size size)
{
    unsigned pages = w->pages_left;
    vx_radix_spot before = vx_radix_lookup(&w->table, address, 1);
    assert_int_equal(map_page(w, address, frame, size, VX_PTE_P, VX_PTE_P), VX_ERR_INPUT);
    assert_int_equal(w->wrote, 0);
    assert_int_equal(w->pages_left, pages);
    assert_int_equal(vx_radix_lookup(&w->table, address, 1).entry, before.entry);
}

static void what_is_in_the_way_is_refused(void **state)
{
    (void)state;
    world w;
    world_init(&w, &vx_radix_4level);
    assert_int_equal(map_page(&w, 0x40000000, 0, VX_PAGE_2M, VX_PTE_P, VX_PTE_P), VX_OK);
    expect_refused(&w, 0x40001000, 0, VX_PAGE_4K); /* below a 2M page */
    expect_refused(&w, 0x40000000, 0, VX_PAGE_1G); /* over its table */
    assert_int_equal(map_page(&w, 0x80000000, 0, VX_PAGE_1G, VX_PTE_P, VX_PTE_P), VX_OK);
    expect_refused(&w, 0x80200000, 0, VX_PAGE_2M);
    expect_refused(&w, 0x80001000, 0, VX_PAGE_4K);
    vx_physmem_fini(&w.memory);
    world_init(&w, &vx_radix_2level);
    assert_int_equal(map_page(&w, 0x40001000, 0, VX_PAGE_4K, VX_PTE_P, VX_PTE_P), VX_OK);
    expect_refused(&w, 0x40000000, 0, VX_PAGE_4M);
    vx_physmem_fini(&w.memory);
}

static void pages_and_frames_that_do_not_exist_are_refused(void **state)
{
    (void)state;
    for (unsigned f = 0; f < FORMATS; f++) {
        world w;
        world_init(&w, formats[f]);
        for (unsigned s = 0; s < VX_PAGE_SIZES; s++) {
            vx_page_size size = (vx_page_size)s;
            if (level_of(formats[f], size) < 0) {
                expect_refused(&w, 0, 0, size);
                continue;
            }
            expect_refused(&w, 0, vx_page_bytes(size) / 2, size);
            expect_refused(&w, 0, 1ULL << 52, size);
            expect_refused(&w, 0, 1ULL << 63, size);
        }
        if (formats[f]->entry_bytes == 4) expect_refused(&w, 0, 1ULL << 32, VX_PAGE_4K);
        vx_physmem_fini(&w.memory);
    }
}

/* With k pages left for tables a mapping fails until there are enough; tables made before are used, not lost. */
static void running_out_of_pages_is_reported_and_can_be_repeated(void **state)
{
    (void)state;
    world w;
    world_init(&w, &vx_radix_5level);
    for (unsigned attempt = 0; attempt < 4; attempt++) {
        w.pages_left = 1;
        vx_msg msg = {""};
        w.wrote = 0;
        vx_status status =
            vx_radix_map(&w.table, 0x1234567000, 0x1000, VX_PAGE_4K, VX_PTE_P, VX_PTE_P, next_page, note, &w, &msg);
        assert_int_equal(w.pages_left, 0);
        if (attempt == 3) {
            assert_int_equal(status, VX_OK);
            break;
        }
        assert_int_equal(status, VX_ERR_NOMEM);
        assert_true(strlen(msg.text) > 0);
        assert_int_equal(w.wrote, 1);
        assert_int_equal(vx_radix_lookup(&w.table, 0x1234567000, 1).level, 4 - attempt);
    }
    assert_int_equal(w.next_page, TABLES_AT + 4 * 4096);
    expect_mapped(&w, 0x1234567000, 0x1000, VX_PAGE_4K, VX_PTE_P);
    vx_physmem_fini(&w.memory);
}

static uint64_t page_beyond_4g(void *context, unsigned level)
{
    (void)context;
    (void)level;
    return 1ULL << 32;
}

static void a_table_that_the_format_cannot_name_is_refused(void **state)
{
    (void)state;
    world w;
    world_init(&w, &vx_radix_2level);
    assert_int_equal(vx_radix_map(&w.table, 0, 0, VX_PAGE_4K, VX_PTE_P, VX_PTE_P, page_beyond_4g, note, &w, NULL),
                     VX_ERR_INPUT);
    assert_int_equal(w.wrote, 0);
    assert_false(vx_radix_lookup(&w.table, 0, 1).present);
    vx_physmem_fini(&w.memory);
}

/* A table full of random bits: a lookup ends, within the format's levels. */
static void random_bits_are_walked_safely(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "bits");
    unsigned leaves = 0;
    for (unsigned f = 0; f < FORMATS; f++) {
        world w;
        world_init(&w, formats[f]);
        w.table.place = NULL;
        for (uint64_t at = 0; at < 2 * mib; at += 8)
            vx_physmem_write64(&w.memory, (vx_hpa){at}, vx_random_u64(&random) & ~0x000FFFFFFFE00000ULL);
        for (unsigned i = 0; i < 20000; i++) {
            vx_radix_spot spot = vx_radix_lookup(&w.table, vx_random_u64(&random), 1);
            assert_true(spot.level >= 1 && spot.level <= formats[f]->top);
            if (!spot.present) continue;
            leaves++;
            assert_true(vx_radix_is_leaf(formats[f], spot.level, spot.entry));
        }
        vx_physmem_fini(&w.memory);
    }
    assert_true(leaves > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_cover_their_addresses_without_gap),
        cmocka_unit_test(page_sizes_are_the_manuals),
        cmocka_unit_test(what_is_mapped_is_found_in_every_format),
        cmocka_unit_test(identity_placement_without_callbacks),
        cmocka_unit_test(a_4m_page_beyond_4g_is_spelled_as_pse36),
        cmocka_unit_test(the_pae_top_table_is_32_bytes_without_rights),
        cmocka_unit_test(ept_rights_are_the_callers),
        cmocka_unit_test(large_leaves_ignore_the_pat_bit),
        cmocka_unit_test(a_lookup_ends_at_the_first_absent_entry),
        cmocka_unit_test(a_root_that_points_nowhere_holds_nothing),
        cmocka_unit_test(a_leaf_is_replaced_in_place),
        cmocka_unit_test(what_is_in_the_way_is_refused),
        cmocka_unit_test(pages_and_frames_that_do_not_exist_are_refused),
        cmocka_unit_test(running_out_of_pages_is_reported_and_can_be_repeated),
        cmocka_unit_test(a_table_that_the_format_cannot_name_is_refused),
        cmocka_unit_test(random_bits_are_walked_safely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
