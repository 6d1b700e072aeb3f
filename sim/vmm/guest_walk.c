/* SDM Vol. 3A: formats 4.3 to 4.5, access rights 4.6, error code 4.7, accessed and dirty flags 4.8.
 *
 * A software walk of its own, as every hypervisor has one, written from the manual and not from the hardware's.
 * NOT MODELLED: protection keys. */
#include "guest_walk.h"

#include <string.h>

#include "vx_exception.h"

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

void guest_latch_pdptes(vmm_vm *vm)
{
    if (guest_format(&vm->guest) != &vx_radix_pae) return;
    for (unsigned i = 0; i < 4; i++) {
        vx_gpa at = {(vm->guest.cr3 & 0xFFFFFFE0ULL) + 8ULL * i};
        vm->guest.pdpte[i] = vx_physmem_read64(vm->vmm->memory, vx_gpa_map_hpa(vm->ram, at));
    }
}

bool guest_load_pdptes(vmm_vm *vm, const uint64_t *pdpte)
{
    if (memcmp(vm->guest.pdpte, pdpte, sizeof vm->guest.pdpte) == 0) return false;
    memcpy(vm->guest.pdpte, pdpte, sizeof vm->guest.pdpte);
    return true;
}

static uint64_t bits(unsigned high, unsigned low) /* high:low, inclusive */
{
    return high < low ? 0 : ((2ULL << high) - 1) & ~((1ULL << low) - 1);
}

/* SDM Vol. 3A, 4.3: of 4-byte entries only 4M leaves have reserved bits: bit 21, and those of bits 20:13 that would
 * reach beyond the physical address. */
static uint64_t reserved_4byte(const vx_cfg_paging *cpu, unsigned level, bool leaf)
{
    if (level == 1 || !leaf) return 0;
    unsigned extra = cpu->pse36 && cpu->physical_bits > 32 ? cpu->physical_bits - 32U : 0;
    return bits(21, 13 + (extra < 8 ? extra : 8));
}

/* Tables 4-8 to 4-20. */
static uint64_t reserved_8byte(const vmm_vm *vm, const vx_radix *format, unsigned level, bool leaf)
{
    const vx_cfg_paging *cpu = &vm->vmm->cpu->paging;
    uint64_t reserved = bits(51, cpu->physical_bits);
    if (!(vm->guest.efer & VX_EFER_NXE)) reserved |= VX_PTE_NX;
    if (format == &vx_radix_pae) reserved |= bits(62, 52);
    if (leaf && level == 2) reserved |= bits(20, 13);
    if (leaf && level == 3) reserved |= cpu->page_1g ? bits(29, 13) : VX_PTE_PS;
    if (level >= 4) reserved |= VX_PTE_PS;
    return reserved;
}

static bool malformed(const vmm_vm *vm, const vx_radix *format, unsigned level, bool leaf, uint64_t entry)
{
    uint64_t reserved = format == &vx_radix_2level ? reserved_4byte(&vm->vmm->cpu->paging, level, leaf)
                                                   : reserved_8byte(vm, format, level, leaf);
    return (entry & reserved) != 0;
}

bool guest_entry_malformed(const vmm_vm *vm, unsigned level, bool leaf, uint64_t entry)
{
    return malformed(vm, guest_format(&vm->guest), level, leaf, entry);
}

static uint32_t fault_code(const vmm_vm *vm, vx_access access)
{
    const vx_registers *guest = &vm->guest;
    bool nx = (guest->efer & VX_EFER_NXE) && vx_registers_paging(guest) != VX_PAGING_32BIT;
    bool tells = nx || (guest->cr4 & VX_CR4_SMEP);
    return (access == VX_ACCESS_STORE ? VX_PF_W : 0U) | (vx_vcpu_registers(vm->vcpu)->cpl == 3 ? VX_PF_U : 0U) |
           (access == VX_ACCESS_FETCH && tells ? VX_PF_I : 0U);
}

