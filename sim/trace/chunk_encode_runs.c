/* Records to a chunk's columns, where their source says how they repeat: each shape becomes one template, whose number
 * is kept, and a run of it takes no more than its addresses' coding. So does each kind of event. */
#include "chunk_differences.h"

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

/* Room for whatever `count` runs that have templates need, but for events' payload. */
static bool reserve_runs(vx_chunk_encoder *encoder, size_t count)
{
    return vxt_bytes_room(&encoder->columns[VXT_COL_IDS], 2 * count) &&
           vxt_encoder_reserve_differences(encoder, VXT_COL_CODES, VXT_COL_DELTAS, (unsigned)count * VXT_PENDING_MAX);
}

/* Where the template of such an event is kept. */
static vxt_event_code *event_code(vx_chunk_encoder *encoder, const vx_record *event)
{
    return &encoder->events[(event->kind + 31U * event->size + 7U * event->count) % VXT_EVENTS_KNOWN];
}

/* What coding the next run takes of its template, where it has one: `elements` is 0 where not. */
static inline vxt_shape_code code_of(vx_chunk_encoder *encoder, uint32_t shape, const vx_record *event)
{
    if (shape) return encoder->shape_codes[shape];
    const vxt_event_code *known = event_code(encoder, event);
    bool same = known->kind == event->kind && known->size == event->size && known->count == event->count;
    return same ? known->code : (vxt_shape_code){0};
}

/* Codes runs that have templates, up to one that has none. False without memory. */
static bool put_known_runs(vx_chunk_encoder *encoder, const vxt_runs *runs, vxt_runs_place *place, size_t count)
{
    const uint32_t *run = runs->runs + place->run, *slots = encoder->element_slots;
    const uint64_t *address = runs->addresses + place->address;
    const vx_record *event = runs->events + place->event;
    uint8_t *id = encoder->columns[VXT_COL_IDS].data + encoder->columns[VXT_COL_IDS].size;
    vxt_cursor cursor;
    size_t i = 0;
    uint32_t records = 0;
    bool done = true;
    vxt_cursor_start(&cursor, encoder);
    for (; done && i < count; i++) {
        const vxt_shape_code code = code_of(encoder, run[i], event);
        if (!code.elements) break;
        vxt_set16(id + 2 * i, code.id);
        records += code.elements;
        encoder->newest = code.id;
        if (run[i] == 0) {
            vxt_put_address(&cursor, slots[code.slot], event->addr);
            done = !event->count || vxt_encoder_put_words(encoder, event, runs->payload);
            event++;
            continue;
        }
        for (const uint32_t *slot = slots + code.slot, *end = slot + code.slots; slot < end; slot++)
            vxt_put_address(&cursor, *slot, *address++);
    }
    vxt_cursor_end(&cursor, encoder);
    encoder->columns[VXT_COL_IDS].size += 2 * i;
    encoder->records += records;
    place->run += i;
    place->address = (size_t)(address - runs->addresses);
    place->event = (size_t)(event - runs->events);
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
        if (!put_known_runs(encoder, runs, place, end - place->run)) return false;
        if (place->run < end && !put_other_run(encoder, runs, place)) return false;
    }
    return true;
}
