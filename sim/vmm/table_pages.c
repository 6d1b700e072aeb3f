#include "vmm_private.h"

void table_pages_init(table_pages *pages, vx_physmem *memory, uint64_t first, uint64_t end)
{
    *pages = (table_pages){.memory = memory, .next = first, .end = end};
}

uint64_t table_pages_take(table_pages *pages)
{
    uint64_t page = pages->free;
    if (page) {
        pages->free = vx_physmem_read64(pages->memory, (vx_hpa){page});
        vx_physmem_clear_page(pages->memory, (vx_hpa){page});
    } else {
        if (pages->next == pages->end) return 0;
        page = pages->next; /* never touched, hence zero */
        pages->next += VX_PAGE_BYTES;
    }
    pages->in_use++;
    return page;
}

void table_pages_give(table_pages *pages, uint64_t page)
{
    vx_physmem_write64(pages->memory, (vx_hpa){page}, pages->free);
    pages->free = page;
    pages->in_use--;
}
