/* The current root and the ones before it: Linux 6.1, arch/x86/kvm/mmu/mmu.c: cached_root_find_and_rotate,
 * mmu_alloc_shadow_roots, kvm_mmu_sync_roots.
 *
 * A PAE root is not kept: its four entries are latched, so it is made anew at each load (as KVM does). */
#include "kvm_pages.h"

/* In a PAE PDPTE rights are reserved bits (SDM Table 4-8). */
#define PDPTE VX_PTE_P

static unsigned previous_roots(const vmm_vm *vm) { return vm->vmm->config->shadow.previous_roots; }

/* A directory that the current PAE root names: the processor has latched its address, so it is as good as a root. */
static bool is_latched(const vmm_vm *vm, const shadow_page *page)
{
    const kvm_vcpu *own = kvm_vcpu_of(vm);
    if (!own->root.page || page->key.level != 2 || own->root.page->key.level != 3) return false;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t entry = vx_physmem_read64(vm->vmm->memory, (vx_hpa){own->root.page->table + 8ULL * i});
        if ((entry & VX_PTE_P) && (entry & VX_ENTRY_ADDRESS) == page->table) return true;
    }
    return false;
}

static bool holds(const vmm_vm *vm, const shadow_page *page)
{
    const kvm_vcpu *own = kvm_vcpu_of(vm);
    if (own->root.page == page || is_latched(vm, page)) return true;
    for (unsigned i = 0; i < previous_roots(vm); i++)
        if (own->previous[i].page == page) return true;
    return false;
}

bool kvm_roots_holds(vmm_vm *vm, const shadow_page *page)
{
    for (unsigned i = 0; i < vm->vmm->vcpus; i++)
        if (holds(vmm_sibling(vm, i), page)) return true;
    return false;
}

static void forget(const vmm_vm *vm, const shadow_page *page)
{
    kvm_vcpu *own = kvm_vcpu_of(vm);
    if (own->root.page == page || is_latched(vm, page)) own->root.page = NULL;
    for (unsigned i = 0; i < previous_roots(vm); i++)
        if (own->previous[i].page == page) own->previous[i].page = NULL;
}

void kvm_roots_forget(vmm_vm *vm, const shadow_page *page)
{
    for (unsigned i = 0; i < vm->vmm->vcpus; i++) forget(vmm_sibling(vm, i), page);
}

void kvm_roots_forget_all(vmm_vm *vm)
{
    kvm_vcpu *own = kvm_vcpu_of(vm);
    own->root.page = NULL;
    for (unsigned i = 0; i < previous_roots(vm); i++) own->previous[i].page = NULL;
}

static void link_directories(vmm_vm *vm, const shadow_page *root)
{
    kvm_shadow *kvm = vm->state;
    bool may_be_absent = guest_format(&vm->guest) == &vx_radix_pae;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t entry = root->table + 8ULL * i;
        shadow_pages_clear(&kvm->pages, entry, 3);
        if (may_be_absent && !(vm->guest.pdpte[i] & VX_PTE_P)) continue;
        shadow_key key = shadow_key_of_directory(vm, i);
        shadow_page *directory = kvm_page_get(vm, &key);
        if (!directory) return;
        if (!shadow_pages_link(&kvm->pages, entry, directory, PDPTE)) vm->vmm->out_of_tables = true;
    }
}

static void make(vmm_vm *vm)
{
    kvm_vcpu *own = kvm_vcpu_of(vm);
    const vx_radix *format = shadow_format(&vm->guest);
    bool pae = format == &vx_radix_pae;
    shadow_key key = {.level = format->top, .rights = GUEST_RIGHTS, .direct = pae};
    key.gfn = pae ? vm->guest.cr3 >> 5 : (vm->guest.cr3 & VX_ENTRY_ADDRESS) >> VX_PAGE_SHIFT;
    kvm_pages_make_room(vm);
    own->root = (kvm_root){kvm_page_get(vm, &key), vm->guest.cr3};
    if (own->root.page && pae) link_directories(vm, own->root.page);
}

/* The wanted root is exchanged with the current one, which moves to the front of the row. The last of the row, where
 * the wanted one is not among them, is no root any more; its page stays among the others. */
static bool rotate(vmm_vm *vm)
{
    kvm_vcpu *own = kvm_vcpu_of(vm);
    for (unsigned i = 0; i < previous_roots(vm); i++) {
        kvm_root swapped = own->root;
        own->root = own->previous[i];
        own->previous[i] = swapped;
        if (own->root.page && own->root.cr3 == vm->guest.cr3) return true;
    }
    own->root.page = NULL;
    return false;
}

static bool is_current(const vmm_vm *vm)
{
    const kvm_vcpu *own = kvm_vcpu_of(vm);
    return own->root.page && own->root.cr3 == vm->guest.cr3;
}

void kvm_roots_reload(vmm_vm *vm)
{
    kvm_vcpu *own = kvm_vcpu_of(vm);
    if (!own->root.page) make(vm);
    if (!own->root.page) return;
    shadow_load_registers(vm, own->root.page->table);
    ((kvm_shadow *)vm->state)->flush = true;
}

void kvm_roots_load(vmm_vm *vm)
{
    kvm_vcpu *own = kvm_vcpu_of(vm);
    bool pae = shadow_format(&vm->guest) == &vx_radix_pae;
    if (pae)
        make(vm);
    else if (!is_current(vm) && !rotate(vm))
        make(vm);
    if (!own->root.page) return;
    kvm_page_used(vm, own->root.page);
    kvm_pages_sync_below(vm, own->root.page);
    kvm_roots_reload(vm);
}
