/* The virtual-machine control block as AMD lays it out: one row for each field, and access to it by field.
 *
 * A VMCB is 4 KiB of memory: the control area from offset 000h, the state save area from 400h. Here it is the same
 * bytes at the same offsets, in simulated memory or in a vx_vmcb_image, so that it can be compared with a real one.
 *
 * Source of every offset, width and clean bit: Linux arch/x86/include/asm/svm.h (struct vmcb_control_area,
 * vmcb_save_area), Xen xen/arch/x86/hvm/svm/vmcb.h (struct vmcb_struct, vmcbcleanbits_t) and Bochs cpu/svm.h, which
 * agree and which follow APM Vol. 2, Appendix B. The APM itself was not at hand; its sections are as these sources name
 * them. */
#ifndef VX_VMCB_FIELDS_H
#define VX_VMCB_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vx_config.h"
#include "vx_physmem.h"

enum { VX_VMCB_BYTES = 4096, VX_VMCB_SAVE_AREA = 0x400, VX_VMCB_INSTRUCTION_BYTES_MAX = 15 };

/* In the order of their offsets. */
typedef enum vx_vmcb_field {
    VX_VMCB_CR_READ,
    VX_VMCB_CR_WRITE,
    VX_VMCB_DR_READ,
    VX_VMCB_DR_WRITE,
    VX_VMCB_EXCEPTIONS,
    VX_VMCB_INTERCEPTS1,
    VX_VMCB_INTERCEPTS2,
    VX_VMCB_INTERCEPTS3,
    VX_VMCB_PAUSE_FILTER_THRESHOLD,
    VX_VMCB_PAUSE_FILTER_COUNT,
    VX_VMCB_IOPM_BASE_PA,
    VX_VMCB_MSRPM_BASE_PA,
    VX_VMCB_TSC_OFFSET,
    VX_VMCB_GUEST_ASID,
    VX_VMCB_TLB_CONTROL,
    VX_VMCB_V_INTR,
    VX_VMCB_V_INTR_VECTOR,
    VX_VMCB_INTERRUPT_SHADOW,
    VX_VMCB_EXITCODE,
    VX_VMCB_EXITINFO1,
    VX_VMCB_EXITINFO2,
    VX_VMCB_EXITINTINFO,
    VX_VMCB_EXITINTINFO_ERROR,
    VX_VMCB_NP_CONTROL,
    VX_VMCB_AVIC_APIC_BAR,
    VX_VMCB_EVENTINJ,
    VX_VMCB_EVENTINJ_ERROR,
    VX_VMCB_N_CR3,
    VX_VMCB_VIRT_EXT,
    VX_VMCB_CLEAN,
    VX_VMCB_NRIP,
    VX_VMCB_BYTES_FETCHED,
    VX_VMCB_AVIC_BACKING_PAGE,
    VX_VMCB_AVIC_LOGICAL_TABLE,
    VX_VMCB_AVIC_PHYSICAL_TABLE,
    VX_VMCB_BUS_LOCK_COUNTER,
    /* State save area. Four fields a segment, always in this order. */
    VX_VMCB_SAVE_FIRST,
    VX_VMCB_ES_SELECTOR = VX_VMCB_SAVE_FIRST,
    VX_VMCB_ES_ATTRIBUTES,
    VX_VMCB_ES_LIMIT,
    VX_VMCB_ES_BASE,
    VX_VMCB_CS_SELECTOR,
    VX_VMCB_CS_ATTRIBUTES,
    VX_VMCB_CS_LIMIT,
    VX_VMCB_CS_BASE,
    VX_VMCB_SS_SELECTOR,
    VX_VMCB_SS_ATTRIBUTES,
    VX_VMCB_SS_LIMIT,
    VX_VMCB_SS_BASE,
    VX_VMCB_DS_SELECTOR,
    VX_VMCB_DS_ATTRIBUTES,
    VX_VMCB_DS_LIMIT,
    VX_VMCB_DS_BASE,
    VX_VMCB_FS_SELECTOR,
    VX_VMCB_FS_ATTRIBUTES,
    VX_VMCB_FS_LIMIT,
    VX_VMCB_FS_BASE,
    VX_VMCB_GS_SELECTOR,
    VX_VMCB_GS_ATTRIBUTES,
    VX_VMCB_GS_LIMIT,
    VX_VMCB_GS_BASE,
    VX_VMCB_GDTR_LIMIT,
    VX_VMCB_GDTR_BASE,
    VX_VMCB_LDTR_SELECTOR,
    VX_VMCB_LDTR_ATTRIBUTES,
    VX_VMCB_LDTR_LIMIT,
    VX_VMCB_LDTR_BASE,
    VX_VMCB_IDTR_LIMIT,
    VX_VMCB_IDTR_BASE,
    VX_VMCB_TR_SELECTOR,
    VX_VMCB_TR_ATTRIBUTES,
    VX_VMCB_TR_LIMIT,
    VX_VMCB_TR_BASE,
    VX_VMCB_CPL,
    VX_VMCB_EFER,
    VX_VMCB_CR4,
    VX_VMCB_CR3,
    VX_VMCB_CR0,
    VX_VMCB_DR7,
    VX_VMCB_DR6,
    VX_VMCB_RFLAGS,
    VX_VMCB_RIP,
    VX_VMCB_RSP,
    VX_VMCB_RAX,
    VX_VMCB_STAR,
    VX_VMCB_LSTAR,
    VX_VMCB_CSTAR,
    VX_VMCB_SFMASK,
    VX_VMCB_KERNEL_GS_BASE,
    VX_VMCB_SYSENTER_CS,
    VX_VMCB_SYSENTER_ESP,
    VX_VMCB_SYSENTER_EIP,
    VX_VMCB_CR2,
    VX_VMCB_G_PAT,
    VX_VMCB_DBGCTL,
    VX_VMCB_BR_FROM,
    VX_VMCB_BR_TO,
    VX_VMCB_LASTEXCPFROM,
    VX_VMCB_LASTEXCPTO,
    VX_VMCB_SPEC_CTRL,
    VX_VMCB_FIELDS
} vx_vmcb_field;

