/* The clock's rules, each on both kinds: order, horizon, ends of runs, lateness, errors. "systemc" runs in a child. */
#include <string.h>

#include "clk_log.h"
#include "test_support.h"

static const char *const kinds[] = {"heap", "systemc"};
enum { KINDS = 2, QUANTUM = 1000 };

static clk_log *play(int kind, clk_scenario scenario)
{
    clk_log *log = kind == 0 ? clk_log_here("heap", scenario, NULL) : clk_log_in_child(kinds[kind], scenario, NULL);
    assert_non_null(log);
    assert_true(log->finished);
    return log;
}

static void assert_entries(const clk_log *log, const clk_log_entry *expected, uint32_t count)
{
    assert_int_equal(log->count, count);
    for (uint32_t i = 0; i < count; i++) {
        const clk_log_entry *e = &expected[i], *got = &log->at[i];
        if (e->kind != got->kind || e->order != got->order || e->now != got->now || e->horizon != got->horizon)
            fail_msg("entry %u: kind %d order %u now %llu horizon %llu", i, got->kind, got->order,
                     (unsigned long long)got->now, (unsigned long long)got->horizon);
    }
}
#define ASSERT_ENTRIES(log, expected) assert_entries(log, expected, sizeof(expected) / sizeof((expected)[0]))

#define NEVER VX_TICK_NEVER
#define STEP(order, now, horizon)                                                                                      \
    {                                                                                                                  \
        CLK_LOG_STEP, order, now, horizon                                                                              \
    }
#define TIMER(order, now)                                                                                              \
    {                                                                                                                  \
        CLK_LOG_TIMER, order, now, now                                                                                 \
    }
#define END(end, now)                                                                                                  \
    {                                                                                                                  \
        CLK_LOG_END, end, now, VX_OK                                                                                   \
    }

/* ---- actors ---- */

/* A process that works up to its horizon, and once over it, until `last`. */
typedef struct worker {
    vx_clk *clk;
    vx_clk_process *process;
    vx_tick own, cost, last;
    uint64_t references;
} worker;

static vx_tick work(void *self, vx_tick now, vx_tick horizon)
{
    worker *w = self;
    if (w->own < now) w->own = now;
    while (w->own < horizon && w->own < w->last) {
        w->own += w->cost;
        w->references++;
    }
    return w->own < w->last ? w->own : NEVER;
}

static vx_tick idle(void *self, vx_tick now, vx_tick horizon)
{
    (void)self, (void)now, (void)horizon;
    return NEVER;
}

static void nothing(void *self, vx_tick now) { (void)self, (void)now; }

static vx_clk *open_logged(const char *kind, vx_tick quantum, clk_log *log)
{
    vx_clk *clk = NULL;
    if (vx_clk_open(&clk, kind, quantum, &log->msg) != VX_OK) return NULL;
    vx_clk_observe(clk, clk_log_event, log);
    return clk;
}

static vx_clk_process *process(vx_clk *clk, vx_step_fn step, void *self)
{
    vx_clk_process *made = NULL;
    vx_clk_add_process(clk, "process", step, self, &made, NULL);
    return made;
}

static vx_clk_timer *timer(vx_clk *clk, vx_clk_timer_fn fn, void *self)
{
    vx_clk_timer *made = NULL;
    vx_clk_add_timer(clk, "timer", fn, self, &made, NULL);
    return made;
}

/* ---- order ---- */

static void all_at_one_tick(const char *kind, clk_log *log, const void *self)
{
    (void)self;
    vx_clk *clk = open_logged(kind, QUANTUM, log);
    vx_clk_process *p0 = process(clk, idle, NULL);
    vx_clk_timer *t1 = timer(clk, nothing, NULL);
    vx_clk_process *p2 = process(clk, idle, NULL);
    vx_clk_timer *t3 = timer(clk, nothing, NULL);
    vx_clk_timer *t4 = timer(clk, nothing, NULL);
    vx_clk_arm(t4, 9); /* in an order that is neither theirs nor the result's */
    vx_clk_arm(t3, 10);
    vx_clk_kick(p2, 10);
    vx_clk_kick(p0, 10);
    vx_clk_arm(t1, 10);
    clk_log_run(clk, NEVER, log);
    vx_clk_close(clk);
}

