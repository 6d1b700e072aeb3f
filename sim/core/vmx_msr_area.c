/* MSR areas: what VM entry and VM exit load and store entry by entry.
 *
 * SDM Vol. 3C 26.4 (loading on entry), 27.4 (storing on exit), 27.6 (loading on exit); Table 24-15 (an entry).
 *
 * NOT MODELLED: MSRs that a processor does not load or store for reasons of its own; effects of counts above 512, which
 * the manual leaves open: here the area is processed to its end or to the end of memory. */
#include "vmx_private.h"

enum {
    MSR_FS_BASE = (int)0xC0000100,
    MSR_GS_BASE = (int)0xC0000101,
    MSR_SMBASE = 0x9E,
    MSR_SMM_MONITOR_CTL = 0x9B,
    X2APIC_RANGE = 0x8, /* bits 31:8 */
    ENTRY_BYTES = 16
};

static uint64_t low_half(const vx_vmx *vmx, uint64_t entry) { return vx_physmem_read64(vmx->memory, (vx_hpa){entry}); }

/* Bits 63:32 are reserved; x2APIC registers are neither loaded nor stored. */
static bool entry_plain(uint64_t low) { return low >> 32 == 0 && low >> 8 != X2APIC_RANGE; }

uint32_t vmx_msr_area_load(vx_vmx *vmx, uint64_t address, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++, address += ENTRY_BYTES) {
        uint64_t low = low_half(vmx, address);
        uint32_t index = (uint32_t)low;
        bool never = index == (uint32_t)MSR_FS_BASE || index == (uint32_t)MSR_GS_BASE || index == MSR_SMM_MONITOR_CTL;
        if (!entry_plain(low) || never) return i + 1;
        if (!vx_vmx_wrmsr(vmx, index, vx_physmem_read64(vmx->memory, (vx_hpa){address + 8}))) return i + 1;
    }
    return 0;
}

uint32_t vmx_msr_area_store(vx_vmx *vmx, uint64_t address, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++, address += ENTRY_BYTES) {
        uint64_t low = low_half(vmx, address), value = 0;
        if (!entry_plain(low) || (uint32_t)low == MSR_SMBASE) return i + 1;
        if (!vx_vmx_rdmsr(vmx, (uint32_t)low, &value)) return i + 1;
        vx_physmem_write64(vmx->memory, (vx_hpa){address + 8}, value);
    }
    return 0;
}
