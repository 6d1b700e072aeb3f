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
    bool amd;
    bool l1_kvm;                                             /* AMD: L1 is of policy "kvm" */
    void (*adjust)(vx_cfg_cpu *cpu, vx_cfg_vmm *hypervisor); /* see vmm_options */
} nested_options;

typedef struct nested_world {
    vmm_world world;
    vx_cfg_vmm l0;
    vmm_vm *vm;
} nested_world;

void nested_world_open(nested_world *nested, const nested_options *options);
void nested_world_close(nested_world *nested);

uint64_t nested_value(nested_world *nested, const char *path);
/* Exits to L0 of a kind: "reflected", ...; of a reason. */
uint64_t nested_kind(nested_world *nested, l0_kind kind);
uint64_t nested_to_l0(nested_world *nested, const char *reason);
void nested_identities_hold(const nested_world *nested);

/* L2 makes an access to each of the first pages of its memory, in order; executes an instruction, whose words are 0. */
void nested_touch(nested_world *nested, unsigned pages, vx_access access);
void nested_do(nested_world *nested, vx_record_kind kind, unsigned size, uint64_t addr);
/* Host memory for L0's tables, or L1's for its own, ends: the run ends with a sentence. */
void nested_runs_out(nested_world *nested, bool of_l0);

/* L1's word at an address of its memory, read and stored; a store to an entry of its nested table of this level. */
uint64_t nested_read(const nested_world *nested, uint64_t l1);
void nested_store(nested_world *nested, unsigned level, uint64_t at, uint64_t value);
/* Where that table has the entry of a level for an address of L2's: L1's address, or 0 where no table leads there. */
uint64_t nested_entry_at(const nested_world *nested, uint64_t gpa, unsigned level);
/* The leaf of EPT02 or NPT02 over the address, or 0. */
uint64_t nested_composed_leaf(const nested_world *nested, uint64_t gpa, vx_page_size *size);

#endif
