#include "slow_mmu.h"

#include <assert.h>
#include <string.h>

/* ---- who and what ---- */

static bool two(const slow_mmu *m) { return m->now.nested != VX_NESTED_NONE; }
static bool npt(const slow_mmu *m) { return m->now.nested == VX_NESTED_NPT; }

static slow_item linear(const slow_mmu *m, bool global)
{
    return (slow_item){.root = two(m) ? m->now.nested_root : 0,
                       .vpid = m->now.vpid,
                       .pcid = m->now.pcid,
                       .global = global,
                       .two = two(m)};
}

static slow_item guest_physical(const slow_mmu *m)
{
    return (slow_item){
        .root = m->now.nested_root, .vpid = npt(m) ? m->now.vpid : 0, .guest_physical = true, .two = true};
}

static unsigned shift_of(vx_page_size size) { return vx_page_shift(size); }

static unsigned guest_shift(const slow_mmu *m, unsigned level)
{
    return m->now.paging == VX_PAGING_32BIT ? (level == 2 ? 22 : 12) : 3 + 9 * level;
}

static bool allowed(const slow_mmu *m, const slow_item *item, vx_access access)
{
    const vx_mmu_control *c = &m->now;
    bool user = c->cpl == 3;
    if (two(m) && !(item->allowed >> access & 1)) return false;
    if (access == VX_ACCESS_STORE && !item->dirty) return false;
    if (c->paging == VX_PAGING_NONE) return true;
    if (user && !item->u) return false;
    if (access == VX_ACCESS_FETCH) return !item->nx && !(c->smep && !user && item->u);
    if (!user && item->u && c->smap && !c->ac) return false;
    return access == VX_ACCESS_LOAD || item->w || (!user && !c->wp);
}

/* ---- TLBs ---- */

static bool has(const vx_cfg_tlb_array *array, vx_page_size size)
{
    if (size == VX_PAGE_4M) return (array->pages & (1U << VX_PAGE_4M | 1U << VX_PAGE_2M)) != 0;
    return array->pages >> size & 1;
}

static bool unit_has(const vx_cfg_tlb *unit, vx_page_size size)
{
    for (unsigned i = 0; i < unit->array_count; i++)
        if (has(&unit->array[i], size)) return true;
    return false;
}

/* The array for a page, and its set; NULL where the unit has none for the size. */
static slow_cache *array_for(slow_mmu *m, unsigned u, uint64_t gva, vx_page_size size, unsigned *set)
{
    const vx_cfg_tlb *unit = &m->cpu->tlb[u];
    slow_cache *candidate[VX_CFG_TLB_ARRAYS];
    unsigned count = 0;
    for (unsigned i = 0; i < unit->array_count; i++)
        if (has(&unit->array[i], size)) candidate[count++] = &m->tlb[u][i];
    if (count == 0) return NULL;
    uint64_t page = gva >> shift_of(size);
    slow_cache *chosen = candidate[page / candidate[0]->sets % count];
    *set = (unsigned)(page % chosen->sets);
    return chosen;
}

static slow_item *find(slow_mmu *m, unsigned u, uint64_t gva, slow_cache **where, unsigned *set, int *at)
{
    for (unsigned size = 0; size < VX_PAGE_SIZES; size++)
        for (unsigned global = 0; global <= m->now.pge; global++) {
            *where = array_for(m, u, gva, (vx_page_size)size, set);
            if (!*where) continue;
            slow_item wanted = linear(m, global);
            wanted.number = gva >> shift_of((vx_page_size)size);
            wanted.kind = size;
            *at = slow_position(*where, *set, &wanted);
            if (*at >= 0) return &(*where)->items[*set * (*where)->ways + (unsigned)*at];
        }
    return NULL;
}

static slow_item *lookup(slow_mmu *m, unsigned u, uint64_t gva, vx_access access)
{
    slow_cache *where;
    unsigned set;
    int at;
    m->counts.tlb[u].lookups++;
    slow_item *item = find(m, u, gva, &where, &set, &at);
    if (!item || !allowed(m, item, access)) {
        m->counts.tlb[u].misses++;
        return NULL;
    }
    item = slow_touch(where, set, at);
    m->counts.tlb[u].hits++;
    m->counts.tlb[u].hits_by_page[item->kind]++;
    return item;
}

