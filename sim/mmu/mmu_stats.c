/* Counters of the MMU: brought up to date, declared for reports, checked against each other. */
#include <stdio.h>
#include <string.h>

#include "mmu_private.h"

static const char *const grid_rows[VX_GRID] = {"gL5", "gL4", "gL3", "gL2", "gL1", "data"};
static const char *const grid_columns[VX_GRID] = {"nL5", "nL4", "nL3", "nL2", "nL1", "guest"};

const vx_mmu_counts *vx_mmu_counts_now(vx_mmu *mmu)
{
    vx_tally_settle(mmu);
    for (unsigned i = 0; i < mmu->tlb_count; i++) {
        vx_tlb *tlb = &mmu->tlb[i];
        vx_tlb_counts *counts = tlb->counts;
        uint64_t hits = 0;
        for (unsigned size = 0; size < VX_PAGE_SIZES; size++) hits += tlb->unit.hits_by_page[size];
        memcpy(counts->hits_by_page, tlb->unit.hits_by_page, sizeof counts->hits_by_page);
        counts->lookups = tlb->cold_lookups + (hits - tlb->cold_hits);
        counts->hits = hits;
    }
    return &mmu->counts;
}

void vx_mmu_counts_reset(vx_mmu *mmu)
{
    vx_tally_settle(mmu);
    mmu->counts = (vx_mmu_counts){0};
    mmu->charged_walk_ticks = 0;
    for (unsigned i = 0; i < mmu->tlb_count; i++) {
        vx_tlb *tlb = &mmu->tlb[i];
        memset(tlb->unit.hits_by_page, 0, sizeof tlb->unit.hits_by_page);
        tlb->cold_hits = tlb->cold_lookups = 0;
    }
}

/* ---- totals ---- */

static void add_tlb(vx_tlb_counts *total, const vx_tlb_counts *part)
{
    total->lookups += part->lookups;
    total->hits += part->hits;
    total->misses += part->misses;
    for (unsigned size = 0; size < VX_PAGE_SIZES; size++) {
        total->hits_by_page[size] += part->hits_by_page[size];
        total->fills_by_page[size] += part->fills_by_page[size];
    }
}

static void add_grids(vx_mmu_counts *total, const vx_mmu_counts *part)
{
    for (unsigned row = 0; row < VX_GRID; row++)
        for (unsigned column = 0; column < VX_GRID; column++) {
            total->accesses[row][column] += part->accesses[row][column];
            total->skipped[row][column] += part->skipped[row][column];
            total->ticks[row][column] += part->ticks[row][column];
        }
}

void vx_mmu_counts_add(vx_mmu_counts *total, const vx_mmu_counts *part)
{
    for (unsigned i = 0; i < VX_CFG_TLBS; i++) add_tlb(&total->tlb[i], &part->tlb[i]);
    total->walks += part->walks;
    total->walks_aborted += part->walks_aborted;
    total->gpa_walks += part->gpa_walks;
    total->walk_accesses += part->walk_accesses;
    add_grids(total, part);
    total->ad_writes += part->ad_writes;
    vx_histogram_merge(&total->per_walk, &part->per_walk);
    total->psc_lookups += part->psc_lookups;
    total->psc_hits += part->psc_hits;
    total->ntlb_lookups += part->ntlb_lookups;
    total->ntlb_hits += part->ntlb_hits;
    for (unsigned i = 0; i < VX_CFG_CACHES; i++) {
        total->cache_lookups[i] += part->cache_lookups[i];
        total->cache_hits[i] += part->cache_hits[i];
    }
    for (unsigned op = 0; op < VX_OPS; op++) {
        total->flushes[op] += part->flushes[op];
        total->flushed_entries[op] += part->flushed_entries[op];
    }
}

/* ---- declaration ---- */

