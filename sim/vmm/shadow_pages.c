/* The cache of shadow pages and its reverse mappings (as every write-protecting hypervisor needs them: to find what a
 * guest store changes, and to take write permission from a frame that becomes a table). */
#include "shadow_pages.h"

#include "vx_random.h"

enum { ENTRIES = 512, NODES_MAX = 1 << 26 };

vx_status shadow_pages_init(shadow_pages *all, vx_arena *arena, table_pages *tables, vx_physmem *memory,
                            uint64_t table_bytes, uint64_t host_bytes, vx_msg *msg)
{
    uint64_t pages = table_bytes >> VX_PAGE_SHIFT;
    uint64_t nodes = pages * ENTRIES < NODES_MAX ? pages * ENTRIES : NODES_MAX;
    all->tables = tables;
    all->memory = memory;
    all->frames = host_bytes >> VX_PAGE_SHIFT;
    all->page_room = (uint32_t)(pages < UINT32_MAX / 2 ? pages : UINT32_MAX / 2);
    all->node_room = (uint32_t)nodes;
    all->pages = vx_arena_array(arena, all->page_room, sizeof *all->pages);
    all->nodes = vx_arena_array(arena, all->node_room, sizeof *all->nodes);
    all->by_frame = vx_arena_array(arena, all->frames, sizeof *all->by_frame);
    return all->pages && all->nodes && all->by_frame ? VX_OK : vx_fail_nomem(msg);
}

static uint32_t *bucket(shadow_pages *all, uint64_t gfn) { return &all->hash[vx_mix64(gfn) % SHADOW_HASH]; }

static bool same_key(const shadow_key *a, const shadow_key *b)
{
    return a->gfn == b->gfn && a->level == b->level && a->quadrant == b->quadrant && a->direct == b->direct &&
           a->rights == b->rights;
}

/* Roots are of level 3 and above; they, and the pages of the path being made, stay. */
static void reclaim(shadow_pages *all)
{
    enum { HIGHEST_BELOW_ROOTS = 2 };
    for (uint32_t i = 0; i < all->page_next; i++) {
        shadow_page *page = &all->pages[i];
        if (page->used && !page->links && page->key.level <= HIGHEST_BELOW_ROOTS) shadow_pages_drop(all, page);
    }
}

static shadow_page *make(shadow_pages *all, const shadow_key *key)
{
    uint32_t index = all->page_free;
    if (index)
        all->page_free = all->pages[index - 1].next;
    else if (all->page_next < all->page_room)
        index = ++all->page_next;
    if (!index) return NULL;
    shadow_page *page = &all->pages[index - 1];
    uint64_t table = table_pages_take(all->tables);
    if (!table) {
        reclaim(all);
        table = table_pages_take(all->tables);
    }
    if (!table) {
        page->next = all->page_free;
        all->page_free = index;
        return NULL;
    }
    uint32_t *head = bucket(all, key->gfn);
    *page = (shadow_page){.key = *key, .table = table, .next = *head, .used = true};
    *head = index;
    all->by_frame[table >> VX_PAGE_SHIFT] = index;
    return page;
}

shadow_page *shadow_pages_find(shadow_pages *all, const shadow_key *key)
{
    for (uint32_t i = *bucket(all, key->gfn); i; i = all->pages[i - 1].next)
        if (same_key(&all->pages[i - 1].key, key)) return &all->pages[i - 1];
    return NULL;
}

shadow_page *shadow_pages_get(shadow_pages *all, const shadow_key *key, bool *made)
{
    shadow_page *page = shadow_pages_find(all, key);
    *made = !page;
    return page ? page : make(all, key);
}

shadow_page *shadow_pages_of(shadow_pages *all, uint64_t gfn, const shadow_page *page)
{
    for (uint32_t i = page ? page->next : *bucket(all, gfn); i; i = all->pages[i - 1].next) {
        shadow_page *found = &all->pages[i - 1];
        if (found->key.gfn == gfn && !found->key.direct) return found;
    }
    return NULL;
}

shadow_page *shadow_pages_at(shadow_pages *all, unsigned level, const shadow_page *page)
{
    for (uint32_t i = page ? (uint32_t)(page - all->pages) + 1 : 0; i < all->page_next; i++)
        if (all->pages[i].used && all->pages[i].key.level == level) return &all->pages[i];
    return NULL;
}

