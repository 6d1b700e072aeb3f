/* Every closed form of a walk without caches: entries read by guest and nested paging modes and page sizes. */
#include "mmu_world.h"
#include "test_cpu.h"

typedef struct form {
    const char *name;
    vx_paging_mode paging;
    vx_page_size guest_page;
    vx_nested_kind nested;
    unsigned nested_levels;
    vx_page_size table_page, data_page; /* nested-mapped */
    unsigned entries;
    vx_page_size held; /* page size of the TLB entry where all sizes exist */
} form;

#define P4K VX_PAGE_4K
#define P2M VX_PAGE_2M
#define P4M VX_PAGE_4M
#define P1G VX_PAGE_1G
#define EPT VX_NESTED_EPT
#define NPT VX_NESTED_NPT
#define ONE VX_NESTED_NONE

static const form forms[] = {
    {"4 x 4", VX_PAGING_4LEVEL, P4K, EPT, 4, P4K, P4K, 24, P4K},
    {"4 x 4, NPT", VX_PAGING_4LEVEL, P4K, NPT, 4, P4K, P4K, 24, P4K},
    {"guest 4K, nested 2M", VX_PAGING_4LEVEL, P4K, EPT, 4, P2M, P2M, 19, P4K},
    {"guest 4K, tables nested 4K, data nested 2M", VX_PAGING_4LEVEL, P4K, EPT, 4, P4K, P2M, 23, P4K},
    {"guest 4K, tables nested 2M, data nested 4K", VX_PAGING_4LEVEL, P4K, EPT, 4, P2M, P4K, 20, P4K},
    {"guest 2M, nested 4K", VX_PAGING_4LEVEL, P2M, EPT, 4, P4K, P4K, 19, P4K},
    {"guest 2M, nested 2M", VX_PAGING_4LEVEL, P2M, EPT, 4, P2M, P2M, 15, P2M},
    {"guest 1G, nested 1G", VX_PAGING_4LEVEL, P1G, EPT, 4, P1G, P1G, 8, P1G},
    {"guest 1G, nested 4K", VX_PAGING_4LEVEL, P1G, EPT, 4, P4K, P4K, 14, P4K},
    {"guest 4K, nested 1G", VX_PAGING_4LEVEL, P4K, EPT, 4, P1G, P1G, 14, P4K},
    {"guest 1G, nested 2M", VX_PAGING_4LEVEL, P1G, EPT, 4, P2M, P2M, 11, P2M},
    {"guest 2M, nested 1G", VX_PAGING_4LEVEL, P2M, EPT, 4, P1G, P1G, 11, P2M},
    {"guest 2M, nested 2M, NPT", VX_PAGING_4LEVEL, P2M, NPT, 4, P2M, P2M, 15, P2M},
    {"5 x 5", VX_PAGING_5LEVEL, P4K, EPT, 5, P4K, P4K, 35, P4K},
    {"5 x 5, NPT", VX_PAGING_5LEVEL, P4K, NPT, 5, P4K, P4K, 35, P4K},
    {"5 x 4", VX_PAGING_5LEVEL, P4K, EPT, 4, P4K, P4K, 29, P4K},
    {"4 x 5", VX_PAGING_4LEVEL, P4K, EPT, 5, P4K, P4K, 29, P4K},
    {"PAE, PDPTEs latched (Intel)", VX_PAGING_PAE, P4K, EPT, 4, P4K, P4K, 14, P4K},
    {"PAE, 2M", VX_PAGING_PAE, P2M, EPT, 4, P4K, P2M, 8, P2M},
    {"PAE, PDPEs read in the walk (AMD)", VX_PAGING_PAE, P4K, NPT, 4, P4K, P4K, 19, P4K},
    {"2-level", VX_PAGING_32BIT, P4K, EPT, 4, P4K, P4K, 14, P4K},
    {"2-level, 4M in nested 2M", VX_PAGING_32BIT, P4M, EPT, 4, P4K, P2M, 8, P2M},
    {"2-level, 4M in nested 1G", VX_PAGING_32BIT, P4M, EPT, 4, P1G, P1G, 5, P4M},
    {"paging off", VX_PAGING_NONE, P4K, EPT, 4, P4K, P4K, 4, P4K},
    {"paging off, NPT", VX_PAGING_NONE, P4K, NPT, 4, P4K, P4K, 4, P4K},
    {"paging off, nested 2M", VX_PAGING_NONE, P4K, EPT, 4, P4K, P2M, 3, P2M},
    {"4-level alone", VX_PAGING_4LEVEL, P4K, ONE, 0, P4K, P4K, 4, P4K},
    {"4-level alone, 2M", VX_PAGING_4LEVEL, P2M, ONE, 0, P4K, P4K, 3, P2M},
    {"4-level alone, 1G", VX_PAGING_4LEVEL, P1G, ONE, 0, P4K, P4K, 2, P1G},
    {"5-level alone", VX_PAGING_5LEVEL, P4K, ONE, 0, P4K, P4K, 5, P4K},
    {"PAE alone", VX_PAGING_PAE, P4K, ONE, 0, P4K, P4K, 2, P4K},
    {"2-level alone", VX_PAGING_32BIT, P4K, ONE, 0, P4K, P4K, 2, P4K},
    {"2-level alone, 4M", VX_PAGING_32BIT, P4M, ONE, 0, P4K, P4K, 1, P4M},
};

