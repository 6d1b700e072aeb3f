/* The dictionary of a chunk: slots, templates, and the coding of segments that equal one. */
#include "chunk_differences.h"

#include <xxhash.h>

const uint8_t vx_chunk_width_bytes[VXT_WIDTHS] = {0, 0, 1, 2, 3, 4, 6, 8};

enum { FIRST_TABLE = 1 << 10 };

static bool has_count(unsigned kind) { return kind != VX_REC_LOAD && kind != VX_REC_STORE; }

/* ---- differences ---- */

/* Appends a difference; its column has room. */
static void put_difference(vx_chunk_encoder *encoder, unsigned first_column, unsigned way, uint64_t difference)
{
    if (way < 2) return;
    vxt_bytes *column = &encoder->columns[first_column + way - 2];
    vxt_set64(column->data + column->size, difference);
    column->size += vx_chunk_width_bytes[way];
}

bool vxt_encoder_reserve_differences(vx_chunk_encoder *encoder, unsigned codes, unsigned first_column, unsigned count)
{
    if (!vxt_bytes_room(&encoder->columns[codes], count)) return false;
    for (unsigned i = 0; i < VXT_WIDTHS - 2; i++)
        if (!vxt_bytes_room(&encoder->columns[first_column + i], 8UL * count)) return false;
    return true;
}

static bool put_byte(vxt_bytes *column, unsigned byte)
{
    if (!vxt_bytes_room(column, 1)) return false;
    column->data[column->size++] = (uint8_t)byte;
    return true;
}

static bool put_varint(vxt_bytes *column, uint64_t value)
{
    if (!vxt_bytes_room(column, VXT_VARINT_BYTES)) return false;
    vxt_put_varint(column, value);
    return true;
}

void vxt_encoder_put_reserved_words(vx_chunk_encoder *encoder, const vx_record *record, const uint64_t *payload)
{
    const vx_record_info *info = vx_record_describe(record->kind);
    vxt_bytes *codes = &encoder->columns[VXT_COL_WORD_CODES];
    uint8_t *code = codes->data + codes->size;
    uint64_t repeat = encoder->words.repeat;
    for (unsigned i = 0; i < record->count; i++) {
        uint64_t *last = &encoder->last_word[record->kind][vxt_word_context(info, i)];
        uint64_t word = payload[record->arg + i], difference = word - *last;
        unsigned way = vxt_way_of(difference, repeat);
        *code++ = (uint8_t)way;
        if (way == 0) continue; /* most */
        repeat = difference;
        *last = word;
        put_difference(encoder, VXT_COL_WORDS, way, difference);
    }
    encoder->words.repeat = repeat;
    codes->size += record->count;
}

bool vxt_encoder_put_words(vx_chunk_encoder *encoder, const vx_record *record, const uint64_t *payload)
{
    if (!payload || !vxt_encoder_reserve_differences(encoder, VXT_COL_WORD_CODES, VXT_COL_WORDS, record->count))
        return false;
    vxt_encoder_put_reserved_words(encoder, record, payload);
    return true;
}

/* ---- slots ---- */

static bool rehash_slots(vx_chunk_encoder *encoder)
{
    uint32_t buckets = encoder->slot_buckets ? encoder->slot_buckets * 2 : FIRST_TABLE;
    vxt_slot_key *table = calloc(buckets, sizeof *table);
    if (!table) return false;
    for (uint32_t i = 0; i < encoder->slot_buckets; i++) {
        const vxt_slot_key *old = &encoder->slot_table[i];
        if (!old->used) continue;
        uint32_t at = (uint32_t)old->key & (buckets - 1);
        while (table[at].used) at = (at + 1) & (buckets - 1);
        table[at] = *old;
    }
    free(encoder->slot_table);
    encoder->slot_table = table;
    encoder->slot_buckets = buckets;
    return true;
}

