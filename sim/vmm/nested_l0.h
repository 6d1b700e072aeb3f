/* The hypervisor below a nested one: L0 runs on the processor, L1 in a VM of L0's, L2 in a VM of L1's.
 *
 * Three tables. Table 12 is L1's: bytes in L1's memory, from L2's guest-physical addresses to L1's. Table 01 is L0's,
 * from L1's guest-physical addresses to host memory. Table 02 is L0's too, what both make together, and what the
 * processor walks while L2 runs. On Intel they are EPT12, EPT01 and EPT02, on AMD NPT12, NPT01 and NPT02. */
#ifndef NESTED_L0_H
#define NESTED_L0_H

#include "vmm_private.h"

/* ---- nested_l0.c: exits ---- */

/* `next`: the first free host address, moved behind what L0 needs. From then on vmm->cpu is what L1 is offered.
 * VX_ERR_INPUT where L0, L1 and processor do not go together. Does nothing with no `config`. */
vx_status nested_l0_init(vx_vmm *vmm, const vx_cfg_vmm *config, vx_scheme scheme, uint64_t *next, vx_arena *arena,
                         vx_msg *msg);
bool nested_l0_charges_accesses(const vx_vmm *vmm); /* L1 reads and writes VMCS or VMCB without exits */

/* An exit of L2 has come. True: L0 has dealt with it, and L2 goes on. False: L1 gets it, as *seen says. */
bool nested_l0_takes(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload, vx_exit *seen);
/* The exits to L0 of L1's handler of this cost, and of its entry into L2. */
void nested_l0_reflect(vmm_vm *vm, const handler_cost *l1);
/* L1 has handled what it saw, and L2 is entered; the exit came at `since`, with its own hardware charged. */
void nested_l0_handled(vmm_vm *vm, const vx_exit *seen, vx_tick since);
/* L1 wants what this guest's processor holds of its nested table forgotten: INVEPT; AMD: VMRUN with another ASID. */
void nested_l0_flush(vmm_vm *vm);
/* An exit of L1's, which L0 deals with. Charged to the exit being handled. */
void nested_l0_exit_of_l1(vmm_vm *vm, uint32_t reason, uint64_t count, l0_kind kind);

void nested_l0_reset(vx_vmm *vmm);
void nested_l0_declare(vx_vmm *vmm, vx_stats *stats);
unsigned nested_l0_identities(const vx_vmm *vmm, vx_identity *identities, unsigned room);

/* Does L0 protect the tables of L1 that it has composed, as KVM does? Else changes wait until L1 asks for a flush. */
static inline bool nested_l0_protects(const vx_vmm *vmm) { return vmm->l0.config->exits == VX_EXITS_KVM; }

/* The exit that an access makes which a nested table does not let through. */
static inline uint32_t nested_l0_violation(const vx_vmm *vmm)
{
    return vmm->cpu->vendor == VX_VENDOR_AMD ? 0x400 : VX_EXIT_EPT_VIOLATION;
}

/* ---- nested_svm.c: AMD's VMCBs ---- */

/* Where the processor is AMD's: makes what L1 is offered. VX_ERR_NOMEM. */
vx_status nested_svm_init(vx_vmm *vmm, vx_arena *arena, vx_msg *msg);
/* VMCB12 is complete: makes VMCB01, and VMCB02 for the first time. VX_ERR_INPUT where VMRUN would fail with it. */
vx_status nested_svm_begin(vmm_vm *vm, vx_msg *msg);
/* VMCB12 has changed without an exit of L2 (its registers were loaded, it was woken, its turn has come). */
void nested_svm_follow(vmm_vm *vm);
/* An exit of L2, but no npf: is it L1's? *seen is what L1 sees. */
bool nested_svm_is_l1s(const vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                       vx_exit *seen);
/* L0 has the processor since this exit of L2. */
void nested_svm_exited(vmm_vm *vm, const vx_exit *exit, l0_kind kind);
/* The exits to L0 of L1's way into L2. */
void nested_svm_reflect(vmm_vm *vm);
/* What L0 does at L1's VMRUN, after the handler of what L1 has seen. */
void nested_svm_vmrun(vmm_vm *vm, const vx_exit *seen);
/* L1 gives this guest another ASID. */
void nested_svm_new_asid(vmm_vm *vm);

/* ---- nested_entry.c: entries of all three tables ---- */

typedef struct nested_entries {
    const char *name;       /* "EPT", "NPT" */
    const vx_radix *format; /* four levels */
    uint64_t leaf;          /* bits that a leaf has besides its rights */
    uint64_t accessed, dirty;
} nested_entries;

