/* The TLBs: what an entry covers, where it is installed, what drops it; the inline hit; contexts; bad models. */
#include "failing_malloc.h"
#include "mmu_world.h"
#include "test_cpu.h"
#include "vx_random.h"

#define GVA 0x40000000ULL
#define DATA 0x80000000ULL

static mmu_world world;

static vx_page_size held(uint64_t gva, vx_access access)
{
    vx_mmu_translation translation;
    vx_mmu_fault fault;
    assert_int_equal(vx_mmu_access(world.mmu, (vx_gva){gva}, access, &translation, &fault), VX_MMU_DONE);
    return translation.page;
}

static vx_mmu_presence probe(uint64_t gva) { return vx_mmu_probe(world.mmu, (vx_gva){gva}, (vx_gpa){0}); }

static uint64_t drop(vx_mmu_op op, uint64_t gva)
{
    return vx_mmu_invalidate(world.mmu, &(vx_mmu_invalidation){.op = op, .gva = {gva}});
}

/* ---- sizes ---- */

/* All pairs: the entry is the smaller page; INVLPG anywhere in the guest's page drops every part of it, wherever. */
static void splintering(void **state)
{
    (void)state;
    static const vx_page_size sizes[] = {VX_PAGE_4K, VX_PAGE_2M, VX_PAGE_1G};
    vx_cfg_cpu cpu = test_cpu_barcelona();
    for (unsigned g = 0; g < 3; g++)
        for (unsigned n = 0; n < 3; n++) {
            world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NPT, 4);
            world_map(&world, GVA, DATA, sizes[g], WORLD_FREE, WORLD_FREE);
            uint64_t last = vx_page_bytes(sizes[g]) - VX_PAGE_BYTES;
            world_map_nested(&world, DATA, sizes[n], WORLD_NESTED_ALL);
            world_map_nested(&world, DATA + last, sizes[n], WORLD_NESTED_ALL);
            world_load(&world);
            vx_page_size smaller = sizes[g < n ? g : n];
            assert_int_equal(held(GVA, VX_ACCESS_LOAD), smaller);
            assert_int_equal(held(GVA + last, VX_ACCESS_LOAD), smaller);
            assert_int_equal(probe(GVA + last + 5).translation.hpa.v, WORLD_GUEST_BASE + DATA + last + 5);
            drop(VX_OP_INVLPG, GVA + last / 2);
            assert_false(probe(GVA).l1d || probe(GVA).l2 || probe(GVA + last).l1d || probe(GVA + last).l2);
            world_close(&world);
        }
}

static void a_unit_without_the_size_smashes(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_nehalem(); /* first level 4K and 2M, second level 4K */
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 0);
    world_map(&world, GVA, DATA, VX_PAGE_1G, WORLD_FREE, WORLD_FREE);
    world_load(&world);
    assert_int_equal(held(GVA + 0x234567, VX_ACCESS_LOAD), VX_PAGE_2M);
    assert_true(probe(GVA + 0x200000).l1d);
    assert_false(probe(GVA).l1d);
    assert_false(probe(GVA + 0x200000).l2); /* a second level for 4K holds no part of a large page */
    assert_int_equal(drop(VX_OP_INVLPG, GVA + 0x3FFFFFFF), 1);
    world_close(&world);

    cpu.tlb[0].array_count = 1; /* first level 4K only */
    cpu.tlb[2] = test_tlb("l2", VX_TLB_L2, TEST_LOADS | TEST_STORES | TEST_FETCHES, 7);
    test_tlb_array(&cpu.tlb[2], 128, 4, TEST_4K | TEST_2M);
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 0);
    world_map(&world, GVA, DATA, VX_PAGE_1G, WORLD_FREE, WORLD_FREE);
    world_load(&world);
    assert_int_equal(held(GVA + 0x234567, VX_ACCESS_LOAD), VX_PAGE_4K);
    assert_true(probe(GVA + 0x200000).l2);
    assert_false(probe(GVA + 0x200000).l1d);
    assert_int_equal(held(GVA + 0x200000, VX_ACCESS_LOAD), VX_PAGE_4K); /* from the second level's 2M entry */
    assert_int_equal(world.ledger.ticks[VX_CAUSE_TLB_L2_HIT], 2 * 7);   /* the lookup before the walk, and the hit */
    assert_int_equal(vx_mmu_counts_now(world.mmu)->walks, 1);
    world_check_identities(&world);
    world_close(&world);
}

