/* Capability MSRs: values as the SDM's Appendix A builds them, bit by bit, for features as they came. */
#include <string.h>

#include "test_support.h"
#include "vmx_world.h"
#include "vx_vmcs_field.h"

/* Features of a Haswell desktop processor. */
static vx_cfg_cpu haswell(void)
{
    vx_cfg_cpu cpu = {.vendor = VX_VENDOR_INTEL,
                      .paging = {.physical_bits = 39,
                                 .virtual_bits = 48,
                                 .long_mode = true,
                                 .nx = true,
                                 .pcid = true,
                                 .invpcid = true,
                                 .smep = true},
                      .isa = {.fsgsbase = true, .xsave = true, .smx = true}};
    cpu.vmx = (vx_cfg_vmx){.vmx = true,
                           .secondary_controls = true,
                           .ept = true,
                           .ept_1g = true,
                           .ept_ad = true,
                           .ept_execute_only = true,
                           .vpid = true,
                           .invvpid = true,
                           .tpr_shadow = true,
                           .virtualize_apic_accesses = true,
                           .unrestricted_guest = true,
                           .pause_loop_exiting = true,
                           .preemption_timer = true,
                           .vmfunc = true,
                           .vmcs_shadowing = true,
                           .true_controls = true,
                           .virtual_nmis = true,
                           .monitor_trap_flag = true,
                           .msr_bitmaps = true,
                           .perf_global_ctrl = true,
                           .pat = true,
                           .efer = true,
                           .descriptor_table_exiting = true,
                           .rdtscp = true,
                           .virtualize_x2apic = true,
                           .wbinvd_exiting = true,
                           .rdrand_exiting = true,
                           .vmwrite_any = true};
    return cpu;
}

static uint64_t value_of(const vx_vmx_caps *caps, uint32_t index)
{
    uint64_t value = 0;
    if (!vx_vmx_caps_msr(caps, index, &value)) fail_msg("no %s", vx_vmx_msr_name(index));
    return value;
}

static void haswell_reports(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = haswell();
    vx_vmx_caps caps;
    vx_vmx_caps_init(&caps, &cpu);
    static const struct {
        uint32_t index;
        uint64_t value;
    } rows[] = {
        {0x480, 0x00D8100000000000 | VX_VMCS_REVISION},
        {0x481, 0x0000007F00000016},
        {0x482, 0xFFF9FFFE0401E172},
        {0x483, 0x007FFFFF00036DFF},
        {0x484, 0x0000FFFF000011FF},
        {0x485, 0x00000000200401E5},
        {0x486, 0x80000021},
        {0x487, 0xFFFFFFFF},
        {0x488, 0x2000},
        {0x489, 0x1767FF},
        {0x48A, 0x2E},
        {0x48B, 0x00007CFF00000000},
        {0x48C, 0x00000F0106334141},
        {0x48D, 0x0000007F00000016},
        {0x48E, 0xFFF9FFFE04006172},
        {0x48F, 0x007FFFFF00036DFB},
        {0x490, 0x0000FFFF000011FB},
        {0x491, 1},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        if (value_of(&caps, rows[i].index) != rows[i].value)
            fail_msg("%s is 0x%llx, not 0x%llx", vx_vmx_msr_name(rows[i].index),
                     (unsigned long long)value_of(&caps, rows[i].index), (unsigned long long)rows[i].value);
    uint64_t value;
    assert_false(vx_vmx_caps_msr(&caps, VX_MSR_VMX_PROCBASED_CTLS3, &value));
    assert_false(vx_vmx_caps_msr(&caps, VX_MSR_VMX_EXIT_CTLS2, &value));
    assert_false(vx_vmx_caps_msr(&caps, 0x47F, &value));
    assert_false(vx_vmx_caps_msr(&caps, 0x494, &value));
}

/* The first generation: no secondary controls, no TRUE MSRs, CR3 accesses always exit. */
static void prescott_reports(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = {.vendor = VX_VENDOR_INTEL,
                      .paging = {.physical_bits = 36, .virtual_bits = 48, .long_mode = true}};
    cpu.vmx.vmx = true;
    vx_vmx_caps caps;
    uint64_t value;
    vx_vmx_caps_init(&caps, &cpu);
    assert_int_equal(value_of(&caps, 0x482) >> 32 & 1U << 31, 0);
    assert_int_equal(caps.allowed0[VX_WORD_CPU] >> 15 & 3, 3);
    static const uint32_t absent[] = {0x48B, 0x48C, 0x48D, 0x48E, 0x48F, 0x490, 0x491, 0x492, 0x493};
    for (unsigned i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_false(vx_vmx_caps_msr(&caps, absent[i], &value));
    assert_false(vx_vmcs_field_exists(vx_vmcs_field_of(VX_VMCS_EPT_POINTER), &caps));
    assert_false(vx_vmcs_field_exists(vx_vmcs_field_of(VX_VMCS_CPU2_CONTROLS), &caps));
    assert_true(vx_vmcs_field_exists(vx_vmcs_field_of(VX_VMCS_GUEST_RIP), &caps));
}

static void without_vmx_there_is_nothing(void **state)
{
    (void)state;
    vx_cfg_cpu cpu = vmx_world_everything();
    vx_vmx_caps caps;
    uint64_t value;
    cpu.vendor = VX_VENDOR_AMD;
    vx_vmx_caps_init(&caps, &cpu);
    for (uint32_t index = VX_MSR_VMX_FIRST; index <= VX_MSR_VMX_LAST; index++)
        assert_false(vx_vmx_caps_msr(&caps, index, &value));
}

/* Each feature brings its own control bits and no other's, and every control hangs on a feature. */
static void each_flag_brings_its_controls(void **state)
{
    (void)state;
    vx_cfg_cpu base = {.vendor = VX_VENDOR_INTEL};
    base.vmx.vmx = true;
    vx_vmx_caps without, with;
    vx_vmx_caps_init(&without, &base);
    const vx_vmx_control *control;
    for (unsigned i = 0; (control = vx_vmx_control_at(i)) != NULL; i++) {
        vx_cfg_cpu cpu = base;
        memset((char *)&cpu + control->feature, 1, 1);
        vx_vmx_caps_init(&with, &cpu);
        assert_true(with.allowed1[control->word] >> control->bit & 1);
        assert_ptr_equal(vx_vmx_control_of(control->word, control->bit), control);
        for (unsigned word = 0; word < VX_WORDS; word++) {
            uint64_t gained = with.allowed1[word] & ~without.allowed1[word];
            for (; gained; gained &= gained - 1) {
                const vx_vmx_control *other = vx_vmx_control_of((vx_vmx_word)word, (unsigned)__builtin_ctzll(gained));
                assert_int_equal(other->feature, control->feature);
            }
            assert_int_equal(with.allowed0[word] & ~with.allowed1[word], 0);
            assert_int_equal(with.allowed0[word] & ~with.default1[word], 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(haswell_reports),
        cmocka_unit_test(prescott_reports),
        cmocka_unit_test(without_vmx_there_is_nothing),
        cmocka_unit_test(each_flag_brings_its_controls),
    };
    return cmocka_run_group_tests_name("vmx_caps", tests, NULL, NULL);
}
