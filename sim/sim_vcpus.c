/* What a run of several vCPUs reports beside its sums: every vCPU's own figures, and what went between them. */
#include "sim_private.h"
#include "vx_report.h"

static void declare_messages(sim_vcpu *v)
{
    vx_stats *stats = &v->figures.stats;
    vx_stats_scalar(stats, &v->figures.id, "1", "ID of the vCPU's local APIC", "apic_id");
    vx_stats_scalar(stats, &v->smp.ipis_sent, "interrupts", "interrupts sent to other vCPUs", "ipis.sent");
    vx_stats_scalar(stats, &v->smp.ipis_received, "interrupts", "interrupts that came from others", "ipis.received");
    vx_stats_scalar(stats, &v->smp.latest_ticks, "ticks", "the furthest that it had run beyond an interrupt's time",
                    "ipis.latest");
    vx_stats_scalar(stats, &v->smp.idle_ticks, "ticks", "halted, or its traces had ended", "rest.halted");
    vx_stats_scalar(stats, &v->smp.wait_ticks, "ticks", "waited for answers to a TLB shootdown", "rest.waiting");
}

static vx_status declare_one(sim_vcpu *v, vx_msg *msg)
{
    vx_stats *stats = &v->figures.stats;
    vx_stats_init(stats);
    v->figures.made = true;
    v->figures.id = v->index;
    declare_messages(v);
    sim_declare_cycles(stats, &v->figures.cycles, &v->processor->ledger);
    vx_vcpu_counts_declare(&v->figures.counts, v->sim->cpu.vendor, stats);
    vx_mmu_declare(v->processor->mmu, stats);
    if (v->guest) vx_guest_counts_declare(&v->figures.guest, stats);
    return vx_stats_ok(stats, msg);
}

static void declare_sums(vx_sim *sim)
{
    vx_stats *stats = &sim->stats;
    vx_stats_scalar(stats, &sim->smp_total.vcpus, "vCPUs", "vCPUs, each on a CPU of its own", "smp.vcpus");
    vx_stats_scalar(stats, &sim->smp_total.elapsed, "ticks", "from where counting began to the last vCPU's end",
                    "smp.elapsed");
    vx_stats_scalar(stats, &sim->smp_total.sum.ipis_sent, "interrupts", "interrupts between vCPUs", "smp.ipis.sent");
    vx_stats_scalar(stats, &sim->smp_total.sum.ipis_received, "interrupts",
                    "interrupts between vCPUs that had come by the end", "smp.ipis.received");
    vx_stats_scalar(stats, &sim->smp_total.sum.latest_ticks, "ticks",
                    "the furthest that a vCPU had run beyond an interrupt's time when it came", "smp.ipis.latest");
    vx_stats_scalar(stats, &sim->smp_total.sum.idle_ticks, "ticks", "vCPUs halted, or their traces had ended",
                    "smp.rest.halted");
    vx_stats_scalar(stats, &sim->smp_total.sum.wait_ticks, "ticks", "vCPUs waited for answers to a TLB shootdown",
                    "smp.rest.waiting");
}

vx_status sim_vcpus_declare(vx_sim *sim, vx_msg *msg)
{
    vx_status status = VX_OK;
    for (unsigned i = 0; status == VX_OK && i < sim->vcpus; i++) status = declare_one(&sim->vcpu[i], msg);
    declare_sums(sim);
    return status;
}

void sim_vcpus_close(vx_sim *sim)
{
    for (unsigned i = 0; i < sim->vcpus; i++)
        if (sim->vcpu[i].figures.made) vx_stats_fini(&sim->vcpu[i].figures.stats);
}

static void sync_one(sim_vcpu *v)
{
    v->figures.counts = *vx_vcpu_counts_now(v->vcpu);
    if (v->guest) v->figures.guest = *vx_guest_counts_now(v->guest);
    v->figures.cycles = vx_ledger_total(&v->processor->ledger);
}

void sim_vcpus_sync(vx_sim *sim)
{
    sim_smp_counts *sum = &sim->smp_total.sum;
    *sum = (sim_smp_counts){0};
    vx_tick first = VX_TICK_NEVER, last = 0;
    for (unsigned i = 0; i < sim->vcpus; i++) {
        sim_vcpu *v = &sim->vcpu[i];
        sync_one(v);
        if (v->counted_from < first) first = v->counted_from;
        if (sim_now(v) > last) last = sim_now(v);
        sum->ipis_sent += v->smp.ipis_sent;
        sum->ipis_received += v->smp.ipis_received;
        sum->idle_ticks += v->smp.idle_ticks;
        sum->wait_ticks += v->smp.wait_ticks;
        if (v->smp.latest_ticks > sum->latest_ticks) sum->latest_ticks = v->smp.latest_ticks;
    }
    sim->smp_total.vcpus = sim->vcpus;
    sim->smp_total.elapsed = last - first;
}

unsigned sim_vcpus_identities(const vx_sim *sim, vx_identity *identities)
{
    unsigned count = 0;
    for (unsigned i = 0; i < sim->vcpus; i++) {
        const sim_vcpu *v = &sim->vcpu[i];
        const uint64_t *ticks = v->processor->ledger.ticks;
        uint64_t instructions = v->instructions * sim->cpu.core.cpi_milli / 1000;
        identities[count++] = (vx_identity){"a vCPU's guest.instructions = its instructions x CPI",
                                            ticks[VX_CAUSE_GUEST_INSTRUCTIONS], instructions};
        identities[count++] = (vx_identity){"a vCPU's idle cycles = those it was halted or waited",
                                            ticks[VX_CAUSE_IDLE], v->smp.idle_ticks + v->smp.wait_ticks};
        count += vx_vcpu_counts_identities(&v->figures.counts, identities + count, SIM_IDENTITIES_MAX / 4);
    }
    return count;
}

json_t *sim_vcpus_json(const vx_sim *sim, vx_msg *msg)
{
    json_t *vcpus = json_array();
    for (unsigned i = 0; vcpus && i < sim->vcpus; i++) {
        json_t *figures = vx_report_figures(&sim->vcpu[i].figures.stats, msg);
        if (figures && json_array_append_new(vcpus, figures) == 0) continue;
        json_decref(vcpus);
        vcpus = NULL;
    }
    if (!vcpus) (void)vx_fail_nomem(msg);
    return vcpus;
}
