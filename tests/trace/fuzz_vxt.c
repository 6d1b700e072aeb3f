/* A .vxt file made by an enemy. Two ways in: the whole file (first byte even), where checksums stop most inputs, and
 * one chunk's decoded bytes (odd), which is where an enemy with right checksums arrives. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vx_trace.h"
#include "vxt_chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_file(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("vxt", 0);
    if (fd < 0) return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size) {
        for (int whole = 0; whole < 2; whole++) {
            vx_trace_options options = {.whole_chunks = whole};
            vx_source *source;
            vx_msg msg;
            if (vx_trace_open(&source, path, &options, &msg)) continue;
            vx_batch batch;
            while (vx_source_next(source, &batch, &msg) == VX_OK && batch.count) {
            }
            vx_source_close(source);
        }
    }
    close(fd);
}

static void read_chunk(const uint8_t *data, size_t size)
{
    if (size < 4) return;
    const char *why;
    uint32_t records = vxt_get32(data);
    uint8_t *raw = malloc(size - 4 + VXT_RAW_SLACK);
    vx_chunk_decoder *decoder = vx_chunk_decoder_new();
    if (raw && decoder) {
        memcpy(raw, data + 4, size - 4);
        memset(raw + size - 4, 0, VXT_RAW_SLACK);
        vx_batch batch;
        if (vx_chunk_decoder_start(decoder, raw, size - 4, records, &why) == VX_OK)
            while (vx_chunk_decoder_next(decoder, &batch, &why) == VX_OK && batch.count)
                for (size_t i = 0; i < batch.count; i++)
                    if (!vx_record_valid(&batch.records[i], batch.words)) __builtin_trap();
    }
    vx_chunk_decoder_free(decoder);
    free(raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    if (data[0] % 2)
        read_chunk(data + 1, size - 1);
    else
        read_file(data + 1, size - 1);
    return 0;
}
