/* Records to a chunk's columns, where their source says how they repeat: each shape becomes one template, whose number
 * is kept, and a run of it takes no more than its addresses' coding. So does each kind of event. */
#include "chunk_differences.h"

enum { FEW = 4 }; /* slots: most templates have no more; nor have most events more words */

/* Makes the table of shapes' templates long enough, and empty where the numbers have got other meanings. */
static bool reserve_shapes(vx_chunk_encoder *encoder, const vxt_runs *runs)
{
    uint32_t before = encoder->shape_capacity;
    if (encoder->shaping != runs->shaping && before)
        memset(encoder->shape_codes, 0, before * sizeof *encoder->shape_codes);
    encoder->shaping = runs->shaping;
    if (runs->shape_count <= before) return true;
    if (!vxt_grow(&encoder->shape_codes, &encoder->shape_capacity, before, runs->shape_count - before,
                  sizeof *encoder->shape_codes))
        return false;
    memset(encoder->shape_codes + before, 0, (encoder->shape_capacity - before) * sizeof *encoder->shape_codes);
    return true;
}

/* Room for whatever `count` runs that have templates need, but for events' payload where it is more than a FEW words.
 */
static bool reserve_runs(vx_chunk_encoder *encoder, size_t count)
{
    return vxt_bytes_room(&encoder->columns[VXT_COL_IDS], 2 * count) &&
           vxt_grow(&encoder->element_slots, &encoder->element_slot_capacity, encoder->element_slot_count, FEW,
                    sizeof *encoder->element_slots) &&
           vxt_encoder_reserve_differences(encoder, VXT_COL_CODES, VXT_COL_DELTAS, (unsigned)count * VXT_PENDING_MAX) &&
           vxt_encoder_reserve_differences(encoder, VXT_COL_WORD_CODES, VXT_COL_WORDS, (unsigned)count * FEW);
}

/* Where the template of such an event is kept. */
static vxt_event_code *event_code(vx_chunk_encoder *encoder, const vx_record *event)
{
    return &encoder->events[(event->kind + 31U * event->size + 7U * event->count) % VXT_EVENTS_KNOWN];
}

/* What coding the addresses of some runs takes, one after the other. */
typedef struct flat_slots {
    size_t count;
    uint32_t slot[VXT_FULL_EVERY * VXT_PENDING_MAX + FEW];
} flat_slots;

/* Adds a template's slots: mostly few, which are copied without a look at how many. */
static inline void add_slots(flat_slots *flat, const uint32_t *slots, unsigned count)
{
    uint32_t *to = flat->slot + flat->count;
    memcpy(to, slots, FEW * sizeof *to);
    for (unsigned i = FEW; i < count; i += FEW) memcpy(to + i, slots + i, FEW * sizeof *to);
    flat->count += count;
}

/* Takes the numbers of the templates of runs that are no events, up to one that has none. */
static size_t take_templates(vx_chunk_encoder *encoder, const uint32_t *run, size_t count, flat_slots *flat)
{
    uint8_t *id = encoder->columns[VXT_COL_IDS].data + encoder->columns[VXT_COL_IDS].size;
    const vxt_shape_code *codes = encoder->shape_codes;
    uint32_t records = 0;
    size_t i = 0;
    flat->count = 0;
    for (; i < count && run[i]; i++) {
        const vxt_shape_code code = codes[run[i]];
        if (!code.elements) break;
        vxt_set16(id + 2 * i, code.id);
        records += code.elements;
        add_slots(flat, encoder->element_slots + code.slot, code.slots);
    }
    encoder->columns[VXT_COL_IDS].size += 2 * i;
    encoder->records += records;
    if (i) encoder->newest = codes[run[i - 1]].id;
    return i;
}

static void put_addresses(vx_chunk_encoder *encoder, const flat_slots *flat, const uint64_t *address)
{
    vxt_cursor cursor;
    vxt_column_ends ends;
    vxt_cursor_start(&cursor, &ends, encoder);
    for (size_t i = 0; i < flat->count; i++) vxt_put_address(&cursor, &ends, flat->slot[i], address[i]);
    vxt_cursor_end(&cursor, &ends, encoder);
}

