/* Opening the traces of a simulation, and what their headers demand of the machine. */
#include "sim_private.h"

#include <string.h>

static bool is_generated(const char *path) { return strncmp(path, "gen:", 4) == 0; }

static vx_status open_source(vx_sim *sim, const sim_vcpu *v, sim_feed *feed, vx_msg *msg)
{
    const char *path = feed->path;
    vx_trace_options options = {.whole_chunks = sim->options.whole_chunks};
    if (sim->options.open_source) return sim->options.open_source(sim->options.open_context, &feed->source, path, msg);
    if (!is_generated(path)) {
        vx_status status = vx_trace_info_read(path, &options, &feed->info, msg);
        if (status != VX_OK) return status;
    }
    if (is_generated(path) || feed->info.header.kind == VX_TRACE_USER) options.skip_instructions = sim->options.skip;
    /* Of a file that holds a program's threads each vCPU replays its own. */
    if (sim->smp && sim->trace_groups == 1 && feed->info.streams > 1) {
        if (feed->info.streams != sim->vcpus)
            return vx_fail(msg, VX_ERR_INPUT, "%s: %u streams, but %u vCPUs", path, feed->info.streams, sim->vcpus);
        options.stream = v->index;
    }
    /* The same generator under another VM, vCPU or process makes other references. */
    uint64_t seed = sim->options.seed + v->feeds + (uint64_t)v->index * SIM_TRACES_MAX;
    return vx_source_open(&feed->source, path, &options, seed, msg);
}

/* A user-level trace runs on the modelled OS's tables and registers: none of its records may replace these. */
static vx_status check_user_level(const sim_feed *feed, vx_msg *msg)
{
    static const vx_record_kind systems[] = {VX_REC_STATE, VX_REC_PT_STORE,  VX_REC_PT_PAGE_NEW, VX_REC_CR_WRITE,
                                             VX_REC_LMSW,  VX_REC_EFER_LOAD, VX_REC_PDPTE_LOAD};
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++)
        if (feed->info.totals.by_kind[systems[i]])
            return vx_fail(msg, VX_ERR_INPUT, "%s: a user-level trace with '%s', which only a whole guest has",
                           feed->path, vx_record_describe(systems[i])->name);
    return VX_OK;
}

static vx_status open_one(vx_sim *sim, sim_vcpu *v, const char *path, vx_msg *msg)
{
    sim_feed *feed = &v->feed[v->feeds];
    feed->path = path;
    vx_status status = open_source(sim, v, feed, msg);
    if (status != VX_OK) return status;
    v->feeds++;
    feed->info.header = feed->source->header;
    if (feed->info.header.kind == VX_TRACE_DMA)
        return vx_fail(msg, VX_ERR_INPUT, "%s: a trace of devices' accesses: no CPU can run it", path);
    return feed->info.header.kind == VX_TRACE_USER ? check_user_level(feed, msg) : VX_OK;
}

static unsigned vm_of(const vx_sim_options *o, unsigned trace) { return o->vm_of_trace ? o->vm_of_trace[trace] : 0; }

bool sim_is_system_trace(const sim_vcpu *v) { return v->feed[0].info.header.kind == VX_TRACE_SYSTEM; }

static uint64_t end_of_ram(const vx_trace_header *header)
{
    uint64_t end = 0;
    for (uint32_t i = 0; i < header->ram_ranges; i++)
        if (header->ram[i].gpa + header->ram[i].bytes > end) end = header->ram[i].gpa + header->ram[i].bytes;
    return end;
}

static vx_status open_vcpu(vx_sim *sim, sim_vcpu *v, unsigned groups, vx_msg *msg)
{
    const vx_sim_options *o = &sim->options;
    for (unsigned i = 0; i < o->trace_count; i++) {
        if (vm_of(o, i) != v->index % groups) continue;
        vx_status status = open_one(sim, v, o->traces[i], msg);
        if (status != VX_OK) return status;
    }
    if (v->feeds == 0) return vx_fail(msg, VX_ERR_INPUT, "VM %u has no trace", v->index);
    if (sim->smp && sim_is_system_trace(v))
        return vx_fail(msg, VX_ERR_INPUT, "%s: %u vCPUs: a system trace is a guest of one", v->feed[0].path,
                       sim->vcpus);
    for (unsigned i = 0; v->feeds > 1 && i < v->feeds; i++)
        if (v->feed[i].info.header.kind == VX_TRACE_SYSTEM)
            return vx_fail(msg, VX_ERR_INPUT,
                           "%s: a system trace is a whole guest and cannot share a vCPU with another", v->feed[i].path);
    return VX_OK;
}

