/* Nested paging through vx_svm: what EXITINFO1 and 2 say of each nested page fault (the vectors of kvm-unit-tests
 * x86/svm_npt.c), TLB_CONTROL and ASIDs in the TLB, virtualized VMLOAD. */
#include <string.h>

#include "svm_world.h"
#include "test_support.h"

enum { GVA = 0x400000, DATA = 0x80000, ALL = 7 };
#define NX (1ULL << 63)

typedef struct npt_world {
    svm_world base;
    uint64_t nested; /* nCR3 */
} npt_world;

static uint64_t new_table(void *context, unsigned level)
{
    (void)level;
    return svm_page(context);
}

static void map(npt_world *world, uint64_t root, uint64_t from, uint64_t to)
{
    vx_radix_table table = {&vx_radix_4level, root, &world->base.memory, NULL, NULL};
    assert_int_equal(
        vx_radix_map(&table, from, to, VX_PAGE_4K, ALL, ALL, new_table, NULL, &world->base, &world->base.msg), VX_OK);
}

/* Where the nested entry of a level for this guest-physical address stands. */
static vx_hpa nested_entry(const npt_world *world, uint64_t gpa, unsigned level)
{
    uint64_t table = world->nested;
    for (unsigned at = 4;; at--) {
        vx_hpa entry = {table + 8ULL * vx_radix_index(&vx_radix_4level, at, gpa)};
        if (at == level) return entry;
        table = vx_physmem_read64(&world->base.memory, entry) & VX_ENTRY_ADDRESS;
    }
}

static void change(npt_world *world, uint64_t gpa, unsigned level, uint64_t clear, uint64_t set)
{
    vx_hpa at = nested_entry(world, gpa, level);
    vx_physmem_write64(&world->base.memory, at, (vx_physmem_read64(&world->base.memory, at) & ~clear) | set);
}

/* A guest whose address GVA is at guest-physical DATA, under identity nested tables for the first 4 MiB. */
static void open_world(npt_world *world)
{
    svm_world_open(&world->base, true);
    world->nested = svm_page(&world->base);
    map(world, SVM_TABLES, GVA, DATA); /* the guest's, at SVM_TABLES; guest-physical is host-physical */
    for (uint64_t page = 0; page < 4 << 20; page += 4096) map(world, world->nested, page, page);
    svm_put(&world->base, VX_VMCB_NP_CONTROL, 1);
    svm_put(&world->base, VX_VMCB_N_CR3, world->nested);
    svm_put(&world->base, VX_VMCB_INTERCEPTS2, 3);
}

static void npf(npt_world *world, vx_access access, uint64_t info1, uint64_t gpa)
{
    vx_hpa hpa;
    const vx_svm_bytes bytes = {.fetched = 3, .bytes = {0x48, 0x89, 0x07}};
    svm_enter(&world->base);
    vx_svm_outcome outcome = vx_svm_access(&world->base.svm, (vx_gva){GVA + 0x123}, access, &hpa, &bytes);
    svm_expect_exit(&world->base, outcome, 0x400);
    assert_true(svm_field(&world->base, VX_VMCB_EXITINFO1) == info1);
    assert_true(svm_field(&world->base, VX_VMCB_EXITINFO2) == gpa);
    assert_int_equal(svm_field(&world->base, VX_VMCB_BYTES_FETCHED), access == VX_ACCESS_FETCH ? 0 : 3);
}

static void kvm_unit_tests_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        vx_access access;
        bool table; /* the entry is the one of the guest's root, else of the data */
        uint64_t clear, set, info1;
    } cases[] = {
        {"npt_np", VX_ACCESS_LOAD, false, 1, 0, 0x100000004},
        {"npt_nx", VX_ACCESS_FETCH, false, 0, NX, 0x100000015},
        {"npt_us", VX_ACCESS_LOAD, false, 4, 0, 0x100000005},
        {"npt_rw", VX_ACCESS_STORE, false, 2, 0, 0x100000007},
        {"npt_rw_pfwalk", VX_ACCESS_LOAD, true, 2, 0, 0x200000007},
        {"not present, table", VX_ACCESS_LOAD, true, 1, 0, 0x200000006},
        {"rsvd, data", VX_ACCESS_LOAD, false, 0, 1ULL << 50, 0x10000000D},
        {"rsvd, fetch", VX_ACCESS_FETCH, false, 0, 1ULL << 50, 0x10000001D},
        {"rsvd, table", VX_ACCESS_LOAD, true, 0, 1ULL << 50, 0x20000000F},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        npt_world world;
        open_world(&world);
        change(&world, cases[i].table ? SVM_TABLES : DATA, 1, cases[i].clear, cases[i].set);
        npf(&world, cases[i].access, cases[i].info1, cases[i].table ? SVM_TABLES : DATA + 0x123);
        svm_world_close(&world.base);
    }
}

