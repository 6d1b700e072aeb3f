/* Entries of the three tables of a nested hypervisor, in the two processors' formats.
 *
 * The code of nested_table*.c knows rights as EPT spells them: VX_EPT_R, W and X. An entry of AMD's nested tables is a
 * long-mode entry that every access uses as a user's (APM Vol. 2, 15.25.5): to be present it must have U, W lets
 * stores through, NX keeps fetches out. KVM of Linux 6.1 walks L1's tables by the same rules (arch/x86/kvm/mmu/mmu.c,
 * kvm_init_shadow_npt_mmu: CR0.WP plays no part, the access is the user's). So what is present but lacks U has no
 * right at all.
 *
 * L1's EFER.NXE is taken as 1, the other bits of its CR4 as what a 64-bit hypervisor has. */
#include "nested_l0.h"

#define EPT_ALL (VX_EPT_R | VX_EPT_W | VX_EPT_X)

const nested_entries nested_entries_ept = {.name = "EPT",
                                           .format = &vx_radix_ept4,
                                           .leaf = 6 << 3, /* memory type: write-back */
                                           .accessed = VX_EPT_A,
                                           .dirty = VX_EPT_D};
const nested_entries nested_entries_npt = {
    .name = "NPT", .format = &vx_radix_4level, .leaf = 0, .accessed = VX_PTE_A, .dirty = VX_PTE_D};

uint64_t nested_entry_rights(const nested_entries *entries, uint64_t entry)
{
    if (entries == &nested_entries_ept) return entry & EPT_ALL;
    if (!(entry & VX_PTE_P) || !(entry & VX_PTE_U)) return 0;
    return VX_EPT_R | (entry & VX_PTE_W ? VX_EPT_W : 0) | (entry & VX_PTE_NX ? 0 : VX_EPT_X);
}

uint64_t nested_entry_of_rights(const nested_entries *entries, uint64_t rights)
{
    if (entries == &nested_entries_ept || rights == 0) return rights;
    return VX_PTE_P | VX_PTE_U | (rights & VX_EPT_W ? VX_PTE_W : 0) | (rights & VX_EPT_X ? 0 : VX_PTE_NX);
}

uint64_t nested_entry_with(const nested_entries *entries, uint64_t entry, uint64_t rights)
{
    uint64_t all = entries == &nested_entries_ept ? EPT_ALL : VX_PTE_P | VX_PTE_W | VX_PTE_U | VX_PTE_NX;
    return (entry & ~all) | nested_entry_of_rights(entries, rights);
}

bool nested_entry_malformed(const vx_vmm *vmm, uint64_t entry, unsigned level)
{
    if (vmm->l0.entries == &nested_entries_ept) return vx_mmu_ept_misconfigured(vmm->cpu, entry, level);
    return vx_mmu_npt_reserved(vmm->cpu, entry, level);
}
