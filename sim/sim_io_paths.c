/* Guests that use a card, one run a path: machine and clock put together, and the document of `vexit io`. */
#include "vexit.h"

#include <string.h>

#include "vx_clk.h"
#include "vx_model.h"
#include "vx_report.h"

enum { IDENTITIES_MAX = 8, MANY_FLOWS = 64 };

typedef struct path_run {
    const vx_io_path_options *options;
    vx_model *const *models; /* cpu, chipset, nic */
    vx_io_machine_config config;
    vx_arena arena;
    vx_physmem memory;
    vx_io_machine *machine;
    vx_clk *clk;
    vx_clk_process *process[VX_IO_PROCESSES_MAX];
    vx_stats stats;
    const vx_io_machine_counts *counts;
} path_run;

static void kick(void *context, unsigned process, vx_tick at)
{
    path_run *run = context;
    vx_clk_kick(run->process[process], at);
}

static vx_status build(path_run *run, vx_msg *msg)
{
    const vx_io_machine_hooks hooks = {run, kick};
    vx_arena_init(&run->arena);
    vx_status status = vx_physmem_init(&run->memory, vx_io_machine_memory(&run->config), msg);
    if (!status) status = vx_io_machine_init(&run->machine, &run->arena, &run->memory, &run->config, &hooks, msg);
    if (!status)
        status = vx_clk_open(&run->clk, run->options->clock,
                             run->options->quantum ? run->options->quantum : VX_CLK_QUANTUM_DEFAULT, msg);
    for (unsigned n = 0; !status && n < vx_io_machine_processes(run->machine); n++) {
        const char *name;
        vx_step_fn step;
        void *self;
        vx_io_machine_process(run->machine, n, &name, &step, &self);
        status = vx_clk_add_process(run->clk, name, step, self, &run->process[n], msg);
    }
    if (!status && run->options->observe)
        vx_clk_observe(run->clk, run->options->observe, run->options->observe_context);
    return status;
}

static vx_status simulate(path_run *run, vx_msg *msg)
{
    vx_tick end = (vx_tick)run->options->milliseconds * 1000 * run->config.cpu->core.mhz;
    for (unsigned n = 0; n < vx_io_machine_processes(run->machine); n++) vx_clk_kick(run->process[n], 0);
    vx_status status = vx_clk_run(run->clk, end, NULL, msg);
    if (!status) run->counts = vx_io_machine_end(run->machine, end);
    return status;
}

/* ---- the report ---- */

static void scalar(path_run *run, const uint64_t *value, const char *unit, const char *doc, const char *path)
{
    vx_stats_scalar(&run->stats, (uint64_t *)value, unit, doc, "%s", path);
}

static void causes(path_run *run, const vx_ledger *ledger, const char *path)
{
    vx_stats_labelled(&run->stats, ledger->ticks, vx_cause_names(), VX_CAUSES, "ticks",
                      "every cycle of these processors has one cause", path);
}

static void declare_frames(path_run *run)
{
    const vx_io_machine_counts *c = run->counts;
    scalar(run, &c->frames, "frames", "frames with payload that both ends sent", "frames.sent");
    scalar(run, &c->resent, "frames", "among them, sent again", "frames.sent_again");
    scalar(run, &c->acks, "frames", "acknowledgements without payload", "frames.acknowledgements");
    scalar(run, &c->acknowledged, "frames", "frames with payload that were acknowledged", "frames.acknowledged");
    scalar(run, &c->wire_frames, "frames", "frames that the card put onto the wire", "frames.on_wire");
    scalar(run, &c->memory_frames, "frames", "received frames that the card wrote to memory", "frames.to_memory");
    scalar(run, &c->lost_fifo, "frames", "received frames for which the card had no room", "frames.lost_in_card");
    scalar(run, &c->lost_ring, "frames", "received frames for which there was no buffer", "frames.lost_no_buffer");
    scalar(run, &c->lost_front, "frames", "received frames for which the ring to the guest had no room",
           "frames.lost_to_guest");
    scalar(run, &c->timeouts, "timeouts", "retransmission timers that ran out", "frames.timeouts");
}

static void declare_use(path_run *run)
{
    const vx_io_machine_counts *c = run->counts;
    vx_stats_ratio(&run->stats, &c->guest_busy, &c->guest_time, 1, "1",
                   "share of time in which the guests' processors were busy", "cpu_use.guests");
    vx_stats_ratio(&run->stats, &c->backend_busy, &c->backend_time, 1, "1",
                   "share of time in which the back-ends' processors were busy", "cpu_use.backend");
    vx_stats_ratio(&run->stats, &c->wire_busy, &c->elapsed, 1, "1",
                   "share of time in which the wire carried frames, in its busier direction", "wire_use");
    vx_stats_ratio(&run->stats, &c->copy_busy, &c->elapsed, 1, "1", "share of time in which the copy engine was busy",
                   "cpu_use.copy_engine");
    scalar(run, &c->guest_time, "ticks", "time of the guests' processors", "cycles.total");
    causes(run, &c->total.ledger, "cycles.by_cause");
    causes(run, &c->backend, "cycles.backend_by_cause");
}

