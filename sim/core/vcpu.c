/* Life of a vCPU, its registers, and how they become the MMU's control state. */
#include "vcpu_private.h"

#include <string.h>

vx_status vx_vcpu_init(vx_vcpu **vcpu, vx_arena *arena, const vx_vcpu_setup *setup, vx_msg *msg)
{
    vx_vcpu *v = vx_arena_alloc(arena, sizeof *v);
    if (!v) return vx_fail_nomem(msg);
    v->mmu = setup->mmu;
    v->cpu = setup->cpu;
    v->memory = setup->memory;
    v->ram = setup->ram;
    v->ledger = setup->ledger;
    v->queue = setup->queue;
    v->hooks = setup->hooks;
    v->timer_deadline = v->host_timer = VX_TICK_NEVER;
    v->apic = setup->apic;
    v->data_cached = setup->cpu->memory.caches == VX_CACHES_ALL;
    for (unsigned i = 0; i < vx_exit_reason_count(v->cpu->vendor); i++)
        v->counts.by_reason[i].number = vx_exit_reason_at(v->cpu->vendor, i)->number;
    *vcpu = v;
    return VX_OK;
}

vx_paging_mode vx_registers_paging(const vx_registers *r) { return vx_paging_mode_of(r->cr0, r->cr4, r->efer); }

/* CR3's address bits: SDM Vol. 3A tables 4-3 (32-bit), 4-7 (PAE: 31:5) and 4-12 (IA-32e: 51:12). */
static uint64_t root_of(const vx_registers *r, vx_paging_mode paging)
{
    switch (paging) {
    case VX_PAGING_32BIT:
        return r->cr3 & 0xFFFFF000ULL;
    case VX_PAGING_PAE:
        return r->cr3 & 0xFFFFFFE0ULL;
    default:
        return r->cr3 & 0x000FFFFFFFFFF000ULL;
    }
}

/* The EPT pointer and the controls that change a nested walk (SDM Vol. 3C, tables 24-7 to 24-9). */
static void control_ept(vx_vmcs *vmcs, vx_mmu_control *control)
{
    uint32_t cpu2 = vx_vmcs_cpu2(vmcs);
    uint64_t cpu3 = vx_vmcs_cpu3(vmcs);
    control->nested = VX_NESTED_EPT;
    control->nested_root = vmcs->eptp & 0x000FFFFFFFFFF000ULL;
    control->nested_levels = (uint8_t)(((vmcs->eptp >> 3) & 7) + 1);
    control->nested_ad = (vmcs->eptp & (1U << 6)) != 0;
    control->supervisor_shadow_stack = (vmcs->eptp & (1U << 7)) != 0;
    control->mode_based_execute = (cpu2 & VX_CPU2_MODE_BASED_EXECUTE) != 0;
    control->sub_page_write = (cpu2 & VX_CPU2_SUB_PAGE_WRITE) != 0;
    control->sppt = vmcs->sppt_pointer;
    control->paging_write = (cpu3 & VX_CPU3_EPT_PAGING_WRITE) != 0;
    control->guest_paging_verification = control->paging_write && (cpu3 & VX_CPU3_GUEST_PAGING_VERIFICATION);
    control->pml_address = vmcs->pml_address;
    control->pml_index = cpu2 & VX_CPU2_PML ? &vmcs->pml_index : NULL;
}

void vcpu_control(const vx_registers *r, vx_vmcs *vmcs, const vx_vmcb *vmcb, vx_mmu_control *control)
{
    vx_paging_mode paging = vx_registers_paging(r);
    *control = (vx_mmu_control){
        .paging = paging,
        .root = root_of(r, paging),
        .wp = (r->cr0 & VX_CR0_WP) != 0,
        .pse = (r->cr4 & VX_CR4_PSE) != 0,
        .pge = (r->cr4 & VX_CR4_PGE) != 0,
        .smep = (r->cr4 & VX_CR4_SMEP) != 0,
        .smap = (r->cr4 & VX_CR4_SMAP) != 0,
        .nxe = (r->efer & VX_EFER_NXE) != 0,
        .ac = r->ac,
        .cpl = r->cpl,
        .pcid = (uint16_t)(r->cr4 & VX_CR4_PCIDE ? r->cr3 & 0xFFF : 0),
    };
    memcpy(control->pdpte, r->pdpte, sizeof control->pdpte);
    if (vmcs) {
        if (vmcs->cpu2 & VX_CPU2_VPID) control->vpid = vmcs->vpid;
        if (vmcs->cpu2 & VX_CPU2_EPT) control_ept(vmcs, control);
    } else if (vmcb) {
        control->vpid = (uint16_t)vmcb->asid;
        if (vmcb->nested_paging) {
            control->nested = VX_NESTED_NPT;
            control->nested_root = vmcb->nested_cr3 & 0x000FFFFFFFFFF000ULL;
            control->nested_levels = vmcb->nested_levels;
        }
    }
}

void vx_vcpu_load(vx_vcpu *v)
{
    vx_mmu_control control;
    vcpu_control(&v->registers, v->vmcs, v->vmcb, &control);
    control.shadow = v->shadow_tables;
    control.advanced_information = v->cpu->vmx.mode_based_execute; /* they came together */
    v->translated = control.paging != VX_PAGING_NONE || control.nested != VX_NESTED_NONE;
    vx_mmu_load(v->mmu, &control);
}

void vx_vcpu_virtualize(vx_vcpu *v, vx_vmcs *vmcs, const vx_vmcb *vmcb, bool shadow_tables)
{
    v->vmcs = vmcs;
    v->vmcb = vmcb;
    v->shadow_tables = shadow_tables;
    v->deprivileged = !vmcs && !vmcb;
    vcpu_enter_interrupts(v);
    vx_vcpu_load(v);
    vcpu_nonroot_entered(v);
}

const vx_registers *vx_vcpu_registers(const vx_vcpu *v) { return &v->registers; }
const vx_registers *vx_vcpu_guest_view(const vx_vcpu *v) { return &v->view; }

void vx_vcpu_set_registers(vx_vcpu *v, const vx_registers *registers)
{
    v->registers = *registers;
    vx_vcpu_load(v);
}

vx_mmu *vx_vcpu_mmu(vx_vcpu *v) { return v->mmu; }
const vx_gpa_map *vx_vcpu_ram(const vx_vcpu *v) { return v->ram; }

void vx_vcpu_execute(vx_vcpu *v, const vx_record *record, const uint64_t *payload) { vcpu_effect(v, record, payload); }

void vcpu_charge_instructions(vx_vcpu *v)
{
    uint64_t executed = v->instructions - v->instructions_base;
    /* 1000 x CPI is below 2^20 and instruction counts below 2^43 for any run that ends: no overflow. */
    uint64_t due = executed * v->cpu->core.cpi_milli / 1000;
    vx_ledger_charge(v->ledger, VX_CAUSE_GUEST_INSTRUCTIONS, due - v->charged_ticks);
    v->charged_ticks = due;
}

uint64_t vx_vcpu_position(const vx_vcpu *v) { return v->instructions; }

vx_tick vx_vcpu_now(const vx_vcpu *v)
{
    uint64_t executed = v->instructions - v->instructions_base;
    return v->time_base + vx_ledger_total(v->ledger) + executed * v->cpu->core.cpi_milli / 1000 - v->charged_ticks;
}

void vx_vcpu_time_goes_on(vx_vcpu *v, vx_tick ticks) { v->time_base += ticks; }
