/* The VMX capability MSRs of a processor model.
 *
 * SDM Vol. 3D, Appendix A. A control may be 1 where the model has its feature; the bits of the "default1" class must be
 * 1, but for those that the TRUE MSRs release: CR3-load and CR3-store exiting and the debug controls, as in every
 * processor with these MSRs so far.
 *
 * NOT MODELLED: dual-monitor treatment of SMIs (IA32_VMX_BASIC[49] is 0), processors without Intel 64 architecture,
 * HLAT prefixes (IA32_VMX_EPT_VPID_CAP[53:48] is 0). All processors report the three inactive activity states, 4
 * CR3-target values, lists of 512 MSRs and a VMX-preemption timer at 1/32 of the TSC. */
#include <string.h>

#include "vx_nonroot.h"
#include "vx_vmcs_field.h"
#include "vx_vmx_caps.h"

/* Appendix A.3.1, A.3.2, A.4.1, A.5: what the first processors supported with the 1-setting only. */
static const uint32_t default1_class[VX_WORDS] = {
    [VX_WORD_PIN] = 0x00000016, [VX_WORD_CPU] = 0x0401E172, [VX_WORD_EXIT] = 0x00036DFF, [VX_WORD_ENTRY] = 0x000011FF};
static const uint32_t released[VX_WORDS] = {
    [VX_WORD_CPU] = 1U << 15 | 1U << 16, [VX_WORD_EXIT] = 1U << 2, [VX_WORD_ENTRY] = 1U << 2};

static bool flag(const vx_cfg_cpu *cpu, uint16_t feature)
{
    bool value;
    memcpy(&value, (const char *)cpu + feature, sizeof value);
    return value;
}

static void set_controls(vx_vmx_caps *caps, const vx_cfg_cpu *cpu)
{
    for (unsigned word = 0; word < VX_WORDS; word++) {
        caps->default1[word] = default1_class[word];
        caps->allowed0[word] = default1_class[word] & ~(cpu->vmx.true_controls ? released[word] : 0U);
        caps->allowed1[word] = default1_class[word];
    }
    const vx_vmx_control *control;
    for (unsigned i = 0; (control = vx_vmx_control_at(i)) != NULL; i++)
        if (flag(cpu, control->feature)) caps->allowed1[control->word] |= 1ULL << control->bit;
}

/* A.1: 4 KiB regions in write-back memory; INS and OUTS report instruction information. */
static uint64_t basic_of(const vx_cfg_vmx *has)
{
    return VX_VMCS_REVISION | (uint64_t)VX_VMCS_REGION_BYTES << 32 | 6ULL << 50 | 1ULL << 54 |
           (has->true_controls ? VX_VMX_BASIC_TRUE_CONTROLS : 0) |
           (has->any_error_code ? VX_VMX_BASIC_ANY_ERROR_CODE : 0);
}

/* A.6 */
static uint64_t misc_of(const vx_cfg_vmx *has)
{
    return VX_PREEMPTION_TIMER_RATE | (has->unrestricted_guest ? VX_VMX_MISC_STORE_LMA : 0) | 7 << 6 |
           (has->processor_trace ? VX_VMX_MISC_PT : 0) | 4 << 16 | (has->vmwrite_any ? VX_VMX_MISC_VMWRITE_ANY : 0) |
           (has->zero_length_injection ? VX_VMX_MISC_ZERO_LENGTH : 0);
}

/* A.10 */
static uint64_t ept_vpid_of(const vx_cfg_vmx *has)
{
    uint64_t value = 0;
    if (has->ept)
        value |= VX_EPT_CAP_4_LEVELS | VX_EPT_CAP_UC | VX_EPT_CAP_WB | VX_EPT_CAP_2M | VX_EPT_CAP_INVEPT |
                 VX_EPT_CAP_INVEPT_SINGLE | VX_EPT_CAP_INVEPT_ALL;
    if (has->ept_execute_only) value |= VX_EPT_CAP_EXECUTE_ONLY;
    if (has->ept_5level) value |= VX_EPT_CAP_5_LEVELS;
    if (has->ept_1g) value |= VX_EPT_CAP_1G;
    if (has->ept_ad) value |= VX_EPT_CAP_AD;
    if (has->mode_based_execute) value |= VX_EPT_CAP_ADVANCED_INFORMATION; /* they came together */
    if (has->ept_shadow_stack) value |= VX_EPT_CAP_SHADOW_STACK;
    if (has->invvpid)
        value |=
            VX_VPID_CAP_INVVPID | VX_VPID_CAP_TYPE(0) | VX_VPID_CAP_TYPE(1) | VX_VPID_CAP_TYPE(2) | VX_VPID_CAP_TYPE(3);
    return value;
}

