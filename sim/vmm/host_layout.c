/* How host memory is divided among the hypervisor's tables and the VMs, and where each guest frame lies.
 *
 * Tables come first, so that their addresses do not depend on the number of VMs. A guest's frames are kept or permuted
 * in units of the nested page size, since a large nested page needs its frames together. */
#include "vx_vmm.h"

#include "vx_random.h"

/* Tables that map all RAM in 4 KiB pages take 1/512 of it and a little; shadow tables exist per guest process, so the
 * room is eight times that. It is address space only, committed on touch. */
static uint64_t table_room(uint64_t ram_bytes, unsigned vms)
{
    const uint64_t floor = 256ULL << 20;
    return floor + (ram_bytes / 64) * vms;
}

static uint64_t round_up(uint64_t value, unsigned shift)
{
    uint64_t mask = (1ULL << shift) - 1;
    return (value + mask) & ~mask;
}

vx_status vx_host_layout_make(vx_host_layout *layout, vx_scheme scheme, const vx_cfg_vmm *vmm, uint64_t ram_bytes,
                              unsigned vms, uint64_t seed, vx_msg *msg)
{
    const uint64_t most = 1ULL << 46;
    if (vms == 0 || vms > VX_VMM_VMS_MAX)
        return vx_fail(msg, VX_ERR_INPUT, "%u VMs: at least 1 and at most %d", vms, VX_VMM_VMS_MAX);
    if (ram_bytes < VX_PAGE_BYTES || ram_bytes > most / 4 / vms)
        return vx_fail(msg, VX_ERR_INPUT, "%llu bytes of RAM in each of %u VMs: host memory may have 2^46 bytes",
                       (unsigned long long)ram_bytes, vms);
    vx_host_layout made = {0};
    if (scheme == VX_SCHEME_NATIVE) {
        made.bytes = round_up(ram_bytes, 30);
        made.ram[0] = (vx_gpa_map){.bytes = made.bytes, .granule_shift = VX_PAGE_SHIFT};
        *layout = made;
        return VX_OK;
    }
    unsigned granule = vx_page_shift(vmm->nested_page == VX_PAGE_4M ? VX_PAGE_2M : vmm->nested_page);
    made.table_bytes = table_room(ram_bytes, vms);
    uint64_t next = round_up(made.table_bytes, 30);
    for (unsigned i = 0; i < vms; i++) {
        made.ram[i] = (vx_gpa_map){.base = next,
                                   .bytes = round_up(ram_bytes, granule),
                                   .key = vx_mix64(seed ^ (i + 1ULL)),
                                   .granule_shift = granule,
                                   .scattered = vmm->placement == VX_PLACE_SCATTERED};
        next = round_up(next + made.ram[i].bytes, 30);
    }
    /* What lies beyond a guest's RAM lies beyond everybody's: no guest reaches another's memory. */
    for (unsigned i = 0; i < vms; i++) made.ram[i].device_gap = next - made.ram[i].base - made.ram[i].bytes;
    made.bytes = next;
    *layout = made;
    return VX_OK;
}
