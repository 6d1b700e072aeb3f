/* crossover: where write-protected shadow paging beats EPT, and where it loses. Shadow paging pays for each update of
 * the guest's page tables with exits; EPT pays for each TLB miss with a longer walk. The sweep varies both rates and
 * finds, for each miss rate, the update rate at which both cost the same (docs/crossover.md).
 *
 * Cycles rest on assumed exit costs and on the share of walks that a core cannot hide, so the result is a band: walk
 * cycles and exit cycles each 50 % up and down (class D). */
#include <math.h>
#include <stdio.h>

#include "bench_options.h"
#include "bench_run.h"
#include "vx_chart.h"

/* Loads uniformly random over several times what the second-level TLB holds, so that most loads miss; `body`
 * instructions a load set the miss rate. The OS unmaps its oldest page every `period` instructions; the page's next
 * load brings it back by a fault. */
enum { WARM_LOADS_A_PAGE = 8, LOADS = 120000, QUICK_LOADS = 2000, HANDLER = 100 };

static const unsigned bodies[] = {4, 8, 16, 32, 64, 128, 256, 512, 1000};
static const unsigned periods[] = {50, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600}; /* times body */

/* Up to 16 MiB the paging-structure caches cover every table but the last; beyond that they do not. */
typedef struct machine {
    const char *name, *cpu;
    unsigned pages;
} machine;
static const machine machines[] = {
    {"nehalem 16 MiB", "nehalem", 4096}, {"nehalem 128 MiB", "nehalem", 32768}, {"skylake 16 MiB", "skylake", 4096}};
enum {
    BODIES = sizeof bodies / sizeof *bodies,
    PERIODS = sizeof periods / sizeof *periods,
    MACHINES = sizeof machines / sizeof *machines
};

static unsigned bodies_used(bool quick) { return quick ? 2 : BODIES; }

/* A run's cycles, split by what the band scales. */
typedef struct cost {
    double walks, exits, rest;
} cost;

typedef struct cross_point {
    double misses;  /* last-level TLB misses per 1000 instructions, under EPT */
    double updates; /* page-table stores of the guest per million instructions */
    cost ept, shadow;
} cross_point;

static cost split(const vx_ledger *ledger)
{
    const uint64_t *t = ledger->ticks;
    cost c = {.walks = (double)(t[VX_CAUSE_WALK_GUEST] + t[VX_CAUSE_WALK_NESTED] + t[VX_CAUSE_WALK_SHADOW]),
              .exits = (double)(t[VX_CAUSE_EXIT_HARDWARE] + t[VX_CAUSE_EXIT_SOFTWARE])};
    c.rest = (double)vx_ledger_total(ledger) - c.walks - c.exits;
    return c;
}

/* How much dearer shadow paging is: its cycles over EPT's, with walks and exits scaled. */
static double ratio(const cross_point *p, double walks, double exits)
{
    return (p->shadow.rest + walks * p->shadow.walks + exits * p->shadow.exits) /
           (p->ept.rest + walks * p->ept.walks + exits * p->ept.exits);
}

static vx_status measure(const machine *m, const char *scheme, unsigned body, unsigned period, bool quick,
                         double *misses, double *updates, cost *cycles, vx_msg *msg)
{
    char trace[128];
    unsigned loads = quick ? QUICK_LOADS : LOADS, warm = quick ? QUICK_LOADS / 2 : WARM_LOADS_A_PAGE * m->pages;
    snprintf(trace, sizeof trace, "gen:random:bytes=%u,body=%u,refs=%u", m->pages * 4096, body, 2 * (warm + loads));
    const char *traces = trace;
    bench_sets sets = {.count = 0};
    bench_sets_add(&sets, "vm.fault_instructions=%d", HANDLER);
    bench_sets_add(&sets, "vm.unmap_instructions=%u", period * body);
    vx_sim_options options = {.cpu = m->cpu,
                              .scheme = scheme,
                              .vpid = true,
                              .traces = &traces,
                              .trace_count = 1,
                              .seed = 1,
                              .warmup = (uint64_t)warm * body + (quick ? 0 : (uint64_t)m->pages * HANDLER),
                              .max = (uint64_t)loads * body};
    bench_figure f[] = {{"instructions", 0}, {"walks.count", 0}, {"paging.os.pt_stores", 0}};
    vx_ledger ledger;
    vx_status status = bench_run(&options, &sets, f, 3, &ledger, msg);
    if (status != VX_OK) return status;
    *misses = 1e3 * (double)f[1].value / (double)f[0].value;
    *updates = 1e6 * (double)f[2].value / (double)f[0].value;
    *cycles = split(&ledger);
    return VX_OK;
}

static vx_status measure_both(const machine *m, unsigned body, unsigned period, bool quick, cross_point *p, vx_msg *msg)
{
    double misses, updates;
    vx_status status = measure(m, "ept", body, period, quick, &p->misses, &p->updates, &p->ept, msg);
    if (status != VX_OK) return status;
    return measure(m, "shadow-wp", body, period, quick, &misses, &updates, &p->shadow, msg);
}

/* The update rate at which the ratio passes 1, between two points in logarithms; NaN where it does not. Points come in
 * order of falling update rate. */
static double crossing(const cross_point *points, double walks, double exits)
{
    for (unsigned i = 0; i + 1 < PERIODS; i++) {
        double a = log(ratio(&points[i], walks, exits)), b = log(ratio(&points[i + 1], walks, exits));
        if (a < 0 || b > 0) continue;
        double part = a > b ? a / (a - b) : 0;
        return exp((1 - part) * log(points[i].updates) + part * log(points[i + 1].updates));
    }
    return NAN;
}

