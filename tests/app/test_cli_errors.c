/* Golden errors: what is wrong is said in one line on standard error, with vexit(1)'s exit status; nothing is printed
 * on standard output, and nothing is left behind. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "test_support.h"

#define COMPILER CLI_TRACE("compiler.vxt")
#define RUN "run --cpu nehalem --scheme ept --trace "
#define RUN_IT RUN COMPILER " "
#define WALK "walk --cpu nehalem --scheme ept --gva 0x7f0012345678 "
#define USAGE(verb) "Try `vexit " verb " --help' or `vexit " verb " --usage' for more information.\n"

/* How a line may differ between C libraries' argp is not ours: these rows hold our own messages and getopt's. */
static void check(const cli_error *rows, unsigned count, const char *only_file)
{
    for (unsigned i = 0; i < count; i++) {
        cli_check_errors(&rows[i], 1);
        assert_true(cli_folder_holds(only_file));
    }
}
#define CHECK(rows, only_file) check(rows, sizeof(rows) / sizeof *(rows), only_file)

static void one_trace(const char *name, int code, const char *text)
{
    char line[256], expected[256];
    static const char *const verbs[] = {"run --cpu nehalem --scheme ept", "compare --cpu nehalem"};
    static const char *const names[] = {"run", "compare"};
    for (unsigned v = 0; v < 2; v++) {
        snprintf(line, sizeof line, "%s --trace %s", verbs[v], name);
        snprintf(expected, sizeof expected, "vexit %s: %s\n", names[v], text);
        check(&(cli_error){line, code, expected}, 1, name);
    }
    remove(name);
}

static void traces_that_are_none(void **state)
{
    (void)state;
    cli_file("empty.vxt", "", 0);
    one_trace("empty.vxt", 2, "empty.vxt: byte 0: not a .vxt trace (no VXT1 at its start)");
    cli_file("notes.vxt", "These are notes, not a trace.\n", 30);
    one_trace("notes.vxt", 2, "notes.vxt: byte 0: not a .vxt trace (no VXT1 at its start)");
    assert_int_equal(mkdir("folder.vxt", 0700), 0);
    one_trace("folder.vxt", 3, "cannot open folder.vxt: not a regular file: a trace is read by the index at its end");
    static const cli_error missing[] = {
        {RUN "none.vxt", 3, "vexit run: cannot open none.vxt: No such file or directory\n"},
        {RUN "gen:randon", 2, "vexit run: no generator \"randon\"; did you mean \"random\"?\n"},
        {RUN "gen:random:refs=x", 2, "vexit run: gen:random: refs=x: not a number\n"},
        {RUN "gen:random:foo=1", 2, "vexit run: gen:random: no parameter \"foo\"\n"},
        {RUN ",", 2, "vexit run: --trace: no file named\n" USAGE("run")},
    };
    CHECK(missing, NULL);
}

/* Wherever a trace is cut the place is named, and --whole-chunks reads what is whole: here nothing. */
static void cut_traces(void **state)
{
    (void)state;
    size_t size;
    char *bytes = cli_slurp(COMPILER, &size);
    static const size_t cuts[] = {3, 8, 100, 5000, 300000};
    for (unsigned i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        assert_true(cuts[i] < size);
        cli_file("cut.vxt", bytes, cuts[i]);
        assert_int_equal(cli_line(RUN "cut.vxt"), 2);
        assert_int_equal(strncmp(cli_err, "vexit run: cut.vxt: byte ", 25), 0);
        assert_string_equal(cli_out, "");
        assert_true(cli_folder_holds("cut.vxt"));
    }
    assert_string_equal(cli_err, "vexit run: cut.vxt: byte 299960: cut or damaged (no end mark)\n");
    cli_file("cut.vxt", bytes, size - 1);
    assert_int_equal(cli_line(RUN "cut.vxt"), 2);
    json_t *document = cli_document(RUN "cut.vxt --whole-chunks --max 1m");
    assert_true(cli_count(document, "/runs/0/references") > 0);
    json_decref(document);
    bytes[size / 2] = (char)(bytes[size / 2] ^ 0x10);
    cli_file("cut.vxt", bytes, size);
    assert_int_equal(cli_line(RUN "cut.vxt"), 2);
    assert_int_equal(strncmp(cli_err, "vexit run: cut.vxt: byte ", 25), 0);
    free(bytes);
    remove("cut.vxt");
}

