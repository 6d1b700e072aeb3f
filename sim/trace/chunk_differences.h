/* How addresses become bytes: the way to give each, and where they go. Inline, for most of what coding a trace costs is
 * here. */
#ifndef CHUNK_DIFFERENCES_H
#define CHUNK_DIFFERENCES_H

#include "chunk_encoder.h"

/* The narrowest way, from 2 on, that holds a difference. */
static inline unsigned vxt_width_of(uint64_t difference)
{
    static const uint8_t by_bits[64] = {2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4,
                                        4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
                                        6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7};
    return by_bits[63 ^ (unsigned)__builtin_clzll(vxt_zigzag(difference) | 1)];
}

static inline unsigned vxt_way_of(uint64_t difference, uint64_t repeat)
{
    if (difference == 0) return 0;
    return difference == repeat ? 1 : vxt_width_of(difference);
}

/* Where addresses go, and what they are differences to: the slots and the history, held apart from the encoder so that
 * they may stay in registers. */
typedef struct vxt_cursor {
    uint8_t *code;
    uint64_t *slots;
    vxt_history history;
} vxt_cursor;

/* The ends of the columns of differences; ways 0 and 1 have none. */
typedef struct vxt_column_ends {
    uint8_t *at[VXT_WIDTHS];
} vxt_column_ends;

static inline void vxt_cursor_start(vxt_cursor *cursor, vxt_column_ends *ends, const vx_chunk_encoder *encoder)
{
    const vxt_bytes *columns = encoder->columns;
    cursor->slots = encoder->slots;
    cursor->history = encoder->addresses;
    cursor->code = columns[VXT_COL_CODES].data + columns[VXT_COL_CODES].size;
    for (unsigned way = 2; way < VXT_WIDTHS; way++) {
        const vxt_bytes *column = &columns[VXT_COL_DELTAS + way - 2];
        ends->at[way] = column->data + column->size;
    }
}

static inline void vxt_cursor_end(const vxt_cursor *cursor, const vxt_column_ends *ends, vx_chunk_encoder *encoder)
{
    vxt_bytes *columns = encoder->columns;
    encoder->addresses = cursor->history;
    columns[VXT_COL_CODES].size = (size_t)(cursor->code - columns[VXT_COL_CODES].data);
    for (unsigned way = 2; way < VXT_WIDTHS; way++) {
        vxt_bytes *column = &columns[VXT_COL_DELTAS + way - 2];
        column->size = (size_t)(ends->at[way] - column->data);
    }
}

/* Codes a difference that takes bytes: to the slot's last address, or to the address before, whichever takes fewer. */
static inline unsigned vxt_put_difference(vxt_cursor *cursor, vxt_column_ends *ends, uint64_t difference,
                                          uint64_t after)
{
    unsigned way = vxt_width_of(difference), other = vxt_width_of(after);
    bool shorter = other < way;
    if (shorter) difference = after;
    if (shorter) way = other;
    cursor->history.repeat = difference;
    vxt_set64(ends->at[way], difference);
    ends->at[way] += vx_chunk_width_bytes[way];
    return way | (unsigned)shorter * VXT_CODE_AFTER;
}

/* Codes one address of a slot. The columns have room. Most take no bytes. */
static inline void vxt_put_address(vxt_cursor *cursor, vxt_column_ends *ends, uint32_t slot, uint64_t address)
{
    uint64_t repeat = cursor->history.repeat, difference = address - cursor->slots[slot];
    uint64_t after = address - cursor->history.before;
    unsigned code;
    if (difference == 0)
        code = 0;
    else if (difference == repeat)
        code = 1;
    else if (after == 0)
        code = VXT_CODE_AFTER;
    else if (after == repeat)
        code = VXT_CODE_AFTER | 1;
    else
        code = vxt_put_difference(cursor, ends, difference, after);
    cursor->history.before = address;
    cursor->slots[slot] = address;
    *cursor->code++ = (uint8_t)code;
}

#endif
