/* Names and numbers of exit reasons: against Linux's headers where the machine has them, and against themselves. */
#include <string.h>

#include "test_support.h"
#include "vx_exit.h"
#if defined(__x86_64__) && __has_include(<asm/vmx.h>) && __has_include(<asm/svm.h>)
#include <asm/svm.h>
#include <asm/vmx.h>
#define HAVE_LINUX_NAMES 1
/* The kernel's own names of the vectors, which svm.h uses. */
enum {
    DE_VECTOR,
    DB_VECTOR,
    BP_VECTOR = 3,
    OF_VECTOR,
    BR_VECTOR,
    UD_VECTOR,
    NM_VECTOR,
    DF_VECTOR,
    TS_VECTOR = 10,
    NP_VECTOR,
    SS_VECTOR,
    GP_VECTOR,
    PF_VECTOR,
    MF_VECTOR = 16,
    AC_VECTOR,
    MC_VECTOR,
    XM_VECTOR
};
#endif

static const vx_vendor vendors[] = {VX_VENDOR_INTEL, VX_VENDOR_AMD};

static void tables_are_ordered_and_consistent(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        unsigned count = vx_exit_reason_count(vendors[v]);
        assert_true(count > 0);
        for (unsigned i = 0; i < count; i++) {
            const vx_exit_reason *reason = vx_exit_reason_at(vendors[v], i);
            assert_non_null(reason->doc);
            assert_null(strchr(reason->name, ' '));
            assert_int_equal(vx_exit_reason_index(vendors[v], reason->number), i);
            assert_int_equal(vx_exit_reason_find(vendors[v], reason->name), i);
            if (i > 0) assert_true(vx_exit_reason_at(vendors[v], i - 1)->number < reason->number);
        }
        assert_null(vx_exit_reason_at(vendors[v], count));
        assert_int_equal(vx_exit_reason_find(vendors[v], "no such reason"), -1);
        print_message("%u reasons\n", count);
    }
}

static void unknown_numbers_have_no_index(void **state)
{
    (void)state;
    static const uint32_t holes[] = {35, 38, 42, 71, 78, 0x80000021, UINT32_MAX};
    for (size_t i = 0; i < sizeof holes / sizeof holes[0]; i++)
        assert_int_equal(vx_exit_reason_index(VX_VENDOR_INTEL, holes[i]), -1);
    assert_int_equal(vx_exit_reason_index(VX_VENDOR_AMD, 0x3FF), -1);
    assert_int_equal(vx_exit_reason_index(VX_VENDOR_AMD, 0xFFFFFFFB), -1);
    assert_int_not_equal(vx_exit_reason_index(VX_VENDOR_AMD, UINT32_MAX), -1); /* invalid guest state is -1 */
}

/* Names that reports and models rely on. */
static void well_known_names(void **state)
{
    (void)state;
    static const struct {
        vx_vendor vendor;
        uint32_t number;
        const char *name;
    } known[] = {{VX_VENDOR_INTEL, 0, "EXCEPTION_NMI"},
                 {VX_VENDOR_INTEL, 1, "EXTERNAL_INTERRUPT"},
                 {VX_VENDOR_INTEL, 7, "INTERRUPT_WINDOW"},
                 {VX_VENDOR_INTEL, 28, "CR_ACCESS"},
                 {VX_VENDOR_INTEL, 43, "TPR_BELOW_THRESHOLD"},
                 {VX_VENDOR_INTEL, 45, "EOI_INDUCED"},
                 {VX_VENDOR_INTEL, 48, "EPT_VIOLATION"},
                 {VX_VENDOR_INTEL, 75, "NOTIFY"},
                 {VX_VENDOR_AMD, 0x13, "write_cr3"},
                 {VX_VENDOR_AMD, 0x4E, "PF_excp"},
                 {VX_VENDOR_AMD, 0x60, "interrupt"},
                 {VX_VENDOR_AMD, 0x81, "hypercall"},
                 {VX_VENDOR_AMD, 0x400, "npf"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_int_equal(vx_exit_reason_find(known[i].vendor, known[i].name),
                         vx_exit_reason_index(known[i].vendor, known[i].number));
}

/* Reasons whose instruction has completed (27.1). */
static void trap_like_reasons(void **state)
{
    (void)state;
    static const uint32_t trap_like[] = {5, 37, 43, 45, 56, 74};
    unsigned found = 0;
    for (unsigned i = 0; i < vx_exit_reason_count(VX_VENDOR_INTEL); i++) {
        const vx_exit_reason *reason = vx_exit_reason_at(VX_VENDOR_INTEL, i);
        bool expected = false;
        for (size_t t = 0; t < sizeof trap_like / sizeof trap_like[0]; t++) expected |= reason->number == trap_like[t];
        assert_int_equal(reason->trap_like, expected);
        found += expected;
    }
    assert_int_equal(found, sizeof trap_like / sizeof trap_like[0]);
}

#ifdef HAVE_LINUX_NAMES
typedef struct linux_name {
    int64_t number;
    const char *name;
} linux_name;

/* Later kernels may add names; those that both have must agree. Software-defined codes of SEV-ES are left out. */
static unsigned compare(vx_vendor vendor, const linux_name *names, size_t count)
{
    unsigned compared = 0;
    for (size_t i = 0; i < count; i++) {
        char spelled[64];
        snprintf(spelled, sizeof spelled, "%s", names[i].name);
        for (char *c = spelled; *c; c++)
            if (*c == ' ') *c = '_';
        int index = vx_exit_reason_index(vendor, (uint32_t)names[i].number);
        if (index < 0) continue;
        assert_string_equal(vx_exit_reason_at(vendor, (unsigned)index)->name, spelled);
        compared++;
    }
    return compared;
}

static void names_are_linux_names(void **state)
{
    (void)state;
    static const linux_name intel[] = {VMX_EXIT_REASONS};
    static const linux_name amd[] = {SVM_EXIT_REASONS};
    unsigned of_intel = compare(VX_VENDOR_INTEL, intel, sizeof intel / sizeof intel[0]);
    unsigned of_amd = compare(VX_VENDOR_AMD, amd, sizeof amd / sizeof amd[0]);
    print_message("%u Intel and %u AMD names agree with this machine's kernel headers\n", of_intel, of_amd);
    assert_true(of_intel > 50 && of_amd > 80);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_ordered_and_consistent),
        cmocka_unit_test(unknown_numbers_have_no_index),
        cmocka_unit_test(well_known_names),
        cmocka_unit_test(trap_like_reasons),
#ifdef HAVE_LINUX_NAMES
        cmocka_unit_test(names_are_linux_names),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
