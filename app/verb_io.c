/* vexit io: devices' DMA through the IOMMU, one column a policy of its driver. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "options.h"
#include "verbs.h"
#include "vx_report.h"

enum { KEY_CHIPSET = 512, KEY_IOMMU, KEY_BATCH, KEY_BATCH_US, KEY_HINT };

typedef struct io_options {
    machine_options machine; /* sets and files alone */
    vx_io_options io;
    vx_iommu_policy policies[VX_IOMMU_POLICIES];
} io_options;

static const struct argp_option option_list[] = {
    {"trace", KEY_TRACE, "TRACE", 0, "a .vxt file of kind dma, or gen:NAME:ARGUMENTS (nic, nvme, tenants)", 0},
    {"chipset", KEY_CHIPSET, "MODEL", 0, "chipset model: a name (vexit model list chipset) or a file", 0},
    {"iommu", KEY_IOMMU, "POLICY,...", 0,
     "what the IOMMU's driver does: off, passthrough, deferred, strict (default: all but off)", 0},
    {"batch", KEY_BATCH, "N", 0, "deferred: unmaps that one invalidation serves (default: 250)", 0},
    {"batch-us", KEY_BATCH_US, "N", 0, "deferred: longest wait in microseconds (default: 10000)", 0},
    {"leaf-hint", KEY_HINT, "on|off", 0, "unmaps leave upper table entries in the caches (default: on)", 0},
    {"seed", KEY_SEED, "N", 0, "seed of a generated trace (default: 1)", 0},
    {"whole-chunks", KEY_WHOLE_CHUNKS, NULL, 0, "read a cut or damaged file up to its last whole chunk", 0},
    {"set", KEY_SET, "PATH=VALUE", 0, "set one value of the chipset model", 1},
    {"json", KEY_JSON, "FILE", 0, "write the report as JSON; - is standard output, without the text", 2},
    {0}};

static void take_policies(struct argp_state *state, io_options *o, char *text)
{
    static const char *const names[] = {"off", "passthrough", "deferred", "strict"};
    o->io.policy_count = 0;
    for (char *rest = text, *word; (word = strsep(&rest, ",")) != NULL;) {
        vx_iommu_policy policy;
        if (!vx_iommu_policy_parse(word, &policy)) {
            const char *near = vx_did_you_mean(word, names, VX_IOMMU_POLICIES);
            argp_error(state, "--iommu: no policy '%s'%s%s%s", word, near ? "; did you mean '" : "", near ? near : "",
                       near ? "'?" : "");
        }
        if (o->io.policy_count == VX_IOMMU_POLICIES) argp_error(state, "--iommu: a policy is named twice");
        o->policies[o->io.policy_count++] = policy;
    }
}

static unsigned small_count(struct argp_state *state, const char *option, const char *text)
{
    uint64_t value = option_count(state, option, text);
    if (value < 1 || value > 1000000000) argp_error(state, "--%s: '%s' is not 1 to 1000000000", option, text);
    return (unsigned)value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    io_options *o = state->input;
    switch (key) {
    case KEY_TRACE:
        o->io.trace = arg;
        return 0;
    case KEY_CHIPSET:
        o->io.chipset = arg;
        return 0;
    case KEY_IOMMU:
        take_policies(state, o, arg);
        return 0;
    case KEY_BATCH:
        o->io.flush_unmaps = small_count(state, "batch", arg);
        return 0;
    case KEY_BATCH_US:
        o->io.flush_us = small_count(state, "batch-us", arg);
        return 0;
    case KEY_HINT:
        o->io.drop_upper = !option_on_off(state, "leaf-hint", arg);
        return 0;
    case KEY_SEED:
        o->io.seed = option_count(state, "seed", arg);
        return 0;
    case KEY_WHOLE_CHUNKS:
        o->io.whole_chunks = true;
        return 0;
    case KEY_SET:
        option_add_set(state, &o->machine, arg);
        return 0;
    case KEY_JSON:
        o->machine.json = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->io.chipset) argp_error(state, "no chipset given: --chipset MODEL");
        if (!o->io.trace) argp_error(state, "no trace given: --trace FILE");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp io_argp = {
    .options = option_list, .parser = parse, .doc = "Replay a trace of devices' DMA through the IOMMU."};

/* ---- text ---- */

static const json_t *at(const json_t *object, const char *path)
{
    char word[64];
    while (object && *path) {
        size_t length = strcspn(path, ".");
        snprintf(word, sizeof word, "%.*s", (int)length, path);
        object = json_object_get(object, word);
        path += length + (path[length] == '.');
    }
    return object;
}

static void print_row(const json_t *runs, const char *label, const char *path)
{
    printf("%-30s", label);
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *value = at(json_array_get(runs, i), path);
        if (json_is_object(value)) value = json_object_get(value, "value"); /* a ratio */
        if (json_is_integer(value))
            printf(" %14" JSON_INTEGER_FORMAT, json_integer_value(value));
        else if (json_is_real(value))
            printf(" %14.3f", json_real_value(value));
        else
            printf(" %14s", "-");
    }
    putchar('\n');
}

