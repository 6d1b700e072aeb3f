/* What the hardware runs with under shadow paging: the shadow's format and the registers that select it. */
#ifndef SHADOW_HARDWARE_H
#define SHADOW_HARDWARE_H

#include "guest_registers.h"
#include "guest_walk.h"

/* 32-bit and PAE guests run on PAE shadows, 64-bit guests on shadows with as many levels as their own tables. A guest
 * with paging off runs on PAE shadows of the identity. */
const vx_radix *shadow_format(const vx_registers *guest);

/* Loads the guest's registers with the shadow's root in place of its own CR3: paging always on, WP always set, no
 * global pages, no PCID (the shadow is the tag). */
void shadow_load_registers(vmm_vm *vm, uint64_t root);

/* The host-physical address of a guest's page. */
static inline uint64_t shadow_host_frame(const vmm_vm *vm, uint64_t gfn)
{
    return vx_gpa_map_hpa(vm->ram, (vx_gpa){gfn << VX_PAGE_SHIFT}).v;
}

/* The exit controls every shadow scheme needs: page faults, CR3, and the CR0 and CR4 bits that translation depends on.
 */
void shadow_controls(vmm_vm *vm);
/* The same, and the guest's own flushes: INVLPG and INVPCID. */
void shadow_controls_and_flushes(vmm_vm *vm);

/* What an exit means to a shadow scheme. */
typedef enum shadow_exit {
    SHADOW_EXIT_OTHER,      /* not memory's */
    SHADOW_EXIT_PAGE_FAULT, /* hidden, guest-visible, or a store to a protected table */
    SHADOW_EXIT_REGISTER,   /* a write of a register that the guest's translation depends on */
    SHADOW_EXIT_INVLPG,
    SHADOW_EXIT_INVPCID
} shadow_exit;
shadow_exit shadow_exit_kind(const vmm_vm *vm, const vx_exit *exit, const vx_record *record);

/* The error code that a page-fault exit reports (SDM Vol. 3A, 4.7), and the access it tells of. */
uint64_t shadow_fault_error(const vmm_vm *vm, const vx_exit *exit);
vx_access shadow_fault_access(const vmm_vm *vm, const vx_exit *exit);

/* The guest's own translation; with its paging off, the identity with all rights. */
guest_walk shadow_guest_walk(const vmm_vm *vm, vx_gva gva, vx_access access);

/* Is the page fault that exited hidden from the guest? Where the guest's own tables explain it, it is on its way to the
 * guest. Otherwise A and D are set in them, as the processor would have, and *walk says what the shadow is to map. */
bool shadow_fault_hidden(vmm_vm *vm, const vx_exit *exit, vx_access access, guest_walk *walk);

/* Bits of a shadow leaf for a walk that is allowed. `writable`: the hypervisor lets stores through. */
uint64_t shadow_leaf_bits(const vmm_vm *vm, const guest_walk *walk, vx_access access, bool writable);

/* Drops cached translations after a shadow entry changed or the root moved: nothing where VPID is off (the entry does
 * it), INVVPID otherwise. */
void shadow_drop_address(vmm_vm *vm, vx_gva gva);
void shadow_drop_all(vmm_vm *vm);

/* Compares every present leaf below `root` with the guest's tables under its present CR3 and with placement, rights no
 * wider. `stale`: NULL, or leaves that differ are legal and counted there. Used by verify. */
vx_status shadow_verify_tree(vmm_vm *vm, const vx_radix *format, uint64_t root, uint64_t *leaves, uint64_t *stale,
                             vx_msg *msg);

#endif
