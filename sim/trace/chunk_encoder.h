/* What the files of the chunk encoder share. chunk_encode.c cuts records into segments and ends chunks,
 * chunk_encode_runs.c takes segments as they come from the recorder, chunk_dictionary.c finds and codes them. */
#ifndef CHUNK_ENCODER_H
#define CHUNK_ENCODER_H

#include "vxt_chunk.h"

enum {
    VXT_PENDING_MAX = VXT_SHAPE_RECORDS, /* records of one template, as this encoder cuts them */
    VXT_EVENTS_KNOWN = 128
};

typedef struct vxt_template {
    uint64_t hash;
    uint32_t element, slot; /* of its first */
    uint32_t successor;     /* number of the template that came behind it last, a guess at the next */
    uint8_t elements, slots;
    bool jumps;   /* begins with a fetch: a fetch that does not follow on at `end` ends it */
    uint64_t end; /* where its last fetch ended */
} vxt_template;

typedef struct vxt_slot_key {
    uint64_t key; /* hash of the static position; two that collide share a slot, which costs size, not truth */
    uint32_t slot;
    uint32_t used;
} vxt_slot_key;

/* What coding a run of a shape takes of its template. */
typedef struct vxt_shape_code {
    uint32_t slot; /* the first in `element_slots` */
    uint16_t id;
    uint8_t slots, elements; /* elements 0: the shape has no template yet */
} vxt_shape_code;

/* The same of events of a kind. */
typedef struct vxt_event_code {
    uint16_t count;
    uint8_t kind, size;
    vxt_shape_code code;
} vxt_event_code;

/* The last values that differences refer to. */
typedef struct vxt_history {
    uint64_t repeat; /* the last difference that was not 0 */
    uint64_t before; /* the address coded just before */
} vxt_history;

struct vx_chunk_encoder {
    vxt_bytes columns[VXT_COLUMNS];
    uint32_t records;
    /* The segment being collected. */
    vx_record pending[VXT_PENDING_MAX];
    unsigned pending_count;
    uint64_t fetched_to; /* where the last fetch among them ended */
    uint32_t newest;     /* the template coded last; UINT32_MAX: none */
    /* The dictionary. Elements have the address 0 where a slot supplies it. */
    vxt_template *templates;
    uint32_t template_count, template_capacity;
    uint32_t *template_table; /* open addressing, number + 1 */
    uint32_t template_buckets;
    vx_record *elements;
    uint32_t element_count, element_capacity;
    uint32_t *element_slots; /* the templates' slots, in order */
    uint32_t element_slot_count, element_slot_capacity;
    uint64_t fixed_end; /* where the last fixed address in the dictionary ended */
    /* Slots. */
    vxt_slot_key *slot_table;
    uint32_t slot_buckets;
    uint64_t *slots; /* last address */
    uint32_t slot_count, slot_capacity;
    vxt_history addresses, words;
    uint64_t last_word[256][VXT_CONTEXTS];
    /* The templates of a source's shapes, by the shape's number. */
    vxt_shape_code *shape_codes;
    uint32_t shape_capacity, shaping;
    vxt_event_code events[VXT_EVENTS_KNOWN]; /* of the events that came last */
};

static inline bool vxt_is_fixed(const vx_record *record) { return record->kind == VX_REC_FETCH; }
static inline bool vxt_is_plain(const vx_record *record)
{
    return record->kind == VX_REC_FETCH || record->kind == VX_REC_LOAD || record->kind == VX_REC_STORE;
}

/* Room for `count` differences, and their ways, in the columns from these two on. */
bool vxt_encoder_reserve_differences(vx_chunk_encoder *encoder, unsigned codes, unsigned first_column, unsigned count);

/* Codes an event's payload words. False without memory. */
bool vxt_encoder_put_words(vx_chunk_encoder *encoder, const vx_record *record, const uint64_t *payload);
/* The same where the columns have room for them. */
void vxt_encoder_put_reserved_words(vx_chunk_encoder *encoder, const vx_record *record, const uint64_t *payload);

/* Whether the template's records equal these, which are as many. */
bool vxt_encoder_equals(const vx_chunk_encoder *encoder, const vxt_template *template, const vx_record *records);

/* Codes records that equal the template of this number. `payload`: theirs. False without memory. */
bool vxt_encoder_put_segment(vx_chunk_encoder *encoder, uint32_t number, const vx_record *records,
                             const uint64_t *payload);

/* Codes the pending records, if there are any. `payload`: of the batch that the last of them is from; no other has any.
 * False without memory. */
bool vxt_encoder_end_segment(vx_chunk_encoder *encoder, const uint64_t *payload);

#endif
