/* How a cached translation fits two words, in every structure of this room.
 *
 * Tag (the key of a set-associative array; never 0):
 *
 *     63                  19 18          3 2    1   0
 *     | page number or prefix | context id | size | 1 |
 *
 * 45 bits hold the page number of a 57-bit linear address, or of a 52-bit guest-physical one, or the number of a 4-byte
 * word of simulated memory. The context id stands for (VPID, PCID, EP4TA): tlb_context.h. A global translation has the
 * id of a context without PCID, so that a hit compares with two words.
 *
 * Value of a TLB entry: the frame in bits 51:12, and what both dimensions allow in bits 9:0, so that a check of rights
 * is one xor and one and (rights.h). */
#ifndef VX_TLB_TAG_H
#define VX_TLB_TAG_H

#include <stdint.h>

#include "vx_addr.h"
#include "vx_mmu_hit.h"
#include "vx_radix.h"

/* Rights of the first dimension: the AND of W and U, the OR of NX over the entries used. */
#define VX_TLB_W (1ULL << 0)
#define VX_TLB_U (1ULL << 1)
#define VX_TLB_NX (1ULL << 2)
/* A store needs no walk: the dirty flags of both dimensions are set. */
#define VX_TLB_DIRTY (1ULL << 3)
/* Rights of the second dimension, all set where there is none. In the order of EPT's R, W and X. */
#define VX_TLB_NESTED_SHIFT 4
#define VX_TLB_NESTED_R (1ULL << 4)
#define VX_TLB_NESTED_W (1ULL << 5)
#define VX_TLB_NESTED_X (1ULL << 6)
#define VX_TLB_NESTED (7ULL << VX_TLB_NESTED_SHIFT)
/* The second dimension's page is smaller than the first's: a splintered entry (SDM Vol. 3A, 4.10.2.3). */
#define VX_TLB_SPLINTERED (1ULL << 7)
/* Page size of the first dimension: INVLPG drops every entry of the page, whatever their own size. */
#define VX_TLB_GUEST_PAGE_SHIFT 8
#define VX_TLB_GUEST_PAGE (3ULL << VX_TLB_GUEST_PAGE_SHIFT)
#define VX_TLB_FLAGS 0xFFFULL

#define VX_TAG_CONTEXT_MASK 0xFFFFULL

/* The bits of a tag that say whose it is. */
static inline uint64_t vx_tag_owner(uint16_t context)
{
    return (uint64_t)context << VX_TAG_CONTEXT_SHIFT | VX_TAG_VALID;
}

static inline uint16_t vx_tag_context(uint64_t tag)
{
    return (uint16_t)(tag >> VX_TAG_CONTEXT_SHIFT & VX_TAG_CONTEXT_MASK);
}

static inline vx_page_size vx_tag_size(uint64_t tag) { return (vx_page_size)(tag >> VX_TAG_SIZE_SHIFT & 3); }

static inline uint64_t vx_tag_prefix(uint64_t tag) { return tag >> VX_TAG_PAGE_SHIFT; }

/* A tag of the walker's caches: they hold one kind of prefix each, so the size field is 0. */
static inline uint64_t vx_tag_make(uint64_t prefix, uint64_t owner) { return prefix << VX_TAG_PAGE_SHIFT | owner; }

static inline vx_page_size vx_value_guest_page(uint64_t value)
{
    return (vx_page_size)((value & VX_TLB_GUEST_PAGE) >> VX_TLB_GUEST_PAGE_SHIFT);
}

/* Whether two linear addresses lie in the same 2^shift bytes, as far as a tag knows them (57 bits). */
static inline int vx_same_page(uint64_t a, uint64_t b, unsigned shift)
{
    return ((a ^ b) & ((1ULL << 57) - 1)) >> shift == 0;
}

#endif
