/* VM-entry checks on guest control registers, debug registers and MSRs; on descriptor tables; on RIP, RFLAGS and SSP.
 *
 * SDM Vol. 3C 26.3.1.1, 26.3.1.3, 26.3.1.4, in the manual's order. A failure is a VM-entry failure with exit reason 33
 * and qualification 0. (Segments, 26.3.1.2, stand in vmx_check_segments.c.)
 *
 * NOT MODELLED: processors without Intel 64 architecture. Reserved bits of IA32_DEBUGCTL, IA32_RTIT_CTL and
 * IA32_LBR_CTL are those that no processor to 2023 defines. */
#include "vmx_check.h"

enum { RIGHTS_L = 1 << 13 };

/* Of an unrestricted guest PE and PG are free. */
static bool cr0_fixed(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return vmx_cr0_allowed(e, field(e, check->field), unrestricted(e) ? VX_CR0_PE | VX_CR0_PG : 0);
}

static bool paging_needs_protection(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    uint64_t cr0 = field(e, check->field);
    return !(cr0 & VX_CR0_PG) || (cr0 & VX_CR0_PE);
}

static bool cet_needs_wp(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !(field(e, VX_VMCS_GUEST_CR4) & VX_CR4_CET) || (field(e, VX_VMCS_GUEST_CR0) & VX_CR0_WP);
}

/* Vol. 4, IA32_DEBUGCTL: LBR, BTF, BLD, then TR to freeze-while-SMM, and RTM debug. */
static bool debugctl_reserved(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    const uint64_t defined = 0xDFC7;
    return (field(e, check->field) & ~defined) == 0;
}

static bool ia32e_paged(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !guest_ia32e(e) || (field(e, VX_VMCS_GUEST_CR0) & VX_CR0_PG);
}
static bool ia32e_pae(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !guest_ia32e(e) || (field(e, VX_VMCS_GUEST_CR4) & VX_CR4_PAE);
}
static bool pcide_needs_ia32e(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return guest_ia32e(e) || !(field(e, VX_VMCS_GUEST_CR4) & VX_CR4_PCIDE);
}

static bool efer_lma(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return ((field(e, check->field) & VX_EFER_LMA) != 0) == guest_ia32e(e);
}
static bool efer_lme(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    uint64_t efer = field(e, check->field);
    return !(field(e, VX_VMCS_GUEST_CR0) & VX_CR0_PG) || ((efer & VX_EFER_LMA) != 0) == ((efer & VX_EFER_LME) != 0);
}

/* Vol. 1, 13 (MPX): enable, preserve, and the linear address from bit 12 on. */
static bool bndcfgs_reserved(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return bits_clear(field(e, check->field), 11, 2);
}
static bool bndcfgs_address(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return vx_canonical(field(e, check->field) & ~0xFFFULL, e->caps->virtual_bits);
}

/* Vol. 3C Table 32-6: to bit 31 most are defined; ADDR0_CFG to ADDR3_CFG in 47:32; 55, DisTNT, and 56, InjectPSB. */
static bool rtit_reserved(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    uint64_t value = field(e, check->field);
    return bits_clear(value, 63, 57) && bits_clear(value, 54, 48);
}

/* Vol. 3B, IA32_LBR_CTL: enable, OS, USR, call-stack; branch types in 22:16. */
static bool lbr_reserved(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return (field(e, check->field) & ~0x7F000FULL) == 0;
}

/* ---- 26.3.1.4 ---- */

static bool long_code(const vx_vmx_entry *e)
{
    return guest_ia32e(e) && (field(e, VX_VMCS_GUEST_CS_RIGHTS) & RIGHTS_L);
}
static bool rip_short(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return long_code(e) || field(e, check->field) >> 32 == 0;
}
static bool rip_linear(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return !long_code(e) || vmx_fits_linear(e, check);
}

