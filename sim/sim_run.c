/* The run: vCPUs, the hypervisor's time slice and the guests' timer ticks on one simulated clock.
 *
 * Each vCPU is a process of the clock; with several VMs the scheduler's slice is a timer, so only the running
 * vCPU is armed. A step executes up to its horizon, or to the nearest instruction count at which the guest OS or the
 * phase of the run wants attention. */
#include "sim_private.h"

#include <assert.h>

enum { PROGRESS_INSTRUCTIONS = 1 << 24 };

vx_tick sim_now(const sim_vcpu *v) { return vx_vcpu_now(v->vcpu); }

/* What the guest OS measures its ticks and slices in: its own instructions, or the CPU's time. */
static uint64_t guest_time(const sim_vcpu *v)
{
    return v->sim->options.tick_time ? sim_now(v) : vx_vcpu_position(v->vcpu);
}

static uint64_t expected_instructions(const vx_sim *sim)
{
    uint64_t total = 0;
    for (unsigned v = 0; v < sim->vcpus; v++)
        for (unsigned i = 0; i < sim->vcpu[v].feeds; i++) total += sim->vcpu[v].feed[i].info.totals.instructions;
    uint64_t wanted = sim->options.max ? sim->options.max + sim->options.warmup : 0;
    return wanted && (wanted < total || total == 0) ? wanted : total;
}

static void report_progress(vx_sim *sim)
{
    if (!sim->options.progress) return;
    sim_sync(sim);
    vx_sim_progress progress = {.instructions = sim_instructions(sim),
                                .references = sim->total.references,
                                .expected_instructions = expected_instructions(sim)};
    sim->options.progress(sim->options.progress_context, &progress);
}

/* The vCPU's instruction count at which the step must look around. The phase's limits are counts of all VMs together:
 * how far they are off is how far this vCPU may go. */
static uint64_t instruction_limit(const sim_vcpu *v)
{
    const vx_sim *sim = v->sim;
    uint64_t own = vx_vcpu_position(v->vcpu), all = sim_instructions(sim);
    uint64_t left = PROGRESS_INSTRUCTIONS;
    uint64_t phase = sim_phase_limit(sim);
    if (phase < all + left) left = phase > all ? phase - all : 0;
    uint64_t limit = own + left;
    if (v->guest && !sim->options.tick_time && vx_guest_next_event(v->guest) < limit)
        limit = vx_guest_next_event(v->guest);
    return limit;
}

static vx_tick tick_limit(const sim_vcpu *v, vx_tick horizon)
{
    vx_tick limit = horizon;
    if (v->guest && v->sim->options.tick_time && vx_guest_next_event(v->guest) < limit)
        limit = vx_guest_next_event(v->guest);
    return limit;
}

/* Whatever is due by now. */
static vx_status attend(sim_vcpu *v, vx_msg *msg)
{
    vx_sim *sim = v->sim;
    vx_status status = sim_phase_reached(sim, msg);
    if (status != VX_OK || sim->phase == SIM_DONE) return status;
    if (!v->guest || guest_time(v) < vx_guest_next_event(v->guest)) return VX_OK;
    unsigned happens = vx_guest_event(v->guest, guest_time(v), &v->queue);
    status = vx_vcpu_drain(v->vcpu, msg);
    if (status != VX_OK || !happens) return status;
    if (happens & VX_GUEST_OVERFLOW) vx_vcpu_counter_overflow(v->vcpu);
    if (happens & VX_GUEST_TICK) vx_vcpu_interrupt(v->vcpu, VX_GUEST_TIMER_VECTOR);
    return vx_vcpu_drain(v->vcpu, msg);
}

/* HLT: a recorded guest's next event follows in its trace; with other VMs waiting the CPU goes to them; one of several
 * vCPUs waits for an interrupt. */
static void halt(sim_vcpu *v)
{
    if (v->sim->smp) sim_smp_halt(v);
    if (v->sim->slice) vx_clk_arm(v->sim->slice, sim_now(v));
}

static vx_status on_stop(sim_vcpu *v, vx_stop stop, const vx_run *run, const vx_record *last, vx_msg *msg)
{
    switch (stop) {
    case VX_STOP_ERROR:
        return run->status;
    case VX_STOP_PROCESS:
        assert(last);
        return v->guest ? vx_guest_process(v->guest, last->addr, &v->queue, msg) : VX_OK;
    case VX_STOP_MARK:
        assert(last);
        sim_phase_mark(v->sim, last->addr);
        return VX_OK;
    case VX_STOP_HALT:
        halt(v);
        return VX_OK;
    case VX_STOP_INSTRUCTIONS:
    case VX_STOP_TICKS:
        report_progress(v->sim);
        return attend(v, msg);
    default:
        return VX_OK;
    }
}

