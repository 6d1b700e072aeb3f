/* The way of an exit in Xen's shadow code: Xen 3.3.0-rc7 and 3.2.0-rc6, xen/arch/x86/mm/shadow/multi.c: sh_page_fault,
 * sh_invlpg, sh_update_cr3, sh_set_toplevel_shadow, emulate_map_dest, emulate_unmap_dest.
 *
 * Xen tells what a store puts into a table by emulating the instruction. The trace has the values of page-table stores.
 * A plain store to a table (its page is being used for something else, and Xen does not know yet) is taken as one of a
 * zero, while it clears the page from its first byte on; otherwise as one of data that names no page of the guest's,
 * for which Xen takes an upper table's shadows away: both assumed.
 *
 * NOT MODELLED: large shadow pages (Xen of that time had none either: a large guest page is mapped in pieces); shadows
 * of other paging modes kept over a mode switch; several vCPUs that share shadows; log-dirty mode and video memory; the
 * fast paths that save the handler a walk, but no exit (SHOPT_FAST_FAULT_PATH, SHOPT_FAST_EMULATION,
 * SHOPT_VIRTUAL_TLB): a handler costs the same either way; SHOPT_LINUX_L3_TOPLEVEL, for Linux 2.6.10 and older;
 * accesses to devices do not end a row of zero stores. */
#include "xen_shadow.h"

void xen_controls(vmm_vm *vm) { shadow_controls_and_flushes(vm); }

/* ---- roots ---- */

static void hold_top(vmm_vm *vm, shadow_page *page)
{
    if (page) xen_page_pin(vm, page);
}

/* Version 3 pins the table that was in use again, if it lost its pin meanwhile; version 2 lets it go. */
static void leave_top(vmm_vm *vm, shadow_page *page)
{
    const xen_shadow *xen = vm->state;
    if (xen->version3) xen_page_pin(vm, page);
    xen_page_release(vm, page);
}

static void link_directories(vmm_vm *vm, shadow_page *root)
{
    bool may_be_absent = guest_format(&vm->guest) == &vx_radix_pae;
    for (unsigned i = 0; i < 4; i++) {
        shadow_key key = xen_key(shadow_key_of_directory(vm, i));
        bool absent = may_be_absent && !(vm->guest.pdpte[i] & VX_PTE_P);
        shadow_page *directory = absent ? NULL : xen_page_get(vm, &key);
        uint64_t old = vx_physmem_read64(vm->vmm->memory, (vx_hpa){root->table + 8ULL * i});
        if ((old & VX_PTE_P) && ((xen_shadow *)vm->state)->version3) xen_page_pin(vm, xen_page_child(vm, old));
        hold_top(vm, directory);
        xen_set_upper(vm, root, i, directory, VX_PTE_P);
    }
}

/* PAE: one table of four entries, which Xen makes anew at each load (and the processor latches). */
static void switch_root_pae(vmm_vm *vm)
{
    xen_shadow *xen = vm->state;
    const shadow_key key = {.level = 3, .direct = true, .rights = GUEST_RIGHTS};
    if (!xen->root) xen->root = xen_page_get(vm, &key);
    if (xen->root) link_directories(vm, xen->root);
}

static void switch_root_deep(vmm_vm *vm, unsigned top)
{
    xen_shadow *xen = vm->state;
    const shadow_key key = {
        .level = (uint8_t)top, .gfn = (vm->guest.cr3 & VX_ENTRY_ADDRESS) >> VX_PAGE_SHIFT, .rights = GUEST_RIGHTS};
    shadow_page *old = xen->root;
    xen->root = xen_page_get(vm, &key);
    hold_top(vm, xen->root);
    if (old && old != xen->root) leave_top(vm, old);
}

static void switch_root(vmm_vm *vm)
{
    enum { ROOTS = 5 };
    xen_shadow *xen = vm->state;
    const vx_radix *format = shadow_format(&vm->guest);
    xen_resync_all(vm);
    xen_pages_make_room(vm, ROOTS);
    if (format == &vx_radix_pae)
        switch_root_pae(vm);
    else
        switch_root_deep(vm, format->top);
    if (!xen->root) return;
    shadow_load_registers(vm, xen->root->table);
    xen->flush = true;
}

static void start_over(vmm_vm *vm)
{
    const xen_shadow *xen = vm->state;
    if (xen->root) vm->vmm->counts.shadow_drops++;
    xen_pages_destroy_all(vm);
    switch_root(vm);
}

/* What the exit left to do: rights that went are dropped from the TLB. */
static void finish(vmm_vm *vm)
{
    xen_shadow *xen = vm->state;
    if (xen->flush) shadow_drop_all(vm);
    xen->flush = false;
}

