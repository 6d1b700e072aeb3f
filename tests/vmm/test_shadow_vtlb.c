/* The virtual TLB: starts empty, fills by hidden faults, is dropped by the guest's own flushes; tables stay writable.
 */
#include "test_support.h"
#include "vmm_world.h"

enum { GVA = 0x400000 };

static const vmm_options vtlb = {.scheme = VX_SCHEME_SHADOW_VTLB, .mode = VX_PAGING_4LEVEL};

static void open_with_pages(vmm_world *world, const vmm_options *options, unsigned pages)
{
    vmm_world_open_pages(world, options, GVA, pages, VMM_USER_PAGE | VX_PTE_D);
}

static void touch_pages(vmm_world *world, unsigned pages)
{
    for (unsigned i = 0; i < pages; i++) vmm_reach(world, VX_ACCESS_STORE, GVA + i * 0x1000ULL);
}

static void fills_by_hidden_faults(void **state)
{
    (void)state;
    vmm_world world;
    open_with_pages(&world, &vtlb, 4);
    assert_int_equal(vmm_verify(&world), 0);
    touch_pages(&world, 4);
    touch_pages(&world, 4);
    assert_int_equal(vmm_counts(&world)->hidden_faults, 4);
    assert_int_equal(vmm_exits(&world), 4);
    assert_int_equal(vmm_verify(&world), 4);
    vmm_world_close(&world);
}

static void cr3_writes_exit_and_drop_all(void **state)
{
    (void)state;
    for (unsigned mode = VX_PAGING_32BIT; mode <= VX_PAGING_5LEVEL; mode++) {
        vmm_options options = vtlb;
        options.mode = (vx_paging_mode)mode;
        vmm_world world;
        open_with_pages(&world, &options, 4);
        touch_pages(&world, 4);
        uint64_t tables = vmm_counts(&world)->table_pages;
        vmm_reset_counts(&world);
        vmm_cr_write(&world, 3, world.root);
        assert_int_equal(vmm_exits_for(&world, "CR_ACCESS"), 1);
        assert_int_equal(vmm_verify(&world), 0);
        touch_pages(&world, 4);
        assert_int_equal(vmm_counts(&world)->hidden_faults, 4);
        assert_int_equal(vmm_counts(&world)->table_pages, tables); /* the old ones were given back */
        vmm_world_close(&world);
    }
}

static void invlpg_exits_and_drops_one(void **state)
{
    (void)state;
    vmm_world world;
    open_with_pages(&world, &vtlb, 4);
    touch_pages(&world, 4);
    vmm_reset_counts(&world);
    vmm_invlpg(&world, GVA + 0x2000);
    assert_int_equal(vmm_exits_for(&world, "INVLPG"), 1);
    assert_int_equal(vmm_verify(&world), 3);
    touch_pages(&world, 4);
    assert_int_equal(vmm_counts(&world)->hidden_faults, 1);
    vmm_invlpg(&world, GVA + (64 << 20)); /* nothing there: nothing else goes */
    assert_int_equal(vmm_verify(&world), 4);
    vmm_world_close(&world);
}

static void invpcid_exits_and_drops(void **state)
{
    (void)state;
    for (unsigned old = 0; old < 2; old++) { /* a CPU of the first generation cannot make it exit */
        vmm_options options = vtlb;
        options.no_secondary = old;
        vmm_world world;
        open_with_pages(&world, &options, 2);
        touch_pages(&world, 2);
        vmm_reset_counts(&world);
        const uint64_t pcid = 0;
        assert_true(vmm_do(&world, VX_REC_INVPCID, 2, 0, &pcid, 1));
        assert_int_equal(vmm_exits(&world), old ? 0 : 1);
        assert_int_equal(vmm_verify(&world), 0);
        vmm_world_close(&world);
    }
}

