/* Processors and VMCS images for the tests of the VMX state machine. */
#ifndef VMX_WORLD_H
#define VMX_WORLD_H

#include "vx_vmcs.h"
#include "vx_vmx_check.h"

/* A processor with every VMX feature; 40 physical and 57 linear bits. */
vx_cfg_cpu vmx_world_everything(void);

/* One change of an image. */
typedef enum mutation_op { NO_CHANGE, SET, OR, CLEAR } mutation_op;
typedef struct mutation {
    mutation_op op;
    uint32_t encoding;
    uint64_t value;
} mutation;
void vmx_world_apply(vx_vmcs_image *image, const mutation *mutation);

#define S(name, number)                                                                                                \
    {                                                                                                                  \
        SET, VX_VMCS_##name, number                                                                                    \
    }
#define O(name, number)                                                                                                \
    {                                                                                                                  \
        OR, VX_VMCS_##name, number                                                                                     \
    }
#define C(name, number)                                                                                                \
    {                                                                                                                  \
        CLEAR, VX_VMCS_##name, number                                                                                  \
    }

#endif
