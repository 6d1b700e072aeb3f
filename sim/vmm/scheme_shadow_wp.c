/* Write-protected shadow paging, the textbook's (founding documents, row 4).
 *
 * Every guest table page that the shadow was built from is read-only to the guest. A store to it faults; the hypervisor
 * performs the store and mends each shadow page that mirrors the table, so the shadow is never wrong and INVLPG need
 * not exit. MOV to CR3 exits and switches to that root's shadow, which is kept. Page faults that the guest's tables do
 * not explain are hidden: the shadow is filled, A and D are set as the processor would.
 *
 * A store to a protected page that is no page-table store says that the guest uses the page for something else now: its
 * shadow pages are dropped and it becomes writable.
 *
 * NOT MODELLED: large shadow pages, out-of-sync tables, flood detection by counting (shadow-kvm's business). */
#include "shadow_hardware.h"
#include "shadow_pages.h"

typedef struct wp_state {
    shadow_pages pages;
    shadow_page *root;
} wp_state;

/* Links of upper levels grant everything: leaves carry the rights of the whole path. */
#define UPPER (VX_PTE_P | VX_PTE_W | VX_PTE_U | VX_PTE_A)
/* In a PAE PDPTE rights are reserved bits (SDM Table 4-8). */
#define PDPTE VX_PTE_P

static vx_status init(vmm_vm *vm, vx_arena *arena, vx_msg *msg)
{
    wp_state *state = vm->state;
    return shadow_pages_init(&state->pages, arena, &vm->vmm->pages, vm->vmm->memory, vm->vmm->layout->table_bytes,
                             vm->vmm->layout->bytes, msg);
}

static uint64_t host_frame(const vmm_vm *vm, uint64_t gpa)
{
    return vx_gpa_map_hpa(vm->ram, (vx_gpa){gpa & ~0xFFFULL}).v;
}

/* A guest table gets its first mirror: nothing may map it writable any more. */
static void protect(vmm_vm *vm, uint64_t gfn)
{
    wp_state *state = vm->state;
    if (shadow_pages_protect(&state->pages, host_frame(vm, gfn << VX_PAGE_SHIFT))) shadow_drop_all(vm);
}

static void out_of_memory(vmm_vm *vm) { vm->vmm->out_of_tables = true; }

static shadow_page *get_page(vmm_vm *vm, const shadow_key *key)
{
    wp_state *state = vm->state;
    bool made;
    shadow_page *page = shadow_pages_get(&state->pages, key, &made);
    if (!page) {
        out_of_memory(vm);
        return NULL;
    }
    if (made && !key->direct) protect(vm, key->gfn);
    return page;
}

/* Which guest table a shadow of `level` mirrors on the walk's path. 32-bit guests: a shadow table holds 512 entries, a
 * guest table 1024, so a directory has four shadows and a table two. */
static shadow_key key_of(const vmm_vm *vm, const guest_walk *walk, vx_gva gva, unsigned level)
{
    bool small = guest_format(&vm->guest) == &vx_radix_2level;
    shadow_key key = {.level = (uint8_t)level};
    if (level < walk->leaf) {
        /* Below a large guest page there is no table: the key is the part of the page that this shadow covers. */
        uint64_t span = vx_radix_pae.shift[level + 1];
        uint64_t inside = gva.v & (vx_page_bytes(walk->page) - 1);
        key.gfn = (walk->frame + (inside >> span << span)) >> VX_PAGE_SHIFT;
        key.direct = true;
        key.rights = (uint8_t)(walk->writable | walk->user << 1 | walk->no_execute << 2 | walk->dirty << 3);
        return key;
    }
    unsigned guest_level = small && level == 3 ? 2 : level;
    key.gfn = walk->step[guest_level].at.v >> VX_PAGE_SHIFT;
    if (small && level == 2) key.quadrant = (uint8_t)(gva.v >> 30 & 3);
    if (small && level == 1) key.quadrant = (uint8_t)(gva.v >> 21 & 1);
    return key;
}

/* The root's shadow of the guest's CR3. A PAE root is never mirrored (four latched entries): it is keyed by its own
 * place, and with its directories made at once, since the processor latches them. */
static shadow_page *make_root(vmm_vm *vm)
{
    const vx_radix *format = shadow_format(&vm->guest);
    shadow_key key = {.level = format->top, .gfn = (vm->guest.cr3 & VX_ENTRY_ADDRESS) >> VX_PAGE_SHIFT};
    if (format != &vx_radix_pae) return get_page(vm, &key);
    wp_state *state = vm->state;
    key.direct = true;
    key.gfn = vm->guest.cr3 >> 5;
    bool made;
    shadow_page *root = shadow_pages_get(&state->pages, &key, &made);
    if (!root) out_of_memory(vm);
    return root;
}

static uint64_t pdpte_of(const vmm_vm *vm, unsigned index)
{
    vx_gpa at = {(vm->guest.cr3 & 0xFFFFFFE0ULL) + 8ULL * index};
    return vx_physmem_read64(vm->vmm->memory, vx_gpa_map_hpa(vm->ram, at));
}

