/* From the fields of a VMCS to the structure that decides exits.
 *
 * SDM Vol. 3C 24.6. Bitmaps are taken where they lie in the simulated memory. */
#include "vmx_private.h"

/* A page (or two that need not be neighbours) of memory; NULL where it is not all there. */
static const uint8_t *page(const vx_physmem *memory, uint64_t at)
{
    return memory && at < memory->bytes && memory->bytes - at >= VX_PAGE_BYTES ? memory->base + at : NULL;
}

void vx_vmcs_decision(vx_vmcs *d, const vx_vmcs_image *image, const vx_physmem *memory)
{
#define GET(name) vx_vmcs_get(image, VX_VMCS_##name)
    *d = (vx_vmcs){
        .pin = (uint32_t)GET(PIN_CONTROLS),
        .cpu = (uint32_t)GET(CPU_CONTROLS),
        .cpu2 = (uint32_t)GET(CPU2_CONTROLS),
        .cpu3 = GET(CPU3_CONTROLS),
        .exit_controls = (uint32_t)GET(EXIT_CONTROLS),
        .exception_bitmap = (uint32_t)GET(EXCEPTION_BITMAP),
        .page_fault_mask = (uint32_t)GET(PAGE_FAULT_MASK),
        .page_fault_match = (uint32_t)GET(PAGE_FAULT_MATCH),
        .cr0_mask = GET(CR0_MASK),
        .cr4_mask = GET(CR4_MASK),
        .cr0_shadow = GET(CR0_SHADOW),
        .cr4_shadow = GET(CR4_SHADOW),
        .cr3_target_count = (uint32_t)GET(CR3_TARGET_COUNT),
        .cr3_target = {GET(CR3_TARGET_0), GET(CR3_TARGET_1), GET(CR3_TARGET_2), GET(CR3_TARGET_3)},
        .eptp = GET(EPT_POINTER),
        .vpid = (uint16_t)GET(VPID),
        .tpr_threshold = (uint32_t)GET(TPR_THRESHOLD),
        .vm_functions = GET(VM_FUNCTION_CONTROLS),
        .tsc_offset = GET(TSC_OFFSET),
        .tsc_multiplier = GET(TSC_MULTIPLIER),
        .ple_gap = (uint32_t)GET(PLE_GAP),
        .ple_window = (uint32_t)GET(PLE_WINDOW),
        .encls_exiting_bitmap = GET(ENCLS_EXITING_BITMAP),
        .enclv_exiting_bitmap = GET(ENCLV_EXITING_BITMAP),
        .pconfig_exiting_bitmap = GET(PCONFIG_EXITING_BITMAP),
        .xss_exiting_bitmap = GET(XSS_EXITING_BITMAP),
        .preemption_timer_value = (uint32_t)GET(PREEMPTION_TIMER),
        .eptp_list_address = GET(EPTP_LIST_ADDRESS),
        .eptp_index = (uint16_t)GET(EPTP_INDEX),
        .ve_information_address = GET(VE_INFORMATION_ADDRESS),
        .pml_address = GET(PML_ADDRESS),
        .pml_index = (uint16_t)GET(PML_INDEX),
        .sppt_pointer = GET(SPP_TABLE_POINTER),
        .pasid_directory_low = GET(LOW_PASID_DIRECTORY),
        .pasid_directory_high = GET(HIGH_PASID_DIRECTORY),
        .spec_ctrl_mask = GET(SPEC_CTRL_MASK),
        .spec_ctrl_shadow = GET(SPEC_CTRL_SHADOW),
        .posted_interrupt_notification_vector = (uint16_t)GET(POSTED_INTERRUPT_VECTOR),
    };
    if (d->cpu & VX_CPU_USE_MSR_BITMAPS) d->msr_bitmap = page(memory, GET(MSR_BITMAP));
    if (vx_vmcs_cpu2(d) & VX_CPU2_VMCS_SHADOWING) {
        d->vmread_bitmap = page(memory, GET(VMREAD_BITMAP));
        d->vmwrite_bitmap = page(memory, GET(VMWRITE_BITMAP));
    }
#undef GET
}
