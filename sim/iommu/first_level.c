/* The first-level walk, alone or nested in the second level: the process's own 4- or 5-level paging structures.
 *
 * VT-d specification, 3.6 (first-level translation), 3.8 (nested), 9.7; fault conditions SFS, SNS and SGN of chapter 7.
 * Of nested translation each first-level table lies at a guest-physical address, which takes a second-level walk, and
 * so does the final address: as in the processor's two-dimensional walk (sim/mmu/nested_walk.c).
 *
 * NOT MODELLED: SMEP, extended accessed flag, page attributes. */
#include "iommu_private.h"

/* Bits that must be 0 in a present entry of this level. */
static uint64_t reserved_bits(const vx_iommu *iommu, const vx_io_setup *setup, const vx_radix *format, unsigned level,
                              uint64_t entry)
{
    uint64_t reserved = vx_io_reserved_address(iommu) | (setup->entry.nxe ? 0 : VX_PTE_NX);
    if (level == 1 || !(entry & format->large)) return reserved;
    bool pages = level == 2 || (level == 3 && iommu->config.first_level_1g);
    if (!pages) return reserved | format->large;
    return reserved | ((vx_page_bytes((vx_page_size)format->page[level]) - 1) & ~0x1FFFULL); /* bit 12 is PAT */
}

/* One step of the nesting: where a guest-physical address lies. */
typedef struct nesting {
    vx_iommu *iommu;
    const vx_io_setup *setup;
    vx_io_work *work;
} nesting;

/* The host-physical address of a first-level entry, or of its table. `root`: the top one. */
static vx_vtd_fault place_table(const nesting *nest, uint64_t gpa, bool root, bool write, uint64_t *hpa)
{
    if (nest->setup->entry.type != VX_VTD_PGTT_NESTED) {
        *hpa = gpa;
        return VX_VTD_FAULT_NONE;
    }
    vx_io_leaf leaf;
    vx_vtd_fault fault =
        vx_io_walk_second(nest->iommu, nest->setup, gpa, (vx_io_need){.write = write}, nest->work, &leaf);
    switch ((int)fault) {
    case VX_VTD_FAULT_NONE:
        *hpa = leaf.hpa;
        return fault;
    case VX_VTD_FAULT_S_BEYOND:
        return VX_VTD_FAULT_N_BEYOND;
    case VX_VTD_FAULT_S_TABLE_P:
    case VX_VTD_FAULT_S_READ:
        return root ? VX_VTD_FAULT_N_ROOT_READ : VX_VTD_FAULT_N_READ;
    case VX_VTD_FAULT_S_WRITE:
        return VX_VTD_FAULT_N_WRITE;
    default:
        return fault;
    }
}

/* A, and D of a written leaf. */
static uint64_t missing_flags(uint64_t entry, bool dirty) { return (VX_PTE_A | (dirty ? VX_PTE_D : 0)) & ~entry; }

/* Nested: the page of the entry must be writable for the second level. */
static vx_vtd_fault set_flags(const nesting *nest, uint64_t at, uint64_t gpa, uint64_t *entry, uint64_t flags)
{
    if (!nest->setup->entry.snoop) return VX_VTD_FAULT_F_AD;
    uint64_t same = at;
    vx_vtd_fault fault = place_table(nest, gpa, false, true, &same);
    if (fault) return fault;
    *entry |= flags;
    vx_io_write64(nest->iommu, same, *entry);
    nest->iommu->counts.ad_writes++;
    return VX_VTD_FAULT_NONE;
}

static vx_vtd_fault check_rights(const vx_io_setup *setup, vx_io_need need, uint64_t rights)
{
    if (need.user && !(rights & VX_IO_U)) return VX_VTD_FAULT_F_USER;
    if (need.execute && !(rights & VX_IO_X)) return VX_VTD_FAULT_F_EXECUTE;
    bool write_protected = need.user || setup->entry.wpe; /* WPE is to supervisor requests what CR0.WP is */
    if (need.write && !(rights & VX_IO_W) && write_protected) return VX_VTD_FAULT_S_WRITE;
    return VX_VTD_FAULT_NONE;
}

