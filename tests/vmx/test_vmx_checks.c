/* Every VM-entry check: a state that must fail it, with the outcome the manual gives, and its neighbour that must pass.
 */
#include <stdio.h>
#include <string.h>

#include "test_support.h"
#include "vmx_vectors.h"

enum { MEMORY_BYTES = 1 << 20, CURRENT = 0x7000 };

typedef struct world {
    vx_vmx_caps caps;
    vx_physmem memory;
    bool seen[512]; /* checks that a vector has made fail */
} world;

/* What the vectors refer to: ordinary, shadow and foreign VMCS regions, VTPR, good and bad PDPTEs. */
static int setup(void **state)
{
    static world w;
    vx_msg msg;
    if (vx_physmem_init(&w.memory, MEMORY_BYTES, &msg) != VX_OK) return -1;
    vx_physmem_write32(&w.memory, (vx_hpa){0x4000}, VX_VMCS_REVISION);
    vx_physmem_write32(&w.memory, (vx_hpa){0x5000}, VX_VMCS_REVISION | 1U << 31);
    vx_physmem_write32(&w.memory, (vx_hpa){0x6000}, VX_VMCS_REVISION + 1);
    vx_physmem_write32(&w.memory, (vx_hpa){CURRENT}, VX_VMCS_REVISION);
    vx_physmem_write32(&w.memory, (vx_hpa){0x3080}, 0x5F);
    for (unsigned i = 0; i < 4; i++) vx_physmem_write64(&w.memory, (vx_hpa){0x8000 + 8 * i}, 0x9001);
    vx_physmem_write64(&w.memory, (vx_hpa){0x8038}, 0x9101); /* bit 8 is reserved */
    vx_cfg_cpu cpu = vmx_world_everything();
    vx_vmx_caps_init(&w.caps, &cpu);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    vx_physmem_fini(&((world *)*state)->memory);
    return 0;
}

static vx_vmx_entry entry_of(const world *w, const vx_vmcs_image *image)
{
    vx_vmx_entry entry = {.vmcs = image, .caps = &w->caps, .memory = &w->memory, .current = CURRENT, .ia32e = true};
    vx_vmx_entry_init(&entry);
    return entry;
}

static const vx_vmx_check *first_failure(const vx_vmx_entry *entry)
{
    return vx_vmx_check_first(entry, VX_CHECK_CONTROL, VX_CHECK_MSR_LOAD);
}

static void mark(world *w, const char *id)
{
    for (unsigned i = 0; vx_vmx_check_at(i); i++)
        if (strcmp(vx_vmx_check_at(i)->id, id) == 0) w->seen[i] = true;
}

static void the_image_passes_on_every_processor(void **state)
{
    world *w = *state;
    vx_vmcs_image image;
    vx_vmcs_image_init(&image, &w->caps);
    vx_vmx_entry entry = entry_of(w, &image);
    const vx_vmx_check *failed = first_failure(&entry);
    if (failed) fail_msg("%s", failed->id);
}

/* Of the image with all changes: which check fails first? */
static void run_vector(world *w, const vmx_vector *vector, bool bad, bool ia32e)
{
    vx_vmcs_image image;
    vx_vmcs_image_init(&image, &w->caps);
    for (unsigned i = 0; i < sizeof vector->setup / sizeof vector->setup[0]; i++)
        vmx_world_apply(&image, &vector->setup[i]);
    vmx_world_apply(&image, bad ? &vector->bad : &vector->good);
    vx_vmx_entry entry = entry_of(w, &image);
    entry.ia32e = ia32e;
    const vx_vmx_check *failed = first_failure(&entry);
    if (bad && (!failed || strcmp(failed->id, vector->id) != 0))
        fail_msg("bad %s: first failure is %s", vector->id, failed ? failed->id : "none");
    if (!bad && failed) fail_msg("good %s: %s fails", vector->id, failed->id);
}

static void run_vectors(world *w, const vmx_vector *vectors, unsigned count, unsigned least, unsigned most)
{
    for (unsigned i = 0; i < count; i++) {
        const vmx_vector *v = &vectors[i];
        const vx_vmx_check *check = vx_vmx_check_named(v->id);
        if (check)
            assert_in_range(check->outcome, least, most);
        else
            fail_msg("no check is called %s", v->id);
        /* A 32-bit host's processor is not in IA-32e mode. */
        bool narrow = strncmp(v->id, "host-32", 7) == 0 || strcmp(v->id, "mode-not-ia32e") == 0 ||
                      strcmp(v->id, "host-ss-null") == 0;
        run_vector(w, v, true, !narrow);
        run_vector(w, v, false, !narrow);
        mark(w, v->id);
    }
}

