/* Counters of the IOMMU: declared for reports, checked against each other. */
#include <stdio.h>

#include "iommu_private.h"

const vx_iommu_counts *vx_iommu_counted(const vx_iommu *iommu) { return &iommu->counts; }

void vx_iommu_counts_reset(vx_iommu *iommu) { iommu->counts = (vx_iommu_counts){0}; }

static void declare_cache(vx_stats *stats, vx_io_cache_counts *counts, const char *name)
{
    vx_stats_scalar(stats, &counts->lookups, "lookups", "lookups", "iommu.%s.lookups", name);
    vx_stats_scalar(stats, &counts->hits, "lookups", "lookups that it answered", "iommu.%s.hits", name);
    vx_stats_scalar(stats, &counts->misses, "lookups", "lookups that it did not answer", "iommu.%s.misses", name);
    vx_stats_scalar(stats, &counts->fills, "entries", "entries put in", "iommu.%s.fills", name);
    vx_stats_scalar(stats, &counts->evictions, "entries", "entries that a fill displaced", "iommu.%s.evictions", name);
    vx_stats_scalar(stats, &counts->dropped, "entries", "entries that invalidations dropped", "iommu.%s.dropped", name);
}

static void declare_outcomes(vx_stats *stats, vx_iommu_counts *counts)
{
    vx_stats_scalar(stats, &counts->requests, "requests", "DMA requests of all types", "iommu.requests");
    vx_stats_scalar(stats, &counts->done, "requests", "requests that went on to memory", "iommu.done");
    vx_stats_scalar(stats, &counts->untouched, "requests", "among them: translation was off", "iommu.untouched");
    vx_stats_scalar(stats, &counts->blocked, "requests", "requests that faulted", "iommu.blocked");
    vx_stats_scalar(stats, &counts->not_mapped, "requests", "translation requests answered without a translation",
                    "iommu.not_mapped");
    vx_stats_scalar(stats, &counts->interrupt_writes, "requests", "writes that are interrupts",
                    "iommu.interrupt_writes");
    vx_stats_scalar(stats, &counts->unsupported, "requests", "reads of the interrupt range", "iommu.unsupported");
    vx_stats_scalar(stats, &counts->walks, "walks", "walks of page tables", "iommu.walks");
    vx_stats_scalar(stats, &counts->accesses, "accesses", "reads of table entries and descriptors in memory",
                    "iommu.accesses");
    vx_stats_scalar(stats, &counts->ad_writes, "writes", "updates of A and D flags", "iommu.ad_writes");
}

static void declare_reads(vx_stats *stats, vx_iommu_counts *counts)
{
    static const char *const names[VX_IO_READS] = {
        "root",      "context",   "pasid_directory", "pasid",     "first_L5",  "first_L4",
        "first_L3",  "first_L2",  "first_L1",        "second_L5", "second_L4", "second_L3",
        "second_L2", "second_L1", "interrupt",       "posted",    "queue"};
    vx_stat table = {
        .path = "iommu.reads", .kind = VX_STAT_TABLE, .unit = "accesses", .doc = "accesses by what was read"};
    table.of.table.cells = counts->reads;
    table.of.table.rows = names;
    table.of.table.row_count = VX_IO_READS;
    table.of.table.column_count = 1;
    vx_stats_add(stats, &table);
}

static void declare_faults(vx_stats *stats, vx_iommu_counts *counts)
{
    vx_stats_scalar(stats, &counts->faults, "faults", "faults of DMA and interrupts", "iommu.faults.count");
    vx_stats_scalar(stats, &counts->faults_recorded, "faults", "faults recorded", "iommu.faults.recorded");
    vx_stats_scalar(stats, &counts->faults_collapsed, "faults", "faults whose source-id had a pending record",
                    "iommu.faults.collapsed");
    vx_stats_scalar(stats, &counts->faults_lost, "faults", "faults for which no record was free", "iommu.faults.lost");
    vx_stats_scalar(stats, &counts->faults_silent, "faults", "faults whose entry disables recording",
                    "iommu.faults.silent");
    for (unsigned reason = 1; reason < VX_VTD_FAULT_END; reason++) {
        if (!vx_vtd_fault_text(reason)) continue;
        vx_stat entry = {.kind = VX_STAT_SCALAR, .unit = "faults", .doc = vx_vtd_fault_text(reason)};
        snprintf(entry.path, sizeof entry.path, "iommu.faults.by_reason.%02Xh", reason);
        entry.of.scalar = &counts->by_fault[reason];
        entry.shown_if = &counts->by_fault[reason];
        vx_stats_add(stats, &entry);
    }
}

