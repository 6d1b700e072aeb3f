/* tlb_knees: a random pointer chase over 8 to 4096 pages on each CPU model; where the cost of an access steps up, and
 * by how much, beside what was measured on the real processor.
 *
 * The knees are results: geometry goes in, page counts come out (class A). The penalties are the model's own inputs, so
 * meeting them shows that the model is wired up rightly and claims nothing (docs/models.md).
 *
 * --measured FILE sets bench/hostlat's output (pages,ns,cycles) beside the models. */
#include <argp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tlb_knees_measured.h"
#include "tlb_knees_published.h"
#include "vexit.h"
#include "vx_chart.h"

static const unsigned page_counts[] = {8,   12,  16,  20,   24,   32,   40,   48,   56,   64,   80,
                                       96,  112, 128, 160,  192,  224,  256,  320,  384,  448,  512,
                                       640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 4096};
enum { POINTS = sizeof page_counts / sizeof *page_counts, ROUNDS = 4, BODY = 4 };

typedef struct knees_options {
    const char *csv, *svg, *measured;
} knees_options;

/* Cycles that translation adds to one access, in the steady state. */
static vx_status chase(const char *cpu, unsigned pages, double *cycles, vx_msg *msg)
{
    char trace[96];
    unsigned refs = pages * ROUNDS * 2;
    snprintf(trace, sizeof trace, "gen:chase:pages=%u,refs=%u,body=%d", pages, refs, BODY);
    const char *traces[] = {trace};
    /* A turn is BODY instructions and one load. The first half of the rounds warms up; without the handler's
     * instructions the warm-up's length is that of its turns. Each load of a chase waits for the one before, so walks
     * never overlap, however many walkers there are. */
    static const char *const sets[] = {"vm.fault_instructions=0", "cpu.mmu.walkers=1", "cpu.mmu.walk_exposure=1"};
    vx_sim_options options = {.cpu = cpu,
                              .scheme = "native",
                              .traces = traces,
                              .trace_count = 1,
                              .seed = 1,
                              .sets = sets,
                              .set_count = sizeof sets / sizeof *sets,
                              .warmup = (uint64_t)pages * ROUNDS * BODY};
    vx_sim *sim;
    vx_status status = vx_sim_open(&sim, &options, msg);
    if (status != VX_OK) return status;
    status = vx_sim_run(sim, msg);
    uint64_t loads = 0;
    if (status == VX_OK && vx_sim_value(sim, "reference_kinds.loads", &loads) && loads) {
        const vx_ledger *ledger = vx_sim_ledger(sim);
        uint64_t added = ledger->ticks[VX_CAUSE_TLB_L2_HIT] + ledger->ticks[VX_CAUSE_WALK_GUEST];
        *cycles = (double)added / (double)loads;
    }
    vx_sim_close(sim);
    return status;
}

/* The last point before the curve leaves `level` (by more than a twentieth of a cycle: the code page and the warm-up's
 * end disturb a few accesses), searched from point `from`. */
static unsigned last_at(const double *curve, unsigned from, double level)
{
    unsigned i = from;
    while (i + 1 < POINTS && fabs(curve[i + 1] - level) <= 0.05) i++;
    return i;
}

typedef struct knees {
    unsigned knee1, knee2;
    double second, walk; /* cycles added beyond knee 1, and beyond knee 2 on top of that */
} knees;

static knees find_knees(const double *curve)
{
    knees k = {0};
    unsigned first = last_at(curve, 0, curve[0]);
    /* The plateau between the knees: the value that most points share after the first step. */
    unsigned best = first + 1 < POINTS ? first + 1 : first, most = 0;
    for (unsigned i = first + 1; i < POINTS; i++) {
        unsigned same = 0;
        for (unsigned j = i; j < POINTS && fabs(curve[j] - curve[i]) <= 0.05; j++) same++;
        if (same > most && curve[i] < curve[POINTS - 1] - 0.5) {
            most = same;
            best = i;
        }
    }
    k.knee1 = page_counts[first];
    k.knee2 = page_counts[last_at(curve, best, curve[best])];
    k.second = curve[best] - curve[0];
    k.walk = curve[POINTS - 1] - curve[best];
    return k;
}

static bool within(double value, double low, double high)
{
    return low < 0 || (value >= low - 1.0 && value <= high + 1.0);
}

static void range(char *text, size_t room, double low, double high)
{
    if (low < 0)
        snprintf(text, room, "-");
    else if (low == high)
        snprintf(text, room, "%.0f", low);
    else
        snprintf(text, room, "%.0f-%.0f", low, high);
}

/* One row of the table; false where a knee or a penalty is off. */
static bool print_row(const published_knees *p, const knees *k)
{
    bool fine = k->knee1 == p->knee1 && k->knee2 == p->knee2 && within(k->second, p->second_low, p->second_high) &&
                within(k->walk, p->walk_low, p->walk_high);
    char second[16], walk[16];
    range(second, sizeof second, p->second_low, p->second_high);
    range(walk, sizeof walk, p->walk_low, p->walk_high);
    printf("%-16s %-13s %6u %6u %8.1f %8s %7u %6u %8.1f %8s  %s\n", p->cpu, p->core, k->knee1, p->knee1, k->second,
           second, k->knee2, p->knee2, k->walk, walk, fine ? "ok" : "OFF");
    return fine;
}

