/* The batch that an importer fills: records in order, back-to-back instructions merged into one FETCH.
 *
 * A FETCH grows while instructions follow each other without a gap, start in one 4 KiB page and no other record comes
 * between (vx_record.h). The last FETCH of a batch is kept back for the next one, so that what is merged does not
 * depend on the size of a batch. */
#ifndef IMPORT_BATCH_H
#define IMPORT_BATCH_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vx_addr.h"
#include "vx_record.h"
#include "vx_status.h"

enum {
    VX_IMPORT_BATCH_RECORDS = 8192,   /* an importer hands its batch on from here */
    VX_IMPORT_BATCH_WORDS = 65536,    /* or from here */
    VX_IMPORT_INSTRUCTION_BYTES = 15, /* the longest (SDM Vol. 2A, 2.3.11) */
    VX_IMPORT_REFERENCE_BYTES = 64,   /* the longest load or store that a record holds */
};

typedef struct vx_import_batch {
    vx_record *records;
    size_t count, capacity;
    uint64_t *payload;
    size_t words, words_capacity;
    bool has_kept;
    vx_record kept; /* the FETCH kept back from the last batch */
} vx_import_batch;

/* Room for that many more records and payload words; VX_ERR_NOMEM leaves the batch as it was. */
vx_status vx_import_batch_reserve(vx_import_batch *batch, size_t records, size_t words, vx_msg *msg);

/* Empties the batch, puts back the FETCH that was kept, and reserves. */
vx_status vx_import_batch_begin(vx_import_batch *batch, size_t records, size_t words, vx_msg *msg);

/* Hands the batch on. `ended`: nothing follows, so keep nothing back. */
void vx_import_batch_emit(vx_import_batch *batch, bool ended, vx_batch *out);

void vx_import_batch_fini(vx_import_batch *batch);

static inline bool vx_import_batch_full(const vx_import_batch *batch)
{
    return batch->count >= VX_IMPORT_BATCH_RECORDS || batch->words >= VX_IMPORT_BATCH_WORDS;
}

/* One record without payload; the caller has reserved. */
static inline vx_record *vx_import_put(vx_import_batch *batch, vx_record_kind kind, uint64_t addr, uint8_t size)
{
    assert(batch->count < batch->capacity);
    vx_record *record = &batch->records[batch->count++];
    *record = (vx_record){.addr = addr, .size = size, .kind = (uint8_t)kind};
    return record;
}

/* One instruction of 1 to 15 bytes. */
static inline void vx_import_fetch(vx_import_batch *batch, uint64_t addr, unsigned bytes)
{
    if (batch->count > 0) {
        vx_record *last = &batch->records[batch->count - 1];
        bool follows = last->kind == VX_REC_FETCH && last->addr + last->arg == addr &&
                       (last->addr ^ addr) < VX_PAGE_BYTES && last->count < UINT16_MAX;
        if (follows) {
            last->arg += bytes;
            last->count++;
            return;
        }
    }
    vx_record *record = vx_import_put(batch, VX_REC_FETCH, addr, 0);
    record->arg = bytes;
    record->count = 1;
}

/* A load or store of 1 to 64 bytes. */
static inline void vx_import_reference(vx_import_batch *batch, vx_record_kind kind, uint64_t addr, unsigned bytes)
{
    vx_import_put(batch, kind, addr, (uint8_t)bytes)->count = 1;
}

/* A load or store of any size: one of more than 64 bytes (FXSAVE, XSAVE) is several records of 64. Reserve as many. */
void vx_import_references(vx_import_batch *batch, vx_record_kind kind, uint64_t addr, unsigned bytes);

/* An event with its payload words; the caller has reserved. */
vx_record *vx_import_event(vx_import_batch *batch, vx_record_kind kind, uint64_t addr, uint8_t size,
                           const uint64_t *words, size_t count);

/* Instructions that the recorder left out, with their fetches; nothing where it is 0. */
void vx_import_skipped(vx_import_batch *batch, uint64_t instructions, uint64_t fetches);

#endif
