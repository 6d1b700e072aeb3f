/* Two-dimensional translation without caches. Reserved bits are not looked at: the test writes none. */
#include "naive_walk.h"

#include "vx_radix.h"

typedef struct rights {
    bool w, u, x; /* guest format: writable, user, executable; EPT: u stands for readable */
} rights;

/* First dimension's geometry: index bits per level, 4-byte or 8-byte entries. */
typedef struct geometry {
    unsigned top, bits, entry_bytes;
} geometry;

static geometry guest_geometry(vx_paging_mode mode)
{
    switch (mode) {
    case VX_PAGING_32BIT:
        return (geometry){2, 10, 4};
    case VX_PAGING_PAE:
        return (geometry){3, 9, 8};
    case VX_PAGING_5LEVEL:
        return (geometry){5, 9, 8};
    default:
        return (geometry){4, 9, 8};
    }
}

static unsigned level_shift(geometry g, unsigned level) { return 12 + g.bits * (level - 1); }

static vx_page_size leaf_size(geometry g, unsigned level)
{
    if (level == 1) return VX_PAGE_4K;
    if (g.bits == 10) return VX_PAGE_4M;
    return level == 2 ? VX_PAGE_2M : VX_PAGE_1G;
}

static void note(naive_walk *walk, vx_hpa at, geometry g, unsigned level, bool nested, bool leaf, bool table_write)
{
    walk->entry[walk->entries++] = (naive_entry){at, (uint8_t)g.entry_bytes, (uint8_t)level, nested, leaf, table_write};
}

static uint64_t read_entry(const vx_physmem *memory, geometry g, vx_hpa at)
{
    return g.entry_bytes == 8 ? vx_physmem_read64(memory, at) : vx_physmem_read32(memory, at);
}

static uint64_t leaf_base(geometry g, unsigned level, uint64_t entry)
{
    uint64_t mask = (1ULL << level_shift(g, level)) - 1;
    return entry & (g.entry_bytes == 8 ? VX_ENTRY_ADDRESS : 0xFFFFF000ULL) & ~mask;
}

static bool is_leaf(geometry g, unsigned level, uint64_t entry, bool pse)
{
    return level == 1 || (level <= (g.bits == 10 ? 2U : 3U) && (entry & VX_PTE_PS) && (g.bits == 9 || pse));
}

/* The second dimension. False: a violation, recorded in *walk. Rights are checked after the last entry is found. */
static bool nested_translate(naive_walk *walk, const vx_physmem *memory, const vx_mmu_control *c, uint64_t gpa,
                             vx_access access, bool table, vx_hpa *hpa, vx_page_size *size)
{
    *hpa = (vx_hpa){gpa};
    *size = VX_PAGE_1G;
    walk->nested_found = c->nested == VX_NESTED_NONE;
    if (walk->nested_found) return true;
    bool ept = c->nested == VX_NESTED_EPT;
    geometry g = {c->nested_levels, 9, 8};
    rights have = {true, true, true};
    uint64_t table_at = c->nested_root;
    walk->gpa = (vx_gpa){gpa};
    walk->table = table;
    for (unsigned level = g.top;; level--) {
        vx_hpa at = {table_at + 8 * ((gpa >> level_shift(g, level)) & 511)};
        uint64_t entry = vx_physmem_read64(memory, at);
        if (!(entry & (ept ? VX_EPT_R | VX_EPT_W | VX_EPT_X : VX_PTE_P))) return false;
        bool leaf = is_leaf(g, level, entry, true);
        note(walk, at, g, level, true, leaf, table);
        have.w &= (entry & VX_PTE_W) != 0; /* bit 1 in both formats */
        have.u &= ept ? (entry & VX_EPT_R) != 0 : (entry & VX_PTE_U) != 0;
        have.x &= ept ? (entry & VX_EPT_X) != 0 : (entry & VX_PTE_NX) == 0;
        if (leaf) {
            *size = leaf_size(g, level);
            hpa->v = leaf_base(g, level, entry) + (gpa & (vx_page_bytes(*size) - 1));
            walk->nested_found = true;
            break;
        }
        table_at = entry & VX_ENTRY_ADDRESS;
    }
    /* NPT: every access is a user access. */
    if (access == VX_ACCESS_STORE) return have.w && (ept || have.u);
    if (access == VX_ACCESS_FETCH) return have.x && (ept || have.u);
    return have.u;
}

static uint32_t code(const vx_mmu_control *c, vx_access access, bool present)
{
    bool no_execute = c->smep || (c->nxe && c->paging != VX_PAGING_32BIT);
    return (present ? 1U : 0U) | (access == VX_ACCESS_STORE ? 2U : 0U) | (c->cpl == 3 ? 4U : 0U) |
           (access == VX_ACCESS_FETCH && no_execute ? 16U : 0U);
}

