#include "input_codec.h"

#include <lz4frame.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum {
    GZIP_WINDOW = 15 + 16, /* zlib.h, inflateInit2: the largest window, gzip framing only */
};
#define XZ_MEMORY_BYTES (256u << 20) /* xz -9 needs 65 MiB; a hostile header may ask for 4 GiB */

static uInt zlib_bytes(size_t bytes) { return bytes > UINT32_MAX ? UINT32_MAX : (uInt)bytes; }

static void *gz_open(void)
{
    z_stream *stream = calloc(1, sizeof *stream);
    if (stream && inflateInit2(stream, GZIP_WINDOW) != Z_OK) {
        free(stream);
        return NULL;
    }
    return stream;
}

/* A gz file may be several members one after another (RFC 1952, 2.2): after one, the next byte begins another. */
static vx_status gz_step(void *state, vx_codec_step *step)
{
    z_stream *stream = state;
    uInt in = zlib_bytes(step->in_bytes), out = zlib_bytes(step->out_bytes);
    if (step->at_boundary && in > 0 && inflateReset2(stream, GZIP_WINDOW) != Z_OK) return VX_ERR_NOMEM;
    stream->next_in = (Bytef *)(uintptr_t)step->in; /* zlib's interface is not const-correct; it only reads */
    stream->avail_in = in;
    stream->next_out = step->out;
    stream->avail_out = out;
    int result = inflate(stream, Z_NO_FLUSH);
    step->taken = in - stream->avail_in;
    step->given = out - stream->avail_out;
    step->at_boundary = result == Z_STREAM_END;
    if (result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR) return VX_OK;
    if (result == Z_MEM_ERROR) return VX_ERR_NOMEM;
    step->fault = stream->msg ? stream->msg : "not deflate data";
    return VX_ERR_INPUT;
}

static void gz_close(void *state)
{
    inflateEnd(state);
    free(state);
}

static void *zst_open(void) { return ZSTD_createDStream(); }

static vx_status zst_step(void *state, vx_codec_step *step)
{
    ZSTD_inBuffer in = {step->in, step->in_bytes, 0};
    ZSTD_outBuffer out = {step->out, step->out_bytes, 0};
    size_t result = ZSTD_decompressStream(state, &out, &in);
    step->taken = in.pos;
    step->given = out.pos;
    step->at_boundary = result == 0;
    if (!ZSTD_isError(result)) return VX_OK;
    step->fault = ZSTD_getErrorName(result);
    return VX_ERR_INPUT;
}

static void zst_close(void *state) { ZSTD_freeDStream(state); }

static void *xz_open(void)
{
    lzma_stream *stream = malloc(sizeof *stream);
    if (!stream) return NULL;
    *stream = (lzma_stream)LZMA_STREAM_INIT;
    if (lzma_stream_decoder(stream, XZ_MEMORY_BYTES, LZMA_CONCATENATED) == LZMA_OK) return stream;
    free(stream);
    return NULL;
}

static const char *xz_fault(lzma_ret result)
{
    switch (result) {
    case LZMA_MEMLIMIT_ERROR:
        return "needs more than 256 MiB to decompress";
    case LZMA_FORMAT_ERROR:
        return "not xz data";
    case LZMA_OPTIONS_ERROR:
        return "unknown xz options";
    default:
        return "damaged xz data";
    }
}

static vx_status xz_step(void *state, vx_codec_step *step)
{
    lzma_stream *stream = state;
    stream->next_in = step->in;
    stream->avail_in = step->in_bytes;
    stream->next_out = step->out;
    stream->avail_out = step->out_bytes;
    lzma_ret result = lzma_code(stream, step->last ? LZMA_FINISH : LZMA_RUN);
    step->taken = step->in_bytes - stream->avail_in;
    step->given = step->out_bytes - stream->avail_out;
    step->at_boundary = result == LZMA_STREAM_END;
    if (result == LZMA_OK || result == LZMA_STREAM_END || result == LZMA_BUF_ERROR) return VX_OK;
    if (result == LZMA_MEM_ERROR) return VX_ERR_NOMEM;
    step->fault = xz_fault(result);
    return VX_ERR_INPUT;
}

static void xz_close(void *state)
{
    lzma_end(state);
    free(state);
}

static void *lz4_open(void)
{
    LZ4F_dctx *context = NULL;
    return LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) ? NULL : context;
}

static vx_status lz4_step(void *state, vx_codec_step *step)
{
    size_t in = step->in_bytes, out = step->out_bytes;
    size_t result = LZ4F_decompress(state, step->out, &out, step->in, &in, NULL);
    if (LZ4F_isError(result)) {
        step->fault = LZ4F_getErrorName(result);
        return VX_ERR_INPUT;
    }
    step->taken = in;
    step->given = out;
    step->at_boundary = result == 0;
    return VX_OK;
}

static void lz4_close(void *state) { LZ4F_freeDecompressionContext(state); }

static const vx_codec codecs[] = {
    {"gz", {0x1F, 0x8B, 0x08}, 3, gz_open, gz_step, gz_close},
    {"zst", {0x28, 0xB5, 0x2F, 0xFD}, 4, zst_open, zst_step, zst_close},
    {"xz", {0xFD, '7', 'z', 'X', 'Z', 0x00}, 6, xz_open, xz_step, xz_close},
    {"lz4", {0x04, 0x22, 0x4D, 0x18}, 4, lz4_open, lz4_step, lz4_close},
};

const vx_codec *vx_codec_by_magic(const uint8_t *head, size_t bytes)
{
    for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
        if (bytes >= codecs[i].magic_bytes && memcmp(head, codecs[i].magic, codecs[i].magic_bytes) == 0)
            return &codecs[i];
    }
    return NULL;
}
