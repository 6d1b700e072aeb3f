/* A chunk's columns back to records. Everything is checked once, when the chunk is started: the columns' sizes, the
 * dictionary, and that the codes use exactly the bytes that are there. The loop over references then tests nothing. */
#include "vxt_chunk.h"

typedef struct template
{
    uint32_t element, slot; /* of its first */
    uint8_t elements, slots;
    bool plain;     /* fetches, loads and stores alone: copied without a look at each record */
    uint16_t words; /* payload words of all its records */
}
template;

/* Where a slot's address goes: the record's place in the template and the slot's number. */
typedef uint32_t slot_use;
enum {
    USE_PLACE_BITS = 8,
    COPY = 4 /* records that are copied together */
};

struct vx_chunk_decoder {
    const uint8_t *columns[VXT_COLUMNS]; /* read positions */
    const uint8_t *ids_end;
    template *templates;
    vx_record *elements;
    slot_use *uses;
    uint64_t *slots;
    uint32_t template_count, element_count, use_count, slot_count;
    uint32_t template_capacity, element_capacity, use_capacity, slot_capacity;
    uint64_t address_repeat, address_before, word_repeat;
    uint64_t last_word[256][VXT_CONTEXTS];
    vx_record records[VXT_BATCH_RECORDS + VXT_TEMPLATE_ELEMENTS + COPY];
    uint64_t words[VXT_BATCH_WORDS + VXT_TEMPLATE_WORDS];
};

vx_chunk_decoder *vx_chunk_decoder_new(void) { return calloc(1, sizeof(vx_chunk_decoder)); }

void vx_chunk_decoder_free(vx_chunk_decoder *decoder)
{
    if (!decoder) return;
    free(decoder->templates);
    free(decoder->elements);
    free(decoder->uses);
    free(decoder->slots);
    free(decoder);
}

/* ---- checking and loading a chunk ---- */

/* An array of at least `count` items and at least one, its old content gone. */
static bool fit(void **array, uint32_t *capacity, uint32_t count, size_t size)
{
    if (*array && *capacity >= count) return true;
    void *data = malloc(count ? count * size : size);
    if (!data) return false;
    free(*array);
    *array = data;
    *capacity = count;
    return true;
}

typedef struct span {
    const uint8_t *at, *end;
} span;

static uint32_t length(span column) { return (uint32_t)(column.end - column.at); }

/* Splits the chunk into its columns; what the sizes leave over is an error. */
static bool split(const uint8_t *raw, size_t size, span columns[VXT_COLUMNS])
{
    if (size < VXT_COLUMN_TABLE || size > VXT_RAW_MAX) return false;
    const uint8_t *at = raw + VXT_COLUMN_TABLE, *end = raw + size;
    for (unsigned i = 0; i < VXT_COLUMNS; i++) {
        uint32_t bytes = vxt_get32(raw + 4 * i);
        if (bytes > (size_t)(end - at)) return false;
        columns[i] = (span){at, at + bytes};
        at += bytes;
    }
    return at == end;
}

static bool take_byte(span *column, uint8_t *byte)
{
    if (column->at == column->end) return false;
    *byte = *column->at++;
    return true;
}

static bool take_varint(span *column, uint64_t max, uint64_t *value)
{
    return vxt_get_varint(&column->at, column->end, value) && *value <= max;
}

/* Neither fetch, load nor store: `count` and `arg` speak of payload words. */
static bool is_event(const vx_record *record)
{
    return record->kind != VX_REC_FETCH && record->kind != VX_REC_LOAD && record->kind != VX_REC_STORE;
}

