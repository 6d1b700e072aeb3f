/* Counters of the IOMMU: declared for reports, checked against each other. */
#include <stdio.h>

#include "iommu_private.h"

const vx_iommu_counts *vx_iommu_counted(const vx_iommu *iommu) { return &iommu->counts; }

void vx_iommu_counts_reset(vx_iommu *iommu) { iommu->counts = (vx_iommu_counts){0}; }

static void declare_cache(vx_stats *stats, vx_io_cache_counts *counts, const char *prefix)
{
    static const vx_stat_row rows[] = {
        VX_STAT_ROW(vx_io_cache_counts, lookups, "lookups", "lookups", "lookups"),
        VX_STAT_ROW(vx_io_cache_counts, hits, "hits", "lookups", "lookups that it answered"),
        VX_STAT_ROW(vx_io_cache_counts, misses, "misses", "lookups", "lookups that it did not answer"),
        VX_STAT_ROW(vx_io_cache_counts, fills, "fills", "entries", "entries put in"),
        VX_STAT_ROW(vx_io_cache_counts, evictions, "evictions", "entries", "entries that a fill displaced"),
        VX_STAT_ROW(vx_io_cache_counts, dropped, "dropped", "entries", "entries that invalidations dropped"),
    };
    vx_stats_rows(stats, counts, prefix, rows, sizeof rows / sizeof *rows);
}

static void declare_outcomes(vx_stats *stats, vx_iommu_counts *counts)
{
    static const vx_stat_row rows[] = {
        VX_STAT_ROW(vx_iommu_counts, requests, "requests", "requests", "DMA requests of all types"),
        VX_STAT_ROW(vx_iommu_counts, done, "done", "requests", "requests that went on to memory"),
        VX_STAT_ROW(vx_iommu_counts, untouched, "untouched", "requests", "among them: translation was off"),
        VX_STAT_ROW(vx_iommu_counts, blocked, "blocked", "requests", "requests that faulted"),
        VX_STAT_ROW(vx_iommu_counts, not_mapped, "not_mapped", "requests",
                    "translation requests answered without a translation"),
        VX_STAT_ROW(vx_iommu_counts, interrupt_writes, "interrupt_writes", "requests", "writes that are interrupts"),
        VX_STAT_ROW(vx_iommu_counts, unsupported, "unsupported", "requests", "reads of the interrupt range"),
        VX_STAT_ROW(vx_iommu_counts, walks, "walks", "walks", "walks of page tables"),
        VX_STAT_ROW(vx_iommu_counts, accesses, "accesses", "accesses",
                    "reads of table entries and descriptors in memory"),
        VX_STAT_ROW(vx_iommu_counts, ad_writes, "ad_writes", "writes", "updates of A and D flags"),
    };
    vx_stats_rows(stats, counts, "iommu.", rows, sizeof rows / sizeof *rows);
}

static void declare_reads(vx_stats *stats, vx_iommu_counts *counts)
{
    static const char *const names[VX_IO_READS] = {
        "root",      "context",   "pasid_directory", "pasid",     "first_L5",  "first_L4",
        "first_L3",  "first_L2",  "first_L1",        "second_L5", "second_L4", "second_L3",
        "second_L2", "second_L1", "interrupt",       "posted",    "queue"};
    vx_stats_labelled(stats, counts->reads, names, VX_IO_READS, "accesses", "accesses by what was read", "iommu.reads");
}

static void declare_faults(vx_stats *stats, vx_iommu_counts *counts)
{
    static const vx_stat_row rows[] = {
        VX_STAT_ROW(vx_iommu_counts, faults, "faults.count", "faults", "faults of DMA and interrupts"),
        VX_STAT_ROW(vx_iommu_counts, faults_recorded, "faults.recorded", "faults", "faults recorded"),
        VX_STAT_ROW(vx_iommu_counts, faults_collapsed, "faults.collapsed", "faults",
                    "faults whose source-id had a pending record"),
        VX_STAT_ROW(vx_iommu_counts, faults_lost, "faults.lost", "faults", "faults for which no record was free"),
        VX_STAT_ROW(vx_iommu_counts, faults_silent, "faults.silent", "faults", "faults whose entry disables recording"),
    };
    vx_stats_rows(stats, counts, "iommu.", rows, sizeof rows / sizeof *rows);
    for (unsigned reason = 1; reason < VX_VTD_FAULT_END; reason++) {
        if (!vx_vtd_fault_text(reason)) continue;
        char path[40];
        snprintf(path, sizeof path, "iommu.faults.by_reason.%02Xh", reason);
        vx_stats_scalar_if_any(stats, &counts->by_fault[reason], "faults", vx_vtd_fault_text(reason), path);
    }
}

static void declare_invalidations(vx_stats *stats, vx_iommu_counts *counts)
{
    static const vx_stat_row rows[] = {
        VX_STAT_ROW(vx_iommu_counts, descriptor_errors, "invalidation.errors", "descriptors",
                    "descriptors that stopped the queue"),
        VX_STAT_ROW(vx_iommu_counts, register_commands, "invalidation.register_commands", "commands",
                    "invalidations through the registers"),
        VX_STAT_ROW(vx_iommu_counts, invalidation_ticks, "invalidation.ticks", "ticks", "time that invalidations took"),
        VX_STAT_ROW(vx_iommu_counts, over_invalidated, "invalidation.over_invalidated", "entries",
                    "entries dropped that no invalidation named"),
    };
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
    vx_stats_rows(stats, counts, "iommu.", rows, sizeof rows / sizeof *rows);
}

static void declare_interrupts(vx_stats *stats, vx_iommu_counts *counts)
{
    static const vx_stat_row rows[] = {
        VX_STAT_ROW(vx_iommu_counts, interrupts_asked, "interrupts.count", "interrupts", "interrupt requests"),
        VX_STAT_ROW(vx_iommu_counts, interrupts_delivered, "interrupts.delivered", "interrupts", "passed or remapped"),
        VX_STAT_ROW(vx_iommu_counts, interrupts_notified, "interrupts.notified", "interrupts",
                    "posted with a notification"),
        VX_STAT_ROW(vx_iommu_counts, interrupts_posted, "interrupts.posted", "interrupts", "posted without one"),
        VX_STAT_ROW(vx_iommu_counts, interrupts_blocked, "interrupts.blocked", "interrupts", "blocked"),
        VX_STAT_ROW(vx_iommu_counts, page_requests, "page_requests.count", "requests", "page requests of devices"),
        VX_STAT_ROW(vx_iommu_counts, page_requests_lost, "page_requests.lost", "requests",
                    "page requests refused or lost"),
        VX_STAT_ROW(vx_iommu_counts, page_responses, "page_requests.responses", "responses", "page-group responses"),
        VX_STAT_ROW(vx_iommu_counts, spaces_evicted, "spaces_evicted", "spaces",
                    "pairs of domain and PASID beyond what tags can name"),
    };
    vx_stats_rows(stats, counts, "iommu.", rows, sizeof rows / sizeof *rows);
}

void vx_iommu_declare(vx_iommu *iommu, vx_stats *stats)
{
    vx_iommu_counts *counts = &iommu->counts;
    declare_outcomes(stats, counts);
    declare_cache(stats, &counts->iotlb, "iommu.iotlb.");
    declare_cache(stats, &counts->paging, "iommu.paging_structures.");
    declare_cache(stats, &counts->context, "iommu.context_cache.");
    declare_cache(stats, &counts->pasid, "iommu.pasid_cache.");
    declare_cache(stats, &counts->interrupts, "iommu.interrupt_cache.");
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
