/* Figures of a run, by their path in the report. */
#ifndef SIM_FIGURES_H
#define SIM_FIGURES_H

#include "test_support.h"
#include "vexit.h"

/* The test fails where there is none. */
static inline uint64_t figure(const vx_sim *sim, const char *path)
{
    uint64_t value = 0;
    if (!vx_sim_value(sim, path, &value)) fail_msg("no statistic %s", path);
    return value;
}

/* 0 where there is none. */
static inline uint64_t figure_or_0(const vx_sim *sim, const char *path)
{
    uint64_t value = 0;
    (void)vx_sim_value(sim, path, &value);
    return value;
}

#endif
