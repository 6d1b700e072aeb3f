/* The clock's interface, and the rules that every kind of clock shares: horizon, lateness, order of creation. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vx_clk_private.h"

struct vx_clk_process {
    vx_clk_entity entity;
    vx_step_fn step;
};

struct vx_clk_timer {
    vx_clk_entity entity;
    vx_clk_timer_fn fn;
};

static vx_tick earlier(vx_tick a, vx_tick b) { return a < b ? a : b; }

/* ---- open, add, close ---- */

const char *vx_clk_kind(unsigned n)
{
    for (unsigned i = 0; vx_clk_kinds[i]; i++)
        if (i == n) return vx_clk_kinds[i]->name;
    return NULL;
}

static const vx_clk_ops *find_kind(const char *kind)
{
    for (unsigned i = 0; vx_clk_kinds[i]; i++)
        if (!kind || strcmp(vx_clk_kinds[i]->name, kind) == 0) return vx_clk_kinds[i];
    return NULL;
}

vx_status vx_clk_open(vx_clk **clk, const char *kind, vx_tick quantum, vx_msg *msg)
{
    const vx_clk_ops *ops = find_kind(kind);
    if (!ops) return vx_fail(msg, VX_ERR_INPUT, "clock: unknown kind '%s'", kind);
    if (quantum == 0) return vx_fail(msg, VX_ERR_INPUT, "clock: the quantum must be at least 1 tick");
    vx_clk *opened = calloc(1, sizeof *opened);
    if (!opened) return vx_fail_nomem(msg);
    opened->ops = ops;
    opened->quantum = quantum;
    vx_status status = ops->open(opened, msg);
    if (status != VX_OK) {
        free(opened);
        return status;
    }
    *clk = opened;
    return VX_OK;
}

void vx_clk_close(vx_clk *clk)
{
    if (!clk) return;
    assert(!clk->in_run);
    clk->ops->close(clk);
    for (size_t i = 0; i < clk->count; i++) free(clk->all[i]);
    free(clk->all);
    free(clk);
}

static vx_status make_room(vx_clk *clk, vx_msg *msg)
{
    if (clk->count < clk->room) return VX_OK;
    size_t room = clk->room ? clk->room * 2 : 8;
    vx_clk_entity **all = realloc(clk->all, room * sizeof(vx_clk_entity *));
    if (!all) return vx_fail_nomem(msg);
    clk->all = all;
    clk->room = room;
    return VX_OK;
}

/* Makes `entity` (allocated by the caller, who frees it on an error) part of the clock. */
static vx_status add(vx_clk *clk, vx_clk_entity *entity, const char *name, void *self, bool hard, vx_msg *msg)
{
    entity->clk = clk;
    entity->self = self;
    entity->due = VX_TICK_NEVER;
    entity->order = (uint32_t)clk->count;
    entity->hard = hard;
    snprintf(entity->name, sizeof entity->name, "%s", name);
    if (clk->started)
        return vx_fail(msg, VX_ERR_INPUT, "clock: '%s' comes too late, the clock has already run", entity->name);
    vx_status status = make_room(clk, msg);
    if (status == VX_OK) status = clk->ops->add(clk, entity, msg);
    if (status == VX_OK) clk->all[clk->count++] = entity;
    return status;
}

vx_status vx_clk_add_process(vx_clk *clk, const char *name, vx_step_fn step, void *self, vx_clk_process **process,
                             vx_msg *msg)
{
    vx_clk_process *added = calloc(1, sizeof *added);
    if (!added) return vx_fail_nomem(msg);
    added->step = step;
    vx_status status = add(clk, &added->entity, name, self, false, msg);
    if (status != VX_OK) {
        free(added);
        return status;
    }
    *process = added;
    return VX_OK;
}

vx_status vx_clk_add_timer(vx_clk *clk, const char *name, vx_clk_timer_fn fn, void *self, vx_clk_timer **timer,
                           vx_msg *msg)
{
    vx_clk_timer *added = calloc(1, sizeof *added);
    if (!added) return vx_fail_nomem(msg);
    added->fn = fn;
    vx_status status = add(clk, &added->entity, name, self, true, msg);
    if (status != VX_OK) {
        free(added);
        return status;
    }
    *timer = added;
    return VX_OK;
}

/* ---- arming ---- */

static vx_tick not_past(vx_clk *clk, vx_tick at)
{
    if (at >= clk->now) return at;
    vx_tick late = clk->now - at;
    clk->counts.late++;
    if (late > clk->counts.late_ticks_max) clk->counts.late_ticks_max = late;
    return clk->now;
}

