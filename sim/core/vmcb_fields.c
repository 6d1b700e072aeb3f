/* The fields of a VMCB: offsets, widths, who moves them, their clean bits (see vx_vmcb_fields.h for the sources).
 *
 * NOT MODELLED: what belongs to encrypted guests (GHCB, VMSA, VMPL, the SEV feature words, RMP bits), shadow stacks
 * (S_CET, SSP, ISST_ADDR), ERAP_CONTROL (05Dh), nested-paging controls beside NP_ENABLE, the 32 bytes for software at
 * 3E0h. Their bytes stay as they are. */
#include "vx_vmcb_fields.h"

#include <string.h>

#define ALWAYS offsetof(vx_cfg_svm, svm)
#define FEATURE(name) offsetof(vx_cfg_svm, name)

static const vx_vmcb_info fields[VX_VMCB_FIELDS] = {
    [VX_VMCB_CR_READ] = {"cr_read", 0x000, 2, VX_VMCB_CONTROL, VX_CLEAN_INTERCEPTS, "15.9", ALWAYS},
    [VX_VMCB_CR_WRITE] = {"cr_write", 0x002, 2, VX_VMCB_CONTROL, VX_CLEAN_INTERCEPTS, "15.9", ALWAYS},
    [VX_VMCB_DR_READ] = {"dr_read", 0x004, 2, VX_VMCB_CONTROL, VX_CLEAN_INTERCEPTS, "15.9", ALWAYS},
    [VX_VMCB_DR_WRITE] = {"dr_write", 0x006, 2, VX_VMCB_CONTROL, VX_CLEAN_INTERCEPTS, "15.9", ALWAYS},
    [VX_VMCB_EXCEPTIONS] = {"exceptions", 0x008, 4, VX_VMCB_CONTROL, VX_CLEAN_INTERCEPTS, "15.12", ALWAYS},
    [VX_VMCB_INTERCEPTS1] = {"intercepts1", 0x00C, 4, VX_VMCB_CONTROL, VX_CLEAN_INTERCEPTS, "15.9", ALWAYS},
    [VX_VMCB_INTERCEPTS2] = {"intercepts2", 0x010, 4, VX_VMCB_CONTROL, VX_CLEAN_INTERCEPTS, "15.9", ALWAYS},
    [VX_VMCB_INTERCEPTS3] = {"intercepts3", 0x014, 4, VX_VMCB_CONTROL, VX_CLEAN_INTERCEPTS, "15.9", ALWAYS},
    [VX_VMCB_PAUSE_FILTER_THRESHOLD] = {"pause_filter_threshold", 0x03C, 2, VX_VMCB_CONTROL, VX_CLEAN_INTERCEPTS,
                                        "15.14.4", FEATURE(pause_threshold)},
    [VX_VMCB_PAUSE_FILTER_COUNT] = {"pause_filter_count", 0x03E, 2, VX_VMCB_CONTROL, VX_CLEAN_INTERCEPTS, "15.14.4",
                                    FEATURE(pause_filter)},
    [VX_VMCB_IOPM_BASE_PA] = {"iopm_base_pa", 0x040, 8, VX_VMCB_CONTROL, VX_CLEAN_IOPM, "15.10", ALWAYS},
    [VX_VMCB_MSRPM_BASE_PA] = {"msrpm_base_pa", 0x048, 8, VX_VMCB_CONTROL, VX_CLEAN_IOPM, "15.11", ALWAYS},
    [VX_VMCB_TSC_OFFSET] = {"tsc_offset", 0x050, 8, VX_VMCB_CONTROL, VX_CLEAN_INTERCEPTS, "Appendix B", ALWAYS},
    [VX_VMCB_GUEST_ASID] = {"guest_asid", 0x058, 4, VX_VMCB_CONTROL, VX_CLEAN_ASID, "15.16", ALWAYS},
    [VX_VMCB_TLB_CONTROL] = {"tlb_control", 0x05C, 1, VX_VMCB_CONTROL, VX_CLEAN_NEVER, "15.16.1", ALWAYS},
    [VX_VMCB_V_INTR] = {"v_intr", 0x060, 4, VX_VMCB_BOTH, VX_CLEAN_TPR, "15.21", ALWAYS},
    [VX_VMCB_V_INTR_VECTOR] = {"v_intr_vector", 0x064, 4, VX_VMCB_CONTROL, VX_CLEAN_TPR, "15.21", ALWAYS},
    [VX_VMCB_INTERRUPT_SHADOW] = {"interrupt_shadow", 0x068, 4, VX_VMCB_BOTH, VX_CLEAN_NEVER, "15.21.5", ALWAYS},
    [VX_VMCB_EXITCODE] = {"exitcode", 0x070, 8, VX_VMCB_EXIT, VX_CLEAN_NEVER, "15.6", ALWAYS},
    [VX_VMCB_EXITINFO1] = {"exitinfo1", 0x078, 8, VX_VMCB_EXIT, VX_CLEAN_NEVER, "15.6", ALWAYS},
    [VX_VMCB_EXITINFO2] = {"exitinfo2", 0x080, 8, VX_VMCB_EXIT, VX_CLEAN_NEVER, "15.6", ALWAYS},
    [VX_VMCB_EXITINTINFO] = {"exitintinfo", 0x088, 4, VX_VMCB_EXIT, VX_CLEAN_NEVER, "15.7.2", ALWAYS},
    [VX_VMCB_EXITINTINFO_ERROR] = {"exitintinfo_error", 0x08C, 4, VX_VMCB_EXIT, VX_CLEAN_NEVER, "15.7.2", ALWAYS},
    [VX_VMCB_NP_CONTROL] = {"np_control", 0x090, 8, VX_VMCB_CONTROL, VX_CLEAN_NP, "15.25.3", ALWAYS},
    [VX_VMCB_AVIC_APIC_BAR] = {"avic_apic_bar", 0x098, 8, VX_VMCB_CONTROL, VX_CLEAN_AVIC, "15.29", FEATURE(avic)},
    [VX_VMCB_EVENTINJ] = {"eventinj", 0x0A8, 4, VX_VMCB_BOTH, VX_CLEAN_NEVER, "15.20", ALWAYS},
    [VX_VMCB_EVENTINJ_ERROR] = {"eventinj_error", 0x0AC, 4, VX_VMCB_CONTROL, VX_CLEAN_NEVER, "15.20", ALWAYS},
    [VX_VMCB_N_CR3] = {"n_cr3", 0x0B0, 8, VX_VMCB_CONTROL, VX_CLEAN_NP, "15.25.3", FEATURE(npt)},
    [VX_VMCB_VIRT_EXT] = {"virt_ext", 0x0B8, 8, VX_VMCB_CONTROL, VX_CLEAN_NEVER, "15.23, 15.33.1", ALWAYS},
    [VX_VMCB_CLEAN] = {"clean", 0x0C0, 4, VX_VMCB_CONTROL, VX_CLEAN_NEVER, "15.15", FEATURE(vmcb_clean)},
    [VX_VMCB_NRIP] = {"nrip", 0x0C8, 8, VX_VMCB_EXIT, VX_CLEAN_NEVER, "15.7.1", FEATURE(nrips)},
    [VX_VMCB_BYTES_FETCHED] = {"bytes_fetched", 0x0D0, 1, VX_VMCB_EXIT, VX_CLEAN_NEVER, "15.8.4",
                               FEATURE(decode_assists)},
    [VX_VMCB_AVIC_BACKING_PAGE] = {"avic_backing_page", 0x0E0, 8, VX_VMCB_CONTROL, VX_CLEAN_AVIC, "15.29",
                                   FEATURE(avic)},
    [VX_VMCB_AVIC_LOGICAL_TABLE] = {"avic_logical_table", 0x0F0, 8, VX_VMCB_CONTROL, VX_CLEAN_AVIC, "15.29",
                                    FEATURE(avic)},
    [VX_VMCB_AVIC_PHYSICAL_TABLE] = {"avic_physical_table", 0x0F8, 8, VX_VMCB_CONTROL, VX_CLEAN_AVIC, "15.29",
                                     FEATURE(avic)},
    [VX_VMCB_BUS_LOCK_COUNTER] = {"bus_lock_counter", 0x120, 2, VX_VMCB_BOTH, VX_CLEAN_NEVER, "Appendix B",
                                  FEATURE(bus_lock_threshold)},
    [VX_VMCB_ES_SELECTOR] = {"es_selector", 0x400, 2, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_ES_ATTRIBUTES] = {"es_attributes", 0x402, 2, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_ES_LIMIT] = {"es_limit", 0x404, 4, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_ES_BASE] = {"es_base", 0x408, 8, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_CS_SELECTOR] = {"cs_selector", 0x410, 2, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_CS_ATTRIBUTES] = {"cs_attributes", 0x412, 2, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_CS_LIMIT] = {"cs_limit", 0x414, 4, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_CS_BASE] = {"cs_base", 0x418, 8, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_SS_SELECTOR] = {"ss_selector", 0x420, 2, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_SS_ATTRIBUTES] = {"ss_attributes", 0x422, 2, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_SS_LIMIT] = {"ss_limit", 0x424, 4, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_SS_BASE] = {"ss_base", 0x428, 8, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_DS_SELECTOR] = {"ds_selector", 0x430, 2, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_DS_ATTRIBUTES] = {"ds_attributes", 0x432, 2, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_DS_LIMIT] = {"ds_limit", 0x434, 4, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_DS_BASE] = {"ds_base", 0x438, 8, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_FS_SELECTOR] = {"fs_selector", 0x440, 2, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_FS_ATTRIBUTES] = {"fs_attributes", 0x442, 2, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_FS_LIMIT] = {"fs_limit", 0x444, 4, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_FS_BASE] = {"fs_base", 0x448, 8, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_GS_SELECTOR] = {"gs_selector", 0x450, 2, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_GS_ATTRIBUTES] = {"gs_attributes", 0x452, 2, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_GS_LIMIT] = {"gs_limit", 0x454, 4, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_GS_BASE] = {"gs_base", 0x458, 8, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_GDTR_LIMIT] = {"gdtr_limit", 0x464, 4, VX_VMCB_STATE, VX_CLEAN_DT, "15.5.1", ALWAYS},
    [VX_VMCB_GDTR_BASE] = {"gdtr_base", 0x468, 8, VX_VMCB_STATE, VX_CLEAN_DT, "15.5.1", ALWAYS},
    [VX_VMCB_LDTR_SELECTOR] = {"ldtr_selector", 0x470, 2, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_LDTR_ATTRIBUTES] = {"ldtr_attributes", 0x472, 2, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_LDTR_LIMIT] = {"ldtr_limit", 0x474, 4, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_LDTR_BASE] = {"ldtr_base", 0x478, 8, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_IDTR_LIMIT] = {"idtr_limit", 0x484, 4, VX_VMCB_STATE, VX_CLEAN_DT, "15.5.1", ALWAYS},
    [VX_VMCB_IDTR_BASE] = {"idtr_base", 0x488, 8, VX_VMCB_STATE, VX_CLEAN_DT, "15.5.1", ALWAYS},
    [VX_VMCB_TR_SELECTOR] = {"tr_selector", 0x490, 2, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_TR_ATTRIBUTES] = {"tr_attributes", 0x492, 2, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_TR_LIMIT] = {"tr_limit", 0x494, 4, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_TR_BASE] = {"tr_base", 0x498, 8, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_CPL] = {"cpl", 0x4CB, 1, VX_VMCB_STATE, VX_CLEAN_SEG, "15.5.1", ALWAYS},
    [VX_VMCB_EFER] = {"efer", 0x4D0, 8, VX_VMCB_STATE, VX_CLEAN_CR, "15.5.1", ALWAYS},
    [VX_VMCB_CR4] = {"cr4", 0x548, 8, VX_VMCB_STATE, VX_CLEAN_CR, "15.5.1", ALWAYS},
    [VX_VMCB_CR3] = {"cr3", 0x550, 8, VX_VMCB_STATE, VX_CLEAN_CR, "15.5.1", ALWAYS},
    [VX_VMCB_CR0] = {"cr0", 0x558, 8, VX_VMCB_STATE, VX_CLEAN_CR, "15.5.1", ALWAYS},
    [VX_VMCB_DR7] = {"dr7", 0x560, 8, VX_VMCB_GUEST, VX_CLEAN_DR, "15.5.1", ALWAYS},
    [VX_VMCB_DR6] = {"dr6", 0x568, 8, VX_VMCB_GUEST, VX_CLEAN_DR, "15.5.1", ALWAYS},
    [VX_VMCB_RFLAGS] = {"rflags", 0x570, 8, VX_VMCB_STATE, VX_CLEAN_NEVER, "15.5.1", ALWAYS},
    [VX_VMCB_RIP] = {"rip", 0x578, 8, VX_VMCB_STATE, VX_CLEAN_NEVER, "15.5.1", ALWAYS},
    [VX_VMCB_RSP] = {"rsp", 0x5D8, 8, VX_VMCB_STATE, VX_CLEAN_NEVER, "15.5.1", ALWAYS},
    [VX_VMCB_RAX] = {"rax", 0x5F8, 8, VX_VMCB_STATE, VX_CLEAN_NEVER, "15.5.1", ALWAYS},
    [VX_VMCB_STAR] = {"star", 0x600, 8, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_LSTAR] = {"lstar", 0x608, 8, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_CSTAR] = {"cstar", 0x610, 8, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_SFMASK] = {"sfmask", 0x618, 8, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_KERNEL_GS_BASE] = {"kernel_gs_base", 0x620, 8, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_SYSENTER_CS] = {"sysenter_cs", 0x628, 8, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_SYSENTER_ESP] = {"sysenter_esp", 0x630, 8, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_SYSENTER_EIP] = {"sysenter_eip", 0x638, 8, VX_VMCB_HIDDEN, VX_CLEAN_NEVER, "15.5.2", ALWAYS},
    [VX_VMCB_CR2] = {"cr2", 0x640, 8, VX_VMCB_GUEST, VX_CLEAN_CR2, "15.5.1", ALWAYS},
    [VX_VMCB_G_PAT] = {"g_pat", 0x668, 8, VX_VMCB_STATE, VX_CLEAN_NP, "15.25.4", FEATURE(npt)},
    [VX_VMCB_DBGCTL] = {"dbgctl", 0x670, 8, VX_VMCB_GUEST, VX_CLEAN_LBR, "15.23", FEATURE(lbr_virtualization)},
    [VX_VMCB_BR_FROM] = {"br_from", 0x678, 8, VX_VMCB_GUEST, VX_CLEAN_LBR, "15.23", FEATURE(lbr_virtualization)},
    [VX_VMCB_BR_TO] = {"br_to", 0x680, 8, VX_VMCB_GUEST, VX_CLEAN_LBR, "15.23", FEATURE(lbr_virtualization)},
    [VX_VMCB_LASTEXCPFROM] = {"lastexcpfrom", 0x688, 8, VX_VMCB_GUEST, VX_CLEAN_LBR, "15.23",
                              FEATURE(lbr_virtualization)},
    [VX_VMCB_LASTEXCPTO] = {"lastexcpto", 0x690, 8, VX_VMCB_GUEST, VX_CLEAN_LBR, "15.23", FEATURE(lbr_virtualization)},
    [VX_VMCB_SPEC_CTRL] = {"spec_ctrl", 0x6E0, 8, VX_VMCB_GUEST, VX_CLEAN_NEVER, "Appendix B", FEATURE(spec_ctrl)},
};

