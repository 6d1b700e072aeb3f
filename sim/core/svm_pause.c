/* The pause filter: PAUSE exits only in a loop that spins for long.
 *
 * APM Vol. 2, 15.14.4, as Linux's commit "KVM: SVM: Implement pause loop exit logic in SVM" tells it: VMRUN loads the
 * count into a counter. Each PAUSE decrements it, and exits when it falls below zero. With a threshold the counter is
 * loaded again, and execution goes on, where more cycles than that have passed since the PAUSE before. Bochs (count
 * only) and kvm-unit-tests x86/svm_tests.c (pause_filter_test) agree: with a count of 9 the tenth PAUSE exits.
 *
 * A vCPU spreads the PAUSEs of one counted record over the time before it (vcpu_nonroot.c). */
#include "vx_svm.h"

void vx_svm_pause_load(vx_svm_pause *pause, const vx_vmcb *vmcb)
{
    *pause = (vx_svm_pause){.left = vmcb->pause_filter_count};
}

bool vx_svm_pause_exits(vx_svm_pause *pause, const vx_vmcb *vmcb, vx_tick now)
{
    bool new_loop = pause->seen && vmcb->pause_filter_threshold && now - pause->last > vmcb->pause_filter_threshold;
    pause->seen = true;
    pause->last = now;
    if (new_loop)
        pause->left = vmcb->pause_filter_count;
    else
        pause->left--;
    return pause->left < 0;
}
