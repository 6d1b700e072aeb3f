/* Write-protected shadow paging: what exits, how often, and what the guest sees. */
#include "test_support.h"
#include "vmm_world.h"

enum { GVA = 0x400000 };

static const vmm_options wp = {.scheme = VX_SCHEME_SHADOW_WP, .mode = VX_PAGING_4LEVEL};

/* One process with `pages` small pages from GVA on, their D flags set, booted and with counters at zero. */
static void open_with_pages(vmm_world *world, const vmm_options *options, unsigned pages)
{
    vmm_world_open_pages(world, options, GVA, pages, VMM_USER_PAGE | VX_PTE_A | VX_PTE_D);
}

/* Exits = first touches + n: each store to a live table exits, whether its linear address is known or not. */
static void each_store_to_a_live_table_exits(void **state)
{
    (void)state;
    enum { STORES = 7 };
    for (unsigned known = 0; known < 2; known++) {
        vmm_world world;
        open_with_pages(&world, &wp, 2);
        uint64_t at = vmm_entry_at(&world, world.root, GVA, 1), window = GVA + 0x10000;
        vmm_map(&world, world.root, window, at & ~0xFFFULL, VX_PAGE_4K, VX_PTE_P | VX_PTE_W | VX_PTE_D);
        vmm_reach(&world, VX_ACCESS_LOAD, GVA);
        vmm_reset_counts(&world);
        for (unsigned i = 0; i < STORES; i++)
            vmm_pt_store(&world, known ? window | (at & 0xFFF) : VX_GVA_UNKNOWN, at, vmm_page(&world) | VMM_USER_PAGE);
        assert_int_equal(vmm_exits_for(&world, "EXCEPTION_NMI"), STORES);
        assert_int_equal(vmm_exits(&world), STORES);
        assert_int_equal(vmm_counts(&world)->emulated_stores, STORES);
        assert_int_equal(vx_vcpu_counts_now(world.vcpu)->references, known ? STORES : 0);
        vmm_invlpg(&world, GVA);
        assert_int_equal(vmm_reach(&world, VX_ACCESS_LOAD, GVA), (vmm_read(&world, at) & ~0xFFFULL) & 0xFFFFF000);
        assert_true(vmm_verify(&world) > 0);
        vmm_world_close(&world);
    }
}

static void a_store_to_a_page_nobody_shadows_is_free(void **state)
{
    (void)state;
    vmm_world world;
    open_with_pages(&world, &wp, 1);
    uint64_t other = vmm_root(&world);
    vmm_reset_counts(&world);
    vmm_map(&world, other, GVA, vmm_page(&world), VX_PAGE_4K, VMM_USER_PAGE);
    assert_int_equal(vmm_exits(&world), 0);
    vmm_world_close(&world);
}

/* A first touch is one hidden fault; INVLPG does not exit; the guest never sees any of it. */
static void hidden_faults(void **state)
{
    (void)state;
    vmm_world world;
    open_with_pages(&world, &wp, 3);
    for (unsigned i = 0; i < 9; i++) vmm_reach(&world, VX_ACCESS_STORE, GVA + i % 3 * 0x1000ULL);
    assert_int_equal(vmm_counts(&world)->hidden_faults, 3);
    assert_int_equal(vmm_counts(&world)->shadow_fills, 3);
    assert_int_equal(vmm_counts(&world)->injected_faults, 0);
    assert_int_equal(vx_vcpu_counts_now(world.vcpu)->guest_faults, 0);
    assert_int_equal(vx_vcpu_counts_now(world.vcpu)->retries, 3);
    vmm_invlpg(&world, GVA);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    assert_int_equal(vmm_exits(&world), 3);
    vmm_world_close(&world);
}

