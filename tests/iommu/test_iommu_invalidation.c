/* What each invalidation drops, by register and by queue; the queue's errors, waits and time; caching mode. */
#include "iommu_world.h"

#define RW (VX_VTD_SL_R | VX_VTD_SL_W)
#define HPA 0x8000000ULL

static io_world world;

enum { SID_A = 0x100, SID_B = 0x200, DOMAIN_A = 5, DOMAIN_B = 6 };

static uint64_t root_a, root_b;

/* Two domains with pages 0 and 1 of 4K, and a page of 2M at 1G; all are in the caches. */
static void open_world(const vx_cfg_iommu *config)
{
    io_world_open(&world, config, false);
    root_a = io_world_page(&world);
    root_b = io_world_page(&world);
    io_world_context(&world, SID_A, DOMAIN_A, VX_VTD_TYPE_ALL, 4, root_a);
    io_world_context(&world, SID_B, DOMAIN_B, VX_VTD_TYPE_ALL, 4, root_b);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t root = i ? root_b : root_a;
        io_world_map(&world, 4, root, 0, HPA, VX_PAGE_4K, RW);
        io_world_map(&world, 4, root, 0x1000, HPA, VX_PAGE_4K, RW);
        io_world_map(&world, 4, root, 1ULL << 30, HPA, VX_PAGE_2M, RW);
    }
}

static const uint64_t pages[3] = {0, 0x1000, (1ULL << 30) + 0x5000};

static void touch_all(void)
{
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(io_world_dma(&world, i < 3 ? SID_A : SID_B, pages[i % 3], true), VX_DMA_DONE);
}

/* Bit n: page n of A, 3 + n of B is no longer held. Upper entries stay only where the accesses say so. */
static unsigned gone(void)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < 6; i++) {
        io_world_dma(&world, i < 3 ? SID_A : SID_B, pages[i % 3], true);
        bits |= (unsigned)!world.out.hit << i;
    }
    return bits;
}

typedef enum way { BY_REGISTER, BY_QUEUE } way;

static unsigned iotlb(way how, unsigned asked, uint16_t domain, uint64_t address, unsigned mask, bool hint)
{
    if (how == BY_QUEUE) {
        io_world_submit(&world, VX_VTD_DESC_IOTLB | asked << 4 | (uint64_t)domain << 16,
                        address | (hint ? VX_VTD_IVA_HINT : 0) | mask);
        return asked;
    }
    vx_iommu_write(world.iommu, VX_VTD_IVA, 8, address | (hint ? VX_VTD_IVA_HINT : 0) | mask);
    vx_iommu_write(world.iommu, VX_VTD_IOTLB, 8,
                   VX_VTD_GO | (uint64_t)asked << VX_VTD_IOTLB_ASKED_SHIFT | (uint64_t)domain << 32);
    uint64_t command = vx_iommu_read(world.iommu, VX_VTD_IOTLB, 8);
    assert_false(command & VX_VTD_GO);
    return (unsigned)(command >> VX_VTD_IOTLB_DONE_SHIFT) & 3;
}

/* ---- granularities ---- */

static void iotlb_granularities(void **state)
{
    (void)state;
    static const struct {
        unsigned asked;
        uint16_t domain;
        uint64_t address;
        unsigned mask;
        unsigned gone;
    } rows[] = {
        {1, 0, 0, 0, 077},
        {2, DOMAIN_A, 0, 0, 007},
        {2, DOMAIN_B, 0, 0, 070},
        {2, 99, 0, 0, 000},
        {3, DOMAIN_A, 0x1000, 0, 002},
        {3, DOMAIN_A, 0, 1, 003},
        {3, DOMAIN_B, 1ULL << 30, 0, 040}, /* any page of the 2M page */
        {3, DOMAIN_B, (1ULL << 30) + 0x1FF000, 0, 040},
        {3, DOMAIN_B, (1ULL << 30) + 0x200000, 0, 000},
        {3, DOMAIN_A, 0, 18, 007}, /* 1 GiB from 0 holds pages 0 and 1; see the mask below */
    };
    vx_cfg_iommu config = io_world_config();
    for (unsigned how = 0; how < 2; how++)
        for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
            unsigned expected = rows[i].mask == 18 ? 003 : rows[i].gone;
            open_world(&config);
            touch_all();
            unsigned done = iotlb((way)how, rows[i].asked, rows[i].domain, rows[i].address, rows[i].mask, false);
            assert_int_equal(done, rows[i].asked);
            unsigned dropped = gone();
            if (dropped != expected) fail_msg("row %u, way %u: %o, not %o", i, how, dropped, expected);
            assert_int_equal(vx_iommu_counted(world.iommu)->over_invalidated, 0);
            io_world_close(&world);
        }
}