/* One record of the dictionary. A fixed address stands in it; else a slot use is appended. */
static bool load_element(vx_chunk_decoder *decoder, span columns[VXT_COLUMNS], unsigned place, uint64_t *fixed_end,
                         vx_record *record, bool *plain)
{
    uint8_t kind;
    uint64_t count = 1, value;
    *record = (vx_record){0};
    if (!take_byte(&columns[VXT_COL_KINDS], &kind) || !take_byte(&columns[VXT_COL_SIZES], &record->size)) return false;
    bool fixed = kind & VXT_ADDRESS_FIXED;
    record->kind = kind & (uint8_t)~VXT_ADDRESS_FIXED;
    bool data = record->kind == VX_REC_LOAD || record->kind == VX_REC_STORE;
    if (!data && !take_varint(&columns[VXT_COL_COUNTS], UINT16_MAX, &count)) return false;
    record->count = (uint16_t)count;
    if (record->kind == VX_REC_FETCH) {
        if (!take_varint(&columns[VXT_COL_BYTES], UINT32_MAX, &value)) return false;
        record->arg = (uint32_t)value;
    }
    *plain = data || (record->kind == VX_REC_FETCH && fixed);
    if (fixed) {
        if (!take_varint(&columns[VXT_COL_ADDRESSES], UINT64_MAX, &value)) return false;
        record->addr = *fixed_end + vxt_unzigzag(value);
        *fixed_end = record->addr + record->arg;
        return true;
    }
    if (!take_varint(&columns[VXT_COL_SLOTS], decoder->slot_count, &value)) return false;
    uint32_t slot = value ? decoder->slot_count - (uint32_t)value : decoder->slot_count;
    if (slot >= VXT_SLOTS_MAX) return false;
    if (!value) decoder->slot_count++;
    decoder->uses[decoder->use_count++] = slot << USE_PLACE_BITS | place;
    return true;
}

/* Validity that does not depend on a slot's address is settled here: a plain template's records need no other check. */
static bool load_template(vx_chunk_decoder *decoder, span columns[VXT_COLUMNS], uint64_t *fixed_end, template *made)
{
    uint32_t words = 0;
    *made = (template){decoder->element_count, decoder->use_count, 0, 0, true, 0};
    if (!take_byte(&columns[VXT_COL_LENGTHS], &made->elements) || made->elements == 0) return false;
    for (unsigned i = 0; i < made->elements; i++) {
        vx_record *record = &decoder->elements[decoder->element_count++];
        bool plain;
        if (!load_element(decoder, columns, i, fixed_end, record, &plain)) return false;
        if (plain && !vx_record_valid(record, 0)) return false;
        const vx_record_info *info = vx_record_describe(record->kind);
        if (!info || (is_event(record) && record->count > info->words_max)) return false;
        if (is_event(record)) words += record->count;
        if (words > VXT_TEMPLATE_WORDS) return false;
        made->plain = made->plain && plain;
    }
    made->slots = (uint8_t)(decoder->use_count - made->slot);
    made->words = (uint16_t)words;
    return true;
}

static const char *load_dictionary(vx_chunk_decoder *decoder, span columns[VXT_COLUMNS], vx_status *status)
{
    uint32_t templates = length(columns[VXT_COL_LENGTHS]), elements = length(columns[VXT_COL_KINDS]);
    uint32_t uses = length(columns[VXT_COL_SLOTS]); /* a use is a byte or more */
    *status = VX_ERR_INPUT;
    if (templates > VXT_TEMPLATES_MAX || elements > VXT_ELEMENTS_MAX) return "dictionary too large";
    uint32_t total = 0;
    for (uint32_t i = 0; i < templates; i++) total += columns[VXT_COL_LENGTHS].at[i];
    if (total != elements) return "dictionary's lengths disagree with its records";
    uint32_t slots = uses < VXT_SLOTS_MAX ? uses : VXT_SLOTS_MAX;
    *status = VX_ERR_NOMEM;
    if (!fit((void **)&decoder->templates, &decoder->template_capacity, templates, sizeof(template)) ||
        !fit((void **)&decoder->elements, &decoder->element_capacity, elements + COPY, sizeof(vx_record)) ||
        !fit((void **)&decoder->uses, &decoder->use_capacity, uses, sizeof(slot_use)) ||
        !fit((void **)&decoder->slots, &decoder->slot_capacity, slots, sizeof(uint64_t)))
        return "out of memory";
    *status = VX_ERR_INPUT;
    uint64_t fixed_end = 0;
    decoder->template_count = decoder->element_count = decoder->use_count = decoder->slot_count = 0;
    for (uint32_t i = 0; i < templates; i++)
        if (!load_template(decoder, columns, &fixed_end, &decoder->templates[i])) return "bad record in its dictionary";
    decoder->template_count = templates;
    for (unsigned i = VXT_COL_LENGTHS; i < VXT_COL_IDS; i++)
        if (columns[i].at != columns[i].end) return "dictionary longer than its templates";
    if (decoder->slot_count) memset(decoder->slots, 0, decoder->slot_count * sizeof *decoder->slots);
    *status = VX_OK;
    return NULL;
}

