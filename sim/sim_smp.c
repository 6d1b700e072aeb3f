/* Several vCPUs of one VM: interrupts between them on the simulated clock, and when a vCPU rests.
 *
 * Each vCPU has a physical CPU of its own. It runs ahead of the others by a quantum at the most, and all see the same
 * memory: whatever one stores to page tables the next step of another walks. An interrupt is on its way for
 * cpu.cost.ipi_ticks, then a hard event of the clock (the receiver's line). It arrives
 *
 *     at its tick, late by one record at the most      where the quantum is no longer than that way
 *     late by the quantum less the way, and a record   where it is longer
 *
 * A vCPU rests from HLT to the next interrupt, from an unmapping until the others have answered its shootdown, from a
 * flush by its hypervisor until the others have exited for it, and from the end of its traces on; it still takes
 * interrupts. What it rests is charged as idle time.
 *
 * NOT MODELLED: caches that the CPUs share and their coherence; INIT, startup, NMI and SMI between vCPUs (dropped); a
 * wake-up's way through the hypervisor's scheduler. */
#include "sim_private.h"

/* Of as many messages the last 256 places are for vectors of which none is on its way: further ones of one that is are
 * taken as one with it, as an APIC that has requested them already would. */
enum { MESSAGES_MAX = 1024, VECTORS = 256, VECTOR_FIRST = 16 };

vx_status sim_smp_room(vx_sim *sim, vx_msg *msg)
{
    for (unsigned i = 0; i < sim->vcpus; i++) {
        sim->vcpu[i].coming = vx_arena_array(&sim->arena, MESSAGES_MAX, sizeof *sim->vcpu[i].coming);
        if (!sim->vcpu[i].coming) return vx_fail_nomem(msg);
    }
    return VX_OK;
}

bool sim_smp_sleeps(const sim_vcpu *v) { return v->halted || v->ended; }
static bool resting(const sim_vcpu *v) { return v->waiting || sim_smp_sleeps(v); }

/* ---- sending ---- */

static bool is_coming(const sim_vcpu *to, uint8_t vector)
{
    for (unsigned i = 0; i < to->coming_count; i++)
        if (to->coming[i].vector == vector) return true;
    return false;
}

/* False: it is one with another that is on its way. */
static bool post(sim_vcpu *to, const sim_message *message)
{
    if (to->coming_count >= MESSAGES_MAX - VECTORS && is_coming(to, message->vector)) return false;
    to->coming[to->coming_count++] = *message;
    if (message->due < vx_clk_due(to->line)) vx_clk_arm(to->line, message->due);
    return true;
}

static sim_message message_of(const sim_vcpu *from, uint8_t vector)
{
    return (sim_message){sim_now(from) + from->sim->cpu.cost.ipi_ticks, vector, (uint8_t)from->index};
}

/* Of several the one with the lowest arbitration priority: vx_apic_bus_deliver's rule. */
static sim_vcpu *lowest(vx_sim *sim, const vx_interrupt_message *message)
{
    sim_vcpu *best = NULL;
    for (unsigned i = 0; i < sim->vcpus; i++) {
        sim_vcpu *v = &sim->vcpu[i];
        if (!vx_apic_matches(&v->apic, message) || !vx_apic_software_enabled(&v->apic)) continue;
        if (!best || vx_apic_arbitration_priority(&v->apic) < vx_apic_arbitration_priority(&best->apic)) best = v;
    }
    return best;
}

void sim_smp_send(void *from, const vx_interrupt_message *message)
{
    sim_vcpu *v = from;
    vx_sim *sim = v->sim;
    bool chosen = message->delivery == VX_DELIVERY_LOWEST_PRIORITY;
    if ((message->delivery != VX_DELIVERY_FIXED && !chosen) || message->vector < VECTOR_FIRST || !sim->clk) return;
    const sim_vcpu *one = chosen ? lowest(sim, message) : NULL;
    if (chosen && !one) return;
    const sim_message sent = message_of(v, message->vector);
    for (unsigned i = 0; i < sim->vcpus; i++) {
        sim_vcpu *to = &sim->vcpu[i];
        if (chosen ? to != one : !vx_apic_matches(&to->apic, message)) continue;
        if (to == v) { /* without a way */
            (void)vx_apic_accept(&v->apic, message);
            continue;
        }
        v->smp.ipis_sent++;
        (void)post(to, &sent);
    }
    vx_vcpu_yield(v->vcpu); /* its horizon may have come nearer */
}

