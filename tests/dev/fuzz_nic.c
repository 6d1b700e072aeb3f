/* A driver as an enemy: the input is a program of stores to memory, ring addresses, tails, masks and time. Whatever it
 * does, the card stays within memory, counts every frame once and takes an end. */
#include <stdlib.h>
#include <string.h>

#include "vx_dev.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OPERATION_BYTES = 12, MEMORY_BYTES = 1 << 17, QUEUES = 3, STEPS_MAX = 200 };

static const vx_cfg_nic card = {.mbit = 10000, .tx_ring = 8, .rx_ring = 4, .fifo_kib = 16, .wire_ns = 100};

typedef struct world {
    vx_arena arena;
    vx_physmem memory;
    vx_nic *nic;
    vx_wire *wire;
    vx_endpoint *peers[QUEUES];
    vx_tick now, due[2]; /* nic, wire */
    uint64_t interrupts;
} world;

static void kick(void *context, const void *process, vx_tick at)
{
    world *w = context;
    vx_tick *mine = &w->due[process == w->wire];
    if (at < *mine) *mine = at;
}

static void interrupt(void *context, const vx_interrupt_request *message, vx_tick now)
{
    world *w = context;
    if (message->source_id >= QUEUES || now < w->now) abort();
    w->interrupts++;
}

static void open_world(world *w)
{
    const vx_dev_hooks hooks = {w, kick, interrupt};
    *w = (world){.due = {VX_TICK_NEVER, 0}};
    vx_arena_init(&w->arena);
    if (vx_physmem_init(&w->memory, MEMORY_BYTES, NULL)) abort();
    const vx_nic_config config = {.nic = &card,
                                  .memory = &w->memory,
                                  .functions = true,
                                  .queues = QUEUES,
                                  .vectors = QUEUES,
                                  .ticks_per_us = 1000,
                                  .dma_page_ns = 100};
    if (vx_nic_init(&w->nic, &w->arena, &config, &hooks, NULL)) abort();
    for (unsigned q = 0; q < QUEUES; q++) {
        const vx_endpoint_config peer = {.workload = (vx_workload)q,
                                         .active = true,
                                         .station = (uint16_t)q,
                                         .flows = 2,
                                         .segment = 1000,
                                         .request = 1500,
                                         .response = 10,
                                         .window = 4,
                                         .timeout = 20000};
        if (vx_endpoint_init(&w->peers[q], &w->arena, &peer, NULL)) abort();
        vx_nic_filter(w->nic, (uint16_t)q, q);
    }
    const vx_wire_config wire = {.nic = w->nic, .peers = w->peers, .stations = QUEUES};
    if (vx_wire_init(&w->wire, &w->arena, &wire, &hooks, NULL)) abort();
}

/* Some steps of whoever is due; each goes on in time. */
static void run(world *w, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        unsigned which = w->due[1] < w->due[0];
        if (w->due[which] == VX_TICK_NEVER) return;
        if (w->due[which] > w->now) w->now = w->due[which];
        w->due[which] = VX_TICK_NEVER;
        vx_tick next = which ? vx_wire_step(w->wire, w->now, w->now) : vx_nic_step(w->nic, w->now, w->now);
        if (next <= w->now) abort();
        if (next < w->due[which]) w->due[which] = next;
    }
}

/* selector, queue, 16-bit number, 64-bit value */
static void operate(world *w, const uint8_t *at)
{
    uint16_t number;
    uint64_t value;
    unsigned queue = at[1] % QUEUES;
    memcpy(&number, at + 2, 2);
    memcpy(&value, at + 4, 8);
    switch (at[0] % 7) {
    case 0:
        vx_physmem_write64(&w->memory, (vx_hpa){(uint64_t)number * 2}, value);
        break;
    case 1:
        vx_nic_rings(w->nic, queue, value, value + number);
        break;
    case 2:
        vx_nic_transmit_tail(w->nic, queue, number, w->now);
        break;
    case 3:
        vx_nic_receive_tail(w->nic, queue, number);
        break;
    case 4:
        vx_nic_mask(w->nic, queue, number & 1, w->now);
        break;
    case 5: { /* a frame of a station's, as a driver would write it */
        const vx_frame frame = {.station = (uint16_t)queue,
                                .flow = (uint16_t)(value & 3),
                                .bytes = (uint16_t)(value >> 2 & 0x3FF),
                                .to_peer = (value >> 12 & 1) != 0,
                                .push = (value >> 13 & 1) != 0,
                                .sequence = (uint32_t)(value >> 14 & 0xFF),
                                .ack = (uint32_t)(value >> 22 & 0xFF),
                                .beyond = (uint32_t)(value >> 30 & 0xFF)};
        vx_frame_write(&frame, w->memory.base + number); /* memory is twice as large as a number */
        break;
    }
    default:
        run(w, number % STEPS_MAX);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static world w;
    open_world(&w);
    for (size_t i = 0; i + OPERATION_BYTES <= size && i < OPERATION_BYTES * 1000; i += OPERATION_BYTES)
        operate(&w, data + i);
    run(&w, STEPS_MAX);
    const vx_nic_counts *nic = vx_nic_counted(w.nic);
    uint64_t sent = 0, received = 0;
    for (unsigned q = 0; q < QUEUES; q++) {
        const vx_endpoint_counts *peer = vx_endpoint_counted(w.peers[q]);
        sent += peer->sent + peer->acks;
        received += peer->received;
        if (peer->sent - peer->resent != peer->acknowledged + vx_endpoint_in_flight(w.peers[q])) abort();
    }
    if (nic->frames_received + nic->lost_fifo + nic->lost_ring > sent || received > nic->frames_sent) abort();
    if (nic->interrupts != w.interrupts || nic->dma_blocked || nic->table_reads) abort();
    vx_physmem_fini(&w.memory);
    vx_arena_fini(&w.arena);
    return 0;
}