static void fill(slow_mmu *m, unsigned u, uint64_t gva, slow_item item, uint64_t hpa)
{
    const vx_cfg_tlb *unit = &m->cpu->tlb[u];
    vx_page_size size = (vx_page_size)item.kind;
    if (!unit_has(unit, size)) {
        if (size > VX_PAGE_2M && unit_has(unit, VX_PAGE_2M))
            size = VX_PAGE_2M;
        else if (unit->level != VX_TLB_L2)
            size = VX_PAGE_4K;
        else
            return;
    }
    slow_cache *where;
    unsigned set;
    int at;
    while (find(m, u, gva, &where, &set, &at))
        slow_take_out(where, set, (unsigned)at); /* what was there did not suffice */
    where = array_for(m, u, gva, size, &set);
    item.kind = size;
    item.number = gva >> shift_of(size);
    item.frame = hpa & ~(vx_page_bytes(size) - 1);
    slow_insert(where, set, item);
    m->counts.tlb[u].fills_by_page[size]++;
}

/* ---- costs ---- */

typedef struct slow_walk {
    slow_mmu *m;
    uint64_t gva;
    vx_access access;
    bool caches, remembered;
    unsigned accesses;
    vx_mmu_fault *fault;
} slow_walk;

static void pay(slow_walk *w, unsigned row, unsigned column, unsigned ticks)
{
    w->m->counts.ticks[5 - row][5 - column] += ticks;
    vx_cause cause = column ? VX_CAUSE_WALK_NESTED : w->m->now.shadow ? VX_CAUSE_WALK_SHADOW : VX_CAUSE_WALK_GUEST;
    w->m->ledger.ticks[cause] += ticks;
}

static unsigned through_caches(slow_mmu *m, uint64_t at)
{
    const vx_cfg_memory *memory = &m->cpu->memory;
    slow_item line = {.number = at / 64};
    unsigned first = memory->walk_entry_level - 1U, found = VX_CFG_CACHES;
    for (unsigned i = first; i < VX_CFG_CACHES && found == VX_CFG_CACHES; i++) {
        if (!m->data[i].items) continue;
        m->counts.cache_lookups[i]++;
        if (slow_position(&m->data[i], (unsigned)(line.number % m->data[i].sets), &line) >= 0) found = i;
    }
    if (found < VX_CFG_CACHES) m->counts.cache_hits[found]++;
    for (unsigned i = first; i <= found && i < VX_CFG_CACHES; i++)
        if (m->data[i].items) slow_insert(&m->data[i], (unsigned)(line.number % m->data[i].sets), line);
    return found < VX_CFG_CACHES ? memory->level[found].hit_ticks : memory->memory_ticks;
}

static void read_memory(slow_walk *w, unsigned row, unsigned column, uint64_t at)
{
    w->accesses++;
    w->m->counts.walk_accesses++;
    w->m->counts.accesses[5 - row][5 - column]++;
    bool fixed = w->m->cpu->memory.caches == VX_CACHES_FIXED;
    pay(w, row, column, fixed ? w->m->cpu->memory.walk_access_ticks : through_caches(w->m, at));
}

static void save(slow_walk *w, unsigned row, unsigned column, unsigned ticks)
{
    w->remembered = true;
    w->m->counts.skipped[5 - row][5 - column]++;
    pay(w, row, column, ticks);
}

/* ---- the walker's caches ---- */

static unsigned physical_set(const slow_mmu *m, uint64_t at) { return (unsigned)(at / 8 % m->walk_cache.sets); }

static bool from_walk_cache(slow_walk *w, slow_item owner, uint64_t at, unsigned level, uint64_t needs, uint64_t *entry)
{
    slow_mmu *m = w->m;
    if (!w->caches || !m->walk_cache.items) return false;
    m->counts.psc_lookups++;
    owner.number = at;
    int found = slow_position(&m->walk_cache, physical_set(m, at), &owner);
    if (found < 0) return false;
    uint64_t raw = m->walk_cache.items[physical_set(m, at) * m->walk_cache.ways + (unsigned)found].raw;
    if ((level == 1 || raw >> 7 & 1) && (raw & needs) != needs) return false;
    slow_touch(&m->walk_cache, physical_set(m, at), found);
    m->counts.psc_hits++;
    *entry = raw;
    return true;
}