/* Whether the codes name exactly the bytes that the difference columns hold. */
static bool codes_fit(span codes, unsigned code_count, const span *differences)
{
    /* Four counts side by side: runs of one code would otherwise wait for their own last increment. */
    uint32_t counts[4][256] = {{0}}, used[256];
    for (size_t i = 0; i < length(codes); i++) counts[i & 3][codes.at[i]]++;
    for (unsigned code = 0; code < 256; code++)
        used[code] = counts[0][code] + counts[1][code] + counts[2][code] + counts[3][code];
    for (unsigned code = code_count; code < 256; code++)
        if (used[code]) return false;
    for (unsigned way = 2; way < VXT_WIDTHS; way++) {
        uint64_t count = used[way] + (code_count > VXT_WIDTHS ? (uint64_t)used[way | VXT_CODE_AFTER] : 0);
        if (count * vx_chunk_width_bytes[way] != length(differences[way - 2])) return false;
    }
    return true;
}

/* Whether the templates that the program order names add up to what the other columns hold. */
static bool order_fits(const vx_chunk_decoder *decoder, const span columns[VXT_COLUMNS], uint32_t records)
{
    span ids = columns[VXT_COL_IDS];
    uint64_t elements = 0, slots = 0, words = 0;
    if (length(ids) % 2) return false;
    for (const uint8_t *at = ids.at; at != ids.end; at += 2) {
        unsigned id = vxt_get16(at);
        if (id >= decoder->template_count) return false;
        elements += decoder->templates[id].elements;
        slots += decoder->templates[id].slots;
        words += decoder->templates[id].words;
    }
    return elements == records && slots == length(columns[VXT_COL_CODES]) &&
           words == length(columns[VXT_COL_WORD_CODES]);
}

vx_status vx_chunk_decoder_start(vx_chunk_decoder *decoder, const uint8_t *raw, size_t size, uint32_t records,
                                 const char **why)
{
    span columns[VXT_COLUMNS];
    vx_status status = VX_ERR_INPUT;
    decoder->columns[VXT_COL_IDS] = decoder->ids_end = NULL;
    *why = "columns' sizes are not the chunk's";
    if (!split(raw, size, columns)) return status;
    *why = load_dictionary(decoder, columns, &status);
    if (status) return status;
    *why = "codes and differences disagree";
    if (!codes_fit(columns[VXT_COL_CODES], VXT_CODES, columns + VXT_COL_DELTAS) ||
        !codes_fit(columns[VXT_COL_WORD_CODES], VXT_WIDTHS, columns + VXT_COL_WORDS))
        return VX_ERR_INPUT;
    *why = "program order disagrees with the columns";
    if (!order_fits(decoder, columns, records)) return VX_ERR_INPUT;
    for (unsigned i = 0; i < VXT_COLUMNS; i++) decoder->columns[i] = columns[i].at;
    decoder->ids_end = columns[VXT_COL_IDS].end;
    decoder->address_repeat = decoder->address_before = decoder->word_repeat = 0;
    memset(decoder->last_word, 0, sizeof decoder->last_word);
    return VX_OK;
}

/* ---- decoding ---- */

/* Reading positions of one set of difference columns, by way. Ways 0 and 1 read zeros and stay where they are. */
typedef struct differences {
    const uint8_t *at[VXT_WIDTHS];
} differences;

static const uint8_t zeros[8];

/* What brings a way's low bytes to the top of a word, and back with the sign. */
static const uint8_t width_shift[VXT_WIDTHS] = {0, 0, 56, 48, 40, 32, 16, 0};

static differences differences_at(const uint8_t *const *columns)
{
    differences from = {{zeros, zeros}};
    for (unsigned i = 2; i < VXT_WIDTHS; i++) from.at[i] = columns[i - 2];
    return from;
}