static void print_faults(const json_t *runs)
{
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        const char *reason;
        json_t *count;
        json_object_foreach((json_t *)at(run, "iommu.faults.by_reason"), reason, count)
            printf("%s: %" JSON_INTEGER_FORMAT " faults %s: %s\n", json_string_value(json_object_get(run, "policy")),
                   json_integer_value(count), reason, vx_vtd_fault_text((unsigned)strtoul(reason, NULL, 16)));
    }
}

static void print_text(const json_t *document)
{
    static const struct {
        const char *label, *path;
    } rows[] = {{"DMA requests", "iommu.requests"},
                {"  blocked", "iommu.blocked"},
                {"pages of data", "dma.pages"},
                {"IOTLB lookups", "iommu.iotlb.lookups"},
                {"  misses", "iommu.iotlb.misses"},
                {"  dropped by invalidations", "iommu.iotlb.dropped"},
                {"paging-structure lookups", "iommu.paging_structures.lookups"},
                {"  hits", "iommu.paging_structures.hits"},
                {"table reads", "dma.table_reads"},
                {"  a page (M)", "derived.table_reads_per_page"},
                {"unmaps", "driver.unmaps"},
                {"invalidations", "driver.invalidations"},
                {"  entries nobody named", "iommu.invalidation.over_invalidated"},
                {"  queue time, ns", "iommu.invalidation.ticks"},
                {"table pages held", "driver.table_pages"},
                {"device time a page, ns", "derived.ticks_per_page"}};
    const json_t *runs = json_object_get(document, "runs"), *trace = json_object_get(document, "trace");
    printf("trace    %s, %" JSON_INTEGER_FORMAT " DMAs, %" JSON_INTEGER_FORMAT " maps, %" JSON_INTEGER_FORMAT
           " unmaps\nchipset  %s\n\n%-30s",
           json_string_value(json_object_get(trace, "path")), json_integer_value(json_object_get(trace, "dmas")),
           json_integer_value(json_object_get(trace, "maps")), json_integer_value(json_object_get(trace, "unmaps")),
           json_string_value(json_object_get(json_array_get(runs, 0), "chipset")), "");
    for (size_t i = 0; i < json_array_size(runs); i++)
        printf(" %14s", json_string_value(json_object_get(json_array_get(runs, i), "policy")));
    putchar('\n');
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) print_row(runs, rows[i].label, rows[i].path);
    print_faults(runs);
    printf("\napproximate (latency): fixed times for a DMA and a table read; counts are exact\n");
    if (!json_is_true(json_object_get(document, "complete"))) printf("interrupted: what was done until then\n");
}

int vx_verb_io(int argc, char **argv)
{
    io_options o = {.io = {.seed = 1, .policy_count = 3},
                    .policies = {VX_IOMMU_PASSTHROUGH, VX_IOMMU_DEFERRED, VX_IOMMU_STRICT}};
    char name[] = "vexit io";
    argv[0] = name;
    argp_parse(&io_argp, argc, argv, 0, NULL, &o);
    o.io.policies = o.policies;
    o.io.sets = o.machine.sets;
    o.io.set_count = o.machine.set_count;
    o.io.stop = interrupt_watch();
    const vx_sim_options reading = {.traces = &o.io.trace, .trace_count = 1};
    vx_msg msg = {{0}};
    json_t *document = NULL;
    vx_status status = verb_output_check(&o.machine, &reading, &msg);
    if (!status) status = vx_io_document(&document, &o.io, &msg);
    if (document) {
        vx_status written = VX_OK;
        if (o.machine.json) written = vx_report_save(document, o.machine.json, vx_report_write_json, &msg);
        if (!o.machine.json || strcmp(o.machine.json, "-") != 0) print_text(document);
        if (written) status = written;
    }
    json_decref(document);
    if (status == VX_ERR_INTERRUPTED) return interrupt_exit_code();
    return status ? verb_failed("io", status, &msg) : 0;
}
