/* What an operation that invalidates must drop, may drop and (in our model) leaves alone: one rule an operation.
 *
 * The manuals are one-sided: hardware may drop anything at any time (SDM Vol. 3C, 28.3.3.2). MUST_GO is theirs. STAYS
 * is this model's choice: it drops no more than it must, so that counts do not depend on generosity. MAY_GO marks the
 * cases where the manual or the model leaves it open. */
#ifndef INVALIDATION_RULE_H
#define INVALIDATION_RULE_H

#include "vx_mmu.h"

typedef enum fate { STAYS, MAY_GO, MUST_GO } fate;

/* Which values of a tag an operation reaches. */
typedef enum reach {
    NO_TAG, /* none */
    EVERY,
    CURRENT, /* the control state's */
    NAMED,   /* the operand's */
    ZERO,
    NONZERO,
} reach;

typedef struct invalidation_rule {
    vx_mmu_op op;
    const char *manual; /* where it is written */
    /* Linear and combined mappings. */
    reach vpid, pcid, ept; /* ept: combined mappings only; NO_TAG: it reaches linear mappings only */
    bool linear;           /* reaches linear mappings at all */
    bool one_address;      /* only translations of the operand's linear address */
    fate translation;      /* not global */
    fate global;           /* global, whatever the PCID */
    fate psc_used;         /* paging-structure entries that would translate the address, or any without an address */
    fate psc_global;       /* without an address: those that also served a global translation */
    fate psc_other;        /* with an address: those that serve other addresses only */
    /* Guest-physical mappings. gp_vpid is AMD's ASID: Intel's have no such tag. */
    reach gp_vpid, gp_ept;
    bool gp_one_address;
    fate gp;
} invalidation_rule;

/* A cached mapping, by its tags; ept is the index or a value that no EPT has for linear ones. */
typedef struct mapping_tags {
    uint16_t vpid, pcid;
    bool linear;
    uint64_t nested_root; /* where not linear */
} mapping_tags;

/* Whether a reach covers a tag's value. */
bool reach_covers(reach covers, uint64_t tag, uint64_t current, uint64_t named);

/* Fate of a translation or of the paging-structure entries of the same address. `same_address`: the mapping
 * translates the operand's linear address (for paging-structure entries: they would be used to). */
fate fate_of_translation(const invalidation_rule *rule, const vx_mmu_control *now, const vx_mmu_invalidation *operand,
                         const mapping_tags *tags, bool global, bool same_address);
fate fate_of_psc(const invalidation_rule *rule, const vx_mmu_control *now, const vx_mmu_invalidation *operand,
                 const mapping_tags *tags, bool served_global, bool same_address);

/* Fate of a guest-physical mapping, as seen under the VPID or ASID in `tags`. */
fate fate_of_guest_physical(const invalidation_rule *rule, const vx_mmu_control *now,
                            const vx_mmu_invalidation *operand, const mapping_tags *tags, bool same_address);

#endif
