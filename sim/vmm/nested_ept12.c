/* L1's EPT read by L0, as software reads a table: EPT12, bytes in L1's memory. SDM Vol. 3C 28.2.2
 * (translation), 28.2.3.1 (misconfigurations), 28.2.4 (A and D flags). L0 reads L1's memory at its own addresses, so no
 * read of these exits or is a walk's access; where EPT01 maps L1's page matters only to what L1 does itself
 * (nested_ept01.c).
 *
 * NOT MODELLED: mode-based execute control, paging-write access, sub-page permissions and #VE in EPT12: KVM of
 * Linux 6.1 offers none of them to L1. EPT12 of five levels. */
#include "nested_l0.h"

enum { LEVELS = 4, EPTP_AD = 1 << 6 };
#define EPT_RIGHTS (VX_EPT_R | VX_EPT_W | VX_EPT_X)

static vx_hpa in_l1(const vmm_vm *vm, uint64_t at) { return vx_gpa_map_hpa(&vm->vmm->layout->l1, (vx_gpa){at}); }

/* The entry of the leaf. */
static void finish(ept12_walk *walk, uint64_t entry)
{
    const vx_radix *format = &vx_radix_ept4;
    walk->end = EPT12_MAPPED;
    walk->size = (vx_page_size)format->page[walk->level];
    walk->frame = vx_radix_frame(format, entry, walk->level, true);
    if (walk->keeps_flags) walk->dirty = (entry & VX_EPT_D) != 0;
}

ept12_walk nested_ept12_walk(const vmm_vm *vm, uint64_t gpa)
{
    const vx_radix *format = &vx_radix_ept4;
    ept12_walk walk = {.end = EPT12_ABSENT,
                       .level = LEVELS,
                       .keeps_flags = (vm->nested.eptp12 & EPTP_AD) != 0,
                       .accessed = true,
                       .dirty = true,
                       .rights = 0};
    if (gpa >> 48) return walk; /* four levels translate 48 bits */
    uint64_t rights = EPT_RIGHTS, table = vm->nested.eptp12 & VX_ENTRY_ADDRESS;
    for (;; walk.level--) {
        uint64_t at = table + (uint64_t)vx_radix_index(format, walk.level, gpa) * format->entry_bytes;
        uint64_t entry = vx_physmem_read64(vm->vmm->memory, in_l1(vm, at));
        walk.at[walk.level] = at;
        walk.entry[walk.level] = entry;
        if (!(entry & format->present)) return walk;
        if (vx_mmu_ept_misconfigured(vm->vmm->cpu, entry, walk.level)) {
            walk.end = EPT12_MISCONFIGURED;
            return walk;
        }
        rights &= entry;
        if (walk.keeps_flags) walk.accessed &= (entry & VX_EPT_A) != 0;
        if (vx_radix_is_leaf(format, walk.level, entry)) {
            walk.rights = rights;
            finish(&walk, entry);
            return walk;
        }
        table = vx_radix_frame(format, entry, walk.level, false);
    }
}

void nested_ept12_set_flags(vmm_vm *vm, ept12_walk *walk, bool write)
{
    if (!walk->keeps_flags) return;
    for (unsigned level = LEVELS; level >= walk->level; level--) {
        uint64_t flags = VX_EPT_A | (write && level == walk->level ? VX_EPT_D : 0);
        if ((walk->entry[level] & flags) == flags) continue;
        walk->entry[level] |= flags;
        vm->vmm->l0.counts.ept12_flags++;
        vx_physmem_write64(vm->vmm->memory, in_l1(vm, walk->at[level]), walk->entry[level]);
    }
    walk->accessed = true;
    walk->dirty |= write;
}
