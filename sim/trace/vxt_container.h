/* The container around the chunks: what stands where in a .vxt file. All integers are little-endian.
 *
 *   header | chunk | chunk | ... | index | end mark
 *
 * The index repeats every chunk's header, so that opening reads the header, the end mark and the index alone; the chunk
 * headers make a file without its end (a cut one) readable up to the last whole chunk. docs/trace-format.md has the
 * bytes. */
#ifndef VXT_CONTAINER_H
#define VXT_CONTAINER_H

#include "vx_trace.h"
#include "vxt_bytes.h"

enum {
    VXT_VERSION = 1,
    VXT_HEADER_FIXED = 48, /* before the RAM ranges */
    VXT_HEADER_MAX = VXT_HEADER_FIXED + 16 * VX_TRACE_RAM_RANGES + VX_TRACE_RECIPE + 8,
    VXT_CHUNK_HEADER = 56,
    VXT_ENTRY = 56,
    VXT_TOTALS = 8 * (5 + VX_REC_KINDS), /* of one stream */
    VXT_INDEX_FIXED = 24,                /* before the entries */
    VXT_END_MARK = 40,
    VXT_STREAMS_MAX = 256,
    VXT_DEFAULT_LEVEL = 9,
    VXT_DEFAULT_RECORDS = 1 << 22
};

/* One chunk, as its header and the index tell it. */
typedef struct vx_trace_entry {
    uint64_t offset; /* of the chunk's header in the file */
    uint32_t stream;
    uint32_t packed_bytes, raw_bytes; /* after and before zstd */
    uint32_t records;
    uint64_t first_instruction, instructions; /* executed before the chunk, in it */
    uint64_t checksum;                        /* XXH3 of the packed bytes */
} vx_trace_entry;

/* What the index holds. All zero is an empty one. */
typedef struct vx_trace_index {
    vx_trace_entry *entries;
    vx_trace_totals *totals; /* one a stream */
    uint32_t count, capacity, streams;
    uint64_t references; /* originally, over all streams */
} vx_trace_index;

void vx_trace_index_fini(vx_trace_index *index);

/* Appends an entry; false without memory. */
bool vx_trace_index_add(vx_trace_index *index, const vx_trace_entry *entry);

/* ---- bytes and structs ---- */

/* Writes the header into `out` (VXT_HEADER_MAX bytes) and returns its length. */
size_t vx_trace_header_encode(const vx_trace_header *header, uint8_t *out);

/* Reads a header of at most `size` bytes; its own length to *length. NULL, or what is wrong at byte *where. */
const char *vx_trace_header_decode(const uint8_t *bytes, size_t size, vx_trace_header *header, size_t *length,
                                   size_t *where);

/* Whether a header may be written: its values in range, its recipe terminated. NULL, or what is wrong. */
const char *vx_trace_header_check(const vx_trace_header *header);

void vx_chunk_header_encode(const vx_trace_entry *entry, uint8_t out[VXT_CHUNK_HEADER]);

/* False where the bytes are no chunk header or are damaged. entry->offset is left alone. */
bool vx_chunk_header_decode(const uint8_t in[VXT_CHUNK_HEADER], vx_trace_entry *entry);

/* The index and the end mark behind it, for an index that starts at byte `offset` of the file. */
vx_status vx_trace_index_encode(const vx_trace_index *index, uint64_t offset, vxt_bytes *out);

/* The place of the index as the end mark gives it; false where it is no end mark or is damaged. */
bool vx_trace_end_mark_decode(const uint8_t in[VXT_END_MARK], uint64_t *offset, uint64_t *bytes);

/* Reads an index of `size` bytes whose chunks fill the file from `first` (the header's end) to `end` (the index's
 * start). VX_ERR_INPUT: *why says what is wrong. */
vx_status vx_trace_index_decode(const uint8_t *bytes, size_t size, uint64_t first, uint64_t end, vx_trace_index *index,
                                const char **why);

/* ---- a file open for reading ---- */

typedef struct vx_trace_file {
    char *path;
    int fd;
    uint64_t bytes;
    vx_trace_header header;
    size_t header_bytes;
    vx_trace_index index;
    bool complete; /* the index was there; else it was made from the chunks' headers and has no totals */
} vx_trace_file;

/* Opens, checks and reads header and index; with `whole_chunks` a file without a sound index is searched for chunks. */
vx_status vx_trace_file_open(vx_trace_file *file, const char *path, bool whole_chunks, vx_msg *msg);
void vx_trace_file_close(vx_trace_file *file);

/* Reads exactly `size` bytes at `offset`. VX_ERR_IO, or VX_ERR_INPUT where the file ends before. */
vx_status vx_trace_file_read(const vx_trace_file *file, uint64_t offset, void *out, size_t size, vx_msg *msg);

#endif