static void declare_events(path_run *run)
{
    const vx_io_machine_counts *c = run->counts;
    scalar(run, &c->total.interrupts, "interrupts", "interrupts that guests took", "interrupts.guests");
    scalar(run, &c->nic_interrupts, "interrupts", "interrupts that the card raised", "interrupts.card");
    scalar(run, &c->remapped, "interrupts", "among them, remapped by VT-d", "interrupts.remapped");
    scalar(run, &c->notified, "interrupts", "among them, posted with a notification", "interrupts.notified");
    scalar(run, &c->posted, "interrupts", "among them, posted without one", "interrupts.posted");
    scalar(run, &c->interrupts_blocked, "interrupts", "among them, blocked by VT-d", "interrupts.blocked");
    scalar(run, &c->dma_blocked, "requests", "DMAs that the IOMMU refused", "dma.blocked");
    scalar(run, &c->maps, "maps", "buffers that the IOMMU's driver mapped", "dma.maps");
    scalar(run, &c->unmaps, "unmaps", "buffers that it unmapped", "dma.unmaps");
    scalar(run, &c->invalidations, "descriptors", "invalidations that it submitted", "dma.invalidations");
    scalar(run, &c->wait_ticks, "ticks", "its waits for the invalidation queue", "dma.wait_ticks");
    scalar(run, &c->copies, "copies", "copies that the chipset's engine made", "dma.copies");
    scalar(run, &c->copied_bytes, "bytes", "their bytes", "dma.copied_bytes");
    scalar(run, &c->copy_interrupts, "interrupts", "interrupts of the copy engine", "interrupts.copy_engine");
    scalar(run, &c->table_reads, "accesses", "reads of tables for the card's DMA", "dma.table_reads");
    scalar(run, &c->total.exits_total, "exits", "VM exits", "exits.total");
    for (unsigned i = 0; i < VX_IO_EXITS; i++) {
        char path[64];
        snprintf(path, sizeof path, "exits.by_reason.%s", vx_io_exit_name((vx_io_exit)i));
        scalar(run, &c->total.exits[i], "exits", "VM exits of this reason", path);
    }
    vx_stats_ratio(&run->stats, &c->total.exits_total, &c->frames, 1, "exits", "VM exits a frame with payload",
                   "derived.exits_per_frame");
}

static vx_status declare(path_run *run, vx_msg *msg)
{
    const vx_io_machine_counts *c = run->counts;
    static const char *const percentiles[] = {"p50", "p90", "p99", "p99_9"};
    double mhz = run->config.cpu->core.mhz;
    vx_stats_init(&run->stats);
    vx_stats_ratio(&run->stats, &c->payload_bytes, &c->elapsed, 8 * mhz, "Mbit/s",
                   "acknowledged payload of both ends over time", "throughput_mbit_s");
    scalar(run, &c->messages, "messages", "messages acknowledged whole, or requests answered", "messages.count");
    vx_stats_ratio(&run->stats, &c->messages, &c->elapsed, 1e6 * mhz, "1/s", "the same over time",
                   "messages.per_second");
    vx_stats_ratio(&run->stats, &c->lost, &c->frames, 1, "1", "received frames lost, over frames with payload", "loss");
    for (unsigned i = 0; i < 4; i++) {
        char path[32];
        snprintf(path, sizeof path, "latency_ns.%s", percentiles[i]);
        scalar(run, &c->latency_ns[i], "ns",
               "from the beginning of a frame, message or request to its acknowledgement or answer, percentile", path);
    }
    declare_frames(run);
    declare_use(run);
    declare_events(run);
    return vx_stats_ok(&run->stats, msg);
}

/* What guests and peer did. */
static json_t *workload_json(const vx_io_machine_config *config)
{
    return json_pack("{s:s, s:s, s:i, s:i, s:i, s:b}", "name", vx_workload_name(config->workload), "direction",
                     config->receive ? "receive" : "transmit", "flows", (int)config->flows, "request",
                     (int)config->request, "response", (int)config->response, "copy_engine", config->copy_engine);
}

static json_t *run_json(path_run *run, vx_msg *msg)
{
    static const char *const approximate[] = {"latency", NULL};
    vx_identity identities[IDENTITIES_MAX];
    unsigned count = vx_io_machine_identities(run->machine, identities, IDENTITIES_MAX);
    const char *name = vx_io_path_name(run->config.path);
    vx_report_run report = {.name = name,
                            .scheme = name,
                            .cpu = run->config.cpu->name,
                            .seed = run->config.seed,
                            .models = {run->models[0], run->models[1], run->models[2]},
                            .approximate = approximate,
                            .stats = &run->stats,
                            .identities = identities,
                            .identity_count = count};
    static const char *const lacking[] = {"scheme", "vmm", "vpid", "class", NULL};
    const vx_io_machine_config *config = &run->config;
    const char *policy = config->policy == VX_IOMMU_OFF ? NULL : vx_iommu_policy_name(config->policy);
    json_t *own =
        json_pack("{s:s, s:s, s:s, s:i, s:o, s:i, s:i, s:I, s:b, s:s*}", "path", name, "chipset", config->chipset->name,
                  "nic", config->nic->name, "guests", (int)config->guests, "workload", workload_json(config), "payload",
                  (int)config->payload, "window", (int)config->window, "milliseconds",
                  (json_int_t)run->options->milliseconds, "wire_limited", run->counts->wire_limited, "policy", policy);
    return vx_report_run_json_of(&report, lacking, own, msg);
}

