/* The driver of the IOMMU (vx_iommu_driver.h). */
#include "vx_iommu_driver.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

enum { QUEUE_DESCRIPTOR = 16, WAITING_MAX = 4096, FILTER_BITS = 1 << 14, DEVICES = 1 << 16 };

typedef struct device {
    uint64_t root; /* second-level table; 0: not attached */
    uint16_t domain;
} device;

/* Deferred: unmapped, not yet invalidated. */
typedef struct waiting {
    uint64_t first, last; /* page numbers */
    uint16_t source_id;
} waiting;

struct vx_iommu_driver {
    vx_iommu_driver_config config;
    vx_iommu *iommu;
    vx_physmem *memory;
    uint64_t next_table, end, root, queue, status;
    uint32_t queue_tail;
    uint16_t domains;
    device *devices; /* by source-id */
    waiting *waiting;
    unsigned waiting_count;
    vx_tick oldest;
    uint64_t *filter; /* a bit for each waiting page, by its low bits: most maps need not search the list */
    vx_iommu_driver_counts counts;
};

const char *vx_iommu_policy_name(vx_iommu_policy policy)
{
    static const char *const names[VX_IOMMU_POLICIES] = {"off", "passthrough", "deferred", "strict"};
    assert(policy < VX_IOMMU_POLICIES);
    return names[policy];
}

/* ---- tables ---- */

static uint64_t new_page(void *context, unsigned level)
{
    (void)level;
    vx_iommu_driver *driver = context;
    if (driver->next_table + VX_PAGE_BYTES > driver->end) return 0;
    uint64_t page = driver->next_table;
    driver->next_table += VX_PAGE_BYTES;
    driver->counts.table_pages++;
    vx_physmem_clear_page(driver->memory, (vx_hpa){page});
    return page;
}

static vx_status need_page(vx_iommu_driver *driver, uint64_t *page, vx_msg *msg)
{
    *page = new_page(driver, 0);
    return *page ? VX_OK
                 : vx_fail(msg, VX_ERR_NOMEM, "the IOMMU driver's %" PRIu64 " bytes of tables are used up",
                           driver->config.table_bytes);
}

static bool translates(const vx_iommu_driver *driver)
{
    return driver->config.policy == VX_IOMMU_STRICT || driver->config.policy == VX_IOMMU_DEFERRED;
}

static unsigned most_levels(const vx_cfg_iommu *config)
{
    return config->levels & 1U << 5 ? 5 : config->levels & 1U << 4 ? 4 : 3;
}

static void write_context(vx_iommu_driver *driver, uint16_t source_id, uint64_t table)
{
    const device *at = &driver->devices[source_id];
    bool through = !translates(driver);
    unsigned levels = through ? most_levels(vx_iommu_config(driver->iommu)) : driver->config.levels;
    uint64_t type = through ? VX_VTD_TYPE_PASS_THROUGH : VX_VTD_TYPE_UNTRANSLATED;
    uint64_t entry = table + (uint64_t)(source_id & 0xFF) * 16;
    uint64_t root = through ? 0 : at->root;
    vx_physmem_write64(driver->memory, (vx_hpa){entry + 8},
                       (uint64_t)at->domain << VX_VTD_CONTEXT_DOMAIN_SHIFT | (levels - 2));
    vx_physmem_write64(driver->memory, (vx_hpa){entry}, root | type << VX_VTD_CONTEXT_TYPE_SHIFT | VX_VTD_CONTEXT_P);
}

/* A domain and a context entry for a device that has none. Its own tables also say, for off and pass-through, where its
 * buffers are. */
static vx_status attach(vx_iommu_driver *driver, uint16_t source_id, vx_msg *msg)
{
    device *at = &driver->devices[source_id];
    if (at->root) return VX_OK;
    vx_hpa root_entry = {driver->root + (uint64_t)(source_id >> 8) * 16};
    uint64_t table = vx_physmem_read64(driver->memory, root_entry) & VX_ENTRY_ADDRESS;
    vx_status status = table ? VX_OK : need_page(driver, &table, msg);
    if (!status) status = need_page(driver, &at->root, msg);
    if (status) return status;
    at->domain = ++driver->domains;
    write_context(driver, source_id, table);
    vx_physmem_write64(driver->memory, root_entry, table | VX_VTD_ROOT_P);
    return VX_OK;
}

static vx_radix_table table_of(const vx_iommu_driver *driver, const device *at)
{
    return (vx_radix_table){
        .format = vx_vtd_second_level(driver->config.levels), .root = at->root, .memory = driver->memory};
}

