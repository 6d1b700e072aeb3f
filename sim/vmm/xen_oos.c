/* Leaf tables out of sync: Xen 3.3.0-rc7, xen/arch/x86/mm/shadow/common.c: sh_unsync, oos_hash_add, oos_fixup_add,
 * _sh_resync, sh_resync_all; multi.c: sh_resync_l1. They came with Xen commits 3c7fba7fd8, 7ee9469202, 047782fa01 and
 * d067e4b077 (June 2008).
 *
 * A few slots, hashed by frame: a table goes to its own slot or, pushed by the next that has the same, to the one
 * behind it. A snapshot tells at resync which entries the guest has changed: the others are left as they are. */
#include "xen_shadow.h"

#include <string.h>

static uint32_t slot_of(const xen_shadow *xen, uint64_t frame)
{
    return (uint32_t)((frame >> VX_PAGE_SHIFT) % xen->oos_pages);
}

static xen_oos *find(xen_shadow *xen, uint64_t frame)
{
    if (xen->oos_pages == 0) return NULL;
    uint32_t slot = slot_of(xen, frame);
    if (xen->oos[slot].frame == frame) return &xen->oos[slot];
    slot = (slot + 1) % xen->oos_pages;
    return xen->oos[slot].frame == frame ? &xen->oos[slot] : NULL;
}

bool xen_is_out_of_sync(const vmm_vm *vm, uint64_t gfn) { return find(vm->state, shadow_host_frame(vm, gfn)) != NULL; }

static unsigned entry_bytes(const vmm_vm *vm) { return guest_format(&vm->guest)->entry_bytes; }

/* The bytes of the entry's guest entry within the table. */
static unsigned offset_of(const vmm_vm *vm, const shadow_page *page, unsigned index)
{
    return (unsigned)(shadow_mirrored_gpa(vm, &page->key, index).v & (VX_PAGE_BYTES - 1));
}

static uint64_t snapshot_entry(const vmm_vm *vm, const xen_oos *oos, unsigned offset)
{
    uint64_t entry = 0;
    memcpy(&entry, oos->snapshot + offset, entry_bytes(vm));
    return entry;
}

void xen_oos_note_mirrored(vmm_vm *vm, const shadow_page *page, unsigned index)
{
    xen_oos *oos = page->key.direct ? NULL : find(vm->state, shadow_host_frame(vm, page->key.gfn));
    if (!oos) return;
    uint64_t entry = xen_guest_entry(vm, page, index);
    memcpy(oos->snapshot + offset_of(vm, page, index), &entry, entry_bytes(vm));
}

/* ---- writable mappings ---- */

static void take_write(vmm_vm *vm, uint64_t entry, uint64_t frame)
{
    xen_shadow *xen = vm->state;
    uint64_t value = vx_physmem_read64(vm->vmm->memory, (vx_hpa){entry});
    if (!(value & VX_PTE_P) || (value & VX_ENTRY_ADDRESS) != frame) return; /* it maps something else by now */
    uint64_t bits = value & ~(VX_ENTRY_ADDRESS | VX_PTE_W | VX_PTE_D);
    if (!shadow_pages_map(&xen->pages, entry, frame, bits)) vm->vmm->out_of_tables = true;
}

/* No flush for the one that goes: the table is out of sync anyway, and resync flushes. */
void xen_oos_note_writable(vmm_vm *vm, uint64_t frame, uint64_t entry)
{
    xen_shadow *xen = vm->state;
    xen_oos *oos = find(xen, frame);
    if (!oos) return;
    if (oos->fixup[oos->next] && oos->fixup[oos->next] != entry) take_write(vm, oos->fixup[oos->next], frame);
    oos->fixup[oos->next] = entry;
    oos->next = (oos->next + 1) % vm->vmm->config->xen.oos_fixups;
}

/* ---- in step again ---- */

static void mirror_changes(vmm_vm *vm, const xen_oos *oos, shadow_page *page)
{
    const vx_radix *format = guest_format(&vm->guest);
    if (!format) return;
    for (unsigned i = 0; i < 512; i++) {
        uint64_t entry = xen_guest_entry(vm, page, i);
        if (entry == snapshot_entry(vm, oos, offset_of(vm, page, i))) continue;
        xen_set_leaf(vm, page, i, xen_leaf_value(vm, entry, XEN_PREFETCH));
    }
}

static void resync(vmm_vm *vm, xen_oos *oos)
{
    xen_shadow *xen = vm->state;
    uint64_t gfn = oos->gfn;
    vm->vmm->counts.resyncs++;
    (void)shadow_pages_protect(&xen->pages, oos->frame);
    xen->flush = true;
    oos->frame = 0; /* no leaf gets write access from here on */
    for (shadow_page *page = NULL; (page = shadow_pages_of(&xen->pages, gfn, page)) != NULL;)
        if (page->key.level == 1) mirror_changes(vm, oos, page);
}

void xen_resync(vmm_vm *vm, uint64_t gfn)
{
    xen_oos *oos = find(vm->state, shadow_host_frame(vm, gfn));
    if (oos) resync(vm, oos);
}

void xen_resync_all(vmm_vm *vm)
{
    xen_shadow *xen = vm->state;
    for (uint32_t i = 0; i < xen->oos_pages; i++)
        if (xen->oos[i].frame) resync(vm, &xen->oos[i]);
}

void xen_oos_remove(vmm_vm *vm, uint64_t gfn)
{
    xen_oos *oos = find(vm->state, shadow_host_frame(vm, gfn));
    if (oos) oos->frame = 0;
}

/* ---- out of sync ---- */

static bool may_unsync(vmm_vm *vm, uint64_t gfn)
{
    xen_shadow *xen = vm->state;
    if (xen->oos_pages == 0 || !guest_format(&vm->guest) || xen_is_out_of_sync(vm, gfn)) return false;
    for (shadow_page *page = NULL; (page = shadow_pages_of(&xen->pages, gfn, page)) != NULL;)
        if (page->key.level > 1) return false;
    return true;
}

/* The slot of its own is taken over; who is there by right moves on, and who is in that slot is brought in step. */
static xen_oos *free_slot(vmm_vm *vm, uint64_t frame)
{
    xen_shadow *xen = vm->state;
    xen_oos *own = &xen->oos[slot_of(xen, frame)];
    xen_oos *other = &xen->oos[(slot_of(xen, frame) + 1) % xen->oos_pages];
    bool by_right = own->frame && slot_of(xen, own->frame) == slot_of(xen, frame) && other != own;
    xen_oos *crushed = by_right ? other : own;
    if (crushed->frame) resync(vm, crushed);
    if (by_right) {
        uint8_t *spare = other->snapshot;
        *other = *own;
        own->snapshot = spare;
    }
    return own;
}

void xen_unsync(vmm_vm *vm, uint64_t gfn)
{
    if (!may_unsync(vm, gfn)) return;
    uint64_t frame = shadow_host_frame(vm, gfn);
    xen_oos *oos = free_slot(vm, frame);
    *oos = (xen_oos){.frame = frame, .gfn = gfn, .snapshot = oos->snapshot};
    for (unsigned i = 0; i < VX_PAGE_BYTES; i += 8) {
        uint64_t word = vx_physmem_read64(vm->vmm->memory, (vx_hpa){frame + i});
        memcpy(oos->snapshot + i, &word, 8);
    }
    vm->vmm->counts.unsyncs++;
}
