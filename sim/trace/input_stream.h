/* The bytes that an importer reads: a file (or memory), decompressed by what its first bytes say, never by its name.
 *
 * Plain, gz, zst, xz, lz4 frames, and the members of a zip archive one after another. Everything is streamed through
 * one window of fixed size, so that a compressed bomb costs time, not memory.
 *
 * An importer looks at [at, end), moves `at`, and calls vx_input_fill when it needs more than is there. */
#ifndef INPUT_STREAM_H
#define INPUT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vx_status.h"

enum { VX_INPUT_WINDOW_BYTES = 256 * 1024 }; /* what an importer can look at at once */

typedef struct vx_input {
    const uint8_t *at, *end; /* the unread bytes of the window */
    uint64_t end_offset;     /* of `end` in the decompressed data */
    bool ended;              /* nothing follows `end` */
    const char *name;        /* as messages call it */
    const char *packed;      /* "gz", "zst", "xz", "lz4", "zip"; NULL: plain */
} vx_input;

/* VX_ERR_IO where the file cannot be opened or read, VX_ERR_INPUT where it is empty or damaged. The window is filled.
 */
vx_status vx_input_open(vx_input **input, const char *path, vx_msg *msg);

/* The same over memory, which is borrowed until the close (tests, fuzzers). */
vx_status vx_input_open_memory(vx_input **input, const char *name, const void *data, size_t bytes, vx_msg *msg);

/* Moves the unread bytes to the window's front and reads until the window is full or the data ends. On an error the
 * unread bytes stay valid. */
vx_status vx_input_fill(vx_input *input, vx_msg *msg);

/* Back to the first byte. A pipe cannot: VX_ERR_IO. */
vx_status vx_input_rewind(vx_input *input, vx_msg *msg);

/* NULL is fine. */
void vx_input_close(vx_input *input);

/* Offset of the next unread byte in the decompressed data. */
static inline uint64_t vx_input_offset(const vx_input *input)
{
    return input->end_offset - (uint64_t)(input->end - input->at);
}

static inline size_t vx_input_left(const vx_input *input) { return (size_t)(input->end - input->at); }

/* Fills only where fewer than `bytes` are unread; fewer may remain where the data ends. */
static inline vx_status vx_input_need(vx_input *input, size_t bytes, vx_msg *msg)
{
    if (vx_input_left(input) >= bytes || input->ended) return VX_OK;
    return vx_input_fill(input, msg);
}

#endif
