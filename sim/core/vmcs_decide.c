/* Does an event make the VMCS exit? One row an event; the rows read like the manual's lists.
 *
 * SDM Vol. 3C: 25.1.1 relative priority of faults and VM exits, 25.1.2 instructions that cause VM exits
 * unconditionally, 25.1.3 conditionally, 25.2 other causes. (Chapter numbers: see vx_vmcs.h.) The faults are those that
 * an instruction's page in Vol. 2 (VMX instructions: Vol. 3C, chapter 30) puts before its exit. */
#include "vmcs_rules.h"
#include "vx_control_registers.h"
#include "vx_exception.h"

#define VMX_GUARDS (GUARD_PROTECTED | GUARD_VMX)

/* {name, rule, reason, information, primary and secondary controls that must be 1, control or #UD, faults before it} */
static const vmcs_rule rules[VX_EVENTS] = {
    [VX_EVENT_NONE] = {"none", vmcs_never, 0, FORMAT_NONE, 0, 0, 0, 0},
    /* Unconditional, 25.1.2 */
    [VX_EVENT_CPUID] = {"CPUID", vmcs_always, VX_EXIT_CPUID, FORMAT_NONE, 0, 0, 0, 0},
    [VX_EVENT_GETSEC] = {"GETSEC", vmcs_always, VX_EXIT_GETSEC, FORMAT_NONE, 0, 0, 0, GUARD_SMXE},
    [VX_EVENT_INVD] = {"INVD", vmcs_always, VX_EXIT_INVD, FORMAT_NONE, 0, 0, 0, GUARD_CPL0},
    [VX_EVENT_XSETBV] = {"XSETBV", vmcs_always, VX_EXIT_XSETBV, FORMAT_NONE, 0, 0, 0, GUARD_CPL0 | GUARD_OSXSAVE},
    [VX_EVENT_INVEPT] = {"INVEPT", vmcs_always, VX_EXIT_INVEPT, FORMAT_INV, 0, 0, 0, VMX_GUARDS},
    [VX_EVENT_INVVPID] = {"INVVPID", vmcs_always, VX_EXIT_INVVPID, FORMAT_INV, 0, 0, 0, VMX_GUARDS},
    [VX_EVENT_VMCALL] = {"VMCALL", vmcs_always, VX_EXIT_VMCALL, FORMAT_NONE, 0, 0, 0, 0},
    [VX_EVENT_VMCLEAR] = {"VMCLEAR", vmcs_always, VX_EXIT_VMCLEAR, FORMAT_MEMORY, 0, 0, 0, VMX_GUARDS},
    [VX_EVENT_VMLAUNCH] = {"VMLAUNCH", vmcs_always, VX_EXIT_VMLAUNCH, FORMAT_NONE, 0, 0, 0, VMX_GUARDS},
    [VX_EVENT_VMPTRLD] = {"VMPTRLD", vmcs_always, VX_EXIT_VMPTRLD, FORMAT_MEMORY, 0, 0, 0, VMX_GUARDS},
    [VX_EVENT_VMPTRST] = {"VMPTRST", vmcs_always, VX_EXIT_VMPTRST, FORMAT_MEMORY, 0, 0, 0, VMX_GUARDS},
    [VX_EVENT_VMRESUME] = {"VMRESUME", vmcs_always, VX_EXIT_VMRESUME, FORMAT_NONE, 0, 0, 0, VMX_GUARDS},
    [VX_EVENT_VMXOFF] = {"VMXOFF", vmcs_always, VX_EXIT_VMOFF, FORMAT_NONE, 0, 0, 0, VMX_GUARDS},
    [VX_EVENT_VMXON] = {"VMXON", vmcs_always, VX_EXIT_VMON, FORMAT_MEMORY, 0, 0, 0, VMX_GUARDS},
    /* ... and those of TDX's module (Intel, TDX module base architecture), for a guest that is no trust domain */
    [VX_EVENT_SEAMCALL] = {"SEAMCALL", vmcs_always, VX_EXIT_SEAMCALL, FORMAT_NONE, 0, 0, 0, GUARD_64BIT},
    [VX_EVENT_TDCALL] = {"TDCALL", vmcs_always, VX_EXIT_TDCALL, FORMAT_NONE, 0, 0, 0, 0},
    /* Conditional, 25.1.3, in the manual's order */
    [VX_EVENT_CLTS] = {"CLTS", vmcs_clts, VX_EXIT_CR_ACCESS, FORMAT_NONE, 0, 0, 0, GUARD_CPL0},
    [VX_EVENT_ENCLS] = {"ENCLS", vmcs_encls, VX_EXIT_ENCLS, FORMAT_NONE, 0, VX_CPU2_ENCLS_EXITING, 0,
                        GUARD_CPL0_UD | GUARD_PROTECTED},
    [VX_EVENT_ENCLV] = {"ENCLV", vmcs_enclv, VX_EXIT_ENCLV, FORMAT_NONE, 0, VX_CPU2_ENCLV_EXITING, 0,
                        GUARD_CPL0_UD | GUARD_PROTECTED},
    [VX_EVENT_ENQCMD] = {"ENQCMD", vmcs_enqcmd, VX_EXIT_ENQCMD_PASID, FORMAT_NONE, 0, VX_CPU2_PASID_TRANSLATION, 0, 0},
    [VX_EVENT_ENQCMDS] = {"ENQCMDS", vmcs_enqcmd, VX_EXIT_ENQCMDS_PASID, FORMAT_NONE, 0, VX_CPU2_PASID_TRANSLATION, 0,
                          GUARD_CPL0},
    [VX_EVENT_HLT] = {"HLT", vmcs_by_controls, VX_EXIT_HLT, FORMAT_NONE, VX_CPU_HLT_EXITING, 0, 0, GUARD_CPL0},
    [VX_EVENT_IN] = {"IN", vmcs_io, VX_EXIT_IO_INSTRUCTION, FORMAT_IO, 0, 0, 0, GUARD_IO},
    [VX_EVENT_OUT] = {"OUT", vmcs_io, VX_EXIT_IO_INSTRUCTION, FORMAT_IO, 0, 0, 0, GUARD_IO},
    [VX_EVENT_INVLPG] = {"INVLPG", vmcs_invlpg, VX_EXIT_INVLPG, FORMAT_NONE, VX_CPU_INVLPG_EXITING, 0, 0, GUARD_CPL0},
    [VX_EVENT_INVPCID] = {"INVPCID", vmcs_by_controls, VX_EXIT_INVPCID, FORMAT_INV, VX_CPU_INVLPG_EXITING,
                          VX_CPU2_INVPCID, VX_CPU2_INVPCID, GUARD_CPL0},
    [VX_EVENT_DESC_TABLE] = {"descriptor table", vmcs_desc_table, VX_EXIT_GDTR_IDTR, FORMAT_DESC, 0,
                             VX_CPU2_DESCRIPTOR_TABLE_EXITING, 0, GUARD_FORM},
    [VX_EVENT_LMSW] = {"LMSW", vmcs_lmsw, VX_EXIT_CR_ACCESS, FORMAT_NONE, 0, 0, 0, GUARD_CPL0},
    [VX_EVENT_LOADIWKEY] = {"LOADIWKEY", vmcs_loadiwkey, VX_EXIT_LOADIWKEY, FORMAT_KEY, 0, 0, 0, GUARD_CPL0 | GUARD_KL},
    [VX_EVENT_MONITOR] = {"MONITOR", vmcs_by_controls, VX_EXIT_MONITOR_INSTRUCTION, FORMAT_NONE, VX_CPU_MONITOR_EXITING,
                          0, 0, GUARD_CPL0_UD},
    [VX_EVENT_CR_READ] = {"MOV from CR", vmcs_cr_read, VX_EXIT_CR_ACCESS, FORMAT_NONE, 0, 0, 0, GUARD_CPL0},
    [VX_EVENT_CR_WRITE] = {"MOV to CR", vmcs_cr_write, VX_EXIT_CR_ACCESS, FORMAT_NONE, 0, 0, 0, GUARD_CPL0},
    /* MOV DR is the exception: its exit comes before #GP by privilege level. */
    [VX_EVENT_DR_READ] = {"MOV from DR", vmcs_dr_read, VX_EXIT_DR_ACCESS, FORMAT_NONE, VX_CPU_MOV_DR_EXITING, 0, 0, 0},
    [VX_EVENT_DR_WRITE] = {"MOV to DR", vmcs_dr_write, VX_EXIT_DR_ACCESS, FORMAT_NONE, VX_CPU_MOV_DR_EXITING, 0, 0, 0},
    [VX_EVENT_MWAIT] = {"MWAIT", vmcs_mwait, VX_EXIT_MWAIT_INSTRUCTION, FORMAT_NONE, VX_CPU_MWAIT_EXITING, 0, 0,
                        GUARD_CPL0_UD},
    [VX_EVENT_PAUSE] = {"PAUSE", vmcs_pause, VX_EXIT_PAUSE_INSTRUCTION, FORMAT_NONE, VX_CPU_PAUSE_EXITING, 0, 0, 0},
    [VX_EVENT_PCONFIG] = {"PCONFIG", vmcs_pconfig, VX_EXIT_PCONFIG, FORMAT_NONE, 0, VX_CPU2_PCONFIG, VX_CPU2_PCONFIG,
                          GUARD_CPL0},
    [VX_EVENT_RDMSR] = {"RDMSR", vmcs_rdmsr, VX_EXIT_MSR_READ, FORMAT_NONE, 0, 0, 0, GUARD_CPL0},
    [VX_EVENT_RDPID] = {"RDPID", vmcs_never, 0, FORMAT_NONE, 0, 0, VX_CPU2_RDTSCP, 0},
    [VX_EVENT_RDPMC] = {"RDPMC", vmcs_by_controls, VX_EXIT_RDPMC, FORMAT_NONE, VX_CPU_RDPMC_EXITING, 0, 0, GUARD_PCE},
    [VX_EVENT_RDRAND] = {"RDRAND", vmcs_by_controls, VX_EXIT_RDRAND, FORMAT_RANDOM, 0, VX_CPU2_RDRAND_EXITING, 0, 0},
    [VX_EVENT_RDSEED] = {"RDSEED", vmcs_by_controls, VX_EXIT_RDSEED, FORMAT_RANDOM, 0, VX_CPU2_RDSEED_EXITING, 0, 0},
    [VX_EVENT_RDTSC] = {"RDTSC", vmcs_by_controls, VX_EXIT_RDTSC, FORMAT_NONE, VX_CPU_RDTSC_EXITING, 0, 0, GUARD_TSD},
    [VX_EVENT_RDTSCP] = {"RDTSCP", vmcs_by_controls, VX_EXIT_RDTSCP, FORMAT_NONE, VX_CPU_RDTSC_EXITING, VX_CPU2_RDTSCP,
                         VX_CPU2_RDTSCP, GUARD_TSD},
    [VX_EVENT_RSM] = {"RSM", vmcs_always, VX_EXIT_RSM, FORMAT_NONE, 0, 0, 0, GUARD_SMM},
    [VX_EVENT_TPAUSE] = {"TPAUSE", vmcs_by_controls, VX_EXIT_TPAUSE, FORMAT_WAIT, VX_CPU_RDTSC_EXITING,
                         VX_CPU2_USER_WAIT, VX_CPU2_USER_WAIT, GUARD_TSD},
    [VX_EVENT_UMONITOR] = {"UMONITOR", vmcs_never, 0, FORMAT_NONE, 0, 0, VX_CPU2_USER_WAIT, 0},
    [VX_EVENT_UMWAIT] = {"UMWAIT", vmcs_by_controls, VX_EXIT_UMWAIT, FORMAT_WAIT, VX_CPU_RDTSC_EXITING,
                         VX_CPU2_USER_WAIT, VX_CPU2_USER_WAIT, GUARD_TSD},
    [VX_EVENT_VMFUNC] = {"VMFUNC", vmcs_vmfunc, VX_EXIT_VMFUNC, FORMAT_NONE, 0, 0, VX_CPU2_VM_FUNCTIONS, 0},
    [VX_EVENT_VMREAD] = {"VMREAD", vmcs_vmread, VX_EXIT_VMREAD, FORMAT_FIELD, 0, 0, 0, VMX_GUARDS},
    [VX_EVENT_VMWRITE] = {"VMWRITE", vmcs_vmwrite, VX_EXIT_VMWRITE, FORMAT_FIELD, 0, 0, 0, VMX_GUARDS},
    [VX_EVENT_WBINVD] = {"WBINVD", vmcs_by_controls, VX_EXIT_WBINVD, FORMAT_NONE, 0, VX_CPU2_WBINVD_EXITING, 0,
                         GUARD_CPL0},
    [VX_EVENT_WBNOINVD] = {"WBNOINVD", vmcs_wbnoinvd, VX_EXIT_WBINVD, FORMAT_NONE, 0, VX_CPU2_WBINVD_EXITING, 0,
                           GUARD_CPL0},
    [VX_EVENT_WRMSR] = {"WRMSR", vmcs_wrmsr, VX_EXIT_MSR_WRITE, FORMAT_NONE, 0, 0, 0, GUARD_CPL0},
    [VX_EVENT_XRSTORS] = {"XRSTORS", vmcs_xsaves, VX_EXIT_XRSTORS, FORMAT_MEMORY, 0, VX_CPU2_XSAVES, VX_CPU2_XSAVES,
                          GUARD_CPL0 | GUARD_OSXSAVE},
    [VX_EVENT_XSAVES] = {"XSAVES", vmcs_xsaves, VX_EXIT_XSAVES, FORMAT_MEMORY, 0, VX_CPU2_XSAVES, VX_CPU2_XSAVES,
                         GUARD_CPL0 | GUARD_OSXSAVE},
    /* The local APIC's page, 29.4 */
    [VX_EVENT_APIC_READ] = {"APIC read", vmcs_apic_read, VX_EXIT_APIC_ACCESS, FORMAT_NONE, 0, 0, 0, 0},
    [VX_EVENT_APIC_WRITE] = {"APIC write", vmcs_apic_write, VX_EXIT_APIC_ACCESS, FORMAT_NONE, 0, 0, 0, 0},
    /* Other causes, 25.2 */
    [VX_EVENT_EXCEPTION] = {"exception", vmcs_exception, VX_EXIT_EXCEPTION_NMI, FORMAT_NONE, 0, 0, 0, 0},
    [VX_EVENT_NMI] = {"NMI", vmcs_nmi, VX_EXIT_EXCEPTION_NMI, FORMAT_NONE, 0, 0, 0, 0},
    [VX_EVENT_INTERRUPT] = {"interrupt", vmcs_interrupt, VX_EXIT_EXTERNAL_INTERRUPT, FORMAT_NONE, 0, 0, 0, 0},
    [VX_EVENT_INIT] = {"INIT", vmcs_init, VX_EXIT_INIT_SIGNAL, FORMAT_NONE, 0, 0, 0, 0},
    [VX_EVENT_SIPI] = {"SIPI", vmcs_sipi, VX_EXIT_SIPI_SIGNAL, FORMAT_NONE, 0, 0, 0, 0},
    [VX_EVENT_SMI] = {"SMI", vmcs_smi, VX_EXIT_OTHER_SMI, FORMAT_NONE, 0, 0, 0, 0},
    [VX_EVENT_TASK_SWITCH] = {"task switch", vmcs_task_switch, VX_EXIT_TASK_SWITCH, FORMAT_NONE, 0, 0, 0, 0},
    [VX_EVENT_TRIPLE_FAULT] = {"triple fault", vmcs_always, VX_EXIT_TRIPLE_FAULT, FORMAT_NONE, 0, 0, 0, 0},
    [VX_EVENT_BUS_LOCK] = {"bus lock", vmcs_bus_lock, VX_EXIT_BUS_LOCK, FORMAT_NONE, 0, VX_CPU2_BUS_LOCK_DETECTION, 0,
                           0},
    [VX_EVENT_INSTRUCTION_TIMEOUT] = {"instruction timeout", vmcs_timeout, VX_EXIT_NOTIFY, FORMAT_NONE, 0,
                                      VX_CPU2_INSTRUCTION_TIMEOUT, 0, 0},
};