/* ---- stores to tables ---- */

static void reset_early_unshadow(vmm_vm *vm) { ((xen_shadow *)vm->state)->last_emptied = 0; }

/* Two zero entries in a row, with no fault in between: a process is exiting, or the page is cleared for another use.
 * Xen 3.2 spares tables that a CR3 or PDPTE may name. */
static void check_early_unshadow(vmm_vm *vm, uint64_t gfn)
{
    xen_shadow *xen = vm->state;
    vx_early_unshadow which = vm->vmm->config->xen.early_unshadow;
    bool second = xen->last_emptied == gfn + 1 && xen_is_table(vm, gfn);
    xen->last_emptied = gfn + 1;
    if (!second || which == VX_UNSHADOW_OFF) return;
    const vx_radix *format = shadow_format(&vm->guest);
    unsigned top = format == &vx_radix_pae ? 2 : format->top;
    for (shadow_page *page = NULL; (page = shadow_pages_of(&xen->pages, gfn, page)) != NULL;)
        if (which == VX_UNSHADOW_LOWER && page->key.level == top) return;
    vm->vmm->counts.early_unshadows++;
    xen_remove_shadows(vm, gfn, true);
}

static unsigned entry_bytes(const vmm_vm *vm)
{
    const vx_radix *format = guest_format(&vm->guest);
    return format ? format->entry_bytes : 8;
}

/* Performs the store, and lets every shadow of the table follow, unless the entry said and says nothing. */
static void store_entry(vmm_vm *vm, const vx_record *record, const uint64_t *payload)
{
    uint64_t gfn = payload[0] >> VX_PAGE_SHIFT;
    unsigned bytes = entry_bytes(vm), size = record->size, offset = (unsigned)(payload[0] & (VX_PAGE_BYTES - 1));
    vx_hpa at = vx_gpa_map_hpa(vm->ram, (vx_gpa){payload[0]});
    bool was_present = (vx_physmem_read32(vm->vmm->memory, at) & VX_PTE_P) != 0;
    bool whole = offset % bytes == 0 && size <= bytes;
    shadow_write_guest(vm, record, payload);
    vm->vmm->counts.emulated_stores++;
    if ((uint32_t)payload[1] == 0 && offset % bytes == 0)
        check_early_unshadow(vm, gfn);
    else
        reset_early_unshadow(vm);
    if (whole && !was_present && !(payload[1] & VX_PTE_P)) return;
    if (guest_format(&vm->guest)) xen_validate(vm, gfn, offset / bytes, size > bytes ? 2 : 1);
}

/* Does a plain store to `gpa` go on with clearing a page, or begin it? */
static bool clears(vmm_vm *vm, uint64_t gpa, unsigned bytes)
{
    xen_shadow *xen = vm->state;
    bool goes_on = gpa == xen->cleared_to || gpa % VX_PAGE_BYTES == 0;
    xen->cleared_to = gpa + bytes;
    return goes_on;
}

/* A store to `gpa`, in a table that stays protected. */
static void emulate_store(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                          uint64_t gpa)
{
    uint64_t gfn = gpa >> VX_PAGE_SHIFT;
    vx_vcpu_charge_software(vm->vcpu, exit->reason, vm->vmm->config->emulate_store_ticks);
    if (record && record->size && gpa % record->size) xen_remove_shadows(vm, gfn, false); /* hardly a table */
    if (!record || record->kind != VX_REC_PT_STORE) {
        vx_vcpu_emulated(vm->vcpu, exit->linear, VX_ACCESS_STORE, vx_gpa_map_hpa(vm->ram, (vx_gpa){gpa}));
        if (clears(vm, gpa, record ? record->size : 0))
            check_early_unshadow(vm, gfn);
        else
            xen_remove_shadows(vm, gfn, false);
        return;
    }
    store_entry(vm, record, payload);
    unsigned ahead = vm->vmm->config->xen.emulate_ahead;
    if (ahead && guest_format(&vm->guest) == &vx_radix_pae) vx_vcpu_emulate_ahead(vm->vcpu, ahead);
}

bool xen_emulate(vmm_vm *vm, const vx_record *record, const uint64_t *payload)
{
    if (!xen_write_protected(vm, (vx_gpa){payload[0]})) return false;
    store_entry(vm, record, payload);
    vm->vmm->counts.stores_ahead++;
    finish(vm);
    return true;
}

bool xen_write_protected(vmm_vm *vm, vx_gpa gpa)
{
    uint64_t gfn = gpa.v >> VX_PAGE_SHIFT;
    return xen_is_table(vm, gfn) && !xen_is_out_of_sync(vm, gfn);
}