static void judge(const vmm_vm *vm, guest_walk *walk, vx_access access)
{
    const vx_registers *guest = &vm->guest;
    const vx_registers *now = vx_vcpu_registers(vm->vcpu);
    bool user = now->cpl == 3, store = access == VX_ACCESS_STORE, fetch = access == VX_ACCESS_FETCH;
    bool nxe = (guest->efer & VX_EFER_NXE) != 0, smep = (guest->cr4 & VX_CR4_SMEP) != 0;
    walk->error_code |= VX_PF_P;
    bool wrong = user && !walk->user;
    wrong |= store && !walk->writable && (user || (guest->cr0 & VX_CR0_WP));
    wrong |= fetch && nxe && walk->no_execute;
    wrong |= fetch && !user && smep && walk->user;
    wrong |= !fetch && !user && (guest->cr4 & VX_CR4_SMAP) && walk->user && !now->ac;
    walk->allowed = !wrong;
}

/* A PAE PDPTE is latched, and has no rights of its own (SDM Table 4-8). */
static bool is_pdpte(const vx_radix *format, unsigned level) { return format == &vx_radix_pae && level == 3; }

static guest_step read_step(const vmm_vm *vm, const vx_radix *format, unsigned level, uint64_t table, vx_gva gva)
{
    unsigned index = vx_radix_index(format, level, gva.v);
    vx_gpa at = {table + (uint64_t)index * format->entry_bytes};
    if (is_pdpte(format, level)) return (guest_step){at, vm->guest.pdpte[index]};
    return (guest_step){at, vx_radix_read(format, vm->vmm->memory, vx_gpa_map_hpa(vm->ram, at))};
}

static void combine(guest_walk *walk, uint64_t entry)
{
    walk->writable &= (entry & VX_PTE_W) != 0;
    walk->user &= (entry & VX_PTE_U) != 0;
    walk->no_execute |= (entry & VX_PTE_NX) != 0;
}

static uint8_t rights_of(const guest_walk *walk)
{
    return (uint8_t)((walk->writable ? GUEST_RIGHT_WRITE : 0) | (walk->user ? GUEST_RIGHT_USER : 0) |
                     (walk->no_execute ? 0 : GUEST_RIGHT_EXECUTE));
}

guest_walk guest_walk_for(const vmm_vm *vm, vx_gva gva, vx_access access)
{
    const vx_radix *format = guest_format(&vm->guest);
    guest_walk walk = {.top = format->top, .writable = true, .user = true, .error_code = fault_code(vm, access)};
    uint64_t table = guest_root(&vm->guest, format);
    for (unsigned level = format->top; !walk.present; level--) {
        guest_step step = read_step(vm, format, level, table, gva);
        uint64_t entry = step.entry;
        walk.step[level] = step;
        walk.leaf = (uint8_t)level;
        walk.above[level] = rights_of(&walk);
        if (!(entry & VX_PTE_P)) return walk;
        bool large = format != &vx_radix_2level || (vm->guest.cr4 & VX_CR4_PSE); /* without PSE bit 7 is ignored */
        bool leaf = level == 1 || (large && vx_radix_is_leaf(format, level, entry));
        if (!is_pdpte(format, level)) {
            if (malformed(vm, format, level, leaf, entry)) {
                walk.error_code |= VX_PF_P | VX_PF_RSVD;
                return walk;
            }
            combine(&walk, entry);
        }
        table = vx_radix_frame(format, entry, level, leaf);
        if (!leaf) continue;
        walk.present = true;
        walk.page = (vx_page_size)format->page[level];
        walk.frame = table;
        walk.dirty = (entry & VX_PTE_D) != 0;
    }
    judge(vm, &walk, access);
    return walk;
}

void guest_walk_set_accessed(vmm_vm *vm, guest_walk *walk, vx_access access)
{
    const vx_radix *format = guest_format(&vm->guest);
    for (unsigned level = walk->top; level >= walk->leaf; level--) {
        if (is_pdpte(format, level)) continue; /* no A flag */
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
