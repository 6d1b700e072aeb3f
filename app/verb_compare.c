/* vexit compare: one trace under several schemes, side by side, each run in a process of its own. */
#include <stdio.h>
#include <string.h>

#include "interrupt.h"
#include "replay_options.h"
#include "verbs.h"
#include "vx_measured.h"
#include "vx_report.h"
#include "worker.h"

enum { KEY_SCHEMES = 1024, KEY_SEEDS, KEY_JOBS, KEY_HTML, KEY_MEASURED, SCHEMES_MAX = 16, SEEDS_MAX = 1000 };

typedef struct compare_options {
    replay_options replay;
    const char *schemes[SCHEMES_MAX];
    unsigned scheme_count;
    unsigned seeds, jobs;
    const char *html, *measured;
} compare_options;

static const struct argp_option option_list[] = {
    {"schemes", KEY_SCHEMES, "NAME[,NAME...]", 0,
     "schemes to compare (default: native,shadow-wp,shadow-vtlb,ept,ept+vpid; npt for ept on AMD; less those that the "
     "CPU or the hypervisor cannot run)",
     0},
    {"seeds", KEY_SEEDS, "N", 0, "repeat with N seeds and report mean and 95 % interval", 0},
    {"jobs", KEY_JOBS, "N", 0, "runs at a time (default: one a processor)", 0},
    {"measured", KEY_MEASURED, "FILE", 0, "a host's exits, as perf kvm stat prints them, to set beside the model's", 0},
    {"html", KEY_HTML, "FILE", 0, "write the report as one HTML file", 2},
    {0}};

static void take_schemes(struct argp_state *state, compare_options *o, char *list)
{
    o->scheme_count = 0;
    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        if (o->scheme_count == SCHEMES_MAX) argp_error(state, "more than %d schemes", SCHEMES_MAX);
        o->schemes[o->scheme_count++] = name;
    }
    if (o->scheme_count == 0) argp_error(state, "--schemes: none named");
}

static unsigned small_count(struct argp_state *state, const char *option, const char *text, unsigned most)
{
    uint64_t value = option_count(state, option, text);
    if (value == 0 || value > most) argp_error(state, "--%s: 1 to %u", option, most);
    return (unsigned)value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    compare_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->replay;
        return 0;
    case KEY_SCHEMES:
        take_schemes(state, o, arg);
        return 0;
    case KEY_SEEDS:
        o->seeds = small_count(state, "seeds", arg, SEEDS_MAX);
        return 0;
    case KEY_JOBS:
        o->jobs = small_count(state, "jobs", arg, 1024);
        return 0;
    case KEY_MEASURED:
        o->measured = arg;
        return 0;
    case KEY_HTML:
        o->html = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&replay_argp, 0, NULL, 0}, {0}};
static const struct argp compare_argp = {.options = option_list,
                                         .parser = parse,
                                         .doc = "Replay a trace under several schemes and set them side by side.",
                                         .children = children};

/* Can the machine run the scheme? Whatever else is wrong is told when the runs are opened. */
static bool can_run(const compare_options *o, const char *name)
{
    vx_sim_options sim = o->replay.sim;
    sim.scheme = name;
    return vx_sim_can_run(&sim, NULL) == VX_OK;
}

/* The five of the design, with AMD's nested paging where the CPU is AMD's, less those that the machine cannot run:
 * older processors lack EPT or VPID, some hypervisors use one scheme only. */
