/* Never a stale hit: random accesses among random changes of tables and contexts must translate, fault and set A and D
 * exactly as a walk without any cache would (naive_walk.h), given no more than the invalidations the manual asks for.
 *
 * Where the manual lets a stale entry cause one more fault (rights raised without an invalidation: SDM Vol.
 * 3A 4.10.4.3, Vol. 3C 28.3.3.4) it may happen once and must not recur. What the MMU drops beyond the minimal rule is
 * counted and printed. VX_SEED sets the seed; VX_LONG=1 runs a hundred times as long. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "invalidation_expected.h"
#include "invalidation_expected_amd.h"
#include "matrix_world.h"
#include "naive_walk.h"
#include "stale_world.h"
#include "vx_mmu_hit.h"

enum { TRIES_MAX = 64 };

/* What was true when a translation was last made, for the minimal rule. */
typedef struct filled {
    vx_page_size guest_page;
    bool global;
} filled;

typedef struct run {
    stale_machine machine;
    matrix_mmu unit;
    uint64_t seed, step;
    unsigned last_slot;
    filled filled[STALE_VMS_MAX][STALE_VIEWS][STALE_PROCESSES][STALE_SLOTS_MAX];
    uint64_t accesses, lane_hits, done, page_faults, nested_faults, spurious, spurious_nested, entries_checked;
    uint64_t sampled, dropped, dropped_beyond;
} run;

typedef struct setting {
    const char *name;
    vx_vendor vendor;
    unsigned variant; /* of matrix_variants */
    uint32_t tlb_entries, tlb_ways;
    vx_replacement replacement;
    const stale_guest_spec *guests;
    unsigned count;
} setting;

static const stale_guest_spec intel_guests[] = {
    {"two views", VX_PAGING_4LEVEL, VX_NESTED_EPT, 4, 1, true, true, 2},
    {"same vpid, other eptp", VX_PAGING_4LEVEL, VX_NESTED_EPT, 4, 1, true, false, 1},
    {"vpid off, 32-bit", VX_PAGING_32BIT, VX_NESTED_EPT, 4, 0, false, true, 1},
    {"pae", VX_PAGING_PAE, VX_NESTED_EPT, 4, 2, false, false, 1},
    {"host", VX_PAGING_4LEVEL, VX_NESTED_NONE, 4, 0, true, false, 0},
    {"shadow", VX_PAGING_4LEVEL, VX_NESTED_NONE, 4, 3, true, false, 0},
    {"paging off", VX_PAGING_NONE, VX_NESTED_EPT, 4, 4, false, true, 1},
};
static const stale_guest_spec five_level_guests[] = {
    {"5 over 5", VX_PAGING_5LEVEL, VX_NESTED_EPT, 5, 1, true, true, 2},
    {"5 over 4", VX_PAGING_5LEVEL, VX_NESTED_EPT, 4, 2, true, false, 1},
    {"4 over 5", VX_PAGING_4LEVEL, VX_NESTED_EPT, 5, 3, true, true, 1},
    {"host", VX_PAGING_5LEVEL, VX_NESTED_NONE, 4, 0, true, false, 0},
};
static const stale_guest_spec amd_guests[] = {
    {"asid 1", VX_PAGING_4LEVEL, VX_NESTED_NPT, 4, 1, true, false, 1},
    {"asid 2, pae", VX_PAGING_PAE, VX_NESTED_NPT, 4, 2, false, false, 1},
    {"host", VX_PAGING_4LEVEL, VX_NESTED_NONE, 4, 0, true, false, 0},
    {"shadow", VX_PAGING_4LEVEL, VX_NESTED_NONE, 4, 3, false, false, 0},
};

static const setting settings[] = {
    {"intel, tlbs alone", VX_VENDOR_INTEL, 0, 128, 128, VX_REPLACE_LRU, intel_guests, 7},
    {"intel, prefix", VX_VENDOR_INTEL, 1, 128, 4, VX_REPLACE_LRU, intel_guests, 7},
    {"intel, prefix and nested tlb", VX_VENDOR_INTEL, 2, 64, 4, VX_REPLACE_PLRU, intel_guests, 7},
    {"intel, physical", VX_VENDOR_INTEL, 3, 128, 128, VX_REPLACE_LRU, intel_guests, 7},
    {"intel, 5 levels", VX_VENDOR_INTEL, 2, 32, 4, VX_REPLACE_LRU, five_level_guests, 4},
    {"amd, physical and nested tlb", VX_VENDOR_AMD, 4, 128, 128, VX_REPLACE_LRU, amd_guests, 4},
    {"amd, physical with leaves", VX_VENDOR_AMD, 3, 64, 4, VX_REPLACE_PLRU, amd_guests, 4},
    {"intel, tiny tlbs", VX_VENDOR_INTEL, 2, 8, 2, VX_REPLACE_LRU, intel_guests, 7},
};

