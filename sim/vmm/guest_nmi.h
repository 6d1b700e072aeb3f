/* NMIs of a guest, as the hypervisor handles them: private to the room. */
#ifndef VX_GUEST_NMI_H
#define VX_GUEST_NMI_H

#include "vmm_private.h"

/* Once the vCPU is attached: virtual NMIs where processor and policy have them. */
void guest_nmi_attach(vmm_vm *vm);

/* An exit: an NMI has arrived, or the guest's handler of one has ended. */
void guest_nmi_handled(vmm_vm *vm, const vx_exit *exit, const vx_record *record);

/* Before a VM entry: injects what the guest's APIC has pending, or sees to it that the guest's readiness for it exits.
 * True: for that an interrupt window is needed too. Called before interrupts are injected, which NMIs precede. */
bool guest_nmi_prepare(vmm_vm *vm);

#endif