static bool rflags_reserved(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    uint64_t value = field(e, check->field);
    return bits_clear(value, 63, 22) && !(value & (1 << 15 | 1 << 5 | 1 << 3)) && (value & 1 << 1);
}
static bool rflags_vm(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    bool forbidden = guest_ia32e(e) || !(field(e, VX_VMCS_GUEST_CR0) & VX_CR0_PE);
    return !forbidden || !(field(e, check->field) & CHECK_RFLAGS_VM);
}
static bool rflags_if(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return !injects(e) || injected_type(e) != TYPE_EXTERNAL || (field(e, check->field) & CHECK_RFLAGS_IF);
}

#define GUEST(number, name) .id = (name), .section = (number), .outcome = VX_CHECK_GUEST
#define ALWAYS .when = VX_WORD_NONE
#define ENTRY(control) .when = VX_WORD_ENTRY, .when_bits = (control)
#define CANONICAL(number, name, condition, encoding, what)                                                             \
    {                                                                                                                  \
        GUEST(number, name), condition, .holds = vmx_is_canonical, .field = (encoding), .text = what " is canonical"   \
    }

const vx_vmx_check vmx_register_checks[] = {
    {GUEST("26.3.1.1", "guest-cr0"), ALWAYS, .holds = cr0_fixed, .field = VX_VMCS_GUEST_CR0,
     .text =
         "guest CR0 sets no bit to a value not supported in VMX operation (NW and CD apart, PE and PG where the guest "
         "is unrestricted)"},
    {GUEST("26.3.1.1", "guest-cr0-pg"), ALWAYS, .holds = paging_needs_protection, .field = VX_VMCS_GUEST_CR0,
     .text = "guest CR0.PE is 1 where CR0.PG is 1"},
    {GUEST("26.3.1.1", "guest-cr4"), ALWAYS, .holds = vmx_cr4_fixed, .field = VX_VMCS_GUEST_CR4,
     .text = "guest CR4 sets no bit to a value not supported in VMX operation"},
    {GUEST("26.3.1.1", "guest-cet-wp"), ALWAYS, .holds = cet_needs_wp, .text = "guest CR0.WP is 1 where CR4.CET is 1"},
    {GUEST("26.3.1.1", "guest-debugctl"), ENTRY(VX_ENTRY_CONTROL_LOAD_DEBUG), .holds = debugctl_reserved,
     .field = VX_VMCS_GUEST_DEBUGCTL, .text = "reserved bits of guest IA32_DEBUGCTL are 0"},
    {GUEST("26.3.1.1", "guest-ia32e-pg"), ALWAYS, .holds = ia32e_paged,
     .text = "guest CR0.PG is 1 where 'IA-32e mode guest' is 1"},
    {GUEST("26.3.1.1", "guest-ia32e-pae"), ALWAYS, .holds = ia32e_pae,
     .text = "guest CR4.PAE is 1 where 'IA-32e mode guest' is 1"},
    {GUEST("26.3.1.1", "guest-pcide"), ALWAYS, .holds = pcide_needs_ia32e,
     .text = "guest CR4.PCIDE is 0 where 'IA-32e mode guest' is 0"},
    {GUEST("26.3.1.1", "guest-cr3"), ALWAYS, .holds = vmx_within_width, .field = VX_VMCS_GUEST_CR3,
     .text = "guest CR3 sets no bit beyond the physical-address width"},
    {GUEST("26.3.1.1", "guest-dr7"), ENTRY(VX_ENTRY_CONTROL_LOAD_DEBUG), .holds = vmx_fits_bits,
     .field = VX_VMCS_GUEST_DR7, .bits = 32, .text = "bits 63:32 of guest DR7 are 0"},
    CANONICAL("26.3.1.1", "guest-sysenter-esp", ALWAYS, VX_VMCS_GUEST_SYSENTER_ESP, "guest IA32_SYSENTER_ESP"),
    CANONICAL("26.3.1.1", "guest-sysenter-eip", ALWAYS, VX_VMCS_GUEST_SYSENTER_EIP, "guest IA32_SYSENTER_EIP"),
    CANONICAL("26.3.1.1", "guest-s-cet-canonical", ENTRY(VX_ENTRY_CONTROL_LOAD_CET), VX_VMCS_GUEST_S_CET,
              "guest IA32_S_CET"),
    CANONICAL("26.3.1.1", "guest-ssp-table", ENTRY(VX_ENTRY_CONTROL_LOAD_CET), VX_VMCS_GUEST_SSP_TABLE,
              "guest IA32_INTERRUPT_SSP_TABLE_ADDR"),
    {GUEST("26.3.1.1", "guest-perf-global-ctrl"), ENTRY(VX_ENTRY_CONTROL_LOAD_PERF_GLOBAL_CTRL),
     .holds = vmx_perf_global_valid, .field = VX_VMCS_GUEST_PERF_GLOBAL_CTRL,
     .text = "reserved bits of guest IA32_PERF_GLOBAL_CTRL are 0"},
    {GUEST("26.3.1.1", "guest-pat"), ENTRY(VX_ENTRY_CONTROL_LOAD_PAT), .holds = vmx_pat_valid,
     .field = VX_VMCS_GUEST_PAT, .text = "each byte of guest IA32_PAT is a memory type: 0, 1, 4, 5, 6 or 7"},
    {GUEST("26.3.1.1", "guest-efer-reserved"), ENTRY(VX_ENTRY_CONTROL_LOAD_EFER), .holds = vmx_efer_reserved,
     .field = VX_VMCS_GUEST_EFER, .text = "reserved bits of guest IA32_EFER are 0"},
    {GUEST("26.3.1.1", "guest-efer-lma"), ENTRY(VX_ENTRY_CONTROL_LOAD_EFER), .holds = efer_lma,
     .field = VX_VMCS_GUEST_EFER, .text = "LMA of guest IA32_EFER equals 'IA-32e mode guest'"},
    {GUEST("26.3.1.1", "guest-efer-lme"), ENTRY(VX_ENTRY_CONTROL_LOAD_EFER), .holds = efer_lme,
     .field = VX_VMCS_GUEST_EFER, .text = "LME of guest IA32_EFER equals LMA where guest CR0.PG is 1"},
    {GUEST("26.3.1.1", "guest-bndcfgs-reserved"), ENTRY(VX_ENTRY_CONTROL_LOAD_BNDCFGS), .holds = bndcfgs_reserved,
     .field = VX_VMCS_GUEST_BNDCFGS, .text = "reserved bits of guest IA32_BNDCFGS are 0"},
    {GUEST("26.3.1.1", "guest-bndcfgs-address"), ENTRY(VX_ENTRY_CONTROL_LOAD_BNDCFGS), .holds = bndcfgs_address,
     .field = VX_VMCS_GUEST_BNDCFGS, .text = "the linear address in guest IA32_BNDCFGS is canonical"},
    {GUEST("26.3.1.1", "guest-rtit-ctl"), ENTRY(VX_ENTRY_CONTROL_LOAD_RTIT_CTL), .holds = rtit_reserved,
     .field = VX_VMCS_GUEST_RTIT_CTL, .text = "reserved bits of guest IA32_RTIT_CTL are 0"},
    {GUEST("26.3.1.1", "guest-s-cet"), ENTRY(VX_ENTRY_CONTROL_LOAD_CET), .holds = vmx_s_cet_reserved,
     .field = VX_VMCS_GUEST_S_CET, .text = "reserved bits of guest IA32_S_CET are 0"},
    {GUEST("26.3.1.1", "guest-s-cet-tracker"), ENTRY(VX_ENTRY_CONTROL_LOAD_CET), .holds = vmx_s_cet_tracker,
     .field = VX_VMCS_GUEST_S_CET, .text = "SUPPRESS and TRACKER of guest IA32_S_CET are not both 1"},
    {GUEST("26.3.1.1", "guest-lbr-ctl"), ENTRY(VX_ENTRY_CONTROL_LOAD_LBR_CTL), .holds = lbr_reserved,
     .field = VX_VMCS_GUEST_LBR_CTL, .text = "reserved bits of guest IA32_LBR_CTL are 0"},
    {GUEST("26.3.1.1", "guest-pkrs"), ENTRY(VX_ENTRY_CONTROL_LOAD_PKRS), .holds = vmx_fits_bits,
     .field = VX_VMCS_GUEST_PKRS, .bits = 32, .text = "bits 63:32 of guest IA32_PKRS are 0"},
    {GUEST("26.3.1.1", "guest-uinv"), ENTRY(VX_ENTRY_CONTROL_LOAD_UINV), .holds = vmx_fits_bits,
     .field = VX_VMCS_GUEST_UINV, .bits = 8, .text = "bits 15:8 of guest UINV are 0"},

    CANONICAL("26.3.1.3", "guest-gdtr-base", ALWAYS, VX_VMCS_GUEST_GDTR_BASE, "guest GDTR base"),
    CANONICAL("26.3.1.3", "guest-idtr-base", ALWAYS, VX_VMCS_GUEST_IDTR_BASE, "guest IDTR base"),
    {GUEST("26.3.1.3", "guest-gdtr-limit"), ALWAYS, .holds = vmx_fits_bits, .field = VX_VMCS_GUEST_GDTR_LIMIT,
     .bits = 16, .text = "bits 31:16 of guest GDTR limit are 0"},
    {GUEST("26.3.1.3", "guest-idtr-limit"), ALWAYS, .holds = vmx_fits_bits, .field = VX_VMCS_GUEST_IDTR_LIMIT,
     .bits = 16, .text = "bits 31:16 of guest IDTR limit are 0"},

    {GUEST("26.3.1.4", "guest-rip-high"), ALWAYS, .holds = rip_short, .field = VX_VMCS_GUEST_RIP,
     .text = "bits 63:32 of guest RIP are 0 outside 64-bit mode ('IA-32e mode guest' and CS.L)"},
    {GUEST("26.3.1.4", "guest-rip"), ALWAYS, .holds = rip_linear, .field = VX_VMCS_GUEST_RIP,
     .text = "bits of guest RIP beyond the linear-address width are identical in 64-bit mode"},
    {GUEST("26.3.1.4", "guest-rflags"), ALWAYS, .holds = rflags_reserved, .field = VX_VMCS_GUEST_RFLAGS,
     .text = "reserved bits 63:22, 15, 5 and 3 of guest RFLAGS are 0, bit 1 is 1"},
    {GUEST("26.3.1.4", "guest-rflags-vm"), ALWAYS, .holds = rflags_vm, .field = VX_VMCS_GUEST_RFLAGS,
     .text = "guest RFLAGS.VM is 0 in IA-32e mode and without CR0.PE"},
    {GUEST("26.3.1.4", "guest-rflags-if"), ALWAYS, .holds = rflags_if, .field = VX_VMCS_GUEST_RFLAGS,
     .text = "guest RFLAGS.IF is 1 where an external interrupt is injected"},
    {GUEST("26.3.1.4", "guest-ssp-low"), ENTRY(VX_ENTRY_CONTROL_LOAD_CET), .holds = vmx_low_bits_clear,
     .field = VX_VMCS_GUEST_SSP, .bits = 2, .text = "bits 1:0 of guest SSP are 0"},
    {GUEST("26.3.1.4", "guest-ssp"), ENTRY(VX_ENTRY_CONTROL_LOAD_CET), .holds = vmx_fits_linear,
     .field = VX_VMCS_GUEST_SSP, .text = "bits of guest SSP beyond the linear-address width are identical"},
};
const unsigned vmx_register_check_count = sizeof vmx_register_checks / sizeof *vmx_register_checks;