static void into_walk_cache(slow_mmu *m, slow_item owner, uint64_t at, uint64_t raw)
{
    if (!m->walk_cache.items) return;
    owner.number = at;
    owner.raw = raw;
    slow_insert(&m->walk_cache, physical_set(m, at), owner);
}

static slow_item *longest_prefix(slow_mmu *m, slow_cache caches[], slow_item owner, uint64_t address, bool gpa)
{
    bool any = false;
    for (unsigned level = 2; level <= 5; level++) {
        slow_cache *cache = &caches[level];
        bool in_use = gpa || level <= (m->now.paging == VX_PAGING_5LEVEL   ? 5U
                                       : m->now.paging == VX_PAGING_4LEVEL ? 4U
                                                                           : 2U);
        if (gpa && level > m->now.nested_levels) in_use = false;
        if (!cache->items || !in_use) continue;
        any = true;
        owner.number = address >> (gpa ? 3 + 9 * level : guest_shift(m, level));
        owner.kind = level;
        int at = slow_position(cache, (unsigned)(owner.number % cache->sets), &owner);
        if (at < 0) continue;
        m->counts.psc_lookups++;
        m->counts.psc_hits++;
        return slow_touch(cache, (unsigned)(owner.number % cache->sets), at);
    }
    m->counts.psc_lookups += any;
    return NULL;
}

static void keep_prefix(slow_cache caches[], slow_item item, uint64_t address, unsigned shift, unsigned level)
{
    if (!caches[level].items) return;
    item.number = address >> shift;
    item.kind = level;
    slow_insert(&caches[level], (unsigned)(item.number % caches[level].sets), item);
}

/* ---- second dimension ---- */

typedef struct slow_page {
    uint64_t hpa;
    unsigned allowed, level;
    bool dirty;
    vx_page_size size;
} slow_page;

static uint64_t qualification(const slow_walk *w, unsigned use, unsigned rights, unsigned row, bool present)
{
    if (npt(w->m))
        return (present ? 1U : 0U) | (use & 2U) | 4U | (use & 4U ? 16U : 0U) | (row ? 1ULL << 33 : 1ULL << 32);
    return use | rights << 3 | 1U << 7 | (row ? 0U : 1U << 8);
}

static vx_mmu_result violation(slow_walk *w, uint64_t gpa, unsigned use, unsigned rights, unsigned row, bool present)
{
    w->fault->gpa.v = gpa;
    w->fault->table = row != 0;
    w->fault->qualification = qualification(w, use, rights, row, present);
    return VX_MMU_NESTED_FAULT;
}

