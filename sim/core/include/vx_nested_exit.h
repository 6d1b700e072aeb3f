/* What comes of a guest-physical access that EPT does not let through: an exit with all its information, or a
 * virtualization exception.
 *
 * Sources: SDM Vol. 3C 25.5.7 (virtualization exceptions), 27.2 (information), 28.2.3, 28.2.4, 28.2.6. (Chapter
 * numbers: see vx_vmcs.h.)
 *
 * NOT MODELLED: accesses of Intel PT, PEBS and user-interrupt delivery (bit 16 of the qualification is 0), shadow
 * stacks that become prematurely busy. */
#ifndef VX_NESTED_EXIT_H
#define VX_NESTED_EXIT_H

#include "vx_guest_event.h"
#include "vx_mmu.h"
#include "vx_physmem.h"
#include "vx_vmcs.h"

/* The processor's answer to a translation that ended in NESTED_FAULT, EPT_MISCONFIG, PML_FULL or SPP_EVENT. EXIT: *exit
 * is complete. FAULT: a convertible EPT violation has become a virtualization exception (#VE, vector 20), its
 * information area in `memory` is written, and the exception bitmap lets it through to the guest: exit->interruption
 * says so. */
vx_outcome vx_vmcs_nested_exit(const vx_vmcs *vmcs, const vx_exit_context *context, vx_physmem *memory,
                               vx_mmu_result result, const vx_mmu_fault *fault, vx_exit *exit);

#endif
