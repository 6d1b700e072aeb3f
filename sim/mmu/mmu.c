/* The MMU as a whole: construction from a model, and the control state that the CPU loads. */
#include <string.h>

#include "walker.h"

/* ---- construction ---- */

vx_status vx_mmu_array_init(vx_mmu *mmu, vx_setassoc *array, vx_arena *arena, uint32_t entries, uint32_t ways,
                            vx_replacement policy, vx_msg *msg)
{
    vx_status status = vx_setassoc_init(array, arena, entries, ways, policy, msg);
    if (status == VX_OK) mmu->arrays[mmu->array_count++] = array;
    return status;
}

static vx_status init_walker_cache(vx_mmu *mmu, vx_walker_cache *cache, vx_arena *arena, uint32_t entries,
                                   uint32_t ways, vx_replacement policy, vx_msg *msg)
{
    if (entries == 0) return VX_OK;
    cache->exists = true;
    vx_status status = vx_mmu_array_init(mmu, &cache->array, arena, entries, ways, policy, msg);
    return status == VX_OK ? vx_setassoc_keep_lists(&cache->array, arena, msg) : status;
}

static vx_status init_walker_caches(vx_mmu *mmu, vx_arena *arena, vx_msg *msg)
{
    const vx_cfg_psc *psc = &mmu->cpu->psc;
    const vx_cfg_ntlb *ntlb = &mmu->cpu->ntlb;
    vx_status status = VX_OK;
    for (unsigned n = 2; n <= VX_RADIX_LEVELS_MAX && psc->kind == VX_PSC_PREFIX && status == VX_OK; n++) {
        status = init_walker_cache(mmu, &mmu->psc_guest[n], arena, psc->guest_entries[n], psc->guest_ways[n],
                                   psc->replacement, msg);
        if (status != VX_OK) return status;
        status = init_walker_cache(mmu, &mmu->psc_nested[n], arena, psc->nested_entries[n], psc->nested_ways[n],
                                   psc->replacement, msg);
    }
    if (psc->kind == VX_PSC_PHYSICAL)
        status = init_walker_cache(mmu, &mmu->psc_physical, arena, psc->physical_entries, psc->physical_ways,
                                   psc->replacement, msg);
    if (status != VX_OK) return status;
    return init_walker_cache(mmu, &mmu->ntlb, arena, ntlb->entries, ntlb->ways, ntlb->replacement, msg);
}

/* Each kind of access has one first-level unit and at most one behind it. */
static vx_status connect(vx_mmu *mmu, vx_tlb *tlb, vx_msg *msg)
{
    for (unsigned access = 0; access < VX_ACCESSES; access++) {
        if (!(tlb->config->accesses & 1U << access)) continue;
        bool taken = tlb->config->level == VX_TLB_L2 ? mmu->second[access] != NULL : mmu->front.first[access] != NULL;
        if (taken)
            return vx_fail(msg, VX_ERR_INPUT, "TLB %s: another unit of its level serves the same accesses",
                           tlb->config->name);
        if (tlb->config->level == VX_TLB_L2)
            mmu->second[access] = tlb;
        else
            mmu->front.first[access] = &tlb->unit;
    }
    return VX_OK;
}

static vx_status init_tlbs(vx_mmu *mmu, vx_arena *arena, vx_msg *msg)
{
    static const char *const word[VX_ACCESSES] = {"loads", "stores", "fetches"};
    const vx_cfg_cpu *cpu = mmu->cpu;
    if (cpu->tlb_count > VX_CFG_TLBS) return vx_fail(msg, VX_ERR_INPUT, "%u TLBs: too many", cpu->tlb_count);
    for (unsigned i = 0; i < cpu->tlb_count; i++) {
        vx_tlb *tlb = &mmu->tlb[i];
        if (cpu->tlb[i].array_count > VX_CFG_TLB_ARRAYS)
            return vx_fail(msg, VX_ERR_INPUT, "TLB %s: too many arrays", cpu->tlb[i].name);
        tlb->counts = &mmu->counts.tlb[i];
        vx_status status = vx_tlb_init(tlb, mmu, arena, &cpu->tlb[i], msg);
        if (status == VX_OK) status = connect(mmu, tlb, msg);
        if (status != VX_OK) return status;
        if (cpu->tlb[i].level != VX_TLB_L2 && tlb->installs_as[VX_PAGE_4K] == VX_NOT_INSTALLED)
            return vx_fail(msg, VX_ERR_INPUT, "TLB %s: a first-level unit must hold 4k pages", cpu->tlb[i].name);
        mmu->tlb_count++;
    }
    for (unsigned access = 0; access < VX_ACCESSES; access++)
        if (!mmu->front.first[access]) return vx_fail(msg, VX_ERR_INPUT, "no first-level TLB serves %s", word[access]);
    return VX_OK;
}