static void unknown_names(void **state)
{
    static const cli_error rows[] = {
        {"runn", 2, "vexit: unknown verb 'runn'; did you mean 'run'?\n"},
        {"frobnicate", 2, "vexit: unknown verb 'frobnicate'; see vexit --help\n"},
        {"list scheme", 2, "vexit list: unknown list 'scheme'; did you mean 'schemes'?\n"},
        {"list zzzzzzzz", 2,
         "vexit list: unknown list 'zzzzzzzz'; there are: schemes cpus vmms causes reasons importers paths statistics "
         "generators\n"},
        {"list", 2,
         "vexit list: say what to list: schemes cpus vmms causes reasons importers paths statistics generators\n" USAGE(
             "list")},
        {"run --nonsense", 2, "vexit run: unrecognized option '--nonsense'\n" USAGE("run")},
        {"run --trace", 2, "vexit run: option '--trace' requires an argument\n" USAGE("run")},
        {RUN_IT "extra", 2, "vexit run: unexpected argument 'extra'\n" USAGE("run")},
        {"run --scheme ept --trace " COMPILER, 2,
         "vexit run: no CPU given: --cpu MODEL (vexit list cpus)\n" USAGE("run")},
        {"run --cpu nehalem --trace " COMPILER, 2,
         "vexit run: no scheme given: --scheme NAME (vexit list schemes)\n" USAGE("run")},
        {"run --cpu nehalem --scheme ept", 2, "vexit run: no trace given: --trace FILE\n" USAGE("run")},
        {"run --scheme ept --cpu nehalm --trace " COMPILER, 2,
         "vexit run: no cpu model 'nehalm', did you mean 'nehalem'?\n"},
        {"compare --cpu nehalm --trace " COMPILER, 2,
         "vexit compare: no cpu model 'nehalm', did you mean 'nehalem'?\n"},
        {RUN_IT "--vmm kvm-6.2", 2, "vexit run: no vmm model 'kvm-6.2', did you mean 'kvm-6.1'?\n"},
        {RUN_IT "--nested kvm-6.2", 2, "vexit run: no vmm model 'kvm-6.2', did you mean 'kvm-6.1'?\n"},
        {"run --cpu nehalem --scheme native --nested textbook --trace " COMPILER, 2,
         "vexit run: --nested: native runs without a hypervisor\n"},
        {"run --cpu nehalem --scheme shadow-wp --nested textbook --trace " COMPILER, 2,
         "vexit run: --nested: a hypervisor in a VM is modelled with scheme ept on Intel's processors\n"},
        {"run --cpu zen --vmm kvm-6.1 --scheme shadow-kvm --nested textbook --trace " COMPILER, 2,
         "vexit run: --nested: a hypervisor in a VM is modelled with scheme npt on AMD's processors\n"},
        {"run --cpu zen --scheme npt --nested esx-3.5 --trace " COMPILER, 2,
         "vexit run: --nested: hypervisor esx-3.5 has no npt to put below another's\n"},
        {RUN_IT "--vm linux-4kk", 2, "vexit run: no vm model 'linux-4kk', did you mean 'linux-4k'?\n"},
        {"run --cpu nehalem --scheme shaddow-wp --trace " COMPILER, 2,
         "vexit run: unknown scheme 'shaddow-wp'; did you mean 'shadow-wp'?\n"},
        {"run --cpu nehalem --scheme zzz --trace " COMPILER, 2,
         "vexit run: unknown scheme 'zzz'; see vexit list schemes\n"},
        {"walk --cpu nehalem --scheme eptt --gva 1", 2, "vexit walk: unknown scheme 'eptt'; did you mean 'ept'?\n"},
        {RUN_IT "--clock sundial", 2, "vexit run: clock: unknown kind 'sundial'\n"},
    };
    (void)state;
    CHECK(rows, NULL);
}

