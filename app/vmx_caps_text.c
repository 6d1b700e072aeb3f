/* The capability MSRs of a processor, decoded: controls bit by bit, the others field by field.
 *
 * SDM Vol. 3D, Appendix A. */
#include "vmx_caps_text.h"

#include <inttypes.h>

/* ---- controls ---- */

typedef struct setting {
    bool may_be_0, may_be_1;
} setting;

/* What an MSR says of one bit: 32-bit words report both settings, the 64-bit ones only which bits may be 1. */
static setting setting_of(uint32_t index, uint64_t value, unsigned bit)
{
    bool wide = index == VX_MSR_VMX_VMFUNC || index == VX_MSR_VMX_PROCBASED_CTLS3 || index == VX_MSR_VMX_EXIT_CTLS2;
    if (wide) return (setting){true, (value >> bit & 1) != 0};
    return (setting){!(value >> bit & 1), (value >> (32 + bit) & 1) != 0};
}

static const char *setting_word(setting s) { return !s.may_be_0 ? "1" : s.may_be_1 ? "0 or 1" : "0"; }

static void print_controls(uint32_t index, uint64_t value, FILE *out)
{
    const vx_vmx_control *control;
    for (unsigned i = 0; (control = vx_vmx_control_at(i)) != NULL; i++)
        if (control->word == vx_vmx_msr_word(index))
            fprintf(out, "        bit %2u  %-6s  %s\n", control->bit,
                    setting_word(setting_of(index, value, control->bit)), control->name);
}

/* ---- the others ---- */

typedef struct part {
    uint32_t index;
    uint8_t high, low;
    const char *name;
} part;

static const part parts[] = {
    {VX_MSR_VMX_BASIC, 30, 0, "VMCS revision identifier"},
    {VX_MSR_VMX_BASIC, 44, 32, "bytes of a VMCS region"},
    {VX_MSR_VMX_BASIC, 48, 48, "addresses of VMX structures limited to 32 bits"},
    {VX_MSR_VMX_BASIC, 49, 49, "dual-monitor treatment of SMIs"},
    {VX_MSR_VMX_BASIC, 53, 50, "memory type of VMX structures"},
    {VX_MSR_VMX_BASIC, 54, 54, "INS and OUTS report instruction information"},
    {VX_MSR_VMX_BASIC, 55, 55, "TRUE control MSRs"},
    {VX_MSR_VMX_BASIC, 56, 56, "hardware exceptions with or without error code"},
    {VX_MSR_VMX_MISC, 4, 0, "VMX-preemption timer counts when this bit of the TSC changes"},
    {VX_MSR_VMX_MISC, 5, 5, "VM exits store IA32_EFER.LMA into 'IA-32e mode guest'"},
    {VX_MSR_VMX_MISC, 6, 6, "activity state HLT"},
    {VX_MSR_VMX_MISC, 7, 7, "activity state shutdown"},
    {VX_MSR_VMX_MISC, 8, 8, "activity state wait-for-SIPI"},
    {VX_MSR_VMX_MISC, 14, 14, "Intel PT in VMX operation"},
    {VX_MSR_VMX_MISC, 24, 16, "CR3-target values"},
    {VX_MSR_VMX_MISC, 27, 25, "MSR lists hold 512 times one more than this"},
    {VX_MSR_VMX_MISC, 29, 29, "VMWRITE to VM-exit information fields"},
    {VX_MSR_VMX_MISC, 30, 30, "injected software events may have length 0"},
    {VX_MSR_VMX_VMCS_ENUM, 9, 1, "highest index of a VMCS field"},
    {VX_MSR_VMX_EPT_VPID_CAP, 0, 0, "execute-only EPT translations"},
    {VX_MSR_VMX_EPT_VPID_CAP, 6, 6, "EPT page-walk length 4"},
    {VX_MSR_VMX_EPT_VPID_CAP, 7, 7, "EPT page-walk length 5"},
    {VX_MSR_VMX_EPT_VPID_CAP, 8, 8, "EPT paging structures uncacheable"},
    {VX_MSR_VMX_EPT_VPID_CAP, 14, 14, "EPT paging structures write-back"},
    {VX_MSR_VMX_EPT_VPID_CAP, 16, 16, "2 MiB EPT pages"},
    {VX_MSR_VMX_EPT_VPID_CAP, 17, 17, "1 GiB EPT pages"},
    {VX_MSR_VMX_EPT_VPID_CAP, 20, 20, "INVEPT"},
    {VX_MSR_VMX_EPT_VPID_CAP, 21, 21, "accessed and dirty flags for EPT"},
    {VX_MSR_VMX_EPT_VPID_CAP, 22, 22, "advanced VM-exit information for EPT violations"},
    {VX_MSR_VMX_EPT_VPID_CAP, 23, 23, "supervisor shadow-stack control"},
    {VX_MSR_VMX_EPT_VPID_CAP, 25, 25, "INVEPT single-context"},
    {VX_MSR_VMX_EPT_VPID_CAP, 26, 26, "INVEPT all-context"},
    {VX_MSR_VMX_EPT_VPID_CAP, 32, 32, "INVVPID"},
    {VX_MSR_VMX_EPT_VPID_CAP, 40, 40, "INVVPID individual-address"},
    {VX_MSR_VMX_EPT_VPID_CAP, 41, 41, "INVVPID single-context"},
    {VX_MSR_VMX_EPT_VPID_CAP, 42, 42, "INVVPID all-context"},
    {VX_MSR_VMX_EPT_VPID_CAP, 43, 43, "INVVPID single-context, retaining globals"},
};
enum { PARTS = sizeof parts / sizeof *parts };