static vx_status default_schemes(compare_options *o, vx_msg *msg)
{
    static const char *const names[] = {"native", "shadow-wp", "shadow-vtlb", "ept", "ept+vpid", "npt", "npt+vpid"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (can_run(o, names[i])) o->schemes[o->scheme_count++] = names[i];
    if (o->scheme_count) return VX_OK;
    vx_sim_options sim = o->replay.sim;
    sim.scheme = "shadow-wp";
    return vx_sim_can_run(&sim, msg);
}

static void options_of(const compare_options *o, unsigned index, vx_sim_options *sim)
{
    *sim = o->replay.sim;
    sim->scheme = o->schemes[index % o->scheme_count];
    sim->seed += index / o->scheme_count;
}

/* In the child: one run. */
static vx_status work(void *context, unsigned index, json_t **run, vx_msg *msg)
{
    const compare_options *o = context;
    vx_sim_options options;
    options_of(o, index, &options);
    vx_sim *sim = NULL;
    vx_status status = vx_sim_open(&sim, &options, msg);
    if (status != VX_OK) return status;
    status = vx_sim_run(sim, msg);
    if (status == VX_OK || status == VX_ERR_INTERRUPTED) {
        *run = vx_sim_run_json(sim, msg);
        if (!*run) status = VX_ERR_NOMEM;
    }
    vx_sim_close(sim);
    return status;
}

/* Every configuration is opened once in the parent, so that what is wrong is said before anything runs; the first is
 * kept for the document's facts about the trace. */
static vx_status open_all(const compare_options *o, vx_sim **first, vx_msg *msg)
{
    for (unsigned i = 0; i < o->scheme_count; i++) {
        vx_sim_options options;
        options_of(o, i, &options);
        vx_sim *sim;
        vx_status status = vx_sim_open(&sim, &options, msg);
        if (status != VX_OK) return status;
        if (i == 0)
            *first = sim;
        else
            vx_sim_close(sim);
    }
    return VX_OK;
}

static vx_status write_reports(const compare_options *o, const json_t *document, vx_msg *msg)
{
    vx_status status = verb_output(&o->replay.machine, document, msg);
    if (status != VX_OK || !o->html) return status;
    status = vx_report_save(document, o->html, vx_report_write_html, msg);
    if (status == VX_OK && strcmp(o->html, "-") != 0) fprintf(stderr, "HTML report: %s\n", o->html);
    return status;
}

/* What the runs were, as a document; a measured host beside them where one was read. */
static vx_status make_document(json_t **made, vx_sim *first, bool complete, json_t *runs, json_t *measured, vx_msg *msg)
{
    json_t *document = vx_sim_document_of(first, "compare", complete, runs, msg);
    if (!document) return VX_ERR_NOMEM;
    vx_status status = vx_report_compare(document, msg);
    if (status == VX_OK && measured) status = vx_measured_compare(document, json_incref(measured), msg);
    if (status == VX_OK)
        *made = document;
    else
        json_decref(document);
    return status;
}

static vx_status compare(const compare_options *o, bool *interrupted, vx_msg *msg)
{
    vx_sim *first = NULL;
    json_t *runs = NULL, *measured = NULL, *document = NULL;
    vx_status status = verb_output_check(&o->replay.machine, &o->replay.sim, msg);
    if (status == VX_OK && o->measured) status = vx_measured_read(&measured, o->measured, msg);
    if (status == VX_OK) status = open_all(o, &first, msg);
    if (status == VX_OK)
        status = worker_run_all(&runs, o->scheme_count * o->seeds, o->jobs, work, (void *)o, o->replay.sim.stop, msg);
    *interrupted = o->replay.sim.stop && *o->replay.sim.stop;
    if (status == VX_OK) status = make_document(&document, first, !*interrupted, runs, measured, msg);
    if (status == VX_OK) status = write_reports(o, document, msg);
    if (status == VX_OK) status = vx_report_identities(document, msg);
    json_decref(document);
    json_decref(measured);
    vx_sim_close(first);
    return status;
}

int vx_verb_compare(int argc, char **argv)
{
    compare_options o = {.seeds = 1, .jobs = worker_processors()};
    replay_options_init(&o.replay);
    char name[] = "vexit compare";
    argv[0] = name;
    argp_parse(&compare_argp, argc, argv, 0, NULL, &o);
    replay_options_settle(&o.replay);
    o.replay.sim.stop = interrupt_watch();
    vx_msg msg = {{0}};
    vx_status status = o.scheme_count ? VX_OK : default_schemes(&o, &msg);
    bool interrupted = false;
    if (status == VX_OK) status = compare(&o, &interrupted, &msg);
    if (status != VX_OK) return verb_failed("compare", status, &msg);
    return interrupted ? interrupt_exit_code() : 0;
}
