/* A VMCB's bytes and the controls that exit conditions look at: from one to the other.
 *
 * APM Vol. 2, Appendix B (through Linux asm/svm.h). NOT MODELLED: permission maps that lie partly beyond simulated
 * memory; they read as zero, as an empty bus does. */
#include "vx_svm.h"

static const uint8_t *map_at(const vx_physmem *memory, uint64_t base, uint64_t bytes)
{
    uint64_t at = base & ~(uint64_t)(VX_PAGE_BYTES - 1); /* bits 11:0 are ignored */
    if (!memory || at >= memory->bytes || memory->bytes - at < bytes) return NULL;
    return memory->base + at;
}

/* A field of a feature that the processor lacks is not looked at. */
static uint64_t seen(const vx_vmcb_image *image, const vx_cfg_svm *features, vx_vmcb_field field)
{
    return vx_vmcb_has(features, field) ? vx_vmcb_get(image, field) : 0;
}

void vx_vmcb_decode(vx_vmcb *controls, const vx_vmcb_image *image, const vx_cfg_svm *features, const vx_physmem *memory,
                    uint8_t nested_levels)
{
    *controls = (vx_vmcb){
        .cr_read = (uint16_t)vx_vmcb_get(image, VX_VMCB_CR_READ),
        .cr_write = (uint16_t)vx_vmcb_get(image, VX_VMCB_CR_WRITE),
        .dr_read = (uint16_t)vx_vmcb_get(image, VX_VMCB_DR_READ),
        .dr_write = (uint16_t)vx_vmcb_get(image, VX_VMCB_DR_WRITE),
        .exceptions = (uint32_t)vx_vmcb_get(image, VX_VMCB_EXCEPTIONS),
        .intercepts1 = (uint32_t)vx_vmcb_get(image, VX_VMCB_INTERCEPTS1),
        .intercepts2 = (uint32_t)vx_vmcb_get(image, VX_VMCB_INTERCEPTS2),
        .intercepts3 = (uint32_t)vx_vmcb_get(image, VX_VMCB_INTERCEPTS3),
        .decode_assists = features->decode_assists,
        .io_bitmap = map_at(memory, vx_vmcb_get(image, VX_VMCB_IOPM_BASE_PA), VX_IOPM_BYTES),
        .msr_bitmap = map_at(memory, vx_vmcb_get(image, VX_VMCB_MSRPM_BASE_PA), VX_MSRPM_BYTES),
        .asid = (uint32_t)vx_vmcb_get(image, VX_VMCB_GUEST_ASID),
        .tlb_control = (uint8_t)vx_vmcb_get(image, VX_VMCB_TLB_CONTROL),
        .nested_paging = features->npt && (vx_vmcb_get(image, VX_VMCB_NP_CONTROL) & VX_NP_ENABLE),
        .nested_cr3 = seen(image, features, VX_VMCB_N_CR3),
        .nested_levels = nested_levels,
        .pause_filter_count = (uint16_t)seen(image, features, VX_VMCB_PAUSE_FILTER_COUNT),
        .pause_filter_threshold = (uint16_t)seen(image, features, VX_VMCB_PAUSE_FILTER_THRESHOLD),
    };
}

void vx_vmcb_encode(const vx_vmcb *controls, vx_vmcb_image *image)
{
    uint64_t np_control = vx_vmcb_get(image, VX_VMCB_NP_CONTROL) & ~(uint64_t)VX_NP_ENABLE;
    vx_vmcb_set(image, VX_VMCB_CR_READ, controls->cr_read);
    vx_vmcb_set(image, VX_VMCB_CR_WRITE, controls->cr_write);
    vx_vmcb_set(image, VX_VMCB_DR_READ, controls->dr_read);
    vx_vmcb_set(image, VX_VMCB_DR_WRITE, controls->dr_write);
    vx_vmcb_set(image, VX_VMCB_EXCEPTIONS, controls->exceptions);
    vx_vmcb_set(image, VX_VMCB_INTERCEPTS1, controls->intercepts1);
    vx_vmcb_set(image, VX_VMCB_INTERCEPTS2, controls->intercepts2);
    vx_vmcb_set(image, VX_VMCB_INTERCEPTS3, controls->intercepts3);
    vx_vmcb_set(image, VX_VMCB_GUEST_ASID, controls->asid);
    vx_vmcb_set(image, VX_VMCB_TLB_CONTROL, controls->tlb_control);
    vx_vmcb_set(image, VX_VMCB_NP_CONTROL, np_control | (controls->nested_paging ? VX_NP_ENABLE : 0));
    vx_vmcb_set(image, VX_VMCB_N_CR3, controls->nested_cr3);
    vx_vmcb_set(image, VX_VMCB_PAUSE_FILTER_COUNT, controls->pause_filter_count);
    vx_vmcb_set(image, VX_VMCB_PAUSE_FILTER_THRESHOLD, controls->pause_filter_threshold);
}