const vx_vmcb_info *vx_vmcb_describe(vx_vmcb_field field) { return &fields[field]; }

vx_vmcb_field vx_vmcb_find(const char *name)
{
    for (unsigned i = 0; i < VX_VMCB_FIELDS; i++)
        if (strcmp(fields[i].name, name) == 0) return (vx_vmcb_field)i;
    return VX_VMCB_FIELDS;
}

bool vx_vmcb_has(const vx_cfg_svm *features, vx_vmcb_field field)
{
    return *(const bool *)((const char *)features + fields[field].feature);
}

uint64_t vx_vmcb_get(const vx_vmcb_image *image, vx_vmcb_field field)
{
    uint64_t value = 0;
    for (unsigned i = fields[field].bytes; i > 0; i--) value = value << 8 | image->bytes[fields[field].offset + i - 1];
    return value;
}

void vx_vmcb_set(vx_vmcb_image *image, vx_vmcb_field field, uint64_t value)
{
    for (unsigned i = 0; i < fields[field].bytes; i++, value >>= 8)
        image->bytes[fields[field].offset + i] = (uint8_t)value;
}

/* No field crosses a multiple of 8. */
static vx_hpa word_of(vx_hpa vmcb, vx_vmcb_field field) { return (vx_hpa){vmcb.v + (fields[field].offset & ~7U)}; }

