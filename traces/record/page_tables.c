/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "page_tables.h"

#include <stdlib.h>
#include <string.h>

enum { ROOT_STORES = 16, ENTRIES_MAX = 1024 };
#define FRAME 0x000FFFFFFFFFF000ULL

bool vxr_tables_init(vxr_tables *tables, const vxr_control *control, const vxr_ram *ram, vxr_stream *stream)
{
    uint64_t end = ram->high ? (1ULL << 32) + ram->high : ram->low;
    *tables = (vxr_tables){.control = control, .ram = ram, .stream = stream, .frames = end >> 12};
    tables->live = calloc(tables->frames, sizeof(vxr_table *));
    return tables->live != NULL;
}

static void take_paging(vxr_tables *tables) { tables->paging = vxr_paging_of(tables->control); }

static unsigned entry_bytes(const vxr_tables *tables) { return tables->paging == PAGING_32BIT ? 4 : 8; }

static inline uint64_t entry_at(const uint8_t *page, unsigned offset, unsigned bytes)
{
    uint64_t entry = 0;
    if (bytes == 8)
        memcpy(&entry, page + offset, 8);
    else
        memcpy(&entry, page + offset, 4);
    return entry;
}

/* The frame of the table that an entry of `level` names; false where it names none. */
static bool names_table(const vxr_tables *tables, uint64_t entry, unsigned level, uint64_t *frame)
{
    vxr_paging paging = tables->paging;
    if (level < 2 || !(entry & 1)) return false;
    bool may_be_large = level == 3 ? paging >= PAGING_4LEVEL : level == 2;
    if (level == 2 && paging == PAGING_32BIT) may_be_large = tables->control->cr4 & CR4_PSE;
    if (may_be_large && entry & 0x80) return false;
    uint64_t gpa = paging == PAGING_32BIT ? entry & 0xFFFFF000U : entry & FRAME;
    *frame = gpa >> 12;
    return vxr_is_ram(tables->ram, gpa, 4096);
}

/* The offset of the first entry from `offset` on that is not 0; 4096: none. Most entries of most tables are. */
static inline unsigned next_used(const uint8_t *page, unsigned offset, unsigned bytes)
{
    if (bytes == 8)
        while (offset < 4096 && !entry_at(page, offset, 8)) offset += 8;
    else
        while (offset < 4096 && !entry_at(page, offset, 4)) offset += 4;
    return offset;
}

static void put_snapshot(vxr_tables *tables, const vxr_table *table, const uint8_t *page)
{
    uint64_t words[2 * ENTRIES_MAX];
    unsigned bytes = entry_bytes(tables), count = 0;
    for (unsigned at = next_used(page, 0, bytes); at < 4096; at = next_used(page, at + bytes, bytes)) {
        words[count++] = at / bytes;
        words[count++] = entry_at(page, at, bytes);
    }
    vxr_stream_event(tables->stream, REC_PT_PAGE_NEW, table->frame << 12, table->level, words, count);
}

static void link_table(vxr_tables *tables, uint64_t frame, unsigned level);
static void unlink_table(vxr_tables *tables, uint64_t frame);

static void link_children(vxr_tables *tables, const vxr_table *table)
{
    unsigned bytes = entry_bytes(tables), level = table->level;
    if (level < 2) return;
    for (unsigned at = next_used(table->entries, 0, bytes); at < 4096;
         at = next_used(table->entries, at + bytes, bytes)) {
        uint64_t child;
        if (names_table(tables, entry_at(table->entries, at, bytes), level, &child))
            link_table(tables, child, level - 1);
    }
}

static void link_table(vxr_tables *tables, uint64_t frame, unsigned level)
{
    vxr_table *table = tables->live[frame];
    if (table) {
        table->links++;
        return;
    }
    table = calloc(1, sizeof *table);
    if (!table) return;
    *table = (vxr_table){.frame = frame, .links = 1, .level = (uint8_t)level};
    tables->live[frame] = table;
    tables->made++;
    vxr_read_physical(frame << 12, table->entries, sizeof table->entries);
    put_snapshot(tables, table, table->entries);
    link_children(tables, table);
}

static void unlink_table(vxr_tables *tables, uint64_t frame)
{
    vxr_table *table = tables->live[frame];
    if (!table || --table->links > 0) return;
    unsigned bytes = entry_bytes(tables);
    tables->live[frame] = NULL;
    vxr_stream_small_event(tables->stream, REC_PT_PAGE_GONE, frame << 12, 0);
    unsigned at = table->level > 1 ? next_used(table->entries, 0, bytes) : 4096;
    for (; at < 4096; at = next_used(table->entries, at + bytes, bytes)) {
        uint64_t child;
        if (names_table(tables, entry_at(table->entries, at, bytes), table->level, &child)) unlink_table(tables, child);
    }
    free(table);
}

static bool is_current(const vxr_tables *tables, uint64_t frame)
{
    for (unsigned i = 0; i < 4; i++)
        if (tables->current[i] == frame + 1) return true;
    return false;
}

/* Whether memory still holds what is known of the table, but for what the walker sets (A and D). */
static bool is_as_known(const vxr_tables *tables, const vxr_table *table)
{
    enum { ACCESSED_DIRTY = 0x60 };
    uint8_t page[4096];
    unsigned bytes = entry_bytes(tables);
    vxr_read_physical(table->frame << 12, page, sizeof page);
    if (memcmp(page, table->entries, sizeof page) == 0) return true;
    for (unsigned offset = 0; offset < 4096; offset += bytes) {
        uint64_t changed = entry_at(page, offset, bytes) ^ entry_at(table->entries, offset, bytes);
        if (changed & ~(uint64_t)ACCESSED_DIRTY) return false;
    }
    return true;
}

