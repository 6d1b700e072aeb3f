/* A chunk's decoder: what its check and dictionary (chunk_decode.c) leave for the decoding (chunk_expand.c). */
#ifndef CHUNK_DECODER_H
#define CHUNK_DECODER_H

#include "vxt_chunk.h"

typedef struct template
{
    uint32_t element, slot; /* of its first */
    uint8_t elements, slots;
    bool plain;     /* fetches, loads and stores alone: copied without a look at each record */
    uint16_t words; /* payload words of all its records */
}
template;

/* Where a slot's address goes: the record's offset in bytes, from its template's first or its batch's, and the slot's
 * number in the low half. */
typedef uint64_t slot_use;
enum {
    USE_OFFSET_SHIFT = 32,
    COPY = 8,      /* records that are copied together */
    COPY_USES = 4, /* ... and slot uses */
    BLOCK = 16,    /* uses whose addresses are decoded together */
    LIST = 128     /* uses after which they are decoded: their records are still in the first-level cache */
};

static inline uint32_t use_slot(slot_use use) { return (uint32_t)use; }
static inline slot_use use_make(uint32_t slot, size_t record)
{
    return (slot_use)(record * sizeof(vx_record)) << USE_OFFSET_SHIFT | slot;
}

struct vx_chunk_decoder {
    vx_status (*expand)(vx_chunk_decoder *decoder, vx_batch *batch, const char **why); /* the best for the host */
    const uint8_t *columns[VXT_COLUMNS];                                               /* read positions */
    const uint8_t *ids_end;
    template *templates;
    vx_record *elements;
    slot_use *uses;
    uint64_t *slots;
    uint32_t template_count, element_count, use_count, slot_count;
    uint32_t template_capacity, element_capacity, use_capacity, slot_capacity;
    uint64_t address_repeat, address_before, word_repeat;
    uint64_t last_word[256][VXT_CONTEXTS];
    slot_use list[LIST + VXT_TEMPLATE_ELEMENTS + BLOCK]; /* of records that still lack their addresses */
    vx_record records[VXT_BATCH_RECORDS + VXT_TEMPLATE_ELEMENTS + COPY];
    uint64_t words[VXT_BATCH_WORDS + VXT_TEMPLATE_WORDS];
};

/* Neither fetch, load nor store: `count` and `arg` speak of payload words. */
static inline bool is_event(const vx_record *record)
{
    return record->kind != VX_REC_FETCH && record->kind != VX_REC_LOAD && record->kind != VX_REC_STORE;
}

/* vx_chunk_decoder_next, and the same compiled for AVX2: chunk_expand.c. */
vx_status vx_chunk_expand(vx_chunk_decoder *decoder, vx_batch *batch, const char **why);
vx_status vx_chunk_expand_avx2(vx_chunk_decoder *decoder, vx_batch *batch, const char **why);

#endif
