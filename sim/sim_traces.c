/* Opening the traces of a simulation, and what their headers demand of the machine. */
#include "sim_private.h"

#include <string.h>

static bool is_generated(const char *path) { return strncmp(path, "gen:", 4) == 0; }

static vx_status open_one(vx_sim *sim, unsigned index, const char *path, vx_msg *msg)
{
    sim_feed *feed = &sim->vm.feed[index];
    vx_trace_options options = {.whole_chunks = sim->options.whole_chunks};
    vx_trace_info *info = &sim->trace_info[index];
    feed->path = path;
    vx_status status = VX_OK;
    if (!is_generated(path)) {
        status = vx_trace_info_read(path, &options, info, msg);
        if (status != VX_OK) return status;
        if (info->header.kind == VX_TRACE_USER) options.skip_instructions = sim->options.skip;
    }
    status = vx_source_open(&feed->source, path, &options, sim->options.seed + index, msg);
    if (status != VX_OK) return status;
    info->header = feed->source->header;
    if (info->header.kind == VX_TRACE_DMA)
        return vx_fail(msg, VX_ERR_INPUT, "%s: a trace of devices' accesses: no CPU can run it", path);
    return VX_OK;
}

vx_status sim_traces_open(vx_sim *sim, vx_msg *msg)
{
    const vx_sim_options *o = &sim->options;
    if (o->trace_count == 0) return vx_fail(msg, VX_ERR_INPUT, "no trace given: --trace FILE or gen:NAME");
    if (o->trace_count > SIM_TRACES_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "%u traces: at most %d processes", o->trace_count, SIM_TRACES_MAX);
    for (unsigned i = 0; i < o->trace_count; i++) {
        vx_status status = open_one(sim, i, o->traces[i], msg);
        if (status != VX_OK) return status;
        sim->vm.feeds = i + 1;
    }
    for (unsigned i = 1; i < o->trace_count; i++)
        if (sim->trace_info[i].header.kind == VX_TRACE_SYSTEM || sim_is_system_trace(sim))
            return vx_fail(msg, VX_ERR_INPUT,
                           "%s: a system trace is a whole guest and cannot share a vCPU with another",
                           o->traces[sim_is_system_trace(sim) ? 0 : i]);
    return VX_OK;
}

void sim_traces_close(vx_sim *sim)
{
    for (unsigned i = 0; i < SIM_TRACES_MAX; i++) vx_source_close(sim->vm.feed[i].source);
}

bool sim_is_system_trace(const vx_sim *sim) { return sim->trace_info[0].header.kind == VX_TRACE_SYSTEM; }

uint64_t sim_ram_bytes(const vx_sim *sim)
{
    if (!sim_is_system_trace(sim)) return sim->guest_config.ram_bytes;
    const vx_trace_header *header = &sim->trace_info[0].header;
    uint64_t end = 0;
    for (uint32_t i = 0; i < header->ram_ranges; i++)
        if (header->ram[i].gpa + header->ram[i].bytes > end) end = header->ram[i].gpa + header->ram[i].bytes;
    return end;
}
