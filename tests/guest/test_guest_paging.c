/* The modelled OS: boot, page faults, page sizes, placement, unmapping, its limits. */
#include <string.h>

#include "failing_malloc.h"
#include "guest_machine.h"
#include "vx_random.h"
#include "vx_vcpu.h"

static const uint64_t kib = 1ULL << 10, mib = 1ULL << 20, gib = 1ULL << 30;

static guest_rig open_rig(unsigned levels, vx_page_size page, vx_table_placement tables, uint64_t ram_bytes)
{
    guest_rig made;
    vx_cfg_guest config = rig_config(levels, page, tables, ram_bytes);
    rig_open(&made, &config, 1, 1);
    return made;
}

static vx_page_size size_at(guest_rig *rig, uint64_t gva)
{
    assert_int_equal(rig_touch(rig, gva), VX_OK);
    return machine_walk(&rig->machine, gva).size;
}

/* ---- boot ---- */

static void boot_selects_the_paging_mode(void **state)
{
    (void)state;
    static const vx_paging_mode modes[] = {VX_PAGING_32BIT, VX_PAGING_PAE, VX_PAGING_4LEVEL, VX_PAGING_5LEVEL};
    for (unsigned levels = 2; levels <= 5; levels++) {
        guest_rig rig = open_rig(levels, VX_PAGE_4K, VX_TABLES_CLUSTERED, 64 * mib);
        const guest_machine *m = &rig.machine;
        uint64_t needed = VX_CR0_PE | VX_CR0_WP | VX_CR0_PG;
        assert_true((m->cr0 & needed) == needed);
        /* SDM Vol. 3A, 4.1.1 */
        vx_paging_mode mode = !(m->cr4 & VX_CR4_PAE)     ? VX_PAGING_32BIT
                              : !(m->efer & VX_EFER_LME) ? VX_PAGING_PAE
                              : m->cr4 & VX_CR4_LA57     ? VX_PAGING_5LEVEL
                                                         : VX_PAGING_4LEVEL;
        assert_int_equal(mode, modes[levels - 2]);
        assert_true(!!(m->efer & VX_EFER_LMA) == (levels >= 4));
        assert_true(!!(m->efer & VX_EFER_NXE) == (levels >= 3));
        if (levels == 2) assert_true(m->cr4 & VX_CR4_PSE);
        assert_int_equal(m->tables, levels == 3 ? 5 : 1);
        assert_int_equal(vx_guest_counts_now(rig.guest)->table_pages, m->tables);
        rig_close(&rig);
    }
}

/* ---- one page fault, record by record ---- */

typedef struct expected_record {
    vx_record_kind kind;
    unsigned size;
} expected_record;

static void check_records(const vx_queue *queue, const expected_record *list, size_t count)
{
    assert_int_equal(queue->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(queue->records[i].kind, list[i].kind);
        assert_int_equal(queue->records[i].size, list[i].size);
    }
}

