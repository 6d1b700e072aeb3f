/* What the importers' tests share: an importer's whole output as text, inputs built byte by byte, and compression. */
#ifndef IMPORT_SUPPORT_H
#define IMPORT_SUPPORT_H

#include "test_support.h"

#include "importers.h"

typedef vx_status import_open(vx_source **source, vx_input *input, vx_msg *msg);

/* A growing string of bytes. */
typedef struct bytes {
    uint8_t *data;
    size_t count, capacity;
} bytes;

void bytes_put(bytes *to, const void *data, size_t count);
void bytes_le(bytes *to, uint64_t value, unsigned count); /* little-endian */
void bytes_varint(bytes *to, uint64_t value);
void bytes_free(bytes *to);

/* All records that an importer makes of the input, one a line, numbers in hexadecimal:
 *     fetch ADDRESS COUNT BYTES
 *     load ADDRESS BYTES                  (store alike)
 *     KIND ADDRESS SIZE WORD...           (all others)
 * and, where it fails, "error STATUS: MESSAGE" last. Every record is checked to be well formed. The text is the
 * caller's to free. */
char *import_text(import_open *open, const void *data, size_t count);

/* Fails the test where the importer's text is another; frees what import_text made. */
void assert_imports(import_open *open, const void *data, size_t count, const char *expected);

/* The same for an input that is text itself. */
void assert_imports_text(import_open *open, const char *input, const char *expected);

typedef enum packing { PACK_GZ, PACK_ZST, PACK_XZ, PACK_LZ4, PACK_ZIP, PACKINGS } packing;

/* Appends the packed data to `to`. For zip: the data split in two members, with a folder between. */
void pack(packing how, const void *data, size_t count, bytes *to);

#endif
