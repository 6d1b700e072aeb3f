/* The table of fields: encodings as their bits say, access by width, and names. */
#include <string.h>

#include "test_support.h"
#include "vmx_world.h"
#include "vx_vmcs_field.h"

static void encodings_follow_their_structure(void **state)
{
    (void)state;
    const vx_vmcs_field *field, *before = NULL;
    for (unsigned i = 0; (field = vx_vmcs_field_at(i)) != NULL; before = field, i++) {
        assert_int_equal(field->encoding & 0x9001, 0); /* reserved bits 12 and 15, access type full */
        if (before) assert_true(before->encoding < field->encoding);
        assert_ptr_equal(vx_vmcs_field_of(field->encoding), field);
        assert_ptr_equal(vx_vmcs_field_named(field->name), field);
        const vx_vmcs_field *high = vx_vmcs_field_of(field->encoding | 1U);
        assert_ptr_equal(high, (field->encoding >> 13 & 3) == 1 ? field : NULL);
        assert_true(strncmp(field->section, "24.", 3) == 0);
    }
    assert_int_equal(vx_vmcs_field_count(), 180);
    assert_null(vx_vmcs_field_of(0x0006ULL << 32));
    assert_null(vx_vmcs_field_of(0xFFFFFFFF));
    assert_null(vx_vmcs_field_of(0x482C)); /* a gap */
}

/* Some of Appendix B, by hand. */
static void known_encodings(void **state)
{
    (void)state;
    static const struct {
        uint32_t encoding;
        const char *name;
    } rows[] = {{0x0000, "Virtual-processor identifier (VPID)"},
                {0x0810, "Guest interrupt status"},
                {0x0C0C, "Host TR selector"},
                {0x201A, "EPT pointer"},
                {0x2400, "Guest-physical address"},
                {0x2800, "VMCS link pointer"},
                {0x2C02, "Host IA32_EFER"},
                {0x4012, "VM-entry controls"},
                {0x4402, "Exit reason"},
                {0x4826, "Guest activity state"},
                {0x4C00, "Host IA32_SYSENTER_CS"},
                {0x6400, "Exit qualification"},
                {0x6C16, "Host RIP"}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(vx_vmcs_field_of(rows[i].encoding)->name, rows[i].name);
    assert_ptr_equal(vx_vmcs_field_named("host rip"), vx_vmcs_field_of(0x6C16));
    assert_ptr_equal(vx_vmcs_field_named("0x6c16"), vx_vmcs_field_of(0x6C16));
    assert_null(vx_vmcs_field_named("0x2801"));
    assert_null(vx_vmcs_field_named("0x6C16 "));
    assert_null(vx_vmcs_field_named(""));
    assert_string_equal(vx_vmcs_field_near("Host RIIP"), "Host RIP");
}

static void widths(void **state)
{
    (void)state;
    const uint64_t all = 0xFEDCBA9876543210;
    const vx_vmcs_field *field;
    for (unsigned i = 0; (field = vx_vmcs_field_at(i)) != NULL; i++) {
        vx_vmcs_image image = {{0}}, others;
        uint64_t kept = field->encoding >> 13 == 0 ? 0x3210 : field->encoding >> 13 == 2 ? 0x76543210 : all;
        vx_vmcs_write(&image, field->encoding, all, true);
        assert_int_equal(vx_vmcs_get(&image, field->encoding), kept);
        assert_int_equal(vx_vmcs_read(&image, field->encoding, true), kept);
        assert_int_equal(vx_vmcs_read(&image, field->encoding, false), kept & UINT32_MAX);
        unsigned changed = 0; /* no field shares another's place */
        for (unsigned s = 0; s < VX_VMCS_SLOTS; s++) changed += image.slot[s] != 0;
        assert_int_equal(changed, 1);
        vx_vmcs_write(&image, field->encoding, UINT64_MAX, false); /* outside 64-bit mode: the high half is cleared */
        assert_int_equal(vx_vmcs_get(&image, field->encoding), kept == 0x3210 ? 0xFFFF : UINT32_MAX);
        if (field->encoding >> 13 != 1) continue;
        others = image;
        vx_vmcs_write(&image, field->encoding | 1U, all, true); /* bits 31:0 of the operand go to the high half */
        assert_int_equal(vx_vmcs_get(&image, field->encoding), 0x76543210FFFFFFFF);
        assert_int_equal(vx_vmcs_read(&image, field->encoding | 1U, true), 0x76543210);
        assert_int_equal(vx_vmcs_get(&others, field->encoding), UINT32_MAX);
    }
}

/* Fields exist where their control may be 1. */
static void existence(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = vmx_world_everything();
    vx_vmx_caps all, none;
    vx_vmx_caps_init(&all, &cpu);
    cpu = (vx_cfg_cpu){.vendor = VX_VENDOR_INTEL, .vmx = {.vmx = true}};
    vx_vmx_caps_init(&none, &cpu);
    unsigned conditional = 0;
    const vx_vmcs_field *field;
    for (unsigned i = 0; (field = vx_vmcs_field_at(i)) != NULL; i++) {
        assert_true(vx_vmcs_field_exists(field, &all));
        if (field->needs_word == VX_WORD_NONE) continue;
        assert_non_null(vx_vmx_control_of(field->needs_word, field->needs_bit));
        assert_false(vx_vmcs_field_exists(field, &none));
        conditional++;
    }
    assert_in_range(conditional, 60, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodings_follow_their_structure),
        cmocka_unit_test(known_encodings),
        cmocka_unit_test(widths),
        cmocka_unit_test(existence),
    };
    return cmocka_run_group_tests_name("vmcs_fields", tests, NULL, NULL);
}
