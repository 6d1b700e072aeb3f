/* VMRUN's consistency checks: each row is one thing that a VMCB must not say, or VMRUN ends in VMEXIT_INVALID.
 *
 * APM Vol. 2, 15.5.1 "Canonicalization and Consistency Checks", as quoted by others and as checked by the programs that
 * each row names; where two of them differ the row says which one it follows. "KUT" is kvm-unit-tests x86/svm_tests.c,
 * whose vectors ran on processors too.
 *
 * NOT MODELLED: an ASID at or above the processor's number of ASIDs (no source says what VMRUN does), checks of
 * encrypted guests, of AVIC's addresses, and of CR4 bits for which a processor model has no flag (UMIP, FSGSBASE,
 * OSXSAVE, PKE, CET: taken as present). Bits of intercept words that name nothing are ignored, as on hardware. */
#include "svm_private.h"

#define CR4_LOW 0x7FFULL /* VME to OSXMMEXCPT */

static uint64_t cr4_reserved(const vx_cfg_cpu *cpu)
{
    uint64_t known = CR4_LOW | VX_CR4_UMIP | VX_CR4_FSGSBASE | VX_CR4_OSXSAVE | VX_CR4_PKE | VX_CR4_CET;
    if (cpu->paging.virtual_bits >= 57) known |= VX_CR4_LA57;
    if (cpu->paging.pcid) known |= VX_CR4_PCIDE;
    if (cpu->paging.smep) known |= VX_CR4_SMEP;
    if (cpu->paging.smap) known |= VX_CR4_SMAP;
    return ~known;
}

uint64_t svm_efer_reserved(const vx_cfg_cpu *cpu)
{
    uint64_t known =
        VX_EFER_SCE | VX_EFER_LME | VX_EFER_LMA | VX_EFER_SVME | VX_EFER_LMSLE | VX_EFER_FFXSR | VX_EFER_TCE;
    return ~(cpu->paging.nx ? known | VX_EFER_NXE : known);
}

static uint64_t get(const vx_svm_entry *e, vx_vmcb_field field) { return vx_vmcb_get(e->vmcb, field); }

static uint64_t beyond_physical(const vx_cfg_cpu *cpu) { return ~((1ULL << cpu->paging.physical_bits) - 1); }

/* Bits 11:0 of a map's address are ignored. */
static bool map_beyond(const vx_svm_entry *e, vx_vmcb_field field, uint64_t bytes)
{
    uint64_t base = get(e, field) & ~(uint64_t)(VX_PAGE_BYTES - 1);
    return base > (1ULL << e->cpu->paging.physical_bits) - bytes;
}

static bool nested(const vx_svm_entry *e) { return e->cpu->svm.npt && (get(e, VX_VMCB_NP_CONTROL) & VX_NP_ENABLE); }

/* ---- controls ---- */

static bool vmrun_not_intercepted(const vx_svm_entry *e) { return !(get(e, VX_VMCB_INTERCEPTS2) & 1); }

static bool host_asid(const vx_svm_entry *e) { return get(e, VX_VMCB_GUEST_ASID) == 0; }

static bool iopm_beyond(const vx_svm_entry *e) { return map_beyond(e, VX_VMCB_IOPM_BASE_PA, VX_IOPM_BYTES); }

static bool msrpm_beyond(const vx_svm_entry *e) { return map_beyond(e, VX_VMCB_MSRPM_BASE_PA, VX_MSRPM_BYTES); }

static bool tlb_control_reserved(const vx_svm_entry *e)
{
    uint64_t control = get(e, VX_VMCB_TLB_CONTROL);
    return control > 1 && !(e->cpu->svm.flush_by_asid && (control == 3 || control == 7));
}

static bool nested_paging_missing(const vx_svm_entry *e)
{
    return !e->cpu->svm.npt && (get(e, VX_VMCB_NP_CONTROL) & VX_NP_ENABLE);
}

static bool nested_without_host_paging(const vx_svm_entry *e) { return nested(e) && !(e->host_cr0 & VX_CR0_PG); }

