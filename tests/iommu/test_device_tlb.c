/* Device TLBs and page requests: translations a device keeps, their invalidation, pages it asks for. */
#include "failing_malloc.h"
#include "iommu_world.h"

#define SID 0x0310
#define IOVA 0x40000000ULL
#define HPA 0x8000000ULL
#define RW (VX_VTD_SL_R | VX_VTD_SL_W)

static io_world world;
static vx_device_tlb *tlb;
static uint64_t root;

static void open_world(void)
{
    vx_cfg_iommu config = io_world_config();
    vx_msg msg = {""};
    io_world_open(&world, &config, false);
    root = io_world_page(&world);
    io_world_context(&world, SID, 7, VX_VTD_TYPE_ALL, 4, root);
    assert_int_equal(vx_device_tlb_init(&tlb, world.iommu, &world.arena, SID, 32, 4, &msg), VX_OK);
}

static vx_dma_outcome dma(uint64_t address, bool write)
{
    const vx_dma_request request = {.address = {address}, .pasid = VX_PASID_NONE, .source_id = SID, .write = write};
    return vx_device_tlb_translate(tlb, &request, &world.out);
}

static void it_holds_what_it_got(void **state)
{
    (void)state;
    open_world();
    io_world_map(&world, 4, root, IOVA, HPA, VX_PAGE_2M, RW);
    assert_int_equal(dma(IOVA + 0x1234, true), VX_DMA_DONE);
    assert_int_equal(world.out.hpa.v, HPA + 0x1234);
    assert_false(world.out.hit);
    uint64_t lookups = vx_iommu_counted(world.iommu)->iotlb.lookups;
    assert_int_equal(dma(IOVA + 0x1FF000, false), VX_DMA_DONE);
    assert_int_equal(world.out.hpa.v, HPA + 0x1FF000);
    assert_true(world.out.hit);
    assert_int_equal(vx_iommu_counted(world.iommu)->iotlb.lookups, lookups); /* the IOTLB was not asked */
    vx_device_tlb_counts counts = vx_device_tlb_counted(tlb);
    assert_int_equal(counts.lookups, 2);
    assert_int_equal(counts.hits, 1);
    io_world_close(&world);
}

/* The IOTLB's invalidation does not reach the device; the device's own does. */
static void two_invalidations_are_needed(void **state)
{
    (void)state;
    open_world();
    io_world_map(&world, 4, root, IOVA, HPA, VX_PAGE_4K, RW);
    io_world_map(&world, 4, root, IOVA + 0x4000, HPA, VX_PAGE_4K, RW);
    dma(IOVA, true);
    dma(IOVA + 0x4000, true);
    io_world_put(&world, io_world_entry_at(&world, 4, root, IOVA, 1), 0);
    io_world_flush(&world);
    assert_int_equal(dma(IOVA, true), VX_DMA_DONE);
    io_world_submit(&world, VX_VTD_DESC_DEVICE | (uint64_t)SID << 32, IOVA | 0x1000 | 1); /* 4 pages */
    assert_int_equal(dma(IOVA, true), VX_DMA_NOT_MAPPED);
    dma(IOVA + 0x4000, true);
    assert_true(world.out.hit);
    assert_int_equal(vx_device_tlb_counted(tlb).invalidated, 1);
    io_world_submit(&world, VX_VTD_DESC_DEVICE | (uint64_t)SID << 32, 0x7FFFFFFFFFFFF000ULL | 1); /* every page */
    dma(IOVA + 0x4000, true);
    assert_false(world.out.hit);
    assert_int_equal(vx_iommu_counted(world.iommu)->faults, 0);
    io_world_close(&world);
}

static void rights(void **state)
{
    (void)state;
    open_world();
    io_world_map(&world, 4, root, IOVA, HPA, VX_PAGE_4K, VX_VTD_SL_R);
    assert_int_equal(dma(IOVA, true), VX_DMA_NOT_MAPPED); /* readable alone: no fault, no write */
    assert_int_equal(dma(IOVA, false), VX_DMA_DONE);
    assert_int_equal(dma(IOVA, true), VX_DMA_NOT_MAPPED);
    io_world_context(&world, SID, 7, VX_VTD_TYPE_UNTRANSLATED, 4, root);
    io_world_flush(&world);
    assert_int_equal(dma(IOVA, false), VX_DMA_BLOCKED); /* translated requests are not allowed any more */
    assert_int_equal(world.out.fault, VX_VTD_FAULT_TYPE_BLOCKED);
    io_world_close(&world);
}

/* ---- page requests ---- */

