/* One stream of a .vxt file as a source. */
#include <inttypes.h>
#include <zstd.h>

#include <xxhash.h>

#include "source_skip.h"
#include "vxt_chunk.h"
#include "vxt_container.h"

_Static_assert((int)VX_TRACE_BATCH_RECORDS >= VXT_BATCH_RECORDS + VXT_TEMPLATE_ELEMENTS &&
                   (int)VX_TRACE_BATCH_WORDS >= VXT_BATCH_WORDS + VXT_TEMPLATE_WORDS,
               "a batch ends with the template that fills it");

typedef struct reader {
    vx_source source;
    vx_trace_file file;
    uint32_t stream, next; /* the next entry of the index to look at */
    bool whole_chunks;
    uint64_t skip, position; /* instructions to drop; dropped so far */
    vx_chunk_decoder *decoder;
    ZSTD_DCtx *zstd;
    uint8_t *packed, *raw;
    size_t packed_capacity, raw_capacity;
    uint64_t chunk_offset; /* of the chunk being decoded, for messages */
    bool chunk_open;
} reader;

static void reader_close(vx_source *source)
{
    reader *self = (reader *)source;
    vx_trace_file_close(&self->file);
    vx_chunk_decoder_free(self->decoder);
    ZSTD_freeDCtx(self->zstd);
    free(self->packed);
    free(self->raw);
    free(self);
}

/* A quarter more than is needed: the next chunk is about as large, and fresh memory costs a page fault a page. */
static bool fit(uint8_t **buffer, size_t *capacity, size_t size)
{
    if (*capacity >= size) return true;
    uint8_t *bigger = malloc(size + size / 4);
    if (!bigger) return false;
    free(*buffer);
    *buffer = bigger;
    *capacity = size + size / 4;
    return true;
}

static vx_status bad_chunk(const reader *self, const char *why, vx_msg *msg)
{
    return vx_fail(msg, VX_ERR_INPUT, "%s: byte %" PRIu64 ": chunk %s", self->file.path, self->chunk_offset, why);
}

/* Reads a chunk's bytes and checks them against its header, the index and its checksum. *damaged: the bytes are not
 * those that were written. */
static vx_status read_chunk(reader *self, const vx_trace_entry *entry, bool *damaged, vx_msg *msg)
{
    size_t size = VXT_CHUNK_HEADER + entry->packed_bytes;
    if (!fit(&self->packed, &self->packed_capacity, size) ||
        !fit(&self->raw, &self->raw_capacity, entry->raw_bytes + VXT_RAW_SLACK))
        return vx_fail_nomem(msg);
    vx_status status = vx_trace_file_read(&self->file, entry->offset, self->packed, size, msg);
    if (status) return status;
    vx_trace_entry header = {.offset = entry->offset};
    *damaged = true;
    if (!vx_chunk_header_decode(self->packed, &header)) return bad_chunk(self, "header damaged", msg);
    if (memcmp(&header, entry, sizeof header) != 0) return bad_chunk(self, "header disagrees with the index", msg);
    if (XXH3_64bits(self->packed + VXT_CHUNK_HEADER, entry->packed_bytes) != entry->checksum)
        return bad_chunk(self, "damaged (checksum differs)", msg);
    *damaged = false;
    size_t got = ZSTD_decompressDCtx(self->zstd, self->raw, entry->raw_bytes, self->packed + VXT_CHUNK_HEADER,
                                     entry->packed_bytes);
    if (ZSTD_isError(got)) return bad_chunk(self, ZSTD_getErrorName(got), msg);
    if (got != entry->raw_bytes) return bad_chunk(self, "of a wrong length", msg);
    memset(self->raw + got, 0, VXT_RAW_SLACK);
    return VX_OK;
}

/* Opens the stream's next chunk; leaves chunk_open false at the end of the stream. */
static vx_status open_chunk(reader *self, vx_msg *msg)
{
    const vx_trace_index *index = &self->file.index;
    while (self->next < index->count && index->entries[self->next].stream != self->stream) self->next++;
    if (self->next == index->count) return VX_OK;
    const vx_trace_entry *entry = &index->entries[self->next];
    self->chunk_offset = entry->offset;
    bool damaged = false;
    vx_status status = read_chunk(self, entry, &damaged, msg);
    if (status == VX_ERR_INPUT && damaged && self->whole_chunks) {
        self->next = index->count; /* nothing after it can be placed in time */
        return VX_OK;
    }
    if (status) return status;
    const char *why;
    status = vx_chunk_decoder_start(self->decoder, self->raw, entry->raw_bytes, entry->records, &why);
    if (status == VX_ERR_NOMEM) return vx_fail_nomem(msg);
    if (status) return bad_chunk(self, why, msg);
    self->next++;
    self->position = entry->first_instruction;
    self->chunk_open = true;
    return VX_OK;
}

