/* Invalidations: what each operation drops, and nothing more (SDM Vol. 3A, 4.10.4.1; Vol. 3C, 28.3.3.1; AMD APM Vol. 2,
 * 15.16). The table reads as the manuals do; one engine executes any row of it. Where a manual lets hardware drop more,
 * the row drops what must go, but for INVLPG, whose paging-structure entries go for all addresses as the SDM says. */
#include <string.h>

#include "tlb.h"

/* Which VPIDs (AMD: ASIDs), PCIDs and EP4TAs a row is about. For EP4TAs ALL includes linear mappings, which have none;
 * COMBINED does not. */
typedef enum scope { NONE, CURRENT, GIVEN, ZERO, NONZERO, COMBINED, ALL } scope;

typedef struct drop_rule {
    const char *name;
    scope vpid, pcid, nested; /* of linear and combined mappings */
    bool globals;             /* global translations of these VPIDs go too */
    bool one_address;         /* TLB entries only of the page of the given address */
    bool one_address_psc;     /* linear and combined paging-structure entries only of the given address */
    scope guest_physical;     /* by EP4TA: NONE, CURRENT, GIVEN, ALL */
    bool one_gpa;             /* guest-physical mappings only of the given guest-physical address */
    bool by_asid;             /* AMD: guest-physical mappings go with the ASIDs of the row */
} drop_rule;

static const drop_rule rules[VX_OPS] = {
    /* By the OS: current VPID, every EP4TA, never guest-physical mappings. */
    [VX_OP_INVLPG] = {"invlpg", .vpid = CURRENT, .pcid = CURRENT, .nested = ALL, .globals = true, .one_address = true},
    [VX_OP_INVPCID_ADDRESS] = {"invpcid_address", .vpid = CURRENT, .pcid = GIVEN, .nested = ALL, .one_address = true,
                               .one_address_psc = true},
    [VX_OP_INVPCID_CONTEXT] = {"invpcid_context", .vpid = CURRENT, .pcid = GIVEN, .nested = ALL},
    [VX_OP_INVPCID_ALL_GLOBAL] = {"invpcid_all_global", .vpid = CURRENT, .pcid = ALL, .nested = ALL, .globals = true},
    [VX_OP_INVPCID_ALL] = {"invpcid_all", .vpid = CURRENT, .pcid = ALL, .nested = ALL},
    [VX_OP_CR3_LOAD] = {"cr3_load", .vpid = CURRENT, .pcid = GIVEN, .nested = ALL},
    [VX_OP_CR4_FLUSH] = {"cr4_flush", .vpid = CURRENT, .pcid = ALL, .nested = ALL, .globals = true},
    [VX_OP_PAGE_FAULT] = {"page_fault", .vpid = CURRENT, .pcid = CURRENT, .nested = ALL, .globals = true,
                          .one_address = true, .one_address_psc = true},
    /* By the hypervisor. */
    [VX_OP_INVVPID_ADDRESS] = {"invvpid_address", .vpid = GIVEN, .pcid = ALL, .nested = ALL, .globals = true,
                               .one_address = true, .one_address_psc = true},
    [VX_OP_INVVPID_CONTEXT] = {"invvpid_context", .vpid = GIVEN, .pcid = ALL, .nested = ALL, .globals = true},
    [VX_OP_INVVPID_ALL] = {"invvpid_all", .vpid = NONZERO, .pcid = ALL, .nested = ALL, .globals = true},
    [VX_OP_INVVPID_KEEP_GLOBAL] = {"invvpid_keep_global", .vpid = GIVEN, .pcid = ALL, .nested = ALL},
    [VX_OP_INVEPT_CONTEXT] = {"invept_context", .vpid = ALL, .pcid = ALL, .nested = GIVEN, .globals = true,
                              .guest_physical = GIVEN},
    [VX_OP_INVEPT_ALL] = {"invept_all", .vpid = ALL, .pcid = ALL, .nested = COMBINED, .globals = true,
                          .guest_physical = ALL},
    [VX_OP_VM_TRANSITION] = {"vm_transition", .vpid = ZERO, .pcid = ALL, .nested = ALL, .globals = true},
    [VX_OP_EPTP_SWITCH] = {"eptp_switch", .vpid = ZERO, .pcid = ALL, .nested = COMBINED, .globals = true},
    [VX_OP_EPT_VIOLATION] = {"ept_violation", .vpid = CURRENT, .pcid = CURRENT, .nested = CURRENT, .globals = true,
                             .one_address = true, .one_address_psc = true, .guest_physical = CURRENT, .one_gpa = true},
    /* AMD: nested translations go with their ASID; there is no INVEPT. */
    [VX_OP_FLUSH_ALL_ASIDS] = {"flush_all_asids", .vpid = ALL, .pcid = ALL, .nested = ALL, .globals = true,
                               .guest_physical = ALL},
    [VX_OP_FLUSH_ASID] = {"flush_asid", .vpid = GIVEN, .pcid = ALL, .nested = ALL, .globals = true, .by_asid = true},
    [VX_OP_FLUSH_ASID_KEEP_GLOBAL] = {"flush_asid_keep_global", .vpid = GIVEN, .pcid = ALL, .nested = ALL,
                                      .by_asid = true},
    [VX_OP_INVLPGA] = {"invlpga", .vpid = GIVEN, .pcid = ALL, .nested = ALL, .globals = true, .one_address = true,
                       .one_address_psc = true},
};

