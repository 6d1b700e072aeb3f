/* The invalidation matrix of Intel's processors, written from the Software Developer's Manual.
 *
 * Sections are those of the 2016-2019 numbering: Vol. 3A 4.10.4.1 "Operations that Invalidate TLBs and
 * Paging-Structure Caches", Vol. 3C 28.3.3.1 "Operations that Invalidate Cached Mappings" and 28.3.3.2 "... that Need
 * Not ..." (29.4.3.1 and 29.4.3.2 in order number 326019-082). Three rules of theirs hold for every row:
 * - the operations of 4.10.4.1 reach linear and combined mappings of the current VPID, combined ones under every EPTP,
 *   whether or not EPT is in use, and need not reach guest-physical mappings (28.3.3.1 first item and its footnotes);
 * - a global translation matches every PCID, but only its own VPID and EPTP (28.3.2), so a rule that reaches globals
 *   ignores the PCID;
 * - paging-structure entries are never global (4.10.3.1): what spares global translations does not spare them. */
#ifndef INVALIDATION_EXPECTED_H
#define INVALIDATION_EXPECTED_H

#include "invalidation_rule.h"

/* clang-format off */
static const invalidation_rule invalidation_expected[] = {
    /* "TLB entries that are for a page number corresponding to the linear address and that are associated with the
     * current PCID", "any global TLB entries with that page number, regardless of PCID", "all entries in all
     * paging-structure caches associated with the current PCID, regardless of the linear addresses". */
    {.op = VX_OP_INVLPG, .manual = "3A 4.10.4.1 INVLPG; 3C 28.3.3.1 item 1",
     .vpid = CURRENT, .pcid = CURRENT, .ept = EVERY, .linear = true, .one_address = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_other = MUST_GO},

    /* Type 0: mappings of the named PCID that would translate the address, "except global translations". Whether
     * paging-structure entries of other addresses go as with INVLPG is left open. */
    {.op = VX_OP_INVPCID_ADDRESS, .manual = "3A 4.10.4.1 INVPCID individual-address; 3C 28.3.3.1 item 1",
     .vpid = CURRENT, .pcid = NAMED, .ept = EVERY, .linear = true, .one_address = true,
     .translation = MUST_GO, .global = STAYS, .psc_used = MUST_GO, .psc_other = MAY_GO},

    /* Type 1: all mappings of the named PCID "except global translations". */
    {.op = VX_OP_INVPCID_CONTEXT, .manual = "3A 4.10.4.1 INVPCID single-context; 3C 28.3.3.1 item 1",
     .vpid = CURRENT, .pcid = NAMED, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = STAYS, .psc_used = MUST_GO, .psc_global = MUST_GO},

    /* Type 2: all mappings, any PCID, global translations too. */
    {.op = VX_OP_INVPCID_ALL_GLOBAL, .manual = "3A 4.10.4.1 INVPCID all-context with globals; 3C 28.3.3.1 item 1",
     .vpid = CURRENT, .pcid = EVERY, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_global = MUST_GO},

    /* Type 3: all mappings, any PCID, "except global translations". */
    {.op = VX_OP_INVPCID_ALL, .manual = "3A 4.10.4.1 INVPCID all-context; 3C 28.3.3.1 item 1",
     .vpid = CURRENT, .pcid = EVERY, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = STAYS, .psc_used = MUST_GO, .psc_global = MUST_GO},

    /* Bit 63 clear: TLB entries of the new PCID "except those for global pages" and all paging-structure entries of
     * that PCID. With CR4.PCIDE = 0 the PCID is 000H. */
    {.op = VX_OP_CR3_LOAD, .manual = "3A 4.10.4.1 MOV to CR3; 3C 28.3.3.1 item 1",
     .vpid = CURRENT, .pcid = NAMED, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = STAYS, .psc_used = MUST_GO, .psc_global = MUST_GO},

    /* CR4.PGE changed or PCIDE cleared, CR0.PG cleared: everything, all PCIDs. The contract folds SMEP's smaller
     * invalidation (current PCID) into it. */
    {.op = VX_OP_CR4_FLUSH, .manual = "3A 4.10.4.1 MOV to CR4, MOV to CR0; 3C 28.3.3.1 item 1",
     .vpid = CURRENT, .pcid = EVERY, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_global = MUST_GO},

    /* A page fault drops the TLB entries of its page number and the paging-structure entries "that would be used for
     * that linear address" of the current PCID, so that it does not recur: hence a global entry as well. */
    {.op = VX_OP_PAGE_FAULT, .manual = "3A 4.10.4.1 page faults; 3C 28.3.3.1 item 1",
     .vpid = CURRENT, .pcid = CURRENT, .ept = EVERY, .linear = true, .one_address = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_other = STAYS},

    /* Types 0 to 3. "For all PCIDs and, for combined mappings, all EPTPs." Type 0 spares nothing that would translate
     * the address, a global translation no more than another. */
    {.op = VX_OP_INVVPID_ADDRESS, .manual = "3C 28.3.3.1 INVVPID individual-address",
     .vpid = NAMED, .pcid = EVERY, .ept = EVERY, .linear = true, .one_address = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_other = STAYS},
    {.op = VX_OP_INVVPID_CONTEXT, .manual = "3C 28.3.3.1 INVVPID single-context",
     .vpid = NAMED, .pcid = EVERY, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_global = MUST_GO},
    {.op = VX_OP_INVVPID_ALL, .manual = "3C 28.3.3.1 INVVPID all-context: all VPIDs but 0000H",
     .vpid = NONZERO, .pcid = EVERY, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_global = MUST_GO},
    /* "Not required to invalidate information that was used for global translations": paging-structure entries that
     * served one may stay with it. */
    {.op = VX_OP_INVVPID_KEEP_GLOBAL, .manual = "3C 28.3.3.1 INVVPID single-context-retaining-globals",
     .vpid = NAMED, .pcid = EVERY, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = STAYS, .psc_used = MUST_GO, .psc_global = MAY_GO},

    /* INVEPT: combined mappings of the EPTP for all VPIDs and PCIDs, and guest-physical ones; "not required to
     * invalidate any linear mappings" (28.3.3.2). */
    {.op = VX_OP_INVEPT_CONTEXT, .manual = "3C 28.3.3.1 INVEPT single-context; 28.3.3.2",
     .vpid = EVERY, .pcid = EVERY, .ept = NAMED, .linear = false,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_global = MUST_GO,
     .gp_vpid = EVERY, .gp_ept = NAMED, .gp = MUST_GO},
    {.op = VX_OP_INVEPT_ALL, .manual = "3C 28.3.3.1 INVEPT all-context; 28.3.3.2",
     .vpid = EVERY, .pcid = EVERY, .ept = EVERY, .linear = false,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_global = MUST_GO,
     .gp_vpid = EVERY, .gp_ept = EVERY, .gp = MUST_GO},

    /* "Enable VPID" = 0: linear and combined mappings of VPID 0000H, all PCIDs, all EPTPs; "not required to invalidate
     * any guest-physical mappings" (28.3.3.2). */
    {.op = VX_OP_VM_TRANSITION, .manual = "3C 28.3.3.1 VM entries and VM exits; 28.3.3.2",
     .vpid = ZERO, .pcid = EVERY, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_global = MUST_GO},

    /* VMFUNC 0 without VPIDs: combined mappings of VPID 0000H, all PCIDs, all EPTPs (25.5.6.3). */
    {.op = VX_OP_EPTP_SWITCH, .manual = "3C 25.5.6.3",
     .vpid = ZERO, .pcid = EVERY, .ept = EVERY, .linear = false,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_global = MUST_GO},

    /* Guest-physical mappings of the current EPTP that would translate the guest-physical address; combined mappings
     * of the linear address under the current PCID, VPID and EPTP. It "will not recur" (28.3.3.4): so a global
     * translation, which would be used, goes too. */
    {.op = VX_OP_EPT_VIOLATION, .manual = "3C 28.3.3.1 EPT violation; 28.3.3.4",
     .vpid = CURRENT, .pcid = CURRENT, .ept = CURRENT, .linear = false, .one_address = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_other = STAYS,
     .gp_vpid = EVERY, .gp_ept = CURRENT, .gp_one_address = true, .gp = MUST_GO},
};
/* clang-format on */

#endif
