/* Scalable mode: no stale translation, after random edits of first-level and second-level tables and of PASID entries,
 * invalidations of every kind and DMA with and without PASID, pages of 4K, 2M and 1G (io_stale_tables.h).
 *
 * A nested space's tables lie where guest-physical addresses are host-physical ones; what the second level says of the
 * frames of its data changes. A PASID entry changes between two sets of tables: that is over when the PASID cache and
 * then the IOTLB have been invalidated. */
#include "io_stale_tables.h"

enum { SPACES = 4, STEPS = 60000, SECOND_2M = 128, NESTED_FRAMES = 3 };

typedef enum unsettled { SETTLED, IN_IOTLB, IN_PASID_CACHE } unsettled;

/* Tables that requests of one kind are translated by. */
typedef struct space {
    uint16_t source_id, domain;
    uint32_t pasid; /* VX_PASID_NONE: requests without, which use the entry of PASID 0 */
    vx_vtd_pgtt type;
    uint64_t directory, second;
    bool second_outstanding[NESTED_FRAMES]; /* nested: of a frame */
    stale_tables tables[2];
    unsigned active;
    unsettled entry;
} space;

static io_world world;
static stale_oracle oracle;
static space spaces[SPACES];
static vx_random dice;

static unsigned draw(unsigned below) { return (unsigned)vx_random_below(&dice, below); }

static uint32_t entry_pasid(const space *at) { return at->pasid == VX_PASID_NONE ? 0 : at->pasid; }

static void write_entry(space *at)
{
    uint64_t root = at->tables[at->active].root;
    bool second = at->type == VX_VTD_PGTT_SECOND;
    io_world_pasid(&world, at->directory, entry_pasid(at), at->type, at->domain, at->type == VX_VTD_PGTT_FIRST ? 0 : 4,
                   second ? root : at->second, second ? 0 : root);
}

/* ---- edits ---- */

static uint64_t second_entry(const space *at, unsigned frame)
{
    return io_world_entry_at(&world, 4, at->second, (uint64_t)(STALE_FRAME + frame) << 21, 2);
}

static void edit_second(space *at)
{
    unsigned frame = draw(NESTED_FRAMES);
    static const uint64_t rights[] = {0, VX_VTD_SL_R, VX_VTD_SL_R | VX_VTD_SL_W};
    uint64_t bits = rights[draw(3)];
    io_world_put(&world, second_entry(at, frame), bits ? (uint64_t)(1 + draw(1000)) << 21 | bits | VX_PTE_PS : 0);
    at->second_outstanding[frame] = true;
}

static void edit_some(void)
{
    space *at = &spaces[draw(SPACES)];
    if (draw(25) == 0) {
        at->active = !at->active;
        at->entry = IN_PASID_CACHE;
        write_entry(at);
    } else if (at->type == VX_VTD_PGTT_NESTED && draw(8) == 0) {
        edit_second(at);
    } else {
        stale_tables_edit(&at->tables[at->active], &world, &dice);
    }
}

/* ---- invalidations ---- */

static void settle_all(space *at)
{
    for (unsigned i = 0; i < 2; i++) stale_tables_settle(&at->tables[i], 0, STALE_SLOTS);
    if (at->entry == IN_IOTLB) at->entry = SETTLED;
}

static void settle_second(space *at)
{
    for (unsigned i = 0; i < NESTED_FRAMES; i++) at->second_outstanding[i] = false;
}

static void invalidate_iotlb(unsigned granularity, const space *of)
{
    io_world_submit(&world, VX_VTD_DESC_IOTLB | (uint64_t)granularity << 4 | (uint64_t)of->domain << 16, 0);
    for (unsigned i = 0; i < SPACES; i++) {
        if (granularity != 1 && spaces[i].domain != of->domain) continue;
        settle_all(&spaces[i]);
        settle_second(&spaces[i]);
    }
}

static void invalidate_pasid_cache(space *of)
{
    unsigned granularity = draw(4) ? 1 : draw(2) ? 0 : 3;
    io_world_submit(&world,
                    VX_VTD_DESC_PASID_CACHE | (uint64_t)granularity << 4 | (uint64_t)of->domain << 16 |
                        (uint64_t)entry_pasid(of) << 32,
                    0);
    for (unsigned i = 0; i < SPACES; i++) {
        bool named = granularity == 3 || spaces[i].domain == of->domain;
        if (granularity == 1) named &= entry_pasid(&spaces[i]) == entry_pasid(of);
        if (named && spaces[i].entry == IN_PASID_CACHE) spaces[i].entry = IN_IOTLB;
    }
}

/* First-level and nested translations: by PASID, or some pages of it. */
static void invalidate_pasid_iotlb(space *of, bool pages)
{
    unsigned s = draw(STALE_SLOTS);
    io_world_submit(&world,
                    VX_VTD_DESC_PASID_IOTLB | (pages ? 3ULL : 2ULL) << 4 | (uint64_t)of->domain << 16 |
                        (uint64_t)entry_pasid(of) << 32,
                    pages ? stale_address(s) | 9 : 0);
    if (pages)
        stale_tables_settle(&of->tables[of->active], s, 1);
    else
        settle_all(of);
}

