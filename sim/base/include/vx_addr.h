/* The four kinds of addresses, each its own one-member struct, so that mixing them does not compile,
 * and the page sizes that every table and TLB speaks of. */
#ifndef VX_ADDR_H
#define VX_ADDR_H

#include <stdbool.h>
#include <stdint.h>

typedef struct vx_gva { /* guest-virtual (linear) address */
    uint64_t v;
} vx_gva;
typedef struct vx_gpa { /* guest-physical address */
    uint64_t v;
} vx_gpa;
typedef struct vx_hpa { /* host-physical address */
    uint64_t v;
} vx_hpa;
typedef struct vx_iova { /* address a device puts on the bus */
    uint64_t v;
} vx_iova;

/* Page sizes in order of size, so that the smaller of two is the smaller value. 4M is the 2-level format's (CR4.PSE).
 */
typedef enum vx_page_size {
    VX_PAGE_4K = 0,
    VX_PAGE_2M,
    VX_PAGE_4M,
    VX_PAGE_1G,
    VX_PAGE_SIZES /* how many */
} vx_page_size;

enum { VX_PAGE_SHIFT = 12, VX_PAGE_BYTES = 4096, VX_LINE_SHIFT = 6, VX_LINE_BYTES = 64 };

/* log2 of the bytes of a page: 12, 21, 22, 30. */
static inline unsigned vx_page_shift(vx_page_size size)
{
    static const uint8_t shift[VX_PAGE_SIZES] = {12, 21, 22, 30};
    return shift[size];
}

/* 4096, 2097152, 4194304 or 1073741824. `size` must be below VX_PAGE_SIZES. */
static inline uint64_t vx_page_bytes(vx_page_size size) { return 1ULL << vx_page_shift(size); }

/* "4k", "2m", "4m", "1g": the spelling of options, models and reports. */
const char *vx_page_size_name(vx_page_size size);
/* The inverse; false where the word names no page size. */
bool vx_page_size_parse(const char *word, vx_page_size *size);

/* Canonical: bits 63 down to virt_bits - 1 are equal (SDM Vol. 1, 3.3.7.1). virt_bits is 48 or 57. */
static inline bool vx_canonical(uint64_t address, unsigned virt_bits)
{
    int64_t top = (int64_t)(address << (64 - virt_bits)) >> (64 - virt_bits);
    return (uint64_t)top == address;
}

/* What a reference does with its address. The values index tables of three. */
typedef enum vx_access { VX_ACCESS_LOAD = 0, VX_ACCESS_STORE = 1, VX_ACCESS_FETCH = 2, VX_ACCESSES } vx_access;

#endif
