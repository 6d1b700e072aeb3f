/* Nested EPT: closed forms of exits by kind where L2 touches its pages in order; what L1 sees of a violation; A and D
 * flags of EPT12; INVEPT; KVM's protection of EPT12. */
#include "nested_world.h"
#include "test_support.h"

#include <string.h>

enum { MIB = 1 << 20, PAGE = 4096, FILL_PAGES = 1100 };

static uint64_t parts(uint64_t whole, uint64_t part) { return (whole + part - 1) / part; }

static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* The figures of one case, worked out below. */
typedef struct form {
    uint64_t reflected, ept02_fills, ept01_fills, stores, table02_entries;
} form;

/* L1's frames lie in order, so that its clearing meets each page of EPT01 once. Its tables, but for the top one, which
 * it has made before: a directory of each upper level, and one of 4 KiB pages for each 2 MiB. An L0 that protects
 * tables maps each of them alone; else they lie in few pages of EPT01, and the top one has brought the first. Stores to
 * EPT12 exit where the table has been composed: each but the first to the table of 2 MiB entries, and of a table of 4
 * KiB entries the second. */
static form expected(const nested_options *o, unsigned pages)
{
    uint64_t bytes = (uint64_t)pages * PAGE, l1 = vx_page_bytes(o->l1_page), l0 = vx_page_bytes(o->l0_page);
    uint64_t leaf_tables = o->l1_page == VX_PAGE_4K ? parts(bytes, 2 * MIB) : 0, tables = 2 + leaf_tables;
    form f = {.reflected = parts(bytes, l1), .ept02_fills = parts(bytes, smaller(l1, l0))};
    f.ept01_fills = parts(f.reflected * l1, l0) + (o->kvm || l0 == PAGE ? tables : 0);
    f.table02_entries = f.ept02_fills;
    if (!o->kvm) return f;
    uint64_t upper = o->l1_page == VX_PAGE_4K ? leaf_tables : f.reflected;
    f.stores = upper - 1 + (o->l1_page == VX_PAGE_4K ? leaf_tables : 0);
    if (l1 > l0) f.ept02_fills = parts(pages, 8); /* seven neighbours each: EPT12 has them */
    if (l1 > l0) f.table02_entries = f.ept02_fills * 8;
    return f;
}

static void first_touches(void **state)
{
    (void)state;
    const vx_page_size sizes[] = {VX_PAGE_4K, VX_PAGE_2M};
    for (unsigned which = 0; which < 8; which++) {
        const nested_options o = {.l1_page = sizes[which & 1], .l0_page = sizes[which >> 1 & 1], .kvm = which >> 2};
        nested_world nested;
        nested_world_open(&nested, &o);
        nested_touch(&nested, FILL_PAGES, VX_ACCESS_LOAD);
        nested_touch(&nested, FILL_PAGES, VX_ACCESS_STORE); /* known by now */
        form f = expected(&o, FILL_PAGES);
        uint64_t r = nested.world.config.handler[0].vmreads;
        print_message("EPT12 %s, EPT01 %s%s: %llu, %llu, %llu, %llu\n", vx_page_size_name(o.l1_page),
                      vx_page_size_name(o.l0_page), o.kvm ? ", kvm" : "", (unsigned long long)f.reflected,
                      (unsigned long long)f.ept02_fills, (unsigned long long)f.ept01_fills,
                      (unsigned long long)f.stores);
        assert_int_equal(nested_kind(&nested, L0_REFLECTED), f.reflected);
        assert_int_equal(nested_kind(&nested, L0_TABLE02_FILL), f.ept02_fills);
        assert_int_equal(nested_kind(&nested, L0_TABLE01_FILL), f.ept01_fills);
        assert_int_equal(nested_kind(&nested, L0_TABLE12_STORE), f.stores);
        assert_int_equal(nested_kind(&nested, L0_INSTRUCTION), f.reflected); /* VMRESUME */
        assert_int_equal(nested_value(&nested, "nested.ept02.entries"), f.table02_entries);
        assert_int_equal(nested_value(&nested, "nested.l0_exits.by_reason.EPT_VIOLATION.count"),
                         f.reflected + f.ept02_fills + f.ept01_fills + f.stores);
        assert_int_equal(vmm_exits(&nested.world), f.reflected + f.ept02_fills);
        assert_int_equal(nested_value(&nested, "vmcs.reads"), f.reflected * r);
        assert_int_equal(nested_value(&nested, "nested.l1_by_reason.EPT_VIOLATION.count"), f.reflected);
        nested_identities_hold(&nested);
        assert_true(vmm_verify(&nested.world) > f.reflected + f.table02_entries);
        nested_world_close(&nested);
    }
}