/* The hint keeps upper entries; without it those that cover the address go, and no others. */
static void the_hint(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    for (unsigned hint = 0; hint < 2; hint++) {
        open_world(&config);
        touch_all();
        iotlb(BY_QUEUE, 3, DOMAIN_A, 0x1000, 0, hint);
        io_world_dma(&world, SID_A, 0x1000, true);
        assert_int_equal(world.out.accesses, hint ? 1 : 4);
        iotlb(BY_QUEUE, 3, DOMAIN_A, 1ULL << 30, 0, hint);
        io_world_dma(&world, SID_A, 0, true);
        assert_true(world.out.hit);
        io_world_close(&world);
    }
}

/* Hardware that knows no pages, or no domains, drops more: said in the register, counted. */
static void coarser_hardware(void **state)
{
    (void)state;
    static const struct {
        vx_io_granularity least;
        bool page_selective;
        unsigned mask, done, gone, over;
    } rows[] = {
        {VX_IO_BY_PAGE, true, 0, 3, 002, 0},    {VX_IO_BY_PAGE, false, 0, 2, 007, 3},
        {VX_IO_BY_PAGE, true, 19, 2, 007, 0},   {VX_IO_BY_DOMAIN, true, 0, 2, 007, 3},
        {VX_IO_BY_ALL, true, 0, 1, 077, 3 + 7},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        vx_cfg_iommu config = io_world_config();
        config.granularity = rows[i].least;
        config.page_selective = rows[i].page_selective;
        open_world(&config);
        touch_all();
        assert_int_equal(iotlb(BY_REGISTER, 3, DOMAIN_A, 0x1000, rows[i].mask, false), rows[i].done);
        uint64_t over = vx_iommu_counted(world.iommu)->over_invalidated;
        assert_int_equal(gone(), rows[i].gone);
        /* IOTLB entries beyond the asked ones and the upper entries below which the page is not. */
        if (rows[i].over == 0) assert_int_equal(over, rows[i].mask == 19 ? over : 0);
        if (rows[i].over) assert_in_range(over, rows[i].over, 3 * rows[i].over);
        io_world_close(&world);
    }
}

static unsigned contexts_gone(const uint16_t *ids, unsigned count)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t before = vx_iommu_counted(world.iommu)->context.misses;
        io_world_dma(&world, ids[i], 0, true);
        bits |= (unsigned)(vx_iommu_counted(world.iommu)->context.misses != before) << i;
    }
    return bits;
}

static void context_granularities(void **state)
{
    (void)state;
    static const uint16_t ids[] = {0x100, 0x101, 0x104, 0x107, 0x200};
    static const struct {
        unsigned asked;
        uint16_t domain, source_id;
        unsigned mask, gone;
    } rows[] = {
        {1, 0, 0, 0, 037},
        {2, DOMAIN_A, 0, 0, 017},
        {2, DOMAIN_B, 0, 0, 020},
        {3, DOMAIN_A, 0x100, 0, 01},
        {3, DOMAIN_A, 0x100, 1, 05},
        {3, DOMAIN_A, 0x101, 2, 012},
        {3, DOMAIN_A, 0x100, 3, 017},
        {3, DOMAIN_B, 0x100, 0, 0},
    };
    vx_cfg_iommu config = io_world_config();
    for (unsigned how = 0; how < 2; how++)
        for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
            open_world(&config);
            for (unsigned n = 0; n < 4; n++) io_world_context(&world, ids[n], DOMAIN_A, VX_VTD_TYPE_ALL, 4, root_a);
            contexts_gone(ids, 5);
            uint64_t fields = (uint64_t)rows[i].mask, did = rows[i].domain, sid = rows[i].source_id;
            if (how == BY_QUEUE)
                io_world_submit(&world, VX_VTD_DESC_CONTEXT | rows[i].asked << 4 | did << 16 | sid << 32 | fields << 48,
                                0);
            else
                vx_iommu_write(world.iommu, VX_VTD_CCMD, 8,
                               VX_VTD_GO | (uint64_t)rows[i].asked << VX_VTD_CCMD_ASKED_SHIFT | did | sid << 16 |
                                   fields << 32);
            unsigned dropped = contexts_gone(ids, 5);
            if (dropped != rows[i].gone) fail_msg("row %u: %o, not %o", i, dropped, rows[i].gone);
            io_world_close(&world);
        }
}