static bool n_cr3_reserved(const vx_svm_entry *e)
{
    return nested(e) && (get(e, VX_VMCB_N_CR3) & beyond_physical(e->cpu));
}

/* Memory types 2, 3 and above 7 do not exist. */
static bool pat_reserved(const vx_svm_entry *e)
{
    if (!nested(e)) return false;
    for (uint64_t pat = get(e, VX_VMCB_G_PAT), i = 0; i < 8; i++, pat >>= 8)
        if ((pat & 0xFF) > 7 || (pat & 0xFE) == 2) return true;
    return false;
}

static bool vnmi_without_intercept(const vx_svm_entry *e)
{
    return e->cpu->svm.vnmi && (get(e, VX_VMCB_V_INTR) & VX_V_NMI_ENABLE) && !(get(e, VX_VMCB_INTERCEPTS1) & 2);
}

/* ---- event injection, 15.20 ---- */

static uint32_t injected(const vx_svm_entry *e)
{
    uint32_t event = (uint32_t)get(e, VX_VMCB_EVENTINJ);
    return event & VX_EVENT_VALID ? event : 0;
}

static bool event_type_reserved(const vx_svm_entry *e)
{
    uint32_t event = injected(e), type = event & VX_EVENT_TYPE;
    return event && type != VX_EVENT_INTR && type != VX_EVENT_NMI && type != VX_EVENT_EXCEPTION &&
           type != VX_EVENT_SOFTWARE;
}

static bool is_exception(uint32_t event) { return event && (event & VX_EVENT_TYPE) == VX_EVENT_EXCEPTION; }

static bool event_no_exception(const vx_svm_entry *e)
{
    unsigned vector = injected(e) & 0xFF;
    return is_exception(injected(e)) && (vector == 2 || vector > 31);
}

static bool long_mode(const vx_svm_entry *e)
{
    return (get(e, VX_VMCB_EFER) & VX_EFER_LME) && (get(e, VX_VMCB_CR0) & VX_CR0_PG);
}

/* BOUND and INTO do not exist in 64-bit mode. */
static bool event_not_in_64_bit(const vx_svm_entry *e)
{
    unsigned vector = injected(e) & 0xFF;
    bool in_64_bit = long_mode(e) && (get(e, VX_VMCB_CS_ATTRIBUTES) & SVM_ATTRIBUTE_L);
    return is_exception(injected(e)) && in_64_bit && (vector == 4 || vector == 5);
}

static bool event_reserved_bits(const vx_svm_entry *e)
{
    return injected(e) & ~(0xFFU | VX_EVENT_TYPE | VX_EVENT_ERROR | VX_EVENT_VALID);
}

/* ---- guest state ---- */

static bool svme_clear(const vx_svm_entry *e) { return !(get(e, VX_VMCB_EFER) & VX_EFER_SVME); }

static bool efer_reserved(const vx_svm_entry *e) { return get(e, VX_VMCB_EFER) & svm_efer_reserved(e->cpu); }

static bool no_long_mode(const vx_svm_entry *e)
{
    return !e->cpu->paging.long_mode && (get(e, VX_VMCB_EFER) & (VX_EFER_LMA | VX_EFER_LME));
}

static bool long_mode_without_pae(const vx_svm_entry *e) { return long_mode(e) && !(get(e, VX_VMCB_CR4) & VX_CR4_PAE); }

static bool long_mode_without_pe(const vx_svm_entry *e) { return long_mode(e) && !(get(e, VX_VMCB_CR0) & VX_CR0_PE); }

static bool cs_l_and_d(const vx_svm_entry *e)
{
    const uint64_t both = SVM_ATTRIBUTE_L | SVM_ATTRIBUTE_D;
    return long_mode(e) && (get(e, VX_VMCB_CR4) & VX_CR4_PAE) && (get(e, VX_VMCB_CS_ATTRIBUTES) & both) == both;
}

static bool nw_without_cd(const vx_svm_entry *e)
{
    return (get(e, VX_VMCB_CR0) & (VX_CR0_CD | VX_CR0_NW)) == VX_CR0_NW;
}