/* Bits of CR4 that the processor lets be 1 (A.8): VME to OSXMMEXCPT and VMXE always. SDM Vol. 3A, 2.5. */
static uint64_t cr4_of(const vx_cfg_cpu *cpu)
{
    const struct {
        bool has;
        uint8_t bit;
    } bits[] = {{cpu->isa.umip, 11},
                {cpu->paging.virtual_bits == 57, 12},
                {cpu->isa.smx, 14},
                {cpu->isa.fsgsbase, 16},
                {cpu->paging.pcid, 17},
                {cpu->isa.xsave, 18},
                {cpu->paging.smep, 20},
                {cpu->paging.smap, 21},
                {cpu->isa.pku, 22},
                {cpu->isa.cet, 23},
                {cpu->isa.pks, 24},
                {cpu->isa.uintr, 25},
                {cpu->vmx.loadiwkey_exiting, 19}};
    uint64_t value = 0x7FF | 1ULL << 13;
    for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++)
        if (bits[i].has) value |= 1ULL << bits[i].bit;
    return value;
}

/* A.9: the highest index (bits 9:1) of any field that there is. */
static uint64_t vmcs_enum_of(const vx_vmx_caps *caps)
{
    uint64_t highest = 0;
    const vx_vmcs_field *field;
    for (unsigned i = 0; (field = vx_vmcs_field_at(i)) != NULL; i++) {
        uint64_t index = field->encoding & 0x3FE;
        if (index > highest && vx_vmcs_field_exists(field, caps)) highest = index;
    }
    return highest;
}

void vx_vmx_caps_init(vx_vmx_caps *caps, const vx_cfg_cpu *cpu)
{
    *caps = (vx_vmx_caps){.vmx = cpu->vmx.vmx && cpu->vendor == VX_VENDOR_INTEL,
                          .physical_bits = cpu->paging.physical_bits,
                          .virtual_bits = cpu->paging.virtual_bits,
                          .isa = cpu->isa,
                          .long_mode = cpu->paging.long_mode,
                          .nx = cpu->paging.nx,
                          .efer_bits = (cpu->paging.long_mode ? 0x501ULL : 0) | (cpu->paging.nx ? 0x800ULL : 0)};
    if (!caps->vmx) return;
    set_controls(caps, cpu);
    caps->basic = basic_of(&cpu->vmx);
    caps->misc = misc_of(&cpu->vmx);
    caps->cr0_fixed0 = 0x80000021; /* PG, NE, PE */
    caps->cr0_fixed1 = 0xFFFFFFFF;
    caps->cr4_fixed0 = 1ULL << 13; /* VMXE */
    caps->cr4_fixed1 = cr4_of(cpu);
    caps->ept_vpid = ept_vpid_of(&cpu->vmx);
    caps->vmcs_enum = vmcs_enum_of(caps);
}

/* ---- as RDMSR shows them ---- */

typedef struct msr_row {
    const char *name;
    vx_vmx_word word; /* of controls, or VX_WORD_NONE */
    bool true_only;
} msr_row;

