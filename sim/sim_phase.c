/* Warm-up, counting, intervals and regions: which part of a run counts. */
#include "sim_private.h"
#include "vx_report.h"

static uint64_t add_limit(uint64_t from, uint64_t length)
{
    return length == 0 || length > UINT64_MAX - from ? UINT64_MAX : from + length;
}

uint64_t sim_instructions(const vx_sim *sim)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < sim->vcpus; i++) sum += vx_vcpu_position(sim->vcpu[i].vcpu);
    return sum;
}

static void begin_counting(vx_sim *sim)
{
    uint64_t now = sim_instructions(sim);
    sim_reset_counters(sim);
    sim->counted_from = now;
    sim->phase = SIM_COUNTING;
    sim->phase_end = add_limit(now, sim->options.max);
    sim->next_interval = add_limit(now, sim->options.interval);
}

/* System traces replay what --skip leaves out, uncounted: page tables and TLBs must be what the guest made them. */
static uint64_t uncounted(const vx_sim *sim)
{
    return sim->options.warmup + (sim_is_system_trace(&sim->vcpu[0]) ? sim->options.skip : 0);
}

void sim_phase_begin(vx_sim *sim)
{
    sim->phase = SIM_WARMUP;
    sim->phase_end = add_limit(0, uncounted(sim));
    sim->next_interval = UINT64_MAX;
    if (uncounted(sim) == 0 && !sim->options.by_region) begin_counting(sim);
}

uint64_t sim_phase_limit(const vx_sim *sim)
{
    return sim->phase_end < sim->next_interval ? sim->phase_end : sim->next_interval;
}

static vx_status end_interval(vx_sim *sim, vx_msg *msg)
{
    if (json_array_size(sim->intervals) == SIM_SNAPSHOTS_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "an interval of %llu instructions: the run has more than %d of them",
                       (unsigned long long)sim->options.interval, SIM_SNAPSHOTS_MAX);
    sim_sync(sim);
    json_t *snapshot = vx_report_snapshot(&sim->stats, msg);
    if (!snapshot) return VX_ERR_NOMEM;
    if (json_array_append_new(sim->intervals, snapshot) != 0) return vx_fail_nomem(msg);
    sim->next_interval = add_limit(sim->next_interval, sim->options.interval);
    return VX_OK;
}

vx_status sim_phase_reached(vx_sim *sim, vx_msg *msg)
{
    uint64_t now = sim_instructions(sim);
    if (sim->phase == SIM_WARMUP && now >= sim->phase_end) begin_counting(sim);
    while (sim->phase == SIM_COUNTING && now >= sim->next_interval) {
        vx_status status = end_interval(sim, msg);
        if (status != VX_OK) return status;
    }
    if (sim->phase == SIM_COUNTING && now >= sim->phase_end) sim->phase = SIM_DONE;
    return VX_OK;
}

void sim_phase_mark(vx_sim *sim, uint64_t mark)
{
    if (sim->options.marked) {
        sim_sync(sim);
        sim->options.marked(sim->options.marked_context, sim, (uint16_t)mark);
    }
    if (!sim->options.by_region) return;
    if (sim->phase == SIM_WARMUP && (mark & 0xFFFF) == sim->options.region)
        begin_counting(sim);
    else if (sim->phase == SIM_COUNTING)
        sim->phase = SIM_DONE;
}
