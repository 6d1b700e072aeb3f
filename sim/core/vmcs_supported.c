/* Which controls a processor has: the part of VM entry's checks that depends on its generation.
 *
 * SDM Vol. 3C 26.2.1.1 (checks on VM-execution control fields) against the capability MSRs of Appendix A.3; a failure
 * is VM-instruction error 7. (Chapter numbers: see vx_vmcs.h.)
 *
 * NOT MODELLED: controls for which a processor model has no feature flag (descriptor-table exiting, RDTSCP, x2APIC
 * mode, WBINVD exiting, INVPCID, virtual NMIs, MSR bitmaps): they are taken as present, the secondary ones wherever
 * secondary controls are. Dependencies between controls (unrestricted guest needs EPT, and so on) are entry checks. */
#include "vx_vmcs.h"

#include <stddef.h>

typedef struct requirement {
    size_t word; /* offset of the control word in vx_vmcs */
    uint32_t bit;
    size_t feature; /* offset of the flag in vx_cfg_vmx */
    const char *name;
} requirement;

#define PIN offsetof(vx_vmcs, pin)
#define CPU offsetof(vx_vmcs, cpu)
#define CPU2 offsetof(vx_vmcs, cpu2)
#define FEATURE(name) offsetof(vx_cfg_vmx, name)

/* Order: Tables 24-5, 24-6, 24-7. */
static const requirement requirements[] = {
    {PIN, VX_PIN_PREEMPTION_TIMER, FEATURE(preemption_timer), "activate VMX-preemption timer"},
    {PIN, VX_PIN_POSTED_INTERRUPTS, FEATURE(posted_interrupts), "process posted interrupts"},
    {CPU, VX_CPU_TPR_SHADOW, FEATURE(tpr_shadow), "use TPR shadow"},
    {CPU, VX_CPU_SECONDARY_CONTROLS, FEATURE(secondary_controls), "activate secondary controls"},
    {CPU2, VX_CPU2_VIRTUALIZE_APIC_ACCESSES, FEATURE(virtualize_apic_accesses), "virtualize APIC accesses"},
    {CPU2, VX_CPU2_EPT, FEATURE(ept), "enable EPT"},
    {CPU2, VX_CPU2_VPID, FEATURE(vpid), "enable VPID"},
    {CPU2, VX_CPU2_UNRESTRICTED_GUEST, FEATURE(unrestricted_guest), "unrestricted guest"},
    {CPU2, VX_CPU2_APIC_REGISTER_VIRTUALIZATION, FEATURE(apic_register_virtualization), "APIC-register virtualization"},
    {CPU2, VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY, FEATURE(virtual_interrupt_delivery), "virtual-interrupt delivery"},
    {CPU2, VX_CPU2_PAUSE_LOOP_EXITING, FEATURE(pause_loop_exiting), "PAUSE-loop exiting"},
    {CPU2, VX_CPU2_VM_FUNCTIONS, FEATURE(vmfunc), "enable VM functions"},
    {CPU2, VX_CPU2_VMCS_SHADOWING, FEATURE(vmcs_shadowing), "VMCS shadowing"},
    {CPU2, VX_CPU2_PML, FEATURE(pml), "enable PML"},
};

/* Every secondary control this simulator knows; the others are reserved to 0 here. */
static const uint32_t known_cpu2 = VX_CPU2_VIRTUALIZE_APIC_ACCESSES | VX_CPU2_EPT | VX_CPU2_DESCRIPTOR_TABLE_EXITING |
                                   VX_CPU2_RDTSCP | VX_CPU2_VIRTUALIZE_X2APIC | VX_CPU2_VPID | VX_CPU2_WBINVD_EXITING |
                                   VX_CPU2_UNRESTRICTED_GUEST | VX_CPU2_APIC_REGISTER_VIRTUALIZATION |
                                   VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY | VX_CPU2_PAUSE_LOOP_EXITING | VX_CPU2_INVPCID |
                                   VX_CPU2_VM_FUNCTIONS | VX_CPU2_VMCS_SHADOWING | VX_CPU2_PML;

static bool has(const vx_cfg_vmx *features, size_t feature)
{
    return *(const bool *)((const char *)features + feature);
}

static uint32_t control_word(const vx_vmcs *vmcs, size_t offset)
{
    return *(const uint32_t *)((const char *)vmcs + offset);
}

/* The EPT pointer's own fields (Table 24-8): page-walk length minus one in bits 5:3, A and D flags in bit 6. */
static const char *missing_of_eptp(uint64_t eptp, const vx_cfg_vmx *features)
{
    if ((eptp >> 3 & 7) == 4 && !features->ept_5level) return "EPT page-walk length 5";
    if ((eptp >> 6 & 1) && !features->ept_ad) return "EPT accessed and dirty flags";
    return NULL;
}

static const char *missing_control(const vx_vmcs *vmcs, const vx_cfg_vmx *features)
{
    bool secondary = (vmcs->cpu & VX_CPU_SECONDARY_CONTROLS) != 0; /* otherwise cpu2 is not looked at */
    if (!features->vmx) return "VMX";
    for (size_t i = 0; i < sizeof requirements / sizeof requirements[0]; i++) {
        const requirement *r = &requirements[i];
        if (r->word == CPU2 && !secondary) continue;
        if ((control_word(vmcs, r->word) & r->bit) && !has(features, r->feature)) return r->name;
    }
    if (!secondary) return NULL;
    if (vmcs->cpu2 & ~known_cpu2) return "reserved secondary control";
    return vmcs->cpu2 & VX_CPU2_EPT ? missing_of_eptp(vmcs->eptp, features) : NULL;
}

bool vx_vmcs_supported(const vx_vmcs *vmcs, const vx_cfg_vmx *features, const char **missing)
{
    const char *name = missing_control(vmcs, features);
    if (name) *missing = name;
    return name == NULL;
}