static void a_fault_queues_the_handlers_work_in_order(void **state)
{
    (void)state;
    guest_rig rig = open_rig(4, VX_PAGE_4K, VX_TABLES_CLUSTERED, 64 * mib);
    uint64_t gva = 0x7F0012345678;
    assert_int_equal(vx_guest_page_fault(rig.guest, (vx_gva){gva}, 6, &rig.queue, &rig.msg), VX_OK);
    static const expected_record first[] = {{VX_REC_EXCEPTION, 14},  {VX_REC_CPL, 0},         {VX_REC_SKIPPED, 0},
                                            {VX_REC_PT_PAGE_NEW, 3}, {VX_REC_PT_STORE, 8},    {VX_REC_PT_PAGE_NEW, 2},
                                            {VX_REC_PT_STORE, 8},    {VX_REC_PT_PAGE_NEW, 1}, {VX_REC_PT_STORE, 8},
                                            {VX_REC_PT_STORE, 8},    {VX_REC_IRET, 0},        {VX_REC_CPL, 3}};
    check_records(&rig.queue, first, sizeof first / sizeof first[0]);
    const vx_record *exception = &rig.queue.records[0];
    assert_true(exception->addr == gva);
    assert_int_equal(rig.queue.payload[exception->arg], 6);
    assert_int_equal(rig.queue.payload[rig.queue.records[2].arg], 1000);
    rig_drain(&rig);
    /* The neighbour needs no table. */
    assert_int_equal(vx_guest_page_fault(rig.guest, (vx_gva){gva + 4096}, 4, &rig.queue, &rig.msg), VX_OK);
    static const expected_record second[] = {{VX_REC_EXCEPTION, 14}, {VX_REC_CPL, 0},  {VX_REC_SKIPPED, 0},
                                             {VX_REC_PT_STORE, 8},   {VX_REC_IRET, 0}, {VX_REC_CPL, 3}};
    check_records(&rig.queue, second, sizeof second / sizeof second[0]);
    rig_drain(&rig);
    const vx_guest_counts *counts = vx_guest_counts_now(rig.guest);
    assert_int_equal(counts->faults, 2);
    assert_int_equal(counts->pages_mapped[VX_PAGE_4K], 2);
    assert_int_equal(counts->table_pages, 4);
    assert_int_equal(counts->pt_stores, 5);
    vx_guest_counts_reset(rig.guest);
    assert_int_equal(counts->faults + counts->pt_stores + counts->table_pages, 0);
    rig_close(&rig);
}

static void a_fault_on_a_mapped_page_is_a_failed_check(void **state)
{
    (void)state;
    guest_rig rig = open_rig(4, VX_PAGE_4K, VX_TABLES_CLUSTERED, 64 * mib);
    assert_int_equal(rig_touch(&rig, 0x1000), VX_OK);
    assert_int_equal(vx_guest_page_fault(rig.guest, (vx_gva){0x1FFF}, 7, &rig.queue, &rig.msg), VX_ERR_CHECK);
    assert_int_equal(rig.queue.count, 0);
    rig_close(&rig);
}