/* Those that sleep, or are in the hypervisor themselves, drop what they hold without an exit. */
void sim_smp_kick(void *context, unsigned from)
{
    vx_sim *sim = context;
    sim_vcpu *v = &sim->vcpu[from];
    if (!sim->clk) return; /* at boot nobody else runs */
    const sim_message sent = message_of(v, 0);
    for (unsigned i = 0; i < sim->vcpus; i++) {
        sim_vcpu *to = &sim->vcpu[i];
        if (to != v && !sim_smp_sleeps(to) && !to->kicks) v->kicks += post(to, &sent);
    }
    if (v->kicks) vx_vcpu_yield(v->vcpu);
}

/* ---- arrival ---- */

void sim_smp_pass_time(sim_vcpu *v, vx_tick now)
{
    vx_tick own = sim_now(v);
    if (own >= now || !resting(v)) return;
    vx_ledger_charge(&v->processor->ledger, VX_CAUSE_IDLE, now - own);
    *(v->waiting ? &v->smp.wait_ticks : &v->smp.idle_ticks) += now - own;
}

static bool must_wait(const sim_vcpu *v) { return v->kicks || vx_guest_waits(v->guest); }

/* `v` has done what the other waited for. */
static void release(const sim_vcpu *v, sim_vcpu *waiting)
{
    if (sim_now(v) > waiting->resume_at) waiting->resume_at = sim_now(v);
    if (!must_wait(waiting)) vx_clk_kick(waiting->process, waiting->resume_at);
}

/* The host's interrupt. */
static void exits(sim_vcpu *v, const sim_message *message)
{
    sim_vcpu *from = &v->sim->vcpu[message->from];
    if (!sim_smp_sleeps(v) && !v->kicks) vx_vmm_flush(v->sim->vmm, v->index, true);
    from->kicks--;
    release(v, from);
}

static void deliver(sim_vcpu *v, const sim_message *message)
{
    vx_tick own = sim_now(v);
    if (resting(v))
        sim_smp_pass_time(v, message->due);
    else if (own - message->due > v->smp.latest_ticks) /* it ran, so its time is not before the message's */
        v->smp.latest_ticks = own - message->due;
    if (message->vector == 0) {
        exits(v, message);
        return;
    }
    v->smp.ipis_received++;
    bool asleep = sim_smp_sleeps(v) || v->kicks;
    v->halted = false;
    sim_reclaim_again(v->sim, message->due);
    /* The hypervisor has the processor of a vCPU that sleeps. */
    if (asleep && v->sim->vmm)
        vx_vmm_wake(v->sim->vmm, v->index, message->vector);
    else
        vx_vcpu_interrupt(v->vcpu, message->vector);
}

static void line_rises(void *self, vx_tick now)
{
    sim_vcpu *v = self;
    vx_tick next = VX_TICK_NEVER;
    unsigned left = 0;
    for (unsigned i = 0; i < v->coming_count; i++) {
        const sim_message message = v->coming[i];
        if (message.due <= now) {
            deliver(v, &message);
            continue;
        }
        if (message.due < next) next = message.due;
        v->coming[left++] = message;
    }
    v->coming_count = left;
    vx_clk_arm(v->line, next);
    vx_clk_kick(v->process, now);
}

vx_status sim_smp_lines(vx_sim *sim, vx_msg *msg)
{
    vx_status status = VX_OK;
    for (unsigned i = 0; status == VX_OK && i < sim->vcpus; i++)
        status = vx_clk_add_timer(sim->clk, "interrupts", line_rises, &sim->vcpu[i], &sim->vcpu[i].line, msg);
    return status;
}

