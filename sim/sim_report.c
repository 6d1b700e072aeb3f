/* What the facade itself declares, and the report of a run. */
#include "sim_private.h"
#include "vx_report.h"

void sim_declare_cycles(vx_stats *stats, uint64_t *total, const vx_ledger *ledger)
{
    vx_stats_scalar(stats, total, "ticks", "all cycles, each with one cause", "cycles.total");
    vx_stats_labelled(stats, ledger->ticks, vx_cause_names(), VX_CAUSES, "ticks",
                      "cycles by what they are charged to (docs/cycles.md)", "cycles.by_cause");
}

static void declare_derived(vx_sim *sim)
{
    const vx_mmu_counts *mmu = &sim->mmu_total;
    const vx_vcpu_counts *cpu = &sim->total;
    vx_stats_ratio(&sim->stats, &mmu->walks, &cpu->instructions, 1000.0, "misses",
                   "last-level TLB misses per 1000 instructions", "derived.l2_misses_per_kilo_instruction");
    vx_stats_ratio(&sim->stats, &mmu->walk_accesses, &mmu->walks, 1.0, "accesses", "page-table entry reads a walk",
                   "derived.accesses_per_walk");
    vx_stats_ratio(&sim->stats, &sim->walk_ticks, &mmu->walks, 1.0, "ticks", "exposed cycles a walk",
                   "derived.cycles_per_walk");
    vx_stats_ratio(&sim->stats, &sim->cycles_total, &cpu->instructions, 1.0, "ticks", "all cycles over instructions",
                   "derived.cycles_per_instruction");
    if (sim->vmm)
        vx_stats_ratio(&sim->stats, &cpu->tpr_exit_ticks, &sim->cycles_total, 1.0, "1",
                       "share of all cycles that exits about the task priority take", "derived.tpr_exit_share");
    if (sim->vmm)
        vx_stats_ratio(&sim->stats, &cpu->exits, &cpu->instructions, 1e6, "exits", "VM exits per million instructions",
                       "derived.exits_per_million_instructions");
}

static void declare_vms(vx_sim *sim)
{
    if (sim->vms < 2) return;
    vx_stats_scalar(&sim->stats, &sim->vm_switches, "switches", "times the scheduler gave the CPU to another VM",
                    "vms.switches");
    for (unsigned i = 0; i < sim->vms; i++) {
        vx_stats_scalar(&sim->stats, &sim->vcpu[i].instructions, "instructions", "instructions of this VM",
                        "vms.vm%u.instructions", i);
        vx_stats_scalar(&sim->stats, &sim->vcpu[i].exits, "exits", "VM exits of this VM", "vms.vm%u.exits", i);
    }
}

/* Does leaving out what a direct-mapped filter of `sets` pages held change no hit or miss? With one set always. With
 * more a filter hit must be the most recent entry of its set in the TLB: LRU, and a multiple of the filter's sets by
 * number of 4 KiB page, which larger pages are not indexed by (docs/recording.md, --tier S). */
static bool filter_is_exact(const vx_cfg_cpu *cpu, uint32_t sets)
{
    for (unsigned i = 0; sets > 1 && i < cpu->tlb_count; i++) {
        const vx_cfg_tlb *tlb = &cpu->tlb[i];
        for (unsigned k = 0; tlb->level != VX_TLB_L2 && k < tlb->array_count; k++) {
            const vx_cfg_tlb_array *array = &tlb->array[k];
            if (array->pages != 1U << VX_PAGE_4K || array->replacement != VX_REPLACE_LRU) return false;
            if (array->entries / array->ways % sets != 0) return false;
        }
    }
    return sets > 0;
}

static void add_word(const char **list, unsigned *count, const char *word)
{
    for (unsigned i = 0; i < *count; i++)
        if (list[i] == word) return;
    list[(*count)++] = word;
    list[*count] = NULL;
}

void sim_warn(vx_sim *sim, const char *text)
{
    unsigned count = 0;
    while (sim->warnings[count]) count++;
    add_word(sim->warnings, &count, text);
}

/* What makes figures of this run approximate (docs/cycles.md, Flags). */
static void judge(vx_sim *sim)
{
    static const char latency[] = "latency", filter[] = "filter", events[] = "events-only";
    static const char of_stores[] = "the trace holds events only: TLB and walk figures are of page-table stores alone";
    unsigned count = 0, warnings = 0;
    bool flushes = sim->scheme != VX_SCHEME_NATIVE && !sim->vpid;
    if (sim->cpu.memory.caches == VX_CACHES_FIXED) add_word(sim->approximate, &count, latency);
    for (unsigned v = 0; v < sim->trace_groups; v++)
        for (unsigned i = 0; i < sim->vcpu[v].feeds; i++) {
            const vx_trace_header *header = &sim->vcpu[v].feed[i].info.header;
            if (header->tier == VX_TIER_FILTERED && (flushes || !filter_is_exact(&sim->cpu, header->filter_sets)))
                add_word(sim->approximate, &count, filter);
            if (header->tier != VX_TIER_EVENTS) continue;
            add_word(sim->approximate, &count, events);
            add_word(sim->warnings, &warnings, of_stores);
        }
}

