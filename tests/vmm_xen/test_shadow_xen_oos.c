/* Leaf tables out of sync: Xen 3.3.0-rc7, xen/arch/x86/mm/shadow/common.c. */
#include "xen_guest.h"

static const vx_cfg_xen_shadow plain = {.prefetch = 1, .oos_pages = 3, .oos_fixups = 2};

static void open_v3(vmm_world *world, unsigned pages)
{
    xen_open(world, VX_SCHEME_SHADOW_XEN_V3, VX_PAGING_4LEVEL, &plain, pages);
}

/* The first store to a leaf table exits, the others do not, until CR3 is loaded. */
static void stores_between_flushes_are_free(void **state)
{
    (void)state;
    enum { STORES = 7 };
    for (unsigned known = 0; known < 2; known++) {
        vmm_world world;
        open_v3(&world, 2);
        vmm_reach(&world, VX_ACCESS_LOAD, GVA);
        uint64_t window = xen_window(&world, 0, xen_leaf(&world, 0));
        vmm_reach(&world, VX_ACCESS_LOAD, window);
        vmm_cr_write(&world, 3, world.root); /* the window's own entry went out of sync */
        for (unsigned round = 0; round < 2; round++) {
            vmm_reset_counts(&world);
            for (unsigned i = 0; i < STORES; i++)
                vmm_pt_store(&world, known ? window : VX_GVA_UNKNOWN, xen_leaf(&world, 0),
                             vmm_page(&world) | XEN_USED_PAGE);
            assert_int_equal(vmm_exits(&world), 1);
            assert_int_equal(vmm_counts(&world)->unsyncs, 1);
            assert_int_equal(vmm_counts(&world)->emulated_stores, 0);
            vmm_cr_write(&world, 3, world.root);
            assert_int_equal(vmm_counts(&world)->resyncs, 1);
            /* The batch of stores has reached the shadow: no fault. */
            assert_int_equal(vmm_reach(&world, VX_ACCESS_LOAD, GVA),
                             vmm_read(&world, xen_leaf(&world, 0)) & 0xFFFFF000);
            assert_int_equal(vmm_exits(&world), 2);
            assert_true(vmm_verify(&world) > 0);
        }
        vmm_world_close(&world);
    }
}

/* Upper tables are never out of sync. */
static void upper_tables_stay_in_sync(void **state)
{
    (void)state;
    vmm_world world;
    open_v3(&world, 1);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    vmm_reset_counts(&world);
    for (unsigned level = 2; level <= 4; level++)
        for (unsigned i = 1; i < 4; i++)
            vmm_pt_store(&world, VX_GVA_UNKNOWN, vmm_entry_at(&world, world.root, GVA, level) + 8 * i, 0x1002);
    assert_int_equal(vmm_exits(&world), 9);
    assert_int_equal(vmm_counts(&world)->emulated_stores, 9);
    assert_int_equal(vmm_counts(&world)->unsyncs, 0);
    vmm_world_close(&world);
}

/* INVLPG empties the entry of a table out of sync: the next use fills it. In step, it keeps it. */
static void invlpg_empties_one_entry(void **state)
{
    (void)state;
    vmm_world world;
    open_v3(&world, 2);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x1000);
    vmm_invlpg(&world, GVA);
    vmm_reset_counts(&world);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    assert_int_equal(vmm_exits(&world), 0);
    uint64_t page = vmm_page(&world);
    vmm_pt_store(&world, VX_GVA_UNKNOWN, xen_leaf(&world, 0), page | XEN_USED_PAGE);
    vmm_invlpg(&world, GVA);
    vmm_reset_counts(&world);
    assert_int_equal(vmm_reach(&world, VX_ACCESS_LOAD, GVA), page);
    assert_int_equal(vmm_counts(&world)->hidden_faults, 1);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x1000);
    assert_int_equal(vmm_exits(&world), 1);
    vmm_verify(&world);
    vmm_world_close(&world);
}

/* The guest's fault is told from what its tables say now, not from a shadow out of sync. */
static void an_entry_made_out_of_sync_is_found(void **state)
{
    (void)state;
    vmm_world world;
    open_v3(&world, 1);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    vmm_pt_store(&world, VX_GVA_UNKNOWN, xen_leaf(&world, 0), vmm_page(&world) | XEN_USED_PAGE);
    assert_true(vmm_touch(&world, VX_ACCESS_LOAD, GVA + 0x3000).faulted);
    uint64_t page = vmm_page(&world);
    vmm_pt_store(&world, VX_GVA_UNKNOWN, xen_leaf(&world, 3), page | XEN_USED_PAGE);
    assert_int_equal(vmm_reach(&world, VX_ACCESS_STORE, GVA + 0x3000), page);
    vmm_world_close(&world);
}

