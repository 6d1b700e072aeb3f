/* Nested paging on AMD: closed forms of exits by kind where L2 touches its pages in order; what L1 sees of a nested
 * page fault; A and D flags of NPT12; when changes of L1's take effect. (Exits besides, and flushes:
 * test_nested_svm.c.) */
#include "nested_world.h"
#include "test_support.h"

#include <string.h>

enum { MIB = 1 << 20, PAGE = 4096, FILL_PAGES = 1100 };
enum { NPF = 0x400, NPF_P = 1, NPF_W = 1 << 1, NPF_U = 1 << 2, NPF_RSVD = 1 << 3, NPF_ID = 1 << 4 };

static uint64_t parts(uint64_t whole, uint64_t part) { return (whole + part - 1) / part; }

/* ---- first touches ---- */

typedef struct form {
    uint64_t reflected, fills, npt01_fills, stores, entries;
} form;

/* As for EPT (test_nested_ept.c), but for two things. NPT12 always has A and D: where L1 leaves them to the processor,
 * the first store to what was read before is one more violation of each leaf. And L0 of policy "kvm" protects tables
 * again at each VMRUN: every store of L1's to a leaf table that it has composed exits, not the first alone. */
static form expected(const nested_options *o, unsigned pages)
{
    uint64_t bytes = (uint64_t)pages * PAGE, l1 = vx_page_bytes(o->l1_page), l0 = vx_page_bytes(o->l0_page);
    uint64_t least = l1 < l0 ? l1 : l0, leaves = parts(bytes, least);
    uint64_t leaf_tables = o->l1_page == VX_PAGE_4K ? parts(bytes, 2 * MIB) : 0, tables = 2 + leaf_tables;
    form f = {.reflected = parts(bytes, l1), .fills = leaves};
    f.npt01_fills = parts(f.reflected * l1, l0) + (o->kvm || l0 == PAGE ? tables : 0);
    f.entries = leaves;
    if (o->kvm) f.stores = f.reflected - 1;
    if (o->kvm && l1 > l0) f.fills = parts(pages, 8); /* seven neighbours each */
    if (o->kvm && l1 > l0) f.entries = f.fills * 8;
    if (!o->l1_kvm) f.fills += leaves;
    if (!o->l1_kvm) f.entries += leaves;
    return f;
}

static void first_touches(void **state)
{
    (void)state;
    const vx_page_size sizes[] = {VX_PAGE_4K, VX_PAGE_2M};
    for (unsigned which = 0; which < 16; which++) {
        const nested_options o = {.amd = true,
                                  .l1_page = sizes[which & 1],
                                  .l0_page = sizes[which >> 1 & 1],
                                  .kvm = which & 4,
                                  .l1_kvm = which & 8};
        nested_world nested;
        nested_world_open(&nested, &o);
        nested_touch(&nested, FILL_PAGES, VX_ACCESS_LOAD);
        nested_touch(&nested, FILL_PAGES, VX_ACCESS_STORE);
        nested_touch(&nested, FILL_PAGES, VX_ACCESS_STORE); /* known by now */
        form f = expected(&o, FILL_PAGES);
        print_message("NPT12 %s%s, NPT01 %s%s: %llu, %llu, %llu, %llu\n", vx_page_size_name(o.l1_page),
                      o.l1_kvm ? " (kvm)" : "", vx_page_size_name(o.l0_page), o.kvm ? " (kvm)" : "",
                      (unsigned long long)f.reflected, (unsigned long long)f.fills, (unsigned long long)f.npt01_fills,
                      (unsigned long long)f.stores);
        assert_int_equal(nested_kind(&nested, L0_REFLECTED), f.reflected);
        assert_int_equal(nested_kind(&nested, L0_TABLE02_FILL), f.fills);
        assert_int_equal(nested_kind(&nested, L0_TABLE01_FILL), f.npt01_fills);
        assert_int_equal(nested_kind(&nested, L0_TABLE12_STORE), f.stores);
        assert_int_equal(nested_kind(&nested, L0_INSTRUCTION), f.reflected * (o.l1_kvm ? 7 : 6));
        assert_int_equal(nested_kind(&nested, L0_ALONE), 0);
        assert_int_equal(nested_value(&nested, "nested.npt02.entries"), f.entries);
        assert_int_equal(nested_to_l0(&nested, "npf"), f.reflected + f.fills + f.npt01_fills + f.stores);
        assert_int_equal(nested_value(&nested, "nested.l1_by_reason.npf.count"), f.reflected);
        nested_identities_hold(&nested);
        assert_true(vmm_verify(&nested.world) > f.reflected);
        nested_world_close(&nested);
    }
}

/* Counted: 512 pages of 4 KiB in a table that L1 has begun, touched once: 512 exits that L1 handles, 512 of its stores
 * to NPT12, 512 that L0 mends. */
