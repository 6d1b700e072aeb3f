/* A registry with every kind of entry, filled with made-up figures that agree with each other, and its run. */
#ifndef SAMPLE_RUN_H
#define SAMPLE_RUN_H

#include "vx_report.h"

typedef struct sample_run {
    vx_stats stats;
    vx_report_run run; /* refers into this struct */
    uint64_t cycles, ticks[12];
    uint64_t instructions, references;
    uint64_t lookups, hits, misses, by_page[8], retries;
    uint64_t walks, aborted, accesses, ad_writes;
    uint64_t grid[6], skipped[6], grid_ticks[6];
    vx_histogram per_walk;
    uint64_t exits, reason[6], other_reason[6];
    uint64_t zero;
    vx_identity identities[2];
} sample_run;

/* The registry and its run; the caller ends it with sample_run_fini. */
void sample_run_init(sample_run *sample);
void sample_run_fini(sample_run *sample);

#endif