static uint64_t part_of(const part *p, uint64_t value) { return value >> p->low & ((2ULL << (p->high - p->low)) - 1); }

static void print_parts(uint32_t index, uint64_t value, FILE *out)
{
    for (unsigned i = 0; i < PARTS; i++) {
        const part *p = &parts[i];
        if (p->index != index) continue;
        char bits[16];
        snprintf(bits, sizeof bits, p->high == p->low ? "%u" : "%u:%u", p->high, p->low);
        uint64_t number = part_of(p, value);
        fprintf(out, number > 9999 ? "        bit %-5s 0x%" PRIx64 "  %s\n" : "        bit %-5s %" PRIu64 "  %s\n",
                bits, number, p->name);
    }
}

/* Of a pair of "fixed" MSRs: which bits are fixed to what (A.7, A.8). */
static void print_fixed(const vx_vmx_caps *caps, uint32_t index, FILE *out)
{
    uint64_t must = index == VX_MSR_VMX_CR0_FIXED1 ? caps->cr0_fixed0 : caps->cr4_fixed0;
    uint64_t may = index == VX_MSR_VMX_CR0_FIXED1 ? caps->cr0_fixed1 : caps->cr4_fixed1;
    fprintf(out, "        must be 1: 0x%" PRIx64 "; may be 0 or 1: 0x%" PRIx64 "\n", must, may & ~must);
}

void vmx_caps_print(const vx_vmx_caps *caps, FILE *out)
{
    for (uint32_t index = VX_MSR_VMX_FIRST; index <= VX_MSR_VMX_LAST; index++) {
        uint64_t value;
        if (!vx_vmx_caps_msr(caps, index, &value)) continue;
        fprintf(out, "%XH  %-29s 0x%016" PRIx64 "\n", index, vx_vmx_msr_name(index), value);
        if (vx_vmx_msr_word(index) != VX_WORD_NONE)
            print_controls(index, value, out);
        else if (index == VX_MSR_VMX_CR0_FIXED1 || index == VX_MSR_VMX_CR4_FIXED1)
            print_fixed(caps, index, out);
        else
            print_parts(index, value, out);
    }
}

/* ---- JSON ---- */

static json_t *controls_json(uint32_t index, uint64_t value)
{
    json_t *list = json_array();
    const vx_vmx_control *control;
    for (unsigned i = 0; (control = vx_vmx_control_at(i)) != NULL; i++) {
        if (control->word != vx_vmx_msr_word(index)) continue;
        setting s = setting_of(index, value, control->bit);
        json_array_append_new(list, json_pack("{s:i,s:s,s:b,s:b}", "bit", control->bit, "name", control->name,
                                              "may_be_0", s.may_be_0, "may_be_1", s.may_be_1));
    }
    return list;
}

static json_t *parts_json(uint32_t index, uint64_t value)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < PARTS; i++)
        if (parts[i].index == index)
            json_array_append_new(list,
                                  json_pack("{s:i,s:i,s:s,s:I}", "high", parts[i].high, "low", parts[i].low, "name",
                                            parts[i].name, "value", (json_int_t)part_of(&parts[i], value)));
    return list;
}

json_t *vmx_caps_json(const vx_vmx_caps *caps)
{
    json_t *list = json_array();
    for (uint32_t index = VX_MSR_VMX_FIRST; index <= VX_MSR_VMX_LAST; index++) {
        uint64_t value;
        char text[24];
        if (!vx_vmx_caps_msr(caps, index, &value)) continue;
        snprintf(text, sizeof text, "0x%016" PRIx64, value);
        json_t *msr = json_pack("{s:i,s:s,s:s}", "index", (int)index, "name", vx_vmx_msr_name(index), "value", text);
        bool controls = vx_vmx_msr_word(index) != VX_WORD_NONE;
        json_object_set_new(msr, controls ? "controls" : "parts",
                            controls ? controls_json(index, value) : parts_json(index, value));
        json_array_append_new(list, msr);
    }
    return list;
}
