/* The run loop: feeds the vCPU from its traces, lets the guest OS act, and moves through warm-up, counting and
 * intervals. All limits are absolute instruction counts; the vCPU stops at the nearest one. */
#include "sim_private.h"
#include "vx_report.h"

enum { PROGRESS_INSTRUCTIONS = 1 << 24 };

static uint64_t add_limit(uint64_t from, uint64_t length)
{
    return length == 0 || length > UINT64_MAX - from ? UINT64_MAX : from + length;
}

static uint64_t instructions_now(const vx_sim *sim)
{
    return sim->counted_from + vx_vcpu_counts_now(sim->vm.vcpu)->instructions;
}

static void begin_counting(vx_sim *sim)
{
    uint64_t now = instructions_now(sim);
    sim_reset_counters(sim);
    sim->counted_from = now;
    sim->phase = SIM_COUNTING;
    sim->phase_end = add_limit(now, sim->options.max);
    sim->next_interval = add_limit(now, sim->options.interval);
}

/* System traces replay what --skip leaves out, uncounted: page tables and TLBs must be what the guest made them. */
static uint64_t uncounted(const vx_sim *sim)
{
    bool replays_skip = sim_is_system_trace(sim) || sim->vm.feed[0].source->header.kind != VX_TRACE_USER;
    return sim->options.warmup + (replays_skip ? sim->options.skip : 0);
}

static void begin(vx_sim *sim)
{
    sim->counted_from = 0;
    sim->phase = SIM_WARMUP;
    sim->phase_end = add_limit(0, uncounted(sim));
    sim->next_interval = UINT64_MAX;
    if (uncounted(sim) == 0 && !sim->options.by_region) begin_counting(sim);
}

static vx_status end_interval(vx_sim *sim, vx_msg *msg)
{
    sim_sync(sim);
    json_t *snapshot = vx_report_snapshot(&sim->stats, msg);
    if (!snapshot) return VX_ERR_NOMEM;
    if (json_array_append_new(sim->intervals, snapshot) != 0) return vx_fail_nomem(msg);
    sim->next_interval = add_limit(sim->next_interval, sim->options.interval);
    return VX_OK;
}

/* What is due at this instruction count. */
static vx_status on_limit(vx_sim *sim, vx_msg *msg)
{
    uint64_t now = instructions_now(sim);
    if (sim->phase == SIM_WARMUP && now >= sim->phase_end) begin_counting(sim);
    while (sim->phase == SIM_COUNTING && now >= sim->next_interval) {
        vx_status status = end_interval(sim, msg);
        if (status != VX_OK) return status;
    }
    if (sim->phase == SIM_COUNTING && now >= sim->phase_end) sim->phase = SIM_DONE;
    sim_vm *vm = &sim->vm;
    if (sim->phase != SIM_DONE && vm->guest && now >= vx_guest_next_event(vm->guest)) {
        vx_guest_event(vm->guest, now, &vm->queue);
        return vx_vcpu_drain(vm->vcpu, msg);
    }
    return VX_OK;
}

static void on_mark(vx_sim *sim, uint64_t mark)
{
    if (!sim->options.by_region) return;
    if (sim->phase == SIM_WARMUP && (mark & 0xFFFF) == sim->options.region)
        begin_counting(sim);
    else if (sim->phase == SIM_COUNTING)
        sim->phase = SIM_DONE;
}

static uint64_t expected_instructions(const vx_sim *sim)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < sim->vm.feeds; i++) total += sim->trace_info[i].totals.instructions;
    uint64_t wanted = sim->options.max ? sim->options.max + sim->options.warmup : 0;
    return wanted && (wanted < total || total == 0) ? wanted : total;
}

static void report_progress(const vx_sim *sim)
{
    if (!sim->options.progress) return;
    const vx_vcpu_counts *counts = vx_vcpu_counts_now(sim->vm.vcpu);
    vx_sim_progress progress = {.instructions = instructions_now(sim),
                                .references = counts->references,
                                .expected_instructions = expected_instructions(sim)};
    sim->options.progress(sim->options.progress_context, &progress);
}

