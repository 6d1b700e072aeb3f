/* Simulated time and concurrent processes (docs/rooms/clock.md).
 *
 * A process is a step function run to completion (vx_tick.h); a timer is a one-shot callback. Timers are hard: they run
 * at their tick, and no process is asked to run past it. Processes are soft: each runs ahead of the others by up to a
 * quantum, so that the kernel is entered once per quantum and not once per reference.
 *
 *     horizon = min(start of the step + quantum, next armed timer, end of the run)
 *
 * and without the quantum where no other process is armed. The order of events is by tick, at equal ticks timers before
 * processes, then order of creation. Both kinds of clock give identical sequences of events:
 *
 *     "heap"      plain C; any number at a time
 *     "systemc"   over SystemC; one in the life of an OS process, also after it was closed
 *
 * A step that arms a timer, or kicks a process, at a tick before its own horizon has moved that horizon: it asks
 * vx_clk_horizon for the new one after whatever may do so. A process that was kicked while it had run ahead is called
 * with a `now` before its own time; it continues from its own time, and the difference is the kick's lateness. What
 * must reach another process on time (an interprocessor interrupt) is a timer whose callback kicks, armed at least a
 * quantum ahead.
 *
 * Nothing here is safe to call from several threads. The run loop allocates nothing ("heap") or what SystemC does. */
#ifndef VX_CLK_H
#define VX_CLK_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_status.h"
#include "vx_tick.h"

#define VX_CLK_QUANTUM_DEFAULT 1000U /* ticks */

typedef struct vx_clk vx_clk;
typedef struct vx_clk_process vx_clk_process;
typedef struct vx_clk_timer vx_clk_timer;

/* A timer's callback. `now` is the tick at which it was armed (later where that was already past). It may arm timers,
 * itself included, kick processes and stop the clock; it may not run it. Two timers that always re-arm each other at
 * `now` never let time pass. */
typedef void (*vx_clk_timer_fn)(void *self, vx_tick now);

/* The name of the n-th kind, or NULL past the last. The first is the default. */
const char *vx_clk_kind(unsigned n);

/* Opens a clock at tick 0. kind: one of vx_clk_kind, NULL the default. quantum: ticks, at least 1.
 * VX_ERR_INPUT: unknown kind, quantum 0, or a second "systemc" clock in this OS process; VX_ERR_NOMEM. */
vx_status vx_clk_open(vx_clk **clk, const char *kind, vx_tick quantum, vx_msg *msg);

/* Frees the clock, its processes and timers (not their `self`). NULL is allowed. Not from within a step or callback. */
void vx_clk_close(vx_clk *clk);

/* Processes and timers are added before the first run (VX_ERR_INPUT after it) and live as long as the clock. They start
 * unarmed. `name` is copied (up to 31 characters) and appears in messages and events; `self` must outlive the clock. */
vx_status vx_clk_add_process(vx_clk *clk, const char *name, vx_step_fn step, void *self, vx_clk_process **process,
                             vx_msg *msg);
vx_status vx_clk_add_timer(vx_clk *clk, const char *name, vx_clk_timer_fn fn, void *self, vx_clk_timer **timer,
                           vx_msg *msg);

/* Lets the process run at `at`, or earlier where it is armed earlier. A tick before vx_clk_now counts as now, and is
 * counted as late. From a step this may be the process's own. VX_TICK_NEVER changes nothing. */
void vx_clk_kick(vx_clk_process *process, vx_tick at);

/* Sets the tick at which the timer calls; replaces an earlier one. VX_TICK_NEVER disarms. Late as for a kick. */
void vx_clk_arm(vx_clk_timer *timer, vx_tick at);

/* When it runs next; VX_TICK_NEVER where it is not armed. */
vx_tick vx_clk_due(const vx_clk_timer *timer);

typedef enum vx_clk_end {
    VX_CLK_REACHED, /* `until`: now is `until` */
    VX_CLK_IDLE,    /* nothing is armed: now is the tick of the last event */
    VX_CLK_STOPPED  /* vx_clk_stop was called: now is the tick of the event that called it */
} vx_clk_end;

/* Runs every event before `until` (ticks; VX_TICK_NEVER: until idle or stopped); may be called again to go on. `end`
 * may be NULL. VX_ERR_CHECK: a step asked to run again at or before the tick it was called at, which never ends, or
 * SystemC reported an error; the clock can only be closed then. */
vx_status vx_clk_run(vx_clk *clk, vx_tick until, vx_clk_end *end, vx_msg *msg);

/* Ends the run after the current step or callback. Outside of a run it does nothing. Safe in a step or callback, not in
 * a signal handler. */
void vx_clk_stop(vx_clk *clk);

/* The tick of the current event; between runs as vx_clk_end says. */
vx_tick vx_clk_now(const vx_clk *clk);

/* Ticks, as given at opening or by default. */
vx_tick vx_clk_quantum(const vx_clk *clk);

/* For the process that is being stepped: how far it may run as things stand now. Otherwise vx_clk_now. */
vx_tick vx_clk_horizon(const vx_clk *clk);

typedef struct vx_clk_counts {
    uint64_t steps;         /* of processes */
    uint64_t timers;        /* callbacks of timers */
    uint64_t late;          /* kicks and arms for a tick before now */
    vx_tick late_ticks_max; /* the most any of them was late */
} vx_clk_counts;

/* Since the clock was opened. */
vx_clk_counts vx_clk_counted(const vx_clk *clk);

/* One entry of the event sequence. */
typedef struct vx_clk_event {
    vx_tick now;
    vx_tick horizon;  /* of a process's step; a timer's is its tick */
    uint32_t order;   /* of creation, processes and timers together, from 0 */
    bool hard;        /* timer */
    const char *name; /* lives as long as the clock */
} vx_clk_event;

/* Calls `fn` before each step and callback, in order. NULL: no more. For tests and traces of the simulator itself. */
void vx_clk_observe(vx_clk *clk, void (*fn)(void *self, const vx_clk_event *event), void *self);

#endif
