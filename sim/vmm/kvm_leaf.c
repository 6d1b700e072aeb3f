/* Leaves of KVM's shadow tables: Linux 6.1, arch/x86/kvm/mmu/paging_tmpl.h: prefetch_invalid_gpte, prefetch_gpte,
 * sync_page, invlpg. */
#include "kvm_pages.h"

static uint64_t entry_at(const shadow_page *page, unsigned index) { return page->table + 8ULL * index; }

static uint64_t read_entry(const vmm_vm *vm, uint64_t entry)
{
    return vx_physmem_read64(vm->vmm->memory, (vx_hpa){entry});
}

static void clear(vmm_vm *vm, shadow_page *page, unsigned index)
{
    kvm_shadow *kvm = vm->state;
    if (read_entry(vm, entry_at(page, index)) & VX_PTE_P) kvm_lost_rights(kvm);
    shadow_pages_clear(&kvm->pages, entry_at(page, index), page->key.level);
}

/* The guest entry behind a shadow leaf, as the end of a walk. False: nothing that may be mapped unasked. */
static bool behind(const vmm_vm *vm, const shadow_page *page, unsigned index, guest_walk *walk)
{
    const vx_radix *format = guest_format(&vm->guest);
    if (!format) return false;
    vx_hpa at = vx_gpa_map_hpa(vm->ram, shadow_mirrored_gpa(vm, &page->key, index));
    uint64_t entry = vx_radix_read(format, vm->vmm->memory, at);
    if (!(entry & VX_PTE_P) || !(entry & VX_PTE_A) || guest_entry_malformed(vm, 1, true, entry)) return false;
    uint8_t rights = page->key.rights;
    *walk = (guest_walk){.present = true,
                         .page = VX_PAGE_4K,
                         .frame = vx_radix_frame(format, entry, 1, true),
                         .writable = (rights & GUEST_RIGHT_WRITE) && (entry & VX_PTE_W),
                         .user = (rights & GUEST_RIGHT_USER) && (entry & VX_PTE_U),
                         .no_execute = !(rights & GUEST_RIGHT_EXECUTE) || (entry & VX_PTE_NX),
                         .dirty = (entry & VX_PTE_D) != 0};
    return walk->frame < vm->ram->bytes;
}

static void map(vmm_vm *vm, shadow_page *page, unsigned index, uint64_t frame, uint64_t bits)
{
    kvm_shadow *kvm = vm->state;
    if (!shadow_pages_map(&kvm->pages, entry_at(page, index), frame, bits)) vm->vmm->out_of_tables = true;
}

bool kvm_leaf_prefetch(vmm_vm *vm, shadow_page *page, unsigned index)
{
    guest_walk walk;
    if (!behind(vm, page, index, &walk)) {
        clear(vm, page, index);
        return false;
    }
    bool writable = kvm_pages_writable(vm, walk.frame >> VX_PAGE_SHIFT, true, true);
    map(vm, page, index, vx_gpa_map_hpa(vm->ram, (vx_gpa){walk.frame}).v,
        shadow_leaf_bits(vm, &walk, VX_ACCESS_LOAD, writable));
    vm->vmm->counts.shadow_fills++;
    return true;
}

static void sync_entry(vmm_vm *vm, shadow_page *page, unsigned index)
{
    kvm_shadow *kvm = vm->state;
    uint64_t old = read_entry(vm, entry_at(page, index));
    if (!(old & VX_PTE_P)) return;
    guest_walk walk;
    uint64_t frame = old & VX_ENTRY_ADDRESS;
    if (!behind(vm, page, index, &walk) || vx_gpa_map_hpa(vm->ram, (vx_gpa){walk.frame}).v != frame) {
        clear(vm, page, index);
        return;
    }
    bool writable = (old & VX_PTE_W) || kvm_pages_writable(vm, walk.frame >> VX_PAGE_SHIFT, false, true);
    uint64_t bits = shadow_leaf_bits(vm, &walk, VX_ACCESS_LOAD, writable);
    const uint64_t compared = VX_PTE_W | VX_PTE_U | VX_PTE_NX;
    if (((old ^ bits) & compared) == 0) return;
    kvm_lost_rights(kvm);
    map(vm, page, index, frame, bits);
}

void kvm_leaf_sync(vmm_vm *vm, shadow_page *page)
{
    for (unsigned i = 0; i < 512; i++) sync_entry(vm, page, i);
}

void kvm_leaf_invalidate(vmm_vm *vm, shadow_page *page, unsigned index)
{
    if (!vm->vmm->config->shadow.invlpg_maps) {
        sync_entry(vm, page, index);
        return;
    }
    clear(vm, page, index);
    (void)kvm_leaf_prefetch(vm, page, index);
}
