/* Replay of DMA records (vx_dma_replay.h). */
#include "vx_dma_replay.h"

/* A DMA whose length the trace does not know is one request (QEMU's log). */
static uint64_t length_of(uint64_t bytes) { return bytes ? bytes : 1; }

static void advance(vx_dma_replay *replay, uint64_t bytes, uint32_t accesses)
{
    uint64_t parts = replay->remainder + bytes * replay->page_ticks;
    replay->remainder = parts % VX_PAGE_BYTES;
    replay->counts.ticks += parts / VX_PAGE_BYTES + accesses * vx_iommu_read_ticks(replay->iommu);
}

/* Page by page, as requests may not cross one. */
static void dma(vx_dma_replay *replay, const vx_record *record, const uint64_t *words)
{
    uint64_t bytes = length_of(words[2]), at = record->addr, end = at + bytes;
    replay->counts.dmas++;
    replay->counts.bytes += words[2];
    while (at < end) {
        uint64_t next = (at | (VX_PAGE_BYTES - 1)) + 1, to = next && next < end ? next : end;
        vx_dma_request request = {.address = {vx_iommu_driver_bus_address(replay->driver, (uint16_t)words[0], at)},
                                  .pasid = (uint32_t)words[1],
                                  .source_id = (uint16_t)words[0],
                                  .write = record->size != 0};
        vx_dma_translation out;
        vx_dma_outcome outcome = vx_iommu_translate(replay->iommu, &request, &out);
        replay->counts.blocked += outcome == VX_DMA_BLOCKED;
        replay->counts.page_reads += out.accesses;
        replay->counts.pages += words[2] == 0 || words[2] > replay->small_bytes;
        advance(replay, to - at, out.accesses);
        at = to;
    }
    vx_iommu_driver_tick(replay->driver, replay->counts.ticks);
}

static void message(vx_dma_replay *replay, const vx_record *record, const uint64_t *words)
{
    const vx_interrupt_request request = {
        .address = record->addr, .data = (uint32_t)words[1], .source_id = (uint16_t)words[0]};
    vx_interrupt interrupt;
    replay->counts.messages++;
    replay->counts.messages_blocked += vx_iommu_interrupt(replay->iommu, &request, &interrupt) == VX_INTERRUPT_BLOCKED;
}

static vx_status one(vx_dma_replay *replay, const vx_record *record, const uint64_t *words, vx_msg *msg)
{
    vx_tick now = replay->counts.ticks;
    switch (record->kind) {
    case VX_REC_DMA:
        dma(replay, record, words);
        return VX_OK;
    case VX_REC_DMA_MAP:
        return vx_iommu_driver_map(replay->driver, (uint16_t)words[0], record->addr, words[1], words[2], words[3] & 3,
                                   now, msg);
    case VX_REC_DMA_UNMAP:
        vx_iommu_driver_unmap(replay->driver, (uint16_t)words[0], record->addr, words[1], now);
        return VX_OK;
    case VX_REC_MSI:
        message(replay, record, words);
        return VX_OK;
    default:
        replay->counts.skipped++;
        return VX_OK;
    }
}

vx_status vx_dma_replay_batch(vx_dma_replay *replay, const vx_batch *batch, vx_msg *msg)
{
    for (size_t i = 0; i < batch->count; i++) {
        const vx_record *record = &batch->records[i];
        vx_status status = one(replay, record, batch->payload + record->arg, msg);
        if (status) return status;
    }
    return VX_OK;
}

void vx_dma_replay_declare(vx_dma_replay *replay, vx_stats *stats)
{
    static const vx_stat_row rows[] = {
        VX_STAT_ROW(vx_dma_replay_counts, dmas, "count", "DMAs", "DMA records replayed"),
        VX_STAT_ROW(vx_dma_replay_counts, bytes, "bytes", "bytes", "bytes they moved, where lengths are known"),
        VX_STAT_ROW(vx_dma_replay_counts, pages, "pages", "pages", "pages of data they touched, rings left out"),
        VX_STAT_ROW(vx_dma_replay_counts, page_reads, "table_reads", "accesses", "reads of tables they caused"),
        VX_STAT_ROW(vx_dma_replay_counts, blocked, "blocked", "requests", "requests that faulted"),
        VX_STAT_ROW(vx_dma_replay_counts, messages, "messages", "interrupts", "message-signalled interrupts"),
        VX_STAT_ROW(vx_dma_replay_counts, messages_blocked, "messages_blocked", "interrupts", "among them blocked"),
        VX_STAT_ROW(vx_dma_replay_counts, skipped, "skipped", "records", "records of other kinds, passed over"),
        VX_STAT_ROW(vx_dma_replay_counts, ticks, "ticks", "ticks", "time of the devices"),
    };
    vx_dma_replay_counts *counts = &replay->counts;
    vx_stats_rows(stats, counts, "dma.", rows, sizeof rows / sizeof *rows);
}
