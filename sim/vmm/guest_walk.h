/* The hypervisor's own walk of a guest's tables, in software: what a shadow handler does first with every fault, to
 * tell hidden faults from guest-visible ones. */
#ifndef GUEST_WALK_H
#define GUEST_WALK_H

#include "vmm_private.h"

typedef struct guest_step {
    vx_gpa at;      /* guest-physical address of the entry */
    uint64_t entry; /* as read */
} guest_step;

typedef struct guest_walk {
    bool present;                             /* a leaf was reached */
    bool allowed;                             /* and the access has the right to it */
    uint32_t error_code;                      /* of the page fault the guest must see, where not allowed */
    uint8_t top, leaf;                        /* levels of the first entry read and of the last */
    guest_step step[VX_RADIX_LEVELS_MAX + 1]; /* by level */
    vx_page_size page;
    uint64_t frame;                         /* guest-physical address of the page's first byte */
    bool writable, user, no_execute;        /* rights of the whole path */
    bool dirty;                             /* the leaf's D flag */
    uint8_t above[VX_RADIX_LEVELS_MAX + 1]; /* rights of the entries above each level's, as GUEST_RIGHTS bits */
} guest_walk;

/* Where an address of the page that the walk found lies. */
static inline uint64_t guest_walk_gpa(const guest_walk *walk, vx_gva gva)
{
    return walk->frame + (gva.v & (vx_page_bytes(walk->page) - 1));
}

enum { GUEST_RIGHT_WRITE = 1, GUEST_RIGHT_USER = 2, GUEST_RIGHT_EXECUTE = 4, GUEST_RIGHTS = 7 };

/* The format of the guest's tables, NULL where its paging is off. */
const vx_radix *guest_format(const vx_registers *guest);

/* Latches the PDPTEs that a PAE guest's CR3 names, as its CR3 load does (SDM Vol. 3A, 4.4.1). */
void guest_latch_pdptes(vmm_vm *vm);

/* Loads the four that a PDPTE_LOAD record holds. False: the same are latched. */
bool guest_load_pdptes(vmm_vm *vm, const uint64_t *pdpte);

/* Walks for an access at the vCPU's privilege level. Changes nothing. */
guest_walk guest_walk_for(const vmm_vm *vm, vx_gva gva, vx_access access);

/* Has a present entry of a table of `level` reserved bits set? `leaf`: it maps a page. */
bool guest_entry_malformed(const vmm_vm *vm, unsigned level, bool leaf, uint64_t entry);

/* Sets A on every entry of the path, and D on the leaf for a store, as the processor would have; keeps *walk current.
 */
void guest_walk_set_accessed(vmm_vm *vm, guest_walk *walk, vx_access access);

#endif
