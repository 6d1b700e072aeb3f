#include "import_batch.h"

#include <stdlib.h>
#include <string.h>

static vx_status grow(void **array, size_t *capacity, size_t wanted, size_t member, vx_msg *msg)
{
    if (wanted <= *capacity) return VX_OK;
    size_t larger = *capacity + *capacity / 2;
    if (larger < wanted) larger = wanted;
    void *moved = realloc(*array, larger * member);
    if (!moved) return vx_fail_nomem(msg);
    *array = moved;
    *capacity = larger;
    return VX_OK;
}

vx_status vx_import_batch_reserve(vx_import_batch *batch, size_t records, size_t words, vx_msg *msg)
{
    void *array = batch->records;
    vx_status status = grow(&array, &batch->capacity, batch->count + records, sizeof *batch->records, msg);
    batch->records = array;
    if (status) return status;
    array = batch->payload;
    status = grow(&array, &batch->words_capacity, batch->words + words, sizeof *batch->payload, msg);
    batch->payload = array;
    return status;
}

vx_status vx_import_batch_begin(vx_import_batch *batch, size_t records, size_t words, vx_msg *msg)
{
    batch->count = batch->words = 0;
    vx_status status = vx_import_batch_reserve(batch, records + 1, words, msg);
    if (status) return status;
    if (batch->has_kept) batch->records[batch->count++] = batch->kept;
    batch->has_kept = false;
    return VX_OK;
}

void vx_import_batch_emit(vx_import_batch *batch, bool ended, vx_batch *out)
{
    if (!ended && batch->count > 1 && batch->records[batch->count - 1].kind == VX_REC_FETCH) {
        batch->kept = batch->records[--batch->count];
        batch->has_kept = true;
    }
    *out = (vx_batch){batch->records, batch->count, batch->payload, batch->words};
}

void vx_import_batch_fini(vx_import_batch *batch)
{
    free(batch->records);
    free(batch->payload);
    *batch = (vx_import_batch){0};
}

void vx_import_references(vx_import_batch *batch, vx_record_kind kind, uint64_t addr, unsigned bytes)
{
    for (; bytes > VX_IMPORT_REFERENCE_BYTES; bytes -= VX_IMPORT_REFERENCE_BYTES) {
        vx_import_reference(batch, kind, addr, VX_IMPORT_REFERENCE_BYTES);
        addr += VX_IMPORT_REFERENCE_BYTES;
    }
    vx_import_reference(batch, kind, addr, bytes);
}

vx_record *vx_import_event(vx_import_batch *batch, vx_record_kind kind, uint64_t addr, uint8_t size,
                           const uint64_t *words, size_t count)
{
    assert(batch->words + count <= batch->words_capacity);
    vx_record *record = vx_import_put(batch, kind, addr, size);
    record->arg = (uint32_t)batch->words;
    record->count = (uint16_t)count;
    if (count > 0) memcpy(batch->payload + batch->words, words, count * sizeof *words);
    batch->words += count;
    return record;
}

void vx_import_skipped(vx_import_batch *batch, uint64_t instructions, uint64_t fetches)
{
    if (instructions == 0) return;
    const uint64_t words[] = {instructions, fetches, 0, 0};
    vx_import_event(batch, VX_REC_SKIPPED, 0, 0, words, 4);
}