/* SDM Vol. 3A, 4.6.1. */
static bool allowed(const vx_mmu_control *c, rights have, vx_access access)
{
    if (c->cpl == 3) {
        if (!have.u) return false;
        return access == VX_ACCESS_LOAD || (access == VX_ACCESS_STORE ? have.w : have.x);
    }
    if (access == VX_ACCESS_FETCH) return have.x && !(c->smep && have.u);
    if (c->smap && have.u && !c->ac) return false;
    return access == VX_ACCESS_LOAD || have.w || !c->wp;
}

/* Reads one guest entry through the second dimension. */
static bool read_guest_entry(naive_walk *walk, const vx_physmem *memory, const vx_mmu_control *c, geometry g,
                             uint64_t table, unsigned level, uint64_t gva, vx_hpa *at, uint64_t *entry)
{
    uint64_t index = (gva >> level_shift(g, level)) & ((1U << g.bits) - 1);
    /* With EPT A and D flags a guest-table access counts as a write; on NPT always (APM Vol. 2, 15.25.5). */
    bool write = c->nested == VX_NESTED_NPT || c->nested_ad;
    vx_page_size size;
    if (!nested_translate(walk, memory, c, table + index * g.entry_bytes, write ? VX_ACCESS_STORE : VX_ACCESS_LOAD,
                          true, at, &size))
        return false;
    *entry = read_entry(memory, g, *at);
    return true;
}

static void finish(naive_walk *walk, const vx_physmem *memory, const vx_mmu_control *c, uint64_t gpa, vx_access access,
                   rights have)
{
    vx_page_size size;
    bool permitted = allowed(c, have, access);
    bool reached = nested_translate(walk, memory, c, gpa, access, false, &walk->hpa, &size);
    walk->mapped = walk->nested_found;
    walk->page = size < walk->guest_page ? size : walk->guest_page;
    walk->result = !permitted ? VX_MMU_PAGE_FAULT : reached ? VX_MMU_DONE : VX_MMU_NESTED_FAULT;
    walk->error_code = permitted ? 0 : code(c, access, true);
}

naive_walk naive_translate_gpa(const vx_physmem *memory, const vx_mmu_control *c, vx_gpa gpa, vx_access access)
{
    naive_walk walk = {.result = VX_MMU_NESTED_FAULT};
    vx_page_size size;
    if (nested_translate(&walk, memory, c, gpa.v, access, false, &walk.hpa, &size)) walk.result = VX_MMU_DONE;
    return walk;
}

/* CR0.PG = 0: the linear address is the guest-physical one, and only the second dimension restricts it. */
static naive_walk translate_unpaged(const vx_physmem *memory, const vx_mmu_control *c, vx_gva gva, vx_access access)
{
    naive_walk walk = {.guest_page = VX_PAGE_1G};
    vx_page_size size;
    bool reached = nested_translate(&walk, memory, c, gva.v, access, false, &walk.hpa, &size);
    walk.mapped = walk.nested_found;
    walk.page = size;
    walk.result = reached ? VX_MMU_DONE : VX_MMU_NESTED_FAULT;
    return walk;
}

naive_walk naive_translate(const vx_physmem *memory, const vx_mmu_control *c, vx_gva gva, vx_access access)
{
    if (c->paging == VX_PAGING_NONE) return translate_unpaged(memory, c, gva, access);
    naive_walk walk = {.result = VX_MMU_NESTED_FAULT};
    geometry g = guest_geometry(c->paging);
    rights have = {true, true, true};
    uint64_t table = c->root;
    for (unsigned level = g.top;; level--) {
        vx_hpa at = {0};
        uint64_t entry;
        /* PAE's PDPTEs are in registers, but for nested paging, where the walk reads them (APM Vol. 2, 15.25.10; KVM
         * loads no PDPTRs with NPT). Either way they hold no rights and no A. */
        bool pdpte = c->paging == VX_PAGING_PAE && level == 3;
        if (pdpte && c->nested != VX_NESTED_NPT)
            entry = c->pdpte[(gva.v >> 30) & 3];
        else if (!read_guest_entry(&walk, memory, c, g, table, level, gva.v, &at, &entry))
            return walk;
        if (!(entry & VX_PTE_P)) {
            walk.result = VX_MMU_PAGE_FAULT;
            walk.error_code = code(c, access, false);
            return walk;
        }
        bool leaf = !pdpte && is_leaf(g, level, entry, c->pse);
        if (!pdpte) {
            note(&walk, at, g, level, false, leaf, false);
            have.w &= (entry & VX_PTE_W) != 0;
            have.u &= (entry & VX_PTE_U) != 0;
            have.x &= g.entry_bytes == 4 || !c->nxe || (entry & VX_PTE_NX) == 0;
        }
        if (leaf) {
            walk.guest_page = leaf_size(g, level);
            walk.global = c->pge && (entry & VX_PTE_G);
            uint64_t offset = gva.v & (vx_page_bytes(walk.guest_page) - 1);
            finish(&walk, memory, c, leaf_base(g, level, entry) + offset, access, have);
            return walk;
        }
        table = entry & (g.entry_bytes == 8 ? VX_ENTRY_ADDRESS : 0xFFFFF000ULL);
    }
}
