/* A page fault of the modelled OS: check the address, unmap what is due, choose a page, map it.
 *
 * The order matters: a page leaves before one comes, and a process keeps its newest pages, so that a reference that
 * needs two pages at once (one that crosses, say) cannot push out the one while it faults on the other. */
#include <assert.h>
#include <inttypes.h>

#include "guest_state.h"
#include "paging_policy.h"
#include "shootdown.h"

enum { KEPT_PAGES = 16, PAGE_FAULT_VECTOR = 14 };

static vx_status check_address(const vx_guest *guest, vx_gva gva, vx_msg *msg)
{
    unsigned levels = guest->config.levels;
    if (levels < 4 && gva.v > UINT32_MAX)
        return vx_fail(msg, VX_ERR_INPUT,
                       "address 0x%" PRIx64 " lies beyond the 4 GiB that vm.levels=%u can map: a 64-bit program needs "
                       "vm.levels=4",
                       gva.v, levels);
    unsigned virt_bits = levels == 5 ? 57 : 48;
    if (levels >= 4 && !vx_canonical(gva.v, virt_bits))
        return vx_fail(msg, VX_ERR_INPUT, "address 0x%" PRIx64 " is not canonical (%u bits, vm.levels=%u)", gva.v,
                       virt_bits, levels);
    return VX_OK;
}

bool vx_guest_may_unmap(const vx_guest *guest)
{
    return vx_guest_space(guest)->pages > KEPT_PAGES && !vx_guest_waits(guest);
}

static bool unmap_is_due(const vx_guest *guest)
{
    return guest->config.unmap_every != 0 && guest->kernel->faults_until_unmap <= 1 && vx_guest_may_unmap(guest);
}

/* Frames that an unmapping gives back. */
static uint64_t oldest_frames(vx_guest *guest)
{
    vx_address_space *space = vx_guest_space(guest);
    vx_gva oldest = vx_page_order_oldest(&guest->kernel->order, space);
    unsigned level = vx_guest_tables_lookup(&guest->kernel->tables, space->root, oldest).level;
    return vx_page_bytes((vx_page_size)guest->kernel->tables.format->page[level]) >> VX_PAGE_SHIFT;
}

static vx_status check_room(vx_guest *guest, vx_gva gva, unsigned spot_level, bool unmap, vx_msg *msg)
{
    uint64_t needed = 1 + (spot_level - 1); /* the page, and a table for each level below the absent entry */
    const vx_guest_kernel *kernel = guest->kernel;
    /* With several CPUs the page that goes is only given back when all have answered. */
    uint64_t free = kernel->pool.free + (unmap && kernel->cpus == 1 ? oldest_frames(guest) : 0);
    if (free >= needed) return VX_OK;
    return vx_fail(msg, VX_ERR_INPUT,
                   "the guest's RAM of %" PRIu64 " bytes is used up (at address 0x%" PRIx64 "): raise --ram%s",
                   guest->config.ram_bytes, gva.v, guest->config.page == VX_PAGE_4K ? "" : " or use --guest-page 4k");
}

void vx_guest_unmap_oldest(vx_guest *guest, vx_queue *queue)
{
    vx_address_space *space = vx_guest_space(guest);
    vx_guest_kernel *kernel = guest->kernel;
    vx_gva oldest = vx_page_order_take(&kernel->order, space);
    vx_guest_page page = vx_guest_tables_unmap(&kernel->tables, &guest->counts, space->root, oldest, queue);
    if (!vx_shootdown_begin(guest, &page, queue)) vx_frame_pool_give(&kernel->pool, page.frame, page.size);
}

static void map_touched(vx_guest *guest, vx_gva gva, const vx_radix_spot *spot, vx_queue *queue)
{
    vx_address_space *space = vx_guest_space(guest);
    vx_guest_kernel *kernel = guest->kernel;
    vx_guest_page page;
    page.frame = vx_paging_policy_take(&kernel->tables, guest->config.page, spot, &page.size);
    page.gva.v = gva.v & ~(vx_page_bytes(page.size) - 1);
    vx_guest_tables_map(&kernel->tables, &guest->counts, space->root, &page, queue);
    vx_page_order_append(&kernel->order, space, page.gva, page.frame);
}

vx_status vx_guest_page_fault(vx_guest *guest, vx_gva gva, uint32_t error_code, vx_queue *queue, vx_msg *msg)
{
    vx_status status = check_address(guest, gva, msg);
    if (status != VX_OK) return status;
    vx_address_space *space = vx_guest_space(guest);
    vx_radix_spot spot = vx_guest_tables_lookup(&guest->kernel->tables, space->root, gva);
    if (spot.present)
        return vx_fail(msg, VX_ERR_CHECK,
                       "page fault (error code 0x%x) on address 0x%" PRIx64 ", which the guest has mapped",
                       (unsigned)error_code, gva.v);
    bool unmap = unmap_is_due(guest);
    status = check_room(guest, gva, spot.level, unmap, msg);
    if (status != VX_OK) return status;

    uint64_t code = error_code;
    vx_queue_put(queue, VX_REC_EXCEPTION, PAGE_FAULT_VECTOR, gva.v, &code, 1);
    vx_guest_enter_kernel(guest, queue);
    if (unmap) vx_guest_unmap_oldest(guest, queue);
    map_touched(guest, gva, &spot, queue);
    vx_guest_leave_kernel(queue);

    space->touched = true;
    guest->counts.faults++;
    if (unmap)
        guest->kernel->faults_until_unmap = guest->config.unmap_every;
    else if (guest->kernel->faults_until_unmap > 1)
        guest->kernel->faults_until_unmap--;
    return VX_OK;
}
