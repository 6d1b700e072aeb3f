/* KVM's shadow MMU and its filling of nested tables: one small case with an exact count for each rule. */
#include "test_support.h"
#include "vmm_world.h"

/* Data pages from GVA on; WINDOW maps the guest's own leaf table, UPPER_WINDOW its directory (level 2). */
enum { GVA = 0x400000, FAR = 0x40000000, WINDOW = FAR, UPPER_WINDOW = FAR + 0x1000 };
#define READY (VMM_USER_PAGE | VX_PTE_A | VX_PTE_D)

static const vmm_options kvm = {.scheme = VX_SCHEME_SHADOW_KVM, .mode = VX_PAGING_4LEVEL};

static uint64_t page_at(const vmm_world *world, uint64_t root, unsigned level)
{
    return vmm_entry_at(world, root, GVA, level) & ~0xFFFULL;
}

/* One address space of `pages` data pages and the two windows; returns its root. */
static uint64_t make_space(vmm_world *world, unsigned pages, uint64_t leaf)
{
    uint64_t root = vmm_root(world);
    for (unsigned i = 0; i < pages; i++) vmm_map(world, root, GVA + i * 0x1000ULL, vmm_page(world), VX_PAGE_4K, leaf);
    vmm_map(world, root, WINDOW, page_at(world, root, 1), VX_PAGE_4K, READY);
    vmm_map(world, root, UPPER_WINDOW, page_at(world, root, 2), VX_PAGE_4K, READY);
    return root;
}

static void open_space(vmm_world *world, const vmm_options *options, unsigned pages, uint64_t leaf)
{
    vmm_world_open(world, options);
    vmm_boot(world, make_space(world, pages, leaf));
    vmm_reset_counts(world);
}

static uint64_t touch_all(vmm_world *world, vx_access access, unsigned pages)
{
    uint64_t before = vmm_exits(world);
    for (unsigned i = 0; i < pages; i++) vmm_reach(world, access, GVA + i * 0x1000ULL);
    return vmm_exits(world) - before;
}

/* A store to the leaf table's (or directory's) entry, through its window. */
static uint64_t store_entry(vmm_world *world, unsigned level, uint64_t gva, uint64_t value)
{
    uint64_t before = vmm_exits(world), at = vmm_entry_at(world, world->root, gva, level);
    vmm_pt_store(world, (level == 1 ? WINDOW : UPPER_WINDOW) | (at & 0xFFF), at, value);
    assert_int_equal(vmm_read(world, at), value);
    return vmm_exits(world) - before;
}

static uint64_t reload(vmm_world *world)
{
    uint64_t before = vmm_exits(world);
    vmm_cr_write(world, 3, world->root);
    return vmm_exits(world) - before;
}

/* ---- fills ---- */

static void prefetch_of_accessed_entries(void **state)
{
    (void)state;
    vmm_world world;
    open_space(&world, &kvm, 32, READY);
    assert_int_equal(touch_all(&world, VX_ACCESS_STORE, 32), 4); /* one aligned window of 8 each */
    assert_true(vmm_verify(&world) >= 32);
    vmm_world_close(&world);
    open_space(&world, &kvm, 32, VMM_USER_PAGE);
    assert_int_equal(touch_all(&world, VX_ACCESS_STORE, 32), 32); /* A clear: each for itself */
    vmm_world_close(&world);
}

/* The first neighbour that is not accessed ends the prefetch: 0 to 3 come with 0; 5 to 7 come with 5. */
static void prefetch_ends_at_the_first_unaccessed(void **state)
{
    (void)state;
    vmm_world world;
    vmm_world_open(&world, &kvm);
    uint64_t root = make_space(&world, 8, READY);
    vmm_map(&world, root, GVA + 0x4000, vmm_page(&world), VX_PAGE_4K, VMM_USER_PAGE);
    vmm_boot(&world, root);
    vmm_reset_counts(&world);
    assert_int_equal(touch_all(&world, VX_ACCESS_LOAD, 4), 1);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x5000); /* its window begins with 4, still not accessed */
    assert_int_equal(vmm_exits(&world), 2);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x4000); /* now all of the rest */
    vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x6000);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x7000);
    assert_int_equal(vmm_exits(&world), 3);
    vmm_world_close(&world);
}

/* A read of a clean page is mapped read-only: the store exits again and sets D. */
static void dirty_is_emulated(void **state)
{
    (void)state;
    vmm_world world;
    open_space(&world, &kvm, 4, VMM_USER_PAGE);
    assert_int_equal(touch_all(&world, VX_ACCESS_LOAD, 4), 4);
    assert_int_equal(touch_all(&world, VX_ACCESS_STORE, 4), 4);
    assert_int_equal(touch_all(&world, VX_ACCESS_STORE, 4), 0);
    vmm_world_close(&world);
}