static vx_status write_files(const knees_options *o, double curves[][POINTS], const char *const *names, unsigned count,
                             vx_msg *msg)
{
    double pages[POINTS];
    vx_curve curve[PUBLISHED + 1] = {0};
    for (unsigned i = 0; i < POINTS; i++) pages[i] = page_counts[i];
    for (unsigned c = 0; c < count; c++) curve[c] = (vx_curve){.name = names[c], .y = curves[c]};
    vx_chart chart = {.title = "Cycles that translation adds to an access, by pages touched",
                      .x = {.label = "pages of 4 KiB, one line each", .logarithmic = true},
                      .y = {.label = "cycles"},
                      .at = pages,
                      .points = POINTS,
                      .curves = curve,
                      .count = count};
    vx_status status = vx_chart_csv(&chart, o->csv, "pages", msg);
    return status == VX_OK ? vx_chart_svg(&chart, o->svg, msg) : status;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    knees_options *o = state->input;
    switch (key) {
    case 'c':
        o->csv = arg;
        return 0;
    case 's':
        o->svg = arg;
        return 0;
    case 'm':
        o->measured = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_list[] = {
    {"csv", 'c', "FILE", 0, "write the curves as CSV", 0},
    {"svg", 's', "FILE", 0, "write the curves as an SVG chart", 0},
    {"measured", 'm', "FILE", 0, "set a real machine's curve (bench/hostlat) beside the models", 0},
    {0}};
static const struct argp argp = {
    .options = option_list, .parser = parse, .doc = "TLB knees and penalties of every CPU model beside measured ones."};

static vx_status all_curves(double curves[][POINTS], vx_msg *msg)
{
    for (unsigned c = 0; c < PUBLISHED; c++)
        for (unsigned i = 0; i < POINTS; i++) {
            vx_status status = chase(published[c].cpu, page_counts[i], &curves[c][i], msg);
            if (status != VX_OK) return status;
        }
    return VX_OK;
}

/* The real machine's curve beside the models', at the powers of two. A measured access also waits for its line: what it
 * costs at the fewest pages is taken off. */
static void print_beside(double curves[][POINTS], const char *const *names, unsigned count)
{
    const double *measured = curves[count - 1];
    unsigned base = 0;
    while (base + 1 < POINTS && isnan(measured[base])) base++;
    printf("\ncycles added to an access, by pages; measured: beyond those at %u pages\n%6s %9s", page_counts[base],
           "pages", "measured");
    for (unsigned c = 0; c + 1 < count; c++) printf(" %7.7s", names[c]);
    printf("\n");
    for (unsigned i = 0; i < POINTS; i++) {
        if ((page_counts[i] & (page_counts[i] - 1)) != 0 || isnan(measured[i])) continue;
        printf("%6u %9.1f", page_counts[i], measured[i] - measured[base]);
        for (unsigned c = 0; c + 1 < count; c++) printf(" %7.1f", curves[c][i]);
        printf("\n");
    }
}

/* The table of knees; false where a model is off. */
static bool print_table(double curves[][POINTS])
{
    bool fine = true;
    printf("%-16s %-13s %13s %17s %14s %17s\n", "model", "core", "knee 1 pages", "second-level hit", "knee 2 pages",
           "cached walk adds");
    printf("%-16s %-13s %6s %6s %8s %8s %7s %6s %8s %8s\n", "", "", "model", "meas.", "model", "meas.", "model",
           "meas.", "model", "meas.");
    for (unsigned c = 0; c < PUBLISHED; c++) {
        knees k = find_knees(curves[c]);
        fine &= print_row(&published[c], &k);
    }
    printf(
        "\nKnees are results of the geometry (class A); penalties are the model's inputs, and the real ones ('meas.') "
        "have a\ntolerance of one cycle.\n");
    return fine;
}

int main(int argc, char **argv)
{
    knees_options o = {0};
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    static double curves[PUBLISHED + 1][POINTS];
    const char *names[PUBLISHED + 1];
    unsigned count = PUBLISHED;
    for (unsigned c = 0; c < PUBLISHED; c++) names[c] = published[c].cpu;
    vx_msg msg = {{0}};
    vx_status status = VX_OK;
    if (o.measured) {
        names[count] = "measured";
        status = knees_measured_read(o.measured, page_counts, POINTS, curves[count++], &msg);
    }
    if (status == VX_OK) status = all_curves(curves, &msg);
    bool fine = status != VX_OK || print_table(curves);
    if (status == VX_OK && o.measured) print_beside(curves, names, count);
    if (status == VX_OK) status = write_files(&o, curves, names, count, &msg);
    if (status != VX_OK) {
        fprintf(stderr, "tlb_knees: %s\n", msg.text);
        return vx_status_exit_code(status);
    }
    return fine ? 0 : 1;
}
