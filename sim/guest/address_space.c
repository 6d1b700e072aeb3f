#include "address_space.h"

#include <assert.h>

vx_status vx_page_order_init(vx_page_order *order, vx_arena *arena, bool kept, uint64_t frames, vx_msg *msg)
{
    vx_mapped_page *of_frame = NULL;
    if (kept) {
        of_frame = vx_arena_array(arena, frames, sizeof *of_frame);
        if (!of_frame) return vx_fail_nomem(msg);
    }
    order->of_frame = of_frame;
    return VX_OK;
}

void vx_page_order_append(vx_page_order *order, vx_address_space *space, vx_gva gva, uint64_t frame_address)
{
    if (!order->of_frame) return;
    uint64_t frame = frame_address >> VX_PAGE_SHIFT;
    order->of_frame[frame] = (vx_mapped_page){.gva = gva};
    if (space->pages++)
        order->of_frame[space->newest].next = frame;
    else
        space->oldest = frame;
    space->newest = frame;
}

vx_gva vx_page_order_oldest(const vx_page_order *order, const vx_address_space *space)
{
    assert(space->pages != 0);
    return order->of_frame[space->oldest].gva;
}

vx_gva vx_page_order_take(vx_page_order *order, vx_address_space *space)
{
    vx_gva gva = vx_page_order_oldest(order, space);
    space->oldest = order->of_frame[space->oldest].next;
    space->pages--;
    return gva;
}
