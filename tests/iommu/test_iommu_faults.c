/* Fault reasons, one by one; records, their collapse and overflow; the fault event. */
#include "fault_rows.h"

static io_world world;
static bool seen[VX_VTD_FAULT_END];

static row_tables prepare(bool scalable)
{
    vx_cfg_iommu config = io_world_config();
    io_world_open(&world, &config, scalable);
    row_tables tables = {.second = io_world_page(&world)};
    io_world_map(&world, 4, tables.second, ROW_IOVA, ROW_HPA, VX_PAGE_4K, VX_VTD_SL_R | VX_VTD_SL_W);
    if (!scalable) {
        io_world_context(&world, ROW_SID, 7, VX_VTD_TYPE_ALL, 4, tables.second);
        return tables;
    }
    tables.directory = io_world_scalable_context(&world, ROW_SID);
    tables.first = io_world_page(&world);
    uint64_t leaf = VX_PTE_P | VX_PTE_W | VX_PTE_U;
    io_world_map_first(&world, tables.first, 0, ROW_IOVA, ROW_HPA, VX_PAGE_4K, leaf);
    tables.nested_second = io_world_page(&world);
    tables.nested_gpa = io_world_page(&world); /* the nested tables follow, at addresses that map to themselves */
    io_world_map_first(&world, tables.nested_gpa, 0, ROW_IOVA, ROW_HPA, VX_PAGE_4K, leaf);
    for (uint64_t gpa = tables.nested_gpa; gpa < tables.nested_gpa + 4 * VX_PAGE_BYTES; gpa += VX_PAGE_BYTES)
        io_world_map(&world, 3, tables.nested_second, gpa, gpa, VX_PAGE_4K, VX_VTD_SL_R | VX_VTD_SL_W);
    io_world_map(&world, 3, tables.nested_second, ROW_HPA, ROW_HPA, VX_PAGE_4K, VX_VTD_SL_R | VX_VTD_SL_W);
    io_world_pasid(&world, tables.directory, 0, VX_VTD_PGTT_SECOND, 7, 4, tables.second, 0);
    io_world_pasid(&world, tables.directory, ROW_FIRST, VX_VTD_PGTT_FIRST, 7, 0, 0, tables.first);
    io_world_pasid(&world, tables.directory, ROW_SECOND, VX_VTD_PGTT_SECOND, 7, 4, tables.second, 0);
    io_world_pasid(&world, tables.directory, ROW_NESTED, VX_VTD_PGTT_NESTED, 7, 3, tables.nested_second,
                   tables.nested_gpa);
    io_world_pasid(&world, tables.directory, ROW_THROUGH, VX_VTD_PGTT_PASS_THROUGH, 7, 0, 0, 0);
    return tables;
}

static vx_dma_request request_of(const fault_row *row)
{
    vx_dma_request request = row->request;
    request.source_id = ROW_SID;
    if (request.address.v == 0) request.address.v = ROW_IOVA;
    if (request.pasid == 0) request.pasid = VX_PASID_NONE;
    return request;
}

static void make(const fault_row *row, const vx_dma_request *request)
{
    if (row->page_request) {
        assert_false(vx_iommu_page_request(world.iommu, request, 1, true));
        return;
    }
    vx_dma_outcome outcome = vx_iommu_translate(world.iommu, request, &world.out);
    if (outcome != VX_DMA_BLOCKED || world.out.fault != row->fault)
        fail_msg("row %d: %s (%02Xh): got outcome %d, reason %02Xh", (int)(row - fault_rows),
                 vx_vtd_fault_text(row->fault), row->fault, outcome, world.out.fault);
}

static void check_record(const fault_row *row, const vx_dma_request *request)
{
    uint64_t low = vx_iommu_read(world.iommu, VX_VTD_FRCD, 8), high = vx_iommu_read(world.iommu, VX_VTD_FRCD + 8, 8);
    assert_true(high & VX_VTD_FRCD_F);
    assert_int_equal(high >> VX_VTD_FRCD_REASON_SHIFT & 0xFF, row->fault);
    assert_int_equal((uint16_t)high, ROW_SID);
    assert_int_equal((high & VX_VTD_FRCD_READ) == 0, request->write);
    assert_int_equal(low, request->address.v & ~0xFFFULL);
    assert_int_equal((high & VX_VTD_FRCD_PP) != 0, request->pasid != VX_PASID_NONE);
    if (request->pasid != VX_PASID_NONE) assert_int_equal(high >> VX_VTD_FRCD_PASID_SHIFT & 0xFFFFF, request->pasid);
    assert_int_equal(vx_iommu_counted(world.iommu)->by_fault[row->fault], 1);
}

static void every_reason(void **state)
{
    (void)state;
    for (unsigned i = 0; i < fault_row_count; i++) {
        const fault_row *row = &fault_rows[i];
        row_tables tables = prepare(row->scalable);
        vx_dma_request request = request_of(row);
        if (!row->page_request && row->spoil) { /* what is about to be broken works */
            vx_dma_translation good;
            assert_int_equal(vx_iommu_translate(world.iommu, &request, &good), VX_DMA_DONE);
            row->spoil(&world, &tables);
            io_world_flush(&world);
        }
        if (row->page_request && row->spoil) row->spoil(&world, &tables);
        make(row, &request);
        check_record(row, &request);
        seen[row->fault] = true;
        io_world_close(&world);
    }
}

