/* The MSRs that the VMX state machine holds, as RDMSR and WRMSR act on them at CPL 0.
 *
 * SDM Vol. 4 (fields and reserved bits), Vol. 3C 23.8 and Vol. 3D, Appendix A (the capability MSRs, read-only).
 *
 * NOT MODELLED: all other MSRs, which the caller may bring by vx_vmx.msr; counters behind IA32_PERF_GLOBAL_CTRL. */
#include <stddef.h>
#include <string.h>

#include "vmx_check.h"
#include "vmx_private.h"

typedef enum msr_rule { PLAIN, LINEAR, EFER, PAT, PERF_GLOBAL, PKRS, S_CET, LOW_32, LOCKED } msr_rule;

static const struct {
    uint32_t index;
    uint16_t offset; /* in vx_vmx_state */
    msr_rule rule;
} msrs[] = {
    {0x00000010, offsetof(vx_vmx_state, tsc), PLAIN},
    {0x0000001B, offsetof(vx_vmx_state, apic_base), PLAIN},
    {0x0000003A, offsetof(vx_vmx_state, feature_control), LOCKED},
    {0x00000048, offsetof(vx_vmx_state, spec_ctrl), PLAIN},
    {0x00000174, offsetof(vx_vmx_state, sysenter_cs), LOW_32},
    {0x00000175, offsetof(vx_vmx_state, sysenter_esp), LINEAR},
    {0x00000176, offsetof(vx_vmx_state, sysenter_eip), LINEAR},
    {0x000001D9, offsetof(vx_vmx_state, debugctl), PLAIN},
    {0x00000277, offsetof(vx_vmx_state, pat), PAT},
    {0x0000038F, offsetof(vx_vmx_state, perf_global_ctrl), PERF_GLOBAL},
    {0x000006A2, offsetof(vx_vmx_state, s_cet), S_CET},
    {0x000006A8, offsetof(vx_vmx_state, ssp_table), LINEAR},
    {0x000006E1, offsetof(vx_vmx_state, pkrs), PKRS},
    {0x00000DA0, offsetof(vx_vmx_state, xss), PLAIN},
    {0xC0000080, offsetof(vx_vmx_state, efer), EFER},
    {0xC0000081, offsetof(vx_vmx_state, star), PLAIN},
    {0xC0000082, offsetof(vx_vmx_state, lstar), LINEAR},
    {0xC0000083, offsetof(vx_vmx_state, cstar), LINEAR},
    {0xC0000084, offsetof(vx_vmx_state, fmask), PLAIN},
    {0xC0000100, offsetof(vx_vmx_state, segment[VX_FS].base), LINEAR},
    {0xC0000101, offsetof(vx_vmx_state, segment[VX_GS].base), LINEAR},
    {0xC0000102, offsetof(vx_vmx_state, kernel_gs_base), LINEAR},
    {0xC0000103, offsetof(vx_vmx_state, tsc_aux), LOW_32},
};
enum { MSRS = sizeof msrs / sizeof *msrs };

static int place_of(uint32_t index)
{
    for (int i = 0; i < MSRS; i++)
        if (msrs[i].index == index) return i;
    return -1;
}

static bool exists(const vx_vmx *vmx, msr_rule rule)
{
    return rule == S_CET ? vmx->caps.isa.cet : rule == PKRS ? vmx->caps.isa.pks : true;
}

bool vx_vmx_rdmsr(const vx_vmx *vmx, uint32_t index, uint64_t *value)
{
    if (vx_vmx_caps_msr(&vmx->caps, index, value)) return true;
    int at = place_of(index);
    if (at < 0) return vmx->msr && vmx->msr(vmx->msr_context, index, false, value);
    if (!exists(vmx, msrs[at].rule)) return false;
    memcpy(value, (const char *)&vmx->state + msrs[at].offset, sizeof *value);
    return true;
}

static bool allowed(const vx_vmx *vmx, msr_rule rule, uint64_t old, uint64_t value)
{
    switch (rule) {
    case PLAIN:
        return true;
    case LINEAR:
        return vx_canonical(value, vmx->caps.virtual_bits);
    case EFER: /* LME cannot change while paging is on */
        if (value & ~vmx->caps.efer_bits) return false;
        return !(vmx->state.cr0 & VX_CR0_PG) || ((old ^ value) & VX_EFER_LME) == 0;
    case PAT:
        return vmx_pat_legal(value);
    case PERF_GLOBAL:
        return vmx_perf_global_legal(value);
    case S_CET:
        return (value & 0x3C0) == 0 && (value >> 10 & 3) != 3 && vx_canonical(value, vmx->caps.virtual_bits);
    case PKRS:
    case LOW_32:
        return value >> 32 == 0;
    case LOCKED:
        return !(old & 1);
    }
    return false;
}

bool vx_vmx_wrmsr(vx_vmx *vmx, uint32_t index, uint64_t value)
{
    int at = place_of(index);
    if (at < 0) {
        bool capability = vx_vmx_msr_name(index) != NULL; /* read-only */
        return !capability && vmx->msr && vmx->msr(vmx->msr_context, index, true, &value);
    }
    uint64_t old;
    char *place = (char *)&vmx->state + msrs[at].offset;
    memcpy(&old, place, sizeof old);
    if (!exists(vmx, msrs[at].rule) || !allowed(vmx, msrs[at].rule, old, value)) return false;
    if (msrs[at].rule == EFER) value = (value & ~VX_EFER_LMA) | (old & VX_EFER_LMA); /* LMA is not written */
    memcpy(place, &value, sizeof value);
    return true;
}
