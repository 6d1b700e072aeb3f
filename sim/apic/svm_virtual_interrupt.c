/* Virtual TPR and virtual interrupts of the VMCB. See vx_svm_interrupts.h. */
#include "vx_svm_interrupts.h"

bool vx_svm_cr8(const vx_svm_interrupt *i, uint8_t *priority)
{
    if (i->v_intr_masking) *priority = i->v_tpr;
    return i->v_intr_masking;
}

bool vx_svm_set_cr8(vx_svm_interrupt *i, uint8_t priority)
{
    if (i->v_intr_masking) i->v_tpr = priority & 0xF;
    return i->v_intr_masking;
}

bool vx_svm_virtual_interrupt(const vx_svm_interrupt *i, bool interrupts_enabled)
{
    return i->v_irq && interrupts_enabled && (i->v_ign_tpr || i->v_intr_prio > i->v_tpr);
}

uint8_t vx_svm_take_virtual_interrupt(vx_svm_interrupt *i)
{
    i->v_irq = false;
    return i->v_intr_vector;
}
