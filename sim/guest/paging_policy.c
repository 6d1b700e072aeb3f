#include "paging_policy.h"

#include <assert.h>

vx_status vx_paging_policy_check(vx_page_size size, unsigned levels, vx_msg *msg)
{
    if (size == VX_PAGE_4M && levels != 2)
        return vx_fail(msg, VX_ERR_INPUT, "guest pages of 4m need vm.levels=2 (32-bit paging); here 2m");
    if (size == VX_PAGE_2M && levels == 2)
        return vx_fail(msg, VX_ERR_INPUT, "guest pages of 2m need vm.levels=3 or more; 32-bit paging has 4m");
    if (size == VX_PAGE_1G && levels < 4) return vx_fail(msg, VX_ERR_INPUT, "guest pages of 1g need vm.levels=4 or 5");
    return VX_OK;
}

/* Whether the pool would still hold the tables between the absent entry and the leaf. */
static bool leaves_tables(const vx_frame_pool *pool, vx_page_size size, unsigned tables)
{
    uint64_t frames = vx_page_bytes(size) >> VX_PAGE_SHIFT;
    return pool->free >= frames && pool->free - frames >= tables;
}

uint64_t vx_paging_policy_take(vx_guest_tables *tables, vx_page_size largest, const vx_radix_spot *spot,
                               vx_page_size *size)
{
    unsigned level = vx_guest_tables_leaf_level(tables->format, largest);
    /* The lookup went below a level: that region has a table of smaller pages. */
    if (level > spot->level) level = spot->level;
    for (;; level--) {
        assert(level >= 1); /* the caller has seen to a frame for a 4K page */
        if (tables->format->page[level] < 0) continue;
        vx_page_size candidate = (vx_page_size)tables->format->page[level];
        if (!leaves_tables(tables->pool, candidate, spot->level - level)) continue;
        uint64_t frame = vx_frame_pool_take(tables->pool, candidate);
        if (frame == 0) continue;
        *size = candidate;
        return frame;
    }
}
