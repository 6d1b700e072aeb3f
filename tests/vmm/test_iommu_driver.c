/* The IOMMU's driver and the replay of DMA: what each policy protects, when it invalidates, what it costs. */
#include <string.h>

#include "test_support.h"
#include "vx_dma_replay.h"
#include "vx_trace.h"

#define SID 0x100
#define IOVA 0xFFFF0000ULL
#define FRAME 0x8000000ULL
#define RW (VX_VTD_SL_R | VX_VTD_SL_W)

enum { BYTES = 1 << 26, TABLES = 1 << 20 };

typedef struct machine {
    vx_arena arena;
    vx_physmem memory;
    vx_iommu *iommu;
    vx_iommu_driver *driver;
    vx_dma_translation out;
} machine;

static machine m;

static vx_cfg_iommu hardware(void)
{
    vx_cfg_iommu config = {.present = true,
                           .host_bits = 39,
                           .guest_bits = 48,
                           .levels = 1U << 4,
                           .page_2m = true,
                           .page_selective = true,
                           .max_mask = 9,
                           .queued = true,
                           .pass_through = true,
                           .fault_records = 1,
                           .iotlb = {64, 64, VX_REPLACE_LRU},
                           .context = {16, 16, VX_REPLACE_LRU},
                           .read_ns = 10};
    for (unsigned level = 2; level <= 4; level++) config.paging[level] = (vx_cfg_io_cache){16, 16, VX_REPLACE_LRU};
    return config;
}

static const vx_iommu_driver_config usual = {.policy = VX_IOMMU_STRICT,
                                             .tables = VX_PAGE_BYTES,
                                             .table_bytes = TABLES,
                                             .flush_unmaps = 250,
                                             .flush_ticks = 10000,
                                             .leaf_hint = true};

static vx_status try_open(const vx_cfg_iommu *config, const vx_iommu_driver_config *driver, vx_msg *msg)
{
    memset(&m, 0, sizeof m);
    vx_arena_init(&m.arena);
    assert_int_equal(vx_physmem_init(&m.memory, BYTES, msg), VX_OK);
    assert_int_equal(vx_iommu_init(&m.iommu, &m.arena, config, &m.memory, NULL, msg), VX_OK);
    return vx_iommu_driver_init(&m.driver, &m.arena, m.iommu, &m.memory, driver, msg);
}

static void open_machine_with(vx_iommu_policy policy, vx_tick flush_ticks)
{
    vx_cfg_iommu config = hardware();
    vx_iommu_driver_config driver = usual;
    vx_msg msg = {""};
    driver.policy = policy;
    driver.flush_ticks = flush_ticks;
    if (try_open(&config, &driver, &msg)) fail_msg("%s", msg.text);
}

static void open_machine(vx_iommu_policy policy) { open_machine_with(policy, usual.flush_ticks); }

static void close_machine(void)
{
    vx_physmem_fini(&m.memory);
    vx_arena_fini(&m.arena);
}

static void map(uint64_t iova, uint64_t frame, uint64_t bytes, vx_tick now)
{
    vx_msg msg = {""};
    if (vx_iommu_driver_map(m.driver, SID, iova, frame, bytes, RW, now, &msg)) fail_msg("%s", msg.text);
}

/* The device uses the address that its driver was given. */
static bool reaches(uint64_t iova)
{
    const vx_dma_request request = {.address = {vx_iommu_driver_bus_address(m.driver, SID, iova)},
                                    .pasid = VX_PASID_NONE,
                                    .source_id = SID,
                                    .write = true};
    return vx_iommu_translate(m.iommu, &request, &m.out) == VX_DMA_DONE;
}

/* ---- policies ---- */

