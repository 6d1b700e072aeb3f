/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the recorder's files share. */
#ifndef RECORDER_H
#define RECORDER_H

#include "guest_access.h"
#include "instruction_class.h"
#include "instruction_length.h"
#include "interrupt_gates.h"
#include "looked_places.h"
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

/* A translation of QEMU's: instructions that run one after the other. Never freed: QEMU does not say when it forgets
 * one, and its callbacks hold pointers. Small, because one is looked at whenever one runs. */
struct vxr_block {
    uint64_t address;
    uint32_t epoch; /* of the gates when `vector` was looked up */
    int16_t vector; /* whose gate it is; -1: none */
    uint16_t count;
    uint8_t cpl;
    bool full;       /* all its references call back */
    bool repeats;    /* ends with a REP instruction */
    uint32_t number; /* full: what the stream knows it by */
    vxr_insn *insn;
};

/* What QEMU hands over when a block begins, so that a block that needs no look costs no access to memory of its own.
 * Low, where no address of a process has bits: the block's address; or, where the stream has been told of the block,
 * twice its number and one. Above: how many instructions it has, and its calm. That is what the recorder's must be for
 * the block to need no look: CALM_NEVER for the handlers of gates and what ends with a REP instruction, else of the
 * gates' epoch and the privilege level. The recorder's has no other bits. */
typedef uintptr_t vxr_mark;
enum { MARK_COUNT = 48, MARK_CALM = 58, COUNT_MAX = (1 << 10) - 1 };
enum { CALM_NEVER = 0, CALM_EPOCHS = 31, CALM_LOOK = 63 }; /* LOOK: the recorder's, where the next block needs one */
#define MARK_LOW (((vxr_mark)1 << MARK_COUNT) - 1)
#define LOOK ((vxr_mark)CALM_LOOK << MARK_CALM)

/* What QEMU hands over with a reference: the low part of its block's mark, and below it which instruction makes it,
 * where the reference's step has that. */
typedef uintptr_t vxr_site;
enum { SITE_BLOCK = 16, SITE_INDEX = STEP_INSTRUCTION };

static inline vxr_site vxr_site_of(vxr_mark mark, unsigned index)
{
    return mark << SITE_BLOCK | (vxr_site)index << SITE_INDEX;
}

/* Frames of the RAM pages that have been referred to, by linear page as QEMU has it: asking QEMU each time is slow.
 * Emptied when the guest empties its TLB, or may. PAGE_NONE: none. */
enum { FRAMES_KNOWN = 1024 };
#define PAGE_NONE UINT64_MAX
typedef struct vxr_known_frames {
    uint64_t plain[FRAMES_KNOWN]; /* the page where its frame holds no page table and no gates: stores need no look */
    uint64_t page[FRAMES_KNOWN];
    uint64_t frame[FRAMES_KNOWN];
} vxr_known_frames;

/* What QEMU's description of a reference says, by the description: asking QEMU is a call each. The description, and
 * from KIND_TAG on the tag of its step, but for the instruction. */
typedef uint64_t vxr_known_kind;
enum { KINDS_KNOWN = 1 << 12, KIND_TAG = 32 };

/* Memory for good, zeroed, dense with what else of `pool` was asked for; NULL without memory. */
typedef struct vxr_pool {
    char *at;
    size_t left;
} vxr_pool;
void *vxr_pool_take(vxr_pool *pool, size_t bytes);

/* A value that an instruction leaves in a register, known once it is done. */
typedef enum vxr_awaited { AWAIT_NOTHING, AWAIT_REGISTER, AWAIT_EDX_EAX } vxr_awaited;

