/* Linux 6.1, arch/x86/kvm/mmu/mmu.c: kvm_mmu_get_shadow_page, kvm_mmu_prepare_zap_page, mmu_try_to_unsync_pages,
 * mmu_sync_children, make_mmu_pages_available, detect_write_flooding. */
#include "kvm_pages.h"

enum {
    ROOM_LEAST = 5,   /* KVM_MIN_FREE_MMU_PAGES */
    ROOM_REFILL = 25, /* KVM_REFILL_PAGES */
    WRITES_MAX = 255,
};

static uint32_t index_of(const kvm_shadow *kvm, const shadow_page *page)
{
    return (uint32_t)(page - kvm->pages.pages) + 1;
}

static kvm_page *more_of(const kvm_shadow *kvm, const shadow_page *page) { return &kvm->more[page - kvm->pages.pages]; }

static shadow_page *page_at(const kvm_shadow *kvm, uint32_t index)
{
    return index ? &kvm->pages.pages[index - 1] : NULL;
}

/* The quota is a share of the guest's pages; it stays below what the hypervisor's room for tables holds. */
static uint64_t quota_of(const vmm_vm *vm, uint64_t room)
{
    const vx_cfg_shadow *config = &vm->vmm->config->shadow;
    uint64_t most = room / (vm->vmm->vm_count / vm->vmm->vcpus) - ROOM_REFILL;
    if (config->quota_ratio == 0) return most;
    uint64_t own = vm->vmm->cpu->vendor == VX_VENDOR_INTEL ? config->private_pages : 0;
    uint64_t quota = ((vm->ram->bytes >> VX_PAGE_SHIFT) + own) / config->quota_ratio;
    if (quota < config->quota_least) quota = config->quota_least;
    return quota < most ? quota : most;
}

vx_status kvm_pages_init(vmm_vm *vm, vx_arena *arena, vx_msg *msg)
{
    kvm_shadow *kvm = vm->state;
    const vx_host_layout *layout = vm->vmm->layout;
    vx_status status = shadow_pages_init(&kvm->pages, arena, &vm->vmm->pages, vm->vmm->memory, layout->table_bytes,
                                         layout->bytes, msg);
    if (status != VX_OK) return status;
    kvm->more = vx_arena_array(arena, kvm->pages.page_room, sizeof *kvm->more);
    kvm->vcpu = vx_arena_array(arena, vm->vmm->vcpus, sizeof *kvm->vcpu);
    if (!kvm->more || !kvm->vcpu) return vx_fail_nomem(msg);
    kvm->quota = quota_of(vm, kvm->pages.page_room);
    return VX_OK;
}

/* ---- lists ---- */

static void age_push(kvm_shadow *kvm, shadow_page *page)
{
    kvm_page *more = more_of(kvm, page);
    *more = (kvm_page){.older = kvm->newest};
    if (kvm->newest)
        kvm->more[kvm->newest - 1].newer = index_of(kvm, page);
    else
        kvm->oldest = index_of(kvm, page);
    kvm->newest = index_of(kvm, page);
    kvm->used++;
}

static void age_remove(kvm_shadow *kvm, const shadow_page *page)
{
    const kvm_page *more = more_of(kvm, page);
    *(more->older ? &kvm->more[more->older - 1].newer : &kvm->oldest) = more->newer;
    *(more->newer ? &kvm->more[more->newer - 1].older : &kvm->newest) = more->older;
    kvm->used--;
}

static void unsync_push(kvm_shadow *kvm, const shadow_page *page)
{
    kvm_page *more = more_of(kvm, page);
    more->unsync = true;
    more->unsync_before = 0;
    more->unsync_behind = kvm->first_unsync;
    if (kvm->first_unsync) kvm->more[kvm->first_unsync - 1].unsync_before = index_of(kvm, page);
    kvm->first_unsync = index_of(kvm, page);
}

static void unsync_remove(kvm_shadow *kvm, const shadow_page *page)
{
    kvm_page *more = more_of(kvm, page);
    if (!more->unsync) return;
    *(more->unsync_before ? &kvm->more[more->unsync_before - 1].unsync_behind : &kvm->first_unsync) =
        more->unsync_behind;
    if (more->unsync_behind) kvm->more[more->unsync_behind - 1].unsync_before = more->unsync_before;
    more->unsync = false;
}

