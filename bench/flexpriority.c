/* flexpriority: at which rate of task-priority accesses would FlexPriority be worth what its vendor claimed (about 35
 * %)?
 *
 * A guest OS writes its TPR by the APIC's page, as 32-bit Windows does when it raises and lowers IRQL, on Penryn: with
 * the TPR shadow and the APIC-access page no write exits, without each is a page fault of the shadow tables and an
 * emulated instruction. The claim names no workload, so nothing can be reproduced (class D): the program prints the
 * gain as a curve over the rate of accesses, for two published costs of such an exit, and the rate at which the curve
 * passes the claim.
 *
 * The second part is Xen's rule for CR8 on AMD: intercept its writes only while an interrupt is pending that the task
 * priority holds back, against intercepting all. How much that saves depends on how rare interrupts are beside the
 * writes.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench_options.h"
#include "bench_run.h"
#include "vx_chart.h"

enum {
    FOOTPRINT_KIB = 64,
    BODY = 10, /* instructions a load */
    WARM = 300000,
    COUNTED = 4000000,
    QUICK_COUNTED = 400000,
    WHOLE_EXIT = 1874, /* of the default row on Penryn: 1266 hardware, 10 VMREADs, 2 VMWRITEs */
    TICK_HZ = 1000
};
#define CLAIM 0.35

/* Instructions between raises; each is two writes. */
static const unsigned periods[] = {200000, 100000, 50000, 20000, 10000, 5000, 2000, 1000, 500, 200};
enum { PERIODS = sizeof periods / sizeof *periods };

/* What an exit costs as a whole. */
typedef struct exit_cost {
    const char *name;
    unsigned cycles;
} exit_cost;
static const exit_cost costs[] = {{"3000 an exit (Agesen 2012)", 3000}, {"7800, with decode (Xen 2009)", 7800}};
enum { COSTS = sizeof costs / sizeof *costs };

typedef struct side {
    double cycles, exits; /* all; those of VM exits, hardware and software */
    double share;         /* of the TPR's exits in all */
} side;

typedef struct flex_point {
    double writes;     /* per million instructions */
    double per_second; /* of the guest with FlexPriority */
    side without, with;
} flex_point;

/* The guest does the same work in fewer cycles: by how much, with the cost of exits scaled. */
static double gain(const flex_point *p, double scale)
{
    double without = p->without.cycles + (scale - 1) * p->without.exits;
    double with = p->with.cycles + (scale - 1) * p->with.exits;
    return without / with - 1;
}

static vx_sim_options options_of(const char *cpu, const char *scheme, const char *const *trace, bool quick)
{
    return (vx_sim_options){.cpu = cpu,
                            .scheme = scheme,
                            .traces = trace,
                            .trace_count = 1,
                            .seed = 1,
                            .warmup = WARM,
                            .max = quick ? QUICK_COUNTED : COUNTED};
}

static void trace_of(char trace[96], bool quick)
{
    unsigned instructions = WARM + (quick ? QUICK_COUNTED : COUNTED);
    snprintf(trace, 96, "gen:random:bytes=%uk,body=%u,refs=%u", FOOTPRINT_KIB, BODY, instructions / BODY);
}

static vx_status measure(unsigned period, const exit_cost *cost, bool flexpriority, bool quick, side *got,
                         double *writes, double *per_second, vx_msg *msg)
{
    char trace[96];
    const char *traces = trace;
    trace_of(trace, quick);
    bench_sets sets = {.count = 0};
    bench_sets_add(&sets, "vmm.apic.flexpriority=%s", flexpriority ? "yes" : "no");
    bench_sets_add(&sets, "vmm.handler.default.ticks=%u", cost->cycles - WHOLE_EXIT);
    bench_sets_add(&sets, "vm.priority.apic=page");
    bench_sets_add(&sets, "vm.priority.raise_instructions=%u", period);
    bench_sets_add(&sets, "vm.priority.hold_instructions=%u", period / 2);
    bench_sets_add(&sets, "vm.tick_instructions=%u", 3000000000U / TICK_HZ); /* 3 GHz, about one instruction a cycle */
    vx_sim_options options = options_of("penryn", "shadow-wp", &traces, quick);
    bench_figure f[] = {{"instructions", 0}, {"paging.os.tpr_writes", 0}, {"exits.tpr.cycles", 0}, {"cycles.total", 0}};
    vx_ledger ledger;
    vx_status status = bench_run(&options, &sets, f, 4, &ledger, msg);
    if (status != VX_OK) return status;
    double cycles = (double)f[3].value;
    *got = (side){.cycles = cycles,
                  .exits = (double)(ledger.ticks[VX_CAUSE_EXIT_HARDWARE] + ledger.ticks[VX_CAUSE_EXIT_SOFTWARE]),
                  .share = (double)f[2].value / cycles};
    *writes = 1e6 * (double)f[1].value / (double)f[0].value;
    *per_second = (double)f[1].value / (cycles / 3e9);
    return VX_OK;
}

