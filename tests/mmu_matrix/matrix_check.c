/* One operation on the filled small world against the expected table: by probe, and by use. */
#include "matrix_check.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "vx_mmu_hit.h"

enum { FAILURES_SHOWN = 12 };

/* One operation under way. */
typedef struct trial {
    matrix_run *run;
    matrix_mmu unit;
    const invalidation_rule *rule;
    const matrix_context *now;
    const vx_mmu_invalidation *operand;
    vx_mmu_presence before[MATRIX_CONTEXTS_MAX][MATRIX_PAGES], after[MATRIX_CONTEXTS_MAX][MATRIX_PAGES];
    vx_mmu_presence gpa_before[MATRIX_CONTEXTS_MAX][2], gpa_after[MATRIX_CONTEXTS_MAX][2];
} trial;

static const char *const fate_name[] = {"stays", "may go", "must go"};
static const char *const page_name[] = {"near", "global", "far"};

static void blame(trial *t, const matrix_context *c, const char *what, const char *where, fate expected,
                  const char *seen)
{
    if (t->run->failures++ >= FAILURES_SHOWN) return;
    print_error("[%s, globals by pcid %u] %s(gva %#" PRIx64 " gpa %#" PRIx64 " pcid %u vpid %u nested %#" PRIx64
                ") under vpid %u pcid %u ept %u: %s of %s in vpid %u pcid %u ept %u %s, %s (%s)\n",
                t->run->variant->name, t->run->global_creator, t->rule ? vx_mmu_op_name(t->rule->op) : "nothing",
                t->operand->gva.v, t->operand->gpa.v, t->operand->pcid, t->operand->vpid, t->operand->nested_root,
                t->now->control.vpid, t->now->control.pcid, t->now->ept, what, where, c->control.vpid, c->control.pcid,
                c->ept, fate_name[expected], seen, t->rule ? t->rule->manual : "3C 28.3.3.2");
}

/* ---- what is expected ---- */

static mapping_tags tags_of(const matrix_context *c)
{
    return (mapping_tags){c->control.vpid, c->control.pcid, c->ept == MATRIX_ONE_DIMENSION, c->control.nested_root};
}

static fate expect_translation(const trial *t, const matrix_context *c, matrix_page page)
{
    if (!t->rule) return STAYS;
    mapping_tags tags = tags_of(c);
    return fate_of_translation(t->rule, &t->now->control, t->operand, &tags, page == MATRIX_GLOBAL,
                               t->operand->gva.v >> VX_PAGE_SHIFT == matrix_gva[page] >> VX_PAGE_SHIFT);
}

/* NEAR and GLOBAL lie under the same entries at all levels, FAR under others. */
static bool same_region(uint64_t a, uint64_t b) { return a >> 39 == b >> 39; }

static fate expect_psc(const trial *t, const matrix_context *c, matrix_page page)
{
    if (!t->rule) return STAYS;
    mapping_tags tags = tags_of(c);
    fate expected = fate_of_psc(t->rule, &t->now->control, t->operand, &tags, page != MATRIX_FAR,
                                same_region(t->operand->gva.v, matrix_gva[page]));
    /* A page-walk cache that is tagged by the entry's physical address may know nothing of contexts. */
    if (t->run->variant->psc == VX_PSC_PHYSICAL && expected == STAYS) return MAY_GO;
    return expected;
}

static fate expect_gpa(const trial *t, const matrix_context *c, unsigned i)
{
    if (!t->rule) return STAYS;
    mapping_tags tags = tags_of(c);
    fate expected = fate_of_guest_physical(t->rule, &t->now->control, t->operand, &tags,
                                           same_region(t->operand->gpa.v, matrix_gpa[i]));
    if (t->run->variant->psc == VX_PSC_PHYSICAL && expected == STAYS) return MAY_GO;
    return expected;
}

/* ---- filling ---- */

static void load(trial *t, const matrix_context *c) { vx_mmu_load(t->unit.mmu, &c->control); }

