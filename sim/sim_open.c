/* Opening and closing a simulation: options, models, traces, machine. */
#include "sim_private.h"

#include <stdio.h>
#include <stdlib.h>

/* "ept+vpid" is ept with VPID on. */
static vx_status take_scheme(vx_sim *sim, vx_msg *msg)
{
    sim->vpid = sim->options.vpid;
    vx_status status = sim_scheme_parse(sim->options.scheme, sim->scheme_name, &sim->scheme, &sim->vpid, msg);
    if (status != VX_OK) return status;
    snprintf(sim->run_name, sizeof sim->run_name, "%s%s", sim->scheme_name, sim->vpid ? "+vpid" : "");
    return VX_OK;
}

static vx_status open_models(vx_sim *sim, vx_msg *msg)
{
    const vx_sim_options *o = &sim->options;
    sim_model_names names = {.cpu = o->cpu, .vmm = o->vmm, .vm = o->vm, .sets = o->sets, .set_count = o->set_count};
    vx_status status = sim_models_open(sim->models, &names, msg);
    if (status != VX_OK) return status;
    if (o->vcpus > 1 && vx_model_guest(sim->models[VX_MODEL_VM])->priority.apic == VX_APIC_ACCESS_NONE)
        status = vx_model_imply(sim->models[VX_MODEL_VM], "vm.priority.apic=x2apic", "--vcpus", msg);
    if (status != VX_OK) return status;
    sim->cpu = *vx_model_cpu(sim->models[VX_MODEL_CPU]);
    sim->vmm_config = *vx_model_vmm(sim->models[VX_MODEL_VMM]);
    sim->guest_config = *vx_model_guest(sim->models[VX_MODEL_VM]);
    if (!o->nested) return VX_OK;
    status = vx_model_open(&sim->l0_model, VX_MODEL_VMM, o->nested, msg);
    return status == VX_OK ? vx_model_check(sim->l0_model, msg) : status;
}

static vx_status open_all(vx_sim *sim, vx_msg *msg)
{
    vx_status status = take_scheme(sim, msg);
    if (status == VX_OK) status = open_models(sim, msg);
    if (status == VX_OK) status = vx_vmm_check(&sim->cpu, &sim->vmm_config, sim->scheme, sim->vpid, msg);
    if (status == VX_OK && sim->l0_model && sim->scheme == VX_SCHEME_NATIVE)
        status = vx_fail(msg, VX_ERR_INPUT, "--nested: native runs without a hypervisor");
    if (status == VX_OK) status = sim_traces_open(sim, msg);
    if (status == VX_OK) status = sim_reclaim_check(sim, msg);
    if (status == VX_OK) status = sim_machine_build(sim, msg);
    if (status == VX_OK) status = sim_declare(sim, msg);
    return status;
}

vx_status vx_sim_open(vx_sim **sim, const vx_sim_options *options, vx_msg *msg)
{
    vx_sim *made = calloc(1, sizeof *made);
    if (!made) return vx_fail_nomem(msg);
    made->options = *options;
    vx_arena_init(&made->arena);
    vx_status status = open_all(made, msg);
    if (status != VX_OK) {
        vx_sim_close(made);
        return status;
    }
    /* What the options pointed to may go now; the traces' names stay by contract. */
    made->options.sets = NULL;
    made->options.set_count = 0;
    made->options.nested = made->options.cpu = made->options.vmm = made->options.vm = made->options.scheme = NULL;
    made->options.vm_of_trace = NULL;
    *sim = made;
    return VX_OK;
}

void vx_sim_close(vx_sim *sim)
{
    if (!sim) return;
    sim_traces_close(sim);
    for (unsigned i = 0; i < sim->vcpus; i++)
        if (sim->vcpu[i].guest) vx_guest_fini(sim->vcpu[i].guest);
    vx_clk_close(sim->clk);
    sim_vcpus_close(sim);
    if (sim->stats_made) vx_stats_fini(&sim->stats);
    if (sim->memory_made) vx_physmem_fini(&sim->memory);
    vx_arena_fini(&sim->arena);
    sim_models_close(sim->models);
    vx_model_close(sim->l0_model);
    json_decref(sim->intervals);
    free(sim);
}

const vx_stats *vx_sim_stats(const vx_sim *sim) { return &sim->stats; }
const vx_ledger *vx_sim_ledger(const vx_sim *sim) { return &sim->ledger; }
const vx_cfg_cpu *vx_sim_cpu(const vx_sim *sim) { return &sim->cpu; }

bool vx_sim_value(const vx_sim *sim, const char *path, uint64_t *value)
{
    const vx_stat *stat = vx_stats_find(&sim->stats, path);
    if (!stat || stat->kind != VX_STAT_SCALAR) return false;
    *value = *stat->of.scalar;
    return true;
}
