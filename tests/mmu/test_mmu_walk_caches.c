/* What the walker remembers: Intel's prefix caches, AMD's page-walk cache, the nested TLB; A and D flags; the data
 * caches; faults that must not rest on remembered entries. */
#include "mmu_world.h"
#include "test_cpu.h"

#define GVA 0x7F0012345000ULL
#define DATA 0x145000ULL

static mmu_world world;

static uint64_t accesses(uint64_t gva, vx_access access)
{
    uint64_t before = vx_mmu_counts_now(world.mmu)->walk_accesses;
    vx_mmu_fault fault;
    assert_int_equal(world_access(&world, gva, access, &fault), VX_MMU_DONE);
    return vx_mmu_counts_now(world.mmu)->walk_accesses - before;
}

static uint64_t skipped(void)
{
    const vx_mmu_counts *counts = vx_mmu_counts_now(world.mmu);
    uint64_t sum = 0;
    for (unsigned row = 0; row < VX_GRID; row++)
        for (unsigned column = 0; column < VX_GRID; column++) sum += counts->skipped[row][column];
    return sum;
}

static void drop(vx_mmu_op op) { vx_mmu_invalidate(world.mmu, &(vx_mmu_invalidation){.op = op, .gva = {GVA}}); }

/* Nehalem without guest-physical caches: combined entries alone. */
static void open_prefix(vx_nested_kind nested, unsigned lowest_level, bool nested_caches)
{
    vx_cfg_cpu cpu = test_cpu_nehalem();
    for (unsigned level = 2; level <= 5; level++) {
        if (level < lowest_level) cpu.psc.guest_entries[level] = 0;
        if (!nested_caches) cpu.psc.nested_entries[level] = 0;
    }
    world_open(&world, &cpu, VX_PAGING_4LEVEL, nested, 4);
    for (unsigned i = 0; i < 4; i++) world_map_both(&world, GVA + i * 4096, DATA + i * 4096, VX_PAGE_4K, VX_PAGE_4K);
    world_map_both(&world, GVA + (1ULL << 21), DATA + (4ULL << 12), VX_PAGE_4K, VX_PAGE_4K);
    world_map_both(&world, GVA + (1ULL << 30), DATA + (5ULL << 12), VX_PAGE_4K, VX_PAGE_4K);
    world_map_both(&world, GVA + (1ULL << 39), DATA + (6ULL << 12), VX_PAGE_4K, VX_PAGE_4K);
    world_load(&world);
}

static void linear_entries(void **state)
{
    (void)state;
    open_prefix(VX_NESTED_NONE, 2, true);
    assert_int_equal(accesses(GVA, VX_ACCESS_LOAD), 4);
    assert_int_equal(accesses(GVA + 4096, VX_ACCESS_LOAD), 1);         /* PDE cache */
    assert_int_equal(accesses(GVA + (1ULL << 21), VX_ACCESS_LOAD), 2); /* PDPTE cache */
    assert_int_equal(accesses(GVA + (1ULL << 30), VX_ACCESS_LOAD), 3); /* PML4E cache */
    assert_int_equal(accesses(GVA + (1ULL << 39), VX_ACCESS_LOAD), 4);
    assert_int_equal(skipped(), 3 + 2 + 1);
    const vx_mmu_counts *counts = vx_mmu_counts_now(world.mmu);
    assert_int_equal(counts->psc_lookups, 5);
    assert_int_equal(counts->psc_hits, 3);
    assert_int_equal(world.ledger.ticks[VX_CAUSE_WALK_GUEST], 14 * 20 + 3);
    world_check_identities(&world);
    world_close(&world);
}

