/* Options that would do nothing in the company they are given in are refused, and numbers mean what they say. */
#include <string.h>

#include "cli.h"
#include "test_support.h"

#define TRACE CLI_TRACE("vtd-e1000.vxt")
#define IO "io --trace " TRACE " --chipset cascade-lake "
#define NIC "io --nic gbe-2008 --ms 1 "

static void refused(const char *line, const char *text)
{
    int code = cli_line("%s", line);
    size_t length = strlen(text);
    if (code != 2 || strncmp(cli_err, text, length) != 0 || cli_err[length] != '\n')
        fail_msg("%s\n    exit code %d, standard error:\n%s", line, code, cli_err);
    assert_string_equal(cli_out, "");
    assert_true(cli_folder_holds(NULL));
}

static void actions_of_trace(void **state)
{
    (void)state;
    static const struct {
        const char *action, *option, *name;
    } rows[] = {
        {"info", "--skip 3", "skip"},
        {"info", "-o x", "output"},
        {"info", "--seed 3", "seed"},
        {"view", "--json x", "json"},
        {"view", "--max 3", "max"},
        {"check", "--stream 1", "stream"},
        {"check", "--level 3", "level"},
        {"check", "--whole-chunks", "whole-chunks"},
        {"cut", "--json y", "json"},
        {"cut", "--stream 1", "stream"},
        {"cut", "--seed 1", "seed"},
        {"pack", "--skip 3", "skip"},
        {"pack", "--max 3", "max"},
        {"pack", "--from lackey", "from"},
        {"gen", "--whole-chunks", "whole-chunks"},
        {"gen", "--translations", "translations"},
        {"import", "--set a=b", "set"},
        {"import", "--with-gpa", "with-gpa"},
        {"reach", "--max 3", "max"},
        {"reach", "--count 3", "count"},
        {"record", "--skip 3", "skip"},
        {"record", "--json x", "json"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        char line[512], text[128];
        bool writes = strstr("cut pack gen import record", rows[i].action) != NULL;
        snprintf(line, sizeof line, "trace %s %s %s%s", rows[i].action, rows[i].option, writes ? "-o x " : "", TRACE);
        snprintf(text, sizeof text, "vexit trace: %s takes no --%s", rows[i].action, rows[i].name);
        refused(line, text);
    }
    refused("trace pack -o x --filter-sets 4 " TRACE, "vexit trace: --filter-sets is for --tier S");
    refused("trace gen -o x --tier S --filter-sets 0 random", "vexit trace: --filter-sets: at least 1");
    refused("trace pack -o x --level 0 " TRACE, "vexit trace: --level: 1 to 22");
}

static void other_verbs(void **state)
{
    (void)state;
    refused("model list --set cpu.core.cpi=1", "vexit model: list takes no --set");
    refused("model keys --effective", "vexit model: keys takes no --effective");
    refused("model diff --effective nehalem haswell", "vexit model: diff takes no --effective");
    refused("svm caps --cpu zen2 --host-cr0 1", "vexit svm: caps takes no --host-cr0");
}

/* A recorded guest has its own operating system: the modelled one's values would be believed, and do nothing. */
static void recorded_guests(void **state)
{
    (void)state;
#define RECORDED CLI_TRACE("linux-syscall.vxt")
#define WOULD(value)                                                                                                   \
    "vexit run: " RECORDED ": a recorded guest has an operating system of its own: " value " would do nothing"
    static const char run[] = "run --cpu nehalem --scheme ept --max 10k --trace " RECORDED;
    static const struct {
        const char *option, *text;
    } rows[] = {{"--guest-page 2m", WOULD("vm.page=2m")},
                {"--ram 64m", WOULD("vm.ram_bytes=67108864")},
                {"--vm linux-4k", WOULD("linux-4k")},
                {"--set vm.tick_instructions=100", WOULD("vm.tick_instructions=100")}};
    char line[512];
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(line, sizeof line, "%s %s", run, rows[i].option);
        refused(line, rows[i].text);
    }
    snprintf(line, sizeof line, "%s --trace gen:sequential:refs=10 --guest-page 2m", run); /* the other VM's */
    assert_int_equal(cli_line("%s", line), 0);
    assert_int_equal(cli_line("%s --set vm.priority.tpr_instructions=5", run), 0);
}

static void runs_and_walks(void **state)
{
    (void)state;
    refused("run --cpu nehalem --scheme shadow-wp --nested-page 2m --trace gen:sequential",
            "vexit run: --nested-page: scheme shadow-wp has no nested tables");
    refused("run --nested-page 2m --cpu nehalem --scheme native --trace gen:sequential",
            "vexit run: --nested-page: scheme native has no nested tables");
    refused("walk --cpu nehalem --scheme native --gva 1 --table-page 2m",
            "vexit walk: --nested-page: scheme native has no nested tables");
    refused("run --cpu nehalem --scheme ept --interval 1k --trace gen:sequential",
            "vexit run: --interval: snapshots are in --json and --csv alone");
    assert_int_equal(cli_line("walk --cpu zen2 --scheme npt --gva 1 --nested-page 2m"), 0);
}

static void io_of_traces_and_of_guests(void **state)
{
    (void)state;
    const char *needs_trace = "vexit io: --batch, --batch-us, --leaf-hint and --whole-chunks need --trace";
    const char *deferred = "vexit io: --batch and --batch-us are policy deferred's";
    const char *sizes = "vexit io: --request and --response need --workload request-response";
    refused(NIC "--batch 3", needs_trace);
    refused(NIC "--batch-us 3", needs_trace);
    refused(NIC "--leaf-hint off", needs_trace);
    refused(NIC "--whole-chunks", needs_trace);
    refused(IO "--iommu strict --batch 3", deferred);
    refused(IO "--batch-us 3 --iommu strict,passthrough", deferred);
    refused(NIC "--request 9", sizes);
    refused(NIC "--workload many-flows --response 9", sizes);
    assert_int_equal(cli_line(NIC "--path native --request 9 --workload request-response"), 0);
    assert_int_equal(cli_line(IO "--iommu deferred --batch 3"), 0);
}

static uint64_t instructions_of(const char *rest)
{
    json_t *document = cli_document("run --cpu nehalem --scheme ept --trace %s", rest);
    uint64_t instructions = cli_count(document, "/runs/0/instructions");
    json_decref(document);
    return instructions;
}

/* "010" is ten wherever a number is read. */
static void no_number_is_octal(void **state)
{
    (void)state;
    assert_int_equal(cli_line("walk --cpu nehalem --scheme ept --gva 010"), 0);
    assert_non_null(strstr(cli_out, "guest-virtual address 0xa\n"));
    assert_int_equal(instructions_of("gen:sequential:refs=01000"), instructions_of("gen:sequential:refs=1000"));
    assert_int_equal(instructions_of("gen:sequential:refs=10k --max 020k"),
                     instructions_of("gen:sequential:refs=10k --max 20k"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(actions_of_trace),
                                       cmocka_unit_test(other_verbs),
                                       cmocka_unit_test(recorded_guests),
                                       cmocka_unit_test(runs_and_walks),
                                       cmocka_unit_test(io_of_traces_and_of_guests),
                                       cmocka_unit_test(no_number_is_octal)};
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
