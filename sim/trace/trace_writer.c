/* Writing a .vxt file: records into chunks, one open chunk a stream, and the index at the end. Until it is whole it is
 * a file path.PID-N.tmp of its own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <xxhash.h>

#include "vxt_chunk.h"
#include "vxt_container.h"

enum { PROGRESS_EVERY = 1 << 18 };

typedef struct stream {
    vx_chunk_encoder *encoder; /* NULL until the stream's first record */
    uint64_t chunk_start;      /* instructions before the open chunk */
} stream;

struct vx_trace_writer {
    char *path, *temporary;
    int fd;
    uint64_t offset; /* bytes written */
    vx_trace_header header;
    vx_trace_index index;
    stream streams[VXT_STREAMS_MAX];
    ZSTD_CCtx *zstd;
    vxt_bytes raw, packed;
    vx_trace_write_options options; /* defaults filled in */
    uint64_t untold;                /* records put since progress was last told */
    vx_status failed;               /* of an earlier call: the file can no longer become whole */
};

static void writer_free(vx_trace_writer *writer)
{
    if (writer->fd >= 0) {
        close(writer->fd);
        unlink(writer->temporary);
    }
    for (uint32_t i = 0; i < VXT_STREAMS_MAX; i++) vx_chunk_encoder_free(writer->streams[i].encoder);
    vx_trace_index_fini(&writer->index);
    ZSTD_freeCCtx(writer->zstd);
    free(writer->raw.data);
    free(writer->packed.data);
    free(writer->path);
    free(writer->temporary);
    free(writer);
}

void vx_trace_writer_abandon(vx_trace_writer *writer)
{
    if (writer) writer_free(writer);
}

static vx_status write_bytes(vx_trace_writer *writer, const void *bytes, size_t size, vx_msg *msg)
{
    for (size_t done = 0; done < size;) {
        ssize_t put = write(writer->fd, (const uint8_t *)bytes + done, size - done);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return vx_fail(msg, VX_ERR_IO, "%s: cannot write: %s", writer->path, strerror(errno));
        done += (size_t)put;
    }
    writer->offset += size;
    return VX_OK;
}

/* Makes the stream, and those below it, known to the index. */
static vx_status ensure_stream(vx_trace_writer *writer, uint32_t number, vx_msg *msg)
{
    vx_trace_index *index = &writer->index;
    if (number >= VXT_STREAMS_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "%s: stream %u: a trace has at most %d streams", writer->path, number,
                       VXT_STREAMS_MAX);
    if (number >= index->streams) {
        vx_trace_totals *totals = realloc(index->totals, (number + 1) * sizeof *totals);
        if (!totals) return vx_fail_nomem(msg);
        memset(totals + index->streams, 0, (number + 1 - index->streams) * sizeof *totals);
        index->totals = totals;
        index->streams = number + 1;
    }
    if (!writer->streams[number].encoder) writer->streams[number].encoder = vx_chunk_encoder_new();
    return writer->streams[number].encoder ? VX_OK : vx_fail_nomem(msg);
}

/* The name to write: that of the file, where `path` is a link to one. What is there and is no file would be replaced
 * by one, a device among them, and read as a trace it could not be. */
static vx_status choose_path(vx_trace_writer *writer, const char *path, vx_msg *msg)
{
    struct stat found;
    bool exists = stat(path, &found) == 0;
    if (exists && !S_ISREG(found.st_mode)) return vx_fail(msg, VX_ERR_IO, "cannot write %s: not a regular file", path);
    writer->path = exists ? realpath(path, NULL) : strdup(path);
    return writer->path ? VX_OK : vx_fail_nomem(msg);
}