/* A store through a clean piece that the first level got from the second's smaller page: no endless misses. */
static void a_clean_entry_of_another_size_is_replaced(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_barcelona(); /* 1G in the first level, smashed to 2M in the second */
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 0);
    world_map(&world, GVA, DATA, VX_PAGE_1G, WORLD_FREE, WORLD_FREE);
    for (unsigned i = 0; i < 48; i++)
        world_map(&world, (1ULL << 40) + i * 4096, 0x1000000, VX_PAGE_4K, WORLD_FREE, WORLD_FREE);
    world_load(&world);
    assert_int_equal(held(GVA, VX_ACCESS_LOAD), VX_PAGE_1G);
    for (unsigned i = 0; i < 48; i++)
        held((1ULL << 40) + i * 4096, VX_ACCESS_LOAD); /* push it out of the first level */
    assert_int_equal(held(GVA, VX_ACCESS_LOAD), VX_PAGE_2M);
    assert_int_equal(held(GVA, VX_ACCESS_STORE), VX_PAGE_1G);
    uint64_t walks = vx_mmu_counts_now(world.mmu)->walks;
    assert_int_equal(held(GVA, VX_ACCESS_STORE), VX_PAGE_1G);
    assert_int_equal(vx_mmu_counts_now(world.mmu)->walks, walks);
    assert_int_equal(drop(VX_OP_INVLPG, GVA), 2); /* one entry in each level: none was left behind */
    world_close(&world);
}

/* The same where the second level has the better entry: software made a 2M page of 4K pages and did not flush. */
static void a_poorer_entry_gives_way_to_the_second_levels(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_nehalem();
    cpu.tlb[2].array[0] = (vx_cfg_tlb_array){.entries = 4, .ways = 4, .pages = TEST_4K | TEST_2M};
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 0);
    world_map(&world, GVA, DATA, VX_PAGE_4K, WORLD_FREE & ~VX_PTE_W, WORLD_FREE);
    for (unsigned i = 1; i <= 4; i++)
        world_map(&world, (1ULL << 40) + i * 4096, DATA, VX_PAGE_4K, WORLD_FREE, WORLD_FREE);
    world_load(&world);
    held(GVA, VX_ACCESS_LOAD);
    for (unsigned i = 1; i <= 4; i++)
        held((1ULL << 40) + i * 4096, VX_ACCESS_LOAD); /* the second level is full of them */
    vx_hpa pde = {world_guest_entry(&world, GVA, 2)};
    vx_physmem_write64(&world.memory, pde, DATA | WORLD_FREE | VX_PTE_P | VX_PTE_PS | VX_PTE_D);
    vx_mmu_invalidate(world.mmu,
                      &(vx_mmu_invalidation){.op = VX_OP_INVPCID_ADDRESS, .gva = {GVA + 4096}}); /* its PDE */
    assert_int_equal(held(GVA + 8192, VX_ACCESS_FETCH), VX_PAGE_2M);
    assert_int_equal(probe(GVA).translation.page, VX_PAGE_2M);
    vx_hpa hpa;
    assert_false(vx_mmu_hit(world.mmu, GVA, VX_ACCESS_STORE, &hpa)); /* 4K and read-only */
    uint64_t walks = vx_mmu_counts_now(world.mmu)->walks;
    assert_int_equal(held(GVA, VX_ACCESS_STORE), VX_PAGE_2M);
    assert_int_equal(vx_mmu_counts_now(world.mmu)->walks, walks);
    assert_true(vx_mmu_hit(world.mmu, GVA + 4096, VX_ACCESS_STORE, &hpa));
    assert_true(vx_mmu_hit(world.mmu, (1ULL << 40) + 4096, VX_ACCESS_LOAD, &hpa));
    assert_true(vx_mmu_hit(world.mmu, GVA, VX_ACCESS_STORE, &hpa));
    world_close(&world);
}

static void four_megabyte_pages(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_nehalem();
    world_open(&world, &cpu, VX_PAGING_32BIT, VX_NESTED_NONE, 0);
    world_map(&world, 0x40000000, 0x12C0000000, VX_PAGE_4M, WORLD_FREE, WORLD_FREE); /* PSE-36 */
    world_load(&world);
    assert_int_equal(held(0x40000000, VX_ACCESS_LOAD), VX_PAGE_4M);
    assert_int_equal(probe(0x403FFFFF).translation.hpa.v, 0x12C03FFFFF);
    world_close(&world);
}

