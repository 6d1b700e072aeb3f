/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the recorder's files share. */
#ifndef RECORDER_H
#define RECORDER_H

#include "guest_access.h"
#include "instruction_class.h"
#include "interrupt_gates.h"
#include "page_tables.h"
#include "record_stream.h"

typedef struct vxr_block vxr_block;

typedef struct vxr_insn {
    vxr_block *block;
    uint64_t address;
    uint16_t index;
    uint8_t size;
    uint8_t bytes[15];
    vxr_instruction decoded;
} vxr_insn;

/* A translation of QEMU's: instructions that run one after the other. Never freed: QEMU does not say when it forgets
 * one, and its callbacks hold pointers. */
struct vxr_block {
    uint64_t address, end;
    uint32_t count;
    uint32_t split; /* the first instruction that starts in a further page; count: none */
    unsigned cpl, bits;
    bool full;      /* all its references call back */
    unsigned epoch; /* of the gates when `vector` was looked up */
    int vector;
    vxr_insn insn[];
};

/* Frames of the RAM pages that have been referred to, by linear page: asking QEMU each time is slow. Emptied when
 * the guest empties its TLB, or may. */
enum { FRAMES_KNOWN = 1024 };
typedef struct vxr_known_frame {
    uint64_t page, frame; /* page + 1; 0: none */
} vxr_known_frame;

/* A value that an instruction leaves in a register, known once it is done. */
typedef enum vxr_awaited { AWAIT_NOTHING, AWAIT_REGISTER, AWAIT_EDX_EAX } vxr_awaited;

typedef struct vxr_recorder {
    vxr_stream stream;
    vxr_control control;
    vxr_ram ram;
    vxr_tables tables;
    vxr_gates gates;
    uint64_t gdt, ldt, tss;

    bool with_gpa, by_region, want_references;
    uint64_t region, until, max; /* until: the mark that ends the region; 0: the next one */

    bool attached, begun, armed, ended;
    bool caused;  /* an instruction that changes the control state was told: no STATE for what it does */
    bool changed; /* the control state is to be read again */
    unsigned cpl;
    uint16_t segment_known; /* selector whose code size `bits_known` is; valid where bits_known is not 0 */
    unsigned bits_known;

    const vxr_block *block;   /* the one that runs; NULL: none yet */
    uint32_t next;            /* its first instruction not yet told */
    bool cut;                 /* what is left of it will not run */
    const vxr_insn *repeated; /* the REP instruction whose round was the last thing that ran */
    int software_vector;      /* of an INT n that has not arrived yet; -1: none */

    vxr_known_frame known[FRAMES_KNOWN];

    vxr_awaited awaited;
    uint8_t awaited_register, awaited_bytes;
    bool awaited_high;
    uint32_t awaited_flushes;
    uint64_t *awaited_place;
} vxr_recorder;

/* Tells the running block's instructions before number `end`. */
static inline void vxr_run_to(vxr_recorder *recorder, uint32_t end)
{
    const vxr_block *block = recorder->block;
    while (recorder->next < end) {
        uint32_t stop = recorder->next < block->split && block->split < end ? block->split : end;
        const vxr_insn *first = &block->insn[recorder->next], *last = &block->insn[stop - 1];
        uint32_t count = stop - recorder->next;
        recorder->next = stop;
        vxr_stream_fetch(&recorder->stream, first->address, (uint32_t)(last->address + last->size - first->address),
                         count);
    }
}
/* Reads the control state again, and tells what changed. */
void vxr_take_control(vxr_recorder *recorder);
/* The guest has emptied its TLB, or may have. */
void vxr_forget_frames(vxr_recorder *recorder);
/* The guest's mark. */
void vxr_marked(vxr_recorder *recorder, uint64_t mark);
/* Ends the recording. */
void vxr_end(vxr_recorder *recorder);

/* An instruction that is not plain is about to run (privileged_events.c). */
void vxr_privileged(vxr_recorder *recorder, const vxr_insn *insn);
/* Fills in what the last instruction left in registers. */
void vxr_take_awaited(vxr_recorder *recorder);
void vxr_await(vxr_recorder *recorder, vxr_awaited what, unsigned number, unsigned bytes, uint64_t *place);
/* A device access of an instruction (privileged_events.c). */
void vxr_device_access(vxr_recorder *recorder, const vxr_insn *insn, uint64_t gva, unsigned bytes, bool store);
/* The block that begins is a gate's handler (arrival.c): an interrupt or exception has arrived. */
void vxr_arrived(vxr_recorder *recorder, int vector);

#endif
