/* GETSEC[SENTER] and what follows: see vx_txt.h for sources and what is NOT MODELLED. */
#include "vx_txt.h"

#include <string.h>

vx_txt_processor vx_txt_processor_ready(void)
{
    return (vx_txt_processor){.smx = true,
                              .senter = true,
                              .cr0 = VX_CR0_PE | VX_CR0_NE,
                              .cr4 = VX_CR4_SMXE,
                              .bsp = true,
                              .txt_chipset = true,
                              .tpm = true,
                              .feature_control = VX_TXT_LOCK | VX_TXT_SENTER_LOCAL | VX_TXT_SENTER_GLOBAL,
                              .acm_base = 0x100000,
                              .acm_bytes = 64 << 10};
}

/* ---- preconditions, in the manual's order ---- */

static bool smx_off(const vx_txt_processor *p) { return !p->smx || !(p->cr4 & VX_CR4_SMXE); }
static bool no_leaf(const vx_txt_processor *p) { return !p->senter; }
static bool in_vmx(const vx_txt_processor *p) { return p->vmx_root; }
static bool unprotected(const vx_txt_processor *p) { return !(p->cr0 & VX_CR0_PE); }
static bool uncached(const vx_txt_processor *p) { return (p->cr0 & (VX_CR0_CD | VX_CR0_NW)) != 0; }
static bool no_numeric(const vx_txt_processor *p) { return !(p->cr0 & VX_CR0_NE); }
static bool unprivileged(const vx_txt_processor *p) { return p->cpl > 0; }
static bool in_v86(const vx_txt_processor *p) { return p->virtual_8086; }
static bool not_bsp(const vx_txt_processor *p) { return !p->bsp; }
static bool no_chipset(const vx_txt_processor *p) { return !p->txt_chipset; }
static bool measured(const vx_txt_processor *p) { return p->measured; }
static bool authenticated(const vx_txt_processor *p) { return p->authenticated; }
static bool in_smm(const vx_txt_processor *p) { return p->smm; }
static bool no_tpm(const vx_txt_processor *p) { return !p->tpm; }
static bool unlocked(const vx_txt_processor *p) { return !(p->feature_control & VX_TXT_LOCK); }
static bool disabled(const vx_txt_processor *p) { return !(p->feature_control & VX_TXT_SENTER_GLOBAL); }

/* Bits 14:8 enable the functions of EDX[6:0]. */
static bool functions(const vx_txt_processor *p)
{
    uint32_t enabled = (uint32_t)(p->feature_control >> 8) & 0x7F;
    return (p->functions & ~enabled) != 0;
}

static bool misplaced(const vx_txt_processor *p)
{
    return p->acm_base % 4096 != 0 || p->acm_bytes % 64 != 0 || p->acm_bytes == 0 ||
           p->acm_bytes > VX_TXT_ACM_BYTES_MAX || (uint64_t)p->acm_base + p->acm_bytes > UINT32_MAX;
}

static const struct {
    bool (*fails)(const vx_txt_processor *processor);
    vx_txt_fault fault;
    const char *condition;
} rules[] = {
    {smx_off, VX_TXT_UD, "CR4.SMXE is 1"},
    {no_leaf, VX_TXT_UD, "GETSEC[CAPABILITIES] reports SENTER"},
    {in_vmx, VX_TXT_GP, "not in VMX root operation"},
    {unprotected, VX_TXT_GP, "CR0.PE is 1"},
    {uncached, VX_TXT_GP, "CR0.CD and CR0.NW are 0"},
    {no_numeric, VX_TXT_GP, "CR0.NE is 1"},
    {unprivileged, VX_TXT_GP, "CPL is 0"},
    {in_v86, VX_TXT_GP, "EFLAGS.VM is 0"},
    {not_bsp, VX_TXT_GP, "IA32_APIC_BASE.BSP is 1"},
    {no_chipset, VX_TXT_GP, "a TXT chipset is present"},
    {measured, VX_TXT_GP, "not in a measured environment"},
    {authenticated, VX_TXT_GP, "not in authenticated code execution mode"},
    {in_smm, VX_TXT_GP, "not in SMM"},
    {no_tpm, VX_TXT_GP, "a TPM is present"},
    {unlocked, VX_TXT_GP, "IA32_FEATURE_CONTROL is locked"},
    {disabled, VX_TXT_GP, "IA32_FEATURE_CONTROL[15] (SENTER global enable) is 1"},
    {functions, VX_TXT_GP, "IA32_FEATURE_CONTROL[14:8] enable the functions in EDX"},
    {misplaced, VX_TXT_GP, "the authenticated code module is aligned and fits"},
};

vx_txt_fault vx_txt_senter_fault(const vx_txt_processor *processor, const char **condition)
{
    *condition = NULL;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (!rules[i].fails(processor)) continue;
        *condition = rules[i].condition;
        return rules[i].fault;
    }
    return VX_TXT_NO_FAULT;
}

/* ---- the launch ---- */

static void note(vx_txt_launch *launch, const char *step, unsigned locality, unsigned pcr,
                 const vx_tpm_digests *digests)
{
    launch->event[launch->events++] =
        (vx_txt_event){.step = step, .locality = locality, .pcr = pcr, .digests = *digests};
}

static void extend(vx_txt_launch *launch, const char *step, unsigned pcr, const vx_tpm_digests *digests)
{
    (void)vx_tpm_extend(&launch->tpm, VX_TPM_LOCALITY_ACM, pcr, digests);
    note(launch, step, VX_TPM_LOCALITY_ACM, pcr, digests);
}

void vx_txt_launch_image(vx_txt_launch *launch, const vx_txt_setup *setup)
{
    vx_tpm *tpm = &launch->tpm;
    vx_tpm_digests digests;
    launch->events = 0;
    vx_tpm_startup(tpm, setup->hash);
    vx_tpm_measure(tpm, setup->module.data, setup->module.bytes, &digests);
    (void)vx_tpm_hash_sequence(tpm, VX_TPM_LOCALITY_HARDWARE, setup->module.data, setup->module.bytes);
    note(launch, "SENTER: authenticated code module", VX_TPM_LOCALITY_HARDWARE, VX_TPM_PCR_DRTM, &digests);
    vx_tpm_measure(tpm, setup->policy_file.data, setup->policy_file.bytes, &digests);
    extend(launch, "SINIT: launch policy", VX_TPM_PCR_DRTM, &digests);
    vx_tpm_measure(tpm, setup->image.data, setup->image.bytes, &launch->image);
    extend(launch, "SINIT: image", VX_TPM_PCR_LAUNCHED, &launch->image);
    launch->launched = vx_txt_policy_allows(setup->policy, &launch->image);
    if (!launch->launched) vx_tpm_startup(tpm, setup->hash); /* TXT reset: the platform starts anew */
}