static void declare_tlb(vx_tlb_counts *counts, const vx_cfg_tlb *config, vx_stats *stats)
{
    static const char *const word[VX_TLB_CLASSES] = {"l1d", "l1i", "l2"};
    vx_stat class = {
        .kind = VX_STAT_TEXT, .unit = "1", .doc = "level of this unit: l1d, l1i or l2", .of.text = word[config->level]};
    snprintf(class.path, sizeof class.path, "tlb.%s.class", config->name);
    vx_stats_add(stats, &class);
    vx_stats_scalar(stats, &counts->lookups, "lookups", "lookups in this unit", "tlb.%s.lookups", config->name);
    vx_stats_scalar(stats, &counts->hits, "lookups", "lookups that found a usable translation", "tlb.%s.hits",
                    config->name);
    vx_stats_scalar(stats, &counts->misses, "lookups", "lookups that found none, or one without the rights",
                    "tlb.%s.misses", config->name);
    for (unsigned size = 0; size < VX_PAGE_SIZES; size++) {
        const char *page = vx_page_size_name((vx_page_size)size);
        vx_stats_scalar(stats, &counts->hits_by_page[size], "lookups", "hits by the entry's page size",
                        "tlb.%s.by_page_size.%s.hits", config->name, page);
        vx_stats_scalar(stats, &counts->fills_by_page[size], "entries", "fills by the entry's page size",
                        "tlb.%s.by_page_size.%s.fills", config->name, page);
    }
}

static void declare_grid(vx_stats *stats, const char *path, const char *unit, const char *doc,
                         uint64_t cells[VX_GRID][VX_GRID])
{
    vx_stat table = {.kind = VX_STAT_TABLE, .unit = unit, .doc = doc};
    snprintf(table.path, sizeof table.path, "%s", path);
    table.of.table.cells = &cells[0][0];
    table.of.table.rows = grid_rows;
    table.of.table.columns = grid_columns;
    table.of.table.row_count = table.of.table.column_count = VX_GRID;
    vx_stats_add(stats, &table);
}

static void declare_walks(vx_mmu_counts *counts, vx_stats *stats)
{
    vx_stats_scalar(stats, &counts->walks, "walks", "page walks begun", "walks.count");
    vx_stats_scalar(stats, &counts->walks_aborted, "walks", "walks that ended in a fault", "walks.aborted");
    vx_stats_scalar(stats, &counts->gpa_walks, "walks", "walks of a guest-physical address alone", "walks.gpa");
    vx_stats_scalar(stats, &counts->walk_accesses, "accesses",
                    "page-table entry reads that reach the cache hierarchy, aborted walks' included", "walks.accesses");
    declare_grid(stats, "walks.grid.accesses", "accesses", "accesses by guest level and nested level",
                 counts->accesses);
    declare_grid(stats, "walks.grid.skipped", "accesses",
                 "accesses that the walker's caches saved, by guest level and nested level", counts->skipped);
    declare_grid(stats, "walks.grid.cycles", "ticks", "exposed cycles by guest level and nested level", counts->ticks);
    vx_stats_scalar(stats, &counts->ad_writes, "writes",
                    "updates of A and D flags in entries of either dimension; no accesses", "walks.ad_writes");
    vx_stat histogram = {.path = "walks.per_walk",
                         .kind = VX_STAT_HISTOGRAM,
                         .unit = "walks",
                         .doc = "walks by their number of accesses",
                         .of.histogram = &counts->per_walk};
    vx_stats_add(stats, &histogram);
}

static void declare_caches(vx_mmu_counts *counts, vx_stats *stats)
{
    static const char *const level[VX_CFG_CACHES] = {"l1d", "l2", "l3"};
    vx_stats_scalar(stats, &counts->psc_lookups, "lookups", "lookups in the paging-structure or page-walk caches",
                    "caches.psc.lookups");
    vx_stats_scalar(stats, &counts->psc_hits, "lookups", "lookups that a paging-structure or page-walk cache answered",
                    "caches.psc.hits");
    vx_stats_scalar(stats, &counts->ntlb_lookups, "lookups", "lookups in the nested TLB", "caches.ntlb.lookups");
    vx_stats_scalar(stats, &counts->ntlb_hits, "lookups", "lookups that the nested TLB answered", "caches.ntlb.hits");
    for (unsigned i = 0; i < VX_CFG_CACHES; i++) {
        vx_stats_scalar(stats, &counts->cache_lookups[i], "lookups",
                        "page-table entries and data looked up in this data cache", "caches.%s.lookups", level[i]);
        vx_stats_scalar(stats, &counts->cache_hits[i], "lookups", "page-table entries and data found in it",
                        "caches.%s.hits", level[i]);
    }
}

