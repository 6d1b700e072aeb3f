/* SDM Vol. 3C 26.3.1: guest registers and non-register state. Segments are in vmx_vectors_segments.c. */
#include "vmx_vectors.h"

#define CET ENTRY(B(20))
#define LINEAR(name, encoding, ...)                                                                                    \
    {                                                                                                                  \
        name, S(encoding, NOT_CANONICAL), S(encoding, CANONICAL), { __VA_ARGS__ }                                      \
    }
#define INJECT(type, vector) S(ENTRY_INTERRUPTION_INFO, B(31) | (type) << 8 | (vector))
#define WITH_CODE(type, vector) S(ENTRY_INTERRUPTION_INFO, B(31) | B(11) | (type) << 8 | (vector))
#define IF_SET O(GUEST_RFLAGS, B(9))
/* Protected mode with PAE paging; with the four entries in the VMCS. */
#define PAE C(ENTRY_CONTROLS, B(9)), C(GUEST_CS_RIGHTS, B(13)), C(GUEST_EFER, B(8) | B(10))
#define UNRESTRICTED CPU2(B(1) | B(7))
#define SHADOWING CPU2(B(14))
/* What lies in the test's memory (see test_vmx_checks.c). */
#define ORDINARY_VMCS 0x4000
#define SHADOW_VMCS 0x5000
#define OTHER_REVISION 0x6000

