/* The invalidation matrix of AMD's processors. VPID columns are ASIDs; the EPT columns are nested page tables.
 *
 * The APM (Vol. 2, 15.15 and 15.16 "TLB Control"; Vol. 3, INVLPGA) was read through the programs that live by it:
 * - Linux arch/x86/include/asm/svm.h: TLB_CONTROL 0 do nothing, 1 flush all ASIDs, 3 flush this ASID, 7 flush this
 *   ASID's non-global entries. arch/x86/kvm/svm/svm.c: svm_flush_tlb_asid() asks for 3 (or takes a new ASID) and is
 *   the only flush that KVM makes after a change of the nested table; pre_svm_run() asks for 1 when it starts over
 *   with the ASIDs; svm_flush_tlb_gva() is invlpga(gva, asid). nested.c remarks that, unlike EPT, ASID management
 *   invalidates guest-physical mappings.
 * - Xen xen/arch/x86/hvm/svm/asid.c: a fresh ASID replaces a flush; "flush ASID" stands in for INVEPT, which AMD lacks.
 * - QEMU target/i386/tcg/sysemu/svm_helper.c flushes on TLB_CONTROL 1 and more coarsely than any of these.
 * Guest operations act on the current ASID; ASID 0 is the host's. A VMRUN with TLB_CONTROL 0 is no operation at all. */
#ifndef INVALIDATION_EXPECTED_AMD_H
#define INVALIDATION_EXPECTED_AMD_H

#include "invalidation_rule.h"

/* clang-format off */
static const invalidation_rule invalidation_expected_amd[] = {
    /* By the guest, in its own ASID. INVLPG takes global pages too, and all upper-level entries unless EFER.TCE is
     * set (Vol. 2, 3.1.7), which this model does not have. */
    {.op = VX_OP_INVLPG, .manual = "APM 2 5.5.3; 15.16: current ASID",
     .vpid = CURRENT, .pcid = CURRENT, .ept = EVERY, .linear = true, .one_address = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_other = MUST_GO},
    {.op = VX_OP_CR3_LOAD, .manual = "APM 2 5.5.3 implicit invalidation; 15.16: current ASID",
     .vpid = CURRENT, .pcid = NAMED, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = STAYS, .psc_used = MUST_GO, .psc_global = MUST_GO},
    {.op = VX_OP_CR4_FLUSH, .manual = "APM 2 5.5.3: CR4.PGE; 15.16: current ASID",
     .vpid = CURRENT, .pcid = EVERY, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_global = MUST_GO},
    /* INVPCID as on Intel's (APM 3, INVPCID: types 0 to 3). */
    {.op = VX_OP_INVPCID_ADDRESS, .manual = "APM 3 INVPCID type 0",
     .vpid = CURRENT, .pcid = NAMED, .ept = EVERY, .linear = true, .one_address = true,
     .translation = MUST_GO, .global = STAYS, .psc_used = MUST_GO, .psc_other = MAY_GO},
    {.op = VX_OP_INVPCID_CONTEXT, .manual = "APM 3 INVPCID type 1",
     .vpid = CURRENT, .pcid = NAMED, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = STAYS, .psc_used = MUST_GO, .psc_global = MUST_GO},
    {.op = VX_OP_INVPCID_ALL_GLOBAL, .manual = "APM 3 INVPCID type 2",
     .vpid = CURRENT, .pcid = EVERY, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_global = MUST_GO},
    {.op = VX_OP_INVPCID_ALL, .manual = "APM 3 INVPCID type 3",
     .vpid = CURRENT, .pcid = EVERY, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = STAYS, .psc_used = MUST_GO, .psc_global = MUST_GO},
    /* Linux's flush_tlb_fix_spurious_fault() is empty on x86: a fault must not recur from a stale entry. */
    {.op = VX_OP_PAGE_FAULT, .manual = "APM 2 5.5.3; Linux flush_tlb_fix_spurious_fault()",
     .vpid = CURRENT, .pcid = CURRENT, .ept = EVERY, .linear = true, .one_address = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_other = STAYS},
    /* A nested page fault likewise: KVM returns to the guest without a flush where it found the fault spurious
     * (RET_PF_SPURIOUS). */
    {.op = VX_OP_EPT_VIOLATION, .manual = "APM 2 15.25.6; Linux RET_PF_SPURIOUS",
     .vpid = CURRENT, .pcid = CURRENT, .ept = CURRENT, .linear = false, .one_address = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_other = STAYS,
     .gp_vpid = CURRENT, .gp_ept = CURRENT, .gp_one_address = true, .gp = MUST_GO},

    /* By the hypervisor. 1: "flush entire TLB", the host's entries too. */
    {.op = VX_OP_FLUSH_ALL_ASIDS, .manual = "APM 2 15.16 TLB_CONTROL 1; Linux TLB_CONTROL_FLUSH_ALL_ASID",
     .vpid = EVERY, .pcid = EVERY, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_global = MUST_GO,
     .gp_vpid = EVERY, .gp_ept = EVERY, .gp = MUST_GO},
    /* 3: all entries of the guest's ASID, nested ones among them, whichever nested table they came from. */
    {.op = VX_OP_FLUSH_ASID, .manual = "APM 2 15.16 TLB_CONTROL 3; Linux TLB_CONTROL_FLUSH_ASID",
     .vpid = NAMED, .pcid = EVERY, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_global = MUST_GO,
     .gp_vpid = NAMED, .gp_ept = EVERY, .gp = MUST_GO},
    /* 7: "this guest's non-global entries"; whether nested entries count as such nothing says. */
    {.op = VX_OP_FLUSH_ASID_KEEP_GLOBAL, .manual = "APM 2 15.16 TLB_CONTROL 7; Linux TLB_CONTROL_FLUSH_ASID_LOCAL",
     .vpid = NAMED, .pcid = EVERY, .ept = EVERY, .linear = true,
     .translation = MUST_GO, .global = STAYS, .psc_used = MUST_GO, .psc_global = MAY_GO,
     .gp_vpid = NAMED, .gp_ept = EVERY, .gp = MAY_GO},
    /* "A given virtual page and a given ASID": no PCID operand, no exception for global pages. Upper levels as for
     * INVLPG: this model may drop those of other addresses too. */
    {.op = VX_OP_INVLPGA, .manual = "APM 3 INVLPGA; Linux svm_flush_tlb_gva()",
     .vpid = NAMED, .pcid = EVERY, .ept = EVERY, .linear = true, .one_address = true,
     .translation = MUST_GO, .global = MUST_GO, .psc_used = MUST_GO, .psc_other = MAY_GO},
};
/* clang-format on */

#endif
