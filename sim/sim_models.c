/* Which models a simulation or a walk is made of, the assignments to them, and the scheme's name. */
#include "sim_private.h"

#include <stdio.h>
#include <string.h>

static vx_status assign(vx_model *const models[VX_MODEL_KINDS], const char *assignment, vx_msg *msg)
{
    for (unsigned kind = 0; kind < VX_MODEL_KINDS; kind++)
        if (models[kind] && vx_model_takes((vx_model_kind)kind, assignment))
            return vx_model_set(models[kind], assignment, msg);
    if (!strchr(assignment, '=')) return vx_fail(msg, VX_ERR_INPUT, "--set %s: not of the form path=value", assignment);
    return vx_fail(msg, VX_ERR_INPUT, "--set %s: paths begin with 'cpu.', 'vmm.' or 'vm.'", assignment);
}

vx_status sim_models_open(vx_model *models[VX_MODEL_KINDS], const sim_model_names *names, vx_msg *msg)
{
    if (!names->cpu) return vx_fail(msg, VX_ERR_INPUT, "no CPU given: --cpu NAME (vexit model list)");
    vx_status status = vx_model_open(&models[VX_MODEL_CPU], VX_MODEL_CPU, names->cpu, msg);
    if (status == VX_OK)
        status = vx_model_open(&models[VX_MODEL_VMM], VX_MODEL_VMM, names->vmm ? names->vmm : "textbook", msg);
    if (status == VX_OK) status = vx_model_open(&models[VX_MODEL_VM], VX_MODEL_VM, names->vm, msg);
    for (unsigned i = 0; status == VX_OK && i < names->set_count; i++) status = assign(models, names->sets[i], msg);
    for (unsigned i = 0; status == VX_OK && i < VX_MODEL_KINDS; i++)
        if (models[i]) status = vx_model_check(models[i], msg);
    return status;
}

void sim_models_close(vx_model *models[VX_MODEL_KINDS])
{
    for (unsigned i = 0; i < VX_MODEL_KINDS; i++) vx_model_close(models[i]);
}

static vx_status unknown_scheme(const char *name, vx_msg *msg)
{
    const char *names[VX_SCHEMES];
    size_t count = 0;
    for (unsigned i = 0; i < VX_SCHEMES; i++)
        if (vx_scheme_name((vx_scheme)i)) names[count++] = vx_scheme_name((vx_scheme)i);
    const char *near = vx_did_you_mean(name, names, count);
    return vx_fail(msg, VX_ERR_INPUT, "unknown scheme '%s'%s%s%s", name, near ? "; did you mean '" : "; ",
                   near ? near : "", near ? "'?" : "see vexit list schemes");
}

vx_status sim_scheme_parse(const char *text, char name[VX_CFG_NAME], vx_scheme *scheme, bool *vpid, vx_msg *msg)
{
    if (!text) return vx_fail(msg, VX_ERR_INPUT, "no scheme given");
    static const char tag[] = "+vpid";
    size_t length = strlen(text), tail = sizeof tag - 1;
    bool tagged = length > tail && strcmp(text + length - tail, tag) == 0;
    if (tagged) length -= tail;
    char plain[VX_CFG_NAME];
    snprintf(plain, sizeof plain, "%.*s", (int)(length < sizeof plain ? length : sizeof plain - 1), text);
    vx_scheme found = vx_scheme_parse(plain);
    if (found == VX_SCHEMES) return unknown_scheme(plain, msg);
    if (found == VX_SCHEME_NATIVE && (tagged || *vpid))
        return vx_fail(msg, VX_ERR_INPUT, "VPID: native runs without a hypervisor");
    snprintf(name, VX_CFG_NAME, "%s", plain);
    *scheme = found;
    *vpid |= tagged;
    return VX_OK;
}

static vx_status check_vcpus(vx_scheme scheme, const vx_sim_options *o, vx_msg *msg)
{
    if (o->vcpus > VX_GUEST_CPUS_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "%u vCPUs: at most %d", o->vcpus, VX_GUEST_CPUS_MAX);
    if (o->vms > 1)
        return vx_fail(msg, VX_ERR_INPUT, "%u vCPUs and %u VMs: several VMs share one CPU, and have one vCPU each",
                       o->vcpus, o->vms);
    unsigned named = sim_trace_groups(o);
    if (named != 1 && named != o->vcpus)
        return vx_fail(msg, VX_ERR_INPUT,
                       "%u vCPUs and traces for %u: give one --trace for all of them, or one for each", o->vcpus,
                       named);
    return vx_vmm_check_vcpus(scheme, o->vcpus, msg);
}

vx_status sim_check_machine(vx_scheme scheme, const vx_sim_options *o, vx_msg *msg)
{
    if (o->vcpus > 1) return check_vcpus(scheme, o, msg);
    unsigned vms = o->vms ? o->vms : sim_trace_groups(o);
    if (vms > VX_VMM_VMS_MAX) return vx_fail(msg, VX_ERR_INPUT, "%u VMs: at most %d", vms, VX_VMM_VMS_MAX);
    if (vms > 1 && scheme == VX_SCHEME_NATIVE)
        return vx_fail(msg, VX_ERR_INPUT, "%u VMs: native runs without a hypervisor", vms);
    return VX_OK;
}

unsigned sim_trace_groups(const vx_sim_options *options)
{
    unsigned vms = 1;
    for (unsigned i = 0; options->vm_of_trace && i < options->trace_count; i++)
        if (options->vm_of_trace[i] >= vms) vms = options->vm_of_trace[i] + 1;
    return vms;
}

vx_status vx_sim_can_run(const vx_sim_options *o, vx_msg *msg)
{
    vx_model *models[VX_MODEL_KINDS] = {NULL};
    sim_model_names names = {.cpu = o->cpu, .vmm = o->vmm, .vm = o->vm, .sets = o->sets, .set_count = o->set_count};
    char name[VX_CFG_NAME];
    vx_scheme scheme = VX_SCHEME_NATIVE;
    bool vpid = o->vpid;
    vx_status status = sim_scheme_parse(o->scheme, name, &scheme, &vpid, msg);
    if (status == VX_OK) status = sim_check_machine(scheme, o, msg);
    if (status == VX_OK) status = sim_models_open(models, &names, msg);
    if (status == VX_OK)
        status =
            vx_vmm_check(vx_model_cpu(models[VX_MODEL_CPU]), vx_model_vmm(models[VX_MODEL_VMM]), scheme, vpid, msg);
    sim_models_close(models);
    return status;
}
