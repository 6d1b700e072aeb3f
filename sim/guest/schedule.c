/* NOT MODELLED: priorities, blocking, idle time. */
#include "schedule.h"

#include <assert.h>
#include <inttypes.h>

static vx_status check_period(const char *name, uint64_t period, uint64_t handler, vx_msg *msg)
{
    if (period == 0 || period > handler) return VX_OK;
    return vx_fail(msg, VX_ERR_INPUT,
                   "vm.%s=%" PRIu64 " leaves no time for user code: must be more than vm.fault_instructions=%" PRIu64,
                   name, period, handler);
}

vx_status vx_schedule_init(vx_schedule *schedule, vx_arena *arena, const vx_cfg_guest *config, unsigned traces,
                           vx_msg *msg)
{
    vx_status status = check_period("tick_instructions", config->tick_instructions, config->fault_instructions, msg);
    if (status == VX_OK)
        status = check_period("unmap_instructions", config->unmap_instructions, config->fault_instructions, msg);
    if (status == VX_OK && traces > 1)
        status = check_period("slice_instructions", config->slice_instructions, config->fault_instructions, msg);
    const vx_cfg_priority *priority = &config->priority;
    if (status == VX_OK)
        status = check_period("priority.nmi_instructions", priority->nmi_instructions, config->fault_instructions, msg);
    if (status == VX_OK && priority->raise_instructions && priority->hold_instructions >= priority->raise_instructions)
        status = vx_fail(msg, VX_ERR_INPUT,
                         "vm.priority.hold_instructions=%" PRIu64
                         ": must be less than vm.priority.raise_instructions=%" PRIu64,
                         priority->hold_instructions, priority->raise_instructions);
    if (status != VX_OK) return status;
    bool *ended = vx_arena_array(arena, traces, sizeof *ended);
    if (!ended) return vx_fail_nomem(msg);
    *schedule = (vx_schedule){
        .tick = {config->tick_instructions, config->tick_instructions},
        .slice = {config->slice_instructions, config->slice_instructions},
        .unmap = {config->unmap_instructions, config->unmap_instructions},
        .raise = {priority->raise_instructions, priority->raise_instructions},
        .nmi = {priority->nmi_instructions, priority->nmi_instructions},
        .hold = priority->hold_instructions,
        .lower = UINT64_MAX,
        .ended = ended,
        .traces = traces,
        .running_traces = traces,
    };
    return VX_OK;
}

static uint64_t next_of(const vx_periodic *timer) { return timer->period ? timer->next : UINT64_MAX; }

/* A lone trace has nobody to give way to. */
static uint64_t slice_end(const vx_schedule *schedule)
{
    return schedule->running_traces > 1 ? next_of(&schedule->slice) : UINT64_MAX;
}

uint64_t vx_schedule_next(const vx_schedule *schedule)
{
    uint64_t next = next_of(&schedule->tick), slice = slice_end(schedule), unmap = next_of(&schedule->unmap);
    const uint64_t others[] = {slice, unmap, next_of(&schedule->raise), schedule->lower, next_of(&schedule->nmi)};
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i] < next) next = others[i];
    return next;
}

/* The first multiple of the period beyond `now`; UINT64_MAX where there is none. */
static void step_beyond(vx_periodic *timer, uint64_t now)
{
    if (timer->period == 0 || timer->next > now) return;
    uint64_t rest = timer->period - now % timer->period;
    timer->next = now > UINT64_MAX - rest ? UINT64_MAX : now + rest;
}

vx_schedule_due vx_schedule_advance(vx_schedule *schedule, uint64_t instructions)
{
    vx_schedule_due due = {.tick = next_of(&schedule->tick) <= instructions,
                           .slice = slice_end(schedule) <= instructions,
                           .unmap = next_of(&schedule->unmap) <= instructions,
                           .lower = schedule->lower <= instructions,
                           .nmi = next_of(&schedule->nmi) <= instructions};
    /* A fall lets interrupts in before the next raise, which is due again at once. */
    due.raise = !due.lower && next_of(&schedule->raise) <= instructions;
    if (due.lower) schedule->lower = UINT64_MAX;
    if (due.raise) schedule->lower = instructions + schedule->hold;
    step_beyond(&schedule->tick, instructions);
    step_beyond(&schedule->slice, instructions);
    step_beyond(&schedule->unmap, instructions);
    step_beyond(&schedule->nmi, instructions);
    if (due.raise) step_beyond(&schedule->raise, instructions);
    return due;
}

unsigned vx_schedule_rotate(vx_schedule *schedule)
{
    assert(schedule->running_traces != 0);
    do schedule->current = (schedule->current + 1) % schedule->traces;
    while (schedule->ended[schedule->current]);
    return schedule->current;
}

bool vx_schedule_end_current(vx_schedule *schedule)
{
    if (schedule->ended[schedule->current]) return schedule->running_traces != 0;
    schedule->ended[schedule->current] = true;
    return --schedule->running_traces != 0;
}