/* As many contexts as entries could name, twice over, so that a clean-up always frees as many as it looks at. */
static vx_status init_contexts(vx_mmu *mmu, vx_arena *arena, vx_msg *msg)
{
    uint64_t capacity = 16;
    for (unsigned i = 0; i < mmu->array_count; i++) capacity += 2ULL * mmu->arrays[i]->sets * mmu->arrays[i]->ways;
    if (capacity > VX_CONTEXTS_MAX) capacity = VX_CONTEXTS_MAX;
    mmu->context_marks = vx_arena_array(arena, capacity, sizeof *mmu->context_marks);
    if (!mmu->context_marks) return vx_fail_nomem(msg);
    return vx_contexts_init(&mmu->contexts, arena, (uint32_t)capacity, msg);
}

static vx_status check_costs(const vx_cfg_cpu *cpu, vx_msg *msg)
{
    if (cpu->core.walkers == 0 || cpu->core.walk_exposure_milli > 1000)
        return vx_fail(msg, VX_ERR_INPUT, "%s: at least one page walker, and an exposure of at most 1000", cpu->name);
    if (cpu->memory.caches != VX_CACHES_FIXED &&
        (cpu->memory.walk_entry_level < 1 || cpu->memory.walk_entry_level > VX_CFG_CACHES))
        return vx_fail(msg, VX_ERR_INPUT, "%s: walks enter the caches at level 1 to 3", cpu->name);
    return VX_OK;
}

vx_status vx_mmu_init(vx_mmu **out, vx_arena *arena, const vx_cfg_cpu *cpu, vx_physmem *memory, vx_ledger *ledger,
                      vx_msg *msg)
{
    vx_mmu *mmu = vx_arena_alloc(arena, sizeof *mmu);
    if (!mmu) return vx_fail_nomem(msg);
    mmu->cpu = cpu;
    mmu->memory = memory;
    mmu->ledger = ledger;
#ifdef VX_HOST_AVX2
    mmu->simd = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
#endif
    vx_status status = check_costs(cpu, msg);
    if (status == VX_OK) vx_walk_costs_init(mmu);
    if (status == VX_OK) status = init_tlbs(mmu, arena, msg);
    if (status == VX_OK) status = init_walker_caches(mmu, arena, msg);
    if (status == VX_OK) status = vx_caches_init(mmu, arena, msg);
    if (status == VX_OK) status = vx_lanes_init(mmu, arena, msg);
    if (status == VX_OK) status = init_contexts(mmu, arena, msg);
    if (status != VX_OK) return status;
    vx_mmu_load(mmu, &(vx_mmu_control){.paging = VX_PAGING_NONE});
    *out = mmu;
    return VX_OK;
}

/* ---- contexts ---- */

/* Frees the ids that no entry and no current tag names; where even that frees none, everything is dropped, which any
 * processor may do at any time (SDM Vol. 3C, 28.3.3.2). */
static void clean_contexts(vx_mmu *mmu)
{
    memset(mmu->context_marks, 0, mmu->contexts.capacity);
    uint32_t kept = 0;
    for (unsigned i = 0; i < mmu->array_count; i++) {
        const vx_setassoc *array = mmu->arrays[i];
        for (uint32_t slot = 0; slot < array->sets * array->ways; slot++)
            if (array->keys[slot]) mmu->context_marks[vx_tag_context(array->keys[slot])] = 1;
    }
    for (uint32_t id = 1; id < mmu->contexts.capacity; id++) kept += mmu->context_marks[id];
    if (kept + 4 >= mmu->contexts.capacity) {
        for (unsigned i = 0; i < mmu->array_count; i++) vx_setassoc_clear(mmu->arrays[i]);
        vx_lanes_forget_all(mmu);
        memset(mmu->context_marks, 0, mmu->contexts.capacity);
    }
    vx_contexts_retain(&mmu->contexts, mmu->context_marks);
}

