/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What leaves the plugin: frames down a pipe, each a header, steps, records and payload words, all in the machine's
 * byte order: the reader is on the same machine.
 *
 * A step is 8 bytes, and says what ran: which block of code began, and what its instructions referred to. What a block
 * consists of is told once, when QEMU translates it; the reader makes fetches, loads and stores of both. Events are
 * records of Vexit's trace format (docs/trace-format.md), and a step says where each belongs; where they are small, it
 * is all there is of them.
 *
 * Steps are nearly all of what leaves. Where the reader shares memory they stay there, and the header says in which of
 * its slots; the reader gives a slot back by a byte with its number. */
#ifndef RECORD_STREAM_H
#define RECORD_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Kinds, by their numbers in the trace format. */
enum {
    REC_FETCH = 1,
    REC_LOAD = 2,
    REC_STORE = 3,
    REC_PT_STORE = 4,
    REC_PT_PAGE_NEW = 5,
    REC_PT_PAGE_GONE = 6,
    REC_STATE = 7,
    REC_SKIPPED = 8,
    REC_GPA = 9,
    REC_MARK = 11,
    REC_CR_READ = 16,
    REC_CR_WRITE = 17,
    REC_CLTS = 18,
    REC_LMSW = 19,
    REC_EFER_LOAD = 20,
    REC_PDPTE_LOAD = 21,
    REC_INVLPG = 24,
    REC_INVPCID = 25,
    REC_EXCEPTION = 32,
    REC_INTERRUPT = 33,
    REC_INT_N = 34,
    REC_IRET = 35,
    REC_SYSCALL = 36,
    REC_SYSRET = 37,
    REC_SYSENTER = 38,
    REC_SYSEXIT = 39,
    REC_CPL = 40,
    REC_CPUID = 48,
    REC_HLT = 49,
    REC_PAUSE = 50,
    REC_RDTSC = 51,
    REC_RDTSCP = 52,
    REC_RDPMC = 53,
    REC_INVD = 54,
    REC_WBINVD = 55,
    REC_MONITOR = 56,
    REC_MWAIT = 57,
    REC_XSETBV = 58,
    REC_DR_READ = 59,
    REC_DR_WRITE = 60,
    REC_DESC_TABLE = 61,
    REC_CLI = 62,
    REC_STI = 63,
    REC_PUSHF = 64,
    REC_POPF = 65,
    REC_SWAPGS = 66,
    REC_RDMSR = 67,
    REC_WRMSR = 68,
    REC_IO_IN = 72,
    REC_IO_OUT = 73,
    REC_MMIO_READ = 74,
    REC_MMIO_WRITE = 75,
    REC_APIC_READ = 76,
    REC_APIC_WRITE = 77,
    REC_VMCALL = 80,
    REC_VMMCALL = 81,
    REC_VMX = 82,
    REC_SVM = 83
};

#define GVA_UNKNOWN 0x8000000000000000ULL

typedef struct vxr_record {
    uint64_t addr;
    uint32_t arg;
    uint16_t count;
    uint8_t size, kind;
} vxr_record;

#define FRAME_MAGIC 0x32525856U /* "VXR2" */
enum { FRAME_END = 1 };

typedef struct vxr_frame {
    uint32_t magic, flags, steps, records, words;
    uint32_t slot; /* that holds the steps, + 1; 0: they follow */
} vxr_frame;

/* The low 16 bits of a step say what it is, the others are its operand. */
enum {
    STEP_OPERAND = 16,
    /* A reference, and its address's low 48 bits (from bit 47 on they are all the same, unless STEP_WIDE is before it).
     * Bit 0: a store; 3:1: the logarithm of its bytes; 13:4: which instruction of the running block makes it. All
     * instructions before that one have run. */
    STEP_REFERENCE = 0,
    STEP_INSTRUCTION = 4,
    STEP_BLOCK = 0x4000, /* the block of this number begins; what was left of the one before has run */
    STEP_AGAIN = 0x4001, /* the same, where its first instruction goes on (REP): it is not fetched again */
    STEP_RAN = 0x8000,   /* so many instructions of the running block have run */
    /* So many instructions of the running block have run, and the rest will not. References of instructions behind the
     * next one, just before this step, are not the guest's: QEMU has delivered an exception. */
    STEP_CUT = 0x8001,
    STEP_EVENT = 0x8002, /* the frame's next record */
    STEP_WIDE = 0x8003,  /* bits 63:48 of the next reference's address */
    /* A block that may run from now on: numbered from 0 in the order told. Operand: instructions. Behind it 8 bytes
     * with the first one's linear address, then the instructions' bytes, 4 bits each, 16 in 8 bytes. */
    STEP_DEFINE = 0x8004,
    STEP_SKIPPED = 0x8005, /* without references: so many instructions have run that no step stands for */
    /* An event without payload. Operand: its kind, from STEP_EVENT_SIZE on its size, from STEP_EVENT_ADDRESS on its
     * addr, which has no more than 32 bits. */
    STEP_SMALL_EVENT = 0x8006,
    STEP_EVENT_SIZE = 8,
    STEP_EVENT_ADDRESS = 16
};

