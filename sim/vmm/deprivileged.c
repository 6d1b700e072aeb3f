/* Privileged instructions: SDM Vol. 3A, 5.9 (those that need CPL 0) and Vol. 1, 18.5 (I/O, CLI and STI by IOPL). The
 * guest's kernel runs in ring 1, so that paging still takes it for the supervisor. */
#include "deprivileged.h"

guest_act guest_act_of(const vx_record *record)
{
    switch (record->kind) {
    case VX_REC_CR_READ:
    case VX_REC_CR_WRITE:
    case VX_REC_CLTS:
    case VX_REC_LMSW:
    case VX_REC_EFER_LOAD:
    case VX_REC_INVLPG:
    case VX_REC_INVPCID:
    case VX_REC_HLT:
    case VX_REC_RDPMC:
    case VX_REC_INVD:
    case VX_REC_WBINVD:
    case VX_REC_MONITOR:
    case VX_REC_MWAIT:
    case VX_REC_XSETBV:
    case VX_REC_DR_READ:
    case VX_REC_DR_WRITE:
    case VX_REC_CLI:
    case VX_REC_STI:
    case VX_REC_SWAPGS:
    case VX_REC_RDMSR:
    case VX_REC_WRMSR:
        return ACT_PRIVILEGED;
    case VX_REC_DESC_TABLE:
        return record->size == VX_DESC_LGDT || record->size == VX_DESC_LIDT || record->size == VX_DESC_LLDT ||
                       record->size == VX_DESC_LTR
                   ? ACT_PRIVILEGED
                   : ACT_UNPRIVILEGED;
    case VX_REC_PUSHF:
    case VX_REC_POPF:
    case VX_REC_IRET:
    case VX_REC_CPUID:
        return ACT_UNPRIVILEGED;
    case VX_REC_IO_IN:
    case VX_REC_IO_OUT:
    case VX_REC_MMIO_READ:
    case VX_REC_MMIO_WRITE:
    case VX_REC_APIC_READ:
    case VX_REC_APIC_WRITE:
        return ACT_PORT;
    case VX_REC_SYSCALL:
    case VX_REC_SYSENTER:
        return ACT_SYSCALL;
    case VX_REC_SYSRET:
    case VX_REC_SYSEXIT:
        return ACT_SYSCALL_RETURN;
    case VX_REC_EXCEPTION:
    case VX_REC_INTERRUPT:
    case VX_REC_INT_N:
        return ACT_EVENT;
    default:
        return ACT_INNOCUOUS;
    }
}

guest_act guest_act_at(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload)
{
    if (!record) return ACT_EVENT; /* the host's own interrupt */
    guest_act act = guest_act_of(record);
    if (act != ACT_INNOCUOUS) return act;
    (void)exit;
    bool store = record->kind == VX_REC_PT_STORE && vm->vmm->scheme->write_protected(vm, (vx_gpa){payload[0]});
    return store ? ACT_STORE : ACT_PAGE_FAULT;
}

void guest_act_count(vmm_vm *vm, guest_act act)
{
    vx_vmm_counts *c = &vm->vmm->counts;
    uint64_t *const counters[] = {
        [ACT_PRIVILEGED] = &c->traps_privileged,
        [ACT_UNPRIVILEGED] = &c->traps_privileged,
        [ACT_PORT] = &c->traps_ports,
        [ACT_SYSCALL] = &c->traps_syscalls,
        [ACT_SYSCALL_RETURN] = &c->traps_syscalls,
        [ACT_EVENT] = &c->traps_events,
        [ACT_PAGE_FAULT] = &c->traps_page_faults,
        [ACT_STORE] = &c->traps_stores,
    };
    if (act != ACT_INNOCUOUS) ++*counters[act];
}