static vx_status measure_both(unsigned period, const exit_cost *cost, bool quick, flex_point *p, vx_msg *msg)
{
    double ignored;
    vx_status status = measure(period, cost, false, quick, &p->without, &p->writes, &ignored, msg);
    if (status != VX_OK) return status;
    return measure(period, cost, true, quick, &p->with, &p->writes, &p->per_second, msg);
}

/* Where a rising curve passes `level`, between two points in logarithms of x; NaN where it does not. */
static double crossing(const double *x, const double *y, unsigned points, double level)
{
    for (unsigned i = 0; i + 1 < points; i++) {
        if (y[i] > level || y[i + 1] < level) continue;
        double part = y[i + 1] > y[i] ? (level - y[i]) / (y[i + 1] - y[i]) : 0;
        return exp(log(x[i]) + part * (log(x[i + 1]) - log(x[i])));
    }
    return NAN;
}

/* ---- the first part ---- */

typedef struct flex_curve {
    double at[PERIODS], per_second[PERIODS], middle[PERIODS], low[PERIODS], high[PERIODS];
} flex_curve;

static vx_status sweep(const exit_cost *cost, bool quick, FILE *csv, flex_curve *c, vx_msg *msg)
{
    for (unsigned i = 0; i < PERIODS; i++) {
        flex_point p;
        vx_status status = measure_both(periods[i], cost, quick, &p, msg);
        if (status != VX_OK) return status;
        c->at[i] = p.writes;
        c->per_second[i] = p.per_second;
        c->middle[i] = gain(&p, 1);
        c->low[i] = gain(&p, 0.5);
        c->high[i] = gain(&p, 1.5);
        printf("%-30s %12.0f %12.0f %9.1f%% %9.1f%% %9.1f%% %9.1f%%\n", cost->name, p.writes, p.per_second,
               100 * p.without.share, 100 * c->middle[i], 100 * c->low[i], 100 * c->high[i]);
        if (csv)
            fprintf(csv, "%u,%u,%.2f,%.0f,%.5f,%.0f,%.0f,%.5f,%.5f,%.5f\n", cost->cycles, periods[i], p.writes,
                    p.per_second, p.without.share, p.without.cycles, p.with.cycles, c->middle[i], c->low[i],
                    c->high[i]);
    }
    return VX_OK;
}

static void say_claim(const exit_cost *cost, const flex_curve *c)
{
    double middle = crossing(c->at, c->middle, PERIODS, CLAIM);
    printf("%-30s %.0f %% at %.0f writes per million instructions (%.0f to %.0f with exits 1.5 and 0.5 times as dear), "
           "%.0f a second\n",
           cost->name, 100 * CLAIM, middle, crossing(c->at, c->high, PERIODS, CLAIM),
           crossing(c->at, c->low, PERIODS, CLAIM), crossing(c->per_second, c->middle, PERIODS, CLAIM));
}

static vx_status draw(const bench_options *o, const flex_curve *curves, vx_msg *msg)
{
    double claim[PERIODS];
    vx_curve drawn[COSTS + 1];
    for (unsigned i = 0; i < PERIODS; i++) claim[i] = CLAIM;
    for (unsigned c = 0; c < COSTS; c++)
        drawn[c] =
            (vx_curve){.name = costs[c].name, .y = curves[c].middle, .low = curves[c].low, .high = curves[c].high};
    drawn[COSTS] = (vx_curve){.name = "the vendor's claim", .y = claim};
    vx_chart chart = {.title = "What FlexPriority saves, by how often a guest writes its task priority (Penryn)",
                      .x = {.label = "TPR writes per million instructions", .logarithmic = true},
                      .y = {.label = "gain: cycles without over cycles with, less 1", .logarithmic = true},
                      .at = curves[0].at,
                      .points = PERIODS,
                      .curves = drawn,
                      .count = COSTS + 1};
    return vx_chart_svg(&chart, o->svg, msg);
}

