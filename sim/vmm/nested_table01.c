/* L1's memory: EPT01 or NPT01, L0's table of it, and what L1's own stores do.
 *
 * It is filled at L1's first touch of a page, as any guest's (scheme_ept.c). L1 touches what it makes table 12 of, and
 * what it gives to L2, since a hypervisor clears both first. The rest of L1's memory (code, VMCSs, the guest's frames
 * that it has used before) is taken to be mapped.
 *
 * An L0 of policy "kvm" does as KVM of Linux 6.1 (arch/x86/kvm/mmu/mmu.c: account_shadowed, mmu_try_to_unsync_pages,
 * kvm_mmu_pte_write): it shadows table 12 like any guest's tables. A table that it has composed into table 02 is
 * read-only in table 01. L1's next store to it exits: to an upper table it is emulated, and table 02 loses what lay
 * below the entry; a leaf table becomes writable and is out of sync until L1's INVEPT, or VMRUN (nested_svm.c). Pages
 * that may hold tables are mapped in 4 KiB (KVM: large pages are not allowed around a table). Any other L0 leaves table
 * 12 alone, and L1's changes wait for INVEPT, as the SDM lets them (28.3.3.4; Turtles, OSDI 2010, 3.3.3), or for a
 * VMRUN that flushes.
 *
 * L0's notes of L1's tables lie in its own memory, one word a page of those that L1 has for tables.
 *
 * NOT MODELLED: L2 that is given L1's tables, KVM's flood detection (L1's stores to table 12 alternate with L2's use of
 * the table), L1's own cached translations, dirty logging of L1's memory. */
#include "nested_l0.h"

#define ALL_RIGHTS (VX_EPT_R | VX_EPT_W | VX_EPT_X)
enum { NOTE_BYTES = 8 };
/* A note: the first of L2's addresses in bits 51:12, the level in 6:4. */
enum { NOTE_COMPOSED = 1, NOTE_UNSYNC = 2, NOTE_LEVEL_SHIFT = 4 };

static vx_hpa note_at(const vx_vmm *vmm, uint64_t table)
{
    return (vx_hpa){vmm->l0.shadowed + table / VX_PAGE_BYTES * NOTE_BYTES};
}

/* May the page hold a table of L1's? */
static bool is_table(const vx_vmm *vmm, uint64_t l1) { return l1 < vmm->layout->l1_table_bytes; }

static uint64_t note(const vx_vmm *vmm, uint64_t table)
{
    return is_table(vmm, table) ? vx_physmem_read64(vmm->memory, note_at(vmm, table)) : 0;
}

vx_status nested_table01_init(vx_vmm *vmm, uint64_t *next, vx_msg *msg)
{
    const vx_host_layout *layout = vmm->layout;
    uint64_t notes = layout->l1_table_bytes / VX_PAGE_BYTES * NOTE_BYTES;
    vmm->l0.shadowed = *next;
    *next += (notes + VX_PAGE_BYTES - 1) & ~(uint64_t)(VX_PAGE_BYTES - 1);
    if (*next >= layout->table_bytes) return vx_fail(msg, VX_ERR_INPUT, "--nested: no host memory for L0's tables");
    vmm->l0.table01 = (vx_radix_table){.format = vmm->l0.entries->format, .memory = vmm->memory};
    table_pages_init(&vmm->l0.l1_pages, vmm->memory, &layout->l1, VX_PAGE_BYTES, layout->l1_table_bytes & ~0xFFFULL);
    return VX_OK;
}

static uint64_t new_table(void *context, unsigned level)
{
    (void)level;
    vx_vmm *vmm = context;
    uint64_t page = table_pages_take(&vmm->pages);
    vmm->l0.table01_pages += page != 0;
    return page;
}

static vx_radix_spot look_up(const vx_vmm *vmm, uint64_t l1)
{
    if (!vmm->l0.table01.root) return (vx_radix_spot){.level = vmm->l0.entries->format->top};
    return vx_radix_lookup(&vmm->l0.table01, l1, 1);
}

bool nested_table01_find(const vx_vmm *vmm, uint64_t l1, table01_leaf *leaf)
{
    vx_radix_spot spot = look_up(vmm, l1);
    const vx_radix *format = vmm->l0.entries->format;
    if (!spot.present) return false;
    leaf->size = (vx_page_size)format->page[spot.level];
    leaf->rights = nested_entry_rights(vmm->l0.entries, spot.entry);
    leaf->hpa = vx_radix_frame(format, spot.entry, spot.level, true) | (l1 & (vx_page_bytes(leaf->size) - 1));
    return true;
}

static void write_entry(vx_vmm *vmm, const vx_radix_spot *spot, uint64_t entry)
{
    vx_physmem_write64(vmm->memory, (vx_hpa){spot->at}, entry);
    vmm->l0.counts.table01_entries += entry != 0;
}

/* As the policy says, but no larger than where a table already stands; 4 KiB among the pages that are protected. */
static vx_page_size size_of(const vx_vmm *vmm, uint64_t l1, unsigned absent_level)
{
    static const vx_page_size most[] = {VX_PAGE_4K, VX_PAGE_4K, VX_PAGE_2M, VX_PAGE_1G, VX_PAGE_1G};
    if (nested_l0_protects(vmm) && is_table(vmm, l1)) return VX_PAGE_4K;
    vx_page_size size = nested_page_of(vmm->cpu, vmm->l0.config, vmm->layout->l1.bytes, l1);
    return size < most[absent_level] ? size : most[absent_level];
}