static void bad_values(void **state)
{
    static const cli_error rows[] = {
        {RUN_IT "--set cpu.core.cpii=3", 2,
         "vexit run: --set cpu.core.cpii: no such value, did you mean 'cpu.core.cpi'?\n"},
        {RUN_IT "--set cpu.core.cpi=abc", 2,
         "vexit run: --set cpu.core.cpi: 'abc' is not a decimal number from 0.05 to 100 (cycles per instruction)\n"},
        {RUN_IT "--set cpu.core.cpi=-1", 2,
         "vexit run: --set cpu.core.cpi: '-1' is not a decimal number from 0.05 to 100 (cycles per instruction)\n"},
        {RUN_IT "--set nothing", 2, "vexit run: --set nothing: not of the form path=value\n"},
        {RUN_IT "--set foo.bar=1", 2, "vexit run: --set foo.bar=1: paths begin with 'cpu.', 'vmm.' or 'vm.'\n"},
        {WALK "--set foo.bar=1", 2, "vexit walk: --set foo.bar=1: paths begin with 'cpu.', 'vmm.' or 'vm.'\n"},
        {RUN_IT "--ram 16g00", 2, "vexit run: --ram: '16g00' is no number (digits, then k, m or g)\n" USAGE("run")},
        {RUN_IT "--ram 4k", 2,
         "vexit run: --set vm.ram_bytes: '4096' is not a number from 1048576 to 17592186044416 (bytes)\n"},
        {RUN_IT "--ram 1000000g", 2,
         "vexit run: --set vm.ram_bytes: '1073741824000000' is not a number from 1048576 to 17592186044416 (bytes)\n"},
        {RUN_IT "--ram 99999999999g", 2,
         "vexit run: --ram: '99999999999g' is no number (digits, then k, m or g)\n" USAGE("run")},
        {RUN_IT "--max -1", 2, "vexit run: --max: '-1' is no number (digits, then k, m or g)\n" USAGE("run")},
        {RUN_IT "--max 99999999999999999999", 2,
         "vexit run: --max: '99999999999999999999' is no number (digits, then k, m or g)\n" USAGE("run")},
        {RUN_IT "--region 70000", 2, "vexit run: --region: marks go up to 65535\n" USAGE("run")},
        {RUN_IT "--vpid maybe", 2, "vexit run: --vpid: 'maybe' is neither on nor off\n" USAGE("run")},
        {RUN_IT "--guest-page 3k", 2, "vexit run: --guest-page: '3k' is no page size (4k, 2m or 1g)\n" USAGE("run")},
        {RUN_IT "--tick never", 2, "vexit run: --tick: 'never' is neither instructions nor time\n" USAGE("run")},
        {RUN_IT "--quantum 0", 2, "vexit run: --quantum: at least 1 tick\n" USAGE("run")},
        {RUN_IT "--vms 65", 2, "vexit run: --vms: 1 to 64\n" USAGE("run")},
        {RUN_IT "--vcpus 0", 2, "vexit run: --vcpus: 1 to 64\n" USAGE("run")},
        {RUN_IT "--vcpus 65", 2, "vexit run: --vcpus: 1 to 64\n" USAGE("run")},
        {RUN_IT "--vcpus two", 2, "vexit run: --vcpus: 'two' is no number (digits, then k, m or g)\n" USAGE("run")},
        {"compare --cpu nehalem --seeds 0 --trace " COMPILER, 2,
         "vexit compare: --seeds: 1 to 1000\n" USAGE("compare")},
        {"compare --cpu nehalem --schemes , --trace " COMPILER, 2,
         "vexit compare: --schemes: none named\n" USAGE("compare")},
    };
    (void)state;
    CHECK(rows, NULL);
}

