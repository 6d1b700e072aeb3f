/* What the clock costs: CPU time a step for both kinds, and set against references of a few nanoseconds each. Not a
 * test: prints a table, `clk_overhead [steps]`. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clk_log.h"

enum { TABLE_BYTES = 1 << 20, PROCESSES_MAX = 32, QUANTUM = VX_CLK_QUANTUM_DEFAULT };

static unsigned char table[TABLE_BYTES];

typedef struct plan {
    unsigned processes;
    uint64_t steps;  /* in all */
    bool references; /* one a tick; otherwise a step is empty */
} plan;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A dependent chain of loads within 1 MiB: the order of a simulated reference's cost. */
static uint64_t refer(uint64_t x, vx_tick count)
{
    for (vx_tick i = 0; i < count; i++) {
        x = x * 6364136223846793005U + 1442695040888963407U;
        x ^= table[x >> 44];
    }
    return x;
}

static vx_tick empty_step(void *self, vx_tick now, vx_tick horizon)
{
    (void)self, (void)now;
    return horizon;
}

static vx_tick busy_step(void *self, vx_tick now, vx_tick horizon)
{
    uint64_t *x = self;
    *x = refer(*x, horizon - now);
    return horizon;
}

static void measure(const char *kind, clk_log *log, const void *self)
{
    const plan *p = self;
    assert(p->processes > 0);
    uint64_t x[PROCESSES_MAX] = {0};
    vx_clk *clk = NULL;
    if (vx_clk_open(&clk, kind, QUANTUM, &log->msg) != VX_OK) return;
    for (unsigned i = 0; i < p->processes; i++) {
        vx_clk_process *process = NULL;
        if (vx_clk_add_process(clk, "p", p->references ? busy_step : empty_step, &x[i], &process, &log->msg) == VX_OK)
            vx_clk_kick(process, 0);
    }
    double start = seconds();
    vx_clk_run(clk, p->steps / p->processes * QUANTUM, NULL, &log->msg);
    clk_log_note(log, (uint64_t)((seconds() - start) * 1e12 / (double)vx_clk_counted(clk).steps));
    vx_clk_close(clk);
}

/* Nanoseconds a step, the least of three. */
static double best(const char *kind, plan p)
{
    double least = 1e18;
    for (int i = 0; i < 3; i++) {
        clk_log *log = clk_log_in_child(kind, measure, &p);
        if (log && (double)log->note[0] * 1e-3 < least) least = (double)log->note[0] * 1e-3;
        clk_log_free(log);
    }
    return least;
}

static double best_without_clock(uint64_t steps)
{
    double least = 1e18;
    volatile uint64_t sink = 0;
    for (int i = 0; i < 3; i++) {
        double start = seconds();
        sink = refer(sink, steps * QUANTUM);
        double each = (seconds() - start) * 1e9 / (double)steps;
        if (each < least) least = each;
    }
    return least;
}

int main(int argc, char **argv)
{
    static const unsigned processes[] = {2, 8, PROCESSES_MAX};
    uint64_t steps = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
    if (steps < 100 * PROCESSES_MAX) steps = 100 * PROCESSES_MAX;
    for (size_t i = 0; i < TABLE_BYTES; i++) table[i] = (unsigned char)(i * 31);
    printf("CPU time of an empty step, ns\n%10s %10s %10s\n", "processes", "heap", "systemc");
    for (size_t i = 0; i < sizeof processes / sizeof processes[0]; i++) {
        plan p = {processes[i], steps, false};
        printf("%10u %10.1f %10.1f\n", p.processes, best("heap", p), best("systemc", p));
    }
    plan busy = {2, steps / 100, true};
    double bare = best_without_clock(busy.steps);
    printf("a quantum of %d references, us: bare loop %.2f, heap %.2f, systemc %.2f\n", QUANTUM, bare / 1e3,
           best("heap", busy) / 1e3, best("systemc", busy) / 1e3);
    return 0;
}
