/* DynamoRIO drmemtrace offline traces (DynamoRIO, clients/drcachesim/common/trace_entry.h, format versions 1 to 7):
 * little-endian entries of 12 bytes, {u16 type, u16 size, u64 address}, plain or packed, one thread or core a file.
 *
 * Taken: instruction fetches of all types, bundles, loads, stores, and the process of the thread that runs (a process
 * record where it changes). Kernel code that a trace holds (system calls, context switches) stands between records of
 * privilege level 0 and 3. Passed over: software and hardware prefetches, cache flushes, instruction bytes, other
 * markers, and "no fetch" entries (further rounds of a REP string instruction, which fetch nothing).
 *
 * A load or store of size 0 (the tracer did not know) stands as 1 byte.
 *
 * NOT MODELLED: other architectures than x86 are refused; physical-address markers are passed over. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "importers.h"

enum {
    ENTRY_BYTES = 12,
    BUNDLE_MAX = 8, /* instruction lengths in one entry's address field */
    VERSION_MAX = 7,
    HEAD_ENTRIES = 64, /* how far the head of a file is searched for its file type */
    THREADS_MAX = 4096,
    RESERVE_RECORDS = VX_IMPORT_BATCH_RECORDS + 2 + (UINT16_MAX + 1) / VX_IMPORT_REFERENCE_BYTES,
};

/* trace_entry.h: trace_type_t */
enum {
    TYPE_READ = 0,
    TYPE_WRITE = 1,
    TYPE_INSTR = 10, /* to 16: kinds of jumps, calls, returns */
    TYPE_INSTR_RETURN = 16,
    TYPE_INSTR_BUNDLE = 17,
    TYPE_THREAD = 22,
    TYPE_PID = 24,
    TYPE_HEADER = 25,
    TYPE_FOOTER = 26,
    TYPE_MARKER = 28,
    TYPE_INSTR_NO_FETCH = 29,
    TYPE_INSTR_MAYBE_FETCH = 30,
    TYPE_INSTR_SYSENTER = 31,
    TYPE_INSTR_TAKEN_JUMP = 48,
    TYPE_INSTR_UNTAKEN_JUMP = 49,
    TYPE_LAST = TYPE_INSTR_UNTAKEN_JUMP,
};

/* trace_entry.h: trace_marker_type_t */
enum {
    MARKER_FILETYPE = 9,
    MARKER_SYSCALL_TRACE_START = 27,
    MARKER_SYSCALL_TRACE_END = 28,
    MARKER_CONTEXT_SWITCH_START = 34,
    MARKER_CONTEXT_SWITCH_END = 35,
};

/* trace_entry.h: offline_file_type_t */
enum {
    FILE_FILTERED = 0x01,
    FILE_AARCH64 = 0x08,
    FILE_ARM32 = 0x10,
    FILE_IFILTERED = 0x80,
    FILE_DFILTERED = 0x100,
};

typedef struct dr_entry {
    uint16_t type, size;
    uint64_t addr;
} dr_entry;

typedef struct dr_thread {
    uint64_t tid, pid;
} dr_thread;

typedef struct dr_source {
    vx_source source;
    vx_input *input;
    vx_import_batch batch;
    dr_thread *threads; /* an entry names the process only once for each thread */
    size_t thread_count, thread_capacity;
    uint64_t tid, pid;
    bool has_pid, footed, in_kernel;
    uint64_t next_pc; /* where a bundle goes on */
    uint64_t last_pc;
    bool has_pc;
} dr_source;

static dr_entry entry_at(const uint8_t *bytes)
{
    dr_entry entry = {(uint16_t)(bytes[0] | bytes[1] << 8), (uint16_t)(bytes[2] | bytes[3] << 8), 0};
    for (int i = ENTRY_BYTES - 1; i >= 4; i--) entry.addr = entry.addr << 8 | bytes[i];
    return entry;
}

static vx_status fault_at(const dr_source *dr, uint64_t offset, const char *what, vx_msg *msg)
{
    return vx_fail(msg, VX_ERR_INPUT, "%s: byte %" PRIu64 ": %s", dr->input->name, offset, what);
}

static vx_status fault(const dr_source *dr, const char *what, vx_msg *msg)
{
    return fault_at(dr, vx_input_offset(dr->input), what, msg);
}

static void put_process(dr_source *dr, uint64_t pid)
{
    if (dr->has_pid && dr->pid == pid) return;
    vx_import_event(&dr->batch, VX_REC_PROCESS, pid, 0, NULL, 0);
    dr->has_pid = true;
    dr->pid = pid;
}