/* The final address of a nested translation through the second level. */
static vx_vtd_fault place_output(const nesting *nest, vx_io_need need, vx_io_leaf *leaf)
{
    if (nest->setup->entry.type != VX_VTD_PGTT_NESTED) return VX_VTD_FAULT_NONE;
    vx_io_leaf nested;
    vx_vtd_fault fault = vx_io_walk_second(nest->iommu, nest->setup, leaf->hpa, need, nest->work, &nested);
    if (fault == VX_VTD_FAULT_S_BEYOND) return VX_VTD_FAULT_N_OUTPUT_BEYOND;
    if (fault) return fault;
    uint64_t clean = ~nested.rights & VX_IO_DIRTY;
    leaf->hpa = nested.hpa;
    leaf->size = nested.size < leaf->size ? nested.size : leaf->size;
    leaf->rights &= (nested.rights | VX_IO_DIRTY);
    leaf->rights &= ~clean;
    return VX_VTD_FAULT_NONE;
}

static uint64_t rights_of(uint64_t entry)
{
    return VX_IO_R | (entry & VX_PTE_W ? VX_IO_W : 0) | (entry & VX_PTE_U ? VX_IO_U : 0) |
           (entry & VX_PTE_NX ? 0 : VX_IO_X);
}

/* From the root, or from where the paging-structure caches know the tables. *again: flags must be set in an entry whose
 * guest-physical address a combined entry has hidden; only a walk from the root knows it. */
static vx_vtd_fault walk(const nesting *nest, const vx_radix *format, uint64_t address, vx_io_need need, bool cached,
                         bool *again, vx_io_leaf *leaf)
{
    vx_iommu *iommu = nest->iommu;
    const vx_io_setup *setup = nest->setup;
    vx_io_start start = {format->top, 0, VX_IO_RIGHTS};
    if (cached) vx_io_paging_find(iommu, format, address, setup->space, &start);
    uint64_t rights = start.rights, table = start.table, gpa = 0;
    bool gpa_known = start.level == format->top;
    vx_vtd_fault fault = VX_VTD_FAULT_NONE;
    if (gpa_known) {
        gpa = setup->entry.first_root;
        fault = place_table(nest, gpa, true, false, &table);
    }
    for (unsigned level = start.level; !fault; level--) {
        uint64_t offset = (uint64_t)vx_radix_index(format, level, address) * 8, entry;
        vx_io_read what = (vx_io_read)(VX_IO_READ_FIRST_1 - (level - 1));
        if (!vx_io_read64(iommu, nest->work, what, table + offset, &entry))
            return level == format->top ? VX_VTD_FAULT_F_ROOT_ACCESS : VX_VTD_FAULT_F_ACCESS;
        if (!(entry & VX_PTE_P)) {
            nest->work->absent = true;
            return VX_VTD_FAULT_F_P;
        }
        if (entry & reserved_bits(iommu, setup, format, level, entry)) return VX_VTD_FAULT_F_RESERVED;
        rights &= rights_of(entry);
        bool last = vx_radix_is_leaf(format, level, entry);
        if (last) fault = check_rights(setup, need, rights);
        uint64_t flags = missing_flags(entry, last && need.write);
        if (!fault && flags && !gpa_known) {
            *again = true;
            return VX_VTD_FAULT_NONE;
        }
        if (!fault && flags) fault = set_flags(nest, table + offset, gpa + offset, &entry, flags);
        if (fault) return fault;
        gpa = vx_radix_frame(format, entry, level, last);
        gpa_known = true;
        if (!last) {
            fault = place_table(nest, gpa, false, false, &table);
            if (!fault) vx_io_paging_fill(iommu, format, address, setup->space, level, table, rights);
            continue;
        }
        vx_page_size size = (vx_page_size)format->page[level];
        *leaf = (vx_io_leaf){.hpa = gpa | (address & (vx_page_bytes(size) - 1)),
                             .size = size,
                             .rights = rights | (entry & VX_PTE_D ? VX_IO_DIRTY : 0)};
        return place_output(nest, need, leaf);
    }
    return fault;
}

vx_vtd_fault vx_io_walk_first(vx_iommu *iommu, const vx_io_setup *setup, uint64_t address, vx_io_need need,
                              vx_io_work *work, vx_io_leaf *leaf)
{
    bool five = setup->entry.first_levels == 5, again = false;
    const vx_radix *format = five ? &vx_radix_5level : &vx_radix_4level;
    if (!vx_canonical(address, five ? 57 : 48)) return VX_VTD_FAULT_F_CANONICAL;
    address &= (1ULL << 57) - 1; /* what tags know of it */
    const nesting nest = {iommu, setup, work};
    vx_vtd_fault fault = walk(&nest, format, address, need, true, &again, leaf);
    return again ? walk(&nest, format, address, need, false, &again, leaf) : fault;
}