typedef struct vxr_recorder {
    /* What each block and reference looks at: together, and beside the stream's own. */
    vxr_mark running; /* of the block that runs */
    vxr_mark calm;    /* blocks that have the same begin without a look */
    vxr_mark rounds;  /* begins without a look too: a further round of the REP instruction that it is; 0: none */
    uint64_t linear_mask;
    uint32_t next; /* the running block's first instruction not yet told, references aside; its count: the rest will not
                      run */
    bool with_gpa;
    vxr_stream stream;
    vxr_control control;
    vxr_ram ram;
    vxr_tables tables;
    vxr_gates gates;
    uint64_t gdt, ldt, tss;

    int fd, memory, credit; /* the pipe; memory to share, and where its slots come back: -1 where there is none */
    uint64_t slots;
    bool by_region, want_references;
    uint64_t region, until, max; /* until: the mark that ends the region; 0: the next one */

    bool attached, begun, armed, ended;
    bool full;    /* begun, and references are wanted: what is translated calls back for all of them */
    bool caused;  /* an instruction that changes the control state was told: no STATE for what it does */
    bool changed; /* the control state is to be read again */
    bool leaving; /* the guest may have switched itself off */
    unsigned cpl;
    uint16_t segment_known; /* selector whose code size `bits_known` is; valid where bits_known is not 0 */
    unsigned bits_known;

    vxr_block **told; /* the blocks that the stream has been told of, by number */
    uint32_t told_room;
    unsigned fresh;           /* the epoch of the gates when QEMU last forgot its translations */
    const vxr_insn *repeated; /* the REP instruction whose round was the last thing that ran */
    int software_vector;      /* of an INT n that has not arrived yet; -1: none */

    /* Of code whose references are not wanted (sparse_code.c). */
    vxr_places places;
    uint64_t further_rounds;     /* of REP instructions: QEMU has counted them as instructions */
    uint64_t round_of, round_at; /* the last such instruction that calls back itself, and QEMU's count then */
    qemu_plugin_meminfo_t moved_from, moved_to; /* QEMU's descriptions of the last REP MOVS's load and store; 0: none */
    bool doubted; /* the privilege level may have changed when so many instructions had run */
    uint64_t doubted_at;
    uint64_t began_at; /* the recording, behind so many instructions */
    int64_t left;      /* of `max`, at least */

    vxr_known_frames known;
    vxr_known_kind kinds[KINDS_KNOWN];
    vxr_pool blocks, insns;

    vxr_awaited awaited;
    uint8_t awaited_register, awaited_bytes;
    bool awaited_high;
    uint32_t awaited_flushes;
    uint64_t *awaited_place;
} vxr_recorder;

/* The one there is: QEMU's callbacks find it here. */
extern vxr_recorder vxr_the_recorder;

/* The block of a mark. */
static inline vxr_block *vxr_block_of(const vxr_recorder *recorder, vxr_mark mark)
{
    vxr_mark low = mark & MARK_LOW;
    return low & 1 ? recorder->told[low >> 1] : (vxr_block *)low;
}

/* The block that runs. */
static inline const vxr_block *vxr_running(const vxr_recorder *recorder)
{
    return vxr_block_of(recorder, recorder->running);
}

static inline uint32_t vxr_running_count(const vxr_recorder *recorder)
{
    return recorder->running >> MARK_COUNT & COUNT_MAX;
}

/* The running block's instructions before number `end` have run: what is put into the stream next belongs there. */
static inline void vxr_run_to(vxr_recorder *recorder, uint32_t end)
{
    if (recorder->next >= end) return;
    recorder->next = recorder->stream.ran = end;
    recorder->stream.ahead = vxr_running_count(recorder) - end;
}

/* All of the running block has run. */
static inline void vxr_finish_block(vxr_recorder *recorder) { vxr_run_to(recorder, vxr_running_count(recorder)); }

/* The next block that begins is to be looked at. */
static inline void vxr_look(vxr_recorder *recorder)
{
    recorder->calm = LOOK;
    recorder->rounds = 0;
}

/* What is left of the running block will not run. */
static inline void vxr_cut(vxr_recorder *recorder)
{
    uint32_t count = vxr_running_count(recorder);
    if (recorder->next == count) return;
    vxr_stream_cut(&recorder->stream, recorder->next);
    recorder->stream.instructions -= count - recorder->next;
    recorder->stream.ahead = 0;
    recorder->next = count;
}

