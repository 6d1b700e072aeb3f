/* Which controls about interrupts go together: every combination of them, entered. VM entry refuses with VM-instruction
 * error 7 what breaks a rule of SDM Vol. 3C 26.2.1.1 or 26.2.1.2, names the first one in the manual's order, and
 * refuses nothing else. The rules are written anew here, with bit numbers. */
#include <string.h>

#include "test_support.h"
#include "vmx_world.h"

enum { MEMORY_BYTES = 1 << 20, VIRTUAL_APIC = 0x3000, VTPR_CLASS = 5, ADDRESS = 0x10000 };

typedef enum word { PIN, CPU, CPU2, CPU3, EXIT, WORDS } word;

typedef struct control {
    const char *name;
    word word;
    unsigned bit;
} control;

enum {
    EXTERNAL_INTERRUPTS,
    NMIS,
    VIRTUAL_NMIS,
    POSTED,
    TPR_SHADOW,
    NMI_WINDOW,
    APIC_ACCESSES,
    X2APIC,
    REGISTERS,
    DELIVERY,
    IPIS,
    ACKNOWLEDGE,
    CONTROLS
};

static const control controls[CONTROLS] = {
    [EXTERNAL_INTERRUPTS] = {"external-interrupt exiting", PIN, 0},
    [NMIS] = {"NMI exiting", PIN, 3},
    [VIRTUAL_NMIS] = {"virtual NMIs", PIN, 5},
    [POSTED] = {"process posted interrupts", PIN, 7},
    [TPR_SHADOW] = {"use TPR shadow", CPU, 21},
    [NMI_WINDOW] = {"NMI-window exiting", CPU, 22},
    [APIC_ACCESSES] = {"virtualize APIC accesses", CPU2, 0},
    [X2APIC] = {"virtualize x2APIC mode", CPU2, 4},
    [REGISTERS] = {"APIC-register virtualization", CPU2, 8},
    [DELIVERY] = {"virtual-interrupt delivery", CPU2, 9},
    [IPIS] = {"IPI virtualization", CPU3, 4},
    [ACKNOWLEDGE] = {"acknowledge interrupt on exit", EXIT, 15},
};

#define BIT(n) (1U << (n))

/* Where all of `when` are 1 and none of `unless`: all of `must` are 1, and none of `must_not`. In the manual's order.
 */
typedef struct rule {
    const char *id;
    unsigned when, unless, must, must_not;
} rule;

static const rule rules[] = {
    {"virtual-nmis", BIT(VIRTUAL_NMIS), 0, BIT(NMIS), 0},
    {"nmi-window", BIT(NMI_WINDOW), 0, BIT(VIRTUAL_NMIS), 0},
    {"needs-tpr-shadow", 0, BIT(TPR_SHADOW), 0, BIT(X2APIC) | BIT(REGISTERS) | BIT(DELIVERY) | BIT(IPIS)},
    {"x2apic", BIT(X2APIC), 0, 0, BIT(APIC_ACCESSES)},
    {"interrupt-delivery", BIT(DELIVERY), 0, BIT(EXTERNAL_INTERRUPTS), 0},
    {"posted-delivery", BIT(POSTED), 0, BIT(DELIVERY), 0},
    {"posted-acknowledge", BIT(POSTED), 0, BIT(ACKNOWLEDGE), 0},
};

static bool broken(const rule *r, unsigned combination)
{
    bool applies = (combination & r->when) == r->when && !(combination & r->unless);
    return applies && ((combination & r->must) != r->must || (combination & r->must_not));
}

/* The TPR threshold against VTPR, where neither APIC accesses nor interrupts are virtualized. */
static bool threshold_broken(unsigned combination, unsigned threshold)
{
    bool looked_at = (combination & BIT(TPR_SHADOW)) && !(combination & (BIT(APIC_ACCESSES) | BIT(DELIVERY)));
    return looked_at && threshold > VTPR_CLASS;
}

static const char *first_broken(unsigned combination, unsigned threshold)
{
    if (threshold_broken(combination, threshold)) return "tpr-threshold"; /* stands before the rules of NMIs */
    for (unsigned i = 0; i < sizeof rules / sizeof *rules; i++)
        if (broken(&rules[i], combination)) return rules[i].id;
    return NULL;
}

