/* Who may do what: page faults of the first dimension (SDM Vol. 3A, 4.6 and 4.7), EPT violations and misconfigurations
 * (Vol. 3C, 28.2.3; 29.3.3 in later editions), nested page faults (AMD APM Vol. 2, 15.25.6). */
#ifndef VX_RIGHTS_H
#define VX_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_mmu.h"
#include "vx_radix.h"

/* Uses of a guest-physical address, in the bit order of EPT's rights and of the qualification's bits 2:0. */
enum { VX_USE_READ = 1, VX_USE_WRITE = 2, VX_USE_FETCH = 4 };

uint64_t vx_use_of(vx_access access);

/* The masks of vx_mmu_front: an access is allowed where ((value ^ want) & need) == 0. */
void vx_rights_masks(const vx_mmu_control *control, uint64_t want[VX_ACCESSES], uint64_t need[VX_ACCESSES]);

/* Page-fault error codes. */
enum { VX_PF_P = 1, VX_PF_W = 2, VX_PF_U = 4, VX_PF_RSVD = 8, VX_PF_I = 16 };
uint32_t vx_page_fault_code(const vx_mmu_control *control, vx_access access, uint32_t cause);

/* Reserved bits of the tables, by format, level and kind of entry; they depend on the CPU and on the control state. */
typedef struct vx_reserved_bits {
    uint64_t table[VX_RADIX_LEVELS_MAX + 1]; /* of an entry that names a table */
    uint64_t leaf[VX_RADIX_LEVELS_MAX + 1];  /* of an entry that maps a page */
} vx_reserved_bits;

void vx_reserved_guest(const vx_cfg_paging *cpu, const vx_mmu_control *control, vx_reserved_bits *reserved);
void vx_reserved_ept(const vx_cfg_cpu *cpu, vx_reserved_bits *reserved);
void vx_reserved_npt(const vx_cfg_cpu *cpu, vx_reserved_bits *reserved);

/* Whether a present EPT entry is misconfigured; `reserved` is the mask for its level and kind. */
bool vx_ept_misconfigured(uint64_t entry, bool leaf, uint64_t reserved, bool execute_only);

/* Exit qualification of an EPT violation: what was wanted (VX_USE bits), what the entries used allow together (0 where
 * one is absent), and whether the access was to the translation of a linear address or to a table entry. */
uint64_t vx_ept_qualification(uint64_t use, uint64_t allowed, bool linear, bool table);

/* EXITINFO1 of a nested page fault. */
uint64_t vx_npt_information(uint64_t use, bool present, bool reserved, bool table);

#endif