/* The walker reads EPT02: 4 accesses with nothing cached, 3 where both have 2 MiB pages. */
static void the_processor_walks_the_composition(void **state)
{
    (void)state;
    const vx_page_size sizes[] = {VX_PAGE_4K, VX_PAGE_2M};
    for (unsigned which = 0; which < 4; which++) {
        const nested_options o = {.l1_page = sizes[which & 1], .l0_page = sizes[which >> 1]};
        nested_world nested;
        nested_world_open(&nested, &o);
        vmm_reach(&nested.world, VX_ACCESS_LOAD, 0x5008);
        const vx_mmu_invalidation all = {.op = VX_OP_INVEPT_ALL};
        vx_mmu_invalidate(nested.world.mmu, &all);
        vmm_reset_counts(&nested.world);
        vmm_reach(&nested.world, VX_ACCESS_LOAD, 0x5008);
        const vx_mmu_counts *counts = vx_mmu_counts_now(nested.world.mmu);
        assert_int_equal(counts->walks, 1);
        assert_int_equal(counts->walk_accesses, which == 3 ? 3 : 4);
        vx_page_size size;
        assert_true(nested_composed_leaf(&nested, 0x5008, &size) != 0);
        assert_int_equal(size, which == 3 ? VX_PAGE_2M : VX_PAGE_4K);
        nested_world_close(&nested);
    }
}

/* ---- whose violation it is ---- */

static vx_exit violation(uint64_t gpa, uint64_t qualification)
{
    return (vx_exit){.reason = VX_EXIT_EPT_VIOLATION, .qualification = qualification, .physical = {gpa}};
}

static void what_l1_sees(void **state)
{
    (void)state;
    enum { LINEAR = 3 << 7, R = 1, W = 2, X = 4 };
    nested_world nested;
    nested_world_open(&nested, &(nested_options){.execute_only = false});
    nested_touch(&nested, 2, VX_ACCESS_LOAD);
    uint64_t at = nested_entry_at(&nested, 0x1000, 1), leaf = nested_read(&nested, at);
    uint64_t upper = nested_entry_at(&nested, 0x1000, 3), table = nested_read(&nested, upper);
    const struct {
        uint64_t leaf, table, qualification, seen;
        uint32_t reason; /* 0: L0's */
    } cases[] = {
        {leaf, table, LINEAR | W, 0, 0},
        {0, table, LINEAR | W, LINEAR | W, VX_EXIT_EPT_VIOLATION},
        {leaf & ~7ULL, table, R, R, VX_EXIT_EPT_VIOLATION},
        {(leaf & ~7ULL) | R, table, LINEAR | W | 7 << 3, LINEAR | W | R << 3, VX_EXIT_EPT_VIOLATION},
        {(leaf & ~7ULL) | R, table, R, 0, 0},
        {(leaf & ~7ULL) | R | X, table, R | W, R | W | (R | X) << 3, VX_EXIT_EPT_VIOLATION},
        {leaf, (table & ~7ULL) | R | W, X, X | (R | W) << 3, VX_EXIT_EPT_VIOLATION}, /* all levels count */
        {leaf, 0, R, R, VX_EXIT_EPT_VIOLATION},
        {(leaf & ~7ULL) | W, table, R, 0, VX_EXIT_EPT_MISCONFIG},
        {(leaf & ~7ULL) | X, table, X, 0, VX_EXIT_EPT_MISCONFIG},   /* the processor has no execute-only pages */
        {leaf, table | VX_EPT_PS | R, R, 0, VX_EXIT_EPT_MISCONFIG}, /* a 1 GiB page at an odd frame */
        {(leaf & ~(7ULL << 3)) | 3 << 3, table, R, 0, VX_EXIT_EPT_MISCONFIG}, /* memory type 3 */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        nested_store(&nested, 1, at, cases[i].leaf);
        nested_store(&nested, 3, upper, cases[i].table);
        nested_l0_flush(nested.vm);
        vx_exit seen, exit = violation(0x1008, cases[i].qualification);
        assert_int_equal(nested_l0_takes(nested.vm, &exit, NULL, NULL, &seen), cases[i].reason == 0);
        if (!cases[i].reason) continue;
        assert_int_equal(seen.reason, cases[i].reason);
        if (seen.qualification != cases[i].seen)
            fail_msg("case %u: qualification %#llx", i, (unsigned long long)seen.qualification);
        assert_int_equal(seen.physical.v, 0x1008);
    }
    vx_exit seen, beyond = violation(1ULL << 48, R);
    assert_false(nested_l0_takes(nested.vm, &beyond, NULL, NULL, &seen));
    assert_int_equal(seen.qualification, R);
    nested_world_close(&nested);
}

