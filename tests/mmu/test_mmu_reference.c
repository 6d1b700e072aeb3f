/* The MMU against the slow one (slow_mmu.c) over random streams: every result, every address, every fault and every
 * counter, on several geometries, modes and page sizes. The tables are edited as the streams run, with and without the
 * flush that software owes: both must be stale in the same way. Each stream runs as the host does it best, and once
 * more as any host can; in both an observer comes and goes. What hits goes by the lanes, as in the run loop, or by a
 * search; what lanes remember is held against the arrays. */
#include "mmu_private.h"
#include "mmu_world.h"
#include "slow_mmu.h"
#include "test_cpu.h"
#include "vx_random.h"

enum { PAGES = 600, STEPS = 40000 };

typedef struct twin {
    mmu_world fast, slow_world;
    slow_mmu slow;
    vx_random random;
    uint64_t gva[PAGES];
    uint64_t gpa[PAGES];
    uint64_t hits; /* served by the inline hit */
    uint64_t lane_hits;
    uint64_t told; /* accesses that an observer saw */
} twin;

typedef struct setting {
    const char *name;
    vx_cfg_cpu (*cpu)(void);
    vx_paging_mode paging;
    vx_nested_kind nested;
    unsigned nested_levels;
    bool nested_ad, large, global;
    bool large_tables; /* the guest's tables lie on large nested pages */
} setting;

static uint64_t below(twin *t, uint64_t bound) { return vx_random_below(&t->random, bound); }

/* Regions of 2 MiB, each of one kind: small pages, one large page, a large page over small nested ones, ... */
static void map_region(mmu_world *w, const setting *s, unsigned region, unsigned kind)
{
    bool narrow = s->paging == VX_PAGING_32BIT;
    uint64_t bytes = narrow ? 4ULL << 20 : 2ULL << 20;
    uint64_t gva = 0x40000000 + region * bytes, gpa = 0x20000000 + region * bytes;
    uint64_t global = s->global && region % 3 == 0 ? VX_PTE_G : 0;
    vx_page_size large = narrow ? VX_PAGE_4M : VX_PAGE_2M;
    uint64_t free = VX_PTE_W | VX_PTE_U; /* A and D clear */
    if (s->large && kind & 1) {
        world_map(w, gva, gpa, large, free | global, free);
    } else {
        for (unsigned i = 0; i < 60; i++) world_map(w, gva + i * 4096, gpa + i * 4096, VX_PAGE_4K, free | global, free);
    }
    if (s->nested == VX_NESTED_NONE) return;
    for (uint64_t at = 0; at < bytes; at += 2 << 20) {
        if (s->large && kind & 2) {
            world_map_nested(w, gpa + at, VX_PAGE_2M, WORLD_NESTED_ALL);
        } else {
            for (unsigned i = 0; i < 60; i++) world_map_nested(w, gpa + at + i * 4096, VX_PAGE_4K, WORLD_NESTED_ALL);
        }
    }
}

static void build(mmu_world *w, const setting *s, const vx_cfg_cpu *cpu, bool portable)
{
    world_open(w, cpu, s->paging, s->nested, s->nested_levels);
    if (portable) w->mmu->simd = false;
    w->control.nested_ad = s->nested_ad;
    w->control.pge = s->global;
    if (s->large_tables) w->table_page = VX_PAGE_2M;
    for (unsigned region = 0; region < PAGES / 60; region++) map_region(w, s, region, region % 4);
    world_load(w);
}

static void open_twin(twin *t, const setting *s, uint64_t seed, bool portable)
{
    vx_cfg_cpu cpu = s->cpu();
    vx_random_init(&t->random, seed, s->name);
    build(&t->fast, s, &cpu, portable);
    build(&t->slow_world, s, &cpu, portable);
    slow_open(&t->slow, &t->slow_world.cpu, &t->slow_world.memory);
    t->hits = t->lane_hits = t->told = 0;
    uint64_t bytes = s->paging == VX_PAGING_32BIT ? 4ULL << 20 : 2ULL << 20;
    for (unsigned i = 0; i < PAGES; i++) {
        t->gva[i] = 0x40000000 + i / 60 * bytes + i % 60 * 4096;
        t->gpa[i] = 0x20000000 + i / 60 * bytes + i % 60 * 4096;
    }
}