static void controls(void **state)
{
    run_vectors(*state, vmx_control_vectors, vmx_control_vector_count, VX_CHECK_CONTROL, VX_CHECK_CONTROL);
}
static void host(void **state)
{
    run_vectors(*state, vmx_host_vectors, vmx_host_vector_count, VX_CHECK_HOST, VX_CHECK_HOST);
}
static void guest(void **state)
{
    run_vectors(*state, vmx_guest_vectors, vmx_guest_vector_count, VX_CHECK_GUEST, VX_CHECK_GUEST);
}

static void segments(void **state)
{
    world *w = *state;
    for (unsigned i = 0; i < vmx_segment_vector_count(); i++) {
        char id[64];
        vmx_vector vector;
        vmx_segment_vector(i, &vector, id);
        run_vectors(w, &vector, 1, VX_CHECK_GUEST, VX_CHECK_GUEST);
    }
}

/* ---- checks that need another processor, or cannot come first ---- */

static void expect_on(world *w, const vx_vmx_caps *caps, const char *id, const mutation *changes, unsigned count,
                      bool fails)
{
    vx_vmcs_image image;
    vx_vmcs_image_init(&image, caps);
    for (unsigned i = 0; i < count; i++) vmx_world_apply(&image, &changes[i]);
    vx_vmx_entry entry = entry_of(w, &image);
    entry.caps = caps;
    if (vx_vmx_check_holds(vx_vmx_check_named(id), &entry) == fails) fail_msg("%s", id);
    mark(w, id);
}

static void lesser_processors(void **state)
{
    world *w = *state;
    vx_cfg_cpu cpu = vmx_world_everything();
    cpu.vmx.ept_ad = cpu.vmx.ept_5level = cpu.vmx.ept_shadow_stack = cpu.isa.rtm = cpu.isa.sgx = false;
    cpu.vmx.monitor_trap_flag = false;
    vx_vmx_caps less;
    vx_vmx_caps_init(&less, &cpu);
    const mutation ad[] = {CPU2(B(1)), O(EPT_POINTER, B(6))};
    expect_on(w, &less, "eptp-ad", ad, 3, true);
    expect_on(w, &w->caps, "eptp-ad", ad, 3, false);
    const mutation five[] = {CPU2(B(1)), S(EPT_POINTER, 6 | 4 << 3)};
    expect_on(w, &less, "eptp-levels", five, 3, true);
    const mutation shadow[] = {CPU2(B(1)), O(EPT_POINTER, B(7))};
    expect_on(w, &less, "eptp-reserved", shadow, 3, true);
    const mutation rtm[] = {S(GUEST_PENDING_DEBUG, B(16) | B(12))};
    expect_on(w, &less, "pending-rtm-support", rtm, 1, true);
    expect_on(w, &w->caps, "pending-rtm-support", rtm, 1, false);
    const mutation enclave[] = {S(GUEST_INTERRUPTIBILITY, 16)};
    expect_on(w, &less, "enclave", enclave, 1, true);
    const mutation mtf[] = {S(ENTRY_INTERRUPTION_INFO, B(31) | 7 << 8)};
    expect_on(w, &less, "injection-type", mtf, 1, true);
    expect_on(w, &w->caps, "injection-type", mtf, 1, false);

    cpu.vmx.any_error_code = cpu.vmx.zero_length_injection = true;
    vx_vmx_caps_init(&less, &cpu);
    const mutation df[] = {S(ENTRY_INTERRUPTION_INFO, B(31) | 3 << 8 | 8)};
    expect_on(w, &less, "injection-error-code", df, 1, false);
    const mutation ud[] = {S(ENTRY_INTERRUPTION_INFO, B(31) | B(11) | 3 << 8 | 6)};
    expect_on(w, &less, "injection-no-error-code", ud, 1, false);
    const mutation bp[] = {S(ENTRY_INTERRUPTION_INFO, B(31) | 6 << 8 | 3)};
    expect_on(w, &less, "injection-length-zero", bp, 1, false);

    /* 26.2.4: one of the two checks on the mode before it fails as well. */
    const mutation wide[] = {C(EXIT_CONTROLS, B(9))};
    expect_on(w, &w->caps, "host-32-guest", wide, 1, true);
}