static void strict_protects_at_once(void **state)
{
    (void)state;
    open_machine(VX_IOMMU_STRICT);
    map(IOVA, FRAME, 3 * VX_PAGE_BYTES, 0);
    assert_true(reaches(IOVA + 0x2123));
    assert_int_equal(m.out.hpa.v, FRAME + 0x2123);
    vx_iommu_driver_unmap(m.driver, SID, IOVA, 3 * VX_PAGE_BYTES, 0);
    assert_false(reaches(IOVA + 0x2123));
    const vx_iommu_driver_counts *counts = vx_iommu_driver_counted(m.driver);
    assert_int_equal(counts->unmapped_pages, 3);
    assert_int_equal(counts->invalidations, 2); /* the first at start */
    assert_int_equal(counts->waits, 2);
    vx_iommu_driver_unmap(m.driver, SID, IOVA, VX_PAGE_BYTES, 0); /* nothing is there: nothing is done */
    assert_int_equal(counts->invalidations, 2);
    close_machine();
}

/* The window of deferred invalidation: open until 250 unmaps, or 10000 ticks, or a new use of the address. */
static void deferred_protects_later(void **state)
{
    (void)state;
    open_machine(VX_IOMMU_DEFERRED);
    const vx_iommu_driver_counts *counts = vx_iommu_driver_counted(m.driver);
    for (unsigned i = 0; i < 250; i++) map((uint64_t)(i + 1) << 12, FRAME, VX_PAGE_BYTES, 0);
    assert_true(reaches(0x1000));
    vx_iommu_driver_unmap(m.driver, SID, 0x1000, VX_PAGE_BYTES, 0);
    assert_true(reaches(0x1000));
    for (unsigned i = 1; i < 249; i++) vx_iommu_driver_unmap(m.driver, SID, (uint64_t)(i + 1) << 12, VX_PAGE_BYTES, 0);
    assert_int_equal(counts->flushes, 0);
    assert_true(reaches(0x1000));
    vx_iommu_driver_unmap(m.driver, SID, 250 << 12, VX_PAGE_BYTES, 0);
    assert_int_equal(counts->flushes, 1);
    assert_false(reaches(0x1000));

    map(0x1000, FRAME, VX_PAGE_BYTES, 0);
    reaches(0x1000);
    vx_iommu_driver_unmap(m.driver, SID, 0x1000, VX_PAGE_BYTES, 5000);
    vx_iommu_driver_tick(m.driver, 14999);
    assert_true(reaches(0x1000));
    vx_iommu_driver_tick(m.driver, 15000);
    assert_false(reaches(0x1000));

    map(0x1000, FRAME, VX_PAGE_BYTES, 15000);
    reaches(0x1000);
    vx_iommu_driver_unmap(m.driver, SID, 0x1000, VX_PAGE_BYTES, 15000);
    map(0x1000, FRAME + 0x5000, VX_PAGE_BYTES, 15001);
    assert_int_equal(counts->early_flushes, 1);
    assert_true(reaches(0x1000));
    assert_int_equal(m.out.hpa.v, FRAME + 0x5000);
    close_machine();
}

static void passthrough_and_off_translate_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        open_machine(i ? VX_IOMMU_OFF : VX_IOMMU_PASSTHROUGH);
        map(IOVA, FRAME, VX_PAGE_BYTES, 0);
        assert_true(reaches(IOVA + 0x10));
        assert_int_equal(m.out.hpa.v, FRAME + 0x10);
        vx_iommu_driver_unmap(m.driver, SID, IOVA, VX_PAGE_BYTES, 0);
        assert_true(reaches(IOVA)); /* no protection */
        assert_int_equal(vx_iommu_counted(m.iommu)->iotlb.lookups, 0);
        assert_int_equal(vx_iommu_counted(m.iommu)->untouched, i ? 2 : 0);
        close_machine();
    }
}

/* ---- pages ---- */

