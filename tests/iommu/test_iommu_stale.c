/* Legacy mode: no stale translation, after random edits of tables and contexts, invalidations and DMA with mixed page
 * sizes (io_stale_tables.h). Some pages are invalidated late and some never, so that old answers do occur. */
#include "io_stale_tables.h"

enum { DOMAINS = 3, STEPS = 60000 };

typedef struct domain {
    uint16_t id, source_id;
    bool context_outstanding;
    stale_tables tables;
} domain;

static io_world world;
static stale_oracle oracle;
static domain domains[DOMAINS];
static vx_random dice;

static unsigned draw(unsigned below) { return (unsigned)vx_random_below(&dice, below); }

/* The device's context entry: another translation type. */
static void move_context(domain *d)
{
    unsigned type = draw(4) ? VX_VTD_TYPE_UNTRANSLATED : VX_VTD_TYPE_ALL;
    if (draw(4) == 0) type = VX_VTD_TYPE_PASS_THROUGH;
    io_world_context(&world, d->source_id, d->id, type, type == VX_VTD_TYPE_PASS_THROUGH ? 5 : 4, d->tables.root);
    d->context_outstanding = true;
}

static void invalidate_some(void)
{
    domain *d = &domains[draw(DOMAINS)];
    unsigned kind = draw(12), s = draw(STALE_SLOTS), giant = draw(STALE_GIANTS) * 8;
    switch (kind) {
    case 0:
        io_world_submit(&world, VX_VTD_DESC_IOTLB | 1U << 4, 0);
        for (unsigned i = 0; i < DOMAINS; i++) stale_tables_settle(&domains[i].tables, 0, STALE_SLOTS);
        break;
    case 1:
        io_world_submit(&world, VX_VTD_DESC_IOTLB | 2U << 4 | (uint64_t)d->id << 16, 0);
        stale_tables_settle(&d->tables, 0, STALE_SLOTS);
        break;
    case 2:
        io_world_submit(&world, VX_VTD_DESC_CONTEXT | 3U << 4 | (uint64_t)d->id << 16 | (uint64_t)d->source_id << 32,
                        0);
        d->context_outstanding = false;
        break;
    case 3: /* 16 MiB: the eight slots of a 1 GiB region */
        io_world_flush_pages(&world, d->id, stale_address(giant), 12, false);
        stale_tables_settle(&d->tables, giant, 8);
        break;
    default:
        io_world_flush_pages(&world, d->id, stale_address(s), 9, false);
        stale_tables_settle(&d->tables, s, 1);
        break;
    }
}

static void compare(void)
{
    const domain *d = &domains[draw(DOMAINS)];
    unsigned s = draw(STALE_SLOTS);
    const vx_dma_request request = {.address = {stale_address(s) + ((uint64_t)draw(4) << 12) + draw(4096)},
                                    .pasid = VX_PASID_NONE,
                                    .source_id = d->source_id,
                                    .write = draw(2) != 0};
    stale_oracle_compare(&oracle, &world, &request, d->tables.outstanding[s] || d->context_outstanding);
}

/* Returns the entries that were dropped and that nobody named. */
static uint64_t run(const vx_cfg_iommu *config, uint64_t seed)
{
    vx_random_init(&dice, seed, "iommu stale");
    io_world_open(&world, config, false);
    stale_oracle_open(&oracle, &world, config);
    for (unsigned i = 0; i < DOMAINS; i++) {
        domains[i] = (domain){.id = (uint16_t)(i + 1), .source_id = (uint16_t)(0x100 * (i + 1))};
        stale_tables_second(&domains[i].tables, &world, 4);
        io_world_context(&world, domains[i].source_id, domains[i].id, VX_VTD_TYPE_UNTRANSLATED, 4,
                         domains[i].tables.root);
    }
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned what = draw(20);
        if (what == 0) stale_tables_edit(&domains[draw(DOMAINS)].tables, &world, &dice);
        if (what == 1) invalidate_some();
        if (what == 2 && draw(30) == 0) move_context(&domains[draw(DOMAINS)]);
        compare();
        if (step % 64 == 0) stale_oracle_clear(&oracle, &world);
    }
    uint64_t over_invalidated = vx_iommu_counted(world.iommu)->over_invalidated;
    stale_oracle_close(&oracle, 100, STEPS / 50);
    io_world_close(&world);
    return over_invalidated;
}

static void exact_hardware(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    assert_int_equal(run(&config, vx_test_seed()), 0);
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
    uint64_t over_invalidated = run(&config, vx_test_seed() + 2);
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
