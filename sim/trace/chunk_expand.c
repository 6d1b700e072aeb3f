/* A chunk's program order back to records, in two steps: templates are copied and the slots that they use are listed;
 * then the list's addresses are decoded one after the other, whichever records they belong to. Neither step has a
 * branch for each template that depends on how many slots it has, for such are mispredicted; what is copied goes
 * several at a time, over the template's end. */
#include "chunk_block.h"

_Static_assert(offsetof(vx_record, addr) == 0, "a use's offset is that of the address");

/* Where decoding stands. */
typedef struct cursor {
    const uint8_t *codes;
    uint64_t repeat, before;
    differences from, words_from; /* of addresses, of payload words */
} cursor;

/* How far a batch is: records, uses in the list, payload words. */
typedef struct progress {
    size_t count, listed, words;
} progress;

/* Moved at once: two records. */
typedef uint64_t wide __attribute__((vector_size(32)));

/* Copies a template's records to `out`, `step` at a time. Both arrays have room for what is too much. */
static inline void copy_records(const vx_record *elements, unsigned count, vx_record *out, unsigned step)
{
    const vx_record *end = elements + count;
    do {
#pragma GCC unroll 8
        for (unsigned i = 0; i < step; i += sizeof(wide) / sizeof *out) {
            wide moved;
            memcpy(&moved, elements + i, sizeof moved);
            memcpy(out + i, &moved, sizeof moved);
        }
        elements += step;
        out += step;
    } while (elements < end);
}

/* Lists the slots that a template uses, for its records from `first` on. */
static inline void list_uses(const slot_use *uses, unsigned count, slot_use first, slot_use *list)
{
    const slot_use *end = uses + count;
    do {
        wide moved;
        memcpy(&moved, uses, sizeof moved);
        moved += first;
        memcpy(list, &moved, sizeof moved);
        uses += COPY_USES;
        list += COPY_USES;
    } while (uses < end);
}

static inline const template *template_at(const vx_chunk_decoder *decoder, const uint8_t *id)
{
    return &decoder->templates[vxt_get16(id)];
}

/* Copies templates until the batch or the list is full, or one comes that is not plain. */
static __attribute__((noinline)) void copy_templates(vx_chunk_decoder *decoder, progress *made)
{
    const uint8_t *ids = decoder->columns[VXT_COL_IDS], *ids_end = decoder->ids_end;
    const vx_record *elements = decoder->elements;
    const slot_use *uses = decoder->uses;
    vx_record *out = decoder->records + made->count, *out_end = decoder->records + VXT_BATCH_RECORDS;
    slot_use *list = decoder->list + made->listed, *list_end = decoder->list + LIST;
    slot_use first = use_make(0, made->count);
    while (ids != ids_end && out < out_end && list < list_end) {
        const template *t = template_at(decoder, ids);
        if (!t->plain) break;
        ids += 2;
        copy_records(elements + t->element, t->elements, out, COPY);
        list_uses(uses + t->slot, t->slots, first, list);
        out += t->elements;
        first += use_make(0, t->elements);
        list += t->slots;
    }
    decoder->columns[VXT_COL_IDS] = ids;
    made->count = (size_t)(out - decoder->records);
    made->listed = (size_t)(list - decoder->list);
}

/* As likely as not: no branch, please. */
#define EITHER(condition) __builtin_expect_with_probability((condition), 1, 0.5)

static inline void place(uint8_t *records, slot_use use, uint64_t address, uint64_t *slot)
{
    *slot = address;
    memcpy(records + (use >> USE_OFFSET_SHIFT), &address, sizeof address);
}

