/* No stale translation, after random edits of the tables, invalidations and DMA with mixed page sizes.
 *
 * The oracle is an IOMMU over the same memory whose caches hold nothing: it reads the tables anew for each request, as
 * if everything were flushed before it. The IOMMU under test may answer with an older translation of a page only while
 * an edit of it has not been invalidated; the test keeps the edits that are outstanding, and wherever there are none
 * both must agree in outcome, address and reason. Some pages are invalidated late and some never, so that old answers
 * do occur: these are counted, for a cache that holds nothing would pass too. */
#include "iommu_world.h"
#include "vx_random.h"

enum { DOMAINS = 3, SLOTS = 24, STEPS = 60000, POOL_PAGES = 4096 };

/* A slot is a 2 MiB region: one 2M page, or up to four 4K pages of it, or nothing. */
typedef struct slot {
    bool large;
    bool outstanding; /* edited since the last invalidation that named it */
} slot;

typedef struct domain {
    uint64_t root;
    uint16_t id, source_id;
    bool context_outstanding;
    slot slots[SLOTS];
} domain;

static io_world world;
static vx_arena oracle_arena;
static vx_iommu *oracle;
static domain domains[DOMAINS];
static vx_random dice;
static uint64_t stale_answers, agreed, compared_hits, over_invalidated;

static uint64_t address_of(unsigned s) { return (uint64_t)(s % 8) << 21 | (uint64_t)(s / 8) << 30; }

/* An IOMMU without caches, with the same root table. */
static void open_oracle(const vx_cfg_iommu *config)
{
    vx_cfg_iommu bare = *config;
    bare.iotlb.entries = bare.context.entries = bare.pasid.entries = bare.interrupts.entries = 0;
    for (unsigned level = 0; level < 6; level++) bare.paging[level].entries = 0;
    vx_msg msg = {""};
    vx_arena_init(&oracle_arena);
    assert_int_equal(vx_iommu_init(&oracle, &oracle_arena, &bare, &world.memory, NULL, &msg), VX_OK);
    vx_iommu_write(oracle, VX_VTD_RTADDR, 8, world.root);
    vx_iommu_write(oracle, VX_VTD_GCMD, 4, VX_VTD_SRTP);
    vx_iommu_write(oracle, VX_VTD_GCMD, 4, VX_VTD_TE);
}

/* ---- edits ---- */

static uint64_t entry_at(const domain *d, unsigned s, unsigned level)
{
    return io_world_entry_at(&world, 4, d->root, address_of(s), level);
}

static uint64_t some_rights(void)
{
    static const uint64_t rights[] = {VX_VTD_SL_R, VX_VTD_SL_W, VX_VTD_SL_R | VX_VTD_SL_W};
    return rights[vx_random_below(&dice, 3)];
}

static bool maps_large(const domain *d, unsigned s) { return d->slots[s].large; }

/* Changes the slot: another page, other rights, none; now and then the other page size. Rights that only grow and pages
 * that are new need no invalidation, but here every edit counts as one. */
static void edit(domain *d, unsigned s)
{
    slot *at = &d->slots[s];
    uint64_t upper = entry_at(d, s, 2);
    uint64_t frame = (1 + vx_random_below(&dice, 60)) << 21;
    if (vx_random_below(&dice, 8) == 0 || maps_large(d, s)) {
        bool go_small = vx_random_below(&dice, 4) == 0;
        uint64_t table = go_small ? io_world_page(&world) | VX_VTD_SL_R | VX_VTD_SL_W : 0;
        io_world_put(&world, upper, go_small ? table : frame | some_rights() | VX_PTE_PS);
        at->large = !go_small;
    } else {
        uint64_t leaf = entry_at(d, s, 1) + vx_random_below(&dice, 4) * 8;
        bool clear = vx_random_below(&dice, 3) == 0;
        io_world_put(&world, leaf, clear ? 0 : (frame + (vx_random_below(&dice, 512) << 12)) | some_rights());
    }
    at->outstanding = true;
}

/* The device moves to tables of another domain-id: a context entry's edit. */
static void move_context(domain *d)
{
    unsigned type = vx_random_below(&dice, 4) ? VX_VTD_TYPE_UNTRANSLATED : VX_VTD_TYPE_ALL;
    if (vx_random_below(&dice, 4) == 0) type = VX_VTD_TYPE_PASS_THROUGH;
    io_world_context(&world, d->source_id, d->id, type, type == VX_VTD_TYPE_PASS_THROUGH ? 5 : 4, d->root);
    d->context_outstanding = true;
}

/* ---- invalidations ---- */

static void invalidate_slot(domain *d, unsigned s)
{
    io_world_flush_pages(&world, d->id, address_of(s), 9, false);
    d->slots[s].outstanding = false;
}

static void settle_domain(domain *d)
{
    for (unsigned s = 0; s < SLOTS; s++) d->slots[s].outstanding = false;
}

