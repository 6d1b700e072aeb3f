/* Rules between the values of a hypervisor model. */
#include "model_state.h"

#include <string.h>

vx_status vx_check_vmm(const vx_model *model, vx_msg *msg)
{
    const vx_cfg_vmm *vmm = &model->config.vmm;
    bool ept = (vmm->schemes >> VX_SCHEME_EPT & 1) != 0;
    if (vmm->ept_ad && !ept)
        return vx_check_fail(model, &vmm->ept_ad, msg, "vmm.memory.ept_ad needs ept in vmm.memory.schemes");
    if (vmm->apicv && !vmm->flexpriority)
        return vx_check_fail(model, &vmm->apicv, msg, "vmm.apic.apicv needs vmm.apic.flexpriority (the TPR shadow)");
    if (vmm->nested_page == VX_PAGE_4M)
        return vx_check_fail(model, &vmm->nested_page, msg,
                             "vmm.nested_page is 4k, 2m or 1g: EPT and NPT have no 4m pages");
    const uint32_t *windows[] = {&vmm->nested_prefetch, &vmm->shadow.prefetch};
    for (unsigned i = 0; i < sizeof windows / sizeof *windows; i++)
        if (*windows[i] & (*windows[i] - 1))
            return vx_check_fail(model, windows[i], msg, "a prefetch window is a power of two");
    /* Row 0 serves the reasons that have none of their own. */
    if (vmm->handler_count == 0 || strcmp(vmm->handler[0].reason, "default") != 0)
        return vx_check_fail(model, vmm->name, msg, "the first vmm.handler is not 'default'");
    return VX_OK;
}