/* A combined hit saves the whole nested walks of the upper guest levels, and the one for the next table. */
static void combined_entries(void **state)
{
    (void)state;
    open_prefix(VX_NESTED_EPT, 2, false);
    assert_int_equal(accesses(GVA, VX_ACCESS_LOAD), 24);
    assert_int_equal(accesses(GVA + 4096, VX_ACCESS_LOAD), 1 + 4);
    assert_int_equal(skipped(), 19);
    assert_int_equal(accesses(GVA + (1ULL << 21), VX_ACCESS_LOAD), 24 - 14);
    assert_int_equal(accesses(GVA + (1ULL << 30), VX_ACCESS_LOAD), 24 - 9);
    assert_int_equal(accesses(GVA + (1ULL << 39), VX_ACCESS_LOAD), 24);
    assert_int_equal(skipped(), 19 + 14 + 9);
    world_check_identities(&world);
    world_close(&world);
}

/* With larger nested pages fewer accesses are saved: accesses + skipped is the whole walk again. */
static void saved_accesses_are_exact(void **state)
{
    (void)state;
    for (unsigned tables = 0; tables < VX_PAGE_SIZES; tables++) {
        if (tables == VX_PAGE_4M) continue;
        vx_cfg_cpu cpu = test_cpu_nehalem();
        world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4);
        world.table_page = (vx_page_size)tables;
        /* Data beyond the first GiB, so that no larger page of the tables covers it. */
        for (unsigned i = 0; i < 2; i++)
            world_map_both(&world, GVA + i * 4096, (1ULL << 30) + i * 4096, VX_PAGE_4K, VX_PAGE_4K);
        world_load(&world);
        accesses(GVA, VX_ACCESS_LOAD);
        uint64_t whole = vx_mmu_counts_now(world.mmu)->walk_accesses + skipped();
        uint64_t second = accesses(GVA + 4096, VX_ACCESS_LOAD);
        assert_int_equal(second, 2);
        assert_int_equal(vx_mmu_counts_now(world.mmu)->walk_accesses + skipped(), 2 * whole);
        assert_int_equal(whole, 8 + 4 * (tables == VX_PAGE_4K ? 4 : tables == VX_PAGE_2M ? 3 : 2));
        world_close(&world);
    }
}

static void guest_physical_entries(void **state)
{
    (void)state;
    open_prefix(VX_NESTED_EPT, 6, true); /* no combined entries */
    /* First walk: four nested accesses for gL4, then one each (tables and data share the nested PDE). */
    assert_int_equal(accesses(GVA, VX_ACCESS_LOAD), 4 + 1 + 3 * (1 + 1) + 1);
    assert_int_equal(accesses(GVA + 4096, VX_ACCESS_LOAD), 4 * 2 + 1);
    drop(VX_OP_CR4_FLUSH); /* never guest-physical mappings */
    assert_int_equal(accesses(GVA, VX_ACCESS_LOAD), 9);
    drop(VX_OP_INVEPT_ALL);
    assert_int_equal(accesses(GVA, VX_ACCESS_LOAD), 12);
    world_check_identities(&world);
    world_close(&world);
}

/* Leaves are never in the prefix caches: a 2M page is read again. */
static void leaves_are_not_kept(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_nehalem();
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 0);
    world_map_both(&world, 0x40000000, 0x200000, VX_PAGE_2M, VX_PAGE_2M);
    world_load(&world);
    assert_int_equal(accesses(0x40000000, VX_ACCESS_LOAD), 3);
    for (unsigned i = 1; i <= 64; i++) /* push it out of the TLB by pages of the same set */
        world_map_both(&world, 0x40000000 + i * (8ULL << 21), 0x200000, VX_PAGE_2M, VX_PAGE_2M);
    for (unsigned i = 1; i <= 4; i++) accesses(0x40000000 + i * (8ULL << 21), VX_ACCESS_LOAD);
    assert_int_equal(accesses(0x40000000, VX_ACCESS_LOAD), 1);
    world_close(&world);
}

