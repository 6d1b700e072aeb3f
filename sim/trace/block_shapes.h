/* The recorder's blocks of code, and the runs of records that they make (trace_pipe.c). A block is told once; what it
 * does each time it runs is nearly always one of a few sequences of fetches, loads and stores: its shapes. */
#ifndef BLOCK_SHAPES_H
#define BLOCK_SHAPES_H

#include <stdbool.h>

#include "record_runs.h"

/* What one piece of a block's run is made from. A piece begins behind the instruction before `from` and makes these
 * references; instructions before each reference's own, and at last those before `to`, are fetched on the way. */
enum { PIECE_REFERENCES = 24 };
typedef struct block_piece {
    uint32_t block;
    uint16_t from, to;
    uint16_t references;
    uint16_t tags[PIECE_REFERENCES]; /* 13:4 the instruction, 3:1 the logarithm of the bytes, 0: a store */
} block_piece;

typedef struct block {
    uint64_t address;
    uint32_t first; /* of its instructions' ends in `ends` */
    uint16_t count;
    /* The shape of its last run from its beginning to its end (0: none yet), and the first of its tags. */
    uint32_t guess, guess_tag;
    uint32_t recent[2]; /* shapes of its last other pieces, by whether they are its run's first; 0: none */
} block;

/* What a shape is made from, and of. */
typedef struct shape_form {
    uint32_t hash, next; /* another of the same bucket; 0: none */
    uint32_t block;
    uint32_t tag; /* the first */
    uint16_t from, to;
    uint16_t references;
    uint16_t reached; /* the instruction behind the last one fetched */
} shape_form;

typedef struct block_shapes {
    block *blocks;
    uint32_t block_count, block_room;
    uint16_t *ends; /* where each instruction ends, from its block's address on */
    uint32_t end_count, end_room;
    /* Shapes, by number. */
    vxt_shape *shapes;
    shape_form *forms;
    uint32_t count, room, form_room;
    vx_record *records;
    uint32_t record_count, record_room;
    uint16_t *tags; /* of each shape's references, and behind them of the step that begins the next block */
    uint32_t tag_count, tag_room;
    uint32_t *buckets;
    uint32_t shaping; /* how often all shapes have been forgotten */
} block_shapes;

vx_status block_shapes_init(block_shapes *shapes, vx_msg *msg);
void block_shapes_fini(block_shapes *shapes);

/* A further block: `lengths` of its instructions, 4 bits each, 16 in a word. VX_ERR_INPUT: `why` says what is wrong. */
vx_status block_shapes_define(block_shapes *shapes, uint64_t address, uint32_t count, const uint64_t *lengths,
                              const char **why);

/* The number of the piece's shape, made on its first use. The piece is within its block. VX_ERR_NOMEM, or VX_ERR_INPUT
 * where it makes an invalid record. Moves the shapes and what they are made of. */
vx_status block_shapes_find(block_shapes *shapes, const block_piece *piece, uint32_t *number);

/* The block's next run is likely to be of this shape. */
static inline void block_shapes_guess(block_shapes *shapes, uint32_t number, uint32_t shape)
{
    block *in = &shapes->blocks[number];
    in->guess = shape;
    in->guess_tag = shapes->forms[shape].tag;
}

/* Forgets all shapes but 0 where there are very many. Between batches: numbers mean others then. */
void block_shapes_tidy(block_shapes *shapes);

#endif
