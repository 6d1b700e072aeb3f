/* Formats: SDM Vol. 3A, 4.3 (32-bit), 4.4 (PAE), 4.5 (4-level and 5-level). */
#include "guest_tables.h"

#include <assert.h>
#include <inttypes.h>

/* A user page, readable, writable, executable: a user-level trace does not say more. */
#define RIGHTS (VX_PTE_P | VX_PTE_W | VX_PTE_U)
#define PAE_ROOT_END (1ULL << 32)

static const vx_radix *format_of(unsigned levels)
{
    switch (levels) {
    case 2:
        return &vx_radix_2level;
    case 3:
        return &vx_radix_pae;
    case 4:
        return &vx_radix_4level;
    default:
        assert(levels == 5);
        return &vx_radix_5level;
    }
}

vx_status vx_guest_tables_init(vx_guest_tables *tables, unsigned levels, uint64_t ram_bytes, vx_frame_pool *pool,
                               vx_msg *msg)
{
    vx_guest_tables made = {.format = format_of(levels), .pool = pool};
    vx_status status = vx_physmem_init(&made.image, ram_bytes, msg);
    if (status == VX_OK) *tables = made;
    return status;
}

void vx_guest_tables_fini(vx_guest_tables *tables) { vx_physmem_fini(&tables->image); }

/* ---- what a change queues ---- */

typedef struct change {
    vx_guest_tables *tables;
    vx_guest_counts *counts;
    vx_queue *queue;
} change;

static void queue_store(void *context, unsigned level, uint64_t at, uint64_t value)
{
    (void)level;
    change *now = context;
    uint64_t payload[] = {at, value};
    vx_queue_put(now->queue, VX_REC_PT_STORE, now->tables->format->entry_bytes, VX_GVA_UNKNOWN, payload, 2);
    now->counts->pt_stores++;
}

static void queue_new_page(const change *now, unsigned level, uint64_t page, const uint64_t *entries, unsigned words)
{
    vx_queue_put(now->queue, VX_REC_PT_PAGE_NEW, level, page, entries, words);
    now->counts->table_pages++;
}

/* An empty table. A table page is never reused, so the image of it is still zero. */
static uint64_t new_page(void *context, unsigned level)
{
    change *now = context;
    uint64_t page = vx_frame_pool_take_table(now->tables->pool, UINT64_MAX);
    if (page != 0) queue_new_page(now, level, page, NULL, 0);
    return page;
}

/* ---- roots ---- */

/* The directories, then the PDPT that names them: it is filled before it becomes a table, so nobody stores to it. */
static void new_pdpt(change *now, uint64_t root, uint64_t pdpte[VX_GUEST_PDPTES])
{
    uint64_t entries[2 * VX_GUEST_PDPTES]; /* index, value */
    for (size_t i = 0; i < VX_GUEST_PDPTES; i++) {
        uint64_t directory = new_page(now, 2);
        assert(directory != 0);
        pdpte[i] = directory | VX_PTE_P; /* rights are reserved bits here (SDM Vol. 3A, Table 4-8) */
        entries[2 * i] = i;
        entries[2 * i + 1] = pdpte[i];
        vx_physmem_write64(&now->tables->image, (vx_hpa){root + i * sizeof pdpte[i]}, pdpte[i]);
    }
    queue_new_page(now, 3, root, entries, 2 * VX_GUEST_PDPTES);
}

vx_status vx_guest_tables_new_root(vx_guest_tables *tables, vx_guest_counts *counts, uint64_t *root,
                                   uint64_t pdpte[VX_GUEST_PDPTES], vx_queue *queue, vx_msg *msg)
{
    change now = {tables, counts, queue};
    bool pae = tables->format == &vx_radix_pae;
    uint64_t page = 0;
    if (tables->pool->free >= (pae ? VX_GUEST_ROOT_PAGES : 1))
        page = vx_frame_pool_take_table(tables->pool, pae ? PAE_ROOT_END : UINT64_MAX);
    if (page == 0)
        return vx_fail(msg, VX_ERR_INPUT,
                       "the guest's RAM of %" PRIu64 " bytes%s has no room for another process's tables: raise --ram",
                       tables->image.bytes, pae ? " (its first 4 GiB, for PAE)" : "");
    if (pae)
        new_pdpt(&now, page, pdpte);
    else
        queue_new_page(&now, tables->format->top, page, NULL, 0);
    *root = page;
    return VX_OK;
}

/* ---- pages ---- */

static vx_radix_table view(vx_guest_tables *tables, uint64_t root)
{
    return (vx_radix_table){.format = tables->format, .root = root, .memory = &tables->image};
}

vx_radix_spot vx_guest_tables_lookup(vx_guest_tables *tables, uint64_t root, vx_gva gva)
{
    vx_radix_table table = view(tables, root);
    return vx_radix_lookup(&table, gva.v, 1);
}

unsigned vx_guest_tables_leaf_level(const vx_radix *format, vx_page_size size)
{
    for (unsigned level = 1; level <= format->top; level++)
        if (format->page[level] == (int)size) return level;
    return 0;
}

void vx_guest_tables_map(vx_guest_tables *tables, vx_guest_counts *counts, uint64_t root, const vx_guest_page *page,
                         vx_queue *queue)
{
    vx_radix_table table = view(tables, root);
    change now = {tables, counts, queue};
    vx_status status =
        vx_radix_map(&table, page->gva.v, page->frame, page->size, RIGHTS, RIGHTS, new_page, queue_store, &now, NULL);
    assert(status == VX_OK);
    (void)status;
    counts->pages_mapped[page->size]++;
}

vx_guest_page vx_guest_tables_unmap(vx_guest_tables *tables, vx_guest_counts *counts, uint64_t root, vx_gva gva,
                                    vx_queue *queue)
{
    vx_radix_spot leaf = vx_guest_tables_lookup(tables, root, gva);
    assert(leaf.present);
    vx_radix_write(tables->format, &tables->image, (vx_hpa){leaf.at}, 0);
    change now = {tables, counts, queue};
    queue_store(&now, leaf.level, leaf.at, 0);
    vx_queue_put(queue, VX_REC_INVLPG, 0, gva.v, NULL, 0);
    counts->unmaps++;
    return (vx_guest_page){gva, vx_radix_frame(tables->format, leaf.entry, leaf.level, true),
                           (vx_page_size)tables->format->page[leaf.level]};
}

static void free_below(vx_guest_tables *tables, uint64_t base, unsigned level)
{
    const vx_radix *format = tables->format;
    for (uint64_t i = 0; i < 1ULL << format->bits[level]; i++) {
        uint64_t entry = vx_radix_read(format, &tables->image, (vx_hpa){base + i * format->entry_bytes});
        if (!(entry & format->present)) continue;
        bool leaf = vx_radix_is_leaf(format, level, entry);
        uint64_t frame = vx_radix_frame(format, entry, level, leaf);
        if (leaf)
            vx_frame_pool_give(tables->pool, frame, (vx_page_size)format->page[level]);
        else
            free_below(tables, frame, level - 1);
    }
}

void vx_guest_tables_free_data(vx_guest_tables *tables, uint64_t root)
{
    free_below(tables, root, tables->format->top);
}
