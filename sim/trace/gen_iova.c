/* Linux's allocator of I/O addresses, for single pages (gen_dma.h). */
#include <string.h>

#include "gen_dma.h"

void vx_gen_iova_init(gen_iova *iova, bool lazy)
{
    memset(iova, 0, sizeof *iova);
    iova->lowest = GEN_IOVA_PAGES;
    iova->lazy = lazy;
}

/* ---- the tree ---- */

static void tree_give(gen_iova *iova, uint32_t page)
{
    iova->free[page / 8] |= (uint8_t)(1U << page % 8);
    if (page > iova->highest_free) iova->highest_free = page;
}

/* The highest free page, or the next one below all that were ever given out. Page 0 is never given out. */
static uint32_t tree_take(gen_iova *iova)
{
    for (; iova->highest_free >= iova->lowest && iova->highest_free > 0; iova->highest_free--) {
        uint8_t *bits = &iova->free[iova->highest_free / 8];
        uint8_t bit = (uint8_t)(1U << iova->highest_free % 8);
        if (!(*bits & bit)) continue;
        *bits &= (uint8_t)~bit;
        return iova->highest_free;
    }
    iova->highest_free = 0;
    return iova->lowest > 1 ? --iova->lowest : 0;
}

/* ---- magazines ---- */

static void swap(gen_magazine *a, gen_magazine *b)
{
    gen_magazine held = *a;
    *a = *b;
    *b = held;
}

uint64_t vx_gen_iova_take(gen_iova *iova, unsigned cpu)
{
    gen_magazine *loaded = &iova->loaded[cpu], *previous = &iova->previous[cpu];
    if (loaded->count == 0 && previous->count) swap(loaded, previous);
    if (loaded->count == 0 && iova->depot_count) *loaded = iova->depot[--iova->depot_count];
    uint32_t page = loaded->count ? loaded->page[--loaded->count] : tree_take(iova);
    return (uint64_t)page << VX_PAGE_SHIFT;
}

static void give_now(gen_iova *iova, unsigned cpu, uint32_t page)
{
    gen_magazine *loaded = &iova->loaded[cpu], *previous = &iova->previous[cpu];
    if (loaded->count == GEN_IOVA_MAGAZINE && previous->count < GEN_IOVA_MAGAZINE) swap(loaded, previous);
    if (loaded->count == GEN_IOVA_MAGAZINE) {
        if (iova->depot_count < GEN_IOVA_DEPOT)
            iova->depot[iova->depot_count++] = *loaded;
        else
            for (unsigned i = 0; i < GEN_IOVA_MAGAZINE; i++) tree_give(iova, loaded->page[i]);
        loaded->count = 0;
    }
    loaded->page[loaded->count++] = page;
}

void vx_gen_iova_give(gen_iova *iova, unsigned cpu, uint64_t address)
{
    uint32_t page = (uint32_t)(address >> VX_PAGE_SHIFT);
    if (!iova->lazy) {
        give_now(iova, cpu, page);
        return;
    }
    iova->waiting[iova->waiting_count].page = page;
    iova->waiting[iova->waiting_count++].cpu = cpu;
    if (iova->waiting_count < GEN_IOVA_LAZY) return;
    for (unsigned i = 0; i < GEN_IOVA_LAZY; i++) give_now(iova, iova->waiting[i].cpu, iova->waiting[i].page);
    iova->waiting_count = 0;
}
