/* VM-entry checks on the host-state area, and those related to address-space size.
 *
 * SDM Vol. 3C 26.2.2 (control registers, MSRs, SSP), 26.2.3 (segments and descriptor tables), 26.2.4 (address-space
 * size), in the manual's order. A failure is VM-instruction error 8.
 *
 * NOT MODELLED: processors without Intel 64 architecture. */
#include "vmx_check.h"

static bool cet_needs_wp(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !(field(e, VX_VMCS_HOST_CR4) & VX_CR4_CET) || (field(e, VX_VMCS_HOST_CR0) & VX_CR0_WP);
}

static bool efer_mode(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    uint64_t mode = field(e, check->field) & (VX_EFER_LME | VX_EFER_LMA);
    return mode == (host_64(e) ? VX_EFER_LME | VX_EFER_LMA : 0U);
}

static bool selector_plain(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return (field(e, check->field) & 7) == 0;
}
static bool selector_not_null(const vx_vmx_entry *e, const vx_vmx_check *check) { return field(e, check->field) != 0; }
static bool ss_not_null(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return host_64(e) || field(e, check->field) != 0;
}

/* ---- 26.2.4 ---- */

static bool mode_not_ia32e(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return e->ia32e || (!guest_ia32e(e) && !host_64(e));
}
static bool mode_ia32e(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !e->ia32e || host_64(e);
}
static bool guest_needs_host_64(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return host_64(e) || !guest_ia32e(e);
}
static bool pcide_needs_64(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return host_64(e) || !(field(e, VX_VMCS_HOST_CR4) & VX_CR4_PCIDE);
}
static bool short_in_32(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return host_64(e) || vmx_fits_bits(e, check);
}
static bool pae_in_64(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    (void)check;
    return !host_64(e) || (field(e, VX_VMCS_HOST_CR4) & VX_CR4_PAE);
}
static bool canonical_in_64(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return !host_64(e) || vmx_is_canonical(e, check);
}

#define HOST(number, name) .id = (name), .section = (number), .outcome = VX_CHECK_HOST
#define ALWAYS .when = VX_WORD_NONE
#define WHEN(word, control) .when = VX_WORD_##word, .when_bits = (control)
#define SELECTOR(name, which)                                                                                          \
    {                                                                                                                  \
        HOST("26.2.3", "host-" name "-selector"), ALWAYS, .holds = selector_plain,                                     \
                                                          .field = VX_VMCS_HOST_##which##_SELECTOR,                    \
                                                          .text = "host " #which " selector: RPL and TI are 0"         \
    }
#define CANONICAL(number, name, condition, encoding, what)                                                             \
    {                                                                                                                  \
        HOST(number, name), condition, .holds = vmx_is_canonical, .field = (encoding), .text = what " is canonical"    \
    }

