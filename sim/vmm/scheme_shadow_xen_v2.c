/* Shadow paging as Xen 3.0.3 to 3.2 does it, its second shadow code: every store to a table that is shadowed exits and
 * is emulated, and all shadows of the table follow at once, so that most of them need no fault of their own. A fill
 * maps entries behind its own as well; zero entries stored one after another take a table's shadows away.
 *
 * Source: Xen 3.2.0-rc6 (f4c88d4c31), xen/arch/x86/mm/shadow/; see xen_shadow.h and shadow_xen.c for rules and what is
 * NOT MODELLED. INVLPG is intercepted, as Xen does without HAP (vmx/vmcs.c). */
#include "xen_shadow.h"

static vx_status init(vmm_vm *vm, vx_arena *arena, vx_msg *msg) { return xen_pages_init(vm, arena, false, msg); }

const vmm_scheme vmm_scheme_shadow_xen_v2 = {XEN_OPERATIONS, .init = init};
