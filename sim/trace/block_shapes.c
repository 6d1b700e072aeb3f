#include "block_shapes.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "vx_addr.h"
#include "vxt_bytes.h"

enum {
    BLOCKS_MAX = 1 << 24,
    INSTRUCTIONS_MAX = 1 << 28, /* of all blocks together */
    BLOCK_INSTRUCTIONS_MAX = 1 << 10,
    SHAPES_MAX = 1 << 20, /* about as many are remembered */
    BUCKETS = 1 << 16,
    BLOCK_TAG = 0x4000 /* of a step that begins a block */
};

/* ---- blocks ---- */

vx_status block_shapes_define(block_shapes *shapes, uint64_t address, uint32_t count, const uint64_t *lengths,
                              const char **why)
{
    uint32_t end = 0;
    if (count == 0 || count > BLOCK_INSTRUCTIONS_MAX) {
        *why = "a block of no, or too many, instructions";
        return VX_ERR_INPUT;
    }
    if (shapes->block_count == BLOCKS_MAX || shapes->end_count > INSTRUCTIONS_MAX - count) {
        *why = "too many blocks";
        return VX_ERR_INPUT;
    }
    if (!vxt_grow(&shapes->blocks, &shapes->block_room, shapes->block_count, 1, sizeof *shapes->blocks) ||
        !vxt_grow(&shapes->ends, &shapes->end_room, shapes->end_count, count, sizeof *shapes->ends))
        return VX_ERR_NOMEM;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = lengths[i / 16] >> 4 * (i % 16) & 15;
        if (length == 0) {
            *why = "an instruction without bytes";
            return VX_ERR_INPUT;
        }
        end += length;
        shapes->ends[shapes->end_count + i] = (uint16_t)end;
    }
    shapes->blocks[shapes->block_count++] =
        (block){.address = address, .first = shapes->end_count, .count = (uint16_t)count};
    shapes->end_count += count;
    return VX_OK;
}

/* Where instruction `index` of a block begins, from the block's address on; its count: where the block ends. */
static uint32_t start_of(const block_shapes *shapes, const block *in, uint32_t index)
{
    return index ? shapes->ends[in->first + index - 1] : 0;
}

/* ---- shapes ---- */

/* A shape's records as they are made. */
typedef struct making {
    vx_record records[VXT_SHAPE_RECORDS];
    uint32_t reached, count, fetches;
    vxt_shape shape;
} making;

/* Fetches of the instructions before `end`: one for each page that some start in. */
static bool make_fetches(const block_shapes *shapes, const block *in, making *made, uint32_t end)
{
    while (made->reached < end) {
        if (made->count == VXT_SHAPE_RECORDS) return false;
        uint32_t next = made->reached, start = start_of(shapes, in, next);
        uint64_t addr = in->address + start;
        for (next++; next < end; next++)
            if ((in->address + start_of(shapes, in, next)) / VX_PAGE_BYTES != addr / VX_PAGE_BYTES) break;
        const vx_record fetch = {.addr = addr,
                                 .arg = start_of(shapes, in, next) - start,
                                 .count = (uint16_t)(next - made->reached),
                                 .kind = VX_REC_FETCH};
        made->records[made->count++] = fetch;
        made->shape.instructions += fetch.count;
        made->shape.counts += 1ULL << VXT_SHAPE_FETCHES;
        made->reached = next;
    }
    return true;
}

static bool make_reference(const block_shapes *shapes, const block *in, making *made, unsigned tag)
{
    bool store = tag & 1;
    if (!make_fetches(shapes, in, made, (tag >> 4) + 1) || made->count == VXT_SHAPE_RECORDS) return false;
    made->records[made->count++] =
        (vx_record){.count = 1, .size = (uint8_t)(1U << (tag >> 1 & 7)), .kind = store ? VX_REC_STORE : VX_REC_LOAD};
    made->shape.counts += 1ULL << (store ? VXT_SHAPE_STORES : VXT_SHAPE_LOADS);
    return true;
}

static bool make(const block_shapes *shapes, const block_piece *piece, making *made)
{
    const block *in = &shapes->blocks[piece->block];
    *made = (making){.reached = piece->from};
    for (unsigned i = 0; i < piece->references; i++)
        if (!make_reference(shapes, in, made, piece->tags[i])) return false;
    if (!make_fetches(shapes, in, made, piece->to)) return false;
    made->shape.counts += made->count;
    for (uint32_t i = 0; i < made->count; i++)
        if (!vx_record_valid(&made->records[i], 0)) return false;
    return true;
}