const char *vx_guest_event_name(vx_guest_event_kind kind) { return rules[kind].name; }

int vx_guest_event_reason(vx_guest_event_kind kind)
{
    return rules[kind].decide == vmcs_never ? -1 : rules[kind].reason;
}

/* ---- faults that come first ---- */

static unsigned guards_of_form(const vx_exit_context *context, unsigned form)
{
    bool user = context->cpl > 0, umip = (context->cr4 & VX_CR4_UMIP) != 0;
    switch (form) {
    case VX_DESC_LGDT:
    case VX_DESC_LIDT:
        return GUARD_CPL0;
    case VX_DESC_LLDT:
    case VX_DESC_LTR:
        return GUARD_CPL0 | GUARD_PROTECTED;
    case VX_DESC_SLDT:
    case VX_DESC_STR:
        return GUARD_PROTECTED | (user && umip ? GUARD_CPL0 : 0);
    default: /* SGDT, SIDT, SMSW */
        return user && umip ? GUARD_CPL0 : 0;
    }
}

static bool is_undefined(const vmcs_question *q, unsigned guards)
{
    const vx_exit_context *c = q->context;
    bool real = !(c->cr0 & VX_CR0_PE) || c->virtual_8086;
    if (q->rule->enable && !(q->cpu2 & q->rule->enable)) return true;
    if (q->event->kind == VX_EVENT_VMFUNC && (q->event->selector & 0xFFFFFFFF) > 63) return true;
    return ((guards & GUARD_CPL0_UD) && c->cpl > 0) || ((guards & GUARD_PROTECTED) && real) ||
           ((guards & GUARD_VMX) && c->long_mode && c->narrow) ||
           ((guards & GUARD_64BIT) && (!c->long_mode || c->narrow)) ||
           ((guards & GUARD_SMXE) && !(c->cr4 & VX_CR4_SMXE)) ||
           ((guards & GUARD_OSXSAVE) && !(c->cr4 & VX_CR4_OSXSAVE)) || ((guards & GUARD_KL) && !(c->cr4 & VX_CR4_KL)) ||
           ((guards & GUARD_SMM) && !c->smm);
}

