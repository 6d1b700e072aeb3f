/* Formats: SDM Vol. 3A, 4.3 to 4.5; Vol. 3C, tables 28-1 to 28-6; AMD APM Vol. 2, 15.25.3 (nested tables are long-mode
 * tables). */
#include "ordinary.h"

#define EPT_TYPE (7ULL << 3) /* memory type, 5:3 */
#define EPT_WRITE_BACK (6ULL << 3)

static void none(vx_ordinary *ordinary)
{
    for (unsigned level = 0; level <= VX_RADIX_LEVELS_MAX; level++) {
        ordinary->table.mask[level] = ordinary->leaf.mask[level] = 0;
        ordinary->table.want[level] = ordinary->leaf.want[level] = 1;
    }
}

static void set(vx_ordinary_kind *kind, unsigned level, uint64_t want, uint64_t clear)
{
    if (want & clear) return; /* the processor has no such pages: the bit that asks for one is reserved */
    kind->want[level] = want;
    kind->mask[level] = want | clear;
}

static bool may_be_large(const vx_radix *format, unsigned level) { return level > 1 && format->page[level] >= 0; }

void vx_ordinary_guest(const vx_radix *format, const vx_mmu_control *control, const vx_reserved_bits *reserved,
                       vx_ordinary *ordinary)
{
    none(ordinary);
    if (!format) return;
    bool large = control->paging != VX_PAGING_32BIT || control->pse;
    bool short_ept = control->nested == VX_NESTED_EPT && control->nested_levels != 5;
    uint64_t beyond = short_ept ? VX_ENTRY_ADDRESS & ~0ULL << VX_EPT4_BITS : 0;
    for (unsigned level = 2; level <= format->top; level++) {
        if (format->bits[level] == 2) continue; /* PAE's top entries have no A flag */
        bool page = large && may_be_large(format, level);
        set(&ordinary->table, level, VX_PTE_P | VX_PTE_A, reserved->table[level] | beyond | (page ? format->large : 0));
        if (page) set(&ordinary->leaf, level, VX_PTE_P | VX_PTE_A | format->large, reserved->leaf[level] | beyond);
    }
    set(&ordinary->leaf, 1, VX_PTE_P | VX_PTE_A, reserved->leaf[1] | beyond);
}

void vx_ordinary_nested(const vx_radix *format, const vx_mmu_control *control, const vx_reserved_bits *reserved,
                        bool flags, vx_ordinary *ordinary)
{
    bool npt = control->nested == VX_NESTED_NPT;
    uint64_t user_execute = control->mode_based_execute ? VX_EPT_USER_X : 0;
    uint64_t rights = npt ? VX_PTE_P | VX_PTE_W | VX_PTE_U : VX_EPT_R | VX_EPT_W | VX_EPT_X | user_execute;
    uint64_t wanted = rights | (flags ? npt ? VX_PTE_A : VX_EPT_A : 0), unwanted = npt ? VX_PTE_NX : 0;
    none(ordinary);
    for (unsigned level = 1; level <= format->top; level++) {
        bool large = may_be_large(format, level);
        if (level > 1)
            set(&ordinary->table, level, wanted, unwanted | reserved->table[level] | (large ? format->large : 0));
        if (level > 1 && !large) continue;
        uint64_t leaf = wanted | (large ? format->large : 0) | (npt ? 0 : EPT_WRITE_BACK);
        uint64_t clear =
            unwanted | reserved->leaf[level] | (npt ? 0 : (EPT_TYPE & ~EPT_WRITE_BACK) | VX_EPT_SHADOW_STACK);
        set(&ordinary->leaf, level, leaf, clear);
    }
}
