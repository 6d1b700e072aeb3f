/* A driver's side of one of the card's queues: descriptors and frames as bytes in memory (vx_dev.h has the format).
 *
 * An area holds the transmit ring, the receive ring, and from its half on as many receive buffers as descriptors;
 * transmit buffers lie before the half. A buffer is 2 KiB, for jumbo frames 16 KiB, as RCTL.BSIZE allows.
 *
 * Where an operating system protects itself by an IOMMU, each buffer is mapped when it becomes the card's and unmapped
 * when it is taken back (Linux's DMA interface), at addresses given out in turn; it then has pages of its own. */
#include <assert.h>
#include <limits.h>

#include "io_private.h"

enum { RECEIVE_RING = 8 << 10, BUFFERS = 16 << 10, AREA_LEAST = 2 << 20, SMALL_FRAME = 2048, LARGE_FRAME = 16384 };
enum {
    FIRST_IOVA = 1 << 20,
    ADDRESSES = 4096, /* more than rings hold and a deferred batch keeps back */
    UNMAP_SHARE = 32  /* with IO_POLL_FRAMES as many invalidations and waits as fit into the queue */
};

static uint32_t buffer_bytes(unsigned payload, bool mapped)
{
    if (payload + VX_FRAME_HEADERS > SMALL_FRAME) return LARGE_FRAME;
    return mapped ? VX_PAGE_BYTES : SMALL_FRAME;
}

uint64_t io_card_area(const vx_cfg_nic *nic, unsigned payload, bool mapped)
{
    uint64_t most = nic->tx_ring > nic->rx_ring ? nic->tx_ring : nic->rx_ring, area = AREA_LEAST;
    while (area / 2 < BUFFERS + most * buffer_bytes(payload, mapped)) area *= 2;
    return area;
}

/* ---- places in the area ---- */

static uint64_t descriptor(uint32_t place, bool receive)
{
    return (receive ? RECEIVE_RING : 0) + (uint64_t)place * VX_NIC_DESCRIPTOR_BYTES;
}

static uint64_t buffer(const io_card *card, uint32_t place, bool receive)
{
    return (receive ? card->half : BUFFERS) + (uint64_t)place * card->buffer_bytes;
}

static uint8_t *bytes_at(const io_card *card, uint64_t offset) { return card->memory->base + card->host + offset; }

static void write_descriptor(io_card *card, uint32_t place, bool receive, uint64_t second)
{
    uint64_t at = card->host + descriptor(place, receive);
    uint64_t address = card->mapper ? card->iova[receive][place] : card->bus + buffer(card, place, receive);
    vx_physmem_write64(card->memory, (vx_hpa){at}, address);
    vx_physmem_write64(card->memory, (vx_hpa){at + 8}, second);
}

static bool done(const io_card *card, uint32_t place, bool receive)
{
    uint64_t at = card->host + descriptor(place, receive);
    return (vx_physmem_read64(card->memory, (vx_hpa){at + 8}) & VX_NIC_DONE) != 0;
}

/* ---- mapping ---- */

static void map(io_card *card, uint32_t place, bool receive, vx_tick now)
{
    if (!card->mapper) return;
    uint64_t iova = FIRST_IOVA + (uint64_t)(card->mappings++ % ADDRESSES) * card->buffer_bytes;
    vx_msg msg;
    vx_status status = vx_iommu_driver_map(card->mapper, IO_SOURCE_ID, iova, card->host + buffer(card, place, receive),
                                           card->buffer_bytes, receive ? VX_VTD_SL_W : VX_VTD_SL_R, now, &msg);
    assert(!status); /* tables of all addresses have room */
    (void)status;
    card->iova[receive][place] = iova;
    card->mapped++;
}

static void unmap(io_card *card, uint32_t place, bool receive, vx_tick now)
{
    if (!card->mapper) return;
    vx_iommu_driver_unmap(card->mapper, IO_SOURCE_ID, card->iova[receive][place], card->buffer_bytes, now);
    card->unmapped++;
}

vx_tick io_card_mapping_ticks(io_card *card)
{
    vx_tick ticks = (vx_tick)card->mapped * card->model->map_ticks + (vx_tick)card->unmapped * card->model->unmap_ticks;
    card->mapped = card->unmapped = 0;
    return ticks;
}

/* ---- the beginning ---- */

vx_status io_card_init(io_card *card, vx_nic *nic, vx_physmem *memory, const vx_cfg_nic *model, unsigned payload,
                       unsigned queue, uint64_t host, uint64_t bus, vx_iommu_driver *mapper, vx_msg *msg)
{
    *card = (io_card){.nic = nic,
                      .memory = memory,
                      .model = model,
                      .queue = queue,
                      .host = host,
                      .bus = bus,
                      .buffer_bytes = buffer_bytes(payload, mapper != NULL),
                      .half = io_card_area(model, payload, mapper != NULL) / 2,
                      .mapper = mapper};
    vx_status status = VX_OK;
    if (mapper)
        status = vx_iommu_driver_map(mapper, IO_SOURCE_ID, bus, host, BUFFERS, VX_VTD_SL_R | VX_VTD_SL_W, 0, msg);
    if (status) return status;
    vx_nic_rings(nic, queue, bus + descriptor(0, false), bus + descriptor(0, true));
    for (uint32_t i = 0; i < model->rx_ring; i++) {
        map(card, i, true, 0);
        write_descriptor(card, i, true, 0);
    }
    card->mapped = 0; /* before the time begins */
    vx_nic_receive_tail(nic, queue, model->rx_ring - 1);
    return VX_OK;
}

/* ---- sending ---- */

/* One descriptor stays free: head and tail equal is an empty ring. */
unsigned io_card_room(const io_card *card)
{
    uint32_t count = card->model->tx_ring, used = (card->transmit_tail + count - card->transmit_clean) % count;
    return count - 1 - used;
}

void io_card_send(io_card *card, const vx_frame *frame, vx_tick now)
{
    uint32_t place = card->transmit_tail;
    vx_frame_write(frame, bytes_at(card, buffer(card, place, false)));
    map(card, place, false, now);
    write_descriptor(card, place, false, VX_NIC_TX_COMMAND | vx_frame_bytes(frame));
    card->transmit_tail = (place + 1) % card->model->tx_ring;
    vx_nic_transmit_tail(card->nic, card->queue, card->transmit_tail, now);
}

bool io_card_sent(const io_card *card)
{
    return card->transmit_clean != card->transmit_tail && done(card, card->transmit_clean, false);
}

void io_card_clean(io_card *card, vx_tick now)
{
    for (unsigned left = card->mapper ? UNMAP_SHARE : UINT_MAX; left > 0 && io_card_sent(card); left--) {
        unmap(card, card->transmit_clean, false, now);
        card->transmit_clean = (card->transmit_clean + 1) % card->model->tx_ring;
    }
}

/* ---- receiving ---- */

bool io_card_waiting(const io_card *card) { return done(card, card->receive_next, true); }

bool io_card_receive(io_card *card, vx_frame *frame, vx_tick now)
{
    uint32_t place = card->receive_next;
    while (done(card, place, true)) {
        bool known = vx_frame_read(frame, bytes_at(card, buffer(card, place, true)));
        unmap(card, place, true, now);
        map(card, place, true, now);
        write_descriptor(card, place, true, 0);
        vx_nic_receive_tail(card->nic, card->queue, place);
        place = card->receive_next = (place + 1) % card->model->rx_ring;
        if (known) return true;
    }
    return false;
}