/* The running entity is scheduled when it has returned: by then it may have changed its mind. */
static void set_due(vx_clk_entity *entity, vx_tick due)
{
    if (due == entity->due) return;
    entity->due = due;
    if (entity != entity->clk->running) entity->clk->ops->schedule(entity->clk, entity);
}

void vx_clk_kick(vx_clk_process *process, vx_tick at)
{
    vx_clk_entity *entity = &process->entity;
    set_due(entity, earlier(entity->due, not_past(entity->clk, at)));
}

void vx_clk_arm(vx_clk_timer *timer, vx_tick at) { set_due(&timer->entity, not_past(timer->entity.clk, at)); }

vx_tick vx_clk_due(const vx_clk_timer *timer) { return timer->entity.due; }

/* ---- running ---- */

vx_tick vx_clk_horizon(const vx_clk *clk)
{
    if (!clk->running || clk->running->hard) return clk->now;
    vx_tick horizon = earlier(clk->limit, clk->ops->next_hard(clk));
    bool lone = !clk->ops->soft_armed(clk);
    if (lone || clk->quantum > VX_TICK_NEVER - clk->now) return horizon;
    return earlier(horizon, clk->now + clk->quantum);
}

static void tell(const vx_clk *clk, const vx_clk_entity *entity, vx_tick horizon)
{
    if (!clk->observe) return;
    const vx_clk_event event = {clk->now, horizon, entity->order, entity->hard, entity->name};
    clk->observe(clk->observer, &event);
}

static void call_timer(vx_clk *clk, vx_clk_entity *entity)
{
    tell(clk, entity, clk->now);
    clk->counts.timers++;
    ((vx_clk_timer *)entity)->fn(entity->self, clk->now);
}

static void call_step(vx_clk *clk, vx_clk_entity *entity)
{
    vx_tick horizon = vx_clk_horizon(clk);
    tell(clk, entity, horizon);
    clk->counts.steps++;
    vx_tick next = ((vx_clk_process *)entity)->step(entity->self, clk->now, horizon);
    if (next > clk->now) {
        entity->due = earlier(entity->due, next); /* it may have kicked itself */
        return;
    }
    char text[128];
    snprintf(text, sizeof text, "clock: process '%s' at tick %llu asked to run again at tick %llu", entity->name,
             (unsigned long long)clk->now, (unsigned long long)next);
    vx_clk_set_failure(clk, VX_ERR_CHECK, text);
}

void vx_clk_dispatch(vx_clk *clk, vx_clk_entity *entity)
{
    clk->now = entity->due;
    entity->due = VX_TICK_NEVER;
    clk->running = entity;
    if (entity->hard)
        call_timer(clk, entity);
    else
        call_step(clk, entity);
    clk->running = NULL;
    if (entity->due != VX_TICK_NEVER) clk->ops->schedule(clk, entity);
}

bool vx_clk_ended(const vx_clk *clk) { return clk->stopping || clk->failure != VX_OK; }

void vx_clk_set_failure(vx_clk *clk, vx_status status, const char *text)
{
    if (clk->failure == VX_OK) clk->failure = vx_fail(&clk->failure_msg, status, "%s", text);
}

static bool anything_armed(const vx_clk *clk)
{
    for (size_t i = 0; i < clk->count; i++)
        if (clk->all[i]->due != VX_TICK_NEVER) return true;
    return false;
}

vx_status vx_clk_run(vx_clk *clk, vx_tick until, vx_clk_end *end, vx_msg *msg)
{
    assert(!clk->in_run);
    clk->stopping = false; /* a stop between runs stops nothing */
    if (clk->failure == VX_OK && until > clk->now) {
        clk->started = true;
        clk->limit = until;
        clk->in_run = true;
        clk->ops->run(clk);
        clk->in_run = false;
    }
    if (clk->failure != VX_OK) return vx_fail(msg, clk->failure, "%s", clk->failure_msg.text);
    vx_clk_end ended = VX_CLK_REACHED;
    if (clk->stopping)
        ended = VX_CLK_STOPPED;
    else if (!anything_armed(clk))
        ended = VX_CLK_IDLE;
    else if (until > clk->now)
        clk->now = until;
    if (end) *end = ended;
    return VX_OK;
}

void vx_clk_stop(vx_clk *clk) { clk->stopping = true; }

vx_tick vx_clk_now(const vx_clk *clk) { return clk->now; }

vx_tick vx_clk_quantum(const vx_clk *clk) { return clk->quantum; }

vx_clk_counts vx_clk_counted(const vx_clk *clk) { return clk->counts; }

void vx_clk_observe(vx_clk *clk, void (*fn)(void *self, const vx_clk_event *event), void *self)
{
    clk->observe = fn;
    clk->observer = self;
}
