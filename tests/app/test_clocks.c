/* Both clocks make the same run, and what one virtual CPU counts does not depend on the quantum. */
#include <string.h>

#include "cli.h"
#include "test_support.h"

#define TRACE "--trace " CLI_TRACE("compiler.vxt") " --cpu nehalem --json - "

static const char *const schemes[] = {"native", "shadow-wp", "shadow-vtlb", "ept", "ept+vpid"};
enum { SCHEMES = sizeof schemes / sizeof *schemes };

/* Both lines print the same. */
static void same(const char *scheme, const char *one, const char *other)
{
    assert_int_equal(cli_line("run " TRACE "--scheme %s %s", scheme, one), 0);
    char *first = strdup(cli_out);
    assert_true(strlen(first) > 1000);
    assert_int_equal(cli_line("run " TRACE "--scheme %s %s", scheme, other), 0);
    if (strcmp(first, cli_out) != 0) fail_msg("%s: '%s' and '%s' differ", scheme, one, other);
    free(first);
}

static void one_vm(void **state)
{
    (void)state;
    for (unsigned s = 0; s < SCHEMES; s++) same(schemes[s], "--clock heap", "--clock systemc");
    same("ept", "--clock systemc", ""); /* the default */
}

static void two_vms(void **state)
{
    (void)state;
    for (unsigned s = 1; s < SCHEMES; s++) {
        same(schemes[s], "--max 1m --vms 2 --set vmm.scheduler.slice_ticks=300000 --clock heap",
             "--max 1m --vms 2 --set vmm.scheduler.slice_ticks=300000 --clock systemc");
        assert_non_null(strstr(cli_out, "\"vm1\""));
    }
}

static void ticks_by_time(void **state)
{
    (void)state;
    const char *heap = "--max 1m --tick time --set vm.tick_instructions=50000 --clock heap";
    const char *systemc = "--max 1m --tick time --set vm.tick_instructions=50000 --clock systemc";
    same("ept", heap, systemc);
    json_t *by_time = cli_json();
    json_t *by_instructions =
        cli_document("run --trace " CLI_TRACE("compiler.vxt") " --cpu nehalem --scheme ept --max 1m "
                                                              "--set vm.tick_instructions=50000 --tick instructions");
    /* An instruction takes more than a cycle here, so time brings more ticks. */
    assert_true(cli_count(by_time, "/runs/0/paging/os/ticks") > cli_count(by_instructions, "/runs/0/paging/os/ticks"));
    json_decref(by_time);
    json_decref(by_instructions);
}

/* The guest's tick by its APIC's timer, native and under a hypervisor. */
static void apic_timer(void **state)
{
    (void)state;
#define TIMER                                                                                                          \
    "--max 1m --set vm.priority.apic=page --set vm.priority.timer=one-shot --set vm.priority.timer_period=50000 "
    same("native", TIMER "--clock heap", TIMER "--clock systemc");
    same("ept", TIMER "--clock heap", TIMER "--clock systemc");
    same("ept", TIMER "--quantum 10", TIMER "--quantum 100k"); /* the timer is the vCPU's own */
}

/* With interrupts between them for shootdowns, at the default quantum and one that makes them late. */
static void several_vcpus(void **state)
{
    (void)state;
    static const char *const many[] = {"native", "shadow-vtlb", "ept", "ept+vpid"};
    for (unsigned s = 0; s < sizeof many / sizeof *many; s++)
        for (unsigned vcpus = 1; vcpus <= 4; vcpus *= 2) {
            char one[160], other[160];
            const char *line = "--vcpus %u --set vm.unmap_instructions=20000 --max 600k %s";
            snprintf(one, sizeof one, line, vcpus, "--clock heap");
            snprintf(other, sizeof other, line, vcpus, "--clock systemc");
            same(many[s], one, other);
            json_t *document = cli_json();
            assert_int_equal(cli_count_or_0(document, "/runs/0/paging/os/shootdowns/ipis") > 20, vcpus > 1);
            cli_check_document(document);
            json_decref(document);
        }
    same("ept", "--vcpus 3 --max 600k --quantum 5000 --set vm.unmap_instructions=20000 --clock heap",
         "--vcpus 3 --max 600k --quantum 5000 --set vm.unmap_instructions=20000 --clock systemc");
}

static void any_quantum(void **state)
{
    static const char *const others[] = {"--quantum 10 --clock heap", "--quantum 10 --clock systemc",
                                         "--quantum 100k --clock heap", "--quantum 100k --clock systemc"};
    (void)state;
    for (unsigned s = 0; s < SCHEMES; s++) {
        assert_int_equal(cli_line("run " TRACE "--max 300k --quantum 1000 --clock heap --scheme %s", schemes[s]), 0);
        char *first = strdup(cli_out);
        for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
            assert_int_equal(cli_line("run " TRACE "--max 300k %s --scheme %s", others[i], schemes[s]), 0);
            if (strcmp(first, cli_out) != 0) fail_msg("%s: '%s' and a quantum of 1000 differ", schemes[s], others[i]);
        }
        free(first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_vm),     cmocka_unit_test(two_vms),     cmocka_unit_test(ticks_by_time),
        cmocka_unit_test(apic_timer), cmocka_unit_test(any_quantum), cmocka_unit_test(several_vcpus),
    };
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
