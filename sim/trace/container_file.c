/* Opening a .vxt file: header, end mark and index; or, for a file without a sound end, the search for whole chunks. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vxt_container.h"

enum { INDEX_BYTES_MAX = 1 << 30 }; /* 19 million chunks */

void vx_trace_file_close(vx_trace_file *file)
{
    if (file->fd >= 0) close(file->fd);
    free(file->path);
    vx_trace_index_fini(&file->index);
    file->fd = -1;
    file->path = NULL;
}

vx_status vx_trace_file_read(const vx_trace_file *file, uint64_t offset, void *out, size_t size, vx_msg *msg)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(file->fd, (uint8_t *)out + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return vx_fail(msg, VX_ERR_IO, "%s: cannot read: %s", file->path, strerror(errno));
        if (got == 0) return vx_fail(msg, VX_ERR_INPUT, "%s: cut at byte %" PRIu64, file->path, offset + done);
        done += (size_t)got;
    }
    return VX_OK;
}

static vx_status read_header(vx_trace_file *file, vx_msg *msg)
{
    uint8_t bytes[VXT_HEADER_MAX];
    size_t size = file->bytes < sizeof bytes ? (size_t)file->bytes : sizeof bytes, where;
    vx_status status = vx_trace_file_read(file, 0, bytes, size, msg);
    if (status) return status;
    const char *why = vx_trace_header_decode(bytes, size, &file->header, &file->header_bytes, &where);
    if (why) return vx_fail(msg, VX_ERR_INPUT, "%s: byte %zu: %s", file->path, where, why);
    return VX_OK;
}

/* Reads the index that a sound end mark points to. */
static vx_status read_index(vx_trace_file *file, vx_msg *msg)
{
    uint8_t mark[VXT_END_MARK];
    uint64_t offset, bytes, body = file->bytes - file->header_bytes;
    if (body < VXT_END_MARK)
        return vx_fail(msg, VX_ERR_INPUT, "%s: byte %" PRIu64 ": cut (no end mark)", file->path, file->bytes);
    vx_status status = vx_trace_file_read(file, file->bytes - VXT_END_MARK, mark, sizeof mark, msg);
    if (status) return status;
    if (!vx_trace_end_mark_decode(mark, &offset, &bytes))
        return vx_fail(msg, VX_ERR_INPUT, "%s: byte %" PRIu64 ": cut or damaged (no end mark)", file->path,
                       file->bytes - VXT_END_MARK);
    if (offset < file->header_bytes || bytes > body || offset != file->bytes - VXT_END_MARK - bytes)
        return vx_fail(msg, VX_ERR_INPUT, "%s: byte %" PRIu64 ": end mark points outside of the file", file->path,
                       file->bytes - VXT_END_MARK);
    if (bytes > INDEX_BYTES_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "%s: byte %" PRIu64 ": index too large", file->path, offset);
    uint8_t *index = malloc(bytes ? bytes : 1);
    if (!index) return vx_fail_nomem(msg);
    status = vx_trace_file_read(file, offset, index, bytes, msg);
    const char *why = "";
    if (!status) {
        status = vx_trace_index_decode(index, bytes, file->header_bytes, offset, &file->index, &why);
        if (status == VX_ERR_INPUT) vx_fail(msg, status, "%s: byte %" PRIu64 ": %s", file->path, offset, why);
        if (status == VX_ERR_NOMEM) vx_fail_nomem(msg);
    }
    free(index);
    return status;
}

/* Whether a chunk's header goes on where its stream stopped. */
static bool follows(const vx_trace_index *index, const vx_trace_entry *entry)
{
    for (uint32_t i = index->count; i-- > 0;)
        if (index->entries[i].stream == entry->stream)
            return entry->first_instruction == index->entries[i].first_instruction + index->entries[i].instructions;
    return entry->first_instruction == 0;
}

/* Makes an index of the chunks that are there: up to the first that is cut or whose header is damaged. */
static vx_status search_chunks(vx_trace_file *file, vx_msg *msg)
{
    vx_trace_entry entry = {.offset = file->header_bytes};
    while (file->bytes - entry.offset >= VXT_CHUNK_HEADER) {
        uint8_t bytes[VXT_CHUNK_HEADER];
        vx_status status = vx_trace_file_read(file, entry.offset, bytes, sizeof bytes, msg);
        if (status) return status;
        if (!vx_chunk_header_decode(bytes, &entry) || !follows(&file->index, &entry) ||
            entry.packed_bytes > file->bytes - entry.offset - VXT_CHUNK_HEADER)
            break;
        if (!vx_trace_index_add(&file->index, &entry)) return vx_fail_nomem(msg);
        if (entry.stream >= file->index.streams) file->index.streams = entry.stream + 1;
        entry.offset += VXT_CHUNK_HEADER + entry.packed_bytes;
    }
    return VX_OK;
}

static vx_status open_fd(vx_trace_file *file, const char *path, vx_msg *msg)
{
    struct stat info;
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait here for who writes to it */
    if (file->fd < 0) return vx_fail(msg, VX_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    if (fstat(file->fd, &info) != 0) return vx_fail(msg, VX_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return vx_fail(msg, VX_ERR_IO, "cannot open %s: not a regular file: a trace is read by the index at its end",
                       path);
    file->bytes = (uint64_t)info.st_size;
    file->path = strdup(path);
    return file->path ? VX_OK : vx_fail_nomem(msg);
}

vx_status vx_trace_file_open(vx_trace_file *file, const char *path, bool whole_chunks, vx_msg *msg)
{
    vx_trace_file opened = {.fd = -1};
    vx_status status = open_fd(&opened, path, msg);
    if (!status) status = read_header(&opened, msg);
    if (!status) {
        status = read_index(&opened, msg);
        opened.complete = !status;
        if (status == VX_ERR_INPUT && whole_chunks) status = search_chunks(&opened, msg);
    }
    if (status) {
        vx_trace_file_close(&opened);
        return status;
    }
    if (opened.header.references == 0) opened.header.references = opened.index.references;
    *file = opened;
    return VX_OK;
}
