/* Which page size a first touch gets.
 *
 * A user-level trace shows no mappings (no VMAs), so the rule is stated on what the OS can see: the largest size up to
 * the configured one whose aligned region has no smaller page's table yet, and for which RAM has a free aligned block
 * besides the frames its tables need; 4K otherwise. That is a transparent huge page at the first touch of a region, and
 * its fallback where memory is fragmented. With 1g: 1G, then 2M, then 4K. */
#ifndef VX_PAGING_POLICY_H
#define VX_PAGING_POLICY_H

#include <stdint.h>

#include "guest_tables.h"
#include "vx_addr.h"
#include "vx_status.h"

/* VX_ERR_INPUT where tables of so many levels have no such page. */
vx_status vx_paging_policy_check(vx_page_size size, unsigned levels, vx_msg *msg);

/* Takes a block for the absent page at which a lookup ended: its address, and its size. The pool must hold the frames
 * of a 4K mapping: one, and as many as there are levels below spot->level. */
uint64_t vx_paging_policy_take(vx_guest_tables *tables, vx_page_size largest, const vx_radix_spot *spot,
                               vx_page_size *size);

#endif
