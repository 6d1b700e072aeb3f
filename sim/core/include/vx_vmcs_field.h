/* The fields of a VMCS: their encodings, names and widths, and an image that holds a value for each.
 *
 * SDM Vol. 3C 24.11.2 (structure of the encodings) and Vol. 3D, Appendix B (the list). Names are the appendix's;
 * section numbers are those where the VMCS is chapter 24 (see vx_vmcs.h). The data of a VMCS region have this
 * simulator's own format, as every processor's have its own (24.2): see vx_vmx.h. */
#ifndef VX_VMCS_FIELD_H
#define VX_VMCS_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vx_vmx_caps.h"

/* Encodings of the whole fields; that of the high half of a 64-bit field is one more. */
typedef enum vx_vmcs_encoding {
    VX_VMCS_VPID = 0x0000,
    VX_VMCS_POSTED_INTERRUPT_VECTOR = 0x0002,
    VX_VMCS_EPTP_INDEX = 0x0004,
    VX_VMCS_HLAT_PREFIX_SIZE = 0x0006,
    VX_VMCS_LAST_PID_POINTER_INDEX = 0x0008,
    VX_VMCS_GUEST_ES_SELECTOR = 0x0800,
    VX_VMCS_GUEST_CS_SELECTOR = 0x0802,
    VX_VMCS_GUEST_SS_SELECTOR = 0x0804,
    VX_VMCS_GUEST_DS_SELECTOR = 0x0806,
    VX_VMCS_GUEST_FS_SELECTOR = 0x0808,
    VX_VMCS_GUEST_GS_SELECTOR = 0x080A,
    VX_VMCS_GUEST_LDTR_SELECTOR = 0x080C,
    VX_VMCS_GUEST_TR_SELECTOR = 0x080E,
    VX_VMCS_GUEST_INTERRUPT_STATUS = 0x0810,
    VX_VMCS_PML_INDEX = 0x0812,
    VX_VMCS_GUEST_UINV = 0x0814,
    VX_VMCS_HOST_ES_SELECTOR = 0x0C00,
    VX_VMCS_HOST_CS_SELECTOR = 0x0C02,
    VX_VMCS_HOST_SS_SELECTOR = 0x0C04,
    VX_VMCS_HOST_DS_SELECTOR = 0x0C06,
    VX_VMCS_HOST_FS_SELECTOR = 0x0C08,
    VX_VMCS_HOST_GS_SELECTOR = 0x0C0A,
    VX_VMCS_HOST_TR_SELECTOR = 0x0C0C,
    VX_VMCS_IO_BITMAP_A = 0x2000,
    VX_VMCS_IO_BITMAP_B = 0x2002,
    VX_VMCS_MSR_BITMAP = 0x2004,
    VX_VMCS_EXIT_MSR_STORE_ADDRESS = 0x2006,
    VX_VMCS_EXIT_MSR_LOAD_ADDRESS = 0x2008,
    VX_VMCS_ENTRY_MSR_LOAD_ADDRESS = 0x200A,
    VX_VMCS_EXECUTIVE_VMCS = 0x200C,
    VX_VMCS_PML_ADDRESS = 0x200E,
    VX_VMCS_TSC_OFFSET = 0x2010,
    VX_VMCS_VIRTUAL_APIC_ADDRESS = 0x2012,
    VX_VMCS_APIC_ACCESS_ADDRESS = 0x2014,
    VX_VMCS_POSTED_INTERRUPT_DESCRIPTOR = 0x2016,
    VX_VMCS_VM_FUNCTION_CONTROLS = 0x2018,
    VX_VMCS_EPT_POINTER = 0x201A,
    VX_VMCS_EOI_EXIT_BITMAP_0 = 0x201C,
    VX_VMCS_EOI_EXIT_BITMAP_1 = 0x201E,
    VX_VMCS_EOI_EXIT_BITMAP_2 = 0x2020,
    VX_VMCS_EOI_EXIT_BITMAP_3 = 0x2022,
    VX_VMCS_EPTP_LIST_ADDRESS = 0x2024,
    VX_VMCS_VMREAD_BITMAP = 0x2026,
    VX_VMCS_VMWRITE_BITMAP = 0x2028,
    VX_VMCS_VE_INFORMATION_ADDRESS = 0x202A,
    VX_VMCS_XSS_EXITING_BITMAP = 0x202C,
    VX_VMCS_ENCLS_EXITING_BITMAP = 0x202E,
    VX_VMCS_SPP_TABLE_POINTER = 0x2030,
    VX_VMCS_TSC_MULTIPLIER = 0x2032,
    VX_VMCS_CPU3_CONTROLS = 0x2034,
    VX_VMCS_ENCLV_EXITING_BITMAP = 0x2036,
    VX_VMCS_LOW_PASID_DIRECTORY = 0x2038,
    VX_VMCS_HIGH_PASID_DIRECTORY = 0x203A,
    VX_VMCS_PCONFIG_EXITING_BITMAP = 0x203E,
    VX_VMCS_HLAT_POINTER = 0x2040,
    VX_VMCS_PID_POINTER_TABLE = 0x2042,
    VX_VMCS_EXIT2_CONTROLS = 0x2044,
    VX_VMCS_SPEC_CTRL_MASK = 0x204A,
    VX_VMCS_SPEC_CTRL_SHADOW = 0x204C,
    VX_VMCS_GUEST_PHYSICAL_ADDRESS = 0x2400,
    VX_VMCS_LINK_POINTER = 0x2800,
    VX_VMCS_GUEST_DEBUGCTL = 0x2802,
    VX_VMCS_GUEST_PAT = 0x2804,
    VX_VMCS_GUEST_EFER = 0x2806,
    VX_VMCS_GUEST_PERF_GLOBAL_CTRL = 0x2808,
    VX_VMCS_GUEST_PDPTE0 = 0x280A,
    VX_VMCS_GUEST_PDPTE1 = 0x280C,
    VX_VMCS_GUEST_PDPTE2 = 0x280E,
    VX_VMCS_GUEST_PDPTE3 = 0x2810,
    VX_VMCS_GUEST_BNDCFGS = 0x2812,
    VX_VMCS_GUEST_RTIT_CTL = 0x2814,
    VX_VMCS_GUEST_LBR_CTL = 0x2816,
    VX_VMCS_GUEST_PKRS = 0x2818,
    VX_VMCS_HOST_PAT = 0x2C00,
    VX_VMCS_HOST_EFER = 0x2C02,
    VX_VMCS_HOST_PERF_GLOBAL_CTRL = 0x2C04,
    VX_VMCS_HOST_PKRS = 0x2C06,
    VX_VMCS_PIN_CONTROLS = 0x4000,
    VX_VMCS_CPU_CONTROLS = 0x4002,
    VX_VMCS_EXCEPTION_BITMAP = 0x4004,
    VX_VMCS_PAGE_FAULT_MASK = 0x4006,
    VX_VMCS_PAGE_FAULT_MATCH = 0x4008,
    VX_VMCS_CR3_TARGET_COUNT = 0x400A,
    VX_VMCS_EXIT_CONTROLS = 0x400C,
    VX_VMCS_EXIT_MSR_STORE_COUNT = 0x400E,
    VX_VMCS_EXIT_MSR_LOAD_COUNT = 0x4010,
    VX_VMCS_ENTRY_CONTROLS = 0x4012,
    VX_VMCS_ENTRY_MSR_LOAD_COUNT = 0x4014,
    VX_VMCS_ENTRY_INTERRUPTION_INFO = 0x4016,
    VX_VMCS_ENTRY_ERROR_CODE = 0x4018,
    VX_VMCS_ENTRY_INSTRUCTION_LENGTH = 0x401A,
    VX_VMCS_TPR_THRESHOLD = 0x401C,
    VX_VMCS_CPU2_CONTROLS = 0x401E,
    VX_VMCS_PLE_GAP = 0x4020,
    VX_VMCS_PLE_WINDOW = 0x4022,
    VX_VMCS_INSTRUCTION_TIMEOUT = 0x4024,
    VX_VMCS_INSTRUCTION_ERROR = 0x4400,
    VX_VMCS_EXIT_REASON = 0x4402,
    VX_VMCS_EXIT_INTERRUPTION_INFO = 0x4404,
    VX_VMCS_EXIT_ERROR_CODE = 0x4406,
    VX_VMCS_IDT_VECTORING_INFO = 0x4408,
    VX_VMCS_IDT_VECTORING_ERROR_CODE = 0x440A,
    VX_VMCS_EXIT_INSTRUCTION_LENGTH = 0x440C,
    VX_VMCS_EXIT_INSTRUCTION_INFO = 0x440E,
    VX_VMCS_GUEST_ES_LIMIT = 0x4800,
    VX_VMCS_GUEST_CS_LIMIT = 0x4802,
    VX_VMCS_GUEST_SS_LIMIT = 0x4804,
    VX_VMCS_GUEST_DS_LIMIT = 0x4806,
    VX_VMCS_GUEST_FS_LIMIT = 0x4808,
    VX_VMCS_GUEST_GS_LIMIT = 0x480A,
    VX_VMCS_GUEST_LDTR_LIMIT = 0x480C,
    VX_VMCS_GUEST_TR_LIMIT = 0x480E,
    VX_VMCS_GUEST_GDTR_LIMIT = 0x4810,
    VX_VMCS_GUEST_IDTR_LIMIT = 0x4812,
    VX_VMCS_GUEST_ES_RIGHTS = 0x4814,
    VX_VMCS_GUEST_CS_RIGHTS = 0x4816,
    VX_VMCS_GUEST_SS_RIGHTS = 0x4818,
    VX_VMCS_GUEST_DS_RIGHTS = 0x481A,
    VX_VMCS_GUEST_FS_RIGHTS = 0x481C,
    VX_VMCS_GUEST_GS_RIGHTS = 0x481E,
    VX_VMCS_GUEST_LDTR_RIGHTS = 0x4820,
    VX_VMCS_GUEST_TR_RIGHTS = 0x4822,
    VX_VMCS_GUEST_INTERRUPTIBILITY = 0x4824,
    VX_VMCS_GUEST_ACTIVITY = 0x4826,
    VX_VMCS_GUEST_SMBASE = 0x4828,
    VX_VMCS_GUEST_SYSENTER_CS = 0x482A,
    VX_VMCS_PREEMPTION_TIMER = 0x482E,
    VX_VMCS_HOST_SYSENTER_CS = 0x4C00,
    VX_VMCS_CR0_MASK = 0x6000,
    VX_VMCS_CR4_MASK = 0x6002,
    VX_VMCS_CR0_SHADOW = 0x6004,
    VX_VMCS_CR4_SHADOW = 0x6006,
    VX_VMCS_CR3_TARGET_0 = 0x6008,
    VX_VMCS_CR3_TARGET_1 = 0x600A,
    VX_VMCS_CR3_TARGET_2 = 0x600C,
    VX_VMCS_CR3_TARGET_3 = 0x600E,
    VX_VMCS_EXIT_QUALIFICATION = 0x6400,
    VX_VMCS_IO_RCX = 0x6402,
    VX_VMCS_IO_RSI = 0x6404,
    VX_VMCS_IO_RDI = 0x6406,
    VX_VMCS_IO_RIP = 0x6408,
    VX_VMCS_GUEST_LINEAR_ADDRESS = 0x640A,
    VX_VMCS_GUEST_CR0 = 0x6800,
    VX_VMCS_GUEST_CR3 = 0x6802,
    VX_VMCS_GUEST_CR4 = 0x6804,
    VX_VMCS_GUEST_ES_BASE = 0x6806,
    VX_VMCS_GUEST_CS_BASE = 0x6808,
    VX_VMCS_GUEST_SS_BASE = 0x680A,
    VX_VMCS_GUEST_DS_BASE = 0x680C,
    VX_VMCS_GUEST_FS_BASE = 0x680E,
    VX_VMCS_GUEST_GS_BASE = 0x6810,
    VX_VMCS_GUEST_LDTR_BASE = 0x6812,
    VX_VMCS_GUEST_TR_BASE = 0x6814,
    VX_VMCS_GUEST_GDTR_BASE = 0x6816,
    VX_VMCS_GUEST_IDTR_BASE = 0x6818,
    VX_VMCS_GUEST_DR7 = 0x681A,
    VX_VMCS_GUEST_RSP = 0x681C,
    VX_VMCS_GUEST_RIP = 0x681E,
    VX_VMCS_GUEST_RFLAGS = 0x6820,
    VX_VMCS_GUEST_PENDING_DEBUG = 0x6822,
    VX_VMCS_GUEST_SYSENTER_ESP = 0x6824,
    VX_VMCS_GUEST_SYSENTER_EIP = 0x6826,
    VX_VMCS_GUEST_S_CET = 0x6828,
    VX_VMCS_GUEST_SSP = 0x682A,
    VX_VMCS_GUEST_SSP_TABLE = 0x682C,
    VX_VMCS_HOST_CR0 = 0x6C00,
    VX_VMCS_HOST_CR3 = 0x6C02,
    VX_VMCS_HOST_CR4 = 0x6C04,
    VX_VMCS_HOST_FS_BASE = 0x6C06,
    VX_VMCS_HOST_GS_BASE = 0x6C08,
    VX_VMCS_HOST_TR_BASE = 0x6C0A,
    VX_VMCS_HOST_GDTR_BASE = 0x6C0C,
    VX_VMCS_HOST_IDTR_BASE = 0x6C0E,
    VX_VMCS_HOST_SYSENTER_ESP = 0x6C10,
    VX_VMCS_HOST_SYSENTER_EIP = 0x6C12,
    VX_VMCS_HOST_RSP = 0x6C14,
    VX_VMCS_HOST_RIP = 0x6C16,
    VX_VMCS_HOST_S_CET = 0x6C18,
    VX_VMCS_HOST_SSP = 0x6C1A,
    VX_VMCS_HOST_SSP_TABLE = 0x6C1C,
} vx_vmcs_encoding;