static void page_walk_cache_and_nested_tlb(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_barcelona();
    cpu.psc.physical_entries = cpu.psc.physical_ways = 64;
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NPT, 4);
    for (unsigned i = 0; i < 3; i++) world_map_both(&world, GVA + i * 4096, DATA + i * 4096, VX_PAGE_4K, VX_PAGE_4K);
    world_load(&world);
    /* Tables and data share the nested tables: nL4 nL3 nL2 are read once, each nL1 once; four guest entries. */
    assert_int_equal(accesses(GVA, VX_ACCESS_LOAD), 4 + 1 + 3 * (1 + 1) + 1);
    assert_int_equal(skipped(), 24 - 12);
    /* Second page: nested TLB saves the four table walks, the page-walk cache nL4 to nL2 of the data and gL4 to gL2;
     * gL1 (never kept) and the data's nL1 remain. */
    assert_int_equal(accesses(GVA + 4096, VX_ACCESS_LOAD), 2);
    const vx_mmu_counts *counts = vx_mmu_counts_now(world.mmu);
    assert_int_equal(counts->ntlb_hits, 4);
    assert_int_equal(counts->ntlb_lookups, 8);
    drop(VX_OP_CR3_LOAD); /* the nested side stays */
    assert_int_equal(accesses(GVA + 8192, VX_ACCESS_LOAD), 4 + 1);
    vx_mmu_invalidate(world.mmu, &(vx_mmu_invalidation){.op = VX_OP_FLUSH_ASID});
    assert_int_equal(accesses(GVA, VX_ACCESS_LOAD), 12);
    world_check_identities(&world);
    world_close(&world);
}

static void native_page_walk_cache(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_barcelona();
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 0);
    for (unsigned i = 0; i < 2; i++) world_map_both(&world, GVA + i * 4096, DATA + i * 4096, VX_PAGE_4K, VX_PAGE_4K);
    world_load(&world);
    assert_int_equal(accesses(GVA, VX_ACCESS_LOAD), 4);
    assert_int_equal(accesses(GVA + 4096, VX_ACCESS_LOAD), 1);
    assert_int_equal(skipped(), 3);
    assert_int_equal(world.ledger.ticks[VX_CAUSE_WALK_GUEST], 5 * 20 + 3 * 2);
    world_close(&world);
}

/* ---- A and D flags ---- */

static uint64_t guest_flags(unsigned level)
{
    vx_hpa at = {world_guest_entry(&world, GVA, level)};
    return vx_physmem_read64(&world.memory, at) & (VX_PTE_A | VX_PTE_D);
}

static uint64_t nested_flags(uint64_t gpa, unsigned level)
{
    vx_hpa at = {world_nested_entry(&world, gpa, level)};
    return vx_physmem_read64(&world.memory, at) & (VX_EPT_A | VX_EPT_D);
}

static void open_unused(vx_nested_kind nested, bool nested_ad)
{
    vx_cfg_cpu cpu = test_cpu_nehalem();
    world_open(&world, &cpu, VX_PAGING_4LEVEL, nested, 4);
    world_map(&world, GVA, DATA, VX_PAGE_4K, VX_PTE_W | VX_PTE_U, VX_PTE_W | VX_PTE_U);
    if (nested) world_map_nested(&world, DATA, VX_PAGE_4K, WORLD_NESTED_ALL);
    world.control.nested_ad = nested_ad;
    world_load(&world);
}

static void flags_of_one_dimension(void **state)
{
    (void)state;
    open_unused(VX_NESTED_NONE, false);
    accesses(GVA, VX_ACCESS_LOAD);
    for (unsigned level = 1; level <= 4; level++) assert_int_equal(guest_flags(level), VX_PTE_A);
    assert_int_equal(vx_mmu_counts_now(world.mmu)->ad_writes, 4);
    /* A store finds a clean entry: a miss, and a walk that sets D and mends the entry in place. */
    assert_int_equal(accesses(GVA, VX_ACCESS_STORE), 1);
    assert_int_equal(guest_flags(1), VX_PTE_A | VX_PTE_D);
    assert_int_equal(guest_flags(2), VX_PTE_A);
    assert_int_equal(vx_mmu_counts_now(world.mmu)->ad_writes, 5);
    assert_int_equal(accesses(GVA, VX_ACCESS_STORE), 0);
    assert_int_equal(accesses(GVA, VX_ACCESS_LOAD), 0);
    drop(VX_OP_CR4_FLUSH);
    accesses(GVA, VX_ACCESS_LOAD); /* finds D set: the entry is good for stores */
    assert_int_equal(accesses(GVA, VX_ACCESS_STORE), 0);
    assert_int_equal(vx_mmu_counts_now(world.mmu)->ad_writes, 5);
    world_check_identities(&world);
    world_close(&world);
}