/* A new file beside the other: whoever has a file of that name keeps it. */
static vx_status open_temporary(vx_trace_writer *writer, const char *path, vx_msg *msg)
{
    enum { ATTEMPTS = 1000 };
    vx_status status = choose_path(writer, path, msg);
    errno = EEXIST;
    for (unsigned attempt = 0; !status && writer->fd < 0 && errno == EEXIST && attempt < ATTEMPTS; attempt++) {
        free(writer->temporary);
        if (asprintf(&writer->temporary, "%s.%ld-%u.tmp", writer->path, (long)getpid(), attempt) < 0) {
            writer->temporary = NULL;
            return vx_fail_nomem(msg);
        }
        writer->fd = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    if (!status && writer->fd < 0) return vx_fail(msg, VX_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    return status;
}

vx_status vx_trace_writer_open(vx_trace_writer **writer, const char *path, const vx_trace_header *header,
                               const vx_trace_write_options *options, vx_msg *msg)
{
    const vx_trace_write_options defaults = {0}, *chosen = options ? options : &defaults;
    const char *why = vx_trace_header_check(header);
    if (why) return vx_fail(msg, VX_ERR_INPUT, "%s: header: %s", path, why);
    if (chosen->zstd_level < 0 || chosen->zstd_level > 22)
        return vx_fail(msg, VX_ERR_INPUT, "%s: compression level %d is not in 1 to 22", path, chosen->zstd_level);
    vx_trace_writer *self = calloc(1, sizeof *self);
    if (!self) return vx_fail_nomem(msg);
    self->fd = -1;
    self->header = *header;
    self->options = *chosen;
    if (!chosen->zstd_level) self->options.zstd_level = VXT_DEFAULT_LEVEL;
    if (!chosen->chunk_records) self->options.chunk_records = VXT_DEFAULT_RECORDS;
    self->zstd = ZSTD_createCCtx();
    uint8_t bytes[VXT_HEADER_MAX];
    vx_status status = self->zstd ? open_temporary(self, path, msg) : vx_fail_nomem(msg);
    if (!status) status = ensure_stream(self, 0, msg);
    if (!status) status = write_bytes(self, bytes, vx_trace_header_encode(header, bytes), msg);
    if (status) {
        writer_free(self);
        return status;
    }
    *writer = self;
    return VX_OK;
}

/* Ends the stream's open chunk and writes it. */
static vx_status end_chunk(vx_trace_writer *writer, uint32_t number, vx_msg *msg)
{
    stream *self = &writer->streams[number];
    if (!self->encoder || vx_chunk_encoder_records(self->encoder) == 0) return VX_OK;
    vx_trace_entry entry = {
        .offset = writer->offset, .stream = number, .records = vx_chunk_encoder_records(self->encoder)};
    if (vx_chunk_encoder_finish(self->encoder, &writer->raw)) return vx_fail_nomem(msg);
    writer->packed.size = 0;
    size_t bound = ZSTD_compressBound(writer->raw.size);
    if (!vxt_bytes_room(&writer->packed, VXT_CHUNK_HEADER + bound)) return vx_fail_nomem(msg);
    uint8_t *payload = writer->packed.data + VXT_CHUNK_HEADER;
    size_t packed =
        ZSTD_compressCCtx(writer->zstd, payload, bound, writer->raw.data, writer->raw.size, writer->options.zstd_level);
    if (ZSTD_isError(packed))
        return vx_fail(msg, VX_ERR_NOMEM, "%s: zstd: %s", writer->path, ZSTD_getErrorName(packed));
    entry.raw_bytes = (uint32_t)writer->raw.size;
    entry.packed_bytes = (uint32_t)packed;
    entry.first_instruction = self->chunk_start;
    entry.instructions = writer->index.totals[number].instructions - self->chunk_start;
    entry.checksum = XXH3_64bits(payload, packed);
    self->chunk_start += entry.instructions;
    vx_chunk_header_encode(&entry, writer->packed.data);
    if (!vx_trace_index_add(&writer->index, &entry)) return vx_fail_nomem(msg);
    return write_bytes(writer, writer->packed.data, VXT_CHUNK_HEADER + packed, msg);
}

static vx_status refuse_record(const vx_trace_writer *writer, uint32_t number, uint64_t at, const vx_record *record,
                               vx_msg *msg)
{
    return vx_fail(msg, VX_ERR_INPUT, "%s: stream %u, record %llu: invalid record (kind %u, size %u, count %u)",
                   writer->path, number, (unsigned long long)at, record->kind, record->size, record->count);
}

/* As many records at once as cannot fill the chunk. */
static size_t run_length(const vx_trace_writer *writer, uint32_t records, size_t left)
{
    size_t length = VXT_FULL_EVERY - records % VXT_FULL_EVERY;
    if (length > writer->options.chunk_records - records) length = writer->options.chunk_records - records;
    return length < left ? length : left;
}

/* What follows on records having been put, of which there were `before`. */
static vx_status end_full_chunk(vx_trace_writer *writer, uint32_t number, uint32_t before, vx_msg *msg)
{
    const vx_chunk_encoder *encoder = writer->streams[number].encoder;
    uint32_t records = vx_chunk_encoder_records(encoder);
    bool asked = records / VXT_FULL_EVERY != before / VXT_FULL_EVERY;
    bool full = records >= writer->options.chunk_records || (asked && vx_chunk_encoder_full(encoder));
    return full ? end_chunk(writer, number, msg) : VX_OK;
}

static vx_status put_records(vx_trace_writer *writer, uint32_t number, const vx_batch *batch, vx_msg *msg)
{
    vx_chunk_encoder *encoder = writer->streams[number].encoder;
    vx_trace_totals *totals = &writer->index.totals[number];
    vx_status status = VX_OK;
    for (size_t i = 0, taken; !status && i < batch->count; i += taken) {
        uint32_t before = vx_chunk_encoder_records(encoder);
        size_t length = run_length(writer, before, batch->count - i);
        status = vx_chunk_encoder_put(encoder, batch, i, length, &taken);
        if (status == VX_ERR_INPUT)
            return refuse_record(writer, number, totals->records + taken, &batch->records[i + taken], msg);
        if (status) return vx_fail_nomem(msg);
        vx_trace_totals_add(totals, &batch->records[i], taken, batch->payload);
        status = end_full_chunk(writer, number, before, msg);
    }
    return status;
}

/* A chunk may get some records more than asked for. */
static vx_status put_runs(vx_trace_writer *writer, uint32_t number, const vxt_runs *runs, vx_msg *msg)
{
    vx_chunk_encoder *encoder = writer->streams[number].encoder;
    vxt_runs_place place = {0};
    vx_status status = VX_OK;
    while (!status && place.run < runs->count) {
        uint32_t before = vx_chunk_encoder_records(encoder);
        size_t left = runs->count - place.run, count = left < VXT_FULL_EVERY ? left : VXT_FULL_EVERY;
        vxt_runs_total(runs, &place, count, &writer->index.totals[number]);
        if (!vx_chunk_encoder_put_runs(encoder, runs, &place, count)) return vx_fail_nomem(msg);
        status = end_full_chunk(writer, number, before, msg);
    }
    return status;
}

/* Tells how far the stream is, once in PROGRESS_EVERY records. */
static vx_status tell_progress(vx_trace_writer *writer, const vx_trace_totals *totals, size_t records, vx_msg *msg)
{
    writer->untold += records;
    if (!writer->options.progress || writer->untold < PROGRESS_EVERY) return VX_OK;
    writer->untold = 0;
    if (writer->options.progress(writer->options.progress_context, totals)) return VX_OK;
    return vx_fail(msg, VX_ERR_INTERRUPTED, "%s: interrupted", writer->path);
}

/* What comes before and after each put. */
static vx_status begin_put(vx_trace_writer *writer, uint32_t number, vx_msg *msg)
{
    if (writer->failed) return vx_fail(msg, writer->failed, "%s: an earlier write failed", writer->path);
    return ensure_stream(writer, number, msg);
}

static vx_status end_put(vx_trace_writer *writer, uint32_t number, size_t records, vx_status status, vx_msg *msg)
{
    writer->failed = status ? status : tell_progress(writer, &writer->index.totals[number], records, msg);
    return writer->failed;
}

vx_status vx_trace_writer_put(vx_trace_writer *writer, uint32_t number, const vx_batch *batch, vx_msg *msg)
{
    vx_status status = begin_put(writer, number, msg);
    if (!status) status = put_records(writer, number, batch, msg);
    return end_put(writer, number, batch->count, status, msg);
}

vx_status vxt_writer_put_runs(vx_trace_writer *writer, uint32_t number, const vxt_runs *runs, vx_msg *msg)
{
    vx_status status = begin_put(writer, number, msg);
    if (!status) status = put_runs(writer, number, runs, msg);
    return end_put(writer, number, runs->count, status, msg);
}

static vx_status write_index(vx_trace_writer *writer, vx_msg *msg)
{
    for (uint32_t i = 0; i < writer->index.streams; i++) {
        vx_status status = end_chunk(writer, i, msg);
        if (status) return status;
    }
    writer->index.references = writer->header.references;
    for (uint32_t i = 0; writer->header.references == 0 && i < writer->index.streams; i++) {
        const vx_trace_totals *totals = &writer->index.totals[i];
        writer->index.references += totals->fetches + totals->loads + totals->stores;
    }
    if (vx_trace_index_encode(&writer->index, writer->offset, &writer->raw)) return vx_fail_nomem(msg);
    return write_bytes(writer, writer->raw.data, writer->raw.size, msg);
}

/* Puts the whole file in its place. */
static vx_status publish(vx_trace_writer *writer, vx_msg *msg)
{
    if (fsync(writer->fd) != 0) return vx_fail(msg, VX_ERR_IO, "%s: cannot write: %s", writer->path, strerror(errno));
    if (rename(writer->temporary, writer->path) != 0)
        return vx_fail(msg, VX_ERR_IO, "cannot write %s: %s", writer->path, strerror(errno));
    close(writer->fd);
    writer->fd = -1; /* nothing left to remove */
    return VX_OK;
}

vx_status vx_trace_writer_finish(vx_trace_writer *writer, vx_msg *msg)
{
    vx_status status = writer->failed;
    if (status) vx_fail(msg, status, "%s: an earlier write failed", writer->path);
    if (!status) status = write_index(writer, msg);
    if (!status) status = publish(writer, msg);
    writer_free(writer);
    return status;
}

vx_status vx_trace_writer_keep(vx_trace_writer *writer, vx_msg *msg)
{
    vx_status status = VX_OK;
    if (writer->index.count == 0)
        status = vx_fail(msg, VX_ERR_INPUT, "%s: not one chunk was written", writer->path);
    else if (ftruncate(writer->fd, (off_t)writer->offset) != 0)
        status =
            vx_fail(msg, VX_ERR_IO, "%s: cannot cut it to its last whole chunk: %s", writer->path, strerror(errno));
    if (!status) status = publish(writer, msg);
    writer_free(writer);
    return status;
}