/* Stores to live tables do not exit; until the guest flushes, the old translation may be used. */
static void tables_stay_writable(void **state)
{
    (void)state;
    for (unsigned known = 0; known < 2; known++) {
        vmm_options options = vtlb;
        options.vpid = true;
        options.recorded = true;
        vmm_world world;
        open_with_pages(&world, &options, 2);
        uint64_t at = vmm_entry_at(&world, world.root, GVA, 1), window = GVA + 0x10000, other = vmm_page(&world);
        vmm_map(&world, world.root, window, at & ~0xFFFULL, VX_PAGE_4K, VX_PTE_P | VX_PTE_W | VX_PTE_D);
        uint64_t before = vmm_reach(&world, VX_ACCESS_STORE, GVA);
        (void)vmm_touch(&world, VX_ACCESS_STORE, window | 0xFF8);
        vmm_reset_counts(&world);
        for (unsigned i = 0; i < 5; i++)
            vmm_pt_store(&world, known ? window | (at & 0xFFF) : VX_GVA_UNKNOWN, at, other | VMM_USER_PAGE);
        assert_int_equal(vmm_exits(&world), 0);
        assert_int_equal(vmm_reach(&world, VX_ACCESS_STORE, GVA), before);
        vmm_verify(&world);
        assert_int_equal(vmm_counts(&world)->stale_leaves, 1);
        vmm_invlpg(&world, GVA);
        assert_int_equal(vmm_reach(&world, VX_ACCESS_STORE, GVA), other);
        vmm_world_close(&world);
    }
}

/* The modelled guest OS flushes at once: there a stale leaf is an error. */
static void stale_leaves_of_a_modelled_guest(void **state)
{
    (void)state;
    vmm_world world;
    open_with_pages(&world, &vtlb, 1);
    touch_pages(&world, 1);
    vmm_pt_store(&world, VX_GVA_UNKNOWN, vmm_entry_at(&world, world.root, GVA, 1), 0);
    uint64_t leaves;
    assert_int_equal(vx_vmm_verify(world.vmm, &leaves, &world.msg), VX_ERR_CHECK);
    vmm_invlpg(&world, GVA);
    vmm_verify(&world);
    vmm_world_close(&world);
}

/* One INVLPG drops all pieces of a large guest page. */
static void pieces_of_a_large_page_go_together(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        static const vx_page_size sizes[] = {VX_PAGE_4M, VX_PAGE_2M, VX_PAGE_1G};
        vmm_options options = vtlb;
        options.mode = i == 0 ? VX_PAGING_32BIT : VX_PAGING_4LEVEL;
        options.ram_bytes = 4ULL << 30;
        options.vpid = true;
        vmm_world world;
        vmm_world_open(&world, &options);
        vmm_boot(&world, vmm_root(&world));
        uint64_t gva = 1ULL << 30, frame = vmm_large_page(&world, sizes[i]), bytes = vx_page_bytes(sizes[i]);
        vmm_map(&world, world.root, gva, frame, sizes[i], VMM_USER_PAGE | VX_PTE_D);
        const uint64_t inside[] = {0, 0x5000, bytes / 2, bytes - 0x1000};
        for (unsigned n = 0; n < 4; n++)
            assert_int_equal(vmm_reach(&world, VX_ACCESS_STORE, gva + inside[n]), frame + inside[n]);
        assert_int_equal(vmm_verify(&world), 4);
        unsigned level = sizes[i] == VX_PAGE_1G ? 3 : 2;
        vmm_pt_store(&world, VX_GVA_UNKNOWN, vmm_entry_at(&world, world.root, gva, level), 0);
        vmm_invlpg(&world, gva + bytes / 4);
        assert_int_equal(vmm_verify(&world), 0);
        for (unsigned n = 0; n < 4; n++) assert_true(vmm_touch(&world, VX_ACCESS_LOAD, gva + inside[n]).faulted);
        vmm_world_close(&world);
    }
}

static void tables_run_out(void **state)
{
    (void)state;
    vmm_world world;
    vmm_options options = vtlb;
    options.table_bytes = 10 * VX_PAGE_BYTES;
    vmm_world_open(&world, &options);
    uint64_t root = vmm_root(&world);
    for (unsigned i = 0; i < 16; i++)
        vmm_map(&world, root, GVA + (uint64_t)i * (2 << 20), vmm_page(&world), VX_PAGE_4K, VMM_USER_PAGE);
    vmm_boot(&world, root);
    vmm_use_up_tables(&world, GVA, 16);
    assert_true(vmm_do(&world, VX_REC_INVLPG, 0, GVA, NULL, 0));
    assert_true(vmm_do(&world, VX_REC_CR_WRITE, 3, root, NULL, 0));
    vmm_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_by_hidden_faults),
        cmocka_unit_test(cr3_writes_exit_and_drop_all),
        cmocka_unit_test(invlpg_exits_and_drops_one),
        cmocka_unit_test(invpcid_exits_and_drops),
        cmocka_unit_test(tables_stay_writable),
        cmocka_unit_test(stale_leaves_of_a_modelled_guest),
        cmocka_unit_test(pieces_of_a_large_page_go_together),
        cmocka_unit_test(tables_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