#define FAIL(run, ...) fail_at(run, __LINE__, __VA_ARGS__)

static void __attribute__((format(printf, 3, 4))) fail_at(run *r, int line, const char *format, ...)
{
    const stale_machine *m = &r->machine;
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fail_msg("line %d, VX_SEED=%" PRIu64 " step %" PRIu64 ", guest \"%s\" process %u view %u: %s", line, r->seed,
             r->step, m->vm[m->now_vm].name, m->now_process, m->now_view, text);
}

/* ---- what the tables say beside what the TLBs hold ---- */

static bool listed(const stale_machine *m, unsigned vm, unsigned process)
{
    const stale_vm *guest = &m->vm[vm];
    if (guest->process[process].deferred) return false;
    return guest->pcids || process == guest->resumed; /* without PCIDs the other process has no tag of its own */
}

static unsigned views_of(const stale_vm *vm) { return vm->views ? vm->views : 1; }

/* A kernel page's global translation may have been made by the other process, whose root table is another page: where
 * this one's is not mapped by the nested table, the other's walk is as good (SDM Vol. 3A, 4.10.2.4). */
static naive_walk by_either_root(const stale_machine *m, unsigned vm, unsigned process, unsigned view, unsigned slot,
                                 vx_gva gva, vx_access access)
{
    vx_mmu_control control = stale_control(m, vm, process, view);
    naive_walk walk = naive_translate(&m->memory, &control, gva, access);
    if (walk.mapped || walk.result != VX_MMU_NESTED_FAULT || !m->vm[vm].slot[slot].kernel) return walk;
    vx_mmu_control other = stale_control(m, vm, 1 - process, view);
    naive_walk others = naive_translate(&m->memory, &other, gva, access);
    return others.global ? others : walk;
}

static void check_entries(run *r)
{
    stale_machine *m = &r->machine;
    for (unsigned v = 0; v < m->vms; v++)
        for (unsigned view = 0; view < views_of(&m->vm[v]); view++)
            for (unsigned p = 0; p < STALE_PROCESSES; p++) {
                if (!listed(m, v, p)) continue;
                vx_mmu_control control = stale_control(m, v, p, view);
                vx_mmu_load(m->mmu, &control);
                for (unsigned s = 0; s < m->vm[v].slots; s++) {
                    vx_gva gva = {m->vm[v].slot[s].gva};
                    vx_mmu_presence held = vx_mmu_probe(m->mmu, gva, (vx_gpa){0});
                    if (!held.l1d && !held.l1i && !held.l2) continue;
                    r->entries_checked++;
                    naive_walk walk = by_either_root(m, v, p, view, s, gva, VX_ACCESS_LOAD);
                    uint64_t hpa = held.translation.hpa.v & ~0xFFFULL;
                    if (!walk.mapped || (walk.hpa.v & ~0xFFFULL) != hpa || walk.page != held.translation.page)
                        FAIL(r,
                             "stale entry of \"%s\" process %u view %u for %#" PRIx64 ": %#" PRIx64
                             ", tables say %s%#" PRIx64,
                             m->vm[v].name, p, view, gva.v, hpa, walk.mapped ? "" : "absent ", walk.hpa.v);
                }
            }
    stale_load(m);
}

/* ---- invalidations, watched ---- */

static const invalidation_rule *rule_for(vx_vendor vendor, vx_mmu_op op)
{
    bool amd = vendor == VX_VENDOR_AMD;
    const invalidation_rule *rules = amd ? invalidation_expected_amd : invalidation_expected;
    size_t count =
        amd ? sizeof invalidation_expected_amd / sizeof *rules : sizeof invalidation_expected / sizeof *rules;
    for (size_t i = 0; i < count; i++)
        if (rules[i].op == op) return &rules[i];
    return NULL;
}

