/* Parsing of the replay options. */
#include "replay_options.h"

#include <stdio.h>
#include <string.h>

static const struct argp_option option_list[] = {
    {"trace", KEY_TRACE, "FILE[,FILE...]", 0,
     "trace to replay: a .vxt file or gen:NAME:arguments; several are processes of one vCPU, and a repeated --trace "
     "is the next VM's",
     0},
    {"vcpus", KEY_VCPUS, "N", 0,
     "one VM of N virtual CPUs, each on a CPU of its own; a repeated --trace is then the next one's", 0},
    {"vms", KEY_VMS, "N", 0, "VMs that share the CPU in time slices (default: one a --trace)", 0},
    {"nested", KEY_NESTED, "MODEL", 0,
     "model of a hypervisor below, in whose VM the one of --vmm runs (scheme ept or npt)", 1},
    {"vm", KEY_VM, "MODEL", 0, "model of the guest's OS, for user-level traces (default: a plain one)", 1},
    {"skip", KEY_SKIP, "N", 0, "leave out the first N instructions", 3},
    {"warmup", KEY_WARMUP, "N", 0, "run N instructions before counting", 3},
    {"max", KEY_MAX, "N", 0, "count at most N instructions", 3},
    {"region", KEY_REGION, "K", 0, "count from the guest's region mark K to the next mark", 3},
    {"interval", KEY_INTERVAL, "N", 0, "a snapshot of every counter each N instructions (JSON, CSV)", 3},
    {"seed", KEY_SEED, "N", 0, "seed of every random choice (default: 1)", 3},
    {"ram", KEY_RAM, "SIZE", 0, "RAM of the modelled guest, as in 8g", 3},
    {"check", KEY_CHECK, 0, 0,
     "compare every translation used, and at the end every entry of the second, with the tables of the guest", 3},
    {"whole-chunks", KEY_WHOLE_CHUNKS, 0, 0, "read a cut trace up to its last whole chunk", 3},
    {"tick", KEY_TICK, "instructions|time", 0, "what the guest's ticks and slices follow (default: instructions)", 3},
    {"clock", KEY_CLOCK, "systemc|heap", 0, "simulated clock; both make the same run (default: systemc)", 4},
    {"quantum", KEY_QUANTUM, "TICKS", 0, "how far a virtual CPU may run ahead of the others (default: 1000)", 4},
    {0}};

static void add_trace(struct argp_state *state, replay_options *o, const char *trace)
{
    if (o->sim.trace_count == OPTIONS_TRACES_MAX) argp_error(state, "more than %d traces", OPTIONS_TRACES_MAX);
    o->vm_of_trace[o->sim.trace_count] = o->trace_options;
    o->traces[o->sim.trace_count++] = trace;
}

static void split_traces(struct argp_state *state, replay_options *o, char *list)
{
    unsigned before = o->sim.trace_count;
    if (strncmp(list, "gen:", 4) == 0) /* its commas belong to the generator: "gen:NAME:a=1,b=2" */
        add_trace(state, o, list);
    else
        for (char *piece = strtok(list, ","); piece; piece = strtok(NULL, ",")) add_trace(state, o, piece);
    if (o->sim.trace_count == before) argp_error(state, "--trace: no file named");
    o->trace_options++;
}

static unsigned option_vms(struct argp_state *state, const char *text)
{
    uint64_t vms = option_count(state, "vms", text);
    if (vms == 0 || vms > OPTIONS_TRACES_MAX) argp_error(state, "--vms: 1 to %d", OPTIONS_TRACES_MAX);
    return (unsigned)vms;
}

static unsigned option_vcpus(struct argp_state *state, const char *text)
{
    uint64_t vcpus = option_count(state, "vcpus", text);
    if (vcpus == 0 || vcpus > OPTIONS_TRACES_MAX) argp_error(state, "--vcpus: 1 to %d", OPTIONS_TRACES_MAX);
    return (unsigned)vcpus;
}

static bool option_tick_time(struct argp_state *state, const char *text)
{
    if (strcmp(text, "instructions") != 0 && strcmp(text, "time") != 0)
        argp_error(state, "--tick: '%s' is neither instructions nor time", text);
    return strcmp(text, "time") == 0;
}

static vx_tick option_quantum(struct argp_state *state, const char *text)
{
    uint64_t quantum = option_count(state, "quantum", text);
    if (quantum == 0) argp_error(state, "--quantum: at least 1 tick");
    return quantum;
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
    case KEY_VM:
        o->sim.vm = arg;
        return 0;
    case KEY_NESTED:
        o->sim.nested = arg;
        return 0;
    case KEY_VMS:
        o->sim.vms = option_vms(state, arg);
        return 0;
    case KEY_VCPUS:
        o->sim.vcpus = option_vcpus(state, arg);
        return 0;
    case KEY_TICK:
        o->sim.tick_time = option_tick_time(state, arg);
        return 0;
    case KEY_CLOCK:
        o->sim.clock = arg;
        return 0;
    case KEY_QUANTUM:
        o->sim.quantum = option_quantum(state, arg);
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
        if (!o->machine.cpu) argp_error(state, "no CPU given: --cpu MODEL (vexit list cpus)");
        if (!o->sim.trace_count) argp_error(state, "no trace given: --trace FILE");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&machine_argp, 0, NULL, 1}, {0}};
const struct argp replay_argp = {.options = option_list, .parser = parse, .children = children};

void replay_options_init(replay_options *o) { *o = (replay_options){.sim = {.seed = 1, .clock = "systemc"}}; }

void replay_options_settle(replay_options *o)
{
    o->sim.traces = o->traces;
    o->sim.vm_of_trace = o->vm_of_trace;
    o->sim.cpu = o->machine.cpu;
    o->sim.vmm = o->machine.vmm;
    o->sim.sets = o->machine.sets;
    o->sim.set_count = o->machine.set_count;
}