void block_shapes_tidy(block_shapes *shapes)
{
    if (shapes->count < SHAPES_MAX) return;
    for (uint32_t i = 0; i < shapes->block_count; i++)
        shapes->blocks[i].guess = shapes->blocks[i].recent[0] = shapes->blocks[i].recent[1] = 0;
    memset(shapes->buckets, 0, BUCKETS * sizeof *shapes->buckets);
    shapes->count = 1;
    shapes->record_count = shapes->tag_count = 0;
    shapes->shaping++;
}

static vx_status add(block_shapes *shapes, const block_piece *piece, uint32_t hash, uint32_t *number)
{
    making made;
    if (!make(shapes, piece, &made)) return VX_ERR_INPUT;
    uint32_t tags = piece->references;
    if (!vxt_grow(&shapes->shapes, &shapes->room, shapes->count, 1, sizeof *shapes->shapes) ||
        !vxt_grow(&shapes->forms, &shapes->form_room, shapes->count, 1, sizeof *shapes->forms) ||
        !vxt_grow(&shapes->records, &shapes->record_room, shapes->record_count, made.count, sizeof *shapes->records) ||
        !vxt_grow(&shapes->tags, &shapes->tag_room, shapes->tag_count, tags + 1, sizeof *shapes->tags))
        return VX_ERR_NOMEM;
    uint32_t *bucket = &shapes->buckets[hash % BUCKETS];
    made.shape.first = shapes->record_count;
    memcpy(shapes->tags + shapes->tag_count, piece->tags, tags * sizeof *piece->tags);
    shapes->tags[shapes->tag_count + tags] = BLOCK_TAG;
    memcpy(shapes->records + shapes->record_count, made.records, made.count * sizeof *made.records);
    shapes->shapes[shapes->count] = made.shape;
    shapes->forms[shapes->count] = (shape_form){.hash = hash,
                                                .next = *bucket,
                                                .block = piece->block,
                                                .tag = shapes->tag_count,
                                                .from = piece->from,
                                                .to = piece->to,
                                                .references = piece->references,
                                                .reached = (uint16_t)made.reached};
    shapes->record_count += made.count;
    shapes->tag_count += tags + 1;
    *bucket = *number = shapes->count++;
    return VX_OK;
}

static bool is_of(const block_shapes *shapes, uint32_t number, const block_piece *piece)
{
    const shape_form *form = &shapes->forms[number];
    return form->block == piece->block && form->from == piece->from && form->to == piece->to &&
           form->references == piece->references &&
           memcmp(shapes->tags + form->tag, piece->tags, piece->references * sizeof *piece->tags) == 0;
}

static vx_status look_up(block_shapes *shapes, const block_piece *piece, uint32_t *number)
{
    uint32_t hash = (uint32_t)XXH3_64bits(piece, offsetof(block_piece, tags) + piece->references * sizeof *piece->tags);
    for (uint32_t i = shapes->buckets[hash % BUCKETS]; i; i = shapes->forms[i].next) {
        if (shapes->forms[i].hash != hash || !is_of(shapes, i, piece)) continue;
        *number = i;
        return VX_OK;
    }
    return add(shapes, piece, hash, number);
}

vx_status block_shapes_find(block_shapes *shapes, const block_piece *piece, uint32_t *number)
{
    uint32_t *recent = &shapes->blocks[piece->block].recent[piece->from == 0];
    if (!*recent || !is_of(shapes, *recent, piece)) {
        uint32_t found;
        vx_status status = look_up(shapes, piece, &found);
        if (status) return status;
        *recent = found;
    }
    *number = *recent;
    return VX_OK;
}

vx_status block_shapes_init(block_shapes *shapes, vx_msg *msg)
{
    *shapes = (block_shapes){.count = 1};
    shapes->buckets = calloc(BUCKETS, sizeof *shapes->buckets);
    if (!shapes->buckets || !vxt_grow(&shapes->shapes, &shapes->room, 0, 1, sizeof *shapes->shapes) ||
        !vxt_grow(&shapes->forms, &shapes->form_room, 0, 1, sizeof *shapes->forms) ||
        !vxt_grow(&shapes->tags, &shapes->tag_room, 0, PIECE_REFERENCES, sizeof *shapes->tags)) {
        block_shapes_fini(shapes);
        return vx_fail_nomem(msg);
    }
    shapes->shapes[0] = (vxt_shape){.counts = 1};
    shapes->forms[0] = (shape_form){0};
    return VX_OK;
}

void block_shapes_fini(block_shapes *shapes)
{
    free(shapes->blocks);
    free(shapes->ends);
    free(shapes->shapes);
    free(shapes->forms);
    free(shapes->records);
    free(shapes->tags);
    free(shapes->buckets);
}