static vx_dma_request request_of(uint64_t address)
{
    return (vx_dma_request){
        .address = {address}, .pasid = 5, .source_id = SID, .write = true, .type = VX_DMA_UNTRANSLATED};
}

static void a_page_is_asked_for(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    vx_msg msg = {""};
    io_world_open(&world, &config, true);
    uint64_t directory = io_world_scalable_context(&world, SID), first = io_world_page(&world);
    io_world_pasid(&world, directory, 5, VX_VTD_PGTT_FIRST, 7, 0, 0, first);
    assert_int_equal(vx_device_tlb_init(&tlb, world.iommu, &world.arena, SID, 32, 4, &msg), VX_OK);
    vx_iommu_write(world.iommu, VX_VTD_PEADDR, 4, 0xFEE03000);
    vx_iommu_write(world.iommu, VX_VTD_PECTL, 4, 0);
    vx_dma_request request = request_of(IOVA + 0x10);
    assert_int_equal(vx_device_tlb_translate(tlb, &request, &world.out), VX_DMA_NOT_MAPPED);
    assert_true(vx_iommu_page_request(world.iommu, &request, 9, true));
    assert_int_equal(world.events, 1);
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_PRS, 4), VX_VTD_PRS_PPR);
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_PQT, 8), 32);
    uint64_t low = io_world_get(&world, world.page_queue), high = io_world_get(&world, world.page_queue + 8);
    assert_int_equal(low, 1 | 1ULL << 8 | (uint64_t)SID << 16 | 5ULL << 32);
    assert_int_equal(high, IOVA | 9U << 3 | 1U << 2 | 1U << 1); /* group, last, write */
    io_world_map_first(&world, first, 0, IOVA, HPA, VX_PAGE_4K, VX_PTE_P | VX_PTE_W | VX_PTE_U); /* the driver */
    vx_iommu_write(world.iommu, VX_VTD_PQH, 8, 32);
    vx_iommu_write(world.iommu, VX_VTD_PRS, 4, VX_VTD_PRS_PPR);
    io_world_submit(&world, VX_VTD_DESC_PAGE_RESPONSE | 1U << 4 | (uint64_t)SID << 16 | 5ULL << 32, 9U << 3);
    assert_int_equal(world.responses, 1);
    assert_int_equal(world.response, (uint64_t)SID << 48 | 9ULL << 32 | 5);
    assert_int_equal(vx_device_tlb_translate(tlb, &request, &world.out), VX_DMA_DONE);
    assert_int_equal(world.out.hpa.v, HPA + 0x10);
    io_world_close(&world);
}

static void the_page_queue_overflows(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    io_world_open(&world, &config, true);
    io_world_scalable_context(&world, SID);
    vx_dma_request request = request_of(IOVA);
    for (unsigned i = 0; i < 127; i++) assert_true(vx_iommu_page_request(world.iommu, &request, 1, true));
    assert_false(vx_iommu_page_request(world.iommu, &request, 1, true));
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_PRS, 4), VX_VTD_PRS_PPR | VX_VTD_PRS_PRO);
    vx_iommu_write(world.iommu, VX_VTD_PQH, 8, 64);
    assert_false(vx_iommu_page_request(world.iommu, &request, 1, true)); /* until software clears PRO */
    vx_iommu_write(world.iommu, VX_VTD_PRS, 4, VX_VTD_PRS_PRO);
    assert_true(vx_iommu_page_request(world.iommu, &request, 1, true));
    assert_int_equal(vx_iommu_counted(world.iommu)->page_requests_lost, 2);
    io_world_close(&world);
}

/* Every allocation of the room fails once: an error, and nothing else. */
static void out_of_memory(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    vx_physmem memory = {0};
    for (uint64_t n = 1;; n++) {
        vx_arena arena;
        vx_msg msg = {""};
        vx_iommu *iommu = NULL;
        vx_device_tlb *device = NULL;
        vx_arena_init(&arena);
        vx_fail_allocation(n);
        vx_status status = vx_iommu_init(&iommu, &arena, &config, &memory, NULL, &msg);
        if (!status) status = vx_device_tlb_init(&device, iommu, &arena, SID, 65536, 4, &msg);
        bool failed = vx_fail_allocation_end();
        assert_int_equal(status, failed ? VX_ERR_NOMEM : VX_OK);
        assert_true(!failed || !device);
        vx_arena_fini(&arena);
        if (failed) continue;
        assert_true(n > 2);
        return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_what_it_got),
        cmocka_unit_test(two_invalidations_are_needed),
        cmocka_unit_test(rights),
        cmocka_unit_test(a_page_is_asked_for),
        cmocka_unit_test(the_page_queue_overflows),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
