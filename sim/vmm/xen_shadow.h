/* Xen's shadow code, version 2 (Xen 3.0.3 to 3.2) and 3 (from Xen 3.3 on): what the two have in common, and where they
 * part.
 *
 * Source: Xen 3.2.0-rc6 and 3.3.0-rc7, xen/arch/x86/mm/shadow/multi.c, common.c and private.h; the names of Xen's
 * functions stand at the functions here that follow their rules. Xen identifies a shadow by the guest's page and the
 * type (level) of table; its entries carry the guest's own rights at each level, so a table has one shadow, however it
 * is reached. A shadow lives as long as something refers to it; top tables are pinned as well. */
#ifndef XEN_SHADOW_H
#define XEN_SHADOW_H

#include "shadow_mirror.h"

/* A shadow leaf where the guest has no page, in bits that the processor ignores: Xen's "magic" entry (there with
 * reserved bits, so that the fault tells it). It says that the guest's entry was looked at. */
#define XEN_NOT_PRESENT (1ULL << 9)

/* What Xen knows of a shadow page beyond shadow_page; same index. Links are index + 1, 0 ends. */
typedef struct xen_page {
    uint32_t before, behind; /* in the list of pinned shadows, the last one pinned first */
    bool pinned;
} xen_page;

/* A leaf table out of sync. */
typedef struct xen_oos {
    uint64_t frame; /* host-physical address of the guest's table; 0: slot unused */
    uint64_t gfn;
    uint8_t *snapshot;                 /* its 4096 bytes as they were last mirrored */
    uint64_t fixup[VX_CFG_OOS_FIXUPS]; /* shadow entries that map it writable; 0: none */
    uint32_t next;                     /* fixup to be used next */
} xen_oos;

typedef struct xen_shadow {
    shadow_pages pages;
    xen_page *more;
    uint32_t first_pinned, last_pinned;
    uint64_t used, pool;   /* shadow pages that exist, and that may */
    uint64_t destroyed;    /* how many ever were: lists that were being walked are others then */
    shadow_page *root;     /* of PAE shadows: the four entries that CR3 names */
    uint64_t last_emptied; /* table that the last emulated store put a zero entry into: gfn + 1; 0: none */
    uint64_t cleared_to;   /* behind the last plain store to a table */
    bool flush;            /* upper entries changed, or leaves lost rights: cached translations must go */
    bool version3;
    uint32_t oos_pages; /* version 2: 0 */
    xen_oos oos[VX_CFG_OOS_PAGES];
} xen_shadow;

/* ---- xen_pages.c: shadows and their life ---- */

vx_status xen_pages_init(vmm_vm *vm, vx_arena *arena, bool version3, vx_msg *msg);

/* Some shadow mirrors this frame: it is a table (and not writable, unless it is out of sync). */
bool xen_is_table(vmm_vm *vm, uint64_t gfn);

/* The shadow of a key: known, or new and empty. NULL: no memory (the run ends). Nothing refers to a new one yet. */
shadow_page *xen_page_get(vmm_vm *vm, const shadow_key *key);
/* The same, if it exists. */
shadow_page *xen_page_find(vmm_vm *vm, const shadow_key *key);
/* The key of every way to a table: rights are in the entries. */
shadow_key xen_key(shadow_key key);
/* The shadow that a present upper entry points to. */
shadow_page *xen_page_child(vmm_vm *vm, uint64_t value);

void xen_page_pin(vmm_vm *vm, shadow_page *page);
/* Throws it away where nothing refers to it, and what only it referred to. */
void xen_page_release(vmm_vm *vm, shadow_page *page);
void xen_pages_destroy_all(vmm_vm *vm);

/* Xen's sh_remove_shadows: takes a guest page's shadows out of the tables above them. `fast`: one reference each, so
 * that it may stay; a top table in use stays in any case. */
void xen_remove_shadows(vmm_vm *vm, uint64_t gfn, bool fast);
/* The same for a page whose bytes are no longer known: what stays is emptied. */
void xen_forget_table(vmm_vm *vm, uint64_t gfn);