static void guest_visible_faults(void **state)
{
    (void)state;
    vmm_world world;
    open_with_pages(&world, &wp, 1);
    vmm_map(&world, world.root, GVA + 0x1000, vmm_page(&world), VX_PAGE_4K, VX_PTE_P);
    vmm_reset_counts(&world);
    vmm_outcome absent = vmm_touch(&world, VX_ACCESS_STORE, GVA + 0x5123);
    assert_true(absent.faulted && absent.fault.v == GVA + 0x5123 && absent.error_code == 2);
    vmm_outcome read_only = vmm_touch(&world, VX_ACCESS_STORE, GVA + 0x1004);
    assert_true(read_only.faulted && read_only.error_code == 3);
    vmm_cpl(&world, 3);
    vmm_outcome supervisor = vmm_touch(&world, VX_ACCESS_FETCH, GVA + 0x1000);
    assert_true(supervisor.faulted && supervisor.error_code == (1 | 4 | 16));
    assert_int_equal(vmm_counts(&world)->injected_faults, 3);
    assert_int_equal(vmm_counts(&world)->hidden_faults, 0);
    assert_int_equal(vmm_exits(&world), 3); /* one exit each: the injection is part of the entry */
    assert_int_equal(vx_vcpu_counts_now(world.vcpu)->guest_faults, 3);
    vmm_world_close(&world);
}

/* A is set by the fill, D by the first store to a clean page, which faults once. */
static void accessed_and_dirty(void **state)
{
    (void)state;
    vmm_world world;
    vmm_world_open(&world, &wp);
    vmm_boot(&world, vmm_root(&world));
    vmm_map(&world, world.root, GVA, vmm_page(&world), VX_PAGE_4K, VMM_USER_PAGE);
    uint64_t at = vmm_entry_at(&world, world.root, GVA, 1);
    vmm_reset_counts(&world);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    assert_int_equal(vmm_read(&world, at) & (VX_PTE_A | VX_PTE_D), VX_PTE_A);
    assert_true(vmm_read(&world, vmm_entry_at(&world, world.root, GVA, 4)) & VX_PTE_A);
    assert_int_equal(vmm_counts(&world)->ad_emulations, 4);
    assert_int_equal(vmm_exits(&world), 1);
    vmm_reach(&world, VX_ACCESS_STORE, GVA);
    vmm_reach(&world, VX_ACCESS_STORE, GVA);
    assert_int_equal(vmm_read(&world, at) & (VX_PTE_A | VX_PTE_D), VX_PTE_A | VX_PTE_D);
    assert_int_equal(vmm_counts(&world)->ad_emulations, 5);
    assert_int_equal(vmm_exits(&world), 2);
    vmm_world_close(&world);
}

/* MOV to CR3 exits and switches; a root's shadow is kept for its return. */
static void shadows_are_kept_over_switches(void **state)
{
    (void)state;
    for (unsigned mode = VX_PAGING_32BIT; mode <= VX_PAGING_5LEVEL; mode++) {
        vmm_options options = wp;
        options.mode = (vx_paging_mode)mode;
        vmm_world world;
        open_with_pages(&world, &options, 2);
        uint64_t first = world.root, second = vmm_root(&world);
        vmm_map(&world, second, GVA, vmm_page(&world), VX_PAGE_4K, VMM_USER_PAGE | VX_PTE_D);
        vmm_reach(&world, VX_ACCESS_STORE, GVA);
        vmm_cr_write(&world, 3, second);
        vmm_reach(&world, VX_ACCESS_STORE, GVA);
        vmm_reset_counts(&world);
        for (unsigned i = 0; i < 6; i++) {
            vmm_cr_write(&world, 3, i % 2 ? second : first);
            vmm_reach(&world, VX_ACCESS_STORE, GVA);
        }
        assert_int_equal(vmm_exits_for(&world, "CR_ACCESS"), 6);
        assert_int_equal(vmm_exits(&world), 6);
        assert_true(vmm_verify(&world) > 0);
        vmm_world_close(&world);
    }
}

