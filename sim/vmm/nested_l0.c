/* A hypervisor in a virtual machine: what the hypervisor below it, L0, does for each exit of the nested guest, L2.
 *
 * As in the Turtles project (Ben-Yehuda et al., OSDI 2010, 3.2 to 3.4): hardware has one level, so every exit of L2
 * goes to L0. What L1 asked for, L0 reflects: L1's handler reads and writes fields of its VMCS, and each access is an
 * exit to L0, but for those that VMCS shadowing lets through (SDM Vol. 3C 24.10). Its VMRESUME is one too: L0 merges
 * L1's VMCS into the one that L2 runs with. So one reflected exit with r reads and w writes makes 2 + r + w exits of
 * L0, 2 with shadowing. Violations of EPT02 that are not L1's business L0 mends alone, in one exit (nested_ept02.c);
 * L1's own memory and its stores to EPT12 exit as nested_ept01.c says; so does its INVEPT. What all these cost is
 * charged to the exit of L2 that is being handled.
 *
 * NOT MODELLED: exits of L2 for L0's own interrupts, exits of L1 besides these (MSRs, ports, IPIs between its vCPUs,
 * VMPTRLD, INVVPID), fields that a hypervisor leaves out of its shadow VMCS, the cache footprint of L0's handlers; L1's
 * handlers touch their lines as if in VMX root operation, not through EPT01; L1's start. */
#include "nested_l0.h"

#include <string.h>

