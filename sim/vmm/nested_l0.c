/* A hypervisor in a virtual machine: what the hypervisor below it, L0, does for each exit of the nested guest, L2, that
 * the one above, L1, handles.
 *
 * As in the Turtles project (Ben-Yehuda et al., OSDI 2010, 3.2 to 3.4): hardware has one level, so every exit of L2
 * goes to L0, which reflects it to L1. L1's handler reads and writes fields of its VMCS; each access is an exit to L0,
 * but for those that VMCS shadowing lets through (SDM Vol. 3C 24.10). Its VMRESUME is one too: L0 merges L1's VMCS into
 * the one that L2 runs with. Nested EPT is L0's composition of L1's tables (EPT12) and its own (EPT01), filled when L2
 * violates it again behind L1's handler (multi-dimensional paging, 3.3.2). So one exit of L2 with r reads and w writes
 * makes 2 + r + w exits of L0, 2 with shadowing, and one more where it is an EPT violation. What they cost is charged
 * to the exit that caused them.
 *
 * NOT MODELLED: exits of L2 that L0 handles alone (its own interrupts), exits of L1 besides these (INVEPT, MSRs,
 * ports), fields that a hypervisor leaves out of its shadow VMCS, prefetched entries of EPT12, which EPT02 would get
 * one violation each, and the cache footprint of L0's handlers. */
#include "vmm_private.h"

static vx_exit_counts *row_of(vx_vmm *vmm, uint32_t reason)
{
    int index = vx_exit_reason_index(VX_VENDOR_INTEL, reason);
    return &vmm->l0.by_reason[index >= 0 ? index : VX_EXIT_ROWS - 1];
}

static uint64_t handler_ticks(const vx_vmm *vmm, const handler_cost *cost)
{
    return cost->ticks + (uint64_t)cost->vmreads * vmm->cpu->cost.vmread_ticks +
           (uint64_t)cost->vmwrites * vmm->cpu->cost.vmwrite_ticks;
}

/* `count` exits to L0 for a reason. Of L2's own exit the processor has charged the hardware already. */
static void exits(vmm_vm *vm, uint32_t reason, uint64_t count, bool charged, uint32_t cause)
{
    vx_vmm *vmm = vm->vmm;
    if (count == 0) return;
    vx_exit_counts *row = row_of(vmm, reason);
    uint64_t hardware = (uint64_t)vmm->cpu->cost.vmexit_ticks + vmm->cpu->cost.vmentry_ticks;
    uint64_t software = handler_ticks(vmm, &vmm->l0.cost[row - vmm->l0.by_reason]), one = hardware + software;
    if (row->count == 0 || one < row->least_ticks) row->least_ticks = one;
    if (one > row->most_ticks) row->most_ticks = one;
    row->count += count;
    row->hardware_ticks += count * hardware;
    row->software_ticks += count * software;
    vmm->l0.exits += count;
    if (!charged) vx_vcpu_charge_hardware(vm->vcpu, cause, count * hardware);
    vx_vcpu_charge_software(vm->vcpu, cause, count * software);
}

bool nested_l0_shadows(const vx_vmm *vmm) { return vmm->cpu->vmx.vmcs_shadowing; }

void nested_l0_reflect(vmm_vm *vm, uint32_t reason, const handler_cost *l1)
{
    vx_vmm *vmm = vm->vmm;
    vmm->l0.reflected++;
    exits(vm, reason, 1, true, reason);
    if (!nested_l0_shadows(vmm)) {
        exits(vm, VX_EXIT_VMREAD, l1->vmreads, false, reason);
        exits(vm, VX_EXIT_VMWRITE, l1->vmwrites, false, reason);
    }
    exits(vm, VX_EXIT_VMRESUME, 1, false, reason);
    if (reason == VX_EXIT_EPT_VIOLATION) exits(vm, VX_EXIT_EPT_VIOLATION, 1, false, reason);
}

vx_status nested_l0_init(vx_vmm *vmm, const vx_cfg_vmm *config, vx_scheme scheme, vx_msg *msg)
{
    vmm->l0.config = config;
    if (!config) return VX_OK;
    if (vmm->cpu->vendor != VX_VENDOR_INTEL || scheme != VX_SCHEME_EPT)
        return vx_fail(msg, VX_ERR_INPUT,
                       "--nested: a hypervisor in a VM is modelled with scheme ept on Intel's processors");
    for (unsigned i = 0; i < VX_EXIT_ROWS; i++) {
        const vx_exit_reason *known = vx_exit_reason_at(VX_VENDOR_INTEL, i);
        if (known) vmm->l0.by_reason[i].number = known->number;
    }
    return handler_cost_resolve(vmm, config, vmm->l0.cost, msg);
}

void nested_l0_reset(vx_vmm *vmm)
{
    vmm->l0.exits = vmm->l0.reflected = 0;
    for (unsigned i = 0; i < VX_EXIT_ROWS; i++)
        vmm->l0.by_reason[i] = (vx_exit_counts){.number = vmm->l0.by_reason[i].number};
}

void nested_l0_declare(vx_vmm *vmm, vx_stats *stats)
{
    vx_stats_scalar(stats, &vmm->l0.exits, "exits", "exits to the hypervisor below, L0", "nested.l0_exits.total");
    vx_stats_scalar(stats, &vmm->l0.reflected, "exits", "exits of the nested guest that L1 handled", "nested.l1_exits");
    vx_exit_rows_declare(vmm->l0.by_reason, VX_VENDOR_INTEL, "nested.l0_exits.by_reason", stats);
}
