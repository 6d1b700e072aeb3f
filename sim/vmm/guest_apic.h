/* The software model of a guest's local APIC, as the hypervisor drives it: private to the room. */
#ifndef VX_GUEST_APIC_H
#define VX_GUEST_APIC_H

#include "vmm_private.h"

/* Controls that depend on there being an APIC: the posted-interrupt descriptor and what goes with APICv. Called once
 * the vCPU is attached. */
void guest_apic_attach(vmm_vm *vm);

/* An exit has been handled as far as memory goes, with answer `resume`. Where it is an access to the APIC the access is
 * made on the software model, and the guest goes on behind it; an interrupt that arrived becomes the guest's. Then
 * everything for the next VM entry is decided: injection, window, threshold. */
vx_resume guest_apic_handle(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                            vx_resume resume);

/* An interrupt for a guest that has halted (0: its timer's): requested, and everything for the next VM entry decided.
 */
void guest_apic_wake(vmm_vm *vm, uint8_t vector);

#endif