static unsigned held_entries(const vx_mmu_presence *held)
{
    return (unsigned)held->l1d + (unsigned)held->l1i + (unsigned)held->l2;
}

typedef struct census {
    uint8_t held[STALE_VMS_MAX][STALE_VIEWS][STALE_PROCESSES][STALE_SLOTS_MAX];
} census;

static void take_census(run *r, census *count)
{
    stale_machine *m = &r->machine;
    for (unsigned v = 0; v < m->vms; v++)
        for (unsigned view = 0; view < views_of(&m->vm[v]); view++)
            for (unsigned p = 0; p < STALE_PROCESSES; p++) {
                vx_mmu_control control = stale_control(m, v, p, view);
                vx_mmu_load(m->mmu, &control);
                for (unsigned s = 0; s < m->vm[v].slots; s++) {
                    vx_mmu_presence held = vx_mmu_probe(m->mmu, (vx_gva){m->vm[v].slot[s].gva}, (vx_gpa){0});
                    count->held[v][view][p][s] = (uint8_t)(listed(m, v, p) ? held_entries(&held) : 0);
                }
            }
    stale_load(m);
}

static void compare_census(run *r, const census *before, const census *after, const vx_mmu_control *now,
                           const vx_mmu_invalidation *operand)
{
    stale_machine *m = &r->machine;
    const invalidation_rule *rule = rule_for(m->vendor, operand->op);
    for (unsigned v = 0; v < m->vms; v++)
        for (unsigned view = 0; view < views_of(&m->vm[v]); view++)
            for (unsigned p = 0; p < STALE_PROCESSES; p++)
                for (unsigned s = 0; s < m->vm[v].slots; s++) {
                    unsigned gone = before->held[v][view][p][s] - (unsigned)after->held[v][view][p][s];
                    if (gone == 0) continue;
                    const filled *f = &r->filled[v][view][p][s];
                    vx_mmu_control control = stale_control(m, v, p, view);
                    mapping_tags tags = {control.vpid, control.pcid, control.nested == VX_NESTED_NONE,
                                         control.nested_root};
                    uint64_t differ = m->vm[v].slot[s].gva ^ operand->gva.v;
                    bool same = differ >> vx_page_shift(f->guest_page) == 0;
                    r->dropped += gone;
                    if (fate_of_translation(rule, now, operand, &tags, f->global, same) == STAYS)
                        r->dropped_beyond += gone;
                }
}

static void invalidate(stale_machine *machine, const vx_mmu_invalidation *operand)
{
    run *r = machine->watch_context;
    bool sample = machine->invalidations % 8 == 0;
    census before = {0}, after = {0};
    if (sample) take_census(r, &before);
    vx_mmu_control now = *vx_mmu_control_now(machine->mmu);
    vx_mmu_invalidate(machine->mmu, operand);
    if (!sample) return;
    take_census(r, &after);
    compare_census(r, &before, &after, &now, operand);
    r->sampled++;
}

/* ---- one access ---- */

typedef struct reference {
    unsigned slot;
    vx_gva gva;
    vx_access access;
    uint64_t last_spurious_gpa;
    bool spurious_before;
} reference;

/* The entry just made or used may translate other slots too. */
static void remember(run *r, const reference *ref, const naive_walk *walk)
{
    stale_machine *m = &r->machine;
    const stale_vm *vm = &m->vm[m->now_vm];
    const filled now = {walk->guest_page, walk->global};
    for (unsigned p = 0; p < STALE_PROCESSES; p++)
        for (unsigned s = 0; s < vm->slots; s++)
            if ((p == m->now_process || vm->slot[s].kernel) &&
                (vm->slot[s].gva ^ ref->gva.v) >> vx_page_shift(walk->page) == 0)
                r->filled[m->now_vm][m->now_view][p][s] = now;
}

