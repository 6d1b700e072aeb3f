/* Writes through EPT: sub-page permissions (SDM Vol. 3C 28.2.4), dirty flags and the page-modification log (28.2.5,
 * 28.2.6). Tables are written by hand. */
#include "ept_world.h"

enum { LOG = 0x10000, SPPT = 0x20000 };

/* ---- sub-page write permissions ---- */

static void open_sub_pages(uint64_t vector)
{
    open_ept(4);
    write_at(entry_at(1), 0x7000 | WB | 5 | BIT(61));
    for (unsigned level = 4; level > 1; level--) write_at(SPPT + TABLE(4 - level) + 8, (SPPT + TABLE(5 - level)) | 1);
    write_at(SPPT + TABLE(3) + 8, vector);
    w.control.sub_page_write = true;
    w.control.sppt = SPPT;
    load();
}

static vx_mmu_result store_to(uint64_t gpa, vx_mmu_fault *fault)
{
    vx_hpa hpa;
    *fault = (vx_mmu_fault){0};
    return vx_mmu_access_gpa(w.mmu, (vx_gpa){gpa}, VX_ACCESS_STORE, &hpa, fault);
}

static void every_sub_page(void **state)
{
    (void)state;
    for (unsigned page = 0; page < 32; page++) {
        open_sub_pages(BIT(2 * page));
        vx_mmu_fault fault;
        for (unsigned other = 0; other < 32; other++) {
            assert_int_equal(store_to(GPA + 128ULL * other + 127, &fault),
                             other == page ? VX_MMU_DONE : VX_MMU_NESTED_FAULT);
            if (other != page) assert_int_equal(fault.qualification, 2 | 5 << 3);
        }
        close_ept();
    }
}

static void sub_page_misses_and_misconfigurations(void **state)
{
    (void)state;
    for (unsigned level = 1; level <= 4; level++)
        for (unsigned bit = 0; bit < 64; bit++) {
            open_sub_pages(0x5555555555555555ULL);
            uint64_t at = SPPT + TABLE(4 - level) + 8;
            write_at(at, read_at(at) ^ BIT(bit));
            vx_mmu_fault fault;
            vx_mmu_result result = store_to(GPA, &fault);
            bool miss = level > 1 && bit == 0;
            bool reserved = level == 1 ? bit % 2 : (bit >= 1 && bit <= 11) || bit >= 40;
            if (miss || reserved) {
                assert_int_equal(result, VX_MMU_SPP_EVENT);
                assert_int_equal(fault.qualification, miss ? BIT(11) : 0);
                assert_int_equal(fault.gpa.v, GPA);
            } else if (level == 1) {
                assert_int_equal(result, bit == 0 ? VX_MMU_NESTED_FAULT : VX_MMU_DONE);
            }
            close_ept();
        }
}

/* Not eligible: without bit 61, with the control off, a large page, a page that is absent. */
static void what_is_not_eligible(void **state)
{
    (void)state;
    for (unsigned why = 0; why < 4; why++) {
        open_sub_pages(0x5555555555555555ULL);
        if (why == 0) write_at(entry_at(1), 0x7000 | WB | 5);
        if (why == 1) w.control.sub_page_write = false;
        if (why == 2) write_at(entry_at(2), 0x80 | WB | 5 | BIT(61));
        if (why == 3) write_at(entry_at(1), 0x7000 | BIT(61));
        load();
        vx_mmu_fault fault;
        assert_int_equal(store_to(GPA, &fault), VX_MMU_NESTED_FAULT);
        close_ept();
    }
}

/* A page with sub-page permissions is never writable out of the TLB. */
static void the_tlb_asks_each_time(void **state)
{
    (void)state;
    open_sub_pages(BIT(0));
    vx_mmu_translation translation;
    vx_mmu_fault fault;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(vx_mmu_access(w.mmu, (vx_gva){GPA + 8}, VX_ACCESS_STORE, &translation, &fault), VX_MMU_DONE);
        assert_int_equal(translation.hpa.v, 0x7008);
        assert_int_equal(vx_mmu_access(w.mmu, (vx_gva){GPA + 128}, VX_ACCESS_STORE, &translation, &fault),
                         VX_MMU_NESTED_FAULT);
    }
    close_ept();
}

/* ---- flags and the log ---- */