static vx_status one_path(path_run *run, json_t *runs, vx_msg *msg)
{
    vx_status status = build(run, msg);
    if (!status) status = simulate(run, msg);
    if (!status) status = declare(run, msg);
    if (!status) {
        json_t *object = run_json(run, msg);
        if (!object || json_array_append_new(runs, object) != 0) status = VX_ERR_NOMEM;
    }
    vx_stats_fini(&run->stats);
    vx_clk_close(run->clk);
    vx_physmem_fini(&run->memory);
    vx_arena_fini(&run->arena);
    return status;
}

static vx_status all_paths(const vx_io_path_options *o, vx_model *const models[3], json_t **document, vx_msg *msg)
{
    json_t *runs = json_array();
    vx_status status = runs ? VX_OK : vx_fail_nomem(msg);
    for (unsigned i = 0; i < o->path_count && !status; i++) {
        path_run run = {.options = o, .models = models};
        run.config = (vx_io_machine_config){.path = o->paths[i],
                                            .guests = o->guests,
                                            .workload = o->workload,
                                            .receive = o->receive,
                                            .payload = o->payload,
                                            .window = o->window,
                                            .flows = o->flows,
                                            .request = o->request ? o->request : 1,
                                            .response = o->response ? o->response : 1,
                                            .seed = o->seed,
                                            .copy_engine = o->copy_engine,
                                            .policy = o->policy,
                                            .cpu = vx_model_cpu(models[0]),
                                            .chipset = vx_model_chipset(models[1]),
                                            .nic = vx_model_nic(models[2])};
        if (!o->flows) run.config.flows = o->workload == VX_WORKLOAD_MANY_FLOWS ? MANY_FLOWS : 1;
        status = one_path(&run, runs, msg);
    }
    if (!status) {
        *document = json_pack("{s:s, s:s, s:b, s:{s:s}, s:n, s:O}", "schema", "vexit-io/1", "verb", "io", "complete", 1,
                              "tool", "version", VEXIT_VERSION, "trace", "runs", runs);
        if (!*document) status = vx_fail_nomem(msg);
    }
    json_decref(runs);
    return status;
}

static vx_status set_values(const vx_io_path_options *o, vx_model *const models[3], vx_msg *msg)
{
    static const vx_model_kind kinds[3] = {VX_MODEL_CPU, VX_MODEL_CHIPSET, VX_MODEL_NIC};
    vx_status status = VX_OK;
    for (unsigned i = 0; i < o->set_count && !status; i++) {
        unsigned m = 0;
        while (m < 3 && !vx_model_takes(kinds[m], o->sets[i])) m++;
        status =
            m < 3 ? vx_model_set(models[m], o->sets[i], msg)
                  : vx_fail(msg, VX_ERR_INPUT, "--set %s: paths begin with 'cpu.', 'chipset.' or 'nic.'", o->sets[i]);
    }
    for (unsigned m = 0; m < 3 && !status; m++) status = vx_model_check(models[m], msg);
    return status;
}

/* The CPU or the chipset that was asked for, or the card's. */
static vx_status open_server(vx_model **model, vx_model_kind kind, const char *asked, const char *cards, vx_msg *msg)
{
    const char *what = kind == VX_MODEL_CPU ? "CPU" : "chipset";
    if (!asked && !*cards) return vx_fail(msg, VX_ERR_INPUT, "no %s given, and the card's model names none", what);
    return vx_model_open(model, kind, asked ? asked : cards, msg);
}

static vx_status open_models(const vx_io_path_options *options, vx_model **models, vx_msg *msg)
{
    vx_status status = vx_model_open(&models[2], VX_MODEL_NIC, options->nic, msg);
    if (status) return status;
    const vx_cfg_nic *nic = vx_model_nic(models[2]);
    status = open_server(&models[0], VX_MODEL_CPU, options->cpu, nic->server_cpu, msg);
    return status ? status : open_server(&models[1], VX_MODEL_CHIPSET, options->chipset, nic->server_chipset, msg);
}

vx_status vx_io_paths_document(json_t **document, const vx_io_path_options *options, vx_msg *msg)
{
    vx_model *models[3] = {NULL};
    if (options->milliseconds < 1 || options->milliseconds > 1000000)
        return vx_fail(msg, VX_ERR_INPUT, "%u milliseconds: must be 1 to 1000000", options->milliseconds);
    vx_status status = open_models(options, models, msg);
    if (!status) status = set_values(options, models, msg);
    if (!status) status = all_paths(options, models, document, msg);
    for (unsigned m = 0; m < 3; m++) vx_model_close(models[m]);
    return status;
}
