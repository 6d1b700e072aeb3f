/* A hypervisor in a virtual machine: what the hypervisor below it, L0, does for each exit of the nested guest, L2.
 *
 * As in the Turtles project (Ben-Yehuda et al., OSDI 2010, 3.2 to 3.4): hardware has one level, so every exit of L2
 * goes to L0. What L1 asked for, L0 reflects.
 *
 * Intel: L1's handler reads and writes fields of its VMCS, and each access is an exit to L0, but for those that VMCS
 * shadowing lets through (SDM Vol. 3C 24.10). Its VMRESUME is one too: L0 merges L1's VMCS into the one that L2 runs
 * with. So one reflected exit with r reads and w writes makes 2 + r + w exits of L0, 2 with shadowing. AMD's VMCB is
 * memory, but VMRUN and the instructions around it exit: nested_svm.c.
 *
 * Violations of table 02 that are not L1's business L0 mends alone, in one exit (nested_table02.c); L1's own memory and
 * its stores to table 12 exit as nested_table01.c says; so does its INVEPT. What all these cost is charged to the exit
 * of L2 that is being handled.
 *
 * NOT MODELLED: exits of L2 for L0's own interrupts, exits of L1 besides these (MSRs, ports, IPIs between its vCPUs,
 * VMPTRLD, INVVPID), fields that a hypervisor leaves out of its shadow VMCS, the cache footprint of L0's handlers; L1's
 * handlers touch their lines as if in VMX root operation, not through table 01; L1's start. */
#include "nested_l0.h"

#include <string.h>

static vx_exit_counts *row_of(const vx_vmm *vmm, vx_exit_counts rows[VX_EXIT_ROWS], uint32_t reason)
{
    int index = vx_exit_reason_index(vmm->cpu->vendor, reason);
    return &rows[index >= 0 ? index : VX_EXIT_ROWS - 1];
}

static void add_row(vx_exit_counts *row, uint64_t count, uint64_t hardware, uint64_t software)
{
    uint64_t one = hardware + software;
    if (row->count == 0 || one < row->least_ticks) row->least_ticks = one;
    if (one > row->most_ticks) row->most_ticks = one;
    row->count += count;
    row->hardware_ticks += count * hardware;
    row->software_ticks += count * software;
}

static uint64_t round_trip(const vx_vmm *vmm)
{
    return (uint64_t)vmm->cpu->cost.vmexit_ticks + vmm->cpu->cost.vmentry_ticks;
}

static uint64_t handler_ticks(const vx_vmm *vmm, const handler_cost *cost)
{
    return cost->ticks + (uint64_t)cost->vmreads * vmm->cpu->cost.vmread_ticks +
           (uint64_t)cost->vmwrites * vmm->cpu->cost.vmwrite_ticks;
}

/* `count` exits to L0, but for the hardware of those: whoever exited. */
static void exits(vmm_vm *vm, uint32_t reason, uint64_t count, l0_kind kind)
{
    nested_l0 *l0 = &vm->vmm->l0;
    vx_exit_counts *row = row_of(vm->vmm, l0->counts.by_reason, reason);
    uint64_t software = handler_ticks(vm->vmm, &l0->cost[row - l0->counts.by_reason]);
    add_row(row, count, round_trip(vm->vmm), software);
    l0->counts.exits += count;
    l0->counts.by_kind[kind] += count;
    vx_vcpu_charge_software(vm->vcpu, vm->cause, count * software);
}

void nested_l0_exit_of_l1(vmm_vm *vm, uint32_t reason, uint64_t count, l0_kind kind)
{
    if (count == 0) return;
    uint64_t hardware = count * round_trip(vm->vmm);
    exits(vm, reason, count, kind);
    vm->vmm->l0.hardware_ticks += hardware;
    vx_vcpu_charge_hardware(vm->vcpu, vm->cause, hardware);
}

bool nested_l0_charges_accesses(const vx_vmm *vmm) { return vmm->l0.svm || vmm->cpu->vmx.vmcs_shadowing; }

