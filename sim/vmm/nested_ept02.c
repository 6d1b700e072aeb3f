/* EPT02: L1's table and L0's made into one, which the processor walks while L2 runs (Turtles, Ben-Yehuda et al., OSDI
 * 2010, 3.3.3, multi-dimensional paging). Real entries in host memory under the EPT pointer of the VMCS that L0 made
 * for L2.
 *
 * Filled at violations. Where EPT12 does not map the address, or forbids the access, or is misconfigured there, the
 * violation is L1's: the qualification's bits 5:3 are then EPT12's, and a misconfiguration is EPT_MISCONFIG although
 * the processor has only seen an absent entry (KVM of Linux 6.1, mmu/paging_tmpl.h and vmx/nested.c:
 * nested_ept_inject_page_fault). Else L0 mends it alone. A leaf is no larger than EPT12's and EPT01's and allows what
 * both allow. Where EPT01 does not map the page yet it gets its entry in the same exit. (KVM asks its memory slots
 * instead and leaves EPT01 to L1's own violations; the frame and the exits are the same.)
 *
 * A and D flags of EPT12 are L0's to set, where L1 asks for them (EPTP bit 6): A when it composes, D at a write; until
 * then EPT02 does not let L2 write, so that a page that is first read and then written is two violations.
 *
 * L1's INVEPT: an L0 of policy "kvm" brings every leaf in step (kvm_mmu_sync_roots; it also fills up to seven
 * neighbours of a leaf that EPT12 has too, pte_prefetch); any other throws EPT02 away.
 *
 * The vCPUs of a guest share EPT02, as they share EPT12.
 *
 * NOT MODELLED: EPT02 shared by VMs that share EPT12, KVM's limit to shadow pages, page-modification logging by L1, the
 * time of INVEPTs on other processors. */
#include "nested_l0.h"

#define EPT_ALL (VX_EPT_R | VX_EPT_W | VX_EPT_X)
enum { EPT_WRITE_BACK = 6 << 3, EPTP_AD = 1 << 6 };
#define LINEAR_BITS (3ULL << 7) /* of the qualification: the processor's to say */

vx_status nested_ept02_init(vmm_vm *vm, uint64_t root12, vx_msg *msg)
{
    vx_vmm *vmm = vm->vmm;
    uint64_t root = table_pages_take(&vmm->pages);
    if (!root) return vx_fail_nomem(msg);
    vmm->l0.ept02_tables++;
    vm->nested.ept02 = (vx_radix_table){.format = &vx_radix_ept4, .root = root, .memory = vmm->memory};
    (void)nested_ept01_ensure(vmm, root12, EPT_ALL); /* L1 has made it before the run */
    return vmm->out_of_tables ? vx_fail_nomem(msg) : VX_OK;
}

uint64_t nested_ept02_enter(vmm_vm *vm, uint64_t eptp12)
{
    vm->nested.eptp12 = eptp12;
    return vm->nested.ept02.root | (eptp12 & (VX_PAGE_BYTES - 1));
}

/* L0's own INVEPT, for entries that have lost something: on each processor that a vCPU of this guest runs on. */
static void flush(const vmm_vm *vm)
{
    vx_vmm *vmm = vm->vmm;
    const vx_mmu_invalidation all = {.op = VX_OP_INVEPT_CONTEXT, .nested_root = vm->nested.ept02.root};
    for (unsigned i = 0; i < vmm->vm_count; i++)
        if (vmm->vm[i].nested.ept02.root == all.nested_root)
            (void)vx_mmu_invalidate(vx_vcpu_mmu(vmm->vm[i].vcpu), &all);
}

/* ---- taking away ---- */

