/* The network card (vx_dev.h): rings, DMA, arbitration, sending. */
#include "dev_private.h"

#include <string.h>

vx_status vx_frame_ring_init(frame_ring *ring, vx_arena *arena, uint32_t least, vx_msg *msg)
{
    uint32_t room = 1;
    while (room < least) room *= 2;
    *ring = (frame_ring){.room = room};
    ring->frame = vx_arena_array(arena, room, sizeof *ring->frame);
    ring->due = vx_arena_array(arena, room, sizeof *ring->due);
    return ring->frame && ring->due ? VX_OK : vx_fail_nomem(msg);
}

/* ---- times ---- */

vx_tick vx_nic_ticks(const vx_nic *nic, uint64_t ns) { return ns * nic->config.ticks_per_us / 1000; }

vx_tick vx_nic_wire_ticks(const vx_nic *nic, unsigned bytes)
{
    uint64_t bits = (uint64_t)(bytes + VX_FRAME_GAPS) * 8, mbit = nic->config.nic->mbit;
    return (bits * nic->config.ticks_per_us + mbit - 1) / mbit;
}

/* ---- DMA ---- */

static void copy(vx_physmem *memory, uint64_t at, uint8_t *data, unsigned bytes, bool write)
{
    if (at > memory->bytes || bytes > memory->bytes - at) {
        if (!write) memset(data, 0, bytes); /* nothing answers */
        return;
    }
    if (write)
        memcpy(memory->base + at, data, bytes);
    else
        memcpy(data, memory->base + at, bytes);
}

bool nic_dma_do(vx_nic *nic, const nic_dma *access, vx_tick *took)
{
    const vx_nic_config *config = &nic->config;
    *took += vx_nic_ticks(nic, ((uint64_t)access->bytes * config->dma_page_ns + VX_PAGE_BYTES - 1) / VX_PAGE_BYTES);
    for (unsigned done = 0; done < access->bytes;) {
        uint64_t at = access->address + done;
        unsigned left = access->bytes - done, page = VX_PAGE_BYTES - (unsigned)(at % VX_PAGE_BYTES);
        unsigned part = left < page ? left : page;
        vx_dma_translation out = {.hpa = {at}};
        const vx_dma_request request = {.address = {at},
                                        .pasid = VX_PASID_NONE,
                                        .source_id =
                                            (uint16_t)(config->source_id + (config->functions ? access->queue : 0)),
                                        .write = access->write};
        if (config->iommu && vx_iommu_translate(config->iommu, &request, &out) != VX_DMA_DONE) {
            nic->counts.dma_blocked++;
            nic->counts.table_reads += out.accesses;
            *took += out.ticks;
            return false;
        }
        nic->counts.table_reads += out.accesses;
        *took += out.ticks;
        if (done < access->held) {
            unsigned held = access->held - done;
            copy(config->memory, out.hpa.v, (uint8_t *)access->data + done, held < part ? held : part, access->write);
        }
        done += part;
    }
    return true;
}

/* ---- sending ---- */

void vx_nic_transmit_tail(vx_nic *nic, unsigned queue, uint32_t tail, vx_tick now)
{
    nic_ring *ring = &nic->queue[queue].transmit;
    ring->tail = tail % ring->count;
    nic->hooks.kick(nic->hooks.context, nic, now > nic->wire_free ? now : nic->wire_free);
}

static bool has_frames(const vx_nic *nic, unsigned queue)
{
    return nic->queue[queue].transmit.head != nic->queue[queue].transmit.tail;
}

static bool next_queue(vx_nic *nic, unsigned *queue)
{
    for (unsigned i = 0; i < nic->config.queues; i++) {
        unsigned candidate = (nic->turn + i) % nic->config.queues;
        if (!has_frames(nic, candidate)) continue;
        nic->turn = (candidate + 1) % nic->config.queues;
        *queue = candidate;
        return true;
    }
    return false;
}