static vx_hpa translate(trial *t, uint64_t gva, vx_access access)
{
    vx_mmu_translation translation = {0};
    vx_mmu_fault fault = {0};
    vx_mmu_result result = vx_mmu_access(t->unit.mmu, (vx_gva){gva}, access, &translation, &fault);
    if (result != VX_MMU_DONE) fail_msg("%#" PRIx64 " does not translate: %d", gva, (int)result);
    return translation.hpa;
}

static vx_hpa translate_gpa(trial *t, uint64_t gpa)
{
    vx_hpa hpa = {0};
    vx_mmu_fault fault = {0};
    vx_mmu_result result = vx_mmu_access_gpa(t->unit.mmu, (vx_gpa){gpa}, VX_ACCESS_LOAD, &hpa, &fault);
    if (result != VX_MMU_DONE) fail_msg("gpa %#" PRIx64 " does not translate: %d", gpa, (int)result);
    return hpa;
}

static void touch(trial *t, const matrix_context *c, matrix_page page)
{
    assert_int_equal(translate(t, matrix_gva[page], VX_ACCESS_LOAD).v, c->page[page].before.v);
    assert_int_equal(translate(t, matrix_gva[page], VX_ACCESS_FETCH).v, c->page[page].before.v);
}

static void fill(trial *t)
{
    matrix_run *run = t->run;
    matrix_world_restore(run->world);
    for (unsigned order = 0; order < MATRIX_PCIDS; order++)
        for (unsigned i = 0; i < run->world->contexts; i++) {
            const matrix_context *c = &run->world->context[i];
            if ((c->pcid == run->global_creator) != (order == 0)) continue;
            load(t, c);
            for (unsigned page = 0; page < MATRIX_PAGES; page++) touch(t, c, page);
            if (c->ept == MATRIX_ONE_DIMENSION) continue;
            for (unsigned g = 0; g < 2; g++)
                assert_int_equal(translate_gpa(t, matrix_gpa[g]).v, run->world->gpa[c->ept][g].before.v);
        }
}

/* ---- by probe ---- */

static void probe_all(trial *t, vx_mmu_presence pages[][MATRIX_PAGES], vx_mmu_presence gpas[][2])
{
    for (unsigned i = 0; i < t->run->world->contexts; i++) {
        const matrix_context *c = &t->run->world->context[i];
        load(t, c);
        for (unsigned page = 0; page < MATRIX_PAGES; page++)
            pages[i][page] = vx_mmu_probe(t->unit.mmu, (vx_gva){matrix_gva[page]}, (vx_gpa){matrix_gpa[0]});
        for (unsigned g = 0; g < 2; g++)
            gpas[i][g] = vx_mmu_probe(t->unit.mmu, (vx_gva){matrix_gva[0]}, (vx_gpa){matrix_gpa[g]});
    }
}

/* A test of an empty cache proves nothing: everything that the variant has must be held. */
static void check_filled(trial *t)
{
    const matrix_variant *variant = t->run->variant;
    for (unsigned i = 0; i < t->run->world->contexts; i++) {
        const matrix_context *c = &t->run->world->context[i];
        for (unsigned page = 0; page < MATRIX_PAGES; page++) {
            const vx_mmu_presence *p = &t->before[i][page];
            assert_true(p->l1d && p->l1i && p->l2);
            assert_int_equal(p->psc_guest, variant->psc != VX_PSC_NONE);
            assert_int_equal(p->translation.hpa.v & ~0xFFFULL, c->page[page].before.v);
        }
        if (c->ept == MATRIX_ONE_DIMENSION) continue;
        for (unsigned g = 0; g < 2; g++) {
            assert_int_equal(t->gpa_before[i][g].psc_nested, variant->psc != VX_PSC_NONE);
            assert_int_equal(t->gpa_before[i][g].ntlb, variant->ntlb);
        }
    }
}

static void check_bit(trial *t, const matrix_context *c, const char *what, const char *where, fate expected,
                      bool before, bool after)
{
    t->run->checked++;
    if (expected == MUST_GO && after) blame(t, c, what, where, expected, "is still there");
    if (expected == STAYS && before && !after) blame(t, c, what, where, expected, "is gone");
    if (!before && after) blame(t, c, what, where, expected, "appeared from nowhere");
}