const vx_vmx_check vmx_host_checks[] = {
    {HOST("26.2.2", "host-cr0"), ALWAYS, .holds = vmx_cr0_fixed, .field = VX_VMCS_HOST_CR0,
     .text = "host CR0 sets no bit to a value not supported in VMX operation (NW and CD apart)"},
    {HOST("26.2.2", "host-cr4"), ALWAYS, .holds = vmx_cr4_fixed, .field = VX_VMCS_HOST_CR4,
     .text = "host CR4 sets no bit to a value not supported in VMX operation"},
    {HOST("26.2.2", "host-cet-wp"), ALWAYS, .holds = cet_needs_wp, .text = "host CR0.WP is 1 where CR4.CET is 1"},
    {HOST("26.2.2", "host-cr3"), ALWAYS, .holds = vmx_within_width, .field = VX_VMCS_HOST_CR3,
     .text = "host CR3 sets no bit beyond the physical-address width"},
    CANONICAL("26.2.2", "host-sysenter-esp", ALWAYS, VX_VMCS_HOST_SYSENTER_ESP, "host IA32_SYSENTER_ESP"),
    CANONICAL("26.2.2", "host-sysenter-eip", ALWAYS, VX_VMCS_HOST_SYSENTER_EIP, "host IA32_SYSENTER_EIP"),
    {HOST("26.2.2", "host-perf-global-ctrl"), WHEN(EXIT, VX_EXIT_CONTROL_LOAD_PERF_GLOBAL_CTRL),
     .holds = vmx_perf_global_valid, .field = VX_VMCS_HOST_PERF_GLOBAL_CTRL,
     .text = "reserved bits of host IA32_PERF_GLOBAL_CTRL are 0"},
    {HOST("26.2.2", "host-pat"), WHEN(EXIT, VX_EXIT_CONTROL_LOAD_PAT), .holds = vmx_pat_valid,
     .field = VX_VMCS_HOST_PAT, .text = "each byte of host IA32_PAT is a memory type: 0, 1, 4, 5, 6 or 7"},
    {HOST("26.2.2", "host-efer-reserved"), WHEN(EXIT, VX_EXIT_CONTROL_LOAD_EFER), .holds = vmx_efer_reserved,
     .field = VX_VMCS_HOST_EFER, .text = "reserved bits of host IA32_EFER are 0"},
    {HOST("26.2.2", "host-efer-mode"), WHEN(EXIT, VX_EXIT_CONTROL_LOAD_EFER), .holds = efer_mode,
     .field = VX_VMCS_HOST_EFER, .text = "LMA and LME of host IA32_EFER both equal 'host address-space size'"},
    {HOST("26.2.2", "host-s-cet"), WHEN(EXIT, VX_EXIT_CONTROL_LOAD_CET), .holds = vmx_s_cet_reserved,
     .field = VX_VMCS_HOST_S_CET, .text = "reserved bits of host IA32_S_CET are 0"},
    {HOST("26.2.2", "host-s-cet-tracker"), WHEN(EXIT, VX_EXIT_CONTROL_LOAD_CET), .holds = vmx_s_cet_tracker,
     .field = VX_VMCS_HOST_S_CET, .text = "SUPPRESS and TRACKER of host IA32_S_CET are not both 1"},
    {HOST("26.2.2", "host-ssp"), WHEN(EXIT, VX_EXIT_CONTROL_LOAD_CET), .holds = vmx_low_bits_clear,
     .field = VX_VMCS_HOST_SSP, .bits = 2, .text = "bits 1:0 of host SSP are 0"},
    {HOST("26.2.2", "host-pkrs"), WHEN(EXIT, VX_EXIT_CONTROL_LOAD_PKRS), .holds = vmx_fits_bits,
     .field = VX_VMCS_HOST_PKRS, .bits = 32, .text = "bits 63:32 of host IA32_PKRS are 0"},

    SELECTOR("cs", CS),
    SELECTOR("ss", SS),
    SELECTOR("ds", DS),
    SELECTOR("es", ES),
    SELECTOR("fs", FS),
    SELECTOR("gs", GS),
    SELECTOR("tr", TR),
    {HOST("26.2.3", "host-cs-null"), ALWAYS, .holds = selector_not_null, .field = VX_VMCS_HOST_CS_SELECTOR,
     .text = "host CS selector is not 0000H"},
    {HOST("26.2.3", "host-tr-null"), ALWAYS, .holds = selector_not_null, .field = VX_VMCS_HOST_TR_SELECTOR,
     .text = "host TR selector is not 0000H"},
    {HOST("26.2.3", "host-ss-null"), ALWAYS, .holds = ss_not_null, .field = VX_VMCS_HOST_SS_SELECTOR,
     .text = "host SS selector is not 0000H where 'host address-space size' is 0"},
    CANONICAL("26.2.3", "host-fs-base", ALWAYS, VX_VMCS_HOST_FS_BASE, "host FS base"),
    CANONICAL("26.2.3", "host-gs-base", ALWAYS, VX_VMCS_HOST_GS_BASE, "host GS base"),
    CANONICAL("26.2.3", "host-gdtr-base", ALWAYS, VX_VMCS_HOST_GDTR_BASE, "host GDTR base"),
    CANONICAL("26.2.3", "host-idtr-base", ALWAYS, VX_VMCS_HOST_IDTR_BASE, "host IDTR base"),
    CANONICAL("26.2.3", "host-tr-base", ALWAYS, VX_VMCS_HOST_TR_BASE, "host TR base"),

    {HOST("26.2.4", "mode-not-ia32e"), ALWAYS, .holds = mode_not_ia32e,
     .text = "outside IA-32e mode 'IA-32e mode guest' and 'host address-space size' are 0"},
    {HOST("26.2.4", "mode-ia32e"), ALWAYS, .holds = mode_ia32e,
     .text = "in IA-32e mode 'host address-space size' is 1"},
    {HOST("26.2.4", "host-32-guest"), ALWAYS, .holds = guest_needs_host_64,
     .text = "'IA-32e mode guest' is 0 where 'host address-space size' is 0"},
    {HOST("26.2.4", "host-32-pcide"), ALWAYS, .holds = pcide_needs_64,
     .text = "host CR4.PCIDE is 0 where 'host address-space size' is 0"},
    {HOST("26.2.4", "host-32-rip"), ALWAYS, .holds = short_in_32, .field = VX_VMCS_HOST_RIP, .bits = 32,
     .text = "bits 63:32 of host RIP are 0 where 'host address-space size' is 0"},
    {HOST("26.2.4", "host-32-s-cet"), WHEN(EXIT, VX_EXIT_CONTROL_LOAD_CET), .holds = short_in_32,
     .field = VX_VMCS_HOST_S_CET, .bits = 32,
     .text = "bits 63:32 of host IA32_S_CET are 0 where 'host address-space size' is 0"},
    {HOST("26.2.4", "host-32-ssp"), WHEN(EXIT, VX_EXIT_CONTROL_LOAD_CET), .holds = short_in_32,
     .field = VX_VMCS_HOST_SSP, .bits = 32,
     .text = "bits 63:32 of host SSP are 0 where 'host address-space size' is 0"},
    {HOST("26.2.4", "host-64-pae"), ALWAYS, .holds = pae_in_64,
     .text = "host CR4.PAE is 1 where 'host address-space size' is 1"},
    {HOST("26.2.4", "host-64-rip"), ALWAYS, .holds = canonical_in_64, .field = VX_VMCS_HOST_RIP,
     .text = "host RIP is canonical where 'host address-space size' is 1"},
    {HOST("26.2.4", "host-64-s-cet"), WHEN(EXIT, VX_EXIT_CONTROL_LOAD_CET), .holds = canonical_in_64,
     .field = VX_VMCS_HOST_S_CET, .text = "host IA32_S_CET is canonical where 'host address-space size' is 1"},
    {HOST("26.2.4", "host-64-ssp"), WHEN(EXIT, VX_EXIT_CONTROL_LOAD_CET), .holds = canonical_in_64,
     .field = VX_VMCS_HOST_SSP, .text = "host SSP is canonical where 'host address-space size' is 1"},
    CANONICAL("26.2.4", "host-ssp-table", WHEN(EXIT, VX_EXIT_CONTROL_LOAD_CET), VX_VMCS_HOST_SSP_TABLE,
              "host IA32_INTERRUPT_SSP_TABLE_ADDR"),
};
const unsigned vmx_host_check_count = sizeof vmx_host_checks / sizeof *vmx_host_checks;