static bool push_node(shadow_pages *all, uint32_t *head, uint64_t entry)
{
    uint32_t index = all->node_free;
    if (index)
        all->node_free = all->nodes[index - 1].next;
    else if (all->node_next < all->node_room)
        index = ++all->node_next;
    if (!index) return false;
    all->nodes[index - 1] = (shadow_node){.entry = entry, .next = *head};
    *head = index;
    return true;
}

static void pop_node(shadow_pages *all, uint32_t *head, uint64_t entry)
{
    for (uint32_t *link = head; *link; link = &all->nodes[*link - 1].next) {
        uint32_t index = *link;
        if (all->nodes[index - 1].entry != entry) continue;
        *link = all->nodes[index - 1].next;
        all->nodes[index - 1].next = all->node_free;
        all->node_free = index;
        return;
    }
}

static uint64_t read_entry(const shadow_pages *all, uint64_t entry)
{
    return vx_physmem_read64(all->memory, (vx_hpa){entry});
}

static void write_entry(shadow_pages *all, uint64_t entry, uint64_t value)
{
    vx_physmem_write64(all->memory, (vx_hpa){entry}, value);
}

static uint64_t frame_of(uint64_t value) { return (value & VX_ENTRY_ADDRESS) >> VX_PAGE_SHIFT; }

void shadow_pages_clear(shadow_pages *all, uint64_t entry, unsigned level)
{
    uint64_t value = read_entry(all, entry);
    if (!(value & VX_PTE_P)) return;
    uint64_t frame = frame_of(value);
    if (level > 1)
        pop_node(all, &all->pages[all->by_frame[frame] - 1].links, entry);
    else if ((value & VX_PTE_W) && frame < all->frames)
        pop_node(all, &all->by_frame[frame], entry);
    write_entry(all, entry, 0);
}

bool shadow_pages_link(shadow_pages *all, uint64_t entry, shadow_page *child, uint64_t bits)
{
    if (!push_node(all, &child->links, entry)) return false;
    write_entry(all, entry, child->table | bits);
    return true;
}

bool shadow_pages_map(shadow_pages *all, uint64_t entry, uint64_t frame, uint64_t bits)
{
    shadow_pages_clear(all, entry, 1);
    uint64_t number = frame >> VX_PAGE_SHIFT;
    if ((bits & VX_PTE_W) && number < all->frames && !push_node(all, &all->by_frame[number], entry)) return false;
    write_entry(all, entry, frame | bits);
    return true;
}

unsigned shadow_pages_protect(shadow_pages *all, uint64_t frame)
{
    uint64_t number = frame >> VX_PAGE_SHIFT;
    unsigned count = 0;
    if (number >= all->frames) return 0;
    while (all->by_frame[number]) {
        uint64_t entry = all->nodes[all->by_frame[number] - 1].entry;
        write_entry(all, entry, read_entry(all, entry) & ~(uint64_t)(VX_PTE_W | VX_PTE_D));
        pop_node(all, &all->by_frame[number], entry);
        count++;
    }
    return count;
}

void shadow_pages_drop(shadow_pages *all, shadow_page *page)
{
    uint32_t index = (uint32_t)(page - all->pages) + 1;
    while (page->links) {
        uint64_t entry = all->nodes[page->links - 1].entry;
        write_entry(all, entry, 0);
        pop_node(all, &page->links, entry);
    }
    for (unsigned i = 0; i < ENTRIES; i++) shadow_pages_clear(all, page->table + 8ULL * i, page->key.level);
    for (uint32_t *link = bucket(all, page->key.gfn); *link; link = &all->pages[*link - 1].next) {
        if (*link != index) continue;
        *link = page->next;
        break;
    }
    all->by_frame[page->table >> VX_PAGE_SHIFT] = 0;
    table_pages_give(all->tables, page->table);
    page->used = false;
    page->next = all->page_free;
    all->page_free = index;
}

void shadow_pages_drop_all(shadow_pages *all)
{
    for (uint32_t i = 0; i < all->page_next; i++)
        if (all->pages[i].used) shadow_pages_drop(all, &all->pages[i]);
}
