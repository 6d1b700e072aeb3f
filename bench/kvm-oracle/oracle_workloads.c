/* The workloads of oracle/guest/flat_guest.c, statement by statement where they touch memory or the processor. */
#include "oracle_guest.h"

/* One address space: kernel slot 0 shared, slot 1 private: PDPT, PD, PTs. */
typedef struct space {
    uint64_t cr3, pdpt, pd, pt0, tables;
} space;

enum { SPACES = 16 };

static bool has(const oracle_guest *g, unsigned flag) { return (g->work.flags & flag) != 0; }

static uint64_t nth(const oracle_guest *g, uint64_t i) { return GUEST_AREA + (has(g, F_PERPT) ? i << 21 : i << 12); }

static void space_fill(oracle_guest *g, const space *s)
{
    guest_load(g, g->boot_cr3);
    guest_set(g, s->cr3, guest_get(g, g->boot_cr3));
    guest_set(g, s->cr3 + 8, s->pdpt | PTE_P | PTE_W | PTE_U);
    guest_set(g, s->pdpt, s->pd | PTE_P | PTE_W | PTE_U);
    for (uint64_t i = 0; i < s->tables; i++) guest_set(g, s->pd + 8 * i, (s->pt0 + 4096 * i) | PTE_P | PTE_W | PTE_U);
}

static void space_new(oracle_guest *g, space *s, uint64_t pages)
{
    s->tables = has(g, F_PERPT) ? pages : (pages + 511) / 512;
    s->cr3 = guest_zero_page(g);
    s->pdpt = guest_zero_page(g);
    s->pd = guest_zero_page(g);
    s->pt0 = g->pool;
    for (uint64_t i = 0; i < s->tables && !g->died; i++) (void)guest_zero_page(g);
    space_fill(g, s);
}

static uint64_t space_pte(const oracle_guest *g, const space *s, uint64_t i)
{
    return s->pt0 + (has(g, F_PERPT) ? i * 4096 : i * 8);
}

static uint64_t pte_bits(const oracle_guest *g)
{
    return PTE_P | PTE_W | PTE_U | (has(g, F_AD) ? PTE_A | PTE_D : 0U) | (has(g, F_GLOBAL) ? PTE_G : 0U);
}

static void space_map(oracle_guest *g, const space *s, uint64_t pages, uint64_t frame)
{
    for (uint64_t i = 0; i < pages; i++) guest_set(g, space_pte(g, s, i), (frame + 4096 * i) | pte_bits(g));
}

static uint64_t take(oracle_guest *g, uint64_t pages)
{
    uint64_t first = g->pool;
    g->pool += 4096 * pages;
    if (g->pool > GUEST_RAM) g->died = true;
    return first;
}

static void touch(oracle_guest *g, uint64_t gva)
{
    if (has(g, F_WRITE))
        guest_store(g, gva);
    else
        guest_load(g, gva);
}

static void touch_all(oracle_guest *g, uint64_t pages)
{
    guest_call(g);
    for (uint64_t i = 0; i < pages && !g->died; i++) touch(g, nth(g, i));
    guest_leave(g);
}

uint64_t guest_one_page_space(oracle_guest *g, bool mapped)
{
    space s;
    space_new(g, &s, 1);
    if (mapped) guest_set(g, s.pt0, guest_page(g) | PTE_P | PTE_U | PTE_A);
    return s.cr3;
}

/* ---- the page-fault handler ---- */

static void map_demanded(oracle_guest *g, uint64_t pte)
{
    guest_set(g, pte, g->frames | PTE_P | PTE_W | PTE_U | (has(g, F_AD) ? PTE_A | PTE_D : 0U));
    g->frames += 4096;
}

static void copy_on_write(oracle_guest *g, uint64_t gva, uint64_t pte)
{
    guest_load(g, pte);
    uint64_t old = guest_get(g, pte) & 0xfffffffff000ULL, copy = g->frames;
    g->frames += 4096;
    for (uint64_t i = 0; i < 8; i++) {
        guest_load(g, old + 8 * i);
        guest_store(g, copy + 8 * i);
    }
    guest_set(g, pte, copy | PTE_P | PTE_W | PTE_U | PTE_A | PTE_D);
    if (!has(g, F_NOINV)) guest_invlpg(g, gva);
}

