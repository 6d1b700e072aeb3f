/* The network card (vx_dev.h): queues, DMA, arbitration, interrupts with mask and moderation.
 *
 * Registers and their meaning follow the 8254x family (Intel, "PCI/PCI-X Family of Gigabit Ethernet Controllers
 * Software Developer's Manual", 3.2 to 3.5 and 13.4); how a driver reaches them is the path's (sim/vmm). */
#include "dev_private.h"

enum { DESCRIPTOR_BYTES = 16, QUEUE_SHIFT = 21, BUFFER_OFFSET = 1 << 14, BUFFER_SHIFT = 11 };

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

static vx_tick ticks_of_ns(const vx_nic *nic, uint64_t ns) { return ns * nic->config.ticks_per_us / 1000; }

vx_tick vx_nic_wire_ticks(const vx_nic *nic, unsigned bytes)
{
    uint64_t bits = (uint64_t)(bytes + VX_FRAME_GAPS) * 8, mbit = nic->config.nic->mbit;
    return (bits * nic->config.ticks_per_us + mbit - 1) / mbit;
}

vx_tick vx_nic_delay_ticks(const vx_nic *nic) { return ticks_of_ns(nic, nic->config.nic->wire_ns); }

/* ---- DMA ---- */

/* One access of the device to memory: what it takes; *refused where the IOMMU blocks it. */
static vx_tick dma(vx_nic *nic, unsigned queue, uint64_t offset, unsigned bytes, bool write, bool *refused)
{
    vx_tick took = ticks_of_ns(nic, ((uint64_t)bytes * nic->config.dma_page_ns + VX_PAGE_BYTES - 1) / VX_PAGE_BYTES);
    if (!nic->config.iommu) return took;
    const vx_dma_request request = {.address = {nic->config.buffers + ((uint64_t)queue << QUEUE_SHIFT) + offset},
                                    .pasid = VX_PASID_NONE,
                                    .source_id = (uint16_t)(nic->config.source_id + queue),
                                    .write = write};
    vx_dma_translation out;
    if (vx_iommu_translate(nic->config.iommu, &request, &out) != VX_DMA_DONE) {
        nic->counts.dma_blocked++;
        *refused = true;
    }
    nic->counts.table_reads += out.accesses;
    return took + out.ticks;
}

/* Descriptor, then the frame it names: buffers of 2 KiB behind the rings. */
static vx_tick move_frame(vx_nic *nic, unsigned queue, uint32_t place, unsigned bytes, bool write, bool *refused)
{
    uint64_t half = write ? 1ULL << (QUEUE_SHIFT - 1) : 0;
    vx_tick took = dma(nic, queue, half + (uint64_t)place * DESCRIPTOR_BYTES, DESCRIPTOR_BYTES, false, refused);
    if (*refused) return took;
    took += dma(nic, queue, half + BUFFER_OFFSET + ((uint64_t)place << BUFFER_SHIFT), bytes, write, refused);
    if (*refused) return took;
    return took + dma(nic, queue, half + (uint64_t)place * DESCRIPTOR_BYTES, DESCRIPTOR_BYTES, true, refused);
}

/* ---- interrupts ---- */

static void tell(vx_nic *nic, unsigned queue, vx_tick now)
{
    nic_queue *q = &nic->queue[queue];
    if (!q->cause || q->masked) return;
    if (now < q->quiet_until) {
        nic->hooks.kick(nic->hooks.context, nic, q->quiet_until);
        return;
    }
    q->cause = false;
    q->quiet_until = now + ticks_of_ns(nic, nic->config.nic->moderation_ns);
    nic->counts.interrupts++;
    nic->hooks.interrupt(nic->hooks.context, queue, now);
}

void vx_nic_mask(vx_nic *nic, unsigned queue, bool masked, vx_tick now)
{
    nic->queue[queue].masked = masked;
    tell(nic, queue, now);
}

/* ---- sending ---- */

unsigned vx_nic_room(const vx_nic *nic, unsigned queue) { return nic->config.nic->tx_ring - nic->queue[queue].posted; }

void vx_nic_send(vx_nic *nic, const vx_frame *frame, vx_tick now)
{
    nic_queue *q = &nic->queue[frame->queue];
    q->posted += frame_ring_put(&q->tx, frame, now);
    nic->hooks.kick(nic->hooks.context, nic, now > nic->wire_free ? now : nic->wire_free);
}

unsigned vx_nic_take_sent(vx_nic *nic, unsigned queue)
{
    nic_queue *q = &nic->queue[queue];
    unsigned taken = q->sent;
    q->sent = 0;
    q->posted -= taken;
    return taken;
}

static bool next_queue(vx_nic *nic, unsigned *queue)
{
    for (unsigned i = 0; i < nic->config.queues; i++) {
        unsigned candidate = (nic->turn + i) % nic->config.queues;
        if (frame_ring_count(&nic->queue[candidate].tx) == 0) continue;
        nic->turn = (candidate + 1) % nic->config.queues;
        *queue = candidate;
        return true;
    }
    return false;
}

