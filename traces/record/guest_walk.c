/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's own translation, in software (SDM Vol. 3A, 4.3 to 4.5). */
#include <string.h>

#include "guest_access.h"

vxr_paging vxr_paging_of(const vxr_control *control)
{
    if (!(control->cr0 & CR0_PG)) return PAGING_NONE;
    if (control->efer & EFER_LMA) return control->cr4 & CR4_LA57 ? PAGING_5LEVEL : PAGING_4LEVEL;
    return control->cr4 & CR4_PAE ? PAGING_PAE : PAGING_32BIT;
}

static const uint64_t four_gib = 1ULL << 32;

bool vxr_is_ram(const vxr_ram *ram, uint64_t gpa, uint64_t bytes)
{
    if (gpa < ram->low) return bytes <= ram->low - gpa;
    return gpa >= four_gib && gpa - four_gib < ram->high && bytes <= ram->high - (gpa - four_gib);
}

bool vxr_ram_gpa(const vxr_ram *ram, uint64_t offset, uint64_t *gpa)
{
    if (offset >= ram->low + ram->high) return false;
    *gpa = offset < ram->low ? offset : offset - ram->low + four_gib;
    return true;
}

static bool read_entry(const vxr_ram *ram, uint64_t at, unsigned bytes, uint64_t *entry)
{
    *entry = 0;
    if (!vxr_is_ram(ram, at, bytes)) return false;
    vxr_read_physical(at, entry, bytes);
    return true;
}

#define FRAME 0x000FFFFFFFFFF000ULL

static bool walk_32bit(const vxr_control *control, const vxr_ram *ram, uint64_t gva, uint64_t *gpa)
{
    uint64_t entry;
    if (!read_entry(ram, (control->cr3 & 0xFFFFF000U) + (gva >> 22 & 1023) * 4, 4, &entry) || !(entry & 1))
        return false;
    if (entry & 0x80 && control->cr4 & CR4_PSE) { /* bits 20:13 are 39:32 (SDM Vol. 3A, 4.3) */
        *gpa = (entry & 0xFFC00000U) | (entry >> 13 & 0xFF) << 32 | (gva & 0x3FFFFF);
        return true;
    }
    if (!read_entry(ram, (entry & 0xFFFFF000U) + (gva >> 12 & 1023) * 4, 4, &entry) || !(entry & 1)) return false;
    *gpa = (entry & 0xFFFFF000U) | (gva & 0xFFF);
    return true;
}

bool vxr_walk(const vxr_control *control, const vxr_ram *ram, uint64_t gva, uint64_t *gpa)
{
    vxr_paging paging = vxr_paging_of(control);
    uint64_t table = control->cr3 & FRAME, entry;
    unsigned level = paging;
    if (paging == PAGING_NONE) {
        *gpa = gva & UINT32_MAX;
        return true;
    }
    if (paging == PAGING_32BIT) return walk_32bit(control, ram, gva, gpa);
    if (paging == PAGING_PAE) {
        entry = control->pdpte[gva >> 30 & 3];
        if (!(entry & 1)) return false;
        table = entry & FRAME;
        level = 2;
    }
    for (;; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        if (!read_entry(ram, table + (gva >> shift & 511) * 8, 8, &entry) || !(entry & 1)) return false;
        if (level == 1 || (level <= 3 && entry & 0x80)) {
            uint64_t offset = (1ULL << shift) - 1;
            *gpa = (entry & FRAME & ~offset) | (gva & offset);
            return true;
        }
        table = entry & FRAME;
    }
}

bool vxr_read_linear(const vxr_control *control, const vxr_ram *ram, uint64_t gva, void *to, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        uint64_t gpa;
        size_t here = 4096 - ((gva + done) & 4095);
        if (here > bytes - done) here = bytes - done;
        if (!vxr_walk(control, ram, gva + done, &gpa) || !vxr_is_ram(ram, gpa, here)) return false;
        vxr_read_physical(gpa, (char *)to + done, here);
        done += here;
    }
    return true;
}