/* Two arrays of one unit hold 4K pages: the bit above the set index picks, and both halves are used. */
static void arrays_that_share_a_size(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_nehalem();
    cpu.tlb[0].array_count = 0;
    test_tlb_array(&cpu.tlb[0], 8, 4, TEST_4K | TEST_2M);
    test_tlb_array(&cpu.tlb[0], 8, 4, TEST_4K | TEST_1G);
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 0);
    for (unsigned i = 0; i < 17; i++) world_map(&world, GVA + i * 4096, DATA, VX_PAGE_4K, WORLD_FREE, WORLD_FREE);
    world_load(&world);
    for (unsigned i = 0; i < 16; i++) held(GVA + i * 4096, VX_ACCESS_LOAD);
    for (unsigned i = 0; i < 16; i++) assert_true(probe(GVA + i * 4096).l1d);
    held(GVA + 16 * 4096, VX_ACCESS_LOAD); /* page 16: first array, set 0, in place of page 0 */
    assert_false(probe(GVA).l1d);
    for (unsigned i = 1; i < 17; i++) assert_true(probe(GVA + i * 4096).l1d);
    world_close(&world);
}

/* ---- page fracturing ---- */

static void page_fracturing(void **state)
{
    (void)state;
    for (unsigned on = 0; on <= 1; on++)
        for (unsigned splintered = 0; splintered <= 1; splintered++) {
            vx_cfg_cpu cpu = test_cpu_nehalem();
            cpu.vmx.page_fracturing = on;
            world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4);
            world_map_both(&world, GVA, DATA, VX_PAGE_2M, splintered ? VX_PAGE_4K : VX_PAGE_2M);
            for (unsigned i = 0; i < 4; i++)
                world_map_both(&world, (1ULL << 40) + i * 4096, 0x1000000 + i * 4096, VX_PAGE_4K, VX_PAGE_4K);
            world_load(&world);
            held(GVA, VX_ACCESS_LOAD);
            for (unsigned i = 0; i < 4; i++) held((1ULL << 40) + i * 4096, VX_ACCESS_LOAD);
            drop(VX_OP_INVLPG, 1ULL << 40);
            assert_false(probe(1ULL << 40).l1d);
            bool all = on && splintered;
            assert_int_equal(probe(GVA).l1d, !all);
            for (unsigned i = 1; i < 4; i++) assert_int_equal(probe((1ULL << 40) + i * 4096).l1d, !all);
            world_close(&world);
        }
}

/* ---- the inline hit ---- */

static void hits_and_repeats(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_nehalem();
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 0);
    world_map(&world, GVA, DATA, VX_PAGE_4K, WORLD_FREE, WORLD_FREE);
    world_map(&world, GVA + 0x200000, DATA, VX_PAGE_2M, WORLD_FREE, WORLD_FREE);
    world_load(&world);
    vx_hpa hpa = {1};
    assert_false(vx_mmu_hit(world.mmu, GVA, VX_ACCESS_FETCH, &hpa));
    assert_int_equal(hpa.v, 1);
    held(GVA, VX_ACCESS_FETCH);
    assert_true(vx_mmu_hit(world.mmu, GVA + 77, VX_ACCESS_FETCH, &hpa));
    assert_int_equal(hpa.v, DATA + 77);
    vx_mmu_hit_repeat(world.mmu, GVA + 77, VX_ACCESS_FETCH, 10);
    held(GVA + 0x212345, VX_ACCESS_FETCH);
    assert_true(vx_mmu_hit(world.mmu, GVA + 0x3FFFFF, VX_ACCESS_FETCH, &hpa));
    assert_int_equal(hpa.v, DATA + 0x1FFFFF);
    assert_true(vx_mmu_hit(world.mmu, GVA, VX_ACCESS_FETCH, &hpa));
    assert_int_equal(hpa.v, DATA);
    const vx_tlb_counts *l1i = &vx_mmu_counts_now(world.mmu)->tlb[1];
    assert_int_equal(l1i->misses, 2);
    assert_int_equal(l1i->hits, 13);
    assert_int_equal(l1i->hits_by_page[VX_PAGE_4K], 12);
    assert_int_equal(l1i->hits_by_page[VX_PAGE_2M], 1);
    assert_int_equal(l1i->lookups, 15);
    assert_false(vx_mmu_hit(world.mmu, GVA, VX_ACCESS_LOAD, &hpa)); /* another unit */
    /* What may change a translation empties the filter. */
    drop(VX_OP_INVLPG, GVA);
    assert_false(vx_mmu_hit(world.mmu, GVA, VX_ACCESS_FETCH, &hpa));
    held(GVA, VX_ACCESS_FETCH);
    world.control.pcid = 5;
    world_load(&world);
    assert_false(vx_mmu_hit(world.mmu, GVA, VX_ACCESS_FETCH, &hpa));
    world.control.paging = VX_PAGING_NONE;
    world_load(&world);
    assert_false(vx_mmu_hit(world.mmu, GVA, VX_ACCESS_FETCH, &hpa));
    assert_int_equal(held(GVA, VX_ACCESS_FETCH), VX_PAGE_4K); /* untranslated: the address itself, nothing kept */
    assert_false(vx_mmu_hit(world.mmu, GVA, VX_ACCESS_FETCH, &hpa));
    world_check_identities(&world);
    vx_mmu_counts_reset(world.mmu);
    assert_int_equal(vx_mmu_counts_now(world.mmu)->tlb[1].lookups, 0);
    world_close(&world);
}