/* One table too many: the first comes in step. Slots are by frame, so that it may be any of them that makes room. */
static void a_few_tables_at_a_time(void **state)
{
    (void)state;
    enum { TABLES = 12 };
    vmm_world world;
    open_v3(&world, 0);
    for (unsigned i = 0; i < TABLES; i++) {
        vmm_map(&world, world.root, GVA + ((uint64_t)i << 21), vmm_page(&world), VX_PAGE_4K, XEN_USED_PAGE);
        vmm_reach(&world, VX_ACCESS_LOAD, GVA + ((uint64_t)i << 21));
    }
    vmm_cr_write(&world, 3, world.root);
    vmm_reset_counts(&world);
    for (unsigned i = 0; i < TABLES; i++) {
        uint64_t at = vmm_entry_at(&world, world.root, GVA + ((uint64_t)i << 21), 1);
        vmm_pt_store(&world, VX_GVA_UNKNOWN, at, vmm_page(&world) | XEN_USED_PAGE);
        assert_int_equal(vmm_counts(&world)->unsyncs, i + 1);
        assert_true(vmm_counts(&world)->unsyncs - vmm_counts(&world)->resyncs <= 3);
    }
    assert_int_equal(vmm_exits(&world), TABLES);
    vmm_cr_write(&world, 3, world.root);
    assert_int_equal(vmm_counts(&world)->resyncs, TABLES);
    for (unsigned i = 0; i < TABLES; i++) {
        uint64_t gva = GVA + ((uint64_t)i << 21);
        assert_int_equal(vmm_reach(&world, VX_ACCESS_LOAD, gva),
                         vmm_read(&world, vmm_entry_at(&world, world.root, gva, 1)) & 0xFFFFF000);
    }
    assert_int_equal(vmm_exits(&world), TABLES + 1);
    assert_int_equal(vmm_verify(&world), TABLES);
    vmm_world_close(&world);
}

/* Two mappings of a table out of sync are writable; a third takes the first one's place. */
static void a_few_writable_mappings(void **state)
{
    (void)state;
    enum { WINDOWS = 3 };
    vmm_world world;
    open_v3(&world, 1);
    uint64_t window[WINDOWS];
    for (unsigned i = 0; i < WINDOWS; i++) window[i] = xen_window(&world, i << 9, xen_leaf(&world, 0));
    vmm_cr_write(&world, 3, world.root);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    for (unsigned i = 0; i < WINDOWS; i++) vmm_reach(&world, VX_ACCESS_LOAD, window[i]);
    vmm_reset_counts(&world);
    static const struct {
        unsigned window, exits;
    } steps[] = {{0, 1}, {1, 2}, {0, 2}, {1, 2}, {2, 3}, {1, 3}, {2, 3}, {0, 4}, {2, 4}, {1, 5}};
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        vmm_pt_store(&world, window[steps[i].window], xen_leaf(&world, 0), vmm_page(&world) | XEN_USED_PAGE);
        assert_int_equal(vmm_exits(&world), steps[i].exits);
    }
    assert_int_equal(vmm_counts(&world)->unsyncs, 1);
    vmm_cr_write(&world, 3, world.root);
    vmm_verify(&world);
    vmm_world_close(&world);
}

/* A leaf table that becomes an upper one comes in step first, and stays so. */
static void promotion_brings_in_step(void **state)
{
    (void)state;
    vmm_world world;
    open_v3(&world, 1);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    uint64_t table = xen_leaf(&world, 0) & ~0xFFFULL;
    uint64_t inner = vmm_page(&world), page = vmm_page(&world);
    vmm_pt_store(&world, VX_GVA_UNKNOWN, table + 8 * 5, inner | XEN_USED_PAGE);
    vmm_pt_store(&world, VX_GVA_UNKNOWN, inner, page | XEN_USED_PAGE);
    assert_int_equal(vmm_counts(&world)->unsyncs, 1);
    /* The leaf table of page 0 serves as a directory elsewhere. */
    uint64_t elsewhere = 0x80000000ULL;
    vmm_pt_store(&world, VX_GVA_UNKNOWN, vmm_entry_at(&world, world.root, elsewhere, 3), table | VMM_USER_PAGE);
    assert_int_equal(vmm_reach(&world, VX_ACCESS_LOAD, elsewhere + (5ULL << 21)), page);
    assert_int_equal(vmm_counts(&world)->resyncs, 1);
    vmm_reset_counts(&world);
    vmm_pt_store(&world, VX_GVA_UNKNOWN, table + 8 * 6, vmm_page(&world) | XEN_USED_PAGE);
    vmm_pt_store(&world, VX_GVA_UNKNOWN, table + 8 * 7, vmm_page(&world) | XEN_USED_PAGE);
    assert_int_equal(vmm_counts(&world)->emulated_stores, 2);
    assert_int_equal(vmm_counts(&world)->unsyncs, 0);
    vmm_verify(&world);
    vmm_world_close(&world);
}

/* Only what the guest has changed is looked at again: an entry that INVLPG emptied stays empty where the snapshot says
 * that it is the old one. */
static void resync_looks_at_changes_alone(void **state)
{
    (void)state;
    vmm_world world;
    open_v3(&world, 2);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x1000);
    vmm_pt_store(&world, VX_GVA_UNKNOWN, xen_leaf(&world, 0), vmm_page(&world) | XEN_USED_PAGE);
    vmm_invlpg(&world, GVA + 0x1000);
    vmm_cr_write(&world, 3, world.root);
    vmm_reset_counts(&world);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    assert_int_equal(vmm_exits(&world), 0);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x1000);
    assert_int_equal(vmm_exits(&world), 1);
    vmm_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_between_flushes_are_free), cmocka_unit_test(upper_tables_stay_in_sync),
        cmocka_unit_test(invlpg_empties_one_entry),        cmocka_unit_test(an_entry_made_out_of_sync_is_found),
        cmocka_unit_test(a_few_tables_at_a_time),          cmocka_unit_test(a_few_writable_mappings),
        cmocka_unit_test(promotion_brings_in_step),        cmocka_unit_test(resync_looks_at_changes_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
