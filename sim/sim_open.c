/* Opening and closing a simulation: options, models, traces, machine. */
#include "sim_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "ept+vpid" is ept with VPID on. */
static vx_status take_scheme(vx_sim *sim, vx_msg *msg)
{
    const char *name = sim->options.scheme;
    if (!name) return vx_fail(msg, VX_ERR_INPUT, "no scheme given");
    size_t length = strlen(name);
    const char *tag = "+vpid";
    sim->vpid = sim->options.vpid;
    if (length > strlen(tag) && strcmp(name + length - strlen(tag), tag) == 0) {
        length -= strlen(tag);
        sim->vpid = true;
    }
    snprintf(sim->scheme_name, sizeof sim->scheme_name, "%.*s", (int)(length < 64 ? length : 64), name);
    sim->scheme = vx_scheme_parse(sim->scheme_name);
    if (sim->scheme == VX_SCHEMES) {
        const char *names[VX_SCHEMES];
        size_t count = 0;
        for (unsigned i = 0; i < VX_SCHEMES; i++)
            if (vx_scheme_name((vx_scheme)i)) names[count++] = vx_scheme_name((vx_scheme)i);
        const char *near = vx_did_you_mean(sim->scheme_name, names, count);
        return vx_fail(msg, VX_ERR_INPUT, "unknown scheme '%s'%s%s%s", sim->scheme_name, near ? "; did you mean '" : "",
                       near ? near : "", near ? "'?" : "");
    }
    if (sim->scheme == VX_SCHEME_NATIVE && sim->vpid)
        return vx_fail(msg, VX_ERR_INPUT, "VPID: native runs without a hypervisor");
    snprintf(sim->run_name, sizeof sim->run_name, "%s%s", sim->scheme_name, sim->vpid ? tag : "");
    return VX_OK;
}

static vx_status open_models(vx_sim *sim, vx_msg *msg)
{
    const vx_sim_options *o = &sim->options;
    if (!o->cpu) return vx_fail(msg, VX_ERR_INPUT, "no CPU given: --cpu NAME (vexit model list)");
    vx_status status = vx_model_open(&sim->cpu_model, VX_MODEL_CPU, o->cpu, msg);
    if (status == VX_OK) status = vx_model_open(&sim->vmm_model, VX_MODEL_VMM, o->vmm ? o->vmm : "textbook", msg);
    if (status == VX_OK) status = vx_model_open(&sim->vm_model, VX_MODEL_VM, NULL, msg);
    vx_model *models[] = {sim->cpu_model, sim->vmm_model, sim->vm_model};
    for (unsigned i = 0; status == VX_OK && i < o->set_count; i++) {
        unsigned kind = 0;
        while (kind < VX_MODEL_VM && !vx_model_takes((vx_model_kind)kind, o->sets[i])) kind++;
        status = vx_model_set(models[kind], o->sets[i], msg);
    }
    for (unsigned i = 0; status == VX_OK && i < 3; i++) status = vx_model_check(models[i], msg);
    if (status != VX_OK) return status;
    sim->cpu = *vx_model_cpu(sim->cpu_model);
    sim->vmm_config = *vx_model_vmm(sim->vmm_model);
    sim->guest_config = *vx_model_guest(sim->vm_model);
    return VX_OK;
}

static vx_status open_all(vx_sim *sim, vx_msg *msg)
{
    vx_status status = take_scheme(sim, msg);
    if (status == VX_OK) status = open_models(sim, msg);
    if (status == VX_OK) status = vx_vmm_check(&sim->cpu, &sim->vmm_config, sim->scheme, sim->vpid, msg);
    if (status == VX_OK) status = sim_traces_open(sim, msg);
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
    made->options.cpu = made->options.vmm = made->options.scheme = NULL;
    *sim = made;
    return VX_OK;
}

void vx_sim_close(vx_sim *sim)
{
    if (!sim) return;
    sim_traces_close(sim);
    for (unsigned i = 0; i < sim->vms; i++)
        if (sim->vm[i].guest) vx_guest_fini(sim->vm[i].guest);
    vx_clk_close(sim->clk);
    if (sim->stats_made) vx_stats_fini(&sim->stats);
    if (sim->memory_made) vx_physmem_fini(&sim->memory);
    vx_arena_fini(&sim->arena);
    vx_model_close(sim->cpu_model);
    vx_model_close(sim->vmm_model);
    vx_model_close(sim->vm_model);
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