/* Two MMUs, one asked through the inline hit, one always the cold way: same replacement, same counts, LRU and
 * tree-PLRU. The streams dwell on a page now and then, alternate between pages of one set, and mix loads with stores.
 */
static void the_filter_is_exact(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "filter");
    for (unsigned policy = 0; policy < VX_REPLACEMENTS; policy++) {
        vx_cfg_cpu cpu = test_cpu_nehalem();
        for (unsigned i = 0; i < cpu.tlb_count; i++) cpu.tlb[i].array[0].replacement = (vx_replacement)policy;
        mmu_world cold;
        world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 0);
        world_open(&cold, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 0);
        for (unsigned i = 0; i < 200; i++) {
            world_map(&world, GVA + i * 4096, DATA, VX_PAGE_4K, WORLD_FREE, WORLD_FREE);
            world_map(&cold, GVA + i * 4096, DATA, VX_PAGE_4K, WORLD_FREE, WORLD_FREE);
        }
        world_load(&world);
        world_load(&cold);
        uint64_t page = 0;
        for (unsigned n = 0; n < 40000; n++) {
            uint64_t dice = vx_random_below(&random, 8);
            if (dice == 0) page = vx_random_below(&random, 200);
            if (dice == 1) page = (page + 16 * vx_random_below(&random, 6)) % 200; /* the same set */
            vx_access access = (vx_access)vx_random_below(&random, VX_ACCESSES);
            vx_hpa hpa;
            if (!vx_mmu_hit(world.mmu, GVA + page * 4096, access, &hpa)) held(GVA + page * 4096, access);
            assert_int_equal(world_access(&cold, GVA + page * 4096, access, NULL), VX_MMU_DONE);
        }
        const vx_mmu_counts *a = vx_mmu_counts_now(world.mmu), *b = vx_mmu_counts_now(cold.mmu);
        assert_memory_equal(a->tlb, b->tlb, sizeof a->tlb);
        assert_true(a->tlb[0].misses > 1000 && a->tlb[2].misses > 100);
        world_close(&cold);
        world_close(&world);
    }
}

static void global_pages_serve_every_pcid(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_nehalem();
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 0);
    world_map(&world, GVA, DATA, VX_PAGE_4K, WORLD_FREE | VX_PTE_G, WORLD_FREE);
    world_map(&world, GVA + 4096, DATA, VX_PAGE_4K, WORLD_FREE, WORLD_FREE);
    world.control.pge = true;
    world.control.pcid = 1;
    world_load(&world);
    held(GVA, VX_ACCESS_LOAD);
    held(GVA + 4096, VX_ACCESS_LOAD);
    world.control.pcid = 2;
    world_load(&world);
    vx_hpa hpa;
    assert_true(vx_mmu_hit(world.mmu, GVA, VX_ACCESS_LOAD, &hpa));
    assert_false(vx_mmu_hit(world.mmu, GVA + 4096, VX_ACCESS_LOAD, &hpa));
    world.control.vpid = 1; /* its own VPID only */
    world_load(&world);
    assert_false(vx_mmu_hit(world.mmu, GVA, VX_ACCESS_LOAD, &hpa));
    world_close(&world);
}

/* More contexts than the table of ids holds: ids are reused, translations never mixed up. */
static void contexts_are_recycled(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_nehalem();
    cpu.tlb_count = 2; /* fewer entries, fewer ids */
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 0);
    world_map(&world, GVA, DATA, VX_PAGE_4K, WORLD_FREE, WORLD_FREE);
    world.control.pge = true;
    vx_hpa hpa;
    for (unsigned vpid = 0; vpid < 65536; vpid++) {
        world.control.vpid = (uint16_t)vpid;
        world_load(&world);
        assert_false(vx_mmu_hit(world.mmu, GVA, VX_ACCESS_LOAD, &hpa));
        held(GVA, VX_ACCESS_LOAD);
        assert_true(vx_mmu_hit(world.mmu, GVA, VX_ACCESS_LOAD, &hpa));
    }
    world.control.vpid = 65533; /* recent ones are still there: four ways */
    world_load(&world);
    assert_true(vx_mmu_hit(world.mmu, GVA, VX_ACCESS_LOAD, &hpa));
    world_close(&world);
}