static vx_exit_counts *row_of(vx_exit_counts rows[VX_EXIT_ROWS], uint32_t reason)
{
    int index = vx_exit_reason_index(VX_VENDOR_INTEL, reason);
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
    vx_exit_counts *row = row_of(l0->counts.by_reason, reason);
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

bool nested_l0_shadows(const vx_vmm *vmm) { return vmm->cpu->vmx.vmcs_shadowing; }

bool nested_l0_takes(vmm_vm *vm, const vx_exit *exit, vx_exit *seen)
{
    vm->vmm->l0.hardware_ticks = 0;
    *seen = *exit;
    bool mended = exit->reason == VX_EXIT_EPT_VIOLATION && nested_ept02_violation(vm, exit, seen);
    exits(vm, exit->reason, 1, mended ? L0_EPT02_FILL : L0_REFLECTED);
    return mended;
}

void nested_l0_reflect(vmm_vm *vm, const handler_cost *l1)
{
    if (!nested_l0_shadows(vm->vmm)) {
        nested_l0_exit_of_l1(vm, VX_EXIT_VMREAD, l1->vmreads, L0_VMX_INSTRUCTION);
        nested_l0_exit_of_l1(vm, VX_EXIT_VMWRITE, l1->vmwrites, L0_VMX_INSTRUCTION);
    }
    nested_l0_exit_of_l1(vm, VX_EXIT_VMRESUME, 1, L0_VMX_INSTRUCTION);
}

void nested_l0_handled(vmm_vm *vm, const vx_exit *seen, vx_tick since)
{
    nested_l0 *l0 = &vm->vmm->l0;
    uint64_t hardware = l0->hardware_ticks, software = vx_vcpu_now(vm->vcpu) - since - hardware;
    l0->counts.reflected++;
    add_row(row_of(l0->counts.l1_by_reason, seen->reason), 1, round_trip(vm->vmm) + hardware, software);
}

void nested_l0_invept(vmm_vm *vm)
{
    nested_l0_exit_of_l1(vm, VX_EXIT_INVEPT, 1, L0_VMX_INSTRUCTION);
    nested_ept02_invept(vm);
}

/* ---- set up, and what is counted ---- */

static void number_rows(vx_exit_counts rows[VX_EXIT_ROWS])
{
    for (unsigned i = 0; i < VX_EXIT_ROWS; i++) {
        const vx_exit_reason *known = vx_exit_reason_at(VX_VENDOR_INTEL, i);
        if (known) rows[i].number = known->number;
    }
}

vx_status nested_l0_init(vx_vmm *vmm, const vx_cfg_vmm *config, vx_scheme scheme, uint64_t *next, vx_msg *msg)
{
    vmm->l0.config = config;
    if (!config) return VX_OK;
    if (vmm->cpu->vendor != VX_VENDOR_INTEL || scheme != VX_SCHEME_EPT)
        return vx_fail(msg, VX_ERR_INPUT,
                       "--nested: a hypervisor in a VM is modelled with scheme ept on Intel's processors");
    if (!(config->schemes & 1U << VX_SCHEME_EPT))
        return vx_fail(msg, VX_ERR_INPUT, "--nested: hypervisor %s has no ept to put below another's", config->name);
    nested_l0_reset(vmm);
    vx_status status = handler_cost_resolve(vmm, config, vmm->l0.cost, msg);
    return status == VX_OK ? nested_ept01_init(vmm, next, msg) : status;
}

void nested_l0_reset(vx_vmm *vmm)
{
    nested_l0 *l0 = &vmm->l0;
    memset(&l0->counts, 0, sizeof l0->counts);
    number_rows(l0->counts.by_reason);
    number_rows(l0->counts.l1_by_reason);
}

static void declare_tables(nested_l0 *l0, vx_stats *stats)
{
    vx_stats_scalar(stats, &l0->ept01_tables, "pages", "tables of EPT01, L0's table of L1's memory",
                    "nested.ept01.table_pages");
    vx_stats_scalar(stats, &l0->counts.ept01_entries, "entries", "leaves of EPT01 written", "nested.ept01.entries");
    vx_stats_scalar(stats, &l0->l1_pages.in_use, "pages", "tables of EPT12, L1's table of its guest's memory",
                    "nested.ept12.table_pages");
    vx_stats_scalar(stats, &l0->counts.ept12_flags, "entries", "entries of EPT12 whose A or D flag L0 has set",
                    "nested.ept12.ad_updates");
    vx_stats_scalar(stats, &l0->ept02_tables, "pages", "tables of EPT02, which the processor walks",
                    "nested.ept02.table_pages");
    vx_stats_scalar(stats, &l0->counts.ept02_entries, "entries", "leaves of EPT02 written", "nested.ept02.entries");
    vx_stats_scalar(stats, &l0->counts.ept02_prefetched, "entries",
                    "leaves of EPT02 written without a violation of their own", "nested.ept02.prefetched");
    vx_stats_scalar(stats, &l0->counts.ept02_dropped, "entries", "leaves of EPT02 taken away", "nested.ept02.dropped");
}

void nested_l0_declare(vx_vmm *vmm, vx_stats *stats)
{
    static const char *const kinds[L0_KINDS] = {"reflected", "ept02_fill", "ept01_fill", "ept12_store",
                                                "vmx_instruction"};
    nested_l0 *l0 = &vmm->l0;
    vx_stats_scalar(stats, &l0->counts.reflected, "exits", "exits of the nested guest that L1 handled",
                    "nested.l1_exits");
    vx_exit_rows_declare(l0->counts.l1_by_reason, VX_VENDOR_INTEL, "nested.l1_by_reason", stats);
    vx_stats_scalar(stats, &l0->counts.exits, "exits", "exits to the hypervisor below, L0", "nested.l0_exits.total");
    vx_stats_labelled(stats, l0->counts.by_kind, kinds, L0_KINDS, "exits", "who exited to L0, and what L0 did",
                      "nested.l0_exits.by_kind");
    vx_exit_rows_declare(l0->counts.by_reason, VX_VENDOR_INTEL, "nested.l0_exits.by_reason", stats);
    declare_tables(l0, stats);
}

static uint64_t sum_of(const vx_exit_counts rows[VX_EXIT_ROWS])
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < VX_EXIT_ROWS; i++) sum += rows[i].count;
    return sum;
}

unsigned nested_l0_identities(const vx_vmm *vmm, vx_identity *identities, unsigned room)
{
    const nested_l0 *l0 = &vmm->l0;
    uint64_t kinds = 0, of_l2 = 0;
    for (unsigned i = 0; i < L0_KINDS; i++) kinds += l0->counts.by_kind[i];
    for (unsigned i = 0; i < vmm->vm_count; i++) of_l2 += vx_vcpu_counts_now(vmm->vm[i].vcpu)->exits;
    const vx_identity all[] = {
        {"exits to L0 = sum over reasons", l0->counts.exits, sum_of(l0->counts.by_reason)},
        {"exits to L0 = sum over kinds", l0->counts.exits, kinds},
        {"exits that L1 handled = sum over reasons", l0->counts.reflected, sum_of(l0->counts.l1_by_reason)},
        {"exits that L1 handled = reflected", l0->counts.reflected, l0->counts.by_kind[L0_REFLECTED]},
        {"exits of L2 = reflected + EPT02 fills", of_l2,
         l0->counts.by_kind[L0_REFLECTED] + l0->counts.by_kind[L0_EPT02_FILL]},
    };
    unsigned count = 0;
    for (; count < sizeof all / sizeof *all && count < room; count++) identities[count] = all[count];
    return count;
}
