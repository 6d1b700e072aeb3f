/* Interrupt remapping and posting: formats, every fault reason of theirs, source validation, the entry cache. */
#include "iommu_world.h"

#define SID 0x0310
#define PID 0x20000ULL /* posted-interrupt descriptor: in memory, 64-byte aligned */

static io_world world;
static vx_interrupt out;
static bool seen[VX_VTD_FAULT_END];

static void open_world(bool extended)
{
    vx_cfg_iommu config = io_world_config();
    io_world_open(&world, &config, false);
    if (extended) {
        vx_iommu_write(world.iommu, VX_VTD_IRTA, 8, world.interrupts | VX_VTD_IRTA_EIME | 7);
        vx_iommu_write(world.iommu, VX_VTD_GCMD, 4, VX_VTD_SIRTP | VX_VTD_TE | VX_VTD_QIE);
    }
    vx_iommu_write(world.iommu, VX_VTD_GCMD, 4, VX_VTD_IRE | VX_VTD_TE | VX_VTD_QIE);
}

static void set_irte(unsigned index, uint64_t low, uint64_t high)
{
    io_world_put(&world, world.interrupts + index * 16, low);
    io_world_put(&world, world.interrupts + index * 16 + 8, high);
}

static uint64_t remapped(uint32_t destination, uint8_t vector)
{
    return VX_VTD_IRTE_P | (uint64_t)vector << VX_VTD_IRTE_VECTOR_SHIFT | (uint64_t)destination << 32;
}

static uint64_t message(unsigned handle)
{
    return VX_VTD_INTERRUPT_RANGE | VX_VTD_INTERRUPT_REMAPPABLE | (uint64_t)(handle & 0x7FFF) << 5 |
           (uint64_t)(handle >> 15) << 2;
}

static vx_interrupt_outcome ask(uint16_t source_id, uint64_t address, uint32_t data)
{
    const vx_interrupt_request request = {.address = address, .data = data, .source_id = source_id};
    return vx_iommu_interrupt(world.iommu, &request, &out);
}

static void expect_fault(vx_vtd_fault fault, uint64_t address, uint32_t data)
{
    assert_int_equal(ask(SID, address, data), VX_INTERRUPT_BLOCKED);
    if (out.fault != fault) fail_msg("got %02Xh, not %02Xh", out.fault, fault);
    seen[fault] = true;
}

static void remapping(void **state)
{
    (void)state;
    open_world(false);
    set_irte(5, remapped(3U << 8, 0x61) | 1U << VX_VTD_IRTE_MODE_SHIFT | VX_VTD_IRTE_LOGICAL | VX_VTD_IRTE_RH, 0);
    assert_int_equal(ask(SID, message(5), 0), VX_INTERRUPT_DELIVERED);
    assert_int_equal(out.destination, 3);
    assert_int_equal(out.vector, 0x61);
    assert_int_equal(out.mode, 1);
    assert_true(out.logical && out.redirect && !out.level);
    assert_int_equal(out.accesses, 1);
    assert_int_equal(ask(SID, message(3) | VX_VTD_INTERRUPT_SHV, 2), VX_INTERRUPT_DELIVERED); /* handle + subhandle */
    assert_int_equal(out.vector, 0x61);
    assert_int_equal(out.accesses, 0); /* the entry cache */
    /* The cache is stale until its invalidation. */
    static const struct {
        uint64_t descriptor;
        bool drops;
    } rows[] = {
        {VX_VTD_DESC_INTERRUPT | 1U << 4 | 6ULL << 32 | 1ULL << 27, false}, /* 6 and 7 */
        {VX_VTD_DESC_INTERRUPT | 1U << 4 | 4ULL << 32 | 1ULL << 27, true},  /* 4 and 5 */
        {VX_VTD_DESC_INTERRUPT | 1U << 4 | 5ULL << 32, true},
        {VX_VTD_DESC_INTERRUPT, true}, /* all */
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t vector = (uint8_t)(0x70 + i), before = out.vector;
        set_irte(5, remapped(3U << 8, vector), 0);
        ask(SID, message(5), 0);
        assert_int_equal(out.vector, before);
        io_world_submit(&world, rows[i].descriptor, 0);
        ask(SID, message(5), 0);
        assert_int_equal(out.vector, rows[i].drops ? vector : before);
    }
    io_world_close(&world);
}