/* ---- construction ---- */

static vx_status try_model(const vx_cfg_cpu *cpu, vx_mmu **mmu, vx_msg *msg)
{
    vx_arena arena;
    vx_physmem memory = {0};
    vx_ledger ledger = {0};
    vx_arena_init(&arena);
    vx_status status = vx_mmu_init(mmu, &arena, cpu, &memory, &ledger, msg);
    vx_arena_fini(&arena);
    return status;
}

static void bad_models(void **state)
{
    (void)state;
    vx_cfg_cpu good = test_cpu_nehalem();
    vx_cfg_cpu bad[9];
    for (unsigned i = 0; i < 9; i++) bad[i] = good;
    bad[0].tlb[0].accesses = TEST_LOADS;                /* nobody serves stores */
    bad[1].tlb[1].accesses = TEST_FETCHES | TEST_LOADS; /* two first levels for loads */
    bad[2].tlb[0].array[0].ways = 5;                    /* does not divide */
    bad[3].tlb[0].array[0].pages = TEST_2M;             /* no 4K in a first level */
    bad[4].tlb_count = VX_CFG_TLBS + 1;
    bad[5].core.walkers = 0;
    bad[6].memory.caches = VX_CACHES_WALKS;
    bad[6].memory.walk_entry_level = 0;
    bad[7].psc.guest_ways[2] = 3;
    bad[8].memory.caches = VX_CACHES_WALKS;
    bad[8].memory.level[1] = (vx_cfg_cache){.bytes = 63, .ways = 1};
    for (unsigned i = 0; i < 9; i++) {
        vx_msg msg = {""};
        vx_mmu *mmu = NULL;
        assert_int_equal(try_model(&bad[i], &mmu, &msg), VX_ERR_INPUT);
        assert_null(mmu);
        assert_true(msg.text[0]);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_barcelona();
    cpu.memory.caches = VX_CACHES_ALL;
    cpu.memory.level[1] = (vx_cfg_cache){.bytes = 1 << 20, .ways = 16, .hit_ticks = 10}; /* an array, and lists */
    cpu.memory.level[2] = (vx_cfg_cache){.bytes = 4 << 20, .ways = 16, .hit_ticks = 30};
    for (uint64_t n = 1;; n++) {
        vx_msg msg;
        vx_mmu *mmu = NULL;
        vx_fail_allocation(n);
        vx_status status = try_model(&cpu, &mmu, &msg);
        if (!vx_fail_allocation_end()) {
            assert_int_equal(status, VX_OK);
            assert_true(n > 2);
            break;
        }
        assert_int_equal(status, VX_ERR_NOMEM);
        assert_null(mmu);
    }
}

static void every_counter_is_declared_once(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_barcelona();
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NPT, 4);
    vx_stats stats;
    vx_msg msg;
    vx_stats_init(&stats);
    vx_mmu_declare(world.mmu, &stats);
    assert_int_equal(vx_stats_ok(&stats, &msg), VX_OK);
    assert_non_null(vx_stats_find(&stats, "tlb.l2-code.lookups"));
    assert_non_null(vx_stats_find(&stats, "walks.grid.accesses"));
    for (unsigned op = 0; op < VX_OPS; op++) {
        char path[96];
        snprintf(path, sizeof path, "tlb.flushes.%s.count", vx_mmu_op_name((vx_mmu_op)op));
        assert_non_null(vx_stats_find(&stats, path));
    }
    vx_stats_fini(&stats);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splintering),
        cmocka_unit_test(a_unit_without_the_size_smashes),
        cmocka_unit_test(a_clean_entry_of_another_size_is_replaced),
        cmocka_unit_test(a_poorer_entry_gives_way_to_the_second_levels),
        cmocka_unit_test(four_megabyte_pages),
        cmocka_unit_test(arrays_that_share_a_size),
        cmocka_unit_test(page_fracturing),
        cmocka_unit_test(hits_and_repeats),
        cmocka_unit_test(the_filter_is_exact),
        cmocka_unit_test(global_pages_serve_every_pcid),
        cmocka_unit_test(contexts_are_recycled),
        cmocka_unit_test(bad_models),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(every_counter_is_declared_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
