#include "sample_run.h"

#include <string.h>

#include "vx_ledger.h"

static const char *const rows[] = {"gL1", "data"}, *const columns[] = {"nL2", "nL1", "guest"};
static const char *const approximate[] = {"latency", NULL}, *const warnings[] = {"made up", NULL};

static void add_grid(sample_run *s, const char *path, const uint64_t *cells)
{
    vx_stat stat = {.kind = VX_STAT_TABLE, .unit = "accesses", .doc = "A grid."};
    snprintf(stat.path, sizeof stat.path, "%s", path);
    stat.of.table.cells = cells;
    stat.of.table.rows = rows;
    stat.of.table.columns = columns;
    stat.of.table.row_count = 2;
    stat.of.table.column_count = 3;
    vx_stats_add(&s->stats, &stat);
}

static void add_reason(sample_run *s, const char *name, uint64_t figures[6])
{
    static const char *const leaves[] = {"number", "count", "hardware_cycles", "software_cycles", "min", "max"};
    for (unsigned i = 0; i < 6; i++) {
        vx_stat stat = {.kind = VX_STAT_SCALAR, .unit = "1", .doc = "Of a reason.", .shown_if = &figures[1]};
        stat.of.scalar = &figures[i];
        snprintf(stat.path, sizeof stat.path, "exits.by_reason.%s.%s", name, leaves[i]);
        vx_stats_add(&s->stats, &stat);
    }
}

static void add_cycles(sample_run *s)
{
    vx_stats_scalar(&s->stats, &s->cycles, "ticks", "All.", "cycles.total");
    vx_stats_labelled(&s->stats, s->ticks, vx_cause_names(), VX_CAUSES, "ticks", "By cause.", "cycles.by_cause");
}

static void add_tlb(sample_run *s)
{
    static const char *const pages[] = {"4k", "2m", "4m", "1g"};
    vx_stat class = {
        .path = "tlb.dtlb0.class", .kind = VX_STAT_TEXT, .unit = "1", .doc = "Its class.", .of.text = "l1d"};
    vx_stats_add(&s->stats, &class);
    vx_stats_scalar(&s->stats, &s->lookups, "lookups", "Lookups.", "tlb.dtlb0.lookups");
    vx_stats_scalar(&s->stats, &s->hits, "lookups", "Hits.", "tlb.dtlb0.hits");
    vx_stats_scalar(&s->stats, &s->misses, "lookups", "Misses.", "tlb.dtlb0.misses");
    for (size_t i = 0; i < 4; i++) {
        vx_stats_scalar(&s->stats, &s->by_page[2 * i], "lookups", "Hits.", "tlb.dtlb0.by_page_size.%s.hits", pages[i]);
        vx_stats_scalar(&s->stats, &s->by_page[2 * i + 1], "entries", "Fills.", "tlb.dtlb0.by_page_size.%s.fills",
                        pages[i]);
    }
    vx_stats_scalar(&s->stats, &s->retries, "lookups", "Again.", "tlb.retries");
}

static void add_walks(sample_run *s)
{
    vx_stats_scalar(&s->stats, &s->walks, "walks", "Walks.", "walks.count");
    vx_stats_scalar(&s->stats, &s->aborted, "walks", "Aborted.", "walks.aborted");
    vx_stats_scalar(&s->stats, &s->accesses, "accesses", "Accesses.", "walks.accesses");
    add_grid(s, "walks.grid.accesses", s->grid);
    add_grid(s, "walks.grid.skipped", s->skipped);
    add_grid(s, "walks.grid.cycles", s->grid_ticks);
    vx_stats_scalar(&s->stats, &s->ad_writes, "writes", "Flags.", "walks.ad_writes");
    vx_stat stat = {.path = "walks.per_walk", .kind = VX_STAT_HISTOGRAM, .unit = "walks", .doc = "By length."};
    stat.of.histogram = &s->per_walk;
    vx_stats_add(&s->stats, &stat);
}

static void fill(sample_run *s)
{
    s->cycles = 1234567;
    s->ticks[VX_CAUSE_GUEST_INSTRUCTIONS] = 1000000;
    s->ticks[VX_CAUSE_WALK_NESTED] = 234567;
    s->instructions = 800000;
    s->references = 1000000;
    s->lookups = 1000000;
    s->hits = 999997;
    s->misses = 3;
    s->by_page[0] = 999997;
    s->by_page[1] = 3;
    s->walks = 3;
    s->accesses = 85;
    s->ad_writes = 2;
    memcpy(s->grid, (const uint64_t[]){20, 20, 30, 10, 5, 0}, sizeof s->grid);
    memcpy(s->skipped, (const uint64_t[]){1, 0, 0, 0, 0, 0}, sizeof s->skipped);
    memcpy(s->grid_ticks, (const uint64_t[]){200, 200, 300, 100, 50, 0}, sizeof s->grid_ticks);
    vx_histogram_add(&s->per_walk, 0);
    vx_histogram_add(&s->per_walk, 15);
    vx_histogram_add(&s->per_walk, 70);
    s->exits = 2;
    memcpy(s->reason, (const uint64_t[]){48, 2, 2000, 1000, 1400, 1600}, sizeof s->reason);
    memcpy(s->other_reason, (const uint64_t[]){12, 0, 0, 0, UINT64_MAX, 0}, sizeof s->other_reason);
    s->identities[0] = (vx_identity){"exits = sum over reasons", 2, 2};
    s->identities[1] = (vx_identity){"walk accesses = sum over the grid", 85, 85};
}

void sample_run_init(sample_run *s)
{
    *s = (sample_run){.cycles = 0};
    fill(s);
    vx_stats_init(&s->stats);
    vx_stats_scalar(&s->stats, &s->instructions, "instructions", "Instructions.", "instructions");
    vx_stats_scalar(&s->stats, &s->references, "references", "References.", "references");
    add_cycles(s);
    vx_stats_scalar(&s->stats, &s->exits, "exits", "Exits.", "exits.total");
    add_reason(s, "HLT", s->other_reason);
    add_reason(s, "EPT_VIOLATION", s->reason);
    add_tlb(s);
    add_walks(s);
    vx_stats_ratio(&s->stats, &s->accesses, &s->walks, 1.0, "1", "A ratio.", "derived.accesses_per_walk");
    vx_stats_ratio(&s->stats, &s->misses, &s->instructions, 1000.0, "1", "A ratio.",
                   "derived.misses_per_kilo_instruction");
    vx_stats_ratio(&s->stats, &s->misses, &s->zero, 1.0, "1", "A ratio.", "derived.of_nothing");
    s->run = (vx_report_run){.name = "ept+vpid",
                             .scheme = "ept",
                             .cpu = "nehalem",
                             .vmm = "textbook",
                             .vpid = true,
                             .seed = 7,
                             .approximate = approximate,
                             .warnings = warnings,
                             .stats = &s->stats,
                             .identities = s->identities,
                             .identity_count = 2};
}

void sample_run_fini(sample_run *s) { vx_stats_fini(&s->stats); }
