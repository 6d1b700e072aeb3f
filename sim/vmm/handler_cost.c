/* What a handler costs: software cycles and VMCS accesses from the hypervisor's model, by exit reason. */
#include "handler_touch.h"
#include "nested_l0.h"

#include <string.h>

static handler_cost from_row(const vx_cfg_vmm *config, unsigned number)
{
    const vx_cfg_handler *row = &config->handler[number];
    return (handler_cost){row->ticks, row->vmreads, row->vmwrites, row->lines, row->pages, (uint8_t)number};
}

/* A row for the other vendor's reason is legal: one model serves both. A name that neither has is a slip. */
static vx_status unknown_reason(const vx_cfg_vmm *config, const char *reason, vx_msg *msg)
{
    const char *names[2 * VX_EXIT_ROWS];
    unsigned count = 0;
    for (unsigned vendor = VX_VENDOR_INTEL; vendor <= VX_VENDOR_AMD; vendor++) {
        if (vx_exit_reason_find((vx_vendor)vendor, reason) >= 0) return VX_OK;
        for (unsigned i = 0; i < vx_exit_reason_count((vx_vendor)vendor) && count < 2 * VX_EXIT_ROWS; i++)
            names[count++] = vx_exit_reason_at((vx_vendor)vendor, i)->name;
    }
    const char *near = vx_did_you_mean(reason, names, count);
    return vx_fail(msg, VX_ERR_INPUT, "hypervisor %s: handler of '%s': no such exit reason%s%s%s", config->name, reason,
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

vx_status handler_cost_resolve(const vx_vmm *vmm, const vx_cfg_vmm *config, handler_cost cost[VX_EXIT_ROWS],
                               vx_msg *msg)
{
    if (config->handler_count == 0 || strcmp(config->handler[0].reason, "default") != 0)
        return vx_fail(msg, VX_ERR_INPUT, "vmm model %s has no default handler", config->name);
    for (unsigned i = 0; i < VX_EXIT_ROWS; i++) cost[i] = from_row(config, 0);
    for (unsigned i = 1; i < config->handler_count; i++) {
        vx_status status = unknown_reason(config, config->handler[i].reason, msg);
        if (status != VX_OK) return status;
        int index = vx_exit_reason_find(vmm->cpu->vendor, config->handler[i].reason);
        if (index >= 0) cost[index] = from_row(config, i);
    }
    return VX_OK;
}

/* An EOI by the APIC-access page, where the hypervisor knows it without decoding the instruction (Table 27-6: the
 * qualification has offset and direction). */
static bool is_quick_eoi(const vx_vmm *vmm, const vx_exit *exit)
{
    enum { WRITE_OF_EOI = 1 << 12 | VX_APIC_EOI };
    return vmm->config->eoi_ticks && vmm->cpu->vendor == VX_VENDOR_INTEL && exit->reason == VX_EXIT_APIC_ACCESS &&
           exit->qualification == WRITE_OF_EOI;
}

void handler_cost_charge(vmm_vm *vm, const vx_exit *exit)
{
    vx_vmm *vmm = vm->vmm;
    int index = vx_exit_reason_index(vmm->cpu->vendor, exit->reason);
    const handler_cost *cost = &vmm->cost[index >= 0 ? index : VX_EXIT_ROWS - 1];
    uint64_t ticks = is_quick_eoi(vmm, exit) ? vmm->config->eoi_ticks : cost->ticks;
    vmm->counts.vmreads += cost->vmreads;
    vmm->counts.vmwrites += cost->vmwrites;
    bool exiting = vmm->l0.config && !nested_l0_charges_accesses(vmm); /* those cost their exits instead */
    uint64_t accesses = exiting ? 0
                                : (uint64_t)cost->vmreads * vmm->cpu->cost.vmread_ticks +
                                      (uint64_t)cost->vmwrites * vmm->cpu->cost.vmwrite_ticks;
    vx_vcpu_charge_software(vm->vcpu, vm->cause, ticks + accesses);
    handler_touch(vm, cost, vm->cause);
    if (vmm->l0.config) nested_l0_reflect(vm, cost);
}