extern const nested_entries nested_entries_ept, nested_entries_npt;

/* What an entry allows: VX_EPT_R, W and X; 0: nothing, or it is absent. */
uint64_t nested_entry_rights(const nested_entries *entries, uint64_t entry);
/* The bits of an entry that allows this, and an entry with its rights replaced; of no rights: absent. */
uint64_t nested_entry_of_rights(const nested_entries *entries, uint64_t rights);
uint64_t nested_entry_with(const nested_entries *entries, uint64_t entry, uint64_t rights);
/* A present entry that the processor would not use (EPT: misconfigured; NPT: a reserved bit). */
bool nested_entry_malformed(const vx_vmm *vmm, uint64_t entry, unsigned level);

/* ---- nested_table12.c: reading L1's table ---- */

typedef enum table12_end { TABLE12_MAPPED, TABLE12_ABSENT, TABLE12_MISCONFIGURED } table12_end;

typedef struct table12_walk {
    table12_end end;
    uint8_t level;                     /* of the entry it ended at */
    bool keeps_flags, accessed, dirty; /* A of all entries and D of the leaf; both true where L1 keeps none */
    uint64_t rights;                   /* of all entries together; 0 where one is absent */
    uint64_t frame;                    /* MAPPED: L1's guest-physical address of the page */
    vx_page_size size;
    uint64_t at[VX_RADIX_LEVELS_MAX + 1], entry[VX_RADIX_LEVELS_MAX + 1]; /* from `level` up: address (L1's), value */
} table12_walk;

table12_walk nested_table12_walk(const vmm_vm *vm, uint64_t gpa);
/* What the processor would have set in table 12, had it walked it: A, and D for a write. *walk follows. */
void nested_table12_set_flags(vmm_vm *vm, table12_walk *walk, bool write);

/* ---- nested_table01.c: L1's memory ---- */

typedef struct table01_leaf {
    uint64_t hpa; /* of the very address */
    uint64_t rights;
    vx_page_size size;
} table01_leaf;

vx_status nested_table01_init(vx_vmm *vmm, uint64_t *next, vx_msg *msg);
bool nested_table01_find(const vx_vmm *vmm, uint64_t l1, table01_leaf *leaf);
/* Makes table 01 map an address of L1's with these rights (VX_EPT_R, W, X). True: it did not yet. */
bool nested_table01_ensure(vx_vmm *vmm, uint64_t l1, uint64_t rights);
/* From now on L0 has composed this table of L1's, of `level` and for L2's addresses from `prefix` on. */
void nested_table01_protect(vx_vmm *vmm, uint64_t table, unsigned level, uint64_t prefix);
/* A table out of sync has been brought in step. */
void nested_table01_protect_again(vx_vmm *vmm, uint64_t table);
/* The first of L2's addresses that a composed table of L1's is for. */
uint64_t nested_table01_prefix(const vx_vmm *vmm, uint64_t table);

/* L1 writes to memory of its own; to an entry of one of its nested tables. Exits to L0 as it must. */
void nested_l1_touch(vmm_vm *vm, uint64_t l1, uint64_t bytes);
void nested_l1_wrote(vmm_vm *vm, unsigned level, uint64_t at);

/* ---- nested_table02.c: the composition ---- */

/* VX_ERR_NOMEM. `root12`: L1's top table. */
vx_status nested_table02_init(vmm_vm *vm, uint64_t root12, vx_msg *msg);
/* L1 enters L2 with this pointer to its table (EPTP or nCR3); returns the one that the processor gets. */
uint64_t nested_table02_enter(vmm_vm *vm, uint64_t pointer12);
/* An access of L2's that table 02 does not let through. True: mended. False: it is L1's, as *seen says. */
bool nested_table02_violation(vmm_vm *vm, const vx_exit *exit, vx_exit *seen);
/* L1 has asked for a flush: changes in table 12 take effect. */
void nested_table02_flush(vmm_vm *vm);
/* L1's leaf tables that are out of sync come in step; translations are the caller's to drop. */
void nested_table02_sync(vmm_vm *vm);
/* Takes away what table 02 maps through the entry of `level` for the address. */
void nested_table02_drop(vmm_vm *vm, uint64_t gpa, unsigned level);

/* ---- nested_verify.c ---- */

/* Table 01 agrees with the placement of L1's memory, and table 02 with 12 and 01, leaf by leaf: adds how many there
 * are. VX_ERR_CHECK. */
vx_status nested_verify(const vmm_vm *vm, uint64_t *leaves, vx_msg *msg);

#endif
