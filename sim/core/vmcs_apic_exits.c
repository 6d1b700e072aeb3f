/* Which accesses to the local APIC exit: the APIC-access page, CR8 and the x2APIC's MSRs.
 *
 * The rules are the APIC's (sim/apic/virtual_apic_access.c); here they get the VMCS's controls and become exits.
 * SDM Vol. 3C: 29.1.2 TPR virtualization, 29.3 CR8, 29.4.2 reads and 29.4.3 writes of the APIC-access page, 29.5 MSRs;
 * Table 27-6 qualification. (Chapter numbers: see vx_vmcs.h.)
 *
 * NOT MODELLED: a write of less than four bytes to the interrupt command register counts the other bytes as 0. */
#include "vmcs_apic_exits.h"

#include <string.h>

enum { ACCESS_WRITE = 1U << 12 }; /* Table 27-6, access type; 0 is a read */

static uint32_t controls_of(const vx_vmcs *vmcs)
{
    static const struct {
        uint32_t control, means;
    } rows[] = {{VX_CPU2_VIRTUALIZE_APIC_ACCESSES, VX_VAPIC_ACCESSES},
                {VX_CPU2_VIRTUALIZE_X2APIC, VX_VAPIC_X2APIC},
                {VX_CPU2_APIC_REGISTER_VIRTUALIZATION, VX_VAPIC_REGISTERS},
                {VX_CPU2_VIRTUAL_INTERRUPT_DELIVERY, VX_VAPIC_DELIVERY}};
    uint32_t controls = vmcs->cpu & VX_CPU_TPR_SHADOW ? VX_VAPIC_TPR_SHADOW : 0;
    if (vmcs->cpu & VX_CPU_INTERRUPT_WINDOW_EXITING) controls |= VX_VAPIC_WINDOW;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (vx_vmcs_cpu2(vmcs) & rows[i].control) controls |= rows[i].means;
    return controls;
}

vx_virtual_apic vmcs_virtual_apic(const vx_vmcs *vmcs)
{
    vx_virtual_apic v = {.controls = controls_of(vmcs),
                         .tpr_threshold = vmcs->tpr_threshold & 0xF,
                         .rvi = (uint8_t)vmcs->guest_interrupt_status,
                         .svi = (uint8_t)(vmcs->guest_interrupt_status >> 8)};
    memcpy(v.eoi_exit, vmcs->eoi_exit_bitmap, sizeof v.eoi_exit);
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

bool vx_vmcs_apic_read_exits(const vx_vmcs *vmcs, uint64_t offset, uint32_t bytes, vx_exit *exit)
{
    vx_virtual_apic v = vmcs_virtual_apic(vmcs);
    return exit_of(vx_virtual_apic_exit_of_read(&v, (uint32_t)offset & 0xFFF, bytes), exit);
}

bool vx_vmcs_apic_write_exits(const vx_vmcs *vmcs, uint8_t svi, uint64_t offset, uint32_t bytes, uint64_t value,
                              vx_exit *exit)
{
    vx_virtual_apic v = vmcs_virtual_apic(vmcs);
    v.svi = svi;
    vx_vapic_outcome outcome = vx_virtual_apic_exit_of_write(&v, (uint32_t)offset & 0xFFF, bytes, (uint32_t)value);
    if (outcome.exit == VX_VAPIC_EXIT_ACCESS) outcome.qualification |= ACCESS_WRITE;
    return exit_of(outcome, exit);
}

bool vx_vmcs_x2apic_write_exits(const vx_vmcs *vmcs, uint8_t svi, uint64_t msr, uint64_t value, vx_exit *exit)
{
    vx_virtual_apic v = vmcs_virtual_apic(vmcs);
    v.svi = svi;
    return msr <= UINT32_MAX && exit_of(vx_virtual_apic_exit_of_wrmsr(&v, (uint32_t)msr, value), exit);
}

bool vx_vmcs_cr8_write_exits(const vx_vmcs *vmcs, uint8_t priority, vx_exit *exit)
{
    vx_virtual_apic v = vmcs_virtual_apic(vmcs);
    return exit_of(vx_virtual_apic_exit_of_cr8(&v, priority), exit);
}
