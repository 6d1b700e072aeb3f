/* Shadow paging as KVM of Linux 6.1 does it (arch/x86/kvm/mmu/mmu.c, paging_tmpl.h).
 *
 * Upper tables are write-tracked: each store to one exits, is emulated and unlinks what the entry pointed to; after
 * some stores without a use in between the table loses its shadow. Leaf tables go out of sync at their first store and
 * are brought in step when the guest reloads CR3 or, one entry, by its INVLPG. Shadow pages live in a hash by guest
 * frame, level and role, so that a CR3 load finds its root again; their number is limited by a quota. A fill maps the
 * neighbours too, as far as the guest has marked them accessed.
 *
 * The trace says which stores are page-table stores. KVM tells them by the instruction: a store to a tracked page by an
 * instruction that is not used for page tables (REP STOS, say) makes the page lose its shadows and is executed again.
 * Here a plain STORE record is such a one.
 *
 * Several vCPUs share the pages of their VM, with a root each; when rights go, all drop what they hold and those that
 * run are made to exit.
 *
 * NOT MODELLED: large shadow pages (a large guest page is mapped in 4 KiB pieces), nested guests, dirty logging,
 * self-changing mappings. */
#include "kvm_pages.h"

#define UPPER (VX_PTE_P | VX_PTE_W | VX_PTE_U | VX_PTE_A)
#define PDPTE VX_PTE_P

/* Outcome of a fill. */
typedef enum filled {
    FILLED,  /* go on: the reference is made again */
    EMULATE, /* the leaf stays protected, and the access is a store */
} filled;

static uint64_t entry_of(const shadow_page *page, const vx_radix *format, vx_gva gva)
{
    return page->table + 8ULL * vx_radix_index(format, page->key.level, gva.v);
}

static uint64_t read_entry(const vmm_vm *vm, uint64_t entry)
{
    return vx_physmem_read64(vm->vmm->memory, (vx_hpa){entry});
}

/* ---- fills ---- */

static bool same_table(const shadow_key *a, const shadow_key *b)
{
    enum { RIGHTS = 15 }; /* the rest of `rights` is the role */
    return a->gfn == b->gfn && a->direct == b->direct && ((a->rights ^ b->rights) & RIGHTS) == 0;
}

/* The page below an entry of the path, linked: what is there, if it is still the right one. */
static shadow_page *step_down(vmm_vm *vm, uint64_t entry, const shadow_key *key, bool pdpte)
{
    kvm_shadow *kvm = vm->state;
    uint64_t value = read_entry(vm, entry);
    if (value & VX_PTE_P) {
        shadow_page *child = kvm_page_child(vm, value);
        if (same_table(&child->key, key)) return child;
        shadow_pages_clear(&kvm->pages, entry, key->level + 1U);
        kvm_lost_rights(kvm);
    }
    shadow_page *child = kvm_page_get(vm, key);
    if (!child) return NULL;
    if (key->level > 1) kvm_pages_sync_below(vm, child);
    if (shadow_pages_link(&kvm->pages, entry, child, pdpte ? PDPTE : UPPER)) return child;
    vm->vmm->out_of_tables = true;
    return NULL;
}

static void prefetch(vmm_vm *vm, shadow_page *page, unsigned index, const guest_walk *walk, uint64_t first_gpa)
{
    kvm_shadow *kvm = vm->state;
    unsigned window = vm->vmm->config->shadow.prefetch;
    unsigned first = index & ~(window - 1);
    for (unsigned i = first; i < first + window; i++) {
        uint64_t entry = page->table + 8ULL * i;
        if (i == index || (read_entry(vm, entry) & VX_PTE_P)) continue;
        if (!page->key.direct) {
            if (!kvm_leaf_prefetch(vm, page, i)) return; /* the first that is not accessed ends it */
            continue;
        }
        vx_gpa gpa = {first_gpa + ((uint64_t)i << VX_PAGE_SHIFT)};
        if (gpa.v >= vm->ram->bytes) return;
        bool writable = kvm_pages_writable(vm, gpa.v >> VX_PAGE_SHIFT, true, true);
        uint64_t bits = shadow_leaf_bits(vm, walk, VX_ACCESS_LOAD, writable);
        if (!shadow_pages_map(&kvm->pages, entry, vx_gpa_map_hpa(vm->ram, gpa).v, bits)) vm->vmm->out_of_tables = true;
        vm->vmm->counts.shadow_fills++;
    }
}

