/* How addresses become bytes: the way to give each, and where they go. Inline, for most of what coding a trace costs is
 * here. */
#ifndef CHUNK_DIFFERENCES_H
#define CHUNK_DIFFERENCES_H

#include "chunk_encoder.h"

/* The narrowest way, from 2 on, that holds a difference. */
static inline unsigned vxt_width_of(uint64_t difference)
{
    static const uint8_t by_bytes[9] = {2, 2, 3, 4, 5, 6, 6, 7, 7};
    unsigned bits = 64 - (unsigned)__builtin_clzll(vxt_zigzag(difference) | 1);
    return by_bytes[(bits + 7) / 8];
}

static inline unsigned vxt_way_of(uint64_t difference, uint64_t repeat)
{
    if (difference == 0) return 0;
    return difference == repeat ? 1 : vxt_width_of(difference);
}

/* Where addresses go, and what they are differences to: the ends of their columns, the slots and the history, held
 * apart from the encoder so that they may stay in registers. Ways 0 and 1 take no bytes, and write to `nowhere`. */
typedef struct vxt_cursor {
    uint8_t *code, *delta[VXT_WIDTHS];
    uint64_t *slots;
    vxt_history history;
    uint8_t nowhere[8];
} vxt_cursor;

static inline void vxt_cursor_start(vxt_cursor *cursor, const vx_chunk_encoder *encoder)
{
    const vxt_bytes *columns = encoder->columns;
    cursor->slots = encoder->slots;
    cursor->history = encoder->addresses;
    cursor->code = columns[VXT_COL_CODES].data + columns[VXT_COL_CODES].size;
    cursor->delta[0] = cursor->delta[1] = cursor->nowhere;
    for (unsigned way = 2; way < VXT_WIDTHS; way++) {
        const vxt_bytes *column = &columns[VXT_COL_DELTAS + way - 2];
        cursor->delta[way] = column->data + column->size;
    }
}

static inline void vxt_cursor_end(const vxt_cursor *cursor, vx_chunk_encoder *encoder)
{
    vxt_bytes *columns = encoder->columns;
    encoder->addresses = cursor->history;
    columns[VXT_COL_CODES].size = (size_t)(cursor->code - columns[VXT_COL_CODES].data);
    for (unsigned way = 2; way < VXT_WIDTHS; way++) {
        vxt_bytes *column = &columns[VXT_COL_DELTAS + way - 2];
        column->size = (size_t)(cursor->delta[way] - column->data);
    }
}

/* Codes one address of a slot. The columns have room. */
static inline void vxt_put_address(vxt_cursor *cursor, uint32_t slot, uint64_t address)
{
    vxt_history *history = &cursor->history;
    uint64_t difference = address - cursor->slots[slot], after = address - history->before;
    unsigned way = vxt_way_of(difference, history->repeat), code = way;
    if (way > 1) {
        unsigned other = vxt_way_of(after, history->repeat);
        if (vx_chunk_width_bytes[other] < vx_chunk_width_bytes[way]) {
            difference = after;
            way = other;
            code = other | VXT_CODE_AFTER;
        }
        if (difference) history->repeat = difference;
        vxt_set64(cursor->delta[way], difference);
        cursor->delta[way] += vx_chunk_width_bytes[way];
    }
    history->before = address;
    cursor->slots[slot] = address;
    *cursor->code++ = (uint8_t)code;
}

#endif