/* The slot of a static position, made on its first use. */
static bool find_slot(vx_chunk_encoder *encoder, uint64_t key, uint32_t *slot)
{
    if (encoder->slot_count * 2 >= encoder->slot_buckets && !rehash_slots(encoder)) return false;
    uint32_t at = (uint32_t)key & (encoder->slot_buckets - 1);
    for (; encoder->slot_table[at].used; at = (at + 1) & (encoder->slot_buckets - 1)) {
        if (encoder->slot_table[at].key == key) {
            *slot = encoder->slot_table[at].slot;
            return true;
        }
    }
    if (!vxt_grow(&encoder->slots, &encoder->slot_capacity, encoder->slot_count, 1, sizeof(uint64_t))) return false;
    encoder->slots[encoder->slot_count] = 0;
    encoder->slot_table[at] = (vxt_slot_key){key, encoder->slot_count, 1};
    *slot = encoder->slot_count++;
    return true;
}

/* ---- templates ---- */

static uint64_t position_key(uint64_t fetch_end, unsigned ordinal, const vx_record *record)
{
    uint64_t parts[2] = {fetch_end, (uint64_t)ordinal << 16 | (uint64_t)record->size << 8 | record->kind};
    return XXH3_64bits(parts, sizeof parts);
}

/* Writes one record of a new template into the dictionary's columns, but for its slot. */
static bool put_element(vx_chunk_encoder *encoder, const vx_record *record)
{
    vxt_bytes *columns = encoder->columns;
    bool fixed = vxt_is_fixed(record);
    bool done = put_byte(&columns[VXT_COL_KINDS], record->kind | (fixed ? VXT_ADDRESS_FIXED : 0u)) &&
                put_byte(&columns[VXT_COL_SIZES], record->size) &&
                (!has_count(record->kind) || put_varint(&columns[VXT_COL_COUNTS], record->count));
    if (!done || !fixed) return done;
    done = put_varint(&columns[VXT_COL_BYTES], record->arg) &&
           put_varint(&columns[VXT_COL_ADDRESSES], vxt_zigzag(record->addr - encoder->fixed_end));
    encoder->fixed_end = record->addr + record->arg;
    return done;
}

/* Writes which slot the record uses. */
static bool put_slot(vx_chunk_encoder *encoder, uint64_t key)
{
    uint32_t count = encoder->slot_count, slot;
    if (!find_slot(encoder, key, &slot) || !vxt_grow(&encoder->element_slots, &encoder->element_slot_capacity,
                                                     encoder->element_slot_count, 1, sizeof(uint32_t)))
        return false;
    encoder->element_slots[encoder->element_slot_count++] = slot;
    return put_varint(&encoder->columns[VXT_COL_SLOTS], slot == count ? 0 : count - slot);
}

/* A record as it stands in the dictionary. */
static vx_record element_of(const vx_record *record)
{
    vx_record element = *record;
    if (!vxt_is_fixed(record)) element.addr = 0;
    if (!vxt_is_plain(record)) element.arg = 0;
    return element;
}

static bool rehash_templates(vx_chunk_encoder *encoder)
{
    uint32_t buckets = encoder->template_buckets ? encoder->template_buckets * 2 : FIRST_TABLE;
    uint32_t *table = calloc(buckets, sizeof *table);
    if (!table) return false;
    for (uint32_t i = 0; i < encoder->template_count; i++) {
        uint32_t at = (uint32_t)encoder->templates[i].hash & (buckets - 1);
        while (table[at]) at = (at + 1) & (buckets - 1);
        table[at] = i + 1;
    }
    free(encoder->template_table);
    encoder->template_table = table;
    encoder->template_buckets = buckets;
    return true;
}

/* Makes a template of the pending records, whose dictionary forms are `elements`. */
static bool add_template(vx_chunk_encoder *encoder, const vx_record *elements, uint64_t hash)
{
    unsigned count = encoder->pending_count;
    if (!vxt_grow(&encoder->templates, &encoder->template_capacity, encoder->template_count, 1, sizeof(vxt_template)) ||
        !vxt_grow(&encoder->elements, &encoder->element_capacity, encoder->element_count, count, sizeof(vx_record)))
        return false;
    vxt_template made = {.hash = hash,
                         .element = encoder->element_count,
                         .slot = encoder->element_slot_count,
                         .elements = (uint8_t)count,
                         .jumps = vxt_is_fixed(elements),
                         .end = encoder->fetched_to};
    uint64_t fetch_end = 0;
    unsigned ordinal = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!put_element(encoder, &encoder->pending[i])) return false;
        if (vxt_is_fixed(&elements[i])) {
            fetch_end = elements[i].addr + elements[i].arg;
            ordinal = 0;
        } else if (!put_slot(encoder, position_key(fetch_end, ordinal++, &elements[i]))) {
            return false;
        }
    }
    made.slots = (uint8_t)(encoder->element_slot_count - made.slot);
    memcpy(encoder->elements + encoder->element_count, elements, count * sizeof *elements);
    encoder->element_count += count;
    encoder->templates[encoder->template_count++] = made;
    return put_byte(&encoder->columns[VXT_COL_LENGTHS], count);
}

