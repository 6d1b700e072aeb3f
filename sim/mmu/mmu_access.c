/* The cold side of a reference: first level, second level, walk, fills. */
#include "walker.h"

static void count_walk(vx_mmu *mmu, const vx_walk *walk, vx_mmu_result result)
{
    uint32_t accesses = vx_walk_settle(walk);
    mmu->counts.walks++;
    if (result != VX_MMU_DONE) mmu->counts.walks_aborted++;
    mmu->counts.walk_accesses += accesses;
    vx_histogram_add(&mmu->counts.per_walk, accesses);
}

/* A fault that rests on remembered entries is looked for again in memory before it is raised: hardware may also fault
 * and drop them (SDM Vol. 3A, 4.10.4.3, optional invalidation), but a replayed guest has no handler for a fault that
 * its recording did not see. The accesses of both attempts count. */
static vx_mmu_result walk_linear(vx_mmu *mmu, uint64_t gva, vx_access access, bool shadow_stack, vx_walk_leaf *leaf,
                                 vx_mmu_fault *fault)
{
    /* Guest-paging verification looks at the nested leaf of each guest entry, which nothing remembers. */
    vx_walk walk = {.mmu = mmu,
                    .access = access,
                    .linear = true,
                    .caches = !mmu->control.guest_paging_verification,
                    .shadow_stack = shadow_stack,
                    .fault = {.gva = {gva}}};
    vx_mmu_result result = mmu->walk(&walk, gva, leaf);
    if (result != VX_MMU_DONE && walk.remembered) {
        walk.caches = false;
        walk.fault = (vx_mmu_fault){.gva = {gva}};
        result = mmu->walk(&walk, gva, leaf);
    }
    count_walk(mmu, &walk, result);
    if (result != VX_MMU_DONE) *fault = walk.fault;
    return result;
}

/* SDM Vol. 3A, 4.10.4.1 and Vol. 3C, 28.3.3.1: a fault drops what might have caused it. */
static void drop_faulted(vx_mmu *mmu, vx_mmu_result result, const vx_mmu_fault *fault, bool linear)
{
    if (result == VX_MMU_PAGE_FAULT)
        vx_mmu_invalidate(mmu, &(vx_mmu_invalidation){.op = VX_OP_PAGE_FAULT, .gva = fault->gva});
    else if (result == VX_MMU_NESTED_FAULT || result == VX_MMU_EPT_MISCONFIG)
        vx_mmu_drop_violation(mmu, fault->gva.v, fault->gpa.v, linear && !fault->table);
}

static void fill(vx_mmu *mmu, vx_tlb *tlb, uint64_t gva, const vx_walk_leaf *leaf, bool replaces)
{
    if (replaces) vx_tlb_drop_address(tlb, &mmu->front, gva);
    vx_tlb_fill(tlb, gva, leaf->hpa, leaf->size, leaf->flags,
                leaf->global ? mmu->front.global_owner : mmu->front.owner);
    if (leaf->flags & VX_TLB_SPLINTERED) mmu->splintered = true;
}

static vx_mmu_translation last_of(const vx_tlb *tlb, uint64_t gva)
{
    return (vx_mmu_translation){.hpa = vx_tlb_unit_last_hpa(&tlb->unit, gva),
                                .page = (vx_page_size)tlb->unit.last_size};
}

/* A second-level hit: its entry, as far as the first level can hold it. */
static void fill_from_second(vx_tlb *first, const vx_tlb *second, uint64_t gva)
{
    vx_mmu_translation found = last_of(second, gva);
    vx_tlb_fill(first, gva, found.hpa.v, found.page, second->unit.last_value & VX_TLB_FLAGS,
                second->unit.last_owner);
}

/* A first-level miss asks the second level before anything else, so the time of that lookup is spent whether it hits or
 * a walk follows: measured curves add the walk's cycles on top of it (docs/adr/0003). */
static vx_tlb_found look_up_second(vx_mmu *mmu, vx_tlb *second, uint64_t gva, vx_access access)
{
    if (!second) return VX_TLB_MISS;
    vx_ledger_charge(mmu->ledger, VX_CAUSE_TLB_L2_HIT, second->config->hit_ticks);
    return vx_tlb_lookup(second, &mmu->front, gva, access);
}

static vx_mmu_result untranslated(uint64_t gva, vx_mmu_translation *translation)
{
    *translation = (vx_mmu_translation){.hpa = {gva}, .page = VX_PAGE_4K};
    return VX_MMU_DONE;
}