static bool is_protected(const vmcs_question *q, unsigned guards)
{
    const vx_exit_context *c = q->context;
    bool user = c->cpl > 0;
    return ((guards & GUARD_CPL0) && user) || ((guards & GUARD_TSD) && user && (c->cr4 & VX_CR4_TSD)) ||
           ((guards & GUARD_PCE) && user && !(c->cr4 & VX_CR4_PCE)) ||
           ((guards & GUARD_IO) && (c->cpl > c->iopl || c->virtual_8086) && q->event->io_denied);
}

/* The vector of the fault that precedes an exit, or -1. */
static int fault_first(const vmcs_question *q)
{
    unsigned guards = q->rule->guards;
    if (q->event->retired) return -1;
    if (guards & GUARD_FORM) guards = guards_of_form(q->context, q->event->which);
    if (is_undefined(q, guards)) return VX_VECTOR_UD;
    return is_protected(q, guards) ? VX_VECTOR_GP : -1;
}

/* ---- the decision ---- */

static vx_exit fault_of(int vector)
{
    uint32_t code = vector == VX_VECTOR_GP ? VX_INTERRUPTION_ERROR_CODE : 0;
    return (vx_exit){.interruption = VX_INTERRUPTION_VALID | VX_INTERRUPTION_HARDWARE | code | (uint32_t)vector};
}

vx_outcome vx_vmcs_decide(const vx_vmcs *vmcs, const vx_exit_context *context, const vx_guest_event *event,
                          vx_exit *exit)
{
    const vmcs_rule *rule = &rules[event->kind];
    vmcs_question q = {rule, vmcs, vx_vmcs_cpu2(vmcs), vx_vmcs_cpu3(vmcs), context, event};
    int vector = fault_first(&q);
    if (vector >= 0) {
        *exit = fault_of(vector);
        return VX_OUTCOME_FAULT;
    }
    vx_exit found = {.reason = rule->reason};
    if (!rule->decide(&q, &found)) return VX_OUTCOME_NORMAL;
    vmcs_describe_exit(&q, &found);
    *exit = found;
    return VX_OUTCOME_EXIT;
}