/* What of the modelled OS's values a recorded guest has too: its RAM where the file does not say it, and which of its
 * accesses to the TPR are patched. */
static bool is_recorded_guests(const sim_vcpu *v, const char *assignment)
{
    const char *ram = "vm.ram_bytes=", *patched = "vm.priority.tpr_instructions=";
    if (strncmp(assignment, patched, strlen(patched)) == 0) return true;
    return strncmp(assignment, ram, strlen(ram)) == 0 && end_of_ram(&v->feed[0].info.header) == 0;
}

/* A value of the modelled OS that no VM has would be believed, and do nothing. */
static vx_status check_guest_values(const vx_sim *sim, vx_msg *msg)
{
    const vx_sim_options *o = &sim->options;
    const char *idle = o->vm;
    for (unsigned i = 0; i < sim->vcpus; i++)
        if (!sim_is_system_trace(&sim->vcpu[i])) return VX_OK;
    for (unsigned i = 0; !idle && i < o->set_count; i++)
        if (vx_model_takes(VX_MODEL_VM, o->sets[i]) && !is_recorded_guests(&sim->vcpu[0], o->sets[i]))
            idle = o->sets[i];
    if (!idle) return VX_OK;
    return vx_fail(msg, VX_ERR_INPUT, "%s: a recorded guest has an operating system of its own: %s would do nothing",
                   sim->vcpu[0].feed[0].path, idle);
}

vx_status sim_traces_open(vx_sim *sim, vx_msg *msg)
{
    const vx_sim_options *o = &sim->options;
    if (o->trace_count == 0) return vx_fail(msg, VX_ERR_INPUT, "no trace given: --trace FILE or gen:NAME");
    if (o->trace_count > SIM_TRACES_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "%u traces: at most %d", o->trace_count, SIM_TRACES_MAX);
    unsigned groups = sim_trace_groups(o);
    sim->smp = o->vcpus > 1;
    sim->trace_groups = groups;
    unsigned vms = o->vms ? o->vms : groups;
    if (!sim->smp && groups > vms) return vx_fail(msg, VX_ERR_INPUT, "traces for %u VMs, but %u VMs", groups, vms);
    vx_status status = sim_check_machine(sim->scheme, o, msg);
    if (status != VX_OK) return status;
    unsigned vcpus = sim->smp ? o->vcpus : vms;
    sim->vcpu = vx_arena_array(&sim->arena, vcpus, sizeof *sim->vcpu);
    if (!sim->vcpu) return vx_fail_nomem(msg);
    sim->vcpus = vcpus;
    sim->vms = sim->smp ? 1 : vms;
    for (unsigned i = 0; i < vcpus; i++) {
        sim_vcpu *v = &sim->vcpu[i];
        v->sim = sim;
        v->index = i;
        v->feed = vx_arena_array(&sim->arena, o->trace_count, sizeof *v->feed);
        if (!v->feed) return vx_fail_nomem(msg);
        status = open_vcpu(sim, v, groups, msg);
        if (status != VX_OK) return status;
    }
    return check_guest_values(sim, msg);
}

void sim_traces_close(vx_sim *sim)
{
    for (unsigned v = 0; v < sim->vcpus; v++)
        for (unsigned i = 0; i < sim->vcpu[v].feeds; i++) vx_source_close(sim->vcpu[v].feed[i].source);
}

uint64_t sim_ram_bytes(const vx_sim *sim)
{
    uint64_t most = 0;
    for (unsigned i = 0; i < sim->vcpus; i++) {
        const sim_vcpu *v = &sim->vcpu[i];
        uint64_t bytes = sim_is_system_trace(v) ? end_of_ram(&v->feed[0].info.header) : 0;
        /* A recording that does not say how much RAM its guest had gets the model's. */
        if (bytes == 0) bytes = sim->guest_config.ram_bytes;
        if (bytes > most) most = bytes;
    }
    return most;
}
