/* A .vxt file made by an enemy. Two ways in: the whole file (first byte even), where checksums stop most inputs, and
 * one chunk's decoded bytes (odd), which is where an enemy with right checksums arrives. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest_image.h"
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

/* What the records make of a guest can be told again. */
static void keep(guest_image *image, const vx_batch *batch)
{
    vx_msg msg;
    for (size_t i = 0; i < batch->count; i++) {
        if (!vx_record_valid(&batch->records[i], batch->words)) __builtin_trap();
        if (guest_image_take(image, &batch->records[i], batch->payload, &msg)) return;
    }
}

static void tell(const guest_image *image)
{
    uint64_t words[2048];
    image_page *pages = guest_image_pages(image);
    for (uint32_t i = 0; pages && i < image->live; i++) {
        vx_record page = {.kind = VX_REC_PT_PAGE_NEW, .addr = pages[i].gpa, .size = pages[i].level};
        page.count = (uint16_t)guest_image_entries(image, page.addr, words);
        if (!vx_record_valid(&page, page.count)) __builtin_trap();
    }
    free(pages);
}

static void read_chunk(const uint8_t *data, size_t size)
{
    if (size < 4) return;
    const char *why;
    uint32_t records = vxt_get32(data);
    uint8_t *raw = malloc(size - 4 + VXT_RAW_SLACK);
    vx_chunk_decoder *decoder = vx_chunk_decoder_new();
    guest_image image;
    vx_msg msg;
    if (raw && decoder && guest_image_init(&image, &msg) == VX_OK) {
        memcpy(raw, data + 4, size - 4);
        memset(raw + size - 4, 0, VXT_RAW_SLACK);
        vx_batch batch;
        if (vx_chunk_decoder_start(decoder, raw, size - 4, records, &why) == VX_OK)
            while (vx_chunk_decoder_next(decoder, &batch, &why) == VX_OK && batch.count) keep(&image, &batch);
        tell(&image);
        guest_image_fini(&image);
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
