/* EPT and NPT: one exit at the first touch of each page that the policy makes, and none for what the guest does to its
 * own translations; flushes where nothing tags the TLB; the self-check finds a leaf that lies. */
#include "test_support.h"
#include "vmm_world.h"

static const vmm_options intel = {.scheme = VX_SCHEME_EPT, .mode = VX_PAGING_4LEVEL};
static const vmm_options amd = {.scheme = VX_SCHEME_NPT, .mode = VX_PAGING_4LEVEL, .amd = true};

static const char *violation(const vmm_world *world) { return world->options.amd ? "npf" : "EPT_VIOLATION"; }

/* Four data pages of one guest page table: root, two directories, one table and the data are touched. */
static uint64_t violations(vmm_options options, vx_page_size nested)
{
    vmm_world world;
    options.nested_page = nested;
    vmm_world_open(&world, &options);
    uint64_t root = vmm_root(&world);
    for (unsigned i = 0; i < 4; i++)
        vmm_map(&world, root, 0x400000 + i * 0x1000ULL, vmm_page(&world), VX_PAGE_4K, VMM_USER_PAGE);
    vmm_boot(&world, root);
    vmm_reset_counts(&world);
    for (unsigned i = 0; i < 8; i++) vmm_reach(&world, VX_ACCESS_STORE, 0x400000 + i % 4 * 0x1000ULL);
    uint64_t exits = vmm_exits(&world);
    assert_int_equal(exits, vmm_exits_for(&world, violation(&world)));
    assert_true(vmm_verify(&world) >= exits);
    vmm_world_close(&world);
    return exits;
}

/* The page-table stores have touched the tables already, before counting. */
static void first_touch_of_each_page(void **state)
{
    (void)state;
    assert_int_equal(violations(intel, VX_PAGE_4K), 4);
    assert_int_equal(violations(amd, VX_PAGE_4K), 4);
    assert_int_equal(violations(intel, VX_PAGE_2M), 0); /* in the 2 MiB that the tables have made present */
    assert_int_equal(violations(amd, VX_PAGE_2M), 0);
}

static uint64_t touches_of_policy(vx_page_size nested, uint64_t ram_bytes, uint64_t step)
{
    vmm_world world;
    vmm_options options = intel;
    options.mode = VX_PAGING_NONE; /* the linear address is the guest-physical one */
    options.nested_page = nested;
    options.ram_bytes = ram_bytes;
    vmm_world_open(&world, &options);
    vmm_boot(&world, 0);
    for (uint64_t gpa = 0; gpa < ram_bytes; gpa += step)
        assert_int_equal(vmm_reach(&world, VX_ACCESS_LOAD, gpa + 8), gpa + 8);
    uint64_t touches = vmm_counts(&world)->first_touches;
    assert_int_equal(vmm_verify(&world), touches);
    assert_int_equal(vmm_exits(&world), touches);
    vmm_world_close(&world);
    return touches;
}

static void page_size_policy(void **state)
{
    (void)state;
    const uint64_t mib = 1 << 20, gib = 1 << 30;
    assert_int_equal(touches_of_policy(VX_PAGE_4K, 8 * mib, 4096), 8 * 256);
    assert_int_equal(touches_of_policy(VX_PAGE_2M, 8 * mib, 4096), 4);
    assert_int_equal(touches_of_policy(VX_PAGE_1G, 2 * gib, mib), 2);
}

/* RAM that is no multiple of the page: the layout rounds it up to the unit in which frames lie together, so the last
 * page is whole as well. */
static void the_end_of_ram(void **state)
{
    (void)state;
    assert_int_equal(touches_of_policy(VX_PAGE_2M, (5 << 20) + 4096, 4096), 3);
    vmm_world world;
    vmm_options options = intel;
    options.mode = VX_PAGING_NONE;
    options.nested_page = VX_PAGE_2M;
    options.ram_bytes = 4 << 20;
    vmm_world_open(&world, &options);
    vmm_boot(&world, 0);
    (void)vmm_touch(&world, VX_ACCESS_LOAD, 4 << 20); /* device space: behind RAM, in small pages */
    (void)vmm_touch(&world, VX_ACCESS_LOAD, (4 << 20) + 0x1000);
    assert_int_equal(vmm_counts(&world)->first_touches, 2);
    vmm_world_close(&world);
}

