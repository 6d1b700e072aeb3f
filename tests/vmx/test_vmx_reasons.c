/* Which exit reasons the VMX machine brings about: every event that could exit under controls that make it, what
 * happens between instructions, and failed entries. What translation and the APIC find is told to it by vx_vmx_exit. */
#include <stdio.h>
#include <string.h>

#include "test_support.h"
#include "vmx_machine.h"

#define B(n) (1ULL << (n))

static bool seen[128];

/* Everything exits that can. */
static void everything_exits(machine *m)
{
    machine_ready(m);
    machine_or(m, VX_VMCS_PIN_CONTROLS, B(0) | B(3) | B(5) | B(6));
    machine_or(m, VX_VMCS_CPU_CONTROLS,
               B(7) | B(9) | B(10) | B(11) | B(12) | B(15) | B(16) | B(17) | B(19) | B(20) | B(21) | B(23) | B(24) |
                   B(29) | B(30) | B(31));
    machine_or(m, VX_VMCS_CPU2_CONTROLS,
               B(0) | B(1) | B(2) | B(3) | B(6) | B(8) | B(11) | B(12) | B(13) | B(15) | B(16) | B(20) | B(21) | B(26) |
                   B(27) | B(28) | B(30) | B(31));
    machine_or(m, VX_VMCS_CPU3_CONTROLS, B(0));
    machine_write(m, VX_VMCS_EXCEPTION_BITMAP, UINT32_MAX);
    machine_write(m, VX_VMCS_CR0_MASK, UINT64_MAX);
    machine_write(m, VX_VMCS_CR0_SHADOW, B(3));
    machine_write(m, VX_VMCS_ENCLS_EXITING_BITMAP, UINT64_MAX);
    machine_write(m, VX_VMCS_ENCLV_EXITING_BITMAP, UINT64_MAX);
    machine_write(m, VX_VMCS_PCONFIG_EXITING_BITMAP, UINT64_MAX);
    machine_write(m, VX_VMCS_XSS_EXITING_BITMAP, UINT64_MAX);
    machine_write(m, VX_VMCS_VIRTUAL_APIC_ADDRESS, VIRTUAL_APIC);
    machine_write(m, VX_VMCS_PREEMPTION_TIMER, UINT32_MAX);
    m->vmx.state.xss = UINT64_MAX;
}

static void run_event(machine *m, const vx_guest_event *event, uint64_t interruptibility)
{
    everything_exits(m);
    machine_write(m, VX_VMCS_GUEST_INTERRUPTIBILITY, interruptibility);
    machine_write(m, VX_VMCS_GUEST_RFLAGS, 0x202);
    if (event->kind == VX_EVENT_SIPI) machine_write(m, VX_VMCS_GUEST_ACTIVITY, 3);
    vx_vmx_result result = vx_vmx_vmlaunch(&m->vmx);
    if (result.kind != VX_VMX_ENTERED) fail_msg("%s", result.check ? result.check->id : "no entry");
    result = vx_vmx_guest_event(&m->vmx, event);
    if (result.kind != VX_VMX_EXIT) return;
    assert_int_equal(machine_read(m, VX_VMCS_EXIT_REASON) & 0xFFFF, result.number);
    seen[result.number] = true;
}

static void events(void **state)
{
    machine *m = *state;
    for (unsigned kind = 1; kind < VX_EVENTS; kind++)
        for (unsigned variant = 0; variant < 6; variant++) {
            static const uint8_t numbers[] = {0, 3, 4, 8, 14, 2};
            static const uint64_t selectors[] = {0, 0x300, 0x3B0, 64, 1, 0x80};
            vx_guest_event event = {.kind = (vx_guest_event_kind)kind,
                                    .which = numbers[variant],
                                    .bytes = 4,
                                    .length = 3,
                                    .retired = true,
                                    .value = variant & 1 ? UINT32_MAX : 1,
                                    .selector = selectors[variant]};
            run_event(m, &event, 0);
        }
    vx_guest_event smi = {.kind = VX_EVENT_SMI, .immediate = true};
    run_event(m, &smi, 0);
}

static void boundaries(void **state)
{
    machine *m = *state;
    static const struct {
        uint32_t reason, encoding;
        uint64_t bits;
    } rows[] = {{VX_EXIT_INTERRUPT_WINDOW, VX_VMCS_CPU_CONTROLS, B(2)},
                {VX_EXIT_NMI_WINDOW, VX_VMCS_CPU_CONTROLS, B(22)},
                {VX_EXIT_MONITOR_TRAP_FLAG, VX_VMCS_ENTRY_INTERRUPTION_INFO, B(31) | 7 << 8},
                {VX_EXIT_TPR_BELOW_THRESHOLD, VX_VMCS_TPR_THRESHOLD, 15},
                {VX_EXIT_PREEMPTION_TIMER, VX_VMCS_GUEST_RFLAGS, 2}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        everything_exits(m);
        machine_write(m, VX_VMCS_GUEST_RFLAGS, 0x202);
        machine_or(m, rows[i].encoding, rows[i].bits);
        if (rows[i].reason == VX_EXIT_PREEMPTION_TIMER) machine_write(m, VX_VMCS_PREEMPTION_TIMER, 0);
        assert_int_equal(vx_vmx_vmlaunch(&m->vmx).kind, VX_VMX_ENTERED);
        vx_vmx_result result = vx_vmx_boundary(&m->vmx, NULL);
        assert_true(result.kind == VX_VMX_EXIT && result.number == rows[i].reason);
        seen[result.number] = true;
    }
}

static void failed_entries(void **state)
{
    machine *m = *state;
    machine_ready(m);
    machine_write(m, VX_VMCS_GUEST_RFLAGS, 0);
    seen[vx_vmx_vmlaunch(&m->vmx).number] = true;
    machine_ready(m);
    machine_write(m, VX_VMCS_ENTRY_MSR_LOAD_COUNT, 1);
    machine_write(m, VX_VMCS_ENTRY_MSR_LOAD_ADDRESS, MSR_ENTRY_LOAD);
    seen[vx_vmx_vmlaunch(&m->vmx).number] = true; /* MSR 0 */
    assert_true(seen[33] && seen[34]);
}

/* The rest comes from translation (EPT, PML, SPP) and from the APIC's virtualization, or has no cause here. */
static void what_is_left_has_another_cause(void **state)
{
    (void)state;
    static const uint8_t elsewhere[] = {VX_EXIT_EPT_VIOLATION, VX_EXIT_EPT_MISCONFIG, VX_EXIT_PML_FULL,
                                        VX_EXIT_SPP_EVENT,     VX_EXIT_EOI_INDUCED,   VX_EXIT_MCE_DURING_VMENTRY};
    unsigned all = vx_exit_reason_count(VX_VENDOR_INTEL), caused = 0;
    for (unsigned i = 0; i < all; i++) {
        const vx_exit_reason *reason = vx_exit_reason_at(VX_VENDOR_INTEL, i);
        caused += seen[reason->number];
        bool other = memchr(elsewhere, (int)reason->number, sizeof elsewhere) != NULL;
        if (seen[reason->number] == other) fail_msg("%s (%u)", reason->name, reason->number);
    }
    printf("coverage: exit reasons %u of %u caused by the VMX machine; %u more by translation and the APIC\n", caused,
           all, (unsigned)sizeof elsewhere - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events),
        cmocka_unit_test(boundaries),
        cmocka_unit_test(failed_entries),
        cmocka_unit_test(what_is_left_has_another_cause),
    };
    return cmocka_run_group_tests_name("vmx_reasons", tests, machine_open, machine_close);
}
