/* Which controls each generation has: the flags are those of the processors that brought them. */
#include <string.h>

#include "exit_rows.h"
#include "test_support.h"
#include "vx_vmcs.h"

/* Generations in order; each has what the one before had. */
static const vx_cfg_vmx none = {.vmx = false};
static const vx_cfg_vmx prescott = {.vmx = true};
static const vx_cfg_vmx penryn = {
    .vmx = true, .secondary_controls = true, .tpr_shadow = true, .virtualize_apic_accesses = true};
static const vx_cfg_vmx nehalem = {.vmx = true,
                                   .secondary_controls = true,
                                   .tpr_shadow = true,
                                   .virtualize_apic_accesses = true,
                                   .ept = true,
                                   .vpid = true,
                                   .invvpid = true,
                                   .preemption_timer = true};
static const vx_cfg_vmx everything = {.vmx = true,
                                      .secondary_controls = true,
                                      .ept = true,
                                      .ept_1g = true,
                                      .ept_5level = true,
                                      .ept_ad = true,
                                      .ept_execute_only = true,
                                      .vpid = true,
                                      .invvpid = true,
                                      .tpr_shadow = true,
                                      .virtualize_apic_accesses = true,
                                      .apic_register_virtualization = true,
                                      .virtual_interrupt_delivery = true,
                                      .posted_interrupts = true,
                                      .unrestricted_guest = true,
                                      .pause_loop_exiting = true,
                                      .preemption_timer = true,
                                      .pml = true,
                                      .vmfunc = true,
                                      .vmcs_shadowing = true};

typedef struct supported_row {
    const vx_cfg_vmx *features;
    vx_vmcs vmcs;
    const char *missing; /* NULL: supported */
} supported_row;

static const supported_row rows[] = {
    {&none, {.cpu = 0}, "VMX"},
    {&prescott, {.cpu = 0}, NULL},
    {&prescott, {.pin = B(0) | B(3) | B(5), .cpu = B(7) | B(9) | B(15) | B(16) | B(25) | B(28)}, NULL},
    {&prescott, {.cpu = SECONDARY}, "activate secondary controls"},
    {&prescott, {.cpu = B(21)}, "use TPR shadow"},
    {&prescott, {.cpu2 = B(1)}, NULL}, /* not activated, so not looked at */
    {&penryn, {.cpu = B(21) | SECONDARY, .cpu2 = B(0) | B(6)}, NULL},
    {&penryn, {.cpu = SECONDARY, .cpu2 = B(1)}, "enable EPT"},
    {&penryn, {.cpu = SECONDARY, .cpu2 = B(5)}, "enable VPID"},
    {&penryn, {.cpu = SECONDARY, .cpu2 = B(1) | B(5)}, "enable EPT"}, /* the first one */
    {&penryn, {.pin = B(6)}, "activate VMX-preemption timer"},
    {&nehalem, {.pin = B(6), .cpu = B(21) | SECONDARY, .cpu2 = B(0) | B(1) | B(5), .eptp = 0x1E}, NULL},
    {&nehalem, {.cpu = SECONDARY, .cpu2 = B(1), .eptp = 0x5E}, "EPT accessed and dirty flags"},
    {&nehalem, {.cpu = SECONDARY, .cpu2 = B(1), .eptp = 0x26}, "EPT page-walk length 5"},
    {&nehalem, {.cpu = SECONDARY, .eptp = 0x66}, NULL}, /* no EPT: the pointer is not looked at */
    {&nehalem, {.cpu = SECONDARY, .cpu2 = B(7)}, "unrestricted guest"},
    {&nehalem, {.cpu = SECONDARY, .cpu2 = B(8)}, "APIC-register virtualization"},
    {&nehalem, {.cpu = SECONDARY, .cpu2 = B(9)}, "virtual-interrupt delivery"},
    {&nehalem, {.cpu = SECONDARY, .cpu2 = B(10)}, "PAUSE-loop exiting"},
    {&nehalem, {.cpu = SECONDARY, .cpu2 = B(13)}, "enable VM functions"},
    {&nehalem, {.cpu = SECONDARY, .cpu2 = B(14)}, "VMCS shadowing"},
    {&nehalem, {.cpu = SECONDARY, .cpu2 = B(17)}, "enable PML"},
    {&nehalem, {.pin = B(7)}, "process posted interrupts"},
    {&everything, {.pin = B(6) | B(7), .cpu = B(21) | SECONDARY, .cpu2 = 0x277FF, .eptp = 0x66}, NULL},
    {&everything, {.cpu = SECONDARY, .cpu2 = B(11)}, "reserved secondary control"}, /* RDRAND exiting: no such record */
    {&everything, {.cpu = SECONDARY, .cpu2 = B(29)}, "reserved secondary control"},
};

static void each_generation_has_its_controls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *untouched = "untouched", *missing = untouched;
        bool supported = vx_vmcs_supported(&rows[i].vmcs, rows[i].features, &missing);
        if (supported != !rows[i].missing) fail_msg("row %zu: supported %d", i, supported);
        assert_string_equal(missing, rows[i].missing ? rows[i].missing : untouched);
    }
    print_message("%zu rows\n", sizeof rows / sizeof rows[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_generation_has_its_controls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
