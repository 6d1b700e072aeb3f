#include "input_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "input_codec.h"
#include "input_raw.h"

enum { PACKED_BYTES = 64 * 1024, MAGIC_BYTES = 6 };

typedef struct vx_input_whole {
    vx_input face; /* first: what importers see */
    vx_raw raw;
    const vx_codec *codec; /* NULL: plain, or zip */
    void *codec_state;
    bool at_boundary;
    vx_zip *zip;
    /* Bytes of the file not yet decoded (plain: not yet handed on; the sniffed head starts out here). */
    size_t packed_at, packed_end;
    bool packed_ended;
    char name[256];
    uint8_t packed[PACKED_BYTES];
    uint8_t window[VX_INPUT_WINDOW_BYTES];
} vx_input_whole;

static vx_status raw_read(vx_raw *raw, uint8_t *out, size_t bytes, size_t *got, vx_msg *msg)
{
    if (raw->fd < 0) {
        size_t left = raw->memory_bytes - (size_t)raw->offset;
        *got = bytes < left ? bytes : left;
        if (*got > 0) memcpy(out, raw->memory + raw->offset, *got);
        raw->offset += *got;
        return VX_OK;
    }
    ssize_t read_bytes;
    do {
        read_bytes = read(raw->fd, out, bytes);
    } while (read_bytes < 0 && errno == EINTR);
    if (read_bytes < 0) return vx_fail(msg, VX_ERR_IO, "%s: cannot read: %s", raw->name, strerror(errno));
    *got = (size_t)read_bytes;
    raw->offset += *got;
    return VX_OK;
}

static vx_status refill_packed(vx_input_whole *input, vx_msg *msg)
{
    size_t got = 0;
    vx_status status = raw_read(&input->raw, input->packed, PACKED_BYTES, &got, msg);
    if (status) return status;
    input->packed_at = 0;
    input->packed_end = got;
    input->packed_ended = got == 0;
    return VX_OK;
}

/* Offset in the file of the next byte to decode. */
static uint64_t packed_offset(const vx_input_whole *input)
{
    return input->raw.offset - (input->packed_end - input->packed_at);
}

static vx_status decode_fault(const vx_input_whole *input, vx_status status, const char *fault, vx_msg *msg)
{
    if (status == VX_ERR_NOMEM) return vx_fail_nomem(msg);
    return vx_fail(msg, status, "%s: byte %" PRIu64 " of the %s file: %s", input->name, packed_offset(input),
                   input->codec->name, fault);
}

static vx_status read_codec(vx_input_whole *input, uint8_t *out, size_t bytes, size_t *got, vx_msg *msg)
{
    for (;;) {
        if (input->packed_at == input->packed_end && !input->packed_ended) {
            vx_status status = refill_packed(input, msg);
            if (status) return status;
        }
        if (input->packed_ended && input->at_boundary) {
            *got = 0;
            return VX_OK;
        }
        vx_codec_step step = {.in = input->packed + input->packed_at,
                              .in_bytes = input->packed_end - input->packed_at,
                              .out = out,
                              .out_bytes = bytes,
                              .last = input->packed_ended,
                              .at_boundary = input->at_boundary};
        vx_status status = input->codec->step(input->codec_state, &step);
        if (status) return decode_fault(input, status, step.fault, msg);
        input->packed_at += step.taken;
        input->at_boundary = step.at_boundary;
        if (step.given > 0) {
            *got = step.given;
            return VX_OK;
        }
        if (step.taken > 0 || step.at_boundary) continue;
        return decode_fault(input, VX_ERR_INPUT, step.last ? "the data ends early: the file is cut" : "damaged", msg);
    }
}

static vx_status read_plain(vx_input_whole *input, uint8_t *out, size_t bytes, size_t *got, vx_msg *msg)
{
    size_t sniffed = input->packed_end - input->packed_at;
    if (sniffed == 0) return raw_read(&input->raw, out, bytes, got, msg);
    *got = sniffed < bytes ? sniffed : bytes;
    memcpy(out, input->packed + input->packed_at, *got);
    input->packed_at += *got;
    return VX_OK;
}

static vx_status read_some(vx_input_whole *input, uint8_t *out, size_t bytes, size_t *got, vx_msg *msg)
{
    if (input->zip) return vx_zip_read(input->zip, out, bytes, got, msg);
    if (input->codec) return read_codec(input, out, bytes, got, msg);
    return read_plain(input, out, bytes, got, msg);
}

