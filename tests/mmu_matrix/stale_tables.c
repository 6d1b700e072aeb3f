/* Tables that change: pages recycled after the invalidation that their unlinking asks for, entries written at any
 * level, and what each change asks for (SDM Vol. 3A, 4.10.4.2 and 4.10.4.3; Vol. 3C, 28.3.3.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "stale_world.h"

uint64_t stale_page(stale_pool *pool, const vx_physmem *memory, uint64_t base)
{
    assert_true(pool->frees > 0);
    uint64_t page = pool->free[--pool->frees];
    for (unsigned i = 0; i < VX_PAGE_BYTES; i += 8)
        vx_physmem_write64((vx_physmem *)(uintptr_t)memory, (vx_hpa){base + page + i}, 0);
    return page;
}

void stale_release(stale_pool *pool)
{
    for (unsigned i = 0; i < pool->quarantined; i++) pool->free[pool->frees++] = pool->quarantine[i];
    pool->quarantined = 0;
}

stale_table stale_table_new(stale_machine *machine, const vx_radix *format, stale_pool *pool, uint64_t base)
{
    return (stale_table){format, stale_page(pool, &machine->memory, base), base, pool};
}

bool stale_leaf_level(const vx_radix *format, unsigned level)
{
    return level == 1 || (level <= 3 && format->page[level] >= 0);
}

static bool present(const vx_radix *format, uint64_t entry) { return (entry & format->present) != 0; }

static uint64_t frame_of(uint64_t entry) { return entry & VX_ENTRY_ADDRESS; }

static vx_hpa entry_at(const stale_table *table, uint64_t page, unsigned level, uint64_t address)
{
    uint64_t index = vx_radix_index(table->format, level, address);
    return (vx_hpa){table->base + page + index * table->format->entry_bytes};
}

unsigned stale_find(const stale_machine *machine, const stale_table *table, uint64_t address, unsigned lowest,
                    vx_hpa *at, uint64_t *entry)
{
    uint64_t page = table->root;
    for (unsigned level = table->format->top;; level--) {
        *at = entry_at(table, page, level, address);
        *entry = vx_radix_read(table->format, &machine->memory, *at);
        if (!present(table->format, *entry) || level <= lowest || vx_radix_is_leaf(table->format, level, *entry))
            return level;
        page = frame_of(*entry);
    }
}

static void unlink_subtree(stale_machine *machine, const stale_table *table, uint64_t entry, unsigned level)
{
    if (!present(table->format, entry) || vx_radix_is_leaf(table->format, level, entry)) return;
    uint64_t page = frame_of(entry);
    unsigned count = 1U << table->format->bits[level - 1];
    if (level > 2)
        for (unsigned i = 0; i < count; i++) {
            vx_hpa at = {table->base + page + (uint64_t)i * table->format->entry_bytes};
            unlink_subtree(machine, table, vx_radix_read(table->format, &machine->memory, at), level - 1);
        }
    assert_true(table->pool->quarantined < STALE_QUARANTINE);
    table->pool->quarantine[table->pool->quarantined++] = page;
}

/* Bits that only grow rights when they go 0 to 1. U is none: with SMEP and SMAP it takes rights from the supervisor. */
static uint64_t raising_bits(const vx_radix *format)
{
    bool ept = format == &vx_radix_ept4 || format == &vx_radix_ept5;
    return ept ? VX_EPT_R | VX_EPT_W | VX_EPT_X : VX_PTE_W;
}

static stale_need need_of(const vx_radix *format, uint64_t before, uint64_t after)
{
    if (!present(format, before) || before == after) return STALE_NEEDS_NOTHING; /* absent is never cached */
    uint64_t raising = raising_bits(format), differ = before ^ after;
    bool ept = raising & VX_EPT_R;
    uint64_t up = differ & after & raising;
    if (!ept) up |= differ & before & VX_PTE_NX;
    /* A and D set by software lose nothing either. */
    uint64_t flags = ept ? VX_EPT_A | VX_EPT_D : VX_PTE_A | VX_PTE_D;
    up |= differ & after & flags;
    return (differ & ~up) == 0 ? STALE_RAISED_RIGHTS : STALE_NEEDS_INVALIDATION;
}

static stale_change change_of(const stale_table *table, uint64_t address, unsigned level, uint64_t before,
                              uint64_t after)
{
    uint64_t mask = (1ULL << table->format->shift[level]) - 1;
    return (stale_change){.need = need_of(table->format, before, after),
                          .upper = !vx_radix_is_leaf(table->format, level, before),
                          .from = address & ~mask,
                          .to = address | mask};
}

stale_change stale_write(stale_machine *machine, const stale_table *table, uint64_t address, unsigned level,
                         uint64_t entry, uint64_t upper)
{
    vx_hpa at;
    uint64_t before;
    stale_change split = {.need = STALE_NEEDS_NOTHING};
    unsigned reached = stale_find(machine, table, address, level, &at, &before);
    while (reached > level) {
        uint64_t next = stale_page(table->pool, &machine->memory, table->base) | upper;
        stale_change here = change_of(table, address, reached, before, next);
        if (here.need == STALE_NEEDS_INVALIDATION) split = here;
        vx_radix_write(table->format, &machine->memory, at, next);
        reached = stale_find(machine, table, address, level, &at, &before);
    }
    if (frame_of(before) != frame_of(entry) || !present(table->format, entry) ||
        vx_radix_is_leaf(table->format, level, entry) != vx_radix_is_leaf(table->format, level, before))
        unlink_subtree(machine, table, before, level);
    vx_radix_write(table->format, &machine->memory, at, entry);
    stale_change change = change_of(table, address, level, before, entry);
    machine->edits++;
    return split.need == STALE_NEEDS_INVALIDATION ? split : change;
}
