/* Table 02: L1's table and L0's made into one, which the processor walks while L2 runs (Turtles, Ben-Yehuda et al.,
 * OSDI 2010, 3.3.3, multi-dimensional paging). Real entries in host memory under the EPT pointer of the VMCS, or the
 * nCR3 of the VMCB, that L0 made for L2.
 *
 * Filled at violations. Where table 12 does not map the address, or forbids the access, or is malformed there, the
 * violation is L1's. Intel: the qualification's bits 5:3 are then EPT12's, and a misconfiguration is EPT_MISCONFIG
 * although the processor has only seen an absent entry (KVM of Linux 6.1, mmu/paging_tmpl.h and vmx/nested.c:
 * nested_ept_inject_page_fault). AMD: an npf whose error code is NPT12's, with bits 33:32 the processor's own
 * (svm/nested.c: nested_svm_inject_npf_exit). Else L0 mends it alone. A leaf is no larger than those of tables 12 and
 * 01 and allows what both allow. Where table 01 does not map the page yet it gets its entry in the same exit. (KVM asks
 * its memory slots instead and leaves table 01 to L1's own violations; the frame and the exits are the same.)
 *
 * A and D flags of table 12 are L0's to set, where L1 asks for them (EPTP bit 6; AMD: always): A when it composes, D at
 * a write; until then table 02 does not let L2 write, so that a page that is first read and then written is two
 * violations, unless L1 has set D itself.
 *
 * When L1 flushes (INVEPT, VMRUN) an L0 of policy "kvm" brings leaves in step (kvm_mmu_sync_roots; it also fills up to
 * seven neighbours of a leaf that table 12 has too, pte_prefetch); any other throws table 02 away.
 *
 * The vCPUs of a guest share table 02, as they share table 12.
 *
 * NOT MODELLED: table 02 shared by VMs that share table 12, KVM's limit to shadow pages, page-modification logging by
 * L1, the time of INVEPTs on other processors. */
#include "nested_l0.h"

#define ALL_RIGHTS (VX_EPT_R | VX_EPT_W | VX_EPT_X)
#define LINEAR_BITS (3ULL << 7) /* of the qualification: the processor's to say */
/* EXITINFO1 of an npf: a page fault's error code (APM Vol. 2, 15.25.6). Bits 33:32: the data, or a guest's table. */
enum { NPF_P = 1, NPF_W = 1 << 1, NPF_U = 1 << 2, NPF_RSVD = 1 << 3, NPF_ID = 1 << 4 };
#define NPF_WHERE (3ULL << 32)

static const vx_radix *format_of(const vx_vmm *vmm) { return vmm->l0.entries->format; }

vx_status nested_table02_init(vmm_vm *vm, uint64_t root12, vx_msg *msg)
{
    vx_vmm *vmm = vm->vmm;
    uint64_t root = table_pages_take(&vmm->pages);
    if (!root) return vx_fail_nomem(msg);
    vmm->l0.table02_pages++;
    vm->nested.table02 = (vx_radix_table){.format = format_of(vmm), .root = root, .memory = vmm->memory};
    (void)nested_table01_ensure(vmm, root12, ALL_RIGHTS); /* L1 has made it before the run */
    return vmm->out_of_tables ? vx_fail_nomem(msg) : VX_OK;
}

uint64_t nested_table02_enter(vmm_vm *vm, uint64_t pointer12)
{
    vm->nested.pointer12 = pointer12;
    return vm->nested.table02.root | (pointer12 & (VX_PAGE_BYTES - 1));
}

/* L0's own flush, for entries that have lost something: on each processor that a vCPU of this guest runs on. Intel has
 * INVEPT. On AMD what L2's ASID has goes: by TLB_CONTROL, or because L0 gives it another. */