/* The misconfigured entry that KVM as L1 leaves for device memory: the processor meets an absent one, L1 sees its own.
 */
static void devices_of_l1(void **state)
{
    (void)state;
    const uint64_t word[2] = {0, 0};
    nested_world nested;
    nested_world_open(&nested, &(nested_options){.kvm = true});
    nested.world.config.exits = VX_EXITS_KVM;
    for (unsigned i = 0; i < 4; i++) assert_true(vmm_do(&nested.world, VX_REC_MMIO_WRITE, 4, 0xFEC00000, word, 2));
    assert_int_equal(nested_value(&nested, "nested.l1_by_reason.EPT_VIOLATION.count"), 1);
    assert_int_equal(nested_value(&nested, "nested.l1_by_reason.EPT_MISCONFIG.count"), 3);
    assert_int_equal(vmm_exits_for(&nested.world, "EPT_VIOLATION"), 4);
    assert_int_equal(vmm_exits_for(&nested.world, "EPT_MISCONFIG"), 0);
    assert_int_equal(nested_kind(&nested, L0_TABLE02_FILL), 0);
    nested_world_close(&nested);
}

/* ---- A and D flags ---- */

static void flags_of_ept12(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 2; flags++) {
        nested_world nested;
        nested_world_open(&nested, &(nested_options){.flags = flags});
        assert_int_equal(nested.vm->nested.pointer12 >> 6 & 1, flags);
        assert_int_equal(nested.vm->vmcs.eptp >> 6 & 1, flags);
        nested_touch(&nested, 1, VX_ACCESS_LOAD);
        uint64_t at = nested_entry_at(&nested, 0, 1);
        vx_page_size size;
        assert_int_equal(nested_kind(&nested, L0_TABLE02_FILL), 1);
        assert_int_equal(nested_read(&nested, at) & (VX_EPT_A | VX_EPT_D), flags ? VX_EPT_A : 0);
        assert_int_equal(nested_composed_leaf(&nested, 0, &size) & VX_EPT_W, flags ? 0 : VX_EPT_W);
        assert_int_equal(nested_value(&nested, "nested.ept12.ad_updates"), flags ? 4 : 0);
        nested_touch(&nested, 1, VX_ACCESS_STORE); /* clean: L0 hears of it */
        assert_int_equal(nested_kind(&nested, L0_TABLE02_FILL), 1 + flags);
        assert_int_equal(nested_kind(&nested, L0_REFLECTED), 1);
        assert_int_equal(nested_read(&nested, at) & (VX_EPT_A | VX_EPT_D), flags ? VX_EPT_A | VX_EPT_D : 0);
        assert_true(nested_composed_leaf(&nested, 0, &size) & VX_EPT_W);
        nested_touch(&nested, 1, VX_ACCESS_STORE);
        assert_int_equal(nested_kind(&nested, L0_TABLE02_FILL), 1 + flags);
        nested_world_close(&nested);
    }
}