static void timers_first_then_creation(void **state)
{
    (void)state;
    static const clk_log_entry expected[] = {
        TIMER(4, 9), TIMER(1, 10), TIMER(3, 10), STEP(0, 10, 10 + QUANTUM), STEP(2, 10, NEVER), END(VX_CLK_IDLE, 10)};
    for (int kind = 0; kind < KINDS; kind++) {
        clk_log *log = play(kind, all_at_one_tick);
        ASSERT_ENTRIES(log, expected);
        clk_log_free(log);
    }
}

typedef struct chain {
    vx_clk_timer *next;
    vx_clk_process *process;
} chain;

static void arm_the_next_now(void *self, vx_tick now)
{
    chain *c = self;
    if (c->next) vx_clk_arm(c->next, now);
    if (c->process) vx_clk_kick(c->process, now);
}

static vx_tick kick_the_next_now(void *self, vx_tick now, vx_tick horizon)
{
    (void)horizon;
    arm_the_next_now(self, now);
    return NEVER;
}

/* What is armed at the current tick runs at it: a timer before the processes that wait, whatever its age. */
static void armed_at_the_current_tick(const char *kind, clk_log *log, const void *self)
{
    (void)self;
    chain last = {0}, middle = {0}, first = {0}, kicker = {0};
    vx_clk *clk = open_logged(kind, QUANTUM, log);
    vx_clk_process *p0 = process(clk, idle, NULL);
    vx_clk_timer *t1 = timer(clk, arm_the_next_now, &last);
    vx_clk_timer *t2 = timer(clk, arm_the_next_now, &middle);
    vx_clk_timer *t3 = timer(clk, arm_the_next_now, &first);
    vx_clk_process *p4 = process(clk, kick_the_next_now, &kicker);
    first.next = t2; /* t3 arms t2, t2 arms t1: backwards in age */
    middle.next = t1;
    last.process = p4; /* which waits for nobody older: p0 has nothing to do yet */
    kicker.process = p0;
    vx_clk_arm(t3, 7);
    clk_log_run(clk, NEVER, log);
    vx_clk_close(clk);
}

static void events_at_the_current_tick_run_at_it(void **state)
{
    (void)state;
    static const clk_log_entry expected[] = {TIMER(3, 7),       TIMER(2, 7),       TIMER(1, 7),
                                             STEP(4, 7, NEVER), STEP(0, 7, NEVER), END(VX_CLK_IDLE, 7)};
    for (int kind = 0; kind < KINDS; kind++) {
        clk_log *log = play(kind, armed_at_the_current_tick);
        ASSERT_ENTRIES(log, expected);
        clk_log_free(log);
    }
}

/* A kick can only bring a step forward: the earliest of all kicks and of what the step asked for counts. */
typedef struct kicker {
    vx_clk_process *own;
    vx_tick kicks[2], returned;
} kicker;

static vx_tick kick_myself(void *self, vx_tick now, vx_tick horizon)
{
    kicker *k = self;
    (void)horizon;
    if (now > 0) return NEVER;
    for (int i = 0; i < 2; i++) vx_clk_kick(k->own, k->kicks[i]);
    return k->returned;
}

static void kicks_and_returns(const char *kind, clk_log *log, const void *self)
{
    (void)self;
    kicker k[] = {{.kicks = {30, 20}, .returned = 40},
                  {.kicks = {90, 80}, .returned = 10},
                  {.kicks = {NEVER, NEVER}, .returned = 70}};
    vx_clk *clk = open_logged(kind, QUANTUM, log);
    for (int i = 0; i < 3; i++) {
        k[i].own = process(clk, kick_myself, &k[i]);
        vx_clk_kick(k[i].own, 0);
        vx_clk_kick(k[i].own, 5); /* later: changes nothing */
        vx_clk_kick(k[i].own, NEVER);
    }
    clk_log_run(clk, NEVER, log);
    vx_clk_close(clk);
}

