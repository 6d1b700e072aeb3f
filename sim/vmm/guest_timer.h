/* The timer of a guest's APIC, as the hypervisor emulates it: private to the room. */
#ifndef VX_GUEST_TIMER_H
#define VX_GUEST_TIMER_H

#include "vmm_private.h"

/* An exit of a guest with an APIC: what is due of its timer signals. */
void guest_timer_handled(vmm_vm *vm, const vx_exit *exit);

/* Before a VM entry: the processor is told when the guest's timer is due next. */
void guest_timer_prepare(vmm_vm *vm);

#endif
