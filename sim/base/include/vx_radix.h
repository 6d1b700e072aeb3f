/* The one radix-table walk: guest tables, EPT, shadow tables and VT-d second-level tables differ in constants only.
 *
 * A format says how many bits each level consumes and which bits of an entry mean what; software (hypervisors, the
 * modelled guest OS, tests) builds and edits tables through it; hardware walkers use the same index arithmetic and add
 * their own costs and checks. Level 1 is the leaf of 4 KiB pages, `top` the root. Levels are numbered as Linux and the
 * papers do: 1 PTE, 2 PDE, 3 PDPTE, 4 PML4E, 5 PML5E. */
#ifndef VX_RADIX_H
#define VX_RADIX_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_addr.h"
#include "vx_physmem.h"

enum { VX_RADIX_LEVELS_MAX = 5 };

/* Entry bits. Guest formats: SDM Vol. 3A, 4.3-4.5; EPT: Vol. 3C, 28.3.2 ("EPT translation mechanism"). */
#define VX_PTE_P (1ULL << 0)
#define VX_PTE_W (1ULL << 1)
#define VX_PTE_U (1ULL << 2)
#define VX_PTE_A (1ULL << 5)
#define VX_PTE_D (1ULL << 6)
#define VX_PTE_PS (1ULL << 7) /* in levels 2 to 4: maps a page */
#define VX_PTE_G (1ULL << 8)
#define VX_PTE_NX (1ULL << 63)
#define VX_EPT_R (1ULL << 0)
#define VX_EPT_W (1ULL << 1)
#define VX_EPT_X (1ULL << 2)
#define VX_EPT_PS (1ULL << 7)
#define VX_EPT_A (1ULL << 8)
#define VX_EPT_D (1ULL << 9)
#define VX_ENTRY_ADDRESS 0x000FFFFFFFFFF000ULL /* 51:12 */

typedef struct vx_radix {
    const char *name;                       /* "2-level", "pae", "4-level", "5-level", "ept-4", "ept-5", ... */
    uint8_t top;                            /* highest level: 2, 3, 4 or 5 */
    uint8_t entry_bytes;                    /* 4 or 8 */
    uint8_t bits[VX_RADIX_LEVELS_MAX + 1];  /* index bits of each level; [0] unused */
    uint8_t shift[VX_RADIX_LEVELS_MAX + 1]; /* lowest address bit of each level's index */
    int8_t page[VX_RADIX_LEVELS_MAX + 1];   /* vx_page_size a leaf at this level maps, or -1 */
    uint64_t present;                       /* an entry is present where it has any of these bits */
    uint64_t large;                         /* the bit that makes an upper entry a leaf */
} vx_radix;

extern const vx_radix vx_radix_2level; /* 32-bit, 4-byte entries; 4M pages */
extern const vx_radix vx_radix_pae;    /* 3 levels; the top one (4 PDPTEs) is latched in the CPU (Intel) */
extern const vx_radix vx_radix_4level;
extern const vx_radix vx_radix_5level;
extern const vx_radix vx_radix_ept4;
extern const vx_radix vx_radix_ept5;

/* Which entry of a table of this level translates the address: 0 to 2^bits - 1. Levels count from 1 (leaves). */
static inline uint32_t vx_radix_index(const vx_radix *format, unsigned level, uint64_t address)
{
    return (uint32_t)(address >> format->shift[level]) & ((1U << format->bits[level]) - 1U);
}

/* The frame that a non-leaf entry, or a leaf of `page`, points to. For 4M leaves bits 20:13 are address bits 39:32
 * (PSE-36, SDM Vol. 3A, 4.3). */
uint64_t vx_radix_frame(const vx_radix *format, uint64_t entry, unsigned level, bool leaf);

/* Whether a present entry maps a page: at level 1 always, above it by the format's bit for large pages. */
static inline bool vx_radix_is_leaf(const vx_radix *format, unsigned level, uint64_t entry)
{
    return level == 1 || (format->page[level] >= 0 && (entry & format->large) != 0);
}

/* An entry at a host-physical address: 8 bytes, or 4 in two-level paging. */
static inline uint64_t vx_radix_read(const vx_radix *format, const vx_physmem *memory, vx_hpa at)
{
    return format->entry_bytes == 8 ? vx_physmem_read64(memory, at) : vx_physmem_read32(memory, at);
}

static inline void vx_radix_write(const vx_radix *format, vx_physmem *memory, vx_hpa at, uint64_t value)
{
    if (format->entry_bytes == 8)
        vx_physmem_write64(memory, at, value);
    else
        vx_physmem_write32(memory, at, (uint32_t)value);
}

/* ---- for software: build, look up and edit a table ---- */

/* Turns an address as the table spells it into where its bytes are: identity for host tables, the guest's placement
 * for guest tables. */
typedef vx_hpa (*vx_radix_place_fn)(void *context, uint64_t address);

/* A zeroed 4 KiB page for a new table of `level` (as the table spells addresses), or 0 where there is none left. The
 * table owns it from then on. */
typedef uint64_t (*vx_radix_page_fn)(void *context, unsigned level);

/* What software sees of a table: format, root and where the bytes are. */
typedef struct vx_radix_table {
    const vx_radix *format;
    uint64_t root; /* address of the top table, as the table spells addresses */
    vx_physmem *memory;
    vx_radix_place_fn place; /* NULL: identity */
    void *place_context;
} vx_radix_table;

/* Where a lookup ended. */
typedef struct vx_radix_spot {
    uint8_t level;  /* of the entry it ended at */
    bool present;   /* the entry is present: a leaf, unless it is an upper entry at `lowest` */
    uint64_t at;    /* the entry's address, as the table spells it */
    uint64_t entry; /* its value */
} vx_radix_spot;

/* Follows present entries down to a leaf or to the first absent one, at most down to `lowest` level. Changes nothing.
 */
vx_radix_spot vx_radix_lookup(const vx_radix_table *table, uint64_t address, unsigned lowest);

/* Told of each entry that vx_radix_map writes (a modelled guest OS turns these into page-table stores). May be NULL. */
typedef void (*vx_radix_wrote_fn)(void *context, unsigned level, uint64_t at, uint64_t value);

/* Maps one page of `size` at `address` to `frame` with leaf bits `leaf` and upper entries `upper`, making tables on the
 * way, top down. PS is added to the leaf; where `leaf` or `upper` has none of the format's present bits, the lowest is
 * added (P, or EPT's right to read). PAE's top entries keep P, PWT, PCD and the ignored bits of `upper` only: its
 * rights are reserved there (SDM Vol. 3A, 4.4.1). An existing leaf is replaced.
 * VX_ERR_INPUT where the format has no such page, the frame is not aligned or beyond the entry, or a larger page or a
 * table of smaller ones is in the way; VX_ERR_NOMEM where no page is left for a table (those made before stay linked,
 * empty: the next attempt uses them). */
vx_status vx_radix_map(const vx_radix_table *table, uint64_t address, uint64_t frame, vx_page_size size, uint64_t leaf,
                       uint64_t upper, vx_radix_page_fn new_page, vx_radix_wrote_fn wrote, void *context, vx_msg *msg);

#endif