static void a_kick_only_brings_forward(void **state)
{
    (void)state;
    static const clk_log_entry expected[] = {STEP(0, 0, 1000),    STEP(1, 0, 1000),  STEP(2, 0, 1000),
                                             STEP(1, 10, 1010),   STEP(0, 20, 1020), STEP(2, 70, NEVER),
                                             END(VX_CLK_IDLE, 70)};
    for (int kind = 0; kind < KINDS; kind++) {
        clk_log *log = play(kind, kicks_and_returns);
        ASSERT_ENTRIES(log, expected);
        clk_log_free(log);
    }
}

/* ---- horizon ---- */

/* Alone: up to the next timer, then to the end of the run; the quantum is not asked. */
static void one_process(const char *kind, clk_log *log, const void *self)
{
    (void)self;
    worker w = {.cost = 3, .last = NEVER};
    vx_clk *clk = open_logged(kind, QUANTUM, log);
    vx_clk_timer *t = timer(clk, nothing, NULL);
    vx_clk_kick(process(clk, work, &w), 0);
    vx_clk_arm(t, 5000);
    clk_log_run(clk, 20000, log);
    vx_clk_arm(t, 20001);
    clk_log_run(clk, 30000, log);
    vx_clk_close(clk);
}

static void a_lone_process_has_no_quantum(void **state)
{
    (void)state;
    static const clk_log_entry expected[] = {STEP(1, 0, 5000),           TIMER(0, 5000),  STEP(1, 5001, 20000),
                                             END(VX_CLK_REACHED, 20000), TIMER(0, 20001), STEP(1, 20001, 30000),
                                             END(VX_CLK_REACHED, 30000)};
    for (int kind = 0; kind < KINDS; kind++) {
        clk_log *log = play(kind, one_process);
        ASSERT_ENTRIES(log, expected);
        clk_log_free(log);
    }
}

static void two_processes(const char *kind, clk_log *log, const void *self)
{
    (void)self;
    worker a = {.cost = 7, .last = NEVER}, b = {.cost = 1, .last = 1500};
    vx_clk *clk = open_logged(kind, QUANTUM, log);
    vx_clk_kick(process(clk, work, &a), 0);
    vx_clk_kick(process(clk, work, &b), 0);
    vx_clk_arm(timer(clk, nothing, NULL), 1600);
    clk_log_run(clk, 4000, log);
    vx_clk_close(clk);
}

/* Each a quantum ahead; the timer at 1600 bounds both; after b's end, a is alone. */
static void several_processes_take_turns(void **state)
{
    (void)state;
    static const clk_log_entry expected[] = {STEP(0, 0, 1000),         STEP(1, 0, 1000), STEP(1, 1000, 1600),
                                             STEP(0, 1001, 1600),      TIMER(2, 1600),   STEP(0, 1603, 4000),
                                             END(VX_CLK_REACHED, 4000)};
    for (int kind = 0; kind < KINDS; kind++) {
        clk_log *log = play(kind, two_processes);
        ASSERT_ENTRIES(log, expected);
        clk_log_free(log);
    }
}

/* A step that arms a timer, and one that wakes another process, sees its horizon move. */
typedef struct shrinker {
    vx_clk *clk;
    vx_clk_timer *timer;
    vx_clk_process *other;
    clk_log *log;
} shrinker;

static vx_tick shrink(void *self, vx_tick now, vx_tick horizon)
{
    shrinker *s = self;
    clk_log_note(s->log, horizon);
    vx_clk_kick(s->other, now + 40);
    clk_log_note(s->log, vx_clk_horizon(s->clk));
    vx_clk_arm(s->timer, now + 300);
    clk_log_note(s->log, vx_clk_horizon(s->clk));
    vx_clk_arm(s->timer, now + 20);
    clk_log_note(s->log, vx_clk_horizon(s->clk));
    vx_clk_arm(s->timer, NEVER);
    clk_log_note(s->log, vx_clk_horizon(s->clk));
    return NEVER;
}

static void a_moving_horizon(const char *kind, clk_log *log, const void *self)
{
    (void)self;
    vx_clk *clk = open_logged(kind, QUANTUM, log);
    shrinker s = {.clk = clk, .log = log};
    vx_clk_process *p = process(clk, shrink, &s);
    s.other = process(clk, idle, NULL);
    s.timer = timer(clk, nothing, NULL);
    vx_clk_kick(p, 100);
    clk_log_note(log, vx_clk_horizon(clk)); /* between events: now */
    clk_log_run(clk, 50000, log);
    vx_clk_close(clk);
}

