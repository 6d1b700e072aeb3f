/* Decompressors behind the input stream: gz, zst, xz and lz4, each as one step function over buffers.
 *
 * A step takes some compressed bytes and gives some plain ones. The window, the loop and the errors "cut" and "no
 * progress" are the input stream's, once for all four. */
#ifndef INPUT_CODEC_H
#define INPUT_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vx_status.h"

typedef struct vx_codec_step {
    const uint8_t *in;
    size_t in_bytes;
    uint8_t *out;
    size_t out_bytes;
    bool last;         /* no compressed bytes follow `in` */
    size_t taken;      /* out: compressed bytes used */
    size_t given;      /* out: plain bytes written */
    bool at_boundary;  /* out: a whole frame (gz member, xz stream) has ended, and the input may end here */
    const char *fault; /* out, where step() fails with VX_ERR_INPUT: what the decompressor says */
} vx_codec_step;

typedef struct vx_codec {
    const char *name; /* "gz", ... */
    uint8_t magic[6];
    size_t magic_bytes;
    /* State for one stream, or NULL where memory is short. */
    void *(*open)(void);
    /* VX_OK, VX_ERR_INPUT (damaged, `fault` says how) or VX_ERR_NOMEM. */
    vx_status (*step)(void *state, vx_codec_step *step);
    void (*close)(void *state);
} vx_codec;

/* The codec whose magic number begins `head`; NULL where none does. */
const vx_codec *vx_codec_by_magic(const uint8_t *head, size_t bytes);

#endif