/* A page-table store that the trace knows by its guest-physical address alone. */
static vx_resume physical_store(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload)
{
    uint64_t gfn = payload[0] >> VX_PAGE_SHIFT;
    vm->vmm->counts.hidden_faults++;
    xen_unsync(vm, gfn);
    if (xen_is_out_of_sync(vm, gfn)) {
        vx_vcpu_charge_software(vm->vcpu, exit->reason, vm->vmm->config->shadow_fill_ticks);
        reset_early_unshadow(vm);
        return VX_RESUME_RETRY;
    }
    emulate_store(vm, exit, record, payload, payload[0]);
    return VX_RESUME_NEXT;
}

/* ---- faults ---- */

/* The leaf shadow of the address, with the path to it. NULL: no memory (the run ends). */
static shadow_page *leaf_page(vmm_vm *vm, vx_gva gva, const guest_walk *walk)
{
    xen_shadow *xen = vm->state;
    const vx_radix *format = shadow_format(&vm->guest);
    shadow_page *page = xen->root;
    for (unsigned level = format->top; level > 1; level--) {
        shadow_key key = xen_key(shadow_key_of(vm, walk, gva, level - 1));
        shadow_page *child = xen_page_get(vm, &key);
        if (!child) return NULL;
        xen_set_upper(vm, page, vx_radix_index(format, level, gva.v), child, xen_upper_bits(vm, walk, level));
        page = child;
    }
    return page;
}

static void fill(vmm_vm *vm, vx_gva gva, vx_access access, const guest_walk *walk, shadow_page *page, uint64_t gpa)
{
    unsigned index = vx_radix_index(shadow_format(&vm->guest), 1, gva.v);
    xen_fetch fetch = access == VX_ACCESS_STORE ? XEN_DEMAND_STORE : XEN_DEMAND_LOAD;
    uint64_t value =
        page->key.direct ? xen_piece_value(vm, gpa, fetch) : xen_leaf_value(vm, walk->step[1].entry, fetch);
    xen_set_leaf(vm, page, index, value);
    xen_oos_note_mirrored(vm, page, index);
    xen_prefetch(vm, page, index, gpa);
}

static bool is_user(const vmm_vm *vm) { return vx_vcpu_registers(vm->vcpu)->cpl == 3; }

/* A store to a table that stays protected. User code has no access to tables: the page is something else now. */
static vx_resume store_to_table(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload,
                                uint64_t gpa)
{
    if (is_user(vm)) {
        xen_remove_shadows(vm, gpa >> VX_PAGE_SHIFT, false);
        return VX_RESUME_RETRY;
    }
    emulate_store(vm, exit, record, payload, gpa);
    return VX_RESUME_NEXT;
}

/* CR0.WP is set whatever the guest says: a store of the supervisor's to a read-only page is emulated each time. */
static vx_resume store_past_protection(vmm_vm *vm, const vx_exit *exit, const vx_record *record,
                                       const uint64_t *payload, uint64_t gpa)
{
    vx_vcpu_charge_software(vm->vcpu, exit->reason, vm->vmm->config->emulate_store_ticks);
    reset_early_unshadow(vm);
    if (record && record->kind == VX_REC_PT_STORE)
        shadow_write_guest(vm, record, payload);
    else
        vx_vcpu_emulated(vm->vcpu, exit->linear, VX_ACCESS_STORE, vx_gpa_map_hpa(vm->ram, (vx_gpa){gpa}));
    return VX_RESUME_NEXT;
}

static bool found_present(const vmm_vm *vm, const vx_exit *exit)
{
    const xen_shadow *xen = vm->state;
    return xen->version3 || (shadow_fault_error(vm, exit) & 1); /* version 3 goes by its own walk */
}

static vx_resume mend(vmm_vm *vm, const vx_exit *exit, vx_access access, const guest_walk *walk,
                      const vx_record *record, const uint64_t *payload)
{
    vx_gva gva = exit->linear;
    uint64_t gpa = guest_walk_gpa(walk, gva), gfn = gpa >> VX_PAGE_SHIFT;
    bool store = access == VX_ACCESS_STORE;
    xen_pages_make_room(vm, shadow_format(&vm->guest)->top);
    shadow_page *page = leaf_page(vm, gva, walk);
    if (!page) return VX_RESUME_RETRY;
    if (store && xen_is_table(vm, gfn)) xen_unsync(vm, gfn);
    fill(vm, gva, access, walk, page, gpa & ~(uint64_t)(VX_PAGE_BYTES - 1));
    if (store && xen_is_table(vm, gfn) && (is_user(vm) || !xen_is_out_of_sync(vm, gfn)))
        return store_to_table(vm, exit, record, payload, gpa);
    if (store && !is_user(vm) && !(vm->guest.cr0 & VX_CR0_WP) && found_present(vm, exit))
        return store_past_protection(vm, exit, record, payload, gpa);
    vx_vcpu_charge_software(vm->vcpu, exit->reason, vm->vmm->config->shadow_fill_ticks);
    reset_early_unshadow(vm);
    return VX_RESUME_RETRY;
}