/* The addresses of a block of listed uses. */
static inline void place_block(vx_chunk_decoder *decoder, const slot_use *use, cursor *at)
{
    uint64_t repeat = at->repeat, before = at->before;
    block taken;
    take_block(at->codes, &at->from, &taken);
#pragma GCC unroll 16
    for (unsigned i = 0; i < BLOCK; i++) {
        uint64_t *slot = &decoder->slots[use_slot(use[i])], base = *slot, value = taken.difference[i];
        if (EITHER(taken.again >> i & 1)) value = repeat;
        if (EITHER(value != 0)) repeat = value;
        if (EITHER(taken.after >> i & 1)) base = before;
        before = base + value;
        place((uint8_t *)decoder->records, use[i], before, slot);
    }
    at->codes += BLOCK;
    at->repeat = repeat;
    at->before = before;
}

static inline void place_one(vx_chunk_decoder *decoder, slot_use use, cursor *at)
{
    unsigned code = *at->codes++;
    uint64_t *slot = &decoder->slots[use_slot(use)], base = code & VXT_CODE_AFTER ? at->before : *slot;
    at->before = base + take_difference(&at->from, code & VXT_CODE_WIDTH, &at->repeat);
    place((uint8_t *)decoder->records, use, at->before, slot);
}

/* The addresses of the listed uses, but for less than a block of them unless `all`; returns how many are left, which
 * then are the list. */
static __attribute__((noinline)) size_t place_listed(vx_chunk_decoder *decoder, size_t count, bool all, cursor *at)
{
    const slot_use *use = decoder->list;
    for (; count >= BLOCK; count -= BLOCK, use += BLOCK) place_block(decoder, use, at);
    if (!all) {
        if (use != decoder->list) memcpy(decoder->list, use, BLOCK * sizeof *use);
        return count;
    }
    for (; count; count--) place_one(decoder, *use++, at);
    return 0;
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

/* One template that is not plain. Few do much else than this where there are many of them, so it waits for nothing and
 * lists nothing. */
static bool expand_event(vx_chunk_decoder *decoder, progress *made, cursor *at)
{
    const template *t = template_at(decoder, decoder->columns[VXT_COL_IDS]);
    vx_record *out = decoder->records + made->count;
    decoder->columns[VXT_COL_IDS] += 2;
    copy_records(decoder->elements + t->element, t->elements, out, 2);
    for (unsigned i = 0; i < t->slots; i++)
        place_one(decoder, decoder->uses[t->slot + i] + use_make(0, made->count), at);
    made->count += t->elements;
    return expand_words(decoder, t, out, &made->words, &at->words_from);
}

vx_status vx_chunk_expand(vx_chunk_decoder *decoder, vx_batch *batch, const char **why)
{
    cursor at = {.codes = decoder->columns[VXT_COL_CODES],
                 .repeat = decoder->address_repeat,
                 .before = decoder->address_before,
                 .from = differences_at(decoder->columns + VXT_COL_DELTAS),
                 .words_from = differences_at(decoder->columns + VXT_COL_WORDS)};
    progress made = {0};
    while (decoder->columns[VXT_COL_IDS] != decoder->ids_end && made.count < VXT_BATCH_RECORDS &&
           made.words < VXT_BATCH_WORDS) {
        bool plain = template_at(decoder, decoder->columns[VXT_COL_IDS])->plain;
        if (plain) copy_templates(decoder, &made);
        if (made.listed) made.listed = place_listed(decoder, made.listed, !plain, &at);
        if (!plain && !expand_event(decoder, &made, &at)) {
            *why = "invalid record";
            return VX_ERR_INPUT;
        }
    }
    place_listed(decoder, made.listed, true, &at);
    decoder->columns[VXT_COL_CODES] = at.codes;
    decoder->address_repeat = at.repeat;
    decoder->address_before = at.before;
    for (unsigned i = 2; i < VXT_WIDTHS; i++) {
        decoder->columns[VXT_COL_DELTAS + i - 2] = at.from.at[i];
        decoder->columns[VXT_COL_WORDS + i - 2] = at.words_from.at[i];
    }
    *batch = (vx_batch){decoder->records, made.count, decoder->words, made.words};
    return VX_OK;
}
