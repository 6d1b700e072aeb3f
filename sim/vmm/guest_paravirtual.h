/* KVM's para-virtual EOI and its patching of instructions that write the TPR: private to the room. */
#ifndef VX_GUEST_PARAVIRTUAL_H
#define VX_GUEST_PARAVIRTUAL_H

#include "vmm_private.h"

void guest_paravirtual_attach(vmm_vm *vm);

/* An exit: what the guest has done to the shared words since the entry, before anything else looks at its APIC. */
void guest_paravirtual_handled(vmm_vm *vm);
/* A WRMSR that exited may be the guest's agreement to para-virtual EOI. */
void guest_paravirtual_agree(vmm_vm *vm, const vx_record *record, const uint64_t *payload);
/* An access to the APIC has been emulated: its instruction may be one to patch. */
void guest_paravirtual_patch(vmm_vm *vm, const vx_record *record);
/* An interrupt has gone into service, or one has been dismissed. */
void guest_paravirtual_service(vmm_vm *vm, bool begins);

/* Before a VM entry, once its interrupts are decided. `by_processor`: it delivers them, and dismisses them. */
void guest_paravirtual_prepare(vmm_vm *vm, bool by_processor);

#endif