static void a_step_can_move_its_own_horizon(void **state)
{
    (void)state;
    static const uint64_t horizons[] = {0, 50000, 100 + QUANTUM, 400, 120, 100 + QUANTUM};
    for (int kind = 0; kind < KINDS; kind++) {
        clk_log *log = play(kind, a_moving_horizon);
        assert_int_equal(log->notes, 6);
        assert_memory_equal(log->note, horizons, sizeof horizons);
        clk_log_free(log);
    }
}

static void near_the_end_of_time(const char *kind, clk_log *log, const void *self)
{
    (void)self;
    vx_clk *clk = open_logged(kind, NEVER - 1, log);
    vx_clk_kick(process(clk, idle, NULL), 10);
    vx_clk_kick(process(clk, idle, NULL), NEVER - 1);
    clk_log_run(clk, NEVER, log);
    vx_clk_close(clk);
}

/* now + quantum does not fit: no bound; the last tick is usable. */
static void the_quantum_does_not_wrap(void **state)
{
    (void)state;
    static const clk_log_entry expected[] = {STEP(0, 10, NEVER), STEP(1, NEVER - 1, NEVER),
                                             END(VX_CLK_IDLE, NEVER - 1)};
    for (int kind = 0; kind < KINDS; kind++) {
        clk_log *log = play(kind, near_the_end_of_time);
        ASSERT_ENTRIES(log, expected);
        clk_log_free(log);
    }
}

/* ---- timers are late by the overshoot of one reference at most ---- */

enum { COST = 9, WORKERS = 3, PERIOD = 777 };

typedef struct punctual {
    vx_clk *clk;
    vx_clk_timer *timer;
    worker workers[WORKERS];
    clk_log *log;
    uint64_t calls, most_late;
} punctual;

static void check_lateness(void *self, vx_tick now)
{
    punctual *p = self;
    for (int i = 0; i < WORKERS; i++)
        if (p->workers[i].own > now && p->workers[i].own - now > p->most_late) p->most_late = p->workers[i].own - now;
    p->calls++;
    vx_clk_arm(p->timer, now + PERIOD);
}

static void periodic_timer(const char *kind, clk_log *log, const void *self)
{
    (void)self;
    vx_clk *clk = open_logged(kind, QUANTUM, log);
    punctual p = {.clk = clk, .log = log};
    for (int i = 0; i < WORKERS; i++) {
        p.workers[i] = (worker){.cost = COST - (vx_tick)i, .last = NEVER};
        vx_clk_kick(process(clk, work, &p.workers[i]), 0);
    }
    p.timer = timer(clk, check_lateness, &p);
    vx_clk_arm(p.timer, PERIOD);
    clk_log_run(clk, 1000000, log);
    clk_log_note(log, p.calls);
    clk_log_note(log, p.most_late);
    vx_clk_close(clk);
}

static void timers_are_late_by_one_reference_at_most(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        clk_log *log = play(kind, periodic_timer);
        assert_int_equal(log->note[0], 999999 / PERIOD);
        assert_in_range(log->note[1], 1, COST - 1); /* it does overshoot, and by less than a reference's cost */
        assert_int_equal(log->counts.late, 0);
        clk_log_free(log);
    }
}

/* What a process does on its own does not depend on the quantum, nor on who else runs. */
static void count_references(const char *kind, clk_log *log, const void *self)
{
    vx_tick quantum = *(const vx_tick *)self;
    worker a = {.cost = 5, .last = 100000}, b = {.cost = 3, .last = 50000};
    vx_clk *clk = open_logged(kind, quantum, log);
    vx_clk_kick(process(clk, work, &a), 0);
    vx_clk_kick(process(clk, work, &b), 0);
    clk_log_run(clk, NEVER, log);
    clk_log_note(log, a.references);
    clk_log_note(log, b.references);
    clk_log_note(log, a.own);
    vx_clk_close(clk);
}

