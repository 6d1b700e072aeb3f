/* What is remembered of an address, found without touching anything. */
#include "tlb.h"

static bool in_tlb(const vx_mmu *mmu, const vx_tlb *tlb, uint64_t gva, vx_mmu_translation *translation)
{
    for (unsigned i = 0; i < tlb->unit.live_count; i++) {
        const vx_tlb_view *view = &tlb->unit.live[i];
        vx_tlb_spot spot;
        if (!vx_tlb_find(view, &mmu->front, gva, &spot)) continue;
        uint64_t offset = gva & (vx_page_bytes(vx_tlb_size(view)) - 1);
        *translation =
            (vx_mmu_translation){.hpa = {(vx_tlb_value(&spot) & VX_TLB_FRAME) | offset}, .page = vx_tlb_size(view)};
        return true;
    }
    return false;
}

static bool holds(const vx_walker_cache *cache, uint64_t prefix, uint64_t set_number, uint64_t owner)
{
    if (!cache->exists) return false;
    uint32_t set = (uint32_t)set_number & (cache->array.sets - 1);
    return vx_setassoc_find(&cache->array, set, vx_tag_make(prefix, owner)) != VX_SETASSOC_NONE;
}

static bool in_prefix_caches(const vx_walker_cache caches[], const vx_radix *format, uint64_t address, uint64_t owner)
{
    for (unsigned level = 2; format && level <= format->top; level++) {
        uint64_t prefix = address >> format->shift[level];
        if (holds(&caches[level], prefix, prefix, owner)) return true;
    }
    return false;
}

static bool in_walk_cache(const vx_mmu *mmu, uint64_t at, uint64_t owner)
{
    return holds(&mmu->psc_physical, at >> 2, at >> 3, owner);
}

/* A walk of the tables in memory alone. Each entry's host-physical address is asked of the page-walk cache. */
typedef struct peek {
    bool mapped;
    bool remembered;
    uint64_t hpa;
} peek;

static uint64_t offset_in(const vx_radix *format, unsigned level, uint64_t address)
{
    return address & ((1ULL << format->shift[level]) - 1);
}

static peek peek_nested(const vx_mmu *mmu, uint64_t gpa)
{
    const vx_radix *format = mmu->setup.nested;
    if (!format) return (peek){.mapped = true, .hpa = gpa};
    peek result = {0};
    uint64_t table = mmu->control.nested_root;
    for (unsigned level = mmu->setup.nested_top;; level--) {
        uint64_t at = table + (uint64_t)vx_radix_index(format, level, gpa) * 8;
        uint64_t entry = vx_physmem_read64(mmu->memory, (vx_hpa){at});
        result.remembered |= in_walk_cache(mmu, at, mmu->setup.guest_physical_owner);
        if (!(entry & format->present)) return result;
        bool leaf = vx_radix_is_leaf(format, level, entry);
        table = vx_radix_frame(format, entry, level, leaf);
        if (!leaf) continue;
        result.mapped = true;
        result.hpa = table | offset_in(format, level, gpa);
        return result;
    }
}

static bool guest_entry_remembered(const vx_mmu *mmu, uint64_t gva)
{
    const vx_radix *format = mmu->setup.guest;
    if (!format || !mmu->psc_physical.exists) return false;
    uint64_t table =
        mmu->setup.pdptes_latched ? mmu->control.pdpte[gva >> 30 & 3] & VX_ENTRY_ADDRESS : mmu->control.root;
    for (unsigned level = mmu->setup.guest_top; level > 1; level--) {
        peek at = peek_nested(mmu, table + (uint64_t)vx_radix_index(format, level, gva) * format->entry_bytes);
        if (!at.mapped) return false;
        if (in_walk_cache(mmu, at.hpa, mmu->front.owner)) return true;
        uint64_t entry = vx_radix_read(format, mmu->memory, (vx_hpa){at.hpa});
        if (!(entry & format->present) || vx_radix_is_leaf(format, level, entry)) return false;
        table = vx_radix_frame(format, entry, level, false);
    }
    return false;
}

vx_mmu_presence vx_mmu_probe(const vx_mmu *mmu, vx_gva gva, vx_gpa gpa)
{
    vx_mmu_presence presence = {0};
    for (unsigned i = 0; i < mmu->tlb_count; i++) {
        bool held = in_tlb(mmu, &mmu->tlb[i], gva.v, &presence.translation);
        presence.l1d |= held && mmu->tlb[i].config->level == VX_TLB_L1D;
        presence.l1i |= held && mmu->tlb[i].config->level == VX_TLB_L1I;
        presence.l2 |= held && mmu->tlb[i].config->level == VX_TLB_L2;
    }
    uint64_t guest_physical = mmu->setup.guest_physical_owner;
    presence.psc_guest = in_prefix_caches(mmu->psc_guest, mmu->setup.guest, gva.v, mmu->front.owner) ||
                         guest_entry_remembered(mmu, gva.v);
    if (!mmu->setup.nested) return presence;
    presence.psc_nested = in_prefix_caches(mmu->psc_nested, mmu->setup.nested, gpa.v, guest_physical) ||
                          (mmu->psc_physical.exists && peek_nested(mmu, gpa.v).remembered);
    uint64_t page = gpa.v >> VX_PAGE_SHIFT;
    presence.ntlb = holds(&mmu->ntlb, page, page, guest_physical);
    return presence;
}