/* One stretch of one feed; false in *more when the VM's traces have ended. */
static vx_status run_stretch(sim_vcpu *v, vx_tick horizon, bool *more, vx_msg *msg)
{
    vx_status status;
    sim_feed *feed = sim_feed_current(v, &status, msg);
    *more = feed != NULL;
    if (!feed) return status;
    vx_run run = {
        .instruction_limit = instruction_limit(v), .tick_limit = tick_limit(v, horizon), .position = feed->position};
    uint64_t before = vx_vcpu_counts_now(v->vcpu)->references;
    vx_stop stop = vx_vcpu_run(v->vcpu, &feed->batch, &run, msg);
    feed->replayed += vx_vcpu_counts_now(v->vcpu)->references - before;
    feed->position = run.position;
    status = on_stop(v, stop, &run, run.position ? &feed->batch.records[run.position - 1] : NULL, msg);
    /* A hypervisor that cannot go on breaks the vCPU's run as well: its own reason is the better one. */
    vx_status broken = v->sim->vmm ? vx_vmm_status(v->sim->vmm, msg) : VX_OK;
    return broken != VX_OK ? broken : status;
}

static void end_run(vx_sim *sim, vx_status status)
{
    sim->status = status;
    vx_clk_stop(sim->clk);
}

/* The next one whose traces have not ended, in turn; NULL: all have. */
static sim_vcpu *next_vcpu(vx_sim *sim, unsigned after)
{
    for (unsigned i = 1; i <= sim->vcpus; i++) {
        sim_vcpu *v = &sim->vcpu[(after + i) % sim->vcpus];
        if (!v->ended) return v;
    }
    return NULL;
}

/* The VM's control state goes into the MMU. */
static void load(const sim_vcpu *v)
{
    if (v->sim->vmm)
        vx_vmm_dispatch(v->sim->vmm, v->index);
    else
        vx_vcpu_load(v->vcpu);
}

/* Gives the CPU to another VM. */
static void dispatch(sim_vcpu *v, vx_tick now)
{
    vx_sim *sim = v->sim;
    load(v);
    v->processor->running = v;
    vx_clk_kick(v->process, now);
    if (sim->slice) vx_clk_arm(sim->slice, now + sim->vmm_config.slice_ticks);
}

static vx_tick vcpu_ended(sim_vcpu *v)
{
    v->ended = true;
    vx_vcpu_end_of_trace(v->vcpu);
    sim_vcpu *next = next_vcpu(v->sim, v->index);
    if (!next) end_run(v->sim, VX_OK);
    if (!next || v->sim->smp) return VX_TICK_NEVER;
    /* The CPU leaves the guest by an exit like any other: without VPID that is what drops its translations. */
    vx_vmm_preempt(v->sim->vmm, v->index);
    v->sim->vm_switches++;
    dispatch(next, sim_now(v));
    return VX_TICK_NEVER;
}

/* The process of one vCPU. */
static vx_tick step(void *self, vx_tick now, vx_tick horizon)
{
    sim_vcpu *v = self;
    vx_sim *sim = v->sim;
    if (v->processor->running != v) return VX_TICK_NEVER; /* the scheduler took the CPU */
    if (sim->smp && sim_smp_rests(v)) {
        vx_tick next;
        vx_status status = sim_smp_woken(v, now, &next, sim->msg);
        if (status != VX_OK) end_run(sim, status);
        if (status != VX_OK || sim_smp_rests(v)) return next;
    }
    for (;;) {
        if (sim->options.stop && *sim->options.stop) {
            end_run(sim, VX_ERR_INTERRUPTED);
            return VX_TICK_NEVER;
        }
        bool more;
        vx_status status = run_stretch(v, horizon, &more, sim->msg);
        if (status != VX_OK || sim->phase == SIM_DONE) {
            end_run(sim, status);
            return VX_TICK_NEVER;
        }
        if (sim->smp && sim_smp_rests(v)) return sim_smp_next(v);
        if (!more) return vcpu_ended(v);
        horizon = vx_clk_horizon(sim->clk);
        if (sim_now(v) >= horizon) return sim_now(v);
    }
}

/* The scheduler: the host's timer interrupt takes the CPU from the running VM. */
static void end_of_slice(void *self, vx_tick now)
{
    vx_sim *sim = self;
    sim_vcpu *v = sim->processor[0].running;
    if (v->ended) return;
    vx_tick at = sim_now(v) > now ? sim_now(v) : now;
    sim_vcpu *next = next_vcpu(sim, v->index);
    if (next == v) {
        vx_clk_arm(sim->slice, at + sim->vmm_config.slice_ticks);
        return;
    }
    vx_vmm_preempt(sim->vmm, v->index);
    sim->vm_switches++;
    dispatch(next, at);
}

