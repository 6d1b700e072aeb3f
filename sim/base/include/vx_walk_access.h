/* One access that a page walk makes, as observers see it (`vexit walk`, the course pages, tests). */
#ifndef VX_WALK_ACCESS_H
#define VX_WALK_ACCESS_H

#include <stdint.h>

#include "vx_addr.h"

/* Who answered a walk's need for an entry. The first four reach the cache hierarchy and count as accesses; the rest
 * saved one or more accesses, which count as skipped. */
typedef enum vx_walk_hit {
    VX_HIT_FIXED, /* fixed latency: data caches are off */
    VX_HIT_L1,
    VX_HIT_L2,
    VX_HIT_L3,
    VX_HIT_MEMORY,
    VX_HIT_PSC,  /* paging-structure cache or page-walk cache */
    VX_HIT_NTLB, /* nested TLB */
    VX_WALK_HITS
} vx_walk_hit;

/* "fixed", "l1", "l2", "l3", "memory", "psc", "ntlb": the words of reports (docs/json.md). */
const char *vx_walk_hit_name(vx_walk_hit hit);

typedef struct vx_walk_access {
    uint8_t guest_level;  /* the grid's row: 5..1, 0 for the data's guest-physical address */
    uint8_t nested_level; /* the grid's column: 5..1, 0 for the guest entry itself */
    uint8_t hit;          /* vx_walk_hit */
    uint8_t skipped;      /* 1: answered by a cache of the walker, no access was made */
    uint32_t ticks;
    vx_hpa at;      /* host-physical address of the entry */
    uint64_t entry; /* its value */
} vx_walk_access;

typedef void (*vx_walk_observer)(void *context, const vx_walk_access *access);

#endif