typedef struct cross_curve {
    double misses[BODIES], middle[BODIES], low[BODIES], high[BODIES];
} cross_curve;

static void put_points(FILE *csv, const char *name, unsigned body, const cross_point *points)
{
    if (!csv) return;
    for (unsigned i = 0; i < PERIODS; i++)
        fprintf(csv, "%s,%u,%u,%.4f,%.4f,%.0f,%.0f,%.5f,%.5f,%.5f\n", name, body, periods[i] * body, points[i].misses,
                points[i].updates, points[i].ept.rest + points[i].ept.walks + points[i].ept.exits,
                points[i].shadow.rest + points[i].shadow.walks + points[i].shadow.exits, ratio(&points[i], 1, 1),
                ratio(&points[i], 1.5, 0.5), ratio(&points[i], 0.5, 1.5));
}

static void put_rate(double rate)
{
    if (isnan(rate))
        printf(" %12s", "none");
    else
        printf(" %12.2f", rate);
}

static vx_status sweep(const machine *m, bool quick, FILE *csv, cross_curve *curve, vx_msg *msg)
{
    for (unsigned b = 0; b < bodies_used(quick); b++) {
        cross_point points[PERIODS];
        for (unsigned i = 0; i < PERIODS; i++) {
            vx_status status = measure_both(m, bodies[b], periods[i], quick, &points[i], msg);
            if (status != VX_OK) return status;
        }
        put_points(csv, m->name, bodies[b], points);
        curve->misses[b] = points[PERIODS - 1].misses;
        curve->middle[b] = crossing(points, 1, 1);
        curve->low[b] = crossing(points, 0.5, 1.5);  /* EPT at its best */
        curve->high[b] = crossing(points, 1.5, 0.5); /* shadow paging at its best */
        printf("%-16s %12.3f", m->name, curve->misses[b]);
        put_rate(curve->middle[b]);
        put_rate(curve->low[b]);
        put_rate(curve->high[b]);
        put_rate(1e3 * curve->misses[b] / curve->middle[b]);
        printf("\n");
    }
    return VX_OK;
}

/* Miss rates fall with the body's length: the chart wants them ascending, and the same for all curves. They differ
 * between CPUs only by the TLBs' reach, so each CPU is drawn at the first one's and its own are in the table. */
static vx_status draw(const bench_options *o, const cross_curve *curves, vx_msg *msg)
{
    double at[BODIES], y[MACHINES][BODIES], low[MACHINES][BODIES], high[MACHINES][BODIES];
    vx_curve drawn[MACHINES];
    unsigned used = bodies_used(o->quick);
    for (unsigned c = 0; c < MACHINES; c++) {
        for (unsigned b = 0; b < used; b++) {
            unsigned from = used - 1 - b;
            at[b] = curves[0].misses[from];
            double shift = curves[0].misses[from] / curves[c].misses[from]; /* updates per miss are what is measured */
            y[c][b] = curves[c].middle[from] * shift;
            low[c][b] = curves[c].low[from] * shift;
            high[c][b] = curves[c].high[from] * shift;
        }
        drawn[c] = (vx_curve){.name = machines[c].name, .y = y[c], .low = low[c], .high = high[c]};
    }
    vx_chart chart = {.title = "Above its line EPT is cheaper, below it write-protected shadow paging",
                      .x = {.label = "TLB misses per 1000 instructions", .logarithmic = true},
                      .y = {.label = "page-table stores per million instructions", .logarithmic = true},
                      .at = at,
                      .points = used,
                      .curves = drawn,
                      .count = MACHINES};
    return vx_chart_svg(&chart, o->svg, msg);
}

static vx_status run(const bench_options *o, vx_msg *msg)
{
    FILE *csv;
    vx_status status = vx_csv_open(&csv, o->csv, msg);
    if (status != VX_OK) return status;
    if (csv)
        fprintf(csv,
                "machine,instructions a load,unmap period,misses per 1000 instructions,stores per million,ept cycles,"
                "shadow-wp cycles,shadow over ept,low,high\n");
    printf("Loads at random over 16 or 128 MiB, textbook hypervisor, VPID on; band: walk and exit cycles +-50 %%\n\n");
    printf("%-16s %12s %38s %12s\n", "", "TLB misses", "page-table stores per Minst at which", "misses a");
    printf("%-16s %12s %12s %12s %12s %12s\n", "machine", "per kinst", "both cost =", "low", "high", "store there");
    cross_curve curves[MACHINES];
    for (unsigned c = 0; status == VX_OK && c < MACHINES; c++)
        status = sweep(&machines[c], o->quick, csv, &curves[c], msg);
    if (status == VX_OK) status = draw(o, curves, msg);
    if (status == VX_OK)
        printf(
            "\nFewer stores than that: shadow paging wins; more: EPT wins. Class D: costs are assumed, the band says "
            "how far\nthey move the line.\n");
    return vx_csv_close(csv, o->csv, status, msg);
}

int main(int argc, char **argv)
{
    bench_options o;
    bench_options_parse(&o, argc, argv, "Where shadow paging beats EPT: update rate against TLB-miss rate.");
    vx_msg msg = {{0}};
    return bench_end("crossover", run(&o, &msg), &msg);
}
