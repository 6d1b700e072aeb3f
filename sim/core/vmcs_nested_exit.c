/* EPT violations, misconfigurations, page-modification log full, sub-page events: their exits, and virtualization
 * exceptions. Manual sections and what is not modelled: vx_nested_exit.h. */
#include "vx_nested_exit.h"

#include "vmcs_rules.h"
#include "vx_control_registers.h"
#include "vx_exception.h"

enum { VE_REASON = 0, VE_BUSY = 4, VE_QUALIFICATION = 8, VE_LINEAR = 16, VE_PHYSICAL = 24 };
enum { VE_EPTP_INDEX = 32, QUALIFICATION_LINEAR = 1 << 7, QUALIFICATION_NMI = 1 << 12 };

static vx_exit exit_of(const vx_vmcs *vmcs, const vx_exit_context *context, vx_mmu_result result,
                       const vx_mmu_fault *fault)
{
    static const uint32_t reasons[] = {[VX_MMU_NESTED_FAULT] = VX_EXIT_EPT_VIOLATION,
                                       [VX_MMU_EPT_MISCONFIG] = VX_EXIT_EPT_MISCONFIG,
                                       [VX_MMU_PML_FULL] = VX_EXIT_PML_FULL,
                                       [VX_MMU_SPP_EVENT] = VX_EXIT_SPP_EVENT};
    vx_exit exit = {.reason = reasons[result], .qualification = fault->qualification};
    bool tells_nmi = result != VX_MMU_EPT_MISCONFIG; /* 27.2.3 */
    if (tells_nmi && vmcs_nmi_unblocking(vmcs, context)) exit.qualification |= QUALIFICATION_NMI;
    bool linear = result == VX_MMU_SPP_EVENT || (fault->qualification & QUALIFICATION_LINEAR);
    if (linear) exit.linear.v = vmcs_linear(context, fault->gva.v);
    if (result != VX_MMU_PML_FULL) exit.physical = fault->gpa;
    vmcs_describe_delivery(context, &exit);
    if (context->bus_locked && (vx_vmcs_cpu2(vmcs) & VX_CPU2_BUS_LOCK_DETECTION))
        exit.reason_flags = VX_EXIT_FLAG_BUS_LOCK;
    return exit;
}

/* 25.5.7.1: the control, the entry's bit 63, protected mode, no event in delivery, and the area not busy. */
static bool becomes_ve(const vx_vmcs *vmcs, const vx_exit_context *context, const vx_physmem *memory,
                       vx_mmu_result result, const vx_mmu_fault *fault)
{
    bool converts = (vx_vmcs_cpu2(vmcs) & VX_CPU2_EPT_VIOLATION_VE) && result == VX_MMU_NESTED_FAULT &&
                    fault->convertible && (context->cr0 & VX_CR0_PE) && !(context->delivering & VX_INTERRUPTION_VALID);
    return converts && vx_physmem_read32(memory, (vx_hpa){vmcs->ve_information_address + VE_BUSY}) == 0;
}

/* Table 25-1. */
static void write_area(const vx_vmcs *vmcs, vx_physmem *memory, const vx_exit *exit)
{
    uint64_t at = vmcs->ve_information_address;
    vx_physmem_write32(memory, (vx_hpa){at + VE_REASON}, exit->reason);
    vx_physmem_write32(memory, (vx_hpa){at + VE_BUSY}, UINT32_MAX);
    vx_physmem_write64(memory, (vx_hpa){at + VE_QUALIFICATION}, exit->qualification);
    vx_physmem_write64(memory, (vx_hpa){at + VE_LINEAR}, exit->linear.v);
    vx_physmem_write64(memory, (vx_hpa){at + VE_PHYSICAL}, exit->physical.v);
    uint32_t beside = vx_physmem_read32(memory, (vx_hpa){at + VE_EPTP_INDEX}) & 0xFFFF0000; /* the field has 16 bits */
    vx_physmem_write32(memory, (vx_hpa){at + VE_EPTP_INDEX}, beside | vmcs->eptp_index);
}

vx_outcome vx_vmcs_nested_exit(const vx_vmcs *vmcs, const vx_exit_context *context, vx_physmem *memory,
                               vx_mmu_result result, const vx_mmu_fault *fault, vx_exit *exit)
{
    vx_exit found = exit_of(vmcs, context, result, fault);
    if (!becomes_ve(vmcs, context, memory, result, fault)) {
        *exit = found;
        return VX_OUTCOME_EXIT;
    }
    write_area(vmcs, memory, &found);
    const vx_guest_event event = {.kind = VX_EVENT_EXCEPTION, .which = VX_VECTOR_VE};
    if (vx_vmcs_decide(vmcs, context, &event, exit) == VX_OUTCOME_EXIT) return VX_OUTCOME_EXIT;
    *exit = (vx_exit){.interruption = VX_INTERRUPTION_VALID | VX_INTERRUPTION_HARDWARE | VX_VECTOR_VE};
    return VX_OUTCOME_FAULT;
}