static void large_pages_where_they_fit(void **state)
{
    (void)state;
    open_machine(VX_IOMMU_STRICT);
    map(0x400000, FRAME, 4 << 20, 0);
    assert_int_equal(vx_iommu_driver_counted(m.driver)->mapped_pages, 2);
    assert_true(reaches(0x400000));
    assert_int_equal(m.out.page, VX_PAGE_2M);
    vx_iommu_driver_unmap(m.driver, SID, 0x400000, 4 << 20, 0); /* beyond the mask: the whole domain */
    assert_false(reaches(0x400000));
    close_machine();
}

/* Any range of pages is invalidated whole, wherever it lies. */
static void odd_ranges(void **state)
{
    (void)state;
    open_machine(VX_IOMMU_STRICT);
    for (uint64_t first = 1; first < 20; first++)
        for (uint64_t pages = 1; pages < 20; pages++) {
            map(first << 12, FRAME, pages << 12, 0);
            for (uint64_t i = 0; i < pages; i++) assert_true(reaches((first + i) << 12));
            vx_iommu_driver_unmap(m.driver, SID, first << 12, pages << 12, 0);
            for (uint64_t i = 0; i < pages; i++) assert_false(reaches((first + i) << 12));
        }
    close_machine();
}

static void tables_stop_growing(void **state)
{
    (void)state;
    open_machine(VX_IOMMU_STRICT);
    const vx_iommu_driver_counts *counts = vx_iommu_driver_counted(m.driver);
    uint64_t held = 0;
    for (unsigned turn = 0; turn < 50; turn++) {
        for (uint64_t i = 0; i < 64; i++) map(i << 21, FRAME, VX_PAGE_BYTES, 0);
        for (uint64_t i = 0; i < 64; i++) vx_iommu_driver_unmap(m.driver, SID, i << 21, VX_PAGE_BYTES, 0);
        if (turn == 0) held = counts->table_pages;
    }
    assert_int_equal(counts->table_pages, held);
    close_machine();
}

/* ---- refusals ---- */

static void refusals(void **state)
{
    (void)state;
    static const struct {
        vx_iommu_policy policy;
        unsigned without; /* 0 VT-d, 1 pass-through, 2 queue, 3 a batch */
        const char *says;
    } rows[] = {{VX_IOMMU_STRICT, 0, "no VT-d"},
                {VX_IOMMU_PASSTHROUGH, 1, "no pass-through"},
                {VX_IOMMU_STRICT, 2, "no queued invalidation"},
                {VX_IOMMU_DEFERRED, 3, "must be 1 to"}};
    for (unsigned i = 0; i < 4; i++) {
        vx_cfg_iommu config = hardware();
        vx_iommu_driver_config driver = usual;
        vx_msg msg = {""};
        driver.policy = rows[i].policy;
        if (rows[i].without == 0) config.present = false;
        if (rows[i].without == 1) config.pass_through = false;
        if (rows[i].without == 2) config.queued = false;
        if (rows[i].without == 3) driver.flush_unmaps = 0;
        assert_int_equal(try_open(&config, &driver, &msg), VX_ERR_INPUT);
        assert_non_null(strstr(msg.text, rows[i].says));
        close_machine();
    }
    vx_cfg_iommu config = hardware();
    vx_iommu_driver_config driver = usual;
    vx_msg msg = {""};
    driver.table_bytes = 6 * VX_PAGE_BYTES;
    assert_int_equal(try_open(&config, &driver, &msg), VX_OK);
    assert_int_equal(vx_iommu_driver_map(m.driver, SID, 0, FRAME, 4096, RW, 0, &msg), VX_ERR_NOMEM);
    assert_non_null(strstr(msg.text, "no page left"));
    assert_int_equal(vx_iommu_driver_map(m.driver, SID, 1ULL << 48, FRAME, 4096, RW, 0, &msg), VX_ERR_INPUT);
    assert_int_equal(vx_iommu_driver_map(m.driver, SID, 0, FRAME, 0, RW, 0, &msg), VX_ERR_INPUT);
    close_machine();
}

/* ---- replay ---- */