#define GVA 0x40403000ULL
#define DATA 0xC0403000ULL /* same offset in pages of every size, up to 1G */

static vx_cfg_cpu all_sizes(void)
{
    vx_cfg_cpu cpu = test_cpu_without_walker_caches(test_cpu_barcelona());
    cpu.vmx = test_cpu_nehalem().vmx;
    return cpu;
}

static void every_form(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = all_sizes();
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const form *f = &forms[i];
        mmu_world world;
        world_open(&world, &cpu, f->paging, f->nested, f->nested_levels);
        world.table_page = f->table_page;
        uint64_t gva = f->paging == VX_PAGING_NONE ? DATA : GVA;
        uint64_t page = ~(vx_page_bytes(f->guest_page) - 1);
        if (f->paging != VX_PAGING_NONE)
            world_map(&world, gva & page, DATA & page, f->guest_page, WORLD_FREE, WORLD_FREE);
        if (f->nested != ONE) world_map_nested(&world, DATA, f->data_page, WORLD_NESTED_ALL);
        world_load(&world);
        vx_mmu_translation translation;
        vx_mmu_fault fault;
        if (vx_mmu_access(world.mmu, (vx_gva){gva + 5}, VX_ACCESS_LOAD, &translation, &fault) != VX_MMU_DONE)
            fail_msg("%s: faults", f->name);
        const vx_mmu_counts *counts = vx_mmu_counts_now(world.mmu);
        if (counts->walk_accesses != f->entries)
            fail_msg("%s: %llu entries, not %u", f->name, (unsigned long long)counts->walk_accesses, f->entries);
        assert_int_equal(translation.hpa.v, (f->nested == ONE ? 0 : WORLD_GUEST_BASE) + DATA + 5);
        if (translation.page != f->held) fail_msg("%s: holds a page of size %d", f->name, (int)translation.page);
        assert_int_equal(counts->per_walk.bin[f->entries], 1);
        world_check_identities(&world);
        world_close(&world);
    }
}

/* ---- order ---- */

typedef struct sighting {
    unsigned count;
    vx_walk_access access[64];
} sighting;

static void see(void *context, const vx_walk_access *access)
{
    sighting *seen = context;
    assert_true(seen->count < 64);
    seen->access[seen->count++] = *access;
}

