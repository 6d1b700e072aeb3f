/* AVIC as the hypervisor uses it: private to the room. */
#ifndef VX_GUEST_AVIC_H
#define VX_GUEST_AVIC_H

#include "vmm_private.h"

/* Once the vCPU is attached: makes the tables, where model, processor and nested paging allow AVIC. */
void guest_avic_attach(vmm_vm *vm);

/* Is it an exit of AVIC's own; and one whose access or command software has to complete? */
bool guest_avic_exit(const vmm_vm *vm, const vx_exit *exit);
bool guest_avic_incomplete(const vmm_vm *vm, const vx_exit *exit);

/* The guest has written a register of its APIC: the logical table follows. */
void guest_avic_wrote(vmm_vm *vm, const vx_record *record);

/* Before a VM entry: true where AVIC delivers the guest's interrupts from then on. It is off while the guest's APIC is
 * in another mode than xAPIC. */
bool guest_avic_prepare(vmm_vm *vm);

#endif