/* Messages between vCPUs are to be on time. */
static vx_tick default_quantum(const vx_sim *sim)
{
    vx_tick way = sim->cpu.cost.ipi_ticks ? sim->cpu.cost.ipi_ticks : 1;
    return sim->smp && way < VX_CLK_QUANTUM_DEFAULT ? way : VX_CLK_QUANTUM_DEFAULT;
}

static vx_status make_clock(vx_sim *sim, vx_msg *msg)
{
    const vx_sim_options *o = &sim->options;
    vx_status status = vx_clk_open(&sim->clk, o->clock, o->quantum ? o->quantum : default_quantum(sim), msg);
    for (unsigned i = 0; status == VX_OK && i < sim->vcpus; i++)
        status = vx_clk_add_process(sim->clk, "vcpu", step, &sim->vcpu[i], &sim->vcpu[i].process, msg);
    if (status == VX_OK && sim->smp) status = sim_smp_lines(sim, msg);
    if (status == VX_OK) status = sim_reclaim_start(sim, msg);
    if (status == VX_OK && sim->vms > 1)
        status = vx_clk_add_timer(sim->clk, "slice", end_of_slice, sim, &sim->slice, msg);
    return status;
}

static vx_status boot(vx_sim *sim, vx_msg *msg)
{
    for (unsigned i = 0; i < sim->vcpus; i++) {
        sim_vcpu *v = &sim->vcpu[i];
        if (!v->guest) continue;
        load(v);
        vx_status status = vx_guest_boot(v->guest, &v->queue, msg);
        if (status == VX_OK) status = vx_vcpu_drain(v->vcpu, msg);
        if (status != VX_OK) return status;
    }
    return VX_OK;
}

/* A window that lies wholly behind the traces' end counts nothing: an error, not a report of noughts. */
static vx_status check_window(const vx_sim *sim, vx_msg *msg)
{
    const char *path = sim->vcpu[0].feed[0].path;
    bool nothing_left = sim->options.skip && sim_instructions(sim) == 0; /* a user-level trace's source skips itself */
    if (sim->phase == SIM_WARMUP && sim->options.by_region)
        return vx_fail(msg, VX_ERR_INPUT, "%s: no mark of region %u in the trace", path, (unsigned)sim->options.region);
    if (sim->phase == SIM_WARMUP || nothing_left)
        return vx_fail(msg, VX_ERR_INPUT, "%s: the trace ends within skip and warm-up", path);
    return VX_OK;
}

static vx_status run_all(vx_sim *sim, vx_msg *msg)
{
    sim->msg = msg;
    vx_status status = boot(sim, msg);
    if (status == VX_OK) status = make_clock(sim, msg);
    if (status != VX_OK) return status;
    sim_phase_begin(sim);
    for (unsigned i = 0; i < sim->processors; i++) dispatch(&sim->vcpu[i], sim_now(&sim->vcpu[i]));
    do status = vx_clk_run(sim->clk, VX_TICK_NEVER, NULL, msg);
    while (status == VX_OK && sim_smp_revive(sim));
    if (status == VX_OK) status = sim_smp_end(sim, msg);
    if (status == VX_OK) status = sim->status;
    return status == VX_OK ? check_window(sim, msg) : status;
}

/* Every identity holds, or the run is worth nothing. */
static vx_status check_identities(const vx_sim *sim, vx_msg *msg)
{
    for (unsigned i = 0; i < sim->identity_count; i++) {
        const vx_identity *identity = &sim->identities[i];
        if (identity->left != identity->right)
            return vx_fail(msg, VX_ERR_CHECK, "%s: identity broken: %s: %llu is not %llu", sim->run_name,
                           identity->name, (unsigned long long)identity->left, (unsigned long long)identity->right);
    }
    return VX_OK;
}

vx_status vx_sim_run(vx_sim *sim, vx_msg *msg)
{
    if (sim->clk) return vx_fail(msg, VX_ERR_INPUT, "a simulation runs once: open another");
    if (sim->options.interval && !sim->intervals) {
        sim->intervals = json_array();
        if (!sim->intervals) return vx_fail_nomem(msg);
    }
    vx_status status = run_all(sim, msg);
    if (status != VX_OK && status != VX_ERR_INTERRUPTED) return status;
    sim_sync(sim);
    sim->complete = status == VX_OK;
    if (sim->vmm && sim->options.check && status == VX_OK) status = vx_vmm_verify(sim->vmm, &sim->verified_leaves, msg);
    vx_status faults = sim_faults_end(sim, msg);
    vx_status identities = check_identities(sim, msg);
    if (identities != VX_OK) return identities;
    return status == VX_OK ? faults : status;
}
