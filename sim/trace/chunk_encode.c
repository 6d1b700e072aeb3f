/* Records to a chunk's columns. What is decided here and nowhere else is how the record stream is cut into templates:
 * at every fetch that does not follow on the last one (a jump), around every record that is no plain reference, and
 * where loads or stores come without fetches, so that no combination of accidental neighbours fills the dictionary. */
#include "chunk_encoder.h"

enum {
    MARGIN =
        (VXT_FULL_EVERY + 1) * VXT_PENDING_MAX, /* records that may follow after a chunk was found not to be full */
    RAW_TARGET =
        12 << 20, /* a chunk is full when its columns reach this: VXT_RAW_MAX holds MARGIN more of the longest */
    FIRST_TABLE = 1 << 10
};

vx_chunk_encoder *vx_chunk_encoder_new(void)
{
    vx_chunk_encoder *encoder = calloc(1, sizeof *encoder);
    if (encoder) encoder->newest = UINT32_MAX;
    return encoder;
}

void vx_chunk_encoder_free(vx_chunk_encoder *encoder)
{
    if (!encoder) return;
    for (unsigned i = 0; i < VXT_COLUMNS; i++) free(encoder->columns[i].data);
    free(encoder->templates);
    free(encoder->template_table);
    free(encoder->elements);
    free(encoder->element_slots);
    free(encoder->slot_table);
    free(encoder->slots);
    free(encoder->shape_codes);
    free(encoder);
}

/* Whether `record` may not stand in one template with `count` records of a segment that jumps (or not) and whose last
 * fetch ended at `end`. */
static bool cuts(const vx_record *record, unsigned count, bool jumps, uint64_t end)
{
    if (count == VXT_PENDING_MAX || !vxt_is_plain(record) || !jumps) return true;
    return record->kind == VX_REC_FETCH && record->addr != end;
}

/* Most segments are what came behind the last one when it came before. Codes that one where it is what comes, and
 * gives its length: 0 where it is not, or all that is `left` would not show where it ends. What equals a template is
 * valid, as that was. */
static unsigned put_guessed(vx_chunk_encoder *encoder, const vx_record *records, size_t left, const uint64_t *payload,
                            bool *done)
{
    if (encoder->newest == UINT32_MAX) return 0;
    uint32_t number = encoder->templates[encoder->newest].successor;
    const vxt_template *template = &encoder->templates[number];
    unsigned length = template->elements;
    if (length >= left || !vxt_is_plain(encoder->elements + template->element) ||
        !vxt_encoder_equals(encoder, template, records) ||
        !cuts(&records[length], length, template->jumps, template->end))
        return 0;
    *done = vxt_encoder_put_segment(encoder, number, records, payload);
    return length;
}

/* ---- the encoder as its caller sees it ---- */

/* Adds one record to what is pending. */
static bool put_pending(vx_chunk_encoder *encoder, const vx_record *record, const uint64_t *payload)
{
    encoder->pending[encoder->pending_count++] = *record;
    if (record->kind == VX_REC_FETCH) encoder->fetched_to = record->addr + record->arg;
    return vxt_is_plain(record) || vxt_encoder_end_segment(encoder, payload);
}

vx_status vx_chunk_encoder_put(vx_chunk_encoder *encoder, const vx_batch *batch, size_t from, size_t count,
                               size_t *taken)
{
    const vx_record *records = batch->records + from;
    bool done = true;
    size_t i = 0;
    while (done && i < count) {
        const vx_record *record = &records[i];
        if (encoder->pending_count &&
            cuts(record, encoder->pending_count, vxt_is_fixed(encoder->pending), encoder->fetched_to))
            done = vxt_encoder_end_segment(encoder, batch->payload);
        unsigned length =
            done && !encoder->pending_count ? put_guessed(encoder, record, count - i, batch->payload, &done) : 0;
        i += length;
        if (length || !done) continue;
        if (!vx_record_valid(record, batch->words)) break;
        done = put_pending(encoder, record, batch->payload);
        i++;
    }
    encoder->records += (uint32_t)i;
    *taken = i;
    if (!done) return VX_ERR_NOMEM;
    return i < count ? VX_ERR_INPUT : VX_OK;
}

/* ---- chunks ---- */

uint32_t vx_chunk_encoder_records(const vx_chunk_encoder *encoder) { return encoder->records; }

bool vx_chunk_encoder_full(const vx_chunk_encoder *encoder)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < VXT_COLUMNS; i++) bytes += encoder->columns[i].size;
    return bytes >= RAW_TARGET || encoder->records >= VXT_RECORDS_MAX - MARGIN ||
           encoder->template_count >= VXT_TEMPLATES_MAX - MARGIN ||
           encoder->element_count >= VXT_ELEMENTS_MAX - MARGIN || encoder->slot_count >= VXT_SLOTS_MAX - MARGIN;
}

static void clear(vx_chunk_encoder *encoder)
{
    for (unsigned i = 0; i < VXT_COLUMNS; i++) encoder->columns[i].size = 0;
    encoder->records = encoder->template_count = encoder->element_count = encoder->element_slot_count = 0;
    encoder->slot_count = 0;
    encoder->newest = UINT32_MAX;
    encoder->fixed_end = 0;
    encoder->addresses = encoder->words = (vxt_history){0, 0};
    memset(encoder->last_word, 0, sizeof encoder->last_word);
    if (encoder->template_table)
        memset(encoder->template_table, 0, encoder->template_buckets * sizeof *encoder->template_table);
    memset(encoder->events, 0, sizeof encoder->events);
    if (encoder->shape_codes) memset(encoder->shape_codes, 0, encoder->shape_capacity * sizeof *encoder->shape_codes);
    if (encoder->slot_table) memset(encoder->slot_table, 0, encoder->slot_buckets * sizeof *encoder->slot_table);
}

vx_status vx_chunk_encoder_finish(vx_chunk_encoder *encoder, vxt_bytes *raw)
{
    if (!vxt_encoder_end_segment(encoder, NULL)) return VX_ERR_NOMEM;
    size_t bytes = VXT_COLUMN_TABLE;
    for (unsigned i = 0; i < VXT_COLUMNS; i++) bytes += encoder->columns[i].size;
    raw->size = 0;
    if (!vxt_bytes_room(raw, bytes)) return VX_ERR_NOMEM;
    raw->size = VXT_COLUMN_TABLE;
    for (unsigned i = 0; i < VXT_COLUMNS; i++) {
        const vxt_bytes *column = &encoder->columns[i];
        vxt_set32(raw->data + 4 * i, (uint32_t)column->size);
        if (column->size) memcpy(raw->data + raw->size, column->data, column->size);
        raw->size += column->size;
    }
    clear(encoder);
    return VX_OK;
}
