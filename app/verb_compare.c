/* vexit compare: one trace under several schemes, side by side, each run in a process of its own. */
#include <stdio.h>
#include <string.h>

#include "interrupt.h"
#include "replay_options.h"
#include "shared_trace.h"
#include "verbs.h"
#include "vx_measured.h"
#include "vx_report.h"
#include "worker.h"

enum { KEY_SCHEMES = 1024, KEY_SEEDS, KEY_JOBS, KEY_HTML, KEY_MEASURED, SCHEMES_MAX = 16, SEEDS_MAX = 1000 };

typedef struct compare_options {
    replay_options replay;
    const char *schemes[SCHEMES_MAX];
    unsigned scheme_count;
    unsigned seeds;
    unsigned jobs; /* 0: not said */
    const char *measured;
} compare_options;

static const struct argp_option option_list[] = {
    {"schemes", KEY_SCHEMES, "NAME[,NAME...]", 0,
     "schemes to compare (default: native,shadow-wp,shadow-vtlb,ept,ept+vpid; npt for ept on AMD; less those that the "
     "CPU or the hypervisor cannot run)",
     0},
    {"seeds", KEY_SEEDS, "N", 0, "repeat with N seeds and report mean and 95 % interval", 0},
    {"jobs", KEY_JOBS, "N", 0,
     "runs at a time, each decoding the trace for itself (default: those of a seed, which share one decoding of a "
     ".vxt file; without one, one a processor)",
     0},
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
        o->replay.machine.html = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&replay_argp, 0, NULL, 0}, {0}};
static const struct argp compare_argp = {
    .options = option_list,
    .parser = parse,
    .doc = "Replay a trace under several schemes and set them side by side." REPLAY_NUMBERS,
    .children = children};

/* Can the machine run the scheme? Whatever else is wrong is told when the runs are opened. */
static bool can_run(const compare_options *o, const char *name)
{
    vx_sim_options sim = o->replay.sim;
    sim.scheme = name;
    return vx_sim_can_run(&sim, NULL) == VX_OK;
}

/* The five of vexit(1), with AMD's nested paging where the CPU is AMD's, less those that the machine cannot run: older
 * processors lack EPT or VPID, some hypervisors use one scheme only. */
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

/* Some of the runs, from number `first` on. */
typedef struct run_group {
    const compare_options *options;
    unsigned first;
    shared_trace *trace; /* they all read; NULL: each opens its own */
    unsigned reader;     /* in a child: its place among them */
} run_group;

static vx_status open_shared(void *context, vx_source **source, const char *trace, vx_msg *msg)
{
    const run_group *group = context;
    (void)trace;
    return shared_trace_open(group->trace, group->reader, group->options->replay.sim.stop, source, msg);
}

/* In the child: one run. */
static vx_status work(void *context, unsigned index, json_t **run, vx_msg *msg)
{
    run_group *group = context;
    vx_sim_options options;
    options_of(group->options, group->first + index, &options);
    if (group->trace) {
        group->reader = index;
        options.open_source = open_shared;
        options.open_context = group;
    }
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

/* One VM's one file, all of it: what several runs can read from one decoding. Readers of several traces could wait for
 * each other in a circle. */
static bool can_share(const compare_options *o)
{
    const vx_sim_options *sim = &o->replay.sim;
    bool one = sim->trace_count == 1 && sim->vms <= 1 && sim->vcpus <= 1 && strncmp(sim->traces[0], "gen:", 4) != 0;
    return one && sim->skip == 0 && !o->jobs && o->scheme_count > 1;
}

/* The runs of one seed, all at once, over one decoding. */
static vx_status run_sharing(json_t **runs, run_group *group, vx_msg *msg)
{
    const vx_sim_options *sim = &group->options->replay.sim;
    unsigned count = group->options->scheme_count;
    vx_status status = shared_trace_start(&group->trace, sim->traces[0], sim->whole_chunks, count, msg);
    if (status == VX_OK) status = worker_run_all(runs, count, count, work, group, sim->stop, msg);
    shared_trace_end(group->trace);
    group->trace = NULL;
    return status;
}

static vx_status run_all(json_t **runs, const compare_options *o, vx_msg *msg)
{
    const volatile sig_atomic_t *stop = o->replay.sim.stop;
    run_group group = {.options = o};
    if (!can_share(o)) {
        unsigned jobs = o->jobs ? o->jobs : worker_processors();
        return worker_run_all(runs, o->scheme_count * o->seeds, jobs, work, &group, stop, msg);
    }
    json_t *all = json_array();
    vx_status status = all ? VX_OK : vx_fail_nomem(msg);
    for (unsigned seed = 0; status == VX_OK && seed < o->seeds && !(stop && *stop); seed++) {
        json_t *some = NULL;
        group.first = seed * o->scheme_count;
        status = run_sharing(&some, &group, msg);
        if (status == VX_OK && json_array_extend(all, some) != 0) status = vx_fail_nomem(msg);
        json_decref(some);
    }
    if (status == VX_OK)
        *runs = all;
    else
        json_decref(all);
    return status;
}

static vx_status write_reports(const compare_options *o, const json_t *document, vx_msg *msg)
{
    const char *html = o->replay.machine.html;
    vx_status status = verb_output(&o->replay.machine, document, msg);
    if (status == VX_OK && html && strcmp(html, "-") != 0) fprintf(stderr, "HTML report: %s\n", html);
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
    vx_status status = verb_output_check(&o->replay.machine, &o->replay.sim, o->measured, msg);
    if (status == VX_OK && o->measured) status = vx_measured_read(&measured, o->measured, msg);
    if (status == VX_OK) status = open_all(o, &first, msg);
    if (status == VX_OK) status = run_all(&runs, o, msg);
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
    compare_options o = {.seeds = 1};
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
