/* A clock of two processes, a card and its wire, for tests that look at nothing else. */
#ifndef CARD_AND_WIRE_H
#define CARD_AND_WIRE_H

#include "vx_dev.h"

static vx_nic *nic;
static vx_wire *wire;
static vx_tick due[2]; /* of the card, of the wire */

/* vx_dev_hooks.kick */
static void kick(void *context, const void *process, vx_tick at)
{
    (void)context;
    vx_tick *mine = &due[process == wire];
    if (at < *mine) *mine = at;
}

static void run_until(vx_tick end)
{
    for (;;) {
        unsigned which = due[1] < due[0];
        vx_tick now = due[which];
        if (now >= end) return;
        due[which] = VX_TICK_NEVER;
        vx_tick next = which ? vx_wire_step(wire, now, now) : vx_nic_step(nic, now, now);
        if (next < due[which]) due[which] = next;
    }
}

#endif
