/* The second-level walk: a domain's tables of 3 to 5 levels, 4K, 2M and 1G pages.
 *
 * VT-d specification, 3.7 and 9.8; fault conditions of chapter 7: LSL and LGN in legacy mode, SSS and SGN in scalable
 * mode. NOT MODELLED: memory types (EMT, IPAT), SNP and TM bits (ignored), execute permission of the second level. */
#include "iommu_private.h"

/* The same condition has one reason in legacy mode and another in scalable mode. */
typedef struct walk_faults {
    vx_vtd_fault beyond, root_access, access, reserved, write, read;
} walk_faults;

static const walk_faults legacy = {VX_VTD_FAULT_BEYOND_MGAW,    VX_VTD_FAULT_TABLE_ACCESS, VX_VTD_FAULT_TABLE_ACCESS,
                                   VX_VTD_FAULT_TABLE_RESERVED, VX_VTD_FAULT_WRITE,        VX_VTD_FAULT_READ};
static const walk_faults scalable = {VX_VTD_FAULT_S_BEYOND,       VX_VTD_FAULT_S_TABLE_ROOT_ACCESS,
                                     VX_VTD_FAULT_S_TABLE_ACCESS, VX_VTD_FAULT_S_TABLE_RESERVED,
                                     VX_VTD_FAULT_S_WRITE,        VX_VTD_FAULT_S_READ};

/* Bits that must be 0 in a present entry of this level. */
static uint64_t reserved_bits(const vx_iommu *iommu, const vx_radix *format, unsigned level, uint64_t entry)
{
    uint64_t reserved = vx_io_reserved_address(iommu);
    if (level == 1) return reserved;
    bool pages = (level == 2 && iommu->config.page_2m) || (level == 3 && iommu->config.page_1g);
    if (!(entry & format->large)) return reserved;
    if (!pages) return reserved | format->large;
    return reserved | (vx_page_bytes((vx_page_size)format->page[level]) - VX_PAGE_BYTES);
}

/* Sets A, and D where a leaf is written; false where the entry's page may not be written by walks. */
static bool set_flags(vx_iommu *iommu, const vx_io_pasid *entry_of, uint64_t at, uint64_t *entry, bool dirty)
{
    uint64_t flags = VX_VTD_SL_A | (dirty ? VX_VTD_SL_D : 0);
    if (!entry_of->second_ad || (*entry & flags) == flags) return true;
    if (!entry_of->snoop) return false;
    *entry |= flags;
    vx_io_write64(iommu, at, *entry);
    iommu->counts.ad_writes++;
    return true;
}

static bool beyond(const vx_iommu *iommu, const vx_radix *format, uint64_t address)
{
    unsigned table_bits = format->shift[format->top] + 9U;
    unsigned bits = table_bits < iommu->config.guest_bits ? table_bits : iommu->config.guest_bits;
    return address >> bits != 0;
}

vx_vtd_fault vx_io_walk_second(vx_iommu *iommu, const vx_io_setup *setup, uint64_t address, vx_io_need need,
                               vx_io_work *work, vx_io_leaf *leaf)
{
    const walk_faults *faults = setup->scalable ? &scalable : &legacy;
    const vx_radix *format = vx_vtd_second_level(setup->entry.second_levels);
    if (beyond(iommu, format, address)) return faults->beyond;
    vx_io_start start = {format->top, setup->entry.second_root, VX_IO_R | VX_IO_W};
    vx_io_paging_find(iommu, format, address, setup->second_space, &start);
    uint64_t rights = start.rights, table = start.table;
    for (unsigned level = start.level;; level--) {
        uint64_t at = table + (uint64_t)vx_radix_index(format, level, address) * 8, entry;
        vx_io_read what = (vx_io_read)(VX_IO_READ_SECOND_1 - (level - 1));
        if (!vx_io_read64(iommu, work, what, at, &entry))
            return level == format->top ? faults->root_access : faults->access;
        if (!(entry & format->present)) {
            work->absent = true;
            if (setup->scalable) return VX_VTD_FAULT_S_TABLE_P;
            return need.write ? faults->write : faults->read;
        }
        if (entry & reserved_bits(iommu, format, level, entry)) return faults->reserved;
        rights &= entry & (VX_IO_R | VX_IO_W);
        if (need.write && !(rights & VX_IO_W)) return faults->write;
        if (!need.write && !(rights & VX_IO_R)) return faults->read;
        bool last = vx_radix_is_leaf(format, level, entry);
        if (!set_flags(iommu, &setup->entry, at, &entry, last && need.write)) return VX_VTD_FAULT_S_TABLE_AD;
        table = vx_radix_frame(format, entry, level, last);
        if (!last) {
            vx_io_paging_fill(iommu, format, address, setup->second_space, level, table, rights);
            continue;
        }
        bool clean = setup->entry.second_ad && !(entry & VX_VTD_SL_D);
        vx_page_size size = (vx_page_size)format->page[level];
        *leaf = (vx_io_leaf){.hpa = table | (address & (vx_page_bytes(size) - 1)),
                             .size = size,
                             .rights = rights | VX_IO_X | VX_IO_U | (clean ? 0 : VX_IO_DIRTY)};
        return VX_VTD_FAULT_NONE;
    }
}