static filled set_leaf(vmm_vm *vm, shadow_page *page, unsigned index, vx_access access, const guest_walk *walk,
                       uint64_t gpa)
{
    kvm_shadow *kvm = vm->state;
    uint64_t entry = page->table + 8ULL * index, old = read_entry(vm, entry);
    uint64_t frame = vx_gpa_map_hpa(vm->ram, (vx_gpa){gpa}).v;
    uint64_t wanted = shadow_leaf_bits(vm, walk, access, true);
    bool stays_writable = (old & VX_PTE_W) && (old & VX_ENTRY_ADDRESS) == frame;
    bool writable = !(wanted & VX_PTE_W) || stays_writable || kvm_pages_writable(vm, gpa >> VX_PAGE_SHIFT, true, false);
    uint64_t bits = shadow_leaf_bits(vm, walk, access, writable);
    filled outcome = !writable && access == VX_ACCESS_STORE ? EMULATE : FILLED;
    const uint64_t used = VX_PTE_A | VX_PTE_D; /* by the processor: no difference */
    if ((old & VX_PTE_P) && ((old ^ (frame | bits)) & ~used) == 0) return outcome;
    if (old & VX_PTE_P) kvm_lost_rights(kvm);
    if (!shadow_pages_map(&kvm->pages, entry, frame, bits)) vm->vmm->out_of_tables = true;
    vm->vmm->counts.shadow_fills++;
    uint64_t first = gpa - ((uint64_t)index << VX_PAGE_SHIFT); /* of a direct page: what its entry 0 maps */
    if (vm->vmm->config->shadow.prefetch > 1) prefetch(vm, page, index, walk, first);
    return outcome;
}

static filled fill(vmm_vm *vm, vx_gva gva, vx_access access, const guest_walk *walk, uint64_t gpa)
{
    const vx_radix *format = shadow_format(&vm->guest);
    shadow_page *page = kvm_vcpu_of(vm)->root.page;
    for (unsigned level = format->top; level > 1; level--) {
        kvm_page_used(vm, page);
        shadow_key key = shadow_key_of(vm, walk, gva, level - 1);
        page = step_down(vm, entry_of(page, format, gva), &key, level == 3 && format->top == 3);
        if (!page) return FILLED;
    }
    kvm_page_used(vm, page);
    return set_leaf(vm, page, vx_radix_index(format, 1, gva.v), access, walk, gpa);
}

/* ---- stores to tables ---- */

static void wrote_entries(vmm_vm *vm, const shadow_page *page, unsigned index, unsigned count)
{
    kvm_shadow *kvm = vm->state;
    unsigned i, past;
    for (shadow_mirrored_entries(vm, &page->key, index, count, &i, &past); i < past; i++) {
        uint64_t entry = page->table + 8ULL * i;
        if (read_entry(vm, entry) & VX_PTE_P) kvm_lost_rights(kvm);
        shadow_pages_clear(&kvm->pages, entry, page->key.level);
    }
}

/* An emulated store has changed `bytes` of a table: kvm_mmu_pte_write. A store of half an entry means that the page is
 * something else now. */
static void wrote_table(vmm_vm *vm, uint64_t gpa, unsigned bytes)
{
    kvm_shadow *kvm = vm->state;
    unsigned entry_bytes = guest_format(&vm->guest) == &vx_radix_2level ? 4 : 8;
    unsigned index = (unsigned)(gpa & 0xFFF) / entry_bytes, count = bytes > entry_bytes ? 2 : 1;
    uint64_t gfn = gpa >> VX_PAGE_SHIFT;
    bool zapped;
    do {
        zapped = false;
        for (shadow_page *page = NULL; !zapped && (page = shadow_pages_of(&kvm->pages, gfn, page)) != NULL;)
            if (bytes < 4 || kvm_page_flooded(vm, page)) {
                kvm_page_zap(vm, page);
                zapped = true; /* the chain has changed; entries cleared twice are cleared */
            } else {
                wrote_entries(vm, page, index, count);
            }
    } while (zapped);
}

static vx_resume emulate(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                         uint64_t gpa)
{
    kvm_vcpu *own = kvm_vcpu_of(vm);
    bool again = own->retried && own->retried_gva.v == exit->linear.v;
    own->retried = false;
    vx_vcpu_charge_software(vm->vcpu, exit->reason, vm->vmm->config->emulate_store_ticks);
    if (record && record->kind == VX_REC_PT_STORE) {
        shadow_write_guest(vm, record, payload);
        vm->vmm->counts.emulated_stores++;
        wrote_table(vm, payload[0], record->size);
        return VX_RESUME_NEXT;
    }
    if (again) return VX_RESUME_NEXT; /* the page got its shadows back while the store was retried */
    own->retried = true;
    own->retried_gva = exit->linear;
    kvm_pages_zap_frame(vm, gpa >> VX_PAGE_SHIFT);
    return VX_RESUME_RETRY;
}