bool kvm_page_is_unsync(const vmm_vm *vm, const shadow_page *page) { return more_of(vm->state, page)->unsync; }

shadow_page *kvm_page_child(vmm_vm *vm, uint64_t value)
{
    kvm_shadow *kvm = vm->state;
    return page_at(kvm, kvm->pages.by_frame[(value & VX_ENTRY_ADDRESS) >> VX_PAGE_SHIFT]);
}

/* Is `page` reached from `top`? Upwards, over the entries that point to it: at most as deep as tables are. */
static bool is_below(kvm_shadow *kvm, const shadow_page *page, const shadow_page *top)
{
    for (uint32_t node = page->links; node; node = kvm->pages.nodes[node - 1].next) {
        uint64_t frame = kvm->pages.nodes[node - 1].entry >> VX_PAGE_SHIFT;
        const shadow_page *parent = page_at(kvm, kvm->pages.by_frame[frame]);
        if (parent == top || is_below(kvm, parent, top)) return true;
    }
    return false;
}

/* The first table out of sync below `top` at or behind an index of the list (0: past its end), or NULL. */
static shadow_page *unsync_below(kvm_shadow *kvm, uint32_t from, const shadow_page *top)
{
    for (uint32_t i = from; i; i = kvm->more[i - 1].unsync_behind)
        if (is_below(kvm, page_at(kvm, i), top)) return page_at(kvm, i);
    return NULL;
}

static uint32_t behind(const kvm_shadow *kvm, const shadow_page *page) { return more_of(kvm, page)->unsync_behind; }

/* ---- life ---- */

static void protect(vmm_vm *vm, uint64_t gfn)
{
    kvm_shadow *kvm = vm->state;
    if (shadow_pages_protect(&kvm->pages, shadow_host_frame(vm, gfn))) kvm_lost_rights(kvm);
}

/* A frame that becomes an upper table cannot stay writable: its shadows out of sync go. */
static void zap_unsync_of(vmm_vm *vm, uint64_t gfn)
{
    kvm_shadow *kvm = vm->state;
    for (shadow_page *page = NULL; (page = shadow_pages_of(&kvm->pages, gfn, page)) != NULL;) {
        if (!more_of(kvm, page)->unsync) continue;
        kvm_page_zap(vm, page);
        page = NULL; /* the chain has changed */
    }
}

/* What a change of these registers makes another table of the same bytes: kvm_mmu_page_role. */
static shadow_key with_role(const vmm_vm *vm, const shadow_key *key)
{
    enum { ROLE_WP = 1 << 4, ROLE_NX = 1 << 5, ROLE_SMEP_NOT_WP = 1 << 6, ROLE_SMAP_NOT_WP = 1 << 7 };
    const vx_registers *guest = &vm->guest;
    bool wp = (guest->cr0 & VX_CR0_WP) != 0;
    shadow_key full = *key;
    full.rights |= (uint8_t)((wp ? ROLE_WP : 0) | (guest->efer & VX_EFER_NXE ? ROLE_NX : 0) |
                             (!wp && (guest->cr4 & VX_CR4_SMEP) ? ROLE_SMEP_NOT_WP : 0) |
                             (!wp && (guest->cr4 & VX_CR4_SMAP) ? ROLE_SMAP_NOT_WP : 0));
    return full;
}

shadow_page *kvm_page_get(vmm_vm *vm, const shadow_key *key)
{
    kvm_shadow *kvm = vm->state;
    if (!key->direct && key->level > 1) zap_unsync_of(vm, key->gfn);
    shadow_key full = with_role(vm, key);
    bool made;
    shadow_page *page = shadow_pages_get(&kvm->pages, &full, &made);
    if (!page) {
        vm->vmm->out_of_tables = true;
        return NULL;
    }
    if (made) {
        age_push(kvm, page);
        if (!key->direct) protect(vm, key->gfn);
    } else if (!key->direct) {
        if (more_of(kvm, page)->unsync) kvm_leaf_sync(vm, page);
        more_of(kvm, page)->writes = 0;
    }
    return page;
}

