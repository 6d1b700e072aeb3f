#include "clk_world.h"

#include <string.h>

#include "vx_random.h"

enum { PROCESSES = 6, TIMERS = 6, REFERENCES_A_STEP = 400 };

typedef struct world world;

typedef struct actor {
    world *world;
    vx_clk_process *process;
    vx_clk_timer *timer;
    vx_random random;
    vx_tick own; /* a process's own time */
} actor;

struct world {
    vx_clk *clk;
    clk_log *log;
    uint32_t max_events;
    unsigned process_count, timer_count;
    actor process[PROCESSES], timer[TIMERS];
    vx_random random;
};

static bool tired(const world *w) { return w->log->count > w->max_events; }

static vx_tick delay(vx_random *random)
{
    static const uint64_t most[] = {1, 2, 10, 100, 1000, 5000};
    return vx_random_below(random, most[vx_random_below(random, 6)] + 1);
}

/* One thing that software or hardware may do at its own time `at`. */
static void act(world *w, vx_random *random, vx_tick at)
{
    actor *timer = &w->timer[vx_random_below(random, w->timer_count)];
    actor *process = &w->process[vx_random_below(random, w->process_count)];
    switch (vx_random_below(random, 16)) {
    case 0:
        vx_clk_arm(timer->timer, VX_TICK_NEVER);
        break;
    case 1:
        vx_clk_stop(w->clk);
        break;
    case 2:
        vx_clk_arm(timer->timer, at); /* at once, or late */
        break;
    case 3:
        vx_clk_kick(process->process, at > 50 ? at - 50 : 0);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        vx_clk_kick(process->process, at + delay(random));
        break;
    default:
        vx_clk_arm(timer->timer, at + 1 + delay(random));
        break;
    }
}

static vx_tick step(void *self, vx_tick now, vx_tick horizon)
{
    actor *a = self;
    if (a->own < now) a->own = now;
    if (tired(a->world)) return VX_TICK_NEVER;
    for (int i = 0; i < REFERENCES_A_STEP && a->own < horizon; i++) {
        a->own += 1 + vx_random_below(&a->random, 7);
        if (vx_random_below(&a->random, 50) == 0) {
            act(a->world, &a->random, a->own);
            horizon = vx_clk_horizon(a->world->clk);
        }
    }
    switch (vx_random_below(&a->random, 8)) {
    case 0:
        return VX_TICK_NEVER;
    case 1:
        return a->own + 1 + delay(&a->random);
    default:
        return a->own > now ? a->own : now + 1;
    }
}

static void fire(void *self, vx_tick now)
{
    actor *a = self;
    if (tired(a->world)) return;
    if (vx_random_below(&a->random, 2)) vx_clk_arm(a->timer, now + 1 + delay(&a->random));
    while (vx_random_below(&a->random, 3) == 0) act(a->world, &a->random, now);
    if (vx_random_below(&a->random, 2))
        vx_clk_kick(a->world->process[vx_random_below(&a->random, a->world->process_count)].process, now);
}

static actor actor_new(world *w)
{
    actor made = {.world = w};
    for (int i = 0; i < 4; i++) made.random.s[i] = vx_random_u64(&w->random);
    return made;
}

/* Processes and timers in random order of creation. False: out of memory. */
static bool populate(world *w)
{
    unsigned processes = 1 + (unsigned)vx_random_below(&w->random, PROCESSES);
    unsigned timers = 1 + (unsigned)vx_random_below(&w->random, TIMERS);
    while (w->process_count < processes || w->timer_count < timers) {
        bool timer = w->process_count == processes || (w->timer_count < timers && vx_random_below(&w->random, 2));
        actor *a = timer ? &w->timer[w->timer_count++] : &w->process[w->process_count++];
        *a = actor_new(w);
        vx_status status = timer ? vx_clk_add_timer(w->clk, "timer", fire, a, &a->timer, NULL)
                                 : vx_clk_add_process(w->clk, "process", step, a, &a->process, NULL);
        if (status != VX_OK) return false;
    }
    return true;
}

static void start(world *w)
{
    for (unsigned i = 0; i < w->process_count; i++)
        if (vx_random_below(&w->random, 4)) vx_clk_kick(w->process[i].process, delay(&w->random));
    for (unsigned i = 0; i < w->timer_count; i++)
        if (vx_random_below(&w->random, 2)) vx_clk_arm(w->timer[i].timer, delay(&w->random));
}

/* In pieces that end anywhere, with something done between them, and at last until nothing is armed. */
static void run_in_pieces(world *w)
{
    while (!tired(w)) {
        vx_tick now = vx_clk_now(w->clk);
        vx_tick until = vx_random_below(&w->random, 10) ? now + delay(&w->random) : VX_TICK_NEVER;
        if (clk_log_run(w->clk, until, w->log) != VX_OK) return;
        if (vx_random_below(&w->random, 2)) act(w, &w->random, vx_clk_now(w->clk));
        if (vx_random_below(&w->random, 8) == 0) start(w);
    }
    for (unsigned i = 0; i < 8; i++) clk_log_run(w->clk, VX_TICK_NEVER, w->log);
}

void clk_world_run(const char *kind, clk_log *log, const void *self)
{
    const clk_world_options *options = self;
    world w = {.log = log, .max_events = options->max_events};
    vx_random_init(&w.random, options->seed, "world");
    if (vx_clk_open(&w.clk, kind, options->quantum, &log->msg) != VX_OK) return;
    vx_clk_observe(w.clk, clk_log_event, log);
    if (populate(&w)) {
        start(&w);
        run_in_pieces(&w);
    }
    vx_clk_close(w.clk);
}