const char *vx_mmu_op_name(vx_mmu_op op) { return rules[op].name; }

/* ---- the engine ---- */

/* What a row comes to in the current state. Marks, one a context: */
enum { STAYS, LINEAR_GOES, GUEST_PHYSICAL_GOES };

typedef struct drop_state {
    const drop_rule *rule;
    const vx_mmu_invalidation *given;
    bool linear; /* false: linear and combined mappings stay (an EPT violation of a table access) */
    uint8_t *marks;
} drop_state;

static bool in_scope(scope wanted, uint64_t value, uint64_t current, uint64_t given)
{
    switch (wanted) {
    case CURRENT:
        return value == current;
    case GIVEN:
        return value == given;
    case ZERO:
        return value == 0;
    case NONZERO:
        return value != 0;
    case COMBINED:
    case ALL:
        return true;
    default:
        return false;
    }
}

static bool nested_in_scope(const vx_mmu *mmu, const drop_state *drop, scope wanted, const vx_context *context)
{
    if (context->kind == VX_CONTEXT_LINEAR) return wanted == ALL;
    return in_scope(wanted, context->nested_root, mmu->control.nested_root, drop->given->nested_root);
}

static uint8_t mark(const vx_mmu *mmu, const drop_state *drop, const vx_context *context)
{
    const drop_rule *rule = drop->rule;
    bool vpid = in_scope(rule->vpid, context->vpid, mmu->control.vpid, drop->given->vpid);
    if (context->kind == VX_CONTEXT_FREE) return STAYS;
    if (context->kind == VX_CONTEXT_GUEST_PHYSICAL) {
        bool goes = rule->by_asid ? vpid : nested_in_scope(mmu, drop, rule->guest_physical, context);
        return goes ? GUEST_PHYSICAL_GOES : STAYS;
    }
    bool pcid = context->pcid == VX_PCID_GLOBAL
                    ? rule->globals
                    : in_scope(rule->pcid, context->pcid, mmu->control.pcid & 0xFFF, drop->given->pcid & 0xFFF);
    return drop->linear && vpid && pcid && nested_in_scope(mmu, drop, rule->nested, context) ? LINEAR_GOES : STAYS;
}

/* Whether the entry belongs to the page of the address: the first dimension's page where that is larger (SDM Vol. 3A,
 * 4.10.2.3 and 4.10.4.1: all entries of a page go together). */
static bool covers(uint64_t tag, uint64_t value, uint64_t gva)
{
    unsigned own = vx_page_shift(vx_tag_size(tag));
    unsigned page = vx_page_shift(vx_value_guest_page(value));
    return vx_same_page(vx_tag_prefix(tag) << own, gva, page > own ? page : own);
}