/* The feed to read from now; NULL when all have ended. */
static sim_feed *current_feed(sim_vm *vm, vx_status *status, vx_msg *msg)
{
    for (;;) {
        sim_feed *feed = &vm->feed[vm->guest ? vx_guest_current(vm->guest) : 0];
        if (!feed->ended && feed->position == feed->batch.count) {
            *status = vx_source_next(feed->source, &feed->batch, msg);
            if (*status != VX_OK) return NULL;
            feed->position = 0;
            feed->ended = feed->batch.count == 0;
        }
        if (!feed->ended) return feed;
        if (vm->feeds == 1 || !vx_guest_exit(vm->guest, &vm->queue)) return NULL;
    }
}

static uint64_t nearest_limit(const vx_sim *sim)
{
    uint64_t limit = instructions_now(sim) + PROGRESS_INSTRUCTIONS;
    if (sim->phase_end < limit) limit = sim->phase_end;
    if (sim->next_interval < limit) limit = sim->next_interval;
    if (sim->vm.guest && vx_guest_next_event(sim->vm.guest) < limit) limit = vx_guest_next_event(sim->vm.guest);
    return limit;
}

/* One stretch of one feed. */
static vx_status run_stretch(vx_sim *sim, sim_feed *feed, vx_msg *msg)
{
    sim_vm *vm = &sim->vm;
    vx_run run = {.instruction_limit = nearest_limit(sim), .tick_limit = VX_TICK_NEVER, .position = feed->position};
    vx_stop stop = vx_vcpu_run(vm->vcpu, &feed->batch, &run, msg);
    feed->position = run.position;
    const vx_record *last = run.position ? &feed->batch.records[run.position - 1] : NULL;
    switch (stop) {
    case VX_STOP_ERROR:
        return run.status;
    case VX_STOP_PROCESS:
        if (!vm->guest) return VX_OK;
        return vx_guest_process(vm->guest, last->addr, &vm->queue, msg);
    case VX_STOP_MARK:
        on_mark(sim, last->addr);
        return VX_OK;
    case VX_STOP_INSTRUCTIONS:
        report_progress(sim);
        return on_limit(sim, msg);
    default:
        return VX_OK;
    }
}

static vx_status run_all(vx_sim *sim, vx_msg *msg)
{
    sim_vm *vm = &sim->vm;
    vx_status status = VX_OK;
    if (vm->guest) {
        status = vx_guest_boot(vm->guest, &vm->queue, msg);
        if (status == VX_OK) status = vx_vcpu_drain(vm->vcpu, msg);
        if (status != VX_OK) return status;
    }
    begin(sim);
    while (sim->phase != SIM_DONE) {
        if (sim->options.stop && *sim->options.stop) return VX_ERR_INTERRUPTED;
        sim_feed *feed = current_feed(vm, &status, msg);
        if (!feed) break;
        status = run_stretch(sim, feed, msg);
        if (status == VX_OK && sim->vmm) status = vx_vmm_status(sim->vmm, msg);
        if (status != VX_OK) return status;
    }
    if (status == VX_OK && sim->phase == SIM_WARMUP)
        return vx_fail(msg, VX_ERR_INPUT,
                       sim->options.by_region ? "%s: no mark of region %u in the trace"
                                              : "%s: the trace ends within skip and warm-up",
                       vm->feed[0].path, (unsigned)sim->options.region);
    return status;
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
    if (sim->options.interval && !sim->intervals) {
        sim->intervals = json_array();
        if (!sim->intervals) return vx_fail_nomem(msg);
    }
    vx_status status = run_all(sim, msg);
    if (status != VX_OK && status != VX_ERR_INTERRUPTED) return status;
    sim_sync(sim);
    sim->complete = status == VX_OK;
    if (sim->vmm && sim->options.check && status == VX_OK) status = vx_vmm_verify(sim->vmm, &sim->verified_leaves, msg);
    vx_status identities = check_identities(sim, msg);
    return identities != VX_OK ? identities : status;
}
