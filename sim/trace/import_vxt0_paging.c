/* Of a VXT0 recording: page-table pages, their stores, and the state that says how they are used.
 *
 * A store narrower than an entry, or not aligned to one, becomes the store of the whole entry (of each
 * entry it touches), from the page's known contents. A store belongs to the reference that follows it in tier F; in
 * tier S that cannot be told (the reference may have been filtered) and its gva is VX_GVA_UNKNOWN. When the paging
 * mode changes the recorder begins anew without saying so: all pages are put as gone. */
#include "import_vxt0.h"

#include <string.h>

#include "vx_control_registers.h"

enum {
    STATE_WORDS = 13,
    PAGE_NUMBER_BITS = 40 /* MAXPHYADDR of at most 52 (SDM Vol. 3A, 4.1.4) */
};

static unsigned entry_bytes(const vxt0_source *vxt0)
{
    return vx_paging_mode_of(vxt0->cr0, vxt0->cr4, vxt0->efer) == VX_PAGING_32BIT ? 4 : 8;
}

/* ---- page tables ---- */

static vx_status page_new(vxt0_source *vxt0, vx_msg *msg)
{
    const vxt0_tag *tag = &vxt0->tag;
    uint64_t ppn = tag->arg[0], level = tag->arg[1];
    unsigned bytes = entry_bytes(vxt0);
    if (ppn >> PAGE_NUMBER_BITS || level < 1 || level > 5) return vxt0_event_fault(vxt0, "impossible operands", msg);
    if (vxt0->pages.live == VXT0_PAGES_MAX) return vxt0_event_fault(vxt0, "more than 65536 live page-table pages", msg);
    uint8_t *page = vxt0_pages_new(&vxt0->pages, ppn);
    if (!page) return vx_fail_nomem(msg);
    for (size_t i = 0; i < tag->pairs; i++) {
        uint64_t index = tag->pair[2 * i];
        if (index >= VX_PAGE_BYTES / bytes) return vxt0_event_fault(vxt0, "an entry outside the page", msg);
        memcpy(page + index * bytes, &tag->pair[2 * i + 1], bytes);
    }
    vx_import_event(vxt0_target(vxt0), VX_REC_PT_PAGE_NEW, ppn << VX_PAGE_SHIFT, (uint8_t)level, tag->pair,
                    2 * tag->pairs);
    return VX_OK;
}

static vx_status page_gone(vxt0_source *vxt0, vx_msg *msg)
{
    uint64_t ppn = vxt0->tag.arg[0];
    if (ppn >> PAGE_NUMBER_BITS) return vxt0_event_fault(vxt0, "impossible operands", msg);
    vxt0_pages_drop(&vxt0->pages, ppn);
    vx_import_event(vxt0_target(vxt0), VX_REC_PT_PAGE_GONE, ppn << VX_PAGE_SHIFT, 0, NULL, 0);
    return VX_OK;
}

static void put_pt_store(vx_import_batch *batch, uint64_t gpa, unsigned bytes, uint64_t value)
{
    const uint64_t words[] = {gpa, value};
    vx_import_event(batch, VX_REC_PT_STORE, VX_GVA_UNKNOWN, (uint8_t)bytes, words, 2);
}

/* A store that is not one whole entry: every entry it touches, as it is afterwards. */
static void put_entries(vxt0_source *vxt0, const uint8_t *page, uint64_t gpa, unsigned bytes)
{
    unsigned entry = entry_bytes(vxt0);
    for (uint64_t at = gpa - gpa % entry; at < gpa + bytes; at += entry) {
        uint64_t value = 0;
        memcpy(&value, page + at % VX_PAGE_BYTES, entry);
        put_pt_store(vxt0_target(vxt0), at, entry, value);
    }
}