/* What is to become of an exit of L2. */
static l0_kind kind_of(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload, vx_exit *seen)
{
    if (exit->reason == nested_l0_violation(vm->vmm))
        return nested_table02_violation(vm, exit, seen) ? L0_TABLE02_FILL : L0_REFLECTED;
    if (!vm->vmm->l0.svm) return L0_REFLECTED;
    return nested_svm_is_l1s(vm, exit, record, payload, seen) ? L0_REFLECTED : L0_ALONE;
}

bool nested_l0_takes(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload, vx_exit *seen)
{
    vm->vmm->l0.hardware_ticks = 0;
    *seen = *exit;
    l0_kind kind = kind_of(vm, exit, record, payload, seen);
    exits(vm, exit->reason, 1, kind);
    if (vm->vmm->l0.svm) nested_svm_exited(vm, exit, kind);
    return kind != L0_REFLECTED;
}

static void reflect_vmx(vmm_vm *vm, const handler_cost *l1)
{
    if (!vm->vmm->cpu->vmx.vmcs_shadowing) {
        nested_l0_exit_of_l1(vm, VX_EXIT_VMREAD, l1->vmreads, L0_INSTRUCTION);
        nested_l0_exit_of_l1(vm, VX_EXIT_VMWRITE, l1->vmwrites, L0_INSTRUCTION);
    }
    nested_l0_exit_of_l1(vm, VX_EXIT_VMRESUME, 1, L0_INSTRUCTION);
}

void nested_l0_reflect(vmm_vm *vm, const handler_cost *l1)
{
    if (vm->vmm->l0.svm)
        nested_svm_reflect(vm);
    else
        reflect_vmx(vm, l1);
}

void nested_l0_handled(vmm_vm *vm, const vx_exit *seen, vx_tick since)
{
    nested_l0 *l0 = &vm->vmm->l0;
    if (l0->svm) nested_svm_vmrun(vm, seen);
    uint64_t hardware = l0->hardware_ticks, software = vx_vcpu_now(vm->vcpu) - since - hardware;
    l0->counts.reflected++;
    add_row(row_of(vm->vmm, l0->counts.l1_by_reason, seen->reason), 1, round_trip(vm->vmm) + hardware, software);
}

void nested_l0_flush(vmm_vm *vm)
{
    if (vm->vmm->l0.svm) {
        nested_svm_new_asid(vm);
        return;
    }
    nested_l0_exit_of_l1(vm, VX_EXIT_INVEPT, 1, L0_INSTRUCTION);
    nested_table02_flush(vm);
}

vx_status nested_l0_init(vx_vmm *vmm, const vx_cfg_vmm *config, vx_scheme scheme, uint64_t *next, vx_arena *arena,
                         vx_msg *msg)
{
    vmm->l0.config = config;
    vmm->l0.cpu = vmm->cpu;
    if (!config) return VX_OK;
    bool amd = vmm->cpu->vendor == VX_VENDOR_AMD;
    if (scheme != (amd ? VX_SCHEME_NPT : VX_SCHEME_EPT))
        return vx_fail(msg, VX_ERR_INPUT, "--nested: a hypervisor in a VM is modelled with scheme %s on %s processors",
                       amd ? "npt" : "ept", amd ? "AMD's" : "Intel's");
    if (!(config->schemes & 1U << scheme))
        return vx_fail(msg, VX_ERR_INPUT, "--nested: hypervisor %s has no %s to put below another's", config->name,
                       vx_scheme_name(scheme));
    vmm->l0.entries = amd ? &nested_entries_npt : &nested_entries_ept;
    nested_l0_reset(vmm);
    vx_status status = handler_cost_resolve(vmm, config, vmm->l0.cost, msg);
    if (status == VX_OK) status = nested_table01_init(vmm, next, msg);
    return status == VX_OK && amd ? nested_svm_init(vmm, arena, msg) : status;
}