/* The next difference; reads 8 bytes wherever it stands (VXT_RAW_SLACK). */
static inline uint64_t take_difference(differences *from, unsigned way, uint64_t *repeat)
{
    unsigned shift = width_shift[way];
    uint64_t value = (uint64_t)((int64_t)(vxt_get64(from->at[way]) << shift) >> shift);
    from->at[way] += vx_chunk_width_bytes[way];
    value = way == 1 ? *repeat : value;
    *repeat = value ? value : *repeat;
    return value;
}

/* Where decoding stands. */
typedef struct cursor {
    const uint8_t *codes;
    uint64_t repeat, before;
} cursor;

/* Copies a template to `out` and fills in its slots' addresses. The copy goes COPY records at a time, over the
 * template's end: fewer turns, which the processor predicts better. Both arrays have room for it. */
static inline void expand(const vx_chunk_decoder *decoder, const template *t, vx_record *restrict out, cursor *at,
                          differences *from)
{
    const vx_record *restrict elements = decoder->elements + t->element;
    unsigned i = 0;
    do {
        memcpy(out + i, elements + i, COPY * sizeof *out);
        i += COPY;
    } while (i < t->elements);
    const slot_use *uses = decoder->uses + t->slot;
    uint64_t *slots = decoder->slots;
    for (i = 0; i < t->slots; i++) {
        unsigned code = *at->codes++;
        uint64_t *last = &slots[uses[i] >> USE_PLACE_BITS];
        uint64_t base = code & VXT_CODE_AFTER ? at->before : *last;
        uint64_t address = base + take_difference(from, code & VXT_CODE_WIDTH, &at->repeat);
        *last = at->before = address;
        out[uses[i] & ((1u << USE_PLACE_BITS) - 1)].addr = address;
    }
}

/* The payload of a template's records, and the checks that need their addresses. */
static bool expand_words(vx_chunk_decoder *decoder, const template *t, vx_record *out, size_t *words, differences *from)
{
    for (unsigned i = 0; i < t->elements; i++) {
        vx_record *record = &out[i];
        const vx_record_info *info = vx_record_describe(record->kind);
        if (is_event(record)) record->arg = (uint32_t)*words;
        for (unsigned j = 0; is_event(record) && j < record->count; j++) {
            uint64_t *last = &decoder->last_word[record->kind][vxt_word_context(info, j)];
            unsigned way = *decoder->columns[VXT_COL_WORD_CODES]++;
            *last += take_difference(from, way, &decoder->word_repeat);
            decoder->words[(*words)++] = *last;
        }
        if (!vx_record_valid(record, *words)) return false;
    }
    return true;
}

vx_status vx_chunk_decoder_next(vx_chunk_decoder *decoder, vx_batch *batch, const char **why)
{
    cursor at = {decoder->columns[VXT_COL_CODES], decoder->address_repeat, decoder->address_before};
    differences from = differences_at(decoder->columns + VXT_COL_DELTAS);
    differences word_from = differences_at(decoder->columns + VXT_COL_WORDS);
    const uint8_t *ids = decoder->columns[VXT_COL_IDS];
    size_t count = 0, words = 0;
    while (ids != decoder->ids_end && count < VXT_BATCH_RECORDS && words < VXT_BATCH_WORDS) {
        const template *t = &decoder->templates[vxt_get16(ids)];
        ids += 2;
        expand(decoder, t, decoder->records + count, &at, &from);
        if (!t->plain && !expand_words(decoder, t, decoder->records + count, &words, &word_from)) {
            *why = "invalid record";
            return VX_ERR_INPUT;
        }
        count += t->elements;
    }
    decoder->columns[VXT_COL_IDS] = ids;
    decoder->columns[VXT_COL_CODES] = at.codes;
    decoder->address_repeat = at.repeat;
    decoder->address_before = at.before;
    for (unsigned i = 2; i < VXT_WIDTHS; i++) {
        decoder->columns[VXT_COL_DELTAS + i - 2] = from.at[i];
        decoder->columns[VXT_COL_WORDS + i - 2] = word_from.at[i];
    }
    *batch = (vx_batch){decoder->records, count, decoder->words, words};
    return VX_OK;
}
