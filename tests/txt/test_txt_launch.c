/* GETSEC[SENTER]: each condition alone, their order, and what a launch leaves in the PCRs. */
#include <string.h>

#include "nettle_hash.h"
#include "test_support.h"
#include "vx_txt.h"

#define CR0_PE (1ULL << 0)
#define CR0_NE (1ULL << 5)

/* Breaks condition `i` of the ready processor; false behind the last. Rows stand in the manual's order. */
static bool break_condition(unsigned i, vx_txt_processor *p, vx_txt_fault *fault, const char **part)
{
    static const char *const parts[] = {"SMXE",   "SMXE",   "SENTER", "VMX",  "CR0.PE",  "CR0.CD",   "CR0.CD",
                                        "NE",     "CPL",    "VM",     "BSP",  "chipset", "measured", "authenticated",
                                        "SMM",    "TPM",    "locked", "[15]", "[14:8]",  "module",   "module",
                                        "module", "module", "module"};
    if (i >= sizeof parts / sizeof *parts) return false;
    *fault = i < 3 ? VX_TXT_UD : VX_TXT_GP;
    *part = parts[i];
    switch (i) {
    case 0:
        p->smx = false;
        break;
    case 1:
        p->cr4 = 0;
        break;
    case 2:
        p->senter = false;
        break;
    case 3:
        p->vmx_root = true;
        break;
    case 4:
        p->cr0 &= ~CR0_PE;
        break;
    case 5:
        p->cr0 |= 1ULL << 30;
        break;
    case 6:
        p->cr0 |= 1ULL << 29;
        break;
    case 7:
        p->cr0 &= ~CR0_NE;
        break;
    case 8:
        p->cpl = 1;
        break;
    case 9:
        p->virtual_8086 = true;
        break;
    case 10:
        p->bsp = false;
        break;
    case 11:
        p->txt_chipset = false;
        break;
    case 12:
        p->measured = true;
        break;
    case 13:
        p->authenticated = true;
        break;
    case 14:
        p->smm = true;
        break;
    case 15:
        p->tpm = false;
        break;
    case 16:
        p->feature_control &= ~VX_TXT_LOCK;
        break;
    case 17:
        p->feature_control &= ~VX_TXT_SENTER_GLOBAL;
        break;
    case 18:
        p->functions = 4;
        p->feature_control &= ~(4ULL << 8);
        break;
    case 19:
        p->acm_base += 64;
        break;
    case 20:
        p->acm_bytes += 1;
        break;
    case 21:
        p->acm_bytes = 0;
        break;
    case 22:
        p->acm_bytes = VX_TXT_ACM_BYTES_MAX + 64;
        break;
    default:
        p->acm_base = 0xFFFFF000U;
        break;
    }
    return true;
}

static void each_condition(void **state)
{
    (void)state;
    const char *condition;
    vx_txt_processor ready = vx_txt_processor_ready();
    assert_int_equal(vx_txt_senter_fault(&ready, &condition), VX_TXT_NO_FAULT);
    assert_null(condition);
    ready.functions = 0x7F;
    assert_int_equal(vx_txt_senter_fault(&ready, &condition), VX_TXT_NO_FAULT);
    for (unsigned i = 0;; i++) {
        vx_txt_processor p = vx_txt_processor_ready();
        vx_txt_fault fault;
        const char *part;
        if (!break_condition(i, &p, &fault, &part)) break;
        assert_int_equal(vx_txt_senter_fault(&p, &condition), fault);
        assert_non_null(strstr(condition, part));
    }
}

/* Where two conditions fail the first in the manual's order is told. */
static void the_first_condition_counts(void **state)
{
    (void)state;
    for (unsigned first = 0;; first++) {
        vx_txt_processor one = vx_txt_processor_ready();
        vx_txt_fault fault, other;
        const char *part, *other_part, *condition;
        if (!break_condition(first, &one, &fault, &part)) break;
        for (unsigned second = first + 1;; second++) {
            vx_txt_processor both = one;
            if (!break_condition(second, &both, &other, &other_part)) break;
            assert_int_equal(vx_txt_senter_fault(&both, &condition), fault);
            assert_non_null(strstr(condition, part));
        }
    }
}

