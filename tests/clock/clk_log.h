/* What a run of the clock did, as plain values that a forked child leaves in shared memory. */
#ifndef VX_TEST_CLK_LOG_H
#define VX_TEST_CLK_LOG_H

#include <stdbool.h>

#include "vx_clk.h"

enum { CLK_LOG_ENTRIES = 20000, CLK_LOG_NOTES = 64 };

typedef enum clk_log_kind { CLK_LOG_STEP, CLK_LOG_TIMER, CLK_LOG_END } clk_log_kind;

/* A step or callback; or the end of a run (order: vx_clk_end, horizon: vx_status). */
typedef struct clk_log_entry {
    clk_log_kind kind;
    uint32_t order;
    vx_tick now, horizon;
} clk_log_entry;

typedef struct clk_log {
    uint32_t count; /* entries asked for; beyond CLK_LOG_ENTRIES they are counted, not kept */
    uint32_t notes;
    clk_log_entry at[CLK_LOG_ENTRIES];
    uint64_t note[CLK_LOG_NOTES]; /* whatever a scenario wants to tell */
    vx_clk_counts counts;
    vx_msg msg;
    bool finished; /* the scenario returned */
} clk_log;

/* A scenario opens a clock of the kind, runs it and tells what happened; it asserts nothing itself, since it may run in
 * a child. `self` is the caller's. */
typedef void (*clk_scenario)(const char *kind, clk_log *log, const void *self);

/* Runs the scenario in this process. The log is the caller's to free with clk_log_free. */
clk_log *clk_log_here(const char *kind, clk_scenario scenario, const void *self);

/* The same in a forked child, as every "systemc" run must be. NULL: the child did not end well. */
clk_log *clk_log_in_child(const char *kind, clk_scenario scenario, const void *self);

void clk_log_free(clk_log *log);

/* For scenarios: an observer (self: the log), a run whose end is logged, a note. */
void clk_log_event(void *log, const vx_clk_event *event);
vx_status clk_log_run(vx_clk *clk, vx_tick until, clk_log *log);
void clk_log_note(clk_log *log, uint64_t value);

/* The index of the first entry in which the two differ, or -1. */
int clk_log_difference(const clk_log *a, const clk_log *b);

#endif
