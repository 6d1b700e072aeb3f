/* VMCS regions: how this simulator's processors keep a VMCS in memory.
 *
 * SDM Vol. 3C 24.2: the first 8 bytes are architectural, the rest is each processor's own. Here: at 8 the launch state
 * (0 clear, else the VMX operation in which it was launched), from 64 on all fields, 8 bytes each, little endian. Data
 * of the current VMCS are on the processor until VMCLEAR, VMPTRLD of another one or VMXOFF writes them back: a copy of
 * a region is complete only after VMCLEAR, as on hardware (24.11.1). */
#include "vmx_private.h"

enum { REGION_LAUNCHED = 8, REGION_DATA = 64 };

void vx_vmcs_region_read(const vx_physmem *memory, uint64_t region, vx_vmcs_image *image)
{
    vx_vmcs_image raw;
    for (unsigned i = 0; i < VX_VMCS_SLOTS; i++)
        raw.slot[i] = vx_physmem_read64(memory, (vx_hpa){region + REGION_DATA + 8ULL * i});
    *image = (vx_vmcs_image){{0}};
    const vx_vmcs_field *f; /* whatever lies in memory: fields have no bits beyond their width */
    for (unsigned i = 0; (f = vx_vmcs_field_at(i)) != NULL; i++)
        vx_vmcs_set(image, f->encoding, vx_vmcs_get(&raw, f->encoding));
}

void vx_vmcs_region_write(vx_physmem *memory, uint64_t region, const vx_vmcs_image *image)
{
    for (unsigned i = 0; i < VX_VMCS_SLOTS; i++)
        vx_physmem_write64(memory, (vx_hpa){region + REGION_DATA + 8ULL * i}, image->slot[i]);
}

uint32_t vmx_region_launched(const vx_vmx *vmx, uint64_t region)
{
    return vx_physmem_read32(vmx->memory, (vx_hpa){region + REGION_LAUNCHED});
}

void vmx_region_set_launched(vx_vmx *vmx, uint64_t region, uint32_t launched)
{
    vx_physmem_write32(vmx->memory, (vx_hpa){region + REGION_LAUNCHED}, launched);
}

void vmx_region_flush(vx_vmx *vmx)
{
    if (vmx->current == VX_VMX_NO_POINTER) return;
    vx_vmcs_region_write(vmx->memory, vmx->current, &vmx->vmcs);
    vmx_region_set_launched(vmx, vmx->current, vmx->launched);
}

uint64_t vmx_region_get(const vx_physmem *memory, uint64_t region, uint32_t encoding, bool wide)
{
    vx_vmcs_image image;
    vx_vmcs_region_read(memory, region, &image);
    return vx_vmcs_read(&image, encoding, wide);
}

void vmx_region_put(vx_physmem *memory, uint64_t region, uint32_t encoding, uint64_t value, bool wide)
{
    vx_vmcs_image image;
    vx_vmcs_region_read(memory, region, &image);
    vx_vmcs_write(&image, encoding, value, wide);
    vx_vmcs_region_write(memory, region, &image);
}
