/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where interrupts and exceptions arrive: the addresses that the interrupt descriptor table names. */
#ifndef INTERRUPT_GATES_H
#define INTERRUPT_GATES_H

#include "guest_access.h"

enum { GATE_SLOTS = 1024, GATES_BYTES = 4096 };

typedef struct vxr_gates {
    const vxr_control *control;
    const vxr_ram *ram;
    uint64_t base;
    uint32_t limit;
    uint64_t page[2];           /* physical pages of the table, UINT64_MAX: none */
    bool stale;                 /* to be read again before its next use */
    unsigned epoch;             /* counts changes: what was looked up before may not hold any more */
    uint8_t table[GATES_BYTES]; /* as last read; `bytes` of it, gates of `width` */
    size_t bytes;
    unsigned width;
    struct {
        uint64_t address;
        int vector;
    } slot[GATE_SLOTS];
} vxr_gates;

void vxr_gates_init(vxr_gates *gates, const vxr_control *control, const vxr_ram *ram);
/* LIDT, or what the start of the recording finds. */
void vxr_gates_set(vxr_gates *gates, uint64_t base, uint32_t limit);
/* Reads the table if it has changed. */
void vxr_gates_refresh(vxr_gates *gates);
/* The lowest vector whose handler begins at this linear address; -1: none. */
int vxr_gates_vector(const vxr_gates *gates, uint64_t address);

static inline bool vxr_gates_hold(const vxr_gates *gates, uint64_t gpa)
{
    return gpa >> 12 == gates->page[0] || gpa >> 12 == gates->page[1];
}

#endif
