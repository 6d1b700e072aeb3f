/* Simulated time and the step function that every process is (docs/rooms/clock.md). */
#ifndef VX_TICK_H
#define VX_TICK_H

#include <stdint.h>

/* One cycle of the simulated CPU's clock. */
typedef uint64_t vx_tick;

/* "Does not want to run again by itself." */
#define VX_TICK_NEVER UINT64_MAX

/* Runs a process from `now` up to `horizon` at the most (both in ticks, now <= horizon) and returns the tick at which
 * it wants to run next, or VX_TICK_NEVER. It may overshoot the horizon by one reference. */
typedef vx_tick (*vx_step_fn)(void *self, vx_tick now, vx_tick horizon);

#endif