static void no_flags_for_a_faulting_leaf(void **state)
{
    (void)state;
    open_unused(VX_NESTED_NONE, false);
    world.control.cpl = 0;
    world.control.smap = true;
    world_load(&world);
    assert_int_equal(world_access(&world, GVA, VX_ACCESS_STORE, NULL), VX_MMU_PAGE_FAULT);
    assert_int_equal(guest_flags(1), 0);
    world_close(&world);
}

static void flags_of_ept(void **state)
{
    (void)state;
    open_unused(VX_NESTED_EPT, true);
    accesses(GVA, VX_ACCESS_LOAD);
    for (unsigned level = 1; level <= 4; level++) {
        assert_int_equal(guest_flags(level), VX_PTE_A);
        assert_int_equal(nested_flags(DATA, level), VX_EPT_A);
        /* Reading a guest entry is a write to its page: D there. */
        uint64_t table = vx_radix_lookup(&world.guest, GVA, level).at;
        assert_int_equal(nested_flags(table, 1), VX_EPT_A | VX_EPT_D);
    }
    assert_true(accesses(GVA, VX_ACCESS_STORE) > 0);
    assert_int_equal(nested_flags(DATA, 1), VX_EPT_A | VX_EPT_D);
    assert_int_equal(accesses(GVA, VX_ACCESS_STORE), 0);
    world_close(&world);

    open_unused(VX_NESTED_EPT, false);
    accesses(GVA, VX_ACCESS_STORE);
    for (unsigned level = 1; level <= 4; level++) assert_int_equal(nested_flags(DATA, level), 0);
    assert_int_equal(guest_flags(1), VX_PTE_A | VX_PTE_D);
    world_close(&world);
}

/* ---- faults rest on memory ---- */

static void a_fault_is_confirmed_from_memory(void **state)
{
    (void)state;
    open_prefix(VX_NESTED_NONE, 2, true);
    vx_hpa pde = {world_guest_entry(&world, GVA, 2)};
    uint64_t entry = vx_physmem_read64(&world.memory, pde);
    vx_physmem_write64(&world.memory, pde, entry & ~VX_PTE_W);
    accesses(GVA, VX_ACCESS_LOAD);
    vx_physmem_write64(&world.memory, pde, entry); /* raised without a flush: no fault may come of it */
    assert_int_equal(accesses(GVA + 4096, VX_ACCESS_STORE), 1 + 4);
    assert_int_equal(vx_mmu_counts_now(world.mmu)->walks_aborted, 0);
    assert_int_equal(accesses(GVA + 8192, VX_ACCESS_STORE), 1); /* the entry was renewed */
    world_check_identities(&world);
    world_close(&world);
}

/* A combined entry does not know the table's guest-physical address; a violation must. */
static void a_violation_behind_a_combined_entry(void **state)
{
    (void)state;
    open_prefix(VX_NESTED_EPT, 2, false);
    uint64_t table = vx_radix_lookup(&world.guest, GVA, 1).at;
    vx_hpa at = {world_nested_entry(&world, table, 1)};
    vx_physmem_write64(&world.memory, at, vx_physmem_read64(&world.memory, at) & ~VX_EPT_W);
    accesses(GVA, VX_ACCESS_LOAD); /* A is set already: reading is allowed */
    vx_mmu_fault fault = {0};
    assert_int_equal(world_access(&world, GVA + 4096, VX_ACCESS_STORE, &fault), VX_MMU_NESTED_FAULT);
    assert_int_equal(fault.gpa.v, table + 8);
    assert_true(fault.table);
    assert_int_equal(fault.qualification, 3U | 5U << 3 | 1U << 7);
    vx_physmem_write64(&world.memory, at, vx_physmem_read64(&world.memory, at) | VX_EPT_W);
    accesses(GVA + 4096, VX_ACCESS_STORE);
    world_close(&world);
}

