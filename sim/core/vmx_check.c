/* The lists of VM-entry checks in one order, and the predicates that they share.
 *
 * SDM Vol. 3C 26.2 and 26.3.1. The lists themselves: vmx_check_controls.c, vmx_check_host.c, vmx_check_registers.c,
 * vmx_check_segments.c, vmx_check_nonregister.c. MSR loading (26.4) is a process, not a list: vmx_msr_area.c.
 *
 * NOT MODELLED: bits of IA32_PERF_GLOBAL_CTRL by processor; all have four general and three fixed counters. */
#include "vmx_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- predicates ---- */

bool vmx_word_allowed(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    uint64_t value = e->word[check->field], must = e->caps->allowed0[check->field];
    return (value & ~e->caps->allowed1[check->field]) == 0 && (value & must) == must;
}

bool vmx_low_bits_clear(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return (field(e, check->field) & ((1ULL << check->bits) - 1)) == 0;
}

bool vmx_within_width(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return (field(e, check->field) & beyond_width(e)) == 0;
}

bool vmx_is_canonical(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return vx_canonical(field(e, check->field), e->caps->virtual_bits);
}

bool vmx_fits_bits(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return field(e, check->field) >> check->bits == 0;
}

/* Not as strict as canonical: bit N-1 may differ from the identical bits above it. */
bool vmx_fits_linear(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    uint64_t high = field(e, check->field) >> e->caps->virtual_bits;
    return high == 0 || high == UINT64_MAX >> e->caps->virtual_bits;
}

bool vmx_pat_legal(uint64_t pat)
{
    for (unsigned i = 0; i < 8; i++, pat >>= 8)
        if ((pat & 0xFF) > 7 || (pat & 0xFF) == 2 || (pat & 0xFF) == 3) return false;
    return true;
}

bool vmx_perf_global_legal(uint64_t value) { return (value & ~0x70000000FULL) == 0; }

bool vmx_pat_valid(const vx_vmx_entry *e, const vx_vmx_check *check) { return vmx_pat_legal(field(e, check->field)); }

bool vmx_perf_global_valid(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return vmx_perf_global_legal(field(e, check->field));
}

bool vmx_s_cet_reserved(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return bits_clear(field(e, check->field), 9, 6);
}

bool vmx_s_cet_tracker(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return (field(e, check->field) >> 10 & 3) != 3;
}

/* NW and CD are never fixed (26.3.1.1). */
bool vmx_cr0_allowed(const vx_vmx_entry *e, uint64_t cr0, uint64_t free)
{
    free |= VX_CR0_NW | VX_CR0_CD;
    uint64_t must = e->caps->cr0_fixed0 & ~free;
    return (cr0 & must) == must && (cr0 & ~e->caps->cr0_fixed1 & ~(VX_CR0_NW | VX_CR0_CD)) == 0;
}

bool vmx_cr0_fixed(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return vmx_cr0_allowed(e, field(e, check->field), 0);
}

bool vmx_cr4_fixed(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    uint64_t cr4 = field(e, check->field);
    return (cr4 & e->caps->cr4_fixed0) == e->caps->cr4_fixed0 && (cr4 & ~e->caps->cr4_fixed1) == 0;
}

bool vmx_efer_reserved(const vx_vmx_entry *e, const vx_vmx_check *check)
{
    return (field(e, check->field) & ~e->caps->efer_bits) == 0;
}

bool vmx_pdpte_valid(const vx_vmx_caps *caps, uint64_t pdpte)
{
    uint64_t reserved = 0x1E6 | ~((1ULL << caps->physical_bits) - 1); /* bits 2:1, 8:5 and beyond the width */
    return !(pdpte & 1) || (pdpte & reserved) == 0;
}

void vmx_pdptes_read(const vx_physmem *memory, uint64_t cr3, uint64_t pdpte[4])
{
    for (unsigned i = 0; i < 4; i++) pdpte[i] = vx_physmem_read64(memory, (vx_hpa){(cr3 & 0xFFFFFFE0) + 8ULL * i});
}

/* ---- the lists ---- */

static const struct {
    const vx_vmx_check *row;
    const unsigned *count;
} lists[] = {
    {vmx_control_checks, &vmx_control_check_count},         {vmx_host_checks, &vmx_host_check_count},
    {vmx_register_checks, &vmx_register_check_count},       {vmx_segment_checks, &vmx_segment_check_count},
    {vmx_nonregister_checks, &vmx_nonregister_check_count},
};
enum { LISTS = sizeof lists / sizeof *lists };

const vx_vmx_check *vx_vmx_check_at(unsigned index)
{
    for (unsigned i = 0; i < LISTS; i++) {
        if (index < *lists[i].count) return &lists[i].row[index];
        index -= *lists[i].count;
    }
    return NULL;
}

const vx_vmx_check *vx_vmx_check_named(const char *id)
{
    const vx_vmx_check *check;
    for (unsigned i = 0; (check = vx_vmx_check_at(i)) != NULL; i++)
        if (strcmp(check->id, id) == 0) return check;
    return NULL;
}

