/* What VT-d is for: a device given to one guest cannot touch another guest's memory, however its driver errs. */
#include "iommu_world.h"

enum { GUESTS = 2, GUEST_BYTES = 16 * VX_PAGE_BYTES };
#define GUEST_BASE(g) (0x4000000ULL + (uint64_t)(g)*GUEST_BYTES)
#define SID(g) ((uint16_t)(0x100 + 0x100 * (g)))

static io_world world;

/* Each guest has a device and 16 pages; its domain maps guest-physical 0 to 64 KiB to them. */
static void open_world(bool present)
{
    vx_cfg_iommu config = io_world_config();
    io_world_open(&world, &config, false);
    for (unsigned g = 0; g < GUESTS; g++) {
        uint64_t root = io_world_page(&world);
        io_world_context(&world, SID(g), (uint16_t)(g + 1), VX_VTD_TYPE_UNTRANSLATED, 4, root);
        for (uint64_t gpa = 0; gpa < GUEST_BYTES; gpa += VX_PAGE_BYTES)
            io_world_map(&world, 4, root, gpa, GUEST_BASE(g) + gpa, VX_PAGE_4K, VX_VTD_SL_R | VX_VTD_SL_W);
        for (uint64_t at = 0; at < GUEST_BYTES; at += 8) io_world_put(&world, GUEST_BASE(g) + at, 0x1111 * (g + 1));
    }
    if (!present) vx_iommu_write(world.iommu, VX_VTD_GCMD, 4, 0);
}

/* The device writes eight bytes where its driver told it to. True where memory was written. */
static bool device_writes(unsigned g, uint64_t address, uint64_t value)
{
    if (io_world_dma(&world, SID(g), address, true) != VX_DMA_DONE) return false;
    io_world_put(&world, world.out.hpa.v, value);
    return true;
}

static bool memory_is(unsigned g, uint64_t value)
{
    for (uint64_t at = 0; at < GUEST_BYTES; at += 8)
        if (io_world_get(&world, GUEST_BASE(g) + at) != value) return false;
    return true;
}

/* Guest 0's driver puts every address of a wide range into its ring, guest 1's among them. */
static void sweep(bool present, unsigned *written)
{
    open_world(present);
    *written = 0;
    for (uint64_t address = GUEST_BASE(0) - 0x10000; address < GUEST_BASE(1) + 2 * GUEST_BYTES; address += 0x800)
        *written += device_writes(0, address, 0xBAD);
}

static void a_buggy_driver_is_contained(void **state)
{
    (void)state;
    unsigned written;
    sweep(true, &written);
    assert_int_equal(written, 0);
    assert_true(memory_is(1, 0x2222));
    const vx_iommu_counts *counts = vx_iommu_counted(world.iommu);
    assert_int_equal(counts->blocked, counts->requests);
    assert_int_equal(counts->faults_recorded, 1); /* the rest collapses into it */
    uint64_t high = vx_iommu_read(world.iommu, VX_VTD_FRCD + 8, 8);
    assert_int_equal((uint16_t)high, SID(0));
    assert_int_equal(high >> VX_VTD_FRCD_REASON_SHIFT & 0xFF, VX_VTD_FAULT_WRITE);
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_FRCD, 8), GUEST_BASE(0) - 0x10000);
    /* Its own memory it may spoil, and only that. */
    for (uint64_t gpa = 0; gpa < 2 * GUEST_BYTES; gpa += 8) device_writes(0, gpa, 0xBAD);
    assert_true(memory_is(0, 0xBAD));
    assert_true(memory_is(1, 0x2222));
    io_world_close(&world);
}

static void without_vtd_it_is_not(void **state)
{
    (void)state;
    unsigned written;
    sweep(false, &written);
    assert_true(written > 0);
    assert_false(memory_is(1, 0x2222));
    assert_int_equal(vx_iommu_counted(world.iommu)->faults, 0);
    io_world_close(&world);
}

/* A buffer taken back is out of reach once its invalidation has completed, not before. */
static void a_freed_buffer_is_out_of_reach(void **state)
{
    (void)state;
    open_world(true);
    assert_true(device_writes(0, 0x3000, 1));
    uint64_t context = io_world_get(&world, io_world_context_at(&world, SID(0)));
    uint64_t leaf = io_world_entry_at(&world, 4, context & VX_ENTRY_ADDRESS, 0x3000, 1);
    io_world_put(&world, leaf, 0);
    assert_true(device_writes(0, 0x3000, 2)); /* the window of deferred invalidation */
    io_world_flush_pages(&world, 1, 0x3000, 0, true);
    assert_false(device_writes(0, 0x3000, 3));
    assert_int_equal(io_world_get(&world, GUEST_BASE(0) + 0x3000), 2);
    io_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buggy_driver_is_contained),
        cmocka_unit_test(without_vtd_it_is_not),
        cmocka_unit_test(a_freed_buffer_is_out_of_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