/* The tables that led to the store are in use, flooded or not. */
static void use_path(vmm_vm *vm, vx_gva gva)
{
    const kvm_vcpu *own = kvm_vcpu_of(vm);
    const vx_radix *format = shadow_format(&vm->guest);
    for (shadow_page *page = own->root.page; page;) {
        kvm_page_used(vm, page);
        if (page->key.level == 1) return;
        uint64_t value = read_entry(vm, entry_of(page, format, gva));
        page = value & VX_PTE_P ? kvm_page_child(vm, value) : NULL;
    }
}

/* A page-table store that the trace knows by its guest-physical address alone. */
static vx_resume physical_store(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload)
{
    uint64_t gfn = payload[0] >> VX_PAGE_SHIFT;
    vm->vmm->counts.hidden_faults++;
    if (kvm_pages_writable(vm, gfn, true, false)) return VX_RESUME_RETRY;
    return emulate(vm, exit, record, payload, payload[0]);
}

static vx_resume on_page_fault(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload)
{
    if (exit->linear.v == VX_GVA_UNKNOWN) return physical_store(vm, exit, record, payload);
    vx_access access = shadow_fault_access(vm, exit);
    guest_walk walk;
    if (!shadow_fault_hidden(vm, exit, access, &walk)) return VX_RESUME_RETRY;
    uint64_t gpa = guest_walk_gpa(&walk, exit->linear);
    bool present = (shadow_fault_error(vm, exit) & 1) != 0;
    if (present && access == VX_ACCESS_STORE && kvm_pages_tracked(vm, gpa >> VX_PAGE_SHIFT)) {
        use_path(vm, exit->linear);
        return emulate(vm, exit, record, payload, gpa);
    }
    kvm_pages_make_room(vm);
    vx_vcpu_charge_software(vm->vcpu, exit->reason, vm->vmm->config->shadow_fill_ticks);
    if (fill(vm, exit->linear, access, &walk, gpa & ~0xFFFULL) == FILLED) return VX_RESUME_RETRY;
    return emulate(vm, exit, record, payload, gpa);
}

/* ---- the guest's flushes ---- */

static void invalidate_in(vmm_vm *vm, shadow_page *root, vx_gva gva)
{
    const vx_radix *format = shadow_format(&vm->guest);
    for (shadow_page *page = root; page;) {
        if (page->key.level == 1) {
            if (kvm_page_is_unsync(vm, page)) kvm_leaf_invalidate(vm, page, vx_radix_index(format, 1, gva.v));
            return;
        }
        uint64_t value = read_entry(vm, entry_of(page, format, gva));
        page = value & VX_PTE_P ? kvm_page_child(vm, value) : NULL;
    }
}

static void invalidate(vmm_vm *vm, vx_gva gva)
{
    const kvm_vcpu *own = kvm_vcpu_of(vm);
    invalidate_in(vm, own->root.page, gva);
    for (unsigned i = 0; i < vm->vmm->config->shadow.previous_roots; i++) invalidate_in(vm, own->previous[i].page, gva);
    shadow_drop_address(vm, gva);
}

/* Every root's tables come in step: CR4.PGE and CR4.PCIDE changes, INVPCID. */
static void sync_all(vmm_vm *vm)
{
    kvm_shadow *kvm = vm->state;
    const kvm_vcpu *own = kvm_vcpu_of(vm);
    if (own->root.page) kvm_pages_sync_below(vm, own->root.page);
    for (unsigned i = 0; i < vm->vmm->config->shadow.previous_roots; i++)
        if (own->previous[i].page) kvm_pages_sync_below(vm, own->previous[i].page);
    kvm->flush = true;
}

/* WP, NXE, SMEP and SMAP are part of a shadow page's role: the old pages stay for when they are set back. Another
 * paging mode makes them meaningless. */
static void change_regime(vmm_vm *vm, const vx_radix *before)
{
    if (guest_format(&vm->guest) != before)
        kvm_pages_zap_all(vm);
    else
        kvm_roots_forget_all(vm);
    kvm_roots_load(vm);
}