static dr_thread *find_thread(const dr_source *dr, uint64_t tid)
{
    for (size_t i = 0; i < dr->thread_count; i++) {
        if (dr->threads[i].tid == tid) return &dr->threads[i];
    }
    return NULL;
}

static void read_thread(dr_source *dr, uint64_t tid)
{
    dr->tid = tid;
    const dr_thread *thread = find_thread(dr, tid);
    if (thread) put_process(dr, thread->pid);
}

static vx_status read_pid(dr_source *dr, uint64_t pid, vx_msg *msg)
{
    dr_thread *thread = find_thread(dr, dr->tid);
    if (!thread) {
        if (dr->thread_count == dr->thread_capacity) {
            if (dr->thread_count == THREADS_MAX) return fault(dr, "more than 4096 threads", msg);
            size_t larger = dr->thread_capacity ? 2 * dr->thread_capacity : 64;
            dr_thread *moved = realloc(dr->threads, larger * sizeof *moved);
            if (!moved) return vx_fail_nomem(msg);
            dr->threads = moved;
            dr->thread_capacity = larger;
        }
        thread = &dr->threads[dr->thread_count++];
        thread->tid = dr->tid;
    }
    thread->pid = pid;
    put_process(dr, pid);
    return VX_OK;
}

static vx_status read_fetch(dr_source *dr, uint64_t pc, unsigned bytes, vx_msg *msg)
{
    if (bytes == 0) return VX_OK; /* only names the instruction of the next reference, in filtered traces */
    if (bytes > VX_IMPORT_INSTRUCTION_BYTES) return fault(dr, "an instruction of more than 15 bytes", msg);
    if (!vx_import_address_valid(pc)) return fault(dr, "the instruction's address is not canonical", msg);
    vx_import_fetch(&dr->batch, pc, bytes);
    dr->next_pc = pc + bytes;
    dr->last_pc = pc;
    dr->has_pc = true;
    return VX_OK;
}

/* The lengths of up to 8 instructions that follow the last one. */
static vx_status read_bundle(dr_source *dr, const dr_entry *entry, vx_msg *msg)
{
    if (!dr->has_pc) return fault(dr, "a bundle of instructions follows no instruction", msg);
    if (entry->size > BUNDLE_MAX) return fault(dr, "a bundle of more than 8 instructions", msg);
    for (unsigned i = 0; i < entry->size; i++) {
        vx_status status = read_fetch(dr, dr->next_pc, (unsigned)(entry->addr >> 8 * i & 0xFF), msg);
        if (status) return status;
    }
    return VX_OK;
}

static vx_status read_reference(dr_source *dr, const dr_entry *entry, vx_msg *msg)
{
    if (!vx_import_address_valid(entry->addr)) return fault(dr, "the reference's address is not canonical", msg);
    vx_record_kind kind = entry->type == TYPE_READ ? VX_REC_LOAD : VX_REC_STORE;
    vx_import_references(&dr->batch, kind, entry->addr, entry->size ? entry->size : 1);
    return VX_OK;
}

static void put_cpl(dr_source *dr, bool kernel)
{
    if (dr->in_kernel == kernel) return;
    vx_import_event(&dr->batch, VX_REC_CPL, 0, kernel ? 0 : 3, NULL, 0);
    dr->in_kernel = kernel;
}

static void read_marker(dr_source *dr, unsigned marker)
{
    if (marker == MARKER_SYSCALL_TRACE_START || marker == MARKER_CONTEXT_SWITCH_START) put_cpl(dr, true);
    if (marker == MARKER_SYSCALL_TRACE_END || marker == MARKER_CONTEXT_SWITCH_END) put_cpl(dr, false);
}

static bool is_fetch(unsigned type)
{
    return (type >= TYPE_INSTR && type <= TYPE_INSTR_RETURN) || type == TYPE_INSTR_SYSENTER ||
           type == TYPE_INSTR_TAKEN_JUMP || type == TYPE_INSTR_UNTAKEN_JUMP;
}