typedef enum vx_vmcs_width { VX_VMCS_16, VX_VMCS_64, VX_VMCS_32, VX_VMCS_NATURAL } vx_vmcs_width; /* bits 14:13 */
typedef enum vx_vmcs_type {
    VX_VMCS_CONTROL,
    VX_VMCS_INFORMATION,
    VX_VMCS_GUEST,
    VX_VMCS_HOST
} vx_vmcs_type; /* 11:10 */

typedef struct vx_vmcs_field {
    uint16_t encoding;
    vx_vmx_word needs_word; /* the field exists where the processor supports the 1-setting of this control; */
    uint8_t needs_bit;      /* VX_WORD_NONE: always */
    const char *name;       /* Appendix B, without "(full)" */
    const char *section;    /* that describes it */
} vx_vmcs_field;

/* Bits 14:13 and 11:10 of an encoding (SDM Vol. 3C, 24.11.2). */
static inline vx_vmcs_width vx_vmcs_width_of(uint32_t encoding) { return (vx_vmcs_width)(encoding >> 13 & 3); }
static inline vx_vmcs_type vx_vmcs_type_of(uint32_t encoding) { return (vx_vmcs_type)(encoding >> 10 & 3); }
/* Bytes of a field: 2, 4 or 8. Natural width is 8, as all processors here have Intel 64 architecture. */
unsigned vx_vmcs_bytes_of(uint32_t encoding);