/* Reads the control state again, and tells what changed. */
void vxr_take_control(vxr_recorder *recorder);
/* The guest has emptied its TLB, or may have. */
void vxr_forget_frames(vxr_recorder *recorder);
/* Before the first reference. */
void vxr_forget_kinds(vxr_recorder *recorder);
/* It has emptied it of the page, however large, that holds this address. */
void vxr_forget_frames_near(vxr_recorder *recorder, uint64_t address);
/* The recording begins here. */
void vxr_begin(vxr_recorder *recorder);
/* The guest's mark. */
void vxr_marked(vxr_recorder *recorder, uint64_t mark);
/* Whether the recording is to end here: nobody reads it, or the guest has switched itself off. */
bool vxr_is_over(vxr_recorder *recorder);
/* Ends the recording. */
void vxr_end(vxr_recorder *recorder);

/* One option, "name=number"; false where there is none of that name (recorder_options.c). */
bool vxr_take_option(vxr_recorder *recorder, const char *option);

/* Whether an instruction of the class is told as its kind alone (privileged_events.c). */
bool vxr_is_plain_event(vxr_class class);
/* Such an instruction is about to run; another one that is not plain. */
void vxr_plain_event(vxr_recorder *recorder, vxr_class class);
void vxr_privileged(vxr_recorder *recorder, const vxr_insn *insn);
/* Fills in what the last instruction left in registers. */
void vxr_take_awaited(vxr_recorder *recorder);
void vxr_await(vxr_recorder *recorder, vxr_awaited what, unsigned number, unsigned bytes, uint64_t *place);
/* A device access of an instruction (privileged_events.c). */
void vxr_device_access(vxr_recorder *recorder, const vxr_insn *insn, uint64_t gva, unsigned bytes, bool store);
/* Reads the gates again where they have changed, and looks up whose the block is. */
void vxr_look_up(vxr_recorder *recorder, vxr_block *block);
/* A block is translated (translation.c). */
void vxr_translate(vxr_recorder *recorder, struct qemu_plugin_tb *tb);
/* The same of one instruction's references (references.c). `mark`: its block's. */
void vxr_watch_references(vxr_recorder *recorder, struct qemu_plugin_insn *from, const vxr_insn *insn, vxr_mark mark);

/* The block that begins is a gate's handler (arrival.c): an interrupt or exception has arrived. */
void vxr_arrived(vxr_recorder *recorder, int vector);

/* Code whose references are wanted (full_code.c). A block of it is translated: what of it calls back. */
void vxr_watch_full_code(vxr_recorder *recorder, struct qemu_plugin_tb *tb, vxr_block *block);
void vxr_begin_full_code(vxr_recorder *recorder);

/* Code whose references are not wanted (sparse_code.c). A block of it is translated: what of it calls back. */
void vxr_watch_sparse_code(vxr_recorder *recorder, struct qemu_plugin_tb *tb, vxr_block *block);
void vxr_begin_sparse_code(vxr_recorder *recorder);
/* What is told next belongs where all but `ahead` of the running block's instructions have run; or behind this one. */
void vxr_stand(vxr_recorder *recorder, uint32_t ahead);
void vxr_stand_behind(vxr_recorder *recorder, const vxr_insn *insn);
/* Code of this privilege level runs: told where it is another than before. */
void vxr_see_privilege(vxr_recorder *recorder, unsigned cpl);
/* Gates that have changed lead to other blocks. */
void vxr_see_gates(vxr_recorder *recorder);
/* Where the instruction ends its block, the one behind it is looked at. */
void vxr_want_look_behind(vxr_recorder *recorder, const vxr_insn *insn);
/* The instruction at `rip` has been interrupted, or has faulted. Where it is a REP instruction it is not done yet. */
void vxr_round_broken_off(vxr_recorder *recorder, uint64_t rip);

#endif