static void close_twin(twin *t)
{
    slow_close(&t->slow);
    world_close(&t->fast);
    world_close(&t->slow_world);
}

static void load(twin *t)
{
    world_load(&t->fast);
    t->slow.now = t->fast.control;
}

/* ---- steps ---- */

/* Flips bits of one entry, the same in both memories. */
static void edit(twin *t, uint64_t at, uint64_t bits)
{
    vx_hpa hpa = {at};
    uint64_t value = vx_physmem_read32(&t->fast.memory, hpa);
    assert_int_equal(value, vx_physmem_read32(&t->slow_world.memory, hpa));
    vx_physmem_write32(&t->fast.memory, hpa, (uint32_t)(value ^ bits));
    vx_physmem_write32(&t->slow_world.memory, hpa, (uint32_t)(value ^ bits));
}

static void set_bits(twin *t, uint64_t at, uint64_t bits)
{
    uint64_t value = vx_physmem_read32(&t->fast.memory, (vx_hpa){at});
    edit(t, at, bits & ~value);
}

/* The guest-physical address of the page's guest entry of the level, or of the one above that maps it. */
static uint64_t table_gpa(const twin *t, unsigned page, unsigned level)
{
    return vx_radix_lookup(&t->fast.guest, t->gva[page], level).at;
}

/* What an OS and a hypervisor do about a fault, most of the time. */
static void mend(twin *t, unsigned page)
{
    if (below(t, 8) == 0) return;
    bool two = t->fast.control.nested != VX_NESTED_NONE;
    for (unsigned level = 2; level >= 1; level--) {
        for (unsigned nested = 2; two && nested >= 1; nested--) {
            set_bits(t, world_nested_entry(&t->fast, table_gpa(t, page, level), nested), 7);
            set_bits(t, world_nested_entry(&t->fast, t->gpa[page], nested), 7);
        }
        set_bits(t, world_guest_entry(&t->fast, t->gva[page], level), VX_PTE_P | VX_PTE_W | VX_PTE_U);
    }
}

/* What the run loop does for a reference that hits in its lane. */
static bool hit_lane(vx_mmu *mmu, uint64_t gva, vx_access access, vx_hpa *hpa)
{
    const vx_mmu_front *front = vx_mmu_front_of(mmu);
    unsigned number = vx_lane_of(access);
    const vx_mmu_lane *lane = &front->lane[number];
    const vx_lane_row *row = vx_lane_row_of(front->rows, lane->page_shift, gva);
    if (!vx_lane_hit(row, front->salt, number, lane->page_shift, gva)) return false;
    vx_mmu_set_clock(mmu, vx_mmu_clock(mmu) + 1);
    *row->stamp[number] = vx_mmu_clock(mmu);
    vx_mmu_lane_count(mmu, access, 1);
    uint64_t value = lane->values[row->stamp[number] - lane->stamps];
    hpa->v = (value & VX_TLB_FRAME) | (gva & ((1ULL << lane->page_shift) - 1));
    return true;
}

static vx_mmu_result fast_access(twin *t, vx_gva gva, vx_access access, vx_hpa *hpa, vx_mmu_fault *fault)
{
    if (below(t, 4) && hit_lane(t->fast.mmu, gva.v, access, hpa)) {
        t->lane_hits++;
        return VX_MMU_DONE;
    }
    bool searched = below(t, 2);
    if (searched && vx_mmu_hit(t->fast.mmu, gva.v, access, hpa)) {
        t->hits++;
        return VX_MMU_DONE;
    }
    vx_mmu_translation translation = {.hpa = {0}};
    vx_mmu_result result = vx_mmu_access(t->fast.mmu, gva, access, &translation, fault);
    if (result == VX_MMU_DONE) assert_true(translation.missed || !searched);
    *hpa = translation.hpa;
    return result;
}