/* The three contexts of a control state: its own, its global translations', its guest-physical mappings'. */
static bool intern_three(vx_mmu *mmu, const vx_mmu_control *control)
{
    bool two = control->nested != VX_NESTED_NONE;
    vx_context wanted = {.nested_root = two ? control->nested_root : 0,
                         .vpid = control->vpid,
                         .pcid = control->pcid & 0xFFF,
                         .kind = two ? VX_CONTEXT_COMBINED : VX_CONTEXT_LINEAR};
    uint16_t own = vx_contexts_intern(&mmu->contexts, &wanted);
    wanted.pcid = VX_PCID_GLOBAL;
    uint16_t global = control->pge ? vx_contexts_intern(&mmu->contexts, &wanted) : own;
    wanted = (vx_context){.nested_root = control->nested_root,
                          .vpid = control->nested == VX_NESTED_NPT ? control->vpid : 0,
                          .kind = VX_CONTEXT_GUEST_PHYSICAL};
    uint16_t guest_physical = two ? vx_contexts_intern(&mmu->contexts, &wanted) : own;
    if (!own || !global || !guest_physical) return false;
    mmu->front.owner = vx_tag_owner(own);
    mmu->front.global_owner = vx_tag_owner(global);
    mmu->setup.guest_physical_owner = vx_tag_owner(guest_physical);
    return true;
}

static void load_contexts(vx_mmu *mmu, const vx_mmu_control *control)
{
    if (!mmu->translated) { /* no entry has the tag of context 0: nothing hits */
        mmu->front.owner = mmu->front.global_owner = vx_tag_owner(VX_CONTEXT_NONE);
        return;
    }
    if (intern_three(mmu, control)) return;
    clean_contexts(mmu);
    intern_three(mmu, control);
}

/* ---- the control state ---- */

static void load_guest_dimension(vx_mmu *mmu, const vx_mmu_control *control)
{
    static const vx_radix *const format[VX_PAGING_MODES] = {NULL, &vx_radix_2level, &vx_radix_pae, &vx_radix_4level,
                                                            &vx_radix_5level};
    vx_walk_setup *setup = &mmu->setup;
    setup->guest = format[control->paging];
    setup->pdptes_latched = control->paging == VX_PAGING_PAE && control->nested != VX_NESTED_NPT;
    setup->guest_top = setup->guest ? (uint8_t)(setup->guest->top - (setup->pdptes_latched ? 1 : 0)) : 0;
    vx_reserved_guest(&mmu->cpu->paging, control, &setup->guest_reserved);
    vx_ordinary_guest(setup->guest, control, &setup->guest_reserved, &setup->guest_ordinary);
}

static void load_nested_dimension(vx_mmu *mmu, const vx_mmu_control *control)
{
    vx_walk_setup *setup = &mmu->setup;
    bool five = control->nested_levels == 5;
    bool npt = control->nested == VX_NESTED_NPT;
    setup->nested = NULL;
    setup->nested_top = 0;
    if (control->nested == VX_NESTED_NONE) return;
    if (npt) {
        setup->nested = five ? &vx_radix_5level : &vx_radix_4level;
        vx_reserved_npt(mmu->cpu, &setup->nested_reserved);
    } else {
        setup->nested = five ? &vx_radix_ept5 : &vx_radix_ept4;
        vx_reserved_ept(mmu->cpu, control, &setup->nested_reserved);
    }
    setup->nested_top = setup->nested->top;
    setup->nested_present = setup->nested->present | (!npt && control->mode_based_execute ? VX_EPT_USER_X : 0);
    setup->user_execute_bit = control->mode_based_execute ? 10 : 2;
    setup->paging_write_bit = control->paging_write ? VX_EPT_PAGING_WRITE : 0;
    setup->nested_flags = npt || control->nested_ad;
    setup->table_writes = setup->nested_flags;
    setup->nested_accessed = npt ? VX_PTE_A : VX_EPT_A;
    setup->nested_dirty = npt ? VX_PTE_D : VX_EPT_D;
    setup->nested_needs = setup->nested_flags ? setup->nested_dirty : 0;
    vx_ordinary_nested(setup->nested, control, &setup->nested_reserved, setup->nested_flags, &setup->nested_ordinary);
    for (unsigned level = 1; level <= setup->nested_top; level++) {
        if (setup->nested->page[level] < 0) continue;
        setup->nested_page[level] = vx_page_bytes((vx_page_size)setup->nested->page[level]);
        setup->nested_frame[level] = VX_ENTRY_ADDRESS & ~(setup->nested_page[level] - 1);
    }
}

