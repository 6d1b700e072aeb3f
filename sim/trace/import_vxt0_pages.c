/* Live page-table pages by page number, with their contents: a store narrower than an entry can only be told as a new
 * entry (VX_REC_PT_STORE) by who knows the entry's other bytes. */
#include <stdlib.h>
#include <string.h>

#include "import_vxt0.h"

enum { SLOTS_MIN = 256 };

struct vxt0_page {
    uint64_t ppn_plus_1; /* 0: never used */
    uint8_t *bytes;      /* NULL: used, and dropped */
};

static size_t slot_of(const vxt0_pages *pages, uint64_t ppn)
{
    size_t mask = pages->slot_count - 1;
    size_t slot = (size_t)(ppn * 0x9E3779B97F4A7C15ULL >> 32) & mask;
    while (pages->slots[slot].ppn_plus_1 != 0 && pages->slots[slot].ppn_plus_1 != ppn + 1) slot = (slot + 1) & mask;
    return slot;
}

/* A table with room for one more, without the dropped ones. */
static bool rehash(vxt0_pages *pages)
{
    size_t wanted = SLOTS_MIN;
    while (wanted < 4 * (pages->live + 1)) wanted *= 2;
    vxt0_pages larger = {calloc(wanted, sizeof *larger.slots), wanted, pages->live, pages->live};
    if (!larger.slots) return false;
    for (size_t i = 0; i < pages->slot_count; i++) {
        if (pages->slots[i].bytes) larger.slots[slot_of(&larger, pages->slots[i].ppn_plus_1 - 1)] = pages->slots[i];
    }
    free(pages->slots);
    *pages = larger;
    return true;
}

uint8_t *vxt0_pages_new(vxt0_pages *pages, uint64_t ppn)
{
    uint8_t *page = vxt0_pages_find(pages, ppn);
    if (page) {
        memset(page, 0, VX_PAGE_BYTES);
        return page;
    }
    if (2 * (pages->used + 1) > pages->slot_count && !rehash(pages)) return NULL;
    page = calloc(1, VX_PAGE_BYTES);
    if (!page) return NULL;
    struct vxt0_page *slot = &pages->slots[slot_of(pages, ppn)];
    if (slot->ppn_plus_1 == 0) pages->used++;
    *slot = (struct vxt0_page){ppn + 1, page};
    pages->live++;
    return page;
}

uint8_t *vxt0_pages_find(const vxt0_pages *pages, uint64_t ppn)
{
    return pages->slot_count ? pages->slots[slot_of(pages, ppn)].bytes : NULL;
}

void vxt0_pages_drop(vxt0_pages *pages, uint64_t ppn)
{
    if (!vxt0_pages_find(pages, ppn)) return;
    struct vxt0_page *slot = &pages->slots[slot_of(pages, ppn)];
    free(slot->bytes);
    slot->bytes = NULL;
    pages->live--;
}

bool vxt0_pages_take(vxt0_pages *pages, uint64_t *ppn)
{
    for (size_t i = 0; pages->live > 0 && i < pages->slot_count; i++) {
        if (!pages->slots[i].bytes) continue;
        *ppn = pages->slots[i].ppn_plus_1 - 1;
        vxt0_pages_drop(pages, *ppn);
        return true;
    }
    return false;
}

void vxt0_pages_fini(vxt0_pages *pages)
{
    for (size_t i = 0; i < pages->slot_count; i++) free(pages->slots[i].bytes);
    free(pages->slots);
    *pages = (vxt0_pages){0};
}
