/* vexit vmx: verdicts on VMCS files in both formats, every kind of bad file, capability MSRs. */
#include <string.h>

#include "cli.h"
#include "test_support.h"

#define GOOD VX_SOURCE_DIR "/examples/vmcs_64bit_guest.xml"
#define BAD VX_SOURCE_DIR "/examples/vmcs_bad_guest.json"

static void samples(void **state)
{
    (void)state;
    assert_int_equal(CLI("vmx", "check", GOOD), 0);
    assert_non_null(strstr(cli_out, "on haswell: VMLAUNCH succeeds\n"));
    assert_int_equal(CLI("vmx", "check", BAD), 1);
    assert_non_null(strstr(cli_out, "VM-instruction error 7"));
    assert_non_null(strstr(cli_out, "26.2.4    error 8   host-64-rip: "));
    assert_non_null(strstr(cli_out, "26.3.1.5  exit 33   link-aligned: "));
}

static void document_of_a_verdict(void **state)
{
    (void)state;
    assert_int_equal(CLI("vmx", "check", BAD, "--json", "-"), 1);
    json_t *document = cli_json();
    assert_string_equal(cli_text(document, "/schema"), "vexit/1");
    assert_string_equal(cli_text(document, "/cpu"), "nehalem");
    assert_true(json_is_false(cli_at(document, "/enters")));
    assert_int_equal(cli_count(document, "/instruction_error"), 7);
    assert_int_equal(json_array_size(cli_at(document, "/failed")), 7);
    assert_string_equal(cli_text(document, "/failed/0/section"), "26.2.1.1");
    assert_string_equal(cli_text(document, "/failed/0/id"), "cpu2-reserved");
    json_decref(document);
    assert_int_equal(CLI("vmx", "check", GOOD, "--json", "-"), 0);
    document = cli_json();
    assert_true(json_is_true(cli_at(document, "/enters")));
    assert_true(json_is_null(cli_at(document, "/instruction_error")));
    json_decref(document);
}

/* The same VMCS on other processors. */
static void processors(void **state)
{
    (void)state;
    assert_int_equal(CLI("vmx", "check", GOOD, "--cpu", "prescott"), 1);
    assert_non_null(strstr(cli_out, "error 12  VMWRITE: prescott has no field 'EPT pointer'"));
    assert_non_null(strstr(cli_out, "'activate secondary controls': the processor does not have it"));
    assert_int_equal(CLI("vmx", "check", GOOD, "--set", "cpu.vmx.vpid=no", "--set", "cpu.vmx.invvpid=no"), 1);
    assert_non_null(strstr(cli_out, "'enable VPID': the processor does not have it"));
    assert_int_equal(CLI("vmx", "check", GOOD, "--cpu", "zen"), 2);
    assert_non_null(strstr(cli_err, "zen has no VMX"));
}

static int check_text(const char *text)
{
    cli_file("vmcs.txt", text, strlen(text));
    return CLI("vmx", "check", "vmcs.txt");
}

/* Failures that are no check of the list: MSR loading; a 32-bit host; zero everywhere. */
static void other_ends(void **state)
{
    (void)state;
    assert_int_equal(
        check_text("{\"cpu\": \"skylake\", \"start\": \"valid\", \"msrs\": ["
                   "{\"index\": \"0xC0000102\", \"value\": 1}, {\"index\": \"0xC0000100\", \"value\": 1}]}"),
        1);
    assert_non_null(strstr(cli_out, "exit reason 34 (0x80000022): MSR loading, exit qualification 2"));
    assert_int_equal(check_text("<vmcs cpu=\"skylake\" start=\"valid\" ia32e=\"no\"/>"), 1);
    assert_non_null(strstr(cli_out, "26.2.4    error 8   mode-not-ia32e: "));
    assert_int_equal(check_text("<vmcs cpu=\"skylake\"/>"), 1);
    assert_non_null(strstr(cli_out, "error 7"));
    assert_int_equal(
        check_text("<vmcs cpu=\"skylake\" start=\"valid\"><field name=\"VMCS link pointer\" value=\"0x5000\"/>"
                   "<memory address=\"0x5000\" bytes=\"01005856\"/></vmcs>"),
        0);
}

