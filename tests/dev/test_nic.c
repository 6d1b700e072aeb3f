/* The card and the wire: rates, arbitration, sorting, moderation and mask, lost frames, rings in memory, DMA that the
 * IOMMU refuses. */
#include "test_support.h"

#include <string.h>

#include "card_and_wire.h"

enum {
    QUEUES = 4,
    MHZ = 1000,
    PAYLOAD = 1448,
    AREA = 1 << 20,
    RX_RING = 8192,
    TX_BUFFERS = 16384,
    RX_BUFFERS = AREA / 2
};

static vx_arena arena;
static vx_physmem memory;
static vx_endpoint *peers[QUEUES];
static vx_cfg_nic card;
static unsigned interrupts[QUEUES];
static vx_tick last_interrupt[QUEUES], least_gap;
static uint32_t tail[QUEUES], sequence[QUEUES];
static uint32_t dma_page_ns = 100;

static void interrupt(void *context, const vx_interrupt_request *message, vx_tick now)
{
    (void)context;
    unsigned vector = message->data;
    assert_true(vector < QUEUES);
    assert_int_equal(message->address, 0xFEE00000 + (vector << 12));
    if (interrupts[vector]++ && now - last_interrupt[vector] < least_gap) least_gap = now - last_interrupt[vector];
    last_interrupt[vector] = now;
}

/* A driver: rings and buffers of a queue in an area of its own, buffers of 2 KiB. */
static void open_rings(unsigned queue)
{
    uint64_t at = (uint64_t)queue * AREA;
    vx_nic_rings(nic, queue, at, at + RX_RING);
    for (uint32_t i = 0; i < card.rx_ring; i++)
        vx_physmem_write64(&memory, (vx_hpa){at + RX_RING + i * 16ULL}, at + RX_BUFFERS + i * 2048ULL);
    vx_nic_receive_tail(nic, queue, card.rx_ring - 1);
    tail[queue] = sequence[queue] = 0;
}

static void open_nic_of(vx_iommu *iommu, unsigned vectors, bool functions)
{
    const vx_nic_config config = {.nic = &card,
                                  .memory = &memory,
                                  .iommu = iommu,
                                  .source_id = 0x100,
                                  .functions = functions,
                                  .queues = QUEUES,
                                  .vectors = vectors,
                                  .ticks_per_us = MHZ,
                                  .dma_page_ns = dma_page_ns};
    const vx_dev_hooks hooks = {.kick = kick, .interrupt = interrupt};
    vx_msg msg = {""};
    vx_arena_init(&arena);
    assert_int_equal(vx_physmem_init(&memory, QUEUES * AREA, &msg), VX_OK);
    due[0] = due[1] = VX_TICK_NEVER;
    least_gap = UINT64_MAX;
    assert_int_equal(vx_nic_init(&nic, &arena, &config, &hooks, &msg), VX_OK);
    for (unsigned q = 0; q < QUEUES; q++) {
        const vx_endpoint_config peer = {
            .station = (uint16_t)q, .flows = 1, .segment = PAYLOAD, .window = 200, .timeout = 1ULL << 40};
        assert_int_equal(vx_endpoint_init(&peers[q], &arena, &peer, &msg), VX_OK);
        interrupts[q] = 0;
        open_rings(q);
        vx_nic_filter(nic, (uint16_t)q, q);
    }
    for (unsigned v = 0; v < vectors; v++) vx_nic_message(nic, v, 0xFEE00000 + (v << 12), v);
    const vx_wire_config wires = {.nic = nic, .peers = peers, .stations = QUEUES};
    assert_int_equal(vx_wire_init(&wire, &arena, &wires, &hooks, &msg), VX_OK);
}

static void open_nic(void)
{
    card = (vx_cfg_nic){.mbit = 1000, .tx_ring = 64, .rx_ring = 17, .fifo_kib = 48, .wire_ns = 1000};
    open_nic_of(NULL, QUEUES, true);
}

static void close_nic(void)
{
    vx_physmem_fini(&memory);
    vx_arena_fini(&arena);
}

static void post(unsigned queue, uint64_t buffer, unsigned bytes, vx_tick now)
{
    uint64_t at = (uint64_t)queue * AREA + tail[queue] * 16ULL;
    vx_physmem_write64(&memory, (vx_hpa){at}, buffer);
    vx_physmem_write64(&memory, (vx_hpa){at + 8}, VX_NIC_TX_COMMAND | bytes);
    tail[queue] = (tail[queue] + 1) % card.tx_ring;
    vx_nic_transmit_tail(nic, queue, tail[queue], now);
}

static void send(unsigned queue, vx_tick now)
{
    const vx_frame frame = {
        .station = (uint16_t)queue, .bytes = PAYLOAD, .to_peer = true, .sequence = sequence[queue]++};
    uint64_t buffer = (uint64_t)queue * AREA + TX_BUFFERS + tail[queue] * 2048ULL;
    vx_frame_write(&frame, memory.base + buffer);
    post(queue, buffer, PAYLOAD + VX_FRAME_HEADERS, now);
}

