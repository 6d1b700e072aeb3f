/* Who may do what: page faults of the first dimension (SDM Vol. 3A, 4.6 and 4.7), EPT violations and misconfigurations
 * (Vol. 3C, 28.2.3; 29.3.3 in later editions), nested page faults (AMD APM Vol. 2, 15.25.6). */
#ifndef VX_RIGHTS_H
#define VX_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_exception.h"
#include "vx_mmu.h"
#include "vx_radix.h"

/* Uses of a guest-physical address: the lowest three in the bit order of EPT's rights and of the qualification's 2:0.
 */
enum {
    VX_USE_READ = 1,
    VX_USE_WRITE = 2,
    VX_USE_FETCH = 4,         /* from a supervisor-mode linear address, or without mode-based execute control */
    VX_USE_FETCH_USER = 8,    /* from a user-mode linear address */
    VX_USE_PAGING_WRITE = 16, /* the processor's own write to a guest table */
    VX_USE_SHADOW_STACK = 32, /* a supervisor shadow-stack access, beside READ or WRITE */
};

/* Bits of EPT leaves beyond VX_EPT_... (SDM Vol. 3C, tables 28-3, 28-5, 28-7). */
#define VX_EPT_USER_X (1ULL << 10)
#define VX_EPT_VERIFY_PAGING (1ULL << 57)
#define VX_EPT_PAGING_WRITE (1ULL << 58)
#define VX_EPT_SHADOW_STACK (1ULL << 60)
#define VX_EPT_SUB_PAGE (1ULL << 61)
#define VX_EPT_SUPPRESS_VE (1ULL << 63)

uint64_t vx_use_of(vx_access access);

/* The masks of vx_mmu_front: an access is allowed where ((value ^ want) & need) == 0. */
void vx_rights_masks(const vx_mmu_control *control, uint64_t want[VX_ACCESSES], uint64_t need[VX_ACCESSES]);

/* Page-fault error codes. */
uint32_t vx_page_fault_code(const vx_mmu_control *control, vx_access access, uint32_t cause);

/* Reserved bits of the tables, by format, level and kind of entry; they depend on the CPU and on the control state. */
typedef struct vx_reserved_bits {
    uint64_t table[VX_RADIX_LEVELS_MAX + 1]; /* of an entry that names a table */
    uint64_t leaf[VX_RADIX_LEVELS_MAX + 1];  /* of an entry that maps a page */
    /* EPT: what may not be set without the right to read (28.2.3.1). */
    uint64_t table_needs_read, leaf_needs_read;
} vx_reserved_bits;

void vx_reserved_guest(const vx_cfg_paging *cpu, const vx_mmu_control *control, vx_reserved_bits *reserved);
void vx_reserved_ept(const vx_cfg_cpu *cpu, const vx_mmu_control *control, vx_reserved_bits *reserved);
void vx_reserved_npt(const vx_cfg_cpu *cpu, vx_reserved_bits *reserved);

/* Whether a present EPT entry is misconfigured, by its level. */
bool vx_ept_misconfigured(uint64_t entry, bool leaf, unsigned level, const vx_reserved_bits *reserved);

/* What an EPT violation reports. */
typedef struct vx_violation {
    uint64_t use;     /* wanted: VX_USE bits */
    uint64_t allowed; /* by the entries used, together; 0 where one is absent */
    uint64_t leaf;    /* the entry that maps the page; 0 where there is none */
    bool linear;      /* of an access with a linear address ... */
    bool table;       /* ... to a guest table entry, not to its translation */
    uint64_t rights;  /* what the first dimension gives the linear address: VX_TLB_W, U, NX */
    bool shadow_stack, verification;
} vx_violation;

/* Its exit qualification (SDM Vol. 3C, table 27-7) but for bits 12 and 16, which the vCPU knows. */
uint64_t vx_ept_qualification(const vx_mmu_control *control, const vx_violation *violation);

/* EXITINFO1 of a nested page fault. */
uint64_t vx_npt_information(uint64_t use, bool present, bool reserved, bool table);

#endif
