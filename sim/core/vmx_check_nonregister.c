/* VM-entry checks on guest non-register state and on page-directory-pointer-table entries.
 *
 * SDM Vol. 3C 26.3.1.5 and 26.3.1.6, in the manual's order. A failure is a VM-entry failure with exit reason 33; its
 * qualification is 2 for PDPTEs, 3 for an NMI injected into blocking by STI, 4 for the VMCS link pointer, else 0
 * (26.8).
 *
 * NOT MODELLED: entries in SMM, so that blocking by SMI must be 0. */
#include "vmx_check.h"
#include "vx_exception.h"

enum { ACTIVE, HLT, SHUTDOWN, WAIT_FOR_SIPI };
enum { BLOCKING_STI = 1, BLOCKING_MOV_SS = 2, BLOCKING_SMI = 4, BLOCKING_NMI = 8, ENCLAVE = 16 };
enum { PENDING_BS = 1 << 14, PENDING_RTM = 1 << 16, DEBUGCTL_BTF = 2 };

static uint64_t activity(const vx_vmx_entry *e) { return field(e, VX_VMCS_GUEST_ACTIVITY); }
static uint64_t interruptibility(const vx_vmx_entry *e) { return field(e, VX_VMCS_GUEST_INTERRUPTIBILITY); }

static bool activity_supported(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return activity(e) <= WAIT_FOR_SIPI && (activity(e) == ACTIVE || (e->caps->misc >> (5 + activity(e)) & 1));
}
static bool hlt_needs_cpl0(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return activity(e) != HLT || (field(e, VX_VMCS_GUEST_SS_RIGHTS) >> 5 & 3) == 0;
}
static bool blocking_needs_active(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return activity(e) == ACTIVE || !(interruptibility(e) & (BLOCKING_STI | BLOCKING_MOV_SS));
}
static bool injectable(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    if (!injects(e)) return true;
    unsigned type = injected_type(e), vector = injected_vector(e);
    bool exception = type == TYPE_HARDWARE;
    switch (activity(e)) {
    case HLT:
        return type == TYPE_EXTERNAL || type == TYPE_NMI ||
               (exception && (vector == VX_VECTOR_DB || vector == VX_VECTOR_MC)) || (type == TYPE_OTHER && vector == 0);
    case SHUTDOWN:
        return type == TYPE_NMI || (exception && vector == VX_VECTOR_MC);
    case WAIT_FOR_SIPI:
        return false;
    default:
        return true;
    }
}

static bool interruptibility_reserved(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return interruptibility(e) >> 5 == 0;
}
static bool sti_or_mov_ss(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return (interruptibility(e) & (BLOCKING_STI | BLOCKING_MOV_SS)) != (BLOCKING_STI | BLOCKING_MOV_SS);
}
static bool sti_needs_if(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !(interruptibility(e) & BLOCKING_STI) || (field(e, VX_VMCS_GUEST_RFLAGS) & CHECK_RFLAGS_IF);
}
/* An injected event of type `field` while events are blocked as `bits` says. */
static bool not_blocked(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return !injects(e) || injected_type(e) != check->field || !(interruptibility(e) & check->bits);
}
static bool no_smi_blocking(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !(interruptibility(e) & BLOCKING_SMI);
}
static bool enclave(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !(interruptibility(e) & ENCLAVE) || (!(interruptibility(e) & BLOCKING_MOV_SS) && e->caps->isa.sgx);
}

/* ---- pending debug exceptions, Table 24-4 ---- */

static uint64_t pending(const vx_vmx_entry *e) { return field(e, VX_VMCS_GUEST_PENDING_DEBUG); }