static unsigned sent(unsigned queue)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < card.tx_ring; i++)
        count += (vx_physmem_read64(&memory, (vx_hpa){(uint64_t)queue * AREA + i * 16ULL + 8}) & VX_NIC_DONE) != 0;
    return count;
}

static bool received(unsigned queue, uint32_t place, vx_frame *frame)
{
    uint64_t at = (uint64_t)queue * AREA,
             status = vx_physmem_read64(&memory, (vx_hpa){at + RX_RING + place * 16ULL + 8});
    if (!(status & VX_NIC_DONE)) return false;
    assert_true((status & VX_NIC_RX_END) != 0);
    assert_true(vx_frame_read(frame, memory.base + at + RX_BUFFERS + place * 2048ULL));
    assert_int_equal(status & VX_NIC_LENGTH, vx_frame_bytes(frame));
    return true;
}

/* ---- sending ---- */

/* 1538 bytes on the wire a full frame: 12.304 us at 1 Gbit/s. */
static void the_wire_has_its_rate(void **state)
{
    (void)state;
    open_nic();
    for (unsigned i = 0; i < 50; i++) send(0, 0);
    run_until(50 * 12304);
    assert_int_equal(vx_nic_counted(nic)->frames_sent, 50);
    assert_int_equal(vx_nic_counted(nic)->wire_busy, 50 * 12304);
    assert_int_equal(sent(0), 50);
    run_until(VX_TICK_NEVER);
    vx_frame ack = {0};
    uint32_t taken = 0;
    for (; received(0, taken, &ack); taken++) assert_int_equal(ack.ack, 2 * (taken + 1));
    assert_int_equal(taken, 16); /* 25 were sent back, for 16 there were buffers */
    assert_int_equal(vx_nic_counted(nic)->lost_ring, 9);
    assert_int_equal(vx_nic_counted(nic)->frames_received, 16);
    assert_int_equal(vx_wire_busy(wire), 25 * 720); /* 66 bytes and the gaps */
    close_nic();
}

/* Queues that always have frames share the wire frame by frame. */
static void queues_take_turns(void **state)
{
    (void)state;
    open_nic();
    for (unsigned q = 0; q < QUEUES; q++)
        for (unsigned i = 0; i < (q == 0 ? 63U : 10U); i++) send(q, 0);
    run_until(20 * 12304);
    for (unsigned q = 0; q < QUEUES; q++) assert_int_equal(sent(q), 5);
    run_until(VX_TICK_NEVER);
    assert_int_equal(sent(0), 63);
    close_nic();
}

/* What a descriptor names need not be a frame, nor be in memory. */
static void what_is_no_frame_stays(void **state)
{
    (void)state;
    open_nic();
    post(1, 0x1000, 1514, 0);             /* zeroes */
    post(1, 0x1000, 0, 0);                /* nothing */
    post(1, 1ULL << 60, 1514, 0);         /* beyond memory */
    post(1, UINT64_MAX - 100, 0xFFFF, 0); /* and around its end */
    send(1, 0);
    run_until(VX_TICK_NEVER);
    assert_int_equal(vx_nic_counted(nic)->not_frames, 4);
    assert_int_equal(vx_nic_counted(nic)->frames_sent, 1);
    assert_int_equal(sent(1), 5);
    close_nic();
}

/* ---- receiving ---- */

/* Frames go to the queue of their station, others' to queue 0. */
static void stations_are_sorted(void **state)
{
    (void)state;
    open_nic();
    vx_nic_filter(nic, 1, 3);
    vx_nic_filter(nic, 2, 0);
    vx_nic_filter(nic, 2, QUEUES); /* no such queue: nothing changes */
    for (unsigned q = 1; q < 3; q++)
        for (unsigned i = 0; i < 4; i++) send(q, 0);
    run_until(VX_TICK_NEVER);
    vx_frame frame;
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(received(3, i, &frame));
        assert_int_equal(frame.station, 1);
        assert_true(received(0, i, &frame));
        assert_int_equal(frame.station, 2);
    }
    assert_false(received(1, 0, &frame) || received(2, 0, &frame));
    assert_true(interrupts[3] > 0 && interrupts[0] > 0);
    close_nic();
}

/* DMA slower than the wire: what the card's memory cannot hold is lost. */
static void the_cards_memory_ends(void **state)
{
    (void)state;
    card = (vx_cfg_nic){.mbit = 100000, .tx_ring = 64, .rx_ring = 256, .fifo_kib = 16, .wire_ns = 0};
    dma_page_ns = 1000;
    open_nic_of(NULL, QUEUES, true);
    dma_page_ns = 100;
    vx_msg msg;
    const vx_endpoint_config source = {
        .active = true, .flows = 1, .segment = PAYLOAD, .window = 100, .timeout = 1 << 30};
    assert_int_equal(vx_endpoint_init(&peers[0], &arena, &source, &msg), VX_OK);
    due[1] = 0;
    run_until(100000);
    const vx_nic_counts *counts = vx_nic_counted(nic);
    assert_int_equal(counts->frames_received + counts->lost_fifo, 100);
    assert_int_equal(counts->lost_ring, 0);
    assert_in_range(counts->lost_fifo, 50, 60); /* 123 ns a frame on the wire, 380 ns its DMA; 10 fit */
    close_nic();
}