/* All of a record but its address, as one number. */
static uint64_t shape_of(const vx_record *record)
{
    uint64_t shape;
    memcpy(&shape, (const char *)record + offsetof(vx_record, arg), sizeof shape);
    return shape;
}

bool vxt_encoder_equals(const vx_chunk_encoder *encoder, const vxt_template *template, const vx_record *records)
{
    const vx_record *elements = encoder->elements + template->element;
    for (unsigned i = 0; i < template->elements; i++) {
        if (shape_of(&records[i]) != shape_of(&elements[i])) return false;
        if (vxt_is_fixed(&records[i]) && records[i].addr != elements[i].addr) return false;
    }
    return true;
}

/* The number of the template that equals the pending records, made where there is none. */
static bool find_template(vx_chunk_encoder *encoder, uint32_t *number)
{
    vx_record elements[VXT_PENDING_MAX];
    size_t bytes = encoder->pending_count * sizeof *elements;
    for (unsigned i = 0; i < encoder->pending_count; i++) elements[i] = element_of(&encoder->pending[i]);
    uint64_t hash = XXH3_64bits(elements, bytes);
    if (encoder->template_count * 2 >= encoder->template_buckets && !rehash_templates(encoder)) return false;
    uint32_t at = (uint32_t)hash & (encoder->template_buckets - 1), entry;
    for (; (entry = encoder->template_table[at]) != 0; at = (at + 1) & (encoder->template_buckets - 1)) {
        const vxt_template *found = &encoder->templates[entry - 1];
        if (found->hash != hash || found->elements != encoder->pending_count ||
            !vxt_encoder_equals(encoder, found, elements))
            continue;
        *number = entry - 1;
        return true;
    }
    if (!add_template(encoder, elements, hash)) return false;
    encoder->template_table[at] = encoder->template_count;
    *number = encoder->template_count - 1;
    return true;
}

bool vxt_encoder_put_segment(vx_chunk_encoder *encoder, uint32_t number, const vx_record *records,
                             const uint64_t *payload)
{
    const vxt_template *template = &encoder->templates[number];
    vxt_bytes *ids = &encoder->columns[VXT_COL_IDS];
    if (!vxt_bytes_room(ids, 2) ||
        !vxt_encoder_reserve_differences(encoder, VXT_COL_CODES, VXT_COL_DELTAS, template->slots))
        return false;
    vxt_set16(ids->data + ids->size, (uint16_t)number);
    ids->size += 2;
    const uint32_t *slot = encoder->element_slots + template->slot;
    vxt_cursor cursor;
    vxt_column_ends ends;
    vxt_cursor_start(&cursor, &ends, encoder);
    for (const vx_record *record = records; record < records + template->elements; record++)
        if (!vxt_is_fixed(record)) vxt_put_address(&cursor, &ends, *slot++, record->addr);
    vxt_cursor_end(&cursor, &ends, encoder);
    for (const vx_record *record = records; record < records + template->elements; record++)
        if (!vxt_is_plain(record) && record->count && !vxt_encoder_put_words(encoder, record, payload)) return false;
    encoder->newest = number;
    return true;
}

bool vxt_encoder_end_segment(vx_chunk_encoder *encoder, const uint64_t *payload)
{
    uint32_t number, before = encoder->newest;
    if (!encoder->pending_count) return true;
    if (!find_template(encoder, &number) || !vxt_encoder_put_segment(encoder, number, encoder->pending, payload))
        return false;
    if (before != UINT32_MAX) encoder->templates[before].successor = number;
    encoder->pending_count = 0;
    return true;
}
