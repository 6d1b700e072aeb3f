/* Emulated stores, prefetch, early unshadowing, the pool: what both versions have (Xen 3.2.0-rc6 and 3.3.0-rc7). */
#include "xen_guest.h"

static const vx_scheme versions[] = {VX_SCHEME_SHADOW_XEN_V2, VX_SCHEME_SHADOW_XEN_V3};
static const vx_cfg_xen_shadow plain = {.prefetch = 1, .oos_pages = 3, .oos_fixups = 2};

static vx_cfg_xen_shadow with_prefetch(uint32_t entries)
{
    vx_cfg_xen_shadow config = plain;
    config.prefetch = entries;
    return config;
}

/* Version 2: each store exits, and the shadow follows: the page is reached without a fault of its own. */
static void shadows_follow_each_store(void **state)
{
    (void)state;
    enum { STORES = 7 };
    vmm_world world;
    xen_open(&world, VX_SCHEME_SHADOW_XEN_V2, VX_PAGING_4LEVEL, &plain, 1);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    uint64_t window = xen_window(&world, 0, xen_leaf(&world, 0));
    vmm_reach(&world, VX_ACCESS_LOAD, window);
    vmm_reset_counts(&world);
    for (unsigned i = 1; i <= STORES; i++)
        vmm_pt_store(&world, window + 8 * i, xen_leaf(&world, i), vmm_page(&world) | XEN_USED_PAGE);
    assert_int_equal(vmm_exits_for(&world, "EXCEPTION_NMI"), STORES);
    assert_int_equal(vmm_counts(&world)->emulated_stores, STORES);
    for (unsigned i = 1; i <= STORES; i++)
        assert_int_equal(vmm_reach(&world, VX_ACCESS_STORE, GVA + i * 0x1000ULL),
                         vmm_read(&world, xen_leaf(&world, i)) & 0xFFFFF000);
    assert_int_equal(vmm_exits(&world), STORES);
    assert_true(vmm_verify(&world) > STORES);
    vmm_world_close(&world);
}

/* An entry without A or D is no use to the shadow: the first use faults. */
static void entries_that_need_a_fault_get_one(void **state)
{
    (void)state;
    vmm_world world;
    xen_open(&world, VX_SCHEME_SHADOW_XEN_V2, VX_PAGING_4LEVEL, &plain, 1);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    vmm_pt_store(&world, VX_GVA_UNKNOWN, xen_leaf(&world, 1), vmm_page(&world) | VMM_USER_PAGE);
    vmm_pt_store(&world, VX_GVA_UNKNOWN, xen_leaf(&world, 2), vmm_page(&world) | VMM_USER_PAGE | VX_PTE_A);
    vmm_reset_counts(&world);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x1000);
    assert_int_equal(vmm_counts(&world)->hidden_faults, 1);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x2000);
    assert_int_equal(vmm_counts(&world)->hidden_faults, 1);
    vmm_reach(&world, VX_ACCESS_STORE, GVA + 0x2000);
    assert_int_equal(vmm_counts(&world)->hidden_faults, 2);
    vmm_world_close(&world);
}

/* An upper entry that is stored again finds the shadow of its table, as long as another entry keeps it. */
static void upper_entries_find_known_shadows(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        vmm_world world;
        xen_open(&world, versions[v], VX_PAGING_4LEVEL, &plain, 2);
        uint64_t at = vmm_entry_at(&world, world.root, GVA, 2), entry = vmm_read(&world, at);
        vmm_reach(&world, VX_ACCESS_LOAD, GVA);
        vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x1000);
        uint64_t pages = vmm_counts(&world)->table_pages;
        vmm_reset_counts(&world);
        vmm_pt_store(&world, VX_GVA_UNKNOWN, at + 8, entry | VX_PTE_A); /* 2 MiB further on */
        vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x200000);
        assert_int_equal(vmm_counts(&world)->hidden_faults, 1); /* the store's */
        vmm_pt_store(&world, VX_GVA_UNKNOWN, at, 0);
        vmm_pt_store(&world, VX_GVA_UNKNOWN, at, entry | VX_PTE_A);
        vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x1000);
        assert_int_equal(vmm_exits(&world), 3);
        assert_int_equal(vmm_counts(&world)->table_pages, pages);
        /* Nothing refers to it any more: it is thrown away. */
        vmm_pt_store(&world, VX_GVA_UNKNOWN, at, entry ^ entry);
        vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x200000);
        vmm_pt_store(&world, VX_GVA_UNKNOWN, at + 8, 2);
        assert_int_equal(vmm_counts(&world)->table_pages, pages - 1);
        vmm_verify(&world);
        vmm_world_close(&world);
    }
}

