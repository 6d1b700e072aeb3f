/* Traces: the .vxt container, and anything else that yields batches of records.
 *
 * A source is where records come from: a .vxt file, an importer's input, a generator. All are read the same way, in
 * bounded memory. docs/trace-format.md describes the bytes. */
#ifndef VX_TRACE_H
#define VX_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "vx_paging.h"
#include "vx_record.h"
#include "vx_status.h"

/* ---- what a trace says about itself ---- */

typedef enum vx_tier { VX_TIER_FULL = 'F', VX_TIER_FILTERED = 'S', VX_TIER_EVENTS = 'E' } vx_tier;

typedef enum vx_trace_kind {
    VX_TRACE_USER,   /* user-level references only: a modelled guest OS supplies paging */
    VX_TRACE_SYSTEM, /* a whole guest with its page tables and events */
    VX_TRACE_DMA     /* devices' accesses */
} vx_trace_kind;

enum { VX_TRACE_RAM_RANGES = 16, VX_TRACE_RECIPE = 4096 };

typedef struct vx_trace_header {
    vx_tier tier;
    vx_trace_kind kind;
    vx_paging_mode paging; /* at the start */
    uint32_t filter_sets;  /* tier S: sets of the direct-mapped filter; 0: another filter, which the recipe
                              names (a replay is then exact for no TLB). Other tiers: 0 */
    uint64_t references;   /* originally, before any filter; 0: not known until the end */
    uint64_t features;     /* bits as the guest saw them: 1 PGE, 2 PCID, 4 SMEP, 8 SMAP, 16 NX, 32 KPTI */
    uint32_t ram_ranges;
    struct {
        uint64_t gpa, bytes;
    } ram[VX_TRACE_RAM_RANGES];
    char recipe[VX_TRACE_RECIPE]; /* how it was made: command, versions, seed; UTF-8, terminated */
} vx_trace_header;

/* Totals over a whole stream; the container stores them in its index, so that `info` need not decode. */
typedef struct vx_trace_totals {
    uint64_t instructions, fetches, loads, stores; /* with the SKIPPED ones */
    uint64_t records;
    uint64_t by_kind[VX_REC_KINDS];
} vx_trace_totals;

/* Adds records of one batch to the totals. */
void vx_trace_totals_add(vx_trace_totals *totals, const vx_record *records, size_t count, const uint64_t *payload);

/* ---- sources ---- */

typedef struct vx_source vx_source;

/* The operations of a source; a source's own struct begins with vx_source. */
typedef struct vx_source_ops {
    /* Fills `batch`; count 0 at the end. On an error the batch is untouched. */
    vx_status (*next)(vx_source *source, vx_batch *batch, vx_msg *msg);
    void (*close)(vx_source *source);
} vx_source_ops;

struct vx_source {
    const vx_source_ops *ops;
    vx_trace_header header; /* valid after opening */
};

/* The next records, valid until the next call; count 0: the end. Errors are the source's (VX_ERR_INPUT with the place,
 * VX_ERR_IO, VX_ERR_NOMEM), and leave *batch untouched. */
static inline vx_status vx_source_next(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    return source->ops->next(source, batch, msg);
}
/* NULL is fine. The batch given last is gone. */
static inline void vx_source_close(vx_source *source)
{
    if (source) source->ops->close(source);
}

/* ---- the container ---- */

typedef struct vx_trace_options {
    uint32_t stream;            /* which vCPU's stream */
    bool whole_chunks;          /* a cut or damaged file is read up to its last whole chunk, not refused */
    uint64_t skip_instructions; /* leaves out the records that stand within them; whole chunks of them are not read */
} vx_trace_options;

/* What a batch of a .vxt file's records holds at most. */
enum { VX_TRACE_BATCH_RECORDS = 8192 + 255, VX_TRACE_BATCH_WORDS = 8192 + 4096 };

/* Opens one stream of a .vxt file. A file that is not one, is cut, or whose checksums fail is VX_ERR_INPUT naming the
 * offset; VX_ERR_IO where it cannot be opened or read. options may be NULL. */
vx_status vx_trace_open(vx_source **source, const char *path, const vx_trace_options *options, vx_msg *msg);

/* From the index, without decoding. A file without its index (`complete` false, read with whole_chunks) has only
 * instructions and records in its totals. */
typedef struct vx_trace_info {
    vx_trace_header header;
    vx_trace_totals totals;         /* of the chosen stream */
    uint64_t file_bytes, raw_bytes; /* compressed, decoded by zstd */
    uint32_t streams, chunks;
    uint64_t hash; /* XXH3 over header and chunk headers, which hold the chunks' checksums: the trace's identity */
    bool complete; /* has its index and end mark */
} vx_trace_info;
/* Fails as vx_trace_open does, and where the file has no such stream. options may be NULL. */
vx_status vx_trace_info_read(const char *path, const vx_trace_options *options, vx_trace_info *info, vx_msg *msg);

typedef struct vx_trace_writer vx_trace_writer;

typedef struct vx_trace_write_options {
    int zstd_level;         /* 1 to 22; 0: default */
    uint32_t chunk_records; /* 0: default */
    /* Told now and then how far writing is (the stream's totals so far); false stops it: VX_ERR_INTERRUPTED. NULL:
     * none. */
    bool (*progress)(void *context, const vx_trace_totals *written);
    void *progress_context;
    /* vx_trace_copy and vx_trace_repack: make this tier of a full trace; 0: leave it. The filter's sets, for tier S: 1
     * to 2^20. */
    vx_tier tier;
    uint32_t filter_sets;
    /* vx_trace_copy: where it fails on the way, keep what is whole under `path` (readable with whole_chunks). */
    bool keep_whole_chunks;
} vx_trace_write_options;

