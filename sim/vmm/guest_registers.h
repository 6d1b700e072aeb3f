/* What the guest believes its control registers hold, and what a change of them means. */
#ifndef GUEST_REGISTERS_H
#define GUEST_REGISTERS_H

#include "vmm_private.h"

/* What an exiting write changed, in order of weight: each includes what the ones before it ask for. */
typedef enum guest_change {
    GUEST_CHANGE_NONE,
    GUEST_CHANGE_FLUSH, /* cached translations go, the tables mean what they meant (CR4.PGE, CR4.PCIDE) */
    GUEST_CHANGE_ROOT,  /* CR3 */
    GUEST_CHANGE_REGIME /* the same tables mean something else now: paging on or off, mode, WP, SMEP, SMAP, NXE */
} guest_change;

/* STATE: the guest starts or goes on with these. */
void guest_registers_load(vmm_vm *vm, const vx_registers *guest);

/* Performs on vm->guest what an exiting MOV to CR, CLTS, LMSW or load of EFER asks for, and keeps the read shadows at
 * what the guest wrote (SDM Vol. 3C 24.6.6), so that the next write exits only where it changes a bit the host owns. */
guest_change guest_registers_write(vmm_vm *vm, const vx_record *record);

#endif
