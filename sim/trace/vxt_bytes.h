/* Little-endian integers, variable-length integers and a growing byte buffer: what the container's two sides share. */
#ifndef VXT_BYTES_H
#define VXT_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline uint16_t vxt_get16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }

static inline uint32_t vxt_get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t vxt_get64(const uint8_t *p) { return vxt_get32(p) | (uint64_t)vxt_get32(p + 4) << 32; }

static inline void vxt_set16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

static inline void vxt_set32(uint8_t *p, uint32_t value)
{
    vxt_set16(p, (uint16_t)value);
    vxt_set16(p + 2, (uint16_t)(value >> 16));
}

static inline void vxt_set64(uint8_t *p, uint64_t value)
{
    const uint64_t bytes = htole64(value);
    memcpy(p, &bytes, sizeof bytes);
}

/* Signed differences as small unsigned numbers: 0, -1, 1, -2, ... become 0, 1, 2, 3, ... */
static inline uint64_t vxt_zigzag(uint64_t difference)
{
    return difference << 1 ^ (uint64_t)((int64_t)difference >> 63);
}
static inline uint64_t vxt_unzigzag(uint64_t coded) { return coded >> 1 ^ (0 - (coded & 1)); }

/* A growing byte buffer. All zero is an empty one; free(data) releases it. */
typedef struct vxt_bytes {
    uint8_t *data;
    size_t size, capacity;
} vxt_bytes;

/* Makes room for `more` bytes; false without memory, the buffer unchanged. */
static inline bool vxt_bytes_room(vxt_bytes *bytes, size_t more)
{
    if (bytes->capacity - bytes->size >= more) return true;
    size_t capacity = bytes->capacity ? bytes->capacity * 2 : 256;
    while (capacity - bytes->size < more) capacity *= 2;
    uint8_t *data = realloc(bytes->data, capacity);
    if (!data) return false;
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

/* Room for `more` items of `size` bytes behind the first `count` of an array that doubles. `array` points to the
 * pointer to it. False without memory, the array unchanged. */
static inline bool vxt_grow(void *array, uint32_t *capacity, uint32_t count, uint32_t more, size_t size)
{
    void *data;
    if (*capacity - count >= more) return true;
    uint32_t bigger = *capacity ? *capacity : 256;
    while (bigger - count < more) bigger *= 2;
    memcpy(&data, array, sizeof data);
    data = realloc(data, bigger * size);
    if (!data) return false;
    memcpy(array, &data, sizeof data);
    *capacity = bigger;
    return true;
}

enum { VXT_VARINT_BYTES = 10 }; /* the longest: 64 bits in sevens */

/* Appends `value`, seven bits a byte, low first; room for VXT_VARINT_BYTES must have been made. */
static inline void vxt_put_varint(vxt_bytes *bytes, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) bytes->data[bytes->size++] = (uint8_t)(value | 0x80);
    bytes->data[bytes->size++] = (uint8_t)value;
}

/* Reads one varint from *p, not past `end`, and moves *p behind it; false where it is cut or longer than 64 bits. */
static inline bool vxt_get_varint(const uint8_t **p, const uint8_t *end, uint64_t *value)
{
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (*p == end) return false;
        uint8_t byte = *(*p)++;
        if (shift == 63 && byte > 1) return false;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = result;
            return true;
        }
    }
    return false;
}

#endif