static vx_status pt_store(vxt0_source *vxt0, vx_msg *msg)
{
    uint64_t gpa = vxt0->tag.arg[0], bytes = vxt0->tag.arg[1], value = vxt0->tag.arg[2];
    if (gpa >> (PAGE_NUMBER_BITS + VX_PAGE_SHIFT) || bytes < 1 || bytes > VX_IMPORT_REFERENCE_BYTES ||
        gpa % VX_PAGE_BYTES + bytes > VX_PAGE_BYTES)
        return vxt0_event_fault(vxt0, "impossible operands", msg);
    uint8_t *page = vxt0_pages_find(&vxt0->pages, gpa >> VX_PAGE_SHIFT);
    if (!page) return vxt0_event_fault(vxt0, "a store to a page that is no page table", msg);
    const uint64_t stored[VX_IMPORT_REFERENCE_BYTES / 8] = {value}; /* wider ones were kept as 0 */
    memcpy(page + gpa % VX_PAGE_BYTES, stored, bytes);
    if (vxt0->source.header.tier == VX_TIER_FULL) {
        vxt0->waiting = VXT0_WAITS_FOR_STORE;
        vxt0->waiting_address = gpa;
        vxt0->waiting_bytes = bytes;
        vxt0->waiting_store = true;
    }
    if ((bytes == 4 || bytes == 8) && gpa % bytes == 0) {
        put_pt_store(vxt0_target(vxt0), gpa, (unsigned)bytes, bytes == 4 ? value & UINT32_MAX : value);
        return VX_OK;
    }
    put_entries(vxt0, page, gpa, (unsigned)bytes);
    return VX_OK;
}

/* ---- state ---- */

static vx_status all_pages_gone(vxt0_source *vxt0, vx_msg *msg)
{
    for (uint64_t ppn; vxt0->pages.live > 0 && vxt0_pages_take(&vxt0->pages, &ppn);) {
        vx_status status = vx_import_batch_reserve(&vxt0->batch, 1, 0, msg);
        if (status) return status;
        vx_import_event(&vxt0->batch, VX_REC_PT_PAGE_GONE, ppn << VX_PAGE_SHIFT, 0, NULL, 0);
    }
    return vx_import_batch_reserve(&vxt0->batch, VXT0_TAG_RECORDS_MAX, VXT0_TAG_WORDS_MAX, msg);
}

static vx_status put_state(vxt0_source *vxt0, vx_msg *msg)
{
    const uint64_t *arg = vxt0->tag.arg; /* CR0, CR3, CR4, EFER */
    if (vx_paging_mode_of(vxt0->cr0, vxt0->cr4, vxt0->efer) != vx_paging_mode_of(arg[0], arg[2], arg[3])) {
        vx_status status = all_pages_gone(vxt0, msg);
        if (status) return status;
    }
    vxt0->cr0 = arg[0];
    vxt0->cr4 = arg[2];
    vxt0->efer = arg[3];
    const uint64_t *pdpte = vxt0->pdpte;
    const uint64_t words[STATE_WORDS] = {arg[0], 0, arg[1], arg[2], arg[3], pdpte[0], pdpte[1], pdpte[2], pdpte[3]};
    vx_import_event(&vxt0->batch, VX_REC_STATE, 0, 0, words, STATE_WORDS);
    return VX_OK;
}

vx_status vxt0_put_paging(vxt0_source *vxt0, vx_msg *msg)
{
    switch (vxt0->tag.event) {
    case VXT0_PTPAGE:
        return page_new(vxt0, msg);
    case VXT0_PTDROP:
        return page_gone(vxt0, msg);
    case VXT0_PTW:
        return pt_store(vxt0, msg);
    case VXT0_STATE:
        return put_state(vxt0, msg);
    default: /* PDPTE */
        memcpy(vxt0->pdpte, vxt0->tag.arg, sizeof vxt0->pdpte);
        vx_import_event(&vxt0->batch, VX_REC_PDPTE_LOAD, 0, 0, vxt0->tag.arg, 4);
        return VX_OK;
    }
}