static vx_mmu_result nested(slow_walk *w, uint64_t gpa, unsigned row, unsigned use, slow_page *page)
{
    slow_mmu *m = w->m;
    const vx_cfg_cpu *cpu = m->cpu;
    bool flags = npt(m) || m->now.nested_ad;
    uint64_t a = npt(m) ? 1U << 5 : 1U << 8, d = npt(m) ? 1U << 6 : 1U << 9;
    slow_item owner = guest_physical(m);
    bool in_ntlb = m->ntlb.items && (row ? cpu->ntlb.tables : cpu->ntlb.data);
    owner.number = gpa / 4096;
    if (in_ntlb && w->caches) {
        unsigned set = (unsigned)(owner.number % m->ntlb.sets);
        int at = slow_position(&m->ntlb, set, &owner);
        m->counts.ntlb_lookups++;
        if (at >= 0) {
            const slow_item *item = &m->ntlb.items[set * m->ntlb.ways + (unsigned)at];
            if ((item->allowed & use) == use && (!(use & 2) || item->dirty)) {
                item = slow_touch(&m->ntlb, set, at);
                m->counts.ntlb_hits++;
                for (unsigned level = m->now.nested_levels; level >= item->level; level--)
                    save(w, row, level, level == item->level ? cpu->ntlb.hit_ticks : 0);
                *page =
                    (slow_page){item->frame + gpa % 4096, item->allowed, item->level, item->dirty, item->guest_page};
                return VX_MMU_DONE;
            }
        }
    }
    unsigned level = m->now.nested_levels, rights = 7;
    uint64_t table = m->now.nested_root;
    slow_item *known = w->caches ? longest_prefix(m, m->psc_nested, guest_physical(m), gpa, true) : NULL;
    if (known) {
        for (; level >= known->level; level--) save(w, row, level, level == known->level ? cpu->psc.hit_ticks : 0);
        table = known->frame;
        rights = known->allowed;
    }
    for (;; level--) {
        uint64_t at = table + (gpa >> (3 + 9 * level) & 511) * 8, entry;
        bool kept = m->walk_cache.items && (level > 1 || cpu->psc.physical_nested_leaf);
        if (kept && from_walk_cache(w, guest_physical(m), at, level, flags && (use & 2) ? d : 0, &entry)) {
            save(w, row, level, cpu->psc.hit_ticks);
        } else {
            entry = vx_physmem_read64(m->memory, (vx_hpa){at});
            read_memory(w, row, level, at);
        }
        if (!(entry & (npt(m) ? 1U : 7U))) return violation(w, gpa, use, 0, row, false);
        unsigned these = (unsigned)(entry & 7);
        if (npt(m)) these = !(entry & 4) ? 0 : 1U | (entry & 2) | (entry >> 63 ? 0U : 4U);
        rights &= these;
        bool leaf = level == 1 || (level < 4 && (entry >> 7 & 1));
        if (leaf && (use & ~rights)) return violation(w, gpa, use, rights, row, true);
        uint64_t want = !flags ? 0 : leaf && (use & 2) ? a | d : a;
        if ((entry & want) != want) {
            entry |= want;
            vx_physmem_write64(m->memory, (vx_hpa){at}, entry);
            m->counts.ad_writes++;
        }
        if (kept) into_walk_cache(m, guest_physical(m), at, entry);
        table = entry & 0x000FFFFFFFFFF000ULL;
        if (!leaf) {
            slow_item item = guest_physical(m);
            item.frame = table;
            item.allowed = rights;
            item.level = level;
            keep_prefix(m->psc_nested, item, gpa, 3 + 9 * level, level);
            continue;
        }
        vx_page_size size = level == 1 ? VX_PAGE_4K : level == 2 ? VX_PAGE_2M : VX_PAGE_1G;
        uint64_t offset = gpa % vx_page_bytes(size);
        *page = (slow_page){table - table % vx_page_bytes(size) + offset, rights, level, !flags || (entry & d), size};
        owner.frame = page->hpa - gpa % 4096;
        owner.allowed = rights;
        owner.level = level;
        owner.dirty = page->dirty;
        owner.guest_page = size;
        if (in_ntlb) slow_insert(&m->ntlb, (unsigned)(owner.number % m->ntlb.sets), owner);
        return VX_MMU_DONE;
    }
}

/* ---- first dimension ---- */

static vx_mmu_result page_fault(slow_walk *w, unsigned present)
{
    const vx_mmu_control *c = &w->m->now;
    bool tells = c->smep || (c->nxe && c->paging != VX_PAGING_32BIT);
    w->fault->error_code = present | (w->access == VX_ACCESS_STORE ? 2U : 0U) | (c->cpl == 3 ? 4U : 0U) |
                           (w->access == VX_ACCESS_FETCH && tells ? 16U : 0U);
    return VX_MMU_PAGE_FAULT;
}