/* Empties an entry; the tables below it go back. */
static void empty(vmm_vm *vm, uint64_t at, unsigned level)
{
    vx_vmm *vmm = vm->vmm;
    const vx_radix *format = &vx_radix_ept4;
    uint64_t entry = vx_physmem_read64(vmm->memory, (vx_hpa){at});
    if (!(entry & format->present)) return;
    vx_physmem_write64(vmm->memory, (vx_hpa){at}, 0);
    if (vx_radix_is_leaf(format, level, entry)) {
        vmm->l0.counts.ept02_dropped++;
        return;
    }
    uint64_t table = vx_radix_frame(format, entry, level, false);
    for (unsigned i = 0; i < 512; i++) empty(vm, table + 8ULL * i, level - 1);
    table_pages_give(&vmm->pages, table);
    vmm->l0.ept02_tables--;
}

void nested_ept02_drop(vmm_vm *vm, uint64_t gpa, unsigned level)
{
    vx_radix_spot spot = vx_radix_lookup(&vm->nested.ept02, gpa, level);
    if (!spot.present) return;
    empty(vm, spot.at, spot.level);
    flush(vm);
}

/* ---- composing ---- */

typedef struct composed {
    uint64_t frame, rights; /* of the leaf's first address */
    vx_page_size size;
} composed;

/* False: EPT01 lacks the page. */
static bool compose(const vmm_vm *vm, uint64_t gpa, const ept12_walk *walk, composed *leaf)
{
    ept01_leaf below;
    if (!nested_ept01_find(vm->vmm, walk->frame | (gpa & (vx_page_bytes(walk->size) - 1)), &below)) return false;
    leaf->size = walk->size < below.size ? walk->size : below.size;
    leaf->frame = below.hpa & ~(vx_page_bytes(leaf->size) - 1);
    leaf->rights = walk->rights & below.rights;
    if (!walk->dirty) leaf->rights &= ~VX_EPT_W;
    return true;
}

static uint64_t new_table(void *context, unsigned level)
{
    (void)level;
    vx_vmm *vmm = context;
    uint64_t page = table_pages_take(&vmm->pages);
    vmm->l0.ept02_tables += page != 0;
    return page;
}

static unsigned level_of(vx_page_size size)
{
    unsigned level = 1;
    while (vx_radix_ept4.page[level] != (int8_t)size) level++;
    return level;
}

/* What stands where the leaf shall stand, or above it, goes. */
static void make_way(vmm_vm *vm, uint64_t gpa, vx_page_size size)
{
    unsigned level = level_of(size);
    vx_radix_spot spot = vx_radix_lookup(&vm->nested.ept02, gpa, level);
    bool in_the_way = spot.present && (spot.level > level || !vx_radix_is_leaf(&vx_radix_ept4, level, spot.entry));
    if (in_the_way) nested_ept02_drop(vm, gpa, spot.level);
}

static bool write_leaf(vmm_vm *vm, uint64_t gpa, const composed *leaf)
{
    vx_vmm *vmm = vm->vmm;
    uint64_t first = gpa & ~(vx_page_bytes(leaf->size) - 1);
    make_way(vm, gpa, leaf->size);
    vx_status status = vx_radix_map(&vm->nested.ept02, first, leaf->frame, leaf->size, leaf->rights | EPT_WRITE_BACK,
                                    EPT_ALL, new_table, NULL, vmm, NULL);
    vmm->out_of_tables |= status != VX_OK;
    vmm->l0.counts.ept02_entries += status == VX_OK;
    return status == VX_OK;
}

/* From now on L0 must know what L1 writes to the tables that it has read. */
static void protect_tables(vmm_vm *vm, uint64_t gpa, const ept12_walk *walk)
{
    for (unsigned level = vx_radix_ept4.top; level >= walk->level; level--) {
        uint64_t covers = 1ULL << (vx_radix_ept4.shift[level] + vx_radix_ept4.bits[level]);
        nested_ept01_protect(vm->vmm, walk->at[level] & ~(uint64_t)(VX_PAGE_BYTES - 1), level, gpa & ~(covers - 1));
    }
}

