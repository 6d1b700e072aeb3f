/* A guest for tests of Xen's shadows: its tables, and a window through which it stores to them. */
#ifndef XEN_GUEST_H
#define XEN_GUEST_H

#include "test_support.h"
#include "vmm_world.h"

enum { GVA = 0x400000, WINDOW = 0x800000 };

#define XEN_USED_PAGE (VMM_USER_PAGE | VX_PTE_A | VX_PTE_D)

/* Booted, with `pages` used pages from GVA on, and with counters at zero. */
void xen_open(vmm_world *world, vx_scheme scheme, vx_paging_mode mode, const vx_cfg_xen_shadow *config, unsigned pages);
/* Maps the table that `at` (an entry's address) lies in at window number `n`; returns the entry's linear address. */
uint64_t xen_window(vmm_world *world, unsigned n, uint64_t at);
/* Where the entry of level 1 of page `i` of the guest's lies. */
uint64_t xen_leaf(const vmm_world *world, unsigned i);

#endif