static void flush(const vmm_vm *vm)
{
    vx_vmm *vmm = vm->vmm;
    uint64_t root = vm->nested.table02.root;
    for (unsigned i = 0; i < vmm->vm_count; i++) {
        const vmm_vm *other = &vmm->vm[i];
        vx_mmu_invalidation all = {.op = VX_OP_INVEPT_CONTEXT, .nested_root = root};
        if (vmm->l0.svm) all = (vx_mmu_invalidation){.op = VX_OP_FLUSH_ASID, .vpid = (uint16_t)other->vmcb02.asid};
        if (other->nested.table02.root == root) (void)vx_mmu_invalidate(vx_vcpu_mmu(other->vcpu), &all);
    }
}

/* ---- taking away ---- */

/* Empties an entry; the tables below it go back. */
static void empty(vmm_vm *vm, uint64_t at, unsigned level)
{
    vx_vmm *vmm = vm->vmm;
    const vx_radix *format = format_of(vmm);
    uint64_t entry = vx_physmem_read64(vmm->memory, (vx_hpa){at});
    if (!(entry & format->present)) return;
    vx_physmem_write64(vmm->memory, (vx_hpa){at}, 0);
    if (vx_radix_is_leaf(format, level, entry)) {
        vmm->l0.counts.table02_dropped++;
        return;
    }
    uint64_t table = vx_radix_frame(format, entry, level, false);
    for (unsigned i = 0; i < 512; i++) empty(vm, table + 8ULL * i, level - 1);
    table_pages_give(&vmm->pages, table);
    vmm->l0.table02_pages--;
}

