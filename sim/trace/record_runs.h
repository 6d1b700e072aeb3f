/* Records in runs: how a source that knows how its records repeat hands them to the writer, which then need not look at
 * each. A run is what a block of code did once; its shape is all of that but the addresses of the loads and stores. */
#ifndef RECORD_RUNS_H
#define RECORD_RUNS_H

#include "vx_trace.h"

enum { VXT_SHAPE_RECORDS = 64 }; /* at most */

typedef struct vxt_shape {
    uint32_t first; /* of its records */
    uint32_t instructions;
    uint64_t counts; /* of records and, of these, fetches, loads and stores: 16 bits each, to be added at once */
} vxt_shape;
enum { VXT_SHAPE_FETCHES = 16, VXT_SHAPE_LOADS = 32, VXT_SHAPE_STORES = 48 };

static inline unsigned vxt_shape_records(const vxt_shape *shape) { return (uint16_t)shape->counts; }

/* Runs in program order. Shape 0 is one event; the others are valid fetches, loads and stores. Memory belongs to the
 * source and lives until its next call. */
typedef struct vxt_runs {
    const uint32_t *runs; /* the number of each one's shape */
    size_t count;         /* 0: end of the stream */
    const vxt_shape *shapes;
    uint32_t shape_count;
    uint32_t shaping;          /* while it is the same, a number is the same shape */
    const vx_record *records;  /* the shapes' */
    const uint64_t *addresses; /* of the runs' loads and stores, one after the other */
    const vx_record *events;   /* of the runs of shape 0 */
    const uint64_t *payload;
    size_t words;
} vxt_runs;

/* How far into runs their reader is. */
typedef struct vxt_runs_place {
    size_t run, address, event;
} vxt_runs_place;

/* The records of the next run; at most VXT_SHAPE_RECORDS, whose number it gives. */
size_t vxt_runs_expand(const vxt_runs *runs, vxt_runs_place *place, vx_record *records);

/* Adds the `count` runs from `place` on to the totals. */
void vxt_runs_total(const vxt_runs *runs, const vxt_runs_place *place, size_t count, vx_trace_totals *totals);

/* Whether records of the source can be had as runs, by vxt_source_next_runs. */
bool vxt_source_has_runs(const vx_source *source);
/* As vx_source_next. */
vx_status vxt_source_next_runs(vx_source *source, vxt_runs *runs, vx_msg *msg);

/* As vx_trace_writer_put. */
vx_status vxt_writer_put_runs(vx_trace_writer *writer, uint32_t stream, const vxt_runs *runs, vx_msg *msg);

#endif
