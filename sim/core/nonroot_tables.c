/* Structures in memory that VMX non-root operation looks things up in: the EPTP list (SDM Vol. 3C 25.5.6.3) and the
 * PASID directories (25.5.8). (Chapter numbers: see vx_vmcs.h.) */
#include "vx_nonroot.h"
#include "vx_vmx.h"

enum { EPTP_LIST_ENTRIES = 512, EPTP_WALK_LENGTH = 7 << 3 };

static uint64_t beyond(unsigned physical_bits) { return physical_bits >= 64 ? 0 : ~0ULL << physical_bits; }

/* Table 24-9: as VM entry checks it. */
bool vx_eptp_valid(uint64_t eptp, const vx_cfg_cpu *cpu)
{
    vx_vmx_caps caps;
    vx_vmx_caps_init(&caps, cpu);
    return vx_vmx_eptp_valid(&caps, eptp);
}

bool vx_vmcs_switch_eptp(vx_vmcs *vmcs, const vx_physmem *memory, const vx_cfg_cpu *cpu, uint64_t index)
{
    if (index >= EPTP_LIST_ENTRIES) return false;
    uint64_t eptp = vx_physmem_read64(memory, (vx_hpa){vmcs->eptp_list_address + 8 * index});
    if (((eptp ^ vmcs->eptp) & EPTP_WALK_LENGTH) || !vx_eptp_valid(eptp, cpu)) return false;
    vmcs->eptp = eptp;
    vmcs->eptp_index = (uint16_t)index;
    return true;
}

bool vx_vmcs_translate_pasid(const vx_vmcs *vmcs, const vx_physmem *memory, unsigned physical_bits, uint32_t guest,
                             uint32_t *host)
{
    uint64_t directory = guest >> 19 & 1 ? vmcs->pasid_directory_high : vmcs->pasid_directory_low;
    uint64_t entry = vx_physmem_read64(memory, (vx_hpa){directory + 8ULL * (guest >> 10 & 0x1FF)});
    if (!(entry & 1) || (entry & (beyond(physical_bits) | 0xFFE))) return false;
    uint32_t pasid = vx_physmem_read32(memory, (vx_hpa){(entry & ~1ULL) + 4ULL * (guest & 0x3FF)});
    if (!(pasid >> 31) || (pasid & 0x7FF00000)) return false;
    *host = pasid & 0xFFFFF;
    return true;
}