/* ---- leaf tables out of sync ---- */

static void open_touched(vmm_world *world)
{
    open_space(world, &kvm, 16, READY);
    touch_all(world, VX_ACCESS_STORE, 16);
    vmm_reach(world, VX_ACCESS_LOAD, WINDOW);
    vmm_reach(world, VX_ACCESS_LOAD, UPPER_WINDOW);
    reload(world); /* the window is writable from its fill on, and its table out of sync: in step again */
    vmm_reset_counts(world);
}

static void a_leaf_table_goes_out_of_sync_once(void **state)
{
    (void)state;
    vmm_world world;
    open_touched(&world);
    uint64_t exits = 0;
    for (unsigned i = 0; i < 16; i++) exits += store_entry(&world, 1, GVA + i * 0x1000ULL, vmm_page(&world) | READY);
    assert_int_equal(exits, 1);
    assert_int_equal(vmm_counts(&world)->emulated_stores, 0);
    assert_int_equal(reload(&world), 1);
    assert_int_equal(store_entry(&world, 1, GVA, vmm_page(&world) | READY), 1); /* protected again */
    vmm_world_close(&world);
}

/* The CR3 load drops what has changed and keeps the rest; a store that changes nothing costs no fill. */
static void a_cr3_load_brings_in_step(void **state)
{
    (void)state;
    vmm_world world;
    open_touched(&world);
    uint64_t page = vmm_page(&world);
    store_entry(&world, 1, GVA + 0x3000, page | READY);
    store_entry(&world, 1, GVA + 0x4000, vmm_read(&world, vmm_entry_at(&world, world.root, GVA + 0x4000, 1)));
    reload(&world);
    vmm_verify(&world);
    assert_int_equal(touch_all(&world, VX_ACCESS_STORE, 16), 1);
    assert_int_equal(vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x3008), page + 8);
    vmm_world_close(&world);
}

static uint64_t touch_after_invlpg(bool maps, uint64_t bits)
{
    vmm_world world;
    open_touched(&world);
    world.config.shadow.invlpg_maps = maps;
    uint64_t page = vmm_page(&world);
    store_entry(&world, 1, GVA + 0x3000, page | bits);
    vmm_invlpg(&world, GVA + 0x3000);
    assert_int_equal(vmm_exits_for(&world, "INVLPG"), 1);
    uint64_t before = vmm_exits(&world);
    assert_int_equal(vmm_reach(&world, VX_ACCESS_STORE, GVA + 0x3000), page);
    uint64_t exits = vmm_exits(&world) - before;
    vmm_world_close(&world);
    return exits;
}

static void invlpg_maps_what_is_accessed(void **state)
{
    (void)state;
    assert_int_equal(touch_after_invlpg(true, READY), 0);
    assert_int_equal(touch_after_invlpg(true, VMM_USER_PAGE), 1);
    assert_int_equal(touch_after_invlpg(false, READY), 1);
}

/* ---- upper tables ---- */

static void each_store_to_an_upper_table_exits(void **state)
{
    (void)state;
    vmm_world world;
    open_touched(&world);
    uint64_t pde = vmm_read(&world, vmm_entry_at(&world, world.root, GVA, 2));
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(store_entry(&world, 2, GVA, pde), 1); /* the same value: unlinked all the same */
        vmm_invlpg(&world, GVA);
        assert_int_equal(touch_all(&world, VX_ACCESS_STORE, 16), 1); /* linked again; the leaf table is as it was */
    }
    assert_int_equal(vmm_counts(&world)->emulated_stores, 6);
    vmm_world_close(&world);
}

/* The third store without a use in between is emulated still, and takes the table's shadow; the fourth makes the page
 * writable; then they are free. */
static void flooding(void **state)
{
    (void)state;
    vmm_world world;
    open_touched(&world);
    uint64_t pde = vmm_read(&world, vmm_entry_at(&world, world.root, GVA, 2)), exits = 0;
    for (unsigned i = 0; i < 20; i++) exits += store_entry(&world, 2, GVA, pde);
    assert_int_equal(exits, 4);
    assert_int_equal(vmm_counts(&world)->emulated_stores, 3);
    vmm_verify(&world);
    vmm_world_close(&world);
}

/* A store that is no page-table store: the page loses its shadows, the retry makes it writable. */
static void another_use_of_an_upper_table(void **state)
{
    (void)state;
    vmm_world world;
    open_touched(&world);
    vmm_reach(&world, VX_ACCESS_STORE, UPPER_WINDOW + 0x800);
    assert_int_equal(vmm_exits(&world), 2);
    for (unsigned i = 0; i < 8; i++) vmm_reach(&world, VX_ACCESS_STORE, UPPER_WINDOW + 0x800 + 8 * i);
    assert_int_equal(vmm_exits(&world), 2);
    assert_int_equal(vmm_counts(&world)->emulated_stores, 0);
    vmm_world_close(&world);
}