/* What moves a field between the VMCB and the processor. */
typedef enum vx_vmcb_role {
    VX_VMCB_CONTROL, /* VMRUN reads it */
    VX_VMCB_BOTH,    /* VMRUN reads it, #VMEXIT writes it back (V_INTR, INTERRUPT_SHADOW, EVENTINJ) */
    VX_VMCB_EXIT,    /* #VMEXIT writes it */
    VX_VMCB_STATE,   /* VMRUN loads it, #VMEXIT saves it; the host's own value is in the host save area meanwhile */
    VX_VMCB_GUEST,   /* as STATE, but nothing keeps the host's (CR2, DR6, DR7 and what LBR virtualization swaps) */
    VX_VMCB_HIDDEN   /* VMLOAD loads it, VMSAVE saves it */
} vx_vmcb_role;

/* Bits of the clean field: what a set bit says has not changed since this processor last ran the VMCB (APM Vol. 2,
 * 15.15; Xen vmcbcleanbits_t). */
typedef enum vx_vmcb_clean {
    VX_CLEAN_INTERCEPTS, /* intercepts, TSC offset, pause filter */
    VX_CLEAN_IOPM,       /* IOPM and MSRPM base */
    VX_CLEAN_ASID,
    VX_CLEAN_TPR, /* V_INTR and its vector */
    VX_CLEAN_NP,  /* nested paging: enable, nCR3, G_PAT */
    VX_CLEAN_CR,  /* CR0, CR3, CR4, EFER */
    VX_CLEAN_DR,  /* DR6, DR7 */
    VX_CLEAN_DT,  /* GDTR, IDTR */
    VX_CLEAN_SEG, /* CS, DS, ES, SS, CPL */
    VX_CLEAN_CR2,
    VX_CLEAN_LBR,
    VX_CLEAN_AVIC,
    VX_CLEAN_GROUPS,
    VX_CLEAN_NEVER = VX_CLEAN_GROUPS /* read from memory at each VMRUN */
} vx_vmcb_clean;

typedef struct vx_vmcb_info {
    const char *name; /* "guest_asid", as JSON and messages spell it */
    uint16_t offset;  /* in the VMCB */
    uint8_t bytes;    /* 1, 2, 4 or 8 */
    uint8_t role;     /* vx_vmcb_role */
    uint8_t clean;    /* vx_vmcb_clean */
    const char *section;
    size_t feature; /* the flag in vx_cfg_svm without which the processor does not look at the field */
} vx_vmcb_info;

/* Never NULL for a field of the enumeration. */
const vx_vmcb_info *vx_vmcb_describe(vx_vmcb_field field);
/* The field of a name, or VX_VMCB_FIELDS. */
vx_vmcb_field vx_vmcb_find(const char *name);
/* Does this processor look at the field? */
bool vx_vmcb_has(const vx_cfg_svm *features, vx_vmcb_field field);

/* A VMCB outside of simulated memory. */
typedef struct vx_vmcb_image {
    uint8_t bytes[VX_VMCB_BYTES];
} vx_vmcb_image;

/* A field's value, zero-extended; `set` takes the low bytes of the value. */
uint64_t vx_vmcb_get(const vx_vmcb_image *image, vx_vmcb_field field);
void vx_vmcb_set(vx_vmcb_image *image, vx_vmcb_field field, uint64_t value);

/* The same in simulated memory; the VMCB at a multiple of 4096. Beyond the memory's end reads are 0, writes are lost.
 */
uint64_t vx_vmcb_read(const vx_physmem *memory, vx_hpa vmcb, vx_vmcb_field field);
void vx_vmcb_write(vx_physmem *memory, vx_hpa vmcb, vx_vmcb_field field, uint64_t value);
/* All 4096 bytes. */
void vx_vmcb_fetch(vx_vmcb_image *image, const vx_physmem *memory, vx_hpa vmcb);
void vx_vmcb_store(const vx_vmcb_image *image, vx_physmem *memory, vx_hpa vmcb);

#endif