/* ---- scalable mode ---- */

/* PASIDs 1 and 2 of domain 5 (first level), 3 of 5 (second), 1 of another device in domain 6. Bit n: no longer held. */
static unsigned pasids_gone(bool cache)
{
    static const struct {
        uint16_t sid;
        uint32_t pasid;
    } at[] = {{0x100, 1}, {0x100, 2}, {0x100, 3}, {0x200, 1}};
    unsigned bits = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t before = vx_iommu_counted(world.iommu)->pasid.misses;
        assert_int_equal(io_world_dma_pasid(&world, at[i].sid, at[i].pasid, 0x1000, true), VX_DMA_DONE);
        bool missed = vx_iommu_counted(world.iommu)->pasid.misses != before;
        bits |= (unsigned)(cache ? missed : !world.out.hit) << i;
    }
    return bits;
}

static void pasid_granularities(void **state)
{
    (void)state;
    static const struct {
        uint64_t low, high;
        bool cache;
        unsigned gone;
    } rows[] = {
        {VX_VTD_DESC_PASID_CACHE | 3U << 4, 0, true, 017},
        {VX_VTD_DESC_PASID_CACHE | 0U << 4 | 5U << 16, 0, true, 007},
        {VX_VTD_DESC_PASID_CACHE | 1U << 4 | 5U << 16 | 2ULL << 32, 0, true, 002},
        {VX_VTD_DESC_PASID_CACHE | 1U << 4 | 6U << 16 | 2ULL << 32, 0, true, 000},
        {VX_VTD_DESC_PASID_IOTLB | 2U << 4 | 5U << 16 | 1ULL << 32, 0, false, 001},
        {VX_VTD_DESC_PASID_IOTLB | 3U << 4 | 5U << 16 | 2ULL << 32, 0x1000, false, 002},
        {VX_VTD_DESC_PASID_IOTLB | 3U << 4 | 5U << 16 | 2ULL << 32, 0x2000, false, 000},
        {VX_VTD_DESC_PASID_IOTLB | 2U << 4 | 5U << 16 | 3ULL << 32, 0, false, 000}, /* second level: not by PASID */
        {VX_VTD_DESC_IOTLB | 3U << 4 | 5U << 16, 0x9000, false, 003}, /* all first-level entries of the domain */
        {VX_VTD_DESC_IOTLB | 3U << 4 | 5U << 16, 0x1000, false, 007},
        {VX_VTD_DESC_IOTLB | 2U << 4 | 6U << 16, 0, false, 010},
    };
    vx_cfg_iommu config = io_world_config();
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        io_world_open(&world, &config, true);
        uint64_t a = io_world_scalable_context(&world, 0x100), b = io_world_scalable_context(&world, 0x200);
        uint64_t first = io_world_page(&world), second = io_world_page(&world);
        io_world_map_first(&world, first, 0, 0x1000, HPA, VX_PAGE_4K, VX_PTE_P | VX_PTE_W | VX_PTE_U);
        io_world_map(&world, 4, second, 0x1000, HPA, VX_PAGE_4K, RW);
        io_world_pasid(&world, a, 1, VX_VTD_PGTT_FIRST, 5, 0, 0, first);
        io_world_pasid(&world, a, 2, VX_VTD_PGTT_FIRST, 5, 0, 0, first);
        io_world_pasid(&world, a, 3, VX_VTD_PGTT_SECOND, 5, 4, second, 0);
        io_world_pasid(&world, b, 1, VX_VTD_PGTT_FIRST, 6, 0, 0, first);
        pasids_gone(false);
        io_world_submit(&world, rows[i].low, rows[i].high);
        unsigned dropped = pasids_gone(rows[i].cache);
        if (dropped != rows[i].gone) fail_msg("row %u: %o, not %o", i, dropped, rows[i].gone);
        io_world_close(&world);
    }
}

/* ---- the queue ---- */

static void waits(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    open_world(&config);
    uint64_t at = io_world_page(&world);
    vx_iommu_write(world.iommu, VX_VTD_IEADDR, 4, 0xFEE02000);
    vx_iommu_write(world.iommu, VX_VTD_IECTL, 4, 0);
    io_world_submit(&world, VX_VTD_DESC_WAIT | VX_VTD_WAIT_SW | VX_VTD_WAIT_IF | 0x1234ULL << 32, at + 4);
    assert_int_equal(io_world_get(&world, at), 0x1234ULL << 32);
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_ICS, 4), VX_VTD_ICS_IWC);
    assert_int_equal(world.events, 1);
    assert_int_equal(world.event_address, 0xFEE02000);
    vx_iommu_write(world.iommu, VX_VTD_ICS, 4, VX_VTD_ICS_IWC);
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_ICS, 4), 0);
    io_world_close(&world);
}

