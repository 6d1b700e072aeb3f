/* vexit svm: what processors report against their CPUID dumps, VMCBs from both kinds of file, errors; and several VMs
 * on a processor whose ASIDs run out. */
#include <string.h>

#include "cli.h"
#include "test_support.h"

/* CPUID 8000000Ah of the dumps that the models name (InstLatx64): EBX and EDX. */
static void caps_are_the_processors_own(void **state)
{
    (void)state;
    static const struct {
        const char *cpu;
        uint32_t ebx, edx;
    } dumps[] = {
        {"barcelona", 0x40, 0x7}, {"zen", 0x8000, 0x1BCFF}, {"zen2", 0x8000, 0x13BCFF}, {"zen3", 0x8000, 0x119B9CFF}};
    const uint32_t modelled = 0x2211B4FF; /* bits that models have a flag for */
    for (unsigned i = 0; i < sizeof dumps / sizeof *dumps; i++) {
        json_t *document = cli_document("svm caps --cpu %s", dumps[i].cpu);
        assert_int_equal(cli_count(document, "/eax"), 1);
        assert_int_equal(cli_count(document, "/ebx"), dumps[i].ebx);
        assert_int_equal(cli_count(document, "/edx"), dumps[i].edx & modelled);
        assert_true(json_is_boolean(cli_at(document, "/features/vgif")));
        json_decref(document);
    }
    assert_int_equal(CLI("svm", "caps", "--cpu", "zen2"), 0);
    assert_non_null(strstr(cli_out, "EBX  00008000  32768 ASIDs"));
    assert_int_equal(CLI("svm", "caps", "--cpu", "zen2", "--set", "cpu.svm.vgif=no"), 0);
    assert_non_null(strstr(cli_out, "16  no   vgif"));
}

static void fields_are_listed_with_what_the_processor_lacks(void **state)
{
    (void)state;
    assert_int_equal(CLI("svm", "fields", "--cpu", "barcelona"), 0);
    assert_non_null(strstr(cli_out, "  058h      4      2  guest_asid"));
    assert_non_null(strstr(cli_out, "nrip                      15.7.1; not on this processor"));
    json_t *document = cli_document("svm fields --cpu zen2");
    assert_true(json_array_size(cli_at(document, "/fields")) > 90);
    assert_true(json_is_null(cli_at(document, "/fields/14/clean"))); /* tlb_control */
    json_decref(document);
}

#define LEGAL "\"intercepts2\": 1, \"guest_asid\": \"1\", \"efer\": \"0x1d01\", \"cr0\": \"0x80010033\", \"cr4\": 32"

static int check_text(const char *text, const char *cpu)
{
    cli_file("vmcb.json", text, strlen(text));
    return CLI("svm", "check", "vmcb.json", "--cpu", cpu);
}

static void a_vmcb_in_json(void **state)
{
    (void)state;
    assert_int_equal(check_text("{" LEGAL "}", "zen2"), 0);
    assert_non_null(strstr(cli_out, "checks pass: VMRUN on zen2 enters"));
    assert_int_equal(check_text("{" LEGAL ", \"tlb_control\": 3}", "zen2"), 0);
    assert_int_equal(check_text("{" LEGAL ", \"tlb_control\": 3}", "barcelona"), 1);
    assert_non_null(strstr(cli_out, "TLB_CONTROL that the processor lacks\n  VMCB 05Ch tlb_control = 0x3; APM"));
    assert_non_null(strstr(cli_out, "1 of "));
    assert_int_equal(check_text("{" LEGAL ", \"np_control\": 1}", "zen2"), 0);
    assert_int_equal(CLI("svm", "check", "vmcb.json", "--cpu", "zen2", "--host-cr0", "1"), 1);
    assert_non_null(strstr(cli_out, "the host's CR0.PG is 0"));
    assert_int_equal(check_text("{}", "zen2"), 1);
    assert_int_equal(CLI("svm", "check", "vmcb.json", "--cpu", "zen2", "--json", "-"), 1);
    json_t *document = cli_json();
    assert_true(json_is_false(cli_at(document, "/enters")));
    assert_int_equal(json_array_size(cli_at(document, "/failed")), 3);
    assert_string_equal(cli_text(document, "/failed/1/field"), "guest_asid");
    assert_string_equal(cli_text(document, "/failed/1/value"), "0x0");
    json_decref(document);
}

