/* Sparse simulated physical memory: real bytes that page walkers read, and where the host puts a guest's pages.
 *
 * Address space is reserved in one piece at the start and committed by the operating system on touch; only tables
 * (and what a test writes) ever hold bytes, so a guest of many GiB costs a few MiB. An address beyond the end reads
 * as zero (nothing present) and swallows writes, as an empty bus does to tables that point nowhere. */
#ifndef VX_PHYSMEM_H
#define VX_PHYSMEM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "vx_addr.h"
#include "vx_status.h"

typedef struct vx_physmem {
    uint8_t *base;
    uint64_t bytes; /* multiple of 4096 */
} vx_physmem;

/* Reserves `bytes` (rounded up to 4096; 1 to 2^46, else VX_ERR_INPUT). VX_ERR_NOMEM where the system refuses. */
vx_status vx_physmem_init(vx_physmem *memory, uint64_t bytes, vx_msg *msg);
void vx_physmem_fini(vx_physmem *memory);

/* The first `bytes` will be filled from the start on, without gaps (a hypervisor's tables): they may be backed by the
 * host's huge pages, which saves its processor most TLB misses. A hint: nothing else changes. */
void vx_physmem_dense(vx_physmem *memory, uint64_t bytes);

/* Little-endian words at any alignment. Beyond the end a read gives 0 and a write is lost, as on an empty bus. */
static inline uint64_t vx_physmem_read64(const vx_physmem *memory, vx_hpa at)
{
    uint64_t value = 0;
    if (at.v <= memory->bytes - 8) memcpy(&value, memory->base + at.v, 8);
    return value;
}

static inline uint32_t vx_physmem_read32(const vx_physmem *memory, vx_hpa at)
{
    uint32_t value = 0;
    if (at.v <= memory->bytes - 4) memcpy(&value, memory->base + at.v, 4);
    return value;
}

static inline void vx_physmem_write64(vx_physmem *memory, vx_hpa at, uint64_t value)
{
    if (at.v <= memory->bytes - 8) memcpy(memory->base + at.v, &value, 8);
}

static inline void vx_physmem_write32(vx_physmem *memory, vx_hpa at, uint32_t value)
{
    if (at.v <= memory->bytes - 4) memcpy(memory->base + at.v, &value, 4);
}

/* Zeroes the 4 KiB page that holds the address. */
void vx_physmem_clear_page(vx_physmem *memory, vx_hpa page);

/* Where the host keeps a guest's memory: a pure function of the guest-physical address and a seed, so that every
 * scheme sees the same placement and runs can be compared. Frames of `granule` bytes are either kept in order
 * (linear) or permuted over the guest's RAM (scattered, a keyed bijection). On bare metal base is 0 and linear. */
typedef struct vx_gpa_map {
    uint64_t base;          /* host-physical address of the guest's first frame; multiple of the granule */
    uint64_t bytes;         /* guest RAM, multiple of the granule */
    uint64_t device_gap;    /* host memory between the guest's RAM and its device space: other guests' RAM */
    uint64_t host_end;      /* end of host-physical addresses, 2^MAXPHYADDR; 0: 2^52 */
    uint64_t key;           /* of the permutation */
    uint32_t granule_shift; /* 12, 21 or 30 */
    bool scattered;
    /* The hypervisor that placed the guest runs in a VM itself, and this is where that VM's memory lies; what it takes
     * for host-physical addresses is guest-physical there. NULL: it runs on the processor. Not owned. */
    const struct vx_gpa_map *below;
} vx_gpa_map;

/* The address as the hypervisor that placed the guest knows it: guest-physical of its own VM where the map has one
 * below, else the host-physical one. */
uint64_t vx_gpa_map_placed(const vx_gpa_map *map, vx_gpa gpa);

/* The host-physical address, through all maps below, always below host_end; a gpa beyond the guest's RAM maps linearly
 * behind it and the gap (device space), and one for which no host address is left, to the last page. */
vx_hpa vx_gpa_map_hpa(const vx_gpa_map *map, vx_gpa gpa);

#endif