/* Batches by number alone, as the generators' allocator counts them. */
static vx_dma_replay replay_trace(const char *what, vx_iommu_policy policy)
{
    open_machine_with(policy, VX_TICK_NEVER);
    vx_dma_replay replay = {.iommu = m.iommu, .driver = m.driver, .page_ticks = 100, .small_bytes = 64};
    vx_source *source;
    vx_msg msg = {""};
    if (vx_source_open(&source, what, NULL, 1, &msg)) fail_msg("%s", msg.text);
    for (vx_batch batch;;) {
        assert_int_equal(vx_source_next(source, &batch, &msg), VX_OK);
        if (batch.count == 0) break;
        if (vx_dma_replay_batch(&replay, &batch, &msg)) fail_msg("%s", msg.text);
    }
    vx_source_close(source);
    vx_identity identities[16];
    unsigned count = vx_iommu_identities(m.iommu, identities, 16);
    for (unsigned i = 0; i < count; i++) assert_int_equal(identities[i].left, identities[i].right);
    return replay;
}

/* QEMU's guest: 1000 packets in strict mode. Each page is invalidated before it is used again, so that the driver's
 * unmaps bound the misses from below, and nothing is blocked. */
static void the_recorded_log(void **state)
{
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s/traces/vtd-e1000.vxt", VX_SOURCE_DIR);
    vx_dma_replay replay = replay_trace(path, VX_IOMMU_STRICT);
    const vx_iommu_counts *counts = vx_iommu_counted(m.iommu);
    assert_int_equal(replay.counts.dmas, 4025);
    assert_int_equal(replay.counts.blocked, 0);
    assert_int_equal(counts->iotlb.lookups, 4025);
    assert_int_equal(counts->iotlb.misses, 1010); /* as QEMU's log has it: one device, few pages */
    assert_int_equal(vx_iommu_driver_counted(m.driver)->unmaps, 1008);
    close_machine();
    replay = replay_trace(path, VX_IOMMU_PASSTHROUGH);
    assert_int_equal(replay.counts.page_reads, 2); /* root and context */
    close_machine();
}

/* A mapping is used once, so strict mode misses at least once a page, and so does deferred mode, whose addresses rest
 * until the flush: what it saves are invalidations. Whatever the policy, nothing a device asks for is refused. */
static void ring_traffic(void **state)
{
    (void)state;
    static const vx_iommu_policy policies[] = {VX_IOMMU_STRICT, VX_IOMMU_DEFERRED, VX_IOMMU_PASSTHROUGH, VX_IOMMU_OFF};
    uint64_t waits[4], ticks[4];
    for (unsigned i = 0; i < 4; i++) {
        vx_dma_replay replay = replay_trace(
            i == 1 ? "gen:nic:packets=5000,ring=256,deferred=1" : "gen:nic:packets=5000,ring=256", policies[i]);
        assert_int_equal(replay.counts.blocked, 0);
        assert_int_equal(replay.counts.pages, 5000);
        if (i < 2) assert_true(vx_iommu_counted(m.iommu)->iotlb.misses > 5000);
        assert_int_equal(vx_iommu_driver_counted(m.driver)->early_flushes, 0);
        waits[i] = vx_iommu_driver_counted(m.driver)->waits;
        ticks[i] = replay.counts.ticks;
        close_machine();
    }
    assert_true(waits[0] > 20 * waits[1]);
    assert_true(ticks[0] > ticks[2] && ticks[1] > ticks[2] && ticks[2] >= ticks[3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict_protects_at_once),
        cmocka_unit_test(deferred_protects_later),
        cmocka_unit_test(passthrough_and_off_translate_nothing),
        cmocka_unit_test(large_pages_where_they_fit),
        cmocka_unit_test(odd_ranges),
        cmocka_unit_test(tables_stop_growing),
        cmocka_unit_test(refusals),
        cmocka_unit_test(the_recorded_log),
        cmocka_unit_test(ring_traffic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
