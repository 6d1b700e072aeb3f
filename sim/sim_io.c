/* DMA traces: one replay for each policy of the IOMMU's driver, and the document of `vexit io`. */
#include "vexit.h"

#include <inttypes.h>
#include <string.h>

#include "vx_dma_replay.h"
#include "vx_model.h"
#include "vx_report.h"
#include "vx_trace.h"

enum {
    IDENTITIES_MAX = 24,
    SMALL_BYTES = 64,
    LINUX_UNMAPS = 250,
    LINUX_FLUSH_US = 10000,
    TICKS_PER_US = 1000 /* a tick is 1 ns: no CPU takes part */
};

/* Tables lie in simulated memory of their own, reserved and committed on touch; data has no bytes. */
static const uint64_t tables_bytes = 1ULL << 32;

/* One replay. */
typedef struct io_run {
    const vx_io_options *options;
    const vx_cfg_chipset *chipset;
    const vx_model *model;
    vx_iommu_policy policy;
    vx_arena arena;
    vx_physmem memory;
    vx_iommu *iommu;
    vx_dma_replay replay;
    vx_stats stats;
    vx_trace_header header;
    vx_trace_totals totals;
    bool stopped;
} io_run;

static vx_status build(io_run *run, vx_msg *msg)
{
    const vx_io_options *o = run->options;
    vx_cfg_iommu hardware = run->chipset->iommu;
    hardware.ticks_per_us = TICKS_PER_US;
    const vx_iommu_driver_config driver = {.policy = run->policy,
                                           .tables = VX_PAGE_BYTES,
                                           .table_bytes = tables_bytes - VX_PAGE_BYTES,
                                           .flush_unmaps = o->flush_unmaps ? o->flush_unmaps : LINUX_UNMAPS,
                                           .flush_ticks =
                                               (vx_tick)(o->flush_us ? o->flush_us : LINUX_FLUSH_US) * TICKS_PER_US,
                                           .leaf_hint = !o->drop_upper};
    vx_status status = vx_physmem_init(&run->memory, tables_bytes, msg);
    if (!status) status = vx_iommu_init(&run->iommu, &run->arena, &hardware, &run->memory, NULL, msg);
    if (!status)
        status = vx_iommu_driver_init(&run->replay.driver, &run->arena, run->iommu, &run->memory, &driver, msg);
    if (status) return status;
    run->replay.iommu = run->iommu;
    run->replay.page_ticks = run->chipset->dma_page_ns * TICKS_PER_US / 1000;
    run->replay.small_bytes = SMALL_BYTES;
    vx_iommu_counts_reset(run->iommu); /* what the driver's own beginning cost is no DMA's */
    vx_iommu_driver_counts_reset(run->replay.driver);
    return VX_OK;
}

static vx_status replay(io_run *run, vx_msg *msg)
{
    const vx_io_options *o = run->options;
    const vx_trace_options options = {.whole_chunks = o->whole_chunks};
    vx_source *source;
    vx_status status = vx_source_open(&source, o->trace, &options, o->seed, msg);
    if (status) return status;
    run->header = source->header;
    if (run->header.kind != VX_TRACE_DMA)
        status = vx_fail(msg, VX_ERR_INPUT, "%s: no trace of devices' accesses: vexit run replays it", o->trace);
    for (vx_batch batch = {.count = 1}; !status && batch.count > 0 && !run->stopped;) {
        status = vx_source_next(source, &batch, msg);
        if (!status) status = vx_dma_replay_batch(&run->replay, &batch, msg);
        if (!status) vx_trace_totals_add(&run->totals, batch.records, batch.count, batch.payload);
        run->stopped = o->stop && *o->stop;
    }
    vx_source_close(source);
    return status;
}

/* ---- the report ---- */

static vx_status declare(io_run *run, vx_msg *msg)
{
    const vx_iommu_counts *iommu = vx_iommu_counted(run->iommu);
    const vx_dma_replay_counts *dma = &run->replay.counts;
    vx_stats_init(&run->stats);
    vx_dma_replay_declare(&run->replay, &run->stats);
    vx_iommu_declare(run->iommu, &run->stats);
    vx_iommu_driver_declare(run->replay.driver, &run->stats);
    vx_stats_ratio(&run->stats, &dma->page_reads, &dma->pages, 1, "accesses",
                   "M: reads of tables for a page of data, those for rings included", "derived.table_reads_per_page");
    vx_stats_ratio(&run->stats, &dma->ticks, &dma->pages, 1, "ticks", "time of the devices for a page of data",
                   "derived.ticks_per_page");
    vx_stats_ratio(&run->stats, &iommu->iotlb.hits, &iommu->iotlb.lookups, 1, "1", "IOTLB lookups that it answered",
                   "derived.iotlb_hit_rate");
    vx_stats_ratio(&run->stats, &iommu->accesses, &iommu->walks, 1, "accesses",
                   "reads of tables, over walks of page tables", "derived.accesses_per_walk");
    return vx_stats_ok(&run->stats, msg);
}