static void addresses_must_fit_the_mode(void **state)
{
    (void)state;
    static const struct {
        unsigned levels;
        uint64_t gva;
        vx_status status;
    } cases[] = {
        {2, 0xFFFFFFFF, VX_OK},
        {2, 0x100000000, VX_ERR_INPUT},
        {3, 0xFFFFFFFF, VX_OK},
        {3, 0x7F0012345678, VX_ERR_INPUT},
        {4, 0x7FFFFFFFFFFF, VX_OK},
        {4, 0x800000000000, VX_ERR_INPUT},
        {4, 0xFFFFFFFFFF600000, VX_OK}, /* vsyscall */
        {4, 0xFFFF7FFFFFFFFFFF, VX_ERR_INPUT},
        {5, 0xFF7F0000000000, VX_OK},
        {5, 0x100000000000000, VX_ERR_INPUT},
        {5, UINT64_MAX, VX_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        guest_rig rig = open_rig(cases[i].levels, VX_PAGE_4K, VX_TABLES_CLUSTERED, 64 * mib);
        rig.msg.text[0] = 0;
        if (cases[i].status == VX_OK)
            assert_int_equal(rig_touch(&rig, cases[i].gva), VX_OK);
        else
            assert_int_equal(vx_guest_page_fault(rig.guest, (vx_gva){cases[i].gva}, 4, &rig.queue, &rig.msg),
                             VX_ERR_INPUT);
        assert_int_equal(rig.msg.text[0] != 0, cases[i].status != VX_OK);
        assert_int_equal(rig.queue.count, 0);
        rig_close(&rig);
    }
}

/* ---- page sizes ---- */

static void large_pages_come_with_the_first_touch_of_a_region(void **state)
{
    (void)state;
    guest_rig rig = open_rig(4, VX_PAGE_2M, VX_TABLES_CLUSTERED, 64 * mib);
    assert_int_equal(size_at(&rig, 0x7F0012345678), VX_PAGE_2M);
    assert_int_equal(vx_guest_counts_now(rig.guest)->faults, 1);
    assert_int_equal(rig_touch(&rig, 0x7F0012200000), VX_OK); /* the same region */
    assert_int_equal(rig_touch(&rig, 0x7F00123FFFFF), VX_OK);
    assert_int_equal(vx_guest_counts_now(rig.guest)->faults, 1);
    assert_int_equal(size_at(&rig, 0x7F0012400000), VX_PAGE_2M);
    rig_close(&rig);

    rig = open_rig(2, VX_PAGE_4M, VX_TABLES_CLUSTERED, 64 * mib);
    assert_int_equal(size_at(&rig, 0xBFFFFFFF), VX_PAGE_4M);
    rig_close(&rig);

    rig = open_rig(3, VX_PAGE_2M, VX_TABLES_CLUSTERED, 64 * mib);
    assert_int_equal(size_at(&rig, 0xBFFFFFFF), VX_PAGE_2M);
    rig_close(&rig);

    rig = open_rig(5, VX_PAGE_1G, VX_TABLES_CLUSTERED, 4 * gib);
    assert_int_equal(size_at(&rig, 0x7F0012345678), VX_PAGE_1G);
    rig_close(&rig);
}

/* Smaller pages follow where no aligned block is left; the region then keeps to them. */
static void large_pages_fall_back_by_size(void **state)
{
    (void)state;
    /* Gigabyte 0 holds the tables: one block of 1G, then 2M blocks of gigabyte 0, then 4K. */
    guest_rig rig = open_rig(4, VX_PAGE_1G, VX_TABLES_INTERLEAVED, 2 * gib);
    assert_int_equal(size_at(&rig, 0), VX_PAGE_1G);
    uint64_t large = 0;
    for (uint64_t gva = gib;; gva += 2 * mib) {
        vx_page_size size = size_at(&rig, gva);
        if (size == VX_PAGE_4K) break;
        assert_int_equal(size, VX_PAGE_2M);
        large++;
    }
    assert_int_equal(large, 511); /* all of gigabyte 0 but the block with frame 0 and the tables */
    /* There is a table of 4K pages in the last region, so it stays with 4K. */
    assert_int_equal(size_at(&rig, gib + 511 * 2 * mib + 4096), VX_PAGE_4K);
    const vx_guest_counts *counts = vx_guest_counts_now(rig.guest);
    assert_int_equal(counts->pages_mapped[VX_PAGE_1G], 1);
    assert_int_equal(counts->pages_mapped[VX_PAGE_2M], 511);
    assert_int_equal(counts->pages_mapped[VX_PAGE_4K], 2);
    rig_close(&rig);
}

/* The last free block is a large page only if its tables find frames elsewhere. Two blocks of RAM: roots fill the first
 * but for `spare` frames; a 2M page needs two tables below the root. */
static void a_large_page_leaves_frames_for_its_tables(void **state)
{
    (void)state;
    for (unsigned spare = 0; spare < 4; spare++) {
        guest_rig rig;
        vx_cfg_guest config = rig_config(4, VX_PAGE_2M, VX_TABLES_INTERLEAVED, 4 * mib);
        rig_open(&rig, &config, 511 - spare, 1);
        assert_int_equal(size_at(&rig, 0x400000), spare < 2 ? VX_PAGE_4K : VX_PAGE_2M);
        rig_close(&rig);
    }
}

static void ram_is_used_to_the_last_frame(void **state)
{
    (void)state;
    static const vx_page_size pages[] = {VX_PAGE_4K, VX_PAGE_2M};
    for (unsigned i = 0; i < 6; i++) {
        vx_table_placement placement = (vx_table_placement)(i % 3);
        guest_rig rig = open_rig(4, pages[i / 3], placement, 16 * mib + 12 * kib);
        vx_status status = VX_OK;
        uint64_t gva = 0x400000;
        for (; status == VX_OK; gva += 4096) status = rig_touch(&rig, gva);
        assert_int_equal(status, VX_ERR_INPUT);
        assert_non_null(strstr(rig.msg.text, "--ram"));
        /* What is left (at most) is what one more mapping would have needed: a page and a table. Frame 0 is never used.
         */
        uint64_t used = rig.machine.data_frames + rig.machine.tables + 1;
        assert_in_range(used, rig.machine.frames - 1, rig.machine.frames);
        /* Nothing changed: the same fault fails again, and a mapped page still works. */
        assert_int_equal(rig_touch(&rig, gva - 4096), VX_ERR_INPUT);
        assert_int_equal(rig_touch(&rig, 0x400000), VX_OK);
        rig_close(&rig);
    }
}

/* ---- placement ---- */

static uint64_t count_table_blocks(const guest_machine *m)
{
    uint64_t blocks = 0;
    for (uint64_t block = 0; block < m->frames >> 9; block++) {
        bool any = false;
        for (uint64_t frame = block << 9; frame < (block + 1) << 9; frame++) any |= m->table_level[frame] != 0;
        blocks += any;
    }
    return blocks;
}

/* Touches one page in each of 600 regions of 2 MiB: 600 tables of level 1 and a few above. */
static guest_rig sparse(vx_table_placement placement, uint64_t seed)
{
    guest_rig made;
    vx_cfg_guest config = rig_config(4, VX_PAGE_4K, placement, 1 * gib);
    rig_open(&made, &config, 1, seed);
    for (uint64_t i = 0; i < 600; i++) assert_int_equal(rig_touch(&made, i * 2 * mib), VX_OK);
    return made;
}

static void clustered_tables_share_blocks_with_no_data(void **state)
{
    (void)state;
    guest_rig rig = sparse(VX_TABLES_CLUSTERED, 1);
    const guest_machine *m = &rig.machine;
    assert_int_equal(count_table_blocks(m), (m->tables + 511) / 512);
    for (uint64_t frame = 0; frame < m->frames; frame++) {
        if (!m->table_level[frame]) continue;
        for (uint64_t other = frame & ~511ULL; other < (frame | 511) + 1; other++)
            assert_int_equal(m->data_root[other], 0);
    }
    rig_close(&rig);
}

static void interleaved_tables_lie_beside_the_data_they_map(void **state)
{
    (void)state;
    guest_rig rig = sparse(VX_TABLES_INTERLEAVED, 1);
    const guest_machine *m = &rig.machine;
    uint64_t used = m->tables + m->data_frames;
    for (uint64_t frame = 1; frame <= used; frame++) assert_true(m->table_level[frame] || m->data_root[frame]);
    uint64_t pairs = 0;
    for (uint64_t frame = 1; frame < used; frame++) pairs += m->data_root[frame] && m->table_level[frame + 1] == 1;
    assert_int_equal(pairs, 600 - 2); /* a page's frame, then its table's; twice an upper table lies between */
    rig_close(&rig);
}

static void scattered_tables_spread_over_the_ram(void **state)
{
    (void)state;
    uint64_t seed = vx_test_seed();
    guest_rig rig = sparse(VX_TABLES_SCATTERED, seed);
    const guest_machine *m = &rig.machine;
    /* 604 tables in 512 blocks: the expected number of blocks hit is 512 (1 - (511/512)^604) = 355, s. d. about 8. */
    assert_in_range(count_table_blocks(m), 305, 405);
    uint64_t halves[2] = {0, 0};
    for (uint64_t frame = 0; frame < m->frames; frame++)
        if (m->table_level[frame]) halves[frame >= m->frames / 2]++;
    assert_in_range(halves[0], m->tables * 2 / 5, m->tables * 3 / 5);
    /* Another seed, another placement. */
    guest_rig other = sparse(VX_TABLES_SCATTERED, seed + 1);
    assert_memory_not_equal(m->table_level, other.machine.table_level, m->frames);
    rig_close(&other);
    rig_close(&rig);
}

static void data_frames_follow_the_order_of_first_touch(void **state)
{
    (void)state;
    guest_rig rig = open_rig(4, VX_PAGE_4K, VX_TABLES_CLUSTERED, 64 * mib);
    uint64_t last = 0;
    for (uint64_t i = 0; i < 300; i++) {
        uint64_t gva = (i * 7919 % 300) * 4096; /* 7919 is prime to 300: every page once */
        assert_int_equal(rig_touch(&rig, gva), VX_OK);
        uint64_t frame = machine_walk(&rig.machine, gva).frame;
        assert_true(i == 0 || frame == last + 4096);
        last = frame;
    }
    rig_close(&rig);
}

static void pae_roots_lie_below_4_gib(void **state)
{
    (void)state;
    uint64_t seed = vx_test_seed();
    for (uint64_t i = 0; i < 20; i++) {
        guest_rig rig;
        vx_cfg_guest config = rig_config(3, VX_PAGE_4K, VX_TABLES_SCATTERED, 16 * gib);
        rig_open(&rig, &config, 8, seed + i); /* the machine checks each CR3 it is given */
        assert_true(rig.machine.cr3 < 1ULL << 32);
        assert_int_equal(rig.machine.tables, 8 * 5);
        for (uint64_t frame = 1 << 20; frame < rig.machine.frames; frame++)
            assert_int_not_equal(rig.machine.table_level[frame], 3);
        rig_close(&rig);
    }
}

/* ---- unmapping ---- */

static void every_nth_fault_unmaps_the_oldest_page(void **state)
{
    (void)state;
    guest_rig rig;
    vx_cfg_guest config = rig_config(4, VX_PAGE_4K, VX_TABLES_CLUSTERED, 64 * mib);
    config.unmap_every = 4;
    rig_open(&rig, &config, 1, 1);
    const vx_guest_counts *counts = vx_guest_counts_now(rig.guest);
    for (uint64_t i = 0; i < 400; i++) {
        uint64_t before = rig.machine.invlpgs;
        assert_int_equal(rig_touch(&rig, i * 4096), VX_OK);
        uint64_t fault = i + 1;
        bool due = fault >= 18 && (fault - 18) % 4 == 0; /* the 16 newest pages stay, so 17 are needed */
        assert_int_equal(rig.machine.invlpgs - before, due);
    }
    assert_int_equal(counts->unmaps, rig.machine.invlpgs);
    /* In the order of mapping: exactly the first pages are gone. */
    for (uint64_t i = 0; i < 400; i++)
        assert_int_equal(machine_walk(&rig.machine, i * 4096).valid, i >= counts->unmaps);
    assert_int_equal(rig.machine.data_frames, 400 - counts->unmaps);
    rig_close(&rig);
}

/* Five new levels and an unmapping. */
static void the_longest_fault_fits_the_queue(void **state)
{
    (void)state;
    guest_rig rig;
    vx_cfg_guest config = rig_config(5, VX_PAGE_4K, VX_TABLES_CLUSTERED, 64 * mib);
    config.unmap_every = 1;
    rig_open(&rig, &config, 1, 1);
    for (uint64_t i = 0; i < 17; i++) assert_int_equal(rig_touch(&rig, i * 4096), VX_OK);
    assert_int_equal(vx_guest_page_fault(rig.guest, (vx_gva){0xFF7F0000000000}, 4, &rig.queue, &rig.msg), VX_OK);
    assert_int_equal(rig.queue.count, 16);
    assert_true(rig.queue.count <= rig.queue.room);
    assert_int_equal(rig.queue.words, 1 + 4 + 6 * 2); /* boot needs more */
    rig_drain(&rig);
    rig_close(&rig);
}

/* Unmapping after each fault, a program can still use two pages at once, and RAM never runs out. */
static void unmapping_keeps_the_newest_pages_and_recycles_frames(void **state)
{
    (void)state;
    guest_rig rig;
    vx_cfg_guest config = rig_config(4, VX_PAGE_4K, VX_TABLES_INTERLEAVED, 1 * mib);
    config.unmap_every = 1;
    rig_open(&rig, &config, 1, 1);
    for (uint64_t i = 0; i < 512 * 20; i++) {
        assert_int_equal(rig_touch(&rig, i % 512 * 4096), VX_OK);
        assert_int_equal(rig_touch(&rig, (i + 1) % 512 * 4096), VX_OK);
        assert_true(machine_walk(&rig.machine, i % 512 * 4096).valid);
    }
    assert_in_range(rig.machine.data_frames, 16, 17);
    rig_close(&rig);
}

/* ---- random programs ---- */

typedef struct guest_program {
    unsigned levels;
    vx_page_size page;
    vx_table_placement tables;
    uint64_t ram_bytes;
    bool pcid;
    uint64_t unmap_every;
} guest_program;

static uint64_t random_gva(vx_random *random, unsigned levels)
{
    /* A few dense places and a few far ones, so that regions, tables and pages are shared now and then. */
    static const uint64_t places[] = {0x400000, 0x7F0000000000, 0xFFFF800000000000, 0x5500000000};
    static const uint64_t small_places[] = {0x400000, 0x8000000, 0xBF000000, 0xFFC00000};
    uint64_t which = vx_random_below(random, 4);
    uint64_t base = levels < 4 ? small_places[which] : places[which];
    if (levels == 5 && which == 3) base = 0x55000000000000;
    return base + vx_random_below(random, 4 * mib);
}

static void run_program(const guest_program *program, uint64_t seed)
{
    guest_rig rig;
    vx_cfg_guest config = rig_config(program->levels, program->page, program->tables, program->ram_bytes);
    config.pcid = program->pcid;
    config.unmap_every = program->unmap_every;
    rig_open(&rig, &config, 1, seed);
    vx_random random;
    vx_random_init(&random, seed, "program");
    uint64_t touches = 0;
    for (unsigned i = 0; i < 1500; i++) {
        if (vx_random_below(&random, 100) == 0) {
            assert_int_equal(vx_guest_process(rig.guest, vx_random_below(&random, 4), &rig.queue, &rig.msg), VX_OK);
            if (rig.queue.count) rig_drain(&rig);
        }
        uint64_t gva = random_gva(&random, program->levels);
        bool absent = !machine_walk(&rig.machine, gva).valid;
        assert_int_equal(rig_touch(&rig, gva), VX_OK);
        touches += absent;
        assert_true(machine_walk(&rig.machine, gva).size <= program->page);
    }
    const vx_guest_counts *counts = vx_guest_counts_now(rig.guest);
    uint64_t mapped = 0;
    for (unsigned i = 0; i < VX_PAGE_SIZES; i++) mapped += counts->pages_mapped[i];
    assert_int_equal(counts->faults, touches);
    assert_int_equal(mapped, touches);
    assert_int_equal(counts->table_pages, rig.machine.tables);
    assert_int_equal(counts->unmaps, rig.machine.invlpgs);
    assert_true(program->unmap_every == 0 || counts->unmaps > 0);
    rig_close(&rig);
}

static void random_programs_keep_every_rule(void **state)
{
    (void)state;
    uint64_t seed = vx_test_seed();
    static const vx_page_size large[] = {VX_PAGE_4M, VX_PAGE_2M, VX_PAGE_2M, VX_PAGE_1G};
    unsigned runs = 0;
    for (unsigned levels = 2; levels <= 5; levels++)
        for (unsigned placement = 0; placement < 3; placement++)
            for (unsigned variant = 0; variant < 4; variant++) {
                guest_program program = {.levels = levels,
                                         .page = variant & 1 ? large[levels - 2] : VX_PAGE_4K,
                                         .tables = (vx_table_placement)placement,
                                         .ram_bytes = variant & 1 && levels == 5 ? 3 * gib : 96 * mib,
                                         .pcid = levels >= 4 && variant & 2,
                                         .unmap_every = variant & 1 ? 0 : 1 + variant};
                run_program(&program, seed + runs++);
            }
}

static void same_seed_same_records(void **state)
{
    (void)state;
    guest_rig first = sparse(VX_TABLES_SCATTERED, 5), second = sparse(VX_TABLES_SCATTERED, 5);
    assert_memory_equal(first.machine.table_level, second.machine.table_level, first.machine.frames);
    assert_memory_equal(first.machine.data_root, second.machine.data_root,
                        first.machine.frames * sizeof *first.machine.data_root);
    assert_true(first.machine.cr3 == second.machine.cr3);
    for (uint64_t i = 0; i < 600; i++)
        assert_true(machine_walk(&first.machine, i * 2 * mib).frame ==
                    machine_walk(&second.machine, i * 2 * mib).frame);
    rig_close(&first);
    rig_close(&second);
}

/* ---- errors of construction ---- */

static void contradictions_are_refused(void **state)
{
    (void)state;
    vx_cfg_guest good = rig_config(4, VX_PAGE_4K, VX_TABLES_CLUSTERED, 64 * mib);
    vx_cfg_guest bad[10];
    for (unsigned i = 0; i < 10; i++) bad[i] = good;
    bad[0].levels = 1;
    bad[1].levels = 6;
    bad[2].levels = 2, bad[2].page = VX_PAGE_2M;
    bad[3].levels = 3, bad[3].page = VX_PAGE_1G;
    bad[4].page = VX_PAGE_4M;
    bad[5].levels = 3, bad[5].pcid = true;
    bad[6].levels = 2, bad[6].ram_bytes = 8 * gib;
    bad[7].ram_bytes = 4096;
    bad[8].tick_instructions = 1000; /* the handler's own length */
    bad[9].slice_instructions = 10;
    for (unsigned i = 0; i < 10; i++) {
        vx_arena arena;
        vx_arena_init(&arena);
        vx_guest *guest = NULL;
        vx_msg msg = {{0}};
        assert_int_equal(vx_guest_init(&guest, &arena, &bad[i], 2, 1, &msg), VX_ERR_INPUT);
        assert_null(guest);
        assert_int_not_equal(msg.text[0], 0);
        assert_int_equal(vx_guest_init(&guest, &arena, &good, i % 2 ? 0 : 4096, 1, &msg), VX_ERR_INPUT);
        vx_arena_fini(&arena);
    }
}

static void boot_needs_room_for_its_tables(void **state)
{
    (void)state;
    vx_cfg_guest config = rig_config(4, VX_PAGE_4K, VX_TABLES_CLUSTERED, 1 * mib);
    vx_arena arena;
    vx_arena_init(&arena);
    size_t records, words;
    vx_guest_queue_bound(300, 1, &records, &words);
    vx_queue queue;
    vx_guest *guest;
    vx_msg msg;
    assert_int_equal(vx_queue_init(&queue, &arena, records, words, &msg), VX_OK);
    assert_int_equal(vx_guest_init(&guest, &arena, &config, 300, 1, &msg), VX_OK);
    assert_int_equal(vx_guest_boot(guest, &queue, &msg), VX_ERR_INPUT);
    assert_non_null(strstr(msg.text, "--ram"));
    vx_guest_fini(guest);
    vx_arena_fini(&arena);
}

static void every_failing_allocation_is_reported(void **state)
{
    (void)state;
    vx_cfg_guest config = rig_config(4, VX_PAGE_4K, VX_TABLES_CLUSTERED, 16 * gib);
    config.unmap_every = 10;
    for (uint64_t n = 1;; n++) {
        vx_arena arena;
        vx_arena_init(&arena);
        vx_guest *guest = NULL;
        vx_msg msg;
        vx_fail_allocation(n);
        vx_status status = vx_guest_init(&guest, &arena, &config, 2, 1, &msg);
        bool failed = vx_fail_allocation_end();
        assert_int_equal(status, failed ? VX_ERR_NOMEM : VX_OK);
        assert_true(failed == (guest == NULL));
        vx_guest_fini(guest);
        vx_arena_fini(&arena);
        if (!failed) {
            assert_true(n > 3);
            break;
        }
    }
}

/* RAM that no system can reserve an image of. */
static void an_impossible_image_is_an_error(void **state)
{
    (void)state;
    vx_cfg_guest config = rig_config(4, VX_PAGE_4K, VX_TABLES_CLUSTERED, 1ULL << 47);
    vx_arena arena;
    vx_arena_init(&arena);
    vx_guest *guest = NULL;
    vx_msg msg;
    assert_int_not_equal(vx_guest_init(&guest, &arena, &config, 1, 1, &msg), VX_OK);
    assert_null(guest);
    vx_arena_fini(&arena);
}

static void counters_are_declared(void **state)
{
    (void)state;
    guest_rig rig = open_rig(4, VX_PAGE_2M, VX_TABLES_CLUSTERED, 64 * mib);
    vx_stats stats;
    vx_stats_init(&stats);
    vx_guest_counts *counts = (vx_guest_counts *)vx_guest_counts_now(rig.guest);
    vx_guest_counts_declare(counts, &stats);
    assert_int_equal(vx_stats_ok(&stats, &rig.msg), VX_OK);
    assert_int_equal(rig_touch(&rig, 0x1000), VX_OK);
    assert_int_equal(*vx_stats_find(&stats, "paging.os.faults")->of.scalar, 1);
    assert_int_equal(*vx_stats_find(&stats, "paging.os.pages_mapped.2m")->of.scalar, 1);
    assert_int_equal(*vx_stats_find(&stats, "paging.os.pages_mapped.4k")->of.scalar, 0);
    assert_int_equal(*vx_stats_find(&stats, "paging.os.pt_stores")->of.scalar, 3);
    vx_stats_fini(&stats);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boot_selects_the_paging_mode),
        cmocka_unit_test(a_fault_queues_the_handlers_work_in_order),
        cmocka_unit_test(a_fault_on_a_mapped_page_is_a_failed_check),
        cmocka_unit_test(addresses_must_fit_the_mode),
        cmocka_unit_test(large_pages_come_with_the_first_touch_of_a_region),
        cmocka_unit_test(large_pages_fall_back_by_size),
        cmocka_unit_test(a_large_page_leaves_frames_for_its_tables),
        cmocka_unit_test(ram_is_used_to_the_last_frame),
        cmocka_unit_test(clustered_tables_share_blocks_with_no_data),
        cmocka_unit_test(interleaved_tables_lie_beside_the_data_they_map),
        cmocka_unit_test(scattered_tables_spread_over_the_ram),
        cmocka_unit_test(data_frames_follow_the_order_of_first_touch),
        cmocka_unit_test(pae_roots_lie_below_4_gib),
        cmocka_unit_test(every_nth_fault_unmaps_the_oldest_page),
        cmocka_unit_test(the_longest_fault_fits_the_queue),
        cmocka_unit_test(unmapping_keeps_the_newest_pages_and_recycles_frames),
        cmocka_unit_test(random_programs_keep_every_rule),
        cmocka_unit_test(same_seed_same_records),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(boot_needs_room_for_its_tables),
        cmocka_unit_test(every_failing_allocation_is_reported),
        cmocka_unit_test(an_impossible_image_is_an_error),
        cmocka_unit_test(counters_are_declared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
