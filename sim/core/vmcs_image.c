/* A VMCS that every VM-entry check passes: what tests, examples and sample files start from.
 *
 * SDM Vol. 3C 24.4 to 24.8 (the areas); 26.2 and 26.3 (what their values must fulfil). The host runs in 64-bit mode
 * with flat segments, the guest in 64-bit mode at CPL 0. */
#include "vx_vmx_check.h"

#include "vx_control_registers.h"
#include "vx_vmcs.h"

enum {
    RIGHTS_CODE_64 = 0xA09B, /* present, code, accessed, L, G */
    RIGHTS_DATA = 0xC093,
    RIGHTS_TSS = 0x008B,
    RIGHTS_UNUSABLE = 0x10000,
    SELECTOR_CODE = 0x08,
    SELECTOR_DATA = 0x10,
    SELECTOR_TSS = 0x18,
    RFLAGS_FIXED = 2,
    HOST_PAGE_TABLES = 0x1000,
    GUEST_PAGE_TABLES = 0x2000,
    DR7_INITIAL = 0x400
};
#define CR0_PAGED (VX_CR0_PG | VX_CR0_NE | VX_CR0_ET | VX_CR0_PE)
#define PAT_INITIAL 0x0007040600070406ULL

typedef struct setting {
    uint32_t encoding;
    uint64_t value;
} setting;

static const setting settings[] = {
    {VX_VMCS_LINK_POINTER, UINT64_MAX},
    {VX_VMCS_VPID, 1},
    {VX_VMCS_EPT_POINTER, 6 | 3 << 3}, /* write-back, page-walk length 4 */
    {VX_VMCS_TSC_MULTIPLIER, 1ULL << 48},

    {VX_VMCS_HOST_CR0, CR0_PAGED},
    {VX_VMCS_HOST_CR3, HOST_PAGE_TABLES},
    {VX_VMCS_HOST_CR4, VX_CR4_PAE | VX_CR4_VMXE},
    {VX_VMCS_HOST_CS_SELECTOR, SELECTOR_CODE},
    {VX_VMCS_HOST_SS_SELECTOR, SELECTOR_DATA},
    {VX_VMCS_HOST_DS_SELECTOR, SELECTOR_DATA},
    {VX_VMCS_HOST_ES_SELECTOR, SELECTOR_DATA},
    {VX_VMCS_HOST_FS_SELECTOR, SELECTOR_DATA},
    {VX_VMCS_HOST_GS_SELECTOR, SELECTOR_DATA},
    {VX_VMCS_HOST_TR_SELECTOR, SELECTOR_TSS},
    {VX_VMCS_HOST_PAT, PAT_INITIAL},
    {VX_VMCS_HOST_EFER, VX_EFER_LME | VX_EFER_LMA},
    {VX_VMCS_HOST_RSP, 0x8000},
    {VX_VMCS_HOST_RIP, 0x100000},

    {VX_VMCS_GUEST_CR0, CR0_PAGED},
    {VX_VMCS_GUEST_CR3, GUEST_PAGE_TABLES},
    {VX_VMCS_GUEST_CR4, VX_CR4_PAE | VX_CR4_VMXE},
    {VX_VMCS_GUEST_CS_SELECTOR, SELECTOR_CODE},
    {VX_VMCS_GUEST_SS_SELECTOR, SELECTOR_DATA},
    {VX_VMCS_GUEST_DS_SELECTOR, SELECTOR_DATA},
    {VX_VMCS_GUEST_ES_SELECTOR, SELECTOR_DATA},
    {VX_VMCS_GUEST_FS_SELECTOR, SELECTOR_DATA},
    {VX_VMCS_GUEST_GS_SELECTOR, SELECTOR_DATA},
    {VX_VMCS_GUEST_TR_SELECTOR, SELECTOR_TSS},
    {VX_VMCS_GUEST_CS_RIGHTS, RIGHTS_CODE_64},
    {VX_VMCS_GUEST_SS_RIGHTS, RIGHTS_DATA},
    {VX_VMCS_GUEST_DS_RIGHTS, RIGHTS_DATA},
    {VX_VMCS_GUEST_ES_RIGHTS, RIGHTS_DATA},
    {VX_VMCS_GUEST_FS_RIGHTS, RIGHTS_DATA},
    {VX_VMCS_GUEST_GS_RIGHTS, RIGHTS_DATA},
    {VX_VMCS_GUEST_LDTR_RIGHTS, RIGHTS_UNUSABLE},
    {VX_VMCS_GUEST_TR_RIGHTS, RIGHTS_TSS},
    {VX_VMCS_GUEST_CS_LIMIT, UINT32_MAX},
    {VX_VMCS_GUEST_SS_LIMIT, UINT32_MAX},
    {VX_VMCS_GUEST_DS_LIMIT, UINT32_MAX},
    {VX_VMCS_GUEST_ES_LIMIT, UINT32_MAX},
    {VX_VMCS_GUEST_FS_LIMIT, UINT32_MAX},
    {VX_VMCS_GUEST_GS_LIMIT, UINT32_MAX},
    {VX_VMCS_GUEST_TR_LIMIT, 0x67},
    {VX_VMCS_GUEST_GDTR_LIMIT, 0xFFFF},
    {VX_VMCS_GUEST_IDTR_LIMIT, 0xFFFF},
    {VX_VMCS_GUEST_PAT, PAT_INITIAL},
    {VX_VMCS_GUEST_EFER, VX_EFER_LME | VX_EFER_LMA},
    {VX_VMCS_GUEST_DR7, DR7_INITIAL},
    {VX_VMCS_GUEST_RSP, 0x9000},
    {VX_VMCS_GUEST_RIP, 0x200000},
    {VX_VMCS_GUEST_RFLAGS, RFLAGS_FIXED},
};

void vx_vmcs_image_init(vx_vmcs_image *image, const vx_vmx_caps *caps)
{
    *image = (vx_vmcs_image){{0}};
    for (unsigned i = 0; i < sizeof settings / sizeof *settings; i++)
        vx_vmcs_set(image, settings[i].encoding, settings[i].value);
    for (unsigned word = 0; word < VX_WORDS; word++)
        vx_vmcs_set(image, vx_vmx_word_encoding((vx_vmx_word)word), caps->allowed0[word]);
    vx_vmcs_set(image, VX_VMCS_EXIT_CONTROLS, caps->allowed0[VX_WORD_EXIT] | VX_EXIT_CONTROL_HOST_64);
    vx_vmcs_set(image, VX_VMCS_ENTRY_CONTROLS, caps->allowed0[VX_WORD_ENTRY] | VX_ENTRY_CONTROL_IA32E);
}
