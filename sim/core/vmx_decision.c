/* Between the fields of a VMCS and the structure that decides exits: one row a member, for both ways.
 *
 * SDM Vol. 3C 24.6. Bitmaps are taken where they lie in the simulated memory. */
#include <stddef.h>
#include <string.h>

#include "vmx_private.h"

#define MEMBER(name) offsetof(vx_vmcs, name), sizeof(((vx_vmcs *)0)->name)

static const struct {
    uint16_t encoding, offset, bytes;
} members[] = {
    {VX_VMCS_PIN_CONTROLS, MEMBER(pin)},
    {VX_VMCS_CPU_CONTROLS, MEMBER(cpu)},
    {VX_VMCS_CPU2_CONTROLS, MEMBER(cpu2)},
    {VX_VMCS_CPU3_CONTROLS, MEMBER(cpu3)},
    {VX_VMCS_EXIT_CONTROLS, MEMBER(exit_controls)},
    {VX_VMCS_EXCEPTION_BITMAP, MEMBER(exception_bitmap)},
    {VX_VMCS_PAGE_FAULT_MASK, MEMBER(page_fault_mask)},
    {VX_VMCS_PAGE_FAULT_MATCH, MEMBER(page_fault_match)},
    {VX_VMCS_CR0_MASK, MEMBER(cr0_mask)},
    {VX_VMCS_CR4_MASK, MEMBER(cr4_mask)},
    {VX_VMCS_CR0_SHADOW, MEMBER(cr0_shadow)},
    {VX_VMCS_CR4_SHADOW, MEMBER(cr4_shadow)},
    {VX_VMCS_CR3_TARGET_COUNT, MEMBER(cr3_target_count)},
    {VX_VMCS_CR3_TARGET_0, MEMBER(cr3_target[0])},
    {VX_VMCS_CR3_TARGET_1, MEMBER(cr3_target[1])},
    {VX_VMCS_CR3_TARGET_2, MEMBER(cr3_target[2])},
    {VX_VMCS_CR3_TARGET_3, MEMBER(cr3_target[3])},
    {VX_VMCS_EPT_POINTER, MEMBER(eptp)},
    {VX_VMCS_VPID, MEMBER(vpid)},
    {VX_VMCS_TPR_THRESHOLD, MEMBER(tpr_threshold)},
    {VX_VMCS_VM_FUNCTION_CONTROLS, MEMBER(vm_functions)},
    {VX_VMCS_TSC_OFFSET, MEMBER(tsc_offset)},
    {VX_VMCS_TSC_MULTIPLIER, MEMBER(tsc_multiplier)},
    {VX_VMCS_PLE_GAP, MEMBER(ple_gap)},
    {VX_VMCS_PLE_WINDOW, MEMBER(ple_window)},
    {VX_VMCS_ENCLS_EXITING_BITMAP, MEMBER(encls_exiting_bitmap)},
    {VX_VMCS_ENCLV_EXITING_BITMAP, MEMBER(enclv_exiting_bitmap)},
    {VX_VMCS_PCONFIG_EXITING_BITMAP, MEMBER(pconfig_exiting_bitmap)},
    {VX_VMCS_XSS_EXITING_BITMAP, MEMBER(xss_exiting_bitmap)},
    {VX_VMCS_PREEMPTION_TIMER, MEMBER(preemption_timer_value)},
    {VX_VMCS_EPTP_LIST_ADDRESS, MEMBER(eptp_list_address)},
    {VX_VMCS_EPTP_INDEX, MEMBER(eptp_index)},
    {VX_VMCS_VE_INFORMATION_ADDRESS, MEMBER(ve_information_address)},
    {VX_VMCS_PML_ADDRESS, MEMBER(pml_address)},
    {VX_VMCS_PML_INDEX, MEMBER(pml_index)},
    {VX_VMCS_SPP_TABLE_POINTER, MEMBER(sppt_pointer)},
    {VX_VMCS_LOW_PASID_DIRECTORY, MEMBER(pasid_directory_low)},
    {VX_VMCS_HIGH_PASID_DIRECTORY, MEMBER(pasid_directory_high)},
    {VX_VMCS_SPEC_CTRL_MASK, MEMBER(spec_ctrl_mask)},
    {VX_VMCS_SPEC_CTRL_SHADOW, MEMBER(spec_ctrl_shadow)},
    {VX_VMCS_POSTED_INTERRUPT_VECTOR, MEMBER(posted_interrupt_notification_vector)},
};
enum { MEMBERS = sizeof members / sizeof *members };

/* A page of memory; NULL where it is not all there. */
static const uint8_t *page(const vx_physmem *memory, uint64_t at)
{
    return memory && at < memory->bytes && memory->bytes - at >= VX_PAGE_BYTES ? memory->base + at : NULL;
}

void vx_vmcs_decision(vx_vmcs *decision, const vx_vmcs_image *image, const vx_physmem *memory)
{
    *decision = (vx_vmcs){0};
    for (unsigned i = 0; i < MEMBERS; i++) {
        uint64_t value = vx_vmcs_get(image, members[i].encoding);
        memcpy((char *)decision + members[i].offset, &value, members[i].bytes); /* little endian, as x86 is */
    }
    if (decision->cpu & VX_CPU_USE_MSR_BITMAPS)
        decision->msr_bitmap = page(memory, vx_vmcs_get(image, VX_VMCS_MSR_BITMAP));
    if (vx_vmcs_cpu2(decision) & VX_CPU2_VMCS_SHADOWING) {
        decision->vmread_bitmap = page(memory, vx_vmcs_get(image, VX_VMCS_VMREAD_BITMAP));
        decision->vmwrite_bitmap = page(memory, vx_vmcs_get(image, VX_VMCS_VMWRITE_BITMAP));
    }
}

void vx_vmcs_image_decide(vx_vmcs_image *image, const vx_vmcs *decision)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        uint64_t value = 0;
        memcpy(&value, (const char *)decision + members[i].offset, members[i].bytes);
        vx_vmcs_set(image, members[i].encoding, value);
    }
}