/* ---- interrupts ---- */

static void interrupts_keep_their_distance(void **state)
{
    (void)state;
    open_nic();
    card.moderation_ns = 50000;
    for (unsigned i = 0; i < 60; i++) send(1, 0);
    run_until(VX_TICK_NEVER);
    assert_int_equal(interrupts[0], 0);
    assert_in_range(interrupts[1], 12, 16); /* 60 frames take 738 us */
    assert_true(least_gap >= 50000);
    close_nic();
}

static void a_mask_keeps_the_cause(void **state)
{
    (void)state;
    open_nic();
    vx_nic_mask(nic, 0, true, 0);
    send(0, 0);
    run_until(VX_TICK_NEVER);
    assert_int_equal(interrupts[0], 0);
    vx_nic_mask(nic, 0, false, 1000000);
    assert_int_equal(interrupts[0], 1);
    vx_nic_mask(nic, 0, false, 2000000); /* nothing new */
    assert_int_equal(interrupts[0], 1);
    close_nic();
}

static void queues_share_a_vector(void **state)
{
    (void)state;
    card = (vx_cfg_nic){.mbit = 1000, .tx_ring = 64, .rx_ring = 17, .fifo_kib = 48};
    open_nic_of(NULL, 2, false);
    send(0, 0);
    send(2, 0);
    run_until(VX_TICK_NEVER);
    assert_int_equal(interrupts[0], 2);
    assert_int_equal(interrupts[1], 0);
    send(3, 1 << 20);
    run_until(VX_TICK_NEVER);
    assert_int_equal(interrupts[1], 1);
    close_nic();
}

/* ---- VT-d ---- */

/* An IOMMU whose tables let nothing pass: no frame leaves, and each refusal is recorded. */
static void refused_dma_sends_nothing(void **state)
{
    (void)state;
    vx_arena iommu_arena;
    vx_physmem tables;
    vx_iommu *iommu;
    vx_msg msg = {""};
    const vx_cfg_iommu config = {
        .present = true, .host_bits = 39, .guest_bits = 39, .levels = 1U << 3, .fault_records = 1};
    vx_arena_init(&iommu_arena);
    assert_int_equal(vx_physmem_init(&tables, 1 << 20, &msg), VX_OK);
    assert_int_equal(vx_iommu_init(&iommu, &iommu_arena, &config, &tables, NULL, &msg), VX_OK);
    vx_iommu_write(iommu, VX_VTD_GCMD, 4, VX_VTD_SRTP);
    vx_iommu_write(iommu, VX_VTD_GCMD, 4, VX_VTD_TE);
    card = (vx_cfg_nic){.mbit = 1000, .tx_ring = 64, .rx_ring = 17, .fifo_kib = 48};
    open_nic_of(iommu, QUEUES, true);
    send(2, 0);
    run_until(VX_TICK_NEVER);
    assert_int_equal(vx_nic_counted(nic)->frames_sent, 0);
    assert_int_equal(sent(2), 0);
    assert_int_equal(vx_nic_counted(nic)->dma_blocked, 1);
    assert_int_equal(vx_iommu_counted(iommu)->by_fault[VX_VTD_FAULT_ROOT_P], 1);
    assert_int_equal(vx_iommu_read(iommu, VX_VTD_FRCD + 8, 8) & 0xFFFF, 0x102); /* the function that asked */
    close_nic();
    vx_physmem_fini(&tables);
    vx_arena_fini(&iommu_arena);
}

static void impossible_cards(void **state)
{
    (void)state;
    card = (vx_cfg_nic){.mbit = 1000, .tx_ring = 64, .rx_ring = 1, .fifo_kib = 48};
    vx_nic_config config = {.nic = &card, .memory = &memory, .queues = 1, .vectors = 1, .ticks_per_us = MHZ};
    const vx_dev_hooks hooks = {.kick = kick, .interrupt = interrupt};
    vx_msg msg = {""};
    vx_arena_init(&arena);
    assert_int_equal(vx_nic_init(&nic, &arena, &config, &hooks, &msg), VX_ERR_INPUT);
    card.rx_ring = 64;
    config.queues = VX_NIC_QUEUES_MAX + 1;
    assert_int_equal(vx_nic_init(&nic, &arena, &config, &hooks, &msg), VX_ERR_INPUT);
    config.queues = 2;
    config.vectors = 3;
    assert_int_equal(vx_nic_init(&nic, &arena, &config, &hooks, &msg), VX_ERR_INPUT);
    vx_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wire_has_its_rate),     cmocka_unit_test(queues_take_turns),
        cmocka_unit_test(what_is_no_frame_stays),    cmocka_unit_test(stations_are_sorted),
        cmocka_unit_test(the_cards_memory_ends),     cmocka_unit_test(interrupts_keep_their_distance),
        cmocka_unit_test(a_mask_keeps_the_cause),    cmocka_unit_test(queues_share_a_vector),
        cmocka_unit_test(refused_dma_sends_nothing), cmocka_unit_test(impossible_cards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