static void check_probes(trial *t)
{
    for (unsigned i = 0; i < t->run->world->contexts; i++) {
        const matrix_context *c = &t->run->world->context[i];
        for (unsigned page = 0; page < MATRIX_PAGES; page++) {
            const vx_mmu_presence *b = &t->before[i][page], *a = &t->after[i][page];
            fate expected = expect_translation(t, c, page);
            check_bit(t, c, "l1d entry", page_name[page], expected, b->l1d, a->l1d);
            check_bit(t, c, "l1i entry", page_name[page], expected, b->l1i, a->l1i);
            check_bit(t, c, "l2 entry", page_name[page], expected, b->l2, a->l2);
            check_bit(t, c, "paging-structure entry", page_name[page], expect_psc(t, c, page), b->psc_guest,
                      a->psc_guest);
        }
        if (c->ept == MATRIX_ONE_DIMENSION) continue;
        for (unsigned g = 0; g < 2; g++) {
            const vx_mmu_presence *b = &t->gpa_before[i][g], *a = &t->gpa_after[i][g];
            fate expected = expect_gpa(t, c, g);
            const char *where = g == 0 ? "gpa 0" : "gpa 1";
            check_bit(t, c, "nested paging-structure entry", where, expected, b->psc_nested, a->psc_nested);
            check_bit(t, c, "nested TLB entry", where, expected, b->ntlb, a->ntlb);
        }
    }
}

/* The TLB entries that the probes saw vanish; a global one, seen from both PCIDs, is one entry. */
static uint64_t vanished(const trial *t)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < t->run->world->contexts; i++)
        for (unsigned page = 0; page < MATRIX_PAGES; page++) {
            const vx_mmu_presence *b = &t->before[i][page], *a = &t->after[i][page];
            if (page == MATRIX_GLOBAL && t->run->world->context[i].pcid != 0) continue;
            count += (uint64_t)(b->l1d && !a->l1d) + (uint64_t)(b->l1i && !a->l1i) + (uint64_t)(b->l2 && !a->l2);
        }
    return count;
}

/* ---- by use ---- */

static void check_target(trial *t, const matrix_context *c, const char *what, const char *where, fate expected,
                         bool held, vx_hpa seen, const matrix_target *target)
{
    t->run->checked++;
    if (seen.v != target->before.v && seen.v != target->after.v)
        blame(t, c, what, where, expected, "leads where no table ever pointed");
    else if (expected == MUST_GO && seen.v != target->after.v)
        blame(t, c, what, where, expected, "was used although stale");
    else if (expected == STAYS && held && seen.v != target->before.v)
        blame(t, c, what, where, expected, "was not used");
    else if (!held && seen.v != target->after.v)
        blame(t, c, what, where, expected, "was used although the probe saw none");
}

static void use_pages(trial *t, unsigned i)
{
    const matrix_context *c = &t->run->world->context[i];
    load(t, c);
    for (unsigned page = 0; page < MATRIX_PAGES; page++) {
        const vx_mmu_presence *p = &t->after[i][page];
        fate expected = expect_translation(t, c, page);
        check_target(t, c, "translation", page_name[page], expected, p->l1d || p->l2,
                     translate(t, matrix_gva[page], VX_ACCESS_LOAD), &c->page[page]);
        check_target(t, c, "translation for fetch", page_name[page], expected, p->l1i || p->l2,
                     translate(t, matrix_gva[page], VX_ACCESS_FETCH), &c->page[page]);
    }
    for (unsigned page = 0; page < MATRIX_PAGES; page++) {
        if (page == MATRIX_GLOBAL) continue;
        check_target(t, c, "paging-structure entry", page_name[page], expect_psc(t, c, page),
                     t->after[i][page].psc_guest, translate(t, matrix_gva[page] + MATRIX_SIBLING, VX_ACCESS_LOAD),
                     &c->sibling[page]);
    }
}

/* Guest-physical mappings of one EPT, looked at once: a use refills what all contexts share. The view with the
 * strictest expectation is the one that counts, since a stale entry must not be usable from it. */