static vx_resume on_page_fault(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload)
{
    if (exit->linear.v == VX_GVA_UNKNOWN) return physical_store(vm, exit, record, payload);
    vx_access access = shadow_fault_access(vm, exit);
    guest_walk walk;
    if (!shadow_fault_hidden(vm, exit, access, &walk)) {
        reset_early_unshadow(vm);
        return VX_RESUME_RETRY;
    }
    return mend(vm, exit, access, &walk, record, payload);
}

/* ---- the guest's flushes ---- */

static void invalidate(vmm_vm *vm, vx_gva gva)
{
    xen_shadow *xen = vm->state;
    const vx_radix *format = shadow_format(&vm->guest);
    shadow_page *page = xen->root;
    while (page->key.level > 1) {
        uint64_t entry = page->table + 8ULL * vx_radix_index(format, page->key.level, gva.v);
        uint64_t value = vx_physmem_read64(vm->vmm->memory, (vx_hpa){entry});
        if (!(value & VX_PTE_P)) return; /* nothing shadowed, nothing cached */
        page = xen_page_child(vm, value);
    }
    if (page->key.direct) { /* pieces of a large page: all of them */
        xen->flush = true;
        return;
    }
    if (xen_is_out_of_sync(vm, page->key.gfn)) xen_set_leaf(vm, page, vx_radix_index(format, 1, gva.v), 0);
    shadow_drop_address(vm, gva);
}

/* Entries carry the guest's own rights, so that WP, SMEP and SMAP are no part of them. */
static bool keeps_shadows(const vx_registers *before, const vx_registers *now)
{
    const uint64_t part_of_format = VX_CR4_PSE | VX_CR4_PAE | VX_CR4_LA57;
    return vx_registers_paging(before) == vx_registers_paging(now) && !((before->cr4 ^ now->cr4) & part_of_format) &&
           !((before->efer ^ now->efer) & VX_EFER_NXE);
}

static void on_register(vmm_vm *vm, const vx_record *record)
{
    const xen_shadow *xen = vm->state;
    vx_registers before = vm->guest;
    switch (guest_registers_write(vm, record)) {
    case GUEST_CHANGE_REGIME:
        if (keeps_shadows(&before, &vm->guest))
            switch_root(vm);
        else
            start_over(vm);
        break;
    case GUEST_CHANGE_ROOT:
    case GUEST_CHANGE_FLUSH:
        switch_root(vm);
        break;
    default:
        if (xen->root) shadow_load_registers(vm, xen->root->table);
        break;
    }
}

/* ---- the operations ---- */

void xen_load_state(vmm_vm *vm, const vx_registers *guest)
{
    (void)guest;
    start_over(vm);
    finish(vm);
}

bool xen_on_exit(vmm_vm *vm, const vx_exit *exit, const vx_record *record, const uint64_t *payload, vx_resume *resume)
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
        switch_root(vm); /* younger than this Xen: as a CR3 load */
        break;
    default:
        return false;
    }
    finish(vm);
    return true;
}

/* A page becomes a table with entries whose stores are not in the trace: shadows of what was there before are wrong;
 * one out of sync will be brought in step. */
void xen_on_notice(vmm_vm *vm, const vx_record *record, const uint64_t *payload)
{
    if (record->kind == VX_REC_PT_PAGE_NEW) {
        uint64_t gfn = record->addr >> VX_PAGE_SHIFT;
        if (!xen_is_out_of_sync(vm, gfn)) xen_forget_table(vm, gfn);
    } else if (record->kind == VX_REC_PDPTE_LOAD) {
        if (!guest_load_pdptes(vm, payload)) return;
        switch_root(vm);
    } else {
        switch_root(vm);
    }
    finish(vm);
}

static bool any_out_of_sync(const xen_shadow *xen)
{
    for (uint32_t i = 0; i < xen->oos_pages; i++)
        if (xen->oos[i].frame) return true;
    return false;
}

/* Leaves of a table out of sync may differ until the guest flushes. */
vx_status xen_verify(vmm_vm *vm, uint64_t *leaves, vx_msg *msg)
{
    xen_shadow *xen = vm->state;
    uint64_t *stale = any_out_of_sync(xen) ? &vm->vmm->counts.stale_leaves : NULL;
    return shadow_verify_roots(vm, &xen->pages, xen->root, leaves, stale, msg);
}
