#include "bench_options.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
    bench_options *o = state->input;
    switch (key) {
    case 'c':
        o->csv = arg;
        return 0;
    case 's':
        o->svg = arg;
        return 0;
    case 't':
        o->traces = arg;
        return 0;
    case 'q':
        o->quick = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_list[] = {
    {"csv", 'c', "FILE", 0, "write the figures as CSV", 0},
    {"svg", 's', "FILE", 0, "write them as an SVG chart, where the experiment has one", 0},
    {"traces", 't', "DIR", 0, "folder of the shipped traces", 0},
    {"quick", 'q', NULL, 0, "tiny sizes: shows that the program works, its figures mean nothing", 0},
    {0}};

const struct argp bench_options_argp = {.options = option_list, .parser = parse};

void bench_options_default(bench_options *options)
{
    *options = (bench_options){.traces = BENCH_TRACES_DIR};
    argp_err_exit_status = 2;
}

void bench_options_parse(bench_options *options, int argc, char **argv, const char *doc)
{
    struct argp argp = bench_options_argp;
    argp.doc = doc;
    bench_options_default(options);
    argp_parse(&argp, argc, argv, 0, NULL, options);
}