void guest_handle_fault(oracle_guest *g, uint64_t gva, uint32_t error_code)
{
    uint64_t index = has(g, F_PERPT) ? (gva - GUEST_AREA) >> 21 : (gva - GUEST_AREA) >> 12;
    uint64_t pte = g->fault_pt + (has(g, F_PERPT) ? index * 4096 : index * 8);
    guest_exception(g, 14, error_code, gva);
    if (g->mode == FAULT_DEMAND && !(error_code & 1) && g->frames < GUEST_RAM)
        map_demanded(g, pte);
    else if (g->mode == FAULT_COW && (error_code & 3) == 3 && g->frames < GUEST_RAM)
        copy_on_write(g, gva, pte);
    else if (g->mode == FAULT_SKIP)
        g->skipped = true;
    else
        g->died = true;
    guest_return(g);
}

/* ---- memory ---- */

static void run_cr3(oracle_guest *g)
{
    space s[SPACES];
    uint64_t n = g->work.n, m = g->work.m, k = g->work.k ? g->work.k : 2, frame = 0;
    for (uint64_t j = 0; j < k; j++) space_new(g, &s[j], m ? m : 1);
    for (uint64_t j = 0; j < k; j++) {
        if (!j || !has(g, F_SHARE)) frame = take(g, m);
        space_map(g, &s[j], m, frame);
    }
    for (uint64_t j = 0; has(g, F_WARM) && j < k; j++) {
        guest_cr3(g, s[j].cr3);
        touch_all(g, m);
    }
    guest_begin(g);
    for (uint64_t i = 0; i < n; i++) {
        guest_cr3(g, s[i % k].cr3);
        touch_all(g, m);
    }
    guest_end(g);
}

static void run_pte_updates(oracle_guest *g)
{
    space s;
    uint64_t n = g->work.n, m = g->work.m;
    space_new(g, &s, m);
    uint64_t f0 = take(g, m), f1 = take(g, m);
    space_map(g, &s, m, f0);
    guest_cr3(g, s.cr3);
    if (has(g, F_WARM)) touch_all(g, m);
    guest_begin(g);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t p = i % m, odd = (i / m) & 1;
        guest_set(g, space_pte(g, &s, p), ((odd ? f0 : f1) + 4096 * p) | pte_bits(g));
        if (!has(g, F_NOINV)) guest_invlpg(g, nth(g, p));
        if (has(g, F_KTOUCH)) guest_cr3(g, s.cr3);
        if (has(g, F_TOUCH)) touch(g, nth(g, p));
    }
    guest_end(g);
}

static void run_touch(oracle_guest *g)
{
    space s;
    space_new(g, &s, g->work.n);
    space_map(g, &s, g->work.n, take(g, g->work.n));
    guest_cr3(g, s.cr3);
    guest_begin(g);
    touch_all(g, g->work.n);
    guest_end(g);
}

static void run_demand(oracle_guest *g)
{
    space s;
    space_new(g, &s, g->work.n);
    g->fault_pt = s.pt0;
    g->mode = FAULT_DEMAND;
    g->frames = take(g, g->work.n);
    guest_cr3(g, s.cr3);
    guest_begin(g);
    touch_all(g, g->work.n);
    guest_end(g);
}

static void run_cow(oracle_guest *g)
{
    space s;
    uint64_t n = g->work.n, m = g->work.m;
    space_new(g, &s, m);
    g->fault_pt = s.pt0;
    g->mode = FAULT_COW;
    space_map(g, &s, m, take(g, m));
    g->frames = take(g, m * n);
    guest_cr3(g, s.cr3);
    g->work.flags |= F_WRITE;
    if (has(g, F_WARM)) touch_all(g, m);
    guest_begin(g);
    for (uint64_t round = 0; round < n; round++) {
        for (uint64_t i = 0; i < m; i++) guest_change(g, space_pte(g, &s, i), 0, PTE_W);
        guest_cr3(g, s.cr3);
        touch_all(g, m);
    }
    guest_end(g);
}

static void run_processes(oracle_guest *g)
{
    space all[SPACES];
    uint64_t n = g->work.n, m = g->work.m, k = g->work.k ? g->work.k : 1;
    for (uint64_t j = 0; j < k; j++) space_new(g, &all[j], m);
    uint64_t frame = take(g, m);
    guest_begin(g);
    for (uint64_t round = 0; round < n; round++) {
        const space *s = &all[round % k];
        guest_zero(g, s->cr3);
        guest_zero(g, s->pdpt);
        guest_zero(g, s->pd);
        for (uint64_t i = 0; i < s->tables; i++) guest_zero(g, s->pt0 + 4096 * i);
        space_fill(g, s);
        space_map(g, s, m, frame);
        guest_cr3(g, s->cr3);
        touch_all(g, m);
        guest_cr3(g, g->boot_cr3);
    }
    guest_end(g);
}

