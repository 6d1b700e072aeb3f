/* Life of Xen's shadows: Xen 3.3.0-rc7, xen/arch/x86/mm/shadow/common.c and private.h: sh_get_ref, sh_put_ref, sh_pin,
 * shadow_promote, shadow_demote, sh_remove_shadows, _shadow_prealloc. The same in 3.2.0-rc6, but for tables out of
 * sync. */
#include "xen_shadow.h"

static uint32_t index_of(const xen_shadow *xen, const shadow_page *page)
{
    return (uint32_t)(page - xen->pages.pages) + 1;
}

static xen_page *more_of(const xen_shadow *xen, const shadow_page *page) { return &xen->more[page - xen->pages.pages]; }

/* The pool holds the P2M table too (a page for 2 MiB of the guest's), and the snapshots of tables out of sync. */
static uint64_t pool_of(const vmm_vm *vm, const xen_shadow *xen)
{
    const vx_cfg_xen_shadow *config = &vm->vmm->config->xen;
    uint64_t room = xen->pages.page_room / vm->vmm->vm_count, mib = vm->ram->bytes >> 20;
    uint64_t pool = config->pool_pages + config->pool_mib_pages * mib, others = mib / 2 + xen->oos_pages;
    if (pool == 0) return room;
    pool = pool > others ? pool - others : 0;
    return pool < room ? pool : room;
}

static vx_status make_snapshots(xen_shadow *xen, vx_arena *arena, vx_msg *msg)
{
    for (uint32_t i = 0; i < xen->oos_pages; i++) {
        xen->oos[i].snapshot = vx_arena_alloc(arena, VX_PAGE_BYTES);
        if (!xen->oos[i].snapshot) return vx_fail_nomem(msg);
    }
    return VX_OK;
}

vx_status xen_pages_init(vmm_vm *vm, vx_arena *arena, bool version3, vx_msg *msg)
{
    enum { LEAST = 16 }; /* the path of one fault, twice, with the tops of a 32-bit guest */
    xen_shadow *xen = vm->state;
    const vx_host_layout *layout = vm->vmm->layout;
    vx_status status = shadow_pages_init(&xen->pages, arena, &vm->vmm->pages, vm->vmm->memory, layout->table_bytes,
                                         layout->bytes, msg);
    if (status != VX_OK) return status;
    xen->more = vx_arena_array(arena, xen->pages.page_room, sizeof *xen->more);
    if (!xen->more) return vx_fail_nomem(msg);
    xen->version3 = version3;
    xen->oos_pages = version3 ? vm->vmm->config->xen.oos_pages : 0;
    xen->pool = pool_of(vm, xen);
    if (xen->pool < LEAST)
        return vx_fail(msg, VX_ERR_INPUT, "vmm.xen_shadow: %u pages and %u a MiB leave no room for shadows",
                       vm->vmm->config->xen.pool_pages, vm->vmm->config->xen.pool_mib_pages);
    return make_snapshots(xen, arena, msg);
}

bool xen_is_table(vmm_vm *vm, uint64_t gfn)
{
    xen_shadow *xen = vm->state;
    return shadow_pages_of(&xen->pages, gfn, NULL) != NULL;
}

shadow_key xen_key(shadow_key key)
{
    key.rights = GUEST_RIGHTS;
    return key;
}

shadow_page *xen_page_child(vmm_vm *vm, uint64_t value)
{
    xen_shadow *xen = vm->state;
    return &xen->pages.pages[xen->pages.by_frame[(value & VX_ENTRY_ADDRESS) >> VX_PAGE_SHIFT] - 1];
}

shadow_page *xen_page_find(vmm_vm *vm, const shadow_key *key)
{
    xen_shadow *xen = vm->state;
    return shadow_pages_find(&xen->pages, key);
}

/* shadow_promote: the frame becomes a table, or a table of one more level. */
static void promote(vmm_vm *vm, const shadow_key *key)
{
    xen_shadow *xen = vm->state;
    if (xen_is_out_of_sync(vm, key->gfn)) {
        if (key->level == 1) return; /* the other half of a 32-bit guest's table: Xen makes both at once */
        xen_resync(vm, key->gfn);
    }
    if (shadow_pages_protect(&xen->pages, shadow_host_frame(vm, key->gfn))) xen->flush = true;
}

shadow_page *xen_page_get(vmm_vm *vm, const shadow_key *key)
{
    xen_shadow *xen = vm->state;
    shadow_page *page = shadow_pages_find(&xen->pages, key);
    if (page) return page;
    if (!key->direct) promote(vm, key);
    bool made;
    page = shadow_pages_get(&xen->pages, key, &made);
    if (!page) {
        vm->vmm->out_of_tables = true;
        return NULL;
    }
    *more_of(xen, page) = (xen_page){0};
    xen->used++;
    return page;
}

/* ---- pinned shadows ---- */

static void unlist(xen_shadow *xen, const shadow_page *page)
{
    const xen_page *more = more_of(xen, page);
    *(more->before ? &xen->more[more->before - 1].behind : &xen->first_pinned) = more->behind;
    *(more->behind ? &xen->more[more->behind - 1].before : &xen->last_pinned) = more->before;
}

