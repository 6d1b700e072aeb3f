#include "slow_ept.h"

#define BIT(n) (1ULL << (n))
static bool has(uint64_t word, unsigned bit) { return word >> bit & 1; }

/* Who asks, as the qualification tells it. */
typedef struct slow_access {
    bool read, write, fetch;
    bool paging;       /* of a guest paging-structure entry */
    bool linear;       /* while a linear address is translated ... */
    bool data;         /* ... which translates to this guest-physical address */
    bool user_address; /* paging makes it a user-mode address */
    bool writable, no_execute;
    bool shadow_stack, supervisor;
} slow_access;

typedef struct slow_page {
    uint64_t hpa, leaf;
    bool read, write, execute, user_execute; /* AND over the entries */
    bool paging_write;                       /* the processor may write a guest table there */
} slow_page;

/* ---- misconfigurations, 28.2.3.1, by tables 28-1 to 28-7 ---- */

static bool present(const slow_ept *e, uint64_t entry)
{
    return (entry & 7) || (e->control.mode_based_execute && has(entry, 10));
}

static bool is_leaf(unsigned level, uint64_t entry) { return level == 1 || (level <= 3 && has(entry, 7)); }

static bool reserved_bit(const slow_ept *e, unsigned level, uint64_t entry)
{
    unsigned low = 0, high = 0; /* reserved bits high:low of the entry's kind */
    for (unsigned bit = e->cpu->paging.physical_bits; bit < 52; bit++)
        if (has(entry, bit)) return true;
    if (is_leaf(level, entry)) {
        if (level == 3 && !e->cpu->vmx.ept_1g) return true;
        if (level == 1) return false;
        low = 12, high = level == 2 ? 20 : 29;
    } else {
        low = 3, high = level >= 4 ? 7 : 6;
    }
    for (unsigned bit = low; bit <= high; bit++)
        if (has(entry, bit)) return true;
    return false;
}

static bool misconfigured(const slow_ept *e, unsigned level, uint64_t entry)
{
    if (!has(entry, 0)) {
        if (has(entry, 1)) return true;
        if (!e->cpu->vmx.ept_execute_only) {
            if (has(entry, 2)) return true;
            if (e->control.mode_based_execute && has(entry, 10)) return true;
        }
        if (e->control.paging_write && is_leaf(level, entry) && has(entry, 58)) return true;
    }
    if (reserved_bit(e, level, entry)) return true;
    unsigned type = (unsigned)(entry >> 3) & 7;
    return is_leaf(level, entry) && (type == 2 || type == 3 || type == 7);
}

/* ---- violations ---- */

/* Table 27-7. `page` NULL: no entry maps a page. */
static slow_outcome violation(const slow_ept *e, uint64_t gpa, const slow_access *a, const slow_page *page,
                              bool convertible, bool verification)
{
    uint64_t q = 0;
    if (a->read) q |= BIT(0);
    if (a->write) q |= BIT(1);
    if (a->fetch) q |= BIT(2);
    if (page && page->read) q |= BIT(3);
    if (page && page->write) q |= BIT(4);
    if (page && page->execute) q |= BIT(5);
    if (page && e->control.mode_based_execute && page->user_execute) q |= BIT(6);
    if (a->linear) q |= BIT(7);
    if (a->linear && a->data) q |= BIT(8);
    if (a->linear && a->data && e->control.advanced_information) {
        if (a->user_address) q |= BIT(9);
        if (a->writable) q |= BIT(10);
        if (a->no_execute) q |= BIT(11);
    }
    if (a->shadow_stack) q |= BIT(13);
    if (e->control.supervisor_shadow_stack && page && has(page->leaf, 60)) q |= BIT(14);
    if (verification) q |= BIT(15);
    return (slow_outcome){.result = VX_MMU_NESTED_FAULT, .gpa = gpa, .qualification = q, .convertible = convertible};
}

static bool sub_page_level(const slow_ept *e, uint64_t *table, uint64_t gpa, unsigned level, slow_outcome *event)
{
    uint64_t entry = vx_physmem_read64(e->memory, (vx_hpa){*table + 8 * (gpa >> (3 + 9 * level) & 511)});
    *event = (slow_outcome){.result = VX_MMU_SPP_EVENT, .gpa = gpa};
    if (level == 1) {
        *table = entry; /* the vector */
        for (unsigned bit = 1; bit < 64; bit += 2)
            if (has(entry, bit)) return false;
        return true;
    }
    if (!has(entry, 0)) {
        event->qualification = BIT(11);
        return false;
    }
    for (unsigned bit = 1; bit < 64; bit++)
        if ((bit < 12 || bit >= e->cpu->paging.physical_bits) && has(entry, bit)) return false;
    *table = entry & ~0xFFFULL;
    return true;
}