static void an_address_beyond_the_processor(void **state)
{
    (void)state;
    vmm_world world;
    vmm_options options = intel;
    options.mode = VX_PAGING_NONE;
    vmm_world_open(&world, &options);
    vmm_boot(&world, 0);
    vx_record load = {.kind = VX_REC_LOAD, .size = 1, .count = 1, .addr = 1ULL << 46};
    vx_batch batch = {.records = &load, .count = 1};
    vx_run run = {.instruction_limit = UINT64_MAX, .tick_limit = VX_TICK_NEVER};
    assert_int_equal(vx_vcpu_run(world.vcpu, &batch, &run, &world.msg), VX_STOP_ERROR);
    assert_int_equal(vx_vmm_status(world.vmm, &world.msg), VX_ERR_INPUT);
    assert_non_null(strstr(world.msg.text, "0x400000000000"));
    vmm_world_close(&world);
}

/* What exits under shadow paging does not exit here. */
static void the_guest_owns_its_translations(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        vmm_world world;
        vmm_world_open(&world, i ? &amd : &intel);
        uint64_t root = vmm_root(&world), other = vmm_root(&world);
        vmm_map(&world, root, 0x400000, vmm_page(&world), VX_PAGE_4K, VMM_USER_PAGE);
        vmm_map(&world, other, 0x400000, vmm_page(&world), VX_PAGE_4K, VMM_USER_PAGE);
        vmm_boot(&world, root);
        vmm_reach(&world, VX_ACCESS_STORE, 0x400000);
        vmm_cr_write(&world, 3, other);
        vmm_reach(&world, VX_ACCESS_STORE, 0x400000);
        vmm_reset_counts(&world);
        for (unsigned n = 0; n < 10; n++) {
            vmm_cr_write(&world, 3, n % 2 ? root : other);
            vmm_reach(&world, VX_ACCESS_STORE, 0x400000);
            vmm_pt_store(&world, VX_GVA_UNKNOWN, vmm_entry_at(&world, world.root, 0x400000, 1), 0);
            vmm_invlpg(&world, 0x400000);
            assert_true(vmm_touch(&world, VX_ACCESS_LOAD, 0x400000).faulted);
            vmm_map(&world, world.root, 0x400000, 0x10000, VX_PAGE_4K, VMM_USER_PAGE);
            vmm_cr_write(&world, 4, vx_vcpu_guest_view(world.vcpu)->cr4 ^ VX_CR4_PGE);
            vmm_cr_write(&world, 0, vx_vcpu_guest_view(world.vcpu)->cr0 ^ (i ? 0 : VX_CR0_TS));
        }
        assert_int_equal(vmm_exits(&world), 0);
        vmm_world_close(&world);
    }
}

/* Reads of the time, MSRs of the guest's own, CPUID: what is intercepted by plan. */
static void what_exits_whatever_the_scheme(void **state)
{
    (void)state;
    vmm_world world;
    vmm_world_open(&world, &intel);
    vmm_boot(&world, vmm_root(&world));
    const uint64_t word[2] = {0, 0};
    assert_true(vmm_do(&world, VX_REC_CPUID, 0, 0, word, 1));
    assert_true(vmm_do(&world, VX_REC_WRMSR, 0, 0xC0000100, word, 1)); /* FS base: the guest's */
    assert_true(vmm_do(&world, VX_REC_RDMSR, 0, 0x174, word, 1));
    assert_true(vmm_do(&world, VX_REC_WRMSR, 0, 0x10, word, 1)); /* the time-stamp counter is not */
    assert_true(vmm_do(&world, VX_REC_IO_IN, 1, 0x60, word, 2));
    assert_true(vmm_do(&world, VX_REC_RDTSC, 0, 3, NULL, 0));
    assert_true(vmm_do(&world, VX_REC_MMIO_WRITE, 4, 0xFEC00000, word, 2));
    assert_int_equal(vmm_exits_for(&world, "CPUID"), 1);
    assert_int_equal(vmm_exits_for(&world, "MSR_WRITE"), 1);
    assert_int_equal(vmm_exits_for(&world, "IO_INSTRUCTION"), 1);
    assert_int_equal(vmm_exits_for(&world, "EPT_VIOLATION"), 1);
    assert_int_equal(vmm_exits(&world), 4);
    assert_true(vmm_do(&world, VX_REC_MMIO_WRITE, 4, 0xFEC00000, word, 2));
    assert_int_equal(vmm_exits_for(&world, "EPT_VIOLATION"), 2); /* device memory stays unmapped */
    vmm_world_close(&world);
}