static vx_mmu_result walk(slow_walk *w, slow_item *item, uint64_t *hpa)
{
    slow_mmu *m = w->m;
    const vx_mmu_control *c = &m->now;
    bool latched = c->paging == VX_PAGING_PAE && !npt(m), narrow = c->paging == VX_PAGING_32BIT;
    unsigned top = c->paging == VX_PAGING_5LEVEL ? 5 : c->paging == VX_PAGING_4LEVEL ? 4 : narrow || latched ? 2 : 3;
    unsigned level = top, table_rights = 0;
    uint64_t table = c->root, at = 0, entry = 0, entry_gpa = 0;
    bool placed = false;
    *item = linear(m, false);
    item->w = item->u = true;
    if (latched) {
        uint64_t pdpte = c->pdpte[w->gva >> 30 & 3];
        if (!(pdpte & 1)) return page_fault(w, 0);
        table = pdpte & 0x000FFFFFFFFFF000ULL;
    }
    slow_item *known = w->caches ? longest_prefix(m, m->psc_guest, linear(m, false), w->gva, false) : NULL;
    if (known) {
        for (; level >= known->level; level--) {
            for (unsigned n = c->nested_levels; two(m) && n >= known->ends[level]; n--) save(w, level, n, 0);
            save(w, level, 0, level == known->level ? m->cpu->psc.hit_ticks : 0);
        }
        for (unsigned n = c->nested_levels; two(m) && n >= known->ends[level]; n--) save(w, level, n, 0);
        w->remembered = true;
        table = known->frame;
        item->w = known->w;
        item->u = known->u;
        item->nx = known->nx;
        table_rights = known->allowed;
        memcpy(item->ends, known->ends, sizeof item->ends);
        placed = true;
    }
    for (;; level--, placed = false) {
        unsigned bits = narrow ? 10 : level == 3 && c->paging == VX_PAGING_PAE ? 2 : 9;
        entry_gpa = at = table + (w->gva >> guest_shift(m, level) & ((1U << bits) - 1)) * (narrow ? 4 : 8);
        if (two(m) && !placed) {
            slow_page page;
            vx_mmu_result result = nested(w, at, level, npt(m) || c->nested_ad ? 3 : 1, &page);
            if (result != VX_MMU_DONE) return result;
            at = page.hpa;
            table_rights = page.allowed;
            item->ends[level] = page.level;
        }
        if (level < top && !placed) { /* the entry above led to a table whose place is known now */
            slow_item upper = *item;
            upper.frame = at & ~4095ULL;
            upper.allowed = table_rights;
            upper.level = level + 1;
            keep_prefix(m->psc_guest, upper, w->gva, guest_shift(m, level + 1), level + 1);
        }
        uint64_t needs = w->access == VX_ACCESS_STORE ? 1U << 6 : 0;
        if (level > 1 && from_walk_cache(w, linear(m, false), at, level, needs, &entry)) {
            save(w, level, 0, m->cpu->psc.hit_ticks);
        } else {
            entry = narrow ? vx_physmem_read32(m->memory, (vx_hpa){at}) : vx_physmem_read64(m->memory, (vx_hpa){at});
            read_memory(w, level, 0, at);
        }
        if (!(entry & 1)) return page_fault(w, 0);
        bool plain = bits == 2;
        if (!plain) {
            item->w &= entry >> 1 & 1;
            item->u &= entry >> 2 & 1;
            item->nx |= entry >> 63 & 1;
        }
        if (level == 1 || (level <= (narrow || c->paging == VX_PAGING_PAE ? 2U : 3U) && (entry >> 7 & 1))) break;
        if (!plain && !(entry & 1U << 5)) {
            if (two(m) && !(table_rights & 2)) return violation(w, entry_gpa, 3, table_rights, level, true);
            entry |= 1U << 5;
            vx_physmem_write32(m->memory, (vx_hpa){at}, (uint32_t)entry);
            m->counts.ad_writes++;
        }
        if (level > 1) into_walk_cache(m, linear(m, false), at, entry);
        table = entry & 0x000FFFFFFFFFF000ULL;
    }
    slow_item judged = *item;
    judged.allowed = 7;
    judged.dirty = true;
    if (!allowed(m, &judged, w->access)) return page_fault(w, 1);
    vx_page_size size = level == 1 ? VX_PAGE_4K : level == 3 ? VX_PAGE_1G : narrow ? VX_PAGE_4M : VX_PAGE_2M;
    uint64_t bytes = vx_page_bytes(size), frame = entry & 0x000FFFFFFFFFF000ULL & ~(bytes - 1);
    if (size == VX_PAGE_4M) frame |= (entry >> 13 & 255) << 32;
    slow_page data = {frame + w->gva % bytes, 7, 0, true, size};
    if (two(m)) {
        vx_mmu_result result = nested(w, frame + w->gva % bytes, 0, 1U << w->access, &data);
        if (result != VX_MMU_DONE) return result;
    }
    uint64_t want = w->access == VX_ACCESS_STORE ? 0x60 : 0x20;
    if ((entry & want) != want) {
        if (two(m) && !(table_rights & 2)) return violation(w, entry_gpa, 3, table_rights, level, true);
        entry |= want;
        vx_physmem_write32(m->memory, (vx_hpa){at}, (uint32_t)entry); /* both flags lie in the low half */
        m->counts.ad_writes++;
    }
    if (level > 1) into_walk_cache(m, linear(m, false), at, entry);
    *hpa = data.hpa;
    item->allowed = data.allowed;
    item->dirty = data.dirty && (entry & 0x40);
    item->kind = data.size < size ? data.size : size;
    item->splintered = data.size < size;
    item->guest_page = size;
    item->global = c->pge && (entry & 1U << 8);
    return VX_MMU_DONE;
}