/* 28.2.4: may the sub-page be written? False: *out says why not. */
static bool sub_page_allows(const slow_ept *e, uint64_t gpa, const slow_access *a, const slow_page *page,
                            slow_outcome *out)
{
    uint64_t table = e->control.sppt & ~0xFFFULL;
    for (unsigned level = 4; level > 0; level--)
        if (!sub_page_level(e, &table, gpa, level, out)) return false;
    if (has(table, 2 * (unsigned)(gpa >> 7 & 31))) return true;
    *out = violation(e, gpa, a, page, !has(page->leaf, 63), false);
    return false;
}

/* Does what the entries allow suffice? (28.2.3.2) */
static bool allowed(const slow_ept *e, const slow_access *a, const slow_page *page, bool written_above)
{
    if (a->shadow_stack && a->supervisor && e->control.supervisor_shadow_stack)
        return page->read && written_above && has(page->leaf, 60);
    if (a->read && !page->read) return false;
    if (a->write && !(a->paging ? page->paging_write : page->write)) return false;
    if (!a->fetch) return true;
    return e->control.mode_based_execute && a->user_address ? page->user_execute : page->execute;
}

/* Sets flags, with the log. False: the log is full. */
static bool flag(slow_ept *e, uint64_t at, uint64_t *entry, bool dirty, uint64_t gpa)
{
    uint64_t flags = BIT(8) | (dirty ? BIT(9) : 0);
    if (!e->control.nested_ad || (*entry & flags) == flags) return true;
    if (e->control.pml_index && e->pml > 511) return false;
    bool newly = dirty && !has(*entry, 9);
    *entry |= flags;
    vx_physmem_write64(e->memory, (vx_hpa){at}, *entry);
    if (newly && e->control.pml_index) {
        vx_physmem_write64(e->memory, (vx_hpa){e->control.pml_address + 8ULL * e->pml}, gpa & ~0xFFFULL);
        e->pml--;
    }
    return true;
}

static slow_outcome nested(slow_ept *e, uint64_t gpa, const slow_access *a, slow_page *page)
{
    unsigned top = e->control.nested_levels;
    if (top == 4 && gpa >> 48) return violation(e, gpa, a, NULL, false, false);
    uint64_t table = e->control.nested_root;
    bool written_above = true;
    *page = (slow_page){.read = true, .write = true, .execute = true, .user_execute = true};
    for (unsigned level = top;; level--) {
        uint64_t at = table + 8 * (gpa >> (3 + 9 * level) & 511);
        uint64_t entry = vx_physmem_read64(e->memory, (vx_hpa){at});
        if (!present(e, entry)) return violation(e, gpa, a, NULL, !has(entry, 63), false);
        if (misconfigured(e, level, entry)) return (slow_outcome){.result = VX_MMU_EPT_MISCONFIG, .gpa = gpa};
        bool above = page->write;
        page->read &= has(entry, 0);
        page->write &= has(entry, 1);
        page->execute &= has(entry, 2);
        page->user_execute &= has(entry, e->control.mode_based_execute ? 10 : 2);
        if (!is_leaf(level, entry)) {
            if (!flag(e, at, &entry, false, gpa)) return (slow_outcome){.result = VX_MMU_PML_FULL, .gpa = gpa};
            table = entry & 0x000FFFFFFFFFF000ULL;
            continue;
        }
        written_above = above;
        page->leaf = entry;
        page->paging_write = page->write || (e->control.paging_write && written_above && has(entry, 58));
        if (!allowed(e, a, page, written_above)) {
            bool only_write = a->write && !a->paging && !a->shadow_stack;
            slow_outcome out = violation(e, gpa, a, page, !has(entry, 63), false);
            if (!only_write || !e->control.sub_page_write || level != 1 || !has(entry, 61)) return out;
            if (!sub_page_allows(e, gpa, a, page, &out)) return out;
        }
        if (!flag(e, at, &entry, a->write, gpa)) return (slow_outcome){.result = VX_MMU_PML_FULL, .gpa = gpa};
        uint64_t offset = BIT(12 + 9 * (level - 1)) - 1;
        page->leaf = entry;
        page->hpa = (entry & 0x000FFFFFFFFFF000ULL & ~offset) | (gpa & offset);
        return (slow_outcome){.result = VX_MMU_DONE, .hpa = page->hpa};
    }
}

slow_outcome slow_ept_gpa(slow_ept *e, uint64_t gpa, vx_access access)
{
    slow_page page = {0};
    const slow_access a = {.read = access == VX_ACCESS_LOAD,
                           .write = access == VX_ACCESS_STORE,
                           .fetch = access == VX_ACCESS_FETCH,
                           .data = true};
    return nested(e, gpa, &a, &page);
}

/* ---- linear addresses: 4-level guest tables, Vol. 3A 4.5 to 4.8 ---- */