static void use_gpas(trial *t, unsigned ept)
{
    const matrix_world *world = t->run->world;
    for (unsigned g = 0; g < 2; g++) {
        unsigned view = MATRIX_CONTEXTS_MAX;
        for (unsigned i = 0; i < world->contexts; i++) {
            if (world->context[i].ept != ept) continue;
            if (view == MATRIX_CONTEXTS_MAX ||
                expect_gpa(t, &world->context[i], g) > expect_gpa(t, &world->context[view], g))
                view = i;
        }
        const matrix_context *c = &world->context[view];
        const vx_mmu_presence *p = &t->gpa_after[view][g];
        fate expected = expect_gpa(t, c, g);
        const char *where = g == 0 ? "gpa 0" : "gpa 1";
        load(t, c);
        vx_hpa seen = translate_gpa(t, matrix_gpa[g]);
        /* Without a nested TLB only the leaf's own caching decides, which the probe does not tell apart. */
        if (expected == MUST_GO || p->ntlb)
            check_target(t, c, "guest-physical translation", where, expected, p->ntlb || p->psc_nested, seen,
                         &world->gpa[ept][g]);
        check_target(t, c, "guest-physical paging-structure entry", where, expected, p->psc_nested,
                     translate_gpa(t, matrix_gpa[g] + MATRIX_SIBLING), &world->gpa_sibling[ept][g]);
    }
}

/* ---- the whole ---- */

/* The page that the operation is most likely to concern; used just before it, so that whatever remembers the last page
 * remembers this one. */
static matrix_page likely_page(const trial *t)
{
    for (unsigned page = 0; page < MATRIX_PAGES; page++)
        if (t->operand->gva.v >> VX_PAGE_SHIFT == matrix_gva[page] >> VX_PAGE_SHIFT) return (matrix_page)page;
    return MATRIX_NEAR;
}

static void check_last_page(trial *t, matrix_page page)
{
    for (unsigned access = 0; access < VX_ACCESSES; access++) {
        if (access == VX_ACCESS_STORE) continue; /* never made: a load's entry need not allow it */
        vx_hpa hpa;
        bool hit = vx_mmu_hit(t->unit.mmu, matrix_gva[page], (vx_access)access, &hpa);
        fate expected = expect_translation(t, t->now, page);
        if (hit && expected == MUST_GO) blame(t, t->now, "last page", page_name[page], expected, "still hits");
        if (!hit && expected == STAYS) blame(t, t->now, "last page", page_name[page], expected, "no longer hits");
    }
}

static void operate(trial *t)
{
    load(t, t->now);
    if (!t->rule) return;
    matrix_page last = likely_page(t);
    touch(t, t->now, last);
    uint64_t dropped = vx_mmu_invalidate(t->unit.mmu, t->operand);
    check_last_page(t, last);
    const vx_mmu_counts *counts = vx_mmu_counts_now(t->unit.mmu);
    assert_int_equal(counts->flushes[t->rule->op], 1);
    assert_int_equal(counts->flushed_entries[t->rule->op], dropped);
    probe_all(t, t->after, t->gpa_after);
    if (dropped != vanished(t)) {
        char seen[80];
        snprintf(seen, sizeof seen, "but %" PRIu64 " were reported and %" PRIu64 " vanished", dropped, vanished(t));
        blame(t, t->now, "TLB entries", "all pages", MAY_GO, seen);
    }
}

void matrix_check(matrix_run *run, const invalidation_rule *rule, const matrix_context *now,
                  const vx_mmu_invalidation *operand)
{
    trial t = {.run = run, .rule = rule, .now = now, .operand = operand};
    matrix_mmu_open(&t.unit, run->cpu, &run->world->memory);
    fill(&t);
    probe_all(&t, t.before, t.gpa_before);
    check_filled(&t);
    operate(&t);
    probe_all(&t, t.after, t.gpa_after);
    check_probes(&t);
    matrix_world_change(run->world);
    for (unsigned ept = 0; ept < MATRIX_EPTS; ept++) use_gpas(&t, ept);
    for (unsigned i = 0; i < run->world->contexts; i++) use_pages(&t, i);
    run->operations++;
    matrix_mmu_close(&t.unit);
}
