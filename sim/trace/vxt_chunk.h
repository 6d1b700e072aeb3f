/* A chunk of a .vxt file: some millions of records of one stream, coded in columns and independent of every other
 * chunk.
 *
 * Programs run the same code again and again, so a chunk holds a dictionary of templates, each a short sequence of
 * records (a run of instructions up to the next jump, with its loads and stores), and the list of the templates'
 * numbers in program order. What a template cannot know, the addresses of its loads and stores, is coded as the
 * difference to the last address in the same slot, a slot being a static position in the program. Widths and values of
 * the differences lie in columns of their own: zstd sees bytes of one kind together, and decoding is a copy of the
 * template and one table-driven, branchless addition for each slot. docs/trace-format.md has the bytes. */
#ifndef VXT_CHUNK_H
#define VXT_CHUNK_H

#include <stdbool.h>

#include "record_runs.h"
#include "vx_record.h"
#include "vx_status.h"
#include "vxt_bytes.h"

/* Limits that readers enforce before they allocate. */
enum {
    VXT_RAW_MAX = 16 << 20,      /* decoded columns of a chunk, bytes */
    VXT_RECORDS_MAX = 1 << 24,   /* records in a chunk */
    VXT_TEMPLATES_MAX = 1 << 16, /* what a 16-bit number can name */
    VXT_ELEMENTS_MAX = 1 << 20,  /* records in all templates together */
    VXT_SLOTS_MAX = 1 << 18,     /* slots of a chunk */
    VXT_TEMPLATE_ELEMENTS = 255, /* records in one template */
    VXT_TEMPLATE_WORDS = 4096,   /* payload words in one template */
    VXT_CONTEXTS = 16,           /* payload words of a kind that have their own last value */
    VXT_WIDTHS = 8               /* ways to give a difference */
};

/* The ways to give a difference, by the low three bits of a code: 0 none, 1 the last one that was not 0 again, then
 * two's complement in 1, 2, 3, 4, 6 or 8 bytes. */
extern const uint8_t vx_chunk_width_bytes[VXT_WIDTHS];

enum {
    VXT_CODE_WIDTH = 7,      /* mask of the way */
    VXT_CODE_AFTER = 8,      /* the difference is to the address coded just before, not to the slot's last */
    VXT_CODES = 16,          /* codes of addresses; payload words use the first VXT_WIDTHS */
    VXT_ADDRESS_FIXED = 0x80 /* in a template's kind: the address is the template's own, as fetches' are */
};

/* The columns, in file order. */
enum {
    VXT_COL_LENGTHS,   /* a byte a template: its records */
    VXT_COL_KINDS,     /* a byte a record: kind, and VXT_ADDRESS_FIXED */
    VXT_COL_SIZES,     /* a byte a record: size */
    VXT_COL_COUNTS,    /* varint, all but loads and stores: count */
    VXT_COL_BYTES,     /* varint, fetches: bytes */
    VXT_COL_ADDRESSES, /* zigzag varint, fixed addresses: difference to where the fixed one before it ended */
    VXT_COL_SLOTS,     /* varint, other addresses: 0 a new slot, n the n-th newest */
    VXT_COL_IDS,       /* 16 bits: templates in program order */
    VXT_COL_CODES,     /* a byte a slot use */
    VXT_COL_DELTAS,    /* six columns: the differences of 1, 2, 3, 4, 6, 8 bytes */
    VXT_COL_WORD_CODES = VXT_COL_DELTAS + 6, /* a byte a payload word */
    VXT_COL_WORDS,                           /* six columns, as the differences of addresses */
    VXT_COLUMNS = VXT_COL_WORDS + 6
};

enum { VXT_COLUMN_TABLE = VXT_COLUMNS * 4 }; /* the chunk starts with the columns' sizes, 32 bits each */

/* Which last value predicts payload word `index` of a record of this kind: lists of pairs (the only payloads longer
 * than VXT_CONTEXTS) go by parity. */
static inline unsigned vxt_word_context(const vx_record_info *info, unsigned index)
{
    return info->words_max > VXT_CONTEXTS ? index & 1 : index;
}

/* ---- writing ---- */

typedef struct vx_chunk_encoder vx_chunk_encoder;

vx_chunk_encoder *vx_chunk_encoder_new(void); /* NULL without memory */
void vx_chunk_encoder_free(vx_chunk_encoder *encoder);

/* Adds `count` of the batch's records. VX_ERR_INPUT: the one behind the *taken that it took is not valid.
 * VX_ERR_NOMEM leaves the encoder fit only to be freed. */
vx_status vx_chunk_encoder_put(vx_chunk_encoder *encoder, const vx_batch *batch, size_t from, size_t count,
                               size_t *taken);

/* Adds the `count` runs from `place` on, which moves behind them; the records of a run become one template. At most
 * VXT_FULL_EVERY runs at a time. False without memory; the encoder is then fit only to be freed. */
bool vx_chunk_encoder_put_runs(vx_chunk_encoder *encoder, const vxt_runs *runs, vxt_runs_place *place, size_t count);

/* Records added since the last finish. */
uint32_t vx_chunk_encoder_records(const vx_chunk_encoder *encoder);

/* Whether the chunk must end; to be asked once in VXT_FULL_EVERY records, or runs of them, or more often. */
enum { VXT_FULL_EVERY = 64 };
bool vx_chunk_encoder_full(const vx_chunk_encoder *encoder);

/* The chunk's bytes into `raw` (its old content is replaced); the encoder is empty then. */
vx_status vx_chunk_encoder_finish(vx_chunk_encoder *encoder, vxt_bytes *raw);

/* ---- reading ---- */

typedef struct vx_chunk_decoder vx_chunk_decoder;

enum {
    VXT_RAW_SLACK = 16,       /* bytes that must be readable behind a chunk */
    VXT_BATCH_RECORDS = 8192, /* a batch stays in the second-level cache */
    VXT_BATCH_WORDS = 8192
};

vx_chunk_decoder *vx_chunk_decoder_new(void); /* NULL without memory */
void vx_chunk_decoder_free(vx_chunk_decoder *decoder);

/* Starts on a chunk of `size` bytes, which must stay in place, with VXT_RAW_SLACK readable bytes behind it, while the
 * chunk is read. Everything that decoding relies on is checked here. VX_ERR_INPUT: `why` (static text) says what is
 * wrong with it. */
vx_status vx_chunk_decoder_start(vx_chunk_decoder *decoder, const uint8_t *raw, size_t size, uint32_t records,
                                 const char **why);

/* The next records of the chunk, up to the end of the template that makes VXT_BATCH_RECORDS of them, or of their words
 * VXT_BATCH_WORDS; count 0 at its end. The batch lives until the next call.
 * VX_ERR_INPUT on an invalid record. */
vx_status vx_chunk_decoder_next(vx_chunk_decoder *decoder, vx_batch *batch, const char **why);

#endif