void xen_page_pin(vmm_vm *vm, shadow_page *page)
{
    xen_shadow *xen = vm->state;
    xen_page *more = more_of(xen, page);
    if (more->pinned) unlist(xen, page);
    *more = (xen_page){.behind = xen->first_pinned, .pinned = true};
    *(more->behind ? &xen->more[more->behind - 1].before : &xen->last_pinned) = index_of(xen, page);
    xen->first_pinned = index_of(xen, page);
}

static void unpin(vmm_vm *vm, shadow_page *page)
{
    xen_shadow *xen = vm->state;
    if (!more_of(xen, page)->pinned) return;
    unlist(xen, page);
    *more_of(xen, page) = (xen_page){0};
    xen_page_release(vm, page);
}

/* ---- the end ---- */

void xen_page_release(vmm_vm *vm, shadow_page *page)
{
    xen_shadow *xen = vm->state;
    if (page->links || page == xen->root || more_of(xen, page)->pinned) return;
    shadow_key key = page->key;
    xen_empty_page(vm, page);
    shadow_pages_drop(&xen->pages, page);
    xen->used--;
    xen->destroyed++;
    xen->flush = true;
    if (!key.direct && !xen_is_table(vm, key.gfn)) xen_oos_remove(vm, key.gfn);
}

void xen_pages_destroy_all(vmm_vm *vm)
{
    xen_shadow *xen = vm->state;
    shadow_page *root = xen->root;
    xen->root = NULL;
    while (xen->last_pinned) unpin(vm, &xen->pages.pages[xen->last_pinned - 1]);
    if (root && root->used) xen_page_release(vm, root);
    xen->last_emptied = 0;
}

/* ---- unshadowing ---- */

/* Top tables, which registers name: they are pinned, and no entry of another shadow needs to point to them. */
static bool is_top(const vmm_vm *vm, const shadow_page *page)
{
    const vx_radix *format = shadow_format(&vm->guest);
    return page->key.level == (format == &vx_radix_pae ? 2 : format->top);
}

/* Xen remembers the first entry that points to a shadow; nodes are put in front. */
static void remove_reference(xen_shadow *xen, const shadow_page *page)
{
    uint32_t node = page->links;
    while (xen->pages.nodes[node - 1].next) node = xen->pages.nodes[node - 1].next;
    shadow_pages_clear(&xen->pages, xen->pages.nodes[node - 1].entry, page->key.level + 1U);
    xen->flush = true;
}

static void remove_shadow(vmm_vm *vm, shadow_page *page, bool fast)
{
    xen_shadow *xen = vm->state;
    if (is_top(vm, page)) {
        unpin(vm, page);
        return;
    }
    do {
        if (page->links) remove_reference(xen, page);
    } while (page->links && !fast);
    xen_page_release(vm, page);
}

void xen_remove_shadows(vmm_vm *vm, uint64_t gfn, bool fast)
{
    xen_shadow *xen = vm->state;
    for (unsigned level = VX_RADIX_LEVELS_MAX; level > 0; level--) {
        shadow_page *page = NULL;
        while ((page = shadow_pages_of(&xen->pages, gfn, page)) != NULL) {
            if (page->key.level != level) continue;
            uint64_t destroyed = xen->destroyed;
            remove_shadow(vm, page, fast);
            if (destroyed != xen->destroyed) page = NULL; /* the chain is another one */
        }
    }
}

void xen_forget_table(vmm_vm *vm, uint64_t gfn)
{
    xen_shadow *xen = vm->state;
    if (!xen_is_table(vm, gfn)) return;
    xen_remove_shadows(vm, gfn, false);
    for (shadow_page *page = NULL; (page = shadow_pages_of(&xen->pages, gfn, page)) != NULL;) {
        uint64_t destroyed = xen->destroyed;
        xen_empty_page(vm, page);
        if (destroyed != xen->destroyed) page = NULL; /* ends: what is empty has nothing left to destroy */
    }
    xen->flush = true;
}

/* ---- room ---- */

static bool has_room(const xen_shadow *xen, uint64_t count) { return xen->used + count <= xen->pool; }

/* Second stage: what is in use loses what hangs on it. */
static void empty_root(vmm_vm *vm)
{
    xen_shadow *xen = vm->state;
    if (!xen->root) return;
    if (xen->root->key.level != 3) {
        xen_empty_page(vm, xen->root);
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        uint64_t value = vx_physmem_read64(vm->vmm->memory, (vx_hpa){xen->root->table + 8ULL * i});
        if (value & VX_PTE_P) xen_empty_page(vm, xen_page_child(vm, value));
    }
}

void xen_pages_make_room(vmm_vm *vm, uint64_t count)
{
    xen_shadow *xen = vm->state;
    while (!has_room(xen, count) && xen->last_pinned) unpin(vm, &xen->pages.pages[xen->last_pinned - 1]);
    if (has_room(xen, count)) return;
    empty_root(vm);
    xen->flush = true;
}
