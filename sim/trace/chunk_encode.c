/* Records to a chunk's columns. What is decided here and nowhere else is how the record stream is cut into templates:
 * at every fetch that does not follow on the last one (a jump), around every record that is no plain reference, and
 * where loads or stores come without fetches, so that no combination of accidental neighbours fills the dictionary. */
#include "vxt_chunk.h"

#include <xxhash.h>

const uint8_t vx_chunk_width_bytes[VXT_WIDTHS] = {0, 0, 1, 2, 3, 4, 6, 8};

enum {
    PENDING_MAX = 64,         /* records of one template, as this encoder cuts them */
    MARGIN = 2 * PENDING_MAX, /* records that may follow after a chunk was found not to be full */
    RAW_TARGET =
        12 << 20, /* a chunk is full when its columns reach this: VXT_RAW_MAX holds MARGIN more of the longest */
    FIRST_TABLE = 1 << 10
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

/* The last values that differences refer to. */
typedef struct vxt_history {
    uint64_t repeat; /* the last difference that was not 0 */
    uint64_t before; /* the address coded just before */
} vxt_history;

struct vx_chunk_encoder {
    vxt_bytes columns[VXT_COLUMNS];
    uint32_t records;
    /* The segment being collected. */
    vx_record pending[PENDING_MAX];
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
};

static bool is_fixed(const vx_record *record) { return record->kind == VX_REC_FETCH; }
static bool is_plain(const vx_record *record)
{
    return record->kind == VX_REC_FETCH || record->kind == VX_REC_LOAD || record->kind == VX_REC_STORE;
}
static bool has_count(unsigned kind) { return kind != VX_REC_LOAD && kind != VX_REC_STORE; }

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
    free(encoder);
}

/* Room for `more` items of `size` bytes in an array that doubles. */
static bool grow(void **array, uint32_t *capacity, uint32_t count, uint32_t more, size_t size)
{
    if (*capacity - count >= more) return true;
    uint32_t bigger = *capacity ? *capacity : 256;
    while (bigger - count < more) bigger *= 2;
    void *data = realloc(*array, bigger * size);
    if (!data) return false;
    *array = data;
    *capacity = bigger;
    return true;
}

/* ---- differences ---- */

/* The narrowest way, from 2 on, that holds a difference. */
static unsigned width_of(uint64_t difference)
{
    static const uint8_t by_bytes[9] = {2, 2, 3, 4, 5, 6, 6, 7, 7};
    unsigned bits = 65 - (unsigned)__builtin_clzll(vxt_zigzag(difference) | 1);
    return by_bytes[bits >= 64 ? 8 : (bits - 1 + 7) / 8];
}

static unsigned way_of(uint64_t difference, uint64_t repeat)
{
    if (difference == 0) return 0;
    return difference == repeat ? 1 : width_of(difference);
}

/* Appends a difference; its column has room. */
static void put_difference(vx_chunk_encoder *encoder, unsigned first_column, unsigned way, uint64_t difference)
{
    if (way < 2) return;
    vxt_bytes *column = &encoder->columns[first_column + way - 2];
    vxt_set64(column->data + column->size, difference);
    column->size += vx_chunk_width_bytes[way];
}

/* Room for `count` differences, and their ways, in the columns from these two on. */
static bool reserve_differences(vx_chunk_encoder *encoder, unsigned codes, unsigned first_column, unsigned count)
{
    if (!vxt_bytes_room(&encoder->columns[codes], count)) return false;
    for (unsigned i = 0; i < VXT_WIDTHS - 2; i++)
        if (!vxt_bytes_room(&encoder->columns[first_column + i], 8UL * count)) return false;
    return true;
}

static void put_way(vxt_bytes *column, unsigned way) { column->data[column->size++] = (uint8_t)way; }

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

static void put_address(vx_chunk_encoder *encoder, uint32_t slot, uint64_t address)
{
    vxt_history *history = &encoder->addresses;
    uint64_t difference = address - encoder->slots[slot], after = address - history->before;
    unsigned code = way_of(difference, history->repeat);
    if (code > 1) {
        unsigned other = way_of(after, history->repeat);
        if (vx_chunk_width_bytes[other] < vx_chunk_width_bytes[code]) {
            difference = after;
            code = other | VXT_CODE_AFTER;
        }
        if (difference) history->repeat = difference;
    }
    history->before = address;
    encoder->slots[slot] = address;
    put_way(&encoder->columns[VXT_COL_CODES], code);
    put_difference(encoder, VXT_COL_DELTAS, code & VXT_CODE_WIDTH, difference);
}

static bool put_words(vx_chunk_encoder *encoder, const vx_record *record, const uint64_t *payload)
{
    const vx_record_info *info = vx_record_describe(record->kind);
    if (!payload || !reserve_differences(encoder, VXT_COL_WORD_CODES, VXT_COL_WORDS, record->count)) return false;
    for (unsigned i = 0; i < record->count; i++) {
        uint64_t *last = &encoder->last_word[record->kind][vxt_word_context(info, i)];
        uint64_t word = payload[record->arg + i], difference = word - *last;
        unsigned way = way_of(difference, encoder->words.repeat);
        if (difference) encoder->words.repeat = difference;
        *last = word;
        put_way(&encoder->columns[VXT_COL_WORD_CODES], way);
        put_difference(encoder, VXT_COL_WORDS, way, difference);
    }
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
    if (!grow((void **)&encoder->slots, &encoder->slot_capacity, encoder->slot_count, 1, sizeof(uint64_t)))
        return false;
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
    bool fixed = is_fixed(record);
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
    if (!find_slot(encoder, key, &slot) || !grow((void **)&encoder->element_slots, &encoder->element_slot_capacity,
                                                 encoder->element_slot_count, 1, sizeof(uint32_t)))
        return false;
    encoder->element_slots[encoder->element_slot_count++] = slot;
    return put_varint(&encoder->columns[VXT_COL_SLOTS], slot == count ? 0 : count - slot);
}