/* Two roots name one guest table: its shadow is one, so the second process fills nothing below it anew. */
static void roots_share_shadow_pages(void **state)
{
    (void)state;
    vmm_world world;
    open_with_pages(&world, &wp, 8);
    uint64_t first = world.root, second = vmm_root(&world);
    vmm_pt_store(&world, VX_GVA_UNKNOWN, second, vmm_read(&world, first)); /* the whole lowest 512 GiB */
    for (unsigned i = 0; i < 8; i++) vmm_reach(&world, VX_ACCESS_STORE, GVA + i * 0x1000ULL);
    uint64_t pages = vmm_counts(&world)->table_pages;
    vmm_cr_write(&world, 3, second);
    vmm_reset_counts(&world);
    for (unsigned i = 0; i < 8; i++) vmm_reach(&world, VX_ACCESS_STORE, GVA + i * 0x1000ULL);
    assert_int_equal(vmm_counts(&world)->hidden_faults, 1); /* links the shared tables under the new root */
    assert_int_equal(vmm_counts(&world)->table_pages, pages + 1);
    /* One store to the shared leaf table concerns both. */
    vmm_pt_store(&world, VX_GVA_UNKNOWN, vmm_entry_at(&world, first, GVA, 1), 0);
    vmm_invlpg(&world, GVA);
    assert_true(vmm_touch(&world, VX_ACCESS_LOAD, GVA).faulted);
    vmm_cr_write(&world, 3, first);
    assert_true(vmm_touch(&world, VX_ACCESS_LOAD, GVA).faulted);
    vmm_verify(&world);
    vmm_world_close(&world);
}

/* The same table under entries of different rights has shadows of its own for each. */
static void rights_above_a_shared_table_stay_apart(void **state)
{
    (void)state;
    vmm_world world;
    open_with_pages(&world, &wp, 1);
    uint64_t elsewhere = GVA + (2 << 20);
    uint64_t entry = vmm_read(&world, vmm_entry_at(&world, world.root, GVA, 2));
    vmm_pt_store(&world, VX_GVA_UNKNOWN, vmm_entry_at(&world, world.root, elsewhere, 2), entry & ~VX_PTE_W);
    vmm_reach(&world, VX_ACCESS_STORE, GVA);
    vmm_reach(&world, VX_ACCESS_LOAD, elsewhere);
    vmm_outcome store = vmm_touch(&world, VX_ACCESS_STORE, elsewhere);
    assert_true(store.faulted && store.error_code == 3);
    vmm_reach(&world, VX_ACCESS_STORE, GVA);
    assert_int_equal(vmm_verify(&world), 2);
    vmm_world_close(&world);
}

/* A large guest page is shadowed in pieces, one hidden fault each. */
static void large_pages_are_splintered(void **state)
{
    (void)state;
    for (unsigned mode = VX_PAGING_32BIT; mode <= VX_PAGING_4LEVEL; mode++) {
        vmm_options options = wp;
        options.mode = (vx_paging_mode)mode;
        options.vpid = true;
        vmm_world world;
        vmm_world_open(&world, &options);
        vx_page_size size = mode == VX_PAGING_32BIT ? VX_PAGE_4M : VX_PAGE_2M;
        vmm_boot(&world, vmm_root(&world));
        uint64_t frame = vmm_large_page(&world, size);
        vmm_map(&world, world.root, GVA, frame, size, VMM_USER_PAGE | VX_PTE_D);
        vmm_reset_counts(&world);
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(vmm_reach(&world, VX_ACCESS_STORE, GVA + i * 0x1000ULL), frame + i * 0x1000ULL);
        assert_int_equal(vmm_counts(&world)->hidden_faults, 5);
        assert_int_equal(vmm_verify(&world), 5);
        /* The guest takes the page away and flushes one address: all pieces go. */
        vmm_pt_store(&world, VX_GVA_UNKNOWN, vmm_entry_at(&world, world.root, GVA, 2), 0);
        vmm_invlpg(&world, GVA + 0x3000);
        for (unsigned i = 0; i < 5; i++) assert_true(vmm_touch(&world, VX_ACCESS_LOAD, GVA + i * 0x1000ULL).faulted);
        assert_int_equal(vmm_verify(&world), 0);
        vmm_world_close(&world);
    }
}