static void prefetch_goes_forward(void **state)
{
    (void)state;
    enum { PAGES = 40, AT = 3 };
    for (unsigned v = 0; v < 2; v++) {
        const vx_cfg_xen_shadow config = with_prefetch(32);
        vmm_world world;
        xen_open(&world, versions[v], VX_PAGING_4LEVEL, &config, PAGES);
        vmm_reach(&world, VX_ACCESS_LOAD, GVA + AT * 0x1000);
        assert_int_equal(vmm_counts(&world)->shadow_fills, 32);
        for (unsigned i = AT; i < AT + 32; i++) vmm_reach(&world, VX_ACCESS_STORE, GVA + i * 0x1000ULL);
        assert_int_equal(vmm_exits(&world), 1);
        vmm_reach(&world, VX_ACCESS_LOAD, GVA); /* stops at what is shadowed */
        assert_int_equal(vmm_counts(&world)->shadow_fills, 32 + AT);
        assert_int_equal(vmm_verify(&world), 32 + AT);
        vmm_world_close(&world);
    }
}

/* It stops at an entry that needs a fault for A or D, and passes those without a page. */
static void prefetch_stops_where_a_fault_is_needed(void **state)
{
    (void)state;
    const vx_cfg_xen_shadow config = with_prefetch(32);
    vmm_world world;
    xen_open(&world, VX_SCHEME_SHADOW_XEN_V2, VX_PAGING_4LEVEL, &config, 1);
    for (unsigned i = 2; i < 6; i++)
        vmm_map(&world, world.root, GVA + i * 0x1000ULL, vmm_page(&world), VX_PAGE_4K,
                i < 4 ? XEN_USED_PAGE : VMM_USER_PAGE | VX_PTE_A);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    assert_int_equal(vmm_counts(&world)->shadow_fills, 3); /* itself, 2 and 3 */
    vmm_world_close(&world);
}

static void prefetch_covers_large_pages(void **state)
{
    (void)state;
    const vx_cfg_xen_shadow config = with_prefetch(16);
    vmm_world world;
    xen_open(&world, VX_SCHEME_SHADOW_XEN_V3, VX_PAGING_4LEVEL, &config, 0);
    vmm_map(&world, world.root, 0x40000000, vmm_large_page(&world, VX_PAGE_2M), VX_PAGE_2M, XEN_USED_PAGE);
    vmm_reach(&world, VX_ACCESS_STORE, 0x40000000 + 508 * 0x1000ULL);
    assert_int_equal(vmm_counts(&world)->shadow_fills, 4); /* to the end of the shadow */
    vmm_reach(&world, VX_ACCESS_STORE, 0x40000000);
    assert_int_equal(vmm_counts(&world)->shadow_fills, 20);
    assert_int_equal(vmm_verify(&world), 20);
    vmm_world_close(&world);
}

/* Stores of zero to entry after entry of the current root's leaf table, as exit does; how many exit? */
static uint64_t zero_stores(vx_scheme scheme, vx_early_unshadow which, unsigned level, bool fault_between)
{
    enum { STORES = 6 };
    vx_cfg_xen_shadow config = plain;
    config.early_unshadow = which;
    vmm_world world;
    xen_open(&world, scheme, VX_PAGING_4LEVEL, &config, STORES);
    for (unsigned i = 0; i < STORES; i++) vmm_reach(&world, VX_ACCESS_LOAD, GVA + i * 0x1000ULL);
    uint64_t other = vmm_root(&world), at = vmm_entry_at(&world, world.root, GVA, level) & ~0xFFFULL;
    vmm_map(&world, other, GVA, vmm_page(&world), VX_PAGE_4K, XEN_USED_PAGE);
    vmm_cr_write(&world, 3, other);
    vmm_reset_counts(&world);
    for (unsigned i = 0; i < STORES; i++) {
        vmm_pt_store(&world, VX_GVA_UNKNOWN, at + 8 * i, 0);
        if (fault_between) vmm_touch(&world, VX_ACCESS_LOAD, GVA + 0x100000);
    }
    uint64_t stores = vmm_counts(&world)->emulated_stores;
    assert_int_equal(vmm_counts(&world)->early_unshadows, stores == 2);
    vmm_verify(&world);
    vmm_world_close(&world);
    return stores;
}