static vx_status read_entry(dr_source *dr, const dr_entry *entry, vx_msg *msg)
{
    if (is_fetch(entry->type)) return read_fetch(dr, entry->addr, entry->size, msg);
    switch (entry->type) {
    case TYPE_READ:
    case TYPE_WRITE:
        return read_reference(dr, entry, msg);
    case TYPE_INSTR_MAYBE_FETCH: /* a fetch, unless it is the next round of the same instruction */
        if (dr->has_pc && dr->last_pc == entry->addr) return VX_OK;
        return read_fetch(dr, entry->addr, entry->size, msg);
    case TYPE_INSTR_BUNDLE:
        return read_bundle(dr, entry, msg);
    case TYPE_THREAD:
        read_thread(dr, entry->addr);
        return VX_OK;
    case TYPE_PID:
        return read_pid(dr, entry->addr, msg);
    case TYPE_MARKER:
        read_marker(dr, entry->size);
        return VX_OK;
    case TYPE_HEADER:
        dr->footed = false;
        return VX_OK;
    case TYPE_FOOTER: /* also in the middle, where traces were joined */
        dr->footed = true;
        return VX_OK;
    default:
        return entry->type <= TYPE_LAST ? VX_OK : fault(dr, "unknown entry type", msg);
    }
}

/* Reads entries that are whole in the window until the batch is full. */
static vx_status read_entries(dr_source *dr, bool *ended, vx_msg *msg)
{
    vx_input *input = dr->input;
    while (!vx_import_batch_full(&dr->batch)) {
        vx_status status = vx_input_need(input, ENTRY_BYTES, msg);
        if (status) return status;
        *ended = vx_input_left(input) == 0;
        if (*ended) return dr->footed ? VX_OK : fault(dr, "the trace ends without a footer: the file is cut", msg);
        if (vx_input_left(input) < ENTRY_BYTES) return fault(dr, "the last entry is cut", msg);
        dr_entry entry = entry_at(input->at);
        status = read_entry(dr, &entry, msg);
        if (status) return status;
        input->at += ENTRY_BYTES;
    }
    return VX_OK;
}

static vx_status dr_next(vx_source *source, vx_batch *out, vx_msg *msg)
{
    dr_source *dr = (dr_source *)source;
    vx_status status = vx_import_batch_begin(&dr->batch, RESERVE_RECORDS, 0, msg);
    if (status) return status;
    bool ended = false;
    status = read_entries(dr, &ended, msg);
    if (status) return status;
    vx_import_batch_emit(&dr->batch, ended, out);
    return VX_OK;
}

static void dr_close(vx_source *source)
{
    dr_source *dr = (dr_source *)source;
    vx_import_batch_fini(&dr->batch);
    vx_input_close(dr->input);
    free(dr->threads);
    free(dr);
}

/* What the head of the file says of its whole. Files of version 1 have no file type. */
static vx_status read_head(dr_source *dr, vx_msg *msg)
{
    const vx_input *input = dr->input;
    size_t entries = vx_input_left(input) / ENTRY_BYTES;
    dr_entry header = entries > 0 ? entry_at(input->at) : (dr_entry){0};
    if (header.type != TYPE_HEADER || header.size != 0)
        return vx_fail(msg, VX_ERR_INPUT, "%s: byte 0: not a drmemtrace file: it does not begin with a header entry%s",
                       input->name, vx_import_hint(input->at, vx_input_left(input), "drmemtrace"));
    if (header.addr < 1 || header.addr > VERSION_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "%s: byte 4: drmemtrace version %" PRIu64 "; versions 1 to 7 are known",
                       input->name, header.addr);
    bool filtered = false;
    for (size_t i = 1; i < entries && i < HEAD_ENTRIES; i++) {
        dr_entry entry = entry_at(input->at + i * ENTRY_BYTES);
        if (entry.type != TYPE_MARKER || entry.size != MARKER_FILETYPE) continue;
        if (entry.addr & (FILE_AARCH64 | FILE_ARM32))
            return fault_at(dr, i * ENTRY_BYTES, "the trace was not recorded on x86", msg);
        filtered = (entry.addr & (FILE_FILTERED | FILE_IFILTERED | FILE_DFILTERED)) != 0;
        break;
    }
    char recipe[256];
    snprintf(recipe, sizeof recipe, "imported from DynamoRIO drmemtrace version %" PRIu64 "%s", header.addr,
             filtered ? "; filtered while recording, by cache lines: approximate" : "");
    vx_import_user_header(&dr->source.header, recipe);
    if (filtered) dr->source.header.tier = VX_TIER_FILTERED;
    return VX_OK;
}

vx_status vx_import_drmemtrace(vx_source **source, vx_input *input, vx_msg *msg)
{
    static const vx_source_ops ops = {dr_next, dr_close};
    dr_source *dr = calloc(1, sizeof *dr);
    if (!dr) {
        vx_input_close(input);
        return vx_fail_nomem(msg);
    }
    dr->source.ops = &ops;
    dr->input = input;
    vx_status status = read_head(dr, msg);
    if (status) {
        dr_close(&dr->source);
        return status;
    }
    *source = &dr->source;
    return VX_OK;
}