static void declare_invalidations(vx_stats *stats, vx_iommu_counts *counts)
{
    static const char *const names[16] = {[VX_VTD_DESC_CONTEXT] = "context",
                                          [VX_VTD_DESC_IOTLB] = "iotlb",
                                          [VX_VTD_DESC_DEVICE] = "device",
                                          [VX_VTD_DESC_INTERRUPT] = "interrupt",
                                          [VX_VTD_DESC_WAIT] = "wait",
                                          [VX_VTD_DESC_PASID_IOTLB] = "pasid_iotlb",
                                          [VX_VTD_DESC_PASID_CACHE] = "pasid_cache",
                                          [VX_VTD_DESC_PASID_DEVICE] = "pasid_device",
                                          [VX_VTD_DESC_PAGE_RESPONSE] = "page_response"};
    for (unsigned type = 1; type <= VX_VTD_DESC_PAGE_RESPONSE; type++)
        vx_stats_scalar(stats, &counts->descriptors[type], "descriptors", "descriptors executed",
                        "iommu.invalidation.descriptors.%s", names[type]);
    vx_stats_scalar(stats, &counts->descriptor_errors, "descriptors", "descriptors that stopped the queue",
                    "iommu.invalidation.errors");
    vx_stats_scalar(stats, &counts->register_commands, "commands", "invalidations through the registers",
                    "iommu.invalidation.register_commands");
    vx_stats_scalar(stats, &counts->invalidation_ticks, "ticks", "time that invalidations took",
                    "iommu.invalidation.ticks");
    vx_stats_scalar(stats, &counts->over_invalidated, "entries", "entries dropped that no invalidation named",
                    "iommu.invalidation.over_invalidated");
}

static void declare_interrupts(vx_stats *stats, vx_iommu_counts *counts)
{
    vx_stats_scalar(stats, &counts->interrupts_asked, "interrupts", "interrupt requests", "iommu.interrupts.count");
    vx_stats_scalar(stats, &counts->interrupts_delivered, "interrupts", "passed or remapped",
                    "iommu.interrupts.delivered");
    vx_stats_scalar(stats, &counts->interrupts_notified, "interrupts", "posted with a notification",
                    "iommu.interrupts.notified");
    vx_stats_scalar(stats, &counts->interrupts_posted, "interrupts", "posted without one", "iommu.interrupts.posted");
    vx_stats_scalar(stats, &counts->interrupts_blocked, "interrupts", "blocked", "iommu.interrupts.blocked");
    vx_stats_scalar(stats, &counts->page_requests, "requests", "page requests of devices", "iommu.page_requests.count");
    vx_stats_scalar(stats, &counts->page_requests_lost, "requests", "page requests refused or lost",
                    "iommu.page_requests.lost");
    vx_stats_scalar(stats, &counts->page_responses, "responses", "page-group responses",
                    "iommu.page_requests.responses");
    vx_stats_scalar(stats, &counts->spaces_evicted, "spaces", "pairs of domain and PASID beyond what tags can name",
                    "iommu.spaces_evicted");
}

void vx_iommu_declare(vx_iommu *iommu, vx_stats *stats)
{
    vx_iommu_counts *counts = &iommu->counts;
    declare_outcomes(stats, counts);
    declare_cache(stats, &counts->iotlb, "iotlb");
    declare_cache(stats, &counts->paging, "paging_structures");
    declare_cache(stats, &counts->context, "context_cache");
    declare_cache(stats, &counts->pasid, "pasid_cache");
    declare_cache(stats, &counts->interrupts, "interrupt_cache");
    declare_reads(stats, counts);
    declare_faults(stats, counts);
    declare_invalidations(stats, counts);
    declare_interrupts(stats, counts);
}

unsigned vx_iommu_identities(const vx_iommu *iommu, vx_identity *identities, unsigned room)
{
    const vx_iommu_counts *c = &iommu->counts;
    uint64_t reads = 0, reasons = 0;
    for (unsigned i = 0; i < VX_IO_READS; i++) reads += c->reads[i];
    for (unsigned i = 0; i < VX_VTD_FAULT_END; i++) reasons += c->by_fault[i];
    const vx_identity all[] = {
        {"DMA requests = sum over outcomes", c->requests,
         c->done + c->blocked + c->not_mapped + c->interrupt_writes + c->unsupported},
        {"IOTLB lookups = hits + misses", c->iotlb.lookups, c->iotlb.hits + c->iotlb.misses},
        {"IOTLB misses = walks", c->iotlb.misses, c->walks},
        {"paging-structure lookups = hits + misses", c->paging.lookups, c->paging.hits + c->paging.misses},
        {"context-cache lookups = hits + misses", c->context.lookups, c->context.hits + c->context.misses},
        {"PASID-cache lookups = hits + misses", c->pasid.lookups, c->pasid.hits + c->pasid.misses},
        {"interrupt-cache lookups = hits + misses", c->interrupts.lookups, c->interrupts.hits + c->interrupts.misses},
        {"IOMMU accesses = sum over what was read", c->accesses, reads},
        {"interrupts = sum over outcomes", c->interrupts_asked,
         c->interrupts_delivered + c->interrupts_posted + c->interrupts_notified + c->interrupts_blocked},
        {"faults = recorded + collapsed + lost + silent", c->faults,
         c->faults_recorded + c->faults_collapsed + c->faults_lost + c->faults_silent},
        {"faults = sum over reasons", c->faults, reasons},
    };
    unsigned count = sizeof all / sizeof *all;
    for (unsigned i = 0; i < count && i < room; i++) identities[i] = all[i];
    return count;
}
