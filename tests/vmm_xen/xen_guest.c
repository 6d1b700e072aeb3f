#include "xen_guest.h"

void xen_open(vmm_world *world, vx_scheme scheme, vx_paging_mode mode, const vx_cfg_xen_shadow *config, unsigned pages)
{
    const vmm_options options = {.scheme = scheme, .mode = mode, .xen = config};
    vmm_world_open_pages(world, &options, GVA, pages, XEN_USED_PAGE);
}

uint64_t xen_window(vmm_world *world, unsigned n, uint64_t at)
{
    uint64_t window = WINDOW + n * 0x1000ULL;
    vmm_map(world, world->root, window, at & ~0xFFFULL, VX_PAGE_4K, VX_PTE_P | VX_PTE_W | VX_PTE_A | VX_PTE_D);
    return window | (at & 0xFFF);
}

uint64_t xen_leaf(const vmm_world *world, unsigned i)
{
    return vmm_entry_at(world, world->root, GVA + i * 0x1000ULL, 1);
}