static void tracing(void **state)
{
    world *w = *state;
    vx_vmcs_image image;
    vx_vmcs_image_init(&image, &w->caps);
    vmx_world_apply(&image, &(mutation)ENTRY(B(18)));
    vx_vmx_entry entry = entry_of(w, &image);
    assert_null(first_failure(&entry));
    entry.tracing = true;
    assert_string_equal(first_failure(&entry)->id, "rtit-tracing");
    mark(w, "rtit-tracing");
}

static void qualifications(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        unsigned qualification;
    } rows[] = {{"pdptes", 2},        {"blocking-nmi-sti", 3}, {"link-aligned", 4}, {"link-width", 4},
                {"link-revision", 4}, {"link-shadow", 4},      {"link-current", 4}};
    unsigned with = 0;
    for (unsigned i = 0; vx_vmx_check_at(i); i++) with += vx_vmx_check_at(i)->qualification != 0;
    assert_int_equal(with, sizeof rows / sizeof *rows);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(vx_vmx_check_named(rows[i].id)->qualification, rows[i].qualification);
}

/* Controls that are not activated are not looked at. */
static void inactive_words(void **state)
{
    world *w = *state;
    vx_vmcs_image image;
    vx_vmcs_image_init(&image, &w->caps);
    vx_vmcs_set(&image, VX_VMCS_CPU2_CONTROLS, UINT32_MAX);
    vx_vmcs_set(&image, VX_VMCS_CPU3_CONTROLS, UINT64_MAX);
    vx_vmcs_set(&image, VX_VMCS_EXIT2_CONTROLS, UINT64_MAX);
    vx_vmcs_set(&image, VX_VMCS_VM_FUNCTION_CONTROLS, UINT64_MAX);
    vx_vmx_entry entry = entry_of(w, &image);
    assert_null(first_failure(&entry));
}

static void explanations(void **state)
{
    world *w = *state;
    vx_vmcs_image image;
    char text[128];
    vx_vmcs_image_init(&image, &w->caps);
    vmx_world_apply(&image, &(mutation)C(PIN_CONTROLS, B(1)));
    vx_vmx_entry entry = entry_of(w, &image);
    vx_vmx_check_explain(first_failure(&entry), &entry, text, sizeof text);
    assert_string_equal(text, "bit 1, 'reserved': the processor demands that it is 1");
    vx_vmcs_image_init(&image, &w->caps);
    vmx_world_apply(&image, &(mutation)S(HOST_CR3, B(63)));
    entry = entry_of(w, &image);
    vx_vmx_check_explain(first_failure(&entry), &entry, text, sizeof text);
    assert_string_equal(text, "Host CR3 is 0x8000000000000000");
    vx_vmx_check_explain(first_failure(&entry), &entry, text, 5);
    assert_string_equal(text, "Host");
}

/* The last test: nothing in the lists is untested. It prints what ./test.sh shows. */
static void every_check_has_failed_once(void **state)
{
    const world *w = *state;
    unsigned count[4] = {0}, total;
    for (total = 0; vx_vmx_check_at(total); total++) {
        if (!w->seen[total]) fail_msg("no vector makes %s fail", vx_vmx_check_at(total)->id);
        count[vx_vmx_check_at(total)->outcome]++;
    }
    printf(
        "coverage: VM-entry checks %u of %u failed and passed: %u on controls (error 7), %u on host state (error 8), "
        "%u on guest state (exit reason 33)\n",
        total, total, count[VX_CHECK_CONTROL], count[VX_CHECK_HOST], count[VX_CHECK_GUEST]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_image_passes_on_every_processor),
        cmocka_unit_test(controls),
        cmocka_unit_test(host),
        cmocka_unit_test(guest),
        cmocka_unit_test(segments),
        cmocka_unit_test(lesser_processors),
        cmocka_unit_test(tracing),
        cmocka_unit_test(qualifications),
        cmocka_unit_test(inactive_words),
        cmocka_unit_test(explanations),
        cmocka_unit_test(every_check_has_failed_once),
    };
    return cmocka_run_group_tests_name("vmx_checks", tests, setup, teardown);
}
