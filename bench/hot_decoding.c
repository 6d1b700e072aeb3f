/* A program of loops over a few hundred blocks of code, whose loads and stores stand still, stride or go anywhere, so
 * that all ways to give an address are used about as often as in the shipped traces. */
#include "hot_decoding.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench_records.h"
#include "vx_random.h"

enum { BLOCKS = 300, LOOPS = 3000, DATA_MAX = 12 };

typedef struct code_block {
    unsigned data;
    uint64_t address[DATA_MAX], stride[DATA_MAX];
} code_block;

static void make_block(code_block *block, vx_random *random)
{
    static const uint64_t strides[] = {0, 0, 0, 8, 8, 64, 4096};
    block->data = (unsigned)vx_random_below(random, DATA_MAX + 1);
    for (unsigned i = 0; i < block->data; i++) {
        block->address[i] = 0x7F0000000000 + vx_random_below(random, 1 << 28) * 8;
        block->stride[i] = strides[vx_random_below(random, sizeof strides / sizeof *strides)];
    }
}

/* One run of a block: an instruction or a few before each of its loads and stores, and behind the last. */
static vx_status run_block(bench_records *all, code_block *block, uint64_t at, vx_random *random, vx_msg *msg)
{
    vx_status status = VX_OK;
    for (unsigned i = 0; status == VX_OK && i <= block->data; i++) {
        uint16_t count = (uint16_t)(1 + (at / 4 + i) % 4);
        const vx_record fetch = {.kind = VX_REC_FETCH, .addr = at, .count = count, .arg = 4U * count};
        status = bench_records_put(all, &fetch, msg);
        at += fetch.arg;
        if (status != VX_OK || i == block->data) break;
        block->address[i] += block->stride[i];
        if (i % 8 == 7) block->address[i] = 0x600000000000 + vx_random_below(random, 1 << 24) * 8;
        const vx_record data = {
            .kind = i % 3 == 2 ? VX_REC_STORE : VX_REC_LOAD, .addr = block->address[i], .size = 8, .count = 1};
        status = bench_records_put(all, &data, msg);
    }
    return status;
}

static vx_status make(bench_records *all, vx_msg *msg)
{
    static code_block blocks[BLOCKS];
    vx_random random;
    vx_random_init(&random, 1, "decoding");
    for (unsigned i = 0; i < BLOCKS; i++) make_block(&blocks[i], &random);
    all->header = (vx_trace_header){.tier = VX_TIER_FULL, .kind = VX_TRACE_USER, .paging = VX_PAGING_4LEVEL};
    vx_status status = VX_OK;
    for (unsigned loop = 0; status == VX_OK && loop < LOOPS; loop++) {
        uint64_t number = vx_random_below(&random, BLOCKS), turns = 1 + vx_random_below(&random, 8);
        for (; status == VX_OK && turns; turns--)
            status = run_block(all, &blocks[number], 0x400000 + number * 256, &random, msg);
    }
    return status;
}

static vx_status write_trace(const bench_records *all, const char *path, vx_msg *msg)
{
    vx_trace_writer *writer;
    vx_status status = vx_trace_writer_open(&writer, path, &all->header, NULL, msg);
    if (status != VX_OK) return status;
    status = vx_trace_writer_put(writer, 0, &(vx_batch){.records = all->records, .count = all->count}, msg);
    if (status == VX_OK) return vx_trace_writer_finish(writer, msg);
    vx_trace_writer_abandon(writer);
    return status;
}

static vx_status decode(const char *path, void (*mark)(void), uint64_t *records, vx_msg *msg)
{
    vx_source *source;
    vx_batch batch = {.count = 1};
    vx_status status = vx_trace_open(&source, path, NULL, msg);
    if (status != VX_OK) return status;
    *records = 0;
    mark();
    while (status == VX_OK && batch.count) {
        status = vx_source_next(source, &batch, msg);
        *records += batch.count;
    }
    mark();
    vx_source_close(source);
    return status;
}

vx_status hot_decoding(void (*mark)(void), uint64_t *records, vx_msg *msg)
{
    char folder[] = "/tmp/hot_decoding.XXXXXX", path[sizeof folder + 16];
    bench_records all = {0};
    if (!mkdtemp(folder)) return vx_fail(msg, VX_ERR_IO, "%s: no folder of that name can be made", folder);
    snprintf(path, sizeof path, "%s/trace.vxt", folder);
    vx_status status = make(&all, msg);
    if (status == VX_OK) status = write_trace(&all, path, msg);
    if (status == VX_OK) status = decode(path, mark, records, msg);
    bench_records_fini(&all);
    unlink(path);
    rmdir(folder);
    return status;
}