/* ---- roots, roles, quota ---- */

static void known_roots_cost_their_exit_alone(void **state)
{
    (void)state;
    enum { SPACES = 6 }; /* more than are cached: their pages are found by frame */
    vmm_world world;
    vmm_world_open(&world, &kvm);
    uint64_t roots[SPACES];
    for (unsigned i = 0; i < SPACES; i++) roots[i] = make_space(&world, 8, READY);
    vmm_boot(&world, roots[0]);
    for (unsigned i = 0; i < SPACES; i++) {
        vmm_cr_write(&world, 3, roots[i]);
        assert_int_equal(touch_all(&world, VX_ACCESS_STORE, 8), 1);
    }
    vmm_reset_counts(&world);
    for (unsigned i = 0; i < 4 * SPACES; i++) {
        vmm_cr_write(&world, 3, roots[i % SPACES]);
        assert_int_equal(touch_all(&world, VX_ACCESS_STORE, 8), 0);
    }
    assert_int_equal(vmm_exits(&world), 4 * SPACES);
    vmm_world_close(&world);
}

/* CR0.WP is part of a shadow page's role: both sets of pages stay. */
static void wp_is_a_role(void **state)
{
    (void)state;
    vmm_world world;
    open_touched(&world);
    uint64_t cr0 = vx_vcpu_guest_view(world.vcpu)->cr0;
    vmm_cr_write(&world, 0, cr0 & ~VX_CR0_WP);
    assert_int_equal(touch_all(&world, VX_ACCESS_STORE, 16), 2);
    vmm_cr_write(&world, 0, cr0);
    assert_int_equal(touch_all(&world, VX_ACCESS_STORE, 16), 0);
    vmm_cr_write(&world, 0, cr0 & ~VX_CR0_WP);
    assert_int_equal(touch_all(&world, VX_ACCESS_STORE, 16), 0);
    vmm_world_close(&world);
}

static void the_quota_limits_shadow_pages(void **state)
{
    (void)state;
    enum { TABLES = 200, QUOTA = 64 };
    vmm_world world;
    vmm_options options = kvm;
    options.quota_ratio = 1 << 20;
    options.quota_least = QUOTA;
    vmm_world_open(&world, &options);
    uint64_t root = vmm_root(&world), page = vmm_page(&world);
    for (uint64_t i = 0; i < TABLES; i++) vmm_map(&world, root, GVA + (i << 21), page, VX_PAGE_4K, READY);
    vmm_boot(&world, root);
    for (uint64_t i = 0; i < TABLES; i++) {
        vmm_reach(&world, VX_ACCESS_LOAD, GVA + (i << 21));
        assert_true(vmm_counts(&world)->table_pages <= QUOTA);
    }
    vmm_verify(&world);
    vmm_world_close(&world);
}

/* ---- nested tables ---- */

static void nested_prefetch(void **state)
{
    (void)state;
    static const struct {
        uint32_t window;
        unsigned exits;
    } rows[] = {{1, 64}, {8, 8}, {64, 1}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        for (unsigned amd = 0; amd < 2; amd++) {
            vmm_world world;
            vmm_options options = {.scheme = amd ? VX_SCHEME_NPT : VX_SCHEME_EPT,
                                   .amd = amd,
                                   .mode = VX_PAGING_NONE,
                                   .nested_prefetch = rows[i].window};
            vmm_world_open(&world, &options);
            vmm_boot(&world, 0);
            for (uint64_t page = 64; page < 128; page++) vmm_reach(&world, VX_ACCESS_LOAD, page << VX_PAGE_SHIFT);
            assert_int_equal(vmm_exits(&world), rows[i].exits);
            assert_int_equal(vmm_verify(&world), 64);
            vmm_world_close(&world);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefetch_of_accessed_entries),
        cmocka_unit_test(prefetch_ends_at_the_first_unaccessed),
        cmocka_unit_test(dirty_is_emulated),
        cmocka_unit_test(a_leaf_table_goes_out_of_sync_once),
        cmocka_unit_test(a_cr3_load_brings_in_step),
        cmocka_unit_test(invlpg_maps_what_is_accessed),
        cmocka_unit_test(each_store_to_an_upper_table_exits),
        cmocka_unit_test(flooding),
        cmocka_unit_test(another_use_of_an_upper_table),
        cmocka_unit_test(known_roots_cost_their_exit_alone),
        cmocka_unit_test(wp_is_a_role),
        cmocka_unit_test(the_quota_limits_shadow_pages),
        cmocka_unit_test(nested_prefetch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