static vx_txt_bytes bytes(const char *text) { return (vx_txt_bytes){text, strlen(text)}; }

static void launch(vx_txt_launch *made, const char *image, const char *allowed)
{
    vx_tpm tpm;
    vx_tpm_digests digests;
    vx_txt_policy policy = {.count = 1, .allowed = {{.bank = VX_TPM_SHA256}}};
    vx_tpm_startup(&tpm, test_hashes);
    vx_tpm_measure(&tpm, allowed, strlen(allowed), &digests);
    memcpy(policy.allowed[0].digest, digests.bank[VX_TPM_SHA256], VX_TPM_DIGEST_MAX);
    vx_txt_setup setup = {
        .module = bytes("module"), .policy_file = bytes("policy"), .policy = &policy, .image = bytes(image)};
    memcpy(setup.hash, test_hashes, sizeof setup.hash);
    vx_txt_launch_image(made, &setup);
}

/* Digests by Python's hashlib. */
static void an_image_that_is_allowed(void **state)
{
    (void)state;
    vx_txt_launch made;
    launch(&made, "image", "image");
    assert_true(made.launched);
    assert_int_equal(made.events, 3);
    assert_int_equal(made.event[0].locality, 4);
    assert_int_equal(made.event[0].pcr, 17);
    assert_int_equal(made.event[1].locality, 3);
    assert_int_equal(made.event[2].pcr, 18);
    assert_string_equal(test_hex(&made.tpm.pcr[17], VX_TPM_SHA256),
                        "9c8c1395516671a9ac68bd83ecd0a923b47a6bc53ef231fe210196b79cd85a7c");
    assert_string_equal(test_hex(&made.tpm.pcr[18], VX_TPM_SHA1), "8056af8e35c382e61fe9aa2f37415d65f5ae3200");
    assert_string_equal(test_hex(&made.tpm.pcr[18], VX_TPM_SHA256),
                        "f3489ef80172afd53bc6647f9b07f9b50790b03c0e1b21322becd6533d8ec077");
}

/* The log alone leads to the PCRs: what a remote verifier does. */
static void the_log_replays(void **state)
{
    (void)state;
    vx_txt_launch made;
    launch(&made, "image", "image");
    vx_tpm tpm;
    vx_tpm_startup(&tpm, test_hashes);
    for (unsigned pcr = 17; pcr <= 18; pcr++) assert_true(vx_tpm_reset(&tpm, 4, pcr));
    for (unsigned i = 0; i < made.events; i++)
        assert_true(vx_tpm_extend(&tpm, made.event[i].locality, made.event[i].pcr, &made.event[i].digests));
    for (unsigned pcr = 17; pcr <= 18; pcr++)
        assert_memory_equal(&tpm.pcr[pcr], &made.tpm.pcr[pcr], sizeof tpm.pcr[pcr]);
}

/* One changed bit, anywhere: the platform is as after power-on, and no PCR looks launched. */
static void a_changed_image(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 8 * 5; bit++) {
        char image[] = "image";
        image[bit / 8] = (char)(image[bit / 8] ^ 1 << bit % 8);
        if (strlen(image) < 5) continue; /* shorter as a string */
        vx_txt_launch made;
        vx_tpm fresh;
        launch(&made, image, "image");
        vx_tpm_startup(&fresh, test_hashes);
        assert_false(made.launched);
        assert_memory_equal(&made.tpm, &fresh, sizeof fresh);
        assert_int_equal(made.events, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_condition),           cmocka_unit_test(the_first_condition_counts),
        cmocka_unit_test(an_image_that_is_allowed), cmocka_unit_test(the_log_replays),
        cmocka_unit_test(a_changed_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