static void make_image(vx_vmcs_image *image, const vx_vmx_caps *caps, unsigned combination, unsigned threshold)
{
    static const vx_vmcs_encoding words[WORDS] = {[PIN] = VX_VMCS_PIN_CONTROLS,
                                                  [CPU] = VX_VMCS_CPU_CONTROLS,
                                                  [CPU2] = VX_VMCS_CPU2_CONTROLS,
                                                  [CPU3] = VX_VMCS_CPU3_CONTROLS,
                                                  [EXIT] = VX_VMCS_EXIT_CONTROLS};
    vx_vmcs_image_init(image, caps);
    vmx_world_apply(image, &(mutation)O(CPU_CONTROLS, 1U << 31 | 1U << 17)); /* secondary and tertiary ones count */
    for (unsigned c = 0; c < CONTROLS; c++) {
        bool on = combination >> c & 1;
        vmx_world_apply(image, &(mutation){on ? OR : CLEAR, words[controls[c].word], 1ULL << controls[c].bit});
    }
    vmx_world_apply(image, &(mutation)S(VIRTUAL_APIC_ADDRESS, VIRTUAL_APIC));
    vmx_world_apply(image, &(mutation)S(TPR_THRESHOLD, threshold));
    vmx_world_apply(image, &(mutation)S(APIC_ACCESS_ADDRESS, ADDRESS));
    vmx_world_apply(image, &(mutation)S(POSTED_INTERRUPT_DESCRIPTOR, ADDRESS));
    vmx_world_apply(image, &(mutation)S(POSTED_INTERRUPT_VECTOR, 0xF2));
    vmx_world_apply(image, &(mutation)S(PID_POINTER_TABLE, ADDRESS));
}

static void explain(unsigned combination, const char *expected, const vx_vmx_check *failed)
{
    for (unsigned c = 0; c < CONTROLS; c++)
        if (combination >> c & 1) print_message("  %s\n", controls[c].name);
    fail_msg("expected %s, found %s", expected ? expected : "entry", failed ? failed->id : "entry");
}

static void every_combination(void **state)
{
    (void)state;
    static vx_vmx_caps caps;
    vx_physmem memory;
    vx_msg msg;
    assert_int_equal(vx_physmem_init(&memory, MEMORY_BYTES, &msg), VX_OK);
    vx_physmem_write32(&memory, (vx_hpa){VIRTUAL_APIC + 0x80}, VTPR_CLASS << 4 | 0xF);
    vx_cfg_cpu cpu = vmx_world_everything();
    vx_vmx_caps_init(&caps, &cpu);
    unsigned entered = 0;
    for (unsigned threshold = VTPR_CLASS; threshold <= VTPR_CLASS + 1; threshold++)
        for (unsigned combination = 0; combination < 1U << CONTROLS; combination++) {
            vx_vmcs_image image;
            make_image(&image, &caps, combination, threshold);
            vx_vmx_entry entry = {.vmcs = &image, .caps = &caps, .memory = &memory, .ia32e = true};
            vx_vmx_entry_init(&entry);
            const vx_vmx_check *failed = vx_vmx_check_first(&entry, VX_CHECK_CONTROL, VX_CHECK_MSR_LOAD);
            const char *expected = first_broken(combination, threshold);
            bool same = expected ? failed && strcmp(failed->id, expected) == 0 : !failed;
            if (!same) explain(combination, expected, failed);
            if (failed) assert_int_equal(failed->outcome, VX_CHECK_CONTROL); /* VM-instruction error 7 */
            for (unsigned i = 0; i < sizeof rules / sizeof *rules; i++)      /* and each rule by itself */
                assert_int_equal(vx_vmx_check_holds(vx_vmx_check_named(rules[i].id), &entry),
                                 !broken(&rules[i], combination));
            entered += !failed;
        }
    print_message("%u of %u combinations enter\n", entered, 2U << CONTROLS);
    assert_true(entered > 100);
    vx_physmem_fini(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_combination)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
