/* The insides of vx_svm, shared by the files svm_*.c. */
#ifndef VX_SVM_PRIVATE_H
#define VX_SVM_PRIVATE_H

#include "vcpu_private.h"

#define SVM_RFLAGS_IF (1ULL << 9)
#define SVM_RFLAGS_VM (1ULL << 17)
#define SVM_ATTRIBUTE_L (1U << 9) /* of CS, VMCB format */
#define SVM_ATTRIBUTE_D (1U << 10)
#define SVM_SHADOW 1U /* INTERRUPT_SHADOW */

enum { SVM_UD = 6, SVM_GP = 13, SVM_PF = 14, SVM_SX = 30 };

static inline uint64_t svm_get(const vx_svm *svm, vx_vmcb_field field) { return vx_vmcb_get(&svm->registers, field); }
static inline void svm_set(vx_svm *svm, vx_vmcb_field field, uint64_t value)
{
    vx_vmcb_set(&svm->registers, field, value);
}

/* V_INTR of the VMCB that runs. */
static inline uint32_t svm_v_intr(const vx_svm *svm) { return (uint32_t)vx_vmcb_get(&svm->vmcb, VX_VMCB_V_INTR); }
static inline void svm_set_v_intr(vx_svm *svm, uint32_t value) { vx_vmcb_set(&svm->vmcb, VX_VMCB_V_INTR, value); }

/* Bits of EFER that this processor lets nobody set. */
uint64_t svm_efer_reserved(const vx_cfg_cpu *cpu);
/* CR0, CR4, EFER and PDPEs of a state that #VMEXIT would load. */
bool svm_host_state_illegal(const vx_svm *svm);

/* Does a run of this VMCB swap the field between VMCB and processor? Of CONTROL, EXIT and HIDDEN fields: no. */
bool svm_swaps(const vx_svm *svm, vx_vmcb_field field);
/* ... and is the host's own value kept in the host save area? */
bool svm_keeps_host(const vx_svm *svm, vx_vmcb_field field);

/* VMRUN and VMLOAD make bases canonical. */
uint64_t svm_canonical(const vx_cfg_cpu *cpu, vx_vmcb_field field, uint64_t value);

/* Puts the registers into the MMU. */
void svm_load_mmu(vx_svm *svm);

/* #VMEXIT. `bytes` (may be NULL) are of the instruction that it interrupts; `next` says that nRIP is valid. */
typedef struct svm_exit {
    uint64_t code, info1, info2;
    bool next, data_fault; /* an instruction intercept; a fault of a data access */
    const vx_svm_bytes *bytes;
} svm_exit;
vx_svm_outcome svm_vmexit(vx_svm *svm, const svm_exit *exit);
/* VMRUN fails: the VMCB's EXITCODE says so, the host goes on. */
vx_svm_outcome svm_invalid(vx_svm *svm, unsigned check);

/* The faults that all SVM instructions share, then the intercept of EXITCODE `code` (60h and above) with `info1`.
 * False: *outcome is what came of it. */
bool svm_may_execute(vx_svm *svm, uint32_t code, uint64_t info1, const vx_svm_bytes *bytes, vx_svm_outcome *outcome);
/* Raises an exception: a #VMEXIT where it is intercepted. */
vx_svm_outcome svm_raise(vx_svm *svm, uint8_t vector, bool has_error, uint32_t error_code, uint64_t address,
                         const vx_svm_bytes *bytes);
/* Is the intercept of this EXITCODE (60h and above) set? False in host mode. */
bool svm_intercepted(const vx_svm *svm, uint32_t code);
/* The instruction has executed: RIP behind it, whatever was being delivered has arrived, the shadow is over. */
vx_svm_outcome svm_done(vx_svm *svm, const vx_svm_bytes *bytes);

/* What an instruction does that was not intercepted: svm_effects.c. */
void svm_effect(vx_svm *svm, const vx_record *record, const uint64_t *payload);

#endif
