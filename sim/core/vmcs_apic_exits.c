/* Which accesses to the local APIC exit: the APIC-access page, CR8 and the x2APIC's MSRs.
 *
 * The rules are the APIC's (sim/apic/virtual_apic_access.c); here they get the VMCS's controls and become exits.
 * SDM Vol. 3C: 29.1.2 TPR virtualization, 29.3 CR8, 29.4.2 reads and 29.4.3 writes of the APIC-access page, 29.5 MSRs;
 * Table 27-6 qualification. (Chapter numbers: see vx_vmcs.h.)
 *
 * NOT MODELLED: EOI virtualization's own exit, EOI_INDUCED, which depends on the interrupts in service; a write of less
 * than four bytes to the interrupt command register counts the other bytes as 0. */
#include "vmcs_apic_exits.h"

#include "vx_virtual_apic.h"

enum { ACCESS_WRITE = 1U << 12 }; /* Table 27-6, access type; 0 is a read */

static vx_virtual_apic virtual_apic_of(const vx_vmcs *vmcs, uint32_t cpu2)
{
    vx_virtual_apic v = {.tpr_threshold = vmcs->tpr_threshold & 0xF};
    if (vmcs->cpu & VX_CPU_TPR_SHADOW) v.controls |= VX_VAPIC_TPR_SHADOW;
    if (cpu2 & VX_CPU2_VIRTUALIZE_APIC_ACCESSES) v.controls |= VX_VAPIC_ACCESSES;
    if (cpu2 & VX_CPU2_VIRTUALIZE_X2APIC) v.controls |= VX_VAPIC_X2APIC;
    if (cpu2 & VX_CPU2_APIC_REGISTER_VIRTUALIZATION) v.controls |= VX_VAPIC_REGISTERS;
    if (cpu2 & VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY) v.controls |= VX_VAPIC_DELIVERY;
    return v;
}

/* A WRMSR that would be #GP was not recorded as one that happened. */
static bool exit_of(vx_vapic_outcome outcome, vx_exit *exit)
{
    static const uint32_t reasons[] = {[VX_VAPIC_EXIT_ACCESS] = VX_EXIT_APIC_ACCESS,
                                       [VX_VAPIC_EXIT_BELOW_THRESHOLD] = VX_EXIT_TPR_BELOW_THRESHOLD,
                                       [VX_VAPIC_EXIT_EOI] = VX_EXIT_EOI_INDUCED,
                                       [VX_VAPIC_EXIT_WRITE] = VX_EXIT_APIC_WRITE};
    if (outcome.exit == VX_VAPIC_NO_EXIT || outcome.exit == VX_VAPIC_FAULT) return false;
    *exit = (vx_exit){.reason = reasons[outcome.exit], .qualification = outcome.qualification};
    return true;
}

bool vx_vmcs_apic_read_exits(const vx_vmcs *vmcs, uint32_t cpu2, uint64_t offset, uint32_t bytes, vx_exit *exit)
{
    vx_virtual_apic v = virtual_apic_of(vmcs, cpu2);
    return exit_of(vx_virtual_apic_exit_of_read(&v, (uint32_t)offset & 0xFFF, bytes), exit);
}

bool vx_vmcs_apic_write_exits(const vx_vmcs *vmcs, uint32_t cpu2, uint64_t offset, uint32_t bytes, uint64_t value,
                              vx_exit *exit)
{
    vx_virtual_apic v = virtual_apic_of(vmcs, cpu2);
    vx_vapic_outcome outcome = vx_virtual_apic_exit_of_write(&v, (uint32_t)offset & 0xFFF, bytes, (uint32_t)value);
    if (outcome.exit == VX_VAPIC_EXIT_ACCESS) outcome.qualification |= ACCESS_WRITE;
    return exit_of(outcome, exit);
}

bool vx_vmcs_x2apic_write_exits(const vx_vmcs *vmcs, uint32_t cpu2, uint64_t msr, uint64_t value, vx_exit *exit)
{
    vx_virtual_apic v = virtual_apic_of(vmcs, cpu2);
    return msr <= UINT32_MAX && exit_of(vx_virtual_apic_exit_of_wrmsr(&v, (uint32_t)msr, value), exit);
}

bool vx_vmcs_cr8_write_exits(const vx_vmcs *vmcs, uint32_t cpu2, uint8_t priority, vx_exit *exit)
{
    vx_virtual_apic v = virtual_apic_of(vmcs, cpu2);
    return exit_of(vx_virtual_apic_exit_of_cr8(&v, priority), exit);
}
