/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the recorder's files share. */
#ifndef RECORDER_H
#define RECORDER_H

#include "guest_access.h"
#include "instruction_class.h"
#include "interrupt_gates.h"
#include "page_tables.h"
#include "qemu_interface.h"
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

/* What a reference needs to know of its instruction, apart from the rest: so many instructions of the block have run
 * with it, and `stop` is where it ends. */
typedef struct vxr_site {
    const vxr_block *block;
    uint64_t stop;
    uint32_t count;
} vxr_site;

/* A translation of QEMU's: instructions that run one after the other. Never freed: QEMU does not say when it forgets
 * one, and its callbacks hold pointers. Small, because one is looked at whenever one runs. */
struct vxr_block {
    uint64_t address;
    uint32_t epoch; /* of the gates when `vector` was looked up */
    int16_t vector; /* whose gate it is; -1: none */
    uint16_t bytes, count;
    uint16_t split : 13; /* the first instruction that starts in a further page; count: none */
    uint16_t cpl : 2;
    uint16_t full : 1; /* all its references call back */
    vxr_insn *insn;
};

/* What QEMU hands over when a block begins: its address, with how many instructions it has and its calm in the bits
 * that no address of a process has. So a block that needs no look costs no access to memory of its own, with events
 * alone. Its calm is what the recorder's must be for that: CALM_NEVER for the handlers of gates and what ends with a
 * REP instruction, else of the gates' epoch and the privilege level. */
typedef uintptr_t vxr_mark;
enum { MARK_COUNT = 48, MARK_CALM = 58, COUNT_MAX = (1 << 10) - 1 };
enum { CALM_NEVER = 0, CALM_EPOCHS = 31, CALM_LOOK = 63 }; /* LOOK: the recorder's, where the next block needs one */

static inline vxr_block *vxr_marked_block(vxr_mark mark) { return (vxr_block *)(mark & ((1ULL << MARK_COUNT) - 1)); }

/* Frames of the RAM pages that have been referred to, by linear page: asking QEMU each time is slow. Emptied when
 * the guest empties its TLB, or may. */
enum { FRAMES_KNOWN = 1024 };
typedef struct vxr_known_frame {
    uint64_t page;  /* + 1; 0: none */
    uint64_t plain; /* the same where the frame holds no page table and no gates: stores to it need no look */
    uint64_t frame;
} vxr_known_frame;

/* What QEMU's description of a reference says, by the description: asking QEMU is a call each. */
enum { KINDS_KNOWN = 256 };
typedef struct vxr_known_kind {
    uint64_t info; /* + 1; 0: none */
    uint8_t kind, bytes;
} vxr_known_kind;

/* Memory for good, zeroed, dense with what else of `pool` was asked for; NULL without memory. */
typedef struct vxr_pool {
    char *at;
    size_t left;
} vxr_pool;
void *vxr_pool_take(vxr_pool *pool, size_t bytes);

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

    const vxr_block *block;   /* the one that runs */
    uint32_t count;           /* its instructions */
    uint32_t next;            /* its first instruction not yet told; its count: none, or what is left will not run */
    uint64_t next_address;    /* where that begins; kept where references are wanted */
    unsigned calm;            /* blocks that have the same begin without a look */
    unsigned fresh;           /* the epoch of the gates when QEMU last forgot its translations */
    const vxr_block *rounds;  /* begins without a look too: a further round of the REP instruction that it is */
    uint64_t limit;           /* of instructions: a block that begins behind them is looked at */
    const vxr_insn *repeated; /* the REP instruction whose round was the last thing that ran */
    int software_vector;      /* of an INT n that has not arrived yet; -1: none */

    uint64_t linear_mask;
    vxr_known_frame known[FRAMES_KNOWN];
    vxr_known_kind kinds[KINDS_KNOWN];
    vxr_pool blocks, insns, sites;

    vxr_awaited awaited;
    uint8_t awaited_register, awaited_bytes;
    bool awaited_high;
    uint32_t awaited_flushes;
    uint64_t *awaited_place;
} vxr_recorder;