/* Codes runs that are no events and have templates. */
static void put_known_runs(vx_chunk_encoder *encoder, const vxt_runs *runs, vxt_runs_place *place, size_t count)
{
    flat_slots flat;
    place->run += take_templates(encoder, runs->runs + place->run, count, &flat);
    put_addresses(encoder, &flat, runs->addresses + place->address);
    place->address += flat.count;
}

/* Payload of an event, which takes the room of its few words at most. False without memory. */
static bool put_payload(vx_chunk_encoder *encoder, const vx_record *event, const uint64_t *payload)
{
    if (event->count > FEW) {
        unsigned more = event->count + VXT_FULL_EVERY * FEW; /* and what the others were promised */
        if (!vxt_encoder_reserve_differences(encoder, VXT_COL_WORD_CODES, VXT_COL_WORDS, more)) return false;
    }
    vxt_encoder_put_reserved_words(encoder, event, payload);
    return true;
}

/* Codes events that have templates. False without memory. */
static bool put_known_events(vx_chunk_encoder *encoder, const vxt_runs *runs, vxt_runs_place *place, size_t count)
{
    const uint32_t *run = runs->runs + place->run, *slots = encoder->element_slots;
    const vx_record *event = runs->events + place->event;
    vxt_bytes *ids = &encoder->columns[VXT_COL_IDS];
    vxt_cursor cursor;
    vxt_column_ends ends;
    size_t i = 0;
    bool done = true;
    vxt_cursor_start(&cursor, &ends, encoder);
    for (; done && i < count && run[i] == 0; i++, event++) {
        const vxt_event_code *known = event_code(encoder, event);
        bool same = known->kind == event->kind && known->size == event->size && known->count == event->count;
        if (!same || !known->code.elements) break;
        vxt_set16(ids->data + ids->size, known->code.id);
        ids->size += 2;
        encoder->newest = known->code.id;
        vxt_put_address(&cursor, &ends, slots[known->code.slot], event->addr);
        done = put_payload(encoder, event, runs->payload);
    }
    vxt_cursor_end(&cursor, &ends, encoder);
    encoder->records += (uint32_t)i;
    place->run += i;
    place->event += i;
    return done;
}

/* The next run, which has no template yet. */
static bool put_other_run(vx_chunk_encoder *encoder, const vxt_runs *runs, vxt_runs_place *place)
{
    uint32_t number = runs->runs[place->run];
    encoder->pending_count = (unsigned)vxt_runs_expand(runs, place, encoder->pending);
    encoder->records += encoder->pending_count;
    const vx_record first = encoder->pending[0];
    for (unsigned i = 0; i < encoder->pending_count; i++) {
        const vx_record *record = &encoder->pending[i];
        if (vxt_is_fixed(record)) encoder->fetched_to = record->addr + record->arg;
    }
    if (!vxt_encoder_end_segment(encoder, runs->payload)) return false;
    const vxt_template *made = &encoder->templates[encoder->newest];
    const vxt_shape_code code = {made->slot, (uint16_t)encoder->newest, made->slots, made->elements};
    if (number)
        encoder->shape_codes[number] = code;
    else
        *event_code(encoder, &first) = (vxt_event_code){first.count, first.kind, first.size, code};
    return true;
}

bool vx_chunk_encoder_put_runs(vx_chunk_encoder *encoder, const vxt_runs *runs, vxt_runs_place *place, size_t count)
{
    size_t end = place->run + count;
    if (!reserve_shapes(encoder, runs) || !vxt_encoder_end_segment(encoder, NULL)) return false;
    while (place->run < end) {
        if (!reserve_runs(encoder, end - place->run)) return false;
        size_t before = place->run;
        put_known_runs(encoder, runs, place, end - place->run);
        if (!put_known_events(encoder, runs, place, end - place->run)) return false;
        if (place->run == before && !put_other_run(encoder, runs, place)) return false;
    }
    return true;
}
