/* Shadow paging's hold on the processor: SDM Vol. 3C 24.6.3 (page-fault mask and match), 24.6.6 (CR0 and CR4 masks);
 * AMD APM Vol. 2, 15.9. What to intercept follows the textbook: every CR3 load, every page fault. */
#include "shadow_hardware.h"

#include <inttypes.h>

#define CR0_WATCHED (VX_CR0_PG | VX_CR0_WP | VX_CR0_PE)
#define CR4_WATCHED (VX_CR4_PSE | VX_CR4_PAE | VX_CR4_PGE | VX_CR4_LA57 | VX_CR4_PCIDE | VX_CR4_SMEP | VX_CR4_SMAP)

const vx_radix *shadow_format(const vx_registers *guest)
{
    switch (vx_registers_paging(guest)) {
    case VX_PAGING_4LEVEL:
        return &vx_radix_4level;
    case VX_PAGING_5LEVEL:
        return &vx_radix_5level;
    default:
        return &vx_radix_pae;
    }
}

void shadow_load_registers(vmm_vm *vm, uint64_t root)
{
    const vx_registers *guest = &vm->guest;
    const vx_radix *format = shadow_format(guest);
    vx_registers hardware = *vx_vcpu_registers(vm->vcpu);
    hardware.cr0 = guest->cr0 | VX_CR0_PG | VX_CR0_PE | VX_CR0_WP;
    hardware.cr4 = (guest->cr4 | VX_CR4_PAE) & ~(VX_CR4_PGE | VX_CR4_PCIDE | VX_CR4_PSE);
    hardware.efer = guest->efer | VX_EFER_NXE;
    hardware.ac = guest->ac;
    if (format == &vx_radix_pae) {
        hardware.efer &= ~(VX_EFER_LMA | VX_EFER_LME);
        for (unsigned i = 0; i < 4; i++)
            hardware.pdpte[i] = vx_physmem_read64(vm->vmm->memory, (vx_hpa){root + 8ULL * i});
    }
    hardware.cr3 = root;
    vx_vcpu_set_registers(vm->vcpu, &hardware);
}

void shadow_controls(vmm_vm *vm)
{
    vx_vmcs *c = &vm->vmcs;
    c->exception_bitmap |= 1U << 14;
    c->page_fault_mask = c->page_fault_match = 0; /* every page fault */
    c->cpu |= VX_CPU_CR3_LOAD_EXITING | VX_CPU_CR3_STORE_EXITING;
    c->cr0_mask |= CR0_WATCHED;
    c->cr4_mask |= CR4_WATCHED;
    vm->vmcb.exceptions |= 1U << 14;
    vm->vmcb.cr_write |= (1U << 0) | (1U << 3) | (1U << 4);
    vm->vmcb.cr_read |= 1U << 3;
}

void shadow_controls_and_flushes(vmm_vm *vm)
{
    shadow_controls(vm);
    vm->vmcs.cpu |= VX_CPU_INVLPG_EXITING; /* INVPCID too, where it is enabled */
    bool invpcid = vm->vmm->cpu->paging.invpcid && (vm->vmcs.cpu & VX_CPU_SECONDARY_CONTROLS);
    if (invpcid) vm->vmcs.cpu2 |= VX_CPU2_INVPCID;
    vm->vmcb.intercepts1 |= 1U << 25; /* INVLPG, APM Vol. 2, Appendix B */
    vm->vmcb.intercepts3 |= 1U << 2;  /* INVPCID */
}

static bool is_page_fault(const vmm_vm *vm, const vx_exit *exit)
{
    if (vm->vmm->cpu->vendor == VX_VENDOR_AMD) return exit->reason == 0x4E;
    return exit->reason == VX_EXIT_EXCEPTION_NMI && (exit->interruption & 0xFF) == 14;
}

