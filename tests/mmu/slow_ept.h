/* A slow and obvious EPT: one translation of a guest-physical or linear address, written from SDM Vol. 3C chapter 28
 * and Vol. 3A chapter 4 with bit numbers, without caches of any kind. 4-level guest tables. */
#ifndef VX_SLOW_EPT_H
#define VX_SLOW_EPT_H

#include "vx_config.h"
#include "vx_mmu.h"
#include "vx_physmem.h"

typedef struct slow_ept {
    vx_physmem *memory;
    const vx_cfg_cpu *cpu;
    vx_mmu_control control; /* pml_index points to `pml` */
    uint16_t pml;
    bool shadow_stack; /* of the access in progress */
} slow_ept;

typedef struct slow_outcome {
    vx_mmu_result result;
    uint64_t hpa;
    uint64_t gpa, qualification; /* where it is a fault of the second dimension */
    bool convertible;
    uint32_t error_code; /* PAGE_FAULT */
} slow_outcome;

/* Sets A and D flags and writes the page-modification log, as the processor does. */
slow_outcome slow_ept_gpa(slow_ept *ept, uint64_t gpa, vx_access access);
slow_outcome slow_ept_linear(slow_ept *ept, uint64_t gva, vx_access access);

#endif