static bool goes(const vx_setassoc *array, uint32_t slot, const drop_state *drop)
{
    uint64_t tag = array->keys[slot];
    return drop->marks[vx_tag_context(tag)] == LINEAR_GOES &&
           (!drop->rule->one_address || covers(tag, array->values[slot], drop->given->gva.v));
}

/* Where a hypervisor without VPIDs flushes at every exit, most slots are empty: they are passed over together. */
enum { PASSED = 8 };
static inline bool all_empty(const uint64_t *keys)
{
    uint64_t some = 0;
#pragma GCC unroll 8
    for (unsigned i = 0; i < PASSED; i++) some |= keys[i];
    return some == 0;
}

static uint64_t drop_from_array(vx_tlb *tlb, vx_setassoc *array, const drop_state *drop)
{
    uint64_t dropped = 0, kept = 0;
    for (uint32_t slot = 0, end = array->sets * array->ways; slot < end; slot++) {
        while (slot % PASSED == 0 && end - slot > PASSED && all_empty(&array->keys[slot])) slot += PASSED;
        if (!goes(array, slot, drop)) {
            kept |= array->keys[slot];
            continue;
        }
        vx_tlb_drop(&tlb->mmu->front, array, slot);
        dropped++;
    }
    tlb->holds_any |= kept != 0;
    return dropped;
}

/* The set of one address, for entries of the view's size. */
static uint64_t drop_from_set(const vx_tlb *tlb, const vx_tlb_view *view, const drop_state *drop)
{
    uint64_t dropped = 0, page = drop->given->gva.v >> view->page_shift;
    uint32_t slot = ((uint32_t)page & view->set_mask) * view->array->ways;
    for (uint32_t end = slot + view->array->ways; slot < end; slot++) {
        bool other = (view->array->keys[slot] ^ page << VX_TAG_PAGE_SHIFT) >> VX_TAG_PAGE_SHIFT != 0;
        if (other || !goes(view->array, slot, drop)) continue;
        vx_tlb_drop(&tlb->mmu->front, view->array, slot);
        dropped++;
    }
    return dropped;
}

/* Pieces of a larger page may stand in any set; without them an address's entry stands in one set of each view. Every
 * page fault drops an address, so this is worth telling apart. */
static uint64_t drop_from_tlb(vx_tlb *tlb, const drop_state *drop)
{
    uint64_t dropped = 0;
    if (!tlb->holds_any) return dropped; /* an entry to a guest after an exit, each of which flushes */
    if (drop->rule->one_address && !tlb->holds_pieces) {
        for (unsigned i = 0; i < tlb->unit.live_count; i++) dropped += drop_from_set(tlb, &tlb->unit.live[i], drop);
        return dropped;
    }
    tlb->holds_any = false; /* unless one is kept */
    for (unsigned i = 0; i < tlb->config->array_count; i++) dropped += drop_from_array(tlb, &tlb->array[i], drop);
    return dropped;
}

/* Entries of one cache whose context bears the mark and, unless shift is 64, whose prefix is the address's. */
static void drop_prefixes(vx_walker_cache *cache, const uint8_t *marks, uint8_t marked, uint64_t address,
                          unsigned shift)
{
    if (!cache->exists) return;
    const uint64_t *keys = cache->array.keys;
    uint32_t slots = cache->array.sets * cache->array.ways;
    for (uint32_t slot = 0; slot < slots; slot++) {
        uint64_t tag = keys[slot];
        if (marks[vx_tag_context(tag)] != marked) continue;
        if (shift < 64 && !vx_same_page(vx_tag_prefix(tag) << shift, address, shift)) continue;
        vx_setassoc_drop(&cache->array, slot);
    }
}

/* The page-walk cache knows no addresses but its entries' own: what a row drops of an address, it drops of its context.
 */