/* Only who asks changed, or nothing: the translations stay what they are. */
static bool same_ept_controls(const vx_mmu_control *a, const vx_mmu_control *b)
{
    return a->supervisor_shadow_stack == b->supervisor_shadow_stack && a->mode_based_execute == b->mode_based_execute &&
           a->paging_write == b->paging_write && a->guest_paging_verification == b->guest_paging_verification &&
           a->sub_page_write == b->sub_page_write && a->sppt == b->sppt;
}

static bool same_but_for_cpl(const vx_mmu_control *a, const vx_mmu_control *b)
{
    return a->paging == b->paging && a->root == b->root && memcmp(a->pdpte, b->pdpte, sizeof a->pdpte) == 0 &&
           a->wp == b->wp && a->pse == b->pse && a->pge == b->pge && a->smep == b->smep && a->smap == b->smap &&
           a->nxe == b->nxe && a->pcid == b->pcid && a->vpid == b->vpid && a->nested == b->nested &&
           a->nested_root == b->nested_root && a->nested_levels == b->nested_levels && a->nested_ad == b->nested_ad &&
           a->shadow == b->shadow && same_ept_controls(a, b);
}

/* Lean: nothing but prefix caches may answer, and they always may. */
static vx_miss_kind miss_kind(const vx_mmu *mmu, const vx_mmu_control *control)
{
    bool wide = control->paging == VX_PAGING_4LEVEL || control->paging == VX_PAGING_5LEVEL;
    bool lean = wide && control->nested != VX_NESTED_NPT && !mmu->psc_physical.exists && !mmu->ntlb.exists &&
                !control->guest_paging_verification;
    if (!lean) return wide && control->nested != VX_NESTED_EPT ? VX_MISS_WHOLE : VX_MISS_ANY;
    return vx_straight_fits(mmu) ? VX_MISS_STRAIGHT : VX_MISS_LEAN;
}

static void choose_instances(vx_mmu *mmu, const vx_mmu_control *control)
{
    vx_miss_kind kind = miss_kind(mmu, control);
    bool two = control->nested != VX_NESTED_NONE;
    mmu->walk = vx_walk_instance(control->nested, control->paging);
    mmu->access = vx_access_instance(kind, two, mmu->tally.cached);
    mmu->cache_access = vx_caches_access;
    mmu->cache_charge = vx_caches_charge;
#ifdef VX_HOST_AVX2
    if (mmu->simd) mmu->access = vx_access_instance_avx2(kind, two, mmu->tally.cached);
    if (mmu->simd) mmu->cache_access = vx_caches_access_avx2;
    if (mmu->simd) mmu->cache_charge = vx_caches_charge_avx2;
#endif
    if (!mmu->translated) mmu->access = vx_access_untranslated;
}

static void set_tops(vx_mmu *mmu)
{
    vx_walk_tally *tally = &mmu->tally;
    if (tally->guest_top == mmu->setup.guest_top && tally->nested_top == mmu->setup.nested_top) return;
    vx_tally_settle(mmu);
    tally->guest_top = mmu->setup.guest_top;
    tally->nested_top = mmu->setup.nested_top;
}

void vx_mmu_load(vx_mmu *mmu, const vx_mmu_control *control)
{
    bool light = mmu->loaded && same_but_for_cpl(&mmu->control, control);
    mmu->control = *control;
    if (light) {
        vx_lanes_aim(mmu);
        return;
    }
    mmu->loaded = true;
    mmu->translated = control->paging != VX_PAGING_NONE || control->nested != VX_NESTED_NONE;
    load_guest_dimension(mmu, control);
    load_nested_dimension(mmu, control);
    set_tops(mmu);
    load_contexts(mmu, control);
    choose_instances(mmu, control);
    vx_lanes_aim(mmu);
}

const vx_mmu_control *vx_mmu_control_now(const vx_mmu *mmu) { return &mmu->control; }

void vx_mmu_observe(vx_mmu *mmu, vx_walk_observer observer, void *context)
{
    mmu->observer = observer;
    mmu->observer_context = context;
    vx_tally_aim(mmu);
    choose_instances(mmu, &mmu->control);
}
