/* Parsing of the replay options. */
#include "replay_options.h"

#include <stdio.h>
#include <string.h>

static const struct argp_option option_list[] = {
    {"trace", KEY_TRACE, "FILE[,FILE...]", 0,
     "trace to replay: a .vxt file or gen:NAME:arguments; several are processes of one vCPU", 0},
    {"skip", KEY_SKIP, "N", 0, "leave out the first N instructions", 3},
    {"warmup", KEY_WARMUP, "N", 0, "run N instructions before counting", 3},
    {"max", KEY_MAX, "N", 0, "count at most N instructions", 3},
    {"region", KEY_REGION, "K", 0, "count from the guest's region mark K to the next mark", 3},
    {"interval", KEY_INTERVAL, "N", 0, "a snapshot of every counter each N instructions (JSON, CSV)", 3},
    {"seed", KEY_SEED, "N", 0, "seed of every random choice (default: 1)", 3},
    {"ram", KEY_RAM, "SIZE", 0, "RAM of the modelled guest, as in 8g", 3},
    {"check", KEY_CHECK, 0, 0, "verify every entry of the second translation at the end", 3},
    {"whole-chunks", KEY_WHOLE_CHUNKS, 0, 0, "read a cut trace up to its last whole chunk", 3},
    {0}};

static void split_traces(struct argp_state *state, replay_options *o, char *list)
{
    if (o->sim.trace_count)
        argp_error(state, "--trace twice: several virtual CPUs are not simulated yet; separate "
                          "processes of one by commas");
    /* Commas inside "gen:NAME:a=1,b=2" belong to the generator. */
    if (strncmp(list, "gen:", 4) == 0) {
        o->traces[o->sim.trace_count++] = list;
        return;
    }
    for (char *piece = strtok(list, ","); piece; piece = strtok(NULL, ",")) {
        if (o->sim.trace_count == OPTIONS_TRACES_MAX) argp_error(state, "more than %d traces", OPTIONS_TRACES_MAX);
        o->traces[o->sim.trace_count++] = piece;
    }
}

static uint16_t option_region(struct argp_state *state, const char *text)
{
    uint64_t region = option_count(state, "region", text);
    if (region > UINT16_MAX) argp_error(state, "--region: marks go up to %d", UINT16_MAX);
    return (uint16_t)region;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    replay_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->machine;
        return 0;
    case KEY_TRACE:
        split_traces(state, o, arg);
        return 0;
    case KEY_SKIP:
        o->sim.skip = option_count(state, "skip", arg);
        return 0;
    case KEY_WARMUP:
        o->sim.warmup = option_count(state, "warmup", arg);
        return 0;
    case KEY_MAX:
        o->sim.max = option_count(state, "max", arg);
        return 0;
    case KEY_INTERVAL:
        o->sim.interval = option_count(state, "interval", arg);
        return 0;
    case KEY_REGION:
        o->sim.by_region = true;
        o->sim.region = option_region(state, arg);
        return 0;
    case KEY_SEED:
        o->sim.seed = option_count(state, "seed", arg);
        return 0;
    case KEY_RAM:
        snprintf(o->ram, sizeof o->ram, "vm.ram_bytes=%llu", (unsigned long long)option_bytes(state, "ram", arg));
        option_add_set(state, &o->machine, o->ram);
        return 0;
    case KEY_CHECK:
        o->sim.check = true;
        return 0;
    case KEY_WHOLE_CHUNKS:
        o->sim.whole_chunks = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->machine.cpu) argp_error(state, "no CPU given: --cpu MODEL");
        if (!o->sim.trace_count) argp_error(state, "no trace given: --trace FILE");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&machine_argp, 0, NULL, 1}, {0}};
const struct argp replay_argp = {.options = option_list, .parser = parse, .children = children};

void replay_options_init(replay_options *o) { *o = (replay_options){.sim = {.seed = 1}}; }

void replay_options_settle(replay_options *o)
{
    o->sim.traces = o->traces;
    o->sim.cpu = o->machine.cpu;
    o->sim.vmm = o->machine.vmm;
    o->sim.sets = o->machine.sets;
    o->sim.set_count = o->machine.set_count;
}
