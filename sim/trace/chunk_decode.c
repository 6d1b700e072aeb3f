/* A chunk's columns, checked and loaded. Everything is checked once, when the chunk is started: the columns' sizes, the
 * dictionary, and that the codes use exactly the bytes that are there. The loop over references (chunk_expand.c) then
 * tests nothing. */
#include "chunk_decoder.h"

vx_chunk_decoder *vx_chunk_decoder_new(void)
{
    vx_chunk_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder) return NULL;
    decoder->expand = vx_chunk_expand;
#ifdef VX_HOST_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) decoder->expand = vx_chunk_expand_avx2;
#endif
    return decoder;
}

void vx_chunk_decoder_free(vx_chunk_decoder *decoder)
{
    if (!decoder) return;
    free(decoder->templates);
    free(decoder->elements);
    free(decoder->uses);
    free(decoder->slots);
    free(decoder);
}

/* An array of at least `count` items and at least one, its old content gone; a quarter more, for the next chunk is
 * about as large. */
static bool fit(void **array, uint32_t *capacity, uint32_t count, size_t size)
{
    if (*array && *capacity >= count) return true;
    uint32_t room = count + count / 4 + 1;
    void *data = malloc(room * size);
    if (!data) return false;
    free(*array);
    *array = data;
    *capacity = room;
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
    decoder->uses[decoder->use_count++] = use_make(slot, place);
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
        !fit((void **)&decoder->uses, &decoder->use_capacity, uses + COPY_USES, sizeof(slot_use)) ||
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

/* Sixteen codes at a time. */
typedef uint8_t lanes __attribute__((vector_size(16)));

/* Counts codes by way, from 2 on, and returns all bits that any of them has. */
static uint8_t count_ways(span codes, uint64_t used[VXT_WIDTHS])
{
    enum { PASS = 255 * sizeof(lanes) }; /* no lane counts further */
    uint8_t seen = 0;
    while (length(codes) >= sizeof(lanes)) {
        size_t block = length(codes) < PASS ? length(codes) & ~(sizeof(lanes) - 1) : PASS;
        lanes counts[VXT_WIDTHS] = {{0}}, all = {0}, some;
        for (const uint8_t *end = codes.at + block; codes.at != end; codes.at += sizeof some) {
            memcpy(&some, codes.at, sizeof some);
            all |= some;
            some &= VXT_CODE_WIDTH;
#pragma GCC unroll 8
            for (unsigned way = 2; way < VXT_WIDTHS; way++) counts[way] -= (lanes)(some == (uint8_t)way);
        }
        for (unsigned i = 0; i < sizeof(lanes); i++) {
            seen |= all[i];
            for (unsigned way = 2; way < VXT_WIDTHS; way++) used[way] += counts[way][i];
        }
    }
    for (; codes.at != codes.end; codes.at++) {
        seen |= *codes.at;
        used[*codes.at & VXT_CODE_WIDTH]++;
    }
    return seen;
}

/* Whether the codes are below `code_count`, a power of two, and name exactly the bytes that the difference columns
 * hold.
 */
static bool codes_fit(span codes, unsigned code_count, const span *differences)
{
    uint64_t used[VXT_WIDTHS] = {0};
    if (count_ways(codes, used) >= code_count) return false;
    for (unsigned way = 2; way < VXT_WIDTHS; way++)
        if (used[way] * vx_chunk_width_bytes[way] != length(differences[way - 2])) return false;
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

vx_status vx_chunk_decoder_next(vx_chunk_decoder *decoder, vx_batch *batch, const char **why)
{
    return decoder->expand(decoder, batch, why);
}