static bool cr0_upper(const vx_svm_entry *e) { return get(e, VX_VMCB_CR0) >> 32; }

/* In legacy modes the upper half is not loaded, and bits 11:0 that name nothing are reserved, not MBZ: KUT enters with
 * them. */
static bool cr3_mbz(const vx_svm_entry *e) { return long_mode(e) && (get(e, VX_VMCB_CR3) & beyond_physical(e->cpu)); }

static bool cr4_mbz(const vx_svm_entry *e) { return get(e, VX_VMCB_CR4) & cr4_reserved(e->cpu); }

static bool dr6_upper(const vx_svm_entry *e) { return get(e, VX_VMCB_DR6) >> 32; }

static bool dr7_upper(const vx_svm_entry *e) { return get(e, VX_VMCB_DR7) >> 32; }

/* PAE paging without nested paging loads four PDPEs; present ones must not set 8:5, 2:1, 63 or address bits that the
 * processor lacks. */
static bool pdpes_illegal(const vx_cfg_cpu *cpu, const vx_physmem *memory, uint64_t cr3)
{
    uint64_t reserved = beyond_physical(cpu) | 0x1E6;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t pdpe = vx_physmem_read64(memory, (vx_hpa){(cr3 & 0xFFFFFFE0ULL) + 8ULL * i});
        if ((pdpe & 1) && (pdpe & reserved)) return true;
    }
    return false;
}

static bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & VX_CR0_PG) && (cr4 & VX_CR4_PAE) && !(efer & VX_EFER_LME);
}

static bool guest_pdpes(const vx_svm_entry *e)
{
    return e->memory && !nested(e) && pae_paging(get(e, VX_VMCB_CR0), get(e, VX_VMCB_CR4), get(e, VX_VMCB_EFER)) &&
           pdpes_illegal(e->cpu, e->memory, get(e, VX_VMCB_CR3));
}

/* ---- the table ---- */

typedef struct check_row {
    vx_svm_check info;
    bool (*fails)(const vx_svm_entry *e);
} check_row;

#define APM "APM 15.5.1"

