/* L1's nested table read by L0, as software reads a table: EPT12 or NPT12, bytes in L1's memory. SDM Vol. 3C 28.2.2
 * (translation), 28.2.3.1 (misconfigurations), 28.2.4 (A and D flags, where L1 asks for them); APM Vol. 2, 15.25.5
 * (AMD: user accesses; A and D always). L0 reads L1's memory at its own addresses, so no read of these exits or is a
 * walk's access; where table 01 maps L1's page matters only to what L1 does itself (nested_table01.c).
 *
 * NOT MODELLED: mode-based execute control, paging-write access, sub-page permissions and #VE in EPT12: KVM of
 * Linux 6.1 offers none of them to L1. Tables of five levels; NPT12 of an L1 in legacy or PAE paging. */
#include "nested_l0.h"

enum { LEVELS = 4, EPTP_AD = 1 << 6 };
#define ALL_RIGHTS (VX_EPT_R | VX_EPT_W | VX_EPT_X)

static vx_hpa in_l1(const vmm_vm *vm, uint64_t at) { return vx_gpa_map_hpa(&vm->vmm->layout->l1, (vx_gpa){at}); }

/* The entry of the leaf. */
static void finish(const nested_entries *entries, table12_walk *walk, uint64_t entry)
{
    const vx_radix *format = entries->format;
    walk->end = TABLE12_MAPPED;
    walk->size = (vx_page_size)format->page[walk->level];
    walk->frame = vx_radix_frame(format, entry, walk->level, true);
    if (walk->keeps_flags) walk->dirty = (entry & entries->dirty) != 0;
}

table12_walk nested_table12_walk(const vmm_vm *vm, uint64_t gpa)
{
    const nested_entries *entries = vm->vmm->l0.entries;
    const vx_radix *format = entries->format;
    table12_walk walk = {.end = TABLE12_ABSENT,
                         .level = LEVELS,
                         .keeps_flags = entries == &nested_entries_npt || (vm->nested.pointer12 & EPTP_AD),
                         .accessed = true,
                         .dirty = true,
                         .rights = 0};
    if (gpa >> 48) return walk; /* four levels translate 48 bits */
    uint64_t rights = ALL_RIGHTS, table = vm->nested.pointer12 & VX_ENTRY_ADDRESS;
    for (;; walk.level--) {
        uint64_t at = table + (uint64_t)vx_radix_index(format, walk.level, gpa) * format->entry_bytes;
        uint64_t entry = vx_physmem_read64(vm->vmm->memory, in_l1(vm, at));
        walk.at[walk.level] = at;
        walk.entry[walk.level] = entry;
        if (!(entry & format->present)) return walk;
        if (nested_entry_malformed(vm->vmm, entry, walk.level)) {
            walk.end = TABLE12_MISCONFIGURED;
            return walk;
        }
        rights &= nested_entry_rights(entries, entry);
        if (walk.keeps_flags) walk.accessed &= (entry & entries->accessed) != 0;
        if (vx_radix_is_leaf(format, walk.level, entry)) {
            walk.rights = rights;
            finish(entries, &walk, entry);
            return walk;
        }
        table = vx_radix_frame(format, entry, walk.level, false);
    }
}

void nested_table12_set_flags(vmm_vm *vm, table12_walk *walk, bool write)
{
    const nested_entries *entries = vm->vmm->l0.entries;
    if (!walk->keeps_flags) return;
    for (unsigned level = LEVELS; level >= walk->level; level--) {
        uint64_t flags = entries->accessed | (write && level == walk->level ? entries->dirty : 0);
        if ((walk->entry[level] & flags) == flags) continue;
        walk->entry[level] |= flags;
        vm->vmm->l0.counts.table12_flags++;
        vx_physmem_write64(vm->vmm->memory, in_l1(vm, walk->at[level]), walk->entry[level]);
    }
    walk->accessed = true;
    walk->dirty |= write;
}