/* ---- data caches ---- */

static void walks_through_the_caches(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = test_cpu_without_walker_caches(test_cpu_nehalem());
    cpu.memory.caches = VX_CACHES_ALL;
    cpu.memory.level[0] = (vx_cfg_cache){.bytes = 32768, .ways = 8, .hit_ticks = 4};
    cpu.memory.level[1] = (vx_cfg_cache){.bytes = 262144, .ways = 8, .hit_ticks = 10};
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 0);
    for (unsigned i = 0; i < 9; i++) world_map_both(&world, GVA + i * 4096, DATA + i * 4096, VX_PAGE_4K, VX_PAGE_4K);
    world_load(&world);
    accesses(GVA, VX_ACCESS_LOAD); /* walks enter at L2: four misses */
    assert_int_equal(world.ledger.ticks[VX_CAUSE_WALK_GUEST], 4 * 200);
    accesses(GVA + 4096, VX_ACCESS_LOAD); /* the next entry of the same line, the upper three the same */
    assert_int_equal(world.ledger.ticks[VX_CAUSE_WALK_GUEST], 4 * 200 + 4 * 10);
    accesses(GVA + 8 * 4096, VX_ACCESS_LOAD); /* GVA ends in ...345: entries 0x145 and 0x14D lie in two lines */
    assert_int_equal(world.ledger.ticks[VX_CAUSE_WALK_GUEST], 4 * 200 + 4 * 10 + 3 * 10 + 200);
    const vx_mmu_counts *counts = vx_mmu_counts_now(world.mmu);
    assert_int_equal(counts->cache_lookups[0], 0);
    assert_int_equal(counts->cache_lookups[1], 12);
    assert_int_equal(counts->cache_hits[1], 7);
    /* Data: a page entry's line is found in L2 by a load, then in L1; a fetch enters at L2. */
    vx_hpa pte = {world_guest_entry(&world, GVA, 1)};
    vx_mmu_data(world.mmu, pte, VX_ACCESS_LOAD);
    assert_int_equal(world.ledger.ticks[VX_CAUSE_MEM_DATA], 10 - 4);
    vx_mmu_data(world.mmu, pte, VX_ACCESS_LOAD);
    vx_mmu_data(world.mmu, pte, VX_ACCESS_FETCH);
    assert_int_equal(world.ledger.ticks[VX_CAUSE_MEM_DATA], 10 - 4);
    vx_mmu_data(world.mmu, (vx_hpa){0x9000000}, VX_ACCESS_FETCH);
    assert_int_equal(world.ledger.ticks[VX_CAUSE_MEM_DATA], 10 - 4 + 200 - 10);
    world_check_identities(&world);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_entries),
        cmocka_unit_test(combined_entries),
        cmocka_unit_test(saved_accesses_are_exact),
        cmocka_unit_test(guest_physical_entries),
        cmocka_unit_test(leaves_are_not_kept),
        cmocka_unit_test(page_walk_cache_and_nested_tlb),
        cmocka_unit_test(native_page_walk_cache),
        cmocka_unit_test(flags_of_one_dimension),
        cmocka_unit_test(no_flags_for_a_faulting_leaf),
        cmocka_unit_test(flags_of_ept),
        cmocka_unit_test(a_fault_is_confirmed_from_memory),
        cmocka_unit_test(a_violation_behind_a_combined_entry),
        cmocka_unit_test(walks_through_the_caches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