static void a_guest_without_paging(void **state)
{
    (void)state;
    vmm_options options = wp;
    options.mode = VX_PAGING_NONE;
    vmm_world world;
    vmm_world_open(&world, &options);
    vmm_boot(&world, 0);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(vmm_reach(&world, VX_ACCESS_STORE, 0x300000 + i % 3 * 0x1000ULL),
                         0x300000 + i % 3 * 0x1000ULL);
    assert_int_equal(vmm_exits(&world), 3);
    assert_int_equal(vmm_verify(&world), 3);
    vmm_world_close(&world);
}

/* A supervisor store to a read-only page goes through, and user code still must not write there. */
static void write_protect_off(void **state)
{
    (void)state;
    vmm_world world;
    vmm_world_open(&world, &wp);
    vmm_boot(&world, vmm_root(&world));
    vmm_map(&world, world.root, GVA, vmm_page(&world), VX_PAGE_4K, VX_PTE_P | VX_PTE_U);
    assert_true(vmm_touch(&world, VX_ACCESS_STORE, GVA).faulted);
    vmm_cr_write(&world, 0, vx_vcpu_guest_view(world.vcpu)->cr0 & ~VX_CR0_WP);
    for (unsigned i = 0; i < 3; i++) {
        vmm_cpl(&world, 0);
        vmm_reach(&world, VX_ACCESS_STORE, GVA);
        vmm_verify(&world);
        vmm_cpl(&world, 3);
        vmm_reach(&world, VX_ACCESS_LOAD, GVA);
        assert_int_equal(vmm_touch(&world, VX_ACCESS_STORE, GVA).error_code, 7);
        vmm_verify(&world);
    }
    vmm_cpl(&world, 0);
    vmm_reach(&world, VX_ACCESS_STORE, GVA);
    vmm_cr_write(&world, 0, vx_vcpu_guest_view(world.vcpu)->cr0 | VX_CR0_WP);
    assert_int_equal(vmm_touch(&world, VX_ACCESS_STORE, GVA).error_code, 3);
    vmm_world_close(&world);
}

/* A plain store to a page that was a table says that it is none any more. */
static void a_table_becomes_data(void **state)
{
    (void)state;
    vmm_world world;
    open_with_pages(&world, &wp, 1);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    uint64_t above = vmm_entry_at(&world, world.root, GVA, 2), entry = vmm_read(&world, above);
    uint64_t table = entry & VX_ENTRY_ADDRESS, data = GVA + (4 << 20);
    vmm_map(&world, world.root, data, table, VX_PAGE_4K, VMM_USER_PAGE | VX_PTE_D);
    vmm_pt_store(&world, VX_GVA_UNKNOWN, above, 0);
    vmm_reach(&world, VX_ACCESS_LOAD, data);
    vmm_reset_counts(&world);
    for (unsigned i = 0; i < 4; i++) vmm_reach(&world, VX_ACCESS_STORE, data + 8 * i);
    assert_int_equal(vmm_exits(&world), 1); /* unprotected by the first */
    vmm_pt_store(&world, VX_GVA_UNKNOWN, table, 0);
    assert_int_equal(vmm_exits(&world), 1);
    vmm_verify(&world);
    vmm_world_close(&world);
}