static void drop_root(vxr_tables *tables, vxr_table *table)
{
    vxr_table *last = tables->roots[--tables->root_count];
    tables->roots[table->place] = last;
    last->place = table->place;
    table->root = 0;
    unlink_table(tables, table->frame);
}

bool vxr_tables_refilled(vxr_tables *tables, uint64_t gpa)
{
    uint64_t frame = gpa >> 12;
    vxr_table *table = tables->live[frame];
    take_paging(tables);
    if (!table->root || is_current(tables, frame)) return false;
    drop_root(tables, table);
    return !tables->live[frame]; /* another table may name it too */
}

static void load_root(vxr_tables *tables, uint64_t gpa, unsigned level, unsigned slot)
{
    uint64_t frame = gpa >> 12;
    if (!vxr_is_ram(tables->ram, gpa, 4096)) return;
    tables->current[slot] = frame + 1;
    vxr_table *table = tables->live[frame];
    if (table && table->root) {
        table->root = 1;
        if (is_as_known(tables, table)) return;
        drop_root(tables, table); /* it was data for a while, written unseen (by a device, say) */
    }
    if (tables->root_count == tables->root_room) {
        uint32_t room = tables->root_room ? 2 * tables->root_room : 256;
        vxr_table **roots = realloc(tables->roots, room * sizeof(vxr_table *));
        if (!roots) return;
        tables->roots = roots;
        tables->root_room = room;
    }
    link_table(tables, frame, level);
    table = tables->live[frame];
    if (!table) return;
    table->root = 1;
    table->place = tables->root_count;
    tables->roots[tables->root_count++] = table;
}

void vxr_tables_load(vxr_tables *tables, uint64_t cr3)
{
    take_paging(tables);
    vxr_paging paging = tables->paging;
    memset(tables->current, 0, sizeof tables->current);
    if (paging == PAGING_NONE) return;
    if (paging != PAGING_PAE) {
        load_root(tables, paging == PAGING_32BIT ? cr3 & 0xFFFFF000U : cr3 & FRAME, paging, 0);
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        uint64_t entry = 0, at = (cr3 & 0xFFFFFFE0U) + 8ULL * i;
        if (vxr_is_ram(tables->ram, at, 8)) vxr_read_physical(at, &entry, 8);
        if (entry & 1) load_root(tables, entry & FRAME, 2, i);
    }
}

void vxr_tables_restart(vxr_tables *tables)
{
    for (uint64_t frame = 0; frame < tables->frames; frame++) {
        if (!tables->live[frame]) continue;
        vxr_stream_small_event(tables->stream, REC_PT_PAGE_GONE, frame << 12, 0);
        free(tables->live[frame]);
        tables->live[frame] = NULL;
    }
    tables->root_count = 0;
    vxr_tables_load(tables, tables->control->cr3);
}

void vxr_tables_tell(vxr_tables *tables)
{
    take_paging(tables);
    for (uint64_t frame = 0; frame < tables->frames; frame++) {
        const vxr_table *table = tables->live[frame];
        if (!table) continue;
        uint8_t page[4096]; /* what the walker has set since, too */
        vxr_read_physical(frame << 12, page, sizeof page);
        put_snapshot(tables, table, page);
    }
}

/* Takes what memory now holds at `offset`: new tables are told before the store that links them, those gone after. */
static void take_entry(vxr_tables *tables, vxr_table *table, unsigned offset, unsigned bytes, uint64_t entry,
                       uint64_t *gone, unsigned *gone_count)
{
    uint64_t before, now;
    if (table->level < 2) return;
    bool had = names_table(tables, entry_at(table->entries, offset, bytes), table->level, &before);
    bool has = names_table(tables, entry, table->level, &now);
    memcpy(table->entries + offset, &entry, bytes);
    if (had && has && before == now) return;
    if (has) link_table(tables, now, table->level - 1U);
    if (had) gone[(*gone_count)++] = before;
}

static void put_store(vxr_tables *tables, uint64_t gpa, unsigned bytes, uint64_t value, uint64_t gva)
{
    const uint64_t words[2] = {gpa, value};
    vxr_stream_event(tables->stream, REC_PT_STORE, gva, bytes, words, 2);
}

void vxr_tables_stored(vxr_tables *tables, uint64_t gpa, unsigned bytes, uint64_t gva)
{
    enum { STORE_ENTRIES_MAX = 17 }; /* 64 bytes, 4-byte entries, not aligned */
    take_paging(tables);
    vxr_table *table = tables->live[gpa >> 12];
    unsigned width = entry_bytes(tables), gone_count = 0;
    uint64_t frame = gpa >> 12, gone[STORE_ENTRIES_MAX];
    uint64_t first = gpa & ~(uint64_t)(width - 1), end = gpa + bytes;
    if (end > (frame + 1) << 12) end = (frame + 1) << 12;
    /* Half an entry of 8 bytes is a store of its own; narrower and misaligned ones are told as whole entries. */
    bool half = width == 8 && bytes == 4 && gpa % 4 == 0;
    for (uint64_t at = first; at < end; at += width) {
        uint64_t entry = 0, told = half ? gpa : at;
        vxr_read_physical(at, &entry, width);
        take_entry(tables, table, (unsigned)(at & 4095), width, entry, gone, &gone_count);
        uint64_t value = half ? (at == gpa ? entry & UINT32_MAX : entry >> 32) : entry;
        put_store(tables, told, half ? 4 : width, value, gva == GVA_UNKNOWN ? gva : gva - gpa + told);
    }
    for (unsigned i = 0; i < gone_count; i++) unlink_table(tables, gone[i]);
    table = tables->live[frame]; /* it may have been its own last link */
    if (table && table->root && !is_current(tables, frame) && table->root++ > ROOT_STORES) drop_root(tables, table);
}