static void access_step(twin *t, unsigned page)
{
    vx_gva gva = {t->gva[page] + below(t, 4096)};
    vx_access access = (vx_access)below(t, VX_ACCESSES);
    vx_mmu_fault fast_fault = {.gva = gva}, slow_fault = {.gva = gva};
    vx_hpa hpa = {0};
    uint64_t slow_hpa = 0;
    vx_mmu_result fast = fast_access(t, gva, access, &hpa, &fast_fault);
    vx_mmu_result slow = slow_access(&t->slow, gva.v, access, &slow_hpa, &slow_fault);
    assert_int_equal(fast, slow);
    if (fast == VX_MMU_DONE) {
        assert_int_equal(hpa.v, slow_hpa);
    } else if (fast == VX_MMU_PAGE_FAULT) {
        assert_int_equal(fast_fault.error_code, slow_fault.error_code);
    } else {
        assert_int_equal(fast_fault.gpa.v, slow_fault.gpa.v);
        assert_int_equal(fast_fault.qualification, slow_fault.qualification);
        assert_int_equal(fast_fault.table, slow_fault.table);
    }
    if (fast != VX_MMU_DONE) mend(t, page);
}

static void invalidate_step(twin *t, vx_mmu_op op, unsigned page)
{
    vx_mmu_invalidation given = {.op = op,
                                 .gva = {t->gva[page]},
                                 .pcid = t->fast.control.pcid,
                                 .vpid = t->fast.control.vpid,
                                 .nested_root = t->fast.control.nested_root};
    assert_int_equal(vx_mmu_invalidate(t->fast.mmu, &given), slow_invalidate(&t->slow, &given));
}

static void edit_guest_step(twin *t, unsigned page)
{
    static const uint32_t bits[] = {VX_PTE_P, VX_PTE_W, VX_PTE_U, VX_PTE_A, VX_PTE_D, VX_PTE_A | VX_PTE_D};
    uint64_t at = world_guest_entry(&t->fast, t->gva[page], 1 + (unsigned)below(t, 2));
    edit(t, at, bits[below(t, sizeof bits / sizeof *bits)]);
    if (below(t, 2)) invalidate_step(t, VX_OP_INVLPG, page);
}

static void edit_nested_step(twin *t, unsigned page)
{
    if (t->fast.control.nested == VX_NESTED_NONE) return;
    uint64_t gpa = below(t, 4) ? t->gpa[page] : table_gpa(t, page, 1 + (unsigned)below(t, 2));
    uint64_t at = world_nested_entry(&t->fast, gpa, below(t, 4) ? 1 : 2);
    bool npt = t->fast.control.nested == VX_NESTED_NPT;
    uint64_t rights = vx_physmem_read64(&t->fast.memory, (vx_hpa){at}) & 7;
    uint64_t next = (uint64_t[]){7, 7, 5, 1, 0}[below(t, 5)]; /* EPT: all, no write, read only, absent */
    if (npt) next = (uint64_t[]){7, 7, 5, 1, 0}[below(t, 5)]; /* present writable user, read-only, supervisor, absent */
    edit(t, at, rights ^ next);
    if (!npt) edit(t, at, below(t, 4) * VX_EPT_A); /* A, D */
    if (below(t, 2) == 0) return;
    invalidate_step(t, npt ? VX_OP_FLUSH_ASID : VX_OP_INVEPT_CONTEXT, page);
}

static void mode_step(twin *t)
{
    vx_mmu_control *c = &t->fast.control;
    switch (below(t, 6)) {
    case 0:
    case 1:
        c->cpl = c->cpl == 3 ? 0 : 3;
        break;
    case 2:
        c->pcid = (uint16_t)below(t, 3);
        break;
    case 3:
        c->vpid = (uint16_t)below(t, 2);
        break;
    case 4:
        c->wp = !c->wp;
        break;
    default:
        c->smep = below(t, 4) == 0;
        break;
    }
    load(t);
}

static void step(twin *t, unsigned hot)
{
    static const vx_mmu_op flushes[] = {VX_OP_INVLPG, VX_OP_CR3_LOAD, VX_OP_CR4_FLUSH, VX_OP_INVVPID_CONTEXT};
    unsigned page = (unsigned)below(t, below(t, 4) ? hot : PAGES);
    uint64_t dice = below(t, 1000);
    if (dice < 970)
        access_step(t, page);
    else if (dice < 980)
        mode_step(t);
    else if (dice < 987)
        edit_guest_step(t, page);
    else if (dice < 992)
        edit_nested_step(t, page);
    else if (dice < 999)
        invalidate_step(t, VX_OP_INVLPG, page);
    else
        invalidate_step(t, flushes[below(t, 4)], page);
}

