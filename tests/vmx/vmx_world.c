#include "vmx_world.h"

#include <string.h>

vx_cfg_cpu vmx_world_everything(void)
{
    vx_cfg_cpu cpu = {.name = "everything", .vendor = VX_VENDOR_INTEL};
    memset(&cpu.vmx, 1, sizeof cpu.vmx); /* all members are bool */
    memset(&cpu.isa, 1, sizeof cpu.isa);
    cpu.vmx.zero_length_injection = cpu.vmx.any_error_code = cpu.vmx.vmwrite_any = false;
    cpu.paging.physical_bits = 40;
    cpu.paging.virtual_bits = 57;
    cpu.paging.long_mode = cpu.paging.nx = cpu.paging.pcid = cpu.paging.invpcid = true;
    cpu.paging.smep = cpu.paging.smap = true;
    return cpu;
}

void vmx_world_apply(vx_vmcs_image *image, const mutation *m)
{
    uint64_t value = m->op == NO_CHANGE ? 0 : vx_vmcs_get(image, m->encoding);
    switch (m->op) {
    case NO_CHANGE:
        return;
    case SET:
        value = m->value;
        break;
    case OR:
        value |= m->value;
        break;
    case CLEAR:
        value &= ~m->value;
        break;
    }
    vx_vmcs_set(image, m->encoding, value);
}