shadow_exit shadow_exit_kind(const vmm_vm *vm, const vx_exit *exit, const vx_record *record)
{
    if (record && record->kind == VX_REC_EXCEPTION) return SHADOW_EXIT_OTHER; /* recorded: reflected as it is */
    if (is_page_fault(vm, exit)) return SHADOW_EXIT_PAGE_FAULT;
    if (!record) return SHADOW_EXIT_OTHER;
    switch (record->kind) {
    case VX_REC_CR_WRITE:
        return record->size == 8 ? SHADOW_EXIT_OTHER : SHADOW_EXIT_REGISTER;
    case VX_REC_LMSW:
    case VX_REC_CLTS:
    case VX_REC_EFER_LOAD:
        return SHADOW_EXIT_REGISTER;
    case VX_REC_INVLPG:
        return SHADOW_EXIT_INVLPG;
    case VX_REC_INVPCID:
        return SHADOW_EXIT_INVPCID;
    default:
        return SHADOW_EXIT_OTHER;
    }
}

uint64_t shadow_fault_error(const vmm_vm *vm, const vx_exit *exit)
{
    return vm->vmm->cpu->vendor == VX_VENDOR_AMD ? exit->qualification : exit->error_code;
}

vx_access shadow_fault_access(const vmm_vm *vm, const vx_exit *exit)
{
    uint64_t error = shadow_fault_error(vm, exit);
    if (error & 2) return VX_ACCESS_STORE;
    return error & 16 ? VX_ACCESS_FETCH : VX_ACCESS_LOAD;
}

guest_walk shadow_guest_walk(const vmm_vm *vm, vx_gva gva, vx_access access)
{
    if (guest_format(&vm->guest)) return guest_walk_for(vm, gva, access);
    return (guest_walk){.present = true,
                        .allowed = true,
                        .leaf = 4, /* as a page above all levels: no entries to mark accessed, no tables to mirror */
                        .page = VX_PAGE_1G,
                        .frame = gva.v & ~((1ULL << 30) - 1),
                        .writable = true,
                        .user = true,
                        .dirty = true};
}

bool shadow_fault_hidden(vmm_vm *vm, const vx_exit *exit, vx_access access, guest_walk *walk)
{
    *walk = shadow_guest_walk(vm, exit->linear, access);
    if (!walk->allowed) {
        vm->vmm->counts.injected_faults++;
        vx_vcpu_inject_page_fault(vm->vcpu, exit->linear, walk->error_code);
        return false;
    }
    vm->vmm->counts.hidden_faults++;
    guest_walk_set_accessed(vm, walk, access);
    return true;
}

uint64_t shadow_leaf_bits(const vmm_vm *vm, const guest_walk *walk, vx_access access, bool writable)
{
    uint64_t bits = VX_PTE_P | VX_PTE_A;
    bool user = walk->user, no_execute = walk->no_execute;
    /* W is given only once the guest's D flag is set, so that the first store faults and D can be emulated. */
    if (walk->writable && walk->dirty && writable) bits |= VX_PTE_W | VX_PTE_D;
    /* CR0.WP = 0: a supervisor store to a read-only page is let through by taking the page from user code until it
     * faults there again; as a supervisor page it must not become executable under SMEP (as KVM does). NOT MODELLED:
     * SMAP with WP = 0, where such a page is readable to the supervisor. */
    if (access == VX_ACCESS_STORE && !walk->writable && writable && !(vm->guest.cr0 & VX_CR0_WP)) {
        bits |= VX_PTE_W | VX_PTE_D;
        no_execute |= user && (vm->guest.cr4 & VX_CR4_SMEP);
        user = false;
    }
    if (user) bits |= VX_PTE_U;
    if (no_execute) bits |= VX_PTE_NX;
    return bits;
}

static void invvpid(vmm_vm *vm, vx_mmu_op op, vx_gva gva)
{
    if (vm->vmm->scheme->deprivileged) { /* the hypervisor's own INVLPG, or its MOV to CR3 */
        bool one = op == VX_OP_INVLPGA || op == VX_OP_INVVPID_ADDRESS;
        vx_mmu_invalidation own = {.op = one ? VX_OP_INVLPG : VX_OP_CR3_LOAD, .gva = gva};
        vx_mmu_invalidate(vx_vcpu_mmu(vm->vcpu), &own);
        return;
    }
    if (!vm->vmm->vpid) return; /* VM entry drops everything of VPID 0 */
    bool amd = vm->vmm->cpu->vendor == VX_VENDOR_AMD;
    uint16_t vpid = (uint16_t)(amd ? vm->vmcb.asid : vm->vmcs.vpid);
    vx_mmu_invalidation drop = {.op = op, .gva = gva, .vpid = vpid};
    vx_mmu_invalidate(vx_vcpu_mmu(vm->vcpu), &drop);
}

