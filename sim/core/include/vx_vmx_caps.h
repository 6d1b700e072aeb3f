/* What VMX a processor has: the capability MSRs, derived from its model, and the names of all control bits.
 *
 * SDM Vol. 3D, Appendix A (the MSRs); Vol. 3C 24.6 to 24.8 (the controls). */
#ifndef VX_VMX_CAPS_H
#define VX_VMX_CAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "vx_config.h"

/* The vectors of control bits. */
typedef enum vx_vmx_word {
    VX_WORD_PIN,    /* pin-based VM-execution controls */
    VX_WORD_CPU,    /* primary processor-based VM-execution controls */
    VX_WORD_CPU2,   /* secondary */
    VX_WORD_CPU3,   /* tertiary, 64 bits */
    VX_WORD_EXIT,   /* primary VM-exit controls */
    VX_WORD_EXIT2,  /* secondary, 64 bits */
    VX_WORD_ENTRY,  /* VM-entry controls */
    VX_WORD_VMFUNC, /* VM-function controls, 64 bits */
    VX_WORDS,
    VX_WORD_NONE = VX_WORDS
} vx_vmx_word;

/* One control bit, as the tables of 24.6 to 24.8 list it. */
typedef struct vx_vmx_control {
    vx_vmx_word word;
    uint8_t bit;
    const char *name;
    uint16_t feature; /* offset in vx_cfg_cpu of the flag that brings it */
} vx_vmx_control;

/* All control bits in order; NULL past the last. */
const vx_vmx_control *vx_vmx_control_at(unsigned index);
/* NULL: a reserved bit. */
const vx_vmx_control *vx_vmx_control_of(vx_vmx_word word, unsigned bit);
/* The encoding of the field that holds the word. */
uint32_t vx_vmx_word_encoding(vx_vmx_word word);

typedef struct vx_vmx_caps {
    bool vmx;
    /* Bits that must be 1, bits that may be 1: what VM entry checks (the TRUE MSRs where there are any). */
    uint64_t allowed0[VX_WORDS], allowed1[VX_WORDS];
    uint64_t default1[VX_WORDS]; /* must be 1 as the MSRs without TRUE report it */
    uint64_t basic, misc, cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1, vmcs_enum, ept_vpid;
    unsigned physical_bits, virtual_bits;
    uint64_t efer_bits; /* that are not reserved in IA32_EFER */
    vx_cfg_isa isa;
    bool long_mode, nx;
} vx_vmx_caps;

/* Capability MSRs, by index. */
enum {
    VX_MSR_VMX_BASIC = 0x480,
    VX_MSR_VMX_PINBASED_CTLS = 0x481,
    VX_MSR_VMX_PROCBASED_CTLS = 0x482,
    VX_MSR_VMX_EXIT_CTLS = 0x483,
    VX_MSR_VMX_ENTRY_CTLS = 0x484,
    VX_MSR_VMX_MISC = 0x485,
    VX_MSR_VMX_CR0_FIXED0 = 0x486,
    VX_MSR_VMX_CR0_FIXED1 = 0x487,
    VX_MSR_VMX_CR4_FIXED0 = 0x488,
    VX_MSR_VMX_CR4_FIXED1 = 0x489,
    VX_MSR_VMX_VMCS_ENUM = 0x48A,
    VX_MSR_VMX_PROCBASED_CTLS2 = 0x48B,
    VX_MSR_VMX_EPT_VPID_CAP = 0x48C,
    VX_MSR_VMX_TRUE_PINBASED_CTLS = 0x48D,
    VX_MSR_VMX_TRUE_PROCBASED_CTLS = 0x48E,
    VX_MSR_VMX_TRUE_EXIT_CTLS = 0x48F,
    VX_MSR_VMX_TRUE_ENTRY_CTLS = 0x490,
    VX_MSR_VMX_VMFUNC = 0x491,
    VX_MSR_VMX_PROCBASED_CTLS3 = 0x492,
    VX_MSR_VMX_EXIT_CTLS2 = 0x493,
    VX_MSR_VMX_FIRST = VX_MSR_VMX_BASIC,
    VX_MSR_VMX_LAST = VX_MSR_VMX_EXIT_CTLS2
};

/* Bits of IA32_VMX_EPT_VPID_CAP (Appendix A.10). */
#define VX_EPT_CAP_EXECUTE_ONLY (1ULL << 0)
#define VX_EPT_CAP_4_LEVELS (1ULL << 6)
#define VX_EPT_CAP_5_LEVELS (1ULL << 7)
#define VX_EPT_CAP_UC (1ULL << 8)
#define VX_EPT_CAP_WB (1ULL << 14)
#define VX_EPT_CAP_2M (1ULL << 16)
#define VX_EPT_CAP_1G (1ULL << 17)
#define VX_EPT_CAP_INVEPT (1ULL << 20)
#define VX_EPT_CAP_AD (1ULL << 21)
#define VX_EPT_CAP_ADVANCED_INFORMATION (1ULL << 22)
#define VX_EPT_CAP_SHADOW_STACK (1ULL << 23)
#define VX_EPT_CAP_INVEPT_SINGLE (1ULL << 25)
#define VX_EPT_CAP_INVEPT_ALL (1ULL << 26)
#define VX_VPID_CAP_INVVPID (1ULL << 32)
#define VX_VPID_CAP_TYPE(type) (1ULL << (40 + (type)))

/* Bits of IA32_VMX_BASIC and IA32_VMX_MISC (A.1, A.6). */
#define VX_VMX_BASIC_TRUE_CONTROLS (1ULL << 55)
#define VX_VMX_BASIC_ANY_ERROR_CODE (1ULL << 56)
#define VX_VMX_MISC_STORE_LMA (1ULL << 5)
#define VX_VMX_MISC_PT (1ULL << 14)
#define VX_VMX_MISC_VMWRITE_ANY (1ULL << 29)
#define VX_VMX_MISC_ZERO_LENGTH (1ULL << 30)

/* The revision identifier of all VMCSs here: they have one format. */
enum { VX_VMCS_REVISION = 0x56580001, VX_VMCS_REGION_BYTES = 4096 };

/* Derives the capabilities of a processor. Without VMX (AMD, or cpu.vmx.vmx=no) everything is 0. */
void vx_vmx_caps_init(vx_vmx_caps *caps, const vx_cfg_cpu *cpu);

/* The value that RDMSR returns; false where the processor has no such MSR. */
bool vx_vmx_caps_msr(const vx_vmx_caps *caps, uint32_t index, uint64_t *value);
/* "IA32_VMX_BASIC", ...; NULL for others. */
const char *vx_vmx_msr_name(uint32_t index);
/* The word of controls that this MSR reports on (TRUE or not), or VX_WORD_NONE. */
vx_vmx_word vx_vmx_msr_word(uint32_t index);

#endif