static vx_status gain_part(const bench_options *o, vx_msg *msg)
{
    FILE *csv;
    vx_status status = vx_csv_open(&csv, o->csv, msg);
    if (status != VX_OK) return status;
    if (csv)
        fprintf(csv,
                "cycles an exit,raise period,writes per million instructions,writes a second,share of exits without,"
                "cycles without,cycles with,gain,gain with exits x 0.5,gain with exits x 1.5\n");
    printf("Penryn, write-protected shadow paging, a guest that raises and lowers its TPR by the APIC's page\n\n");
    printf("%-30s %12s %12s %10s %10s %21s\n", "", "TPR writes", "a second,", "exits of", "", "gain, exits x");
    printf("%-30s %12s %12s %10s %10s %10s %10s\n", "cost of an exit", "per Minst", "3 GHz", "these", "gain", "0.5",
           "1.5");
    flex_curve curves[COSTS] = {0};
    for (unsigned c = 0; status == VX_OK && c < COSTS; c++) status = sweep(&costs[c], o->quick, csv, &curves[c], msg);
    if (status == VX_OK) status = draw(o, curves, msg);
    status = vx_csv_close(csv, o->csv, status, msg);
    if (status != VX_OK) return status;
    printf("\nThe claim of %.0f %% holds at\n", 100 * CLAIM);
    for (unsigned c = 0; c < COSTS; c++) say_claim(&costs[c], &curves[c]);
    printf("Class D: the claim names no workload; this says at which rate it would hold, on these costs.\n\n");
    return VX_OK;
}

/* ---- the second part ---- */

/* Instructions between interrupts. Each is 123 more than a multiple of CR8_PERIOD, so that few of them already meet the
 * raised priority in all phases. */
static const unsigned ticks[] = {3123, 10123, 30123, 100123, 300123, 1000123};
enum { TICKS = sizeof ticks / sizeof *ticks, CR8_PERIOD = 200, LEVEL_ALL = 15 };
static const unsigned holds[] = {20, 100, 180}; /* of CR8_PERIOD: 10, 50, 90 % of the time */
enum { HOLDS = sizeof holds / sizeof *holds };
#define PUBLISHED (10e6 / 6e3)

static vx_status cr8_exits(const char *rule, unsigned tick, unsigned hold, bool quick, bench_figure f[3], vx_msg *msg)
{
    char trace[96];
    const char *traces = trace;
    trace_of(trace, quick);
    bench_sets sets = {.count = 0};
    bench_sets_add(&sets, "vmm.apic.tpr_trap=%s", rule);
    bench_sets_add(&sets, "vm.priority.apic=cr8");
    bench_sets_add(&sets, "vm.priority.raise_instructions=%d", CR8_PERIOD);
    bench_sets_add(&sets, "vm.priority.hold_instructions=%u", hold);
    bench_sets_add(&sets, "vm.priority.level=%d", LEVEL_ALL);
    bench_sets_add(&sets, "vm.tick_instructions=%u", tick);
    bench_sets_add(&sets, "vm.fault_instructions=100");
    vx_sim_options options = options_of("barcelona", "npt", &traces, quick);
    return bench_run(&options, &sets, f, 3, NULL, msg);
}

typedef struct rule_curve {
    double rate[TICKS]; /* interrupts per million writes, ascending */
    double reduction[TICKS];
} rule_curve;

static vx_status sweep_rule(unsigned hold, bool quick, rule_curve *c, vx_msg *msg)
{
    for (unsigned t = 0; t < TICKS; t++) {
        unsigned tick = ticks[TICKS - 1 - t];
        bench_figure all[] = {{"exits.tpr.count", 0}, {"paging.os.tpr_writes", 0}, {"events.interrupts", 0}};
        bench_figure rule[] = {{"exits.tpr.count", 0}, {"paging.os.tpr_writes", 0}, {"events.interrupts", 0}};
        vx_status status = cr8_exits("all", tick, hold, quick, all, msg);
        if (status == VX_OK) status = cr8_exits("masked", tick, hold, quick, rule, msg);
        if (status != VX_OK) return status;
        if (rule[1].value != all[1].value || rule[2].value != all[2].value)
            return vx_fail(msg, VX_ERR_CHECK, "the guest did not do the same under both rules");
        c->rate[t] = 1e6 * (double)all[2].value / (double)all[1].value;
        c->reduction[t] = rule[0].value ? (double)all[0].value / (double)rule[0].value : NAN;
        printf("%11u%% %12.0f %12llu %12llu %12llu %12.0f\n", 100 * hold / CR8_PERIOD, c->rate[t],
               (unsigned long long)all[2].value, (unsigned long long)all[0].value, (unsigned long long)rule[0].value,
               c->reduction[t]);
    }
    return VX_OK;
}

