/* Accesses to the local APIC under a VMCS: private to the room. True: exits, and *exit is complete. */
#ifndef VX_VMCS_APIC_EXITS_H
#define VX_VMCS_APIC_EXITS_H

#include "vx_vmcs.h"

/* What VM entry loads for the guest's APIC, by the controls in effect; without a page. */
vx_virtual_apic vmcs_virtual_apic(const vx_vmcs *vmcs);

/* A load of so many bytes at an offset in the APIC page (29.4.2). */
bool vx_vmcs_apic_read_exits(const vx_vmcs *vmcs, uint64_t offset, uint32_t bytes, vx_exit *exit);

/* A store of `value` to the APIC page and what completes it (29.4.3). `svi`: the vector in service, which an EOI ends.
 */
bool vx_vmcs_apic_write_exits(const vx_vmcs *vmcs, uint8_t svi, uint64_t offset, uint32_t bytes, uint64_t value,
                              vx_exit *exit);

/* WRMSR of an x2APIC register that the MSR bitmap lets through (29.5). */
bool vx_vmcs_x2apic_write_exits(const vx_vmcs *vmcs, uint8_t svi, uint64_t msr, uint64_t value, vx_exit *exit);

/* MOV to CR8 of `priority` (0 to 15) that no CR8 control makes exit (29.3). */
bool vx_vmcs_cr8_write_exits(const vx_vmcs *vmcs, uint8_t priority, vx_exit *exit);

#endif