static void link_pae_directories(vmm_vm *vm, shadow_page *root)
{
    wp_state *state = vm->state;
    const vx_radix *guest = guest_format(&vm->guest);
    for (unsigned i = 0; i < 4; i++) {
        shadow_key key = {.level = 2, .quadrant = (uint8_t)i};
        uint64_t entry = root->table + 8ULL * i;
        if (guest == &vx_radix_pae) {
            uint64_t pdpte = pdpte_of(vm, i);
            shadow_pages_clear(&state->pages, entry, 3);
            if (!(pdpte & VX_PTE_P)) continue;
            key.quadrant = 0;
            key.gfn = (pdpte & VX_ENTRY_ADDRESS) >> VX_PAGE_SHIFT;
        } else if (guest) {
            key.gfn = (vm->guest.cr3 & 0xFFFFF000ULL) >> VX_PAGE_SHIFT;
        } else {
            key.direct = true;
            key.gfn = (uint64_t)i << 18;
        }
        if (vx_physmem_read64(vm->vmm->memory, (vx_hpa){entry}) & VX_PTE_P) continue;
        shadow_page *directory = get_page(vm, &key);
        if (!directory || !shadow_pages_link(&state->pages, entry, directory, PDPTE)) {
            out_of_memory(vm);
            return;
        }
    }
}

static void switch_root(vmm_vm *vm)
{
    wp_state *state = vm->state;
    state->root = make_root(vm);
    if (!state->root) return;
    if (shadow_format(&vm->guest) == &vx_radix_pae) link_pae_directories(vm, state->root);
    shadow_load_registers(vm, state->root->table);
    shadow_drop_all(vm);
}

/* Paging mode or a protection bit changed: what the shadows mean changed with it. */
static void start_over(vmm_vm *vm)
{
    wp_state *state = vm->state;
    if (state->root) vm->vmm->counts.shadow_drops++;
    shadow_pages_drop_all(&state->pages);
    switch_root(vm);
}

static void load_state(vmm_vm *vm, const vx_registers *guest)
{
    (void)guest;
    start_over(vm);
}

/* Fills the path of one allowed access, down to a 4 KiB leaf. */
static void fill(vmm_vm *vm, vx_gva gva, vx_access access, const guest_walk *walk)
{
    wp_state *state = vm->state;
    const vx_radix *format = shadow_format(&vm->guest);
    shadow_page *page = state->root;
    for (unsigned level = format->top; level > 1; level--) {
        uint64_t entry = page->table + 8ULL * vx_radix_index(format, level, gva.v);
        shadow_key key = key_of(vm, walk, gva, level - 1);
        uint64_t value = vx_physmem_read64(vm->vmm->memory, (vx_hpa){entry});
        shadow_page *child = get_page(vm, &key);
        if (!child) return;
        if ((value & VX_PTE_P) && (value & VX_ENTRY_ADDRESS) != child->table)
            shadow_pages_clear(&state->pages, entry, level);
        if (!(vx_physmem_read64(vm->vmm->memory, (vx_hpa){entry}) & VX_PTE_P) &&
            !shadow_pages_link(&state->pages, entry, child, level == 3 && format->top == 3 ? PDPTE : UPPER)) {
            out_of_memory(vm);
            return;
        }
        page = child;
    }
    uint64_t inside = gva.v & (vx_page_bytes(walk->page) - 1) & ~0xFFFULL;
    uint64_t gpa = walk->frame + inside;
    bool writable = !shadow_pages_of(&state->pages, gpa >> VX_PAGE_SHIFT, NULL);
    uint64_t entry = page->table + 8ULL * vx_radix_index(format, 1, gva.v);
    if (!shadow_pages_map(&state->pages, entry, host_frame(vm, gpa), shadow_leaf_bits(vm, walk, access, writable))) {
        out_of_memory(vm);
        return;
    }
    vm->vmm->counts.shadow_fills++;
}

