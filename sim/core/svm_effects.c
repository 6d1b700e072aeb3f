/* What an instruction that nothing intercepts does to the registers of vx_svm: control and debug registers, EFER, the
 * interrupt flag and its shadow, the privilege level. Everything else is the trace's.
 *
 * CR8 is V_TPR where V_INTR_MASKING is set; else the local APIC's TPR, and V_TPR follows it (APM Vol. 2, 15.21; KVM
 * svm.c, sync_lapic_to_cr8 reads it back from there). Shadows: STI with IF 0 (APM Vol. 3, STI). */
#include "svm_private.h"

static void write_cr8(vx_svm *svm, uint64_t value)
{
    uint8_t tpr = (uint8_t)(value & VX_V_TPR);
    if (svm->guest) svm_set_v_intr(svm, (svm_v_intr(svm) & ~VX_V_TPR) | tpr);
    if (!svm->guest || !(svm_v_intr(svm) & VX_V_INTR_MASKING)) svm->tpr = tpr;
}

/* LME becomes active with PG. */
static void write_cr0(vx_svm *svm, uint64_t value)
{
    uint64_t efer = svm_get(svm, VX_VMCB_EFER) & ~VX_EFER_LMA;
    if ((efer & VX_EFER_LME) && (value & VX_CR0_PG)) efer |= VX_EFER_LMA;
    svm_set(svm, VX_VMCB_EFER, efer);
    svm_set(svm, VX_VMCB_CR0, value);
}

static void write_cr(vx_svm *svm, unsigned number, uint64_t value)
{
    switch (number) {
    case 0:
        write_cr0(svm, value);
        break;
    case 2:
        svm_set(svm, VX_VMCB_CR2, value);
        break;
    case 3:
        svm_set(svm, VX_VMCB_CR3, value & ~VX_CR3_NO_FLUSH);
        break;
    case 4:
        svm_set(svm, VX_VMCB_CR4, value);
        break;
    case 8:
        write_cr8(svm, value);
        break;
    default:
        break;
    }
    svm_load_mmu(svm);
}

static void set_if(vx_svm *svm, bool on)
{
    uint64_t flags = svm_get(svm, VX_VMCB_RFLAGS);
    svm_set(svm, VX_VMCB_RFLAGS, on ? flags | SVM_RFLAGS_IF : flags & ~SVM_RFLAGS_IF);
}

static void iret(vx_svm *svm)
{
    svm->nmi_blocked = false;
    if (svm->guest && svm->cpu->svm.vnmi) svm_set_v_intr(svm, svm_v_intr(svm) & ~VX_V_NMI_BLOCKING);
}

void svm_effect(vx_svm *svm, const vx_record *record, const uint64_t *payload)
{
    (void)payload;
    switch (record->kind) {
    case VX_REC_CR_WRITE:
        write_cr(svm, record->size, record->addr);
        break;
    case VX_REC_CLTS:
        write_cr(svm, 0, svm_get(svm, VX_VMCB_CR0) & ~VX_CR0_TS);
        break;
    case VX_REC_LMSW:
        write_cr(svm, 0, (svm_get(svm, VX_VMCB_CR0) & ~0xEULL) | (record->addr & 0xF));
        break;
    case VX_REC_EFER_LOAD:
        svm_set(svm, VX_VMCB_EFER, record->addr);
        svm_load_mmu(svm);
        break;
    case VX_REC_DR_WRITE:
        if (record->size == 6 || record->size == 4) svm_set(svm, VX_VMCB_DR6, record->addr);
        if (record->size == 7 || record->size == 5) svm_set(svm, VX_VMCB_DR7, record->addr | 0x400);
        break;
    case VX_REC_CPL:
        svm_set(svm, VX_VMCB_CPL, record->size & 3);
        svm_load_mmu(svm);
        break;
    case VX_REC_CLI:
        set_if(svm, false);
        break;
    case VX_REC_STI:
        set_if(svm, true);
        break;
    case VX_REC_IRET:
        iret(svm);
        break;
    case VX_REC_MONITOR:
        svm->monitor_armed = true;
        break;
    case VX_REC_MWAIT:
        svm->monitor_armed = false;
        break;
    default:
        break;
    }
}
