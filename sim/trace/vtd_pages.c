#include "vtd_pages.h"

#include <stdlib.h>

#include "vx_random.h"

enum { FIRST_CAPACITY = 1024, SMALL_RANGE = 64 };

static size_t home(const vtd_pages *pages, uint64_t key) { return vx_mix64(key) & (pages->capacity - 1); }

vtd_page *vtd_pages_find(const vtd_pages *pages, uint64_t key)
{
    if (pages->capacity == 0) return NULL;
    for (size_t i = home(pages, key); pages->table[i].key; i = (i + 1) & (pages->capacity - 1))
        if (pages->table[i].key == key) return &pages->table[i];
    return NULL;
}

static void insert(vtd_pages *pages, const vtd_page *page)
{
    size_t i = home(pages, page->key);
    while (pages->table[i].key) i = (i + 1) & (pages->capacity - 1);
    pages->table[i] = *page;
    pages->count++;
}

static vx_status grow(vtd_pages *pages, vx_msg *msg)
{
    vtd_pages bigger = {.capacity = pages->capacity ? pages->capacity * 2 : FIRST_CAPACITY};
    bigger.table = calloc(bigger.capacity, sizeof *bigger.table);
    if (!bigger.table) return vx_fail_nomem(msg);
    for (size_t i = 0; i < pages->capacity; i++)
        if (pages->table[i].key) insert(&bigger, &pages->table[i]);
    free(pages->table);
    *pages = bigger;
    return VX_OK;
}

vx_status vtd_pages_add(vtd_pages *pages, const vtd_page *page, vx_msg *msg)
{
    if (pages->count == VTD_PAGES_MAX) return vx_fail(msg, VX_ERR_INPUT, "more than %d pages at once", VTD_PAGES_MAX);
    if (2 * pages->count >= pages->capacity) {
        vx_status status = grow(pages, msg);
        if (status) return status;
    }
    insert(pages, page);
    return VX_OK;
}

/* Closes the gap: later entries of the run move back where their home allows (Knuth, TAOCP 3, 6.4, Algorithm R). */
void vtd_pages_remove(vtd_pages *pages, vtd_page *page)
{
    size_t mask = pages->capacity - 1, gap = (size_t)(page - pages->table);
    for (size_t i = (gap + 1) & mask; pages->table[i].key; i = (i + 1) & mask) {
        size_t from_home = (i - home(pages, pages->table[i].key)) & mask;
        if (from_home < ((i - gap) & mask)) continue;
        pages->table[gap] = pages->table[i];
        gap = i;
    }
    pages->table[gap].key = 0;
    pages->count--;
}

static void take_one(vtd_pages *pages, vtd_page *page, void (*fn)(void *, const vtd_page *), void *context)
{
    vtd_page taken = *page;
    vtd_pages_remove(pages, page);
    fn(context, &taken);
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = ((const vtd_page *)a)->key, y = ((const vtd_page *)b)->key;
    return (x > y) - (x < y);
}

/* An entry with PS maps 512 pages. */
static uint64_t last_of(const vtd_page *page) { return vtd_page_number(page) + (page->slpte & VTD_PS ? 511 : 0); }

static bool named(const vtd_page *page, bool any_domain, uint16_t domain, uint64_t first, uint64_t last)
{
    return page->key && (any_domain || page->key >> 48 == domain) && last_of(page) >= first &&
           vtd_page_number(page) <= last;
}

/* In order of domain and page, so that what is told does not depend on the table. */
static vx_status take_many(vtd_pages *pages, bool any_domain, uint16_t domain, uint64_t first, uint64_t last,
                           void (*fn)(void *, const vtd_page *), void *context, vx_msg *msg)
{
    vtd_page *taken = malloc((pages->count + 1) * sizeof *taken);
    if (!taken) return vx_fail_nomem(msg);
    size_t count = 0;
    for (size_t i = 0; i < pages->capacity; i++)
        if (named(&pages->table[i], any_domain, domain, first, last)) taken[count++] = pages->table[i];
    qsort(taken, count, sizeof *taken, by_key);
    for (size_t i = 0; i < count; i++) take_one(pages, vtd_pages_find(pages, taken[i].key), fn, context);
    free(taken);
    return VX_OK;
}

vx_status vtd_pages_take(vtd_pages *pages, bool any_domain, uint16_t domain, uint64_t first, uint64_t last,
                         void (*fn)(void *context, const vtd_page *page), void *context, vx_msg *msg)
{
    if (any_domain || last - first >= SMALL_RANGE)
        return take_many(pages, any_domain, domain, first, last, fn, context, msg);
    for (uint64_t number = first / 512 * 512; number <= last; number = number < first ? first : number + 1) {
        vtd_page *page = vtd_pages_find(pages, vtd_page_key(domain, number << 12));
        if (page && named(page, false, domain, first, last)) take_one(pages, page, fn, context);
    }
    return VX_OK;
}

void vtd_pages_fini(vtd_pages *pages)
{
    free(pages->table);
    *pages = (vtd_pages){0};
}