vx_status sim_declare(vx_sim *sim, vx_msg *msg)
{
    vx_stats_init(&sim->stats);
    sim->stats_made = true;
    sim_declare_cycles(&sim->stats, &sim->cycles_total, &sim->ledger);
    vx_vcpu_counts_declare(&sim->total, sim->cpu.vendor, &sim->stats);
    vx_mmu_counts_declare(&sim->mmu_total, &sim->cpu, &sim->stats);
    if (sim->vcpu[0].guest) vx_guest_counts_declare(&sim->guest_total, &sim->stats);
    if (sim->vmm) vx_vmm_declare(sim->vmm, &sim->stats);
    sim_check_declare(sim);
    declare_vms(sim);
    declare_derived(sim);
    judge(sim);
    vx_status status = sim->smp ? sim_vcpus_declare(sim, msg) : VX_OK;
    if (status != VX_OK) return status;
    return vx_stats_ok(&sim->stats, msg);
}

/* L1 lookups = references + page crossings + retries, less what was never looked up (docs/json.md, What is counted). */
static void first_level_identity(vx_sim *sim)
{
    const vx_mmu_counts *mmu = &sim->mmu_total;
    const vx_vcpu_counts *cpu = &sim->total;
    uint64_t lookups = 0;
    for (unsigned i = 0; i < sim->cpu.tlb_count; i++)
        if (sim->cpu.tlb[i].level != VX_TLB_L2) lookups += mmu->tlb[i].lookups;
    sim->identities[sim->identity_count++] = (vx_identity){
        "first-level lookups = references + crossings + retries + handlers' - filtered - untranslated", lookups,
        cpu->references + cpu->crossings + cpu->retries + cpu->root_references - cpu->skipped_references -
            cpu->untranslated};
}

/* Each vCPU's instructions are charged apart, so each rounds apart. */
static uint64_t instruction_ticks(const vx_sim *sim)
{
    uint64_t ticks = 0;
    for (unsigned i = 0; i < sim->vcpus; i++) ticks += sim->vcpu[i].instructions * sim->cpu.core.cpi_milli / 1000;
    return ticks;
}

static void add_up(vx_sim *sim)
{
    sim->total = (vx_vcpu_counts){0};
    sim->guest_total = (vx_guest_counts){0};
    for (unsigned i = 0; i < sim->vcpus; i++) {
        sim_vcpu *v = &sim->vcpu[i];
        const vx_vcpu_counts *counts = vx_vcpu_counts_now(v->vcpu);
        v->instructions = counts->instructions;
        v->exits = counts->exits;
        vx_vcpu_counts_add(&sim->total, counts);
        if (v->guest) vx_guest_counts_add(&sim->guest_total, vx_guest_counts_now(v->guest));
    }
    /* Now the ledgers hold all that was executed. */
    sim->mmu_total = (vx_mmu_counts){0};
    sim->ledger = (vx_ledger){0};
    for (unsigned i = 0; i < sim->processors; i++) {
        sim_processor *p = &sim->processor[i];
        vx_mmu_counts_add(&sim->mmu_total, vx_mmu_counts_now(p->mmu));
        for (unsigned cause = 0; cause < VX_CAUSES; cause++) sim->ledger.ticks[cause] += p->ledger.ticks[cause];
    }
}

void sim_sync(vx_sim *sim)
{
    add_up(sim);
    if (sim->vmm) (void)vx_vmm_counts_now(sim->vmm);
    sim->cycles_total = vx_ledger_total(&sim->ledger);
    sim->walk_ticks = sim->ledger.ticks[VX_CAUSE_WALK_GUEST] + sim->ledger.ticks[VX_CAUSE_WALK_NESTED] +
                      sim->ledger.ticks[VX_CAUSE_WALK_SHADOW];
    unsigned count = 0;
    for (unsigned i = 0; i < sim->processors; i++)
        count += vx_mmu_identities(sim->processor[i].mmu, sim->identities + count, SIM_IDENTITIES_MAX / 2);
    count += vx_vcpu_counts_identities(&sim->total, sim->identities + count, SIM_IDENTITIES_MAX / 4);
    if (sim->vmm) count += vx_vmm_identities(sim->vmm, sim->identities + count, SIM_IDENTITIES_MAX / 8);
    uint64_t causes = 0;
    for (unsigned i = 0; i < VX_CAUSES; i++) causes += sim->ledger.ticks[i];
    sim->identities[count++] = (vx_identity){"cycles = sum over causes", sim->cycles_total, causes};
    sim->identities[count++] = (vx_identity){"guest.instructions = instructions x CPI",
                                             sim->ledger.ticks[VX_CAUSE_GUEST_INSTRUCTIONS], instruction_ticks(sim)};
    if (sim->smp) sim_vcpus_sync(sim);
    if (sim->smp) count += sim_vcpus_identities(sim, sim->identities + count);
    sim->identity_count = count;
    first_level_identity(sim);
}

