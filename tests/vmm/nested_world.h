/* A nested guest without paging, so that its linear addresses are L2's guest-physical ones; and L1's hand on its own
 * tables, for what its scheme would never do. */
#ifndef NESTED_WORLD_H
#define NESTED_WORLD_H

#include "nested_l0.h"
#include "vmm_world.h"

typedef struct nested_options {
    vx_page_size l1_page, l0_page; /* largest pages of EPT12 and EPT01 */
    bool kvm;                      /* L0 is of policy "kvm" */
    bool scattered;                /* L1's placement; L0's always is */
    bool flags;                    /* A and D flags in EPT12 */
    bool execute_only;
} nested_options;

typedef struct nested_world {
    vmm_world world;
    vx_cfg_vmm l0;
    vmm_vm *vm;
} nested_world;

void nested_world_open(nested_world *nested, const nested_options *options);
void nested_world_close(nested_world *nested);

uint64_t nested_value(nested_world *nested, const char *path);
/* Exits to L0 of a kind: "reflected", ... */
uint64_t nested_kind(nested_world *nested, l0_kind kind);

/* L1's word at an address of its memory, read and stored; a store to an entry of EPT12 of this level. */
uint64_t nested_read(const nested_world *nested, uint64_t l1);
void nested_store(nested_world *nested, unsigned level, uint64_t at, uint64_t value);
/* Where EPT12 has the entry of a level for an address of L2's: L1's address, or 0 where no table leads there. */
uint64_t nested_entry_at(const nested_world *nested, uint64_t gpa, unsigned level);
/* The leaf of EPT02 over the address, or 0. */
uint64_t nested_ept02_leaf(const nested_world *nested, uint64_t gpa, vx_page_size *size);

#endif
