/* Entries as nearly all are, recognised by one compare: present, every right given, flags set, nothing reserved. The
 * walks take them without asking further; whatever else an entry may say is asked of the others, one by one. */
#ifndef VX_ORDINARY_H
#define VX_ORDINARY_H

#include "rights.h"

/* (entry & mask) == want, by the entry's level. A level that has no such entries wants what no entry gives. */
typedef struct vx_ordinary_kind {
    uint64_t mask[VX_RADIX_LEVELS_MAX + 1], want[VX_RADIX_LEVELS_MAX + 1];
} vx_ordinary_kind;

typedef struct vx_ordinary {
    vx_ordinary_kind table; /* names a table; A is set where it is kept */
    vx_ordinary_kind leaf;  /* maps a page; A is set where it is kept, D may be clear */
} vx_ordinary;

static inline bool vx_is_ordinary(const vx_ordinary_kind *kind, unsigned level, uint64_t entry)
{
    return (entry & kind->mask[level]) == kind->want[level];
}

/* Address bits that EPT of four levels translates (SDM Vol. 3C, 28.2.2). */
enum { VX_EPT4_BITS = 48 };

/* First dimension. Rights are no part of it; that the second dimension's levels translate the address is. */
void vx_ordinary_guest(const vx_radix *format, const vx_mmu_control *control, const vx_reserved_bits *reserved,
                       vx_ordinary *ordinary);

/* Second dimension: entries that allow everything; leaves are of memory type write-back under EPT. `flags`: the A flag
 * is kept. */
void vx_ordinary_nested(const vx_radix *format, const vx_mmu_control *control, const vx_reserved_bits *reserved,
                        bool flags, vx_ordinary *ordinary);

#endif