/* The rate of interrupts at which the exits fall by the published factor; NaN where the sweep does not reach it. */
static double rate_of_published(const rule_curve *c)
{
    double x[TICKS], y[TICKS];
    for (unsigned t = 0; t < TICKS; t++) { /* the curve falls: read from the other end */
        x[t] = c->rate[TICKS - 1 - t];
        y[t] = c->reduction[TICKS - 1 - t];
    }
    return crossing(x, y, TICKS, PUBLISHED);
}

/* "x.svg" becomes "x-cr8.svg"; NULL stays. */
static const char *second_file(const char *path, char room[512])
{
    if (!path) return NULL;
    const char *dot = strrchr(path, '.');
    int stem = dot && !strchr(dot, '/') ? (int)(dot - path) : (int)strlen(path);
    snprintf(room, 512, "%.*s-cr8%s", stem, path, path + stem);
    return room;
}

static vx_status draw_rule(const bench_options *o, const rule_curve *curves, vx_msg *msg)
{
    static const char *const names[HOLDS] = {"raised 10 % of the time", "raised 50 %", "raised 90 %"};
    double published[TICKS];
    vx_curve drawn[HOLDS + 1];
    char room[512];
    for (unsigned t = 0; t < TICKS; t++) published[t] = PUBLISHED;
    for (unsigned h = 0; h < HOLDS; h++) drawn[h] = (vx_curve){.name = names[h], .y = curves[h].reduction};
    drawn[HOLDS] = (vx_curve){.name = "published: 10 million to 6 thousand", .y = published};
    vx_chart chart = {.title = "Exits of CR8 writes that Xen's rule saves, by how rare interrupts are",
                      .x = {.label = "interrupts per million writes", .logarithmic = true},
                      .y = {.label = "exits if all are trapped over exits by the rule", .logarithmic = true},
                      .at = curves[0].rate,
                      .points = TICKS,
                      .curves = drawn,
                      .count = HOLDS + 1};
    vx_status status = vx_chart_csv(&chart, second_file(o->csv, room), "interrupts per million writes", msg);
    return status == VX_OK ? vx_chart_svg(&chart, second_file(o->svg, room), msg) : status;
}

static vx_status rule_part(const bench_options *o, vx_msg *msg)
{
    rule_curve curves[HOLDS] = {0};
    vx_status status = VX_OK;
    printf("Barcelona, CR8 written %.0f times per million instructions; its writes exit always, or by Xen's rule\n\n",
           2e6 / CR8_PERIOD);
    printf("%12s %12s %12s %12s %12s %12s\n", "", "interrupts", "", "exits,", "exits,", "");
    printf("%12s %12s %12s %12s %12s %12s\n", "raised for", "per Mwrite", "interrupts", "all", "the rule", "reduction");
    for (unsigned h = 0; status == VX_OK && h < HOLDS; h++) status = sweep_rule(holds[h], o->quick, &curves[h], msg);
    if (status == VX_OK) status = draw_rule(o, curves, msg);
    if (status != VX_OK) return status;
    printf("\nPublished of Xen: about 10 million exits became 6 thousand in one boot of a guest, %.0f times fewer. "
           "That is\n",
           PUBLISHED);
    for (unsigned h = 0; h < HOLDS; h++)
        printf("%11u%%: %.0f interrupts per million writes\n", 100 * holds[h] / CR8_PERIOD,
               rate_of_published(&curves[h]));
    printf("Class D: how often that guest was interrupted, and at which priorities, is not published.\n");
    return VX_OK;
}

static vx_status run(const bench_options *o, vx_msg *msg)
{
    vx_status status = gain_part(o, msg);
    return status == VX_OK ? rule_part(o, msg) : status;
}

int main(int argc, char **argv)
{
    bench_options o;
    bench_options_parse(&o, argc, argv,
                        "What FlexPriority saves, by the rate of task-priority accesses; Xen's rule for CR8.");
    vx_msg msg = {{0}};
    return bench_end("flexpriority", run(&o, &msg), &msg);
}
