/* I/OAT's copy engine (Intel QuickData Technology): a DMA engine of the chipset that copies from memory to memory, so
 * that processors need not.
 *
 * Software puts descriptors into a channel's ring and rings its doorbell; the engine serves the channels in turn, a
 * descriptor at a time, in order within a channel; software polls for what is complete, or asks for one interrupt at
 * the next completion (Linux drivers/dma/ioat: dma.c, ioat_dma_prep_memcpy, ioat_cleanup; registers.h, CHANCTRL and
 * CHANCMP). A process (vx_tick.h) that does one thing a step.
 *
 * NOT MODELLED: bytes of descriptors and data; chains, fences, XOR and RAID operations; direct cache access (DCA);
 * memory bandwidth shared with processors and devices; engines of several devices. */
#ifndef VX_COPY_ENGINE_H
#define VX_COPY_ENGINE_H

#include "vx_arena.h"
#include "vx_config_io.h"
#include "vx_status.h"
#include "vx_tick.h"

typedef struct vx_copy_engine vx_copy_engine;

typedef struct vx_copy_engine_hooks {
    void *context;
    void (*kick)(void *context, const void *process, vx_tick at);
    void (*complete)(void *context, unsigned user, vx_tick now); /* the interrupt that was asked for */
} vx_copy_engine_hooks;

/* Users 0 to users - 1 (a driver's clients): user n has channel n modulo the engine's channels. A user has at most
 * `outstanding` copies. Memory comes from the arena: VX_ERR_NOMEM. VX_ERR_INPUT where the chipset has no engine. */
vx_status vx_copy_engine_init(vx_copy_engine **engine, vx_arena *arena, const vx_cfg_copy_engine *config,
                              uint32_t ticks_per_us, unsigned users, unsigned outstanding,
                              const vx_copy_engine_hooks *hooks, vx_msg *msg);

/* False: the user has as many as it may. */
bool vx_copy_engine_post(vx_copy_engine *engine, unsigned user, uint32_t bytes, vx_tick now);
/* Copies of this user that are complete and have not been taken; takes them. */
unsigned vx_copy_engine_take(vx_copy_engine *engine, unsigned user);
/* One interrupt when the next copy of this user is complete; at once where one is already. */
void vx_copy_engine_notify(vx_copy_engine *engine, unsigned user, vx_tick now);

/* vx_step_fn: completes copies that are due and answers when the next one is; VX_TICK_NEVER: none is in work. */
vx_tick vx_copy_engine_step(void *engine, vx_tick now, vx_tick horizon);

typedef struct vx_copy_engine_counts {
    uint64_t copies, bytes; /* complete */
    uint64_t interrupts;
    vx_tick busy;
} vx_copy_engine_counts;
/* Since construction; valid as long as the engine. `busy` is in ticks. */
const vx_copy_engine_counts *vx_copy_engine_counted(const vx_copy_engine *engine);

#endif
