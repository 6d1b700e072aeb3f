/* What handlers touch of their own: see handler_touch.c. */
#ifndef HANDLER_TOUCH_H
#define HANDLER_TOUCH_H

#include "vmm_private.h"

/* Sets the handlers' frames aside, from *next_frame on, which moves behind them. */
vx_status handler_touch_init(vx_vmm *vmm, uint64_t *next_frame, vx_msg *msg);

/* Builds the host's page tables for these frames. */
vx_status handler_touch_map(vx_vmm *vmm, uint64_t first_frame, vx_msg *msg);

/* One execution of a handler: touches its lines and charges what that takes to the exit. */
void handler_touch(vmm_vm *vm, const handler_cost *cost, uint32_t reason);

#endif
