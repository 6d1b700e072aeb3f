/* Features of a trace's header that a guest's control registers show. */
#ifndef HEADER_FEATURES_H
#define HEADER_FEATURES_H

#include "vx_control_registers.h"

/* Bits of vx_trace_header.features. */
static inline uint64_t header_features(uint64_t cr4, uint64_t efer)
{
    return (cr4 & VX_CR4_PGE ? 1U : 0) | (cr4 & VX_CR4_PCIDE ? 2U : 0) | (cr4 & VX_CR4_SMEP ? 4U : 0) |
           (cr4 & VX_CR4_SMAP ? 8U : 0) | (efer & VX_EFER_NXE ? 16U : 0);
}

#endif
