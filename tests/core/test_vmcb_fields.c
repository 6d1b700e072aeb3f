/* The VMCB's layout against a packed structure written from Linux's and Xen's, and access by field. */
#include <string.h>

#include "test_support.h"
#include "vx_random.h"
#include "vx_svm.h"

/* Arrays in the order of the architecture, not of our enumeration. */
typedef struct __attribute__((packed)) segment {
    uint16_t selector, attributes;
    uint32_t limit;
    uint64_t base;
} segment;

typedef struct __attribute__((packed)) layout {
    uint16_t cr_read, cr_write, dr_read, dr_write;
    uint32_t exceptions, intercepts1, intercepts2, intercepts3;
    uint8_t reserved_018[0x3C - 0x18];
    uint16_t pause_filter_threshold, pause_filter_count;
    uint64_t iopm_base_pa, msrpm_base_pa, tsc_offset;
    uint32_t guest_asid;
    uint8_t tlb_control, reserved_05d[3];
    uint32_t v_intr, v_intr_vector, interrupt_shadow;
    uint8_t reserved_06c[4];
    uint64_t exitcode, exitinfo1, exitinfo2;
    uint32_t exitintinfo, exitintinfo_error;
    uint64_t np_control, avic_apic_bar, ghcb_gpa;
    uint32_t eventinj, eventinj_error;
    uint64_t n_cr3, virt_ext;
    uint32_t clean;
    uint8_t reserved_0c4[4];
    uint64_t nrip;
    uint8_t bytes_fetched, instruction_bytes[15];
    uint64_t avic_backing_page, reserved_0e8, avic_logical_table, avic_physical_table;
    uint8_t reserved_100[0x20];
    uint16_t bus_lock_counter;
    uint8_t reserved_122[0x400 - 0x122];
    segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t reserved_4a0[0x2B];
    uint8_t cpl;
    uint8_t reserved_4cc[4];
    uint64_t efer;
    uint8_t reserved_4d8[112];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved_580[88];
    uint64_t rsp, s_cet, ssp, isst_addr, rax, star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp,
        sysenter_eip, cr2;
    uint8_t reserved_648[32];
    uint64_t g_pat, dbgctl, br_from, br_to, lastexcpfrom, lastexcpto;
    uint8_t reserved_698[72];
    uint64_t spec_ctrl;
    uint8_t reserved_6e8[0x1000 - 0x6E8];
} layout;
_Static_assert(sizeof(layout) == 4096, "a VMCB is a page");

/* NOLINTBEGIN(bugprone-macro-parentheses): members and text. */
#define FIELD(name)                                                                                                    \
    {                                                                                                                  \
#name, offsetof(layout, name), sizeof(((layout *)0)->name)                                                     \
    }