static void a_vmcb_in_bytes(void **state)
{
    (void)state;
    uint8_t bytes[4096] = {0};
    bytes[0x10] = 1, bytes[0x58] = 1;         /* VMRUN, ASID */
    bytes[0x4D0] = 0x01, bytes[0x4D1] = 0x10; /* EFER */
    cli_file("vmcb", bytes, sizeof bytes);
    assert_int_equal(CLI("svm", "check", "vmcb", "--cpu", "zen2"), 0);
    bytes[0x55C] = 1; /* CR0 63:32 */
    cli_file("vmcb", bytes, sizeof bytes);
    assert_int_equal(CLI("svm", "check", "vmcb", "--cpu", "zen2"), 1);
    assert_non_null(strstr(cli_out, "CR0 63:32\n  VMCB 558h cr0 = 0x100000000"));
    cli_file("vmcb", bytes, sizeof bytes - 1); /* no VMCB, then, but JSON */
    assert_int_equal(CLI("svm", "check", "vmcb", "--cpu", "zen2"), 2);
}

static void wrong_input_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"", "vmcb.json:"},
        {"[1]", "vmcb.json: not a JSON object of VMCB fields"},
        {"{\"cr9\": 1}", "vmcb.json: no VMCB field 'cr9'; did you mean 'cr4'?"},
        {"{\"cr0\": -1}", "vmcb.json: cr0 is not a number"},
        {"{\"cr0\": \"-1\"}", "vmcb.json: cr0 is not a number"},
        {"{\"cr0\": \"1x\"}", "vmcb.json: cr0 is not a number"},
        {"{\"cr0\": \"0x10000000000000000\"}", "vmcb.json: cr0 is not a number"},
        {"{\"cr0\": [1]}", "vmcb.json: cr0 is not a number"},
        {"{\"guest_asid\": \"0x100000000\"}", "vmcb.json: guest_asid has 4 bytes, 0x100000000 needs more"},
        {"{\"cr0\": 1,\n \"cr0\": 2}", "vmcb.json:2: duplicate"},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(check_text(bad[i].text, "zen2"), 2);
        if (!strstr(cli_err, bad[i].words)) fail_msg("'%s' is not in '%s'", bad[i].words, cli_err);
    }
    assert_int_equal(CLI("svm", "check", "none.json", "--cpu", "zen2"), 3);
    assert_non_null(strstr(cli_err, "none.json: No such file"));
    static char large[1 << 16];
    memset(large, ' ', sizeof large);
    cli_file("large", large, sizeof large);
    assert_int_equal(CLI("svm", "check", "large", "--cpu", "zen2"), 2);
}

static void wrong_usage_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *line, *words;
    } bad[] = {
        {"svm", "no action"},
        {"svm caps", "no CPU given"},
        {"svm chek x --cpu zen2", "did you mean 'check'?"},
        {"svm caps x --cpu zen2", "caps takes no operand"},
        {"svm check --cpu zen2", "check takes one file"},
        {"svm check x y --cpu zen2", "check takes one file"},
        {"svm check x --cpu zen2 --host-cr0 -1", "--host-cr0: '-1' is no number"},
        {"svm caps --cpu nehalem", "nehalem has no SVM"},
        {"svm caps --cpu zen2 --set cpu.svm.vgf=yes", "did you mean"},
        {"svm caps --cpu zen9", "zen9"},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(cli_line("%s", bad[i].line), 2);
        if (!strstr(cli_err, bad[i].words)) fail_msg("%s: '%s'", bad[i].line, cli_err);
    }
}

/* With an ASID for each VM nothing is flushed; else at each new generation, and --check finds no stale translation. */
static void vms_share_too_few_asids(void **state)
{
    (void)state;
    for (unsigned asids = 2; asids <= 4; asids++) {
        json_t *document = cli_document("run --trace gen:random:bytes=2m,refs=60k --vms 3 --cpu zen2 --scheme npt+vpid "
                                        "--set vmm.scheduler.slice_ticks=100000 --set cpu.svm.asids=%u --check",
                                        asids);
        cli_check_document(document);
        uint64_t flushes = cli_count(document, "/runs/0/tlb/flushes/flush_all_asids/count");
        uint64_t switches = cli_count(document, "/runs/0/exits/by_reason/interrupt/count");
        uint64_t expected = asids == 4 ? 0 : switches / (asids - 1);
        assert_true(switches > 30);
        assert_true(flushes + 3 >= expected && flushes <= expected + (asids == 4 ? 0 : 3));
        json_decref(document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caps_are_the_processors_own),
        cmocka_unit_test(fields_are_listed_with_what_the_processor_lacks),
        cmocka_unit_test(a_vmcb_in_json),
        cmocka_unit_test(a_vmcb_in_bytes),
        cmocka_unit_test(wrong_input_is_named),
        cmocka_unit_test(wrong_usage_is_named),
        cmocka_unit_test(vms_share_too_few_asids),
    };
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