static unsigned shift_of(vx_vmcb_field field) { return fields[field].offset % 8 * 8; }

static uint64_t mask_of(vx_vmcb_field field) { return UINT64_MAX >> (64 - 8 * fields[field].bytes); }

uint64_t vx_vmcb_read(const vx_physmem *memory, vx_hpa vmcb, vx_vmcb_field field)
{
    return vx_physmem_read64(memory, word_of(vmcb, field)) >> shift_of(field) & mask_of(field);
}

void vx_vmcb_write(vx_physmem *memory, vx_hpa vmcb, vx_vmcb_field field, uint64_t value)
{
    uint64_t word = vx_physmem_read64(memory, word_of(vmcb, field)), mask = mask_of(field) << shift_of(field);
    vx_physmem_write64(memory, word_of(vmcb, field), (word & ~mask) | (value << shift_of(field) & mask));
}

void vx_vmcb_fetch(vx_vmcb_image *image, const vx_physmem *memory, vx_hpa vmcb)
{
    for (unsigned at = 0; at < VX_VMCB_BYTES; at += 8) {
        uint64_t word = vx_physmem_read64(memory, (vx_hpa){vmcb.v + at});
        memcpy(image->bytes + at, &word, 8);
    }
}

void vx_vmcb_store(const vx_vmcb_image *image, vx_physmem *memory, vx_hpa vmcb)
{
    for (unsigned at = 0; at < VX_VMCB_BYTES; at += 8) {
        uint64_t word;
        memcpy(&word, image->bytes + at, 8);
        vx_physmem_write64(memory, (vx_hpa){vmcb.v + at}, word);
    }
}
