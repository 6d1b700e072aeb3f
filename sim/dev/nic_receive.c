/* The card's receiving half: its memory for frames, sorting into queues (VMDq; Intel 82598 datasheet, receive address
 * registers with their pool), DMA into the buffers of the queue's ring. */
#include "dev_private.h"

void vx_nic_receive_tail(vx_nic *nic, unsigned queue, uint32_t tail)
{
    nic_ring *ring = &nic->queue[queue].receive;
    ring->tail = tail % ring->count;
}

void vx_nic_filter(vx_nic *nic, uint16_t station, unsigned queue)
{
    if (station < NIC_STATIONS_MAX && queue < nic->config.queues) nic->filter[station] = (uint8_t)queue;
}

void nic_arrive(vx_nic *nic, const vx_frame *frame, vx_tick now)
{
    nic_receiving *at = &nic->receiving;
    unsigned bytes = vx_frame_bytes(frame);
    if (at->fifo_bytes + bytes > (uint64_t)nic->config.nic->fifo_kib * 1024) {
        nic->counts.lost_fifo++;
        return;
    }
    frame_ring_put(&at->fifo, frame, now);
    at->fifo_bytes += bytes;
    nic->hooks.kick(nic->hooks.context, nic, at->busy ? at->done : now);
}

/* The descriptor of the buffer that the queue's next frame goes to; the frame into it. */
static bool move(vx_nic *nic, vx_tick *took)
{
    nic_receiving *at = &nic->receiving;
    nic_ring *ring = &nic->queue[at->queue].receive;
    uint64_t descriptor[2];
    uint8_t headers[VX_FRAME_HEADERS];
    at->descriptor = ring->base + (uint64_t)ring->head * VX_NIC_DESCRIPTOR_BYTES;
    ring->head = (ring->head + 1) % ring->count;
    const nic_dma read = {.queue = at->queue,
                          .address = at->descriptor,
                          .bytes = VX_NIC_DESCRIPTOR_BYTES,
                          .data = descriptor,
                          .held = VX_NIC_DESCRIPTOR_BYTES};
    if (!nic_dma_do(nic, &read, took)) return false;
    vx_frame_write(&at->frame, headers);
    const nic_dma buffer = {.queue = at->queue,
                            .address = descriptor[0],
                            .bytes = vx_frame_bytes(&at->frame),
                            .write = true,
                            .data = headers,
                            .held = VX_FRAME_HEADERS};
    return nic_dma_do(nic, &buffer, took);
}

static void begin(vx_nic *nic, vx_tick now)
{
    nic_receiving *at = &nic->receiving;
    at->frame = *frame_ring_first(&at->fifo);
    at->fifo.head++;
    at->fifo_bytes -= vx_frame_bytes(&at->frame);
    at->queue = at->frame.station < NIC_STATIONS_MAX ? nic->filter[at->frame.station] : 0;
    const nic_ring *ring = &nic->queue[at->queue].receive;
    if (ring->head == ring->tail) {
        nic->counts.lost_ring++;
        return;
    }
    vx_tick took = 0;
    at->busy = move(nic, &took);
    at->done = now + took;
}

/* The descriptor is written back: the driver may see the frame. */
static void finish(vx_nic *nic, vx_tick now)
{
    nic_receiving *at = &nic->receiving;
    uint64_t status = vx_frame_bytes(&at->frame) | VX_NIC_DONE | VX_NIC_RX_END;
    const nic_dma access = {
        .queue = at->queue, .address = at->descriptor + 8, .bytes = 8, .write = true, .data = &status, .held = 8};
    vx_tick took = 0;
    at->busy = false;
    if (!nic_dma_do(nic, &access, &took)) return;
    at->done = now + took; /* the next one begins after it */
    nic->counts.frames_received++;
    nic_cause(nic, at->queue, now);
}

vx_tick nic_receive_step(vx_nic *nic, vx_tick now)
{
    nic_receiving *at = &nic->receiving;
    if (at->busy && now >= at->done) finish(nic, now);
    if (!at->busy && now >= at->done && frame_ring_count(&at->fifo)) begin(nic, now);
    if (!at->busy && !frame_ring_count(&at->fifo)) return VX_TICK_NEVER;
    return at->done > now ? at->done : now + 1;
}