static void what_several_vcpus_cannot(void **state)
{
    static const cli_error rows[] = {
        {RUN_IT "--vcpus 3 --trace " COMPILER, 2,
         "vexit run: 3 vCPUs and traces for 2: give one --trace for all of them, or one for each\n"},
        {RUN_IT "--vcpus 2 --vms 2", 2,
         "vexit run: 2 vCPUs and 2 VMs: several VMs share one CPU, and have one vCPU each\n"},
        {"run --cpu nehalem --scheme shadow-wp --vcpus 2 --trace " COMPILER, 2,
         "vexit run: 2 vCPUs: scheme shadow-wp is modelled for one a VM; use native, ept, npt, shadow-vtlb or "
         "shadow-kvm\n"},
        {RUN CLI_TRACE("linux-fork.vxt") " --vcpus 2", 2,
         "vexit run: " CLI_TRACE("linux-fork.vxt") ": 2 vCPUs: a system trace is a guest of one\n"},
        {"run --cpu zen --scheme npt --vcpus 2 --set vmm.apic.avic=yes --trace " COMPILER, 2,
         "vexit run: vmm.apic.avic=yes: AVIC is modelled for VMs of one vCPU, not of 2\n"},
        {"run --cpu nehalem --scheme shadow-wp --set vmm.nested.reclaim_ticks=9 --trace " COMPILER, 2,
         "vexit run: vmm.nested.reclaim_ticks: scheme shadow-wp has no nested tables\n"},
        {RUN_IT "--vms 2 --set vmm.nested.reclaim_ticks=9", 2,
         "vexit run: vmm.nested.reclaim_ticks: for one VM, of a hypervisor on the processor\n"},
    };
    (void)state;
    CHECK(rows, NULL);
}

static void parts_of_traces(void **state)
{
    static const cli_error rows[] = {
        {"trace cut " CLI_TRACE("linux-fork.vxt") " --skip 99999999 -o cut.vxt", 2,
         "vexit trace: " CLI_TRACE("linux-fork.vxt") ": ends within the 99999999 instructions to leave out\n"},
    };
    (void)state;
    CHECK(rows, NULL);
}

static void what_the_machine_lacks(void **state)
{
    static const cli_error rows[] = {
        {"run --cpu penryn --scheme ept --trace " COMPILER, 2,
         "vexit run: scheme ept: penryn has no EPT; use shadow-wp or shadow-vtlb\n"},
        {"walk --cpu penryn --scheme ept --gva 1", 2,
         "vexit walk: scheme ept: penryn has no EPT; use shadow-wp or shadow-vtlb\n"},
        {"run --cpu merom --scheme shadow-wp+vpid --trace " COMPILER, 2, "vexit run: VPID: merom has none\n"},
        {"run --cpu merom --scheme shadow-wp --vpid on --trace " COMPILER, 2, "vexit run: VPID: merom has none\n"},
        {"run --cpu nehalem --scheme native+vpid --trace " COMPILER, 2,
         "vexit run: VPID: native runs without a hypervisor\n"},
        {"run --cpu nehalem --scheme native --vpid on --trace " COMPILER, 2,
         "vexit run: VPID: native runs without a hypervisor\n"},
        {"run --cpu nehalem --scheme native --vms 2 --trace " COMPILER, 2,
         "vexit run: 2 VMs: native runs without a hypervisor\n"},
        {"run --cpu nehalem --scheme npt --trace " COMPILER, 2,
         "vexit run: scheme npt: nehalem is an Intel processor, use ept\n"},
        {"run --cpu zen2 --scheme ept --trace " COMPILER, 2,
         "vexit run: scheme ept: zen2 is an AMD processor, use npt\n"},
        {"run --cpu nehalem --vmm esx-3.5 --scheme ept --trace " COMPILER, 2,
         "vexit run: scheme ept: hypervisor esx-3.5 does not use it\n"},
        {RUN_IT "--set vm.levels=5", 2, "vexit run: vm.levels=5: nehalem has no 5-level paging\n"},
    };
    (void)state;
    CHECK(rows, NULL);
}

