/* The round trip of a VM exit: hardware cost, flushes where nothing tags the TLB, the handler, event injection, entry.
 *
 * SDM Vol. 3C 28.3.3.1: with VPID off, VM exits and VM entries drop all linear and combined mappings of VPID 0. On AMD
 * TLB_CONTROL says what each VMRUN flushes (APM Vol. 2, 15.16.1). */
#include "vcpu_private.h"

static vx_exit_counts *row_of(vx_vcpu *v, uint32_t reason)
{
    int index = vx_exit_reason_index(v->cpu->vendor, reason);
    return &v->counts.by_reason[index >= 0 ? index : VX_EXIT_ROWS - 1];
}

static void flush_untagged(vx_vcpu *v, bool entry)
{
    if (v->vmcb) {
        if (entry) vx_svm_tlb_control(v->mmu, v->vmcb->tlb_control, v->vmcb->asid);
    } else if (!(v->vmcs->cpu2 & VX_CPU2_VPID)) {
        vx_mmu_invalidate(v->mmu, &(vx_mmu_invalidation){.op = VX_OP_VM_TRANSITION});
    }
}

void vx_vcpu_charge_software(vx_vcpu *v, uint32_t reason, uint64_t ticks)
{
    vx_ledger_charge(v->ledger, VX_CAUSE_EXIT_SOFTWARE, ticks);
    if (!v->deprivileged) row_of(v, reason)->software_ticks += ticks;
    v->software_ticks += ticks;
}

void vx_vcpu_charge_hardware(vx_vcpu *v, uint32_t reason, uint64_t ticks)
{
    vx_ledger_charge(v->ledger, VX_CAUSE_EXIT_HARDWARE, ticks);
    row_of(v, reason)->hardware_ticks += ticks;
    v->software_ticks += ticks; /* between this exit and its entry */
}

void vx_vcpu_enter_root(vx_vcpu *v, const vx_mmu_control *host)
{
    v->at_root = *v->ledger;
    vx_mmu_load(v->mmu, host);
}

uint64_t vx_vcpu_leave_root(vx_vcpu *v, uint32_t reason, uint64_t references)
{
    uint64_t ticks = vx_ledger_total(v->ledger) - vx_ledger_total(&v->at_root);
    *v->ledger = v->at_root; /* each cycle has one cause: these are the handler's */
    vx_vcpu_charge_software(v, reason, ticks);
    v->counts.root_references += references;
    vx_vcpu_load(v);
    return ticks;
}

void vx_vcpu_emulated(vx_vcpu *v, vx_gva gva, vx_access access, vx_hpa hpa)
{
    v->emulated = true;
    v->emulated_gva = gva;
    v->emulated_access = access;
    v->emulated_hpa = hpa;
}

void vx_vcpu_emulate_ahead(vx_vcpu *v, unsigned instructions) { v->ahead_limit = v->instructions + instructions; }

/* Is the exit about the task priority: an access to it by page, MSR or CR8, or its fall below the threshold? */
static bool concerns_tpr(const vx_vcpu *v, const vx_exit *exit, const vx_record *record)
{
    bool intel = v->cpu->vendor == VX_VENDOR_INTEL;
    if (!record) return intel && exit->reason == VX_EXIT_TPR_BELOW_THRESHOLD;
    switch (record->kind) {
    case VX_REC_VMCALL:
    case VX_REC_VMMCALL:
        return v->polls_tpr;
    case VX_REC_CR_READ:
    case VX_REC_CR_WRITE:
        return record->size == 8;
    case VX_REC_APIC_READ:
    case VX_REC_APIC_WRITE:
        return (record->addr & 0xFFC) == VX_APIC_TPR;
    case VX_REC_RDMSR:
    case VX_REC_WRMSR:
        return record->addr == vx_apic_msr(VX_APIC_TPR);
    default:
        return false;
    }
}

vx_resume vcpu_take_exit(vx_vcpu *v, const vx_exit *exit, const vx_record *record, const uint64_t *payload)
{
    v->emulated = false;
    v->ahead_limit = 0;
    if (v->deprivileged) return v->hooks.on_exit(v->hooks.hypervisor, v, exit, record, payload);
    vx_exit_counts *row = row_of(v, exit->reason);
    vcpu_nonroot_left(v);
    uint64_t hardware = (uint64_t)v->cpu->cost.vmexit_ticks + v->cpu->cost.vmentry_ticks;
    vx_ledger_charge(v->ledger, VX_CAUSE_EXIT_HARDWARE, hardware);
    v->counts.exits++;
    row->count++;
    row->hardware_ticks += hardware;
    v->software_ticks = 0;

    flush_untagged(v, false);
    vx_resume resume = v->hooks.on_exit(v->hooks.hypervisor, v, exit, record, payload);
    flush_untagged(v, true);
    vcpu_enter_interrupts(v);

    uint64_t all = hardware + v->software_ticks;
    if (concerns_tpr(v, exit, record)) {
        v->counts.tpr_exits++;
        v->counts.tpr_exit_ticks += all;
    }
    if (row->count == 1 || all < row->least_ticks) row->least_ticks = all;
    if (all > row->most_ticks) row->most_ticks = all;
    vcpu_nonroot_entered(v);
    return resume;
}

void vcpu_flush_at_entry(vx_vcpu *v) { flush_untagged(v, true); }

void vx_vcpu_enter(vx_vcpu *v)
{
    vcpu_enter_interrupts(v);
    vcpu_nonroot_entered(v);
}

void vx_vcpu_exit(vx_vcpu *v, const vx_exit *exit) { (void)vcpu_take_exit(v, exit, NULL, NULL); }

void vx_vcpu_inject_page_fault(vx_vcpu *v, vx_gva gva, uint32_t error_code)
{
    v->injected = true;
    v->injected_gva = gva;
    v->injected_error = error_code;
}

vx_exit_context vcpu_exit_context(const vx_vcpu *v)
{
    return (vx_exit_context){.cr0 = v->registers.cr0,
                             .cr3 = v->registers.cr3,
                             .cr4 = v->registers.cr4,
                             .cpl = v->registers.cpl,
                             .svi = v->virtual_apic.svi,
                             .monitor_armed = v->monitor_armed,
                             .long_mode = (v->registers.efer & VX_EFER_LMA) != 0,
                             .memory = v->memory,
                             .physical_bits = v->cpu->paging.physical_bits};
}

bool vcpu_record_exits(const vx_vcpu *v, const vx_record *record, const uint64_t *payload, vx_exit *exit)
{
    const vx_exit_context context = vcpu_exit_context(v);
    if (v->deprivileged) {
        *exit = (vx_exit){.linear = {record->addr}};
        return v->hooks.sensitive(v->hooks.hypervisor, v, record);
    }
    if (v->vmcs) return vx_vmcs_exits(v->vmcs, &context, record, payload, exit);
    if (v->vmcb) return vx_vmcb_exits(v->vmcb, &context, record, payload, exit);
    return false;
}