static json_t *run_json(io_run *run, vx_msg *msg)
{
    static const char *const approximate[] = {"latency", NULL};
    vx_identity identities[IDENTITIES_MAX];
    unsigned count = vx_iommu_identities(run->iommu, identities, IDENTITIES_MAX);
    const char *name = vx_iommu_policy_name(run->policy);
    vx_report_run report = {.name = name,
                            .scheme = name,
                            .cpu = run->chipset->name,
                            .seed = run->options->seed,
                            .models = {run->model},
                            .approximate = approximate,
                            .stats = &run->stats,
                            .identities = identities,
                            .identity_count = count};
    static const char *const lacking[] = {"scheme", "cpu", "vmm", "vpid", "class", NULL};
    json_t *own = json_pack("{s:s, s:s}", "policy", name, "chipset", run->chipset->name);
    return vx_report_run_json_of(&report, lacking, own, msg);
}

static json_t *trace_json(const vx_io_options *options, const io_run *run)
{
    const uint64_t *kinds = run->totals.by_kind;
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "path", options->trace, "recipe", run->header.recipe,
                     "records", (json_int_t)run->totals.records, "dmas", (json_int_t)kinds[VX_REC_DMA], "maps",
                     (json_int_t)kinds[VX_REC_DMA_MAP], "unmaps", (json_int_t)kinds[VX_REC_DMA_UNMAP], "messages",
                     (json_int_t)kinds[VX_REC_MSI]);
}

static vx_status one_policy(io_run *run, json_t *runs, json_t **trace, vx_msg *msg)
{
    vx_arena_init(&run->arena);
    vx_status status = build(run, msg);
    if (!status) status = replay(run, msg);
    if (!status) status = declare(run, msg);
    if (!status) {
        json_t *object = run_json(run, msg);
        if (!object || json_array_append_new(runs, object) != 0) status = VX_ERR_NOMEM;
    }
    if (!status && !*trace) *trace = trace_json(run->options, run);
    vx_stats_fini(&run->stats);
    vx_physmem_fini(&run->memory);
    vx_arena_fini(&run->arena);
    return status;
}

static vx_status all_policies(const vx_io_options *options, const vx_model *model, json_t **document, vx_msg *msg)
{
    json_t *runs = json_array(), *trace = NULL;
    vx_status status = runs ? VX_OK : vx_fail_nomem(msg);
    bool stopped = false;
    for (unsigned i = 0; i < options->policy_count && !status && !stopped; i++) {
        io_run run = {
            .options = options, .chipset = vx_model_chipset(model), .model = model, .policy = options->policies[i]};
        status = one_policy(&run, runs, &trace, msg);
        stopped = run.stopped;
    }
    if (!status) {
        *document = json_pack("{s:s, s:s, s:b, s:{s:s}, s:O, s:O}", "schema", "vexit-io/1", "verb", "io", "complete",
                              !stopped, "tool", "version", VEXIT_VERSION, "trace", trace, "runs", runs);
        if (!*document) status = vx_fail_nomem(msg);
    }
    json_decref(trace);
    json_decref(runs);
    return !status && stopped ? VX_ERR_INTERRUPTED : status;
}

vx_status vx_io_document(json_t **document, const vx_io_options *options, vx_msg *msg)
{
    if (!options->chipset) return vx_fail(msg, VX_ERR_INPUT, "no chipset given: --chipset NAME (vexit model list)");
    if (!options->trace) return vx_fail(msg, VX_ERR_INPUT, "no trace given: --trace FILE or gen:NAME");
    vx_model *model = NULL;
    vx_status status = vx_model_open(&model, VX_MODEL_CHIPSET, options->chipset, msg);
    for (unsigned i = 0; i < options->set_count && !status; i++) status = vx_model_set(model, options->sets[i], msg);
    if (!status) status = vx_model_check(model, msg);
    if (!status) status = all_policies(options, model, document, msg);
    vx_model_close(model);
    return status;
}
