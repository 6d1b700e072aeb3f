/* What VMRUN drops from the TLB. APM Vol. 2, 15.16.1; values from Linux asm/svm.h (TLB_CONTROL_*). */
#include "vx_svm.h"

void vx_svm_tlb_control(vx_mmu *mmu, uint8_t tlb_control, uint32_t asid)
{
    static const vx_mmu_op by_control[8] = {
        [1] = VX_OP_FLUSH_ALL_ASIDS, [3] = VX_OP_FLUSH_ASID, [7] = VX_OP_FLUSH_ASID_KEEP_GLOBAL};
    if (tlb_control != 1 && tlb_control != 3 && tlb_control != 7) return;
    vx_mmu_invalidate(mmu, &(vx_mmu_invalidation){.op = by_control[tlb_control], .vpid = (uint16_t)asid});
}