/* A record as it stands in the dictionary. */
static vx_record element_of(const vx_record *record)
{
    vx_record element = *record;
    if (!is_fixed(record)) element.addr = 0;
    if (!is_plain(record)) element.arg = 0;
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
    if (!grow((void **)&encoder->templates, &encoder->template_capacity, encoder->template_count, 1,
              sizeof(vxt_template)) ||
        !grow((void **)&encoder->elements, &encoder->element_capacity, encoder->element_count, count,
              sizeof(vx_record)))
        return false;
    vxt_template made = {.hash = hash,
                         .element = encoder->element_count,
                         .slot = encoder->element_slot_count,
                         .elements = (uint8_t)count,
                         .jumps = is_fixed(elements),
                         .end = encoder->fetched_to};
    uint64_t fetch_end = 0;
    unsigned ordinal = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!put_element(encoder, &encoder->pending[i])) return false;
        if (is_fixed(&elements[i])) {
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

/* Whether the template's records equal these, which are as many. */
static bool equals(const vx_chunk_encoder *encoder, const vxt_template *template, const vx_record *records)
{
    const vx_record *elements = encoder->elements + template->element;
    for (unsigned i = 0; i < template->elements; i++) {
        if (shape_of(&records[i]) != shape_of(&elements[i])) return false;
        if (is_fixed(&records[i]) && records[i].addr != elements[i].addr) return false;
    }
    return true;
}

/* The number of the template that equals the pending records, made where there is none. */
static bool find_template(vx_chunk_encoder *encoder, uint32_t *number)
{
    vx_record elements[PENDING_MAX];
    size_t bytes = encoder->pending_count * sizeof *elements;
    for (unsigned i = 0; i < encoder->pending_count; i++) elements[i] = element_of(&encoder->pending[i]);
    uint64_t hash = XXH3_64bits(elements, bytes);
    if (encoder->template_count * 2 >= encoder->template_buckets && !rehash_templates(encoder)) return false;
    uint32_t at = (uint32_t)hash & (encoder->template_buckets - 1), entry;
    for (; (entry = encoder->template_table[at]) != 0; at = (at + 1) & (encoder->template_buckets - 1)) {
        const vxt_template *found = &encoder->templates[entry - 1];
        if (found->hash != hash || found->elements != encoder->pending_count || !equals(encoder, found, elements))
            continue;
        *number = entry - 1;
        return true;
    }
    if (!add_template(encoder, elements, hash)) return false;
    encoder->template_table[at] = encoder->template_count;
    *number = encoder->template_count - 1;
    return true;
}

/* Codes records that equal a template. `payload`: theirs. */
static bool put_segment(vx_chunk_encoder *encoder, uint32_t number, const vx_record *records, const uint64_t *payload)
{
    const vxt_template *template = &encoder->templates[number];
    vxt_bytes *ids = &encoder->columns[VXT_COL_IDS];
    if (!vxt_bytes_room(ids, 2) || !reserve_differences(encoder, VXT_COL_CODES, VXT_COL_DELTAS, template->slots))
        return false;
    vxt_set16(ids->data + ids->size, (uint16_t)number);
    ids->size += 2;
    const uint32_t *slot = encoder->element_slots + template->slot;
    for (const vx_record *record = records; record < records + template->elements; record++) {
        if (is_fixed(record)) continue;
        put_address(encoder, *slot++, record->addr);
        if (!is_plain(record) && record->count && !put_words(encoder, record, payload)) return false;
    }
    encoder->newest = number;
    return true;
}

/* Codes the pending records. `payload`: of the batch that the last of them is from; no other has any. */
static bool end_segment(vx_chunk_encoder *encoder, const uint64_t *payload)
{
    uint32_t number, before = encoder->newest;
    if (!encoder->pending_count) return true;
    if (!find_template(encoder, &number) || !put_segment(encoder, number, encoder->pending, payload)) return false;
    if (before != UINT32_MAX) encoder->templates[before].successor = number;
    encoder->pending_count = 0;
    return true;
}

/* Whether `record` may not stand in one template with `count` records of a segment that jumps (or not) and whose last
 * fetch ended at `end`. */
static bool cuts(const vx_record *record, unsigned count, bool jumps, uint64_t end)
{
    if (count == PENDING_MAX || !is_plain(record) || !jumps) return true;
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
    if (length >= left || !is_plain(encoder->elements + template->element) || !equals(encoder, template, records) ||
        !cuts(&records[length], length, template->jumps, template->end))
        return 0;
    *done = put_segment(encoder, number, records, payload);
    return length;
}

/* ---- the encoder as its caller sees it ---- */

/* Adds one record to what is pending. */
static bool put_pending(vx_chunk_encoder *encoder, const vx_record *record, const uint64_t *payload)
{
    encoder->pending[encoder->pending_count++] = *record;
    if (record->kind == VX_REC_FETCH) encoder->fetched_to = record->addr + record->arg;
    return is_plain(record) || end_segment(encoder, payload);
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
            cuts(record, encoder->pending_count, is_fixed(encoder->pending), encoder->fetched_to))
            done = end_segment(encoder, batch->payload);
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
    if (encoder->slot_table) memset(encoder->slot_table, 0, encoder->slot_buckets * sizeof *encoder->slot_table);
}

vx_status vx_chunk_encoder_finish(vx_chunk_encoder *encoder, vxt_bytes *raw)
{
    if (!end_segment(encoder, NULL)) return VX_ERR_NOMEM;
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