static void formats_without_remapping(void **state)
{
    (void)state;
    open_world(false);
    vx_iommu_write(world.iommu, VX_VTD_GCMD, 4, VX_VTD_TE | VX_VTD_QIE);
    assert_int_equal(ask(SID, 0xFEE03000 | 1U << 3 | 1U << 2, 0x8141), VX_INTERRUPT_DELIVERED);
    assert_int_equal(out.destination, 3);
    assert_int_equal(out.vector, 0x41);
    assert_int_equal(out.mode, 1);
    assert_true(out.logical && out.redirect && out.level);
    vx_iommu_write(world.iommu, VX_VTD_GCMD, 4, VX_VTD_IRE | VX_VTD_CFI | VX_VTD_TE | VX_VTD_QIE);
    assert_int_equal(ask(SID, 0xFEE03000, 0x41), VX_INTERRUPT_DELIVERED); /* compatibility format is let pass */
    io_world_close(&world);
    open_world(true);
    set_irte(1, remapped(0x12345678, 0x61), 0);
    assert_int_equal(ask(SID, message(1), 0), VX_INTERRUPT_DELIVERED);
    assert_int_equal(out.destination, 0x12345678);
    vx_iommu_write(world.iommu, VX_VTD_GCMD, 4, VX_VTD_IRE | VX_VTD_CFI | VX_VTD_TE | VX_VTD_QIE);
    expect_fault(VX_VTD_FAULT_IR_COMPATIBILITY, 0xFEE03000, 0x41); /* not in extended mode */
    io_world_close(&world);
}

static uint64_t posted_low(uint64_t descriptor, uint8_t vector)
{
    return VX_VTD_IRTE_P | VX_VTD_IRTE_POSTED | (uint64_t)vector << VX_VTD_IRTE_VECTOR_SHIFT |
           (descriptor & 0xFFFFFFC0) << 32;
}

static void posting(void **state)
{
    (void)state;
    open_world(true);
    uint64_t control = PID + 32;
    io_world_put(&world, control, 0xF2ULL << 16 | 7ULL << 32); /* NV, NDST */
    set_irte(2, posted_low(PID, 0x85), PID >> 32 << 32);
    set_irte(3, posted_low(PID, 0x86) | VX_VTD_IRTE_URGENT, 0);
    assert_int_equal(ask(SID, message(2), 0), VX_INTERRUPT_NOTIFIED);
    assert_int_equal(out.vector, 0xF2);
    assert_int_equal(out.destination, 7);
    assert_int_equal(io_world_get(&world, PID + 16), 1ULL << (0x85 - 128));
    assert_int_equal(io_world_get(&world, control) & 3, 1);         /* ON */
    assert_int_equal(ask(SID, message(3), 0), VX_INTERRUPT_POSTED); /* a notification is outstanding */
    assert_int_equal(io_world_get(&world, PID + 16), 3ULL << (0x85 - 128));
    io_world_put(&world, control, (io_world_get(&world, control) & ~1ULL) | 2); /* taken; SN: the vCPU does not run */
    assert_int_equal(ask(SID, message(2), 0), VX_INTERRUPT_POSTED);
    assert_int_equal(ask(SID, message(3), 0), VX_INTERRUPT_NOTIFIED); /* urgent */
    io_world_close(&world);
}

