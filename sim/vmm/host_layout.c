/* How host memory is divided among the hypervisor's tables and the VMs, and where each guest frame lies.
 *
 * Tables come first, so that their addresses do not depend on the number of VMs. A guest's frames are kept or permuted
 * in units of the nested page size, since a large nested page needs its frames together. */
#include "vx_vmm.h"

#include "vx_random.h"

#define MOST_BYTES (1ULL << 46)

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

static unsigned granule_of(const vx_cfg_vmm *vmm)
{
    return vx_page_shift(vmm->nested_page == VX_PAGE_4M ? VX_PAGE_2M : vmm->nested_page);
}

vx_status vx_host_layout_make(vx_host_layout *layout, vx_scheme scheme, const vx_cfg_vmm *vmm, uint64_t ram_bytes,
                              unsigned vms, uint64_t seed, vx_msg *msg)
{
    const uint64_t most = MOST_BYTES;
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
    unsigned granule = granule_of(vmm);
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

vx_status vx_host_layout_nest(vx_host_layout *layout, const vx_cfg_vmm *l0, unsigned vms, uint64_t seed, vx_msg *msg)
{
    unsigned granule = granule_of(l0);
    uint64_t bytes = round_up(layout->bytes, granule);
    /* EPT01, an EPT02 for each VM, and a word for each page that may hold a table of L1's. */
    uint64_t tables = table_room(bytes, vms + 1) + layout->table_bytes / VX_PAGE_BYTES * 8;
    uint64_t base = round_up(tables, 30);
    if (base + bytes > MOST_BYTES)
        return vx_fail(msg, VX_ERR_INPUT, "%llu bytes of memory in a nested hypervisor's VM: host memory may have 2^46",
                       (unsigned long long)bytes);
    layout->l1_table_bytes = layout->table_bytes;
    layout->l1 = (vx_gpa_map){.base = base,
                              .bytes = bytes,
                              .key = vx_mix64(~seed),
                              .granule_shift = granule,
                              .scattered = l0->placement == VX_PLACE_SCATTERED};
    layout->table_bytes = tables;
    layout->bytes = round_up(base + bytes, 30);
    layout->l1.device_gap = layout->bytes - base - bytes;
    for (unsigned i = 0; i < vms; i++) layout->ram[i].below = &layout->l1;
    return VX_OK;
}