/* Descriptor, the frame it names, descriptor written back. */
static bool fetch(vx_nic *nic, unsigned queue, vx_frame *frame, unsigned *bytes, vx_tick *took)
{
    const nic_ring *ring = &nic->queue[queue].transmit;
    uint64_t descriptor[2];
    uint8_t headers[VX_FRAME_HEADERS] = {0};
    nic_dma access = {.queue = queue,
                      .address = ring->base + (uint64_t)ring->head * VX_NIC_DESCRIPTOR_BYTES,
                      .bytes = VX_NIC_DESCRIPTOR_BYTES,
                      .data = descriptor,
                      .held = VX_NIC_DESCRIPTOR_BYTES};
    if (!nic_dma_do(nic, &access, took)) return false;
    *bytes = (unsigned)(descriptor[1] & VX_NIC_LENGTH);
    const nic_dma buffer = {.queue = queue,
                            .address = descriptor[0],
                            .bytes = *bytes,
                            .data = headers,
                            .held = *bytes < VX_FRAME_HEADERS ? *bytes : VX_FRAME_HEADERS};
    if (!nic_dma_do(nic, &buffer, took)) return false;
    descriptor[1] |= VX_NIC_DONE;
    access.write = true;
    if (!nic_dma_do(nic, &access, took)) return false;
    bool known = vx_frame_read(frame, headers) && frame->to_peer && vx_frame_bytes(frame) == *bytes;
    nic->counts.not_frames += !known;
    return known;
}

/* DMA overlaps with the frame before: the wire waits only for what is longer. */
static void send_one(vx_nic *nic, unsigned queue, vx_tick now)
{
    nic_ring *ring = &nic->queue[queue].transmit;
    vx_frame frame;
    unsigned bytes = 0;
    vx_tick moved = 0;
    bool known = fetch(nic, queue, &frame, &bytes, &moved);
    vx_tick wire = known ? vx_nic_wire_ticks(nic, bytes) : 0;
    ring->head = (ring->head + 1) % ring->count;
    nic->wire_free = now + (moved > wire ? moved : wire);
    nic_cause(nic, queue, now);
    if (!known) return;
    nic->counts.frames_sent++;
    nic->counts.wire_busy += wire;
    vx_wire_carry(nic->wire, &frame, nic->wire_free + vx_nic_ticks(nic, nic->config.nic->wire_ns));
}

vx_tick vx_nic_step(void *self, vx_tick now, vx_tick horizon)
{
    (void)horizon;
    vx_nic *nic = self;
    unsigned queue;
    if (now >= nic->wire_free && next_queue(nic, &queue)) send_one(nic, queue, now);
    vx_tick next = nic_receive_step(nic, now);
    nic_tell_all(nic, now);
    for (unsigned i = 0; i < nic->config.queues; i++) {
        if (!has_frames(nic, i)) continue;
        vx_tick sends = nic->wire_free > now ? nic->wire_free : now + 1;
        return sends < next ? sends : next;
    }
    return next;
}

void vx_nic_rings(vx_nic *nic, unsigned queue, uint64_t transmit, uint64_t receive)
{
    const vx_cfg_nic *card = nic->config.nic;
    nic->queue[queue].transmit = (nic_ring){.base = transmit, .count = card->tx_ring};
    nic->queue[queue].receive = (nic_ring){.base = receive, .count = card->rx_ring};
}

const vx_nic_counts *vx_nic_counted(const vx_nic *nic) { return &nic->counts; }

/* ---- construction ---- */

static vx_status check(const vx_nic_config *config, vx_msg *msg)
{
    if (config->queues < 1 || config->queues > VX_NIC_QUEUES_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "%u queues of a NIC: must be 1 to %d", config->queues, VX_NIC_QUEUES_MAX);
    if (config->vectors < 1 || config->vectors > config->queues)
        return vx_fail(msg, VX_ERR_INPUT, "%u interrupts of a NIC: must be 1 to its %u queues", config->vectors,
                       config->queues);
    if (config->nic->tx_ring < 2 || config->nic->rx_ring < 2)
        return vx_fail(msg, VX_ERR_INPUT, "a NIC's rings of %u and %u descriptors: must be 2 at least",
                       config->nic->tx_ring, config->nic->rx_ring);
    return VX_OK;
}

vx_status vx_nic_init(vx_nic **nic, vx_arena *arena, const vx_nic_config *config, const vx_dev_hooks *hooks,
                      vx_msg *msg)
{
    vx_status status = check(config, msg);
    if (status) return status;
    vx_nic *made = vx_arena_alloc(arena, sizeof *made);
    if (!made) return vx_fail_nomem(msg);
    made->config = *config;
    made->hooks = *hooks;
    made->queue = vx_arena_array(arena, config->queues, sizeof *made->queue);
    made->vector = vx_arena_array(arena, config->vectors, sizeof *made->vector);
    if (!made->queue || !made->vector) return vx_fail_nomem(msg);
    for (unsigned q = 0; q < config->queues; q++) vx_nic_rings(made, q, 0, 0);
    /* As many of the least frames as its memory holds. */
    uint32_t frames = config->nic->fifo_kib * 1024 / VX_FRAME_HEADERS + 1;
    status = vx_frame_ring_init(&made->receiving.fifo, arena, frames, msg);
    if (!status) *nic = made;
    return status;
}