/* ---- comparison ---- */

/* Each page that a lane remembers now is in the slot that it remembers, and may be used so. */
static void check_lanes(const vx_mmu_front *front, const char *name)
{
    for (unsigned n = 0; n < VX_LANE_ROWS * VX_ACCESSES; n++) {
        vx_access access = (vx_access)(n % VX_ACCESSES);
        unsigned number = vx_lane_of(access);
        const vx_lane_row *row = &front->rows[n / VX_ACCESSES];
        const vx_mmu_lane *lane = &front->lane[number];
        uint64_t page = row->page[number] ^ front->salt;
        if (row->page[number] == 0 || page >> VX_LANE_SALT_SHIFT) continue; /* nothing, or of another state */
        const vx_setassoc *array = front->first[access]->live[0].array;
        size_t slot = (size_t)(row->stamp[number] - array->stamps);
        assert_true(slot < (size_t)array->sets * array->ways);
        uint64_t owner = array->keys[slot] ^ page << VX_TAG_PAGE_SHIFT;
        if ((owner != lane->own && owner != lane->global) || (array->values[slot] ^ lane->want) & lane->need)
            fail_msg("%s: a lane remembers what is not there", name);
    }
}

static void compare(twin *t, const char *name)
{
    check_lanes(&t->fast.mmu->front, name);
    const vx_mmu_counts *fast = vx_mmu_counts_now(t->fast.mmu), *slow = &t->slow.counts;
    const struct {
        const char *what;
        const void *a, *b;
        size_t bytes;
    } parts[] = {
        {"TLBs", fast->tlb, slow->tlb, sizeof fast->tlb},
        {"walks", &fast->walks, &slow->walks, sizeof fast->walks},
        {"aborted walks", &fast->walks_aborted, &slow->walks_aborted, sizeof fast->walks_aborted},
        {"walk accesses", &fast->walk_accesses, &slow->walk_accesses, sizeof fast->walk_accesses},
        {"grid of accesses", fast->accesses, slow->accesses, sizeof fast->accesses},
        {"grid of skipped accesses", fast->skipped, slow->skipped, sizeof fast->skipped},
        {"grid of ticks", fast->ticks, slow->ticks, sizeof fast->ticks},
        {"A and D writes", &fast->ad_writes, &slow->ad_writes, sizeof fast->ad_writes},
        {"accesses a walk", fast->per_walk.bin, slow->per_walk.bin, sizeof fast->per_walk.bin},
        {"walker cache lookups", &fast->psc_lookups, &slow->psc_lookups, 4 * sizeof(uint64_t)},
        {"data caches", fast->cache_lookups, slow->cache_lookups, sizeof fast->cache_lookups},
        {"data cache hits", fast->cache_hits, slow->cache_hits, sizeof fast->cache_hits},
        {"flushes", fast->flushes, slow->flushes, sizeof fast->flushes},
        {"flushed entries", fast->flushed_entries, slow->flushed_entries, sizeof fast->flushed_entries},
        {"ledger", &t->fast.ledger, &t->slow.ledger, sizeof t->fast.ledger},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (memcmp(parts[i].a, parts[i].b, parts[i].bytes) != 0) fail_msg("%s: %s differ", name, parts[i].what);
    world_check_identities(&t->fast);
}

/* ---- settings ---- */

static vx_cfg_cpu small_intel(void)
{
    vx_cfg_cpu cpu = test_cpu_nehalem();
    cpu.tlb[0].array[0] = (vx_cfg_tlb_array){.entries = 16, .ways = 4, .pages = TEST_4K};
    cpu.tlb[0].array[1] = (vx_cfg_tlb_array){.entries = 4, .ways = 4, .pages = TEST_2M};
    cpu.tlb[2].array[0] = (vx_cfg_tlb_array){.entries = 96, .ways = 6, .pages = TEST_4K | TEST_2M};
    cpu.psc.guest_entries[2] = cpu.psc.nested_entries[2] = 4;
    cpu.paging.physical_bits = 39; /* lines fit the tags of lists (cache_level.h) */
    cpu.memory.caches = VX_CACHES_WALKS;
    cpu.memory.level[1] = (vx_cfg_cache){.bytes = 2048, .ways = 4, .hit_ticks = 12};
    cpu.memory.level[2] = (vx_cfg_cache){.bytes = 16384, .ways = 8, .hit_ticks = 40};
    return cpu;
}

static vx_cfg_cpu split_intel(void)
{
    vx_cfg_cpu cpu = test_cpu_nehalem();
    cpu.tlb[0] = test_tlb("l1d-load", VX_TLB_L1D, TEST_LOADS, 0);
    test_tlb_array(&cpu.tlb[0], 24, 6, TEST_4K);
    test_tlb_array(&cpu.tlb[0], 8, 4, TEST_2M);
    cpu.tlb[3] = test_tlb("l1d-store", VX_TLB_L1D, TEST_STORES, 0);
    test_tlb_array(&cpu.tlb[3], 16, 16, TEST_4K | TEST_2M | TEST_1G);
    cpu.tlb[2] = test_tlb("l2", VX_TLB_L2, TEST_LOADS | TEST_STORES | TEST_FETCHES, 7);
    test_tlb_array(&cpu.tlb[2], 64, 8, TEST_4K | TEST_2M);
    test_tlb_array(&cpu.tlb[2], 64, 8, TEST_4K | TEST_1G);
    cpu.tlb_count = 4;
    cpu.ntlb = (vx_cfg_ntlb){.entries = 8, .ways = 8, .hit_ticks = 1, .tables = true, .data = true};
    return cpu;
}

static vx_cfg_cpu tiny_amd(void)
{
    vx_cfg_cpu cpu = test_cpu_barcelona();
    cpu.tlb[0].array[0].entries = cpu.tlb[0].array[0].ways = 7;
    cpu.tlb[2].array[0] = (vx_cfg_tlb_array){.entries = 32, .ways = 4, .pages = TEST_4K};
    cpu.psc.physical_entries = 16;
    cpu.psc.physical_ways = 4;
    cpu.psc.physical_nested_leaf = false;
    return cpu;
}

/* What nothing costs but accesses, and sets of all widths: the lean side of everything. */
static vx_cfg_cpu lean_intel(void)
{
    vx_cfg_cpu cpu = test_cpu_nehalem();
    cpu.psc.hit_ticks = 0;
    cpu.psc.guest_entries[4] = cpu.psc.nested_entries[4] = cpu.psc.guest_ways[4] = cpu.psc.nested_ways[4] = 2;
    cpu.psc.guest_entries[3] = cpu.psc.guest_ways[3] = 0;
    cpu.psc.nested_entries[2] = cpu.psc.nested_ways[2] = 6;
    cpu.tlb[0].array[0] = (vx_cfg_tlb_array){.entries = 10, .ways = 5, .pages = TEST_4K};
    cpu.tlb[2] = test_tlb("l2", VX_TLB_L2, TEST_LOADS | TEST_STORES | TEST_FETCHES, 7);
    test_tlb_array(&cpu.tlb[2], 96, 12, TEST_4K | TEST_2M);
    return cpu;
}

/* All that a straight walk asks for, with sets so small that everything is evicted all the time. */
static vx_cfg_cpu straight_intel(void)
{
    vx_cfg_cpu cpu = lean_intel();
    for (unsigned level = 2; level <= 3; level++)
        cpu.psc.guest_entries[level] = cpu.psc.nested_entries[level] = cpu.psc.guest_ways[level] =
            cpu.psc.nested_ways[level] = 4;
    cpu.psc.guest_entries[4] = cpu.psc.guest_ways[4] = 1;
    return cpu;
}

static vx_cfg_cpu straight_cached_intel(void)
{
    vx_cfg_cpu cpu = straight_intel();
    cpu.memory = small_intel().memory;
    return cpu;
}

static void see(void *context, const vx_walk_access *access)
{
    if (!access->skipped) ((twin *)context)->told++;
}

static void stream(twin *t, const setting *s, uint64_t seed, bool portable)
{
    open_twin(t, s, seed, portable);
    load(t);
    for (unsigned n = 0; n < STEPS; n++) {
        /* In the second half salts run out, and come again, all the time. */
        if (n > STEPS / 2 && n % 200 == 0) t->fast.mmu->lane_states.last = VX_LANE_SALT_MAX;
        if (n % 3000 == 0) vx_mmu_observe(t->fast.mmu, n / 3000 % 2 ? see : NULL, t);
        step(t, 1U << (n / 5000 % 8));
        if (n % 500 == 0) compare(t, s->name);
    }
    compare(t, s->name);
    const vx_mmu_counts *counts = vx_mmu_counts_now(t->fast.mmu);
    bool stamps = t->fast.cpu.tlb[0].array[0].replacement == VX_REPLACE_LRU;
    assert_true(t->hits > STEPS / 50 &&
                (!stamps || t->lane_hits > STEPS / 10)); /* the stream has both sides of everything */
    assert_true(counts->walks > STEPS / 100 && counts->walks_aborted > 10 && counts->ad_writes > 10);
    assert_true(t->told > 0 && t->told < counts->walk_accesses);
    close_twin(t);
}

static void streams(void **state)
{
    (void)state;
    static const setting settings[] = {
        {"nehalem, native", test_cpu_nehalem, VX_PAGING_4LEVEL, VX_NESTED_NONE, 4, false, true, true, false},
        {"nehalem, EPT", test_cpu_nehalem, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4, false, true, true, false},
        {"nehalem, EPT with A/D", test_cpu_nehalem, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4, true, false, false, false},
        {"small caches, EPT with A/D", small_intel, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4, true, true, true, false},
        {"small caches, native", small_intel, VX_PAGING_4LEVEL, VX_NESTED_NONE, 4, false, true, false, false},
        {"lean, native", lean_intel, VX_PAGING_4LEVEL, VX_NESTED_NONE, 4, false, true, true, false},
        {"lean, EPT", lean_intel, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4, false, true, true, false},
        {"lean, EPT with A/D", lean_intel, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4, true, true, false, false},
        {"lean, 5 x 5", lean_intel, VX_PAGING_5LEVEL, VX_NESTED_EPT, 5, true, true, true, false},
        {"lean, PAE", lean_intel, VX_PAGING_PAE, VX_NESTED_EPT, 4, false, true, true, false},
        {"straight, native", straight_intel, VX_PAGING_4LEVEL, VX_NESTED_NONE, 4, false, true, true, false},
        {"straight, EPT", straight_intel, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4, false, true, true, false},
        {"straight, EPT with A/D", straight_intel, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4, true, true, true, false},
        {"straight, EPT, large tables", straight_intel, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4, true, true, true, true},
        {"straight, native, data caches", straight_cached_intel, VX_PAGING_4LEVEL, VX_NESTED_NONE, 4, false, true, true,
         false},
        {"straight, EPT, data caches", straight_cached_intel, VX_PAGING_4LEVEL, VX_NESTED_EPT, 4, true, true, false,
         false},
        {"split units, 5 x 5", split_intel, VX_PAGING_5LEVEL, VX_NESTED_EPT, 5, true, true, true, false},
        {"split units, 5 x 4", split_intel, VX_PAGING_5LEVEL, VX_NESTED_EPT, 4, false, true, false, false},
        {"barcelona, native", test_cpu_barcelona, VX_PAGING_4LEVEL, VX_NESTED_NONE, 4, false, true, true, false},
        {"barcelona, NPT", test_cpu_barcelona, VX_PAGING_4LEVEL, VX_NESTED_NPT, 4, false, true, true, false},
        {"tiny AMD, NPT", tiny_amd, VX_PAGING_4LEVEL, VX_NESTED_NPT, 4, false, true, false, false},
        {"tiny AMD, PAE under NPT", tiny_amd, VX_PAGING_PAE, VX_NESTED_NPT, 4, false, true, true, false},
        {"nehalem, PAE under EPT", test_cpu_nehalem, VX_PAGING_PAE, VX_NESTED_EPT, 4, false, true, true, false},
        {"small caches, 32-bit under EPT", small_intel, VX_PAGING_32BIT, VX_NESTED_EPT, 4, true, true, false, false},
        {"tiny AMD, 32-bit", tiny_amd, VX_PAGING_32BIT, VX_NESTED_NONE, 4, false, true, true, false},
    };
    static twin t;
    uint64_t seed = vx_test_seed();
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        stream(&t, &settings[i], seed, false);
        stream(&t, &settings[i], seed, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(streams)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