unsigned kvm_page_zap(vmm_vm *vm, shadow_page *page)
{
    kvm_shadow *kvm = vm->state;
    unsigned count = 1;
    uint32_t next = page->key.level > 1 ? kvm->first_unsync : 0;
    for (shadow_page *below; (below = unsync_below(kvm, next, page)) != NULL; count++) {
        next = behind(kvm, below);
        kvm_page_zap(vm, below);
    }
    unsync_remove(kvm, page);
    age_remove(kvm, page);
    kvm_roots_forget(vm, page);
    shadow_pages_drop(&kvm->pages, page);
    kvm_lost_rights(kvm);
    return count;
}

bool kvm_pages_zap_frame(vmm_vm *vm, uint64_t gfn)
{
    kvm_shadow *kvm = vm->state;
    bool any = false;
    for (shadow_page *page; (page = shadow_pages_of(&kvm->pages, gfn, NULL)) != NULL; any = true)
        kvm_page_zap(vm, page);
    return any;
}

void kvm_pages_zap_all(vmm_vm *vm)
{
    kvm_shadow *kvm = vm->state;
    for (unsigned i = 0; i < vm->vmm->vcpus; i++) kvm_roots_forget_all(vmm_sibling(vm, i));
    while (kvm->newest) kvm_page_zap(vm, page_at(kvm, kvm->newest));
}

void kvm_pages_make_room(vmm_vm *vm)
{
    kvm_shadow *kvm = vm->state;
    uint64_t room = kvm->quota > kvm->used ? kvm->quota - kvm->used : 0;
    if (room >= ROOM_LEAST) return;
    uint64_t zapped = 0;
    for (uint32_t i = kvm->oldest; i && zapped < ROOM_REFILL - room;) {
        shadow_page *page = page_at(kvm, i);
        i = kvm->more[i - 1].newer;
        if (kvm_roots_holds(vm, page)) continue;
        unsigned count = kvm_page_zap(vm, page);
        zapped += count;
        if (count > 1) i = kvm->oldest; /* others went too: the list is another one */
    }
}

/* ---- protection ---- */

bool kvm_pages_tracked(vmm_vm *vm, uint64_t gfn)
{
    kvm_shadow *kvm = vm->state;
    for (shadow_page *page = NULL; (page = shadow_pages_of(&kvm->pages, gfn, page)) != NULL;)
        if (page->key.level > 1) return true;
    return false;
}

bool kvm_pages_protected(vmm_vm *vm, uint64_t gfn)
{
    kvm_shadow *kvm = vm->state;
    for (shadow_page *page = NULL; (page = shadow_pages_of(&kvm->pages, gfn, page)) != NULL;)
        if (!more_of(kvm, page)->unsync) return true;
    return false;
}

bool kvm_pages_writable(vmm_vm *vm, uint64_t gfn, bool unsync, bool prefetch)
{
    kvm_shadow *kvm = vm->state;
    if (kvm_pages_tracked(vm, gfn)) return false;
    for (shadow_page *page = NULL; (page = shadow_pages_of(&kvm->pages, gfn, page)) != NULL;) {
        if (!unsync) return false;
        if (more_of(kvm, page)->unsync) continue;
        if (prefetch) return false;
        unsync_push(kvm, page);
    }
    return true;
}

void kvm_pages_sync_below(vmm_vm *vm, shadow_page *page)
{
    kvm_shadow *kvm = vm->state;
    uint32_t next = kvm->first_unsync;
    for (shadow_page *below; (below = unsync_below(kvm, next, page)) != NULL;) {
        next = behind(kvm, below);
        protect(vm, below->key.gfn);
        unsync_remove(kvm, below);
        kvm_leaf_sync(vm, below);
    }
}

void kvm_page_used(vmm_vm *vm, const shadow_page *page) { more_of(vm->state, page)->writes = 0; }

/* Leaf tables go out of sync instead. */
bool kvm_page_flooded(vmm_vm *vm, const shadow_page *page)
{
    uint32_t limit = vm->vmm->config->shadow.flood_writes;
    kvm_page *more = more_of(vm->state, page);
    if (page->key.level == 1 || limit == 0) return false;
    if (more->writes < WRITES_MAX) more->writes++;
    return more->writes >= limit;
}