vx_status vx_input_fill(vx_input *face, vx_msg *msg)
{
    vx_input_whole *input = (vx_input_whole *)face;
    size_t kept = vx_input_left(face);
    if (kept > 0 && face->at != input->window) memmove(input->window, face->at, kept);
    face->at = input->window;
    face->end = input->window + kept;
    while (kept < VX_INPUT_WINDOW_BYTES && !face->ended) {
        size_t got = 0;
        vx_status status = read_some(input, input->window + kept, VX_INPUT_WINDOW_BYTES - kept, &got, msg);
        if (status) return status;
        face->ended = got == 0;
        kept += got;
        face->end += got;
        face->end_offset += got;
    }
    return VX_OK;
}

static bool zip_magic(const uint8_t *head, size_t bytes)
{
    return bytes >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0);
}

/* Reads until the longest magic number could be seen: a pipe may give a byte at a time. */
static vx_status sniff(vx_input_whole *input, vx_msg *msg)
{
    input->packed_at = input->packed_end = 0;
    for (;;) {
        size_t got = 0;
        vx_status status =
            raw_read(&input->raw, input->packed + input->packed_end, PACKED_BYTES - input->packed_end, &got, msg);
        if (status) return status;
        input->packed_end += got;
        if (got == 0 || input->packed_end >= MAGIC_BYTES) return VX_OK;
    }
}

/* From the first byte of the raw data on: what packs it, and a first window. */
static vx_status start(vx_input_whole *input, vx_msg *msg)
{
    vx_status status = sniff(input, msg);
    if (status) return status;
    if (input->packed_end == 0) return vx_fail(msg, VX_ERR_INPUT, "%s: the file is empty", input->name);
    input->codec = vx_codec_by_magic(input->packed, input->packed_end);
    if (input->codec) {
        input->face.packed = input->codec->name;
        input->codec_state = input->codec->open();
        if (!input->codec_state) return vx_fail_nomem(msg);
    } else if (zip_magic(input->packed, input->packed_end)) {
        input->face.packed = "zip";
        status = vx_zip_open(&input->zip, &input->raw, msg);
        if (status) return status;
    }
    input->face.at = input->face.end = input->window;
    status = vx_input_fill(&input->face, msg);
    if (status) return status;
    if (input->face.at == input->face.end)
        return vx_fail(msg, VX_ERR_INPUT, "%s: the %s file holds no data", input->name, input->face.packed);
    return VX_OK;
}

static void stop(vx_input_whole *input)
{
    if (input->codec_state) input->codec->close(input->codec_state);
    vx_zip_close(input->zip);
    input->codec_state = NULL;
    input->codec = NULL;
    input->zip = NULL;
    input->at_boundary = input->packed_ended = false;
    input->face.ended = false;
    input->face.end_offset = 0;
}

static vx_input_whole *create(const char *name)
{
    vx_input_whole *input = malloc(sizeof *input);
    if (!input) return NULL;
    memset(input, 0, offsetof(vx_input_whole, packed)); /* the buffers need no zeros */
    size_t length = strlen(name);
    size_t cut = length < sizeof input->name ? 0 : length - (sizeof input->name - 1); /* the end of a path says most */
    memcpy(input->name, name + cut, length - cut + 1);
    input->face.name = input->raw.name = input->name;
    input->raw.fd = -1;
    return input;
}

static vx_status started(vx_input **result, vx_input_whole *input, vx_msg *msg)
{
    vx_status status = start(input, msg);
    if (status) {
        vx_input_close(&input->face);
        return status;
    }
    *result = &input->face;
    return VX_OK;
}

vx_status vx_input_open(vx_input **result, const char *path, vx_msg *msg)
{
    vx_input_whole *input = create(path);
    if (!input) return vx_fail_nomem(msg);
    input->raw.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (input->raw.fd < 0) {
        vx_status status = vx_fail(msg, VX_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
        vx_input_close(&input->face);
        return status;
    }
    return started(result, input, msg);
}

vx_status vx_input_open_memory(vx_input **result, const char *name, const void *data, size_t bytes, vx_msg *msg)
{
    vx_input_whole *input = create(name);
    if (!input) return vx_fail_nomem(msg);
    input->raw.memory = data;
    input->raw.memory_bytes = bytes;
    return started(result, input, msg);
}

vx_status vx_input_rewind(vx_input *face, vx_msg *msg)
{
    vx_input_whole *input = (vx_input_whole *)face;
    if (input->raw.fd >= 0 && lseek(input->raw.fd, 0, SEEK_SET) < 0)
        return vx_fail(msg, VX_ERR_IO, "%s: cannot read twice (a pipe?): %s", input->name, strerror(errno));
    stop(input);
    input->raw.offset = 0;
    return start(input, msg);
}

void vx_input_close(vx_input *face)
{
    if (!face) return;
    vx_input_whole *input = (vx_input_whole *)face;
    stop(input);
    if (input->raw.fd >= 0) close(input->raw.fd);
    free(input);
}
