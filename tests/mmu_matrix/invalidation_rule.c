/* Reads one row of the expected tables. */
#include "invalidation_rule.h"

bool reach_covers(reach covers, uint64_t tag, uint64_t current, uint64_t named)
{
    switch (covers) {
    case EVERY:
        return true;
    case CURRENT:
        return tag == current;
    case NAMED:
        return tag == named;
    case ZERO:
        return tag == 0;
    case NONZERO:
        return tag != 0;
    case NO_TAG:
        break;
    }
    return false;
}

static bool reaches_dimension(const invalidation_rule *rule, const vx_mmu_control *now,
                              const vx_mmu_invalidation *operand, const mapping_tags *tags)
{
    if (tags->linear) return rule->linear;
    /* A current EPTP exists only while nested translation is on. */
    if (rule->ept == CURRENT && now->nested == VX_NESTED_NONE) return false;
    return reach_covers(rule->ept, tags->nested_root, now->nested_root, operand->nested_root);
}

static bool reaches(const invalidation_rule *rule, const vx_mmu_control *now, const vx_mmu_invalidation *operand,
                    const mapping_tags *tags, bool any_pcid)
{
    return reaches_dimension(rule, now, operand, tags) &&
           reach_covers(rule->vpid, tags->vpid, now->vpid, operand->vpid) &&
           (any_pcid || reach_covers(rule->pcid, tags->pcid, now->pcid, operand->pcid));
}

fate fate_of_translation(const invalidation_rule *rule, const vx_mmu_control *now, const vx_mmu_invalidation *operand,
                         const mapping_tags *tags, bool global, bool same_address)
{
    if (!reaches(rule, now, operand, tags, global)) return STAYS;
    if (rule->one_address && !same_address) return STAYS;
    return global ? rule->global : rule->translation;
}

fate fate_of_psc(const invalidation_rule *rule, const vx_mmu_control *now, const vx_mmu_invalidation *operand,
                 const mapping_tags *tags, bool served_global, bool same_address)
{
    if (!reaches(rule, now, operand, tags, false)) return STAYS;
    if (rule->one_address) return same_address ? rule->psc_used : rule->psc_other;
    return served_global ? rule->psc_global : rule->psc_used;
}

fate fate_of_guest_physical(const invalidation_rule *rule, const vx_mmu_control *now,
                            const vx_mmu_invalidation *operand, const mapping_tags *tags, bool same_address)
{
    if (rule->gp_ept == CURRENT && now->nested == VX_NESTED_NONE) return STAYS;
    if (!reach_covers(rule->gp_ept, tags->nested_root, now->nested_root, operand->nested_root)) return STAYS;
    if (rule->gp_one_address && !same_address) return STAYS;
    /* A cache without the ASID in its tags drops another ASID's view of the same table with it. */
    if (!reach_covers(rule->gp_vpid, tags->vpid, now->vpid, operand->vpid)) return MAY_GO;
    return rule->gp;
}