static slow_outcome page_fault(const slow_ept *e, vx_access access, uint32_t cause)
{
    uint32_t code = cause | (access == VX_ACCESS_STORE ? 2U : 0) | (e->control.cpl == 3 ? 4U : 0);
    if (access == VX_ACCESS_FETCH && (e->control.nxe || e->control.smep)) code |= 16;
    if (e->shadow_stack) code |= 64;
    return (slow_outcome){.result = VX_MMU_PAGE_FAULT, .error_code = code};
}

static bool guest_denies(const slow_ept *e, vx_access access, const slow_access *a, bool upper_writable, uint64_t pte)
{
    bool user = e->control.cpl == 3, write = access == VX_ACCESS_STORE;
    if (e->shadow_stack) return !upper_writable || has(pte, 1) || !has(pte, 6) || a->user_address != user;
    if (access == VX_ACCESS_FETCH)
        return a->no_execute || (user ? !a->user_address : e->control.smep && a->user_address);
    if (user) return !a->user_address || (write && !a->writable);
    return (a->user_address && e->control.smap && !e->control.ac) || (write && e->control.wp && !a->writable);
}

/* A flag of a guest entry: a write to its page. False: *out says what stops it. */
static bool guest_flag(slow_ept *e, uint64_t gpa, const slow_page *page, uint64_t *entry, uint64_t flags,
                       slow_outcome *out)
{
    if ((*entry & flags) == flags) return true;
    if (!page->paging_write) {
        const slow_access a = {.read = true, .write = true, .paging = true, .linear = true};
        *out = violation(e, gpa, &a, page, !has(page->leaf, 63), false);
        return false;
    }
    *entry |= flags;
    vx_physmem_write64(e->memory, (vx_hpa){page->hpa}, *entry);
    return true;
}

slow_outcome slow_ept_linear(slow_ept *e, uint64_t gva, vx_access access)
{
    slow_access data = {.read = access == VX_ACCESS_LOAD,
                        .write = access == VX_ACCESS_STORE,
                        .fetch = access == VX_ACCESS_FETCH,
                        .linear = true,
                        .data = true,
                        .user_address = true,
                        .writable = true,
                        .shadow_stack = e->shadow_stack,
                        .supervisor = e->control.cpl != 3};
    const slow_access entry_access = {.read = true, .write = e->control.nested_ad, .paging = true, .linear = true};
    bool unverified = false, upper_writable = true;
    uint64_t table = e->control.root, entry = 0, gpa = 0;
    slow_page page = {0};
    slow_outcome out;
    unsigned level = 4;
    for (;; level--) {
        gpa = table + 8 * (gva >> (3 + 9 * level) & 511);
        out = nested(e, gpa, &entry_access, &page);
        if (out.result != VX_MMU_DONE) return out;
        unverified |= !has(page.leaf, 58);
        entry = vx_physmem_read64(e->memory, (vx_hpa){page.hpa});
        if (!has(entry, 0)) return page_fault(e, access, 0);
        bool leaf = level == 1 || (level <= 3 && has(entry, 7));
        for (unsigned bit = e->cpu->paging.physical_bits; bit < 52; bit++)
            if (has(entry, bit)) return page_fault(e, access, 9);
        if (has(entry, 63) && !e->control.nxe) return page_fault(e, access, 9);
        if (level == 4 && has(entry, 7)) return page_fault(e, access, 9);
        if (level == 3 && has(entry, 7) && !e->cpu->paging.page_1g) return page_fault(e, access, 9);
        for (unsigned bit = 13; leaf && level > 1 && bit < 12 + 9 * (level - 1); bit++)
            if (has(entry, bit)) return page_fault(e, access, 9);
        upper_writable = data.writable;
        data.writable &= has(entry, 1);
        data.user_address &= has(entry, 2);
        data.no_execute |= has(entry, 63);
        if (leaf) break;
        if (!guest_flag(e, gpa, &page, &entry, BIT(5), &out)) return out;
        table = entry & 0x000FFFFFFFFFF000ULL;
    }
    if (guest_denies(e, access, &data, upper_writable, entry)) return page_fault(e, access, 1);
    uint64_t offset = BIT(12 + 9 * (level - 1)) - 1;
    uint64_t target = (entry & 0x000FFFFFFFFFF000ULL & ~offset) | (gva & offset);
    slow_page final = {0};
    out = nested(e, target, &data, &final);
    if (out.result != VX_MMU_DONE) return out;
    if (e->control.guest_paging_verification && has(page.leaf, 57) && unverified)
        return violation(e, target, &data, &final, !has(final.leaf, 63), true);
    uint64_t hpa = out.hpa;
    if (!guest_flag(e, gpa, &page, &entry, BIT(5) | (data.write ? BIT(6) : 0), &out)) return out;
    return (slow_outcome){.result = VX_MMU_DONE, .hpa = hpa};
}