/* ---- the queue ---- */

static void submit(vx_iommu_driver *driver, uint64_t low, uint64_t high)
{
    vx_physmem_write64(driver->memory, (vx_hpa){driver->queue + driver->queue_tail}, low);
    vx_physmem_write64(driver->memory, (vx_hpa){driver->queue + driver->queue_tail + 8}, high);
    driver->queue_tail = (driver->queue_tail + QUEUE_DESCRIPTOR) % VX_PAGE_BYTES;
}

/* The descriptor and a wait for it, as qi_submit_sync does. */
static void invalidate(vx_iommu_driver *driver, uint64_t low, uint64_t high)
{
    submit(driver, low, high);
    submit(driver, VX_VTD_DESC_WAIT | VX_VTD_WAIT_SW | 2ULL << 32, driver->status);
    driver->counts.invalidations++;
    driver->counts.waits++;
    vx_iommu_write(driver->iommu, VX_VTD_IQT, 8, driver->queue_tail);
}

/* The smallest aligned power of two of pages that holds them; too many: the whole domain. */
static void invalidate_pages(vx_iommu_driver *driver, uint16_t domain, uint64_t first, uint64_t last)
{
    const vx_cfg_iommu *config = vx_iommu_config(driver->iommu);
    unsigned mask = first == last ? 0 : 64U - (unsigned)__builtin_clzll(first ^ last);
    uint64_t head = VX_VTD_DESC_IOTLB | (uint64_t)domain << 16;
    if (!config->page_selective || mask > config->max_mask) {
        invalidate(driver, head | 2U << 4, 0);
        return;
    }
    uint64_t address = first >> mask << mask << VX_PAGE_SHIFT;
    invalidate(driver, head | 3U << 4, address | (driver->config.leaf_hint ? VX_VTD_IVA_HINT : 0) | mask);
}

/* ---- deferred ---- */

static void flush(vx_iommu_driver *driver)
{
    if (driver->waiting_count == 0) return;
    invalidate(driver, VX_VTD_DESC_IOTLB | 1U << 4, 0);
    for (unsigned i = 0; i < driver->waiting_count; i++)
        for (uint64_t page = driver->waiting[i].first; page <= driver->waiting[i].last; page++)
            driver->filter[page % FILTER_BITS / 64] &= ~(1ULL << page % 64);
    driver->waiting_count = 0;
    driver->counts.flushes++;
}

static void defer(vx_iommu_driver *driver, uint16_t source_id, uint64_t first, uint64_t last, vx_tick now)
{
    if (driver->waiting_count == 0) driver->oldest = now;
    driver->waiting[driver->waiting_count++] = (waiting){first, last, source_id};
    for (uint64_t page = first; page <= last; page++) driver->filter[page % FILTER_BITS / 64] |= 1ULL << page % 64;
    if (driver->waiting_count >= driver->config.flush_unmaps) flush(driver);
}

void vx_iommu_driver_tick(vx_iommu_driver *driver, vx_tick now)
{
    if (driver->waiting_count && now - driver->oldest >= driver->config.flush_ticks) flush(driver);
}

/* Linux gives an address back only after its flush, so that its own allocator never needs this; a trace may. */
static void free_of_waiting(vx_iommu_driver *driver, uint16_t source_id, uint64_t first, uint64_t last)
{
    bool maybe = false;
    for (uint64_t page = first; page <= last && !maybe; page++)
        maybe = driver->filter[page % FILTER_BITS / 64] >> page % 64 & 1;
    for (unsigned i = 0; maybe && i < driver->waiting_count; i++) {
        const waiting *at = &driver->waiting[i];
        if (at->source_id != source_id || at->last < first || at->first > last) continue;
        driver->counts.early_flushes++;
        flush(driver);
        return;
    }
}

/* ---- map and unmap ---- */

static vx_page_size size_for(const vx_iommu_driver *driver, uint64_t iova, uint64_t frame, uint64_t bytes)
{
    uint64_t large = vx_page_bytes(VX_PAGE_2M) - 1;
    bool fits = ((iova | frame) & large) == 0 && bytes > large;
    return fits && vx_iommu_config(driver->iommu)->page_2m ? VX_PAGE_2M : VX_PAGE_4K;
}