static bool pending_reserved(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    /* Bit 11 tells of a bus lock, where the processor can tell. */
    uint64_t reserved = 0x7F0 | (e->caps->allowed1[VX_WORD_CPU2] & VX_CPU2_BUS_LOCK_DETECTION ? 0 : 1 << 11);
    return (pending(e) & (reserved | 1 << 13 | 1 << 15 | ~0x1FFFFULL)) == 0;
}
static bool single_stepping(const vx_vmx_entry *e)
{
    return (field(e, VX_VMCS_GUEST_RFLAGS) & CHECK_RFLAGS_TF) && !(field(e, VX_VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF);
}
static bool held(const vx_vmx_entry *e)
{
    return (interruptibility(e) & (BLOCKING_STI | BLOCKING_MOV_SS)) || activity(e) == HLT;
}
static bool bs_set(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !held(e) || !single_stepping(e) || (pending(e) & PENDING_BS);
}
static bool bs_clear(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !held(e) || single_stepping(e) || !(pending(e) & PENDING_BS);
}
static bool rtm_alone(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !(pending(e) & PENDING_RTM) || pending(e) == (PENDING_RTM | 1 << 12);
}
static bool rtm_supported(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !(pending(e) & PENDING_RTM) || e->caps->isa.rtm;
}
static bool rtm_not_blocked(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !(pending(e) & PENDING_RTM) || !(interruptibility(e) & BLOCKING_MOV_SS);
}

/* ---- the VMCS link pointer ---- */

static uint64_t link(const vx_vmx_entry *e) { return field(e, VX_VMCS_LINK_POINTER); }
static bool linked(const vx_vmx_entry *e) { return link(e) != UINT64_MAX; }

static bool link_aligned(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !linked(e) || (link(e) & 0xFFF) == 0;
}
static bool link_width(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !linked(e) || (link(e) & beyond_width(e)) == 0;
}
static bool link_revision(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    if (!linked(e) || !e->memory) return true;
    return (vx_physmem_read32(e->memory, (vx_hpa){link(e)}) & 0x7FFFFFFF) == VX_VMCS_REVISION;
}
static bool link_shadow(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    if (!linked(e) || !e->memory) return true;
    bool shadow = vx_physmem_read32(e->memory, (vx_hpa){link(e)}) >> 31;
    return shadow == has(e, VX_WORD_CPU2, VX_CPU2_VMCS_SHADOWING);
}
static bool link_not_current(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !linked(e) || link(e) != e->current;
}

/* ---- PDPTEs ---- */

static bool pdptes(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    bool pae =
        (field(e, VX_VMCS_GUEST_CR0) & VX_CR0_PG) && (field(e, VX_VMCS_GUEST_CR4) & VX_CR4_PAE) && !guest_ia32e(e);
    if (!pae) return true;
    uint64_t entry[4];
    if (has(e, VX_WORD_CPU2, VX_CPU2_EPT))
        for (uint32_t i = 0; i < 4; i++) entry[i] = field(e, VX_VMCS_GUEST_PDPTE0 + 2 * i);
    else if (e->memory)
        vmx_pdptes_read(e->memory, field(e, VX_VMCS_GUEST_CR3), entry);
    else
        return true;
    for (unsigned i = 0; i < 4; i++)
        if (!vmx_pdpte_valid(e->caps, entry[i])) return false;
    return true;
}

#define ALWAYS .when = VX_WORD_NONE
#define STATE(name, number) .id = (name), .section = "26.3.1.5", .outcome = VX_CHECK_GUEST, .qualification = (number)

const vx_vmx_check vmx_nonregister_checks[] = {
    {STATE("activity", 0), ALWAYS, .holds = activity_supported,
     .text = "the activity state is one that the processor supports"},
    {STATE("activity-hlt", 0), ALWAYS, .holds = hlt_needs_cpl0,
     .text = "the activity state is not HLT where SS.DPL is not 0"},
    {STATE("activity-blocking", 0), ALWAYS, .holds = blocking_needs_active,
     .text = "the activity state is active where events are blocked by STI or by MOV SS"},
    {STATE("activity-injection", 0), ALWAYS, .holds = injectable,
     .text = "the event injected is not one that the activity state blocks"},
    {STATE("interruptibility-reserved", 0), ALWAYS, .holds = interruptibility_reserved,
     .text = "reserved bits 31:5 of the interruptibility state are 0"},
    {STATE("blocking-both", 0), ALWAYS, .holds = sti_or_mov_ss,
     .text = "events are not blocked by both STI and MOV SS"},
    {STATE("blocking-sti", 0), ALWAYS, .holds = sti_needs_if, .text = "blocking by STI is 0 where RFLAGS.IF is 0"},
    {STATE("blocking-interrupt", 0), ALWAYS, .holds = not_blocked, .field = TYPE_EXTERNAL,
     .bits = BLOCKING_STI | BLOCKING_MOV_SS,
     .text = "there is no blocking by STI or by MOV SS where an external interrupt is injected"},
    {STATE("blocking-nmi-sti", 3), ALWAYS, .holds = not_blocked, .field = TYPE_NMI, .bits = BLOCKING_STI,
     .text = "there is no blocking by STI where an NMI is injected"},
    {STATE("blocking-nmi-mov-ss", 0), ALWAYS, .holds = not_blocked, .field = TYPE_NMI, .bits = BLOCKING_MOV_SS,
     .text = "there is no blocking by MOV SS where an NMI is injected"},
    {STATE("blocking-smi", 0), ALWAYS, .holds = no_smi_blocking, .text = "blocking by SMI is 0 outside SMM"},
    {STATE("blocking-virtual-nmi", 0), .when = VX_WORD_PIN, .when_bits = VX_PIN_VIRTUAL_NMIS, .holds = not_blocked,
     .field = TYPE_NMI, .bits = BLOCKING_NMI,
     .text = "there is no blocking by NMI where an NMI is injected and 'virtual NMIs' is 1"},
    {STATE("enclave", 0), ALWAYS, .holds = enclave,
     .text = "enclave interruption is 0 with blocking by MOV SS or on a processor without SGX"},
    {STATE("pending-debug", 0), ALWAYS, .holds = pending_reserved,
     .text = "reserved bits of the pending debug exceptions are 0 (11:4, 13, 15 and 63:17)"},
    {STATE("pending-bs", 0), ALWAYS, .holds = bs_set,
     .text = "pending BS is 1 while single-stepping (TF without BTF) with blocking by STI or MOV SS or in HLT"},
    {STATE("pending-no-bs", 0), ALWAYS, .holds = bs_clear,
     .text = "pending BS is 0 while not single-stepping with blocking by STI or MOV SS or in HLT"},
    {STATE("pending-rtm", 0), ALWAYS, .holds = rtm_alone,
     .text = "of the pending debug exceptions only bit 12 is 1 beside RTM, and it is"},
    {STATE("pending-rtm-support", 0), ALWAYS, .holds = rtm_supported,
     .text = "pending RTM is 0 on a processor without RTM"},
    {STATE("pending-rtm-blocking", 0), ALWAYS, .holds = rtm_not_blocked,
     .text = "pending RTM is 0 with blocking by MOV SS"},
    {STATE("link-aligned", 4), ALWAYS, .holds = link_aligned, .text = "bits 11:0 of the VMCS link pointer are 0"},
    {STATE("link-width", 4), ALWAYS, .holds = link_width, .text = "the VMCS link pointer sets no bit beyond the width"},
    {STATE("link-revision", 4), ALWAYS, .holds = link_revision,
     .text = "the VMCS linked has the processor's revision identifier"},
    {STATE("link-shadow", 4), ALWAYS, .holds = link_shadow,
     .text = "the VMCS linked is a shadow VMCS where 'VMCS shadowing' is 1, and only there"},
    {STATE("link-current", 4), ALWAYS, .holds = link_not_current,
     .text = "the VMCS link pointer is not the current-VMCS pointer"},
    {.id = "pdptes",
     .section = "26.3.1.6",
     .outcome = VX_CHECK_GUEST,
     .qualification = 2,
     .when = VX_WORD_NONE,
     .holds = pdptes,
     .text = "reserved bits of present PDPTEs are 0 in a guest with PAE paging"},
};
const unsigned vmx_nonregister_check_count = sizeof vmx_nonregister_checks / sizeof *vmx_nonregister_checks;
