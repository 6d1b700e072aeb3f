/* The model-specific registers of SVM.
 *
 * VM_CR, VM_HSAVE_PA, SVM_KEY: APM Vol. 2, 15.30 and 15.31, bits as in Bochs cpu/svm.cc (Svm_Update_VM_CR_MSR) and KVM
 * svm.c (svm_set_vm_cr, MSR_VM_HSAVE_PA). SVMDIS makes EFER.SVME a reserved bit, may not be set while SVME is, and is
 * locked together with LOCK. TSC_RATIO: 8.32 fixed point (Linux asm/svm.h, SVM_TSC_RATIO_*). */
#include "svm_private.h"

#define MSR_TSC_RATIO 0xC0000104U
#define MSR_VM_CR 0xC0010114U
#define MSR_VM_HSAVE_PA 0xC0010117U
#define MSR_SVM_KEY 0xC0010118U

enum {
    VM_CR_LOCK = 1 << 3,
    VM_CR_SVMDIS = 1 << 4,
    VM_CR_BITS = 0x1F,
};

/* False: #GP. */
static bool write_efer(vx_svm *svm, uint64_t value)
{
    const uint64_t now = svm_get(svm, VX_VMCB_EFER);
    uint64_t reserved = svm_efer_reserved(svm->cpu) | (svm->vm_cr & VM_CR_SVMDIS ? VX_EFER_SVME : 0);
    if (!svm->cpu->svm.svm) reserved |= VX_EFER_SVME;
    if (value & reserved) return false;
    bool paging = svm_get(svm, VX_VMCB_CR0) & VX_CR0_PG;
    if (paging && ((now ^ value) & VX_EFER_LME)) return false;
    svm_set(svm, VX_VMCB_EFER, (value & ~VX_EFER_LMA) | (now & VX_EFER_LMA));
    svm_load_mmu(svm);
    return true;
}

static bool write_vm_cr(vx_svm *svm, uint64_t value)
{
    if (value & ~(uint64_t)VM_CR_BITS) return false;
    if ((value & VM_CR_SVMDIS) && (svm_get(svm, VX_VMCB_EFER) & VX_EFER_SVME)) return false;
    const uint64_t locked = VM_CR_LOCK | VM_CR_SVMDIS;
    if (svm->vm_cr & VM_CR_LOCK) value = (value & ~locked) | (svm->vm_cr & locked);
    if (!svm->cpu->svm.svm_lock) value &= ~(uint64_t)VM_CR_LOCK;
    svm->vm_cr = value;
    return true;
}

static bool write_hsave(vx_svm *svm, uint64_t value)
{
    if ((value & (VX_PAGE_BYTES - 1)) || value >> svm->cpu->paging.physical_bits) return false;
    svm->vm_hsave_pa = value;
    return true;
}

static bool write_key(vx_svm *svm, uint64_t value)
{
    if (!svm->cpu->svm.svm_lock) return false;
    if (svm->key && value == svm->key) svm->vm_cr &= ~(uint64_t)VM_CR_LOCK;
    return true;
}

static bool write_tsc_ratio(vx_svm *svm, uint64_t value)
{
    if (!svm->cpu->svm.tsc_ratio || value >> 40) return false;
    svm->tsc_ratio = value;
    return true;
}

static bool write_msr(vx_svm *svm, uint32_t msr, uint64_t value)
{
    if (msr != VX_MSR_EFER && !svm->cpu->svm.svm) return false;
    switch (msr) {
    case VX_MSR_EFER:
        return write_efer(svm, value);
    case MSR_VM_CR:
        return write_vm_cr(svm, value);
    case MSR_VM_HSAVE_PA:
        return write_hsave(svm, value);
    case MSR_SVM_KEY:
        return write_key(svm, value);
    case MSR_TSC_RATIO:
        return write_tsc_ratio(svm, value);
    default:
        return false;
    }
}

/* The key reads as zero. */
static bool read_msr(const vx_svm *svm, uint32_t msr, uint64_t *value)
{
    if (msr != VX_MSR_EFER && !svm->cpu->svm.svm) return false;
    switch (msr) {
    case VX_MSR_EFER:
        *value = svm_get(svm, VX_VMCB_EFER);
        return true;
    case MSR_VM_CR:
        *value = svm->vm_cr;
        return true;
    case MSR_VM_HSAVE_PA:
        *value = svm->vm_hsave_pa;
        return true;
    case MSR_SVM_KEY:
        *value = 0;
        return svm->cpu->svm.svm_lock;
    case MSR_TSC_RATIO:
        *value = svm->tsc_ratio;
        return svm->cpu->svm.tsc_ratio;
    default:
        return false;
    }
}

/* CPL and intercept. False: *outcome is what came of it. */
static bool may_access(vx_svm *svm, uint32_t msr, vx_record_kind kind, const vx_svm_bytes *bytes,
                       vx_svm_outcome *outcome)
{
    const vx_record record = {.kind = (uint8_t)kind, .addr = msr};
    const vx_exit_context context = {0};
    vx_exit exit;
    if (svm->shutdown)
        *outcome = (vx_svm_outcome){.result = VX_SVM_SHUTDOWN};
    else if (svm_get(svm, VX_VMCB_CPL) != 0)
        *outcome = svm_raise(svm, SVM_GP, true, 0, 0, bytes);
    else if (svm->guest && vx_vmcb_exits(&svm->controls, &context, &record, NULL, &exit))
        *outcome = svm_vmexit(
            svm, &(svm_exit){.code = exit.reason, .info1 = exit.qualification, .next = true, .bytes = bytes});
    else
        return true;
    return false;
}

vx_svm_outcome vx_svm_wrmsr(vx_svm *svm, uint32_t msr, uint64_t value, const vx_svm_bytes *bytes)
{
    vx_svm_outcome outcome;
    if (!may_access(svm, msr, VX_REC_WRMSR, bytes, &outcome)) return outcome;
    return write_msr(svm, msr, value) ? svm_done(svm, bytes) : svm_raise(svm, SVM_GP, true, 0, 0, bytes);
}

vx_svm_outcome vx_svm_rdmsr(vx_svm *svm, uint32_t msr, uint64_t *value, const vx_svm_bytes *bytes)
{
    vx_svm_outcome outcome;
    if (!may_access(svm, msr, VX_REC_RDMSR, bytes, &outcome)) return outcome;
    return read_msr(svm, msr, value) ? svm_done(svm, bytes) : svm_raise(svm, SVM_GP, true, 0, 0, bytes);
}

uint64_t vx_svm_tsc(const vx_svm *svm, uint64_t host_tsc)
{
    if (!svm->guest) return host_tsc;
    uint64_t whole = svm->tsc_ratio >> 32, fraction = svm->tsc_ratio & UINT32_MAX;
    uint64_t scaled = host_tsc * whole + (host_tsc >> 32) * fraction + ((host_tsc & UINT32_MAX) * fraction >> 32);
    return scaled + vx_vmcb_get(&svm->vmcb, VX_VMCB_TSC_OFFSET);
}