static void invalidate_some(void)
{
    domain *d = &domains[vx_random_below(&dice, DOMAINS)];
    switch (vx_random_below(&dice, 12)) {
    case 0:
        io_world_submit(&world, VX_VTD_DESC_IOTLB | 1U << 4, 0);
        for (unsigned i = 0; i < DOMAINS; i++) settle_domain(&domains[i]);
        break;
    case 1:
        io_world_submit(&world, VX_VTD_DESC_IOTLB | 2U << 4 | (uint64_t)d->id << 16, 0);
        settle_domain(d);
        break;
    case 2:
        io_world_submit(&world, VX_VTD_DESC_CONTEXT | 3U << 4 | (uint64_t)d->id << 16 | (uint64_t)d->source_id << 32,
                        0);
        d->context_outstanding = false;
        break;
    case 3: { /* 16 MiB: the eight slots of a 1 GiB region */
        unsigned first = (unsigned)vx_random_below(&dice, SLOTS / 8) * 8;
        io_world_flush_pages(&world, d->id, address_of(first), 12, false);
        for (unsigned s = first; s < first + 8; s++) d->slots[s].outstanding = false;
        break;
    }
    default:
        invalidate_slot(d, (unsigned)vx_random_below(&dice, SLOTS));
        break;
    }
}

/* ---- the comparison ---- */

static void compare(void)
{
    domain *d = &domains[vx_random_below(&dice, DOMAINS)];
    unsigned s = (unsigned)vx_random_below(&dice, SLOTS);
    uint64_t address = address_of(s) + (vx_random_below(&dice, 4) << 12) + vx_random_below(&dice, 4096);
    const vx_dma_request request = {.address = {address},
                                    .pasid = VX_PASID_NONE,
                                    .source_id = d->source_id,
                                    .write = vx_random_below(&dice, 2) != 0};
    vx_dma_translation is, should;
    vx_dma_outcome outcome = vx_iommu_translate(world.iommu, &request, &is);
    vx_dma_outcome expected = vx_iommu_translate(oracle, &request, &should);
    bool same = outcome == expected && (outcome == VX_DMA_DONE ? is.hpa.v == should.hpa.v : is.fault == should.fault);
    if (d->slots[s].outstanding || d->context_outstanding) {
        stale_answers += !same;
        return;
    }
    agreed++;
    compared_hits += is.hit;
    if (!same)
        fail_msg("domain %u, %llx: outcome %d at %llx, fault %02Xh; should be %d, %llx, %02Xh", d->id,
                 (unsigned long long)address, outcome, (unsigned long long)is.hpa.v, is.fault, expected,
                 (unsigned long long)should.hpa.v, should.fault);
}

static void clear_records(vx_iommu *iommu)
{
    for (uint32_t i = 0; i < 8; i++) vx_iommu_write(iommu, VX_VTD_FRCD + i * 16 + 12, 4, 1U << 31);
    vx_iommu_write(iommu, VX_VTD_FSTS, 4, VX_VTD_FSTS_PFO);
}

static void run(const vx_cfg_iommu *config, uint64_t seed)
{
    vx_random_init(&dice, seed, "iommu stale");
    io_world_open(&world, config, false);
    open_oracle(config);
    stale_answers = agreed = compared_hits = 0;
    for (unsigned i = 0; i < DOMAINS; i++) {
        domains[i] = (domain){.id = (uint16_t)(i + 1), .source_id = (uint16_t)(0x100 * (i + 1))};
        domains[i].root = io_world_page(&world);
        io_world_context(&world, domains[i].source_id, domains[i].id, VX_VTD_TYPE_UNTRANSLATED, 4, domains[i].root);
        for (unsigned s = 0; s < SLOTS; s++)
            io_world_map(&world, 4, domains[i].root, address_of(s), (uint64_t)(s + 1) << 21, VX_PAGE_4K,
                         VX_VTD_SL_R | VX_VTD_SL_W);
    }
    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t what = vx_random_below(&dice, 20);
        if (what == 0) edit(&domains[vx_random_below(&dice, DOMAINS)], (unsigned)vx_random_below(&dice, SLOTS));
        if (what == 1) invalidate_some();
        if (what == 2 && vx_random_below(&dice, 30) == 0) move_context(&domains[vx_random_below(&dice, DOMAINS)]);
        compare();
        if (step % 64 == 0) {
            clear_records(world.iommu);
            clear_records(oracle);
        }
    }
    print_message("%llu agreed, %llu of them hits; %llu old answers before their invalidation\n",
                  (unsigned long long)agreed, (unsigned long long)compared_hits, (unsigned long long)stale_answers);
    assert_true(stale_answers > 100);
    assert_true(compared_hits > STEPS / 50);
    over_invalidated = vx_iommu_counted(world.iommu)->over_invalidated;
    vx_arena_fini(&oracle_arena);
    io_world_close(&world);
}

static void exact_hardware(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    run(&config, vx_test_seed());
    assert_int_equal(over_invalidated, 0);
}

/* Small caches, so that every entry is displaced often. */
static void small_caches(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    config.iotlb = (vx_cfg_io_cache){16, 2, VX_REPLACE_PLRU};
    for (unsigned level = 2; level <= 5; level++) config.paging[level] = (vx_cfg_io_cache){4, 2, VX_REPLACE_LRU};
    config.context = (vx_cfg_io_cache){2, 1, VX_REPLACE_LRU};
    run(&config, vx_test_seed() + 1);
}

/* Hardware that cannot drop pages: nothing stale either, but more is dropped than was named. */
static void coarse_hardware(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    config.granularity = VX_IO_BY_DOMAIN;
    run(&config, vx_test_seed() + 2);
    print_message("%llu entries dropped that no invalidation named\n", (unsigned long long)over_invalidated);
    assert_true(over_invalidated > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_hardware),
        cmocka_unit_test(small_caches),
        cmocka_unit_test(coarse_hardware),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