static void declare_flushes(vx_mmu_counts *counts, vx_stats *stats)
{
    for (unsigned op = 0; op < VX_OPS; op++) {
        const char *name = vx_mmu_op_name((vx_mmu_op)op);
        vx_stats_scalar(stats, &counts->flushes[op], "operations", "invalidations by this operation",
                        "tlb.flushes.%s.count", name);
        vx_stats_scalar(stats, &counts->flushed_entries[op], "entries", "TLB entries that this operation dropped",
                        "tlb.flushes.%s.entries", name);
    }
}

void vx_mmu_counts_declare(vx_mmu_counts *counts, const vx_cfg_cpu *cpu, vx_stats *stats)
{
    for (unsigned i = 0; i < cpu->tlb_count; i++) declare_tlb(&counts->tlb[i], &cpu->tlb[i], stats);
    declare_walks(counts, stats);
    declare_caches(counts, stats);
    declare_flushes(counts, stats);
}

void vx_mmu_declare(vx_mmu *mmu, vx_stats *stats) { vx_mmu_counts_declare(&mmu->counts, mmu->cpu, stats); }

/* ---- identities ---- */

static uint64_t sum(const uint64_t cells[VX_GRID][VX_GRID])
{
    uint64_t total = 0;
    for (unsigned row = 0; row < VX_GRID; row++)
        for (unsigned column = 0; column < VX_GRID; column++) total += cells[row][column];
    return total;
}

static uint64_t of_class(const vx_mmu *mmu, bool second, uint64_t (*figure)(const vx_tlb_counts *))
{
    uint64_t total = 0;
    for (unsigned i = 0; i < mmu->tlb_count; i++)
        if ((mmu->tlb[i].config->level == VX_TLB_L2) == second) total += figure(&mmu->counts.tlb[i]);
    return total;
}

static uint64_t lookups(const vx_tlb_counts *counts) { return counts->lookups; }
static uint64_t answered(const vx_tlb_counts *counts) { return counts->hits + counts->misses; }
static uint64_t misses(const vx_tlb_counts *counts) { return counts->misses; }

unsigned vx_mmu_identities(vx_mmu *mmu, vx_identity *identities, unsigned room)
{
    const vx_mmu_counts *counts = vx_mmu_counts_now(mmu);
    uint64_t in_bins = 0;
    for (unsigned i = 0; i < VX_HISTOGRAM_BINS; i++) in_bins += counts->per_walk.bin[i];
    const vx_identity all[] = {
        {"first-level TLB lookups = hits + misses", of_class(mmu, false, lookups), of_class(mmu, false, answered)},
        {"second-level TLB lookups = hits + misses", of_class(mmu, true, lookups), of_class(mmu, true, answered)},
        {"walks = TLB misses without a second-level hit + guest-physical walks", counts->walks,
         of_class(mmu, false, misses) - (of_class(mmu, true, lookups) - of_class(mmu, true, misses)) +
             counts->gpa_walks},
        {"walk accesses = sum over the grid", counts->walk_accesses, sum(counts->accesses)},
        {"walk accesses = sum over walks of accesses a walk", counts->walk_accesses, counts->per_walk.sum},
        {"walks = sum over the bins of accesses a walk", counts->walks, in_bins},
        {"walk cycles charged = sum over the grid", mmu->charged_walk_ticks, sum(counts->ticks)},
    };
    unsigned count = sizeof all / sizeof *all;
    for (unsigned i = 0; i < count && i < room; i++) identities[i] = all[i];
    return count;
}