/* MOV to CR0 exits for the bits the host owns, once per change: the read shadow follows. */
static void read_shadows_follow(void **state)
{
    (void)state;
    vmm_world world;
    vmm_world_open(&world, &intel);
    vmm_boot(&world, vmm_root(&world));
    vmm_reset_counts(&world);
    uint64_t cr0 = vx_vcpu_guest_view(world.vcpu)->cr0;
    for (unsigned i = 0; i < 4; i++) vmm_cr_write(&world, 0, cr0 | VX_CR0_CD);
    assert_int_equal(vmm_exits_for(&world, "CR_ACCESS"), 1);
    for (unsigned i = 0; i < 4; i++) vmm_cr_write(&world, 0, cr0 | VX_CR0_TS);
    assert_int_equal(vmm_exits_for(&world, "CR_ACCESS"), 2);
    vmm_world_close(&world);
}

static uint64_t flushes_of_exits(bool amd_cpu, bool tagged, unsigned exits)
{
    vmm_world world;
    vmm_options options = amd_cpu ? amd : intel;
    options.vpid = tagged;
    vmm_world_open(&world, &options);
    vmm_boot(&world, vmm_root(&world));
    vmm_reset_counts(&world);
    const uint64_t word = 0;
    for (unsigned i = 0; i < exits; i++) assert_true(vmm_do(&world, VX_REC_CPUID, 0, 0, &word, 1));
    assert_int_equal(vmm_exits(&world), exits);
    uint64_t flushes = amd_cpu ? vmm_flushes(&world, VX_OP_FLUSH_ASID) + vmm_flushes(&world, VX_OP_FLUSH_ALL_ASIDS)
                               : vmm_flushes(&world, VX_OP_VM_TRANSITION);
    vmm_world_close(&world);
    return flushes;
}

static void flushes_at_transitions(void **state)
{
    (void)state;
    assert_int_equal(flushes_of_exits(false, false, 5), 10); /* exits and entries */
    assert_int_equal(flushes_of_exits(false, true, 5), 0);
    assert_int_equal(flushes_of_exits(true, false, 5), 5); /* VMRUN */
    assert_int_equal(flushes_of_exits(true, true, 5), 0);
}

/* Finds the nested leaf of RAM's first page by looking through host memory for its frame. */
static void the_check_finds_a_lie(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        vmm_world world;
        vmm_world_open(&world, i ? &amd : &intel);
        vmm_boot(&world, vmm_root(&world));
        uint64_t page = vmm_page(&world);
        vmm_map(&world, world.root, 0x400000, page, VX_PAGE_4K, VMM_USER_PAGE);
        vmm_reach(&world, VX_ACCESS_LOAD, 0x400000);
        assert_true(vmm_verify(&world) > 0);
        uint64_t frame = vx_gpa_map_hpa(&world.layout.ram[0], (vx_gpa){page}).v, leaves = 0;
        unsigned found = 0;
        for (uint64_t at = VX_PAGE_BYTES; at < 64 * VX_PAGE_BYTES; at += 8) {
            uint64_t entry = vx_physmem_read64(&world.memory, (vx_hpa){at});
            if ((entry & VX_ENTRY_ADDRESS) != frame) continue;
            vx_physmem_write64(&world.memory, (vx_hpa){at}, entry + VX_PAGE_BYTES);
            found++;
        }
        assert_int_equal(found, 1);
        assert_int_equal(vx_vmm_verify(world.vmm, &leaves, &world.msg), VX_ERR_CHECK);
        char wanted[32];
        snprintf(wanted, sizeof wanted, "gpa 0x%llx ", (unsigned long long)page);
        assert_non_null(strstr(world.msg.text, wanted));
        vmm_world_close(&world);
    }
}

static void tables_run_out(void **state)
{
    (void)state;
    vmm_world world;
    vmm_options options = intel;
    options.table_bytes = 6 * VX_PAGE_BYTES;
    options.mode = VX_PAGING_NONE;
    vmm_world_open(&world, &options);
    vmm_boot(&world, 0);
    assert_int_equal(vx_vmm_status(world.vmm, &world.msg), VX_OK);
    vmm_use_up_tables(&world, 0, 32);
    vmm_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_touch_of_each_page),
        cmocka_unit_test(page_size_policy),
        cmocka_unit_test(the_end_of_ram),
        cmocka_unit_test(an_address_beyond_the_processor),
        cmocka_unit_test(the_guest_owns_its_translations),
        cmocka_unit_test(what_exits_whatever_the_scheme),
        cmocka_unit_test(read_shadows_follow),
        cmocka_unit_test(flushes_at_transitions),
        cmocka_unit_test(the_check_finds_a_lie),
        cmocka_unit_test(tables_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