/* Every complaint names file and line. */
static void bad_files(void **state)
{
    static const struct {
        const char *text, *said;
    } rows[] = {
        {"", "vmcs.txt"},
        {"{", "vmcs.txt:1: "},
        {"{\n\"cpu\": 5}", "vmcs.txt:2: \"cpu\" is not text"},
        {"{\n\n\"cpus\": \"haswell\"}", "vmcs.txt:3: no member \"cpus\", did you mean \"cpu\"?"},
        {"{\"cpu\": \"haswell\",\n\"fields\": {\n\"Guest CR00\": 1}}",
         "vmcs.txt:3: no VMCS field 'Guest CR00', did you mean 'Guest CR0'?"},
        {"{\"cpu\": \"haswell\", \"fields\": {\"Guest CR0\": -1}}", "vmcs.txt:1: 'Guest CR0' is not a number"},
        {"{\"cpu\": \"haswell\", \"fields\": {\"Guest CR0\": \"0x1 \"}}", "'0x1 ' is not a number of 64 bits"},
        {"{\"fields\": {\"Guest CS selector\": 65536}}", "Guest CS selector has 16 bits, 0x10000 does not fit"},
        {"{\"fields\": []}", "\"fields\" is not an object"},
        {"{\"msrs\": {}}", "\"msrs\" is not an array"},
        {"{\"msrs\": [{\"index\": 1}]}", "an entry of \"msrs\" has \"index\" and \"value\""},
        {"{\"memory\": [{\"address\": 1, \"bytes\": 2}]}", "pairs of hexadecimal digits"},
        {"{\"memory\": [{\"address\": 1, \"bytes\": \"abc\"}]}", "pairs of hexadecimal digits"},
        {"{\"cpu\": \"haswell\", \"start\": \"valid\", \"memory\": [{\"address\": \"0x7fffffffff\", \"bytes\": "
         "\"00\"}]}",
         "memory ends at 0x"},
        {"{\"fields\": {}}", "the file names no cpu"},
        {"{\"cpu\": \"hasvell\"}", "did you mean 'haswell'"},
        {"{\"cpu\": \"haswell\", \"start\": \"maybe\"}", "start 'maybe' is not valid or zero"},
        {"<vmcs cpu=\"haswell\">\n<field name=\"Guest CR0\"/></vmcs>",
         "vmcs.txt:2: the element lacks the attribute 'value'"},
        {"<vmcs cpu=\"haswell\">\n<feld name=\"x\"/></vmcs>", "vmcs.txt:2: <vmcs> holds no element 'feld'"},
        {"<vmcs>\n<field name=\"Guest CR0\" value=\"1\" x=\"\"/></vmcs>",
         "vmcs.txt:2: the element has no attribute 'x'"},
        {"<vmcs>\n<field name=\"Guest CR0\" value=\"1\"/>\n<field name=\"0x6800\" value=\"1\"/></vmcs>",
         "vmcs.txt:3: Guest CR0 is given twice"},
        {"<vmcs>\nhello</vmcs>", "text between the elements"},
        {"<cpu/>", "the root element is not <vmcs>"},
        {"<!DOCTYPE a><vmcs/>", "DOCTYPE"},
        {"<vmcs model=\"1\"/>", "<vmcs> has no attribute 'model'"},
        {"<vmcs><msr index=\"1\" value=\"0xg\"/></vmcs>", "'0xg' is not a number"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(check_text(rows[i].text), 2);
        if (!strstr(cli_err, rows[i].said)) fail_msg("'%s' says: %s", rows[i].text, cli_err);
    }
    assert_int_equal(CLI("vmx", "check", "no-such-file.xml"), 3);
    assert_int_equal(CLI("vmx", "check"), 2);
    assert_int_equal(CLI("vmx"), 2);
    assert_int_equal(CLI("vmx", "chek", GOOD), 2);
    assert_non_null(strstr(cli_err, "did you mean 'check'"));
    assert_int_equal(CLI("vmx", "caps"), 2);
    assert_int_equal(CLI("vmx", "caps", "--cpu", "haswell", "file"), 2);
}

static void capabilities(void **state)
{
    static const char *const models[] = {"prescott", "merom",        "penryn",          "nehalem",
                                         "westmere", "sandy-bridge", "ivy-bridge",      "haswell",
                                         "skylake",  "ice-lake",     "sapphire-rapids", "arrow-lake"};
    static const unsigned msrs[] = {11, 11, 12, 17, 17, 17, 17, 18, 18, 18, 20, 20};
    (void)state;
    for (unsigned i = 0; i < sizeof models / sizeof *models; i++) {
        json_t *document = cli_document("vmx caps --cpu %s", models[i]);
        if (json_array_size(cli_at(document, "/msrs")) != msrs[i])
            fail_msg("%s: %zu MSRs", models[i], json_array_size(cli_at(document, "/msrs")));
        assert_string_equal(cli_text(document, "/msrs/0/name"), "IA32_VMX_BASIC");
        json_decref(document);
    }
    assert_int_equal(CLI("vmx", "caps", "--cpu", "haswell"), 0);
    assert_non_null(strstr(cli_out, "482H  IA32_VMX_PROCBASED_CTLS       0xfff9fffe0401e172\n"));
    assert_non_null(strstr(cli_out, "48CH  IA32_VMX_EPT_VPID_CAP         0x00000f0106334141\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples),    cmocka_unit_test(document_of_a_verdict),
        cmocka_unit_test(processors), cmocka_unit_test(other_ends),
        cmocka_unit_test(bad_files),  cmocka_unit_test(capabilities),
    };
    return cmocka_run_group_tests_name("vmx_verb", tests, cli_begin, cli_end);
}