/* ---- resting ---- */

void sim_smp_halt(sim_vcpu *v) { v->halted = v->guest && !vx_apic_pending(&v->apic); }

/* Who waited for this vCPU's answer alone goes on at its time. */
static void answer(sim_vcpu *v)
{
    uint64_t answered = vx_guest_take_answered(v->guest);
    for (unsigned i = 0; answered && i < v->sim->vcpus; i++)
        if (answered >> i & 1) release(v, &v->sim->vcpu[i]);
}

bool sim_smp_rests(sim_vcpu *v)
{
    if (!v->guest) return false;
    answer(v);
    if (!v->waiting && must_wait(v)) {
        v->waiting = true;
        v->resume_at = sim_now(v);
    }
    return resting(v);
}

/* What comes to a vCPU that rests without another's doing: its APIC's timer, and where ticks follow time the OS's. */
static vx_tick own_event(const sim_vcpu *v)
{
    if (v->ended) return VX_TICK_NEVER;
    vx_tick timer = vx_vcpu_timer_due(v->vcpu);
    vx_tick tick = v->halted && v->sim->options.tick_time ? vx_guest_next_event(v->guest) : VX_TICK_NEVER;
    return timer < tick ? timer : tick;
}

vx_tick sim_smp_next(const sim_vcpu *v)
{
    vx_tick next = own_event(v), now = sim_now(v);
    return next == VX_TICK_NEVER || next > now ? next : now + 1;
}

/* Its own event is due. A hypervisor that has the processor sees to the timer itself; else it is an interrupt. */
static vx_status take_own(sim_vcpu *v, vx_tick now, vx_msg *msg)
{
    sim_smp_pass_time(v, now);
    if (v->halted && v->sim->vmm) vx_vmm_wake(v->sim->vmm, v->index, 0);
    v->halted = false;
    sim_reclaim_again(v->sim, now);
    const vx_batch nothing = {0};
    vx_run run = {.instruction_limit = UINT64_MAX, .tick_limit = VX_TICK_NEVER};
    return vx_vcpu_run(v->vcpu, &nothing, &run, msg) == VX_STOP_ERROR ? run.status : VX_OK;
}

vx_status sim_smp_woken(sim_vcpu *v, vx_tick now, vx_tick *next, vx_msg *msg)
{
    vx_status status = own_event(v) <= now ? take_own(v, now, msg) : vx_vcpu_drain(v->vcpu, msg);
    vx_status broken = v->sim->vmm ? vx_vmm_status(v->sim->vmm, msg) : VX_OK;
    *next = sim_smp_next(v);
    if (status != VX_OK || broken != VX_OK) return broken != VX_OK ? broken : status;
    if (!v->waiting || must_wait(v)) return VX_OK;
    if (now < v->resume_at) {
        if (v->resume_at < *next) *next = v->resume_at;
        return VX_OK;
    }
    sim_smp_pass_time(v, v->resume_at);
    v->waiting = false;
    return VX_OK;
}

vx_status sim_smp_end(const vx_sim *sim, vx_msg *msg)
{
    for (unsigned i = 0; i < sim->vcpus; i++)
        if (sim->vcpu[i].waiting && sim->status == VX_OK && sim->phase != SIM_DONE)
            return vx_fail(msg, VX_ERR_CHECK, "vCPU %u waits for an answer that does not come", i);
    return VX_OK;
}

bool sim_smp_revive(vx_sim *sim)
{
    bool any = false;
    for (unsigned i = 0; i < sim->vcpus; i++) {
        sim_vcpu *v = &sim->vcpu[i];
        if (!v->halted || v->ended) continue;
        vx_tick now = vx_clk_now(sim->clk);
        sim_smp_pass_time(v, now);
        v->halted = false;
        any = true;
        vx_clk_kick(v->process, sim_now(v));
        sim_reclaim_again(sim, now);
    }
    return any;
}
