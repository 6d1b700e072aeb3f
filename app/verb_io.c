/* vexit io: devices' DMA through the IOMMU, one column a policy of its driver; or guests that use a card, one
 * column a path. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "io_text.h"
#include "options.h"
#include "output_files.h"
#include "verbs.h"
#include "vx_model.h"
#include "vx_report.h"

enum {
    KEY_CHIPSET = 512,
    KEY_IOMMU,
    KEY_BATCH,
    KEY_BATCH_US,
    KEY_HINT,
    KEY_NIC,
    KEY_PATH,
    KEY_GUESTS,
    KEY_PAYLOAD,
    KEY_WINDOW,
    KEY_WORKLOAD,
    KEY_DIRECTION,
    KEY_FLOWS,
    KEY_REQUEST,
    KEY_RESPONSE,
    KEY_COPY_ENGINE,
    KEY_MS
};

typedef struct io_options {
    machine_options machine; /* sets and files alone */
    vx_io_options io;
    vx_iommu_policy policies[VX_IOMMU_POLICIES];
    vx_io_path_options guests;
    vx_io_path paths[VX_IO_PATHS];
    bool policy_given;
    bool guests_given;  /* an option of guests */
    bool sizes_given;   /* --request, --response */
    bool batches_given; /* --batch, --batch-us */
    bool trace_given;   /* any other option of traces alone */
} io_options;

static const struct argp_option option_list[] = {
    {"trace", KEY_TRACE, "TRACE", 0, "a .vxt file of kind dma, or gen:NAME:ARGUMENTS (nic, nvme, tenants)", 0},
    {"chipset", KEY_CHIPSET, "MODEL", 0,
     "chipset model: a name (vexit model list chipset) or a file (with --nic, default: that of the card's server)", 0},
    {"iommu", KEY_IOMMU, "POLICY,...", 0,
     "what the IOMMU's driver does: off, passthrough, deferred, strict (default: all but off); with --nic one, of path "
     "native (default: off)",
     0},
    {"batch", KEY_BATCH, "N", 0, "deferred: unmaps that one invalidation serves (default: 250)", 0},
    {"batch-us", KEY_BATCH_US, "N", 0, "deferred: longest wait in microseconds (default: 10000)", 0},
    {"leaf-hint", KEY_HINT, "on|off", 0, "unmaps leave upper table entries in the caches (default: on)", 0},
    {"seed", KEY_SEED, "N", 0, "seed of a generated trace, or of many-flows' messages (default: 1)", 0},
    {"whole-chunks", KEY_WHOLE_CHUNKS, NULL, 0, "read a cut or damaged file up to its last whole chunk", 0},
    {"nic", KEY_NIC, "MODEL", 0, "guests that use this card instead of a trace (vexit model list nic)", 1},
    {"cpu", KEY_CPU, "MODEL", 0, "with --nic: CPU model of guests and back-end (default: that of the card's server)",
     1},
    {"path", KEY_PATH, "PATH,...", 0,
     "with --nic: native, emulated, para, vmdq, passthrough, sriov (default: all but vmdq and sriov)", 1},
    {"guests", KEY_GUESTS, "N", 0, "with --nic: guests, each with a processor of its own (default: 1)", 1},
    {"workload", KEY_WORKLOAD, "NAME", 0, "with --nic: stream, request-response or many-flows (default: stream)", 1},
    {"direction", KEY_DIRECTION, "transmit|receive", 0,
     "with --nic: who begins, the guests or the peer (default: transmit)", 1},
    {"payload", KEY_PAYLOAD, "BYTES", 0, "with --nic: of a full frame (default: 1448; 8948 is a jumbo frame)", 1},
    {"window", KEY_WINDOW, "N", 0, "with --nic: unacknowledged frames of a connection (default: 45, 64 KiB)", 1},
    {"flows", KEY_FLOWS, "N", 0, "with --nic: connections of a guest (default: 1; many-flows: 64)", 1},
    {"request", KEY_REQUEST, "BYTES", 0, "with request-response: of a request (default: 1)", 1},
    {"response", KEY_RESPONSE, "BYTES", 0, "with request-response: of a response (default: 1)", 1},
    {"copy-engine", KEY_COPY_ENGINE, "on|off", 0,
     "para and vmdq: back-ends give copies to the chipset's engine, I/OAT (default: off)", 1},
    {"ms", KEY_MS, "N", 0, "with --nic: simulated milliseconds (default: 200)", 1},
    {"clock", KEY_CLOCK, "heap|systemc", 0, "with --nic: which clock; systemc takes one path (default: heap)", 1},
    {"quantum", KEY_QUANTUM, "N", 0, "with --nic: quantum in ticks; no result depends on it (default: 1000)", 1},
    {"set", KEY_SET, "PATH=VALUE", 0, "set one value of a model", 2},
    {"csv", KEY_CSV, "FILE", 0, "write a row a run; - is standard output, without the text", 2},
    {"json", KEY_JSON, "FILE", 0, "write the report as JSON; - is standard output, without the text", 2},
    {0}};