static void walks_that_cannot_be(void **state)
{
    static const cli_error rows[] = {
        {WALK "--levels nonsense", 2, "vexit walk: --levels: 'nonsense' is not GxN, as in 4x4\n" USAGE("walk")},
        {WALK "--levels +4x4", 2, "vexit walk: --levels: '+4x4' is not GxN, as in 4x4\n" USAGE("walk")},
        {WALK "--levels 4x4x4", 2, "vexit walk: --levels: '4x4x4' is not GxN, as in 4x4\n" USAGE("walk")},
        {WALK "--levels 9x9", 2, "vexit walk: --levels 9: a guest has 0, 2, 3, 4 or 5\n"},
        {WALK "--levels 4x3", 2, "vexit walk: --levels 4x3: nested tables have 4 or 5\n"},
        {WALK "--levels 3x4", 2, "vexit walk: --levels 3: a PAE guest's PDPTEs are latched at MOV CR3: 2 levels\n"},
        {"walk --cpu zen2 --scheme npt --gva 0x1000 --levels 2x4", 2,
         "vexit walk: --levels 2: under NPT a PAE guest's PDPEs are read in the walk: 3 levels\n"},
        {"walk --cpu nehalem --scheme native --gva 1 --levels 0x4", 2,
         "vexit walk: --levels 0: without paging or nested tables nothing walks\n"},
        {WALK "--levels 2x4 --guest-page 1g", 2, "vexit walk: pae paging has no pages of 1g\n"},
        {"walk --cpu nehalem --scheme ept --gva 0x8000000000000000", 2,
         "vexit walk: --gva 0x8000000000000000 is not canonical\n"},
        {"walk --cpu nehalem --scheme ept --gva xyz", 2, "vexit walk: --gva: 'xyz' is no address\n" USAGE("walk")},
        {"walk --cpu nehalem --scheme ept --gva 0x1ffffffffffffffff", 2,
         "vexit walk: --gva: '0x1ffffffffffffffff' is no address\n" USAGE("walk")},
        {"walk --cpu nehalem --scheme ept --gva -1", 2, "vexit walk: --gva: '-1' is no address\n" USAGE("walk")},
        {"walk --cpu nehalem --scheme ept --gva +1", 2, "vexit walk: --gva: '+1' is no address\n" USAGE("walk")},
        {"walk --cpu nehalem --scheme ept", 2, "vexit walk: no address given: --gva ADDRESS\n" USAGE("walk")},
        {WALK "--caches maybe", 2, "vexit walk: --caches: 'maybe' is neither on nor off\n" USAGE("walk")},
    };
    (void)state;
    CHECK(rows, NULL);
}

static void windows_behind_the_end(void **state)
{
    static const cli_error rows[] = {
        {RUN_IT "--warmup 100m", 2, "vexit run: " COMPILER ": the trace ends within skip and warm-up\n"},
        {RUN_IT "--skip 100m", 2, "vexit run: " COMPILER ": the trace ends within skip and warm-up\n"},
        {RUN_IT "--region 7", 2, "vexit run: " COMPILER ": no mark of region 7 in the trace\n"},
    };
    (void)state;
    CHECK(rows, NULL);
}

static void a_32_bit_guest_for_64_bit_addresses(void **state)
{
    static const char *const schemes[] = {"native", "shadow-wp", "shadow-vtlb", "ept"};
    (void)state;
    for (unsigned s = 0; s < 4; s++)
        for (unsigned levels = 2; levels < 4; levels++) {
            char text[256];
            snprintf(text, sizeof text,
                     "vexit run: address 0x1fff0000f8 lies beyond the 4 GiB that vm.levels=%u can map: a 64-bit "
                     "program needs vm.levels=4\n",
                     levels);
            assert_int_equal(
                cli_line("run --cpu nehalem --scheme %s --set vm.levels=%u --trace " COMPILER, schemes[s], levels), 2);
            assert_string_equal(cli_err, text);
            assert_string_equal(cli_out, "");
        }
}

static void a_report_never_replaces_its_trace(void **state)
{
    (void)state;
    assert_int_equal(cli_line("trace gen sequential:refs=1000 -o own.vxt"), 0);
    size_t before, after;
    free(cli_slurp("own.vxt", &before));
    static const cli_error rows[] = {
        {RUN "own.vxt --json own.vxt", 2, "vexit run: own.vxt: is read, and would be written over\n"},
        {"compare --cpu nehalem --trace own.vxt --csv ./own.vxt", 2,
         "vexit compare: ./own.vxt: is read, and would be written over\n"},
    };
    CHECK(rows, "own.vxt");
    free(cli_slurp("own.vxt", &after));
    assert_int_equal(before, after);
    remove("own.vxt");
}