static void zero_stores_in_a_row_unshadow(void **state)
{
    (void)state;
    const vx_scheme v2 = VX_SCHEME_SHADOW_XEN_V2;
    assert_int_equal(zero_stores(v2, VX_UNSHADOW_ALL, 1, false), 2);
    assert_int_equal(zero_stores(v2, VX_UNSHADOW_ALL, 4, false), 2);
    assert_int_equal(zero_stores(v2, VX_UNSHADOW_LOWER, 1, false), 2);
    assert_int_equal(zero_stores(v2, VX_UNSHADOW_LOWER, 4, false), 6);
    assert_int_equal(zero_stores(v2, VX_UNSHADOW_OFF, 1, false), 6);
    assert_int_equal(zero_stores(v2, VX_UNSHADOW_ALL, 1, true), 6);
    assert_int_equal(zero_stores(VX_SCHEME_SHADOW_XEN_V3, VX_UNSHADOW_ALL, 3, false), 2);
    assert_int_equal(zero_stores(VX_SCHEME_SHADOW_XEN_V3, VX_UNSHADOW_ALL, 1, false), 0); /* out of sync instead */
}

/* A table that became data. Plain stores that clear it are of zeros; others name no page of the guest's. */
static void a_table_that_is_data_now_loses_its_shadow(void **state)
{
    (void)state;
    enum { STORES = 9 };
    for (unsigned clears = 0; clears < 2; clears++) {
        vx_cfg_xen_shadow config = plain;
        config.early_unshadow = VX_UNSHADOW_ALL;
        vmm_world world;
        xen_open(&world, VX_SCHEME_SHADOW_XEN_V2, VX_PAGING_4LEVEL, &config, 2);
        uint64_t at = xen_leaf(&world, 0), window = xen_window(&world, 0, at);
        vmm_reach(&world, VX_ACCESS_LOAD, GVA);
        vmm_reach(&world, VX_ACCESS_LOAD, window);
        vmm_reset_counts(&world);
        for (unsigned i = 0; i < STORES; i++) {
            unsigned offset = clears ? i : 64 + 8 * i; /* stores of one byte */
            assert_int_equal(vmm_reach(&world, VX_ACCESS_STORE, window + offset), at + offset);
        }
        assert_int_equal(vmm_exits(&world), clears ? 3 : 2); /* emulated, and one to make it writable */
        assert_int_equal(vmm_counts(&world)->early_unshadows, clears);
        vmm_world_close(&world);
    }
}

/* User code has no business with tables: no store of its is emulated. */
static void a_user_store_unshadows(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        vmm_world world;
        xen_open(&world, versions[v], VX_PAGING_4LEVEL, &plain, 1);
        uint64_t at = xen_leaf(&world, 0);
        vmm_map(&world, world.root, 0x10000000, at & ~0xFFFULL, VX_PAGE_4K, XEN_USED_PAGE); /* through another table */
        vmm_reach(&world, VX_ACCESS_LOAD, GVA);
        vmm_cpl(&world, 3);
        vmm_reset_counts(&world);
        vmm_reach(&world, VX_ACCESS_STORE, 0x10000000 | (at & 0xFFF));
        vmm_reach(&world, VX_ACCESS_STORE, 0x10000000 | (at & 0xFFF));
        /* Unshadowed, then made writable; version 3 has let the table go out of sync before it asks whose store it is.
         */
        assert_int_equal(vmm_exits(&world), versions[v] == VX_SCHEME_SHADOW_XEN_V3 ? 1 : 2);
        assert_int_equal(vmm_counts(&world)->emulated_stores, 0);
        vmm_world_close(&world);
    }
}

/* A store across two entries is hardly one to a table. */
static void an_unaligned_store_unshadows(void **state)
{
    (void)state;
    vmm_world world;
    xen_open(&world, VX_SCHEME_SHADOW_XEN_V2, VX_PAGING_4LEVEL, &plain, 1);
    uint64_t at = xen_leaf(&world, 0), payload[2] = {at + 4, 0};
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    uint64_t pages = vmm_counts(&world)->table_pages;
    assert_true(vmm_do(&world, VX_REC_PT_STORE, 8, VX_GVA_UNKNOWN, payload, 2));
    assert_int_equal(vmm_counts(&world)->table_pages, pages - 1);
    vmm_world_close(&world);
}