/* The one there is: QEMU's callbacks find it here. */
extern vxr_recorder vxr_the_recorder;

/* Tells the running block's instructions before number `end`, whose addresses may span pages. */
void vxr_run_across(vxr_recorder *recorder, uint32_t end);

/* The same where references are not wanted: the instructions are counted. */
static inline void vxr_count_to(vxr_recorder *recorder, uint32_t end)
{
    if (recorder->next >= end) return;
    recorder->stream.instructions += end - recorder->next;
    recorder->next = end;
}

/* The same where they are, and are not known to span pages; what is before `stop` then has run. */
static inline void vxr_run_until(vxr_recorder *recorder, uint32_t end, uint64_t stop)
{
    const vxr_block *block = recorder->block;
    uint32_t next = recorder->next;
    if (next >= end) return;
    if (block->split < block->count) {
        vxr_run_across(recorder, end);
        return;
    }
    vxr_stream_fetch(&recorder->stream, recorder->next_address, (uint32_t)(stop - recorder->next_address), end - next);
    recorder->next = end;
    recorder->next_address = stop;
}

static inline void vxr_run_to(vxr_recorder *recorder, uint32_t end)
{
    if (recorder->next >= end) return;
    if (!recorder->stream.references) {
        vxr_count_to(recorder, end);
        return;
    }
    const vxr_insn *last = &recorder->block->insn[end - 1];
    vxr_run_until(recorder, end, last->address + last->size);
}

/* The next block that begins is to be looked at. */
static inline void vxr_look(vxr_recorder *recorder)
{
    recorder->calm = CALM_LOOK;
    recorder->rounds = NULL;
}

/* What is left of the running block will not run. */
static inline void vxr_cut(vxr_recorder *recorder) { recorder->next = recorder->count; }

/* Reads the control state again, and tells what changed. */
void vxr_take_control(vxr_recorder *recorder);
/* The guest has emptied its TLB, or may have. */
void vxr_forget_frames(vxr_recorder *recorder);
/* The guest's mark. */
void vxr_marked(vxr_recorder *recorder, uint64_t mark);
/* Ends the recording. */
void vxr_end(vxr_recorder *recorder);

/* What calls back when the guest runs (recorder.c). */
void vxr_on_block(unsigned vcpu, void *mark);
void vxr_on_privileged(unsigned vcpu, void *insn);
void vxr_on_result(unsigned vcpu, void *insn);

/* An instruction that is not plain is about to run (privileged_events.c). */
void vxr_privileged(vxr_recorder *recorder, const vxr_insn *insn);
/* Fills in what the last instruction left in registers. */
void vxr_take_awaited(vxr_recorder *recorder);
void vxr_await(vxr_recorder *recorder, vxr_awaited what, unsigned number, unsigned bytes, uint64_t *place);
/* A device access of an instruction (privileged_events.c). */
void vxr_device_access(vxr_recorder *recorder, const vxr_insn *insn, uint64_t gva, unsigned bytes, bool store);
/* Reads the gates again where they have changed, and looks up whose the block is. */
void vxr_look_up(vxr_recorder *recorder, vxr_block *block);
/* The calm of a block that runs at the gates' present epoch. */
unsigned vxr_calm_of(const vxr_recorder *recorder, const vxr_block *block);
/* A block is translated: which of its instructions call back, and to what (translation.c). */
void vxr_translate(vxr_recorder *recorder, struct qemu_plugin_tb *tb);
/* The same of one instruction's references (references.c). */
void vxr_watch_references(vxr_recorder *recorder, struct qemu_plugin_insn *from, const vxr_insn *insn);

/* The block that begins is a gate's handler (arrival.c): an interrupt or exception has arrived. */
void vxr_arrived(vxr_recorder *recorder, int vector);

#endif