static void on_register(vmm_vm *vm, const vx_record *record)
{
    const kvm_vcpu *own = kvm_vcpu_of(vm);
    const vx_radix *before = guest_format(&vm->guest);
    switch (guest_registers_write(vm, record)) {
    case GUEST_CHANGE_REGIME:
        change_regime(vm, before);
        break;
    case GUEST_CHANGE_ROOT:
        kvm_roots_load(vm);
        break;
    case GUEST_CHANGE_FLUSH:
        sync_all(vm);
        /* fall through */
    default:
        if (own->root.page) shadow_load_registers(vm, own->root.page->table);
        break;
    }
}

/* ---- the scheme ---- */

/* What the exit left to do: roots that went are made again, and rights that went are dropped from the TLBs. */
static void finish(vmm_vm *vm)
{
    kvm_shadow *kvm = vm->state;
    for (unsigned i = 0; i < vm->vmm->vcpus; i++) {
        vmm_vm *any = vmm_sibling(vm, i);
        const kvm_vcpu *its = kvm_vcpu_of(any);
        if (its->loaded && !its->root.page) kvm_roots_reload(any);
    }
    if (kvm->flush) shadow_drop_all(vm);
    kvm->flush = false;
    if (kvm->flush_others) kvm_flush_others(vm);
}

static void load_state(vmm_vm *vm, const vx_registers *guest)
{
    (void)guest;
    kvm_vcpu *own = kvm_vcpu_of(vm);
    if (own->root.page) vm->vmm->counts.shadow_drops++;
    own->loaded = true;
    kvm_pages_zap_all(vm);
    kvm_roots_load(vm);
    finish(vm);
}

static bool on_exit(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                    vx_resume *resume)
{
    *resume = VX_RESUME_NEXT;
    switch (shadow_exit_kind(vm, exit, record)) {
    case SHADOW_EXIT_PAGE_FAULT:
        *resume = on_page_fault(vm, exit, record, payload);
        break;
    case SHADOW_EXIT_REGISTER:
        on_register(vm, record);
        break;
    case SHADOW_EXIT_INVLPG:
        invalidate(vm, (vx_gva){record->addr});
        break;
    case SHADOW_EXIT_INVPCID:
        sync_all(vm);
        break;
    default:
        return false;
    }
    finish(vm);
    return true;
}

static bool write_protected(vmm_vm *vm, vx_gpa gpa) { return kvm_pages_protected(vm, gpa.v >> VX_PAGE_SHIFT); }

/* A page becomes a table with entries whose stores are not in the trace: a shadow that is in step with what was there
 * before is wrong; one out of sync will be brought in step. */
static void on_notice(vmm_vm *vm, const vx_record *record, const uint64_t *payload)
{
    if (record->kind == VX_REC_PT_PAGE_NEW) {
        uint64_t gfn = record->addr >> VX_PAGE_SHIFT;
        if (kvm_pages_protected(vm, gfn)) kvm_pages_zap_frame(vm, gfn);
    } else if (record->kind == VX_REC_PDPTE_LOAD) {
        if (!guest_load_pdptes(vm, payload)) return;
        kvm_roots_load(vm);
    } else {
        sync_all(vm);
    }
    finish(vm);
}

/* Leaves of a table out of sync may differ until the guest flushes. */
static vx_status verify(vmm_vm *vm, uint64_t *leaves, vx_msg *msg)
{
    const kvm_shadow *kvm = vm->state;
    uint64_t *stale = kvm->first_unsync ? &vm->vmm->counts.stale_leaves : NULL;
    vx_status status = VX_OK;
    for (unsigned i = 0; status == VX_OK && i < vm->vmm->vcpus; i++) {
        vmm_vm *any = vmm_sibling(vm, i);
        const shadow_page *root = kvm_vcpu_of(any)->root.page;
        if (root) status = shadow_verify_tree(any, shadow_format(&any->guest), root->table, leaves, stale, msg);
    }
    return status;
}

const vmm_scheme vmm_scheme_shadow_kvm = {.needs_vtx = true,
                                          .shadow_tables = true,
                                          .tables = VMM_TABLES_SHARED,
                                          .state_bytes = sizeof(kvm_shadow),
                                          .init = kvm_pages_init,
                                          .controls = shadow_controls_and_flushes,
                                          .load_state = load_state,
                                          .on_exit = on_exit,
                                          .on_notice = on_notice,
                                          .write_protected = write_protected,
                                          .verify = verify};