/* The second half of a PAE entry is found by emulating on: one exit for both. */
static void pae_halves_are_one_exit(void **state)
{
    (void)state;
    for (uint32_t ahead = 0; ahead <= 4; ahead += 4) {
        vx_cfg_xen_shadow config = plain;
        config.emulate_ahead = ahead;
        vmm_world world;
        xen_open(&world, VX_SCHEME_SHADOW_XEN_V2, VX_PAGING_PAE, &config, 1);
        vmm_reach(&world, VX_ACCESS_LOAD, GVA);
        uint64_t at = xen_leaf(&world, 1), page = vmm_page(&world);
        vmm_reset_counts(&world);
        for (unsigned i = 0; i < 3; i++) {
            vmm_pt_store_half(&world, VX_GVA_UNKNOWN, at + 8 * i + 4, 0);
            vmm_pt_store_half(&world, VX_GVA_UNKNOWN, at + 8 * i, (uint32_t)page | XEN_USED_PAGE);
        }
        assert_int_equal(vmm_exits(&world), ahead ? 3 : 6);
        assert_int_equal(vmm_counts(&world)->emulated_stores, 6);
        assert_int_equal(vmm_counts(&world)->stores_ahead, ahead ? 3 : 0);
        assert_int_equal(vmm_reach(&world, VX_ACCESS_STORE, GVA + 0x3000), page);
        assert_int_equal(vmm_exits(&world), ahead ? 3 : 6);
        vmm_verify(&world);
        vmm_world_close(&world);
    }
}

static void run_instructions(vmm_world *world, unsigned count)
{
    vx_record fetch = {.kind = VX_REC_FETCH, .addr = GVA, .count = (uint16_t)count, .arg = count};
    vx_batch batch = {.records = &fetch, .count = 1};
    vx_run run = {.instruction_limit = UINT64_MAX, .tick_limit = VX_TICK_NEVER};
    assert_int_equal(vx_vcpu_run(world->vcpu, &batch, &run, &world->msg), VX_STOP_BATCH);
}

/* It gives up behind four instructions, and other guests' entries have no halves. */
static void emulation_ahead_ends(void **state)
{
    (void)state;
    vx_cfg_xen_shadow config = plain;
    config.emulate_ahead = 4;
    for (unsigned count = 4; count <= 5; count++) {
        vmm_world world;
        xen_open(&world, VX_SCHEME_SHADOW_XEN_V2, VX_PAGING_PAE, &config, 1);
        vmm_reach(&world, VX_ACCESS_FETCH, GVA);
        vmm_reset_counts(&world);
        vmm_pt_store_half(&world, VX_GVA_UNKNOWN, xen_leaf(&world, 1) + 4, 0);
        run_instructions(&world, count);
        vmm_pt_store_half(&world, VX_GVA_UNKNOWN, xen_leaf(&world, 1), 0);
        assert_int_equal(vmm_exits(&world), count == 4 ? 1 : 2);
        vmm_world_close(&world);
    }
    vmm_world world;
    xen_open(&world, VX_SCHEME_SHADOW_XEN_V2, VX_PAGING_4LEVEL, &config, 1);
    vmm_reach(&world, VX_ACCESS_FETCH, GVA);
    vmm_reset_counts(&world);
    for (unsigned i = 0; i < 4; i++) vmm_pt_store(&world, VX_GVA_UNKNOWN, xen_leaf(&world, i), 2);
    assert_int_equal(vmm_exits(&world), 4);
    vmm_world_close(&world);
}

/* With CR0.WP clear the supervisor stores past read-only entries: Xen emulates each such store. */
static void stores_past_protection_are_emulated(void **state)
{
    (void)state;
    enum { STORES = 5 };
    for (unsigned v = 0; v < 2; v++) {
        vmm_world world;
        xen_open(&world, versions[v], VX_PAGING_4LEVEL, &plain, 0);
        uint64_t page = vmm_page(&world);
        vmm_map(&world, world.root, GVA, page, VX_PAGE_4K, VX_PTE_P | VX_PTE_U | VX_PTE_A);
        vmm_reach(&world, VX_ACCESS_LOAD, GVA);
        assert_true(vmm_touch(&world, VX_ACCESS_STORE, GVA).faulted);
        vmm_cr_write(&world, 0, vx_vcpu_guest_view(world.vcpu)->cr0 & ~VX_CR0_WP);
        vmm_reset_counts(&world);
        for (unsigned i = 0; i < STORES; i++) assert_int_equal(vmm_reach(&world, VX_ACCESS_STORE, GVA + i), page + i);
        assert_int_equal(vmm_exits(&world), STORES);
        vmm_verify(&world);
        vmm_world_close(&world);
    }
}

/* ---- the pool ---- */

