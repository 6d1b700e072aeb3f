/* vexit run: one trace, one scheme. */
#include <stdio.h>

#include "interrupt.h"
#include "progress.h"
#include "replay_options.h"
#include "verbs.h"

static const struct argp_option option_list[] = {
    {"scheme", KEY_SCHEME, "NAME", 0, "way to virtualize memory (vexit list schemes); +vpid as in ept+vpid", 0},
    {"vpid", KEY_VPID, "on|off", 0, "tag TLB entries per virtual CPU (default: off)", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    replay_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = o;
        return 0;
    case KEY_SCHEME:
        o->sim.scheme = arg;
        return 0;
    case KEY_VPID:
        o->sim.vpid = option_on_off(state, "vpid", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->sim.scheme) argp_error(state, "no scheme given: --scheme NAME (vexit list schemes)");
        option_nested_pages(state, o->sim.scheme, o->machine.nested_page != VX_PAGE_4K);
        if (o->sim.interval && !o->machine.json && !o->machine.csv)
            argp_error(state, "--interval: snapshots are in --json and --csv alone");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&replay_argp, 0, NULL, 0}, {0}};
static const struct argp run_argp = {.options = option_list,
                                     .parser = parse,
                                     .doc = "Replay a trace against a machine model under one scheme." REPLAY_NUMBERS,
                                     .children = children};

static int run(replay_options *o)
{
    vx_msg msg = {{0}};
    vx_sim *sim = NULL;
    progress_meter meter;
    progress_begin(&meter, &o->sim);
    o->sim.stop = interrupt_watch();
    vx_status status = verb_output_check(&o->machine, &o->sim, NULL, &msg);
    if (status == VX_OK) status = vx_sim_open(&sim, &o->sim, &msg);
    if (status != VX_OK) return verb_failed("run", status, &msg);
    status = vx_sim_run(sim, &msg);
    progress_end(&meter);
    json_t *document = NULL;
    if (status == VX_OK || status == VX_ERR_INTERRUPTED) {
        document = vx_sim_document(sim, "run", &msg);
        vx_status written = document ? verb_output(&o->machine, document, &msg) : VX_ERR_NOMEM;
        if (written != VX_OK) status = written;
    }
    json_decref(document);
    vx_sim_close(sim);
    if (status == VX_ERR_INTERRUPTED) return interrupt_exit_code();
    return status == VX_OK ? 0 : verb_failed("run", status, &msg);
}

int vx_verb_run(int argc, char **argv)
{
    replay_options options;
    replay_options_init(&options);
    char name[] = "vexit run";
    argv[0] = name;
    argp_parse(&run_argp, argc, argv, 0, NULL, &options);
    replay_options_settle(&options);
    return run(&options);
}
