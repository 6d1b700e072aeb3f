/* Bits of the control registers and of IA32_EFER (SDM Vol. 3A, 2.5 and 2.2.1), and the paging mode that they select. */
#ifndef VX_CONTROL_REGISTERS_H
#define VX_CONTROL_REGISTERS_H

#include <stdint.h>

#include "vx_paging.h"

#define VX_CR0_PE (1ULL << 0)
#define VX_CR0_MP (1ULL << 1)
#define VX_CR0_EM (1ULL << 2)
#define VX_CR0_TS (1ULL << 3)
#define VX_CR0_ET (1ULL << 4)
#define VX_CR0_NE (1ULL << 5)
#define VX_CR0_WP (1ULL << 16)
#define VX_CR0_NW (1ULL << 29)
#define VX_CR0_CD (1ULL << 30)
#define VX_CR0_PG (1ULL << 31)

#define VX_CR3_NO_FLUSH (1ULL << 63) /* MOV to CR3 with CR4.PCIDE: keep cached translations */

#define VX_CR4_TSD (1ULL << 2)
#define VX_CR4_PSE (1ULL << 4)
#define VX_CR4_PAE (1ULL << 5)
#define VX_CR4_PGE (1ULL << 7)
#define VX_CR4_PCE (1ULL << 8)
#define VX_CR4_UMIP (1ULL << 11)
#define VX_CR4_LA57 (1ULL << 12)
#define VX_CR4_VMXE (1ULL << 13)
#define VX_CR4_SMXE (1ULL << 14)
#define VX_CR4_FSGSBASE (1ULL << 16)
#define VX_CR4_PCIDE (1ULL << 17)
#define VX_CR4_OSXSAVE (1ULL << 18)
#define VX_CR4_KL (1ULL << 19)
#define VX_CR4_SMEP (1ULL << 20)
#define VX_CR4_SMAP (1ULL << 21)
#define VX_CR4_PKE (1ULL << 22)
#define VX_CR4_CET (1ULL << 23)

#define VX_EFER_SCE (1ULL << 0)
#define VX_EFER_LME (1ULL << 8)
#define VX_EFER_LMA (1ULL << 10)
#define VX_EFER_NXE (1ULL << 11)
#define VX_EFER_SVME (1ULL << 12) /* this and the next: AMD's (APM Vol. 2, 3.1.7) */
#define VX_EFER_LMSLE (1ULL << 13)
#define VX_EFER_FFXSR (1ULL << 14)
#define VX_EFER_TCE (1ULL << 15)

/* SDM Vol. 3A, 4.1.1. */
static inline vx_paging_mode vx_paging_mode_of(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    if (!(cr0 & VX_CR0_PG)) return VX_PAGING_NONE;
    if (!(cr4 & VX_CR4_PAE)) return VX_PAGING_32BIT;
    if (!(efer & (VX_EFER_LMA | VX_EFER_LME))) return VX_PAGING_PAE;
    return cr4 & VX_CR4_LA57 ? VX_PAGING_5LEVEL : VX_PAGING_4LEVEL;
}

#endif
