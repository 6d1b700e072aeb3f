/* The bytes as they lie in the file or in memory, before any decompression. Private to the input stream. */
#ifndef INPUT_RAW_H
#define INPUT_RAW_H

#include <stddef.h>
#include <stdint.h>

#include "vx_status.h"

typedef struct vx_raw {
    int fd; /* -1: memory */
    const uint8_t *memory;
    size_t memory_bytes;
    uint64_t offset; /* of the next byte */
    const char *name;
} vx_raw;

/* The members of a zip archive, one after another in the order of its directory. */
typedef struct vx_zip vx_zip;
vx_status vx_zip_open(vx_zip **zip, const vx_raw *raw, vx_msg *msg);
vx_status vx_zip_read(vx_zip *zip, uint8_t *out, size_t bytes, size_t *got, vx_msg *msg);
void vx_zip_close(vx_zip *zip);

#endif