/* FPD silences what is found by or after the entry that holds it. */
static void disabled_recording(void **state)
{
    (void)state;
    for (unsigned i = 0; i < fault_row_count; i++) {
        const fault_row *row = &fault_rows[i];
        row_tables tables = prepare(row->scalable);
        vx_dma_request request = request_of(row);
        uint64_t at = io_world_context_at(&world, ROW_SID);
        io_world_put(&world, at, io_world_get(&world, at) | VX_VTD_CONTEXT_FPD);
        if (row->spoil) row->spoil(&world, &tables);
        io_world_flush(&world);
        make(row, &request);
        assert_int_equal(vx_iommu_counted(world.iommu)->faults_silent, !row->unqualified);
        assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_FSTS, 4) & VX_VTD_FSTS_PPF,
                         row->unqualified ? VX_VTD_FSTS_PPF : 0);
        io_world_close(&world);
    }
}

/* Every reason of DMA that has a name has a row; interrupts' are in test_iommu_interrupts.c. 43h needs an IOMMU that
 * lacks what the entry asks for. */
static void no_reason_is_missing(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    config.device_tlb = config.page_requests = false;
    io_world_open(&world, &config, true);
    io_world_scalable_context(&world, ROW_SID);
    assert_int_equal(io_world_dma(&world, ROW_SID, ROW_IOVA, true), VX_DMA_BLOCKED);
    assert_int_equal(world.out.fault, VX_VTD_FAULT_S_CONTEXT_INVALID);
    seen[VX_VTD_FAULT_S_CONTEXT_INVALID] = true;
    io_world_close(&world);
    for (unsigned reason = 0; reason < VX_VTD_FAULT_END; reason++) {
        bool of_interrupts = reason >= 0x20 && reason < 0x30;
        if (vx_vtd_fault_text(reason) && !of_interrupts && !seen[reason])
            fail_msg("%02Xh (%s) has no row", reason, vx_vtd_fault_text(reason));
    }
    assert_null(vx_vtd_fault_text(0));
    assert_null(vx_vtd_fault_text(VX_VTD_FAULT_END));
}

/* ---- records ---- */

static uint32_t status(void) { return (uint32_t)vx_iommu_read(world.iommu, VX_VTD_FSTS, 4); }

static void records_fill_collapse_and_overflow(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    config.fault_records = 2;
    io_world_open(&world, &config, false);
    const vx_iommu_counts *counts = vx_iommu_counted(world.iommu);
    io_world_dma(&world, 0x100, 0x1000, true);
    io_world_dma(&world, 0x100, 0x2000, true); /* the same source-id: collapses */
    io_world_dma(&world, 0x200, 0x3000, true);
    assert_int_equal(status(), VX_VTD_FSTS_PPF);
    assert_int_equal(counts->faults_collapsed, 1);
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_FRCD, 8), 0x1000);
    io_world_dma(&world, 0x300, 0x4000, true); /* no record is free */
    assert_int_equal(status(), VX_VTD_FSTS_PPF | VX_VTD_FSTS_PFO);
    vx_iommu_write(world.iommu, VX_VTD_FRCD + 12, 4, 1U << 31);
    io_world_dma(&world, 0x300, 0x5000, true); /* a record is free, but PFO is set */
    assert_int_equal(counts->faults_lost, 2);
    assert_int_equal(counts->faults_recorded, 2);
    vx_iommu_write(world.iommu, VX_VTD_FSTS, 4, VX_VTD_FSTS_PFO);
    vx_iommu_write(world.iommu, VX_VTD_FRCD + 16 + 8, 8, 1ULL << 63);
    assert_int_equal(status(), 0); /* PPF follows the records */
    io_world_dma(&world, 0x300, 0x6000, true);
    assert_int_equal(status() & 0xFF, VX_VTD_FSTS_PPF);
    io_world_close(&world);
}

static void the_index_names_the_first_record(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    io_world_open(&world, &config, false);
    for (uint16_t i = 0; i < 3; i++) io_world_dma(&world, (uint16_t)(0x100 + i), 0x1000, true);
    assert_int_equal(status(), VX_VTD_FSTS_PPF);
    for (uint32_t i = 0; i < 3; i++) vx_iommu_write(world.iommu, VX_VTD_FRCD + i * 16 + 12, 4, 1U << 31);
    io_world_dma(&world, 0x300, 0x1000, true);
    assert_int_equal(status(), VX_VTD_FSTS_PPF | 3U << 8);
    io_world_close(&world);
}

static void the_event_is_masked_pending_sent(void **state)
{
    (void)state;
    vx_cfg_iommu config = io_world_config();
    io_world_open(&world, &config, false);
    io_world_dma(&world, 0x100, 0x1000, true);
    assert_int_equal(world.events, 0); /* masked at reset */
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_FECTL, 4), VX_VTD_EVENT_MASKED | VX_VTD_EVENT_PENDING);
    vx_iommu_write(world.iommu, VX_VTD_FECTL, 4, 0);
    assert_int_equal(world.events, 1);
    assert_int_equal(world.event_address, 0xFEE01000);
    assert_int_equal(world.event_data, 0x41);
    io_world_dma(&world, 0x200, 0x1000, true); /* a condition was pending: no new event */
    assert_int_equal(world.events, 1);
    for (uint32_t i = 0; i < 2; i++) vx_iommu_write(world.iommu, VX_VTD_FRCD + i * 16 + 12, 4, 1U << 31);
    io_world_dma(&world, 0x200, 0x1000, true);
    assert_int_equal(world.events, 2);
    io_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason),
        cmocka_unit_test(disabled_recording),
        cmocka_unit_test(no_reason_is_missing),
        cmocka_unit_test(records_fill_collapse_and_overflow),
        cmocka_unit_test(the_index_names_the_first_record),
        cmocka_unit_test(the_event_is_masked_pending_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