static vx_status reader_next(vx_source *source, vx_batch *batch, vx_msg *msg)
{
    reader *self = (reader *)source;
    for (;;) {
        if (!self->chunk_open) {
            vx_status status = open_chunk(self, msg);
            if (status) return status;
            if (!self->chunk_open) {
                *batch = (vx_batch){0};
                return VX_OK;
            }
        }
        vx_batch got;
        const char *why;
        vx_status status = vx_chunk_decoder_next(self->decoder, &got, &why);
        if (status) return bad_chunk(self, why, msg);
        if (got.count == 0) {
            self->chunk_open = false;
            continue;
        }
        if (vx_batch_drop(&got, self->skip, &self->position)) self->skip = 0;
        if (got.count == 0) continue;
        *batch = got;
        return VX_OK;
    }
}

static const vx_source_ops reader_ops = {reader_next, reader_close};

/* Passes over the chunks that end within the skipped instructions. */
static void skip_chunks(reader *self)
{
    const vx_trace_index *index = &self->file.index;
    for (; self->skip && self->next < index->count; self->next++) {
        const vx_trace_entry *entry = &index->entries[self->next];
        if (entry->stream == self->stream && entry->first_instruction + entry->instructions > self->skip) break;
    }
}

vx_status vx_trace_open(vx_source **source, const char *path, const vx_trace_options *options, vx_msg *msg)
{
    const vx_trace_options defaults = {0}, *chosen = options ? options : &defaults;
    reader *self = calloc(1, sizeof *self);
    if (!self) return vx_fail_nomem(msg);
    vx_status status = vx_trace_file_open(&self->file, path, chosen->whole_chunks, msg);
    if (status) {
        free(self);
        return status;
    }
    self->source = (vx_source){&reader_ops, self->file.header};
    self->stream = chosen->stream;
    self->whole_chunks = chosen->whole_chunks;
    self->skip = chosen->skip_instructions;
    self->decoder = vx_chunk_decoder_new();
    self->zstd = ZSTD_createDCtx();
    if (!self->decoder || !self->zstd) {
        status = vx_fail_nomem(msg);
    } else if (self->stream >= self->file.index.streams && (self->stream > 0 || self->file.complete)) {
        status =
            vx_fail(msg, VX_ERR_INPUT, "%s: no stream %u: it has %u", path, self->stream, self->file.index.streams);
    }
    if (status) {
        reader_close(&self->source);
        return status;
    }
    skip_chunks(self);
    *source = &self->source;
    return VX_OK;
}

/* The identity covers every byte: header and index, and through the index's checksums the chunks. */
static uint64_t identity(const vx_trace_file *file)
{
    uint8_t header[VXT_HEADER_MAX], entry[VXT_CHUNK_HEADER];
    XXH64_hash_t hash = XXH3_64bits(header, vx_trace_header_encode(&file->header, header));
    for (uint32_t i = 0; i < file->index.count; i++) {
        vx_chunk_header_encode(&file->index.entries[i], entry);
        hash = XXH3_64bits_withSeed(entry, sizeof entry, hash);
    }
    return hash;
}

vx_status vx_trace_info_read(const char *path, const vx_trace_options *options, vx_trace_info *info, vx_msg *msg)
{
    vx_trace_file file;
    uint32_t stream = options ? options->stream : 0;
    vx_status status = vx_trace_file_open(&file, path, options && options->whole_chunks, msg);
    if (status) return status;
    if (stream >= file.index.streams && (stream > 0 || file.complete)) {
        status = vx_fail(msg, VX_ERR_INPUT, "%s: no stream %u: it has %u", path, stream, file.index.streams);
        vx_trace_file_close(&file);
        return status;
    }
    vx_trace_info read = {.header = file.header,
                          .file_bytes = file.bytes,
                          .streams = file.index.streams,
                          .chunks = file.index.count,
                          .hash = identity(&file),
                          .complete = file.complete};
    if (file.complete) read.totals = file.index.totals[stream];
    for (uint32_t i = 0; i < file.index.count; i++) {
        const vx_trace_entry *entry = &file.index.entries[i];
        read.raw_bytes += entry->raw_bytes;
        if (file.complete || entry->stream != stream) continue;
        read.totals.instructions += entry->instructions;
        read.totals.records += entry->records;
    }
    *info = read;
    vx_trace_file_close(&file);
    return VX_OK;
}
