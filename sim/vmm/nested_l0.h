/* The hypervisor below a nested one: L0 runs on the processor, L1 in a VM of L0's, L2 in a VM of L1's.
 *
 * Three tables. EPT12 is L1's: bytes in L1's memory, from L2's guest-physical addresses to L1's. EPT01 is L0's, from
 * L1's guest-physical addresses to host memory. EPT02 is L0's too, what both make together, and what the processor
 * walks while L2 runs. */
#ifndef NESTED_L0_H
#define NESTED_L0_H

#include "vmm_private.h"

/* ---- nested_l0.c: exits ---- */

/* `next`: the first free host address, moved behind what L0 needs. VX_ERR_INPUT where L0, L1 and processor do not go
 * together. Does nothing with no `config`. */
vx_status nested_l0_init(vx_vmm *vmm, const vx_cfg_vmm *config, vx_scheme scheme, uint64_t *next, vx_msg *msg);
bool nested_l0_shadows(const vx_vmm *vmm); /* VMREAD and VMWRITE of L1 do not exit */

/* An exit of L2 has come. True: L0 has dealt with it, and L2 goes on. False: L1 gets it, as *seen says. */
bool nested_l0_takes(vmm_vm *vm, const vx_exit *exit, vx_exit *seen);
/* The exits to L0 of L1's handler of this cost, and of its VMRESUME. */
void nested_l0_reflect(vmm_vm *vm, const handler_cost *l1);
/* L1 has handled what it saw; the exit came at `since`, with its own hardware charged. */
void nested_l0_handled(vmm_vm *vm, const vx_exit *seen, vx_tick since);
/* L1 executes INVEPT for the EPT pointer of this guest. */
void nested_l0_invept(vmm_vm *vm);
/* An exit of L1's, which L0 deals with. Charged to the exit being handled. */
void nested_l0_exit_of_l1(vmm_vm *vm, uint32_t reason, uint64_t count, l0_kind kind);

void nested_l0_reset(vx_vmm *vmm);
void nested_l0_declare(vx_vmm *vmm, vx_stats *stats);
unsigned nested_l0_identities(const vx_vmm *vmm, vx_identity *identities, unsigned room);

/* Does L0 protect the tables of L1 that it has composed into EPT02, as KVM does? Else changes wait for INVEPT. */
static inline bool nested_l0_protects(const vx_vmm *vmm) { return vmm->l0.config->exits == VX_EXITS_KVM; }

/* ---- nested_ept12.c: reading L1's table ---- */

typedef enum ept12_end { EPT12_MAPPED, EPT12_ABSENT, EPT12_MISCONFIGURED } ept12_end;

typedef struct ept12_walk {
    ept12_end end;
    uint8_t level;                     /* of the entry it ended at */
    bool keeps_flags, accessed, dirty; /* A of all entries and D of the leaf; both true where L1 keeps none */
    uint64_t rights;                   /* VX_EPT_R, W and X of all entries together; 0 where one is absent */
    uint64_t frame;                    /* MAPPED: L1's guest-physical address of the page */
    vx_page_size size;
    uint64_t at[VX_RADIX_LEVELS_MAX + 1], entry[VX_RADIX_LEVELS_MAX + 1]; /* from `level` up: address (L1's), value */
} ept12_walk;

ept12_walk nested_ept12_walk(const vmm_vm *vm, uint64_t gpa);
/* What the processor would have set in EPT12, had it walked it: A, and D for a write. *walk follows. */
void nested_ept12_set_flags(vmm_vm *vm, ept12_walk *walk, bool write);

/* ---- nested_ept01.c: L1's memory ---- */

typedef struct ept01_leaf {
    uint64_t hpa; /* of the very address */
    uint64_t rights;
    vx_page_size size;
} ept01_leaf;

vx_status nested_ept01_init(vx_vmm *vmm, uint64_t *next, vx_msg *msg);
bool nested_ept01_find(const vx_vmm *vmm, uint64_t l1, ept01_leaf *leaf);
/* Makes EPT01 map an address of L1's with these rights (VX_EPT_R, W, X). True: it did not yet. */
bool nested_ept01_ensure(vx_vmm *vmm, uint64_t l1, uint64_t rights);
/* From now on L0 has composed this table of L1's, of `level` and for L2's addresses from `prefix` on. */
void nested_ept01_protect(vx_vmm *vmm, uint64_t table, unsigned level, uint64_t prefix);
/* A table out of sync has been brought in step. */
void nested_ept01_protect_again(vx_vmm *vmm, uint64_t table);

/* L1 writes to memory of its own; to an entry of one of its EPT tables. Exits to L0 as it must. */
void nested_l1_touch(vmm_vm *vm, uint64_t l1, uint64_t bytes);
void nested_l1_wrote(vmm_vm *vm, unsigned level, uint64_t at);

/* ---- nested_ept02.c: the composition ---- */

/* VX_ERR_NOMEM. `root12`: L1's top table. */
vx_status nested_ept02_init(vmm_vm *vm, uint64_t root12, vx_msg *msg);
/* L1 enters L2 with this EPT pointer; returns the one that the processor gets. */
uint64_t nested_ept02_enter(vmm_vm *vm, uint64_t eptp12);
/* A violation of EPT02. True: mended. False: it is L1's, as *seen says. */
bool nested_ept02_violation(vmm_vm *vm, const vx_exit *exit, vx_exit *seen);
/* L1's INVEPT. */
void nested_ept02_invept(vmm_vm *vm);
/* Takes away what EPT02 maps through the entry of `level` for the address. */
void nested_ept02_drop(vmm_vm *vm, uint64_t gpa, unsigned level);

/* ---- nested_verify.c ---- */

/* EPT01 agrees with the placement of L1's memory, and EPT02 with EPT12 and EPT01, leaf by leaf: adds how many there
 * are. VX_ERR_CHECK. */
vx_status nested_verify(const vmm_vm *vm, uint64_t *leaves, vx_msg *msg);

#endif