static void work_does_not_depend_on_the_quantum(void **state)
{
    (void)state;
    static const vx_tick quanta[] = {1, 7, 1000, 1000000};
    for (size_t i = 0; i < 4; i++) {
        clk_log *log = clk_log_here("heap", count_references, &quanta[i]);
        assert_non_null(log);
        assert_int_equal(log->note[0], 20000);
        assert_int_equal(log->note[1], 16667);
        assert_int_equal(log->note[2], 100000);
        clk_log_free(log);
    }
}

/* ---- ends of runs, lateness ---- */

static void stop_in_timer(void *self, vx_tick now)
{
    (void)now;
    vx_clk_stop(self);
}

static void runs_end(const char *kind, clk_log *log, const void *self)
{
    (void)self;
    vx_clk *clk = open_logged(kind, QUANTUM, log);
    vx_clk_timer *t0 = timer(clk, stop_in_timer, clk);
    vx_clk_timer *t1 = timer(clk, nothing, NULL);
    clk_log_run(clk, 100, log); /* nothing armed */
    vx_clk_arm(t1, 50);
    clk_log_run(clk, 50, log); /* strictly before */
    vx_clk_stop(clk);          /* between runs: nothing */
    clk_log_run(clk, 50, log); /* no time passes */
    clk_log_run(clk, 51, log); /* and then at it */
    vx_clk_arm(t0, 60);
    vx_clk_arm(t1, 60);
    vx_clk_stop(clk);
    clk_log_run(clk, 90, log); /* stopped between two timers of one tick */
    clk_log_note(log, vx_clk_due(t1));
    clk_log_run(clk, 90, log);
    vx_clk_arm(t1, 95);
    vx_clk_arm(t1, NEVER); /* disarmed */
    clk_log_run(clk, 90, log);
    vx_clk_arm(t1, 10); /* late by 50 */
    vx_clk_arm(t1, 40); /* late by 20 */
    clk_log_run(clk, NEVER, log);
    vx_clk_close(clk);
}

static void runs_end_as_they_say(void **state)
{
    (void)state;
    static const clk_log_entry expected[] = {END(VX_CLK_IDLE, 0), /* nothing armed */
                                             END(VX_CLK_REACHED, 50),
                                             END(VX_CLK_REACHED, 50), /* before the tick */
                                             TIMER(1, 50),
                                             END(VX_CLK_IDLE, 50), /* at it */
                                             TIMER(0, 60),
                                             END(VX_CLK_STOPPED, 60), /* stopped */
                                             TIMER(1, 60),
                                             END(VX_CLK_IDLE, 60), /* went on */
                                             END(VX_CLK_IDLE, 60), /* disarmed */
                                             TIMER(1, 60),
                                             END(VX_CLK_IDLE, 60)}; /* late */
    for (int kind = 0; kind < KINDS; kind++) {
        clk_log *log = play(kind, runs_end);
        ASSERT_ENTRIES(log, expected);
        assert_int_equal(log->note[0], 60);
        assert_int_equal(log->counts.late, 2);
        assert_int_equal(log->counts.late_ticks_max, 50);
        assert_int_equal(log->counts.timers, 4);
        assert_int_equal(log->counts.steps, 0);
        clk_log_free(log);
    }
}

static void stop_and_go(const char *kind, clk_log *log, const void *self)
{
    (void)self;
    worker w = {.cost = 1, .last = 500};
    vx_clk *clk = open_logged(kind, QUANTUM, log);
    vx_clk_timer *t = timer(clk, stop_in_timer, clk);
    vx_clk_kick(process(clk, work, &w), 0);
    for (vx_tick at = 100; at <= 300; at += 100) {
        vx_clk_arm(t, at);
        clk_log_run(clk, NEVER, log);
    }
    clk_log_run(clk, NEVER, log);
    vx_clk_close(clk);
}