/* A leaf table that maps itself: plain stores through it are performed one by one, and it stays protected. */
static void a_table_that_maps_itself(void **state)
{
    (void)state;
    for (unsigned mode = VX_PAGING_32BIT; mode <= VX_PAGING_5LEVEL; mode++) {
        vmm_options options = wp;
        options.mode = (vx_paging_mode)mode;
        vmm_world world;
        open_with_pages(&world, &options, 1);
        uint64_t at = vmm_entry_at(&world, world.root, GVA, 1), self = GVA + 0x9000;
        vmm_map(&world, world.root, self, at & ~0xFFFULL, VX_PAGE_4K, VMM_USER_PAGE | VX_PTE_D);
        vmm_reach(&world, VX_ACCESS_LOAD, self);
        vmm_reset_counts(&world);
        for (unsigned i = 0; i < 3; i++) (void)vmm_touch(&world, VX_ACCESS_STORE, self);
        assert_int_equal(vmm_exits(&world), 3);
        vmm_pt_store(&world, self | (at & 0xFFF), at, 0);
        vmm_invlpg(&world, GVA);
        assert_true(vmm_touch(&world, VX_ACCESS_LOAD, GVA).faulted);
        vmm_verify(&world);
        /* The root itself, which no unprotecting could spare. */
        vmm_map(&world, world.root, self, world.root & ~0xFFFULL, VX_PAGE_4K, VMM_USER_PAGE | VX_PTE_D);
        vmm_invlpg(&world, self);
        (void)vmm_touch(&world, VX_ACCESS_STORE, self);
        vmm_verify(&world);
        vmm_world_close(&world);
    }
}

/* A page mapped writable turns into a table: the mapping loses its right before the shadow is believed. */
static void data_becomes_a_table(void **state)
{
    (void)state;
    vmm_world world;
    open_with_pages(&world, &wp, 1);
    uint64_t table = vmm_page(&world), window = GVA + 0x3000, target = GVA + (2 << 20);
    vmm_map(&world, world.root, window, table, VX_PAGE_4K, VMM_USER_PAGE | VX_PTE_D);
    vmm_reach(&world, VX_ACCESS_STORE, window);
    const uint64_t entry[2] = {0, vmm_page(&world) | VMM_USER_PAGE};
    assert_true(vmm_do(&world, VX_REC_PT_PAGE_NEW, 1, table, entry, 2));
    vmm_pt_store(&world, VX_GVA_UNKNOWN, vmm_entry_at(&world, world.root, target, 2), table | VMM_USER_PAGE);
    assert_int_equal(vmm_reach(&world, VX_ACCESS_LOAD, target), entry[1] & VX_ENTRY_ADDRESS);
    vmm_reset_counts(&world);
    vmm_pt_store(&world, window, table, 0);
    assert_int_equal(vmm_exits(&world), 1);
    vmm_invlpg(&world, target);
    assert_true(vmm_touch(&world, VX_ACCESS_LOAD, target).faulted);
    vmm_verify(&world);
    vmm_world_close(&world);
}

/* SDM Vol. 3A, 4.4.1: a PDPTE in memory means nothing until CR3 is loaded. */
static void pdptes_are_latched(void **state)
{
    (void)state;
    vmm_options options = wp;
    options.mode = VX_PAGING_PAE;
    vmm_world world;
    open_with_pages(&world, &options, 2);
    uint64_t before = vmm_reach(&world, VX_ACCESS_LOAD, GVA), directory = vmm_page(&world);
    assert_true(vmm_do(&world, VX_REC_PT_PAGE_NEW, 2, directory, NULL, 0));
    vmm_pt_store(&world, VX_GVA_UNKNOWN, world.root, directory | VX_PTE_P);
    vmm_invlpg(&world, GVA);
    assert_int_equal(vmm_reach(&world, VX_ACCESS_LOAD, GVA), before);
    assert_int_equal(vmm_reach(&world, VX_ACCESS_STORE, GVA), before);
    (void)vmm_reach(&world, VX_ACCESS_LOAD, GVA + 0x1000); /* the hypervisor's own walk takes the latched one too */
    vmm_cr_write(&world, 3, world.root);
    assert_true(vmm_touch(&world, VX_ACCESS_LOAD, GVA).faulted);
    vmm_world_close(&world);
}

