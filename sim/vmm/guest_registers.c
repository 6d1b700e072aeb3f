/* SDM Vol. 3A 4.1.2 (paging-mode enabling), 4.4.1 (when PDPTEs are loaded), 4.10.4.1 (what flushes); Vol. 3C 24.6.6
 * (guest/host masks and read shadows). */
#include "guest_registers.h"

#include "guest_walk.h"

#define CR0_REGIME (VX_CR0_PG | VX_CR0_WP)
#define CR4_REGIME (VX_CR4_PSE | VX_CR4_PAE | VX_CR4_LA57 | VX_CR4_SMEP | VX_CR4_SMAP)
#define CR4_FLUSHES (VX_CR4_PGE | VX_CR4_PCIDE)
#define CR4_LATCHES (VX_CR4_PAE | VX_CR4_PGE | VX_CR4_PSE | VX_CR4_SMEP)
#define EFER_REGIME (VX_EFER_LME | VX_EFER_LMA | VX_EFER_NXE)

static void show(vmm_vm *vm)
{
    vm->vmcs.cr0_shadow = vm->guest.cr0;
    vm->vmcs.cr4_shadow = vm->guest.cr4;
}

void guest_registers_load(vmm_vm *vm, const vx_registers *guest)
{
    vm->guest = *guest;
    show(vm);
}

/* Writes that change no bit of the host's did not exit: those bits are the hardware's. AMD has no masks; what is
 * intercepted there is intercepted whole, and a deprivileged guest's writes all reach the hypervisor. */
static void catch_up(vmm_vm *vm)
{
    if (vm->vmm->cpu->vendor == VX_VENDOR_AMD || vm->vmm->scheme->deprivileged) return;
    const vx_registers *hardware = vx_vcpu_registers(vm->vcpu);
    vm->guest.cr0 = (vm->guest.cr0 & vm->vmcs.cr0_mask) | (hardware->cr0 & ~vm->vmcs.cr0_mask);
    vm->guest.cr4 = (vm->guest.cr4 & vm->vmcs.cr4_mask) | (hardware->cr4 & ~vm->vmcs.cr4_mask);
}

static guest_change write_cr0(vmm_vm *vm, uint64_t value)
{
    vx_registers *guest = &vm->guest;
    uint64_t changed = guest->cr0 ^ value;
    guest->cr0 = value;
    if (!(value & VX_CR0_PG))
        guest->efer &= ~VX_EFER_LMA;
    else if (guest->efer & VX_EFER_LME)
        guest->efer |= VX_EFER_LMA;
    if (changed & VX_CR0_PG) guest_latch_pdptes(vm);
    return changed & CR0_REGIME ? GUEST_CHANGE_REGIME : GUEST_CHANGE_NONE;
}

static guest_change write_cr4(vmm_vm *vm, uint64_t value)
{
    uint64_t changed = vm->guest.cr4 ^ value;
    vm->guest.cr4 = value;
    if (changed & CR4_LATCHES) guest_latch_pdptes(vm);
    if (changed & CR4_REGIME) return GUEST_CHANGE_REGIME;
    return changed & CR4_FLUSHES ? GUEST_CHANGE_FLUSH : GUEST_CHANGE_NONE;
}

static guest_change write_cr3(vmm_vm *vm, uint64_t value)
{
    vm->guest.cr3 = value & ~VX_CR3_NO_FLUSH;
    guest_latch_pdptes(vm);
    return GUEST_CHANGE_ROOT;
}

static guest_change write_efer(vmm_vm *vm, uint64_t value)
{
    uint64_t changed = vm->guest.efer ^ value;
    vm->guest.efer = value;
    return changed & EFER_REGIME ? GUEST_CHANGE_REGIME : GUEST_CHANGE_NONE;
}

static guest_change write_register(vmm_vm *vm, const vx_record *record)
{
    uint64_t cr0 = vm->guest.cr0;
    switch (record->kind) {
    case VX_REC_CR_WRITE:
        if (record->size == 0) return write_cr0(vm, record->addr);
        if (record->size == 3) return write_cr3(vm, record->addr);
        return record->size == 4 ? write_cr4(vm, record->addr) : GUEST_CHANGE_NONE;
    case VX_REC_LMSW: /* PE cannot be cleared */
        return write_cr0(vm, (cr0 & ~0xEULL) | (record->addr & 0xF));
    case VX_REC_CLTS:
        return write_cr0(vm, cr0 & ~VX_CR0_TS);
    case VX_REC_EFER_LOAD:
        return write_efer(vm, record->addr);
    default:
        return GUEST_CHANGE_NONE;
    }
}

guest_change guest_registers_write(vmm_vm *vm, const vx_record *record)
{
    catch_up(vm);
    guest_change change = write_register(vm, record);
    show(vm);
    return change;
}
