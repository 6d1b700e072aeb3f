/* The MMU once more, slow and obvious: sets are lists in order of use, contexts are compared field by field, rights are
 * rules. It shares no code with sim/mmu but the public types, and must agree with it on every counter. LRU only. */
#ifndef VX_SLOW_MMU_H
#define VX_SLOW_MMU_H

#include "slow_sets.h"
#include "vx_mmu.h"

typedef struct slow_mmu {
    const vx_cfg_cpu *cpu;
    vx_physmem *memory;
    vx_mmu_control now;
    slow_cache tlb[VX_CFG_TLBS][VX_CFG_TLB_ARRAYS];
    slow_cache psc_guest[6], psc_nested[6], walk_cache, ntlb, data[VX_CFG_CACHES];
    vx_mmu_counts counts;
    vx_ledger ledger;
} slow_mmu;

void slow_open(slow_mmu *mmu, const vx_cfg_cpu *cpu, vx_physmem *memory);
void slow_close(slow_mmu *mmu);
vx_mmu_result slow_access(slow_mmu *mmu, uint64_t gva, vx_access access, uint64_t *hpa, vx_mmu_fault *fault);
uint64_t slow_invalidate(slow_mmu *mmu, const vx_mmu_invalidation *given);

#endif
