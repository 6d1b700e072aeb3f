/* Geometry of shadows: SDM Vol. 3A 4.3 to 4.5 for the guest's formats; shadows are PAE or as deep as the guest's. */
#include "shadow_mirror.h"

enum { ENTRIES = 512 };

static bool is_small(const vmm_vm *vm) { return guest_format(&vm->guest) == &vx_radix_2level; }

shadow_key shadow_key_of(const vmm_vm *vm, const guest_walk *walk, vx_gva gva, unsigned level)
{
    bool small = is_small(vm);
    shadow_key key = {.level = (uint8_t)level};
    if (level < walk->leaf) {
        uint64_t span = vx_radix_pae.shift[level + 1];
        uint64_t inside = gva.v & (vx_page_bytes(walk->page) - 1);
        key.gfn = (walk->frame + (inside >> span << span)) >> VX_PAGE_SHIFT;
        key.direct = true;
        key.rights = (uint8_t)(walk->writable | walk->user << 1 | !walk->no_execute << 2 | walk->dirty << 3);
        return key;
    }
    unsigned guest_level = small && level == 3 ? 2 : level;
    key.gfn = walk->step[guest_level].at.v >> VX_PAGE_SHIFT;
    key.rights = walk->above[guest_level];
    if (small && level == 2) key.quadrant = (uint8_t)(gva.v >> 30 & 3);
    if (small && level == 1) key.quadrant = (uint8_t)(gva.v >> 21 & 1);
    return key;
}

shadow_key shadow_key_of_directory(const vmm_vm *vm, unsigned index)
{
    const vx_radix *guest = guest_format(&vm->guest);
    vx_gva gva = {(uint64_t)index << 30};
    if (!guest) {
        guest_walk identity = shadow_guest_walk(vm, gva, VX_ACCESS_LOAD);
        return shadow_key_of(vm, &identity, gva, 2);
    }
    shadow_key key = {.level = 2, .rights = GUEST_RIGHTS};
    if (guest == &vx_radix_pae) {
        key.gfn = (vm->guest.pdpte[index] & VX_ENTRY_ADDRESS) >> VX_PAGE_SHIFT;
    } else {
        key.gfn = (vm->guest.cr3 & 0xFFFFF000ULL) >> VX_PAGE_SHIFT;
        key.quadrant = (uint8_t)index;
    }
    return key;
}

void shadow_mirrored_entries(const vmm_vm *vm, const shadow_key *key, unsigned index, unsigned count, unsigned *first,
                             unsigned *past)
{
    unsigned scale = 1, low = 0;
    if (is_small(vm)) {
        scale = key->level == 1 ? 1 : 2; /* a directory has two entries for each 4 MiB of the guest's */
        low = key->quadrant * ENTRIES / scale;
    }
    unsigned high = low + ENTRIES / scale;
    unsigned from = index > low ? index : low, to = index + count < high ? index + count : high;
    *first = (from - low) * scale;
    *past = to > from ? (to - low) * scale : *first;
}

vx_gpa shadow_mirrored_gpa(const vmm_vm *vm, const shadow_key *key, unsigned index)
{
    unsigned bytes = is_small(vm) ? 4 : 8;
    unsigned at = is_small(vm) ? key->quadrant * ENTRIES + index : index;
    return (vx_gpa){(key->gfn << VX_PAGE_SHIFT) + (uint64_t)at * bytes};
}

void shadow_write_guest(vmm_vm *vm, const vx_record *record, const uint64_t *payload)
{
    vx_hpa at = vx_gpa_map_hpa(vm->ram, (vx_gpa){payload[0]});
    if (record->size == 4)
        vx_physmem_write32(vm->vmm->memory, at, (uint32_t)payload[1]);
    else
        vx_physmem_write64(vm->vmm->memory, at, payload[1]);
}

vx_status shadow_verify_roots(vmm_vm *vm, shadow_pages *pages, const shadow_page *root, uint64_t *leaves,
                              uint64_t *stale, vx_msg *msg)
{
    const vx_radix *format = shadow_format(&vm->guest);
    if (!root) return VX_OK;
    if (format == &vx_radix_pae) return shadow_verify_tree(vm, format, root->table, leaves, stale, msg);
    uint64_t cr3 = vm->guest.cr3;
    vx_status status = VX_OK;
    for (shadow_page *page = NULL; status == VX_OK && (page = shadow_pages_at(pages, format->top, page));) {
        vm->guest.cr3 = page->key.gfn << VX_PAGE_SHIFT;
        status = shadow_verify_tree(vm, format, page->table, leaves, stale, msg);
    }
    vm->guest.cr3 = cr3;
    return status;
}