void vx_vmx_entry_init(vx_vmx_entry *entry)
{
    for (unsigned word = 0; word < VX_WORDS; word++)
        entry->word[word] = field(entry, vx_vmx_word_encoding((vx_vmx_word)word));
    if (!(entry->word[VX_WORD_CPU] & VX_CPU_SECONDARY_CONTROLS)) entry->word[VX_WORD_CPU2] = 0;
    if (!(entry->word[VX_WORD_CPU] & VX_CPU_TERTIARY_CONTROLS)) entry->word[VX_WORD_CPU3] = 0;
    if (!(entry->word[VX_WORD_EXIT] & VX_EXIT_CONTROL_SECONDARY_CONTROLS)) entry->word[VX_WORD_EXIT2] = 0;
    if (!(entry->word[VX_WORD_CPU2] & VX_CPU2_VM_FUNCTIONS)) entry->word[VX_WORD_VMFUNC] = 0;
}

bool vx_vmx_check_holds(const vx_vmx_check *check, const vx_vmx_entry *entry)
{
    if (check->when != VX_WORD_NONE && !has(entry, check->when, check->when_bits)) return true;
    return check->holds(entry, check);
}

const vx_vmx_check *vx_vmx_check_first(const vx_vmx_entry *entry, vx_vmx_outcome from, vx_vmx_outcome to)
{
    const vx_vmx_check *check;
    for (unsigned i = 0; (check = vx_vmx_check_at(i)) != NULL; i++)
        if (check->outcome >= from && check->outcome <= to && !vx_vmx_check_holds(check, entry)) return check;
    return NULL;
}

/* The first bit of a word that the processor does not allow. */
static void explain_word(const vx_vmx_check *check, const vx_vmx_entry *entry, char *text, unsigned room)
{
    vx_vmx_word word = (vx_vmx_word)check->field;
    uint64_t absent = entry->word[word] & ~entry->caps->allowed1[word];
    uint64_t missing = entry->caps->allowed0[word] & ~entry->word[word];
    unsigned bit = (unsigned)__builtin_ctzll(absent ? absent : missing);
    const vx_vmx_control *control = vx_vmx_control_of(word, bit);
    const char *name = control ? control->name : "reserved";
    if (absent)
        snprintf(text, room, "bit %u, '%s': the processor does not have it", bit, name);
    else
        snprintf(text, room, "bit %u, '%s': the processor demands that it is 1", bit, name);
}

void vx_vmx_check_explain(const vx_vmx_check *check, const vx_vmx_entry *entry, char *text, unsigned room)
{
    if (check->holds == vmx_word_allowed) {
        explain_word(check, entry, text, room);
        return;
    }
    uint32_t encoding = check->field;
    if (check >= vmx_segment_checks && check < vmx_segment_checks + vmx_segment_check_count)
        encoding = VX_VMCS_GUEST_ES_RIGHTS + 2 * check->field;
    const vx_vmcs_field *f = encoding >= VX_WORDS ? vx_vmcs_field_of(encoding) : NULL;
    if (f)
        snprintf(text, room, "%s is 0x%" PRIx64, f->name, vx_vmcs_get(entry->vmcs, encoding));
    else if (room)
        text[0] = '\0';
}

/* ---- VM-instruction errors, Table 30-1 ---- */

static const struct {
    const char *text;
    bool reachable;
} errors[] = {
    [1] = {"VMCALL executed in VMX root operation", true},
    [2] = {"VMCLEAR with invalid physical address", true},
    [3] = {"VMCLEAR with VMXON pointer", true},
    [4] = {"VMLAUNCH with non-clear VMCS", true},
    [5] = {"VMRESUME with non-launched VMCS", true},
    [6] = {"VMRESUME after VMXOFF", true},
    [7] = {"VM entry with invalid control field(s)", true},
    [8] = {"VM entry with invalid host-state field(s)", true},
    [9] = {"VMPTRLD with invalid physical address", true},
    [10] = {"VMPTRLD with VMXON pointer", true},
    [11] = {"VMPTRLD with incorrect VMCS revision identifier", true},
    [12] = {"VMREAD/VMWRITE from/to unsupported VMCS component", true},
    [13] = {"VMWRITE to read-only VMCS component", true},
    [15] = {"VMXON executed in VMX root operation", true},
    [16] = {"VM entry with invalid executive-VMCS pointer", false},
    [17] = {"VM entry with non-launched executive VMCS", false},
    [18] = {"VM entry with executive-VMCS pointer not VMXON pointer", false},
    [19] = {"VMCALL with non-clear VMCS", false},
    [20] = {"VMCALL with invalid VM-exit control fields", false},
    [22] = {"VMCALL with incorrect MSEG revision identifier", false},
    [23] = {"VMXOFF under dual-monitor treatment of SMIs and SMM", false},
    [24] = {"VMCALL with invalid SMM-monitor features", false},
    [25] = {"VM entry with invalid VM-execution control fields in executive VMCS", false},
    [26] = {"VM entry with events blocked by MOV SS", true},
    [28] = {"invalid operand to INVEPT/INVVPID", true},
};
enum { ERRORS = sizeof errors / sizeof *errors };

const char *vx_vmx_error_text(unsigned number) { return number < ERRORS ? errors[number].text : NULL; }

bool vx_vmx_error_reachable(unsigned number) { return number < ERRORS && errors[number].reachable; }