vx_mmu_result slow_access(slow_mmu *m, uint64_t gva, vx_access access, uint64_t *hpa, vx_mmu_fault *fault)
{
    unsigned first = 0, second = VX_CFG_TLBS;
    for (unsigned u = 0; u < m->cpu->tlb_count; u++) {
        if (!(m->cpu->tlb[u].accesses >> access & 1)) continue;
        if (m->cpu->tlb[u].level == VX_TLB_L2)
            second = u;
        else
            first = u;
    }
    slow_item *held = lookup(m, first, gva, access);
    if (held) {
        *hpa = held->frame + gva % vx_page_bytes((vx_page_size)held->kind);
        return VX_MMU_DONE;
    }
    if (second < VX_CFG_TLBS) m->ledger.ticks[VX_CAUSE_TLB_L2_HIT] += m->cpu->tlb[second].hit_ticks;
    held = second < VX_CFG_TLBS ? lookup(m, second, gva, access) : NULL;
    if (held) {
        *hpa = held->frame + gva % vx_page_bytes((vx_page_size)held->kind);
        fill(m, first, gva, *held, *hpa);
        return VX_MMU_DONE;
    }
    slow_item made;
    slow_walk w = {.m = m, .gva = gva, .access = access, .caches = true, .fault = fault};
    vx_mmu_result result = walk(&w, &made, hpa);
    if (result != VX_MMU_DONE && w.remembered) {
        w.caches = false;
        result = walk(&w, &made, hpa);
    }
    m->counts.walks++;
    m->counts.per_walk.bin[w.accesses < VX_HISTOGRAM_BINS ? w.accesses : VX_HISTOGRAM_BINS - 1]++;
    fault->gva.v = gva;
    if (result == VX_MMU_PAGE_FAULT)
        slow_invalidate(m, &(vx_mmu_invalidation){.op = VX_OP_PAGE_FAULT, .gva = {gva}});
    else if (result != VX_MMU_DONE)
        slow_invalidate(m, &(vx_mmu_invalidation){
                               .op = VX_OP_EPT_VIOLATION, .gva = {fault->table ? ~0ULL : gva}, .gpa = fault->gpa});
    m->counts.walks_aborted += result != VX_MMU_DONE;
    if (result != VX_MMU_DONE) return result;
    if (second < VX_CFG_TLBS) fill(m, second, gva, made, *hpa);
    fill(m, first, gva, made, *hpa);
    return VX_MMU_DONE;
}

/* ---- invalidation: the operations that the random streams use ---- */

static bool page_holds(const slow_item *item, uint64_t gva)
{
    unsigned own = shift_of((vx_page_size)item->kind), page = shift_of(item->guest_page);
    unsigned shift = own > page ? own : page;
    return (item->number << own) >> shift == gva >> shift;
}

typedef enum slow_part { IN_TLB, IN_PSC, IN_NTLB } slow_part;

