/* Translation lookaside buffers: lookup units of one or more arrays, searched at the same time; fills.
 *
 * SDM Vol. 3A, 4.10.2. An entry covers the smaller of the two dimensions' pages; a unit without room for that size
 * holds the part that was used at the largest size it has ("smashed"). Second-level units smash 1G only, and only to
 * 2M: an Intel second level for 4K pages holds no part of large ones, and AMD documents 1G pages held as 2M.
 *
 * NOT MODELLED: skewed arrays (Zen), coalesced entries (Zen 2 and later), prefetched translations. */
#include "tlb.h"

static bool holds(const vx_cfg_tlb_array *array, vx_page_size size)
{
    uint8_t large = 1U << VX_PAGE_2M | 1U << VX_PAGE_4M; /* one kind of array serves 2M and 4M pages */
    return (array->pages & (size == VX_PAGE_4M ? large : 1U << size)) != 0;
}

static bool unit_holds(const vx_cfg_tlb *config, vx_page_size size)
{
    for (unsigned i = 0; i < config->array_count; i++)
        if (holds(&config->array[i], size)) return true;
    return false;
}

static uint8_t install_size(const vx_cfg_tlb *config, vx_page_size size)
{
    if (unit_holds(config, size)) return (uint8_t)size;
    if (size > VX_PAGE_2M && unit_holds(config, VX_PAGE_2M)) return VX_PAGE_2M;
    bool may_be_4k = config->level != VX_TLB_L2 && unit_holds(config, VX_PAGE_4K);
    return may_be_4k ? VX_PAGE_4K : VX_NOT_INSTALLED;
}

/* The arrays of the unit that hold a size: bits of array indices. */
static unsigned arrays_of(const vx_cfg_tlb *config, vx_page_size size)
{
    unsigned set = 0;
    for (unsigned i = 0; i < config->array_count; i++)
        if (holds(&config->array[i], size)) set |= 1U << i;
    return set;
}

static unsigned log2_of(uint32_t power)
{
    unsigned log = 0;
    while (power >>= 1) log++;
    return log;
}

/* Where several arrays hold a size, the page-number bits just above the first one's set index pick the array. */
static vx_status add_views(vx_tlb *tlb, vx_page_size size, vx_msg *msg)
{
    unsigned set = arrays_of(tlb->config, size);
    unsigned count = (unsigned)__builtin_popcount(set);
    if (count == 0) return VX_OK;
    if (count & (count - 1))
        return vx_fail(msg, VX_ERR_INPUT, "TLB %s: %u arrays hold %s pages: must be 1, 2 or 4", tlb->config->name,
                       count, vx_page_size_name(size));
    unsigned first = (unsigned)__builtin_ctz(set);
    tlb->first_view[size] = tlb->view_count;
    unsigned pick_shift = vx_page_shift(size) + log2_of(tlb->array[first].sets);
    uint8_t pick = 0;
    for (unsigned i = first; i < tlb->config->array_count; i++) {
        if (!(set & 1U << i)) continue;
        tlb->view[tlb->view_count++] = (vx_tlb_view){.array = &tlb->array[i],
                                                     .size_bits = (uint64_t)size << VX_TAG_SIZE_SHIFT,
                                                     .set_mask = tlb->array[i].sets - 1,
                                                     .page_shift = (uint8_t)vx_page_shift(size),
                                                     .pick_shift = (uint8_t)pick_shift,
                                                     .pick_mask = (uint8_t)(count - 1),
                                                     .pick = pick++};
    }
    return VX_OK;
}

vx_status vx_tlb_init(vx_tlb *tlb, vx_mmu *mmu, vx_arena *arena, const vx_cfg_tlb *config, vx_msg *msg)
{
    tlb->mmu = mmu;
    tlb->config = config;
    for (unsigned i = 0; i < config->array_count; i++) {
        const vx_cfg_tlb_array *array = &config->array[i];
        vx_status status =
            vx_mmu_array_init(mmu, &tlb->array[i], arena, array->entries, array->ways, array->replacement, msg);
        if (status == VX_OK && config->level == VX_TLB_L2) /* asked only after misses, and filled at most of them */
            status = vx_setassoc_keep_lists(&tlb->array[i], arena, msg);
        if (status != VX_OK) return status;
        if (config->level != VX_TLB_L2) vx_setassoc_share_clock(&tlb->array[i], &mmu->front.clock);
    }
    for (unsigned size = 0; size < VX_PAGE_SIZES; size++) {
        tlb->installs_as[size] = install_size(config, (vx_page_size)size);
        vx_status status = add_views(tlb, (vx_page_size)size, msg);
        if (status != VX_OK) return status;
    }
    return VX_OK;
}

void vx_tlb_drop_address(vx_tlb *tlb, const vx_mmu_front *front, uint64_t gva)
{
    vx_tlb_unit *unit = &tlb->unit;
    for (unsigned i = 0; i < unit->live_count; i++) {
        const vx_tlb_view *view = &unit->live[i];
        vx_tlb_spot spot;
        while (vx_tlb_find(view, front, gva, &spot)) vx_tlb_drop(front, view->array, spot.slot);
    }
}

static bool same_view(const vx_tlb_view *a, const vx_tlb_view *b)
{
    return a->array == b->array && a->size_bits == b->size_bits;
}

/* From its first fill on a view is searched; the views stay in order of size, whatever the order of the fills. */
static void make_live(vx_tlb *tlb, unsigned index)
{
    vx_tlb_unit *unit = &tlb->unit;
    unsigned at = 0;
    for (unsigned i = 0; i < index; i++) at += tlb->view_live[i];
    for (unsigned i = unit->live_count; i > at; i--) unit->live[i] = unit->live[i - 1];
    unit->live[at] = tlb->view[index];
    unit->live_count++;
    tlb->view_live[index] = 1;
    for (unsigned i = 0; i < unit->live_count; i++) unit->live[i].lane = i == 0 && unit->live[i].array->stamps;
    for (unsigned i = 0; i < tlb->view_count; i++)
        tlb->view[i].lane = unit->live[0].lane && same_view(&tlb->view[i], &unit->live[0]);
    tlb->mmu->views_live++;
    vx_lanes_aim(tlb->mmu);
}

const vx_tlb_view *vx_tlb_view_for(vx_tlb *tlb, uint64_t gva, vx_page_size size)
{
    if (tlb->installs_as[size] == VX_NOT_INSTALLED) return NULL;
    const vx_tlb_view *first = &tlb->view[tlb->first_view[tlb->installs_as[size]]];
    const vx_tlb_view *view = first + (gva >> first->pick_shift & first->pick_mask);
    if (!tlb->view_live[view - tlb->view]) make_live(tlb, (unsigned)(view - tlb->view));
    if (first->pick_mask == 0) tlb->into[size] = view;
    return view;
}