#define SEGMENT(name)                                                                                                  \
    {#name "_selector", offsetof(layout, name.selector), 2},                                                           \
        {#name "_attributes", offsetof(layout, name.attributes), 2}, TABLE(name)
#define TABLE(name)                                                                                                    \
    {#name "_limit", offsetof(layout, name.limit), 4}, { #name "_base", offsetof(layout, name.base), 8 }
/* NOLINTEND(bugprone-macro-parentheses) */

static const struct {
    const char *name;
    size_t offset, bytes;
} expected[] = {
    FIELD(cr_read),
    FIELD(cr_write),
    FIELD(dr_read),
    FIELD(dr_write),
    FIELD(exceptions),
    FIELD(intercepts1),
    FIELD(intercepts2),
    FIELD(intercepts3),
    FIELD(pause_filter_threshold),
    FIELD(pause_filter_count),
    FIELD(iopm_base_pa),
    FIELD(msrpm_base_pa),
    FIELD(tsc_offset),
    FIELD(guest_asid),
    FIELD(tlb_control),
    FIELD(v_intr),
    FIELD(v_intr_vector),
    FIELD(interrupt_shadow),
    FIELD(exitcode),
    FIELD(exitinfo1),
    FIELD(exitinfo2),
    FIELD(exitintinfo),
    FIELD(exitintinfo_error),
    FIELD(np_control),
    FIELD(avic_apic_bar),
    FIELD(eventinj),
    FIELD(eventinj_error),
    FIELD(n_cr3),
    FIELD(virt_ext),
    FIELD(clean),
    FIELD(nrip),
    FIELD(bytes_fetched),
    FIELD(avic_backing_page),
    FIELD(avic_logical_table),
    FIELD(avic_physical_table),
    FIELD(bus_lock_counter),
    SEGMENT(es),
    SEGMENT(cs),
    SEGMENT(ss),
    SEGMENT(ds),
    SEGMENT(fs),
    SEGMENT(gs),
    TABLE(gdtr),
    SEGMENT(ldtr),
    TABLE(idtr),
    SEGMENT(tr),
    FIELD(cpl),
    FIELD(efer),
    FIELD(cr4),
    FIELD(cr3),
    FIELD(cr0),
    FIELD(dr7),
    FIELD(dr6),
    FIELD(rflags),
    FIELD(rip),
    FIELD(rsp),
    FIELD(rax),
    FIELD(star),
    FIELD(lstar),
    FIELD(cstar),
    FIELD(sfmask),
    FIELD(kernel_gs_base),
    FIELD(sysenter_cs),
    FIELD(sysenter_esp),
    FIELD(sysenter_eip),
    FIELD(cr2),
    FIELD(g_pat),
    FIELD(dbgctl),
    FIELD(br_from),
    FIELD(br_to),
    FIELD(lastexcpfrom),
    FIELD(lastexcpto),
    FIELD(spec_ctrl),
};
enum { EXPECTED = sizeof expected / sizeof *expected };

static void offsets_and_widths_are_the_architecture_s(void **state)
{
    (void)state;
    assert_int_equal(EXPECTED, VX_VMCB_FIELDS);
    for (unsigned i = 0; i < EXPECTED; i++) {
        vx_vmcb_field field = vx_vmcb_find(expected[i].name);
        if (field == VX_VMCB_FIELDS) fail_msg("no field %s", expected[i].name);
        const vx_vmcb_info *info = vx_vmcb_describe(field);
        if (info->offset != expected[i].offset || info->bytes != expected[i].bytes)
            fail_msg("%s at 0x%x, %u bytes", info->name, info->offset, info->bytes);
        assert_int_equal(info->role <= VX_VMCB_EXIT, info->offset < VX_VMCB_SAVE_AREA);
    }
    assert_int_equal(vx_vmcb_find("no such field"), VX_VMCB_FIELDS);
    print_message("%d fields\n", EXPECTED);
}

static void fields_are_in_order_and_do_not_overlap(void **state)
{
    (void)state;
    for (unsigned i = 1; i < VX_VMCB_FIELDS; i++) {
        const vx_vmcb_info *before = vx_vmcb_describe((vx_vmcb_field)(i - 1)),
                           *info = vx_vmcb_describe((vx_vmcb_field)i);
        assert_true(before->offset + before->bytes <= info->offset);
    }
}

/* Xen's vmcbcleanbits_t and the comments of struct vmcb_struct: the fields of each bit; what is not here is never
 * cached. */
static void clean_bits_cover_their_fields(void **state)
{
    (void)state;
    /* NOLINTBEGIN(bugprone-suspicious-missing-comma): long lines. */
    static const char *const groups[VX_CLEAN_GROUPS] = {
        "cr_read cr_write dr_read dr_write exceptions intercepts1 intercepts2 intercepts3 pause_filter_threshold "
        "pause_filter_count tsc_offset ",
        "iopm_base_pa msrpm_base_pa ",
        "guest_asid ",
        "v_intr v_intr_vector ",
        "np_control n_cr3 g_pat ",
        "cr0 cr3 cr4 efer ",
        "dr6 dr7 ",
        "gdtr_limit gdtr_base idtr_limit idtr_base ",
        "cs_selector cs_attributes cs_limit cs_base ds_selector ds_attributes ds_limit ds_base es_selector "
        "es_attributes es_limit es_base ss_selector ss_attributes ss_limit ss_base cpl ",
        "cr2 ",
        "dbgctl br_from br_to lastexcpfrom lastexcpto ",
        "avic_apic_bar avic_backing_page avic_logical_table avic_physical_table ",
    };
    /* NOLINTEND(bugprone-suspicious-missing-comma) */
    for (unsigned i = 0; i < VX_VMCB_FIELDS; i++) {
        const vx_vmcb_info *info = vx_vmcb_describe((vx_vmcb_field)i);
        char word[64];
        snprintf(word, sizeof word, "%s ", info->name);
        for (unsigned group = 0; group < VX_CLEAN_GROUPS; group++) {
            const char *at = strstr(groups[group], word);
            bool listed = at && (at == groups[group] || at[-1] == ' ');
            if (listed != (info->clean == group)) fail_msg("%s, clean bit %u", info->name, group);
        }
    }
}

static void a_feature_decides_whether_a_field_is_looked_at(void **state)
{
    (void)state;
    const vx_cfg_svm none = {.svm = true}, filter = {.svm = true, .pause_filter = true};
    assert_true(vx_vmcb_has(&none, VX_VMCB_CR0));
    assert_false(vx_vmcb_has(&none, VX_VMCB_NRIP));
    assert_false(vx_vmcb_has(&none, VX_VMCB_PAUSE_FILTER_COUNT));
    assert_true(vx_vmcb_has(&filter, VX_VMCB_PAUSE_FILTER_COUNT));
    assert_false(vx_vmcb_has(&filter, VX_VMCB_PAUSE_FILTER_THRESHOLD));
}

/* Random writes through both kinds of access leave the same bytes, and only the field's. */
static void image_and_memory_are_the_same_bytes(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "vmcb");
    vx_physmem memory;
    vx_msg msg;
    assert_int_equal(vx_physmem_init(&memory, 0x4000, &msg), VX_OK);
    vx_vmcb_image image = {{0}}, before, other;
    const vx_hpa at = {0x2000};
    for (unsigned n = 0; n < 2000; n++) {
        vx_vmcb_field field = (vx_vmcb_field)vx_random_below(&random, VX_VMCB_FIELDS);
        const vx_vmcb_info *info = vx_vmcb_describe(field);
        uint64_t value = vx_random_u64(&random);
        before = image;
        vx_vmcb_set(&image, field, value);
        vx_vmcb_write(&memory, at, field, value);
        uint64_t expect = info->bytes == 8 ? value : value & ((1ULL << 8 * info->bytes) - 1);
        assert_true(vx_vmcb_get(&image, field) == expect && vx_vmcb_read(&memory, at, field) == expect);
        vx_vmcb_fetch(&other, &memory, at);
        assert_memory_equal(&other, &image, sizeof image);
        assert_memory_equal(memory.base + at.v, &image, sizeof image);
        for (unsigned i = 0; i < sizeof image; i++)
            if (i < info->offset || i >= info->offset + info->bytes) assert_int_equal(image.bytes[i], before.bytes[i]);
    }
    vx_vmcb_store(&image, &memory, (vx_hpa){0});
    assert_memory_equal(memory.base, &image, sizeof image);
    vx_vmcb_fetch(&other, &memory, (vx_hpa){1ULL << 40}); /* an empty bus */
    assert_true(vx_vmcb_get(&other, VX_VMCB_CR0) == 0);
    vx_physmem_fini(&memory);
}

static void controls_survive_the_round_trip(void **state)
{
    (void)state;
    const vx_cfg_svm features = {.svm = true, .npt = true, .pause_filter = true, .pause_threshold = true};
    const vx_vmcb controls = {.cr_read = 1,
                              .cr_write = 2,
                              .dr_read = 3,
                              .dr_write = 4,
                              .exceptions = 5,
                              .intercepts1 = 6,
                              .intercepts2 = 7,
                              .intercepts3 = 8,
                              .asid = 9,
                              .tlb_control = 3,
                              .nested_paging = true,
                              .nested_cr3 = 0x12345000,
                              .nested_levels = 5,
                              .pause_filter_count = 3000,
                              .pause_filter_threshold = 128};
    vx_vmcb_image image = {{0}};
    vx_vmcb_encode(&controls, &image);
    vx_vmcb again;
    vx_vmcb_decode(&again, &image, &features, NULL, 5);
    assert_int_equal(again.cr_read, 1);
    assert_int_equal(again.cr_write, 2);
    assert_int_equal(again.dr_read, 3);
    assert_int_equal(again.dr_write, 4);
    assert_int_equal(again.exceptions, 5);
    assert_int_equal(again.intercepts1, 6);
    assert_int_equal(again.intercepts2, 7);
    assert_int_equal(again.intercepts3, 8);
    assert_int_equal(again.asid, 9);
    assert_int_equal(again.tlb_control, 3);
    assert_true(again.nested_paging && !again.decode_assists);
    assert_int_equal(again.nested_cr3, 0x12345000);
    assert_int_equal(again.nested_levels, 5);
    assert_int_equal(again.pause_filter_count, 3000);
    assert_int_equal(again.pause_filter_threshold, 128);
    const vx_cfg_svm bare = {.svm = true, .decode_assists = true};
    vx_vmcb_decode(&again, &image, &bare, NULL, 4);
    assert_true(!again.nested_paging && again.decode_assists);
    assert_int_equal(again.nested_cr3 | again.pause_filter_count | again.pause_filter_threshold, 0);
}

static void permission_maps_are_where_the_vmcb_says(void **state)
{
    (void)state;
    vx_physmem memory;
    vx_msg msg;
    assert_int_equal(vx_physmem_init(&memory, 0x10000, &msg), VX_OK);
    const vx_cfg_svm features = {.svm = true};
    vx_vmcb_image image = {{0}};
    vx_vmcb controls;
    vx_vmcb_set(&image, VX_VMCB_IOPM_BASE_PA, 0xD123); /* 11:0 are ignored; ends with the memory */
    vx_vmcb_set(&image, VX_VMCB_MSRPM_BASE_PA, 0x4FFF);
    vx_vmcb_decode(&controls, &image, &features, &memory, 4);
    assert_ptr_equal(controls.io_bitmap, memory.base + 0xD000);
    assert_ptr_equal(controls.msr_bitmap, memory.base + 0x4000);
    vx_vmcb_set(&image, VX_VMCB_IOPM_BASE_PA, 0xE000);
    vx_vmcb_set(&image, VX_VMCB_MSRPM_BASE_PA, UINT64_MAX);
    vx_vmcb_decode(&controls, &image, &features, &memory, 4);
    assert_null(controls.io_bitmap);
    assert_null(controls.msr_bitmap);
    vx_physmem_fini(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_and_widths_are_the_architecture_s),
        cmocka_unit_test(fields_are_in_order_and_do_not_overlap),
        cmocka_unit_test(clean_bits_cover_their_fields),
        cmocka_unit_test(a_feature_decides_whether_a_field_is_looked_at),
        cmocka_unit_test(image_and_memory_are_the_same_bytes),
        cmocka_unit_test(controls_survive_the_round_trip),
        cmocka_unit_test(permission_maps_are_where_the_vmcb_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
