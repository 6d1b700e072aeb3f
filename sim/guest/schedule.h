/* When the modelled OS acts by itself (tick, end of slice, unmapping), and which trace it runs next: round robin over
 * those that have not ended. */
#ifndef VX_SCHEDULE_H
#define VX_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_arena.h"
#include "vx_config.h"
#include "vx_status.h"

/* A timer that is due at the multiples of its period. */
typedef struct vx_periodic {
    uint64_t period; /* instructions; 0: never due */
    uint64_t next;
} vx_periodic;

typedef struct vx_schedule {
    vx_periodic tick, slice, unmap, raise, nmi;
    uint64_t hold, lower; /* how long the task priority stays raised; when it falls, UINT64_MAX: it is not raised */
    bool *ended;          /* of each trace */
    unsigned traces, running_traces;
    unsigned current;
} vx_schedule;

/* VX_ERR_INPUT where the handler of `handler_instructions` fills a tick, a slice or the time between unmappings, so
 * that no user instruction would ever run. Memory from the arena. */
vx_status vx_schedule_init(vx_schedule *schedule, vx_arena *arena, const vx_cfg_guest *config, unsigned traces,
                           vx_msg *msg);

/* The next instruction count at which something is due; UINT64_MAX: never. */
uint64_t vx_schedule_next(const vx_schedule *schedule);

/* Lets time pass to `instructions`: what has come due since. */
typedef struct vx_schedule_due {
    bool tick, slice, unmap, raise, lower, nmi;
} vx_schedule_due;
vx_schedule_due vx_schedule_advance(vx_schedule *schedule, uint64_t instructions);

/* The running trace after the current one, which becomes current. At least one must run. */
unsigned vx_schedule_rotate(vx_schedule *schedule);

/* The current trace ends; false where it was the last. */
bool vx_schedule_end_current(vx_schedule *schedule);

#endif
