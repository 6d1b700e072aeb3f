/* Shadow pages of a write-protecting scheme: each mirrors one guest table page (or a piece of one, or of a large page)
 * and is shared by every root that reaches that page. */
#ifndef SHADOW_PAGES_H
#define SHADOW_PAGES_H

#include "vmm_private.h"

/* What a shadow page is of. */
typedef struct shadow_key {
    uint64_t gfn;     /* guest frame of the table page; of a direct page: of the large page's part that it covers */
    uint8_t level;    /* of the shadow: 1 to 5 */
    uint8_t quadrant; /* 32-bit guests: which quarter (directories) or half (tables) of the guest page */
    bool direct;      /* no guest table behind it: 4 KiB pieces of a large guest page */
    uint8_t rights;   /* of the path above it (direct: of the large page too): its leaves carry the whole path's */
} shadow_key;

typedef struct shadow_page {
    shadow_key key;
    uint64_t table; /* host-physical address */
    uint32_t next;  /* in the hash chain and in the free list: index + 1, 0 ends */
    uint32_t links; /* first node of the shadow entries that point here: index + 1 */
    bool used;
} shadow_page;

/* A shadow entry that points to a shadow page or maps a guest frame writable: reverse mapping. */
typedef struct shadow_node {
    uint64_t entry; /* host-physical address of the shadow entry */
    uint32_t next;  /* index + 1 */
} shadow_node;

enum { SHADOW_HASH = 4096 };

typedef struct shadow_pages {
    table_pages *tables;
    vx_physmem *memory;
    shadow_page *pages;
    uint32_t page_room, page_next, page_free;
    shadow_node *nodes;
    uint32_t node_room, node_next, node_free;
    /* By host frame. Of a table: its shadow page. Of guest memory: first node of its writable leaves. Index + 1. */
    uint32_t *by_frame;
    uint64_t frames;
    uint32_t hash[SHADOW_HASH];
} shadow_pages;

/* Memory is reserved for the most that can exist and committed on touch. `host_bytes`: of all host memory. */
vx_status shadow_pages_init(shadow_pages *all, vx_arena *arena, table_pages *tables, vx_physmem *memory,
                            uint64_t table_bytes, uint64_t host_bytes, vx_msg *msg);

/* The shadow page of a key, made empty where there is none; *made says so. Where memory for tables is used up, pages
 * that nothing points to any more are taken back first (but for roots, which nothing points to); then NULL. */
shadow_page *shadow_pages_get(shadow_pages *all, const shadow_key *key, bool *made);

/* The shadow page of a key, or NULL. */
shadow_page *shadow_pages_find(shadow_pages *all, const shadow_key *key);

/* The next shadow page that mirrors the guest table `gfn`, after `page` (NULL: the first), or NULL. */
shadow_page *shadow_pages_of(shadow_pages *all, uint64_t gfn, const shadow_page *page);

/* The next shadow page of a level, after `page` (NULL: the first), or NULL. */
shadow_page *shadow_pages_at(shadow_pages *all, unsigned level, const shadow_page *page);

/* Points an (emptied) shadow entry to a shadow page, or makes it map a host frame; what was there is undone. False:
 * no memory for the reverse mapping. */
bool shadow_pages_link(shadow_pages *all, uint64_t entry, shadow_page *child, uint64_t bits);
bool shadow_pages_map(shadow_pages *all, uint64_t entry, uint64_t frame, uint64_t bits);
void shadow_pages_clear(shadow_pages *all, uint64_t entry, unsigned level);

/* Takes W from every leaf that maps the host frame; returns how many there were. */
unsigned shadow_pages_protect(shadow_pages *all, uint64_t frame);

/* Unlinks and frees one shadow page with all that its entries hold. */
void shadow_pages_drop(shadow_pages *all, shadow_page *page);

/* Frees every shadow page. */
void shadow_pages_drop_all(shadow_pages *all);

#endif
