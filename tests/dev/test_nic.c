/* The card and the wire: rates, arbitration, moderation and mask, lost frames, DMA that the IOMMU refuses. */
#include "test_support.h"
#include "vx_dev.h"

enum { QUEUES = 4, MHZ = 1000, PAYLOAD = 1448 };

static vx_arena arena;
static vx_nic *nic;
static vx_wire *wire;
static vx_cfg_nic card;
static vx_tick due[2]; /* nic, wire */
static unsigned interrupts[QUEUES];
static vx_tick last_interrupt[QUEUES], least_gap;

static void kick(void *context, const void *process, vx_tick at)
{
    (void)context;
    vx_tick *mine = &due[process == wire];
    if (at < *mine) *mine = at;
}

static void interrupt(void *context, unsigned queue, vx_tick now)
{
    (void)context;
    if (interrupts[queue]++ && now - last_interrupt[queue] < least_gap) least_gap = now - last_interrupt[queue];
    last_interrupt[queue] = now;
}

static void open_nic(vx_iommu *iommu)
{
    card = (vx_cfg_nic){.mbit = 1000, .tx_ring = 64, .rx_ring = 16, .wire_ns = 1000};
    const vx_nic_config config = {.nic = &card,
                                  .iommu = iommu,
                                  .source_id = 0x100,
                                  .queues = QUEUES,
                                  .buffers = 0,
                                  .ticks_per_us = MHZ,
                                  .dma_page_ns = 100};
    const vx_dev_hooks hooks = {.kick = kick, .interrupt = interrupt};
    vx_msg msg = {""};
    vx_arena_init(&arena);
    due[0] = due[1] = VX_TICK_NEVER;
    for (unsigned q = 0; q < QUEUES; q++) interrupts[q] = 0;
    least_gap = UINT64_MAX;
    assert_int_equal(vx_nic_init(&nic, &wire, &arena, &config, &hooks, &msg), VX_OK);
}

/* A clock of two processes. */
static void run_until(vx_tick end)
{
    for (;;) {
        unsigned which = due[1] < due[0];
        vx_tick now = due[which];
        if (now >= end) return;
        due[which] = VX_TICK_NEVER;
        vx_tick next = which ? vx_wire_step(wire, now, now) : vx_nic_step(nic, now, now);
        if (next < due[which]) due[which] = next;
    }
}

static void send(unsigned queue, vx_tick now)
{
    const vx_frame frame = {.sent = now, .queue = (uint16_t)queue, .bytes = PAYLOAD};
    vx_nic_send(nic, &frame, now);
}

/* 1538 bytes on the wire a full frame: 12.304 us at 1 Gbit/s. */
static void the_wire_has_its_rate(void **state)
{
    (void)state;
    open_nic(NULL);
    for (unsigned i = 0; i < 50; i++) send(0, 0);
    assert_int_equal(vx_nic_room(nic, 0), 14);
    run_until(50 * 12304);
    assert_int_equal(vx_nic_counted(nic)->frames_sent, 50);
    assert_int_equal(vx_nic_counted(nic)->wire_busy, 50 * 12304);
    run_until(VX_TICK_NEVER);
    assert_int_equal(vx_nic_take_sent(nic, 0), 50);
    assert_int_equal(vx_nic_room(nic, 0), 64);
    vx_frame ack;
    unsigned taken = 0;
    for (; vx_nic_take_received(nic, 0, &ack); taken++) assert_int_equal(ack.frames, 2);
    assert_int_equal(taken, 16); /* 25 were sent back, for 16 there were buffers */
    assert_int_equal(vx_nic_counted(nic)->lost, 9);
    vx_arena_fini(&arena);
}