static vx_status check_range(const vx_iommu_driver *driver, uint64_t iova, uint64_t bytes, vx_msg *msg)
{
    const vx_radix *format = vx_vtd_second_level(driver->config.levels);
    unsigned table_bits = format->shift[format->top] + 9U, bits = vx_iommu_config(driver->iommu)->guest_bits;
    uint64_t limit = 1ULL << (table_bits < bits ? table_bits : bits);
    if (bytes == 0 || bytes > limit || iova > limit - bytes)
        return vx_fail(msg, VX_ERR_INPUT, "DMA mapping of %" PRIu64 " bytes at 0x%" PRIx64 ": beyond %u-level tables",
                       bytes, iova, driver->config.levels);
    return VX_OK;
}

vx_status vx_iommu_driver_map(vx_iommu_driver *driver, uint16_t source_id, uint64_t iova, uint64_t frame,
                              uint64_t bytes, uint64_t rights, vx_tick now, vx_msg *msg)
{
    vx_status status = check_range(driver, iova, bytes, msg);
    if (!status) status = attach(driver, source_id, msg);
    if (status) return status;
    uint64_t low = iova & (VX_PAGE_BYTES - 1);
    iova -= low;
    frame = frame - (frame & (VX_PAGE_BYTES - 1));
    bytes = (bytes + low + VX_PAGE_BYTES - 1) & ~(uint64_t)(VX_PAGE_BYTES - 1);
    vx_iommu_driver_tick(driver, now);
    free_of_waiting(driver, source_id, iova >> VX_PAGE_SHIFT, (iova + bytes - 1) >> VX_PAGE_SHIFT);
    const vx_radix_table table = table_of(driver, &driver->devices[source_id]);
    driver->counts.maps++;
    for (uint64_t done = 0; done < bytes && !status;) {
        vx_page_size size = size_for(driver, iova + done, frame + done, bytes - done);
        status = vx_radix_map(&table, iova + done, frame + done, size, rights, VX_VTD_SL_R | VX_VTD_SL_W, new_page,
                              NULL, driver, msg);
        done += vx_page_bytes(size);
        driver->counts.mapped_pages++;
    }
    return status;
}

void vx_iommu_driver_unmap(vx_iommu_driver *driver, uint16_t source_id, uint64_t iova, uint64_t bytes, vx_tick now)
{
    const device *at = &driver->devices[source_id];
    vx_msg msg;
    if (!at->root || check_range(driver, iova, bytes, &msg)) return;
    const vx_radix_table table = table_of(driver, at);
    uint64_t page = iova >> VX_PAGE_SHIFT, last = (iova + bytes - 1) >> VX_PAGE_SHIFT, first = page;
    bool any = false;
    while (page <= last) {
        vx_radix_spot spot = vx_radix_lookup(&table, page << VX_PAGE_SHIFT, 1);
        uint64_t covers = 1ULL << (table.format->shift[spot.level] - VX_PAGE_SHIFT);
        if (spot.present) {
            vx_physmem_write64(driver->memory, (vx_hpa){spot.at}, 0);
            driver->counts.unmapped_pages++;
            any = true;
        }
        page = (page & ~(covers - 1)) + covers;
    }
    if (!any) return;
    driver->counts.unmaps++;
    if (driver->config.policy == VX_IOMMU_STRICT) invalidate_pages(driver, at->domain, first, last);
    if (driver->config.policy == VX_IOMMU_DEFERRED) {
        vx_iommu_driver_tick(driver, now);
        defer(driver, source_id, first, last, now);
    }
}

uint64_t vx_iommu_driver_bus_address(const vx_iommu_driver *driver, uint16_t source_id, uint64_t iova)
{
    const device *at = &driver->devices[source_id];
    vx_msg msg;
    if (translates(driver) || !at->root || check_range(driver, iova, 1, &msg)) return iova;
    const vx_radix_table table = table_of(driver, at);
    vx_radix_spot spot = vx_radix_lookup(&table, iova, 1);
    if (!spot.present) return iova;
    uint64_t offset = iova & (vx_page_bytes((vx_page_size)table.format->page[spot.level]) - 1);
    return vx_radix_frame(table.format, spot.entry, spot.level, true) + offset;
}

/* ---- the beginning ---- */

static vx_status check_policy(const vx_cfg_iommu *iommu, const vx_iommu_driver_config *config, vx_msg *msg)
{
    if (config->policy == VX_IOMMU_OFF) return VX_OK;
    if (!iommu->present) return vx_fail(msg, VX_ERR_INPUT, "the chipset has no VT-d");
    if (config->policy == VX_IOMMU_PASSTHROUGH && !iommu->pass_through)
        return vx_fail(msg, VX_ERR_INPUT, "the IOMMU has no pass-through");
    if (!iommu->queued) return vx_fail(msg, VX_ERR_INPUT, "the IOMMU has no queued invalidation");
    if (config->policy == VX_IOMMU_DEFERRED && (config->flush_unmaps < 1 || config->flush_unmaps > WAITING_MAX))
        return vx_fail(msg, VX_ERR_INPUT, "deferred invalidation of %u unmaps: must be 1 to %d", config->flush_unmaps,
                       WAITING_MAX);
    return VX_OK;
}

