/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which guest instructions the recorder must see, from their bytes alone (SDM Vol. 2, appendix A). Pure: no QEMU. */
#ifndef INSTRUCTION_CLASS_H
#define INSTRUCTION_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum vxr_class {
    VXR_PLAIN,
    VXR_CR_WRITE,
    VXR_CR_READ,
    VXR_DR_WRITE,
    VXR_DR_READ,
    VXR_CLTS,
    VXR_LMSW,
    VXR_INVLPG,
    VXR_INVPCID,
    VXR_DESC_TABLE, /* `detail`: which, as the trace numbers them: SGDT SIDT LGDT LIDT SLDT STR LLDT LTR SMSW */
    VXR_IN,
    VXR_OUT,
    VXR_INS,
    VXR_OUTS,
    VXR_CPUID,
    VXR_HLT,
    VXR_PAUSE,
    VXR_RDTSC,
    VXR_RDTSCP,
    VXR_RDPMC,
    VXR_INVD,
    VXR_WBINVD,
    VXR_MONITOR,
    VXR_MWAIT,
    VXR_XSETBV,
    VXR_CLI,
    VXR_STI,
    VXR_PUSHF,
    VXR_POPF,
    VXR_SWAPGS,
    VXR_RDMSR,
    VXR_WRMSR,
    VXR_INT_N,
    VXR_IRET,
    VXR_SYSCALL,
    VXR_SYSRET,
    VXR_SYSENTER,
    VXR_SYSEXIT,
    VXR_VMCALL,
    VXR_VMMCALL,
    VXR_VMX, /* `detail`: basic exit reason (SDM Vol. 3D, appendix C) */
    VXR_SVM, /* `detail`: low byte of the EXITCODE (APM Vol. 2, appendix C) */
    VXR_CLASSES
} vxr_class;

/* How a data move names its other operand: what a device access read or wrote. */
typedef enum vxr_move { VXR_MOVE_OTHER, VXR_MOVE_REGISTER, VXR_MOVE_HIGH_BYTE, VXR_MOVE_IMMEDIATE } vxr_move;

typedef struct vxr_instruction {
    vxr_class class;
    uint8_t detail;
    uint8_t opcode;         /* the last opcode byte */
    uint8_t operand_bytes;  /* 2, 4 or 8 */
    uint8_t address_bytes;  /* 2, 4 or 8 */
    uint8_t rex, segment;   /* prefixes, 0: none; segment 0x64 FS, 0x65 GS, ... */
    bool repeated;          /* a REP or REPNE prefix before a string instruction */
    bool has_modrm, memory; /* memory: ModRM names memory */
    bool may_store;         /* false where it surely writes no memory */
    bool is_far;            /* CALL, JMP or RET far: the privilege level may change */
    bool reads_descriptor;  /* it loads or looks at a segment: the processor reads a descriptor table for it */
    uint8_t modrm;
    uint8_t modrm_at; /* index of the ModRM byte */
    uint8_t reg, rm;  /* register numbers with their REX bits */
    vxr_move move;
    uint64_t immediate; /* MOVE_IMMEDIATE, INT n's vector, the port of IN and OUT with an immediate */
} vxr_instruction;

/* `bits`: 16, 32 or 64, the code segment's default. 0 < size <= 15 and it is the instruction's true length; bytes
 * that end early make a plain instruction. */
vxr_instruction vxr_classify(const uint8_t *bytes, size_t size, unsigned bits);

/* The linear address of the ModRM memory operand. `gpr`: 16 registers by number; `next`: address of the instruction
 * behind; segment_base: of the segment that applies. */
uint64_t vxr_effective_address(const vxr_instruction *instruction, const uint8_t *bytes, size_t size,
                               const uint64_t *gpr, uint64_t next, uint64_t segment_base);

#endif
