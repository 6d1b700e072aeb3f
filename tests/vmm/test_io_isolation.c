/* What VT-d is for, with real rings: a driver that gives its virtual function another guest's addresses, to write to
 * and to read from, reaches nothing with VT-d and everything without it. */
#include "test_support.h"

#include <string.h>

#include "card_and_wire.h"
#include "vx_iommu_driver.h"

enum {
    MIB = 1 << 20,
    GUESTS = 2,
    AREAS = 8 * MIB, /* where the guests' memory lies, 1 MiB each */
    SOURCE_ID = 0x100,
    RX_RING = 8192,
    BUFFERS = 16384,
    PAYLOAD = 1000
};

static vx_arena arena;
static vx_physmem memory;
static vx_iommu *iommu;
static vx_endpoint *peers[GUESTS];
static const vx_cfg_nic card = {.mbit = 1000, .tx_ring = 16, .rx_ring = 16, .fifo_kib = 48};

static uint64_t area(unsigned guest) { return AREAS + (uint64_t)guest * MIB; }

static void interrupt(void *context, const vx_interrupt_request *message, vx_tick now)
{
    (void)context;
    (void)message;
    (void)now;
}

static void open_vtd(void)
{
    const vx_cfg_iommu hardware = {.present = true,
                                   .host_bits = 39,
                                   .guest_bits = 48,
                                   .levels = 1U << 4,
                                   .queued = true,
                                   .page_selective = true,
                                   .fault_records = 8,
                                   .iotlb = {16, 16, VX_REPLACE_LRU}};
    const vx_iommu_driver_config config = {
        .policy = VX_IOMMU_STRICT, .tables = VX_PAGE_BYTES, .table_bytes = 4 * MIB, .flush_unmaps = 1};
    vx_iommu_driver *driver;
    vx_msg msg = {""};
    assert_int_equal(vx_iommu_init(&iommu, &arena, &hardware, &memory, NULL, &msg), VX_OK);
    assert_int_equal(vx_iommu_driver_init(&driver, &arena, iommu, &memory, &config, &msg), VX_OK);
    for (unsigned g = 0; g < GUESTS; g++)
        assert_int_equal(
            vx_iommu_driver_map(driver, (uint16_t)(SOURCE_ID + g), 0, area(g), MIB, VX_VTD_SL_R | VX_VTD_SL_W, 0, &msg),
            VX_OK);
}

/* The peer sends a stream to guest 0; rings are where each guest's driver says, in its own addresses. */
static void open_machine(bool vtd)
{
    const vx_dev_hooks hooks = {.kick = kick, .interrupt = interrupt};
    vx_msg msg = {""};
    vx_arena_init(&arena);
    iommu = NULL;
    due[0] = due[1] = VX_TICK_NEVER;
    assert_int_equal(vx_physmem_init(&memory, 16 * MIB, &msg), VX_OK);
    if (vtd) open_vtd();
    const vx_nic_config config = {.nic = &card,
                                  .memory = &memory,
                                  .iommu = iommu,
                                  .source_id = SOURCE_ID,
                                  .functions = true,
                                  .queues = GUESTS,
                                  .vectors = GUESTS,
                                  .ticks_per_us = 1000,
                                  .dma_page_ns = 100};
    assert_int_equal(vx_nic_init(&nic, &arena, &config, &hooks, &msg), VX_OK);
    for (unsigned g = 0; g < GUESTS; g++) {
        uint64_t bus = vtd ? 0 : area(g);
        const vx_endpoint_config peer = {.station = (uint16_t)g,
                                         .active = g == 0,
                                         .flows = 1,
                                         .segment = PAYLOAD,
                                         .window = 8,
                                         .timeout = 1ULL << 40};
        assert_int_equal(vx_endpoint_init(&peers[g], &arena, &peer, &msg), VX_OK);
        vx_nic_filter(nic, (uint16_t)g, g);
        vx_nic_rings(nic, g, bus, bus + RX_RING);
        memset(memory.base + area(g) + BUFFERS, 0x11 * (int)(g + 1), MIB - BUFFERS);
    }
    const vx_wire_config wires = {.nic = nic, .peers = peers, .stations = GUESTS};
    assert_int_equal(vx_wire_init(&wire, &arena, &wires, &hooks, &msg), VX_OK);
}