static void a_stopped_clock_goes_on(void **state)
{
    (void)state;
    static const clk_log_entry expected[] = {STEP(1, 0, 100),     TIMER(0, 100),        END(VX_CLK_STOPPED, 100),
                                             STEP(1, 100, 200),   TIMER(0, 200),        END(VX_CLK_STOPPED, 200),
                                             STEP(1, 200, 300),   TIMER(0, 300),        END(VX_CLK_STOPPED, 300),
                                             STEP(1, 300, NEVER), END(VX_CLK_IDLE, 300)};
    for (int kind = 0; kind < KINDS; kind++) {
        clk_log *log = play(kind, stop_and_go);
        ASSERT_ENTRIES(log, expected);
        clk_log_free(log);
    }
}

/* ---- errors ---- */

static vx_tick stuck(void *self, vx_tick now, vx_tick horizon)
{
    (void)self, (void)horizon;
    return now;
}

static void a_stuck_process(const char *kind, clk_log *log, const void *self)
{
    (void)self;
    vx_clk *clk = open_logged(kind, QUANTUM, log);
    vx_clk_kick(process(clk, stuck, NULL), 5);
    clk_log_run(clk, NEVER, log);
    clk_log_note(log, vx_clk_run(clk, NEVER, NULL, NULL));
    vx_clk_close(clk);
}

static void a_process_that_does_not_advance_ends_the_run(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        clk_log *log = play(kind, a_stuck_process);
        assert_int_equal(log->count, 2);
        assert_int_equal(log->at[1].horizon, VX_ERR_CHECK);
        assert_string_equal(log->msg.text, "clock: process 'process' at tick 5 asked to run again at tick 5");
        assert_int_equal(log->note[0], VX_ERR_CHECK); /* stays broken */
        clk_log_free(log);
    }
}

static void add_late(const char *kind, clk_log *log, const void *self)
{
    (void)self;
    vx_clk *clk = open_logged(kind, QUANTUM, log);
    vx_clk_process *p = NULL;
    vx_clk_timer *t = NULL;
    clk_log_run(clk, 10, log);
    clk_log_note(
        log, vx_clk_add_process(clk, "a process with a name of more than 31 characters", idle, NULL, &p, &log->msg));
    clk_log_note(log, vx_clk_add_timer(clk, "t", nothing, NULL, &t, NULL));
    clk_log_note(log, p == NULL && t == NULL);
    vx_clk_close(clk);
}

static void nothing_is_added_after_the_first_run(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        clk_log *log = play(kind, add_late);
        assert_int_equal(log->note[0], VX_ERR_INPUT);
        assert_int_equal(log->note[1], VX_ERR_INPUT);
        assert_int_equal(log->note[2], 1);
        assert_string_equal(log->msg.text,
                            "clock: 'a process with a name of more t' comes too late, the clock has already run");
        clk_log_free(log);
    }
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    vx_clk *clk = NULL;
    vx_msg msg;
    assert_int_equal(vx_clk_open(&clk, "sundial", 1000, &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text, "clock: unknown kind 'sundial'");
    assert_int_equal(vx_clk_open(&clk, "heap", 0, &msg), VX_ERR_INPUT);
    assert_null(clk);
    vx_clk_close(NULL);
    assert_string_equal(vx_clk_kind(0), "heap");
    assert_string_equal(vx_clk_kind(1), "systemc");
    assert_null(vx_clk_kind(2));
    assert_int_equal(vx_clk_open(&clk, NULL, VX_CLK_QUANTUM_DEFAULT, &msg), VX_OK);
    assert_int_equal(vx_clk_quantum(clk), 1000);
    vx_clk_close(clk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_first_then_creation),
        cmocka_unit_test(events_at_the_current_tick_run_at_it),
        cmocka_unit_test(a_kick_only_brings_forward),
        cmocka_unit_test(a_lone_process_has_no_quantum),
        cmocka_unit_test(several_processes_take_turns),
        cmocka_unit_test(a_step_can_move_its_own_horizon),
        cmocka_unit_test(the_quantum_does_not_wrap),
        cmocka_unit_test(timers_are_late_by_one_reference_at_most),
        cmocka_unit_test(work_does_not_depend_on_the_quantum),
        cmocka_unit_test(runs_end_as_they_say),
        cmocka_unit_test(a_stopped_clock_goes_on),
        cmocka_unit_test(a_process_that_does_not_advance_ends_the_run),
        cmocka_unit_test(nothing_is_added_after_the_first_run),
        cmocka_unit_test(bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
