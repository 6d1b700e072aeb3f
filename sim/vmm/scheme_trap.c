/* Trap-and-emulate: a deprivileged guest on a processor without VT-x, with write-protected shadow paging.
 *
 * The guest's kernel runs in ring 1. Every privileged instruction, port access, system call (its entry is the
 * hypervisor's), return from one (SYSRET and SYSEXIT are privileged), exception and interrupt reaches the hypervisor
 * through its IDT and is emulated or reflected. Each costs the processor's round trip of a #GP
 * (cpu.cost.privileged_trap_ticks) and the hypervisor's emulation (vmm.deprivileged.trap_emulate_ticks), both assumed:
 * Adams and Agesen (ASPLOS 2006) measure native code, binary translation and VT-x, no classical hypervisor.
 *
 * Sensitive instructions that do not trap (POPF, PUSHF, IRET, SGDT, SIDT, SLDT, STR, SMSW, CPUID) are the reason why
 * this does not work on x86 for an unmodified guest; they are counted (traps.missed), cost nothing, and take effect as
 * if they had been right.
 *
 * There is no VMCS and no VM exit: `exits` is 0, cycles are in exit.software.
 *
 * NOT MODELLED: segment limits that guard the hypervisor, its place in the guest's address space, 64-bit mode's lack of
 * both. */
#include "deprivileged.h"
#include "shadow_wp.h"

static bool sensitive(const vmm_vm *vm, const vx_record *record)
{
    guest_act act = guest_act_of(record);
    if (act == ACT_UNPRIVILEGED) {
        if (vx_vcpu_registers(vm->vcpu)->cpl == 0) vm->vmm->counts.traps_missed++;
        return false;
    }
    return act != ACT_INNOCUOUS;
}

static bool on_exit(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                    vx_resume *resume)
{
    guest_act act = guest_act_at(vm, exit, record, payload);
    guest_act_count(vm, act);
    uint64_t injected = vm->vmm->counts.injected_faults;
    uint64_t ticks = vm->vmm->cpu->cost.privileged_trap_ticks;
    bool device = act == ACT_PORT && (record->kind == VX_REC_MMIO_READ || record->kind == VX_REC_MMIO_WRITE);
    bool done = device || shadow_wp_on_exit(vm, exit, record, payload, resume);
    /* Fills and stores have charged their work; what is emulated or reflected here has not. */
    bool mended = act == ACT_STORE || (act == ACT_PAGE_FAULT && vm->vmm->counts.injected_faults == injected);
    if (!mended) ticks += vm->vmm->config->trap_emulate_ticks;
    vx_vcpu_charge_software(vm->vcpu, exit->reason, ticks);
    if (device) *resume = VX_RESUME_NEXT;
    return done;
}

const vmm_scheme vmm_scheme_trap = {
    .deprivileged = true, SHADOW_WP_OPERATIONS, .sensitive = sensitive, .on_exit = on_exit};