/* ---- INVEPT ---- */

/* L1 takes a page away and maps another elsewhere. Until INVEPT L2 may have either. */
static void invept(void **state)
{
    (void)state;
    enum { PAGES = 16 };
    for (unsigned kvm = 0; kvm < 2; kvm++) {
        nested_world nested;
        nested_world_open(&nested, &(nested_options){.kvm = kvm});
        nested_touch(&nested, PAGES, VX_ACCESS_LOAD);
        uint64_t first = nested_entry_at(&nested, 0, 1);
        uint64_t second = nested_read(&nested, first + 8);
        nested_store(&nested, 1, first, 0);
        nested_store(&nested, 1, first + 8, nested_read(&nested, first + 16)); /* two pages, one frame */
        vmm_reset_counts(&nested.world);
        nested_touch(&nested, 2, VX_ACCESS_LOAD); /* stale */
        assert_int_equal(vmm_exits(&nested.world), 0);
        nested_l0_flush(nested.vm);
        assert_int_equal(nested_value(&nested, "nested.l0_exits.by_reason.INVEPT.count"), 1);
        assert_int_equal(nested_value(&nested, "nested.ept02.dropped"), kvm ? 2 : PAGES);
        assert_int_equal(vmm_flushes(&nested.world, VX_OP_INVEPT_CONTEXT), 1);
        assert_int_equal(vmm_reach(&nested.world, VX_ACCESS_LOAD, 0x1008), 0x2008);
        nested_touch(&nested, 1, VX_ACCESS_LOAD); /* L1 maps it again */
        assert_int_equal(nested_kind(&nested, L0_REFLECTED), 1);
        for (unsigned i = 2; i < PAGES; i++) vmm_reach(&nested.world, VX_ACCESS_LOAD, (uint64_t)i * PAGE);
        assert_int_equal(nested_kind(&nested, L0_REFLECTED), 1);
        /* KVM has kept the others, and its prefetch fills the one that it dropped beside one that it fills. */
        assert_int_equal(nested_kind(&nested, L0_TABLE02_FILL), kvm ? 2 : PAGES);
        nested_store(&nested, 1, first + 8, second);
        nested_l0_flush(nested.vm);
        nested_touch(&nested, PAGES, VX_ACCESS_LOAD);
        assert_true(vmm_verify(&nested.world) > 0);
        nested_world_close(&nested);
    }
}

/* KVM hears of the first store to a leaf table that is in step, and of every one to an upper table, which takes effect
 * at once. INVEPT brings all in step. */
static void kvm_protects_ept12(void **state)
{
    (void)state;
    nested_world nested;
    nested_world_open(&nested, &(nested_options){.kvm = true});
    nested_touch(&nested, 1, VX_ACCESS_LOAD);
    uint64_t leaf = nested_entry_at(&nested, 0, 1), value = nested_read(&nested, leaf);
    uint64_t upper = nested_entry_at(&nested, 0, 2), table = nested_read(&nested, upper);
    table01_leaf mapped;
    vmm_reset_counts(&nested.world);
    for (unsigned round = 1; round < 4; round++) {
        assert_true(nested_table01_find(nested.world.vmm, leaf, &mapped) && !(mapped.rights & VX_EPT_W));
        for (unsigned i = 0; i < 5; i++) nested_store(&nested, 1, leaf, value);
        assert_int_equal(nested_kind(&nested, L0_TABLE12_STORE), round);
        assert_true(nested_table01_find(nested.world.vmm, leaf, &mapped) && (mapped.rights & VX_EPT_W));
        nested_l0_flush(nested.vm);
    }
    vmm_reset_counts(&nested.world);
    nested_store(&nested, 2, upper, 0);
    vx_page_size size;
    assert_int_equal(nested_composed_leaf(&nested, 0, &size), 0);
    nested_store(&nested, 2, upper, table);
    assert_int_equal(nested_kind(&nested, L0_TABLE12_STORE), 2);
    assert_int_equal(nested_value(&nested, "nested.ept02.dropped"), 1);
    assert_true(nested_table01_find(nested.world.vmm, upper, &mapped) && !(mapped.rights & VX_EPT_W));
    nested_touch(&nested, 1, VX_ACCESS_LOAD);
    assert_int_equal(nested_kind(&nested, L0_TABLE02_FILL), 1);
    nested_world_close(&nested);
}