/* All fields in order of their encodings; NULL past the last. */
const vx_vmcs_field *vx_vmcs_field_at(unsigned index);
unsigned vx_vmcs_field_count(void);
/* By encoding (of the whole field or of its high half) or by name (letter case counts for nothing; a number such as
 * 0x6800 is an encoding); NULL where there is none. */
const vx_vmcs_field *vx_vmcs_field_of(uint64_t encoding);
const vx_vmcs_field *vx_vmcs_field_named(const char *name);
/* The field nearest in spelling, for messages; NULL where none is near. */
const char *vx_vmcs_field_near(const char *name);
/* Does the processor have this field? */
bool vx_vmcs_field_exists(const vx_vmcs_field *field, const vx_vmx_caps *caps);

/* Values of all fields, each in its own 64 bits; bits beyond a field's width are 0. */
enum { VX_VMCS_SLOTS = 184 };
typedef struct vx_vmcs_image {
    uint64_t slot[VX_VMCS_SLOTS];
} vx_vmcs_image;

/* By the encoding of a whole field that is in the table (anything else is a broken invariant). */
uint64_t vx_vmcs_get(const vx_vmcs_image *image, uint32_t encoding);
/* Cuts the value to the field's width. */
void vx_vmcs_set(vx_vmcs_image *image, uint32_t encoding, uint64_t value);

/* What VMREAD and VMWRITE do with a field in 64-bit mode, or (`wide` false) outside it, SDM 24.11.2. The encoding is
 * one of a field's; the rules on which fields exist and may be written are the instruction's. */
uint64_t vx_vmcs_read(const vx_vmcs_image *image, uint32_t encoding, bool wide);
void vx_vmcs_write(vx_vmcs_image *image, uint32_t encoding, uint64_t value, bool wide);

#endif