void nested_table02_drop(vmm_vm *vm, uint64_t gpa, unsigned level)
{
    vx_radix_spot spot = vx_radix_lookup(&vm->nested.table02, gpa, level);
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
static bool compose(const vmm_vm *vm, uint64_t gpa, const table12_walk *walk, composed *leaf)
{
    table01_leaf below;
    if (!nested_table01_find(vm->vmm, walk->frame | (gpa & (vx_page_bytes(walk->size) - 1)), &below)) return false;
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
    vmm->l0.table02_pages += page != 0;
    return page;
}

static unsigned level_of(const vx_radix *format, vx_page_size size)
{
    unsigned level = 1;
    while (format->page[level] != (int8_t)size) level++;
    return level;
}

/* What stands where the leaf shall stand, or above it, goes. */
static void make_way(vmm_vm *vm, uint64_t gpa, vx_page_size size)
{
    const vx_radix *format = format_of(vm->vmm);
    unsigned level = level_of(format, size);
    vx_radix_spot spot = vx_radix_lookup(&vm->nested.table02, gpa, level);
    bool in_the_way = spot.present && (spot.level > level || !vx_radix_is_leaf(format, level, spot.entry));
    if (in_the_way) nested_table02_drop(vm, gpa, spot.level);
}

/* KVM's entries of NPT02 begin with A, and D where L2 may write (make_spte, make_nonleaf_spte). NOT MODELLED: the same
 * in EPT02. */
static uint64_t preset_flags(const vx_vmm *vmm, uint64_t rights)
{
    const nested_entries *entries = vmm->l0.entries;
    if (!nested_l0_protects(vmm) || entries != &nested_entries_npt) return 0;
    return entries->accessed | (rights & VX_EPT_W ? entries->dirty : 0);
}

static bool write_leaf(vmm_vm *vm, uint64_t gpa, const composed *leaf)
{
    vx_vmm *vmm = vm->vmm;
    const nested_entries *entries = vmm->l0.entries;
    uint64_t first = gpa & ~(vx_page_bytes(leaf->size) - 1);
    uint64_t bits = nested_entry_of_rights(entries, leaf->rights) | entries->leaf | preset_flags(vmm, leaf->rights);
    uint64_t upper = nested_entry_of_rights(entries, ALL_RIGHTS) | preset_flags(vmm, 0);
    make_way(vm, gpa, leaf->size);
    vx_status status =
        vx_radix_map(&vm->nested.table02, first, leaf->frame, leaf->size, bits, upper, new_table, NULL, vmm, NULL);
    vmm->out_of_tables |= status != VX_OK;
    vmm->l0.counts.table02_entries += status == VX_OK;
    return status == VX_OK;
}

/* From now on L0 must know what L1 writes to the tables that it has read. */
static void protect_tables(vmm_vm *vm, uint64_t gpa, const table12_walk *walk)
{
    const vx_radix *format = format_of(vm->vmm);
    for (unsigned level = format->top; level >= walk->level; level--) {
        uint64_t covers = 1ULL << (format->shift[level] + format->bits[level]);
        nested_table01_protect(vm->vmm, walk->at[level] & ~(uint64_t)(VX_PAGE_BYTES - 1), level, gpa & ~(covers - 1));
    }
}

/* KVM fills the entries around a leaf of 4 KiB too, in order, up to the first that it cannot have without asking. */
static void prefetch(vmm_vm *vm, uint64_t gpa)
{
    uint64_t bytes = (uint64_t)vm->vmm->l0.config->shadow.prefetch << VX_PAGE_SHIFT, first = gpa & ~(bytes - 1);
    for (uint64_t page = first; page < first + bytes; page += VX_PAGE_BYTES) {
        if (vx_radix_lookup(&vm->nested.table02, page, 1).present) continue;
        table12_walk walk = nested_table12_walk(vm, page);
        composed leaf;
        if (walk.end != TABLE12_MAPPED || !walk.accessed || !compose(vm, page, &walk, &leaf)) return;
        if (leaf.size != VX_PAGE_4K || !leaf.rights || !write_leaf(vm, page, &leaf)) return;
        vm->vmm->l0.counts.table02_prefetched++;
    }
}

static void fill(vmm_vm *vm, uint64_t gpa, uint64_t use, table12_walk *walk)
{
    vx_vmm *vmm = vm->vmm;
    nested_table12_set_flags(vm, walk, (use & VX_EPT_W) != 0);
    (void)nested_table01_ensure(vmm, walk->frame | (gpa & (vx_page_bytes(walk->size) - 1)), use);
    protect_tables(vm, gpa, walk);
    composed leaf;
    if (!compose(vm, gpa, walk, &leaf) || !write_leaf(vm, gpa, &leaf)) return; /* out of tables */
    if (nested_l0_protects(vmm) && leaf.size == VX_PAGE_4K && vmm->l0.config->shadow.prefetch > 1) prefetch(vm, gpa);
}

/* What the access wants, as rights. */
static uint64_t use_of(const vx_vmm *vmm, const vx_exit *exit)
{
    if (!vmm->l0.svm) return exit->qualification & ALL_RIGHTS; /* bits 2:0 are in the order of the rights */
    if (exit->qualification & NPF_W) return VX_EPT_W;
    return exit->qualification & NPF_ID ? VX_EPT_X : VX_EPT_R;
}

static void describe_ept(const table12_walk *walk, uint64_t use, const vx_exit *exit, vx_exit *seen)
{
    seen->qualification = (exit->qualification & LINEAR_BITS) | use | walk->rights << 3;
    if (walk->end != TABLE12_MISCONFIGURED) return;
    seen->reason = VX_EXIT_EPT_MISCONFIG;
    seen->qualification = 0;
}

static void describe_npf(const table12_walk *walk, uint64_t use, const vx_exit *exit, vx_exit *seen)
{
    static const uint64_t found[] = {
        [TABLE12_ABSENT] = 0, [TABLE12_MAPPED] = NPF_P, [TABLE12_MISCONFIGURED] = NPF_P | NPF_RSVD};
    uint64_t access = use == VX_EPT_W ? NPF_W : use == VX_EPT_X ? NPF_ID : 0;
    seen->qualification = (exit->qualification & NPF_WHERE) | NPF_U | access | found[walk->end];
}

bool nested_table02_violation(vmm_vm *vm, const vx_exit *exit, vx_exit *seen)
{
    uint64_t use = use_of(vm->vmm, exit), gpa = exit->physical.v;
    table12_walk walk = nested_table12_walk(vm, gpa);
    if (walk.end != TABLE12_MAPPED || (use & ~walk.rights)) {
        (vm->vmm->l0.svm ? describe_npf : describe_ept)(&walk, use, exit, seen);
        return false;
    }
    fill(vm, gpa, use, &walk);
    return true;
}

/* ---- flushes by L1 ---- */

static vx_status sync_leaf(void *context, uint64_t gpa, const vx_radix_spot *spot, vx_msg *msg)
{
    (void)msg;
    vmm_vm *vm = context;
    const nested_entries *entries = vm->vmm->l0.entries;
    const vx_radix *format = entries->format;
    table12_walk walk = nested_table12_walk(vm, gpa);
    composed now;
    bool stays = walk.end == TABLE12_MAPPED && walk.accessed && compose(vm, gpa, &walk, &now) && now.rights &&
                 level_of(format, now.size) >= spot->level;
    if (stays) {
        uint64_t offset = gpa & (vx_page_bytes(now.size) - 1);
        stays = (now.frame | offset) == vx_radix_frame(format, spot->entry, spot->level, true);
    }
    for (unsigned level = format->top; level >= walk.level; level--)
        nested_table01_protect_again(vm->vmm, walk.at[level] & ~(uint64_t)(VX_PAGE_BYTES - 1));
    uint64_t entry =
        stays ? nested_entry_with(entries, spot->entry, now.rights) | preset_flags(vm->vmm, now.rights) : 0;
    vm->vmm->l0.counts.table02_dropped += !stays;
    vx_physmem_write64(vm->vmm->memory, (vx_hpa){spot->at}, entry);
    return VX_OK;
}

void nested_table02_flush(vmm_vm *vm)
{
    if (nested_l0_protects(vm->vmm)) {
        (void)table_leaves(&vm->nested.table02, sync_leaf, vm, NULL);
        vm->vmm->l0.unsync.count = 0;
    } else {
        for (unsigned i = 0; i < 512; i++) empty(vm, vm->nested.table02.root + 8ULL * i, format_of(vm->vmm)->top);
    }
    flush(vm);
}

/* The leaves that a leaf table of L1's made. */
static void sync_table(vmm_vm *vm, uint64_t table12)
{
    const vx_radix *format = format_of(vm->vmm);
    uint64_t prefix = nested_table01_prefix(vm->vmm, table12);
    vx_radix_spot spot = vx_radix_lookup(&vm->nested.table02, prefix, 2);
    nested_table01_protect_again(vm->vmm, table12);
    if (!spot.present || spot.level != 2 || vx_radix_is_leaf(format, 2, spot.entry)) return;
    uint64_t table02 = vx_radix_frame(format, spot.entry, 2, false);
    for (unsigned i = 0; i < 512; i++) {
        vx_radix_spot leaf = {.level = 1, .present = true, .at = table02 + 8ULL * i};
        leaf.entry = vx_physmem_read64(vm->vmm->memory, (vx_hpa){leaf.at});
        if (leaf.entry & format->present) (void)sync_leaf(vm, prefix | (uint64_t)i << VX_PAGE_SHIFT, &leaf, NULL);
    }
}

void nested_table02_sync(vmm_vm *vm)
{
    const nested_l0 *l0 = &vm->vmm->l0;
    unsigned count = l0->unsync.count;
    if (count > sizeof l0->unsync.table / sizeof *l0->unsync.table) {
        nested_table02_flush(vm);
        return;
    }
    for (unsigned i = 0; i < count; i++) sync_table(vm, l0->unsync.table[i]);
    vm->vmm->l0.unsync.count = 0;
}
