/* Which I/O pages are mapped, as an IOTLB's log tells it: the importer's memory between a page's map and its unmap. */
#ifndef VTD_PAGES_H
#define VTD_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vx_status.h"

enum { VTD_PAGES_MAX = 1 << 22, VTD_PS = 0x80 /* of an entry: maps 2 MiB */ };

typedef struct vtd_page {
    uint64_t key; /* domain 63:48, page number below, as vtd_page_key makes it; 0: empty */
    uint64_t slpte;
    uint16_t source_id;
} vtd_page;

typedef struct vtd_pages {
    vtd_page *table; /* open addressing; owned */
    size_t capacity, count;
} vtd_pages;

/* Never 0: page numbers have a bit added. */
static inline uint64_t vtd_page_key(uint16_t domain, uint64_t iova)
{
    return (uint64_t)domain << 48 | 1ULL << 47 | (iova >> 12 & 0x7FFFFFFFFFFFULL);
}

static inline uint64_t vtd_page_number(const vtd_page *page) { return page->key & 0x7FFFFFFFFFFFULL; }

/* The page, or NULL. */
vtd_page *vtd_pages_find(const vtd_pages *pages, uint64_t key);

/* Adds a page that is not there. VX_ERR_INPUT beyond VTD_PAGES_MAX, VX_ERR_NOMEM. */
vx_status vtd_pages_add(vtd_pages *pages, const vtd_page *page, vx_msg *msg);

void vtd_pages_remove(vtd_pages *pages, vtd_page *page);

/* Removes every page of the domain (of all domains where any_domain) from page number `first` to `last` and calls `fn`
 * for it, in order. VX_ERR_NOMEM leaves all. */
vx_status vtd_pages_take(vtd_pages *pages, bool any_domain, uint16_t domain, uint64_t first, uint64_t last,
                         void (*fn)(void *context, const vtd_page *page), void *context, vx_msg *msg);

void vtd_pages_fini(vtd_pages *pages);

#endif