void sim_reset_counters(vx_sim *sim)
{
    for (unsigned i = 0; i < sim->vcpus; i++) {
        sim->vcpu[i].smp = (sim_smp_counts){0};
        vx_vcpu_counts_reset(sim->vcpu[i].vcpu);
        if (sim->vcpu[i].guest) vx_guest_counts_reset(sim->vcpu[i].guest);
        for (unsigned f = 0; f < sim->vcpu[i].feeds; f++) sim->vcpu[i].feed[f].replayed = 0;
    }
    for (unsigned i = 0; i < sim->processors; i++) {
        sim_processor *p = &sim->processor[i];
        vx_mmu_counts_reset(p->mmu);
        for (unsigned v = 0; v < sim->vcpus; v++)
            if (sim->vcpu[v].processor == p) vx_vcpu_time_goes_on(sim->vcpu[v].vcpu, vx_ledger_total(&p->ledger));
        p->ledger = (vx_ledger){0};
    }
    for (unsigned i = 0; i < sim->vcpus; i++) sim->vcpu[i].counted_from = sim_now(&sim->vcpu[i]);
    if (sim->vmm) vx_vmm_counts_reset(sim->vmm);
    sim->vm_switches = 0;
    sim->checked_translations = sim->stale_uses = 0;
}

json_t *vx_sim_run_json(const vx_sim *sim, vx_msg *msg)
{
    const vx_sim_options *o = &sim->options;
    vx_report_window window = {.skip = o->skip,
                               .warmup = o->warmup,
                               .max = o->max,
                               .interval = o->interval,
                               .by_region = o->by_region,
                               .region = o->region};
    vx_report_run run = {.name = sim->run_name,
                         .scheme = sim->scheme_name,
                         .cpu = sim->cpu.name,
                         .vmm = sim->vmm ? sim->vmm_config.name : NULL,
                         .vpid = sim->vpid,
                         .seed = sim->options.seed,
                         .window = &window,
                         .models = {sim->models[VX_MODEL_CPU], sim->vcpu[0].guest ? sim->models[VX_MODEL_VM] : NULL,
                                    sim->vmm ? sim->models[VX_MODEL_VMM] : NULL},
                         .approximate = sim->approximate,
                         .warnings = sim->warnings,
                         .stats = &sim->stats,
                         .identities = sim->identities,
                         .identity_count = sim->identity_count};
    json_t *object = vx_report_run_json(&run, msg);
    if (!object) return NULL;
    const char *below = sim->l0_model ? vx_model_vmm(sim->l0_model)->name : NULL;
    if (below && json_object_set_new(json_object_get(object, "nested"), "l0", json_string(below)) != 0) {
        json_decref(object);
        (void)vx_fail_nomem(msg);
        return NULL;
    }
    if (sim->smp && json_object_set_new(object, "vcpus", sim_vcpus_json(sim, msg)) != 0) {
        json_decref(object);
        (void)vx_fail_nomem(msg);
        return NULL;
    }
    if (sim->intervals && json_object_set(object, "intervals", sim->intervals) != 0) {
        json_decref(object);
        (void)vx_fail_nomem(msg);
        return NULL;
    }
    return object;
}

/* How many records of each kind of event the trace's index tells of. References have counts of their own. */
static unsigned list_events(const vx_trace_totals *totals, vx_report_event *events)
{
    unsigned count = 0;
    for (unsigned kind = 0; kind < VX_REC_KINDS; kind++) {
        const vx_record_info *info = vx_record_describe(kind);
        if (info && kind > VX_REC_STORE) events[count++] = (vx_report_event){info->name, totals->by_kind[kind]};
    }
    return count;
}

json_t *vx_sim_document_of(const vx_sim *sim, const char *verb, bool complete, json_t *runs, vx_msg *msg)
{
    vx_report_trace traces[SIM_TRACES_MAX];
    vx_report_event events[SIM_TRACES_MAX][VX_REC_KINDS];
    unsigned count = 0;
    for (unsigned v = 0; v < sim->trace_groups; v++)
        for (unsigned i = 0; i < sim->vcpu[v].feeds && count < SIM_TRACES_MAX; i++) {
            const sim_feed *feed = &sim->vcpu[v].feed[i];
            unsigned kinds = list_events(&feed->info.totals, events[count]);
            traces[count] = (vx_report_trace){.path = feed->path,
                                              .hash = feed->info.hash,
                                              .tier = (char)feed->info.header.tier,
                                              .references = feed->info.header.references,
                                              .instructions = feed->info.totals.instructions,
                                              .replayed = feed->replayed,
                                              .events = events[count],
                                              .event_count = kinds};
            count++;
        }
    return vx_report_document(verb, complete, traces, count, runs, msg);
}

json_t *vx_sim_document(const vx_sim *sim, const char *verb, vx_msg *msg)
{
    json_t *runs = json_array();
    json_t *run = vx_sim_run_json(sim, msg);
    if (!runs || !run || json_array_append_new(runs, run) != 0) {
        json_decref(runs);
        json_decref(run);
        (void)vx_fail_nomem(msg);
        return NULL;
    }
    return vx_sim_document_of(sim, verb, sim->complete, runs, msg);
}
