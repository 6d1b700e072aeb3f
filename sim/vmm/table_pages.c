/* Pages for the hypervisor's tables: given out one by one, zeroed; those given back form a list in themselves. */
#include "vmm_private.h"

void table_pages_init(table_pages *pages, vx_physmem *memory, const vx_gpa_map *map, uint64_t first, uint64_t end)
{
    *pages = (table_pages){.memory = memory, .map = map, .next = first, .end = end};
}

static vx_hpa place(const table_pages *pages, uint64_t page)
{
    return pages->map ? vx_gpa_map_hpa(pages->map, (vx_gpa){page}) : (vx_hpa){page};
}

uint64_t table_pages_take(table_pages *pages)
{
    uint64_t page = pages->free;
    if (page) {
        pages->free = vx_physmem_read64(pages->memory, place(pages, page));
        vx_physmem_clear_page(pages->memory, place(pages, page));
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
    vx_physmem_write64(pages->memory, place(pages, page), pages->free);
    pages->free = page;
    pages->in_use--;
}