static void close_machine(void)
{
    vx_physmem_fini(&memory);
    vx_arena_fini(&arena);
}

static bool untouched(unsigned guest)
{
    for (uint64_t at = area(guest) + BUFFERS; at < area(guest) + MIB; at++)
        if (memory.base[at] != 0x11 * (guest + 1)) return false;
    return true;
}

/* Eight receive buffers, all in the other guest's memory: its host addresses, and what they are from guest 0's. */
static void a_driver_gives_away_others_buffers(void **state)
{
    (void)state;
    for (unsigned vtd = 0; vtd < 2; vtd++)
        for (unsigned relative = 0; relative < 2; relative++) {
            open_machine(vtd != 0);
            for (uint64_t i = 0; i < 8; i++)
                vx_physmem_write64(&memory, (vx_hpa){area(0) + RX_RING + i * 16},
                                   (relative && vtd ? MIB : area(1)) + BUFFERS + i * 4096);
            vx_nic_receive_tail(nic, 0, 8);
            due[1] = 0;
            run_until(1000000);
            assert_int_equal(untouched(1), vtd);
            assert_int_equal(vx_nic_counted(nic)->dma_blocked, vtd ? 8 : 0);
            assert_int_equal(vx_nic_counted(nic)->frames_received, vtd ? 0 : 8);
            if (vtd) assert_int_equal(vx_iommu_counted(iommu)->by_fault[VX_VTD_FAULT_WRITE], 8);
            close_machine();
        }
}

/* Sending another guest's memory: a secret of its would leave by the wire. */
static void a_driver_sends_others_memory(void **state)
{
    (void)state;
    for (unsigned vtd = 0; vtd < 2; vtd++) {
        open_machine(vtd != 0);
        const vx_frame secret = {.station = 1, .bytes = PAYLOAD, .to_peer = true};
        vx_frame_write(&secret, memory.base + area(1) + BUFFERS);
        vx_physmem_write64(&memory, (vx_hpa){area(0)}, area(1) + BUFFERS);
        vx_physmem_write64(&memory, (vx_hpa){area(0) + 8}, VX_NIC_TX_COMMAND | vx_frame_bytes(&secret));
        vx_nic_transmit_tail(nic, 0, 1, 0);
        run_until(1000000);
        assert_int_equal(vx_nic_counted(nic)->frames_sent, !vtd);
        assert_int_equal(vx_endpoint_counted(peers[1])->received, !vtd);
        if (vtd) assert_int_equal(vx_iommu_counted(iommu)->by_fault[VX_VTD_FAULT_READ], 1);
        close_machine();
    }
}

/* Its own memory it reaches, at its own addresses. */
static void a_driver_has_its_own_memory(void **state)
{
    (void)state;
    open_machine(true);
    for (uint64_t i = 0; i < 8; i++)
        vx_physmem_write64(&memory, (vx_hpa){area(0) + RX_RING + i * 16}, BUFFERS + i * 4096);
    vx_nic_receive_tail(nic, 0, 8);
    due[1] = 0;
    run_until(1000000);
    assert_false(untouched(0));
    assert_true(untouched(1));
    assert_int_equal(vx_nic_counted(nic)->frames_received, 8);
    assert_int_equal(vx_nic_counted(nic)->dma_blocked, 0);
    close_machine();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_driver_gives_away_others_buffers),
        cmocka_unit_test(a_driver_sends_others_memory),
        cmocka_unit_test(a_driver_has_its_own_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
