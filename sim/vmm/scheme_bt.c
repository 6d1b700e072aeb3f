/* Binary translation: a guest without VT-x whose kernel code is translated, with traced (write-protected) page tables.
 *
 * After Adams and Agesen, "A Comparison of Software and Hardware Techniques for x86 Virtualization", ASPLOS 2006:
 * privileged instructions become code that works on virtual registers and costs less than the original; a port access
 * is translated likewise; system calls must go through the hypervisor, twice; a store that keeps hitting a traced page
 * table is adapted, so that it calls the hypervisor without faulting first.
 *
 * Their figures are of operations as the guest measures them (docs/cycles.md, Scope of a cost). The ledger charges
 * what the hypervisor adds: of a system call and of a page fault that the guest sees, the difference from the
 * processor's native figure; of the others, whose native time the ledger has in the instruction alone, all of it. There
 * is no VMCS and no VM exit: `exits` is 0, cycles are in exit.software.
 *
 * NOT MODELLED: translating itself and indirect branches of translated code, the first faults of a store until it is
 * adapted (taken as adapted from the start), callouts of MOV to CR3 (charged as any privileged instruction; the fills
 * that follow are). */
#include "deprivileged.h"
#include "shadow_wp.h"

static bool sensitive(const vmm_vm *vm, const vx_record *record)
{
    guest_act act = guest_act_of(record);
    /* User code runs untranslated: what does not trap there does what it does natively. */
    if (act == ACT_UNPRIVILEGED) return vx_vcpu_registers(vm->vcpu)->cpl == 0;
    return act != ACT_INNOCUOUS;
}

static uint64_t beyond(uint32_t operation, uint32_t native) { return operation > native ? operation - native : 0; }

static uint64_t added_ticks(const vmm_vm *vm, guest_act act, bool visible)
{
    const vx_cfg_vmm *model = vm->vmm->config;
    const vx_cfg_cost *native = &vm->vmm->cpu->cost;
    switch (act) {
    case ACT_PRIVILEGED:
    case ACT_UNPRIVILEGED:
        return model->bt_privileged_ticks;
    case ACT_PORT:
        return model->bt_port_in_ticks;
    case ACT_SYSCALL: /* the figure holds the way back */
        return beyond(model->bt_syscall_ticks, native->syscall_ticks);
    case ACT_EVENT: /* reflected as a page fault is */
        return beyond(model->bt_page_fault_ticks, native->page_fault_ticks);
    case ACT_PAGE_FAULT: /* hidden: the fault itself; the fill has charged its work */
        return visible ? beyond(model->bt_page_fault_ticks, native->page_fault_ticks) : native->privileged_trap_ticks;
    default: /* a store has charged its work */
        return 0;
    }
}

static bool on_exit(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                    vx_resume *resume)
{
    guest_act act = guest_act_at(vm, exit, record, payload);
    guest_act_count(vm, act);
    uint64_t injected = vm->vmm->counts.injected_faults;
    bool device = act == ACT_PORT && (record->kind == VX_REC_MMIO_READ || record->kind == VX_REC_MMIO_WRITE);
    bool done = device || shadow_wp_on_exit(vm, exit, record, payload, resume);
    vx_vcpu_charge_software(vm->vcpu, exit->reason, added_ticks(vm, act, vm->vmm->counts.injected_faults != injected));
    if (device) *resume = VX_RESUME_NEXT;
    return done;
}

const vmm_scheme vmm_scheme_bt = {
    .deprivileged = true, SHADOW_WP_OPERATIONS, .sensitive = sensitive, .on_exit = on_exit};