static void source_validation(void **state)
{
    (void)state;
    static const struct {
        unsigned validation, qualifier;
        uint16_t sid, asked;
        bool allowed;
    } rows[] = {
        {0, 0, 0x0310, 0x0999, true},  {1, 0, 0x0310, 0x0310, true},  {1, 0, 0x0310, 0x0311, false},
        {1, 1, 0x0310, 0x0314, true},  {1, 1, 0x0310, 0x0311, false}, {1, 2, 0x0310, 0x0316, true},
        {1, 2, 0x0310, 0x0311, false}, {1, 3, 0x0310, 0x0317, true},  {1, 3, 0x0310, 0x0318, false},
        {2, 0, 0x0305, 0x0400, true},  {2, 0, 0x0305, 0x0600, false}, {2, 0, 0x0305, 0x02FF, false},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        open_world(false);
        set_irte(0, remapped(0, 0x61),
                 rows[i].sid | (uint64_t)rows[i].qualifier << VX_VTD_IRTE_SQ_SHIFT |
                     (uint64_t)rows[i].validation << VX_VTD_IRTE_SVT_SHIFT);
        vx_interrupt_outcome outcome = ask(rows[i].asked, message(0), 0);
        assert_int_equal(outcome, rows[i].allowed ? VX_INTERRUPT_DELIVERED : VX_INTERRUPT_BLOCKED);
        io_world_close(&world);
    }
}

static void every_reason(void **state)
{
    (void)state;
    open_world(false);
    set_irte(1, remapped(0, 0x61), 0);
    set_irte(2, 0, 0);
    set_irte(3, remapped(0, 0x61) | 1U << 12, 0);
    set_irte(4, remapped(0, 0x61), (SID + 1) | 1U << VX_VTD_IRTE_SVT_SHIFT);
    set_irte(5, posted_low(0x3FF000000000ULL, 0x61), 0x3FFULL << 36);
    set_irte(6, posted_low(PID, 0x61), 0);
    io_world_put(&world, PID + 32, 1ULL << 8); /* reserved */
    expect_fault(VX_VTD_FAULT_IR_REQUEST_RESERVED, message(1), 0x10000);
    expect_fault(VX_VTD_FAULT_IR_REQUEST_RESERVED, message(1) | VX_VTD_INTERRUPT_SHV, 0x10000);
    expect_fault(VX_VTD_FAULT_IR_INDEX, message(256), 0);
    expect_fault(VX_VTD_FAULT_IR_INDEX, message(255) | VX_VTD_INTERRUPT_SHV, 1);
    expect_fault(VX_VTD_FAULT_IR_P, message(2), 0);
    expect_fault(VX_VTD_FAULT_IR_RESERVED, message(3), 0);
    expect_fault(VX_VTD_FAULT_IR_COMPATIBILITY, 0xFEE00000, 0x41);
    expect_fault(VX_VTD_FAULT_IR_SOURCE, message(4), 0);
    expect_fault(VX_VTD_FAULT_PI_ACCESS, message(5), 0);
    expect_fault(VX_VTD_FAULT_PI_RESERVED, message(6), 0);
    uint64_t high = vx_iommu_read(world.iommu, VX_VTD_FRCD + 8, 8);
    assert_int_equal(high >> VX_VTD_FRCD_REASON_SHIFT & 0xFF, VX_VTD_FAULT_IR_REQUEST_RESERVED);
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_FRCD, 8) >> 48, 1); /* the index */
    vx_iommu_write(world.iommu, VX_VTD_IRTA, 8, 0x3FF000000000ULL | 7);
    vx_iommu_write(world.iommu, VX_VTD_GCMD, 4, VX_VTD_SIRTP | VX_VTD_IRE | VX_VTD_TE | VX_VTD_QIE);
    expect_fault(VX_VTD_FAULT_IR_ACCESS, message(9), 0);
    for (unsigned reason = 0x20; reason < 0x30; reason++)
        if (vx_vtd_fault_text(reason) && !seen[reason]) fail_msg("%02Xh was not reached", reason);
    io_world_close(&world);
}

static void disabled_recording(void **state)
{
    (void)state;
    open_world(false);
    set_irte(2, VX_VTD_IRTE_FPD, 0);
    expect_fault(VX_VTD_FAULT_IR_P, message(2), 0);
    assert_int_equal(vx_iommu_read(world.iommu, VX_VTD_FSTS, 4), 0);
    io_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remapping),    cmocka_unit_test(formats_without_remapping),
        cmocka_unit_test(posting),      cmocka_unit_test(source_validation),
        cmocka_unit_test(every_reason), cmocka_unit_test(disabled_recording),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
