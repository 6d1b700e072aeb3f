/* The parts of `speed`: each adds its rows. */
#ifndef SPEED_PARTS_H
#define SPEED_PARTS_H

#include "bench_options.h"
#include "speed_rows.h"

enum { SPEED_REPEATS_MAX = 101 };

typedef struct speed_options {
    bench_options common;
    const char *trace; /* NULL: the shipped compiler's */
    unsigned repeats;
    const char *only;  /* one part; NULL: all */
    const char *json;  /* file to write; "-": standard output; NULL: none */
    const char *vexit; /* the program, for what is measured of a process */
} speed_options;

/* Where the trace is. */
const char *speed_trace(const speed_options *o, char *room, size_t bytes);

/* Bare loop, decoding, and simulations from file and from memory, with and without data caches: million references a
 * second. */
vx_status speed_references(const speed_options *o, speed_rows *rows, vx_msg *msg);
/* Missing walks a second, steady state and first touches apart. */
vx_status speed_walks(const speed_options *o, speed_rows *rows, vx_msg *msg);
/* How cost grows over three decades of references. */
vx_status speed_linear(const speed_options *o, speed_rows *rows, vx_msg *msg);
/* The same of walks. */
vx_status speed_linear_walks(const speed_options *o, speed_rows *rows, vx_msg *msg);
/* Memory, start-up, comparison, import and a system trace: processes of their own. */
vx_status speed_processes(const speed_options *o, speed_rows *rows, vx_msg *msg);

#endif