static void run_accessed_dirty(oracle_guest *g)
{
    space s;
    uint64_t m = g->work.m;
    space_new(g, &s, m);
    space_map(g, &s, m, take(g, m));
    guest_cr3(g, s.cr3);
    guest_begin(g);
    for (uint64_t i = 0; i < m; i++) guest_load(g, nth(g, i));
    for (uint64_t i = 0; i < m; i++) guest_store(g, nth(g, i));
    guest_end(g);
}

static void run_aging(oracle_guest *g)
{
    space s;
    uint64_t n = g->work.n, m = g->work.m;
    space_new(g, &s, m);
    space_map(g, &s, m, take(g, m));
    guest_cr3(g, s.cr3);
    touch_all(g, m);
    guest_begin(g);
    for (uint64_t round = 0; round < n; round++) {
        for (uint64_t i = 0; i < m; i++) guest_change(g, space_pte(g, &s, i), 0, PTE_A);
        guest_cr3(g, s.cr3);
        touch_all(g, m);
    }
    guest_end(g);
}

static void run_pde_updates(oracle_guest *g)
{
    space s;
    uint64_t n = g->work.n, m = g->work.m, k = g->work.k;
    g->work.flags |= F_PERPT;
    space_new(g, &s, m * 2);
    space_map(g, &s, m * 2, take(g, m * 2));
    guest_cr3(g, s.cr3);
    if (has(g, F_WARM)) touch_all(g, m);
    guest_begin(g);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t q = i % m, odd = (i / m) & 1, at = s.pd + 8 * q;
        uint64_t table = s.pt0 + 4096 * (k == 1 && !odd ? q + m : q);
        if (k == 2) guest_set(g, at, 0);
        guest_set(g, at, table | PTE_P | PTE_W | PTE_U | (has(g, F_AD) ? PTE_A : 0U));
        if (!has(g, F_NOINV)) guest_invlpg(g, nth(g, q));
        if (has(g, F_TOUCH)) touch(g, nth(g, q));
    }
    guest_end(g);
}

static void run_zeroing(oracle_guest *g)
{
    space s;
    uint64_t m = g->work.m, k = g->work.k;
    g->work.flags |= F_PERPT;
    space_new(g, &s, m);
    space_map(g, &s, m, take(g, m));
    guest_cr3(g, s.cr3);
    touch_all(g, m);
    guest_begin(g);
    for (uint64_t i = 0; i < m; i++) {
        uint64_t table = s.pt0 + 4096 * i;
        if (k == 0) guest_zero(g, table);
        for (uint64_t j = 0; k != 0 && j < (k == 2 ? 4 : 512); j++) guest_set(g, table + 8 * j, 0);
    }
    guest_end(g);
}

static void run_cr3_same(oracle_guest *g)
{
    guest_begin(g);
    for (uint64_t i = 0; i < g->work.n; i++) guest_cr3(g, g->boot_cr3);
    guest_end(g);
}

static void (*const runs[WL_MAX])(oracle_guest *) = {
    [WL_CR3] = run_cr3,         [WL_PTEINV] = run_pte_updates, [WL_PTEONLY] = run_pte_updates,
    [WL_TOUCH] = run_touch,     [WL_DEMAND] = run_demand,      [WL_COW] = run_cow,
    [WL_PROC] = run_processes,  [WL_AD] = run_accessed_dirty,  [WL_AGE] = run_aging,
    [WL_PDE] = run_pde_updates, [WL_ZERO] = run_zeroing,       [WL_CR3SAME] = run_cr3_same,
};

bool oracle_guest_expresses(const workload *work)
{
    if (guest_loops(work) || guest_uses_apic(work)) return true;
    bool updates = work->number == WL_PTEINV || work->number == WL_PTEONLY || work->number == WL_PDE;
    if (updates && work->m == 0) return false; /* of no page */
    return work->number < WL_MAX && runs[work->number] && work->k <= SPACES;
}

void guest_run(oracle_guest *g)
{
    if (guest_loops(&g->work))
        guest_run_loop(g);
    else if (guest_uses_apic(&g->work))
        guest_run_apic(g);
    else
        runs[g->work.number](g);
}