static void map(vx_vmm *vmm, uint64_t l1, vx_page_size size)
{
    const nested_entries *entries = vmm->l0.entries;
    uint64_t all = nested_entry_of_rights(entries, ALL_RIGHTS);
    uint64_t first = l1 & ~(vx_page_bytes(size) - 1), frame = vx_gpa_map_placed(&vmm->layout->l1, (vx_gpa){first});
    if (!vmm->l0.table01.root) vmm->l0.table01.root = new_table(vmm, entries->format->top);
    vx_status status = VX_ERR_NOMEM;
    if (vmm->l0.table01.root)
        status =
            vx_radix_map(&vmm->l0.table01, first, frame, size, all | entries->leaf, all, new_table, NULL, vmm, NULL);
    vmm->out_of_tables |= status != VX_OK;
    vmm->l0.counts.table01_entries += status == VX_OK;
}

bool nested_table01_ensure(vx_vmm *vmm, uint64_t l1, uint64_t rights)
{
    vx_radix_spot spot = look_up(vmm, l1);
    if (spot.present && (nested_entry_rights(vmm->l0.entries, spot.entry) & rights) == rights) return false;
    bool splits = spot.present && spot.level > 1 && nested_l0_protects(vmm) && is_table(vmm, l1);
    if (splits) write_entry(vmm, &spot, 0);
    if (spot.present && !splits)
        write_entry(vmm, &spot, nested_entry_with(vmm->l0.entries, spot.entry, ALL_RIGHTS));
    else
        map(vmm, l1, size_of(vmm, l1, spot.level));
    return true;
}

/* ---- L1's tables ---- */

static void make_read_only(vx_vmm *vmm, uint64_t table)
{
    vx_radix_spot spot = look_up(vmm, table);
    uint64_t rights = nested_entry_rights(vmm->l0.entries, spot.entry);
    if (spot.present && (rights & VX_EPT_W))
        write_entry(vmm, &spot, nested_entry_with(vmm->l0.entries, spot.entry, rights & ~VX_EPT_W));
}

void nested_table01_protect(vx_vmm *vmm, uint64_t table, unsigned level, uint64_t prefix)
{
    if (!nested_l0_protects(vmm) || !is_table(vmm, table) || (note(vmm, table) & NOTE_COMPOSED)) return;
    vx_physmem_write64(vmm->memory, note_at(vmm, table), prefix | (uint64_t)level << NOTE_LEVEL_SHIFT | NOTE_COMPOSED);
    make_read_only(vmm, table);
}

void nested_table01_protect_again(vx_vmm *vmm, uint64_t table)
{
    if (!(note(vmm, table) & NOTE_UNSYNC)) return;
    vx_physmem_write64(vmm->memory, note_at(vmm, table), note(vmm, table) & ~(uint64_t)NOTE_UNSYNC);
    make_read_only(vmm, table);
}

/* One more table is out of sync. */
static void let_go(vx_vmm *vmm, uint64_t table)
{
    const unsigned room = sizeof vmm->l0.unsync.table / sizeof *vmm->l0.unsync.table;
    if (vmm->l0.unsync.count < room) vmm->l0.unsync.table[vmm->l0.unsync.count] = table;
    vmm->l0.unsync.count++;
}

uint64_t nested_table01_prefix(const vx_vmm *vmm, uint64_t table) { return note(vmm, table) & VX_ENTRY_ADDRESS; }

void nested_l1_touch(vmm_vm *vm, uint64_t l1, uint64_t bytes)
{
    table01_leaf leaf;
    for (uint64_t at = l1; at < l1 + bytes; at = (at | (vx_page_bytes(leaf.size) - 1)) + 1) {
        if (nested_table01_ensure(vm->vmm, at, VX_EPT_R | VX_EPT_W))
            nested_l0_exit_of_l1(vm, nested_l0_violation(vm->vmm), 1, L0_TABLE01_FILL);
        if (!nested_table01_find(vm->vmm, at, &leaf)) return; /* no page left for a table: the run is over */
    }
}

void nested_l1_wrote(vmm_vm *vm, unsigned level, uint64_t at)
{
    vx_vmm *vmm = vm->vmm;
    uint64_t table = at & ~(uint64_t)(VX_PAGE_BYTES - 1), known = note(vmm, table);
    if (!(known & NOTE_COMPOSED) || (known & NOTE_UNSYNC)) {
        nested_l1_touch(vm, at, sizeof(uint64_t));
        return;
    }
    nested_l0_exit_of_l1(vm, nested_l0_violation(vmm), 1, L0_TABLE12_STORE);
    if (level == 1) {
        vx_physmem_write64(vmm->memory, note_at(vmm, table), known | NOTE_UNSYNC);
        let_go(vmm, table);
        (void)nested_table01_ensure(vmm, table, ALL_RIGHTS);
        return;
    }
    uint64_t index = (at & (VX_PAGE_BYTES - 1)) / sizeof(uint64_t);
    nested_table02_drop(vm, (known & VX_ENTRY_ADDRESS) | index << vmm->l0.entries->format->shift[level], level);
}
