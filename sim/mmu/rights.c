/* NOT MODELLED: protection keys, HLAT, implicit supervisor accesses (SMAP with CPL 3). */
#include "rights.h"

#include "tlb_tag.h"

uint64_t vx_use_of(vx_access access)
{
    static const uint64_t use[VX_ACCESSES] = {VX_USE_READ, VX_USE_WRITE, VX_USE_FETCH};
    return use[access];
}

/* SDM Vol. 3A, 4.6.1: what the mode of an access asks of a page's U flag. */
static void mask_user(const vx_mmu_control *control, vx_access access, uint64_t *want, uint64_t *need)
{
    bool prevention = access == VX_ACCESS_FETCH ? control->smep : control->smap && !control->ac;
    if (control->cpl == 3) {
        *need |= VX_TLB_U;
        *want |= VX_TLB_U;
    } else if (prevention) {
        *need |= VX_TLB_U;
    }
}

void vx_rights_masks(const vx_mmu_control *control, uint64_t want[VX_ACCESSES], uint64_t need[VX_ACCESSES])
{
    static const uint64_t both[VX_ACCESSES] = {VX_TLB_NESTED_R, VX_TLB_NESTED_W | VX_TLB_DIRTY, VX_TLB_NESTED_X};
    for (unsigned access = 0; access < VX_ACCESSES; access++) {
        want[access] = both[access];
        need[access] = both[access];
        if (control->paging == VX_PAGING_NONE) continue;
        mask_user(control, (vx_access)access, &want[access], &need[access]);
    }
    if (control->paging == VX_PAGING_NONE) return;
    if (control->cpl == 3 || control->wp) {
        want[VX_ACCESS_STORE] |= VX_TLB_W;
        need[VX_ACCESS_STORE] |= VX_TLB_W;
    }
    need[VX_ACCESS_FETCH] |= VX_TLB_NX;
}

/* SDM Vol. 3A, 4.7. The I flag is defined only where fetches can be told apart: NXE with 8-byte entries, or SMEP. */
uint32_t vx_page_fault_code(const vx_mmu_control *control, vx_access access, uint32_t cause)
{
    bool tells = control->smep || (control->nxe && control->paging != VX_PAGING_32BIT);
    uint32_t code = cause;
    if (access == VX_ACCESS_STORE) code |= VX_PF_W;
    if (control->cpl == 3) code |= VX_PF_U;
    if (access == VX_ACCESS_FETCH && tells) code |= VX_PF_I;
    return code;
}

/* ---- reserved bits ---- */

static uint64_t bits(unsigned high, unsigned low) /* high:low, inclusive */
{
    return high < low ? 0 : ((2ULL << high) - 1) & ~((1ULL << low) - 1);
}

static uint64_t beyond(unsigned physical_bits) { return bits(51, physical_bits); }

/* SDM Vol. 3A, table 4-4: 4-byte entries. Bits 20:13 of a 4M page are address bits 39:32 where PSE-36 exists, as far as
 * the physical address goes; bit 21 is reserved. */
static void reserved_32bit(const vx_cfg_paging *cpu, vx_reserved_bits *reserved)
{
    unsigned width = cpu->pse36 ? cpu->physical_bits : 32;
    unsigned lowest = width >= 40 ? 21 : width <= 32 ? 13 : width - 32 + 13;
    reserved->leaf[2] = bits(21, lowest);
}

/* Tables 4-8 to 4-20: 8-byte entries. `top` is the highest level that is read in the walk. */
static void reserved_8byte(const vx_cfg_paging *cpu, bool nxe, bool page_1g, unsigned top, vx_reserved_bits *reserved)
{
    uint64_t common = beyond(cpu->physical_bits) | (nxe ? 0 : VX_PTE_NX);
    for (unsigned level = 1; level <= top; level++) reserved->table[level] = reserved->leaf[level] = common;
    reserved->leaf[2] |= bits(20, 13);
    reserved->leaf[3] |= page_1g ? bits(29, 13) : VX_PTE_PS;
    for (unsigned level = 4; level <= top; level++) reserved->table[level] |= VX_PTE_PS;
}

/* Tables 4-8 to 4-11: with PAE paging bits 62:52 are reserved too. AMD reads the four PDPTEs in a nested walk; 2:1, 8:5
 * and 63 are reserved in them. */
static void reserved_pae(const vx_cfg_paging *cpu, const vx_mmu_control *control, vx_reserved_bits *reserved)
{
    reserved_8byte(cpu, control->nxe, false, 3, reserved);
    for (unsigned level = 1; level <= 3; level++) {
        reserved->table[level] |= bits(62, 52);
        reserved->leaf[level] |= bits(62, 52);
    }
    reserved->table[3] |= bits(2, 1) | bits(8, 5) | VX_PTE_NX;
}

void vx_reserved_guest(const vx_cfg_paging *cpu, const vx_mmu_control *control, vx_reserved_bits *reserved)
{
    *reserved = (vx_reserved_bits){0};
    switch (control->paging) {
    case VX_PAGING_32BIT:
        reserved_32bit(cpu, reserved);
        break;
    case VX_PAGING_PAE:
        reserved_pae(cpu, control, reserved);
        break;
    case VX_PAGING_4LEVEL:
    case VX_PAGING_5LEVEL:
        reserved_8byte(cpu, control->nxe, cpu->page_1g, 5, reserved);
        break;
    default:
        break;
    }
}

