/* Shadow paging as Xen does it from 3.3 on, its third shadow code: as shadow-xen-v2, but the first store to a leaf
 * table lets it go out of sync. The guest then stores to it without exits, until the table is brought in step, a batch
 * of stores at a time: when CR3 is loaded, when one table too many is out of sync, or when the page becomes an upper
 * table. INVLPG empties the one entry. Few mappings of such a table may be writable.
 *
 * Source: Xen 3.3.0-rc7 (9dd93b24de), xen/arch/x86/mm/shadow/; see xen_oos.c for the rules of tables out of sync,
 * xen_shadow.h and shadow_xen.c for the others and for what is NOT MODELLED. */
#include "xen_shadow.h"

static vx_status init(vmm_vm *vm, vx_arena *arena, vx_msg *msg) { return xen_pages_init(vm, arena, true, msg); }

const vmm_scheme vmm_scheme_shadow_xen_v3 = {XEN_OPERATIONS, .init = init};
