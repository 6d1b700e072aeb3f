/* What the kinds of clock share: processes and timers, and how one event is run. A kind keeps the queue of what is
 * armed and moves time; it decides nothing else. */
#ifndef VX_CLK_PRIVATE_H
#define VX_CLK_PRIVATE_H

#include <stddef.h>

#include "vx_clk.h"

enum { VX_CLK_NAME = 32 };

/* A process or a timer. */
typedef struct vx_clk_entity {
    vx_clk *clk;
    void *self;
    vx_tick due; /* VX_TICK_NEVER: not armed */
    uint32_t order;
    bool hard;
    size_t place; /* the kind's own: where it is in its queue */
    void *priv;   /* the kind's own */
    char name[VX_CLK_NAME];
} vx_clk_entity;

typedef struct vx_clk_ops {
    const char *name;
    /* Sets clk->backend; acquires nothing on an error. */
    vx_status (*open)(vx_clk *clk, vx_msg *msg);
    void (*close)(vx_clk *clk);
    /* Makes room for one more entity: from then on it may be scheduled without failing. */
    vx_status (*add)(vx_clk *clk, vx_clk_entity *entity, vx_msg *msg);
    /* entity->due has changed, VX_TICK_NEVER included. Never called for the entity that runs. */
    void (*schedule)(vx_clk *clk, vx_clk_entity *entity);
    /* The earliest armed timer's tick; whether any process but the running one is armed. */
    vx_tick (*next_hard)(const vx_clk *clk);
    bool (*soft_armed)(const vx_clk *clk);
    /* Calls vx_clk_dispatch for each event before clk->limit, in order, until vx_clk_ended. */
    void (*run)(vx_clk *clk);
} vx_clk_ops;

struct vx_clk {
    const vx_clk_ops *ops;
    void *backend;
    vx_tick now, quantum;
    vx_tick limit;       /* end of the current run */
    vx_clk_entity **all; /* in order of creation; owned */
    size_t count, room;
    vx_clk_entity *running; /* NULL between events */
    bool started;           /* the first run has begun: nothing more is added */
    bool in_run, stopping;
    vx_status failure; /* what the run ends with */
    vx_msg failure_msg;
    vx_clk_counts counts;
    void (*observe)(void *self, const vx_clk_event *event);
    void *observer;
};

/* Runs the entity's step or callback at its tick, then schedules what it asked for. The kind has taken it off its
 * queue. */
void vx_clk_dispatch(vx_clk *clk, vx_clk_entity *entity);

/* Stopped or failed: no further event in this run. */
bool vx_clk_ended(const vx_clk *clk);

/* The first failure of a run stays. */
void vx_clk_set_failure(vx_clk *clk, vx_status status, const char *text);

/* The kinds, NULL at the end. */
extern const vx_clk_ops *const vx_clk_kinds[];
extern const vx_clk_ops vx_clk_heap_ops;
extern const vx_clk_ops vx_clk_systemc_ops;

#endif
