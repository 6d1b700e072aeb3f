/* The control bits of VMX, each with the feature of a processor model that brings it.
 *
 * SDM Vol. 3C Tables 24-5 to 24-8, 24-10 (VM functions), 24-13, 24-14 and 24-16. Features that no processor with VMX
 * lacks hang on the flag for VMX itself. */
#include "vx_vmx_caps.h"

#include <stddef.h>

#include "vx_vmcs_field.h"

#define FLAG(member) offsetof(vx_cfg_cpu, member)

static const vx_vmx_control controls[] = {
    {VX_WORD_PIN, 0, "external-interrupt exiting", FLAG(vmx.vmx)},
    {VX_WORD_PIN, 3, "NMI exiting", FLAG(vmx.vmx)},
    {VX_WORD_PIN, 5, "virtual NMIs", FLAG(vmx.virtual_nmis)},
    {VX_WORD_PIN, 6, "activate VMX-preemption timer", FLAG(vmx.preemption_timer)},
    {VX_WORD_PIN, 7, "process posted interrupts", FLAG(vmx.posted_interrupts)},
    {VX_WORD_CPU, 2, "interrupt-window exiting", FLAG(vmx.vmx)},
    {VX_WORD_CPU, 3, "use TSC offsetting", FLAG(vmx.vmx)},
    {VX_WORD_CPU, 7, "HLT exiting", FLAG(vmx.vmx)},
    {VX_WORD_CPU, 9, "INVLPG exiting", FLAG(vmx.vmx)},
    {VX_WORD_CPU, 10, "MWAIT exiting", FLAG(vmx.vmx)},
    {VX_WORD_CPU, 11, "RDPMC exiting", FLAG(vmx.vmx)},
    {VX_WORD_CPU, 12, "RDTSC exiting", FLAG(vmx.vmx)},
    {VX_WORD_CPU, 15, "CR3-load exiting", FLAG(vmx.vmx)},
    {VX_WORD_CPU, 16, "CR3-store exiting", FLAG(vmx.vmx)},
    {VX_WORD_CPU, 17, "activate tertiary controls", FLAG(vmx.tertiary_controls)},
    {VX_WORD_CPU, 19, "CR8-load exiting", FLAG(paging.long_mode)},
    {VX_WORD_CPU, 20, "CR8-store exiting", FLAG(paging.long_mode)},
    {VX_WORD_CPU, 21, "use TPR shadow", FLAG(vmx.tpr_shadow)},
    {VX_WORD_CPU, 22, "NMI-window exiting", FLAG(vmx.virtual_nmis)},
    {VX_WORD_CPU, 23, "MOV-DR exiting", FLAG(vmx.vmx)},
    {VX_WORD_CPU, 24, "unconditional I/O exiting", FLAG(vmx.vmx)},
    {VX_WORD_CPU, 25, "use I/O bitmaps", FLAG(vmx.vmx)},
    {VX_WORD_CPU, 27, "monitor trap flag", FLAG(vmx.monitor_trap_flag)},
    {VX_WORD_CPU, 28, "use MSR bitmaps", FLAG(vmx.msr_bitmaps)},
    {VX_WORD_CPU, 29, "MONITOR exiting", FLAG(vmx.vmx)},
    {VX_WORD_CPU, 30, "PAUSE exiting", FLAG(vmx.vmx)},
    {VX_WORD_CPU, 31, "activate secondary controls", FLAG(vmx.secondary_controls)},
    {VX_WORD_CPU2, 0, "virtualize APIC accesses", FLAG(vmx.virtualize_apic_accesses)},
    {VX_WORD_CPU2, 1, "enable EPT", FLAG(vmx.ept)},
    {VX_WORD_CPU2, 2, "descriptor-table exiting", FLAG(vmx.descriptor_table_exiting)},
    {VX_WORD_CPU2, 3, "enable RDTSCP", FLAG(vmx.rdtscp)},
    {VX_WORD_CPU2, 4, "virtualize x2APIC mode", FLAG(vmx.virtualize_x2apic)},
    {VX_WORD_CPU2, 5, "enable VPID", FLAG(vmx.vpid)},
    {VX_WORD_CPU2, 6, "WBINVD exiting", FLAG(vmx.wbinvd_exiting)},
    {VX_WORD_CPU2, 7, "unrestricted guest", FLAG(vmx.unrestricted_guest)},
    {VX_WORD_CPU2, 8, "APIC-register virtualization", FLAG(vmx.apic_register_virtualization)},
    {VX_WORD_CPU2, 9, "virtual-interrupt delivery", FLAG(vmx.virtual_interrupt_delivery)},
    {VX_WORD_CPU2, 10, "PAUSE-loop exiting", FLAG(vmx.pause_loop_exiting)},
    {VX_WORD_CPU2, 11, "RDRAND exiting", FLAG(vmx.rdrand_exiting)},
    {VX_WORD_CPU2, 12, "enable INVPCID", FLAG(paging.invpcid)},
    {VX_WORD_CPU2, 13, "enable VM functions", FLAG(vmx.vmfunc)},
    {VX_WORD_CPU2, 14, "VMCS shadowing", FLAG(vmx.vmcs_shadowing)},
    {VX_WORD_CPU2, 15, "enable ENCLS exiting", FLAG(vmx.encls_exiting)},
    {VX_WORD_CPU2, 16, "RDSEED exiting", FLAG(vmx.rdseed_exiting)},
    {VX_WORD_CPU2, 17, "enable PML", FLAG(vmx.pml)},
    {VX_WORD_CPU2, 18, "EPT-violation #VE", FLAG(vmx.ept_violation_ve)},
    {VX_WORD_CPU2, 19, "conceal VMX from PT", FLAG(vmx.processor_trace)},
    {VX_WORD_CPU2, 20, "enable XSAVES/XRSTORS", FLAG(vmx.xsaves)},
    {VX_WORD_CPU2, 21, "PASID translation", FLAG(vmx.pasid_translation)},
    {VX_WORD_CPU2, 22, "mode-based execute control for EPT", FLAG(vmx.mode_based_execute)},
    {VX_WORD_CPU2, 23, "sub-page write permissions for EPT", FLAG(vmx.spp)},
    {VX_WORD_CPU2, 24, "Intel PT uses guest physical addresses", FLAG(vmx.pt_guest_physical)},
    {VX_WORD_CPU2, 25, "use TSC scaling", FLAG(vmx.tsc_scaling)},
    {VX_WORD_CPU2, 26, "enable user wait and pause", FLAG(vmx.user_wait)},
    {VX_WORD_CPU2, 27, "enable PCONFIG", FLAG(vmx.pconfig)},
    {VX_WORD_CPU2, 28, "enable ENCLV exiting", FLAG(vmx.enclv_exiting)},
    {VX_WORD_CPU2, 30, "VMM bus-lock detection", FLAG(vmx.bus_lock_detection)},
    {VX_WORD_CPU2, 31, "instruction timeout", FLAG(vmx.instruction_timeout)},
    {VX_WORD_CPU3, 0, "LOADIWKEY exiting", FLAG(vmx.loadiwkey_exiting)},
    {VX_WORD_CPU3, 1, "enable HLAT", FLAG(vmx.hlat)},
    {VX_WORD_CPU3, 2, "EPT paging-write control", FLAG(vmx.ept_paging_write)},
    {VX_WORD_CPU3, 3, "guest-paging verification", FLAG(vmx.guest_paging_verification)},
    {VX_WORD_CPU3, 4, "IPI virtualization", FLAG(vmx.ipi_virtualization)},
    {VX_WORD_CPU3, 7, "virtualize IA32_SPEC_CTRL", FLAG(vmx.spec_ctrl_virtualization)},
    {VX_WORD_EXIT, 2, "save debug controls", FLAG(vmx.vmx)},
    {VX_WORD_EXIT, 9, "host address-space size", FLAG(paging.long_mode)},
    {VX_WORD_EXIT, 12, "load IA32_PERF_GLOBAL_CTRL", FLAG(vmx.perf_global_ctrl)},
    {VX_WORD_EXIT, 15, "acknowledge interrupt on exit", FLAG(vmx.vmx)},
    {VX_WORD_EXIT, 18, "save IA32_PAT", FLAG(vmx.pat)},
    {VX_WORD_EXIT, 19, "load IA32_PAT", FLAG(vmx.pat)},
    {VX_WORD_EXIT, 20, "save IA32_EFER", FLAG(vmx.efer)},
    {VX_WORD_EXIT, 21, "load IA32_EFER", FLAG(vmx.efer)},
    {VX_WORD_EXIT, 22, "save VMX-preemption timer value", FLAG(vmx.preemption_timer)},
    {VX_WORD_EXIT, 23, "clear IA32_BNDCFGS", FLAG(vmx.bndcfgs)},
    {VX_WORD_EXIT, 24, "conceal VMX from PT", FLAG(vmx.processor_trace)},
    {VX_WORD_EXIT, 25, "clear IA32_RTIT_CTL", FLAG(vmx.processor_trace)},
    {VX_WORD_EXIT, 26, "clear IA32_LBR_CTL", FLAG(vmx.lbr_ctl)},
    {VX_WORD_EXIT, 27, "clear UINV", FLAG(vmx.uinv)},
    {VX_WORD_EXIT, 28, "load CET state", FLAG(vmx.cet_state)},
    {VX_WORD_EXIT, 29, "load PKRS", FLAG(vmx.pkrs)},
    {VX_WORD_EXIT, 30, "save IA32_PERF_GLOBAL_CTRL", FLAG(vmx.save_perf_global_ctrl)},
    {VX_WORD_EXIT, 31, "activate secondary controls", FLAG(vmx.busy_shadow_stack)},
    {VX_WORD_EXIT2, 3, "prematurely busy shadow stack", FLAG(vmx.busy_shadow_stack)},
    {VX_WORD_ENTRY, 2, "load debug controls", FLAG(vmx.vmx)},
    {VX_WORD_ENTRY, 9, "IA-32e mode guest", FLAG(paging.long_mode)},
    {VX_WORD_ENTRY, 10, "entry to SMM", FLAG(vmx.vmx)},
    {VX_WORD_ENTRY, 11, "deactivate dual-monitor treatment", FLAG(vmx.vmx)},
    {VX_WORD_ENTRY, 13, "load IA32_PERF_GLOBAL_CTRL", FLAG(vmx.perf_global_ctrl)},
    {VX_WORD_ENTRY, 14, "load IA32_PAT", FLAG(vmx.pat)},
    {VX_WORD_ENTRY, 15, "load IA32_EFER", FLAG(vmx.efer)},
    {VX_WORD_ENTRY, 16, "load IA32_BNDCFGS", FLAG(vmx.bndcfgs)},
    {VX_WORD_ENTRY, 17, "conceal VMX from PT", FLAG(vmx.processor_trace)},
    {VX_WORD_ENTRY, 18, "load IA32_RTIT_CTL", FLAG(vmx.processor_trace)},
    {VX_WORD_ENTRY, 19, "load UINV", FLAG(vmx.uinv)},
    {VX_WORD_ENTRY, 20, "load CET state", FLAG(vmx.cet_state)},
    {VX_WORD_ENTRY, 21, "load guest IA32_LBR_CTL", FLAG(vmx.lbr_ctl)},
    {VX_WORD_ENTRY, 22, "load PKRS", FLAG(vmx.pkrs)},
    {VX_WORD_VMFUNC, 0, "EPTP switching", FLAG(vmx.vmfunc)},
};
enum { CONTROLS = sizeof controls / sizeof *controls };

static const uint32_t encodings[VX_WORDS] = {
    [VX_WORD_PIN] = VX_VMCS_PIN_CONTROLS,     [VX_WORD_CPU] = VX_VMCS_CPU_CONTROLS,
    [VX_WORD_CPU2] = VX_VMCS_CPU2_CONTROLS,   [VX_WORD_CPU3] = VX_VMCS_CPU3_CONTROLS,
    [VX_WORD_EXIT] = VX_VMCS_EXIT_CONTROLS,   [VX_WORD_EXIT2] = VX_VMCS_EXIT2_CONTROLS,
    [VX_WORD_ENTRY] = VX_VMCS_ENTRY_CONTROLS, [VX_WORD_VMFUNC] = VX_VMCS_VM_FUNCTION_CONTROLS,
};

const vx_vmx_control *vx_vmx_control_at(unsigned index) { return index < CONTROLS ? &controls[index] : NULL; }

const vx_vmx_control *vx_vmx_control_of(vx_vmx_word word, unsigned bit)
{
    for (unsigned i = 0; i < CONTROLS; i++)
        if (controls[i].word == word && controls[i].bit == bit) return &controls[i];
    return NULL;
}

uint32_t vx_vmx_word_encoding(vx_vmx_word word) { return encodings[word]; }