/* SDM Vol. 3C, tables 28-1 to 28-6. A leaf's bits below its page are reserved, bit 12 among them. */
void vx_reserved_ept(const vx_cfg_cpu *cpu, const vx_mmu_control *control, vx_reserved_bits *reserved)
{
    *reserved = (vx_reserved_bits){0};
    for (unsigned level = 1; level <= VX_RADIX_LEVELS_MAX; level++) {
        reserved->table[level] = beyond(cpu->paging.physical_bits) | bits(6, 3);
        reserved->leaf[level] = beyond(cpu->paging.physical_bits);
        if (level >= 4) reserved->table[level] |= VX_EPT_PS;
    }
    reserved->leaf[2] |= bits(20, 12);
    reserved->leaf[3] |= bits(29, 12) | (cpu->vmx.ept_1g ? 0 : VX_EPT_PS);
    uint64_t fetches = VX_EPT_X | (control->mode_based_execute ? VX_EPT_USER_X : 0);
    reserved->table_needs_read = VX_EPT_W | (cpu->vmx.ept_execute_only ? 0 : fetches);
    reserved->leaf_needs_read = reserved->table_needs_read | (control->paging_write ? VX_EPT_PAGING_WRITE : 0);
}

/* Nested tables are long-mode tables of the host (APM Vol. 2, 15.25.3), with its EFER.NXE taken as 1. */
void vx_reserved_npt(const vx_cfg_cpu *cpu, vx_reserved_bits *reserved)
{
    *reserved = (vx_reserved_bits){0};
    reserved_8byte(&cpu->paging, true, cpu->svm.npt_1g, 5, reserved);
}

/* ---- the second dimension's faults ---- */

/* SDM Vol. 3C, 28.2.3.1. */
bool vx_ept_misconfigured(uint64_t entry, bool leaf, unsigned level, const vx_reserved_bits *reserved)
{
    if (!(entry & VX_EPT_R) && (entry & (leaf ? reserved->leaf_needs_read : reserved->table_needs_read))) return true;
    if (entry & (leaf ? reserved->leaf[level] : reserved->table[level])) return true;
    unsigned type = (unsigned)(entry >> 3) & 7;
    return leaf && (type == 2 || type == 3 || type == 7);
}

bool vx_mmu_ept_misconfigured(const vx_cfg_cpu *cpu, uint64_t entry, unsigned level)
{
    vx_reserved_bits reserved;
    vx_reserved_ept(cpu, &(vx_mmu_control){0}, &reserved);
    return vx_ept_misconfigured(entry, vx_radix_is_leaf(&vx_radix_ept5, level, entry), level, &reserved);
}

/* Bits 11:9: what paging says of the linear address, where the access is to its translation. */
static uint64_t advanced_bits(uint64_t rights)
{
    return (rights & VX_TLB_U ? 1ULL << 9 : 0) | (rights & VX_TLB_W ? 1ULL << 10 : 0) |
           (rights & VX_TLB_NX ? 1ULL << 11 : 0);
}

uint64_t vx_ept_qualification(const vx_mmu_control *control, const vx_violation *v)
{
    uint64_t wanted = v->use & (VX_USE_READ | VX_USE_WRITE);
    if (v->use & VX_USE_PAGING_WRITE) wanted |= VX_USE_WRITE;
    if (v->use & (VX_USE_FETCH | VX_USE_FETCH_USER)) wanted |= VX_USE_FETCH;
    uint64_t qualification = wanted | (v->allowed & 7) << 3;
    if (control->mode_based_execute && (v->allowed & VX_USE_FETCH_USER)) qualification |= 1ULL << 6;
    if (v->linear) qualification |= 1ULL << 7;
    if (v->linear && !v->table) {
        qualification |= 1ULL << 8;
        if (control->advanced_information) qualification |= advanced_bits(v->rights);
    }
    if (v->shadow_stack) qualification |= 1ULL << 13;
    if (control->supervisor_shadow_stack && (v->leaf & VX_EPT_SHADOW_STACK)) qualification |= 1ULL << 14;
    if (v->verification) qualification |= 1ULL << 15;
    return qualification;
}

/* APM Vol. 2, 15.25.6: a page-fault error code whose access is always a user's; 32: final address, 33: guest table. */
uint64_t vx_npt_information(uint64_t use, bool present, bool reserved, bool table)
{
    uint64_t information = VX_PF_U;
    if (present) information |= VX_PF_P;
    if (use & (VX_USE_WRITE | VX_USE_PAGING_WRITE)) information |= VX_PF_W;
    if (reserved) information |= VX_PF_RSVD;
    if (use & (VX_USE_FETCH | VX_USE_FETCH_USER)) information |= VX_PF_I;
    return information | (table ? 1ULL << 33 : 1ULL << 32);
}

bool vx_mmu_npt_reserved(const vx_cfg_cpu *cpu, uint64_t entry, unsigned level)
{
    vx_reserved_bits reserved;
    vx_reserved_npt(cpu, &reserved);
    bool leaf = vx_radix_is_leaf(&vx_radix_5level, level, entry);
    return (entry & (leaf ? reserved.leaf[level] : reserved.table[level])) != 0;
}