/* KVM fills the entries around a leaf of 4 KiB too, in order, up to the first that it cannot have without asking. */
static void prefetch(vmm_vm *vm, uint64_t gpa)
{
    uint64_t bytes = (uint64_t)vm->vmm->l0.config->shadow.prefetch << VX_PAGE_SHIFT, first = gpa & ~(bytes - 1);
    for (uint64_t page = first; page < first + bytes; page += VX_PAGE_BYTES) {
        if (vx_radix_lookup(&vm->nested.ept02, page, 1).present) continue;
        ept12_walk walk = nested_ept12_walk(vm, page);
        composed leaf;
        if (walk.end != EPT12_MAPPED || !walk.accessed || !compose(vm, page, &walk, &leaf)) return;
        if (leaf.size != VX_PAGE_4K || !leaf.rights || !write_leaf(vm, page, &leaf)) return;
        vm->vmm->l0.counts.ept02_prefetched++;
    }
}

static void fill(vmm_vm *vm, uint64_t gpa, uint64_t use, ept12_walk *walk)
{
    vx_vmm *vmm = vm->vmm;
    nested_ept12_set_flags(vm, walk, (use & VX_EPT_W) != 0);
    (void)nested_ept01_ensure(vmm, walk->frame | (gpa & (vx_page_bytes(walk->size) - 1)), use);
    protect_tables(vm, gpa, walk);
    composed leaf;
    if (!compose(vm, gpa, walk, &leaf) || !write_leaf(vm, gpa, &leaf)) return; /* out of tables */
    if (nested_l0_protects(vmm) && leaf.size == VX_PAGE_4K && vmm->l0.config->shadow.prefetch > 1) prefetch(vm, gpa);
}

bool nested_ept02_violation(vmm_vm *vm, const vx_exit *exit, vx_exit *seen)
{
    uint64_t use = exit->qualification & EPT_ALL, gpa = exit->physical.v; /* bits 2:0 are in the order of the rights */
    ept12_walk walk = nested_ept12_walk(vm, gpa);
    if (walk.end == EPT12_MISCONFIGURED) {
        seen->reason = VX_EXIT_EPT_MISCONFIG;
        seen->qualification = 0;
        return false;
    }
    if (walk.end == EPT12_ABSENT || (use & ~walk.rights)) {
        seen->qualification = (exit->qualification & LINEAR_BITS) | use | walk.rights << 3;
        return false;
    }
    fill(vm, gpa, use, &walk);
    return true;
}

/* ---- INVEPT ---- */

static vx_status sync_leaf(void *context, uint64_t gpa, const vx_radix_spot *spot, vx_msg *msg)
{
    (void)msg;
    vmm_vm *vm = context;
    ept12_walk walk = nested_ept12_walk(vm, gpa);
    composed now;
    bool stays = walk.end == EPT12_MAPPED && walk.accessed && compose(vm, gpa, &walk, &now) && now.rights &&
                 level_of(now.size) >= spot->level;
    if (stays) {
        uint64_t offset = gpa & (vx_page_bytes(now.size) - 1);
        stays = (now.frame | offset) == vx_radix_frame(&vx_radix_ept4, spot->entry, spot->level, true);
    }
    for (unsigned level = vx_radix_ept4.top; level >= walk.level; level--)
        nested_ept01_protect_again(vm->vmm, walk.at[level] & ~(uint64_t)(VX_PAGE_BYTES - 1));
    uint64_t entry = stays ? (spot->entry & ~EPT_ALL) | now.rights : 0;
    vm->vmm->l0.counts.ept02_dropped += !stays;
    vx_physmem_write64(vm->vmm->memory, (vx_hpa){spot->at}, entry);
    return VX_OK;
}

void nested_ept02_invept(vmm_vm *vm)
{
    if (nested_l0_protects(vm->vmm)) {
        (void)table_leaves(&vm->nested.ept02, sync_leaf, vm, NULL);
    } else {
        for (unsigned i = 0; i < 512; i++) empty(vm, vm->nested.ept02.root + 8ULL * i, vx_radix_ept4.top);
    }
    flush(vm);
}