/* Which of the names the word is; others end the program. */
static unsigned word_of(struct argp_state *state, const char *option, const char *word, const char *const *names,
                        unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(word, names[i]) == 0) return i;
    const char *near = vx_did_you_mean(word, names, count);
    argp_error(state, "--%s: there is no '%s'%s%s%s", option, word, near ? "; did you mean '" : "", near ? near : "",
               near ? "'?" : "");
    return 0;
}

/* Words between commas, each at most once; returns how many. */
static unsigned words_of(struct argp_state *state, const char *option, char *text, const char *const *names,
                         unsigned count, unsigned *found)
{
    unsigned taken = 0;
    for (char *rest = text, *word; (word = strsep(&rest, ",")) != NULL;) {
        unsigned which = word_of(state, option, word, names, count);
        for (unsigned i = 0; i < taken; i++)
            if (found[i] == which) argp_error(state, "--%s: %s is named twice", option, word);
        found[taken++] = which;
    }
    return taken;
}

static void take_policies(struct argp_state *state, io_options *o, char *text)
{
    const char *names[VX_IOMMU_POLICIES];
    unsigned found[VX_IOMMU_POLICIES];
    for (unsigned i = 0; i < VX_IOMMU_POLICIES; i++) names[i] = vx_iommu_policy_name((vx_iommu_policy)i);
    o->io.policy_count = words_of(state, "iommu", text, names, VX_IOMMU_POLICIES, found);
    for (unsigned i = 0; i < o->io.policy_count; i++) o->policies[i] = (vx_iommu_policy)found[i];
}

static void take_paths(struct argp_state *state, io_options *o, char *text)
{
    const char *names[VX_IO_PATHS];
    unsigned found[VX_IO_PATHS];
    for (unsigned i = 0; i < VX_IO_PATHS; i++) names[i] = vx_io_path_name((vx_io_path)i);
    o->guests.path_count = words_of(state, "path", text, names, VX_IO_PATHS, found);
    for (unsigned i = 0; i < o->guests.path_count; i++) o->paths[i] = (vx_io_path)found[i];
}

static void take_workload(struct argp_state *state, io_options *o, const char *word)
{
    const char *names[VX_WORKLOADS];
    for (unsigned i = 0; i < VX_WORKLOADS; i++) names[i] = vx_workload_name((vx_workload)i);
    o->guests.workload = (vx_workload)word_of(state, "workload", word, names, VX_WORKLOADS);
}

static unsigned small_count(struct argp_state *state, const char *option, const char *text)
{
    uint64_t value = option_count(state, option, text);
    if (value < 1 || value > 1000000000) argp_error(state, "--%s: '%s' is not 1 to 1000000000", option, text);
    return (unsigned)value;
}

