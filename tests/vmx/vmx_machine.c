#include "vmx_machine.h"

#include <string.h>

#include "test_support.h"

int machine_open(void **state)
{
    static machine m;
    *state = &m;
    vx_msg msg;
    if (vx_physmem_init(&m.memory, MACHINE_BYTES, &msg) != VX_OK) return -1;
    machine_reset(&m);
    return 0;
}

int machine_close(void **state)
{
    machine *m = *state;
    vx_physmem_fini(&m->memory);
    return 0;
}

void machine_reset(machine *m)
{
    static const uint32_t regions[] = {VMXON_REGION, VMCS_A, VMCS_B, SHADOW_REGION, FOREIGN_REGION};
    memset(m->memory.base + VMXON_REGION, 0, 0x10000);
    for (unsigned i = 0; i < sizeof regions / sizeof *regions; i++)
        vx_physmem_write32(&m->memory, (vx_hpa){regions[i]}, VX_VMCS_REVISION);
    vx_physmem_write32(&m->memory, (vx_hpa){SHADOW_REGION}, VX_VMCS_REVISION | 1U << 31);
    vx_physmem_write32(&m->memory, (vx_hpa){FOREIGN_REGION}, VX_VMCS_REVISION + 1);
    vx_cfg_cpu cpu = vmx_world_everything();
    vx_vmx_init(&m->vmx, &cpu, &m->memory);
}

void machine_ready(machine *m)
{
    machine_reset(m);
    assert_int_equal(vx_vmx_vmxon(&m->vmx, VMXON_REGION).kind, VX_VMX_SUCCEED);
    assert_int_equal(vx_vmx_vmclear(&m->vmx, VMCS_A).kind, VX_VMX_SUCCEED);
    assert_int_equal(vx_vmx_vmptrld(&m->vmx, VMCS_A).kind, VX_VMX_SUCCEED);
    vx_vmcs_image image;
    vx_vmcs_image_init(&image, &m->vmx.caps);
    const vx_vmcs_field *f;
    for (unsigned i = 0; (f = vx_vmcs_field_at(i)) != NULL; i++)
        if (vx_vmcs_type_of(f->encoding) != VX_VMCS_INFORMATION)
            machine_write(m, f->encoding, vx_vmcs_get(&image, f->encoding));
}

void machine_launched(machine *m)
{
    machine_ready(m);
    assert_int_equal(vx_vmx_vmlaunch(&m->vmx).kind, VX_VMX_ENTERED);
}

void machine_write(machine *m, uint32_t encoding, uint64_t value)
{
    assert_int_equal(vx_vmx_vmwrite(&m->vmx, encoding, value).kind, VX_VMX_SUCCEED);
}

uint64_t machine_read(machine *m, uint32_t encoding)
{
    vx_vmx_result result = vx_vmx_vmread(&m->vmx, encoding);
    assert_int_equal(result.kind, VX_VMX_SUCCEED);
    return result.value;
}

void machine_or(machine *m, uint32_t encoding, uint64_t bits)
{
    machine_write(m, encoding, machine_read(m, encoding) | bits);
}

void machine_msr(machine *m, uint64_t area, unsigned entry, uint64_t index, uint64_t value)
{
    vx_physmem_write64(&m->memory, (vx_hpa){area + 16ULL * entry}, index);
    vx_physmem_write64(&m->memory, (vx_hpa){area + 16ULL * entry + 8}, value);
}

vx_vmx_result machine_cpuid(machine *m)
{
    return vx_vmx_guest_event(&m->vmx, &(vx_guest_event){.kind = VX_EVENT_CPUID, .length = 2});
}
