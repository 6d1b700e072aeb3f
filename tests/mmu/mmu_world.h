/* A machine for tests of the MMU: memory, a host's nested tables, one guest's (or a native OS's) tables, an MMU. */
#ifndef VX_MMU_WORLD_H
#define VX_MMU_WORLD_H

#include "test_support.h"
#include "vx_mmu.h"
#include "vx_mmu_hit.h"
#include "vx_radix.h"

typedef struct mmu_world {
    vx_cfg_cpu cpu;
    vx_arena arena;
    vx_physmem memory;
    vx_ledger ledger;
    vx_mmu *mmu;
    vx_mmu_control control; /* load with world_load after changing it */
    vx_radix_table guest, nested;
    uint64_t next_host_page;  /* for nested tables, and for native tables */
    uint64_t next_guest_page; /* guest-physical, for guest tables */
    vx_page_size table_page;  /* nested page size under guest tables */
} mmu_world;

/* Guest-physical memory lies at this host-physical offset, so that a 1G page of either dimension is aligned. */
#define WORLD_GUEST_BASE 0x100000000ULL
#define WORLD_BYTES (1ULL << 38)

enum { WORLD_FREE = VX_PTE_W | VX_PTE_U | VX_PTE_A, WORLD_NESTED_ALL = 7 };

/* Paging NONE to 5LEVEL; nested_levels matter where nested is not NONE. */
void world_open(mmu_world *world, const vx_cfg_cpu *cpu, vx_paging_mode paging, vx_nested_kind nested,
                unsigned nested_levels);
void world_close(mmu_world *world);
void world_load(mmu_world *world);

/* First dimension: gva to gpa (hpa without a second one). The guest's table pages are nested-mapped as they are made.
 */
void world_map(mmu_world *world, uint64_t gva, uint64_t gpa, vx_page_size size, uint64_t leaf, uint64_t upper);
/* Second dimension: the page of `size` around gpa, to WORLD_GUEST_BASE + gpa. `rights`: EPT's R, W, X. Mapped before:
 * no change. */
void world_map_nested(mmu_world *world, uint64_t gpa, vx_page_size size, uint64_t rights);

/* Both, with all rights, data nested-mapped with pages of `nested_size`. */
void world_map_both(mmu_world *world, uint64_t gva, uint64_t gpa, vx_page_size size, vx_page_size nested_size);

/* Host-physical address of the entry that maps (or ends the walk for) an address, at `lowest` level or above. */
uint64_t world_guest_entry(const mmu_world *world, uint64_t gva, unsigned lowest);
uint64_t world_nested_entry(const mmu_world *world, uint64_t gpa, unsigned lowest);

vx_mmu_result world_access(mmu_world *world, uint64_t gva, vx_access access, vx_mmu_fault *fault);

/* Fails the test where an identity does not hold, or the ledger's walk causes differ from the grid. */
void world_check_identities(mmu_world *world);

#endif