void shadow_drop_address(vmm_vm *vm, vx_gva gva)
{
    invvpid(vm, vm->vmm->cpu->vendor == VX_VENDOR_AMD ? VX_OP_INVLPGA : VX_OP_INVVPID_ADDRESS, gva);
}

void shadow_drop_all(vmm_vm *vm)
{
    invvpid(vm, vm->vmm->cpu->vendor == VX_VENDOR_AMD ? VX_OP_FLUSH_ASID : VX_OP_INVVPID_CONTEXT, (vx_gva){0});
}

/* W on a leaf: the guest's tables allow stores and D is set; or WP = 0 and user code has no access. */
static bool wider(const vmm_vm *vm, const guest_walk *walk, uint64_t entry)
{
    bool supervisor_only = !(vm->guest.cr0 & VX_CR0_WP) && !(entry & VX_PTE_U);
    return ((entry & VX_PTE_U) && !walk->user) || (!(entry & VX_PTE_NX) && walk->no_execute) ||
           ((entry & VX_PTE_W) && !(walk->writable && walk->dirty) && !supervisor_only);
}

static vx_status verify_leaf(vmm_vm *vm, uint64_t gva, uint64_t entry, uint64_t frame, uint64_t *stale, vx_msg *msg)
{
    guest_walk walk = shadow_guest_walk(vm, (vx_gva){gva}, VX_ACCESS_LOAD);
    bool same = walk.present && vx_gpa_map_hpa(vm->ram, (vx_gpa){guest_walk_gpa(&walk, (vx_gva){gva})}).v == frame;
    if (same && !wider(vm, &walk, entry)) return VX_OK;
    if (stale) {
        ++*stale;
        return VX_OK;
    }
    return vx_fail(msg, VX_ERR_CHECK, "shadow leaf of gva 0x%" PRIx64 " (0x%" PRIx64 ") %s", gva, entry,
                   same ? "has wider rights than the guest's tables" : "differs from the guest's tables");
}

/* Rights of the shadow's path: a leaf has no more than the entries above it. */
static uint64_t combined(uint64_t above, uint64_t entry)
{
    return (entry & ~(uint64_t)(VX_PTE_W | VX_PTE_U)) | (entry & above & (VX_PTE_W | VX_PTE_U)) |
           ((entry | above) & VX_PTE_NX);
}

typedef struct verification {
    vmm_vm *vm;
    const vx_radix *format;
    uint64_t *leaves, *stale;
    vx_msg *msg;
} verification;

static vx_status verify_level(const verification *now, unsigned level, uint64_t table, uint64_t prefix, uint64_t above)
{
    const vx_radix *format = now->format;
    for (unsigned i = 0; i < 1U << format->bits[level]; i++) {
        uint64_t entry = vx_physmem_read64(now->vm->vmm->memory, (vx_hpa){table + 8ULL * i});
        if (!(entry & VX_PTE_P)) continue;
        uint64_t gva = prefix | (uint64_t)i << format->shift[level];
        if (level == format->top && format->top >= 4 && i >= 256)
            gva |= ~0ULL << (format->shift[level] + format->bits[level]); /* canonical upper half */
        bool leaf = vx_radix_is_leaf(format, level, entry);
        uint64_t frame = vx_radix_frame(format, entry, level, leaf);
        bool pdpte = format == &vx_radix_pae && level == 3; /* no rights of its own */
        uint64_t path = pdpte ? above : combined(above, entry);
        vx_status status = leaf ? verify_leaf(now->vm, gva, path, frame, now->stale, now->msg)
                                : verify_level(now, level - 1, frame, gva, path);
        if (status != VX_OK) return status;
        if (leaf) ++*now->leaves;
    }
    return VX_OK;
}

vx_status shadow_verify_tree(vmm_vm *vm, const vx_radix *format, uint64_t root, uint64_t *leaves, uint64_t *stale,
                             vx_msg *msg)
{
    verification now = {vm, format, leaves, stale, msg};
    return verify_level(&now, format->top, root, 0, VX_PTE_W | VX_PTE_U);
}