/* Writes to a file of its own beside `path` and renames on finish, so that a failed import leaves nothing behind. A
 * link to a file stays one; what is no regular file is VX_ERR_IO, not replaced. options may be NULL. */
vx_status vx_trace_writer_open(vx_trace_writer **writer, const char *path, const vx_trace_header *header,
                               const vx_trace_write_options *options, vx_msg *msg);

/* Appends records to a stream (0 unless several vCPUs). record->arg of events indexes `payload`. Invalid records are
 * VX_ERR_INPUT. */
vx_status vx_trace_writer_put(vx_trace_writer *writer, uint32_t stream, const vx_batch *batch, vx_msg *msg);

/* Completes the file (index, end mark, fsync, rename) and frees the writer, whatever the outcome. */
vx_status vx_trace_writer_finish(vx_trace_writer *writer, vx_msg *msg);

/* Puts the file in its place as it is, without an index, up to its last whole chunk, and frees the writer: what is left
 * to do where writing has failed (a full disk). vx_trace_open reads it with whole_chunks. VX_ERR_INPUT, and no file,
 * where it has no chunk. */
vx_status vx_trace_writer_keep(vx_trace_writer *writer, vx_msg *msg);

/* Throws away what was written and frees the writer. NULL is fine. */
void vx_trace_writer_abandon(vx_trace_writer *writer);

/* Copies a source to a file; the everyday import. Records that stand within the first `skip_instructions` are left out,
 * and those that stand behind `max_instructions` more (0: all are copied). `totals` (of what was copied) and options
 * may be NULL. The source stays open. */
vx_status vx_trace_copy(vx_source *source, const char *path, uint64_t skip_instructions, uint64_t max_instructions,
                        const vx_trace_write_options *options, vx_trace_totals *totals, vx_msg *msg);

/* Copies all streams of one .vxt file to another, each clipped as vx_trace_copy does. Where the start of a system
 * trace is left out, the copy begins with the guest's state and its live page tables, as they are there; VX_ERR_INPUT
 * where it has several streams. `from_options`: whole_chunks alone counts; NULL is fine. */
vx_status vx_trace_repack(const char *from, const vx_trace_options *from_options, const char *path,
                          uint64_t skip_instructions, uint64_t max_instructions, const vx_trace_write_options *options,
                          vx_msg *msg);

/* ---- recording ---- */

/* Where a recorder's frames come from, and the memory that they may lie in. */
typedef struct vx_trace_pipe {
    int fd; /* the pipe: read to its end */
    /* Memory shared with the recorder, slot after slot; NULL: none. A slot that has been read goes back as one byte,
     * its number, through the socket `credit`. The recorder may change it at any time, but not its size. */
    const void *slots;
    size_t slot_bytes;
    uint32_t slot_count; /* at most 255 */
    int credit;
} vx_trace_pipe;

/* The source at the end of the recorder's pipe (traces/record): blocks until its first records are there. `header`:
 * all but paging and features, which the guest's first state says. The caller keeps what `pipe` names. VX_ERR_INPUT
 * where nothing comes, or what comes is no recording. A pipe that breaks off ends the source. */
vx_status vx_trace_pipe_open(vx_source **source, const vx_trace_pipe *pipe, const vx_trace_header *header, vx_msg *msg);

/* Whether the recorder said that it had ended, rather than the pipe having broken off. Of a source that
 * vx_trace_pipe_open opened. */
bool vx_trace_pipe_complete(const vx_source *source);

/* ---- checking ---- */

/* What comparing a trace's page tables with the addresses its recorder saw has found. */
typedef struct vx_translations {
    uint64_t compared;      /* references with a GPA record */
    uint64_t disagreements; /* of them: another address, or none */
    /* The first disagreement. */
    uint64_t record, instruction; /* its number in the stream, and where it stands */
    uint64_t gva, recorded, walked;
    bool mapped; /* the tables map gva, to `walked` */
} vx_translations;

/* Reads a system trace to its end, rebuilds the guest's page tables from it, walks every reference that a GPA record
 * precedes, and compares. Paging rights and A and D bits are not looked at. */
vx_status vx_trace_check_translations(vx_source *source, vx_translations *result, vx_msg *msg);

/* ---- importers and generators: one file each, one line each in a const table ---- */

typedef struct vx_importer {
    const char *name; /* "lackey", "champsim", "drmemtrace", "vxt0", "qemu-vtd" */
    const char *doc;
    /* Opens an input file as a source. Decompression (gz, xz, zst, lz4, zip) is by content, not by name. */
    vx_status (*open)(vx_source **source, const char *path, vx_msg *msg);
} vx_importer;

/* The table, ended by name == NULL. */
extern const vx_importer vx_importers[];

typedef struct vx_generator {
    const char *name; /* "random", "sequential", "zipf", "chase", "mix"; of DMA "nic", "nvme", "tenants" */
    const char *doc;
    const char *parameters; /* "bytes=1g,refs=10m,stride=64": names with their defaults */
    /* `arguments`: "name=value,..." over the defaults. Same seed, same records. */
    vx_status (*open)(vx_source **source, const char *arguments, uint64_t seed, vx_msg *msg);
} vx_generator;

extern const vx_generator vx_generators[];

/* Opens whatever --trace names: a .vxt file, or "gen:NAME[:arguments]". */
vx_status vx_source_open(vx_source **source, const char *what, const vx_trace_options *options, uint64_t seed,
                         vx_msg *msg);

#endif
