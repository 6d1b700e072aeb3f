/* SDM Vol. 3A: formats 4.3 to 4.5, access rights 4.6, error code 4.7, accessed and dirty flags 4.8. */
#include "guest_walk.h"

enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_I = 16 };

const vx_radix *guest_format(const vx_registers *guest)
{
    static const vx_radix *const formats[VX_PAGING_MODES] = {
        [VX_PAGING_32BIT] = &vx_radix_2level,
        [VX_PAGING_PAE] = &vx_radix_pae,
        [VX_PAGING_4LEVEL] = &vx_radix_4level,
        [VX_PAGING_5LEVEL] = &vx_radix_5level,
    };
    return formats[vx_registers_paging(guest)];
}

static uint64_t guest_root(const vx_registers *guest, const vx_radix *format)
{
    if (format == &vx_radix_2level) return guest->cr3 & 0xFFFFF000ULL;
    if (format == &vx_radix_pae) return guest->cr3 & 0xFFFFFFE0ULL;
    return guest->cr3 & VX_ENTRY_ADDRESS;
}

static void judge(const vmm_vm *vm, guest_walk *walk, vx_access access)
{
    const vx_registers *guest = &vm->guest;
    const vx_registers *now = vx_vcpu_registers(vm->vcpu);
    bool user = now->cpl == 3, store = access == VX_ACCESS_STORE, fetch = access == VX_ACCESS_FETCH;
    bool nxe = (guest->efer & VX_EFER_NXE) != 0, smep = (guest->cr4 & VX_CR4_SMEP) != 0;
    walk->error_code = (store ? PF_W : 0U) | (user ? PF_U : 0U) | (fetch && (nxe || smep) ? PF_I : 0U);
    if (!walk->present) return;
    walk->error_code |= PF_P;
    bool wrong = user && !walk->user;
    wrong |= store && !walk->writable && (user || (guest->cr0 & VX_CR0_WP));
    wrong |= fetch && nxe && walk->no_execute;
    wrong |= fetch && !user && smep && walk->user;
    wrong |= !fetch && !user && (guest->cr4 & VX_CR4_SMAP) && walk->user && !now->ac;
    walk->allowed = !wrong;
}

guest_walk guest_walk_for(const vmm_vm *vm, vx_gva gva, vx_access access)
{
    const vx_radix *format = guest_format(&vm->guest);
    guest_walk walk = {.top = format->top, .leaf = format->top, .writable = true, .user = true};
    uint64_t table = guest_root(&vm->guest, format);
    for (unsigned level = format->top; level > 0; level--) {
        vx_gpa at = {table + (uint64_t)vx_radix_index(format, level, gva.v) * format->entry_bytes};
        uint64_t entry = vx_radix_read(format, vm->vmm->memory, vx_gpa_map_hpa(vm->ram, at));
        walk.step[level] = (guest_step){at, entry};
        walk.leaf = (uint8_t)level;
        if (!(entry & VX_PTE_P)) break;
        /* A PAE PDPTE has no rights of its own (SDM Table 4-8). */
        bool rights = !(format == &vx_radix_pae && level == 3);
        if (rights) {
            walk.writable &= (entry & VX_PTE_W) != 0;
            walk.user &= (entry & VX_PTE_U) != 0;
            walk.no_execute |= (entry & VX_PTE_NX) != 0;
        }
        bool large_off = format == &vx_radix_2level && !(vm->guest.cr4 & VX_CR4_PSE);
        bool leaf = vx_radix_is_leaf(format, level, entry) && !(level > 1 && large_off);
        table = vx_radix_frame(format, entry, level, leaf);
        if (!leaf) continue;
        walk.present = true;
        walk.page = (vx_page_size)format->page[level];
        walk.frame = table;
        walk.dirty = (entry & VX_PTE_D) != 0;
        break;
    }
    judge(vm, &walk, access);
    return walk;
}

void guest_walk_set_accessed(vmm_vm *vm, guest_walk *walk, vx_access access)
{
    const vx_radix *format = guest_format(&vm->guest);
    for (unsigned level = walk->top; level >= walk->leaf; level--) {
        if (format == &vx_radix_pae && level == 3) continue; /* PDPTEs have no A flag */
        guest_step *step = &walk->step[level];
        uint64_t wanted = step->entry | VX_PTE_A;
        if (level == walk->leaf && access == VX_ACCESS_STORE) wanted |= VX_PTE_D;
        if (wanted == step->entry) continue;
        step->entry = wanted;
        vx_radix_write(format, vm->vmm->memory, vx_gpa_map_hpa(vm->ram, step->at), wanted);
        vm->vmm->counts.ad_emulations++;
    }
    if (access == VX_ACCESS_STORE) walk->dirty = true;
}