static void drop_from_walker(vx_mmu *mmu, const drop_state *drop)
{
    const drop_rule *rule = drop->rule;
    const vx_radix *guest = mmu->setup.guest ? mmu->setup.guest : &vx_radix_5level;
    for (unsigned level = 2; level <= VX_RADIX_LEVELS_MAX; level++) {
        unsigned by_gva = rule->one_address_psc ? guest->shift[level] : 64;
        unsigned by_gpa = rule->one_gpa ? vx_radix_ept5.shift[level] : 64;
        drop_prefixes(&mmu->psc_guest[level], drop->marks, LINEAR_GOES, drop->given->gva.v, by_gva);
        drop_prefixes(&mmu->psc_nested[level], drop->marks, GUEST_PHYSICAL_GOES, drop->given->gpa.v, by_gpa);
    }
    drop_prefixes(&mmu->psc_physical, drop->marks, LINEAR_GOES, 0, 64);
    drop_prefixes(&mmu->psc_physical, drop->marks, GUEST_PHYSICAL_GOES, 0, 64);
    drop_prefixes(&mmu->ntlb, drop->marks, GUEST_PHYSICAL_GOES, drop->given->gpa.v, rule->one_gpa ? VX_PAGE_SHIFT : 64);
}

static uint64_t execute(vx_mmu *mmu, const drop_rule *rule, const vx_mmu_invalidation *given, bool linear)
{
    drop_state drop = {.rule = rule, .given = given, .linear = linear, .marks = mmu->context_marks};
    bool any = false;
    drop.marks[VX_CONTEXT_NONE] = STAYS; /* also the context of an empty slot's tag */
    for (uint32_t id = 1; id <= mmu->contexts.used; id++) {
        drop.marks[id] = mark(mmu, &drop, &mmu->contexts.of[id]);
        any |= drop.marks[id] != STAYS;
    }
    uint64_t dropped = 0;
    if (!any) return dropped;
    for (unsigned i = 0; i < mmu->tlb_count; i++) dropped += drop_from_tlb(&mmu->tlb[i], &drop);
    drop_from_walker(mmu, &drop);
    return dropped;
}

/* Whether the current context holds parts of a guest's large page whose nested pages are smaller. */
static bool holds_splintered(const vx_mmu *mmu)
{
    for (unsigned i = 0; i < mmu->tlb_count && mmu->splintered; i++)
        for (unsigned a = 0; a < mmu->tlb[i].config->array_count; a++) {
            const vx_setassoc *array = &mmu->tlb[i].array[a];
            for (uint32_t slot = 0; slot < array->sets * array->ways; slot++) {
                uint64_t owner = array->keys[slot] & vx_tag_owner(VX_TAG_CONTEXT_MASK);
                bool ours = owner == mmu->front.owner || owner == mmu->front.global_owner;
                if (ours && (array->values[slot] & VX_TLB_SPLINTERED)) return true;
            }
        }
    return false;
}

/* Undocumented but known of Intel parts, and a switch of the model: a flush of one page inside a VM becomes one of
 * everything where large guest pages are splintered. */
static const drop_rule *fractured(const vx_mmu *mmu, vx_mmu_op op)
{
    bool single = op == VX_OP_INVLPG || op == VX_OP_INVPCID_ADDRESS;
    bool known = single && mmu->cpu->vmx.page_fracturing && mmu->control.nested == VX_NESTED_EPT;
    return known && holds_splintered(mmu) ? &rules[VX_OP_CR4_FLUSH] : &rules[op];
}

static uint64_t count(vx_mmu *mmu, vx_mmu_op op, uint64_t dropped)
{
    mmu->counts.flushes[op]++;
    mmu->counts.flushed_entries[op] += dropped;
    return dropped;
}

uint64_t vx_mmu_invalidate(vx_mmu *mmu, const vx_mmu_invalidation *invalidation)
{
    const drop_rule *rule = fractured(mmu, invalidation->op);
    return count(mmu, invalidation->op, execute(mmu, rule, invalidation, true));
}

void vx_mmu_drop_violation(vx_mmu *mmu, uint64_t gva, uint64_t gpa, bool linear)
{
    vx_mmu_invalidation given = {.op = VX_OP_EPT_VIOLATION, .gva = {gva}, .gpa = {gpa}};
    count(mmu, given.op, execute(mmu, &rules[given.op], &given, linear));
}