enum { STREAM_STEPS = 1 << 15, STREAM_RECORDS = 1 << 14, STREAM_WORDS = 1 << 15, STREAM_MARGIN = 4096 };
enum { DEFINITION_STEPS = 2 + 1024 / 16 };

typedef struct vxr_stream {
    uint64_t *at;          /* where the next step goes, */
    uint64_t *step;        /* and the frame's first: `own`, or a slot */
    uint64_t instructions; /* of the stream so far, the whole running block among them */
    uint32_t ahead;        /* of these: instructions that have not run yet where the next event belongs */
    uint32_t ran;          /* instructions of the running block that are to be told before the next event */
    int fd;
    bool on;                 /* records are wanted */
    bool broken;             /* the reader is gone */
    bool references;         /* blocks and references are wanted too; else instructions are counted */
    uint64_t told;           /* of `instructions`, where references are not wanted: those that records stand for */
    uint64_t pauses, rdtscs; /* runs not yet put, likewise */
    uint64_t run_began;      /* the clock at the first of them */
    uint32_t records, words, flushes, blocks;
    vxr_record record[STREAM_RECORDS];
    uint64_t word[STREAM_WORDS];
    uint64_t *slots; /* shared memory; NULL: none */
    uint32_t slot_count, slot;
    int credit; /* where slots come back */
    uint64_t own[STREAM_STEPS];
} vxr_stream;

/* Empty. `fd`: where frames go. */
void vxr_stream_init(vxr_stream *stream, int fd, bool references);

/* Steps go into memory shared with the reader from now on: `count` slots of STREAM_STEPS each, 255 at most. */
void vxr_stream_share(vxr_stream *stream, void *slots, uint32_t count, int credit);

/* Hands on what is there. `end`: the last frame. */
void vxr_stream_flush(vxr_stream *stream, bool end);

/* Hands on where little room is left. Call between instructions. */
static inline void vxr_stream_breathe(vxr_stream *stream)
{
    if (stream->records > STREAM_RECORDS - STREAM_MARGIN || stream->words > STREAM_WORDS - STREAM_MARGIN ||
        stream->at > stream->step + STREAM_STEPS - STREAM_MARGIN)
        vxr_stream_flush(stream, false);
}

/* One event, with payload, behind the `ran` instructions of the running block. NULL while nothing is wanted. Good until
 * the next call of breathe or flush. */
vxr_record *vxr_stream_event(vxr_stream *stream, unsigned kind, uint64_t addr, unsigned size, const uint64_t *words,
                             unsigned count);

/* The same without payload: mostly a step alone. */
void vxr_stream_small_event(vxr_stream *stream, unsigned kind, uint64_t addr, unsigned size);

/* One PAUSE or RDTSC: without references between them, runs of both become one record each. */
void vxr_stream_run(vxr_stream *stream, unsigned kind);

/* Tells of a block, and gives its number. `bytes`: of its `count` instructions, one after the other, 1 to 15 each. */
uint32_t vxr_stream_define(vxr_stream *stream, uint64_t address, const uint8_t *bytes, uint32_t count);

/* What is left of the running block, behind `ran` instructions, will not run. */
void vxr_stream_cut(vxr_stream *stream, uint32_t ran);

/* Whether a block and its references, as they mostly are, find room. */
static inline bool vxr_stream_has_room(const vxr_stream *stream)
{
    return stream->at <= stream->step + STREAM_STEPS - STREAM_MARGIN;
}

/* `step`: STEP_BLOCK or STEP_AGAIN, and the number. */
static inline void vxr_stream_block(vxr_stream *stream, uint64_t step)
{
    if (!vxr_stream_has_room(stream)) vxr_stream_flush(stream, false);
    *stream->at++ = step;
}

/* A reference, where that takes one step and no more; else false, and nothing is done. `tag`: the step's low bits. */
static inline bool vxr_stream_put_reference(vxr_stream *stream, uint64_t gva, unsigned tag)
{
    bool narrow = (uint64_t)((int64_t)(gva << STEP_OPERAND) >> STEP_OPERAND) == gva;
    if (!narrow || stream->at > stream->step + STREAM_STEPS - 2) return false;
    *stream->at++ = gva << STEP_OPERAND | tag;
    return true;
}

/* Any reference. */
static inline void vxr_stream_reference(vxr_stream *stream, uint64_t gva, unsigned tag)
{
    if (stream->at > stream->step + STREAM_STEPS - 2) vxr_stream_flush(stream, false);
    if (vxr_stream_put_reference(stream, gva, tag)) return;
    *stream->at++ = gva >> 48 << STEP_OPERAND | STEP_WIDE;
    *stream->at++ = gva << STEP_OPERAND | tag;
}

#endif