/* Processes in turn, each with a page of its own; returns the hidden faults of the second round. */
static uint64_t second_round(const vx_cfg_xen_shadow *config, unsigned processes)
{
    vmm_world world;
    xen_open(&world, VX_SCHEME_SHADOW_XEN_V2, VX_PAGING_4LEVEL, config, 0);
    uint64_t root[32];
    for (unsigned i = 0; i < processes; i++) {
        root[i] = vmm_root(&world);
        vmm_map(&world, root[i], GVA, vmm_page(&world), VX_PAGE_4K, XEN_USED_PAGE);
    }
    for (unsigned round = 0; round < 2; round++) {
        vmm_reset_counts(&world);
        for (unsigned i = 0; i < processes; i++) {
            vmm_cr_write(&world, 3, root[i]);
            vmm_reach(&world, VX_ACCESS_STORE, GVA);
        }
        vmm_verify(&world);
    }
    uint64_t faults = vmm_counts(&world)->hidden_faults;
    vmm_world_close(&world);
    return faults;
}

/* A process takes four shadows. Where they do not fit, the root that was pinned longest ago goes first. */
static void the_pool_limits_shadows(void **state)
{
    (void)state;
    enum { P2M = 32 /* of 64 MiB */ };
    vx_cfg_xen_shadow config = plain;
    assert_int_equal(second_round(&config, 20), 0);
    config.pool_pages = P2M + 44; /* ten processes, and what is kept free for the next */
    assert_int_equal(second_round(&config, 9), 0);
    assert_int_equal(second_round(&config, 20), 20);
}

static void a_pool_too_small_is_refused(void **state)
{
    (void)state;
    vmm_world world;
    vmm_world_open(&world, &(vmm_options){.scheme = VX_SCHEME_NATIVE});
    world.config.xen = (vx_cfg_xen_shadow){.prefetch = 1, .oos_pages = 1, .oos_fixups = 1, .pool_pages = 40};
    vx_vmm_setup setup = {.cpu = &world.cpu,
                          .vmm = &world.config,
                          .scheme = VX_SCHEME_SHADOW_XEN_V3,
                          .memory = &world.memory,
                          .layout = &world.layout,
                          .vms = 1};
    assert_int_equal(vx_host_layout_make(&world.layout, setup.scheme, &world.config, 64 << 20, 1, 7, &world.msg),
                     VX_OK);
    assert_int_equal(vx_vmm_init(&world.vmm, &world.arena, &setup, &world.msg), VX_ERR_INPUT);
    assert_string_equal(world.msg.text, "vmm.xen_shadow: 40 pages and 0 a MiB leave no room for shadows");
    vmm_world_close(&world);
}

/* A root that lost its pin while it was loaded: version 3 pins it again when the guest leaves it. */
static void roots_left_behind(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        vx_cfg_xen_shadow config = plain;
        config.early_unshadow = VX_UNSHADOW_ALL;
        vmm_world world;
        xen_open(&world, versions[v], VX_PAGING_4LEVEL, &config, 1);
        vmm_reach(&world, VX_ACCESS_LOAD, GVA);
        uint64_t old = world.root, other = vmm_root(&world);
        for (unsigned i = 0; i < 2; i++) vmm_pt_store(&world, VX_GVA_UNKNOWN, old + 8 * (100 + i), 0);
        assert_int_equal(vmm_counts(&world)->early_unshadows, 1);
        vmm_cr_write(&world, 3, other);
        vmm_cr_write(&world, 3, old);
        vmm_reset_counts(&world);
        vmm_reach(&world, VX_ACCESS_LOAD, GVA);
        assert_int_equal(vmm_exits(&world), versions[v] == VX_SCHEME_SHADOW_XEN_V3 ? 0 : 1);
        vmm_verify(&world);
        vmm_world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shadows_follow_each_store),
        cmocka_unit_test(entries_that_need_a_fault_get_one),
        cmocka_unit_test(upper_entries_find_known_shadows),
        cmocka_unit_test(prefetch_goes_forward),
        cmocka_unit_test(prefetch_stops_where_a_fault_is_needed),
        cmocka_unit_test(prefetch_covers_large_pages),
        cmocka_unit_test(zero_stores_in_a_row_unshadow),
        cmocka_unit_test(a_table_that_is_data_now_loses_its_shadow),
        cmocka_unit_test(a_user_store_unshadows),
        cmocka_unit_test(an_unaligned_store_unshadows),
        cmocka_unit_test(pae_halves_are_one_exit),
        cmocka_unit_test(emulation_ahead_ends),
        cmocka_unit_test(stores_past_protection_are_emulated),
        cmocka_unit_test(the_pool_limits_shadows),
        cmocka_unit_test(a_pool_too_small_is_refused),
        cmocka_unit_test(roots_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
