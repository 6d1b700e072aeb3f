/* A trace decoded into memory, and what is made of it: a source for simulations, and the reference loop that every
 * speed is set against. */
#ifndef BENCH_RECORDS_H
#define BENCH_RECORDS_H

#include "vx_trace.h"

typedef struct bench_records {
    vx_record *records; /* owned */
    size_t count, room;
    uint64_t references; /* fetched instructions, loads and stores */
    vx_trace_header header;
} bench_records;

/* Appends one record. */
vx_status bench_records_put(bench_records *all, const vx_record *record, vx_msg *msg);
/* Decodes a whole user-level trace; one with events is VX_ERR_INPUT. */
vx_status bench_records_read(bench_records *all, const char *path, vx_msg *msg);
void bench_records_fini(bench_records *all);

/* Reads the records in batches; they must outlive the source. `mark` (NULL: none) is called twice: when the batch that
 * begins with record `mark_at` is asked for, and when all have been executed and their end is. What a simulation does
 * at the end of a process (it gives back its pages) comes behind that. */
vx_status bench_records_open(vx_source **source, const bench_records *all, size_t mark_at, void (*mark)(void *context),
                             void *context, vx_msg *msg);

/* Reads them `passes` times over. */
vx_status bench_records_open_passes(vx_source **source, const bench_records *all, unsigned passes, vx_msg *msg);

/* The bare loop: first-level instruction and data TLBs of 64 entries in 4 ways, a second level of 1536 in 12, LRU, over
 * the records; no walk, no tags, no rights, no statistics but the number of misses of the second level. */
uint64_t bench_reference_loop(const bench_records *all);

#endif
