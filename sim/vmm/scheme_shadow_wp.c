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
#include "shadow_wp.h"

#include "shadow_mirror.h"

typedef shadow_wp_state wp_state;

/* Links of upper levels grant everything: leaves carry the rights of the whole path. */
#define UPPER (VX_PTE_P | VX_PTE_W | VX_PTE_U | VX_PTE_A)
/* In a PAE PDPTE rights are reserved bits (SDM Table 4-8). */
#define PDPTE VX_PTE_P

vx_status shadow_wp_init(vmm_vm *vm, vx_arena *arena, vx_msg *msg)
{
    wp_state *state = vm->state;
    return shadow_pages_init(&state->pages, arena, &vm->vmm->pages, vm->vmm->memory, vm->vmm->layout->table_bytes,
                             vm->vmm->layout->bytes, msg);
}

/* A guest table gets its first mirror: nothing may map it writable any more. */
static void protect(vmm_vm *vm, uint64_t gfn)
{
    wp_state *state = vm->state;
    if (shadow_pages_protect(&state->pages, shadow_host_frame(vm, gfn))) shadow_drop_all(vm);
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

/* The root's shadow of the guest's CR3. A PAE root is never mirrored (four latched entries): it is keyed by its own
 * place, and with its directories made at once, since the processor latches them. */
static shadow_page *make_root(vmm_vm *vm)
{
    const vx_radix *format = shadow_format(&vm->guest);
    shadow_key key = {
        .level = format->top, .gfn = (vm->guest.cr3 & VX_ENTRY_ADDRESS) >> VX_PAGE_SHIFT, .rights = GUEST_RIGHTS};
    if (format != &vx_radix_pae) return get_page(vm, &key);
    wp_state *state = vm->state;
    key.direct = true;
    key.gfn = vm->guest.cr3 >> 5;
    bool made;
    shadow_page *root = shadow_pages_get(&state->pages, &key, &made);
    if (!root) out_of_memory(vm);
    return root;
}

static void link_pae_directories(vmm_vm *vm, shadow_page *root)
{
    wp_state *state = vm->state;
    bool absent = guest_format(&vm->guest) == &vx_radix_pae;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t entry = root->table + 8ULL * i;
        shadow_pages_clear(&state->pages, entry, 3);
        if (absent && !(vm->guest.pdpte[i] & VX_PTE_P)) continue;
        shadow_key key = shadow_key_of_directory(vm, i);
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

void shadow_wp_load_state(vmm_vm *vm, const vx_registers *guest)
{
    (void)guest;
    start_over(vm);
}

/* Does a shadow mirror this guest page? Then it is a table, and protected. */
static bool is_mirrored(vmm_vm *vm, uint64_t gfn)
{
    wp_state *state = vm->state;
    return shadow_pages_of(&state->pages, gfn, NULL) != NULL;
}

/* Fills the path of one allowed access, down to a 4 KiB leaf. */
static void fill(vmm_vm *vm, vx_gva gva, vx_access access, const guest_walk *walk)
{
    wp_state *state = vm->state;
    const vx_radix *format = shadow_format(&vm->guest);
    shadow_page *page = state->root;
    for (unsigned level = format->top; level > 1; level--) {
        uint64_t entry = page->table + 8ULL * vx_radix_index(format, level, gva.v);
        shadow_key key = shadow_key_of(vm, walk, gva, level - 1);
        uint64_t value = vx_physmem_read64(vm->vmm->memory, (vx_hpa){entry});
        shadow_page *child = get_page(vm, &key);
        if (!child) return;
        if ((value & VX_PTE_P) && (value & VX_ENTRY_ADDRESS) != child->table) {
            shadow_pages_clear(&state->pages, entry, level);
            shadow_drop_all(vm); /* the processor may remember the table that was here */
        }
        if (!(vx_physmem_read64(vm->vmm->memory, (vx_hpa){entry}) & VX_PTE_P) &&
            !shadow_pages_link(&state->pages, entry, child, level == 3 && format->top == 3 ? PDPTE : UPPER)) {
            out_of_memory(vm);
            return;
        }
        page = child;
    }
    uint64_t gpa = guest_walk_gpa(walk, gva);
    bool writable = !is_mirrored(vm, gpa >> VX_PAGE_SHIFT);
    uint64_t entry = page->table + 8ULL * vx_radix_index(format, 1, gva.v);
    if (!shadow_pages_map(&state->pages, entry, shadow_host_frame(vm, gpa >> VX_PAGE_SHIFT),
                          shadow_leaf_bits(vm, walk, access, writable))) {
        out_of_memory(vm);
        return;
    }
    vm->vmm->counts.shadow_fills++;
}

/* Performs a page-table store and empties the shadow entries that mirror what it changed: the next use fills them. */
static void emulate_store(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload)
{
    wp_state *state = vm->state;
    shadow_write_guest(vm, record, payload);
    vm->vmm->counts.emulated_stores++;
    vx_vcpu_charge_software(vm->vcpu, exit->reason, vm->vmm->store_ticks);
    unsigned bytes = guest_format(&vm->guest) == &vx_radix_2level ? 4 : 8;
    unsigned index = (unsigned)(payload[0] & 0xFFF) / bytes, count = record->size > bytes ? 2 : 1;
    bool upper = false;
    uint64_t gfn = payload[0] >> VX_PAGE_SHIFT;
    for (shadow_page *page = NULL; (page = shadow_pages_of(&state->pages, gfn, page)) != NULL;) {
        unsigned i, past;
        for (shadow_mirrored_entries(vm, &page->key, index, count, &i, &past); i < past; i++)
            shadow_pages_clear(&state->pages, page->table + 8ULL * i, page->key.level);
        upper |= page->key.level > 1;
    }
    /* The guest's own INVLPG drops what hangs on a leaf. Behind an upper entry there may be pieces of one large page,
     * of which its INVLPG would drop the one it names, and the walker may remember the table. */
    if (upper) shadow_drop_all(vm);
}

/* The page is no table any more. */
static void unprotect(vmm_vm *vm, uint64_t gfn)
{
    wp_state *state = vm->state;
    bool any = false;
    for (shadow_page *page; (page = shadow_pages_of(&state->pages, gfn, NULL)) != NULL; any = true)
        shadow_pages_drop(&state->pages, page);
    if (any) switch_root(vm); /* the root itself may have been one of them */
}

static bool on_path(const guest_walk *walk, uint64_t gfn)
{
    for (unsigned level = walk->leaf; level <= walk->top; level++)
        if (walk->step[level].at.v >> VX_PAGE_SHIFT == gfn) return true;
    return false;
}

/* A store to a protected page. True: performed here, the guest goes on behind it. */
static bool store_to_table(vmm_vm *vm, const vx_exit *exit, const guest_walk *walk, uint64_t gfn,
                           const vx_record *record, const uint64_t *payload)
{
    if (record && record->kind == VX_REC_PT_STORE) {
        emulate_store(vm, exit, record, payload);
        return true;
    }
    if (!on_path(walk, gfn)) unprotect(vm, gfn);
    if (!is_mirrored(vm, gfn)) return false;
    /* A table that maps itself, or one that the root cannot do without: performed, and stays protected. */
    vx_vcpu_charge_software(vm->vcpu, exit->reason, vm->vmm->store_ticks);
    return true;
}

static vx_resume on_page_fault(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload)
{
    /* An honest fault may name this address too: nothing maps it, but a trace can refer to it. */
    if (record && record->kind == VX_REC_PT_STORE && exit->linear.v == VX_GVA_UNKNOWN) {
        vm->vmm->counts.hidden_faults++;
        emulate_store(vm, exit, record, payload);
        return VX_RESUME_NEXT;
    }
    vx_access access = shadow_fault_access(vm, exit);
    guest_walk walk;
    if (!shadow_fault_hidden(vm, exit, access, &walk)) return VX_RESUME_RETRY;
    uint64_t gfn = guest_walk_gpa(&walk, exit->linear) >> VX_PAGE_SHIFT;
    if (access == VX_ACCESS_STORE && is_mirrored(vm, gfn) && store_to_table(vm, exit, &walk, gfn, record, payload))
        return VX_RESUME_NEXT;
    vx_vcpu_charge_software(vm->vcpu, exit->reason, vm->vmm->config->shadow_fill_ticks);
    fill(vm, exit->linear, access, &walk);
    return VX_RESUME_RETRY;
}

static void on_register(vmm_vm *vm, guest_change change)
{
    const wp_state *state = vm->state;
    switch (change) {
    case GUEST_CHANGE_REGIME:
        start_over(vm);
        break;
    case GUEST_CHANGE_ROOT:
        switch_root(vm);
        break;
    case GUEST_CHANGE_FLUSH:
        shadow_drop_all(vm);
        /* fall through */
    default:
        shadow_load_registers(vm, state->root->table);
        break;
    }
}

bool shadow_wp_on_exit(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                       vx_resume *resume)
{
    *resume = VX_RESUME_NEXT;
    switch (shadow_exit_kind(vm, exit, record)) {
    case SHADOW_EXIT_PAGE_FAULT:
        *resume = on_page_fault(vm, exit, record, payload);
        return true;
    case SHADOW_EXIT_REGISTER:
        on_register(vm, guest_registers_write(vm, record));
        return true;
    default:
        return false;
    }
}

bool shadow_wp_write_protected(vmm_vm *vm, vx_gpa gpa) { return is_mirrored(vm, gpa.v >> VX_PAGE_SHIFT); }

/* What the trace tells without an act of the guest's. A page that was a table before and is one again has new entries:
 * the stores that made them, before it was live, are not in the trace. */
void shadow_wp_on_notice(vmm_vm *vm, const vx_record *record, const uint64_t *payload)
{
    if (record->kind == VX_REC_PT_PAGE_NEW) {
        unprotect(vm, record->addr >> VX_PAGE_SHIFT);
    } else if (record->kind == VX_REC_PDPTE_LOAD) {
        if (!guest_load_pdptes(vm, payload)) return;
        switch_root(vm);
    }
}

vx_status shadow_wp_verify(vmm_vm *vm, uint64_t *leaves, vx_msg *msg)
{
    wp_state *state = vm->state;
    return shadow_verify_roots(vm, &state->pages, state->root, leaves, NULL, msg);
}

const vmm_scheme vmm_scheme_shadow_wp = {
    .needs_vtx = true, SHADOW_WP_OPERATIONS, .controls = shadow_controls, .on_exit = shadow_wp_on_exit};
