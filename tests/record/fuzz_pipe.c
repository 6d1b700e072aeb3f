/* What comes down the recorder's pipe made by an enemy: a guest that has taken over QEMU. Read three times: record by
 * record; by the check of translations, which rebuilds page tables from it; and as runs that are coded and decoded,
 * which must give the same records. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vx_trace.h"
#include "vxt_chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vx_source *open_pipe(int fd)
{
    const vx_trace_header header = {
        .tier = VX_TIER_FULL, .kind = VX_TRACE_SYSTEM, .ram_ranges = 1, .ram = {{0, 64 << 20}}};
    static uint64_t slots[2][16]; /* shared with an enemy */
    const vx_trace_pipe from = {.fd = fd, .slots = slots, .slot_bytes = sizeof slots[0], .slot_count = 2, .credit = -1};
    vx_source *source;
    vx_msg msg;
    slots[0][0] = 2 << 16 | 0x8004; /* two instructions, which run and refer to memory */
    slots[0][1] = 0x401000;
    slots[0][2] = 0x33;
    slots[0][3] = 0x4000;
    slots[0][4] = 0x600000ULL << 16 | 1 << 4 | 7;
    slots[1][0] = slots[1][1] = 0x4000;
    if (lseek(fd, 0, SEEK_SET) != 0 || vx_trace_pipe_open(&source, &from, &header, &msg)) return NULL;
    return source;
}

/* A number for all records of the stream, in order. */
static uint64_t digest(uint64_t sum, const vx_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const vx_record *record = &batch->records[i];
        if (!vx_record_valid(record, batch->words)) __builtin_trap();
        bool event = record->kind != VX_REC_FETCH && record->kind != VX_REC_LOAD && record->kind != VX_REC_STORE;
        uint64_t parts[3] = {record->addr, event ? 0 : record->arg,
                             (uint64_t)record->kind << 32 | (uint64_t)record->size << 16 | record->count};
        for (unsigned j = 0; j < 3; j++) sum = (sum ^ parts[j]) * 0x9E3779B97F4A7C15u;
        for (unsigned j = 0; event && j < record->count; j++)
            sum = (sum ^ batch->payload[record->arg + j]) * 0x9E3779B97F4A7C15u;
    }
    return sum;
}

static uint64_t read_all(vx_source *source)
{
    vx_batch batch;
    vx_msg msg;
    uint64_t sum = 0;
    while (vx_source_next(source, &batch, &msg) == VX_OK && batch.count) sum = digest(sum, &batch);
    return sum;
}

static uint64_t decode(vx_chunk_encoder *encoder, uint64_t sum)
{
    vxt_bytes raw = {0};
    vx_chunk_decoder *decoder = vx_chunk_decoder_new();
    uint32_t records = vx_chunk_encoder_records(encoder);
    const char *why;
    vx_batch batch;
    if (records && decoder && !vx_chunk_encoder_finish(encoder, &raw) && vxt_bytes_room(&raw, VXT_RAW_SLACK)) {
        memset(raw.data + raw.size, 0, VXT_RAW_SLACK);
        if (vx_chunk_decoder_start(decoder, raw.data, raw.size, records, &why)) __builtin_trap();
        do {
            if (vx_chunk_decoder_next(decoder, &batch, &why)) __builtin_trap();
            sum = digest(sum, &batch);
        } while (batch.count);
    }
    vx_chunk_decoder_free(decoder);
    free(raw.data);
    return sum;
}

static uint64_t code_all(vx_source *source)
{
    vx_chunk_encoder *encoder = vx_chunk_encoder_new();
    vxt_runs runs;
    vx_msg msg;
    uint64_t sum = 0;
    while (encoder && vxt_source_next_runs(source, &runs, &msg) == VX_OK && runs.count) {
        vxt_runs_place place = {0};
        while (place.run < runs.count) {
            size_t left = runs.count - place.run;
            if (!vx_chunk_encoder_put_runs(encoder, &runs, &place, left < VXT_FULL_EVERY ? left : VXT_FULL_EVERY))
                break;
            if (vx_chunk_encoder_full(encoder)) sum = decode(encoder, sum);
        }
    }
    if (encoder) sum = decode(encoder, sum);
    vx_chunk_encoder_free(encoder);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("pipe", 0); /* read as a pipe is: from its start to its end, once */
    if (fd < 0) return 0;
    if (write(fd, data, size) == (ssize_t)size) {
        vx_source *source = open_pipe(fd);
        uint64_t sum = source ? read_all(source) : 0;
        vx_source_close(source);
        source = open_pipe(fd);
        if (source && code_all(source) != sum) __builtin_trap();
        vx_source_close(source);
        vx_translations found;
        vx_msg msg;
        source = open_pipe(fd);
        if (source) vx_trace_check_translations(source, &found, &msg);
        vx_source_close(source);
    }
    close(fd);
    return 0;
}