/* KVM as L1 loads its root again where paging changes, with an INVEPT. */
static void a_change_of_paging_is_an_invept(void **state)
{
    (void)state;
    for (unsigned kvm = 0; kvm < 2; kvm++) {
        nested_world nested;
        nested_world_open(&nested, &(nested_options){.kvm = true});
        nested.world.config.exits = kvm ? VX_EXITS_KVM : VX_EXITS_PLAIN;
        uint64_t cr0 = vx_vcpu_guest_view(nested.world.vcpu)->cr0;
        nested.vm->vmcs.cr0_mask = ~0ULL;
        vmm_cr_write(&nested.world, 0, cr0 | VX_CR0_WP);
        vmm_cr_write(&nested.world, 0, cr0 | VX_CR0_WP | VX_CR0_TS);
        assert_int_equal(vmm_exits_for(&nested.world, "CR_ACCESS"), 2);
        assert_int_equal(nested_value(&nested, "nested.l0_exits.by_reason.INVEPT.count"), kvm);
        nested_world_close(&nested);
    }
}

static void tables_run_out(void **state)
{
    (void)state;
    for (unsigned whose = 0; whose < 2; whose++) {
        nested_world nested;
        nested_world_open(&nested, &(nested_options){.l0_page = VX_PAGE_4K});
        nested_runs_out(&nested, whose);
        nested_world_close(&nested);
    }
}

/* --check finds an entry of EPT02, and one of EPT01, that leads elsewhere. */
static void the_check_finds_a_lie(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 3; which++) {
        nested_world nested;
        nested_world_open(&nested, &(nested_options){.l0_page = VX_PAGE_4K});
        nested_touch(&nested, 3, VX_ACCESS_LOAD);
        assert_true(vmm_verify(&nested.world) > 0);
        bool ept01 = which == 2;
        uint64_t address = ept01 ? vx_gpa_map_placed(nested.vm->ram, (vx_gpa){0x1000}) : 0x1000;
        const vx_radix_table *table = ept01 ? &nested.world.vmm->l0.table01 : &nested.vm->nested.table02;
        vx_radix_spot spot = vx_radix_lookup(table, address, 1);
        uint64_t leaf = nested_entry_at(&nested, 0x1000, 1), leaves = 0;
        if (which == 1) /* more than EPT12 allows by now */
            nested_store(&nested, 1, leaf, nested_read(&nested, leaf) & ~VX_EPT_W);
        else
            vx_physmem_write64(&nested.world.memory, (vx_hpa){spot.at}, spot.entry + PAGE);
        assert_int_equal(vx_vmm_verify(nested.world.vmm, &leaves, &nested.world.msg), VX_ERR_CHECK);
        /* A lie of EPT01 is one of what was made of it, too. */
        assert_non_null(strstr(nested.world.msg.text, "EPT02 maps L2's 0x1000 "));
        nested_world_close(&nested);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_touches),      cmocka_unit_test(the_processor_walks_the_composition),
        cmocka_unit_test(what_l1_sees),       cmocka_unit_test(devices_of_l1),
        cmocka_unit_test(flags_of_ept12),     cmocka_unit_test(invept),
        cmocka_unit_test(kvm_protects_ept12), cmocka_unit_test(a_change_of_paging_is_an_invept),
        cmocka_unit_test(tables_run_out),     cmocka_unit_test(the_check_finds_a_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