/* A of every entry on the path, D of the leaves that a write went through (SDM Vol. 3A, 4.8; Vol. 3C, 28.2.4). */
static void check_flags(run *r, const reference *ref, const naive_walk *walk, bool nested_ad)
{
    const stale_machine *m = &r->machine;
    const stale_vm *vm = &m->vm[m->now_vm];
    bool ept = vm->nested == VX_NESTED_EPT, store = ref->access == VX_ACCESS_STORE;
    unsigned top = vm->process[0].table.format->top;
    for (unsigned i = 0; i < walk->entries; i++) {
        const naive_entry *e = &walk->entry[i];
        if (e->nested && ept && !nested_ad) continue;
        /* A global translation may be another process's: what only this one's walk uses need not be marked. */
        if (walk->global && (e->nested || e->level == top)) continue;
        uint64_t value = e->bytes == 8 ? vx_physmem_read64(&m->memory, e->at) : vx_physmem_read32(&m->memory, e->at);
        bool in_ept = e->nested && ept;
        if (!(value & (in_ept ? VX_EPT_A : VX_PTE_A)))
            FAIL(r, "A not set in %s entry of level %u for %#" PRIx64, e->nested ? "nested" : "guest", e->level,
                 ref->gva.v);
        bool wrote = e->leaf && (e->nested && e->table_write ? true : store);
        if (wrote && !(value & (in_ept ? VX_EPT_D : VX_PTE_D)))
            FAIL(r, "D not set in %s entry of level %u for %#" PRIx64, e->nested ? "nested" : "guest", e->level,
                 ref->gva.v);
    }
}

static bool succeed(run *r, const reference *ref, const vx_mmu_translation *translation)
{
    stale_machine *m = &r->machine;
    naive_walk found = by_either_root(m, m->now_vm, m->now_process, m->now_view, ref->slot, ref->gva, ref->access);
    const naive_walk *walk = &found;
    if (walk->result != VX_MMU_DONE)
        FAIL(r, "access %d of %#" PRIx64 " translated to %#" PRIx64 " but must fail with %d", (int)ref->access,
             ref->gva.v, translation->hpa.v, (int)walk->result);
    if (translation->hpa.v != walk->hpa.v || translation->page != walk->page)
        FAIL(r, "%#" PRIx64 " translated to %#" PRIx64 " (%s), tables say %#" PRIx64 " (%s)", ref->gva.v,
             translation->hpa.v, vx_page_size_name(translation->page), walk->hpa.v, vx_page_size_name(walk->page));
    check_flags(r, ref, walk, m->vm[m->now_vm].nested_ad);
    remember(r, ref, walk);
    r->done++;
    return true;
}

/* Returns whether the access is over. */
static bool page_fault(run *r, reference *ref, const naive_walk *walk, const vx_mmu_fault *fault)
{
    stale_machine *m = &r->machine;
    bool *raised = &m->vm[m->now_vm].process[m->now_process].raised[ref->slot];
    bool was_raised = *raised;
    *raised = false;
    if (walk->result == VX_MMU_PAGE_FAULT) {
        if (fault->error_code != walk->error_code)
            FAIL(r, "page fault at %#" PRIx64 " with error code %#x, must be %#x", ref->gva.v, fault->error_code,
                 walk->error_code);
        r->page_faults++;
        if (stale_chance(m, 60)) stale_page_fault(m, ref->gva.v);
        return true;
    }
    if (!was_raised || ref->spurious_before)
        FAIL(r, "page fault %#x at %#" PRIx64 " that the tables do not cause%s", fault->error_code, ref->gva.v,
             ref->spurious_before ? ", again" : "");
    ref->spurious_before = true;
    r->spurious++;
    return false;
}

static bool raised_at(const stale_view *view, uint64_t gpa)
{
    for (unsigned i = 0; i < view->raised; i++)
        if (gpa >= view->raised_from[i] && gpa <= view->raised_to[i]) return true;
    return false;
}

static bool nested_fault(run *r, reference *ref, const naive_walk *walk, const vx_mmu_fault *fault)
{
    stale_machine *m = &r->machine;
    uint64_t page = fault->gpa.v >> VX_PAGE_SHIFT;
    if (walk->result == VX_MMU_NESTED_FAULT && walk->gpa.v >> VX_PAGE_SHIFT == page) {
        if (walk->table != fault->table) FAIL(r, "nested fault at %#" PRIx64 " with table wrong", fault->gpa.v);
        r->nested_faults++;
        if (stale_chance(m, 5)) return true;
        stale_nested_fault(m, fault->gpa);
        return false;
    }
    if (!raised_at(&m->vm[m->now_vm].view[m->now_view], fault->gpa.v) || ref->last_spurious_gpa == page)
        FAIL(r, "violation at %#" PRIx64 " for %#" PRIx64 " that the tables do not cause%s", fault->gpa.v, ref->gva.v,
             ref->last_spurious_gpa == page ? ", again" : "");
    ref->last_spurious_gpa = page;
    r->spurious_nested++;
    return false;
}