static void the_queue_goes_round(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    open_world(&config);
    uint64_t at = io_world_page(&world);
    for (unsigned i = 1; i <= 1000; i++) {
        io_world_submit(&world, VX_VTD_DESC_WAIT | VX_VTD_WAIT_SW | (uint64_t)i << 32, at);
        assert_int_equal(io_world_get(&world, at), i);
        assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_IQH, 8), i % 256 * 16);
    }
    assert_int_equal(vx_iommu_counted(world.iommu)->descriptors[VX_VTD_DESC_WAIT], 1000);
    assert_int_equal(vx_iommu_counted(world.iommu)->invalidation_ticks, 1000 * 50);
    io_world_close(&world);
}

static void bad_descriptors_stop_it(void **state)
{
    (void)state;
    static const struct {
        uint64_t low, high;
        unsigned code;
        uint32_t status;
    } rows[] = {
        {0, 0, 2, VX_VTD_FSTS_IQE},
        {15, 0, 2, VX_VTD_FSTS_IQE},
        {VX_VTD_DESC_CONTEXT, 0, 3, VX_VTD_FSTS_IQE}, /* granularity 0 */
        {VX_VTD_DESC_CONTEXT | 1U << 4 | 1U << 8, 0, 3, VX_VTD_FSTS_IQE},
        {VX_VTD_DESC_IOTLB, 0, 3, VX_VTD_FSTS_IQE},
        {VX_VTD_DESC_IOTLB | 3U << 4, 19, 3, VX_VTD_FSTS_IQE}, /* beyond MAMV */
        {VX_VTD_DESC_IOTLB | 1U << 4, 0x80, 3, VX_VTD_FSTS_IQE},
        {VX_VTD_DESC_INTERRUPT | 1U << 8, 0, 3, VX_VTD_FSTS_IQE},
        {VX_VTD_DESC_WAIT | 1U << 7, 0, 3, VX_VTD_FSTS_IQE},
        {VX_VTD_DESC_WAIT, 1, 3, VX_VTD_FSTS_IQE},
        {VX_VTD_DESC_PASID_IOTLB | 1U << 4, 0, 3, VX_VTD_FSTS_IQE},
        {VX_VTD_DESC_PASID_CACHE | 2U << 4, 0, 3, VX_VTD_FSTS_IQE},
        {VX_VTD_DESC_DEVICE | 0x999ULL << 32, 0x1000, 0, VX_VTD_FSTS_ITE}, /* no such device TLB */
        {VX_VTD_DESC_PASID_DEVICE | 0x999ULL << 16, 0x1000, 0, VX_VTD_FSTS_ITE},
    };
    vx_cfg_iommu config = io_world_config();
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        open_world(&config);
        uint64_t at = io_world_page(&world);
        io_world_submit(&world, rows[i].low, rows[i].high);
        io_world_submit(&world, VX_VTD_DESC_WAIT | VX_VTD_WAIT_SW | 1ULL << 32, at);
        if (vx_iommu_read(world.iommu, VX_VTD_FSTS, 4) != rows[i].status) fail_msg("row %u did not stop the queue", i);
        assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_IQERCD, 8), rows[i].code);
        assert_int_equal(io_world_get(&world, at), 0);
        bool fetched = rows[i].status == VX_VTD_FSTS_ITE;
        assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_IQH, 8), fetched ? 16 : 0);
        io_world_put(&world, world.queue, VX_VTD_DESC_WAIT); /* software mends it */
        io_world_put(&world, world.queue + 8, 0);
        vx_iommu_write(world.iommu, VX_VTD_FSTS, 4, rows[i].status);
        assert_int_equal(io_world_get(&world, at), 1);
        io_world_close(&world);
    }
    open_world(&config);
    vx_iommu_write(world.iommu, VX_VTD_IQA, 8, 0x3FF000000000ULL);
    vx_iommu_write(world.iommu, VX_VTD_IQT, 8, 16);
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_IQERCD, 8), 1);
    io_world_close(&world);
}

