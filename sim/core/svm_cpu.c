/* The logical processor of vx_svm: its life, its registers, and how they become the MMU's control state. */
#include "svm_private.h"

#include <string.h>

void vx_svm_init(vx_svm *svm, const vx_svm_setup *setup)
{
    memset(svm, 0, sizeof *svm);
    svm->cpu = setup->cpu;
    svm->memory = setup->memory;
    svm->mmu = setup->mmu;
    svm->key = setup->key;
    svm->gif = true;
    svm->tsc_ratio = 1ULL << 32;
    svm_set(svm, VX_VMCB_CR0, VX_CR0_PE | VX_CR0_PG);
    svm_set(svm, VX_VMCB_CR4, VX_CR4_PAE);
    svm_set(svm, VX_VMCB_EFER, VX_EFER_LME | VX_EFER_LMA);
    svm_set(svm, VX_VMCB_DR6, 0xFFFF0FF0);
    svm_set(svm, VX_VMCB_DR7, 0x400);
    svm_set(svm, VX_VMCB_RFLAGS, 2);
    svm_set(svm, VX_VMCB_G_PAT, 0x0007040600070406ULL);
    svm_load_mmu(svm);
}

uint64_t vx_svm_register(const vx_svm *svm, vx_vmcb_field field) { return svm_get(svm, field); }

void vx_svm_set_register(vx_svm *svm, vx_vmcb_field field, uint64_t value)
{
    svm_set(svm, field, value);
    svm_load_mmu(svm);
}

void svm_load_mmu(vx_svm *svm)
{
    if (!svm->mmu) return;
    const vx_registers registers = {.cr0 = svm_get(svm, VX_VMCB_CR0),
                                    .cr3 = svm_get(svm, VX_VMCB_CR3),
                                    .cr4 = svm_get(svm, VX_VMCB_CR4),
                                    .efer = svm_get(svm, VX_VMCB_EFER),
                                    .cpl = (uint8_t)svm_get(svm, VX_VMCB_CPL)};
    vx_mmu_control control;
    vcpu_control(&registers, NULL, svm->guest ? &svm->controls : NULL, &control);
    /* PAE without nested paging walks from latched PDPEs. */
    for (unsigned i = 0; control.paging == VX_PAGING_PAE && control.nested == VX_NESTED_NONE && i < 4; i++)
        control.pdpte[i] = vx_physmem_read64(svm->memory, (vx_hpa){(registers.cr3 & 0xFFFFFFE0ULL) + 8ULL * i});
    vx_mmu_load(svm->mmu, &control);
}

/* A page fault is the guest's or the host's own; a nested fault is the VMM's. */
vx_svm_outcome vx_svm_access(vx_svm *svm, vx_gva gva, vx_access access, vx_hpa *hpa, const vx_svm_bytes *bytes)
{
    if (svm->shutdown) return (vx_svm_outcome){.result = VX_SVM_SHUTDOWN};
    vx_mmu_translation translation = {.hpa = {gva.v}};
    vx_mmu_fault fault;
    vx_mmu_result result = svm->mmu ? vx_mmu_access(svm->mmu, gva, access, &translation, &fault) : VX_MMU_DONE;
    if (result == VX_MMU_DONE) {
        *hpa = translation.hpa;
        return (vx_svm_outcome){.result = VX_SVM_DONE};
    }
    if (result == VX_MMU_PAGE_FAULT) return svm_raise(svm, SVM_PF, true, fault.error_code, gva.v, bytes);
    return svm_vmexit(svm, &(svm_exit){.code = VX_SVM_EXIT_NPF,
                                       .info1 = fault.qualification,
                                       .info2 = fault.gpa.v,
                                       .data_fault = access != VX_ACCESS_FETCH,
                                       .bytes = bytes});
}