/* The run loop would take it for a hit. */
static bool in_lane(const vx_mmu *mmu, uint64_t gva, vx_access access)
{
    const vx_mmu_front *front = vx_mmu_front_of(mmu);
    unsigned lane = vx_lane_of(access), page_shift = front->lane[lane].page_shift;
    return vx_lane_hit(vx_lane_row_of(front->rows, page_shift, gva), front->salt, lane, page_shift, gva);
}

static vx_mmu_result translate(run *r, const reference *ref, vx_mmu_translation *translation, vx_mmu_fault *fault)
{
    stale_machine *m = &r->machine;
    vx_hpa fast = {0};
    bool lane = in_lane(m->mmu, ref->gva.v, ref->access);
    bool hit = stale_chance(m, 50) && vx_mmu_hit(m->mmu, ref->gva.v, ref->access, &fast);
    vx_mmu_result result = vx_mmu_access(m->mmu, ref->gva, ref->access, translation, fault);
    if (hit && (result != VX_MMU_DONE || translation->hpa.v != fast.v))
        FAIL(r, "the inline hit gives %#" PRIx64 " for %#" PRIx64 ", the lookup %#" PRIx64 " (%d)", fast.v, ref->gva.v,
             translation->hpa.v, (int)result);
    if (lane && result != VX_MMU_DONE)
        FAIL(r, "a lane still remembers %#" PRIx64 ", which faults (%d)", ref->gva.v, (int)result);
    r->lane_hits += lane;
    return result;
}

static void access_once(run *r)
{
    stale_machine *m = &r->machine;
    const stale_vm *vm = &m->vm[m->now_vm];
    /* Often the same page again: what remembers the last page must forget it in time. */
    unsigned slot =
        stale_chance(m, 30) && r->last_slot < vm->slots ? r->last_slot : (unsigned)stale_below(m, vm->slots);
    r->last_slot = slot;
    reference ref = {.slot = slot, .access = (vx_access)stale_below(m, VX_ACCESSES), .last_spurious_gpa = UINT64_MAX};
    ref.gva.v = vm->slot[ref.slot].gva + stale_below(m, VX_PAGE_BYTES);
    r->accesses++;
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        vx_mmu_control control = stale_control(m, m->now_vm, m->now_process, m->now_view);
        naive_walk walk = naive_translate(&m->memory, &control, ref.gva, ref.access);
        vx_mmu_translation translation = {0};
        vx_mmu_fault fault = {0};
        bool over = false;
        switch (translate(r, &ref, &translation, &fault)) {
        case VX_MMU_DONE:
            over = succeed(r, &ref, &translation);
            break;
        case VX_MMU_PAGE_FAULT:
            over = page_fault(r, &ref, &walk, &fault);
            break;
        case VX_MMU_NESTED_FAULT:
            over = nested_fault(r, &ref, &walk, &fault);
            break;
        case VX_MMU_EPT_MISCONFIG:
        case VX_MMU_PML_FULL:
        case VX_MMU_SPP_EVENT:
            FAIL(r, "EPT misconfiguration or another event at %#" PRIx64, fault.gpa.v);
            break;
        }
        if (over) return;
    }
    FAIL(r, "%#" PRIx64 " faults for ever", ref.gva.v);
}