static void the_log_counts_down(void **state)
{
    (void)state;
    open_ept(4);
    w.control.nested_ad = true;
    w.control.pml_address = LOG;
    w.control.pml_index = &w.pml;
    for (unsigned i = 1; i < 512; i++) write_at(TABLE(1) + 8ULL * i, 0x7000 | ALL | WB);
    write_at(TABLE(1), 0x7000 | ALL | WB);
    load();
    vx_hpa hpa;
    vx_mmu_fault fault;
    const uint64_t first = GPA & ~0x1FFFFFULL;
    for (unsigned i = 0; i < 512; i++) {
        vx_gpa page = {first + 4096ULL * i + 0x321};
        assert_int_equal(w.pml, 511 - i);
        assert_int_equal(vx_mmu_access_gpa(w.mmu, page, VX_ACCESS_LOAD, &hpa, &fault), VX_MMU_DONE); /* A alone */
        assert_int_equal(w.pml, 511 - i);
        assert_int_equal(vx_mmu_access_gpa(w.mmu, page, VX_ACCESS_STORE, &hpa, &fault), VX_MMU_DONE);
        assert_int_equal(read_at(LOG + 8ULL * (511 - i)), page.v & ~0xFFFULL);
        assert_int_equal(vx_mmu_access_gpa(w.mmu, page, VX_ACCESS_STORE, &hpa, &fault), VX_MMU_DONE); /* D is set */
    }
    assert_int_equal(w.pml, 0xFFFF);
    /* Full: an access that needs no flag goes on; one that does, does not, and sets none. */
    assert_int_equal(vx_mmu_access_gpa(w.mmu, (vx_gpa){first}, VX_ACCESS_STORE, &hpa, &fault), VX_MMU_DONE);
    write_at(TABLE(1), 0x7000 | ALL | WB | BIT(8));
    vx_mmu_invalidate(w.mmu, &(vx_mmu_invalidation){.op = VX_OP_INVEPT_ALL});
    assert_int_equal(vx_mmu_access_gpa(w.mmu, (vx_gpa){first}, VX_ACCESS_LOAD, &hpa, &fault), VX_MMU_DONE);
    assert_int_equal(vx_mmu_access_gpa(w.mmu, (vx_gpa){first}, VX_ACCESS_STORE, &hpa, &fault), VX_MMU_PML_FULL);
    assert_int_equal(read_at(TABLE(1)), 0x7000 | ALL | WB | BIT(8));
    write_at(TABLE(1), 0x7000 | ALL | WB);
    vx_mmu_invalidate(w.mmu, &(vx_mmu_invalidation){.op = VX_OP_INVEPT_ALL});
    assert_int_equal(vx_mmu_access_gpa(w.mmu, (vx_gpa){first}, VX_ACCESS_LOAD, &hpa, &fault), VX_MMU_PML_FULL);
    assert_int_equal(w.pml, 0xFFFF);
    w.pml = 511; /* the hypervisor has emptied it */
    assert_int_equal(vx_mmu_access_gpa(w.mmu, (vx_gpa){first}, VX_ACCESS_STORE, &hpa, &fault), VX_MMU_DONE);
    assert_int_equal(w.pml, 510);
    close_ept();
}

/* Without A and D flags in the EPTP nothing is dirty and nothing is logged; a large page is logged by its 4 KiB. */
static void what_is_logged(void **state)
{
    (void)state;
    for (unsigned ad = 0; ad < 2; ad++) {
        open_ept(4);
        w.control.nested_ad = ad;
        w.control.pml_address = LOG;
        w.control.pml_index = &w.pml;
        write_at(entry_at(2), 0x80 | WB | ALL);
        load();
        vx_mmu_fault fault;
        assert_int_equal(store_to(GPA + 0x5123, &fault), VX_MMU_DONE);
        assert_int_equal(w.pml, ad ? 510 : 511);
        assert_int_equal(read_at(LOG + 8 * 511), ad ? GPA + 0x5000 : 0);
        assert_int_equal(read_at(entry_at(2)) & (BIT(8) | BIT(9)), ad ? BIT(8) | BIT(9) : 0);
        close_ept();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sub_page),       cmocka_unit_test(sub_page_misses_and_misconfigurations),
        cmocka_unit_test(what_is_not_eligible), cmocka_unit_test(the_tlb_asks_each_time),
        cmocka_unit_test(the_log_counts_down),  cmocka_unit_test(what_is_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
