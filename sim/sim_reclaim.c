/* The host's memory management at work on a VM's pages: the hypervisor's own TLB shootdown.
 *
 * Each vmm.nested.reclaim_ticks a thread of the host, on a CPU of its own, takes one page away; cpu.cost.ipi_ticks
 * later every vCPU has the host's interrupt (kvm_flush_remote_tlbs). One that runs the guest exits and drops what it
 * holds of the nested tables before it goes on; one that has halted drops it without an exit.
 *
 * A translation that is used in between is the old one, which still is right here: a frame that comes back is the same.
 *
 * NOT MODELLED: the thread's own time; batches of pages. */
#include "sim_private.h"

static bool all_rest(const vx_sim *sim)
{
    for (unsigned i = 0; i < sim->vcpus; i++)
        if (!sim_smp_sleeps(&sim->vcpu[i])) return false;
    return true;
}

static void tell(vx_sim *sim, vx_tick now)
{
    for (unsigned i = 0; i < sim->vcpus; i++) {
        sim_vcpu *v = &sim->vcpu[i];
        bool sleeps = sim_smp_sleeps(v);
        if (sim->smp) sim_smp_pass_time(v, now);
        vx_vmm_flush(sim->vmm, i, !sleeps);
    }
}

/* Takes a page; at its next turn tells of it. With nobody awake nothing is taken: the next who wakes starts it again.
 */
static void turn(void *self, vx_tick now)
{
    vx_sim *sim = self;
    uint64_t period = sim->vmm_config.reclaim_ticks, way = sim->cpu.cost.ipi_ticks;
    if (sim->reclaim.taken) {
        sim->reclaim.taken = false;
        tell(sim, now);
        vx_clk_arm(sim->reclaim.timer, period > way ? now + period - way : now + 1);
        return;
    }
    if (all_rest(sim)) return;
    sim->reclaim.taken = vx_vmm_reclaim(sim->vmm);
    vx_clk_arm(sim->reclaim.timer, now + (sim->reclaim.taken ? way : period));
}

vx_status sim_reclaim_check(const vx_sim *sim, vx_msg *msg)
{
    if (sim->scheme == VX_SCHEME_NATIVE || !sim->vmm_config.reclaim_ticks) return VX_OK;
    if (sim->vms > 1 || sim->l0_model)
        return vx_fail(msg, VX_ERR_INPUT, "vmm.nested.reclaim_ticks: for one VM, of a hypervisor on the processor");
    return VX_OK;
}

vx_status sim_reclaim_start(vx_sim *sim, vx_msg *msg)
{
    if (!sim->vmm || !sim->vmm_config.reclaim_ticks) return VX_OK;
    vx_status status = vx_clk_add_timer(sim->clk, "reclaim", turn, sim, &sim->reclaim.timer, msg);
    if (status == VX_OK) vx_clk_arm(sim->reclaim.timer, sim->vmm_config.reclaim_ticks);
    return status;
}

void sim_reclaim_again(vx_sim *sim, vx_tick now)
{
    if (sim->reclaim.timer && vx_clk_due(sim->reclaim.timer) == VX_TICK_NEVER)
        vx_clk_arm(sim->reclaim.timer, now + sim->vmm_config.reclaim_ticks);
}