const vmx_vector vmx_guest_vectors[] = {
    {"guest-cr0", C(GUEST_CR0, B(5)), O(GUEST_CR0, B(16)), {{0}}},
    {"guest-cr0", O(GUEST_CR0, B(32)), O(GUEST_CR0, B(29) | B(30)), {{0}}},
    {"guest-cr0", C(GUEST_CR0, B(31)), O(GUEST_CR0, 0), {PAE}},
    {"guest-cr0-pg", C(GUEST_CR0, B(0)), C(GUEST_CR0, B(31)), {PAE, UNRESTRICTED}},
    {"guest-cr4", C(GUEST_CR4, B(13)), O(GUEST_CR4, B(7)), {{0}}},
    {"guest-cr4", O(GUEST_CR4, B(26)), O(GUEST_CR4, B(25)), {{0}}},
    {"guest-cet-wp", O(GUEST_CR4, B(23)), O(GUEST_CR0, B(16)), {{0}}},
    {"guest-debugctl", S(GUEST_DEBUGCTL, B(3)), S(GUEST_DEBUGCTL, 3), {ENTRY(B(2))}},
    {"guest-debugctl", S(GUEST_DEBUGCTL, B(16)), S(GUEST_DEBUGCTL, B(15)), {ENTRY(B(2))}},
    {"guest-ia32e-pg", C(GUEST_CR0, B(31)), O(GUEST_CR0, 0), {UNRESTRICTED}},
    {"guest-ia32e-pae", C(GUEST_CR4, B(5)), O(GUEST_CR4, 0), {{0}}},
    {"guest-pcide", O(GUEST_CR4, B(17)), O(GUEST_CR4, 0), {PAE}},
    {"guest-cr3", S(GUEST_CR3, BEYOND), S(GUEST_CR3, LAST_PAGE), {{0}}},
    {"guest-cr3", S(GUEST_CR3, B(63)), S(GUEST_CR3, 0), {{0}}},
    {"guest-dr7", S(GUEST_DR7, B(32)), S(GUEST_DR7, UINT32_MAX), {ENTRY(B(2))}},
    LINEAR("guest-sysenter-esp", GUEST_SYSENTER_ESP, {0}),
    LINEAR("guest-sysenter-eip", GUEST_SYSENTER_EIP, {0}),
    LINEAR("guest-s-cet-canonical", GUEST_S_CET, CET),
    LINEAR("guest-ssp-table", GUEST_SSP_TABLE, CET),
    {"guest-perf-global-ctrl", S(GUEST_PERF_GLOBAL_CTRL, B(35)), S(GUEST_PERF_GLOBAL_CTRL, B(32)), {ENTRY(B(13))}},
    {"guest-pat", S(GUEST_PAT, 3), S(GUEST_PAT, 4), {ENTRY(B(14))}},
    {"guest-efer-reserved", O(GUEST_EFER, B(9)), O(GUEST_EFER, B(11)), {ENTRY(B(15))}},
    {"guest-efer-lma", C(GUEST_EFER, B(10) | B(8)), O(GUEST_EFER, 0), {ENTRY(B(15))}},
    {"guest-efer-lme", C(GUEST_EFER, B(8)), O(GUEST_EFER, 0), {ENTRY(B(15))}},
    {"guest-bndcfgs-reserved", S(GUEST_BNDCFGS, B(2)), S(GUEST_BNDCFGS, 3), {ENTRY(B(16))}},
    LINEAR("guest-bndcfgs-address", GUEST_BNDCFGS, ENTRY(B(16))),
    {"guest-rtit-ctl", S(GUEST_RTIT_CTL, B(63)), S(GUEST_RTIT_CTL, 1), {ENTRY(B(18))}},
    {"guest-s-cet", S(GUEST_S_CET, B(9)), S(GUEST_S_CET, B(5)), {CET}},
    {"guest-s-cet-tracker", S(GUEST_S_CET, B(10) | B(11)), S(GUEST_S_CET, B(10)), {CET}},
    {"guest-lbr-ctl", S(GUEST_LBR_CTL, B(4)), S(GUEST_LBR_CTL, 15), {ENTRY(B(21))}},
    {"guest-pkrs", S(GUEST_PKRS, B(32)), S(GUEST_PKRS, UINT32_MAX), {ENTRY(B(22))}},
    {"guest-uinv", S(GUEST_UINV, 256), S(GUEST_UINV, 255), {ENTRY(B(19))}},
    LINEAR("guest-gdtr-base", GUEST_GDTR_BASE, {0}),
    LINEAR("guest-idtr-base", GUEST_IDTR_BASE, {0}),
    {"guest-gdtr-limit", S(GUEST_GDTR_LIMIT, B(16)), S(GUEST_GDTR_LIMIT, 0), {{0}}},
    {"guest-idtr-limit", S(GUEST_IDTR_LIMIT, B(16)), S(GUEST_IDTR_LIMIT, 0), {{0}}},
    {"guest-rip-high", S(GUEST_RIP, B(32)), S(GUEST_RIP, UINT32_MAX), {C(GUEST_CS_RIGHTS, B(13))}},
    {"guest-rip-high", S(GUEST_RIP, B(32)), S(GUEST_RIP, UINT32_MAX), {PAE}},
    {"guest-rip", S(GUEST_RIP, B(57)), S(GUEST_RIP, B(56)), {{0}}}, /* need not be canonical */
    {"guest-rflags", O(GUEST_RFLAGS, B(22)), O(GUEST_RFLAGS, B(21)), {{0}}},
    {"guest-rflags", O(GUEST_RFLAGS, B(15)), O(GUEST_RFLAGS, B(14)), {{0}}},
    {"guest-rflags", O(GUEST_RFLAGS, B(5)), O(GUEST_RFLAGS, B(4)), {{0}}},
    {"guest-rflags", O(GUEST_RFLAGS, B(3)), O(GUEST_RFLAGS, B(2)), {{0}}},
    {"guest-rflags", C(GUEST_RFLAGS, B(1)), O(GUEST_RFLAGS, B(0)), {{0}}},
    {"guest-rflags-vm", O(GUEST_RFLAGS, B(17)), O(GUEST_RFLAGS, 0), {{0}}},
    {"guest-rflags-if", INJECT(0U, 0x30U), IF_SET, {{0}}},
    {"guest-ssp-low", S(GUEST_SSP, 1), S(GUEST_SSP, 4), {CET}},
    {"guest-ssp", S(GUEST_SSP, B(57)), S(GUEST_SSP, B(56)), {CET}},

    {"activity", S(GUEST_ACTIVITY, 4), S(GUEST_ACTIVITY, 3), {{0}}},
    {"activity-hlt",
     S(GUEST_ACTIVITY, 1),
     S(GUEST_ACTIVITY, 2),
     {O(GUEST_CS_RIGHTS, 3 << 5), O(GUEST_SS_RIGHTS, 3 << 5), O(GUEST_CS_SELECTOR, 3), O(GUEST_SS_SELECTOR, 3)}},
    {"activity-blocking", S(GUEST_ACTIVITY, 2), S(GUEST_ACTIVITY, 0), {S(GUEST_INTERRUPTIBILITY, 2)}},
    {"activity-blocking", S(GUEST_ACTIVITY, 1), S(GUEST_ACTIVITY, 0), {S(GUEST_INTERRUPTIBILITY, 1), IF_SET}},
    {"activity-injection", INJECT(3U, 6U), INJECT(3U, 1U), {S(GUEST_ACTIVITY, 1)}},
    {"activity-injection",
     INJECT(4U, 0x80U),
     INJECT(0U, 0x80U),
     {S(GUEST_ACTIVITY, 1), IF_SET, S(ENTRY_INSTRUCTION_LENGTH, 2)}},
    {"activity-injection", WITH_CODE(3U, 14U), INJECT(3U, 18U), {S(GUEST_ACTIVITY, 1)}},
    {"activity-injection", INJECT(6U, 3U), INJECT(7U, 0U), {S(GUEST_ACTIVITY, 1), S(ENTRY_INSTRUCTION_LENGTH, 1)}},
    {"activity-injection", INJECT(3U, 1U), INJECT(2U, 2U), {S(GUEST_ACTIVITY, 2)}},
    {"activity-injection", INJECT(0U, 0x20U), INJECT(3U, 18U), {S(GUEST_ACTIVITY, 2), IF_SET}},
    {"activity-injection", INJECT(2U, 2U), S(ENTRY_INTERRUPTION_INFO, 0), {S(GUEST_ACTIVITY, 3)}},
    {"interruptibility-reserved", S(GUEST_INTERRUPTIBILITY, B(5)), S(GUEST_INTERRUPTIBILITY, B(4)), {{0}}},
    {"interruptibility-reserved", S(GUEST_INTERRUPTIBILITY, B(31)), S(GUEST_INTERRUPTIBILITY, B(3)), {{0}}},
    {"blocking-both", S(GUEST_INTERRUPTIBILITY, 3), S(GUEST_INTERRUPTIBILITY, 1), {IF_SET}},
    {"blocking-sti", S(GUEST_INTERRUPTIBILITY, 1), IF_SET, {{0}}},
    {"blocking-interrupt", S(GUEST_INTERRUPTIBILITY, 1), S(GUEST_INTERRUPTIBILITY, 8), {INJECT(0U, 0x20U), IF_SET}},
    {"blocking-interrupt", S(GUEST_INTERRUPTIBILITY, 2), S(GUEST_INTERRUPTIBILITY, 0), {INJECT(0U, 0x20U), IF_SET}},
    {"blocking-nmi-sti", S(GUEST_INTERRUPTIBILITY, 1), S(GUEST_INTERRUPTIBILITY, 8), {INJECT(2U, 2U), IF_SET}},
    {"blocking-nmi-mov-ss", S(GUEST_INTERRUPTIBILITY, 2), S(GUEST_INTERRUPTIBILITY, 8), {INJECT(2U, 2U)}},
    {"blocking-smi", S(GUEST_INTERRUPTIBILITY, 4), S(GUEST_INTERRUPTIBILITY, 8), {{0}}},
    {"blocking-virtual-nmi",
     S(GUEST_INTERRUPTIBILITY, 8),
     S(GUEST_INTERRUPTIBILITY, 0),
     {PIN(B(3) | B(5)), INJECT(2U, 2U)}},
    {"enclave", S(GUEST_INTERRUPTIBILITY, 18), S(GUEST_INTERRUPTIBILITY, 16), {{0}}},
    {"pending-debug", S(GUEST_PENDING_DEBUG, B(4)), S(GUEST_PENDING_DEBUG, 15), {{0}}},
    {"pending-debug", S(GUEST_PENDING_DEBUG, B(13)), S(GUEST_PENDING_DEBUG, B(12)), {{0}}},
    {"pending-debug", S(GUEST_PENDING_DEBUG, B(15)), S(GUEST_PENDING_DEBUG, B(14)), {{0}}},
    {"pending-debug", S(GUEST_PENDING_DEBUG, B(17)), S(GUEST_PENDING_DEBUG, B(12) | B(16)), {{0}}},
    {"pending-bs", O(GUEST_RFLAGS, B(8)), O(GUEST_RFLAGS, 0), {S(GUEST_INTERRUPTIBILITY, 2)}},
    {"pending-bs",
     S(GUEST_PENDING_DEBUG, 0),
     S(GUEST_PENDING_DEBUG, B(14)),
     {S(GUEST_ACTIVITY, 1), O(GUEST_RFLAGS, B(8))}},
    {"pending-no-bs", S(GUEST_PENDING_DEBUG, B(14)), S(GUEST_PENDING_DEBUG, 0), {S(GUEST_INTERRUPTIBILITY, 1), IF_SET}},
    {"pending-no-bs",
     S(GUEST_PENDING_DEBUG, B(14)),
     S(GUEST_PENDING_DEBUG, 0),
     {S(GUEST_INTERRUPTIBILITY, 2), O(GUEST_RFLAGS, B(8)), S(GUEST_DEBUGCTL, B(1))}},
    {"pending-rtm", S(GUEST_PENDING_DEBUG, B(16)), S(GUEST_PENDING_DEBUG, B(16) | B(12)), {{0}}},
    {"pending-rtm", S(GUEST_PENDING_DEBUG, B(16) | B(12) | 1), S(GUEST_PENDING_DEBUG, B(12) | 1), {{0}}},
    {"pending-rtm-blocking",
     S(GUEST_INTERRUPTIBILITY, 2),
     S(GUEST_INTERRUPTIBILITY, 0),
     {S(GUEST_PENDING_DEBUG, B(16) | B(12))}},
    {"link-aligned", S(LINK_POINTER, ORDINARY_VMCS + 8), S(LINK_POINTER, ORDINARY_VMCS), {{0}}},
    {"link-width", S(LINK_POINTER, BEYOND), S(LINK_POINTER, UINT64_MAX), {{0}}},
    {"link-revision", S(LINK_POINTER, OTHER_REVISION), S(LINK_POINTER, ORDINARY_VMCS), {{0}}},
    {"link-shadow", S(LINK_POINTER, SHADOW_VMCS), S(LINK_POINTER, ORDINARY_VMCS), {{0}}},
    {"link-shadow", S(LINK_POINTER, ORDINARY_VMCS), S(LINK_POINTER, SHADOW_VMCS), {SHADOWING}},
    {"link-current", S(LINK_POINTER, 0x7000), S(LINK_POINTER, ORDINARY_VMCS), {{0}}},
    {"pdptes", S(GUEST_PDPTE0, 1 | B(1)), S(GUEST_PDPTE0, 0x1E6), {PAE, CPU2(B(1))}},
    {"pdptes", S(GUEST_PDPTE3, 1 | BEYOND), S(GUEST_PDPTE3, 1 | 0xE18 | LAST_PAGE), {PAE, CPU2(B(1))}},
    {"pdptes", S(GUEST_CR3, 0x8020), S(GUEST_CR3, 0x8000), {PAE}}, /* in memory */
};
const unsigned vmx_guest_vector_count = sizeof vmx_guest_vectors / sizeof *vmx_guest_vectors;