/* An upper nested entry with a reserved bit: the walk for the guest's root meets it first. */
static void reserved_bits_of_upper_entries(void **state)
{
    (void)state;
    for (unsigned level = 2; level <= 4; level++) {
        npt_world world;
        open_world(&world);
        change(&world, SVM_TABLES, level, 0, level == 4 ? 1ULL << 7 : 1ULL << 50);
        npf(&world, VX_ACCESS_LOAD, 0x20000000F, SVM_TABLES);
        svm_world_close(&world.base);
    }
}

static void guest_page_faults_are_the_guest_s(void **state)
{
    (void)state;
    npt_world world;
    open_world(&world);
    vx_hpa hpa;
    svm_enter(&world.base);
    svm_expect_fault(vx_svm_access(&world.base.svm, (vx_gva){0x800000}, VX_ACCESS_LOAD, &hpa, NULL), 14);
    assert_int_equal(vx_svm_register(&world.base.svm, VX_VMCB_CR2), 0x800000);
    svm_world_close(&world.base);
    open_world(&world);
    svm_put(&world.base, VX_VMCB_EXCEPTIONS, 1 << 14);
    svm_enter(&world.base);
    svm_expect_exit(&world.base, vx_svm_access(&world.base.svm, (vx_gva){0x800000}, VX_ACCESS_STORE, &hpa, NULL), 0x4E);
    assert_int_equal(svm_field(&world.base, VX_VMCB_EXITINFO1), 2);
    assert_int_equal(svm_field(&world.base, VX_VMCB_EXITINFO2), 0x800000);
    svm_world_close(&world.base);
}

/* Reading a guest table is a write for the nested tables: A and D of its page are set. */
static void nested_flags_of_guest_tables(void **state)
{
    (void)state;
    npt_world world;
    open_world(&world);
    vx_hpa hpa = {0};
    svm_enter(&world.base);
    assert_int_equal(vx_svm_access(&world.base.svm, (vx_gva){GVA + 8}, VX_ACCESS_LOAD, &hpa, NULL).result, VX_SVM_DONE);
    assert_int_equal(hpa.v, DATA + 8);
    assert_int_equal(vx_physmem_read64(&world.base.memory, nested_entry(&world, SVM_TABLES, 1)) & 0x60, 0x60);
    assert_int_equal(vx_physmem_read64(&world.base.memory, nested_entry(&world, DATA, 1)) & 0x60, 0x20);
    svm_world_close(&world.base);
}

/* ---- ASIDs and TLB_CONTROL ---- */

/* What a load of GVA finds after DATA was remapped behind the TLB's back and VMRUN came with this control and ASID. */
static uint64_t after(unsigned control, unsigned asid)
{
    npt_world world;
    open_world(&world);
    vx_hpa hpa = {0};
    svm_enter(&world.base);
    assert_int_equal(vx_svm_access(&world.base.svm, (vx_gva){GVA}, VX_ACCESS_LOAD, &hpa, NULL).result, VX_SVM_DONE);
    assert_int_equal(hpa.v, DATA);
    svm_expect_exit(&world.base, vx_svm_vmmcall(&world.base.svm, NULL), 0x81);
    map(&world, world.nested, DATA, 0x90000);
    svm_put(&world.base, VX_VMCB_TLB_CONTROL, control);
    svm_put(&world.base, VX_VMCB_GUEST_ASID, asid);
    svm_enter(&world.base);
    assert_int_equal(vx_svm_access(&world.base.svm, (vx_gva){GVA}, VX_ACCESS_LOAD, &hpa, NULL).result, VX_SVM_DONE);
    svm_world_close(&world.base);
    return hpa.v;
}