/* Controls first, then events, then the state, as QEMU and Bochs go; hardware names no order. */
static const check_row rows[] = {
    {{"VMRUN is not intercepted", VX_VMCB_INTERCEPTS2, APM "; KVM, QEMU, Bochs, Xen"}, vmrun_not_intercepted},
    {{"ASID 0 is the host's", VX_VMCB_GUEST_ASID, "APM 15.16; KVM, QEMU, Bochs, KUT"}, host_asid},
    {{"IOPM reaches beyond physical addresses", VX_VMCB_IOPM_BASE_PA, APM "; KVM, KUT"}, iopm_beyond},
    {{"MSRPM reaches beyond physical addresses", VX_VMCB_MSRPM_BASE_PA, APM "; KVM"}, msrpm_beyond},
    {{"TLB_CONTROL that the processor lacks", VX_VMCB_TLB_CONTROL, "APM 15.16.1; KVM"}, tlb_control_reserved},
    {{"nested paging that the processor lacks", VX_VMCB_NP_CONTROL, "KVM"}, nested_paging_missing},
    {{"nested paging while the host's CR0.PG is 0", VX_VMCB_NP_CONTROL, "APM 15.25.4; Bochs"},
     nested_without_host_paging},
    {{"nCR3 beyond physical addresses", VX_VMCB_N_CR3, "APM 15.25.4; Bochs"}, n_cr3_reserved},
    {{"G_PAT with a reserved memory type", VX_VMCB_G_PAT, "APM 15.25.4; Bochs"}, pat_reserved},
    {{"virtual NMI while NMI is not intercepted", VX_VMCB_V_INTR, "Linux, vNMI patches of 2022"},
     vnmi_without_intercept},
    {{"EVENTINJ of a reserved type", VX_VMCB_EVENTINJ, "APM 15.20; QEMU, Bochs"}, event_type_reserved},
    {{"EVENTINJ of an exception that is none", VX_VMCB_EVENTINJ, "APM 15.20; QEMU, Bochs"}, event_no_exception},
    {{"EVENTINJ of #BR or #OF in 64-bit mode", VX_VMCB_EVENTINJ, "APM 15.20; Bochs"}, event_not_in_64_bit},
    {{"EVENTINJ with reserved bits", VX_VMCB_EVENTINJ, "Xen"}, event_reserved_bits},
    {{"EFER.SVME is 0", VX_VMCB_EFER, APM "; KVM, QEMU, Bochs, Xen, KUT"}, svme_clear},
    {{"EFER with MBZ bits", VX_VMCB_EFER, APM "; KVM, QEMU, Bochs, Xen, KUT"}, efer_reserved},
    {{"EFER.LME or LMA without long mode", VX_VMCB_EFER, APM "; QEMU"}, no_long_mode},
    {{"EFER.LME and CR0.PG without CR4.PAE", VX_VMCB_CR4, APM "; KVM, QEMU, Xen, KUT"}, long_mode_without_pae},
    {{"EFER.LME and CR0.PG without CR0.PE", VX_VMCB_CR0, APM "; KVM, QEMU, Xen, KUT"}, long_mode_without_pe},
    {{"CS.L and CS.D in long mode", VX_VMCB_CS_ATTRIBUTES, APM "; QEMU, Xen, KUT"}, cs_l_and_d},
    {{"CR0.NW without CR0.CD", VX_VMCB_CR0, APM "; KVM, QEMU, Bochs, Xen, KUT"}, nw_without_cd},
    {{"CR0 63:32", VX_VMCB_CR0, APM "; KVM, QEMU, Bochs, Xen, KUT"}, cr0_upper},
    {{"CR3 with MBZ bits", VX_VMCB_CR3, APM "; KVM, KUT"}, cr3_mbz},
    {{"CR4 with MBZ bits", VX_VMCB_CR4, APM "; KVM, QEMU, Bochs, KUT"}, cr4_mbz},
    {{"DR6 63:32", VX_VMCB_DR6, APM "; KVM, QEMU, Bochs, Xen, KUT"}, dr6_upper},
    {{"DR7 63:32", VX_VMCB_DR7, APM "; KVM, QEMU, Bochs, Xen, KUT"}, dr7_upper},
    {{"PDPEs with reserved bits", VX_VMCB_CR3, "KVM, Bochs"}, guest_pdpes},
};

unsigned vx_svm_check_count(void) { return sizeof rows / sizeof *rows; }

const vx_svm_check *vx_svm_check_at(unsigned index) { return index < vx_svm_check_count() ? &rows[index].info : NULL; }

unsigned vx_svm_checks(const vx_svm_entry *entry, unsigned *failed, unsigned room)
{
    unsigned count = 0;
    for (unsigned i = 0; i < vx_svm_check_count(); i++) {
        if (!rows[i].fails(entry)) continue;
        if (count < room) failed[count] = i;
        count++;
    }
    return count;
}

/* "#VMEXIT performs the appropriate subset of these consistency checks on host state" (APM 15.5.1 as quoted): those on
 * registers. */
bool svm_host_state_illegal(const vx_svm *svm)
{
    const vx_svm_entry host = {.cpu = svm->cpu, .vmcb = &svm->registers, .memory = NULL};
    bool (*const subset[])(const vx_svm_entry *) = {svme_clear,    efer_reserved, no_long_mode, long_mode_without_pae,
                                                    nw_without_cd, cr0_upper,     cr3_mbz,      cr4_mbz};
    for (unsigned i = 0; i < sizeof subset / sizeof *subset; i++)
        if (subset[i](&host)) return true;
    uint64_t cr0 = svm_get(svm, VX_VMCB_CR0), cr4 = svm_get(svm, VX_VMCB_CR4), efer = svm_get(svm, VX_VMCB_EFER);
    return pae_paging(cr0, cr4, efer) && pdpes_illegal(svm->cpu, svm->memory, svm_get(svm, VX_VMCB_CR3));
}
