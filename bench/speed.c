/* speed: how fast simulations run, in million references a second of processor time, beside a bare loop of the same
 * TLBs over the same records in the same process; how many fully missing two-dimensional walks a second; how cost
 * grows; what a whole process takes. Each figure that something was asked of says whether it is reached here.
 *
 * Each figure is the median of repeated runs. From a file, decoding is included; first touches are too. */
#include <stdlib.h>
#include <string.h>

#include "bench_run.h"
#include "speed_parts.h"
#include "vx_chart.h"

typedef struct part {
    const char *name;
    vx_status (*run)(const speed_options *o, speed_rows *rows, vx_msg *msg);
} part;

/* References first: the bare loop is what others are judged by. */
static const part parts[] = {{"references", speed_references},
                             {"processes", speed_processes},
                             {"linear", speed_linear},
                             {"linear-walks", speed_linear_walks},
                             {"walks", speed_walks}};
enum { PARTS = sizeof parts / sizeof *parts };

const char *speed_trace(const speed_options *o, char *room, size_t bytes)
{
    if (o->trace) return o->trace;
    snprintf(room, bytes, "%s/compiler.vxt", o->common.traces);
    return room;
}

static bool is_part(const char *name)
{
    for (unsigned i = 0; i < PARTS; i++)
        if (strcmp(parts[i].name, name) == 0) return true;
    return false;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    speed_options *o = state->input;
    char *end;
    unsigned long repeats;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'f':
        o->trace = arg;
        return 0;
    case 'j':
        o->json = arg;
        return 0;
    case 'v':
        o->vexit = arg;
        return 0;
    case 'o':
        if (!is_part(arg))
            argp_error(state, "--only %s: must be processes, references, linear, linear-walks or walks", arg);
        o->only = arg;
        return 0;
    case 'r':
        repeats = strtoul(arg, &end, 10);
        if (end == arg || *end || repeats < 1 || repeats > SPEED_REPEATS_MAX)
            argp_error(state, "--repeat %s: must be 1 to %d", arg, SPEED_REPEATS_MAX);
        o->repeats = (unsigned)repeats;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static vx_status run(const speed_options *o, vx_msg *msg)
{
    speed_rows rows = {.quiet = o->json && strcmp(o->json, "-") == 0};
    FILE *csv;
    vx_status status = vx_csv_open(&csv, o->common.csv, msg);
    if (status != VX_OK) return status;
    for (unsigned i = 0; status == VX_OK && i < PARTS; i++)
        if (!o->only || strcmp(o->only, parts[i].name) == 0) status = parts[i].run(o, &rows, msg);
    if (csv && status == VX_OK) speed_rows_csv(&rows, csv);
    if (o->json && status == VX_OK) status = speed_rows_json(&rows, o->json, o->common.quick, msg);
    return vx_csv_close(csv, o->common.csv, status, msg);
}

int main(int argc, char **argv)
{
    static const struct argp_option option_list[] = {
        {"trace", 'f', "FILE", 0, "the user-level .vxt trace to run; default: the shipped compiler's", 0},
        {"json", 'j', "FILE", 0, "write the rows as JSON; - for standard output, then no text there", 0},
        {"vexit", 'v', "FILE", 0, "the program whose processes are measured", 0},
        {"only", 'o', "PART", 0, "processes, references, linear, linear-walks or walks; default: all", 0},
        {"repeat", 'r', "N", 0, "runs of which the median is taken; default 5", 0},
        {0}};
    static const struct argp_child children[] = {{&bench_options_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {.options = option_list,
                                     .parser = parse,
                                     .children = children,
                                     .doc = "References and walks a second, beside a bare loop over the same records."};
    speed_options o = {.repeats = 5, .vexit = BENCH_VEXIT};
    bench_options_default(&o.common);
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    vx_msg msg = {{0}};
    return bench_end("speed", run(&o, &msg), &msg);
}