static const msr_row msrs[VX_MSR_VMX_LAST - VX_MSR_VMX_FIRST + 1] = {
    {"IA32_VMX_BASIC", VX_WORD_NONE, false},
    {"IA32_VMX_PINBASED_CTLS", VX_WORD_PIN, false},
    {"IA32_VMX_PROCBASED_CTLS", VX_WORD_CPU, false},
    {"IA32_VMX_EXIT_CTLS", VX_WORD_EXIT, false},
    {"IA32_VMX_ENTRY_CTLS", VX_WORD_ENTRY, false},
    {"IA32_VMX_MISC", VX_WORD_NONE, false},
    {"IA32_VMX_CR0_FIXED0", VX_WORD_NONE, false},
    {"IA32_VMX_CR0_FIXED1", VX_WORD_NONE, false},
    {"IA32_VMX_CR4_FIXED0", VX_WORD_NONE, false},
    {"IA32_VMX_CR4_FIXED1", VX_WORD_NONE, false},
    {"IA32_VMX_VMCS_ENUM", VX_WORD_NONE, false},
    {"IA32_VMX_PROCBASED_CTLS2", VX_WORD_CPU2, false},
    {"IA32_VMX_EPT_VPID_CAP", VX_WORD_NONE, false},
    {"IA32_VMX_TRUE_PINBASED_CTLS", VX_WORD_PIN, true},
    {"IA32_VMX_TRUE_PROCBASED_CTLS", VX_WORD_CPU, true},
    {"IA32_VMX_TRUE_EXIT_CTLS", VX_WORD_EXIT, true},
    {"IA32_VMX_TRUE_ENTRY_CTLS", VX_WORD_ENTRY, true},
    {"IA32_VMX_VMFUNC", VX_WORD_VMFUNC, false},
    {"IA32_VMX_PROCBASED_CTLS3", VX_WORD_CPU3, false},
    {"IA32_VMX_EXIT_CTLS2", VX_WORD_EXIT2, false},
};

static const msr_row *row_of(uint32_t index)
{
    return index >= VX_MSR_VMX_FIRST && index <= VX_MSR_VMX_LAST ? &msrs[index - VX_MSR_VMX_FIRST] : NULL;
}

const char *vx_vmx_msr_name(uint32_t index)
{
    const msr_row *row = row_of(index);
    return row ? row->name : NULL;
}

vx_vmx_word vx_vmx_msr_word(uint32_t index)
{
    const msr_row *row = row_of(index);
    return row ? row->word : VX_WORD_NONE;
}

static bool control_exists(const vx_vmx_caps *caps, vx_vmx_word word, unsigned bit)
{
    return (caps->allowed1[word] >> bit & 1) != 0;
}

static bool msr_exists(const vx_vmx_caps *caps, uint32_t index)
{
    const msr_row *row = row_of(index);
    if (!caps->vmx || !row) return false;
    if (row->true_only) return (caps->basic & VX_VMX_BASIC_TRUE_CONTROLS) != 0;
    switch (index) {
    case VX_MSR_VMX_PROCBASED_CTLS2:
        return control_exists(caps, VX_WORD_CPU, 31);
    case VX_MSR_VMX_EPT_VPID_CAP:
        return control_exists(caps, VX_WORD_CPU2, 1) || control_exists(caps, VX_WORD_CPU2, 5);
    case VX_MSR_VMX_VMFUNC:
        return control_exists(caps, VX_WORD_CPU2, 13);
    case VX_MSR_VMX_PROCBASED_CTLS3:
        return control_exists(caps, VX_WORD_CPU, 17);
    case VX_MSR_VMX_EXIT_CTLS2:
        return control_exists(caps, VX_WORD_EXIT, 31);
    default:
        return true;
    }
}

bool vx_vmx_caps_msr(const vx_vmx_caps *caps, uint32_t index, uint64_t *value)
{
    if (!msr_exists(caps, index)) return false;
    const msr_row *row = row_of(index);
    switch (index) {
    case VX_MSR_VMX_BASIC:
        *value = caps->basic;
        return true;
    case VX_MSR_VMX_MISC:
        *value = caps->misc;
        return true;
    case VX_MSR_VMX_CR0_FIXED0:
        *value = caps->cr0_fixed0;
        return true;
    case VX_MSR_VMX_CR0_FIXED1:
        *value = caps->cr0_fixed1;
        return true;
    case VX_MSR_VMX_CR4_FIXED0:
        *value = caps->cr4_fixed0;
        return true;
    case VX_MSR_VMX_CR4_FIXED1:
        *value = caps->cr4_fixed1;
        return true;
    case VX_MSR_VMX_VMCS_ENUM:
        *value = caps->vmcs_enum;
        return true;
    case VX_MSR_VMX_EPT_VPID_CAP:
        *value = caps->ept_vpid;
        return true;
    case VX_MSR_VMX_VMFUNC:
    case VX_MSR_VMX_PROCBASED_CTLS3:
    case VX_MSR_VMX_EXIT_CTLS2: /* 64 bits that may be 1 */
        *value = caps->allowed1[row->word];
        return true;
    default: /* low half: must be 1; high half: may be 1 */
        *value = (row->true_only ? caps->allowed0 : caps->default1)[row->word] | caps->allowed1[row->word] << 32;
        return true;
    }
}