/* Queues that always have frames share the wire frame by frame. */
static void queues_take_turns(void **state)
{
    (void)state;
    open_nic(NULL);
    for (unsigned q = 0; q < QUEUES; q++)
        for (unsigned i = 0; i < (q == 0 ? 64U : 10U); i++) send(q, 0);
    run_until(20 * 12304);
    for (unsigned q = 0; q < QUEUES; q++) assert_int_equal(vx_nic_take_sent(nic, q), 5);
    run_until(VX_TICK_NEVER);
    assert_int_equal(vx_nic_take_sent(nic, 0), 59);
    vx_arena_fini(&arena);
}

static void interrupts_keep_their_distance(void **state)
{
    (void)state;
    open_nic(NULL);
    card.moderation_ns = 50000;
    for (unsigned i = 0; i < 60; i++) send(1, 0);
    run_until(VX_TICK_NEVER);
    assert_int_equal(interrupts[0], 0);
    assert_in_range(interrupts[1], 12, 16); /* 60 frames take 738 us */
    assert_true(least_gap >= 50000);
    vx_arena_fini(&arena);
}

static void a_mask_keeps_the_cause(void **state)
{
    (void)state;
    open_nic(NULL);
    vx_nic_mask(nic, 0, true, 0);
    send(0, 0);
    run_until(VX_TICK_NEVER);
    assert_int_equal(interrupts[0], 0);
    vx_nic_mask(nic, 0, false, 1000000);
    assert_int_equal(interrupts[0], 1);
    vx_nic_mask(nic, 0, false, 2000000); /* nothing new */
    assert_int_equal(interrupts[0], 1);
    vx_arena_fini(&arena);
}

/* An IOMMU whose tables let nothing pass: no frame leaves, and each refusal is recorded. */
static void refused_dma_sends_nothing(void **state)
{
    (void)state;
    vx_arena iommu_arena;
    vx_physmem memory;
    vx_iommu *iommu;
    vx_msg msg = {""};
    const vx_cfg_iommu config = {
        .present = true, .host_bits = 39, .guest_bits = 39, .levels = 1U << 3, .fault_records = 1};
    vx_arena_init(&iommu_arena);
    assert_int_equal(vx_physmem_init(&memory, 1 << 20, &msg), VX_OK);
    assert_int_equal(vx_iommu_init(&iommu, &iommu_arena, &config, &memory, NULL, &msg), VX_OK);
    vx_iommu_write(iommu, VX_VTD_GCMD, 4, VX_VTD_SRTP);
    vx_iommu_write(iommu, VX_VTD_GCMD, 4, VX_VTD_TE);
    open_nic(iommu);
    send(2, 0);
    run_until(VX_TICK_NEVER);
    assert_int_equal(vx_nic_counted(nic)->frames_sent, 0);
    assert_int_equal(vx_nic_counted(nic)->dma_blocked, 1);
    assert_int_equal(vx_iommu_counted(iommu)->by_fault[VX_VTD_FAULT_ROOT_P], 1);
    vx_arena_fini(&arena);
    vx_physmem_fini(&memory);
    vx_arena_fini(&iommu_arena);
}

static void impossible_cards(void **state)
{
    (void)state;
    card = (vx_cfg_nic){.mbit = 1000, .tx_ring = 64, .rx_ring = 505};
    vx_nic_config config = {.nic = &card, .queues = 1, .ticks_per_us = MHZ};
    const vx_dev_hooks hooks = {.kick = kick, .interrupt = interrupt};
    vx_msg msg = {""};
    vx_arena_init(&arena);
    assert_int_equal(vx_nic_init(&nic, &wire, &arena, &config, &hooks, &msg), VX_ERR_INPUT);
    card.rx_ring = 64;
    config.queues = VX_NIC_QUEUES_MAX + 1;
    assert_int_equal(vx_nic_init(&nic, &wire, &arena, &config, &hooks, &msg), VX_ERR_INPUT);
    vx_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wire_has_its_rate),          cmocka_unit_test(queues_take_turns),
        cmocka_unit_test(interrupts_keep_their_distance), cmocka_unit_test(a_mask_keeps_the_cause),
        cmocka_unit_test(refused_dma_sends_nothing),      cmocka_unit_test(impossible_cards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