static void program(vx_iommu_driver *driver)
{
    vx_iommu_write(driver->iommu, VX_VTD_RTADDR, 8, driver->root);
    vx_iommu_write(driver->iommu, VX_VTD_GCMD, 4, VX_VTD_SRTP);
    if (driver->config.policy == VX_IOMMU_OFF) return;
    vx_iommu_write(driver->iommu, VX_VTD_IQA, 8, driver->queue);
    vx_iommu_write(driver->iommu, VX_VTD_GCMD, 4, VX_VTD_QIE);
    submit(driver, VX_VTD_DESC_CONTEXT | 1U << 4, 0);
    invalidate(driver, VX_VTD_DESC_IOTLB | 1U << 4, 0);
    vx_iommu_write(driver->iommu, VX_VTD_GCMD, 4, VX_VTD_QIE | VX_VTD_TE);
}

vx_status vx_iommu_driver_init(vx_iommu_driver **driver, vx_arena *arena, vx_iommu *iommu, vx_physmem *memory,
                               const vx_iommu_driver_config *config, vx_msg *msg)
{
    const vx_cfg_iommu *hardware = vx_iommu_config(iommu);
    vx_status status = check_policy(hardware, config, msg);
    if (status) return status;
    vx_iommu_driver *made = vx_arena_alloc(arena, sizeof *made);
    if (!made) return vx_fail_nomem(msg);
    made->config = *config;
    if (!config->levels) made->config.levels = hardware->levels & 1U << 4 ? 4 : most_levels(hardware);
    made->iommu = iommu;
    made->memory = memory;
    made->next_table = config->tables;
    made->end = config->tables + config->table_bytes;
    made->devices = vx_arena_array(arena, DEVICES, sizeof *made->devices);
    made->waiting = vx_arena_array(arena, WAITING_MAX, sizeof *made->waiting);
    made->filter = vx_arena_array(arena, FILTER_BITS / 64, sizeof *made->filter);
    if (!made->devices || !made->waiting || !made->filter) return vx_fail_nomem(msg);
    uint64_t state;
    status = need_page(made, &made->root, msg);
    if (!status) status = need_page(made, &made->queue, msg);
    if (!status) status = need_page(made, &state, msg);
    if (status) return status;
    made->status = state;
    program(made);
    *driver = made;
    return VX_OK;
}

/* ---- counters ---- */

const vx_iommu_driver_counts *vx_iommu_driver_counted(const vx_iommu_driver *driver) { return &driver->counts; }

void vx_iommu_driver_counts_reset(vx_iommu_driver *driver)
{
    driver->counts = (vx_iommu_driver_counts){.table_pages = driver->counts.table_pages};
}

void vx_iommu_driver_declare(vx_iommu_driver *driver, vx_stats *stats)
{
    static const vx_stat_row rows[] = {
        VX_STAT_ROW(vx_iommu_driver_counts, maps, "maps", "maps", "buffers mapped"),
        VX_STAT_ROW(vx_iommu_driver_counts, unmaps, "unmaps", "unmaps", "buffers unmapped"),
        VX_STAT_ROW(vx_iommu_driver_counts, mapped_pages, "mapped_pages", "pages", "pages mapped"),
        VX_STAT_ROW(vx_iommu_driver_counts, unmapped_pages, "unmapped_pages", "pages", "pages unmapped"),
        VX_STAT_ROW(vx_iommu_driver_counts, invalidations, "invalidations", "descriptors",
                    "IOTLB invalidations submitted"),
        VX_STAT_ROW(vx_iommu_driver_counts, waits, "waits", "descriptors", "wait descriptors submitted"),
        VX_STAT_ROW(vx_iommu_driver_counts, flushes, "flushes", "flushes", "deferred batches flushed"),
        VX_STAT_ROW(vx_iommu_driver_counts, early_flushes, "early_flushes", "flushes",
                    "among them, for an address that was mapped anew"),
        VX_STAT_ROW(vx_iommu_driver_counts, table_pages, "table_pages", "pages", "pages of tables held"),
    };
    vx_iommu_driver_counts *counts = &driver->counts;
    vx_stats_rows(stats, counts, "driver.", rows, sizeof rows / sizeof *rows);
}