static void counted_first_touches(void **state)
{
    (void)state;
    nested_world nested;
    nested_world_open(&nested, &(nested_options){.amd = true, .kvm = true, .l1_kvm = true});
    nested_touch(&nested, 1, VX_ACCESS_STORE);
    for (uint64_t at = 0; at < 600 * PAGE; at += PAGE) /* L1's memory is there: vx has touched it */
        (void)nested_table01_ensure(nested.world.vmm, vx_gpa_map_placed(nested.vm->ram, (vx_gpa){at}), 3);
    vmm_reset_counts(&nested.world);
    nested_touch(&nested, 512, VX_ACCESS_STORE);
    assert_int_equal(nested_kind(&nested, L0_REFLECTED), 511);
    assert_int_equal(nested_kind(&nested, L0_TABLE12_STORE), 511);
    assert_int_equal(nested_kind(&nested, L0_TABLE02_FILL), 511);
    assert_int_equal(nested_to_l0(&nested, "npf"), 3 * 511);
    nested_world_close(&nested);
}

/* The walker reads NPT02: 4 accesses with nothing cached, 3 where both have 2 MiB pages. */
static void the_processor_walks_the_composition(void **state)
{
    (void)state;
    const vx_page_size sizes[] = {VX_PAGE_4K, VX_PAGE_2M};
    for (unsigned which = 0; which < 4; which++) {
        nested_world nested;
        nested_world_open(&nested,
                          &(nested_options){.amd = true, .l1_page = sizes[which & 1], .l0_page = sizes[which >> 1]});
        nested_touch(&nested, 6, VX_ACCESS_LOAD);
        vx_mmu_invalidate(nested.world.mmu, &(vx_mmu_invalidation){.op = VX_OP_FLUSH_ALL_ASIDS});
        vmm_reset_counts(&nested.world);
        vmm_reach(&nested.world, VX_ACCESS_LOAD, 0x5008);
        assert_int_equal(vx_mmu_counts_now(nested.world.mmu)->walks, 1);
        assert_int_equal(vx_mmu_counts_now(nested.world.mmu)->walk_accesses, which == 3 ? 3 : 4);
        vx_page_size size;
        assert_true(nested_composed_leaf(&nested, 0x5008, &size) != 0);
        assert_int_equal(size, which == 3 ? VX_PAGE_2M : VX_PAGE_4K);
        nested_world_close(&nested);
    }
}

/* ---- whose nested page fault it is ---- */

static void what_l1_sees(void **state)
{
    (void)state;
    const uint64_t data = 1ULL << 32, table_walk = 1ULL << 33, rsvd = 1ULL << 51;
    nested_world nested;
    nested_world_open(&nested, &(nested_options){.amd = true});
    nested_touch(&nested, 2, VX_ACCESS_LOAD);
    uint64_t at = nested_entry_at(&nested, 0x1000, 1), leaf = nested_read(&nested, at);
    uint64_t upper = nested_entry_at(&nested, 0x1000, 3), table = nested_read(&nested, upper);
    const struct {
        uint64_t leaf, table, information, seen; /* seen 0: L0's */
    } cases[] = {
        {leaf, table, data | NPF_W | NPF_U, 0},
        {leaf, table, data | NPF_P | NPF_W | NPF_U, 0},
        {0, table, data | NPF_W | NPF_U, data | NPF_W | NPF_U},
        {leaf & ~VX_PTE_P, table, table_walk | NPF_U | NPF_W, table_walk | NPF_U | NPF_W},
        {leaf & ~VX_PTE_W, table, data | NPF_U | NPF_W, data | NPF_P | NPF_U | NPF_W},
        {leaf & ~VX_PTE_W, table, data | NPF_U, 0},
        {leaf & ~VX_PTE_U, table, data | NPF_U, data | NPF_P | NPF_U}, /* every access is a user's */
        {leaf | VX_PTE_NX, table, data | NPF_U | NPF_ID, data | NPF_P | NPF_U | NPF_ID},
        {leaf | VX_PTE_NX, table, data | NPF_U, 0},
        {leaf, table & ~VX_PTE_W, data | NPF_U | NPF_W, data | NPF_P | NPF_U | NPF_W}, /* all levels count */
        {leaf, table & ~VX_PTE_U, data | NPF_U, data | NPF_P | NPF_U},
        {leaf, 0, data | NPF_U, data | NPF_U},
        {leaf | rsvd, table, data | NPF_U, data | NPF_P | NPF_U | NPF_RSVD},
        {leaf, table | rsvd, data | NPF_U | NPF_W, data | NPF_P | NPF_U | NPF_W | NPF_RSVD},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        nested_store(&nested, 1, at, cases[i].leaf);
        nested_store(&nested, 3, upper, cases[i].table);
        nested_l0_flush(nested.vm);
        vx_exit seen, exit = {.reason = NPF, .qualification = cases[i].information, .physical = {0x1008}};
        if (nested_l0_takes(nested.vm, &exit, NULL, NULL, &seen) != (cases[i].seen == 0)) fail_msg("case %u", i);
        if (!cases[i].seen) continue;
        assert_int_equal(seen.reason, NPF);
        if (seen.qualification != cases[i].seen)
            fail_msg("case %u: EXITINFO1 %#llx", i, (unsigned long long)seen.qualification);
        assert_int_equal(seen.physical.v, 0x1008);
    }
    nested_world_close(&nested);
}