/* DMA overlaps with the frame before: the wire waits only for what is longer. */
static void send_one(vx_nic *nic, unsigned queue, vx_tick now)
{
    nic_queue *q = &nic->queue[queue];
    const vx_frame frame = *frame_ring_first(&q->tx);
    unsigned bytes = frame.bytes + VX_FRAME_HEADERS;
    bool refused = false;
    vx_tick moved = move_frame(nic, queue, q->tx_place, bytes, false, &refused);
    vx_tick wire = vx_nic_wire_ticks(nic, bytes);
    q->tx.head++;
    q->tx_place = (q->tx_place + 1) % nic->config.nic->tx_ring;
    q->sent++;
    q->cause = true;
    nic->wire_free = now + (moved > wire ? moved : wire);
    if (refused) return;
    nic->counts.frames_sent++;
    nic->counts.payload_bytes += frame.bytes;
    nic->counts.wire_busy += wire;
    vx_wire_carry(nic->wire, &frame, nic->wire_free + vx_nic_delay_ticks(nic));
}

vx_tick vx_nic_step(void *self, vx_tick now, vx_tick horizon)
{
    (void)horizon;
    vx_nic *nic = self;
    unsigned queue;
    if (now >= nic->wire_free && next_queue(nic, &queue)) send_one(nic, queue, now);
    for (unsigned i = 0; i < nic->config.queues; i++) tell(nic, i, now);
    for (unsigned i = 0; i < nic->config.queues; i++)
        if (frame_ring_count(&nic->queue[i].tx)) return nic->wire_free > now ? nic->wire_free : now + 1;
    return VX_TICK_NEVER;
}

/* ---- receiving ---- */

void vx_nic_receive(vx_nic *nic, const vx_frame *frame, vx_tick now)
{
    nic_queue *q = &nic->queue[frame->queue];
    bool refused = false;
    if (frame_ring_count(&q->rx) >= nic->config.nic->rx_ring) {
        nic->counts.lost++;
        return;
    }
    move_frame(nic, frame->queue, q->rx_place, frame->bytes + VX_FRAME_HEADERS, true, &refused);
    q->rx_place = (q->rx_place + 1) % nic->config.nic->rx_ring;
    if (refused) return;
    frame_ring_put(&q->rx, frame, now);
    nic->counts.frames_received++;
    q->cause = true;
    tell(nic, frame->queue, now);
}

bool vx_nic_take_received(vx_nic *nic, unsigned queue, vx_frame *frame)
{
    nic_queue *q = &nic->queue[queue];
    if (frame_ring_count(&q->rx) == 0) return false;
    *frame = *frame_ring_first(&q->rx);
    q->rx.head++;
    return true;
}

const vx_nic_counts *vx_nic_counted(const vx_nic *nic) { return &nic->counts; }

/* ---- construction ---- */

static vx_status make_wire(vx_nic *nic, vx_arena *arena, vx_msg *msg)
{
    vx_wire *wire = vx_arena_alloc(arena, sizeof *wire);
    if (!wire) return vx_fail_nomem(msg);
    uint32_t all = nic->config.queues * (nic->config.nic->tx_ring + nic->config.nic->rx_ring);
    vx_status status = vx_frame_ring_init(&wire->out, arena, 65536 + all, msg);
    if (!status) status = vx_frame_ring_init(&wire->in, arena, 65536 + all, msg);
    if (status) return status;
    wire->unacknowledged = vx_arena_array(arena, nic->config.queues, sizeof *wire->unacknowledged);
    if (!wire->unacknowledged) return vx_fail_nomem(msg);
    wire->nic = nic;
    nic->wire = wire;
    return VX_OK;
}

vx_status vx_nic_init(vx_nic **nic, vx_wire **wire, vx_arena *arena, const vx_nic_config *config,
                      const vx_dev_hooks *hooks, vx_msg *msg)
{
    uint32_t places = config->nic->tx_ring > config->nic->rx_ring ? config->nic->tx_ring : config->nic->rx_ring;
    if (config->queues < 1 || config->queues > VX_NIC_QUEUES_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "%u queues of a NIC: must be 1 to %d", config->queues, VX_NIC_QUEUES_MAX);
    if (places < 1 || config->nic->tx_ring < 1 || config->nic->rx_ring < 1 ||
        BUFFER_OFFSET + ((uint64_t)places << BUFFER_SHIFT) > 1ULL << (QUEUE_SHIFT - 1))
        return vx_fail(msg, VX_ERR_INPUT, "a NIC's rings of %u and %u descriptors: must be 1 to 504",
                       config->nic->tx_ring, config->nic->rx_ring);
    vx_nic *made = vx_arena_alloc(arena, sizeof *made);
    if (!made) return vx_fail_nomem(msg);
    made->config = *config;
    made->hooks = *hooks;
    made->queue = vx_arena_array(arena, config->queues, sizeof *made->queue);
    if (!made->queue) return vx_fail_nomem(msg);
    vx_status status = make_wire(made, arena, msg);
    for (unsigned i = 0; i < config->queues && !status; i++) {
        status = vx_frame_ring_init(&made->queue[i].tx, arena, config->nic->tx_ring, msg);
        if (!status) status = vx_frame_ring_init(&made->queue[i].rx, arena, config->nic->rx_ring, msg);
    }
    if (status) return status;
    *nic = made;
    *wire = made->wire;
    return VX_OK;
}
