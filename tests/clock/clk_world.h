/* A random world of processes and timers that do everything the clock allows, from one seed. */
#ifndef VX_TEST_CLK_WORLD_H
#define VX_TEST_CLK_WORLD_H

#include "clk_log.h"

typedef struct clk_world_options {
    uint64_t seed;
    vx_tick quantum;
    uint32_t max_events; /* after as many the world comes to rest */
} clk_world_options;

/* A clk_scenario; self: clk_world_options. */
void clk_world_run(const char *kind, clk_log *log, const void *options);

#endif