/* A and D of NPT12: L0's to set where L1 leaves them to the processor, as a textbook does; KVM sets them itself. */
static void flags_of_npt12(void **state)
{
    (void)state;
    for (unsigned kvm = 0; kvm < 2; kvm++) {
        nested_world nested;
        nested_world_open(&nested, &(nested_options){.amd = true, .l1_kvm = kvm});
        nested_touch(&nested, 1, VX_ACCESS_LOAD);
        uint64_t at = nested_entry_at(&nested, 0, 1), both = VX_PTE_A | VX_PTE_D;
        vx_page_size size;
        assert_int_equal(nested_read(&nested, at) & both, kvm ? both : VX_PTE_A);
        assert_int_equal(nested_composed_leaf(&nested, 0, &size) & VX_PTE_W, kvm ? VX_PTE_W : 0);
        assert_int_equal(nested_value(&nested, "nested.npt12.ad_updates"), kvm ? 0 : 4);
        nested_touch(&nested, 1, VX_ACCESS_STORE);
        assert_int_equal(nested_kind(&nested, L0_TABLE02_FILL), kvm ? 1 : 2);
        assert_int_equal(nested_kind(&nested, L0_REFLECTED), 1);
        assert_int_equal(nested_read(&nested, at) & both, both);
        nested_world_close(&nested);
    }
}

/* L1 takes pages away and maps others. An L0 of policy "kvm" brings all in step at L1's next VMRUN, however many tables
 * are out of sync. */
static void vmrun_brings_tables_in_step(void **state)
{
    (void)state;
    for (unsigned tables = 1; tables < 21; tables += 19) {
        nested_world nested;
        nested_world_open(&nested, &(nested_options){.amd = true, .kvm = true, .l1_kvm = true});
        for (unsigned i = 0; i < tables; i++) (void)vmm_reach(&nested.world, VX_ACCESS_LOAD, i * 2ULL * MIB);
        vmm_reset_counts(&nested.world);
        for (unsigned i = 0; i < tables; i++) nested_store(&nested, 1, nested_entry_at(&nested, i * 2ULL * MIB, 1), 0);
        assert_int_equal(nested_kind(&nested, L0_TABLE12_STORE), tables);
        vx_page_size size;
        assert_true(nested_composed_leaf(&nested, 0, &size) != 0); /* still */
        nested_do(&nested, VX_REC_CPUID, 0, 1);
        assert_int_equal(nested_value(&nested, "nested.npt02.dropped"), tables);
        for (unsigned i = 0; i < tables; i++) assert_int_equal(nested_composed_leaf(&nested, i * 2ULL * MIB, &size), 0);
        nested_store(&nested, 1, nested_entry_at(&nested, 0, 1), 0); /* protected again */
        assert_int_equal(nested_kind(&nested, L0_TABLE12_STORE), tables + 1);
        nested_world_close(&nested);
    }
}

/* ---- the end ---- */

static void tables_run_out(void **state)
{
    (void)state;
    for (unsigned whose = 0; whose < 2; whose++) {
        nested_world nested;
        nested_world_open(&nested, &(nested_options){.amd = true, .l0_page = VX_PAGE_4K, .kvm = true});
        nested_runs_out(&nested, whose);
        nested_world_close(&nested);
    }
}

static void the_check_finds_a_lie(void **state)
{
    (void)state;
    nested_world nested;
    nested_world_open(&nested, &(nested_options){.amd = true});
    nested_touch(&nested, 3, VX_ACCESS_LOAD);
    assert_true(vmm_verify(&nested.world) > 0);
    vx_radix_spot spot = vx_radix_lookup(&nested.vm->nested.table02, 0x1000, 1);
    uint64_t leaves = 0;
    vx_physmem_write64(&nested.world.memory, (vx_hpa){spot.at}, spot.entry + PAGE);
    assert_int_equal(vx_vmm_verify(nested.world.vmm, &leaves, &nested.world.msg), VX_ERR_CHECK);
    assert_non_null(strstr(nested.world.msg.text, "NPT02 maps L2's 0x1000 "));
    nested_world_close(&nested);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_touches),
        cmocka_unit_test(counted_first_touches),
        cmocka_unit_test(the_processor_walks_the_composition),
        cmocka_unit_test(what_l1_sees),
        cmocka_unit_test(flags_of_npt12),
        cmocka_unit_test(vmrun_brings_tables_in_step),
        cmocka_unit_test(tables_run_out),
        cmocka_unit_test(the_check_finds_a_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