/* Bhargava et al., ASPLOS 2008, Fig. 1(b): nL4 nL3 nL2 nL1 gL4, the same for gL3, gL2 and gL1, then nL4 to nL1. */
static void order_of_24(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = all_sizes();
    mmu_world world;
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4);
    world_map_both(&world, 0x7F0012345000, 0x345000, VX_PAGE_4K, VX_PAGE_4K);
    world_load(&world);
    sighting seen = {0};
    vx_mmu_observe(world.mmu, see, &seen);
    assert_int_equal(world_access(&world, 0x7F0012345678, VX_ACCESS_LOAD, NULL), VX_MMU_DONE);
    assert_int_equal(seen.count, 24);
    unsigned n = 0;
    for (unsigned guest = 4;; guest--) {
        uint64_t gpa = guest ? vx_radix_lookup(&world.guest, 0x7F0012345678, guest).at : 0x345678;
        for (unsigned nested = 4; nested >= 1; nested--, n++) {
            assert_int_equal(seen.access[n].guest_level, guest);
            assert_int_equal(seen.access[n].nested_level, nested);
            assert_int_equal(seen.access[n].at.v, world_nested_entry(&world, gpa, nested));
            assert_int_equal(seen.access[n].entry, vx_physmem_read64(&world.memory, seen.access[n].at));
        }
        if (guest == 0) break;
        assert_int_equal(seen.access[n].guest_level, guest);
        assert_int_equal(seen.access[n].nested_level, 0);
        assert_int_equal(seen.access[n].at.v, world_guest_entry(&world, 0x7F0012345678, guest));
        assert_int_equal(seen.access[n].hit, VX_HIT_FIXED);
        assert_int_equal(seen.access[n].ticks, 20);
        assert_int_equal(seen.access[n].skipped, 0);
        n++;
    }
    vx_mmu_observe(world.mmu, NULL, NULL);
    vx_mmu_invalidate(world.mmu, &(vx_mmu_invalidation){.op = VX_OP_CR4_FLUSH});
    assert_int_equal(world_access(&world, 0x7F0012345678, VX_ACCESS_LOAD, NULL), VX_MMU_DONE);
    assert_int_equal(seen.count, 24);
    world_close(&world);
}

/* Ledger: the guest's entries and the nested ones apart; shadow tables under their own cause. */
static void causes(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = all_sizes();
    mmu_world world;
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4);
    world_map_both(&world, 0x5000, 0x345000, VX_PAGE_4K, VX_PAGE_4K);
    world_load(&world);
    assert_int_equal(world_access(&world, 0x5000, VX_ACCESS_LOAD, NULL), VX_MMU_DONE);
    assert_int_equal(world.ledger.ticks[VX_CAUSE_WALK_GUEST], 4 * 20);
    assert_int_equal(world.ledger.ticks[VX_CAUSE_WALK_NESTED], 20 * 20);
    world_close(&world);

    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_NONE, 0);
    world_map_both(&world, 0x5000, 0x345000, VX_PAGE_4K, VX_PAGE_4K);
    world.control.shadow = true;
    world_load(&world);
    assert_int_equal(world_access(&world, 0x5000, VX_ACCESS_LOAD, NULL), VX_MMU_DONE);
    assert_int_equal(world.ledger.ticks[VX_CAUSE_WALK_SHADOW], 4 * 20);
    assert_int_equal(world.ledger.ticks[VX_CAUSE_WALK_GUEST], 0);
    world_close(&world);
}

/* 7 ticks an access, half exposed, 3 walkers: 24 x 7 / 6 = 28 in all, and the grid agrees with the ledger. */
static void exposure_loses_nothing(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = all_sizes();
    cpu.memory.walk_access_ticks = 7;
    cpu.core.walkers = 3;
    cpu.core.walk_exposure_milli = 500;
    mmu_world world;
    world_open(&world, &cpu, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4);
    world_map_both(&world, 0x5000, 0x345000, VX_PAGE_4K, VX_PAGE_4K);
    world_load(&world);
    assert_int_equal(world_access(&world, 0x5000, VX_ACCESS_LOAD, NULL), VX_MMU_DONE);
    assert_int_equal(world.ledger.ticks[VX_CAUSE_WALK_GUEST] + world.ledger.ticks[VX_CAUSE_WALK_NESTED], 28);
    world_check_identities(&world);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form),
        cmocka_unit_test(order_of_24),
        cmocka_unit_test(causes),
        cmocka_unit_test(exposure_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