/* Second-level pages: of a nested space those of its data's frames. */
static void invalidate_pages(space *of)
{
    if (of->type == VX_VTD_PGTT_NESTED) {
        unsigned frame = draw(NESTED_FRAMES);
        io_world_flush_pages(&world, of->domain, (uint64_t)(STALE_FRAME + frame) << 21, 9, false);
        of->second_outstanding[frame] = false;
        return;
    }
    unsigned s = draw(STALE_SLOTS);
    io_world_flush_pages(&world, of->domain, stale_address(s), 9, false);
    if (of->type == VX_VTD_PGTT_SECOND) stale_tables_settle(&of->tables[of->active], s, 1);
}

static void invalidate_some(void)
{
    space *of = &spaces[draw(SPACES)];
    bool first = of->type != VX_VTD_PGTT_SECOND;
    unsigned kind = draw(16);
    if (kind == 0)
        invalidate_iotlb(1, of);
    else if (kind < 3)
        invalidate_iotlb(2, of);
    else if (kind < 6)
        invalidate_pasid_cache(of);
    else if (kind < 8 && first)
        invalidate_pasid_iotlb(of, false);
    else if (kind < 12 && first)
        invalidate_pasid_iotlb(of, true);
    else
        invalidate_pages(of);
}

/* ---- the comparison ---- */

static bool may_differ(const space *at, unsigned slot)
{
    bool may = at->entry != SETTLED || at->tables[at->active].outstanding[slot];
    for (unsigned i = 0; i < NESTED_FRAMES; i++) may |= at->second_outstanding[i];
    return may;
}

static void compare(void)
{
    const space *at = &spaces[draw(SPACES)];
    unsigned s = draw(STALE_SLOTS);
    const vx_dma_request request = {.address = {stale_address(s) + ((uint64_t)draw(4) << 12) + draw(4096)},
                                    .pasid = at->pasid,
                                    .source_id = at->source_id,
                                    .privileged = at->pasid != VX_PASID_NONE && draw(4) == 0,
                                    .write = draw(2) != 0};
    stale_oracle_compare(&oracle, &world, &request, may_differ(at, s));
}

/* ---- worlds ---- */

static void open_spaces(void)
{
    static const struct {
        uint16_t source_id, domain;
        uint32_t pasid;
        vx_vtd_pgtt type;
    } kinds[SPACES] = {{0x100, 1, VX_PASID_NONE, VX_VTD_PGTT_SECOND},
                       {0x100, 2, 5, VX_VTD_PGTT_FIRST},
                       {0x200, 3, 70, VX_VTD_PGTT_NESTED},
                       {0x200, 2, 6, VX_VTD_PGTT_FIRST}};
    uint64_t directories[2] = {io_world_scalable_context(&world, 0x100), io_world_scalable_context(&world, 0x200)};
    for (unsigned i = 0; i < SPACES; i++) {
        space *at = &spaces[i];
        *at = (space){.source_id = kinds[i].source_id,
                      .domain = kinds[i].domain,
                      .pasid = kinds[i].pasid,
                      .type = kinds[i].type,
                      .directory = directories[kinds[i].source_id == 0x200]};
        for (unsigned set = 0; set < 2; set++)
            if (at->type == VX_VTD_PGTT_SECOND)
                stale_tables_second(&at->tables[set], &world, 4);
            else
                stale_tables_first(&at->tables[set], &world);
        if (at->type == VX_VTD_PGTT_NESTED) {
            at->tables[0].frames = at->tables[1].frames = NESTED_FRAMES;
            at->second = io_world_page(&world);
            for (uint64_t page = 0; page < SECOND_2M; page++)
                io_world_map(&world, 4, at->second, page << 21, page << 21, VX_PAGE_2M, VX_VTD_SL_R | VX_VTD_SL_W);
        }
        write_entry(at);
    }
}

static void run(const vx_cfg_iommu *config, uint64_t seed)
{
    vx_random_init(&dice, seed, "iommu stale pasid");
    io_world_open(&world, config, true);
    stale_oracle_open(&oracle, &world, config);
    oracle.any_reason = config->caching_mode;
    open_spaces();
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned what = draw(20);
        if (what == 0) edit_some();
        if (what <= 2) invalidate_some();
        compare();
        if (step % 64 == 0) stale_oracle_clear(&oracle, &world);
        assert_true(world.next_page < (uint64_t)STALE_FRAME << 21); /* tables end where data begins */
    }
    stale_oracle_close(&oracle, 100, STEPS / 50);
    io_world_close(&world);
}

static void exact_hardware(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    run(&config, vx_test_seed());
}

static void small_caches(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    config.iotlb = (vx_cfg_io_cache){16, 2, VX_REPLACE_PLRU};
    for (unsigned level = 2; level <= 5; level++) config.paging[level] = (vx_cfg_io_cache){4, 2, VX_REPLACE_LRU};
    config.context = config.pasid = (vx_cfg_io_cache){2, 1, VX_REPLACE_LRU};
    run(&config, vx_test_seed() + 1);
}

static void coarse_hardware(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    config.granularity = VX_IO_BY_DOMAIN;
    run(&config, vx_test_seed() + 2);
}

/* Entries that are not present are cached too: mapping anew needs an invalidation as well. A write to a nested page
 * that the first level does not allow and the second has not is refused for either reason. */
static void caching_mode(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    config.caching_mode = true;
    run(&config, vx_test_seed() + 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_hardware),
        cmocka_unit_test(small_caches),
        cmocka_unit_test(coarse_hardware),
        cmocka_unit_test(caching_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