/* Options of guests; ARGP_ERR_UNKNOWN for others. */
static error_t parse_guests(int key, char *arg, struct argp_state *state)
{
    static const char *const directions[] = {"transmit", "receive"};
    io_options *o = state->input;
    switch (key) {
    case KEY_NIC:
        o->guests.nic = arg;
        return 0;
    case KEY_CPU:
        o->guests.cpu = arg;
        return 0;
    case KEY_PATH:
        take_paths(state, o, arg);
        return 0;
    case KEY_GUESTS:
        o->guests.guests = small_count(state, "guests", arg);
        return 0;
    case KEY_PAYLOAD:
        o->guests.payload = small_count(state, "payload", arg);
        return 0;
    case KEY_WINDOW:
        o->guests.window = small_count(state, "window", arg);
        return 0;
    case KEY_WORKLOAD:
        take_workload(state, o, arg);
        return 0;
    case KEY_DIRECTION:
        o->guests.receive = word_of(state, "direction", arg, directions, 2) == 1;
        return 0;
    case KEY_FLOWS:
        o->guests.flows = small_count(state, "flows", arg);
        return 0;
    case KEY_REQUEST:
        o->guests.request = small_count(state, "request", arg);
        o->sizes_given = true;
        return 0;
    case KEY_COPY_ENGINE:
        o->guests.copy_engine = option_on_off(state, "copy-engine", arg);
        return 0;
    case KEY_RESPONSE:
        o->guests.response = small_count(state, "response", arg);
        o->sizes_given = true;
        return 0;
    case KEY_MS:
        o->guests.milliseconds = small_count(state, "ms", arg);
        return 0;
    case KEY_CLOCK:
        o->guests.clock = arg;
        return 0;
    case KEY_QUANTUM:
        o->guests.quantum = small_count(state, "quantum", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool defers(const io_options *o)
{
    for (unsigned i = 0; i < o->io.policy_count; i++)
        if (o->policies[i] == VX_IOMMU_DEFERRED) return true;
    return false;
}

/* An option that would do nothing beside the others is an error: the report would not be what was asked for. */
static void check_together(struct argp_state *state, const io_options *o)
{
    bool nic = o->guests.nic != NULL;
    if (o->io.trace && !o->io.chipset) argp_error(state, "no chipset given: --chipset MODEL");
    if (!o->io.trace == !nic) argp_error(state, "one of --trace and --nic is needed");
    if (!nic && o->guests_given) argp_error(state, "options of guests need --nic");
    if (nic && (o->batches_given || o->trace_given))
        argp_error(state, "--batch, --batch-us, --leaf-hint and --whole-chunks need --trace");
    if (nic && o->policy_given && o->io.policy_count != 1) argp_error(state, "--iommu: with --nic one policy");
    if (o->batches_given && !defers(o)) argp_error(state, "--batch and --batch-us are policy deferred's");
    if (o->sizes_given && o->guests.workload != VX_WORKLOAD_REQUEST_RESPONSE)
        argp_error(state, "--request and --response need --workload request-response");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    io_options *o = state->input;
    if (parse_guests(key, arg, state) == 0) {
        o->guests_given = true;
        return 0;
    }
    switch (key) {
    case KEY_TRACE:
        o->io.trace = arg;
        return 0;
    case KEY_CHIPSET:
        o->io.chipset = arg;
        return 0;
    case KEY_IOMMU:
        take_policies(state, o, arg);
        o->policy_given = true;
        return 0;
    case KEY_BATCH:
        o->io.flush_unmaps = small_count(state, "batch", arg);
        o->batches_given = true;
        return 0;
    case KEY_BATCH_US:
        o->io.flush_us = small_count(state, "batch-us", arg);
        o->batches_given = true;
        return 0;
    case KEY_HINT:
        o->io.drop_upper = !option_on_off(state, "leaf-hint", arg);
        o->trace_given = true;
        return 0;
    case KEY_SEED:
        o->io.seed = option_count(state, "seed", arg);
        return 0;
    case KEY_WHOLE_CHUNKS:
        o->io.whole_chunks = true;
        o->trace_given = true;
        return 0;
    case KEY_SET:
        option_add_set(state, &o->machine, arg);
        return 0;
    case KEY_JSON:
        o->machine.json = arg;
        return 0;
    case KEY_CSV:
        o->machine.csv = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    case ARGP_KEY_END:
        check_together(state, o);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp io_argp = {
    .options = option_list,
    .parser = parse,
    .doc = "Replay a trace of devices' DMA through the IOMMU, or have guests use a network card."};

/* ---- the verb ---- */

static vx_status write_document(const machine_options *machine, const json_t *document, bool paths, vx_msg *msg)
{
    vx_status status = VX_OK;
    bool to_stdout = false;
    if (machine->json) status = vx_report_save(document, machine->json, vx_report_write_json, msg);
    if (machine->csv && !status) status = vx_report_save(document, machine->csv, vx_report_write_csv, msg);
    to_stdout = (machine->json && strcmp(machine->json, "-") == 0) || (machine->csv && strcmp(machine->csv, "-") == 0);
    if (status || to_stdout) return status;
    if (paths)
        io_text_paths(document);
    else
        io_text_trace(document);
    return VX_OK;
}

static void settle(io_options *o)
{
    o->io.policies = o->policies;
    o->io.sets = o->guests.sets = o->machine.sets;
    o->io.set_count = o->guests.set_count = o->machine.set_count;
    o->guests.chipset = o->io.chipset;
    o->guests.seed = o->io.seed;
    if (o->policy_given) o->guests.policy = o->policies[0];
    o->guests.paths = o->paths;
}

/* A model that is a file, and not a name. */
static const char *file_model(const char *model) { return model && vx_model_is_path(model) ? model : NULL; }

int vx_verb_io(int argc, char **argv)
{
    io_options o = {.io = {.seed = 1, .policy_count = 3},
                    .policies = {VX_IOMMU_PASSTHROUGH, VX_IOMMU_DEFERRED, VX_IOMMU_STRICT},
                    .guests = {.path_count = 4, .guests = 1, .payload = 1448, .window = 45, .milliseconds = 200},
                    .paths = {VX_IO_PATH_NATIVE, VX_IO_PATH_EMULATED, VX_IO_PATH_PARA, VX_IO_PATH_PASSTHROUGH}};
    char name[] = "vexit io";
    argv[0] = name;
    argp_parse(&io_argp, argc, argv, 0, NULL, &o);
    settle(&o);
    bool paths = o.guests.nic != NULL;
    const char *const read[] = {o.io.trace, file_model(o.io.chipset), file_model(o.guests.nic),
                                file_model(o.guests.cpu)};
    const output_files files = {{o.machine.json, o.machine.csv}, read, sizeof read / sizeof *read};
    vx_msg msg = {{0}};
    json_t *document = NULL;
    vx_status status = output_files_check(&files, &msg);
    if (!paths) o.io.stop = interrupt_watch();
    if (!status)
        status = paths ? vx_io_paths_document(&document, &o.guests, &msg) : vx_io_document(&document, &o.io, &msg);
    if (document) {
        vx_status written = write_document(&o.machine, document, paths, &msg);
        if (written) status = written;
    }
    json_decref(document);
    if (status == VX_ERR_INTERRUPTED) return interrupt_exit_code();
    return status ? verb_failed("io", status, &msg) : 0;
}