static void tables_run_out(void **state)
{
    (void)state;
    vmm_world world;
    vmm_options options = wp;
    options.table_bytes = 12 * VX_PAGE_BYTES;
    vmm_world_open(&world, &options);
    uint64_t root = vmm_root(&world);
    for (unsigned i = 0; i < 32; i++)
        vmm_map(&world, root, GVA + (uint64_t)i * (2 << 20), vmm_page(&world), VX_PAGE_4K, VMM_USER_PAGE);
    vmm_boot(&world, root);
    vmm_use_up_tables(&world, GVA, 32);
    /* Whatever still comes is survived. */
    assert_true(vmm_do(&world, VX_REC_CR_WRITE, 3, root, NULL, 0));
    (void)vmm_do(&world, VX_REC_PT_STORE, 8, VX_GVA_UNKNOWN, (const uint64_t[]){root, 0}, 2);
    vmm_world_close(&world);
}

/* Tables that nothing points to any more are taken back before the hypervisor gives up. */
static void unused_shadows_are_taken_back(void **state)
{
    (void)state;
    vmm_world world;
    vmm_options options = wp;
    options.table_bytes = 12 * VX_PAGE_BYTES;
    vmm_world_open(&world, &options);
    vmm_boot(&world, vmm_root(&world));
    for (unsigned i = 0; i < 64; i++) {
        uint64_t gva = GVA + (uint64_t)i * (2 << 20);
        vmm_map(&world, world.root, gva, vmm_page(&world), VX_PAGE_4K, VMM_USER_PAGE);
        vmm_reach(&world, VX_ACCESS_LOAD, gva);
        vmm_pt_store(&world, VX_GVA_UNKNOWN, vmm_entry_at(&world, world.root, gva, 2), 0);
        vmm_invlpg(&world, gva);
    }
    assert_int_equal(vx_vmm_status(world.vmm, &world.msg), VX_OK);
    vmm_verify(&world);
    vmm_world_close(&world);
}

static void the_check_finds_a_lie(void **state)
{
    (void)state;
    vmm_world world;
    open_with_pages(&world, &wp, 1);
    vmm_reach(&world, VX_ACCESS_LOAD, GVA);
    /* Behind the hypervisor's back. */
    uint64_t at = vmm_entry_at(&world, world.root, GVA, 1), leaves;
    vx_hpa host = vx_gpa_map_hpa(&world.layout.ram[0], (vx_gpa){at});
    uint64_t entry = vmm_read(&world, at);
    vx_physmem_write64(&world.memory, host, entry & ~VX_PTE_U);
    assert_int_equal(vx_vmm_verify(world.vmm, &leaves, &world.msg), VX_ERR_CHECK);
    assert_non_null(strstr(world.msg.text, "wider"));
    vx_physmem_write64(&world.memory, host, entry + VX_PAGE_BYTES);
    assert_int_equal(vx_vmm_verify(world.vmm, &leaves, &world.msg), VX_ERR_CHECK);
    assert_non_null(strstr(world.msg.text, "0x400000"));
    vmm_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_store_to_a_live_table_exits),
        cmocka_unit_test(a_store_to_a_page_nobody_shadows_is_free),
        cmocka_unit_test(hidden_faults),
        cmocka_unit_test(guest_visible_faults),
        cmocka_unit_test(accessed_and_dirty),
        cmocka_unit_test(shadows_are_kept_over_switches),
        cmocka_unit_test(roots_share_shadow_pages),
        cmocka_unit_test(rights_above_a_shared_table_stay_apart),
        cmocka_unit_test(large_pages_are_splintered),
        cmocka_unit_test(a_guest_without_paging),
        cmocka_unit_test(write_protect_off),
        cmocka_unit_test(a_table_becomes_data),
        cmocka_unit_test(a_table_that_maps_itself),
        cmocka_unit_test(data_becomes_a_table),
        cmocka_unit_test(pdptes_are_latched),
        cmocka_unit_test(tables_run_out),
        cmocka_unit_test(unused_shadows_are_taken_back),
        cmocka_unit_test(the_check_finds_a_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