static void wide_descriptors(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    open_world(&config);
    uint64_t at = io_world_page(&world);
    vx_iommu_write(world.iommu, VX_VTD_IQA, 8, world.queue | VX_VTD_IQA_WIDE);
    io_world_put(&world, world.queue, VX_VTD_DESC_WAIT | VX_VTD_WAIT_SW | 7ULL << 32);
    io_world_put(&world, world.queue + 8, at);
    vx_iommu_write(world.iommu, VX_VTD_IQT, 8, 32);
    assert_int_equal(io_world_get(&world, at), 7);
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_IQH, 8), 32);
    io_world_put(&world, world.queue + 32, VX_VTD_DESC_WAIT);
    io_world_put(&world, world.queue + 48, 1); /* the upper half is reserved */
    vx_iommu_write(world.iommu, VX_VTD_IQT, 8, 64);
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_IQERCD, 8), 3);
    io_world_close(&world);
}

/* As a process: descriptors take time, take effect when complete, and respect the horizon. */
static void kick(void *context) { ((io_world *)context)->kicks++; }

static void the_queue_takes_time(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    open_world(&config);
    vx_iommu *iommu;
    vx_arena arena;
    vx_msg msg = {""};
    vx_arena_init(&arena);
    const vx_iommu_hooks hooks = {.context = &world, .queue_kick = kick};
    assert_int_equal(vx_iommu_init(&iommu, &arena, &config, &world.memory, &hooks, &msg), VX_OK);
    uint64_t at = io_world_page(&world);
    for (unsigned i = 0; i < 3; i++) {
        io_world_put(&world, world.queue + i * 16, VX_VTD_DESC_WAIT | VX_VTD_WAIT_SW | (uint64_t)(i + 1) << 32);
        io_world_put(&world, world.queue + i * 16 + 8, at);
    }
    vx_iommu_write(iommu, VX_VTD_IQA, 8, world.queue);
    vx_iommu_write(iommu, VX_VTD_GCMD, 4, VX_VTD_QIE);
    vx_iommu_write(iommu, VX_VTD_IQT, 8, 48);
    assert_int_equal(world.kicks, 1);
    assert_int_equal(vx_iommu_queue_step(iommu, 1000, 1000), 1050);
    assert_int_equal(io_world_get(&world, at), 0);
    assert_int_equal(vx_iommu_queue_step(iommu, 1050, 1050), 1100);
    assert_int_equal(io_world_get(&world, at), 1);
    assert_int_equal(vx_iommu_queue_step(iommu, 1100, 5000), VX_TICK_NEVER);
    assert_int_equal(io_world_get(&world, at), 3);
    vx_arena_fini(&arena);
    io_world_close(&world);
}

/* ---- caching mode ---- */

/* With it what is not present is remembered, so that software must invalidate when it maps; without it, not. */
static void caching_mode(void **state)
{
    (void)state;
    for (unsigned on = 0; on < 2; on++) {
        vx_cfg_iommu config = io_world_config();
        config.caching_mode = on;
        open_world(&config);
        assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_CAP, 8) >> 7 & 1, on);
        assert_int_equal(io_world_dma(&world, SID_B + 1, 0, true), VX_DMA_BLOCKED);
        io_world_context(&world, SID_B + 1, DOMAIN_A, VX_VTD_TYPE_ALL, 4, root_a);
        assert_int_equal(io_world_dma(&world, SID_B + 1, 0, true), on ? VX_DMA_BLOCKED : VX_DMA_DONE);
        io_world_submit(&world, VX_VTD_DESC_CONTEXT | 2U << 4, 0); /* domain 0: what is cached as absent */
        assert_int_equal(io_world_dma(&world, SID_B + 1, 0, true), VX_DMA_DONE);

        assert_int_equal(io_world_dma(&world, SID_A, 0x7000, false), VX_DMA_BLOCKED);
        io_world_map(&world, 4, root_a, 0x7000, HPA, VX_PAGE_4K, RW);
        assert_int_equal(io_world_dma(&world, SID_A, 0x7000, true), on ? VX_DMA_BLOCKED : VX_DMA_DONE);
        if (on) assert_int_equal(world.out.fault, VX_VTD_FAULT_WRITE);
        io_world_flush_pages(&world, DOMAIN_A, 0x7000, 0, true);
        assert_int_equal(io_world_dma(&world, SID_A, 0x7000, true), VX_DMA_DONE);
        io_world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iotlb_granularities),  cmocka_unit_test(the_hint),
        cmocka_unit_test(coarser_hardware),     cmocka_unit_test(context_granularities),
        cmocka_unit_test(pasid_granularities),  cmocka_unit_test(waits),
        cmocka_unit_test(the_queue_goes_round), cmocka_unit_test(bad_descriptors_stop_it),
        cmocka_unit_test(wide_descriptors),     cmocka_unit_test(the_queue_takes_time),
        cmocka_unit_test(caching_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