static void reports_that_cannot_be_written(void **state)
{
    (void)state;
    static const cli_error rows[] = {
        {RUN_IT "--max 10k --json nowhere/x.json", 3,
         "vexit run: cannot create nowhere/x.json: No such file or directory\n"},
        {RUN_IT "--max 10k --csv nowhere/x.csv", 3,
         "vexit run: cannot create nowhere/x.csv: No such file or directory\n"},
        {WALK "--json nowhere/x.json", 3, "vexit walk: cannot create nowhere/x.json: No such file or directory\n"},
        {"compare --cpu nehalem --max 10k --json nowhere/x.json --trace " COMPILER, 3,
         "vexit compare: cannot create nowhere/x.json: No such file or directory\n"},
    };
    CHECK(rows, NULL);
    assert_int_equal(mkdir("folder", 0700), 0);
    static const cli_error folder[] = {
        {RUN_IT "--max 10k --json folder", 3, "vexit run: cannot write folder: Is a directory\n"}};
    CHECK(folder, "folder");
    assert_int_equal(rmdir("folder"), 0);
}

/* The file named in a model's error is the one given, with the line. */
static void models_that_are_wrong(void **state)
{
    (void)state;
    const char *with_dtd = "<?xml version=\"1.0\"?>\n<!DOCTYPE cpu [<!ENTITY a \"b\">]>\n<cpu name=\"x\"/>\n";
    cli_file("m.xml", with_dtd, strlen(with_dtd));
    static const cli_error dtd[] = {{"run --cpu ./m.xml --scheme ept --trace " COMPILER, 2,
                                     "vexit run: ./m.xml:2: a model has no DOCTYPE (no DTD, no entities)\n"}};
    CHECK(dtd, "m.xml");

    const char *wrong = "<?xml version=\"1.0\"?>\n<cpu name=\"x\" extends=\"nehalem\">\n"
                        "  <tlb name=\"l2\">\n    <array entries=\"63\"/>\n  </tlb>\n</cpu>\n";
    cli_file("m.xml", wrong, strlen(wrong));
    assert_int_equal(cli_line("run --cpu ./m.xml --scheme ept --trace " COMPILER), 2);
    assert_int_equal(strncmp(cli_err, "vexit run: ./m.xml:", 19), 0);
    assert_string_equal(cli_out, "");

    const char *range = "<?xml version=\"1.0\"?>\n<cpu name=\"x\" extends=\"nehalem\">\n  <core cpi=\"-3\"/>\n</cpu>\n";
    cli_file("m.xml", range, strlen(range));
    assert_int_equal(cli_line("walk --gva 1 --cpu ./m.xml --scheme ept"), 2);
    assert_int_equal(strncmp(cli_err, "vexit walk: ./m.xml:3: ", 23), 0);
    assert_string_equal(cli_out, "");
    remove("m.xml");

    static const cli_error missing[] = {{"run --cpu ./none.xml --scheme ept --trace " COMPILER, 3,
                                         "vexit run: ./none.xml: No such file or directory\n"}};
    CHECK(missing, NULL);
}

/* Without words the usage; help and version are no errors. */
static void usage(void **state)
{
    (void)state;
    assert_int_equal(CLI(NULL), 2);
    assert_int_equal(strncmp(cli_err, "Usage: vexit VERB", 17), 0);
    assert_int_equal(cli_line("--help"), 0);
    assert_int_equal(strncmp(cli_out, "Usage: vexit VERB", 17), 0);
    assert_int_equal(cli_line("--version"), 0);
    assert_int_equal(strncmp(cli_out, "vexit ", 6), 0);
    static const char *const verbs[] = {"run", "compare", "walk", "trace", "model", "list"};
    for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        assert_int_equal(cli_line("%s --help", verbs[i]), 0);
        assert_non_null(strstr(cli_out, "Usage: vexit"));
        assert_string_equal(cli_err, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traces_that_are_none),
        cmocka_unit_test(cut_traces),
        cmocka_unit_test(unknown_names),
        cmocka_unit_test(bad_values),
        cmocka_unit_test(parts_of_traces),
        cmocka_unit_test(what_the_machine_lacks),
        cmocka_unit_test(what_several_vcpus_cannot),
        cmocka_unit_test(what_several_vcpus_cannot),
        cmocka_unit_test(walks_that_cannot_be),
        cmocka_unit_test(windows_behind_the_end),
        cmocka_unit_test(a_32_bit_guest_for_64_bit_addresses),
        cmocka_unit_test(a_report_never_replaces_its_trace),
        cmocka_unit_test(reports_that_cannot_be_written),
        cmocka_unit_test(models_that_are_wrong),
        cmocka_unit_test(usage),
    };
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