static void tlb_control_flushes_what_it_says(void **state)
{
    (void)state;
    assert_int_equal(after(0, 1), DATA); /* stale: nothing was flushed */
    assert_int_equal(after(1, 1), 0x90000);
    assert_int_equal(after(3, 1), 0x90000);
    assert_int_equal(after(7, 1), 0x90000);
    assert_int_equal(after(0, 2), 0x90000); /* another ASID knows nothing */
}

static void invlpga_drops_one_address_of_one_asid(void **state)
{
    (void)state;
    for (unsigned asid = 1; asid <= 2; asid++) {
        npt_world world;
        open_world(&world);
        vx_hpa hpa = {0};
        svm_enter(&world.base);
        (void)vx_svm_access(&world.base.svm, (vx_gva){GVA}, VX_ACCESS_LOAD, &hpa, NULL);
        svm_expect_exit(&world.base, vx_svm_vmmcall(&world.base.svm, NULL), 0x81);
        map(&world, world.nested, DATA, 0x90000);
        vx_svm_set_register(&world.base.svm, VX_VMCB_RAX, GVA);
        assert_int_equal(vx_svm_invlpga(&world.base.svm, asid, NULL).result, VX_SVM_DONE);
        vx_svm_set_register(&world.base.svm, VX_VMCB_RAX, SVM_VMCB);
        svm_enter(&world.base);
        (void)vx_svm_access(&world.base.svm, (vx_gva){GVA}, VX_ACCESS_LOAD, &hpa, NULL);
        if (asid == 2) assert_int_equal(hpa.v, DATA);
        svm_world_close(&world.base);
    }
}

static void virtualized_vmload_goes_through_the_nested_tables(void **state)
{
    (void)state;
    npt_world world;
    open_world(&world);
    svm_put(&world.base, VX_VMCB_VIRT_EXT, 2);
    svm_put(&world.base, VX_VMCB_RAX, 0xA0000);
    map(&world, world.nested, 0xA0000, SVM_VMCB2);
    vx_vmcb_write(&world.base.memory, (vx_hpa){SVM_VMCB2}, VX_VMCB_STAR, 0x99);
    svm_enter(&world.base);
    assert_int_equal(vx_svm_vmload(&world.base.svm, NULL).result, VX_SVM_DONE);
    assert_int_equal(vx_svm_register(&world.base.svm, VX_VMCB_STAR), 0x99);
    vx_svm_set_register(&world.base.svm, VX_VMCB_RAX, 0x7FFFF000);
    svm_expect_exit(&world.base, vx_svm_vmsave(&world.base.svm, NULL), 0x400);
    assert_int_equal(svm_field(&world.base, VX_VMCB_EXITINFO2), 0x7FFFF000);
    assert_true(svm_field(&world.base, VX_VMCB_EXITINFO1) == 0x100000006);
    svm_world_close(&world.base);
}

/* Nested tables have as many levels as the host's paging mode. */
static void five_nested_levels_with_la57(void **state)
{
    (void)state;
    npt_world world;
    open_world(&world);
    world.base.cpu.paging.virtual_bits = 57;
    vx_svm_set_register(&world.base.svm, VX_VMCB_CR4, 0x1020);
    uint64_t top = svm_page(&world.base);
    vx_physmem_write64(&world.base.memory, (vx_hpa){top}, world.nested | ALL);
    svm_put(&world.base, VX_VMCB_N_CR3, top);
    vx_hpa hpa = {0};
    svm_enter(&world.base);
    assert_int_equal(vx_svm_access(&world.base.svm, (vx_gva){GVA}, VX_ACCESS_LOAD, &hpa, NULL).result, VX_SVM_DONE);
    assert_int_equal(hpa.v, DATA);
    svm_world_close(&world.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kvm_unit_tests_vectors),
        cmocka_unit_test(reserved_bits_of_upper_entries),
        cmocka_unit_test(guest_page_faults_are_the_guest_s),
        cmocka_unit_test(nested_flags_of_guest_tables),
        cmocka_unit_test(tlb_control_flushes_what_it_says),
        cmocka_unit_test(invlpga_drops_one_address_of_one_asid),
        cmocka_unit_test(virtualized_vmload_goes_through_the_nested_tables),
        cmocka_unit_test(five_nested_levels_with_la57),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