/* Performs a page-table store and empties the shadow entries that mirror what it changed: the next use fills them. */
static void emulate_store(vmm_vm *vm, const vx_record *record, const uint64_t *payload)
{
    wp_state *state = vm->state;
    uint64_t gpa = payload[0];
    vx_hpa at = vx_gpa_map_hpa(vm->ram, (vx_gpa){gpa});
    if (record->size == 4)
        vx_physmem_write32(vm->vmm->memory, at, (uint32_t)payload[1]);
    else
        vx_physmem_write64(vm->vmm->memory, at, payload[1]);
    vm->vmm->counts.emulated_stores++;
    vx_vcpu_charge_software(vm->vcpu, vm->vmm->cpu->vendor == VX_VENDOR_AMD ? 0x4E : VX_EXIT_EXCEPTION_NMI,
                            vm->vmm->config->emulate_store_ticks);
    bool small = guest_format(&vm->guest) == &vx_radix_2level;
    unsigned index = (unsigned)(gpa & 0xFFF) / (small ? 4 : 8);
    for (shadow_page *page = shadow_pages_of(&state->pages, gpa >> VX_PAGE_SHIFT, NULL); page;
         page = shadow_pages_of(&state->pages, gpa >> VX_PAGE_SHIFT, page)) {
        unsigned first = index, count = 1;
        if (small && page->key.level == 1) {
            if (index / 512 != page->key.quadrant) continue;
            first = index % 512;
        } else if (small && page->key.level == 2) {
            if (index / 256 != page->key.quadrant) continue;
            first = index % 256 * 2; /* a 4 MiB guest entry is two of 2 MiB */
            count = 2;
        }
        for (unsigned i = 0; i < count; i++)
            shadow_pages_clear(&state->pages, page->table + 8ULL * (first + i), page->key.level);
    }
    if (shadow_format(&vm->guest) == &vx_radix_pae && !small) link_pae_directories(vm, state->root);
}

/* The page is no table any more. */
static void unprotect(vmm_vm *vm, uint64_t gfn)
{
    wp_state *state = vm->state;
    for (shadow_page *page; (page = shadow_pages_of(&state->pages, gfn, NULL)) != NULL;)
        shadow_pages_drop(&state->pages, page);
    switch_root(vm); /* the root itself may have been one of them */
}

static bool on_path(const guest_walk *walk, uint64_t gfn)
{
    for (unsigned level = walk->leaf; level <= walk->top; level++)
        if (walk->step[level].at.v >> VX_PAGE_SHIFT == gfn) return true;
    return false;
}

static vx_resume on_page_fault(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload)
{
    wp_state *state = vm->state;
    if (record && record->kind == VX_REC_PT_STORE && record->addr == VX_GVA_UNKNOWN) {
        emulate_store(vm, record, payload);
        return VX_RESUME_NEXT;
    }
    vx_access access = shadow_fault_access(vm, exit);
    guest_walk walk = shadow_guest_walk(vm, exit->linear, access);
    if (!walk.allowed) {
        vm->vmm->counts.injected_faults++;
        vm->guest.cr2 = exit->linear.v;
        vx_vcpu_inject_page_fault(vm->vcpu, exit->linear, walk.error_code);
        return VX_RESUME_RETRY;
    }
    vm->vmm->counts.hidden_faults++;
    guest_walk_set_accessed(vm, &walk, access);
    uint64_t gfn = (walk.frame + (exit->linear.v & (vx_page_bytes(walk.page) - 1))) >> VX_PAGE_SHIFT;
    if (access == VX_ACCESS_STORE && shadow_pages_of(&state->pages, gfn, NULL)) {
        if (record && record->kind == VX_REC_PT_STORE) {
            emulate_store(vm, record, payload);
            return VX_RESUME_NEXT;
        }
        if (on_path(&walk, gfn)) return VX_RESUME_NEXT; /* a table that maps itself: performed, and stays protected */
        unprotect(vm, gfn);
    }
    vx_vcpu_charge_software(vm->vcpu, exit->reason, vm->vmm->config->shadow_fill_ticks);
    fill(vm, exit->linear, access, &walk);
    return VX_RESUME_RETRY;
}

static bool on_exit(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                    vx_resume *resume)
{
    wp_state *state = vm->state;
    *resume = VX_RESUME_NEXT;
    switch (shadow_exit_kind(vm, exit, record)) {
    case SHADOW_EXIT_PAGE_FAULT:
        *resume = on_page_fault(vm, exit, record, payload);
        return true;
    case SHADOW_EXIT_REGISTER:
        if (shadow_emulate_register(vm, record))
            start_over(vm);
        else if (record->kind == VX_REC_CR_WRITE && record->size == 3)
            switch_root(vm);
        else
            shadow_load_registers(vm, state->root->table);
        return true;
    case SHADOW_EXIT_INVALIDATE:
        shadow_drop_address(vm, (vx_gva){record->addr});
        return true;
    default:
        return false;
    }
}

static bool write_protected(vmm_vm *vm, vx_gpa gpa)
{
    wp_state *state = vm->state;
    return shadow_pages_of(&state->pages, gpa.v >> VX_PAGE_SHIFT, NULL) != NULL;
}

static vx_status verify(vmm_vm *vm, uint64_t *leaves, vx_msg *msg)
{
    wp_state *state = vm->state;
    if (!state->root || !guest_format(&vm->guest)) return VX_OK;
    return shadow_verify_tree(vm, shadow_format(&vm->guest), state->root->table, leaves, msg);
}

const vmm_scheme vmm_scheme_shadow_wp = {.needs_vtx = true,
                                         .shadow_tables = true,
                                         .state_bytes = sizeof(wp_state),
                                         .init = init,
                                         .controls = shadow_controls,
                                         .load_state = load_state,
                                         .on_exit = on_exit,
                                         .write_protected = write_protected,
                                         .verify = verify};