/* Makes room for `count` shadows: Xen's shadow_prealloc. */
void xen_pages_make_room(vmm_vm *vm, uint64_t count);

/* ---- xen_entries.c: entries ---- */

/* How an entry comes to be written: Xen's fetch_type_t. */
typedef enum xen_fetch {
    XEN_PREFETCH, /* looked at because a neighbour was */
    XEN_DEMAND_LOAD,
    XEN_DEMAND_STORE
} xen_fetch;

/* Makes an upper entry point to `child` (NULL: to nothing) with these bits. */
void xen_set_upper(vmm_vm *vm, shadow_page *page, unsigned index, shadow_page *child, uint64_t bits);
void xen_set_leaf(vmm_vm *vm, shadow_page *page, unsigned index, uint64_t value);
/* Empties every entry of a page. */
void xen_empty_page(vmm_vm *vm, shadow_page *page);

/* The shadow's bits for the guest's entry of `level` on the path of a walk. */
uint64_t xen_upper_bits(const vmm_vm *vm, const guest_walk *walk, unsigned level);
/* The shadow leaf that mirrors a guest entry of level 1; 0 or XEN_NOT_PRESENT where there is nothing to map. */
uint64_t xen_leaf_value(vmm_vm *vm, uint64_t entry, xen_fetch fetch);
/* The shadow leaf of one piece of a large guest page: its rights are in the entry above. */
uint64_t xen_piece_value(vmm_vm *vm, uint64_t gpa, xen_fetch fetch);
uint64_t xen_guest_entry(const vmm_vm *vm, const shadow_page *page, unsigned index);

/* The guest has changed `count` entries of a table from `index` on: every shadow follows. Xen's
 * sh_validate_guest_entry. */
void xen_validate(vmm_vm *vm, uint64_t gfn, unsigned index, unsigned count);
/* Maps what is behind a leaf just filled, too: Xen's sh_prefetch. `gpa`: what the leaf maps. */
void xen_prefetch(vmm_vm *vm, shadow_page *page, unsigned index, uint64_t gpa);

/* ---- xen_oos.c: leaf tables out of sync (version 3; nothing happens in version 2) ---- */

bool xen_is_out_of_sync(const vmm_vm *vm, uint64_t gfn);
/* Lets a table go out of sync, where it may: Xen's sh_unsync. */
void xen_unsync(vmm_vm *vm, uint64_t gfn);
/* Brings a table, or every one, in step and protects it. */
void xen_resync(vmm_vm *vm, uint64_t gfn);
void xen_resync_all(vmm_vm *vm);
/* Its last shadow went. */
void xen_oos_remove(vmm_vm *vm, uint64_t gfn);
/* A leaf maps a table out of sync writable: the mappings of one table are few. */
void xen_oos_note_writable(vmm_vm *vm, uint64_t frame, uint64_t entry);
/* Entry `index` of a shadow was mirrored just now. */
void xen_oos_note_mirrored(vmm_vm *vm, const shadow_page *page, unsigned index);

/* ---- shadow_xen.c: what a scheme is made of ---- */

void xen_controls(vmm_vm *vm);
void xen_load_state(vmm_vm *vm, const vx_registers *guest);
bool xen_on_exit(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload, vx_resume *resume);
void xen_on_notice(vmm_vm *vm, const vx_record *record, const uint64_t *payload);
bool xen_write_protected(vmm_vm *vm, vx_gpa gpa);
bool xen_emulate(vmm_vm *vm, const vx_record *record, const uint64_t *payload);
vx_status xen_verify(vmm_vm *vm, uint64_t *leaves, vx_msg *msg);

#define XEN_OPERATIONS                                                                                                 \
    .needs_vtx = true, .shadow_tables = true, .state_bytes = sizeof(xen_shadow), .controls = xen_controls,             \
    .load_state = xen_load_state, .on_exit = xen_on_exit, .on_notice = xen_on_notice,                                  \
    .write_protected = xen_write_protected, .emulate = xen_emulate, .verify = xen_verify

#endif