/* A guest-physical address by itself: nested TLB and nested paging-structure entries must be as fresh. */
static void access_gpa(run *r)
{
    stale_machine *m = &r->machine;
    if (m->vm[m->now_vm].nested == VX_NESTED_NONE) return;
    vx_gpa gpa = {stale_random_gpa(m) + stale_below(m, VX_PAGE_BYTES)};
    vx_access access = (vx_access)stale_below(m, VX_ACCESSES);
    reference ref = {.last_spurious_gpa = UINT64_MAX};
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        vx_mmu_control control = stale_control(m, m->now_vm, m->now_process, m->now_view);
        naive_walk walk = naive_translate_gpa(&m->memory, &control, gpa, access);
        vx_hpa hpa = {0};
        vx_mmu_fault fault = {0};
        vx_mmu_result result = vx_mmu_access_gpa(m->mmu, gpa, access, &hpa, &fault);
        if (result == VX_MMU_DONE) {
            if (walk.result != VX_MMU_DONE || walk.hpa.v != hpa.v)
                FAIL(r, "gpa %#" PRIx64 " translated to %#" PRIx64 ", tables say %#" PRIx64 " (%d)", gpa.v, hpa.v,
                     walk.hpa.v, (int)walk.result);
            return;
        }
        if (nested_fault(r, &ref, &walk, &fault)) return;
    }
    FAIL(r, "gpa %#" PRIx64 " faults for ever", gpa.v);
}

/* ---- the run ---- */

static void step(run *r)
{
    stale_machine *m = &r->machine;
    unsigned kind = (unsigned)stale_below(m, 100);
    if (kind < 88)
        access_once(r);
    else if (kind < 90)
        access_gpa(r);
    else if (kind < 94)
        stale_edit_guest(m);
    else if (kind < 96)
        stale_edit_nested(m);
    else if (kind < 99)
        stale_switch(m);
    else
        stale_change_rights(m);
    if (r->step % 32 == 0) check_entries(r);
}

static void limit_tlbs(vx_cfg_cpu *cpu, const setting *s)
{
    for (unsigned t = 0; t < cpu->tlb_count; t++)
        for (unsigned a = 0; a < cpu->tlb[t].array_count; a++) {
            cpu->tlb[t].array[a].entries = s->tlb_entries;
            cpu->tlb[t].array[a].ways = s->tlb_ways;
            cpu->tlb[t].array[a].replacement = s->replacement;
        }
}

static uint64_t environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static void test_setting(void **state)
{
    const setting *s = *state;
    bool lengthy = environment("VX_LONG", 0) != 0;
    uint64_t steps = lengthy ? 2000000 : 20000;
    run *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->seed = environment("VX_SEED", 20080401);
    vx_cfg_cpu cpu;
    matrix_cpu(&cpu, s->vendor, &matrix_variants[s->variant]);
    if (s->guests == five_level_guests) cpu.paging.virtual_bits = 57;
    limit_tlbs(&cpu, s);
    stale_machine_open(&r->machine, s->guests, s->count, r->seed, s->name, s->vendor);
    r->machine.invalidate = invalidate;
    r->machine.watch_context = r;
    matrix_mmu_open(&r->unit, &cpu, &r->machine.memory);
    r->machine.mmu = r->unit.mmu;
    stale_load(&r->machine);
    for (r->step = 1; r->step <= steps; r->step++) step(r);
    check_entries(r);
    print_message("%s: VX_SEED=%" PRIu64 ", %" PRIu64 " accesses (%" PRIu64 " translated, %" PRIu64
                  " of them known to lanes, %" PRIu64 " page faults, %" PRIu64 " nested faults, spurious %" PRIu64
                  " and %" PRIu64 "), %" PRIu64 " edits, %" PRIu64 " invalidations, %" PRIu64 " switches, %" PRIu64
                  " entries held against the tables; dropped beyond the minimal rule: %" PRIu64 " of %" PRIu64
                  " entries in %" PRIu64 " sampled invalidations\n",
                  s->name, r->seed, r->accesses, r->done, r->lane_hits, r->page_faults, r->nested_faults, r->spurious,
                  r->spurious_nested, r->machine.edits, r->machine.invalidations, r->machine.switches,
                  r->entries_checked, r->dropped_beyond, r->dropped, r->sampled);
    /* A run that translated next to nothing would prove next to nothing. */
    assert_true(r->done > r->accesses / 4 && r->page_faults > 0 && r->entries_checked > steps / 32);
    matrix_mmu_close(&r->unit);
    stale_machine_close(&r->machine);
    free(r);
}

int main(void)
{
    enum { COUNT = sizeof settings / sizeof settings[0] };
    struct CMUnitTest tests[COUNT];
    for (unsigned i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){
            .name = settings[i].name, .test_func = test_setting, .initial_state = (void *)(uintptr_t)&settings[i]};
    return cmocka_run_group_tests_name("no stale hit", tests, NULL, NULL);
}