static bool dies(const slow_mmu *m, const slow_item *item, const vx_mmu_invalidation *op, slow_part part, bool physical)
{
    bool ours = !item->guest_physical && item->vpid == m->now.vpid;
    bool page = part != IN_TLB || page_holds(item, op->gva.v);
    bool prefix = part != IN_PSC || physical || item->number == op->gva.v >> guest_shift(m, item->kind);
    switch (op->op) {
    case VX_OP_INVLPG:
        return ours && page && (item->global || item->pcid == m->now.pcid);
    case VX_OP_PAGE_FAULT:
        return ours && page && prefix && (item->global || item->pcid == m->now.pcid);
    case VX_OP_CR3_LOAD:
        return ours && !item->global && item->pcid == op->pcid;
    case VX_OP_CR4_FLUSH:
        return ours;
    case VX_OP_INVVPID_CONTEXT:
        return !item->guest_physical && item->vpid == op->vpid;
    case VX_OP_INVEPT_CONTEXT:
        return item->two && item->root == op->nested_root;
    case VX_OP_FLUSH_ASID:
        return item->vpid == op->vpid;
    case VX_OP_EPT_VIOLATION:
        if (item->guest_physical && item->root == m->now.nested_root) {
            if (part == IN_NTLB) return item->number == op->gpa.v >> 12;
            return physical || item->number == op->gpa.v >> (3 + 9 * item->kind);
        }
        return op->gva.v != ~0ULL && ours && item->two && item->root == m->now.nested_root && page && prefix &&
               (item->global || item->pcid == m->now.pcid);
    default:
        assert(false && "an operation that the streams do not use");
        return false;
    }
}

static uint64_t sweep(slow_mmu *m, slow_cache *cache, const vx_mmu_invalidation *op, slow_part part, bool physical)
{
    uint64_t dropped = 0;
    for (unsigned set = 0; cache->items && set < cache->sets; set++)
        for (unsigned i = cache->used[set]; i-- > 0;)
            if (dies(m, &cache->items[set * cache->ways + i], op, part, physical)) {
                slow_take_out(cache, set, i);
                dropped++;
            }
    return dropped;
}

uint64_t slow_invalidate(slow_mmu *m, const vx_mmu_invalidation *op)
{
    uint64_t dropped = 0;
    for (unsigned u = 0; u < m->cpu->tlb_count; u++)
        for (unsigned a = 0; a < m->cpu->tlb[u].array_count; a++) dropped += sweep(m, &m->tlb[u][a], op, IN_TLB, false);
    for (unsigned level = 2; level <= 5; level++) {
        sweep(m, &m->psc_guest[level], op, IN_PSC, false);
        sweep(m, &m->psc_nested[level], op, IN_PSC, false);
    }
    sweep(m, &m->walk_cache, op, IN_PSC, true);
    sweep(m, &m->ntlb, op, IN_NTLB, false);
    m->counts.flushes[op->op]++;
    m->counts.flushed_entries[op->op] += dropped;
    return dropped;
}

/* ---- construction ---- */

void slow_open(slow_mmu *m, const vx_cfg_cpu *cpu, vx_physmem *memory)
{
    *m = (slow_mmu){.cpu = cpu, .memory = memory};
    for (unsigned u = 0; u < cpu->tlb_count; u++)
        for (unsigned a = 0; a < cpu->tlb[u].array_count; a++)
            slow_make(&m->tlb[u][a], cpu->tlb[u].array[a].entries, cpu->tlb[u].array[a].ways);
    for (unsigned level = 2; level <= 5 && cpu->psc.kind == VX_PSC_PREFIX; level++) {
        slow_make(&m->psc_guest[level], cpu->psc.guest_entries[level], cpu->psc.guest_ways[level]);
        slow_make(&m->psc_nested[level], cpu->psc.nested_entries[level], cpu->psc.nested_ways[level]);
    }
    if (cpu->psc.kind == VX_PSC_PHYSICAL) slow_make(&m->walk_cache, cpu->psc.physical_entries, cpu->psc.physical_ways);
    slow_make(&m->ntlb, cpu->ntlb.entries, cpu->ntlb.ways);
    for (unsigned i = 0; i < VX_CFG_CACHES && cpu->memory.caches != VX_CACHES_FIXED; i++)
        slow_make(&m->data[i], cpu->memory.level[i].bytes / 64, cpu->memory.level[i].ways);
}

void slow_close(slow_mmu *m)
{
    for (unsigned u = 0; u < VX_CFG_TLBS; u++)
        for (unsigned a = 0; a < VX_CFG_TLB_ARRAYS; a++) slow_unmake(&m->tlb[u][a]);
    for (unsigned level = 0; level < 6; level++) {
        slow_unmake(&m->psc_guest[level]);
        slow_unmake(&m->psc_nested[level]);
    }
    slow_unmake(&m->walk_cache);
    slow_unmake(&m->ntlb);
    for (unsigned i = 0; i < VX_CFG_CACHES; i++) slow_unmake(&m->data[i]);
}