/* The first level has missed: the second, or a walk. */
static vx_mmu_result missed(vx_mmu *mmu, vx_tlb *first, vx_gva gva, vx_access access, vx_tlb_found in_first,
                            vx_mmu_translation *translation, vx_mmu_fault *fault)
{
    vx_tlb *second = mmu->second[access];
    vx_tlb_found in_second = look_up_second(mmu, second, gva.v, access);
    if (in_second == VX_TLB_HIT) {
        if (in_first == VX_TLB_INSUFFICIENT) vx_tlb_drop_address(first, &mmu->front, gva.v);
        fill_from_second(first, second, gva.v);
        *translation = last_of(first, gva.v);
        return VX_MMU_DONE;
    }
    vx_walk_leaf leaf;
    vx_mmu_fault raised;
    vx_mmu_result result = walk_linear(mmu, gva.v, access, false, &leaf, &raised);
    if (result != VX_MMU_DONE) {
        drop_faulted(mmu, result, &raised, true);
        *fault = raised;
        return result;
    }
    if (second) fill(mmu, second, gva.v, &leaf, in_second == VX_TLB_INSUFFICIENT);
    fill(mmu, first, gva.v, &leaf, in_first == VX_TLB_INSUFFICIENT);
    *translation = last_of(first, gva.v);
    return VX_MMU_DONE;
}

vx_mmu_result vx_mmu_access(vx_mmu *mmu, vx_gva gva, vx_access access, vx_mmu_translation *translation,
                            vx_mmu_fault *fault)
{
    if (!mmu->translated) return untranslated(gva.v, translation);
    vx_tlb *first = (vx_tlb *)(void *)mmu->front.first[access];
    vx_tlb_found in_first = vx_tlb_lookup(first, &mmu->front, gva.v, access);
    if (in_first != VX_TLB_HIT) return missed(mmu, first, gva, access, in_first, translation, fault);
    *translation = last_of(first, gva.v);
    return VX_MMU_DONE;
}

vx_mmu_result vx_mmu_access_missed(vx_mmu *mmu, vx_gva gva, vx_access access, vx_tlb_found in_first,
                                   vx_mmu_translation *translation, vx_mmu_fault *fault)
{
    vx_tlb *first = (vx_tlb *)(void *)mmu->front.first[access];
    vx_tlb_count(first, in_first);
    return missed(mmu, first, gva, access, in_first, translation, fault);
}

vx_mmu_result vx_mmu_access_shadow_stack(vx_mmu *mmu, vx_gva gva, vx_access access, vx_mmu_translation *translation,
                                         vx_mmu_fault *fault)
{
    vx_walk_leaf leaf;
    vx_mmu_fault raised;
    if (!mmu->translated) return untranslated(gva.v, translation);
    vx_mmu_result result = walk_linear(mmu, gva.v, access, true, &leaf, &raised);
    if (result != VX_MMU_DONE) {
        drop_faulted(mmu, result, &raised, true);
        *fault = raised;
        return result;
    }
    *translation = (vx_mmu_translation){.hpa = {leaf.hpa}, .page = leaf.size};
    return VX_MMU_DONE;
}

vx_mmu_result vx_mmu_access_gpa(vx_mmu *mmu, vx_gpa gpa, vx_access access, vx_hpa *hpa, vx_mmu_fault *fault)
{
    if (mmu->control.nested == VX_NESTED_NONE) {
        hpa->v = gpa.v;
        return VX_MMU_DONE;
    }
    vx_walk walk = {.mmu = mmu, .access = access, .caches = true};
    bool npt = mmu->control.nested == VX_NESTED_NPT;
    vx_nested_leaf leaf;
    vx_mmu_result result = VX_MMU_NESTED_FAULT;
    for (bool again = true; again;) {
        walk.remembered = false;
        result = (npt ? vx_nested_npt : vx_nested_ept)(&walk, gpa.v, VX_DATA_ROW, vx_use_of(access), &leaf);
        again = result != VX_MMU_DONE && walk.remembered;
        walk.caches = false;
    }
    count_walk(mmu, &walk, result);
    mmu->counts.gpa_walks++;
    if (result == VX_MMU_DONE) {
        hpa->v = leaf.hpa;
    } else {
        drop_faulted(mmu, result, &walk.fault, false);
        *fault = walk.fault;
    }
    return result;
}
