/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What leaves the plugin: records in frames, down a pipe.
 *
 * A frame is a header of 16 bytes (magic, records, payload words, flags), then the records and the words, all in the
 * machine's byte order: the reader is on the same machine. Record kinds and their operands are those of Vexit's trace
 * format (docs/trace-format.md). */
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

#define FRAME_MAGIC 0x31525856U /* "VXR1" */
enum { FRAME_END = 1 };

typedef struct vxr_frame {
    uint32_t magic, records, words, flags;
} vxr_frame;

enum { STREAM_RECORDS = 1 << 14, STREAM_WORDS = 1 << 15, STREAM_MARGIN = 4096 };

typedef struct vxr_stream {
    int fd;
    bool on;                 /* records are wanted */
    bool broken;             /* the reader is gone */
    bool references;         /* fetches, loads and stores are wanted too; else instructions are counted */
    bool counting;           /* the last record is a FETCH that may grow */
    uint64_t told;           /* of `instructions`, where references are not wanted: those that records stand for */
    uint64_t pauses, rdtscs; /* runs not yet put, likewise */
    uint64_t run_began;      /* the clock at the first of them */
    uint64_t instructions;   /* of the stream so far */
    uint32_t records, words, flushes;
    vxr_record record[STREAM_RECORDS];
    uint64_t word[STREAM_WORDS];
} vxr_stream;

/* Hands on what is there. `end`: the last frame. */
void vxr_stream_flush(vxr_stream *stream, bool end);

/* Hands on where little room is left. Call between instructions. */
static inline void vxr_stream_breathe(vxr_stream *stream)
{
    if (stream->records > STREAM_RECORDS - STREAM_MARGIN || stream->words > STREAM_WORDS - STREAM_MARGIN)
        vxr_stream_flush(stream, false);
}

/* One event, with payload. NULL while nothing is wanted. Good until the next call of breathe or flush. */
vxr_record *vxr_stream_event(vxr_stream *stream, unsigned kind, uint64_t addr, unsigned size, const uint64_t *words,
                             unsigned count);

/* One PAUSE or RDTSC: without references between them, runs of both become one record each. */
void vxr_stream_run(vxr_stream *stream, unsigned kind);

/* Instructions back to back that all start in one 4 KiB page. */
static inline void vxr_stream_fetch(vxr_stream *stream, uint64_t addr, uint32_t bytes, uint32_t count)
{
    if (!stream->on) return;
    stream->instructions += count;
    if (!stream->references) return;
    if (stream->counting) {
        vxr_record *last = &stream->record[stream->records - 1];
        if (last->addr + last->arg == addr && (last->addr ^ addr) < 4096 && last->count + count <= UINT16_MAX) {
            last->arg += bytes;
            last->count = (uint16_t)(last->count + count);
            return;
        }
    }
    if (stream->records == STREAM_RECORDS) vxr_stream_flush(stream, false);
    stream->record[stream->records++] =
        (vxr_record){.addr = addr, .arg = bytes, .count = (uint16_t)count, .kind = REC_FETCH};
    stream->counting = true;
}

static inline void vxr_stream_reference(vxr_stream *stream, unsigned kind, uint64_t addr, unsigned size)
{
    if (!stream->on || !stream->references) return;
    if (stream->records == STREAM_RECORDS) vxr_stream_flush(stream, false);
    stream->record[stream->records++] =
        (vxr_record){.addr = addr, .count = 1, .size = (uint8_t)size, .kind = (uint8_t)kind};
    stream->counting = false;
}

#endif
